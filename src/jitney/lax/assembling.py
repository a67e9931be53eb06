"""Arrays put together, repeated and rounded, choices by platform: smaller functions of ``jitney.lax``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval, is_array_like
from jitney._ops import elementwise as ew
from jitney._ops import ordering, raw
from jitney._ops.assembling import stack_p as stack_p
from jitney._ops.assembling import tile_p as tile_p
from jitney._ops.assembling import unstack_p as unstack_p
from jitney._ops.bits import mulhi_p as mulhi_p
from jitney._ops.bits import reduce_precision_p as reduce_precision_p
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands as as_operands
from jitney.lax.operands import to_axis, to_shape


def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape and dtype side by side along a new axis.

    Raises ``ValueError`` for different shapes, an axis out of range or no arrays, ``TypeError`` for different dtypes.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.stack([jnp.array([1, 2]), jnp.array([3, 4])], 1).tolist()
        [[1, 3], [2, 4]]
    """
    xs = [as_operand("stack", x) for x in operands]
    if not xs:
        raise ValueError("stack needs at least one array, got none.")
    place = to_axis("stack", axis, get_aval(xs[0]).ndim + 1)
    stack_p.abstract(*map(get_aval, xs), axis=place)
    return stack_p.bind(*xs, axis=place)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices of an array along ``axis``, without this axis.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> [part.tolist() for part in lax.unstack(jnp.array([[1, 2], [3, 4]]), 1)]
        [[1, 3], [2, 4]]
    """
    value = as_operand("unstack", x)
    return tuple(unstack_p.bind(value, axis=to_axis("unstack", axis, get_aval(value).ndim)))


def tile(operand: Any, reps: Sequence[int]) -> Any:
    """An array repeated ``reps[d]`` times along each axis ``d``; one number for each axis.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.tile(jnp.array([1, 2]), (2,)).tolist()
        [1, 2, 1, 2]
    """
    x = as_operand("tile", operand)
    counts = tuple(operator.index(r) for r in reps)
    tile_p.abstract(get_aval(x), reps=counts)
    return tile_p.bind(x, reps=counts)


def broadcast_like(arr: Any, like_arr: Any) -> Any:
    """``arr`` repeated to the shape of ``like_arr``, by the rules of NumPy; the dtype stays.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.broadcast_like(jnp.array([1, 2]), jnp.zeros((2, 2))).tolist()
        [[1, 2], [1, 2]]
    """
    x = as_operand("broadcast_like", arr)
    have, wanted = get_aval(x).shape, get_aval(like_arr).shape
    lead = len(wanted) - len(have)
    if lead < 0 or any(n not in (1, m) for n, m in zip(have, wanted[lead:], strict=False)):
        raise ValueError(f"broadcast_like: an array of shape {have} cannot be repeated to shape {wanted}.")
    return raw.broadcast_in_dim(x, wanted, range(lead, len(wanted)))


def empty(shape: Sequence[int], dtype: Any, *, out_sharding: Any = None) -> Any:
    """An array whose elements do not matter; they are zeros.

    Example:
        >>> from jitney import lax
        >>> lax.empty((2,), "float32")
        Array([0., 0.], dtype=float32)
    """
    return raw.full(to_shape("empty", shape), 0, dtypes.requested(dtype))


def dtype(x: Any) -> np.dtype:
    """The dtype that an array, a number or a dtype-like object has here.

    Example:
        >>> from jitney import lax
        >>> lax.dtype(1)
        dtype('int64')
    """
    if is_array_like(x) or hasattr(x, "dtype") and not isinstance(x, type):
        return get_aval(x).dtype
    try:
        return dtypes.requested(x)
    except TypeError:
        raise TypeError(f"Cannot determine dtype of {x!r}") from None


def shape_as_value(shape: Sequence[int]) -> Any:
    """A shape as a vector of int32.

    Example:
        >>> from jitney import lax
        >>> lax.shape_as_value((2, 3)).tolist()
        [2, 3]
    """
    return np.asarray(to_shape("shape_as_value", shape), np.int32)


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Floats rounded as if they had fewer bits; the dtype stays.

    Rounds to the nearest (of two, the even one); what is too large becomes infinite, subnormal results become zero.
    Raises ``TypeError`` for other dtypes than real floats, ``ValueError`` for ``exponent_bits < 1`` or ``mantissa_bits < 0``.

    Example:
        >>> from jitney import lax
        >>> float(lax.reduce_precision(1 / 3, 5, 10))  # as in float16
        0.333251953125
    """
    x = as_operand("reduce_precision", operand)
    params = {"exponent_bits": operator.index(exponent_bits), "mantissa_bits": operator.index(mantissa_bits)}
    reduce_precision_p.abstract(get_aval(x), **params)
    return reduce_precision_p.bind(x, **params)


