"""Elementwise functions of ``jitney.lax``: operands of one dtype, no broadcasting but of scalars."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import Array, get_aval
from jitney._ops import elementwise as ew
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands


class RoundingMethod(enum.IntEnum):
    """How ``round`` treats halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def neg(x: Any) -> Any:
    """Elementwise negation: ``-x``.

    Args:
        x: array or scalar of number dtype.
    """
    return ew.neg_p.bind(as_operand("neg", x))


def sign(x: Any) -> Any:
    """Elementwise sign: -1, 0 or 1 (complex: ``x / |x|``).

    Args:
        x: array or scalar of number dtype.
    """
    return ew.sign_p.bind(as_operand("sign", x))


def floor(x: Any) -> Any:
    """Largest integer not above ``x``.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.floor_p.bind(as_operand("floor", x))


def ceil(x: Any) -> Any:
    """Smallest integer not below ``x``.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.ceil_p.bind(as_operand("ceil", x))


def is_finite(x: Any) -> Any:
    """True where ``x`` is neither infinite nor NaN.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.is_finite_p.bind(as_operand("is_finite", x))


def exp(x: Any, accuracy: Any = None) -> Any:
    """Elementwise exponential.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.exp_p.bind(as_operand("exp", x))


def exp2(x: Any, accuracy: Any = None) -> Any:
    """Elementwise ``2**x``.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.exp2_p.bind(as_operand("exp2", x))


def log(x: Any, accuracy: Any = None) -> Any:
    """Elementwise natural logarithm.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.log_p.bind(as_operand("log", x))


def expm1(x: Any, accuracy: Any = None) -> Any:
    """``exp(x) - 1``, accurate for small ``x``.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.expm1_p.bind(as_operand("expm1", x))


def log1p(x: Any, accuracy: Any = None) -> Any:
    """``log(1 + x)``, accurate for small ``x``.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.log1p_p.bind(as_operand("log1p", x))


def logistic(x: Any, accuracy: Any = None) -> Any:
    """Logistic function ``1 / (1 + exp(-x))``.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.logistic_p.bind(as_operand("logistic", x))


def sin(x: Any, accuracy: Any = None) -> Any:
    """Elementwise sine of radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.sin_p.bind(as_operand("sin", x))


def cos(x: Any, accuracy: Any = None) -> Any:
    """Elementwise cosine of radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.cos_p.bind(as_operand("cos", x))


def tan(x: Any, accuracy: Any = None) -> Any:
    """Elementwise tangent of radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.tan_p.bind(as_operand("tan", x))


def asin(x: Any) -> Any:
    """Inverse sine, in radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.asin_p.bind(as_operand("asin", x))


def acos(x: Any) -> Any:
    """Inverse cosine, in radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.acos_p.bind(as_operand("acos", x))


def atan(x: Any) -> Any:
    """Inverse tangent, in radians.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.atan_p.bind(as_operand("atan", x))


def sinh(x: Any) -> Any:
    """Hyperbolic sine.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.sinh_p.bind(as_operand("sinh", x))


def cosh(x: Any) -> Any:
    """Hyperbolic cosine.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.cosh_p.bind(as_operand("cosh", x))


def tanh(x: Any, accuracy: Any = None) -> Any:
    """Hyperbolic tangent.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.tanh_p.bind(as_operand("tanh", x))


def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.asinh_p.bind(as_operand("asinh", x))


def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.acosh_p.bind(as_operand("acosh", x))


def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.atanh_p.bind(as_operand("atanh", x))


def sqrt(x: Any, accuracy: Any = None) -> Any:
    """Square root.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.sqrt_p.bind(as_operand("sqrt", x))


def rsqrt(x: Any, accuracy: Any = None) -> Any:
    """Reciprocal square root ``1 / sqrt(x)``.

    Args:
        x: array or scalar of float or complex dtype.
    """
    return ew.rsqrt_p.bind(as_operand("rsqrt", x))


def cbrt(x: Any, accuracy: Any = None) -> Any:
    """Cube root.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.cbrt_p.bind(as_operand("cbrt", x))


def square(x: Any) -> Any:
    """``x * x``.

    Args:
        x: array or scalar of number dtype.
    """
    return ew.square_p.bind(as_operand("square", x))


def abs(x: Any) -> Any:
    """Absolute value; of complex input a real result.

    Args:
        x: array or scalar of number dtype.
    """
    return ew.abs_p.bind(as_operand("abs", x))


def bitwise_not(x: Any) -> Any:
    """Bitwise (of booleans: logical) inversion.

    Args:
        x: array or scalar of bool or integer dtype.
    """
    return ew.not_p.bind(as_operand("bitwise_not", x))


def population_count(x: Any) -> Any:
    """Number of set bits.

    Args:
        x: array or scalar of integer dtype.
    """
    return ew.population_count_p.bind(as_operand("population_count", x))


