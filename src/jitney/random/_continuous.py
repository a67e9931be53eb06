"""Continuous distributions that a few uniform or normal numbers make."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from jitney import _ext, lax
from jitney import numpy as jnp
from jitney._base import dtypes
from jitney._ops.stopping import stop_gradient_leaf
from jitney.random import _sampling as sampling
from jitney.random._discrete import rademacher
from jitney.random._sampling import (
    common_shape,
    finfo,
    float_dtype,
    key_of,
    parameter,
    sample,
    shape_of,
    split_key,
)

__all__ = [
    "cauchy",
    "double_sided_maxwell",
    "exponential",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "maxwell",
    "normal",
    "pareto",
    "rayleigh",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
]

# -- uniform, normal ----------------------------------------------------------------------------------


def uniform(
    key: Any,
    shape: Any = (),
    dtype: Any = None,
    minval: Any = 0.0,
    maxval: Any = 1.0,
    *,
    out_sharding: Any = None,
) -> Any:
    """Numbers uniform in ``[minval, maxval)``.

    Args:
        key: a key, typed or raw.
        shape: shape of the result.
        dtype: a float dtype, float64 by default.
        minval, maxval: bounds: numbers or arrays that broadcast to ``shape``.

    Raises:
        ValueError: for arrays of keys, and dtypes that are no floats.

    >>> import jitney
    >>> jitney.random.uniform(jitney.random.key(0), (2,)).shape
    (2,)
    """
    dtype = float_dtype("uniform", dtype)
    return sample(
        _uniform, key_of("uniform", key), minval, maxval, shape=shape_of("uniform", shape), dtype=dtype
    )


def _uniform(key: Any, minval: Any, maxval: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return sampling.uniform(key, shape, dtype, minval, maxval)


def normal(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Normal numbers of mean 0 and variance 1.

    Args:
        key: a key, typed or raw.
        shape: shape of the result.
        dtype: a float or complex dtype, float64 by default. Of complex numbers, both parts have variance 1/2.

    >>> import jitney
    >>> jitney.random.normal(jitney.random.key(0), (3, 2)).shape
    (3, 2)
    """
    dtype = float_dtype("normal", dtype, "fc")
    return sample(_normal, key_of("normal", key), shape=shape_of("normal", shape), dtype=dtype)


