"""Arithmetic of several primitives: division with remainder, powers, logarithms, angles, divisors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import lax
from jitney._api.custom_jvp import custom_jvp
from jitney._api.vmap import vmap
from jitney._base import dtypes
from jitney._control.guarding import as_one
from jitney._core.trace import ArrayImpl, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions
from jitney._ops.families import literal
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import (
    BOOL,
    LARGE_EAGER,
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    eager_values,
    is_eager_float,
    operand,
    operands,
    promote_dtypes,
    promote_inexact,
    promote_ranks,
    quiet,
    wrap,
)

__all__ = [
    "angle",
    "bitwise_count",
    "deg2rad",
    "degrees",
    "divmod",
    "floor_divide",
    "fmax",
    "fmin",
    "gcd",
    "heaviside",
    "hypot",
    "i0",
    "lcm",
    "ldexp",
    "log10",
    "log2",
    "logaddexp",
    "logaddexp2",
    "mod",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "remainder",
    "sinc",
]

_I32 = np.dtype("i4")


def _bool_to_int(x: Any) -> Any:
    return convert(x, _I32) if get_aval(x).dtype == BOOL else x


def _eager_ints(*xs: Any) -> bool:
    """True for small concrete integer arrays in eager code."""
    if current_trace() is not None:
        return False
    return all(type(x) is ArrayImpl and x.dtype.kind in "iu" and x.size < LARGE_EAGER for x in xs)


@as_one("division")
def floor_divide(x1: Any, x2: Any, /) -> Any:
    """``x1 / x2`` rounded down, in the promoted dtype; booleans become int32."""
    quick = _eagerly(_np_floor_divide, x1, x2)
    if quick is not None:
        return quick
    x, y = map(_bool_to_int, el.promoted("floor_divide", x1, x2))
    kind = dtypes.kind_of(get_aval(x).dtype)
    if kind == "c":
        raise TypeError("floor_divide does not support complex-valued inputs")
    if kind == "u":
        return ew.div(x, y)
    return _floor_divide_integers(x, y) if kind == "i" else _floor_divide_floats(x, y)


def _eagerly(function: Any, x1: Any, x2: Any) -> Any:
    """``function`` of small concrete numbers, of which integers are divided by nonzero ones only; else None."""
    eager = eager_values(False, x1, x2)
    if eager is None:
        return None
    (x, y), weak = eager
    if y.dtype.kind not in "iuf" or (y.dtype.kind != "f" and not np.all(y)):
        return None
    try:
        return wrap(quiet(function, x, y), weak)
    except ValueError:
        return None  # the general path words the error


def _np_floor_divide(x: Any, y: Any) -> Any:
    """What the general path computes, for NumPy operands."""
    if y.dtype.kind != "f":
        return np.floor_divide(x, y)
    rest = np.fmod(x, y)
    whole = np.where(y == 0, x, x - rest) / y
    out = np.where((rest != 0) & (np.sign(y) != np.sign(rest)), whole - 1, whole)
    down = np.floor(np.abs(out))
    return np.copysign(down + (np.abs(out) - down >= 0.5), out).astype(y.dtype)


def _np_remainder(x: Any, y: Any) -> Any:
    """What the general path computes, for NumPy operands."""
    if y.dtype.kind != "f":
        return np.remainder(x, y)
    rest = np.fmod(x, y)
    return np.where(((rest < 0) != (y < 0)) & (rest != 0), rest + y, rest)


def _floor_divide_integers(x: Any, y: Any) -> Any:
    quotient, rest = ew.div(x, y), ew.rem(x, y)
    down = ew.and_(ew.ne(ew.sign(x), ew.sign(y)), ew.ne(rest, literal(rest, 0)))
    return el.choose(down, ew.sub(quotient, literal(quotient, 1)), quotient)


def _floor_divide_floats(x: Any, y: Any) -> Any:
    rest = uf.fmod(x, y)
    whole = el.choose(y == 0, x, x - rest) / y
    down = (rest != 0) & (uf.sign(y) != uf.sign(rest))
    return lax.round(el.choose(down, whole - 1, whole))


@as_one("remainder")
def remainder(x1: Any, x2: Any, /) -> Any:
    """Remainder of floor division, with the sign of ``x2``; of integers, 0 where ``x2`` is 0."""
    quick = _eagerly(_np_remainder, x1, x2)
    if quick is not None:
        return quick
    x, y = map(_bool_to_int, el.promoted("remainder", x1, x2))
    if get_aval(y).dtype.kind in "iu" and not _known_divisor(y):
        y = el.choose(y == 0, literal(y, 1), y)
    rest = uf.fmod(x, y)
    wrong = ((rest < 0) != (y < 0)) & (rest != 0)
    return el.choose(wrong, rest + y, rest)


mod = remainder


def _known_divisor(y: Any) -> bool:
    """Whether ``y`` is a number other than 0 that stands in the program: then dividing by it is multiplying."""
    return isinstance(y, (int, np.generic, ArrayImpl)) and np.ndim(y) == 0 and bool(y)


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """``(floor_divide(x1, x2), remainder(x1, x2))``."""
    return floor_divide(x1, x2), remainder(x1, x2)


@as_one("power")
def power(x1: Any, x2: Any, /) -> Any:
    """``x1 ** x2``; a Python integer ``x2`` gives repeated multiplication.

    Raises:
        TypeError: for integers raised to a negative Python integer.
    """
    if type(x2) is int:
        x1 = _bool_to_int(operand("power", x1))
        return lax.integer_pow(x1, x2) if x2 != 1 else array_operand("power", x1)
    if type(x2) is float and is_eager_float(x1):
        return wrap(quiet(np.power, x1._np, x2), x1.weak_type)
    x, y = promote_ranks("power", *operands("power", x1, x2))
    dtype_x, dtype_y = get_aval(x).dtype, get_aval(y).dtype
    if dtypes.is_inexact(dtype_x) and dtype_y.kind in "iu":
        return ew.pow(promote_dtypes(x, y)[0], y)
    x, y = promote_dtypes(x, y)
    if dtypes.is_inexact(get_aval(x).dtype):
        return ew.pow(x, y)
    return _integer_power(*map(_bool_to_int, el.arrays("power", x, y)))


pow = power


def _integer_power(x: Any, y: Any) -> Any:
    """Square and multiply over the six lowest bits of ``y``: larger powers of anything but -1, 0, 1 overflow anyway."""
    if _eager_ints(x, y) and not (y._np < 0).any() and not (y._np >= 64).any():
        return wrap(quiet(np.power, x._np, y._np), x.weak_type and y.weak_type)
    one, zero = literal(y, 1), literal(y, 0)
    shape = broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    x, y = broadcast_to(x, shape), broadcast_to(y, shape)
    out = el.choose(ew.and_(ew.eq(x, literal(x, 0)), ew.ne(y, zero)), literal(x, 0), literal(x, 1))
    out = broadcast_to(out, shape)
    for _ in range(6):
        out = el.choose(ew.ne(ew.and_(y, one), zero), ew.mul(out, x), out)
        x, y = ew.mul(x, x), ew.shift_right_logical_p.bind(y, one)
    return out


def hypot(x1: Any, x2: Any, /) -> Any:
    """``sqrt(x1**2 + x2**2)`` without overflow; infinite if either operand is."""
    x, y = el.floats("hypot", x1, x2)
    if get_aval(x).dtype.kind == "c":
        raise ValueError("jnp.hypot is not well defined for complex-valued inputs.")
    x, y = uf.abs(x), uf.abs(y)
    infinite = el.isposinf(x) | el.isposinf(y)
    large, small = uf.maximum(x, y), uf.minimum(x, y)
    ratio = small / el.choose(large == 0, literal(large, 1), large)
    length = el.choose(large == 0, large, large * uf.sqrt(1 + uf.square(ratio)))
    return el.choose(infinite, literal(large, math.inf), length)


def log2(x: Any, /) -> Any:
    """Logarithm to base 2."""
    if is_eager_float(x):
        return wrap(quiet(np.log2, x._np), x.weak_type)
    (x,) = promote_inexact(operand("log2", x))
    return ew.div(ew.log(x), literal(x, math.log(2.0)))


def log10(x: Any, /) -> Any:
    """Logarithm to base 10."""
    if is_eager_float(x):
        return wrap(quiet(np.log10, x._np), x.weak_type)
    (x,) = promote_inexact(operand("log10", x))
    return ew.mul(ew.log(x), literal(x, 1 / math.log(10.0)))


def logaddexp(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
    """``log(exp(x1) + exp(x2))`` without overflow."""
    uf.refuse_keywords("logaddexp", out, where)
    x, y = el.floats("logaddexp", x1, x2)
    return (_log_add if current_trace() else _log_add_value)(False, x, y)


def logaddexp2(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
    """``log2(2**x1 + 2**x2)`` without overflow."""
    uf.refuse_keywords("logaddexp2", out, where)
    x, y = el.floats("logaddexp2", x1, x2)
    return (_log_add if current_trace() else _log_add_value)(True, x, y)


def _log_add_value(binary: bool, x: Any, y: Any) -> Any:
    """The larger operand plus a correction; the sum where the difference is NaN (equal infinities)."""
    difference = x - y
    equal = el.isnan(difference)
    difference = el.choose(equal, literal(x, 0), difference)
    if get_aval(x).dtype.kind == "c":
        x_larger = el.real(x) > el.real(y)
        larger, below = el.choose(x_larger, x, y), el.choose(x_larger, -difference, difference)
    else:
        larger, below = uf.maximum(x, y), -ew.abs(difference)
    correction = uf.log1p(_power(binary, below))
    if binary:
        correction = correction / math.log(2.0)
    out = el.choose(equal, x + y, larger + correction)
    if get_aval(out).dtype.kind != "c":
        return out
    turn = 2 * math.pi / (math.log(2.0) if binary else 1.0)  # imaginary parts are angles in (-pi, pi]
    return ew.complex(el.real(out), turn / 2 - remainder(turn / 2 - el.imag(out), turn))


def _power(binary: bool, x: Any) -> Any:
    return uf.exp2(x) if binary else uf.exp(x)


# A rule of its own, as the branches of the value have no second derivative where the operands are equal.
_log_add = custom_jvp(_log_add_value, nondiff_argnums=(0,))


@_log_add.defjvp
def _log_add_rule(binary: bool, primals: Any, tangents: Any) -> Any:
    """Tangents weighted by each operand's share of the sum, by 1 where both are the same infinity."""
    x, y = primals
    out = _log_add(binary, x, y)

    def share(v: Any, other: Any) -> Any:
        if get_aval(v).dtype.kind == "c":
            return _power(binary, el.choose(v == out, literal(v, 0), v - out))
        difference = (v - other) * math.log(2.0) if binary else v - other
        return el.choose(el.isnan(difference) & (v == other), literal(v, 1), lax.logistic(difference))

    return out, tangents[0] * share(x, y) + tangents[1] * share(y, x)


