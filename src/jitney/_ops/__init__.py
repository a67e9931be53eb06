"""First-order primitives, each with all of its rules in one place.  Begin with ``families.py``."""
