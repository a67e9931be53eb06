"""Making arrays: from data, by filling, by counting."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.lax.operands import to_shape
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import (
    PYTHON_SCALARS,
    array_operand,
    broadcast_shapes,
    broadcast_to,
    convert,
    operand,
    promote_dtypes,
    promote_inexact,
    to_axis,
    wrap,
)
from jitney.numpy.operands import (
    full as full_of,
)

# -- from data ----------------------------------------------------------------------------------------


def array(
    object: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str | None = "K",
    ndmin: int = 0,
    *,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """An array of ``object``: a number, nested lists, a NumPy array, an array, or anything with ``__array__``.

    Args:
        object: the data; lists may hold traced values.
        dtype: of the result; by default that of the data (Python numbers: 64 bits, weakly typed if not in a list).
        copy: the result never shares memory that somebody could change, whatever ``copy`` says.
        order: must be row-major ("K", "C", "A" or None).
        ndmin: add leading axes up to this rank.

    Raises:
        TypeError: for strings, objects, dates and whatever else is not numbers.
        ValueError: for lists whose parts have different lengths.

    >>> import jitney.numpy as jnp
    >>> jnp.array([1, 2, 3])
    Array([1, 2, 3], dtype=int64)
    """
    if type(object) is np.ndarray and dtype is None and ndmin == 0 and current_trace() is None:
        canonical = dtypes.canonicalize_dtype(object.dtype)
        return wrap(np.array(object, canonical, order="C"))
    if order not in (None, "K", "C", "A"):
        raise NotImplementedError(f"Only implemented for order='K' (row-major), got order={order!r}.")
    x = _from_data(object)
    if dtype is not None:
        x = _cast(x, dtype)
    if ndmin > get_aval(x).ndim:
        x = raw.expand_dims(x, range(ndmin - get_aval(x).ndim))
    if copy and isinstance(object, Tracer) and x is object:
        return ew.copy_p.bind(x)
    return x


def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``a`` as an array; arrays pass unchanged. See ``array`` for what is accepted."""
    if type(a) is ArrayImpl and dtype is None:
        return a
    return array(a, dtype, bool(copy), order)


def _cast(x: Any, dtype: Any) -> Any:
    """``x`` in ``dtype``; a Python scalar type asks for its default precision, strongly typed."""
    return ew.convert(x, dtypes.canonicalize_dtype(dtype))


