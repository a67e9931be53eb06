"""Vectors and matrices: multivariate_normal, generalized_normal, ball, orthogonal."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._core.avals import ShapedArray
from jitney._core.trace import get_aval
from jitney._ops import decompositions, matrices
from jitney.numpy import linalg
from jitney.numpy.operands import array_operand, promote_inexact
from jitney.random._continuous import _exponential, _normal
from jitney.random._discrete import _rademacher
from jitney.random._rejection import _gamma, _sample
from jitney.random._sampling import (
    common_shape,
    float_dtype,
    key_of,
    parameter,
    sample,
    shape_of,
    split_key,
)

__all__ = ["ball", "generalized_normal", "multivariate_normal", "orthogonal"]


def multivariate_normal(
    key: Any,
    mean: Any,
    cov: Any,
    shape: Any = None,
    dtype: Any = None,
    method: str = "cholesky",
    *,
    out_sharding: Any = None,
) -> Any:
    """Normal vectors of given mean and covariance.

    Args:
        key: a key, typed or raw.
        mean: ``[..., n]``.
        cov: ``[..., n, n]``, positive definite (semidefinite for ``method`` ``eigh`` and ``svd``).
        shape: shape of the result without the last axis; by default the leading axes of ``mean`` and ``cov``.
        dtype: a float dtype; by default that of ``mean`` and ``cov`` together, as in ``mean + cov``.
        method: how the covariance is factored: ``cholesky``, ``eigh`` or ``svd``.

    Raises:
        ValueError: for another method, and shapes that do not fit.

    >>> import jitney, jitney.numpy as jnp
    >>> jitney.random.multivariate_normal(jitney.random.key(0), jnp.zeros(2), jnp.eye(2), (3,)).shape
    (3, 2)
    """
    if dtype is None:
        given = promote_inexact(*(array_operand("multivariate_normal", x) for x in (mean, cov)))
        dtype = get_aval(given[0]).dtype
    dtype = float_dtype("multivariate_normal", dtype)
    if method not in ("svd", "eigh", "cholesky"):
        raise ValueError("method must be one of {'svd', 'eigh', 'cholesky'}")
    mean, cov = (parameter("multivariate_normal", x, dtype) for x in (mean, cov))
    sizes, shape_cov = get_aval(mean).shape, get_aval(cov).shape
    if not sizes:
        raise ValueError(f"multivariate_normal requires mean.ndim >= 1, got mean.ndim == {len(sizes)}")
    if shape_cov[-2:] != (sizes[-1], sizes[-1]):
        raise ValueError(
            f"multivariate_normal requires cov.shape == (..., n, n) for n={sizes[-1]}, but got cov.shape == {shape_cov}."
        )
    rows = [ShapedArray(s, dtype) for s in (sizes[:-1], shape_cov[:-2])]
    shape = common_shape("multivariate_normal", shape, *rows)
    key = key_of("multivariate_normal", key)
    return sample(_multivariate_normal, key, mean, cov, shape=shape, dtype=dtype, method=method)


def _multivariate_normal(
    key: Any, mean: Any, cov: Any, *, shape: tuple[int, ...], dtype: np.dtype, method: str
) -> Any:
    if method == "cholesky":
        factor = linalg.cholesky(cov)
    elif method == "eigh":
        w, v = linalg.eigh(cov)
        factor = v * jnp.sqrt(w[..., np.newaxis, :])
    else:
        u, s, _ = linalg.svd(cov)
        factor = u * jnp.sqrt(s[..., np.newaxis, :])
    numbers = _normal(key, shape=(*shape, get_aval(mean).shape[-1]), dtype=dtype)
    return mean + jnp.einsum("...ij,...j->...i", factor, numbers)


def generalized_normal(
    key: Any, p: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Numbers of density proportional to ``exp(-|x|**p)``."""
    dtype = float_dtype("generalized_normal", dtype)
    shape = shape_of("generalized_normal", shape)
    p = parameter("generalized_normal", p, dtype)
    return _sample(_generalized_normal, key_of("generalized_normal", key), p, shape=shape, dtype=dtype)


def _generalized_normal(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    for_size, for_sign = split_key(key)
    sizes = _gamma(for_size, 1 / p, shape=shape, log_space=False)
    return _rademacher(for_sign, shape=shape, dtype=dtype) * jnp.power(sizes, 1 / p)


def ball(
    key: Any, d: int, p: float = 2, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Vectors uniform in the unit ball of ``d`` dimensions with respect to the ``p``-norm.

    Returns:
        an array of shape ``[*shape, d]``.
    """
    dtype = float_dtype("ball", dtype)
    shape = (*shape_of("ball", shape), operator.index(d))
    return _sample(_ball, key_of("ball", key), parameter("ball", p, dtype), shape=shape, dtype=dtype)


def _ball(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """F. Barthe et al., "A probabilistic approach to the geometry of the l_p^n-ball", Ann. Probab. 33 (2005)."""
    for_direction, for_radius = split_key(key)
    g = _generalized_normal(for_direction, p, shape=shape, dtype=dtype)
    e = _exponential(for_radius, shape=shape[:-1], dtype=dtype)
    size = jnp.power(jnp.sum(jnp.power(jnp.abs(g), p), -1) + e, 1 / p)
    return g / size[..., np.newaxis]


def orthogonal(
    key: Any,
    n: int,
    shape: Any = (),
    dtype: Any = None,
    m: int | None = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Orthogonal (unitary) matrices, uniform with respect to the Haar measure.

    Args:
        key: a key, typed or raw.
        n: number of rows.
        shape: leading axes.
        dtype: a float or complex dtype, float64 by default.
        m: number of columns, ``n`` by default; rows (columns) are orthonormal where there are fewer of them.

    Returns:
        an array of shape ``[*shape, n, m]``.
    """
    dtype = float_dtype("orthogonal", dtype, "fc")
    n = operator.index(n)
    m = n if m is None else operator.index(m)
    shape = (*shape_of("orthogonal", shape), max(n, m), min(n, m))
    out = sample(_orthogonal, key_of("orthogonal", key), shape=shape, dtype=dtype)
    return out if n >= m else matrices.transposed(out)


def _orthogonal(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    q, r = decompositions.qr_p.bind(_normal(key, shape=shape, dtype=dtype), full_matrices=False)
    diagonal = matrices.diagonal(r)
    phases = diagonal / jnp.abs(diagonal).astype(dtype) if dtype.kind == "c" else jnp.sign(diagonal)
    return q * phases[..., np.newaxis, :]
