"""The beta distribution of shapes ``a`` and ``b`` on ``[loc, loc + scale]``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import where
from jitney.scipy.special import betainc, betaln, xlog1py, xlogy
from jitney.scipy.stats.common import over_scale, standardize


def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density ``z**(a-1) (1-z)**(b-1) / beta(a, b)``, ``-inf`` outside."""
    z, scale, (a, b) = standardize("beta.logpdf", x, loc, scale, a, b)
    outside = (z < 0) | (z > 1)
    inside = where(outside, 0.5, z)
    log_density = xlogy(a - 1.0, inside) + xlog1py(b - 1.0, -inside) - betaln(a, b)
    return where(outside, -math.inf, over_scale(log_density, scale))


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, a, b, loc, scale))


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    z, _, (a, b) = standardize("beta.cdf", x, loc, scale, a, b)
    return betainc(a, b, uf.minimum(uf.maximum(z, 0.0), 1.0))


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    return uf.log(cdf(x, a, b, loc, scale))


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    z, _, (a, b) = standardize("beta.sf", x, loc, scale, a, b)
    return betainc(b, a, 1.0 - uf.minimum(uf.maximum(z, 0.0), 1.0))


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    return uf.log(sf(x, a, b, loc, scale))


_expose(globals(), own=True)
