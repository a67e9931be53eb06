"""narrow_as_words: computes with types narrower than the machine's in single precision or 32-bit integers, keeps words.

b:f16[8] = sin a:f16[8]     ->     c:f32[8] = wide_of_words a:u16[8] ; d:f32[8] = sin c ; b:u16[8] = words_of_wide d

These are the floats of 16, 8, 6 and 4 bits and the integers of 4, 2 and 1, in inner programs too. Every operation's result
is rounded (integers: wrapped) to its format, as if it had been computed there. Operations that only move elements move
words; those that have no rule in wide types get the arrays as they are, by their NumPy meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._compiler import narrow_formats
from jitney._compiler.inline_calls import inline_calls
from jitney._compiler.narrow_formats import DOUBLE as _DOUBLE
from jitney._compiler.narrow_formats import SINGLE as _SINGLE
from jitney._compiler.nested import is_control, programs, rebuild
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, subjaxprs
from jitney._core.primitive import Primitive
from jitney._core.trace import to_numpy
from jitney._kernel.rules import Map
from jitney._ops import elementwise as ew


def _is_narrow(dtype: np.dtype) -> bool:
    return dtype.itemsize <= 2 and (dtype.kind == "f" or dtype.kind == "V" and dtype.isbuiltin == 2)


@cache
def _word(dtype: np.dtype) -> np.dtype:
    """The unsigned integers of the same size."""
    return np.dtype(f"u{dtype.itemsize}")


@cache
def _wide(dtype: np.dtype) -> np.dtype:
    """What values of a narrow type are computed in."""
    return np.dtype(np.int32) if dtypes.is_small_integer(dtype) else _SINGLE


@cache
def _named(kind: str) -> np.dtype:
    return dtypes.as_dtype(kind)


wide_of_words_p = Primitive("wide_of_words")
wide_of_words_p.abstract = lambda x, *, kind: x.update(dtype=_wide(_named(kind)))
wide_of_words_p.numpy = lambda x, *, kind: x.view(_named(kind)).astype(_wide(_named(kind)))
wide_of_words_p.lower = Map(narrow_formats.widen)
words_of_wide_p = Primitive("words_of_wide")
words_of_wide_p.abstract = lambda x, *, kind: x.update(dtype=_word(_named(kind)))
words_of_wide_p.numpy = lambda x, *, kind: x.astype(_named(kind)).view(_word(_named(kind)))
words_of_wide_p.lower = Map(narrow_formats.narrow)
next_word_p = Primitive("next_word")
next_word_p.abstract = lambda x, y, *, kind: x
next_word_p.numpy = lambda x, y, *, kind: np.nextafter(x.view(_named(kind)), y.view(_named(kind))).view(
    x.dtype
)
next_word_p.lower = Map(narrow_formats.next_word)
# The same memory as what it stands for, and back.
narrow_of_words_p = Primitive("narrow_of_words")
narrow_of_words_p.abstract = lambda x, *, kind: x.update(dtype=_named(kind))
narrow_of_words_p.numpy = lambda x, *, kind: np.ascontiguousarray(x).view(_named(kind)).reshape(x.shape)
words_of_narrow_p = Primitive("words_of_narrow")
words_of_narrow_p.abstract = lambda x: x.update(dtype=_word(x.dtype))
words_of_narrow_p.numpy = lambda x: np.ascontiguousarray(x).view(_word(x.dtype)).reshape(x.shape)

_MOVES = frozenset(
    """broadcast_in_dim reshape transpose squeeze expand_dims slice dynamic_slice rev concatenate pad split copy
    dynamic_update_slice select_n stop_gradient optimization_barrier""".split()
)
# Operations on the bits of integers, which see no sign.
_OF_BITS = frozenset(("shift_right_logical", "clz", "population_count"))


def narrow_as_words(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program on words; the same object where there are no narrow types."""
    if not _has_narrow(closed.jaxpr):
        return closed
    if "narrow" not in closed.cache:
        flat = inline_calls(closed)
        narrow = [_is_narrow(c.dtype) for c in flat.consts]
        consts = [
            to_numpy(c).view(_word(c.dtype)) if n else c for c, n in zip(flat.consts, narrow, strict=True)
        ]
        closed.cache["narrow"] = ClosedJaxpr(_Rewriting().program(flat.jaxpr), consts)
    return closed.cache["narrow"]


