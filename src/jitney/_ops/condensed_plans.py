"""How the routines of ``csrc/condensed.cpp`` are called: arguments, working memory, rough times."""

from __future__ import annotations

from typing import Any

from jitney._kernel.rules import RoutineCall
from jitney._ops.lapack_plans import _BLOCK, _call, _count


def hessenberg(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    n, work = x.shape[-1], _work(x.shape[-1])
    return _call("hessenberg", x, (_count(x), n, work), (n * n + work) * x.dtype.itemsize, 5 * n**3 / 3)


def tridiagonal(in_avals: Any, *, lower: bool) -> RoutineCall | None:
    (x,) = in_avals
    n, work = x.shape[-1], _work(x.shape[-1])
    scratch = (n * n + work) * x.dtype.itemsize
    return _call("tridiagonal", x, (_count(x), n, lower, work), scratch, 2 * n**3 / 3, checked=2)


def schur(in_avals: Any, *, compute_schur_vectors: bool) -> RoutineCall | None:
    (x,) = in_avals
    n, work = x.shape[-1], _work(x.shape[-1])
    scratch = (2 * n * n + 2 * n + work) * x.dtype.itemsize
    return _call("schur", x, (_count(x), n, compute_schur_vectors, work), scratch, 25 * n**3, checked=2)


def geqrf(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    m, n = x.shape[-2:]
    work = _work(n)
    return _call("geqrf", x, (_count(x), m, n, work), (m * n + work) * x.dtype.itemsize, m * n * min(m, n))


def geqp3(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    m, n = x.shape[-2:]
    work = 2 * n + (n + 1) * _BLOCK + 1
    scratch = (m * n + work + 2 * n) * x.dtype.itemsize
    return _call("geqp3", x, (_count(x), m, n, work), scratch, 2 * m * n * min(m, n))


def sylvester(in_avals: Any) -> RoutineCall | None:
    a, b, _ = in_avals
    m, n = a.shape[-1], b.shape[-1]
    scratch = (m * m + n * n + m * n) * a.dtype.itemsize
    return _call("sylvester", a, (_count(a), m, n), scratch, m * n * (m + n))


def triangular_sqrt(in_avals: Any) -> RoutineCall | None:
    (x,) = in_avals
    n = x.shape[-1]
    return _call("triangular_sqrt", x, (_count(x), n), 0, n**3 / 3)


def parlett(in_avals: Any) -> RoutineCall | None:
    x, _ = in_avals
    n = x.shape[-1]
    return _call("parlett", x, (_count(x), n), 0, 2 * n**3 / 3)


def tridiagonal_solve(in_avals: Any, *, perturb_singular: bool) -> RoutineCall | None:
    b = in_avals[3]
    n, columns = b.shape[-2:]
    scratch = 3 * n * b.dtype.itemsize
    return _call("tridiagonal_solve", b, (_count(b), n, columns, perturb_singular), scratch, 4 * n * columns)


def cholesky_update(in_avals: Any) -> RoutineCall | None:
    (r, _) = in_avals
    n = r.shape[-1]
    return _call("cholesky_update", r, (_count(r), n), n * r.dtype.itemsize, 2 * n * n)


def _work(n: int) -> int:
    """Elements that all routines of ``n`` columns can work with, in blocks."""
    return max(1, n) * _BLOCK + 3 * n
