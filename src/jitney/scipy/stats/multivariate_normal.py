"""The normal distribution of vectors, with a mean vector and a covariance matrix."""

from __future__ import annotations

import math
from typing import Any

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact
from jitney.scipy.linalg import solve_triangular

_LOG_TWO_PI = math.log(2 * math.pi)


def logpdf(x: Any, mean: Any, cov: Any, allow_singular: None = None) -> Any:
    """Logarithm of the density.

    Args:
        x: points, of shape ``[..., n]`` (any shape if ``mean`` is a number).
        mean: of shape ``[..., n]``, or a number: a distribution of numbers.
        cov: positive definite matrices of shape ``[..., n, n]``, or a number: the variance of each component.
        allow_singular: not available.

    Returns:
        of shape ``[...]``; leading axes broadcast.

    Raises:
        NotImplementedError: ``allow_singular`` is given.
        ValueError: ``cov`` does not have the size of ``mean``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import multivariate_normal
    >>> float(multivariate_normal.logpdf(jnp.zeros(2), jnp.zeros(2), jnp.eye(2)).round(6))
    -1.837877
    """
    if allow_singular is not None:
        raise NotImplementedError("allow_singular argument of multivariate_normal.logpdf")
    name = "multivariate_normal.logpdf"
    x, mean, cov = promote_inexact(*[array_operand(name, v, i) for i, v in enumerate((x, mean, cov))])
    center, spread = get_aval(mean).shape, get_aval(cov).shape
    difference = x - mean
    if not center:
        return -0.5 * (jnp.square(difference) / cov + _LOG_TWO_PI + jnp.log(cov))
    n = center[-1]
    if not spread:
        return -0.5 * (jnp.sum(jnp.square(difference), -1) / cov + n * (_LOG_TWO_PI + jnp.log(cov)))
    if len(spread) < 2 or spread[-2:] != (n, n):
        raise ValueError(f"multivariate_normal.logpdf got incompatible shapes: mean {center}, cov {spread}.")
    factor = jnp.linalg.cholesky(cov)
    white = _whitened(factor, difference)
    log_scale = jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), -1)
    return -0.5 * (jnp.sum(jnp.square(white), -1) + n * _LOG_TWO_PI) - log_scale


def _whitened(factor: Any, difference: Any) -> Any:
    """The inverse of ``factor`` times vectors; many vectors for one factor are its right-hand sides together."""
    if get_aval(factor).ndim > 2:
        return solve_triangular(factor, difference[..., None], lower=True)[..., 0]
    shape = get_aval(difference).shape
    columns = difference.reshape(-1, shape[-1]).T
    return solve_triangular(factor, columns, lower=True).T.reshape(shape)


def pdf(x: Any, mean: Any, cov: Any) -> Any:
    """Density."""
    return jnp.exp(logpdf(x, mean, cov))


_expose(globals(), own=True)
