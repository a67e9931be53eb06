"""Elementwise primitives of ``scipy.special`` beyond those of ``gamma_functions``: integrals, hypergeometric, Bessel functions.

All have native functions (``_compiler/vmath``), which evaluate them eagerly as well: SciPy's are less accurate in places.
Where a derivative's formula would lose all digits, it is a series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core import plugs
from jitney._core.primitive import Primitive, registry
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions
from jitney._ops.differences import of_power, slope, to_pole
from jitney._ops.families import elementwise, literal, native_function, scipy_function
from jitney._ops.strong_products import chain

_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _native(prim: Primitive) -> Callable[..., Any]:
    """Evaluation at once by the compiled function."""

    def evaluate(*args: Any) -> Any:
        return plugs.evaluate_large(prim, args, [get_aval(x) for x in args], {})

    return evaluate


def _function(name: str, numpy: Callable[..., Any], jvp: Sequence[Callable[..., Any] | None]) -> Primitive:
    prim = elementwise(name, "f", numpy=numpy, jvp=jvp, lower=native_function(name))
    prim.impl = _native(prim)
    return prim


def times(x: Any, value: float) -> Any:
    return ew.mul(literal(x, value), x)


def plus(x: Any, value: float) -> Any:
    return ew.add(literal(x, value), x)


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """By Horner's rule, the lowest power first."""
    *rest, last = coefficients
    if not rest:
        return times(x, 0.0) if last == 0 else plus(times(x, 0.0), last)
    out = plus(times(x, last), rest.pop())
    for c in reversed(rest):
        out = plus(ew.mul(out, x), c)
    return out


def where(which: Any, on_true: Any, on_false: Any) -> Any:
    return ew.select(which, on_true, on_false, get_aval(on_true))


def inside(which: Any, x: Any, value: float) -> Any:
    """``x`` where ``which``, else a harmless value."""
    return ew.select(which, x, literal(x, value), get_aval(x))


# -- error functions --------------------------------------------------------------------------------

# From here on an asymptotic series, of this many terms.
_LARGE, _TERMS = 7.0, 24


def _asymptotic(x: Any, sign: float, ratio: Callable[[int], float]) -> Any:
    """1 + sign r_1/(2 x^2) + r_1 r_2/(2 x^2)^2 + ... for |x| >= _LARGE."""
    coefficients = [1.0]
    for k in range(1, _TERMS):
        coefficients.append(coefficients[-1] * sign * 0.5 * ratio(k))
    return polynomial(ew.integer_pow(x, -2), coefficients)


def _erfcx_jvp(g: Any, y: Any, x: Any) -> Any:
    """2 x y - 2/sqrt(pi), whose parts cancel for large x."""
    far = ew.ge(x, literal(x, _LARGE))
    near = plus(times(ew.mul(inside(ew.not_(far), x, 0.0), y), 2.0), -_TWO_OVER_SQRT_PI)
    large = inside(far, x, _LARGE)
    series = ew.mul(_asymptotic(large, -1.0, lambda k: 2.0 * k + 1.0), ew.integer_pow(large, -2))
    return chain(g, where(far, times(series, -0.5 * _TWO_OVER_SQRT_PI), near))


def _dawsn_jvp(g: Any, y: Any, x: Any) -> Any:
    """1 - 2 x y, likewise."""
    far = ew.ge(ew.abs(x), literal(x, _LARGE))
    near = plus(times(ew.mul(inside(ew.not_(far), x, 0.0), y), -2.0), 1.0)
    large = inside(far, x, _LARGE)
    series = ew.mul(_asymptotic(large, 1.0, lambda k: 2.0 * k + 1.0), ew.integer_pow(large, -2))
    return chain(g, where(far, times(series, -0.5), near))


erfcx_p = _function("erfcx", scipy_function("erfcx"), [_erfcx_jvp])
dawsn_p = _function("dawsn", scipy_function("dawsn"), [_dawsn_jvp])


def _owens_h(g: Any, y: Any, h: Any, a: Any) -> Any:
    bell = ew.exp(times(ew.square(h), -0.5))
    slope = ew.mul(bell, gamma_functions.erf(times(ew.mul(a, h), math.sqrt(0.5))))
    return chain(g, times(slope, -0.5 / math.sqrt(2 * math.pi)))


def _owens_a(g: Any, y: Any, h: Any, a: Any) -> Any:
    length = plus(ew.square(a), 1.0)
    bell = ew.exp(times(ew.mul(ew.square(h), length), -0.5))
    return chain(g, times(ew.div(bell, length), 0.5 / math.pi))


