"""Batching: every value may carry one extra axis, which rules push through the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._core import axes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.staging import stage
from jitney._core.trace import Trace, Tracer, current_trace, get_aval, swap_trace
from jitney._ops import shapes


def batched_aval(aval: ShapedArray, size: int, dim: int) -> ShapedArray:
    return shaped_array((*aval.shape[:dim], size, *aval.shape[dim:]), aval.dtype, aval.weak_type)


class BatchTracer(Tracer):
    """A value with a batch axis ``dim``; its aval is one example's."""

    __slots__ = ("aval", "dim", "value")

    def __init__(self, trace: BatchTrace, value: Any, dim: int) -> None:
        self._trace = trace
        self.value = value
        self.dim = dim
        whole = get_aval(value)
        self.aval = shaped_array(whole.shape[:dim] + whole.shape[dim + 1 :], whole.dtype, whole.weak_type)

    def origin(self) -> str:
        inner = self.value.origin() if isinstance(self.value, Tracer) else ""
        return (
            inner
            or f"vmap runs all {self._trace.size} examples at once, so that one example's value is not known."
        )

    def arguments(self) -> list[str]:
        return self.value.arguments() if isinstance(self.value, Tracer) else []


class BatchTrace(Trace):
    """Applies batching rules over an axis of ``size``; ``parent`` interprets what they compute."""

    __slots__ = ("axis_name", "parent", "size")

    def __init__(self, parent: Trace | None, size: int, axis_name: Any = None) -> None:
        self.parent = parent
        self.size = size
        self.axis_name = axis_name

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        values: list[Any] = []
        dims: list[int | None] = []
        batched = False
        for x in args:
            if type(x) is BatchTracer and x._trace is self:
                values.append(x.value)
                dims.append(x.dim)
                batched = True
            else:
                values.append(x)
                dims.append(None)
        if self.axis_name is not None and self.axis_name in axes.uses(primitive, params):
            found = axes.collectives.get(primitive)
            if found is not None:
                primitive.abstract(*map(get_aval, args), **params)  # refuses what does not fit
                return self.process_collective(found, args, values, dims, params)
            batched = True  # the program inside is
        if batched and primitive.batch is None:
            if primitive.expand is not None:  # batch its body
                return primitive.expand(*args, **params)
            raise NotImplementedError(
                f"Batching rule for {primitive.name!r} not implemented: it has neither a rule nor a body of other "
                "primitives"
            )
        before = swap_trace(self.parent)
        try:
            if not batched:
                return primitive.bind(*values, **params)
            if primitive.higher_order:
                out, out_dim = self._batch_programs(primitive, values, dims, params)
            else:
                out, out_dim = primitive.batch(self.size, values, dims, **params)
        except (TypeError, ValueError, IndexError):
            raise_for_an_example(primitive, args, params)
            raise
        finally:
            swap_trace(before)
        if primitive.multiple_results:
            return [y if d is None else BatchTracer(self, y, d) for y, d in zip(out, out_dim, strict=True)]
        return out if out_dim is None else BatchTracer(self, out, out_dim)

    def _batch_programs(self, primitive: Any, values: list, dims: list, params: dict[str, Any]) -> tuple:
        """The batch rule of a primitive that holds programs, which may name this trace's axis."""
        before = axes.swap_batching(self.axis_name)
        try:
            return primitive.batch(self.size, values, dims, **params)
        finally:
            axes.swap_batching(before)

    def process_collective(
        self, collective: axes.Collective, args: tuple, values: list, dims: list, params: dict[str, Any]
    ) -> Any:
        """A collective over this trace's axis (and maybe others)."""
        if len(axes.names_in(params[collective.axes_param])) > 1 and collective.by_gather is not None:
            return collective.by_gather(*args, **params)
        before = swap_trace(self.parent)
        try:
            out, dim = collective.batch(self.axis_name, self.size, values, dims, **params)
        finally:
            swap_trace(before)
        return out if dim is None else BatchTracer(self, out, dim)


def raise_for_an_example(primitive: Any, args: tuple, params: dict[str, Any]) -> None:
    """Raise what is wrong with the operands that the user wrote, those of one example; nothing if they are right."""
    if primitive.abstract is not None and not primitive.higher_order:
        try:
            primitive.abstract(*map(get_aval, args), **params)
        except (TypeError, ValueError, IndexError) as error:
            raise error from None


def batch_flat(
    fun: Callable[..., Sequence[Any]],
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    axis_name: Any = ...,
) -> tuple[list[Any], list[int | None]]:
    """Outputs of flat ``fun`` over a batch, and where each has its batch axis (None: it has none).

    ``axis_name`` is bound while ``fun`` runs; by default it is that of the axis whose batch rule runs now.
    """
    caller = current_trace()
    name = axes.batching() if axis_name is ... else axis_name
    trace = BatchTrace(caller, size, name)
    bound = axes.bound() if name is None else axes.swap_bound((*axes.bound(), (name, size)))
    swap_trace(trace)
    try:
        outs = fun(*[x if d is None else BatchTracer(trace, x, d) for x, d in zip(args, dims, strict=True)])
    finally:
        swap_trace(caller)
        axes.swap_bound(bound)
    mine = [type(y) is BatchTracer and y._trace is trace for y in outs]
    return (
        [y.value if own else y for y, own in zip(outs, mine, strict=True)],
        [y.dim if own else None for y, own in zip(outs, mine, strict=True)],
    )


def place_axis(x: Any, dim: int | None, size: int, target: int) -> Any:
    """``x`` with its batch axis at ``target``, made by repetition if it has none."""
    if dim is None:
        shape = get_aval(x).shape
        target %= len(shape) + 1
        kept = tuple(d for d in range(len(shape) + 1) if d != target)
        return shapes.broadcast_in_dim(x, (*shape[:target], size, *shape[target:]), kept)
    return shapes.move_axis(x, dim, target % get_aval(x).ndim)


def batch_jaxpr(
    closed: ClosedJaxpr, size: int, dims: tuple[int | None, ...]
) -> tuple[ClosedJaxpr, tuple[int | None, ...]]:
    """The program over a batch of ``size`` with inputs' batch axes ``dims``; also the outputs' axes.

    Collectives over the axis whose batch rule runs now are resolved.
    """
    key = ("batch", size, dims, axes.batch_key([closed]))
    if key in closed.cache:
        return closed.cache[key]
    out_dims: tuple[int | None, ...] = ()

    def fun(*args: Any) -> list[Any]:
        nonlocal out_dims
        run = lambda *xs: evaluate(closed.jaxpr, closed.consts, *xs)  # noqa: E731
        outs, found = batch_flat(run, size, args, dims)
        out_dims = tuple(found)
        return outs

    avals = [a if d is None else batched_aval(a, size, d) for a, d in zip(closed.in_avals, dims, strict=True)]
    result = stage(fun, avals, closed.jaxpr.debug_info), out_dims
    closed.cache[key] = result
    return result
