"""``jitney.scipy.optimize``: minima of functions of vectors."""

from jitney._api.calls import expose as _expose
from jitney.scipy.optimize.minimization import OptimizeResults, minimize

__all__ = ["OptimizeResults", "minimize"]

_expose(globals())
