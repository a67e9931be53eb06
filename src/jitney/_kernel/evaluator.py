"""Runs a loop program slowly, statement by statement: the meaning that emitted code is tested against."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Part, Store, Value, While


def run_loops(program: LoopProgram, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
    """Run on flat, contiguous arrays (inputs, then constants); writes ``outputs`` in place."""
    with np.errstate(all="ignore"):
        _Machine(program, inputs, outputs).block(program.body)


class _Machine:
    def __init__(self, program: LoopProgram, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.env: dict[Any, Any] = {}
        self.callables, self.symbols = program.callables, program.symbols
        self.memory: dict[Buffer, np.ndarray] = {}
        for buffer in program.buffers:
            if buffer.kind in ("in", "const"):
                self.memory[buffer] = inputs[buffer.number]
            elif buffer.kind == "out":
                self.memory[buffer] = outputs[buffer.number]

    def array(self, buffer: Buffer) -> np.ndarray:
        found = self.memory.get(buffer)
        if found is None:
            found = self.memory[buffer] = np.zeros(buffer.size, buffer.dtype)
        return found

    def block(self, body: list) -> None:
        for s in body:
            if type(s) is Value:
                self.env[s] = self.value(s)
            elif type(s) is Store:
                if s.predicate is None or self.env[s.predicate]:
                    self.array(s.buffer)[self.number(s.index)] = self.env[s.value]
            elif type(s) is For:
                self.loop(s)
            elif type(s) is While:
                self.while_loop(s)
            elif type(s) is Branch:
                self.branch(s)
            else:
                self.call(s)

    def number(self, index: Index) -> int:
        return index.const + sum(c * self.atom(a) for a, c in index.terms)

    def atom(self, atom: Any) -> int:
        if type(atom) is Quotient:
            of = self.number(atom.of)
            return of % atom.by if atom.rest else of // atom.by
        return int(self.env[atom.value if type(atom) is Dynamic else atom])

    def value(self, v: Value) -> Any:
        if v.op == "const":
            return v.dtype.type(v.attr.value)
        if v.op == "index":
            return np.int64(self.number(v.attr))
        if v.op == "test":
            n = self.number(v.attr.of)
            return np.bool_({"ge": n >= 0, "eq": n == 0, "ne": n != 0}[v.attr.kind])
        if v.op == "load":
            buffer, index = v.attr
            if v.args and not self.env[v.args[0]]:
                return v.dtype.type(0)
            place = self.number(index)
            assert 0 <= place < buffer.size, f"read of {buffer}[{place}] of {buffer.size}"
            return self.array(buffer)[place]
        args = [self.env[a] for a in v.args]
        if v.op == "bundle":
            return [v.dtype.type(_MEANINGS["math"](v, x)) for x in args]
        if v.op == "lane":
            return args[0][v.attr]
        return v.dtype.type(_MEANINGS[v.op](v, *args))

    def loop(self, node: For) -> None:
        carried = [self.env[c.init] for c in node.carries]
        extent = node.extent if isinstance(node.extent, int) else int(self.env[node.extent])
        for i in range(extent):
            self.env[node.var] = i
            for c, x in zip(node.carries, carried, strict=True):
                self.env[c.phi] = x
            self.block(node.body)
            carried = [self.env[c.next] for c in node.carries]
            self.swap(node)
        for c, x in zip(node.carries, carried, strict=True):
            self.env[c.result] = x

    def while_loop(self, node: While) -> None:
        carried = [self.env[c.init] for c in node.carries]
        while True:
            for c, x in zip(node.carries, carried, strict=True):
                self.env[c.phi] = x
            self.block(node.head)
            if not self.env[node.test]:
                break
            self.block(node.body)
            carried = [self.env[c.next] for c in node.carries]
            self.swap(node)
        for c, x in zip(node.carries, carried, strict=True):
            self.env[c.result] = x

    def swap(self, node: For | While) -> None:
        for a, b in node.swaps:
            self.memory[a], self.memory[b] = self.array(b), self.array(a)

    def branch(self, node: Branch) -> None:
        k = int(self.env[node.selector])
        assert 0 <= k < len(node.regions), f"case {k} of {len(node.regions)}"
        self.block(node.regions[k])
        for result, v in zip(node.results, node.values[k], strict=True):
            self.env[result] = self.env[v]

    def part(self, x: Buffer | Part) -> np.ndarray:
        return self.array(x.buffer)[self.number(x.base) :] if type(x) is Part else self.array(x)

    def call(self, s: Call) -> None:
        ins, outs = [self.part(x) for x in s.inputs], [self.part(x) for x in s.outputs]
        if s.symbol == "host":
            self.callables[s.number][0](tuple(x.ctypes.data for x in ins), tuple(x.ctypes.data for x in outs))
            return
        if s.foreign is not None:
            _run_foreign(s, ins, outs)
            return
        _run_routine(self.symbols[s.symbol], ins, outs, s.arguments)


def _run_routine(address: int, ins: list, outs: list, arguments: tuple[int, ...]) -> None:
    tables = [(ctypes.c_void_p * max(len(xs), 1))(*[x.ctypes.data for x in xs]) for xs in (ins, outs)]
    numbers = (ctypes.c_int64 * max(len(arguments), 1))(*arguments)
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(address)(*tables, numbers)


def _run_foreign(s: Call, ins: list, outs: list) -> None:
    meanings: dict[str, Callable[[int], Any]] = {
        "in": lambda k: ins[k].ctypes.data,
        "out": lambda k: outs[k].ctypes.data,
        "value": lambda k: ins[k][0].item(),
        "size": lambda n: n,
        "place": lambda n: places.setdefault(n, np.array(n)).ctypes.data,
    }
    places: dict[int, np.ndarray] = {}
    result = s.foreign.call(*[meanings[kind](k) for kind, k in s.arguments])
    if s.foreign.result is not None:
        outs[0][0] = result


def _divide(v: Value, x: Any, y: Any) -> Any:
    if v.dtype.kind == "f":
        return x / y
    if y == 0:
        return np.array(-1).astype(v.dtype)
    quotient = abs(int(x)) // abs(int(y))
    return np.array(quotient if (x < 0) == (y < 0) else -quotient).astype(v.dtype)


def _remainder(v: Value, x: Any, y: Any) -> Any:
    if v.dtype.kind == "f":
        return np.fmod(x, y)
    return (
        x
        if y == 0
        else math.fmod(int(x), int(y))
        if abs(int(x)) < 1 << 53
        else int(x) - int(y) * int(int(x) / int(y))
    )


def _unsigned(v: Value, x: Any) -> int:
    return int(x) & ((1 << (8 * v.dtype.itemsize)) - 1)


def _wrap(v: Value, number: int) -> Any:
    bits = 8 * v.dtype.itemsize
    number &= (1 << bits) - 1
    if v.dtype.kind == "i" and number >> (bits - 1):
        number -= 1 << bits
    return number


def _shift(v: Value, x: Any, y: Any) -> Any:
    bits, distance = 8 * v.dtype.itemsize, _unsigned(v, y)
    if v.op == "shr_arithmetic":
        return _wrap(v, _wrap_signed(v, x) >> min(distance, bits - 1))
    if distance >= bits:
        return 0
    return _wrap(v, _unsigned(v, x) << distance if v.op == "shl" else _unsigned(v, x) >> distance)


def _wrap_signed(v: Value, x: Any) -> int:
    bits, number = 8 * v.dtype.itemsize, _unsigned(v, x)
    return number - (1 << bits) if number >> (bits - 1) else number


def _convert(v: Value, x: Any) -> Any:
    source = v.args[0].dtype
    if source.kind == "f" and v.dtype.kind in "iu":
        info = np.iinfo(v.dtype)
        return 0 if x != x else info.max if x >= info.max else info.min if x <= info.min else int(x)
    return np.asarray(x).astype(v.dtype)


def _wrapping(op: Callable[[int, int], int]) -> Callable[..., Any]:
    """Integer arithmetic modulo two to the number of bits; floats and bools as they are."""
    return lambda v, x, y: _wrap(v, op(int(x), int(y))) if v.dtype.kind in "iu" else op(x, y)


def _math(v: Value, *xs: Any) -> Any:
    import scipy.special as sp

    table: dict[str, Any] = {
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "atan2": np.arctan2,
        "pow": np.power,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        "lgamma": sp.gammaln,
        "erf_inv": sp.erfinv,
        "logistic": sp.expit,
        "tgamma": sp.gamma,
        "igamma": sp.gammainc,
        "igammac": sp.gammaincc,
        "float_of_half": lambda x: x.view(np.uint32).astype(np.uint16).view(np.float16).astype(np.float32),
        "half_of_float": lambda x: x.astype(np.float16).view(np.uint16).astype(np.uint32).view(np.float32),
        "trigamma": lambda x: sp.polygamma(1, x),
        "sine_integral": lambda x: sp.sici(x)[0],
        "cosine_integral": lambda x: sp.sici(x)[1],
        "fresnel_sine": lambda x: sp.fresnel(x)[0],
        "fresnel_cosine": lambda x: sp.fresnel(x)[1],
        "sin_quarter": lambda x: np.sin(np.pi / 2 * np.fmod(x * x, 4)),
        "cos_quarter": lambda x: np.cos(np.pi / 2 * np.fmod(x * x, 4)),
        "bessel_jn": sp.jv,
        "spherical_legendre": lambda n, m, x: sp.sph_harm_y(int(n), int(m), x, 0.0).real,
    }
    found = table.get(v.attr) or getattr(np, v.attr, None) or getattr(sp, v.attr)
    return found(*xs)


_MEANINGS: dict[str, Callable[..., Any]] = {
    "add": _wrapping(lambda x, y: x + y),
    "sub": _wrapping(lambda x, y: x - y),
    "mul": _wrapping(lambda x, y: x * y),
    "div": _divide,
    "rem": _remainder,
    "neg": lambda v, x: _wrap(v, -int(x)) if v.dtype.kind in "iu" else -x,
    "abs": lambda v, x: _wrap(v, abs(int(x))) if v.dtype.kind == "i" else abs(x),
    "min": lambda v, x, y: np.minimum(x, y),
    "max": lambda v, x, y: np.maximum(x, y),
    "sqrt": lambda v, x: np.sqrt(x),
    "floor": lambda v, x: np.floor(x),
    "ceil": lambda v, x: np.ceil(x),
    "trunc": lambda v, x: np.trunc(x),
    "round_even": lambda v, x: np.rint(x),
    "round_away": lambda v, x: np.copysign(np.floor(abs(x) + 0.5), x),
    "fma": lambda v, x, y, z: x * y + z,
    "copysign": lambda v, x, y: np.copysign(x, y),
    "math": _math,
    "foreign": lambda v, *xs: v.attr.call(*[x.item() for x in xs]),
    "eq": lambda v, x, y: x == y,
    "ne": lambda v, x, y: x != y,
    "lt": lambda v, x, y: x < y,
    "le": lambda v, x, y: x <= y,
    "select": lambda v, c, t, f: t if c else f,
    "and": lambda v, x, y: x & y,
    "or": lambda v, x, y: x | y,
    "xor": lambda v, x, y: x ^ y,
    "not": lambda v, x: ~x,
    "shl": _shift,
    "shr_logical": _shift,
    "shr_arithmetic": _shift,
    "popcount": lambda v, x: bin(_unsigned(v, x)).count("1"),
    "clz": lambda v, x: 8 * v.dtype.itemsize - _unsigned(v, x).bit_length(),
    "cast": _convert,
    "bitcast": lambda v, x: np.asarray(x).view(v.dtype)[()],
}
