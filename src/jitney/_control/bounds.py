"""Guards of indices: ``config.check_bounds``."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._control.guarding import quietly
from jitney._control.guards import require
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.reductions import reduce_max_p, reduce_min_p

_INDEX = np.dtype(np.int64)


def check(shape: tuple[int, ...], axis: int, index: Any, window: int, from_end: bool) -> None:
    """Guard ``index``, of any shape, with which windows of an array of ``shape`` begin along ``axis``.

    The least and the greatest index tell whether one is out of bounds, so that no mask is written.
    """
    aval = get_aval(index)
    if not aval.size:
        return
    size = shape[axis]
    with quietly():
        low, high = _extremes(index, aval)
        below = ew.lt_p.bind(low, _INDEX.type(-size if from_end else 0))
        fails = ew.or_p.bind(below, ew.gt_p.bind(high, _INDEX.type(size - window)))
        shown = raw.select(below, low, high)
    if window == 1:
        text = f"index {{}} is out of bounds for axis {axis} with size {size} of an array of shape {shape}"
    else:
        text = f"a window of size {window} at index {{}} leaves axis {axis} with size {size} of an array of shape {shape}"
    require(fails, IndexError, text, [shown])


def _extremes(index: Any, aval: Any) -> tuple[Any, Any]:
    """The least and the greatest index as int64; what is larger than that is the greatest."""
    if aval.dtype != _INDEX:
        index = ew.convert_element_type_p.bind(index, new_dtype=_INDEX, weak_type=False)
    if aval.dtype == np.uint64:
        index = raw.select(
            ew.lt_p.bind(index, _INDEX.type(0)), raw.full(aval.shape, np.iinfo(_INDEX).max, _INDEX), index
        )
    if not aval.shape:
        return index, index
    axes = tuple(range(len(aval.shape)))
    return reduce_min_p.bind(index, axes=axes), reduce_max_p.bind(index, axes=axes)
