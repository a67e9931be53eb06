"""``jnp.add.reduce``, ``jnp.add.outer``, ``jnp.add.accumulate``: NumPy's methods of binary functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney.numpy import cumulative, reductions
from jitney.numpy.operands import array_operand

Function = Callable[..., Any]


def _with_methods(function: Function, reduction: str, running: str | None = None) -> None:
    """Give a binary function NumPy's ``reduce``, ``accumulate`` and ``outer``."""

    def reduce(
        a: Any,
        axis: Any = 0,
        dtype: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        extra = {} if dtype is None else {"dtype": dtype}
        if initial is not None:
            extra["initial"] = initial
        return getattr(reductions, reduction)(a, axis=axis, keepdims=keepdims, where=where, **extra)

    def accumulate(a: Any, axis: int = 0, dtype: Any = None) -> Any:
        return getattr(cumulative, running)(a, axis=axis, dtype=dtype)

    def outer(a: Any, b: Any, /) -> Any:
        x, y = array_operand(function.__name__, a), array_operand(function.__name__, b, 1)
        return function(x.reshape(*x.shape, *[1] * y.ndim), y)

    function.reduce, function.outer, function.nin, function.nout = reduce, outer, 2, 1
    if running is not None:
        function.accumulate = accumulate


def install(namespace: dict[str, Any]) -> None:
    """Give the public functions of ``namespace`` their methods."""
    for name, reduction, running in (
        ("add", "sum", "cumsum"),
        ("multiply", "prod", "cumprod"),
        ("maximum", "max", None),
        ("minimum", "min", None),
        ("logical_and", "all", None),
        ("logical_or", "any", None),
    ):
        _with_methods(namespace[name], reduction, running)
