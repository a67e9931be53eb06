"""Collectives: operations over a named axis, which exist until the ``vmap`` that binds the name resolves them.

One example sees its own value; the batch rule for the axis that is named sees all examples and turns the collective into
ordinary array operations (``psum`` becomes a sum over the batch axis). Their other rules are those of operations that
act on each example alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from jitney._core import axes as named
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops import dynamic_slices, gather_layouts, indexing, raw, reductions
from jitney._ops import elementwise as ew
from jitney._ops.families import check_kinds, linear, literal
from jitney._ops.strong_products import stopped

_INT32 = np.dtype(np.int32)


def as_names(axis_name: Any) -> tuple:
    """A name, or a tuple or list of them, as a tuple."""
    return tuple(axis_name) if isinstance(axis_name, (tuple, list)) else (axis_name,)


def _refuse_groups(name: str, axis_index_groups: Any) -> None:
    if axis_index_groups is not None:
        raise NotImplementedError(
            f"{name}: axis_index_groups are not supported over an axis of vmap: reshape the batch and map twice."
        )


def _refuse_eager(name: str, names: Sequence[Any]) -> NoReturn:
    raise NameError(
        f"{name}: unbound axis name: {', '.join(map(str, names))}. Names are bound by vmap(f, axis_name=...)."
    )


# -- folds: psum, pmax, pmin ------------------------------------------------------------------------


def _fold(name: str, kinds: str, local: Callable[..., Any], repeated: Callable[[Any, int], Any]) -> Primitive:
    """A fold over named and positional axes.

    ``local(x, axes)`` folds over positions, ``repeated(x, n)`` is the fold of ``n`` equal values.
    """
    prim = Primitive(name)

    def abstract(x: ShapedArray, *, axes: tuple, axis_index_groups: Any) -> ShapedArray:
        check_kinds(name, [x], kinds)
        positions = [a for a in axes if isinstance(a, int)]
        if any(not 0 <= a < x.ndim for a in positions):
            raise ValueError(f"{name}: axes {positions} are out of bounds for array of dimension {x.ndim}")
        return shaped_array(
            tuple(n for d, n in enumerate(x.shape) if d not in positions), x.dtype, x.weak_type
        )

    def expand(x: Any, *, axes: tuple, axis_index_groups: Any) -> Any:
        if named.names_in(axes):
            _refuse_eager(name, named.names_in(axes))
        return local(x, axes)

    def batch(size: int, args: Any, dims: Any, *, axes: tuple, axis_index_groups: Any) -> tuple[Any, int]:
        (x,), (d,) = args, dims
        shifted = tuple(a + (a >= d) if isinstance(a, int) else a for a in axes)
        out = prim.bind(x, axes=shifted, axis_index_groups=axis_index_groups)
        return out, d - sum(isinstance(a, int) and a < d for a in shifted)

    def batch_named(
        axis: Any, size: int, args: Any, dims: Any, *, axes: tuple, axis_index_groups: Any
    ) -> tuple[Any, None]:
        (x,), (d,) = args, dims
        _refuse_groups(name, axis_index_groups)
        if d is None:
            x, rest = repeated(x, size), tuple(a for a in axes if a != axis)
        else:
            rest = tuple(d if a == axis else a + (a >= d) if isinstance(a, int) else a for a in axes)
        return prim.bind(x, axes=rest, axis_index_groups=None) if rest else x, None

    prim.abstract, prim.expand, prim.batch = abstract, expand, batch
    named.collectives[prim] = named.Collective("axes", batch_named)
    return prim


def _times(x: Any, n: int) -> Any:
    return ew.mul(literal(x, n), x)


psum_p = _fold("psum", "iufc", reductions.reduce_sum, _times)
pmax_p = _fold("pmax", "biuf", reductions.reduce_max, lambda x, n: x)
pmin_p = _fold("pmin", "biuf", reductions.reduce_min, lambda x, n: x)


def _psum_transpose(ct: Any, x: Any, *, axes: tuple, axis_index_groups: Any) -> Any:
    shape = x.aval.shape
    positions = [a for a in axes if isinstance(a, int)]
    ct = raw.broadcast_in_dim(ct, shape, [d for d in range(len(shape)) if d not in positions])
    names = named.names_in(axes)
    return psum_p.bind(ct, axes=names, axis_index_groups=axis_index_groups) if names else ct


linear(psum_p, _psum_transpose)


def _extremum_jvp(prim: Primitive, local: Primitive) -> None:
    """The mean of the tangents where the extremum is attained, as for a reduction."""

    def jvp(primals: Any, tangents: Any, *, axes: tuple, axis_index_groups: Any) -> tuple[Any, Any]:
        (x,), (g,) = primals, tangents
        positions = tuple(a for a in axes if isinstance(a, int))
        if positions:
            x, g = local.jvp((x,), (g,), axes=positions, out_sharding=None)
        names = named.names_in(axes)
        if not names:
            return x, g
        across = {"axes": names, "axis_index_groups": axis_index_groups}
        ans = prim.bind(x, **across)
        if type(g) is Zero:
            return ans, Zero.of(ans)
        here = ew.convert(ew.eq(x, ans), get_aval(x).dtype)
        return ans, ew.div(psum_p.bind(stopped(g, here), **across), psum_p.bind(here, **across))

    prim.jvp = jvp


_extremum_jvp(pmax_p, reductions.reduce_max_p)
_extremum_jvp(pmin_p, reductions.reduce_min_p)

# -- axis_index -------------------------------------------------------------------------------------

axis_index_p = Primitive("axis_index")
axis_index_p.abstract = lambda *, axis_name: shaped_array((), _INT32)
axis_index_p.expand = lambda *, axis_name: _refuse_eager("axis_index", [axis_name])
named.collectives[axis_index_p] = named.Collective(
    "axis_name", lambda axis, size, args, dims, *, axis_name: (raw.iota(_INT32, (size,)), 0)
)


def axis_index(names: Sequence[Any]) -> Any:
    """The example's number along ``names``, the last one running fastest (int32)."""
    if len(names) == 1:
        return axis_index_p.bind(axis_name=names[0])
    total: Any = np.int32(0)
    step = 1
    for name in reversed(names):
        total = ew.add(total, ew.mul(axis_index_p.bind(axis_name=name), np.int32(step)))
        step *= named.size_of(name)
    return total


