"""``match`` statements as chains of ``if``, which the rest of the conversion knows.

    match x:                         subject = x
        case 0: a           ->       if subject == 0: a
        case n if n > 3: b           elif subject > 3: n = subject; b
        case _: c                    else: c

Patterns of values, alternatives, names, wildcards and sequences of a fixed length can be written so; others look into objects.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from jitney._flow.sources import OURS, Unsupported


def as_ifs(node: ast.Match, number: int, call: Any) -> tuple[list[ast.stmt], list[ast.If]]:
    """The statements that stand for ``node``, and the conditions among them."""
    name = f"{OURS}subject{number}"
    subject = ast.Name(name, ast.Load())
    made: list[ast.If] = []
    rest: list[ast.stmt] = []
    for case in reversed(node.cases):
        test, captured = _pattern(case.pattern, subject, call)
        bound: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store())], copy.deepcopy(value))
            for name, value in captured.items()
        ]
        if case.guard is None:
            rest = _if(test, [*bound, *case.body], rest, made)
            continue
        guard = _Captured(captured).visit(copy.deepcopy(case.guard))
        whole = guard if test is None else _both([copy.deepcopy(test), guard])
        # What the pattern gives names to they keep, though the guard fails.
        rest = [*(_if(test, bound, [], made) if bound else []), *_if(whole, case.body, rest, made)]
    out: list[ast.stmt] = [ast.Assign([ast.Name(name, ast.Store())], node.subject), *rest]
    for statement in out:
        for part in ast.walk(statement):
            if isinstance(part, (ast.stmt, ast.expr)) and not hasattr(part, "lineno"):
                ast.copy_location(part, node)
    return out, made


def _if(
    test: ast.expr | None, body: list[ast.stmt], rest: list[ast.stmt], made: list[ast.If]
) -> list[ast.stmt]:
    """``body`` where ``test`` holds, else ``rest``; without a test always."""
    if test is None:
        return body
    made.append(ast.If(test, body, rest))
    return [made[-1]]


def _both(tests: list[ast.expr]) -> ast.expr:
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)


def _pattern(pattern: Any, subject: ast.expr, call: Any) -> tuple[ast.expr | None, dict[str, ast.expr]]:
    """The condition under which ``subject`` matches (None: always), and what names it gives values to."""
    if isinstance(pattern, ast.MatchValue):
        return ast.Compare(copy.deepcopy(subject), [ast.Eq()], [pattern.value]), {}
    if isinstance(pattern, ast.MatchSingleton):
        return call("is_", copy.deepcopy(subject), ast.Constant(pattern.value)), {}
    if isinstance(pattern, ast.MatchAs):
        test, captured = (None, {}) if pattern.pattern is None else _pattern(pattern.pattern, subject, call)
        if pattern.name is not None:
            captured = {**captured, pattern.name: subject}
        return test, captured
    if isinstance(pattern, ast.MatchOr):
        found = [_pattern(part, subject, call) for part in pattern.patterns]
        if any(captured for _, captured in found):
            raise Unsupported(
                "alternatives of a traced `match` that give names values",
                pattern.lineno,
                "Write a case for each alternative.",
            )
        tests = [test for test, _ in found]
        known = [test for test in tests if test is not None]
        return (ast.BoolOp(ast.Or(), known) if len(known) == len(tests) else None), {}
    if isinstance(pattern, ast.MatchSequence):
        return _sequence(pattern, subject, call)
    kind = type(pattern).__name__.removeprefix("Match").lower()
    raise Unsupported(
        f"a {kind} pattern of a traced `match`",
        pattern.lineno,
        "Match values, sequences and names, or write `if`.",
    )


def _sequence(
    pattern: ast.MatchSequence, subject: ast.expr, call: Any
) -> tuple[ast.expr, dict[str, ast.expr]]:
    if any(isinstance(part, ast.MatchStar) for part in pattern.patterns):
        raise Unsupported(
            "a pattern of any length of a traced `match`",
            pattern.lineno,
            "Write a case for each length, without `*`.",
        )
    tests: list[ast.expr] = [call("is_sequence", copy.deepcopy(subject), ast.Constant(len(pattern.patterns)))]
    captured: dict[str, ast.expr] = {}
    for place, part in enumerate(pattern.patterns):
        item = ast.Subscript(copy.deepcopy(subject), ast.Constant(place), ast.Load())
        test, names = _pattern(part, item, call)
        tests += [] if test is None else [test]
        captured |= names
    return _both(tests), captured


class _Captured(ast.NodeTransformer):
    """Names of a pattern in its guard, which is asked before they are assigned."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self.values:
            return ast.copy_location(copy.deepcopy(self.values[node.id]), node)
        return node
