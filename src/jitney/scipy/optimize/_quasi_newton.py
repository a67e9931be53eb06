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

_Result = tuple[Any, ...]


class _State(NamedTuple):
    x: Any
    value: Any
    gradient: Any
    memory: Any  # what the directions are made of
    status: Any
    evaluations: Any
    iterations: Any


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


def _descend(
    fun: Callable[[Any], Any],
    x0: Any,
    memory: Any,
    direct: Callable[[Any, Any], Any],
    remember: Callable[[Any, Any, Any, Any], Any],
    stop: Callable[[_State, Any], list[tuple[Any, int]]],
    small: Callable[[Any], Any],
    line_search_maxiter: Any,
) -> _State:
    """Steps along ``direct(memory, gradient)`` until ``small(gradient)``, or a condition of ``stop`` holds."""
    differentiate = value_and_grad(_number(fun))

    def evaluate(x: Any) -> tuple[Any, Any]:
        value, gradient = differentiate(x)
        return value.astype(get_aval(x).dtype), gradient

    def go_on(state: _State) -> Any:
        return state.status == _GOING_ON

    def step(state: _State) -> _State:
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
        memory = remember(state.memory, moved, point.gradient - state.gradient, state.iterations)
        new = _State(
            state.x + moved,
            point.value,
            point.gradient,
            memory,
            state.status,
            state.evaluations + count,
            state.iterations + 1,
        )
        status = new.status
        for condition, number in [
            *stop(new, state.value),
            (~found, _NO_STEP),
            (small(new.gradient), _CONVERGED),
        ]:
            status = jnp.where(condition, number, status)
        return new._replace(status=status)

    value, gradient = evaluate(x0)
    status = jnp.where(small(gradient), _CONVERGED, _GOING_ON)
    status = jnp.where(jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)), status, _NO_STEP)
    one, zero = jnp.ones((), int), jnp.zeros((), int)
    return lax.while_loop(go_on, step, _State(x0, value, gradient, memory, status, one, zero))


def _result(state: _State, inverse: Any) -> _Result:
    success = state.status == _CONVERGED
    counts = (state.evaluations, state.evaluations, state.iterations)
    return state.x, success, state.status, state.value, state.gradient, inverse, *counts


def _smaller(norm: Any, gtol: Any) -> Callable[[Any], Any]:
    return lambda gradient: jnp.linalg.norm(gradient, ord=norm) < gtol


def bfgs(
    fun: Callable[[Any], Any],
    x0: Any,
    maxiter: int | None = None,
    norm: Any = np.inf,
    gtol: float = 1e-5,
    line_search_maxiter: int = 10,
) -> _Result:
    """With an approximation of the whole inverse Hessian."""
    n, dtype = get_aval(x0).size, get_aval(x0).dtype
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

    state = _descend(
        fun,
        x0,
        jnp.eye(n, dtype=dtype),
        direct,
        remember,
        lambda new, _: [(new.iterations >= most, _ITERATIONS)],
        _smaller(norm, gtol),
        line_search_maxiter,
    )
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

    def stop(new: _State, before: Any) -> list[tuple[Any, int]]:
        most = zip(limits, (new.iterations, new.evaluations, new.evaluations), strict=True)
        reasons = [(count >= limit, number) for number, (limit, count) in enumerate(most, _ITERATIONS)]
        return [(before - new.value < ftol, _FLAT), *reversed(reasons)]

    nothing = jnp.zeros((length, n), dtype)
    memory = _Memory(nothing, nothing, jnp.zeros(length, dtype), jnp.ones((), dtype))
    state = _descend(fun, x0, memory, direct, remember, stop, _smaller(norm, gtol), maxls)
    return _result(state, None)
