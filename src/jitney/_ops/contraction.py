"""dot_general: batched products contracted over any axes; every matrix product is one of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw, shapes
from jitney._ops.families import bilinear_transpose, standard_jvp
from jitney._ops.strong_products import active, stopped

Dims = tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]]

dot_general_p = Primitive("dot_general")


def _free(rank: int, *taken: Sequence[int]) -> list[int]:
    used = {a for axes in taken for a in axes}
    return [d for d in range(rank) if d not in used]


def _abstract(
    x: Any,
    y: Any,
    *,
    dimension_numbers: Dims,
    precision: Any,
    preferred_element_type: Any,
    out_sharding: Any = None,
) -> ShapedArray:
    (cx, cy), (bx, by) = dimension_numbers
    if len(cx) != len(cy) or len(bx) != len(by):
        raise TypeError(
            f"dot_general needs as many axes of one operand as of the other, got {dimension_numbers}."
        )
    for axes, aval in ((*cx, *bx), x), ((*cy, *by), y):
        if len(set(axes)) != len(axes) or not all(0 <= a < aval.ndim for a in axes):
            raise TypeError(
                f"dot_general axes {tuple(axes)} are not unique axes of an operand of shape {aval.shape}."
            )
    for kind, ax, ay in (("contracting", cx, cy), ("batch", bx, by)):
        left, right = [x.shape[a] for a in ax], [y.shape[a] for a in ay]
        if left != right:
            raise TypeError(
                f"dot_general requires {kind} dimensions to have the same shape, got {tuple(left)} and {tuple(right)} "
                f"for operands of shapes {x.shape} and {y.shape}."
            )
    if x.dtype != y.dtype and preferred_element_type is None:
        raise TypeError(f"dot_general requires equal dtypes, got {x.dtype.name} and {y.dtype.name}.")
    shape = [x.shape[a] for a in bx]
    shape += [x.shape[a] for a in _free(x.ndim, cx, bx)] + [y.shape[a] for a in _free(y.ndim, cy, by)]
    dtype = np.dtype(preferred_element_type) if preferred_element_type is not None else x.dtype
    return shaped_array(tuple(shape), dtype, x.weak_type and y.weak_type)


def _meaning(
    x: Any,
    y: Any,
    *,
    dimension_numbers: Dims,
    precision: Any,
    preferred_element_type: Any,
    out_sharding: Any = None,
) -> Any:
    """As one (batched) matrix product of ``[batch, free, contracted]`` by ``[batch, contracted, free]``."""
    (cx, cy), (bx, by) = dimension_numbers
    fx, fy = _free(x.ndim, cx, bx), _free(y.ndim, cy, by)
    dtype = np.dtype(preferred_element_type) if preferred_element_type is not None else x.dtype
    work = np.promote_types(x.dtype, dtype) if dtype.kind != "V" else np.dtype("f4")
    if work.kind == "b":
        work = np.dtype("i8")
    shape = [x.shape[a] for a in (*bx, *fx)] + [y.shape[a] for a in fy]
    if not bx and len(cx) == 1 and x.ndim <= 2 and y.ndim <= 2:  # what BLAS takes as it is
        left = x.T if x.ndim == 2 and cx[0] == 0 else x
        right = y.T if y.ndim == 2 and cy[0] == 1 else y
        return np.asarray(np.matmul(left.astype(work, copy=False), right.astype(work, copy=False))).astype(
            dtype, copy=False
        )
    inner = math.prod(x.shape[a] for a in cx)
    batch = [x.shape[a] for a in bx]
    left = np.transpose(x, [*bx, *fx, *cx]).reshape(*batch, math.prod(x.shape[a] for a in fx), inner)
    right = np.transpose(y, [*by, *cy, *fy]).reshape(*batch, inner, math.prod(y.shape[a] for a in fy))
    out = np.matmul(left.astype(work, copy=False), right.astype(work, copy=False))
    return out.astype(dtype, copy=False).reshape(shape)


def _left_transpose(ct: Any, y: Any, aval: ShapedArray, *, dimension_numbers: Dims, **params: Any) -> Any:
    """Cotangent of the left operand: contract ``ct`` with ``y`` over the axes that ``y`` brought."""
    (cx, cy), (bx, by) = dimension_numbers
    fx, fy = _free(aval.ndim, cx, bx), _free(get_aval(y).ndim, cy, by)
    if not fy and active():
        return _outer(ct, [*bx, *fx], y, dict(zip((*by, *cy), (*bx, *cx), strict=True)), aval)
    rank, batch = get_aval(ct).ndim, tuple(range(len(bx)))
    dims = ((tuple(range(rank - len(fy), rank)), tuple(fy)), (batch, tuple(by)))
    out = dot_general(ct, y, dims, preferred_element_type=aval.dtype)
    # The result's axes are: batch, the free axes of x, then y's contracted axes in y's order.
    return _in_order(out, [*bx, *fx, *[cx[i] for i in np.argsort(cy, kind="stable")]], aval)


def _right_transpose(ct: Any, x: Any, aval: ShapedArray, *, dimension_numbers: Dims, **params: Any) -> Any:
    """Cotangent of the right operand: for matrices ``x^T ct``, which needs no transposition afterwards."""
    (cx, cy), (bx, by) = dimension_numbers
    fx, fy = _free(get_aval(x).ndim, cx, bx), _free(aval.ndim, cy, by)
    if not fx and active():
        return _outer(ct, [*by, *fy], x, dict(zip((*bx, *cx), (*by, *cy), strict=True)), aval)
    batch = tuple(range(len(bx)))
    dims = ((tuple(fx), tuple(range(len(bx), len(bx) + len(fx)))), (tuple(bx), batch))
    out = dot_general(x, ct, dims, preferred_element_type=aval.dtype)
    return _in_order(out, [*by, *[cy[i] for i in np.argsort(cx, kind="stable")], *fy], aval)


def _outer(ct: Any, ct_axes: Sequence[int], known: Any, known_axes: dict[int, int], aval: ShapedArray) -> Any:
    """A cotangent that sums nothing: products of elements, in which zeros of ``known`` are strong."""
    axes = [known_axes[d] for d in range(get_aval(known).ndim)]
    factors = [_spread(v, places, aval) for v, places in ((ct, ct_axes), (known, axes))]
    return ew.convert(stopped(*factors), aval.dtype, aval.weak_type)


def _spread(x: Any, axes: Sequence[int], aval: ShapedArray) -> Any:
    """``x``, whose axes are these of ``aval``, at the shape of ``aval``."""
    order = sorted(range(len(axes)), key=axes.__getitem__)
    moved = ew.convert(raw.transpose(x, order), aval.dtype)
    return raw.broadcast_in_dim(moved, aval.shape, [axes[d] for d in order])


def _in_order(x: Any, have: Sequence[int], aval: ShapedArray) -> Any:
    """``x``, whose axes are those of an operand in the order ``have``, as a cotangent of it."""
    order = tuple(have.index(d) for d in range(aval.ndim))
    return ew.convert(shapes.transpose(x, order), aval.dtype, aval.weak_type)


def _batch(size: int, args: Any, dims: Any, *, dimension_numbers: Dims, **params: Any) -> tuple[Any, int]:
    (x, y), (dx, dy) = args, dims
    (cx, cy), (bx, by) = dimension_numbers
    shift = lambda axes, d: tuple(a + (d is not None and a >= d) for a in axes)  # noqa: E731
    cx, bx, cy, by = shift(cx, dx), shift(bx, dx), shift(cy, dy), shift(by, dy)
    if dx is not None and dy is not None:
        numbers: Dims = ((cx, cy), ((dx, *bx), (dy, *by)))
        return dot_general_p.bind(x, y, dimension_numbers=numbers, **params), 0
    # The batch axis stays a free axis of its operand.
    out = dot_general_p.bind(x, y, dimension_numbers=((cx, cy), (bx, by)), **params)
    if dx is not None:
        return out, len(bx) + _free(get_aval(x).ndim, cx, bx).index(dx)
    free_x = len(_free(get_aval(x).ndim, cx, bx))
    return out, len(bx) + free_x + _free(get_aval(y).ndim, cy, by).index(dy)


def _jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    return _standard(primals, tangents, **params)


_standard = standard_jvp(
    dot_general_p,
    [
        lambda g, ans, x, y, **params: dot_general_p.bind(g, y, **params),
        lambda g, ans, x, y, **params: dot_general_p.bind(x, g, **params),
    ],
)

dot_general_p.may_warn = True
dot_general_p.abstract = _abstract
dot_general_p.numpy = _meaning
dot_general_p.jvp = _jvp
dot_general_p.transpose = bilinear_transpose(_left_transpose, _right_transpose)
dot_general_p.batch = _batch


def _print_params(eqn: Any) -> dict[str, Any]:
    (cx, cy), (bx, by) = eqn.params["dimension_numbers"]
    shown: dict[str, Any] = {"dimension_numbers": f"(({list(cx)}, {list(cy)}), ({list(bx)}, {list(by)}))"}
    for name in ("precision", "preferred_element_type"):
        if eqn.params[name] is not None:
            shown[name] = eqn.params[name]
    return shown


dot_general_p.print_params = _print_params


def dot_general(
    x: Any, y: Any, dimension_numbers: Any, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Contract ``x`` with ``y``; ``dimension_numbers`` is ``((cx, cy), (bx, by))``."""
    (cx, cy), (bx, by) = dimension_numbers
    ints = lambda axes: tuple(map(int, axes))  # noqa: E731
    return dot_general_p.bind(
        x,
        y,
        dimension_numbers=((ints(cx), ints(cy)), (ints(bx), ints(by))),
        precision=precision,
        preferred_element_type=None if preferred_element_type is None else np.dtype(preferred_element_type),
        out_sharding=None,
    )
