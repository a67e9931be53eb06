"""Products and sums of sparse arrays: elements are gathered, multiplied, and added where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval, is_array_like
from jitney.experimental.sparse._bcoo import BCOO, columns, flat


def bcoo_dot_general(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any,
    precision: None = None,
    preferred_element_type: None = None,
    out_sharding: Any = None,
) -> Any:
    """``lax.dot_general`` of arrays of which one is sparse (a dense result) or both (a sparse one).

    Raises:
        TypeError: shapes that do not fit.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental import sparse
        >>> m = sparse.BCOO.fromdense(jnp.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> sparse.bcoo_dot_general(m, jnp.ones(2), dimension_numbers=(([1], [0]), ([], [])))
        Array([2., 3.], dtype=float64)
    """
    (contract_l, contract_r), (batch_l, batch_r) = (tuple(map(tuple, pair)) for pair in dimension_numbers)
    if not isinstance(lhs, BCOO) and not isinstance(rhs, BCOO):
        return lax.dot_general(lhs, rhs, dimension_numbers, preferred_element_type=preferred_element_type)
    pairs = [*zip(contract_l, contract_r, strict=True), *zip(batch_l, batch_r, strict=True)]
    if any(np.shape(lhs)[i] != np.shape(rhs)[j] for i, j in pairs):
        raise TypeError(
            f"bcoo_dot_general: shapes {np.shape(lhs)} and {np.shape(rhs)} do not fit dimension_numbers={dimension_numbers}."
        )
    if isinstance(lhs, BCOO) and isinstance(rhs, BCOO):
        return _both_sparse(lhs, rhs, contract_l, contract_r, batch_l, batch_r)
    if isinstance(lhs, BCOO):
        return _one_sparse(
            lhs, jnp.asarray(rhs), contract_l, contract_r, batch_l, batch_r, preferred_element_type
        )
    swapped = _one_sparse(
        rhs, jnp.asarray(lhs), contract_r, contract_l, batch_r, batch_l, preferred_element_type
    )
    n, own = len(batch_l), np.ndim(lhs) - len(contract_l) - len(batch_l)
    rest = swapped.ndim - n - own
    return jnp.transpose(swapped, (*range(n), *range(n + rest, swapped.ndim), *range(n, n + rest)))


def _free(ndim: int, *taken: Sequence[int]) -> list[int]:
    return [d for d in range(ndim) if not any(d in axes for axes in taken)]


def _one_sparse(
    mat: BCOO,
    x: Any,
    contract: Sequence[int],
    contract_x: Sequence[int],
    batch: Sequence[int],
    batch_x: Sequence[int],
    dtype: Any,
) -> Any:
    """Batch axes, free axes of ``mat``, free axes of ``x``."""
    free, free_x = _free(mat.ndim, contract, batch), _free(x.ndim, contract_x, batch_x)
    data, rows = flat(mat)
    front = jnp.transpose(x, (*batch_x, *contract_x, *free_x))
    at = columns(rows, (*batch, *contract))
    met = front.at[at].get(mode="fill", fill_value=0) if at else front[None]
    products = data.reshape(-1, *[1] * len(free_x)) * met
    products = products if dtype is None else products.astype(dtype)
    kept = (*batch, *free)
    out = jnp.zeros((*(mat.shape[d] for d in kept), *(x.shape[d] for d in free_x)), products.dtype)
    # An element whose place is outside must not count, whichever of its indices is outside.
    inside = jnp.all((rows >= 0) & (rows < jnp.asarray(mat.shape, rows.dtype)), axis=-1)
    products = jnp.where(inside.reshape(-1, *[1] * len(free_x)), products, 0)
    return out.at[columns(rows, kept)].add(products, mode="drop") if kept else out + jnp.sum(products, axis=0)


def _both_sparse(
    lhs: BCOO,
    rhs: BCOO,
    contract_l: Sequence[int],
    contract_r: Sequence[int],
    batch_l: Sequence[int],
    batch_r: Sequence[int],
) -> BCOO:
    """Every pair of elements is one of the result, outside of it where they do not meet."""
    free_l, free_r = _free(lhs.ndim, contract_l, batch_l), _free(rhs.ndim, contract_r, batch_r)
    data_l, rows_l = flat(lhs)
    data_r, rows_r = flat(rhs)
    shape = (
        *(lhs.shape[d] for d in (*batch_l, *free_l)),
        *(rhs.shape[d] for d in free_r),
    )
    meets = jnp.ones((data_l.size, data_r.size), bool)
    for i, j in zip((*contract_l, *batch_l), (*contract_r, *batch_r), strict=True):
        inside = (rows_l[:, i] >= 0) & (rows_l[:, i] < lhs.shape[i])
        meets &= (rows_l[:, None, i] == rows_r[None, :, j]) & inside[:, None]
    data = jnp.where(meets, data_l[:, None] * data_r[None], 0).ravel()
    sources = [(rows_l[:, None, d], lhs.shape[d]) for d in (*batch_l, *free_l)]
    sources += [(rows_r[None, :, d], rhs.shape[d]) for d in free_r]
    found = [jnp.where(meets, jnp.broadcast_to(c, meets.shape), size).ravel() for c, size in sources]
    indices = jnp.stack(found, -1) if found else jnp.zeros((data.size, 0), rows_l.dtype)
    return BCOO((data, indices), shape=shape)


def matmul(x: Any, y: Any) -> Any:
    """``x @ y`` for vectors and matrices; leading axes of matrices are batches."""
    nx, ny = np.ndim(x), np.ndim(y)
    if not nx or not ny:
        raise ValueError("matmul of sparse arrays needs arrays of rank 1 or more; use * for scalars.")
    if nx > 2 and ny > 2:
        if np.shape(x)[:-2] != np.shape(y)[:-2]:
            raise NotImplementedError("matmul of batches of sparse arrays needs batches of the same shape.")
        batch = tuple(range(nx - 2))
        numbers = (((nx - 1,), (ny - 2,)), (batch, batch))
        return bcoo_dot_general(x, y, dimension_numbers=numbers)
    numbers = (((nx - 1,), (max(ny - 2, 0),)), ((), ()))
    out = bcoo_dot_general(x, y, dimension_numbers=numbers)
    if ny > 2:  # the batch of the right operand goes in front
        out = (
            jnp.moveaxis(out, range(nx - 1, nx - 1 + ny - 2), range(ny - 2))
            if not isinstance(out, BCOO)
            else out
        )
    return out


def bcoo_multiply_dense(sp_mat: BCOO, v: Any) -> Any:
    """The stored elements times those of a dense array that broadcasts, at the same places: the data of the product.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental import sparse
        >>> m = sparse.BCOO.fromdense(jnp.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> sparse.bcoo_multiply_dense(m, jnp.array([10.0, 100.0]))
        Array([200.,  30.], dtype=float64)
    """
    x = jnp.broadcast_to(jnp.asarray(v), sp_mat.shape)
    _, rows = flat(sp_mat)
    met = x.at[columns(rows, range(x.ndim))].get(mode="fill", fill_value=0)
    n = sp_mat.n_batch
    grid = (*sp_mat.shape[:n], *sp_mat.data.shape[n:])
    return sp_mat.data * met.reshape(grid)


def bcoo_multiply_sparse(lhs: BCOO, rhs: BCOO) -> BCOO:
    """The product of two sparse arrays of one shape, element by element."""
    if lhs.shape != rhs.shape:
        raise NotImplementedError(
            f"bcoo_multiply_sparse needs arrays of one shape, got {lhs.shape} and {rhs.shape}."
        )
    axes = tuple(range(lhs.ndim))
    return _both_sparse(lhs, rhs, (), (), axes, axes)


def multiply(x: BCOO, y: Any) -> Any:
    """``x * y``."""
    if isinstance(y, BCOO):
        return bcoo_multiply_sparse(x, y)
    if not is_array_like(y):
        return NotImplemented
    if not get_aval(y).shape:
        return x.with_data(x.data * y)
    data = bcoo_multiply_dense(x, y)
    return BCOO(
        (data, x.indices), shape=x.shape, indices_sorted=x.indices_sorted, unique_indices=x.unique_indices
    )


def add(x: BCOO, y: Any) -> Any:
    """``x + y`` of sparse arrays: the elements of both."""
    if not isinstance(y, BCOO):
        raise NotImplementedError("A sparse array and a dense one do not add up; use x.todense() + y.")
    if x.shape != y.shape:
        raise ValueError(f"Addition between sparse matrices of different shapes {x.shape} and {y.shape}.")
    if (x.n_batch, x.n_dense) != (y.n_batch, y.n_dense):
        (data_x, rows_x), (data_y, rows_y) = flat(x), flat(y)
        return BCOO(
            (jnp.concatenate([data_x, data_y]), jnp.concatenate([rows_x, rows_y.astype(rows_x.dtype)])),
            shape=x.shape,
        )
    from jitney.experimental.sparse._bcoo import unbatched

    (data_x, indices_x), (data_y, indices_y) = unbatched(x), unbatched(y)
    n = x.n_batch
    both = (
        jnp.concatenate([data_x, data_y], n),
        jnp.concatenate([indices_x, indices_y.astype(indices_x.dtype)], n),
    )
    return BCOO(both, shape=x.shape)
