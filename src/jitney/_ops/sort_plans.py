"""How compiled programs sort: the calls of the extension's routines (``csrc/sorting.cpp``) for ``sort`` and ``top_k``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._kernel.rules import RoutineCall

MOST = 2**32 - 1  # places are held in 32 bits
KINDS = {"b": 0, "u": 0, "i": 1, "f": 2}


def key_type(dtype: np.dtype) -> tuple[int, int]:
    """Bytes and kind of a key, as the routines take them."""
    return dtype.itemsize, KINDS[dtype.kind]


def _rows(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def plan_sort(in_avals: Any, *, dimension: int, is_stable: bool, num_keys: int) -> RoutineCall | None:
    """One operand alone, or the places of the keys and then all operands moved."""
    first = in_avals[0]
    outer, n, inner = _rows(first.shape, dimension)
    size = first.size
    if not 0 < n <= MOST or size == 0 or any(a.dtype.kind not in KINDS for a in in_avals):
        return None
    if len(in_avals) == 1:
        scratch = size * first.dtype.itemsize * (1 if inner == 1 else 2)
        args = (outer, n, inner, *key_type(first.dtype))
        return RoutineCall("jt_sort", args, scratch, nanoseconds=10.0 * size)
    return _along(in_avals, dimension, num_keys, 0)


def plan_sort_by(in_avals: Any, *, dimension: int, is_stable: bool, num_keys: int) -> RoutineCall | None:
    """The operands behind the keys alone are results."""
    first = in_avals[0]
    if not 0 < first.shape[dimension] <= MOST or first.size == 0:
        return None
    if any(a.dtype.kind not in KINDS for a in in_avals):
        return None
    return _along(in_avals, dimension, num_keys, num_keys)


def _along(in_avals: Any, dimension: int, num_keys: int, skipped: int) -> RoutineCall:
    """A sort of places; ``skipped`` operands are no results."""
    size = in_avals[0].size
    types = [number for a in in_avals for number in key_type(a.dtype)]
    return RoutineCall(
        "jt_sort_along",
        (*_rows(in_avals[0].shape, dimension), num_keys, len(in_avals), skipped, *types),
        size * 8 * (2 if num_keys == 1 else 3),
        nanoseconds=20.0 * num_keys * size,
    )


def plan_top_k(in_avals: Any, *, k: int, axis: int) -> RoutineCall | None:
    (x,) = in_avals
    outer, n, inner = _rows(x.shape, axis)
    if not 0 < n <= MOST or x.size == 0 or k == 0 or x.dtype.kind not in KINDS:
        return None
    room = min(2 * k + 64, n + 1)
    args = (outer, n, inner, k, room, *key_type(x.dtype))
    return RoutineCall("jt_top_k", args, 16 * room * outer * inner, nanoseconds=1.0 * x.size)