def clz(x: Any) -> Any:
    """Number of leading zero bits.

    Args:
        x: array or scalar of integer dtype.
    """
    return ew.clz_p.bind(as_operand("clz", x))


def lgamma(x: Any) -> Any:
    """Logarithm of ``|Gamma(x)|``.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.lgamma_p.bind(as_operand("lgamma", x))


def digamma(x: Any) -> Any:
    """Derivative of ``lgamma``.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.digamma_p.bind(as_operand("digamma", x))


def erf(x: Any) -> Any:
    """Error function.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.erf_p.bind(as_operand("erf", x))


def erfc(x: Any) -> Any:
    """Complementary error function ``1 - erf(x)``.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.erfc_p.bind(as_operand("erfc", x))


def erf_inv(x: Any) -> Any:
    """Inverse of ``erf`` on (-1, 1).

    Args:
        x: array or scalar of float dtype.
    """
    return ew.erf_inv_p.bind(as_operand("erf_inv", x))


def bessel_i0e(x: Any) -> Any:
    """``exp(-|x|) I0(x)``, the scaled modified Bessel function.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.bessel_i0e_p.bind(as_operand("bessel_i0e", x))


def bessel_i1e(x: Any) -> Any:
    """``exp(-|x|) I1(x)``, the scaled modified Bessel function.

    Args:
        x: array or scalar of float dtype.
    """
    return ew.bessel_i1e_p.bind(as_operand("bessel_i1e", x))


def real(x: Any) -> Any:
    """Real part of a complex array.

    Args:
        x: array or scalar of complex dtype.
    """
    return ew.real_p.bind(as_operand("real", x))


def imag(x: Any) -> Any:
    """Imaginary part of a complex array.

    Args:
        x: array or scalar of complex dtype.
    """
    return ew.imag_p.bind(as_operand("imag", x))


def add(x: Any, y: Any) -> Any:
    """Elementwise sum ``x + y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.add_p.bind(*operands("add", x, y))


def sub(x: Any, y: Any) -> Any:
    """Elementwise difference ``x - y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.sub_p.bind(*operands("sub", x, y))


def mul(x: Any, y: Any) -> Any:
    """Elementwise product ``x * y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.mul_p.bind(*operands("mul", x, y))


def div(x: Any, y: Any) -> Any:
    """Elementwise quotient ``x / y``; of integers, truncated toward zero.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.div_p.bind(*operands("div", x, y))


def rem(x: Any, y: Any) -> Any:
    """Remainder of ``x / y`` with the sign of ``x``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.rem_p.bind(*operands("rem", x, y))


def max(x: Any, y: Any) -> Any:
    """Elementwise maximum; NaN if either operand is.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.max_p.bind(*operands("max", x, y))


def min(x: Any, y: Any) -> Any:
    """Elementwise minimum; NaN if either operand is.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.min_p.bind(*operands("min", x, y))


def atan2(x: Any, y: Any) -> Any:
    """Angle of the point ``(y, x)`` in radians: ``atan(x / y)`` in the right quadrant.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.atan2_p.bind(*operands("atan2", x, y))


def nextafter(x: Any, y: Any) -> Any:
    """The next representable number after ``x`` toward ``y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.nextafter_p.bind(*operands("nextafter", x, y))


def eq(x: Any, y: Any) -> Any:
    """Elementwise ``x == y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.eq_p.bind(*operands("eq", x, y))


def ne(x: Any, y: Any) -> Any:
    """Elementwise ``x != y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.ne_p.bind(*operands("ne", x, y))


def lt(x: Any, y: Any) -> Any:
    """Elementwise ``x < y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.lt_p.bind(*operands("lt", x, y))


def le(x: Any, y: Any) -> Any:
    """Elementwise ``x <= y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.le_p.bind(*operands("le", x, y))


def gt(x: Any, y: Any) -> Any:
    """Elementwise ``x > y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.gt_p.bind(*operands("gt", x, y))


def ge(x: Any, y: Any) -> Any:
    """Elementwise ``x >= y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.ge_p.bind(*operands("ge", x, y))


def bitwise_and(x: Any, y: Any) -> Any:
    """Bitwise (of booleans: logical) and.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.and_p.bind(*operands("bitwise_and", x, y))


def bitwise_or(x: Any, y: Any) -> Any:
    """Bitwise (of booleans: logical) or.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.or_p.bind(*operands("bitwise_or", x, y))


def bitwise_xor(x: Any, y: Any) -> Any:
    """Bitwise (of booleans: logical) exclusive or.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.xor_p.bind(*operands("bitwise_xor", x, y))


def shift_left(x: Any, y: Any) -> Any:
    """``x << y``; 0 for shifts by at least the width.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.shift_left_p.bind(*operands("shift_left", x, y))


