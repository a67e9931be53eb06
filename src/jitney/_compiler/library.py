"""library: steps that call routines of the extension with whole arrays.

    routine = Routine(plan)  in a primitive's ``lower`` slot     ->     void jt_name(void** ins, void** outs, const int64_t* args)

A routine is a C++ function with this signature, listed in ``_ext.symbols()`` (or, if it calls BLAS or LAPACK, in
``_ext.library_symbols()``). ``plan(in_avals, **params)`` gives the ``RoutineCall``: its name, integers known when the
program is compiled, and the bytes of working memory that it gets behind its results. See ``_kernel/rules.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._compiler.blas import routine_address
from jitney._compiler.strided import whole_run
from jitney._kernel import index as ix
from jitney._kernel.ir import Buffer, Call, Part
from jitney._kernel.rules import Loops, Routine, RoutineCall


def lower_routine(lowering: Any, step: Any) -> None:
    """The call that a ``RoutineCall`` describes."""
    plan = step.plan
    inputs = [lowering.part(x) for x in step.inputs]
    for k, offset in enumerate(plan.offsets):
        inputs[k] = _behind(inputs[k], offset)
    outputs = [lowering.part(x, True) for x in step.outputs]
    if plan.scratch:
        outputs.append(lowering.temporary(np.dtype(np.uint8), plan.scratch))
    if plan.foreign is None:
        lowering.program.symbols[plan.symbol] = routine_address(plan.symbol)
    lowering.b.call(Call(plan.symbol, inputs, outputs, -1, plan.args, plan.nanoseconds, plan.foreign))


def where_they_lie(operands: list[Any], plan: RoutineCall) -> tuple[list[Any], RoutineCall]:
    """The same call on the memory that its operands are views of, where their elements lie together there."""
    views = [whole_run(x) for x in operands]
    if not any(views):
        return operands, plan
    before = (*plan.offsets, *[0] * (len(operands) - len(plan.offsets)))
    offsets = [n + (v.offset if v else 0) for n, v in zip(before, views, strict=True)]
    nodes = [v.node if v else x for x, v in zip(operands, views, strict=True)]
    return nodes, plan._replace(offsets=tuple(offsets))


def _behind(x: Buffer | Part, offset: int) -> Buffer | Part:
    """Memory from a later element on."""
    if not offset:
        return x
    buffer, base = (x.buffer, x.base) if isinstance(x, Part) else (x, ix.constant(0))
    return Part(buffer, base + offset)


def plan_routine(eqn: Any, rule: Any) -> RoutineCall | None:
    """How an equation with the lowering ``rule`` is computed by a routine; None if it is not."""
    rule = rule.otherwise if isinstance(rule, Loops) else rule
    if not isinstance(rule, Routine):
        return None
    avals = [a.aval for a in eqn.invars]
    if not rule.of_complex and any(a.dtype.kind == "c" for a in (*avals, *(v.aval for v in eqn.outvars))):
        return None
    return rule.plan(avals, **eqn.params)
