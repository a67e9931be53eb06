"""Elementwise primitives: one row each.

A row's ``jvp[i](g, y, *xs)`` is the tangent contribution of operand ``i``: ``g`` its tangent, ``y`` the
result, ``xs`` the operands.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._kernel import index as ix
from jitney._kernel.rules import Map, Pull
from jitney._ops import raw
from jitney._ops.families import (
    align_batch,
    bilinear_transpose,
    broadcast_like,
    common_shape,
    elementwise,
    literal,
    native_function,
    unbroadcast,
)
from jitney._ops.families import linear as _linear
from jitney._ops.strong_products import active, chain, chain_over, chain_stopped, stopped

_BOOL = np.dtype(bool)
REAL = "iuf"
NUMBER = "iufc"
ANY = "biufc"
INEXACT = "fc"


def _is_complex(x: Any) -> bool:
    return get_aval(x).dtype.kind == "c"


# -- arithmetic -------------------------------------------------------------------------------------


def _add_transpose(ct: Any, x: Any, y: Any) -> list[Any]:
    return [unbroadcast(ct, v.aval) if is_undefined(v) else None for v in (x, y)]


def _sub_transpose(ct: Any, x: Any, y: Any) -> list[Any]:
    return [
        unbroadcast(ct, x.aval) if is_undefined(x) else None,
        neg(unbroadcast(ct, y.aval)) if is_undefined(y) else None,
    ]


def _np_add(x: Any, y: Any) -> Any:
    return np.logical_or(x, y) if x.dtype == _BOOL else np.add(x, y)


def _np_mul(x: Any, y: Any) -> Any:
    return np.logical_and(x, y) if x.dtype == _BOOL else np.multiply(x, y)


neg_p = elementwise(
    "neg", NUMBER, numpy=np.negative, jvp=[lambda g, y, x: neg(g)], lower=lambda b, x: b.neg(x)
)
neg_p.transpose = lambda ct, x: [neg(ct)]

add_p = elementwise(
    "add",
    ANY,
    numpy=_np_add,
    jvp=[lambda g, z, x, y: g, lambda g, z, x, y: g],
    transpose=_add_transpose,
    lower=lambda b, x, y: b.add(x, y),
)
add_any_p = elementwise(
    "add_any",
    ANY,
    numpy=_np_add,
    jvp=[lambda g, z, x, y: g, lambda g, z, x, y: g],
    transpose=_add_transpose,
    lower=lambda b, x, y: b.add(x, y),
)
sub_p = elementwise(
    "sub",
    NUMBER,
    numpy=np.subtract,
    jvp=[lambda g, z, x, y: g, lambda g, z, x, y: neg(g)],
    transpose=_sub_transpose,
    lower=lambda b, x, y: b.sub(x, y),
)
mul_p = elementwise(
    "mul",
    ANY,
    numpy=_np_mul,
    jvp=[lambda g, z, x, y: stopped(g, y), lambda g, z, x, y: stopped(g, x, ahead=True)],
    transpose=bilinear_transpose(
        lambda ct, y, aval: unbroadcast(mul(ct, y), aval),
        lambda ct, x, aval: unbroadcast(mul(x, ct), aval),
    ),
    lower=lambda b, x, y: b.mul(x, y),
)


def _np_div(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        return np.true_divide(x, y)
    safe = np.where(y == 0, 1, y)
    quotient = x // safe
    quotient = quotient + ((quotient < 0) & (quotient * safe != x))  # floor -> toward zero
    return np.where(y == 0, np.asarray(-1).astype(x.dtype), quotient).astype(x.dtype)


def _np_rem(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        return np.fmod(x, y)
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, 1, y))).astype(x.dtype)


div_p = elementwise(
    "div",
    NUMBER,
    numpy=_np_div,
    jvp=[
        lambda g, z, x, y: chain_over(g, y),
        lambda g, z, x, y: _by_divisor(g, x, y),
    ],
    transpose=lambda ct, x, y: [unbroadcast(div(ct, y), x.aval), None],
    lower=lambda b, x, y: b.div(x, y),
)


def _by_divisor(g: Any, x: Any, y: Any) -> Any:
    """The tangent of ``x / y`` by ``y``: as long as zero is strong, it meets the pole first, and ``x`` after it."""
    if not active():
        return mul(mul(neg(g), x), integer_pow(y, -2))
    return stopped(chain(neg(g), integer_pow(y, -2)), x)


rem_p = elementwise(
    "rem",
    REAL,
    numpy=_np_rem,
    jvp=[
        lambda g, z, x, y: broadcast_like(g, get_aval(z)),
        lambda g, z, x, y: chain(neg(g), round_to_zero(div(x, y))),
    ],
    lower=lambda b, x, y: b.rem(x, y),
)
max_p = elementwise(
    "max",
    ANY,
    numpy=np.maximum,
    jvp=[lambda g, z, x, y: _to_chosen(g, x, z, y), lambda g, z, x, y: _to_chosen(g, y, z, x)],
    lower=lambda b, x, y: b.max(x, y),
)
min_p = elementwise(
    "min",
    ANY,
    numpy=np.minimum,
    jvp=[lambda g, z, x, y: _to_chosen(g, x, z, y), lambda g, z, x, y: _to_chosen(g, y, z, x)],
    lower=lambda b, x, y: b.min(x, y),
)


def _to_chosen(g: Any, x: Any, z: Any, y: Any) -> Any:
    """``g`` where ``z`` came from ``x``, 0 where from ``y``, half of it at ties."""
    aval = get_aval(z)
    one, zero, half = (literal(z, v) for v in (1.0, 0.0, 0.5))
    tie = select(eq(y, z), half, one, aval)
    if active():
        return select(eq(x, z), mul(g, tie), zero, aval)
    return mul(g, select(eq(x, z), tie, zero, aval))


def select(which: Any, on_true: Any, on_false: Any, aval: Any) -> Any:
    """``where(which, on_true, on_false)`` for operands that broadcast to ``aval``."""
    return select_n_p.bind(
        broadcast_like(which, shaped_array(aval.shape, _BOOL)),
        broadcast_like(on_false, aval),
        broadcast_like(on_true, aval),
    )


# -- powers and roots -------------------------------------------------------------------------------


def _np_integer_pow(x: Any, *, y: int) -> Any:
    if y >= 0:
        return np.power(x, np.asarray(y, dtype=x.dtype) if x.dtype.kind in "iu" else y).astype(x.dtype)
    if x.dtype.kind in "iu":
        raise TypeError(
            f"Integers cannot be raised to negative powers, got integer_pow[y={y}] of {x.dtype.name}"
        )
    return np.reciprocal(np.power(x, -y)).astype(x.dtype)


def _lower_integer_pow(b: Any, x: Any, *, y: int) -> Any:
    """Repeated squaring; the reciprocal of the positive power if ``y`` is negative."""
    n, square, result = (y if y > 0 else -y), x, None
    while n:
        if n & 1:
            result = square if result is None else b.mul(result, square)
        n >>= 1
        if n:
            square = b.mul(square, square)
    if result is None:
        return b.const(1, x.dtype)
    return result if y > 0 else b.div(b.const(1, x.dtype), result)


def _integer_pow_jvp(g: Any, ans: Any, x: Any, *, y: int) -> Any:
    if y == 0:
        return mul(g, literal(x, 0.0))
    return (stopped if y > 1 else chain)(g, mul(literal(x, y), x if y == 2 else integer_pow(x, y - 1)))


integer_pow_p = elementwise(
    "integer_pow", NUMBER, numpy=_np_integer_pow, jvp=[_integer_pow_jvp], lower=_lower_integer_pow
)


def _pow_jvp_base(g: Any, ans: Any, x: Any, y: Any) -> Any:
    aval = get_aval(y)
    exponent = y if aval.dtype == get_aval(x).dtype else convert(y, get_aval(x).dtype)
    lower = sub(y, literal(y, 1))
    if aval.dtype.kind in "iu":  # not 0 * 0**-1: the derivative of x**0 is 0, also at 0
        lower = select(eq(y, literal(y, 0)), literal(y, 1), lower, aval)
    return chain_stopped(g, stopped(pow(x, lower), exponent, ahead=True))


def _pow_jvp_exponent(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """d(x**y)/dy = log(x) x**y, with log(0) replaced so that 0**y has derivative 0 for y > 0."""
    safe = select(eq(x, literal(x, 0.0)), literal(x, 1.0), x, get_aval(x))
    return chain_stopped(g, stopped(log(safe), ans))


def _lower_pow(b: Any, x: Any, y: Any) -> Any:
    """Powers that need no logarithm, if the exponent is written in the program: their error is below 1 ulp as well."""
    exponent = y.attr.value if y.op == "const" else None
    if exponent in (1, 2, 3):
        return b.integer_pow(x, int(exponent))
    if exponent == -1:
        return b.div(b.const(1, x.dtype), x)
    if exponent == 0.5 and x.dtype.kind == "f":
        endless = b.const(np.inf, x.dtype)
        root = b.sqrt(b.add(x, b.const(0, x.dtype)))
        return b.select(b.eq(x, b.neg(endless)), endless, root)
    return b.pow(x, b.cast(y, x.dtype))


pow_p = elementwise(
    "pow",
    NUMBER,
    numpy=lambda x, y: np.power(x, y).astype(x.dtype),
    jvp=[_pow_jvp_base, _pow_jvp_exponent],
    same_dtype=False,
    lower=_lower_pow,
)
_pow_type = pow_p.abstract


def _pow_abstract(x: Any, y: Any) -> Any:
    if y.dtype != x.dtype and (dtypes.is_inexact(y.dtype) or y.dtype == _BOOL):
        raise TypeError(
            f"pow needs an exponent of the dtype of the base or of integer dtype, got {x.dtype.name} and {y.dtype.name}. "
            "Cast one with x.astype(...), or use jitney.numpy.power."
        )
    return _pow_type(x, y)


pow_p.abstract = _pow_abstract
sqrt_p = elementwise(
    "sqrt",
    INEXACT,
    numpy=np.sqrt,
    jvp=[lambda g, y, x: chain(g, div(literal(x, 0.5), y))],
    lower=lambda b, x: b.sqrt(x),
)
rsqrt_p = elementwise(
    "rsqrt",
    INEXACT,
    numpy=lambda x: np.reciprocal(np.sqrt(x)),
    jvp=[lambda g, y, x: chain(g, mul(literal(x, -0.5), div(y, x)))],
    lower=lambda b, x: b.div(b.const(1, x.dtype), b.sqrt(x)),
)
cbrt_p = elementwise(
    "cbrt",
    "f",
    numpy=np.cbrt,
    jvp=[lambda g, y, x: chain(g, mul(literal(x, 1 / 3), integer_pow(y, -2)))],
    lower=native_function("cbrt"),
)
square_p = elementwise(
    "square",
    NUMBER,
    numpy=np.square,
    jvp=[lambda g, y, x: stopped(g, mul(literal(x, 2.0), x))],
    lower=lambda b, x: b.mul(x, x),
)

# -- exponentials -----------------------------------------------------------------------------------

exp_p = elementwise(
    "exp", INEXACT, numpy=np.exp, jvp=[lambda g, y, x: stopped(g, y)], lower=native_function("exp")
)
exp2_p = elementwise(
    "exp2",
    INEXACT,
    numpy=np.exp2,
    jvp=[lambda g, y, x: stopped(g, mul(literal(x, math.log(2.0)), y))],
    lower=native_function("exp2"),
)
log_p = elementwise(
    "log", INEXACT, numpy=np.log, jvp=[lambda g, y, x: chain_over(g, x)], lower=native_function("log")
)
expm1_p = elementwise(
    "expm1",
    INEXACT,
    numpy=np.expm1,
    jvp=[lambda g, y, x: stopped(g, add(y, literal(x, 1.0)))],
    lower=native_function("expm1"),
)
log1p_p = elementwise(
    "log1p",
    INEXACT,
    numpy=np.log1p,
    jvp=[lambda g, y, x: chain_over(g, add(x, literal(x, 1.0)))],
    lower=native_function("log1p"),
)
logistic_p = elementwise(
    "logistic",
    INEXACT,
    numpy=lambda x: np.reciprocal(1 + np.exp(-x)),
    jvp=[lambda g, y, x: mul(g, mul(y, sub(literal(x, 1.0), y)))],
    lower=native_function("logistic"),
)

# -- trigonometric and hyperbolic -------------------------------------------------------------------


def _one_minus_square(x: Any) -> Any:
    return sub(literal(x, 1.0), square(x))


sin_p = elementwise(
    "sin", INEXACT, numpy=np.sin, jvp=[lambda g, y, x: stopped(g, cos(x))], lower=native_function("sin")
)
cos_p = elementwise(
    "cos", INEXACT, numpy=np.cos, jvp=[lambda g, y, x: neg(stopped(g, sin(x)))], lower=native_function("cos")
)
tan_p = elementwise(
    "tan",
    INEXACT,
    numpy=np.tan,
    jvp=[lambda g, y, x: chain(g, add(literal(x, 1.0), square(y)))],
    lower=native_function("tan"),
)
asin_p = elementwise(
    "asin",
    INEXACT,
    numpy=np.arcsin,
    jvp=[lambda g, y, x: chain(g, rsqrt(_one_minus_square(x)))],
    lower=native_function("asin"),
)
acos_p = elementwise(
    "acos",
    INEXACT,
    numpy=np.arccos,
    jvp=[lambda g, y, x: chain(g, neg(rsqrt(_one_minus_square(x))))],
    lower=native_function("acos"),
)
atan_p = elementwise(
    "atan",
    INEXACT,
    numpy=np.arctan,
    jvp=[lambda g, y, x: div(g, add(literal(x, 1.0), square(x)))],
    lower=native_function("atan"),
)
atan2_p = elementwise(
    "atan2",
    "f",
    numpy=np.arctan2,
    jvp=[
        lambda g, z, x, y: chain_stopped(g, chain_over(y, add(square(x), square(y)))),
        lambda g, z, x, y: chain_stopped(g, chain_over(neg(x), add(square(x), square(y)))),
    ],
    lower=native_function("atan2"),
)
sinh_p = elementwise(
    "sinh", INEXACT, numpy=np.sinh, jvp=[lambda g, y, x: chain(g, cosh(x))], lower=native_function("sinh")
)
cosh_p = elementwise(
    "cosh", INEXACT, numpy=np.cosh, jvp=[lambda g, y, x: stopped(g, sinh(x))], lower=native_function("cosh")
)
tanh_p = elementwise(
    "tanh",
    INEXACT,
    numpy=np.tanh,
    jvp=[lambda g, y, x: mul(g, _one_minus_square(y))],
    lower=native_function("tanh"),
)
asinh_p = elementwise(
    "asinh",
    INEXACT,
    numpy=np.arcsinh,
    jvp=[lambda g, y, x: mul(g, rsqrt(add(square(x), literal(x, 1.0))))],
    lower=native_function("asinh"),
)
acosh_p = elementwise(
    "acosh",
    INEXACT,
    numpy=np.arccosh,
    jvp=[lambda g, y, x: chain(g, rsqrt(mul(sub(x, literal(x, 1.0)), add(x, literal(x, 1.0)))))],
    lower=native_function("acosh"),
)
atanh_p = elementwise(
    "atanh",
    INEXACT,
    numpy=np.arctanh,
    jvp=[lambda g, y, x: chain_over(g, _one_minus_square(x))],
    lower=native_function("atanh"),
)

# -- rounding, signs, parts -------------------------------------------------------------------------

_AWAY_FROM_ZERO, _TO_EVEN = 0, 1


def _np_round(x: Any, *, rounding_method: int) -> Any:
    if rounding_method == _TO_EVEN:
        return np.rint(x)
    down = np.floor(np.abs(x))
    return np.copysign(down + (np.abs(x) - down >= 0.5), x).astype(x.dtype)


def _lower_round(b: Any, x: Any, *, rounding_method: int) -> Any:
    if rounding_method == _TO_EVEN:
        return b.round_even(x)
    size = b.abs(x)
    down = b.floor(size)
    up = b.add(down, b.const(1, x.dtype))
    rounded = b.select(b.ge(b.sub(size, down), b.const(0.5, x.dtype)), up, down)
    return b.mul(rounded, b.select(b.lt(x, b.const(0, x.dtype)), b.const(-1, x.dtype), b.const(1, x.dtype)))


def _np_sign(x: Any) -> Any:
    if x.dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)
    return np.sign(x)


sign_p = elementwise("sign", NUMBER, numpy=_np_sign, lower=lambda b, x: b.sign(x))
floor_p = elementwise("floor", "f", numpy=np.floor, lower=lambda b, x: b.floor(x))
ceil_p = elementwise("ceil", "f", numpy=np.ceil, lower=lambda b, x: b.ceil(x))
round_p = elementwise("round", "f", numpy=_np_round, lower=_lower_round)
is_finite_p = elementwise(
    "is_finite", "f", numpy=np.isfinite, result=lambda _: _BOOL, lower=lambda b, x: b.is_finite(x)
)
nextafter_p = elementwise("nextafter", "f", numpy=np.nextafter, lower=native_function("nextafter"))


def _abs_jvp(g: Any, y: Any, x: Any) -> Any:
    if not _is_complex(x):
        # As the oracle: the right-hand derivative at 0.
        return select(ge(x, literal(x, 0.0)), g, neg(g), get_aval(y))
    return div(real(chain(g, conj(x))), select(eq(y, literal(y, 0.0)), literal(y, 1.0), y, get_aval(y)))


abs_p = elementwise(
    "abs", NUMBER, numpy=np.abs, jvp=[_abs_jvp], result=dtypes.real_dtype, lower=lambda b, x: b.abs(x)
)


def _np_complex(re: Any, im: Any) -> Any:
    re, im = np.broadcast_arrays(re, im)
    out = np.empty(re.shape, dtypes.complex_dtype(re.dtype))
    out.real, out.imag = re, im  # 1j * inf would have a real part
    return out


real_p = elementwise("real", "c", numpy=lambda x: np.array(np.real(x)), result=dtypes.real_dtype)
imag_p = elementwise("imag", "c", numpy=lambda x: np.array(np.imag(x)), result=dtypes.real_dtype)
conj_p = elementwise("conj", "fc", numpy=lambda x, **_: np.conjugate(x).astype(dtypes.complex_dtype(x.dtype)))
conj_p.abstract = lambda x, **_: x.update(dtype=dtypes.complex_dtype(x.dtype))
complex_p = elementwise(
    "complex",
    "f",
    numpy=_np_complex,
    result=dtypes.complex_dtype,
)
_linear(real_p, lambda ct, x: complex(ct, mul(ct, literal(ct, 0.0))))
_linear(imag_p, lambda ct, x: complex(mul(ct, literal(ct, 0.0)), neg(ct)))


def _conj_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    ans = conj_p.bind(*primals, **params)
    (g,) = tangents
    return ans, Zero.of(ans) if type(g) is Zero else conj_p.bind(g, **params)


conj_p.jvp = _conj_jvp
conj_p.transpose = lambda ct, x, *, input_dtype: [conj(ct) if x.aval.dtype.kind == "c" else real(conj(ct))]


def _complex_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    ans = complex_p.bind(*primals)
    re, im = tangents
    if type(re) is Zero and type(im) is Zero:
        return ans, Zero.of(ans)
    aval = get_aval(ans).update(dtype=dtypes.real_dtype(get_aval(ans).dtype))
    parts = [
        broadcast_like(literal(p, 0.0) if type(t) is Zero else t, aval)
        for t, p in zip(tangents, primals, strict=True)
    ]
    return ans, complex_p.bind(*parts)


complex_p.jvp = _complex_jvp
complex_p.transpose = lambda ct, re, im: [
    unbroadcast(real(ct), re.aval) if is_undefined(re) else None,
    unbroadcast(imag(neg(ct)), im.aval) if is_undefined(im) else None,
]

# -- comparison and logic ---------------------------------------------------------------------------


def _compare(name: str, numpy: Any, kinds: str = ANY) -> Primitive:
    return elementwise(
        name, kinds, numpy=numpy, result=lambda _: _BOOL, lower=lambda b, x, y: getattr(b, name)(x, y)
    )


def _of_keys(compare: np.ufunc) -> Any:
    """The comparison of random keys as well, by their words."""

    def call(x: Any, y: Any) -> Any:
        if not dtypes.is_key(x.dtype):
            return compare(x, y)
        words = [np.ascontiguousarray(k).view(np.uint32).reshape((*k.shape, -1)) for k in (x, y)]
        return (np.all if compare is np.equal else np.any)(compare(*words), axis=-1)

    return call


eq_p = _compare("eq", _of_keys(np.equal), ANY + "k")
ne_p = _compare("ne", _of_keys(np.not_equal), ANY + "k")
lt_p = _compare("lt", np.less)
le_p = _compare("le", np.less_equal)
gt_p = _compare("gt", np.greater)
ge_p = _compare("ge", np.greater_equal)

not_p = elementwise("not", "biu", numpy=np.invert, lower=lambda b, x: b.not_(x))
and_p = elementwise("and", "biu", numpy=np.bitwise_and, lower=lambda b, x, y: b.and_(x, y))
or_p = elementwise("or", "biu", numpy=np.bitwise_or, lower=lambda b, x, y: b.or_(x, y))
xor_p = elementwise("xor", "biu", numpy=np.bitwise_xor, lower=lambda b, x, y: b.xor(x, y))


def _np_shift(shift: Any) -> Any:
    """Shifts by at least the width give what shifting every bit out gives; counts are unsigned."""

    def call(x: Any, n: Any) -> Any:
        width = x.dtype.itemsize * 8
        count = n.astype(f"u{x.dtype.itemsize}")
        return shift(x, np.minimum(count, width).astype(x.dtype), count >= width)

    return call


def _left(x: Any, n: Any, out: Any) -> Any:
    return np.where(out, 0, np.left_shift(x, np.where(out, 0, n))).astype(x.dtype)


def _right_logical(x: Any, n: Any, out: Any) -> Any:
    unsigned = x.astype(f"u{x.dtype.itemsize}")
    return np.where(out, 0, np.right_shift(unsigned, np.where(out, 0, n).astype(unsigned.dtype))).astype(
        x.dtype
    )


def _right_arithmetic(x: Any, n: Any, out: Any) -> Any:
    width = x.dtype.itemsize * 8
    return np.right_shift(x, np.where(out, width - 1, n).astype(x.dtype)).astype(x.dtype)


shift_left_p = elementwise("shift_left", "iu", numpy=_np_shift(_left), lower=lambda b, x, n: b.shl(x, n))
shift_right_logical_p = elementwise(
    "shift_right_logical", "iu", numpy=_np_shift(_right_logical), lower=lambda b, x, n: b.shr_logical(x, n)
)
shift_right_arithmetic_p = elementwise(
    "shift_right_arithmetic",
    "iu",
    numpy=_np_shift(_right_arithmetic),
    lower=lambda b, x, n: b.shr_arithmetic(x, n),
)


def _unsigned(x: Any) -> tuple[Any, int]:
    """The bits of integers as unsigned ones, and how many there are."""
    width = int(x.dtype.name[-1]) if dtypes.is_small_integer(x.dtype) else x.dtype.itemsize * 8
    bits = x.astype(np.int64 if x.dtype.kind == "V" else x.dtype).astype(f"u{x.dtype.itemsize}")
    return bits & np.array((1 << width) - 1, bits.dtype), width


def _np_clz(x: Any) -> Any:
    rest, width = _unsigned(x)
    count = np.full(x.shape, width, np.int64)
    while np.any(rest):
        count = np.where(rest > 0, count - 1, count)
        rest = rest >> np.asarray(1, rest.dtype)
    return count.astype(x.dtype)


population_count_p = elementwise(
    "population_count",
    "iu",
    numpy=lambda x: np.bitwise_count(_unsigned(x)[0]).astype(x.dtype),
    lower=lambda b, x: b.popcount(x),
)
clz_p = elementwise("clz", "iu", numpy=_np_clz, lower=lambda b, x: b.clz(x))

# -- choice -----------------------------------------------------------------------------------------


def _select_abstract(which: Any, *cases: Any) -> Any:
    first = cases[0]
    for case in cases[1:]:
        if case.shape != first.shape or case.dtype != first.dtype:
            listed = ", ".join(c.str_short() for c in cases)
            raise TypeError(f"select_n cases must have the same shapes and dtypes, got {listed}.")
    if which.shape and which.shape != first.shape:
        raise TypeError(
            f"select_n `which` must be scalar or have the shape of the cases, got {which.shape} but case shape {first.shape}."
        )
    if which.dtype.kind not in "biu":
        raise TypeError(f"select_n `which` must be boolean or of an integer dtype, got {which.dtype.name}.")
    if which.dtype == _BOOL and len(cases) > 2:
        raise TypeError(f"select_n with boolean `which` expects at most two cases, got {len(cases)}.")
    return shaped_array(first.shape, first.dtype, all(c.weak_type for c in cases))


def _np_select_n(which: Any, *cases: Any) -> Any:
    if len(cases) == 2:
        return np.where(which if which.dtype == _BOOL else which > 0, cases[1], cases[0])
    wide = which.astype(np.int64) if which.dtype.itemsize < 8 else which
    index = np.clip(wide, 0, len(cases) - 1).astype(np.intp)
    return (
        np.choose(index, cases)
        if len(cases) <= 32
        else np.take_along_axis(np.stack(cases), index[None], 0)[0]
    )


def _select_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    which, *cases = primals
    ans = select_n_p.bind(which, *cases)
    gs = tangents[1:]
    if all(type(g) is Zero for g in gs):
        return ans, Zero.of(ans)
    return ans, select_n_p.bind(which, *map(raw.instantiate, gs))


def _select_transpose(ct: Any, which: Any, *cases: Any) -> list[Any]:
    zero = raw.zeros(get_aval(ct))
    return [None] + [
        select_n_p.bind(which, *[ct if i == j else zero for j in range(len(cases))])
        if is_undefined(case)
        else None
        for i, case in enumerate(cases)
    ]


def _select_batch(size: int, args: Any, dims: Any) -> tuple[Any, int]:
    which, *cases = args
    rank = max(get_aval(c).ndim - (d is not None) for c, d in zip(cases, dims[1:], strict=True))
    if dims[0] is None and get_aval(which).ndim == 0:  # a scalar choice stays one
        aligned, dim = align_batch(cases, dims[1:])
        shape = common_shape(aligned)
        return select_n_p.bind(which, *[raw.broadcast_to_same_rank(c, shape) for c in aligned]), dim
    aligned, dim = align_batch(args, dims)
    shape = common_shape(aligned)
    assert len(shape) == rank + 1
    return select_n_p.bind(*[raw.broadcast_to_same_rank(c, shape) for c in aligned]), dim


def _lower_select_n(b: Any, which: Any, *cases: Any) -> Any:
    if which.dtype == _BOOL:
        return b.select(which, cases[1], cases[0]) if len(cases) == 2 else cases[0]
    out = cases[-1]
    for number in range(len(cases) - 2, -1, -1):
        bound = min(number, np.iinfo(which.dtype).max)
        out = b.select(b.le(which, b.const(bound, which.dtype)), cases[number], out)
    return out


select_n_p = Primitive("select_n")
select_n_p.numpy = _np_select_n
select_n_p.abstract = _select_abstract
select_n_p.jvp = _select_jvp
select_n_p.transpose = _select_transpose
select_n_p.batch = _select_batch
select_n_p.lower = Map(_lower_select_n)


def _clamp_abstract(lo: Any, x: Any, hi: Any) -> Any:
    for bound in (lo, hi):
        if bound.shape and bound.shape != x.shape:
            raise TypeError(
                f"clamp bounds must be scalars or have the shape {x.shape} of the operand, got {bound.shape}."
            )
    if not lo.dtype == x.dtype == hi.dtype:
        raise TypeError(f"clamp requires equal dtypes, got {lo.dtype.name}, {x.dtype.name}, {hi.dtype.name}.")
    return x


clamp_p = elementwise(
    "clamp",
    "biuf",
    numpy=lambda lo, x, hi: np.minimum(np.maximum(x, lo), hi),
    jvp=[
        lambda g, y, lo, x, hi: select(gt(lo, x), g, literal(g, 0.0), get_aval(y)),
        lambda g, y, lo, x, hi: select(and_(gt(x, lo), lt(x, hi)), g, literal(g, 0.0), get_aval(y)),
        lambda g, y, lo, x, hi: select(lt(hi, x), g, literal(g, 0.0), get_aval(y)),
    ],
    lower=lambda b, lo, x, hi: b.min(b.max(x, lo), hi),
)
clamp_p.abstract = _clamp_abstract


def _clamp_batch(size: int, args: Any, dims: Any) -> tuple[Any, int]:
    """Bounds stay scalars if they are not batched, else all three get the full shape."""
    aligned, dim = align_batch(args, dims)
    shape = common_shape(aligned)
    full = [
        a if get_aval(a).ndim == 0 and d is None else raw.broadcast_to_same_rank(a, shape)
        for a, d in zip(aligned, dims, strict=True)
    ]
    return clamp_p.bind(*full), dim


clamp_p.batch = _clamp_batch

# -- conversion -------------------------------------------------------------------------------------


def _convert_abstract(x: Any, *, new_dtype: Any, weak_type: bool) -> Any:
    if x.dtype != new_dtype and (dtypes.is_key(x.dtype) or dtypes.is_key(new_dtype)):
        raise TypeError(
            f"convert_element_type: {x.str_short()} cannot be converted to {new_dtype}: random keys are no numbers "
            "(their words are given by jitney.random.key_data)."
        )
    return shaped_array(x.shape, new_dtype, weak_type)


def _np_convert(x: Any, *, new_dtype: Any, weak_type: bool) -> Any:
    if x.dtype.kind == "c" and new_dtype.kind not in "cb":
        x = np.real(x)
    if dtypes.is_floating(x.dtype) and new_dtype.kind in "iu":
        return _float_to_int(x, new_dtype)
    return x.astype(new_dtype)


def _float_to_int(x: Any, new_dtype: np.dtype) -> Any:
    """Truncate, saturate at the ends of the integer's range, NaN to 0: the same on every CPU."""
    info = np.iinfo(new_dtype)
    wide = x.astype(np.float64)
    low, high = wide <= info.min, wide >= float(info.max)
    inside = np.where(low | high | np.isnan(wide), 0, wide).astype(new_dtype)
    return np.where(low, info.min, np.where(high, info.max, inside)).astype(new_dtype)


