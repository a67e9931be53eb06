"""The chi-squared distribution with ``df`` degrees of freedom: a gamma distribution of shape ``df / 2``."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy.operands import array_operand
from jitney.scipy.stats import gamma


def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    return gamma.logpdf(x, _half(df), loc, _twice(scale))


def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return gamma.pdf(x, _half(df), loc, _twice(scale))


def cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return gamma.cdf(x, _half(df), loc, _twice(scale))


def logcdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`cdf`."""
    return gamma.logcdf(x, _half(df), loc, _twice(scale))


def sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return gamma.sf(x, _half(df), loc, _twice(scale))


def logsf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of :func:`sf`."""
    return gamma.logsf(x, _half(df), loc, _twice(scale))


def _half(df: Any) -> Any:
    return array_operand("chi2", df, 1) * 0.5


def _twice(scale: Any) -> Any:
    return array_operand("chi2", scale, 3) * 2


_expose(globals(), own=True)
