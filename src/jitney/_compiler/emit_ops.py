"""How each scalar operation of the loop IR is written in LLVM IR, for one value or a vector of lanes.

``WRITERS[op](emitter, value, *llvm_values)`` gives the result; dtypes are read from ``value``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from jitney._compiler.ir import const, elem, lanes, mangle, retype, vec
from jitney._kernel.ir import Unsupported, Value

_TYPES = {
    "?": "i1",
    "b": "i8",
    "h": "i16",
    "i": "i32",
    "l": "i64",
    "q": "i64",
    "B": "i8",
    "H": "i16",
    "I": "i32",
    "L": "i64",
    "Q": "i64",
    "f": "float",
    "d": "double",
    "e": "half",
}

# Scalar functions of the C library for what vmath does not have.
_LIBM = {
    "tgamma": 1,
    "lgamma": 1,
    "erf": 1,
    "erfc": 1,
    "fmod": 2,
    "atan2": 2,
    "hypot": 2,
    "pow": 2,
    "nextafter": 2,
    "exp": 1,
    "log": 1,
    "sin": 1,
    "cos": 1,
    "tan": 1,
    "tanh": 1,
    "sinh": 1,
    "cosh": 1,
    "asin": 1,
    "acos": 1,
    "atan": 1,
    "asinh": 1,
    "acosh": 1,
    "atanh": 1,
    "cbrt": 1,
    "exp2": 1,
    "expm1": 1,
    "log1p": 1,
    "log2": 1,
    "log10": 1,
}


@cache
def llvm_type(dtype: np.dtype) -> str:
    """The LLVM type of a value in a register (bool: i1)."""
    return _TYPES[dtype.char]


@cache
def memory_type(dtype: np.dtype) -> str:
    """The LLVM type of an element in memory (bool: i8; what is only passed on: bytes)."""
    if dtype.kind == "b":
        return "i8"
    return _TYPES[dtype.char] if dtype.char in _TYPES and dtype.kind in "iuf" else f"[{dtype.itemsize} x i8]"


def _kind(v: Value) -> str:
    return v.args[0].dtype.kind


def _pick(real: str, signed: str, unsigned: str | None = None) -> Any:
    """A writer that chooses the instruction by the kind of the operands."""

    def write(e: Any, v: Value, *xs: Any) -> Any:
        kind = _kind(v)
        name = real if kind == "f" else signed if kind == "i" or unsigned is None else unsigned
        return getattr(e.f, name)(*xs)

    return write


def _plain(name: str) -> Any:
    return lambda e, v, *xs: getattr(e.f, name)(*xs)


def _neg(e: Any, v: Value, x: Any) -> Any:
    return e.f.fneg(x) if _kind(v) == "f" else e.f.neg(x)


def _min(e: Any, v: Value, x: Any, y: Any) -> Any:
    if _kind(v) != "f":
        return (e.f.smin if _kind(v) == "i" else e.f.umin)(x, y)
    return _extremum(e, "olt", x, y)


def _max(e: Any, v: Value, x: Any, y: Any) -> Any:
    if _kind(v) != "f":
        return (e.f.smax if _kind(v) == "i" else e.f.umax)(x, y)
    return _extremum(e, "ogt", x, y)


def _extremum(e: Any, sign: str, x: Any, y: Any) -> Any:
    """x if x sign y else y is one instruction and gives a nan in y; a nan in x is put back."""
    picked = e.f.select(e.f.fcmp(sign, x, y), x, y)
    return e.f.select(e.f.fcmp("uno", x, x), x, picked)


def _select(e: Any, v: Value, c: Any, t: Any, f: Any) -> Any:
    return e.f.select(c, t, f)


_FLOAT_SIGNS = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole"}
_SIGNED = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle"}
_UNSIGNED = {"eq": "eq", "ne": "ne", "lt": "ult", "le": "ule"}


def _compare(e: Any, v: Value, x: Any, y: Any) -> Any:
    kind = _kind(v)
    if kind == "f":
        return e.f.fcmp(_FLOAT_SIGNS[v.op], x, y)
    return e.f.icmp((_SIGNED if kind == "i" else _UNSIGNED)[v.op], x, y)


def _known_divisor(v: Value) -> bool:
    divisor = v.args[1]
    return divisor.op == "const" and divisor.attr.value not in (0, -1)


def _safe_divisor(e: Any, v: Value, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """A divisor that never traps, and where y is 0, and where the quotient would overflow."""
    f, t = e.f, x.type
    is_zero = f.icmp("eq", y, const(t, 0))
    overflow = None
    bad = is_zero
    if _kind(v) == "i":
        least = const(t, np.iinfo(v.dtype).min)
        overflow = f.and_(f.icmp("eq", x, least), f.icmp("eq", y, const(t, -1)))
        bad = f.or_(is_zero, overflow)
    return f.select(bad, const(t, 1), y), is_zero, overflow


def _div(e: Any, v: Value, x: Any, y: Any) -> Any:
    kind = _kind(v)
    if kind == "f":
        return e.f.fdiv(x, y) if v.attr != "fma" else _div_by_fma(e, v, x, y)
    divide = e.f.sdiv if kind == "i" else e.f.udiv
    if _known_divisor(v):
        return divide(x, y)
    safe, is_zero, _ = _safe_divisor(e, v, x, y)
    return e.f.select(is_zero, const(x.type, -1), divide(x, safe))


def _div_by_fma(e: Any, v: Value, x: Any, y: Any) -> Any:
    """Division by what the loop does not change: its reciprocal and its range are found outside."""
    c = v.args[1]
    outside = min(c.level, e.vector.level - 1)
    least = (2.0**-500, 2.0**500) if v.dtype.itemsize == 8 else (2.0**-60, 2.0**60)

    def invert() -> tuple[Any, Any]:
        f, one = e.f, e.scalar(c)
        size = f.fabs(one)
        near = f.and_(
            f.fcmp("oge", size, const(one.type, least[0])), f.fcmp("ole", size, const(one.type, least[1]))
        )
        sign = f.select(near, const(one.type, least[0]), const(one.type, -least[0]))
        reciprocal = f.fdiv(const(one.type, 1.0), one)
        return f.splat(reciprocal, e.width), f.splat(sign, e.width)

    inverse = e.once(outside, ("reciprocal", c, e.width), invert)
    return _vmath(e, "quotient_by_reciprocal", [x, y, *inverse])


def _sqrt(e: Any, v: Value, x: Any) -> Any:
    return e.f.sqrt(x) if v.attr != "fma" or lanes(x.type) == 1 else _vmath(e, "root_by_products", [x])


def _rem(e: Any, v: Value, x: Any, y: Any) -> Any:
    kind = _kind(v)
    if kind == "f":
        return _vmath(e, "fmod", [x, y])
    rest = e.f.srem if kind == "i" else e.f.urem
    if _known_divisor(v):
        return rest(x, y)
    safe, is_zero, overflow = _safe_divisor(e, v, x, y)
    value = e.f.select(is_zero, x, rest(x, safe))
    return value if overflow is None else e.f.select(overflow, const(x.type, 0), value)


def _by_lane(e: Any, symbol: str, *xs: Any) -> Any:
    """A scalar C function, called for each lane."""
    f, t = e.f, xs[0].type
    e.symbols.add(symbol)
    if lanes(t) == 1:
        return f.call(symbol, t, xs)
    from jitney._compiler.ir import poison

    result = poison(t)
    for lane in range(lanes(t)):
        one = f.call(symbol, elem(t), [f.extract(x, lane) for x in xs])
        result = f.insert(result, one, lane)
    return result


@cache
def _vmath_names() -> frozenset[str]:
    from jitney._compiler import vmath

    return frozenset(vmath.names())


def _math(e: Any, v: Value, *xs: Any) -> Any:
    name, t = v.attr, xs[0].type
    if name in _vmath_names():
        return _vmath(e, name, xs)
    if name == "logistic":
        one = const(t, 1.0)
        exponential = _math(e, _Renamed("exp"), e.f.fneg(xs[0]))
        return e.f.fdiv(one, e.f.fadd(one, exponential))
    if _LIBM.get(name) != len(xs):
        raise Unsupported(f"the function {name}")
    return _by_lane(e, name if elem(t) == "double" else name + "f", *xs)


def _vmath(e: Any, name: str, xs: Any) -> Any:
    """A call of one of vmath's functions."""
    from jitney._compiler import vmath

    function = vmath.definition(name, xs[0].type, e.features.text)
    e.module.add_math(function)
    e.symbols.update(_outside(function))
    return function.call(e.f, list(xs))


