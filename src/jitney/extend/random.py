"""``jitney.extend.random``: the key implementation and its cipher, for libraries that make keys of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import of as _unsupported
from jitney._base.lazily import at_first_use as _at_first_use
from jitney._core.trace import get_aval as _get_aval
from jitney._ops import raw as _raw
from jitney._ops.counter_ciphers import threefry2x32_p
from jitney._ops.keys import FRY as threefry_prng_impl
from jitney._ops.keys import RBG as rbg_prng_impl
from jitney._ops.keys import UNSAFE_RBG as unsafe_rbg_prng_impl
from jitney._ops.keys import Implementation as _Implementation
from jitney._ops.keys import random_seed_p as _random_seed_p
from jitney.lax.operands import operand as _as_operand
from jitney.random import key as _key
from jitney.random._keys import implementation_named as _implementation_named

__all__ = [
    "random_seed",
    "rbg_prng_impl",
    "seed_with_impl",
    "threefry2x32_p",
    "threefry_2x32",
    "threefry_prng_impl",
    "unsafe_rbg_prng_impl",
]


def seed_with_impl(impl: _Implementation, seed: Any) -> Any:
    """A key of ``impl`` from the integer ``seed``.

    >>> from jitney.extend import random
    >>> random.seed_with_impl(random.threefry_prng_impl, 3).dtype
    key<fry>
    """
    return _key(seed, impl=impl)


def random_seed(seeds: Any, impl: _Implementation) -> Any:
    """Keys of ``impl`` from an integer or an array of integers."""
    known = _implementation_named(impl)
    return _random_seed_p.bind(_as_operand("random_seed", seeds), impl=known)


def threefry_2x32(keypair: Any, count: Any) -> Any:
    """The numbers ``count``, uint32, encrypted under two words of a key by Threefry-2x32 with 20 rounds.

    The first half of the numbers and the second are the two words of blocks.

    Raises:
        TypeError: if the arguments are not of dtype uint32.

    Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).

    >>> import jitney.numpy as jnp
    >>> from jitney.extend import random
    >>> random.threefry_2x32(jnp.array([1, 2], jnp.uint32), jnp.arange(2, dtype=jnp.uint32))
    Array([ 407654530, 1797281580], dtype=uint32)
    """
    k0, k1, x = (_as_operand("threefry_2x32", v) for v in (*_parts(keypair), count))
    found = [_get_aval(v).dtype for v in (k0, k1, x)]
    if any(dtype != np.uint32 for dtype in found):
        raise TypeError(f"threefry_2x32 requires uint32 arguments, got {', '.join(d.name for d in found)}.")
    shape, size = _get_aval(x).shape, _get_aval(x).size
    flat, half = _raw.reshape(x, (size,)), -(-size // 2)
    if size % 2:
        flat = _raw.concatenate([flat, _raw.full((1,), 0, np.dtype(np.uint32))], 0)
    halves = [_raw.slice_(flat, (i * half,), ((i + 1) * half,)) for i in range(2)]
    out = _raw.concatenate(threefry2x32_p.bind(k0, k1, *halves), 0)
    return _raw.reshape(_raw.slice_(out, (0,), (size,)), shape)


def _parts(keypair: Any) -> tuple[Any, Any]:
    if isinstance(keypair, (tuple, list)):
        return keypair[0], keypair[1]
    words = _as_operand("threefry_2x32", keypair)
    if _get_aval(words).shape != (2,):
        raise TypeError(f"threefry_2x32 requires a pair of words, got {_get_aval(words).str_short()}.")
    return tuple(_raw.reshape(_raw.slice_(words, (i,), (i + 1,)), ()) for i in range(2))


_expose(globals())

__getattr__, __dir__ = _at_first_use(globals(), {}, otherwise=_unsupported("extend.random"))
