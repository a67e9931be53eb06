"""``jitney.scipy.ndimage``: values of an array between its elements."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, broadcast_shapes

__all__ = ["map_coordinates"]


def _mirrored(i: Any, n: int) -> Any:
    """Back and forth, the edge elements once: ``0 1 2 1 0 1 ...``."""
    last = n - 1
    return jnp.zeros_like(i) if last == 0 else jnp.abs((i + last) % (2 * last) - last)


def _reflected(i: Any, n: int) -> Any:
    """Back and forth, the edge elements twice: ``0 1 2 2 1 0 ...``."""
    place = i % (2 * n)
    return jnp.minimum(place, 2 * n - 1 - place)


# Which element stands for the one at any integer place.
_PLACES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda i, n: jnp.clip(i, 0, n - 1),  # those outside are replaced afterwards
    "nearest": lambda i, n: jnp.clip(i, 0, n - 1),
    "wrap": lambda i, n: i % n,
    "mirror": _mirrored,
    "reflect": _reflected,
}


def map_coordinates(
    input: Any, coordinates: Sequence[Any], order: int, mode: str = "constant", cval: Any = 0.0
) -> Any:
    """The values of an array at places between its elements.

    Args:
        input: array of rank n.
        coordinates: n arrays (or one array with n rows), which broadcast: the place along each axis, in elements.
        order: 0 takes the nearest element, 1 interpolates linearly.
        mode: what lies outside: ``"constant"`` (``cval``), ``"nearest"`` (the edge), ``"wrap"`` (periodic), ``"mirror"`` (reflected
            about the edge elements) or ``"reflect"`` (about the edges).
        cval: the constant outside.

    Returns:
        of the shape of one coordinate and the dtype of ``input`` (integers are rounded).

    Raises:
        ValueError: not as many coordinates as axes.
        NotImplementedError: other orders and modes.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.ndimage import map_coordinates
    >>> map_coordinates(jnp.array([0.0, 10.0, 20.0]), [jnp.array([0.5, 1.25])], order=1)
    Array([ 5. , 12.5], dtype=float64)
    """
    x = array_operand("map_coordinates", input)
    places = [
        array_operand("map_coordinates", c, 1)
        for c in (coordinates if isinstance(coordinates, (list, tuple)) else jnp.asarray(coordinates))
    ]
    shape = get_aval(x).shape
    if len(places) != len(shape):
        raise ValueError(
            f"coordinates must be a sequence of length input.ndim, but {len(places)} != {len(shape)}"
        )
    if mode not in _PLACES:
        raise NotImplementedError(
            f"map_coordinates does not support mode {mode!r}; supported modes are {sorted(_PLACES)}"
        )
    if operator.index(order) not in (0, 1):
        raise NotImplementedError(f"map_coordinates requires order<=1, got {order}")
    dtype = get_aval(x).dtype
    fill = jnp.asarray(cval, dtype)
    if not shape:
        return x
    whole = broadcast_shapes(*[get_aval(p).shape for p in places])
    nodes = _nearest if operator.index(order) == 0 else _linear
    choices = [nodes(p) for p in places]
    parts = []
    for chosen in itertools.product(*choices):
        value = _elements(x, [i for i, _ in chosen], mode, fill)
        weights = [w for _, w in chosen if w is not None]
        parts.append(functools.reduce(operator.mul, weights, value))
    result = functools.reduce(operator.add, parts)
    if dtype.kind in "iu" and dtypes.is_inexact(get_aval(result).dtype):
        result = lax.round(result)
    return jnp.broadcast_to(result, whole).astype(dtype)


def _nearest(place: Any) -> list[tuple[Any, Any]]:
    if get_aval(place).dtype.kind not in "iub":
        place = lax.round(place)
    return [(place.astype(dtypes.default_dtype("i")), None)]


def _linear(place: Any) -> list[tuple[Any, Any]]:
    """The elements before and after, with their weights."""
    if get_aval(place).dtype.kind in "iub":
        return _nearest(place)
    below = jnp.floor(place)
    weight = place - below
    index = below.astype(dtypes.default_dtype("i"))
    return [(index, 1 - weight), (index + 1, weight)]


def _elements(x: Any, indices: Sequence[Any], mode: str, fill: Any) -> Any:
    shape = get_aval(x).shape
    inside = [_PLACES[mode](i, n) for i, n in zip(indices, shape, strict=True)]
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    flat = functools.reduce(operator.add, [i * s for i, s in zip(inside, strides, strict=True)])
    value = jnp.ravel(x).at[flat].get(mode="promise_in_bounds")
    if mode != "constant":
        return value
    known = [(i >= 0) & (i < n) for i, n in zip(indices, shape, strict=True)]
    return jnp.where(functools.reduce(operator.and_, known), value, fill)


_expose(globals())