def _bundle(e: Any, v: Value, *xs: Any) -> Any:
    """The function of several scalars at once; what is left of the vector repeats the last of them."""
    width = 1 << (len(xs) - 1).bit_length()
    vector = e.f.splat(xs[-1], width)
    for k, x in enumerate(xs[:-1]):
        vector = e.f.insert(vector, x, k)
    return _vmath(e, v.attr, [vector])


def _foreign(e: Any, v: Value, *xs: Any) -> Any:
    from jitney._compiler import foreign_calls

    return foreign_calls.by_lane(e, v.attr, xs)


class _Renamed:
    """Stands for a value where only the function's name matters."""

    def __init__(self, name: str) -> None:
        self.attr = name


def _outside(function: Any) -> set[str]:
    found = {s for s in function.declarations if not s.startswith("llvm.")}
    for d in function.deps:
        found |= _outside(d)
    return found


def has_math(name: str) -> bool:
    """Whether an elementary function has a native form."""
    return name in _vmath_names() or name in _LIBM or name == "logistic"


def _shift(name: str) -> Any:
    def write(e: Any, v: Value, x: Any, y: Any) -> Any:
        f, t = e.f, x.type
        width = const(t, v.dtype.itemsize * 8)
        if name == "ashr":
            most = const(t, v.dtype.itemsize * 8 - 1)
            return f.ashr(x, f.select(f.icmp("ult", y, width), y, most))
        distance = v.args[1]
        if distance.op == "const" and 0 <= distance.attr.value < v.dtype.itemsize * 8:
            return getattr(f, name)(x, y)
        inside = f.icmp("ult", y, width)
        return f.select(inside, getattr(f, name)(x, f.select(inside, y, const(t, 0))), const(t, 0))

    return write


