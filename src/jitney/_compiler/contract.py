"""contract: how a ``dot_general`` is computed: by BLAS, or as a fused loop nest (product, then sum).

    dot_general a[m,k] b[k,n]   ->   reduce_sum over k of a[i,k] * b[k,j]    in the loop order i, k, j

The order puts an axis last whose elements are neighbours in memory: j where that is one of the right operand
(``k`` is then summed row by row), else k. Large products are calls of BLAS (``library.py``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._compiler import graph as g
from jitney._compiler.blas_plans import Axes, plan_product
from jitney._compiler.strided import strided_view
from jitney._core.avals import shaped_array
from jitney._kernel.rules import Reduce

_SUM = Reduce(lambda dtype: 0, lambda b, x, y: b.add(x, y))
_OR = Reduce(lambda dtype: False, lambda b, x, y: b.or_(x, y))
_BLAS_WORK = 20_000  # multiplications from which a call of BLAS pays
_VECTOR_BYTES = 1 << 19  # of a matrix in memory, from which its product with a vector by BLAS pays


def add_product(graph: Any, eqn: Any, operands: list[Any]) -> list[Any]:
    """Add the nodes (or the library step) of a ``dot_general``."""
    (cx, cy), (bx, by) = eqn.params["dimension_numbers"]
    x, y = operands
    fx = _free(x.aval.ndim, cx, bx)
    fy = _free(y.aval.ndim, cy, by)
    sizes = _sizes(x.aval.shape, (bx, fx, cx)), _sizes(y.aval.shape, (fy,))
    m, k, n = (
        math.prod(sizes[0][1]),
        math.prod(sizes[0][2]),
        math.prod(sizes[1][0]),
    )
    aval = eqn.outvars[0].aval
    if aval.size and aval.dtype.kind == "f" and x.aval.dtype == y.aval.dtype == aval.dtype:
        planned = None
        if min(m, n, k) >= 4 and m * n * k >= _BLAS_WORK:
            planned = plan_product(graph, x, y, Axes(cx, cy, bx, by, fx, fy))
        elif (
            min(m, n) == 1
            and max(m, n) >= 4
            and not bx
            and max(x.aval.nbytes, y.aval.nbytes) >= _VECTOR_BYTES
        ):
            planned = plan_product(graph, x, y, Axes(cx, cy, bx, by, fx, fy), as_they_lie=True)
        if planned is not None:
            return _by_blas(graph, eqn, planned)
    if aval.dtype.kind == "b":
        return g.add_step(graph, "host", eqn, operands)
    return [_loop_nest(graph, eqn, x, y, (cx, cy, bx, by, fx, fy))]


def _by_blas(graph: Any, eqn: Any, planned: Any) -> list[Any]:
    operands, call = planned
    return g.add_step(graph, "library", eqn, operands, call)


def _free(rank: int, *taken: Any) -> tuple[int, ...]:
    used = {a for axes in taken for a in axes}
    return tuple(d for d in range(rank) if d not in used)


def _sizes(shape: tuple[int, ...], groups: Any) -> list[list[int]]:
    return [[shape[a] for a in axes] for axes in groups]


def _loop_nest(graph: Any, eqn: Any, x: Any, y: Any, axes: tuple) -> Any:
    """The product node over (batch, free, contracted) axes in a good order, and its sum."""
    cx, cy, bx, by, fx, fy = axes
    # Each loop axis: the axes of x and of y that it walks.
    batch = [(a, b) for a, b in zip(bx, by, strict=True)]
    contracted = sorted(((a, b) for a, b in zip(cx, cy, strict=True)), key=lambda ab: ab[0])
    rows, columns = [(a, None) for a in fx], [(None, b) for b in fy]
    order = [*batch, *rows, *columns]
    summed_at = len(order)
    if math.prod(x.aval.shape[a] for a in cx) > 1:
        summed_at -= _trailing_neighbours(x, y, [*rows, *columns])
    order[summed_at:summed_at] = contracted
    shape = tuple(x.aval.shape[a] if a is not None else y.aval.shape[b] for a, b in order)
    dtype = eqn.outvars[0].aval.dtype
    place_x = {a: p for p, (a, _) in enumerate(order) if a is not None}
    place_y = {b: p for p, (_, b) in enumerate(order) if b is not None}

    def element(b: Any, idx: Any, left: Any, right: Any, **_: Any) -> Any:
        u = left.read(tuple(idx[place_x[d]] for d in range(x.aval.ndim)))
        v = right.read(tuple(idx[place_y[d]] for d in range(y.aval.ndim)))
        return b.mul(b.cast(u, dtype), b.cast(v, dtype))

    product = g.product_node(graph, shaped_array(shape, np.dtype(dtype), False), (x, y), element, eqn)
    summed = tuple(p for p, (a, b) in enumerate(order) if a is not None and b is not None and a in cx)
    if not summed:
        product.flat = False
        return product
    return g.add_reduce(graph, eqn.outvars[0].aval, product, summed, _SUM, eqn)


def _trailing_neighbours(x: Any, y: Any, free: list[tuple[int | None, int | None]]) -> int:
    """How many of the free axes follow those that are summed: none, or the last one that is longer than 1 and what is
    behind it, if its elements are neighbours in memory."""
    for count, (a, b) in enumerate(reversed(free), 1):
        operand, axis = (x, a) if a is not None else (y, b)
        if operand.aval.shape[axis] > 1:
            return count if strided_view(operand).strides[axis] == 1 else 0
    return 0
