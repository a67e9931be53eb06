"""Dead-code elimination of programs: what the wanted outputs do not need, and what has no effect, goes.

    a = exp x ; b, c = scan[..] x a ; in (b)     ->     b = scan[..: without c's body] x ; in (b)

Primitives that hold programs say in their ``dce`` slot how they do with fewer results.
"""

from __future__ import annotations

from collections.abc import Sequence

from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var


def live_eqns(jaxpr: Jaxpr, used_outs: Sequence[bool] | None = None) -> tuple[list[JaxprEqn], set[Var]]:
    """The equations that the used outputs (None: all) or an effect need, and the variables read."""
    outs = jaxpr.outvars
    needed: set[Var] = {
        a
        for a, used in zip(outs, used_outs or [True] * len(outs), strict=True)
        if used and type(a) is not Literal
    }
    kept: list[JaxprEqn] = []
    for eqn in reversed(jaxpr.eqns):
        used = [v in needed for v in eqn.outvars]
        if not any(used) and not eqn.effects:
            continue
        if not all(used) and eqn.primitive.dce is not None:
            eqn = eqn.primitive.dce(eqn, used)
            if eqn is None:
                continue
        kept.append(eqn)
        needed.update(a for a in eqn.invars if type(a) is not Literal)
    kept.reverse()
    return kept, needed


def dce_jaxpr(
    closed: ClosedJaxpr, used_outs: Sequence[bool], keep_inputs: bool | Sequence[bool] = False
) -> tuple[ClosedJaxpr, list[bool]]:
    """The program with its used outputs only, and which inputs it still takes.

    ``keep_inputs`` (for all, or one for each) says which inputs stay even if nothing reads them.
    """
    keep = tuple([keep_inputs] * len(closed.jaxpr.invars) if isinstance(keep_inputs, bool) else keep_inputs)
    key = ("dce", tuple(used_outs), keep)
    if key in closed.cache:
        return closed.cache[key]
    jaxpr = closed.jaxpr
    eqns, needed = live_eqns(jaxpr, used_outs)
    used_ins = [v in needed or kept for v, kept in zip(jaxpr.invars, keep, strict=True)]
    consts = [(v, c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True) if v in needed]
    outvars = [v for v, used in zip(jaxpr.outvars, used_outs, strict=True) if used]
    needed.update(v for v in outvars if type(v) is not Literal)
    program = jaxpr.replace(
        constvars=[v for v, _ in consts],
        invars=[v for v, used in zip(jaxpr.invars, used_ins, strict=True) if used],
        outvars=outvars,
        eqns=eqns,
    )
    result = ClosedJaxpr(program, [c for _, c in consts]), used_ins
    closed.cache[key] = result
    return result
