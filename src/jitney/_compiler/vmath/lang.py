"""The small language that math functions are written in: floats of one type, with operators.

Begin at `Math`: one per function being written. `E` wraps an LLVM value, so that a formula reads
as in a book; a Python number beside an `E` becomes a constant of its type. A body is written once and
serves f64 and f32 at every SIMD width: what differs (bias, mantissa bits, coefficients) is asked of `Math`.
"""

from __future__ import annotations

import struct

from ..ir import writer as ir
from .coefficients import TABLE as _ELEMENTARY
from .coefficients_integrals import TABLE as _INTEGRALS

TABLE = {**_ELEMENTARY, **_INTEGRALS}

# Integer of the same size, mantissa bits, exponent bias.
_FORMATS = {
    "double": ("i64", 52, 1023),
    "float": ("i32", 23, 127),
    "half": ("i16", 10, 15),
    "bfloat": ("i16", 7, 127),
}


class E:
    """A value of the function being written; operators write instructions."""

    __slots__ = ("m", "v")

    def __init__(self, m: Math, v: ir.Value):
        self.m = m
        self.v = v

    @property
    def is_float(self) -> bool:
        return self.v.type == self.m.T

    def _like(self, x) -> ir.Value:
        return x.v if isinstance(x, E) else ir.const(self.v.type, x)

    def _op(self, float_op, int_op, x, swap=False):
        f, a, b = self.m.f, self.v, self._like(x)
        if swap:
            a, b = b, a
        return E(self.m, getattr(f, float_op if self.is_float else int_op)(a, b))

    def __add__(self, x):
        return self._op("fadd", "add", x)

    __radd__ = __add__

    def __sub__(self, x):
        return self._op("fsub", "sub", x)

    def __rsub__(self, x):
        return self._op("fsub", "sub", x, swap=True)

    def __mul__(self, x):
        return self._op("fmul", "mul", x)

    __rmul__ = __mul__

    def __truediv__(self, x):
        return self._op("fdiv", "sdiv", x)

    def __rtruediv__(self, x):
        return self._op("fdiv", "sdiv", x, swap=True)

    def __neg__(self):
        return E(self.m, self.m.f.fneg(self.v) if self.is_float else self.m.f.neg(self.v))

    def __and__(self, x):
        return E(self.m, self.m.f.and_(self.v, self._like(x)))

    def __or__(self, x):
        return E(self.m, self.m.f.or_(self.v, self._like(x)))

    def __xor__(self, x):
        return E(self.m, self.m.f.xor(self.v, self._like(x)))

    def __invert__(self):
        return E(self.m, self.m.f.not_(self.v))

    def __lshift__(self, x):
        return E(self.m, self.m.f.shl(self.v, self._like(x)))

    def __rshift__(self, x):
        """Logical shift."""
        return E(self.m, self.m.f.lshr(self.v, self._like(x)))

    def _cmp(self, float_op, int_op, x):
        f, b = self.m.f, self._like(x)
        return E(self.m, f.fcmp(float_op, self.v, b) if self.is_float else f.icmp(int_op, self.v, b))

    def __lt__(self, x):
        return self._cmp("olt", "slt", x)

    def __le__(self, x):
        return self._cmp("ole", "sle", x)

    def __gt__(self, x):
        return self._cmp("ogt", "sgt", x)

    def __ge__(self, x):
        return self._cmp("oge", "sge", x)

    def __eq__(self, x):
        return self._cmp("oeq", "eq", x)

    def __ne__(self, x):
        return self._cmp("une", "ne", x)

    __hash__ = None


