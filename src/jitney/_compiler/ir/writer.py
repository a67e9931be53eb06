"""Writes LLVM IR as text, one short method per instruction, to be parsed by LLVM in one go.

Begin at `FunctionWriter`. Building text is several times faster than building an object per
instruction, and LLVM's own parser and verifier check the result, so nothing is checked here.
Types are their LLVM spelling ("double", "<8 x i64>", "ptr").
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

_BITS = {"half": 16, "bfloat": 16, "float": 32, "double": 64, "ptr": 64}
_SHORT = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64", "ptr": "p0"}
_VECTOR = re.compile(r"<(\d+) x (.+)>$")


class Value:
    """An SSA name or a literal, with its type."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: str):
        self.name = name
        self.type = type

    def __repr__(self):
        return f"{self.type} {self.name}"


# ---- types ------------------------------------------------------------------------------------


@lru_cache(None)
def vec(element: str, n: int) -> str:
    """The vector of n elements; the element itself for n = 1."""
    return element if n == 1 else f"<{n} x {element}>"


@lru_cache(None)
def _split(type: str) -> tuple[str, int]:
    m = _VECTOR.match(type)
    return (m[2], int(m[1])) if m else (type, 1)


@lru_cache(None)
def elem(type: str) -> str:
    """Element type of a vector; a scalar is its own element."""
    return _split(type)[0]


@lru_cache(None)
def lanes(type: str) -> int:
    """Number of elements; 1 for a scalar."""
    return _split(type)[1]


@lru_cache(None)
def retype(type: str, element: str) -> str:
    """The type with as many lanes as `type` and another element: ("<8 x double>", "i64") -> "<8 x i64>"."""
    return vec(element, lanes(type))


@lru_cache(None)
def mask_type(type: str) -> str:
    """What comparing two values of `type` gives."""
    return retype(type, "i1")


@lru_cache(None)
def mangle(type: str) -> str:
    """How intrinsic names spell a type: "<8 x double>" -> "v8f64"."""
    e, n = _split(type)
    return ("" if n == 1 else f"v{n}") + _SHORT.get(e, e)


@lru_cache(None)
def bits(type: str) -> int:
    """Bits of one element."""
    e = elem(type)
    return _BITS[e] if e in _BITS else int(e[1:])


# ---- constants --------------------------------------------------------------------------------

_constants: dict = {}


def const(type: str, value) -> Value:
    """The exact constant `value` (a Python or NumPy number), in every lane of `type`."""
    # 0.0 and -0.0 are equal as keys, hence no caching of zeros here.
    if not value:
        return Value(_constant_text(type, value), type)
    key = (type, value)
    found = _constants.get(key)
    if found is None:
        if len(_constants) > 20000:
            _constants.clear()
        found = _constants[key] = Value(_constant_text(type, value), type)
    return found


def _constant_text(type: str, value) -> str:
    e, n = _split(type)
    text = _literal(e, value)
    return text if n == 1 else f"splat ({e} {text})"


def _literal(element: str, value) -> str:
    if element == "double":
        return f"0x{_bits('<d', value):016X}"
    if element == "float":
        return f"0x{_bits('<d', _to_single(float(value))):016X}"
    if element == "i1":
        return "true" if value else "false"
    if element == "half":
        return f"0xH{_bits('<e', value):04X}"
    if element == "bfloat":
        return f"0xR{_bfloat_bits(float(value)):04X}"
    if element == "ptr":
        return f"inttoptr (i64 {int(value)} to ptr)" if value else "null"
    n = int(element[1:])
    value = int(value) & ((1 << n) - 1)
    return str(value - (1 << n) if value >> (n - 1) else value)


def _bits(code: str, value) -> int:
    return int.from_bytes(struct.pack(code, value), "little")


def _to_single(x: float) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return float("inf") if x > 0 else -float("inf")


def _bfloat_bits(x: float) -> int:
    raw = _bits("<f", _to_single(x))
    if x != x:
        return (raw >> 16) | 0x40
    return (raw + 0x7FFF + ((raw >> 16) & 1)) >> 16


def const_lanes(type: str, values) -> Value:
    """A vector constant with a value for each lane."""
    e = elem(type)
    if lanes(type) == 1:
        return const(type, values[0])
    return Value("<" + ", ".join(f"{e} {_literal(e, v)}" for v in values) + ">", type)


