"""Reductions and orders of the elements that a traced mask selects: what ``selections.py`` calls by the function's name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney.numpy.selections import Selection, elementwise, over, same_mask, unknown, whole_numpy

# -- reductions -------------------------------------------------------------------------------------------


def _axes(x: Selection, axis: Any) -> tuple[Any, bool]:
    """The axes of ``x.values`` that ``axis`` names, and whether the selected one is among them."""
    depth = get_aval(x.mask).ndim
    given = range(x.ndim) if axis is None else [axis] if not isinstance(axis, tuple) else axis
    places = [operator.index(a) for a in given]
    if any(not -x.ndim <= a < x.ndim for a in places):
        raise np.exceptions.AxisError(axis, x.ndim)
    wanted = {a % x.ndim for a in places}
    out = [a - 1 + depth for a in wanted if a]
    return tuple(sorted([*(range(depth) if 0 in wanted else ()), *out])), 0 in wanted


def _reduction(name: str) -> Callable[..., Any]:
    function = getattr(whole_numpy(), name)

    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False, where: Any = None, **options: Any) -> Any:
        if where is not None or keepdims:
            raise unknown(f"jnp.{name}(x[mask]) with where= or keepdims=")
        axes, selected = _axes(x, axis)
        if not selected:
            return Selection(function(x.values, axis=axes, **options), x.mask)
        if name in ("argmax", "argmin"):
            raise unknown(f"jnp.{name} of x[mask]")
        keep = whole_numpy().broadcast_to(over(x.mask, get_aval(x.values).ndim), get_aval(x.values).shape)
        if name in ("ptp",):
            return reduce_of("max")(x, axis) - reduce_of("min")(x, axis)
        if name in ("max", "min", "amax", "amin", "nanmax", "nanmin"):
            return _extreme(name, x, axes, keep, options)
        if name == "count_nonzero":
            return function(x.values & keep if x.dtype == bool else (x.values != 0) & keep, axis=axes)
        return function(x.values, axis=axes, where=keep, **options)

    return reduce


def reduce_of(name: str) -> Callable[..., Any]:
    return FUNCTIONS[name]


def _end(dtype: np.dtype, largest: bool) -> Any:
    """The largest (least) number of a type."""
    if dtypes.is_inexact(dtype):
        return dtype.type(np.inf if largest else -np.inf)
    if dtype.kind == "b":
        return dtype.type(largest)
    limits = np.iinfo(dtype)
    return dtype.type(limits.max if largest else limits.min)


def _extreme(name: str, x: Selection, axes: Any, keep: Any, options: dict[str, Any]) -> Any:
    """The largest or smallest; of no elements NaN, and of integers the last that there is."""
    jnp = whole_numpy()
    if "initial" in options:
        return getattr(jnp, name)(x.values, axis=axes, where=keep, **options)
    start = _end(x.dtype, largest="max" not in name)
    found = getattr(jnp, name)(x.values, axis=axes, where=keep, initial=start, **options)
    if not dtypes.is_inexact(x.dtype):
        return found
    counts = keep & ~jnp.isnan(x.values) if name.startswith("nan") else keep
    return jnp.where(jnp.any(counts, axis=axes), found, x.dtype.type(np.nan))


def _quantile(name: str) -> Callable[..., Any]:
    def quantile(x: Any, *args: Any, axis: Any = None, **options: Any) -> Any:
        jnp = whole_numpy()
        axes, selected = _axes(x, axis)
        if not selected:
            raise unknown(f"jnp.{name} of x[mask] along an axis that is not selected")
        values = x.values if dtypes.is_inexact(x.dtype) else x.values.astype(float)
        keep = over(x.mask, get_aval(values).ndim)
        skipping = f"nan{name.removeprefix('nan')}"
        whole = getattr(jnp, skipping)(jnp.where(keep, values, np.nan), *args, axis=axes, **options)
        if name == skipping:
            return whole
        broken = jnp.any(jnp.isnan(values) & keep, axis=axes)
        return jnp.where(broken, np.nan, whole)

    return quantile


def _flat(name: str, x: Selection) -> Any:
    if x.rest or get_aval(x.mask).ndim != 1:
        raise unknown(f"jnp.{name} of x[mask] with several axes")
    return x


def _sort(x: Any, axis: Any = -1, **options: Any) -> Selection:
    jnp = whole_numpy()
    _flat("sort", x)
    if options:
        raise unknown("jnp.sort of x[mask] with options")
    if dtypes.is_inexact(x.dtype):  # what is dropped goes behind the NaNs that are kept
        order = jnp.lexsort((x.values, jnp.isnan(x.values), ~x.mask))
    else:
        order = jnp.lexsort((x.values, ~x.mask))
    return Selection(x.values[order], jnp.arange(get_aval(x.mask).size) < x.count)


def _cumulative(name: str, neutral: int) -> Callable[..., Any]:
    def cumulative(x: Any, axis: Any = None, **options: Any) -> Selection:
        jnp = whole_numpy()
        _flat(name, x)
        return Selection(getattr(jnp, name)(jnp.where(x.mask, x.values, neutral), **options), x.mask)

    return cumulative


def _arg(name: str) -> Callable[..., Any]:
    def place(x: Any, axis: Any = None, **options: Any) -> Any:
        jnp = whole_numpy()
        _flat(name, x)
        last = _end(x.dtype, largest="max" not in name)
        at = getattr(jnp, name)(jnp.where(x.mask, x.values, last))
        # Where one that is dropped is found, all that are kept are the last that there is: the first of them.
        return jnp.where(x.mask[at], jnp.cumsum(x.mask)[at] - 1, 0)

    return place


def _dot(a: Any, b: Any, **options: Any) -> Any:
    if not isinstance(a, Selection) or not isinstance(b, Selection) or a.rest or b.rest:
        raise unknown("a product of x[mask] and an array")
    return reduce_of("sum")(a * b)


def _vdot(a: Any, b: Any) -> Any:
    return _dot(a.conj() if isinstance(a, Selection) else a, b)


def _matmul(a: Any, b: Any, **options: Any) -> Any:
    if (
        isinstance(a, Selection)
        and len(a.rest) == 1
        and not isinstance(b, Selection)
        and get_aval(b).ndim < 3
    ):
        return Selection(whole_numpy().matmul(a.values, b, **options), a.mask)
    return _dot(a, b, **options)


def _take(a: Any, indices: Any, axis: Any = None, **options: Any) -> Any:
    if isinstance(a, Selection) or axis not in (None, 0) or options:
        raise unknown("jnp.take along this axis, or with options,")
    return (whole_numpy().ravel(a) if axis is None else whole_numpy().asarray(a))[indices]


def _average(x: Any, axis: Any = None, weights: Any = None, returned: bool = False, **_: Any) -> Any:
    if weights is None:
        return reduce_of("mean")(x, axis)
    weights = elementwise(
        lambda w, v: w + whole_numpy().zeros_like(v), (weights, x), {}
    )  # one for each element
    total = reduce_of("sum")(weights, axis)
    mean = reduce_of("sum")(x * weights, axis) / total
    return (mean, total) if returned else mean


def _histogram(a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: Any = None) -> Any:  # noqa: A002
    jnp = whole_numpy()
    if isinstance(bins, (int, np.integer)) and range is None:
        range = (reduce_of("min")(a), reduce_of("max")(a))  # noqa: A001
    kept = whole_numpy().broadcast_to(over(a.mask, get_aval(a.values).ndim), get_aval(a.values).shape)
    if weights is not None and not (isinstance(weights, Selection) and same_mask(weights.mask, a.mask)):
        raise TypeError("jnp.histogram of x[mask] takes weights that the same mask selects, w[mask].")
    counted = kept.astype(float) if weights is None else jnp.where(kept, weights.values, 0)
    found, edges = jnp.histogram(a.values, bins, range, weights=counted, density=density)
    return (found if weights is not None or density else found.astype(int)), edges


def _norm_free(*_: Any, **__: Any) -> Any:
    raise unknown("a function of x[mask]")


FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _fill() -> None:
    names = """sum mean var std prod max min amax amin any all count_nonzero ptp nansum nanmean nanvar nanstd nanprod nanmax
        nanmin""".split()
    for name in names:
        FUNCTIONS[name] = _reduction(name)
    for name in ("median", "quantile", "percentile", "nanmedian", "nanquantile", "nanpercentile"):
        FUNCTIONS[name] = _quantile(name)
    for name in ("argmax", "argmin"):
        FUNCTIONS[name] = _arg(name)
    FUNCTIONS["cumsum"], FUNCTIONS["cumprod"] = _cumulative("cumsum", 0), _cumulative("cumprod", 1)
    FUNCTIONS.update({"sort": _sort, "dot": _dot, "vdot": _vdot, "inner": _dot, "average": _average})
    FUNCTIONS.update({"matmul": _matmul, "take": _take})
    FUNCTIONS.update({"histogram": _histogram, "size": lambda x: x.size, "shape": lambda x: x.shape})
    FUNCTIONS.update({"ndim": lambda x: x.ndim, "where": _where, "ravel": _ravel})


def _ravel(x: Any, *_: Any, **__: Any) -> Any:
    return x if not x.rest else _norm_free()


def _where(condition: Any, x: Any = None, y: Any = None, **options: Any) -> Any:
    return elementwise(lambda c, a, b: whole_numpy().where(c, a, b), (condition, x, y), options)


_fill()
