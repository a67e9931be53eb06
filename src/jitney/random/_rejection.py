"""Distributions by rejection: gamma and what is made of it, Poisson numbers.

Each number has a key of its own, from which its loop draws until a proposal is accepted: G. Marsaglia and W. Tsang,
"A simple method for generating gamma variables", ACM Trans. Math. Softw. 26 (2000); W. Hormann, "The transformed
rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.vmap import vmap
from jitney._base.dtypes import KEY, is_key
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions, raw
from jitney._ops.keys import random_split_p
from jitney.numpy.operands import array_operand, broadcast_to
from jitney.random import _sampling as sampling
from jitney.random._continuous import _normal
from jitney.random._sampling import common_shape, float_dtype, int_dtype, key_of, parameter, split_key

__all__ = ["beta", "chisquare", "dirichlet", "f", "gamma", "loggamma", "poisson", "random_gamma_p", "t"]


def _sample(core: Callable[..., Any], *args: Any, **static: Any) -> Any:
    """``core(*args, **static)``, in eager code always as a compiled function: loops are slow in Python."""
    if current_trace() is None:
        return sampling._compiled(core, tuple(static))(*args, **static)
    return core(*args, **static)


# -- gamma --------------------------------------------------------------------------------------------------

# Keys of a shape with which that of ``a`` begins; every number gets a key of its own from them.
random_gamma_p = Primitive("random_gamma")


def _gamma_abstract(keys: ShapedArray, a: ShapedArray, *, log_space: bool) -> ShapedArray:
    if not is_key(keys.dtype) or a.shape[: keys.ndim] != keys.shape:
        raise TypeError(
            f"random_gamma requires keys and parameters that begin with their shape, got {keys.str_short()} and {a.str_short()}."
        )
    return shaped_array(a.shape, a.dtype)


def _gamma_expand(keys: Any, a: Any, *, log_space: bool) -> Any:
    shape = get_aval(a).shape
    own = random_split_p.bind(keys, shape=shape[get_aval(keys).ndim :])
    if not get_aval(a).size:
        return a
    size = math.prod(shape)
    flat = raw.reshape(own, (size,)), raw.reshape(a, (size,))
    one = lambda pair: _one_gamma(pair[0], pair[1], log_space)
    # A batch of keys of four words would draw from its first.
    found = vmap(one)(flat) if get_aval(keys).dtype is KEY else lax.map(one, flat)
    return raw.reshape(found, shape)


def _one_gamma(key: Any, a: Any, log_space: bool) -> Any:
    """One number. Below 1, a number of parameter ``a + 1`` is scaled by a power of a uniform one."""
    dtype = get_aval(a).dtype
    one = dtype.type(1)
    large = a >= one
    d = jnp.where(large, a, a + one) - dtype.type(1 / 3)
    c = dtype.type(1 / 3) / jnp.sqrt(d)
    key, for_boost = split_key(key)

    def rejected(state: tuple) -> Any:
        _, square, v, u = state
        outside = u >= one - dtype.type(0.0331) * (square * square)
        return jnp.logical_and(outside, jnp.log(u) >= square * dtype.type(0.5) + d * (one - v + jnp.log(v)))

    def propose(state: tuple) -> tuple:
        key, for_normal, for_uniform = split_key(state[0], 3)
        _, x, v = lax.while_loop(
            lambda inner: inner[2] <= 0,
            lambda inner: draw(inner[0]),
            (for_normal, dtype.type(0), dtype.type(-1)),
        )
        return key, x * x, v * v * v, sampling.uniform01(for_uniform, (), dtype)

    def draw(key: Any) -> tuple:
        key, subkey = split_key(key)
        x = _normal(subkey, shape=(), dtype=dtype)
        return key, x, one + x * c

    start = (key, dtype.type(0), one, dtype.type(2))
    _, _, v, _ = lax.while_loop(rejected, propose, start)
    rest = one - sampling.uniform01(for_boost, (), dtype)
    if log_space:
        boost = jnp.where(large, dtype.type(0), jnp.log(rest) * (one / a))
        return jnp.log(d) + jnp.log(v) + boost
    return d * v * jnp.where(large, one, jnp.power(rest, one / a))


def _gamma_jvp(primals: Any, tangents: Any, *, log_space: bool) -> tuple[Any, Any]:
    """At a fixed value of the distribution function: ``dx = -dF/da / density`` (M. Figurnov et al., 2018)."""
    (keys, a), (_, g) = primals, tangents
    out = random_gamma_p.bind(keys, a, log_space=log_space)
    if type(g) is Zero:
        return out, Zero.of(out)
    if not log_space:
        return out, ew.mul(g, gamma_functions.random_gamma_grad_p.bind(a, out))
    x = jnp.exp(out)
    tiny = x < np.finfo(get_aval(x).dtype).tiny
    slope = gamma_functions.random_gamma_grad_p.bind(a, jnp.where(tiny, 1, x)) / jnp.where(tiny, 1, x)
    # F(x) = x**a / gamma(a + 1) for small x
    return out, ew.mul(g, jnp.where(tiny, (lax.digamma(a + 1) - out) / a, slope))


def _gamma_batch(size: int, args: Any, dims: Any, *, log_space: bool) -> tuple[Any, int]:
    """Unbatched keys mean that all examples draw the same numbers, from parameters of their own."""
    keys, a = raw.batches_first(args, dims, size)
    return random_gamma_p.bind(keys, a, log_space=log_space), 0


random_gamma_p.abstract = _gamma_abstract
random_gamma_p.expand = _gamma_expand
random_gamma_p.jvp = _gamma_jvp
random_gamma_p.batch = _gamma_batch


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the gamma distribution, of density proportional to ``x**(a - 1) exp(-x)``.

    Args:
        key: a key, typed or raw.
        a: parameter, a number or array; derivatives with respect to it are those at a fixed value of the
            distribution function.
        shape: shape of the result, that of ``a`` by default.
        dtype: a float dtype, float64 by default.

    Raises:
        ValueError: if ``a`` does not broadcast to ``shape``.
    """
    return _gamma_call("gamma", key, a, shape, dtype, False)


