"""The compiler: a program in, one native function out.  Begin at :func:`compile_program`.

    jaxpr   sink_constants, narrow_as_words, split_complex, keys_as_words, inline_calls, drop_dead, simplify_programs,
            hoist_invariants, simplify_algebra, sink_transposes, share_equal            jaxpr -> jaxpr
    graph   build_graph, fuse, share_buffers, pack_stacks            jaxpr -> values, kernels
    loops   lower_kernels, drop_unused, choose_widths, pack_math, balance_divider, reuse_outputs, share_nests,
            cut_blocks, plan_memory                                                kernels -> loop IR
    llvm    emit, assemble                                             loop IR -> machine code

Each pass is a file with its name, can be turned off (``options.without``), and is followed by the checker of
its IR when ``options.check`` is set. ``JITNEY_DEBUG=passes|jaxpr|loops|llvm|asm`` prints what each step made.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jitney._compiler.balance_divider import balance_divider
from jitney._compiler.bodies import fuse_graph
from jitney._compiler.build_graph import build_graph
from jitney._compiler.choose_widths import choose_widths
from jitney._compiler.cut_blocks import cut_blocks
from jitney._compiler.drop_dead import drop_dead
from jitney._compiler.drop_unused import drop_unused
from jitney._compiler.emit import ENTRY, emit
from jitney._compiler.executable import Parts, make_executable, parts_of
from jitney._compiler.graph import Graph
from jitney._compiler.hoist_invariants import hoist_invariants
from jitney._compiler.inline_calls import inline_calls
from jitney._compiler.keys_as_words import keys_as_words
from jitney._compiler.loading import load, symbol_addresses
from jitney._compiler.lower_kernels import lower_kernels
from jitney._compiler.machine import Target, host_target, object_code
from jitney._compiler.narrow_as_words import narrow_as_words
from jitney._compiler.options import options
from jitney._compiler.pack_math import pack_math
from jitney._compiler.plan_memory import plan_memory
from jitney._compiler.reuse_outputs import reuse_outputs
from jitney._compiler.share_equal import share_equal
from jitney._compiler.share_nests import share_nests
from jitney._compiler.simplify_algebra import simplify_algebra
from jitney._compiler.simplify_programs import simplify_programs
from jitney._compiler.sink_constants import sink_constants
from jitney._compiler.sink_transposes import sink_transposes
from jitney._compiler.split_complex import split_complex
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.checker import check_loops
from jitney._kernel.ir import LoopProgram, Unsupported
from jitney._kernel.printer import print_loops

# Ahead of these, calls are inlined and the programs inside of loops and branches simplified.
_JAXPR_PASSES = (drop_dead, hoist_invariants, simplify_algebra, sink_transposes, share_equal, drop_dead)


class Built(NamedTuple):
    """A program's object code, and what it takes to run it."""

    simple: ClosedJaxpr
    parts: Parts
    image: bytes
    symbols: dict[str, int]


def compile_program(closed: ClosedJaxpr, *, donated: Sequence[int] = ()) -> Any:
    """Compile to an ``_ext.Executable``; ``donated`` inputs may be overwritten.

    Nothing is taken from or left in a cache; ``cached.compile_cached`` is the same with one.
    """
    built = build(closed)
    return make_executable(closed, built.parts, load(built.image, ENTRY, built.symbols))


def build(closed: ClosedJaxpr) -> Built:
    """The object code of a program."""
    simple = simplify(closed)
    graph, program = lower(simple)
    text, symbols = emit(program, host_target())
    options.show("llvm", "llvm", lambda: text)
    parts = parts_of(simple, graph, program)
    return Built(simple, parts, object_code(text), symbol_addresses(symbols, program.symbols))


def simplify(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program on real numbers, flat and with less in it."""
    for run in (sink_constants, narrow_as_words, split_complex):
        if options.enabled(run.__name__):
            closed = run(closed)
            _tell(run.__name__, closed)
    return _simplify(closed)


def _simplify(closed: ClosedJaxpr, inside: bool = False) -> ClosedJaxpr:
    """The same for the programs inside, from the inside out."""
    closed = simplify_programs(inline_calls(keys_as_words(closed)), lambda c: _simplify(c, True))
    _show("inline_calls", "jaxpr", closed, inside)
    for run in _JAXPR_PASSES:
        if options.enabled(run.__name__):
            closed = run(closed)
            _show(run.__name__, "jaxpr", closed, inside)
    return closed


def lower(closed: ClosedJaxpr, target: Target | None = None) -> tuple[Graph, LoopProgram]:
    """The loop program, for this machine unless ``target`` is another one.

    Equations that turn out to have no native form are sent to their NumPy meaning.
    """
    target = target or host_target()
    refused: set[int] = set()
    while True:
        graph = build_graph(closed, frozenset(refused))
        kernels, _ = fuse_graph(graph, frozenset(refused))
        try:
            program = lower_kernels(graph, kernels, frozenset(refused))
        except Unsupported as error:
            eqn = getattr(error, "eqn", None)
            if eqn is None or id(eqn) in refused:
                raise NotImplementedError(str(error)) from error
            refused.add(id(eqn))
            continue
        return graph, _finish_loops(program, target)


def _finish_loops(program: LoopProgram, target: Target) -> LoopProgram:
    _show("lower_kernels", "loops", program)
    if options.enabled("drop_unused"):
        drop_unused(program)
        _show("drop_unused", "loops", program)
    choose_widths(program, target.register_bytes if options.enabled("choose_widths") else 0)
    _tell("choose_widths", program)
    if options.enabled("pack_math"):
        pack_math(program, target.register_bytes)
        _tell("pack_math", program)
    if options.enabled("balance_divider"):
        balance_divider(program, target.text)
        _tell("balance_divider", program)
    if options.enabled("reuse_outputs"):
        reuse_outputs(program)
        _tell("reuse_outputs", program)
    if options.enabled("share_nests"):
        share_nests(program)
    if options.enabled("cut_blocks"):
        cut_blocks(program)
    plan_memory(program)
    _show("plan_memory", "loops", program)
    return program


class _Watchers(threading.local):
    """Who wants to see what the passes of this thread make."""

    now: tuple[Callable[[str, Any], None], ...] = ()


_watchers = _Watchers()


@contextlib.contextmanager
def watching(watch: Callable[[str, Any], None]) -> Iterator[None]:
    """``watch(name, ir)`` is called after each pass over a whole program (not over those inside of its loops)."""
    before, _watchers.now = _watchers.now, (*_watchers.now, watch)
    try:
        yield
    finally:
        _watchers.now = before


def _tell(name: str, ir: Any) -> None:
    for watch in _watchers.now:
        watch(name, ir)


def _show(name: str, stage: str, ir: Any, inside: bool = False) -> None:
    if not inside:
        _tell(name, ir)
    if stage == "loops":
        if options.check:
            check_loops(ir)
        options.show("loops" if name == "plan_memory" else "passes", f"after {name}", lambda: print_loops(ir))
        return
    if options.check:
        from jitney._core import checker

        checker.check_jaxpr(ir.jaxpr)
    options.show("jaxpr" if name == "share_equal" else "passes", f"after {name}", lambda: str(ir))
