"""Families: what all elementwise (all linear, all reducing ...) primitives have in common, derived once.

An elementwise operation is then one row::

    exp_p = elementwise("exp", "fc", numpy=np.exp, jvp=[lambda g, y, x: mul(g, y)],
                        lower=lambda b, x: b.math("exp", x))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._kernel.rules import Map
from jitney._ops import raw

_KIND_NAMES = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_BOOL = np.dtype(bool)


# -- shapes and dtypes ------------------------------------------------------------------------------


def broadcast(name: str, avals: Sequence[ShapedArray]) -> tuple[int, ...]:
    """Common shape of operands: rank 0 fits anything, else equal ranks with equal or size-1 axes."""
    shapes = [a.shape for a in avals if a.shape]
    if not shapes:
        return ()
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    listed = ", ".join(str(a.shape) for a in avals)
    if any(len(s) != len(first) for s in shapes):
        raise TypeError(
            f"{name}: arrays must have the same number of dimensions, got shapes {listed}. "
            "Use jitney.numpy functions for NumPy broadcasting, or reshape first."
        )
    out = []
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            raise TypeError(
                f"{name} got incompatible shapes for broadcasting: {listed} (axis {axis} has sizes {sorted(wide)})."
            )
        out.append(wide.pop() if wide else 1)
    return tuple(out)


def check_kinds(name: str, avals: Sequence[ShapedArray], kinds: str) -> None:
    for aval in avals:
        if dtypes.kind_of(aval.dtype) not in kinds:
            wanted = ", ".join(_KIND_NAMES[k] for k in kinds)
            raise TypeError(
                f"{name} does not accept dtype {aval.dtype.name}. Accepted dtypes are of kind {wanted}."
            )


def check_same_dtype(name: str, avals: Sequence[ShapedArray]) -> None:
    first = avals[0].dtype
    for aval in avals[1:]:
        if aval.dtype != first:
            listed = ", ".join(a.dtype.name for a in avals)
            raise TypeError(
                f"{name} requires arguments to have the same dtypes, got {listed}. "
                "(Tip: jitney.numpy functions promote dtypes; or cast with x.astype(...).)"
            )


def literal(like: Any, value: float) -> Any:
    """``value`` as a scalar that combines with ``like`` without changing its dtype or weak type."""
    aval = get_aval(like)
    if aval.weak_type:
        kind = aval.dtype.kind
        if aval.dtype == dtypes.default_dtype("i" if kind == "u" else kind):
            return {"i": int, "f": float, "c": complex}[kind](value)
    return aval.dtype.type(value)


def unbroadcast(ct: Any, aval: ShapedArray) -> Any:
    """Sum a cotangent over the axes along which an operand of ``aval`` was broadcast."""
    shape = get_aval(ct).shape
    if shape == aval.shape:
        return ct
    if not aval.shape:
        return raw.reduce_sum(ct, tuple(range(len(shape))))
    axes = tuple(i for i, (m, n) in enumerate(zip(shape, aval.shape, strict=True)) if m != n)
    return raw.reshape(raw.reduce_sum(ct, axes), aval.shape)


def broadcast_like(x: Any, aval: ShapedArray) -> Any:
    """Expand ``x`` (rank 0, or the rank of ``aval`` with size-1 axes) to the shape of ``aval``."""
    have = get_aval(x).shape
    if have == aval.shape:
        return x
    dims = tuple(range(aval.ndim)) if have else ()
    return raw.broadcast_in_dim(x, aval.shape, dims)


# -- elementwise ------------------------------------------------------------------------------------


def elementwise(
    name: str,
    kinds: str,
    *,
    numpy: Callable[..., Any],
    jvp: Sequence[Callable[..., Any] | None] = (),
    lower: Callable[..., Any] | None = None,
    result: Callable[[np.dtype], np.dtype] | None = None,
    transpose: Callable[..., Any] | None = None,
    same_dtype: bool = True,
) -> Primitive:
    """An elementwise primitive.

    ``kinds`` are the accepted dtype kinds (``"biufc"``), ``result`` maps the operands' dtype to the
    output's (default: the same), ``jvp[i](g, y, *xs, **params)`` is the contribution of the tangent of
    operand ``i`` (``None``: zero derivative), ``lower(b, *values, **params)`` its native scalar meaning.
    """
    prim = Primitive(name)
    prim.numpy = numpy
    prim.may_warn = True

    def abstract(*avals: ShapedArray, **params: Any) -> ShapedArray:
        first = avals[0]
        if (len(avals) == 1 or avals[-1] is first) and len(avals) < 3 and first.dtype.kind in kinds:
            if result is None:
                return first  # the common case: nothing to promote, broadcast or refuse
            shape = first.shape
        elif len(avals) == 2 and first.dtype == avals[1].dtype and 0 in (first.ndim, avals[1].ndim):
            check_kinds(name, avals, kinds)
            shape = first.shape or avals[1].shape  # a scalar beside an array
        else:
            check_kinds(name, avals, kinds)
            if same_dtype:
                check_same_dtype(name, avals)
            shape = first.shape if len(avals) == 1 else broadcast(name, avals)
        weak = all(a.weak_type for a in avals)
        dtype = first.dtype if result is None else result(first.dtype)
        return shaped_array(shape, dtype, weak and dtype != _BOOL)

    prim.abstract = abstract
    prim.jvp = standard_jvp(prim, jvp)
    prim.transpose = transpose
    prim.batch = elementwise_batch(prim)
    prim.lower = Map(lower) if lower is not None else None
    return prim


def native_function(name: str) -> Callable[..., Any]:
    """The lowering of an elementwise primitive that the compiler has a function for."""
    return lambda b, *xs: b.math(name, *xs)


def scipy_function(name: str, part: int | None = None) -> Callable[..., Any]:
    """The meaning: a function of ``scipy.special``, imported at its first call, or a part of its results."""

    def call(*xs: Any) -> Any:
        import scipy.special

        with np.errstate(all="ignore"):
            out = getattr(scipy.special, name)(*xs)
        return np.asarray(out if part is None else out[part]).astype(xs[0].dtype, copy=False)

    call.__name__ = name
    return call


def standard_jvp(prim: Primitive, rules: Sequence[Callable[..., Any] | None]) -> Callable[..., Any]:
    """The jvp rule that sums each operand's contribution."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        ans = prim.bind(*primals, **params)
        total = None
        for g, rule in zip(tangents, rules, strict=False):
            if type(g) is Zero or rule is None:
                continue
            term = rule(g, ans, *primals, **params)
            total = term if total is None else raw.add_tangents(total, term)
        if total is None:
            return ans, Zero.of(ans)
        return ans, broadcast_like(total, get_aval(ans))

    return jvp