def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Logarithms of gamma-distributed numbers, accurate where these are too small for a float."""
    return _gamma_call("loggamma", key, a, shape, dtype, True)


def _gamma_call(name: str, key: Any, a: Any, shape: Any, dtype: Any, log_space: bool) -> Any:
    dtype = float_dtype(name, dtype)
    a = parameter(name, a, dtype)
    return _sample(_gamma, key_of(name, key), a, shape=common_shape(name, shape, a), log_space=log_space)


def _gamma(key: Any, a: Any, *, shape: tuple[int, ...], log_space: bool) -> Any:
    return random_gamma_p.bind(key, broadcast_to(a, shape), log_space=log_space)


# -- made of gamma numbers --------------------------------------------------------------------------------


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the beta distribution, of density proportional to ``x**(a - 1) (1 - x)**(b - 1)``."""
    dtype = float_dtype("beta", dtype)
    a, b = (parameter("beta", x, dtype) for x in (a, b))
    return _sample(_beta, key_of("beta", key), a, b, shape=common_shape("beta", shape, a, b))


def _beta(key: Any, a: Any, b: Any, *, shape: tuple[int, ...]) -> Any:
    logs = [_gamma(k, x, shape=shape, log_space=True) for k, x in zip(split_key(key), (a, b), strict=True)]
    greatest = jnp.maximum(*logs)
    x, y = (jnp.exp(log - greatest) for log in logs)
    return x / (x + y)


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Vectors of the Dirichlet distribution, whose components sum to 1.

    Args:
        key: a key, typed or raw.
        alpha: parameters ``[..., n]``.
        shape: shape of the result without the last axis, ``alpha.shape[:-1]`` by default.
        dtype: a float dtype, float64 by default.
    """
    dtype = float_dtype("dirichlet", dtype)
    alpha = parameter("dirichlet", alpha, dtype)
    sizes = get_aval(alpha).shape
    if not sizes:
        raise ValueError(f"dirichlet requires alpha.ndim >= 1, got alpha.ndim == {len(sizes)}")
    rows = ShapedArray(sizes[:-1], dtype)
    shape = (*common_shape("dirichlet", shape, rows), sizes[-1])
    return _sample(_dirichlet, key_of("dirichlet", key), alpha, shape=shape)


def _dirichlet(key: Any, alpha: Any, *, shape: tuple[int, ...]) -> Any:
    logs = _gamma(key, alpha, shape=shape, log_space=True)
    weights = jnp.exp(logs - lax.stop_gradient(jnp.max(logs, -1, keepdims=True)))
    return weights / jnp.sum(weights, -1, keepdims=True)


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the chi-square distribution of ``df`` degrees of freedom."""
    dtype = float_dtype("chisquare", dtype)
    df = parameter("chisquare", df, dtype)
    return _sample(_chisquare, key_of("chisquare", key), df, shape=common_shape("chisquare", shape, df))


def _chisquare(key: Any, df: Any, *, shape: tuple[int, ...]) -> Any:
    return jnp.exp(_gamma(key, df / 2, shape=shape, log_space=True)) * 2


