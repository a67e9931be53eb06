"""From the error of a traced condition to a function that does without it: finds the statement, installs the new code."""

from __future__ import annotations

import ast
import gc
import inspect
import os
import re
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from jitney._base.errors import (
    ConcretizationTypeError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
)
from jitney._base.forks import renew
from jitney._base.sources import PACKAGE_DIR
from jitney._flow.compiling import compiled, functions_of, is_ours
from jitney._flow.rewriting import asks_for_members, inside, item_targets, locals_of, rewritten, root_of
from jitney._flow.sources import (
    Function,
    Span,
    Unsupported,
    begin_of,
    class_of,
    path_to,
    span_of_instruction,
    unit_of,
)

_lock = renew(threading.RLock())


class Unit:
    """An outermost function of a file: what is marked in it, and its text as it runs now."""

    def __init__(self, function: Function, filename: str, class_name: str | None) -> None:
        self.function, self.filename, self.class_name = function, filename, class_name
        self.marked: dict[int, ast.AST] = {}
        self.made: Any = None
        self.codes: dict[
            tuple, dict[tuple, types.CodeType]
        ] = {}  # by free variables, of the functions in ``made``

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
        inside = [not code.co_filename.startswith(PACKAGE_DIR) for code, _ in frames]
        if not any(inside) or not _asks_for_conversion(error, frames[-1 - inside[::-1].index(True) :]):
            return False
        frames = [frame for frame, users in zip(frames, inside, strict=True) if users]
        code, lasti = frames[-1]
        span = span_of_instruction(code, lasti)
        if span is None:
            return False
        try:
            return _convert(code, span, [c for c, _ in frames], error)
        except Unsupported as reason:
            text, line, cure = reason.args
            _explain(error, f"It was not converted: {text} ({code.co_filename}:{line or span.line}). {cure}")
            return False


def _explain(error: BaseException, reason: str) -> None:
    """Say the reason behind what happened, before the general cures; once, though several functions may have tried."""
    what, *more = str(error).split("\n")
    if reason not in more:
        error.args = ("\n".join([what, reason, *more]),)


_NEEDED = (
    "the value is used where Python needs it",
    "Pass it as a static argument, or compute without asking Python for it.",
)

# Errors of traced values, and what an array says whose item is assigned.
_KINDS = (
    ConcretizationTypeError,
    TracerIntegerConversionError,
    TracerArrayConversionError,
)
_IMMUTABLE = re.compile(
    "immutable and do(es)? not support (in-place )?item assignment|was to write a traced result"
)
_UNHASHABLE = re.compile("unhashable type: '(Tracer|TracedArray)'")  # ``x in {1, 2}``
_ASKED_BY_PYTHON = tuple(
    os.path.join(*path) for path in (("_core", "trace.py"), ("numpy", "protocols.py"), ("_flow", "parts.py"))
)


def _asks_for_conversion(error: BaseException, frames: list[tuple[types.CodeType, int]]) -> bool:
    """Whether Python itself asked a traced value for something: from the user's frame only methods of tracers were called."""
    if isinstance(error, ValueError):  # NumPy's, when it was to hold a traced value
        return isinstance(error.__cause__, ConcretizationTypeError) and len(frames) == 1
    if isinstance(error, TracerBoolConversionError | TracerIntegerConversionError):
        return True
    direct = all(code.co_filename.endswith(_ASKED_BY_PYTHON) for code, _ in frames[1:])
    said = str(error)
    return direct and (
        isinstance(error, _KINDS) or (_IMMUTABLE.search(said) or _UNHASHABLE.search(said)) is not None
    )


