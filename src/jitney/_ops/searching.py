"""Binary search in sorted rows, and the places of true elements.

    searchsorted [1. 2. 3.] [2.5 0.]  ->  [2 0]            true_places [F T F T]  ->  [1 3 3] 2

Every value halves its interval as often as the row has bits, without branches: all lanes of a vector make the same
steps (Knuth, The Art of Computer Programming, vol. 3, 6.2.1, "uniform binary search").
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel import index as ix
from jitney._kernel.rules import Pull, Routine, RoutineCall
from jitney._ops import raw

_I32, _I64 = np.dtype(np.int32), np.dtype(np.int64)

searchsorted_p = Primitive("searchsorted")


def index_dtype(n: int) -> np.dtype:
    """The integers that count up to ``n``."""
    return _I32 if n <= np.iinfo(_I32).max else _I64


def _abstract(a: Any, v: Any, *, side: str, rows: int) -> ShapedArray:
    if a.ndim != rows + 1 or a.shape[:rows] != v.shape[:rows]:
        raise TypeError(
            f"searchsorted needs sorted rows [*B, n] and values [*B, ...] with {rows} axes B, got {a.shape} and {v.shape}."
        )
    if a.dtype != v.dtype:
        raise TypeError(f"searchsorted needs operands of one dtype, got {a.dtype.name} and {v.dtype.name}.")
    return shaped_array(v.shape, index_dtype(a.shape[-1]))


def _meaning(a: Any, v: Any, *, side: Any, rows: int) -> Any:
    if a.dtype.kind == "V":  # bfloat16 and kin
        a, v = a.astype(np.float32), v.astype(np.float32)
    dtype = index_dtype(a.shape[-1])
    if not rows:
        return np.asarray(np.searchsorted(a, v, side)).astype(dtype)
    out = np.empty(v.shape, dtype)
    for place in np.ndindex(a.shape[:-1]):
        out[place] = np.searchsorted(a[place], v[place], side)
    return out


def _jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    ans = searchsorted_p.bind(*primals, **params)
    return ans, Zero.of(ans)


def _batch(size: int, args: Any, dims: Any, *, side: str, rows: int) -> tuple[Any, int]:
    (a, v), (da, dv) = args, dims
    if da is None and rows == 0:  # more values
        return searchsorted_p.bind(a, v, side=side, rows=0), dv
    a, v = raw.batches_first((a, v), (da, dv), size)
    return searchsorted_p.bind(a, v, side=side, rows=rows + 1), 0


def _element(b: Any, idx: Any, a: Any, v: Any, *, side: str, rows: int) -> Any:
    n, row = a.aval.shape[-1], idx[:rows]
    dtype = index_dtype(n)
    if n == 0:
        return b.const(0, dtype)
    before = _before(b, v.read(idx), side)
    zero = b.const(0, _I64)
    base, size = zero, n  # the place is in [base, base + size]
    while size:
        half = size // 2 if size > 1 else 1
        place = ix.variable(ix.Dynamic(base, 0, n - size)) if size < n else ix.constant(0)
        ahead = before(a.read((*row, place + (half - 1))))
        base = b.add(base, b.select(ahead, b.const(half, _I64), zero))
        size = size - half if size > 1 else 0
    return b.cast(base, dtype)


def _before(b: Any, x: Any, side: str) -> Any:
    """Whether an element of the row comes before ``x``; NaN comes last."""
    if side == "left":
        if x.dtype.kind != "f":
            return lambda e: b.lt(e, x)
        last = b.is_nan(x)
        return lambda e: b.or_(b.lt(e, x), b.and_(last, b.eq(e, e)))
    if x.dtype.kind != "f":
        return lambda e: b.le(e, x)
    last = b.is_nan(x)
    return lambda e: b.or_(b.le(e, x), last)


searchsorted_p.abstract = _abstract
searchsorted_p.numpy = _meaning
searchsorted_p.jvp = _jvp
searchsorted_p.batch = _batch
searchsorted_p.lower = Pull(_element, cheap=False)


def searchsorted(a: Any, v: Any, side: str) -> Any:
    """Where to insert the values ``v`` into the sorted vector ``a``, of the same dtype."""
    return searchsorted_p.bind(a, v, side=side, rows=get_aval(a).ndim - 1)


# -- places of true elements --------------------------------------------------------------------------

true_places_p = Primitive("true_places", multiple_results=True)


def _places_abstract(mask: Any, *, most: int) -> list[ShapedArray]:
    if mask.dtype.kind != "b" or mask.ndim == 0 or mask.shape[-1] == 0:
        raise TypeError(
            f"true_places needs booleans with a last axis that is not empty, got {mask.str_short()}."
        )
    return [shaped_array((*mask.shape[:-1], most), _I64), shaped_array(mask.shape[:-1], _I64)]


def _places_meaning(mask: Any, *, most: int) -> list[Any]:
    places = np.full((*mask.shape[:-1], most), mask.shape[-1] - 1, _I64)
    for row in np.ndindex(mask.shape[:-1]):
        found = np.flatnonzero(mask[row])[:most]
        places[row][: len(found)] = found
    return [places, np.asarray(np.count_nonzero(mask, axis=-1), _I64)]


def _places_jvp(primals: Any, tangents: Any, *, most: int) -> tuple[Any, Any]:
    outs = true_places_p.bind(*primals, most=most)
    return outs, [Zero.of(y) for y in outs]


def _places_batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, Any]:
    return true_places_p.bind(raw.move_axis(args[0], dims[0], 0), **params), [0, 0]


def _plan_places(in_avals: Any, *, most: int) -> RoutineCall | None:
    (mask,) = in_avals
    args = (math.prod(mask.shape[:-1]), mask.shape[-1], most)
    return RoutineCall("jt_true_places", args, nanoseconds=0.5 * mask.size)


true_places_p.abstract = _places_abstract
true_places_p.numpy = _places_meaning
true_places_p.jvp = _places_jvp
true_places_p.batch = _places_batch
true_places_p.lower = Routine(_plan_places)


def true_places(mask: Any, size: int) -> tuple[Any, Any]:
    """The places of the first ``size`` true elements along the last axis (the last place for missing ones), and the
    number of all true ones."""
    return true_places_p.bind(mask, most=size)


__all__ = ["searchsorted_p", "true_places_p"]
