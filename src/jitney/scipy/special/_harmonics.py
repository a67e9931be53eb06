"""Spherical harmonics."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import special_functions as sf
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import array_operand, promote_ranks
from jitney.scipy.operands import floats, strong

_F64 = np.dtype(np.float64)


def sph_harm_y(
    n: Any, m: Any, theta: Any, phi: Any, diff_n: int | None = None, n_max: int | None = None
) -> Any:
    """Spherical harmonic of degree ``n`` and order ``m`` at the polar angle ``theta`` and the azimuth ``phi``.

    Orthonormal, with the phase ``(-1)**m`` of Condon and Shortley; 0 for ``|m| > n``, NaN for ``n < 0``.

    Args:
        n, m: arrays of integers, which broadcast with the angles.
        theta, phi: arrays of real numbers, by which the result has derivatives.
        diff_n: only None: derivatives come from ``grad`` and ``jvp``.
        n_max: of no effect: degrees need not be bounded.

    Returns:
        complex128 array.

    Raises:
        TypeError: if ``n`` or ``m`` is not of an integer dtype.
        NotImplementedError: if ``diff_n`` is given.

    Source: the recurrence in the degree (DLMF 14.10.3).

    >>> from jitney.scipy.special import sph_harm_y
    >>> sph_harm_y(2, 1, 0.3, 0.4)
    Array(-0.20088969-0.0849348j, dtype=complex128)
    """
    if diff_n is not None:
        raise NotImplementedError(
            "sph_harm_y with diff_n is not implemented: use grad or jvp by theta and phi."
        )
    for name, x in (("n", n), ("m", m)):
        dtype = get_aval(array_operand("sph_harm_y", x)).dtype
        if dtype.kind not in "iu":
            raise TypeError(f"sph_harm_y needs {name} of an integer dtype, got {dtype.name}.")
    theta, phi = map(strong, floats("sph_harm_y", theta, phi))
    xs = promote_ranks("sph_harm_y", *[array_operand("sph_harm_y", x) for x in (n, m, theta, phi)])
    degree, order, theta, phi = (strong(ew.convert(x, _F64)) for x in xs)
    size = sf.spherical_legendre_p.bind(degree, order, theta)
    turn = order * phi
    return ew.complex(size * uf.cos(turn), size * uf.sin(turn))
