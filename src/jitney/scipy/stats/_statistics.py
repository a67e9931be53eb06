"""Statistics of samples: ranks, the most frequent value, the standard error of the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact, to_axis

__all__ = ["ModeResult", "mode", "rankdata", "sem"]

_METHODS = ("average", "min", "max", "dense", "ordinal")


class ModeResult(NamedTuple):
    """What :func:`mode` returns."""

    mode: Any
    count: Any


def _check_policy(name: str, nan_policy: str) -> None:
    if nan_policy in ("omit", "raise"):
        raise NotImplementedError(
            f"{name}: nan_policy={nan_policy!r} is not supported, as what it gives depends on values; use 'propagate'."
        )
    if nan_policy != "propagate":
        raise ValueError(
            f"Illegal nan_policy value {nan_policy!r}; expected one of {{'propagate', 'omit', 'raise'}}"
        )


def _along_last(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    """The array with ``axis`` last (flat for None), and where that axis was."""
    x = array_operand(name, a)
    if axis is None:
        return jnp.ravel(x), 0
    place = to_axis(axis, get_aval(x).ndim)
    return jnp.moveaxis(x, place, -1), place


def _runs(ordered: Any) -> tuple[Any, Any, Any]:
    """Of sorted rows: the number of each element's run of equals, where the run begins, and where it ends."""
    shape, last = get_aval(ordered).shape, get_aval(ordered).ndim - 1
    n = shape[last]
    before, after = ordered[..., :-1], ordered[..., 1:]
    differs = (before != after) & ~(jnp.isnan(before) & jnp.isnan(after))  # NaNs are one element here
    begins = jnp.concatenate([jnp.ones((*shape[:-1], 1), bool), differs], axis=-1)
    place = lax.broadcasted_iota(dtypes.default_dtype("i"), shape, last)
    start = lax.cummax(jnp.where(begins, place, 0), axis=last)
    next_begins = jnp.concatenate([begins[..., 1:], jnp.ones((*shape[:-1], 1), bool)], axis=-1)
    stop = lax.cummin(jnp.where(next_begins, place + 1, n), axis=last, reverse=True)
    return jnp.cumsum(begins, axis=-1), start, stop


def rankdata(
    a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate"
) -> Any:
    """The ranks of the elements, from 1 on.

    Args:
        a: array.
        method: the rank of equal elements: ``"average"`` of their places, the ``"min"`` or ``"max"``, ``"dense"`` (the number of
            distinct elements up to them), or ``"ordinal"`` (each its own, in their order).
        axis: along which elements are ranked; by default all together, as a flat array.
        nan_policy: ``"propagate"``: a row with a NaN has ranks NaN.

    Returns:
        floats, also where ranks are whole.

    Raises:
        ValueError: for other methods and policies. NotImplementedError: for the policies that depend on values.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import rankdata
    >>> rankdata(jnp.array([0, 2, 3, 2]))
    Array([1. , 2.5, 4. , 2.5], dtype=float64)
    """
    _check_policy("rankdata", nan_policy)
    if method not in _METHODS:
        raise ValueError(f"unknown method {method!r}; expected one of {_METHODS}")
    x, place = _along_last("rankdata", a, axis)
    order = jnp.argsort(x, axis=-1)
    back = jnp.argsort(order, axis=-1)
    number, start, stop = _runs(jnp.take_along_axis(x, order, axis=-1))
    if method == "ordinal":
        ranks = back + 1
    else:
        at_place = {"average": start + 1 + stop, "dense": number, "min": start + 1, "max": stop}[method]
        ranks = jnp.take_along_axis(at_place, back, axis=-1)
    (ranks,) = promote_inexact(ranks)
    ranks = 0.5 * ranks if method == "average" else ranks
    ranks = jnp.where(jnp.any(jnp.isnan(x), axis=-1, keepdims=True), jnp.nan, ranks)
    return jnp.moveaxis(ranks, -1, place)


def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """The most frequent element along an axis, the least one if there are several, and how often it comes.

    Args:
        a: array.
        axis: along which; None: of all elements.
        nan_policy: ``"propagate"``.
        keepdims: whether the axis stays, with size 1.

    Raises:
        ValueError: for other policies. NotImplementedError: for the policies that depend on values.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import mode
    >>> mode(jnp.array([2, 4, 1, 4]))
    ModeResult(mode=Array(4, dtype=int64), count=Array(2, dtype=int64))
    """
    _check_policy("mode", nan_policy)
    x, place = _along_last("mode", a, axis)
    ordered = jnp.sort(x, axis=-1)
    _, start, stop = _runs(ordered)
    counts = stop - start
    best = jnp.argmax(counts, axis=-1, keepdims=True)
    found = [jnp.take_along_axis(v, best, axis=-1) for v in (ordered, counts)]
    if axis is None:
        shape = (1,) * jnp.ndim(a) if keepdims else ()
        return ModeResult(*[v.reshape(shape) for v in found])
    return ModeResult(*[jnp.moveaxis(v, -1, place) if keepdims else v[..., 0] for v in found])


def sem(
    a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False
) -> Any:
    """The standard error of the mean: the standard deviation over the root of the number of elements.

    Args:
        a: array.
        axis: along which; None: of all elements.
        ddof: the variance divides by the number of elements less ``ddof``.
        nan_policy: ``"propagate"`` or ``"omit"`` (NaNs count as missing).
        keepdims: whether the axis stays, with size 1.

    Raises:
        ValueError: for other policies. NotImplementedError: for ``"raise"``.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.stats import sem
    >>> float(sem(jnp.array([1.0, 3.0])))
    1.0
    """
    if nan_policy != "omit":
        _check_policy("sem", nan_policy)
    (x,) = promote_inexact(array_operand("sem", a))
    if nan_policy == "omit":
        dtype = np.zeros(0, get_aval(x).dtype).real.dtype
        number = jnp.sum(~jnp.isnan(x), axis=axis, keepdims=keepdims).astype(dtype)
        return jnp.nanstd(x, axis=axis, ddof=ddof, keepdims=keepdims) / jnp.sqrt(number)
    shape = get_aval(x).shape
    count = get_aval(x).size if axis is None else shape[to_axis(axis, len(shape))]
    return jnp.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / float(np.sqrt(count))
