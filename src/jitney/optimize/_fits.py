"""A problem of least squares solved by the compiled loop: from residuals to the solution, its residuals and Jacobian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitney import numpy as jnp
from jitney.optimize import _levenberg_marquardt as lm
from jitney.optimize._functions import Function, drive, jacobian_of
from jitney.optimize._implicit import stationary
from jitney.optimize._losses import weighted


class Fit(NamedTuple):
    """A solution: residuals there, Jacobian and gradient (of half the squares, or of the cost), twice the cost; how the loop ended."""

    x: Any
    residuals: Any
    jacobian: Any
    gradient: Any
    square: Any
    status: Any
    evaluations: Any


def solve(function: Function, x0: Any, scale: Any, limits: lm.Limits, rules: lm.Rules) -> Fit | None:
    """The solution, by compiled programs; None where the equations are too badly posed for their squares to be used."""

    def make_begin(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, scale, limits, leaves: lm.begin(lambda x: f(x, leaves), x, scale, limits, rules)

    def make_advance(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda state, until, limits, leaves: lm.advance(
            lambda x: f(x, leaves), state, until, limits, rules
        )

    state = function.run(("begin", rules), make_begin)(x0, scale, limits)
    if not (math.isfinite(float(state.square)) and np.isfinite(state.gradient).all()):
        return None
    advance = function.run(("advance", rules), make_advance)
    state = drive(lambda state, until: advance(state, until, limits), state)
    if not float(state.posed) >= lm.WELL_POSED:
        return None

    def make_solution(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, limits, leaves: _solution(lambda x: f(x, leaves), x, limits, rules)

    x, values, jacobian, gradient, square = function.run(("solution", rules), make_solution)(state.x, limits)
    return Fit(x, values, jacobian, gradient, square, int(state.status), int(state.evaluations))


def _solution(
    residuals: Callable[[Any], Any], x: Any, limits: lm.Limits, rules: lm.Rules
) -> tuple[Any, Any, Any, Any, Any]:
    """All of a ``Fit`` that depends on ``x`` alone."""
    values = residuals(x)
    square, weighed, jacobian = weighted(values, jacobian_of(residuals)(x), rules.loss, limits.margin)
    return x, values, jacobian, weighed @ jacobian, square


def solve_traced(
    residuals: Callable[[Any], Any], x0: Any, scale: Any, limits: lm.Limits, rules: lm.Rules
) -> Fit:
    """The solution inside of a trace, with its derivatives by whatever the residuals depend on."""
    if rules.bounded:
        x0 = jnp.clip(x0, limits.low, limits.high)

    def half_gradient(x: Any) -> Any:
        return _solution(residuals, x, limits, rules)[3]

    def run(x0: Any) -> tuple[Any, Any]:
        state = lm.begin(residuals, x0, scale, limits, rules)
        state = lm.advance(residuals, state, jnp.iinfo(jnp.int32).max, limits, rules)
        return state.x, (state.status, state.evaluations)

    def held(x: Any) -> Any:
        """Vanishes where no parameter can go downhill; its derivatives are 0 where a bound holds."""
        return x - jnp.clip(x - half_gradient(x), limits.low, limits.high)

    x, (status, evaluations) = stationary(held if rules.bounded else half_gradient, x0, run)
    return Fit(*_solution(residuals, x, limits, rules), status, evaluations)


def covariance(jacobian: Any) -> Any:
    """The inverse of ``J^T J`` inside of a trace, by columns of norm 1; not finite where there is none."""
    norms = jnp.linalg.norm(jacobian, axis=0)
    unit = jacobian / norms
    inverse = jnp.linalg.inv(unit.T @ unit)
    return inverse / jnp.outer(norms, norms)