def axis_size(names: Sequence[Any]) -> int:
    """How many examples there are along ``names`` together."""
    return math.prod(named.size_of(name) for name in names)


# -- moves between examples -------------------------------------------------------------------------


def _move(name: str, expand_params: Sequence[str]) -> Primitive:
    """A primitive that moves values between examples; the params ``expand_params`` are axes of the operand."""
    prim = Primitive(name)

    def batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
        shifted = {key: params[key] + 1 for key in expand_params}
        return prim.bind(raw.move_axis(args[0], dims[0], 0), **{**params, **shifted}), 0

    prim.expand = lambda x, *, axis_name, **_: _refuse_eager(name, as_names(axis_name))
    prim.batch = batch
    return prim


def _merged(x: Any, axis: int) -> Any:
    """``x`` with its axes ``axis`` and ``axis + 1`` as one."""
    shape = get_aval(x).shape
    return raw.reshape(x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _cut(x: Any, axis: int, count: int) -> Any:
    """``x`` with ``axis`` as two: ``count`` blocks and the places in a block."""
    shape = get_aval(x).shape
    return raw.reshape(x, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :]))


def _block(x: Any, axis: int, number: Any, count: int) -> Any:
    """Block ``number`` (traced) of the ``count`` blocks along ``axis``."""
    aval = get_aval(x)
    size = aval.shape[axis] // count
    starts = [np.int32(0)] * aval.ndim
    starts[axis] = ew.mul(number, np.int32(size))
    sizes = tuple(size if d == axis else n for d, n in enumerate(aval.shape))
    return dynamic_slices.dynamic_slice_p.bind(x, *starts, slice_sizes=sizes)


# -- all_gather

all_gather_p = _move("all_gather", ["all_gather_dimension"])


def all_gather(
    x: Any, names: Sequence[Any], dimension: int = 0, tiled: bool = False, axis_index_groups: Any = None
) -> Any:
    count = axis_size(names) if axis_index_groups is None else len(axis_index_groups[0])
    return all_gather_p.bind(
        x,
        all_gather_dimension=dimension,
        axis_index_groups=axis_index_groups,
        axis_name=tuple(names),
        axis_size=count,
        tiled=tiled,
    )


def _all_gather_abstract(
    x: Any, *, all_gather_dimension: int, axis_index_groups: Any, axis_name: Any, axis_size: int, tiled: bool
) -> ShapedArray:
    shape = list(x.shape)
    if tiled:
        shape[all_gather_dimension] *= axis_size
    else:
        shape.insert(all_gather_dimension, axis_size)
    return shaped_array(tuple(shape), x.dtype, x.weak_type)


def _all_gather_named(
    axis: Any,
    size: int,
    args: Any,
    dims: Any,
    *,
    all_gather_dimension: int,
    axis_index_groups: Any,
    axis_name: tuple,
    axis_size: int,
    tiled: bool,
) -> tuple[Any, None]:
    _refuse_groups("all_gather", axis_index_groups)
    x = raw.batch_first(args[0], dims[0], size)
    place = axis_name.index(axis)
    before, after = axis_name[:place], axis_name[place + 1 :]
    if before or after:  # the others first, then this axis between them
        x = all_gather(x, (*before, *after))
        outer = math.prod(named.size_of(n) for n in before)
        x = raw.move_axis(_cut(x, 0, outer), 2, 1)
        x = _merged(_merged(x, 0), 0)
    x = raw.move_axis(x, 0, all_gather_dimension)
    return _merged(x, all_gather_dimension) if tiled else x, None


