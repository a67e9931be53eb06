"""Counting in bins: bincount, digitize, histograms of one and more dimensions."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gather_layouts, indexing, raw, reductions
from jitney._ops.families import literal
from jitney._ops.shapes import rev_p
from jitney.numpy import creation
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.cumulative import diff, span
from jitney.numpy.operands import array_operand, promote_dtypes, promote_inexact
from jitney.numpy.selecting import concrete, static_size
from jitney.numpy.sorting import search, searchsorted

__all__ = ["bincount", "digitize", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def _flat(x: Any) -> Any:
    return raw.reshape(x, (get_aval(x).size,))


def _count(places: Any, weights: Any, length: int, dtype: np.dtype) -> Any:
    """The sum of the weights at each place in ``[0, length)``; places beyond are dropped, none may be negative."""
    n = get_aval(places).size
    numbers = gather_layouts.ScatterDimensionNumbers((), (0,), (0,))
    places = raw.reshape(places, (n, 1))
    weights = raw.broadcast_in_dim(weights, (n,), range(np.ndim(weights)))
    params = indexing.scatter_params(numbers, gather_layouts.FILL_OR_DROP)
    return indexing.scatter_add_p.bind(raw.full((length,), 0, dtype), places, weights, **params)


def bincount(
    x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None, out_sharding: Any = None
) -> Any:
    """How often each nonnegative integer occurs in the vector ``x``.

    Args:
        x: integers; negative ones count as 0.
        weights: count these instead of ones.
        minlength: least size of the result.
        length: size of the result whatever ``minlength``, needed for traced ``x``; larger numbers are not counted.

    Returns:
        counts (int64), or sums of the weights in their dtype.

    Raises:
        TypeError: if ``x`` does not hold integers.
        ValueError: if ``x`` is not a vector.
    """
    x = array_operand("bincount", x)
    aval = get_aval(x)
    if aval.dtype.kind not in "biu":
        raise TypeError(f"x argument to bincount must have an integer type; got {aval.dtype.name}")
    if aval.ndim != 1:
        raise ValueError("only 1-dimensional input supported.")
    minlength = operator.index(creation._concrete("bincount", minlength))
    x = ew.convert(x, dtypes.default_dtype("i")) if aval.dtype.kind == "b" else x
    if length is None:
        values = concrete("bincount", x, "length=")
        length = max(minlength, int(values.max()) + 1 if values.size else 0, 1 if values.size else 0)
    else:
        length = static_size("bincount", length)
    if weights is None:
        weights = dtypes.default_dtype("i").type(1)
    else:
        weights = array_operand("bincount", weights, 1)
        if get_aval(weights).shape != aval.shape:
            raise ValueError("shape of weights must match shape of x.")
    return _count(uf.maximum(x, literal(x, 0)), weights, length, get_aval(weights).dtype)


def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Any:
    """The number of the bin of each element of ``x``.

    Args:
        x: array.
        bins: vector of edges, ascending or descending.
        right: bins contain their right edge instead of their left one.
        method: of :func:`searchsorted`.

    Returns:
        integers (int32): i with ``bins[i-1] <= x < bins[i]`` for ascending bins.
    """
    x, bins = promote_dtypes(array_operand("digitize", x), array_operand("digitize", bins, 1))
    n = get_aval(bins).size
    if get_aval(bins).ndim != 1:
        raise ValueError(f"digitize: bins must be a 1-dimensional array; got shape {get_aval(bins).shape}")
    if n == 0:
        return array_operand("digitize", raw.full(get_aval(x).shape, 0, np.dtype("i4")))
    side = "left" if right else "right"
    method = method or "scan"
    ascending = _end(bins, n - 1) >= _end(bins, 0)
    edges = el.choose(ascending, bins, rev_p.bind(bins, dimensions=(0,)))
    places = searchsorted(edges, x, side, method=method)
    return el.choose(ascending, places, n - places)


def _end(x: Any, place: int) -> Any:
    return raw.reshape(span(x, 0, place, place + 1), ())


# -- histograms ---------------------------------------------------------------------------------------


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins of :func:`histogram`.

    Args:
        a: data.
        bins: their number, or the vector of edges itself.
        range: lowest and highest edge (default: those of the data).
    """
    if isinstance(bins, str):
        raise NotImplementedError(f"string values for `bins` are not implemented, got {bins!r}.")
    (a,) = promote_inexact(array_operand("histogram_bin_edges", a))
    dtype = get_aval(a).dtype
    if not isinstance(bins, int):
        edges = array_operand("histogram_bin_edges", creation.asarray(bins), 1)
        if get_aval(edges).ndim == 1:
            return ew.convert(edges, dtype)
    number = operator.index(creation._concrete("histogram_bin_edges", bins))
    if range is None:
        low, high = _extent(a)
    else:
        low, high = (
            ew.convert(array_operand("histogram_bin_edges", creation.asarray(r)), dtype) for r in range
        )
    same = uf.equal(low, high)
    half = dtype.type(0.5)
    low, high = el.choose(same, low - half, low), el.choose(same, high + half, high)
    return creation.linspace(low, high, number + 1, dtype=dtype)


def _extent(a: Any) -> tuple[Any, Any]:
    if get_aval(a).size == 0:
        raise ValueError("the range of an array without elements is not defined: pass range=")
    real = el.real(a)
    axes = tuple(d for d, _ in enumerate(get_aval(a).shape))
    ends = (
        p.bind(real, axes=axes, out_sharding=None) for p in (reductions.reduce_min_p, reductions.reduce_max_p)
    )
    low, high = (ew.convert(e, get_aval(a).dtype) for e in ends)
    return low, high


