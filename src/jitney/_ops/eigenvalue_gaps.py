"""Repeated eigenvalues and singular values, where the derivatives of their vectors have the factors ``1 / (w_j - w_i)``.

Vectors of a repeated value can be turned among themselves and have no derivative. What is computed of values and vectors
often does not depend on the turn, such as ``V f(w) V^T``, and has one; but its part between two vectors of one value is
``(f(w_j) - f(w_i)) / (w_j - w_i)``, 0/0, whose limit f' nobody knows who knows f(w) alone. So where vectors are
differentiated, equal values are taken apart: the decomposition stands for a matrix nearby, at the distance
sqrt(eps) of its norm, whose values differ. Its derivatives are right to sqrt(eps). Other values stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.primitive import registry
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import literal
from jitney._ops.strong_products import active


def inverse_gaps(w: Any, sign: float = -1.0) -> Any:
    """``1 / (w_j + sign w_i)``, 0 on the diagonal."""
    shape = (*get_aval(w).shape, get_aval(w).shape[-1])
    rank, dtype = len(shape), get_aval(w).dtype
    batch = tuple(range(rank - 2))
    columns, rows = (raw.broadcast_in_dim(w, shape, (*batch, d)) for d in (rank - 1, rank - 2))
    same = ew.eq(*(raw.iota(np.dtype(np.int32), shape, d) for d in (rank - 2, rank - 1)))
    one, zero = raw.full(shape, 1, dtype), raw.full(shape, 0, dtype)
    gaps = (ew.sub if sign < 0 else ew.add)(columns, rows)
    return raw.select(same, zero, ew.div(one, raw.select(same, one, gaps)))


def taken_apart(w: Any, *, descending: bool = False) -> Any:
    """Real ``w``, ascending, with values that are equal but for errors put sqrt(eps) max(abs(w)) apart.

    Values of one group move by -1, 0, 1 such steps, or -1/2 and 1/2, so that their mean stays; singular values,
    which are ``descending``, by 0, 1, 2, so that none becomes negative.
    """
    aval = get_aval(w)
    count = aval.shape[-1] if aval.ndim else 0
    if not active() or count < 2:
        return w
    axis, eps = aval.ndim - 1, float(np.finfo(aval.dtype).eps)
    largest = registry["reduce_max"].bind(ew.abs(w), axes=(axis,), out_sharding=None)
    largest = raw.select(ew.eq(largest, literal(w, 0.0)), raw.full(aval.shape[:-1], 1, aval.dtype), largest)
    spread = raw.broadcast_in_dim(largest, aval.shape, tuple(range(axis)))
    before, after = _part(w, 0, count - 1), _part(w, 1, count)
    bound = ew.mul(_part(spread, 1, count), literal(w, count * eps))
    gap = ew.sub(after, before)
    joined = ew.convert(ew.le(ew.abs(gap), bound), aval.dtype)  # whether a value belongs to the one before
    zero = literal(w, 0.0)
    behind = _place_in_run(raw.pad(joined, zero, [(0, 0, 0)] * axis + [(0, 1, 0)]), axis, reverse=True)
    if descending:
        steps = behind
    else:
        ahead = _place_in_run(raw.pad(joined, zero, [(0, 0, 0)] * axis + [(1, 0, 0)]), axis, reverse=False)
        steps = ew.mul(ew.sub(ahead, behind), literal(w, 0.5))
    return ew.add(w, ew.mul(steps, ew.mul(spread, literal(w, eps**0.5))))


def _place_in_run(joined: Any, axis: int, reverse: bool) -> Any:
    """How many ones come before each place without a zero between, that place included."""
    total = registry["cumsum"].bind(joined, axis=axis, reverse=reverse)
    aval = get_aval(joined)
    starts = raw.select(ew.eq(joined, literal(joined, 0.0)), total, raw.zeros(aval))
    return ew.sub(total, registry["cummax"].bind(starts, axis=axis, reverse=reverse))


def _part(w: Any, start: int, end: int) -> Any:
    shape = get_aval(w).shape
    return raw.slice_(w, [*[0] * (len(shape) - 1), start], [*shape[:-1], end])


__all__ = ["inverse_gaps", "taken_apart"]
