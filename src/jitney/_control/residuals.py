"""Splitting a body for partial evaluation, and choosing which of its values are kept for the unknown part.

Inputs have levels: 0 is known and the same in each iteration, 1 is known, 2 is unknown.  Each equation goes to
the highest level of its inputs; what a level needs of lower ones are *residuals*.  Those that cost less to
compute again than to keep are computed again:

    b = broadcast_in_dim a ; m = lt i 3 ; y = cos x        kept: a, i, y
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jitney._control.bodies import frozen, has_effects, literal_key
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, Var, evaluate
from jitney._core.staging import StagedTracer, StagingTrace
from jitney._core.trace import swap_trace
from jitney._transforms.linearize import PartialTrace


class _WholeTrace(PartialTrace):
    """Records whatever depends on its inputs as it is (loops are not split), and all that has effects."""

    __slots__ = ()

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        if any(map(self.unknown, args)) or has_effects(primitive, params):
            return StagingTrace.process(self, primitive, args, params)
        before = swap_trace(self.parent)
        try:
            return primitive.bind(*args, **params)
        finally:
            swap_trace(before)


class Parts:
    """The equations of a program by level, in one namespace.

    ``invars`` and ``outs`` are those of the program, ``out_levels`` the levels of the latter;
    ``arrays`` are constants that rules made, by the variable that stands for them.
    """

    __slots__ = ("arrays", "eqns", "invars", "out_levels", "outs")

    def __init__(
        self,
        invars: list[Var],
        eqns: tuple[list[JaxprEqn], list[JaxprEqn], list[JaxprEqn]],
        outs: list[Any],
        out_levels: list[int],
        arrays: dict[Var, Any],
    ) -> None:
        self.invars = invars
        self.eqns = eqns
        self.outs = outs
        self.out_levels = out_levels
        self.arrays = arrays


def split_levels(closed: ClosedJaxpr, levels: Sequence[int]) -> Parts:
    """Evaluate the program with its inputs at ``levels``, recording each level by itself."""
    fixed = StagingTrace()
    known = _WholeTrace(fixed)
    unknown = PartialTrace(known)
    traces: tuple[StagingTrace, ...] = (fixed, known, unknown)
    args = [traces[level].new_input(aval) for level, aval in zip(levels, closed.in_avals, strict=True)]
    before = swap_trace(unknown)
    try:
        outs = evaluate(closed.jaxpr, closed.consts, *args)
    finally:
        swap_trace(before)
    out_atoms = [y._var if type(y) is StagedTracer else fixed.atom(y) for y in outs]
    out_levels = [traces.index(y._trace) if type(y) is StagedTracer else 0 for y in outs]
    rename: dict[Var, Any] = {}
    arrays: dict[int, tuple[Var, Any]] = {}
    for trace in traces:
        for var, value in zip(trace.constvars, trace.consts, strict=True):
            if type(value) is StagedTracer:
                rename[var] = value._var
            else:
                rename[var] = arrays.setdefault(id(value), (var, value))[0]
        trace.alive = False
    _share_equal([*fixed.eqns, *known.eqns], rename)
    read = lambda a: a if type(a) is Literal else _named(a, rename)  # noqa: E731
    shared = lambda e: e.outvars and _named(e.outvars[0], rename) is not e.outvars[0]  # noqa: E731
    eqns = tuple(
        [e.replace(invars=[read(a) for a in e.invars]) for e in trace.eqns if not shared(e)]
        for trace in traces
    )
    invars = [a._var for a in args]
    return Parts(invars, eqns, [read(a) for a in out_atoms], out_levels, dict(arrays.values()))  # type: ignore[arg-type]


def _named(var: Var, rename: dict[Var, Any]) -> Var:
    while var in rename and rename[var] is not var:
        var = rename[var]
    return var


def _share_equal(eqns: Iterable[JaxprEqn], rename: dict[Var, Any]) -> None:
    """Name the results of equal equations alike, so that each is kept once."""
    known: dict[Any, JaxprEqn] = {}
    for eqn in eqns:
        if eqn.effects:
            continue
        ins = tuple([literal_key(a) if type(a) is Literal else _named(a, rename) for a in eqn.invars])
        first = known.setdefault((eqn.primitive, ins, frozen(eqn.params)), eqn)
        if first is not eqn:
            rename.update(zip(eqn.outvars, first.outvars, strict=True))


# -- what to keep -----------------------------------------------------------------------------------

# Only the layout or the type of the operand changes.
_RELAYS = frozenset(
    "broadcast_in_dim reshape squeeze expand_dims transpose rev convert_element_type iota copy real imag".split()
)
_CHEAP = _RELAYS | frozenset(
    "add sub mul neg max min abs sign eq ne lt le gt ge and or not xor select_n clamp stop_gradient square "
    "integer_pow shift_left shift_right_logical shift_right_arithmetic add_any".split()
)
_MOST_OPERATIONS = 8


def choose_residuals(
    needed: Iterable[Var], eqns: Iterable[JaxprEqn], free: Iterable[Var]
) -> tuple[list[JaxprEqn], list[Var]]:
    """Which equations to compute again for the variables ``needed``, and which variables to keep for that.

    Variables of ``free`` cost nothing to keep.
    """
    eqns = list(eqns)
    choice = _Choice({v: e for e in eqns for v in e.outvars}, set(free))
    for var in needed:
        choice.want(var)
    choice.use_kept()
    return [e for e in eqns if id(e) in choice.again], list(choice.kept)


class _Choice:
    def __init__(self, made_by: dict[Var, JaxprEqn], free: set[Var]) -> None:
        self.made_by = made_by
        self.free = free
        self.again: set[int] = set()  # ids of equations
        self.kept: dict[Var, None] = {}
        self.seen: set[Var] = set()

    def want(self, var: Var) -> None:
        """Make ``var`` available: kept, or by its equation from what that needs."""
        if var in self.seen:
            return
        self.seen.add(var)
        eqn = self.made_by.get(var)
        if eqn is not None and self.pays(eqn):
            self.repeat(eqn)
        else:
            self.kept[var] = None

    def repeat(self, eqn: JaxprEqn) -> None:
        self.again.add(id(eqn))
        for atom in eqn.invars:
            if type(atom) is not Literal:
                self.want(atom)

    def pays(self, eqn: JaxprEqn) -> bool:
        """Whether to compute ``eqn`` again rather than to keep its result."""
        if eqn.primitive.name not in _CHEAP:
            return False
        leaves = self.leaves(eqn)
        if leaves is not None and not leaves:
            return True
        out = eqn.outvars[0].aval
        if eqn.primitive.name in _RELAYS:
            sources = [a.aval for a in eqn.invars if type(a) is not Literal and a not in self.free]
            return sum(a.nbytes for a in sources) <= out.nbytes
        # Index arithmetic and comparisons of a counter: keep the counter.
        return (
            leaves is not None
            and len(leaves) == 1
            and all(v.aval.size == 1 and v.aval.dtype.kind in "biu" for v in (*leaves, eqn.outvars[0]))
        )

    def leaves(self, eqn: JaxprEqn) -> set[Var] | None:
        """What ``eqn`` is computed from by a few cheap operations, the free apart; None: more than a few."""
        found: set[Var] = set()
        budget = _MOST_OPERATIONS
        rest: list[JaxprEqn] = [eqn]
        visited: set[int] = {id(eqn)}
        while rest:
            budget -= 1
            if budget < 0:
                return None
            for atom in rest.pop().invars:
                if type(atom) is Literal or atom in self.free:
                    continue
                source = self.made_by.get(atom)
                if source is None or source.primitive.name not in _CHEAP:
                    found.add(atom)
                elif id(source) not in visited:
                    visited.add(id(source))
                    rest.append(source)
        return found

    def use_kept(self) -> None:
        """What follows cheaply from other kept values need not be kept itself."""
        for var in list(self.kept):
            eqn = self.made_by.get(var)
            if eqn is None or eqn.primitive.name not in _CHEAP:
                continue
            others = {v for v in self.kept if v is not var}
            before, self.free = self.free, self.free | others
            leaves = self.leaves(eqn)
            self.free = before
            if leaves is not None and not leaves:
                del self.kept[var]
                self.repeat(eqn)