def _traceback(error: BaseException) -> Iterator[types.TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _convert(code: types.CodeType, span: Span, frames: list[types.CodeType], error: BaseException) -> bool:
    path = path_to(code.co_filename, span)
    function = unit_of(path)
    found = _statements(path, span, error)
    inner = next(
        n for n in reversed(path[: path.index(found[-1])]) if isinstance(n, (ast.FunctionDef, ast.Lambda))
    )
    if not any(_is(c, inner) for c in frames):
        return False  # its call began further out: who made it calls it again
    unit = _unit(code.co_filename, path, function)
    if any(map(item_targets, found)):
        _check_roots(found, inner)
        found += [node for node in ast.walk(function) if item_targets(node) or _fills_arrays(node)]
    if _mark(unit, found):
        return True
    # Another thread was faster; or the function was made by one that runs since before the conversion; or nothing helps.
    exchanged = _install(unit)
    if any(c in exchanged or _is(c, inner) and _done.get(_key(c), (unit, c))[1] is not c for c in frames):
        return True
    raise Unsupported(_NEEDED[0], span.line, _NEEDED[1])


def _fills_arrays(node: ast.AST) -> bool:
    """A loop that assigns items: with many steps it is to be a loop of the program."""
    return isinstance(node, (ast.For, ast.While)) and any(item_targets(part) for part in inside(node))


def convert_nodes(filename: str, path: list[ast.AST], kind: Callable[[ast.AST], bool]) -> bool:
    """Convert all nodes of a kind in the outermost function on ``path``; whether there were new ones."""
    with _lock:
        function = unit_of(path)
        return _mark(_unit(filename, path, function), [node for node in ast.walk(function) if kind(node)])


def _unit(filename: str, path: list[ast.AST], function: Function) -> Unit:
    key = (filename, Span.of(function))
    return _units.setdefault(key, Unit(function, filename, class_of(path, function)))


def _mark(unit: Unit, nodes: list[ast.AST]) -> bool:
    """Write the unit anew with ``nodes`` as calls; False if they are already."""
    new = {id(node): node for node in nodes if id(node) not in unit.marked}
    if new:
        unit.made, unit.codes = rewritten(unit.function, [*unit.marked.values(), *new.values()]), {}
        unit.marked.update(new)
        _install(unit)
    return bool(new)


def _is(code: types.CodeType, function: Function) -> bool:
    if isinstance(function, ast.Lambda):
        begins = (function.body.lineno, function.body.col_offset)
        return code.co_name == "<lambda>" and begin_of(code) == begins
    lines = [function.lineno, *[d.lineno for d in function.decorator_list]]
    return code.co_name == function.name and code.co_firstlineno in lines


def _statements(path: list[ast.AST], span: Span, error: BaseException) -> list[ast.AST]:
    """The expressions and the statement that ask for the value at ``span``, from inside out."""
    found: list[ast.AST] = []
    for parent, child in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        if (
            isinstance(child, (ast.BoolOp, ast.IfExp))
            or isinstance(child, ast.UnaryOp)
            and isinstance(child.op, ast.Not)
        ):
            _add(found, child)
        if isinstance(child, ast.Compare) and (len(child.ops) > 1 or asks_for_members(child)):
            _add(found, child)
        if child is path[-1] and isinstance(child, ast.Call) and not _is_loop_over(parent, child):
            _add(found, child)
        if child is path[-1] and isinstance(child, ast.Subscript):
            statement = next(n for n in reversed(path) if isinstance(n, ast.stmt))
            targets = [part for target in item_targets(statement) for part in _chain(target)]
            _add(found, statement if child in targets else child)
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            if found:
                break
            raise Unsupported(
                "a comprehension would have a length that is not known",
                span.line,
                "Select from an array by a mask (x[x > 0]), or choose values by jnp.where.",
            )
        if isinstance(parent, (ast.If, ast.While, ast.Assert)) and child is parent.test:
            _add(found, parent)
        if _is_loop_over(parent, child):
            _add(found, parent)
        if isinstance(parent, (ast.Match, ast.match_case)) and not isinstance(child, ast.stmt):
            _add(found, next(n for n in reversed(path) if isinstance(n, ast.Match)))
        if isinstance(child, ast.stmt) or isinstance(parent, ast.Lambda):
            break
    if (
        isinstance(path[-1], (ast.Assert, ast.If, ast.While, ast.For, ast.AugAssign, ast.Assign))
        and not found
    ):
        found.append(path[-1])
    if not found:
        raise Unsupported(_NEEDED[0], span.line, _NEEDED[1])
    return found


def _chain(target: Any) -> Iterator[ast.AST]:
    """``x.y[i][j]``, ``x.y[i]``, ``x.y`` and ``x``; indices are no part of it."""
    while isinstance(target, (ast.Subscript, ast.Attribute)):
        yield target
        target = target.value
    yield target


def _is_loop_over(parent: ast.AST, child: ast.AST) -> bool:
    return isinstance(parent, ast.For) and child is parent.iter


def _check_roots(statements: list[ast.AST], function: Function) -> None:
    """Items can be assigned of variables of the function itself."""
    own = locals_of(function)
    for target in [t for statement in statements for t in item_targets(statement)]:
        if root_of(target) not in own:
            name = root_of(target) or "what it is an item of"
            raise Unsupported(
                f"{name} is no variable of the function, so that it cannot hold a new array",
                target.lineno,
                "Pass the array as an argument and return it, or assign to a copy made in the function.",
            )


def _add(found: list[ast.AST], node: ast.AST) -> None:
    if node not in found:
        found.append(node)


def _key(code: types.CodeType) -> tuple:
    begins = begin_of(code) if code.co_name == "<lambda>" else None  # several may stand in one line
    return code.co_filename, code.co_firstlineno, code.co_name, begins


def _install(unit: Unit) -> set[types.CodeType]:
    """Exchange the code of all functions that live and come from the unit; the code objects that were exchanged."""
    exchanged: set[types.CodeType] = set()
    for function in [f for f in gc.get_objects() if type(f) is types.FunctionType]:
        code = function.__code__
        if code.co_filename != unit.filename or is_ours(code) or not _within(code, unit.function):
            continue
        free = tuple(code.co_freevars) if _is(code, unit.function) else ()
        if free not in unit.codes:
            made = compiled(unit.made, unit.filename, unit.class_name, free)
            # Of lambdas that begin alike the outer one: inner ones are parts of converted expressions.
            unit.codes[free] = {_key(c): c for c in reversed(functions_of(made))}
        new = unit.codes[free].get(_key(code))
        if new is not None and new is not code and new.co_freevars == code.co_freevars:
            function.__code__ = new
            _done[_key(new)] = unit, new
            exchanged.add(code)
    return exchanged


def _within(code: types.CodeType, function: Function) -> bool:
    first = min([function.lineno, *[d.lineno for d in getattr(function, "decorator_list", [])]])
    return first <= code.co_firstlineno <= (function.end_lineno or first)
