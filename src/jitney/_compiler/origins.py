"""Which equations a loop nest or call of a program computes: what its time is attributed to.

Begin at :func:`mark_origin`.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.dataflow import loaded, written
from jitney._compiler.graph import Node, Step
from jitney._core.jaxpr import JaxprEqn
from jitney._kernel.ir import Branch, Buffer, Call, For, While


class Origin:
    """A kernel or a step: its ``kind``, the ``shape`` that its loops run over, and ``eqns`` with rough costs of each.

    The equations of loops and branches are those of the programs inside.
    """

    __slots__ = ("eqns", "kind", "shape")

    def __init__(self, kind: str, shape: tuple[int, ...], eqns: list[tuple[JaxprEqn, float]]) -> None:
        self.kind, self.shape, self.eqns = kind, shape, eqns


def mark_origin(item: Any, statements: list) -> None:
    """Let the statements that ``item`` was lowered to know it."""
    found = [s for s in statements if type(s) in (For, While, Branch, Call) and s.origin is None]
    if not found:
        return
    origin = _of_step(item) if isinstance(item, Step) else _of_roots(item)
    made: set[Buffer] = set()
    for s in found:
        if len(found) > 1:
            taken = set(loaded(s))
            combines = bool(taken) and taken <= made  # such as the results of blocks, into one
            made.update(written(s))
            s.origin = _last(origin, s) if combines else origin
        else:
            s.origin = origin


def _last(origin: Origin, s: Any) -> Origin:
    """What is left to do where all else was computed by statements before."""
    folds = [(e, cost) for e, cost in origin.eqns if e.primitive.name.startswith(("reduce", "arg"))]
    steps = type(s) is For and isinstance(s.extent, int)
    return Origin(origin.kind, (s.extent,) if steps else origin.shape, folds or origin.eqns[-1:])


def _of_step(step: Step) -> Origin:
    shape = step.outputs[0].aval.shape if step.outputs else ()
    if step.eqn is None:
        return Origin(step.kind, shape, [])
    return Origin(step.kind, shape, list(_inside(step.eqn, 1.0)))


def _inside(eqn: JaxprEqn, cost: float) -> Any:
    """The equations of the programs in ``eqn``, or itself."""
    from jitney._compiler.nested import is_control, programs

    inner = [e for p in programs(eqn) for e in p.jaxpr.eqns] if is_control(eqn) else []
    if not inner:
        yield eqn, cost * max((v.aval.size for v in eqn.outvars), default=1)
    for e in inner:
        yield from _inside(e, cost)


def _of_roots(item: Any) -> Origin:
    """All that is computed on the way from memory or registers to the roots of a kernel."""
    roots: list[Node] = item.roots if hasattr(item, "roots") else [item]
    if getattr(item, "crossing", None) is not None:
        roots = [*roots, *item.crossing.roots]
    found: dict[int, tuple[JaxprEqn, float]] = {}
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.eqn is not None:
            size = max(node.aval.size, *(o.aval.size for o in node.operands), 1)
            found[id(node.eqn)] = node.eqn, node.own * size
        waiting += [o for o in node.operands if o.kind in ("map", "pull") and not (o.complete or o.small)]
    shape = item.shape if hasattr(item, "roots") else item.aval.shape
    kind = "reduction" if any(r.kind == "reduce" for r in roots) else "loop"
    return Origin(kind, shape, list(found.values())[::-1])


__all__ = ["Origin", "mark_origin"]
