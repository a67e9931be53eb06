"""Window functions: weights that fall off at both ends of an interval."""

from __future__ import annotations

import math
from typing import Any

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy import arithmetic, creation
from jitney.numpy import ufuncs as uf

__all__ = [
    "bartlett",
    "blackman",
    "hamming",
    "hanning",
    "kaiser",
]


def _steps(M: int) -> Any:
    return raw.iota(dtypes.default_dtype("f"), (M,), 0)


def _cosines(M: int, weights: tuple[float, ...]) -> Any:
    """A weighted sum of cosines with 0, 1, 2 ... periods."""
    if M <= 1:
        return creation.ones(max(M, 0))
    angle = _steps(M) * (2 * math.pi / (M - 1))
    return sum((w * uf.cos(k * angle) for k, w in enumerate(weights) if k), start=weights[0])


def bartlett(M: int) -> Any:
    """Triangular window of ``M`` points, zero at both ends."""
    if M <= 1:
        return creation.ones(max(M, 0))
    return 1 - uf.abs(2 * _steps(M) + (1 - M)) * (1 / (M - 1))


def blackman(M: int) -> Any:
    """Blackman window of ``M`` points."""
    return _cosines(M, (0.42, -0.5, 0.08))


def hamming(M: int) -> Any:
    """Hamming window of ``M`` points."""
    return _cosines(M, (0.54, -0.46))


def hanning(M: int) -> Any:
    """Hann window of ``M`` points."""
    return _cosines(M, (0.5, -0.5))


def kaiser(M: int, beta: Any) -> Any:
    """Kaiser window of ``M`` points with shape ``beta``."""
    if M <= 1:
        return creation.ones(max(M, 0))
    half = 0.5 * (M - 1)
    place = uf.square((_steps(M) - half) / half)
    out = arithmetic.i0(beta * uf.sqrt(1 - place)) / arithmetic.i0(beta)
    return out if not get_aval(out).weak_type else creation.asarray(out, get_aval(out).dtype)
