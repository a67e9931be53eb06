"""What cond, scan and while have in common: traced bodies without constants, and programs derived from them.

A body's program takes what it closes over as leading inputs.  Tracing is cached with the function, and equal
programs are one object (``intern``), so that what was derived from one or compiled serves them all.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import _ext
from jitney._base import forks
from jitney._base.config import config
from jitney._control.jit import executable
from jitney._core import axes, tree
from jitney._core.avals import ShapedArray, tangent_aval
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, evaluate, subjaxprs
from jitney._core.staging import DebugInfo, stage
from jitney._core.tangents import Zero
from jitney._core.trace import LARGE_EAGER, ArrayImpl, Tracer, to_numpy, under
from jitney._ops import raw
from jitney._transforms.batching import batch_flat, batched_aval, place_axis
from jitney._transforms.jvp import jvp_flat
from jitney._transforms.transpose import backward_pass

# -- programs without constants ---------------------------------------------------------------------


def close_over(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """The program with its constants as leading inputs, and their values."""
    jaxpr = closed.jaxpr
    if not closed.consts:
        return closed, []
    program = jaxpr.replace(constvars=[], invars=jaxpr.constvars + jaxpr.invars)
    return ClosedJaxpr(program), list(closed.consts)


def close_over_all(programs: Sequence[ClosedJaxpr]) -> tuple[list[ClosedJaxpr], list[Any]]:
    """Programs that all take the constants of all of them (each once) as leading inputs, and their values."""
    values: dict[int, Any] = {id(c): c for p in programs for c in p.consts}
    if not values:
        return list(programs), []
    out = []
    for closed in programs:
        own = {id(c): v for v, c in zip(closed.jaxpr.constvars, closed.consts, strict=True)}
        leading = [own[i] if i in own else Var(aval) for i, aval in _const_avals(programs).items()]
        out.append(ClosedJaxpr(closed.jaxpr.replace(constvars=[], invars=leading + closed.jaxpr.invars)))
    return out, list(values.values())


def _const_avals(programs: Sequence[ClosedJaxpr]) -> dict[int, ShapedArray]:
    return {id(c): v.aval for p in programs for v, c in zip(p.jaxpr.constvars, p.consts, strict=True)}


def rearranged(closed: ClosedJaxpr, ins: Sequence[int], outs: Sequence[int]) -> ClosedJaxpr:
    """The program with its inputs and outputs in another order."""
    jaxpr = closed.jaxpr
    program = jaxpr.replace(
        invars=[jaxpr.invars[i] for i in ins], outvars=[jaxpr.outvars[i] for i in outs], debug_info=None
    )
    return ClosedJaxpr(program, closed.consts)


# -- equal programs are one object ------------------------------------------------------------------

_INTERNED_LIMIT = 1024
_interned: OrderedDict[Any, ClosedJaxpr] = OrderedDict()
_lock = forks.renew(threading.Lock())


def intern(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The one program of this structure: equations, params, types and literals equal, constants identical.

    Programs that hold arrays inside are left alone: the table must not keep arrays alive.
    """
    if _holds_arrays(closed):
        return closed
    key = program_key(closed)
    with _lock:
        found = _interned.get(key)
        if found is not None:
            _interned.move_to_end(key)
            return found
        _interned[key] = closed
        if len(_interned) > _INTERNED_LIMIT:
            _interned.popitem(last=False)
    # What made it (a function with all that it closes over) must not live as long as the table.
    closed.jaxpr.debug_info = None
    return closed


def _holds_arrays(program: ClosedJaxpr | Jaxpr) -> bool:
    if isinstance(program, ClosedJaxpr):
        return bool(program.consts) or _holds_arrays(program.jaxpr)
    return any(_holds_arrays(inner) for eqn in program.eqns for inner in subjaxprs(eqn.params))


def forget_programs() -> None:
    """Drop the table of interned programs and the cached traces."""
    with _lock:
        _interned.clear()
    _bodies.clear()


