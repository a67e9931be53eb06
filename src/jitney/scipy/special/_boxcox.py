"""Box and Cox's power transformation."""

from __future__ import annotations

import math
from typing import Any

from jitney._core.trace import get_aval
from jitney.numpy import ufuncs as uf
from jitney.numpy.arithmetic import power
from jitney.numpy.elementwise import isfinite
from jitney.scipy.operands import promoted, where

# Coefficients of (exp(u) - 1)/u.
_SERIES = [1.0 / math.factorial(k + 1) for k in range(15)]


def boxcox(x: Any, lmbda: Any) -> Any:
    """Box and Cox's transformation ``(x**lmbda - 1)/lmbda``, which is ``log(x)`` for ``lmbda = 0``; NaN for ``x < 0``.

    >>> from jitney.scipy.special import boxcox
    >>> boxcox(2.0, 0.5)
    Array(0.82842712, dtype=float64, weak_type=True)
    """
    x, lmbda = promoted("boxcox", x, lmbda)
    return _transformed(x, uf.log(x), lmbda)


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """:func:`boxcox` of ``1 + x``, accurate for small ``x``.

    >>> from jitney.scipy.special import boxcox1p
    >>> boxcox1p(1e-10, 0.5)
    Array(1.e-10, dtype=float64, weak_type=True)
    """
    x, lmbda = promoted("boxcox1p", x, lmbda)
    return _transformed(x + 1.0, uf.log1p(x), lmbda, uf.abs(x) < 0.5)


def _transformed(base: Any, log: Any, lmbda: Any, close: Any = None) -> Any:
    """``(base**lmbda - 1)/lmbda`` with ``log`` of the base; a series in ``lmbda * log`` where that is small.

    Elsewhere the power comes from the base, but for bases ``close`` to 1 from the logarithm. Bases 0 and infinity are
    apart, so that they keep their derivatives.
    """
    finite = isfinite(log)
    u = lmbda * where(finite, log, 0.0)
    small = finite & uf.less(uf.abs(u), 0.5)
    inner = where(small, u, 0.0)
    ratio = _SERIES[-1]
    for c in _SERIES[-2::-1]:
        ratio = ratio * inner + c
    near = where(finite, log, 0.0) * ratio
    plain = power(where(small, 1.0, base), where(small, 1.0, lmbda))
    if close is not None:
        plain = where(close, uf.exp(where(small, 0.0, u)), plain)
    far = (plain - 1.0) / where(small | uf.equal(lmbda, 0.0), 1.0, lmbda)
    far = where(uf.equal(lmbda, 0.0), log, far)
    if get_aval(base).dtype.kind != "c":
        far = where(uf.less(base, 0.0), math.nan, far)
    return where(small, near, far)