def _cast(e: Any, v: Value, x: Any) -> Any:
    f, source, to = e.f, v.args[0].dtype, v.dtype
    target = llvm_type(to)
    if source.kind == "f" and to.kind == "f":
        return (f.fpext if to.itemsize > source.itemsize else f.fptrunc)(x, target)
    if source.kind == "f":
        if lanes(x.type) > 1:
            return _saturated(e, x, to)
        return f.convert_intrinsic("fptosi.sat" if to.kind == "i" else "fptoui.sat", x, target)
    if to.kind == "f":
        return (f.sitofp if source.kind == "i" else f.uitofp)(x, target)
    if source.kind == "b":
        return f.zext(x, target)
    if to.itemsize == source.itemsize:
        return x
    if to.itemsize < source.itemsize:
        return f.trunc_to(x, target)
    return (f.sext if source.kind == "i" else f.zext)(x, target)


def _saturated(e: Any, x: Any, to: np.dtype) -> Any:
    """Lanes of floats as integers, which LLVM's own saturating conversion would take one by one."""
    f, info = e.f, np.iinfo(to)
    kind: Any = {"double": np.float64, "float": np.float32, "half": np.float16}[elem(x.type)]
    finfo = np.finfo(kind)
    low, high = max(float(info.min), float(finfo.min)), min(float(info.max), float(finfo.max))
    high = float(kind(high))
    # The greatest float that fits: below 2^63 the next one is not 2^63 - 1.
    exact = high if int(high) <= info.max else float(np.nextafter(kind(high), kind(0)))
    inside = f.select(f.fcmp("ogt", x, const(x.type, low)), x, const(x.type, low))
    inside = f.select(f.fcmp("olt", inside, const(x.type, exact)), inside, const(x.type, exact))
    number = (f.fptosi if to.kind == "i" else f.fptoui)(inside, llvm_type(to))
    if exact != high or kind is np.float16:
        number = f.select(f.fcmp("oge", x, const(x.type, high)), const(number.type, info.max), number)
    if kind is np.float16 and to.kind == "i":
        number = f.select(f.fcmp("oeq", x, const(x.type, -np.inf)), const(number.type, info.min), number)
    return f.select(f.fcmp("uno", x, x), const(number.type, 0), number)


def _bitcast(e: Any, v: Value, x: Any) -> Any:
    target = retype(x.type, llvm_type(v.dtype))
    return x if target == x.type else e.f.bitcast(x, target)


def _abs(e: Any, v: Value, x: Any) -> Any:
    return e.f.fabs(x) if _kind(v) == "f" else e.f.abs(x)


WRITERS = {
    "add": _pick("fadd", "add"),
    "sub": _pick("fsub", "sub"),
    "mul": _pick("fmul", "mul"),
    "div": _div,
    "rem": _rem,
    "neg": _neg,
    "abs": _abs,
    "min": _min,
    "max": _max,
    "sqrt": _sqrt,
    "floor": _plain("floor"),
    "ceil": _plain("ceil"),
    "trunc": _plain("trunc"),
    "round_even": _plain("roundeven"),
    "round_away": _plain("round_away"),
    "fma": _plain("fma"),
    "copysign": _plain("copysign"),
    "math": _math,
    "bundle": _bundle,
    "foreign": _foreign,
    "lane": lambda e, v, x: e.f.extract(x, v.attr),
    "eq": _compare,
    "ne": _compare,
    "lt": _compare,
    "le": _compare,
    "select": _select,
    "and": _plain("and_"),
    "or": _plain("or_"),
    "xor": _plain("xor"),
    "not": _plain("not_"),
    "shl": _shift("shl"),
    "shr_logical": _shift("lshr"),
    "shr_arithmetic": _shift("ashr"),
    "popcount": _plain("ctpop"),
    "clz": _plain("ctlz"),
    "cast": _cast,
    "bitcast": _bitcast,
}

__all__ = ["WRITERS", "has_math", "llvm_type", "mangle", "memory_type", "vec"]
