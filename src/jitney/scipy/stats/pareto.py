"""The Pareto distribution ``b / x**(b+1)`` for ``x >= 1``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import power
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.stats.common import over_scale, rescale, standardize


def logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density, ``-inf`` below ``loc + scale``."""
    z, scale, (b,) = standardize("pareto.logpdf", x, loc, scale, b)
    outside = z < 1
    return where(
        outside, -math.inf, over_scale(uf.log(b) - (b + 1.0) * uf.log(where(outside, 1.0, z)), scale)
    )


def pdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, b, loc, scale))


def cdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return -uf.expm1(logsf(x, b, loc, scale))


def logcdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    return uf.log(cdf(x, b, loc, scale))


def sf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return uf.exp(logsf(x, b, loc, scale))


def logsf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    z, _, (b,) = standardize("pareto.logsf", x, loc, scale, b)
    return -b * uf.log(where(z < 1, 1.0, z))


def ppf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``q``."""
    q, b = floats("pareto.ppf", q, b)
    return rescale(power(1.0 - q, -1.0 / b), "pareto.ppf", loc, scale)


_expose(globals(), own=True)
