"""Looking at programs without running them: ``make_jaxpr``, ``eval_shape``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_indices, boundary, check_callable
from jitney._api.jit import Jitted
from jitney._api.stages import ShapeDtypeStruct, out_info
from jitney._core import axes


def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Any = None,
    return_shape: bool = False,
    abstracted_axes: Any = None,
) -> Callable[..., Any]:
    """A function that returns the jaxpr of ``fun`` for given arguments (with ``return_shape``, also its output's types).

    ``axis_env`` lists pairs ``(name, size)`` of named axes that collectives in ``fun`` may refer to.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.make_jaxpr(jnp.sin)(1.0)
        { lambda ; a:f64[]. let b:f64[] = sin a in (b,) }
    """
    check_callable(fun, "make_jaxpr")
    jitted = Jitted(fun, frozenset(as_indices(static_argnums)), frozenset())

    def maker(*args: Any, **kwargs: Any) -> Any:
        call = jitted.signature(args, kwargs)
        with axes.binding(axis_env or ()):
            program = jitted.trace(call, jitted.avals(call))
        if return_shape:
            return program.closed, out_info(program.closed, program.out_tree)
        return program.closed

    return boundary(maker, fun)


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The shapes and dtypes of ``fun(*args, **kwargs)``, without computing it.

    Arguments may be arrays or ``ShapeDtypeStruct``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.eval_shape(jnp.outer, jnp.ones(2), jnp.ones(3))
        ShapeDtypeStruct(shape=(2, 3), dtype=float64)
    """
    check_callable(fun, "eval_shape")
    jitted = Jitted(fun, frozenset(), frozenset())
    call = jitted.signature(args, kwargs)
    avals = [
        x.aval if isinstance(x, ShapeDtypeStruct) else jitted_aval(jitted, call, n)
        for n, x in enumerate(call.leaves)
    ]
    program = jitted.trace(call, avals)
    return out_info(program.closed, program.out_tree)


def jitted_aval(jitted: Jitted, call: Any, number: int) -> Any:
    from jitney._api.calls import check_leaf

    return check_leaf(call.leaves[number], f"number {number}", jitted.name)


eval_shape = boundary(eval_shape)
