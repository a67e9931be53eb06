"""Array functions of ``jitney.lax``: shapes, reductions, contractions."""

from __future__ import annotations

import enum
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import contraction, elementwise, reductions, shapes, splitting
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands as as_operands
from jitney.lax.operands import to_axis, to_shape


class Precision(enum.Enum):
    """Precision of matrix products; on CPUs every product has full precision."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2

    def __repr__(self) -> str:
        return f"Precision.{self.name}"


def broadcast(operand: Any, sizes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """Add leading axes of ``sizes`` by repetition."""
    x = as_operand("broadcast", operand)
    shape, new = get_aval(x).shape, to_shape("broadcast", sizes)
    return shapes.broadcast_in_dim(x, (*new, *shape), range(len(new), len(new) + len(shape)))


def broadcast_in_dim(
    operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], *, out_sharding: Any = None
) -> Any:
    """Expand to ``shape``: axis ``i`` of the operand becomes axis ``broadcast_dimensions[i]``."""
    return shapes.broadcast_in_dim(
        as_operand("broadcast_in_dim", operand),
        to_shape("broadcast_in_dim", shape),
        tuple(map(int, broadcast_dimensions)),
    )


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The NumPy broadcast of several shapes."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"Incompatible shapes for broadcasting: shapes={[tuple(s) for s in shapes]}"
        ) from None


def broadcast_to_rank(x: Any, rank: int) -> Any:
    """Add leading axes of size 1 up to ``rank``."""
    x = as_operand("broadcast_to_rank", x)
    ndim = get_aval(x).ndim
    if ndim > rank:
        raise ValueError(f"broadcast_to_rank: array of rank {ndim} cannot become rank {rank}.")
    return x if ndim == rank else shapes.reshape(x, (1,) * (rank - ndim) + get_aval(x).shape)


def reshape(
    operand: Any,
    new_sizes: Sequence[int],
    dimensions: Sequence[int] | None = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """The elements in row-major order (of axes ``dimensions``) in a new shape."""
    x = as_operand("reshape", operand)
    if dimensions is not None:
        x = shapes.transpose(x, tuple(map(int, dimensions)))
    sizes = to_shape("reshape", [n for n in new_sizes])
    return shapes.reshape(x, sizes)


def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """Remove axes of size 1."""
    x = as_operand("squeeze", array)
    return shapes.squeeze(x, tuple(to_axis("squeeze", d, get_aval(x).ndim) for d in dimensions))


def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """Insert axes of size 1 at positions ``dimensions`` of the result."""
    x = as_operand("expand_dims", array)
    rank = get_aval(x).ndim + len(tuple(dimensions))
    new = tuple(to_axis("expand_dims", d, rank) for d in dimensions)
    if len(set(new)) != len(new):
        raise ValueError(f"repeated axis in lax.expand_dims: {tuple(dimensions)}")
    return shapes.expand_dims(x, new)


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """Permute the axes."""
    return shapes.transpose(as_operand("transpose", operand), permutation)


def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """Reverse the order of elements along ``dimensions``."""
    return shapes.rev_p.bind(as_operand("rev", operand), dimensions=tuple(map(int, dimensions)))


def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """Pad each axis by ``(low, high, interior)`` elements; negative low and high cut."""
    x, value = as_operands("pad", operand, padding_value)
    config = tuple((int(lo), int(hi), int(inner)) for lo, hi, inner in padding_config)
    return shapes.pad_p.bind(x, value, padding_config=config)


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Join arrays along an existing axis."""
    xs = [as_operand("concatenate", x) for x in operands]
    if not xs:
        raise ValueError("concatenate requires a non-empty sequence of arrays")
    return (
        shapes.concatenate_p.bind(*xs, dimension=int(dimension))
        if len(xs) > 1
        else _checked_single(xs[0], int(dimension))
    )


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Cut an array along ``axis`` into consecutive pieces of ``sizes``, which must add up to the axis.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.split(jnp.arange(5), (2, 3))
        [Array([0, 1], dtype=int64), Array([2, 3, 4], dtype=int64)]
    """
    x = as_operand("split", operand)
    return splitting.split_p.bind(
        x, sizes=tuple(map(operator.index, sizes)), axis=to_axis("split", axis, get_aval(x).ndim)
    )


def _checked_single(x: Any, dimension: int) -> Any:
    shapes.concatenate_p.abstract(get_aval(x), dimension=dimension)
    return x


def iota(dtype: Any, size: int) -> Any:
    """``0, 1, ..., size - 1`` as ``dtype``."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int, *, out_sharding: Any = None) -> Any:
    """An array whose elements are their index along ``dimension``."""
    return shapes.iota(dtypes.requested(dtype), to_shape("iota", shape), dimension)


def full(shape: Sequence[int], fill_value: Any, dtype: Any = None, *, sharding: Any = None) -> Any:
    """An array of ``shape`` with every element ``fill_value``."""
    from jitney.lax.arithmetic import convert_element_type

    if np.ndim(fill_value):
        raise TypeError(
            f"full must be called with scalar fill_value, got fill_value.shape {np.shape(fill_value)}."
        )
    value = as_operand("full", fill_value)
    if dtype is not None:
        value = convert_element_type(value, dtype)
    return shapes.broadcast_in_dim(value, to_shape("full", shape), ())


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None, sharding: Any = None
) -> Any:
    """An array like ``x`` with every element ``fill_value``."""
    aval = get_aval(x)
    sizes = aval.shape if shape is None else shape
    if dtype is not None or not aval.weak_type:
        return full(sizes, fill_value, aval.dtype if dtype is None else dtype)
    return full(sizes, elementwise.convert(as_operand("full_like", fill_value), aval.dtype, weak_type=True))


