"""Choosing elements: take, repeat, insert, delete, and other functions around indexing."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from jitney import lax
from jitney._base import dtypes
from jitney._base.config import config
from jitney._control.guarding import check_places
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import literal
from jitney._ops.reductions import reduce_sum
from jitney.numpy import arithmetic, creation, manipulation
from jitney.numpy import elementwise as el
from jitney.numpy import operands as op
from jitney.numpy import ufuncs as uf
from jitney.numpy.at import IndexUpdater
from jitney.numpy.indexing import normalize
from jitney.numpy.indexing import take as take_at
from jitney.numpy.operands import array_operand, promote_dtypes, refuse_out, to_axes, to_axis, wrap

__all__ = [
    "apply_along_axis",
    "apply_over_axes",
    "choose",
    "delete",
    "insert",
    "ix_",
    "piecewise",
    "place",
    "put",
    "put_along_axis",
    "ravel_multi_index",
    "repeat",
    "resize",
    "take",
    "take_along_axis",
    "trim_zeros",
    "unravel_index",
]


def _shape(x: Any) -> tuple[int, ...]:
    return get_aval(x).shape


def _index_operand(name: str, indices: Any) -> Any:
    x = creation.array(indices) if isinstance(indices, (list, tuple)) else array_operand(name, indices, 1)
    if get_aval(x).dtype.kind not in "iu":
        if get_aval(x).size == 0:
            return ew.convert(x, dtypes.default_dtype("i"))
        raise TypeError(f"{name} requires integer indices, got {get_aval(x).dtype.name}.")
    return x


# -- take ---------------------------------------------------------------------------------------------


def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: Any = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Any:
    """Elements of ``a`` at ``indices`` along ``axis`` (of the flat array if None).

    Args:
        a: array.
        indices: integers, of any shape; negative ones count from the end.
        axis: which axis to take from.
        out: must be None.
        mode: for indices out of bounds: "fill" (the default: NaN or ``fill_value``), "clip", "wrap".
        unique_indices, indices_are_sorted: promises about ``indices``.
        fill_value: for mode "fill".
    """
    refuse_out("take", out)
    x = creation.array(a) if isinstance(a, (list, tuple)) else array_operand("take", a)
    i = _index_operand("take", indices)
    if axis is None:
        return take(manipulation.ravel(x), i, 0, None, mode, unique_indices, indices_are_sorted, fill_value)
    axis = to_axis(axis, len(_shape(x)))
    n = _shape(x)[axis]
    if mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.take is not supported.")
    if mode == "wrap":
        i, mode = arithmetic.mod(i, literal(i, n)), "promise_in_bounds"
    elif mode == "clip":
        i, mode = el.clip(i, literal(i, 0), literal(i, n - 1)), "promise_in_bounds"
    elif mode is None and config.check_bounds:
        check_places(_shape(x), axis, i)
    if type(i) is ArrayImpl and i.ndim == 0:
        i = int(i)  # the mode, not a check, decides about ints out of bounds
    index = (builtins.slice(None),) * axis + (i,)
    return take_at(x, index, "fill" if mode is None else mode, fill_value, indices_are_sorted, unique_indices)


def take_along_axis(
    arr: Any,
    indices: Any,
    axis: int | None = -1,
    mode: Any = None,
    fill_value: Any = None,
    *,
    wrap_negative_indices: bool | None = None,
) -> Any:
    """Elements of ``arr`` along ``axis`` at ``indices``, which match ``arr`` along the other axes (or broadcast).

    Negative indices count from the end if ``wrap_negative_indices`` says so: by default unless ``mode`` is
    ``"promise_in_bounds"``.
    """
    wraps = mode != "promise_in_bounds" if wrap_negative_indices is None else wrap_negative_indices
    x, i = array_operand("take_along_axis", arr), _index_operand("take_along_axis", indices)
    if axis is None:
        if len(_shape(i)) != 1:
            raise ValueError(f"take_along_axis indices must be 1D if axis=None, got shape {_shape(i)}")
        return take_along_axis(manipulation.ravel(x), i, 0, mode, fill_value, wrap_negative_indices=wraps)
    rank = len(_shape(x))
    if len(_shape(i)) != rank:
        raise ValueError(
            f"indices and arr must have the same number of dimensions; {len(_shape(i))} vs. {rank}"
        )
    axis = to_axis(axis, rank)
    if mode is None and config.check_bounds:
        check_places(_shape(x), axis, i)
    common = op.broadcast_shapes(
        *[tuple(1 if d == axis else n for d, n in enumerate(_shape(v))) for v in (x, i)]
    )
    x = op.broadcast_to(x, tuple(_shape(x)[axis] if d == axis else n for d, n in enumerate(common)))
    i = op.broadcast_to(i, tuple(_shape(i)[axis] if d == axis else n for d, n in enumerate(common)))
    mode = "fill" if mode is None else mode
    return take_at(x, _along(i, axis), mode, fill_value, wrap_negative_indices=wraps)


def _along(i: Any, axis: int) -> tuple[Any, ...]:
    """Index arrays that read ``i`` along ``axis`` and every other axis in step."""
    shape = _shape(i)
    return tuple(
        i if d == axis else wrap(np.arange(n).reshape([n if e == d else 1 for e in range(len(shape))]))
        for d, n in enumerate(shape)
    )


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None, inplace: bool = True, *, mode: str | None = None
) -> Any:
    """A copy of ``arr`` with ``values`` at ``indices`` along ``axis``; pass ``inplace=False``."""
    refuse_inplace("put_along_axis", inplace)
    x, i = array_operand("put_along_axis", arr), _index_operand("put_along_axis", indices)
    if axis is None:
        flat = put_along_axis(manipulation.ravel(x), i, values, 0, False, mode=mode)
        return raw.reshape(flat, _shape(x))
    axis = to_axis(axis, len(_shape(x)))
    if len(_shape(i)) != len(_shape(x)):
        raise ValueError(
            f"put_along_axis needs indices with as many axes as the array, got shapes {_shape(i)} and {_shape(x)}."
        )
    common = tuple(_shape(i)[d] if d == axis else n for d, n in enumerate(_shape(x)))
    return IndexUpdater(x)[_along(op.broadcast_to(i, common), axis)].set(values, mode=mode)


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """A copy of ``a`` with flat elements ``ind`` set to ``v`` (repeated as needed); pass ``inplace=False``."""
    refuse_inplace("put", inplace)
    x, i = array_operand("put", a), manipulation.ravel(_index_operand("put", ind))
    values = manipulation.ravel(array_operand("put", v, 2))
    count = _shape(i)[0]
    if not count or not get_aval(values).size:
        return x
    values = manipulation.tile(values, -(-count // get_aval(values).size))[:count]
    flat = manipulation.ravel(x)
    if mode == "clip":
        i, mode = el.clip(i, 0, get_aval(x).size - 1), None
    elif mode == "wrap":
        i, mode = arithmetic.mod(i, get_aval(x).size), None
    return raw.reshape(IndexUpdater(flat)[i].set(values, mode=mode), _shape(x))


def refuse_inplace(name: str, inplace: bool) -> None:
    """Arrays are immutable: ``inplace=True`` has no meaning."""
    if inplace:
        raise ValueError(
            f"jax.numpy.{name} cannot modify arrays in-place: pass inplace=False and use the result."
        )


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """A copy of ``arr`` with the elements where ``mask`` replaced by ``vals`` in turn; pass ``inplace=False``."""
    refuse_inplace("place", inplace)
    x, m = array_operand("place", arr), manipulation.ravel(array_operand("place", mask, 1))
    values = manipulation.ravel(array_operand("place", vals, 2))
    if not get_aval(values).size:
        raise ValueError("Cannot place values from an empty array")
    order = lax.cumsum(ew.convert(op.to_bool(m), dtypes.default_dtype("i"))) - 1
    chosen = take(values, arithmetic.mod(order, get_aval(values).size), mode="clip")
    flat = el.choose(m, ew.convert(chosen, get_aval(x).dtype), manipulation.ravel(x))
    return raw.reshape(flat, _shape(x))


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """The element of ``choices[a]`` at each place; ``mode`` "wrap" or "clip" for numbers out of range."""
    refuse_out("choose", out)
    which = array_operand("choose", a)
    if isinstance(choices, (list, tuple)):
        choices = promote_dtypes(*[array_operand("choose", c, 1) for c in choices])
    else:
        choices = list(array_operand("choose", choices, 1))
    number = len(choices)
    if mode == "raise":
        concrete = which.concrete() if isinstance(which, Tracer) else which
        if concrete is None:
            raise ValueError(
                "The default mode='raise' of jnp.choose needs concrete numbers; pass mode='clip' or 'wrap'."
            )
        values = np.asarray(concrete)
        if values.size and (values.min() < 0 or values.max() >= number):
            raise ValueError("invalid entry in choice array")
    which = arithmetic.mod(which, number) if mode == "wrap" else el.clip(which, 0, number - 1)
    shape = op.broadcast_shapes(_shape(which), *map(_shape, choices))
    index = op.broadcast_to(ew.convert(which, np.dtype("i4")), shape)
    choices = [op.broadcast_to(c, shape) for c in choices]
    return choices[0] if number == 1 else el.ew.select_n_p.bind(_as_bool_if_two(index, number), *choices)


def _as_bool_if_two(index: Any, number: int) -> Any:
    return ew.convert(index, op.BOOL) if number == 2 else index


# -- repeat -------------------------------------------------------------------------------------------


def repeat(
    a: Any,
    repeats: Any,
    axis: int | None = None,
    *,
    total_repeat_length: int | None = None,
    out_sharding: Any = None,
) -> Any:
    """Each element of ``a`` repeated, along ``axis`` (of the flat array if None).

    Args:
        a: array.
        repeats: a number, or one for each element along ``axis``; traced if ``total_repeat_length`` is given.
        axis: which axis.
        total_repeat_length: the size of the result along ``axis``: what is missing repeats the last element.
    """
    x = array_operand("repeat", a)
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = to_axis(axis, len(_shape(x)))
    counts = repeats.concrete() if isinstance(repeats, Tracer) else repeats
    if counts is None:
        if total_repeat_length is None:
            raise op_concrete_error(repeats)
        return _repeat_traced(x, repeats, axis, total_repeat_length)
    counts = np.asarray(counts)
    if counts.dtype.kind not in "iu" and counts.size:
        raise TypeError(f"repeat requires integer counts, got {counts.dtype}.")
    if counts.size == 1 and total_repeat_length is None:
        return _repeat_each(x, int(counts.reshape(())), axis)
    n = _shape(x)[axis]
    if counts.shape not in ((n,), (1,), ()):
        raise ValueError(
            f"repeat needs one count, or one for each of the {n} slices along axis {axis}; got repeats of shape {counts.shape}."
        )
    order = np.repeat(np.arange(n), np.broadcast_to(counts, (n,)))
    if total_repeat_length is not None:
        fill = order[-1] if len(order) else 0
        order = np.concatenate(
            [
                order[:total_repeat_length],
                np.full(builtins.max(total_repeat_length - len(order), 0), fill, order.dtype),
            ]
        )
    return take(x, wrap(order), axis, mode="clip")


def op_concrete_error(repeats: Any) -> Exception:
    from jitney._base import errors

    return errors.ConcretizationTypeError(
        f"jnp.repeat needs concrete repeats, because they determine the shape of its result; these are traced "
        f"({get_aval(repeats).str_short()}). Pass total_repeat_length, or make the argument static."
    )


def _repeat_each(x: Any, count: int, axis: int) -> Any:
    sizes = _shape(x)
    if count < 0:
        raise ValueError("repeats may not contain negative values.")
    wide = (*sizes[: axis + 1], count, *sizes[axis + 1 :])
    kept = [d if d <= axis else d + 1 for d in range(len(sizes))]
    return raw.reshape(
        raw.broadcast_in_dim(x, wide, kept), [n * count if d == axis else n for d, n in enumerate(sizes)]
    )


def _repeat_traced(x: Any, repeats: Any, axis: int, total: int) -> Any:
    """Element ``i`` of the result comes from the first element whose running total of repeats exceeds ``i``."""
    n = _shape(x)[axis]
    ends = lax.cumsum(
        op.broadcast_to(ew.convert(array_operand("repeat", repeats), dtypes.default_dtype("i")), (n,))
    )
    place = raw.iota(dtypes.default_dtype("i"), (total, 1), 0)
    before = ew.convert(uf.less_equal(raw.reshape(ends, (1, n)), place), dtypes.default_dtype("i"))
    return take(x, reduce_sum(before, (1,)), axis, mode="clip")


# -- insert and delete --------------------------------------------------------------------------------


def delete(arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False) -> Any:
    """``arr`` without the elements at ``obj`` (a concrete int, slice, index array or mask) along ``axis``."""
    x = array_operand("delete", arr)
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = to_axis(axis, len(_shape(x)))
    n = _shape(x)[axis]
    concrete = obj.concrete() if isinstance(obj, Tracer) else obj
    if concrete is None:
        if get_aval(obj).dtype.kind in "iu" and (get_aval(obj).ndim == 0 or assume_unique_indices):
            return _delete_traced(x, obj, axis)
        raise op_concrete_error(obj)
    if not isinstance(concrete, builtins.slice):
        concrete = np.asarray(concrete)
        if concrete.dtype.kind in "iu" and concrete.size and (concrete.max() >= n or concrete.min() < -n):
            concrete = concrete[(concrete < n) & (concrete >= -n)]
        if not concrete.size:
            concrete = concrete.astype(int)
        if concrete.dtype.kind not in "iub":
            raise TypeError(f"delete needs integers or a mask, got {concrete.dtype}.")
    kept = np.delete(np.arange(n), concrete)
    return take(x, wrap(kept), axis, mode="clip")


def _delete_traced(x: Any, obj: Any, axis: int) -> Any:
    """Drop places known only at run time: each kept element moves down by the deleted ones before it."""
    n = _shape(x)[axis]
    i = manipulation.ravel(normalize(obj, n))
    count = _shape(i)[0]
    gone = IndexUpdater(creation.zeros(n, bool))[i].set(True)
    order = lax.sort_key_val(ew.convert(gone, np.dtype("i4")), raw.iota(dtypes.default_dtype("i"), (n,), 0))[
        1
    ]
    return take(x, order[: n - count], axis, mode="clip")


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``arr`` with ``values`` before the positions ``obj`` (concrete) along ``axis``."""
    x, v = array_operand("insert", arr), creation.asarray(values)
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = to_axis(axis, len(_shape(x)))
    n = _shape(x)[axis]
    places = obj.concrete() if isinstance(obj, Tracer) else obj
    if places is None:
        raise op_concrete_error(obj)
    if isinstance(places, builtins.slice):
        places = np.arange(*places.indices(n))
    places = np.asarray(places)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    if places.dtype.kind not in "iu":
        if places.size:
            raise TypeError(f"insert needs integers, a mask or a slice, got {places.dtype}.")
        places = places.astype(int)
    single = places.ndim == 0
    places = np.clip(np.where(places < 0, places + n, places).reshape(-1), 0, n)
    if single and len(_shape(v)) == len(_shape(x)):  # NumPy: a block goes in before one place
        places = np.full(_shape(v)[axis], places[0])
    elif single and _shape(v):
        v = raw.expand_dims(v, (axis,)) if len(_shape(v)) < len(_shape(x)) else v
    count = len(places)
    wide = tuple(count if d == axis else m for d, m in enumerate(_shape(x)))
    v = op.broadcast_to(ew.convert(v, get_aval(x).dtype), wide)
    order = np.argsort(places, kind="stable")
    target = np.empty(n + count, int)
    slots = places[order] + np.arange(count)
    target[slots] = n + order
    rest = np.setdiff1d(np.arange(n + count), slots)
    target[rest] = np.arange(n)
    return take(raw.concatenate([x, v], axis), wrap(target), axis, mode="clip")


