"""What location-scale families share: standardized operands, the scale's part of a density."""

from __future__ import annotations

import math
from typing import Any

from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, is_number, where


def standardize(name: str, x: Any, loc: Any, scale: Any, *shape: Any) -> tuple[Any, Any, list[Any]]:
    """``(x - loc) / scale``, the scale (None if it is the default 1) and the shape parameters, as floats."""
    z, location, width, *parameters = floats(name, x, loc, scale, *shape)
    if not is_number(loc, 0):
        z = z - location
    if is_number(scale, 1):
        return z, None, parameters
    return z / width, width, parameters


def rescale(z: Any, name: str, loc: Any, scale: Any) -> Any:
    """``loc + scale * z``, the inverse of :func:`standardize`."""
    z, location, width = floats(name, z, loc, scale)
    if not is_number(scale, 1):
        z = z * width
    return z if is_number(loc, 0) else z + location


def over_scale(log_density: Any, scale: Any) -> Any:
    """A log density of the standardized variable as one of the variable: minus the logarithm of the scale."""
    return log_density if scale is None else log_density - uf.log(scale)


def excluded(k: Any) -> Any:
    """The logarithm of a probability of numbers that cannot occur: ``-inf``, NaN where ``k`` is NaN."""
    return where(uf.equal(k, k), -math.inf, math.nan)