def _bin_of(x: Any, edges: Any) -> Any:
    """Number of the bin of each element of a vector, from 1; 0 and the number of edges are outside."""
    n = get_aval(edges).size
    places = search(edges, x, "right")
    # The last bin contains its right edge.
    return el.choose(uf.equal(x, _end(edges, n - 1)), literal(places, n - 1), places)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any]:
    """Counts of the elements of ``a`` in bins, and the edges of the bins.

    Args:
        a: data, flattened.
        bins: number of bins, or the vector of their edges.
        range: lowest and highest edge (default: those of the data); elements outside are not counted.
        weights: count these (of the shape of ``a``) instead of ones.
        density: divide by the total and by the widths of the bins.

    Returns:
        floats in the dtype of the data: counts of shape [n], edges of shape [n + 1].

    >>> import jitney.numpy as jnp
    >>> jnp.histogram(jnp.array([1.0, 2.0, 2.5]), bins=2)
    (Array([1., 2.], dtype=float64), Array([1.  , 1.75, 2.5 ], dtype=float64))
    """
    if weights is None:
        (a,) = promote_inexact(array_operand("histogram", a))
        weights = get_aval(a).dtype.type(1)
    else:
        a, weights = promote_inexact(array_operand("histogram", a), array_operand("histogram", weights, 3))
        if get_aval(a).shape != get_aval(weights).shape:
            raise ValueError("weights should have the same shape as a.")
        weights = _flat(weights)
    a = ew.convert(a, get_aval(a).dtype)
    edges = histogram_bin_edges(a, bins, range)
    n = get_aval(edges).size
    counts = _count(_bin_of(_flat(a), edges), weights, n, get_aval(a).dtype)
    counts = span(counts, 0, 1, n)
    if density:
        counts = counts / diff(edges) / raw.reduce_sum(counts, (0,))
    return counts, edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any, Any]:
    """Counts of the points ``(x, y)`` in a grid of bins, and the edges along both axes.

    Args:
        x, y: vectors of one size.
        bins: a number or a vector of edges for both axes, or a pair of those.
        range: a pair of (lowest, highest) or None.
        weights: count these instead of ones.
        density: divide by the total and by the areas of the bins.
    """
    x, y = promote_dtypes(array_operand("histogram2d", x), array_operand("histogram2d", y, 1))
    if get_aval(x).shape != get_aval(y).shape or get_aval(x).ndim != 1:
        raise TypeError(
            f"histogram2d requires vectors of one size, got shapes {get_aval(x).shape} and {get_aval(y).shape}."
        )
    try:
        pair = len(bins) == 2
    except TypeError:
        pair = True  # a number
    sample = raw.concatenate([raw.expand_dims(v, (1,)) for v in (x, y)], 1)
    counts, edges = histogramdd(sample, bins if pair else [bins, bins], range, weights, density)
    return counts, edges[0], edges[1]


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, list[Any]]:
    """Counts of points in a grid of bins, and the edges along each axis.

    Args:
        sample: points, of shape ``[n, d]``.
        bins: a number for all axes, or for each axis a number or a vector of edges.
        range: for each axis a pair (lowest, highest) or None.
        weights: count these (of shape ``[n]``) instead of ones.
        density: divide by the total and by the volumes of the bins.
    """
    sample = array_operand("histogramdd", sample)
    if get_aval(sample).ndim != 2:
        raise ValueError(f"histogramdd: sample must have shape [n, d], got {get_aval(sample).shape}.")
    if weights is None:
        (sample,) = promote_inexact(sample)
        weights = dtypes.default_dtype("i").type(1)
    else:
        sample, weights = promote_inexact(sample, array_operand("histogramdd", weights, 3))
    n, dimension = get_aval(sample).shape
    if np.ndim(weights) and get_aval(weights).shape != (n,):
        raise ValueError("should have one weight for each sample.")
    bins = _for_each_axis(bins, dimension)
    if range is not None and len(range) != dimension:
        raise ValueError(
            f"For sample dimension = {dimension}, require length-{dimension} range, got {range}."
        )
    flat, edges, sizes = None, [], []
    for d, number in enumerate(bins):
        column = raw.reshape(span(sample, 1, d, d + 1), (n,))
        edges.append(histogram_bin_edges(column, number, None if range is None else range[d]))
        sizes.append(get_aval(edges[-1]).size + 1)
        place = ew.convert(_bin_of(column, edges[-1]), dtypes.default_dtype("i"))
        flat = place if flat is None else flat * sizes[-1] + place
    counts = _count(flat, weights, math.prod(sizes), get_aval(weights).dtype)
    counts = raw.reshape(counts, sizes)
    for d, size in enumerate(sizes):  # the outermost bins hold what is outside
        counts = span(counts, d, 1, size - 1)
    return _per_volume(counts, edges) if density else counts, edges


def _for_each_axis(bins: Any, dimension: int) -> list[Any]:
    if isinstance(bins, (list, tuple)) or np.ndim(bins) > 0:
        if len(bins) != dimension:
            raise ValueError("should be a bin for each dimension.")
        return list(bins)
    return [bins] * dimension


def _per_volume(counts: Any, edges: list[Any]) -> Any:
    shape = get_aval(counts).shape
    total = raw.reduce_sum(counts, tuple(d for d, _ in enumerate(shape)))
    for d, e in enumerate(edges):
        counts = counts / raw.reshape(diff(e), [n if i == d else 1 for i, n in enumerate(shape)])
    return counts / total
