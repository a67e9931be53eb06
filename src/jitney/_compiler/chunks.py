"""How long axes are cut into chunks, for threads, for caches and for pairwise sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._kernel import index as ix
from jitney._kernel.builder import Builder
from jitney._kernel.ir import For


def block_extent(b: Builder, n: int, size: int, outer: For) -> tuple[Any, int]:
    """Iterations of the block that ``outer`` is at: ``size``, fewer in the last one."""
    if n % size == 0:
        return size, size
    left = ix.variable(outer.var) * -size + n
    return b.min(b.index_value(left), b.const(size, np.int64)), size


def chunk_size(n: int, wanted: int) -> int:
    """About ``wanted``, a multiple of 64, so that the last chunk is not tiny (its vectors may reach back)."""
    if n <= wanted:
        return n
    size = max(64, wanted // 64 * 64)
    if wanted < 64:
        return wanted
    for candidate in (size, *(size + 64 * k for k in range(1, 64))):
        if n % candidate == 0 or n % candidate >= 64:
            return candidate
    return size
