"""Elementwise functions of several primitives: division, powers, choice, rounding, closeness, parts of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import lax
from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops.families import literal
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
    refuse_out,
    to_bool,
    wrap,
)
from jitney.numpy.operands import (
    full as full_of,
)

_I32 = np.dtype("i4")


def _arrays(name: str, *xs: Any) -> list[Any]:
    return [array_operand(name, x, i) for i, x in enumerate(xs)]


def _promoted(name: str, *xs: Any) -> list[Any]:
    """Arrays of one dtype and rank, on which operators act without further promotion."""
    # Scalars are converted as scalars and wrapped afterwards, so that programs hold them as literals.
    return promote_ranks(name, *_arrays(name, *promote_dtypes(*operands(name, *xs))))


def _inexact(name: str, *xs: Any) -> list[Any]:
    return promote_ranks(name, *_arrays(name, *promote_inexact(*operands(name, *xs))))


def _bool_to_int(x: Any) -> Any:
    return convert(x, _I32) if get_aval(x).dtype == BOOL else x


def _eager_ints(*xs: Any) -> bool:
    """True for small concrete integer arrays in eager code."""
    if current_trace() is not None:
        return False
    return all(type(x) is ArrayImpl and x.dtype.kind in "iu" and x.size < LARGE_EAGER for x in xs)


# -- choice -------------------------------------------------------------------------------------------


def choose(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where ``condition``, else ``y``: broadcasting, with promoted dtypes (``where`` of three arguments)."""
    if type(condition) is ArrayImpl and condition.size < LARGE_EAGER and condition.dtype == BOOL:
        eager = eager_values(False, x, y)
        if eager is not None:
            (on_true, on_false), weak = eager
            try:
                return wrap(np.where(condition._np, on_true, on_false), weak and on_true.dtype != BOOL)
            except ValueError:
                pass  # the general path words the error
    condition = to_bool(operand("where", condition))
    x, y = promote_dtypes(operand("where", x, 1), operand("where", y, 2))
    shape = broadcast_shapes(*[get_aval(v).shape for v in (condition, x, y)])
    if get_aval(condition).ndim:
        condition = broadcast_to(condition, shape)
    return ew.select_n_p.bind(condition, broadcast_to(y, shape), broadcast_to(x, shape))


def clip(arr: Any = None, /, min: Any = None, max: Any = None) -> Any:
    """``arr`` held between ``min`` and ``max`` (either may be None); dtypes are promoted.

    >>> import jitney.numpy as jnp
    >>> jnp.clip(jnp.array([-1.0, 0.5, 3.0]), 0.0, 1.0)
    Array([0. , 0.5, 1. ], dtype=float64)
    """
    if arr is None:
        raise ValueError("At most one of arr, min and max may be None: clip() needs an array.")
    arr = array_operand("clip", arr)
    if any(v is not None and get_aval(operand("clip", v, i)).dtype.kind == "c" for i, v in enumerate((arr, min, max))):
        raise ValueError("Clip received a complex value either through the input or the min/max keywords.")
    if min is not None:
        arr = uf.maximum(min, arr)
    if max is not None:
        arr = uf.minimum(max, arr)
    return arr


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each element, the choice of the first true condition, else ``default``."""
    if len(condlist) != len(choicelist):
        raise ValueError(f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})")
    if not len(condlist):
        raise ValueError("condlist must be non-empty")
    *choices, out = promote_dtypes(*_arrays("select", *choicelist, default))
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        out = choose(condition, choice, out)
    return out


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``x`` with NaN replaced by ``nan`` and infinities by the largest and smallest finite numbers."""
    x = array_operand("nan_to_num", x)
    dtype = get_aval(x).dtype
    if dtypes.kind_of(dtype) in "biu":
        return x
    if dtype.kind == "c":
        parts = [nan_to_num(part, copy, nan, posinf, neginf) for part in (real(x), imag(x))]
        return ew.complex(*parts)
    info = _finfo(dtype)
    x = choose(isnan(x), convert(nan, dtype), x)
    x = choose(isposinf(x), convert(info.max if posinf is None else posinf, dtype), x)
    return choose(isneginf(x), convert(info.min if neginf is None else neginf, dtype), x)


def _finfo(dtype: np.dtype) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


# -- division and powers ------------------------------------------------------------------------------


