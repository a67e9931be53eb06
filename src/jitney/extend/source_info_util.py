"""``jitney.extend.source_info_util``: where in the user's code an equation comes from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from jitney import _ext
from jitney._base import sources


def current() -> Any:
    """The place in the user's code that is running, in the form of ``eqn.source_info``."""
    return _ext.user_frame()


class NameStack:
    """Names of the scopes around an operation. None are kept, so it is empty unless made by hand."""

    def __init__(self, stack: tuple[str, ...] = ()) -> None:
        self.stack = tuple(stack)

    def extend(self, name: str) -> NameStack:
        """The stack inside of a further scope."""
        return NameStack((*self.stack, name))

    def transform(self, transform_name: str) -> NameStack:
        """The stack inside of a transformation."""
        return NameStack((*self.stack, f"{transform_name}()"))

    def __add__(self, other: NameStack) -> NameStack:
        return NameStack((*self.stack, *other.stack))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NameStack) and self.stack == other.stack

    def __hash__(self) -> int:
        return hash(self.stack)

    def __str__(self) -> str:
        return "/".join(self.stack)


class SourceInfo:
    """A place in the user's code and the scopes around it."""

    def __init__(self, traceback: Any, name_stack: NameStack) -> None:
        self.traceback = traceback
        self.name_stack = name_stack

    def replace(self, *, traceback: Any = None, name_stack: NameStack | None = None) -> SourceInfo:
        """A copy with some fields replaced."""
        return SourceInfo(traceback or self.traceback, name_stack or self.name_stack)


def new_name_stack(name: str = "") -> NameStack:
    """A stack with one name, or none."""
    return NameStack((name,) if name else ())


def current_name_stack() -> NameStack:
    """The scopes around: none are kept."""
    return NameStack()


@contextlib.contextmanager
def extend_name_stack(name: str) -> Iterator[NameStack]:
    """A scope; it has no effect."""
    yield new_name_stack(name)


@contextlib.contextmanager
def transform_name_stack(name: str) -> Iterator[NameStack]:
    """The scope of a transformation; it has no effect."""
    yield new_name_stack(name)


@contextlib.contextmanager
def set_name_stack(name_stack: NameStack) -> Iterator[None]:
    """Scopes; they have no effect."""
    yield


@contextlib.contextmanager
def reset_name_stack() -> Iterator[None]:
    """No scopes."""
    yield


def register_exclusion(path: str) -> None:
    """Accepted: frames of jitney are left out, those of other libraries are the user's."""


def new_source_info() -> None:
    """The source of an equation that comes from no place."""
    return None


def summarize(source_info: Any, num_frames: int = 1) -> str:
    """``file:line:column (function)`` of an equation's ``source_info``; the innermost frame of the user alone is kept.

    Example:
        >>> from jitney.extend import source_info_util
        >>> source_info_util.summarize(source_info_util.new_source_info())
        'unknown'
    """
    where = sources.resolve(source_info)
    if where is None:
        return "unknown"
    column = f":{where.column + 1}" if where.column >= 0 else ""
    return f"{where.file}:{where.line}{column} ({where.function})"


@contextlib.contextmanager
def user_context(traceback: Any, *, name_stack: Any = None) -> Iterator[None]:
    """Equations bound inside keep the place where they are bound: a program that is run again is new code there."""
    yield


__all__ = [
    "NameStack",
    "SourceInfo",
    "current",
    "current_name_stack",
    "extend_name_stack",
    "new_name_stack",
    "new_source_info",
    "register_exclusion",
    "reset_name_stack",
    "set_name_stack",
    "summarize",
    "transform_name_stack",
    "user_context",
]
