"""From the error of a traced condition to a function that does without it: finds the statement, installs the new code."""

from __future__ import annotations

import ast
import gc
import inspect
import re
import threading
import types
from collections.abc import Iterator
from typing import Any

from jitney._base.sources import PACKAGE_DIR
from jitney._flow.compiling import compiled, functions_of
from jitney._flow.rewriting import rewritten
from jitney._flow.sources import (
    OURS,
    Function,
    Span,
    Unsupported,
    class_of,
    path_to,
    span_of_instruction,
    unit_of,
)

_lock = threading.RLock()


class Unit:
    """An outermost function of a file: what is marked in it, and its text as it runs now."""

    def __init__(self, function: Function, filename: str, class_name: str | None) -> None:
        self.function, self.filename, self.class_name = function, filename, class_name
        self.marked: dict[int, ast.AST] = {}
        self.made: Any = None

    def source(self) -> str:
        """The function as it was written anew."""
        text = ast.unparse(ast.fix_missing_locations(self.made))
        return re.sub(r"'\\x00jitney:(\w+)'", r"\1", text)


_units: dict[tuple, Unit] = {}
# By (file, first line, name) of functions whose code was exchanged: the unit, and the code that runs now.
_done: dict[tuple, tuple[Unit, types.CodeType]] = {}


def source_of(function: Any) -> str | None:
    """The text of a function that was converted, as it runs now."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    found = None if code is None else _done.get(_key(code))
    return None if found is None else found[0].source()


def convert(error: BaseException) -> bool:
    """Whether the function that raised ``error`` was converted, and will be called again by whoever catches it."""
    with _lock:
        frames = [(tb.tb_frame.f_code, tb.tb_lasti) for tb in _traceback(error)]
        frames = [(code, lasti) for code, lasti in frames if not code.co_filename.startswith(PACKAGE_DIR)]
        if not frames:
            return False
        code, lasti = frames[-1]
        span = span_of_instruction(code, lasti)
        if span is None:
            return False
        try:
            return _convert(code, span, [c for c, _ in frames])
        except Unsupported as reason:
            text, line = reason.args
            error.add_note(f"It was not converted: {text} ({code.co_filename}:{line or span.line}).")
            return False


def _traceback(error: BaseException) -> Iterator[types.TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _convert(code: types.CodeType, span: Span, frames: list[types.CodeType]) -> bool:
    path = path_to(code.co_filename, span)
    function = unit_of(path)
    found = _statements(path, span)
    inner = next(
        n for n in reversed(path[: path.index(found[-1])]) if isinstance(n, (ast.FunctionDef, ast.Lambda))
    )
    if not any(_is(c, inner) for c in frames):
        return False  # its call began further out: who made it calls it again
    key = (code.co_filename, Span.of(function))
    unit = _units.setdefault(key, Unit(function, code.co_filename, class_of(path, function)))
    new = [node for node in found if id(node) not in unit.marked]
    if not new:  # another thread was faster, or nothing helps
        return any(_is(c, inner) and _done.get(_key(c), (unit, c))[1] is not c for c in frames)
    unit.marked.update((id(node), node) for node in new)
    try:
        _install(unit)
    except Unsupported:
        for node in new:
            del unit.marked[id(node)]
        raise
    return True


def _is(code: types.CodeType, function: Function) -> bool:
    if isinstance(function, ast.Lambda):
        return code.co_name == "<lambda>" and code.co_firstlineno == function.lineno
    lines = [function.lineno, *[d.lineno for d in function.decorator_list]]
    return code.co_name == function.name and code.co_firstlineno in lines


def _statements(path: list[ast.AST], span: Span) -> list[ast.AST]:
    """The expressions and the statement that ask for the value at ``span``, from inside out."""
    found: list[ast.AST] = []
    for parent, child in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        if (
            isinstance(child, (ast.BoolOp, ast.IfExp))
            or isinstance(child, ast.UnaryOp)
            and isinstance(child.op, ast.Not)
        ):
            _add(found, child)
        if isinstance(child, ast.Compare) and len(child.ops) > 1:
            _add(found, child)
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            raise Unsupported("a comprehension would have a length that is not known", span.line)
        if isinstance(parent, (ast.If, ast.While, ast.Assert)) and child is parent.test:
            _add(found, parent)
        if isinstance(parent, ast.For) and child is parent.iter:
            _add(found, parent)
        if isinstance(child, ast.stmt):
            break
    if isinstance(path[-1], (ast.If, ast.While, ast.For)) and not found:
        found.append(path[-1])
    if not found:
        raise Unsupported("the value is used where Python needs it", span.line)
    return found


def _add(found: list[ast.AST], node: ast.AST) -> None:
    if node not in found:
        found.append(node)


def _key(code: types.CodeType) -> tuple:
    return code.co_filename, code.co_firstlineno, code.co_name


def _install(unit: Unit) -> None:
    """Exchange the code of all functions that live and come from the unit."""
    unit.made = rewritten(unit.function, unit.marked.values())
    by_free: dict[tuple, dict[tuple, types.CodeType]] = {}
    for function in [f for f in gc.get_objects() if type(f) is types.FunctionType]:
        code = function.__code__
        if (
            code.co_filename != unit.filename
            or code.co_name.startswith(OURS)
            or not _within(code, unit.function)
        ):
            continue
        free = tuple(code.co_freevars) if _is(code, unit.function) else ()
        if free not in by_free:
            made = compiled(unit.made, unit.filename, unit.class_name, free)
            by_free[free] = {
                _key(c): c for c in reversed(functions_of(made))
            }  # of lambdas in one line the outer one
        new = by_free[free].get(_key(code))
        if new is not None and new.co_freevars == code.co_freevars:
            function.__code__ = new
            _done[_key(new)] = unit, new


def _within(code: types.CodeType, function: Function) -> bool:
    first = min([function.lineno, *[d.lineno for d in getattr(function, "decorator_list", [])]])
    return first <= code.co_firstlineno <= (function.end_lineno or first)
