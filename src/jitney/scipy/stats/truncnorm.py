"""The standard normal distribution cut to ``[a, b]``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import where
from jitney.scipy.special import log_ndtr
from jitney.scipy.stats.common import over_scale, standardize


def _log_difference(x: Any, y: Any) -> Any:
    """``log(exp(x) - exp(y))`` for ``x >= y``; ``-inf`` where they are equal."""
    gap = y - x
    some = gap < 0
    return x + where(some, uf.log(-uf.expm1(where(some, gap, -1.0))), -math.inf)


def _log_mass(a: Any, b: Any) -> Any:
    """Logarithm of the normal probability between ``a`` and ``b``, from the tail in which it is larger."""
    right = a > 0
    low, high = where(right, -b, a), where(right, -a, b)
    return _log_difference(log_ndtr(high), log_ndtr(low))


def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density, ``-inf`` outside."""
    z, scale, (a, b) = standardize("truncnorm.logpdf", x, loc, scale, a, b)
    inside = (z >= a) & (z <= b)
    normal = -0.5 * (uf.square(where(inside, z, 0.0)) + math.log(2 * math.pi))
    value = where(inside, over_scale(normal, scale) - _log_mass(a, b), -math.inf)
    return where((a >= b) | uf.not_equal(z, z), math.nan, value)


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, a, b, loc, scale))


def _log_part(z: Any, low: Any, high: Any, a: Any, b: Any) -> Any:
    value = where(low < high, _log_mass(low, where(low < high, high, low + 1.0)) - _log_mass(a, b), -math.inf)
    return where((a >= b) | uf.not_equal(z, z), math.nan, value)


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    z, _, (a, b) = standardize("truncnorm.logcdf", x, loc, scale, a, b)
    return _log_part(z, a, uf.minimum(z, b), a, b)


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    z, _, (a, b) = standardize("truncnorm.logsf", x, loc, scale, a, b)
    return _log_part(z, uf.maximum(z, a), b, a, b)


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return uf.exp(logcdf(x, a, b, loc, scale))


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return uf.exp(logsf(x, a, b, loc, scale))


_expose(globals(), own=True)
