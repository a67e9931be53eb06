"""hoist_invariants: computes ahead of a loop what is the same in every iteration.

    scan[body(a, c, x): b = dot a a ; .. b c x ..] a ..     ->     b = dot a a ; scan[body(b, a, c, x): ..] b a ..

Views (broadcasts, slices, iotas) stay inside, where they cost nothing; loops that might not end are not moved.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.nested import const_counts, const_operands, is_control, programs, rebuild
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, Var
from jitney._kernel.rules import Pull


def hoist_invariants(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Move invariant equations of the loops of ``closed`` (innermost loops have been done already)."""
    jaxpr = closed.jaxpr
    if not any(e.primitive.name in ("scan", "while") for e in jaxpr.eqns):
        return closed
    eqns: list[JaxprEqn] = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in ("scan", "while"):
            eqn = _hoist(eqn, eqns)
        eqns.append(eqn)
    return ClosedJaxpr(jaxpr.replace(eqns=eqns), closed.consts)


def _hoist(eqn: JaxprEqn, ahead: list[JaxprEqn]) -> JaxprEqn:
    """The loop without what can be computed ahead, which is appended to ``ahead``."""
    if eqn.params.get("lanes") is not None:
        return eqn  # the compiler will write the loop of one example, where values are moved out as they come
    results = []
    for program, count, operands in zip(programs(eqn), const_counts(eqn), const_operands(eqn), strict=True):
        consts = dict(zip(program.jaxpr.invars[:count], operands, strict=True))
        results.append(_split(program, consts))
    if not any(moved for moved, _, _ in results):
        return eqn
    inner: list[tuple[ClosedJaxpr, set[Var], list[Var]]] = []
    extra: list[Any] = []
    for program, (moved, outer_names, wanted) in zip(programs(eqn), results, strict=True):
        ahead.extend(moved)
        gone = {v for e in moved for v in e.source_vars}
        inner.append((program, gone, wanted))
        extra.extend(outer_names[v] for v in wanted)
    return rebuild(eqn, _with_inputs(inner), extra)


class _Moved(JaxprEqn):
    """An equation under its outer names, with the variables that it had inside."""

    __slots__ = ("source_vars",)


def _split(program: ClosedJaxpr, consts: dict[Var, Any]) -> tuple[list[_Moved], dict[Var, Var], list[Var]]:
    """Equations to move (renamed), inner -> outer names of their results, and the results still read inside."""
    producer: dict[Var, JaxprEqn] = {}
    invariant = set(consts)
    for eqn in program.jaxpr.eqns:
        if all(type(a) is Literal or a in invariant for a in eqn.invars) and _movable(eqn):
            invariant.update(eqn.outvars)
            producer.update(dict.fromkeys(eqn.outvars, eqn))
    moving = _worth_moving(program, producer)
    if not moving:
        return [], {}, []
    names: dict[Var, Any] = dict(consts)
    moved: list[_Moved] = []
    wanted: list[Var] = []
    read_inside = {
        a for e in program.jaxpr.eqns if id(e) not in moving for a in e.invars if type(a) is not Literal
    }
    read_inside.update(a for a in program.jaxpr.outvars if type(a) is not Literal)
    for eqn in program.jaxpr.eqns:
        if id(eqn) not in moving:
            continue
        outs = [Var(v.aval) for v in eqn.outvars]
        args = [a if type(a) is Literal else names[a] for a in eqn.invars]
        outer = _Moved(eqn.primitive, args, outs, eqn.params, eqn.source)
        outer.source_vars = eqn.outvars
        moved.append(outer)
        names.update(zip(eqn.outvars, outs, strict=True))
        wanted.extend(v for v in eqn.outvars if v in read_inside)
    return moved, names, wanted


def _movable(eqn: JaxprEqn) -> bool:
    return (
        not eqn.effects
        and eqn.primitive.name != "while"
        and not any(
            e.primitive.name == "while"
            for p in (programs(eqn) if is_control(eqn) else ())
            for e in p.jaxpr.eqns
        )
    )


def _is_view(eqn: JaxprEqn) -> bool:
    rule = eqn.primitive.lower
    return isinstance(rule, Pull) and rule.cheap


def _worth_moving(program: ClosedJaxpr, producer: dict[Var, JaxprEqn]) -> set[int]:
    """Ids of the invariant equations that are needed ahead: all but the views that only the inside reads."""
    moving: set[int] = set()
    pending = [e for e in producer.values() if not _is_view(e)]
    while pending:
        eqn = pending.pop()
        if id(eqn) in moving:
            continue
        moving.add(id(eqn))
        pending.extend(producer[a] for a in eqn.invars if type(a) is not Literal and a in producer)
    return moving


def _with_inputs(inner: list[tuple[ClosedJaxpr, set[Var], list[Var]]]) -> list[ClosedJaxpr]:
    """The programs without what has moved; all of them take all moved results."""
    result = []
    for position, (program, gone, _) in enumerate(inner):
        leading: list[Var] = []
        for other, (_, _, names) in enumerate(inner):
            leading += names if other == position else [Var(v.aval) for v in names]
        jaxpr = program.jaxpr
        eqns = [e for e in jaxpr.eqns if not (e.outvars and e.outvars[0] in gone)]
        result.append(ClosedJaxpr(jaxpr.replace(invars=[*leading, *jaxpr.invars], eqns=eqns), program.consts))
    return result
