"""The Bernoulli distribution: 1 with probability ``p``, else 0."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import xlog1py, xlogy
from jitney.scipy.stats.common import excluded


def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``; ``-inf`` for numbers other than 0 and 1."""
    k, p, loc = floats("bernoulli.logpmf", k, p, loc)
    x = k - loc
    possible = uf.equal(x, 0.0) | uf.equal(x, 1.0)
    x = where(possible, x, 0.0)
    return where(possible, xlogy(x, p) + xlog1py(1.0 - x, -p), excluded(k))


def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, p, loc))


def cdf(k: Any, p: Any) -> Any:
    """Probability of a number up to ``k``; NaN for ``p`` outside [0, 1]."""
    k, p = floats("bernoulli.cdf", k, p)
    value = where(k < 0, 0.0, where(k < 1, 1.0 - p, 1.0))
    return where((p >= 0) & (p <= 1) & uf.equal(k, k), value, math.nan)


def ppf(q: Any, p: Any) -> Any:
    """The smallest number up to which the probability is ``q``; NaN for ``q`` or ``p`` outside [0, 1]."""
    q, p = floats("bernoulli.ppf", q, p)
    valid = (q >= 0) & (q <= 1) & (p >= 0) & (p <= 1)
    zero = 0.0 * q  # in its dtype
    return where(valid, where(q <= 1.0 - p, zero, zero + 1.0), math.nan)


_expose(globals(), own=True)
