"""The generalized normal distribution ``exp(-|x|**beta)``: Laplace's for ``beta = 1``, normal for ``beta = 2``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import power
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import gammaincc, gammaln


def logpdf(x: Any, beta: Any) -> Any:
    """Logarithm of the density.

    >>> from jitney.scipy.stats import gennorm
    >>> float(gennorm.pdf(0.0, 1.0))
    0.5
    """
    x, beta = floats("gennorm.logpdf", x, beta)
    return uf.log(beta) - math.log(2) - gammaln(1.0 / beta) - power(uf.abs(x), beta)


def pdf(x: Any, beta: Any) -> Any:
    """Density."""
    return uf.exp(logpdf(x, beta))


def cdf(x: Any, beta: Any) -> Any:
    """Probability of a value up to ``x``, accurate in the left tail."""
    x, beta = floats("gennorm.cdf", x, beta)
    tail = 0.5 * gammaincc(1.0 / beta, power(uf.abs(x), beta))
    return where(x < 0, tail, 1.0 - tail)


_expose(globals(), own=True)
