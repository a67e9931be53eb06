"""Compiles a function that was written anew, for the place of the one it comes from."""

from __future__ import annotations

import ast
import builtins
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from jitney._flow import assigning, functions, parts, running, steps
from jitney._flow.rewriting import CALLED
from jitney._flow.sources import OURS, Function


def compiled(
    function: Function, filename: str, class_name: str | None, free: Sequence[str]
) -> types.CodeType:
    """The code of ``function``, which closes over the names ``free``."""
    module = ast.Module([_surrounded(function, class_name, free)], [])
    ast.fix_missing_locations(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # constants are called, which are functions below
        code = compile(module, filename, "exec", dont_inherit=True)
    name = function.name if isinstance(function, ast.FunctionDef) else "<lambda>"
    first = min([function.lineno, *[d.lineno for d in getattr(function, "decorator_list", [])]])
    made = next(
        c for c in _all(code) if (c.co_name, c.co_firstlineno) == (name, first)
    )  # the outer one of several
    return _with_functions(made, made.co_name)


def _surrounded(function: Function, class_name: str | None, free: Sequence[str]) -> ast.stmt:
    """A function with the variables ``free`` around ``function``; it is compiled only, so that decorators do no harm."""
    inner: ast.stmt = function if isinstance(function, ast.FunctionDef) else ast.Expr(function)
    if class_name:
        inner = ast.ClassDef(class_name, [], [], [inner], [])
        inner.type_params = []  # type: ignore[attr-defined]
    body = [ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in free if n != "__class__"]
    empty = ast.arguments([], [], None, [], [], None, [])
    outer = ast.FunctionDef(f"{OURS}around", empty, [*body, inner], [], None)
    outer.type_params = []  # type: ignore[attr-defined]
    return outer


def _all(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _all(constant)


def _with_functions(code: types.CodeType, within: str) -> types.CodeType:
    """``code`` with the functions that constants stand for; parts of it have its name, which tracebacks show."""
    name = within if is_ours(code) else code.co_name
    return code.replace(co_name=name, co_consts=tuple(_constant(value, name) for value in code.co_consts))


def is_ours(code: types.CodeType) -> bool:
    """Whether ``code`` is a part of a function that was written anew."""
    return code.co_qualname.rpartition(".")[2].startswith(OURS)


def _constant(value: Any, within: str) -> Any:
    if isinstance(value, types.CodeType):
        return _with_functions(value, within)
    if isinstance(value, str) and value.startswith(CALLED):
        name = value.removeprefix(CALLED)
        return next(
            vars(m)[name] for m in (running, steps, parts, assigning, functions, builtins) if name in vars(m)
        )
    return value


def functions_of(code: types.CodeType) -> list[types.CodeType]:
    """``code`` and the functions of the user's inside it."""
    return [code, *[c for c in _all(code) if not is_ours(c)]]
