"""Calling Python while a program runs: ``pure_callback``, ``io_callback``, ``effects_barrier``, and the functions of ``debug``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._api.calls import boundary
from jitney._base import sources
from jitney._base.dtypes import as_dtype, canonicalize_dtype
from jitney._control.callbacks import (
    VMAP_METHODS,
    FlatCallback,
    bind_callback,
    debug_callback_p,
    debug_print_p,
    io_callback_p,
    pure_callback_p,
)
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.effects import debug_effect, ordered_debug_effect
from jitney._core.trace import is_array_like


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """Call ``callback(*args, **kwargs)``, a Python function without side effects, also from compiled programs.

    As the function is taken to be pure, calls may be left out (nobody needs the result), shared or repeated.

    Args:
        callback: takes concrete arrays and returns a tree of NumPy arrays.
        result_shape_dtypes: what it returns: a tree of arrays or ``ShapeDtypeStruct`` (anything with ``shape`` and ``dtype``).
        args, kwargs: trees of arrays.
        sharding: accepted; there is one device.
        vmap_method: how a batch is treated: ``"sequential"`` (one call for each example, in a loop), ``"sequential_unrolled"``,
            ``"expand_dims"`` (one call; arguments that are not batched get a leading axis of 1), ``"broadcast_all"`` (one call;
            they are repeated), ``"legacy_vectorized"`` (one call; they are passed as they are). None: an error.

    Returns:
        The results as arrays.

    Raises:
        RuntimeError: the results are not as described.
        ValueError: a derivative is asked for (wrap it in ``custom_jvp``), or ``vmap_method`` is unknown.
        Exception: what ``callback`` raises reaches the caller.

    Example:
        >>> import jitney, numpy as np
        >>> f = jitney.jit(lambda x: 2 * jitney.pure_callback(np.sinh, x, x))
        >>> round(float(f(1.0)), 6)
        2.350402
    """
    _check_callback(callback, "pure_callback")
    if vmap_method is not None and vmap_method not in VMAP_METHODS:
        raise ValueError(
            f"vmap_method must be one of the allowed methods {[*VMAP_METHODS, None]}, but got: {vmap_method}"
        )
    leaves, in_tree = _array_leaves(args, kwargs, "pure_callback")
    avals, out_tree = _result_types(result_shape_dtypes, "pure_callback")
    outs = bind_callback(
        pure_callback_p,
        leaves,
        callback=FlatCallback(callback, in_tree),
        result_avals=avals,
        sharding=sharding,
        vmap_method=vmap_method,
    )
    return tree.unflatten(out_tree, outs)


def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """Call ``callback(*args, **kwargs)``, a Python function with side effects, also from compiled programs.

    Each execution of the program calls it exactly once, in the order of the program, whether or not its result is used.

    Args:
        callback: takes concrete arrays and returns a tree of NumPy arrays.
        result_shape_dtypes: what it returns, a tree of arrays or ``ShapeDtypeStruct``; None: nothing.
        args, kwargs: trees of arrays.
        sharding: accepted; there is one device.
        ordered: also forbid ``vmap``, which has no order of its own.

    Raises:
        ValueError: a derivative, or ``vmap`` of an ordered callback, is asked for.
        Exception: what ``callback`` raises reaches the caller.

    Example:
        >>> import jitney, numpy as np
        >>> from jitney.experimental import io_callback
        >>> seen = []
        >>> @jitney.jit
        ... def f(x):
        ...     io_callback(lambda x: seen.append(float(x)), None, x)
        ...     return x + 1
        >>> float(f(1.0)), seen
        (2.0, [1.0])
    """
    _check_callback(callback, "io_callback")
    leaves, in_tree = _array_leaves(args, kwargs, "io_callback")
    avals, out_tree = _result_types(result_shape_dtypes, "io_callback")
    outs = bind_callback(
        io_callback_p,
        leaves,
        callback=FlatCallback(callback, in_tree),
        result_avals=avals,
        sharding=sharding,
        ordered=bool(ordered),
    )
    return tree.unflatten(out_tree, outs)


def effects_barrier() -> None:
    """Wait until the effects of all programs have happened: they have when a call returns; output is flushed.

    Example:
        >>> import jitney
        >>> jitney.effects_barrier()
    """
    sys.stdout.flush()


def _check_callback(callback: Any, what: str) -> None:
    if not callable(callback):
        raise TypeError(
            f"first argument to jitney.{what} must be callable, but got an object of type {type(callback)}"
        )


def _array_leaves(args: tuple, kwargs: dict[str, Any], what: str) -> tuple[list[Any], Any]:
    leaves, in_tree = tree.flatten((args, kwargs))
    for number, leaf in enumerate(leaves):
        if not is_array_like(leaf):
            path = tree.leaf_suffixes((args, kwargs))[number]
            raise TypeError(
                f"jitney.{what}: the argument at (args, kwargs){path} is of type {type(leaf).__name__}, not an array. "
                "Let the callback close over values that are no arrays (functools.partial)."
            )
    return leaves, in_tree


def _result_types(described: Any, what: str) -> tuple[tuple[ShapedArray, ...], Any]:
    leaves, out_tree = tree.flatten(described)
    avals = []
    for number, leaf in enumerate(leaves):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            path = tree.leaf_suffixes(described)[number]
            raise AttributeError(
                f"jitney.{what}: result_shape_dtypes{path} is {leaf!r} of type {type(leaf).__name__}, which has no shape and "
                "dtype. Describe results by arrays or jitney.ShapeDtypeStruct(shape, dtype)."
            )
        avals.append(shaped_array(tuple(leaf.shape), canonicalize_dtype(as_dtype(leaf.dtype)), False))
    return tuple(avals), out_tree


# -- debug --------------------------------------------------------------------------------------------


def debug_callback(
    callback: Callable[..., Any] | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    **kwargs: Any,
) -> Any:
    """Call ``callback(*args, **kwargs)`` for its side effect each time the program gets here.

    Under ``vmap`` it is called for each example, under derivatives with the values (not their tangents). It stays where
    nobody needs the values otherwise.

    Args:
        callback: takes concrete arrays (and, as they are, arguments that are no arrays); its result is ignored. Without
            it, a decorator with the options is returned.
        ordered: keep the order among ordered callbacks. (All are called in program order.)
        partitioned: accepted; there is one device.

    Example:
        >>> import jitney
        >>> seen = []
        >>> f = jitney.jit(lambda x: (jitney.debug.callback(lambda v: seen.append(float(v)), x), x * 2)[1])
        >>> float(f(3.0)), seen
        (6.0, [3.0])
    """
    if callback is None:
        return functools.partial(debug_callback, ordered=ordered, partitioned=partitioned)
    _check_callback(callback, "debug.callback")
    leaves, in_tree, static = _split_leaves(args, kwargs)
    bind_callback(
        debug_callback_p,
        leaves,
        callback=FlatCallback(callback, in_tree, static),
        effect=ordered_debug_effect if ordered else debug_effect,
        partitioned=partitioned,
    )
    return None


def debug_print(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    _use_logging: bool = False,
    **kwargs: Any,
) -> Any:
    """Print ``fmt.format(*args, **kwargs)`` each time the program gets here, also in compiled programs.

    Args:
        fmt: a format string such as ``"x = {x:.3f}"`` (no f-string: that would show the tracer).
        args, kwargs: what its fields show: arrays, or anything else as it is.
        ordered: keep the order among ordered prints. (All happen in program order.)
        partitioned: accepted; there is one device.
        skip_format_check: allow arguments that no field shows.

    Raises:
        IndexError, KeyError: a field has no argument.
        ValueError: a keyword argument has no field.
        TypeError: ``fmt`` is no string.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.jit(lambda x: jitney.debug.print("x = {} and {y:.1f}", x, y=x[0]))(jnp.arange(3.0))
        x = [0. 1. 2.] and 0.0
    """
    if fmt is None:
        return functools.partial(
            debug_print,
            ordered=ordered,
            partitioned=partitioned,
            skip_format_check=skip_format_check,
            _use_logging=_use_logging,
        )
    if not isinstance(fmt, str):
        raise TypeError(
            f"jitney.debug.print: the format must be a string: expected str, got {type(fmt).__name__}"
        )
    if not skip_format_check:
        _check_format(fmt, args, kwargs)
    leaves, in_tree, static = _split_leaves(args, kwargs)
    bind_callback(
        debug_print_p,
        leaves,
        fmt=fmt,
        ordered=bool(ordered),
        partitioned=partitioned,
        in_tree=in_tree,
        static_args=static,
        np_printoptions=tuple(np.get_printoptions().items()),
        has_placeholders=_has_fields(fmt),
        logging_record="jitney.debug" if _use_logging else None,
    )
    return None


def debug_log(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    _use_logging: bool = True,
    **kwargs: Any,
) -> Any:
    """Like ``debug.print``, but the text goes to Python's logger ``jitney.debug`` at level INFO.

    Example:
        >>> import jitney
        >>> jitney.debug.log("x = {}", 1.0)
    """
    options = {"ordered": ordered, "partitioned": partitioned, "skip_format_check": skip_format_check}
    return debug_print(fmt, *args, _use_logging=_use_logging, **options, **kwargs)


def debug_breakpoint(
    *,
    backend: str | None = None,
    filter_frames: bool = True,
    num_frames: int | None = None,
    ordered: bool = False,
    token: Any = None,
    **kwargs: Any,
) -> None:
    """Stop in Python's debugger (``sys.breakpointhook``) each time the program gets here, also in compiled programs.

    Args:
        kwargs: values to look at, trees of arrays: the dictionary ``values`` in the debugger's frame.
        ordered: keep the order among ordered breakpoints.
        backend, filter_frames, num_frames, token: accepted for compatibility.

    Example:
        >>> import jitney
        >>> @jitney.jit
        ... def f(x):
        ...     jitney.debug.breakpoint(x=x)  # (Pdb) p values["x"]
        ...     return x
    """
    where = sources.resolve(sources.here())

    def stop(**values: Any) -> None:
        print(f"breakpoint at {where}; values: {', '.join(values) or 'none'}")
        sys.breakpointhook()

    debug_callback(stop, ordered=ordered, **kwargs)


def _check_format(fmt: str, args: tuple, kwargs: dict[str, Any]) -> None:
    from jitney._api.formats import FormatCheck

    FormatCheck().vformat(fmt, args, kwargs)


def _has_fields(fmt: str) -> bool:
    from jitney._api.formats import FormatCheck

    return any(field is not None for _, field, _, _ in FormatCheck().parse(fmt))


def _split_leaves(args: tuple, kwargs: dict[str, Any]) -> tuple[list[Any], Any, tuple[tuple[int, Any], ...]]:
    """Arrays among the arguments, the tree of all, and the other leaves by number."""
    leaves, in_tree = tree.flatten((args, kwargs))
    arrays = [x for x in leaves if is_array_like(x)]
    static = tuple([(n, x) for n, x in enumerate(leaves) if not is_array_like(x)])
    return arrays, in_tree, static


pure_callback = boundary(pure_callback)
io_callback = boundary(io_callback)
