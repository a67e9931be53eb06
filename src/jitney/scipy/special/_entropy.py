"""Logistic functions, and products with a logarithm where ``0 log 0`` is 0: entropies and divergences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops.strong_products import strong_mul_p
from jitney.numpy import ufuncs as uf
from jitney.numpy.dtype_functions import finfo
from jitney.numpy.manipulation import broadcast_arrays
from jitney.scipy.operands import floats, promoted, where


def logit(x: Any) -> Any:
    """``log(x / (1 - x))``, the inverse of :func:`expit`."""
    (x,) = promoted("logit", x)
    if get_aval(x).dtype.kind == "c":
        return uf.log(x / (1.0 - x))
    # About 1/2, where the quotient is about 1: (2 x - 1)/(1 - x) = x/(1 - x) - 1 loses nothing.
    central = uf.less(uf.abs(x - 0.5), 0.25)
    inner, outer = where(central, x, 0.5), where(central, 0.5, x)
    return where(central, uf.log1p((2.0 * inner - 1.0) / (1.0 - inner)), uf.log(outer / (1.0 - outer)))


def expit(x: Any) -> Any:
    """Logistic function ``1 / (1 + exp(-x))``."""
    return ew.logistic_p.bind(*promoted("expit", x))


def xlogy(x: Any, y: Any) -> Any:
    """``x * log(y)``, which is 0 where ``x`` is 0 (unless ``y`` is NaN); its derivative by ``x`` is ``log(y)`` there.

    >>> from jitney.scipy.special import xlogy
    >>> xlogy(0.0, 0.0)
    Array(0., dtype=float64, weak_type=True)
    """
    x, y = promoted("xlogy", x, y)
    return _strong_product(x, uf.log(y), y)


def _strong_product(x: Any, log: Any, y: Any) -> Any:
    """``x * log``, 0 where ``x`` is, however large the logarithm of ``y``; NaN where ``y`` is."""
    x, log, y = broadcast_arrays(x, log, y)
    return where(uf.not_equal(y, y), y, strong_mul_p.bind(x, log, both=False))


def xlog1py(x: Any, y: Any) -> Any:
    """``x * log(1 + y)``, which is 0 where ``x`` is 0 (unless ``y`` is NaN)."""
    x, y = promoted("xlog1py", x, y)
    return _strong_product(x, uf.log1p(y), y)


def entr(x: Any) -> Any:
    """``-x log(x)``; 0 at 0, ``-inf`` for negative ``x``."""
    (x,) = floats("entr", x)
    return where(uf.less(x, 0.0), -math.inf, _strong_product(-x, uf.log(x), x))


def rel_entr(p: Any, q: Any) -> Any:
    """``p log(p / q)``; 0 where ``p`` is 0 and ``q >= 0``, infinite for other values that are not positive."""
    p, q = floats("rel_entr", p, q)
    return _divergence(p, q, lambda p, q: p * _log_quotient(p, q)[0], 0.0)


def kl_div(p: Any, q: Any) -> Any:
    """``p log(p / q) - p + q``, the elementwise Kullback-Leibler divergence."""
    p, q = floats("kl_div", p, q)
    return _divergence(p, q, _divergence_of_numbers, q)


def _log_quotient(p: Any, q: Any) -> tuple[Any, Any, Any]:
    """``log(p / q)``, where ``p`` and ``q`` are close from their difference; that difference over ``p``; and where."""
    close = uf.less(p * 0.5, q) & uf.less(q * 0.5, p)
    change = where(close, (q - p) / where(close, p, 1.0), 0.0)
    quotient = where(close, 1.0, p / q)
    # A quotient may be too large or too small where its logarithm is not.
    apart = uf.less(quotient, float(finfo(get_aval(p).dtype).tiny)) | uf.equal(quotient, math.inf)
    far = where(apart, uf.log(p) - uf.log(q), uf.log(where(apart, 1.0, quotient)))
    return where(close, -uf.log1p(change), far), change, close


# Coefficients of u - log(1 + u), from u**2 on.
_SERIES = [(-1.0) ** k / (k + 2) for k in range(26)]


def _divergence_of_numbers(p: Any, q: Any) -> Any:
    """``p (u - log(1 + u))`` with ``u = (q - p)/p``; a series for small ``u``, where the rest cancels."""
    log, change, _ = _log_quotient(p, q)
    small = uf.less(uf.abs(change), 0.2) & uf.not_equal(change, 0.0) | uf.equal(p, q)
    u = where(small, change, 0.0)
    total = _SERIES[-1]
    for c in _SERIES[-2::-1]:
        total = total * u + c
    return where(small, p * (uf.square(u) * total), p * log - p + q)


def _divergence(p: Any, q: Any, inside: Callable[[Any, Any], Any], at_zero: Any) -> Any:
    """``inside(p, q)`` of positive numbers, ``at_zero`` where only ``p`` is zero, infinite elsewhere."""
    unordered = uf.not_equal(p, p) | uf.not_equal(q, q)
    positive = (uf.greater(p, 0.0) & uf.greater(q, 0.0)) | unordered
    no_p = uf.equal(p, 0.0) & uf.greater_equal(q, 0.0)
    return where(
        positive, inside(where(positive, p, 1.0), where(positive, q, 1.0)), where(no_p, at_zero, math.inf)
    )
