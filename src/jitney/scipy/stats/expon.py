"""The exponential distribution ``exp(-x)`` for ``x >= 0``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.stats.common import over_scale, rescale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density, ``-inf`` below ``loc``."""
    z, scale, _ = standardize("expon.logpdf", x, loc, scale)
    return where(z < 0, -math.inf, over_scale(-z, scale))


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    z, _, _ = standardize("expon.cdf", x, loc, scale)
    return -uf.expm1(-uf.maximum(z, 0.0))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    z, _, _ = standardize("expon.logcdf", x, loc, scale)
    inside = z > 0
    safe = where(inside, z, 1.0)
    # log(1 - exp(-z)), by the form that loses no digits for small and for large z.
    small = safe < math.log(2)
    value = where(
        small, uf.log(-uf.expm1(-where(small, safe, 0.5))), uf.log1p(-uf.exp(-where(small, 1.0, safe)))
    )
    return where(inside, value, where(z <= 0, -math.inf, math.nan))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return uf.exp(logsf(x, loc, scale))


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    z, _, _ = standardize("expon.logsf", x, loc, scale)
    return -uf.maximum(z, 0.0)


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``q``; NaN for ``q`` outside [0, 1]."""
    (q,) = floats("expon.ppf", q)
    inside = (q >= 0) & (q <= 1)
    return rescale(where(inside, -uf.log1p(-where(inside, q, 0.5)), math.nan), "expon.ppf", loc, scale)


_expose(globals(), own=True)
