"""Binomial and multinomial numbers.

Small means count how many geometric numbers fit (L. Devroye, "Non-Uniform Random Variate Generation" (1986), X.4.3); large
ones are proposed and accepted: W. Hormann, "The generation of binomial random variates", J. Stat. Comput. Simul. 46
(1993), algorithm BTRS. All numbers of a call draw until the last one is accepted, so that keys are used as JAX uses them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.numpy.operands import broadcast_to, operands, promote_inexact
from jitney.random import _sampling as sampling
from jitney.random._rejection import _sample
from jitney.random._sampling import common_shape, float_dtype, key_of, parameter, shape_of, split_key

__all__ = ["binomial", "multinomial"]


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = None) -> Any:
    """How many of ``n`` trials succeed, each with probability ``p``.

    Args:
        key: a key, typed or raw.
        n: number of trials, a number or array of whole numbers; infinite gives infinite, negative NaN.
        p: probability, a number or array; outside of 0 and 1 it gives NaN.
        shape: shape of the result, that of ``n`` and ``p`` by default.
        dtype: a float dtype, float64 by default.

    Raises:
        ValueError: if the parameters do not broadcast to ``shape``, or ``dtype`` is no float dtype.

    >>> import jitney
    >>> jitney.random.binomial(jitney.random.key(0), 10, 0.3, shape=(4,)).max() <= 10
    Array(True, dtype=bool)
    """
    dtype = float_dtype("binomial", dtype)
    n, p = _parameters("binomial", n, p)
    shape = common_shape("binomial", shape, n, p)
    return _sample(_binomial, key_of("binomial", key), n, p, shape=shape, dtype=dtype)


def _parameters(name: str, n: Any, p: Any) -> list[Any]:
    """Both in the float dtype in which numbers are drawn: theirs, whatever the result's is."""
    n, p = promote_inexact(*operands(name, n, p))
    return [parameter(name, x, get_aval(n).dtype) for x in (n, p)]


def _binomial(key: Any, n: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    kind = get_aval(n).dtype.type
    n, p = broadcast_to(n, shape), broadcast_to(p, shape)
    rare = p < kind(0.5)  # otherwise failures are counted
    q = jnp.where(rare, p, kind(1) - p)
    bad_n = jnp.logical_or(jnp.isnan(n), n < 0)
    bad_q = jnp.logical_or(jnp.isnan(q), q < 0)
    q = jnp.where(bad_q, kind(0.01), q)
    few = jnp.logical_or(bad_n, n * q <= kind(10))
    whole = jnp.floor(n)
    counted = _count_waits(key, jnp.where(few, whole, kind(0)), q)
    accepted = _accept(key, jnp.where(few, kind(10000), whole), jnp.where(few, kind(0.5), q))
    out = ew.convert(jnp.where(few, counted, accepted), dtype)
    kind, whole = dtype.type, ew.convert(whole, dtype)
    bad = jnp.logical_or(bad_q, bad_n)
    out = jnp.where(bad, kind(math.nan), out)
    endless = jnp.logical_and(jnp.isinf(n), jnp.logical_not(bad))
    out = jnp.where(endless, kind(math.inf), out)
    keep = jnp.logical_or(jnp.logical_or(rare, bad), jnp.isinf(n))
    return jnp.where(keep, out, whole - out)


def _count_waits(key: Any, n: Any, p: Any) -> Any:
    """Successes among ``n`` trials, from the waits between them, which are geometric."""
    shape, dtype = get_aval(n).shape, get_aval(n).dtype
    log_failure = jnp.log1p(-p)

    def step(state: tuple) -> tuple:
        key, count, total = state
        subkey, key = split_key(key)
        count = jnp.where(total <= n, count + dtype.type(1), count)
        wait = jnp.ceil(jnp.log(sampling.uniform01(subkey, shape, dtype)) / log_failure)
        return key, count, total + wait

    start = key, raw.full(shape, 0, dtype), raw.full(shape, 0, dtype)
    _, count, _ = lax.while_loop(lambda state: jnp.any(state[2] <= n), step, start)
    return count - dtype.type(1)


# log(k!) less Stirling's (k + 1/2) log(k + 1) - (k + 1) + log(2 pi)/2
_REST = [
    math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + math.log(2 * math.pi) / 2)
    for k in range(10)
]


def _rest(k: Any) -> Any:
    """The rest of Stirling's formula; from 10 on that of 10, as in JAX: four of them nearly cancel in a sum."""
    dtype = get_aval(k).dtype
    table = jnp.asarray(_REST, dtype)
    last = dtype.type((1 / 12 - (1 / 360 - 1 / 1260 / 100) / 100) / 10)
    small = jnp.clip(k, dtype.type(0), dtype.type(9))
    return jnp.where(k <= dtype.type(9), table[jnp.floor(small).astype(np.int32)], last)


