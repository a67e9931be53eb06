"""Control flow whose functions use mutable references: the references' values are carried along.

Each function here takes the pure form as its first argument and applies it to functions with one more value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._core import refs, tree
from jitney._core.refs import Held
from jitney._core.staging import DebugInfo, stage
from jitney._core.trace import get_aval


def used_by(funs: Sequence[Callable[..., Any]], args: Sequence[Any]) -> Held:
    """The references that functions of (descriptions of) ``args`` use."""
    if not refs.in_use():
        return Held([])
    leaves, in_tree = tree.flatten(tuple(args))

    avals = [get_aval(x) for x in leaves]

    def call() -> None:
        for fun in funs:
            flat = lambda *xs, fun=fun: _leaves(fun(*tree.unflatten(in_tree, xs)))
            stage(flat, avals, DebugInfo("control flow", fun))

    return refs.find(call)


def _leaves(out: Any) -> list[Any]:
    leaves, structure = tree.flatten(out)
    refs.check_no_refs(
        leaves,
        "a function",
        lambda n: f" at output{tree.leaf_suffixes(tree.unflatten(structure, leaves))[n]}",
    )
    return []


def scan(pure: Callable[..., Any], held: Held, f: Callable[..., Any], init: Any) -> Any:
    """``pure(f, init)`` is the scan."""

    def body(carry: Any, x: Any) -> Any:
        values, own = carry
        with held.bound(values):
            own, y = f(own, x)
            values = held.values()
        return (values, own), y

    (values, own), ys = pure(body, (held.values(), init))
    held.assign(values)
    return own, ys


def while_loop(
    pure: Callable[..., Any], held: Held, cond: Callable[..., Any], body: Callable[..., Any], init: Any
) -> Any:
    """``pure(cond, body, init)`` is the loop."""

    def test(carry: Any) -> Any:
        values, own = carry
        with held.bound(values):
            found = cond(own)
            if any(new is not old for new, old in zip(held.values(), values, strict=True)):
                raise ValueError("lax.while_loop: cond_fun writes to a reference; only body_fun may.")
        return found

    def step(carry: Any) -> Any:
        values, own = carry
        with held.bound(values):
            own = body(own)
            return held.values(), own

    values, own = pure(test, step, (held.values(), init))
    held.assign(values)
    return own


def branches(
    pure: Callable[..., Any], held: Held, funs: Sequence[Callable[..., Any]], operands: Sequence[Any]
) -> Any:
    """``pure(funs, operands)`` is the choice."""

    def with_values(fun: Callable[..., Any]) -> Callable[..., Any]:
        def branch(values: Any, *args: Any) -> Any:
            with held.bound(values):
                out = fun(*args)
                return held.values(), out

        return branch

    values, out = pure([with_values(fun) for fun in funs], (held.values(), *operands))
    held.assign(values)
    return out
