"""Polar decomposition by Halley's iteration (qdwh); part of ``jitney.lax.linalg``."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import decompositions, matrices, raw, reductions
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney.lax.control_flow import cond
from jitney.lax.operands import operand
from jitney.lax.while_loops import while_loop


def qdwh(
    x: Any,
    *,
    is_hermitian: bool = False,
    max_iterations: int | None = None,
    eps: float | None = None,
    dynamic_shape: tuple[int, int] | None = None,
) -> tuple[Any, Any, Any, Any]:
    """The polar decomposition ``x = U H``: ``U`` has orthonormal columns, ``H`` is positive semidefinite.

    Halley's iteration with weights that follow the least singular value: Y. Nakatsukasa, Z. Bai and F. Gygi,
    "Optimizing Halley's iteration for computing the matrix polar decomposition" (2010).

    Args:
        x: ``[m, n]`` with ``m >= n``.
        is_hermitian: ``U`` is Hermitian too.
        max_iterations: 10 by default.
        eps: the accuracy wanted; by default that of the type.
        dynamic_shape: the shape of the part of ``x`` that counts; the rest is taken as 0.

    Returns:
        ``U``, ``H``, the number of iterations, and whether they converged.

    Raises:
        ValueError: for ``m < n``, integers, and more than two axes.
    """
    x = operand("qdwh", x)
    aval = get_aval(x)
    if aval.ndim != 2:
        raise ValueError(f"qdwh requires a single matrix, got shape {aval.shape}: use vmap for many.")
    if aval.shape[0] < aval.shape[1]:
        raise ValueError(f"qdwh requires at least as many rows as columns, got shape {aval.shape}.")
    if aval.dtype.kind not in "fc":
        raise ValueError(f"qdwh does not accept dtype {aval.dtype.name}: convert to a float or complex type.")
    steps = 10 if max_iterations is None else max_iterations
    if dynamic_shape is not None:
        x = _part(x, dynamic_shape)
    eps = float(np.finfo(aval.dtype).eps) if eps is None else eps
    u, steps_taken, converged = _iterate(x, steps, eps)
    if is_hermitian:
        u = _hermitian(u)
    return u, _hermitian(matrices.matmul(matrices.adjoint(u), x)), steps_taken, converged


def _part(x: Any, shape: Any) -> Any:
    places = [raw.iota(np.dtype(np.int32), get_aval(x).shape, d) for d in (0, 1)]
    for place, size in zip(places, shape, strict=True):
        x = matrices.where_else_zero(ew.lt(place, ew.convert(operand("qdwh", size), np.dtype(np.int32))), x)
    return x


def _hermitian(x: Any) -> Any:
    return (x + matrices.adjoint(x)) / 2


def _iterate(x: Any, most: int, eps: float) -> tuple[Any, Any, Any]:
    """The unitary factor, the number of steps, and whether they sufficed."""
    dtype = get_aval(x).dtype
    size = ew.abs(x)
    real = get_aval(size).dtype
    norms = [_max(raw.reduce_sum(size, (d,))) for d in (0, 1)]
    bound = ew.sqrt(norms[0] * norms[1])
    bound = raw.select(ew.gt(bound, real.type(0)), bound, raw.full((), 1, real))
    near, close = 10 * eps, (5 * eps) ** (1 / 3)

    def goes_on(state: Any) -> Any:
        _, least, step, change = state
        far = (ew.abs(1 - least) > near) | (change > close)
        return far & (step < most)

    def advance(state: Any) -> Any:
        u, least, step, _ = state
        square = least * least
        d = ew.cbrt(4 * (1 - square) / (square * square))
        root = ew.sqrt(1 + d)
        a = root + ew.sqrt(8 - 4 * d + 8 * (2 - square) / (square * root)) / 2
        b = (a - 1) * (a - 1) / 4
        c = a + b - 1
        new = cond(c > 100, _by_qr, _by_cholesky, u, *(ew.convert(w, dtype) for w in (a, b, c)))
        least = ew.minimum(least * (a + b * square) / (1 + c * square), raw.full((), 1, real))
        size = ew.abs(new - u)
        return new, least, step + 1, ew.sqrt(raw.reduce_sum(size * size, (0, 1)))

    start = (x / ew.convert(bound, dtype), raw.full((), eps, real), 0, raw.full((), np.inf, real))
    u, least, step, change = while_loop(goes_on, advance, start)
    converged = (ew.abs(1 - least) <= near) & (change <= close)
    # One step of Newton and Schulz: orthonormal to the last bit.
    return 1.5 * u - 0.5 * matrices.matmul(u, matrices.matmul(matrices.adjoint(u), u)), step, converged


def _max(x: Any) -> Any:
    return reductions.reduce_max(x, (0,)) if get_aval(x).size else raw.full((), 0, get_aval(x).dtype)


def _by_qr(u: Any, a: Any, b: Any, c: Any) -> Any:
    """``b/c U + (a - b/c) / sqrt(c) Q1 Q2^H`` with ``Q1``, ``Q2`` from a QR factorisation of ``[sqrt(c) U; 1]``."""
    m, n = get_aval(u).shape
    both = raw.concatenate([ew.sqrt(c) * u, matrices.eye((n, n), get_aval(u).dtype)], 0)
    q, _ = decompositions.qr_p.bind(both, full_matrices=False)
    q1, q2 = raw.slice_(q, (0, 0), (m, n)), raw.slice_(q, (m, 0), (m + n, n))
    return b / c * u + (a - b / c) / ew.sqrt(c) * matrices.matmul(q1, matrices.adjoint(q2))


def _by_cholesky(u: Any, a: Any, b: Any, c: Any) -> Any:
    """``b/c U + (a - b/c) U (1 + c U^H U)^-1``."""
    n = get_aval(u).shape[1]
    low = la.cholesky_p.bind(
        matrices.eye((n, n), get_aval(u).dtype) + c * matrices.matmul(matrices.adjoint(u), u)
    )
    half = la.triangular_solve(low, u, lower=True, transpose_a=True, conjugate_a=True)
    return b / c * u + (a - b / c) * la.triangular_solve(low, half, lower=True)
