"""The Faddeeva function and the logarithm of the gamma function of complex numbers, in terms of real functions of the parts.

Both compute in float64 whatever the precision of their operands, and cases are chosen by lanes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core import plugs
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops.families import elementwise_batch, literal, standard_jvp

_F64 = np.dtype(np.float64)


def times(x: Any, value: complex) -> Any:
    return ew.mul(literal(x, value), x)


def plus(x: Any, value: complex) -> Any:
    return ew.add(literal(x, value), x)


def where(which: Any, x: Any, y: Any) -> Any:
    return ew.select(which, x, y, get_aval(which).update(dtype=get_aval(x).dtype))


def parts(z: Any) -> tuple[Any, Any]:
    return tuple(ew.convert(part(z), _F64) for part in (ew.real, ew.imag))


def joined(re: Any, im: Any, like: Any) -> Any:
    dtype = np.dtype(np.float32 if get_aval(like).dtype == np.complex64 else np.float64)
    return ew.complex(ew.convert(re, dtype), ew.convert(im, dtype))


def _function(name: str, body: Callable[[Any], Any], jvp: Callable[..., Any] | None) -> Primitive:
    """A primitive of one complex operand whose meaning is `body`, which differentiates itself if there is no ``jvp``."""
    prim = Primitive(name)
    prim.abstract = lambda z: z
    prim.expand = body
    prim.batch = elementwise_batch(prim)
    if jvp is not None:
        prim.jvp = standard_jvp(prim, [jvp])
    prim.impl = lambda z: plugs.evaluate_large(prim, [z], [get_aval(z)], {})
    return prim


# -- the Faddeeva function --------------------------------------------------------------------------

# M. Al Azah and S. Chandler-Wilde, SIAM J. Numer. Anal. 59 (2021): trapezoidal and midpoint rules of a Gaussian integral
# with the residue of the pole that is near.
_COUNT = 11
_STEP = math.sqrt(math.pi / (_COUNT + 1))


def _rule(x: Any, y: Any, nodes: Sequence[float]) -> tuple[Any, Any]:
    """The parts of 2 i h z/pi times the sum of e^(-t^2)/(z^2 - t^2)."""
    cross = times(ew.mul(x, y), 2.0)
    a, b = None, None
    for t in nodes:
        p = ew.sub(ew.mul(plus(x, -t), plus(x, t)), ew.mul(y, y))
        share = ew.div(literal(p, math.exp(-t * t)), ew.add(ew.mul(p, p), ew.mul(cross, cross)))
        a = ew.mul(share, p) if a is None else ew.add(a, ew.mul(share, p))
        b = ew.mul(share, cross) if b is None else ew.add(b, ew.mul(share, cross))
    factor = 2 * _STEP / math.pi
    # i z (a - i b)
    return (
        times(ew.sub(ew.mul(x, b), ew.mul(y, a)), factor),
        times(ew.add(ew.mul(x, a), ew.mul(y, b)), factor),
    )


def _bell(x: Any, y: Any) -> Any:
    """e^(y^2 - x^2), with squares as sums of exact ones and small rests."""
    high = [ew.convert(ew.convert(v, np.dtype(np.float32)), _F64) for v in (x, y)]
    rest = [ew.mul(ew.sub(v, h), ew.add(v, h)) for v, h in zip((x, y), high, strict=True)]
    top = ew.sub(ew.mul(high[1], high[1]), ew.mul(high[0], high[0]))
    small = ew.sub(rest[1], rest[0])
    few = ew.lt(ew.abs(small), literal(x, 1.0))
    top = where(few, top, ew.add(top, small))
    return ew.mul(ew.exp(top), ew.exp(where(few, small, literal(x, 0.0))))


def _turn(x: Any, y: Any) -> tuple[Any, Any]:
    """cos and sin of 2 x y, likewise."""
    high, low = (ew.convert(ew.convert(v, np.dtype(np.float32)), _F64) for v in (x, y))
    angle = times(ew.mul(high, low), 2.0)
    rest = times(ew.add(ew.mul(ew.sub(x, high), y), ew.mul(high, ew.sub(y, low))), 2.0)
    c, s, c2, s2 = ew.cos(angle), ew.sin(angle), ew.cos(rest), ew.sin(rest)
    return ew.sub(ew.mul(c, c2), ew.mul(s, s2)), ew.add(ew.mul(s, c2), ew.mul(c, s2))


def _quarter(x: Any, y: Any) -> tuple[Any, Any]:
    """w(x + i y) for 0 <= x, 0 <= y, finite."""
    far = ew.gt(ew.maximum(x, y), literal(x, 1e9))
    near_x, near_y = where(far, literal(x, 1.0), x), where(far, literal(x, 1.0), y)
    place = times(near_x, 1 / _STEP)
    fraction = ew.sub(place, ew.floor(place))
    steep = ew.ge(near_y, near_x)
    trapezoid = ew.and_(
        ew.not_(steep),
        ew.le(ew.abs(plus(fraction, -0.5)), literal(x, 0.25)),
    )
    # Each rule at places away from its poles.
    safe = where(trapezoid, literal(x, 1.0), near_x)
    u, v = _rule(safe, near_y, [(k + 0.5) * _STEP for k in range(_COUNT + 1)])
    safe = where(trapezoid, near_x, literal(x, 1.25 * _STEP))
    u2, v2 = _rule(safe, near_y, [k * _STEP for k in range(1, _COUNT + 1)])
    square = ew.add(ew.mul(safe, safe), ew.mul(near_y, near_y))
    # i h/(pi z)
    u2 = ew.add(u2, times(ew.div(near_y, square), _STEP / math.pi))
    v2 = ew.add(v2, times(ew.div(safe, square), _STEP / math.pi))
    u, v = where(trapezoid, u2, u), where(trapezoid, v2, v)
    # The pole's part: 2 e^(-z^2) / (1 +- e^(-2 i pi z/h)).
    low = ew.lt(near_y, literal(x, math.pi / _STEP))
    px, py = (where(low, p, literal(x, 0.5)) for p in (near_x, near_y))
    size = ew.exp(times(py, 2 * math.pi / _STEP))
    size = where(trapezoid, ew.neg(size), size)
    angle = times(ew.sub(times(px, 1 / _STEP), ew.floor(times(px, 1 / _STEP))), 2 * math.pi)
    re, im = plus(ew.mul(size, ew.cos(angle)), 1.0), ew.neg(ew.mul(size, ew.sin(angle)))
    scale = ew.div(times(_bell(px, py), 2.0), ew.add(ew.mul(re, re), ew.mul(im, im)))
    c, s = _turn(px, py)
    s = ew.neg(s)
    # (c + i s) (re - i im)
    pole_u = ew.mul(scale, ew.add(ew.mul(c, re), ew.mul(s, im)))
    pole_v = ew.mul(scale, ew.sub(ew.mul(s, re), ew.mul(c, im)))
    # On the real axis the real part is the bell itself.
    pole_u = where(ew.eq(py, literal(x, 0.0)), _bell(px, py), pole_u)
    u = where(low, ew.add(u, pole_u), u)
    v = where(low, ew.add(v, pole_v), v)
    # i/(sqrt pi z) at infinity
    larger = ew.maximum(x, y)
    larger = where(far, larger, literal(x, 1.0))
    sx, sy = ew.div(x, larger), ew.div(y, larger)
    length = times(ew.mul(larger, ew.add(ew.mul(sx, sx), ew.mul(sy, sy))), math.sqrt(math.pi))
    return where(far, ew.div(sy, length), u), where(far, ew.div(sx, length), v)


def _faddeeva(z: Any) -> Any:
    re, im = parts(z)
    zero = literal(re, 0.0)
    x, y = ew.abs(re), ew.abs(im)
    endless = ew.eq(ew.maximum(x, y), literal(x, math.inf))
    lost = ew.ne(ew.add(x, y), ew.add(x, y))
    other = ew.or_(endless, lost)
    sx, sy = where(other, literal(x, 1.0), x), where(other, literal(x, 1.0), y)
    u, v = _quarter(sx, sy)
    # Below the real axis 2 e^(-z^2) - w(-z).
    below = ew.lt(im, zero)
    bx, by = where(below, sx, literal(x, 1.0)), where(below, sy, literal(x, 1.0))
    bell = times(_bell(bx, by), 2.0)
    cosine, sine = _turn(bx, by)
    wave = where(ew.eq(sine, zero), zero, ew.mul(bell, sine))
    u = where(below, ew.sub(ew.mul(bell, cosine), u), u)
    v = where(below, ew.add(wave, v), v)
    gone = ew.and_(endless, ew.or_(ew.not_(below), ew.lt(y, x)))
    u, v = (where(gone, zero, where(other, literal(x, math.nan), p)) for p in (u, v))
    return joined(u, where(ew.lt(re, zero), ew.neg(v), v), z)


_SERIES = 20


def _faddeeva_jvp(g: Any, y: Any, z: Any) -> Any:
    """-2 z w + 2 i/sqrt(pi); where its parts would cancel, its asymptotic series."""
    size = ew.abs(z)
    far = ew.and_(ew.ge(size, literal(size, 7.0)), ew.lt(size, literal(size, 1e15)))
    direct = plus(times(ew.mul(z, y), -2.0), 2j / math.sqrt(math.pi))
    large = where(far, z, literal(z, 7.0))
    inverse = ew.integer_pow(large, -2)
    total: Any = times(inverse, 0.0)
    coefficients = [1.0]
    for k in range(1, _SERIES):
        coefficients.append(coefficients[-1] * (2 * k + 1) / 2)
    for c in reversed(coefficients):
        total = plus(ew.mul(total, inverse), c)
    series = times(ew.mul(total, inverse), -1j / math.sqrt(math.pi))
    below = ew.lt(ew.imag(large), literal(size, 0.0))
    wave = times(ew.mul(large, ew.exp(ew.neg(ew.mul(large, large)))), -4.0)
    series = where(below, ew.add(series, wave), series)
    return ew.mul(g, where(far, series, direct))


wofz_p = _function("wofz", _faddeeva, _faddeeva_jvp)

# -- the logarithm of the gamma function ------------------------------------------------------------

_STIRLING = [
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
    43867 / 244188,
]
_SHIFT = 8
_EULER = 0.5772156649015329


def _zeta_less_one(k: int) -> float:
    """zeta(k) - 1, by Euler and Maclaurin's formula."""
    n = 40.0
    total = math.fsum(j**-k for j in range(2, int(n)))
    first, rise = n**-k, k * n ** (-k - 1)
    tail = [n * first / (k - 1), first / 2, rise / 12, -rise * (k + 1) * (k + 2) / n**2 / 720]
    rise *= (k + 1) * (k + 2) * (k + 3) * (k + 4) / n**4
    return total + math.fsum([*tail, rise / 30240, -rise * (k + 5) * (k + 6) / n**2 / 1209600])