def f(
    key: Any, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Numbers of the F distribution: ratios of chi-square numbers, each by its degrees of freedom."""
    dtype = float_dtype("f", dtype)
    dfnum, dfden = (parameter("f", x, dtype) for x in (dfnum, dfden))
    return _sample(_f, key_of("f", key), dfnum, dfden, shape=common_shape("f", shape, dfnum, dfden))


def _f(key: Any, dfnum: Any, dfden: Any, *, shape: tuple[int, ...]) -> Any:
    for_den, for_num = split_key(key)
    return (_chisquare(for_num, dfnum, shape=shape) / dfnum) / (
        _chisquare(for_den, dfden, shape=shape) / dfden
    )


def t(key: Any, df: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of Student's t distribution of ``df`` degrees of freedom."""
    dtype = float_dtype("t", dtype)
    df = parameter("t", df, dtype)
    return _sample(_t, key_of("t", key), df, shape=common_shape("t", shape, df))


def _t(key: Any, df: Any, *, shape: tuple[int, ...]) -> Any:
    for_normal, for_gamma = split_key(key)
    half = df / 2
    spread = jnp.sqrt(half / _gamma(for_gamma, half, shape=shape, log_space=False))
    return _normal(for_normal, shape=shape, dtype=get_aval(df).dtype) * spread


# -- Poisson ------------------------------------------------------------------------------------------------


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Numbers of the Poisson distribution of mean ``lam``.

    Args:
        key: a key, typed or raw.
        lam: mean, a number or array, not negative.
        shape: shape of the result, that of ``lam`` by default.
        dtype: an integer dtype, int64 by default.

    Raises:
        ValueError: if ``lam`` does not broadcast to ``shape``.
    """
    dtype = int_dtype("poisson", dtype)
    lam = array_operand("poisson", lam)
    shape = common_shape("poisson", shape, lam)
    return _sample(_poisson, key_of("poisson", key), lam, shape=shape, dtype=dtype)


def _poisson(key: Any, lam: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Small means by products of uniform numbers, large ones by rejection, in single precision as JAX does."""
    lam = ew.convert(broadcast_to(lam, shape), np.dtype("f4"))
    few = jnp.logical_or(jnp.isnan(lam), lam < 10)
    small = _count_products(key, jnp.where(few, lam, np.float32(0)), dtype)
    large = _reject_poisson(key, jnp.where(few, np.float32(1e5), lam), dtype)
    return jnp.where(lam == 0, dtype.type(0), jnp.where(few, small, large))


def _count_products(key: Any, lam: Any, dtype: np.dtype) -> Any:
    """How many uniform numbers it takes for their product to fall below ``exp(-lam)`` (D. Knuth)."""
    shape = get_aval(lam).shape

    def step(state: tuple) -> tuple:
        key, count, total = state
        key, subkey = split_key(key)
        count = jnp.where(total > -lam, count + dtype.type(1), count)
        return key, count, total + jnp.log(sampling.uniform01(subkey, shape, lam.dtype))

    start = key, raw.full(shape, 0, dtype), raw.full(shape, 0, lam.dtype)
    _, count, _ = lax.while_loop(lambda state: jnp.any(state[2] > -lam), step, start)
    return count - dtype.type(1)


def _reject_poisson(key: Any, lam: Any, dtype: np.dtype) -> Any:
    shape, single = get_aval(lam).shape, np.float32
    log_lam = jnp.log(lam)
    b = single(0.931) + single(2.53) * jnp.sqrt(lam)
    a = single(-0.059) + single(0.02483) * b
    inverse_alpha = single(1.1239) + single(1.1328) / (b - single(3.4))
    bound = single(0.9277) - single(3.6224) / (b - single(2))

    def step(state: tuple) -> tuple:
        key, result, done = state
        key, first, second = split_key(key, 3)
        u = sampling.uniform01(first, shape, lam.dtype) - single(0.5)
        v = sampling.uniform01(second, shape, lam.dtype)
        room = single(0.5) - jnp.abs(u)
        k = jnp.floor((single(2) * a / room + b) * u + lam + single(0.43))
        s = jnp.log(v * inverse_alpha / (a / (room * room) + b))
        limit = -lam + k * log_lam - lax.lgamma(k + single(1))
        at_once = jnp.logical_and(room >= single(0.07), v <= bound)
        refused = jnp.logical_or(k < 0, jnp.logical_and(room < single(0.013), v > room))
        accept = jnp.logical_or(at_once, jnp.logical_and(jnp.logical_not(refused), s <= limit))
        return key, jnp.where(accept, k, result), jnp.logical_or(done, accept)

    start = key, raw.full(shape, -1, lam.dtype), raw.full(shape, False, np.dtype(bool))
    _, result, _ = lax.while_loop(lambda state: jnp.any(jnp.logical_not(state[2])), step, start)
    return ew.convert(result, dtype)