def program_key(closed: ClosedJaxpr) -> Any:
    """A hashable value that is equal for programs that compute the same in the same way."""
    if "key" not in closed.cache:
        closed.cache["key"] = (_jaxpr_key(closed.jaxpr), tuple(map(id, closed.consts)))
    return closed.cache["key"]


def _jaxpr_key(jaxpr: Jaxpr) -> tuple:
    numbers: dict[Var, int] = {}
    for var in (*jaxpr.constvars, *jaxpr.invars):
        numbers[var] = len(numbers)
    eqns = []
    for eqn in jaxpr.eqns:
        ins = tuple([numbers[a] if type(a) is not Literal else literal_key(a) for a in eqn.invars])
        for var in eqn.outvars:
            numbers[var] = len(numbers)
        eqns.append((eqn.primitive, ins, frozen(eqn.params), tuple([v.aval for v in eqn.outvars])))
    outs = tuple([numbers[a] if type(a) is not Literal else literal_key(a) for a in jaxpr.outvars])
    return tuple([v.aval for v in (*jaxpr.constvars, *jaxpr.invars)]), tuple(eqns), outs


def literal_key(literal: Literal) -> tuple:
    """Equal for equal literals only: ``-0.0`` is not ``0.0``, a NaN is itself."""
    value = literal.val
    if isinstance(value, np.generic):
        return literal.aval, value.tobytes()
    return literal.aval, frozen(value)


_PLAIN = (str, type(None), type, np.dtype)


def frozen(value: Any) -> Any:
    """A hashable stand-in for a param: equal ones mean the same."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int or kind is bool:
        return kind, value
    if kind is dict:
        return tuple([(name, frozen(item)) for name, item in value.items()])
    if isinstance(value, (tuple, list)):
        return kind, tuple([frozen(item) for item in value])
    if kind is float or kind is complex:
        return kind, repr(value)
    if kind is ClosedJaxpr:
        return program_key(value)
    if kind is Jaxpr:
        return _jaxpr_key(value)
    try:
        hash(value)
    except TypeError:
        return "object", id(value)  # the interned program keeps it alive
    return value


# -- tracing ----------------------------------------------------------------------------------------


class Body:
    """A traced function: its program without constants, the values it closes over, its output's tree."""

    __slots__ = ("closed", "operands", "out_tree")

    def __init__(self, closed: ClosedJaxpr, operands: list[Any], out_tree: Any) -> None:
        self.closed = closed  # constants are those of ``operands``, as constvars
        self.operands = operands
        self.out_tree = out_tree

    @property
    def out_avals(self) -> list[ShapedArray]:
        return self.closed.out_avals


# function -> {key: (what the function referred to, Body)}
_bodies: weakref.WeakKeyDictionary[Any, dict[Any, tuple[list[Any], Body]]] = weakref.WeakKeyDictionary()
_BODIES_LIMIT = 32


def trace_body(
    fun: Callable[..., Any],
    in_tree: Any,
    in_avals: Sequence[ShapedArray],
    what: str,
    check: Callable[[list[Any], Any], None],
    variant: Any = None,
    adapt: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda fun: fun,
) -> Body:
    """Trace ``adapt(fun)`` on a tuple of arguments of structure ``in_tree``; traces of one function are shared.

    ``check(leaves, out_tree)`` raises for outputs that are no arrays; ``what`` and ``variant`` say which ``adapt`` and
    ``check`` are meant.  A cached trace is used as long as the variables that ``fun`` refers to are the same objects.
    """
    environment = _environment(fun)
    key = (
        what,
        variant,
        in_tree,
        tuple(in_avals),
        axes.bound(),
        config.trace_key,
    )
    if environment is not None:
        found = _bodies.get(fun, {}).get(key)
        if found is not None and _same_environment(found[0], environment):
            return found[1]
    out_tree: Any = None

    def flat(*leaves: Any) -> list[Any]:
        nonlocal out_tree
        outs, out_tree = tree.flatten(adapt(fun)(*tree.unflatten(in_tree, leaves)))
        check(outs, out_tree)
        return outs

    closed = stage(flat, in_avals, DebugInfo(what, fun))
    closed.jaxpr.debug_info = None  # the function must not be kept alive by its own cached trace
    body = Body(closed, closed.consts, out_tree)
    if environment is not None and not any(isinstance(c, Tracer) for c in (*closed.consts, *environment)):
        entries = _bodies.setdefault(fun, {})
        if len(entries) >= _BODIES_LIMIT:
            entries.clear()
        entries[key] = [_reference(value) for value in environment], body
    return body


