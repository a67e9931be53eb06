"""The beta-binomial distribution: ``n`` trials of a probability that is beta distributed, shifted by ``loc``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import round as nearest
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import betaln
from jitney.scipy.stats.common import excluded


def logpmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k`` successes; ``-inf`` for impossible numbers, NaN for impossible parameters.

    >>> from jitney.scipy.stats import betabinom
    >>> float(betabinom.pmf(2, 4, 1.0, 1.0).round(12))
    0.2
    """
    k, n, a, b, loc = floats("betabinom.logpmf", k, n, a, b, loc)
    x = k - loc
    possible = (x >= 0) & (x <= n) & uf.equal(x, nearest(x))
    x = where(possible, x, 0.0)
    choices = -betaln(n - x + 1.0, x + 1.0) - uf.log1p(n)
    value = where(possible, choices + betaln(x + a, n - x + b) - betaln(a, b), excluded(k))
    return where((n < 0) | (a <= 0) | (b <= 0), math.nan, value)


def pmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, n, a, b, loc))


_expose(globals(), own=True)
