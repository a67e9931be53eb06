"""What calls with rules of the user's have in common: functions in place of programs until they are staged.

Outside of a staged program such an equation holds Python functions of flat lists, so that the user's function runs
on whatever values there are.  Staged, it holds the program of the function; functions of rules stay functions,
which are called when a transformation wants them.  What the function closes over becomes leading operands
(``num_consts`` of them), which its rules do not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._core import axes
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import StagingTrace, hoist_tracers, stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import current_trace, get_aval, swap_trace
from jitney._transforms.batching import BatchTrace, BatchTracer, place_axis
from jitney._transforms.linearize import PartialTrace
from jitney._transforms.transpose import backward_pass

Flat = Callable[..., list[Any]]


class CustomCall(Primitive):
    """A call with rules of the user's: under ``vmap`` its functions may close over batched values."""

    __slots__ = ("batched",)

    # (trace, args, params) -> [out]
    batched: Callable[[BatchTrace, Sequence[Any], dict[str, Any]], list[Any]]

    def bind(self, *args: Any, **params: Any) -> Any:
        current = current_trace()
        if type(current) is BatchTrace:
            before = swap_trace(current.parent)
            try:
                return self.batched(current, args, params)
            finally:
                swap_trace(before)
        return super().bind(*args, **params)


def call_of(params: dict[str, Any]) -> Flat:
    """The function that the params stand for."""
    if "fun" in params:
        return params["fun"]
    program: ClosedJaxpr = params["call_jaxpr"]
    return lambda *xs: evaluate(program.jaxpr, program.consts, *xs)


def impl(*args: Any, **params: Any) -> list[Any]:
    return call_of(params)(*args)


def abstract(*avals: Any, **params: Any) -> list[Any]:
    return params["call_jaxpr"].out_avals


def stage_call(
    primitive: Primitive, trace: StagingTrace, args: Sequence[Any], params: dict[str, Any]
) -> list[Any]:
    """Record the call with its program; a linear program takes the equations of the body instead."""
    if isinstance(trace, PartialTrace):
        return call_of(params)(*args)
    if "fun" not in params:
        return trace.record(primitive, [trace.atom(x) for x in args], params)
    program, hoisted = hoist_tracers(stage(params["fun"], [get_aval(x) for x in args]))
    kept = {name: value for name, value in params.items() if name != "fun"}
    kept |= {"call_jaxpr": program, "num_consts": params["num_consts"] + len(hoisted)}
    return trace.record(primitive, [trace.atom(x) for x in (*hoisted, *args)], kept)


def partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Rules have done their work by now: what remains is to be split and transposed like any other program."""
    return call_of(params)(*args)


def transpose(cts: Sequence[Any], *args: Any, call_jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    linear = [is_undefined(x) for x in args]
    known = [x for x in args if not is_undefined(x)]
    found = iter(backward_pass(call_jaxpr.jaxpr, call_jaxpr.consts, linear, known, cts))
    return [next(found) if is_linear else None for is_linear in linear]


def print_params(eqn: JaxprEqn) -> dict[str, Any]:
    """The function's name, then the params by name; a count of no constants is not shown."""
    hidden = {"name", "num_nondiff"}
    shown = {k: v for k, v in eqn.params.items() if k not in hidden}
    shown["num_consts"] += eqn.params.get("num_nondiff", 0)
    if not shown["num_consts"]:
        del shown["num_consts"]
    return {"name": eqn.params["name"], **dict(sorted(shown.items()))}


def define(primitive: CustomCall) -> None:
    """Fill the slots that calls with rules have in common."""
    primitive.impl = impl
    primitive.abstract = abstract
    primitive.stage = lambda trace, args, params: stage_call(primitive, trace, args, params)
    primitive.partial_eval = partial_eval
    primitive.transpose = transpose
    primitive.takes_chosen = True
    primitive.print_params = print_params


# -- batches ------------------------------------------------------------------------------------------


class Batched:
    """Runs flat functions one level further out than ``trace``, on operands with batch axes.

    The functions see tracers of ``trace`` itself, so that those they close over are theirs as well; what they
    compute goes to the trace that is current at the call.
    """

    __slots__ = ("size", "trace")

    def __init__(self, trace: BatchTrace) -> None:
        self.trace = trace
        self.size = trace.size

    def unwrap(self, xs: Sequence[Any]) -> tuple[list[Any], list[int | None]]:
        mine = [type(x) is BatchTracer and x._trace is self.trace for x in xs]
        return (
            [x.value if own else x for x, own in zip(xs, mine, strict=True)],
            [x.dim if own else None for x, own in zip(xs, mine, strict=True)],
        )

    def wrap(self, xs: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
        return [x if d is None else BatchTracer(self.trace, x, d) for x, d in zip(xs, dims, strict=True)]

    def run(self, fun: Flat, xs: Sequence[Any], dims: Sequence[int | None]) -> tuple[list, list]:
        """Outputs of ``fun`` and their batch axes."""
        trace, caller = self.trace, current_trace()
        parent, trace.parent = trace.parent, caller
        named = () if trace.axis_name is None else ((trace.axis_name, self.size),)
        swap_trace(trace)
        try:
            with axes.binding(named):
                outs = fun(*self.wrap(xs, dims))
        finally:
            swap_trace(caller)
            trace.parent = parent
        return self.unwrap(outs)

    def place(self, x: Any, dim: int | None, target: int | None) -> Any:
        """``x`` with its batch axis at ``target``; symbolic zeros and unbatched values where there is none."""
        if target is None or type(x) is Zero:
            return x
        return place_axis(x, dim, self.size, target)
