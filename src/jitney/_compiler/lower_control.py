"""lower_control: writes scans, while loops and branches as native ones, their programs in place.

    c, ys = scan[body] a c0 xs    ->    for t < n (c <- c0) { d, y = body a c xs[t] ; ys[t] <- y ; yield d }

Begin at :func:`lower_control`.  Small carries are registers (one per element). Large ones live in the memory of
the result and are updated in place where ``share_buffers`` proved it right, else two buffers change roles after
every iteration. Slices of what is scanned over are read, and stacked results written, where they lie.
"""

from __future__ import annotations

import itertools
from typing import Any

from jitney._compiler.bodies import Body, input_like
from jitney._compiler.build_graph import in_registers
from jitney._compiler.chunks import block_extent, chunk_size
from jitney._compiler.graph import Graph, Node, Step
from jitney._kernel import index as ix
from jitney._kernel.ir import Buffer, Unsupported, Value

_LANES_PARALLEL = 1024  # examples from which threads pay
_LANE_CHUNK = 256
_LANE_NS = 100.0  # a guess at the time of one example


def lower_control(lowering: Any, step: Step) -> None:
    """Write the loop or branch of ``step`` into the open block of ``lowering``."""
    for node in step.inputs:  # computed ahead of the loop, not somewhere in it
        if node.small and node.kind != "literal":
            for idx in elements(node.aval.shape):
                lowering.pull(node, idx)
    {"scan": _lower_scan, "while": _lower_while, "cond": _lower_cond}[step.kind](lowering, step)
    for node in step.outputs:
        node.complete = node.complete or not node.small
        if node.complete:
            lowering.buffer_of(node).version += 1
        if not node.complete and (node.out >= 0 or node.placed):
            lowering.store_elements(node)


def elements(shape: tuple[int, ...]) -> list[tuple]:
    """All indices of a small array."""
    return [tuple(map(ix.constant, idx)) for idx in itertools.product(*map(range, shape))]


# -- inputs of the programs inside


def _from_outside(lowering: Any, node: Node) -> Node:
    """An input that is the same in every iteration."""
    inner = input_like(node)
    _bind_outside(lowering, inner, node)
    return inner


def _bind_outside(lowering: Any, inner: Node, node: Node) -> None:
    """Tell an input where it is read."""
    if node.complete:
        inner.buffer, inner.base, inner.complete = node.buffer, node.base, True
    elif node.kind != "literal" and node.small:
        inner.outer = (lowering, node)
    elif node.kind != "literal":  # the first state of a loop, or nothing to read: an array of size 0
        (inner.buffer, inner.base), inner.complete = lowering.in_memory(node), True


# -- carries


class _Carries:
    """What a loop carries: where each value begins, lives and ends."""

    def __init__(self, lowering: Any, starts: list[Node], results: list[Node]) -> None:
        self.lowering, self.b = lowering, lowering.b
        self.starts, self.results = starts, results
        self.small = [in_registers(n.aval) for n in results]
        self.inputs = [self.fresh(n, small) for n, small in zip(results, self.small, strict=True)]
        self.homes: list[tuple[Buffer, int]] = []
        self.pairs: list[tuple[Node, Buffer, Buffer]] = []

    @staticmethod
    def fresh(result: Node, small: bool) -> Node:
        """An input node for a state."""
        node = Node("input", result.aval)
        node.small, node.carried, node.complete = small, not small, not small
        return node

    def register_starts(self) -> list[Value]:
        """The first states of the register carries, element by element."""
        return [
            self.lowering.pull(node, idx)
            for node, small in zip(self.starts, self.small, strict=True)
            if small
            for idx in elements(node.aval.shape)
        ]

    def in_memory(self, outputs: list[Node]) -> list[tuple[Node, Node]]:
        """The (old, new) states that live in memory."""
        return [(c, r) for c, r, small in zip(self.inputs, outputs, self.small, strict=True) if not small]

    def place(self, outputs: list[Node], in_place: set[int]) -> None:
        """Ahead of the loop: give the states in memory their buffers."""
        results = [r for r, small in zip(self.results, self.small, strict=True) if not small]
        for number, ((old, new), result) in enumerate(zip(self.in_memory(outputs), results, strict=True)):
            home = self.lowering.buffer_of(result)
            if number in in_place or result.aval.size == 0:
                old.buffer = new.buffer = home
                old.base = new.base = result.base
                self.homes.append((home, home.level))
                home.level = self.b.level + 1
                continue
            first, second = (self.lowering.temporary(home.dtype, result.aval.size) for _ in range(2))
            self.lowering.copy(home, result.base, first, 0, result.aval.size)
            first.level = second.level = self.b.level + 1
            old.buffer, new.buffer = first, second
            self.pairs.append((result, first, second))

    def swaps(self) -> list[tuple[Buffer, Buffer]]:
        """The buffers that change roles after every iteration."""
        return [(first, second) for _, first, second in self.pairs]

    def enter(self, child: Any, inputs: list[Node], phis: list[Value]) -> None:
        """In the loop: the phis are the elements of the register inputs of ``child``'s program."""
        found = iter(phis)
        for node, small in zip(inputs, self.small, strict=True):
            if small:
                for idx in elements(node.aval.shape):
                    self.b.remember(child.memo, (node, idx, None), next(found))

    def register_nexts(self, child: Any, outputs: list[Node]) -> list[Value]:
        """At the end of an iteration: the next states of the register carries."""
        return [
            child.pull(node, idx)
            for node, small in zip(outputs, self.small, strict=True)
            if small
            for idx in elements(node.aval.shape)
        ]

    def leave(self, results: list[Value]) -> None:
        """After the loop: its last states are the results."""
        for home, level in self.homes:
            home.level = level
        for result, first, second in self.pairs:
            first.level = second.level = self.b.level
            self.lowering.copy(first, 0, self.lowering.buffer_of(result), result.base, result.aval.size)
        self.enter(self.lowering, self.results, results)


