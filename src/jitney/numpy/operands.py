"""Operands of numpy functions: what is accepted, how dtypes and shapes are made to agree, quiet NumPy calls.

``operand`` refuses lists and strings; ``array_operand`` (for functions of sequences) makes arrays of them.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import numpy as np

from jitney import _ext
from jitney._api.failed_calls import described
from jitney._base import dtypes
from jitney._base.config import DISPATCHED_UNDER, config
from jitney._core.trace import LARGE_EAGER as LARGE_EAGER
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw

PYTHON_SCALARS = frozenset((bool, int, float, complex))
F64, F32 = np.dtype("f8"), np.dtype("f4")
BOOL = np.dtype(bool)
wrap = _ext.wrap

_SCALAR_OF_KIND: dict[str, Callable[[Any], Any]] = {"b": bool, "i": int, "f": float, "c": complex}


# -- acceptance ---------------------------------------------------------------------------------------


def operand(name: str, x: Any, position: int = 0) -> Any:
    """``x`` if it can be an operand of ``name``: array, tracer, NumPy array or scalar, Python scalar.

    NumPy arrays pass as they are in eager code, where primitives read them in place, and are copied for
    programs, which outlive the call.
    """
    kind = type(x)
    if kind is ArrayImpl or kind in PYTHON_SCALARS or isinstance(x, Tracer):
        return x
    if isinstance(x, np.generic):
        return _supported(name, x, position)
    if isinstance(x, np.ndarray):
        _supported(name, x, position)
        if current_trace() is None:
            return x
        return wrap(np.array(x, dtypes.canonicalize_dtype(x.dtype), order="C", subok=False))
    if hasattr(x, "__jax_array__"):
        return operand(name, x.__jax_array__(), position)
    for base in (int, float, complex):  # IntEnum and other subclasses of Python numbers
        if isinstance(x, base):
            return base(x)
    if isinstance(x, (list, tuple)) and config.jitney_python_control_flow:  # as NumPy takes them
        from jitney.numpy.conversion import array

        return array(x)
    raise TypeError(
        f"{name} requires ndarray or scalar arguments, got {'a function' if callable(x) else kind} at position {position}."
        + (" Convert it first: jnp.array(x)." if isinstance(x, (list, tuple, range)) else "")
    )


def operands(name: str, *xs: Any) -> list[Any]:
    """Several operands of ``name``."""
    return [operand(name, x, i) for i, x in enumerate(xs)]


def array_operand(name: str, x: Any, position: int = 0) -> Any:
    """An operand as an array or tracer (never a Python or NumPy object); its weak type stays."""
    if type(x) is ArrayImpl or isinstance(x, Tracer):
        return x
    x = operand(name, x, position)
    if type(x) in PYTHON_SCALARS:
        aval = get_aval(x)
        return wrap(np.asarray(x, aval.dtype), aval.weak_type)
    if isinstance(x, (np.ndarray, np.generic)):
        return wrap(np.array(x, dtypes.canonicalize_dtype(x.dtype), order="C", subok=False))
    return x


def _supported(name: str, x: Any, position: int) -> Any:
    if not dtypes.is_supported(x.dtype):
        shown = repr(x) if x.size < 4 else f"array of shape {x.shape}"
        raise TypeError(
            f"{name}: value {shown} with dtype {x.dtype} at position {position} is not a valid array type. "
            "Arrays hold numbers and booleans only."
        )
    return x


def refuse_out(name: str, out: Any) -> None:
    """Arrays are immutable: ``out=`` has no meaning."""
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported: arrays are immutable.")


# -- dtypes -------------------------------------------------------------------------------------------


def convert(x: Any, dtype: np.dtype, weak_type: bool = False) -> Any:
    """``x`` as ``dtype``; scalars are converted at once, so that they stay literals of a program."""
    if type(x) in PYTHON_SCALARS:
        if weak_type and (kind := dtype.kind) in _SCALAR_OF_KIND and dtypes.default_dtype(kind) == dtype:
            return _SCALAR_OF_KIND[kind](x)
        return scalar(x, dtype)
    if isinstance(x, np.generic) and not weak_type:
        return x if x.dtype == dtype else x.astype(dtype)
    return ew.convert(x, dtype, weak_type)


def scalar(x: Any, dtype: np.dtype) -> Any:
    """A Python scalar as a NumPy scalar of ``dtype``; ``OverflowError`` for integers that do not fit."""
    try:
        return dtype.type(x)
    except OverflowError:
        raise OverflowError(f"Python integer {x} does not fit dtype {dtype.name}.") from None


def promote_dtypes(*xs: Any) -> list[Any]:
    """Operands in their common dtype and weak type."""
    avals = [get_aval(x) for x in xs]
    first = avals[0]
    if all(a.dtype == first.dtype and a.weak_type == first.weak_type for a in avals):
        return list(xs)
    check_promotion(avals)
    dtype, weak = dtypes.promote(tuple([(a.dtype, a.weak_type) for a in avals]))
    return [convert(x, dtype, weak) for x in xs]


def check_promotion(avals: Sequence[Any]) -> None:
    """In strict mode, strongly typed operands must have one dtype."""
    if config.read("jax_numpy_dtype_promotion") == "strict":
        strong = {a.dtype for a in avals if not a.weak_type}
        if len(strong) > 1:
            names = ", ".join(sorted(d.name for d in strong))
            raise dtypes.TypePromotionError(
                f"Input dtypes ({names}) have no available implicit dtype promotion path when "
                "jax_numpy_dtype_promotion=strict. Cast the inputs with x.astype(...)."
            )


def promote_inexact(*xs: Any) -> list[Any]:
    """Operands in their common dtype, integers and booleans as the floating dtype of their width."""
    xs = tuple(promote_dtypes(*xs)) if len(xs) > 1 else xs
    aval = get_aval(xs[0])
    if dtypes.is_inexact(aval.dtype):
        return list(xs)
    dtype = dtypes.to_inexact(aval.dtype)
    return [convert(x, dtype, get_aval(x).weak_type) for x in xs]


def to_bool(x: Any) -> Any:
    """``x != 0``; booleans unchanged."""
    aval = get_aval(x)
    return x if aval.dtype == BOOL else ew.ne(x, aval.dtype.type(0))


# -- shapes -------------------------------------------------------------------------------------------


def promote_ranks(name: str, *xs: Any) -> list[Any]:
    """Operands with leading axes of size 1 up to the largest rank; scalars stay scalars."""
    ranks = [get_aval(x).ndim for x in xs]
    top = max(ranks)
    if all(r == top or r == 0 for r in ranks):
        return list(xs)
    _check_broadcast(name, [get_aval(x).shape for x in xs])
    mode = config.read("jax_numpy_rank_promotion")
    if mode != "allow":
        _rank_promotion_disallowed(name, [get_aval(x).shape for x in xs], mode)
    return [raw.expand_dims(x, range(top - r)) if 0 < r < top else x for x, r in zip(xs, ranks, strict=True)]


def _check_broadcast(name: str, shapes: list[tuple[int, ...]]) -> None:
    """Raise for shapes that do not broadcast, as they are before leading axes are added."""
    for axis, sizes in enumerate(zip_longest(*[shape[::-1] for shape in shapes], fillvalue=1)):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            raise ValueError(
                f"Incompatible shapes for broadcasting: shapes={shapes} ({name}: axis {-1 - axis} has sizes {sorted(wide)})."
            )


def _rank_promotion_disallowed(name: str, shapes: list[tuple], mode: str) -> None:
    text = (
        f"Operands could not be broadcast together for {name} on shapes {shapes} and with the config option "
    )
    text += f"jax_numpy_rank_promotion='{mode}'."
    if mode == "raise":
        raise ValueError(text)
    import warnings

    warnings.warn(text)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The NumPy broadcast of several shapes; ``ValueError`` if they do not fit together."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"Incompatible shapes for broadcasting: shapes={[tuple(s) for s in shapes]}"
        ) from None


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` expanded to ``shape`` by NumPy's rule."""
    have = get_aval(x).shape
    if have == shape:
        return x
    if len(have) > len(shape):
        raise ValueError(f"Cannot broadcast to shape with fewer dimensions: arr_shape={have} shape={shape}")
    if any(m not in (1, n) for m, n in zip(have, shape[len(shape) - len(have) :], strict=True)):
        raise ValueError(f"Incompatible shapes for broadcasting: {have} and requested shape {shape}")
    return raw.broadcast_in_dim(x, shape, range(len(shape) - len(have), len(shape)))