def elementwise_batch(prim: Primitive) -> Callable[..., Any]:
    """Batch operands by aligning their batch axes; operands without one broadcast."""

    def batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[Any, int]:
        args, dim = align_batch(args, dims)
        return prim.bind(*args, **params), dim

    return batch


def common_shape(xs: Sequence[Any]) -> tuple[int, ...]:
    """The shape to which operands of equal rank (or rank 0) broadcast."""
    return broadcast("select_n", [get_aval(x) for x in xs])


def align_batch(args: Sequence[Any], dims: Sequence[int | None]) -> tuple[list[Any], int]:
    """Give all operands of an elementwise operation one common batch axis (rank-0 ones may stay)."""
    avals = [get_aval(x) for x in args]
    if len(args) == 2 and None in dims:
        batched = 0 if dims[1] is None else 1
        if avals[1 - batched].ndim == 0:  # the common case: a scalar beside a batched array
            return list(args), dims[batched]
    ranks = [a.ndim - (d is not None) for a, d in zip(avals, dims, strict=True)]
    rank = max(ranks)
    full = {d for d, r in zip(dims, ranks, strict=True) if d is not None and r == rank}
    dim = full.pop() if len(full) == 1 else 0
    out = []
    for x, aval, d, r in zip(args, avals, dims, ranks, strict=True):
        if d is None:
            out.append(x if aval.ndim == 0 else raw.expand_dims(x, (dim,)))
        elif r == rank:
            out.append(raw.move_axis(x, d, dim))
        else:  # a batched scalar among arrays
            out.append(raw.expand_dims(x, tuple(i for i in range(rank + 1) if i != dim)))
    return out, dim


# -- linear -----------------------------------------------------------------------------------------


def linear(prim: Primitive, transpose: Callable[..., Any]) -> None:
    """Make ``prim`` linear in its first operand: tangents go through the primitive itself."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        ans = prim.bind(*primals, **params)
        g, *rest = tangents
        if type(g) is Zero:
            return ans, Zero.of(ans)
        return ans, prim.bind(g, *primals[1:], **params)

    def transposed(ct: Any, x: Any, *rest: Any, **params: Any) -> list[Any]:
        return [transpose(ct, x, *rest, **params), *[None] * len(rest)]

    prim.jvp = jvp
    prim.transpose = transposed


def bilinear_transpose(left: Callable[..., Any], right: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Transpose of a product: ``left(ct, y, aval_x, **params)`` or ``right(ct, x, aval_y, **params)``."""

    def transpose(ct: Any, x: Any, y: Any, **params: Any) -> list[Any]:
        if is_undefined(x) and is_undefined(y):
            raise NotImplementedError("a product of two linear values is not linear: it has no transpose")
        if is_undefined(x):
            return [left(ct, y, x.aval, **params), None]
        return [None, right(ct, x, y.aval, **params)]

    return transpose


__all__ = [
    "align_batch",
    "bilinear_transpose",
    "broadcast",
    "broadcast_like",
    "common_shape",
    "check_kinds",
    "check_same_dtype",
    "elementwise",
    "elementwise_batch",
    "linear",
    "literal",
    "standard_jvp",
    "unbroadcast",
]