# -- scan


def _lower_scan(lowering: Any, step: Step) -> None:
    b, params = lowering.b, step.eqn.params
    nconst, ncarry, length = params["num_consts"], params["num_carry"], params["length"]
    consts, starts, xs = (
        step.inputs[:nconst],
        step.inputs[nconst : nconst + ncarry],
        step.inputs[nconst + ncarry :],
    )
    stacked = step.outputs[ncarry:]
    carries = _Carries(lowering, starts, step.outputs[:ncarry])
    if length == 0:
        carries.enter(lowering, carries.results, carries.register_starts())
        return
    homes = [lowering.buffer_of(n) for n in stacked]
    x_sources = [lowering.in_memory(n) for n in xs]  # spilled, if need be, ahead of the loop
    program = params["jaxpr"]
    inputs = [_from_outside(lowering, n) for n in consts] + carries.inputs
    x_nodes = [Node("input", v.aval) for v in program.jaxpr.invars[nconst + ncarry :]]
    wanted = [not small for small in carries.small] + [True] * len(stacked)
    body = Body(lowering.refused, program, inputs + x_nodes, wanted)
    for node in x_nodes:
        node.complete = True
    states, ys = body.outputs[:ncarry], body.outputs[ncarry:]
    body.fuse(carries.in_memory(states))
    inits = carries.register_starts()
    carries.place(states, body.in_place)
    with b.counted(length, length, "serial", "t") as node:
        node.swaps.extend(carries.swaps())
        slots = [b.carry(node, x) for x in inits]
        number = ix.variable(node.var)
        if params["reverse"]:
            number = number * -1 + (length - 1)
        for x, outside, (buffer, base) in zip(x_nodes, xs, x_sources, strict=True):
            x.buffer, x.base = buffer, number * _row(outside, x) + base
        for y, outside, home in zip(ys, stacked, homes, strict=True):
            y.buffer, y.base = home, number * _row(outside, y) + outside.base
        child = lowering.child(body.graph)
        carries.enter(child, carries.inputs, [s.phi for s in slots])
        child.run(body.kernels)
        for slot, value in zip(slots, carries.register_nexts(child, states), strict=True):
            slot.next = value
    carries.leave([s.result for s in slots])


def _row(stack: Node, entry: Node) -> int:
    """The distance in memory from one entry of a stack to the next."""
    return entry.aval.size if stack.record is None else stack.record.row


# -- while


def _lower_while(lowering: Any, step: Step) -> None:
    params = step.eqn.params
    if params.get("lanes") is not None and id(step.eqn) not in lowering.refused:
        _lower_lanes(lowering, step)
        return
    first, second = params["cond_nconsts"], params["body_nconsts"]
    cond_consts, body_consts = step.inputs[:first], step.inputs[first : first + second]
    carries = _Carries(lowering, step.inputs[first + second :], step.outputs)
    body = Body(
        lowering.refused,
        params["body_jaxpr"],
        [_from_outside(lowering, n) for n in body_consts] + carries.inputs,
        [not small for small in carries.small],
    )
    body.fuse(carries.in_memory(body.outputs))
    carries.place(body.outputs, body.in_place)
    tested = [carries.fresh(r, small) for r, small in zip(carries.results, carries.small, strict=True)]
    for node, state in zip(tested, carries.inputs, strict=True):
        node.buffer, node.base, node.carried = state.buffer, state.base, False
    cond_inputs = [_from_outside(lowering, n) for n in cond_consts] + tested
    cond = Body(lowering.refused, params["cond_jaxpr"], cond_inputs, [False])
    cond.fuse()
    _write_while(lowering, (cond, tested), (body, carries.inputs), carries)


def _write_while(
    lowering: Any, cond: tuple[Body, list[Node]], body: tuple[Body, list[Node]], carries: _Carries
) -> None:
    b = lowering.b
    with b.while_loop(carries.register_starts()) as node:
        node.swaps.extend(carries.swaps())
        phis = [c.phi for c in node.carries]
        test = lowering.child(cond[0].graph)
        carries.enter(test, cond[1], phis)
        test.run(cond[0].kernels)
        b.test_while(node, test.pull(cond[0].outputs[0], ()))
        child = lowering.child(body[0].graph)
        carries.enter(child, body[1], phis)
        child.run(body[0].kernels)
        for carry, value in zip(node.carries, carries.register_nexts(child, body[0].outputs), strict=True):
            carry.next = value
    carries.leave([c.result for c in node.carries])


