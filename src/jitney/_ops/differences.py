"""Derivatives by parameters in which a function is analytic without a formula: central differences of order 16."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops.families import broadcast_like, literal
from jitney._ops.stopping import stop_gradient_p
from jitney._ops.strong_products import chain

_REACH = 8


def _weight(j: int) -> float:
    """That of f(x + j h) - f(x - j h), over h (B. Fornberg, Math. Comp. 51, 1988)."""
    around = math.factorial(_REACH - j) * math.factorial(_REACH + j)
    return (-1.0) ** (j + 1) * math.factorial(_REACH) ** 2 / (j * around)


def slope(
    f: Callable[..., Any], place: int, radius: Callable[..., Any], g: Any, y: Any, xs: tuple[Any, ...]
) -> Any:
    """``g`` times the derivative of ``f`` at ``xs`` by operand ``place``.

    ``radius(*xs)`` is the distance of the nearest singularity, or over which the function changes by an order of
    magnitude. With steps of a 40th of it the error of the formula is below rounding, which costs some 40 units of the last
    place of float64, in which all is computed. Steps are powers of 2, so that places are exact.
    """
    aval = get_aval(y)
    wide = [ew.convert(broadcast_like(x, aval), np.dtype(np.float64)) for x in xs]
    x = wide[place]
    scale = ew.mul(literal(x, 1 / math.log(2.0)), ew.log(ew.mul(literal(x, 1 / 40), radius(*wide))))
    h = stop_gradient_p.bind(ew.exp2(ew.floor(scale)))
    total = None
    for j in range(1, _REACH + 1):
        step = ew.mul(literal(x, float(j)), h)
        up, down = (
            [move(x, step) if i == place else v for i, v in enumerate(wide)] for move in (ew.add, ew.sub)
        )
        part = ew.mul(literal(x, _weight(j)), ew.sub(f(*up), f(*down)))
        total = part if total is None else ew.add(total, part)
    return chain(g, ew.convert(ew.div(total, h), aval.dtype))


def of_power(log: Any, most: float = 2.0) -> Any:
    """The radius of e^(log x) as a function of x."""
    return ew.div(literal(log, most), ew.add(literal(log, 1.0), ew.abs(log)))


def to_pole(x: Any, most: Any) -> Any:
    """The distance from 0, -1, -2, ..., at most ``most``."""
    below = ew.abs(ew.sub(x, ew.round_p.bind(x, rounding_method=1)))
    distance = ew.select(
        ew.lt(x, literal(x, 0.5)), ew.select(ew.gt(x, literal(x, 0.0)), x, below, get_aval(x)), x, get_aval(x)
    )
    return ew.maximum(ew.minimum(distance, most), literal(x, 1e-12))
