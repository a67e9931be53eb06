"""build_graph: the flat program as a graph of values.

c = exp a ; d = reduce_sum c ; e = sort d     ->     map exp, reduce sum, step host
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._compiler.contract import add_product
from jitney._compiler.graph import Graph, Node, Step, add_reduce, add_step, finish_step, index_function
from jitney._compiler.joins import add_concatenation, read_by_element
from jitney._compiler.library import plan_routine, where_they_lie
from jitney._compiler.nested import carry_positions, is_control
from jitney._compiler.strided import whole_run
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jitney._kernel import index as ix
from jitney._kernel.builder import NATIVE
from jitney._kernel.ir import Buffer
from jitney._kernel.rules import Loops, Map, Pull, Reduce

_LARGE = 1024  # elements of an array from which passes over it count
_SELECTED = 2  # updates in a row that are pulled as choices by element, in one pass


def build_graph(closed: ClosedJaxpr, refused: frozenset[int] = frozenset()) -> Graph:
    """The graph of a flat program; equations whose id is in ``refused`` call their NumPy meaning.

    An output that is an input is forwarded; it comes as the same array.
    """
    graph = Graph()
    jaxpr = closed.jaxpr
    for number, var in enumerate([*jaxpr.invars, *jaxpr.constvars]):
        node = graph.add(Node("input", var.aval))
        kind = "in" if number < len(jaxpr.invars) else "const"
        node.buffer = Buffer(f"{kind}{number}", var.aval.dtype, var.aval.size, kind, number)
        node.complete = True
        graph.inputs.append(node)
    for number, node in enumerate(_add_equations(graph, jaxpr, refused)):
        _add_output(graph, node, number)
    return graph


def build_body(closed: ClosedJaxpr, inputs: list[Node], wanted: list[bool], refused: frozenset[int]) -> Graph:
    """The graph of a program inside a loop or branch, whose inputs are given.

    Outputs that are ``wanted`` in memory get a node of their own each, to be placed by the caller.
    """
    graph = Graph()
    graph.nodes.extend(inputs)
    graph.inputs = inputs
    taken: set[int] = set()
    for node, placed in zip(_add_equations(graph, closed.jaxpr, refused), wanted, strict=True):
        if placed:
            if node.kind in ("input", "literal") or id(node) in taken:
                node = _copy(graph, node)
            taken.add(id(node))
            node.placed = True
        node.needed = True
        graph.outputs.append(node)
    for node in graph.nodes:
        _keep_small(node)
    return graph


def _keep_small(node: Node) -> None:
    """Functions of a few registers stay in registers: ``pack_math`` computes several at once."""
    if node.kind == "map" and node.operands and in_registers(node.aval):
        node.small = node.small or all(o.small or o.kind == "literal" for o in node.operands)
    elif node.kind == "reduce":
        node.small = node.operands[0].small and node.operands[0].aval.size <= 64


def _add_equations(graph: Graph, jaxpr: Jaxpr, refused: frozenset[int]) -> list[Node]:
    """Add the nodes of all equations; gives those of the outputs."""
    env: dict[Any, Node] = dict(zip([*jaxpr.invars, *jaxpr.constvars], graph.inputs, strict=True))

    def read(atom: Any) -> Node:
        if type(atom) is not Literal:
            return env[atom]
        if atom.aval.ndim:
            return graph.add(_table(atom))
        node = graph.add(Node("literal", atom.aval))
        node.value = atom.val
        node.small = True
        return node

    passing, chained = read_by_element(jaxpr), _long_chains(jaxpr)
    for eqn in jaxpr.eqns:
        operands = [read(a) for a in eqn.invars]
        if eqn.primitive.name == "concatenate" and id(eqn) not in refused:
            outs = [add_concatenation(graph, eqn, operands, eqn.outvars[0] in passing)]
        else:
            outs = _add_equation(graph, eqn, operands, refused, id(eqn) in chained)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _table(atom: Literal) -> Node:
    """A short array of known numbers, as an index function."""
    values = np.asarray(atom.val)

    def element(b: Any, idx: Any) -> Any:
        place = ix.linearize(idx, values.shape)
        if not place.terms:
            return b.const(values.flat[place.const], values.dtype)
        found = b.const(values.flat[0], values.dtype)
        for k in range(1, values.size):
            found = b.select(b.test(place.eq(k)), b.const(values.flat[k], values.dtype), found)
        return found

    return index_function(Node("pull", atom.aval, (), Pull(element)))


def _add_output(graph: Graph, node: Node, number: int) -> None:
    """Mark an output; what is an input or already an output gets a copy of its own."""
    forward = -1
    if node.kind == "input" and node.buffer.kind == "in":
        forward = node.buffer.number
    elif node.kind in ("input", "literal") or node.out >= 0:
        node = _copy(graph, node)
    graph.forward.append(forward)
    if forward < 0:
        node = _same_memory(node)
        node.out = number
        node.needed = True
    graph.outputs.append(node)


def _same_memory(node: Node) -> Node:
    """The result of a step or fold whose elements ``node`` gives another shape: it is written to the output at once."""
    view = whole_run(node)
    if view is None or view.node.complete or view.node.out >= 0 or view.node.aval.size != node.aval.size:
        return node
    return view.node


def _copy(graph: Graph, node: Node) -> Node:
    if node.aval.dtype not in NATIVE:
        step = Step("host", None, [node], [])
        out = graph.add(Node("opaque", node.aval))
        step.outputs.append(out)
        out.step = step
        graph.steps.append(step)
        node.needed = True
        return out
    return graph.add(index_function(Node("map", node.aval, (node,), Map(lambda b, x: x))))


def _long_chains(jaxpr: Jaxpr) -> set[int]:
    """Updates of large arrays that are several in a row: all but the first work in place, where one alone is a choice by element."""
    lengths: dict[int, int] = {}
    made: dict[Any, JaxprEqn] = {}
    for eqn in jaxpr.eqns:
        if _may_be_pulled(eqn) and eqn.outvars[0].aval.size >= _LARGE:
            before = made.get(eqn.invars[0]) if type(eqn.invars[0]) is Var else None
            lengths[id(eqn)] = 1 + (lengths[id(before)] if before is not None else 0)
            made[eqn.outvars[0]] = eqn
    found: set[int] = set()
    for eqn in reversed(jaxpr.eqns):
        if lengths.get(id(eqn), 0) > _SELECTED or id(eqn) in found:
            found.add(id(eqn))
            before = made.get(eqn.invars[0]) if type(eqn.invars[0]) is Var else None
            if before is not None:
                found.add(id(before))
    return found


def _may_be_pulled(eqn: JaxprEqn) -> bool:
    return isinstance(eqn.primitive.lower, Loops) and eqn.primitive.lower.pull is not None


def _add_equation(
    graph: Graph, eqn: JaxprEqn, operands: list[Node], refused: frozenset[int], chained: bool
) -> list[Node]:
    rule = eqn.primitive.lower
    if isinstance(rule, Loops) and rule.pull is not None and not (chained and not _rewrites_most(operands)):
        if not _in_memory_of_its_own(operands[0]) or _rewrites_most(operands):
            rule = rule.pull
    native = id(eqn) not in refused and all(a.aval.dtype in NATIVE for a in (*eqn.invars, *eqn.outvars))
    if is_control(eqn) and (native or eqn.primitive.numpy is None):
        return _add_control(graph, eqn, operands)
    if native and eqn.primitive.name == "dot_general":
        return add_product(graph, eqn, operands)
    if native and len(eqn.outvars) == 1:
        aval = eqn.outvars[0].aval
        if isinstance(rule, Pull) and rule.elementwise is not None and aval.shape == operands[0].aval.shape:
            rule = rule.elementwise
        if isinstance(rule, Map):
            return [graph.add(index_function(Node("map", aval, tuple(operands), rule, eqn)))]
        if isinstance(rule, Pull):
            return [graph.add(index_function(Node("pull", aval, tuple(operands), rule, eqn)))]
        if isinstance(rule, Reduce):
            return [add_reduce(graph, aval, operands[0], tuple(eqn.params["axes"]), rule, eqn)]
    if native and isinstance(rule, Loops) and rule.supports([a.aval for a in eqn.invars], **eqn.params):
        inputs = [*operands[:1], *map(_uniform, operands[1:])]
        return add_step(graph, "loops", eqn, inputs, streams=rule.streams)
    call = plan_routine(eqn, eqn.primitive.lower) if id(eqn) not in refused else None
    if call is not None:
        taken = operands if call.operands is None else [operands[k] for k in call.operands]
        return add_step(graph, "library", eqn, *where_they_lie(taken, call))
    if eqn.primitive.numpy is None and eqn.primitive.impl is None:
        raise NotImplementedError(
            f"{eqn.primitive.name} has neither a native form nor a NumPy meaning, so that it cannot be compiled"
        )
    return add_step(graph, "host", eqn, operands)


def _uniform(node: Node) -> Node:
    """The literal that ``node`` repeats, if that is all it does: explicit loops need no array of it."""
    repeats = node.kind == "pull" and node.eqn is not None and node.eqn.primitive.name == "broadcast_in_dim"
    return node.operands[0] if repeats and node.operands[0].kind == "literal" else node


def _in_memory_of_its_own(node: Node) -> bool:
    """Whether an update of ``node`` may be able to work in place."""
    return node.kind == "opaque" and not node.small or (node.kind == "input" and node.carried)


def _rewrites_most(operands: list[Node]) -> bool:
    """Whether an update is so large that writing everything anew, in one pass, costs less than the update and its copy."""
    whole, *others = operands
    return whole.aval.size >= _LARGE and any(2 * o.aval.size >= whole.aval.size for o in others)


def _add_control(graph: Graph, eqn: JaxprEqn, operands: list[Node]) -> list[Node]:
    """A loop or branch; what it carries is in registers, or begins in the memory of its result."""
    outs = [Node("opaque", v.aval, (), None, eqn) for v in eqn.outvars]
    operands = list(operands)
    if eqn.primitive.name == "cond":
        for node in outs:
            node.small = in_registers(node.aval)
    for node, position in zip(outs, carry_positions(eqn), strict=False):
        node.small = in_registers(node.aval)
        if not node.small and node.aval.size:
            operands[position] = _start(graph, operands[position], node)
    step = Step(eqn.primitive.name, eqn, operands, outs)
    for node in operands:
        node.needed = True
    for node in outs:
        node.operands = tuple(operands)
        graph.add(node)
    finish_step(graph, step)
    return outs


def in_registers(aval: Any) -> bool:
    """Whether a value that a loop carries or a branch gives is kept in registers."""
    return 0 < aval.size <= 16 and aval.dtype in NATIVE


def _start(graph: Graph, operand: Node, result: Node) -> Node:
    """The first state of a carry, computed where the loop keeps it."""
    start = _copy(graph, operand)
    start.target, start.needed = (result, (0,) * result.aval.ndim), True
    return start
