"""Checks as values: programs that return, beside their results, the first check that failed.

A *failure* is a code (0: none, else the number of a ``Site``) and payloads, the values that the message shows, in slots
by type.  ``checked`` rewrites a program equation by equation; loops carry the first failure, branches agree on the slots:

    y = log x        ->        y = log x ; code = where(any(isnan y), 7, 0)
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._base import sources
from jitney._control import scan
from jitney._control.bodies import close_over_all
from jitney._control.cond import cond_p
from jitney._control.jit import jit_p
from jitney._control.while_loop import bind_while, masked_while_p, operand_parts
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.effects import Effect, guard_effect
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, evaluate, subjaxprs
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.trace import get_aval, to_numpy
from jitney._ops import dynamic_slices, raw
from jitney._ops import elementwise as ew
from jitney._ops.reductions import argmax_p, reduce_or
from jitney._transforms.batching import batch_jaxpr, place_axis

check_p = Primitive("check", multiple_results=True)
check_effect = Effect("Check", compilable=False)
debug_check_effect = Effect("DebugCheck")  # compiled code does without

CODE = np.dtype(np.int64)
GUARDS = "guards"  # the key of the rules that look for guards (``guards.py``)
Slot = tuple[ShapedArray, int]  # the type of a payload, and which of those of this type


class Site:
    """One place where a check can fail: what it says, the slots of the values that it shows, and the user's line."""

    __slots__ = ("kind", "number", "slots", "source", "text")

    _numbers = itertools.count(1)
    is_guard = False  # whether the engine added it, and a failure is raised when a program returns

    def __init__(
        self,
        kind: Any,
        text: Callable[[Sequence[Any]], str],
        avals: Sequence[ShapedArray] = (),
        source: Any = None,
    ) -> None:
        self.kind = kind
        self.text = text
        self.source = sources.here() if source is None else source
        self.number = next(Site._numbers)
        seen: Counter[ShapedArray] = Counter()
        slots = []
        for aval in avals:
            slots.append((aval, seen[aval]))
            seen[aval] += 1
        self.slots = tuple(slots)

    def exception(self, values: Sequence[Any]) -> Exception:
        """What is raised where the check fails in eager code."""
        return CheckError(self.text(values))


class Failure(NamedTuple):
    """The first failure so far: a code, the payloads, and the sites that it may name."""

    code: Any
    payload: dict[Slot, Any]
    sites: dict[int, Site]


NONE = Failure(None, {}, {})  # nothing that could fail yet


def at_site(fails: Any, site: Site, payload: Sequence[Any] = ()) -> Failure:
    """The failure of ``site`` where the boolean scalar ``fails``."""
    code = raw.select(fails, CODE.type(site.number), CODE.type(0))
    return Failure(code, dict(zip(site.slots, payload, strict=True)), {site.number: site})


def first_of(before: Failure, after: Failure) -> Failure:
    """``before`` where that failed, else ``after``."""
    if before.code is None or after.code is None:
        return after if before.code is None else before
    sound = ew.eq_p.bind(before.code, CODE.type(0))
    payload = {**after.payload, **before.payload}
    for slot in [s for s in before.payload if s in after.payload]:
        shape = get_aval(before.payload[slot]).shape
        which = raw.broadcast_in_dim(sound, shape, ()) if shape else sound
        payload[slot] = raw.select(which, after.payload[slot], before.payload[slot])
    return Failure(raw.select(sound, after.code, before.code), payload, {**before.sites, **after.sites})


