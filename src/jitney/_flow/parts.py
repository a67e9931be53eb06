"""Parts of converted statements while they run: whether they are traced, and what is to happen at their statement's end."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitney._core.trace import is_array_like


class _Running(threading.local):
    """Of each part of a converted statement that runs: whether it is being traced, so that it runs once for all cases, and its name."""

    def __init__(self) -> None:
        self.parts: list[tuple[bool, str]] = []
        self.at_end: list[list[Callable[[], None]]] = []


_running = _Running()


def run(traced: bool, part: Callable[..., Any], *args: Any) -> Any:
    """Call ``part``; also traced is what is inside of a traced part of the same function."""
    name = _name(part)
    if not traced and _running.parts:
        around, outer = _running.parts[-1]
        traced = around and name.startswith(f"{outer}.<locals>.")
    _running.parts.append((traced, name))
    try:
        return part(*args)
    finally:
        _running.parts.pop()


def part_of(part: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks a function that calls ``part``, to count as it."""

    def mark(function: Any) -> Any:
        function.__wrapped__ = part
        return function

    return mark


def _name(part: Any) -> str:
    """A name that begins with those of the functions that ``part`` is defined in."""
    part = inspect.unwrap(part.func if isinstance(part, functools.partial) else part)
    code = part.__code__
    return f"{code.co_filename}:{code.co_qualname}"


def is_traced() -> bool:
    """Whether the part that runs is traced."""
    return bool(_running.parts) and _running.parts[-1][0]


def is_inside_traced() -> bool:
    """Whether a part that runs, or one around it, is traced: then what it does to an object is done in every case."""
    return any(traced for traced, _ in _running.parts)


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


def unchanged(thing: Any, name: str, line: int, assigned: bool = False) -> None:
    """Refuses to change ``thing`` in a part that is traced: it would be changed in every case."""
    unchanged_array(thing, name, line, assigned)
    if is_traced() and not is_array_like(thing) and not isinstance(thing, (types.ModuleType, type)):
        raise TypeError(
            f"line {line}: {name}, a {type(thing).__name__}, is changed under a condition (or in a loop) that is traced, so that "
            "it would be changed in every case. Collect values in arrays, or change it outside."
        )


def unchanged_array(thing: Any, name: str, line: int, assigned: bool = False) -> None:
    """Refuses to change an array of NumPy's so; a statement that assigns to it is converted then, and makes a new one."""
    if isinstance(thing, np.ndarray) and is_inside_traced():
        asks = "; there it is immutable and does not support item assignment" if assigned else ""
        raise TypeError(
            f"line {line}: {name}, an array of NumPy's, is changed in place under a condition (or in a loop) that is traced, so that "
            f"it would be changed in every case{asks}. Make a new array of it, {name} = ..."
        )
