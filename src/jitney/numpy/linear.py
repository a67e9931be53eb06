"""Products of vectors, matrices and tensors: dot, matmul, tensordot, kron, cross; einsum is in ``contractions.py``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import contraction, raw
from jitney._ops import elementwise as ew
from jitney.numpy.contractions import arrange, contract_pair, einsum, einsum_path
from jitney.numpy.operands import (
    array_operand,
    broadcast_shapes,
    broadcast_to,
    is_eager_float,
    promote_dtypes,
    quiet,
    refuse_out,
    to_axis,
    wrap,
)

__all__ = [
    "cross",
    "dot",
    "einsum",
    "einsum_path",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _pair(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two arrays of one dtype."""
    a, b = promote_dtypes(array_operand(name, a), array_operand(name, b, 1))
    return a, b


def _eager(function: Any, a: Any, b: Any) -> Any:
    """NumPy's own product of small concrete floats; None where it does not apply or fit."""
    if is_eager_float(a) and is_eager_float(b) and a.dtype is b.dtype:
        try:
            return wrap(quiet(function, a._np, b._np), a.weak_type and b.weak_type)
        except ValueError:
            return None  # shapes do not fit: the general path words the error
    return None


def _result_type(preferred: Any) -> np.dtype | None:
    return None if preferred is None else dtypes.requested(preferred)


def _is_complex(x: Any) -> bool:
    return get_aval(x).dtype.kind == "c"


def _contract(
    x: Any, y: Any, axes_x: Sequence[int], axes_y: Sequence[int], precision: Any, preferred: Any
) -> Any:
    """Sum over pairs of axes; the free axes of ``x``, then those of ``y``, remain."""
    wanted = _result_type(preferred)
    if not (get_aval(x).ndim and get_aval(y).ndim):
        out = ew.mul(x, y)
        return out if wanted is None else ew.convert(out, wanted)
    numbers = ((axes_x, axes_y), ((), ()))
    return contraction.dot_general(x, y, numbers, precision, get_aval(x).dtype if wanted is None else wanted)


