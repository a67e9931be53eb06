"""``vmap``: a function of one example becomes a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitney._api.calls import as_array, boundary, check_callable, check_leaf, check_outputs, leaf_names
from jitney._api.pickling import remade
from jitney._core import refs, tree
from jitney._core.paths import prefix_errors
from jitney._core.refs import Ref
from jitney._core.staging import with_control_flow
from jitney._core.trace import get_aval
from jitney._transforms.batching import batch_flat, place_axis


@remade
def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
    sum_match: bool = False,
) -> Callable[..., Any]:
    """Vectorise ``fun`` over an axis of its arguments.

    Args:
        in_axes: for each positional argument the axis to map over: an int, None (not mapped), or a tree
            of these that is a prefix of the argument.  Keyword arguments are mapped over axis 0.
        out_axes: where the mapped axis goes in the outputs; an int, None, or a prefix tree.
        axis_name: a name (any hashable value) by which collectives such as ``lax.psum`` refer to the mapped axis.
        axis_size: the size of the mapped axis; needed if no argument is mapped.
        spmd_axis_name, sum_match: accepted; they concern several devices.

    Returns:
        A function of batched arguments that returns batched results.

    Raises:
        TypeError: an axis is no int, or a mapped argument or an output is no array.
        ValueError: sizes of mapped axes differ, ``in_axes`` or ``out_axes`` do not fit the arguments or results, or
            ``out_axes`` is None for an output that differs between examples.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(jnp.dot)(jnp.ones((3, 2)), jnp.ones((3, 2))).tolist()
        [2.0, 2.0, 2.0]
    """
    check_callable(fun, "vmap")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if in_axes is not None and not (_is_axis(in_axes) or isinstance(in_axes, tuple)):
        raise TypeError(
            "vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional arguments, but got "
            f"{in_axes!r} of type {type(in_axes).__name__}."
        )
    _check_axes_spec(in_axes, "in_axes")
    _check_axes_spec(out_axes, "out_axes")
    if axis_size is not None and not _is_axis(axis_size):
        raise TypeError(
            f"vmap axis_size must be an int, got {axis_size!r} of type {type(axis_size).__name__}."
        )

    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        if refs.in_use() and any(isinstance(x, Ref) for x in leaves):
            return _over_refs(fun, in_axes, out_axes, axis_name, axis_size, leaves, in_tree)
        dims = _in_dims(fun, in_axes, args, kwargs, leaves)
        size = _axis_size(fun, args, kwargs, leaves, dims, axis_size)
        out_tree: Any = None

        def flat(*xs: Any) -> list[Any]:
            nonlocal out_tree
            positional, named = tree.unflatten(in_tree, xs)
            outs, out_tree = tree.flatten(fun(*positional, **named))
            check_outputs(outs, fun, "vmap", out_tree)
            return outs

        outs, out_dims = with_control_flow(lambda: batch_flat(flat, size, leaves, dims, axis_name))
        out = tree.unflatten(out_tree, outs)
        targets = _spread(out_axes, out, "out_axes")
        placed = [
            _place(y, d, size, t, lambda: "".join(tree.leaf_suffixes(out)[n : n + 1]))
            for n, (y, d, t) in enumerate(zip(outs, out_dims, targets, strict=True))
        ]
        return tree.unflatten(out_tree, [as_array(y) for y in placed])

    return boundary(batched, fun)


def _over_refs(
    fun: Callable[..., Any],
    in_axes: Any,
    out_axes: Any,
    axis_name: Any,
    axis_size: int | None,
    leaves: list[Any],
    in_tree: Any,
) -> Any:
    """``vmap`` of a function of mutable references: their values go in, and come out along the same axes."""
    given = [n for n, x in enumerate(leaves) if isinstance(x, Ref)]
    values = [x.read() if isinstance(x, Ref) else x for x in leaves]
    args, kwargs = tree.unflatten(in_tree, values)
    dims = _in_dims(fun, in_axes, args, kwargs, values)

    @functools.wraps(fun)
    def pure(*args: Any, **kwargs: Any) -> Any:
        own = tree.leaves((args, kwargs))
        for n in given:
            own[n] = Ref(own[n])
        positional, named = tree.unflatten(in_tree, own)
        out = fun(*positional, **named)
        return out, [own[n].read() for n in given]

    axes = (out_axes, [dims[n] for n in given])
    out, after = vmap(pure, in_axes, axes, axis_name, axis_size)(*args, **kwargs)
    for n, value in zip(given, after, strict=True):
        leaves[n].write(value)
    return out


def _is_axis(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def _place(y: Any, dim: int | None, size: int, target: int | None, path: Callable[[], str]) -> Any:
    """An output with its batch axis at ``target``; ``path()`` names it in errors."""
    if target is None:
        if dim is not None:
            raise ValueError(
                f"at vmap out_axes{path()}, got axis spec None but the output {get_aval(y).str_short()} was batched on axis "
                f"{dim}: it depends on mapped inputs, so it needs an axis (or a reduction over axis_name)."
            )
        return y
    rank = get_aval(y).ndim + (dim is None)
    if not -rank <= target < rank:
        raise ValueError(
            f"at vmap out_axes{path()}, axis {target} is out of bounds for the batched output of rank {rank}: it must lie "
            f"between {-rank} and {rank - 1}."
        )
    return place_axis(y, dim, size, target)


def _check_axes_spec(axes: Any, name: str) -> None:
    for leaf in tree.leaves(axes, is_leaf=lambda x: x is None):
        if leaf is not None and not _is_axis(leaf):
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
    dims = _spread(in_axes, args, "in_axes")
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
        raise ValueError(
            "vmap must have at least one non-None value in in_axes, for an argument that holds an array, or axis_size must "
            "be specified."
        )
    if len(set(sizes.values())) > 1:
        raise ValueError(_inconsistent(leaf_names(fun, args, kwargs), leaves, dims, sizes))
    return next(iter(sizes.values()))


def _inconsistent(names: list[str], leaves: list[Any], dims: list[int | None], sizes: dict[int, int]) -> str:
    """A table of the sizes, the most frequent first; ``sizes``: leaf number (-1: the argument ``axis_size``) -> size."""
    table: dict[int, list[int]] = {}
    for number, size in sizes.items():
        table.setdefault(size, []).append(number)
    lines = []
    for size, numbers in sorted(table.items(), key=lambda item: -len(item[1])):
        axes = [n for n in numbers if n >= 0]
        shown = [
            f"axis {dims[n]} of argument {names[n]} of shape {get_aval(leaves[n]).shape}" for n in axes[:3]
        ]
        if len(axes) > 3:
            shown.append("...")
        if len(axes) < len(numbers):
            shown.append("the argument axis_size")
        lines.append(f"  * size {size}: " + ", ".join(shown))
    return "vmap got inconsistent sizes for array axes to be mapped:\n" + "\n".join(lines)


def _spread(axes: Any, value: Any, name: str) -> list[int | None]:
    """The axis of each leaf of ``value``; an error says where the trees differ."""
    try:
        return tree.broadcast_prefix(axes, value)
    except ValueError as error:
        for found in prefix_errors(axes, value, lambda x: x is None):
            raise ValueError(
                f"vmap {name} specification must be a tree prefix of the corresponding value:\n{found('vmap ' + name)}"
            ) from None
        raise error
