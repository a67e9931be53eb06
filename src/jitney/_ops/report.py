"""The registry as a table: which rules each primitive has and which are missing (``python -m jitney._ops.report``).

``--matrix`` prints every primitive; ``--strict`` ends non-zero if a rule is missing that a user could ask for.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterable, Sequence

from jitney import _ops
from jitney._core.primitive import Primitive, registry

# Linear in some operand, so that reverse-mode differentiation transposes them.  Every other primitive
# is differentiated into these before anything is transposed.
LINEAR = frozenset(
    """
    add add_any broadcast_in_dim concatenate convert_element_type copy cumsum dot_general dynamic_slice
    dynamic_update_slice gather imag mul neg pad real complex conj reduce_sum reshape rev scatter scatter-add
    scatter-sub scatter-mul select_n slice squeeze sub div transpose
    """.split()
)


# Between integers or random keys, which have no derivatives.
DISCRETE = frozenset(
    """
    lu_pivots_to_permutation random_bits random_clone random_fold_in random_seed random_split random_unwrap random_wrap
    threefry_bits threefry_fold_in threefry_seed threefry_split
    """.split()
)


def load_all() -> None:
    """Import all of this floor; higher-order primitives came with ``jitney`` itself."""
    for module in pkgutil.iter_modules(_ops.__path__):
        if module.name != "report":
            importlib.import_module(f"{_ops.__name__}.{module.name}")


def primitives() -> list[Primitive]:
    """All primitives of this library, by name; not those that users made, or the compiler for itself."""
    load_all()
    floors = [(name.split("."), module) for name, module in list(sys.modules.items())]
    modules = [module for path, module in floors if path[0] == "jitney" and path[1:2] != ["_compiler"]]
    ours = {id(x) for module in modules for x in vars(module).values() if isinstance(x, Primitive)}
    return [registry[name] for name in sorted(registry) if id(registry[name]) in ours]


# Operations that only the compiler writes, when nothing is differentiated or batched any more.
MADE_BY_PASSES = frozenset(("fft_of_pairs", "fft_along", "raise_failure"))


# What ends a program by an exception, which is Python's; while nothing fails it is not run.
RAISES = frozenset(("raise_failure",))


# What passes write in terms of others before anything is lowered: split_complex, keys_as_words.
REWRITTEN_BY_PASSES = frozenset(
    ("complex", "conj", "imag", "real", "random_clone", "random_unwrap", "random_wrap")
)


def missing(prim: Primitive, slot: str) -> bool:
    """Whether an empty ``slot`` of ``prim`` is a rule that somebody will miss."""
    if getattr(prim, slot, None) is not None:
        return False
    if prim.name in MADE_BY_PASSES and slot in ("jvp", "transpose", "batch"):
        return False
    if prim.expand is not None and slot != "abstract":
        return False  # its body has the rule
    if slot == "numpy":
        return prim.impl is None and not prim.higher_order
    if slot == "transpose":
        return prim.name in LINEAR
    if slot == "jvp":
        return prim.name not in DISCRETE and prim.no_derivative == Primitive.no_derivative
    if slot == "batch" and type(prim).bind is not Primitive.bind:
        return False  # meets the trace itself
    return True


def native(prim: Primitive) -> bool:
    """Whether compiled code needs no Python for ``prim``: a rule of its own, a library, inlined, or rewritten."""
    if prim.name == "dot_general" or prim.name in REWRITTEN_BY_PASSES | RAISES:
        return True
    return prim.lower is not None or prim.expand is not None or prim.higher_order


def summary(prims: Sequence[Primitive]) -> str:
    """Counts and names of what is missing."""
    host = [p.name for p in prims if not native(p)]
    lines = [f"{len(prims)} primitives", _named("without native lowering (compiled code calls NumPy)", host)]
    for slot in ("abstract", "numpy", "jvp", "batch", "transpose"):
        lines.append(_named(f"without {slot}", [p.name for p in prims if missing(p, slot)]))
    return "\n".join(lines)


def _named(what: str, names: Iterable[str]) -> str:
    names = list(names)
    return f"{len(names):4d} {what}" + (": " + ", ".join(names) if names else "")


def matrix(prims: Sequence[Primitive]) -> str:
    """One row a primitive: ``+`` there, ``-`` missing, ``.`` not needed."""
    width = max(len(p.name) for p in prims)
    head = " " * width + "  " + " ".join(Primitive.SLOTS)
    return "\n".join([head, *(f"{p.name:{width}}  " + _row(p) for p in prims)])


def _row(prim: Primitive) -> str:
    return " ".join(_mark(prim, slot).center(len(slot)) for slot in Primitive.SLOTS).rstrip()


def _mark(prim: Primitive, slot: str) -> str:
    if getattr(prim, slot, None) is not None:
        return "+"
    absent = not native(prim) if slot == "lower" else missing(prim, slot)
    return "-" if absent else "."


def gaps(prims: Sequence[Primitive]) -> list[str]:
    """``name: slot`` for every rule that a user could ask for and not find."""
    return [f"{p.name}: {slot}" for p in prims for slot in Primitive.SLOTS[:-1] if missing(p, slot)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jitney._ops.report", description=__doc__)
    parser.add_argument("--matrix", action="store_true", help="print the whole table")
    parser.add_argument("--strict", action="store_true", help="end non-zero if a rule is missing")
    options = parser.parse_args(arguments)
    prims = primitives()
    if options.matrix:
        print(matrix(prims))
    print(summary(prims))
    return int(options.strict and bool(gaps(prims)))


__all__ = ["DISCRETE", "LINEAR", "gaps", "load_all", "matrix", "missing", "primitives", "summary"]

if __name__ == "__main__":
    raise SystemExit(main())
