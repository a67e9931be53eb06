"""The program as a graph of values, from which kernels are made.

Begin at :class:`Node`.  A node is an array value: an index function over its operands (``map``, ``pull``), a
``reduce`` of one, or something that exists only in memory (``input``, ``opaque``: result of a :class:`Step`).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from jitney._compiler.options import options
from jitney._compiler.short_axes import leading
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import JaxprEqn
from jitney._kernel import index as ix
from jitney._kernel.ir import Buffer
from jitney._kernel.rules import Map, Pull, Reduce

# Rough nanoseconds per element of vectorised code; anything not listed costs one unit.
_UNIT = 0.07  # between AVX2 (0.1) and AVX-512 (0.05), in cache
_BEYOND_CACHE = 4 << 20  # bytes
_STREAMED = 4.0  # cost of an element that a step computes as it reads it
_COSTS = {
    "div": 4,
    "sqrt": 5,
    "rsqrt": 8,
    "rem": 12,
    "pow": 50,
    "atan2": 40,
    "lgamma": 60,
    "digamma": 60,
    "erf_inv": 40,
    "erf": 25,
    "erfc": 40,
    "tan": 25,
    "polygamma": 200,
    "zeta": 200,
    "igamma": 200,
    "igammac": 200,
    "igamma_grad_a": 300,
    "random_gamma_grad": 300,
    "regularized_incomplete_beta": 300,
    "logistic": 16,
    "threefry_bits": 60,
    "threefry_split": 60,
    "threefry_fold_in": 60,
    "searchsorted": 60,
    "foreign_map": 150,
}
_COSTS |= dict.fromkeys(
    (
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "sin",
        "cos",
        "tanh",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "atan",
        "asinh",
        "acosh",
        "atanh",
        "cbrt",
    ),
    16,
)


class Node:
    """One array value.

    ``edges[i]`` says how operand i is read: ``same`` (at the reader's own index), ``scalar`` (one element) or
    ``moved``. ``small`` nodes live in registers, ``root`` nodes get a buffer, the others are recomputed
    where they are read. ``level``/``ready``/``floor``: see ``fuse``.

    Inside loops: ``base`` is the place of the first element in ``buffer``; ``outer`` the (lowering, node) around
    that an input stands for; ``placed`` says that the loop wants an output in memory, ``carried`` that an input in memory is overwritten as the loop goes on, and
    ``eager`` that a value which reads such memory is computed at its own level.
    """

    __slots__ = (
        "aval",
        "base",
        "buffer",
        "carried",
        "complete",
        "cost",
        "depth",
        "eager",
        "edges",
        "element",
        "eqn",
        "expanded",
        "flat",
        "floor",
        "kind",
        "last",
        "level",
        "needed",
        "operands",
        "out",
        "outer",
        "own",
        "placed",
        "ready",
        "readers",
        "record",
        "root",
        "rule",
        "segment",
        "shares",
        "small",
        "step",
        "target",
        "value",
    )

    def __init__(
        self, kind: str, aval: Any, operands: tuple = (), rule: Any = None, eqn: JaxprEqn | None = None
    ):
        self.kind, self.aval, self.operands, self.rule, self.eqn = kind, aval, operands, rule, eqn
        self.buffer: Buffer | None = None
        self.base: Any = 0
        self.record: Any = None  # see ``pack_stacks``
        self.outer: tuple[Any, Node] | None = None
        self.carried = self.eager = self.placed = False
        self.floor = 0
        self.value: Any = None
        self.element: Any = None
        self.target: tuple[Node, tuple[int, ...]] | None = (
            None  # written into another node, from this index on
        )
        self.shares: Node | None = None  # the node whose buffer this one is written to
        self.step: Step | None = None
        self.complete = self.root = self.last = self.small = self.expanded = self.needed = False
        self.out = -1
        self.level = self.ready = self.depth = self.segment = 0
        self.own = self.cost = 0.0
        self.readers: set = set()
        self.edges: tuple[str, ...] = ()
        self.flat = True


class Step:
    """An operation on whole arrays: explicit loops, a library product, or a call of the NumPy meaning.

    Those of the ``inputs`` that are ``streamed`` are no memory: the step computes their elements as it reads them.
    """

    __slots__ = ("eqn", "inputs", "kind", "level", "outputs", "plan", "streamed")

    def __init__(
        self, kind: str, eqn: JaxprEqn, inputs: list[Node], outputs: list[Node], plan: Any = None
    ) -> None:
        self.kind, self.eqn, self.inputs, self.outputs, self.plan = kind, eqn, inputs, outputs, plan
        self.streamed: list[Node] = []
        self.level = 0


class Graph:
    """All nodes in order of the program, its steps, and what it returns."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.steps: list[Step] = []
        self.outputs: list[Node] = []
        self.forward: list[int] = []
        self.inputs: list[Node] = []
        self.tokens: tuple[Node, ...] = ()  # of the last step with an effect

    def add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node


def add_step(
    graph: Graph,
    kind: str,
    eqn: JaxprEqn,
    operands: list[Node],
    plan: Any = None,
    streams: tuple[int, ...] = (),
) -> list[Node]:
    """A step; of the operands with a number in ``streams``, those that are cheap are not stored for it."""
    outs = [graph.add(Node("opaque", v.aval, tuple(operands), None, eqn)) for v in eqn.outvars]
    step = Step(kind, eqn, operands, outs, plan)
    for number, node in enumerate(operands):
        if number in streams and _may_stream(node):
            step.streamed.append(node)
        else:
            node.needed = True
    finish_step(graph, step)
    return outs


def _may_stream(node: Node) -> bool:
    """Whether computing an element where it is read costs less than a pass that stores it."""
    moves = node.kind == "map" or (node.kind == "pull" and node.rule.cheap)
    cheap = moves and not node.small and node.cost <= _STREAMED
    return cheap and options.enabled("stream") and _reads_what_stays(node)


def _reads_what_stays(node: Node) -> bool:
    """Whether an index function is of memory that nobody writes over: an update in place must not wait for it."""
    for o in node.operands:
        if o.kind == "opaque":
            if o.small or o.step is None or o.step.kind != "library":
                return False
        elif o.kind == "reduce" or o.carried or not _reads_what_stays(o):
            return False
    return True


def finish_step(graph: Graph, step: Step) -> None:
    """Enter a step whose results are nodes of the graph; steps with effects keep their order."""
    nodes, depth = list(step.outputs), 1 + max((o.depth for o in step.inputs), default=0)
    if step.eqn.effects:
        token = graph.add(Node("opaque", shaped_array((0,), np.dtype(bool)), tuple(step.inputs)))
        nodes.append(token)
        for node in nodes:
            node.operands = (*node.operands, *graph.tokens)
        graph.tokens = (token,)
    for node in nodes:
        node.step, node.depth = step, depth
    graph.steps.append(step)


def add_reduce(
    graph: Graph, aval: ShapedArray, x: Node, axes: tuple[int, ...], rule: Reduce, eqn: JaxprEqn | None
) -> Node:
    """A fold of ``x`` over ``axes``; of nothing, it is the neutral element."""
    if x.aval.size == 0:
        start = rule.init(aval.dtype)
        fill = Map(lambda b, **_: b.const(start, aval.dtype))
        return graph.add(index_function(Node("map", aval, (), fill, eqn)))
    if all(x.aval.shape[d] == 1 for d in axes):

        def element(b: Any, idx: Any, operand: Any, **params: Any) -> Any:
            rest = iter(idx)
            place = tuple(ix.constant(0) if d in axes else next(rest) for d in range(x.aval.ndim))
            value = operand.read(place)
            return value if rule.lift is None else rule.finish(b, rule.lift(b, value, place, axes), **params)

        return graph.add(index_function(Node("pull", aval, (x,), Pull(element), eqn)))
    if rule.lift is None and _is_short(x, axes):
        return graph.add(_short_fold(aval, x, axes, rule, eqn))
    node = Node("reduce", aval, (x,), rule, eqn)
    node.value = axes
    node.edges = ("same",)
    node.small = x.small and x.aval.size <= 64
    node.own = node.cost = 1.0
    node.depth = x.depth + (not node.small)
    return graph.add(node)


def _is_short(x: Node, axes: tuple[int, ...]) -> bool:
    """Whether a fold is of a few elements of each row, and of so many rows that storing them leaves the caches.

    Fewer are stored: a second loop then has more registers than one that does everything.
    """
    count = leading(x.aval.shape)
    rows = math.prod(x.aval.shape[:count]) * x.aval.dtype.itemsize
    return count > 0 and min(axes) >= count and rows >= _BEYOND_CACHE and options.enabled("short_folds")


def _short_fold(
    aval: ShapedArray, x: Node, axes: tuple[int, ...], rule: Reduce, eqn: JaxprEqn | None
) -> Node:
    """A fold along short last axes is an index function: nothing has to be stored for it."""
    spans = [range(n) if d in axes else (None,) for d, n in enumerate(x.aval.shape)]
    places = list(itertools.product(*spans))

    def element(b: Any, idx: Any, operand: Any, **params: Any) -> Any:
        values = []
        for at in places:
            rest = iter(idx)
            values.append(operand.read(tuple(next(rest) if k is None else ix.constant(k) for k in at)))
        while len(values) > 1:
            pairs = [rule.combine(b, u, v) for u, v in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[len(pairs) * 2 :]
        return values[0] if rule.finish is None else rule.finish(b, values, **params)

    node = index_function(Node("pull", aval, (x,), Pull(element), eqn))
    node.own = float(len(places))
    node.cost = min(1e9, node.own + len(places) * x.cost)
    return node


def index_function(node: Node) -> Node:
    """Fill in how a map or pull node reads its operands and what an element costs."""
    shape = node.aval.shape
    if node.kind == "map":
        node.edges = tuple(
            "same" if o.aval.shape == shape else "scalar" if o.aval.size == 1 else "moved"
            for o in node.operands
        )
        name = node.eqn.primitive.name if node.eqn is not None else ""
        node.own = 0.3 if not name else float(_COSTS.get(name, 1))
        if name == "integer_pow":
            node.own = 2.0 if abs(node.eqn.params["y"]) < 4 else 4.0
    else:
        node.edges = tuple("scalar" if o.aval.size == 1 else "moved" for o in node.operands)
        node.own = float(_COSTS.get(node.eqn.primitive.name, 0.2)) if node.eqn is not None else 0.2
        if not node.rule.cheap:
            for o in node.operands:
                o.needed = o.needed or o.aval.size > 1
    node.cost = min(1e9, node.own + sum(o.cost for o in node.operands))
    node.depth = max((o.depth for o in node.operands), default=0)
    node.flat = node.kind == "map" and all(
        e == "scalar" or (e == "same" and (o.flat or o.complete))
        for e, o in zip(node.edges, node.operands, strict=True)
    )
    size = node.aval.size
    if node.kind == "pull":
        limit = 16 if node.own < 8 else 4
    else:
        limit = 1 if node.own > 8 else 4
    node.small = 0 < size <= max(limit, 2)
    return node


def product_node(
    graph: Graph, aval: ShapedArray, operands: tuple[Node, ...], element: Any, eqn: JaxprEqn
) -> Node:
    """An index function that is no equation of its own (the products under a contraction)."""
    node = Node("pull", aval, operands, Pull(element), eqn)
    node.edges = ("moved",) * len(operands)
    node.own = 1.0
    node.cost = min(1e9, 1.0 + sum(o.cost for o in operands))
    node.depth = max(o.depth for o in operands)
    node.flat = False
    node.value = "product"
    node.small = aval.size <= 64
    return graph.add(node)


def nanoseconds(cost: float) -> float:
    """Time per element of vectorised code for a cost in units."""
    return cost * _UNIT