def _has_narrow(jaxpr: Jaxpr) -> bool:
    return any(_is_narrow(v.aval.dtype) for v in (*jaxpr.invars, *jaxpr.constvars)) or any(
        any(_is_narrow(v.aval.dtype) for v in e.outvars) or any(map(_inner_narrow, subjaxprs(e.params)))
        for e in jaxpr.eqns
    )


def _inner_narrow(program: Jaxpr | ClosedJaxpr) -> bool:
    return _has_narrow(program.jaxpr if isinstance(program, ClosedJaxpr) else program)


def _word_dtype(dtype: np.dtype) -> np.dtype:
    return _word(dtype) if _is_narrow(dtype) else dtype


def _word_aval(aval: ShapedArray) -> ShapedArray:
    return aval.update(dtype=_word(aval.dtype), weak_type=False) if _is_narrow(aval.dtype) else aval


def _wide_aval(aval: ShapedArray) -> ShapedArray:
    return aval.update(dtype=_wide(aval.dtype), weak_type=False)


class _Rewriting:
    """Rewrites one program; ``words`` and ``wide`` are what stands for its narrow values."""

    def __init__(self) -> None:
        self.words: dict[Var, Var] = {}
        self.wide: dict[Var, Var] = {}
        self.eqns: list[JaxprEqn] = []

    def program(self, jaxpr: Jaxpr) -> Jaxpr:
        constvars, invars = (list(map(self.word, vs)) for vs in (jaxpr.constvars, jaxpr.invars))
        for eqn in jaxpr.eqns:
            self.equation(eqn)
        return Jaxpr(constvars, invars, list(map(self.word, jaxpr.outvars)), self.eqns, jaxpr.debug_info)

    def word(self, atom: Any) -> Any:
        if not _is_narrow(atom.aval.dtype):
            return atom
        if type(atom) is Literal:
            return Literal(
                np.asarray(atom.val, atom.aval.dtype).view(_word(atom.aval.dtype))[()], _word_aval(atom.aval)
            )
        if atom not in self.words:
            self.words[atom] = Var(_word_aval(atom.aval))
        return self.words[atom]

    def widened(self, atom: Any) -> Any:
        """The value in its wide type."""
        if not _is_narrow(atom.aval.dtype):
            return atom
        aval = _wide_aval(atom.aval)
        if type(atom) is Literal:
            return Literal(np.asarray(atom.val).astype(aval.dtype)[()], aval)
        if atom not in self.wide:
            self.wide[atom] = Var(aval)
            self.add(wide_of_words_p, [self.word(atom)], [self.wide[atom]], kind=atom.aval.dtype.name)
        return self.wide[atom]

    def add(self, primitive: Primitive, invars: Sequence[Any], outvars: Sequence[Var], **params: Any) -> None:
        self.eqns.append(JaxprEqn(primitive, list(invars), list(outvars), params, self.source))

    def equation(self, eqn: JaxprEqn) -> None:
        self.source = eqn.source
        name = eqn.primitive.name
        touched = any(_is_narrow(a.aval.dtype) for a in (*eqn.invars, *eqn.outvars))
        inside = any(map(_inner_narrow, subjaxprs(eqn.params)))
        if not touched and not inside:
            self.eqns.append(eqn)
        elif is_control(eqn):
            new = rebuild(eqn, [narrow_as_words(p) for p in programs(eqn)])
            self.replaced(new, self.word)
        elif name in _MOVES:
            self.replaced(eqn, self.word)
        elif name == "bitcast_convert_type":
            dtype = _word_dtype(eqn.outvars[0].aval.dtype)
            self.replaced(eqn.replace(params={**eqn.params, "new_dtype": dtype}), self.word)
        elif name == "nextafter":
            (y,) = eqn.outvars
            self.add(next_word_p, map(self.word, eqn.invars), [self.word(y)], kind=y.aval.dtype.name)
        elif name in _OF_BITS:
            self.bits(eqn)
        elif name == "convert_element_type" and not any(a.aval.dtype.kind == "c" for a in eqn.invars):
            self.converted(eqn)
        elif inside or eqn.primitive.lower is None and name != "dot_general":
            self.as_it_is(eqn)
        else:
            self.computed(eqn)

    def replaced(self, eqn: JaxprEqn, atom: Any) -> None:
        self.eqns.append(
            eqn.replace(invars=list(map(atom, eqn.invars)), outvars=list(map(atom, eqn.outvars)))
        )

    def computed(self, eqn: JaxprEqn) -> None:
        """In the wide type, and rounded."""
        params = {k: _wide(np.dtype(v)) if _names_narrow(v) else v for k, v in eqn.params.items()}
        invars, outs = list(map(self.widened, eqn.invars)), []
        for v in eqn.outvars:
            narrow = _is_narrow(v.aval.dtype)
            outs.append(Var(_wide_aval(v.aval)) if narrow else v)
        self.eqns.append(eqn.replace(params=params, invars=invars, outvars=outs))
        for v, out in zip(eqn.outvars, outs, strict=True):
            if out is not v:
                self.add(words_of_wide_p, [out], [self.word(v)], kind=v.aval.dtype.name)

    def bits(self, eqn: JaxprEqn) -> None:
        """On unsigned integers as wide as a machine's, of which only the last bits are used."""
        kind = eqn.outvars[0].aval.dtype.name
        unsigned = kind if kind[0] == "u" else f"u{kind}"
        wide = [Var(_wide_aval(a.aval)) for a in eqn.invars]
        for atom, var in zip(eqn.invars, wide, strict=True):
            self.add(wide_of_words_p, [self.word(atom)], [var], kind=unsigned)
        out = Var(_wide_aval(eqn.outvars[0].aval))
        self.add(eqn.primitive, wide, [out], **eqn.params)
        if eqn.primitive.name == "clz":
            unused, counted = Literal(np.int32(32 - int(kind[-1])), out.aval.update(shape=())), out
            out = Var(out.aval)
            self.add(ew.sub_p, [counted, unused], [out])
        self.add(words_of_wide_p, [out], [self.word(eqn.outvars[0])], kind=kind)

    def converted(self, eqn: JaxprEqn) -> None:
        (x,), (y,) = eqn.invars, eqn.outvars
        source = self.widened(x)
        if not _is_narrow(y.aval.dtype):
            self.eqns.append(eqn.replace(invars=[source]))
            return
        wide = _wide(y.aval.dtype)
        accepted = (wide,) if wide != _SINGLE else (_SINGLE, _DOUBLE)
        if source.aval.dtype not in accepted:
            between = Var(y.aval.update(dtype=accepted[-1], weak_type=False))
            self.add(ew.convert_element_type_p, [source], [between], new_dtype=accepted[-1], weak_type=False)
            source = between
        self.add(words_of_wide_p, [source], [self.word(y)], kind=y.aval.dtype.name)

    def as_it_is(self, eqn: JaxprEqn) -> None:
        """On arrays of the narrow type."""
        invars: list[Any] = []
        for a in eqn.invars:
            if type(a) is not Literal and _is_narrow(a.aval.dtype):
                array = Var(a.aval)
                self.add(narrow_of_words_p, [self.word(a)], [array], kind=a.aval.dtype.name)
                a = array
            invars.append(a)
        outs = [Var(v.aval) if _is_narrow(v.aval.dtype) else v for v in eqn.outvars]
        self.eqns.append(eqn.replace(invars=invars, outvars=outs))
        for v, out in zip(eqn.outvars, outs, strict=True):
            if out is not v:
                self.add(words_of_narrow_p, [out], [self.word(v)])


def _names_narrow(value: Any) -> bool:
    try:
        return isinstance(value, (np.dtype, type)) and _is_narrow(np.dtype(value))
    except TypeError:
        return False
