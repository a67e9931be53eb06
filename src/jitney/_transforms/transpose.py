"""Transposition: run a linear program backwards, accumulating cotangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._base import sources
from jitney._base.config import config
from jitney._core.avals import tangent_aval
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jitney._core.staging import stage
from jitney._core.tangents import Undefined, Zero, is_undefined
from jitney._transforms.cotangents import joined, parts_of_avals, plain, total, transpose_chosen


def backward_pass(
    jaxpr: Jaxpr, consts: Sequence[Any], linear: Sequence[bool], known: Sequence[Any], cts: Sequence[Any]
) -> list[Any]:
    """Cotangents of the ``linear`` inputs, given the values of the other inputs and the outputs' cotangents."""
    values: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    given = iter(known)
    values.update(
        (v, next(given)) for v, is_linear in zip(jaxpr.invars, linear, strict=True) if not is_linear
    )
    linear_eqns = _evaluate_nonlinear(jaxpr, values)

    found: dict[Var, Any] = {}

    def accumulate(atom: Any, ct: Any) -> None:
        if type(atom) is Literal or ct is None or type(ct) is Zero or atom in values:
            return
        found[atom] = total(found[atom], ct) if atom in found else ct

    for atom, ct in zip(jaxpr.outvars, cts, strict=True):
        accumulate(atom, ct)
    before = sources.swap_here(None)
    try:
        for eqn in reversed(linear_eqns):
            out_cts = [found.pop(v, None) for v in eqn.outvars]
            if all(ct is None for ct in out_cts):
                continue
            sources.current.source = eqn.source  # what is recorded for the equation belongs to its line
            for atom, ct in zip(eqn.invars, _transpose_eqn(eqn, out_cts, values), strict=True):
                accumulate(atom, ct)
    except Exception as error:
        sources.blame(error, sources.current.source)
        raise
    finally:
        sources.swap_here(before)
    return [
        plain(found[v]) if v in found else Zero(tangent_aval(v.aval))
        for v, is_linear in zip(jaxpr.invars, linear, strict=True)
        if is_linear
    ]


def _evaluate_nonlinear(jaxpr: Jaxpr, values: dict[Var, Any]) -> list[JaxprEqn]:
    """Compute what does not depend on linear inputs into ``values``; return the other equations."""
    rest = []
    for eqn in jaxpr.eqns:
        if all(type(a) is Literal or a in values for a in eqn.invars):
            args = [a.val if type(a) is Literal else values[a] for a in eqn.invars]
            out = eqn.primitive.bind(*args, **eqn.params)
            values.update(zip(eqn.outvars, out if eqn.primitive.multiple_results else [out], strict=True))
        else:
            rest.append(eqn)
    return rest


def _transpose_eqn(eqn: JaxprEqn, out_cts: list[Any], values: dict[Var, Any]) -> Sequence[Any]:
    prim = eqn.primitive
    if prim.transpose is None and prim.expand is None:
        raise NotImplementedError(
            f"Transpose rule (for reverse-mode differentiation) for {prim.name!r} not implemented: it is not linear in its "
            "operands."
        )
    args = [
        a.val if type(a) is Literal else values[a] if a in values else Undefined(a.aval) for a in eqn.invars
    ]

    def ordinary(out_cts: Sequence[Any]) -> Sequence[Any]:
        if prim.multiple_results:
            cts: Any = [
                Zero(tangent_aval(v.aval)) if ct is None else ct
                for ct, v in zip(out_cts, eqn.outvars, strict=True)
            ]
        else:
            cts = out_cts[0]
        if prim.transpose is None:
            return _transpose_body(eqn, cts if prim.multiple_results else [cts], args)
        return prim.transpose(cts, *args, **eqn.params)

    return transpose_chosen(eqn, out_cts, args, ordinary)


def _transpose_body(eqn: JaxprEqn, cts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Cotangents of the operands of an equation whose primitive is defined by a body that is linear in them."""

    def body(*xs: Any) -> Sequence[Any]:
        out = eqn.primitive.expand(*xs, **eqn.params)
        return out if eqn.primitive.multiple_results else [out]

    linear = [is_undefined(x) for x in args]
    closed = stage(body, [a.aval for a in eqn.invars])
    known = [x for x in args if not is_undefined(x)]
    found = iter(backward_pass(closed.jaxpr, closed.consts, linear, known, cts))
    return [next(found) if is_linear else None for is_linear in linear]


def transpose_jaxpr(
    closed: ClosedJaxpr,
    linear: tuple[bool, ...],
    nonzero_cts: tuple[bool, ...],
    chosen: tuple[bool, ...] | None = None,
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program from known inputs and nonzero output cotangents to the nonzero input cotangents.

    ``chosen`` says which of the nonzero cotangents come as two inputs, their ``parts`` (none, if it is not given).
    """
    chosen = (False,) * sum(nonzero_cts) if chosen is None else chosen
    key = ("transpose", linear, nonzero_cts, chosen, config.safe_grad)
    if key in closed.cache:
        return closed.cache[key]
    nonzero_out: tuple[bool, ...] = ()
    known_avals = [a for a, is_linear in zip(closed.in_avals, linear, strict=True) if not is_linear]
    ct_avals = [tangent_aval(a) for a, nz in zip(closed.out_avals, nonzero_cts, strict=True) if nz]
    given_avals = parts_of_avals(ct_avals, chosen)

    def fun(*args: Any) -> list[Any]:
        nonlocal nonzero_out
        known, given = args[: len(known_avals)], iter(joined(args[len(known_avals) :], chosen))
        cts = [
            next(given) if nz else Zero(tangent_aval(a))
            for a, nz in zip(closed.out_avals, nonzero_cts, strict=True)
        ]
        outs = backward_pass(closed.jaxpr, closed.consts, linear, known, cts)
        nonzero_out = tuple(type(ct) is not Zero for ct in outs)
        return [ct for ct in outs if type(ct) is not Zero]

    result = stage(fun, known_avals + given_avals, closed.jaxpr.debug_info), nonzero_out
    closed.cache[key] = result
    return result