@lru_cache(None)
def iota(type: str) -> Value:
    """The constant <0, 1, 2, ...>."""
    return const_lanes(type, range(lanes(type)))


def zero(type: str) -> Value:
    return Value("zeroinitializer", type)


def poison(type: str) -> Value:
    return Value("poison", type)


# ---- functions --------------------------------------------------------------------------------


class Block:
    """A basic block: its label and its lines."""

    __slots__ = ("label", "lines")

    def __init__(self, label: str):
        self.label = label
        self.lines: list[str] = []


class Phi(Value):
    """A phi whose incoming edges may be added until the function's text is taken."""

    __slots__ = ("edges",)

    def __init__(self, name: str, type: str):
        self.name = name
        self.type = type
        self.edges: list[str] = []

    def add(self, value: Value, block: Block) -> None:
        self.edges.append(f"[ {value.name}, %{block.label} ]")


def _binary(op: str):
    def emit(self, a: Value, b: Value) -> Value:
        self._n = n = self._n + 1
        name = f"%v{n}"
        self._emit(f"{name} = {op} {a.type} {a.name}, {b.name}")
        return Value(name, a.type)

    emit.__name__ = op
    return emit


def _float_binary(op: str):
    def emit(self, a: Value, b: Value, flags: str = "") -> Value:
        self._n = n = self._n + 1
        name = f"%v{n}"
        self._emit(f"{name} = {op} {flags or self.flags} {a.type} {a.name}, {b.name}")
        return Value(name, a.type)

    emit.__name__ = op
    return emit


def _cast(op: str):
    def emit(self, a: Value, element: str) -> Value:
        to = vec(element, lanes(a.type))
        self._n = n = self._n + 1
        name = f"%v{n}"
        self._emit(f"{name} = {op} {a.type} {a.name} to {to}")
        return Value(name, to)

    emit.__name__ = op
    emit.__doc__ = f"{op} of each lane to the element type `element`."
    return emit


def _intrinsic(llvm_name: str, *extra: str):
    tail = "".join(f", {x}" for x in extra)

    def emit(self, *args: Value) -> Value:
        t = args[0].type
        self._n = n = self._n + 1
        name = f"%v{n}"
        text = ", ".join([f"{a.type} {a.name}" for a in args])
        self._emit(
            f"{name} = call {self.flags if t in _FLOATY else ''} {t} "
            f"@llvm.{llvm_name}.{mangle(t)}({text}{tail})"
        )
        return Value(name, t)

    emit.__name__ = llvm_name
    return emit


class _FloatTypes(dict):
    """Remembers which types are floating point, for the fast-math flags of calls."""

    def __contains__(self, type):
        found = self.get(type)
        if found is None:
            found = self[type] = elem(type) in ("double", "float", "half", "bfloat")
        return found


_FLOATY = _FloatTypes()


