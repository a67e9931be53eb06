"""``split``: one array cut along an axis into consecutive pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._ops.shapes import concatenate_p, slice_p

split_p = Primitive("split", multiple_results=True)


def _abstract(x: ShapedArray, *, sizes: tuple[int, ...], axis: int) -> list[ShapedArray]:
    if not 0 <= axis < x.ndim:
        raise ValueError(f"split: axis {axis} is out of range for an array of shape {x.shape}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"split: sizes must not be negative, got {sizes}")
    if sum(sizes) != x.shape[axis]:
        raise ValueError(
            f"split: the sum of the sizes {sizes} must be the length {x.shape[axis]} of axis {axis} of {x.str_short()}"
        )
    shapes = [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in sizes]
    return [shaped_array(shape, x.dtype, x.weak_type) for shape in shapes]


def _bounds(sizes: Sequence[int]) -> list[tuple[int, int]]:
    ends = np.cumsum((0, *sizes)).tolist()
    return list(zip(ends[:-1], ends[1:], strict=True))


def _expand(x: Any, *, sizes: tuple[int, ...], axis: int) -> list[Any]:
    aval = get_aval(x)
    _abstract(aval, sizes=sizes, axis=axis)
    shape = aval.shape
    pieces = []
    for start, stop in _bounds(sizes):
        low = tuple(start if d == axis else 0 for d in range(len(shape)))
        high = tuple(stop if d == axis else n for d, n in enumerate(shape))
        pieces.append(slice_p.bind(x, start_indices=low, limit_indices=high, strides=None))
    return pieces


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    return split_p.bind(*primals, **params), split_p.bind(*tangents, **params)


def _transpose(cts: Sequence[Any], x: Any, *, sizes: tuple[int, ...], axis: int) -> list[Any]:
    parts = [raw.zeros(ct.aval) if type(ct) is Zero else ct for ct in cts]
    return [concatenate_p.bind(*parts, dimension=axis)]


def _batch(
    size: int, args: Sequence[Any], dims: Sequence[int], *, sizes: tuple[int, ...], axis: int
) -> tuple[list[Any], list[int]]:
    (dim,) = dims
    return split_p.bind(*args, sizes=sizes, axis=axis + (dim <= axis)), [dim] * len(sizes)


split_p.abstract = _abstract
split_p.expand = _expand
split_p.jvp = _jvp
split_p.transpose = _transpose
split_p.batch = _batch

__all__ = ["split_p"]
