"""Rules of operations that fold, order or multiply along axes of varying length."""

from __future__ import annotations

from typing import Any

from jitney._core.primitive import registry
from jitney._core.trace import get_aval
from jitney._lengths.fitting import Refusal
from jitney._lengths.neutral import dtype_of, every_bit, highest, last, lowest, one, zero
from jitney._lengths.outlines import Length, Step
from jitney._lengths.rewriting import Rewriting, Value, as_it_is, integer, plain, rule
from jitney._ops import raw

_NEUTRAL = {
    "reduce_sum": zero,
    "reduce_prod": one,
    "reduce_max": lowest,
    "reduce_min": highest,
    "argmax": lowest,
    "argmin": highest,
    "reduce_and": every_bit,
    "reduce_or": zero,
    "reduce_xor": zero,
    "cumsum": zero,
    "cumprod": one,
    "cummax": lowest,
    "cummin": highest,
    "cumlogsumexp": lowest,
}


@rule(
    "reduce_sum",
    "reduce_prod",
    "reduce_max",
    "reduce_min",
    "reduce_and",
    "reduce_or",
    "reduce_xor",
    "argmax",
    "argmin",
)
def _reduction(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    axes = [d for d in step.params["axes"] if type(value.dims[d]) is Length]
    x = value.x
    if axes:
        x = rewriting.masked(value, axes, _NEUTRAL[step.eqn.primitive.name](dtype_of(value), step))
    return step.eqn.primitive.bind(x, **plain(step))


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _cumulative(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    x = value.x
    if step.params["reverse"] and type(value.dims[step.params["axis"]]) is Length:
        neutral = _NEUTRAL[step.eqn.primitive.name](dtype_of(value), step)
        x = rewriting.masked(value, (step.params["axis"],), neutral)
    return step.eqn.primitive.bind(x, **plain(step))


@rule("dot_general")
def _dot_general(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    contracted, _ = step.params["dimension_numbers"]
    xs = [rewriting.masked(v, axes, dtype_of(v).type(0)) for v, axes in zip(ins, contracted, strict=True)]
    return step.eqn.primitive.bind(*xs, **plain(step))


@rule("sort", "sort_by")
def _sort(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    """Stable, so that what is behind stays behind what is equal to it."""
    axis, keys = step.params["dimension"], step.params["num_keys"]
    xs = [v.x for v in ins]
    if type(ins[0].dims[axis]) is Length:
        for number, v in enumerate(ins[:keys]):
            xs[number] = rewriting.masked(v, (axis,), last(dtype_of(v), step))
    return step.eqn.primitive.bind(*xs, **{**plain(step), "is_stable": True})


@rule("top_k")
def _top_k(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    if type(step.params["k"]) is Length:
        raise Refusal("the number of elements depends on the length", step.eqn)
    x = rewriting.masked(value, (step.params["axis"],), lowest(dtype_of(value), step))
    return step.eqn.primitive.bind(x, **plain(step))


@rule("order_statistics")
def _order_statistics(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    """Sorts, as it is not known before where to look."""
    (value,) = ins
    axis = len(value.dims) - 1
    if type(value.dims[axis]) is not Length:
        return as_it_is(rewriting, step, ins)
    x = rewriting.masked(value, (axis,), last(dtype_of(value), step))
    (ordered,) = registry["sort"].bind(x, dimension=axis, is_stable=True, num_keys=1)
    sizes = (*map(int, value.dims[:axis]), 1)
    found = [
        registry["dynamic_slice"].bind(
            ordered, *[integer(0)] * axis, rewriting.length(rank), slice_sizes=sizes
        )
        for rank in step.params["ranks"]
    ]
    return raw.concatenate(found, axis)


@rule("searchsorted")
def _searchsorted(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    a, v = ins
    axis = len(a.dims) - 1
    if type(a.dims[axis]) is not Length:
        return as_it_is(rewriting, step, ins)
    x = rewriting.masked(a, (axis,), last(dtype_of(a), step))
    out = step.eqn.primitive.bind(x, v.x, **plain(step))
    return registry["min"].bind(out, rewriting.length(a.dims[axis], get_aval(out).dtype))


@rule(
    "broadcast_in_dim",
    "transpose",
    "squeeze",
    "iota",
    "real",
    "imag",
    "complex",
    "conj",
    "copy",
    "optimization_barrier",
    "stop_gradient",
    "reduce_precision",
)
def _as_it_is(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    return as_it_is(rewriting, step, ins)


@rule("bitcast_convert_type")
def _bitcast(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    if len(step.dims[0]) != len(ins[0].dims):
        raise Refusal("the last axis changes its size", step.eqn)
    return as_it_is(rewriting, step, ins)


@rule("random_bits", "threefry_bits")
def _random_bits(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    """Element i of the bits encrypts the number i: longer arrays begin with shorter ones."""
    if any(type(n) is Length for n in step.dims[0][1:]) or any(v.open_axes for v in ins):
        raise Refusal("random bits of another place depend on the length", step.eqn)
    return as_it_is(rewriting, step, ins)


@rule("cholesky", "triangular_solve", "lu", "eigh", "log_determinant", "lu_solve")
def _of_matrices(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    """Many small matrices; those behind become zeros."""
    for v in ins:
        if any(d >= len(v.dims) - 2 for d in v.open_axes):
            raise Refusal("the size of a matrix varies", step.eqn)
    xs = [rewriting.masked(v, v.open_axes, dtype_of(v).type(0)) for v in ins]
    return step.eqn.primitive.bind(*xs, **plain(step))