def _from_data(x: Any) -> Any:
    if type(x) is ArrayImpl or isinstance(x, Tracer) or type(x) in PYTHON_SCALARS:
        return array_operand("array", x)
    if x is None:
        raise ValueError("None is not a valid value for jnp.array")
    if isinstance(x, (list, tuple)):
        return _from_sequence(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return _from_numpy(x, x)
    if hasattr(x, "__jax_array__"):
        return _from_data(x.__jax_array__())
    if isinstance(x, (str, bytes)) or not (
        hasattr(x, "__array__") or hasattr(x, "__array_interface__") or _has_buffer(x) or isinstance(x, (int, float, complex))
    ):
        if isinstance(x, Sequence) and not isinstance(x, (str, bytes)):
            return _from_sequence(list(x))
        raise TypeError(
            f"Value {_short(x)} of type {type(x).__name__} is not a valid array: arrays hold numbers and booleans only."
        )
    if isinstance(x, (int, float, complex)):
        return array_operand("array", x)
    return _from_numpy(np.asarray(x), x)


def _has_buffer(x: Any) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _from_numpy(value: Any, origin: Any) -> Any:
    if not dtypes.is_supported(value.dtype):
        raise TypeError(
            f"Value {_short(origin)} with dtype {value.dtype} is not a valid array type: arrays hold numbers and "
            "booleans only."
        )
    return wrap(np.array(value, dtypes.canonicalize_dtype(value.dtype), order="C", subok=False))


def _from_sequence(x: Any) -> Any:
    leaves: list[Any] = []
    _collect(x, leaves)
    if any(isinstance(leaf, (Tracer, ArrayImpl)) or hasattr(leaf, "__jax_array__") for leaf in leaves):
        return _stack_parts(x)
    if not leaves:
        return wrap(np.zeros(np.shape(x), dtypes.default_dtype("f")))
    for leaf in leaves:
        if leaf is None or isinstance(leaf, (str, bytes)):
            raise TypeError(f"Value {_short(leaf)} in a list is not a valid array element: arrays hold numbers only.")
    value = _nested(x)
    if all(type(leaf) in PYTHON_SCALARS for leaf in leaves):
        kind = "bifc"[max("bifc".index(_KIND[type(leaf)]) for leaf in leaves)]
        return wrap(_exact(value, leaves, dtypes.default_dtype(kind)))
    types = [get_aval(leaf) for leaf in leaves if _is_number(leaf)]
    if len(types) != len(leaves):
        bad = next(leaf for leaf in leaves if not _is_number(leaf))
        raise TypeError(f"Value {_short(bad)} in a list is not a valid array element: arrays hold numbers only.")
    dtype, _ = dtypes.promote(tuple({(a.dtype, a.weak_type) for a in types}))
    return wrap(np.array(value, dtype))


_KIND = {bool: "b", int: "i", float: "f", complex: "c"}


def _is_number(x: Any) -> bool:
    if isinstance(x, (np.ndarray, np.generic)):
        return dtypes.is_supported(x.dtype)
    return isinstance(x, (bool, int, float, complex))


def _collect(x: Any, leaves: list[Any]) -> None:
    if isinstance(x, (list, tuple)):
        for part in x:
            _collect(part, leaves)
    else:
        leaves.append(x)


def _nested(x: Any) -> np.ndarray:
    """``np.array`` of nested lists, with one error for ragged ones."""
    try:
        value = np.array(x)
    except ValueError as error:
        raise ValueError(f"Cannot make an array of a ragged list: its parts have different shapes ({error}).") from None
    except OverflowError:
        raise OverflowError("A Python integer in the list does not fit any array dtype.") from None
    return value


def _exact(value: np.ndarray, leaves: list[Any], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "i" and value.dtype.kind in "Ouf":  # beyond int64
        raise OverflowError(f"A Python integer in the list does not fit dtype {dtype.name}.")
    return np.array(value, dtype)


def _stack_parts(x: Any) -> Any:
    """A list that holds arrays or tracers: each part as an array, joined along a new first axis."""
    parts = [_stack_parts(p) if isinstance(p, (list, tuple)) else _from_data(p) for p in x]
    shapes = [get_aval(p).shape for p in parts]
    if any(s != shapes[0] for s in shapes):
        raise ValueError(f"Cannot make an array of a ragged list: its parts have shapes {shapes}.")
    parts = promote_dtypes(*parts)
    dtype = get_aval(parts[0]).dtype
    return raw.concatenate([raw.expand_dims(convert(p, dtype), (0,)) for p in parts], 0)


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 60 else text[:57] + "..."


def copy(a: Any, order: str | None = None) -> Any:
    """A copy of ``a``."""
    return array(a, copy=True, order=order)


def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Any:
    """``x`` with elements converted to ``dtype``; complex to real drops the imaginary part.

    >>> import jitney.numpy as jnp
    >>> jnp.astype(jnp.array([0.5, 2.7]), jnp.int32)
    Array([0, 2], dtype=int32)
    """
    x = array_operand("astype", x)
    dtype = dtypes.default_dtype("f") if dtype is None else dtypes.canonicalize_dtype(dtype)
    if get_aval(x).dtype.kind == "c" and dtype.kind != "c":
        if dtype.kind == "b":
            return uf.not_equal(x, 0)
        import warnings

        warnings.warn("Casting complex values to real discards the imaginary part", np.exceptions.ComplexWarning, 2)
        x = ew.real(x)
    return ew.convert(x, dtype)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array of the data that ``x`` exports by DLPack."""
    return array(np.from_dlpack(x))


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Any:
    """An array of the bytes of ``buffer``."""
    return array(np.frombuffer(buffer, dtype=dtypes.as_dtype(dtype), count=count, offset=offset))


def fromiter(*args: Any, **kwargs: Any) -> Any:
    """``np.fromiter`` as an array."""
    return array(np.fromiter(*args, **kwargs))


def fromfile(*args: Any, **kwargs: Any) -> Any:
    """``np.fromfile`` as an array."""
    return array(np.fromfile(*args, **kwargs))


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Any:
    """Numbers in ``string``, separated by ``sep``."""
    return array(np.fromstring(string, dtype=dtypes.as_dtype(dtype), count=count, sep=sep))


# -- by filling ---------------------------------------------------------------------------------------


def _dtype_or(dtype: Any, default: str) -> np.dtype:
    return dtypes.default_dtype(default) if dtype is None else dtypes.canonicalize_dtype(dtype)


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


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of ``shape`` filled with ``fill_value`` (a scalar, or an array that broadcasts to ``shape``)."""
    value = fill_value if isinstance(fill_value, (list, tuple)) else operand("full", fill_value, 1)
    if isinstance(value, (list, tuple)):
        value = array(value)
    if dtype is not None:
        value = convert(value, dtypes.canonicalize_dtype(dtype)) if _fits(value, dtype) else astype(value, dtype)
    shape = to_shape("full", shape)
    return broadcast_to(array_operand("full", value) if current_trace() is None or not shape else value, shape)


def _fits(value: Any, dtype: Any) -> bool:
    """True for a Python scalar whose kind ``dtype`` holds without loss."""
    if type(value) not in PYTHON_SCALARS:
        return False
    return "biufc".index(dtypes.kind_of(dtypes.as_dtype(dtype))) >= "biufc".index(_KIND[type(value)])


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
    a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """``fill_value`` in the shape and dtype of ``a`` (or of ``shape`` and ``dtype``)."""
    like = _like("full_like", a)
    weak = dtype is None and getattr(like, "weak_type", False)
    target = np.dtype(like.dtype) if dtype is None else dtypes.canonicalize_dtype(dtype)
    size = tuple(like.shape) if shape is None else to_shape("full_like", shape)
    if type(fill_value) in PYTHON_SCALARS and _fits(fill_value, target):
        if current_trace() is None or not size:
            return wrap(np.full(size, fill_value, target), weak)
        return raw.broadcast_in_dim(convert(fill_value, target, weak), size, ())
    value = array(fill_value) if isinstance(fill_value, (list, tuple)) else array_operand("full_like", fill_value, 1)
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
    start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """Numbers from ``start`` (default 0) up to, not including, ``stop`` in steps of ``step``.

    All three must be concrete: they determine the shape.

    >>> import jitney.numpy as jnp
    >>> jnp.arange(4)
    Array([0, 1, 2, 3], dtype=int64)
    """
    given = [x for x in (start, stop, step) if x is not None]
    numbers = [_concrete("arange", x) for x in given]
    for x, number in zip(given, numbers, strict=True):
        if np.ndim(number) or not isinstance(number, (bool, int, float, complex, np.generic)):
            raise TypeError(f"arange requires numbers, got {type(x).__name__} ({_short(x)}).")
    types = [get_aval(x) for x in given]
    result, _ = dtypes.promote(tuple((a.dtype, a.weak_type) for a in types))
    target = result if dtype is None else dtypes.canonicalize_dtype(dtype)
    if stop is None:
        size = math.ceil(numbers[0])
        if size <= 0 or target.kind not in "iuf":
            return wrap(np.arange(size).astype(target))
        return raw.iota(target, (size,), 0) if current_trace() is not None else wrap(np.arange(size).astype(target))
    values = np.arange(*[complex(n) if isinstance(n, complex) else n for n in numbers]) if result.kind != "c" else np.arange(*numbers)
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
    if dtype is None and not retstep and type(start) in (int, float) and type(stop) in (int, float) and current_trace() is None:
        return wrap(_np_ramp(start, stop, num, endpoint, dtypes.default_dtype("f")))
    a, b = (array(x) if isinstance(x, (list, tuple)) else operand("linspace", x, i) for i, x in enumerate((start, stop)))
    a, b = (array_operand("linspace", x) for x in promote_inexact(a, b))
    computed = get_aval(a).dtype
    target = computed if dtype is None else dtypes.canonicalize_dtype(dtype)
    if dtypes.is_inexact(target):
        computed = np.promote_types(computed, target) if target.kind != "V" and computed.kind != "V" else computed
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
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """``base`` to the power of ``linspace(start, stop, num)``."""
    target = None if dtype is None else dtypes.canonicalize_dtype(dtype)
    out = el.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return out if target is None else ew.convert(out, target)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """``num`` numbers from ``start`` to ``stop`` with a constant ratio."""
    a, b = (array(x) if isinstance(x, (list, tuple)) else array_operand("geomspace", x, i) for i, x in enumerate((start, stop)))
    a, b = promote_inexact(a, b)
    sign = uf.sign(a) if get_aval(a).dtype.kind != "c" else uf.exp(1j * el.angle(a))
    out = logspace(el.log10(a / sign), el.log10(b / sign), num, endpoint, 10.0, None, 0)
    out = raw.move_axis(sign * out, 0, to_axis(axis, get_aval(out).ndim))
    return ew.convert(out, get_aval(a).dtype if dtype is None else dtypes.canonicalize_dtype(dtype))


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
    return ew.convert(lower_mask(rows, cols, k), np.dtype("f4") if dtype is None else dtypes.canonicalize_dtype(dtype))


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
            raw.reshape(raw.iota(target, (n,)), [n if d == axis else 1 for d in range(rank)]) for axis, n in enumerate(shape)
        )
    if not shape:
        return wrap(np.zeros((0,), target))
    return raw.concatenate([raw.expand_dims(raw.iota(target, shape, axis), (0,)) for axis in range(len(shape))], 0)


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """``function`` of the index arrays of an array of ``shape``."""
    grid = indices(shape, dtype=dtype)
    return function(*[grid[d] for d in range(len(tuple(shape)))], **kwargs)
