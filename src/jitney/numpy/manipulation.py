"""Changing shapes and orders: reshape, transpose, broadcast, tile, flip, roll."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import lax
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import raw
from jitney._ops.shapes import rev_p
from jitney.lax.operands import to_shape
from jitney.numpy import creation
from jitney.numpy import operands as op
from jitney.numpy.operands import (
    LARGE_EAGER,
    array_operand,
    convert,
    to_axes,
    to_axis,
    wrap,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "isscalar",
    "iterable",
    "matrix_transpose",
    "meshgrid",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "reshape",
    "roll",
    "rollaxis",
    "rot90",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
]


def _shape(x: Any) -> tuple[int, ...]:
    return get_aval(x).shape


def _is_eager(x: Any) -> bool:
    """True for a small concrete array in eager code."""
    return type(x) is ArrayImpl and x.size < LARGE_EAGER and current_trace() is None


# -- questions ----------------------------------------------------------------------------------------


def shape(a: Any) -> tuple[int, ...]:
    """The sizes of the axes of ``a`` (an array, number or nested list)."""
    return _aval_of("shape", a).shape


def ndim(a: Any) -> int:
    """The number of axes of ``a``."""
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """The number of elements of ``a``, or along ``axis`` (an int or a tuple)."""
    sizes = shape(a)
    return math.prod(sizes[d] for d in to_axes(axis, len(sizes)))


def _aval_of(name: str, a: Any) -> Any:
    if isinstance(a, (list, tuple)):
        return get_aval(creation.array(a))
    return get_aval(op.operand(name, a))


def isscalar(element: Any) -> bool:
    """True for numbers and arrays of rank 0."""
    if isinstance(element, (np.generic, int, float, complex)):
        return True
    return isinstance(element, (ArrayImpl, Tracer, np.ndarray)) and np.ndim(element) == 0


def iterable(y: Any) -> bool:
    """True if ``y`` can be iterated over."""
    return np.iterable(y) and not (isinstance(y, Tracer) and y.ndim == 0)


# -- reshaping ----------------------------------------------------------------------------------------


def reshape(
    a: Any, shape: Any, order: str = "C", *, copy: bool | None = None, out_sharding: Any = None
) -> Any:
    """The elements of ``a`` in a new shape; one size may be -1.

    Raises:
        TypeError: if the number of elements would change.

    >>> import jitney.numpy as jnp
    >>> jnp.reshape(jnp.arange(4), (2, -1))
    Array([[0, 1],
           [2, 3]], dtype=int64)
    """
    x = array_operand("reshape", a)
    new = _complete(x, shape)
    if order == "C":
        if _is_eager(x):
            return wrap(x._np.reshape(new), x.weak_type)
        return raw.reshape(x, new)
    if order == "F":
        rank = len(_shape(x))
        reverse = raw.reshape(raw.transpose(x, range(rank)[::-1]), new[::-1])
        return raw.transpose(reverse, range(len(new))[::-1])
    if order == "A":
        raise NotImplementedError("np.reshape order=A is not implemented.")
    raise ValueError(f"Unexpected value for 'order' argument: {order}.")


def _complete(x: Any, shape: Any) -> tuple[int, ...]:
    """A shape argument with its -1 worked out."""
    old = get_aval(x)
    sizes = (
        list(shape) if isinstance(shape, (tuple, list)) else [shape] if np.ndim(shape) == 0 else list(shape)
    )
    unknown = [
        i
        for i, n in enumerate(sizes)
        if not isinstance(n, Tracer) and isinstance(n, (int, np.integer)) and n == -1
    ]
    if not unknown:
        new = to_shape("reshape", sizes)
    else:
        if len(unknown) > 1:
            raise ValueError("can only specify one unknown axis size with a `-1` value")
        rest = to_shape("reshape", [n for i, n in enumerate(sizes) if i != unknown[0]])
        known = math.prod(rest)
        if known == 0 or old.size % known:
            raise TypeError(
                f"cannot reshape array of shape {old.shape} (size {old.size}) into shape {tuple(sizes)}"
            )
        new = (*rest[: unknown[0]], old.size // known, *rest[unknown[0] :])
    if math.prod(new) != old.size:
        raise TypeError(
            f"cannot reshape array of shape {old.shape} (size {old.size}) into shape {tuple(sizes)} (size {math.prod(new)})"
        )
    return new


def ravel(a: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """The elements of ``a`` in one axis."""
    if order == "K":
        raise NotImplementedError("Ravel not implemented for order='K'.")
    x = array_operand("ravel", a)
    return reshape(x, (get_aval(x).size,), order)


def transpose(a: Any, axes: Any = None) -> Any:
    """``a`` with its axes permuted (by default reversed).

    Raises:
        TypeError: if ``axes`` is not a permutation of the axes.
    """
    x = array_operand("transpose", a)
    rank = len(_shape(x))
    if axes is None:
        if _is_eager(x):
            return wrap(x._np.T, x.weak_type)
        return raw.transpose(x, range(rank)[::-1])
    order = [to_axis(d, rank) for d in axes]
    if sorted(order) != list(range(rank)):
        raise TypeError(
            f"axes {tuple(axes)} are not a permutation of the axes of an array of shape {_shape(x)}."
        )
    return raw.transpose(x, order)


def permute_dims(a: Any, /, axes: Any) -> Any:
    """``a`` with its axes in the order ``axes``."""
    return transpose(a, axes)


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    x = array_operand("matrix_transpose", x)
    rank = len(_shape(x))
    if rank < 2:
        raise ValueError(f"x must be at least two-dimensional for matrix_transpose; got ndim={rank}")
    return raw.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """``a`` with two axes exchanged."""
    x = array_operand("swapaxes", a)
    rank = len(_shape(x))
    i, j = to_axis(axis1, rank), to_axis(axis2, rank)
    order = list(range(rank))
    order[i], order[j] = j, i
    return raw.transpose(x, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """``a`` with axes ``source`` moved to positions ``destination``."""
    x = array_operand("moveaxis", a)
    rank = len(_shape(x))
    src, dst = to_axes(source, rank), to_axes(destination, rank)
    if len(src) != len(dst):
        raise ValueError(f"Inconsistent number of elements: {len(src)} vs {len(dst)}")
    order = [d for d in range(rank) if d not in src]
    for to, axis in sorted(zip(dst, src, strict=True)):
        order.insert(to, axis)
    return raw.transpose(x, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """``a`` with ``axis`` moved before position ``start``."""
    rank = ndim(a)
    axis = to_axis(axis, rank)
    start = to_axis(start, rank + 1)
    return moveaxis(a, axis, start - 1 if axis < start else start)


def squeeze(a: Any, axis: Any = None) -> Any:
    """``a`` without axes of size 1 (all of them, or those of ``axis``)."""
    x = array_operand("squeeze", a)
    sizes = _shape(x)
    if axis is None:
        return raw.squeeze(x, tuple(d for d, n in enumerate(sizes) if n == 1))
    return raw.squeeze(x, to_axes(axis, len(sizes)))


def expand_dims(a: Any, axis: Any) -> Any:
    """``a`` with new axes of size 1 at positions ``axis`` of the result."""
    x = array_operand("expand_dims", a)
    new = axis if isinstance(axis, (tuple, list)) else (axis,)
    return raw.expand_dims(x, to_axes(tuple(new), len(_shape(x)) + len(new)))


def _at_least(rank: int, place: Callable[[Any], Any], arrays: tuple) -> Any:
    out = [place(array_operand(f"atleast_{rank}d", x, i)) for i, x in enumerate(arrays)]
    return out[0] if len(out) == 1 else out


def atleast_1d(*arys: Any) -> Any:
    """Arrays with at least one axis; a list of them if there are several."""
    return _at_least(1, lambda x: raw.reshape(x, (1,)) if not _shape(x) else x, _lists(arys))


def atleast_2d(*arys: Any) -> Any:
    """Arrays with at least two axes: vectors become rows."""
    return _at_least(
        2, lambda x: x if len(_shape(x)) >= 2 else raw.expand_dims(x, range(2 - len(_shape(x)))), _lists(arys)
    )


def _lists(arys: tuple) -> tuple:
    return tuple(creation.array(a) if isinstance(a, (list, tuple)) else a for a in arys)


def atleast_3d(*arys: Any) -> Any:
    """Arrays with at least three axes."""

    def place(x: Any) -> Any:
        new = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(len(_shape(x)))
        return raw.expand_dims(x, new) if new else x

    return _at_least(3, place, _lists(arys))


# -- broadcasting -------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The NumPy broadcast of several shapes; ``ValueError`` if they do not fit together."""
    return op.broadcast_shapes(*[(s,) if isinstance(s, int) else s for s in shapes])


