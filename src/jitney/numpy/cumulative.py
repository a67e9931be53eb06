"""Along an axis: running sums and products, differences, gradients, the trapezoidal rule, unwrapped phases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import ordering, raw
from jitney._ops.families import literal
from jitney.numpy import arithmetic
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import (
    BOOL,
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    is_eager_float,
    promote_dtypes,
    promote_inexact,
    quiet,
    refuse_out,
    to_axes,
    to_axis,
    wrap,
)

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "ediff1d",
    "gradient",
    "nancumprod",
    "nancumsum",
    "trapezoid",
    "unwrap",
]


def span(x: Any, axis: int, start: int, stop: int) -> Any:
    """``x[start:stop]`` along ``axis``; both ends are nonnegative."""
    shape = get_aval(x).shape
    stop = min(stop, shape[axis])
    starts = [min(start, stop) if d == axis else 0 for d in range(len(shape))]
    return raw.slice_(x, starts, [stop if d == axis else n for d, n in enumerate(shape)])


# -- running sums and products ------------------------------------------------------------------------


def _running(
    name: str,
    prim: Primitive,
    ufunc: np.ufunc,
    a: Any,
    axis: int | None,
    dtype: Any,
    out: Any = None,
    nan_as: int | None = None,
    widen: bool = False,
) -> Any:
    if dtype is None and out is None and nan_as is None and is_eager_float(a) and a.ndim:
        x, along = (a._np.reshape(-1), 0) if axis is None else (a._np, to_axis(axis, a.ndim))
        return wrap(quiet(ufunc.accumulate, x, along))
    refuse_out(name, out)
    a = array_operand(name, a)
    x = raw.reshape(a, (get_aval(a).size,)) if axis is None else a
    along = to_axis(0 if axis is None else axis, get_aval(x).ndim)
    have = get_aval(x).dtype
    if nan_as is not None and dtypes.is_inexact(have):
        x = raw.select(ew.ne(x, x), raw.full(get_aval(x).shape, nan_as, have), ew.convert(x, have))
    return prim.bind(ew.convert(x, _running_dtype(have, dtype, widen)), axis=along, reverse=False)


def _running_dtype(have: np.dtype, dtype: Any, widen: bool) -> np.dtype:
    """Booleans are counted in the default integers; ``widen``: narrow integers as well."""
    if dtype is not None:
        return dtypes.requested(dtype)
    if have == BOOL or (widen and have.kind == "i" and have.itemsize < 8):
        return dtypes.default_dtype("i")
    if widen and have.kind == "u":
        return dtypes.canonicalize_dtype("u8")
    return have


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running sums along ``axis`` (of the flattened array by default).

    Args:
        a: array of any dtype; booleans are counted as int64.
        dtype: of the sums; by default that of ``a``.

    >>> import jitney.numpy as jnp
    >>> jnp.cumsum(jnp.array([1.0, 2.0, 3.0]))
    Array([1., 3., 6.], dtype=float64)
    """
    return _running("cumsum", ordering.cumsum_p, np.add, a, axis, dtype, out)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running products along ``axis`` (of the flattened array by default)."""
    return _running("cumprod", ordering.cumprod_p, np.multiply, a, axis, dtype, out)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """:func:`cumsum` with NaN as 0."""
    return _running("nancumsum", ordering.cumsum_p, np.add, a, axis, dtype, out, nan_as=0)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """:func:`cumprod` with NaN as 1."""
    return _running("nancumprod", ordering.cumprod_p, np.multiply, a, axis, dtype, out, nan_as=1)


def _array_api(
    name: str, prim: Primitive, ufunc: np.ufunc, x: Any, axis: Any, dtype: Any, initial: int | None
) -> Any:
    x = array_operand(name, x)
    rank = get_aval(x).ndim
    if rank == 0:
        raise ValueError(
            f"{name}: the input must be non-scalar, however a scalar value or scalar array was given."
        )
    if axis is None:
        if rank > 1:
            raise ValueError(
                f"{name}: the input has rank {rank}, so axis must be given; only vectors need none."
            )
        axis = 0
    out = _running(name, prim, ufunc, x, axis, dtype, widen=prim is ordering.cumsum_p)
    if initial is None:
        return out
    shape = list(get_aval(out).shape)
    axis = to_axis(axis, rank)
    shape[axis] = 1
    return raw.concatenate([raw.full(shape, initial, get_aval(out).dtype), out], axis)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Running sums along ``axis``, which only vectors may leave out; ``include_initial`` puts a 0 in front."""
    first = 0 if include_initial else None
    return _array_api("cumulative_sum", ordering.cumsum_p, np.add, x, axis, dtype, first)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Running products along ``axis``, which only vectors may leave out; ``include_initial`` puts a 1 in front."""
    first = 1 if include_initial else None
    return _array_api("cumulative_prod", ordering.cumprod_p, np.multiply, x, axis, dtype, first)


# -- differences --------------------------------------------------------------------------------------


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along ``axis``, ``n`` times; of booleans whether they differ.

    Args:
        a: array of rank 1 or more.
        n: how often to take differences.
        prepend, append: values to join to ``a`` first; a scalar counts as one element.

    Raises:
        ValueError: for scalars and negative ``n``.
    """
    a = array_operand("diff", a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if get_aval(a).ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional; got a scalar.")
    if n == 0:
        return a
    axis = to_axis(axis, get_aval(a).ndim)
    parts = [p for p in (_edge(prepend, a, axis), a, _edge(append, a, axis)) if p is not None]
    if len(parts) > 1:
        a = raw.concatenate(promote_dtypes(*parts), axis)
    for _ in range(n):
        size = get_aval(a).shape[axis]
        left, right = span(a, axis, 0, max(size - 1, 0)), span(a, axis, 1, size)
        a = ew.ne(right, left) if get_aval(a).dtype == BOOL else ew.sub(right, left)
    return a


def _edge(values: Any, a: Any, axis: int) -> Any:
    """What to join to ``a``; a scalar becomes a slice of thickness 1."""
    if values is None:
        return None
    values = array_operand("diff", values)
    if get_aval(values).ndim:
        return values
    return broadcast_to(values, tuple(1 if d == axis else n for d, n in enumerate(get_aval(a).shape)))


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array, between ``to_begin`` and ``to_end`` (in its dtype)."""
    ary = array_operand("ediff1d", ary)
    flat = raw.reshape(ary, (get_aval(ary).size,))
    n = get_aval(flat).size
    parts = [ew.sub(span(flat, 0, 1, n), span(flat, 0, 0, max(n - 1, 0)))]
    for position, values in ((len(parts), to_end), (0, to_begin)):
        if values is not None:
            values = ew.convert(array_operand("ediff1d", values), get_aval(flat).dtype)
            parts.insert(position, raw.reshape(values, (get_aval(values).size,)))
    return raw.concatenate(promote_dtypes(*parts), 0)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int | None = None) -> Any:
    """Slopes by central differences inside and one-sided ones at the edges.

    Args:
        f: array; integers become floats.
        varargs: distances between points: one number for all axes, or for each axis a number or the vector of the
            points' coordinates. Default 1.
        axis: an axis or a tuple of axes; all by default.
        edge_order: must be None.

    Returns:
        an array of the shape of ``f``; of several axes a list of them.

    Raises:
        ValueError: if an axis has fewer than 2 points, or coordinates do not fit.
        TypeError: for another number of distances.
    """
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to jnp.gradient is not supported.")
    (f,) = promote_inexact(array_operand("gradient", f))
    shape = get_aval(f).shape
    axes = to_axes(axis, len(shape))
    if len(varargs) not in (0, 1, len(axes)) and axes:
        raise TypeError(f"Invalid number of spacing arguments {len(varargs)} for axis={axis}")
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    out = [_slope(f, d, _spacing(h, shape[d])) for d, h in zip(axes, spacings, strict=True)]
    return out[0] if len(axes) == 1 else out


def _spacing(h: Any, n: int) -> Any:
    if n < 2:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least 2 elements are required."
        )
    h = array_operand("gradient", h)
    if get_aval(h).ndim > 1:
        raise ValueError("Spacing arrays must be 1D arrays or scalars.")
    if get_aval(h).ndim == 1 and get_aval(h).size != n:
        raise ValueError(
            "Spacing arrays must have the same length as the dimension along which the gradient is calculated."
        )
    return h


def _slope(f: Any, axis: int, h: Any) -> Any:
    n = get_aval(f).shape[axis]
    steps = uf.subtract(span(f, axis, 1, n), span(f, axis, 0, n - 1))
    if get_aval(h).ndim == 0:
        slopes = steps / h
        inner = (span(slopes, axis, 0, n - 2) + span(slopes, axis, 1, n - 1)) * 0.5
    else:
        widths = uf.subtract(span(h, 0, 1, n), span(h, 0, 0, n - 1))
        widths = raw.reshape(widths, [n - 1 if d == axis else 1 for d in range(get_aval(f).ndim)])
        slopes = steps / widths
        left, right = span(widths, axis, 0, n - 2), span(widths, axis, 1, n - 1)
        # The slope of the parabola through three points: the nearer neighbour counts more.
        inner = (span(slopes, axis, 0, n - 2) * right + span(slopes, axis, 1, n - 1) * left) / (left + right)
    return raw.concatenate([span(slopes, axis, 0, 1), inner, span(slopes, axis, n - 2, n - 1)], axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of ``y`` along ``axis`` by the trapezoidal rule.

    Args:
        y: samples; integers become floats.
        x: where they were taken: a vector, or an array that broadcasts with ``y``; by default ``dx`` apart.

    >>> import jitney.numpy as jnp
    >>> jnp.trapezoid(jnp.array([1.0, 2.0, 3.0]), dx=0.5)
    Array(2., dtype=float64)
    """
    if x is None:
        (y,) = promote_inexact(array_operand("trapezoid", y))
        widths = array_operand("trapezoid", dx, 2)
        rank = get_aval(y).ndim
        y = raw.move_axis(y, to_axis(axis, rank), rank - 1)
    else:
        y, x = promote_inexact(array_operand("trapezoid", y), array_operand("trapezoid", x, 1))
        rank, rank_x = get_aval(y).ndim, get_aval(x).ndim
        y = raw.move_axis(y, to_axis(axis, rank), rank - 1)
        widths = diff(x) if rank_x == 1 else diff(raw.move_axis(x, to_axis(axis, rank_x), rank_x - 1))
    n = get_aval(y).shape[-1]
    means = (span(y, rank - 1, 0, max(n - 1, 0)) + span(y, rank - 1, 1, n)) * 0.5
    broadcast_shapes(get_aval(widths).shape, get_aval(means).shape)
    areas = widths * means
    aval = get_aval(areas)
    return raw.reduce_sum(ew.convert(areas, aval.dtype), (aval.ndim - 1,))


def unwrap(p: Any, discont: Any = None, axis: int = -1, period: Any = 2 * math.pi) -> Any:
    """``p`` with multiples of ``period`` added so that neighbours along ``axis`` differ by at most half a period.

    Args:
        p: phases; integers with an integer period stay integers.
        discont: jumps up to this size are kept (default and at least half a period).
    """
    p = array_operand("unwrap", p)
    if get_aval(p).ndim == 0:
        raise IndexError("unwrap requires an array with at least one axis; got a scalar.")
    dtype, _ = dtypes.promote(tuple((a.dtype, a.weak_type) for a in map(get_aval, (p, period))))
    p, period = ew.convert(p, dtype), convert(period, dtype)
    axis = to_axis(axis, get_aval(p).ndim)
    step = diff(p, axis=axis)
    if dtype.kind in "iu":
        half, odd = arithmetic.divmod(period, literal(p, 2))
        even = uf.equal(odd, literal(p, 0))
    else:
        half, even = period / literal(p, 2), True
    turned = arithmetic.remainder(step + half, period) - half
    # A jump of exactly half a period up stays a jump up.
    turned = el.choose(uf.equal(turned, -half) & uf.greater(step, 0) & even, half, turned)
    limit = half if discont is None else discont
    correction = el.choose(uf.less(uf.abs(step), limit), literal(p, 0), turned - step)
    n = get_aval(p).shape[axis]
    rest = span(p, axis, 1, n) + ordering.cumsum_p.bind(
        ew.convert(correction, dtype), axis=axis, reverse=False
    )
    return raw.concatenate([span(p, axis, 0, 1), rest], axis)
