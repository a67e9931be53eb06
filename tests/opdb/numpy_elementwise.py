"""Rows of ``numpy``: elementwise functions (they promote dtypes and broadcast)."""

from __future__ import annotations

import numpy as np

from .table import SPECIAL, Op, bad, given, op, sample

_REFUSED = [
    bad(given([1.0, 2.0]), TypeError),
    bad(given("text"), TypeError),
    bad(given(np.array([None])), TypeError),
]
_MISMATCH = [
    bad("f8[2,3] f8[2]", (TypeError, ValueError), jax=Exception),
    bad(given([1.0], np.ones(1)), TypeError),
]


def unary(
    name: str,
    texts: str = "f8[2,3] f8 f4[3] i8[3] i4[2] b[2] float int",
    special: bool = True,
    **fields: object,
) -> Op:
    """A row of one operand; integers become floats where JAX says so."""
    samples: list = texts.split()
    if special and "f8" in texts:
        samples.append(given(SPECIAL))
    fields.setdefault("bad", _REFUSED)
    return op(f"numpy.{name}", *samples, **fields)  # type: ignore[arg-type]


REAL = "f8[2,3]/f8[3] f8[2,1]/f8[3] f8/f8 f8[0]/f8 f4[3]/f8[3] i8[3]/f4[3] i8[3]/i4[3] u1[3]/i1[3] b[3]/f8[3] f8[3]/float i4[3]/int i4[3]/float int/float"
INTS = "i8[2,3]/i8[3] i4[3]/i8 u1[3]/i1[3] b[3]/b[3] i1[3]/int"


def binary(name: str, texts: str = REAL, **fields: object) -> Op:
    """A row of two operands: ``"f8[3]/i4"`` is one sample."""
    fields.setdefault("bad", _MISMATCH)
    return op(f"numpy.{name}", *(t.replace("/", " ") for t in texts.split()), **fields)  # type: ignore[arg-type]


COMPLEX = " c16[3] c8[2]"
_DEFAULT = "f8[2,3] f8 f4[3] i8[3] b[2] float int"
POSITIVE = {"within": (0.2, 3), "ints": (1, 6)}
UNIT = {"within": (-0.9, 0.9), "ints": (0, 2)}

