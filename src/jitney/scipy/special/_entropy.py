"""Logistic functions, and products with a logarithm where ``0 log 0`` is 0: entropies and divergences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jitney._ops import elementwise as ew
from jitney.numpy import ufuncs as uf
from jitney.scipy.operands import floats, promoted, where


def logit(x: Any, /) -> Any:
    """``log(x / (1 - x))``, the inverse of :func:`expit`."""
    (x,) = promoted("logit", x)
    return uf.log(x / (1.0 - x))


def expit(x: Any, /) -> Any:
    """Logistic function ``1 / (1 + exp(-x))``."""
    return ew.logistic_p.bind(*promoted("expit", x))


def xlogy(x: Any, y: Any, /) -> Any:
    """``x * log(y)``, which is 0 where ``x`` is 0 (unless ``y`` is NaN); its derivative by ``x`` is ``log(y)`` there.

    >>> from jitney.scipy.special import xlogy
    >>> xlogy(0.0, 0.0)
    Array(0., dtype=float64, weak_type=True)
    """
    x, y = promoted("xlogy", x, y)
    # Where log(y) has a value, 0 * log(y) is 0 by itself and keeps its derivative.
    harmless = uf.not_equal(x, 0) | _has_log(y)
    return x * uf.log(where(harmless, y, 1.0))


def _has_log(y: Any) -> Any:
    """False where ``log(y)`` is infinite or, of a negative number, NaN."""
    if y.dtype.kind == "c":
        return uf.not_equal(y, 0)
    return uf.not_equal(y, y) | (uf.greater(y, 0.0) & uf.less(y, math.inf))


def xlog1py(x: Any, y: Any, /) -> Any:
    """``x * log(1 + y)``, which is 0 where ``x`` is 0 (unless ``y`` is NaN)."""
    x, y = promoted("xlog1py", x, y)
    harmless = uf.not_equal(x, 0) | _has_log(1.0 + y)
    return x * uf.log1p(where(harmless, y, 0.0))


def entr(x: Any, /) -> Any:
    """``-x log(x)``; 0 at 0, ``-inf`` for negative ``x``."""
    (x,) = floats("entr", x)
    outside = uf.less_equal(x, 0.0)
    at_or_below_zero = where(uf.less(x, 0.0), -math.inf, 0.0)
    return where(outside, at_or_below_zero, -x * uf.log(where(outside, 1.0, x)))


def rel_entr(p: Any, q: Any, /) -> Any:
    """``p log(p / q)``; 0 where ``p`` is 0 and ``q >= 0``, infinite for other values that are not positive."""
    p, q = floats("rel_entr", p, q)
    return _divergence(p, q, lambda p, q: p * uf.log(p / q), 0.0)


def kl_div(p: Any, q: Any, /) -> Any:
    """``p log(p / q) - p + q``, the elementwise Kullback-Leibler divergence."""
    p, q = floats("kl_div", p, q)
    return _divergence(p, q, lambda p, q: p * uf.log(p / q) - p + q, q)


def _divergence(p: Any, q: Any, inside: Callable[[Any, Any], Any], at_zero: Any) -> Any:
    """``inside(p, q)`` of positive numbers, ``at_zero`` where only ``p`` is zero, infinite elsewhere."""
    unordered = uf.not_equal(p, p) | uf.not_equal(q, q)
    positive = (uf.greater(p, 0.0) & uf.greater(q, 0.0)) | unordered
    no_p = uf.equal(p, 0.0) & uf.greater_equal(q, 0.0)
    return where(
        positive, inside(where(positive, p, 1.0), where(positive, q, 1.0)), where(no_p, at_zero, math.inf)
    )