def _all_gather_transpose(
    ct: Any,
    x: Any,
    *,
    all_gather_dimension: int,
    axis_index_groups: Any,
    axis_name: Any,
    axis_size: int,
    tiled: bool,
) -> Any:
    return reduce_scatter_p.bind(
        ct,
        axis_index_groups=axis_index_groups,
        axis_name=axis_name,
        axis_size=axis_size,
        scatter_dimension=all_gather_dimension,
        tiled=tiled,
    )


all_gather_p.abstract = _all_gather_abstract
linear(all_gather_p, _all_gather_transpose)
named.collectives[all_gather_p] = named.Collective("axis_name", _all_gather_named)

# -- reduce_scatter

reduce_scatter_p = _move("reduce_scatter", ["scatter_dimension"])


def _reduce_scatter_abstract(
    x: Any, *, axis_index_groups: Any, axis_name: Any, axis_size: int, scatter_dimension: int, tiled: bool
) -> ShapedArray:
    shape = list(x.shape)
    n = shape[scatter_dimension]
    if not tiled and n != axis_size:
        raise ValueError(
            f"reduce_scatter operand scatter dimension size {n} must match the size {axis_size} of the axis "
            f"{axis_name} (for blocks of several elements: tiled=True)."
        )
    if n % axis_size:
        raise ValueError(
            f"tiled reduce_scatter operand scatter dimension size {n} must be divisible by the size {axis_size} of the "
            f"axis {axis_name}."
        )
    if tiled:
        shape[scatter_dimension] = n // axis_size
    else:
        del shape[scatter_dimension]
    return shaped_array(tuple(shape), x.dtype, x.weak_type)


def _reduce_scatter_named(
    axis: Any,
    size: int,
    args: Any,
    dims: Any,
    *,
    axis_index_groups: Any,
    axis_name: Any,
    axis_size: int,
    scatter_dimension: int,
    tiled: bool,
) -> tuple[Any, int]:
    _refuse_groups("psum_scatter", axis_index_groups)
    (x,), (d,) = args, dims
    total = _times(x, size) if d is None else raw.reduce_sum(x, (d,))
    return _cut(total, scatter_dimension, size) if tiled else total, scatter_dimension


def _reduce_scatter_by_gather(
    x: Any, *, axis_index_groups: Any, axis_name: Any, axis_size: int, scatter_dimension: int, tiled: bool
) -> Any:
    _refuse_groups("psum_scatter", axis_index_groups)
    total = psum_p.bind(x, axes=axis_name, axis_index_groups=None)
    own = _block(total, scatter_dimension, axis_index(axis_name), axis_size)
    return own if tiled else raw.squeeze(own, (scatter_dimension,))


def _reduce_scatter_transpose(
    ct: Any,
    x: Any,
    *,
    axis_index_groups: Any,
    axis_name: Any,
    axis_size: int,
    scatter_dimension: int,
    tiled: bool,
) -> Any:
    return all_gather(ct, axis_name, scatter_dimension, tiled, axis_index_groups)


reduce_scatter_p.abstract = _reduce_scatter_abstract
linear(reduce_scatter_p, _reduce_scatter_transpose)
named.collectives[reduce_scatter_p] = named.Collective(
    "axis_name", _reduce_scatter_named, _reduce_scatter_by_gather
)

# -- all_to_all

all_to_all_p = _move("all_to_all", ["split_axis", "concat_axis"])


def _all_to_all_abstract(
    x: Any, *, axis_index_groups: Any, axis_name: Any, concat_axis: int, split_axis: int, tiled: bool
) -> ShapedArray:
    count = axis_size(as_names(axis_name)) if axis_index_groups is None else len(axis_index_groups[0])
    shape = list(x.shape)
    if shape[split_axis] % count:
        raise ValueError(
            f"The size of all_to_all split_axis ({shape[split_axis]}) has to be divisible by the size of the named axis "
            f"{axis_name} ({count})"
        )
    shape[split_axis] //= count
    shape[concat_axis] *= count
    return shaped_array(tuple(shape), x.dtype, x.weak_type)


def _all_to_all_named(
    axis: Any,
    size: int,
    args: Any,
    dims: Any,
    *,
    axis_index_groups: Any,
    axis_name: Any,
    concat_axis: int,
    split_axis: int,
    tiled: bool,
) -> tuple[Any, int]:
    _refuse_groups("all_to_all", axis_index_groups)
    blocks = _cut(
        raw.batch_first(args[0], dims[0], size), split_axis + 1, size
    )  # (from, ..., to, place, ...)
    by_receiver = raw.move_axis(blocks, split_axis + 1, 0)  # (to, from, ..., place, ...)
    return _merged(raw.move_axis(by_receiver, 1, concat_axis + 1), concat_axis + 1), 0


