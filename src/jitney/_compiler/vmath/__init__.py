"""Math functions as LLVM IR, for f64 and f32 at every SIMD width, made to be inlined into loops.

    d = definition("exp", "<8 x double>", features)
    module.add_math(d)                  # its text, and what it calls
    y = d.call(f, [x])                  # in a function being written

Begin at `definition`; the mathematics stand in the other files, in the language of `lang.py`, and the
coefficients in `coefficients.py`, which `tools/fit_math.py` makes. No code of other libraries is used.
"""

from __future__ import annotations

from . import (  # noqa: F401  (each enters its functions)
    algebraic,
    bessel,
    bessel_integer,
    confluent,
    conversion,
    dawson,
    dilogarithm,
    error,
    exponential,
    exponential_integral,
    gamma,
    gamma_value,
    gauss,
    incomplete_beta,
    incomplete_gamma,
    incomplete_gamma_slope,
    inverse,
    legendre,
    logarithm,
    owens,
    power,
    quotient,
    trigonometric,
    trigonometric_integral,
    zeta,
)
from .registry import MathFunction, build, names, relevant

__all__ = ["MathFunction", "definition", "names"]


def definition(name: str, type: str, features=()) -> MathFunction:
    """The function `name` for the LLVM type `type` ("double", "<8 x float>", ...), on a CPU with `features`.

    `features` may be LLVM's feature text ("+fma,-avx512f"), its map of names to booleans, or names.
    """
    return build(name, type, relevant(features))
