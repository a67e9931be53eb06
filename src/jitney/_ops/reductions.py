"""Reductions: fold an array over some of its axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Reduce
from jitney._ops import elementwise as ew
from jitney._ops import raw as shapes
from jitney._ops.families import check_kinds, linear
from jitney._ops.raw import reduce_sum as reduce_sum
from jitney._ops.strong_products import stopped

_BOOL = np.dtype(bool)


def smallest(dtype: np.dtype) -> Any:
    """The neutral element of a maximum."""
    if dtype == _BOOL:
        return False
    return np.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def largest(dtype: np.dtype) -> Any:
    """The neutral element of a minimum."""
    if dtype == _BOOL:
        return True
    return np.iinfo(dtype).max if dtype.kind in "iu" else math.inf


def reduction(
    name: str,
    kinds: str,
    ufunc: np.ufunc,
    init: Callable[[np.dtype], Any],
    combine: Callable[..., Any],
    *,
    jvp: Callable[..., Any] | None = None,
) -> Primitive:
    """A reduction over ``axes``; ``jvp(g, ans, x, axes)`` is its tangent (None: zero)."""
    prim = Primitive(name)
    prim.may_warn = True

    def abstract(x: ShapedArray, *, axes: tuple, **_: Any) -> ShapedArray:
        check_kinds(name, [x], kinds)
        check_axes(name, axes, x)
        return shaped_array(tuple(n for d, n in enumerate(x.shape) if d not in axes), x.dtype, x.weak_type)

    def meaning(x: Any, *, axes: tuple, **_: Any) -> Any:
        axes = tuple(map(int, axes))
        if x.dtype.kind == "V" and not x.dtype.names:  # bfloat16 and kin: fold in float32
            return ufunc.reduce(x.astype(np.float32), axis=axes, initial=init(np.dtype("f4"))).astype(x.dtype)
        if not axes:
            return x
        return ufunc.reduce(
            x, axis=axes, dtype=x.dtype, initial=None if _has_identity(x, axes) else init(x.dtype)
        )

    def jvp_rule(primals: Any, tangents: Any, *, axes: tuple, **params: Any) -> tuple[Any, Any]:
        (x,), (g,) = primals, tangents
        ans = prim.bind(x, axes=axes, **params)
        if type(g) is Zero or jvp is None:
            return ans, Zero.of(ans)
        return ans, jvp(g, ans, x, axes)

    def batch(size: int, args: Any, dims: Any, *, axes: tuple, **params: Any) -> tuple[Any, int]:
        (x,), (d,) = args, dims
        moved = tuple(a + (a >= d) for a in axes)
        return prim.bind(x, axes=moved, **params), d - sum(a < d for a in moved)

    prim.abstract, prim.numpy, prim.jvp, prim.batch = abstract, meaning, jvp_rule, batch
    prim.lower = Reduce(init, combine)
    if name != "reduce_sum":
        prim.print_params = lambda eqn: {"axes": eqn.params["axes"]}
    return prim


def _has_identity(x: Any, axes: tuple) -> bool:
    """True if no output element is a fold of nothing, so that NumPy may start from the first element."""
    return all(x.shape[a] for a in axes)


def check_axes(name: str, axes: Sequence[int], x: ShapedArray) -> None:
    if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
        raise ValueError(f"{name}: axes {tuple(axes)} are not unique axes of an array of shape {x.shape}.")


def _expand(y: Any, x: Any, axes: tuple) -> Any:
    """A reduced value with its axes back, at the shape of ``x``."""
    aval = get_aval(x)
    return shapes.broadcast_in_dim(y, aval.shape, tuple(d for d in range(aval.ndim) if d not in axes))


def _extremum_jvp(g: Any, ans: Any, x: Any, axes: tuple) -> Any:
    """The mean of the tangents at the places where the extremum is attained."""
    dtype = get_aval(ans).dtype
    here = ew.convert(ew.eq(x, _expand(ans, x, axes)), dtype)
    return ew.div(reduce_sum(stopped(g, here), axes), reduce_sum(here, axes))


def _prod_jvp(g: Any, ans: Any, x: Any, axes: tuple) -> Any:
    """Product rule along a balanced tree, so that zeros in ``x`` need no division."""
    aval = get_aval(x)
    kept = [d for d in range(aval.ndim) if d not in axes]
    order = [*axes, *kept]
    count = math.prod(aval.shape[a] for a in axes)
    flat = lambda v: shapes.reshape(shapes.transpose(v, order), (count, *(aval.shape[d] for d in kept)))  # noqa: E731
    x, g = flat(x), flat(g)
    if count == 0:
        return shapes.zeros(get_aval(ans).strip_weak_type())
    while count > 1:
        half = count // 2
        part = lambda v, lo, hi: shapes.slice_(v, (lo, *[0] * len(kept)), (hi, *get_aval(v).shape[1:]))  # noqa: E731
        (x1, x2), (g1, g2) = ((part(v, 0, half), part(v, half, 2 * half)) for v in (x, g))
        merged_x, merged_g = ew.mul(x1, x2), ew.add(stopped(g1, x2), stopped(g2, x1, ahead=True))
        if count % 2:
            merged_x = shapes.concatenate([merged_x, part(x, 2 * half, count)], 0)
            merged_g = shapes.concatenate([merged_g, part(g, 2 * half, count)], 0)
        x, g, count = merged_x, merged_g, half + count % 2
    return shapes.reshape(g, get_aval(ans).shape)


reduce_sum_p = reduction("reduce_sum", "iufc", np.add, lambda dtype: 0, lambda b, x, y: b.add(x, y))
linear(reduce_sum_p, lambda ct, x, *, axes, **_: _expand(ct, x, axes))
reduce_prod_p = reduction(
    "reduce_prod", "iufc", np.multiply, lambda dtype: 1, lambda b, x, y: b.mul(x, y), jvp=_prod_jvp
)
reduce_max_p = reduction(
    "reduce_max", "biuf", np.maximum, smallest, lambda b, x, y: b.max(x, y), jvp=_extremum_jvp
)
reduce_min_p = reduction(
    "reduce_min", "biuf", np.minimum, largest, lambda b, x, y: b.min(x, y), jvp=_extremum_jvp
)
reduce_and_p = reduction(
    "reduce_and",
    "biu",
    np.bitwise_and,
    lambda dtype: (
        True
        if dtype == _BOOL
        else dtype.type(0) - dtype.type(1)
        if dtype.kind == "i"
        else np.iinfo(dtype).max
    ),
    lambda b, x, y: b.and_(x, y),
)
reduce_or_p = reduction("reduce_or", "biu", np.bitwise_or, lambda dtype: 0, lambda b, x, y: b.or_(x, y))
reduce_xor_p = reduction("reduce_xor", "biu", np.bitwise_xor, lambda dtype: 0, lambda b, x, y: b.xor(x, y))

# -- argmin, argmax ---------------------------------------------------------------------------------


def arg_reduction(name: str, numpy: Callable[..., Any]) -> Primitive:
    """The index of the first extremum (of the first NaN, if there is one) along one axis."""
    prim = Primitive(name)

    def abstract(x: ShapedArray, *, axes: tuple, index_dtype: Any) -> ShapedArray:
        check_kinds(name, [x], "biuf")
        check_axes(name, axes, x)
        if len(axes) != 1 or x.shape[axes[0]] == 0:
            raise ValueError(
                f"{name} needs exactly one axis of non-zero size, got axes {axes} for shape {x.shape}."
            )
        return shaped_array(tuple(n for d, n in enumerate(x.shape) if d not in axes), np.dtype(index_dtype))

    def batch(size: int, args: Any, dims: Any, *, axes: tuple, index_dtype: Any) -> tuple[Any, int]:
        (x,), (d,) = args, dims
        axis = axes[0] + (axes[0] >= d)
        return prim.bind(x, axes=(axis,), index_dtype=index_dtype), d - (axis < d)

    prim.abstract, prim.batch = abstract, batch
    prim.numpy = lambda x, *, axes, index_dtype: np.asarray(numpy(x, axis=axes[0])).astype(index_dtype)
    prim.jvp = lambda primals, tangents, **params: ((ans := prim.bind(*primals, **params)), Zero.of(ans))
    return prim


def _arg_lower(worst: Callable[[np.dtype], Any], before: Callable[..., Any]) -> Reduce:
    """Fold pairs (value, place); ``before(b, x, y)``: x is the better value.

    The neutral place is 0: where no value is better than the worst one, the first is the answer.
    """

    def combine(b: Any, xs: Any, ys: Any) -> list[Any]:
        (x, i), (y, j) = xs, ys
        x_nan, y_nan = b.is_nan(x), b.is_nan(y)
        better = b.or_(b.and_(y_nan, b.not_(x_nan)), b.and_(before(b, y, x), b.not_(x_nan)))
        tied = b.or_(b.eq(x, y), b.and_(x_nan, y_nan))
        take = b.or_(better, b.and_(tied, b.lt(j, i)))
        return [b.select(take, y, x), b.select(take, j, i)]

    def step(b: Any, xs: Any, ys: Any) -> list[Any]:
        (x, i), (y, j) = xs, ys
        take = before(b, y, x)
        if x.dtype.kind == "f":  # better, or the first nan
            take = b.and_(b.not_(b.or_(before(b, x, y), b.eq(x, y))), b.not_(b.is_nan(x)))
        return [b.select(take, y, x), b.select(take, j, i)]

    return Reduce(
        init=lambda dtype: [(dtype, worst(dtype)), (np.dtype(np.int64), 0)],
        combine=combine,
        step=step,
        lift=lambda b, value, idx, axes: [value, b.index_value(idx[axes[0]], np.int64)],
        finish=lambda b, values, *, index_dtype, **_: b.cast(values[1], index_dtype),
    )


argmax_p = arg_reduction("argmax", np.argmax)
argmin_p = arg_reduction("argmin", np.argmin)
argmax_p.lower = _arg_lower(smallest, lambda b, x, y: b.gt(x, y))
argmin_p.lower = _arg_lower(largest, lambda b, x, y: b.lt(x, y))

# -- raw operations ---------------------------------------------------------------------------------


def _raw(prim: Primitive) -> Callable[[Any, Sequence[int]], Any]:
    return lambda x, axes: prim.bind(x, axes=tuple(axes), out_sharding=None) if len(axes) else x


reduce_prod, reduce_max, reduce_min = map(_raw, (reduce_prod_p, reduce_max_p, reduce_min_p))
reduce_and, reduce_or, reduce_xor = map(_raw, (reduce_and_p, reduce_or_p, reduce_xor_p))


def count(x: Any, axes: Sequence[int]) -> Any:
    """How many elements along ``axes`` are true."""
    return reduce_sum(ew.convert(x, dtypes.default_dtype("i")), axes)


__all__ = sorted(name for name in globals() if name.endswith("_p"))
