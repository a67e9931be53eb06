"""Folds by a program: ``reduce`` and ``reduce_window`` with any associative operation on several arrays at once.

Neighbours are combined until one is left, so that the operation need not be commutative; each step is the program of
the operation applied to whole arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, evaluate
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._kernel.rules import Map
from jitney._ops import raw, reductions
from jitney._ops.windows import Frame, check_frame
from jitney._transforms.batching import batch_flat, batch_jaxpr

_WHOLE = {
    "add": reductions.reduce_sum_p,
    "mul": reductions.reduce_prod_p,
    "max": reductions.reduce_max_p,
    "min": reductions.reduce_min_p,
    "and": reductions.reduce_and_p,
    "or": reductions.reduce_or_p,
    "xor": reductions.reduce_xor_p,
}


def known_operation(closed: ClosedJaxpr) -> str | None:
    """The name of the one operation on two values that a program consists of, if a reduction folds by it."""
    jaxpr = closed.jaxpr
    if len(jaxpr.eqns) != 1 or len(jaxpr.invars) != 2:
        return None
    (eqn,) = jaxpr.eqns
    if set(map(id, eqn.invars)) != set(map(id, jaxpr.invars)) or list(jaxpr.outvars) != list(eqn.outvars):
        return None
    return eqn.primitive.name if eqn.primitive.name in _WHOLE else None


class Operation:
    """A program of scalars ``(*left, *right) -> out`` as a function of arrays of one shape."""

    def __init__(self, closed: ClosedJaxpr) -> None:
        self.closed = closed
        self.whole = _WHOLE.get(known_operation(closed) or "")
        self.plain = all(map(_applies_to_arrays, closed.jaxpr.eqns)) and not any(
            type(v) is Literal for v in closed.jaxpr.outvars
        )

    def __call__(self, left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
        closed, xs = self.closed, [*left, *right]
        shape = get_aval(xs[0]).shape
        if self.plain:
            return evaluate(closed.jaxpr, closed.consts, *xs)
        size = math.prod(shape)
        if size == 0:
            return list(left)
        program, dims = batch_jaxpr(closed, size, (0,) * len(xs))
        outs = evaluate(program.jaxpr, program.consts, *[raw.reshape(x, (size,)) for x in xs])
        return [
            raw.broadcast_in_dim(y, shape, ()) if d is None else raw.reshape(y, shape)
            for y, d in zip(outs, dims, strict=True)
        ]


def _applies_to_arrays(eqn: JaxprEqn) -> bool:
    """Whether an operation on scalars means the same, element by element, on arrays (and scalar literals)."""
    literals = [type(v) is Literal for v in eqn.invars]
    if not isinstance(eqn.primitive.lower, Map) or all(literals):
        return False
    return not any(literals) or eqn.primitive.name not in ("select_n", "clamp")


def fold_last(combine: Operation, xs: Sequence[Any], inits: Sequence[Any]) -> list[Any]:
    """``init`` combined with all elements along the last axis, in their order."""
    shape = get_aval(xs[0]).shape
    *outer, count = shape
    start = [raw.broadcast_in_dim(v, outer, ()) for v in inits]
    if count == 0:
        return start

    if combine.whole is not None:
        return combine(start, [combine.whole.bind(xs[0], axes=(len(outer),), out_sharding=None)])

    def part(x: Any, first: int, stop: int, step: int) -> Any:
        zeros, ones = (0,) * len(outer), (1,) * len(outer)
        return raw.slice_(x, (*zeros, first), (*outer, stop), (*ones, step))

    while count > 1:
        even = count - count % 2
        pairs = combine([part(x, 0, even - 1, 2) for x in xs], [part(x, 1, even, 2) for x in xs])
        if count % 2:
            rest = [part(x, count - 1, count, 1) for x in xs]
            pairs = [raw.concatenate([p, r], len(outer)) for p, r in zip(pairs, rest, strict=True)]
        xs, count = pairs, even // 2 + count % 2
    return combine(start, [raw.squeeze(x, (len(outer),)) for x in xs])


def _is_wrong(outs: Sequence[ShapedArray], wanted: Sequence[ShapedArray]) -> bool:
    return [(o.shape, o.dtype) for o in outs] != [((), w.dtype) for w in wanted]


def _check(name: str, avals: Sequence[ShapedArray], jaxpr: ClosedJaxpr) -> tuple[list, list]:
    """Operands and initial values of a fold, after their types were checked."""
    half = len(avals) // 2
    xs, inits = list(avals[:half]), list(avals[half:])
    if any(x.shape != xs[0].shape for x in xs):
        raise ValueError(f"{name} found operands of different shapes: {[x.shape for x in xs]}")
    if any(v.shape for v in inits):
        raise ValueError(f"{name} found non-scalar initial value: {[v.shape for v in inits]}")
    if any(x.dtype != v.dtype for x, v in zip(xs, inits, strict=True)):
        raise TypeError(
            f"{name} operands must match corresponding initial value dtypes, got operands={[x.dtype.name for x in xs]} "
            f"and initial values={[v.dtype.name for v in inits]}"
        )
    if _is_wrong(jaxpr.out_avals, xs):
        raise TypeError(
            f"{name}: the computation must return scalars of the operands' dtypes {[x.dtype.name for x in xs]}, got "
            f"{[a.str_short() for a in jaxpr.out_avals]}"
        )
    return xs, inits


def _halves(args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    half = len(args) // 2
    return list(args[:half]), list(args[half:])


def _expanded_batch(
    prim: Primitive, size: int, args: Any, dims: Any, params: dict[str, Any]
) -> tuple[list, list]:
    """The batch of the fold's own steps: for initial values that differ between examples."""
    return batch_flat(lambda *xs: prim.expand(*xs, **params), size, args, dims)


