"""What the rules of linear algebra are made of: products, triangles and diagonals of the matrices in the last two axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.contraction import dot_general

INT32 = np.dtype(np.int32)
FLOATS = frozenset(map(np.dtype, ("f4", "f8", "c8", "c16")))
UNROLLED = 8  # rows up to which all steps of a factorisation are written out


def matmul(x: Any, y: Any) -> Any:
    """Products of matrices in the last two axes; the leading axes are equal."""
    rank = get_aval(x).ndim
    batch = tuple(range(rank - 2))
    return dot_general(x, y, (((rank - 1,), (rank - 2,)), (batch, batch)))


def transposed(x: Any) -> Any:
    """Each matrix transposed."""
    rank = get_aval(x).ndim
    return raw.transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def adjoint(x: Any) -> Any:
    """Each matrix transposed and conjugated."""
    return ew.conj(transposed(x)) if get_aval(x).dtype.kind == "c" else transposed(x)


def eye(shape: Sequence[int], dtype: np.dtype) -> Any:
    """Unit matrices."""
    return ew.convert(index_mask(shape, ew.eq), dtype)


def index_mask(shape: Sequence[int], compare: Callable[..., Any], offset: int = 0) -> Any:
    """Where ``compare(row + offset, column)`` holds."""
    rank = len(shape)
    rows, columns = (raw.iota(INT32, shape, d) for d in (rank - 2, rank - 1))
    return compare(ew.add(rows, np.int32(offset)) if offset else rows, columns)


def where_else_zero(which: Any, x: Any) -> Any:
    return raw.select(which, x, raw.full(get_aval(x).shape, 0, get_aval(x).dtype))


def tril(x: Any, offset: int = 0) -> Any:
    """The lower triangles; ``offset=-1`` without the diagonal."""
    return where_else_zero(index_mask(get_aval(x).shape, ew.ge, offset), x)


def triu(x: Any, offset: int = 0) -> Any:
    """The upper triangles; ``offset=1`` without the diagonal."""
    return where_else_zero(index_mask(get_aval(x).shape, ew.le, offset), x)


def diagonal(x: Any) -> Any:
    """The diagonals of square matrices."""
    rank = get_aval(x).ndim
    return raw.reduce_sum(where_else_zero(index_mask(get_aval(x).shape, ew.eq), x), (rank - 2,))


def scaled(x: Any, factors: Any, axis: int) -> Any:
    """``x`` with its rows (``axis=-2``) or columns (``axis=-1``) multiplied by vectors."""
    rank = get_aval(x).ndim
    return ew.mul(x, raw.expand_dims(factors, (rank - 1 if axis == -2 else rank - 2,)))


def check_matrices(name: str, x: ShapedArray, square: bool = True) -> None:
    if x.dtype not in FLOATS:
        raise TypeError(
            f"{name} does not accept dtype {x.dtype.name}. Accepted are float32, float64, complex64 and complex128."
        )
    if x.ndim < 2:
        raise ValueError(f"{name} requires arrays of at least two axes, got shape {x.shape}.")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: the last two axes must be square matrices, got shape {x.shape}.")


def batch_leading(prim: Primitive) -> Callable[..., Any]:
    """The batch axis is one more leading axis."""

    def batch(size: int, args: Any, dims: Any, **params: Any) -> Any:
        xs = raw.batches_first(args, dims, size)
        out = prim.bind(*xs, **params)
        return (out, [0] * len(out)) if prim.multiple_results else (out, 0)

    return batch


def matrices_of(x: Any) -> Any:
    """The matrices of an array, one after the other."""
    return x.reshape((-1, *x.shape[-2:])) if x.size else np.zeros((0, *x.shape[-2:]), x.dtype)


class lanes:  # noqa: N801  (reads as a statement)
    """The loop over ``count`` matrices, vectorised; index 0 for a single one."""

    def __init__(self, b: Any, count: int) -> None:
        self.loop = b.loop(count, "vector") if count > 1 else None

    def __enter__(self) -> Any:
        return 0 if self.loop is None else self.loop.__enter__()

    def __exit__(self, *details: Any) -> Any:
        return None if self.loop is None else self.loop.__exit__(*details)


def count_matrices(x: Any) -> int:
    return math.prod(x.shape[:-2])


def read_matrix(b: Any, x: Any, lane: Any) -> list[list[Any]]:
    """The elements of one matrix."""
    m, n = x.shape[-2:]
    return [[b.load(x, lane * (m * n) + (i * n + j)) for j in range(n)] for i in range(m)]


def are_small(in_avals: Any, **params: Any) -> bool:
    return max(in_avals[0].shape[-2:]) <= UNROLLED
