"""Iterations in Krylov spaces, on vectors: conjugate gradients, BiCGSTAB, GMRES.

Each is ``method(A, b, x0, tol, atol, maxiter, M) -> x`` with functions ``A`` and ``M``, an approximate inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval
from jitney.scipy.linalg import solve_triangular

_Operator = Callable[[Any], Any]


def _square(x: Any) -> Any:
    """The squared norm."""
    return jnp.real(jnp.vdot(x, x))


def _limit(b: Any, tol: Any, atol: Any) -> Any:
    """The squared norm of residuals that are small enough."""
    square = _square(b)
    return jnp.maximum(jnp.square(tol) * square, jnp.square(atol)).astype(get_aval(square).dtype)


def conjugate_gradients(
    A: _Operator,  # noqa: N803
    b: Any,
    x0: Any,
    tol: Any,
    atol: Any,
    maxiter: Any,
    M: _Operator,  # noqa: N803
) -> Any:
    """For Hermitian positive definite operators."""
    limit = _limit(b, tol, atol)

    def go_on(state: Any) -> Any:
        _, r, _, _, k = state
        return (_square(r) > limit) & (k < maxiter)

    def step(state: Any) -> Any:
        x, r, p, gamma, k = state
        image = A(p)
        alpha = gamma / jnp.real(jnp.vdot(p, image))
        x, r = x + alpha * p, r - alpha * image
        z = M(r)
        new = jnp.real(jnp.vdot(r, z))
        return x, r, z + (new / gamma) * p, new, k + 1

    r = b - A(x0)
    z = M(r)
    return lax.while_loop(go_on, step, (x0, r, z, jnp.real(jnp.vdot(r, z)), 0))[0]


def stabilized_biconjugate_gradients(
    A: _Operator,  # noqa: N803
    b: Any,
    x0: Any,
    tol: Any,
    atol: Any,
    maxiter: Any,
    M: _Operator,  # noqa: N803
) -> Any:
    """For any operator; ends where a divisor is 0."""
    limit = _limit(b, tol, atol)
    one = jnp.ones((), get_aval(b).dtype)

    def go_on(state: Any) -> Any:
        _, r, *_, broken, k = state
        return (_square(r) > limit) & (k < maxiter) & ~broken

    def step(state: Any) -> Any:
        x, r, p, image, shadow, alpha, omega, rho, _, k = state
        new = jnp.vdot(shadow, r)
        p = r + (new / rho) * (alpha / omega) * (p - omega * image)
        direction = M(p)
        image = A(direction)
        alpha = new / jnp.vdot(shadow, image)
        half = r - alpha * image
        done = _square(half) <= limit  # then there may be nothing left to divide by
        correction = M(half)
        moved = A(correction)
        norm = _square(moved)
        omega = jnp.where(done, 0, jnp.vdot(moved, half) / jnp.where(done | (norm == 0), 1, norm))
        x = x + alpha * direction + omega * correction
        r = half - omega * moved
        return x, r, p, image, shadow, alpha, omega, new, ~done & ((omega == 0) | (new == 0)), k + 1

    r = b - A(x0)
    nothing = jnp.zeros_like(b)
    state = (x0, r, nothing, nothing, r, one, one, one, jnp.zeros((), bool), 0)
    return lax.while_loop(go_on, step, state)[0]


# -- GMRES --------------------------------------------------------------------------------------------


def minimal_residuals(
    A: _Operator,  # noqa: N803
    b: Any,
    x0: Any,
    tol: Any,
    atol: Any,
    maxiter: Any,
    M: _Operator,  # noqa: N803
    restart: int,
    early: bool,
) -> Any:
    """GMRES with restarts; ``early``: a space ends as soon as its residual is small."""
    dimension = min(restart, get_aval(b).size)
    if dimension == 0:
        return x0
    size = jnp.sqrt(_square(b))
    wanted = jnp.maximum(tol * size, atol)
    # The same for preconditioned residuals.
    limit = jnp.sqrt(_square(M(b))) * jnp.minimum(1.0, wanted / jnp.where(size == 0, 1, size))

    def go_on(state: Any) -> Any:
        _, _, norm, before, k = state
        return (norm > limit) & (norm < before) & (k < maxiter)

    def step(state: Any) -> Any:
        x, r, norm, _, k = state
        found = x + _correction(lambda v: M(A(v)), r, norm, dimension, limit if early else 0.0)
        residual = M(b - A(found))
        new = jnp.sqrt(_square(residual))
        better = new < norm
        return jnp.where(better, found, x), residual, jnp.where(better, new, norm), norm, k + 1

    r = M(b - A(x0))
    norm = jnp.sqrt(_square(r))
    return lax.while_loop(go_on, step, (x0, r, norm, jnp.full_like(norm, np.inf), 0))[0]


def _correction(A: _Operator, r: Any, norm: Any, dimension: int, limit: Any) -> Any:  # noqa: N803
    """The y of the Krylov space of ``r`` for which ``r - A(y)`` is least.

    Arnoldi's process, each vector made orthogonal twice; the Hessenberg matrix is made triangular by rotations as it grows.
    """
    dtype, real = get_aval(r).dtype, get_aval(norm).dtype
    rows = jnp.arange(dimension + 1)

    def go_on(state: Any) -> Any:
        _, _, _, right, broken, k = state
        return (k < dimension) & ~broken & (jnp.abs(right[k]) > limit)

    def step(state: Any) -> Any:
        basis, triangle, rotations, right, _, k = state
        w = A(basis[k])
        before = jnp.sqrt(_square(w))
        first = jnp.conj(basis) @ w
        w = w - first @ basis
        second = jnp.conj(basis) @ w
        w = w - second @ basis
        length = jnp.sqrt(_square(w))
        broken = length <= 2 * np.finfo(real).eps * before
        length = jnp.where(broken, 0, length)
        basis = basis.at[k + 1].set(w / jnp.where(broken, 1, length).astype(dtype))
        column = lax.fori_loop(0, k, lambda i, v: _rotate(v, rotations[i], i), first + second)
        radius = jnp.sqrt(jnp.square(jnp.abs(column[k])) + jnp.square(length))
        rotation = jnp.stack([column[k], length.astype(dtype)]) / jnp.where(radius == 0, 1, radius).astype(
            dtype
        )
        column = jnp.where(rows == k, jnp.where(radius == 0, 1, radius).astype(dtype), column)
        triangle = triangle.at[:, k].set(jnp.where(rows <= k, column, 0)[:-1])
        right = _rotate(right, rotation, k)
        return basis, triangle, rotations.at[k].set(rotation), right, broken, k + 1

    basis = jnp.zeros((dimension + 1, get_aval(r).size), dtype).at[0].set(r / norm.astype(dtype))
    right = jnp.zeros(dimension + 1, dtype).at[0].set(norm.astype(dtype))
    state = (
        basis,
        jnp.eye(dimension, dtype=dtype),
        jnp.zeros((dimension, 2), dtype),
        right,
        jnp.zeros((), bool),
        0,
    )
    basis, triangle, _, right, _, k = lax.while_loop(go_on, step, state)
    y = solve_triangular(triangle, jnp.where(rows < k, right, 0)[:-1])
    return y @ basis[:-1]


def _rotate(v: Any, rotation: Any, i: Any) -> Any:
    """Elements ``i`` and ``i + 1`` turned by the rotation that takes (c, s) to (1, 0)."""
    c, s = rotation[0], rotation[1]
    one, two = v[i], v[i + 1]
    return v.at[i].set(jnp.conj(c) * one + s * two).at[i + 1].set(c * two - s * one)
