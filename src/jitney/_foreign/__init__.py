"""``jitney.foreign``: functions of C, Fortran and NumPy as operations that compile, batch and differentiate.

Begin at ``functions.py``; ``pointers.py`` and ``signatures.py`` find out how a C function is called, ``primitives.py`` and
``arrays.py`` call it, ``derivatives.py`` and ``differences.py`` differentiate it.
"""

from jitney._foreign.functions import ForeignFunction, foreign

__all__ = ["ForeignFunction", "foreign"]
