"""Where in the user's code something happened: captured as (code object, instruction), resolved late."""

from __future__ import annotations

import linecache
import os
import threading
import time
import warnings
from typing import Any, NamedTuple

import numpy as np

from jitney import _ext

LOADED_NS = time.time_ns()  # source that changed later may not be what runs
PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def helper_directories() -> list[str]:
    """Where the code lies that ours calls: its frames say nothing to users. (Packages below Python's library are theirs.)"""
    packages = os.path.dirname(os.path.dirname(np.__file__))
    names = ("numpy", "scipy", "opt_einsum", "optree", "ml_dtypes", "llvmlite")
    return [os.path.dirname(os.__file__) + os.sep, *(os.path.join(packages, name) + os.sep for name in names)]


class Location(NamedTuple):
    """A resolved source location; ``column`` is 0-based or -1."""

    file: str
    line: int
    function: str
    column: int = -1
    end_column: int = -1

    @property
    def text(self) -> str:
        return linecache.getline(self.file, self.line).rstrip("\n")

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.function})"


class _Current(threading.local):
    source: Any = None


current = _Current()  # of this thread; see ``here``


def here() -> Any:
    """Where the user's code is: the nearest frame, or the equation whose transformation runs (``swap_here``)."""
    return current.source or _ext.user_frame()


def swap_here(source: Any) -> Any:
    """Let what is recorded from now on count as made at ``source`` (None: at the user's frame); returns the one before."""
    before, current.source = current.source, source
    return before


_warned: dict[Any, Any] = {}  # what Python's filters remember of places


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line."""
    place = resolve(_ext.user_frame())
    file, line = (place.file, place.line) if place else ("<unknown>", 1)
    warnings.warn_explicit(text, category, file, line, registry=_warned)


def resolve(source: Any) -> Location | None:
    """The location of a ``(code, lasti)`` pair from ``_ext.user_frame()``; of a program from elsewhere, it is known."""
    if source is None or type(source) is Location:
        return source
    code, lasti = source
    line, column, end_column = code.co_firstlineno, -1, -1
    for number, (start, end, col, end_col) in enumerate(code.co_positions()):
        if number == lasti // 2:
            line = start or line
            if end == start and col is not None and end_col is not None:
                column, end_column = col, end_col
            break
    return Location(code.co_filename, line, _name(code.co_qualname), column, end_column)


def _name(qualname: str) -> str:
    """The name of a function without those that were put around parts of it (``_flow``)."""
    parts = qualname.split(".<locals>.")
    return ".<locals>.".join([p for p in parts if not p.startswith("_jt_")] or parts[-1:])


def excerpt(source: Any, indent: str = "    ") -> str:
    """File, line and text of a source with carets under the expression, for error messages."""
    where = resolve(source)
    if where is None:
        return ""
    text = where.text
    stripped = text.lstrip()
    lines = [f"{where.file}:{where.line}, in {where.function}", indent + stripped]
    if where.column >= 0:
        shift = len(text.encode()[: where.column].decode(errors="ignore")) - (len(text) - len(stripped))
        width = max(1, where.end_column - where.column)
        lines.append(indent + " " * max(shift, 0) + "^" * min(width, max(len(stripped) - max(shift, 0), 1)))
    return "\n".join(lines)


def blame(error: BaseException, source: Any) -> None:
    """Note in ``error`` where in the user's code the operation stands that failed, where its traceback does not say it."""
    where = excerpt(source, "    ")
    if where and not any(
        note.startswith("The operation stands at") for note in getattr(error, "__notes__", ())
    ):
        error.add_note(f"The operation stands at {where}")


def function_location(fun: Any) -> str:
    """``name at file:line`` of a function, for messages."""
    code = getattr(getattr(fun, "__wrapped__", fun), "__code__", None)
    name = getattr(fun, "__name__", type(fun).__name__)
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code is not None else name
