"""Scenario and fault files: what they may say, and reading them with errors made for people.

Not here: what the simulated nodes then do (``fleet``).
"""
