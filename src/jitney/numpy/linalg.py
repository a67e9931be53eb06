"""``jitney.numpy.linalg``: systems of equations, factorisations and norms, with NumPy's names.

Leading axes count matrices. Systems of up to 8 equations are inlined native code; larger ones call LAPACK.
Derivatives of ``solve`` and ``inv`` reuse the factorisation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes as _dtypes
from jitney._core.trace import get_aval
from jitney._ops import decompositions, matrices, raw
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney._ops.condensed import geqrf_p as _geqrf_p
from jitney._ops.stopping import stop_gradient_leaf
from jitney.numpy.linear import outer as _outer
from jitney.numpy.operands import (
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    is_eager_float,
    promote_inexact,
    quiet,
    to_axis,
    wrap,
)

_F32 = np.dtype("f4")


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors of Hermitian matrices."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Orthogonal and triangular factor."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """Sign and logarithm of a determinant."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Left singular vectors, singular values, right singular vectors."""

    U: Any
    S: Any
    Vh: Any


# What refuses arrays of less than two axes by a TypeError, as JAX; the others raise a ValueError.
_TYPE_ERRORS = ("cholesky", "eig", "eigh", "lstsq", "lu", "qr", "svd")

# -- operands ---------------------------------------------------------------------------------------------


def _matrices(name: str, *xs: Any, square: bool = False) -> list[Any]:
    """Operands as float or complex arrays of one dtype; the first one holds matrices."""
    arrays = promote_inexact(*[array_operand(name, x, i) for i, x in enumerate(xs)])
    first = get_aval(arrays[0])
    if first.ndim < 2:
        error = TypeError if name in _TYPE_ERRORS else ValueError
        raise error(f"{name} requires an array of at least two axes, got shape {first.shape}.")
    if square and first.shape[-1] != first.shape[-2]:
        raise ValueError(f"Argument to {name} must have shape [..., n, n], got {first.shape}.")
    if first.dtype.itemsize < 4:  # LAPACK has no 16-bit routines
        return [convert(x, _F32) for x in arrays]
    return [convert(x, first.dtype) for x in arrays]


def _small(function: Any, *xs: Any) -> Any:
    """NumPy's result for small concrete floats of one dtype; None where it cannot help."""
    if all(map(is_eager_float, xs)) and all(x.dtype is xs[0].dtype for x in xs):
        try:
            return quiet(function, *[x._np for x in xs])
        except (np.linalg.LinAlgError, ValueError):
            return None  # singular, or of shapes that the general path words the error for
    return None


# -- systems ----------------------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> Any:
    """The solution of ``a x = b``.

    Args:
        a: ``[..., n, n]``.
        b: ``[n]``, or ``[..., n, m]`` with leading axes that broadcast with those of ``a``.

    Returns:
        ``x``, of the shape of ``b`` with the leading axes of both. Singular systems give inf or nan.

    Raises:
        ValueError: for shapes that do not fit together.

    >>> import jitney.numpy as jnp
    >>> jnp.linalg.solve(jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([1.0, 2.0]))
    Array([0.5, 0.5], dtype=float64)
    """
    if (done := _small(np.linalg.solve, a, b)) is not None and done.ndim:
        return wrap(done)
    a, b = _matrices("solve", a, b, square=True)
    shape_a, shape_b = get_aval(a).shape, get_aval(b).shape
    if not shape_b:
        raise ValueError(f"solve: the right-hand side must have at least one axis, got shape {shape_b}.")
    single = len(shape_b) == 1
    if single:
        b = raw.expand_dims(b, (1,))
        shape_b = (*shape_b, 1)
    if shape_b[-2] != shape_a[-1]:
        raise ValueError(
            f"Invalid shapes for solve: {shape_a}, {get_aval(b).shape[: -1 if single else None]}."
        )
    batch = broadcast_shapes(shape_a[:-2], shape_b[:-2])
    b = broadcast_to(b, (*batch, *shape_b[-2:]))
    lu, _, permutation = la.lu_p.bind(stop_gradient_leaf(a))
    wide = lambda x, count: broadcast_to(x, (*batch, *get_aval(x).shape[get_aval(x).ndim - count :]))  # noqa: E731
    out = la.lu_solve(wide(a, 2), wide(lu, 2), wide(permutation, 1), b)
    return raw.squeeze(out, (len(batch) + 1,)) if single else out


