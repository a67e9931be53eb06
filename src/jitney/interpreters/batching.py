"""``jitney.interpreters.batching``: rules of ``vmap``.

``primitive_batchers[p] = rule(args, dims, **params) -> (out, dim)`` (lists for ``multiple_results``): ``dims`` says
where each operand has its batch axis, ``not_mapped`` if it has none. ``fancy_primitive_batchers[p]`` takes
``axis_data`` ahead, whose ``size`` is the length of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import stand_in as _stand_in
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops.families import align_batch as _align_batch
from jitney._transforms.batching import BatchTrace, BatchTracer
from jitney._transforms.batching import place_axis as _place_axis
from jitney.interpreters.rules import RuleTable

not_mapped = None
NotMapped = type(None)


class AxisData(NamedTuple):
    """The batch axis that a rule is about."""

    name: Any
    size: int
    spmd_name: Any = None
    explicit_mesh_axis: Any = None


def _size(args: Sequence[Any], dims: Sequence[int | None]) -> int:
    return next(get_aval(x).shape[d] for x, d in zip(args, dims, strict=True) if d is not None)


def _without_size(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda size, args, dims, **params: rule(args, dims, **params)


def _find_size(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda args, dims, **params: rule(_size(args, dims), args, dims, **params)


def _with_axis_data(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda size, args, dims, **params: rule(AxisData(None, size), args, dims, **params)


def _take_axis_data(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda axis_data, args, dims, **params: rule(axis_data.size, args, dims, **params)


primitive_batchers = RuleTable("batch", _without_size, _find_size)
fancy_primitive_batchers = RuleTable("batch", _with_axis_data, _take_axis_data)
axis_primitive_batchers = fancy_primitive_batchers


def defvectorized(prim: Primitive) -> None:
    """The primitive works on each element, on operands of one shape: batch axes go to the front."""

    def batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        if any(d != dims[0] for d in dims):
            args, dims = (
                [_place_axis(x, d, size, 0) for x, d in zip(args, dims, strict=True)],
                [0] * len(args),
            )
        return _results(prim, prim.bind(*args, **params), dims[0])

    prim.batch = batch


def defbroadcasting(prim: Primitive) -> None:
    """The primitive works on each element and broadcasts axes of length 1: operands get their batch axis aligned."""
    prim.batch = lambda size, args, dims, **params: broadcast_batcher(prim, args, dims, **params)


def broadcast_batcher(prim: Primitive, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    """The rule of ``defbroadcasting``, applied once."""
    aligned, dim = _align_batch(args, dims)
    return _results(prim, prim.bind(*aligned, **params), dim)


def defreducer(prim: Primitive) -> None:
    """The primitive folds its operand over the axes of its parameter ``axes``: the batch axis goes to the front."""

    def batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        xs = [_place_axis(x, d, size, 0) for x, d in zip(args, dims, strict=True)]
        params["axes"] = tuple(a + 1 for a in params["axes"])
        return _results(prim, prim.bind(*xs, **params), 0)

    prim.batch = batch


def _results(prim: Primitive, out: Any, dim: Any) -> tuple[Any, Any]:
    return (out, [dim] * len(out)) if prim.multiple_results else (out, dim)


def bdim_at_front(x: Any, bdim: int | None, size: int, mesh_axis: Any = None) -> Any:
    """``x`` with its batch axis first, made by repetition if it has none."""
    return _place_axis(x, bdim, size, 0)


def broadcast(x: Any, sz: int, axis: int, mesh_axis: Any) -> Any:
    """``x`` repeated ``sz`` times along a new axis ``axis``."""
    return _place_axis(x, None, sz, axis)


def __getattr__(name: str) -> Any:
    return _stand_in("interpreters.batching", name)


__all__ = [
    "AxisData",
    "BatchTrace",
    "BatchTracer",
    "NotMapped",
    "axis_primitive_batchers",
    "bdim_at_front",
    "broadcast",
    "broadcast_batcher",
    "defbroadcasting",
    "defreducer",
    "defvectorized",
    "fancy_primitive_batchers",
    "not_mapped",
    "primitive_batchers",
]

_expose(globals())