def _environment(fun: Any) -> list[Any] | None:
    """What a plain function refers to by name: closure, globals, defaults; None: not to be cached."""
    if type(fun) is not types.FunctionType:
        return None
    code, names = fun.__code__, fun.__globals__
    found = [names[name] for name in code.co_names if name in names]
    for cell in fun.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not yet assigned
            found.append(None)
    return [*found, *(fun.__defaults__ or ()), *(fun.__kwdefaults__ or {}).values()]


def _reference(value: Any) -> Any:
    """Weak where possible: a function that refers to itself must not stay for ever."""
    try:
        return weakref.ref(value)
    except TypeError:
        return value


def _same_environment(known: list[Any], now: list[Any]) -> bool:
    return len(known) == len(now) and all(
        (k() if type(k) is weakref.ref else k) is n for k, n in zip(known, now, strict=True)
    )


# -- derived programs -------------------------------------------------------------------------------


def jvp_program(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...], force: tuple[bool, ...]
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """Inputs and nonzero tangents to outputs and their nonzero tangents; those of ``force`` are made arrays."""
    key = ("jvp_program", nonzero, force, config.safe_grad)
    if key not in closed.cache:
        nonzero_out: tuple[bool, ...] = ()

        def fun(*args: Any) -> list[Any]:
            nonlocal nonzero_out
            primals, given = args[: len(nonzero)], iter(args[len(nonzero) :])
            tangents = [next(given) if nz else Zero.of(x) for nz, x in zip(nonzero, primals, strict=True)]
            run = lambda *xs: evaluate(closed.jaxpr, closed.consts, *xs)  # noqa: E731
            outs, found = jvp_flat(run, primals, tangents)
            nonzero_out = tuple(f or type(t) is not Zero for f, t in zip(force, found, strict=True))
            return outs + [raw.instantiate(t) for t, nz in zip(found, nonzero_out, strict=True) if nz]

        avals = closed.in_avals
        tangent_avals = [tangent_aval(a) for a, nz in zip(avals, nonzero, strict=True) if nz]
        closed.cache[key] = stage(fun, avals + tangent_avals), nonzero_out
    return closed.cache[key]


