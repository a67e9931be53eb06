"""``custom_vjp_call``: a call whose reverse derivative is a pair of functions of the user's.

    c = custom_vjp_call[name=f bwd=.. call_jaxpr={ lambda ; d. let e = sin d in (e,) } fwd=.. symbolic_zeros=False] a

Differentiated, it is ``fwd`` and a linear operation ``custom_lin`` of the tangents that cannot be computed forwards;
its transpose is ``bwd``.

    fwd(primals, perturbed) -> (outs, residuals, context)      perturbed: which primals have nonzero tangents
    bwd(context, residuals, cts) -> cts of the primals         ``Zero`` where a cotangent is zero

all of flat lists; ``context`` is what ``bwd`` has to know besides arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from jitney._control import custom_calls
from jitney._control.custom_calls import Batched, CustomCall, call_of
from jitney._core.avals import float0, tangent_aval
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._transforms.batching import BatchTrace

custom_vjp_call_p = CustomCall("custom_vjp_call", multiple_results=True, higher_order=True)
custom_calls.define(custom_vjp_call_p)
custom_lin_p = Primitive("custom_lin", multiple_results=True)

Backward = Callable[[Any, Sequence[Any], Sequence[Any]], list[Any]]


class CustomVJPException(Exception):
    """A value that a ``custom_vjp`` function closes over was differentiated with respect to."""


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    consts = params["num_consts"]
    if any(type(t) is not Zero for t in tangents[:consts]):
        raise CustomVJPException(
            f"Detected differentiation of the custom_vjp function {params['name']} with respect to a closed-over value: "
            "its rule says only how to differentiate with respect to its arguments. Pass the value as an argument, and "
            "let the fwd and bwd rules take it."
        )
    primals, tangents = primals[consts:], tangents[consts:]
    active = tuple(type(t) is not Zero for t in tangents)
    outs, residuals, context = params["fwd"](primals, active)
    out_avals = tuple([tangent_aval(get_aval(y)) for y in outs])
    shown = [a.dtype != float0 for a in out_avals]
    found = iter(
        custom_lin_p.bind(
            *residuals,
            *[t for t in tangents if type(t) is not Zero],
            bwd=params["bwd"],
            context=context,
            num_res=len(residuals),
            active=active,
            out_avals=out_avals,
        )
    )
    return outs, [next(found) if real else Zero(a) for a, real in zip(out_avals, shown, strict=True)]


def _no_forward_mode(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(
        "can't apply forward-mode differentiation (jvp) to a custom_vjp function: its rule gives reverse-mode "
        "derivatives only. Use custom_jvp, or grad, vjp and jacrev in place of jvp, jacfwd and linearize."
    )


def _lin_abstract(*_: Any, out_avals: Sequence[Any], **__: Any) -> list[Any]:
    return [a for a in out_avals if a.dtype != float0]


def _lin_transpose(
    cts: Sequence[Any], *args: Any, bwd: Backward, context: Any, num_res: int, active: Any, out_avals: Any
) -> list[Any]:
    given = iter(cts)
    every = [next(given) if a.dtype != float0 else Zero(a) for a in out_avals]
    found = bwd(context, args[:num_res], every)
    return [None] * num_res + [ct for ct, is_active in zip(found, active, strict=True) if is_active]


custom_lin_p.impl = custom_lin_p.expand = _no_forward_mode
custom_lin_p.abstract = _lin_abstract
custom_lin_p.jvp = _no_forward_mode
custom_lin_p.batch = _no_forward_mode
custom_lin_p.transpose = _lin_transpose


# -- batches ------------------------------------------------------------------------------------------


def _batched(trace: BatchTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    runner = Batched(trace)
    values, dims = runner.unwrap(args)
    out_dims: list[int | None] = []  # as the last of the two functions found them: one of them is called
    consts = params["num_consts"]

    def fun(*xs: Any) -> list[Any]:
        outs, out_dims[:] = runner.run(call_of(params), xs, dims)
        return outs

    def fwd(primals: Sequence[Any], perturbed: Sequence[bool]) -> tuple[list, list, Any]:
        count, context = 0, None

        def flat(*xs: Any) -> list[Any]:
            nonlocal count, context
            outs, residuals, context = params["fwd"](list(xs[consts:]), perturbed[consts:])
            count = len(outs)
            return [*outs, *residuals]

        found, found_dims = runner.run(flat, primals, dims)
        out_dims[:] = found_dims[:count]
        return found[:count], found[count:], (context, found_dims[count:], found_dims[:count])

    def bwd(context: Any, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        inner, residual_dims, ct_dims = context
        return _batched_bwd(
            runner,
            lambda res, given: params["bwd"](inner, res, given),
            (residuals, residual_dims),
            (cts, ct_dims),
            (values, dims),
            consts,
        )

    fwd.__name__, bwd.__name__ = (getattr(params[k], "__name__", k) for k in ("fwd", "bwd"))
    kept = {k: v for k, v in params.items() if k != "call_jaxpr"} | {"num_consts": 0}
    outs = custom_vjp_call_p.bind(*values, **(kept | {"fun": fun, "fwd": fwd, "bwd": bwd}))
    return runner.wrap(outs, out_dims)


def _batched_bwd(
    runner: Batched,
    bwd: Callable[[Sequence[Any], Sequence[Any]], list[Any]],
    residuals: tuple[Sequence[Any], Sequence[int | None]],
    cts: tuple[Sequence[Any], Sequence[int | None]],
    primals: tuple[Sequence[Any], Sequence[int | None]],
    consts: int,
) -> list[Any]:
    """Cotangents of a batched call's operands; those of operands that the examples share are summed."""
    avals, dims = [get_aval(x) for x in primals[0]], primals[1]
    (res, res_dims), (given, given_dims) = residuals, cts
    real = [type(ct) is not Zero for ct in given]
    zero_out: list[bool] = []

    def flat(*xs: Any) -> list[Any]:
        rest = iter(xs[len(res) :])
        example = [
            next(rest) if is_real else _example_zero(ct, d)
            for ct, d, is_real in zip(given, given_dims, real, strict=True)
        ]
        found = bwd(xs[: len(res)], example)
        zero_out[:] = [type(ct) is Zero for ct in found]
        return [ct for ct in found if type(ct) is not Zero]

    found, found_dims = runner.run(
        flat,
        [*res, *[ct for ct, r in zip(given, real, strict=True) if r]],
        [*res_dims, *[d for d, r in zip(given_dims, real, strict=True) if r]],
    )
    pairs = iter(zip(found, found_dims, strict=True))
    outs: list[Any] = [Zero(tangent_aval(a)) for a in avals[:consts]]
    for aval, dim, zero in zip(avals[consts:], dims[consts:], zero_out, strict=True):
        if zero:
            outs.append(Zero(tangent_aval(aval)))
            continue
        ct, ct_dim = next(pairs)
        if dim is not None:
            ct = runner.place(ct, ct_dim, dim)
        elif ct_dim is not None:
            ct = raw.reduce_sum(ct, (ct_dim,))
        outs.append(ct)
    return outs


def _example_zero(zero: Zero, dim: int | None) -> Zero:
    """The zero cotangent of one example."""
    if dim is None:
        return zero
    shape = zero.aval.shape
    return Zero(zero.aval.update(shape=shape[:dim] + shape[dim + 1 :]))


custom_vjp_call_p.jvp = _jvp
custom_vjp_call_p.batched = _batched
