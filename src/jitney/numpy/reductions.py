"""Reductions: sums, products, extremes, means, variances, counts, and their NaN-ignoring forms.

Small concrete float arrays are folded by NumPy directly; everything else is reduction primitives.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops import reductions as fold
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import (
    BOOL,
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    is_eager,
    is_eager_float,
    operand,
    promote_inexact,
    quiet,
    refuse_out,
    to_axes,
    to_axis,
    to_bool,
    wrap,
)
from jitney.numpy.operands import (
    full as full_of,
)

__all__ = [
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "array_equal",
    "array_equiv",
    "average",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]


_F32 = np.dtype("f4")
_np_sum: Any = np.add.reduce


def _keep(out: Any, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Any:
    """Give a reduced result its axes back, with size 1."""
    if not keepdims or len(get_aval(out).shape) == len(shape):
        return out
    return raw.expand_dims(out, axes)


def _masked(x: Any, where: Any, fill: Any) -> Any:
    """``x`` with ``fill`` where ``where`` is False."""
    if where is None:
        return x
    return el.choose(where, x, get_aval(x).dtype.type(fill))


def _strong(x: Any) -> Any:
    """Results of reductions are strongly typed."""
    aval = get_aval(x)
    return ew.convert(x, aval.dtype) if aval.weak_type else x


# -- sums and products --------------------------------------------------------------------------------


def _sum_dtype(dtype: np.dtype, promote: bool) -> np.dtype:
    """Sums of booleans and narrow integers have 64 bits."""
    kind = dtypes.kind_of(dtype)
    if kind == "b":
        return dtypes.default_dtype("i")
    if promote and kind in "iu" and dtype.itemsize < 8:
        return dtypes.canonicalize_dtype("i8" if kind == "i" else "u8")
    return dtype


def _accumulate(
    name: str,
    folded: Callable[..., Any],
    ufunc: np.ufunc,
    neutral: int,
    combine: Any,
    summary: str,
    more: str,
) -> Any:
    def reduction(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
        promote_integers: bool = True,
    ) -> Any:
        if dtype is None and initial is None and where is None and out is None and is_eager_float(a):
            return wrap(
                quiet(lambda v: ufunc.reduce(v, axis=to_axes(axis, v.ndim), keepdims=keepdims), a._np)
            )
        refuse_out(name, out)
        x = operand(name, a)
        aval = get_aval(x)
        axes = to_axes(axis, aval.ndim)
        target = _sum_dtype(aval.dtype, promote_integers) if dtype is None else dtypes.requested(dtype)
        work = _F32 if dtypes.kind_of(target) == "f" and target.itemsize < 4 else target
        x = ew.convert(_real_if(x, work), work)
        result = folded(_masked(x, where, neutral), axes)
        if initial is not None:
            result = combine(result, initial)
        return ew.convert(_keep(result, aval.shape, axes, keepdims), target)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"""{summary}

    Args:
        a: array or scalar.
        axis: an axis or a tuple of axes; all by default.
        dtype: of the result; by default that of ``a``, booleans and narrow integers widened to 64 bits.
        out: must be None.
        keepdims: keep the reduced axes, with size 1.
        initial: combined with the result.
        where: booleans that broadcast to ``a``: which elements take part.
        promote_integers: False keeps narrow integers narrow.
    {more}"""
    return reduction


def _real_if(x: Any, target: np.dtype) -> Any:
    return ew.real(x) if get_aval(x).dtype.kind == "c" and target.kind != "c" else x


_SUM_EXAMPLE = """
    >>> import jitney.numpy as jnp
    >>> jnp.sum(jnp.ones((2, 3)), axis=0)
    Array([2., 2., 2.], dtype=float64)
    """

sum = _accumulate("sum", fold.reduce_sum, np.add, 0, uf.add, "Sum of elements along axes.", _SUM_EXAMPLE)
prod = _accumulate(
    "prod", fold.reduce_prod, np.multiply, 1, uf.multiply, "Product of elements along axes.", ""
)


# -- extremes -----------------------------------------------------------------------------------------


def _extreme(
    name: str,
    folded: Callable[..., Any],
    ufunc: np.ufunc,
    neutral: Callable[..., Any],
    combine: Any,
    summary: str,
) -> Any:
    def reduction(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        if initial is None and where is None and out is None and is_eager_float(a) and a.size:
            return wrap(
                quiet(lambda v: ufunc.reduce(v, axis=to_axes(axis, v.ndim), keepdims=keepdims), a._np)
            )
        refuse_out(name, out)
        x = operand(name, a)
        aval = get_aval(x)
        axes = to_axes(axis, aval.ndim)
        if initial is None and where is not None:
            raise ValueError(
                f"reduction operation {name} does not have an identity, so to use a where mask one has to specify 'initial'"
            )
        if initial is None and builtins.any(aval.shape[d] == 0 for d in axes):
            raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
        if aval.dtype.kind == "c":
            result = _complex_extreme(x, axes, name)
        else:
            result = folded(_masked(x, where, neutral(aval.dtype)), axes)
        if initial is not None:
            result = combine(convert(operand(name, initial), get_aval(result).dtype), result)
        return _strong(_keep(result, aval.shape, axes, keepdims))

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"""{summary}; NaN if any element is.

    Args:
        a: array or scalar, with at least one element along ``axis`` unless ``initial`` is given.
        axis: an axis or a tuple of axes; all by default.
        out: must be None.
        keepdims: keep the reduced axes, with size 1.
        initial: combined with the result; needed with ``where``.
        where: booleans that broadcast to ``a``: which elements take part.

    Raises:
        ValueError: for an empty array without ``initial``.
    """
    return reduction


def _complex_extreme(x: Any, axes: tuple[int, ...], name: str) -> Any:
    """Complex numbers are ordered by real part, then imaginary part."""
    keep = fold.reduce_max if name.endswith("max") else fold.reduce_min
    edge = -math.inf if name.endswith("max") else math.inf
    re, im = ew.real(x), ew.imag(x)
    best = keep(re, axes)
    here = ew.eq(
        re,
        raw.broadcast_in_dim(
            best, get_aval(re).shape, [d for d in range(get_aval(re).ndim) if d not in axes]
        ),
    )
    return ew.complex(best, keep(el.choose(here, im, get_aval(im).dtype.type(edge)), axes))


max = _extreme("max", fold.reduce_max, np.maximum, fold.smallest, uf.maximum, "Largest element along axes")
min = _extreme("min", fold.reduce_min, np.minimum, fold.largest, uf.minimum, "Smallest element along axes")
amax = _extreme("amax", fold.reduce_max, np.maximum, fold.smallest, uf.maximum, "Largest element along axes")
amin = _extreme("amin", fold.reduce_min, np.minimum, fold.largest, uf.minimum, "Smallest element along axes")


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Largest minus smallest element along axes."""
    refuse_out("ptp", out)
    return max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)