class FunctionWriter:
    """Writes one function.

    f = FunctionWriter("twice", "double", ["double"])
    f.ret(f.fadd(f.args[0], f.args[0]))
    f.text()

    `params` holds types, or pairs (type, attributes). `linkage` stands before the return type
    ("internal", "internal fastcc"), `attributes` after the parameters ("alwaysinline nounwind").
    `flags` are the fast-math flags of every float instruction ("contract"); "" is strict IEEE.
    Casts take the new *element* type and keep the lanes.
    """

    def __init__(self, name, ret, params, linkage="", attributes="nounwind", flags=""):
        self.name = name
        self.ret_type = ret
        self.linkage = linkage
        self.attributes = attributes
        self.flags = flags
        self.declarations: dict[str, str] = {}
        self._n = 0
        pairs = [(p, "") if isinstance(p, str) else p for p in params]
        self.args = [Value(f"%a{i}", t) for i, (t, _) in enumerate(pairs)]
        self._params = ", ".join(f"{t} {attrs} %a{i}" for i, (t, attrs) in enumerate(pairs))
        self.entry = Block("entry")
        self.blocks = [self.entry]
        self._allocas: list[str] = []
        self._start: list[str] = []
        self._phis: list[tuple[Block, int, Phi]] = []
        self.position(self.entry)

    # -- blocks and control flow

    def block(self, hint: str = "b") -> Block:
        """A new block, placed after those made before it; writing goes on where it was."""
        self._n += 1
        b = Block(f"{hint}{self._n}")
        self.blocks.append(b)
        return b

    def position(self, block: Block) -> None:
        """Write at the end of `block` from now on."""
        self.current = block
        self._emit = block.lines.append

    def ahead(self) -> None:
        """Write at the start of the entry block, where it dominates everything, until ``position`` is called."""
        self._emit = self._start.append

    def line(self, text: str) -> None:
        """An instruction that has no method here, as it stands."""
        self._emit(text)

    def fresh(self, type: str) -> Value:
        """An unused name, for the result of a `line`."""
        self._n += 1
        return Value(f"%v{self._n}", type)

    def br(self, to: Block, meta: str = "") -> None:
        self._emit(f"br label %{to.label}" + (f", {meta}" if meta else ""))

    def cbr(self, cond: Value, then: Block, other: Block, meta: str = "") -> None:
        line = f"br i1 {cond.name}, label %{then.label}, label %{other.label}"
        self._emit(f"{line}, {meta}" if meta else line)

    def switch(self, value: Value, default: Block, cases) -> None:
        """`cases` holds pairs (integer, block)."""
        text = " ".join(f"{value.type} {k}, label %{b.label}" for k, b in cases)
        self._emit(f"switch {value.type} {value.name}, label %{default.label} [ {text} ]")

    def phi(self, type: str) -> Phi:
        """A phi at the present point (the head of a block), its edges to be added with `.add`."""
        self._n += 1
        p = Phi(f"%v{self._n}", type)
        self._phis.append((self.current, len(self.current.lines), p))
        self._emit("")
        return p

    def ret(self, value: Value | None = None) -> None:
        self._emit("ret void" if value is None else f"ret {value.type} {value.name}")

    def unreachable(self) -> None:
        self._emit("unreachable")

    # -- arithmetic

    add, sub, mul = _binary("add"), _binary("sub"), _binary("mul")
    sdiv, udiv, srem, urem = _binary("sdiv"), _binary("udiv"), _binary("srem"), _binary("urem")
    shl, lshr, ashr = _binary("shl"), _binary("lshr"), _binary("ashr")
    and_, or_, xor = _binary("and"), _binary("or"), _binary("xor")
    add_nsw, sub_nsw, mul_nsw = _binary("add nsw"), _binary("sub nsw"), _binary("mul nsw")
    add_nuw, mul_nuw = _binary("add nuw nsw"), _binary("mul nuw nsw")
    fadd, fsub, fmul = _float_binary("fadd"), _float_binary("fsub"), _float_binary("fmul")
    fdiv, frem = _float_binary("fdiv"), _float_binary("frem")

    def fneg(self, a: Value) -> Value:
        self._n = n = self._n + 1
        self._emit(f"%v{n} = fneg {self.flags} {a.type} {a.name}")
        return Value(f"%v{n}", a.type)

    def not_(self, a: Value) -> Value:
        return self.xor(a, const(a.type, -1))

    def neg(self, a: Value) -> Value:
        return self.sub(const(a.type, 0), a)

    def icmp(self, cond: str, a: Value, b: Value) -> Value:
        """cond: eq ne slt sle sgt sge ult ule ugt uge."""
        self._n = n = self._n + 1
        self._emit(f"%v{n} = icmp {cond} {a.type} {a.name}, {b.name}")
        return Value(f"%v{n}", mask_type(a.type))

    def fcmp(self, cond: str, a: Value, b: Value) -> Value:
        """cond: oeq olt ole ogt oge one ord, ueq ult ule ugt uge une uno."""
        self._n = n = self._n + 1
        self._emit(f"%v{n} = fcmp {self.flags} {cond} {a.type} {a.name}, {b.name}")
        return Value(f"%v{n}", mask_type(a.type))

    def select(self, mask: Value, a: Value, b: Value) -> Value:
        self._n = n = self._n + 1
        self._emit(f"%v{n} = select {mask.type} {mask.name}, {a.type} {a.name}, {a.type} {b.name}")
        return Value(f"%v{n}", a.type)

    def freeze(self, a: Value) -> Value:
        v = self.fresh(a.type)
        self._emit(f"{v.name} = freeze {a.type} {a.name}")
        return v

    sitofp, uitofp, fptosi, fptoui = _cast("sitofp"), _cast("uitofp"), _cast("fptosi"), _cast("fptoui")
    trunc_to, zext, sext = _cast("trunc"), _cast("zext"), _cast("sext")
    fpext, fptrunc = _cast("fpext"), _cast("fptrunc")
    ptrtoint, inttoptr = _cast("ptrtoint"), _cast("inttoptr")

    def bitcast(self, a: Value, type: str) -> Value:
        """Reinterpret the bits as `type`: the whole type here, since the lanes may change."""
        v = self.fresh(type)
        self._emit(f"{v.name} = bitcast {a.type} {a.name} to {type}")
        return v

    # -- intrinsics (LLVM's parser declares them itself)

    fma, fmuladd = _intrinsic("fma"), _intrinsic("fmuladd")
    sqrt, fabs, copysign = _intrinsic("sqrt"), _intrinsic("fabs"), _intrinsic("copysign")
    floor, ceil, trunc, roundeven = (
        _intrinsic("floor"),
        _intrinsic("ceil"),
        _intrinsic("trunc"),
        _intrinsic("roundeven"),
    )
    rint = roundeven
    round_away = _intrinsic("round")
    minnum, maxnum = _intrinsic("minnum"), _intrinsic("maxnum")
    minimum, maximum = _intrinsic("minimum"), _intrinsic("maximum")
    ctpop, bswap, bitreverse = _intrinsic("ctpop"), _intrinsic("bswap"), _intrinsic("bitreverse")
    ctlz, cttz = _intrinsic("ctlz", "i1 false"), _intrinsic("cttz", "i1 false")
    abs = _intrinsic("abs", "i1 false")
    smin, smax, umin, umax = _intrinsic("smin"), _intrinsic("smax"), _intrinsic("umin"), _intrinsic("umax")
    fshl, fshr = _intrinsic("fshl"), _intrinsic("fshr")

    def convert_intrinsic(self, name: str, a: Value, element: str) -> Value:
        """fptosi.sat and the like, whose names carry both types."""
        to = retype(a.type, element)
        return self.call(f"llvm.{name}.{mangle(to)}.{mangle(a.type)}", to, [a], declare=False)

    def reduce(self, op: str, a: Value) -> Value:
        """llvm.vector.reduce.`op` over the lanes: add mul and or xor smin smax umin umax fmin fmax ..."""
        if lanes(a.type) == 1:
            return a
        e = elem(a.type)
        first = {"fadd": [const(e, -0.0)], "fmul": [const(e, 1.0)]}.get(op, [])
        return self.call(f"llvm.vector.reduce.{op}.{mangle(a.type)}", e, [*first, a], declare=False)

    # -- memory

    def alloca(self, type: str, count: int = 1, align: int = 64) -> Value:
        """Stack space in the entry block, wherever it is asked for."""
        v = self.fresh("ptr")
        self._allocas.append(f"{v.name} = alloca {type}, i64 {count}, align {align}")
        return v

    def load(self, type: str, ptr: Value, align: int = 0, meta: str = "") -> Value:
        self._n = n = self._n + 1
        self._emit(f"%v{n} = load {type}, ptr {ptr.name}" + _suffix(align, meta))
        return Value(f"%v{n}", type)

    def store(self, value: Value, ptr: Value, align: int = 0, meta: str = "") -> None:
        self._emit(f"store {value.type} {value.name}, ptr {ptr.name}" + _suffix(align, meta))

    def gep(self, element: str, ptr: Value, index: Value, inbounds: bool = True) -> Value:
        """ptr + index * sizeof(element); a vector of indices gives a vector of pointers."""
        n_lanes = max(lanes(ptr.type), lanes(index.type))
        self._n = n = self._n + 1
        self._emit(
            f"%v{n} = getelementptr {'inbounds ' if inbounds else ''}{element}, "
            f"{ptr.type} {ptr.name}, {index.type} {index.name}"
        )
        return Value(f"%v{n}", vec("ptr", n_lanes))

    def masked_load(self, type: str, ptr: Value, mask: Value, other: Value, align: int) -> Value:
        v = self.fresh(type)
        self._emit(
            f"{v.name} = call {type} @llvm.masked.load.{mangle(type)}.p0(ptr align {align} {ptr.name}, "
            f"{mask.type} {mask.name}, {type} {other.name})"
        )
        return v

    def masked_store(self, value: Value, ptr: Value, mask: Value, align: int) -> None:
        t = value.type
        self._emit(
            f"call void @llvm.masked.store.{mangle(t)}.p0({t} {value.name}, "
            f"ptr align {align} {ptr.name}, {mask.type} {mask.name})"
        )

    def gather(self, type: str, ptrs: Value, mask: Value, other: Value, align: int) -> Value:
        v = self.fresh(type)
        self._emit(
            f"{v.name} = call {type} @llvm.masked.gather.{mangle(type)}.{mangle(ptrs.type)}("
            f"{ptrs.type} align {align} {ptrs.name}, {mask.type} {mask.name}, {type} {other.name})"
        )
        return v

    def scatter(self, value: Value, ptrs: Value, mask: Value, align: int) -> None:
        t = value.type
        self._emit(
            f"call void @llvm.masked.scatter.{mangle(t)}.{mangle(ptrs.type)}({t} {value.name}, "
            f"{ptrs.type} align {align} {ptrs.name}, {mask.type} {mask.name})"
        )

    def memcpy(self, to: Value, source: Value, n_bytes: Value) -> None:
        self._emit(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {to.name}, ptr {source.name}, "
            f"i64 {n_bytes.name}, i1 false)"
        )

    def memset(self, to: Value, byte: Value, n_bytes: Value) -> None:
        self._emit(
            f"call void @llvm.memset.p0.i64(ptr {to.name}, i8 {byte.name}, i64 {n_bytes.name}, i1 false)"
        )

    # -- vectors

    def splat(self, a: Value, n: int) -> Value:
        """The scalar in every one of n lanes."""
        if n == 1:
            return a
        t = vec(a.type, n)
        self._n = k = self._n + 2
        self._emit(f"%v{k - 1} = insertelement {t} poison, {a.type} {a.name}, i64 0")
        self._emit(f"%v{k} = shufflevector {t} %v{k - 1}, {t} poison, <{n} x i32> zeroinitializer")
        return Value(f"%v{k}", t)

    def extract(self, a: Value, index: Value | int) -> Value:
        """One lane; a scalar is its own only lane."""
        e, n = _split(a.type)
        if n == 1:
            return a
        v = self.fresh(e)
        at = f"i64 {index}" if isinstance(index, int) else f"{index.type} {index.name}"
        self._emit(f"{v.name} = extractelement {a.type} {a.name}, {at}")
        return v

    def insert(self, a: Value, value: Value, index: Value | int) -> Value:
        if lanes(a.type) == 1:
            return value
        v = self.fresh(a.type)
        at = f"i64 {index}" if isinstance(index, int) else f"{index.type} {index.name}"
        self._emit(f"{v.name} = insertelement {a.type} {a.name}, {value.type} {value.name}, {at}")
        return v

    def shuffle(self, a: Value, b: Value | None, picks) -> Value:
        """Lanes of a and b (numbered on from a's) by constant position; -1 for any."""
        v = self.fresh(vec(elem(a.type), len(picks)))
        mask = ", ".join("i32 poison" if p < 0 else f"i32 {p}" for p in picks)
        other = "poison" if b is None else b.name
        self._emit(
            f"{v.name} = shufflevector {a.type} {a.name}, {a.type} {other}, <{len(picks)} x i32> <{mask}>"
        )
        return v

    def any(self, mask: Value) -> Value:
        """i1: is any lane set?"""
        return self.reduce("or", mask)

    # -- aggregates

    def extract_value(self, a: Value, index: int, type: str) -> Value:
        v = self.fresh(type)
        self._emit(f"{v.name} = extractvalue {a.type} {a.name}, {index}")
        return v

    def insert_value(self, a: Value, value: Value, index: int) -> Value:
        v = self.fresh(a.type)
        self._emit(f"{v.name} = insertvalue {a.type} {a.name}, {value.type} {value.name}, {index}")
        return v

    # -- calls

    def call(
        self, symbol, ret: str, args, *, conv: str = "", attrs: str = "", declare: bool = True
    ) -> Value | None:
        """Call a symbol (declared on the way unless the module defines it) or a pointer Value.

        `conv` stands before the return type ("fastcc"), `attrs` after the arguments ("nounwind").
        """
        text = ", ".join([f"{a.type} {a.name}" for a in args])
        if isinstance(symbol, Value):
            callee = symbol.name
        else:
            callee = f"@{symbol}" if _PLAIN(symbol) else f'@"{symbol}"'
            if declare and symbol not in self.declarations:
                types = ", ".join([a.type for a in args])
                self.declarations[symbol] = f"declare {conv} {ret} {callee}({types}) {attrs}"
        line = f"call {conv} {ret} {callee}({text}) {attrs}"
        if ret == "void":
            self._emit(line)
            return None
        v = self.fresh(ret)
        self._emit(f"{v.name} = {line}")
        return v

    # -- result

    def text(self) -> str:
        for block, at, p in self._phis:
            block.lines[at] = f"{p.name} = phi {p.type} " + ", ".join(p.edges)
        symbol = f"@{self.name}" if _PLAIN(self.name) else f'@"{self.name}"'
        out = [f"define {self.linkage} {self.ret_type} {symbol}({self._params}) {self.attributes} {{"]
        for b in self.blocks:
            out.append(b.label + ":")
            if b is self.entry:
                out += self._allocas
                out += self._start
            out += b.lines
        out.append("}\n")
        return "\n".join(out)


