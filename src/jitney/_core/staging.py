"""Staging: run a Python function on tracers and record what it does as a jaxpr."""

from __future__ import annotations

import inspect
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from jitney import _ext
from jitney._base import sources
from jitney._base.config import config
from jitney._base.dtypes import is_key
from jitney._core import leaks, plugs
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jitney._core.trace import (
    ArrayImpl,
    Trace,
    Tracer,
    get_aval,
    is_array_like,
    raise_leaked,
    swap_trace,
    to_numpy,
)

_user_frame = _ext.user_frame
_here = sources.current
_PYTHON_SCALARS = frozenset((bool, int, float, complex))


class DebugInfo:
    """What a trace is of: the transformation, the function, and a name for each flat argument."""

    __slots__ = ("arg_names", "fun", "kind", "result_paths")

    def __init__(
        self, kind: str, fun: Any, arg_names: Sequence[str] | None = None, result_paths: Any = None
    ) -> None:
        self.kind = kind
        self.fun = fun
        self.arg_names = arg_names
        self.result_paths = result_paths

    @property
    def traced_for(self) -> str:
        return self.kind

    @property
    def func_src_info(self) -> str:
        return sources.function_location(self.fun)

    @property
    def func_name(self) -> str:
        return getattr(self.fun, "__name__", type(self.fun).__name__)

    def __str__(self) -> str:
        return f"{sources.function_location(self.fun)} for {self.kind}"


class StagedTracer(Tracer):
    """A value that will be computed by an equation of the jaxpr under construction."""

    __slots__ = ("_var",)

    def __init__(self, trace: StagingTrace, var: Var) -> None:
        self._trace = trace
        self.aval = var.aval
        self._var = var

    def origin(self) -> str:
        return self._trace.explain(self._var)

    def source(self) -> Any:
        made_by = (e.source for e in reversed(self._trace.eqns) if self._var in e.outvars)
        return next(made_by, None)

    def arguments(self) -> list[str]:
        return self._trace.arguments_behind(self._var)


class StagingTrace(Trace):
    """Records every ``bind`` as an equation."""

    __slots__ = ("alive", "const_ids", "constvars", "consts", "debug", "eqns", "held", "invars", "is_part")

    def __init__(self, debug: DebugInfo | None = None) -> None:
        self.eqns: list[JaxprEqn] = []
        self.invars: list[Var] = []
        self.constvars: list[Var] = []
        self.consts: list[Any] = []
        self.held: list[Any] = []
        self.const_ids: dict[int, Var] = {}
        self.debug = debug
        self.alive = True
        self.is_part = False  # of a function whose control flow was converted: inputs are its variables

    def new_input(self, aval: ShapedArray) -> StagedTracer:
        var = Var(aval)
        self.invars.append(var)
        return StagedTracer(self, var)

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        if primitive.stage is not None:
            return primitive.stage(self, args, params)
        invars = [a._var if type(a) is StagedTracer and a._trace is self else self.atom(a) for a in args]
        return self.record(primitive, invars, params)

    def record(self, primitive: Any, invars: list[Any], params: dict[str, Any]) -> Any:
        """Append one equation and return tracers for its results."""
        if primitive.abstract is None:
            raise NotImplementedError(f"Abstract evaluation for {primitive.name!r} not implemented")
        out = primitive.abstract(*[v.aval for v in invars], **params)
        if primitive.multiple_results:
            outvars = [Var(aval) for aval in out]
            self.eqns.append(JaxprEqn(primitive, invars, outvars, params, _here.source or _user_frame()))
            return [StagedTracer(self, var) for var in outvars]
        var = Var(out)
        self.eqns.append(JaxprEqn(primitive, invars, [var], params, _here.source or _user_frame()))
        return StagedTracer(self, var)

    def atom(self, x: Any) -> Var | Literal:
        """The variable or literal that stands for ``x``: scalars become literals, arrays constvars."""
        kind = type(x)
        if kind is StagedTracer:
            if x._trace is self:
                return x._var
            if not x._trace.alive:
                raise_leaked(x, f"the trace of {self.debug}" if self.debug else "another trace")
        if kind in _PYTHON_SCALARS:
            return Literal(x, get_aval(x))
        if not isinstance(x, Tracer):
            if hasattr(x, "__jax_array__"):
                return self.atom(x.__jax_array__())
            aval = get_aval(x)
            if aval.ndim == 0 and not is_key(aval.dtype) and is_array_like(x):
                value = to_numpy(x) if kind is not ArrayImpl else x._np
                return Literal(value.item() if aval.weak_type else value[()], aval)
        var = self.const_ids.get(id(x))
        if var is None:
            var = Var(get_aval(x))
            self.const_ids[id(x)] = var
            self.constvars.append(var)
            self.consts.append(x.twin() if Tracer.may_be_stale and isinstance(x, Tracer) else x)
            self.held.append(x)  # so that its id stays its own
        return var

    def close(self, outs: Sequence[Any]) -> ClosedJaxpr:
        """End the trace: the program from the inputs to ``outs``."""
        outvars = [self.atom(x) for x in outs]
        self.alive = False
        jaxpr = Jaxpr(self.constvars, self.invars, outvars, self.eqns, debug_info=self.debug)
        return ClosedJaxpr(jaxpr, self.consts)

    def arguments_behind(self, var: Var) -> list[str]:
        """Names of the arguments that ``var`` is computed from."""
        wanted = {var}
        for eqn in reversed(self.eqns):
            if any(v in wanted for v in eqn.outvars):
                wanted.update(v for v in eqn.invars if type(v) is Var)
        names = (self.debug.arg_names if self.debug is not None else None) or []
        return [names[i] for i, v in enumerate(self.invars) if v in wanted and i < len(names)]

    def explain(self, var: Var) -> str:
        """Which arguments ``var`` is computed from, for error messages."""
        if self.debug is None:
            return ""
        if self.is_part:
            return "It was computed in a branch or a loop on a traced value."
        used = self.arguments_behind(var)
        if not used:
            return f"It was made inside {self.debug}."
        shown = ", ".join(used[:4]) + (", ..." if len(used) > 4 else "")
        return f"It depends on the value of the argument{'s' * (len(used) > 1)} {shown} of {self.debug}."


