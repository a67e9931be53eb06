"""Primitives that order or accumulate along an axis: sort, top_k and the cumulative operations.

``prefix_scan`` (below) is the one algorithm here: all prefixes of an associative operation in about ``2 n`` of its
applications, as in Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990).  Derivatives of
cumulative products, maxima and log-sum-exps are prefix scans over pairs of value and tangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Loops, Routine
from jitney._ops import elementwise as ew
from jitney._ops import indexing, raw, shapes
from jitney._ops.cumulative_loops import cumulative_loops, scan_logsumexp
from jitney._ops.families import check_kinds
from jitney._ops.sort_plans import plan_sort, plan_sort_by, plan_top_k
from jitney._ops.strong_products import stopped

_INT32 = np.dtype(np.int32)

# -- sort -------------------------------------------------------------------------------------------

sort_p = Primitive("sort", multiple_results=True)


def _sort_abstract(*xs: Any, dimension: int, is_stable: bool, num_keys: int) -> list[ShapedArray]:
    if not xs:
        raise TypeError("Sort requires at least one operand")
    if any(x.shape != xs[0].shape for x in xs):
        raise TypeError(
            f"Arguments to sort must have equal shapes, got: {' '.join(str(x.shape) for x in xs)}"
        )
    if not 0 <= dimension < xs[0].ndim:
        raise ValueError(f"sort: axis {dimension} is out of bounds for array of dimension {xs[0].ndim}.")
    if not 1 <= num_keys <= len(xs):
        raise ValueError(
            f"sort: num_keys={num_keys} must be between 1 and the number of operands, {len(xs)}."
        )
    return list(xs)


def _np_sort(*xs: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    """NaN last, -0.0 equal to 0.0."""
    if len(xs) == 1:
        return [_np_sort_one(xs[0], dimension, is_stable)]
    if num_keys == 1:
        order = np.argsort(xs[0], axis=dimension, kind="stable")
    else:  # lexsort takes the most significant key last
        order = np.lexsort([np.moveaxis(x, dimension, -1) for x in reversed(xs[:num_keys])], axis=-1)
        order = np.moveaxis(order, -1, dimension)
    return [np.take_along_axis(x, order, dimension) for x in xs]


def _np_sort_one(x: Any, axis: int, is_stable: bool) -> Any:
    """NumPy's default sort is much faster than its stable one; the difference shows in -0.0 and 0.0 only."""
    distinct = x.dtype.kind in "biu"
    if not distinct and is_stable:
        distinct = x.dtype.kind == "f" and not np.signbit(x[x == 0]).any()
    return np.sort(x, axis=axis, kind=None if distinct or not is_stable else "stable")


def _sort_jvp(
    primals: Any, tangents: Any, *, dimension: int, is_stable: bool, num_keys: int
) -> tuple[list, list]:
    """Sort the places along, then move the tangents as the values moved."""
    shape = get_aval(primals[0]).shape
    if 0 in shape:  # nothing moves
        return sort_p.bind(*primals, dimension=dimension, is_stable=is_stable, num_keys=num_keys), list(
            tangents
        )
    small = shape[dimension] <= np.iinfo(np.uint32).max
    places = raw.iota(np.dtype(np.uint32 if small else np.uint64), shape, dimension)
    *outs, order = sort_p.bind(*primals, places, dimension=dimension, is_stable=is_stable, num_keys=num_keys)
    out_tangents = [
        Zero.of(y) if type(g) is Zero else indexing.take_along_axis(g, order, dimension)
        for y, g in zip(outs, tangents, strict=True)
    ]
    return outs, out_tangents


def _sort_batch(
    size: int, args: Any, dims: Any, *, dimension: int, is_stable: bool, num_keys: int
) -> tuple[list, list]:
    xs = raw.batches_first(args, dims, size)
    outs = sort_p.bind(*xs, dimension=dimension + 1, is_stable=is_stable, num_keys=num_keys)
    return outs, [0] * len(outs)


sort_p.abstract = _sort_abstract
sort_p.numpy = _np_sort
sort_p.jvp = _sort_jvp
sort_p.batch = _sort_batch
sort_p.lower = Routine(plan_sort)

# Where nobody reads the sorted keys, the other operands alone are moved.
sort_by_p = Primitive("sort_by", multiple_results=True)


def _sort_dce(eqn: Any, used: list[bool]) -> Any:
    """Without the operands that move along for nothing, and without the keys as results if none is read."""
    keys = eqn.params["num_keys"]
    moved = [i for i in range(keys, len(used)) if used[i]]
    kept = [*range(keys), *moved]
    if any(used[:keys]):
        return eqn.replace(invars=[eqn.invars[i] for i in kept], outvars=[eqn.outvars[i] for i in kept])
    if not moved:
        return None
    return eqn.replace(
        primitive=sort_by_p,
        invars=[eqn.invars[i] for i in kept],
        outvars=[eqn.outvars[i] for i in moved],
    )


