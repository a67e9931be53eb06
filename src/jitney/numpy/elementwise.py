"""Elementwise functions of several primitives: choice, rounding, classes and parts of numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jitney import lax
from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, get_aval
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

__all__ = [
    "around",
    "clip",
    "copysign",
    "frexp",
    "imag",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "modf",
    "nan_to_num",
    "real",
    "rint",
    "round",
    "select",
    "signbit",
    "spacing",
    "trunc",
]


_I32 = np.dtype("i4")


def arrays(name: str, *xs: Any) -> list[Any]:
    return [array_operand(name, x, i) for i, x in enumerate(xs)]


def promoted(name: str, *xs: Any) -> list[Any]:
    """Arrays of one dtype and rank, on which operators act without further promotion."""
    # Scalars are converted as scalars and wrapped afterwards, so that programs hold them as literals.
    return promote_ranks(name, *arrays(name, *promote_dtypes(*operands(name, *xs))))


def floats(name: str, *xs: Any) -> list[Any]:
    return promote_ranks(name, *arrays(name, *promote_inexact(*operands(name, *xs))))


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
    if any(
        v is not None and get_aval(operand("clip", v, i)).dtype.kind == "c"
        for i, v in enumerate((arr, min, max))
    ):
        raise ValueError("Clip received a complex value either through the input or the min/max keywords.")
    if min is not None:
        arr = uf.maximum(min, arr)
    if max is not None:
        arr = uf.minimum(max, arr)
    return arr


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each element, the choice of the first true condition, else ``default``."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})"
        )
    if not len(condlist):
        raise ValueError("condlist must be non-empty")
    *choices, out = promote_dtypes(*arrays("select", *choicelist, default))
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
    x, y = floats("copysign", x1, x2)
    size = uf.abs(x)
    return choose(signbit(y), -size, size)


def frexp(x: Any, /) -> tuple[Any, Any]:
    """Mantissa in [0.5, 1) and int32 exponent: ``x == mantissa * 2**exponent``."""
    (x,) = floats("frexp", x)
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


def modf(x: Any, /, out: Any = None) -> tuple[Any, Any]:
    """Fractional and integral parts, both with the sign of ``x``."""
    refuse_out("modf", out)
    (x,) = floats("modf", x)
    whole = choose(x >= 0, uf.floor(x), uf.ceil(x))
    return x - whole, whole


def spacing(x: Any, /) -> Any:
    """Distance to the next representable number away from 0."""
    (x,) = floats("spacing", x)
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
    decimals = operator.index(decimals)
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
    x, y = promoted("isclose", a, b)
    dtype = get_aval(x).dtype
    if dtype == BOOL:
        return x == y
    if dtype.kind in "iu":
        x, y = promote_inexact(x, y)
    close = isfinite(y) & (uf.abs(x - y) <= atol + rtol * uf.abs(y))
    out = (x == y) | close
    return out | (isnan(x) & isnan(y)) if equal_nan else out
