"""Hypergeometric functions of Kummer and of Gauss."""

from __future__ import annotations

from typing import Any

from jitney._ops import special_functions as sf
from jitney.scipy.operands import floats, strong


def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    """Kummer's confluent hypergeometric function ``1 + a x/b + a (a+1) x**2 / (b (b+1) 2!) + ...``.

    NaN where ``b`` is 0, -1, -2, ... and the series does not end before. Derivatives by ``a`` and ``b`` are
    differences of order 16.

    Source: the series in pairs of floats, the expansions at infinity (DLMF 13.7), Taylor steps along the differential equation.

    >>> from jitney.scipy.special import hyp1f1
    >>> hyp1f1(1.5, 2.5, -30.0)
    Array(0.00809011, dtype=float64)
    """
    return sf.hyp1f1_p.bind(*map(strong, floats("hyp1f1", a, b, x)))


def hyp2f1(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss' hypergeometric function ``1 + a b x/c + a (a+1) b (b+1) x**2 / (c (c+1) 2!) + ...`` for ``x <= 1``.

    NaN for ``x > 1`` unless the series ends, and where ``c`` is 0, -1, -2, ... and it does not end before. Derivatives
    by ``a``, ``b``, ``c`` are differences of order 16.

    Source: the series in pairs of floats, Taylor steps along the differential equation (DLMF 15.10.1).

    >>> from jitney.scipy.special import hyp2f1
    >>> hyp2f1(1.0, 2.0, 3.0, -2.0)
    Array(0.45069386, dtype=float64)
    """
    return sf.hyp2f1_p.bind(*map(strong, floats("hyp2f1", a, b, c, x)))
