"""A problem of least squares solved by the compiled loop: from residuals to the solution, its residuals and Jacobian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

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

    def make_start(f: Callable[..., Any]) -> Callable[..., Any]:
        def start(x: Any, until: Any, scale: Any, limits: lm.Limits, leaves: Any) -> Any:
            residuals = lambda x: f(x, leaves)  # noqa: E731
            state = lm.advance(residuals, lm.begin(residuals, x, scale, limits, rules), until, limits, rules)
            return state, _solution(residuals, state.x, limits, rules)

        return start

    def make_advance(f: Callable[..., Any]) -> Callable[..., Any]:
        def advance(state: lm.State, until: Any, limits: lm.Limits, leaves: Any) -> Any:
            residuals = lambda x: f(x, leaves)  # noqa: E731
            state = lm.advance(residuals, state, until, limits, rules)
            return state, _solution(residuals, state.x, limits, rules)

        return advance

    solution: Any = None

    def start(until: int) -> lm.State:
        nonlocal solution
        state, solution = function.run(("start", rules), make_start)(x0, until, scale, limits)
        return state if math.isfinite(float(state.posed)) else state._replace(status=lm.LIMIT)

    def advance(state: lm.State, until: int) -> lm.State:
        nonlocal solution
        state, solution = function.run(("advance", rules), make_advance)(state, until, limits)
        return state

    state = drive(function, rules, start, advance)
    if not (float(state.posed) >= lm.WELL_POSED and math.isfinite(float(state.square))):
        return None
    x, values, jacobian, gradient, square = solution
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