def shift_right_arithmetic(x: Any, y: Any) -> Any:
    """``x >> y`` with copies of the sign bit.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.shift_right_arithmetic_p.bind(*operands("shift_right_arithmetic", x, y))


def shift_right_logical(x: Any, y: Any) -> Any:
    """``x >> y`` with zeros.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.shift_right_logical_p.bind(*operands("shift_right_logical", x, y))


def complex(x: Any, y: Any) -> Any:
    """The complex array ``x + 1j * y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.complex_p.bind(*operands("complex", x, y))


def polygamma(x: Any, y: Any) -> Any:
    """Derivative of order ``x`` of digamma at ``y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.polygamma_p.bind(*operands("polygamma", x, y))


def zeta(x: Any, y: Any) -> Any:
    """Hurwitz zeta function of ``x`` and ``y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.zeta_p.bind(*operands("zeta", x, y))


def igamma(x: Any, y: Any) -> Any:
    """Regularised lower incomplete gamma function ``P(x, y)``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.igamma_p.bind(*operands("igamma", x, y))


def igammac(x: Any, y: Any) -> Any:
    """Regularised upper incomplete gamma function ``Q(x, y)``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
    """
    return ew.igammac_p.bind(*operands("igammac", x, y))


def pow(x: Any, y: Any) -> Any:
    """``x ** y``; ``y`` may be an integer array beside a floating ``x``."""
    if type(y) is int:
        return integer_pow(x, y)
    x, y = as_operand("pow", x), as_operand("pow", y)
    if dtypes.kind_of(get_aval(y).dtype) not in "iu":
        x, y = operands("pow", x, y)
    return ew.pow_p.bind(x, y)


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer ``y``."""
    x = as_operand("integer_pow", x)
    if y < 0 and dtypes.kind_of(get_aval(x).dtype) in "iu":
        raise TypeError(
            f"Integers cannot be raised to negative powers, got integer_pow({get_aval(x).dtype.name}, {y})."
        )
    return ew.integer_pow(x, y)


def reciprocal(x: Any) -> Any:
    """``1 / x``."""
    return integer_pow(x, -1)


def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """Round to integers; halves go away from zero or to even numbers."""
    return ew.round_p.bind(as_operand("round", x), rounding_method=RoundingMethod(rounding_method))


def conj(x: Any) -> Any:
    """Complex conjugate; real input becomes complex."""
    return ew.conj(as_operand("conj", x))


def clamp(min: Any, x: Any, max: Any) -> Any:
    """``x`` held between ``min`` and ``max``, scalars or arrays of the shape of ``x``."""
    return ew.clamp_p.bind(*operands("clamp", min, x, max))


def select_n(which: Any, *cases: Any) -> Any:
    """Choose among ``cases`` by ``which``: False/0 the first, True/1 the second, and so on."""
    if not cases:
        raise ValueError("select_n() must have at least one case")
    return ew.select_n_p.bind(as_operand("select_n", which), *operands("select_n", *cases))


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``; all of one shape (``pred`` may be scalar)."""
    return select_n(pred, on_false, on_true)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """Regularised incomplete beta function."""
    return ew.regularized_incomplete_beta_p.bind(*operands("betainc", a, b, x))


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """``operand`` as ``new_dtype``."""
    dtype = dtypes.canonicalize_dtype(new_dtype)
    x = as_operand("convert_element_type", operand)
    if isinstance(x, Array) and x.aval.dtype == dtype and not x.aval.weak_type:
        return x
    return ew.convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of ``operand`` read as ``new_dtype``; narrower types add a last axis, wider ones take it."""
    return ew.bitcast_convert_type_p.bind(
        as_operand("bitcast_convert_type", operand), new_dtype=np.dtype(new_dtype)
    )


def stop_gradient(x: Any) -> Any:
    """``x`` (an array or tree) with derivative zero."""
    from jitney._core import tree
    from jitney._transforms.stop import stop_gradient_leaf

    return tree.map(stop_gradient_leaf, x)


__all__ = [
    "RoundingMethod",
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bessel_i0e",
    "bessel_i1e",
    "betainc",
    "bitcast_convert_type",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clamp",
    "clz",
    "complex",
    "conj",
    "convert_element_type",
    "cos",
    "cosh",
    "digamma",
    "div",
    "eq",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "ge",
    "gt",
    "igamma",
    "igammac",
    "imag",
    "integer_pow",
    "is_finite",
    "le",
    "lgamma",
    "log",
    "log1p",
    "logistic",
    "lt",
    "max",
    "min",
    "mul",
    "ne",
    "neg",
    "nextafter",
    "polygamma",
    "population_count",
    "pow",
    "real",
    "reciprocal",
    "rem",
    "round",
    "rsqrt",
    "select",
    "select_n",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "stop_gradient",
    "sub",
    "tan",
    "tanh",
    "zeta",
]
