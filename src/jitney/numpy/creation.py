"""Making arrays by filling and by counting."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.lax.operands import to_shape
from jitney.numpy import arithmetic
from jitney.numpy import ufuncs as uf
from jitney.numpy.conversion import KIND, short
from jitney.numpy.conversion import array as array
from jitney.numpy.conversion import asarray as asarray
from jitney.numpy.conversion import astype as astype
from jitney.numpy.operands import (
    PYTHON_SCALARS,
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    operand,
    promote_inexact,
    to_axis,
    wrap,
)
from jitney.numpy.operands import (
    full as full_of,
)

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "fromfunction",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "indices",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "tri",
    "zeros",
    "zeros_like",
]

# -- by filling ---------------------------------------------------------------------------------------


def _dtype_or(dtype: Any, default: str) -> np.dtype:
    return dtypes.default_dtype(default) if dtype is None else dtypes.requested(dtype)


def zeros(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Zeros of ``shape`` (an int or a sequence of ints).

    Raises:
        TypeError: if a size is negative or not a concrete integer.
    """
    return _filled("zeros", shape, 0, _dtype_or(dtype, "f"))


def ones(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Ones of ``shape`` (an int or a sequence of ints)."""
    return _filled("ones", shape, 1, _dtype_or(dtype, "f"))


def empty(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Zeros of ``shape``: no array has undefined contents."""
    return zeros(shape, dtype)


def _filled(name: str, shape: Any, value: int, dtype: np.dtype) -> Any:
    shape = to_shape(name, shape)
    if current_trace() is None:
        return wrap(np.full(shape, value, dtype) if value else np.zeros(shape, dtype))
    return full_of(shape, value, dtype)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """An array of ``shape`` filled with ``fill_value`` (a scalar, or an array that broadcasts to ``shape``)."""
    value = fill_value if isinstance(fill_value, (list, tuple)) else operand("full", fill_value, 1)
    if isinstance(value, (list, tuple)):
        value = array(value)
    if dtype is not None:
        value = convert(value, dtypes.requested(dtype)) if _fits(value, dtype) else astype(value, dtype)
    shape = to_shape("full", shape)
    return broadcast_to(
        array_operand("full", value) if current_trace() is None or not shape else value, shape
    )


def _fits(value: Any, dtype: Any) -> bool:
    """True for a Python scalar whose kind ``dtype`` holds without loss."""
    if type(value) not in PYTHON_SCALARS:
        return False
    return "biufc".index(dtypes.kind_of(dtypes.as_dtype(dtype))) >= "biufc".index(KIND[type(value)])


def _like(name: str, a: Any) -> Any:
    if hasattr(a, "shape") and hasattr(a, "dtype") and not isinstance(a, (np.ndarray, np.generic)):
        return a if not hasattr(a, "aval") else a.aval
    return get_aval(operand(name, a))


def zeros_like(
    a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """Zeros with the shape and dtype of ``a``."""
    return full_like(a, 0, dtype, shape)


def ones_like(
    a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """Ones with the shape and dtype of ``a``."""
    return full_like(a, 1, dtype, shape)


def empty_like(prototype: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Zeros with the shape and dtype of ``prototype``."""
    return full_like(prototype, 0, dtype, shape)


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    shape: Any = None,
    *,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``fill_value`` in the shape and dtype of ``a`` (or of ``shape`` and ``dtype``)."""
    like = _like("full_like", a)
    weak = dtype is None and getattr(like, "weak_type", False)
    target = np.dtype(like.dtype) if dtype is None else dtypes.requested(dtype)
    size = tuple(like.shape) if shape is None else to_shape("full_like", shape)
    if type(fill_value) in PYTHON_SCALARS and _fits(fill_value, target):
        if current_trace() is None or not size:
            return wrap(np.full(size, fill_value, target), weak)
        return raw.broadcast_in_dim(convert(fill_value, target, weak), size, ())
    value = (
        array(fill_value)
        if isinstance(fill_value, (list, tuple))
        else array_operand("full_like", fill_value, 1)
    )
    return broadcast_to(ew.convert(astype(value, target), target, weak), size)


# -- by counting --------------------------------------------------------------------------------------


def _concrete(name: str, x: Any) -> Any:
    """A number that shapes depend on: a Python or NumPy scalar, or a concrete array of rank 0."""
    if isinstance(x, Tracer):
        value = x.concrete()
        if value is None:
            from jitney._base import errors
            from jitney._core.trace import raise_for_tracer

            raise_for_tracer(
                x,
                errors.ConcretizationTypeError,
                (
                    f"jnp.{name} needs concrete numbers, because they determine the shape of its result; this one is "
                    "traced ({aval}).",
                    "Sizes are part of the compiled program.",
                ),
            )
        x = value
    return x.item() if hasattr(x, "item") and np.ndim(x) == 0 else x


def arange(
    start: Any,
    stop: Any = None,
    step: Any = None,
    dtype: Any = None,
    *,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Numbers from ``start`` (default 0) up to, not including, ``stop`` in steps of ``step``.

    All three must be concrete: they determine the shape.

    >>> import jitney.numpy as jnp
    >>> jnp.arange(4)
    Array([0, 1, 2, 3], dtype=int64)
    """
    if stop is None and step is not None:
        start, stop = 0, start
    given = [x for x in (start, stop, step) if x is not None]
    numbers = [_concrete("arange", x) for x in given]
    for x, number in zip(given, numbers, strict=True):
        if np.ndim(number) or not isinstance(number, (bool, int, float, complex, np.generic)):
            raise TypeError(f"arange requires numbers, got {type(x).__name__} ({short(x)}).")
    if len(numbers) == 3 and numbers[2] == 0:
        raise ZeroDivisionError("arange: the step must not be zero.")
    types = [get_aval(x) for x in given]
    result, _ = dtypes.promote(tuple((a.dtype, a.weak_type) for a in types))
    target = result if dtype is None else dtypes.requested(dtype)
    if stop is None:
        size = math.ceil(numbers[0])
        if size <= 0 or target.kind not in "iuf":
            return wrap(np.arange(size).astype(target))
        return (
            raw.iota(target, (size,), 0)
            if current_trace() is not None
            else wrap(np.arange(size).astype(target))
        )
    if target.kind in "iu" and result.kind == "f" and len(numbers) == 3:
        # As many as there are floats; start and step are cut off.
        size = len(np.arange(*numbers))
        return wrap((int(numbers[0]) + int(numbers[2]) * np.arange(size)).astype(target))
    values = (
        np.arange(*[complex(n) if isinstance(n, complex) else n for n in numbers])
        if result.kind != "c"
        else np.arange(*numbers)
    )
    return wrap(values.astype(target))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``num`` evenly spaced numbers from ``start`` to ``stop`` (included if ``endpoint``), along ``axis``.

    ``start`` and ``stop`` may be arrays that broadcast together, and traced; ``num`` must be concrete.

    Raises:
        ValueError: if ``num`` is negative.

    >>> import jitney.numpy as jnp
    >>> jnp.linspace(0.0, 1.0, 5)
    Array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float64)
    """
    num = operator.index(_concrete("linspace", num))
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    if (
        dtype is None
        and not retstep
        and type(start) in (int, float)
        and type(stop) in (int, float)
        and current_trace() is None
    ):
        return wrap(_np_ramp(start, stop, num, endpoint, dtypes.default_dtype("f")))
    a, b = (
        array(x) if isinstance(x, (list, tuple)) else operand("linspace", x, i)
        for i, x in enumerate((start, stop))
    )
    a, b = (array_operand("linspace", x) for x in promote_inexact(a, b))
    computed = get_aval(a).dtype
    target = computed if dtype is None else dtypes.requested(dtype)
    if dtypes.is_inexact(target):
        computed = (
            np.promote_types(computed, target) if target.kind != "V" and computed.kind != "V" else computed
        )
    a, b = ew.convert(a, computed), ew.convert(b, computed)
    shape = broadcast_shapes(get_aval(a).shape, get_aval(b).shape)
    a, b = broadcast_to(a, shape), broadcast_to(b, shape)
    out = _ramp(a, b, num, endpoint, computed, shape)
    if target.kind in "iu":
        out = uf.floor(out)
    out = ew.convert(out, target)
    axis = to_axis(axis, len(shape) + 1)
    out = raw.move_axis(out, 0, axis)
    if not retstep:
        return out
    intervals = num - 1 if endpoint else num
    step = (b - a) / intervals if intervals > 0 else full_of(shape, math.nan, computed)
    return out, step


def _np_ramp(start: float, stop: float, num: int, endpoint: bool, dtype: np.dtype) -> np.ndarray:
    """What ``_ramp`` computes, for two numbers."""
    intervals = num - 1 if endpoint else num
    if intervals < 1:
        return np.full(num, start, dtype)
    a, b = dtype.type(start), dtype.type(stop)
    t = np.arange(intervals, dtype=dtype) / dtype.type(intervals)
    out = np.empty(num, dtype)
    out[:intervals] = a * (1 - t) + b * t
    if endpoint:
        out[-1] = b
    return out


def _ramp(a: Any, b: Any, num: int, endpoint: bool, dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    """``num`` points along a new first axis; the last is exactly ``b`` if ``endpoint``."""
    intervals = num - 1 if endpoint else num
    if num == 0:
        return full_of((0, *shape), 0, dtype)
    first = raw.reshape(a, (1, *shape))
    if intervals < 1:
        return first
    real_dtype = dtypes.real_dtype(dtype)
    t = ew.div(raw.iota(real_dtype, (intervals,), 0), real_dtype.type(intervals))
    t = raw.reshape(ew.convert(t, dtype), (intervals, *[1] * len(shape)))
    points = uf.add(first * (1 - t), raw.reshape(b, (1, *shape)) * t)
    return raw.concatenate([points, raw.expand_dims(b, (0,))], 0) if endpoint else points


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``base`` to the power of ``linspace(start, stop, num)``."""
    target = None if dtype is None else dtypes.requested(dtype)
    out = arithmetic.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return out if target is None else ew.convert(out, target)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``num`` numbers from ``start`` to ``stop`` with a constant ratio."""
    a, b = (
        array(x) if isinstance(x, (list, tuple)) else array_operand("geomspace", x, i)
        for i, x in enumerate((start, stop))
    )
    a, b = promote_inexact(a, b)
    sign = uf.sign(a) if get_aval(a).dtype.kind != "c" else uf.exp(1j * arithmetic.angle(a))
    out = logspace(arithmetic.log10(a / sign), arithmetic.log10(b / sign), num, endpoint, 10.0, None, 0)
    out = raw.move_axis(sign * out, 0, to_axis(axis, get_aval(out).ndim))
    return ew.convert(out, get_aval(a).dtype if dtype is None else dtypes.requested(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Any:
    """An ``N`` by ``M`` matrix with ones on diagonal ``k``."""
    rows, cols = to_shape("eye", (N, N if M is None else M))
    target = _dtype_or(dtype, "f")
    if current_trace() is None and not isinstance(k, (ArrayImpl, Tracer)):
        return wrap(np.eye(rows, cols, k, dtype=target))
    return ew.convert(_diagonal_mask(rows, cols, k), target)


def _diagonal_mask(rows: int, cols: int, k: Any) -> Any:
    dtype = dtypes.default_dtype("i")
    row = raw.iota(dtype, (rows, cols), 0)
    return uf.equal(uf.add(row, k), raw.iota(dtype, (rows, cols), 1))


def identity(n: int, dtype: Any = None) -> Any:
    """The ``n`` by ``n`` identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """An ``N`` by ``M`` matrix of ones on and below diagonal ``k``, zeros above (float32 by default)."""
    rows, cols = to_shape("tri", (N, N if M is None else M))
    return ew.convert(lower_mask(rows, cols, k), np.dtype("f4") if dtype is None else dtypes.requested(dtype))


def lower_mask(rows: int, cols: int, k: int) -> Any:
    """True on and below diagonal ``k``."""
    dtype = dtypes.default_dtype("i")
    row = raw.iota(dtype, (rows, cols), 0)
    return uf.greater_equal(uf.add(row, k), raw.iota(dtype, (rows, cols), 1))


def indices(dimensions: Any, dtype: Any = None, sparse: bool = False) -> Any:
    """The index of each element of an array of shape ``dimensions``, along each axis."""
    shape = to_shape("indices", dimensions)
    target = _dtype_or(dtype, "i")
    if sparse:
        rank = len(shape)
        return tuple(
            raw.reshape(raw.iota(target, (n,)), [n if d == axis else 1 for d in range(rank)])
            for axis, n in enumerate(shape)
        )
    if not shape:
        return wrap(np.zeros((0,), target))
    return raw.concatenate(
        [raw.expand_dims(raw.iota(target, shape, axis), (0,)) for axis in range(len(shape))], 0
    )


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """``function`` of the index arrays of an array of ``shape``."""
    grid = indices(shape, dtype=dtype)
    return function(*[grid[d] for d in range(len(tuple(shape)))], **kwargs)
