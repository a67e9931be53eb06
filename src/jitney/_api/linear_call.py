"""``linear_call``: a linear function with a transpose of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_arrays, boundary, check_callable, check_leaf, check_outputs
from jitney._control.linear_call import linear_call_p
from jitney._core import tree
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.staging import hoist_tracers, stage


def linear_call(
    fun: Callable[..., Any], fun_transpose: Callable[..., Any], residual_args: Any, linear_args: Any
) -> Any:
    """``fun(residual_args, linear_args)``, linear in its second argument, with a transpose of the user's.

    Args:
        fun: a function of residuals and linear arguments, trees of arrays.
        fun_transpose: a function of residuals and cotangents of ``fun``'s result to cotangents of the linear arguments.
        residual_args, linear_args: the arguments.

    Raises:
        TypeError: results of ``fun_transpose`` do not have the types of ``linear_args``.

    Example:
        >>> import jitney
        >>> from jitney.custom_derivatives import linear_call
        >>> half = lambda x: linear_call(lambda r, x: x / r, lambda r, ct: ct / r, 2.0, x)
        >>> float(jitney.grad(half)(3.0))
        0.5
    """
    check_callable(fun, "linear_call")
    check_callable(fun_transpose, "linear_call")
    residuals, res_tree = tree.flatten(residual_args)
    xs, in_tree = tree.flatten(linear_args)
    avals = [check_leaf(x, "", "linear_call") for x in (*residuals, *xs)]
    count = len(residuals)
    callee, consts, out_tree = _staged(fun, res_tree, in_tree, avals, count)
    back_avals = [*avals[:count], *[a.strip_weak_type() for a in callee.out_avals]]
    transpose, back_consts, found_tree = _staged(fun_transpose, res_tree, out_tree, back_avals, count)
    wanted, got = (
        [(a.shape, a.dtype) for a in avals[count:]],
        [(a.shape, a.dtype) for a in transpose.out_avals],
    )
    if found_tree != in_tree or wanted != got:
        raise TypeError(
            f"transpose output pytree structure or types must match those of linear inputs: got {found_tree} of {got}, "
            f"expected {in_tree} of {wanted}."
        )
    # Both programs get all constants, so that one can take the other's place.
    both, sizes = [*consts, *back_consts], (len(consts), len(back_consts))
    outs = linear_call_p.bind(
        *both,
        *residuals,
        *xs,
        callee=_with_inputs(callee, 0, sizes[1], sizes[0], both),
        transpose=_with_inputs(transpose, sizes[0], 0, sizes[1], both),
        num_fixed=len(both) + count,
    )
    return tree.unflatten(out_tree, as_arrays(outs))


def _staged(
    fun: Callable[..., Any], res_tree: Any, in_tree: Any, avals: Sequence[Any], count: int
) -> tuple[ClosedJaxpr, list[Any], Any]:
    out_tree: Any = None

    def flat(*leaves: Any) -> list[Any]:
        nonlocal out_tree
        out = fun(tree.unflatten(res_tree, leaves[:count]), tree.unflatten(in_tree, leaves[count:]))
        outs, out_tree = tree.flatten(out)
        check_outputs(outs, fun, "linear_call", out_tree)
        return outs

    closed, consts = hoist_tracers(stage(flat, avals))
    return closed, consts, out_tree


def _with_inputs(closed: ClosedJaxpr, before: int, after: int, own: int, both: Sequence[Any]) -> ClosedJaxpr:
    """``closed`` with further inputs, which it ignores, around its own ``own`` first ones."""
    from jitney._core.jaxpr import Var
    from jitney._core.trace import get_aval

    jaxpr = closed.jaxpr
    first = [Var(get_aval(c)) for c in both[:before]]
    last = [Var(get_aval(c)) for c in both[len(both) - after :]] if after else []
    invars = [*first, *jaxpr.invars[:own], *last, *jaxpr.invars[own:]]
    return ClosedJaxpr(jaxpr.replace(invars=invars, debug_info=None), closed.consts)


linear_call = boundary(linear_call)