def _accept(key: Any, n: Any, p: Any) -> Any:
    """Proposals under a hat of the shape of a logistic density, until all are accepted."""
    shape, dtype = get_aval(n).shape, get_aval(n).dtype
    kind = dtype.type
    half, one = kind(0.5), kind(1)
    deviation = jnp.sqrt(n * p * (one - p))
    b = kind(1.15) + kind(2.53) * deviation
    a = kind(-0.0873) + kind(0.0248) * b + kind(0.01) * p
    c = n * p + half
    bound = kind(0.92) - kind(4.2) / b
    odds = p / (one - p)
    alpha = (kind(2.83) + kind(5.1) / b) * deviation
    mode = jnp.floor((n + one) * p)
    fixed = (mode + half) * jnp.log((mode + one) / (odds * (n - mode + one)))
    rests = _rest(mode) + _rest(n - mode)

    def step(state: tuple) -> tuple:
        key, result, done = state
        key, first, second = split_key(key, 3)
        u = sampling.uniform01(first, shape, dtype) - half
        v = sampling.uniform01(second, shape, dtype)
        room = half - jnp.abs(u)
        at_once = jnp.logical_and(room >= kind(0.07), v <= bound)
        k = jnp.floor((kind(2) * a / room + b) * u + c)
        outside = jnp.logical_or(k < 0, k > n)
        height = jnp.log(v * alpha / (a / (room * room) + b))
        limit = fixed + (n + one) * jnp.log((n - mode + one) / (n - k + one))
        limit = limit + (k + half) * jnp.log(odds * (n - k + one) / (k + one))
        limit = limit + rests - _rest(k) - _rest(n - k)
        accept = jnp.logical_or(at_once, jnp.logical_and(jnp.logical_not(outside), height <= limit))
        return key, jnp.where(accept, k, result), jnp.logical_or(done, accept)

    start = key, raw.full(shape, -1, dtype), raw.full(shape, False, np.dtype(bool))
    _, result, _ = lax.while_loop(lambda state: jnp.any(jnp.logical_not(state[2])), step, start)
    return result


def multinomial(
    key: Any, n: Any, p: Any, *, shape: Any = None, dtype: Any = None, unroll: int | bool = 1
) -> Any:
    """How often each outcome occurs in ``n`` trials.

    Args:
        key: a key, typed or raw.
        n: number of trials, a number or array that broadcasts to the leading axes of the result.
        p: probabilities ``[..., k]`` of the outcomes, in any scale.
        shape: shape of the result with its last axis, that of ``p`` by default.
        dtype: a float dtype, float64 by default.
        unroll: accepted; the loop over outcomes is compiled as it is.

    Raises:
        ValueError: if ``p`` is a number, or does not broadcast to ``shape``.

    >>> import jitney, jitney.numpy as jnp
    >>> jitney.random.multinomial(jitney.random.key(0), 10, jnp.array([0.2, 0.3, 0.5])).sum()
    Array(10., dtype=float64)
    """
    dtype = float_dtype("multinomial", dtype, "fiu")
    n, p = _parameters("multinomial", n, p)
    sizes = get_aval(p).shape
    if not sizes:
        raise ValueError("multinomial requires probabilities of one axis or more, got a number")
    shape = sizes if shape is None else shape_of("multinomial", shape)
    if not broadcasts(sizes, shape):
        raise ValueError(f"multinomial: probabilities of shape {sizes} do not broadcast to shape {shape}.")
    return _sample(_multinomial, key_of("multinomial", key), n, p, shape=shape, dtype=dtype)


def broadcasts(sizes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array of shape ``sizes`` broadcasts to ``shape``."""
    fits = [have in (1, want) for have, want in zip(sizes[::-1], shape[::-1], strict=False)]
    return len(sizes) <= len(shape) and all(fits)


def _multinomial(key: Any, n: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Each outcome in turn takes a binomial part of the trials that are left."""
    n, p = broadcast_to(n, shape[:-1]), broadcast_to(p, shape)
    axis = len(shape) - 1
    left = lax.cumsum(p, axis, reverse=True)
    share = raw.move_axis(p / jnp.where(left == 0, ew.convert(1, get_aval(p).dtype), left), axis, 0)
    keys = split_key(key, shape[-1]) if shape[-1] else []

    def take(rest: Any, given: tuple) -> tuple:
        key, part = given
        count = _binomial(key, rest, jnp.clip(part, 0, 1), shape=shape[:-1], dtype=get_aval(n).dtype)
        return rest - count, count

    if not shape[-1]:
        return ew.convert(p, dtype)
    _, counts = lax.scan(take, n, (jnp.stack(keys), share))
    return ew.convert(raw.move_axis(counts, 0, axis), dtype)
