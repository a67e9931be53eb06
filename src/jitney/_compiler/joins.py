"""Concatenations: parts of one memory that each operand is computed into, or a view where elements are read further.

r = concatenate a b ; y = sort r     ->     a and b are written into r
r = concatenate a b ; y = mul r r    ->     y[i] = (a[i] if i < n else b[i-n]) ** 2, nothing is stored
"""

from __future__ import annotations

import math

from jitney._compiler.graph import Graph, Node, Step, add_step, index_function
from jitney._core.jaxpr import Jaxpr, JaxprEqn, Literal, Var
from jitney._kernel.builder import NATIVE
from jitney._kernel.rules import Map, Pull

_REGISTERS = 16  # elements of a result that is never memory
_MOST_VIEWED = 3  # operands of a view along an axis that loops run over
_CHEAP = 4.0  # cost of an element that lanes may compute in vain
_SHORT = 8  # elements of last axes that loops write out


def read_by_element(jaxpr: Jaxpr) -> set[Var]:
    """The concatenations that only index functions read."""
    if not any(e.primitive.name == "concatenate" for e in jaxpr.eqns):
        return set()
    found = {e.outvars[0] for e in jaxpr.eqns if e.primitive.name == "concatenate"}
    for eqn in jaxpr.eqns:
        if not isinstance(eqn.primitive.lower, (Map, Pull)):
            found.difference_update(a for a in eqn.invars if type(a) is not Literal)
    return found.difference(a for a in jaxpr.outvars if type(a) is not Literal)


def add_concatenation(graph: Graph, eqn: JaxprEqn, operands: list[Node], by_element: bool) -> Node:
    """The node of a concatenation; ``by_element``: nobody needs it in memory."""
    aval = eqn.outvars[0].aval
    if any(a.aval.dtype not in NATIVE for a in (*eqn.invars, *eqn.outvars)):
        return add_step(graph, "host", eqn, operands)[0]
    if aval.size <= _REGISTERS or by_element and _is_view(operands, aval.shape, eqn.params["dimension"]):
        return graph.add(index_function(Node("pull", aval, tuple(operands), eqn.primitive.lower, eqn)))
    return _add_join(graph, eqn, operands)


def _is_view(operands: list[Node], shape: tuple[int, ...], dimension: int) -> bool:
    """Whether reading through costs less than storing: loops know the operand, or compute little in vain."""
    if math.prod(shape[dimension:]) <= _SHORT:
        return True
    return len(operands) <= _MOST_VIEWED and all(o.cost <= _CHEAP for o in operands)


def _add_join(graph: Graph, eqn: JaxprEqn, operands: list[Node]) -> Node:
    """A concatenation: each operand is computed straight into its part of the result."""
    dimension = eqn.params["dimension"]
    joined = Node("opaque", eqn.outvars[0].aval, (), None, eqn)
    offset, pieces = 0, []
    for operand in operands:
        shape = operand.aval.shape
        if operand.aval.size:
            piece = index_function(Node("map", operand.aval, (operand,), Map(lambda b, x: x)))
            start = tuple(offset if d == dimension else 0 for d in range(len(shape)))
            piece.target, piece.needed = (joined, start), True
            piece.flat = piece.flat and all(n == 1 for n in shape[:dimension])
            pieces.append(graph.add(piece))
        offset += shape[dimension]
    joined.operands = tuple(pieces)
    joined.step = Step("join", eqn, [], [joined])
    joined.depth = max((p.depth for p in pieces), default=0)
    graph.steps.append(joined.step)
    return graph.add(joined)
