"""Modified Bessel functions of the first kind."""

from __future__ import annotations

from typing import Any

from jitney._ops import elementwise as ew
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats


def i0e(x: Any, /) -> Any:
    """``exp(-|x|) * i0(x)``, which does not overflow."""
    return ew.bessel_i0e_p.bind(*floats("i0e", x))


def i0(x: Any, /) -> Any:
    """Modified Bessel function of order 0."""
    (x,) = floats("i0", x)
    return uf.exp(uf.abs(x)) * ew.bessel_i0e_p.bind(x)


def i1e(x: Any, /) -> Any:
    """``exp(-|x|) * i1(x)``, which does not overflow."""
    return ew.bessel_i1e_p.bind(*floats("i1e", x))


def i1(x: Any, /) -> Any:
    """Modified Bessel function of order 1."""
    (x,) = floats("i1", x)
    return uf.exp(uf.abs(x)) * ew.bessel_i1e_p.bind(x)