class Layout(NamedTuple):
    """How the failure of a program stands after its results: the slots, and the sites. No slots and sites: it cannot fail."""

    slots: tuple[Slot, ...]
    sites: dict[int, Site]

    def flat(self, failure: Failure) -> list[Any]:
        """The code and the payloads, zeros where there is none."""
        if not self.sites:
            return []
        code = CODE.type(0) if failure.code is None else failure.code
        found = [failure.payload[s] if s in failure.payload else raw.zeros(s[0]) for s in self.slots]
        return [code, *found]

    def failure(self, flat: Sequence[Any]) -> Failure:
        if not self.sites:
            return NONE
        return Failure(flat[0], dict(zip(self.slots, flat[1:], strict=True)), self.sites)

    def join(self, other: Layout) -> Layout:
        return Layout(tuple(dict.fromkeys((*self.slots, *other.slots))), {**self.sites, **other.sites})

    @property
    def size(self) -> int:
        return 1 + len(self.slots) if self.sites else 0

    @property
    def is_guard(self) -> bool:
        return any(site.is_guard for site in self.sites.values())


# -- the primitive ------------------------------------------------------------------------------------


def bind_check(failure: Failure, debug: bool = False) -> None:
    """Let ``failure`` be noticed by the ``checkify`` around; without one it is raised.

    Of a batch, whose axes lead those of the code and the payloads, the last example that fails counts.
    """
    while failure.code is not None and get_aval(failure.code).shape:
        failure = _last_that_failed(failure)
    if failure.code is None:
        return
    slots = tuple(failure.payload)
    check_p.bind(
        failure.code,
        *failure.payload.values(),
        layout=_Params(Layout(slots, failure.sites)),
        debug=debug,
    )


class _Params:
    """The layout as a parameter, compared by identity."""

    __slots__ = ("layout",)

    def __init__(self, layout: Layout) -> None:
        self.layout = layout


def _raise_at_once(code: Any, *payload: Any, layout: _Params, debug: bool) -> list[Any]:
    number = int(to_numpy(code))
    if number and not debug:
        site = layout.layout.sites[number]
        values = dict(zip(layout.layout.slots, payload, strict=True))
        raise site.exception([values[s] for s in site.slots])
    return []


class CheckError(ValueError):
    """A check failed."""


CheckError.__name__ = CheckError.__qualname__ = "JaxRuntimeError"
CheckError.__module__ = "jitney.experimental.checkify"


def _not_functional(*_: Any, layout: _Params, debug: bool) -> list[Any]:
    if debug:
        return []
    if layout.layout.is_guard:
        return _raise_in_program(list(_), layout)
    site = next(iter(layout.layout.sites.values()))
    raise ValueError(
        "A checkify.check was compiled which was not functionalized. Programs cannot raise: apply checkify.checkify to the "
        f"function before jit (or other staging), call it, and throw its error afterwards. The check is at {sources.excerpt(site.source)}"
    )


# Programs that cannot return their failure, as it arises in a program that a primitive of another kind holds, call Python.
raise_p = Primitive("raise_failure", multiple_results=True)
raise_p.numpy = lambda code, *payload, layout: _raise_at_once(code, *payload, layout=layout, debug=False)
raise_p.abstract = lambda *_, **__: []
raise_p.effects = lambda _: frozenset((guard_effect,))


def _raise_in_program(args: list[Any], layout: _Params) -> list[Any]:
    avals = [get_aval(x) for x in args]
    fails = ew.convert(ew.ne_p.bind(args[0], CODE.type(0)), np.dtype(np.int32))
    branches = (stage(lambda *_: [], avals), stage(lambda *xs: raise_p.bind(*xs, layout=layout), avals))
    return cond_p.bind(fails, *args, branches=branches)


def _batch_check(
    size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any
) -> tuple[list, list]:
    """One check for the batch."""
    code, *payload = [place_axis(x, d, size, 0) for x, d in zip(args, dims, strict=True)]
    failure = params["layout"].layout.failure([code, *payload])
    bind_check(_last_that_failed(failure), params["debug"])
    return [], []