# -- truth and counts ---------------------------------------------------------------------------------


def all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """True where all elements along axes are nonzero."""
    return _logical("all", fold.reduce_and, True, a, axis, out, keepdims, where)


def any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """True where some element along axes is nonzero."""
    return _logical("any", fold.reduce_or, False, a, axis, out, keepdims, where)


def _logical(
    name: str, folded: Any, neutral: bool, a: Any, axis: Any, out: Any, keepdims: bool, where: Any
) -> Any:
    refuse_out(name, out)
    if where is None and is_eager(a) and a.dtype == BOOL:
        ufunc: Any = np.logical_and if neutral else np.logical_or
        return wrap(ufunc.reduce(a._np, axis=to_axes(axis, a.ndim), keepdims=keepdims))
    x = operand(name, a)
    aval = get_aval(x)
    axes = to_axes(axis, aval.ndim)
    x = _masked(ew.convert(x, BOOL), where, neutral)
    return _keep(folded(x, axes), aval.shape, axes, keepdims)


def count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The number of nonzero elements along axes."""
    return sum(to_bool(operand("count_nonzero", a)), axis, keepdims=keepdims)


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """True if all elements are close: see ``isclose``."""
    return all(el.isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """True if two arrays have one shape and equal elements."""
    x, y = array_operand("array_equal", a1), array_operand("array_equal", a2, 1)
    if get_aval(x).shape != get_aval(y).shape:
        return wrap(np.False_)
    same = uf.equal(x, y)
    return all(same | (el.isnan(x) & el.isnan(y)) if equal_nan else same)


def array_equiv(a1: Any, a2: Any) -> Any:
    """True if two arrays broadcast together and their elements are equal."""
    x, y = array_operand("array_equiv", a1), array_operand("array_equiv", a2, 1)
    try:
        broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    except (TypeError, ValueError):
        return wrap(np.False_)
    return all(uf.equal(x, y))


# -- places of extremes -------------------------------------------------------------------------------


def _arg(name: str, prim: Any, a: Any, axis: Any, out: Any, keepdims: bool | None) -> Any:
    refuse_out(name, out)
    x = operand(name, a)
    aval = get_aval(x)
    if aval.dtype.kind == "c":
        raise TypeError(f"{name} does not support complex-valued inputs")
    flat = axis is None
    where = 0 if flat else to_axis(axis, aval.ndim)
    if (aval.size if flat else aval.shape[where]) == 0:
        raise ValueError(f"attempt to get {name} of an empty sequence")
    y = raw.reshape(x, (aval.size,)) if flat else x
    result = prim.bind(y, axes=(where,), index_dtype=dtypes.default_dtype("i"))
    if not keepdims:
        return result
    return raw.expand_dims(result, range(aval.ndim) if flat else (where,))


def argmax(a: Any, axis: Any = None, out: Any = None, keepdims: bool | None = None) -> Any:
    """Index of the first largest element (of the first NaN, if there is one), in the flat array if ``axis`` is None."""
    return _arg("argmax", fold.argmax_p, a, axis, out, keepdims)


def argmin(a: Any, axis: Any = None, out: Any = None, keepdims: bool | None = None) -> Any:
    """Index of the first smallest element (of the first NaN, if there is one), in the flat array if ``axis`` is None."""
    return _arg("argmin", fold.argmin_p, a, axis, out, keepdims)


# -- means and variances ------------------------------------------------------------------------------


def _count(
    shape: tuple[int, ...], axes: tuple[int, ...], where: Any, dtype: np.dtype, keepdims: bool = False
) -> Any:
    """How many elements each mean is over: a number, or an array if ``where`` is given."""
    if where is None:
        return math.prod(shape[d] for d in axes)
    mask = broadcast_to(ew.convert(array_operand("mean", where), dtypes.real_dtype(dtype)), shape)
    return _keep(fold.reduce_sum(mask, axes), shape, axes, keepdims)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Arithmetic mean along axes; NaN where there is nothing to average.

    Args:
        a: array or scalar; integers become floats.
        axis: an axis or a tuple of axes; all by default.
        dtype: of the result.
        out: must be None.
        keepdims: keep the reduced axes, with size 1.
        where: booleans that broadcast to ``a``: which elements take part.

    >>> import jitney.numpy as jnp
    >>> jnp.mean(jnp.array([1, 2, 4]))
    Array(2.33333333, dtype=float64)
    """
    if dtype is None and where is None and out is None and is_eager_float(a) and a.size:
        return _eager_mean(a, axis, bool(keepdims))
    refuse_out("mean", out)
    x = operand("mean", a)
    aval = get_aval(x)
    axes = to_axes(axis, aval.ndim)
    target = dtypes.to_inexact(aval.dtype) if dtype is None else dtypes.requested(dtype)
    work = _F32 if dtypes.kind_of(target) == "f" and target.itemsize < 4 else dtypes.to_inexact(target)
    number = _count(aval.shape, axes, where, work, keepdims)
    total = sum(x, axes, dtype=work, keepdims=keepdims, where=where)
    return ew.convert(uf.true_divide(total, work.type(number) if where is None else number), target)