# log gamma(2 + e) / e (DLMF 5.7.3)
_ABOUT_2 = [1.0 - _EULER, *((-1.0) ** k * _zeta_less_one(k) / k for k in range(2, 44))]


def _complex_polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    *rest, last = coefficients
    out = plus(times(x, last), rest.pop())
    for c in reversed(rest):
        out = plus(ew.mul(out, x), c)
    return out


def _stirling(z: Any) -> Any:
    inverse = ew.div(literal(z, 1.0), z)
    series = ew.mul(inverse, _complex_polynomial(ew.mul(inverse, inverse), _STIRLING))
    main = ew.sub(ew.mul(plus(z, -0.5), ew.log(z)), z)
    return plus(ew.add(main, series), 0.5 * math.log(2 * math.pi))


def _product(z: Any) -> tuple[Any, Any]:
    """z (z+1) ... (z + _SHIFT - 1) for arguments in [0, pi/2), and how often its argument has passed pi."""
    out, count = z, times(ew.real(z), 0.0)
    zero, one = literal(count, 0.0), literal(count, 1.0)
    for k in range(1, _SHIFT):
        before = ew.ge(ew.imag(out), zero)
        out = ew.mul(out, plus(z, float(k)))
        passed = ew.and_(before, ew.lt(ew.imag(out), zero))
        count = ew.add(count, where(passed, one, zero))
    return out, count