def _convert_jvp(primals: Any, tangents: Any, *, new_dtype: Any, weak_type: bool) -> tuple[Any, Any]:
    ans = convert_element_type_p.bind(*primals, new_dtype=new_dtype, weak_type=weak_type)
    (g,) = tangents
    if type(g) is Zero or not dtypes.is_inexact(new_dtype):
        return ans, Zero.of(ans)
    return ans, convert_element_type_p.bind(g, new_dtype=new_dtype, weak_type=weak_type)


convert_element_type_p = elementwise(
    "convert_element_type",
    ANY,
    numpy=_np_convert,
    lower=lambda b, x, *, new_dtype, weak_type: b.cast(x, new_dtype),
)
convert_element_type_p.abstract = _convert_abstract
convert_element_type_p.jvp = _convert_jvp
convert_element_type_p.transpose = lambda ct, x, *, new_dtype, weak_type: [
    convert_element_type_p.bind(ct, new_dtype=x.aval.dtype, weak_type=x.aval.weak_type)
]


def _bitcast_abstract(x: Any, *, new_dtype: Any) -> Any:
    old, new = x.dtype.itemsize, new_dtype.itemsize
    if old == new:
        return shaped_array(x.shape, new_dtype)
    if not dtypes.is_supported(new_dtype):
        raise TypeError(f"bitcast_convert_type: {new_dtype} is not a dtype of arrays.")
    if old > new:
        return shaped_array((*x.shape, old // new), new_dtype)
    if not x.shape or x.shape[-1] != new // old:
        raise TypeError(
            f"bitcast_convert_type from {x.dtype.name} to {new_dtype.name} needs a last axis of size {new // old}, got shape {x.shape}."
        )
    return shaped_array(x.shape[:-1], new_dtype)


def _np_bitcast(x: Any, *, new_dtype: Any) -> Any:
    out = np.ascontiguousarray(x)
    if x.dtype.itemsize == new_dtype.itemsize:
        return out.view(new_dtype).reshape(x.shape)
    if x.dtype.itemsize > new_dtype.itemsize:
        return out[..., None].view(new_dtype)
    return out.view(new_dtype)[..., 0]


def _bitcast_batch(size: int, args: Any, dims: Any, *, new_dtype: Any) -> tuple[Any, int]:
    return bitcast_convert_type_p.bind(raw.move_axis(args[0], dims[0], 0), new_dtype=new_dtype), 0


def _bitcast_element(b: Any, idx: Any, x: Any, *, new_dtype: Any) -> Any:
    old = x.aval.dtype
    if old.itemsize == new_dtype.itemsize:
        return b.bitcast(x.read(idx), new_dtype)
    narrow, wide = (np.dtype(f"u{n}") for n in sorted((old.itemsize, new_dtype.itemsize)))
    width = 8 * narrow.itemsize
    if old.itemsize > new_dtype.itemsize:  # one part of an element, the lowest bits first
        distance = b.mul(b.index_value(idx[-1], wide), b.const(width, wide))
        return b.bitcast(
            b.cast(b.shr_logical(b.bitcast(x.read(idx[:-1]), wide), distance), narrow), new_dtype
        )
    whole = None
    for k in range(new_dtype.itemsize // old.itemsize):
        part = b.cast(b.bitcast(x.read((*idx, ix.constant(k))), narrow), wide)
        part = b.shl(part, b.const(k * width, wide)) if k else part
        whole = part if whole is None else b.or_(whole, part)
    return b.bitcast(whole, new_dtype)


bitcast_convert_type_p = Primitive("bitcast_convert_type")
bitcast_convert_type_p.numpy = _np_bitcast
bitcast_convert_type_p.abstract = _bitcast_abstract
bitcast_convert_type_p.jvp = lambda primals, tangents, **params: (
    (ans := bitcast_convert_type_p.bind(*primals, **params)),
    Zero.of(ans),
)
bitcast_convert_type_p.batch = _bitcast_batch
bitcast_convert_type_p.lower = Pull(
    _bitcast_element, cheap=False, elementwise=Map(lambda b, x, *, new_dtype: b.bitcast(x, new_dtype))
)

copy_p = elementwise(
    "copy", ANY, numpy=np.array, jvp=[lambda g, y, x: g], lower=lambda b, x: x, transpose=lambda ct, x: [ct]
)

# -- raw operations: operands already have matching dtypes ------------------------------------------

neg, sign, floor, ceil, abs, square = (p.bind for p in (neg_p, sign_p, floor_p, ceil_p, abs_p, square_p))
add, sub, mul, div, rem, pow = (p.bind for p in (add_p, sub_p, mul_p, div_p, rem_p, pow_p))
exp, exp2, log, expm1, log1p, logistic = (
    p.bind for p in (exp_p, exp2_p, log_p, expm1_p, log1p_p, logistic_p)
)
sin, cos, tan, sinh, cosh, tanh = (p.bind for p in (sin_p, cos_p, tan_p, sinh_p, cosh_p, tanh_p))
sqrt, rsqrt, cbrt = (p.bind for p in (sqrt_p, rsqrt_p, cbrt_p))
eq, ne, lt, le, gt, ge = (p.bind for p in (eq_p, ne_p, lt_p, le_p, gt_p, ge_p))
not_, and_, or_, xor = (p.bind for p in (not_p, and_p, or_p, xor_p))
maximum, minimum = max_p.bind, min_p.bind
real, imag, complex = real_p.bind, imag_p.bind, complex_p.bind


def conj(x: Any) -> Any:
    return conj_p.bind(x, input_dtype=get_aval(x).dtype)


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer; ``x`` itself if ``y`` is 1."""
    return x if y == 1 else integer_pow_p.bind(x, y=y)


def convert(x: Any, dtype: np.dtype, weak_type: bool = False) -> Any:
    """``x`` as ``dtype``; no equation if it has that dtype and weak type already."""
    aval = get_aval(x)
    if aval.dtype == dtype and aval.weak_type == weak_type:
        return x
    return convert_element_type_p.bind(x, new_dtype=np.dtype(dtype), weak_type=weak_type)


def round_to_zero(x: Any) -> Any:
    return mul(sign(x), floor(abs(x)))


__all__ = sorted(name for name in globals() if name.endswith("_p"))
