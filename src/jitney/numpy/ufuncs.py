"""Elementwise functions that are one primitive after promotion: one row each.

Rows of a family share promotion, broadcasting and the shortcut for small concrete arrays. Functions that
need several primitives are in ``elementwise.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, get_aval
from jitney._ops import elementwise as ew
from jitney.numpy.operands import (
    BOOL,
    array_operand,
    convert,
    eager_values,
    is_eager_float,
    operand,
    operands,
    promote_dtypes,
    promote_inexact,
    promote_ranks,
    quiet,
    to_bool,
    wrap,
)

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "conj",
    "conjugate",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "float_power",
    "floor",
    "fmod",
    "greater",
    "greater_equal",
    "invert",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "reciprocal",
    "right_shift",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
]


Function = Callable[..., Any]


def _named(function: Function, name: str, doc: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def refuse_keywords(name: str, out: Any, where: Any) -> None:
    """NotImplementedError for NumPy's arguments that arrays which never change cannot have."""
    for keyword, value in (("out", out), ("where", where)):
        if value is not None:
            raise NotImplementedError(
                f"{keyword} argument of {name}: arrays never change; use jnp.where on the result."
            )


# -- one operand --------------------------------------------------------------------------------------


def _inexact(name: str, bind: Function, ufunc: Function, summary: str, example: str = "") -> Function:
    """A function of float or complex arrays; integers and booleans become floats."""

    def function(x: Any, /) -> Any:
        if is_eager_float(x):
            return wrap(quiet(ufunc, x._np), x.weak_type)
        if isinstance(x, (np.ndarray, np.generic)) and (eager := eager_values(True, x)) is not None:
            return wrap(quiet(ufunc, eager[0][0]), eager[1])
        return bind(*promote_inexact(operand(name, x)))

    return _named(
        function,
        name,
        f"""{summary}

    Args:
        x: array or scalar of any dtype; integers and booleans become floats.

    Returns:
        array of the shape of ``x``, of floating or complex dtype.
    {example}""",
    )


_SIN = """
    >>> import jitney.numpy as jnp
    >>> jnp.sin(jnp.array([0.0, 0.5]))
    Array([0.        , 0.47942554], dtype=float64)
    """

sin = _inexact("sin", ew.sin, np.sin, "Sine of ``x`` in radians.", _SIN)
cos = _inexact("cos", ew.cos, np.cos, "Cosine of ``x`` in radians.")
tan = _inexact("tan", ew.tan, np.tan, "Tangent of ``x`` in radians.")
arcsin = _inexact("arcsin", ew.asin_p.bind, np.arcsin, "Inverse sine in radians; NaN outside [-1, 1].")
arccos = _inexact("arccos", ew.acos_p.bind, np.arccos, "Inverse cosine in radians; NaN outside [-1, 1].")
arctan = _inexact("arctan", ew.atan_p.bind, np.arctan, "Inverse tangent in radians.")
sinh = _inexact("sinh", ew.sinh, np.sinh, "Hyperbolic sine.")
cosh = _inexact("cosh", ew.cosh, np.cosh, "Hyperbolic cosine.")
tanh = _inexact("tanh", ew.tanh, np.tanh, "Hyperbolic tangent.")
arcsinh = _inexact("arcsinh", ew.asinh_p.bind, np.arcsinh, "Inverse hyperbolic sine.")
arccosh = _inexact("arccosh", ew.acosh_p.bind, np.arccosh, "Inverse hyperbolic cosine; NaN below 1.")
arctanh = _inexact("arctanh", ew.atanh_p.bind, np.arctanh, "Inverse hyperbolic tangent; NaN outside [-1, 1].")
exp = _inexact("exp", ew.exp, np.exp, "Exponential ``e**x``.")
exp2 = _inexact("exp2", ew.exp2, np.exp2, "``2**x``.")
expm1 = _inexact("expm1", ew.expm1, np.expm1, "``e**x - 1``, accurate for small ``x``.")
log = _inexact("log", ew.log, np.log, "Natural logarithm; NaN for negative real ``x``.")
log1p = _inexact("log1p", ew.log1p, np.log1p, "``log(1 + x)``, accurate for small ``x``.")
sqrt = _inexact("sqrt", ew.sqrt, np.sqrt, "Square root; NaN for negative real ``x``.")
cbrt = _inexact("cbrt", ew.cbrt, np.cbrt, "Real cube root.")

asin, acos, atan, asinh, acosh, atanh = arcsin, arccos, arctan, arcsinh, arccosh, arctanh