def inv(a: Any) -> Any:
    """The inverses of ``[..., n, n]`` matrices; inf or nan where they are singular.

    Raises:
        ValueError: for matrices that are not square.
    """
    if (done := _small(np.linalg.inv, a)) is not None:
        return wrap(done)
    (a,) = _matrices("inv", a, square=True)
    aval = get_aval(a)
    return solve(a, matrices.eye(aval.shape, aval.dtype))


def lstsq(
    a: Any, b: Any, rcond: float | None = None, *, numpy_resid: bool = False
) -> tuple[Any, Any, Any, Any]:
    """Least squares: the ``x`` of least norm that minimises ``|a x - b|``.

    Args:
        a: ``[m, n]``.
        b: ``[m]`` or ``[m, k]``.
        rcond: singular values below ``rcond`` times the greatest are taken as 0.
        numpy_resid: give no residuals where NumPy gives none: if ``m <= n``, or the rank is below ``n`` (then not
            under ``jit``, which must know the shape).

    Returns:
        ``(x, sums of squared residuals, rank, singular values)``.
    """
    a, b = _matrices("lstsq", a, b)
    if get_aval(a).ndim != 2:
        raise TypeError(f"{get_aval(a).ndim}-dimensional array given. Array must be two-dimensional")
    if get_aval(b).ndim not in (1, 2):
        raise TypeError(f"{get_aval(b).ndim}-dimensional array given. Array must be one or two-dimensional.")
    (m, n), single = get_aval(a).shape, get_aval(b).ndim == 1
    if get_aval(b).shape[0] != m:
        raise ValueError("Leading dimensions of input arrays must match")
    b = raw.expand_dims(b, (1,)) if single else b
    s, u, vh = decompositions.svd_p.bind(a, full_matrices=False, compute_uv=True)
    eps = float(np.finfo(get_aval(s).dtype).eps)
    rcond = eps * max(m, n) if rcond is None else eps if rcond < 0 else rcond
    kept = jnp.logical_and(s > 0, s >= rcond * s[0]) if min(m, n) else s > 0
    rank = jnp.sum(kept)
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)[:, np.newaxis]
    x = jnp.matmul(matrices.adjoint(vh), inverse * jnp.matmul(matrices.adjoint(u), b))
    if numpy_resid and (m <= n or bool(rank < n)):
        residuals = jnp.zeros((0,), get_aval(s).dtype)
    else:
        rest = jnp.abs(b - jnp.matmul(a, x))
        residuals = jnp.sum(rest * rest, 0)
    return (raw.squeeze(x, (1,)) if single else x), residuals, rank, s


def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Any:
    """The pseudoinverses of ``[..., m, n]`` matrices.

    Args:
        a: matrices.
        rtol, rcond: singular values below this times the greatest are taken as 0.
        hermitian: the matrices are Hermitian: their eigenvalues are used.
    """
    (a,) = _matrices("pinv", a)
    if rtol is not None and rcond is not None:
        raise ValueError("pinv: only one of rtol and rcond may be specified.")
    m, n = get_aval(a).shape[-2:]
    if m == 0 or n == 0:
        return raw.full((*get_aval(a).shape[:-2], n, m), 0, get_aval(a).dtype)
    u, s, vh = svd(a, full_matrices=False, hermitian=hermitian)
    limit = rtol if rtol is not None else rcond
    if limit is None:
        limit = 10.0 * max(m, n) * float(np.finfo(get_aval(s).dtype).eps)
    limit = jnp.asarray(limit, get_aval(s).dtype)
    cutoff = limit[..., np.newaxis] * s[..., :1]
    kept = s > cutoff
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)
    inverse = ew.convert(inverse, get_aval(a).dtype)
    return jnp.matmul(matrices.adjoint(vh), inverse[..., np.newaxis] * matrices.adjoint(u))