def _eager_mean(a: Any, axis: Any, keepdims: bool) -> Any:
    values = a._np
    axes = to_axes(axis, values.ndim)
    number = math.prod(values.shape[d] for d in axes)
    return wrap(quiet(_np_mean, values, axes, keepdims, number))


def _np_mean(values: np.ndarray, axes: tuple[int, ...], keepdims: bool, number: int) -> Any:
    total = _np_sum(values, axis=axes, keepdims=keepdims)
    return total / values.dtype.type(number)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Weighted mean along axes; with ``returned``, also the sum of the weights."""
    if weights is None:
        out = mean(a, axis, keepdims=keepdims)
        aval = get_aval(array_operand("average", a))
        number = math.prod(aval.shape[d] for d in to_axes(axis, aval.ndim))
        return (out, full_of(get_aval(out).shape, number, get_aval(out).dtype)) if returned else out
    x, w = promote_inexact(array_operand("average", a), array_operand("average", weights, 1))
    shape = get_aval(x).shape
    if get_aval(w).shape != shape:
        if axis is None:
            raise ValueError("Axis must be specified when shapes of a and weights differ.")
        axes = to_axes(axis, len(shape))
        if get_aval(w).shape != tuple(shape[d] for d in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        order = sorted(range(len(axes)), key=axes.__getitem__)
        w = raw.broadcast_in_dim(raw.transpose(w, order), shape, sorted(axes))
    total = sum(w, axis, keepdims=keepdims)
    out = sum(x * w, axis, keepdims=keepdims) / total
    return (out, broadcast_to(total, get_aval(out).shape)) if returned else out


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance along axes: the mean squared distance from the mean, over ``n - ddof``.

    Args:
        a: array or scalar; integers become floats; of complex arrays the variance is real.
        axis: an axis or a tuple of axes; all by default.
        dtype: of the computation and the result.
        out: must be None.
        ddof: delta degrees of freedom (``correction`` is another name for it).
        keepdims: keep the reduced axes, with size 1.
        where: booleans that broadcast to ``a``: which elements take part.
        mean: the mean with its axes kept, if it is known already.
    """
    if correction is not None:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    plain = dtype is None and where is None and out is None and mean is None
    if plain and type(ddof) in (int, float) and is_eager_float(a) and a.size:
        return wrap(quiet(_np_var, a._np, to_axes(axis, a.ndim), bool(keepdims), ddof))
    refuse_out("var", out)
    x = operand("var", a)
    aval = get_aval(x)
    axes = to_axes(axis, aval.ndim)
    computed, target = _var_dtypes(aval.dtype, dtype)
    x = ew.convert(x, computed)
    center = _mean_of(x, axes, where) if mean is None else mean
    apart = uf.subtract(x, center)
    if where is not None:  # before squaring, so that masked NaN leave no trace in derivatives
        apart = el.choose(where, apart, computed.type(0))
    if computed.kind == "c":
        square = ew.add(ew.square(ew.real(apart)), ew.square(ew.imag(apart)))
    else:
        square = uf.square(apart)
    number = _count(aval.shape, axes, where, computed, keepdims)
    real_dtype = dtypes.real_dtype(computed)
    freedom = (
        real_dtype.type(number - ddof)
        if where is None and type(ddof) in (int, float)
        else uf.subtract(number, ddof)
    )
    total = sum(square, axes, keepdims=keepdims, where=where)
    result = uf.true_divide(total, freedom)
    if not isinstance(freedom, np.generic):
        result = el.choose(uf.greater(freedom, 0), result, real_dtype.type(math.nan))
    elif not freedom > 0:
        result = full_of(get_aval(result).shape, math.nan, real_dtype)
    return ew.convert(result, target)


