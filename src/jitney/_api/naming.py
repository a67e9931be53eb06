"""``named_scope`` and ``named_call``: names for parts of a program."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from jitney._api.calls import boundary, check_callable
from jitney._api.pickling import remade


class _Scope(contextlib.ContextDecorator):
    """Names change neither results nor programs, so that there is nothing to do."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None


def named_scope(name: str) -> Any:
    """``with named_scope("layer1"):`` names what is computed inside; also a decorator.

    Names have no effect on results or programs.

    Raises:
        TypeError: ``name`` is no string.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.named_scope("rescale")
        ... def rescale(x):
        ...     return x / jnp.sum(x)
        >>> rescale(jnp.ones(2)).tolist()
        [0.5, 0.5]
    """
    if not isinstance(name, str):
        raise TypeError(
            f"named_scope name argument must be a string, got {name!r} of type {type(name).__name__}."
        )
    return _Scope()


@remade
def named_call(fun: Callable[..., Any], *, name: str | None = None) -> Callable[..., Any]:
    """``fun`` under ``named_scope(name)``, by default its own name.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> float(jitney.named_call(jnp.sin, name="sine")(0.0))
        0.0
    """
    check_callable(fun, "named_call")
    label = name if name is not None else getattr(fun, "__name__", type(fun).__name__)

    @functools.wraps(fun)
    def named(*args: Any, **kwargs: Any) -> Any:
        with named_scope(label):
            return fun(*args, **kwargs)

    return boundary(named, fun)


named_scope = boundary(named_scope)
named_call = boundary(named_call)