def _last_that_failed(failure: Failure) -> Failure:
    """The failure of the last example that failed, of a batch along the leading axis."""
    (size, *rest) = get_aval(failure.code).shape
    if not size:
        return NONE
    failed = ew.ne_p.bind(failure.code, CODE.type(0))
    if rest:
        failed = reduce_or(failed, range(1, 1 + len(rest)))
    place = raw.select(failed, raw.iota(CODE, (size,)), raw.full((size,), -1, CODE))
    which = argmax_p.bind(place, axes=(0,), index_dtype=CODE)
    payload = {slot: _at(x, which) for slot, x in failure.payload.items()}
    return Failure(_at(failure.code, which), payload, failure.sites)


def _at(x: Any, i: Any) -> Any:
    """``x[i]`` along the leading axis."""
    shape = get_aval(x).shape
    starts = [i, *[np.int64(0)] * (len(shape) - 1)]
    return raw.squeeze(dynamic_slices.dynamic_slice(x, starts, (1, *shape[1:])), (0,))


check_p.impl = _raise_at_once
check_p.expand = _not_functional
check_p.abstract = lambda *_, **__: []
check_p.effects = lambda params: frozenset(
    (
        guard_effect
        if params["layout"].layout.is_guard
        else debug_check_effect
        if params["debug"]
        else check_effect,
    )
)
check_p.jvp = lambda primals, _, **params: (check_p.bind(*primals, **params), [])
check_p.batch = _batch_check
check_p.print_params = lambda eqn: {"debug": eqn.params["debug"]}


# -- programs with checks -----------------------------------------------------------------------------


class Checked(NamedTuple):
    """A program whose results are followed by its failure."""

    closed: ClosedJaxpr
    layout: Layout


# What ``rules(eqn, args, outs)`` finds may go wrong in an equation; of a ``check``, None leaves it in the program.
Rules = Callable[[JaxprEqn, Sequence[Any], Sequence[Any]], Failure | None]


def checked(closed: ClosedJaxpr, rules: Rules, key: Any) -> Checked:
    """The program with the checks of ``rules(eqn, args, outs)``, which ``key`` stands for, and of the ``check`` s in it."""
    full = ("checked", key)
    if full not in closed.cache:
        layout = Layout((), {})

        def fun(*args: Any) -> list[Any]:
            nonlocal layout
            outs, failure = run(closed, args, rules, key)
            layout = Layout(tuple(failure.payload), failure.sites)
            return outs + layout.flat(failure)

        program = stage(fun, closed.in_avals, closed.jaxpr.debug_info)
        closed.cache[full] = Checked(program, layout)
    return closed.cache[full]


def run(closed: ClosedJaxpr, args: Sequence[Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    """Results and failure of a program, computed in the current trace."""
    jaxpr, failure = closed.jaxpr, NONE
    env: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *args], strict=True))
    read = lambda a: a.val if type(a) is Literal else env[a]  # noqa: E731
    for eqn in jaxpr.eqns:
        values = [read(a) for a in eqn.invars]
        outs, found = _run_eqn(eqn, values, rules, key)
        failure = first_of(failure, found)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(a) for a in jaxpr.outvars], failure


