"""Jaxprs as text, in the notation of JAX: ``{ lambda ; a:f64[3]. let b:f64[3] = sin a in (b,) }``."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from jitney._core.jaxpr import ClosedJaxpr, DropVar, Jaxpr, JaxprEqn, Literal, Var

_WIDTH = 100


class Names:
    """Variable -> short name (a, b, ..., z, ba, bb, ...), in order of first appearance."""

    def __init__(self) -> None:
        self.of: dict[Var, str] = {}

    def __getitem__(self, var: Var) -> str:
        if var not in self.of:
            self.of[var] = _letters(len(self.of))
        return self.of[var]


def _letters(number: int) -> str:
    text = ""
    while True:
        text = string.ascii_lowercase[number % 26] + text
        number //= 26
        if number == 0:
            return text


def print_jaxpr(jaxpr: Jaxpr, names: Names | None = None) -> str:
    """The whole program; on one line if it is short."""
    names = names or Names()
    head = "{ lambda " + _binders(jaxpr.constvars, names) + "; " + _binders(jaxpr.invars, names) + ". let"
    used = _used(jaxpr)
    eqns = [print_eqn(eqn, names, used) for eqn in jaxpr.eqns]
    outs = ", ".join(_atom(v, names) for v in jaxpr.outvars)
    tail = f"in ({outs}{',' if len(jaxpr.outvars) == 1 else ''}) }}"
    if len(eqns) <= 1 and not any("\n" in e for e in eqns):
        line = " ".join([head, *eqns, tail])
        if len(line) <= _WIDTH:
            return line
    body = "".join("    " + eqn.replace("\n", "\n    ") + "\n" for eqn in eqns)
    return f"{head}\n{body}  {tail}"


def _used(jaxpr: Jaxpr) -> set[Var]:
    used = {v for v in jaxpr.outvars if type(v) is not Literal}
    for eqn in jaxpr.eqns:
        used.update(v for v in eqn.invars if type(v) is not Literal)
    return used


def _binders(variables: list[Var], names: Names) -> str:
    return " ".join(f"{names[v]}:{v.aval.str_short()}" for v in variables) + ("" if not variables else "")


def print_eqn(eqn: JaxprEqn, names: Names | None = None, used: set[Var] | None = None) -> str:
    """``c:f64[3] = mul a b``."""
    names = names or Names()
    ins = " ".join(_atom(v, names) for v in eqn.invars)  # inputs first: they are named already
    outs = " ".join(
        f"{'_' if type(v) is DropVar or (used is not None and v not in used) else names[v]}:{v.aval.str_short()}"
        for v in eqn.outvars
    )
    return f"{outs} = {eqn.primitive.name}{_params(eqn)} {ins}"


def _atom(atom: Any, names: Names) -> str:
    if type(atom) is not Literal:
        return names[atom]
    value = atom.val
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind != "V" else float(value)
    return f"{value}:{atom.aval.str_short()}"


def _params(eqn: JaxprEqn) -> str:
    custom = getattr(eqn.primitive, "print_params", None)
    params = custom(eqn) if custom else dict(sorted(eqn.params.items()))
    if not params:
        return ""
    texts = [f"{name}={_param(value)}" for name, value in params.items()]
    if any("\n" in t for t in texts) or sum(map(len, texts)) > 80:
        return "[\n" + "\n".join("  " + t.replace("\n", "\n  ") for t in texts) + "\n]"
    return "[" + " ".join(texts) + "]"


def _param(value: Any) -> str:
    if isinstance(value, ClosedJaxpr):
        return print_jaxpr(value.jaxpr)
    if isinstance(value, Jaxpr):
        return print_jaxpr(value)
    if isinstance(value, np.dtype):
        return value.name
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    if isinstance(value, (tuple, list)) and any(isinstance(v, (Jaxpr, ClosedJaxpr)) for v in value):
        return "(\n" + "".join("  " + _param(v).replace("\n", "\n  ") + "\n" for v in value) + ")"
    return str(value)
