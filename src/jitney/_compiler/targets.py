"""The CPUs that code is made for: this machine's, an older one, or one of another architecture.

Begin at :func:`host_target`. ``LEVELS`` are those that have names of their own; ``JITNEY_CPU=x86-64-v3`` asks for one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Target:
    """A CPU; ``triple`` is empty where it is that of this process."""

    name: str
    text: str  # features as LLVM spells them
    register_bytes: int
    triple: str = ""


# What decides between instructions: SSE2, SSE4.2, AVX2 with FMA, AVX-512, NEON.
LEVELS = {
    "x86-64": Target("x86-64", "", 16, "x86_64-unknown-linux-gnu"),
    "x86-64-v2": Target("x86-64-v2", "+sse4.2,+ssse3,+popcnt", 16, "x86_64-unknown-linux-gnu"),
    "x86-64-v3": Target("x86-64-v3", "+avx2,+fma,+bmi2", 32, "x86_64-unknown-linux-gnu"),
    "x86-64-v4": Target(
        "x86-64-v4",
        "+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx2,+fma,+bmi2",
        64,
        "x86_64-unknown-linux-gnu",
    ),
    "aarch64": Target("generic", "+neon", 16, "aarch64-unknown-linux-gnu"),
}

_REGISTERS = {"avx512f": 64, "avx2": 32, "avx": 32}


@cache
def host_target() -> Target:
    """This machine, or what ``JITNEY_CPU`` names of the same architecture."""
    import llvmlite.binding as llvm

    architecture = llvm.get_process_triple().split("-")[0]
    if architecture == "arm64":  # as macOS says
        architecture = "aarch64"
    asked = LEVELS.get(os.environ.get("JITNEY_CPU", ""))
    if asked is not None and asked.triple.startswith(architecture):
        return Target(asked.name, asked.text, asked.register_bytes)
    features = llvm.get_host_cpu_features()
    text = features.flatten()
    if architecture == "aarch64" and not features.get("neon"):  # not known everywhere, but always there
        text = f"{text},+neon".strip(",")
    register = next((size for f, size in _REGISTERS.items() if features.get(f)), 16)
    return Target(llvm.get_host_cpu_name(), text, register)
