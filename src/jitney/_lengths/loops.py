"""Rules of loops and branches: their programs are rewritten too, and loops run as often as the length says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._control.bodies import close_over_all
from jitney._control.cond import cond_p
from jitney._control.scan import scan_p
from jitney._control.while_loop import bind_while
from jitney._core.avals import shaped_array
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import registry
from jitney._core.staging import stage
from jitney._core.trace import get_aval
from jitney._lengths.moving import add, sub
from jitney._lengths.outlines import Length, Outline, Step
from jitney._lengths.rewriting import Rewriting, Value, integer, integer_dtype, rule
from jitney._ops import raw


def _rewritten(rewriting: Rewriting, outline: Outline) -> ClosedJaxpr:
    """An inner program ``(*scalars, *its own inputs)``."""
    count = len(rewriting.scalars)
    avals = [get_aval(s) for s in rewriting.scalars]
    avals += [
        shaped_array(tuple(map(int, dims)), v.aval.dtype, v.aval.weak_type)
        for v, dims in zip(outline.closed.jaxpr.invars, outline.in_dims, strict=True)
    ]

    def body(*args: Any) -> list[Any]:
        return Rewriting(args[:count]).run(outline, outline.closed.consts, args[count:])

    return stage(body, avals)


def _closed_over(programs: Sequence[ClosedJaxpr]) -> tuple[list[ClosedJaxpr], list[Any]]:
    """The programs with their constants as leading inputs."""
    if not any(p.consts for p in programs):
        return list(programs), []
    return close_over_all(programs)


@rule("cond")
def _cond(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    programs = [_rewritten(rewriting, branch) for branch in step.params["branches"]]
    programs, consts = _closed_over(programs)
    index, *operands = [v.x for v in ins]
    return cond_p.bind(index, *consts, *rewriting.scalars, *operands, branches=tuple(programs))


@rule("while")
def _while(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    params = step.params
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    cond, body = (_rewritten(rewriting, params[name]) for name in ("cond_jaxpr", "body_jaxpr"))
    (cond,), cond_consts = _closed_over([cond])
    (body,), body_consts = _closed_over([body])
    xs = [v.x for v in ins]
    return bind_while(
        cond,
        body,
        [*cond_consts, *rewriting.scalars, *xs[:first]],
        [*body_consts, *rewriting.scalars, *xs[first:second]],
        xs[second:],
    )


@rule("scan")
def _scan(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    params = step.params
    (body,), consts = _closed_over([_rewritten(rewriting, params["jaxpr"])])
    xs = [v.x for v in ins]
    own = params["num_consts"]
    leading = [*consts, *rewriting.scalars, *xs[:own]]
    carry, stacks = xs[own : own + params["num_carry"]], xs[own + params["num_carry"] :]
    if type(params["length"]) is Length:
        return _scan_to(rewriting, step, body, leading, carry, stacks)
    kept = {name: value for name, value in step.eqn.params.items() if name not in ("jaxpr", "num_consts")}
    return scan_p.bind(*leading, *carry, *stacks, **kept, jaxpr=body, num_consts=len(leading))


def _scan_to(
    rewriting: Rewriting,
    step: Step,
    body: ClosedJaxpr,
    leading: list[Any],
    carry: list[Any],
    stacks: list[Any],
) -> list[Any]:
    """A scan whose length is known when it runs: a ``while`` that reads and writes the stacks at its place."""
    length, reverse, count = step.params["length"], step.params["reverse"], len(carry)
    n = rewriting.length(length)
    outs = [raw.full((int(length), *aval.shape), 0, aval.dtype) for aval in body.out_avals[count:]]
    lead, stacked = len(leading), len(stacks)

    def more(end: Any, i: Any, *_: Any) -> list[Any]:
        return [registry["lt"].bind(i, end)]

    def one(*args: Any) -> list[Any]:
        given, rows, end, i = (
            args[:lead],
            args[lead : lead + stacked],
            args[lead + stacked],
            args[lead + stacked + 1],
        )
        state, ys = args[lead + stacked + 2 :][:count], args[lead + stacked + 2 + count :]
        place = sub(sub(end, i), integer(1)) if reverse else i
        found = _apply(body, [*given, *state, *[_row(r, place) for r in rows]])
        new = [_written(y, v, place) for y, v in zip(ys, found[count:], strict=True)]
        return [add(i, integer(1)), *found[:count], *new]

    start = [integer(0), *carry, *outs]
    aval_n = get_aval(n)
    carried = [shaped_array((), integer_dtype(), False)]
    carried += [*body.in_avals[lead : lead + count], *map(get_aval, outs)]
    cond = stage(more, [aval_n, *carried])
    step_program = stage(one, [*body.in_avals[:lead], *map(get_aval, stacks), aval_n, *carried])
    found = bind_while(cond, step_program, [n], [*leading, *stacks, n], start)
    return found[1:]


def _apply(body: ClosedJaxpr, args: list[Any]) -> list[Any]:
    return evaluate(body.jaxpr, body.consts, *args)


def _row(x: Any, place: Any) -> Any:
    shape = get_aval(x).shape
    zeros = [integer(0)] * (len(shape) - 1)
    row = registry["dynamic_slice"].bind(x, place, *zeros, slice_sizes=(1, *shape[1:]))
    return raw.reshape(row, shape[1:])


def _written(stack: Any, value: Any, place: Any) -> Any:
    aval = get_aval(stack)
    row = raw.broadcast_in_dim(value, (1, *aval.shape[1:]), tuple(range(1, aval.ndim)))
    zeros = [integer(0)] * (aval.ndim - 1)
    if get_aval(row).dtype != aval.dtype:
        row = registry["convert_element_type"].bind(row, new_dtype=aval.dtype, weak_type=False)
    return registry["dynamic_update_slice"].bind(stack, row, place, *zeros)
