"""halves_as_words: computes with 16-bit floats in single precision, and keeps them as 16-bit words, in inner programs too.

b:f16[8] = sin a:f16[8]     ->     c:f32[8] = floats_of_words a:u16[8] ; d:f32[8] = sin c ; b:u16[8] = words_of_floats d

Every operation's result is rounded to its format, as if it had been computed there. Operations that only move elements
move words; those that have no rule in single precision get the arrays as they are, by their NumPy meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._compiler.inline_calls import inline_calls
from jitney._compiler.nested import is_control, programs, rebuild
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, subjaxprs
from jitney._core.primitive import Primitive
from jitney._core.trace import to_numpy
from jitney._kernel.rules import Map
from jitney._ops import elementwise as ew

_WORD, _BITS = np.dtype(np.uint16), np.dtype(np.uint32)
_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def _is_half(dtype: np.dtype) -> bool:
    return dtype.itemsize == 2 and dtype.kind in "fV" and (dtype.kind == "f" or dtype == dtypes.bfloat16)


# -- conversions -----------------------------------------------------------------------------------


def _widen(b: Any, word: Any, *, kind: str) -> Any:
    """The float that a word stands for."""
    u = b.cast(word, _BITS)
    if kind == "bfloat16":
        return b.bitcast(b.shl(u, b.const(16, _BITS)), _SINGLE)
    return b.math("float_of_half", b.bitcast(u, _SINGLE))


def _narrow(b: Any, x: Any, *, kind: str) -> Any:
    """The word of the nearest number, ties to even."""
    if x.dtype == _DOUBLE:
        x = _rounded_to_odd(b, x)
    if kind != "bfloat16":
        return b.cast(b.bitcast(b.math("half_of_float", x), _BITS), _WORD)
    u = b.bitcast(x, _BITS)
    last = b.and_(b.shr_logical(u, b.const(16, _BITS)), b.const(1, _BITS))
    word = b.shr_logical(b.add(b.add(u, b.const(0x7FFF, _BITS)), last), b.const(16, _BITS))
    return b.cast(b.select(b.ne(x, x), b.const(0x7FC0, _BITS), word), _WORD)


def _rounded_to_odd(b: Any, x: Any) -> Any:
    """A double in single precision such that rounding it once more gives what rounding the double gives."""
    near = b.cast(x, _SINGLE)
    back, one = b.cast(near, _DOUBLE), b.const(1, _BITS)
    bits = b.bitcast(near, _BITS)
    truncated = b.select(b.gt(b.abs(back), b.abs(x)), b.sub(bits, one), bits)
    inexact = b.and_(b.ne(back, x), b.eq(x, x))
    return b.bitcast(b.select(inexact, b.or_(truncated, one), bits), _SINGLE)


floats_of_words_p = Primitive("floats_of_words")
floats_of_words_p.abstract = lambda x, *, kind: x.update(dtype=_SINGLE)
floats_of_words_p.numpy = lambda x, *, kind: x.view(np.dtype(kind)).astype(_SINGLE)
floats_of_words_p.lower = Map(_widen)
words_of_floats_p = Primitive("words_of_floats")
words_of_floats_p.abstract = lambda x, *, kind: x.update(dtype=_WORD)
words_of_floats_p.numpy = lambda x, *, kind: x.astype(np.dtype(kind)).view(_WORD)
words_of_floats_p.lower = Map(_narrow)
# The same memory as what it stands for, and back.
halves_p = Primitive("halves_of_words")
halves_p.abstract = lambda x, *, kind: x.update(dtype=np.dtype(kind))
halves_p.numpy = lambda x, *, kind: np.ascontiguousarray(x).view(np.dtype(kind)).reshape(x.shape)
words_p = Primitive("words_of_halves")
words_p.abstract = lambda x: x.update(dtype=_WORD)
words_p.numpy = lambda x: np.ascontiguousarray(x).view(_WORD).reshape(x.shape)

_MOVES = frozenset(
    """broadcast_in_dim reshape transpose squeeze expand_dims slice dynamic_slice rev concatenate pad split copy
    dynamic_update_slice select_n stop_gradient optimization_barrier""".split()
)
# Whose meaning depends on the format itself.
_OF_THE_FORMAT = frozenset(("nextafter", "reduce_precision", "bitcast_convert_type"))


def halves_as_words(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program on words; the same object where there are no 16-bit floats."""
    if not _has_halves(closed.jaxpr):
        return closed
    if "halves" not in closed.cache:
        flat = inline_calls(closed)
        consts = [to_numpy(c).view(_WORD) if _is_half(c.dtype) else c for c in flat.consts]
        closed.cache["halves"] = ClosedJaxpr(_Rewriting().program(flat.jaxpr), consts)
    return closed.cache["halves"]


def _has_halves(jaxpr: Jaxpr) -> bool:
    return any(_is_half(v.aval.dtype) for v in (*jaxpr.invars, *jaxpr.constvars)) or any(
        any(_is_half(v.aval.dtype) for v in e.outvars) or any(map(_inner_halves, subjaxprs(e.params)))
        for e in jaxpr.eqns
    )


def _inner_halves(program: Jaxpr | ClosedJaxpr) -> bool:
    return _has_halves(program.jaxpr if isinstance(program, ClosedJaxpr) else program)


