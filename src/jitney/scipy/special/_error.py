"""Error functions and the normal distribution function with its logarithm and inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jitney._ops import gamma_functions
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, is_narrow, strong, where

_SQRT_HALF = math.sqrt(0.5)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def erf(x: Any) -> Any:
    """Error function ``2/sqrt(pi) * integral of exp(-t**2) from 0 to x``."""
    return gamma_functions.erf_p.bind(*floats("erf", x))


def erfc(x: Any) -> Any:
    """``1 - erf(x)``, accurate for large ``x``."""
    return gamma_functions.erfc_p.bind(*floats("erfc", x))


def erfinv(x: Any) -> Any:
    """Inverse of :func:`erf`; infinite at -1 and 1, NaN beyond."""
    return gamma_functions.erf_inv_p.bind(*floats("erfinv", x))


def ndtr(x: Any) -> Any:
    """Probability that a standard normal variable is at most ``x``.

    >>> from jitney.scipy.special import ndtr
    >>> ndtr(0.0)
    Array(0.5, dtype=float64)
    """
    (x,) = floats("ndtr", x)
    return 0.5 * gamma_functions.erfc_p.bind(strong(x) * -_SQRT_HALF)


def log_ndtr(x: Any, series_order: int = 3) -> Any:
    """Logarithm of :func:`ndtr`, with full relative accuracy in both tails.

    Far to the left it is an asymptotic series of at least ``series_order`` terms (Abramowitz and Stegun 26.2.12).

    Raises:
        TypeError: if ``series_order`` is not an int.
        ValueError: if ``series_order`` is outside [0, 30].
    """
    if not isinstance(series_order, int):
        raise TypeError("series_order must be a Python integer.")
    if not 0 <= series_order <= 30:
        raise ValueError(f"series_order must lie in [0, 30], got {series_order}.")
    (x,) = floats("log_ndtr", x)
    x = strong(x)
    limit = -7.0 if is_narrow(x) else -20.0
    far = x < limit
    # Each branch gets arguments at which it and its derivatives are finite.
    # Beyond -20 the square of the tail, which second derivatives divide by, would soon be zero.
    near_x = where(far, limit, x)
    right = near_x > 0
    tail = 0.5 * gamma_functions.erfc_p.bind(_SQRT_HALF * where(right, near_x, -near_x))
    near = where(right, uf.log1p(-tail), uf.log(where(right, 0.5, tail)))
    return where(far, _log_ndtr_series(where(far, x, limit), max(series_order, 8)), near)


def _log_ndtr_series(x: Any, terms: int) -> Any:
    """``log(phi(x) / -x) + log(1 - 1/x**2 + 3/x**4 - 15/x**6 ...)`` for large negative ``x``."""
    inverse = 1.0 / uf.square(x)
    tail = 0.0
    for k in range(2 * terms - 1, 0, -2):
        tail = -k * inverse * (1.0 + tail)
    return -0.5 * uf.square(x) - uf.log(-x) - _HALF_LOG_2PI + uf.log1p(tail)


# M. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution (Applied Statistics 37, 1988).
_CENTRE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258,
        3.64784832476320460504,
        5.76949722146069140550,
        4.63033784615654529590,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940,
        2.05319162663775882187,
        1.0,
    ),
)
_FAR = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580,
        5.46378491116411436990,
        6.65790464350110377720,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    out = coefficients[0]
    for c in coefficients[1:]:
        out = out * x + c
    return out


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Any) -> Any:
    top, bottom = coefficients
    return _polynomial(top, x) / _polynomial(bottom, x)


def ndtri(p: Any) -> Any:
    """Inverse of :func:`ndtr`: infinite at 0 and 1, NaN outside [0, 1].

    Source: M. Wichura, Algorithm AS 241 (1988), of 16 digits.
    """
    (p,) = floats("ndtri", p)
    p = strong(p)
    q = p - 0.5
    central = uf.abs(q) <= 0.425
    inner = where(central, q, 0.0)
    centre = inner * _ratio(_CENTRE, 0.180625 - uf.square(inner))
    tail = where(q < 0, p, 1.0 - p)
    r = uf.sqrt(-uf.log(where(central | (tail <= 0), 0.05, tail)))
    outer = where(r <= 5.0, _ratio(_MIDDLE, r - 1.6), _ratio(_FAR, r - 5.0))
    outer = where(tail > 0, outer, where(tail == 0, math.inf, math.nan))
    return where(central, centre, where(q < 0, -outer, outer))
