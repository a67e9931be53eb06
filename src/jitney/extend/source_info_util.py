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


__all__ = ["current", "new_source_info", "summarize", "user_context"]
