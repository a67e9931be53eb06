"""Least squares by the Levenberg-Marquardt method, as one loop of a compiled program.

Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in Mathematics 630 (1978): steps minimise the
linearised residuals within an ellipsoid whose axes are the columns of the Jacobian, and whose size follows from how well the
last step was predicted. The damping of a step is found from eigenvalues of the scaled normal equations, so that an iteration
takes one factorisation. Residuals and Jacobian are evaluated together.

Within bounds, parameters that are held by one do not take part in a step, and steps are cut off at bounds (Kanzow, Yamashita,
Fukushima, "Levenberg-Marquardt methods with strong local convergence properties", J. Comput. Appl. Math. 172, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval
from jitney.optimize._functions import jacobian_of
from jitney.optimize._losses import weighted

GOING_ON, LIMIT, GRADIENT, VALUE, STEP, VALUE_AND_STEP = -1, 0, 1, 2, 3, 4
_LEAST_GAIN = 1e-4  # of what was predicted, for a step to be made
_TURNS = 10  # of the search for the damping
_FLOOR = 0.1  # of curvatures of losses
_NEAR = 0.1  # relative distance of a step's length from the radius
WELL_POSED = 1e-13  # least ratio of eigenvalues of the scaled normal equations, which are squares


class State(NamedTuple):
    """Where the loop is; it goes on while ``status`` is negative."""

    x: Any
    square: Any  # sum of the squared residuals
    normal: Any  # J^T J
    gradient: Any  # J^T r
    scale: Any  # of the parameters
    radius: Any
    status: Any
    evaluations: Any
    iterations: Any
    posed: Any  # least ratio of the normal equations' eigenvalues in the last step


class Rules(NamedTuple):
    """What is fixed for a loop.

    ``cosines``: tests of MINPACK, whose ``gtol`` is of the cosine between residuals and columns of the Jacobian, and whose ``xtol``
    is of the radius. Otherwise ``gtol`` is of the gradient, and ``xtol`` of the step. ``scaled``: whether the scale follows the
    Jacobian. ``bounded``: whether there are bounds. ``loss``: see ``_losses.py``.
    """

    cosines: bool
    scaled: bool
    factor: float  # the first radius, in lengths of the first point
    bounded: bool = False
    loss: str = "linear"


class Limits(NamedTuple):
    """When to end, and where to stay; numbers that may be traced."""

    ftol: Any
    xtol: Any
    gtol: Any
    most: Any  # evaluations
    low: Any = None  # bounds; None where there are none
    high: Any = None
    margin: Any = 1.0  # residuals beyond it count as outliers, by the loss


def equations(residuals: Callable[[Any], Any], x: Any, limits: Limits, rules: Rules) -> tuple[Any, Any, Any]:
    """``r.r``, ``J^T J`` and ``J^T r`` at ``x``; with a loss, twice the cost and what stands for these."""
    square, r, jacobian = weighted(residuals(x), jacobian_of(residuals)(x), rules.loss, limits.margin, _FLOOR)
    return square, jacobian.T @ jacobian, r @ jacobian


def begin(residuals: Callable[[Any], Any], x0: Any, scale: Any, limits: Limits, rules: Rules) -> State:
    """The state at ``x0``; ``scale`` is that of the parameters, if it is not the Jacobian's."""
    square, normal, gradient = equations(residuals, x0, limits, rules)
    if rules.scaled:
        norms = jnp.sqrt(jnp.diagonal(normal))
        scale = jnp.where(norms > 0, norms, 1)
    length = jnp.linalg.norm(scale * x0)
    radius = rules.factor * jnp.where(length > 0, length, 1)
    free = _free(x0, gradient, limits, rules)
    status = jnp.where(_flat(square, normal, free * gradient, limits, rules), GRADIENT, GOING_ON)
    one, zero = jnp.ones((), int), jnp.zeros((), int)
    return State(x0, square, normal, gradient, scale, radius, status, one, zero, jnp.ones((), x0.dtype))


def advance(residuals: Callable[[Any], Any], state: State, until: Any, limits: Limits, rules: Rules) -> State:
    """To the end, or to iteration ``until``."""
    go_on = lambda state: (state.status == GOING_ON) & (state.iterations < until)  # noqa: E731
    return lax.while_loop(go_on, lambda state: _iterate(residuals, state, limits, rules), state)


def _flat(square: Any, normal: Any, gradient: Any, limits: Limits, rules: Rules) -> Any:
    if not rules.cosines:
        return jnp.max(jnp.abs(gradient)) < limits.gtol
    norms = jnp.sqrt(jnp.diagonal(normal) * square)
    cosines = jnp.abs(gradient) / jnp.where(norms > 0, norms, 1)
    return jnp.max(cosines) <= jnp.maximum(limits.gtol, np.finfo(get_aval(square).dtype).eps)


def _free(x: Any, gradient: Any, limits: Limits, rules: Rules) -> Any:
    """1 for parameters that may move downhill, 0 for those that a bound holds."""
    if not rules.bounded:
        return jnp.ones_like(x)
    held = (x <= limits.low) & (gradient > 0) | (x >= limits.high) & (gradient < 0)
    return jnp.where(held, 0, jnp.ones_like(x))