def _right(z: Any) -> Any:
    """log gamma for re >= 1/2 (or im > 7), im >= 0."""
    re, im = ew.real(z), ew.imag(z)
    near = ew.and_(ew.lt(re, literal(re, 8.0)), ew.lt(im, literal(re, 8.0)))
    away = where(near, literal(z, 9.0), z)
    close = where(near, z, literal(z, 1.0))
    product, count = _product(close)
    shifted = ew.sub(_stirling(plus(close, float(_SHIFT))), ew.log(product))
    shifted = ew.sub(shifted, ew.complex(times(count, 0.0), times(count, 2 * math.pi)))
    value = where(near, shifted, _stirling(away))
    # About the zeros 1 and 2.
    for centre, reach in ((1.0, 0.6), (2.0, 0.8)):
        here = ew.lt(ew.abs(plus(z, -centre)), literal(re, reach))
        e = where(here, plus(z, -centre), literal(z, 0.0))
        series = ew.mul(e, _complex_polynomial(e, _ABOUT_2))
        value = where(here, ew.sub(series, ew.log1p(e)) if centre == 1.0 else series, value)
    return value


def _log_gamma(z: Any) -> Any:
    """By conjugation above the real axis; left of 1/2 there by reflection (DLMF 5.5.3), the sine written by exponentials."""
    dtype = get_aval(z).dtype
    z = ew.convert(z, np.dtype(np.complex128))
    re, im = ew.real(z), ew.imag(z)
    under = ew.lt(im, literal(im, 0.0))
    height = ew.select(under, ew.neg(im), im, get_aval(im))
    left = ew.and_(ew.lt(re, literal(re, 0.5)), ew.lt(height, literal(re, 7.0)))
    place = where(left, plus(ew.neg(re), 1.0), re)
    value = _right(ew.complex(place, height))
    whole = ew.round_p.bind(re, rounding_method=1)
    sx, sy = where(left, ew.sub(re, whole), literal(re, 0.25)), where(left, height, literal(re, 1.0))
    pole = ew.and_(left, ew.and_(ew.eq(sx, literal(re, 0.0)), ew.eq(sy, literal(re, 0.0))))
    sx = where(pole, literal(re, math.nan), sx)
    # log(1 - e^(2 pi i z)) and log pi + log 2 - i pi/2 + i pi z
    gap = ew.neg(ew.expm1(ew.complex(times(sy, -2 * math.pi), times(sx, 2 * math.pi))))
    flat = where(left, re, literal(re, 0.0))
    line = ew.complex(plus(times(sy, -math.pi), math.log(2 * math.pi)), times(plus(flat, -0.5), math.pi))
    reflected = ew.sub(ew.sub(line, ew.log(gap)), ew.conj(value))
    value = where(left, reflected, value)
    value = where(under, ew.conj(value), value)
    return ew.convert(value, dtype)


log_gamma_p = _function("log_gamma", _log_gamma, None)
