"""Quasi-Newton methods: BFGS, and with limited memory.

Nocedal, Wright, "Numerical Optimization", 2nd edition, algorithms 6.1 and 7.4; the first matrix is scaled as in formula 6.20.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.autodiff import value_and_grad
from jitney._core.trace import get_aval
from jitney.scipy.optimize._line_search import search

_CONVERGED, _ITERATIONS, _FLAT, _NO_STEP = 0, 1, 4, 5
_GOING_ON = -1
_MANY = np.iinfo(np.int32).max

_ROUNDINGS = 4
_STILL = 8  # iterations in which nothing but rounding errors moves

_Result = tuple[Any, ...]


class State(NamedTuple):
    """Where a descent is; it goes on while ``status`` is negative."""

    x: Any
    value: Any
    gradient: Any
    memory: Any  # what the directions are made of
    status: Any
    evaluations: Any
    iterations: Any
    flattest: Any  # the least norm of the gradient so far
    still: Any  # how many iterations ago there was progress


class Descent(NamedTuple):
    """A method in two pieces: ``begin(x0)``, and ``advance(state, until)`` to its end or that many iterations."""

    begin: Callable[[Any], State]
    advance: Callable[[State, Any], State]

    def run(self, x0: Any) -> State:
        """From start to end."""
        return self.advance(self.begin(x0), _MANY)


class _Memory(NamedTuple):
    """The last steps and changes of the gradient, the latest last; empty ones are 0."""

    steps: Any
    changes: Any
    inverse_products: Any
    scale: Any


def _number(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``fun``, checked to give a number."""

    def checked(x: Any) -> Any:
        value = fun(x)
        shape = getattr(value, "shape", ())
        if shape != ():
            raise ValueError(f"minimize: fun must return a number, but returned an array of shape {shape}.")
        return value

    return checked


def _descent(
    fun: Callable[[Any], Any],
    memory: Any,
    direct: Callable[[Any, Any], Any],
    remember: Callable[[Any, Any, Any, Any], Any],
    stop: Callable[[State, Any], list[tuple[Any, int]]],
    norm: Any,
    gtol: Any,
    line_search_maxiter: Any,
) -> Descent:
    """Steps along ``direct(memory, gradient)`` until the gradient is small, or a condition of ``stop`` holds."""
    differentiate = value_and_grad(_number(fun))
    size = lambda gradient: jnp.linalg.norm(gradient, ord=norm)  # noqa: E731

    def evaluate(x: Any) -> tuple[Any, Any]:
        value, gradient = differentiate(x)
        return value.astype(get_aval(x).dtype), gradient

    def step(state: State) -> State:
        direction = direct(state.memory, state.gradient)
        # Nothing is known of the function's curvature at first: a step of length 1 at most.
        length = jnp.sqrt(jnp.vdot(direction, direction))
        first = jnp.where(state.iterations == 0, jnp.minimum(1, 1 / jnp.where(length > 0, length, 1)), 1)
        point, found, count = search(
            evaluate,
            state.x,
            direction,
            state.value,
            state.gradient,
            first.astype(get_aval(state.value).dtype),
            line_search_maxiter,
        )
        moved = point.step * direction
        steepness = size(point.gradient)
        rounding = _ROUNDINGS * np.finfo(get_aval(state.value).dtype).eps * jnp.abs(state.value)
        gained = (state.value - point.value > rounding) | (steepness < state.flattest / 2)
        new = State(
            state.x + moved,
            point.value,
            point.gradient,
            remember(state.memory, moved, point.gradient - state.gradient, state.iterations),
            state.status,
            state.evaluations + count,
            state.iterations + 1,
            jnp.minimum(state.flattest, steepness),
            jnp.where(gained, 0, state.still + 1),
        )
        status = new.status
        for condition, number in [
            *stop(new, state.value),
            (~found | (new.still >= _STILL), _NO_STEP),
            (steepness < gtol, _CONVERGED),
        ]:
            status = jnp.where(condition, number, status)
        return new._replace(status=status)

    def begin(x0: Any) -> State:
        value, gradient = evaluate(x0)
        steepness = size(gradient)
        status = jnp.where(steepness < gtol, _CONVERGED, _GOING_ON)
        status = jnp.where(jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)), status, _NO_STEP)
        one, zero = jnp.ones((), int), jnp.zeros((), int)
        return State(x0, value, gradient, memory, status, one, zero, steepness, zero)

    def advance(state: State, until: Any) -> State:
        go_on = lambda state: (state.status == _GOING_ON) & (state.iterations < until)  # noqa: E731
        return lax.while_loop(go_on, step, state)

    return Descent(begin, advance)