def _iterate(residuals: Callable[[Any], Any], state: State, limits: Limits, rules: Rules) -> State:
    """One step, which is made if it helps."""
    free = _free(state.x, state.gradient, limits, rules)
    scaled = state.normal / jnp.outer(state.scale, state.scale)
    if rules.bounded:
        scaled = scaled * jnp.outer(free, free) + jnp.diag(1 - free)
    values, vectors = jnp.linalg.eigh(scaled)
    values = jnp.maximum(values, 0)
    along = (free * state.gradient / state.scale) @ vectors
    damping, coordinates = _damped(values, along, state.radius)
    wished = free * (vectors @ coordinates) / state.scale
    x = state.x + wished
    if rules.bounded:
        x = jnp.clip(x, limits.low, limits.high)
    moved = jnp.where(x == state.x + wished, wished, x - state.x)
    slope = -jnp.vdot(state.gradient, moved) / state.square
    predicted = 2 * slope - jnp.vdot(moved, state.normal @ moved) / state.square

    square, normal, gradient = equations(residuals, x, limits, rules)
    sound = jnp.isfinite(square) & jnp.all(jnp.isfinite(normal))
    actual = jnp.where(sound & (square < 100 * state.square), 1 - square / state.square, -1)
    gain = jnp.where(predicted > 0, actual / jnp.where(predicted > 0, predicted, 1), 0)
    better = gain >= _LEAST_GAIN
    now = state._replace(
        x=jnp.where(better, x, state.x),
        square=jnp.where(better, square, state.square),
        normal=jnp.where(better, normal, state.normal),
        gradient=jnp.where(better, gradient, state.gradient),
        radius=_radius(state.radius, jnp.linalg.norm(coordinates), gain, actual, slope, damping),
        evaluations=state.evaluations + 1,
        iterations=state.iterations + 1,
        posed=values[0] / jnp.where(values[-1] > 0, values[-1], 1),
    )
    if rules.scaled:
        now = now._replace(scale=jnp.maximum(state.scale, jnp.sqrt(jnp.diagonal(now.normal))))
    return now._replace(status=_status(state, now, moved, actual, predicted, gain, limits, rules))


def _damped(values: Any, along: Any, radius: Any) -> tuple[Any, Any]:
    """The damping, and the step in coordinates of the eigenvectors: no longer than ``radius``, up to a tenth.

    Hebden's and Moré's iteration for the length as a function of the damping, kept between bounds.
    """
    cut = values[-1] * np.finfo(get_aval(values).dtype).eps * get_aval(values).size

    def step(damping: Any) -> Any:
        bottom = values + damping
        return jnp.where(bottom > cut, -along / jnp.where(bottom > cut, bottom, 1), 0)

    def turn(state: tuple[Any, ...]) -> tuple[Any, ...]:
        damping, low, high, count = state
        damping = jnp.where(
            (damping > low) & (damping < high), damping, jnp.maximum(1e-3 * high, jnp.sqrt(low * high))
        )
        length = jnp.linalg.norm(step(damping))
        bottom = jnp.where(values + damping > 0, values + damping, 1)
        slope = -jnp.sum(jnp.square(along) / bottom**3) / jnp.where(length > 0, length, 1)
        excess = length - radius
        low, high = jnp.where(excess > 0, damping, low), jnp.where(excess > 0, high, damping)
        done = jnp.abs(excess) <= _NEAR * radius
        new = damping - (length / radius) * excess / jnp.where(slope < 0, slope, -1)
        return jnp.where(done, damping, new), low, high, jnp.where(done, _TURNS, count + 1)

    zero = jnp.zeros_like(radius)
    fits = jnp.linalg.norm(step(zero)) <= (1 + _NEAR) * radius
    high = jnp.linalg.norm(along) / radius
    start = (zero, zero, high, jnp.where(fits, _TURNS, 0))
    damping = lax.while_loop(lambda s: s[3] < _TURNS, turn, start)[0]
    return damping, step(damping)


def _radius(radius: Any, length: Any, gain: Any, actual: Any, slope: Any, damping: Any) -> Any:
    """Smaller after a step that was predicted badly, larger after a good one that the radius had shortened."""
    # Along the step the squares are a parabola of this value, slope and actual change; its minimum, if they grew.
    middle = jnp.where(actual >= 0, 0.5, 0.5 * slope / (slope - 0.5 * actual))
    shrunk = jnp.clip(middle, 0.1, 0.5) * jnp.minimum(radius, 10 * length)
    good = (gain >= 0.75) | (damping == 0)
    return jnp.where(gain <= 0.25, shrunk, jnp.where(good, 2 * length, radius))


def _status(
    state: State,
    now: State,
    moved: Any,
    actual: Any,
    predicted: Any,
    gain: Any,
    limits: Limits,
    rules: Rules,
) -> Any:
    eps = np.finfo(get_aval(state.square).dtype).eps
    if rules.cosines:
        ftol, xtol = jnp.maximum(limits.ftol, eps), jnp.maximum(limits.xtol, eps)
        little = (jnp.abs(actual) <= ftol) & (predicted <= ftol) & (gain <= 2)
        short = now.radius <= xtol * jnp.linalg.norm(now.scale * now.x)
    else:
        little = (actual < limits.ftol) & (actual >= 0) & (gain > 0.25)
        size, length = jnp.linalg.norm(state.x), jnp.linalg.norm(moved)
        # Steps of the size of rounding errors help no more, whatever is asked for.
        short = (length < limits.xtol * (limits.xtol + size)) | (length <= eps * size) & (gain < _LEAST_GAIN)
    downhill = _free(now.x, now.gradient, limits, rules) * now.gradient
    flat = _flat(now.square, now.normal, downhill, limits, rules)
    status = jnp.where(now.evaluations >= limits.most, LIMIT, GOING_ON)
    reasons = [(little, VALUE), (short, STEP), (little & short, VALUE_AND_STEP), (flat, GRADIENT)]
    for condition, number in reasons:
        status = jnp.where(condition, number, status)
    return status
