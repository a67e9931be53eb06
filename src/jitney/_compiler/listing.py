"""The forms of a program on its way to machine code, for people who want to look at them."""

from __future__ import annotations

from jitney._compiler.cost import cost
from jitney._compiler.emit import emit
from jitney._compiler.machine import code_size, host_target
from jitney._compiler.pipeline import lower, simplify
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.printer import print_loops


class Listing:
    """The loop program and the LLVM text of ``closed``."""

    def __init__(self, closed: ClosedJaxpr) -> None:
        simple = simplify(closed)
        self.const_bytes = sum(v.aval.nbytes for v in simple.jaxpr.constvars)
        _, self.program = lower(simple)

    @property
    def loops(self) -> str:
        """The loop IR as text."""
        return print_loops(self.program)

    @property
    def llvm(self) -> str:
        """The module that LLVM gets."""
        return emit(self.program, host_target())[0]

    def cost(self) -> dict[str, float]:
        return cost(self.program)

    def code_size(self) -> int:
        """Bytes of machine code."""
        return code_size(self.llvm)

    def scratch_size(self) -> int:
        """Bytes of temporary memory that a run takes."""
        return int(self.program.scratch_bytes)


def listing(closed: ClosedJaxpr) -> Listing:
    """The listing of a program, made once and kept with it."""
    if "listing" not in closed.cache:
        closed.cache["listing"] = Listing(closed)
    return closed.cache["listing"]
