"""share_equal: computes equal equations once.

a = exp x ; b = exp x ; c = add a b     ->     a = exp x ; c = add a a
"""

from __future__ import annotations

from typing import Any

from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, Var


def share_equal(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Value numbering from top to bottom."""
    jaxpr = closed.jaxpr
    env: dict[Var, Var] = {}
    seen: dict[Any, JaxprEqn] = {}
    eqns = []
    for eqn in jaxpr.eqns:
        if env:
            args = [a if type(a) is Literal else env.get(a, a) for a in eqn.invars]
            eqn = JaxprEqn(eqn.primitive, args, eqn.outvars, eqn.params, eqn.source)
        key = _key(eqn)
        twin = seen.get(key) if key is not None else None
        if twin is not None:
            env.update(zip(eqn.outvars, twin.outvars, strict=True))
            continue
        if key is not None:
            seen[key] = eqn
        eqns.append(eqn)
    if not env:
        return closed
    outs = [a if type(a) is Literal else env.get(a, a) for a in jaxpr.outvars]
    return ClosedJaxpr(jaxpr.replace(eqns=eqns, outvars=outs), closed.consts)


def _key(eqn: JaxprEqn) -> Any:
    if eqn.effects:
        return None
    args = tuple([atom_key(a) for a in eqn.invars])
    key = (eqn.primitive.name, args, tuple(eqn.params.items()), tuple([v.aval for v in eqn.outvars]))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def atom_key(atom: Any) -> Any:
    """A key equal for atoms that are surely the same value."""
    if type(atom) is Literal:
        # repr tells 0.0 from -0.0 and lets nan equal itself.
        return (repr(atom.val), atom.aval)
    return atom
