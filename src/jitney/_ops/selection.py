"""Elements at known places of the sorted order, without sorting.

    order_statistics [5. 1. 3.] ranks=(0, 1)  ->  [1. 3.]

Derivatives sort along: the tangent of a result is that of the element that a stable sort puts there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Routine, RoutineCall
from jitney._ops import indexing, ordering, raw
from jitney._ops.sort_plans import KINDS, MOST, key_type

_LONG = 1 << 15  # rows from which buckets are counted, as in csrc/selecting.cpp
_TABLES = 5 * 4 * 2**16

order_statistics_p = Primitive("order_statistics")


def _abstract(x: Any, *, ranks: tuple[int, ...]) -> ShapedArray:
    if (
        not x.ndim
        or not ranks
        or not all(0 <= r < x.shape[-1] for r in ranks)
        or list(ranks) != sorted(ranks)
    ):
        raise ValueError(
            f"order_statistics: {ranks} are no ascending places in the last axis of {x.str_short()}."
        )
    return shaped_array((*x.shape[:-1], len(ranks)), x.dtype, x.weak_type)


def _meaning(x: Any, *, ranks: tuple[int, ...]) -> Any:
    if x.dtype.kind == "V":  # bfloat16 and kin
        return np.sort(x, axis=-1)[..., ranks]
    return np.partition(x, sorted(set(ranks)), axis=-1)[..., ranks]


def _jvp(primals: Any, tangents: Any, *, ranks: tuple[int, ...]) -> tuple[Any, Any]:
    (x,), (g,) = primals, tangents
    if type(g) is Zero:
        ans = order_statistics_p.bind(x, ranks=ranks)
        return ans, Zero.of(ans)
    shape = get_aval(x).shape
    axis, outer = len(shape) - 1, shape[:-1]
    places = raw.iota(np.dtype(np.int64), shape, axis)
    values, order = ordering.sort([x, places], axis)
    chosen = raw.broadcast_in_dim(np.asarray(ranks, np.int64), (*outer, len(ranks)), (axis,))
    at = indexing.take_along_axis(order, chosen, axis)
    return indexing.take_along_axis(values, chosen, axis), indexing.take_along_axis(g, at, axis)


def _batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
    return order_statistics_p.bind(raw.move_axis(args[0], dims[0], 0), **params), 0


def _plan(in_avals: Any, *, ranks: tuple[int, ...]) -> RoutineCall | None:
    (x,) = in_avals
    n = x.shape[-1]
    if x.size == 0 or n > MOST or x.dtype.kind not in KINDS:
        return None
    rows = math.prod(x.shape[:-1])
    scratch = -(-x.size * x.dtype.itemsize // 64) * 64 + (_TABLES if n >= _LONG else 0)
    args = (rows, n, len(ranks), *key_type(x.dtype), *ranks)
    return RoutineCall("jt_select", args, scratch, nanoseconds=4.0 * x.size)


order_statistics_p.abstract = _abstract
order_statistics_p.numpy = _meaning
order_statistics_p.jvp = _jvp
order_statistics_p.batch = _batch
order_statistics_p.lower = Routine(_plan)


def order_statistics(x: Any, ranks: tuple[int, ...]) -> Any:
    """The elements at ascending ``ranks`` of the order along the last axis, which they replace; NaN comes last."""
    return order_statistics_p.bind(x, ranks=ranks)


__all__ = ["order_statistics_p"]
