"""Which programs are seen at many lengths: the light table that every compilation asks.

Programs are told apart by their operations and the types of their inputs. From the third different set of input shapes on,
``families.py`` looks for a program of all lengths; until then nothing is loaded or computed. Programs are held weakly.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Any

from jitney._base.forks import in_child
from jitney._core.jaxpr import ClosedJaxpr

_FEW = 3  # different shapes from which on a program of all lengths is worth a search
_MOST_KEYS, _MOST_MEMBERS = 512, 16
_lock = threading.Lock()


class Sighting:
    """Programs of the same operations."""

    __slots__ = ("families", "members", "searches")

    def __init__(self) -> None:
        self.members: OrderedDict[tuple, Any] = OrderedDict()
        self.families: Any = None
        self.searches = 0

    def add(self, closed: ClosedJaxpr) -> None:
        shapes = tuple([v.aval.shape for v in closed.jaxpr.invars])
        self.members[shapes] = weakref.ref(closed)
        self.members.move_to_end(shapes)
        if len(self.members) > _MOST_MEMBERS:
            self.members.popitem(last=False)

    def living(self) -> list[ClosedJaxpr]:
        """The programs that are still there, the newest last."""
        found = [ref() for ref in list(self.members.values())]
        return [closed for closed in found if closed is not None]


_seen: OrderedDict[Any, Sighting] = OrderedDict()


def _key(closed: ClosedJaxpr) -> Any:
    jaxpr = closed.jaxpr
    operations = tuple([e.primitive for e in jaxpr.eqns])
    return operations, tuple([(v.aval.dtype, v.aval.ndim, v.aval.weak_type) for v in jaxpr.invars])


def _forget_the_dead() -> None:
    """Without programs that anybody can call, what was found for them is of no use, and holds their constants."""
    for key in [k for k, sighting in _seen.items() if not sighting.living()]:
        del _seen[key]


def program_of_all_lengths(closed: ClosedJaxpr) -> Any:
    """What runs ``closed`` with a program of all lengths; None where it is to be compiled by itself."""
    jaxpr = closed.jaxpr
    if not any(v.aval.ndim for v in jaxpr.invars) or not jaxpr.eqns or jaxpr.effects:
        return None
    with _lock:
        key = _key(closed)
        found = _seen.get(key)
        if found is None:
            _forget_the_dead()
            found = _seen[key] = Sighting()
            if len(_seen) > _MOST_KEYS:
                _seen.popitem(last=False)
        _seen.move_to_end(key)
        found.add(closed)
        if found.families is None:
            if len(found.members) < _FEW:
                return None
            from jitney._lengths.families import Families

            found.families = Families(found)
    return found.families.runner(closed)


def forget() -> None:
    """Forget all programs."""
    with _lock:
        _seen.clear()


def _start_anew() -> None:
    """In a forked child nobody else lives, and what another thread was changing is not complete."""
    global _lock
    _lock = threading.Lock()
    _seen.clear()


in_child(_start_anew)
