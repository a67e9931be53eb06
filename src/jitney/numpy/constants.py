"""Constants of ``jitney.numpy``."""

import numpy as _np

__all__ = [
    "e",
    "euler_gamma",
    "inf",
    "nan",
    "newaxis",
    "pi",
]


e: float = _np.e
euler_gamma: float = _np.euler_gamma
inf: float = _np.inf
nan: float = _np.nan
pi: float = _np.pi
newaxis = None
