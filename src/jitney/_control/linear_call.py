"""``linear_call``: a linear function whose transpose the user gives.

    ys = linear_call[callee=.. transpose=.. num_fixed=..] consts.. residuals.. xs..

``callee`` maps consts, residuals and xs to ys, ``transpose`` consts, residuals and cotangents of ys to those of xs. It is
linear in xs alone; derivatives by the rest are those of the programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._ops.raw import add_tangents, instantiate
from jitney._transforms.batching import batch_jaxpr, place_axis
from jitney._transforms.jvp import jvp_flat

linear_call_p = Primitive("linear_call", multiple_results=True)


def _value(*args: Any, callee: ClosedJaxpr, **_: Any) -> list[Any]:
    return list(evaluate(callee.jaxpr, callee.consts, *args))


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    fixed = params["num_fixed"]
    outs = linear_call_p.bind(*primals, **params)
    found: list[Any] = [Zero.of(y) for y in outs]
    if any(type(t) is not Zero for t in tangents[fixed:]):
        found = linear_call_p.bind(*primals[:fixed], *map(instantiate, tangents[fixed:]), **params)
    if any(type(t) is not Zero for t in tangents[:fixed]):  # the derivative of the linear map itself
        still = [Zero.of(x) for x in primals[fixed:]]
        run = lambda *xs: _value(*xs, **params)  # noqa: E731
        _, by_residuals = jvp_flat(run, primals, [*tangents[:fixed], *still])
        found = [add_tangents(a, b) for a, b in zip(found, by_residuals, strict=True)]
    return outs, found


def _transpose(cts: Sequence[Any], *args: Any, callee: Any, transpose: Any, num_fixed: int) -> list[Any]:
    if any(map(is_undefined, args[:num_fixed])):
        raise NotImplementedError("linear_call is linear in its last argument only.")
    if all(type(ct) is Zero for ct in cts):
        return [None] * len(args)
    swapped = {"callee": transpose, "transpose": callee, "num_fixed": num_fixed}
    found = linear_call_p.bind(*args[:num_fixed], *map(instantiate, cts), **swapped)
    return [None] * num_fixed + list(found)


def _batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, num_fixed: int, **programs: ClosedJaxpr
) -> tuple[list, list]:
    own = list(dims[:num_fixed])

    def batched(program: ClosedJaxpr) -> ClosedJaxpr:
        rest = len(program.in_avals) - num_fixed
        inner, out_dims = batch_jaxpr(program, size, (*own, *[0] * rest))
        run = lambda *xs: [  # noqa: E731
            place_axis(y, d, size, 0)
            for y, d in zip(evaluate(inner.jaxpr, inner.consts, *xs), out_dims, strict=True)
        ]
        return inner if all(d == 0 for d in out_dims) else stage(run, inner.in_avals)

    made = {name: batched(program) for name, program in programs.items()}
    xs = [place_axis(x, d, size, 0) for x, d in zip(args[num_fixed:], dims[num_fixed:], strict=True)]
    outs = linear_call_p.bind(*args[:num_fixed], *xs, num_fixed=num_fixed, **made)
    return outs, [0] * len(outs)


linear_call_p.abstract = lambda *_, callee, **__: callee.out_avals
linear_call_p.impl = linear_call_p.expand = _value
linear_call_p.jvp = _jvp
linear_call_p.transpose = _transpose
linear_call_p.batch = _batch

__all__ = ["linear_call_p"]
