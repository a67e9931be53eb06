"""The geometric distribution: trials up to the first success of probability ``p``, shifted by ``loc``."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import round as nearest
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import xlog1py
from jitney.scipy.stats.common import excluded


def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k`` trials; ``-inf`` below 1 and for fractional numbers."""
    k, p, loc = floats("geom.logpmf", k, p, loc)
    x = k - loc
    possible = (x >= 1) & uf.equal(x, nearest(x))
    x = where(possible, x, 1.0)
    return where(possible, xlog1py(x - 1.0, -p) + uf.log(p), excluded(k))


def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, p, loc))


_expose(globals(), own=True)
