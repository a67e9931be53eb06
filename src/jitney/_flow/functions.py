"""Python's own functions on traced values: ``max``, ``int``, ``math.sin`` and others; ``print``, when the program runs."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.callbacks import debug_callback
from jitney._core.trace import Tracer, current_trace, get_aval


def function(called: Any, *args: Any, **kwargs: Any) -> Any:
    """``called(*args, **kwargs)``; where it is a function of Python's and an argument is traced, what stands for it."""
    try:
        stands = _FUNCTIONS.get(called)
    except TypeError:  # an object without a hash
        stands = None
    if stands is None:
        return called(*args, **kwargs)
    args = tuple([list(x) if _is_lazy(x) else x for x in args])
    if not any(map(_is_traced, (*args, *kwargs.values()))):
        return called(*args, **kwargs)
    return stands(*args, **kwargs)


def _is_lazy(x: Any) -> bool:
    """Iterators are used up by looking at them."""
    return hasattr(x, "__next__")


def _is_traced(x: Any) -> bool:
    return isinstance(x, Tracer) or isinstance(x, (list, tuple)) and any(map(_is_traced, x))


def _items(args: Sequence[Any]) -> list[Any]:
    """What ``max(a, b)`` or ``max([a, b])`` compares."""
    return list(args[0]) if len(args) == 1 else list(args)


def _scalar(name: str, x: Any) -> Any:
    if get_aval(x).size != 1:
        raise TypeError(f"{name}() takes one number, got an array of shape {get_aval(x).shape}.")
    return jnp.reshape(x, ())


def _extreme(name: str, better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The first of the largest (smallest) items, as in Python: NaN counts as it is met."""

    def extreme(*args: Any, key: Any = None, **rest: Any) -> Any:
        items = _items(args)
        if not items and "default" in rest:
            return rest["default"]
        keys = items if key is None else list(map(key, items))
        best, value = keys[0], items[0]
        for k, item in zip(keys[1:], items[1:], strict=True):
            wins = better(_scalar(name, k), _scalar(name, best))
            best, value = jnp.where(wins, k, best), jnp.where(wins, item, value)
        return value

    return extreme


def _truths(args: Sequence[Any]) -> Any:
    return [jnp.not_equal(_scalar("bool", x), 0) for x in _items(args)]


def _any(*args: Any) -> Any:
    return reduce(jnp.logical_or, _truths(args), jnp.asarray(False))


def _all(*args: Any) -> Any:
    return reduce(jnp.logical_and, _truths(args), jnp.asarray(True))


def _sorted(items: Any, *, key: Any = None, reverse: bool = False) -> list[Any]:
    values = jnp.stack([_scalar("sorted", x) for x in items])
    keys = values if key is None else jnp.stack([_scalar("sorted", key(x)) for x in items])
    order = jnp.argsort(keys, stable=True, descending=bool(reverse))
    return list(values[order])


def _int(x: Any) -> Any:
    """The integer between a number and 0."""
    return _scalar("int", x).astype(int)


def _number(kind: type) -> Callable[..., Any]:
    def number(x: Any) -> Any:
        aval = get_aval(x)
        if aval.dtype.kind == "c" and kind is float:
            raise TypeError("float() of a traced complex number: take x.real.")
        return _scalar(kind.__name__, x).astype(kind)

    return number


def _round(x: Any, ndigits: int | None = None) -> Any:
    return jnp.round(x).astype(int) if ndigits is None else jnp.round(x, ndigits)


def _log(x: Any, base: Any = None) -> Any:
    return jnp.log(x) if base is None else jnp.log(x) / jnp.log(base)


def _to_integer(rounded: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: rounded(x).astype(int)


# Where the name in ``math`` is that of ``numpy``, or another.
_SAME = """acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees exp exp2 expm1 fabs fmod gcd hypot isfinite
    isinf isnan lcm ldexp log10 log1p log2 nextafter pow radians sin sinh sqrt tan tanh""".split()

_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    builtins.max: _extreme("max", jnp.greater),
    builtins.min: _extreme("min", jnp.less),
    builtins.any: _any,
    builtins.all: _all,
    builtins.sorted: _sorted,
    builtins.bool: lambda x: jnp.not_equal(_scalar("bool", x), 0),
    builtins.int: _int,
    builtins.float: _number(float),
    builtins.complex: _number(complex),
    builtins.round: _round,
    np.array: jnp.array,
    np.asarray: jnp.asarray,
    np.float64: _number(float),
    math.log: _log,
    math.floor: _to_integer(jnp.floor),
    math.ceil: _to_integer(jnp.ceil),
    math.trunc: _to_integer(jnp.trunc),
    **{
        getattr(math, name): getattr(jnp, name)
        for name in _SAME
        if hasattr(math, name) and hasattr(jnp, name)
    },
}


def print_(show: Callable[..., None], *values: Any) -> None:
    """``print`` as it was written, each time that the program gets there, with the values that its variables have then."""
    if current_trace() is None:
        show(*values)
    else:
        debug_callback(show, *values)
