"""Jaxprs as text, in the notation of JAX: ``{ lambda ; a:f64[3]. let b:f64[3] = sin a in (b,) }``."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.jaxpr import ClosedJaxpr, DropVar, Jaxpr, JaxprEqn, Literal, Var

_WIDTH = 80
_UNLIMITED = 10**9


class Names:
    """Variable -> short name (a, b, ..., z, ba, bb, ...), in order of first appearance."""

    def __init__(self) -> None:
        self.of: dict[Var, str] = {}
        self.count = 0  # letters given; shared names take none

    def __getitem__(self, var: Var) -> str:
        if var not in self.of:
            self.of[var] = _letters(self.count)
            self.count += 1
        return self.of[var]

    def share(self, inner: Sequence[Any], outer: Sequence[Any]) -> None:
        """Name the inputs or outputs of a program inside an equation like the equation's own."""
        taken: set[str] = set()
        for mine, theirs in zip(inner, outer, strict=False):
            name = self.of.get(theirs) if type(theirs) is not Literal else None
            if name is not None and name not in taken and type(mine) is not Literal and mine not in self.of:
                self.of[mine] = name
                taken.add(name)


def _letters(number: int) -> str:
    text = ""
    while True:
        text = string.ascii_lowercase[number % 26] + text
        number //= 26
        if number == 0:
            return text


def print_jaxpr(jaxpr: Jaxpr, names: Names | None = None, column: int = 0, margin: int = 0) -> str:
    """The whole program; on one line if it fits there when it starts at ``column`` of a line indented by ``margin``."""
    names = names or Names()
    head = "{ lambda " + _binders(jaxpr.constvars, names) + "; " + _binders(jaxpr.invars, names) + ". let"
    used = _used(jaxpr)
    flat = "; ".join(_flat_eqn(eqn, names, used) for eqn in jaxpr.eqns)
    outs = ", ".join(_atom(v, names) for v in jaxpr.outvars)
    tail = f"in ({outs}{',' if len(jaxpr.outvars) == 1 else ''}) }}"
    line = " ".join([head, flat, tail])
    if column + len(line) <= _WIDTH:
        return line
    indent = margin + 4
    body = "".join(
        "    " + print_eqn(eqn, names, used, indent).replace("\n", "\n    ") + "\n" for eqn in jaxpr.eqns
    )
    return f"{head}\n{body or '    ' + chr(10)}  {tail}"


def _used(jaxpr: Jaxpr) -> set[Var]:
    used = {v for v in jaxpr.outvars if type(v) is not Literal}
    for eqn in jaxpr.eqns:
        used.update(v for v in eqn.invars if type(v) is not Literal)
    return used


def _binders(variables: list[Var], names: Names) -> str:
    return " ".join(f"{names[v]}:{v.aval.str_short()}" for v in variables)


def print_eqn(
    eqn: JaxprEqn, names: Names | None = None, used: set[Var] | None = None, column: int = 0
) -> str:
    """``c:f64[3] = mul a b``, with one parameter per line if the equation is too long for one."""
    names = names or Names()
    left, ins = _sides(eqn, names, used)
    params = _params(eqn, names)
    flat = f"{left}{params} {ins}"
    if not params or ("\n" not in params and column + len(left) + len(params) <= _WIDTH):
        return flat
    lines = [
        f"{name}={_param(value, names, column + 2 + len(name) + 1, column + 2)}"
        for name, value in _shown(eqn).items()
    ]
    return left + "[\n" + "\n".join("  " + text.replace("\n", "\n  ") for text in lines) + f"\n] {ins}"


def _flat_eqn(eqn: JaxprEqn, names: Names, used: set[Var]) -> str:
    left, ins = _sides(eqn, names, used)
    return f"{left}{_params(eqn, names)} {ins}"


def _sides(eqn: JaxprEqn, names: Names, used: set[Var] | None) -> tuple[str, str]:
    """What stands before and after the parameters."""
    ins = " ".join(_atom(v, names) for v in eqn.invars)  # inputs first: they are named already
    outs = " ".join(
        f"{'_' if type(v) is DropVar or (used is not None and v not in used) else names[v]}:{v.aval.str_short()}"
        for v in eqn.outvars
    )
    inner = eqn.params.get("jaxpr")
    if isinstance(inner, ClosedJaxpr) and eqn.primitive.name == "jit":
        names.share(inner.jaxpr.invars, eqn.invars)
        names.share(inner.jaxpr.outvars, eqn.outvars)
    return f"{outs} = {eqn.primitive.name}" if eqn.outvars else eqn.primitive.name, ins


def _atom(atom: Any, names: Names) -> str:
    if type(atom) is not Literal:
        return names[atom]
    value = atom.val
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind != "V" else float(value)
    return f"{value}:{atom.aval.str_short()}"


def _shown(eqn: JaxprEqn) -> dict[str, Any]:
    custom = eqn.primitive.print_params
    return custom(eqn) if custom else dict(sorted(eqn.params.items()))


def _params(eqn: JaxprEqn, names: Names) -> str:
    shown = _shown(eqn)
    return (
        "[" + " ".join(f"{name}={_param(value, names, -_UNLIMITED)}" for name, value in shown.items()) + "]"
        if shown
        else ""
    )


def _param(value: Any, names: Names, column: int, margin: int = 0) -> str:
    """A parameter's value that starts at ``column`` of a line indented by ``margin``."""
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        program = value.jaxpr if isinstance(value, ClosedJaxpr) else value
        return print_jaxpr(program, names, column, margin)
    if isinstance(value, np.dtype):
        return value.name
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    if isinstance(value, (tuple, list)) and any(isinstance(v, (Jaxpr, ClosedJaxpr)) for v in value):
        return (
            "(\n"
            + "".join(
                "  " + _param(v, names, min(column, margin + 2), margin + 2).replace("\n", "\n  ") + "\n"
                for v in value
            )
            + ")"
        )
    return str(value)
