"""Changing shapes and joining arrays: reshape, transpose, stack, split, repeat, roll."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import lax
from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.shapes import rev_p
from jitney.lax.operands import to_shape
from jitney.numpy import creation
from jitney.numpy import operands as op
from jitney.numpy.operands import (
    LARGE_EAGER,
    array_operand,
    convert,
    promote_dtypes,
    refuse_out,
    to_axes,
    to_axis,
    wrap,
)


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


def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None, out_sharding: Any = None) -> Any:
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
    sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape] if np.ndim(shape) == 0 else list(shape)
    unknown = [i for i, n in enumerate(sizes) if not isinstance(n, Tracer) and isinstance(n, (int, np.integer)) and n == -1]
    if not unknown:
        new = to_shape("reshape", sizes)
    else:
        if len(unknown) > 1:
            raise ValueError("can only specify one unknown axis size with a `-1` value")
        rest = to_shape("reshape", [n for i, n in enumerate(sizes) if i != unknown[0]])
        known = math.prod(rest)
        if known == 0 or old.size % known:
            raise TypeError(f"cannot reshape array of shape {old.shape} (size {old.size}) into shape {tuple(sizes)}")
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
        ValueError: if ``axes`` is not a permutation of the axes.
    """
    x = array_operand("transpose", a)
    rank = len(_shape(x))
    if axes is None:
        if _is_eager(x):
            return wrap(x._np.T, x.weak_type)
        return raw.transpose(x, range(rank)[::-1])
    order = [to_axis(d, rank) for d in axes]
    if sorted(order) != list(range(rank)):
        raise ValueError(f"axes {tuple(axes)} are not a permutation of the axes of an array of shape {_shape(x)}.")
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
    return _at_least(2, lambda x: x if len(_shape(x)) >= 2 else raw.expand_dims(x, range(2 - len(_shape(x)))), _lists(arys))


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
        raise ValueError("Arguments to jax.numpy.meshgrid must be 1D, got shapes " + str([_shape(x) for x in xs]))
    axes = list(range(len(xs)))
    if indexing == "xy" and len(xs) >= 2:
        axes[:2] = 1, 0
    sizes = [0] * len(xs)
    for x, d in zip(xs, axes, strict=True):
        sizes[d] = _shape(x)[0]
    full = lambda d: [n if sparse is False or i == d else 1 for i, n in enumerate(sizes)]  # noqa: E731
    return [raw.broadcast_in_dim(x, full(d), (d,)) for x, d in zip(xs, axes, strict=True)]


# -- joining ------------------------------------------------------------------------------------------


def _sequence(name: str, arrays: Any) -> list[Any]:
    """The arrays of a sequence (or the rows of one array)."""
    if isinstance(arrays, (ArrayImpl, Tracer, np.ndarray)):
        if np.ndim(arrays) == 0:
            raise TypeError(f"{name} needs a sequence of arrays, got an array of rank 0.")
        return list(array_operand(name, arrays))
    if isinstance(arrays, (str, bytes)) or not hasattr(arrays, "__iter__"):
        raise TypeError(f"{name} needs a sequence of arrays, got {type(arrays).__name__}.")
    return [creation.array(x) if isinstance(x, (list, tuple)) else array_operand(name, x, i) for i, x in enumerate(arrays)]


def _join_dtype(xs: list[Any], dtype: Any) -> list[Any]:
    if dtype is not None:
        return [ew.convert(x, dtypes.canonicalize_dtype(dtype)) for x in xs]
    return promote_dtypes(*xs)


def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Any:
    """Arrays joined along an existing axis (flattened first if ``axis`` is None).

    Raises:
        TypeError: for arrays of different ranks, or with different sizes along other axes.
        ValueError: for an empty sequence.

    >>> import jitney.numpy as jnp
    >>> jnp.concatenate([jnp.zeros(2), jnp.ones(1)])
    Array([0., 0., 1.], dtype=float64)
    """
    joined = _join_eagerly(np.concatenate, arrays, axis) if dtype is None else None
    if joined is not None:
        return joined
    xs = _sequence("concatenate", arrays)
    if not xs:
        raise ValueError("Need at least one array to concatenate.")
    if axis is None:
        return concatenate([ravel(x) for x in xs], 0, dtype)
    if builtins.any(len(_shape(x)) != len(_shape(xs[0])) for x in xs):
        shown = ", ".join(str(_shape(x)) for x in xs)
        raise TypeError(f"Cannot concatenate arrays with different numbers of dimensions: got {shown}.")
    if not _shape(xs[0]):
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    axis = to_axis(axis, len(_shape(xs[0])))
    return raw.concatenate(_join_dtype(xs, dtype), axis)