def stage(
    fun: Callable[..., Sequence[Any]], in_avals: Sequence[ShapedArray], debug: DebugInfo | None = None
) -> ClosedJaxpr:
    """Trace flat ``fun`` (list of arrays in, list out) on inputs of ``in_avals``.

    Constants of the result may be tracers of outer traces; see ``hoist_tracers``. Where Python asks for the truth of a traced
    value, the function that asks is written anew, and traced again.
    """
    if debug is not None and config.jitney_python_control_flow and _names_print(debug.fun):
        plugs.convert_prints(debug.fun)
    return with_control_flow(lambda: _stage_checked(fun, in_avals, debug))


def _names_print(fun: Any) -> bool:
    return "print" in getattr(getattr(fun, "__code__", None), "co_names", ())


_ATTEMPTS = 2000  # a statement or a function of the user's each


def with_control_flow(run: Callable[[], Any]) -> Any:
    """``run()``; again where Python asked in it for the truth of a traced value and the function that asks was converted."""
    since = plugs.rolled_loops.mark() if plugs.rolled_loops is not None else 0
    written_out: set[Any] = set()
    for attempt in itertools.count():
        try:
            out = run()
            if not plugs.convert_prints():
                if not since and plugs.rolled_loops is not None:
                    plugs.rolled_loops.forget()
                return out
        except (TypeError, ValueError, IndexError, UnboundLocalError) as error:
            # Of traced values are most: a ValueError where NumPy met one, the others where Python needed one.
            if not config.jitney_python_control_flow or attempt > _ATTEMPTS:
                raise
            if plugs.convert_control_flow(error):
                continue
            more = plugs.rolled_loops.write_out(since) if plugs.rolled_loops is not None else set()
            if not more:
                if written_out:
                    plugs.rolled_loops.take_back(written_out)
                raise
            written_out |= more


def _stage_checked(
    fun: Callable[..., Sequence[Any]], in_avals: Sequence[ShapedArray], debug: DebugInfo | None
) -> ClosedJaxpr:
    if not config.jax_check_tracer_leaks:
        return _stage(fun, StagingTrace(debug), in_avals)
    trace = StagingTrace(debug)
    alive = weakref.ref(trace)
    closed = _stage(fun, trace, in_avals)
    del trace
    leaks.raise_if_alive(alive, debug or "a function")
    return closed


def _stage(
    fun: Callable[..., Sequence[Any]], trace: StagingTrace, in_avals: Sequence[ShapedArray]
) -> ClosedJaxpr:
    before = swap_trace(trace)
    try:
        return trace.close(fun(*[trace.new_input(aval) for aval in in_avals]))
    finally:
        trace.alive = False
        swap_trace(before)


def hoist_tracers(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """Turn constants that are tracers into leading inputs; returns the program and their values."""
    if not any(isinstance(c, Tracer) for c in closed.consts):
        return closed, []
    jaxpr = closed.jaxpr
    pairs = list(zip(jaxpr.constvars, closed.consts, strict=True))
    hoisted = [(v, c) for v, c in pairs if isinstance(c, Tracer)]
    kept = [(v, c) for v, c in pairs if not isinstance(c, Tracer)]
    program = jaxpr.replace(
        constvars=[v for v, _ in kept], invars=[v for v, _ in hoisted] + jaxpr.invars, debug_info=None
    )
    return ClosedJaxpr(program, [c for _, c in kept]), [c for _, c in hoisted]


def as_constants(closed: ClosedJaxpr, tracers: Sequence[Any]) -> ClosedJaxpr:
    """The program whose first inputs are constants of values ``tracers``: what ``hoist_tracers`` began with."""
    if not tracers:
        return closed
    jaxpr, count = closed.jaxpr, len(tracers)
    program = jaxpr.replace(
        constvars=jaxpr.invars[:count] + jaxpr.constvars, invars=jaxpr.invars[count:], debug_info=None
    )
    return ClosedJaxpr(program, [*tracers, *closed.consts])


def argument_names(
    fun: Any, args: Sequence[Any], kwargs: dict[str, Any], leaves_of: Callable[[Any], list[str]]
) -> list[str]:
    """A readable name such as ``params['a'][0]`` for each flat leaf of a call."""
    try:
        bound = inspect.signature(fun).bind(*args, **kwargs).arguments
        named: list[Any] = []
        for name, value in bound.items():
            kind = inspect.signature(fun).parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                named.extend((k, value[k]) for k in sorted(value))
            else:
                named.append((name, value))
    except (TypeError, ValueError):
        named = [(f"args[{i}]", a) for i, a in enumerate(args)] + [(k, kwargs[k]) for k in sorted(kwargs)]
    return [name + suffix for name, value in named for suffix in leaves_of(value)]
