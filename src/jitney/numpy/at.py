"""``x.at[idx]``: functional updates, each a copy in eager code and in place in compiled code."""

from __future__ import annotations

import opcode
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from jitney import _ext
from jitney._api.calls import boundary
from jitney._api.failed_calls import shown
from jitney._base import dtypes, sources
from jitney._base.config import config
from jitney._core.trace import LARGE_EAGER, ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import gather_layouts, raw
from jitney._ops import indexing as ops
from jitney.numpy import indexing as ix
from jitney.numpy.operands import array_operand, broadcast_to, convert, operand, quiet

wrap = _ext.wrap


class IndexUpdater:
    """``x.at``: take an index, as ``x.at[idx]``."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __call__(self, *index: Any) -> NoReturn:
        inside = ", ".join(map(shown, index))
        raise TypeError(f"x.at takes an index in square brackets: x.at[{inside}], not x.at({inside}).")

    def __getitem__(self, index: Any) -> IndexUpdate:
        return IndexUpdate(self.array, index)

    def __repr__(self) -> str:
        return f"IndexUpdater({self.array!r})"


class IndexUpdate:
    """``x.at[idx]``: ``set``, ``add``, ... return an updated copy of ``x``; ``get`` reads with a mode.

    Every method takes ``indices_are_sorted`` and ``unique_indices`` (promises), and ``mode``: what happens to
    indices out of bounds (``"drop"`` them, the default; ``"clip"``; ``"promise_in_bounds"``). Negative indices count from the end
    unless ``wrap_negative_indices`` is False; then they are out of bounds.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexUpdate({self.array!r}, {self.index!r})"

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
        out_sharding: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """``x[idx]``; with ``mode="fill"``, ``fill_value`` (default NaN) where the index is out of bounds."""
        return ix.take(
            self.array,
            self.index,
            mode,
            fill_value,
            indices_are_sorted,
            unique_indices,
            wrap_negative_indices,
        )

    def set(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] = values``."""
        return _update("set", self.array, self.index, values, **options)

    def add(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] += values``; repeated indices add up."""
        return _update("add", self.array, self.index, values, **options)

    def subtract(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] -= values``; repeated indices add up."""
        return _update("subtract", self.array, self.index, values, **options)

    sub = subtract

    def multiply(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] *= values``; repeated indices multiply."""
        return _update("multiply", self.array, self.index, values, **options)

    mul = multiply

    def min(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] = minimum(x[idx], values)``."""
        return _update("min", self.array, self.index, values, **options)

    def max(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] = maximum(x[idx], values)``."""
        return _update("max", self.array, self.index, values, **options)

    def divide(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] /= values``."""
        return self.apply(lambda v: v / _as_array(values), **options)

    div = divide

    def power(self, values: Any, **options: Any) -> Any:
        """``x`` with ``x[idx] **= values``."""
        return self.apply(lambda v: v ** _as_array(values), **options)

    pow = power

    def apply(self, func: Callable[[Any], Any], **options: Any) -> Any:
        """``x`` with ``func`` applied to ``x[idx]``, once for each index."""
        reading = {k: v for k, v in options.items() if k != "mode"}
        current = self.get(mode=_reading_mode(options.get("mode")), **reading)
        values = func(current)
        if getattr(values, "dtype", None) is not None and values.dtype != self.array.dtype:
            values = values.astype(self.array.dtype)
        return self.set(values, **options)


for _name in "get set add subtract sub multiply mul min max divide div power pow apply".split():
    setattr(IndexUpdate, _name, boundary(vars(IndexUpdate)[_name]))


def _reading_mode(mode: Any) -> Any:
    return None if mode is None or mode in ("drop", "fill") else mode


def _as_array(values: Any) -> Any:
    return values if isinstance(values, (bool, int, float, complex)) else array_operand("at", values)


def _update(
    name: str,
    x: Any,
    idx: Any,
    values: Any,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Any = None,
    out_sharding: Any = None,
    wrap_negative_indices: bool = True,
) -> Any:
    """The update ``name`` of ``x`` at ``idx``."""
    if mode is not None or not wrap_negative_indices:
        idx = ix._ints_as_arrays(idx)
    try:
        entries = ix.canonical(idx, x.shape)
    except TypeError:
        found = None if mode is not None else _of_unknown_length(name, x, idx, values)
        if found is None:
            raise
        return found
    if not wrap_negative_indices:
        entries = ix.not_wrapped(entries, x.shape)
    values = operand("at[]", values)
    if any(isinstance(e, ix._ScalarMask) for e in entries):
        options = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices, "mode": mode}
        return _with_scalar_masks(name, x, entries, values, options)
    checked = config.guards and name != "set" and x.dtype.kind in "iu"
    if type(x) is ArrayImpl and mode is None and not checked and current_trace() is None:
        memory = _replaced(x) if x.nbytes >= _WORTH else None
        if memory is not None or x.size < LARGE_EAGER:
            done = _eager_update(name, x, entries, values, memory)
            if done is not None:
                return done
    if mode is None and config.check_bounds:
        ix.check_entries(entries, x.shape)
    layout = ix.plan(entries, x.shape)
    if 0 in layout.shape or x.size == 0:
        return x
    return _scatter(name, x, layout, values, entries, indices_are_sorted, unique_indices, mode)


def _of_unknown_length(name: str, x: Any, idx: Any, values: Any) -> Any:
    """``x.at[mask].set(values)`` of a traced mask; None if the index is something else."""
    from jitney.numpy import selections

    return selections.updated(name, x, idx, values)


def _with_scalar_masks(name: str, x: Any, entries: list, values: Any, options: dict[str, Any]) -> Any:
    added, index = ix.without_scalar_masks(entries)
    return raw.squeeze(_update(name, raw.expand_dims(x, added), index, values, **options), added)


_EAGER = {
    "add": (np.add, np.add.at),
    "subtract": (np.subtract, np.subtract.at),
    "multiply": (np.multiply, np.multiply.at),
    "min": (np.minimum, np.minimum.at),
    "max": (np.maximum, np.maximum.at),
}


# Bytes from which a copy costs more than to ask whether it is needed.
_WORTH = 4096


class _References:
    """How many references an array has here that one variable holds: found out with an array of our own."""

    probe: int = 0
    count: int = 0


def _replaced(x: Any) -> np.ndarray | None:
    """The memory of ``x`` if user code is about to assign to the only variable that holds it: ``x = x.at[i].set(v)``."""
    if not _References.count:
        if _References.probe == id(x):
            _References.count = _ext.references(x)
            return None
        array = wrap(np.zeros(_WORTH // 8))
        _References.probe = id(array)
        array = array.at[0].set(0.0)
    return _ext.replaced(x, _References.count, *_STORES)


_STORES = tuple(opcode.opmap[name] for name in ("STORE_FAST", "STORE_NAME", "EXTENDED_ARG"))


def _eager_update(name: str, x: Any, entries: list, values: Any, memory: np.ndarray | None) -> Any:
    """A NumPy copy (or ``memory``, which is that of ``x``) updated in place; None if that does not apply."""
    if isinstance(values, Tracer):
        return None
    basic = True
    axis = 0
    for e in entries:
        if e is None:
            continue
        if isinstance(e, Tracer):
            return None
        if isinstance(e, np.ndarray):
            basic = False
            size = x.shape[axis]
            if e.size and (e.min() < -size or e.max() >= size) or e.size >= LARGE_EAGER:
                return None
        axis += 1
    value = values._np if type(values) is ArrayImpl else values
    if not isinstance(value, (int, float, bool)) or type(value) is bool or x.dtype.kind not in "fc":
        value = _cast(values, x)
        value = value._np if type(value) is ArrayImpl else value
    index = tuple(entries)
    out = x._np.copy() if memory is None else memory
    try:
        if name == "set":
            out[index] = value
        elif basic:
            out[index] = quiet(_EAGER[name][0], out[index], value)
        else:
            quiet(_EAGER[name][1], out, index, value)
    except ValueError:
        _check_values(np.shape(value), np.shape(out[index]))
        raise
    return wrap(out, x.weak_type) if memory is None else x


def _check_values(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    fits = len(have) <= len(want) and all(
        m in (1, n) for m, n in zip(have, want[len(want) - len(have) :], strict=True)
    )
    if not fits:
        raise ValueError(
            f"Incompatible shapes for broadcasting: values of shape {have} and the indexed shape {want}"
        )


def _cast(values: Any, x: Any) -> Any:
    """Update values in the dtype of the array, with a warning where that loses information."""
    aval, target = get_aval(values), get_aval(x)
    if aval.dtype == target.dtype:
        return values if not isinstance(values, (bool, int, float, complex)) else target.dtype.type(values)
    common, _ = dtypes.promote(((aval.dtype, aval.weak_type), (target.dtype, target.weak_type)))
    if common != target.dtype:
        sources.warn(
            f"scatter inputs have incompatible types: cannot safely cast value from dtype={aval.dtype.name} to "
            f"dtype={target.dtype.name}. Cast it with values.astype(x.dtype).",
            FutureWarning,
        )
    if isinstance(values, (complex, np.complexfloating)) and target.dtype.kind != "c":
        values = values.real
    return convert(values, target.dtype)


_SCATTERS = {
    "set": ops.scatter_p,
    "add": ops.scatter_add_p,
    "subtract": ops.scatter_sub_p,
    "multiply": ops.scatter_mul_p,
    "min": ops.scatter_min_p,
    "max": ops.scatter_max_p,
}


def _scatter(
    name: str, x: Any, layout: ix.Layout, values: Any, entries: list, is_sorted: bool, unique: bool, mode: Any
) -> Any:
    values = _cast(values, x)
    have = get_aval(values).shape
    extra = len(have) - len(layout.shape)
    if extra > 0 and all(n == 1 for n in have[:extra]):  # NumPy drops leading axes of size 1
        values = raw.reshape(values, have[extra:])
    _check_values(get_aval(values).shape, layout.shape)
    updates = raw.reshape(broadcast_to(values, layout.shape), layout.flat)
    single = all(
        e is None or isinstance(e, (int, slice)) or (isinstance(e, Tracer) and e.ndim == 0) for e in entries
    )
    chosen = gather_layouts.FILL_OR_DROP if mode is None else gather_layouts.GatherScatterMode.from_any(mode)
    params = ops.scatter_params(
        layout.scatter_numbers,
        chosen,
        indices_are_sorted=is_sorted or single,
        unique_indices=unique or single,
    )
    return _SCATTERS[name].bind(x, layout.vectors, updates, **params)


IndexUpdater.__call__ = boundary(IndexUpdater.__call__)  # type: ignore[method-assign]
