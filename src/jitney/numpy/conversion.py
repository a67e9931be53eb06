"""Arrays from data: ``array``, ``asarray``, ``astype``, buffers and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import PYTHON_SCALARS, array_operand, convert, promote_dtypes, wrap

__all__ = [
    "array",
    "asarray",
    "astype",
    "copy",
    "from_dlpack",
    "frombuffer",
    "fromfile",
    "fromiter",
    "fromstring",
]


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
    target = None if dtype is None else dtypes.requested(dtype)
    x = _from_data(object, target)
    if target is not None:
        x = ew.convert(x, target)
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


def _from_data(x: Any, dtype: np.dtype | None = None) -> Any:
    """An array of ``x``; Python's numbers are read as ``dtype`` at once, what is an array already keeps its own."""
    if type(x) is ArrayImpl or isinstance(x, Tracer):
        return x
    if type(x) in PYTHON_SCALARS:
        return _from_number(x, dtype)
    if x is None:
        raise ValueError("None is not a valid value for jnp.array")
    if isinstance(x, (list, tuple, range)):
        return _from_sequence(x, dtype)
    if isinstance(x, (np.ndarray, np.generic)):
        return _from_numpy(x, x)
    if hasattr(x, "__jax_array__"):
        return _from_data(x.__jax_array__())
    if isinstance(x, (str, bytes)) or not (
        hasattr(x, "__array__")
        or hasattr(x, "__array_interface__")
        or _has_buffer(x)
        or isinstance(x, (int, float, complex))
    ):
        if isinstance(x, Sequence) and not isinstance(x, (str, bytes)):
            return _from_sequence(list(x), dtype)
        raise TypeError(
            f"Value {short(x)} of type {type(x).__name__} is not a valid array: arrays hold numbers and booleans only."
        )
    for base in (int, float, complex):  # IntEnum and other subclasses of Python numbers
        if isinstance(x, base):
            return _from_number(base(x), dtype)
    return _from_numpy(np.asarray(x), x)


def _from_number(x: Any, dtype: np.dtype | None) -> Any:
    if dtype is not None:
        return wrap(_exact(x, dtype))
    aval = get_aval(x)
    return wrap(_exact(x, aval.dtype), aval.weak_type)


def _has_buffer(x: Any) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _from_numpy(value: Any, origin: Any) -> Any:
    if not dtypes.is_supported(value.dtype):
        raise TypeError(
            f"Value {short(origin)} with dtype {value.dtype} is not a valid array type: arrays hold numbers and "
            "booleans only."
        )
    return wrap(np.array(value, dtypes.canonicalize_dtype(value.dtype), order="C", subok=False))


def _from_sequence(x: Any, wanted: np.dtype | None = None) -> Any:
    leaves: list[Any] = []
    _collect(x, leaves)
    if any(isinstance(leaf, (Tracer, ArrayImpl)) or hasattr(leaf, "__jax_array__") for leaf in leaves):
        if current_trace() is None and all(type(leaf) is ArrayImpl or _is_number(leaf) for leaf in leaves):
            types = {(a.dtype, a.weak_type) for a in map(get_aval, leaves)}
            return wrap(np.array(_nested(_without_arrays(x)), dtypes.promote(tuple(types))[0]))
        return _stack_parts(x)
    if not leaves:
        return wrap(np.zeros(np.shape(x), dtypes.default_dtype("f")))
    for leaf in leaves:
        if leaf is None or isinstance(leaf, (str, bytes)):
            raise TypeError(
                f"Value {short(leaf)} in a list is not a valid array element: arrays hold numbers only."
            )
    if all(type(leaf) in PYTHON_SCALARS for leaf in leaves):
        kind = "bifc"[max("bifc".index(KIND[type(leaf)]) for leaf in leaves)]
        return wrap(_exact(x, wanted or dtypes.default_dtype(kind)))
    value = _nested(x)
    types = [get_aval(leaf) for leaf in leaves if _is_number(leaf)]
    if len(types) != len(leaves):
        bad = next(leaf for leaf in leaves if not _is_number(leaf))
        raise TypeError(
            f"Value {short(bad)} in a list is not a valid array element: arrays hold numbers only."
        )
    dtype, _ = dtypes.promote(tuple({(a.dtype, a.weak_type) for a in types}))
    return wrap(np.array(value, dtype))


def _without_arrays(x: Any) -> Any:
    """Nested lists with concrete arrays as NumPy's."""
    if isinstance(x, (list, tuple)):
        return [_without_arrays(part) for part in x]
    if type(x) is ArrayImpl:
        return x._np if x.ndim else x._np.item()
    return x


KIND = {bool: "b", int: "i", float: "f", complex: "c"}


def _is_number(x: Any) -> bool:
    if isinstance(x, (np.ndarray, np.generic)):
        return dtypes.is_supported(x.dtype)
    return isinstance(x, (bool, int, float, complex))


def _collect(x: Any, leaves: list[Any]) -> None:
    if isinstance(x, (list, tuple, range)):
        for part in x:
            _collect(part, leaves)
    else:
        leaves.append(x)


def _nested(x: Any) -> np.ndarray:
    """``np.array`` of nested lists, with one error for ragged ones."""
    try:
        value = np.array(x)
    except ValueError as error:
        raise _ragged(error) from None
    except OverflowError:
        raise OverflowError("A Python integer in the list does not fit any array dtype.") from None
    return value


def _ragged(error: ValueError) -> ValueError:
    return ValueError(f"Cannot make an array of a ragged list: its parts have different shapes ({error}).")


def _exact(x: Any, dtype: np.dtype) -> np.ndarray:
    """Python's numbers, or nested lists of them, in ``dtype``; integers must fit."""
    if not x and isinstance(x, (list, tuple)):
        return np.zeros(np.shape(x), dtype)
    try:
        if dtypes.is_extension(dtype) or dtypes.is_small_integer(dtype):
            return np.array(x, np.float64).astype(dtype)
        return np.array(x, dtype)
    except OverflowError:
        raise OverflowError(
            f"{'A number in ' if isinstance(x, (list, tuple)) else 'The number '}{short(x)} does not fit dtype {dtype.name}: name a wider one, or convert an array "
            "by x.astype, which wraps."
        ) from None
    except TypeError:
        raise TypeError(
            f"Complex numbers ({short(x)}) do not convert to dtype {dtype.name}: take their real part."
        ) from None
    except ValueError as error:
        if "NaN" in str(error):
            raise ValueError(f"NaN in {short(x)} does not convert to dtype {dtype.name}.") from None
        raise _ragged(error) from None


def _stack_parts(x: Any) -> Any:
    """A list that holds arrays or tracers: each part as an array, joined along a new first axis."""
    parts = [_stack_parts(p) if isinstance(p, (list, tuple, range)) else _from_data(p) for p in x]
    shapes = [get_aval(p).shape for p in parts]
    if any(s != shapes[0] for s in shapes):
        raise ValueError(f"Cannot make an array of a ragged list: its parts have shapes {shapes}.")
    parts = promote_dtypes(*parts)
    dtype = get_aval(parts[0]).dtype
    return raw.concatenate([raw.expand_dims(convert(p, dtype), (0,)) for p in parts], 0)


def short(x: Any) -> str:
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
    dtype = dtypes.default_dtype("f") if dtype is None else dtypes.requested(dtype)
    if get_aval(x).dtype.kind == "c" and dtype.kind != "c":
        if dtype.kind == "b":
            return uf.not_equal(x, 0)
        import warnings

        warnings.warn(
            "Casting complex values to real discards the imaginary part", np.exceptions.ComplexWarning, 2
        )
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