def _mean_of(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    return mean(x, axes, keepdims=True, where=where)


def _var_dtypes(have: np.dtype, dtype: Any) -> tuple[np.dtype, np.dtype]:
    """The dtype to compute in and that of the result."""
    if dtype is not None:
        wanted = dtypes.requested(dtype)
        if have.kind == "c" and wanted.kind != "c":
            raise ValueError(
                "jax.numpy.var does not yet support real dtype parameters when computing the variance of complex arrays"
            )
        common, _ = dtypes.promote(((have, False), (wanted, False)))
        return dtypes.to_inexact(common), wanted
    target = dtypes.to_inexact(have)
    if dtypes.kind_of(target) == "f" and target.itemsize < 4:
        return _F32, target
    return target, dtypes.real_dtype(target)


def _np_var(values: np.ndarray, axes: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    number = math.prod(values.shape[d] for d in axes)
    apart = values - _np_mean(values, axes, True, number)
    total = _np_sum(apart * apart, axis=axes, keepdims=keepdims)
    freedom = values.dtype.type(number - ddof)
    return total / freedom if freedom > 0 else total * values.dtype.type(math.nan)


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Standard deviation along axes: the square root of ``var``, which has the same arguments."""
    refuse_out("std", out)
    return uf.sqrt(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))
