"""Looks at a failure from two sides: on the node (``node``) and at its AWS set-up (``aws``).

Both give ``model.Finding`` and neither changes anything.
"""
