"""``custom_vmap_call``: a call with a batching rule of the user's.

    c = custom_vmap_call[call={ lambda ; d. let e = sin d in (e,) } in_tree=.. out_tree=.. rule=rule] a

``rule(size, batched, *args)`` of flat lists gives the outputs and whether each has a batch axis, which is axis 0
throughout.  Derivatives batch by the derivative of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._control import custom_calls
from jitney._control.custom_calls import CustomCall, call_of
from jitney._core.jaxpr import JaxprEqn
from jitney._core.tangents import Zero
from jitney._ops import raw
from jitney._transforms.batching import BatchTrace, BatchTracer
from jitney._transforms.jvp import jvp_flat

custom_vmap_call_p = CustomCall("custom_vmap_call", multiple_results=True, higher_order=True)
custom_calls.define(custom_vmap_call_p)

Rule = Callable[..., tuple[list[Any], list[bool]]]


def _batched(trace: BatchTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    mine = [type(x) is BatchTracer and x._trace is trace for x in args]
    if not any(mine[params["num_consts"] :]):
        return _without_rule(trace, args, params)
    values = [raw.move_axis(x.value, x.dim, 0) if own else x for x, own in zip(args, mine, strict=True)]
    consts = params["num_consts"]
    outs, batched = params["rule"](trace.size, mine[consts:], *values[consts:])
    return [BatchTracer(trace, y, 0) if b else y for y, b in zip(outs, batched, strict=True)]


def _without_rule(trace: BatchTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """No argument is batched: what the function closes over may be."""
    runner = custom_calls.Batched(trace)
    values, dims = runner.unwrap(args)
    outs, out_dims = runner.run(call_of(params), values, dims)
    return runner.wrap(outs, out_dims)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    """The call of the pair of value and tangent, whose rule is the derivative of the rule."""
    nonzero = [type(t) is not Zero for t in tangents]
    consts = params["num_consts"]
    zero_out: list[bool] = []

    def split(args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        values = list(args[: len(primals)])
        given = iter(args[len(primals) :])
        return values, [next(given) if nz else Zero.of(x) for nz, x in zip(nonzero, values, strict=True)]

    def fun(*args: Any) -> list[Any]:
        outs, out_tangents = jvp_flat(call_of(params), *split(args))
        zero_out[:] = [type(t) is Zero for t in out_tangents]
        return [*outs, *[t for t in out_tangents if type(t) is not Zero]]

    def rule(size: int, batched: Sequence[bool], *args: Any) -> tuple[list, list[bool]]:
        values, given = split(args)
        own = list(batched[: len(primals)])
        of_tangents = iter(batched[len(primals) :])
        # A tangent and its primal are batched alike.
        for n, nz in enumerate(nonzero):
            if nz and next(of_tangents) != own[n]:
                if own[n]:
                    given[n] = raw.broadcast_leading(given[n], size)
                else:
                    values[n], own[n] = raw.broadcast_leading(values[n], size), True
        out_batched: list[bool] = []

        def run(*xs: Any) -> list[Any]:
            outs, out_batched[:] = params["rule"](size, own[consts:], *xs[consts:])
            return outs

        outs, out_tangents = jvp_flat(run, values, given)
        zero_out[:] = [type(t) is Zero for t in out_tangents]
        shown = [(t, b) for t, b in zip(out_tangents, out_batched, strict=True) if type(t) is not Zero]
        return [*outs, *[t for t, _ in shown]], [*out_batched, *[b for _, b in shown]]

    rule.__name__ = getattr(params["rule"], "__name__", "rule")
    kept = {k: v for k, v in params.items() if k != "call_jaxpr"} | {"num_consts": 0}
    given = [t for t in tangents if type(t) is not Zero]
    outs = custom_vmap_call_p.bind(*primals, *given, **(kept | {"fun": fun, "rule": rule}))
    count = len(zero_out)
    found = iter(outs[count:])
    return outs[:count], [
        Zero.of(y) if zero else next(found) for y, zero in zip(outs[:count], zero_out, strict=True)
    ]


def _print_params(eqn: JaxprEqn) -> dict[str, Any]:
    shown = {k: v for k, v in eqn.params.items() if k not in ("call_jaxpr", "name", "num_consts")}
    return dict(sorted({"call": eqn.params["call_jaxpr"], **shown}.items()))


custom_vmap_call_p.batched = _batched
custom_vmap_call_p.jvp = _jvp
custom_vmap_call_p.expand = lambda *args, **params: call_of(params)(*args)
custom_vmap_call_p.print_params = _print_params
