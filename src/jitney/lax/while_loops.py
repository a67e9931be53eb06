"""``while_loop``, and ``fori_loop`` with bounds that are known only at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._base.config import config
from jitney._control.counted_while import counted_while_p as counted_while_p
from jitney._control.while_loop import bind_while
from jitney._control.while_loop import while_p as while_p
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.staging import DebugInfo, stage
from jitney._core.trace import get_aval, is_array_like
from jitney._ops import elementwise as ew


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """``while cond_fun(val): val = body_fun(val)``, as one operation that can be compiled.

    Args:
        cond_fun: from the carried value to a boolean scalar.
        body_fun: from the carried value to the next one, a tree of the same structure, shapes and dtypes.
        init_val: the first carried value: an array, a scalar or a tree of these. Weakly typed leaves (Python
            scalars) take the dtype that ``body_fun`` gives them.

    Returns:
        The carried value for which ``cond_fun`` is false.

    Raises:
        TypeError: ``cond_fun`` does not give a boolean scalar; ``body_fun`` changes the structure, a shape or a dtype.

    The number of steps need not be known, and both modes of differentiation work, at any order: the derivative is
    that of the steps that were taken (the condition chooses how many and has no derivative). Reverse mode runs the
    loop a second time in order to record what the backward pass reads; a loop of very many steps is recorded in
    pieces that begin at snapshots of the carry, so that memory stays bounded. Under ``vmap`` every example stops at its own step.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney import lax
        >>> def sqrt(a):  # by Newton's method
        ...     return lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
        >>> round(float(sqrt(2.0)), 10), round(float(jitney.grad(sqrt)(2.0)), 10)
        (1.4142135624, 0.3535533906)
    """
    if not callable(cond_fun) or not callable(body_fun):
        wrong = body_fun if callable(cond_fun) else cond_fun
        raise TypeError(
            f"lax.while_loop: cond_fun and body_fun must be functions, got {wrong!r} of type {type(wrong).__name__}."
        )
    if config.jax_disable_jit:
        return _python_loop(cond_fun, body_fun, init_val)
    init, in_tree = _checked_leaves(init_val, "while_loop")
    cond, cond_consts = _trace_cond(cond_fun, in_tree, init)
    body, body_consts = _trace_body(body_fun, in_tree, init)
    promoted = [_promoted(x, aval) for x, aval in zip(init, body.out_avals, strict=True)]
    if any(x is not y for x, y in zip(init, promoted, strict=True)):
        init = promoted
        cond, cond_consts = _trace_cond(cond_fun, in_tree, init)
        body, body_consts = _trace_body(body_fun, in_tree, init)
    _check_carry("while_loop", body_fun, in_tree, init, body.out_avals)
    return tree.unflatten(in_tree, bind_while(cond, body, cond_consts, body_consts, init))


def fori_while(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``fori_loop`` as a ``while_loop`` over ``(i, upper, value)``; the bounds are integer scalars of one dtype."""

    def body(carry: Any) -> Any:
        i, end, value = carry
        aval = get_aval(i)
        return ew.add(i, 1 if aval.weak_type else aval.dtype.type(1)), end, body_fun(i, value)

    return while_loop(lambda carry: ew.lt(carry[0], carry[1]), body, (lower, upper, init_val))[2]


def _python_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], value: Any) -> Any:
    while cond_fun(value):
        value = body_fun(value)
    return value


def _checked_leaves(init_val: Any, name: str) -> tuple[list[Any], Any]:
    leaves, in_tree = tree.flatten(init_val)
    for number, leaf in enumerate(leaves):
        if not is_array_like(leaf):
            where = tree.leaf_suffixes(init_val)[number]
            raise TypeError(
                f"lax.{name}: the carried value must be made of arrays and numbers, but init_val{where} is of type "
                f"{type(leaf).__name__}: {leaf!r}."
            )
        if isinstance(leaf, np.ndarray):
            leaves[number] = np.array(leaf, dtypes.canonicalize_dtype(leaf.dtype))
        elif hasattr(leaf, "__jax_array__"):
            leaves[number] = leaf.__jax_array__()
    return leaves, in_tree