def _scaled(name: str, factor: float, summary: str) -> Any:
    def function(x: Any, /) -> Any:
        (x,) = promote_inexact(operand(name, x))
        return ew.mul(x, literal(x, factor))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}\n\n    Integers become floats."
    return function


deg2rad = _scaled("deg2rad", math.pi / 180, "Degrees to radians.")
rad2deg = _scaled("rad2deg", 180 / math.pi, "Radians to degrees.")
radians = _scaled("radians", math.pi / 180, "Degrees to radians.")
degrees = _scaled("degrees", 180 / math.pi, "Radians to degrees.")


def sinc(x: Any, /) -> Any:
    """``sin(pi x) / (pi x)``, with 1 (and derivative 0) at 0."""
    (x,) = el.floats("sinc", x)
    at_zero = x == 0
    safe = el.choose(at_zero, literal(x, 1), math.pi * x)
    return el.choose(at_zero, _sinc_at_zero(0, x), uf.sin(safe) / safe)


def _sinc_derivative(order: int, x: Any) -> Any:
    """The derivative of sinc at 0 in the place of each ``x``: of order 2n, ``(-1)**n pi**2n / (2n + 1)``."""
    value = 0.0 if order % 2 else (-1) ** (order // 2) * math.pi**order / (order + 1)
    return lax.full_like(x, value)


_sinc_at_zero = custom_jvp(_sinc_derivative, nondiff_argnums=(0,))
_sinc_at_zero.defjvp(
    lambda order, primals, tangents: (
        _sinc_at_zero(order, *primals),
        _sinc_at_zero(order + 1, *primals) * tangents[0],
    )
)


def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 for negative ``x1``, 1 for positive, ``x2`` at 0, NaN for NaN."""
    x, y = el.floats("heaviside", x1, x2)
    one, zero = literal(x, 1), literal(x, 0)
    return el.choose(x < 0, zero, el.choose(x > 0, one, el.choose(el.isnan(x), x, y)))


def i0(x: Any) -> Any:
    """Modified Bessel function of the first kind, order 0."""
    (x,) = promote_inexact(operand("i0", x))
    size = ew.abs(x)
    return ew.mul(ew.exp(size), gamma_functions.bessel_i0e(size))


def angle(z: Any, deg: bool = False) -> Any:
    """Phase of complex ``z`` in (-pi, pi], in degrees if ``deg``."""
    (z,) = promote_inexact(operand("angle", z))
    result = ew.atan2_p.bind(el.imag(z), el.real(z))
    return rad2deg(result) if deg else result


def ldexp(x1: Any, x2: Any, /) -> Any:
    """``x1 * 2**x2`` for integer ``x2``."""
    if dtypes.kind_of(get_aval(operand("ldexp", x2, 1)).dtype) not in "iu":
        raise ValueError(
            f"ldexp not supported for input types {get_aval(x1).dtype.name}, {get_aval(x2).dtype.name}"
        )
    return _times_power_of_two(*el.floats("ldexp", x1, x2))


def _ldexp(x: Any, n: Any) -> Any:
    """By factors whose exponents are set; all but the last leave normal numbers, so that one rounds."""
    dtype = get_aval(x).dtype
    if dtype.itemsize < 4:
        return ew.convert(_ldexp(*(ew.convert(v, np.dtype(np.float32)) for v in (x, n))), dtype)
    info, int_dtype = np.finfo(dtype), np.dtype(f"i{dtype.itemsize}")
    bias, mantissa = 1 - int(info.minexp), int(info.nmant)
    up, down = bias, 2 + mantissa - bias
    left, int_type = ew.convert(n, int_dtype), int_dtype.type
    for _ in range(2):
        above, below = left > int_type(bias), left < int_type(1 - bias)
        factor = el.choose(above, literal(x, 2.0**up), el.choose(below, literal(x, 2.0**down), literal(x, 1)))
        x = x * factor
        left = left - el.choose(above, int_type(up), el.choose(below, int_type(down), int_type(0)))
    left = uf.minimum(uf.maximum(left, int_type(1 - bias)), int_type(bias))
    bits = (left + int_type(bias)) << int_type(mantissa)
    return x * ew.bitcast_convert_type_p.bind(bits, new_dtype=dtype)


_times_power_of_two = custom_jvp(_ldexp)
_times_power_of_two.defjvp(
    lambda primals, tangents: (
        _times_power_of_two(*primals),
        tangents[0] * power(literal(primals[1], 2.0), primals[1]),
    )
)


# -- integers and extremes ----------------------------------------------------------------------------


def fmax(x1: Any, x2: Any) -> Any:
    """The larger of two operands; a number rather than NaN where one is NaN."""
    x, y = el.promoted("fmax", x1, x2)
    return el.choose((x > y) | el.isnan(y), x, y)


def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of two operands; a number rather than NaN where one is NaN."""
    x, y = el.promoted("fmin", x1, x2)
    return el.choose((x < y) | el.isnan(y), x, y)


def _check_integers(name: str, *xs: Any) -> None:
    for x in xs:
        if get_aval(x).dtype.kind not in "iu":
            raise ValueError(f"Arguments to jnp.{name} must be integers, got {get_aval(x).dtype.name}.")


def gcd(x1: Any, x2: Any) -> Any:
    """Greatest common divisor of integers, by J. Stein's binary algorithm (1967)."""
    x, y = el.promoted("gcd", x1, x2)
    _check_integers("gcd", x, y)
    if _eager_ints(x, y):
        return wrap(np.gcd(x._np, y._np), x.weak_type and y.weak_type)
    dtype, shape = get_aval(x).dtype, broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    flat = [ew.convert(broadcast_to(uf.abs(v), shape), unsigned).reshape(-1) for v in (x, y)]
    return ew.convert(vmap(_gcd_element)(*flat).reshape(shape), dtype)


def _gcd_element(x: Any, y: Any) -> Any:
    """Of two numbers: halve what is even, then take the smaller from the greater until nothing is left."""
    twos = _trailing_zeros(x | y)
    odd = x >> _trailing_zeros(x)

    def step(state: Any) -> Any:
        a, b = state
        b = b >> _trailing_zeros(b)
        return ew.minimum(a, b), ew.sub(ew.maximum(a, b), ew.minimum(a, b))

    nothing = ew.eq(x, literal(x, 0))
    found, _ = lax.while_loop(
        lambda s: s[1] != 0, step, (el.choose(nothing, y, odd), el.choose(nothing, x, y))
    )
    return el.choose(nothing, y, found << twos)


def _trailing_zeros(x: Any) -> Any:
    return ew.population_count_p.bind((x & -x) - literal(x, 1))


def lcm(x1: Any, x2: Any) -> Any:
    """Least common multiple of integers."""
    x, y = el.promoted("lcm", x1, x2)
    _check_integers("lcm", x, y)
    x, y = uf.abs(x), uf.abs(y)
    divisor = gcd(x, y)
    return el.choose(
        divisor == 0, literal(x, 0), x * floor_divide(y, el.choose(divisor == 0, literal(y, 1), divisor))
    )


def bitwise_count(x: Any, /) -> Any:
    """Number of set bits of ``|x|``, as uint8."""
    x = array_operand("bitwise_count", x)
    if get_aval(x).dtype == BOOL:
        return ew.convert(x, np.dtype("u1"))
    return ew.convert(ew.population_count_p.bind(uf.abs(x)), np.dtype("u1"))
