"""Elementwise functions of ``jitney.lax``: operands of one dtype, no broadcasting but of scalars.

Functions that are one primitive are one row each; the others follow below.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._api.calls import as_arrays
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.primitive import Primitive
from jitney._core.trace import Array, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions
from jitney._ops.barriers import optimization_barrier_p
from jitney._ops.stopping import stop_gradient_leaf
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands


class RoundingMethod(enum.IntEnum):
    """How ``round`` treats halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def _public(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _unary(name: str, primitive: Primitive, summary: str, kinds: str) -> Callable[..., Any]:
    """A function of one array."""

    def function(x: Any) -> Any:
        return primitive.bind(as_operand(name, x))

    return _public(
        function, name, f"{summary}\n\n    Args:\n        x: array or scalar of {kinds} dtype.\n    "
    )


def _accurate(name: str, primitive: Primitive, summary: str, kinds: str) -> Callable[..., Any]:
    """A function of one array with JAX's ``accuracy`` argument; ours has one accuracy, within 2 ulp."""

    def function(x: Any, *, accuracy: Any = None) -> Any:
        return primitive.bind(as_operand(name, x))

    args = (
        f"x: array or scalar of {kinds} dtype.\n        accuracy: accepted; results are always within 2 ulp."
    )
    return _public(function, name, f"{summary}\n\n    Args:\n        {args}\n    ")


def _binary(name: str, primitive: Primitive, summary: str) -> Callable[..., Any]:
    """A function of two arrays."""

    def function(x: Any, y: Any) -> Any:
        return primitive.bind(*operands(name, x, y))

    return _public(
        function,
        name,
        f"{summary}\n\n    Args:\n        x, y: arrays of equal shape and dtype, or scalars.\n    ",
    )


neg = _unary("neg", ew.neg_p, "Elementwise negation: ``-x``.", "number")
sign = _unary("sign", ew.sign_p, "Elementwise sign: -1, 0 or 1 (complex: ``x / |x|``).", "number")
floor = _unary("floor", ew.floor_p, "Largest integer not above ``x``.", "float")
ceil = _unary("ceil", ew.ceil_p, "Smallest integer not below ``x``.", "float")
is_finite = _unary("is_finite", ew.is_finite_p, "True where ``x`` is neither infinite nor NaN.", "float")
exp = _accurate("exp", ew.exp_p, "Elementwise exponential.", "float or complex")
exp2 = _accurate("exp2", ew.exp2_p, "Elementwise ``2**x``.", "float or complex")
log = _accurate("log", ew.log_p, "Elementwise natural logarithm.", "float or complex")
expm1 = _accurate("expm1", ew.expm1_p, "``exp(x) - 1``, accurate for small ``x``.", "float or complex")
log1p = _accurate("log1p", ew.log1p_p, "``log(1 + x)``, accurate for small ``x``.", "float or complex")
logistic = _accurate(
    "logistic", ew.logistic_p, "Logistic function ``1 / (1 + exp(-x))``.", "float or complex"
)
sin = _accurate("sin", ew.sin_p, "Elementwise sine of radians.", "float or complex")
cos = _accurate("cos", ew.cos_p, "Elementwise cosine of radians.", "float or complex")
tan = _accurate("tan", ew.tan_p, "Elementwise tangent of radians.", "float or complex")
asin = _unary("asin", ew.asin_p, "Inverse sine, in radians.", "float or complex")
acos = _unary("acos", ew.acos_p, "Inverse cosine, in radians.", "float or complex")
atan = _unary("atan", ew.atan_p, "Inverse tangent, in radians.", "float or complex")
sinh = _unary("sinh", ew.sinh_p, "Hyperbolic sine.", "float or complex")
cosh = _unary("cosh", ew.cosh_p, "Hyperbolic cosine.", "float or complex")
tanh = _accurate("tanh", ew.tanh_p, "Hyperbolic tangent.", "float or complex")
asinh = _unary("asinh", ew.asinh_p, "Inverse hyperbolic sine.", "float or complex")
acosh = _unary("acosh", ew.acosh_p, "Inverse hyperbolic cosine.", "float or complex")
atanh = _unary("atanh", ew.atanh_p, "Inverse hyperbolic tangent.", "float or complex")
sqrt = _accurate("sqrt", ew.sqrt_p, "Square root.", "float or complex")
rsqrt = _accurate("rsqrt", ew.rsqrt_p, "Reciprocal square root ``1 / sqrt(x)``.", "float or complex")
cbrt = _accurate("cbrt", ew.cbrt_p, "Cube root.", "float")
square = _unary("square", ew.square_p, "``x * x``.", "number")
abs = _unary("abs", ew.abs_p, "Absolute value; of complex input a real result.", "number")
bitwise_not = _unary("bitwise_not", ew.not_p, "Bitwise (of booleans: logical) inversion.", "bool or integer")
population_count = _unary("population_count", ew.population_count_p, "Number of set bits.", "integer")
clz = _unary("clz", ew.clz_p, "Number of leading zero bits.", "integer")
lgamma = _unary("lgamma", gamma_functions.lgamma_p, "Logarithm of ``|Gamma(x)|``.", "float")
digamma = _unary("digamma", gamma_functions.digamma_p, "Derivative of ``lgamma``.", "float")
erf = _unary("erf", gamma_functions.erf_p, "Error function.", "float")
erfc = _unary("erfc", gamma_functions.erfc_p, "Complementary error function ``1 - erf(x)``.", "float")
erf_inv = _unary("erf_inv", gamma_functions.erf_inv_p, "Inverse of ``erf`` on (-1, 1).", "float")
bessel_i0e = _unary(
    "bessel_i0e",
    gamma_functions.bessel_i0e_p,
    "``exp(-|x|) I0(x)``, the scaled modified Bessel function.",
    "float",
)
bessel_i1e = _unary(
    "bessel_i1e",
    gamma_functions.bessel_i1e_p,
    "``exp(-|x|) I1(x)``, the scaled modified Bessel function.",
    "float",
)
real = _unary("real", ew.real_p, "Real part of a complex array.", "complex")
imag = _unary("imag", ew.imag_p, "Imaginary part of a complex array.", "complex")

add = _binary("add", ew.add_p, "Elementwise sum ``x + y``.")
sub = _binary("sub", ew.sub_p, "Elementwise difference ``x - y``.")
div = _binary("div", ew.div_p, "Elementwise quotient ``x / y``; of integers, truncated toward zero.")
rem = _binary("rem", ew.rem_p, "Remainder of ``x / y`` with the sign of ``x``.")
max = _binary("max", ew.max_p, "Elementwise maximum; NaN if either operand is.")
min = _binary("min", ew.min_p, "Elementwise minimum; NaN if either operand is.")
atan2 = _binary(
    "atan2", ew.atan2_p, "Angle of the point ``(y, x)`` in radians: ``atan(x / y)`` in the right quadrant."
)
eq = _binary("eq", ew.eq_p, "Elementwise ``x == y``.")
ne = _binary("ne", ew.ne_p, "Elementwise ``x != y``.")
lt = _binary("lt", ew.lt_p, "Elementwise ``x < y``.")
le = _binary("le", ew.le_p, "Elementwise ``x <= y``.")
gt = _binary("gt", ew.gt_p, "Elementwise ``x > y``.")
ge = _binary("ge", ew.ge_p, "Elementwise ``x >= y``.")
bitwise_and = _binary("bitwise_and", ew.and_p, "Bitwise (of booleans: logical) and.")
bitwise_or = _binary("bitwise_or", ew.or_p, "Bitwise (of booleans: logical) or.")
bitwise_xor = _binary("bitwise_xor", ew.xor_p, "Bitwise (of booleans: logical) exclusive or.")
shift_left = _binary("shift_left", ew.shift_left_p, "``x << y``; 0 for shifts by at least the width.")
shift_right_arithmetic = _binary(
    "shift_right_arithmetic", ew.shift_right_arithmetic_p, "``x >> y`` with copies of the sign bit."
)
shift_right_logical = _binary("shift_right_logical", ew.shift_right_logical_p, "``x >> y`` with zeros.")
complex = _binary("complex", ew.complex_p, "The complex array ``x + 1j * y``.")
random_gamma_grad = _binary(
    "random_gamma_grad",
    gamma_functions.random_gamma_grad_p,
    "How a gamma variable ``y`` of shape ``x`` moves with ``x`` where its probability stays.",
)


def mul(x: Any, y: Any, *, out_dtype: Any = None) -> Any:
    """Elementwise product ``x * y``.

    Args:
        x, y: arrays of equal shape and dtype, or scalars.
        out_dtype: the dtype to multiply in and of the result; by default that of the operands.
    """
    if out_dtype is not None:
        x, y = convert_element_type(x, out_dtype), convert_element_type(y, out_dtype)
    return ew.mul_p.bind(*operands("mul", x, y))


def nextafter(x1: Any, x2: Any) -> Any:
    """The next representable number after ``x1`` toward ``x2``, arrays of equal shape and float dtype."""
    return ew.nextafter_p.bind(*operands("nextafter", x1, x2))


def polygamma(m: Any, x: Any) -> Any:
    """Derivative of order ``m`` of digamma at ``x``, arrays of equal shape and float dtype."""
    return gamma_functions.polygamma_p.bind(*operands("polygamma", m, x))


def zeta(x: Any, q: Any) -> Any:
    """Hurwitz zeta function of ``x`` and ``q``, arrays of equal shape and float dtype."""
    return gamma_functions.zeta_p.bind(*operands("zeta", x, q))


def igamma(a: Any, x: Any) -> Any:
    """Regularised lower incomplete gamma function ``P(a, x)`` of arrays of equal shape and float dtype."""
    return gamma_functions.igamma_p.bind(*operands("igamma", a, x))


def igammac(a: Any, x: Any) -> Any:
    """Regularised upper incomplete gamma function ``Q(a, x)`` of arrays of equal shape and float dtype."""
    return gamma_functions.igammac_p.bind(*operands("igammac", a, x))


def igamma_grad_a(a: Any, x: Any) -> Any:
    """Derivative of ``igamma(a, x)`` in ``a``."""
    return gamma_functions.igamma_grad_a_p.bind(*operands("igamma_grad_a", a, x))


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
    return gamma_functions.regularized_incomplete_beta_p.bind(*operands("betainc", a, b, x))


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """``operand`` as ``new_dtype``."""
    dtype = dtypes.requested(new_dtype)
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
    return tree.map(stop_gradient_leaf, x)


def optimization_barrier(operand: Any, /) -> Any:
    """``operand`` (an array or tree) as it is, between what is computed before and after.

    In compiled code, what is computed from the result is never shared with what is computed from ``operand``.

    Example:
        >>> import jitney
        >>> jitney.lax.optimization_barrier((1.0, 2.0))[1].item()
        2.0
    """
    flat, treedef = tree.flatten(operand)
    outs = optimization_barrier_p.bind(*[as_operand("optimization_barrier", x) for x in flat])
    return treedef.unflatten(as_arrays(outs))


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
    "igamma_grad_a",
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
    "optimization_barrier",
    "polygamma",
    "population_count",
    "pow",
    "random_gamma_grad",
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