def broadcast_to(array: Any, shape: Any, *, out_sharding: Any = None) -> Any:
    """``array`` expanded to ``shape``.

    Raises:
        ValueError: if the shapes do not fit.
    """
    return op.broadcast_to(array_operand("broadcast_to", array), to_shape("broadcast_to", shape))


def broadcast_arrays(*args: Any) -> list[Any]:
    """Arrays expanded to their common shape."""
    xs = [array_operand("broadcast_arrays", x, i) for i, x in enumerate(args)]
    common = op.broadcast_shapes(*map(_shape, xs))
    return [op.broadcast_to(x, common) for x in xs]


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Any]:
    """Grids of coordinates from coordinate vectors; ``indexing`` "xy" puts the second vector along the first axis."""
    if not copy:
        raise ValueError("jax.numpy.meshgrid only supports copy=True")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for indexing are 'xy' and 'ij', got {indexing}")
    xs = [array_operand("meshgrid", x, i) for i, x in enumerate(_lists(xi))]
    xs = [raw.reshape(x, (1,)) if not _shape(x) else x for x in xs]
    if builtins.any(len(_shape(x)) != 1 for x in xs):
        raise ValueError(
            "Arguments to jax.numpy.meshgrid must be 1D, got shapes " + str([_shape(x) for x in xs])
        )
    axes = list(range(len(xs)))
    if indexing == "xy" and len(xs) >= 2:
        axes[:2] = 1, 0
    sizes = [0] * len(xs)
    for x, d in zip(xs, axes, strict=True):
        sizes[d] = _shape(x)[0]
    full = lambda d: [n if sparse is False or i == d else 1 for i, n in enumerate(sizes)]  # noqa: E731
    return [raw.broadcast_in_dim(x, full(d), (d,)) for x, d in zip(xs, axes, strict=True)]


