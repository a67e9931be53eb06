"""What converted statements call: plain Python while conditions are known, ``cond`` and loops once they are traced."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._base import dtypes, sources
from jitney._base.config import config
from jitney._base.errors import TracerBoolConversionError
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.staging import DebugInfo, hoist_tracers, stage
from jitney._core.trace import Tracer, current_trace, get_aval, is_array_like
from jitney._flow import rolling
from jitney._flow.assigning import is_stale, outdate
from jitney._flow.parts import is_traced, part_of, run, statement
from jitney._flow.sources import OURS
from jitney._flow.steps import Numbered, TracedRange, rest
from jitney._flow.watching import unchanged_arrays, undrawn, user_frame

# -- variables without a value ----------------------------------------------------------------------------


class Unset:
    """A variable that has no value, and why; every use of it raises."""

    __slots__ = ("_name", "_why")

    def __init__(self, name: str = "", why: str = "") -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_why", why)

    def _raise(self, *_: Any, **__: Any) -> Any:
        why = f": {self._why}" if self._why else ""
        raise UnboundLocalError(f"cannot access local variable {self._name!r}, which has no value{why}")

    def __repr__(self) -> str:
        return f"<{self._name} has no value>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__jax_array__":
            raise AttributeError(name)
        return self._raise()


def _refusing(name: str) -> None:
    setattr(Unset, name, Unset._raise)


for _operator in """add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul neg pos abs
        invert and rand or ror xor rxor lshift rlshift rshift rrshift lt le gt ge getitem setitem len iter bool int float complex
        index call jax_array array""".split():
    _refusing(f"__{_operator}__")


def unset(name: str = "") -> Unset:
    return Unset(name)


class Raised(Unset):
    """What a function returns where it raises: nobody will see it."""

    __slots__ = ()


def _is_value(x: Any) -> bool:
    return not isinstance(x, Unset) and is_array_like(x)


def _is_own(name: str) -> bool:
    """Whether a variable is one of those that stand for a jump."""
    return name.startswith(OURS)


# -- conditions -------------------------------------------------------------------------------------------


def _known(value: Any) -> bool | None:
    """The truth of a value, None if it is traced."""
    if not isinstance(value, Tracer):
        return bool(value)
    if config.jitney_python_control_flow and _is_hidden(value):
        return None
    try:
        return bool(value)
    except TracerBoolConversionError:
        if not config.jitney_python_control_flow:
            raise
        return None


def _is_hidden(value: Tracer) -> bool:
    """Whether asking for the truth would raise that it is traced: an error that looks for its origins in the whole program."""
    usual = type(value).__bool__ is Tracer.__bool__ and getattr(value._trace, "alive", True)
    return usual and value.concrete() is None


def _truth(value: Any) -> Any:
    aval = get_aval(value)
    return value if aval.dtype == bool else jnp.not_equal(value, 0)


def and_(*parts: Callable[[], Any]) -> Any:
    return _joined(parts, True)


def or_(*parts: Callable[[], Any]) -> Any:
    return _joined(parts, False)


def _joined(parts: Sequence[Callable[[], Any]], going: bool) -> Any:
    """``and`` (``or``): parts are evaluated while they are true (false); a traced one does not stop the others."""
    traced: list[Any] = []
    value: Any = going
    for part in parts:
        value = part()
        known = _known(value)
        if known is None:
            traced.append(value)
        elif known is not going:
            break
    if not traced:
        return value
    if _known(value) is not None:
        if _known(value) is not going:
            return value if len(traced) == 0 else _fold(traced, value, going)
        traced = traced if traced[-1] is value else [*traced, value]
    return _fold(traced[:-1], traced[-1], going)


def _fold(values: Sequence[Any], last: Any, going: bool) -> Any:
    out = last
    for value in reversed(values):
        if get_aval(value).dtype == bool and get_aval(out).dtype == bool:
            out = jnp.logical_and(value, out) if going else jnp.logical_or(value, out)
        else:
            out = jnp.where(_truth(value), out, value) if going else jnp.where(_truth(value), value, out)
    return out


def not_(value: Any) -> Any:
    known = _known(value)
    return jnp.logical_not(value) if known is None else not known


def all_of(*values: Any) -> Any:
    """A chain of comparisons."""
    return _joined([lambda v=v: v for v in values], True)


def in_(value: Any, items: Any) -> Any:
    """``value in items``: members of lists, tuples and sets are compared one after the other, those of arrays at once."""
    if isinstance(items, Tracer) or is_array_like(items) and isinstance(value, Tracer):
        return jnp.any(jnp.equal(items, value))
    if isinstance(items, range) and isinstance(value, Tracer):
        return _in_range(value, items)
    if isinstance(items, (list, tuple, set, frozenset)) and _any_traced(value, *items):
        return _joined([lambda item=item: value is item or value == item for item in items], False)
    return value in items


def _in_range(value: Any, items: range) -> Any:
    if not items:
        return False
    ends = sorted((items[0], items[-1]))
    steps = jnp.subtract(value, items[0]) % items.step
    return all_of(value >= ends[0], value <= ends[1], steps == 0)


def _any_traced(*values: Any) -> bool:
    return any(isinstance(value, Tracer) for value in values)


def none_of(*values: Any) -> Any:
    """Whether none of the flags is set."""
    return not_(_joined([lambda v=v: v for v in values], False))


def is_(value: Any, constant: Any) -> Any:
    """``value is constant``, of None, True or False; a traced truth is the one that it equals."""
    if not isinstance(value, Tracer) or constant is None or get_aval(value).dtype != bool:
        return value is constant
    return value if constant else jnp.logical_not(value)


def is_sequence(value: Any, size: int) -> bool:
    """Whether a pattern of ``size`` parts can match."""
    return isinstance(value, (list, tuple)) and len(value) == size


def choose(test: Any, then: Callable[[], Any], other: Callable[[], Any], line: int) -> Any:
    known = _known(test)
    if known is not None:
        return then() if known else other()
    (out,) = _branches(test, then, other, ("the expression",), line, alone=True)
    return out


def assert_(test: Any, message: Callable[[], Any], line: int) -> None:
    known = _known(test)
    if known is None:
        _fail_where(jnp.logical_not(_truth(test)), AssertionError, message(), line)
    elif not known:
        said = message()
        raise AssertionError(said.text() if isinstance(said, told) else said)


def raised(error: Any, line: int) -> Raised:
    """``raise error`` in a part that is traced: when the program gets there."""
    error = error() if isinstance(error, type) else error
    if not isinstance(error, Exception):
        raise TypeError("exceptions must derive from Exception")
    said = error.args[0] if len(error.args) == 1 else ""
    _fail_where(jnp.asarray(True), type(error) if _is_made_of_text(error) else _again(error), said, line)
    return Raised()


def _is_made_of_text(error: Exception) -> bool:
    try:
        return len(error.args) < 2 and type(error)("text").args == ("text",)
    except Exception:
        return False


def _again(error: Exception) -> Any:
    """Makes exceptions like one that was made while tracing."""

    def make(_: str) -> Exception:
        return copy.copy(error)

    make.__name__ = type(error).__name__
    return make


def _fail_where(fails: Any, error: Any, said: Any, line: int) -> None:
    from jitney._control.guards import require

    text, values = _message(said)
    where = sources.resolve(sources.here())
    require(
        fails,
        error,
        text,
        values,
        source=None if where is None else where._replace(line=line, column=-1),
    )


class told:  # noqa: N801
    """An f-string whose values are written into it when it is shown; ``parts`` are texts and (value, conversion, format)."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def text(self) -> str:
        return "".join(x if isinstance(x, str) else _field(x[1:]).format(x[0]) for x in self.parts)

    __str__ = text

    def fields(self) -> tuple[str, list[Any]]:
        """The text with fields for the traced numbers, and these."""
        texts, values = [], []
        for x in self.parts:
            if (
                not isinstance(x, str)
                and isinstance(x[0], Tracer)
                and x[0].ndim == 0
                and x[0].concrete() is None
            ):
                texts.append(_field(x[1:]))
                values.append(x[0])
            else:
                text = x if isinstance(x, str) else _field(x[1:]).format(x[0])
                texts.append(text.replace("{", "{{").replace("}", "}}"))
        return "".join(texts), values