class Math:
    """One function being written: its writer `f`, float type `T`, integer type `I`, and its arguments.

    `features` are CPU features that decide the instructions used, never the results.
    """

    def __init__(self, symbol, type, n_args, features, linkage, attributes, find):
        self.f = ir.FunctionWriter(symbol, type, [type] * n_args, linkage, attributes)
        self.T = type
        self.element = ir.elem(type)
        self.n = ir.lanes(type)
        integer, self.mant, self.bias = _FORMATS[self.element]
        self.I = ir.retype(type, integer)  # noqa: E741
        self.width = ir.bits(type)
        self.short = ir.mangle(self.element)
        self.is_double = self.element == "double"
        self.features = features
        self.args = [E(self, a) for a in self.f.args]
        self.deps: dict = {}
        self._find = find

    # -- constants

    def c(self, value) -> E:
        """A float constant in every lane."""
        return E(self, ir.const(self.T, value))

    def i(self, value) -> E:
        """An integer constant in every lane."""
        return E(self, ir.const(self.I, value))

    def pick(self, f64, f32):
        """What differs between the formats."""
        return f64 if self.is_double else f32

    def table(self, name: str) -> tuple:
        """The fitted coefficients `name` for this format."""
        return TABLE[f"{name}.{self.short}"]

    @property
    def sign_bit(self) -> int:
        return -1 << (self.width - 1)

    # -- float operations

    def _t(self, x) -> ir.Value:
        return x.v if isinstance(x, E) else ir.const(self.T, x)

    @property
    def fused(self) -> bool:
        """Does the CPU multiply and add with one rounding?"""
        return "fma" in self.features

    def fma(self, a, b, c) -> E:
        """a*b + c, rounded once; without an instruction for it, within a rounding of the rest that one rounding drops."""
        a, b, c = (E(self, self._t(x)) for x in (a, b, c))
        if self.fused:
            return E(self, self.f.fma(a.v, b.v, c.v))
        if not self.is_double:
            wide = [E(self, self.f.fpext(x.v, "double")).v for x in (a, b, c)]
            return E(self, self.f.fptrunc(self.f.fadd(self.f.fmul(wide[0], wide[1]), wide[2]), self.element))
        p, e = self.two_prod(a, b)
        s, t = self.two_sum(p, c)
        return self.select(self.abs(s) < float("inf"), s + (t + e), s)

    def mul_add(self, a, b, c) -> E:
        """a*b + c where a rounding of the product does not matter."""
        if self.fused:
            return self.fma(a, b, c)
        return E(self, self.f.fadd(self.f.fmul(self._t(a), self._t(b)), self._t(c)))

    def fnma(self, a: E, b, c) -> E:
        """c - a*b"""
        return self.fma(-a, b, c)

    def fms(self, a, b, c: E) -> E:
        """a*b - c"""
        return self.fma(a, b, -c)

    def select(self, mask: E, a, b) -> E:
        if not isinstance(a, E) and not isinstance(b, E):
            a = self.c(a)
        a = a if isinstance(a, E) else E(self, b._like(a))
        return E(self, self.f.select(mask.v, a.v, a._like(b)))

    def sqrt(self, a: E) -> E:
        return E(self, self.f.sqrt(a.v))

    def abs(self, a: E) -> E:
        return E(self, self.f.fabs(a.v))

    def floor(self, a: E) -> E:
        return E(self, self.f.floor(a.v))

    def trunc(self, a: E) -> E:
        return E(self, self.f.trunc(a.v))

    def rint(self, a: E) -> E:
        return E(self, self.f.roundeven(a.v))

    def copysign(self, magnitude: E, sign: E) -> E:
        return E(self, self.f.copysign(magnitude.v, sign.v))

    def at_most(self, a: E, limit) -> E:
        """min(a, limit); nan stays nan."""
        return self.select(a > limit, limit, a)

    def at_least(self, a: E, limit) -> E:
        """max(a, limit); nan stays nan."""
        return self.select(a < limit, limit, a)

    def is_nan(self, a: E) -> E:
        return E(self, self.f.fcmp("uno", a.v, a.v))

    def either_nan(self, a: E, b: E) -> E:
        return E(self, self.f.fcmp("uno", a.v, b.v))

    # -- bits

    def bits(self, a: E) -> E:
        return E(self, self.f.bitcast(a.v, self.I))

    def from_bits(self, a: E) -> E:
        return E(self, self.f.bitcast(a.v, self.T))

    def with_sign_bits(self, a: E, signs: E) -> E:
        """a with the sign flipped where the top bit of the integer `signs` is set."""
        return self.from_bits(self.bits(a) ^ (signs & self.sign_bit))

    @property
    def magic(self) -> float:
        """Adding it rounds to an integer, which then stands in the low bits."""
        return 1.5 * 2.0**self.mant

    def round_bits(self, a: E):
        """(nearest integer of a as a float, integer whose low bits hold it), for |a| < 2^(mant - 2)."""
        t = a + self.magic
        return t - self.magic, self.bits(t)

    def pow2(self, k_bits: E) -> E:
        """2^k from an integer whose low bits hold k, for k in the normal range."""
        return self.from_bits((k_bits + self.bias) << self.mant)

    # -- polynomials

    def poly(self, x: E, coefficients) -> E:
        """c[0] + c[1] x + ...: four interleaved chains, for the latency."""
        c = list(coefficients)
        if len(c) <= 4:
            return self.horner(x, c)
        x2 = x * x
        if len(c) <= 6:
            return self._chunks(x, x2, c, 2)
        return self._chunks(x, x2, c, 4)

    def careful_poly(self, x: E, coefficients) -> E:
        """The same with c[0] added last, which saves a rounding or two where x is small."""
        first, *rest = coefficients
        return self.fma(x, self.poly(x, rest), first)

    def _chunks(self, x, x2, c, size) -> E:
        """Horner in x^size over chunks of `size` coefficients."""
        parts = [self._chunk(x, x2, c[i : i + size]) for i in range(0, len(c), size)]
        step = x2 if size == 2 else x2 * x2
        return self.horner(step, parts)

    def _chunk(self, x, x2, c):
        low = c[0] if len(c) == 1 else self.mul_add(x, c[1], c[0])
        if len(c) <= 2:
            return low
        high = c[2] if len(c) == 3 else self.mul_add(x, c[3], c[2])
        return self.mul_add(x2, high, low)

    def horner(self, x: E, coefficients) -> E:
        c = list(coefficients)
        acc = c[-1]
        for k in reversed(c[:-1]):
            acc = self.mul_add(x, acc, k)
        return acc if isinstance(acc, E) else self.c(acc)

    # -- pairs hi + lo, for what one float cannot hold

    def two_sum(self, a: E, b):
        """(s, e) with s + e = a + b exactly."""
        s = a + b
        t = s - a
        return s, (a - (s - t)) + (b - t)

    def fast_two_sum(self, a: E, b):
        """two_sum for |a| >= |b|."""
        s = a + b
        return s, b - (s - a)

    def two_prod(self, a: E, b):
        """(p, e) with p + e = a * b exactly."""
        p = a * b
        if self.fused or not self.is_double:
            return p, self.fma(a, b, -p)
        # Halves of 26 and 27 bits (G. Veltkamp; T. Dekker, Numer. Math. 18, 1971).
        (a1, a0), (b1, b0) = (self._halves(E(self, self._t(x))) for x in (a, b))
        return p, ((a1 * b1 - p) + a1 * b0 + a0 * b1) + a0 * b0

    def _halves(self, x: E) -> tuple[E, E]:
        """(high, low) with high + low = x exactly, in half of the bits each."""
        high = self.from_bits(self.bits(x) & -(1 << 27))
        return high, x - high

    # -- other functions

    def call(self, name: str, *args: E) -> E:
        """Another math function, of the same type."""
        return E(self, self.call_at(name, self.T, [a.v for a in args]))

    def call_at(self, name: str, type: str, values) -> ir.Value:
        """Another math function, of any type."""
        d = self._find(name, type, self.features)
        self.deps[d.symbol] = d
        return d.call(self.f, values)

    # -- rare cases, regions, repetition

    def rarely(self, mask: E, usual: E, body) -> E:
        """`usual`, or where any lane is set in `mask`, what body() gives (in a branch seldom taken)."""
        return self._if_any(mask, usual, body, '!prof !{!"branch_weights", i32 1, i32 2000}')

    def where(self, mask: E, body, otherwise: E) -> E:
        """body() in the lanes of `mask`, else `otherwise`; skipped if there are none."""
        return self._if_any(mask, otherwise, lambda: self.select(mask, body(), otherwise), "")

    def _if_any(self, mask: E, usual: E, body, weights: str) -> E:
        f = self.f
        rare, done = f.block("rare"), f.block("done")
        before = f.current
        f.cbr(f.any(mask.v), rare, done, weights)
        f.position(rare)
        other = body()
        after = f.current
        f.br(done)
        f.position(done)
        phi = f.phi(usual.v.type)
        phi.add(usual.v, before)
        phi.add(other.v, after)
        return E(self, phi)

    def iterate(self, active: E, state, step) -> list[E]:
        """step(*state) -> (state, still) until no lane is `still` active; lanes that are done keep their state.

        So a lane's result does not depend on the others. Runs once at least.
        """
        f = self.f
        before, loop, done = f.current, f.block("iterate"), f.block("iterated")
        f.br(loop)
        f.position(loop)
        phis = [f.phi(x.v.type) for x in state]
        mask = f.phi(active.v.type)
        on = E(self, mask)
        held = [E(self, p) for p in phis]
        following, still = step(*held)
        following = [self.select(on, new, old) for new, old in zip(following, held, strict=True)]
        still = still & on
        for phi, first, new in zip([*phis, mask], [*state, active], [*following, still], strict=True):
            phi.add(first.v, before)
            phi.add(new.v, f.current)
        f.cbr(f.any(still.v), loop, done)
        f.position(done)
        return following

    def each_lane(self, symbol: str, args) -> E:
        """The C library's scalar `symbol`, lane by lane, in a loop over copies on the stack."""
        f, e = self.f, self.element
        symbol = symbol if self.is_double else symbol + "f"
        if self.n == 1:
            return E(self, f.call(symbol, e, [a.v for a in args], attrs="nounwind"))
        places = [f.alloca(self.T) for _ in args]
        for a, p in zip(args, places, strict=True):
            f.store(a.v, p)
        before, loop, done = f.current, f.block("lane"), f.block("lanes_done")
        f.br(loop)
        f.position(loop)
        i = f.phi("i64")
        parts = [f.load(e, f.gep(e, p, i)) for p in places]
        f.store(f.call(symbol, e, parts, attrs="nounwind"), f.gep(e, places[0], i))
        following = f.add(i, ir.const("i64", 1))
        i.add(ir.const("i64", 0), before)
        i.add(following, loop)
        f.cbr(f.icmp("ult", following, ir.const("i64", self.n)), loop, done)
        f.position(done)
        return E(self, f.load(self.T, places[0]))

    # -- scaling and splitting; AVX-512 has instructions for both

    def _x86_pieces(self) -> int:
        """Lanes of the x86 vectors that AVX-512's own instructions may take here; 0 for none."""
        whole = 512 // (64 if self.is_double else 32)
        if "avx512f" in self.features and self.n % whole == 0:
            return whole
        if "avx512vl" in self.features and self.n in (whole // 2, whole // 4):
            return self.n
        return 0

    def _x86(self, name: str, args, middle: str = "") -> E:
        """llvm.x86.avx512.mask.`name` on each piece; `middle` stands between values and pass-through."""
        size = self._x86_pieces()
        t = ir.vec(self.element, size)
        width = size * (64 if self.is_double else 32)
        kind = self.pick("pd", "ps")
        mask_bits = max(size, 8)
        done = []
        for i in range(0, self.n, size):
            values = [self._piece(a.v, i, size) for a in args]
            text = ", ".join(f"{t} {v.name}" for v in values)
            rounding = ", i32 4" if width == 512 else ""
            out = self.f.fresh(t)
            self.f.line(
                f"{out.name} = call {t} @llvm.x86.avx512.mask.{name}.{kind}.{width}({text}{middle}, "
                f"{t} zeroinitializer, i{mask_bits} -1{rounding})"
            )
            done.append(out)
        return E(self, self._joined(done))

    def _piece(self, v: ir.Value, start: int, size: int) -> ir.Value:
        if size == self.n:
            return v
        return self.f.shuffle(v, None, range(start, start + size))

    def root_estimate(self, x: E, where: E) -> E:
        """1 / sqrt(x) within 2^-14 in the lanes of the mask ``where``, 0 in others; AVX-512 only."""
        size = self._x86_pieces()
        t = ir.vec(self.element, size)
        width = size * (64 if self.is_double else 32)
        kind, count = self.pick("pd", "ps"), max(size, 8)
        done = []
        for i in range(0, self.n, size):
            mask = self._piece(where.v, i, size)
            if size < 8:
                mask = self.f.shuffle(mask, ir.zero(mask.type), [*range(size), *([size] * (8 - size))])
            mask = self.f.bitcast(mask, f"i{count}")
            out = self.f.fresh(t)
            self.f.line(
                f"{out.name} = call {t} @llvm.x86.avx512.rsqrt14.{kind}.{width}("
                f"{t} {self._piece(x.v, i, size).name}, {t} zeroinitializer, i{count} {mask.name})"
            )
            done.append(out)
        return E(self, self._joined(done))

    def _joined(self, pieces: list) -> ir.Value:
        while len(pieces) > 1:
            pieces = [
                self.f.shuffle(a, b, range(2 * ir.lanes(a.type)))
                for a, b in zip(pieces[::2], pieces[1::2], strict=True)
            ]
        return pieces[0]

    def scale(self, a: E, k: E, k_bits: E) -> E:
        """a * 2^k for a near 1 and |k| <= 2 * bias, rounded once; `round_bits` gives k and k_bits."""
        if self._x86_pieces():
            return self._x86("scalef", [a, k])
        # Two powers, of which the first leaves a normal number; both exponents stay positive.
        fields = k_bits + (2 * self.bias - _bits_of(self.magic, self.is_double))
        first = fields >> 1
        second = fields - first
        return a * self.from_bits(first << self.mant) * self.from_bits(second << self.mant)

    def split(self, x: E):
        """(k, m) with x = 2^k m, 0.75 <= m < 1.5, for positive finite x, subnormal or not.

        With AVX-512: 0 and inf give k = -inf and inf with m = 1, negative x and nan give m = nan.
        """
        if self._x86_pieces():
            m = self._x86("getmant", [x], ", i32 11")
            return self._x86("getexp", [x]) - self._x86("getexp", [m]), m
        tiny = x < 2.0 ** (1 - self.bias)
        up = self.mant + 2
        x = self.select(tiny, x * 2.0**up, x)
        low = _bits_of(0.75, self.is_double)
        t = self.bits(x) - low
        m = self.from_bits((t & ((1 << self.mant) - 1)) + low)
        # The exponent, made positive, stands in the low bits of 2^mant: so it becomes a float.
        whole = 2.0**self.mant
        k = ((t + (self.bias << self.mant)) >> self.mant) | _bits_of(whole, self.is_double)
        return self.from_bits(k) - self.select(tiny, whole + self.bias + up, whole + self.bias), m

    @property
    def split_is_total(self) -> bool:
        """Does `split` make 0, inf, nan and negative numbers come out right by itself?"""
        return bool(self._x86_pieces())


def _bits_of(value: float, is_double: bool) -> int:
    a, b = ("<d", "<q") if is_double else ("<f", "<i")
    return struct.unpack(b, struct.pack(a, value))[0]
