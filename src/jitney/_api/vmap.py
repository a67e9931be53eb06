"""``vmap``: a function of one example becomes a function of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._api.calls import as_array, boundary, check_callable, check_leaf, check_outputs, leaf_names
from jitney._core import tree
from jitney._core.trace import get_aval
from jitney._transforms.batching import batch_flat, place_axis


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
) -> Callable[..., Any]:
    """Vectorise ``fun`` over an axis of its arguments.

    Args:
        in_axes: for each positional argument the axis to map over: an int, None (not mapped), or a tree
            of these that is a prefix of the argument.  Keyword arguments are mapped over axis 0.
        out_axes: where the mapped axis goes in the outputs; an int, None, or a prefix tree.
        axis_name: a name for collectives.
        axis_size: the size of the mapped axis if no argument is mapped.

    Returns:
        A function of batched arguments that returns batched results.

    Raises:
        ValueError: sizes of mapped axes differ, or ``in_axes`` does not fit the arguments.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(jnp.dot)(jnp.ones((3, 2)), jnp.ones((3, 2))).tolist()
        [2.0, 2.0, 2.0]
    """
    check_callable(fun, "vmap")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    _check_axes_spec(in_axes, "in_axes")
    _check_axes_spec(out_axes, "out_axes")

    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        dims = _in_dims(fun, in_axes, args, kwargs, leaves)
        size = _axis_size(fun, args, kwargs, leaves, dims, axis_size)
        out_tree: Any = None

        def flat(*xs: Any) -> list[Any]:
            nonlocal out_tree
            positional, named = tree.unflatten(in_tree, xs)
            outs, out_tree = tree.flatten(fun(*positional, **named))
            check_outputs(outs, fun, "vmap", out_tree)
            return outs

        outs, out_dims = batch_flat(flat, size, leaves, dims, axis_name)
        targets = _out_dims(out_axes, tree.unflatten(out_tree, outs))
        placed = [_place(y, d, size, t) for y, d, t in zip(outs, out_dims, targets, strict=True)]
        return tree.unflatten(out_tree, [as_array(y) for y in placed])

    return boundary(batched, fun)


def _place(y: Any, dim: int | None, size: int, target: int | None) -> Any:
    if target is None:
        if dim is not None:
            raise ValueError(
                "vmap has mapped output but out_axes is None: this output depends on mapped inputs, so it needs an axis."
            )
        return y
    rank = get_aval(y).ndim + (dim is None)
    if not -rank <= target < rank:
        raise ValueError(
            f"vmap got out_axes={target} for an output of rank {rank - 1}: it must lie between {-rank} and {rank - 1}."
        )
    return place_axis(y, dim, size, target)


def _check_axes_spec(axes: Any, name: str) -> None:
    for leaf in tree.leaves(axes, is_leaf=lambda x: x is None):
        if leaf is not None and not (isinstance(leaf, int) and not isinstance(leaf, bool)):
            raise TypeError(
                f"vmap {name} must be an int, None, or a tree of them, but got {leaf!r} of type {type(leaf).__name__}."
            )


def _in_dims(
    fun: Any, in_axes: Any, args: tuple, kwargs: dict[str, Any], leaves: list[Any]
) -> list[int | None]:
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ValueError(
            f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional arguments passed "
            f"to the function, but got len(in_axes)={len(in_axes)}, len(args)={len(args)}."
        )
    try:
        dims = tree.broadcast_prefix(in_axes, args)
    except ValueError as error:
        raise ValueError(
            f"vmap in_axes specification must be a tree prefix of the corresponding value, got specification {in_axes} "
            f"for arguments of structure {tree.structure(args)}."
        ) from error
    dims += [0] * len(tree.leaves(kwargs))
    names: list[str] | None = None
    out: list[int | None] = []
    for number, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            out.append(None)
            continue
        try:
            aval = check_leaf(x, "", "vmap")
        except TypeError:
            aval = check_leaf(x, leaf_names(fun, args, kwargs)[number], "vmap")
        if not -aval.ndim <= d < aval.ndim:
            names = names or leaf_names(fun, args, kwargs)
            raise ValueError(
                f"vmap was requested to map its argument along axis {d}, which implies that its rank should be at least "
                f"{d + 1 if d >= 0 else -d}, but the argument {names[number]} has rank {aval.ndim} (its shape is {aval.shape})."
            )
        out.append(d % aval.ndim)
    return out


def _axis_size(
    fun: Any,
    args: tuple,
    kwargs: dict[str, Any],
    leaves: list[Any],
    dims: list[int | None],
    axis_size: int | None,
) -> int:
    sizes = {
        n: get_aval(x).shape[d] for n, (x, d) in enumerate(zip(leaves, dims, strict=True)) if d is not None
    }
    if axis_size is not None:
        sizes.setdefault(-1, axis_size)
    if not sizes:
        raise ValueError("vmap must have at least one non-None value in in_axes (or an axis_size).")
    if len(set(sizes.values())) > 1:
        names = leaf_names(fun, args, kwargs)
        listed = "; ".join(
            f"the argument {names[n]} of shape {get_aval(leaves[n]).shape} has size {size} along axis {dims[n]}"
            if n >= 0
            else f"axis_size is {size}"
            for n, size in sizes.items()
        )
        raise ValueError(f"vmap got inconsistent sizes for array axes to be mapped: {listed}.")
    return next(iter(sizes.values()))


def _out_dims(out_axes: Any, out: Any) -> list[int | None]:
    try:
        return tree.broadcast_prefix(out_axes, out)
    except ValueError as error:
        raise ValueError(
            f"vmap out_axes specification must be a tree prefix of the output, got specification {out_axes} for an "
            f"output of structure {tree.structure(out)}."
        ) from error
