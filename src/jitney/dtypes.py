"""``jitney.dtypes``: dtype functions that libraries use."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base import dtypes as _base
from jitney._base.dtypes import canonicalize_dtype as canonicalize_dtype
from jitney._base.dtypes import float0 as float0
from jitney._base.dtypes import promote as _promote
from jitney._core.trace import get_aval as _get_aval


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that ``args`` (arrays, scalars, dtypes) promote to."""
    types = []
    for arg in args:
        if isinstance(arg, (np.dtype, type, str)):
            scalar = {bool: (np.dtype(bool), False), int: (canonicalize_dtype(int), True)}
            scalar |= {float: (canonicalize_dtype(float), True), complex: (canonicalize_dtype(complex), True)}
            types.append(scalar[arg] if arg in scalar else (canonicalize_dtype(arg), False))
        else:
            aval = _get_aval(arg)
            types.append((aval.dtype, aval.weak_type))
    dtype, weak = _promote(tuple(types))
    return (dtype, weak) if return_weak_type_flag else dtype


def __getattr__(name: str) -> Any:  # bfloat16 and kin
    return getattr(_base, name)
