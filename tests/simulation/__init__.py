"""The simulator: one seed drives a whole world through the real stages, and checkers watch it.

``python -m tests.simulation --seeds 1000`` runs worlds; ``--seed N`` replays one exactly.  How it
works is told in ``world``; what must hold is in ``checkers``, each with the invariant it quotes.
"""
