"""Which calls are looked at while ``config.check_bounds`` or ``config.check_overflow`` is on; light, as everybody imports it.

Begin at :func:`wanted`; ``guards.py`` records what is looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from jitney._base import sources
from jitney._base.config import config

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    quiet = False  # inside of an operation that is looked at as a whole


_state = _State()


def wanted() -> bool:
    """Whether a guard is to be recorded here: for the user's own call, not for what follows from a recorded one."""
    return not _state.quiet and sources.current.source is None


@contextmanager
def quietly() -> Iterator[None]:
    """Record no guards in a block."""
    before, _state.quiet = _state.quiet, True
    try:
        yield
    finally:
        _state.quiet = before


def unguarded(function: F) -> F:
    """A function whose integers may wrap, or be discarded, on the way to a result that fits."""

    @wraps(function)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        if not config.guards:
            return function(*args, **kwargs)
        with quietly():
            return function(*args, **kwargs)

    return quiet  # type: ignore[return-value]


def as_one(name: str) -> Callable[[F], F]:
    """A function of two arrays that is looked at as one operation, by the rule ``name`` of ``overflow.py``."""

    def decorate(function: F) -> F:
        @wraps(function)
        def whole(*args: Any, **kwargs: Any) -> Any:
            if not config.guards or not config.check_overflow or not wanted():
                return function(*args, **kwargs)
            from jitney._control.overflow import check_whole

            with quietly():
                out = function(*args, **kwargs)
                check_whole(name, args, out)
            return out

        return whole  # type: ignore[return-value]

    return decorate


def check_places(
    shape: tuple[int, ...], axis: int, index: Any, window: int = 1, from_end: bool = True
) -> None:
    """If ``config.check_bounds`` is on, raise where an ``index`` (negative ones may count ``from_end``) leaves the axis."""
    if config.check_bounds and wanted():
        from jitney._control.bounds import check

        check(shape, axis, index, window, from_end)