def _field(how: tuple[int, str]) -> str:
    conversion, spec = how
    return "{" + (f"!{chr(conversion)}" if conversion >= 0 else "") + (f":{spec}" if spec else "") + "}"


def _message(said: Any) -> tuple[str, list[Any]]:
    if isinstance(said, told):
        return said.fields()
    return ("" if said is None else str(said)).replace("{", "{{").replace("}", "}}"), []


# -- branches ---------------------------------------------------------------------------------------------


def if_(test: Any, then: Any, other: Any, state: tuple, names: tuple, line: int) -> tuple:
    known = _known(test)
    if known is not None:
        return run(False, then if known else other, *state)
    return _branches(test, partial(then, *state), partial(other, *state), names, line)


def unless_left(test: Any, then: Any, other: Any, state: tuple, names: tuple, line: int) -> tuple:
    """``if_`` around the rest of a block: after a jump nobody reads what the rest sets."""
    known = _known(test)
    if known is not None:
        return run(False, then if known else other, *state)
    return _branches(test, partial(then, *state), partial(other, *state), names, line, reached=True)


def returned(
    test: Any,
    then: Any,
    other: Any,
    state: tuple,
    names: tuple,
    line: int,
    shared: tuple = (),
    get: Any = tuple,
    put: Any = None,
) -> Any:
    """What one of two branches returns; ``get`` and ``put`` reach variables of functions around (``shared``) that they assign."""
    known = _known(test)
    if known is not None:
        return run(False, then if known else other, *state)

    def whole(part: Any) -> Any:
        return part_of(part)(lambda: (part(*state), *get()))

    out, *after = _branches(test, whole(then), whole(other), ("the result", *shared), line)
    if shared:
        put(*after)
    return None if isinstance(out, Raised) and not is_traced() else out


