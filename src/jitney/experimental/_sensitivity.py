"""How solutions of differential equations depend on starts, times and arguments, forwards and backwards.

Tangents are solutions of the linearised equation along the solution, cotangents of the adjoint one, which runs backwards from
time to time through the states that were found (Pontryagin et al. 1962). Both are one linear operation, ``solution_map_p``,

    dys = solution_map[..] ys.. ts args.. dy0.. dts dargs..

and its transpose, so that both modes follow from it. It is differentiable in what it is linear along.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.autodiff import vjp
from jitney._api.custom_jvp import custom_jvp
from jitney._api.custom_rules import SymbolicZero
from jitney._api.jit import jit
from jitney._api.vmap import vmap
from jitney._core.avals import float0, shaped_array
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._ops.raw import add_tangents, instantiate
from jitney._transforms.batching import batch_flat, place_axis
from jitney._transforms.jvp import jvp_flat
from jitney.experimental._dormand_prince import Control, Leaves, System, distance, first_size, integrate
from jitney.lax.arithmetic import stop_gradient
from jitney.lax.control_flow import scan
from jitney.lax.while_loops import while_loop

_ASTRAY = 1e3  # errors that are allowed to a state found backwards, in those allowed to a step
_MORE, _MOST_PIECES = 8, 64  # of an interval in which it was astray

Flags = tuple[bool, ...]  # for the times, then for each argument: whether there is a tangent


def _solution(system: System, y0: Leaves, ts: Any, args: Leaves, first: Any) -> tuple[Leaves, Any]:
    return integrate(system, y0, ts, args, first)


solution = custom_jvp(_solution, nondiff_argnums=(0,))


def _rule(system: System, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    y0, ts, args, _ = primals
    dy0, dts, dargs, _ = tangents
    ys, size = solution(system, *primals)
    active = tuple(type(t) is not SymbolicZero and t.dtype != float0 for t in (dts, *dargs))
    xs = [jnp.zeros_like(y) if type(t) is SymbolicZero else t for y, t in zip(y0, dy0, strict=True)]
    xs += [t for t, flag in zip((dts, *dargs), active, strict=True) if flag]
    dys = solution_map_p.bind(
        *ys,
        ts,
        *args,
        *xs,
        program=system.program,
        width=system.size,
        control=system.control,
        active=active,
        transposed=False,
        num_fixed=len(ys) + 1 + len(args),
        types=(_types(xs), _types(ys)),
        batches=(),
    )
    return (ys, size), (dys, SymbolicZero(get_aval(size)))


solution.defjvp(_rule, symbolic_zeros=True)


def _types(xs: Sequence[Any]) -> tuple:
    return tuple((get_aval(x).shape, get_aval(x).dtype) for x in xs)


# -- the linearised equation and the adjoint one ----------------------------------------------------------


@partial(jit, static_argnums=(0, 1))
def _tangents(system: System, active: Flags, ys: Leaves, ts: Any, args: Leaves, xs: Leaves) -> Leaves:
    """Tangents of the states from those of the start, the times and the arguments."""
    given = iter(xs[system.size :])
    dts = next(given) if active[0] else None
    start, slopes = xs[: system.size], []
    if dts is not None:
        slopes = _slopes(system, ys, ts, args)
        start = [v - k[0] * dts[0].astype(v.dtype) for v, k in zip(start, slopes, strict=True)]
    y0 = [y[0] for y in ys]
    both, _ = solution(_linearised(system, active), [*y0, *start], ts, [*args, *given], None)
    found = both[system.size :]
    if dts is None:
        return found
    return [
        v + k * dts.astype(v.dtype).reshape((-1,) + (1,) * (k.ndim - 1))
        for v, k in zip(found, slopes, strict=True)
    ]


@partial(jit, static_argnums=(0, 1))
def _cotangents(system: System, active: Flags, ys: Leaves, ts: Any, args: Leaves, cts: Leaves) -> Leaves:
    """Cotangents of the start, the times and the arguments from those of the states."""
    back, count = _adjoint(system, active), system.size
    sums = [jnp.zeros(a.shape, a.dtype) for a, flag in zip(args, active[1:], strict=True) if flag]

    def pass_back(carry: tuple, given: tuple) -> tuple[tuple, None]:
        cotangents, sums, size = carry
        later, earlier, y, before, ct = given
        found, size = _between_times(
            system, back, args, (later, y), (earlier, before), [*cotangents, *sums], size
        )
        return ([a + b for a, b in zip(found[:count], ct, strict=True)], found[count:], size), None

    cotangents = [ct[-1] for ct in cts]
    if ts.shape[0] > 1:
        # Only the first step of all is chosen with care; those after a time go on with the size reached.
        state = [*[y[-1] for y in ys], *cotangents, *sums]
        size = first_size(back, *stop_gradient((state, ts[-1], args, jnp.where(ts[-1] < ts[0], 1, -1))))
        between = ts[1:], ts[:-1], [y[1:] for y in ys], [y[:-1] for y in ys], [ct[:-1] for ct in cts]
        (cotangents, sums, _), _ = scan(pass_back, (cotangents, sums, size), between, reverse=True)
    if not active[0]:
        return [*cotangents, *sums]
    slopes = _slopes(system, ys, ts, args)
    of_times = sum(_products(ct, k, 1, ts.dtype) for ct, k in zip(cts, slopes, strict=True))
    of_start = sum(_products(ct, k[0], 0, ts.dtype) for ct, k in zip(cotangents, slopes, strict=True))
    return [*cotangents, of_times.at[0].add(-of_start), *sums]


def _between_times(
    system: System, back: System, args: Leaves, later: tuple, earlier: tuple, found: Leaves, size: Any
) -> tuple[Leaves, Any]:
    """Cotangents and sums at an earlier time from those at a later one; both come with their states.

    The state goes along backwards. Where it misses the state that is known at the end, as it does in equations that forget
    their start, all is done again in pieces, which begin at states found forwards.
    """
    (end, end_y), (begin, begin_y), count = later, earlier, system.size

    def attempt(tried: tuple) -> tuple:
        pieces = tried[0]

        def piece(loop: tuple) -> tuple:
            left, reached, found, size, error = loop
            first = left == pieces
            top = jnp.where(first, end, begin + (end - begin) * (left / pieces).astype(end.dtype))
            bottom = begin + (end - begin) * ((left - 1) / pieces).astype(end.dtype)
            start = [jnp.where(first, a, b) for a, b in zip(end_y, begin_y, strict=True)]
            forwards = jnp.stack([jnp.where(first, end, begin), top])  # nothing to do for the first piece
            there = [x[1] for x in solution(system, start, forwards, args, size)[0]]
            error = jnp.maximum(error, distance(system.control, *stop_gradient((reached, there))))
            state, size = solution(back, [*there, *found], jnp.stack([top, bottom]), args, size)
            state = [x[1] for x in state]
            return left - 1, state[:count], state[count:], size, error

        start = pieces, end_y, found, size, jnp.zeros((), end.dtype)
        _, reached, new, next_size, error = while_loop(lambda loop: loop[0] > 0, piece, start)
        error = jnp.maximum(error, distance(system.control, *stop_gradient((reached, begin_y))))
        return pieces * _MORE, new, next_size, error <= _ASTRAY

    again = lambda tried: (tried[0] <= _MOST_PIECES) & ~tried[3]  # noqa: E731
    _, new, next_size, _ = while_loop(again, attempt, (jnp.asarray(1), found, size, jnp.asarray(False)))
    return new, next_size


def _slopes(system: System, ys: Leaves, ts: Any, args: Leaves) -> Leaves:
    return vmap(lambda y, t: system.slope(y, t, args))(ys, ts)


def _products(ct: Any, slope: Any, kept: int, dtype: np.dtype) -> Any:
    """Sums of ``ct * slope`` over all axes but the first ``kept``."""
    return jnp.real(jnp.sum(ct * slope, tuple(range(kept, slope.ndim)))).astype(dtype)


def _linearised(system: System, active: Flags) -> System:
    """The equation of state and tangent; arguments are those of the equation, then the tangents of active ones."""
    program, count = system.program, system.size
    key = "ode tangents", count, active[1:]
    if key not in program.cache:
        avals = program.in_avals
        state, rest = avals[:count], avals[count:]
        moving = [a for a, flag in zip(rest[1:], active[1:], strict=True) if flag]

        def slope(*xs: Any) -> Leaves:
            y, v, others = xs[:count], xs[count : 2 * count], xs[2 * count :]
            t_args, given = others[: len(rest)], iter(others[len(rest) :])
            flags = (False, *active[1:])
            moved = [next(given) if f else Zero.of(x) for f, x in zip(flags, t_args, strict=True)]
            run = lambda *xs: system.slope(xs[:count], xs[count], xs[count + 1 :])  # noqa: E731
            outs, tangents = jvp_flat(run, [*y, *t_args], [*v, *moved])
            return [*outs, *map(instantiate, tangents)]

        program.cache[key] = stage(slope, [*state, *state, *rest, *[a.strip_weak_type() for a in moving]])
    return System(program.cache[key], 2 * count, system.control)


def _adjoint(system: System, active: Flags) -> System:
    """The equation of state, cotangent, and cotangents of active arguments, in which it is an integral."""
    program, count = system.program, system.size
    width = 2 * count + sum(active[1:])
    key = "ode cotangents", count, active[1:]
    if key not in program.cache:
        avals = program.in_avals
        state, rest = avals[:count], avals[count:]
        moving = [a.strip_weak_type() for a, flag in zip(rest[1:], active[1:], strict=True) if flag]

        def slope(*xs: Any) -> Leaves:
            y, cts, t, args = xs[:count], xs[count : 2 * count], xs[width], xs[width + 1 :]

            def at(y: Any, moving: Any) -> Leaves:
                given = iter(moving)
                return system.slope(
                    y, t, [next(given) if f else a for f, a in zip(active[1:], args, strict=True)]
                )

            outs, pull = vjp(at, list(y), [a for f, a in zip(active[1:], args, strict=True) if f])
            back = [x for found in pull(list(cts)) for x in found]
            return [*outs, *[-x for x in back]]

        program.cache[key] = stage(slope, [*state, *state, *moving, *rest])
    return System(program.cache[key], width, system.control)


# -- the linear operation -----------------------------------------------------------------------------------

solution_map_p = Primitive("solution_map", multiple_results=True)


def _value(*operands: Any, batches: tuple = (), **params: Any) -> Leaves:
    """The tangents or cotangents, of each example where there are batches."""
    if not batches:
        return _of_one(*operands, **params)
    (size, dims), inner = batches[-1], batches[:-1]
    run = lambda *xs: _value(*xs, batches=inner, **params)  # noqa: E731
    outs, found = batch_flat(run, size, operands, (*dims, *[0] * (len(operands) - len(dims))))
    return [place_axis(y, d, size, 0) for y, d in zip(outs, found, strict=True)]


def _of_one(
    *operands: Any,
    program: ClosedJaxpr,
    width: int,
    control: Control,
    active: Flags,
    transposed: bool,
    num_fixed: int,
    types: tuple,
) -> Leaves:
    ys, ts, args = list(operands[:width]), operands[width], list(operands[width + 1 : num_fixed])
    run = _cotangents if transposed else _tangents
    return run(System(program, width, control), active, ys, ts, args, list(operands[num_fixed:]))


def _abstract(*_: Any, types: tuple, **__: Any) -> list[Any]:
    return [shaped_array(shape, dtype) for shape, dtype in types[1]]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    fixed = params["num_fixed"]
    outs = solution_map_p.bind(*primals, **params)
    moved = [Zero.of(y) for y in outs]
    if any(type(t) is not Zero for t in tangents[fixed:]):
        moved = solution_map_p.bind(*primals[:fixed], *map(instantiate, tangents[fixed:]), **params)
    if any(type(t) is not Zero for t in tangents[:fixed]):
        still = [*tangents[:fixed], *map(Zero.of, primals[fixed:])]
        more = jvp_flat(lambda *xs: _value(*xs, **params), primals, still)[1]
        moved = [_sum(a, b) for a, b in zip(moved, more, strict=True)]
    return outs, moved


def _sum(a: Any, b: Any) -> Any:
    if type(a) is Zero or type(b) is Zero:
        return b if type(a) is Zero else a
    return add_tangents(a, b)


def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    fixed, (ins, outs) = params["num_fixed"], params["types"]
    if any(map(is_undefined, args[:fixed])):
        raise NotImplementedError("solution_map is linear in tangents only.")
    if all(type(ct) is Zero for ct in cts):
        return [None] * len(args)
    swapped = {**params, "transposed": not params["transposed"], "types": (outs, ins)}
    return [None] * fixed + solution_map_p.bind(*args[:fixed], *map(instantiate, cts), **swapped)


def _batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[list, list]:
    fixed, kinds = params["num_fixed"], params["types"]
    xs = [place_axis(x, d, size, 0) for x, d in zip(args[fixed:], dims[fixed:], strict=True)]
    batched = {
        **params,
        "batches": (*params["batches"], (size, tuple(dims[:fixed]))),
        "types": tuple(tuple(((size, *shape), dtype) for shape, dtype in kind) for kind in kinds),
    }
    outs = solution_map_p.bind(*args[:fixed], *xs, **batched)
    return outs, [0] * len(outs)


solution_map_p.abstract = _abstract
solution_map_p.impl = solution_map_p.expand = _value
solution_map_p.jvp = _jvp
solution_map_p.transpose = _transpose
solution_map_p.batch = _batch