def _traced(
    fun: Callable[[Any], Any], what: str, in_tree: Any, init: Sequence[Any]
) -> tuple[ClosedJaxpr, list[Any], Any]:
    """``fun`` of the carry as a program that takes what it closes over first; these values; the output's tree."""
    out_tree: Any = None

    def flat(*leaves: Any) -> list[Any]:
        nonlocal out_tree
        outs, out_tree = tree.flatten(fun(tree.unflatten(in_tree, leaves)))
        for leaf in outs:
            if not is_array_like(leaf):
                raise TypeError(f"lax.while_loop: {what} must return arrays and numbers, got {leaf!r}.")
        return outs

    closed = stage(flat, [get_aval(x) for x in init], DebugInfo("while_loop", fun))
    jaxpr = closed.jaxpr.replace(constvars=[], invars=[*closed.jaxpr.constvars, *closed.jaxpr.invars])
    return ClosedJaxpr(jaxpr), closed.consts, out_tree


def _trace_cond(fun: Callable[[Any], Any], in_tree: Any, init: Sequence[Any]) -> tuple[ClosedJaxpr, list]:
    cond, consts, out_tree = _traced(fun, "cond_fun", in_tree, init)
    avals = cond.out_avals
    if not out_tree == tree.structure(0) or avals[0].shape or avals[0].dtype != bool:
        got = avals[0].str_short() if out_tree == tree.structure(0) else f"a tree of structure {out_tree}"
        raise TypeError(
            f"lax.while_loop: cond_fun must return a boolean scalar (bool[]), but it gave {got}. "
            "Reduce an array with jnp.any or jnp.all; compare a number with 0."
        )
    return cond, consts


def _trace_body(fun: Callable[[Any], Any], in_tree: Any, init: Sequence[Any]) -> tuple[ClosedJaxpr, list]:
    body, consts, out_tree = _traced(fun, "body_fun", in_tree, init)
    if out_tree != in_tree:
        raise TypeError(
            "lax.while_loop: body_fun must return a value of the structure that it takes, but they differ:\n"
            f"  carry in:  {in_tree}\n  carry out: {out_tree}\n"
            "Return the same containers, keys and number of leaves."
        )
    return body, consts


def _promoted(x: Any, out: ShapedArray) -> Any:
    """A weakly typed first value in the dtype that the body gives its place."""
    aval = get_aval(x)
    if not aval.weak_type or (aval.dtype == out.dtype and out.weak_type) or aval.shape != out.shape:
        return x
    dtype, _ = dtypes.promote(((aval.dtype, True), (out.dtype, out.weak_type)))
    return dtype.type(x) if type(x) in (bool, int, float, complex) else ew.convert(x, dtype)


def _check_carry(name: str, fun: Any, in_tree: Any, init: Sequence[Any], outs: Sequence[ShapedArray]) -> None:
    """Raise if a component's type changes from step to step."""
    wrong = []
    paths = tree.leaf_suffixes(tree.unflatten(in_tree, range(len(outs))))
    for x, out, path in zip(init, outs, paths, strict=True):
        aval = get_aval(x)
        if (aval.shape, aval.dtype) != (out.shape, out.dtype):
            cure = f"convert it: .astype({aval.dtype.name})" if aval.shape == out.shape else "keep its shape"
            wrong.append(f"  val{path} comes as {aval.str_short()} and leaves as {out.str_short()}: {cure}")
    if wrong:
        raise TypeError(
            f"lax.{name}: body_fun must return the types that it takes, but they differ:\n"
            + "\n".join(wrong)
            + "\nOr start with a value of the type that leaves."
        )


__all__ = ["counted_while_p", "while_loop", "while_p"]
