"""Folds of ``jitney.lax`` with any operation: ``reduce`` over axes, ``reduce_window`` over sliding windows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._control import folds
from jitney._control.folds import reduce_p as reduce_p
from jitney._control.folds import reduce_window_p as reduce_window_p
from jitney._core import tree
from jitney._core.avals import shaped_array
from jitney._core.axes import used as axes_in_use
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.staging import DebugInfo, stage
from jitney._core.trace import Tracer, get_aval, to_numpy
from jitney._ops import reductions
from jitney._ops.windows import Frame
from jitney._ops.windows import reduce_window_max_p as reduce_window_max_p
from jitney._ops.windows import reduce_window_min_p as reduce_window_min_p
from jitney._ops.windows import reduce_window_sum_p as reduce_window_sum_p
from jitney._ops.windows import select_and_gather_add_p as select_and_gather_add_p
from jitney._ops.windows import select_and_scatter_add_p as select_and_scatter_add_p
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands as as_operands

# Operation -> its neutral element, the fold over axes, the fold of windows.
_MONOIDS: dict[str, tuple[Callable[[np.dtype], Any], Any, Any]] = {
    "add": (lambda dtype: 0, reductions.reduce_sum_p, reduce_window_sum_p),
    "mul": (lambda dtype: 1, reductions.reduce_prod_p, None),
    "max": (reductions.smallest, reductions.reduce_max_p, reduce_window_max_p),
    "min": (reductions.largest, reductions.reduce_min_p, reduce_window_min_p),
    "and": (lambda dtype: True if dtype.kind == "b" else -1, reductions.reduce_and_p, None),
    "or": (lambda dtype: 0, reductions.reduce_or_p, None),
    "xor": (lambda dtype: 0, reductions.reduce_xor_p, None),
}


def _monoid(closed: ClosedJaxpr, xs: Sequence[Any], inits: Sequence[Any]) -> tuple[Any, Any] | None:
    """The folds over axes and of windows that a program of one well-known operation stands for."""
    name = folds.known_operation(closed)
    if name is None or isinstance(inits[0], Tracer):
        return None
    neutral, fold, window = _MONOIDS[name]
    dtype = get_aval(xs[0]).dtype
    value = np.asarray(neutral(dtype)).astype(dtype)
    return (fold, window) if np.array_equal(np.asarray(to_numpy(inits[0])), value) else None


def _flat_operands(name: str, operands: Any, init_values: Any) -> tuple[list[Any], list[Any], Any]:
    """Operands, initial values, and the tree of both."""
    leaves, in_tree = tree.flatten(operands)
    inits, init_tree = tree.flatten(init_values)
    if in_tree != init_tree:
        raise ValueError(
            f"{name}: operands must have the same tree structure as init_values, got {in_tree} and {init_tree}."
        )
    if not leaves:
        raise ValueError(f"{name} must have at least one operand.")
    return [as_operand(name, x) for x in leaves], inits, in_tree


def _with_dtypes(name: str, xs: Sequence[Any], inits: Sequence[Any]) -> list[Any]:
    """The operands, then the initial values in their dtypes."""
    pairs = [as_operands(name, x, v) for x, v in zip(xs, inits, strict=True)]
    return [x for x, _ in pairs] + [v for _, v in pairs]


def _program(name: str, computation: Callable[..., Any], xs: Sequence[Any], in_tree: Any) -> ClosedJaxpr:
    """``computation`` of two trees of scalars as a program."""

    def flat(*values: Any) -> list[Any]:
        half = len(values) // 2
        out = computation(tree.unflatten(in_tree, values[:half]), tree.unflatten(in_tree, values[half:]))
        leaves, out_tree = tree.flatten(out)
        if out_tree != in_tree:
            raise ValueError(
                f"{name}: the computation must return a tree of the operands' structure {in_tree}, got {out_tree}."
            )
        return leaves

    if not callable(computation):
        raise TypeError(f"{name}: computation must be a function of two values, got {computation!r}.")
    scalars = [shaped_array((), get_aval(x).dtype) for x in xs]
    return stage(flat, scalars + scalars, DebugInfo(name, computation))


def reduce(
    operands: Any,
    init_values: Any,
    computation: Callable[[Any, Any], Any],
    dimensions: Sequence[int],
    out_sharding: Any = None,
) -> Any:
    """Fold arrays over the axes ``dimensions`` with any associative operation.

    Args:
        operands: an array, or a tree of arrays of one shape that are folded together.
        init_values: for each a scalar of its dtype, with which every fold begins.
        computation: from two trees of scalars (what is folded so far, and the next) to one; the elements are taken in
            row-major order, but grouped at will.
        dimensions: the axes that go; nonnegative. Without any, the operands are returned.

    Returns:
        A tree like ``operands`` of arrays without these axes.

    Raises ``TypeError`` where dtypes differ, ``ValueError`` for bad axes, shapes or trees.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.reduce(jnp.array([[1.0, 2.0], [3.0, 4.0]]), 0.0, lambda a, b: jnp.hypot(a, b), (1,)).tolist()
        [2.23606797749979, 5.0]
    """
    xs, inits, in_tree = _flat_operands("reduce", operands, init_values)
    axes = tuple(operator.index(d) for d in dimensions)
    closed = _program("reduce", computation, xs, in_tree)
    params = {"computation": computation, "jaxpr": closed, "dimensions": axes}
    found = _monoid(closed, xs, inits)
    if found is not None:
        scalar = shaped_array((), get_aval(xs[0]).dtype)
        reduce_p.abstract(get_aval(xs[0]), scalar, **params)
        outs = [found[0].bind(xs[0], axes=axes, out_sharding=None)] if axes else xs
        return tree.unflatten(in_tree, outs)
    args = _with_dtypes("reduce", xs, inits)
    reduce_p.abstract(*map(get_aval, args), **params)
    if not axes:
        outs = xs
    elif closed.consts or axes_in_use(closed):  # depends on what is around: its steps are taken here
        outs = folds.reduce_by(folds.Operation(closed), args, axes)
    else:
        outs = reduce_p.bind(*args, **params)
    return tree.unflatten(in_tree, outs)


def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Fold each of the windows that slide over an array.

    Args:
        operand: an array, or a tree of arrays of one shape that are folded together.
        init_value: for each a scalar of its dtype: every fold begins with it, and padding and holes count as it.
        computation: an associative operation on two (trees of) scalars.
        window_dimensions: the size of a window along each axis.
        window_strides: how far apart windows begin; 1 by default.
        padding: ``"VALID"`` (none), ``"SAME"`` (as many windows as elements, over the stride), ``"SAME_LOWER"``, or
            ``(low, high)`` for each axis.
        base_dilation: how far apart the operand's elements are put; 1 by default.
        window_dilation: how far apart the elements of a window are; 1 by default.

    Returns:
        An element for each window. Sums, maxima and minima have derivatives of their own, others those of their steps.

    Raises ``TypeError`` for geometry that does not fit, ``RuntimeError`` for an unknown padding.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.reduce_window(jnp.arange(5.0), 0.0, lax.add, (3,)).tolist()
        [3.0, 6.0, 9.0]
    """
    xs, inits, in_tree = _flat_operands("reduce_window", operand, init_value)
    frame = _frame(
        get_aval(xs[0]).shape, window_dimensions, window_strides, padding, base_dilation, window_dilation
    )
    closed = _program("reduce_window", computation, xs, in_tree)
    found = _monoid(closed, xs, inits)
    if found is not None and found[1] is not None:
        found[1].abstract(get_aval(xs[0]), **frame.params())
        return tree.unflatten(in_tree, [found[1].bind(xs[0], **frame.params())])
    args, params = _with_dtypes("reduce_window", xs, inits), {"jaxpr": closed, "consts": (), **frame.params()}
    reduce_window_p.abstract(*map(get_aval, args), **params)
    if closed.consts or axes_in_use(closed):
        outs = folds.reduce_window_by(folds.Operation(closed), args, frame)
    else:
        outs = reduce_window_p.bind(*args, **params)
    return tree.unflatten(in_tree, outs)


