"""The negative binomial distribution: failures before ``n`` successes of probability ``p``, shifted by ``loc``."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import round as nearest
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import betaln, xlog1py, xlogy
from jitney.scipy.stats.common import excluded


def logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k`` failures; ``-inf`` for negative and fractional numbers."""
    k, n, p, loc = floats("nbinom.logpmf", k, n, p, loc)
    x = k - loc
    possible = (x >= 0) & uf.equal(x, nearest(x))
    x = where(possible, x, 0.0)
    choices = -betaln(n, x + 1.0) - uf.log(n + x)
    return where(possible, choices + xlogy(n, p) + xlog1py(x, -p), excluded(k))


def pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Probability of ``k``."""
    return uf.exp(logpmf(k, n, p, loc))


_expose(globals(), own=True)
