"""Inverse and hyperbolic functions of a complex number, from the functions of its parts: f(re, im) -> (re, im).

Formulas: Kahan, "Branch cuts for complex elementary functions", 1987; Hull, Fairgrieve and Tang, "Implementing the
complex arcsine and arccosine functions using exception handling", ACM TOMS 23, 1997. Where their code has cases, lanes
compute all of them and choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw


class Real:
    """A real value with operators; a Python number beside it becomes a constant of its dtype."""

    __slots__ = ("v",)

    def __init__(self, v: Any) -> None:
        self.v = v

    def like(self, x: Any) -> Any:
        return x.v if isinstance(x, Real) else get_aval(self.v).dtype.type(x)

    def __add__(self, x: Any) -> Real:
        return Real(ew.add(self.v, self.like(x)))

    def __sub__(self, x: Any) -> Real:
        return Real(ew.sub(self.v, self.like(x)))

    def __rsub__(self, x: Any) -> Real:
        return Real(ew.sub(self.like(x), self.v))

    def __mul__(self, x: Any) -> Real:
        return Real(ew.mul(self.v, self.like(x)))

    def __truediv__(self, x: Any) -> Real:
        return Real(ew.div(self.v, self.like(x)))

    def __rtruediv__(self, x: Any) -> Real:
        return Real(ew.div(self.like(x), self.v))

    def __neg__(self) -> Real:
        return Real(ew.neg(self.v))

    def __lt__(self, x: Any) -> Any:
        return ew.lt(self.v, self.like(x))

    def __gt__(self, x: Any) -> Any:
        return ew.gt(self.v, self.like(x))

    def equals(self, x: Any) -> Any:
        return ew.eq(self.v, self.like(x))


def _call(bind: Callable[..., Any]) -> Callable[..., Real]:
    return lambda *xs: Real(bind(*(x.v for x in xs)))


_abs, _sqrt, _exp, _log, _log1p, _expm1 = map(_call, (ew.abs, ew.sqrt, ew.exp, ew.log, ew.log1p, ew.expm1))
_sin, _cos, _sinh, _cosh = map(_call, (ew.sin, ew.cos, ew.sinh, ew.cosh))
_atan2, _largest, _least = map(_call, (ew.atan2_p.bind, ew.maximum, ew.minimum))
_asinh, _asin = map(_call, (ew.asinh_p.bind, ew.asin_p.bind))


def choose(which: Any, on_true: Any, on_false: Any) -> Any:
    """``select`` of operands that may be scalars."""
    shape = np.broadcast_shapes(*(get_aval(x).shape for x in (which, on_true, on_false)))
    return raw.select(fit(which, shape), fit(on_true, shape), fit(on_false, shape))


def fit(x: Any, shape: tuple[int, ...]) -> Any:
    """An operand of an elementwise operation with the shape of its result."""
    own = get_aval(x).shape
    return x if own == shape else raw.broadcast_in_dim(x, shape, tuple(range(len(own))))


def _where(which: Any, on_true: Real, on_false: Real | float) -> Real:
    return Real(choose(which, on_true.v, on_true.like(on_false)))


def _filled(like: Real, value: float) -> Real:
    aval = get_aval(like.v)
    return Real(raw.full(aval.shape, value, aval.dtype))


def _bits(x: Any) -> Any:
    return ew.bitcast_convert_type_p.bind(x, new_dtype=np.dtype(f"i{get_aval(x).dtype.itemsize}"))


def negative(x: Any) -> Any:
    """Whether the sign of a real array is minus, that of a zero included."""
    bits = _bits(x)
    return ew.lt(bits, get_aval(bits).dtype.type(0))


def _signed(size: Real, sign: Real) -> Real:
    """``size``, which is not negative, with a sign."""
    bits, like = _bits(size.v), _bits(sign.v)
    dtype = get_aval(bits).dtype
    out = ew.or_(bits, ew.and_(like, dtype.type(np.iinfo(dtype).min)))
    return Real(ew.bitcast_convert_type_p.bind(out, new_dtype=get_aval(size.v).dtype))


def _function(f: Callable[..., tuple[Real, Real]]) -> Callable[..., tuple[Any, Any]]:
    def call(re: Any, im: Any) -> tuple[Any, Any]:
        x, y = f(Real(re), Real(im))
        return x.v, y.v

    call.__name__, call.__doc__ = f.__name__, f.__doc__
    return call


# -- hyperbolic functions ---------------------------------------------------------------------------


def _tanh(x: Real, y: Real) -> tuple[Real, Real]:
    """(sinh x cosh x + i sin y cos y) / (sinh^2 x + cos^2 y); for large x its limit."""
    far = _abs(x) > 20.0
    near = _where(far, _filled(x, 0.0), x)
    sine, cosine, s = _sin(y), _cos(y), _sinh(near)
    size = s * s + cosine * cosine
    turn = sine * cosine
    decay = _exp(_abs(x) * -2.0) * 4.0
    re = _where(far, _signed(_filled(x, 1.0), x), s * _cosh(near) / size)
    return re, _where(far, turn * decay, turn / size)


def _tan(x: Real, y: Real) -> tuple[Real, Real]:
    """-i tanh(i z)"""
    re, im = _tanh(-y, x)
    return im, -re


# -- inverse sine and cosine ------------------------------------------------------------------------


def _length(a: Real, b: Real) -> Real:
    """sqrt(a^2 + b^2), without overflow."""
    a, b = _abs(a), _abs(b)
    large, small = _largest(a, b), _least(a, b)
    ratio = small / _where(large.equals(0.0), large + 1.0, large)
    return _where(large.equals(np.inf), large, large * _sqrt(ratio * ratio + 1.0))


def _limits(x: Real) -> tuple[float, float, float]:
    """(largest number whose formulas do not overflow, the smallest that do not underflow, unit in the last place)."""
    info = np.finfo(get_aval(x.v).dtype)
    return math.sqrt(float(info.max)) / 8, math.sqrt(float(info.tiny)) * 4, float(info.eps)


def _arc_parts(x: Real, y: Real) -> tuple[Real, Real, Real]:
    """(p, q, h) for x, y >= 0: asin z = atan2(p, q) + i h, acos z = atan2(q, p) - i h."""
    huge, tiny, eps = _limits(x)
    r, s = _length(x + 1.0, y), _length(x - 1.0, y)
    a = (r + s) * 0.5
    apx = a + x
    outside = x > 1.0
    gap = _abs(x - 1.0)
    square = y * y
    first = square / (r + (x + 1.0))
    # s - (x - 1) and s + (1 - x), that which would cancel by its product with the other.
    lean = s + gap
    inside_q = _sqrt(apx * 0.5 * (first + lean))
    outside_q = y * _sqrt((apx / (r + (x + 1.0)) + apx / lean) * 0.5)
    q = _where(outside, outside_q, inside_q)
    excess = (first + _where(outside, lean, square / lean)) * 0.5
    near = _log1p(excess + _sqrt(excess * (a + 1.0)))
    h = _where(a > 10.0, _log(a + _sqrt(a * a - 1.0)), near)
    # Hardly any imaginary part: the real functions.
    thin = y < _largest(gap * eps, _filled(x, tiny))
    flat = _sqrt((x + 1.0) * gap)
    q = _where(thin, _where(outside, y * x / flat, flat), q)
    h = _where(thin, _where(outside, _log1p((x - 1.0) + flat), y / flat), h)
    at_one = ew.and_(thin, gap < tiny)
    q, h = _where(at_one, _sqrt(y), q), _where(at_one, _sqrt(y), h)
    far = ew.or_(x > huge, y > huge)
    ratio = _least(x, y) / _largest(x, y)
    ratio = _where(ratio.equals(ratio), ratio, 1.0)
    h = _where(far, _log(_largest(x, y)) + math.log(2.0) + _log1p(ratio * ratio) * 0.5, h)
    return x, _where(far, y, q), h


def _asin_parts(x: Real, y: Real) -> tuple[Real, Real]:
    p, q, h = _arc_parts(_abs(x), _abs(y))
    return _signed(_atan2(p, q), x), _signed(h, y)


def _acos(x: Real, y: Real) -> tuple[Real, Real]:
    p, q, h = _arc_parts(_abs(x), _abs(y))
    return _atan2(q, _signed(p, x)), -_signed(h, y)


def _asinh_parts(x: Real, y: Real) -> tuple[Real, Real]:
    """-i asin(i z)"""
    re, im = _asin_parts(-y, x)
    return im, -re


def _acosh(x: Real, y: Real) -> tuple[Real, Real]:
    """acos turned by a right angle, with a real part >= 0."""
    re, im = _acos(x, y)
    return _abs(im), _signed(re, y)


# -- inverse tangent --------------------------------------------------------------------------------


def _atanh(x: Real, y: Real) -> tuple[Real, Real]:
    """log1p(4 x / ((1 - x)^2 + y^2)) / 4 + i atan2(2 y, (1 - x)(1 + x) - y^2) / 2"""
    huge, _, _ = _limits(x)
    a, b = _abs(x), _abs(y)
    far = ew.or_(a > huge, b > huge)
    gap = 1.0 - a
    re = _log1p(a * 4.0 / (gap * gap + b * b)) * 0.25
    im = _atan2(b * 2.0, gap * (a + 1.0) - b * b) * 0.5
    # 1/z, as x/|z|^2.
    length = _length(a, b)
    re = _where(far, a / length / length, re)
    re = _where(length.equals(np.inf), _filled(x, 0.0), re)
    im = _where(far, _filled(y, math.pi / 2), im)
    return _signed(_abs(re), x), _signed(im, y)


def _atan(x: Real, y: Real) -> tuple[Real, Real]:
    """-i atanh(i z)"""
    re, im = _atanh(-y, x)
    return im, -re


# -- near 0 -----------------------------------------------------------------------------------------


def _expm1_parts(x: Real, y: Real) -> tuple[Real, Real]:
    """e^x cos y - 1 = expm1(x) cos y - 2 sin^2(y/2)"""
    half = _sin(y * 0.5)
    im = _exp(x) * _sin(y)
    return _expm1(x) * _cos(y) - half * half * 2.0, _where(y.equals(0.0), y, im)


def _log1p_parts(x: Real, y: Real) -> tuple[Real, Real]:
    """|1 + z|^2 = 1 + x (2 + x) + y^2"""
    near = ew.and_(_abs(x) < 0.5, _abs(y) < 1.0)
    close = _log1p(x * (x + 2.0) + y * y) * 0.5
    return _where(near, close, _log(_length(x + 1.0, y))), _atan2(y, x + 1.0)


FUNCTIONS = {
    "tanh": _function(_tanh),
    "tan": _function(_tan),
    "asin": _function(_asin_parts),
    "acos": _function(_acos),
    "asinh": _function(_asinh_parts),
    "acosh": _function(_acosh),
    "atanh": _function(_atanh),
    "atan": _function(_atan),
    "expm1": _function(_expm1_parts),
    "log1p": _function(_log1p_parts),
}