# -- reduce -----------------------------------------------------------------------------------------

reduce_p = Primitive("reduce", multiple_results=True)


def _reduce_abstract(
    *avals: ShapedArray, computation: Any, jaxpr: ClosedJaxpr, dimensions: tuple
) -> list[ShapedArray]:
    xs, _ = _check("reduce", avals, jaxpr)
    shape = xs[0].shape
    if len(set(dimensions)) != len(dimensions):
        raise ValueError(f"duplicate value in 'axes' of reduction: {dimensions}")
    if not all(0 <= d < len(shape) for d in dimensions):
        raise ValueError(
            f"reduction axes {dimensions} contains out-of-bounds indices for {xs[0].str_short()}."
        )
    kept = tuple(n for d, n in enumerate(shape) if d not in dimensions)
    return [shaped_array(kept, x.dtype, x.weak_type) for x in xs]


def reduce_by(combine: Operation, args: Sequence[Any], dimensions: Sequence[int]) -> list[Any]:
    """The fold of operands over ``dimensions``; ``args``: the operands, then the initial values."""
    xs, inits = _halves(args)
    shape = get_aval(xs[0]).shape
    kept = [d for d in range(len(shape)) if d not in dimensions]
    order = [*kept, *sorted(dimensions)]
    flat = (*(shape[d] for d in kept), math.prod(shape[d] for d in dimensions))
    return fold_last(combine, [raw.reshape(raw.transpose(x, order), flat) for x in xs], inits)


def _reduce_batch(
    size: int, args: Any, dims: Any, *, computation: Any, jaxpr: ClosedJaxpr, dimensions: tuple
) -> tuple[list, list]:
    (xs, inits), (x_dims, init_dims) = _halves(args), _halves(dims)
    params = {"computation": computation, "jaxpr": jaxpr, "dimensions": dimensions}
    if any(d is not None for d in init_dims):
        return _expanded_batch(reduce_p, size, args, dims, params)
    if len(xs) == 1:
        d = x_dims[0]
        moved = tuple(a + (a >= d) for a in dimensions)
        outs = reduce_p.bind(*xs, *inits, **{**params, "dimensions": moved})
        return outs, [d - sum(a < d for a in moved)]
    outs = reduce_p.bind(
        *raw.batches_first(xs, x_dims, size),
        *inits,
        **{**params, "dimensions": tuple(a + 1 for a in dimensions)},
    )
    return outs, [0] * len(outs)


reduce_p.abstract = _reduce_abstract
reduce_p.expand = lambda *args, computation, jaxpr, dimensions: reduce_by(Operation(jaxpr), args, dimensions)
reduce_p.batch = _reduce_batch

# -- reduce_window ----------------------------------------------------------------------------------

reduce_window_p = Primitive("reduce_window", multiple_results=True)


def _window_abstract(
    *avals: ShapedArray, jaxpr: ClosedJaxpr, consts: tuple, **params: Any
) -> list[ShapedArray]:
    xs, _ = _check("reduce_window", avals, jaxpr)
    frame = Frame(**params)
    check_frame("reduce_window", xs[0], frame)
    return [shaped_array(frame.out_shape(x.shape), x.dtype, x.weak_type) for x in xs]


def reduce_window_by(combine: Operation, args: Sequence[Any], frame: Frame) -> list[Any]:
    """The fold of each window; holes and padding count as the initial value, with which each fold begins."""
    xs, inits = _halves(args)
    views = []
    for x, init in zip(xs, inits, strict=True):
        view = frame.view(x, init)
        shape, ndim = get_aval(view).shape, get_aval(x).ndim
        views.append(raw.reshape(view, (*shape[:ndim], math.prod(shape[ndim:]))))
    return fold_last(combine, views, inits)


def _window_batch(
    size: int, args: Any, dims: Any, *, jaxpr: ClosedJaxpr, consts: tuple, **params: Any
) -> tuple[list, list]:
    (xs, inits), (x_dims, init_dims) = _halves(args), _halves(dims)
    if any(d is not None for d in init_dims):
        return _expanded_batch(
            reduce_window_p, size, args, dims, {"jaxpr": jaxpr, "consts": consts, **params}
        )
    wide = Frame(**params).extended().params()
    outs = reduce_window_p.bind(
        *raw.batches_first(xs, x_dims, size), *inits, jaxpr=jaxpr, consts=consts, **wide
    )
    return outs, [0] * len(outs)


reduce_window_p.abstract = _window_abstract
reduce_window_p.expand = lambda *args, jaxpr, consts, **params: reduce_window_by(
    Operation(jaxpr), args, Frame(**params)
)
reduce_window_p.batch = _window_batch

__all__ = ["reduce_p", "reduce_window_p"]