def _join_eagerly(join: Callable[..., Any], arrays: Any, axis: Any) -> Any:
    """Join small concrete arrays of one dtype by NumPy; None where that does not apply or fails."""
    if type(arrays) not in (list, tuple) or current_trace() is not None or not arrays:
        return None
    first, total = arrays[0], 0
    if type(first) is not ArrayImpl:
        return None
    for x in arrays:
        if type(x) is not ArrayImpl or x.dtype is not first.dtype or x.weak_type is not first.weak_type:
            return None
        total += x.size
    if total >= LARGE_EAGER:
        return None
    try:
        return wrap(join([x._np for x in arrays], axis), first.weak_type)
    except (ValueError, TypeError):
        return None  # the general path words the error


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Arrays joined along an existing axis: ``concatenate``."""
    return concatenate(arrays, axis)


def stack(arrays: Any, axis: int = 0, out: Any = None, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis.

    Raises:
        ValueError: for an empty sequence, or arrays of different shapes.
    """
    refuse_out("stack", out)
    joined = _join_eagerly(np.stack, arrays, axis) if dtype is None else None
    if joined is not None:
        return joined
    xs = _sequence("stack", arrays)
    if not xs:
        raise ValueError("Need at least one array to stack.")
    sizes = _shape(xs[0])
    if builtins.any(_shape(x) != sizes for x in xs):
        raise ValueError("All input arrays must have the same shape. Got " + ", ".join(str(_shape(x)) for x in xs) + ".")
    axis = to_axis(axis, len(sizes) + 1)
    return raw.concatenate([raw.expand_dims(x, (axis,)) for x in _join_dtype(xs, dtype)], axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of ``x`` along ``axis``."""
    x = array_operand("unstack", x)
    if not _shape(x):
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was passed.")
    x = raw.move_axis(x, to_axis(axis, len(_shape(x))), 0)
    return tuple(x)


def vstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the first axis; vectors as rows."""
    return concatenate([atleast_2d(x) for x in _sequence("vstack", tup)], 0, dtype)


def hstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the second axis; vectors along their only one."""
    xs = [atleast_1d(x) for x in _sequence("hstack", tup)]
    return concatenate(xs, 0 if xs and len(_shape(xs[0])) == 1 else 1, dtype)


def dstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the third axis."""
    return concatenate([atleast_3d(x) for x in _sequence("dstack", tup)], 2, dtype)


def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix; matrices side by side."""
    xs = [x if len(_shape(x)) >= 2 else raw.reshape(x, (get_aval(x).size, 1)) for x in _sequence("column_stack", tup)]
    return concatenate(xs, 1)


def block(arrays: Any) -> Any:
    """One array from nested lists of blocks."""
    out, _ = _block(arrays)
    return out


def _block(xs: Any) -> tuple[Any, int]:
    """The joined block and the depth of its lists; the innermost lists join along the last axis."""
    if isinstance(xs, tuple):
        raise ValueError(f"jax.numpy.block does not allow tuples, got {xs}")
    if not isinstance(xs, list):
        return array_operand("block", xs), 1
    if not xs:
        raise ValueError("jax.numpy.block does not allow empty list arguments")
    parts, depths = zip(*[_block(x) for x in xs], strict=True)
    if builtins.any(d != depths[0] for d in depths):
        raise ValueError("Mismatched list depths in jax.numpy.block")
    rank = builtins.max(depths[0], *[len(_shape(x)) for x in parts])
    parts = [raw.expand_dims(x, range(rank - len(_shape(x)))) for x in parts]
    return concatenate(list(parts), -depths[0]), depths[0] + 1


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` after ``arr``, along ``axis`` (both flattened if None)."""
    if axis is None:
        return concatenate([ravel(arr), ravel(values)], 0)
    return concatenate([arr, values], axis)


# -- splitting ----------------------------------------------------------------------------------------


def _split_points(name: str, n: int, indices_or_sections: Any, equal: bool) -> list[int]:
    if isinstance(indices_or_sections, (tuple, list)) or np.ndim(indices_or_sections) > 0:
        points = [creation._concrete(name, i) for i in indices_or_sections]
        return [0, *[builtins.min(builtins.max(i + n if i < 0 else i, 0), n) for i in map(int, points)], n]
    parts = int(creation._concrete(name, indices_or_sections))
    if parts <= 0:
        raise ValueError("number sections must be larger than 0.")
    small, rest = divmod(n, parts)
    if rest and equal:
        raise ValueError(f"array split does not result in an equal division: rest is {rest}")
    points = [0]
    for i in range(parts):
        points.append(points[-1] + small + (i < rest))
    return points


def _split(name: str, ary: Any, indices_or_sections: Any, axis: int, equal: bool) -> list[Any]:
    x = array_operand(name, ary)
    sizes = _shape(x)
    axis = to_axis(axis, len(sizes))
    points = _split_points(name, sizes[axis], indices_or_sections, equal)
    return [slice_axis(x, axis, lo, builtins.max(lo, hi)) for lo, hi in zip(points, points[1:], strict=False)]


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """``x[..., start:stop:step, ...]`` along one axis."""
    sizes = _shape(x)
    if start == 0 and stop == sizes[axis] and step == 1:
        return x
    begin = [start if d == axis else 0 for d in range(len(sizes))]
    end = [stop if d == axis else n for d, n in enumerate(sizes)]
    return raw.slice_(x, begin, end, None if step == 1 else tuple(step if d == axis else 1 for d in range(len(sizes))))


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Equal parts of ``ary``, or the parts between given indices, along ``axis``.

    Raises:
        ValueError: if the axis does not divide into that many equal parts.
    """
    return _split("split", ary, indices_or_sections, axis, equal=True)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of ``ary`` whose sizes differ by at most one."""
    return _split("array_split", ary, indices_or_sections, axis, equal=False)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the second axis (of vectors, the first)."""
    return split(ary, indices_or_sections, 0 if ndim(ary) == 1 else 1)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the first axis."""
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the third axis."""
    return split(ary, indices_or_sections, 2)


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
    return raw.reshape(raw.broadcast_in_dim(x, wide, kept), [c * n for c, n in zip(counts, sizes, strict=True)])


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
        raise ValueError(f"shift and axis must broadcast together, got {len(shifts)} shifts and {len(axes)} axes.")
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
