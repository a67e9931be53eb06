"""The Gumbel distribution of largest values, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats
from jitney.scipy.stats.common import over_scale, rescale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z, scale, _ = standardize("gumbel_r.logpdf", x, loc, scale)
    return over_scale(-z - uf.exp(-z), scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return uf.exp(logcdf(x, loc, scale))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    z, _, _ = standardize("gumbel_r.logcdf", x, loc, scale)
    return -uf.exp(-z)


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    z, _, _ = standardize("gumbel_r.sf", x, loc, scale)
    return -uf.expm1(-uf.exp(-z))


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    return uf.log(sf(x, loc, scale))


def ppf(p: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``p``."""
    (p,) = floats("gumbel_r.ppf", p)
    return rescale(-uf.log(-uf.log(p)), "gumbel_r.ppf", loc, scale)


_expose(globals(), own=True)
