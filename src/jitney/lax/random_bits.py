"""Random bits from a state that the program carries on: rng_bit_generator."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._ops.counter_ciphers import DEFAULT, PHILOX, THREE_FRY, rng_bit_generator_p
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import to_shape

__all__ = ["RandomAlgorithm", "rng_bit_generator", "rng_bit_generator_p"]


class RandomAlgorithm(enum.IntEnum):
    """The ciphers of ``rng_bit_generator``; the default is Philox, as on every CPU of JAX's."""

    RNG_DEFAULT = DEFAULT
    RNG_THREE_FRY = THREE_FRY
    RNG_PHILOX = PHILOX

    def __str__(self) -> str:
        return self.name


def rng_bit_generator(
    key: Any,
    shape: Any,
    dtype: Any = np.uint32,
    algorithm: RandomAlgorithm = RandomAlgorithm.RNG_DEFAULT,
    *,
    out_sharding: Any = None,
) -> tuple[Any, Any]:
    """The state after, and random unsigned integers.

    Args:
        key: the state, ``uint32[4]`` or ``uint64[2]``: a key, then a counter.
        shape: shape of the numbers.
        dtype: uint8, uint16, uint32 or uint64.
        algorithm: the cipher.

    Raises:
        TypeError: for other states or dtypes.

    Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).

    >>> import jitney.numpy as jnp
    >>> from jitney import lax
    >>> lax.rng_bit_generator(jnp.array([1, 2, 3, 4], jnp.uint32), (2,))[1]
    Array([ 512747620, 1298009047], dtype=uint32)
    """
    made = dtypes.requested(dtype)
    if made.kind != "u":
        raise TypeError(
            f"rng_bit_generator: unsupported dtype {made.name}; it makes uint8, uint16, uint32 and uint64."
        )
    return tuple(
        rng_bit_generator_p.bind(
            as_operand("rng_bit_generator", key),
            shape=to_shape("rng_bit_generator", shape),
            dtype=made,
            algorithm=RandomAlgorithm(algorithm),
            out_sharding=out_sharding,
        )
    )
