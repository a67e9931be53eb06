"""A step along a direction that decreases a function enough: Wolfe's strong conditions.

Nocedal, Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, as one loop with one evaluation a turn. Where rounding
errors hide the decrease, the approximate conditions of Hager, Zhang (SIAM J. Optim. 16, 2005) are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval

_DECREASE, _CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A step, the value and the slope there, and the gradient."""

    step: Any
    value: Any
    slope: Any
    gradient: Any


class _State(NamedTuple):
    low: Point  # the best step so far
    high: Point  # the other end of the interval, once there is one
    trial: Any
    enclosed: Any  # whether there is one
    done: Any
    count: Any


def _choose(condition: Any, one: Point, two: Point) -> Point:
    return Point(*[jnp.where(condition, a, b) for a, b in zip(one, two, strict=True)])


def search(
    evaluate: Callable[[Any], tuple[Any, Any]],
    x: Any,
    direction: Any,
    value: Any,
    gradient: Any,
    first: Any,
    most: Any,
) -> tuple[Point, Any, Any]:
    """From ``x`` on; ``first`` is the first step to try, ``most`` the greatest number of evaluations.

    Returns the point, whether its value is below the first one (if not, the step is 0), and the number of evaluations.
    """
    slope = jnp.vdot(direction, gradient)
    slack = 4 * np.finfo(get_aval(value).dtype).eps * jnp.abs(value)

    def enough(p: Point) -> Any:
        exact = p.value <= value + _DECREASE * p.step * slope
        return exact | (p.value <= value + slack) & (p.slope <= (2 * _DECREASE - 1) * slope)

    def go_on(state: _State) -> Any:
        return ~state.done & (state.count < most)

    def turn(state: _State) -> _State:
        value, gradient = evaluate(x + state.trial * direction)
        now = Point(state.trial, value, jnp.vdot(direction, gradient), gradient)
        low, high = state.low, state.high
        # The minimum lies before a step that is too long (also where there is no number).
        worse = (now.value > low.value + slack) & (state.enclosed | (low.step > 0))
        too_far = ~enough(now) | worse
        done = ~too_far & (jnp.abs(now.slope) <= -_CURVATURE * slope)
        span = jnp.where(state.enclosed, high.step - low.step, -1.0)
        turned = now.slope * span >= 0  # the function rises towards the other end
        turned = jnp.where(state.enclosed, turned, now.slope >= 0)
        other = _choose(too_far, now, _choose(turned, low, high))
        best = _choose(too_far, low, now)
        enclosed = state.enclosed | too_far | turned
        trial = jnp.where(enclosed, _between(best, other), 2 * now.step)
        return _State(best, other, trial, enclosed, done, state.count + 1)

    start = Point(jnp.zeros_like(value), value, slope, gradient)
    no = jnp.zeros((), bool)
    state = lax.while_loop(go_on, turn, _State(start, start, first, no, no, jnp.zeros((), int)))
    found = state.low
    return found, state.done | (found.step > 0), state.count


def _between(low: Point, high: Point) -> Any:
    """The minimum of the cubic through two points, kept away from them; the middle if there is none."""
    span = high.step - low.step
    mean = low.slope + high.slope - 3 * (high.value - low.value) / jnp.where(span == 0, 1, span)
    square = jnp.square(mean) - low.slope * high.slope
    root = jnp.copysign(jnp.sqrt(jnp.maximum(square, 0)), span)
    fraction = 1 - (high.slope + root - mean) / (high.slope - low.slope + 2 * root)
    usable = (square >= 0) & jnp.isfinite(fraction)
    return low.step + span * jnp.where(usable, jnp.clip(fraction, 0.1, 0.9), 0.5)