def _sort_by_dce(eqn: Any, used: list[bool]) -> Any:
    keys = eqn.params["num_keys"]
    moved = [i for i, wanted in enumerate(used) if wanted]
    if not moved:
        return None
    invars = [*eqn.invars[:keys], *[eqn.invars[keys + i] for i in moved]]
    return eqn.replace(invars=invars, outvars=[eqn.outvars[i] for i in moved])


def _sort_by(*xs: Any, num_keys: int, **params: Any) -> list[Any]:
    return sort_p.bind(*xs, num_keys=num_keys, **params)[num_keys:]


sort_p.dce = _sort_dce
sort_by_p.dce = _sort_by_dce
sort_by_p.abstract = lambda *xs, num_keys, **_: list(xs[num_keys:])
sort_by_p.expand = _sort_by
sort_by_p.numpy = lambda *xs, num_keys, **params: _np_sort(*xs, num_keys=num_keys, **params)[num_keys:]
sort_by_p.lower = Routine(plan_sort_by)

# -- top_k ------------------------------------------------------------------------------------------

top_k_p = Primitive("top_k", multiple_results=True)


def _top_k_abstract(x: Any, *, k: int, axis: int) -> list[ShapedArray]:
    if x.dtype.kind == "c":
        raise ValueError("top_k is not compatible with complex inputs: they have no order.")
    if k < 0:
        raise ValueError(f"k argument to top_k must be nonnegative, got {k}")
    if not 0 <= axis < x.ndim:
        raise ValueError(f"top_k: axis {axis} is out of bounds for array of dimension {x.ndim}.")
    if k > x.shape[axis]:
        raise ValueError(
            f"k argument to top_k must be no larger than the axis: k={k} for shape {x.shape}, axis {axis}."
        )
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return [shaped_array(shape, x.dtype, x.weak_type), shaped_array(shape, _INT32)]


def _np_top_k(x: Any, *, k: int, axis: int) -> list[Any]:
    """Largest first, of equal ones the first; floats in total order (nan > inf > ... > 0.0 > -0.0)."""
    order = np.argsort(_descending(x), axis=axis, kind="stable")
    places = np.take(order, np.arange(k), axis=axis)
    return [np.take_along_axis(x, places, axis), places.astype(_INT32)]


def _descending(x: Any) -> Any:
    """Integers that order as ``x`` does, the greatest first."""
    if x.dtype.kind in "biu":
        return ~x
    bits = x.view(np.dtype(f"i{x.dtype.itemsize}"))
    return ~np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)


def _top_k_jvp(primals: Any, tangents: Any, *, k: int, axis: int) -> tuple[list, list]:
    values, places = top_k_p.bind(*primals, k=k, axis=axis)
    (g,) = tangents
    moved = Zero.of(values) if type(g) is Zero else indexing.take_along_axis(g, places, axis)
    return [values, places], [moved, Zero.of(places)]


def _top_k_batch(size: int, args: Any, dims: Any, *, k: int, axis: int) -> tuple[list, list]:
    (x,), (d,) = args, dims
    return top_k_p.bind(x, k=k, axis=axis + (axis >= d)), [d, d]


top_k_p.abstract = _top_k_abstract
top_k_p.numpy = _np_top_k
top_k_p.jvp = _top_k_jvp
top_k_p.batch = _top_k_batch
top_k_p.lower = Routine(plan_top_k)

# -- prefix scans -----------------------------------------------------------------------------------


