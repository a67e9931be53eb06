"""Schur and Hessenberg forms, functions of matrices, and equations: schur, hessenberg, sqrtm, funm, polar, solve_sylvester
and others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.autodiff import jvp
from jitney._base import dtypes
from jitney._core.trace import get_aval, is_array_like
from jitney._ops import condensed, matrices, matrix_equations
from jitney.numpy import linalg as _linalg
from jitney.numpy.linalg import _matrices


def _complex(x: Any) -> Any:
    return x.astype(dtypes.complex_dtype(get_aval(x).dtype))


def schur(a: Any, output: str = "real") -> tuple[Any, Any]:
    """Schur form ``a = Z T Z^H``.

    Args:
        a: ``[..., n, n]``.
        output: ``"real"``: of real matrices ``T`` has blocks of 2 rows; ``"complex"``: ``T`` is triangular.

    Raises:
        ValueError: for other ``output``, and matrices that are not square.
    """
    if output not in ("real", "complex"):
        raise ValueError(f"Expected 'output' to be either 'real' or 'complex', got {output=}.")
    (a,) = _matrices("schur", a, square=True)
    return lax.linalg.schur(_complex(a) if output == "complex" else a)  # type: ignore[return-value]


def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Any, Any]:  # noqa: N803
    """The complex Schur form from a real one: rotations bring the blocks of 2 rows to triangles.

    Args:
        T, Z: ``[..., n, n]`` as of ``schur``.
    """
    t, z = _matrices("rsf2csf", T, Z, square=True)
    if get_aval(t).shape != get_aval(z).shape:
        raise ValueError(
            f"rsf2csf: T and Z must have one shape, got {get_aval(t).shape} and {get_aval(z).shape}."
        )
    t, z = _complex(t), _complex(z)
    for m in range(get_aval(t).shape[-1] - 1, 0, -1):
        t, z = _rotated(t, z, m)
    return jnp.triu(t), z


def _rotated(t: Any, z: Any, m: int) -> tuple[Any, Any]:
    """``T`` and ``Z`` after the rotation of rows ``m - 1`` and ``m`` that makes ``T[m, m - 1]`` 0."""
    below = t[..., m, m - 1]
    busy = below != 0
    safe = jnp.where(busy, below, 1)
    a, b, d = t[..., m - 1, m - 1], t[..., m - 1, m], t[..., m, m]
    # An eigenvalue of the block, without d.
    half = (a - d) / 2
    mu = half + jnp.sqrt(half * half + b * safe)
    length = jnp.sqrt(jnp.abs(mu) ** 2 + jnp.abs(safe) ** 2)
    c = jnp.where(busy, mu / length, 1)[..., np.newaxis]
    s = jnp.where(busy, safe / length, 0)[..., np.newaxis]
    rows = t[..., m - 1, :], t[..., m, :]
    t = t.at[..., m - 1, :].set(jnp.conj(c) * rows[0] + jnp.conj(s) * rows[1])
    t = t.at[..., m, :].set(-s * rows[0] + c * rows[1])
    out = []
    for x in (t, z):
        first, second = x[..., :, m - 1], x[..., :, m]
        x = x.at[..., :, m - 1].set(first * c + second * s)
        out.append(x.at[..., :, m].set(-first * jnp.conj(s) + second * jnp.conj(c)))
    return out[0], out[1]


def hessenberg(a: Any, *, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Hessenberg form ``a = Q H Q^H``: ``H``, or ``(H, Q)`` with ``calc_q``.

    Args:
        a: ``[..., n, n]``.
    """
    (a,) = _matrices("hessenberg", a, square=True)
    n = get_aval(a).shape[-1]
    packed, taus = lax.linalg.hessenberg(a)
    h = jnp.triu(packed, -1)
    if not calc_q:
        return h
    batch = get_aval(a).shape[:-2]
    q = matrices.eye((*batch, n, n), get_aval(a).dtype)
    if n < 2:
        return h, q
    inner = lax.linalg.householder_product(packed[..., 1:, :-1], taus)
    return h, q.at[..., 1:, 1:].set(inner)


