"""drop_dead: removes equations whose results nobody reads.

a = exp x ; b = sin x ; in (b)     ->     b = sin x ; in (b)
"""

from __future__ import annotations

from jitney._core.jaxpr import ClosedJaxpr, Literal, Var


def drop_dead(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Keep what the outputs need, and equations with effects."""
    jaxpr = closed.jaxpr
    needed: set[Var] = {a for a in jaxpr.outvars if type(a) is not Literal}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        if any(v in needed for v in eqn.outvars) or getattr(eqn.primitive, "effectful", False):
            kept.append(eqn)
            needed.update(a for a in eqn.invars if type(a) is not Literal)
    if len(kept) == len(jaxpr.eqns):
        return closed
    return ClosedJaxpr(jaxpr.replace(eqns=kept[::-1]), closed.consts)