def prefix_scan(
    combine: Callable[[tuple, tuple], tuple], xs: tuple, axis: int, reverse: bool = False
) -> tuple:
    """All prefixes along ``axis`` of the associative ``combine(left, right)`` on tuples of arrays.

    Neighbours are combined, the half as long result is scanned, and the elements in between are filled in.
    """
    if reverse:
        return _flip(prefix_scan(combine, _flip(xs, axis), axis), axis)
    n = get_aval(xs[0]).shape[axis]
    if n < 2:
        return xs
    pairs = combine(_every_second(xs, axis, 0, n - n % 2), _every_second(xs, axis, 1, n))
    odd = prefix_scan(combine, pairs, axis)
    even = _every_second(xs, axis, 2, n)
    if n > 2:
        even = combine(_every_second(odd, axis, 0, (n - 1) // 2, 1), even)
    first = _every_second(xs, axis, 0, 1)
    even = tuple(raw.concatenate([f, e], axis) for f, e in zip(first, even, strict=True)) if n > 2 else first
    return tuple(_interleave(e, o, axis) for e, o in zip(even, odd, strict=True))


def _rev(x: Any, dimensions: tuple[int, ...]) -> Any:
    return shapes.rev_p.bind(x, dimensions=dimensions)


def _flip(xs: tuple, axis: int) -> tuple:
    return tuple(_rev(x, (axis,)) for x in xs)


def _every_second(xs: tuple, axis: int, start: int, stop: int, step: int = 2) -> tuple:
    """``x[start:stop:step]`` along ``axis`` of each array."""

    def part(x: Any) -> Any:
        shape = get_aval(x).shape
        starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
        starts[axis], limits[axis], strides[axis] = min(start, stop), stop, step
        return raw.slice_(x, starts, limits, tuple(strides))

    return tuple(map(part, xs))


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """``even[0], odd[0], even[1], ...`` along ``axis``."""
    n, m = get_aval(even).shape[axis], get_aval(odd).shape[axis]
    zero = get_aval(even).dtype.type(0)
    plan = lambda lo, hi: [(lo, hi, 1) if d == axis else (0, 0, 0) for d in range(get_aval(even).ndim)]  # noqa: E731
    return ew.add(
        raw.pad(even, zero, plan(0, 0 if n > m else 1)), raw.pad(odd, zero, plan(1, 1 if n > m else 0))
    )


# -- cumulative operations --------------------------------------------------------------------------


def cumulative(
    name: str, kinds: str, numpy: Callable[..., Any], combine: Callable[..., Any], scan: Any = None
) -> Primitive:
    """A cumulative operation along ``axis``: ``numpy(x, axis)`` is its meaning, ``combine(b, acc, x)`` one native step.

    ``scan``: see ``cumulative_loops``.
    """
    prim = Primitive(name)

    def abstract(x: ShapedArray, *, axis: int, reverse: bool) -> ShapedArray:
        check_kinds(name, [x], kinds)
        if axis < 0:
            raise ValueError(f"{name}: lax operations take no negative axes, got {axis} for shape {x.shape}.")
        if axis >= x.ndim:
            raise ValueError(f"{name}: axis {axis} is out of bounds for array of shape {x.shape}")
        return x

    def meaning(x: Any, *, axis: int, reverse: bool) -> Any:
        if not reverse:
            return numpy(x, axis)
        return np.flip(numpy(np.flip(x, axis), axis), axis)

    def batch(size: int, args: Any, dims: Any, *, axis: int, reverse: bool) -> tuple[Any, int]:
        (x,), (d,) = args, dims
        return prim.bind(x, axis=axis + (axis >= d), reverse=reverse), d

    prim.abstract, prim.numpy, prim.batch = abstract, meaning, batch
    prim.may_warn = True
    prim.lower = Loops(cumulative_loops(combine, scan))
    return prim


def _np_accumulate(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(x: Any, axis: int) -> Any:
        # Running values of 16 bits would soon no longer change.
        narrow = x.dtype.itemsize == 2 and x.dtype.kind in "fV"
        dtype = np.dtype(np.float32) if narrow else x.dtype
        return ufunc.accumulate(x.astype(dtype, copy=False), axis=axis, dtype=dtype).astype(
            x.dtype, copy=False
        )

    return accumulate


def _np_cumlogsumexp(x: Any, axis: int) -> Any:
    if x.dtype.kind == "f":
        return np.logaddexp.accumulate(x, axis=axis)
    if x.dtype.kind != "c":  # bfloat16 and kin
        return np.logaddexp.accumulate(x.astype(np.float32), axis=axis).astype(x.dtype)
    out = x.copy()
    rows = np.moveaxis(out, axis, 0)
    for k in range(1, len(rows)):
        rows[k] = _np_logaddexp(rows[k - 1], rows[k])
    return out


def _np_logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) of complex numbers, relative to the one of greater real part."""
    swap = np.real(x) < np.real(y)
    large, small = np.where(swap, y, x), np.where(swap, x, y)
    same = np.isneginf(np.real(large))
    out = large + np.log1p(np.exp(np.where(same, 0, small - large)))
    return np.where(same, large, out)


def _lower_logaddexp(b: Any, x: Any, y: Any) -> Any:
    """``max + log1p(exp(-|x - y|))``; where the difference is nan (equal infinities or nan), the sum."""
    gap = b.sub(x, y)
    close = b.add(b.max(x, y), b.math("log1p", b.math("exp", b.neg(b.abs(gap)))))
    return b.select(b.is_nan(gap), b.add(x, y), close)


cumsum_p = cumulative("cumsum", "iufc", _np_accumulate(np.add), lambda b, x, y: b.add(x, y))
cumprod_p = cumulative("cumprod", "iufc", _np_accumulate(np.multiply), lambda b, x, y: b.mul(x, y))
cummax_p = cumulative("cummax", "iufc", _np_accumulate(np.maximum), lambda b, x, y: b.max(x, y))
cummin_p = cumulative("cummin", "iufc", _np_accumulate(np.minimum), lambda b, x, y: b.min(x, y))
cumlogsumexp_p = cumulative("cumlogsumexp", "fc", _np_cumlogsumexp, _lower_logaddexp, scan_logsumexp)


def _cumsum_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    (x,), (g,) = primals, tangents
    ans = cumsum_p.bind(x, **params)
    return ans, Zero.of(ans) if type(g) is Zero else cumsum_p.bind(g, **params)


cumsum_p.jvp = _cumsum_jvp
cumsum_p.transpose = lambda ct, x, *, axis, reverse: [cumsum_p.bind(ct, axis=axis, reverse=not reverse)]


def _scanned_jvp(prim: Primitive, pair: Callable[[Any, Any, Any, Any], tuple[Any, Any]]) -> None:
    """Give ``prim`` the derivative of a prefix scan; ``pair(x, gx, y, gy)`` is one step with its tangent."""

    def jvp(primals: Any, tangents: Any, *, axis: int, reverse: bool) -> tuple[Any, Any]:
        (x,), (g,) = primals, tangents
        ans = prim.bind(x, axis=axis, reverse=reverse)
        if type(g) is Zero:
            return ans, Zero.of(ans)
        step = lambda left, right: pair(*left, *right)
        return ans, prefix_scan(step, (x, g), axis, reverse)[1]

    prim.jvp = jvp


def _mul_pair(x: Any, gx: Any, y: Any, gy: Any) -> tuple[Any, Any]:
    return ew.mul(x, y), ew.add(stopped(gx, y), stopped(gy, x, ahead=True))


def _extremum_pair(prim: Primitive) -> Callable[..., tuple[Any, Any]]:
    return lambda x, gx, y, gy: prim.jvp((x, y), (gx, gy))


def _logaddexp_pair(x: Any, gx: Any, y: Any, gy: Any) -> tuple[Any, Any]:
    """Tangents weighted by exp(x - out) and exp(y - out); by 1 where an infinity is the result."""
    out = logaddexp(x, y)
    one = raw.full(get_aval(out).shape, 1, get_aval(out).dtype)
    weight = lambda v: raw.select(ew.eq(v, out), one, ew.exp(ew.sub(v, out)))  # noqa: E731
    return out, ew.add(stopped(gx, weight(x)), stopped(gy, weight(y)))


def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) of arrays of one shape and dtype."""
    aval = get_aval(x)
    gap = ew.sub(x, y)
    if aval.dtype.kind == "c":
        keys = ew.lt(ew.real(x), ew.real(y))
        large, small = raw.select(keys, y, x), raw.select(keys, x, y)
        return ew.add(large, ew.log1p(ew.exp(ew.sub(small, large))))
    close = ew.add(ew.maximum(x, y), ew.log1p(ew.exp(ew.neg(ew.abs(gap)))))
    return raw.select(ew.ne(gap, gap), ew.add(x, y), close)


_scanned_jvp(cumprod_p, _mul_pair)
_scanned_jvp(cummax_p, _extremum_pair(ew.max_p))
_scanned_jvp(cummin_p, _extremum_pair(ew.min_p))
_scanned_jvp(cumlogsumexp_p, _logaddexp_pair)

# -- raw operations ---------------------------------------------------------------------------------


def sort(xs: Sequence[Any], dimension: int, is_stable: bool = True, num_keys: int = 1) -> list[Any]:
    return sort_p.bind(*xs, dimension=dimension, is_stable=is_stable, num_keys=num_keys)


def argsort(x: Any, axis: int, is_stable: bool = True, descending: bool = False, dtype: Any = None) -> Any:
    """The places along ``axis`` in the order of the values; of equal ones the first comes first."""
    shape = get_aval(x).shape
    index_dtype = np.dtype(dtype) if dtype is not None else dtypes.default_dtype("i")
    places = raw.iota(index_dtype, shape, axis)
    if not descending:
        return sort([x, places], axis, is_stable)[1]
    # Flipped before and after, equal values keep their order.
    flipped = sort([_rev(x, (axis,)), _rev(places, (axis,))], axis, is_stable)[1]
    return _rev(flipped, (axis,))


__all__ = sorted(name for name in globals() if name.endswith("_p"))


__all__ = sorted(name for name in globals() if name.endswith("_p"))
