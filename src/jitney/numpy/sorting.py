"""Order: sort, argsort, lexsort, partition, searchsorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gather_layouts, indexing, ordering, raw, searching
from jitney._ops.shapes import rev_p
from jitney.numpy.operands import BOOL, array_operand, promote_dtypes, to_axis, wrap

__all__ = ["argpartition", "argsort", "lexsort", "partition", "searchsorted", "sort", "sort_complex"]

_I32 = np.dtype("i4")


def _refuse(name: str, kind: Any, order: Any) -> None:
    if kind is not None:
        raise TypeError(
            f"'kind' argument to {name} is not supported. Use stable=True or stable=False instead."
        )
    if order is not None:
        raise TypeError(f"'order' argument to {name} is not supported.")


def _along(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    """The array and the axis to sort along; with ``axis=None`` the flattened array."""
    a = array_operand(name, a)
    if axis is None:
        return raw.reshape(a, (get_aval(a).size,)), 0
    rank = get_aval(a).ndim
    axis = to_axis(axis, rank)
    return a, axis


def sort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """The elements of ``a`` in ascending order along ``axis``; NaN last.

    Args:
        a: array; complex numbers are ordered by real, then by imaginary part.
        axis: None sorts the flattened array.
        stable: keep the order of equal elements.
        descending: from the largest, NaN first.

    >>> import jitney.numpy as jnp
    >>> jnp.sort(jnp.array([3.0, 1.0, 2.0]))
    Array([1., 2., 3.], dtype=float64)
    """
    _refuse("sort", kind, order)
    a, axis = _along("sort", a, axis)
    (out,) = ordering.sort([a], axis, stable)
    return _flip(out, axis) if descending else out


def _flip(x: Any, axis: int) -> Any:
    return rev_p.bind(x, dimensions=(axis,))


def argsort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
    dtype: Any = None,
) -> Any:
    """The places along ``axis`` of the elements in ascending order; integers of ``dtype`` (int64)."""
    _refuse("argsort", kind, order)
    a, axis = _along("argsort", a, axis)
    index_dtype = dtypes.default_dtype("i") if dtype is None else dtypes.requested(dtype)
    return ordering.argsort(a, axis, stable, descending, index_dtype)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """The places that sort by the last key, then by the last but one, and so on.

    Args:
        keys: a sequence of arrays of one shape, or an array of them.

    Raises:
        TypeError: if there is no key.
        ValueError: if their shapes differ.
    """
    keys = [array_operand("lexsort", k, i) for i, k in enumerate(keys)]
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    shapes = {get_aval(k).shape for k in keys}
    if len(shapes) > 1:
        raise ValueError(f"all keys must be the same shape, got {sorted(shapes)}")
    (shape,) = shapes
    index_dtype = dtypes.default_dtype("i")
    if not shape:
        return wrap(np.zeros((), index_dtype))
    axis = to_axis(axis, len(shape))
    places = raw.iota(index_dtype, shape, axis)
    return ordering.sort([*reversed(keys), places], axis, True, len(keys))[-1]


def sort_complex(a: Any) -> Any:
    """``a`` as complex numbers, sorted along the last axis."""
    a = array_operand("sort_complex", a)
    return sort(ew.convert(a, dtypes.complex_dtype(get_aval(a).dtype)))


def _checked_partition(name: str, a: Any, kth: int, axis: int) -> tuple[Any, int]:
    a = array_operand(name, a)
    if get_aval(a).dtype.kind == "c":
        raise NotImplementedError(f"jnp.{name} for complex dtype is not implemented.")
    axis = to_axis(axis, get_aval(a).ndim)
    to_axis(kth, get_aval(a).shape[axis], "kth")
    return a, axis


def partition(a: Any, kth: int, axis: int = -1) -> Any:
    """Smaller elements before place ``kth`` of the sorted order, larger ones behind it (here: fully sorted)."""
    a, axis = _checked_partition("partition", a, kth, axis)
    return ordering.sort([a], axis)[0]


def argpartition(a: Any, kth: int, axis: int = -1) -> Any:
    """The places of the elements of :func:`partition`, as int32."""
    a, axis = _checked_partition("argpartition", a, kth, axis)
    return ordering.argsort(a, axis, dtype=_I32)


# -- searching ----------------------------------------------------------------------------------------

_METHODS = ("compare_all", "scan", "scan_unrolled", "sort")


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Any:
    """Where to insert ``v`` into the sorted vector ``a`` so that it stays sorted.

    Args:
        a: sorted vector (or any, with ``sorter``, the result of its argsort).
        v: values, of any shape.
        side: "left" of equal elements or "right" of them.
        method: "compare_all" compares every pair; the other names are a binary search.

    Returns:
        integers (int32) of the shape of ``v``.

    >>> import jitney.numpy as jnp
    >>> jnp.searchsorted(jnp.array([1.0, 2.0, 3.0]), 2.5)
    Array(2, dtype=int32)
    """
    if sorter is None:
        a, v = promote_dtypes(array_operand("searchsorted", a), array_operand("searchsorted", v, 1))
    else:
        a, v = promote_dtypes(array_operand("searchsorted", a), array_operand("searchsorted", v, 1))
        a = indexing.take_along_axis(a, array_operand("searchsorted", sorter, 3), 0)
    if side not in ("left", "right"):
        raise ValueError(f"invalid argument side={side!r}, expected 'left' or 'right'")
    if method not in _METHODS:
        raise ValueError(f"invalid argument method={method!r}, expected one of {sorted(_METHODS)}")
    if get_aval(a).ndim != 1:
        raise ValueError("a should be 1-dimensional")
    return search(a, v, side, method)


def search(a: Any, v: Any, side: str = "left", method: str = "scan") -> Any:
    """:func:`searchsorted` of operands of one dtype."""
    if method != "compare_all":
        return searching.searchsorted(a, v, side)
    rank = get_aval(v).ndim
    column = raw.expand_dims(v, (rank,))
    row = raw.expand_dims(a, range(rank))
    before = _less(row, column) if side == "left" else ew.not_(_less(column, row))
    return raw.reduce_sum(ew.convert(before, searching.index_dtype(get_aval(a).size)), (rank,))


def _less(x: Any, y: Any) -> Any:
    """``x < y`` in the order of sort: NaN last, complex numbers by parts."""
    kind = dtypes.kind_of(get_aval(x).dtype)
    if kind == "c":
        parts = (ew.real(x), ew.real(y)), (ew.imag(x), ew.imag(y))
        (xr, yr), (xi, yi) = parts
        return ew.or_(_less(xr, yr), ew.and_(ew.not_(_less(yr, xr)), _less(xi, yi)))
    if kind != "f":
        return ew.lt(x, y)
    return ew.or_(ew.lt(x, y), ew.and_(ew.eq(x, x), ew.ne(y, y)))


# -- what sets, quantiles and selections share --------------------------------------------------------


def counts_up(mask: Any, dtype: np.dtype) -> Any:
    """Running count of the true elements of a vector."""
    return ordering.cumsum_p.bind(ew.convert(mask, dtype), axis=0, reverse=False)


def places_of_true(mask: Any, size: int) -> tuple[Any, Any]:
    """The places of the first ``size`` true elements of a vector, and which of them exist; size is static."""
    dtype = dtypes.default_dtype("i")
    n = get_aval(mask).size
    wanted = raw.iota(dtype, (size,))
    if n == 0:
        return wanted, raw.full((size,), False, BOOL)
    places, count = searching.true_places(mask, size)
    return ew.convert(places, dtype), ew.lt(wanted, ew.convert(count, dtype))


def pick(values: Any, places: Any, exists: Any, fill: Any) -> Any:
    """``values[places]`` along the first axis where the place exists, else ``fill``."""
    shape = get_aval(values).shape
    size = get_aval(places).size
    if get_aval(values).size == 0:
        taken = raw.full((size, *shape[1:]), 0, get_aval(values).dtype)
    else:
        dims = tuple(range(1, len(shape)))
        numbers = gather_layouts.GatherDimensionNumbers(dims, (0,), (0,))
        starts = raw.reshape(places, (size, 1))
        taken = indexing.gather(values, starts, numbers, (1, *shape[1:]), gather_layouts.PROMISE_IN_BOUNDS)
    mask = raw.broadcast_in_dim(exists, get_aval(taken).shape, (0,))
    return raw.select(mask, taken, broadcast_fill(fill, get_aval(taken)))


def broadcast_fill(fill: Any, aval: Any) -> Any:
    """A fill value as an array of the shape and dtype of ``aval``; it broadcasts from the right."""
    fill = ew.convert(array_operand("fill_value", fill), aval.dtype)
    rank = get_aval(fill).ndim
    return raw.broadcast_in_dim(fill, aval.shape, range(aval.ndim - rank, aval.ndim))