def floor_divide(x1: Any, x2: Any, /) -> Any:
    """``x1 / x2`` rounded down, in the promoted dtype; booleans become int32."""
    quick = _eagerly(_np_floor_divide, x1, x2)
    if quick is not None:
        return quick
    x, y = map(_bool_to_int, _promoted("floor_divide", x1, x2))
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
    return choose(down, ew.sub(quotient, literal(quotient, 1)), quotient)


def _floor_divide_floats(x: Any, y: Any) -> Any:
    rest = uf.fmod(x, y)
    whole = choose(y == 0, x, x - rest) / y
    down = (rest != 0) & (uf.sign(y) != uf.sign(rest))
    return lax.round(choose(down, whole - 1, whole))


def remainder(x1: Any, x2: Any, /) -> Any:
    """Remainder of floor division, with the sign of ``x2``; of integers, 0 where ``x2`` is 0."""
    quick = _eagerly(_np_remainder, x1, x2)
    if quick is not None:
        return quick
    x, y = map(_bool_to_int, _promoted("remainder", x1, x2))
    if get_aval(y).dtype.kind in "iu":
        y = choose(y == 0, literal(y, 1), y)
    rest = uf.fmod(x, y)
    wrong = ((rest < 0) != (y < 0)) & (rest != 0)
    return choose(wrong, rest + y, rest)


mod = remainder


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """``(floor_divide(x1, x2), remainder(x1, x2))``."""
    return floor_divide(x1, x2), remainder(x1, x2)


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
    return _integer_power(*map(_bool_to_int, _arrays("power", x, y)))


pow = power


def _integer_power(x: Any, y: Any) -> Any:
    """Square and multiply over the six lowest bits of ``y``: larger powers of anything but -1, 0, 1 overflow anyway."""
    if _eager_ints(x, y) and not (y._np < 0).any() and not (y._np >= 64).any():
        return wrap(quiet(np.power, x._np, y._np), x.weak_type and y.weak_type)
    one, zero = literal(y, 1), literal(y, 0)
    shape = broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    x, y = broadcast_to(x, shape), broadcast_to(y, shape)
    out = choose(ew.and_(ew.eq(x, literal(x, 0)), ew.ne(y, zero)), literal(x, 0), literal(x, 1))
    out = broadcast_to(out, shape)
    for _ in range(6):
        out = choose(ew.ne(ew.and_(y, one), zero), ew.mul(out, x), out)
        x, y = ew.mul(x, x), ew.shift_right_logical_p.bind(y, one)
    return out


def hypot(x1: Any, x2: Any, /) -> Any:
    """``sqrt(x1**2 + x2**2)`` without overflow; infinite if either operand is."""
    x, y = _inexact("hypot", x1, x2)
    if get_aval(x).dtype.kind == "c":
        raise ValueError("jnp.hypot is not well defined for complex-valued inputs.")
    x, y = uf.abs(x), uf.abs(y)
    infinite = isposinf(x) | isposinf(y)
    large, small = uf.maximum(x, y), uf.minimum(x, y)
    ratio = small / choose(large == 0, literal(large, 1), large)
    length = choose(large == 0, large, large * uf.sqrt(1 + uf.square(ratio)))
    return choose(infinite, literal(large, math.inf), length)


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


def logaddexp(x1: Any, x2: Any, /) -> Any:
    """``log(exp(x1) + exp(x2))`` without overflow."""
    x, y = _inexact("logaddexp", x1, x2)
    return _log_add(x, y, uf.exp, 1.0)


def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """``log2(2**x1 + 2**x2)`` without overflow."""
    x, y = _inexact("logaddexp2", x1, x2)
    return _log_add(x, y, uf.exp2, 1 / math.log(2.0))


def _log_add(x: Any, y: Any, exponential: Any, scale: float) -> Any:
    """The larger operand plus a correction; the sum where the difference is NaN (equal infinities)."""
    difference = x - y
    equal = isnan(difference)
    difference = choose(equal, literal(x, 0), difference)
    if get_aval(x).dtype.kind == "c":
        x_larger = real(x) > real(y)
        larger, below = choose(x_larger, x, y), choose(x_larger, -difference, difference)
    else:  # minimum rather than -|difference|: at ties its derivative is 0, as it must be
        larger, below = uf.maximum(x, y), uf.minimum(difference, -difference)
    correction = uf.log1p(exponential(below))
    if scale != 1.0:
        correction = scale * correction
    return choose(equal, x + y, larger + correction)


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
    (x,) = _inexact("sinc", x)
    at_zero, angle = x == 0, math.pi * x
    safe = choose(at_zero, literal(x, 1), angle)
    return choose(at_zero, 1 + 0 * angle, uf.sin(safe) / safe)


