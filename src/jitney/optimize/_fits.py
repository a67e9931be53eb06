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


class Fit(NamedTuple):
    """A solution: residuals and Jacobian there, how the loop ended, how often it evaluated them."""

    x: Any
    residuals: Any
    jacobian: Any
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
    values, jacobian = function.run("values and jacobian", _values_and_jacobian)(state.x)
    return Fit(state.x, values, jacobian, int(state.status), int(state.evaluations))


def _values_and_jacobian(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, leaves: (f(x, leaves), jacobian_of(f)(x, leaves))


def solve_traced(
    residuals: Callable[[Any], Any], x0: Any, scale: Any, limits: lm.Limits, rules: lm.Rules
) -> Fit:
    """The solution inside of a trace, with its derivatives by whatever the residuals depend on."""

    if rules.bounded:
        x0 = jnp.clip(x0, limits.low, limits.high)

    def half_gradient(x: Any) -> Any:
        return residuals(x) @ jacobian_of(residuals)(x)

    def run(x0: Any) -> tuple[Any, Any]:
        state = lm.begin(residuals, x0, scale, limits, rules)
        state = lm.advance(residuals, state, jnp.iinfo(jnp.int32).max, limits, rules)
        return state.x, (state.status, state.evaluations)

    def held(x: Any) -> Any:
        """Vanishes where no parameter can go downhill; its derivatives are 0 where a bound holds."""
        return x - jnp.clip(x - half_gradient(x), limits.low, limits.high)

    x, (status, evaluations) = stationary(held if rules.bounded else half_gradient, x0, run)
    return Fit(x, residuals(x), jacobian_of(residuals)(x), status, evaluations)


def covariance(jacobian: Any) -> Any:
    """The inverse of ``J^T J`` inside of a trace, by columns of norm 1; not finite where there is none."""
    norms = jnp.linalg.norm(jacobian, axis=0)
    unit = jacobian / norms
    inverse = jnp.linalg.inv(unit.T @ unit)
    return inverse / jnp.outer(norms, norms)
