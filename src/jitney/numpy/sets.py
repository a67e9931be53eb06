"""Sets: unique elements, union, intersection, difference, membership.

Sizes of results depend on values: concrete arrays go through NumPy; with ``size=`` traced arrays go through sorting.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import indexing, ordering, raw, reductions
from jitney.numpy.operands import BOOL, array_operand, promote_dtypes, to_axis, wrap
from jitney.numpy.selecting import concrete, is_unknown, static_size
from jitney.numpy.sorting import counts_up, pick, places_of_true, search

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


def _flat(x: Any) -> Any:
    return raw.reshape(x, (get_aval(x).size,))


def _flat_pair(name: str, ar1: Any, ar2: Any) -> tuple[Any, Any]:
    x, y = promote_dtypes(array_operand(name, ar1), array_operand(name, ar2, 1))
    return _flat(x), _flat(y)


def _indices(places: np.ndarray) -> Any:
    return wrap(np.asarray(places).astype(dtypes.default_dtype("i")))


def _at(x: Any, places: np.ndarray) -> Any:
    """``x[places]`` along the first axis for known places; keeps the derivatives of a traced ``x``."""
    if not isinstance(x, Tracer):
        return wrap(np.ascontiguousarray(concrete("take", x)[places]), get_aval(x).weak_type)
    return pick(x, _indices(places), raw.full((len(places),), True, BOOL), 0)


# -- unique -------------------------------------------------------------------------------------------


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = None,
    sorted: bool = True,
) -> Any:
    """The distinct elements of ``ar``, sorted.

    Args:
        ar: array; flattened if ``axis`` is None, else its slices along ``axis`` are compared.
        return_index: also the places of their first occurrences.
        return_inverse: also the places in the result that rebuild ``ar``.
        return_counts: also how often each occurs.
        equal_nan: count NaNs as equal.
        size: number of elements to return; needed for traced arrays.
        fill_value: stands for missing elements (default: the smallest one).

    >>> import jitney.numpy as jnp
    >>> jnp.unique(jnp.array([3, 1, 3]), return_counts=True)
    (Array([1, 3], dtype=int64), Array([1, 2], dtype=int64))
    """
    x = array_operand("unique", ar)
    shape = get_aval(x).shape
    if axis is None:
        rows, inverse_shape = _flat(x), shape
    else:
        axis = to_axis(axis, len(shape))
        rows, inverse_shape = raw.move_axis(x, axis, 0), (shape[axis],)
    if size is None and axis is None and is_unknown(rows):
        values, index, inverse, counts = _unique_selected(rows, equal_nan)
    else:
        find = _unique_concrete if size is None else _unique_sized
        values, index, inverse, counts = find(rows, equal_nan, size, fill_value)
    out = [values if axis is None else raw.move_axis(values, 0, axis)]
    out += [index] if return_index else []
    out += [raw.reshape(inverse, inverse_shape)] if return_inverse else []
    out += [counts] if return_counts else []
    return tuple(out) if len(out) > 1 else out[0]


def _unique_selected(rows: Any, equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    """Of a traced vector: as many as there are elements, of which the distinct ones are selected."""
    from jitney.numpy.selections import Selection

    size = get_aval(rows).shape[0]
    values, index, inverse, counts = _unique_sized(rows, equal_nan, size, None)
    number = inverse.max() + 1 if size else 0
    mask = raw.iota(np.dtype(np.int64), (size,)) < number
    return Selection(values, mask), Selection(index, mask), inverse, Selection(counts, mask)


def _unique_concrete(rows: Any, equal_nan: bool, size: None, fill_value: Any) -> tuple[Any, Any, Any, Any]:
    values = concrete("unique", rows)
    axis = 0 if values.ndim > 1 else None
    _, index, inverse, counts = np.unique(values, True, True, True, axis=axis, equal_nan=equal_nan)
    return _at(rows, index), _indices(index), _indices(inverse), _indices(counts)


def _unique_sized(rows: Any, equal_nan: bool, size: Any, fill_value: Any) -> tuple[Any, Any, Any, Any]:
    """Sort the rows with their places; an element is new if it differs from the one before it."""
    size = static_size("unique", size)
    n = get_aval(rows).shape[0]
    dtype = dtypes.default_dtype("i")
    if n == 0 and size and fill_value is None:
        raise ValueError(
            "jnp.unique: for zero-sized input with nonzero size argument, fill_value must be specified"
        )
    ordered, permutation = _sort_rows(rows, dtype)
    new = _differs_from_previous(ordered, equal_nan)
    places, exists = places_of_true(new, size)
    first = (
        ordered
        if n == 0
        else raw.slice_(ordered, [0] * get_aval(ordered).ndim, (1, *get_aval(ordered).shape[1:]))
    )
    fill = raw.squeeze(first, (0,)) if fill_value is None and n else (0 if fill_value is None else fill_value)
    values = pick(ordered, places, exists, fill)
    smallest = raw.squeeze(raw.slice_(permutation, (0,), (1,)), (0,)) if n else dtype.type(0)
    index = pick(permutation, places, exists, smallest)
    inverse = (
        ordering.sort([permutation, ew.sub(counts_up(new, dtype), dtype.type(1))], 0)[1] if n else permutation
    )
    starts, there = places_of_true(new, size + 1)
    starts = raw.select(there, starts, raw.full((size + 1,), n, dtype))
    counts = ew.sub(raw.slice_(starts, (1,), (size + 1,)), raw.slice_(starts, (0,), (size,)))
    return values, index, inverse, counts


def _sort_rows(rows: Any, dtype: np.dtype) -> tuple[Any, Any]:
    """Rows in lexicographic order, and their places."""
    shape = get_aval(rows).shape
    places = raw.iota(dtype, shape[:1])
    if len(shape) == 1:
        ordered, permutation = ordering.sort([rows, places], 0)
        return ordered, permutation
    flat = raw.reshape(rows, (shape[0], math.prod(shape[1:])))
    width = get_aval(flat).shape[1]
    columns = [raw.squeeze(raw.slice_(flat, (0, j), (shape[0], j + 1)), (1,)) for j in range(width)]
    *columns, permutation = ordering.sort([*columns, places], 0, True, max(width, 1))
    if not columns:
        return rows, places
    ordered = raw.concatenate([raw.expand_dims(c, (1,)) for c in columns], 1)
    return raw.reshape(ordered, shape), permutation


def _differs_from_previous(ordered: Any, equal_nan: bool = True) -> Any:
    """True for the first row and for each that differs from the row before it."""
    shape = get_aval(ordered).shape
    n, rest = shape[0], shape[1:]
    if n == 0:
        return raw.full((0,), True, BOOL)
    zeros = [0] * len(rest)
    before, after = raw.slice_(ordered, (0, *zeros), (n - 1, *rest)), raw.slice_(ordered, (1, *zeros), shape)
    differs = ew.ne(before, after)
    if equal_nan and dtypes.is_inexact(get_aval(ordered).dtype):
        differs = ew.and_(differs, ew.not_(ew.and_(ew.ne(before, before), ew.ne(after, after))))
    if rest:
        differs = reductions.reduce_or_p.bind(differs, axes=tuple(range(1, len(shape))), out_sharding=None)
    return raw.concatenate([raw.full((1,), True, BOOL), differs], 0)


class UniqueAllResult(NamedTuple):
    """Result of :func:`unique_all`."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """Result of :func:`unique_counts`."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """Result of :func:`unique_inverse`."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAllResult:
    """Distinct elements (every NaN counts), places of first occurrences, inverse and counts, by name."""
    return UniqueAllResult(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCountsResult:
    """Distinct elements (every NaN counts) and their counts, by name."""
    return UniqueCountsResult(
        *unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value)
    )


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverseResult:
    """Distinct elements (every NaN counts) and the inverse, by name."""
    return UniqueInverseResult(
        *unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value)
    )


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Distinct elements (every NaN counts)."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