def _suffix(align: int, meta: str) -> str:
    return (f", align {align}" if align else "") + (f", {meta}" if meta else "")


_PLAIN = re.compile(r"[A-Za-z._$][\w.$]*$").match


# ---- modules ----------------------------------------------------------------------------------


class ModuleWriter:
    """Collects functions, globals, metadata and what they need declared; `text()` is the module.

    With `share_math` the math functions that are not inlined are only declared, and listed in `shared`: their
    text (`definition.shared_text`) is to be compiled once for all modules.
    """

    def __init__(
        self, name: str = "jitney", triple: str = "", datalayout: str = "", share_math: bool = False
    ):
        self.name = name
        self.share_math = share_math
        self.shared: dict = {}
        self.triple = triple
        self.datalayout = datalayout
        self.functions: dict[str, str] = {}
        self.declarations: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self.metadata: list[str] = []

    def add(self, f: FunctionWriter) -> None:
        """Add a finished function."""
        self.add_text(f.name, f.text(), f.declarations)

    def add_text(self, symbol: str, text: str, declarations=None) -> None:
        """Add a function that is text already."""
        self.functions[symbol] = text
        if declarations:
            self.declarations.update(declarations)

    def add_math(self, definition) -> None:
        """Add a `vmath` definition and those that it calls, once."""
        if definition.symbol in self.functions or definition.symbol in self.shared:
            return
        if self.share_math and not definition.inline:
            self.shared[definition.symbol] = definition
            self.declarations[definition.symbol] = definition.declaration
            return
        self.add_text(definition.symbol, definition.text, definition.declarations)
        for d in definition.deps:
            self.add_math(d)

    def table(self, name: str, element: str, values, align: int = 64) -> Value:
        """A constant table; gives the pointer to it."""
        if name not in self.globals:
            items = ", ".join(f"{element} {_literal(element, v)}" for v in values)
            self.globals[name] = (
                f"@{name} = private unnamed_addr constant [{len(values)} x {element}] "
                f"[{items}], align {align}"
            )
        return Value(f"@{name}", "ptr")

    def global_text(self, name: str, text: str) -> Value:
        """A global written by the caller."""
        self.globals[name] = text
        return Value(f"@{name}", "ptr")

    def node(self, body: str) -> str:
        """A metadata node: node('!{!"x"}') -> "!3". `distinct !{{self}}`: "{self}" is its own number."""
        at = f"!{len(self.metadata)}"
        self.metadata.append(f"{at} = {body.replace('{self}', at)}")
        return at

    def outline(self, most: int) -> None:
        """Leave math functions that are called from more than ``most`` places as functions.

        Inlining all of them would make compilation time grow faster than the program.
        """
        everything = "".join(self.functions.values())
        for symbol, text in self.functions.items():
            if "alwaysinline" in text and everything.count(f"@{symbol}(") > most + 1:
                self.functions[symbol] = text.replace("alwaysinline", "noinline", 1)

    def text(self) -> str:
        out = [f"; {self.name}"]
        if self.datalayout:
            out.append(f'target datalayout = "{self.datalayout}"')
        if self.triple:
            out.append(f'target triple = "{self.triple}"')
        out += self.globals.values()
        out += [d for s, d in self.declarations.items() if s not in self.functions]
        out += self.functions.values()
        out += self.metadata
        return "\n".join(out) + "\n"
