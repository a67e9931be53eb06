"""Sorting, selection and cumulative operations of ``jitney.lax``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import ordering
from jitney._ops.ordering import (
    cumlogsumexp_p as cumlogsumexp_p,
)
from jitney._ops.ordering import (
    cummax_p as cummax_p,
)
from jitney._ops.ordering import (
    cummin_p as cummin_p,
)
from jitney._ops.ordering import (
    cumprod_p as cumprod_p,
)
from jitney._ops.ordering import (
    cumsum_p as cumsum_p,
)
from jitney._ops.ordering import (
    sort_p as sort_p,
)
from jitney._ops.ordering import (
    top_k_p as top_k_p,
)
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import to_axis


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort along ``dimension``; a sequence of arrays is sorted by its first ``num_keys``, the others move along.

    All arrays have one shape and keep their dtypes; a sequence gives a tuple. NaN comes last, -0.0 equals 0.0,
    complex numbers order by real, then imaginary part. ``is_stable`` keeps the order of equal elements. Raises ``TypeError`` for
    unequal shapes, ``ValueError`` for an axis or ``num_keys`` out of range.

    >>> from jitney import lax, numpy as jnp
    >>> lax.sort(jnp.array([3, 1, 2]))
    Array([1, 2, 3], dtype=int64)
    >>> keys, values = lax.sort((jnp.array([3, 1, 2]), jnp.array([30, 10, 20])))
    >>> values
    Array([10, 20, 30], dtype=int64)
    """
    several = isinstance(operand, Sequence)
    xs = [as_operand("sort", x) for x in (operand if several else [operand])]
    if not xs:
        raise TypeError("Sort requires at least one operand")
    axis = to_axis("sort", dimension, get_aval(xs[0]).ndim)
    outs = ordering.sort(xs, axis, bool(is_stable), int(num_keys))
    return tuple(outs) if several else outs[0]


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> tuple[Any, Any]:
    """Sort ``keys`` along ``dimension`` and move ``values``, of the same shape, along with them.

    >>> from jitney import lax, numpy as jnp
    >>> lax.sort_key_val(jnp.array([2, 1]), jnp.array([5, 6]))
    (Array([1, 2], dtype=int64), Array([6, 5], dtype=int64))
    """
    return sort((keys, values), dimension, is_stable, num_keys=1)


def top_k(operand: Any, k: int, *, axis: int = -1) -> list[Any]:
    """The ``k`` largest elements along ``axis``, largest first, and their places (int32).

    Of equal elements the first comes first; NaN counts as largest. Raises ``ValueError`` for complex operands and if
    ``k`` is negative or larger than the axis.

    >>> from jitney import lax, numpy as jnp
    >>> lax.top_k(jnp.array([1, 3, 2]), 2)
    [Array([3, 2], dtype=int64), Array([1, 2], dtype=int32)]
    """
    x = as_operand("top_k", operand)
    try:
        count = k.__index__()
    except AttributeError:
        raise TypeError(f"top_k: k must be an integer, got {k!r} of type {type(k).__name__}.") from None
    return top_k_p.bind(x, k=count, axis=to_axis("top_k", axis, get_aval(x).ndim))


_CUMULATIVE_DOC = """{summary} along ``axis`` (from the end if ``reverse``).

    Shape and dtype are the operand's. Raises ``TypeError`` for boolean operands, ``ValueError`` for an axis out of
    range; negative axes are out of range.

    >>> from jitney import lax, numpy as jnp
    >>> lax.{name}({example})
    {result}
    """


def _cumulative(prim: Any, summary: str, example: str, result: str) -> Callable[..., Any]:
    def cumulative(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        return prim.bind(as_operand(prim.name, operand), axis=int(axis), reverse=bool(reverse))

    cumulative.__name__ = cumulative.__qualname__ = prim.name
    cumulative.__doc__ = _CUMULATIVE_DOC.format(
        summary=summary, name=prim.name, example=example, result=result
    )
    return cumulative


cumsum = _cumulative(cumsum_p, "Cumulative sums", "jnp.array([1, 2, 3])", "Array([1, 3, 6], dtype=int64)")
cumprod = _cumulative(
    cumprod_p, "Cumulative products", "jnp.array([1, 2, 3])", "Array([1, 2, 6], dtype=int64)"
)
cummax = _cumulative(cummax_p, "Cumulative maxima", "jnp.array([1, 3, 2])", "Array([1, 3, 3], dtype=int64)")
cummin = _cumulative(cummin_p, "Cumulative minima", "jnp.array([2, 1, 3])", "Array([2, 1, 1], dtype=int64)")
cumlogsumexp = _cumulative(
    cumlogsumexp_p,
    "Logarithms of cumulative sums of exponentials",
    "jnp.zeros(2)",
    "Array([0.        , 0.69314718], dtype=float64)",
)

__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and (name.endswith("_p") or getattr(value, "__module__", "") == __name__)
)