# -- sets of vectors ----------------------------------------------------------------------------------


def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    method: str = "auto",
) -> Any:
    """True where an element of ``element`` is one of ``test_elements``; NaN is never.

    Args:
        assume_unique: accepted.
        invert: True where it is not.
        method: "compare_all" compares every pair; "binary_search" and "sort" search the sorted elements.
    """
    methods = ("compare_all", "binary_search", "sort", "auto")
    if method not in methods:
        raise ValueError(f"method={method!r} is not implemented; options are {methods}")
    x, y = promote_dtypes(array_operand("isin", element), array_operand("isin", test_elements, 1))
    found = _is_in(x, _flat(y), method)
    return ew.not_(found) if invert else found


def _is_in(x: Any, y: Any, method: str = "auto") -> Any:
    n = get_aval(y).size
    if current_trace() is None and type(x) is ArrayImpl and type(y) is ArrayImpl and x.dtype.kind != "V":
        return wrap(np.asarray(np.isin(x._np, y._np)))
    if n == 0:
        return raw.full(get_aval(x).shape, False, BOOL)
    if method == "compare_all" or (method == "auto" and n <= 16):
        rank = get_aval(x).ndim
        equal = ew.eq(raw.expand_dims(x, (rank,)), raw.expand_dims(y, range(rank)))
        return reductions.reduce_or_p.bind(equal, axes=(rank,), out_sharding=None)
    (ordered,) = ordering.sort([y], 0)
    places = search(ordered, _flat(x))
    near = indexing.take_along_axis(ordered, ew.minimum(places, get_aval(places).dtype.type(n - 1)), 0)
    return raw.reshape(ew.eq(near, _flat(x)), get_aval(x).shape)


