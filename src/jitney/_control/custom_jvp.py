"""``custom_jvp_call``: a call whose forward derivative is a rule of the user's.

    c = custom_jvp_call[name=f call_jaxpr={ lambda ; d. let e = sin d in (e,) } jvp=rule symbolic_zeros=False] a

``jvp(primals, tangents)`` takes and gives flat lists, with ``Zero`` for tangents that are zero.  The first
``num_nondiff`` of its operands are not to be differentiated with respect to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._control import custom_calls
from jitney._control.custom_calls import Batched, CustomCall, call_of
from jitney._core.tangents import Zero
from jitney._transforms.batching import BatchTrace

custom_jvp_call_p = CustomCall("custom_jvp_call", multiple_results=True, higher_order=True)
custom_calls.define(custom_jvp_call_p)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    consts = params["num_consts"]
    return params["jvp"](primals[consts:], tangents[consts:])


def _batched(trace: BatchTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    runner = Batched(trace)
    values, dims = runner.unwrap(args)
    out_dims: list[int | None] = []  # as the last of the two functions found them: one of them is called

    def fun(*xs: Any) -> list[Any]:
        outs, out_dims[:] = runner.run(call_of(params), xs, dims)
        return outs

    def jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list, list]:
        rule = lambda xs, ts: _jvp(xs, ts, **params)  # noqa: E731
        outs, out_tangents, out_dims[:] = _batched_rule(runner, rule, primals, tangents, dims)
        return outs, out_tangents

    jvp.__name__ = getattr(params["jvp"], "__name__", "jvp")
    kept = {k: v for k, v in params.items() if k != "call_jaxpr"} | {"num_consts": 0, "num_nondiff": 0}
    outs = custom_jvp_call_p.bind(*values, **(kept | {"fun": fun, "jvp": jvp}))
    return runner.wrap(outs, out_dims)


def _batched_rule(
    runner: Batched,
    rule: Callable[..., tuple[list, list]],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    dims: Sequence[int | None],
) -> tuple[list, list, list[int | None]]:
    """Outputs and tangents over the batch, and the axes that both have in common."""
    nonzero = [type(t) is not Zero for t in tangents]
    zero_out: list[bool] = []

    def flat(*xs: Any) -> list[Any]:
        given = iter(xs[len(primals) :])
        outs, out_tangents = rule(
            list(xs[: len(primals)]),
            [next(given) if nz else Zero.of(x) for nz, x in zip(nonzero, xs, strict=False)],
        )
        zero_out[:] = [type(t) is Zero for t in out_tangents]
        return [*outs, *[t for t in out_tangents if type(t) is not Zero]]

    given = [t for t, nz in zip(tangents, nonzero, strict=True) if nz]
    given_dims = [d for d, nz in zip(dims, nonzero, strict=True) if nz]
    found, found_dims = runner.run(flat, [*primals, *given], [*dims, *given_dims])
    count = len(zero_out)
    rest = iter(zip(found[count:], found_dims[count:], strict=True))
    outs, out_tangents, out_dims = [], [], []
    for y, dim, zero in zip(found[:count], found_dims[:count], zero_out, strict=True):
        t, t_dim = (None, None) if zero else next(rest)
        both = dim if dim is not None else t_dim
        outs.append(runner.place(y, dim, both))
        out_tangents.append(Zero.of(outs[-1]) if zero else runner.place(t, t_dim, both))
        out_dims.append(both)
    return outs, out_tangents, out_dims


custom_jvp_call_p.jvp = _jvp
custom_jvp_call_p.batched = _batched