class _Part:
    """A branch or loop body as a program, and what it gives each variable."""

    def __init__(
        self, part: Callable[..., Any], avals: Sequence[ShapedArray] = (), alone: bool = False
    ) -> None:
        self.values: list[Any] = []
        self.changed: list[Any] = []  # of each input, why it is stale

        def flat(*inputs: Any) -> list[Any]:
            current_trace().is_part = True  # type: ignore[union-attr]
            with unchanged_arrays(user_frame()):
                found = run(True, part, *inputs)
            self.values = [_taken_apart(value) for value in ((found,) if alone else found)]
            self.changed = [x._trace if is_stale(x) else None for x in inputs]
            return [leaf for leaves, _ in self.values for leaf in leaves if _is_value(leaf)]

        closed, self.outer = hoist_tracers(stage(flat, avals, DebugInfo("jit", flat, [])))
        self.closed: ClosedJaxpr = closed
        self.types = iter(closed.out_avals)
        self.values = [
            ([next(self.types) if _is_value(leaf) else leaf for leaf in leaves], spec)
            for leaves, spec in self.values
        ]

    def __call__(self, *inputs: Any) -> list[Any]:
        return evaluate(self.closed.jaxpr, self.closed.consts, *self.outer, *inputs)


def _taken_apart(value: Any) -> tuple[list[Any], Any]:
    if isinstance(value, Unset):
        return [value], None
    leaves, spec = tree.flatten(value)
    if any(map(is_stale, leaves)):  # a name that would show the change of another: it must not be read
        return [Unset("", "an array that it shared its elements with was changed under another name")], None
    return leaves, spec


def _branches(
    test: Any,
    then: Any,
    other: Any,
    names: Sequence[str],
    line: int,
    reached: bool = False,
    alone: bool = False,
) -> tuple:
    """Both branches as programs; variables as ``cond`` gives them.

    ``reached``: what one branch sets is read after it only; ``alone``: a branch gives one value, not a tuple of them.
    """
    shape = get_aval(test).shape
    if shape:
        raise ValueError(
            f"line {line}: The truth value of an array of shape {shape} is ambiguous. Use a.any() or a.all()."
        )
    with statement():
        return _traced_branches(test, [_Part(then, (), alone), _Part(other, (), alone)], names, line, reached)


