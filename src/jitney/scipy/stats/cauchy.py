"""The Cauchy distribution ``1 / (pi (1 + x**2))``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats
from jitney.scipy.stats.common import over_scale, rescale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z, scale, _ = standardize("cauchy.logpdf", x, loc, scale)
    return over_scale(-math.log(math.pi) - uf.log1p(uf.square(z)), scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    z, _, _ = standardize("cauchy.cdf", x, loc, scale)
    # The angle of the point (-z, 1) from the left: accurate in both tails.
    return uf.arctan2(1.0, -z) / math.pi


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    return uf.log(cdf(x, loc, scale))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    z, _, _ = standardize("cauchy.sf", x, loc, scale)
    return uf.arctan2(1.0, z) / math.pi


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    return uf.log(sf(x, loc, scale))


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``q``."""
    (q,) = floats("cauchy.ppf", q)
    return rescale(uf.tan(math.pi * q - 0.5 * math.pi), "cauchy.ppf", loc, scale)


def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value above which the probability is ``q``."""
    (q,) = floats("cauchy.isf", q)
    return rescale(uf.tan(0.5 * math.pi - math.pi * q), "cauchy.isf", loc, scale)


_expose(globals(), own=True)
