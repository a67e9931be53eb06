"""Short last axes, whose elements loops write out: lanes run along the axis before them."""

from __future__ import annotations

import math

LONGEST = 8  # elements of last axes that loops write out
_LANES = 16  # least size of the axis before them


def leading(shape: tuple[int, ...]) -> int:
    """The number of axes ahead of the short last ones; 0 if loops do not write those out."""
    count = len(shape)
    while count and math.prod(shape[count - 1 :]) <= LONGEST:
        count -= 1
    return count if 0 < count < len(shape) and shape[count - 1] >= _LANES else 0


__all__ = ["LONGEST", "leading"]
