"""The multinomial distribution: how often each of several outcomes comes in ``n`` trials."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.numpy.reductions import sum as total
from jitney.scipy.operands import floats, where
from jitney.scipy.special import gammaln, xlogy
from jitney.scipy.stats.common import excluded


def logpmf(x: Any, n: Any, p: Any) -> Any:
    """Logarithm of the probability of the counts ``x``.

    Args:
        x: counts, of shape ``[..., k]``.
        n: numbers of trials, of shape ``[...]``.
        p: probabilities of the outcomes, of shape ``[..., k]``.

    Returns:
        of shape ``[...]``; ``-inf`` where the counts do not add up to ``n``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import multinomial
    >>> float(multinomial.pmf(jnp.array([1, 1]), 2, jnp.array([0.5, 0.5])).round(12))
    0.5
    """
    x, p = floats("multinomial.logpmf", x, p)
    (n,) = floats("multinomial.logpmf", n)
    value = gammaln(n + 1.0) + total(xlogy(x, p) - gammaln(x + 1.0), axis=-1)
    counted = total(x, axis=-1)
    return where(uf.equal(n, counted), value, excluded(counted))


def pmf(x: Any, n: Any, p: Any) -> Any:
    """Probability of the counts ``x``."""
    return uf.exp(logpmf(x, n, p))


_expose(globals(), own=True)
