"""The gamma distribution of shape ``a``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import where
from jitney.scipy.special import gammainc, gammaincc, gammaln, xlogy
from jitney.scipy.stats.common import over_scale, standardize


def logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density ``z**(a-1) exp(-z) / gamma(a)``, ``-inf`` below ``loc``."""
    z, scale, (a,) = standardize("gamma.logpdf", x, loc, scale, a)
    inside = where(z < 0, 1.0, z)
    return where(z < 0, -math.inf, over_scale(xlogy(a - 1.0, inside) - inside - gammaln(a), scale))


def pdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, a, loc, scale))


def cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    z, _, (a,) = standardize("gamma.cdf", x, loc, scale, a)
    return gammainc(a, uf.maximum(z, 0.0))


def logcdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    return uf.log(cdf(x, a, loc, scale))


def sf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    z, _, (a,) = standardize("gamma.sf", x, loc, scale, a)
    return gammaincc(a, uf.maximum(z, 0.0))


def logsf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    return uf.log(sf(x, a, loc, scale))


_expose(globals(), own=True)
