"""``eq_to``, ``lt_to``, ``le_to``: comparisons in the total order of floating-point numbers (IEEE 754, section 5.10).

-nan < -inf < ... < -0.0 < 0.0 < ... < inf < nan: the order of the bits, read as integers with a sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew


def _key(x: Any) -> Any:
    """Integers that order as the numbers do."""
    aval = get_aval(x)
    if aval.dtype.kind in "iub":
        return x
    width = aval.dtype.itemsize * 8
    dtype = np.dtype(f"int{width}")
    bits = ew.bitcast_convert_type_p.bind(x, new_dtype=dtype)
    sign = ew.shift_right_arithmetic_p.bind(bits, np.asarray(width - 1, dtype))
    return ew.xor_p.bind(bits, ew.and_p.bind(sign, np.asarray(np.iinfo(dtype).max, dtype)))


def _order(name: str, compare: Primitive) -> Primitive:
    def abstract(x: ShapedArray, y: ShapedArray) -> ShapedArray:
        for place, aval in enumerate((x, y)):
            if aval.dtype.kind == "c":
                raise TypeError(
                    f"{name} does not accept dtype {aval.dtype.name} at position {place}: it has no order."
                )
        return compare.abstract(x, y)

    made = Primitive(name)
    made.abstract = abstract
    made.expand = lambda x, y: compare.bind(_key(x), _key(y))
    return made


eq_to_p = _order("eq_to", ew.eq_p)
le_to_p = _order("le_to", ew.le_p)
lt_to_p = _order("lt_to", ew.lt_p)

__all__ = ["eq_to_p", "le_to_p", "lt_to_p"]