def _frame(
    shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None,
    padding: str | Sequence[tuple[int, int]],
    base_dilation: Sequence[int] | None,
    window_dilation: Sequence[int] | None,
) -> Frame:
    window = _ints(window_dimensions)
    ones = (1,) * len(window)
    strides, base, within = (
        ones if v is None else _ints(v) for v in (window_strides, base_dilation, window_dilation)
    )
    for name, value in (("window_strides", strides), ("window_dilation", within), ("base_dilation", base)):
        if len(value) != len(window):
            raise TypeError(
                f"reduce_window got inconsistent {name} and window_dimensions: got {name} {value} and window_dimensions "
                f"{window}."
            )
    if isinstance(padding, str):
        if len(window) != len(shape) or min((*strides, *base, *within), default=1) < 1:
            pads = ((0, 0),) * len(window)  # refused below
        else:
            spread = [n + max(n - 1, 0) * (b - 1) for n, b in zip(shape, base, strict=True)]
            reach = [(w - 1) * d + 1 for w, d in zip(window, within, strict=True)]
            pads = tuple(padtype_to_pads(spread, reach, strides, padding))
    else:
        pads = tuple((int(lo), int(hi)) for lo, hi in padding)
    return Frame(window, strides, pads, base, within)


def _ints(numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(operator.index(n) for n in numbers)


def padtype_to_pads(
    in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: Any
) -> list[tuple[int, int]]:
    """``(low, high)`` for each axis: what ``"VALID"``, ``"SAME"`` or ``"SAME_LOWER"`` means.

    ``SAME`` pads so that there are ``ceil(size / stride)`` windows; of an odd number the greater part comes last
    (``SAME_LOWER``: first). Raises ``RuntimeError`` for other names.

    Example:
        >>> from jitney import lax
        >>> lax.padtype_to_pads((5,), (2,), (1,), "SAME")
        [(0, 1)]
    """
    name = getattr(padding, "name", padding)
    if name not in ("VALID", "SAME", "SAME_LOWER"):
        raise RuntimeError(
            f"Unrecognized padding type: expected 'VALID', 'SAME', or 'SAME_LOWER', got {padding}."
        )
    if name == "VALID":
        return [(0, 0)] * len(in_shape)
    pads = []
    for n, w, s in zip(in_shape, window_shape, window_strides, strict=True):
        total = int(max((-(-n // s) - 1) * s + w - n, 0))
        small, great = total // 2, total - total // 2
        pads.append((small, great) if name == "SAME" else (great, small))
    return pads


def reduce_window_shape_tuple(
    operand_shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """The shape of :func:`reduce_window`'s result.

    Example:
        >>> from jitney import lax
        >>> lax.reduce_window_shape_tuple((4, 3), (2, 2), (2, 1), ((0, 0), (0, 1)))
        (2, 3)
    """
    frame = _frame(operand_shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    return frame.out_shape(tuple(operand_shape))


__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and (name.endswith("_p") or getattr(value, "__module__", "") == __name__)
)
