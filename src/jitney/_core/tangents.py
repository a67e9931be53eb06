"""Symbolic zeros and markers that derivative rules exchange."""

from __future__ import annotations

from typing import Any

from jitney._core.avals import ShapedArray, tangent_aval
from jitney._core.trace import get_aval


class Zero:
    """A tangent or cotangent that is known to be zero, never computed; ``aval`` is its type."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    @staticmethod
    def of(primal: Any) -> Zero:
        """The zero tangent of a value."""
        return Zero(tangent_aval(get_aval(primal)))

    def __repr__(self) -> str:
        return f"Zero({self.aval.str_short(short_dtypes=False)})"


class Undefined:
    """Stands for a linear operand in a transpose rule; only its type is known."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"UndefinedPrimal({self.aval.str_short(short_dtypes=False)})"


def is_undefined(x: Any) -> bool:
    return type(x) is Undefined
