"""``jitney.extend.core``: primitives, programs and their parts, and the current trace.

A new operation is a ``Primitive`` with rules::

    from jitney.extend.core import Primitive
    from jitney.interpreters import ad, batching, mlir

    scaled_p = Primitive("scaled")
    scaled_p.def_abstract_eval(lambda x, *, by: x)
    mlir.register_lowering(scaled_p, mlir.lower_fun(lambda x, *, by: by * x, multiple_results=False))

That is enough: derivatives, batching and compilation go through the body. Rules for them
(``ad.primitive_jvps``, ``ad.primitive_transposes``, ``batching.primitive_batchers``) take its place where given.

A new transformation is a ``Trace`` with a ``Tracer`` (``jitney.core``). ``process_primitive`` meets each operation
while the parent trace is current::

    class CountTrace(Trace):
        def __init__(self, parent):
            self.parent_trace, self.count = parent, 0

        def process_primitive(self, primitive, args, params):
            self.count += 1
            return primitive.bind(*args, **params)

    with take_current_trace() as parent:
        trace = CountTrace(parent)
        with set_current_trace(trace):
            out = fun(*args)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import check_leaf as _check_leaf
from jitney._api.calls import expose as _expose
from jitney._base import errors as _errors
from jitney._base.errors import InconclusiveDimensionOperation, JaxprTypeError
from jitney._core import trace as _trace
from jitney._core.avals import ShapedArray, tangent_aval
from jitney._core.checker import check_jaxpr
from jitney._core.jaxpr import ClosedJaxpr, DropVar, Jaxpr, JaxprEqn, Literal, Var
from jitney._core.jaxpr import subjaxprs as _subjaxprs
from jitney._core.primitive import Primitive
from jitney._core.staging import DebugInfo, StagingTrace
from jitney._core.trace import Trace
from jitney._core.trace import under as set_current_trace
from jitney._transforms.batching import BatchTrace, batched_aval
from jitney.core import eval_jaxpr
from jitney.extend.core import primitives
from jitney.lax.marks import Token

no_effects: frozenset = frozenset()
Effects = frozenset
array_types = {np.ndarray, *(np.dtype(c).type for c in "?bhilBHILefdFD")}


class Effect:
    """What an operation does besides computing. Equations with effects are kept, in their order.

    Subclasses with ``ordered = True`` must not happen several times at once under ``vmap``.
    """

    __module__ = "jitney.extend.core"
    ordered = False


class TraceTag:
    """A mark by which the tracers of one transformation know each other."""

    __module__ = "jitney.extend.core"


class AbstractToken:
    """The type of tokens, which no value of a program has."""

    __module__ = "jitney.extend.core"


class CallPrimitive(Primitive):
    """A primitive whose first operand is a wrapped function that it calls on the others."""

    call_primitive = True

    def __init__(self, name: str) -> None:
        super().__init__(name, multiple_results=True)

    def bind(self, fun: Any, *args: Any, **params: Any) -> Any:
        """The values of the wrapped function for ``args``."""
        return fun.call_wrapped(*args)


def jaxpr_as_fun(closed_jaxpr: ClosedJaxpr) -> Callable[..., list[Any]]:
    """A closed program as a function of its inputs to the list of its outputs.

    Example:
        >>> import jitney
        >>> from jitney.extend.core import jaxpr_as_fun
        >>> jaxpr_as_fun(jitney.make_jaxpr(lambda x: x + 1)(0))(2)
        [Array(3, dtype=int64, weak_type=True)]
    """
    return lambda *args: eval_jaxpr(closed_jaxpr.jaxpr, closed_jaxpr.consts, *args)


def new_jaxpr_eqn(
    invars: Sequence[Any],
    outvars: Sequence[Var],
    primitive: Primitive,
    params: dict[str, Any],
    effects: Any,
    source_info: Any = None,
    ctx: Any = None,
) -> JaxprEqn:
    """An equation ``outvars = primitive[params] invars``; its effects follow from the primitive."""
    return JaxprEqn(primitive, list(invars), list(outvars), dict(params), source_info)


def gensym() -> Callable[[ShapedArray], Var]:
    """A function that makes a new variable of a type."""
    return Var


def jaxprs_in_params(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The programs that an equation's params carry."""
    for inner in _subjaxprs(params):
        yield inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner


def subjaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """The programs inside the equations of a program."""
    for eqn in jaxpr.eqns:
        yield from jaxprs_in_params(eqn.params)


def concrete_or_error(force: Callable[[Any], Any] | None, val: Any, context: str = "") -> Any:
    """``force(val)`` (None: ``val``) of a concrete value; ``ConcretizationTypeError`` with ``context`` of a traced one."""
    if isinstance(val, _trace.Tracer):
        known = val.concrete()
        if known is None:
            text = ("A concrete value is needed, but this value is traced ({aval}).", context)
            _trace.raise_for_tracer(val, _errors.ConcretizationTypeError, text)
        val = known
    return val if force is None else force(val)


