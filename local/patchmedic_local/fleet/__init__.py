"""The physics of the fleet: nodes, their faults, what documents do on them, the events they raise.

Not here: the API's limits and shapes (``ssm``).
"""
