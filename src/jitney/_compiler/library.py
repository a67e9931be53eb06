"""Matrix products by BLAS: function pointers from ``scipy.linalg.cython_blas``, transposition folded in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from jitney._compiler.blas import _extension, _pointer, routine_address
from jitney._kernel.ir import Call, Unsupported
from jitney._kernel.rules import Loops, Routine, RoutineCall


@cache
def blas_pointer(name: str) -> int:
    """The address of a BLAS routine (Fortran calling convention), or of a routine of the extension that calls some."""
    if name.startswith("jt_"):
        return routine_address(name)
    return _pointer(_extension("cython_blas"), name)


def lower_library(lowering: Any, step: Any) -> None:
    """A library step: a call of a routine of the extension, or a matrix product."""
    if isinstance(step.plan, RoutineCall):
        lower_routine(lowering, step)
    else:
        lower_product(lowering, step)


def lower_routine(lowering: Any, step: Any) -> None:
    """The call that a ``RoutineCall`` describes."""
    plan = step.plan
    inputs = [lowering.part(x) for x in step.inputs]
    outputs = [lowering.part(x, True) for x in step.outputs]
    if plan.scratch:
        outputs.append(lowering.temporary(np.dtype(np.uint8), plan.scratch))
    lowering.program.symbols[plan.symbol] = routine_address(plan.symbol)
    lowering.b.call(Call(plan.symbol, inputs, outputs, -1, plan.args, plan.nanoseconds))


def plan_routine(eqn: Any, rule: Any) -> RoutineCall | None:
    """How an equation with the lowering ``rule`` is computed by a routine; None if it is not."""
    rule = rule.otherwise if isinstance(rule, Loops) else rule
    if not isinstance(rule, Routine):
        return None
    avals = [a.aval for a in eqn.invars]
    if not rule.of_complex and any(a.dtype.kind == "c" for a in (*avals, *(v.aval for v in eqn.outvars))):
        return None
    return rule.plan(avals, **eqn.params)


def lower_product(lowering: Any, step: Any) -> None:
    """``[batch, m, k] x [batch, k, n]`` as one call of gemm for each batch entry.

    Row-major C = A B is column-major C' = B' A', so that the operands change places.
    """
    batch, m, n, k = step.plan
    x, y = step.inputs
    (cx, cy), (bx, by) = step.eqn.params["dimension_numbers"]
    left = _layout(x.aval.ndim, bx, cx)
    right = _layout(y.aval.ndim, by, cy)
    if left is None or right is None:
        raise Unsupported("a product whose axes are not those of a (transposed) matrix")
    symbol = "dgemm" if x.aval.dtype.itemsize == 8 else "sgemm"
    lowering.program.symbols[symbol] = blas_pointer(symbol)
    inputs = [lowering.part(x), lowering.part(y)]
    # For the left operand "plain" has the contracted axes last; for the right one they come last when transposed.
    arguments = (batch, m, n, k, left == "first", right == "last")
    lowering.b.call(Call(symbol, inputs, [lowering.part(step.outputs[0], True)], -1, arguments))


def _layout(rank: int, batch: tuple[int, ...], contracted: tuple[int, ...]) -> str | None:
    """Whether the contracted axes stand ``first`` or ``last`` after the batch axes; None if neither."""
    if tuple(batch) != tuple(range(len(batch))):
        return None
    rest = tuple(range(len(batch), rank))
    if tuple(contracted) == rest[-len(contracted) :] and contracted:
        return "last"
    if tuple(contracted) == rest[: len(contracted)]:
        return "first"
    return None
