"""What can be wrong with a patch run, and how to tell from what it printed.

Here: the catalogue (``data/``, one TOML file a cause), its validator, what customers' own files may
add to it, and the classifier that ranks causes for a piece of evidence.  Not here: looking at nodes
(``checks``), acting on them (``remedies``), or deciding whether to (``policy``, ``incident``).
Pure: no AWS, no clock.
"""
