"""Named axes: which names are bound by the ``vmap`` s around, of what size, and which names a program uses.

A name is bound while the function that ``vmap(f, axis_name=...)`` maps is traced, and while batch rules of its
axis run; the innermost binding of a name counts.  Collectives look their axes up here (``size_of``).

A batch rule of a primitive that holds programs does not see names: while it runs, ``batching()`` is the name of the
axis in work, which ``batch_flat`` gives to the programs that the rule batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, subjaxprs

Name = Hashable


class _State(threading.local):
    bound: tuple[tuple[Name, int], ...] = ()
    batching: Name | None = None


_state = _State()


def bound() -> tuple[tuple[Name, int], ...]:
    """The bound names with their sizes, the innermost last; part of the key of cached traces."""
    return _state.bound


@contextmanager
def binding(axes: Iterable[tuple[Name, int]]) -> Iterator[None]:
    """``with binding([("i", 4)]):`` binds more names."""
    before = _state.bound
    _state.bound = (*before, *((name, int(size)) for name, size in axes))
    try:
        yield
    finally:
        _state.bound = before


def swap_bound(axes: tuple[tuple[Name, int], ...]) -> tuple[tuple[Name, int], ...]:
    """Make ``axes`` the bound names and return those before."""
    before, _state.bound = _state.bound, axes
    return before


def batching() -> Name | None:
    """The name of the axis whose batch rule runs now; None if it has none."""
    return _state.batching


def swap_batching(name: Name | None) -> Name | None:
    """Make ``name`` the axis whose batch rule runs and return the one before."""
    before, _state.batching = _state.batching, name
    return before


def size_of(name: Name) -> int:
    """The size of a bound axis; ``NameError`` for others."""
    for known, size in reversed(_state.bound):
        if known == name:
            return size
    names = ", ".join(repr(known) for known, _ in _state.bound) or "none"
    raise NameError(
        f"unbound axis name: {name}. A name is bound inside vmap(f, axis_name={name!r}); bound here: {names}."
    )


class Collective(NamedTuple):
    """What makes a primitive a collective.

    ``axes_param``: the param that holds its axis names; ``batch(name, size, args, dims, **params)``: its batch rule
    for an axis that it names, also with no batched operand; None: ``by_gather``, its meaning in terms of other collectives,
    is run in its place.
    """

    axes_param: str
    batch: Callable[..., Any] | None
    by_gather: Callable[..., Any] | None = None


collectives: dict[Any, Collective] = {}


def names_in(axes: Any) -> tuple[Name, ...]:
    """The names among ``axes``: a name, or a tuple or list of names and positions."""
    given = axes if isinstance(axes, (tuple, list)) else (axes,)
    return tuple([a for a in given if not isinstance(a, int)])


def uses(primitive: Any, params: dict[str, Any]) -> frozenset:
    """The axis names that an operation refers to, its inner programs included."""
    if primitive.higher_order:
        return frozenset().union(*map(used, subjaxprs(params)))
    found = collectives.get(primitive)
    return frozenset(names_in(params[found.axes_param])) if found is not None else frozenset()


def used(program: ClosedJaxpr | Jaxpr) -> frozenset:
    """The axis names that a program refers to and does not bind itself."""
    if isinstance(program, Jaxpr):
        return _used_by(program)
    if "axes" not in program.cache:
        program.cache["axes"] = _used_by(program.jaxpr)
    return program.cache["axes"]


def _used_by(jaxpr: Jaxpr) -> frozenset:
    return frozenset().union(*(uses(e.primitive, e.params) for e in jaxpr.eqns))


def batch_key(programs: Sequence[ClosedJaxpr]) -> tuple:
    """What a batched program depends on beside its operands: the axis in work and the sizes of the axes it uses."""
    names = frozenset().union(*map(used, programs))
    if not names:
        return ()
    return batching(), tuple([(name, size) for name, size in _state.bound if name in names])
