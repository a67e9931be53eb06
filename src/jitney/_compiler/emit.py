"""emit: writes a loop program as LLVM IR text.

Begin at :func:`emit`.  A value is one LLVM value, or in a vector loop, where it differs between iterations,
a list with one LLVM vector per copy of the loop body.  ``blocks[level]`` is where code of a nesting level
is being written: an inner loop's preheader stays open, so that addresses and broadcasts that do not
change in the loop are written there.
"""

from __future__ import annotations

import functools
from typing import Any

from jitney._compiler import emit_ops, foreign_calls
from jitney._compiler.emit_loops import Facts, Function
from jitney._compiler.emit_ops import llvm_type, memory_type
from jitney._compiler.emit_parts import MAIN_PARAMS, PartEmitter
from jitney._compiler.emit_rows import Row, load_row, store_row
from jitney._compiler.ir import FunctionWriter, ModuleWriter, const, const_lanes, iota, vec, zero
from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Part, Store, Value, While

ENTRY = "jt_entry"
_MOST_INLINED = 8  # calls of one math function


def emit(program: LoopProgram, features: Any) -> tuple[str, set[str]]:
    """The module's text and the outside symbols that it needs."""
    emitter = Emitter(program, features)
    emitter.run()
    emitter.module.outline(_MOST_INLINED)
    return emitter.module.text(), emitter.symbols


