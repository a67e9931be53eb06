"""Diagonals and triangles of matrices."""

from __future__ import annotations

import builtins
import operator
from typing import Any

import numpy as np

from jitney._core.trace import ArrayImpl, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import literal
from jitney.numpy import arithmetic, creation, manipulation, reductions
from jitney.numpy import elementwise as el
from jitney.numpy.at import IndexUpdater
from jitney.numpy.gathering import refuse_inplace
from jitney.numpy.indexing import take as take_at
from jitney.numpy.operands import array_operand, refuse_out, wrap

__all__ = [
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "fill_diagonal",
    "mask_indices",
    "trace",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "vander",
]


def _shape(x: Any) -> tuple[int, ...]:
    return get_aval(x).shape


def diag(v: Any, k: int = 0) -> Any:
    """Diagonal ``k`` of a matrix, or a matrix with the vector ``v`` on diagonal ``k``."""
    x = creation.array(v) if isinstance(v, (list, tuple)) else array_operand("diag", v)
    rank, k = len(_shape(x)), operator.index(k)
    if rank == 2:
        return diagonal(x, k)
    if rank != 1:
        raise ValueError(f"diag input must be 1d or 2d, got {rank}d.")
    n = _shape(x)[0] + builtins.abs(k)
    column = raw.pad(x, literal(x, 0), [(builtins.max(0, -k), builtins.max(0, k), 0)])
    mask = creation._diagonal_mask(n, n, k)
    return el.choose(mask, raw.broadcast_in_dim(column, (n, n), (0,)), literal(x, 0))


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements of ``v`` on diagonal ``k``."""
    return diag(manipulation.ravel(v), k)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements ``a[..., i, i + offset, ...]`` of two axes, along a new last axis."""
    x = array_operand("diagonal", a)
    rank = len(_shape(x))
    if rank < 2:
        raise ValueError(f"diagonal requires an array of at least two dimensions, got {rank}.")
    x = manipulation.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, cols = _shape(x)[-2:]
    start_row, start_col = builtins.max(-offset, 0), builtins.max(offset, 0)
    n = builtins.max(0, builtins.min(rows - start_row, cols - start_col))
    if current_trace() is None and type(x) is ArrayImpl:
        return wrap(np.ascontiguousarray(np.diagonal(x._np, offset, -2, -1)), x.weak_type)
    steps = np.arange(n)
    return take_at(x, (Ellipsis, wrap(steps + start_row), wrap(steps + start_col)))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """The sum along diagonal ``offset`` of two axes."""
    refuse_out("trace", out)
    x = array_operand("trace", a)
    x = manipulation.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, cols = _shape(x)[-2:]
    mask = creation._diagonal_mask(rows, cols, offset)
    return reductions.sum(el.choose(mask, x, literal(x, 0)), (-2, -1), dtype)


def tril(m: Any, k: int = 0) -> Any:
    """``m`` with zeros above diagonal ``k`` (of the last two axes)."""
    x = array_operand("tril", m)
    if len(_shape(x)) < 2:
        raise ValueError("Argument to jax.numpy.tril must be at least 2D")
    rows, cols = _shape(x)[-2:]
    return el.choose(creation.lower_mask(rows, cols, k), x, literal(x, 0))


def triu(m: Any, k: int = 0) -> Any:
    """``m`` with zeros below diagonal ``k`` (of the last two axes)."""
    x = array_operand("triu", m)
    if len(_shape(x)) < 2:
        raise ValueError("Argument to jax.numpy.triu must be at least 2D")
    rows, cols = _shape(x)[-2:]
    return el.choose(creation.lower_mask(rows, cols, k - 1), literal(x, 0), x)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices of the elements on and below diagonal ``k`` of an ``n`` by ``m`` matrix."""
    return tuple(wrap(i) for i in np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices of the elements on and above diagonal ``k`` of an ``n`` by ``m`` matrix."""
    return tuple(wrap(i) for i in np.triu_indices(n, k, m))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """``tril_indices`` of the shape of a matrix."""
    return tril_indices(*_sides("tril_indices_from", arr, k))


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """``triu_indices`` of the shape of a matrix."""
    return triu_indices(*_sides("triu_indices_from", arr, k))


def _sides(name: str, arr: Any, k: int) -> tuple[int, int, int]:
    shape = manipulation.shape(arr)
    if len(shape) < 2:
        raise ValueError(f"{name} needs a matrix, got shape {shape}.")
    return shape[-2], k, shape[-1]


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """Indices of the main diagonal of an array of rank ``ndim`` and size ``n``."""
    return (wrap(np.arange(n)),) * ndim


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """``diag_indices`` of the shape of an array with equal sizes."""
    sizes = manipulation.shape(arr)
    if len(sizes) < 2 or builtins.any(n != sizes[0] for n in sizes):
        raise ValueError("All dimensions of input must be of equal length, and there must be at least two.")
    return diag_indices(sizes[0], len(sizes))


def mask_indices(n: int, mask_func: Any, k: int = 0, *, size: int | None = None) -> tuple[Any, Any]:
    """Indices where ``mask_func(ones((n, n)), k)`` is nonzero."""
    return tuple(wrap(i) for i in np.nonzero(np.asarray(mask_func(creation.ones((n, n), int), k))))


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """A copy of ``a`` with ``val`` on its diagonal; pass ``inplace=False``."""
    refuse_inplace("fill_diagonal", inplace)
    if wrap:
        raise NotImplementedError("wrap=True is not implemented, must pass wrap=False.")
    x = array_operand("fill_diagonal", a)
    n, rank = builtins.min(_shape(x)), len(_shape(x))
    if rank < 2:
        raise ValueError("array must be at least 2-d")
    values = array_operand("fill_diagonal", val, 1)
    if _shape(values):
        values = manipulation.tile(
            manipulation.ravel(values), -(-n // builtins.max(get_aval(values).size, 1))
        )[:n]
    return IndexUpdater(x)[diag_indices(n, rank)].set(ew.convert(values, get_aval(x).dtype))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Matrix of powers of a vector, ``N`` columns, highest power first unless ``increasing``."""
    x = array_operand("vander", x)
    if len(_shape(x)) != 1:
        raise ValueError("x must be a one-dimensional array")
    columns = _shape(x)[0] if N is None else N
    if columns < 0:
        raise ValueError("N must be nonnegative")
    powers = raw.iota(get_aval(x).dtype, (columns,), 0)
    if not increasing:
        powers = ew.sub(literal(powers, columns - 1), powers)
    return arithmetic.power(raw.expand_dims(x, (1,)), raw.expand_dims(powers, (0,)))
