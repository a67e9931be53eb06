"""Rows of ``lax``: elementwise functions."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, binary, given, op, sample, unary

FLOATS = "f8 f4 f2 bf"
INEXACT = "f8 f4 c16 c8"
NUMBERS = "f8 f4 i8 i4 u4 c16"
INTEGERS = "i8 i4 i2 i1 u8 u4 u2 u1"
_NOT_BOOL = [bad("b[3]", TypeError)]
_NOT_INT = [bad("i8[3]", TypeError), bad("b[3]", TypeError)]
_NOT_FLOAT = [bad("f8[3]", TypeError)]
_NOT_ARRAY = [bad(given([1.0, 2.0]), TypeError), bad(given(None), TypeError), bad(given("text"), TypeError)]
_GRID = np.linspace(-1, 1, 6).reshape(2, 3)
_BITS = np.array([0, 1, -1, 2**62, -(2**63), 12345])

# fmt: off
ROWS: list[Op] = [
    # one operand
    unary("lax.neg", NUMBERS, order=2, bad=[*_NOT_BOOL, *_NOT_ARRAY]),
    unary("lax.sign", NUMBERS, order=1, bad=_NOT_BOOL),
    unary("lax.floor", FLOATS, order=1, bad=_NOT_INT),
    unary("lax.ceil", FLOATS, order=1, bad=_NOT_INT),
    unary("lax.is_finite", FLOATS, bad=_NOT_INT),
    unary("lax.exp", INEXACT, order=2, bad=[*_NOT_INT, *_NOT_ARRAY]),
    unary("lax.exp2", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.log", INEXACT, within=(0.1, 4), order=2, bad=_NOT_INT),
    unary("lax.expm1", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.log1p", INEXACT, within=(-0.7, 3), order=2, bad=_NOT_INT),
    unary("lax.logistic", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.sin", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.cos", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.tan", INEXACT, within=(-1.2, 1.2), order=2, bad=_NOT_INT),
    unary("lax.asin", INEXACT, within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.acos", INEXACT, within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.atan", INEXACT, within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.sinh", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.cosh", INEXACT, order=2, bad=_NOT_INT),
    unary("lax.tanh", INEXACT, within=(-1.2, 1.2), order=2, bad=_NOT_INT),
    unary("lax.asinh", INEXACT, within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.acosh", INEXACT, within=(1.1, 3), order=2, bad=_NOT_INT),
    unary("lax.atanh", INEXACT, within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.sqrt", INEXACT, within=(0.1, 4), order=2, bad=_NOT_INT),
    unary("lax.rsqrt", INEXACT, within=(0.1, 4), order=2, bad=_NOT_INT),
    unary("lax.cbrt", "f8 f4", within=(0.1, 4), order=2, bad=_NOT_INT),
    unary("lax.square", NUMBERS, order=2, bad=_NOT_BOOL),
    unary("lax.reciprocal", INEXACT, within=(0.3, 2), order=2),
    unary("lax.abs", "f8 f4 i8 i4 c16 c8", within=(0.1, 2), order=2, bad=_NOT_BOOL),
    unary("lax.lgamma", "f8 f4", within=(0.3, 5), order=2, bad=_NOT_INT),
    unary("lax.digamma", "f8 f4", within=(0.3, 5), order=2, special=False, bad=_NOT_INT),
    unary("lax.erf", "f8 f4", order=2, bad=_NOT_INT),
    unary("lax.erfc", "f8 f4", order=2, bad=_NOT_INT),
    unary("lax.erf_inv", "f8 f4", within=(-0.9, 0.9), order=2, bad=_NOT_INT),
    unary("lax.bessel_i0e", "f8 f4", order=2, special=False, bad=_NOT_INT),
    unary("lax.bessel_i1e", "f8 f4", order=2, special=False, bad=_NOT_INT),
    unary("lax.real", "c16 c8", order=2, bad=_NOT_FLOAT),
    unary("lax.imag", "c16 c8", order=2, bad=_NOT_FLOAT),
    unary("lax.conj", "c16 c8 f8 f4", order=2),
    unary("lax.bitwise_not", INTEGERS + " b", bad=_NOT_FLOAT),
    unary("lax.population_count", INTEGERS, bad=_NOT_FLOAT),
    unary("lax.clz", INTEGERS, bad=_NOT_FLOAT),
    op("lax.clz", given(_BITS), label="lax.clz, wide"),
    unary("lax.stop_gradient", "f8 i8", order=0),
    # two operands
    binary("lax.add", NUMBERS, order=2, bad=[bad(given([1.0], np.ones(1)), TypeError)]),
    binary("lax.sub", NUMBERS, order=2),
    binary("lax.mul", NUMBERS, order=2),
    op("lax.add", "b[3] b[3]", reference=np.add, label="lax.add, bool"),
    op("lax.mul", "b[3] b[3]", reference=np.multiply, label="lax.mul, bool"),
    binary("lax.div", "f8 f4 c16", within=(0.5, 3), order=2),
    op("lax.div", given(np.array([7, -7, 7, -7, 5]), np.array([2, 2, -2, -2, 0])), label="lax.div, integers"),
    op("lax.div", given(np.array([7, 9], np.uint8), np.array([2, 0], np.uint8)), label="lax.div, unsigned"),
    binary("lax.rem", "f8 f4", within=(0.5, 3), order=2),
    op("lax.rem", given(np.array([7, -7, 7, -7, 5]), np.array([2, 2, -2, -2, 0])), label="lax.rem, integers"),
    binary("lax.max", "f8 f4 i8 u4 b", order=2),
    binary("lax.min", "f8 f4 i8 u4 b", order=2),
    binary("lax.atan2", "f8 f4", order=2),
    binary("lax.nextafter", "f8 f4", order=0),
    binary("lax.pow", "f8 f4", within=(0.3, 2), order=2),
    op("lax.pow", "f8[3] i8[3]", "f8[3] i4", "c16[3] c16[3]", "f8[3] int", ints=(0, 4), label="lax.pow, mixed"),
    *(
        op("lax.integer_pow", sample("f8[2,3]", (0.3, 2), y=y), sample("f4[3]", (0.3, 2), y=y), sample("c16[3]", y=y),
           order=2, label=f"lax.integer_pow, {y}")
        for y in (-3, -1, 0, 1, 2, 3, 7)
    ),
    op("lax.integer_pow", sample("i8[3]", y=3), sample("i4[3]", y=0), label="lax.integer_pow, integers",
       bad=[bad("i8[3]", TypeError, y=-1), bad("b[3]", TypeError, y=2)]),
    *(binary(f"lax.{name}", "f8 f4 i8 u4 b c16") for name in ("eq", "ne")),
    *(binary(f"lax.{name}", "f8 f4 i8 u4 b") for name in ("lt", "le", "gt", "ge")),
    *(
        binary(f"lax.bitwise_{name}", INTEGERS + " b", bad=[bad("f8[3] f8[3]", TypeError)])
        for name in ("and", "or", "xor")
    ),
    *(
        binary(f"lax.shift_{name}", INTEGERS, ints=(0, 9), bad=[bad("f8[3] f8[3]", TypeError)])
        for name in ("left", "right_logical", "right_arithmetic")
    ),
    *(
        op(f"lax.shift_{name}", given(_BITS, np.array([64, 63, 70, 1, 2, -1])), label=f"lax.shift_{name}, far")
        for name in ("left", "right_logical", "right_arithmetic")
    ),
    binary("lax.complex", "f8 f4", special=False, order=2, bad=[bad("i8[3] i8[3]", TypeError)]),
    op("lax.polygamma", given(np.array([0.0, 1.0, 2.0]), np.array([0.7, 1.5, 3.0])), tolerance=1e-10),
    op("lax.zeta", given(np.array([1.5, 2.0, 5.0]), np.array([0.7, 1.5, 3.0])), tolerance=1e-10),
    op("lax.igamma", "f8[3] f8[3]", "f4[3] f4[3]", "f8 f8", within=(0.5, 3), tolerance=1e-10),
    op("lax.igammac", "f8[3] f8[3]", "f4[3] f4[3]", "f8 f8", within=(0.5, 3), tolerance=1e-10),
    op("lax.betainc", "f8[3] f8[3] f8[3]", "f8 f8 f8", within=(0.1, 0.9), tolerance=1e-10),
    # choice
    op("lax.clamp", given(_GRID - 1.5, _GRID[::-1] / 2, _GRID + 0.25), given(np.array(-0.5), _GRID, np.array(0.4)),
       given(np.array(1, "f4"), np.arange(3, dtype="f4"), np.array(0, "f4")), "i8[3] i8[3] i8[3]", "float f8[3] float", order=2, bad=[bad("f8[2] f8[3] f8", TypeError), bad("f8 f4[3] f8", TypeError)]),
    op("lax.select", "b[2,3] f8[2,3] f8[2,3]", "b f8[2,3] f8[2,3]", "b[3] i8[3] i8[3]", "b f8 f8", "b[3] c16[3] c16[3]",
       order=2, bad=[bad("b[3] f8[3] f8[4]", TypeError), bad("f8[3] f8[3] f8[3]", TypeError),
                     bad("b[3] f8[3] f4[3]", TypeError), bad("b[2] f8[3] f8[3]", TypeError)]),
    op("lax.select_n", "b[3] f8[3] f8[3]", given(np.array([0, 2, 1], np.int32), *np.eye(3)),
       given(np.array(1, np.int32), *np.eye(3)), "b[3] f8[3]", order=2,
       bad=[bad("b[3] f8[3] f8[3] f8[3]", TypeError), bad("b[3]", ValueError)]),
    # conversion
    *(
        op("lax.convert_element_type", sample("f8[2,3]", (0, 5), new_dtype=to), sample("i8[3]", ints=(0, 9), new_dtype=to),
           sample("b[3]", new_dtype=to), sample("f4", (0, 5), new_dtype=to), sample("float", (0, 5), new_dtype=to),
           sample("u1[3]", new_dtype=to), order=1 if to[0] == "f" else 0,
           tolerance=1e-6 if to in ("float32",) else 1e-12, label=f"lax.convert_element_type, {to}")
        for to in ("float64", "int64", "uint8", "bool", "complex128", "bfloat16")
    ),
    op("lax.convert_element_type", sample("c16[3]", new_dtype="complex64"), sample("c8", new_dtype="complex128"),
       label="lax.convert_element_type, complex"),
    op("lax.convert_element_type", sample("c16[3]", new_dtype="float64"), reference=lambda x, new_dtype: x.real, order=1,
       label="lax.convert_element_type, complex to real"),
    op("lax.convert_element_type", *(sample("f8[3]", new_dtype=t) for t in (int, float, complex, bool)),
       label="lax.convert_element_type, Python types"),
    op("lax.convert_element_type", given(np.array([np.nan, np.inf, -np.inf, 1e30, -1e30]), new_dtype="int32"),
       given(np.array([300.0, -5.0, 255.9]), new_dtype="uint8"), given(np.array([300, -5, 2**40]), new_dtype="int8"),
       label="lax.convert_element_type, out of range"),
    op("lax.bitcast_convert_type", sample("f8[3]", new_dtype="int64"), sample("f4[2]", new_dtype="uint32"),
       sample("f8[2]", new_dtype="uint32"), sample("i4[3,2]", new_dtype="int64")),
    *(
        op("lax.round", given(np.array([0.5, 1.5, -0.5, -1.5, 2.4, -2.6, np.nan, np.inf]), rounding_method=method),
           sample("f4[3]", rounding_method=method), sample("f8[2,3]", rounding_method=method), order=1,
           label=f"lax.round, {method}", bad=[bad("i8[3]", TypeError, rounding_method=method)])
        for method in (0, 1)
    ),
]
