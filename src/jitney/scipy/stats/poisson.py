"""The Poisson distribution of mean ``mu``, shifted by ``loc``."""

from __future__ import annotations

import math
from typing import Any

from jitney.numpy import round as nearest
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import gammaincc, gammaln, xlogy


def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``; ``-inf`` for negative and fractional numbers."""
    k, mu, loc = floats("poisson.logpmf", k, mu, loc)
    x = k - loc
    possible = (x >= 0) & uf.equal(x, nearest(x))
    x = where(possible, x, 0.0)
    return where(possible, xlogy(x, mu) - gammaln(x + 1.0) - mu, -math.inf)


def pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, mu, loc))


def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Probability of a number up to ``k``."""
    k, mu, loc = floats("poisson.cdf", k, mu, loc)
    x = uf.floor(k - loc)
    return where(x < 0, 0.0, gammaincc(where(x < 0, 1.0, x + 1.0), mu))
