"""Parts of converted statements while they run: whether they are traced, and what is to happen at their statement's end."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jitney._core.trace import is_array_like


class _Running(threading.local):
    """Of each part of a converted statement that runs, whether it is being traced: then it runs once for all cases."""

    def __init__(self) -> None:
        self.traced: list[bool] = []
        self.at_end: list[list[Callable[[], None]]] = []


_running = _Running()


def run(traced: bool, part: Callable[..., Any], *args: Any) -> Any:
    _running.traced.append(traced)
    try:
        return part(*args)
    finally:
        _running.traced.pop()


def is_traced() -> bool:
    """Whether the part that runs is traced."""
    return bool(_running.traced) and _running.traced[-1]


@contextmanager
def statement() -> Iterator[None]:
    """Around a statement whose parts are traced: one part must not see what another one did."""
    _running.at_end.append([])
    try:
        yield
    finally:
        waiting = _running.at_end.pop()
    for action in waiting:
        action()


def at_end(action: Callable[[], None]) -> bool:
    """Whether a statement is being traced, at whose end ``action`` will run."""
    if _running.at_end:
        _running.at_end[-1].append(action)
    return bool(_running.at_end)


def unchanged(thing: Any, name: str, line: int) -> None:
    """Refuses to change ``thing`` in a part that is traced: it would be changed in every case."""
    if is_traced() and not is_array_like(thing) and not isinstance(thing, (types.ModuleType, type)):
        raise TypeError(
            f"line {line}: {name}, a {type(thing).__name__}, is changed under a condition (or in a loop) that is traced, so that "
            "it would be changed in every case. Collect values in arrays, or change it outside."
        )
