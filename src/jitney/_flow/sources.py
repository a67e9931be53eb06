"""The syntax tree of the function that a code object was compiled from."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from typing import Any, NamedTuple

Function = ast.FunctionDef | ast.Lambda

OURS = "_jt_"  # what names of variables and functions that are written here begin with


class Span(NamedTuple):
    """A piece of a file: lines from 1, columns in bytes from 0."""

    line: int
    end_line: int
    column: int
    end_column: int

    @classmethod
    def of(cls, node: Any) -> Span:
        return cls(node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)


class Unsupported(Exception):
    """Why a statement cannot be converted; ``args`` are the reason, the line (0: that of the error), and the cure."""


def span_of_instruction(code: Any, lasti: int) -> Span | None:
    """Where the instruction of ``code`` at ``lasti`` stands."""
    for number, (start, end, column, end_column) in enumerate(code.co_positions()):
        if number == lasti // 2:
            if None in (start, end, column, end_column):
                return None
            return Span(start, end, column, end_column)
    return None


def begin_of(code: Any) -> tuple[int, int] | None:
    """Line and column of the first expression of ``code``."""
    places = [
        (start, column)
        for start, end, column, last in code.co_positions()
        if None not in (start, end, column, last) and (start, column) != (end, last)
    ]
    return min(places, default=None)


@lru_cache(maxsize=256)
def _parsed(filename: str, text: str) -> ast.Module:
    return ast.parse(text, filename)


def tree_of(filename: str) -> ast.Module:
    """The tree of a file, or of a notebook's cell; ``Unsupported`` if its text is not to be had."""
    text = "".join(linecache.getlines(filename))
    if not text:
        raise Unsupported(
            f"the source of {filename} is not to be had",
            0,
            "Define the function in a file or a notebook's cell, or write it with jnp.where, lax.cond and lax.while_loop.",
        )
    try:
        return _parsed(filename, text)
    except SyntaxError as error:
        raise Unsupported(
            f"the source of {filename} is not what was compiled ({error})", 0, "Import the module again."
        ) from None


def path_to(filename: str, span: Span) -> list[ast.AST]:
    """The nodes around ``span``, from the module inwards."""
    path: list[ast.AST] = [tree_of(filename)]
    while True:
        for child in ast.iter_child_nodes(path[-1]):
            for node in [child, *_unpositioned(child)]:
                if hasattr(node, "lineno") and _holds(Span.of(node), span):
                    path.append(node)
                    break
            else:
                continue
            break
        else:
            return path


def _unpositioned(node: ast.AST) -> list[ast.AST]:
    """Positioned nodes below one without a position (arguments, with-items, comprehensions)."""
    if hasattr(node, "lineno"):
        return []
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        found += [child] if hasattr(child, "lineno") else _unpositioned(child)
    return found


def _holds(outer: Span, inner: Span) -> bool:
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)


def unit_of(path: list[ast.AST]) -> Function:
    """The outermost function on the path, which is converted as a whole."""
    for node in path:
        if isinstance(node, ast.AsyncFunctionDef):
            raise Unsupported(
                "an async function cannot be traced",
                node.lineno,
                "Compute in a plain function that it calls.",
            )
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            return node
    raise Unsupported(
        "the statement is in no function",
        getattr(path[-1], "lineno", 0),
        "Put it into the function that is compiled.",
    )


def class_of(path: list[ast.AST], function: Function) -> str | None:
    """The name of the class that the function is written in: private names are mangled with it."""
    names = [node.name for node in path[: path.index(function)] if isinstance(node, ast.ClassDef)]
    return names[-1] if names else None
