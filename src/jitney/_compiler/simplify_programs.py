"""simplify_programs: runs all passes inside the programs of loops and branches, and empties these of constants.

    scan[jaxpr={ lambda k ; c x. let d = jit[..] c ; .. }]     ->     scan[jaxpr={ lambda ; k c x. let .. }] k

A program is simplified once, however often it occurs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._compiler.nested import is_control, programs, rebuild
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Var


def simplify_programs(closed: ClosedJaxpr, simplify: Callable[[ClosedJaxpr], ClosedJaxpr]) -> ClosedJaxpr:
    """``simplify`` every program inside; their constants become constants of ``closed``."""
    jaxpr = closed.jaxpr
    if not any(map(is_control, jaxpr.eqns)):
        return closed
    constants = {id(c): (v, c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True)}
    eqns = []
    for eqn in jaxpr.eqns:
        if is_control(eqn):
            eqn = _without_constants(eqn, [_simple(p, simplify) for p in programs(eqn)], constants)
        eqns.append(eqn)
    pairs = list(constants.values())
    return ClosedJaxpr(jaxpr.replace(constvars=[v for v, _ in pairs], eqns=eqns), [c for _, c in pairs])


def _simple(program: ClosedJaxpr, simplify: Callable[[ClosedJaxpr], ClosedJaxpr]) -> ClosedJaxpr:
    if "simple" not in program.cache:
        program.cache["simple"] = simplify(program)
    return program.cache["simple"]


def _without_constants(
    eqn: JaxprEqn, inner: list[ClosedJaxpr], constants: dict[int, tuple[Var, Any]]
) -> JaxprEqn:
    """The equation around ``inner``, whose constants come as leading operands."""
    found: dict[int, tuple[Var, Any]] = {}
    for program in inner:
        for var, value in zip(program.jaxpr.constvars, program.consts, strict=True):
            found.setdefault(id(value), (var, value))
    extra = []
    for key, (var, value) in found.items():
        if key not in constants:
            constants[key] = (Var(var.aval), value)
        extra.append(constants[key][0])
    return rebuild(eqn, [_open(p, found) for p in inner], extra)


def _open(program: ClosedJaxpr, found: dict[int, tuple[Var, Any]]) -> ClosedJaxpr:
    """The program with inputs in place of constants."""
    own = {id(c): v for v, c in zip(program.jaxpr.constvars, program.consts, strict=True)}
    leading = [own.get(key) or Var(var.aval) for key, (var, _) in found.items()]
    if not leading:
        return program
    jaxpr = program.jaxpr
    return ClosedJaxpr(jaxpr.replace(constvars=[], invars=[*leading, *jaxpr.invars]), ())
