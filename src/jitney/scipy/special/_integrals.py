"""Integrals: exponential, sine, cosine, Fresnel, Dawson's, Owen's, the dilogarithm, the scaled error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import special_functions as sf
from jitney._ops.complex_special import wofz_p
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import array_operand
from jitney.scipy.operands import floats, promoted, strong, where


def erfcx(x: Any) -> Any:
    """``exp(x**2) * erfc(x)``, which does not underflow; also of complex ``x``.

    >>> from jitney.scipy.special import erfcx
    >>> erfcx(1.5)
    Array(0.32158542, dtype=float64)
    """
    (x,) = map(strong, promoted("erfcx", x))
    if get_aval(x).dtype.kind == "c":
        return wofz_p.bind(x * 1j)
    return sf.erfcx_p.bind(x)


def wofz(z: Any) -> Any:
    """Faddeeva function ``exp(-z**2) * erfc(-i z)``, complex.

    Source: M. Al Azah and S. Chandler-Wilde, SIAM J. Numer. Anal. 59 (2021).

    >>> from jitney.scipy.special import wofz
    >>> wofz(1.0 + 1.0j)
    Array(0.30474421+0.20821894j, dtype=complex128)
    """
    (z,) = map(strong, promoted("wofz", z))
    aval = get_aval(z)
    if aval.dtype.kind != "c":
        z = ew.convert(z, np.dtype(np.complex128 if aval.dtype.itemsize == 8 else np.complex64))
    return wofz_p.bind(z)


def dawsn(x: Any) -> Any:
    """Dawson's integral: ``exp(-x**2)`` times the integral of ``exp(t**2)`` from 0 to ``x``.

    >>> from jitney.scipy.special import dawsn
    >>> dawsn(1.0)
    Array(0.53807951, dtype=float64)
    """
    return sf.dawsn_p.bind(*map(strong, floats("dawsn", x)))


def exp1(x: Any) -> Any:
    """Integral of ``exp(-t)/t`` from ``x`` to infinity; infinite at 0, NaN below.

    Source: W. Cody and H. Thacher, Math. Comp. 22 (1968), for the division of the range.

    >>> from jitney.scipy.special import exp1
    >>> exp1(1.0)
    Array(0.21938393, dtype=float64)
    """
    return sf.exp1_p.bind(*map(strong, floats("exp1", x)))


def expi(x: Any) -> Any:
    """Principal value of the integral of ``exp(t)/t`` from minus infinity to ``x``; ``-inf`` at 0.

    >>> from jitney.scipy.special import expi
    >>> expi(1.0)
    Array(1.89511782, dtype=float64)
    """
    return sf.expi_p.bind(*map(strong, floats("expi", x)))


def expn(n: Any, x: Any) -> Any:
    """Integral of ``exp(-x*t)/t**n`` from 1 to infinity; NaN unless ``n`` is a whole number >= 0 and ``x >= 0``.

    The derivative by ``n`` counts as 0.

    >>> from jitney.scipy.special import expn
    >>> expn(2, 1.5)
    Array(0.07310079, dtype=float64)
    """
    n, x = map(strong, floats("expn", n, x))
    return sf.expn_p.bind(where(uf.less(n, 0.0), math.nan, n), x)


def sici(x: Any) -> tuple[Any, Any]:
    """Sine and cosine integral: of ``sin(t)/t`` from 0 to ``x``, of ``-cos(t)/t`` from ``x`` to infinity (NaN for ``x < 0``).

    >>> from jitney.scipy.special import sici
    >>> sici(1.0)
    (Array(0.94608307, dtype=float64), Array(0.33740392, dtype=float64))
    """
    (x,) = map(strong, floats("sici", x))
    return sf.sine_integral_p.bind(x), sf.cosine_integral_p.bind(x)


def fresnel(x: Any) -> tuple[Any, Any]:
    """Integrals of ``sin(pi*t**2/2)`` and of ``cos(pi*t**2/2)`` from 0 to ``x``.

    Raises:
        NotImplementedError: if ``x`` is complex.

    >>> from jitney.scipy.special import fresnel
    >>> fresnel(1.0)
    (Array(0.43825915, dtype=float64), Array(0.7798934, dtype=float64))
    """
    x = array_operand("fresnel", x)
    if get_aval(x).dtype.kind == "c":
        raise NotImplementedError("fresnel of complex numbers is not implemented: pass a real array.")
    (x,) = map(strong, floats("fresnel", x))
    return sf.fresnel_sine_p.bind(x), sf.fresnel_cosine_p.bind(x)


def spence(x: Any) -> Any:
    """Integral of ``log(t)/(1 - t)`` from 1 to ``x``, the dilogarithm of ``1 - x``; NaN for ``x < 0``.

    Raises:
        TypeError: if the dtype is not float32 or float64.

    >>> from jitney.scipy.special import spence
    >>> spence(1.5)
    Array(-0.44841421, dtype=float64)
    """
    x = strong(array_operand("spence", x))
    dtype = get_aval(x).dtype
    if dtype.name not in ("float32", "float64"):
        raise TypeError(
            f"spence needs an array of float32 or float64, got {dtype.name}. Cast it with astype."
        )
    return sf.spence_p.bind(x)


def owens_t(h: Any, a: Any) -> Any:
    """Owen's function: ``exp(-h**2 (1 + t**2)/2) / (2 pi (1 + t**2))``, integrated over ``t`` from 0 to ``a``.

    Source: D. Owen, Ann. Math. Statist. 27 (1956); Gauss' rule of 30 points.

    >>> from jitney.scipy.special import owens_t
    >>> owens_t(1.0, 0.5)
    Array(0.04306469, dtype=float64)
    """
    return sf.owens_t_p.bind(*map(strong, floats("owens_t", h, a)))