def _all_to_all_by_gather(
    x: Any, *, axis_index_groups: Any, axis_name: Any, concat_axis: int, split_axis: int, tiled: bool
) -> Any:
    _refuse_groups("all_to_all", axis_index_groups)
    names = as_names(axis_name)
    everything = all_gather(x, names)
    own = _block(everything, split_axis + 1, axis_index(names), axis_size(names))
    return _merged(raw.move_axis(own, 0, concat_axis), concat_axis)


def _all_to_all_transpose(ct: Any, x: Any, *, concat_axis: int, split_axis: int, **params: Any) -> Any:
    return all_to_all_p.bind(ct, concat_axis=split_axis, split_axis=concat_axis, **params)


all_to_all_p.abstract = _all_to_all_abstract
linear(all_to_all_p, _all_to_all_transpose)
named.collectives[all_to_all_p] = named.Collective("axis_name", _all_to_all_named, _all_to_all_by_gather)

# -- ppermute, pbroadcast

ppermute_p = _move("ppermute", [])


def _sources(perm: Sequence[tuple[int, int]], count: int) -> list[int]:
    """Where each example's value comes from; -1 for zeros."""
    found = [-1] * count
    for source, target in perm:
        found[target] = source
    return found


def _ppermute_named(
    axis: Any, size: int, args: Any, dims: Any, *, axis_name: Any, perm: tuple
) -> tuple[Any, int]:
    x = raw.batch_first(args[0], dims[0], size)
    return _rows(x, _sources(perm, size)), 0


def _rows(x: Any, sources: Sequence[int]) -> Any:
    """``x[sources]``, with zeros where a source is -1."""
    shape = get_aval(x).shape
    dnums = gather_layouts.GatherDimensionNumbers(tuple(range(1, len(shape))), (0,), (0,))
    places = np.asarray(sources, np.int64).reshape(-1, 1)
    params = (
        {"mode": gather_layouts.FILL_OR_DROP, "fill_value": 0}
        if -1 in sources
        else {"mode": gather_layouts.CLIP}
    )
    # A negative index counts from nowhere: it is outside, and its window is filled.
    return indexing.gather(x, places, dnums, (1, *shape[1:]), **params)


def _ppermute_by_gather(x: Any, *, axis_name: Any, perm: tuple) -> Any:
    names = as_names(axis_name)
    moved = _rows(all_gather(x, names), _sources(perm, axis_size(names)))
    return raw.squeeze(_block(moved, 0, axis_index(names), axis_size(names)), (0,))


ppermute_p.abstract = lambda x, *, axis_name, perm: x
linear(
    ppermute_p,
    lambda ct, x, *, axis_name, perm: ppermute_p.bind(
        ct, axis_name=axis_name, perm=tuple((target, source) for source, target in perm)
    ),
)
named.collectives[ppermute_p] = named.Collective("axis_name", _ppermute_named, _ppermute_by_gather)

pbroadcast_p = _move("pbroadcast", [])


def _pbroadcast_named(
    axis: Any, size: int, args: Any, dims: Any, *, axis_name: Any, source: int
) -> tuple[Any, None]:
    (x,), (d,) = args, dims
    if d is None:
        return x, None
    shape = get_aval(x).shape
    starts = [source if k == d else 0 for k in range(len(shape))]
    row = raw.slice_(x, starts, [source + 1 if k == d else n for k, n in enumerate(shape)])
    return raw.squeeze(row, (d,)), None


def _pbroadcast_transpose(ct: Any, x: Any, *, axis_name: Any, source: int) -> Any:
    """All cotangents go to the source."""
    total = psum_p.bind(ct, axes=(axis_name,), axis_index_groups=None)
    here = ew.eq(axis_index_p.bind(axis_name=axis_name), np.int32(source))
    shape = get_aval(total).shape
    return raw.select(
        raw.broadcast_in_dim(here, shape, ()), total, raw.zeros(get_aval(total).strip_weak_type())
    )


pbroadcast_p.abstract = lambda x, *, axis_name, source: x
linear(pbroadcast_p, _pbroadcast_transpose)
named.collectives[pbroadcast_p] = named.Collective("axis_name", _pbroadcast_named)

__all__ = [
    "all_gather_p",
    "all_to_all_p",
    "axis_index_p",
    "pbroadcast_p",
    "pmax_p",
    "pmin_p",
    "ppermute_p",
    "psum_p",
    "reduce_scatter_p",
]