# -- factorisations -----------------------------------------------------------------------------------------


def _symmetrized(x: Any) -> Any:
    return ew.div(ew.add(x, matrices.adjoint(x)), get_aval(x).dtype.type(2))


def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Any:
    """The triangular factor of positive definite matrices ``a = L L^H``; nan where they are not.

    Args:
        a: ``[..., n, n]``.
        upper: give ``L^H``.
        symmetrize_input: use ``(a + a^H) / 2``.

    >>> import jitney.numpy as jnp
    >>> jnp.linalg.cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
    Array([[2., 0.],
           [1., 2.]], dtype=float64)
    """
    if symmetrize_input and not upper and (done := _small(_np_cholesky, a)) is not None:
        return wrap(done)
    (a,) = _matrices("cholesky", a, square=True)
    if symmetrize_input:
        low = la.cholesky_p.bind(_symmetrized(a), symmetric=True)
    else:
        low = la.cholesky_p.bind(matrices.adjoint(a) if upper else a)
    return matrices.adjoint(low) if upper else low


def _np_cholesky(a: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky((a + np.swapaxes(a, -1, -2)) / a.dtype.type(2))


def qr(a: Any, mode: str = "reduced") -> Any:
    """Orthogonal and triangular factors.

    Args:
        a: ``[..., m, n]``.
        mode: ``"reduced"``, ``"complete"``, ``"r"`` for the triangular factor alone, or ``"raw"`` for LAPACK's
            reflectors: their transposed array with the triangular factor, and their factors.
    """
    (a,) = _matrices("qr", a)
    if mode not in ("reduced", "r", "full", "complete", "raw"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    if mode == "raw":
        packed, taus = _geqrf_p.bind(a)
        return QRResult(matrices.transposed(packed), taus)
    q, r = decompositions.qr_p.bind(a, full_matrices=mode in ("full", "complete"))
    return r if mode == "r" else QRResult(q, r)


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """Singular values and vectors, ``a = (U * S) Vh``.

    Args:
        a: ``[..., m, n]``.
        full_matrices: square ``U`` and ``Vh``.
        compute_uv: False for the values alone.
        hermitian: the matrices are Hermitian: by their eigenvalues.
        subset_by_index: the first and the last (exclusive) value to return.
    """
    if full_matrices and subset_by_index is not None:
        raise ValueError(
            "svd: full_matrices and subset_by_index cannot both be set: pass full_matrices=False."
        )
    (a,) = _matrices("svd", a)
    if hermitian:
        w, v = eigh(a)
        s = jnp.abs(w)
        order = jnp.flip(jnp.argsort(s, -1), -1)
        s = jnp.take_along_axis(s, order, -1)
        if not compute_uv:
            return s
        signs = jnp.take_along_axis(jnp.sign(w), order, -1)
        u = jnp.take_along_axis(v, order[..., np.newaxis, :], -1)
        vh = matrices.adjoint(u * ew.convert(signs, get_aval(u).dtype)[..., np.newaxis, :])
        return SVDResult(u, s, vh)
    out = decompositions.svd_p.bind(a, full_matrices=full_matrices, compute_uv=compute_uv)
    if subset_by_index is not None:
        first, last = subset_by_index
        out = [y[..., first:last, :] if k == 2 else y[..., first:last] for k, y in enumerate(out)]
    return SVDResult(out[1], out[0], out[2]) if compute_uv else out[0]


def svdvals(x: Any, /) -> Any:
    """The singular values alone."""
    return svd(x, compute_uv=False)


def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:  # noqa: N803
    """Eigenvalues in ascending order and eigenvectors (columns) of Hermitian matrices.

    Args:
        a: ``[..., n, n]``.
        UPLO: ``"L"`` or ``"U"``: the triangle that is read, if not ``symmetrize_input``.
    """
    v, w = decompositions.eigh_p.bind(_hermitian("eigh", a, UPLO, symmetrize_input), lower=UPLO != "U")
    return EighResult(w, v)


def _hermitian(name: str, a: Any, triangle: str | None, symmetrize_input: bool) -> Any:
    """The matrices of ``a``, symmetrised if that is wanted."""
    (a,) = _matrices(name, a, square=True)
    if triangle not in (None, "L", "U"):
        raise ValueError(f"UPLO must be one of None, 'L', or 'U', got {triangle}")
    return _symmetrized(a) if symmetrize_input else a


def eigvalsh(a: Any, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Any:  # noqa: N803
    """Eigenvalues of Hermitian matrices, in ascending order."""
    (w,) = decompositions.eigenvalues_h_p.bind(
        _hermitian("eigvalsh", a, UPLO, symmetrize_input), lower=UPLO != "U"
    )
    return w


def eig(a: Any) -> EigResult:
    """Eigenvalues and eigenvectors (columns of length 1) of general matrices; they are complex."""
    (a,) = _matrices("eig", a, square=True)
    return EigResult(*decompositions.eig_p.bind(a))


def eigvals(a: Any) -> Any:
    """Eigenvalues of general matrices; they are complex."""
    return eig(a).eigenvalues


# -- determinants -------------------------------------------------------------------------------------------


def det(a: Any) -> Any:
    """The determinants of ``[..., n, n]`` matrices.

    Raises:
        ValueError: for matrices that are not square.
    """
    if (done := _small(np.linalg.det, a)) is not None:
        return wrap(np.asarray(done))
    (a,) = _matrices("det", a, square=True)
    n = get_aval(a).shape[-1]
    if n in (2, 3):
        return _det_by_cofactors(a, n)
    if n < 2:
        return jnp.prod(matrices.diagonal(a), -1)
    sign, diagonal = _signed_diagonal(a)
    return sign * jnp.prod(diagonal, -1)


def _det_by_cofactors(a: Any, n: int) -> Any:
    e = [[a[..., i, j] for j in range(n)] for i in range(n)]
    if n == 2:
        return e[0][0] * e[1][1] - e[0][1] * e[1][0]
    minor = lambda i, j: e[1][i] * e[2][j] - e[1][j] * e[2][i]  # noqa: E731
    return e[0][0] * minor(1, 2) - e[0][1] * minor(0, 2) + e[0][2] * minor(0, 1)


def _signed_diagonal(a: Any) -> tuple[Any, Any]:
    """The sign of the permutation of rows, and the diagonal of the upper factor."""
    lu, pivots, _ = la.lu_p.bind(a)
    return _sign_of(pivots, get_aval(a).dtype), matrices.diagonal(lu)


def _sign_of(pivots: Any, dtype: np.dtype) -> Any:
    """1 or -1: the determinant of the permutation."""
    moved = pivots != jnp.arange(get_aval(pivots).shape[-1], dtype="int32")
    odd = jnp.sum(moved, -1) % 2
    return ew.convert(1 - 2 * odd, dtype)


def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """Sign and logarithm of the absolute value of determinants.

    Args:
        a: ``[..., n, n]``.
        method: None or ``"lu"``.

    Raises:
        ValueError: for matrices that are not square.
    """
    if method not in (None, "lu", "qr"):
        raise ValueError(f"Unknown slogdet method '{method}'. Supported methods are 'lu' and 'qr'.")
    (a,) = _matrices("slogdet", a, square=True)
    real = get_aval(a).dtype.kind != "c"
    lu, pivots, permutation = la.lu_p.bind(stop_gradient_leaf(a) if real else a)
    diagonal = matrices.diagonal(lu)
    sizes = jnp.abs(diagonal)
    units = diagonal / ew.convert(jnp.where(sizes == 0, 1, sizes), get_aval(a).dtype)
    logarithm = jnp.sum(jnp.log(sizes), -1)
    if real:
        logarithm = la.log_determinant_p.bind(logarithm, a, lu, permutation)
    return SlogdetResult(_sign_of(pivots, get_aval(a).dtype) * jnp.prod(units, -1), logarithm)


# -- powers and products --------------------------------------------------------------------------------------


def matrix_power(a: Any, n: int) -> Any:
    """``a`` multiplied ``n`` times; of negative ``n`` the inverse is.

    Raises:
        TypeError: if ``n`` is no integer.
    """
    a = array_operand("matrix_power", a)
    shape = get_aval(a).shape
    if len(shape) < 2:
        raise TypeError(f"{len(shape)}-dimensional array given. Array must be at least two-dimensional")
    if shape[-2] != shape[-1]:
        raise TypeError("Last 2 dimensions of the array must be square")
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"exponent must be an integer, got {n}") from None
    if n == 0:
        return matrices.eye(shape, get_aval(a).dtype)
    if n < 0:
        a, n = inv(a), -n
    result, square = None, a
    while n:
        if n & 1:
            result = square if result is None else jnp.matmul(result, square)
        n >>= 1
        square = jnp.matmul(square, square) if n else square
    return result


def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Any:
    """The product of several matrices, in the order of least cost.

    Args:
        arrays: at least one array; the first and the last may be vectors.
    """
    xs = [array_operand("multi_dot", x, i) for i, x in enumerate(arrays)]
    if not xs:
        raise ValueError("multi_dot requires at least one array.")
    if len(xs) < 3:
        return xs[0] if len(xs) == 1 else jnp.matmul(*xs, precision=precision)
    for i, x in enumerate(xs):
        allowed = (1, 2) if i in (0, len(xs) - 1) else (2,)
        if get_aval(x).ndim not in allowed:
            raise ValueError(
                f"multi_dot: input {i} must have {' or '.join(map(str, allowed))} axes, got shape {get_aval(x).shape}."
            )
    first, last = get_aval(xs[0]).shape, get_aval(xs[-1]).shape
    ends = [first[0] if len(first) == 2 else 1, last[-1] if len(last) == 2 else 1]
    sizes = [ends[0], *(get_aval(x).shape[0] for x in xs[1:]), ends[1]]
    best = _parenthesize(tuple(sizes))

    def product(i: int, j: int) -> Any:
        if i == j:
            return xs[i]
        k = best[i, j]
        return jnp.matmul(product(i, k), product(k + 1, j), precision=precision)

    return product(0, len(xs) - 1)


def _parenthesize(sizes: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """For each run of matrices ``i .. j``, after which one to split it."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    best = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]
            cost[i, j], best[i, j] = min(options)
    return best


def matmul(x1: Any, x2: Any, /, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """As ``jnp.matmul``."""
    return jnp.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def vecdot(
    x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """As ``jnp.vecdot``."""
    return jnp.vecdot(x1, x2, axis=axis, precision=precision, preferred_element_type=preferred_element_type)


def tensordot(
    x1: Any,
    x2: Any,
    /,
    *,
    axes: Any = 2,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """As ``jnp.tensordot``."""
    return jnp.tensordot(x1, x2, axes, precision=precision, preferred_element_type=preferred_element_type)


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of elements of two vectors."""
    x1, x2 = array_operand("outer", x1), array_operand("outer", x2, 1)
    if get_aval(x1).ndim != 1 or get_aval(x2).ndim != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are {get_aval(x1).ndim=} {get_aval(x2).ndim=}"
        )
    return _outer(x1, x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Vector products of vectors of 3 components along ``axis``."""
    x1, x2 = array_operand("cross", x1), array_operand("cross", x2, 1)
    for x in (x1, x2):
        to_axis(axis, get_aval(x).ndim)
    if get_aval(x1).shape[axis] != 3 or get_aval(x2).shape[axis] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they have sizes "
            f"{get_aval(x1).shape[axis]} and {get_aval(x2).shape[axis]}."
        )
    return jnp.cross(x1, x2, axis=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices in the last two axes."""
    return jnp.diagonal(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of diagonals of matrices in the last two axes."""
    return jnp.trace(x, offset, -2, -1, dtype)


def matrix_transpose(x: Any, /) -> Any:
    """Each matrix transposed."""
    x = array_operand("matrix_transpose", x)
    if get_aval(x).ndim < 2:
        raise ValueError(f"matrix_transpose requires at least 2 dimensions; got ndim={get_aval(x).ndim}")
    return matrices.transposed(x)


# -- norms ----------------------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors or matrices.

    Args:
        x: array.
        ord: order: of vectors any number or infinity; of matrices ``1, -1, 2, -2, inf, -inf, "fro", "nuc"``. By default
            the root of the sum of squares.
        axis: one axis for vectors, two for matrices; by default all axes.
        keepdims: leave axes of size 1.

    Raises:
        ValueError: for an unknown order, and for the wrong number of axes.

    >>> import jitney.numpy as jnp
    >>> jnp.linalg.norm(jnp.array([3.0, 4.0]))
    Array(5., dtype=float64)
    """
    (x,) = promote_inexact(array_operand("norm", x))
    rank = get_aval(x).ndim
    if axis is None:
        if ord is None:
            return jnp.sqrt(jnp.sum(_squares(x), keepdims=keepdims))
        axes = tuple(range(rank))
    else:
        given = axis if isinstance(axis, (tuple, list)) else (axis,)
        axes = tuple(to_axis(d, rank) for d in given)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)
    raise ValueError(
        f"Improper number of axes for norm: axis={axes}. Pass one axis to compute a vector-norm, "
        "or two axes to compute a matrix-norm."
    )


def _squares(x: Any) -> Any:
    return x * x if get_aval(x).dtype.kind != "c" else jnp.real(x * jnp.conj(x))


def _vector_norm(x: Any, ord: Any, axes: Any, keepdims: bool) -> Any:
    if isinstance(ord, str) or ord is None:
        raise ValueError(f"Invalid order '{ord}' for vector norm.")
    if isinstance(ord, (int, float)):
        if ord == math.inf:
            return jnp.max(jnp.abs(x), axes, keepdims=keepdims)
        if ord == -math.inf:
            return jnp.min(jnp.abs(x), axes, keepdims=keepdims)
        if ord == 0:
            return jnp.sum(x != 0, axes, _dtypes.real_dtype(get_aval(x).dtype), keepdims=keepdims)
        if ord == 1:
            return jnp.sum(jnp.abs(x), axes, keepdims=keepdims)
        if ord == 2:
            return jnp.sqrt(jnp.sum(_squares(x), axes, keepdims=keepdims))
    total = jnp.sum(jnp.power(jnp.abs(x), ord), axes, keepdims=keepdims)
    return jnp.power(total, 1.0 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    row, column = axes
    if ord == "fro":
        return jnp.sqrt(jnp.sum(_squares(x), axes, keepdims=keepdims))
    sums: dict[Any, Any] = {1: (row, column, jnp.max), -1: (row, column, jnp.min)}
    sums |= {math.inf: (column, row, jnp.max), -math.inf: (column, row, jnp.min)}
    if ord in sums:
        inner, outer_axis, fold = sums[ord]
        out = fold(jnp.sum(jnp.abs(x), inner, keepdims=True), outer_axis, keepdims=True)
        return out if keepdims else raw.squeeze(out, axes)
    folds = {"nuc": jnp.sum, 2: jnp.max, -2: jnp.min}
    if ord not in folds:
        raise ValueError(f"Invalid order '{ord}' for matrix norm.")
    s = svd(jnp.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    out = folds[ord](s, -1)
    return raw.expand_dims(out, sorted(axes)) if keepdims else out


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norms of vectors along one or several axes, by default over all elements."""
    (x,) = promote_inexact(array_operand("vector_norm", x))
    rank = get_aval(x).ndim
    given = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return _vector_norm(x, ord, tuple(to_axis(d, rank) for d in given), keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norms of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


def cond(x: Any, p: Any = None) -> Any:
    """Condition numbers: the norm of order ``p`` of a matrix times that of its inverse; by default the ratio of singular values."""
    (x,) = _matrices("cond", x)
    if not get_aval(x).size:
        raise ValueError(f"cond requires matrices that are not empty, got shape {get_aval(x).shape}.")
    if p in (None, 2, -2):
        s = svd(x, compute_uv=False)
        ratio = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        ratio = norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
    missing = jnp.any(jnp.isnan(x), (-2, -1))
    return jnp.where(jnp.logical_and(jnp.isnan(ratio), jnp.logical_not(missing)), math.inf, ratio)


def matrix_rank(M: Any, rtol: Any = None, *, hermitian: bool = False, tol: Any = None) -> Any:  # noqa: N803
    """How many singular values exceed ``rtol`` times the greatest (or ``tol``)."""
    x = array_operand("matrix_rank", M)
    if get_aval(x).ndim < 2:
        return ew.convert(jnp.any(x != 0), np.dtype(np.int32))
    (x,) = _matrices("matrix_rank", x)
    s = svd(x, compute_uv=False, hermitian=hermitian)
    if tol is not None:
        return jnp.sum(s > jnp.asarray(tol)[..., np.newaxis], -1)
    if rtol is None:
        rtol = float(np.finfo(get_aval(s).dtype).eps) * max(get_aval(x).shape[-2:])
    limit = jnp.max(s, -1, keepdims=True) * jnp.asarray(rtol, get_aval(s).dtype)[..., np.newaxis]
    return jnp.sum(s > limit, -1)


# -- tensors ----------------------------------------------------------------------------------------------------


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of ``a`` as a linear map from its last axes to its first ``ind`` ones."""
    a = array_operand("tensorinv", a)
    ind = operator.index(ind)
    if ind <= 0:
        raise ValueError(f"ind must be a positive integer; got {ind=}")
    shape = get_aval(a).shape
    rows, columns = shape[:ind], shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise ValueError(
            f"tensorinv is only possible when the product of the first `ind` dimensions equals that of the remaining dimensions; got shape {shape} with {ind=}."
        )
    return raw.reshape(inv(raw.reshape(a, (math.prod(rows), math.prod(columns)))), (*columns, *rows))


def tensorsolve(a: Any, b: Any, axes: tuple[int, ...] | None = None) -> Any:
    """The ``x`` with ``tensordot(a, x, x.ndim) = b``."""
    a, b = array_operand("tensorsolve", a), array_operand("tensorsolve", b, 1)
    rank = get_aval(a).ndim
    if axes is not None:
        moved = [to_axis(d, rank) for d in axes]
        a = raw.transpose(a, [d for d in range(rank) if d not in moved] + moved)
    shape = get_aval(a).shape[get_aval(b).ndim :]
    size = math.prod(shape)
    if get_aval(b).size != size:
        raise ValueError(
            f"Input arrays must have prod(a.shape[:b.ndim]) == prod(a.shape[b.ndim:]); got a.shape={get_aval(a).shape}, b.ndim={get_aval(b).ndim}."
        )
    out = solve(raw.reshape(a, (size, size)), raw.reshape(b, (size,)))
    return raw.reshape(out, shape)


_expose(globals())
