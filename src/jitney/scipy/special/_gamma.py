"""The gamma function and its kin: logarithms, derivatives, beta functions, incomplete integrals, factorials."""

from __future__ import annotations

import functools
import math
import operator
from fractions import Fraction
from typing import Any

import numpy as np

from jitney import lax
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions, raw
from jitney._ops import special_functions as sf
from jitney._ops.complex_special import log_gamma_p
from jitney.numpy import ufuncs as uf
from jitney.numpy.elementwise import rint
from jitney.numpy.operands import array_operand
from jitney.scipy.operands import floats, promoted, strong, where


def gammaln(x: Any) -> Any:
    """Logarithm of ``|gamma(x)|``; infinite at 0, -1, -2, ...

    >>> from jitney.scipy.special import gammaln
    >>> gammaln(5.0)
    Array(3.17805383, dtype=float64, weak_type=True)
    """
    return gamma_functions.lgamma_p.bind(*floats("gammaln", x))


def loggamma(x: Any) -> Any:
    """Logarithm of the gamma function, for complex ``x`` continued from the positive axis (cut along the negative one).

    NaN for real ``x < 0`` and at complex poles.

    Source: D. Hare, "Computing the principal branch of log-Gamma", J. Algorithms 25 (1997); DLMF 5.5.3, 5.7.3, 5.11.1.

    >>> from jitney.scipy.special import loggamma
    >>> loggamma(1.0 + 1.0j)
    Array(-0.6509232-0.30164032j, dtype=complex128, weak_type=True)
    """
    (x,) = promoted("loggamma", x)
    if get_aval(x).dtype.kind == "c":
        return log_gamma_p.bind(x)
    return where(uf.less(x, 0.0), math.nan, gamma_functions.lgamma_p.bind(x))


def gammasgn(x: Any) -> Any:
    """Sign of the gamma function: 1 or -1; NaN at the poles -1, -2, ..., the sign of the zero at 0."""
    (x,) = floats("gammasgn", x)
    x = strong(x)
    whole = uf.floor(x)
    odd = uf.not_equal(whole * 0.5, uf.floor(whole * 0.5))
    negative = where(uf.equal(x, whole), math.nan, where(odd, -1.0, 1.0))
    at_zero = where(uf.less(1.0 / x, 0.0), -1.0, 1.0)
    elsewhere = where(uf.not_equal(x, x), math.nan, 1.0)
    sign = where(uf.equal(x, 0.0), at_zero, where(uf.less(x, 0.0), negative, elsewhere))
    return ew.convert(sign, get_aval(x).dtype)


def gamma(x: Any) -> Any:
    """Gamma function; NaN at -1, -2, ... and ``-inf``."""
    return sf.tgamma_p.bind(*map(strong, floats("gamma", x)))


def digamma(x: Any) -> Any:
    """Derivative of :func:`gammaln`; NaN at 0, -1, -2, ..."""
    return gamma_functions.digamma_p.bind(*floats("digamma", x))