class Emitter(PartEmitter):
    """Writes one program."""

    def __init__(self, program: LoopProgram, features: Any) -> None:
        self.program, self.features = program, features
        self.module = ModuleWriter()
        self.symbols: set[str] = set()
        self.fn: Function = Function(FunctionWriter(ENTRY, "i32", MAIN_PARAMS), 0, None)
        self.f = self.fn.f
        self.width, self.copies = 1, 1
        self.vector: LoopVar | None = None
        self.level = 0  # of the statement being written
        self.varying: set[Any] = set()
        self.masks: list | None = None
        self.clipped = False
        self.ragged: set[LoopVar] = set()
        self.moved_at: dict[Buffer, int] = {}
        self.facts = Facts(program.body)
        self.parts: list[Function] = []
        self.slots: dict[Any, int] = {}
        self.nests: dict[tuple, str] = {}
        self.frame_start = -(-program.scratch_bytes // 64) * 64
        self.rows: dict[Any, Row] = {}  # accesses of the present vector loop that belong together

    def run(self) -> None:
        self.statements(self.program.body, 0)
        self.f.position(self.fn.blocks[0])
        self.f.ret(const("i32", 0))
        self.module.add(self.f)
        self.finish_parts()

    # -- positions

    def at(self, level: int) -> dict:
        """Write at ``level`` from now on; gives the facts known there."""
        level = max(level, self.fn.first)
        self.f.position(self.fn.block(level))
        return self.fn.caches[level]

    def once(self, level: int, key: Any, make: Any) -> Any:
        """What ``make()`` writes at ``level``, shared by key."""
        here = self.f.current
        cache = self.at(level)
        found = cache.get(key)
        if found is None:
            found = cache[key] = make()
        self.f.position(here)
        return found

    # -- statements

    def statements(self, body: list, level: int) -> None:
        cuts = self.program.cuts.get(id(body)) if self.program.cuts else None
        if cuts:
            self.in_parts(body, level, cuts)
            return
        for s in body:
            kind, self.level = type(s), level
            if kind is Value:
                self.fn.env[s] = self.value(s)
            elif kind is Store:
                self.store(s)
            elif kind is For:
                nest = self.program.nests.get(s) if self.vector is None else None
                if nest is None:
                    self.loop(s)
                else:
                    self.shared_nest(s, nest)
            elif kind is While:
                self.while_loop(s)
            elif kind is Branch:
                self.branch(s)
            else:
                self.call(s)

    def lookup(self, key: Any, type_: str) -> Any:
        """A value, loop counter or pointer, captured from the enclosing function if need be."""
        found = self.fn.env.get(key)
        if found is None:
            found = self._capture(self.fn, key, type_)
        return found

    def _capture(self, fn: Function, key: Any, type_: str) -> Any:
        assert fn.parent is not None or key in fn.homes, f"{key} is used before it is computed"
        if fn.part or key in fn.homes:
            return self.from_outside(fn, key, type_)
        slot = len(fn.captured)
        fn.captured.append((key, type_))
        here = fn.f.current
        fn.f.position(fn.f.entry)
        place = fn.f.gep("i64", fn.f.args[0], const("i64", slot))
        fn.env[key] = fn.f.load(type_, place, 8)
        fn.f.position(here)
        return fn.env[key]

    def scalar(self, v: Value) -> Any:
        """A uniform value."""
        if v.op == "const":
            return const(llvm_type(v.dtype), v.attr.value)
        return self.lookup(v, llvm_type(v.dtype))

    def lanes(self, v: Value, copy: int) -> Any:
        """A value as the vector of one copy."""
        if v.op == "const":
            return const(vec(llvm_type(v.dtype), self.width), v.attr.value)
        found = self.lookup(v, llvm_type(v.dtype))
        if type(found) is list:
            return found[copy]
        return self.spread(found, v, v.level)

    def spread(self, scalar: Any, key: Any, level: int) -> Any:
        """A scalar in all lanes; written outside the vector loop where it can be."""
        if self.width == 1:
            return scalar
        width = self.width
        outside = min(level, self.vector.level - 1) if self.vector is not None else level
        if level > outside:
            return self.f.splat(scalar, width)
        return self.once(outside, ("splat", key, width), lambda: self.f.splat(scalar, width))

    def varies(self, v: Value) -> bool:
        return type(self.fn.env.get(v)) is list

    def value(self, v: Value) -> Any:
        """Write one operation."""
        op = v.op
        if op == "const":
            return const(llvm_type(v.dtype), v.attr.value)
        if op == "load":
            return self.load(v)
        if op == "index":
            return self.index_value(v.attr)
        if op == "test":
            return self.test(v.attr)
        write = emit_ops.WRITERS[op]
        if self.vector is None or not any([self.varies(a) for a in v.args]):
            return write(self, v, *[self.scalar(a) for a in v.args])
        return [write(self, v, *[self.lanes(a, c) for a in v.args]) for c in range(self.copies)]

    # -- indices

    def atom(self, atom: Any) -> Any:
        """The number of an atom in the present iteration (of lane 0), as i64."""
        if type(atom) is LoopVar:
            return self.lookup(atom, "i64")
        if type(atom) is Dynamic:
            return self.scalar(atom.value)
        return self.once(atom.level, atom, lambda: self._divide(self.number(atom.of), atom))

    def _divide(self, x: Any, atom: Quotient) -> Any:
        f = self.f
        by = const(x.type, atom.by)
        if atom.of.lo >= 0:
            return f.urem(x, by) if atom.rest else f.udiv(x, by)
        rest = f.srem(x, by)
        negative = f.icmp("slt", rest, const(x.type, 0))
        if atom.rest:
            return f.select(negative, f.add(rest, by), rest)
        return f.sub(f.sdiv(x, by), f.zext(negative, "i64"))

    def number(self, index: Index) -> Any:
        """An index as i64 (of lane 0)."""
        total = None
        for atom, c in index.terms:
            x = self.atom(atom)
            x = x if c == 1 else self.f.mul(x, const("i64", c))
            total = x if total is None else self.f.add(total, x)
        if total is None:
            return const("i64", index.const)
        return self.f.add(total, const("i64", index.const)) if index.const else total

    def stride(self, index: Index) -> int | None:
        """The step of an index from lane to lane; None where it is not even."""
        if self.vector is None:
            return 0
        for atom, _ in index.terms:
            if self._uneven(atom):
                return None
        return index.coefficient(self.vector)

    def _uneven(self, atom: Any) -> bool:
        if type(atom) is Dynamic:
            return self.varies(atom.value)
        if type(atom) is Quotient:
            return any(a is self.vector or self._uneven(a) for a, _ in atom.of.terms)
        return False

    def number_lanes(self, index: Index, copy: int) -> Any:
        """An index in every lane."""
        wide = vec("i64", self.width)
        total = None
        for atom, c in index.terms:
            x = self._atom_lanes(atom, copy)
            x = x if c == 1 else self.f.mul(x, const(wide, c))
            total = x if total is None else self.f.add(total, x)
        return self.f.add(total, const(wide, index.const)) if index.const else total

    def _atom_lanes(self, atom: Any, copy: int) -> Any:
        if atom is self.vector:
            base = self.f.splat(self.atom(atom), self.width)
            steps = self.f.add(base, iota(vec("i64", self.width)))
            return self.f.add(steps, const(steps.type, copy * self.width)) if copy else steps
        if type(atom) is Dynamic and self.varies(atom.value):
            return self.lanes(atom.value, copy)
        if self._uneven(atom):
            return self._divide(self.number_lanes(atom.of, copy), atom)
        return self.f.splat(self.atom(atom), self.width)

    def index_value(self, index: Index) -> Any:
        if self.stride(index) == 0:
            return self.number(index)
        return [self.number_lanes(index, c) for c in range(self.copies)]

    def test(self, condition: Any) -> Any:
        number = self.index_value(condition.of)
        sign = {"ge": "sge", "eq": "eq", "ne": "ne"}[condition.kind]
        if type(number) is list:
            return [self.f.icmp(sign, x, const(x.type, 0)) for x in number]
        return self.f.icmp(sign, number, const("i64", 0))

    # -- memory

    def base(self, buffer: Buffer) -> Any:
        """The pointer to a buffer's first element."""
        found = self.fn.env.get(buffer)
        if found is not None:
            return found
        shared = buffer in self.moved_at if self.fn.part else self.fn.parent is not None
        if shared and buffer not in self.fn.private:
            return self._capture_base(self.fn, buffer)
        if (
            buffer.inside is not None
        ):  # asked last: the functions around may know the buffer under its own name
            return self.base(buffer.inside)
        return self._main_base(buffer)

    def _capture_base(self, fn: Function, buffer: Buffer) -> Any:
        return self._capture(fn, buffer, "ptr")

    def _main_base(self, buffer: Buffer) -> Any:
        fn = self.fn
        f, env = fn.f, fn.env
        here = f.current
        if buffer.kind == "stack":
            env[buffer] = f.alloca(memory_type(buffer.dtype), buffer.size)
            return env[buffer]
        f.ahead()
        if buffer.kind == "scratch":
            arena = f.load("ptr", f.args[2], 8)
            env[buffer] = f.gep("i8", arena, const("i64", buffer.offset))
        else:
            table = f.args[1] if buffer.kind == "out" else f.args[0]
            env[buffer] = f.load("ptr", f.gep("ptr", table, const("i64", buffer.number)), 8)
        f.position(here)
        return env[buffer]

    def address(self, buffer: Buffer, index: Index, shift: int = 0) -> Any:
        """The pointer to an element; each loop's share of the address is added outside the loops within."""
        element = memory_type(buffer.dtype)
        pointer, level = self.base(buffer), self.moved_at.get(buffer, 0)
        origin, done = pointer.name, ()
        for term in sorted(index.terms, key=lambda t: t[0].level):
            done = (*done, term)
            level = max(level, term[0].level)
            pointer = self.once(level, (origin, done), functools.partial(self._step, element, pointer, term))
        last = index.const + shift
        return self.f.gep(element, pointer, const("i64", last), False) if last else pointer

    def _step(self, element: str, pointer: Any, term: tuple) -> Any:
        atom, c = term
        x = self.atom(atom)
        if x.name == "0":
            return pointer
        # Not inbounds: sums of some terms only, and places where a predicate forbids the load, may lie outside.
        return self.f.gep(element, pointer, x if c == 1 else self.f.mul(x, const("i64", c)), False)

    def load(self, v: Value) -> Any:
        buffer, index = v.attr
        predicate = v.args[0] if v.args else None
        stride = self.stride(index)
        if stride == 0 and not (predicate is not None and self.varies(predicate)):
            return self._load_scalar(buffer, index, predicate)
        row = self.rows.get(v)
        if row is not None and self.mask_of(None, 0, index) is None:
            return [self._from_memory(load_row(self, v, row, c), buffer) for c in range(self.copies)]
        return [self._load_lanes(buffer, index, stride, predicate, c) for c in range(self.copies)]

    def _load_scalar(self, buffer: Buffer, index: Index, predicate: Value | None) -> Any:
        pointer = self.address(buffer, index)
        if predicate is not None:
            pointer = self.f.select(self.scalar(predicate), pointer, self._zeros())
        raw = self.f.load(memory_type(buffer.dtype), pointer, buffer.dtype.itemsize)
        return self._from_memory(raw, buffer)

    def _zeros(self) -> Any:
        """A pointer to a zero of any type."""
        return self.module.table("jt_zero", "i64", [0, 0])

    def _from_memory(self, raw: Any, buffer: Buffer) -> Any:
        return self.f.icmp("ne", raw, const(raw.type, 0)) if buffer.dtype.kind == "b" else raw

    def _load_lanes(
        self, buffer: Buffer, index: Index, stride: int | None, predicate: Value | None, copy: int
    ) -> Any:
        f, size = self.f, buffer.dtype.itemsize
        wide = vec(memory_type(buffer.dtype), self.width)
        mask = self.mask_of(predicate, copy, index)
        if stride == 1:
            pointer = self.address(buffer, index, copy * self.width)
            raw = (
                f.load(wide, pointer, size)
                if mask is None
                else f.masked_load(wide, pointer, mask, zero(wide), size)
            )
        elif stride == -1:
            raw = self._load_backwards(buffer, index, wide, mask, copy)
        else:
            if mask is None:
                mask = const(vec("i1", self.width), True)
            raw = f.gather(wide, self._pointers(buffer, index, stride, copy), mask, zero(wide), size)
        return self._from_memory(raw, buffer)

    def _load_backwards(self, buffer: Buffer, index: Index, wide: str, mask: Any, copy: int) -> Any:
        f, w, size = self.f, self.width, buffer.dtype.itemsize
        pointer = self.address(buffer, index, -copy * w - (w - 1))
        order = list(range(w - 1, -1, -1))
        if mask is None:
            raw = f.load(wide, pointer, size)
        else:
            raw = f.masked_load(wide, pointer, f.shuffle(mask, None, order), zero(wide), size)
        return f.shuffle(raw, None, order)

    def _pointers(self, buffer: Buffer, index: Index, stride: int | None, copy: int) -> Any:
        """One address per lane."""
        element = memory_type(buffer.dtype)
        if stride is None:
            return self.f.gep(element, self.base(buffer), self.number_lanes(index, copy), False)
        start = self.address(buffer, index, copy * self.width * stride)
        wide = vec("i64", self.width)
        return self.f.gep(element, start, const_lanes(wide, [stride * k for k in range(self.width)]), False)

    def store(self, s: Store) -> None:
        buffer, stride = s.buffer, self.stride(s.index)
        many = self.varies(s.value) or (s.predicate is not None and self.varies(s.predicate)) or stride != 0
        if self.vector is None or not many:
            return self._store_scalar(s)
        row = self.rows.get(s)
        if row is not None and self.masks is None:
            return self._store_row(s, row)
        for copy in range(self.copies):
            mask = self.mask_of(s.predicate, copy, None)
            self._store_lanes(buffer, s.index, stride, self._to_memory(s, copy), mask, copy)
        return None

    def _store_row(self, s: Store, row: Row) -> None:
        """All of a row where its last store stands."""
        if s is row.last:
            for copy in range(self.copies):
                store_row(self, row, copy, {k: self._to_memory(w, copy) for k, w in row.stores.items()})

    def _to_memory(self, s: Store, copy: int) -> Any:
        value = self.lanes(s.value, copy)
        return self.f.zext(value, "i8") if s.buffer.dtype.kind == "b" else value

    def _store_scalar(self, s: Store) -> None:
        value = self.scalar(s.value)
        value = self.f.zext(value, "i8") if s.buffer.dtype.kind == "b" else value
        pointer = self.address(s.buffer, s.index)
        if s.predicate is not None:
            pointer = self.f.select(self.scalar(s.predicate), pointer, self.f.alloca("i64", 2))
        self.f.store(value, pointer, s.buffer.dtype.itemsize)

    def _store_lanes(
        self, buffer: Buffer, index: Index, stride: int | None, value: Any, mask: Any, copy: int
    ) -> None:
        f, size = self.f, buffer.dtype.itemsize
        if stride == 1:
            pointer = self.address(buffer, index, copy * self.width)
            if mask is None:
                f.store(value, pointer, size)
            else:
                f.masked_store(value, pointer, mask, size)
            return
        mask = const(vec("i1", self.width), True) if mask is None else mask
        f.scatter(value, self._pointers(buffer, index, stride, copy), mask, size)

    # -- calls

    def call(self, s: Call) -> None:
        if s.symbol == "host":
            self._host(s)
        elif s.foreign is not None:
            self._foreign(s)
        else:
            self._routine(s)

    def start(self, x: Buffer | Part) -> Any:
        """The pointer that a call gets."""
        return self.address(x.buffer, x.base) if type(x) is Part else self.base(x)

    def _pointer_table(self, parts: list[Buffer | Part]) -> Any:
        f = self.f
        table = f.alloca("ptr", max(len(parts), 1), 16)
        for k, x in enumerate(parts):
            f.store(self.start(x), f.gep("ptr", table, const("i64", k)), 8)
        return table

    def _host(self, s: Call) -> None:
        f = self.f
        self.symbols.add("jt_host_call")
        status = f.call(
            "jt_host_call",
            "i32",
            [
                f.args[2],
                const("i64", s.number),
                self._pointer_table(s.inputs),
                self._pointer_table(s.outputs),
            ],
        )
        failed, on = f.block("failed"), f.block("on")
        f.cbr(f.icmp("ne", status, const("i32", 0)), failed, on)
        f.position(failed)
        f.ret(status)
        f.position(on)
        self.fn.move(self.level, on)

    def _foreign(self, s: Call) -> None:
        """A C function with a signature of its own on whole arrays."""
        function = s.foreign
        dtypes = [p for n, p in enumerate(function.params) if n not in dict(function.fixed)]
        args = []
        for dtype, (kind, k) in zip(dtypes, s.arguments, strict=True):
            if kind == "size":
                args.append(const(llvm_type(dtype), k))
            elif kind == "place":
                args.append(self.module.table(f"jt_integer_{k}", "i64", [k], 8))
            else:
                start = self.start((s.outputs if kind == "out" else s.inputs)[k])
                args.append(self._number_at(start, dtype) if kind == "value" else start)
        result = foreign_calls.call(self, function, args)
        if result is not None:
            stored = self.f.zext(result, "i8") if function.result.kind == "b" else result
            self.f.store(stored, self.start(s.outputs[0]), function.result.itemsize)

    def _number_at(self, place: Any, dtype: Any) -> Any:
        raw = self.f.load(memory_type(dtype), place, dtype.itemsize)
        return self.f.icmp("ne", raw, const(raw.type, 0)) if dtype.kind == "b" else raw

    def _routine(self, s: Call) -> None:
        """``void symbol(void** ins, void** outs, const int64_t* args)``."""
        self.symbols.add(s.symbol)
        name = "jt_args_" + "_".join(map(str, s.arguments)).replace("-", "m")
        numbers = self.module.table(name, "i64", list(s.arguments) or [0], 8)
        tables = self._pointer_table(s.inputs), self._pointer_table(s.outputs)
        self.f.call(s.symbol, "void", [*tables, numbers])