# -- repeating and reversing --------------------------------------------------------------------------


def tile(A: Any, reps: Any) -> Any:
    """``A`` repeated ``reps`` times along each axis."""
    x = array_operand("tile", A)
    counts = to_shape("tile", reps)
    rank = builtins.max(len(counts), len(_shape(x)))
    counts = (1,) * (rank - len(counts)) + counts
    sizes = (1,) * (rank - len(_shape(x))) + _shape(x)
    if builtins.all(c == 1 for c in counts):
        return raw.reshape(x, sizes)
    wide = [n for pair in zip(counts, sizes, strict=True) for n in pair]
    kept = [2 * (rank - len(_shape(x)) + d) + 1 for d in range(len(_shape(x)))]
    return raw.reshape(
        raw.broadcast_in_dim(x, wide, kept), [c * n for c, n in zip(counts, sizes, strict=True)]
    )


def flip(m: Any, axis: Any = None) -> Any:
    """``m`` with the order of elements reversed along ``axis`` (all axes by default)."""
    x = array_operand("flip", m)
    return rev(x, to_axes(axis, len(_shape(x))))


def rev(x: Any, axes: Sequence[int]) -> Any:
    """``x`` reversed along non-negative ``axes``."""
    return rev_p.bind(x, dimensions=tuple(axes))


def fliplr(m: Any) -> Any:
    """``m`` reversed along its second axis."""
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """``m`` reversed along its first axis."""
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """``m`` rotated by ``k`` quarter turns in the plane of ``axes``."""
    x = array_operand("rot90", m)
    rank = len(_shape(x))
    i, j = (to_axis(d, rank) for d in axes)
    if i == j:
        raise ValueError("Axes must be different")
    k = k % 4
    if k == 0:
        return x
    if k == 2:
        return flip(flip(x, i), j)
    return swapaxes(flip(x, j), i, j) if k == 1 else flip(swapaxes(x, i, j), j)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """``a`` with elements moved by ``shift`` places along ``axis``, around the end; ``shift`` may be traced."""
    x = array_operand("roll", a)
    if axis is None:
        return raw.reshape(roll(ravel(x), shift, 0), _shape(x))
    shifts, axes = _roll_pairs(shift, axis, len(_shape(x)))
    for s, d in zip(shifts, axes, strict=True):
        x = _roll_one(x, s, d)
    return x


def _roll_pairs(shift: Any, axis: Any, rank: int) -> tuple[list[Any], list[int]]:
    axes = [to_axis(d, rank) for d in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    if isinstance(shift, (ArrayImpl, Tracer, np.ndarray)):
        shifts = [shift] if np.ndim(shift) == 0 else [shift[i] for i in range(np.shape(shift)[0])]
    else:
        shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift]
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    elif len(axes) == 1:
        axes = axes * len(shifts)
    if len(shifts) != len(axes):
        raise ValueError(
            f"shift and axis must broadcast together, got {len(shifts)} shifts and {len(axes)} axes."
        )
    return shifts, axes


def _roll_one(x: Any, shift: Any, axis: int) -> Any:
    n = _shape(x)[axis]
    if n == 0:
        return x
    if isinstance(shift, Tracer):
        return _roll_traced(x, shift, axis, n)
    shift = int(shift) % n
    if shift == 0:
        return x
    return raw.concatenate([slice_axis(x, axis, n - shift, n), slice_axis(x, axis, 0, n - shift)], axis)


def _roll_traced(x: Any, shift: Any, axis: int, n: int) -> Any:
    doubled = raw.concatenate([x, x], axis)
    start = n - shift % n
    starts = [start if d == axis else convert(0, get_aval(start).dtype) for d in range(len(_shape(x)))]
    return lax.dynamic_slice(doubled, starts, _shape(x))


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """``x[..., start:stop:step, ...]`` along one axis."""
    sizes = _shape(x)
    if start == 0 and stop == sizes[axis] and step == 1:
        return x
    begin = [start if d == axis else 0 for d in range(len(sizes))]
    end = [stop if d == axis else n for d, n in enumerate(sizes)]
    return raw.slice_(
        x, begin, end, None if step == 1 else tuple(step if d == axis else 1 for d in range(len(sizes)))
    )
