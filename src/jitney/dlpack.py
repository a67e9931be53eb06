"""``jitney.dlpack``: arrays of other libraries without a copy where it can be avoided, by the DLPack protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._api.calls import expose as _expose
from jitney._api.shardings import check_shardings as _check_shardings
from jitney.numpy.conversion import array as _array

_DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()
)


def from_dlpack(external_array: Any, device: Any = None, copy: bool | None = None) -> Any:
    """An array with the elements of ``external_array``, which has ``__dlpack__`` and lies in host memory.

    Args:
        external_array: an array of another library.
        device: accepted; there is one.
        copy: False asks for an array that shares memory; arrays here own theirs, so it is refused.

    Raises:
        TypeError: no DLPack array, or a dtype that the protocol has not.
        ValueError: ``copy`` is False.

    Example:
        >>> import jitney, numpy as np
        >>> jitney.dlpack.from_dlpack(np.arange(3.0))
        Array([0., 1., 2.], dtype=float64)
    """
    if copy is False:
        raise ValueError(
            "from_dlpack: copy=False is not possible, as arrays own their memory and never change."
        )
    if not hasattr(external_array, "__dlpack__"):
        raise TypeError(
            f"from_dlpack needs an array with the method __dlpack__, got {type(external_array).__name__}. "
            "Of a PyDLPack capsule, pass the array that it came from."
        )
    _check_shardings((), device, "from_dlpack")
    return _array(np.from_dlpack(external_array))


def is_supported_dtype(dtype: Any) -> bool:
    """True if arrays of ``dtype`` can pass.

    Example:
        >>> import jitney
        >>> jitney.dlpack.is_supported_dtype("float32")
        True
    """
    return np.dtype(dtype).name in _DTYPES


__all__ = ["from_dlpack", "is_supported_dtype"]

_expose(globals())
