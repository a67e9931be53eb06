"""Vectors as sampled functions: interpolation, convolution, correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import indexing, ordering, raw
from jitney._ops.convolution import ConvDimensionNumbers, conv_general_dilated_p
from jitney._ops.families import literal
from jitney._ops.shapes import rev_p
from jitney.numpy import arithmetic
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.cumulative import span
from jitney.numpy.operands import (
    array_operand,
    broadcast_to,
    is_eager_float,
    promote_dtypes,
    promote_inexact,
    quiet,
    wrap,
)
from jitney.numpy.sorting import search

__all__ = ["convolve", "correlate", "interp"]


# -- interpolation ------------------------------------------------------------------------------------


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The piecewise linear function through the points ``(xp, fp)`` at ``x``.

    Args:
        x: where to evaluate it, of any shape.
        xp: ascending vector (with ``period``, any vector).
        fp: values, of the shape of ``xp``; may be complex.
        left, right: values outside of ``xp``; by default those at its ends, ``"extrapolate"`` goes on in a line.
        period: of the function; ``left`` and ``right`` are then not used.

    Raises:
        ValueError: if ``xp`` and ``fp`` are not vectors of one size; for other strings.

    >>> import jitney.numpy as jnp
    >>> jnp.interp(0.5, jnp.array([0.0, 1.0]), jnp.array([10.0, 20.0]))
    Array(15., dtype=float64)
    """
    x, xp, fp = (array_operand("interp", v, i) for i, v in enumerate((x, xp, fp)))
    if get_aval(xp).shape != get_aval(fp).shape or get_aval(xp).ndim != 1:
        raise ValueError("xp and fp must be one-dimensional arrays of equal size")
    for name, value in (("left", left), ("right", right)):
        if isinstance(value, str) and value != "extrapolate":
            raise ValueError(f"the only valid string value of `{name}` is 'extrapolate', but got: {value!r}")
    if left is None and right is None and period is None and _is_eager(x, xp, fp):
        return wrap(np.asarray(quiet(np.interp, x._np, xp._np, fp._np)).astype(x.dtype, copy=False))
    x, xp = promote_inexact(x, xp)
    (fp,) = promote_inexact(fp)
    if "c" in (get_aval(x).dtype.kind, get_aval(xp).dtype.kind):
        raise ValueError("jnp.interp: complex x values not supported.")
    dtype, _ = dtypes.promote(tuple((a.dtype, a.weak_type) for a in map(get_aval, (x, fp))))
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
    strong = lambda v: ew.convert(v, get_aval(v).dtype)  # noqa: E731
    out = _segments(strong(x), strong(xp), strong(fp), left, right, period is not None)
    return ew.convert(out, dtype)


