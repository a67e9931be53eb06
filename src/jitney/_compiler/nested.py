"""The programs inside control-flow equations, and how an equation is rebuilt around changed ones.

Their programs take, in this order: ``scan`` (consts, carry, xs); ``while`` condition and body (own consts, carry);
``cond`` every branch (all operands but the index). A ``while`` that was batched also carries the programs of
one example (``lanes``), so that examples can run in SIMD lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn
from jitney._core.primitive import registry

CONTROL = frozenset(("scan", "while", "cond"))


def is_control(eqn: JaxprEqn) -> bool:
    """Whether it is a loop or branch of ours (others' operations may have the same names)."""
    return eqn.primitive.name in CONTROL and registry.get(eqn.primitive.name) is eqn.primitive


def programs(eqn: JaxprEqn) -> tuple[ClosedJaxpr, ...]:
    """The programs of a control-flow equation."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        return (params["jaxpr"],)
    if name == "while":
        lanes = params.get("lanes")
        own = (params["cond_jaxpr"], params["body_jaxpr"])
        return own if lanes is None else (*own, lanes.cond_jaxpr, lanes.body_jaxpr)
    return tuple(params["branches"])


def rebuild(eqn: JaxprEqn, inner: Sequence[ClosedJaxpr], extra: Sequence[Any] = ()) -> JaxprEqn:
    """The equation with other programs, each of which takes the atoms ``extra`` ahead of its own inputs."""
    name, params, k = eqn.primitive.name, dict(eqn.params), len(extra)
    invars = list(eqn.invars)
    if name == "scan":
        params["jaxpr"] = inner[0]
        params["num_consts"] += k
        invars = [*extra, *invars]
    elif name == "while":
        params["cond_jaxpr"], params["body_jaxpr"] = inner[:2]
        if len(inner) == 4:
            lanes, new = params["lanes"], (None,) * k
            params["lanes"] = lanes._replace(
                cond_jaxpr=inner[2],
                body_jaxpr=inner[3],
                cond_dims=new + tuple(lanes.cond_dims),
                body_dims=new + tuple(lanes.body_dims),
            )
        at = params["cond_nconsts"]
        invars = [*extra, *invars[:at], *extra, *invars[at:]]
        params["cond_nconsts"] += k
        params["body_nconsts"] += k
    else:
        params["branches"] = tuple(inner)
        invars = [invars[0], *extra, *invars[1:]]
    return eqn.replace(invars=invars, params=params)


def const_counts(eqn: JaxprEqn) -> tuple[int, ...]:
    """How many leading inputs of each program do not change while the equation runs."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        return (params["num_consts"],)
    if name == "while":
        return (params["cond_nconsts"], params["body_nconsts"])
    return tuple(len(b.jaxpr.invars) for b in params["branches"])


def const_operands(eqn: JaxprEqn) -> tuple[Sequence[Any], ...]:
    """The atoms that stand for those inputs."""
    name, params, invars = eqn.primitive.name, eqn.params, eqn.invars
    if name == "scan":
        return (invars[: params["num_consts"]],)
    if name == "while":
        first, second = params["cond_nconsts"], params["body_nconsts"]
        return (invars[:first], invars[first : first + second])
    return tuple(invars[1:] for _ in params["branches"])


def carry_positions(eqn: JaxprEqn) -> range:
    """Where the first states of what a loop carries stand among its operands; its first results are the last states."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        return range(params["num_consts"], params["num_consts"] + params["num_carry"])
    if name == "while":
        return range(params["cond_nconsts"] + params["body_nconsts"], len(eqn.invars))
    return range(0)
