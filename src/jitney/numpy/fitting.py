"""``polyfit`` and ``roots``: polynomials through points, and where they vanish."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney._core.trace import Tracer, get_aval
from jitney.numpy import conversion, creation, diagonals, manipulation, reductions, searching, sorting, ufuncs
from jitney.numpy.operands import array_operand, promote_inexact

__all__ = ["polyfit", "roots"]


def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: bool | str = False,
) -> Any:
    """The polynomial of degree ``deg`` that fits points best in the sense of least squares.

    Args:
        x: places, shape ``(m,)``.
        y: values, shape ``(m,)`` or ``(m, k)`` for several fits.
        deg: the degree.
        rcond: singular values below ``rcond`` times the largest count as 0; by default ``m`` times the precision.
        full: whether to return sums of squared residuals, rank, singular values and ``rcond`` as well.
        w: factors of residuals, shape ``(m,)``.
        cov: whether to return the covariance of the coefficients as well, scaled by the residuals; ``"unscaled"``: not scaled.

    Returns:
        Coefficients, highest power first, shape ``(deg + 1,)`` or ``(deg + 1, k)``; a tuple with ``full`` or ``cov``.

    Raises:
        TypeError: shapes that do not fit.
        ValueError: a negative degree, or too few points for a scaled covariance.

    The columns of the Vandermonde matrix are scaled to length 1 (Bjorck, Numerical Methods for Least Squares Problems, 1996).

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.polyfit(jnp.array([0.0, 1.0, 2.0]), jnp.array([1.0, 3.0, 5.0]), 1).round(6)
        Array([2., 1.], dtype=float64)
    """
    from jitney.numpy import linalg

    order = operator.index(deg) + 1
    places, values = promote_inexact(array_operand("polyfit", x), array_operand("polyfit", y, 1))
    if order < 1:
        raise ValueError("expected deg >= 0")
    if places.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if places.size == 0:
        raise TypeError("expected non-empty vector for x")
    if values.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if places.shape[0] != values.shape[0]:
        raise TypeError("expected x and y to have same length")
    powers, values = _weighted(diagonals.vander(places, order), values, w)
    if rcond is None:
        rcond = places.shape[0] * float(np.finfo(get_aval(places).dtype).eps)
    scale = _lengths(powers)
    powers = powers / scale
    found, residuals, rank, singular = linalg.lstsq(powers, values, rcond)
    found = (found.T / scale).T
    if full:
        return found, residuals, rank, singular, conversion.asarray(rcond)
    if not cov:
        return found
    base = linalg.inv(manipulation.matrix_transpose(powers) @ powers) / (scale[:, None] * scale)
    if cov == "unscaled":
        factor: Any = 1
    else:
        if places.shape[0] <= order:
            raise ValueError("the number of data points must exceed order to scale the covariance matrix")
        factor = residuals / (places.shape[0] - order)
    return found, base * factor if values.ndim == 1 else base[:, :, None] * factor


def _lengths(columns: Any) -> Any:
    """The length of each column."""
    return ufuncs.sqrt(reductions.sum(columns * columns, axis=0))


def _weighted(powers: Any, values: Any, w: Any) -> tuple[Any, Any]:
    if w is None:
        return powers, values
    (weights,) = promote_inexact(array_operand("polyfit", w))
    if weights.ndim != 1:
        raise TypeError("expected a 1-d array for weights")
    if weights.shape[0] != values.shape[0]:
        raise TypeError("expected w and y to have the same length")
    return powers * weights[:, None], values * (weights if values.ndim == 1 else weights[:, None])


def roots(p: Any, *, strip_zeros: bool = True) -> Any:
    """The roots of a polynomial with coefficients ``p``, highest power first: eigenvalues of its companion matrix.

    Args:
        p: a vector of ``n + 1`` coefficients.
        strip_zeros: whether leading zeros are taken off first, which needs their values. With False, the result has
            ``n`` elements, and as many NaN at its end as there are leading zeros.

    Returns:
        A complex vector.

    Raises:
        ConcretizationTypeError: traced coefficients with ``strip_zeros``.
        ValueError: ``p`` is no vector.

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.sort(jnp.roots(jnp.array([1.0, -3.0, 2.0])).real)
        Array([1., 2.], dtype=float64)
    """
    (coefficients,) = promote_inexact(array_operand("roots", p))
    if coefficients.ndim == 0:
        coefficients = coefficients[None]
    if coefficients.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if not strip_zeros:
        return _roots_of_any(coefficients)
    if isinstance(coefficients, Tracer):
        coefficients = _known(coefficients)
    nonzero = np.flatnonzero(np.asarray(coefficients))
    return _eigenvalues(coefficients[int(nonzero[0]) :] if nonzero.size else coefficients[:0])


def _known(x: Any) -> Any:
    """The error of JAX for traced coefficients, with what to do."""
    from jitney._base.errors import ConcretizationTypeError

    raise ConcretizationTypeError(
        f"jnp.roots of the traced array {x} needs its values to strip leading zeros. Pass strip_zeros=False: there are then "
        "NaN at the end of the result, one for each leading zero."
    )


def _complex(x: Any) -> Any:
    from jitney._base import dtypes

    return conversion.astype(x, dtypes.complex_dtype(get_aval(x).dtype))


def _companion(coefficients: Any) -> Any:
    count = coefficients.size - 1
    below = creation.eye(count, k=-1, dtype=get_aval(coefficients).dtype)
    return below.at[0].set(-coefficients[1:] / coefficients[0])


def _eigenvalues(coefficients: Any) -> Any:
    from jitney.numpy import linalg

    if coefficients.size < 2:
        return _complex(creation.zeros(0, get_aval(coefficients).dtype))
    return linalg.eigvals(_companion(coefficients))


def _roots_of_any(coefficients: Any) -> Any:
    """Roots where the number of leading zeros is not known: behind them, the matrix gets a diagonal of its own.

    Its eigenvalues lie outside of Cauchy's bound for the others, ``1 + max |p[k] / p[0]|``, and are told by that.
    """
    from jitney.numpy import linalg

    count = coefficients.size - 1
    if count < 1:
        return _complex(creation.zeros(0, get_aval(coefficients).dtype))
    nonzero = coefficients != 0
    zeros = searching.where(reductions.any(nonzero), reductions.argmax(nonzero), count)
    moved = manipulation.roll(coefficients, -zeros)
    moved = moved.at[0].set(searching.where(moved[0] == 0, 1, moved[0]))
    outside = 4 * (1 + reductions.max(ufuncs.abs(moved / moved[0])))
    behind = creation.arange(count) >= count - zeros
    matrix = searching.where(
        behind[:, None], diagonals.diag(outside * creation.ones(count)), _companion(moved)
    )
    found = linalg.eigvals(conversion.astype(matrix, get_aval(coefficients).dtype))
    extra = ufuncs.abs(found) > outside / 2
    found = searching.where(extra, np.nan * (1 + 1j), found)
    return _complex(found[sorting.argsort(extra, stable=True)])
