"""Resampling kernels, and the weights that they give the elements of an axis."""

from __future__ import annotations

import enum
import math
from functools import lru_cache
from typing import Any

import numpy as np

from jitney import numpy as jnp


class ResizeMethod(enum.Enum):
    """How elements between elements are found: the nearest one, or a mean with the weights of a kernel.

    ``LINEAR`` is the triangle of width 2, ``CUBIC`` the kernel of Keys (1981) with a = -1/2, ``LANCZOS3`` and ``LANCZOS5`` are
    windowed sincs of radius 3 and 5 (Duchon 1979). ``CUBIC_PYTORCH`` is that of PyTorch: where kernels are not made
    wider it has a = -3/4, and repeats the first and the last element. ``AREA`` weighs elements by how much of them a new element covers.
    """

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4
    CUBIC_PYTORCH = 5
    AREA = 6

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of that name; ``ValueError`` for another name.

        >>> from jitney.image import ResizeMethod
        >>> ResizeMethod.from_string("bilinear")
        <ResizeMethod.LINEAR: 1>
        """
        if s not in _NAMES:
            raise ValueError(f"unknown resize method {s!r}: expected one of {', '.join(map(repr, _NAMES))}")
        return _NAMES[s]


_NAMES = {
    "nearest": ResizeMethod.NEAREST,
    "linear": ResizeMethod.LINEAR,
    "bilinear": ResizeMethod.LINEAR,
    "trilinear": ResizeMethod.LINEAR,
    "triangle": ResizeMethod.LINEAR,
    "lanczos3": ResizeMethod.LANCZOS3,
    "lanczos5": ResizeMethod.LANCZOS5,
    "cubic": ResizeMethod.CUBIC,
    "bicubic": ResizeMethod.CUBIC,
    "tricubic": ResizeMethod.CUBIC,
    "cubic-pytorch": ResizeMethod.CUBIC_PYTORCH,
    "bicubic-pytorch": ResizeMethod.CUBIC_PYTORCH,
    "area": ResizeMethod.AREA,
}

RADIUS = {
    ResizeMethod.LINEAR: 1,
    ResizeMethod.CUBIC: 2,
    ResizeMethod.CUBIC_PYTORCH: 2,
    ResizeMethod.LANCZOS3: 3,
    ResizeMethod.LANCZOS5: 5,
}


def _weights(n: Any, method: ResizeMethod, antialias: bool, distance: Any, step: Any) -> Any:
    """Weights, yet to be divided by their sum, of elements at a ``distance`` from the centre of a new one.

    ``step`` is the size of a new element in old ones; ``n`` is NumPy or its like here.
    """
    if method is ResizeMethod.AREA:
        return n.clip((step + 1) / 2 - distance, 0, n.minimum(step, 1))
    x = distance / n.maximum(step, 1) if antialias else distance
    if method is ResizeMethod.LINEAR:
        return n.maximum(0, 1 - x)
    if method in (ResizeMethod.CUBIC, ResizeMethod.CUBIC_PYTORCH):
        a = -0.5 if method is ResizeMethod.CUBIC or antialias else -0.75
        near = (((a + 2) * x - (a + 3)) * x) * x + 1
        far = a * (((x - 5) * x + 8) * x - 4)
        return n.where(x < 1, near, n.where(x < 2, far, 0))
    radius = RADIUS[method]
    return n.where(x < radius, n.sinc(x) * n.sinc(x / radius), 0)


def _repeats(method: ResizeMethod, antialias: bool) -> bool:
    """Whether the elements at the ends stand for what lies beyond; else other elements get the weights of that."""
    return method is ResizeMethod.CUBIC_PYTORCH and not antialias


def _reach(method: ResizeMethod, antialias: bool, step: float) -> float:
    """The distance beyond which weights are 0."""
    if method is ResizeMethod.AREA:
        return (step + 1) / 2
    return RADIUS[method] * (max(step, 1.0) if antialias else 1.0)


@lru_cache(maxsize=64)
def taps(size: int, wanted: int, method: ResizeMethod, antialias: bool) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights, both ``[wanted, number of weights]``, of what makes each of ``wanted`` elements of ``size``."""
    step = size / wanted
    reach = _reach(method, antialias, step)
    centres = (np.arange(wanted) + 0.5) * step - 0.5
    places = np.ceil(centres - reach)[:, None] + np.arange(math.floor(2 * reach) + 1)
    inside = (places >= 0) & (places < size) | _repeats(method, antialias)
    found = np.where(inside, _weights(np, method, antialias, np.abs(centres[:, None] - places), step), 0)
    found /= found.sum(1, keepdims=True)
    used = np.flatnonzero(found.any(0))
    places, found = places[:, used[0] : used[-1] + 1], found[:, used[0] : used[-1] + 1]
    return np.clip(places, 0, size - 1).astype(np.int32), found


@lru_cache(maxsize=64)
def dense(size: int, wanted: int, method: ResizeMethod, antialias: bool) -> np.ndarray:
    """The weights of :func:`taps` as a matrix ``[wanted, size]``."""
    places, found = taps(size, wanted, method, antialias)
    matrix = np.zeros((wanted, size))
    np.add.at(matrix, (np.arange(wanted)[:, None], places), found)
    return matrix


@lru_cache(maxsize=64)
def transposed_taps(
    size: int, wanted: int, method: ResizeMethod, antialias: bool
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`taps`, of the transposed matrix: which of ``wanted`` elements each of ``size`` ones went to."""
    places, found = taps(size, wanted, method, antialias)
    outs, columns = np.nonzero(found)
    order = np.argsort(places[outs, columns], kind="stable")
    outs, columns = outs[order], columns[order]
    ins = places[outs, columns]
    counts = np.bincount(ins, minlength=size)
    number = np.arange(len(ins)) - np.repeat(np.cumsum(counts) - counts, counts)  # among those of its element
    shape = size, max(int(counts.max(initial=0)), 1)
    back, weights = np.zeros(shape, np.int32), np.zeros(shape)
    back[ins, number], weights[ins, number] = outs, found[outs, columns]
    return back, weights


def moved_weights(
    size: int, wanted: int, scale: Any, translation: Any, method: ResizeMethod, antialias: bool
) -> Any:
    """Weights ``[wanted, size]`` of elements of an axis that is scaled and then moved, traced or not.

    Elements whose centres lie outside of the axis are zero; weights that the ends cut off go to the others.
    """
    dtype = jnp.result_type(scale)
    step = 1 / scale
    centres = (jnp.arange(wanted, dtype=dtype) + 0.5) * step - translation * step - 0.5
    if _repeats(method, antialias):
        beyond = 2 * RADIUS[method]  # further out there is nothing but the last element
        reached = jnp.clip(centres, -RADIUS[method], size - 1 + RADIUS[method])[:, None]
        places = jnp.arange(-beyond, size + beyond, dtype=dtype)
        found = _weights(jnp, method, antialias, jnp.abs(reached - places), step)
        inner = found[:, beyond : size + beyond]
        inner = inner.at[:, 0].add(found[:, :beyond].sum(1))
        return inner.at[:, -1].add(found[:, size + beyond :].sum(1))
    distance = jnp.abs(centres[:, None] - jnp.arange(size, dtype=dtype))
    found = _weights(jnp, method, antialias, distance, step)
    total = found.sum(1, keepdims=True)
    found = found / jnp.where(total == 0, 1, total)
    inside = (centres >= -0.5) & (centres <= size - 0.5)
    return jnp.where(inside[:, None], found, 0)