def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct elements of both arrays, sorted."""
    x, y = _flat_pair("union1d", ar1, ar2)
    return unique(raw.concatenate([x, y], 0), size=size, fill_value=fill_value)


def _first_occurrences(x: Any) -> tuple[Any, Any, Any]:
    """A sorted vector, the places of its elements before, and which elements are the first of their value."""
    ordered, permutation = _sort_rows(x, dtypes.default_dtype("i"))
    return ordered, permutation, _differs_from_previous(ordered)


def _chosen(name: str, mask: Any, size: Any) -> tuple[Any, Any]:
    """The places where ``mask`` is true: all of a concrete mask, or ``size`` of them."""
    if size is None:
        places = _indices(np.flatnonzero(concrete(name, mask)))
        return places, raw.full(places.shape, True, BOOL)
    return places_of_true(mask, static_size(name, size))


def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The distinct elements of ``ar1`` that are not in ``ar2``, sorted (in place if ``assume_unique``)."""
    x, y = _flat_pair("setdiff1d", ar1, ar2)
    if assume_unique:
        mask = ew.not_(_is_in(x, y))
    else:
        x, _, first = _first_occurrences(x)
        mask = ew.and_(first, ew.not_(_is_in(x, y)))
    return pick(x, *_chosen("setdiff1d", mask, size), 0 if fill_value is None else fill_value)


def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements that are in both arrays, sorted.

    Args:
        return_indices: also the places of their first occurrences in ``ar1`` and ``ar2``.
        size: number of elements to return; needed for traced arrays.
        fill_value: stands for missing elements (default: the smallest common one).
    """
    x, y = _flat_pair("intersect1d", ar1, ar2)
    n, m = get_aval(x).size, get_aval(y).size
    x, places_x, first = _first_occurrences(x)
    y, places_y, _ = _first_occurrences(y)
    places, exists = _chosen("intersect1d", ew.and_(first, _is_in(x, y)), size)
    values = _with_smallest(pick(x, places, exists, 0), exists, fill_value)
    if not return_indices:
        return values
    in_y = search(y, values)
    in_y = ew.minimum(in_y, get_aval(in_y).dtype.type(max(m - 1, 0)))
    return values, pick(places_x, places, exists, n), pick(places_y, in_y, exists, m)


def _with_smallest(values: Any, exists: Any, fill_value: Any) -> Any:
    """Missing elements replaced by ``fill_value``, or by the first element, which is the smallest."""
    aval = get_aval(values)
    if not aval.size:
        return values
    fill = raw.squeeze(raw.slice_(values, (0,), (1,)), (0,)) if fill_value is None else fill_value
    fill = ew.convert(array_operand("fill_value", fill), aval.dtype)
    return raw.select(exists, values, raw.broadcast_in_dim(fill, aval.shape, ()))


def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The distinct elements that are in one of the arrays only, sorted."""
    x, y = _flat_pair("setxor1d", ar1, ar2)
    x, _, first_x = _first_occurrences(x)
    y, _, first_y = _first_occurrences(y)
    mask = raw.concatenate(
        [ew.and_(first_x, ew.not_(_is_in(x, y))), ew.and_(first_y, ew.not_(_is_in(y, x)))], 0
    )
    # Elements of the result first, in ascending order.
    left_out, ordered = ordering.sort([ew.not_(mask), raw.concatenate([x, y], 0)], 0, True, 2)
    places, exists = _chosen("setxor1d", ew.not_(left_out), size)
    return _with_smallest(pick(ordered, places, exists, 0), exists, fill_value)
