"""``debug_nans`` and ``debug_infs``: every eager operation checks its results, and an error names where a NaN arose.

While one of them is set, ``switch_on`` has put ``checked`` in the place of eager evaluation, so that they cost nothing
otherwise.  Programs run as ever; where a result is not finite they run again, equation by equation, into loops and
branches, up to the first equation that makes one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import sources
from jitney._base.config import config
from jitney._control import evaluation
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, subjaxprs
from jitney._core.staging import stage
from jitney._core.trace import ArrayImpl, Tracer, get_aval, to_numpy, under

_unchecked = evaluation.direct


class _State(threading.local):
    busy = False  # within an operation: only its results count


_state = _State()


def switch(on: bool) -> None:
    """Put checked evaluation in place, or take it away."""
    if on:
        evaluation.put(0, lambda _: checked)
    else:
        evaluation.take(0)


def checked(primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
    """``evaluate_eagerly`` with a look at the results."""
    if _state.busy or (primitive.higher_order and not subjaxprs(params)):
        return _unchecked(
            primitive, args, params
        )  # such as the user's function under a rule of its own: looked into
    _state.busy = True
    try:
        out = _unchecked(primitive, args, params)
        outs = out if primitive.multiple_results else [out]
        kind = bad_kind(outs)
        if kind is not None:
            source = sources.here()
            if primitive.higher_order:
                with under(None):
                    _run(JaxprEqn(primitive, (), (), params, source), list(args))
            raise_for(kind, primitive, source, args)
    finally:
        _state.busy = False
    return out


def bad_kind(outs: Sequence[Any]) -> str | None:
    """``"nan"`` or ``"inf"`` if a result is what the configuration forbids."""
    for x in outs:
        if isinstance(x, Tracer) or get_aval(x).dtype.kind not in "fcV":
            continue
        value = x._np if type(x) is ArrayImpl else np.asarray(x)
        if value.dtype.kind == "V":
            if value.dtype.names or value.dtype.fields:
                continue
            value = value.astype(np.float32)
        if config.jax_debug_nans and np.isnan(value).any():
            return "nan"
        if config.jax_debug_infs and np.isinf(value).any():
            return "inf"
    return None


def raise_for(kind: str, primitive: Any, source: Any, args: Sequence[Any]) -> None:
    """The error: which operation, at which line of the user."""
    name = primitive.name
    text = f"invalid value ({kind}) encountered in {name}"
    if bad_kind(args) == kind:
        text += f" (an operand is {kind} already)"
    where = sources.excerpt(source, "      ")
    raise FloatingPointError(text + (f"\n  at {where}" if where else ""))


# -- equation by equation -----------------------------------------------------------------------------


def _locate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Results of a program; raises at the first equation that makes what is forbidden."""
    env: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    read = lambda a: a.val if type(a) is Literal else env[a]  # noqa: E731
    for eqn in jaxpr.eqns:
        env.update(zip(eqn.outvars, _run(eqn, [read(a) for a in eqn.invars]), strict=True))
    return [read(a) for a in jaxpr.outvars]


def _program(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    return _locate(closed.jaxpr, closed.consts, args)


def _run(eqn: JaxprEqn, args: list[Any]) -> list[Any]:
    primitive, params = eqn.primitive, eqn.params
    inner = _called(eqn, args)
    if inner is not None:
        outs = _program(inner, args)
    elif primitive.name in _ENTER and primitive.expand is None:
        outs = _ENTER[primitive.name](args, params)
    else:
        out = primitive.bind(*args, **params)
        outs = list(out) if primitive.multiple_results else [out]
    kind = bad_kind(outs)
    if kind is not None:
        raise_for(kind, primitive, eqn.source, args)
    return outs


def _called(eqn: JaxprEqn, args: Sequence[Any]) -> ClosedJaxpr | None:
    """The program that an equation calls once."""
    primitive = eqn.primitive
    if not primitive.higher_order or primitive.name in _ENTER and primitive.expand is None:
        return None
    if primitive.expand is not None:
        return stage(lambda *xs: list(primitive.expand(*xs, **eqn.params)), [get_aval(x) for x in args])
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        found = eqn.params.get(name)
        if isinstance(found, ClosedJaxpr) and len(found.in_avals) == len(args):
            return found
    return None


def _scan(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    body, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    consts, carry = args[:num_consts], args[num_consts : num_consts + num_carry]
    columns = [to_numpy(x) for x in args[num_consts + num_carry :]]
    order = range(params["length"])
    rows: dict[int, list[Any]] = {}
    for i in reversed(order) if params["reverse"] else order:
        outs = _program(body, [*consts, *carry, *[x[i] for x in columns]])
        carry, rows[i] = outs[:num_carry], [to_numpy(y) for y in outs[num_carry:]]
    found = []
    for n, aval in enumerate(body.out_avals[num_carry:]):
        whole = np.empty((params["length"], *aval.shape), aval.dtype)
        for i in order:
            whole[i] = rows[i][n]
        found.append(whole)
    return [*carry, *found]


def _while(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    first = params["cond_nconsts"]
    second = first + params["body_nconsts"]
    carry = list(args[second:])
    while bool(to_numpy(_program(params["cond_jaxpr"], [*args[:first], *carry])[0])):
        carry = _program(params["body_jaxpr"], [*args[first:second], *carry])
    return carry


def _cond(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    branches = params["branches"]
    return _program(branches[min(max(int(to_numpy(args[0])), 0), len(branches) - 1)], args[1:])


_ENTER = {"scan": _scan, "while": _while, "cond": _cond}
