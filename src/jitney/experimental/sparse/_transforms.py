"""Derivatives by the stored elements of sparse arrays, and sparse arrays made by rule."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney import random
from jitney._api import autodiff
from jitney._api.calls import as_indices, boundary, check_callable
from jitney.experimental.sparse._bcoo import BCOO, JAXSparse


def _by_data(
    transform: Callable[..., Any], fun: Callable[..., Any], argnums: Any, options: dict[str, Any]
) -> Any:
    """``transform`` of ``fun`` as a function of the stored elements; results get the places of their arguments."""
    check_callable(fun, transform.__name__)
    numbers = as_indices(argnums)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        given = [n % len(args) for n in numbers]
        data = [args[n].data if isinstance(args[n], BCOO) else args[n] for n in given]

        def of_data(*values: Any) -> Any:
            full = list(args)
            for n, value in zip(given, values, strict=True):
                full[n] = args[n].with_data(value) if isinstance(args[n], BCOO) else value
            return fun(*full, **kwargs)

        out = transform(of_data, tuple(range(len(given))), **options)(*data)
        front, found = out if transform is autodiff.value_and_grad else (None, out)
        aux = None
        if transform is autodiff.grad and options.get("has_aux"):
            found, aux = found
        made = [
            args[n].with_data(v) if isinstance(args[n], BCOO) else v
            for n, v in zip(given, found, strict=True)
        ]
        result = made[0] if isinstance(argnums, int) else tuple(made)
        if transform is autodiff.value_and_grad:
            return front, result
        return (result, aux) if options.get("has_aux") else result

    return boundary(transformed, fun)


def grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: Any = False, **kwargs: Any
) -> Any:
    """``jitney.grad`` by the stored elements of sparse arguments: gradients are sparse arrays with the same places.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental import sparse
        >>> m = sparse.BCOO.fromdense(jnp.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> sparse.grad(lambda m: jnp.sum((m @ jnp.array([1.0, 10.0])) ** 2))(m).data
        Array([400.,   6.], dtype=float64)
    """
    return _by_data(autodiff.grad, fun, argnums, {"has_aux": has_aux, **kwargs})


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: Any = False, **kwargs: Any
) -> Any:
    """``jitney.value_and_grad`` by the stored elements of sparse arguments."""
    return _by_data(autodiff.value_and_grad, fun, argnums, {"has_aux": has_aux, **kwargs})


def empty(
    shape: Sequence[int],
    dtype: Any = None,
    index_dtype: Any = "int32",
    sparse_format: str = "bcoo",
    **kwds: Any,
) -> JAXSparse:
    """A sparse array without elements; ``n_batch``, ``n_dense`` and ``nse`` may be given."""
    _check_format(sparse_format)
    return BCOO._empty(shape, dtype=dtype, index_dtype=index_dtype, **kwds)


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = None,
    index_dtype: Any = "int32",
    sparse_format: str = "bcoo",
    **kwds: Any,
) -> JAXSparse:
    """Ones on the ``k``-th diagonal of an ``N`` by ``M`` matrix."""
    _check_format(sparse_format)
    if kwds:
        raise NotImplementedError(f"sparse.eye takes no {sorted(kwds)}: it has no batch and dense axes.")
    rows, cols = operator.index(N), operator.index(N if M is None else M)
    k = operator.index(k)
    size = max(0, min(rows + min(k, 0), cols - max(k, 0)))
    first = np.arange(size) + max(-k, 0)
    indices = np.stack([first, first + k], 1).astype(index_dtype)
    return BCOO(
        (jnp.ones(size, dtype), indices), shape=(rows, cols), indices_sorted=True, unique_indices=True
    )


def _check_format(name: str) -> None:
    if name != "bcoo":
        raise NotImplementedError(f"sparse format {name!r} is not supported; there is 'bcoo'.")


def random_bcoo(
    key: Any,
    shape: Sequence[int],
    *,
    dtype: Any = jnp.float64,
    indices_dtype: Any = None,
    nse: float | int = 0.2,
    n_batch: int = 0,
    n_dense: int = 0,
    unique_indices: bool = True,
    sorted_indices: bool = False,
    generator: Callable[..., Any] = random.uniform,
    **kwds: Any,
) -> BCOO:
    """A sparse array with elements of ``generator`` at random places.

    Args:
        nse: how many elements each member of the batch stores, or the fraction of places if below 1.
        unique_indices, sorted_indices: whether places differ, and whether they are in order.
        generator: ``generator(key, shape, dtype, **kwds)``.

    Example:
        >>> import jitney
        >>> from jitney.experimental import sparse
        >>> sparse.random_bcoo(jitney.random.key(0), (4, 5), nse=3).nse
        3
    """
    shape = tuple(operator.index(n) for n in shape)
    n_sparse = len(shape) - n_batch - n_dense
    if n_sparse < 0 or n_batch < 0 or n_dense < 0:
        raise ValueError(f"Invalid parameters: shape={shape}, n_batch={n_batch}, n_dense={n_dense}")
    batch, within = shape[:n_batch], shape[n_batch : n_batch + n_sparse]
    places = int(np.prod(within, dtype=int))
    if not 0 <= nse:
        raise ValueError(f"got nse={nse}, expected a number that is not negative")
    count = int(np.ceil(nse * places)) if nse < 1 else operator.index(int(nse))
    key_places, key_data = random.split(key)
    members = int(np.prod(batch, dtype=int))
    keys = random.split(key_places, members)
    if unique_indices:
        if count > places:
            raise ValueError(f"{count} different places were asked for, but there are {places}.")
        chosen = [random.permutation(k, places)[:count] for k in keys]
    else:
        chosen = [random.randint(k, (count,), 0, places) for k in keys]
    flat = jnp.stack(chosen) if members else jnp.zeros((0, count), int)
    flat = jnp.sort(flat, axis=1) if sorted_indices else flat
    indices = jnp.stack(jnp.unravel_index(flat, within), -1) if within else jnp.zeros((*flat.shape, 0), int)
    indices = indices.reshape(*batch, count, n_sparse).astype(indices_dtype or np.int32)
    data = generator(key_data, (*batch, count, *shape[n_batch + n_sparse :]), dtype, **kwds)
    return BCOO((data, indices), shape=shape, indices_sorted=sorted_indices, unique_indices=unique_indices)