def mulhi(x: Any, y: Any, /) -> Any:
    """The upper half of the bits of a product of two integers of one dtype.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.mulhi(jnp.uint8(200), jnp.uint8(100)).tolist()  # 20000 // 256
        78
    """
    a, b = as_operands("mulhi", x, y)
    mulhi_p.abstract(get_aval(a), get_aval(b))
    return mulhi_p.bind(a, b)


def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> list[Any]:
    """The ``k`` largest elements along an axis, largest first, and their places (int32); here they are exact.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> [found.tolist() for found in lax.approx_max_k(jnp.array([1.0, 3.0, 2.0]), 2)]
        [[3.0, 2.0], [1, 2]]
    """
    return _approx_top_k(
        "approx_max_k", operand, k, reduction_dimension, recall_target, aggregate_to_topk, True
    )


def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> list[Any]:
    """The ``k`` smallest elements along an axis, smallest first, and their places (int32); here they are exact.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> [found.tolist() for found in lax.approx_min_k(jnp.array([1.0, 3.0, 2.0]), 2)]
        [[1.0, 2.0], [0, 2]]
    """
    return _approx_top_k(
        "approx_min_k", operand, k, reduction_dimension, recall_target, aggregate_to_topk, False
    )


def _approx_top_k(
    name: str, operand: Any, k: int, axis: int, recall_target: float, aggregate: bool, largest: bool
) -> list[Any]:
    x = as_operand(name, operand)
    to_axis(name, axis, get_aval(x).ndim)
    return approx_top_k_p.bind(
        x,
        k=operator.index(k),
        reduction_dimension=axis,
        recall_target=recall_target,
        is_max_k=largest,
        reduction_input_size_override=-1,
        aggregate_to_topk=aggregate,
    )


def _exact_top_k(x: Any, *, k: int, reduction_dimension: int, is_max_k: bool, **_: Any) -> list[Any]:
    axis = reduction_dimension % get_aval(x).ndim
    if is_max_k:
        return ordering.top_k_p.bind(x, k=k, axis=axis)
    flip = ew.not_ if get_aval(x).dtype.kind in "iub" else ew.neg
    values, places = ordering.top_k_p.bind(flip(x), k=k, axis=axis)
    return [flip(values), places]


approx_top_k_p = Primitive("approx_top_k", multiple_results=True)
approx_top_k_p.abstract = lambda x, *, k, reduction_dimension, **_: ordering.top_k_p.abstract(
    x, k=k, axis=reduction_dimension % x.ndim
)
approx_top_k_p.expand = _exact_top_k


def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """One of several functions of ``args``, by the platform that runs it: ``cpu`` here, else ``default``.

    Raises ``TypeError`` for what is no function, ``NotImplementedError`` if none is for this platform.

    Example:
        >>> from jitney import lax
        >>> lax.platform_dependent(3.0, cpu=lambda x: x + 1, default=lambda x: x)
        4.0
    """
    choices = {**per_platform, "default": default}
    for name, function in choices.items():
        if function is not None and not callable(function):
            raise TypeError(
                f"lax.platform_dependent: the {name!r} branch must be a callable, got {function!r}."
            )
    chosen = per_platform.get("cpu", default)
    if chosen is None:
        raise NotImplementedError(
            f"lax.platform_dependent: no branch for the platform 'cpu' and no default; given: {sorted(per_platform)}."
        )
    return chosen(*args)


__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and (name.endswith("_p") or getattr(value, "__module__", "") == __name__)
)
