"""Student's t distribution with ``df`` degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.special import gammaln
from jitney.scipy.stats.common import over_scale, standardize


def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z, scale, (df,) = standardize("t.logpdf", x, loc, scale, df)
    normalizer = gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * uf.log(math.pi * df)
    return over_scale(normalizer - 0.5 * (df + 1.0) * uf.log1p(uf.square(z) / df), scale)


def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density."""
    return uf.exp(logpdf(x, df, loc, scale))


_expose(globals(), own=True)