def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 for negative ``x1``, 1 for positive, ``x2`` at 0, NaN for NaN."""
    x, y = _inexact("heaviside", x1, x2)
    one, zero = literal(x, 1), literal(x, 0)
    return choose(x < 0, zero, choose(x > 0, one, choose(isnan(x), x, y)))


def i0(x: Any) -> Any:
    """Modified Bessel function of the first kind, order 0."""
    (x,) = promote_inexact(operand("i0", x))
    size = ew.abs(x)
    return ew.mul(ew.exp(size), ew.bessel_i0e(size))


# -- parts of numbers ---------------------------------------------------------------------------------


def real(val: Any, /) -> Any:
    """Real part; real arrays unchanged."""
    val = operand("real", val)
    return ew.real(val) if get_aval(val).dtype.kind == "c" else array_operand("real", val)


def imag(val: Any, /) -> Any:
    """Imaginary part; zeros for real arrays."""
    val = operand("imag", val)
    aval = get_aval(val)
    if aval.dtype.kind == "c":
        return ew.imag(val)
    out = full_of(aval.shape, 0, aval.dtype)
    return ew.convert(out, aval.dtype, True) if aval.weak_type else out


def angle(z: Any, deg: bool = False) -> Any:
    """Phase of complex ``z`` in (-pi, pi], in degrees if ``deg``."""
    (z,) = promote_inexact(operand("angle", z))
    result = ew.atan2_p.bind(imag(z), real(z))
    return rad2deg(result) if deg else result


def _bits(x: Any) -> Any:
    return ew.bitcast_convert_type_p.bind(x, new_dtype=np.dtype(f"i{get_aval(x).dtype.itemsize}"))


def signbit(x: Any, /) -> Any:
    """True where the sign bit is set: negative numbers, -0.0, negative NaN."""
    x = array_operand("signbit", x)
    dtype = get_aval(x).dtype
    if dtypes.kind_of(dtype) in "bu":
        return full_of(get_aval(x).shape, False, BOOL)
    if dtype.kind == "i":
        return x < 0
    if dtype.kind == "c":
        raise ValueError("jax.numpy.signbit is not well defined for complex inputs.")
    bits = _bits(x)
    return ew.convert(ew.shift_right_arithmetic_p.bind(bits, literal(bits, dtype.itemsize * 8 - 1)), BOOL)


def copysign(x1: Any, x2: Any, /) -> Any:
    """``x1`` with the sign of ``x2``."""
    x, y = _inexact("copysign", x1, x2)
    size = uf.abs(x)
    return choose(signbit(y), -size, size)


def frexp(x: Any, /) -> tuple[Any, Any]:
    """Mantissa in [0.5, 1) and int32 exponent: ``x == mantissa * 2**exponent``."""
    (x,) = _inexact("frexp", x)
    dtype = get_aval(x).dtype
    info = _finfo(dtype)
    tiny = uf.abs(x) < literal(x, float(info.smallest_normal))
    shift = info.nmant
    bits = _bits(choose(tiny, x * literal(x, 2.0**shift), x))
    int_type = get_aval(bits).dtype.type
    bias = 1 - int(info.minexp)
    exponent = ((bits >> int_type(info.nmant)) & int_type(2 * bias + 1)) - int_type(bias) + int_type(1)
    exponent = exponent - choose(tiny, int_type(shift), int_type(0))
    field = (2 * bias + 1) << info.nmant
    mantissa_bits = (bits & int_type(~field)) | int_type((bias - 1) << info.nmant)
    mantissa = ew.bitcast_convert_type_p.bind(mantissa_bits, new_dtype=dtype)
    plain = isinf(x) | isnan(x) | (x == 0)
    return choose(plain, x, mantissa), ew.convert(choose(plain, int_type(0), exponent), _I32)


def ldexp(x1: Any, x2: Any, /) -> Any:
    """``x1 * 2**x2`` for integer ``x2``."""
    if dtypes.kind_of(get_aval(operand("ldexp", x2, 1)).dtype) not in "iu":
        raise ValueError(f"ldexp not supported for input types {get_aval(x1).dtype.name}, {get_aval(x2).dtype.name}")
    x, n = _inexact("ldexp", x1, x2)
    mantissa, exponent = frexp(x)
    total = ew.convert(exponent, get_aval(x).dtype) + n
    # One factor of two goes to the mantissa, so that the largest finite numbers do not overflow on the way.
    mantissa = choose(total > 0, mantissa * 2, mantissa)
    total = choose(total > 0, total - 1, total)
    return choose(isinf(x) | (x == 0), x, mantissa * power(literal(x, 2.0), total))


def modf(x: Any, /, out: Any = None) -> tuple[Any, Any]:
    """Fractional and integral parts, both with the sign of ``x``."""
    refuse_out("modf", out)
    (x,) = _inexact("modf", x)
    whole = choose(x >= 0, uf.floor(x), uf.ceil(x))
    return x - whole, whole


def spacing(x: Any, /) -> Any:
    """Distance to the next representable number away from 0."""
    (x,) = _inexact("spacing", x)
    step = uf.nextafter(x, copysign(math.inf, x)) - x
    smallest = float(_finfo(get_aval(x).dtype).smallest_subnormal)
    return choose(step == 0, copysign(literal(x, smallest), x), step)


# -- rounding -----------------------------------------------------------------------------------------

_TO_EVEN = lax.RoundingMethod.TO_NEAREST_EVEN


def trunc(x: Any) -> Any:
    """The integer part of ``x``, toward zero, in the dtype of ``x``."""
    if is_eager_float(x):
        return wrap(quiet(np.trunc, x._np), x.weak_type)
    x = array_operand("trunc", x)
    if get_aval(x).dtype.kind in "biu":
        return x
    return choose(x < 0, uf.ceil(x), uf.floor(x))


def rint(x: Any, /) -> Any:
    """Nearest integer, halves to even, as a float."""
    if is_eager_float(x):
        return wrap(quiet(np.rint, x._np), x.weak_type)
    x = operand("rint", x)
    kind = get_aval(x).dtype.kind
    if kind in "biu":
        return convert(array_operand("rint", x), dtypes.default_dtype("f"))
    return _round_parts(x)


def _round_parts(x: Any) -> Any:
    if get_aval(x).dtype.kind == "c":
        return ew.complex(*[lax.round(part, _TO_EVEN) for part in (ew.real(x), ew.imag(x))])
    return lax.round(x, _TO_EVEN)


def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """``a`` rounded to ``decimals`` (a Python integer), halves to even; integers unchanged."""
    refuse_out("round", out)
    a = array_operand("round", a)
    decimals = decimals.__index__()
    dtype = get_aval(a).dtype
    if dtypes.kind_of(dtype) in "biu":
        if decimals < 0:
            raise NotImplementedError("integer np.round not implemented for decimals < 0")
        return a
    if decimals == 0:
        return _round_parts(a)
    factor = literal(a, 10.0**decimals)
    return ew.div(_round_parts(ew.mul(a, factor)), factor)


around = round

# -- classes of numbers -------------------------------------------------------------------------------


def isfinite(x: Any, /) -> Any:
    """True where ``x`` is neither infinite nor NaN."""
    if is_eager_float(x):
        return wrap(np.isfinite(x._np))
    x = operand("isfinite", x)
    aval = get_aval(x)
    if dtypes.kind_of(aval.dtype) in "biu":
        return full_of(aval.shape, True, BOOL)
    if aval.dtype.kind == "c":
        return ew.and_(ew.is_finite_p.bind(ew.real(x)), ew.is_finite_p.bind(ew.imag(x)))
    return ew.is_finite_p.bind(x)


def isnan(x: Any, /) -> Any:
    """True where ``x`` is NaN."""
    if is_eager_float(x):
        return wrap(np.isnan(x._np))
    x = operand("isnan", x)
    return ew.ne(x, x)


def isinf(x: Any, /) -> Any:
    """True where ``x`` is infinite (complex: in either part)."""
    if is_eager_float(x):
        return wrap(np.isinf(x._np))
    x = operand("isinf", x)
    aval = get_aval(x)
    if dtypes.kind_of(aval.dtype) in "biu":
        return full_of(aval.shape, False, BOOL)
    if aval.dtype.kind == "c":
        return ew.or_(isinf(ew.real(x)), isinf(ew.imag(x)))
    return ew.eq(ew.abs(x), literal(x, math.inf))


def _is_infinite(name: str, value: float, x: Any, out: Any) -> Any:
    refuse_out(name, out)
    x = operand(name, x)
    aval = get_aval(x)
    kind = dtypes.kind_of(aval.dtype)
    if kind == "c":
        raise ValueError(f"{name} is not well defined for complex inputs.")
    return full_of(aval.shape, False, BOOL) if kind in "biu" else ew.eq(x, literal(x, value))


def isposinf(x: Any, /, out: Any = None) -> Any:
    """True where ``x`` is +infinity."""
    return _is_infinite("isposinf", math.inf, x, out)


def isneginf(x: Any, /, out: Any = None) -> Any:
    """True where ``x`` is -infinity."""
    return _is_infinite("isneginf", -math.inf, x, out)


def iscomplex(x: Any) -> Any:
    """True where the imaginary part is nonzero."""
    return uf.not_equal(imag(x), 0)


def isreal(x: Any) -> Any:
    """True where the imaginary part is zero."""
    return uf.equal(imag(x), 0)


def iscomplexobj(x: Any) -> bool:
    """True if ``x`` has a complex dtype."""
    if x is None:
        return False
    return (get_aval(x) if not isinstance(x, (list, tuple)) else np.asarray(x)).dtype.kind == "c"


def isrealobj(x: Any) -> bool:
    """True if ``x`` has a real dtype."""
    return not iscomplexobj(x)


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """True where ``|a - b| <= atol + rtol * |b|``, and where both are the same infinity (or NaN, if ``equal_nan``)."""
    x, y = _promoted("isclose", a, b)
    dtype = get_aval(x).dtype
    if dtype == BOOL:
        return x == y
    if dtype.kind in "iu":
        x, y = promote_inexact(x, y)
    close = isfinite(y) & (uf.abs(x - y) <= atol + rtol * uf.abs(y))
    out = (x == y) | close
    return out | (isnan(x) & isnan(y)) if equal_nan else out


# -- integers and extremes ----------------------------------------------------------------------------


def fmax(x1: Any, x2: Any) -> Any:
    """The larger of two operands; a number rather than NaN where one is NaN."""
    x, y = _promoted("fmax", x1, x2)
    return choose((x > y) | isnan(y), x, y)


def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of two operands; a number rather than NaN where one is NaN."""
    x, y = _promoted("fmin", x1, x2)
    return choose((x < y) | isnan(y), x, y)


