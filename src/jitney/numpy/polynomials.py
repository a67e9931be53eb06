"""Polynomials as arrays of coefficients, highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._ops.families import literal
from jitney.numpy import creation
from jitney.numpy.operands import array_operand, promote_dtypes, promote_inexact

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
]


def _vector(name: str, p: Any) -> Any:
    x = creation.array(p) if isinstance(p, (list, tuple)) else array_operand(name, p)
    if get_aval(x).ndim == 0:
        x = raw.reshape(x, (1,))
    if get_aval(x).ndim != 1:
        raise ValueError(f"{name}: coefficients must be a vector, got shape {get_aval(x).shape}.")
    return x


def polyval(p: Any, x: Any, *, unroll: int = 16) -> Any:
    """The polynomial with coefficients ``p`` (along the first axis) at ``x``, by Horner's rule."""
    coefficients, points = promote_dtypes(
        array_operand("polyval", creation.asarray(p)), array_operand("polyval", x, 1)
    )
    if get_aval(coefficients).ndim == 0:
        raise ValueError("polyval needs at least one coefficient, got an array of rank 0.")
    out = creation.zeros_like(points)
    for k in range(get_aval(coefficients).shape[0]):
        out = out * points + coefficients[k]
    return out


def polyadd(a1: Any, a2: Any) -> Any:
    """Coefficients of the sum of two polynomials."""
    x, y = promote_dtypes(_vector("polyadd", a1), _vector("polyadd", a2))
    n = max(get_aval(x).size, get_aval(y).size)
    x, y = (raw.pad(v, literal(v, 0), [(n - get_aval(v).size, 0, 0)]) for v in (x, y))
    return x + y


def polysub(a1: Any, a2: Any) -> Any:
    """Coefficients of the difference of two polynomials."""
    return polyadd(a1, -_vector("polysub", a2))


def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Any:
    """Coefficients of the product of two polynomials."""
    x, y = promote_inexact(_vector("polymul", a1), _vector("polymul", a2))
    if trim_leading_zeros:
        x, y = (creation.array(np.trim_zeros(np.asarray(v), "f")) for v in (x, y))
    m, n = get_aval(x).size, get_aval(y).size
    if m > n:
        x, y, m, n = y, x, n, m
    if m == 0:
        return y
    total: Any = 0
    for k in range(m):  # the shorter one term by term
        total = total + raw.pad(x[k] * y, literal(y, 0), [(k, m - 1 - k, 0)])
    return total


def polyder(p: Any, m: int = 1) -> Any:
    """Coefficients of the ``m``-th derivative."""
    if m < 0:
        raise ValueError("Order of derivative must be positive")
    (x,) = promote_inexact(_vector("polyder", p))
    n = get_aval(x).size
    if m == 0:
        return x
    if m >= n:
        return x[:0]
    powers = np.arange(n - 1, m - 1, -1, dtype=float)
    factors = np.prod(powers[:, None] - np.arange(m), axis=1)
    return x[: n - m] * creation.array(factors, get_aval(x).dtype)


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Coefficients of the ``m``-th antiderivative, with integration constants ``k`` (default 0)."""
    if m < 0:
        raise ValueError("Order of integral must be positive")
    (x,) = promote_inexact(_vector("polyint", p))
    constants = creation.zeros(m, get_aval(x).dtype) if k is None else _vector("polyint", k)
    if get_aval(constants).size == 1:
        constants = raw.broadcast_in_dim(constants, (m,), (0,))
    if get_aval(constants).size != m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or m.")
    for order in range(m):
        n = get_aval(x).size
        divisors = creation.array(np.arange(n, 0, -1, dtype=float), get_aval(x).dtype)
        x, constant = promote_dtypes(x / divisors, constants[order : order + 1])
        x = raw.concatenate([x, constant], 0)
    return x


def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> tuple[Any, Any]:
    """Quotient and remainder of polynomial division."""
    x, y = promote_inexact(_vector("polydiv", u), _vector("polydiv", v))
    m, n = get_aval(x).size, get_aval(y).size
    if n > m:
        return creation.zeros(1, get_aval(x).dtype), x
    quotient = []
    for k in range(m - n + 1):
        factor = x[k] / y[0]
        quotient.append(raw.reshape(factor, (1,)))
        x = x - raw.pad(factor * y, literal(y, 0), [(k, m - n - k, 0)])
    if trim_leading_zeros:
        return raw.concatenate(quotient, 0), creation.array(np.trim_zeros(np.asarray(x), "f"))
    return raw.concatenate(quotient, 0), x


def poly(seq_of_zeros: Any) -> Any:
    """Coefficients of the polynomial with the given zeros, or of the characteristic polynomial of a square matrix.

    Raises:
        ValueError: neither a vector nor a square matrix.

    >>> import jitney.numpy as jnp
    >>> jnp.poly(jnp.array([1.0, 2.0]))
    Array([ 1., -3.,  2.], dtype=float64)
    """
    x = (
        creation.array(seq_of_zeros)
        if isinstance(seq_of_zeros, (list, tuple))
        else array_operand("poly", seq_of_zeros)
    )
    shape = get_aval(x).shape
    if len(shape) == 2 and shape[0] == shape[1] > 0:
        from jitney.numpy import linalg

        x = linalg.eigvals(x)
    elif len(shape) > 1:
        raise ValueError(f"poly: input must be 1d or non-empty square 2d array, got shape {shape}.")
    (zeros,) = promote_inexact(_vector("poly", x))
    out = creation.ones(1, get_aval(zeros).dtype)
    for k in range(get_aval(zeros).size):
        out = polymul(out, raw.concatenate([creation.ones(1, get_aval(zeros).dtype), -zeros[k : k + 1]], 0))
    return out
