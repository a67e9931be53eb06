"""Collectives of ``jitney.lax``: sums, gathers and exchanges over the axis that ``vmap(f, axis_name=...)`` names."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._control import collectives as co
from jitney._control.collectives import all_gather_p as all_gather_p
from jitney._control.collectives import all_to_all_p as all_to_all_p
from jitney._control.collectives import axis_index_p as axis_index_p
from jitney._control.collectives import pmax_p as pmax_p
from jitney._control.collectives import pmin_p as pmin_p
from jitney._control.collectives import ppermute_p as ppermute_p
from jitney._control.collectives import psum_p as psum_p
from jitney._core import axes as named
from jitney._core import tree
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import to_axis

Groups = Sequence[Sequence[int]]


def _names(axis_name: Any) -> tuple:
    """The bound names of ``axis_name``; ``NameError`` for others."""
    names = co.as_names(axis_name)
    for name in named.names_in(names):
        named.size_of(name)
    return names


def _only_names(function: str, axis_name: Any) -> tuple:
    names = _names(axis_name)
    if any(isinstance(name, int) for name in names):
        raise TypeError(f"{function} takes names of axes, no positions, got {axis_name!r}.")
    return names


def _groups(axis_index_groups: Groups | None) -> tuple[tuple[int, ...], ...] | None:
    if axis_index_groups is None:
        return None
    try:
        return tuple(tuple(map(operator.index, group)) for group in axis_index_groups)
    except TypeError:
        raise TypeError(
            f"axis_index_groups must be lists of the indices of each group, such as [[0, 1], [2, 3]], got {axis_index_groups!r}."
        ) from None


def _fold(prim: Any, x: Any, axis_name: Any, axis_index_groups: Groups | None) -> Any:
    names, groups = _names(axis_name), _groups(axis_index_groups)

    def one(leaf: Any) -> Any:
        value = as_operand(prim.name, leaf)
        if not names:
            return value
        if prim is psum_p and get_aval(value).dtype == bool:
            value = ew.convert(value, np.dtype(np.int32))
        ndim = get_aval(value).ndim
        axes = tuple(to_axis(prim.name, a, ndim) if isinstance(a, int) else a for a in names)
        return prim.bind(value, axes=axes, axis_index_groups=groups)

    return tree.map(one, x)


def psum(x: Any, axis_name: Any, *, axis_index_groups: Groups | None = None) -> Any:
    """The sum of ``x`` over all examples along a named axis, the same for each of them.

    Args:
        x: array or tree of arrays; booleans are counted in int32.
        axis_name: a name, or a tuple of names and positions of axes of ``x``.
        axis_index_groups: groups of examples that are summed among themselves; not over axes of ``vmap``.

    Returns:
        The tree of sums. Of Python numbers it is known at once: ``psum(1, name)`` is the size of the axis, an int.

    Raises ``NameError`` where no ``vmap`` around binds the name.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: x / jitney.lax.psum(x, "i"), axis_name="i")(jnp.array([1.0, 3.0])).tolist()
        [0.25, 0.75]
    """
    names = _names(axis_name)
    if len(named.names_in(names)) < len(names):
        return _fold(psum_p, x, axis_name, axis_index_groups)
    count = co.axis_size(names) if axis_index_groups is None else len(_groups(axis_index_groups)[0])

    def one(leaf: Any) -> Any:
        if type(leaf) in (int, float, complex) or isinstance(leaf, np.ndarray) and leaf.dtype != bool:
            return leaf * count
        return _fold(psum_p, leaf, axis_name, axis_index_groups)

    return tree.map(one, x)


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Groups | None = None) -> Any:
    """The mean of ``x`` over all examples along a named axis; see :func:`psum`. Integers give floats.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: x - jitney.lax.pmean(x, "i"), axis_name="i")(jnp.array([1.0, 3.0])).tolist()
        [-1.0, 1.0]
    """
    totals = psum(x, axis_name, axis_index_groups=axis_index_groups)
    names = _names(axis_name)

    def one(leaf: Any, total: Any) -> Any:
        aval = get_aval(leaf)
        count = 1
        for a in names:
            count *= aval.shape[a] if isinstance(a, int) else named.size_of(a)
        if axis_index_groups is not None:
            count = len(_groups(axis_index_groups)[0])
        if not hasattr(total, "aval"):
            return total / count
        dtype = get_aval(total).dtype
        if not dtypes.is_inexact(dtype):
            total = ew.convert(total, dtypes.default_dtype("f"))
        return ew.div(total, get_aval(total).dtype.type(count))

    return tree.map(one, x, totals)


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Groups | None = None) -> Any:
    """The maximum of ``x`` over all examples along a named axis; see :func:`psum`.

    Its derivative is the mean of the tangents of those examples that attain it.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.pmax(x, "i"), axis_name="i")(jnp.array([1, 3])).tolist()
        [3, 3]
    """
    return _fold(pmax_p, x, axis_name, axis_index_groups)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Groups | None = None) -> Any:
    """The minimum of ``x`` over all examples along a named axis; see :func:`pmax`.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.pmin(x, "i"), axis_name="i")(jnp.array([1, 3])).tolist()
        [1, 1]
    """
    return _fold(pmin_p, x, axis_name, axis_index_groups)


def axis_index(axis_name: Any) -> Any:
    """The number of the example along a named axis (int32); of several names the last runs fastest.

    Raises ``NameError`` where no ``vmap`` around binds the name.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: x + jitney.lax.axis_index("i"), axis_name="i")(jnp.zeros(3)).tolist()
        [0.0, 1.0, 2.0]
    """
    return co.axis_index(_only_names("axis_index", axis_name))


def axis_size(axis_name: Any) -> int:
    """The size of a named axis (of several: their product), a Python int.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: x / jitney.lax.axis_size("i"), axis_name="i")(jnp.ones(4)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    return co.axis_size(_only_names("axis_size", axis_name))


def all_gather(
    x: Any,
    axis_name: Any,
    *,
    axis_index_groups: Groups | None = None,
    axis: int = 0,
    tiled: bool = False,
    to: str = "varying",
) -> Any:
    """The values of all examples along a named axis, side by side along a new axis ``axis``.

    With ``tiled`` they are concatenated along the axis ``axis`` that ``x`` has. ``x`` may be a tree.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.all_gather(x, "i"), axis_name="i")(jnp.array([1, 2])).tolist()
        [[1, 2], [1, 2]]
    """
    names, groups = _only_names("all_gather", axis_name), _groups(axis_index_groups)

    def one(leaf: Any) -> Any:
        value = as_operand("all_gather", leaf)
        place = to_axis("all_gather", axis, get_aval(value).ndim + (not tiled))
        return co.all_gather(value, names, place, bool(tiled), groups)

    return tree.map(one, x)


def psum_scatter(
    x: Any,
    axis_name: Any,
    *,
    scatter_dimension: int = 0,
    axis_index_groups: Groups | None = None,
    tiled: bool = False,
) -> Any:
    """The sum over all examples, of which example ``k`` gets part ``k`` along ``scatter_dimension``.

    That axis must have the size of the named axis, and is removed; with ``tiled`` it is cut in equal blocks.
    ``x`` may be a tree. Raises ``ValueError`` where sizes do not fit.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.psum_scatter(x, "i"), axis_name="i")(jnp.ones((2, 2))).tolist()
        [2.0, 2.0]
    """
    names, groups = _only_names("psum_scatter", axis_name), _groups(axis_index_groups)
    count = co.axis_size(names) if groups is None else len(groups[0])

    def one(leaf: Any) -> Any:
        value = as_operand("psum_scatter", leaf)
        return co.reduce_scatter_p.bind(
            value,
            axis_index_groups=groups,
            axis_name=names,
            axis_size=count,
            scatter_dimension=to_axis("psum_scatter", scatter_dimension, get_aval(value).ndim),
            tiled=bool(tiled),
        )

    return tree.map(one, x)


def all_to_all(
    x: Any,
    axis_name: Any,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: Groups | None = None,
    tiled: bool = False,
) -> Any:
    """Exchange: cut ``x`` along ``split_axis``, send part ``k`` to example ``k``, join what arrives at ``concat_axis``.

    ``split_axis`` must have the size of the named axis and is removed, ``concat_axis`` is a new axis of that size; with
    ``tiled`` the parts are equal blocks, joined along the existing ``concat_axis``. ``x`` may be a tree.
    Raises ``ValueError`` where sizes do not fit.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> x = jnp.array([[1, 2], [3, 4]])
        >>> jitney.vmap(lambda row: jitney.lax.all_to_all(row, "i", 0, 0), axis_name="i")(x).tolist()
        [[1, 3], [2, 4]]
    """
    names, groups = _only_names("all_to_all", axis_name), _groups(axis_index_groups)
    count = co.axis_size(names) if groups is None else len(groups[0])

    def exchange(value: Any, split: int, concat: int) -> Any:
        return all_to_all_p.bind(
            value,
            axis_index_groups=groups,
            axis_name=names if isinstance(axis_name, (tuple, list)) else axis_name,
            concat_axis=concat,
            split_axis=split,
            tiled=bool(tiled),
        )

    def one(leaf: Any) -> Any:
        value = as_operand("all_to_all", leaf)
        aval = get_aval(value)
        split = to_axis("all_to_all", split_axis, aval.ndim)
        concat = to_axis("all_to_all", concat_axis, aval.ndim)
        if tiled:
            return exchange(value, split, concat)
        if aval.shape[split] != count:
            raise ValueError(
                f"all_to_all requires the size of the mapped axis {axis_name} to equal x.shape[split_axis], but they are "
                f"{count} and {aval.shape[split]} respectively."
            )
        if split == concat:
            return exchange(value, split, concat)
        # A new axis is joined along, and the one that was cut, of size 1 then, goes.
        concat += split < concat
        split += concat < split
        return raw.squeeze(exchange(raw.expand_dims(value, (concat,)), split, concat), (split,))

    return tree.map(one, x)


def ppermute(x: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """Send values between examples: for each pair ``(source, target)`` the target gets the source's ``x``.

    Examples that nobody sends to get zeros. ``x`` may be a tree. Raises ``ValueError`` if a number is no example's, or comes
    twice as a source or as a target.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> ring = [(0, 1), (1, 2), (2, 0)]
        >>> jitney.vmap(lambda x: jitney.lax.ppermute(x, "i", ring), axis_name="i")(jnp.array([1, 2, 3])).tolist()
        [3, 1, 2]
    """
    names = _only_names("ppermute", axis_name)
    count = co.axis_size(names)
    pairs = tuple((int(source), int(target)) for source, target in perm)
    for what, numbers in (("source", [p[0] for p in pairs]), ("target", [p[1] for p in pairs])):
        if len(set(numbers)) != len(numbers) or not all(0 <= n < count for n in numbers):
            raise ValueError(
                f"ppermute: each {what} must be another number below the size {count} of the axis {axis_name}, got {perm}."
            )
    return tree.map(
        lambda leaf: ppermute_p.bind(as_operand("ppermute", leaf), axis_name=names, perm=pairs), x
    )


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Reorder examples: example ``k`` gets the ``x`` of example ``perm[k]``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.pshuffle(x, "i", [2, 0, 1]), axis_name="i")(jnp.array([5, 6, 7])).tolist()
        [7, 5, 6]
    """
    return ppermute(x, axis_name, [(source, target) for target, source in enumerate(perm)])


def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Groups | None = None) -> Any:
    """Swap a named axis with the axis ``axis`` of ``x``, which must have its size; see :func:`all_to_all`.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> x = jnp.array([[1, 2], [3, 4]])
        >>> jitney.vmap(lambda row: jitney.lax.pswapaxes(row, "i", 0), axis_name="i")(x).tolist()
        [[1, 3], [2, 4]]
    """
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def pbroadcast(x: Any, axis_name: Any, source: int) -> Any:
    """The ``x`` of example ``source`` along a named axis, for every example. ``x`` may be a tree.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.vmap(lambda x: jitney.lax.pbroadcast(x, "i", 1), axis_name="i")(jnp.array([5, 6, 7])).tolist()
        [6, 6, 6]
    """
    (name,) = _only_names("pbroadcast", axis_name)
    count = named.size_of(name)
    if not 0 <= source < count:
        raise ValueError(f"pbroadcast: source {source} is no example of the axis {name!r} of size {count}.")
    return tree.map(
        lambda leaf: co.pbroadcast_p.bind(as_operand("pbroadcast", leaf), axis_name=name, source=int(source)),
        x,
    )


__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and (name.endswith("_p") or getattr(value, "__module__", "") == __name__)
)
