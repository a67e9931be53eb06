"""Values that change nothing: what stands behind the end of an axis while an operation looks at all of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._lengths.fitting import Refusal
from jitney._lengths.outlines import Step
from jitney._lengths.rewriting import Value


def dtype_of(value: Value) -> np.dtype:
    return get_aval(value.x).dtype


def lowest(dtype: np.dtype, step: Step) -> Any:
    """Nothing of ``dtype`` is smaller."""
    return _end(dtype, -1, step)


def highest(dtype: np.dtype, step: Step) -> Any:
    """Nothing of ``dtype`` but NaN is larger."""
    return _end(dtype, 1, step)


def _end(dtype: np.dtype, sign: int, step: Step) -> Any:
    if dtype.kind == "b":
        return np.bool_(sign > 0)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return dtype.type(info.max if sign > 0 else info.min)
    if dtype.kind == "f":
        return dtype.type(sign * np.inf)
    raise Refusal(f"values of type {dtype.name} have no order here", step.eqn)


def last(dtype: np.dtype, step: Step) -> Any:
    """What is sorted behind everything else."""
    return dtype.type(np.nan) if dtype.kind == "f" else highest(dtype, step)


def zero(dtype: np.dtype, _: Step) -> Any:
    return dtype.type(0)


def one(dtype: np.dtype, _: Step) -> Any:
    return dtype.type(1)


def every_bit(dtype: np.dtype, _: Step) -> Any:
    """Changes nothing in a bitwise and."""
    return np.bool_(True) if dtype.kind == "b" else np.bitwise_not(dtype.type(0))
