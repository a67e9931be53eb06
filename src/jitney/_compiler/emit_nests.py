"""Writes loop nests that ``share_nests`` found to be equal: one function of buffers and values, and calls of it.

Begin at :meth:`NestEmitter.shared_nest`.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.emit_control import ControlEmitter
from jitney._compiler.emit_loops import Function
from jitney._compiler.emit_ops import llvm_type
from jitney._compiler.ir import FunctionWriter, const
from jitney._compiler.share_nests import Nest
from jitney._kernel.index import LoopVar
from jitney._kernel.ir import For


class NestEmitter(ControlEmitter):
    """The part of the emitter that writes equal nests."""

    nests: dict[tuple, str]  # the functions written so far, by what they do

    def shared_nest(self, node: For, nest: Nest) -> None:
        """A call of the nest's function, which is written with its first loop."""
        name = self.nests.get(nest.key)
        if name is None:
            name = self.nests[nest.key] = f"jt_nest{len(self.nests)}"
            self._write_nest(name, node, nest)
        f = self.f
        args = [self.base(b) for b in nest.buffers]
        args += [self.lookup(x, _type(x)) for x in nest.outside]
        results = [c.result for c in node.carries]
        if results:
            f.position(self.fn.block(node.var.level - 1))
            args.append(f.alloca("i64", len(results), 16))
        f.position(self.fn.block(node.var.level - 1))
        f.call(name, "void", args, declare=False)
        for k, r in enumerate(results):
            place = f.gep("i64", args[-1], const("i64", k))
            self.fn.env[r] = f.load(_type(r), place, 8)

    def _write_nest(self, name: str, node: For, nest: Nest) -> None:
        outer_fn, outer, level = self.fn, self.f, self.level
        types = ["ptr"] * len(nest.buffers) + [_type(x) for x in nest.outside]
        params = [*types, "ptr"] if node.carries else types
        writer = FunctionWriter(name, "void", params, linkage="internal", attributes="noinline nounwind")
        self.fn, self.f = Function(writer, node.var.level - 1, None), writer
        self.fn.threaded = outer_fn.threaded
        self.fn.env.update(zip([*nest.buffers, *nest.outside], writer.args, strict=False))
        self.loop(node)
        writer.position(self.fn.block(self.fn.first))
        for k, c in enumerate(node.carries):
            place = writer.gep("i64", writer.args[-1], const("i64", k))
            writer.store(self.scalar(c.result), place, 8)
        writer.ret()
        self.module.add(writer)
        self.fn, self.f, self.level = outer_fn, outer, level
        outer.position(outer_fn.block(node.var.level - 1))


def _type(x: Any) -> str:
    return "i64" if type(x) is LoopVar else llvm_type(x.dtype)
