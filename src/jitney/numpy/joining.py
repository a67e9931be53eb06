"""Joining and splitting arrays: concatenate, stack, block, split."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.numpy import creation, manipulation
from jitney.numpy.operands import LARGE_EAGER, array_operand, promote_dtypes, refuse_out, to_axis, wrap

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


def _shape(x: Any) -> tuple[int, ...]:
    return get_aval(x).shape


# -- joining ------------------------------------------------------------------------------------------


def _sequence(name: str, arrays: Any) -> list[Any]:
    """The arrays of a sequence (or the rows of one array)."""
    if isinstance(arrays, (ArrayImpl, Tracer, np.ndarray)):
        if np.ndim(arrays) == 0:
            raise TypeError(f"{name} needs a sequence of arrays, got an array of rank 0.")
        return list(array_operand(name, arrays))
    if isinstance(arrays, (str, bytes)) or not hasattr(arrays, "__iter__"):
        raise TypeError(f"{name} needs a sequence of arrays, got {type(arrays).__name__}.")
    return [
        creation.array(x) if isinstance(x, (list, tuple)) else array_operand(name, x, i)
        for i, x in enumerate(arrays)
    ]


def _join_dtype(xs: list[Any], dtype: Any) -> list[Any]:
    if dtype is not None:
        return [ew.convert(x, dtypes.requested(dtype)) for x in xs]
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
        return concatenate([manipulation.ravel(x) for x in xs], 0, dtype)
    if builtins.any(len(_shape(x)) != len(_shape(xs[0])) for x in xs):
        shown = ", ".join(str(_shape(x)) for x in xs)
        raise TypeError(f"Cannot concatenate arrays with different numbers of dimensions: got {shown}.")
    if not _shape(xs[0]):
        raise ValueError(
            "Zero-dimensional arrays cannot be concatenated. Make one array of numbers by jnp.stack([x, y]) or jnp.array([x, y]); "
            "the arrays are one argument, a list."
        )
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
        raise ValueError(
            "All input arrays must have the same shape. Got " + ", ".join(str(_shape(x)) for x in xs) + "."
        )
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
    return concatenate([manipulation.atleast_2d(x) for x in _sequence("vstack", tup)], 0, dtype)


def hstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the second axis; vectors along their only one."""
    xs = [manipulation.atleast_1d(x) for x in _sequence("hstack", tup)]
    return concatenate(xs, 0 if xs and len(_shape(xs[0])) == 1 else 1, dtype)


def dstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the third axis."""
    return concatenate([manipulation.atleast_3d(x) for x in _sequence("dstack", tup)], 2, dtype)


def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix; matrices side by side."""
    xs = [
        x if len(_shape(x)) >= 2 else raw.reshape(x, (get_aval(x).size, 1))
        for x in _sequence("column_stack", tup)
    ]
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
        return concatenate([manipulation.ravel(arr), manipulation.ravel(values)], 0)
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
    return [
        manipulation.slice_axis(x, axis, lo, builtins.max(lo, hi))
        for lo, hi in zip(points, points[1:], strict=False)
    ]


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
    return split(ary, indices_or_sections, 0 if manipulation.ndim(ary) == 1 else 1)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the first axis."""
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the third axis."""
    return split(ary, indices_or_sections, 2)
