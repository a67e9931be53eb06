"""The wrapped Cauchy distribution of angles, concentrated by ``c`` between 0 and 1 about 0."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where


def logpdf(x: Any, c: Any) -> Any:
    """Logarithm of the density at the angle ``x``; ``-inf`` outside of ``[0, 2 pi]``, NaN for ``c`` outside of (0, 1).

    >>> from jitney.scipy.stats import wrapcauchy
    >>> float(wrapcauchy.pdf(0.0, 0.5).round(6))
    0.477465
    """
    x, c = floats("wrapcauchy.logpdf", x, c)
    valid = (c > 0) & (c < 1)
    c = where(valid, c, 0.5)
    # 1 + c**2 - 2 c cos x, without the loss of digits near x = 0 and c = 1.
    distance = uf.square(1.0 - c) + 4.0 * c * uf.square(uf.sin(0.5 * x))
    value = uf.log1p(-uf.square(c)) - math.log(2 * math.pi) - uf.log(distance)
    return where(valid, where((x < 0) | (x > 2 * math.pi), -math.inf, value), math.nan)


def pdf(x: Any, c: Any) -> Any:
    """Density."""
    return uf.exp(logpdf(x, c))


_expose(globals(), own=True)