def _normal(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if dtype.kind == "c":
        real, imag = (_normal(k, shape=shape, dtype=dtypes.real_dtype(dtype)) for k in split_key(key))
        return lax.complex(real, imag) / dtype.type(math.sqrt(2))
    below, one, root = _normal_constants(dtype)
    u = sampling.uniform(key, shape, dtype, below, one)
    if dtype.itemsize >= 4 and sampling.is_small(key, shape):
        out = np.asarray(_np_erf_inv()(u._np))
        return _ext.wrap(np.multiply(out, root, out=out))
    return root * lax.erf_inv(u)


@lru_cache(maxsize=16)
def _normal_constants(dtype: np.dtype) -> tuple[Any, Any, Any]:
    """The number next to -1, 1, and the root of 2."""
    minus_one = dtype.type(-1)
    if dtype.kind == "f":
        below = np.nextafter(minus_one, dtype.type(0), dtype=dtype)
    else:  # bfloat16 and kin
        below = minus_one + dtype.type(finfo(dtype).epsneg)
    return below, dtype.type(1), dtype.type(math.sqrt(2))


@lru_cache(maxsize=1)
def _np_erf_inv() -> Any:
    from scipy.special import erfinv

    return erfinv


def lognormal(
    key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Exponentials of normal numbers of standard deviation ``sigma``."""
    dtype = float_dtype("lognormal", dtype)
    sigma = parameter("lognormal", sigma, dtype)
    shape = common_shape("lognormal", shape, sigma)
    return sample(_lognormal, key_of("lognormal", key), sigma, shape=shape, dtype=dtype)


def _lognormal(key: Any, sigma: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return jnp.exp(_normal(key, shape=shape, dtype=dtype) * sigma)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Normal numbers that lie in ``(lower, upper)``.

    Args:
        key: a key, typed or raw.
        lower, upper: bounds, numbers or arrays.
        shape: shape of the result, the bounds' by default.
        dtype: a float dtype, float64 by default.

    Raises:
        ValueError: if the bounds do not broadcast to ``shape``.
    """
    dtype = float_dtype("truncated_normal", dtype)
    lower, upper = (parameter("truncated_normal", x, dtype) for x in (lower, upper))
    shape = common_shape("truncated_normal", shape, lower, upper)
    return sample(_truncated_normal, key_of("truncated_normal", key), lower, upper, shape=shape, dtype=dtype)


def _truncated_normal(key: Any, lower: Any, upper: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    root = dtype.type(math.sqrt(2))
    at_lower, at_upper = lax.erf(lower / root), lax.erf(upper / root)
    out = root * lax.erf_inv(sampling.uniform(key, shape, dtype, at_lower, at_upper))
    inside = (
        jnp.nextafter(stop_gradient_leaf(bound), dtype.type(to))
        for bound, to in ((lower, math.inf), (upper, -math.inf))
    )
    return jnp.clip(out, *inside)


# -- by the inverse of the distribution function ----------------------------------------------------------


def exponential(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Exponentially distributed numbers of mean 1."""
    dtype = float_dtype("exponential", dtype)
    return sample(_exponential, key_of("exponential", key), shape=shape_of("exponential", shape), dtype=dtype)


def _exponential(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return -jnp.log1p(-sampling.uniform01(key, shape, dtype))


def gumbel(
    key: Any, shape: Any = (), dtype: Any = None, mode: Any = None, *, out_sharding: Any = None
) -> Any:
    """Numbers of the Gumbel distribution, ``exp(-exp(-x))``.

    Args:
        key: a key, typed or raw.
        shape: shape of the result.
        dtype: a float dtype, float64 by default.
        mode: ``"high"`` draws two numbers for each and resolves the upper tail better; ``"low"`` by default.
    """
    dtype = float_dtype("gumbel", dtype)
    if mode not in (None, "low", "high"):
        raise ValueError(f"Must provide valid mode for gumbel: 'low' or 'high', got {mode!r}.")
    shape = shape_of("gumbel", shape)
    return sample(_gumbel, key_of("gumbel", key), shape=shape, dtype=dtype, high=mode == "high")


def _gumbel(key: Any, *, shape: tuple[int, ...], dtype: np.dtype, high: bool) -> Any:
    tiny = dtype.type(finfo(dtype).tiny)
    if not high:
        return -jnp.log(-jnp.log(sampling.uniform(key, shape, dtype, tiny, dtype.type(1))))
    both = sampling.uniform01(key, (2, *shape), dtype)
    coarse, fine = both[0], both[1]
    fine = coarse + dtype.type(finfo(dtype).eps) * fine + tiny
    return -jnp.log(-jnp.log1p(-jnp.where(coarse >= 0.5, coarse, fine)))


def laplace(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the Laplace distribution, of density ``exp(-|x|) / 2``."""
    dtype = float_dtype("laplace", dtype)
    return sample(_laplace, key_of("laplace", key), shape=shape_of("laplace", shape), dtype=dtype)


def _laplace(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = sampling.uniform(key, shape, dtype, dtype.type(-1) + dtype.type(finfo(dtype).epsneg), dtype.type(1))
    return jnp.sign(u) * jnp.log1p(-jnp.abs(u))


def cauchy(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the Cauchy distribution, of density ``1 / (pi (1 + x**2))``."""
    dtype = float_dtype("cauchy", dtype)
    return sample(_cauchy, key_of("cauchy", key), shape=shape_of("cauchy", shape), dtype=dtype)


def _cauchy(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = sampling.uniform(key, shape, dtype, dtype.type(finfo(dtype).eps), dtype.type(1))
    return jnp.tan(dtype.type(math.pi) * (u - dtype.type(0.5)))


def logistic(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the logistic distribution, ``1 / (1 + exp(-x))``."""
    dtype = float_dtype("logistic", dtype)
    return sample(_logistic, key_of("logistic", key), shape=shape_of("logistic", shape), dtype=dtype)


def _logistic(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = sampling.uniform(key, shape, dtype, dtype.type(finfo(dtype).tiny), dtype.type(1))
    return jnp.log(u) - jnp.log1p(-u)


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the Pareto distribution, of density ``b / x**(b + 1)`` for x > 1."""
    dtype = float_dtype("pareto", dtype)
    b = parameter("pareto", b, dtype)
    return sample(_pareto, key_of("pareto", key), b, shape=common_shape("pareto", shape, b), dtype=dtype)


def _pareto(key: Any, b: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return jnp.exp(_exponential(key, shape=shape, dtype=dtype) / b)


def rayleigh(key: Any, scale: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Lengths of pairs of normal numbers of standard deviation ``scale``."""
    dtype = float_dtype("rayleigh", dtype)
    scale = parameter("rayleigh", scale, dtype)
    shape = common_shape("rayleigh", shape, scale)
    return sample(_rayleigh, key_of("rayleigh", key), scale, shape=shape, dtype=dtype)


def _rayleigh(key: Any, scale: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return scale * jnp.sqrt(jnp.log(sampling.uniform01(key, shape, dtype)) * dtype.type(-2))


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the Weibull distribution, ``1 - exp(-(x / scale)**concentration)``."""
    dtype = float_dtype("weibull_min", dtype)
    shape = shape_of("weibull_min", shape)
    scale, concentration = (parameter("weibull_min", x, dtype) for x in (scale, concentration))
    key = key_of("weibull_min", key)
    return sample(_weibull_min, key, scale, concentration, shape=shape, dtype=dtype)


def _weibull_min(key: Any, scale: Any, concentration: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return jnp.power(_exponential(key, shape=shape, dtype=dtype), dtype.type(1) / concentration) * scale


def triangular(
    key: Any,
    left: Any,
    mode: Any,
    right: Any,
    shape: Any = None,
    dtype: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Numbers in ``[left, right]`` whose density rises linearly up to ``mode`` and falls linearly from there."""
    dtype = float_dtype("triangular", dtype)
    left, mode, right = (parameter("triangular", x, dtype) for x in (left, mode, right))
    shape = common_shape("triangular", shape, left, mode, right)
    return sample(_triangular, key_of("triangular", key), left, mode, right, shape=shape, dtype=dtype)


def _triangular(
    key: Any, left: Any, mode: Any, right: Any, *, shape: tuple[int, ...], dtype: np.dtype
) -> Any:
    u = sampling.uniform01(key, shape, dtype)
    rising = left + jnp.sqrt(u * (right - left) * (mode - left))
    falling = right - jnp.sqrt((1 - u) * (right - left) * (right - mode))
    return jnp.where(u < (mode - left) / (right - left), rising, falling)


# -- from normal numbers --------------------------------------------------------------------------------


def maxwell(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Lengths of triples of normal numbers of mean 0 and variance 1."""
    dtype = float_dtype("maxwell", dtype)
    return sample(_maxwell, key_of("maxwell", key), shape=shape_of("maxwell", shape), dtype=dtype)


def _maxwell(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    triples = _normal(key, shape=(*shape, 3), dtype=dtype)
    return jnp.sqrt(jnp.sum(triples * triples, -1))


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Maxwell-distributed numbers of either sign, times ``scale``, plus ``loc``."""
    dtype = float_dtype("double_sided_maxwell", dtype)
    loc, scale = (parameter("double_sided_maxwell", x, dtype) for x in (loc, scale))
    shape = shape_of("double_sided_maxwell", shape)
    shape = shape + np.broadcast_shapes(loc.shape, scale.shape)
    key = key_of("double_sided_maxwell", key)
    return sample(_double_sided_maxwell, key, loc, scale, shape=shape, dtype=dtype)


def _double_sided_maxwell(key: Any, loc: Any, scale: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    for_size, for_sign = split_key(key)
    signs = rademacher(for_sign, shape, np.dtype("i8"))
    return jnp.astype(signs, dtype) * _maxwell(for_size, shape=shape, dtype=dtype) * scale + loc


def wald(key: Any, mean: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the Wald (inverse Gaussian) distribution of scale 1 and given mean."""
    dtype = float_dtype("wald", dtype)
    mean = parameter("wald", mean, dtype)
    return sample(_wald, key_of("wald", key), mean, shape=common_shape("wald", shape, mean), dtype=dtype)


def _wald(key: Any, mean: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """By the method of Michael, Schucany and Haas, "Generating random variates", Am. Stat. 30 (1976)."""
    for_normal, for_uniform = split_key(key)
    v = _normal(for_normal, shape=shape, dtype=dtype)
    z = sampling.uniform01(for_uniform, shape, dtype)
    y = v * v
    small = mean + mean * mean * y / 2 - mean / 2 * jnp.sqrt(4 * mean * y + mean * mean * y * y)
    return jnp.where(z <= mean / (mean + small), small, mean * mean / small)
