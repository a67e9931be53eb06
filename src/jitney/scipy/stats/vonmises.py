"""The von Mises distribution of angles, of concentration ``kappa`` about 0."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, where
from jitney.scipy.special import i0e


def logpdf(x: Any, kappa: Any) -> Any:
    """Logarithm of the density at the angle ``x`` (radians); NaN for ``kappa <= 0``."""
    x, kappa = floats("vonmises.logpdf", x, kappa)
    value = kappa * (uf.cos(x) - 1.0) - uf.log(2 * math.pi * i0e(kappa))
    return where(kappa > 0, value, math.nan)


def pdf(x: Any, kappa: Any) -> Any:
    """Density."""
    return uf.exp(logpdf(x, kappa))


_expose(globals(), own=True)
