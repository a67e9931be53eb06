"""sink_constants: short arrays of known integers become literals, inside of loops and branches too.

    { lambda i:i64[2] ; x u. let y = scatter x i u }        ->     y = scatter x [1 1]:i64[2] u
    scan[jaxpr={ lambda ; i c. .. scatter c i u .. }] i c0  ->     scan[jaxpr={ .. scatter c [1 1]:i64[2] u .. }] i c0

They are the places of ``x.at[1:-1, 1:-1].add(u)``: known, they turn into views and constant addresses. The
variables stay where they are, unused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._compiler.nested import const_counts, const_operands, is_control, programs, rebuild
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jitney._core.primitive import registry

MOST_ELEMENTS = 16
_CALLS = frozenset(("jit", "pjit"))

Known = dict[Var, Literal]


def sink_constants(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Substitute what is known of the constants of ``closed`` in it and in the programs that they are passed to."""
    known = {
        var: Literal(np.asarray(value), var.aval)
        for var, value in zip(closed.jaxpr.constvars, closed.consts, strict=True)
        if is_short_table(var.aval) and hasattr(value, "__array__")
    }
    return ClosedJaxpr(_substitute(closed.jaxpr, known), closed.consts) if known else closed


def is_short_table(aval: Any) -> bool:
    """Whether an array's values are worth knowing: they can be places."""
    return aval.ndim > 0 and 0 < aval.size <= MOST_ELEMENTS and aval.dtype.kind in "iu"


def _substitute(jaxpr: Jaxpr, known: Known) -> Jaxpr:
    eqns = []
    for eqn in jaxpr.eqns:
        if any(type(a) is not Literal and a in known for a in eqn.invars):
            eqn = _in_equation(eqn, known)
        eqns.append(eqn)
    return jaxpr.replace(eqns=eqns)


def _in_equation(eqn: JaxprEqn, known: Known) -> JaxprEqn:
    if registry.get(eqn.primitive.name) is not eqn.primitive:
        return eqn  # of another library, whatever its name
    if is_control(eqn):
        return _in_programs(eqn, known)
    if eqn.primitive.name in _CALLS:
        program = eqn.params["jaxpr"]
        inner = _in_program(program, list(eqn.invars), known)
        return eqn.replace(params={**eqn.params, "jaxpr": inner})
    if eqn.primitive.higher_order:
        return eqn
    return eqn.replace(invars=[known.get(a, a) if type(a) is not Literal else a for a in eqn.invars])


def _in_programs(eqn: JaxprEqn, known: Known) -> JaxprEqn:
    """Into the programs of a loop or branch, what does not change while it runs."""
    inner = list(programs(eqn))
    for k, (count, operands) in enumerate(zip(const_counts(eqn), const_operands(eqn), strict=True)):
        inner[k] = _in_program(inner[k], list(operands[:count]), known)
    return rebuild(eqn, inner)


def _in_program(program: ClosedJaxpr, operands: list[Any], known: Known) -> ClosedJaxpr:
    """A program whose first inputs are ``operands``; the same for the same known values."""
    leading = program.jaxpr.invars[: len(operands)]
    found = {
        v: known[a] for v, a in zip(leading, operands, strict=True) if type(a) is not Literal and a in known
    }
    if not found:
        return program
    key = (
        "sunk",
        tuple((k, v.val.tobytes()) for k, v in enumerate(map(found.get, leading)) if v is not None),
    )
    if key not in program.cache:
        program.cache[key] = ClosedJaxpr(_substitute(program.jaxpr, found), program.consts)
    return program.cache[key]


__all__ = ["is_short_table", "sink_constants"]
