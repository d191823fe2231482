"""Our gateway beside others (comparison.py)."""
