"""The list of math functions, and how one of them becomes LLVM text.

Begin at `define`, the decorator by which the other files enter a function, then `build`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from ..ir import writer as ir
from .lang import E, Math

# The CPU features that decide between instructions here; "fma" also stands for those who always have it.
_RELEVANT = frozenset(["fma", "avx512f", "avx512vl"])
_ALWAYS_FMA = frozenset(["neon", "fp-armv8", "vfp4"])


@dataclass(frozen=True)
class MathFunction:
    """LLVM text of one function. `deps` are the definitions it calls, `declarations` its outside symbols.

    Those not `inline` are long: `shared_text` (what it calls beside it) may be compiled once per process, and
    `declaration` stand in the modules that use it.
    """

    name: str
    symbol: str
    type: str
    n_args: int
    inline: bool
    text: str
    deps: tuple
    declarations: dict = field(hash=False)

    @property
    def declaration(self) -> str:
        return f"declare fastcc {self.type} @{self.symbol}({', '.join([self.type] * self.n_args)}) nounwind"

    @property
    def shared_text(self) -> str:
        return self.text.replace("define internal", "define", 1)

    def call(self, f: ir.FunctionWriter, args) -> ir.Value:
        """Write a call of it."""
        conv = "" if self.inline else "fastcc"
        return f.call(self.symbol, self.type, args, conv=conv, attrs="nounwind", declare=False)


@dataclass(frozen=True)
class _Entry:
    name: str
    body: object
    n_args: int
    inline: bool
    libm: str | None
    single: bool
    public: bool


_ENTRIES: dict[str, _Entry] = {}


def define(
    name: str,
    n_args: int = 1,
    *,
    inline: bool = True,
    libm: str | None = None,
    single: bool = True,
    public: bool = True,
):
    """Enter body(m, *args) as the function `name`.

    `libm` is the C library's name for it, called lane by lane where the CPU has no fused multiply-add;
    `single` says that the body serves f32 too (otherwise f32 is computed in f64).
    Those not `public` are parts of others.
    """

    def enter(body):
        _ENTRIES[name] = _Entry(name, body, n_args, inline, libm, single, public)
        return body

    return enter


def names() -> tuple[str, ...]:
    """All functions that `definition` knows."""
    return tuple(e.name for e in _ENTRIES.values() if e.public)


def relevant(features) -> frozenset:
    """The features that matter here, from any spelling."""
    if isinstance(features, frozenset) and features <= _RELEVANT:
        return features
    if isinstance(features, str):
        return _relevant_of_text(features)
    if hasattr(features, "items"):
        given = [k for k, on in features.items() if on]
    else:
        given = [x.lstrip("+") for x in features]
    return _chosen(given)


@lru_cache(16)
def _relevant_of_text(features: str) -> frozenset:
    return _chosen([x[1:] for x in features.split(",") if x.startswith("+")])


def _chosen(given) -> frozenset:
    found = _RELEVANT.intersection(given)
    return found | {"fma"} if _ALWAYS_FMA.intersection(given) else found


@lru_cache(None)
def build(name: str, type: str, features: frozenset) -> MathFunction:
    """Write the function, once."""
    entry = _ENTRIES.get(name)
    if entry is None:
        raise KeyError(f"no math function {name!r}; there are: {', '.join(sorted(_ENTRIES))}")
    symbol = f"jt.{name}.{ir.mangle(type)}"
    linkage = "internal" if entry.inline else "internal fastcc"
    attributes = ("alwaysinline" if entry.inline else "noinline") + " nounwind"
    m = Math(symbol, type, entry.n_args, features, linkage, attributes, build)
    m.f.ret(_body(entry, m).v)
    return MathFunction(
        name, symbol, type, entry.n_args, entry.inline, m.f.text(), tuple(m.deps.values()), m.f.declarations
    )


def _body(entry: _Entry, m: Math) -> E:
    if m.element in ("half", "bfloat"):
        return _wider(entry, m, "float")
    if entry.libm and "fma" not in m.features:
        return m.each_lane(entry.libm, m.args)
    if not m.is_double and not entry.single:
        return _wider(entry, m, "double")
    return entry.body(m, *m.args)


def _wider(entry: _Entry, m: Math, element: str) -> E:
    """Compute in the wider format; rounding its result once more is at most 0.5 ulp off."""
    wide = [m.f.fpext(a.v, element) for a in m.args]
    return E(m, m.f.fptrunc(m.call_at(entry.name, ir.retype(m.T, element), wide), m.element))
