"""Where arrays are nonzero: nonzero, argwhere, flatnonzero, extract; with ``size=`` also of traced arrays."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jitney._base import dtypes, errors
from jitney._base.config import config
from jitney._core.trace import ArrayImpl, Tracer, get_aval, raise_for_tracer
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.numpy import creation
from jitney.numpy.operands import array_operand, broadcast_to, to_bool, wrap
from jitney.numpy.sorting import pick, places_of_true

__all__ = ["argwhere", "extract", "flatnonzero", "nonzero"]


def static_size(name: str, size: Any) -> int:
    """The argument ``size`` as a nonnegative Python integer."""
    size = operator.index(creation._concrete(name, size))
    if size < 0:
        raise ValueError(f"jnp.{name}: size must be nonnegative, got {size}.")
    return size


def concrete(name: str, x: Any, cure: str = "size= (and fill_value=)") -> np.ndarray:
    """The values of ``x``, on which the shape of a result depends; an error for traced arrays, with the ``cure``."""
    value = x.concrete() if isinstance(x, Tracer) else x
    if value is None:
        raise_for_tracer(
            x,
            errors.ConcretizationTypeError,
            (
                f"The size of the result of jnp.{name} depends on the values of an array that is traced ({{aval}}).",
                f"Pass {cure}, which fixes the shape of the result.",
            ),
        )
    return value._np if type(value) is ArrayImpl else np.asarray(value)


def is_unknown(x: Any) -> bool:
    """Whether the values of ``x`` are traced, and results of a length that depends on them are selections."""
    return isinstance(x, Tracer) and config.jitney_python_control_flow and x.concrete() is None


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> tuple[Any, ...]:
    """The places of the nonzero elements: one vector of indices for each axis.

    Args:
        a: array of rank 1 or more.
        size: number of places to return; needed for traced arrays.
        fill_value: stands for missing places (a number, or one for each axis; default 0).

    >>> import jitney.numpy as jnp
    >>> jnp.nonzero(jnp.array([0, 5, 6]))
    (Array([1, 2], dtype=int64),)
    """
    a = array_operand("nonzero", a)
    if get_aval(a).ndim == 0:
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use jnp.atleast_1d(scalar).nonzero() instead."
        )
    return _places("nonzero", to_bool(a), size, fill_value)


def _places(name: str, mask: Any, size: Any, fill_value: Any) -> tuple[Any, ...]:
    index_dtype = dtypes.default_dtype("i")
    if size is None and is_unknown(mask):
        from jitney.numpy import selections

        return selections.places(mask)
    if size is None:
        return tuple(wrap(places.astype(index_dtype)) for places in np.nonzero(concrete(name, mask)))
    shape = get_aval(mask).shape
    fills = (
        fill_value
        if isinstance(fill_value, tuple)
        else (0 if fill_value is None else fill_value,) * len(shape)
    )
    if len(fills) != len(shape):
        raise ValueError(
            f"jnp.{name}: fill_value must have one element for each of {len(shape)} axes, got {fill_value}."
        )
    flat, exists = places_of_true(raw.reshape(mask, (math.prod(shape),)), static_size(name, size))
    out = []
    for axis, fill in enumerate(fills):
        stride = max(math.prod(shape[axis + 1 :]), 1)
        place = ew.div(flat, index_dtype.type(stride)) if stride > 1 else flat
        if axis:
            place = ew.rem(place, index_dtype.type(max(shape[axis], 1)))
        fill = broadcast_to(ew.convert(array_operand(name, fill), index_dtype), get_aval(place).shape)
        out.append(raw.select(exists, place, fill))
    return tuple(out)


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The places of the nonzero elements of the flattened array."""
    a = array_operand("flatnonzero", a)
    return nonzero(raw.reshape(a, (get_aval(a).size,)), size=size, fill_value=fill_value)[0]


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The places of the nonzero elements as rows, of shape ``[number, a.ndim]``."""
    mask = to_bool(array_operand("argwhere", a))
    index_dtype = dtypes.default_dtype("i")
    if get_aval(mask).ndim == 0:
        count = static_size("argwhere", size) if size is not None else int(concrete("argwhere", mask))
        return wrap(np.zeros((count, 0), index_dtype))
    if size is None and is_unknown(mask):
        from jitney.numpy import selections

        return selections.rows(selections.places(mask))
    columns = _places("argwhere", mask, size, fill_value)
    return raw.concatenate([raw.expand_dims(c, (1,)) for c in columns], 1)


def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """The elements of the flattened ``arr`` where the flattened ``condition`` is true.

    Args:
        size: number of elements to return; needed for traced conditions.
        fill_value: stands for missing elements.
    """
    condition, arr = array_operand("extract", condition), array_operand("extract", arr, 1)
    mask = to_bool(raw.reshape(condition, (get_aval(condition).size,)))
    values = raw.reshape(arr, (get_aval(arr).size,))
    count = min(get_aval(mask).size, get_aval(values).size)
    mask, values = raw.slice_(mask, (0,), (count,)), raw.slice_(values, (0,), (count,))
    if size is None and is_unknown(mask):
        return values[mask]
    if size is None:
        places = wrap(np.flatnonzero(concrete("extract", mask)))
        return pick(values, places, raw.full(places.shape, True, np.dtype(bool)), 0)
    return pick(values, *places_of_true(mask, static_size("extract", size)), fill_value)
