"""``ds``: a slice by its start and its size."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney._core.trace import Tracer, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw


def ds(start: Any, size: Any = None, stride: int | None = None) -> Any:
    """An index for ``size`` elements from ``start`` on, ``stride`` apart; ``ds(size)`` begins at 0.

    A known start gives a Python slice. A traced one gives the array of the places, so that those behind the end follow the
    rule for indices that are out of bounds.

    Raises:
        TypeError: ``size`` is traced: shapes must be known.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.jit(lambda x, i: x[jitney.ds(i, 2)])(jnp.arange(5), 3)
        Array([3, 4], dtype=int64)
    """
    if size is None:
        start, size = 0, start
    if isinstance(size, Tracer):
        raise TypeError("ds: the size must be known while tracing; only the start may be traced.")
    size, step = operator.index(size), 1 if stride is None else operator.index(stride)
    if not isinstance(start, Tracer):
        first = operator.index(start)
        return slice(first, first + size * step, step)
    dtype = get_aval(start).dtype
    places = raw.iota(dtype, (size,))
    if step != 1:
        places = ew.mul(places, np.asarray(step, dtype))
    return ew.add(places, start)