def _check_integers(name: str, *xs: Any) -> None:
    for x in xs:
        if get_aval(x).dtype.kind not in "iu":
            raise ValueError(f"Arguments to jnp.{name} must be integers, got {get_aval(x).dtype.name}.")


def gcd(x1: Any, x2: Any) -> Any:
    """Greatest common divisor of integers, by as many steps of Euclid as their width can need."""
    x, y = _promoted("gcd", x1, x2)
    _check_integers("gcd", x, y)
    if _eager_ints(x, y):
        return wrap(np.gcd(x._np, y._np), x.weak_type and y.weak_type)
    shape = broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    x, y = (broadcast_to(uf.abs(v), shape) for v in (x, y))
    # Lamé: at most log(2**bits) / log(golden ratio) divisions.
    for _ in range(int(get_aval(x).dtype.itemsize * 8 * 1.4405) + 2):
        x, y = choose(y == 0, x, y), choose(y == 0, y, ew.rem(x, choose(y == 0, literal(y, 1), y)))
    return x


def lcm(x1: Any, x2: Any) -> Any:
    """Least common multiple of integers."""
    x, y = _promoted("lcm", x1, x2)
    _check_integers("lcm", x, y)
    x, y = uf.abs(x), uf.abs(y)
    divisor = gcd(x, y)
    return choose(divisor == 0, literal(x, 0), x * floor_divide(y, choose(divisor == 0, literal(y, 1), divisor)))


def bitwise_count(x: Any, /) -> Any:
    """Number of set bits of ``|x|``, as uint8."""
    x = array_operand("bitwise_count", x)
    if get_aval(x).dtype == BOOL:
        return ew.convert(x, np.dtype("u1"))
    return ew.convert(ew.population_count_p.bind(uf.abs(x)), np.dtype("u1"))
