"""The changes made to MiniStack, one module a change, each named for what it changes.

Not here: the behaviour behind the changes; a hook only leads a call to the fleet or an outbox.
"""
