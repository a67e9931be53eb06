"""``stack``, ``unstack`` and ``tile``: arrays put together, taken apart and repeated, as operations with a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._ops.families import check_same_dtype

stack_p = Primitive("stack")
unstack_p = Primitive("unstack", multiple_results=True)
tile_p = Primitive("tile")


def _stack_abstract(*xs: ShapedArray, axis: int) -> ShapedArray:
    first = xs[0]
    if any(x.shape != first.shape for x in xs):
        raise ValueError(
            f"stack: all arrays must have the same shape, got {', '.join(str(x.shape) for x in xs)}."
        )
    check_same_dtype("stack", xs)
    shape = (*first.shape[:axis], len(xs), *first.shape[axis:])
    return shaped_array(shape, first.dtype, all(x.weak_type for x in xs))


def _unstack_abstract(x: ShapedArray, *, axis: int) -> list[ShapedArray]:
    return [shaped_array(x.shape[:axis] + x.shape[axis + 1 :], x.dtype, x.weak_type)] * x.shape[axis]


def _unstack_expand(x: Any, *, axis: int) -> list[Any]:
    shape = get_aval(x).shape
    starts = lambda k: [k if d == axis else 0 for d in range(len(shape))]  # noqa: E731
    ends = lambda k: [k + 1 if d == axis else n for d, n in enumerate(shape)]  # noqa: E731
    return [raw.squeeze(raw.slice_(x, starts(k), ends(k)), (axis,)) for k in range(shape[axis])]


def _tile_abstract(x: ShapedArray, *, reps: tuple[int, ...]) -> ShapedArray:
    if len(reps) != x.ndim or any(r < 0 for r in reps):
        raise TypeError(
            f"tile needs a nonnegative number of repetitions for each axis of {x.str_short()}, got {reps}."
        )
    return shaped_array(tuple(n * r for n, r in zip(x.shape, reps, strict=True)), x.dtype, x.weak_type)


def _tile_expand(x: Any, *, reps: Sequence[int]) -> Any:
    aval = get_aval(x)
    wide = tuple(n for pair in zip(reps, aval.shape, strict=True) for n in pair)
    repeated = raw.broadcast_in_dim(x, wide, range(1, 2 * aval.ndim, 2))
    return raw.reshape(repeated, tuple(n * r for n, r in zip(aval.shape, reps, strict=True)))


stack_p.abstract = _stack_abstract
stack_p.expand = lambda *xs, axis: raw.concatenate([raw.expand_dims(x, (axis,)) for x in xs], axis)
unstack_p.abstract = _unstack_abstract
unstack_p.expand = _unstack_expand
tile_p.abstract = _tile_abstract
tile_p.expand = _tile_expand

__all__ = ["stack_p", "tile_p", "unstack_p"]
