"""One module a Lambda function: what it does with a trigger, in terms of ``ports``.

Here: the order of reads, claims, guards, calls and commits.  Not here: rules (the pure core),
AWS calls (the adapters) and the parsing of a Lambda's trigger (``functions/<name>/app.py``).
"""