def _traced_branches(
    test: Any, parts: Sequence[_Part], names: Sequence[str], line: int, reached: bool
) -> tuple:
    plans = [
        _merged(name, a, b, line, reached)
        for name, a, b in zip(names, parts[0].values, parts[1].values, strict=True)
    ]
    wanted = [aval for leaves, _ in plans for aval in leaves if type(aval) is ShapedArray]

    def branch(which: int) -> Callable[..., list[Any]]:
        def run() -> list[Any]:
            found, out = iter(parts[which]()), []
            for (mine, _), (leaves, _) in zip(parts[which].values, plans, strict=True):
                given = [next(found) if type(leaf) is ShapedArray else leaf for leaf in mine]
                for leaf, aval in zip(given if len(given) == len(leaves) else leaves, leaves, strict=True):
                    if type(aval) is ShapedArray:
                        out.append(_as(leaf if not isinstance(leaf, (Unset, ShapedArray)) else None, aval))
            return out

        return run

    needed = wanted or any(part.closed.jaxpr.effects for part in parts)  # such as prints
    results = iter(lax.cond(_truth(test), branch(0), branch(1)) if needed else [])
    return tuple([_put_together(leaves, spec, results) for leaves, spec in plans])


def _as(value: Any, aval: ShapedArray) -> Any:
    if value is None:
        return jnp.zeros(aval.shape, aval.dtype)
    out = jnp.asarray(value).astype(aval.dtype)
    return out if get_aval(out).shape == aval.shape else jnp.broadcast_to(out, aval.shape)


def _put_together(leaves: Sequence[Any], spec: Any, results: Any) -> Any:
    leaves = [next(results) if type(leaf) is ShapedArray else leaf for leaf in leaves]
    return leaves[0] if spec is None else spec.unflatten(leaves)


def _merged(name: str, first: Any, second: Any, line: int, reached: bool) -> tuple[list[Any], Any]:
    """The common form of what two branches give a variable."""
    for one, other in ((first, second), (second, first)):
        if _never_seen(one):
            return one if other[1] is None and not other[0][0]._why else other
    (a, a_spec), (b, b_spec) = first, second
    if a_spec is None and b_spec is None:
        return a, None
    stale = next((v[0]._why for v, spec in (first, second) if spec is None and v[0]._why), None)
    if stale and not _is_own(name):
        return [Unset(name, stale)], None
    if a_spec is None or b_spec is None:
        given, spec, missing = (b, b_spec, "if") if a_spec is None else (a, a_spec, "else")
        if reached or _is_own(name):
            return given, spec
        return [
            Unset(
                name,
                f"it is set in one branch only of the `if` of line {line}, not where it is {'true' if missing == 'if' else 'false'}",
            )
        ], None
    if a_spec != b_spec:
        raise TypeError(
            f"line {line}: {name} has another structure in each branch of a condition that is traced: {_outline(a_spec)} if it is "
            f"true, {_outline(b_spec)} if not."
        )
    return [_merged_leaf(name, x, y, line) for x, y in zip(a, b, strict=True)], a_spec


def _never_seen(value: tuple[list[Any], Any]) -> bool:
    """The result of a part that raises, or that a jump which is never taken would have returned."""
    leaves, spec = value
    if spec is not None:
        return False
    (leaf,) = leaves
    return isinstance(leaf, Raised) or not leaf._why and (not leaf._name or _is_own(leaf._name))


def _outline(spec: Any) -> str:
    """A structure as messages show it: ``*`` is an array or a number."""
    text = str(spec).removeprefix("PyTreeDef(").removesuffix(")")
    return "one value" if text == "*" else text


