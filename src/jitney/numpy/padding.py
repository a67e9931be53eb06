"""``pad``: elements added at the ends of axes, in NumPy's modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import literal
from jitney.numpy import creation, quantiles, reductions
from jitney.numpy import elementwise as el
from jitney.numpy import operands as op
from jitney.numpy.manipulation import rev, slice_axis
from jitney.numpy.operands import array_operand, to_axis, wrap

__all__ = [
    "pad",
]


_STATISTICS = {
    "maximum": reductions.max,
    "minimum": reductions.min,
    "mean": reductions.mean,
    "median": quantiles.median,
}


def shape_of(x: Any) -> tuple[int, ...]:
    return get_aval(x).shape


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """``array`` with elements added at both ends of each axis.

    Args:
        array: any array.
        pad_width: a number, ``(before, after)``, or one such pair for each axis.
        mode: "constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean",
            "median", "empty", or a function as ``np.pad`` takes it (of concrete arrays).
        **kwargs: ``constant_values``, ``end_values``, ``stat_length``, ``reflect_type`` as of ``np.pad``.

    Raises:
        ValueError: for negative widths, or a reflection of an empty axis.
        NotImplementedError: for an unknown mode.
    """
    x = creation.array(array) if isinstance(array, (list, tuple)) else array_operand("pad", array)
    widths = _pad_widths(pad_width, len(shape_of(x)))
    if callable(mode):
        return creation.array(np.pad(np.asarray(x), widths, mode, **kwargs))
    allowed = _PAD_MODES.get(mode)
    if allowed is None:
        raise NotImplementedError(f"Unimplemented padding mode '{mode}' for np.pad.")
    unknown = set(kwargs) - {allowed[0]} - ({"reflect_type"} if mode in ("reflect", "symmetric") else set())
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode == "empty":
        return _pad_constant(x, widths, 0)
    if mode == "constant":
        return _pad_constant(x, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        x = allowed[1](x, axis, before, after, mode, kwargs)
    return x


def _pad_widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        given = {to_axis(d, rank): w for d, w in pad_width.items()}
        pad_width = [given.get(d, (0, 0)) for d in range(rank)]
        pad_width = [(w, w) if np.ndim(w) == 0 else tuple(w) for w in pad_width]
    values = np.asarray(np.array(pad_width, dtype=object).tolist())
    if values.dtype.kind not in "iu" and values.size:
        raise TypeError("`pad_width` must be of integral type.")
    try:
        pairs = np.broadcast_to(values, (rank, 2)) if rank else np.zeros((0, 2), int)
    except ValueError:
        raise ValueError(f"jnp.pad: pad_width {pad_width!r} does not fit an array of rank {rank}.") from None
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    return [(int(lo), int(hi)) for lo, hi in pairs]


def _pad_constant(x: Any, widths: list[tuple[int, int]], values: Any) -> Any:
    dtype, rank = get_aval(x).dtype, len(shape_of(x))
    if isinstance(values, (list, tuple)):
        values = creation.array(values)
    if np.ndim(values) == 0:
        if type(values) in op.PYTHON_SCALARS:
            value = literal(x, values) if not get_aval(x).weak_type else dtype.type(values)
        else:
            value = ew.convert(array_operand("pad", values), dtype)
        return raw.pad(x, value, [(lo, hi, 0) for lo, hi in widths])
    table = op.broadcast_to(ew.convert(array_operand("pad", values), dtype), (rank, 2))
    for axis, (lo, hi) in enumerate(widths):
        config = lambda side, n, axis=axis: [  # noqa: E731
            ((n, 0, 0) if side == 0 else (0, n, 0)) if d == axis else (0, 0, 0) for d in range(rank)
        ]
        x = raw.pad(x, table[axis, 0], config(0, lo))
        x = raw.pad(x, table[axis, 1], config(1, hi))
    return x


def _pad_edge(x: Any, axis: int, before: int, after: int, mode: str, kwargs: Any) -> Any:
    n = shape_of(x)[axis]
    if n == 0 and (before or after):
        raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
    wide = lambda part, k: op.broadcast_to(
        part, tuple(k if d == axis else m for d, m in enumerate(shape_of(x)))
    )  # noqa: E731
    parts = [wide(slice_axis(x, axis, 0, 1), before)] if before else []
    parts.append(x)
    if after:
        parts.append(wide(slice_axis(x, axis, n - 1, n), after))
    return raw.concatenate(parts, axis)


def _pad_reflect(x: Any, axis: int, before: int, after: int, mode: str, kwargs: Any) -> Any:
    n = shape_of(x)[axis]
    if not (before or after):
        return x
    if n == 0:
        raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
    skip = 1 if mode == "reflect" else 0
    if n == 1 and skip:
        return _pad_edge(x, axis, before, after, mode, kwargs)
    odd = kwargs.get("reflect_type", "even") == "odd"
    while before or after:  # one reflection adds at most the elements that there are
        n = shape_of(x)[axis]
        lo, hi = min(before, n - skip), min(after, n - skip)
        left = rev(slice_axis(x, axis, skip, skip + lo), (axis,))
        right = rev(slice_axis(x, axis, n - skip - hi, n - skip), (axis,))
        if odd:
            left = 2 * slice_axis(x, axis, 0, 1) - left
            right = 2 * slice_axis(x, axis, n - 1, n) - right
        x = raw.concatenate([part for part, k in ((left, lo), (x, 1), (right, hi)) if k], axis)
        before, after = before - lo, after - hi
    return x


def _pad_wrap(x: Any, axis: int, before: int, after: int, mode: str, kwargs: Any) -> Any:
    n = shape_of(x)[axis]
    if n == 0 and (before or after):
        raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
    if not n:
        return x
    whole_lo, part_lo = divmod(before, n)
    whole_hi, part_hi = divmod(after, n)
    parts = [slice_axis(x, axis, n - part_lo, n)] if part_lo else []
    parts += [x] * (whole_lo + 1 + whole_hi)
    if part_hi:
        parts.append(slice_axis(x, axis, 0, part_hi))
    return raw.concatenate(parts, axis)


def _pad_ramp(x: Any, axis: int, before: int, after: int, mode: str, kwargs: Any) -> Any:
    rank, n, dtype = len(shape_of(x)), shape_of(x)[axis], get_aval(x).dtype
    ends = np.broadcast_to(np.asarray(kwargs.get("end_values", 0)), (rank, 2))[axis]
    parts = []
    for count, edge, end in (
        (before, slice_axis(x, axis, 0, 1), ends[0]),
        (after, slice_axis(x, axis, n - 1, n), ends[1]),
    ):
        t = np.arange(count) / max(count, 1)
        weight = wrap(np.asarray(t).reshape([count if d == axis else 1 for d in range(rank)]))
        parts.append(ew.convert(end + (edge - end) * weight, dtype))
    return raw.concatenate([parts[0], x, rev(parts[1], (axis,))], axis)


def _pad_statistic(x: Any, axis: int, before: int, after: int, mode: str, kwargs: Any) -> Any:
    rank, n, dtype = len(shape_of(x)), shape_of(x)[axis], get_aval(x).dtype
    length = kwargs.get("stat_length")
    counts = (
        (n, n)
        if length is None
        else [min(int(k), n) for k in np.broadcast_to(np.asarray(length), (rank, 2))[axis]]
    )
    parts = []
    for count, lo, hi in ((before, 0, counts[0]), (after, n - counts[1], n)):
        value = _STATISTICS[mode](slice_axis(x, axis, lo, hi), axis=axis, keepdims=True)
        if dtype.kind in "iu":
            value = ew.convert(el.round(value), dtype)
        sizes = tuple(count if d == axis else m for d, m in enumerate(shape_of(x)))
        parts.append(op.broadcast_to(ew.convert(value, dtype), sizes))
    return raw.concatenate([parts[0], x, parts[1]], axis)


_PAD_MODES: dict[str, tuple[str, Any]] = {
    "constant": ("constant_values", None),
    "empty": ("", None),
    "edge": ("", _pad_edge),
    "reflect": ("reflect_type", _pad_reflect),
    "symmetric": ("reflect_type", _pad_reflect),
    "wrap": ("", _pad_wrap),
    "linear_ramp": ("end_values", _pad_ramp),
    "maximum": ("stat_length", _pad_statistic),
    "minimum": ("stat_length", _pad_statistic),
    "mean": ("stat_length", _pad_statistic),
    "median": ("stat_length", _pad_statistic),
}
