"""The Laplace distribution ``exp(-|x|) / 2``, shifted by ``loc`` and stretched by ``scale``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import where
from jitney.scipy.stats.common import over_scale, standardize


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z, scale, _ = standardize("laplace.logpdf", x, loc, scale)
    return over_scale(-uf.abs(z) - math.log(2), scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    z, _, _ = standardize("laplace.cdf", x, loc, scale)
    left = z <= 0
    tail = 0.5 * uf.exp(where(left, z, -z))
    return where(left, tail, 1.0 - tail)


_expose(globals(), own=True)