def valid_jaxtype(x: Any) -> bool:
    """True if ``x`` can be an operand: an array, a tracer, a number."""
    try:
        _check_leaf(x, "x", "valid_jaxtype")
    except TypeError:
        return False
    return True


def mapped_aval(size: int, axis: int | None, aval: ShapedArray) -> ShapedArray:
    """The type of one example of a batch of type ``aval`` along ``axis`` (None: not batched)."""
    if axis is None:
        return aval
    if aval.shape[axis] != size:
        raise ValueError(f"axis {axis} of {aval.str_short()} does not have length {size}")
    axis %= aval.ndim
    return aval.update(shape=aval.shape[:axis] + aval.shape[axis + 1 :])


def unmapped_aval(
    size: int, axis: int | None, aval: ShapedArray, explicit_mesh_axis: Any = None
) -> ShapedArray:
    """The type of a batch of ``size`` examples of type ``aval`` along ``axis`` (None: not batched)."""
    return aval if axis is None else batched_aval(aval, size, axis)


def primal_dtype_to_tangent_dtype(primal_dtype: Any) -> np.dtype:
    """The dtype of tangents: itself for inexact dtypes, ``float0`` for the others."""
    return tangent_aval(ShapedArray((), np.dtype(primal_dtype))).dtype


def call_impl(f: Any, *args: Any, **params: Any) -> Any:
    """The values of a wrapped function."""
    return f.call_wrapped(*args)


def find_top_trace(_: Any) -> Trace:
    """The current trace."""
    return _trace.current_trace() or _trace.eval_trace


class take_current_trace:
    """``with take_current_trace() as trace:`` gives the current trace and evaluates at once inside."""

    def __enter__(self) -> Trace:
        self.before = _trace.swap_trace(None)
        return self.before or _trace.eval_trace

    def __exit__(self, *_: Any) -> None:
        _trace.swap_trace(self.before)


class OpaqueTraceState:
    """Compares equal while the same trace is current."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpaqueTraceState) and self.trace is other.trace

    def __hash__(self) -> int:
        return id(self.trace)


def get_opaque_trace_state(convention: Any = None) -> OpaqueTraceState:
    """A token of the current trace, to see whether a value belongs to another one."""
    return OpaqueTraceState(find_top_trace(None))


def _traces() -> Iterator[Trace]:
    trace = _trace.current_trace()
    while trace is not None and trace is not _trace.eval_trace:
        yield trace
        trace = getattr(trace, "parent", None) or getattr(trace, "parent_trace", None)


def _axis_names() -> list[Any]:
    names = [t.axis_name for t in _traces() if isinstance(t, BatchTrace)]
    return [name for name in names if name is not None]


def unsafe_am_i_under_a_jit_DO_NOT_USE() -> bool:
    """True while a function is staged."""
    return any(type(t) is StagingTrace for t in _traces())


def unsafe_am_i_under_a_vmap_DO_NOT_USE() -> bool:
    """True while a function is batched."""
    return any(isinstance(t, BatchTrace) for t in _traces())


def unsafe_get_axis_names_DO_NOT_USE() -> list[Any]:
    """The names of the batch axes around."""
    return _axis_names()


def nonempty_axis_env_DO_NOT_USE() -> bool:
    """True if a batch axis around has a name."""
    return bool(_axis_names())


__all__ = [
    "AbstractToken",
    "Token",
    "CallPrimitive",
    "ClosedJaxpr",
    "DebugInfo",
    "DropVar",
    "Effect",
    "Effects",
    "InconclusiveDimensionOperation",
    "Jaxpr",
    "JaxprEqn",
    "JaxprTypeError",
    "Literal",
    "OpaqueTraceState",
    "Primitive",
    "TraceTag",
    "Var",
    "array_types",
    "call_impl",
    "check_jaxpr",
    "concrete_or_error",
    "find_top_trace",
    "gensym",
    "get_opaque_trace_state",
    "jaxpr_as_fun",
    "jaxprs_in_params",
    "mapped_aval",
    "new_jaxpr_eqn",
    "no_effects",
    "nonempty_axis_env_DO_NOT_USE",
    "primal_dtype_to_tangent_dtype",
    "primitives",
    "set_current_trace",
    "subjaxprs",
    "take_current_trace",
    "unmapped_aval",
    "unsafe_am_i_under_a_jit_DO_NOT_USE",
    "unsafe_am_i_under_a_vmap_DO_NOT_USE",
    "unsafe_get_axis_names_DO_NOT_USE",
    "valid_jaxtype",
]

_expose(globals())
