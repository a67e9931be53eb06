"""``jitney.scipy.sparse.linalg``: linear equations solved by iterations that need products with the matrix only.

The solutions are differentiated as solutions, not as iterations: derivatives solve equations with the matrix or its transpose.
Conjugate gradients: Hestenes, Stiefel, J. Res. NBS 49, 1952. BiCGSTAB: van der Vorst, SIAM J. Sci. Stat. Comput. 13, 1992. GMRES: Saad,
Schultz, SIAM J. Sci. Stat. Comput. 7, 1986.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand
from jitney.scipy.sparse import _krylov

__all__ = ["bicgstab", "cg", "gmres"]

_Operator = Callable[[Any], Any]


# -- trees as vectors ---------------------------------------------------------------------------------


class _Space:
    """The trees like ``b``, as vectors of one dtype."""

    def __init__(self, name: str, b: Any, matrices: list[Any]) -> None:
        self.name = name
        leaves, self.structure = tree.flatten(b)
        if not leaves:
            raise ValueError(f"{name}: b has no arrays.")
        arrays = [array_operand(name, x) for x in leaves]
        self.avals = [get_aval(x) for x in arrays]
        types = [(a.dtype, a.weak_type) for a in self.avals]
        types += [(dtypes.canonicalize_dtype(x.dtype), False) for x in matrices]
        self.dtype = dtypes.to_inexact(dtypes.promote(tuple(types))[0])
        self.vector = self._joined(arrays)

    def _joined(self, leaves: list[Any]) -> Any:
        flat = [jnp.ravel(x).astype(self.dtype) for x in leaves]
        return flat[0] if len(flat) == 1 else jnp.concatenate(flat)

    def flatten(self, value: Any, what: str) -> Any:
        """A tree like ``b`` as a vector; ValueError for others."""
        leaves, structure = tree.flatten(value)
        if structure != self.structure:
            raise ValueError(
                f"{self.name}: {what} and b must have matching tree structure: {structure} vs {self.structure}"
            )
        arrays = [array_operand(self.name, x) for x in leaves]
        shapes, wanted = [get_aval(x).shape for x in arrays], [a.shape for a in self.avals]
        if shapes != wanted:
            raise ValueError(
                f"{self.name}: arrays in {what} and b must have matching shapes: {shapes} vs {wanted}"
            )
        if self.dtype.kind != "c" and any(get_aval(x).dtype.kind == "c" for x in arrays):
            raise TypeError(f"{self.name}: {what} is complex but b is real; give b as complex numbers.")
        return self._joined(arrays)

    def unflatten(self, vector: Any) -> Any:
        leaves, start = [], 0
        for aval in self.avals:
            part = vector if len(self.avals) == 1 else vector[start : start + aval.size]
            own = aval.dtype if aval.dtype.kind == self.dtype.kind and len(self.avals) > 1 else self.dtype
            leaves.append(part.reshape(aval.shape).astype(own))
            start += aval.size
        return tree.unflatten(self.structure, leaves)

    def operator(self, given: Any, what: str) -> _Operator:
        """A function or matrix as a function of vectors."""
        if given is None:
            return lambda v: v
        apply = given if callable(given) else lambda v: given @ v
        return lambda v: self.flatten(apply(self.unflatten(v)), f"the result of {what}")


def _check_operator(name: str, given: Any) -> Any:
    """A function, or a square matrix (of any kind that has a shape and products with vectors)."""
    if given is None or callable(given):
        return given
    if not hasattr(given, "shape") or not hasattr(given, "__matmul__"):
        raise TypeError(f"{name}: linear operator must be either a function or ndarray: {given!r}")
    if len(given.shape) != 2 or given.shape[0] != given.shape[1]:
        raise ValueError(f"{name}: linear operator must be a square matrix, but has shape: {given.shape}")
    return given


def _solve(
    name: str,
    method: Callable[..., Any],
    A: Any,  # noqa: N803
    b: Any,
    x0: Any,
    tol: Any,
    atol: Any,
    maxiter: Any,
    M: Any,  # noqa: N803
    hermitian: bool = False,
) -> tuple[Any, None]:
    if A is None:
        raise TypeError(f"{name}: linear operator must be either a function or ndarray: None")
    A, M = _check_operator(name, A), _check_operator(name, M)  # noqa: N806
    space = _Space(name, b, [v for v in (A, M) if v is not None and not callable(v)])
    start = jnp.zeros_like(space.vector) if x0 is None else space.flatten(x0, "x0")
    limit = 10 * math.prod(get_aval(start).shape) if maxiter is None else maxiter
    precondition = space.operator(M, "M")
    turned = precondition if M is None or callable(M) else space.operator(M.T, "M")

    def solve(matvec: _Operator, right: Any) -> Any:
        return method(matvec, right, start, tol, atol, limit, precondition)

    def transpose_solve(vecmat: _Operator, right: Any) -> Any:
        return method(vecmat, right, jnp.zeros_like(start), tol, atol, limit, turned)

    x = lax.custom_linear_solve(
        space.operator(A, "A"),
        space.vector,
        solve,
        transpose_solve,
        symmetric=hermitian and space.dtype.kind != "c",
    )
    return space.unflatten(x), None


# -- the functions ------------------------------------------------------------------------------------


def cg(
    A: Any,  # noqa: N803
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    maxiter: Any = None,
    M: Any = None,  # noqa: N803
) -> tuple[Any, None]:
    """Solve ``A x = b`` for a positive definite ``A`` by conjugate gradients.

    Args:
        A: a square matrix, or a linear function of trees like ``b``. It must be symmetric (Hermitian) and positive definite.
        b: the right-hand side, an array or a tree of arrays.
        x0: where to start, by default 0.
        tol, atol: the iteration ends when the residual's norm is at most ``max(tol * norm(b), atol)``.
        maxiter: or after so many steps, by default ten times the size of ``b``.
        M: an approximate inverse of ``A`` (a preconditioner), of the same kind.

    Returns:
        The solution, like ``b``, and None.

    Raises:
        ValueError: a matrix that is not square, ``x0`` or results of ``A`` of another structure or shape than ``b``.
        TypeError: ``A`` is no matrix or function.

    Derivatives are those of the solution of the equation, by all that ``A`` depends on and by ``b``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.sparse.linalg import cg
    >>> cg(jnp.array([[4.0, 1.0], [1.0, 3.0]]), jnp.array([1.0, 2.0]), tol=1e-12)[0].round(6)
    Array([0.090909, 0.636364], dtype=float64)
    """
    return _solve("cg", _krylov.conjugate_gradients, A, b, x0, tol, atol, maxiter, M, hermitian=True)


def bicgstab(
    A: Any,  # noqa: N803
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    maxiter: Any = None,
    M: Any = None,  # noqa: N803
) -> tuple[Any, None]:
    """Solve ``A x = b`` by stabilized biconjugate gradients; arguments, results and errors as of :func:`cg`.

    ``A`` need not be symmetric. The iteration also ends when it breaks down (a scalar that it divides by is 0).
    """
    return _solve("bicgstab", _krylov.stabilized_biconjugate_gradients, A, b, x0, tol, atol, maxiter, M)


def gmres(
    A: Any,  # noqa: N803
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    restart: int = 20,
    maxiter: Any = None,
    M: Any = None,  # noqa: N803
    solve_method: str = "batched",
) -> tuple[Any, None]:
    """Solve ``A x = b`` by generalized minimal residuals; arguments, results and errors as of :func:`cg`, and:

    Args:
        restart: the dimension of the Krylov space; when it is full, it is begun anew at the approximation found.
        maxiter: how many spaces are tried, by default ten times the size of ``b``.
        solve_method: ``"batched"``: a space is always filled; ``"incremental"``: no longer than until the residual is small.

    ``A`` need not be symmetric. ``M`` is applied from the left; the iteration ends by the norm of ``M (b - A x)``, relative to that of
    ``M b``.

    Raises:
        ValueError: also for another ``solve_method``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.sparse.linalg import gmres
    >>> gmres(lambda x: 2.0 * x, jnp.array([2.0, 4.0]))[0].round(6)
    Array([1., 2.], dtype=float64)
    """
    if solve_method not in ("batched", "incremental"):
        raise ValueError(f"invalid solve_method {solve_method!r}, must be either 'incremental' or 'batched'")
    dimension = operator.index(restart)
    if dimension < 1:
        raise ValueError(f"gmres: restart must be positive, got {restart}.")

    def method(*args: Any) -> Any:
        return _krylov.minimal_residuals(*args, restart=dimension, early=solve_method == "incremental")

    return _solve("gmres", method, A, b, x0, tol, atol, maxiter, M)


_expose(globals())
