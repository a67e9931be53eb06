"""The logistic distribution, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.special import expit, logit
from jitney.scipy.stats.common import over_scale, rescale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density ``exp(-z) / (1 + exp(-z))**2``."""
    z, scale, _ = standardize("logistic.logpdf", x, loc, scale)
    size = uf.abs(z)
    return over_scale(-size - 2.0 * uf.log1p(uf.exp(-size)), scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    return expit(standardize("logistic.cdf", x, loc, scale)[0])


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    return expit(-standardize("logistic.sf", x, loc, scale)[0])


def ppf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``x``."""
    return rescale(logit(x), "logistic.ppf", loc, scale)


def isf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value above which the probability is ``x``."""
    return rescale(-logit(x), "logistic.isf", loc, scale)


_expose(globals(), own=True)
