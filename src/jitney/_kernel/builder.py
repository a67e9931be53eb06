"""The builder ``b`` that lowering rules receive: scalar operations, indices, explicit loops.

A rule sees scalar meaning; the compiler vectorises.  Every operation is placed in the outermost
block where its operands are known (so loop-invariant work is hoisted as it is written), and equal
operations are shared.

Values carry a NumPy dtype (``x.dtype``).  Vocabulary: ``add sub mul div rem neg abs sign min max pow
sqrt floor ceil trunc round_even math(name, *xs) foreign(function, *xs) eq ne lt le gt ge select and_ or_ xor not_ shl
shr_logical shr_arithmetic cast bitcast const popcount clz is_finite is_nan``; indices
(``_kernel/index.py``) with ``index_value to_index index_eq guard test``; for explicit rules
``loop load store variable``; and for programs with control flow of their own ``while_loop test_while``,
``branch case end_branch`` and ``call``.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jitney._kernel import index as ix
from jitney._kernel.foreign import CFunction
from jitney._kernel.index import Condition, Index, LoopVar
from jitney._kernel.ir import (
    Branch,
    Buffer,
    Call,
    Carry,
    For,
    Region,
    Store,
    Unsupported,
    Value,
    While,
)

BOOL = np.dtype(bool)
I64 = np.dtype(np.int64)
NATIVE = frozenset(np.dtype(t) for t in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))


_SHARED_COPY = 1 << 17  # elements of a copy that threads may share


class Scope:
    """An open block: its statements and the facts that end with it.

    ``floor``: the outermost level that values may be placed at: what a case of a branch computes stays in it.
    """

    __slots__ = ("body", "floor", "keys")

    def __init__(self, body: list, floor: int) -> None:
        self.body, self.floor = body, floor
        self.keys: list[tuple[dict, Any]] = []


class Builder:
    """Builds the body of a loop program; ``scopes`` are the open blocks from the outside in."""

    def __init__(self, body: list) -> None:
        self.scopes = [Scope(body, 0)]
        self.known: dict[Any, Value] = {}
        self.predicate: Value | None = None
        self.names = itertools.count()

    # -- placing

    def emit(
        self,
        op: str,
        dtype: np.dtype,
        args: tuple[Value, ...] = (),
        attr: Any = None,
        level: int = 0,
        version: int = 0,
    ) -> Value:
        """The value of a pure operation; equal ones are shared, placed as far out as their operands allow."""
        key = (op, dtype, args, attr, version)
        found = self.known.get(key)
        if found is not None:
            return found
        level = max(level, self.scopes[-1].floor)
        for a in args:
            if a.level > level:
                level = a.level
        value = Value(op, dtype, args, attr, level, next(self.names))
        scope = self.scopes[level]
        scope.body.append(value)
        self.remember(self.known, key, value)
        return value

    def remember(self, table: dict, key: Any, value: Value) -> None:
        """``table[key] = value`` for as long as the value's block is open."""
        table[key] = value
        if value.level:
            self.scopes[value.level].keys.append((table, key))

    @property
    def level(self) -> int:
        return len(self.scopes) - 1

    def push(self, body: list, floor: int = 0) -> None:
        self.scopes.append(Scope(body, max(floor, self.scopes[-1].floor)))

    def pop(self) -> None:
        for table, key in self.scopes.pop().keys:
            table.pop(key, None)

    # -- constants, conversions

    def const(self, value: Any, dtype: Any) -> Value:
        """A literal of ``dtype``."""
        dtype = np.dtype(dtype)
        if dtype not in NATIVE:
            raise Unsupported(f"{dtype} values")
        number = np.asarray(value).astype(dtype).item()
        # 0.0 == -0.0 and nan != nan: the key says which one is meant.
        key = number.hex() if isinstance(number, float) else number
        found = self.known.get(("const", dtype, key))
        if found is None:
            # Costs nothing and so stands outside of everything, also of the cases of branches.
            found = Value("const", dtype, (), _Literal(number), 0, next(self.names))
            self.scopes[0].body.append(found)
            self.known["const", dtype, key] = found
        return found

    def like(self, value: Any, x: Value) -> Value:
        """A literal of ``x``'s dtype."""
        return self.const(value, x.dtype)

    def cast(self, x: Value, dtype: Any) -> Value:
        """Convert; float -> bool is ``x != 0``, float -> int saturates (nan gives 0)."""
        dtype = np.dtype(dtype)
        if dtype == x.dtype:
            return x
        if dtype not in NATIVE:
            raise Unsupported(f"conversion of {x.dtype} to {dtype}")
        if dtype == BOOL:
            return self.ne(x, self.const(0, x.dtype))
        if x.op == "const" and x.dtype.kind in "iub":
            return self.const(np.asarray(x.attr.value, x.dtype).astype(dtype), dtype)
        return self.emit("cast", dtype, (x,))

    def bitcast(self, x: Value, dtype: Any) -> Value:
        """The same bits as another dtype of the same width."""
        dtype = np.dtype(dtype)
        if dtype == x.dtype:
            return x
        if dtype.itemsize != x.dtype.itemsize or BOOL in (dtype, x.dtype) or dtype not in NATIVE:
            raise Unsupported(f"bitcast of {x.dtype} to {dtype}")
        return self.emit("bitcast", dtype, (x,))

    # -- arithmetic

    def _same(self, op: str, x: Value, y: Value) -> None:
        if x.dtype != y.dtype:
            raise TypeError(
                f"{op}: operands of dtypes {x.dtype} and {y.dtype}: a lowering rule must cast first"
            )

    def _binary(self, op: str, x: Value, y: Value) -> Value:
        self._same(op, x, y)
        return self.emit(op, x.dtype, (x, y))

    def add(self, x: Value, y: Value) -> Value:
        return self._binary("or" if x.dtype == BOOL else "add", x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self._binary("xor" if x.dtype == BOOL else "sub", x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return self._binary("and" if x.dtype == BOOL else "mul", x, y)

    def div(self, x: Value, y: Value) -> Value:
        """True division of floats; of ints truncating, with x/0 = -1 and MIN/-1 = MIN as in XLA."""
        return self._binary("div", x, y)

    def rem(self, x: Value, y: Value) -> Value:
        """Remainder with the sign of ``x``; of ints x%0 = x."""
        return self._binary("rem", x, y)

    def neg(self, x: Value) -> Value:
        return self.emit("neg", x.dtype, (x,))

    def abs(self, x: Value) -> Value:
        return x if x.dtype.kind in "ub" else self.emit("abs", x.dtype, (x,))

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; of floats nan and signed zeros are kept."""
        if x.dtype.kind in "ub":
            return self.cast(self.ne(x, self.like(0, x)), x.dtype)
        one, zero = self.like(1, x), self.like(0, x)
        signed = self.select(self.gt(x, zero), one, self.select(self.lt(x, zero), self.like(-1, x), x))
        return signed

    def min(self, x: Value, y: Value) -> Value:
        """The smaller; nan if either is."""
        return self._binary("and" if x.dtype == BOOL else "min", x, y)

    def max(self, x: Value, y: Value) -> Value:
        """The greater; nan if either is."""
        return self._binary("or" if x.dtype == BOOL else "max", x, y)

    def pow(self, x: Value, y: Value) -> Value:
        """``x ** y``: of floats by ``math``; integer powers are written with ``power_by_squaring``."""
        if x.dtype.kind == "f":
            return self.math("pow", x, y)
        raise Unsupported("integer powers with a computed exponent")

    def integer_pow(self, x: Value, n: int) -> Value:
        """``x ** n`` for a constant integer ``n`` by repeated squaring."""
        if n < 0:
            return self.div(self.like(1, x), self.integer_pow(x, -n))
        result, square = None, x
        while n:
            if n & 1:
                result = square if result is None else self.mul(result, square)
            n >>= 1
            square = self.mul(square, square) if n else square
        return self.like(1, x) if result is None else result

    def math(self, name: str, *xs: Value) -> Value:
        """An elementary function of floats by name (``exp``, ``log``, ``sin``, ``erf``, ``pow``, ``atan2`` ...)."""
        if xs[0].dtype.kind != "f":
            raise Unsupported(f"{name} of {xs[0].dtype}")
        if name in ("sqrt", "floor", "ceil", "trunc", "round_even", "abs"):
            return getattr(self, name)(*xs)
        return self.emit("math", xs[0].dtype, xs, name)

    def foreign(self, function: CFunction, *xs: Value) -> Value:
        """A call of a C function without side effects; operands are converted to its parameters."""
        if function.python:
            raise Unsupported(f"{function}, which needs Python's lock")
        given = iter(xs)
        fixed = dict(function.fixed)
        args = [self.cast(next(given), p) for n, p in enumerate(function.params) if n not in fixed]
        return self.emit("foreign", function.result, tuple(args), function)

    def sqrt(self, x: Value) -> Value:
        return self._float("sqrt", x)

    def floor(self, x: Value) -> Value:
        return self._float("floor", x)

    def ceil(self, x: Value) -> Value:
        return self._float("ceil", x)

    def trunc(self, x: Value) -> Value:
        return self._float("trunc", x)

    def round_even(self, x: Value) -> Value:
        return self._float("round_even", x)

    def round_away(self, x: Value) -> Value:
        return self._float("round_away", x)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        return self.emit("fma", x.dtype, (x, y, z))

    def copysign(self, x: Value, y: Value) -> Value:
        return self.emit("copysign", x.dtype, (x, y))

    def _float(self, op: str, x: Value) -> Value:
        if x.dtype.kind != "f":
            raise Unsupported(f"{op} of {x.dtype}")
        return self.emit(op, x.dtype, (x,))

    # -- comparison and choice

    def _compare(self, op: str, x: Value, y: Value) -> Value:
        self._same(op, x, y)
        return self.emit(op, BOOL, (x, y))

    def eq(self, x: Value, y: Value) -> Value:
        return self._compare("eq", x, y)

    def ne(self, x: Value, y: Value) -> Value:
        return self._compare("ne", x, y)

    def lt(self, x: Value, y: Value) -> Value:
        return self._compare("lt", x, y)

    def le(self, x: Value, y: Value) -> Value:
        return self._compare("le", x, y)

    def gt(self, x: Value, y: Value) -> Value:
        return self._compare("lt", y, x)

    def ge(self, x: Value, y: Value) -> Value:
        return self._compare("le", y, x)

    def select(self, c: Value, t: Value, f: Value) -> Value:
        """``t`` where ``c``, else ``f``."""
        if t is f:
            return t
        self._same("select", t, f)
        return self.emit("select", t.dtype, (c, t, f))

    def is_nan(self, x: Value) -> Value:
        return self.ne(x, x) if x.dtype.kind == "f" else self.const(False, BOOL)

    def is_finite(self, x: Value) -> Value:
        if x.dtype.kind != "f":
            return self.const(True, BOOL)
        return self.lt(self.abs(x), self.like(math.inf, x))

    # -- bits

    def and_(self, x: Value, y: Value) -> Value:
        return self._binary("and", x, y)

    def or_(self, x: Value, y: Value) -> Value:
        return self._binary("or", x, y)

    def xor(self, x: Value, y: Value) -> Value:
        return self._binary("xor", x, y)

    def not_(self, x: Value) -> Value:
        return self.emit("not", x.dtype, (x,))

    def shl(self, x: Value, y: Value) -> Value:
        """Left shift; 0 when the distance is not below the width."""
        return self._binary("shl", x, y)

    def shr_logical(self, x: Value, y: Value) -> Value:
        return self._binary("shr_logical", x, y)

    def shr_arithmetic(self, x: Value, y: Value) -> Value:
        return self._binary("shr_arithmetic", x, y)

    def popcount(self, x: Value) -> Value:
        return self.emit("popcount", x.dtype, (x,))

    def clz(self, x: Value) -> Value:
        return self.emit("clz", x.dtype, (x,))

    # -- indices

    def index_value(self, index: int | Index, dtype: Any = I64) -> Value:
        """The number of an index as a value."""
        dtype = np.dtype(dtype)
        if type(index) is not Index or not index.terms:
            return self.const(int(index), dtype)
        number = self.emit("index", I64, (), index, index.level)
        return self.cast(number, dtype)

    def to_index(self, value: Value, lo: int, hi: int) -> Index:
        """A computed index, clamped to ``[lo, hi]``."""
        if value.op == "const":
            return ix.constant(min(max(int(value.attr.value), lo), hi))
        if value.dtype.kind == "u" and value.dtype.itemsize == 8:
            value = self.min(value, self.like(np.iinfo(np.int64).max, value))
        wide = self.cast(value, I64)
        wide = self.max(self.min(wide, self.const(hi, I64)), self.const(lo, I64))
        return ix.variable(ix.Dynamic(wide, lo, hi)) if lo < hi else ix.constant(lo)

    def index_eq(self, a: Index, c: int | Index) -> bool | Condition:
        """Whether two indices are equal."""
        return a.eq(c)

    def test(self, condition: bool | Condition | Value) -> Value:
        """A condition on indices as a bool value."""
        if isinstance(condition, Value):
            return condition
        if type(condition) is Condition:
            return self.emit("test", BOOL, (), condition, condition.level)
        return self.const(bool(condition), BOOL)

    def guard(
        self, condition: Any, then: Callable[[], Value], otherwise: Value | Callable[[], Value]
    ) -> Value:
        """``then()`` where all of ``condition`` hold, else ``otherwise``; loads of ``then`` are not made elsewhere.

        ``condition`` is one condition or a sequence of them (bools, index conditions, bool values).
        """
        conditions = condition if isinstance(condition, (list, tuple)) else (condition,)
        open_ones = [c for c in conditions if c is not True]
        other = otherwise if callable(otherwise) else lambda: otherwise
        if any(c is False for c in open_ones):
            return other()
        if not open_ones:
            return then()
        holds = self.test(open_ones[0])
        for c in open_ones[1:]:
            holds = self.and_(holds, self.test(c))
        with self._under(holds):
            value = then()
        with self._under(self.not_(holds)):
            alternative = other()
        return self.select(holds, value, alternative)

    @contextlib.contextmanager
    def _under(self, holds: Value) -> Iterator[None]:
        outer = self.predicate
        self.predicate = holds if outer is None else self.and_(outer, holds)
        try:
            yield
        finally:
            self.predicate = outer

    # -- memory and loops

    def load(self, buffer: Buffer | Uniform | Computed, index: Any) -> Value:
        """The element at a flat ``index`` or at a tuple (where the buffer has a ``shape``)."""
        if type(buffer) is Uniform:
            return buffer.value
        if type(buffer) is Computed:
            return buffer.read(index)
        buffer, flat = _flat(buffer, index)
        args = () if self.predicate is None else (self.predicate,)
        if buffer.changing:
            value = Value("load", buffer.dtype, args, (buffer, flat), self.level, next(self.names))
            self.scopes[-1].body.append(value)
            return value
        level = max(flat.level, buffer.level)
        return self.emit("load", buffer.dtype, args, (buffer, flat), level, buffer.version)

    def store(self, buffer: Buffer, index: Any, value: Value) -> None:
        """Write the element at ``index`` in the innermost open block."""
        buffer, flat = _flat(buffer, index)
        same = value.op == "load" and value.attr == (buffer, flat)
        if same and (not value.args or value.args[0] is self.predicate) and self._just_loaded(value):
            return  # an element written over itself: a copy in place
        if value.dtype != buffer.dtype:
            raise TypeError(f"store of {value.dtype} into {buffer.dtype} elements: cast first")
        self.scopes[-1].body.append(Store(buffer, flat, value, self.predicate))

    def _just_loaded(self, value: Value) -> bool:
        """Whether nothing has been written since ``value`` was read in the innermost open block."""
        for s in reversed(self.scopes[-1].body):
            if s is value or type(s) is not Value:
                return s is value
        return False

    @contextlib.contextmanager
    def loop(self, n: int | Value, kind: str = "serial", name: str = "i") -> Iterator[int | Index]:
        """``with b.loop(n) as i:`` repeats what is written inside for i = 0 .. n-1."""
        with self.counted(n, n if isinstance(n, int) else 1 << 62, kind, name) as node:
            yield ix.variable(node.var)

    def copy(self, target: Any, source: Any, size: int, place: Any = 0, start: Any = 0) -> None:
        """Write ``size`` elements of ``source`` from ``start`` on to ``target`` from ``place`` on."""
        if size < _SHARED_COPY or self.level:
            with self.loop(size, "vector") as i:
                self.store(target, i + place, self.load(source, i + start))
            return
        parts = -(-size // _SHARED_COPY)
        part = -(-size // parts // 64) * 64
        with self.counted(parts, parts, "parallel", "c") as node:
            node.work = 0.3 * part
            first = ix.variable(node.var) * part
            left = self.min(self.index_value(first * -1 + size), self.const(part, np.int64))
            with self.counted(left, part, "vector") as inner:
                i = first + ix.variable(inner.var)
                self.store(target, i + place, self.load(source, i + start))

    @contextlib.contextmanager
    def counted(self, extent: int | Value, most: int, kind: str, name: str = "i") -> Iterator[For]:
        """An open ``For`` of ``extent`` iterations, ``most`` at most."""
        node = For(LoopVar(name, 0, max(most - 1, 0), self.level + 1), extent, kind)
        self.push(node.body)
        try:
            yield node
        finally:
            self.pop()
            self.scopes[-1].body.append(node)

    def carry(self, node: For, init: Value, neutral: Value | None = None) -> Carry:
        """A value carried through the open loop ``node``; set ``.next``; read ``.result`` after ``node`` is closed."""
        return self._carry(node, node.var.level, init, neutral)

    def _carry(self, node: For | While, level: int, init: Value, neutral: Value | None) -> Carry:
        phi = Value("phi", init.dtype, (), None, level, next(self.names))
        found = Carry(phi, init, neutral)
        found.result = Value("result", init.dtype, (), None, level - 1, next(self.names))
        node.carries.append(found)
        return found

    @contextlib.contextmanager
    def while_loop(self, inits: Sequence[Value]) -> Iterator[While]:
        """An open ``While`` with a carry for each of ``inits``.

        What is written first is its head; ``test_while`` ends it and begins the body; set every carry's ``next`` in it.
        """
        node = While(self.level + 1)
        for init in inits:
            self._carry(node, node.level, init, None)
        self.push(node.head)
        try:
            yield node
        finally:
            self.pop()
            self.scopes[-1].body.append(node)

    def test_while(self, node: While, test: Value) -> None:
        """End the head of the open ``node``: it goes on while ``test``; what is written from here on is its body."""
        node.test = test
        self.scopes[node.level].body = node.body

    def branch(self, selector: Value, count: int) -> Branch:
        """A ``Branch`` with ``count`` cases, to be written each in ``case`` and closed by ``end_branch``."""
        return Branch(selector, count, self.level)

    @contextlib.contextmanager
    def case(self, node: Branch, k: int) -> Iterator[None]:
        """What is written inside runs only where the selector is ``k``."""
        self.push(node.regions[k], node.level + 1)
        try:
            yield
        finally:
            self.pop()

    def end_branch(self, node: Branch, values: Sequence[Sequence[Value]]) -> list[Value]:
        """The results of ``node``: in case ``k`` they are ``values[k]``."""
        node.values = [list(row) for row in values]
        node.results = [
            Value("result", v.dtype, (), None, node.level, next(self.names)) for v in node.values[0]
        ]
        self.scopes[-1].body.append(node)
        return list(node.results)

    def call(self, call: Call) -> None:
        """A call in the innermost open block."""
        self.scopes[-1].body.append(call)

    def region(self, dtypes: Sequence[np.dtype], body: Callable[..., Sequence[Value]]) -> Region:
        """A pure function of fresh parameters, kept apart from the block around it."""
        inner = Builder([])
        params = [Value("param", d, (), None, 0, next(inner.names)) for d in dtypes]
        results = list(body(inner, *params))
        return Region(params, inner.scopes[0].body, results)

    def variable(self, init: Value) -> Variable:
        """A scalar that explicit loops may change: ``v.get()``, ``v.set(x)``."""
        return Variable(self, init)


class Variable:
    """A mutable scalar on the stack (LLVM turns it into a register)."""

    def __init__(self, b: Builder, init: Value) -> None:
        self.b = b
        self.buffer = Buffer(f"var{next(b.names)}", init.dtype, 1, "stack")
        self.buffer.changing = True
        self.set(init)

    def get(self) -> Value:
        outer, self.b.predicate = self.b.predicate, None
        value = self.b.load(self.buffer, 0)
        self.b.predicate = outer
        return value

    def set(self, value: Value) -> None:
        self.b.store(self.buffer, 0, value)


class _Literal:
    """A number as an attribute: equal only to itself, so that 0.0, -0.0, 0 and False stay apart."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


class Block:
    """A buffer (from element ``base`` on) seen with a shape, as explicit rules receive it: ``b.load(x, (i, j))``."""

    __slots__ = ("base", "buffer", "dtype", "shape")

    def __init__(self, buffer: Buffer, shape: tuple[int, ...], base: Index | None = None) -> None:
        self.buffer, self.shape, self.dtype, self.base = buffer, shape, buffer.dtype, base


class Uniform:
    """An operand of an explicit rule whose elements are all ``value``; it lies nowhere in memory."""

    __slots__ = ("dtype", "shape", "value")

    def __init__(self, value: Value, shape: tuple[int, ...]) -> None:
        self.value, self.shape, self.dtype = value, shape, value.dtype


class Computed:
    """An operand of an explicit rule whose elements are computed where they are read, by ``read(idx)``."""

    __slots__ = ("dtype", "read", "shape")

    def __init__(self, read: Callable[[Any], Value], shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.read, self.shape, self.dtype = read, shape, dtype


def _flat(target: Any, index: Any) -> tuple[Buffer, Index]:
    base = None
    if isinstance(target, Block):
        index = ix.linearize(index, target.shape) if isinstance(index, tuple) else index
        target, base = target.buffer, target.base
    index = index if type(index) is Index else ix.constant(int(index))
    return target, index if base is None else base + index
