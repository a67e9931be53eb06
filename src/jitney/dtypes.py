"""``jitney.dtypes``: dtype functions that libraries use."""

from __future__ import annotations

from typing import Any

from jitney._base import dtypes as _base
from jitney._base.dtypes import float0 as float0
from jitney._core.promotion import result_type as result_type
from jitney._core.trace import get_aval as _get_aval


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> Any:
    """The dtype that an array of ``dtype`` really gets: 32 bits wide where 64-bit types are disabled.

    Raises:
        TypeError: no dtype of arrays.
        ValueError: the dtype of random keys, unless ``allow_extended_dtype``.
    """
    made = _base.canonicalize_dtype(dtype)
    if _base.is_key(made) and not allow_extended_dtype:
        raise ValueError(
            f"canonicalize_dtype: {made} is no dtype of numbers; allow_extended_dtype=True accepts it."
        )
    return made


def issubdtype(a: Any, b: Any) -> bool:
    """True if dtype ``a`` is ``b`` or below it: see ``jitney.numpy.issubdtype``."""
    from jitney import numpy

    return numpy.issubdtype(a, b)


def itemsize_bits(dtype: Any) -> int:
    """How many bits a number of ``dtype`` has (an element of a narrow integer dtype takes a byte all the same).

    Example:
        >>> import jitney
        >>> jitney.dtypes.itemsize_bits("int4"), jitney.dtypes.itemsize_bits("float32")
        (4, 32)
    """
    made = canonicalize_dtype(dtype)
    if _base.is_key(made) or made == float0:
        raise ValueError(f"itemsize_bits: the dtype {made} has no numbers.")
    if _base.is_small_integer(made):
        return int(made.name.removeprefix("u").removeprefix("int"))
    return 4 if made.name == "float4_e2m1fn" else 6 if made.name.startswith("float6") else 8 * made.itemsize


def scalar_type_of(x: Any) -> type:
    """The Python type (``bool``, ``int``, ``float`` or ``complex``) of which the dtype of ``x`` is a kind.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.dtypes.scalar_type_of(jnp.ones(3))
        <class 'float'>
    """
    try:
        kind = _base.kind_of(_get_aval(x).dtype)
        return {"b": bool, "i": int, "u": int, "f": float, "c": complex}[kind]
    except (TypeError, KeyError):
        raise TypeError(
            f"scalar_type_of: {x!r} of type {type(x).__name__} is no number or array of numbers."
        ) from None


def __getattr__(name: str) -> Any:  # bfloat16 and kin; what ``numpy`` has as well
    if name in ("finfo", "iinfo"):
        from jitney import numpy

        return getattr(numpy, name)
    return getattr(_base, name)