def _word_aval(aval: ShapedArray) -> ShapedArray:
    return aval.update(dtype=_WORD, weak_type=False) if _is_half(aval.dtype) else aval


class _Rewriting:
    """Rewrites one program; ``words`` and ``floats`` are what stands for its 16-bit floats."""

    def __init__(self) -> None:
        self.words: dict[Var, Var] = {}
        self.floats: dict[Var, Var] = {}
        self.eqns: list[JaxprEqn] = []

    def program(self, jaxpr: Jaxpr) -> Jaxpr:
        constvars, invars = (list(map(self.word, vs)) for vs in (jaxpr.constvars, jaxpr.invars))
        for eqn in jaxpr.eqns:
            self.equation(eqn)
        return Jaxpr(constvars, invars, list(map(self.word, jaxpr.outvars)), self.eqns, jaxpr.debug_info)

    def word(self, atom: Any) -> Any:
        if not _is_half(atom.aval.dtype):
            return atom
        if type(atom) is Literal:
            return Literal(np.asarray(atom.val, atom.aval.dtype).view(_WORD)[()], _word_aval(atom.aval))
        if atom not in self.words:
            self.words[atom] = Var(_word_aval(atom.aval))
        return self.words[atom]

    def float(self, atom: Any) -> Any:
        if not _is_half(atom.aval.dtype):
            return atom
        aval = atom.aval.update(dtype=_SINGLE, weak_type=False)
        if type(atom) is Literal:
            return Literal(np.float32(atom.val), aval)
        if atom not in self.floats:
            self.floats[atom] = Var(aval)
            self.add(floats_of_words_p, [self.word(atom)], [self.floats[atom]], kind=atom.aval.dtype.name)
        return self.floats[atom]

    def add(self, primitive: Primitive, invars: Sequence[Any], outvars: Sequence[Var], **params: Any) -> None:
        self.eqns.append(JaxprEqn(primitive, list(invars), list(outvars), params, self.source))

    def equation(self, eqn: JaxprEqn) -> None:
        self.source = eqn.source
        name = eqn.primitive.name
        touched = any(_is_half(a.aval.dtype) for a in (*eqn.invars, *eqn.outvars))
        inside = any(map(_inner_halves, subjaxprs(eqn.params)))
        if not touched and not inside:
            self.eqns.append(eqn)
        elif is_control(eqn):
            new = rebuild(eqn, [halves_as_words(p) for p in programs(eqn)])
            self.replaced(new, self.word)
        elif name in _MOVES:
            self.replaced(eqn, self.word)
        elif name == "convert_element_type" and not any(a.aval.dtype.kind == "c" for a in eqn.invars):
            self.converted(eqn)
        elif inside or name in _OF_THE_FORMAT or eqn.primitive.lower is None:
            self.as_it_is(eqn)
        else:
            self.computed(eqn)

    def replaced(self, eqn: JaxprEqn, atom: Any) -> None:
        self.eqns.append(
            eqn.replace(invars=list(map(atom, eqn.invars)), outvars=list(map(atom, eqn.outvars)))
        )

    def computed(self, eqn: JaxprEqn) -> None:
        """In single precision, and rounded."""
        params = {k: _SINGLE if _names_half(v) else v for k, v in eqn.params.items()}
        invars, outs = list(map(self.float, eqn.invars)), []
        for v in eqn.outvars:
            half = _is_half(v.aval.dtype)
            outs.append(Var(v.aval.update(dtype=_SINGLE, weak_type=False)) if half else v)
        self.eqns.append(eqn.replace(params=params, invars=invars, outvars=outs))
        for v, out in zip(eqn.outvars, outs, strict=True):
            if out is not v:
                self.add(words_of_floats_p, [out], [self.word(v)], kind=v.aval.dtype.name)

    def converted(self, eqn: JaxprEqn) -> None:
        (x,), (y,) = eqn.invars, eqn.outvars
        source = self.float(x)
        if not _is_half(y.aval.dtype):
            self.eqns.append(eqn.replace(invars=[source]))
            return
        if source.aval.dtype not in (_SINGLE, _DOUBLE):
            wide = Var(y.aval.update(dtype=_DOUBLE, weak_type=False))
            self.add(ew.convert_element_type_p, [source], [wide], new_dtype=_DOUBLE, weak_type=False)
            source = wide
        self.add(words_of_floats_p, [source], [self.word(y)], kind=y.aval.dtype.name)

    def as_it_is(self, eqn: JaxprEqn) -> None:
        """On arrays of 16-bit floats."""
        invars: list[Any] = []
        for a in eqn.invars:
            if type(a) is not Literal and _is_half(a.aval.dtype):
                half = Var(a.aval)
                self.add(halves_p, [self.word(a)], [half], kind=a.aval.dtype.name)
                a = half
            invars.append(a)
        outs = [Var(v.aval) if _is_half(v.aval.dtype) else v for v in eqn.outvars]
        self.eqns.append(eqn.replace(invars=invars, outvars=outs))
        for v, out in zip(eqn.outvars, outs, strict=True):
            if out is not v:
                self.add(words_p, [out], [self.word(v)])


def _names_half(value: Any) -> bool:
    try:
        return isinstance(value, (np.dtype, type)) and _is_half(np.dtype(value))
    except TypeError:
        return False
