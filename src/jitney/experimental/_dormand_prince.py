"""The pair of Dormand and Prince of orders 5 and 4: systems of equations, steps, step sizes, dense output.

Begin with :func:`integrate`. A state is a list of arrays (the leaves of the user's tree), never joined to one vector.
Sources: Dormand and Prince (1980); Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4 and II.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jitney import numpy as jnp
from jitney._api.jit import jit
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney.lax.control_flow import scan
from jitney.lax.while_loops import while_loop

Leaves = list[Any]
Slope = Callable[[Sequence[Any], Any], Leaves]


class Control(NamedTuple):
    """How accurately to solve."""

    rtol: float
    atol: float
    mxstep: float
    hmax: float


@dataclass(frozen=True)
class System:
    """A differential equation: a program ``(*state, t, *args) -> d state / dt``, and how accurately to solve it."""

    program: ClosedJaxpr
    size: int  # number of leaves of the state
    control: Control

    def slope(self, state: Sequence[Any], t: Any, args: Sequence[Any]) -> Leaves:
        return list(evaluate(self.program.jaxpr, self.program.consts, *state, t, *args))


_NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),  # the step itself
)
_ERROR = (71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_DENSE = (
    -12715105075 / 11282082432,
    0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0  # factors of a step size


class _State(NamedTuple):
    """Where the solution is, and the last step that led there."""

    t: Any
    y: Leaves
    slope: Leaves
    size: Any  # of the next step, positive
    start: Any  # of the last step
    start_y: Leaves
    start_slope: Leaves
    bend: Leaves  # what the interpolant of the last step has besides the cubic through both ends


@partial(jit, static_argnums=0)
def integrate(system: System, y0: Leaves, ts: Any, args: Leaves, first: Any) -> tuple[Leaves, Any]:
    """States at the times ``ts`` (first ``y0``), along a new first axis, and the size that a next step would have.

    ``first`` is the size of the first step, or None. Times go up or down. What is not reached is NaN.
    """
    control = system.control
    slope = lambda y, t: system.slope(y, t, args)  # noqa: E731
    way = jnp.where(ts[-1] < ts[0], -1, 1).astype(ts.dtype)
    at_start = slope(y0, ts[0])
    if first is None:
        first = _first_size(slope, control, ts[0], y0, at_start, way)
    still = [jnp.zeros_like(y) for y in y0]
    state = _State(ts[0], y0, at_start, jnp.minimum(first, control.hmax), ts[0], y0, at_start, still)

    def reach(state: _State, target: Any) -> tuple[_State, Leaves]:
        state = _advance(slope, control, state, target, ts[-1], way)
        return state, _between(state, target, way)

    state, rows = scan(reach, state, ts[1:])
    return [jnp.concatenate([y[None], row]) for y, row in zip(y0, rows, strict=True)], state.size


def _advance(slope: Slope, control: Control, state: _State, target: Any, end: Any, way: Any) -> _State:
    """Steps until ``target`` lies behind, none of them beyond ``end``."""

    def going(carry: tuple[_State, Any]) -> Any:
        state, count = carry
        moves = (state.size > 0) & (state.t + way * state.size != state.t)  # nor is the size NaN
        more = moves & (way * (target - state.t) > 0)
        return more if math.isinf(control.mxstep) else more & (count < control.mxstep)

    def step(carry: tuple[_State, Any]) -> tuple[_State, Any]:
        state, count = carry
        return _step(slope, control, state, end, way), count + 1

    return while_loop(going, step, (state, jnp.zeros((), np.int64)))[0]


def _step(slope: Slope, control: Control, state: _State, end: Any, way: Any) -> _State:
    """One attempt; if its error is too large, only the size changes."""
    left = way * (end - state.t)
    last = state.size >= left
    size = jnp.minimum(state.size, left)
    h = way * size
    slopes = [state.slope]
    for node, row in zip(_NODES, _STAGES, strict=True):
        y = _plus(state.y, _combined(h, row, slopes))
        slopes.append(slope(y, state.t + node * h))
    error = _norm(_combined(h, _ERROR, slopes), _scales(control, state.y, y)).astype(h.dtype)
    good = error <= 1
    factor = jnp.clip(_SAFETY * error**-0.2, _LEAST, _MOST)
    next_size = jnp.minimum(size * jnp.where(jnp.isnan(error), _LEAST, factor), control.hmax)
    new = _State(
        jnp.where(last, end, state.t + h),
        y,
        slopes[-1],
        jnp.where(last, jnp.maximum(next_size, state.size), next_size),  # a step cut short tells little
        state.t,
        state.y,
        state.slope,
        _combined(h, _DENSE, slopes),
    )
    old = state._replace(size=next_size)
    chosen = [_choose(good, a, b) for a, b in zip(new, old, strict=True)]
    return _State(*chosen)


def _choose(good: Any, new: Any, old: Any) -> Any:
    if isinstance(new, list):
        return [jnp.where(good, a, b) for a, b in zip(new, old, strict=True)]
    return jnp.where(good, new, old)


def _combined(h: Any, weights: Sequence[float], slopes: Sequence[Leaves]) -> Leaves:
    """``h * sum(weights * slopes)``."""
    out = []
    for leaves in zip(*slopes, strict=True):
        terms = [w * k for w, k in zip(weights, leaves, strict=True) if w != 0]
        total = sum(terms[1:], terms[0])
        out.append(h.astype(_real(total)) * total)
    return out


def _plus(xs: Leaves, ys: Leaves) -> Leaves:
    return [x + y for x, y in zip(xs, ys, strict=True)]


def _real(x: Any) -> np.dtype:
    return jnp.finfo(x.dtype).dtype


def _between(state: _State, t: Any, way: Any) -> Leaves:
    """The solution at ``t`` in the last step: a polynomial of degree 4 (Hairer et al., II.6, (6.12))."""
    h = state.t - state.start
    part = (t - state.start) / jnp.where(h == 0, 1, h)
    part = jnp.where(way * (t - state.t) > 0, np.nan, part)  # not reached
    out = []
    for y0, y1, k0, k1, bend in zip(
        state.start_y, state.y, state.start_slope, state.slope, state.bend, strict=True
    ):
        x, own = part.astype(_real(y0)), h.astype(_real(y0))
        change = y1 - y0
        first = own * k0 - change
        second = change - own * k1 - first
        out.append(y0 + x * (change + (1 - x) * (first + x * (second + (1 - x) * bend))))
    return out


def _scales(control: Control, *states: Leaves) -> Leaves:
    """The errors that are tolerated."""
    sizes = [[jnp.abs(x) for x in leaves] for leaves in zip(*states, strict=True)]
    return [control.atol + control.rtol * (s[0] if len(s) == 1 else jnp.maximum(*s)) for s in sizes]


def _norm(xs: Leaves, scales: Leaves) -> Any:
    """Root of the mean square of ``xs / scales``."""
    count = sum(x.size for x in xs)
    total = sum(jnp.sum(jnp.square(jnp.abs(x / s))) for x, s in zip(xs, scales, strict=True))
    return jnp.sqrt(total / max(count, 1))


def distance(control: Control, xs: Leaves, ys: Leaves) -> Any:
    """How far states are apart, in units of the error that is tolerated, or that rounding makes."""
    least = 100 * max(float(jnp.finfo(x.dtype).eps) for x in xs) if xs else 0.0
    wider = control._replace(rtol=control.rtol + least, atol=control.atol + least)
    return _norm([x - y for x, y in zip(xs, ys, strict=True)], _scales(wider, xs, ys))


def first_size(system: System, y: Leaves, t: Any, args: Leaves, way: Any) -> Any:
    """A size for the first step from ``y`` at ``t``, upwards (``way`` 1) or downwards (-1) (Hairer et al., II.4)."""
    slope = lambda y, t: system.slope(y, t, args)  # noqa: E731
    return _first_size(slope, system.control, t, y, slope(y, t), way)


def _first_size(slope: Slope, control: Control, t: Any, y: Leaves, at_start: Leaves, way: Any) -> Any:
    """A size for the first step."""
    scales = _scales(control, y)
    d0, d1 = _norm(y, scales), _norm(at_start, scales)
    guess = jnp.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1).astype(t.dtype)
    ahead = slope(_plus(y, _combined(way * guess, (1.0,), [at_start])), t + way * guess)
    d2 = _norm([b - a for a, b in zip(at_start, ahead, strict=True)], scales) / guess
    largest = jnp.maximum(d1, d2)
    size = jnp.where(largest <= 1e-15, jnp.maximum(1e-6, guess * 1e-3), (0.01 / largest) ** 0.2)
    size = jnp.minimum(100 * guess, size)
    return jnp.where(jnp.isfinite(size), size, guess).astype(t.dtype)
