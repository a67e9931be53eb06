"""Reductions that ignore NaN: nansum, nanmean, nanmax, nanargmax ..."""

from __future__ import annotations

import math
from typing import Any

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney.numpy import elementwise as el
from jitney.numpy import reductions as fold
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import array_operand

__all__ = [
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _without_nan(x: Any, fill: Any) -> Any:
    aval = get_aval(x)
    if not dtypes.is_inexact(aval.dtype):
        return x
    return el.choose(el.isnan(x), aval.dtype.type(fill), x)


def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """Sum along axes with NaN counted as 0; arguments as of ``sum``."""
    return fold.sum(_without_nan(array_operand("nansum", a), 0), axis, dtype, out, keepdims, initial, where)


def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """Product along axes with NaN counted as 1; arguments as of ``prod``."""
    return fold.prod(_without_nan(array_operand("nanprod", a), 1), axis, dtype, out, keepdims, initial, where)


def _nan_extreme(
    name: str, reduce: Any, edge: float, a: Any, axis: Any, out: Any, keepdims: bool, initial: Any, where: Any
) -> Any:
    x = array_operand(name, a)
    if not dtypes.is_inexact(get_aval(x).dtype):
        return reduce(x, axis, out, keepdims, initial, where)
    result = reduce(_without_nan(x, edge), axis, out, keepdims, initial, where)
    if initial is not None:
        return result
    nothing = fold.all(el.isnan(x), axis, keepdims=keepdims, where=where)
    return el.choose(nothing, get_aval(result).dtype.type(math.nan), result)


def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Largest element along axes that is not NaN; NaN if there is none."""
    return _nan_extreme("nanmax", fold.max, -math.inf, a, axis, out, keepdims, initial, where)


def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Smallest element along axes that is not NaN; NaN if there is none."""
    return _nan_extreme("nanmin", fold.min, math.inf, a, axis, out, keepdims, initial, where)


def _numbers(x: Any, where: Any) -> Any:
    """Which elements are numbers and take part."""
    mask = uf.logical_not(el.isnan(x))
    return mask if where is None else uf.logical_and(mask, where)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, where: Any = None
) -> Any:
    """Mean along axes of the elements that are not NaN."""
    x = array_operand("nanmean", a)
    return fold.mean(x, axis, dtype, out, keepdims, where=_numbers(x, where))


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
) -> Any:
    """Variance along axes of the elements that are not NaN; arguments as of ``var``."""
    x = array_operand("nanvar", a)
    return fold.var(x, axis, dtype, out, ddof, keepdims, where=_numbers(x, where), mean=mean)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
) -> Any:
    """Standard deviation along axes of the elements that are not NaN; arguments as of ``var``."""
    return uf.sqrt(nanvar(a, axis, dtype, out, ddof, keepdims, where, mean))


def _nan_arg(name: str, find: Any, edge: float, a: Any, axis: Any, out: Any, keepdims: bool | None) -> Any:
    x = array_operand(name, a)
    if not dtypes.is_inexact(get_aval(x).dtype):
        return find(x, axis, out, keepdims)
    result = find(_without_nan(x, edge), axis, out, keepdims)
    nothing = fold.all(el.isnan(x), axis, keepdims=bool(keepdims))
    return el.choose(nothing, get_aval(result).dtype.type(-1), result)


def nanargmax(a: Any, axis: Any = None, out: Any = None, keepdims: bool | None = None) -> Any:
    """Index of the largest element that is not NaN; -1 if there is none."""
    return _nan_arg("nanargmax", fold.argmax, -math.inf, a, axis, out, keepdims)


def nanargmin(a: Any, axis: Any = None, out: Any = None, keepdims: bool | None = None) -> Any:
    """Index of the smallest element that is not NaN; -1 if there is none."""
    return _nan_arg("nanargmin", fold.argmin, math.inf, a, axis, out, keepdims)
