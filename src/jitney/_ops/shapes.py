"""Primitives that move elements without computing: broadcast, reshape, transpose, slice, pad, concatenate ...

Their native lowering is an index rule: which operand element an output element is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._kernel.rules import Pull
from jitney._ops.families import linear
from jitney._ops.raw import (
    batch_first,
    batches_first,
    broadcast_in_dim,
    concatenate,
    full,
    instantiate,
    move_axis,
    pad,
    reduce_sum,
    reshape,
    select,
    split,
    subtract,
    transpose,
)
from jitney._ops.raw import broadcast_to_same_rank as broadcast_to_same_rank
from jitney._ops.raw import expand_dims as expand_dims
from jitney._ops.raw import iota as iota
from jitney._ops.raw import squeeze as squeeze
from jitney._ops.raw import zeros as zeros


def _front(x: Any, dim: int) -> Any:
    return move_axis(x, dim, 0)


def _from(*avals: ShapedArray, shape: Sequence[int]) -> ShapedArray:
    return shaped_array(tuple(shape), avals[0].dtype, all(a.weak_type for a in avals))


# -- broadcast_in_dim -------------------------------------------------------------------------------

broadcast_in_dim_p = Primitive("broadcast_in_dim")


def _broadcast_abstract(
    x: Any, *, shape: tuple, broadcast_dimensions: tuple, sharding: Any = None
) -> ShapedArray:
    if len(broadcast_dimensions) != x.ndim:
        raise TypeError(
            f"broadcast_in_dim broadcast_dimensions must have length equal to operand ndim; got "
            f"broadcast_dimensions={broadcast_dimensions} for operand shape {x.shape}."
        )
    for size, dim in zip(x.shape, broadcast_dimensions, strict=True):
        if not 0 <= dim < len(shape):
            raise TypeError(
                f"broadcast_in_dim broadcast_dimensions {broadcast_dimensions} do not fit shape {shape}."
            )
        if size not in (1, shape[dim]):
            raise TypeError(
                f"broadcast_in_dim operand dimension sizes must either be 1, or be equal to their corresponding "
                f"dimensions in the target broadcast shape; got operand of shape {x.shape}, target broadcast shape "
                f"{tuple(shape)}, broadcast_dimensions {broadcast_dimensions}."
            )
    if any(a >= b for a, b in zip(broadcast_dimensions, broadcast_dimensions[1:], strict=False)):
        raise TypeError(
            f"broadcast_in_dim broadcast_dimensions must be strictly increasing; got {broadcast_dimensions}."
        )
    return _from(x, shape=shape)


def _np_broadcast(x: Any, *, shape: tuple, broadcast_dimensions: tuple, sharding: Any = None) -> Any:
    expanded = [1] * len(shape)
    for size, dim in zip(x.shape, broadcast_dimensions, strict=True):
        expanded[dim] = size
    return np.broadcast_to(x.reshape(expanded), shape)


def _broadcast_transpose(
    ct: Any, x: Any, *, shape: tuple, broadcast_dimensions: tuple, sharding: Any = None
) -> Any:
    kept = {d for d, n in zip(broadcast_dimensions, x.aval.shape, strict=True) if n == shape[d]}
    summed = reduce_sum(ct, tuple(d for d in range(len(shape)) if d not in kept))
    return reshape(summed, x.aval.shape)


def _broadcast_batch(
    size: int, args: Any, dims: Any, *, shape: tuple, broadcast_dimensions: tuple, sharding: Any = None
) -> Any:
    x = _front(args[0], dims[0])
    out = broadcast_in_dim_p.bind(
        x,
        shape=(size, *shape),
        broadcast_dimensions=(0, *(d + 1 for d in broadcast_dimensions)),
        sharding=None,
    )
    return out, 0


def _broadcast_element(
    b: Any, idx: Any, x: Any, *, shape: tuple, broadcast_dimensions: tuple, sharding: Any = None
) -> Any:
    return x.read(
        tuple(idx[d] if n != 1 else 0 for n, d in zip(x.aval.shape, broadcast_dimensions, strict=True))
    )


broadcast_in_dim_p.abstract = _broadcast_abstract
broadcast_in_dim_p.numpy = _np_broadcast
linear(broadcast_in_dim_p, _broadcast_transpose)
broadcast_in_dim_p.batch = _broadcast_batch
broadcast_in_dim_p.lower = Pull(_broadcast_element)
broadcast_in_dim_p.print_params = lambda eqn: (
    {"broadcast_dimensions": eqn.params["broadcast_dimensions"]} if eqn.params["broadcast_dimensions"] else {}
)

# -- reshape, squeeze -------------------------------------------------------------------------------

reshape_p = Primitive("reshape")


def _reshape_abstract(
    x: Any, *, new_sizes: tuple, dimensions: Any = None, sharding: Any = None
) -> ShapedArray:
    if math.prod(new_sizes) != x.size:
        raise TypeError(
            f"reshape total size must be unchanged, got new_sizes {tuple(new_sizes)} for shape {x.shape}."
        )
    return _from(x, shape=new_sizes)


def reshape_groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[range, range]]:
    """Split a reshape in minimal groups of axes with equal sizes: ``(2,3,4)->(6,4)`` is ``[01->0, 2->1]``."""
    groups = []
    i = j = 0
    while i < len(old) or j < len(new):
        i0, j0 = i, j
        left = right = 1
        if i < len(old):
            left, i = old[i], i + 1
        if j < len(new):
            right, j = new[j], j + 1
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        while i < len(old) and old[i] == 1 and j >= len(new):
            i += 1
        while j < len(new) and new[j] == 1 and i >= len(old):
            j += 1
        groups.append((range(i0, i), range(j0, j)))
    return groups


def _reshape_element(
    b: Any, idx: Any, x: Any, *, new_sizes: tuple, dimensions: Any = None, sharding: Any = None
) -> Any:
    if x.aval.size == 0:
        return b.const(0, x.aval.dtype)
    old = x.aval.shape
    source: list[Any] = [0] * len(old)
    for old_axes, new_axes in reshape_groups(old, new_sizes):
        flat: Any = 0
        for axis in new_axes:
            flat = flat * new_sizes[axis] + idx[axis]
        rest = math.prod(old[a] for a in old_axes)
        for axis in old_axes:
            rest //= old[axis]
            if old[axis] == 1:
                continue
            part = flat // rest if rest != 1 else flat
            source[axis] = (
                part if rest * old[axis] == math.prod(old[a] for a in old_axes) else part % old[axis]
            )
    return x.read(tuple(source))


reshape_p.abstract = _reshape_abstract
reshape_p.numpy = lambda x, *, new_sizes, dimensions=None, sharding=None: np.reshape(x, new_sizes)
linear(reshape_p, lambda ct, x, **_: reshape(ct, x.aval.shape))
reshape_p.batch = lambda size, args, dims, *, new_sizes, dimensions=None, sharding=None: (
    reshape(_front(args[0], dims[0]), (size, *new_sizes)),
    0,
)
reshape_p.lower = Pull(_reshape_element)

squeeze_p = Primitive("squeeze")


def _squeeze_abstract(x: Any, *, dimensions: tuple) -> ShapedArray:
    for d in dimensions:
        if not 0 <= d < x.ndim or x.shape[d] != 1:
            raise ValueError(
                f"cannot select an axis to squeeze out which has size not equal to one, got shape={x.shape} and dimensions={dimensions}"
            )
    return _from(x, shape=[n for i, n in enumerate(x.shape) if i not in dimensions])


def _squeeze_element(b: Any, idx: Any, x: Any, *, dimensions: tuple) -> Any:
    rest = iter(idx)
    return x.read(tuple(0 if d in dimensions else next(rest) for d in range(x.aval.ndim)))


def _squeeze_batch(size: int, args: Any, dims: Any, *, dimensions: tuple) -> Any:
    return squeeze_p.bind(_front(args[0], dims[0]), dimensions=tuple(d + 1 for d in dimensions)), 0


squeeze_p.abstract = _squeeze_abstract
squeeze_p.numpy = lambda x, *, dimensions: np.squeeze(x, dimensions)
linear(squeeze_p, lambda ct, x, *, dimensions: reshape(ct, x.aval.shape))
squeeze_p.batch = _squeeze_batch
squeeze_p.lower = Pull(_squeeze_element)

# -- transpose, rev ---------------------------------------------------------------------------------

transpose_p = Primitive("transpose")


def _transpose_abstract(x: Any, *, permutation: tuple) -> ShapedArray:
    if sorted(permutation) != list(range(x.ndim)):
        raise TypeError(
            f"transpose permutation {permutation} is not a permutation of the axes of shape {x.shape}."
        )
    return _from(x, shape=[x.shape[p] for p in permutation])


def _transpose_element(b: Any, idx: Any, x: Any, *, permutation: tuple) -> Any:
    source = [None] * len(permutation)
    for out_axis, in_axis in enumerate(permutation):
        source[in_axis] = idx[out_axis]
    return x.read(tuple(source))


def _transpose_batch(size: int, args: Any, dims: Any, *, permutation: tuple) -> Any:
    (x,), (d,) = args, dims
    others = [i for i in range(get_aval(x).ndim) if i != d]
    return transpose(x, (d, *(others[p] for p in permutation))), 0


transpose_p.abstract = _transpose_abstract
transpose_p.numpy = lambda x, *, permutation: np.transpose(x, permutation)
linear(
    transpose_p, lambda ct, x, *, permutation: transpose(ct, tuple(int(i) for i in np.argsort(permutation)))
)
transpose_p.batch = _transpose_batch
transpose_p.lower = Pull(_transpose_element)

rev_p = Primitive("rev")


def _rev_abstract(x: Any, *, dimensions: tuple) -> ShapedArray:
    if len(set(dimensions)) != len(dimensions) or not all(0 <= d < x.ndim for d in dimensions):
        raise TypeError(
            f"rev dimensions must be unique axes of the operand, got {dimensions} for shape {x.shape}."
        )
    return x


def _rev_element(b: Any, idx: Any, x: Any, *, dimensions: tuple) -> Any:
    return x.read(
        tuple(
            (i * -1 + (n - 1)) if d in dimensions else i
            for d, (i, n) in enumerate(zip(idx, x.aval.shape, strict=True))
        )
    )


rev_p.abstract = _rev_abstract
rev_p.numpy = lambda x, *, dimensions: np.flip(x, dimensions)
linear(rev_p, lambda ct, x, *, dimensions: rev_p.bind(ct, dimensions=dimensions))
rev_p.batch = lambda size, args, dims, *, dimensions: (
    rev_p.bind(_front(args[0], dims[0]), dimensions=tuple(d + 1 for d in dimensions)),
    0,
)
rev_p.lower = Pull(_rev_element)

# -- slice, pad -------------------------------------------------------------------------------------

slice_p = Primitive("slice")


def _slice_abstract(x: Any, *, start_indices: tuple, limit_indices: tuple, strides: Any) -> ShapedArray:
    steps = strides or (1,) * x.ndim
    if not len(start_indices) == len(limit_indices) == len(steps) == x.ndim:
        raise TypeError(
            f"slice indices must have the same length as the operand's rank {x.ndim}, got start_indices {start_indices}, "
            f"limit_indices {limit_indices} and strides {strides}."
        )
    for lo, hi, step, n in zip(start_indices, limit_indices, steps, x.shape, strict=True):
        if not (0 <= lo <= hi <= n and step > 0):
            raise TypeError(
                f"slice bounds must satisfy 0 <= start <= limit <= size and stride > 0, got start_indices {start_indices}, "
                f"limit_indices {limit_indices}, strides {strides} for operand shape {x.shape}."
            )
    return _from(
        x, shape=[-(-(hi - lo) // s) for lo, hi, s in zip(start_indices, limit_indices, steps, strict=True)]
    )


def _np_slice(x: Any, *, start_indices: tuple, limit_indices: tuple, strides: Any) -> Any:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice_object, start_indices, limit_indices, steps))]


def slice_object(start: int, stop: int, step: int) -> slice:
    return slice(start, stop, step)


def _slice_transpose(ct: Any, x: Any, *, start_indices: tuple, limit_indices: tuple, strides: Any) -> Any:
    config = []
    for lo, n, out, step in zip(
        start_indices, x.aval.shape, get_aval(ct).shape, strides or (1,) * x.aval.ndim, strict=True
    ):
        covered = out + (out - 1) * (step - 1) if out else 0
        config.append((lo, n - lo - covered, step - 1))
    return pad(ct, get_aval(ct).dtype.type(0), config)


def _slice_batch(
    size: int, args: Any, dims: Any, *, start_indices: tuple, limit_indices: tuple, strides: Any
) -> Any:
    (x,), (d,) = args, dims
    insert = lambda seq, v: (*seq[:d], v, *seq[d:])  # noqa: E731
    out = slice_p.bind(
        x,
        start_indices=insert(start_indices, 0),
        limit_indices=insert(limit_indices, size),
        strides=None if strides is None else insert(strides, 1),
    )
    return out, d


def _slice_element(
    b: Any, idx: Any, x: Any, *, start_indices: tuple, limit_indices: tuple, strides: Any
) -> Any:
    steps = strides or (1,) * len(idx)
    return x.read(tuple(i * s + lo for i, s, lo in zip(idx, steps, start_indices, strict=True)))


slice_p.abstract = _slice_abstract
slice_p.numpy = _np_slice
linear(slice_p, _slice_transpose)
slice_p.batch = _slice_batch
slice_p.lower = Pull(_slice_element)

pad_p = Primitive("pad")


def _pad_abstract(x: Any, value: Any, *, padding_config: tuple) -> ShapedArray:
    if x.dtype != value.dtype:
        raise TypeError(
            f"pad operand and padding_value must have the same dtype, got {x.dtype.name} and {value.dtype.name}."
        )
    if value.shape:
        raise ValueError(f"pad padding_value must be a scalar, got shape {value.shape}.")
    if len(padding_config) != x.ndim:
        raise ValueError(
            f"pad padding_config must have one entry per axis, got {len(padding_config)} for shape {x.shape}."
        )
    shape = []
    for (lo, hi, inner), n in zip(padding_config, x.shape, strict=True):
        if inner < 0:
            raise ValueError(f"pad interior padding must be non-negative, got {padding_config}.")
        size = lo + hi + n + max(n - 1, 0) * inner
        if size < 0:
            raise ValueError(
                f"pad gives a negative size: padding_config {padding_config} for operand shape {x.shape}."
            )
        shape.append(size)
    return _from(x, value, shape=shape)


def _np_pad(x: Any, value: Any, *, padding_config: tuple) -> Any:
    # Spread by the interior padding, then add or cut at the ends.
    spread = np.full(
        [n + max(n - 1, 0) * c[2] for n, c in zip(x.shape, padding_config, strict=True)], value, x.dtype
    )
    spread[
        tuple(slice_object(0, max(n, 0), c[2] + 1) for n, c in zip(spread.shape, padding_config, strict=True))
    ] = x
    cut = spread[
        tuple(
            slice_object(max(-lo, 0), n - max(-hi, 0), 1)
            for n, (lo, hi, _) in zip(spread.shape, padding_config, strict=True)
        )
    ]
    ends = [(max(lo, 0), max(hi, 0)) for lo, hi, _ in padding_config]
    return np.pad(cut, ends, constant_values=value) if ends else cut


def _pad_jvp(primals: Any, tangents: Any, *, padding_config: tuple) -> tuple[Any, Any]:
    ans = pad_p.bind(*primals, padding_config=padding_config)
    if all(type(g) is Zero for g in tangents):
        return ans, Zero.of(ans)
    return ans, pad_p.bind(*map(instantiate, tangents), padding_config=padding_config)


def _pad_transpose(ct: Any, x: Any, value: Any, *, padding_config: tuple) -> list[Any]:
    def to_operand(y: Any) -> Any:
        unpadded = pad(y, get_aval(y).dtype.type(0), [(-lo, -hi, 0) for lo, hi, _ in padding_config])
        shape = get_aval(unpadded).shape
        return slice_p.bind(
            unpadded,
            start_indices=(0,) * len(shape),
            limit_indices=shape,
            strides=tuple(c[2] + 1 for c in padding_config),
        )

    operand_ct = to_operand(ct)
    if not is_undefined(value):
        return [operand_ct, None]
    axes = tuple(range(get_aval(ct).ndim))
    value_ct = subtract(reduce_sum(ct, axes), reduce_sum(operand_ct, axes))
    return [operand_ct if is_undefined(x) else None, value_ct]


def _pad_batch(size: int, args: Any, dims: Any, *, padding_config: tuple) -> Any:
    (x, value), (dx, dv) = args, dims
    config = ((0, 0, 0), *padding_config)
    if dv is None:
        return pad(_front(x, dx), value, config), 0
    # A padding value of its own for each example: pad with zeros, then choose by a padded mask.
    x = batch_first(x, dx, size)
    padded = pad(x, get_aval(x).dtype.type(0), config)
    shape = get_aval(padded).shape
    inside = pad(full(get_aval(x).shape, True, np.dtype(bool)), np.False_, config)
    return select(inside, padded, broadcast_in_dim(value, shape, (0,))), 0


def _pad_element(b: Any, idx: Any, x: Any, value: Any, *, padding_config: tuple) -> Any:
    """Read the operand where the output index falls on one of its elements, else the padding value."""
    inside, source = [], []
    for i, n, (lo, hi, inner) in zip(idx, x.aval.shape, padding_config, strict=True):
        place = i - lo
        step = inner + 1
        if inner:
            inside.append((place % step).eq(0))
        if lo > 0:
            inside.append(place.ge(0))
        if hi > 0:
            inside.append(place.lt((n - 1) * step + 1 if n else 0))
        source.append(place // step if inner else place)
    if not inside:
        return x.read(tuple(source))
    return b.guard(inside, lambda: x.read(tuple(source)), lambda: value.read(()))


pad_p.abstract = _pad_abstract
pad_p.numpy = _np_pad
pad_p.jvp = _pad_jvp
pad_p.transpose = _pad_transpose
pad_p.batch = _pad_batch
pad_p.lower = Pull(_pad_element)

# -- concatenate, iota ------------------------------------------------------------------------------

concatenate_p = Primitive("concatenate")


def _concatenate_abstract(*xs: Any, dimension: int) -> ShapedArray:
    if not xs:
        raise TypeError("concatenate expects at least one operand, got none.")
    first = xs[0]
    if not 0 <= dimension < first.ndim:
        raise TypeError(
            f"concatenate dimension {dimension} is out of bounds for operands of shapes {[x.shape for x in xs]}."
        )
    for x in xs:
        if x.ndim != first.ndim or any(
            i != dimension and m != n for i, (m, n) in enumerate(zip(x.shape, first.shape, strict=False))
        ):
            shapes = ", ".join(str(v.shape) for v in xs)
            raise TypeError(
                f"Cannot concatenate arrays along dimension {dimension} with shapes {shapes}: other axes must agree."
            )
        if x.dtype != first.dtype:
            raise TypeError(
                f"concatenate requires operands of one dtype, got {', '.join(v.dtype.name for v in xs)}."
            )
    shape = list(first.shape)
    shape[dimension] = sum(x.shape[dimension] for x in xs)
    return _from(*xs, shape=shape)


def _concatenate_jvp(primals: Any, tangents: Any, *, dimension: int) -> tuple[Any, Any]:
    ans = concatenate(primals, dimension)
    if all(type(g) is Zero for g in tangents):
        return ans, Zero.of(ans)
    return ans, concatenate([instantiate(g) for g in tangents], dimension)


def _concatenate_transpose(ct: Any, *xs: Any, dimension: int) -> list[Any]:
    sizes = [get_aval(x.aval if is_undefined(x) else x).shape[dimension] for x in xs]
    pieces = split(ct, sizes, dimension)
    return [piece if is_undefined(x) else None for piece, x in zip(pieces, xs, strict=True)]


def _concatenate_batch(size: int, args: Any, dims: Any, *, dimension: int) -> Any:
    return concatenate(batches_first(args, dims, size), dimension + 1), 0


def _concatenate_element(b: Any, idx: Any, *xs: Any, dimension: int) -> Any:
    """Read the operand whose range along ``dimension`` holds the index."""

    def piece(number: int, start: int) -> Any:
        x = xs[number]
        size = x.aval.shape[dimension]
        read = lambda: x.read(tuple(i - start if d == dimension else i for d, i in enumerate(idx)))  # noqa: E731
        if number == len(xs) - 1:
            return read()
        return b.guard([idx[dimension].lt(start + size)], read, lambda: piece(number + 1, start + size))

    return piece(0, 0)


concatenate_p.abstract = _concatenate_abstract
concatenate_p.numpy = lambda *xs, dimension: np.concatenate(xs, axis=dimension)
concatenate_p.jvp = _concatenate_jvp
concatenate_p.transpose = _concatenate_transpose
concatenate_p.batch = _concatenate_batch
concatenate_p.lower = Pull(_concatenate_element)

iota_p = Primitive("iota")


def _np_iota(*, dtype: Any, shape: tuple, dimension: int, sharding: Any = None) -> Any:
    steps = np.arange(shape[dimension]).astype(dtype)
    return np.broadcast_to(steps.reshape([-1 if d == dimension else 1 for d in range(len(shape))]), shape)


iota_p.abstract = lambda *, dtype, shape, dimension, sharding=None: shaped_array(
    tuple(shape), np.dtype(dtype)
)
iota_p.numpy = _np_iota
iota_p.jvp = lambda primals, tangents, **params: ((ans := iota_p.bind(**params)), Zero.of(ans))
iota_p.batch = lambda size, args, dims, **params: (iota_p.bind(**params), None)
iota_p.lower = Pull(
    lambda b, idx, *, dtype, shape, dimension, sharding=None: b.index_value(idx[dimension], np.dtype(dtype))
)

__all__ = sorted(name for name in globals() if name.endswith("_p"))