# fmt: off
ROWS: list[Op] = [
    *(unary(n, _DEFAULT + COMPLEX, order=2) for n in ("sin", "cos", "sinh", "cosh", "exp", "expm1", "exp2")),
    *(unary(n, _DEFAULT + COMPLEX, order=2, within=(-1.2, 1.2), ints=(-1, 2)) for n in ("tan", "tanh")),
    *(unary(n, _DEFAULT + COMPLEX, order=2, **POSITIVE) for n in ("log", "log1p", "sqrt", "reciprocal")),
    *(unary(n, _DEFAULT + COMPLEX, order=2, weak=False, **POSITIVE) for n in ("log10", "log2")),
    *(unary(n, _DEFAULT, order=2, **POSITIVE) for n in ("cbrt",)),
    *(unary(n, _DEFAULT + COMPLEX, order=2, **UNIT) for n in ("arcsin", "arccos", "arctan", "arcsinh", "arctanh")),
    *(unary(n, _DEFAULT, order=1, **UNIT) for n in ("asin", "acos", "atan", "asinh", "atanh")),
    *(unary(n, _DEFAULT + COMPLEX, order=2, within=(1.1, 3), ints=(1, 5)) for n in ("arccosh", "acosh")),
    *(unary(n, "f8[2,3] f4[3] i8[3] float c16[3]", order=2) for n in ("negative", "positive", "square", "conj", "conjugate")),
    *(unary(n, "f8[2,3] f4[3] i8[3] b[2] float c16[3]", order=2, within=(0.1, 2)) for n in ("abs", "absolute")),
    *(unary(n, order=2) for n in ("deg2rad", "rad2deg", "degrees", "radians")),
    unary("fabs", order=1, within=(0.1, 2)),
    unary("sinc", "f8[2,3] f4[3] i8[3]", special=False, order=2, within=(0.3, 2)),
    unary("i0", "f8[2,3] f4[3]", special=False, order=1),
    *(unary(n, "f8[2,3] f4[3] i8[3] float", order=1) for n in ("floor", "ceil", "trunc", "rint")),
    op("numpy.fix", "f8[2,3]", given(SPECIAL)),
    *(op(f"numpy.{n}", "f8[2,3]", sample("f8[3]", decimals=1), sample("i8[3]", decimals=1), "f4[3]",
         given(np.array([0.5, 1.5, 2.5, -0.5]))) for n in ("round", "around")),
    unary("sign", "f8[2,3] f4[3] i8[3] float", order=1, bad=_REFUSED[:2]),
    op("numpy.sign", "c16[3]", "c8", label="numpy.sign, complex"),
    *(unary(n, "f8[2,3] f4[3] i8[3] b[2] c16[3] float") for n in ("isfinite", "isinf", "isnan", "isreal", "iscomplex")),
    *(unary(n, "f8[2,3] f4[3]", bad=()) for n in ("isneginf", "isposinf", "signbit")),
    *(unary(n, "f8[2,3] f4[3] i8[3] c16[3] c8[2] float") for n in ("real", "imag")),
    unary("angle", "f8[3] c16[3] c8[2]", special=False),
    unary("logical_not", "f8[2,3] i8[3] b[2] float"),
    *(unary(n, "i8[2,3] u1[3] b[3] int", bad=[bad("f8[3]", TypeError)]) for n in ("invert", "bitwise_not", "bitwise_invert")),
    unary("bitwise_count", "i8[2,3] u1[3] i1[3]", bad=()),
    op("numpy.nan_to_num", given(SPECIAL), given(SPECIAL, nan=1.0, posinf=2.0, neginf=-3.0), "i8[3]", "f4[3]"),
    op("numpy.modf", "f8[2,3]", "f4[3]", given(SPECIAL)),
    op("numpy.frexp", "f8[2,3]", given(np.array([0.0, 8.0, -0.3, np.inf]))),
    op("numpy.ldexp", "f8[3] i8[3]", "f4[3] i4[3]"),
    op("numpy.spacing", "f8[3]", "f4[2]"),
    # two operands
    *(binary(n, REAL + " c16[3]/f8[3] c8[2]/float", order=2) for n in ("add", "subtract", "multiply")),
    *(binary(n, REAL + " c16[3]/f8[3]", order=2, **POSITIVE) for n in ("divide", "true_divide")),
    op("numpy.floor_divide", *(t.replace("/", " ") for t in REAL.split() if "b[" not in t),
       given(np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])), given(np.array([7.5, -7.5, 1.0]), np.array([2.0, 2.0, 0.0])), **POSITIVE),
    *(op(f"numpy.{n}", "f8[2,3] f8[3]", "f4[3] f8", "i8[3] i4[3]", "f8[3] float", given(np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])),
         given(np.array([7.5, -7.5, 7.5]), np.array([2.0, 2.0, -2.0])), order=1, **POSITIVE) for n in ("mod", "remainder", "fmod")),
    op("numpy.divmod", given(np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])), "f8[3] f8[3]", **POSITIVE),
    *(op(f"numpy.{n}", "f8[2,3] f8[3]", "f8[2,1] f8[3]", "f4[3] f8[3]", "f8[3] float", "f8[3] int", "float f8[3]", "i8[3] int", "i8[3] i4[3]",
         "f8[3] i8[3]", "i8[3] f8[3]", "c16[3] c16[3]", "f4[3] int", order=2, bad=_MISMATCH, **POSITIVE) for n in ("power", "pow")),
    op("numpy.float_power", "f8[3] f8[3]", "i8[3] i8[3]", "f4[3] f4[3]", **POSITIVE),
    *(binary(n, order=2) for n in ("maximum", "minimum", "fmax", "fmin")),
    *(op(f"numpy.{n}", given(np.repeat(SPECIAL, 8), np.tile(SPECIAL, 8)), label=f"numpy.{n}, special")
      for n in ("maximum", "minimum", "fmax", "fmin", "hypot", "arctan2", "copysign", "power", "multiply", "logaddexp", "heaviside")),
    *(binary(n, order=2, **POSITIVE) for n in ("arctan2", "logaddexp")),
    *(binary(n, order=2, weak=False, **POSITIVE) for n in ("hypot", "logaddexp2")),
    binary("atan2", "f8[3]/f8[3]", order=1),
    binary("copysign", "f8[2,3]/f8[3] f4[3]/f4[3] i8[3]/i8[3]", order=1),
    binary("nextafter", "f8[3]/f8[3] f4[3]/f4[3]", weak=False),
    binary("heaviside", "f8[2,3]/f8[3] f4[3]/f4[3]"),
    *(binary(n, REAL + " c16[3]/c16[3]") for n in ("equal", "not_equal", "logical_and", "logical_or", "logical_xor")),
    *(binary(n, REAL) for n in ("less", "less_equal", "greater", "greater_equal")),
    *(binary(n, INTS, bad=[bad("f8[3] f8[3]", TypeError)]) for n in ("bitwise_and", "bitwise_or", "bitwise_xor")),
    *(binary(n, "i8[2,3]/i8[3] i4[3]/i8 u1[3]/u1[3] i1[3]/int", ints=(0, 6)) for n in ("left_shift", "right_shift", "bitwise_left_shift", "bitwise_right_shift")),
    *(binary(n, "i8[2,3]/i8[3] i4[3]/i8[3]", ints=(1, 30)) for n in ("gcd", "lcm")),
    op("numpy.isclose", given(np.array([1.0, np.nan, np.inf, 1e-9]), np.array([1.0 + 1e-9, np.nan, np.inf, 0.0])),
       given(np.array([1.0, np.nan]), np.array([1.1, np.nan]), rtol=0.2, equal_nan=True), "i8[3] i8[3]", "f4[3] f8[3]"),
    # choice
    op("numpy.where", "b[2,3] f8[2,3] f8[2,3]", "b[2,1] f8[3] f8", "b[3] f8[3] i8[3]", "b[3] f4[3] float", "f8[3] i8[3] int",
       "b float int", "b[3] c16[3] f8[3]", order=2, bad=[bad("b[3] f8[2] f8[3]", ValueError, jax=Exception)]),
    op("numpy.clip", sample("f8[2,3]", min=-0.5, max=0.7), sample("f8[2,3]", max=0.7), sample("i8[3]", min=0, max=2), sample("f4[3]", min=0),
       "f8[2,3] f8[3] f8", sample("f8[3]"), sample("i4[3]", min=0.5, max=2.5), order=1),
    op("numpy.select", given([np.array([True, False, False]), np.array([True, True, False])], [np.arange(3.0), -np.arange(3.0)], 7.0)),
    op("numpy.choose", given(np.array([0, 1, 1]), [np.arange(3.0), -np.arange(3.0)], mode="clip")),
    op("numpy.piecewise", given(np.arange(4.0), [np.arange(4) < 2, np.arange(4) >= 2], [-1.0, 1.0])),
]
