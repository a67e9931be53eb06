"""Elementwise primitives: error functions, gamma and beta functions, zeta, Bessel functions i0e and i1e.

Those that ``lax`` has; ``special_functions.py`` has the others of ``scipy.special``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops.families import elementwise, literal, native_function, scipy_function
from jitney._ops.strong_products import chain, stopped

_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _np_lgamma(x: Any) -> Any:
    return np.where(x == -np.inf, np.asarray(np.inf, x.dtype), scipy_function("gammaln")(x))


erf_p = elementwise(
    "erf",
    "f",
    numpy=scipy_function("erf"),
    jvp=[lambda g, y, x: ew.mul(literal(x, _TWO_OVER_SQRT_PI), ew.mul(g, ew.exp(ew.neg(ew.square(x)))))],
    lower=native_function("erf"),
)
erfc_p = elementwise(
    "erfc",
    "f",
    numpy=scipy_function("erfc"),
    jvp=[lambda g, y, x: ew.mul(literal(x, -_TWO_OVER_SQRT_PI), ew.mul(g, ew.exp(ew.neg(ew.square(x)))))],
    lower=native_function("erfc"),
)
erf_inv_p = elementwise(
    "erf_inv",
    "f",
    numpy=scipy_function("erfinv"),
    jvp=[lambda g, y, x: ew.mul(literal(x, 1 / _TWO_OVER_SQRT_PI), chain(g, ew.exp(ew.square(y))))],
    lower=native_function("erf_inv"),
)
lgamma_p = elementwise(
    "lgamma",
    "f",
    numpy=_np_lgamma,
    jvp=[lambda g, y, x: chain(g, digamma(x))],
    lower=native_function("lgamma"),
)
digamma_p = elementwise(
    "digamma",
    "f",
    numpy=scipy_function("digamma"),
    jvp=[lambda g, y, x: chain(g, polygamma(literal(x, 1.0), x))],
    lower=native_function("digamma"),
)


def _no_derivative(name: str, operand: str) -> Any:
    """The rule of an operand whose derivative is not known: better an error than a zero."""

    def rule(g: Any, y: Any, *xs: Any) -> Any:
        raise ValueError(
            f"The derivative of {name} with respect to {operand} is not supported. "
            f"If it is not needed, pass lax.stop_gradient({operand})."
        )

    return rule


def _slope(name: str, *first: Any) -> Any:
    """The rule `name` of parameter_slopes, which is made of primitives of this module."""

    def rule(*args: Any) -> Any:
        from jitney._ops import parameter_slopes

        return getattr(parameter_slopes, name)(*first, *args)

    return rule


def _np_polygamma(m: Any, x: Any) -> Any:
    import scipy.special

    m, x = np.broadcast_arrays(m, x)
    series = (-1.0) ** (m + 1) * scipy.special.gamma(m + 1.0) * scipy.special.zeta(m + 1.0, x)
    return np.where(m == 0, scipy.special.digamma(x), series).astype(x.dtype)


def _polygamma_jvp(g: Any, y: Any, m: Any, x: Any) -> Any:
    return chain(g, polygamma(ew.add(m, literal(m, 1.0)), x))


def _lower_polygamma(b: Any, m: Any, x: Any) -> Any:
    """The orders that derivatives of gammaln and digamma ask for have functions of their own."""
    order = m.attr.value if m.op == "const" else None
    return b.math({0: "digamma", 1: "trigamma"}[order], x) if order in (0, 1) else b.math("polygamma", m, x)


polygamma_p = elementwise(
    "polygamma",
    "f",
    numpy=_np_polygamma,
    jvp=[_no_derivative("polygamma", "m"), _polygamma_jvp],
    lower=_lower_polygamma,
)
zeta_p = elementwise(
    "zeta",
    "f",
    numpy=scipy_function("zeta"),
    jvp=[
        _slope("zeta"),
        lambda g, y, x, q: chain(ew.neg(chain(g, x)), zeta(ew.add(x, literal(x, 1.0)), q)),
    ],
    lower=native_function("zeta"),
)
bessel_i0e_p = elementwise(
    "bessel_i0e",
    "f",
    numpy=scipy_function("i0e"),
    jvp=[lambda g, y, x: chain(g, ew.sub(bessel_i1e(x), ew.mul(ew.sign(x), y)))],
    lower=native_function("bessel_i0e"),
)


def _bessel_i1e_jvp(g: Any, y: Any, x: Any) -> Any:
    """d i1e/dx = i0e - i1e (sign x + 1/x), whose limit at 0 is one half."""
    tiny = literal(x, float(np.finfo(get_aval(x).dtype).eps))
    at_zero = ew.le(ew.abs(x), tiny)
    aval = get_aval(x)
    safe = ew.select(at_zero, tiny, x, aval)
    slope = ew.sub(bessel_i0e(safe), ew.mul(y, ew.add(ew.sign(safe), ew.div(literal(x, 1.0), safe))))
    return chain(g, ew.select(at_zero, literal(x, 0.5), slope, aval))


bessel_i1e_p = elementwise(
    "bessel_i1e", "f", numpy=scipy_function("i1e"), jvp=[_bessel_i1e_jvp], lower=native_function("bessel_i1e")
)


def _igamma_dx(g: Any, a: Any, x: Any) -> Any:
    """d P(a, x)/dx = x**(a-1) exp(-x) / Gamma(a), through logarithms."""
    return chain(
        g, ew.exp(ew.sub(ew.sub(stopped(ew.log(x), ew.sub(a, literal(a, 1.0)), ahead=True), x), lgamma(a)))
    )


def _np_igamma_grad_a(a: Any, x: Any) -> Any:
    """d P(a, x)/da, term by term of ``P = sum of x**(a+n) exp(-x) / Gamma(a+n+1)``.

    The terms are probabilities of a Poisson distribution of mean ``x`` at ``a + n``, which vanish ten standard
    deviations away from ``x``.
    """
    import scipy.special

    dtype = x.dtype
    a, x = (v.astype(np.float64) for v in np.broadcast_arrays(a, x))
    inside = (a > 0) & (x > 0) & (x < np.inf)
    outside = np.where((a > 0) & ((x == 0) | (x == np.inf)), 0.0, np.nan)
    a, x = np.where(inside, a, 1.0), np.where(inside, x, 1.0)
    width = np.sqrt(x)
    place = a + np.maximum(np.floor(x - a - 10 * width - 20), 0)
    log_x = np.log(x)
    term = np.exp(place * log_x - x - scipy.special.gammaln(place + 1))
    slope = log_x - scipy.special.digamma(place + 1)
    total = np.zeros_like(x)
    for _ in range(int(20 * np.max(width, initial=0.0)) + 60):
        total += term * slope
        place += 1
        term *= x / place
        slope -= 1 / place
    return np.where(inside, total, outside).astype(dtype)


igamma_grad_a_p = elementwise(
    "igamma_grad_a",
    "f",
    numpy=_np_igamma_grad_a,
    jvp=[_slope("igamma_grad_a"), _slope("igamma_grad_x")],
    lower=native_function("igamma_grad_a"),
)


def _np_random_gamma_grad(a: Any, x: Any) -> Any:
    """-(dP/da) / (dP/dx)"""
    import scipy.special

    dtype = x.dtype
    a, x = (v.astype(np.float64) for v in np.broadcast_arrays(a, x))
    inside = (a > 0) & (x > 0) & (x < np.inf)
    safe_a, safe_x = np.where(inside, a, 1.0), np.where(inside, x, 1.0)
    log_density = (safe_a - 1) * np.log(safe_x) - safe_x - scipy.special.gammaln(safe_a)
    slope = -_np_igamma_grad_a(a, x)
    return np.where(inside, slope / np.exp(log_density), slope).astype(dtype)


random_gamma_grad_p = elementwise(
    "random_gamma_grad",
    "f",
    numpy=_np_random_gamma_grad,
    jvp=[_slope("random_gamma_grad_a"), _slope("random_gamma_grad_x")],
    lower=native_function("random_gamma_grad"),
)
igamma_p = elementwise(
    "igamma",
    "f",
    numpy=scipy_function("gammainc"),
    jvp=[lambda g, y, a, x: chain(g, igamma_grad_a_p.bind(a, x)), lambda g, y, a, x: _igamma_dx(g, a, x)],
    lower=native_function("igamma"),
)
igammac_p = elementwise(
    "igammac",
    "f",
    numpy=scipy_function("gammaincc"),
    jvp=[
        lambda g, y, a, x: ew.neg(chain(g, igamma_grad_a_p.bind(a, x))),
        lambda g, y, a, x: ew.neg(_igamma_dx(g, a, x)),
    ],
    lower=native_function("igammac"),
)


def _betainc_dx(g: Any, y: Any, a: Any, b: Any, x: Any) -> Any:
    one = literal(x, 1.0)
    log_beta = ew.sub(ew.add(lgamma(a), lgamma(b)), lgamma(ew.add(a, b)))
    log_density = ew.sub(
        ew.add(
            stopped(ew.log(x), ew.sub(a, one), ahead=True),
            stopped(ew.log1p(ew.neg(x)), ew.sub(b, one), ahead=True),
        ),
        log_beta,
    )
    return chain(g, ew.exp(log_density))


regularized_incomplete_beta_p = elementwise(
    "regularized_incomplete_beta",
    "f",
    numpy=scipy_function("betainc"),
    jvp=[_slope("betainc", 0), _slope("betainc", 1), _betainc_dx],
    lower=native_function("betainc"),
)

# -- raw operations: operands already have matching dtypes ------------------------------------------

erf, lgamma, digamma, polygamma, zeta = (p.bind for p in (erf_p, lgamma_p, digamma_p, polygamma_p, zeta_p))
bessel_i0e, bessel_i1e = bessel_i0e_p.bind, bessel_i1e_p.bind

__all__ = sorted(name for name in globals() if name.endswith("_p"))
