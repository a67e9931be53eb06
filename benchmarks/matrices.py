"""Linear algebra: products, factorisations and solves, of large matrices and of many small ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from programs import Engine, normal, program

GROUP = "linear algebra"


def _positive(count: int, size: int) -> np.ndarray:
    """Symmetric positive definite matrices (one if ``count`` is 0)."""
    x = normal(max(count, 1), size, size, seed=2)
    out = x @ x.swapaxes(1, 2) / size + np.eye(size)
    return out if count else out[0]


def _magnitudes(answer: Any) -> Any:
    """What of a decomposition does not depend on the signs of vectors."""
    return [abs(np.asarray(part)) for part in answer]


@program("matmul 1000", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: a @ b, (normal(1000, 1000), normal(1000, 1000, seed=1))


@program("matmul 1000 f32", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: a @ b, tuple(normal(1000, 1000, seed=s, dtype="float32") for s in (0, 1))


@program("matmul, 1000 of 8x8", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: a @ b, (normal(1000, 8, 8), normal(1000, 8, 8, seed=1))


@program("matmul 100x3 by 3x100", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: a @ b, (normal(100, 3), normal(3, 100, seed=1))


@program("matrix by vector, 1000", GROUP)
def _(m: Engine) -> Any:
    return lambda a, x: a @ x, (normal(1000, 1000), normal(1000, seed=1))


@program("x.T @ x, 10000x50", GROUP)
def _(m: Engine) -> Any:
    return lambda x: x.T @ x, (normal(10_000, 50),)


@program("einsum bij,bjk,bk->bi, 1000x16", GROUP)
def _(m: Engine) -> Any:
    args = normal(1000, 16, 16), normal(1000, 16, 16, seed=1), normal(1000, 16, seed=2)
    return lambda a, b, c: m.np.einsum("bij,bjk,bk->bi", a, b, c, optimize=True), args


@program("outer product 2000 + matrix", GROUP)
def _(m: Engine) -> Any:
    return lambda x, y, a: m.np.outer(x, y) + a, (normal(2000), normal(2000, seed=1), normal(2000, 2000))


@program("cholesky 500", GROUP)
def _(m: Engine) -> Any:
    return lambda a: m.np.linalg.cholesky(a), (_positive(0, 500),)


@program("solve 500", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: m.np.linalg.solve(a, b), (_positive(0, 500), normal(500))


@program("inverse 300", GROUP)
def _(m: Engine) -> Any:
    return lambda a: m.np.linalg.inv(a), (_positive(0, 300),)


@program("triangular solve 500", GROUP)
def _(m: Engine) -> Any:
    lower = np.linalg.cholesky(_positive(0, 500))
    return lambda a, b: m.linalg.solve_triangular(a, b, lower=True), (lower, normal(500))


@program("eigh 300", GROUP, check=_magnitudes)
def _(m: Engine) -> Any:
    return lambda a: tuple(m.np.linalg.eigh(a)), (_positive(0, 300),)


@program("svd 300", GROUP, check=_magnitudes)
def _(m: Engine) -> Any:
    return lambda a: tuple(m.np.linalg.svd(a)), (normal(300, 300),)


@program("qr 300", GROUP, check=_magnitudes)
def _(m: Engine) -> Any:
    return lambda a: tuple(m.np.linalg.qr(a)), (normal(300, 300),)


@program("slogdet 300", GROUP)
def _(m: Engine) -> Any:
    return lambda a: tuple(m.np.linalg.slogdet(a)), (_positive(0, 300),)


@program("lstsq 1000x20", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: m.np.linalg.lstsq(a, b)[0], (normal(1000, 20), normal(1000, seed=1))


@program("cholesky, 10000 of 4x4", GROUP, memory=True)
def _(m: Engine) -> Any:
    return lambda a: m.np.linalg.cholesky(a), (_positive(10_000, 4),)


@program("solve, 10000 of 3x3", GROUP)
def _(m: Engine) -> Any:
    return lambda a, b: m.np.linalg.solve(a, b), (_positive(10_000, 3), normal(10_000, 3, 1))


@program("inverse, 10000 of 3x3", GROUP)
def _(m: Engine) -> Any:
    return lambda a: m.np.linalg.inv(a), (_positive(10_000, 3),)


@program("eigh, 10000 of 3x3", GROUP, check=_magnitudes)
def _(m: Engine) -> Any:
    return lambda a: tuple(m.np.linalg.eigh(a)), (_positive(10_000, 3),)


@program("det, 10000 of 3x3", GROUP)
def _(m: Engine) -> Any:
    return lambda a: m.np.linalg.det(a), (_positive(10_000, 3),)
