"""lower_kernels: writes each kernel as loops over scalar values.

    kernel [1000] { s = reduce_sum (mul x x) }   ->   for i < 1000 vector (acc) { acc + x[i]*x[i] } ; s <- acc

Begin at :func:`lower_kernels`.  Elements are *pulled*: ``Lowering.pull(node, index)`` asks the node's rule for one
element, which asks for its operands' elements, down to loads from buffers.  Small nodes are pulled with
constant indices in the function's body and stay in registers.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from jitney._compiler import library
from jitney._compiler.cross_folds import write_cross
from jitney._compiler.fuse import Kernel
from jitney._compiler.graph import Graph, Node, Step
from jitney._compiler.lower_control import lower_control
from jitney._compiler.nested import CONTROL
from jitney._compiler.nests import Fold, Nest
from jitney._compiler.options import options
from jitney._compiler.origins import mark_origin
from jitney._kernel import index as ix
from jitney._kernel.builder import Block, Builder, Computed, Uniform
from jitney._kernel.index import Index
from jitney._kernel.ir import Buffer, Call, LoopProgram, Part, Store, Unsupported, Value

_STACK_BYTES = 8192


def lower_kernels(graph: Graph, kernels: list[Kernel], refused: frozenset[int] = frozenset()) -> LoopProgram:
    """The loop program of a fused graph; equations in ``refused`` call their NumPy meaning."""
    program = LoopProgram()
    Lowering(graph, program, Builder(program.body), refused).run(kernels)
    return program


class Operand:
    """A node as lowering rules see it: ``aval`` and ``read(idx)``."""

    __slots__ = ("aval", "lowering", "node")

    def __init__(self, lowering: Lowering, node: Node) -> None:
        self.lowering, self.node, self.aval = lowering, node, node.aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    def read(self, idx: Any) -> Value:
        """The element at ``idx`` (a tuple of indices or ints)."""
        return self.lowering.pull(
            self.node, tuple([i if type(i) is Index else ix.constant(int(i)) for i in idx])
        )


class Lowering:
    """The state of lowering one program: the whole one, or one inside a loop or branch."""

    def __init__(self, graph: Graph, program: LoopProgram, b: Builder, refused: frozenset[int]) -> None:
        self.graph, self.program, self.b, self.refused = graph, program, b, refused
        self.level = b.level
        self.lanes = (
            False  # inside of a loop over a batch: memory of its own would have to differ between lanes
        )
        self.memo: dict[Any, Value] = {}
        self.space: tuple[int, ...] | None = None  # the merged axes of a flat kernel
        self.spilled: dict[Node, Buffer] = {}
        for node in graph.inputs:
            if node.complete and node.buffer not in program.known:
                self._declare(node.buffer)

    def child(self, graph: Graph) -> Lowering:
        """The lowering of a program inside the block that is open now."""
        inner = Lowering(graph, self.program, self.b, self.refused)
        inner.lanes = self.lanes
        return inner

    def _declare(self, buffer: Buffer) -> Buffer:
        self.program.known.add(buffer)
        self.program.buffers.append(buffer)
        return buffer

    # -- the whole program

    def run(self, kernels: list[Kernel]) -> None:
        work: dict[int, list[Any]] = {}
        for node in self.graph.nodes:
            if node.small and (node.kind in ("map", "reduce") or (node.kind == "pull" and self._now(node))):
                work.setdefault(node.level, []).append(node)
        # In one stage: registers first (kernels may read them), then whole-array steps, then loops.
        for step in self.graph.steps:
            work.setdefault(step.level, []).append(step)
        for kernel in kernels:
            work.setdefault(kernel.level, []).append(kernel)
        for level in sorted(work):
            for item in work[level]:
                self._lower(item)

    @staticmethod
    def _now(node: Node) -> bool:
        """Whether a small view is read at its level, not where it is used."""
        return node.out >= 0 or node.placed or node.eager

    def _lower(self, item: Any) -> None:
        written = self.b.scopes[self.level].body
        before = len(written)
        if isinstance(item, Node):
            self._lower_small(item)
        elif isinstance(item, Step):
            self._lower_step(item)
        else:
            self._lower_kernel(item)
        if self.level == 0:
            mark_origin(item, written[before:])

    def _lower_small(self, node: Node) -> None:
        """All elements in registers; an output is stored besides."""
        for idx in itertools.product(*map(range, node.aval.shape)):
            self.pull(node, tuple(map(ix.constant, idx)))
        if node.out >= 0 or node.placed or node.target is not None:
            self.store_elements(node)

    def store_elements(self, node: Node) -> None:
        """Write the registers of a small value to where it is wanted."""
        for idx in itertools.product(*map(range, node.aval.shape)):
            place = list(map(ix.constant, idx))
            self.store_root(node, place, node.aval.shape, self.pull(node, tuple(place)))

    def store_root(self, node: Node, index: list[Any], shape: tuple[int, ...], value: Value) -> None:
        """Write an element of a stored node, or of a part of another one, at ``index`` of the loops' ``shape``."""
        if node.target is None:
            buffer = self.buffer_of(node)
            self.b.store(buffer, ix.linearize(index, shape) + node.base, value)
            return
        whole, start = node.target
        if len(index) == len(start) and shape == node.aval.shape:
            place = ix.linearize([i + s for i, s in zip(index, start, strict=True)], whole.aval.shape)
        else:  # merged axes: the part is contiguous
            place = ix.linearize(index, shape) + ix.linearize(start, whole.aval.shape)
        buffer = self.buffer_of(whole)
        self.b.store(buffer, place + whole.base, value)

    # -- buffers

    def buffer_of(self, node: Node) -> Buffer:
        """Where a node's elements are or will be written, from ``node.base`` on."""
        waiting: list[Node] = []  # nodes that have their elements in another's: long chains of updates
        while node.buffer is None and node.record is None and (of := _elsewhere(node)) is not None:
            waiting.append(node)
            node = of
        buffer, base = self._own_buffer(node), node.base
        for one in waiting:
            one.buffer, one.base = buffer, base
        return buffer

    def _own_buffer(self, node: Node) -> Buffer:
        if node.buffer is None:
            if node.record is not None:
                node.buffer = self._record(node)
            elif node.out >= 0:
                node.buffer = self._declare(
                    Buffer(f"out{node.out}", node.aval.dtype, node.aval.size, "out", node.out)
                )
            else:
                node.buffer = self.temporary(node.aval.dtype, node.aval.size)
        return node.buffer

    def _record(self, node: Node) -> Buffer:
        record = node.record
        if record.buffer is None:
            record.buffer = self.temporary(node.aval.dtype, node.aval.shape[0] * record.row)
        return record.buffer

    def temporary(self, dtype: np.dtype, size: int, stack: bool = False) -> Buffer:
        """Memory for what is computed here; on the ``stack`` each thread has its own."""
        kind = "stack" if stack or size * dtype.itemsize <= _STACK_BYTES else "scratch"
        buffer = Buffer(f"tmp{next(self.program.names)}", dtype, size, kind)
        buffer.level = self.level
        return self._declare(buffer)

    def in_memory(self, node: Node) -> tuple[Buffer, Any]:
        """The buffer of a node that a whole-array step reads, and the place of its first element."""
        if node.complete:
            return node.buffer, node.base
        if node.target is not None:  # the first state of a loop
            return self.buffer_of(node.target[0]), node.target[0].base
        if not (node.small or node.kind == "literal"):
            assert node.aval.size == 0, f"{node.kind} node is read as a whole before it is computed"
            return self.buffer_of(node), node.base
        return self._spill(node), 0

    def copy(self, source: Buffer, start: Any, target: Buffer, place: Any, size: int) -> None:
        """Copy ``size`` elements from one buffer to another."""
        self.b.copy(target, source, size, place, start)

    def _spill(self, node: Node) -> Buffer:
        """Copy a register node to memory, once."""
        if node.outer is not None:
            lowering, outside = node.outer
            return lowering.in_memory(outside)[0]
        if self.lanes:
            raise Unsupported("a computed index into registers in the loop of one example")
        found = self.spilled.get(node)
        if found is not None:
            return found
        if node.out >= 0 and node.buffer is not None and not node.placed:
            buffer = node.buffer
        else:
            buffer = self.temporary(node.aval.dtype, node.aval.size)
            outer, self.b.predicate = self.b.predicate, None
            for position, idx in enumerate(itertools.product(*map(range, node.aval.shape))):
                value = self.pull(node, tuple(map(ix.constant, idx)))
                self._store_outside(buffer, position, value)
            self.b.predicate = outer
        self.spilled[node] = buffer
        return buffer

    def _store_outside(self, buffer: Buffer, position: int, value: Value) -> None:
        """A store in the body of this program, ahead of the loops that are open in it."""
        self.b.scopes[self.level].body.append(Store(buffer, ix.constant(position), value))

    # -- elements

    def pull(self, node: Node, idx: tuple[Index, ...]) -> Value:
        """The element of ``node`` at ``idx``, shared within the blocks where it is valid."""
        predicate = self.b.predicate
        found = self.memo.get((node, idx, None))
        if found is None and predicate is not None:
            found = self.memo.get((node, idx, predicate))
        if found is not None:
            return found
        try:
            value = self._pull(node, idx)
        except Unsupported as error:
            error.eqn = getattr(error, "eqn", None) or node.eqn
            raise
        if value.dtype != node.aval.dtype:
            raise TypeError(
                f"the lowering of {node.eqn.primitive if node.eqn else node.kind} gives {value.dtype} "
                f"where {node.aval.dtype} is declared"
            )
        self.b.remember(self.memo, (node, idx, predicate), value)
        return value

    def _pull(self, node: Node, idx: tuple[Index, ...]) -> Value:
        b = self.b
        if node.kind == "literal":
            return b.const(node.value, node.aval.dtype)
        if node.outer is not None:
            lowering, outside = node.outer
            if len(idx) == node.aval.ndim and not any(i.terms for i in idx):
                return lowering.pull(outside, idx)
            return b.load(lowering.in_memory(outside)[0], self._flat(node, idx))
        if node.complete:
            return b.load(node.buffer, self.position(node, idx))
        if node.small and (node.kind != "pull" or node.eager) and not all(not i.terms for i in idx):
            return b.load(self._spill(node), self._flat(node, idx))
        params = node.eqn.params if node.eqn is not None else {}
        if node.kind == "map":
            values = [
                self.pull(o, self._aligned(o, e, idx)) for o, e in zip(node.operands, node.edges, strict=True)
            ]
            return node.rule.scalar(b, *values, **params)
        if node.kind == "pull":
            return node.rule.element(b, idx, *[Operand(self, o) for o in node.operands], **params)
        if node.kind == "reduce":
            return self._fold_now(node, idx)
        raise AssertionError(f"{node.kind} node is read before it is computed")

    def position(self, node: Node, idx: tuple[Index, ...]) -> Index:
        """The place of an element in the node's buffer."""
        return self._flat(node, idx) + node.base

    def _flat(self, node: Node, idx: tuple[Index, ...]) -> Index:
        shape = node.aval.shape
        if self.space is not None and len(idx) == len(self.space) and node.aval.size == math.prod(self.space):
            shape = self.space
        return ix.linearize(idx, shape)

    def _aligned(self, operand: Node, edge: str, idx: tuple[Index, ...]) -> tuple[Index, ...]:
        """The index at which an elementwise operation reads its operand: size-1 axes broadcast."""
        if edge == "same":
            return idx
        shape = operand.aval.shape
        if edge == "scalar":
            return (ix.constant(0),) * len(shape)
        return tuple([i if n != 1 else ix.constant(0) for i, n in zip(idx, shape, strict=True)])

    def _fold_now(self, node: Node, idx: tuple[Index, ...]) -> Value:
        """A small fold, written out as a balanced tree."""
        (x,) = node.operands
        axes = node.value
        spans = [range(n) if d in axes else (None,) for d, n in enumerate(x.aval.shape)]
        fold = Fold(self, node)
        values = []
        for place in itertools.product(*spans):
            rest = iter(idx)
            values.append(fold.element([ix.constant(p) if p is not None else next(rest) for p in place]))
        while len(values) > 1:
            pairs = [fold.combine(self.b, u, v) for u, v in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[len(pairs) * 2 :]
        return fold.finish(values[0])

    # -- steps

    def _lower_step(self, step: Step) -> None:
        try:
            if step.kind in CONTROL:
                lower_control(self, step)
                return
            if step.kind == "loops":
                self._lower_explicit(step)
            elif step.kind == "join":
                self.buffer_of(step.outputs[0])  # its parts have been written
            elif step.kind == "library":
                library.lower_routine(self, step)
            else:
                self._lower_host(step)
        except Unsupported as error:
            error.eqn = getattr(error, "eqn", None) or step.eqn
            raise
        for node in step.outputs:
            node.complete = True
            self.buffer_of(node).version += 1

    def _lower_explicit(self, step: Step) -> None:
        ins = [
            self._computed(n) if n in step.streamed and not n.complete else self._input(n, v.aval.shape)
            for n, v in zip(step.inputs, step.eqn.invars, strict=True)
        ]
        outs = []
        for node in step.outputs:
            buffer = self.buffer_of(node)
            buffer.changing = True
            outs.append(self._block(node, buffer, node.base))
        step.eqn.primitive.lower.build(self.b, outs, ins, **step.eqn.params)
        for out in outs:
            out.buffer.changing = False

    def _input(self, node: Node, shape: tuple[int, ...]) -> Block | Uniform:
        """An operand of an explicit rule; a literal stands for an array of equal elements."""
        if node.kind == "literal" and shape != node.aval.shape:
            return Uniform(self.b.const(node.value, node.aval.dtype), shape)
        return self._block(node, *self.in_memory(node))

    def _computed(self, node: Node) -> Computed:
        """An operand whose elements are computed where an explicit rule reads them."""
        return Computed(Operand(self, node).read, node.aval.shape, node.aval.dtype)

    @staticmethod
    def _block(node: Node, buffer: Buffer, base: Any) -> Block:
        return Block(buffer, node.aval.shape, base)

    def part(self, node: Node, written: bool = False) -> Any:
        """A value's memory, as a call takes it."""
        buffer, base = (self.buffer_of(node), node.base) if written else self.in_memory(node)
        whole = type(base) is int and base == 0
        return buffer if whole else Part(buffer, ix.constant(base) if type(base) is int else base)

    def _lower_host(self, step: Step) -> None:
        from jitney._compiler.host import host_function

        inputs = [self.part(n) for n in step.inputs if n.kind != "literal"]
        outputs = [self.part(n, True) for n in step.outputs]
        number = len(self.program.callables)
        self.program.callables.append((host_function(step), len(inputs), len(outputs)))
        self.b.call(Call("host", inputs, outputs, number))

    # -- kernels

    def _lower_kernel(self, kernel: Kernel) -> None:
        if math.prod(kernel.shape) == 0:
            return
        roots = kernel.roots
        if kernel.crossing is None:
            Nest(self, kernel.shape, kernel.axes or (), roots).write()
        else:
            self._lower_crossing(kernel, kernel.crossing)
            roots = [*roots, *kernel.crossing.roots]
        for node in roots:
            node.complete = node.complete or node.buffer is not None
            buffer = node.buffer if node.target is None else self.buffer_of(node.target[0])
            if buffer is not None:
                buffer.version += 1

    def _lower_crossing(self, along: Kernel, down: Kernel) -> None:
        """Folds along the rows and along the columns of one space."""
        rows, columns = (Nest(self, k.shape, k.axes or (), k.roots, merge=False) for k in (along, down))
        if self.lanes or len(rows.kept) != 1 or len(columns.kept) != 1:
            rows.write()
            columns.write()
        else:
            write_cross(rows, columns, options.enabled("parallelize"))


def _elsewhere(node: Node) -> Node | None:
    """The node in whose memory ``node`` has its elements."""
    return node.shares if node.shares is not None else node.target[0] if node.target else None
