"""``while_loop``, and ``fori_loop`` with bounds that are known only at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import check_outputs
from jitney._api.failed_calls import described
from jitney._base import dtypes, sources
from jitney._base.config import config
from jitney._control.bodies import Body, close_over, intern, trace_body
from jitney._control.counted_while import counted_while_p as counted_while_p
from jitney._control.while_loop import bind_while
from jitney._control.while_loop import while_p as while_p
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.trace import get_aval, is_array_like
from jitney._ops import elementwise as ew
from jitney.lax import discharging


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
        raise TypeError(f"lax.while_loop: cond_fun and body_fun must be functions, got {described(wrong)}.")
    return _while_loop("while_loop", cond_fun, body_fun, _itself, init_val)


def fori_while(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``fori_loop`` as a ``while_loop`` over ``(i, upper, value)``; the bounds are integer scalars of one dtype."""
    return _while_loop("fori_loop", _below, body_fun, _counting, (lower, upper, init_val))[2]


_Adapt = Callable[[Callable[..., Any]], Callable[..., Any]]


def _itself(fun: Callable[..., Any]) -> Callable[..., Any]:
    return fun


def _below(carry: Any) -> Any:
    return ew.lt(carry[0], carry[1])


def _counting(body_fun: Callable[..., Any]) -> Callable[..., Any]:
    def body(carry: Any) -> Any:
        i, end, value = carry
        aval = get_aval(i)
        return ew.add(i, 1 if aval.weak_type else aval.dtype.type(1)), end, body_fun(i, value)

    return body


def _while_loop(
    name: str, cond_fun: Callable[..., Any], body_fun: Callable[..., Any], adapt: _Adapt, init_val: Any
) -> Any:
    """The loop of ``cond_fun`` and ``adapt(body_fun)``."""
    if config.jax_disable_jit:
        return _python_loop(cond_fun, adapt(body_fun), init_val)
    init, in_tree = _checked_leaves(init_val, name)
    held = discharging.used_by([cond_fun, adapt(body_fun)], (init_val,))
    if held:
        pure = lambda test, step, first: _while_loop(name, test, step, _itself, first)  # noqa: E731
        return discharging.while_loop(pure, held, cond_fun, adapt(body_fun), init_val)
    cond, body = _programs(name, cond_fun, body_fun, adapt, in_tree, init)
    promoted = [_promoted(x, aval) for x, aval in zip(init, body.out_avals, strict=True)]
    if any(x is not y for x, y in zip(init, promoted, strict=True)):
        init = promoted
        cond, body = _programs(name, cond_fun, body_fun, adapt, in_tree, init)
    _check_carry(name, body_fun, in_tree, init, body.out_avals)
    (cond_program, cond_consts), (program, consts) = _shared(cond), _shared(body)
    outs = bind_while(cond_program, program, cond_consts, consts, init)
    return tree.unflatten(in_tree, outs)


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
                f"lax.{name}: the carried value must be made of arrays and numbers, but init_{_leaf_name(name, where)} is "
                f"of type {type(leaf).__name__}: {leaf!r}."
            )
        if isinstance(leaf, np.ndarray):
            leaves[number] = np.array(leaf, dtypes.canonicalize_dtype(leaf.dtype))
        elif hasattr(leaf, "__jax_array__"):
            leaves[number] = leaf.__jax_array__()
    return leaves, in_tree


def _programs(
    name: str,
    cond_fun: Callable[..., Any],
    body_fun: Callable[..., Any],
    adapt: _Adapt,
    in_tree: Any,
    init: Sequence[Any],
) -> tuple[Body, Body]:
    """Both functions, traced and checked."""
    avals = [get_aval(x) for x in init]
    args_tree = tree.structure((tree.unflatten(in_tree, range(len(init))),))
    cond = trace_body(cond_fun, args_tree, avals, name, _output_check(name, cond_fun), "cond")
    _check_cond(name, cond_fun, cond)
    body = trace_body(body_fun, args_tree, avals, name, _output_check(name, body_fun), "body", adapt)
    if body.out_tree != in_tree:
        raise TypeError(
            f"lax.{name}: body_fun must return a value of the structure that it takes, but they differ:\n"
            f"  {sources.function_location(body_fun)}\n  carry in:  {_text(name, in_tree)}\n"
            f"  carry out: {_text(name, body.out_tree)}\n"
            "Return the same containers, keys and number of leaves."
        )
    return cond, body


def _text(name: str, structure: Any) -> str:
    """The structure of the user's value; that of ``fori_loop`` lies beside its bounds."""
    if name == "fori_loop":
        structure = structure.children()[2]
    return str(structure).removeprefix("PyTreeDef(").removesuffix(")")


def _leaf_name(name: str, path: str) -> str:
    return f"val{path.removeprefix('[2]')}" if name == "fori_loop" else f"val{path}"


def _output_check(name: str, fun: Any) -> Callable[[list[Any], Any], None]:
    return lambda leaves, out_tree: check_outputs(leaves, fun, name, out_tree)


def _check_cond(name: str, fun: Any, cond: Body) -> None:
    avals = cond.out_avals
    leaf = cond.out_tree == tree.structure(0)
    if not leaf or avals[0].shape or avals[0].dtype != bool:
        got = avals[0].str_short() if leaf else f"a tree of structure {cond.out_tree}"
        raise TypeError(
            f"lax.{name}: cond_fun must return a boolean scalar (bool[]), but it gave {got}: "
            f"{sources.function_location(fun)}. Reduce an array with jnp.any or jnp.all; compare a number with 0."
        )


def _shared(body: Body) -> tuple[ClosedJaxpr, list[Any]]:
    """The program, the same object for all functions that do the same, and what they close over."""
    cache = body.closed.cache
    if "shared" not in cache:
        program, _ = close_over(body.closed)
        cache["shared"] = intern(program)
    return cache["shared"], list(body.closed.consts)


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
            same_shape = aval.shape == out.shape
            cure = f"convert it with .astype({aval.dtype.name!r})" if same_shape else "keep its shape"
            wrong.append(
                f"  {_leaf_name(name, path)} comes as {aval.str_short()} and leaves as {out.str_short()}: {cure}"
            )
    if wrong:
        raise TypeError(
            f"lax.{name}: body_fun must return the types that it takes, but they differ:\n"
            f"  {sources.function_location(fun)}\n" + "\n".join(wrong[:4]) + "\n"
            "Or start with a value of the type that leaves."
        )


__all__ = ["counted_while_p", "while_loop", "while_p"]
