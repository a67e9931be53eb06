"""``BCOO``: arrays of which only some elements are stored, each with its indices, in batches and dense blocks."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._core import tree
from jitney._core.trace import get_aval


class JAXSparse:
    """Base class of sparse arrays."""

    data: Any
    shape: tuple[int, ...]
    __array_ufunc__ = None  # NumPy leaves operators to this class

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return get_aval(self.data).dtype

    def todense(self) -> Any:
        """The array with all its elements."""
        raise NotImplementedError

    def transpose(self, axes: Sequence[int] | None = None) -> Any:
        """The axes permuted, by default reversed."""
        raise NotImplementedError

    @property
    def T(self) -> Any:
        return self.transpose()

    def block_until_ready(self) -> Any:
        """The array itself: results are always ready."""
        return self

    __hash__ = None  # type: ignore[assignment]


class BCOO(JAXSparse):
    """A batch of sparse arrays in coordinate format, whose elements may be dense blocks.

    The axes are ``n_batch`` ones for the batch, ``n_sparse`` sparse ones, and ``n_dense`` of the blocks. All members of the
    batch store ``nse`` elements; places outside of the array stand for nothing. Elements at equal places add up.

    Args:
        args: ``(data, indices)`` of shapes ``(*batch, nse, *dense)`` and ``(*batch, nse, n_sparse)``; a batch axis of
            size 1 in one of them is shared.
        shape: the shape of the whole.
        indices_sorted, unique_indices: what is known of the indices.

    It is a tree of two leaves. ``vmap`` maps over batch axes.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental import sparse
        >>> m = sparse.BCOO.fromdense(jnp.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> m.nse, m @ jnp.array([1.0, 10.0])
        (2, Array([20.,  3.], dtype=float64))
    """

    def __init__(
        self,
        args: tuple[Any, Any],
        *,
        shape: Sequence[int],
        indices_sorted: bool = False,
        unique_indices: bool = False,
    ) -> None:
        data, indices = (jnp.asarray(x) for x in args)
        shape = tuple(operator.index(n) for n in shape)
        n_batch, n_sparse = indices.ndim - 2, indices.shape[-1]
        n_dense = data.ndim - 1 - n_batch
        fits = n_batch >= 0 and n_dense >= 0 and len(shape) == n_batch + n_sparse + n_dense
        if fits:
            batch = shape[:n_batch]
            fits = data.shape[n_batch:] == (indices.shape[-2], *shape[n_batch + n_sparse :])
            fits &= all(n in (1, m) for x in (data, indices) for n, m in zip(x.shape, batch, strict=False))
        if not fits:
            raise ValueError(
                f"BCOO: data of shape {data.shape} and indices of shape {indices.shape} do not make an array of shape {shape}: "
                "they must be (*batch, nse, *dense) and (*batch, nse, n_sparse)."
            )
        if indices.dtype.kind not in "iu":
            raise ValueError(f"BCOO: indices must be integers, got dtype {indices.dtype}.")
        self.data, self.indices = data, indices
        self._sparse_shape = shape[n_batch : n_batch + n_sparse]
        self._batch: tuple[int, ...] | None = shape[:n_batch]
        self.indices_sorted, self.unique_indices = bool(indices_sorted), bool(unique_indices)

    @property
    def n_batch(self) -> int:
        return get_aval(self.indices).ndim - 2

    @property
    def n_sparse(self) -> int:
        return len(self._sparse_shape)

    @property
    def n_dense(self) -> int:
        return get_aval(self.data).ndim - 1 - self.n_batch

    @property
    def nse(self) -> int:
        """The number of elements that each member of the batch stores."""
        return get_aval(self.indices).shape[-2]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        batch = self._batch
        if batch is None or len(batch) != self.n_batch:  # as of a leaf that vmap took apart
            pairs = zip(self.data.shape[: self.n_batch], self.indices.shape[: self.n_batch], strict=True)
            batch = tuple(max(n, m) for n, m in pairs)
        return (*batch, *self._sparse_shape, *self.data.shape[self.n_batch + 1 :])

    def __repr__(self) -> str:
        kinds = [f"{name}={n}" for name, n in (("n_batch", self.n_batch), ("n_dense", self.n_dense)) if n]
        extra = "".join(f", {kind}" for kind in kinds)
        return f"BCOO({get_aval(self.data).dtype.name}{list(self.shape)}, nse={self.nse}{extra})"

    # -- making

    @classmethod
    def fromdense(
        cls,
        mat: Any,
        *,
        nse: int | None = None,
        index_dtype: Any = np.int32,
        n_dense: int = 0,
        n_batch: int = 0,
    ) -> BCOO:
        """The nonzero elements of a dense array: see ``bcoo_fromdense``."""
        return bcoo_fromdense(mat, nse=nse, n_batch=n_batch, n_dense=n_dense, index_dtype=index_dtype)

    @classmethod
    def from_scipy_sparse(
        cls, mat: Any, *, index_dtype: Any = None, n_dense: int = 0, n_batch: int = 0
    ) -> BCOO:
        """A matrix of ``scipy.sparse``."""
        if n_dense or n_batch:
            raise NotImplementedError("BCOO.from_scipy_sparse makes arrays without batch and dense axes.")
        coo = mat.tocoo()
        indices = np.stack([coo.row, coo.col], 1).astype(index_dtype or np.int32)
        return cls((coo.data, indices), shape=coo.shape)

    @classmethod
    def _empty(cls, shape: Sequence[int], *, dtype: Any = None, index_dtype: Any = "int32", n_dense: int = 0, n_batch: int = 0, nse: int = 0) -> BCOO:  # fmt: skip
        shape = tuple(shape)
        n_sparse = len(shape) - n_dense - n_batch
        batch, within, dense = (
            shape[:n_batch],
            shape[n_batch : n_batch + n_sparse],
            shape[n_batch + n_sparse :],
        )
        if n_sparse < 0:
            raise ValueError(
                f"Invalid inputs: shape={shape}, n_dense={n_dense}, n_batch={n_batch}, nse={nse}"
            )
        indices = jnp.broadcast_to(jnp.asarray(within, index_dtype), (*batch, nse, n_sparse))
        made = cls((jnp.zeros((*batch, nse, *dense), dtype), indices), shape=shape)
        made.indices_sorted = made.unique_indices = True
        return made

    # -- methods

    def todense(self) -> Any:
        """The array with all its elements."""
        return bcoo_todense(self)

    def transpose(self, axes: Sequence[int] | None = None) -> BCOO:
        """The axes permuted, by default reversed; batch, sparse and dense axes stay among themselves."""
        from jitney.experimental.sparse import _shapes

        permutation = tuple(range(self.ndim))[::-1] if axes is None else tuple(axes)
        return _shapes.bcoo_transpose(self, permutation=permutation)

    def sum_duplicates(self, nse: int | None = None, remove_zeros: bool = True) -> BCOO:
        """Every place at most once: see ``bcoo_sum_duplicates``."""
        from jitney.experimental.sparse import _shapes

        return _shapes.sum_duplicates(self, nse, remove_zeros)

    def sort_indices(self) -> BCOO:
        """The elements in the order of their places."""
        from jitney.experimental.sparse import _shapes

        return _shapes.bcoo_sort_indices(self)

    def update_layout(
        self, *, n_batch: int | None = None, n_dense: int | None = None, on_inefficient: str = "error"
    ) -> BCOO:
        """The same array with other numbers of batch and dense axes: see ``bcoo_update_layout``."""
        from jitney.experimental.sparse import _shapes

        return _shapes.bcoo_update_layout(
            self, n_batch=n_batch, n_dense=n_dense, on_inefficient=on_inefficient
        )

    def reshape(self, *args: Any, **kwargs: Any) -> BCOO:
        """The elements in a new shape."""
        from jitney.experimental.sparse import _shapes

        sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        return _shapes.bcoo_reshape(self, new_sizes=sizes or kwargs["new_sizes"])

    def astype(self, *args: Any, **kwargs: Any) -> BCOO:
        """The elements converted to another dtype."""
        return self.with_data(self.data.astype(*args, **kwargs))

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        """The sum over all axes, or over ``axis``: a sparse array."""
        from jitney.experimental.sparse import _shapes

        axis = args[0] if args else kwargs.get("axis")
        axes = range(self.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        return _shapes.bcoo_reduce_sum(self, axes=tuple(d % self.ndim for d in axes))

    def with_data(self, data: Any) -> BCOO:
        """Other elements at the same places."""
        made = tree_unflatten(self._aux(), (data, self.indices))
        made._batch = self._batch
        return made

    def _aux(self) -> tuple:
        return self._sparse_shape, self.indices_sorted, self.unique_indices

    def tree_flatten(self) -> tuple[tuple[Any, Any], tuple]:
        """The two leaves and the rest."""
        return (self.data, self.indices), self._aux()

    @classmethod
    def tree_unflatten(cls, aux_data: tuple, children: Sequence[Any]) -> BCOO:
        """The inverse of ``tree_flatten``."""
        return tree_unflatten(aux_data, children)

    # -- operators

    def __neg__(self) -> BCOO:
        return self.with_data(-self.data)

    def __pos__(self) -> BCOO:
        return self

    def __matmul__(self, other: Any) -> Any:
        from jitney.experimental.sparse import _products

        return _products.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        from jitney.experimental.sparse import _products

        return _products.matmul(other, self)

    def __mul__(self, other: Any) -> Any:
        from jitney.experimental.sparse import _products

        return _products.multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, JAXSparse) or np.ndim(other):
            raise NotImplementedError(
                "Division of a sparse array by an array is not supported; divide by scalars."
            )
        return self.with_data(self.data / other)

    def __add__(self, other: Any) -> Any:
        from jitney.experimental.sparse import _products

        return _products.add(self, other)

    def __sub__(self, other: Any) -> Any:
        return self + (-other if isinstance(other, BCOO) else other)

    def __getitem__(self, idx: Any) -> Any:
        from jitney.experimental.sparse import _shapes

        return _shapes.getitem(self, idx)

    def __iter__(self) -> Iterator[Any]:
        for i in range(self.shape[0]):
            yield self[i]

    def __len__(self) -> int:
        return self.shape[0]


def tree_unflatten(aux: tuple, children: Sequence[Any]) -> BCOO:
    made = object.__new__(BCOO)
    made.data, made.indices = children
    made._sparse_shape, made.indices_sorted, made.unique_indices = aux
    made._batch = None
    return made


tree.register_node(BCOO, BCOO.tree_flatten, tree_unflatten)


def unbatched(mat: BCOO) -> tuple[Any, Any]:
    """Data and indices with batch axes of full size."""
    n = mat.n_batch
    batch = mat.shape[:n]
    return (
        jnp.broadcast_to(mat.data, (*batch, *mat.data.shape[n:])),
        jnp.broadcast_to(mat.indices, (*batch, *mat.indices.shape[n:])),
    )


def flat(mat: BCOO, n_batch: int = 0, n_dense: int = 0) -> tuple[Any, Any]:
    """Data and indices of the same array with fewer batch and dense axes: without any, a vector and a row for each element."""
    data, indices = unbatched(mat)
    more, blocks = mat.n_batch - n_batch, mat.n_dense - n_dense  # axes that become sparse
    kept, dense = data.shape[:n_batch], data.shape[data.ndim - n_dense :]
    grid = data.shape[: data.ndim - n_dense]
    dtype = indices.dtype
    places = indices.reshape(*indices.shape[:-1], *[1] * blocks, mat.n_sparse)
    found = [_axis(n_batch + k, grid, dtype) for k in range(more)]
    found += [places[..., k] for k in range(mat.n_sparse)]
    found += [_axis(mat.n_batch + 1 + k, grid, dtype) for k in range(blocks)]
    found = [jnp.broadcast_to(c, grid) for c in found]
    rows = jnp.stack(found, -1) if found else jnp.zeros((*grid, 0), dtype)
    count = math.prod(grid[n_batch:])
    return data.reshape(*kept, count, *dense), rows.reshape(*kept, count, len(found))


def _axis(k: int, grid: Sequence[int], dtype: Any) -> Any:
    """The index along axis ``k`` of an array of shape ``grid``."""
    return jnp.arange(grid[k], dtype=dtype).reshape([-1 if d == k else 1 for d in range(len(grid))])


def columns(rows: Any, which: Sequence[int]) -> tuple[Any, ...]:
    """Some columns of rows of places, as an index."""
    return tuple(rows[..., k] for k in which)


def bcoo_todense(mat: BCOO) -> Any:
    """The array with all its elements."""
    data, rows = flat(mat)
    if mat.ndim == 0:
        return jnp.sum(data)
    return jnp.zeros(mat.shape, data.dtype).at[columns(rows, range(mat.ndim))].add(data, mode="drop")


def bcoo_fromdense(
    mat: Any, *, nse: int | None = None, n_batch: int = 0, n_dense: int = 0, index_dtype: Any = jnp.int32
) -> BCOO:
    """The nonzero elements of a dense array.

    Args:
        mat: an array.
        nse: how many elements to store; by default as many as are needed, which asks for their values.
        n_batch, n_dense: numbers of axes that are of the batch, and of dense blocks.
        index_dtype: dtype of the indices.

    Raises:
        ConcretizationTypeError: a traced array without ``nse``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.experimental import sparse
        >>> jitney.jit(lambda x: sparse.bcoo_fromdense(x, nse=2).todense())(jnp.array([0.0, 3.0, 4.0]))
        Array([0., 3., 4.], dtype=float64)
    """
    x = jnp.asarray(mat)
    if n_batch + n_dense > x.ndim:
        raise ValueError(
            f"n_batch={n_batch} and n_dense={n_dense} are more axes than the {x.ndim} that there are."
        )
    shape, n_sparse = x.shape, x.ndim - n_batch - n_dense
    within = shape[n_batch : n_batch + n_sparse]
    batch = shape[:n_batch]
    mask = jnp.any(x != 0, axis=tuple(range(n_batch + n_sparse, x.ndim))).reshape(
        math.prod(batch), math.prod(within)
    )
    if nse is None:
        nse = int(jnp.max(jnp.sum(mask, axis=1))) if mask.size else 0
    blocks = x.reshape(math.prod(batch), math.prod(within), *shape[n_batch + n_sparse :])
    order = jnp.argsort(~mask, axis=1, stable=True)[:, :nse]
    kept = jnp.take_along_axis(mask, order, axis=1)
    if order.shape[1] < nse:
        more = ((0, 0), (0, nse - order.shape[1]))
        order, kept = jnp.pad(order, more), jnp.pad(kept, more)
    data = blocks[jnp.arange(blocks.shape[0])[:, None], order]
    data = jnp.where(kept.reshape(*kept.shape, *[1] * n_dense), data, 0)
    places = (
        jnp.stack(jnp.unravel_index(order, within), -1) if n_sparse else jnp.zeros((*order.shape, 0), int)
    )
    outside = jnp.asarray(within, places.dtype)
    indices = jnp.where(kept[..., None], places, outside).astype(index_dtype)
    return BCOO(
        (data.reshape(*batch, nse, *shape[n_batch + n_sparse :]), indices.reshape(*batch, nse, n_sparse)),
        shape=shape,
        indices_sorted=True,
        unique_indices=True,
    )


def bcoo_extract(sparr: BCOO, arr: Any, *, assume_unique: bool | None = None) -> BCOO:
    """The elements of the dense ``arr`` at the places of ``sparr``; where a place occurs twice, the first gets the element."""
    x = jnp.asarray(arr)
    if x.shape != sparr.shape:
        raise ValueError(f"shape mismatch: {sparr.shape} != {x.shape}")
    unique = sparr.unique_indices if assume_unique is None else assume_unique
    _, rows = flat(sparr)
    found = x.at[columns(rows, range(x.ndim))].get(mode="fill", fill_value=0)
    if not unique and rows.shape[0]:
        same = jnp.all(rows[:, None] == rows[None], axis=-1)
        first = jnp.argmax(same, axis=1) == jnp.arange(rows.shape[0])
        found = jnp.where(first, found, 0)
    full = unbatched(sparr)
    made = BCOO(
        (found.reshape(full[0].shape), full[1]),
        shape=sparr.shape,
        indices_sorted=sparr.indices_sorted,
        unique_indices=sparr.unique_indices,
    )
    return made


def todense(arr: Any) -> Any:
    """A sparse array with all its elements; a dense one as it is."""
    return arr.todense() if isinstance(arr, JAXSparse) else jnp.asarray(arr)