def _numeric(name: str, bind: Function, ufunc: Function | None, summary: str) -> Function:
    """A function of numbers that keeps their dtype."""

    def function(x: Any, /) -> Any:
        if ufunc is not None and is_eager_float(x):
            return wrap(quiet(ufunc, x._np), x.weak_type)
        return bind(operand(name, x))

    return _named(
        function,
        name,
        f"""{summary}

    Args:
        x: array or scalar.

    Returns:
        array of the shape and dtype of ``x``.
    """,
    )


def _square(x: Any) -> Any:
    return ew.square(convert(x, np.dtype("i4")) if get_aval(x).dtype == BOOL else x)


def _absolute(x: Any) -> Any:
    kind = get_aval(x).dtype.kind
    return array_operand("abs", x) if kind in "bu" else ew.abs(x)


def _integral(bind: Function) -> Function:
    """Rounding functions leave integers as they are."""

    def rounded(x: Any) -> Any:
        kind = get_aval(x).dtype.kind
        return array_operand("round", x) if kind in "biu" else bind(x)

    return rounded


def _conjugate(x: Any) -> Any:
    return ew.conj(x) if get_aval(x).dtype.kind == "c" else array_operand("conj", x)


square = _numeric("square", _square, np.square, "``x * x``.")


def negative(x: Any, /, *, out: None = None, where: None = None) -> Any:
    """``-x`` in the dtype of ``x``; TypeError for booleans. ``out`` and ``where`` must be None."""
    refuse_keywords("negative", out, where)
    if is_eager_float(x):
        return wrap(quiet(np.negative, x._np), x.weak_type)
    return ew.neg(operand("negative", x))


positive = _numeric(
    "positive", lambda x: array_operand("positive", x), np.positive, "``+x``: a copy of ``x``."
)
sign = _numeric("sign", ew.sign, np.sign, "Sign of ``x``: -1, 0 or 1; of complex numbers ``x / |x|``.")
floor = _numeric(
    "floor", _integral(ew.floor), np.floor, "Largest integer not above ``x``, in the dtype of ``x``."
)
ceil = _numeric(
    "ceil", _integral(ew.ceil), np.ceil, "Smallest integer not below ``x``, in the dtype of ``x``."
)
absolute = _numeric("abs", _absolute, np.abs, "Absolute value; of complex numbers, a real array.")
abs = absolute
conjugate = _numeric("conj", _conjugate, None, "Complex conjugate; real arrays unchanged.")
conj = conjugate
bitwise_not = _numeric(
    "bitwise_not", ew.not_, None, "Bits of ``x`` inverted; booleans negated. TypeError for floats."
)
invert = bitwise_invert = bitwise_not
logical_not = _numeric(
    "logical_not", lambda x: ew.not_(to_bool(x)), None, "True where ``x`` is zero or False."
)
fabs = _inexact("fabs", ew.abs, np.fabs, "Absolute value as a float.")


def reciprocal(x: Any, /) -> Any:
    """``1 / x``; integers become floats."""
    (x,) = promote_inexact(operand("reciprocal", x))
    return ew.integer_pow(x, -1)


# -- two operands -------------------------------------------------------------------------------------


