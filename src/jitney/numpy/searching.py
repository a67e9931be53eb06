"""Choice by condition: ``where`` in both its forms, ``compress``."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney.numpy import elementwise as el
from jitney.numpy import manipulation, selecting
from jitney.numpy.creation import array
from jitney.numpy.gathering import take
from jitney.numpy.operands import array_operand, refuse_out, to_axis

__all__ = [
    "compress",
    "where",
]


def where(
    condition: Any, x: Any = None, y: Any = None, /, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """``x`` where ``condition``, else ``y``; with the condition alone, the indices where it holds.

    Args:
        condition: booleans (or numbers: true where nonzero).
        x, y: arrays or scalars that broadcast with ``condition``; dtypes are promoted.
        size, fill_value: of the indices, as of ``nonzero``; only with the condition alone.

    Both sides are computed, and both are differentiated: an ``x`` that is NaN where ``condition`` is False gives a
    NaN derivative. Replace the argument instead: ``where(c, f(where(c, x, 1.0)), 0.0)``.

    >>> import jitney.numpy as jnp
    >>> jnp.where(jnp.array([True, False]), 1.0, 2.0)
    Array([1., 2.], dtype=float64, weak_type=True)
    """
    if x is None and y is None:
        return selecting.nonzero(condition, size=size, fill_value=fill_value)
    if size is not None or fill_value is not None:
        raise ValueError("size and fill_value arguments cannot be used in three-term where function.")
    if x is None or y is None:
        raise ValueError(
            "Either both or neither of the x and y arguments should be provided to jax.numpy.where."
        )
    return el.choose(condition, x, y)


def compress(
    condition: Any,
    a: Any,
    axis: int | None = None,
    *,
    size: int | None = None,
    fill_value: Any = 0,
    out: Any = None,
) -> Any:
    """The slices of ``a`` along ``axis`` where the vector ``condition`` holds (of the flat array if None)."""
    refuse_out("compress", out)
    mask = array(condition) if isinstance(condition, (list, tuple)) else array_operand("compress", condition)
    if get_aval(mask).ndim != 1:
        raise ValueError("condition must be a 1D array")
    x = array_operand("compress", a, 1)
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = to_axis(axis, get_aval(x).ndim)
    n = get_aval(x).shape[axis]
    kept = mask[:n]
    if size is None and axis == 0 and selecting.is_unknown(kept):
        return x[kept.astype(bool)]
    if size is None:
        (order,) = selecting.nonzero(kept)
        return take(x, order, axis, mode="clip")
    (order,) = selecting.nonzero(kept, size=size, fill_value=n)
    return take(x, order, axis, mode="fill", fill_value=np.asarray(fill_value, get_aval(x).dtype)[()])
