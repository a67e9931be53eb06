"""Looking at programs without running them: ``make_jaxpr``, ``eval_shape``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_indices, boundary, check_callable
from jitney._api.jit import Jitted
from jitney._api.pickling import remade
from jitney._api.stages import out_info
from jitney._core import axes
from jitney._core.avals import ShapedArray
from jitney._core.refs import AbstractRef, Ref
from jitney._core.staging import as_constants
from jitney._core.trace import get_aval


@remade
def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Any = None,
    return_shape: bool = False,
) -> Callable[..., Any]:
    """A function that returns the jaxpr of ``fun`` for given arguments (with ``return_shape``, also its output's types).

    ``axis_env`` lists pairs ``(name, size)`` of named axes that collectives in ``fun`` may refer to.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.make_jaxpr(jnp.sin)(1.0)
        { lambda ; a:f64[]. let b:f64[] = sin a in (b,) }
    """
    check_callable(fun, "make_jaxpr")
    jitted = Jitted(fun, frozenset(as_indices(static_argnums)), frozenset(), described=True)

    def maker(*args: Any, **kwargs: Any) -> Any:
        call = jitted.signature(args, kwargs)
        with axes.binding(axis_env or ()):
            program = jitted.trace(call, jitted.described_avals(call))
        closed = as_constants(program.closed, program.hoisted)
        return (closed, out_info(closed, program.out_tree)) if return_shape else closed

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
    jitted = Jitted(fun, frozenset(), frozenset(), described=True)
    call = jitted.signature(args, kwargs)
    program = jitted.trace(call, jitted.described_avals(call))
    return out_info(program.closed, program.out_tree)


def typeof(x: Any) -> ShapedArray | AbstractRef:
    """The type of an array, tracer or scalar: its shape, dtype and weak type; that of a reference names its array's.

    Raises:
        TypeError: ``x`` is no array.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.typeof(jnp.ones((2, 3)))
        ShapedArray(float64[2,3])
    """
    if isinstance(x, Ref):
        return x.aval
    try:
        return get_aval(x)
    except TypeError:
        raise TypeError(f"Argument {x!r} of type {type(x)} is not a valid JAX type") from None


eval_shape = boundary(eval_shape)
typeof = boundary(typeof)