def _is_eager(x: Any, xp: Any, fp: Any) -> bool:
    """True for small concrete floats of one dtype, which NumPy interpolates alike."""
    return all(is_eager_float(v) and v.dtype is x.dtype for v in (x, xp, fp)) and xp.size > 0


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Points of one period in ascending order, with one more at each end."""
    if get_aval(array_operand("interp", period, 5)).ndim:
        raise ValueError(f"period must be a scalar; got shape {np.shape(period)}")
    period = uf.abs(ew.convert(array_operand("interp", period, 5), get_aval(xp).dtype))
    x, xp = arithmetic.remainder(x, period), arithmetic.remainder(xp, period)
    xp, fp = ordering.sort([xp, fp], 0)
    n = get_aval(xp).size
    xp = raw.concatenate(promote_dtypes(span(xp, 0, n - 1, n) - period, xp, span(xp, 0, 0, 1) + period), 0)
    fp = raw.concatenate([span(fp, 0, n - 1, n), fp, span(fp, 0, 0, 1)], 0)
    return x, xp, fp


def _segments(x: Any, xp: Any, fp: Any, left: Any, right: Any, periodic: bool) -> Any:
    n = get_aval(xp).size
    shape = get_aval(x).shape
    if n < 2:
        out = broadcast_to(raw.reshape(fp, ()), shape) + uf.multiply(x, 0)
        return _outside(out, x, xp, fp, left, right, periodic)
    place = search(xp, x, "right")
    index = get_aval(place).dtype.type
    place = raw.reshape(ew.minimum(ew.maximum(place, index(1)), index(n - 1)), (get_aval(x).size,))
    at = lambda v, k: raw.reshape(indexing.take_along_axis(v, ew.sub(place, index(k)), 0), shape)  # noqa: E731
    x0, x1, f0, f1 = at(xp, 1), at(xp, 0), at(fp, 1), at(fp, 0)
    width = x1 - x0
    flat = uf.equal(width, 0)  # equal points: no division by zero, in derivatives neither
    out = el.choose(flat, f0, f0 + (x - x0) / el.choose(flat, literal(width, 1), width) * (f1 - f0))
    return _outside(out, x, xp, fp, left, right, periodic)


def _outside(out: Any, x: Any, xp: Any, fp: Any, left: Any, right: Any, periodic: bool) -> Any:
    if periodic:
        return out
    n = get_aval(xp).size
    for value, place, beyond in ((left, 0, uf.less), (right, n - 1, uf.greater)):
        if isinstance(value, str):
            continue
        edge = raw.reshape(span(xp, 0, place, place + 1), ())
        value = raw.reshape(span(fp, 0, place, place + 1), ()) if value is None else value
        out = el.choose(beyond(x, edge), value, out)
    return out


# -- convolution --------------------------------------------------------------------------------------

_MODES = ("full", "same", "valid")
_AT_ONCE = 1 << 14  # products up to which NumPy is faster than finding the compiled program
_ONE_AXIS = ConvDimensionNumbers((0, 1, 2), (0, 1, 2), (0, 1, 2))


def convolve(
    a: Any, v: Any, mode: str = "full", *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """The convolution of two vectors.

    Args:
        a, v: vectors, of sizes n and m; integers become floats.
        mode: "full" (size n + m - 1), "same" (the middle max(n, m)) or "valid" (where they overlap fully).
        precision: accepted.
        preferred_element_type: dtype of the result, not narrower than the operands'.

    Raises:
        ValueError: for empty operands, other ranks, other modes.

    >>> import jitney.numpy as jnp
    >>> jnp.convolve(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0]))
    Array([1., 3., 5., 3.], dtype=float64)
    """
    a, v = _vectors("convolve", a, v, mode)
    return _convolved(a, v, mode, preferred_element_type)


def correlate(
    a: Any, v: Any, mode: str = "valid", *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """The correlation of two vectors: the convolution of ``a`` with the conjugate of ``v`` reversed."""
    a, v = _vectors("correlate", a, v, mode)
    v = ew.conj(v) if get_aval(v).dtype.kind == "c" else v
    # Of a longer v, "same" counts from the other end.
    late = get_aval(a).size < get_aval(v).size
    return _convolved(a, rev_p.bind(v, dimensions=(0,)), mode, preferred_element_type, late)


def _vectors(name: str, a: Any, v: Any, mode: str) -> list[Any]:
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {list(_MODES)}, got {mode!r}")
    xs = promote_inexact(array_operand(name, a), array_operand(name, v, 1))
    if any(get_aval(x).ndim != 1 for x in xs):
        raise ValueError(f"{name}() only support 1-dimensional inputs.")
    if any(get_aval(x).size == 0 for x in xs):
        raise ValueError(
            f"{name}: inputs cannot be empty, got shapes {get_aval(xs[0]).shape} and {get_aval(xs[1]).shape}."
        )
    return [ew.convert(x, get_aval(x).dtype) for x in xs]


def _convolved(a: Any, v: Any, mode: str, preferred: Any, late: bool = False) -> Any:
    n, m = get_aval(a).size, get_aval(v).size
    long, short = (a, v) if n >= m else (v, a)
    lengths = max(n, m), min(n, m)
    start, size = {
        "full": (0, n + m - 1),
        "same": ((lengths[1] - (not late)) // 2, lengths[0]),
        "valid": (lengths[1] - 1, lengths[0] - lengths[1] + 1),
    }[mode]
    dtype = get_aval(a).dtype
    if preferred is not None:
        wanted = dtypes.requested(preferred)
        if wanted.itemsize < dtype.itemsize:
            raise TypeError("`preferred_element_type` must not be narrower than the original type.")
        dtype = wanted
    small = n * m <= _AT_ONCE
    if (
        small
        and current_trace() is None
        and all(type(x) is ArrayImpl and x.dtype.kind != "V" for x in (a, v))
    ):
        out = wrap(quiet(np.convolve, long._np, short._np))
        return ew.convert(span(out, 0, start, start + size), dtype)
    kernel = rev_p.bind(short, dimensions=(0,)) if lengths[1] > 1 else short
    pads = ((lengths[1] - 1 - start, start + size - lengths[0]),)
    image, kernel = (raw.expand_dims(x, (0, 1)) for x in (long, kernel))
    out = conv_general_dilated_p.bind(
        image,
        kernel,
        batch_group_count=1,
        dimension_numbers=_ONE_AXIS,
        feature_group_count=1,
        lhs_dilation=(1,),
        out_sharding=None,
        padding=pads,
        precision=None,
        preferred_element_type=None if preferred is None else dtype,
        rhs_dilation=(1,),
        window_strides=(1,),
    )
    return raw.squeeze(out, (0, 1))
