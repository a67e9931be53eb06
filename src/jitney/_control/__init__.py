"""Higher-order primitives: those whose parameters are programs (``jit``; later cond, while, scan ...)."""
