"""Operands of special functions and distributions: arrays of one floating dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney.numpy.elementwise import choose as where
from jitney.numpy.operands import array_operand, eager_values, operand, promote_inexact, promote_ranks, wrap

__all__ = ["floats", "is_narrow", "is_number", "promoted", "strong", "where"]


def promoted(name: str, *xs: Any) -> list[Any]:
    """Operands as arrays of their common inexact dtype and rank; TypeError for lists and strings."""
    eager = eager_values(True, *xs)
    if eager is not None:
        values, weak = eager
        # A copy where an operand is the caller's own NumPy array, which may change later.
        arrays = [wrap(np.array(v) if v is x else v, weak) for v, x in zip(values, xs, strict=True)]
        return promote_ranks(name, *arrays)
    # Scalars are converted as scalars and wrapped afterwards, so that programs hold them as literals.
    promoted_xs = promote_inexact(*[operand(name, x, i) for i, x in enumerate(xs)])
    return promote_ranks(name, *[array_operand(name, x, i) for i, x in enumerate(promoted_xs)])


def floats(name: str, *xs: Any) -> list[Any]:
    """As :func:`promoted`; complex numbers are refused."""
    xs = tuple(promoted(name, *xs))
    if get_aval(xs[0]).dtype.kind == "c":
        raise ValueError(f"{name} does not support complex-valued inputs")
    return list(xs)


def strong(x: Any) -> Any:
    """``x`` without its weak type."""
    return ew.convert(x, get_aval(x).dtype)


def is_number(x: Any, value: float) -> bool:
    """True for the Python number ``value``: a default argument, whose equations can be left out."""
    return type(x) in (int, float) and x == value


def is_narrow(x: Any) -> bool:
    """True for arrays of at most 32 bits, where fewer terms of a series suffice."""
    return np.dtype(get_aval(x).dtype).itemsize <= 4 and dtypes.is_floating(get_aval(x).dtype)