def dot(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Any:
    """Sum of products over the last axis of ``a`` and the last but one of ``b`` (the only one of a vector).

    Args:
        a, b: arrays or scalars; dtypes are promoted. With a scalar it is the elementwise product.
        precision: accepted; products have the precision of their dtype.
        preferred_element_type: dtype of the result.

    Raises:
        TypeError: if the summed axes differ in size; for lists.

    >>> import jitney.numpy as jnp
    >>> jnp.dot(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]))
    Array(11., dtype=float64)
    """
    if preferred_element_type is None and (done := _eager(np.dot, a, b)) is not None:
        return done
    a, b = _pair("dot", a, b)
    rank_a, rank_b = get_aval(a).ndim, get_aval(b).ndim
    return _contract(a, b, (rank_a - 1,), (max(rank_b - 2, 0),), precision, preferred_element_type)


def matmul(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Any:
    """Matrix product over the last two axes; the axes before them broadcast.

    Args:
        a: ``[..., m, k]``, or a vector ``[k]``, whose axis m is absent from the result.
        b: ``[..., k, n]``, or a vector ``[k]``, whose axis n is absent.
        precision: accepted; products have the precision of their dtype.
        preferred_element_type: dtype of the result.

    Raises:
        ValueError: for scalars, and leading axes that do not broadcast.
        TypeError: if the summed axes differ in size; for lists.

    >>> import jitney.numpy as jnp
    >>> jnp.matmul(jnp.eye(2), jnp.array([3.0, 4.0]))
    Array([3., 4.], dtype=float64)
    """
    if preferred_element_type is None and (done := _eager(np.matmul, a, b)) is not None:
        return done
    a, b = _pair("matmul", a, b)
    shape_a, shape_b = get_aval(a).shape, get_aval(b).shape
    for number, shape in enumerate((shape_a, shape_b)):
        if not shape:
            raise ValueError(f"matmul input operand {number} must have ndim at least 1, but it has ndim 0")
    if len(shape_a) <= 2 and len(shape_b) <= 2:
        axes_b = (max(len(shape_b) - 2, 0),)
        return _contract(a, b, (len(shape_a) - 1,), axes_b, precision, preferred_element_type)
    return _batched_matmul(a, b, precision, _result_type(preferred_element_type))


def _batched_matmul(a: Any, b: Any, precision: Any, result_type: np.dtype | None) -> Any:
    """Leading axes get labels from the right; those of size 1 are dropped where the other operand's are longer."""
    shape_a, shape_b = get_aval(a).shape, get_aval(b).shape
    outer_a, outer_b = shape_a[:-2], shape_b[:-2]
    try:
        outer = np.broadcast_shapes(outer_a, outer_b)
    except ValueError:
        raise ValueError(
            f"Incompatible types for matmul arguments: {get_aval(a).str_short()} and {get_aval(b).str_short()}: "
            f"leading axes {outer_a} and {outer_b} do not broadcast."
        ) from None
    if shape_a[-1] != shape_b[-2:][0]:
        raise TypeError(
            "matmul requires contracting dimensions to have the same shape, got "
            f"{shape_a[-1]} and {shape_b[-2:][0]} of operands of shapes {shape_a} and {shape_b}."
        )
    letters = _LETTERS[: len(outer)]
    rows, cols = "Y" if len(shape_a) > 1 else "", "Z" if len(shape_b) > 1 else ""
    a, labels_a = _squeeze_ones(a, outer_a, outer, letters)
    b, labels_b = _squeeze_ones(b, outer_b, outer, letters)
    wanted = letters + rows + cols
    out, labels = contract_pair(
        a, labels_a + rows + "X", b, labels_b + "X" + cols, wanted, precision, result_type
    )
    return arrange(out, labels, wanted)


def _squeeze_ones(x: Any, have: Sequence[int], outer: Sequence[int], letters: str) -> tuple[Any, str]:
    letters, outer = letters[len(outer) - len(have) :], outer[len(outer) - len(have) :]
    ones = [d for d, n in enumerate(have) if n == 1 and outer[d] != 1]
    return raw.squeeze(x, ones), "".join(c for d, c in enumerate(letters) if d not in ones)


def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of ``conj(a) * b`` over all elements, both flattened."""
    a, b = array_operand("vdot", a), array_operand("vdot", b, 1)
    a = ew.conj(a) if _is_complex(a) else a
    flat = [raw.reshape(x, (get_aval(x).size,)) for x in (a, b)]
    return dot(*flat, precision=precision, preferred_element_type=preferred_element_type)


def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of products over the last axes of both; with a scalar the elementwise product."""
    a, b = _pair("inner", a, b)
    last = [get_aval(x).ndim - 1 for x in (a, b)]
    return _contract(a, b, (last[0],), (last[1],), precision, preferred_element_type)


def outer(a: Any, b: Any, out: None = None) -> Any:
    """All products of an element of ``a`` and one of ``b``, both flattened: shape ``[a.size, b.size]``."""
    refuse_out("outer", out)
    a, b = _pair("outer", a, b)
    return ew.mul(raw.reshape(a, (get_aval(a).size, 1)), raw.reshape(b, (1, get_aval(b).size)))


def tensordot(
    a: Any,
    b: Any,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sum of products over chosen axes.

    Args:
        a, b: arrays; dtypes are promoted.
        axes: a number n (the last n axes of ``a`` with the first n of ``b``), or a pair of axes or lists of axes.

    Raises:
        TypeError: for axes that do not fit the operands or each other.
    """
    a, b = _pair("tensordot", a, b)
    axes_a, axes_b = _tensordot_axes(axes, get_aval(a).ndim, get_aval(b).ndim)
    return _contract(a, b, axes_a, axes_b, precision, preferred_element_type)


def _tensordot_axes(axes: Any, rank_a: int, rank_b: int) -> tuple[Sequence[int], Sequence[int]]:
    if isinstance(axes, (int, np.integer)):
        n = operator.index(axes)
        if n > min(rank_a, rank_b):
            raise TypeError(
                f"Number of tensordot axes (axes {n}) exceeds input ranks ({rank_a} and {rank_b})"
            )
        return range(rank_a - n, rank_a), range(n)
    if isinstance(axes, np.ndarray):
        axes = axes.tolist()
    if isinstance(axes, (tuple, list)) and len(axes) == 2:
        lists = [list(x) if isinstance(x, (tuple, list, np.ndarray)) else [x] for x in axes]
        if len(lists[0]) != len(lists[1]):
            raise TypeError(
                f"tensordot requires axes lists to have equal length, got {axes[0]} and {axes[1]}."
            )
        return [to_axis(d, rank_a) for d in lists[0]], [to_axis(d, rank_b) for d in lists[1]]
    raise TypeError(
        "tensordot axes argument must be an int, a pair of ints, or a pair of lists/tuples of ints."
    )


def vecdot(
    x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Sum of ``conj(x1) * x2`` over ``axis``; the other axes broadcast.

    Raises:
        ValueError: if ``axis`` differs in size.
    """
    x1, x2 = _pair("vecdot", x1, x2)
    axes = [to_axis(axis, get_aval(x).ndim) for x in (x1, x2)]
    x1, x2 = (raw.move_axis(x, d, get_aval(x).ndim - 1) for x, d in zip((x1, x2), axes, strict=True))
    _check_last("vecdot", get_aval(x1).shape, get_aval(x2).shape, -1)
    x1 = ew.conj(x1) if _is_complex(x1) else x1
    x1 = raw.expand_dims(x1, (get_aval(x1).ndim - 1,))
    x2 = raw.expand_dims(x2, (get_aval(x2).ndim,))
    out = matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)
    rank = get_aval(out).ndim
    return raw.squeeze(out, (rank - 2, rank - 1))


def _check_last(name: str, shape_1: tuple, shape_2: tuple, axis: int) -> None:
    if shape_1[-1] != shape_2[axis]:
        raise ValueError(f"{name}: axes to sum differ in size: operands of shapes {shape_1} and {shape_2}.")


def matvec(x1: Any, x2: Any, /) -> Any:
    """Products of the matrices ``x1`` (``[..., m, n]``) and the vectors ``x2`` (``[..., n]``)."""
    x1, x2 = _pair("matvec", x1, x2)
    _check_ranks("matvec", x1, 2, x2, 1)
    _check_last("matvec", get_aval(x1).shape, get_aval(x2).shape, -1)
    out = matmul(x1, raw.expand_dims(x2, (get_aval(x2).ndim,)))
    return raw.squeeze(out, (get_aval(out).ndim - 1,))


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Products of the conjugated vectors ``x1`` (``[..., n]``) and the matrices ``x2`` (``[..., n, m]``)."""
    x1, x2 = _pair("vecmat", x1, x2)
    _check_ranks("vecmat", x1, 1, x2, 2)
    _check_last("vecmat", get_aval(x1).shape, get_aval(x2).shape, -2)
    x1 = ew.conj(x1) if _is_complex(x1) else x1
    out = matmul(raw.expand_dims(x1, (get_aval(x1).ndim - 1,)), x2)
    return raw.squeeze(out, (get_aval(out).ndim - 2,))


def _check_ranks(name: str, x1: Any, least_1: int, x2: Any, least_2: int) -> None:
    for number, x, least in ((0, x1, least_1), (1, x2, least_2)):
        if get_aval(x).ndim < least:
            raise ValueError(
                f"{name} input operand {number} must have ndim at least {least}, got {get_aval(x).ndim}."
            )


def kron(a: Any, b: Any) -> Any:
    """Kronecker product: blocks ``a[i, j] * b``, for arrays of any rank."""
    a, b = _pair("kron", a, b)
    rank = max(get_aval(a).ndim, get_aval(b).ndim)
    shape_a, shape_b = ((1,) * (rank - get_aval(x).ndim) + get_aval(x).shape for x in (a, b))
    spread_a = [n for m in shape_a for n in (m, 1)]
    spread_b = [n for m in shape_b for n in (1, m)]
    out = ew.mul(raw.reshape(a, spread_a), raw.reshape(b, spread_b))
    return raw.reshape(out, [m * n for m, n in zip(shape_a, shape_b, strict=True)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Vector product of vectors of 2 or 3 components, which lie along ``axisa`` and ``axisb``.

    Returns:
        vectors of 3 components along ``axisc``; of two arrays of 2 components, the third component alone.

    Raises:
        ValueError: for other numbers of components.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _pair("cross", a, b)
    axes = [to_axis(d, get_aval(x).ndim) for x, d in ((a, axisa), (b, axisb))]
    a, b = (raw.move_axis(x, d, get_aval(x).ndim - 1) for x, d in zip((a, b), axes, strict=True))
    sizes = get_aval(a).shape[-1], get_aval(b).shape[-1]
    if any(n not in (2, 3) for n in sizes):
        raise ValueError(f"Dimension must be either 2 or 3 for cross product, got {sizes[0]} and {sizes[1]}.")
    shape = broadcast_shapes(get_aval(a).shape[:-1], get_aval(b).shape[:-1])
    (a0, a1, a2), (b0, b1, b2) = _components(a, shape), _components(b, shape)
    third = ew.sub(ew.mul(a0, b1), ew.mul(a1, b0))
    if sizes == (2, 2):
        return third
    parts = [ew.sub(ew.mul(a1, b2), ew.mul(a2, b1)), ew.sub(ew.mul(a2, b0), ew.mul(a0, b2)), third]
    rank = len(shape)
    out = raw.concatenate([raw.expand_dims(p, (rank,)) for p in parts], rank)
    return raw.move_axis(out, rank, to_axis(axisc, rank + 1))


def _components(x: Any, shape: tuple[int, ...]) -> list[Any]:
    """The components along the last axis, each of ``shape``; a missing third one is 0."""
    sizes = get_aval(x).shape
    rank = len(sizes) - 1
    out = []
    for i in range(sizes[-1]):
        part = raw.slice_(x, [0] * rank + [i], (*sizes[:-1], i + 1))
        out.append(broadcast_to(raw.squeeze(part, (rank,)), shape))
    zero = raw.full(shape, 0, get_aval(x).dtype)
    return out if len(out) == 3 else [*out, zero]
