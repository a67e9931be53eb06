"""``result_type``: the dtype that arrays, scalars and dtypes promote to."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base.dtypes import canonicalize_dtype, promote
from jitney._core.trace import get_aval


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that ``args`` (arrays, scalars, dtypes) promote to."""
    types = []
    for arg in args:
        if isinstance(arg, (np.dtype, type, str)):
            scalar = {bool: (np.dtype(bool), False), int: (canonicalize_dtype(int), True)}
            scalar |= {float: (canonicalize_dtype(float), True), complex: (canonicalize_dtype(complex), True)}
            types.append(scalar[arg] if arg in scalar else (canonicalize_dtype(arg), False))
        else:
            aval = get_aval(arg)
            types.append((aval.dtype, aval.weak_type))
    dtype, weak = promote(tuple(types))
    return (dtype, weak) if return_weak_type_flag else dtype
