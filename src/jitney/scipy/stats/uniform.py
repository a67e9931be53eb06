"""The uniform distribution on ``[loc, loc + scale]``."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where


def _on_support(x: Any, loc: Any, scale: Any, inside: Any, outside: float) -> Any:
    """A value inside, another outside, NaN for NaN."""
    value = where((x < loc) | (x > loc + scale), outside, inside)
    return where(uf.equal(x, x), value, math.nan)


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density: ``-log(scale)`` inside, ``-inf`` outside; operands broadcast."""
    x, loc, scale = floats("uniform.logpdf", x, loc, scale)
    return _on_support(x, loc, scale, -uf.log(scale), -math.inf)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Density: ``1 / scale`` inside, 0 outside."""
    x, loc, scale = floats("uniform.pdf", x, loc, scale)
    return _on_support(x, loc, scale, 1.0 / scale, 0.0)


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value up to ``x``."""
    x, loc, scale = floats("uniform.cdf", x, loc, scale)
    return where(x <= loc, 0.0, where(x >= loc + scale, 1.0, (x - loc) / scale))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Probability of a value above ``x``."""
    x, loc, scale = floats("uniform.sf", x, loc, scale)
    return where(x <= loc, 1.0, where(x >= loc + scale, 0.0, (loc + scale - x) / scale))


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The value up to which the probability is ``q``; NaN for ``q`` outside [0, 1]."""
    q, loc, scale = floats("uniform.ppf", q, loc, scale)
    return where((q >= 0) & (q <= 1), q * scale + loc, math.nan)


_expose(globals(), own=True)
