"""LLVM IR as text: the writer that every native function of jitney is written with.

Begin in `writer.py`: types and constants, then `FunctionWriter`, then `ModuleWriter`.
"""

from .writer import (
    Block,
    FunctionWriter,
    ModuleWriter,
    Phi,
    Value,
    const,
    const_lanes,
    elem,
    iota,
    lanes,
    mangle,
    mask_type,
    poison,
    retype,
    vec,
    zero,
)

__all__ = [
    "Block",
    "FunctionWriter",
    "ModuleWriter",
    "Phi",
    "Value",
    "const",
    "const_lanes",
    "elem",
    "iota",
    "lanes",
    "mangle",
    "mask_type",
    "poison",
    "retype",
    "vec",
    "zero",
]