# -- a while loop for each example of a batch


def _lower_lanes(lowering: Any, step: Step) -> None:
    """A loop over the examples, which runs in SIMD lanes, around each one's own loop, which is all in registers."""
    b, lanes, count = lowering.b, step.eqn.params["lanes"], step.eqn.params["lanes"].size
    for node in step.inputs:
        lowering.in_memory(node) if node.kind != "literal" else None
    homes = [lowering.buffer_of(n) for n in step.outputs]
    chunk = chunk_size(count, _LANE_CHUNK) if count > _LANES_PARALLEL else count
    chunks = -(-count // chunk)

    def examples(start: Any, extent: Any, most: int) -> None:
        with b.counted(extent, most, "vector") as loop:
            loop.work = _LANE_NS
            try:
                _write_example(lowering, step, lanes, start + ix.variable(loop.var), homes)
            except Unsupported as error:
                error.eqn = step.eqn
                raise

    if chunks == 1:
        examples(0, count, count)
        return
    with b.counted(chunks, chunks, "parallel", "c") as outer:
        outer.work = _LANE_NS * chunk
        extent, most = block_extent(b, count, chunk, outer)
        examples(ix.variable(outer.var) * chunk, extent, most)


def _write_example(lowering: Any, step: Step, lanes: Any, number: Any, homes: list[Buffer]) -> None:
    """The loop of example ``number``."""
    params = step.eqn.params
    first, second = params["cond_nconsts"], params["body_nconsts"]

    def inputs(nodes: list[Node], dims: Any, variables: list[Any]) -> list[Node]:
        return [
            _from_outside(lowering, n) if dim is None else _example_of(lowering, n, v.aval, number)
            for n, dim, v in zip(nodes, dims, variables, strict=True)
        ]

    cond_vars, body_vars = lanes.cond_jaxpr.jaxpr.invars, lanes.body_jaxpr.jaxpr.invars
    starts = inputs(step.inputs[first + second :], lanes.init_dims, body_vars[second:])
    results = [Node("opaque", v.aval) for v in body_vars[second:]]
    inner = lowering.child(Graph())
    inner.lanes = True
    carries = _Carries(inner, starts, results)
    tested = [carries.fresh(r, True) for r in results]
    cond = Body(
        lowering.refused,
        lanes.cond_jaxpr,
        inputs(step.inputs[:first], lanes.cond_dims, cond_vars[:first]) + tested,
        [False],
    )
    body = Body(
        lowering.refused,
        lanes.body_jaxpr,
        inputs(step.inputs[first : first + second], lanes.body_dims, body_vars[:second]) + carries.inputs,
        [False] * len(results),
    )
    cond.fuse()
    body.fuse()
    if not all(carries.small) or cond.kernels or body.kernels:
        raise Unsupported("arrays in the loop of one example")
    _write_while(inner, (cond, tested), (body, carries.inputs), carries)
    for result, outside, home in zip(results, step.outputs, homes, strict=True):
        outside.complete = True
        for place, idx in enumerate(elements(result.aval.shape)):
            position = number * result.aval.size + place + outside.base
            lowering.b.store(home, position, inner.pull(result, idx))


def _example_of(lowering: Any, node: Node, aval: Any, number: Any) -> Node:
    """One entry of a batch."""
    inner = Node("input", aval)
    buffer, base = lowering.in_memory(node)
    inner.buffer, inner.base, inner.complete = buffer, number * aval.size + base, True
    return inner


# -- cond


def _lower_cond(lowering: Any, step: Step) -> None:
    b, branches = lowering.b, step.plan.bodies
    index = lowering.pull(step.inputs[0], ())
    wide = b.cast(index, "int64")
    wide = b.max(b.min(wide, b.const(len(branches) - 1, "int64")), b.const(0, "int64"))
    homes = [None if n.small else lowering.buffer_of(n) for n in step.outputs]
    node = b.branch(wide, len(branches))
    values = []
    for number, body in enumerate(step.plan.bodies):
        for inner, outside in zip(body.graph.inputs, step.inputs[1:], strict=True):
            _bind_outside(lowering, inner, outside)
        with b.case(node, number):
            for out, outside, home in zip(body.outputs, step.outputs, homes, strict=True):
                if home is not None:
                    out.buffer, out.base = home, outside.base
            child = lowering.child(body.graph)
            child.run(body.kernels)
            values.append(
                [
                    child.pull(out, idx)
                    for out, home in zip(body.outputs, homes, strict=True)
                    if home is None
                    for idx in elements(out.aval.shape)
                ]
            )
    found = iter(b.end_branch(node, values))
    for out in step.outputs:
        if out.small:
            for idx in elements(out.aval.shape):
                b.remember(lowering.memo, (out, idx, None), next(found))