def full(shape: Sequence[int], value: Any, dtype: np.dtype) -> Any:
    """An array of ``shape`` filled with a number; an array even where it has rank 0."""
    if current_trace() is None or not len(shape):
        return wrap(np.full(tuple(shape), value, dtype))
    return raw.full(shape, value, dtype)


def to_axis(axis: Any, ndim: int, what: str = "axis") -> int:
    """An axis number in ``[0, ndim)``."""
    try:
        number = axis.__index__()
    except (TypeError, AttributeError):
        raise TypeError(f"{what} must be an integer, got {described(axis)}.") from None
    if not -ndim <= number < ndim:
        raise np.exceptions.AxisError(number, ndim)
    return number % ndim if ndim else 0


def to_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """``axis=None, 1, (0, -1)`` as a tuple of distinct axes."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list)):
        axes = tuple(to_axis(a, ndim) for a in axis)
        if len(set(axes)) != len(axes):
            raise ValueError(f"duplicate value in 'axis': {tuple(axis)}")
        return axes
    return (to_axis(axis, ndim),)


# -- eager shortcuts ----------------------------------------------------------------------------------

# NumPy keeps its error handling in a context variable: functions run in this context raise no
# floating-point warnings, at a tenth of the cost of np.errstate.
_quiet = contextvars.copy_context()
_quiet.run(np.seterr, all="ignore")
_run = _quiet.run


def quiet(function: Callable[..., Any], *args: Any) -> Any:
    """Call a NumPy function without floating-point warnings."""
    try:
        return _run(function, *args)
    except RuntimeError:  # the context is in use by another thread, or by a caller of ours
        with np.errstate(all="ignore"):
            return function(*args)


def is_eager(x: Any) -> bool:
    """True for a small concrete array in eager code."""
    return type(x) is ArrayImpl and x.size < _Defaults.limit and current_trace() is None


def is_eager_float(x: Any) -> bool:
    """True for a small concrete float array in eager code, which NumPy may compute on directly."""
    if type(x) is not ArrayImpl or current_trace() is not None or x.size >= _Defaults.limit:
        return False
    dtype = x.dtype
    return dtype is F64 or dtype is F32


class _Defaults:
    """Whether promotion has no special configuration, so that shortcuts need not ask."""

    plain = True
    limit = LARGE_EAGER  # sizes below which NumPy may compute directly


def _watch(_: Any) -> None:
    _Defaults.plain = (
        config.read("jax_enable_x64")
        and config.read("jax_numpy_dtype_promotion") == "standard"
        and config.read("jax_numpy_rank_promotion") == "allow"
        and config.shortcuts
    )
    _Defaults.limit = LARGE_EAGER if config.shortcuts else -1


for _switch in DISPATCHED_UNDER:
    config.on_change(_switch, _watch)

_NATIVE = frozenset(map(np.dtype, "?bhilBHILefdFD"))
_SCALAR_TYPES = {
    bool: (BOOL, False),
    int: (np.dtype("i8"), True),
    float: (F64, True),
    complex: (np.dtype("c16"), True),
}


@lru_cache(maxsize=1024)
def _common(types: tuple[tuple[np.dtype, bool], ...], inexact: bool) -> tuple[np.dtype, bool]:
    dtype, weak = dtypes.promote(types)
    return (dtypes.to_inexact(dtype) if inexact else dtype), weak


def eager_values(inexact: bool, *xs: Any) -> tuple[list[Any], bool] | None:
    """Small concrete operands as NumPy values of their common dtype, and its weak type; None if NumPy cannot help."""
    if current_trace() is not None or not _Defaults.plain:
        return None
    types = []
    for x in xs:
        kind = type(x)
        if kind is ArrayImpl:
            if x.size >= LARGE_EAGER:
                return None
            types.append((x.dtype, x.weak_type))
        elif kind in _SCALAR_TYPES:
            types.append(_SCALAR_TYPES[kind])
        elif isinstance(x, (np.ndarray, np.generic)) and x.dtype in _NATIVE and x.size < LARGE_EAGER:
            types.append((x.dtype, False))
        else:
            return None
    dtype, weak = _common(tuple(types), inexact)
    if dtype.kind == "V":
        return None
    values = []
    for x in xs:
        if type(x) is ArrayImpl:
            values.append(x._np if x.dtype is dtype else x._np.astype(dtype))
        elif type(x) in _SCALAR_TYPES:
            values.append(scalar(x, dtype))
        else:
            values.append(x if x.dtype == dtype else x.astype(dtype))
    return values, weak
