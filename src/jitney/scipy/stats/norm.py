"""The normal distribution with mean ``loc`` and standard deviation ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, is_number
from jitney.scipy.special import log_ndtr, ndtr, ndtri
from jitney.scipy.stats.common import rescale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density; operands broadcast.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import norm
    >>> norm.logpdf(jnp.array([0.0, 1.0]))
    Array([-0.91893853, -1.41893853], dtype=float64)
    """
    x, location, width = floats("norm.logpdf", x, loc, scale)
    square = uf.square(x if is_number(loc, 0) else x - location)
    if is_number(scale, 1):
        return -0.5 * (square + math.log(2 * math.pi))
    variance = uf.square(width)
    return -0.5 * (uf.log(2 * math.pi * variance) + square / variance)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return ndtr(standardize("norm.cdf", x, loc, scale)[0])


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`, accurate far in the tail."""
    return log_ndtr(standardize("norm.logcdf", x, loc, scale)[0])


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return ndtr(-standardize("norm.sf", x, loc, scale)[0])


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`, accurate far in the tail."""
    return log_ndtr(-standardize("norm.logsf", x, loc, scale)[0])


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``q``; NaN for ``q`` outside [0, 1]."""
    return rescale(ndtri(q), "norm.ppf", loc, scale)


def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value above which the probability is ``q``; NaN for ``q`` outside [0, 1]."""
    return rescale(-ndtri(q), "norm.isf", loc, scale)


_expose(globals(), own=True)
