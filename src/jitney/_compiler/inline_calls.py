"""inline_calls: replaces calls of sub-programs by their equations.

c = jit[jaxpr={ lambda ; a b. let d = add a b in (d) }] x y     ->     c = add x y

Operations that are defined by a program (the ``expand`` slot) are replaced by it as well. A library's primitive that
has the name of another gets one of its own, because the passes know operations by their names.
"""

from __future__ import annotations

import copy
from typing import Any

from jitney._compiler.nested import CONTROL
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jitney._core.primitive import Primitive, registry
from jitney._core.staging import stage

INLINED = frozenset(
    (
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "remat",
        "checkpoint",
        "custom_jvp_call",
        "custom_vjp_call",
        "named_call",
    )
)


def inline_calls(closed: ClosedJaxpr) -> ClosedJaxpr:
    """One flat program; constants of inner programs become constants of the outer one."""
    jaxpr = closed.jaxpr
    if not any(
        e.primitive.name in INLINED or is_expandable(e) or _shares_name(e.primitive) for e in jaxpr.eqns
    ):
        return closed
    eqns: list[JaxprEqn] = []
    constants: dict[int, tuple[Var, Any]] = {
        id(c): (v, c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True)
    }
    extra: list[tuple[Var, Any]] = []
    env: dict[Var, Any] = {}
    _copy(jaxpr, env, eqns, constants, extra)
    outs = [_read(env, a) for a in jaxpr.outvars]
    constvars = [*jaxpr.constvars, *(v for v, _ in extra)]
    flat = Jaxpr(constvars, jaxpr.invars, outs, eqns, debug_info=jaxpr.debug_info)
    return ClosedJaxpr(flat, [*closed.consts, *(c for _, c in extra)])


def _read(env: dict[Var, Any], atom: Any) -> Any:
    return atom if type(atom) is Literal else env.get(atom, atom)


def called(eqn: JaxprEqn) -> ClosedJaxpr | None:
    """The program that an inlinable equation calls."""
    if is_expandable(eqn):
        return expanded(eqn)
    if eqn.primitive.name not in INLINED:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        found = eqn.params.get(name)
        if isinstance(found, ClosedJaxpr):
            return found
        if isinstance(found, Jaxpr) and not found.constvars:
            return ClosedJaxpr(found, ())
    return None


def _shares_name(primitive: Primitive) -> bool:
    """Whether another library's operation has a name of ours; that of a loop perhaps, which was not loaded yet."""
    owner = registry.get(primitive.name)
    return owner is not primitive and (owner is not None or primitive.name in CONTROL)


def _renamed(primitive: Primitive) -> Primitive:
    """The primitive under a name that no other has."""
    same = copy.copy(primitive)
    same.name = f"{primitive.name}@{id(primitive):x}"
    return same


def is_expandable(eqn: JaxprEqn) -> bool:
    """Whether the operation is written in terms of others."""
    return eqn.primitive.expand is not None and eqn.primitive.lower is None


def expanded(eqn: JaxprEqn) -> ClosedJaxpr:
    """The program that an operation stands for."""
    prim, params = eqn.primitive, eqn.params

    def body(*args: Any) -> list[Any]:
        out = prim.expand(*args, **params)
        return list(out) if prim.multiple_results else [out]

    return stage(body, [a.aval for a in eqn.invars])


def _copy(jaxpr: Jaxpr, env: dict, eqns: list, constants: dict, extra: list) -> None:
    """Append the equations of ``jaxpr`` with inputs renamed by ``env``."""
    for eqn in jaxpr.eqns:
        if _shares_name(eqn.primitive):
            eqn = eqn.replace(primitive=_renamed(eqn.primitive))
        args = [_read(env, a) for a in eqn.invars]
        inner = called(eqn)
        if inner is None:
            outs = [Var(v.aval) for v in eqn.outvars]
            eqns.append(JaxprEqn(eqn.primitive, args, outs, eqn.params, eqn.source))
        else:
            scope = dict(zip(inner.jaxpr.invars, args, strict=True))
            for var, value in zip(inner.jaxpr.constvars, inner.consts, strict=True):
                scope[var] = _constant(var, value, constants, extra)
            _copy(inner.jaxpr, scope, eqns, constants, extra)
            outs = [_read(scope, a) for a in inner.jaxpr.outvars]
        env.update(zip(eqn.outvars, outs, strict=True))


def _constant(var: Var, value: Any, constants: dict, extra: list) -> Var:
    known = constants.get(id(value))
    if known is None:
        known = constants[id(value)] = (Var(var.aval), value)
        extra.append(known)
    return known[0]
