"""Quantiles: quantile, percentile, median, and their NaN-ignoring forms; by selecting or sorting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import indexing, ordering, raw, reductions
from jitney._ops.selection import order_statistics
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import array_operand, convert, promote_inexact, refuse_out, to_axes, to_axis, wrap

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")
_FEW = 32  # fractions for which a row is not sorted


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """The values below which a fraction ``q`` of the elements lies.

    Args:
        a: real array; the result is NaN where it has a NaN.
        q: fractions in [0, 1], a number or a vector, whose axis comes first in the result.
        axis: an axis or a tuple of axes; all by default.
        method: between two neighbours: "linear", "lower", "higher", "midpoint", "nearest"; or "inverted_cdf".
        keepdims: keep the reduced axes, with size 1.
        weights: of the elements, for "inverted_cdf": of the shape of ``a``, or a vector along a single axis.

    Raises:
        ValueError: for complex arrays, unknown methods, ``q`` of rank 2 or more.

    >>> import jitney.numpy as jnp
    >>> jnp.quantile(jnp.array([1.0, 2.0, 4.0]), 0.75)
    Array(3., dtype=float64)
    """
    return _quantile("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, 1.0, False)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """:func:`quantile` of the elements that are not NaN; NaN where there is none."""
    return _quantile("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights, 1.0, True)


def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    out_sharding: Any = None,
) -> Any:
    """:func:`quantile` with ``q`` in percent."""
    return _quantile("percentile", a, q, axis, out, overwrite_input, method, keepdims, weights, 100.0, False)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """:func:`nanquantile` with ``q`` in percent."""
    return _quantile(
        "nanpercentile", a, q, axis, out, overwrite_input, method, keepdims, weights, 100.0, True
    )


def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """The middle element in sorted order, or the mean of the middle two; NaN where ``a`` has a NaN."""
    return quantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """:func:`median` of the elements that are not NaN."""
    return nanquantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


# -- one way for all ----------------------------------------------------------------------------------


def _quantile(
    name: str,
    a: Any,
    q: Any,
    axis: Any,
    out: Any,
    overwrite_input: bool,
    method: str,
    keepdims: bool,
    weights: Any,
    unit: float,
    ignore_nan: bool,
) -> Any:
    refuse_out(name, out)
    if overwrite_input:
        raise ValueError(f"jnp.{name} does not support overwrite_input=True: arrays are immutable.")
    a, q = array_operand(name, a), array_operand(name, q, 1)
    _check(name, a, q, method, weights)
    (a,), (fraction,) = promote_inexact(a), promote_inexact(q)
    # The dtype of the array alone decides that of the result.
    dtype = get_aval(a).dtype
    a = ew.convert(a, dtype)
    if isinstance(q, Tracer):
        q = ew.convert(fraction / unit if unit != 1.0 else fraction, dtype)
    else:  # stays known, also while the array is traced
        real = get_aval(fraction).dtype
        q = wrap((np.asarray(q).astype(real) / real.type(unit)).astype(dtype))
    shape = get_aval(a).shape
    axes = to_axes(axis, len(shape))
    if weights is not None:
        weights = _weights_like(weights, shape, axis, get_aval(a).dtype)
        result = _weighted(_merged(a, axes), _merged(weights, axes), q, ignore_nan)
    else:
        result = _positions(_merged(a, axes), q, method, ignore_nan)
    if keepdims:
        kept = [1 if d in axes else n for d, n in enumerate(shape)]
        result = raw.reshape(result, (*get_aval(q).shape, *kept))
    return result


def _check(name: str, a: Any, q: Any, method: str, weights: Any) -> None:
    if "c" in (get_aval(a).dtype.kind, get_aval(q).dtype.kind):
        raise ValueError(f"{name} does not support complex input, as the operation is poorly defined.")
    if get_aval(q).ndim > 1:
        raise ValueError(f"q must be have rank <= 1, got shape {get_aval(q).shape}")
    if method not in _METHODS:
        raise ValueError(f"method can only be one of {_METHODS}, got {method!r}")
    if weights is not None and method != "inverted_cdf":
        raise NotImplementedError(
            f"{method} doesn't support weights. Only method 'inverted_cdf' supports weights."
        )


def _merged(x: Any, axes: tuple[int, ...]) -> Any:
    """``x`` with ``axes`` as one last axis."""
    shape = get_aval(x).shape
    kept = [d for d in range(len(shape)) if d not in axes]
    size = math.prod(shape[d] for d in axes)
    return raw.reshape(raw.transpose(x, [*kept, *axes]), (*(shape[d] for d in kept), size))


def _positions(x: Any, q: Any, method: str, ignore_nan: bool) -> Any:
    """Quantiles along the last axis of ``x``; the axis of ``q`` comes first."""
    *outer, n = get_aval(x).shape
    if n == 0:
        raise ValueError("quantiles of an array without elements are not defined")
    rank = len(outer)
    dtype = get_aval(x).dtype
    if type(q) is ArrayImpl and not ignore_nan and q.size <= _FEW:
        return _static_quantiles(x, q, n, method)
    (ordered,) = ordering.sort([x], rank)
    if ignore_nan:
        count = raw.reduce_sum(ew.convert(ew.eq(x, x), dtype), (rank,))
        place, last = _place(_over(q, rank), uf.maximum(count, dtype.type(1)), method)
        low, high, weight = _neighbours(place, last, method)
        return _mix(_take(ordered, low), _take(ordered, high), weight, method)
    largest = raw.squeeze(_static_take(ordered, n - 1), (rank,))
    place, last = _place(_over(q, rank), dtype.type(n), method)
    low, high, weight = _neighbours(place, last, method)
    result = _mix(_take(ordered, low), _take(ordered, high), weight, method)
    return el.choose(ew.ne(largest, largest), math.nan, result)


def _static_quantiles(x: Any, q: Any, n: int, method: str) -> Any:
    """Known fractions: the elements at a few places, without sorting."""
    outer, dtype = get_aval(x).shape[:-1], get_aval(x).dtype
    if not q.size:
        return raw.full((0, *outer), 0, dtype)
    found = [_static_place(f, n, method, dtype) for f in q._np.reshape(-1)]
    ranks = sorted({n - 1, *(r for low, high, _ in found for r in (low, high))})
    picked = order_statistics(x, tuple(ranks))
    at = {r: raw.squeeze(_static_take(picked, k), (len(outer),)) for k, r in enumerate(ranks)}
    values = [_between(at[low], at[high], low == high, weight, method) for low, high, weight in found]
    result = raw.concatenate([raw.expand_dims(v, (0,)) for v in values], 0)
    result = raw.reshape(result, (*get_aval(q).shape, *outer))
    largest = at[n - 1]
    return el.choose(ew.ne(largest, largest), math.nan, result)


def _over(q: Any, rank: int) -> Any:
    """``q`` with ``rank`` axes of size 1 behind its own."""
    own = get_aval(q).ndim
    return raw.expand_dims(q, range(own, own + rank))


def _place(q: Any, count: Any, method: str) -> tuple[Any, Any]:
    """The real-valued place of the fraction ``q`` among ``count`` sorted elements, and the last place."""
    last = count - 1
    if method == "inverted_cdf":
        return uf.ceil(q * count) - 1, last
    return q * last, last


def _neighbours(place: Any, last: Any, method: str) -> tuple[Any, Any, Any]:
    """The places below and above, within bounds, and the weight of the upper one."""
    zero = get_aval(place).dtype.type(0)
    low, high = uf.floor(place), uf.ceil(place)
    weight = place - low
    bounded = lambda v: uf.minimum(uf.maximum(v, zero), last)  # noqa: E731
    return bounded(low), bounded(high), weight


def _take(ordered: Any, places: Any) -> Any:
    """``ordered[..., places]``: the leading axis of ``places`` (if any) goes over fractions, the rest over rows."""
    *outer, n = get_aval(ordered).shape
    rank = len(outer)
    leading = get_aval(places).shape[: get_aval(places).ndim - rank]
    count = math.prod(leading)
    flat = raw.broadcast_in_dim(
        raw.reshape(places, (count, *get_aval(places).shape[len(leading) :])),
        (count, *outer),
        range(rank + 1),
    )
    index = ew.convert(raw.move_axis(flat, 0, rank), dtypes.default_dtype("i"))
    taken = indexing.take_along_axis(ordered, index, rank)
    return raw.reshape(raw.move_axis(taken, rank, 0), (*leading, *outer))


def _mix(low: Any, high: Any, weight: Any, method: str) -> Any:
    if method in ("lower", "inverted_cdf"):
        return low
    if method == "higher":
        return high
    dtype = get_aval(low).dtype
    if method == "midpoint":
        return dtype.type(0.5) * (low + high)
    if method == "nearest":
        up = weight > dtype.type(0.5)
        return el.choose(up, high, low)
    return low * (1 - weight) + high * weight


def _static_take(ordered: Any, place: int) -> Any:
    """The elements at a known place of the last axis, which keeps size 1."""
    *outer, _ = get_aval(ordered).shape
    return raw.slice_(ordered, (*[0] * len(outer), place), (*outer, place + 1))


def _static_place(fraction: Any, n: int, method: str, dtype: np.dtype) -> tuple[int, int, Any]:
    """The places below and above a known fraction, and the weight of the upper one; NaN for the fraction NaN."""
    if fraction != fraction:
        return 0, 0, dtype.type(math.nan)
    real = np.dtype("f8") if dtype == np.dtype("f8") else np.dtype("f4")
    last = real.type(n - 1)
    place = np.ceil(fraction * real.type(n)) - 1 if method == "inverted_cdf" else real.type(fraction) * last
    low, high = np.floor(place), np.ceil(place)
    bounded = [int(min(max(v, 0), last)) for v in (low, high)]
    return bounded[0], bounded[1], dtype.type(place - low)


def _between(low: Any, high: Any, same: bool, weight: Any, method: str) -> Any:
    if weight != weight:
        return raw.full(get_aval(low).shape, math.nan, get_aval(low).dtype)
    return low if same else _mix(low, high, weight, method)


# -- weights ------------------------------------------------------------------------------------------


def _weights_like(weights: Any, shape: tuple[int, ...], axis: Any, dtype: np.dtype) -> Any:
    """Weights in the shape of the array."""
    weights = convert(array_operand("quantile", weights, 7), dtype)
    have = get_aval(weights).shape
    if have == shape:
        return weights
    if axis is None or isinstance(axis, (tuple, list)):
        raise TypeError("Axis must be a single int when the shapes of a and weights differ.")
    axis = to_axis(axis, len(shape))
    if len(have) != 1 or have[0] != shape[axis]:
        raise ValueError(f"Weights of shape {have} do not fit axis {axis} of an array of shape {shape}.")
    return raw.broadcast_in_dim(weights, shape, (axis,))


def _weighted(x: Any, weights: Any, q: Any, ignore_nan: bool) -> Any:
    """The first element in sorted order at which the running weight reaches the fraction ``q`` of the total."""
    *outer, n = get_aval(x).shape
    rank = len(outer)
    dtype = get_aval(x).dtype
    if ignore_nan:
        weights = el.choose(ew.eq(x, x), weights, dtype.type(0))
    ordered, carried = ordering.sort([x, weights], rank)
    running = ordering.cumsum_p.bind(carried, axis=rank, reverse=False)
    total = _static_take(running, n - 1)
    own = get_aval(q).ndim
    target = raw.expand_dims(q, range(own, own + rank + 1)) * total
    below = ew.convert(uf.less(running, target), dtypes.default_dtype("i"))
    places = uf.minimum(raw.reduce_sum(below, (own + rank,)), n - 1)
    result = _take(ordered, places)
    if ignore_nan:
        return result
    invalid = reductions.reduce_or_p.bind(ew.ne(x, x), axes=(rank,), out_sharding=None)
    return el.choose(invalid, math.nan, result)