owens_t_p = _function("owens_t", scipy_function("owens_t"), [_owens_h, _owens_a])

# -- exponential integrals --------------------------------------------------------------------------


def _exp1_jvp(g: Any, y: Any, x: Any) -> Any:
    return ew.neg(chain(g, ew.div(ew.exp(ew.neg(x)), x)))


def _expn_jvp(g: Any, y: Any, n: Any, x: Any) -> Any:
    return ew.neg(chain(g, expn_p.bind(plus(n, -1.0), x)))


def _no_slope(name: str, operand: str) -> Callable[..., Any]:
    def rule(g: Any, *_: Any) -> Any:
        raise ValueError(
            f"{name} has no derivative by its order {operand}, which is a whole number. "
            f"Pass lax.stop_gradient({operand}), or differentiate by the other operands."
        )

    return rule


exp1_p = _function("exp1", scipy_function("exp1"), [_exp1_jvp])
expi_p = _function("expi", scipy_function("expi"), [lambda g, y, x: chain(g, ew.div(ew.exp(x), x))])
expn_p = _function("expn", scipy_function("expn"), [None, _expn_jvp])

# -- trigonometric integrals ------------------------------------------------------------------------

_SINC = [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(10)]


def _sinc(x: Any) -> Any:
    """sin(x)/x"""
    small = ew.lt(ew.abs(x), literal(x, 1.0))
    large = inside(ew.not_(small), x, 1.0)
    near = polynomial(ew.square(inside(small, x, 0.0)), _SINC)
    return where(small, near, ew.div(ew.sin(large), large))


sine_integral_p = _function("sine_integral", scipy_function("sici", 0), [lambda g, y, x: chain(g, _sinc(x))])
cosine_integral_p = _function(
    "cosine_integral",
    scipy_function("sici", 1),
    [lambda g, y, x: chain(g, ew.div(ew.cos(inside(ew.ge(x, literal(x, 0.0)), x, math.nan)), x))],
)
fresnel_sine_p = _function(
    "fresnel_sine", scipy_function("fresnel", 0), [lambda g, y, x: chain(g, sin_quarter_p.bind(x))]
)
fresnel_cosine_p = _function(
    "fresnel_cosine", scipy_function("fresnel", 1), [lambda g, y, x: chain(g, cos_quarter_p.bind(x))]
)
# sin and cos of pi x^2 / 2
sin_quarter_p = _function(
    "sin_quarter",
    lambda x: np.sin(np.pi / 2 * np.fmod(np.square(x), 4)),
    [lambda g, y, x: chain(g, times(ew.mul(x, cos_quarter_p.bind(x)), math.pi))],
)
cos_quarter_p = _function(
    "cos_quarter",
    lambda x: np.cos(np.pi / 2 * np.fmod(np.square(x), 4)),
    [lambda g, y, x: chain(g, times(ew.mul(x, sin_quarter_p.bind(x)), -math.pi))],
)

# -- dilogarithm ------------------------------------------------------------------------------------

_LOG_SERIES = [-((-1.0) ** k) / (k + 1) for k in range(28)]


def _spence_jvp(g: Any, y: Any, x: Any) -> Any:
    """log(x)/(1 - x), about 1 its series."""
    u = plus(x, -1.0)
    close = ew.lt(ew.abs(u), literal(x, 0.25))
    near = polynomial(inside(close, u, 0.0), _LOG_SERIES)
    away = inside(ew.not_(close), x, 2.0)
    return chain(g, where(close, near, ew.neg(ew.div(ew.log(away), plus(away, -1.0)))))


spence_p = _function("spence", scipy_function("spence"), [_spence_jvp])

# -- Bessel functions -------------------------------------------------------------------------------


def _bessel_jn_jvp(g: Any, y: Any, n: Any, x: Any) -> Any:
    gap = ew.sub(bessel_jn_p.bind(plus(n, -1.0), x), bessel_jn_p.bind(plus(n, 1.0), x))
    return chain(g, times(gap, 0.5))


bessel_jn_p = _function("bessel_jn", scipy_function("jv"), [_no_slope("bessel_jn", "n"), _bessel_jn_jvp])

# I_1(x)/x in powers of x^2
_I1_SERIES = [0.5 / (4.0**k * math.factorial(k) * math.factorial(k + 1)) for k in range(12)]


def _modified(name: str, scaled: Primitive, jvp: Callable[..., Any]) -> Primitive:
    """A modified Bessel function from the one times e^-|x|; in two steps, as e^|x| overflows before it."""

    def body(x: Any) -> Any:
        x = ew.maximum(ew.minimum(x, literal(x, 1e4)), literal(x, -1e4))  # not 0 times infinity
        half = ew.exp(times(ew.abs(x), 0.5))
        return ew.mul(half, ew.mul(half, scaled.bind(x)))

    prim = elementwise(name, "f", numpy=body, jvp=[jvp])
    prim.expand = body
    return prim


