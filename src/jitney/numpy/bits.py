"""``packbits`` and ``unpackbits``: eight bits to a byte."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney.numpy import conversion, creation, manipulation, padding, reductions
from jitney.numpy.operands import array_operand, to_axis

__all__ = ["packbits", "unpackbits"]


def _weights(bitorder: str) -> Any:
    """How far each bit of a byte is shifted."""
    if bitorder not in ("little", "big"):
        raise ValueError(f"bitorder must be 'little' or 'big', got {bitorder!r}.")
    places = creation.arange(8, dtype=np.uint8)
    return places if bitorder == "little" else places[::-1]


def _along(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    """The array and its axis; flat for None."""
    x = array_operand(name, a)
    if axis is None or get_aval(x).ndim == 0:
        return manipulation.ravel(x), 0
    return x, to_axis(axis, get_aval(x).ndim)


def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Any:
    """Eight elements along ``axis`` as the bits of one uint8; what lacks at the end counts as 0.

    Args:
        a: integers or booleans; every nonzero element is a 1.
        axis: the axis, or None for the flattened array.
        bitorder: ``"big"``: the first element is the highest bit; ``"little"``: the lowest.

    Raises:
        TypeError: neither integers nor booleans.
        ValueError: an unknown ``bitorder``.

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.packbits(jnp.array([1, 0, 0, 0, 0, 0, 1, 1, 1]))
        Array([131, 128], dtype=uint8)
    """
    shifts = _weights(bitorder)
    x, place = _along("packbits", a, axis)
    if get_aval(x).dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    bits = conversion.astype(manipulation.moveaxis(x != 0, place, -1), np.uint8)
    size = get_aval(bits).shape[-1]
    bits = padding.pad(bits, [(0, 0)] * (get_aval(bits).ndim - 1) + [(0, -size % 8)])
    rows = manipulation.reshape(bits, (*get_aval(bits).shape[:-1], -(-size // 8), 8))
    packed = reductions.sum(rows << shifts, axis=-1, dtype=np.uint8)
    return manipulation.moveaxis(packed, -1, place)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """The bits of uint8 numbers as numbers 0 and 1 (uint8), eight along ``axis`` for each.

    Args:
        a: an array of uint8.
        axis: the axis, or None for the flattened array.
        count: how many to keep (more are 0); negative: how many to cut off at the end.
        bitorder: ``"big"``: the highest bit first; ``"little"``: the lowest.

    Raises:
        TypeError: not uint8.
        ValueError: an unknown ``bitorder``.

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.unpackbits(jnp.array([131], jnp.uint8), count=4)
        Array([1, 0, 0, 0], dtype=uint8)
    """
    shifts = _weights(bitorder)
    x, place = _along("unpackbits", a, axis)
    if get_aval(x).dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    rows = manipulation.moveaxis(x, place, -1)
    bits = (rows[..., None] >> shifts) & np.uint8(1)
    bits = manipulation.reshape(bits, (*get_aval(rows).shape[:-1], 8 * get_aval(rows).shape[-1]))
    size = get_aval(bits).shape[-1]
    if count is not None:
        kept = count if count >= 0 else max(size + count, 0)
        bits = bits[..., :kept]
        bits = padding.pad(bits, [(0, 0)] * (get_aval(bits).ndim - 1) + [(0, max(kept - size, 0))])
    return manipulation.moveaxis(bits, -1, place)