def polygamma(n: Any, x: Any) -> Any:
    """Derivative of order ``n`` of :func:`digamma`.

    Raises:
        ValueError: if ``n`` is not of an integer dtype.
    """
    n = array_operand("polygamma", n)
    if get_aval(n).dtype.kind not in "iu":
        raise ValueError(
            f"Argument `n` to polygamma must be of integer type. Got dtype {get_aval(n).dtype.name}."
        )
    order, x = floats("polygamma", n, x)
    return gamma_functions.polygamma_p.bind(order, x)


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz zeta function, the sum of ``(k + q)**-x`` over ``k >= 0``; of Riemann with ``q=1``."""
    if q is None:
        raise NotImplementedError(
            "Riemann zeta function is not implemented: pass q=1 (or another q of Hurwitz zeta)."
        )
    return gamma_functions.zeta_p.bind(*floats("zeta", x, q))


def gammainc(a: Any, x: Any) -> Any:
    """Regularized lower incomplete gamma function."""
    return gamma_functions.igamma_p.bind(*floats("gammainc", a, x))


def gammaincc(a: Any, x: Any) -> Any:
    """Regularized upper incomplete gamma function."""
    return gamma_functions.igammac_p.bind(*floats("gammaincc", a, x))


def betainc(a: Any, b: Any, x: Any) -> Any:
    """Regularized incomplete beta function."""
    return gamma_functions.regularized_incomplete_beta_p.bind(*floats("betainc", a, b, x))


# Coefficients of 1/x, 1/x**3, ... in Stirling's series of log(gamma).
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LARGE = 10.0


def _stirling(x: Any) -> Any:
    """``log(gamma(x)) - (x - 1/2) log(x) + x - log(2 pi)/2`` for large ``x``."""
    inverse = 1.0 / uf.square(x)
    out = _STIRLING[-1]
    for c in _STIRLING[-2::-1]:
        out = out * inverse + c
    return out / x


def _log_gamma_ratio(a: Any, b: Any) -> Any:
    """``log(gamma(b) / gamma(a + b))`` for large ``b`` without the cancellation of two logarithms."""
    return _stirling(b) - _stirling(a + b) - (a + b - 0.5) * uf.log1p(a / b) - a * (uf.log(b) - 1.0)


def betaln(a: Any, b: Any) -> Any:
    """Logarithm of ``|beta(a, b)|``.

    For a large argument it uses Stirling's series, as A. DiDonato and A. Morris (Algorithm 708, 1992) do.
    """
    a, b = floats("betaln", a, b)
    a, b = uf.minimum(a, b), uf.maximum(a, b)
    one_large = uf.greater_equal(b, _LARGE) & uf.greater(a, 0.0)
    both_large = uf.greater_equal(a, _LARGE)
    big_b = where(one_large, b, 2 * _LARGE)
    small_a = where(one_large & uf.less(a, _LARGE), a, 1.0)
    half_large = gamma_functions.lgamma_p.bind(small_a) + _log_gamma_ratio(small_a, big_b)
    out = where(
        one_large,
        half_large,
        gamma_functions.lgamma_p.bind(a)
        + gamma_functions.lgamma_p.bind(b)
        - gamma_functions.lgamma_p.bind(a + b),
    )
    return where(both_large, _betaln_large(where(both_large, a, _LARGE), big_b), out)


def _betaln_large(a: Any, b: Any) -> Any:
    ratio = a / b
    correction = _stirling(a) + _stirling(b) - _stirling(a + b)
    powers = (a - 0.5) * uf.log(ratio / (1.0 + ratio)) - b * uf.log1p(ratio)
    return powers - 0.5 * uf.log(b) + (0.5 * math.log(2 * math.pi) + correction)


def beta(a: Any, b: Any) -> Any:
    """Beta function ``gamma(a) gamma(b) / gamma(a + b)``."""
    a, b = floats("beta", a, b)
    direct = _moderate(a) & _moderate(b) & _moderate(a + b)
    x, y = where(direct, a, 1.0), where(direct, b, 1.0)
    total, error = _sum_and_error(x, y)
    rest = sf.rgamma_p.bind(total) * (1.0 - _correction(total, error))
    product = sf.tgamma_p.bind(x) * rest * sf.tgamma_p.bind(y)
    a, b = where(direct, 1.0, a), where(direct, 1.0, b)
    return where(direct, product, gammasgn(a) * gammasgn(b) * gammasgn(a + b) * uf.exp(betaln(a, b)))


def _sum_and_error(x: Any, y: Any) -> tuple[Any, Any]:
    """``x + y`` as rounded, and what rounding took off (D. Knuth); the latter without derivative."""
    total = x + y
    back = total - x
    return total, lax.stop_gradient((x - (total - back)) + (y - back))


def _correction(x: Any, error: Any) -> Any:
    """The relative change of ``gamma(x)`` by an error of ``x``."""
    known = uf.not_equal(error, 0.0)
    return lax.stop_gradient(error * gamma_functions.digamma_p.bind(where(known, x, 1.0)))


def _moderate(x: Any) -> Any:
    """Where the gamma function and its reciprocal, or a product of two, are ordinary numbers."""
    limits = {"float64": 160.0, "float16": 7.0}
    return uf.less(uf.abs(x), limits.get(get_aval(x).dtype.name, 32.0))


def factorial(n: Any, exact: bool = False) -> Any:
    """``gamma(n + 1)``; 0 for negative ``n``.

    Raises:
        NotImplementedError: if ``exact``.
    """
    if exact:
        raise NotImplementedError("factorial with exact=True is not implemented: results are floats.")
    (n,) = floats("factorial", n)
    negative = uf.less(n, 0.0)
    return where(negative, 0.0, sf.tgamma_p.bind(where(negative, 0.0, n) + 1.0))


def comb(N: Any, k: Any, *, repetition: bool = False) -> Any:
    """Number of choices of ``k`` things out of ``N`` (of ``N + k - 1`` with repetition); 0 where there is none."""
    N, k = floats("comb", N, k)
    if repetition:
        return where(uf.equal(N, 0.0) & uf.equal(k, 0.0), 1.0, comb(N + k - 1.0, k))
    valid = uf.less_equal(k, N) & uf.greater_equal(N, 0.0) & uf.greater_equal(k, 0.0)
    top, bottom = where(valid, N, 1.0), where(valid, k, 0.0)
    direct = _moderate(top)
    n, m = where(direct, top, 1.0), where(direct, bottom, 0.0)
    quotient = sf.tgamma_p.bind(n + 1.0) / (sf.tgamma_p.bind(m + 1.0) * sf.tgamma_p.bind(n - m + 1.0))
    whole = uf.equal(uf.floor(n), n) & uf.equal(uf.floor(m), m)
    quotient = quotient + lax.stop_gradient(where(whole, rint(quotient) - quotient, 0.0))
    top, bottom = where(direct, 1.0, top), where(direct, 0.0, bottom)
    large = uf.exp(-betaln(1.0 + top - bottom, 1.0 + bottom)) / (top + 1.0)
    return where(valid, where(direct, quotient, large), 0.0)


def poch(z: Any, m: Any) -> Any:
    """Rising factorial ``gamma(z + m) / gamma(z)``."""
    z, m = floats("poch", z, m)
    end, error = _sum_and_error(z, m)
    # A product of whole many factors: for z <= 0 by reflection, which knows no poles.
    turned = uf.less_equal(z, 0.0) & uf.equal(m, uf.floor(m))
    first, last = where(turned, 1.0 - end, z), where(turned, 1.0 - z, end)
    direct = _moderate(first) & _moderate(last)
    x, y = where(direct, first, 1.0), where(direct, last, 1.0)
    value = sf.tgamma_p.bind(y) * sf.rgamma_p.bind(x)
    value = value * (1.0 + where(direct & ~turned, _correction(y, error), 0.0))
    large = ~direct & uf.greater(first, _LARGE) & uf.greater(last, _LARGE)
    b = where(large, first, 2 * _LARGE)
    value = where(large, uf.exp(-_log_gamma_ratio(where(large, m, 0.0), b)), value)
    rest = direct | large
    x, y = where(rest, 1.0, first), where(rest, 1.0, last)
    other = (
        gammasgn(y)
        * gammasgn(x)
        * uf.exp(gamma_functions.lgamma_p.bind(y) - gamma_functions.lgamma_p.bind(x))
    )
    value = where(rest, value, other)
    odd = uf.not_equal(uf.floor(m * 0.5) * 2.0, m)
    value = where(turned & odd, -value, value)
    return where(uf.equal(m, 0.0), 1.0, value)


def multigammaln(a: Any, d: int) -> Any:
    """Logarithm of the multivariate gamma function of dimension ``d`` (a Python integer)."""
    d = int(d)
    (a,) = floats("multigammaln", a)
    shifts = array_operand("multigammaln", np.arange(d).astype(dtypes.real_dtype(get_aval(a).dtype)) / 2)
    rank = get_aval(a).ndim
    terms = gamma_functions.lgamma_p.bind(raw.expand_dims(a, (rank,)) - raw.expand_dims(shifts, range(rank)))
    return raw.reduce_sum(strong(terms), (rank,)) + d * (d - 1) / 4 * math.log(math.pi)


def bernoulli(n: int) -> Any:
    """Bernoulli's numbers ``B_0`` to ``B_n`` with ``B_1 = -1/2``; infinite from where they exceed the dtype.

    Raises:
        TypeError: if ``n`` is not an int.
        ValueError: if ``n`` is negative.

    Source: tangent numbers by integer arithmetic (R. Brent and D. Harvey, "Fast computation of Bernoulli, tangent and
    secant numbers", 2013).

    >>> from jitney.scipy.special import bernoulli
    >>> bernoulli(2)
    Array([ 1.        , -0.5       ,  0.16666667], dtype=float64)
    """
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"bernoulli needs a non-negative integer n, got {n}.")
    values = np.zeros(n + 1)
    values[: min(n + 1, 2)] = (1.0, -0.5)[: n + 1]
    for k, value in enumerate(_even_bernoulli(min(n // 2, _LAST_BERNOULLI)), 1):
        values[2 * k] = value
    beyond = np.arange(_LAST_BERNOULLI + 1, n // 2 + 1)
    values[2 * beyond] = np.where(beyond % 2, math.inf, -math.inf)
    return array_operand("bernoulli", values.astype(dtypes.default_dtype("f")))


# B_258 is the last below the largest float64.
_LAST_BERNOULLI = 129


@functools.cache
def _even_bernoulli(count: int) -> list[float]:
    """``B_2``, ``B_4``, ..., each the nearest float."""
    tangent = [0] + [1] * count
    for k in range(2, count + 1):
        tangent[k] = (k - 1) * tangent[k - 1]
    for k in range(2, count + 1):
        for j in range(k, count + 1):
            tangent[j] = (j - k) * tangent[j - 1] + (j - k + 2) * tangent[j]
    return [
        float(Fraction((-1) ** (k + 1) * 2 * k * tangent[k], 4**k * (4**k - 1))) for k in range(1, count + 1)
    ]
