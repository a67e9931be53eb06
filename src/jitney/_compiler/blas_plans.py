"""blas_plans: a ``dot_general`` of strided operands as one call of ``jt_product`` (csrc/products.cpp).

Axes become the rows, columns and the contracted axis of one product of matrices, or loops around it. Transposes and slices
are steps and offsets; an operand that BLAS cannot read as it lies is packed first. Begin at :func:`plan_product`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jitney._compiler import graph as g
from jitney._compiler.strided import Strided, contiguous, in_memory, strided_view
from jitney._core.avals import shaped_array
from jitney._kernel.rules import Pull, RoutineCall

_LIMIT = 2**31 - 1  # BLAS counts with 32 bits
_GRAM_ROWS = 48  # from which half of a symmetric product, mirrored, is faster
_NS = 0.04  # of a multiplication and an addition
_SHORT = 8  # loops around products of fewer rows or columns are worse than packing


class Axes(NamedTuple):
    """The axes of both operands: contracted, batch and free ones."""

    cx: tuple[int, ...]
    cy: tuple[int, ...]
    bx: tuple[int, ...]
    by: tuple[int, ...]
    fx: tuple[int, ...]
    fy: tuple[int, ...]


def plan_product(
    graph: Any, x: Any, y: Any, axes: Axes, as_they_lie: bool = False
) -> tuple[list[Any], RoutineCall] | None:
    """The operands of the call, in memory, and the call.

    With ``as_they_lie``, None unless the larger operand is in memory anyway and both can be read where they are.
    """
    views = strided_view(x), strided_view(y)
    call = _call(x, y, *views, axes)
    if as_they_lie:
        larger = views[0] if x.aval.size >= y.aval.size else views[1]
        return ([v.node for v in views], call) if call is not None and in_memory(larger.node) else None
    if call is None:
        smaller = 0 if x.aval.size < y.aval.size else 1
        for packed in ({smaller}, {1 - smaller}, {0, 1}):
            views = (
                _packed(graph, x, (*axes.bx, *axes.fx, *axes.cx)) if 0 in packed else strided_view(x),
                _packed(graph, y, (*axes.by, *axes.cy, *axes.fy)) if 1 in packed else strided_view(y),
            )
            call = _call(x, y, *views, axes)
            if call is not None:
                break
    assert call is not None, "packed operands are matrices"
    return [v.node for v in views], call


def _packed(graph: Any, x: Any, order: tuple[int, ...]) -> Strided:
    """A copy of ``x`` with its axes in the given order."""
    if order == tuple(range(x.aval.ndim)):
        return Strided(x, 0, contiguous(x.aval.shape))

    def element(b: Any, idx: Any, operand: Any, **_: Any) -> Any:
        return operand.read(tuple(idx[order.index(d)] for d in range(len(order))))

    aval = shaped_array(tuple(x.aval.shape[d] for d in order), x.aval.dtype, False)
    node = graph.add(g.index_function(g.Node("pull", aval, (x,), Pull(element))))
    steps = contiguous(aval.shape)
    return Strided(node, 0, tuple(steps[order.index(d)] for d in range(len(order))))


def _call(x: Any, y: Any, left: Strided, right: Strided, axes: Axes) -> RoutineCall | None:
    """The call for operands that lie in memory as given; None where they cannot be read so."""
    shape_x, shape_y = x.aval.shape, y.aval.shape
    sx, sy = left.strides, right.strides
    cx, cy, bx, by, fx, fy = axes
    sizes = [shape_x[a] for a in (*bx, *fx)] + [shape_y[a] for a in fy]
    out = contiguous(tuple(sizes))
    batch = _merged([(shape_x[a], sx[a], sy[b], c) for a, b, c in zip(bx, by, out[: len(bx)], strict=True)])
    rows = _merged(
        [(shape_x[a], sx[a], 0, c) for a, c in zip(fx, out[len(bx) : len(bx) + len(fx)], strict=True)]
    )
    columns = _merged([(shape_y[b], 0, sy[b], c) for b, c in zip(fy, out[len(bx) + len(fx) :], strict=True)])
    pairs = sorted(zip(cx, cy, strict=True), key=lambda ab: (-sx[ab[0]], -sy[ab[1]]))
    contracted = _merged([(shape_x[a], sx[a], sy[b], 0) for a, b in pairs])
    if len(contracted) > 1:
        return None
    k, step_x, step_y, _ = contracted[0] if contracted else (1, 1, 1, 0)
    n, _, step_n, step_c = columns.pop() if columns else (1, 0, 1, 1)
    right_matrix = _matrix(k, step_y, n, step_n)
    found = _rows(rows, k, step_x)
    if right_matrix is None or found is None:
        return None
    (m, step_m, row_c), left_matrix, rows = found
    around = rows + columns
    if around and min(m, n) < _SHORT and math.prod(a[0] for a in around) > 1 and max(m, n) < _SHORT * _SHORT:
        return None
    loops = _merged(batch + around)
    gram = (left.node is right.node and left.offset == right.offset and m == n >= _GRAM_ROWS) and (
        (step_m, step_x) == (step_n, step_y) and not loops
    )
    ldc = row_c if m > 1 else n
    count = math.prod(a[0] for a in loops)
    args = (m, n, k, *left_matrix, *right_matrix, ldc, gram, len(loops), *[v for a in loops for v in a])
    if max(args) > _LIMIT or (n == 1 and ldc != row_c and m > 1):
        return None
    offsets = (left.offset, right.offset)
    symbol = f"jt_product_{x.aval.dtype.name}"
    return RoutineCall(
        symbol, tuple(map(int, args)), offsets=offsets, nanoseconds=_NS * m * n * k * max(count, 1)
    )


def _rows(
    rows: list[tuple], k: int, step_k: int
) -> tuple[tuple[int, int, int], tuple[int, int], list[tuple]] | None:
    """The axis that becomes the rows of the matrix, how BLAS reads that, and the others."""
    if not rows:
        matrix = _matrix(1, 0, k, step_k)
        return None if matrix is None else ((1, 0, 1), matrix, [])
    for axis in sorted(rows, key=lambda a: -a[0]):
        matrix = _matrix(axis[0], axis[1], k, step_k)
        if matrix is not None:
            return (axis[0], axis[1], axis[3]), matrix, [a for a in rows if a is not axis]
    return None


def _matrix(rows: int, step: int, columns: int, step_in_row: int) -> tuple[int, int] | None:
    """(transposed, leading dimension) of a matrix whose rows are ``step`` apart; None if BLAS cannot read it."""
    if columns == 1 and rows > 1:
        return (0, step) if step >= 1 else None
    if step_in_row == 1 and (rows == 1 or step >= columns):
        return 0, step if rows > 1 else columns
    if rows == 1:
        return (1, step_in_row) if step_in_row >= 1 else None
    if step == 1 and step_in_row >= rows:
        return 1, step_in_row
    return None


def _merged(axes: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Neighbouring axes as one where all steps allow it; those of length 1 left out."""
    found: list[tuple[int, int, int, int]] = []
    for axis in axes:
        if axis[0] == 1:
            continue
        if found and all(
            outer == inner * axis[0] for outer, inner in zip(found[-1][1:], axis[1:], strict=True)
        ):
            axis = (found.pop()[0] * axis[0], *axis[1:])
        found.append(axis)
    return found
