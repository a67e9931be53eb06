"""fuse: decides which values are written to memory and which loops share a nest.

    y = exp x ; s = reduce_sum y ; z = div y s
      ->  kernel 0 over x: y stored, s summed;   kernel 1 over x: z = y / s

Three linear walks. ``_choose_roots`` (backwards) counts the distinct places from which a value is
read; a value that is dear and read from several is stored. ``_assign_levels`` (forwards) finds the
earliest stage where a value may be computed. ``_group`` joins what has the same stage and space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jitney._compiler.cross_folds import cross
from jitney._compiler.graph import Graph, Node
from jitney._compiler.options import options
from jitney._compiler.rows import row_edges
from jitney._compiler.share_buffers import share_buffers

_DEAR = 8.0  # cost from which recomputing at several places is worse than storing
_DEAR_IN_MEMORY = 15.0  # ... where what is stored leaves the caches
_IN_CACHE = 1 << 20  # bytes
_DEAR_EXPANDED = 2.5  # ... when it would be repeated along a new axis
_REPEATED = 1.5  # how many times larger than its operand a value is that repeats it (a pad does not)
# Operations between memory and a value: a multiple of most periods, so that the segments of a chain are alike.
_DEEPEST = 144


@dataclass
class Kernel:
    """Roots computed in one loop nest over ``shape``; ``axes`` are folded by its reductions (None: none yet)."""

    level: int
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    roots: list[Node] = field(default_factory=list)
    crossing: Kernel | None = None  # folds along another axis that are done in the same nest


def fuse(graph: Graph, carries: Sequence[tuple[Node, Node]] = ()) -> tuple[list[Kernel], set[int]]:
    """Kernels in an order in which they may run; sets ``root``, ``level`` and ``ready`` of the nodes.

    Of the ``carries`` (old and new states of a loop) the numbers of those that can be updated in place are given.
    """
    _join_larger(graph)
    _find_segments(graph)
    _choose_roots(graph)
    _assign_levels(graph)
    in_place: set[int] = set()
    if options.enabled("share_buffers"):
        in_place = share_buffers(graph, carries, _assign_levels)
    return _group(graph), in_place


def _join_larger(graph: Graph) -> None:
    """Small arrays whose elements a loop reads are computed in that loop, not in registers ahead of it."""
    for node in reversed(graph.nodes):
        if node.small or node.kind == "opaque":
            continue
        for operand in node.operands:
            if operand.small and operand.kind == "map" and operand.aval.size > 1:
                operand.small = False


def _choose_roots(graph: Graph) -> None:
    for number in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[number]
        if node.kind in ("input", "literal", "opaque"):
            continue
        node.root = _is_root(node)
        _tell_operands(node, number)


def _is_root(node: Node) -> bool:
    if node.small:
        return False
    if node.needed or node.last or node.kind == "reduce":
        return True
    if not options.enabled("fuse"):
        return True
    if node.expanded and node.cost > _DEAR_EXPANDED:
        return True
    return len(node.readers) > 1 and node.cost > (_DEAR if node.aval.nbytes < _IN_CACHE else _DEAR_IN_MEMORY)


def _tell_operands(node: Node, number: int) -> None:
    """Record at the operands from where they are read: a (space, path) for each nest that will."""
    if node.root:
        inner = node.operands[0] if node.kind == "reduce" else node
        places: Any = (((inner.aval.shape, inner.depth, inner.segment), 0),)
    elif node.small:
        places = ((number, 0),)
    else:
        places = node.readers
    found: list[tuple[bool, ...]] = []

    def rows(position: int) -> bool:
        if not found:
            found.append(row_edges(node) if node.kind in ("map", "pull") else (False,) * len(node.operands))
        return found[0][position]

    for position, (operand, edge) in enumerate(zip(node.operands, node.edges, strict=True)):
        if operand.small or operand.complete:
            continue
        if edge == "same" or (edge == "moved" and rows(position)):
            operand.readers.update(places)
        else:
            operand.readers.update([(space, (number, position, path)) for space, path in places])
            if node.aval.size >= _REPEATED * operand.aval.size > _REPEATED and not _hoistable(node, operand):
                operand.expanded = True
        if node.expanded and not node.root:
            operand.expanded = True
        if len(operand.readers) > 2:
            operand.readers = set(list(operand.readers)[:2])


def _hoistable(node: Node, operand: Node) -> bool:
    """A broadcast along new last axes only: the operand is computed once per outer iteration."""
    if node.eqn is None or node.eqn.primitive.name != "broadcast_in_dim":
        return False
    dims = node.eqn.params["broadcast_dimensions"]
    wide = [d for d, n in zip(dims, operand.aval.shape, strict=True) if n != 1]
    return not wide or tuple(wide) == tuple(range(len(wide)))


def _find_segments(graph: Graph) -> None:
    """Cut very long chains: the ``last`` value of a segment is stored, and read by other loop nests than its own.

    Rules call each other along a chain, and LLVM takes more than linear time for the body of a loop.
    """
    length: dict[Node, int] = {}  # of the chain in the segment
    for node in graph.nodes:
        node.segment = max((o.segment + o.last for o in node.operands), default=0)
        if node.kind in ("opaque", "reduce"):
            continue
        run = max((length.get(o, 0) for o in node.operands if o.segment == node.segment), default=0)
        if node.kind == "pull" or (node.kind == "map" and not node.small):
            run += 1
        length[node] = run
        node.last = run >= _DEEPEST and not node.small


def _assign_levels(graph: Graph) -> None:
    for node in graph.nodes:
        if node.kind in ("input", "literal"):
            continue
        if node.small or node.kind == "opaque":
            node.level = max(_floor(node), *(o.ready for o in node.operands), 0)
            node.ready = node.level + (node.kind == "opaque")
            if node.step is not None:
                node.step.level = node.level
            continue
        node.level = max(
            (
                _stage(o) if e == "same" and o.segment == node.segment else o.ready
                for o, e in zip(node.operands, node.edges, strict=True)
            ),
            default=0,
        )
        node.level = max(node.level, node.floor)
        node.ready = node.level + 1 if node.root else max((o.ready for o in node.operands), default=0)


def _floor(node: Node) -> int:
    """The stage that a value may not come before, nor the other results of its step."""
    return node.floor if node.step is None else max((n.floor for n in node.step.outputs), default=0)


def _stage(operand: Node) -> int:
    """The stage from which an operand can be read at the reader's own index."""
    if operand.kind in ("map", "pull") and not operand.small:
        return operand.level
    return operand.ready


def _group(graph: Graph) -> list[Kernel]:
    table: dict[tuple, list[Kernel]] = {}
    kernels: list[Kernel] = []
    for node in graph.nodes:
        if not node.root or node.aval.size == 0 and node.kind != "reduce":
            continue
        is_fold = node.kind == "reduce"
        shape = node.operands[0].aval.shape if is_fold else node.aval.shape
        # Without fusion a stored value is its own kernel.
        place = (node.level, shape) if options.enabled("fuse") else (node.level, shape, id(node))
        peers = table.setdefault(place, [])
        kernel = _fitting(peers, node.value if is_fold else None)
        if kernel is None:
            kernel = Kernel(node.level, shape, node.value if is_fold else None)
            peers.append(kernel)
            kernels.append(kernel)
        kernel.roots.append(node)
        if is_fold:
            kernel.axes = node.value
    kernels.sort(key=lambda k: k.level)
    return cross(kernels)


def _fitting(peers: list[Kernel], axes: tuple[int, ...] | None) -> Kernel | None:
    for kernel in peers:
        if axes is None or kernel.axes is None or kernel.axes == axes:
            return kernel
    return None
