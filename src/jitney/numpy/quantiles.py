"""Quantiles by sorting: quantile, percentile, median and their NaN-ignoring forms."""

from __future__ import annotations

import math
from typing import Any

from jitney import lax
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.reductions import reduce_sum
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.gathering import take_along_axis
from jitney.numpy.operands import array_operand, full, promote_inexact, refuse_out, to_axes

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """The values below which fractions ``q`` of the elements lie; NaN if any element is.

    Args:
        a: real array.
        q: a fraction in [0, 1], or a vector of them, which becomes the first axis of the result.
        axis: an axis or a tuple of axes; all by default.
        out, overwrite_input: must be None and False.
        method: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: keep the reduced axes, with size 1.
        weights: not supported.
    """
    return _quantile("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, skip_nan=False)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """``quantile`` of the elements that are not NaN."""
    return _quantile("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights, skip_nan=True)


def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``quantile`` at ``q / 100``."""
    return quantile(a, _hundredth(q), axis, out, overwrite_input, method, keepdims, weights=weights)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """``nanquantile`` at ``q / 100``."""
    return nanquantile(a, _hundredth(q), axis, out, overwrite_input, method, keepdims, weights=weights)


def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle value along axes (the mean of the two middle ones); NaN if any element is."""
    return _quantile("median", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None, skip_nan=False)


def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """``median`` of the elements that are not NaN."""
    return _quantile("nanmedian", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None, skip_nan=True)


def _hundredth(q: Any) -> Any:
    return q / 100 if isinstance(q, (int, float)) else uf.true_divide(_operand(q), 100)


def _operand(q: Any) -> Any:
    from jitney.numpy.creation import array

    return array(q) if isinstance(q, (list, tuple)) else array_operand("quantile", q, 1)


def _quantile(
    name: str, a: Any, q: Any, axis: Any, out: Any, overwrite: bool, method: str, keepdims: bool, weights: Any, skip_nan: bool
) -> Any:
    refuse_out(name, out)
    if overwrite:
        raise ValueError(f"jnp.{name} does not support overwrite_input=True: arrays are immutable.")
    if weights is not None:
        raise NotImplementedError(f"jnp.{name} does not support weights yet.")
    if method not in METHODS:
        raise ValueError(f"interpolation can only be {', '.join(METHODS)}, got {method!r}.")
    (x,) = promote_inexact(array_operand(name, a))
    x, q = promote_inexact(x, _operand(q))
    if get_aval(x).dtype.kind == "c":
        raise ValueError(f"{name} does not support complex input, as the operation is poorly defined.")
    if get_aval(q).ndim > 1:
        raise ValueError(f"q must be have rank <= 1, got shape {get_aval(q).shape}")
    shape = get_aval(x).shape
    axes = to_axes(axis, len(shape))
    kept = [d for d in range(len(shape)) if d not in axes]
    n = math.prod(shape[d] for d in axes)
    rows = raw.reshape(raw.transpose(x, [*kept, *axes]), [*[shape[d] for d in kept], n])
    result = _along_last(rows, q, n, method, skip_nan)  # [*kept, *q]
    rank = get_aval(q).ndim
    if rank:
        result = raw.move_axis(result, len(kept), 0)
    if keepdims:
        result = raw.expand_dims(result, [d + rank for d in axes])
    aval = get_aval(result)
    return ew.convert(result, aval.dtype) if aval.weak_type else result


def _along_last(x: Any, q: Any, n: int, method: str, skip_nan: bool) -> Any:
    """Quantiles of the rows of ``x``; the axes of ``q`` come last."""
    dtype, kept = get_aval(x).dtype, get_aval(x).shape[:-1]
    missing = el.isnan(x)
    rank = len(kept)
    if skip_nan:
        present = reduce_sum(ew.convert(uf.logical_not(missing), dtype), (rank,))
        last = uf.maximum(present - 1, dtype.type(0))
    else:
        spoiled = raw.expand_dims(el.ew.convert(_any(missing, rank), ew.np.dtype(bool)), (rank,))
        x = el.choose(spoiled, dtype.type(math.nan), x)
        last = full(kept, max(n - 1, 0), dtype)
    x = lax.sort(x, rank)  # NaN last
    points = get_aval(q).size
    flat_q = raw.reshape(q, (points,))
    place = raw.expand_dims(last, (rank,)) * raw.reshape(flat_q, (*[1] * rank, points))
    low, high = uf.floor(place), uf.ceil(place)
    weight = place - low
    values = [_read(x, position, n) for position in (low, high)]
    out = _between(values[0], values[1], weight, place, x, n, method)
    if skip_nan:
        nothing = raw.expand_dims(uf.equal(present, 0), (rank,))
        out = el.choose(nothing, dtype.type(math.nan), out)
    return raw.reshape(out, (*kept, *get_aval(q).shape))


def _any(mask: Any, axis: int) -> Any:
    from jitney._ops.reductions import reduce_or

    return reduce_or(mask, (axis,))


def _read(x: Any, position: Any, n: int) -> Any:
    index = ew.convert(el.clip(position, 0, max(n - 1, 0)), dtypes.default_dtype("i"))
    return take_along_axis(x, index, -1, mode="promise_in_bounds")


def _between(low: Any, high: Any, weight: Any, place: Any, x: Any, n: int, method: str) -> Any:
    if method == "lower":
        return low
    if method == "higher":
        return high
    if method == "midpoint":
        return (low + high) * 0.5
    if method == "nearest":
        return _read(x, el.round(place), n)
    return low * (1 - weight) + high * weight