def _result(state: State, inverse: Any) -> _Result:
    success = state.status == _CONVERGED
    counts = (state.evaluations, state.evaluations, state.iterations)
    return state.x, success, state.status, state.value, state.gradient, inverse, *counts


def bfgs_descent(
    fun: Callable[[Any], Any],
    n: int,
    dtype: Any,
    maxiter: Any = None,
    norm: Any = np.inf,
    gtol: Any = 1e-5,
    line_search_maxiter: Any = 10,
) -> Descent:
    """BFGS; the memory is an approximation of the whole inverse Hessian."""
    most = 200 * n if maxiter is None else maxiter

    def direct(inverse: Any, gradient: Any) -> Any:
        return -(inverse @ gradient)

    def remember(inverse: Any, moved: Any, change: Any, iteration: Any) -> Any:
        product = jnp.vdot(moved, change)
        curved = product > 0
        rho = 1 / jnp.where(curved, product, 1)
        square = jnp.vdot(change, change)
        scale = jnp.where(iteration == 0, product / jnp.where(square > 0, square, 1), 1)
        scaled = scale * inverse
        image = scaled @ change
        mixed = jnp.outer(image, moved)
        own = jnp.outer(moved, moved)
        updated = scaled + rho * ((1 + rho * jnp.vdot(change, image)) * own - mixed - mixed.T)
        return jnp.where(curved, updated, inverse)

    stop = lambda new, _: [(new.iterations >= most, _ITERATIONS)]  # noqa: E731
    return _descent(fun, jnp.eye(n, dtype=dtype), direct, remember, stop, norm, gtol, line_search_maxiter)


def bfgs(fun: Callable[[Any], Any], x0: Any, **options: Any) -> _Result:
    """With an approximation of the whole inverse Hessian; for the options see ``bfgs_descent``."""
    state = bfgs_descent(fun, get_aval(x0).size, get_aval(x0).dtype, **options).run(x0)
    return _result(state, state.memory)


def limited_memory_bfgs(
    fun: Callable[[Any], Any],
    x0: Any,
    maxiter: float | None = None,
    norm: Any = np.inf,
    maxcor: int = 10,
    ftol: float = 2.220446049250313e-09,
    gtol: float = 1e-05,
    maxfun: float | None = None,
    maxgrad: float | None = None,
    maxls: int = 20,
) -> _Result:
    """With the last ``maxcor`` steps in place of the matrix."""
    n, dtype, length = get_aval(x0).size, get_aval(x0).dtype, operator.index(maxcor)
    limits = [_MANY if most is None else most for most in (maxiter, maxfun, maxgrad)]

    def direct(memory: _Memory, gradient: Any) -> Any:
        """Two loops over the remembered steps, back and forth."""

        def back(k: Any, carry: Any) -> Any:
            q, factors = carry
            i = length - 1 - k
            factor = memory.inverse_products[i] * jnp.vdot(memory.steps[i], q)
            return q - factor * memory.changes[i], factors.at[i].set(factor)

        def forth(i: Any, carry: Any) -> Any:
            q, factors = carry
            other = memory.inverse_products[i] * jnp.vdot(memory.changes[i], q)
            return q + (factors[i] - other) * memory.steps[i], factors

        carry = lax.fori_loop(0, length, back, (gradient, jnp.zeros(length, dtype)))
        carry = (memory.scale * carry[0], carry[1])
        return -lax.fori_loop(0, length, forth, carry)[0]

    def remember(memory: _Memory, moved: Any, change: Any, iteration: Any) -> _Memory:
        product, square = jnp.vdot(moved, change), jnp.vdot(change, change)
        curved = product > 0
        shifted = [jnp.roll(v, -1, axis=0) for v in memory[:3]]
        latest = (moved, change, 1 / jnp.where(curved, product, 1))
        newest = [v.at[-1].set(x) for v, x in zip(shifted, latest, strict=True)]
        new = _Memory(newest[0], newest[1], newest[2], product / jnp.where(square > 0, square, 1))
        return _Memory(*[jnp.where(curved, a, b) for a, b in zip(new, memory, strict=True)])

    def stop(new: State, before: Any) -> list[tuple[Any, int]]:
        most = zip(limits, (new.iterations, new.evaluations, new.evaluations), strict=True)
        reasons = [(count >= limit, number) for number, (limit, count) in enumerate(most, _ITERATIONS)]
        return [(before - new.value < ftol, _FLAT), *reversed(reasons)]

    nothing = jnp.zeros((length, n), dtype)
    memory = _Memory(nothing, nothing, jnp.zeros(length, dtype), jnp.ones((), dtype))
    state = _descent(fun, memory, direct, remember, stop, norm, gtol, maxls).run(x0)
    return _result(state, None)
