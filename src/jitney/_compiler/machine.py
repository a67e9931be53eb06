"""The machine: LLVM text -> object code, through llvmlite (imported at the first compile).

Begin at :func:`assemble`.  The explicit vector code needs only a light set of LLVM passes.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import re
from functools import cache
from typing import Any

from jitney._base import forks
from jitney._compiler.loading import Code, address_of, load, symbol_addresses
from jitney._compiler.options import options
from jitney._compiler.targets import Target, host_target

_names = itertools.count()
_lock = forks.HeldLock()  # forked children find LLVM at rest
# What the combiner of instructions makes shorter: masks made of masks, vectors of addresses, remainders.
_TANGLED = ("llvm.masked", "rem i", "rem <")
# The emitter has placed induction variables, and processors reorder instructions themselves.
_NOT_NEEDED = ("disable-lsr", "disable-post-ra")
_MASKS = re.compile(r"or (?:<\d+ x )?i1")


class Machine:
    """LLVM's objects for one CPU: a target machine, a JIT, and a pipeline of passes."""

    def __init__(self, cpu: Target) -> None:
        import llvmlite.binding as llvm

        held = getattr(getattr(llvm.ffi.lib, "_lock", None), "_lock", None)  # llvmlite's own lock
        if held is not None and held not in _lock.beneath:
            _lock.beneath.append(held)
        if cpu.triple:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
        else:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
        self.llvm = llvm
        self.triple = triple = cpu.triple or llvm.get_process_triple()
        self.make_target = lambda: llvm.Target.from_triple(triple).create_target_machine(
            cpu=cpu.name, features=cpu.text, opt=2, reloc="pic", codemodel="small"
        )
        self.target = self.make_target()
        self.data_layout = str(self.target.target_data)
        self.linker: tuple[Any, Any] | None = None

    def renew(self) -> None:
        """Load what is compiled from now on into a new JIT, where one is needed.

        LLVM gives back only a part of a module's memory before its whole JIT goes, which is when the last code
        in it does.
        """
        self.linker = None

    def jit_and_runtime(self) -> tuple[Any, Any]:
        """The JIT, and a library, linked once, of what LLVM itself may call for intrinsics without an instruction."""
        if self.linker is None:
            jit = self.llvm.create_lljit_compiler(self.make_target(), use_jit_link=True)
            text = f"{self.header()}define void @jt_nothing() {{ ret void }}\n"
            library = self.llvm.JITLibraryBuilder().add_ir(text).export_symbol("jt_nothing")
            for name in _RUNTIME:
                if address_of(name):
                    library.import_symbol(name, address_of(name))
            self.linker = jit, library.link(jit, "jt_runtime")
        return self.linker

    def header(self) -> str:
        return f'target datalayout = "{self.data_layout}"\ntarget triple = "{self.triple}"\n'

    def passes(self, text: str) -> Any:
        """What the module ``text`` needs of LLVM's passes: most is written as LLVM would leave it."""
        llvm = self.llvm
        tuning = llvm.create_pipeline_tuning_options(speed_level=1)
        builder = llvm.create_pass_builder(self.target, tuning)
        manager = llvm.create_new_module_pass_manager()
        manager.add_always_inliner_pass()
        if any(mark in text for mark in _TANGLED) or _MASKS.search(text):
            manager.add_instruction_combine_pass()
        return manager, builder

    def emit_object(self, module: Any) -> bytes:
        """Machine code, without passes that find nothing to do in what the emitter writes.

        LLVM knows these switches for the whole process only, so they are put back for its other users.
        """
        for name in _NOT_NEEDED:
            self.llvm.set_option("jitney", f"-{name}=true")
        try:
            return self.target.emit_object(module)
        finally:
            for name in _NOT_NEEDED:
                self.llvm.set_option("jitney", f"-{name}=false")


@cache
def machine() -> Machine:
    """The one machine of this process."""
    return Machine(host_target())


@cache
def _machine_of(cpu: Target) -> Machine:
    return Machine(cpu)


def release_memory() -> None:
    """After programs were forgotten: give their memory back to the system (that of live ones stays)."""
    with _lock:
        if machine.cache_info().currsize:
            machine().renew()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_RUNTIME = (
    "memcpy",
    "memset",
    "memmove",
    "fmod",
    "fmodf",
    "floor",
    "floorf",
    "ceil",
    "ceilf",
    "trunc",
    "truncf",
    "roundeven",
    "roundevenf",
    "round",
    "roundf",
    "fma",
    "fmaf",
    "rint",
    "rintf",
    "nearbyint",
    "nearbyintf",
)


def assemble(text: str, entry: str, symbols: dict[str, int]) -> Code:
    """Compile a module and load it."""
    return load(object_code(text), entry, symbols)


def object_code(text: str, cpu: Target | None = None) -> bytes:
    """The object file that a module becomes, for this machine or for another ``cpu``."""
    with _lock:
        return _object(machine() if cpu is None else _machine_of(cpu), text)


def assembly(text: str, cpu: Target | None = None) -> str:
    """The instructions that a module becomes, for this machine or for another ``cpu``."""
    with _lock:
        m = machine() if cpu is None else _machine_of(cpu)
        return str(m.target.emit_assembly(_optimised(m, text)))


def link(image: bytes, entry: str, symbols: dict[str, int]) -> Code:
    """Load an object by LLVM's JITLink."""
    with _lock:
        m = machine()
        library = m.llvm.JITLibraryBuilder().add_object_img(image).export_symbol(entry)
        jit, runtime = m.jit_and_runtime()
        library.add_jit_library("jt_runtime")
        for name, address in symbols.items():
            library.import_symbol(name, address)
        tracker = library.link(jit, f"jt{next(_names)}")
        return Code(tracker[entry], (tracker, runtime))  # which keep the JIT


def code_size(text: str) -> int:
    """Bytes of the object file that a module becomes."""
    return len(object_code(text))


def _object(m: Machine, text: str) -> bytes:
    module = _optimised(m, text)
    image = m.emit_object(module)
    options.show("asm", "asm", lambda: m.target.emit_assembly(module))
    return image


def _optimised(m: Machine, text: str) -> Any:
    """The module after LLVM's passes."""
    llvm = m.llvm
    module = llvm.parse_assembly(m.header() + text, llvm.create_context())
    if options.check:
        module.verify()
    if options.enabled("llvm_passes"):
        manager, builder = m.passes(text)
        manager.run(module, builder)
    options.show("llvm", "llvm, optimised", lambda: str(module))
    return module


__all__ = [
    "Code",
    "Target",
    "assemble",
    "assembly",
    "code_size",
    "host_target",
    "link",
    "machine",
    "object_code",
    "release_memory",
    "symbol_addresses",
]