def zeros_like_array(x: Any) -> Any:
    return full_like(x, 0)


def _fold(name: str, raw: Any, operand: Any, axes: Sequence[int]) -> Any:
    x = as_operand(name, operand)
    return raw(x, tuple(to_axis(name, a, get_aval(x).ndim) for a in axes))


def reduce_sum(operand: Any, axes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """Sum over ``axes``."""
    return _fold("reduce_sum", reductions.reduce_sum, operand, axes)


def reduce_prod(operand: Any, axes: Sequence[int]) -> Any:
    """Product over ``axes``."""
    return _fold("reduce_prod", reductions.reduce_prod, operand, axes)


def reduce_max(operand: Any, axes: Sequence[int]) -> Any:
    """Maximum over ``axes``."""
    return _fold("reduce_max", reductions.reduce_max, operand, axes)


def reduce_min(operand: Any, axes: Sequence[int]) -> Any:
    """Minimum over ``axes``."""
    return _fold("reduce_min", reductions.reduce_min, operand, axes)


def reduce_and(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise and over ``axes``."""
    return _fold("reduce_and", reductions.reduce_and, operand, axes)


def reduce_or(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise or over ``axes``."""
    return _fold("reduce_or", reductions.reduce_or, operand, axes)


def reduce_xor(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise exclusive or over ``axes``."""
    return _fold("reduce_xor", reductions.reduce_xor, operand, axes)


def argmax(operand: Any, axis: int, index_dtype: Any) -> Any:
    """Index of the first maximum along ``axis``."""
    return _arg(reductions.argmax_p, operand, axis, index_dtype)


def argmin(operand: Any, axis: int, index_dtype: Any) -> Any:
    """Index of the first minimum along ``axis``."""
    return _arg(reductions.argmin_p, operand, axis, index_dtype)


def _arg(prim: Any, operand: Any, axis: int, index_dtype: Any) -> Any:
    x = as_operand(prim.name, operand)
    axis = to_axis(prim.name, axis, get_aval(x).ndim)
    return prim.bind(x, axes=(axis,), index_dtype=dtypes.requested(index_dtype))


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """General contraction; ``dimension_numbers = ((lhs_contract, rhs_contract), (lhs_batch, rhs_batch))``.

    The result's axes are the batch axes, then the free axes of ``lhs``, then those of ``rhs``.
    """
    x, y = as_operands("dot_general", lhs, rhs)
    return contraction.dot_general(x, y, dimension_numbers, precision, preferred_element_type)


def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Product of vectors and matrices (rank 1 or 2), or with ``dimension_numbers`` the same as ``dot_general``.

    Raises ``ValueError`` for sizes that differ along the contracted axis, and for other ranks.
    """
    x, y = as_operands("dot", lhs, rhs)
    shape_x, shape_y = get_aval(x).shape, get_aval(y).shape
    if dimension_numbers is None:
        if not (1 <= len(shape_x) <= 2 and 1 <= len(shape_y) <= 2):
            raise ValueError(
                "lax.dot: dimension_numbers must be specified when not performing simple un-batched matrix-matrix, "
                f"matrix-vector, or vector-vector products; got lhs_shape={shape_x} rhs_shape={shape_y}"
            )
        if shape_x[-1] != shape_y[0]:
            raise ValueError(f"Incompatible shapes for dot: got {shape_x} and {shape_y}.")
        dimension_numbers = (((len(shape_x) - 1,), (0,)), ((), ()))
    return contraction.dot_general(x, y, dimension_numbers, precision, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Matrix products over all leading axes."""
    x, y = as_operands("batch_matmul", lhs, rhs)
    n = get_aval(x).ndim
    if n < 2 or get_aval(y).ndim != n:
        raise ValueError(
            f"Arguments to batch_matmul must be at least 2D and of equal rank, got {n} and {get_aval(y).ndim}."
        )
    batch = tuple(range(n - 2))
    return contraction.dot_general(x, y, (((n - 1,), (n - 2,)), (batch, batch)), precision)


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """Merge the axes ``start_dimension`` to ``stop_dimension`` (exclusive) into one."""
    x = as_operand("collapse", operand)
    shape = get_aval(x).shape
    lo, hi, _ = slice(start_dimension, stop_dimension).indices(len(shape))
    if hi < lo:
        raise ValueError(
            f"Invalid dimension range passed to collapse: {shape}[{start_dimension}:{stop_dimension}]"
        )
    return shapes.reshape(x, (*shape[:lo], int(np.prod(shape[lo:hi], dtype=int)), *shape[hi:]))


__all__ = [
    "Precision",
    "argmax",
    "argmin",
    "batch_matmul",
    "broadcast",
    "broadcast_in_dim",
    "broadcast_shapes",
    "broadcast_to_rank",
    "broadcasted_iota",
    "collapse",
    "concatenate",
    "dot",
    "dot_general",
    "expand_dims",
    "full",
    "full_like",
    "iota",
    "pad",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
    "reduce_xor",
    "reshape",
    "rev",
    "split",
    "squeeze",
    "transpose",
    "zeros_like_array",
]