def sqrtm(A: Any, blocksize: int = 1) -> Any:  # noqa: N803
    """The principal square roots, complex, by Schur form: A. Bjorck and S. Hammarling (1983).

    Args:
        A: ``[n, n]``.
        blocksize: 1.

    Raises:
        NotImplementedError: for other block sizes.
    """
    if blocksize > 1:
        raise NotImplementedError("sqrtm: blocks are not available; leave blocksize=1.")
    (a,) = _matrices("sqrtm", A, square=True)
    return matrix_equations.sqrtm_p.bind(_complex(a))


def funm(A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:  # noqa: N803
    """A function of a matrix from a function of its eigenvalues, by Parlett's recurrence; complex.

    Args:
        A: ``[n, n]``, with eigenvalues that differ.
        func: elementwise function.
        disp: give the matrix alone; otherwise also an estimate of the relative error.

    Raises:
        ValueError: unless ``A`` is a square matrix.
    """
    (a,) = _matrices("funm", A, square=True)
    if get_aval(a).ndim != 2:
        raise ValueError(
            f"funm requires a single square matrix, got shape {get_aval(a).shape}: use vmap for many."
        )
    t, z = schur(a, "complex")
    values = jnp.diagonal(t)
    of_values = func(values)
    if not is_array_like(of_values):
        raise TypeError(f"funm: func must return an array, got {type(of_values).__name__}.")
    of_values = jnp.asarray(of_values)
    if get_aval(of_values).shape != get_aval(values).shape:
        raise ValueError(
            f"funm: func must be elementwise: of the eigenvalues, of shape {get_aval(values).shape}, it returned shape "
            f"{get_aval(of_values).shape}."
        )
    f = matrix_equations.parlett_p.bind(t, of_values.astype(get_aval(t).dtype))
    out = z @ f @ matrices.adjoint(z)
    if disp:
        return out
    n, eps = get_aval(a).shape[0], float(np.finfo(get_aval(t).dtype).eps)
    gaps = jnp.abs(values[:, np.newaxis] - values)
    least = jnp.min(jnp.where(np.eye(n, dtype=bool) | (gaps == 0), jnp.abs(t[0, 0]), gaps), initial=np.inf)
    bound = jnp.maximum(eps, eps / least * _linalg.norm(jnp.triu(t, 1), 1))
    error = jnp.minimum(1, bound)
    return out, jnp.where(jnp.all(jnp.isfinite(out)), error, jnp.inf)


def solve_sylvester(
    A: Any,  # noqa: N803
    B: Any,  # noqa: N803
    C: Any,  # noqa: N803
    *,
    method: str = "schur",
    tol: float = 1e-8,
) -> Any:
    """The solution of ``A X + X B = C``: R. Bartels and G. Stewart (1972).

    Args:
        A: ``[..., m, m]``.
        B: ``[..., n, n]``.
        C: ``[..., m, n]``.
        method: ``"schur"``, or ``"eigen"`` by eigenvectors.
        tol: eigenvalues of ``A`` and ``-B`` that are nearer than this give nan.

    Raises:
        ValueError: for other methods, and for shapes that do not fit.
    """
    a, b, c = _matrices("solve_sylvester", A, B, C)
    (m, n), shapes = get_aval(c).shape[-2:], [get_aval(x).shape for x in (a, b, c)]
    if shapes[0][-2:] != (m, m) or shapes[1][-2:] != (n, n):
        raise ValueError("Incompatible shapes for Sylvester equation:\nA: {}\nB: {}\nC: {}".format(*shapes))
    if method not in ("schur", "eigen"):
        raise ValueError(
            f'Unrecognized method {method}. The two valid methods are either "schur" or "eigen".'
        )
    batch = jnp.broadcast_shapes(*[s[:-2] for s in shapes])
    a, b, c = (jnp.broadcast_to(x, (*batch, *s[-2:])) for x, s in zip((a, b, c), shapes, strict=True))
    if method == "schur":
        return matrix_equations.sylvester_p.bind(a, b, c, tol=float(tol))
    (w, u), (y, v) = _linalg.eig(a), _linalg.eig(b)
    sums = w[..., :, np.newaxis] + y[..., np.newaxis, :]
    inner = _linalg.solve(u, _complex(c) @ v)
    x = u @ (jnp.where(jnp.abs(sums) < tol, np.nan, inner / sums)) @ _linalg.inv(v)
    return x if get_aval(c).dtype.kind == "c" else jnp.real(x)


def polar(
    a: Any,
    side: str = "right",
    *,
    method: str = "qdwh",
    eps: float | None = None,
    max_iterations: int | None = None,
) -> tuple[Any, Any]:
    """Polar decomposition ``a = U P`` (``"right"``) or ``a = P U`` (``"left"``).

    Args:
        a: ``[..., m, n]``.
        side: where the positive semidefinite factor stands.
        method: ``"qdwh"`` (see ``lax.linalg.qdwh``) or ``"svd"``.
        eps, max_iterations: of ``"qdwh"``.

    Raises:
        ValueError: for other ``side`` or ``method``.
        NotImplementedError: for ``"qdwh"`` with ``"right"`` and ``m < n``, or ``"left"`` and ``m > n``.
    """
    (a,) = _matrices("polar", a)
    if side not in ("right", "left"):
        raise ValueError("The argument `side` must be either 'right' or 'left'.")
    m, n = get_aval(a).shape[-2:]
    if method == "svd":
        u, s, vh = _linalg.svd(a, full_matrices=False)
        factor = (
            (matrices.adjoint(vh) * s[..., np.newaxis, :]) @ vh
            if side == "right"
            else (u * s[..., np.newaxis, :]) @ matrices.adjoint(u)
        )
        return u @ vh, factor
    if method != "qdwh":
        raise ValueError(f"Unknown polar decomposition method {method}.")
    if (m < n) if side == "right" else (m > n):
        raise NotImplementedError(
            f"polar: method='qdwh' requires m >= n with side='right' and m <= n with side='left', "
            f"got shape {(m, n)} with {side=}; use method='svd'."
        )
    from jitney import vmap

    one = lambda x: lax.linalg.qdwh(x, max_iterations=max_iterations, eps=eps)[:2]  # noqa: E731
    for _ in range(get_aval(a).ndim - 2):
        one = vmap(one)
    u, p = one(a if side == "right" else matrices.adjoint(a))
    return (u, p) if side == "right" else (matrices.adjoint(u), p)


def qr_multiply(
    a: Any,
    c: Any,
    mode: str = "right",
    pivoting: bool = False,
    conjugate: bool = False,
    overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> tuple[Any, ...]:
    """The product of ``c`` with the orthogonal factor of ``a``, which is not formed, and the triangular factor.

    Args:
        a: ``[..., m, n]``.
        c: ``[..., p, m]`` (``"right"``: ``c Q``) or ``[..., k, p]`` with ``k = min(m, n)`` (``"left"``: ``Q c``); a vector is a row
            (column).
        pivoting: exchange columns; their order is a third result.
        conjugate: take ``conj(Q)``.

    Raises:
        ValueError: for other modes, and shapes that do not fit.
    """
    if mode not in ("right", "left"):
        raise ValueError(f"Unsupported mode '{mode}': it must be 'left' or 'right'.")
    a, c = _matrices("qr_multiply", a, c)
    single = get_aval(c).ndim == 1
    if single:
        c = c[:, np.newaxis] if mode == "left" else c[np.newaxis, :]
    *batch, m, n = get_aval(a).shape
    k, given = min(m, n), get_aval(c).shape
    if len(given) < 2 or given[-2 if mode == "left" else -1] not in ((k, m) if mode == "left" else (m,)):
        raise ValueError(f"qr_multiply: shapes {(m, n)} and {given} do not fit with {mode=}.")
    if pivoting:
        packed, order, taus = condensed.geqp3_p.bind(a)
    else:
        packed, taus = condensed.geqrf_p.bind(a)
    c = jnp.conj(c) if conjugate else c
    if mode == "left" and given[-2] < m:
        c = jnp.concatenate([c, jnp.zeros((*given[:-2], m - k, given[-1]), get_aval(c).dtype)], -2)
    out = lax.linalg.ormqr(packed, taus, c, left=mode == "left")
    if mode == "right":
        out = out[..., :k]
    out = jnp.conj(out) if conjugate else out
    if single:
        out = out[..., 0] if mode == "left" else out[..., 0, :]
    r = jnp.triu(packed[..., :k, :])
    return (out, r, order) if pivoting else (out, r)


def eigh_tridiagonal(
    d: Any,
    e: Any,
    *,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: tuple[float, float] | None = None,
    tol: float | None = None,
    key: Any = None,
) -> Any:
    """Eigenvalues in ascending order, and eigenvectors, of symmetric matrices with three diagonals.

    Args:
        d: ``[n]``, the diagonal.
        e: ``[n - 1]``, the one beside it.
        eigvals_only: give no vectors.
        select: ``"a"`` for all, ``"i"`` for those of the places ``select_range`` (both ends included), ``"v"`` for those in the interval
            ``select_range`` (open below), whose number must be known when the program is compiled.
        tol, key: not needed.

    Raises:
        ValueError: for other ``select``, and for complex or unequal types.
    """
    from jitney.numpy.operands import array_operand

    d, e = array_operand("eigh_tridiagonal", d), array_operand("eigh_tridiagonal", e, 1)
    if select not in ("a", "i", "v"):
        raise ValueError(f"eigh_tridiagonal: select must be 'a', 'i' or 'v', got {select!r}.")
    if select != "a" and select_range is None:
        raise ValueError(f"eigh_tridiagonal: {select=} requires select_range.")
    if get_aval(d).ndim != 1 or get_aval(e).shape != (max(get_aval(d).shape[0] - 1, 0),):
        raise TypeError(
            f"eigh_tridiagonal requires diagonals of n and n - 1 elements, got shapes {get_aval(d).shape} and {get_aval(e).shape}."
        )
    if get_aval(d).dtype != get_aval(e).dtype:
        raise TypeError(
            f"eigh_tridiagonal requires diagonals of one dtype, got {get_aval(d).dtype} and {get_aval(e).dtype}."
        )
    matrix = jnp.diag(d) + (jnp.diag(e, -1) + jnp.diag(jnp.conj(e), 1) if get_aval(e).size else 0)
    w, v = _linalg.eigh(matrix, symmetrize_input=False)
    if select == "i":
        chosen: Any = slice(int(select_range[0]), int(select_range[1]) + 1)  # type: ignore[index]
    elif select == "v":
        chosen = np.flatnonzero((np.asarray(w) > select_range[0]) & (np.asarray(w) <= select_range[1]))  # type: ignore[index]
    else:
        chosen = slice(None)
    return w[chosen] if eigvals_only else (w[chosen], v[:, chosen])


def expm_frechet(A: Any, E: Any, *, method: str | None = None, compute_expm: bool = True) -> Any:  # noqa: N803
    """The derivative of the matrix exponential at ``A`` in the direction ``E``, after ``expm(A)`` if ``compute_expm``.

    Args:
        A, E: ``[..., n, n]``.
        method: None or ``"SPS"`` (scaling, approximant, squaring).

    Raises:
        ValueError: for other methods, and shapes that are not equal.
    """
    from jitney.scipy.linalg import expm

    a, e = _matrices("expm_frechet", A, E, square=True)
    if get_aval(a).shape != get_aval(e).shape:
        raise ValueError(
            f"expm_frechet: A and E must have one shape, got {get_aval(a).shape} and {get_aval(e).shape}."
        )
    if method not in (None, "SPS"):
        raise ValueError(f"expm_frechet: method must be None or 'SPS', got {method!r}.")
    value, change = jvp(expm, (a,), (e,))
    return (value, change) if compute_expm else change
