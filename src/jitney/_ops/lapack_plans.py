"""How the routines of ``csrc/factorisations.cpp`` are called: arguments, working memory, rough times.

The sizes of workspaces are those that LAPACK's documentation gives as enough, with blocks of ``_BLOCK`` columns where
more makes a routine faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._kernel.rules import RoutineCall

_BLOCK = 64
_LIMIT = 2**31 - 1  # LAPACK counts with 32 bits


def cholesky(in_avals: Any, symmetric: bool = False) -> RoutineCall | None:
    (x,) = in_avals
    n = x.shape[-1]
    return _call("cholesky", x, (_count(x), n), 0, n**3 / 6)


def cholesky_back(in_avals: Any) -> RoutineCall | None:
    low, _ = in_avals
    n = low.shape[-1]
    return _call("cholesky_back", low, (_count(low), n), _BLOCK * _BLOCK * low.dtype.itemsize, n**3 / 2)


def lu(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    m, n = x.shape[-2:]
    least = min(m, n)
    return _call("lu", x, (_count(x), m, n), m * n * x.dtype.itemsize + 4 * least, m * n * least / 3)


def triangular_solve(
    in_avals: Any,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
) -> RoutineCall | None:
    a, b = in_avals
    n, others = a.shape[-1], b.shape[-1 if left_side else -2]
    trans = 2 if transpose_a and conjugate_a else int(transpose_a)
    args = (_count(a), n, others, left_side, lower, trans, unit_diagonal, conjugate_a and not transpose_a)
    return _call("triangular_solve", a, args, 0, n * n * others / 2)


def lu_solve(in_avals: Any, *, trans: int) -> RoutineCall | None:
    a, _, _, b = in_avals
    n, columns = b.shape[-2:]
    scratch = n * columns * a.dtype.itemsize
    # The matrix itself is an operand for its derivatives only.
    return _call("lu_solve", a, (_count(a), n, columns, trans), scratch, n * n * columns, (1, 2, 3))


def qr(in_avals: Any, *, full_matrices: bool) -> RoutineCall | None:
    (x,) = in_avals
    m, n = x.shape[-2:]
    least, k = min(m, n), m if full_matrices else min(m, n)
    work = max(m, n, k) * _BLOCK
    scratch = (m * n + least + work) * x.dtype.itemsize
    return _call("qr", x, (_count(x), m, n, k, work), scratch, 2 * m * k * least)


def eigh(in_avals: Any, *, lower: bool) -> RoutineCall | None:
    return _eigh(in_avals[0], lower, True)


def eigenvalues_h(in_avals: Any, *, lower: bool) -> RoutineCall | None:
    return _eigh(in_avals[0], lower, False)


def _eigh(x: Any, lower: bool, vectors: bool) -> RoutineCall | None:
    n = x.shape[-1]
    if x.dtype.kind == "c":
        work = (2 * n + n * n + _BLOCK * n, 1 + 5 * n + 2 * n * n, 3 + 5 * n)
    else:
        work = (1 + 6 * n + 2 * n * n + _BLOCK * n, 0, 3 + 5 * n)
    scratch = _bytes(x.dtype, work) + (0 if vectors else _aligned(n * n * x.dtype.itemsize))
    return _call(
        "eigh", x, (_count(x), n, lower, vectors, *work), scratch, (5 if vectors else 1) * n**3, checked=2
    )


def svd(in_avals: Any, *, full_matrices: bool, compute_uv: bool) -> RoutineCall | None:
    (x,) = in_avals
    m, n = x.shape[-2:]
    least, most = min(m, n), max(m, n)
    job = 0 if not compute_uv else 2 if full_matrices else 1
    blocks = _BLOCK * (m + n)
    if x.dtype.kind == "c":
        own = least * least + 2 * least + most + blocks
        real = 7 * least if not compute_uv else least * max(5 * least + 7, 2 * most + 2 * least + 1)
    else:
        own = 4 * least * least + 7 * least + most + blocks
        real = 0
    work = (own, real, 8 * least)
    vectors = (0, m * least + least * n, m * m + n * n)[job]
    scratch = _aligned((m * n + vectors) * x.dtype.itemsize) + _bytes(x.dtype, work)
    return _call("svd", x, (_count(x), m, n, job, *work), scratch, 8 * m * n * least)


def eig(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    n = x.shape[-1]
    work = ((4 + _BLOCK) * n, 2 * n if x.dtype.kind == "c" else 0, 0)
    scratch = (2 * n * n + 2 * n) * x.dtype.itemsize + _bytes(x.dtype, work)
    return _call("eig", x, (_count(x), n, *work), scratch, 25 * n**3)


def _count(x: Any) -> int:
    return math.prod(x.shape[:-2])


def _aligned(size: int) -> int:
    return -(-size // 64) * 64


def _bytes(dtype: np.dtype, work: tuple[int, int, int]) -> int:
    """Elements of the type, real numbers and ints."""
    real = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    return work[0] * dtype.itemsize + work[1] * real + 4 * work[2]


def _call(
    name: str,
    x: Any,
    args: tuple,
    scratch: int,
    products: float,
    operands: tuple[int, ...] | None = None,
    checked: int = 3,
) -> RoutineCall | None:
    """The call for ``args[0]`` matrices of the type of ``x``; None where there is nothing to do, or too much.

    The first ``checked`` of ``args`` are sizes; others are flags and may be 0.
    """
    if 0 in x.shape or not all(args[1:checked]) or max(map(int, args[1:])) > _LIMIT:
        return None
    cost = products * args[0] * (0.5 if x.dtype.kind == "c" else 0.15)
    return RoutineCall(f"jt_{name}_{x.dtype.name}", tuple(map(int, args)), _aligned(scratch), operands, cost)
