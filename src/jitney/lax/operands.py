"""Operands of lax functions: arrays pass, Python scalars take the dtype of the arrays beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney import _ext
from jitney._api.failed_calls import described
from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, get_aval, raise_for_tracer

PYTHON_SCALARS = (bool, int, float, complex)


def operand(name: str, x: Any) -> Any:
    """``x`` if it can be an operand of ``name``; a TypeError otherwise (lists and None are refused)."""
    kind = type(x)
    if kind is ArrayImpl or isinstance(x, Tracer) or kind in PYTHON_SCALARS:
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        if not dtypes.is_supported(x.dtype):
            raise TypeError(
                f"{name} does not accept NumPy arrays of dtype {x.dtype}: arrays hold numbers and booleans only."
            )
        dtype = dtypes.canonicalize_dtype(x.dtype)
        if isinstance(x, np.ndarray):
            # A copy: the caller may change its array later, our arrays never change.
            return _ext.wrap(np.array(x, dtype, order="C", subok=False))
        return x if x.dtype == dtype else x.astype(dtype)
    if hasattr(x, "__jax_array__"):
        return operand(name, x.__jax_array__())
    if isinstance(x, int):
        return int(x)
    raise TypeError(
        f"{name} requires ndarray or scalar arguments, got {kind.__name__} ({_short(x)}). "
        "Convert sequences first: jnp.array(x)."
    )


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 50 else text[:47] + "..."


def operands(name: str, *xs: Any) -> list[Any]:
    """Several operands; Python scalars become scalars of the arrays' dtype (weakly typed)."""
    out = [operand(name, x) for x in xs]
    strong = next((get_aval(x).dtype for x in out if type(x) not in PYTHON_SCALARS), None)
    if strong is None:
        kinds = {type(x) for x in out}
        return out if len(kinds) == 1 else [_join_scalars(x, kinds) for x in out]
    return [scalar_as(name, x, strong) if type(x) in PYTHON_SCALARS else x for x in out]


def _join_scalars(x: Any, kinds: set[type]) -> Any:
    widest = max(kinds, key=PYTHON_SCALARS.index)
    return widest(x)


def scalar_as(name: str, x: Any, dtype: np.dtype) -> Any:
    """A Python scalar in ``dtype``, if its kind fits there."""
    kind = dtypes.kind_of(dtype)
    order = {bool: "b", int: "iu", float: "f", complex: "c"}
    fits = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "c": "biufc"}.get(kind, "")
    if not any(k in fits for k in order[type(x)]):
        raise TypeError(
            f"{name} requires arguments to have the same dtypes, got {dtype.name} and the Python {type(x).__name__} {x!r}. "
            "(Tip: jitney.numpy functions promote dtypes.)"
        )
    try:
        return dtype.type(x)
    except OverflowError:
        raise OverflowError(f"{name}: Python integer {x} does not fit dtype {dtype.name}.") from None


def to_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape argument as a tuple of ints; readable errors for traced, float and negative sizes."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,) if np.ndim(shape) == 0 else tuple(shape)
    out = []
    for n in sizes:
        if isinstance(n, Tracer) and n.concrete() is None:
            raise_traced_shape(name, n)
        try:
            size = n.__index__()
        except (TypeError, AttributeError):
            raise TypeError(f"{name}: shapes must be sequences of integers, got {shape!r}.") from None
        if size < 0:
            raise TypeError(f"{name}: sizes must be non-negative, got shape {tuple(sizes)!r}.")
        out.append(size)
    return tuple(out)


def raise_traced_shape(name: str, n: Tracer) -> None:
    raise_for_tracer(
        n,
        TypeError,
        (
            f"Shapes must be concrete: {name} was given a traced size ({{aval}}).",
            "Sizes are part of the compiled program.",
        ),
    )


def to_axis(name: str, axis: Any, ndim: int) -> int:
    """An axis number in ``[0, ndim)``."""
    try:
        number = axis.__index__()
    except (TypeError, AttributeError):
        raise TypeError(f"{name}: axis must be an integer, got {described(axis)}.") from None
    if not -ndim <= number < ndim:
        raise ValueError(f"{name}: axis {number} is out of bounds for array of dimension {ndim}.")
    return number % ndim
