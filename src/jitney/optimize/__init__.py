"""``jitney.optimize``: SciPy's ``minimize``, ``least_squares``, ``curve_fit`` and ``root``, which take derivatives themselves."""

from jitney._api.calls import expose as _expose
from jitney.optimize._curve_fit import curve_fit
from jitney.optimize._least_squares import least_squares
from jitney.optimize._minimize import minimize
from jitney.optimize._results import OptimizeResult
from jitney.optimize._root import root

__all__ = ["OptimizeResult", "curve_fit", "least_squares", "minimize", "root"]

_expose(globals())
