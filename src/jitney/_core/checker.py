"""Proof that a jaxpr is well formed: every name bound once before its use, every type as its rule says."""

from __future__ import annotations

from typing import Any

from jitney._base.errors import JaxprTypeError
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, subjaxprs
from jitney._core.printer import print_eqn


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr) -> None:
    """Raise ``JaxprTypeError`` at the first equation that is not well formed."""
    if isinstance(jaxpr, ClosedJaxpr):
        if len(jaxpr.consts) != len(jaxpr.jaxpr.constvars):
            raise JaxprTypeError("a closed jaxpr needs one value for each constvar")
        jaxpr = jaxpr.jaxpr
    bound: set[Var] = set()
    for var in (*jaxpr.constvars, *jaxpr.invars):
        _bind(var, bound, "the inputs")
    for eqn in jaxpr.eqns:
        _check_eqn(eqn, bound)
    for atom in jaxpr.outvars:
        _check_read(atom, bound, "the outputs")


def _bind(var: Var, bound: set[Var], where: str | JaxprEqn) -> None:
    if var in bound:
        raise JaxprTypeError(f"variable {var!r} is bound twice, in {_text(where)}")
    bound.add(var)


def _check_read(atom: Any, bound: set[Var], where: str | JaxprEqn) -> None:
    if type(atom) is not Literal and atom not in bound:
        raise JaxprTypeError(f"variable {atom!r} is read before it is bound, in {_text(where)}")


def _text(where: str | JaxprEqn) -> str:
    """A place in the program; an equation is printed only if it is wrong, with all that is nested in it."""
    return where if isinstance(where, str) else print_eqn(where)


def _check_eqn(eqn: JaxprEqn, bound: set[Var]) -> None:
    for atom in eqn.invars:
        _check_read(atom, bound, eqn)
    for inner in subjaxprs(eqn.params):
        check_jaxpr(inner)
    out = eqn.primitive.abstract(*[a.aval for a in eqn.invars], **eqn.params)
    avals = list(out) if eqn.primitive.multiple_results else [out]
    if len(avals) != len(eqn.outvars):
        raise JaxprTypeError(
            f"{_text(eqn)}: {eqn.primitive.name} gives {len(avals)} results, {len(eqn.outvars)} are bound"
        )
    for var, aval in zip(eqn.outvars, avals, strict=True):
        if var.aval.shape != aval.shape or var.aval.dtype != aval.dtype:
            raise JaxprTypeError(
                f"{_text(eqn)}: {var.aval.str_short()} is bound where {aval.str_short()} results"
            )
        _bind(var, bound, eqn)