def _run_eqn(eqn: JaxprEqn, args: list[Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    primitive, params = eqn.primitive, eqn.params
    if primitive is check_p:
        found = rules(eqn, args, [])
        if found is None:
            primitive.bind(*args, **params)
        return [], found or NONE
    if params.get("lanes") is not None:
        return _while_in_lanes(args, params, rules, key)
    if primitive.name in _CONTROL and primitive.expand is None:
        return _CONTROL[primitive.name](args, params, rules, key)
    inner = _body(eqn, args)
    if inner is not None and checked(inner, rules, key).layout.sites:
        if primitive is masked_while_p:
            raise ValueError(_MASKED)
        return run(inner, args, rules, key)
    out = primitive.bind(*args, **params)
    outs = list(out) if primitive.multiple_results else [out]
    return outs, NONE if inner is not None else rules(eqn, args, outs) or NONE


def _body(eqn: JaxprEqn, args: Sequence[Any]) -> ClosedJaxpr | None:
    """The program that an equation stands for."""
    primitive = eqn.primitive
    if primitive.expand is not None and primitive.lower is None:
        many = primitive.multiple_results

        def expand(*xs: Any) -> list[Any]:
            out = primitive.expand(*xs, **eqn.params)
            return list(out) if many else [out]

        return stage(expand, [get_aval(x) for x in args])
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        found = eqn.params.get(name)
        if isinstance(found, ClosedJaxpr) and len(found.in_avals) == len(args):
            return found
    if any(not isinstance(p, ClosedJaxpr) or p.effects - {guard_effect} for p in subjaxprs(eqn.params)):
        raise NotImplementedError(f"checkify of a check inside of {primitive.name} is not implemented")
    return None


def _call(args: list[Any], params: dict[str, Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    program, layout = checked(params["jaxpr"], rules, key)
    outs = jit_p.bind(*args, jaxpr=program, name=params["name"])
    count = len(outs) - layout.size
    return outs[:count], layout.failure(outs[count:])


def _scan(args: list[Any], params: dict[str, Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    """The first failure is a further carry."""
    program, layout = checked(params["jaxpr"], rules, key)
    if not layout.sites:
        return scan.scan_p.bind(*args, **params), NONE
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    end, size = num_consts + num_carry, layout.size

    def body(*xs: Any) -> list[Any]:
        before = layout.failure(xs[num_consts : num_consts + size])
        outs = evaluate(program.jaxpr, program.consts, *xs[:num_consts], *xs[num_consts + size :])
        after = first_of(before, layout.failure(outs[len(outs) - size :]))
        return layout.flat(after) + outs[: len(outs) - size]

    start = layout.flat(NONE)
    avals = program.in_avals
    state = [get_aval(x) for x in start]
    made = stage(body, [*avals[:num_consts], *state, *avals[num_consts:]])
    rest = {name: params[name] for name in ("length", "reverse", "unroll")}
    outs = scan.bind(args[:num_consts], [*start, *args[num_consts:end]], args[end:], made, rest)
    return outs[size:], layout.failure(outs[:size])


def _while(args: list[Any], params: dict[str, Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    """The condition becomes a carry, with the first failure."""
    cond, cond_layout = checked(params["cond_jaxpr"], rules, key)
    body, body_layout = checked(params["body_jaxpr"], rules, key)
    layout = cond_layout.join(body_layout)
    cond_consts, body_consts, init = operand_parts(args, params)
    if not layout.sites:
        return bind_while(params["cond_jaxpr"], params["body_jaxpr"], cond_consts, body_consts, init), NONE

    def test(consts: Sequence[Any], carry: Sequence[Any], before: Failure) -> list[Any]:
        pred, *failure = evaluate(cond.jaxpr, cond.consts, *consts, *carry)
        found = layout.flat(first_of(before, cond_layout.failure(failure)))
        if (
            key == GUARDS and not get_aval(pred).shape
        ):  # nobody sees what a loop gives after its first failure
            pred = ew.and_p.bind(pred, ew.eq_p.bind(found[0], CODE.type(0)))
        return [pred, *found]

    size, first, second = layout.size, len(cond_consts), len(cond_consts) + len(body_consts)

    def step(*xs: Any) -> list[Any]:
        state, carry = xs[second : second + 1 + size], xs[second + 1 + size :]
        outs = evaluate(body.jaxpr, body.consts, *xs[first:second], *carry)
        count = len(outs) - body_layout.size
        failure = first_of(layout.failure(state[1:]), body_layout.failure(outs[count:]))
        return [*test(xs[:first], outs[:count], failure), *outs[:count]]

    start = test(cond_consts, init, NONE)
    state = [get_aval(x).strip_weak_type() for x in start]
    carry = body.in_avals[len(body_consts) :]
    consts = [*cond.in_avals[:first], *body.in_avals[: len(body_consts)]]
    program = stage(step, [*consts, *state, *carry])
    holds = stage(lambda pred, *_: [pred], [*state, *carry])
    outs = bind_while(holds, program, [], [*cond_consts, *body_consts], [*start, *init])
    return outs[1 + size :], layout.failure(outs[1 : 1 + size])


def _while_in_lanes(
    args: list[Any], params: dict[str, Any], rules: Rules, key: Any
) -> tuple[list[Any], Failure]:
    """A batched loop: checks are made in one example's loop, so that finished examples fail no more."""
    lanes = params["lanes"]
    example = {**params, "cond_jaxpr": lanes.cond_jaxpr, "body_jaxpr": lanes.body_jaxpr, "lanes": None}
    cond_avals = lanes.cond_jaxpr.in_avals[: params["cond_nconsts"]]
    loop_key = ("checked lanes", key, lanes.cond_jaxpr, params["cond_nconsts"])
    cache = lanes.body_jaxpr.cache
    if loop_key not in cache:
        layout = Layout((), {})

        def loop(*xs: Any) -> list[Any]:
            nonlocal layout
            outs, failure = _while(list(xs), example, rules, key)
            layout = Layout(tuple(failure.payload), failure.sites)
            return outs + layout.flat(failure)

        cache[loop_key] = Checked(stage(loop, [*cond_avals, *lanes.body_jaxpr.in_avals]), layout)
    program, layout = cache[loop_key]
    dims = (*lanes.cond_dims, *lanes.body_dims, *lanes.init_dims)
    batched, out_dims = batch_jaxpr(program, lanes.size, dims)
    found = evaluate(batched.jaxpr, batched.consts, *args)
    outs = [place_axis(y, d, lanes.size, 0) for y, d in zip(found, out_dims, strict=True)]
    count = len(outs) - layout.size
    failure = layout.failure(outs[count:])
    return outs[:count], NONE if failure.code is None else _last_that_failed(failure)


_MASKED = (
    "checkify cannot look into this loop: vmap made one loop of examples that stop at different steps, in which checks "
    "of finished examples cannot be told from the others. Move vmap outside: vmap(checkify(f)) in place of "
    "checkify(vmap(f))."
)


def _cond(args: list[Any], params: dict[str, Any], rules: Rules, key: Any) -> tuple[list[Any], Failure]:
    """Branches return failures of one layout."""
    branches = [checked(b, rules, key) for b in params["branches"]]
    layout = Layout((), {})
    for branch in branches:
        layout = layout.join(branch.layout)
    if not layout.sites:
        return cond_p.bind(*args, **params), NONE

    def padded(branch: Checked) -> ClosedJaxpr:
        def fun(*xs: Any) -> list[Any]:
            outs = evaluate(branch.closed.jaxpr, branch.closed.consts, *xs)
            count = len(outs) - branch.layout.size
            return outs[:count] + layout.flat(branch.layout.failure(outs[count:]))

        return stage(fun, branch.closed.in_avals)

    programs, consts = close_over_all([padded(b) for b in branches])
    outs = cond_p.bind(args[0], *consts, *args[1:], branches=tuple(programs))
    count = len(outs) - layout.size
    return outs[:count], layout.failure(outs[count:])


_CONTROL = {"jit": _call, "scan": _scan, "while": _while, "cond": _cond}


# -- automatic checks ---------------------------------------------------------------------------------

# They move, choose or mark values, so that they make no NaN of their own: who gave the operand is named.
_MOVES = frozenset(
    "abs bitcast_convert_type broadcast_in_dim ceil clamp complex concatenate conj convert_element_type copy "
    "copy_p dynamic_slice dynamic_update_slice expand_dims floor gather io_callback iota keep_apart max min neg "
    "nextafter optimization_barrier pad pure_callback reduce_max reduce_min reduce_window_max reduce_window_min "
    "reshape rev round scatter scatter-add scatter-max scatter-min scatter-mul select_n sign slice sort split "
    "squeeze stop_gradient top_k transpose windows".split()
)


def nan_failure(kind: Any, eqn: JaxprEqn, outs: Sequence[Any]) -> Failure:
    """Whether an operation gave a NaN."""
    if eqn.primitive.name in _MOVES:
        return NONE
    failure = NONE
    for y in outs:
        aval = get_aval(y)
        if aval.dtype.kind not in "fcV" or aval.dtype.names or not aval.size:
            continue
        bad = ew.ne_p.bind(y, y)
        name = eqn.primitive.name
        text = lambda _, name=name: f"nan generated by primitive: {name}."  # noqa: E731
        site = Site(kind, text, source=eqn.source)
        failure = first_of(failure, at_site(_any(bad), site))
    return failure


def division_failure(kind: Any, eqn: JaxprEqn, args: Sequence[Any]) -> Failure:
    """Whether something was divided by zero."""
    if eqn.primitive.name != "div":
        return NONE
    divisor = args[1]
    zero = ew.eq_p.bind(divisor, get_aval(divisor).dtype.type(0))
    return at_site(_any(zero), Site(kind, lambda _: "division by zero", source=eqn.source))


def index_failure(kind: Any, eqn: JaxprEqn, args: Sequence[Any]) -> Failure:
    """Whether an index was out of bounds."""
    name, params = eqn.primitive.name, eqn.params
    shape = get_aval(args[0]).shape if args else ()
    if name == "dynamic_slice":
        axes = zip(range(len(shape)), args[1:], params["slice_sizes"], strict=True)
    elif name == "dynamic_update_slice":
        axes = zip(range(len(shape)), args[2:], get_aval(args[1]).shape, strict=True)
    elif name == "gather":
        dnums, sizes = params["dimension_numbers"], params["slice_sizes"]
        axes = _components(args[1], dnums.start_index_map, sizes)
    elif name.startswith("scatter"):
        dnums = params["dimension_numbers"]
        whole = iter([get_aval(args[2]).shape[d] for d in dnums.update_window_dims])
        inserted = {*dnums.inserted_window_dims, *dnums.operand_batching_dims}
        sizes = tuple([1 if d in inserted else next(whole) for d in range(len(shape))])
        axes = _components(args[1], dnums.scatter_dims_to_operand_dims, sizes)
    else:
        return NONE
    failure = NONE
    for axis, index, size in axes:
        failure = first_of(failure, _out_of_bounds(kind, eqn.source, shape, axis, index, size))
    return failure


def _components(indices: Any, axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """For each component of index vectors: the operand's axis, the indices, the window's size."""
    shape = get_aval(indices).shape
    for k, axis in enumerate(axes):
        starts = (0,) * (len(shape) - 1)
        part = raw.slice_(indices, (*starts, k), (*shape[:-1], k + 1))
        yield axis, raw.reshape(part, shape[:-1]), sizes[axis]


def _out_of_bounds(
    kind: Any, source: Any, shape: tuple[int, ...], axis: int, index: Any, size: int
) -> Failure:
    aval = get_aval(index)
    if not aval.size:
        return NONE
    if aval.dtype != CODE:
        index = ew.convert_element_type_p.bind(index, new_dtype=CODE, weak_type=False)
    bad = ew.or_p.bind(ew.gt_p.bind(index, CODE.type(shape[axis] - size)), ew.lt_p.bind(index, CODE.type(0)))
    flat, wrong = raw.reshape(index, (aval.size,)), raw.reshape(bad, (aval.size,))
    which = argmax_p.bind(wrong, axes=(0,), index_dtype=CODE)
    shown = _at(flat, which)

    def text(payload: Sequence[Any]) -> str:
        return (
            f"out-of-bounds indexing for array of shape {shape}: index {int(to_numpy(payload[0]))} is out of bounds for axis "
            f"{axis} with size {shape[axis]}. "
        )

    return at_site(_any(bad), Site(kind, text, [shaped_array((), CODE)], source), [shown])


def _any(x: Any) -> Any:
    return reduce_or(x, range(get_aval(x).ndim)) if get_aval(x).ndim else x