def _merged_leaf(name: str, a: Any, b: Any, line: int) -> Any:
    if type(a) is ShapedArray and type(b) is ShapedArray:
        return _common(
            name, a, b, f"line {line}: {name} has another shape in each branch of a condition that is traced"
        )
    if a is b or type(a) is type(b) and type(a) is not ShapedArray and _equal(a, b):
        return a
    raise TypeError(
        f"line {line}: {name} is {_shown(a)} in one branch and {_shown(b)} in the other of a condition that is traced: "
        "only arrays and numbers can depend on it."
    )


def _shown(x: Any) -> str:
    return x.str_short() if type(x) is ShapedArray else repr(x)


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:
        return False


def _common(name: str, a: ShapedArray, b: ShapedArray, what: str) -> ShapedArray:
    if a.shape != b.shape:
        raise TypeError(f"{what}: {a.str_short()} and {b.str_short()}.")
    dtype, weak = dtypes.promote(((a.dtype, a.weak_type), (b.dtype, b.weak_type)))
    return shaped_array(a.shape, dtype, weak)


# -- loops ------------------------------------------------------------------------------------------------


def while_(test: Any, body: Any, state: tuple, names: tuple, line: int) -> tuple:
    for number in itertools.count():
        known = _known(test(*state))
        if known is None or known and number == rolling.STEPS and rolling.wanted(None, body, line):
            return _staged_while(test, body, state, names, line)
        if not known:
            break
        state = run(False, body, *state)
    return state


def for_(items: Any, body: Any, state: tuple, stop: int, names: tuple, line: int) -> tuple:
    if isinstance(items, TracedRange):
        return _staged_for(items, lambda i: i, body, state, stop, names, line)
    if isinstance(items, Numbered) and items.plain is None:
        return _staged_for(TracedRange(0, items.count, 1), items.item, body, state, stop, names, line)
    before = rolling.made()
    for number, item in enumerate(items):
        known = _known(state[stop]) if stop >= 0 else False
        if known:
            break
        if (
            known is None
            and rolling.possible(items, body, line)
            or number == 1
            and rolling.wanted(items, body, line, around=rolling.made() > before)
        ):
            with undrawn(user_frame()):
                return _staged_for(*rest(items, number), body, state, stop, names, line, sure=known is False)
        if known is None:
            state = if_(
                none_of(state[stop]), lambda *s, item=item: body(item, *s), lambda *s: s, state, names, line
            )
        else:
            state = run(False, body, item, *state)
    return state


def _staged_for(
    items: TracedRange,
    item_of: Any,
    body: Any,
    state: tuple,
    stop: int,
    names: tuple,
    line: int,
    sure: bool = False,
) -> tuple:
    start, step = items.start, items.step
    ahead = _known(jnp.greater(step, 0)) if not isinstance(step, int) else step > 0

    def test(i: Any, *state: Any) -> Any:
        if ahead is None:
            going = jnp.where(jnp.greater(step, 0), i < items.stop, i > items.stop)
        else:
            going = i < items.stop if ahead else i > items.stop
        return going if stop < 0 else and_(lambda: none_of(state[stop]), lambda: going)

    @part_of(body)
    def run(i: Any, *state: Any) -> tuple:
        return (i + step, *body(item_of(i), *state))

    kind = jnp.result_type(*[x for x in (start, items.stop, step)])
    first = jnp.asarray(start, kind)
    _, *out = _staged_while(test, run, (first, *state), (f"{OURS}counter", *names), line, sure)
    return tuple(out)


def _staged_while(
    test: Any, body: Any, state: tuple, names: Sequence[str], line: int, sure: bool = False
) -> tuple:
    """A loop of the program; ``sure``: it makes a step at least."""
    rolling.count_one()
    with statement():
        return _traced_while(test, body, state, names, line, sure)


