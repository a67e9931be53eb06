"""Estimates of densities from samples by sums of normal kernels.

Silverman, "Density estimation for statistics and data analysis", 1986; Scott, "Multivariate density estimation", 1992.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jitney import numpy as jnp
from jitney import random
from jitney._api.calls import expose_methods
from jitney._core import tree
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact
from jitney.scipy.linalg import solve_triangular
from jitney.scipy.special import logsumexp, ndtr

__all__ = ["gaussian_kde"]


@dataclass(frozen=True, init=False, eq=False)
@expose_methods
class gaussian_kde:  # noqa: N801
    """A density estimated from a sample: the mean of normal densities about its points, all of one covariance.

    Args:
        dataset: the sample, of shape ``[d, n]``, or ``[n]`` for numbers.
        bw_method: the width of the kernels, as a factor of the sample's standard deviation: ``"scott"`` (the default),
            ``"silverman"``, a number, or a function of the estimate that gives one.
        weights: of the points, of shape ``[n]``; equal by default.

    The arrays ``neff`` (the effective number of points), ``dataset``, ``weights``, ``covariance`` and ``inv_cov`` are the leaves
    of the tree that an estimate is.

    Raises:
        ValueError: fewer than two points, weights that do not fit, another ``bw_method``.
        NotImplementedError: complex samples.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import gaussian_kde
    >>> density = gaussian_kde(jnp.array([-1.0, 0.0, 1.0]))
    >>> float(density.integrate_box_1d(-jnp.inf, 0.0))
    0.5
    """

    neff: Any
    dataset: Any
    weights: Any
    covariance: Any
    inv_cov: Any

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        points = jnp.atleast_2d(array_operand("gaussian_kde", dataset))
        if get_aval(points).dtype.kind == "c":
            raise NotImplementedError("gaussian_kde does not support complex data")
        if get_aval(points).size < 2:
            raise ValueError("`dataset` input should have multiple elements.")
        (points,) = promote_inexact(points)
        d, n = get_aval(points).shape
        if weights is None:
            shares = jnp.full(n, 1 / n, get_aval(points).dtype)
        else:
            shares = jnp.atleast_1d(array_operand("gaussian_kde", weights)).astype(get_aval(points).dtype)
            if get_aval(shares).ndim != 1:
                raise ValueError("`weights` input should be one-dimensional.")
            if get_aval(shares).shape != (n,):
                raise ValueError("`weights` input should be of length n")
            shares = shares / jnp.sum(shares)
        self._set("dataset", points)
        self._set("weights", shares)
        self._set("neff", 1 / jnp.sum(jnp.square(shares)))
        spread = jnp.atleast_2d(jnp.cov(points, aweights=shares))
        square = jnp.square(self._factor(bw_method))
        self._set("covariance", spread * square)
        self._set("inv_cov", jnp.linalg.inv(spread) / square)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _factor(self, bw_method: str | float | Callable[[Any], Any] | None) -> Any:
        if bw_method is None or isinstance(bw_method, str) and bw_method == "scott":
            return jnp.power(self.neff, -1 / (self.d + 4))
        if isinstance(bw_method, str) and bw_method == "silverman":
            return jnp.power(self.neff * (self.d + 2) / 4, -1 / (self.d + 4))
        if callable(bw_method):
            return bw_method(self)
        if not isinstance(bw_method, str) and jnp.ndim(bw_method) == 0:
            return array_operand("gaussian_kde", bw_method)
        raise ValueError("`bw_method` should be 'scott', 'silverman', a scalar, or a callable.")

    @property
    def d(self) -> int:
        """The number of components of a point."""
        return get_aval(self.dataset).shape[0]

    @property
    def n(self) -> int:
        """The number of points of the sample."""
        return get_aval(self.dataset).shape[1]

    def evaluate(self, points: Any) -> Any:
        """The density at ``points``, of shape ``[d, m]`` (``[m]`` if d is 1, ``[d]`` for one point); shape ``[m]``."""
        exponents, log_scale = self._exponents(points)
        return jnp.exp(-log_scale) * jnp.sum(self.weights[:, None] * jnp.exp(exponents), axis=0)

    def __call__(self, points: Any) -> Any:
        """:meth:`evaluate`."""
        return self.evaluate(points)

    def pdf(self, x: Any) -> Any:
        """:meth:`evaluate`."""
        return self.evaluate(x)

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density at points, accurate far away from the sample."""
        exponents, log_scale = self._exponents(x)
        return logsumexp(exponents, axis=0, b=self.weights[:, None]) - log_scale

    def integrate_gaussian(self, mean: Any, cov: Any) -> Any:
        """The integral of the density times a normal density of this mean (``[d]``) and covariance (``[d, d]``)."""
        mean = jnp.atleast_1d(jnp.squeeze(array_operand("integrate_gaussian", mean)))
        cov = jnp.atleast_2d(array_operand("integrate_gaussian", cov, 1))
        if get_aval(mean).shape != (self.d,):
            raise ValueError(f"mean does not have dimension {self.d}")
        if get_aval(cov).shape != (self.d, self.d):
            raise ValueError(f"covariance does not have dimension {self.d}")
        exponents, log_scale = _exponents(mean[:, None], self.dataset, self.covariance + cov)
        return jnp.exp(-log_scale) * jnp.sum(jnp.exp(exponents[0]) * self.weights)

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The probability of numbers between ``low`` and ``high``."""
        if self.d != 1:
            raise ValueError("integrate_box_1d() only handles 1D pdfs")
        if jnp.ndim(low) or jnp.ndim(high):
            raise ValueError("the limits of integration in integrate_box_1d must be scalars")
        deviation = jnp.sqrt(self.covariance[0, 0])
        below, above = (ndtr((x - self.dataset[0]) / deviation) for x in (low, high))
        return jnp.sum(self.weights * (above - below))

    def integrate_kde(self, other: Any) -> Any:
        """The integral of the product of two estimates."""
        if other.d != self.d:
            raise ValueError("KDEs are not the same dimensionality")
        exponents, log_scale = _exponents(self.dataset, other.dataset, self.covariance + other.covariance)
        return jnp.exp(-log_scale) * (self.weights @ (jnp.exp(exponents) @ other.weights))

    def resample(self, key: Any, shape: tuple[int, ...] = ()) -> Any:
        """Random points of the estimated distribution, of shape ``[d, *shape]``."""
        key_place, key_noise = random.split(key)
        places = random.choice(key_place, self.n, shape=shape, p=self.weights)
        dtype = get_aval(self.dataset).dtype
        noise = random.multivariate_normal(
            key_noise, jnp.zeros(self.d, dtype), self.covariance, shape=shape, dtype=dtype
        )
        return self.dataset[:, places] + jnp.moveaxis(noise, -1, 0)

    def integrate_box(self, low_bounds: Any, high_bounds: Any, maxpts: int | None = None) -> Any:
        """Not available: it needs the normal distribution function of many variables."""
        raise NotImplementedError(
            "gaussian_kde.integrate_box is not supported: it needs the normal distribution function of several variables; "
            "use integrate_box_1d, or count points of resample."
        )

    def set_bandwidth(self, bw_method: Any = None) -> None:
        """Not available: estimates do not change."""
        raise NotImplementedError(
            "gaussian_kde.set_bandwidth is not supported: estimates do not change; make another one with bw_method."
        )

    def _exponents(self, points: Any) -> tuple[Any, Any]:
        """``[n, m]`` exponents of the kernels at points, and the logarithm of their common divisor."""
        places = jnp.atleast_2d(array_operand("gaussian_kde", points))
        d, m = get_aval(places).shape
        if d != self.d:
            if (d, m) != (1, self.d):
                raise ValueError(f"points have dimension {d}, dataset has dimension {self.d}")
            places = places.reshape(self.d, 1)
        if get_aval(places).dtype.kind == "c":
            raise NotImplementedError("gaussian_kde does not support complex coordinates")
        return _exponents(self.dataset, places, self.covariance)


def _exponents(one: Any, two: Any, covariance: Any) -> tuple[Any, Any]:
    """Of normal densities of a covariance between all columns of two matrices; the logarithm of what they are divided by."""
    one, two, covariance = promote_inexact(one, two, covariance)
    factor = jnp.linalg.cholesky(covariance)
    x, y = (solve_triangular(factor, v, lower=True) for v in (one, two))
    exponents = -0.5 * jnp.sum(jnp.square(x[:, :, None] - y[:, None, :]), axis=0)
    d = get_aval(covariance).shape[0]
    return exponents, 0.5 * d * math.log(2 * math.pi) + jnp.sum(jnp.log(jnp.diagonal(factor)))


_LEAVES = ("neff", "dataset", "weights", "covariance", "inv_cov")


def _rebuilt(_: Any, leaves: Any) -> gaussian_kde:
    made = object.__new__(gaussian_kde)
    for name, leaf in zip(_LEAVES, leaves, strict=True):
        made._set(name, leaf)
    return made


tree.register_node(gaussian_kde, lambda kde: (tuple([getattr(kde, n) for n in _LEAVES]), None), _rebuilt)
