"""Functions with what they close over made explicit: ``closure_convert``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._api.calls import as_arrays, boundary, check_callable, check_leaf, check_outputs
from jitney._core import tree
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.staging import stage
from jitney._core.trace import Tracer


def _staged(fun: Callable[..., Any], args: tuple, what: str) -> tuple[ClosedJaxpr, Any, Any]:
    """The program of ``fun`` for arguments like ``args``, and the trees of arguments and result."""
    leaves, in_tree = tree.flatten(args)
    avals = [check_leaf(x, f"number {n}", what) for n, x in enumerate(leaves)]
    out_tree: Any = None

    def flat(*xs: Any) -> list[Any]:
        nonlocal out_tree
        outs, out_tree = tree.flatten(fun(*tree.unflatten(in_tree, xs)))
        check_outputs(outs, fun, what, out_tree)
        return outs

    return stage(flat, avals), in_tree, out_tree


def _apply(closed: ClosedJaxpr, consts: Any, in_tree: Any, out_tree: Any, args: tuple, what: str) -> Any:
    leaves, treedef = tree.flatten(args)
    if treedef != in_tree:
        raise TypeError(
            f"the function made by {what} takes arguments of structure {in_tree}, but got {treedef}."
        )
    return tree.unflatten(out_tree, as_arrays(evaluate(closed.jaxpr, consts, *leaves)))


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """``fun`` with the traced values that it closes over as arguments, for use in custom derivative rules.

    Args:
        fun: a function of arrays or trees of them.
        example_args: arguments of the types that it will be called with.

    Returns:
        ``(converted, values)``: ``converted(*args, *values)`` is ``fun(*args)``; ``values`` are the traced
        floating-point values (under ``grad``, ``jit``, ``vmap``) that ``fun`` uses besides its arguments.

    Example:
        >>> import jitney
        >>> @jitney.jit
        ... def f(z):
        ...     converted, values = jitney.closure_convert(lambda x: x * z, 1.0)
        ...     return converted(2.0, *values)
        >>> float(f(3.0))
        6.0
    """
    check_callable(fun, "closure_convert")
    closed, in_tree, out_tree = _staged(fun, example_args, "closure_convert")
    hoisted = [isinstance(c, Tracer) and c.dtype.kind in "fcV" for c in closed.consts]
    values = [c for c, h in zip(closed.consts, hoisted, strict=True) if h]

    def converted(*args: Any) -> Any:
        count = len(args) - len(values)
        given = iter(args[count:])
        consts = [next(given) if h else c for c, h in zip(closed.consts, hoisted, strict=True)]
        return _apply(closed, consts, in_tree, out_tree, args[:count], "closure_convert")

    return boundary(converted, fun), values


class Closure:
    """A staged function whose closed-over values are the leaves of a tree, so that it can be a residual."""

    __slots__ = ("closed", "consts", "in_tree", "out_tree")

    def __init__(self, closed: ClosedJaxpr, consts: Any, in_tree: Any, out_tree: Any) -> None:
        self.closed, self.consts, self.in_tree, self.out_tree = closed, consts, in_tree, out_tree

    def __call__(self, *args: Any) -> Any:
        return _apply(self.closed, self.consts, self.in_tree, self.out_tree, args, "custom_gradient")


tree.register_node(
    Closure,
    lambda f: (tuple(f.consts), (f.closed, f.in_tree, f.out_tree)),
    lambda static, consts: Closure(static[0], consts, *static[1:]),
)


def close_over(fun: Callable[..., Any], *example_args: Any) -> Closure:
    """``fun`` for arguments like ``example_args``, with all that it closes over as leaves."""
    closed, in_tree, out_tree = _staged(fun, example_args, "custom_gradient")
    return Closure(closed, closed.consts, in_tree, out_tree)


closure_convert = boundary(closure_convert)
