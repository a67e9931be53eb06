"""The Poisson distribution of mean ``mu``, shifted by ``loc``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._api.calls import expose as _expose
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy import round as nearest
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import broadcast_shapes, broadcast_to
from jitney.numpy.reductions import sum as total
from jitney.scipy.operands import floats, where
from jitney.scipy.special import gammaincc, gammaln, xlogy
from jitney.scipy.stats.common import excluded


def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``; ``-inf`` for negative and fractional numbers."""
    k, mu, loc = floats("poisson.logpmf", k, mu, loc)
    x = k - loc
    possible = (x >= 0) & uf.equal(x, nearest(x))
    x = where(possible, x, 0.0)
    return where(possible, xlogy(x, mu) - gammaln(x + 1.0) - mu, excluded(k))


def pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, mu, loc))


def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Probability of a number up to ``k``."""
    k, mu, loc = floats("poisson.cdf", k, mu, loc)
    x = uf.floor(k - loc)
    return where(x < 0, 0.0, gammaincc(where(x < 0, 1.0, x + 1.0), mu))


_FEW = 64.0  # means up to which the probabilities themselves are added
_TERMS = 160  # of the sum: the others are below 1e-18
_LOG_FACTORIALS = np.array([math.lgamma(k + 1.0) for k in range(_TERMS)])
# The entropy less log(2 pi e mu) / 2, in powers of 1 / mu: from Stirling's series and the moments of the distribution.
_SERIES = (
    *(-1 / 12, -1 / 24, -19 / 360, -9 / 80, -863 / 2520),
    *(-1375 / 1008, -33953 / 5040, -57281 / 1440, -3250433 / 11880, -378351 / 176),
)


def entropy(mu: Any, loc: Any = 0) -> Any:
    """The entropy; NaN for negative means. A sum of probabilities for small means, an asymptotic series for large ones.

    >>> from jitney.scipy.stats import poisson
    >>> float(poisson.entropy(3.0).round(6))
    1.93147
    """
    mu, loc = floats("poisson.entropy", mu, loc)
    mean = broadcast_to(mu, broadcast_shapes(get_aval(mu).shape, get_aval(loc).shape))
    few = mean <= _FEW
    inverse = 1.0 / where(few, _FEW, mean)
    series: Any = 0.0
    for coefficient in reversed(_SERIES):
        series = (series + coefficient) * inverse
    many = 0.5 * (math.log(2 * math.pi * math.e) - uf.log(inverse)) + series
    value = where(few, _summed(where(few & (mean > 0), mean, 1.0)), many)
    return where(mean > 0, value, where(uf.equal(mean, 0.0), 0.0, math.nan))


def _summed(mean: Any) -> Any:
    """``-sum p log p`` over the first numbers, on a further axis."""
    dtype = get_aval(mean).dtype
    column = raw.expand_dims(mean, (get_aval(mean).ndim,))
    logs = np.arange(_TERMS, dtype=dtype) * uf.log(column) - column - _LOG_FACTORIALS.astype(dtype)
    return -total(uf.exp(logs) * logs, axis=-1)


_expose(globals(), own=True)