def resize(a: Any, new_shape: Any) -> Any:
    """The elements of ``a``, repeated as needed, in ``new_shape``."""
    x = manipulation.ravel(a)
    shape = op_to_shape(new_shape)
    total = int(np.prod(shape, dtype=int))
    n = get_aval(x).size
    if total == 0 or n == 0:
        return creation.zeros(shape, get_aval(x).dtype)
    return raw.reshape(manipulation.tile(x, -(-total // n))[:total], shape)


def op_to_shape(shape: Any) -> tuple[int, ...]:
    from jitney.lax.operands import to_shape

    return to_shape("resize", shape)


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """A concrete array without leading ("f") and trailing ("b") zeros.

    Args:
        filt: array of any rank; it is concrete, as the shape of the result depends on it.
        trim: ``"f"``, ``"b"`` or both.
        axis: axis or axes that are trimmed, by what is zero along all others; default all.

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.trim_zeros(jnp.array([[0, 1, 0], [0, 0, 0]]), axis=1).tolist()
        [[1], [0]]
    """
    x = np.asarray(filt)
    if not isinstance(trim, str) or not set(trim.lower()) <= {"f", "b"}:
        raise ValueError(f"trim_zeros: trim is 'f' (front), 'b' (back) or 'fb', got {trim!r}.")
    index = [slice(None)] * x.ndim
    for d in to_axes(axis, x.ndim):
        places = np.flatnonzero(x.any(tuple(e for e in range(x.ndim) if e != d)))
        first, last = (places[0], places[-1] + 1) if places.size else (0, 0)
        index[d] = slice(
            first if "f" in trim.lower() or not places.size else None,
            last if "b" in trim.lower() or not places.size else None,
        )
    return wrap(np.array(x[tuple(index)]))


# -- index arithmetic ---------------------------------------------------------------------------------


def ix_(*args: Any) -> tuple[Any, ...]:
    """Index arrays that select a grid: one vector for each axis."""
    out = []
    for d, a in enumerate(args):
        x = creation.asarray(a)
        if len(_shape(x)) != 1:
            raise ValueError(f"Arguments to jax.numpy.ix_ must be 1-dimensional, got shape {_shape(x)}")
        if get_aval(x).dtype == op.BOOL:
            x = wrap(np.flatnonzero(np.asarray(x)))
        out.append(raw.reshape(x, [_shape(x)[0] if e == d else 1 for e in range(len(args))]))
    return tuple(out)


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Flat indices as one index array for each axis of ``shape``; out of bounds ones are clipped."""
    i = _index_operand("unravel_index", indices)
    sizes = op_to_shape(shape)
    total = int(np.prod(sizes, dtype=int))
    i = el.clip(el.choose(uf.less(i, 0), i + total, i), 0, total - 1)
    out = []
    for n in reversed(sizes):
        i, rest = arithmetic.divmod(i, builtins.max(n, 1))
        out.append(rest)
    return tuple(reversed(out))


def ravel_multi_index(
    multi_index: Any, dims: Any, mode: str = "raise", order: str = "C", *, dtype: Any = None
) -> Any:
    """Flat indices from one index array for each axis of ``dims``."""
    sizes = op_to_shape(dims)
    if len(multi_index) != len(sizes):
        raise ValueError(f"len(multi_index)={len(multi_index)} must equal len(dims)={len(sizes)}")
    parts = [_index_operand("ravel_multi_index", i) for i in multi_index]
    if mode == "raise":
        for part, n in zip(parts, sizes, strict=True):
            concrete = part.concrete() if isinstance(part, Tracer) else part
            if concrete is None:
                raise op_concrete_error(part)
            if np.any((np.asarray(concrete) < 0) | (np.asarray(concrete) >= n)):
                raise ValueError("invalid entry in coordinates array")
    elif mode == "clip":
        parts = [el.clip(p, 0, n - 1) for p, n in zip(parts, sizes, strict=True)]
    elif mode == "wrap":
        parts = [arithmetic.mod(p, n) for p, n in zip(parts, sizes, strict=True)]
    pairs = list(zip(parts, sizes, strict=True))
    pairs = pairs if order == "C" else pairs[::-1]
    out: Any = 0
    for part, n in pairs:
        out = part + n * out
    return creation.asarray(out) if dtype is None else creation.asarray(out, dtype)


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``func1d`` of the vectors along ``axis``."""
    from jitney._api.vmap import vmap

    x = array_operand("apply_along_axis", arr)
    rank = len(_shape(x))
    axis = to_axis(axis, rank)
    function = lambda v: func1d(v, *args, **kwargs)  # noqa: E731
    for i in range(1, rank - axis):
        function = vmap(function, in_axes=i, out_axes=-1)
    for _ in range(axis):
        function = vmap(function, in_axes=0, out_axes=0)
    return function(x)


def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """``func(a, axis)`` applied for each of ``axes`` in turn, keeping the rank."""
    x = array_operand("apply_over_axes", a)
    rank = len(_shape(x))
    for axis in to_axes(axes, rank):
        out = func(x, axis)
        x = out if len(_shape(out)) == rank else raw.expand_dims(out, (axis,))
    return x


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """The value of the function whose condition holds at each element (the last one listed wins).

    Every function is evaluated on all of ``x``; a function may also be a number.
    """
    x = array_operand("piecewise", x)
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    if len(funclist) == len(conditions) + 1:
        default, funclist = funclist[-1], funclist[:-1]
    elif len(funclist) == len(conditions):
        default = 0
    else:
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected"
        )
    dtype = get_aval(x).dtype
    value = lambda f: ew.convert(
        op.broadcast_to(creation.asarray(f(x, *args, **kw) if callable(f) else f), _shape(x)), dtype
    )  # noqa: E731
    out = value(default)
    for condition, f in zip(conditions, funclist, strict=True):
        out = el.choose(creation.asarray(condition), value(f), out)
    return out