def batch_program(
    closed: ClosedJaxpr, size: int, dims: tuple[int | None, ...], force: tuple[bool, ...]
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program over a batch; outputs with a batch axis (all of ``force``) have it first."""
    key = ("batch_program", size, dims, force, axes.batch_key([closed]))
    if key not in closed.cache:
        batched: tuple[bool, ...] = ()

        def fun(*args: Any) -> list[Any]:
            nonlocal batched
            run = lambda *xs: evaluate(closed.jaxpr, closed.consts, *xs)  # noqa: E731
            outs, found = batch_flat(run, size, args, dims)
            batched = tuple(f or d is not None for f, d in zip(force, found, strict=True))
            return [
                place_axis(y, d, size, 0) if b else y for y, d, b in zip(outs, found, batched, strict=True)
            ]

        avals = [
            a if d is None else batched_aval(a, size, d) for a, d in zip(closed.in_avals, dims, strict=True)
        ]
        closed.cache[key] = stage(fun, avals), batched
    return closed.cache[key]


def transpose_program(
    closed: ClosedJaxpr, linear: tuple[bool, ...], nonzero_cts: tuple[bool, ...], force: tuple[bool, ...]
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """Known inputs and nonzero cotangents to the nonzero cotangents of the linear inputs (all of ``force``)."""
    key = ("transpose_program", linear, nonzero_cts, force, config.safe_grad)
    if key not in closed.cache:
        nonzero: tuple[bool, ...] = ()
        known = [a for a, is_linear in zip(closed.in_avals, linear, strict=True) if not is_linear]
        ct_avals = [tangent_aval(a) for a in closed.out_avals]

        def fun(*args: Any) -> list[Any]:
            nonlocal nonzero
            given = iter(args[len(known) :])
            cts = [next(given) if nz else Zero(a) for a, nz in zip(ct_avals, nonzero_cts, strict=True)]
            found = backward_pass(closed.jaxpr, closed.consts, linear, args[: len(known)], cts)
            nonzero = tuple(f or type(ct) is not Zero for ct, f in zip(found, force, strict=True))
            return [raw.instantiate(ct) for ct, nz in zip(found, nonzero, strict=True) if nz]

        given_avals = [a for a, nz in zip(ct_avals, nonzero_cts, strict=True) if nz]
        closed.cache[key] = stage(fun, known + given_avals), nonzero
    return closed.cache[key]


# -- eager evaluation -------------------------------------------------------------------------------

_EQUATION_COST = 2.0  # microseconds of one eager equation
_COMPILE_COST = 3000.0  # microseconds of a compilation, and for each equation:
_COMPILE_EQUATION_COST = 200.0


def worth_compiling(closed: ClosedJaxpr) -> bool:
    """Whether to run the program natively: all its eager runs would cost more than one compilation."""
    cache = closed.cache
    if "executable" in cache:
        return True
    if "eager_cost" not in cache:
        cache["eager_cost"], size = _eager_cost(closed.jaxpr)
        cache["compile_cost"] = _COMPILE_COST + _COMPILE_EQUATION_COST * size
        cache["eager_spent"] = 0.0
    cache["eager_spent"] += cache["eager_cost"]
    return cache["eager_spent"] > cache["compile_cost"]


def _eager_cost(jaxpr: Jaxpr) -> tuple[float, int]:
    """Microseconds of an eager run, and the number of equations."""
    cost, size = 0.0, 0
    for eqn in jaxpr.eqns:
        size += 1
        cost += _EQUATION_COST
        if any(v.aval.size >= LARGE_EAGER for v in (*eqn.invars, *eqn.outvars)):
            cost += _COMPILE_COST  # each operation on large arrays is compiled by itself
        for inner in subjaxprs(eqn.params):
            inner_cost, inner_size = _eager_cost(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)
            size += inner_size
            cost += inner_cost * eqn.params.get("length", 1)
    return cost, size


def run(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Evaluate a program on concrete arrays: equation by equation, or natively if that is cheaper by now."""
    if worth_compiling(closed):
        return executable(closed).execute(list(args))
    with under(None):
        if config.guards:  # which were recorded
            return evaluate(closed.jaxpr, closed.consts, *args)
        return run_equations(closed.jaxpr, args)


def run_equations(jaxpr: Jaxpr, args: Sequence[Any]) -> list[Any]:
    """``evaluate`` for programs that run often on small arrays: nothing is freed on the way."""
    env: dict[Any, Any] = dict(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        out = eqn.primitive.bind(*[a.val if type(a) is Literal else env[a] for a in eqn.invars], **eqn.params)
        if eqn.primitive.multiple_results:
            env.update(zip(eqn.outvars, out, strict=True))
        else:
            env[eqn.outvars[0]] = out
    return [a.val if type(a) is Literal else env[a] for a in jaxpr.outvars]


def as_result(value: Any, aval: ShapedArray) -> Any:
    """What a body returned (an array, a literal, an input) as an array of type ``aval``."""
    if type(value) is ArrayImpl and value.weak_type == aval.weak_type:
        return value
    return _ext.wrap(np.asarray(to_numpy(value), aval.dtype), aval.weak_type)


def has_effects(primitive: Any, params: dict[str, Any]) -> bool:
    return bool(JaxprEqn(primitive, (), (), params).effects)