def _binary(
    name: str,
    bind: Function,
    summary: str,
    promote: Function = promote_dtypes,
    fast: Function | None = None,
    numpy: Function | None = None,
    keywords: bool = False,
) -> Function:
    """A broadcasting function of two operands in their common dtype.

    ``fast`` is the operator of two concrete arrays, which comes back to ``general`` where the extension has no
    loop for them; ``numpy`` is the meaning on small concrete operands. ``keywords``: ``out`` and ``where`` are accepted.
    """
    inexact = promote is promote_inexact

    def function(x1: Any, x2: Any, /) -> Any:
        if fast is not None and type(x1) is ArrayImpl and type(x2) is ArrayImpl:
            return fast(x1, x2)
        return general(x1, x2)

    def general(x1: Any, x2: Any) -> Any:
        if numpy is not None and (eager := eager_values(inexact, x1, x2)) is not None:
            values, weak = eager
            try:
                out = quiet(numpy, *values)
                return wrap(out, weak and out.dtype != BOOL)
            except (TypeError, ValueError):
                pass  # the general path words the error
        return bind(*promote_ranks(name, *promote(*operands(name, x1, x2))))

    def with_keywords(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
        if out is not None or where is not None:
            refuse_keywords(name, out, where)
        if fast is not None and type(x1) is ArrayImpl and type(x2) is ArrayImpl:
            return fast(x1, x2)
        return general(x1, x2)

    if keywords:
        function = with_keywords
    function.general = general
    return _named(
        function,
        name,
        f"""{summary}

    Args:
        x1, x2: arrays or scalars that broadcast together; dtypes are promoted.

    Raises:
        TypeError: for lists and other sequences, for shapes that do not fit, for dtypes without this operation.
    """,
    )


def _promote_power(x: Any, y: Any) -> list[Any]:
    """The common inexact dtype; of integers, the default floating dtype."""
    xs = promote_dtypes(x, y)
    if not dtypes.is_inexact(get_aval(xs[0]).dtype):
        xs = [convert(v, dtypes.default_dtype("f"), get_aval(v).weak_type) for v in xs]
    return xs


add = _binary(
    "add",
    ew.add,
    "``x1 + x2``; of booleans, logical or.",
    fast=operator.add,
    numpy=ew.add_p.numpy,
    keywords=True,
)
subtract = _binary("subtract", ew.sub, "``x1 - x2``.", fast=operator.sub, numpy=ew.sub_p.numpy, keywords=True)
multiply = _binary(
    "multiply",
    ew.mul,
    "``x1 * x2``; of booleans, logical and.",
    fast=operator.mul,
    numpy=ew.mul_p.numpy,
    keywords=True,
)
true_divide = _binary(
    "true_divide",
    ew.div,
    "``x1 / x2`` as floats.",
    promote_inexact,
    fast=operator.truediv,
    numpy=ew.div_p.numpy,
)
divide = true_divide
maximum = _binary(
    "maximum",
    ew.maximum,
    "The larger of ``x1`` and ``x2``; NaN if either is NaN.",
    numpy=np.maximum,
    keywords=True,
)
minimum = _binary(
    "minimum",
    ew.minimum,
    "The smaller of ``x1`` and ``x2``; NaN if either is NaN.",
    numpy=np.minimum,
    keywords=True,
)
fmod = _binary("fmod", ew.rem, "Remainder of ``x1 / x2`` with the sign of ``x1``.", numpy=np.fmod)
arctan2 = _binary(
    "arctan2",
    ew.atan2_p.bind,
    "Angle of the point ``(x2, x1)`` in (-pi, pi].",
    promote_inexact,
    numpy=np.arctan2,
)
atan2 = arctan2
nextafter = _binary(
    "nextafter",
    ew.nextafter_p.bind,
    "The next float after ``x1`` toward ``x2``.",
    promote_inexact,
    numpy=np.nextafter,
)
float_power = _binary(
    "float_power", ew.pow, "``x1 ** x2`` as floats, at least in the default precision.", _promote_power
)

equal = _binary("equal", ew.eq, "``x1 == x2``, elementwise.", fast=operator.eq, numpy=ew.eq_p.numpy)
not_equal = _binary("not_equal", ew.ne, "``x1 != x2``, elementwise.", fast=operator.ne, numpy=ew.ne_p.numpy)
less = _binary("less", ew.lt, "``x1 < x2``, elementwise.", fast=operator.lt, numpy=ew.lt_p.numpy)
less_equal = _binary("less_equal", ew.le, "``x1 <= x2``, elementwise.", fast=operator.le, numpy=ew.le_p.numpy)
greater = _binary("greater", ew.gt, "``x1 > x2``, elementwise.", fast=operator.gt, numpy=ew.gt_p.numpy)
greater_equal = _binary(
    "greater_equal", ew.ge, "``x1 >= x2``, elementwise.", fast=operator.ge, numpy=ew.ge_p.numpy
)

bitwise_and = _binary(
    "bitwise_and",
    ew.and_,
    "Bits set in both operands; TypeError for floats.",
    fast=operator.and_,
    numpy=ew.and_p.numpy,
    keywords=True,
)
bitwise_or = _binary(
    "bitwise_or",
    ew.or_,
    "Bits set in either operand; TypeError for floats.",
    fast=operator.or_,
    numpy=ew.or_p.numpy,
    keywords=True,
)
bitwise_xor = _binary(
    "bitwise_xor",
    ew.xor,
    "Bits set in one operand only; TypeError for floats.",
    fast=operator.xor,
    numpy=ew.xor_p.numpy,
    keywords=True,
)
left_shift = _binary("left_shift", ew.shift_left_p.bind, "``x1 << x2`` of integers.")
bitwise_left_shift = left_shift


def _shift_right(x: Any, y: Any) -> Any:
    logical = get_aval(x).dtype.kind == "u"
    return (ew.shift_right_logical_p if logical else ew.shift_right_arithmetic_p).bind(x, y)


right_shift = _binary("right_shift", _shift_right, "``x1 >> x2`` of integers, with copies of the sign bit.")
bitwise_right_shift = right_shift


def _as_bools(*xs: Any) -> list[Any]:
    return [to_bool(x) for x in xs]


logical_and = _binary(
    "logical_and", ew.and_, "True where both operands are nonzero.", _as_bools, keywords=True
)
logical_or = _binary("logical_or", ew.or_, "True where either operand is nonzero.", _as_bools, keywords=True)
logical_xor = _binary(
    "logical_xor", ew.xor, "True where exactly one operand is nonzero.", _as_bools, keywords=True
)
