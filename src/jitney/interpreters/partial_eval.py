"""``jitney.interpreters.partial_eval``: programs from functions, dead code, values known now or later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import stand_in as _stand_in
from jitney._core import dce as _dce
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import Jaxpr, JaxprEqn
from jitney._core.staging import StagedTracer, stage
from jitney._core.trace import current_trace, get_aval, under
from jitney._transforms.linearize import PartialTrace
from jitney.interpreters.rules import RuleTable

JaxprTracer = DynamicJaxprTracer = StagedTracer


def _take_inputs(rule: Callable[..., Any]) -> Callable[..., Any]:
    def drop(eqn: JaxprEqn, used: list[bool]) -> JaxprEqn | None:
        return rule(used, eqn)[1]

    return drop


def _give_inputs(rule: Callable[..., Any]) -> Callable[..., Any]:
    def drop(used: list[bool], eqn: JaxprEqn) -> tuple[list[bool], JaxprEqn | None]:
        new = rule(eqn, used)
        kept = [] if new is None else [id(v) for v in new.invars]
        return [id(v) in kept for v in eqn.invars], new

    return drop


# ``rule(used_outputs, eqn) -> (used_inputs, smaller equation or None)``
dce_rules = RuleTable("dce", _take_inputs, _give_inputs)


def dce_jaxpr(
    jaxpr: Jaxpr, used_outputs: bool | Sequence[bool], instantiate: bool | Sequence[bool] = False
) -> tuple[Jaxpr, list[bool]]:
    """The program with its used outputs only, and which inputs it still takes; ``instantiate`` says which must stay.

    Example:
        >>> import jitney
        >>> from jitney.interpreters import partial_eval
        >>> closed = jitney.make_jaxpr(lambda x, y: (x + 1, y * 2))(1.0, 2.0)
        >>> partial_eval.dce_jaxpr(closed.jaxpr, [True, False])
        ({ lambda ; a:f64[]. let b:f64[] = add a 1.0:f64[] in (b,) }, [True, False])
    """
    used = [used_outputs] * len(jaxpr.outvars) if isinstance(used_outputs, bool) else list(used_outputs)
    keep = [instantiate] * len(jaxpr.invars) if isinstance(instantiate, bool) else list(instantiate)
    eqns, needed = _dce.live_eqns(jaxpr, used)
    used_inputs = [v in needed or kept for v, kept in zip(jaxpr.invars, keep, strict=True)]
    program = jaxpr.replace(
        invars=[v for v, wanted in zip(jaxpr.invars, used_inputs, strict=True) if wanted],
        outvars=[v for v, wanted in zip(jaxpr.outvars, used, strict=True) if wanted],
        eqns=eqns,
    )
    return program, used_inputs


def dce_jaxpr_consts(
    jaxpr: Jaxpr, used_outputs: bool | Sequence[bool], instantiate: bool | Sequence[bool] = False
) -> tuple[Jaxpr, list[bool], list[bool]]:
    """Like ``dce_jaxpr``; also drops constvars that nothing reads, and says which stay (the second result)."""
    program, used_inputs = dce_jaxpr(jaxpr, used_outputs, instantiate)
    read = {v for eqn in program.eqns for v in eqn.invars} | set(program.outvars)
    used_consts = [v in read for v in program.constvars]
    consts = [v for v, used in zip(program.constvars, used_consts, strict=True) if used]
    return program.replace(constvars=consts), used_consts, used_inputs


def trace_to_jaxpr_dynamic(
    fun: Any,
    in_avals: Sequence[ShapedArray],
    *,
    keep_inputs: Any = None,
    lower: bool = False,
    auto_dce: bool = False,
) -> tuple[Jaxpr, list[ShapedArray], list[Any]]:
    """The program of a wrapped function of flat inputs to a list of outputs, its output types, its constants.

    Example:
        >>> import jitney
        >>> from jitney.extend import linear_util as lu
        >>> from jitney.interpreters import partial_eval
        >>> fun = lu.wrap_init(lambda x: [x + 1])
        >>> partial_eval.trace_to_jaxpr_dynamic(fun, [jitney.core.get_aval(1.0)])[0]
        { lambda ; a:f64[]. let b:f64[] = add a 1.0:f64[] in (b,) }
    """
    closed = stage(fun.call_wrapped, list(in_avals), fun.debug_info)
    return closed.jaxpr, closed.out_avals, closed.consts


class PartialVal(tuple):
    """A pair ``(None, value)`` of a known value or ``(aval, None)`` of an unknown one."""

    @classmethod
    def known(cls, value: Any) -> PartialVal:
        """A value that is known now."""
        return cls((None, value))

    @classmethod
    def unknown(cls, aval: ShapedArray) -> PartialVal:
        """A value of which the type alone is known."""
        return cls((aval, None))

    def is_known(self) -> bool:
        """True if the value is known."""
        return self[0] is None

    def get_known(self) -> Any:
        """The value, or None."""
        return self[1] if self.is_known() else None

    def get_aval(self) -> ShapedArray:
        """The type."""
        return get_aval(self[1]) if self.is_known() else self[0]


def trace_to_jaxpr_nounits(
    fun: Any, pvals: Sequence[PartialVal], instantiate: bool | Sequence[bool] = False
) -> tuple[Jaxpr, list[PartialVal], list[Any]]:
    """Run a wrapped function on what is known of its inputs; the rest becomes a program.

    Returns the program from the unknown inputs to the unknown outputs, all outputs as partial values, and
    the values of the program's constvars. ``instantiate`` makes outputs unknown that are not.
    """
    trace = PartialTrace(current_trace())
    args = [p.get_known() if p.is_known() else trace.new_input(p.get_aval()) for p in pvals]
    with under(trace):
        outs = list(fun.call_wrapped(*args))
    forced = [instantiate] * len(outs) if isinstance(instantiate, bool) else list(instantiate)
    unknown = [trace.unknown(y) or wanted for y, wanted in zip(outs, forced, strict=True)]
    closed = trace.close([y for y, u in zip(outs, unknown, strict=True) if u])
    out_pvals = [
        PartialVal.unknown(get_aval(y)) if u else PartialVal.known(y)
        for y, u in zip(outs, unknown, strict=True)
    ]
    return closed.jaxpr, out_pvals, closed.consts


def __getattr__(name: str) -> Any:
    return _stand_in("interpreters.partial_eval", name)


__all__ = [
    "DynamicJaxprTracer",
    "JaxprTracer",
    "PartialVal",
    "dce_jaxpr",
    "dce_jaxpr_consts",
    "dce_rules",
    "trace_to_jaxpr_dynamic",
    "trace_to_jaxpr_nounits",
]

_expose(globals())
