"""``jitney.scipy.interpolate``: functions known on the points of a grid."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.calls import expose_methods
from jitney._core.trace import Tracer, get_aval
from jitney.numpy.operands import array_operand, promote_inexact

__all__ = ["RegularGridInterpolator"]

_METHODS = ("linear", "nearest")


@expose_methods
class RegularGridInterpolator:
    """A function of n variables that is known on a rectangular grid, evaluated between its points.

    Args:
        points: n vectors, ascending: the grid's coordinates along each axis.
        values: of shape ``[len(points[0]), ..., len(points[n-1]), ...]``; further axes are values of one point.
        method: ``"linear"`` in each variable, or ``"nearest"`` point.
        bounds_error: not available: whether a point lies outside may be known in compiled programs only.
        fill_value: the value outside of the grid; None extrapolates.

    Raises:
        ValueError: another method, more vectors than axes of ``values``, sizes that do not fit, vectors that do not ascend.
        NotImplementedError: ``bounds_error=True``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.interpolate import RegularGridInterpolator
    >>> f = RegularGridInterpolator((jnp.array([0.0, 1.0]), jnp.array([0.0, 2.0])), jnp.array([[0.0, 2.0], [1.0, 3.0]]))
    >>> f(jnp.array([[0.5, 1.0]]))
    Array([1.5], dtype=float64)
    """

    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = False,
        fill_value: Any = np.nan,
    ) -> None:
        _check_method(method)
        if bounds_error:
            raise NotImplementedError(
                "RegularGridInterpolator: bounds_error=True is not supported, as points may be traced; "
                "use fill_value and look at the result."
            )
        name = "RegularGridInterpolator"
        (values,) = promote_inexact(array_operand(name, values))
        shape = get_aval(values).shape
        if len(points) > len(shape):
            raise ValueError(f"there are {len(points)} point arrays, but values has {len(shape)} dimensions")
        grid = tuple([array_operand(name, p) for p in points])
        for axis, (coordinate, n) in enumerate(zip(grid, shape, strict=False)):
            _check_axis(axis, coordinate, n)
        if fill_value is not None:
            fill_value = jnp.asarray(fill_value)
            if not np.can_cast(get_aval(fill_value).dtype, get_aval(values).dtype, casting="same_kind"):
                raise ValueError("fill_value must be either 'None' or of a type compatible with values")
        self.grid = grid
        self.values = values
        self.method = method
        self.bounds_error = bounds_error
        self.fill_value = fill_value

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """The values at points ``xi`` of shape ``[..., n]`` (or a tuple of n arrays, which broadcast)."""
        kind = self.method if method is None else method
        _check_method(kind)
        n = len(self.grid)
        x = _points(xi, n)
        if get_aval(x).shape[-1] != n:
            raise ValueError(
                f"The requested sample points xi have dimension {get_aval(x).shape[-1]} but this "
                f"RegularGridInterpolator has dimension {n}"
            )
        places = [x[..., d] for d in range(n)]
        found = [_locate(grid, place) for grid, place in zip(self.grid, places, strict=True)]
        result = (self._linear if kind == "linear" else self._nearest)(found)
        further = (None,) * (get_aval(self.values).ndim - n)
        if self.fill_value is not None:
            outside = [(p < grid[0]) | (p > grid[-1]) for p, grid in zip(places, self.grid, strict=True)]
            out = functools.reduce(operator.or_, outside)
            result = jnp.where(out[(..., *further)], self.fill_value.astype(get_aval(result).dtype), result)
        missing = functools.reduce(operator.or_, [jnp.isnan(p) for p in places])
        return jnp.where(missing[(..., *further)], jnp.nan, result)

    def _at(self, indices: Sequence[Any]) -> Any:
        return self.values.at[tuple(indices)].get(mode="promise_in_bounds")

    def _linear(self, found: Sequence[tuple[Any, Any]]) -> Any:
        further = (None,) * (get_aval(self.values).ndim - len(found))
        total: Any = None
        for corner in itertools.product((0, 1), repeat=len(found)):
            weights = [t if up else 1 - t for (_, t), up in zip(found, corner, strict=True)]
            weight = functools.reduce(operator.mul, weights)
            part = self._at([i + up for (i, _), up in zip(found, corner, strict=True)])
            part = part * weight[(..., *further)]
            total = part if total is None else total + part
        return total

    def _nearest(self, found: Sequence[tuple[Any, Any]]) -> Any:
        return self._at([jnp.where(t <= 0.5, i, i + 1) for i, t in found])


def _check_method(method: str) -> None:
    if method not in _METHODS:
        raise ValueError(f"method {method!r} is not defined; expected one of {_METHODS}")


def _check_axis(axis: int, coordinate: Any, n: int) -> None:
    shape = get_aval(coordinate).shape
    if len(shape) != 1:
        raise ValueError(f"The points in dimension {axis} must be 1-dimensional")
    if shape[0] != n:
        raise ValueError(f"There are {shape[0]} points and {n} values in dimension {axis}")
    value = coordinate.concrete() if isinstance(coordinate, Tracer) else coordinate
    if value is not None and not np.all(np.diff(np.asarray(value)) > 0):
        raise ValueError(f"The points in dimension {axis} must be strictly ascending")


def _points(xi: Any, n: int) -> Any:
    """Points as one inexact array with their coordinates last."""
    if isinstance(xi, tuple) and len(xi) == 1 and not np.isscalar(xi[0]):
        xi = xi[0]
    if isinstance(xi, tuple):
        coordinates = jnp.broadcast_arrays(*[array_operand("RegularGridInterpolator", x) for x in xi])
        (x,) = promote_inexact(jnp.stack(coordinates, axis=-1))
        return x
    (x,) = promote_inexact(jnp.asarray(xi))
    if get_aval(x).ndim == 1:
        return x[:, None] if n == 1 else x[None]
    return x


def _locate(grid: Any, place: Any) -> tuple[Any, Any]:
    """The interval of the grid for each place, and where in it the place lies, from 0 to 1."""
    last = get_aval(grid).shape[0] - 2
    index = jnp.clip(jnp.searchsorted(grid, place) - 1, 0, last)
    low, high = grid[index], grid[index + 1]
    return index, (place - low) / (high - low)