def _traced_while(test: Any, body: Any, state: tuple, names: Sequence[str], line: int, sure: bool) -> tuple:
    taken = [_taken_apart(value) for value in state]
    plan = [([get_aval(x) if _is_value(x) else x for x in leaves], spec) for leaves, spec in taken]
    started = list(taken)
    for _ in range(8):
        part = _Part(part_of(body)(lambda *inputs, p=plan: body(*_filled(p, inputs))), _types(plan))
        after = [
            _after(name, before, found, line)
            for name, before, found in zip(names, plan, part.values, strict=True)
        ]
        if [_key(p) for p in after] == [_key(p) for p in plan]:
            break
        plan = after
    else:
        raise TypeError(
            f"line {line}: the types of {', '.join(names)} do not settle from step to step of a traced loop."
        )
    lately = [spec is None and _key(now) != (None,) for (_, spec), now in zip(taken, plan, strict=True)]
    init = []
    for (leaves, _), (types, _) in zip(started, plan, strict=True):
        given = leaves if len(leaves) == len(types) else [None] * len(types)
        init += [
            _as(None if isinstance(x, Unset) else x, aval)
            for x, aval in zip(given, types, strict=True)
            if type(aval) is ShapedArray
        ]

    def go(carry: list[Any]) -> Any:
        value = test(*_filled(plan, carry))
        known = _known(value)
        return _truth(value) if known is None else jnp.asarray(known)

    def step(carry: list[Any]) -> list[Any]:
        found, out = iter(part(*carry)), []
        for (mine, _), (types, _) in zip(part.values, plan, strict=True):
            given = [next(found) if type(x) is ShapedArray else x for x in mine]
            given = given if len(given) == len(types) else [None] * len(types)
            for value, aval in zip(given, types, strict=True):
                if type(aval) is ShapedArray:
                    out.append(_as(None if isinstance(value, Unset) else value, aval))
        return out

    results = iter(lax.while_loop(go, step, init))
    values = [_put_together(leaves, spec, results) for leaves, spec in plan]
    _outdate_starts(started, plan, part.changed)
    for number, (late, name) in enumerate(zip(lately, names, strict=True)):
        if late and not sure and not _is_own(name):
            values[number] = Unset(
                name,
                f"it is set only inside of the loop of line {line}, which may make no step; set it before",
            )
    return tuple(values)


def _outdate_starts(started: Sequence[Any], plan: Sequence[Any], changed: Sequence[Any]) -> None:
    """What a loop assigned items of is changed outside, too."""
    why = iter(changed)
    for (leaves, _), (types, _) in zip(started, plan, strict=True):
        given = leaves if len(leaves) == len(types) else [None] * len(types)
        for x, aval in zip(given, types, strict=True):
            if type(aval) is ShapedArray:
                stale = next(why)
                if stale is not None:
                    outdate(x, stale)


def _types(plan: Sequence[Any]) -> list[ShapedArray]:
    return [x for leaves, _ in plan for x in leaves if type(x) is ShapedArray]


def _filled(plan: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    given = iter(inputs)
    return [_put_together(leaves, spec, given) for leaves, spec in plan]


def _key(entry: Any) -> Any:
    leaves, spec = entry
    return (
        (spec, *[x if type(x) is ShapedArray else id(type(x)) for x in leaves])
        if spec is not None
        else (None,)
    )


def _after(name: str, before: Any, found: Any, line: int) -> Any:
    """The form of a variable that has ``before`` at the start of a step and ``found`` after it."""
    (a, a_spec), (b, b_spec) = before, found
    if _never_seen(found) and a_spec is not None:
        return before
    if b_spec is None and a_spec is not None:
        return [Unset(name, found[0][0]._why)], None
    if a_spec is None:
        return found
    if a_spec != b_spec:
        raise TypeError(
            f"line {line}: {name} changes its structure in a step of a traced loop, from {a_spec} to {b_spec}."
        )
    return [_after_leaf(name, x, y, line) for x, y in zip(a, b, strict=True)], a_spec


def _after_leaf(name: str, a: Any, b: Any, line: int) -> Any:
    if type(a) is ShapedArray and type(b) is ShapedArray:
        return _common(name, a, b, f"line {line}: {name} changes its shape in a step of a traced loop")
    if a is b or type(a) is type(b) and _equal(a, b):
        return a
    raise TypeError(
        f"line {line}: {name} is {_shown(a)} before and {_shown(b)} after a step of a traced loop: only arrays and numbers "
        "can change in it."
    )
