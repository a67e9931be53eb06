"""Guards: checks that are recorded beside the operations of a function while a switch of the configuration asks for them.

A guard is a ``check`` (``checks.py``) whose failure raises by itself: at once in eager code, and when a compiled program
returns, of which the first failure is one more result.  They are recorded where the user's function calls an operation,
hence before any transformation: a branch that an example does not take does not fail.

Begin at :func:`require`; :func:`switch` puts the rules of ``overflow.py`` beside the traces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._base import sources
from jitney._control import checks, evaluation
from jitney._control.checks import GUARDS, Failure, Layout, Site, check_p
from jitney._control.guarding import quietly, wanted
from jitney._control.jit import native, observed
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, evaluate
from jitney._core.staging import StagingTrace, stage
from jitney._core.trace import current_trace, get_aval, to_numpy
from jitney._transforms.batching import BatchTrace, batch_jaxpr
from jitney._transforms.jet import JetTrace
from jitney._transforms.jvp import JVPTrace


class Guard(Site):
    """The place of a guard. Equal guards have equal numbers in all processes, so that programs with them can be kept."""

    __slots__ = ("error", "shown")
    is_guard = True

    def __init__(self, error: type[Exception], text: str, avals: Sequence[ShapedArray], source: Any) -> None:
        super().__init__(error, self._said, avals, source)
        self.error, self.shown = error, text
        where = sources.resolve(source)
        place = None if where is None else tuple(where)
        self.number = _number(repr((error.__name__, text, self.slots, place)))

    def _said(self, values: Sequence[Any]) -> str:
        return self.shown.format(*[to_numpy(v).item() for v in values])

    def exception(self, values: Sequence[Any]) -> Exception:
        text, where = self.text(values), sources.excerpt(self.source, "      ")
        place = f"  at {where}" if where else ""
        error = self.error("\n".join(filter(None, (text, place))))
        if place and place not in str(error):  # a class that shows its arguments in a form of its own
            error = self.error(text)
            error.add_note(place)
        return error


def _number(text: str) -> int:
    from hashlib import blake2b

    return 1 + int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "little")


def require(
    fails: Any, error: type[Exception], text: str, values: Sequence[Any] = (), source: Any = None
) -> None:
    """Raise ``error`` where the boolean array ``fails`` holds; ``text`` has a field for each of the scalars ``values``.

    ``source`` is where in the user's code, by default the line that runs.
    """
    with quietly():
        if current_trace() is None:
            if to_numpy(fails).any():  # the traceback shows where
                raise error(text.format(*[to_numpy(v).item() for v in values]))
            return
        avals = [get_aval(v).strip_weak_type() for v in values]
        site = Guard(error, text, avals, sources.here() if source is None else source)
        checks.bind_check(checks.at_site(checks._any(fails), site, values))


# -- programs -------------------------------------------------------------------------------------------


def _own(eqn: JaxprEqn, args: Sequence[Any], _: Sequence[Any]) -> Failure | None:
    """The failures of guards; checks of the user's stay."""
    if eqn.primitive is not check_p:
        return checks.NONE
    layout = eqn.params["layout"].layout
    return layout.failure(args) if layout.is_guard else None


class Guarded:
    """A program with guards: runs one that returns its failure, and raises that."""

    __slots__ = ("closed", "layout")

    def __init__(self, closed: ClosedJaxpr) -> None:
        with quietly():
            self.closed, self.layout = checks.checked(closed, _own, GUARDS)

    def execute(self, args: Sequence[Any]) -> list[Any]:
        return self.results(observed(self.closed).execute(list(args)))

    def results(self, outs: Sequence[Any]) -> list[Any]:
        """The results of a run without the failure; raises if there is one."""
        count = len(outs) - self.layout.size
        if count < len(outs):
            code = to_numpy(outs[count]).item()
            if code:
                site = self.layout.sites[code]
                values = dict(zip(self.layout.slots, outs[count + 1 :], strict=True))
                raise site.exception([values[slot] for slot in site.slots])
        return list(outs[:count])

    def compiled(self, out_tree: Any) -> tuple[Any, Callable[[list[Any]], Any]]:
        """For the dispatcher: the native program, and what makes the result of its results."""
        return native(self.closed), lambda outs: tree.unflatten(out_tree, self.results(outs))


def guarded(closed: ClosedJaxpr) -> Guarded:
    """The guarded program of ``closed``."""
    if GUARDS not in closed.cache:
        closed.cache[GUARDS] = Guarded(closed)
    return closed.cache[GUARDS]


def batch_guarded(
    primitive: Any, size: int, args: Sequence[Any], dims: Sequence[int | None], params: dict[str, Any]
) -> tuple[list[Any], list[int | None]]:
    """The batch of a loop or a branch with guards, of which examples run different parts: their failures are results first."""
    eqn = JaxprEqn(primitive, (), (), params, sources.here())
    avals = [
        a if d is None else a.update(shape=a.shape[:d] + a.shape[d + 1 :])
        for a, d in zip(map(get_aval, args), dims, strict=True)
    ]
    layout = Layout((), {})

    def one(*xs: Any) -> list[Any]:
        nonlocal layout
        outs, failure = checks._run_eqn(eqn, list(xs), _own, GUARDS)
        layout = Layout(tuple(failure.payload), failure.sites)
        return outs + layout.flat(failure)

    with quietly():
        program, out_dims = batch_jaxpr(stage(one, avals), size, tuple(dims))
        outs = evaluate(program.jaxpr, program.consts, *args)
        count = len(outs) - layout.size
        placed = [
            checks.place_axis(y, d, size, 0) for y, d in zip(outs[count:], out_dims[count:], strict=True)
        ]
        checks.bind_check(layout.failure(placed))
    return outs[:count], list(out_dims[:count])


def has_guards(*programs: ClosedJaxpr) -> bool:
    return any(guard_effect in p.effects for p in programs)


# -- rules beside the traces ------------------------------------------------------------------------------

Rule = Callable[[Sequence[Any], Any, dict[str, Any]], None]
_TRACES: tuple[Any, ...] = (StagingTrace, JVPTrace, BatchTrace, JetTrace)
_unwatched = {kind: kind.process for kind in _TRACES}
_PLACE = -1  # among the layers of eager evaluation: the innermost


def switch(rules: dict[Any, Rule] | None) -> None:
    """Call ``rules[primitive](args, out, params)`` after each operation of the user's; None: no more."""
    for kind, process in _unwatched.items():
        kind.process = process if rules is None else _watched(process, rules)
    if rules is None:
        evaluation.take(_PLACE)
    else:
        evaluation.put(_PLACE, lambda beneath: _watched_eagerly(beneath, rules))


def _watched(process: Callable[..., Any], rules: dict[Any, Rule]) -> Callable[..., Any]:
    def watched(self: Any, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        rule = rules.get(primitive)
        if rule is None or not wanted():
            return process(self, primitive, args, params)
        with quietly():
            out = process(self, primitive, args, params)
            rule(args, out, params)
        return out

    return watched


def _watched_eagerly(beneath: Callable[..., Any], rules: dict[Any, Rule]) -> Callable[..., Any]:
    def watched(primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        rule = rules.get(primitive)
        if rule is None or not wanted():
            return beneath(primitive, args, params)
        with quietly():
            out = beneath(primitive, args, params)
            rule(args, out, params)
        return out

    return watched