def _i1_jvp(g: Any, y: Any, x: Any) -> Any:
    """I_0(x) - I_1(x)/x"""
    small = ew.lt(ew.abs(x), literal(x, 1.0))
    near = polynomial(ew.square(inside(small, x, 0.0)), _I1_SERIES)
    ratio = where(small, near, ew.div(y, inside(ew.not_(small), x, 1.0)))
    return chain(g, ew.sub(bessel_i0_p.bind(x), ratio))


bessel_i0_p = _modified(
    "bessel_i0", gamma_functions.bessel_i0e_p, lambda g, y, x: chain(g, bessel_i1_p.bind(x))
)
bessel_i1_p = _modified("bessel_i1", gamma_functions.bessel_i1e_p, _i1_jvp)

# -- spherical harmonics ----------------------------------------------------------------------------


def _np_spherical_legendre(n: Any, m: Any, theta: Any) -> Any:
    import scipy.special

    return np.real(scipy.special.sph_harm_y(n.astype(int), m.astype(int), theta, 0.0)).astype(theta.dtype)


def _spherical_legendre_jvp(g: Any, y: Any, n: Any, m: Any, theta: Any) -> Any:
    """Half of sqrt((n-m)(n+m+1)) Y^(m+1) - sqrt((n+m)(n-m+1)) Y^(m-1), of the angle's absolute value."""
    sides = []
    for sign in (1.0, -1.0):
        turn = times(m, sign)
        factor = ew.mul(ew.sub(n, turn), plus(ew.add(n, turn), 1.0))
        factor = ew.sqrt(ew.maximum(factor, literal(n, 0.0)))
        sides.append(ew.mul(factor, spherical_legendre_p.bind(n, plus(m, sign), theta)))
    slope = times(ew.sub(*sides), 0.5)
    return chain(g, ew.select(ew.lt(ew.sin(theta), literal(theta, 0.0)), ew.neg(slope), slope, get_aval(y)))


spherical_legendre_p = _function(
    "spherical_legendre", _np_spherical_legendre, [None, None, _spherical_legendre_jvp]
)

# -- gamma ------------------------------------------------------------------------------------------


tgamma_p = _function(
    "tgamma", scipy_function("gamma"), [lambda g, y, x: chain(g, ew.mul(y, gamma_functions.digamma(x)))]
)
# Its reciprocal.
rgamma_p = _function(
    "rgamma",
    scipy_function("rgamma"),
    [lambda g, y, x: ew.neg(chain(g, ew.mul(y, gamma_functions.digamma(x))))],
)

# -- hypergeometric functions -----------------------------------------------------------------------


def _by_parameter(name: str, place: int, radius: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, y, *xs: slope(registry[name].bind, place, radius, g, y, xs)


def _kummer_x(g: Any, y: Any, a: Any, b: Any, x: Any) -> Any:
    return chain(g, ew.mul(ew.div(a, b), hyp1f1_p.bind(plus(a, 1.0), plus(b, 1.0), x)))


def _kummer_radius(a: Any, b: Any, x: Any) -> Any:
    return of_power(ew.log1p(ew.abs(x)))


hyp1f1_p = _function(
    "hyp1f1",
    scipy_function("hyp1f1"),
    [
        _by_parameter("hyp1f1", 0, _kummer_radius),
        _by_parameter("hyp1f1", 1, lambda a, b, x: to_pole(b, _kummer_radius(a, b, x))),
        _kummer_x,
    ],
)


def _gauss_x(g: Any, y: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    further = hyp2f1_p.bind(plus(a, 1.0), plus(b, 1.0), plus(c, 1.0), x)
    return chain(g, ew.mul(ew.div(ew.mul(a, b), c), further))


def _gauss_radius(a: Any, b: Any, c: Any, x: Any) -> Any:
    gap = ew.maximum(ew.abs(plus(ew.neg(x), 1.0)), literal(x, 1e-300))
    return of_power(ew.log(gap))


hyp2f1_p = _function(
    "hyp2f1",
    scipy_function("hyp2f1"),
    [
        _by_parameter("hyp2f1", 0, _gauss_radius),
        _by_parameter("hyp2f1", 1, _gauss_radius),
        _by_parameter("hyp2f1", 2, lambda a, b, c, x: to_pole(c, _gauss_radius(a, b, c, x))),
        _gauss_x,
    ],
)
