"""``print`` of traced values: converted to one that shows the values of each run.

A function that is staged and names ``print`` is looked at before it is traced. Where a function that it calls prints a traced
value, the text of the tracer is shown once, as Python has begun to write by then; the program is traced again with the calls
of ``print`` converted.
"""

from __future__ import annotations

import ast
import builtins
import threading
import types
from functools import lru_cache
from typing import Any

from jitney._flow.converting import convert_nodes
from jitney._flow.rewriting import is_print
from jitney._flow.sources import Span, Unsupported, path_to, span_of_instruction


class _Noted(threading.local):
    """Places of this thread where the text of a traced value was asked for."""

    def __init__(self) -> None:
        self.places: list[tuple[types.CodeType, int]] = []


_noted = _Noted()
_seen: set[Any] = set()  # places and code objects that were looked at


def note_text(frame: Any) -> None:
    place = (frame.f_code, frame.f_lasti)
    if place in _seen or frame.f_globals.get("print", builtins.print) is not builtins.print:
        return
    _noted.places.append(place)


def convert_prints(function: Any = None) -> bool:
    """Convert the prints of ``function``, or those at the places that were noted; whether a program must be traced again."""
    if function is not None:
        code = getattr(function, "__code__", None)
        named = function.__globals__.get("print", builtins.print) if code is not None else None
        if code is None or code in _seen or named is not builtins.print or not _names_print(code):
            return False
        _seen.add(code)
        return _convert(
            code.co_filename, Span(code.co_firstlineno, code.co_firstlineno, 1 << 20, 1 << 20), code
        )
    places, _noted.places = _noted.places, []
    found = False
    for code, lasti in places:
        span = span_of_instruction(code, lasti)
        if (code, lasti) not in _seen and span is not None:
            _seen.add((code, lasti))
            found |= _convert(code.co_filename, span, None)
    return found


def _convert(filename: str, span: Span, code: Any) -> bool:
    try:
        path = path_to(filename, span) if code is None else _path_of(filename, code)
        return convert_nodes(filename, path, _is_call_of_print)
    except Unsupported:
        return False


def _path_of(filename: str, code: types.CodeType) -> list[ast.AST]:
    """The nodes around the first instruction that has a place in the function."""
    for start, end, column, end_column in code.co_positions():
        if None not in (start, end, column, end_column) and start != code.co_firstlineno:
            return path_to(filename, Span(start, end, column, end_column))
    raise Unsupported(
        "a function in one line",
        code.co_firstlineno,
        "Write its body on lines of its own, or call jitney.debug.print.",
    )


def _is_call_of_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and is_print(node)


@lru_cache(maxsize=4096)
def _names_print(code: types.CodeType) -> bool:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return "print" in code.co_names or any(map(_names_print, inner))
