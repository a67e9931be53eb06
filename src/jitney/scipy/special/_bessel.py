"""Bessel functions of the first kind of integer order, modified ones of the orders 0 and 1."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import gamma_functions, raw
from jitney._ops import special_functions as sf
from jitney.numpy.operands import array_operand
from jitney.scipy.operands import floats, strong


def i0e(x: Any) -> Any:
    """``exp(-|x|) * i0(x)``, which does not overflow."""
    return gamma_functions.bessel_i0e_p.bind(*floats("i0e", x))


def i0(x: Any) -> Any:
    """Modified Bessel function of order 0."""
    return sf.bessel_i0_p.bind(*floats("i0", x))


def i1e(x: Any) -> Any:
    """``exp(-|x|) * i1(x)``, which does not overflow."""
    return gamma_functions.bessel_i1e_p.bind(*floats("i1e", x))


def i1(x: Any) -> Any:
    """Modified Bessel function of order 1."""
    return sf.bessel_i1_p.bind(*floats("i1", x))


def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Any:
    """Bessel functions of the first kind of the orders 0, 1, ..., ``v``, along a new first axis.

    Args:
        z: array of real numbers.
        v: the highest order, an int.
        n_iter: of no effect: as many steps are made as full accuracy needs.

    Raises:
        ValueError: if ``z`` is complex.
        TypeError: if ``v`` is not an int.

    Source: Miller's backward recurrence and Hankel's expansions (DLMF 10.12.4, 10.17.3).

    >>> from jitney.scipy.special import bessel_jn
    >>> bessel_jn(50.0, v=1)
    Array([ 0.05581233, -0.09751183], dtype=float64)
    """
    if get_aval(array_operand("bessel_jn", z)).dtype.kind == "c":
        raise ValueError("bessel_jn needs real numbers: complex input not supported.")
    (z,) = map(strong, floats("bessel_jn", z))
    aval = get_aval(z)
    orders = np.arange(operator.index(v) + 1).astype(aval.dtype)
    shape = (orders.size, *aval.shape)
    orders = raw.broadcast_in_dim(array_operand("bessel_jn", orders), shape, (0,))
    return sf.bessel_jn_p.bind(orders, raw.broadcast_in_dim(z, shape, range(1, len(shape))))
