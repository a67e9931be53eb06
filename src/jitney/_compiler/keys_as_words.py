"""keys_as_words: makes arrays of random keys arrays of numbers, in the programs inside as well.

b:key<fry>[2] = random_split[shape=(2,)] a     ->     b:u64[2] = threefry_split[shape=(2,)] a

Keys of two words become unsigned 64-bit numbers, those of four complex ones (``_ops/wide_keys.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base.dtypes import KEY, is_key
from jitney._compiler.inline_calls import expanded, is_expandable
from jitney._control.jit import jit_p
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, subjaxprs
from jitney._core.trace import ArrayImpl, to_numpy
from jitney._ops.keys import ON_WIDE_WORDS, ON_WORDS
from jitney._ops.wide_keys import PAIR

_WORD = np.dtype(np.uint64)


def keys_as_words(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program on words; the same object where there are no keys."""
    if not _has_keys(closed.jaxpr):
        return closed
    if "words" not in closed.cache:
        consts = [_word(c) for c in closed.consts]
        closed.cache["words"] = ClosedJaxpr(_rewritten(closed.jaxpr), consts)
    return closed.cache["words"]


def _has_keys(jaxpr: Jaxpr) -> bool:
    return any(is_key(v.aval.dtype) for v in (*jaxpr.invars, *jaxpr.constvars, *jaxpr.outvars)) or any(
        any(is_key(v.aval.dtype) for v in (*e.invars, *e.outvars))
        or any(map(_inner_keys, subjaxprs(e.params)))
        for e in jaxpr.eqns
    )


def _inner_keys(program: Jaxpr | ClosedJaxpr) -> bool:
    return _has_keys(program.jaxpr if isinstance(program, ClosedJaxpr) else program)


def _word(value: Any) -> Any:
    """A constant of the program."""
    if type(value) is ArrayImpl and is_key(value.dtype):
        return to_numpy(value).view(_word_dtype(value.dtype))
    return value


def _word_dtype(dtype: np.dtype) -> np.dtype:
    return _WORD if dtype is KEY else PAIR


def _aval(aval: ShapedArray) -> ShapedArray:
    return aval.update(dtype=_word_dtype(aval.dtype)) if is_key(aval.dtype) else aval


def _rewritten(jaxpr: Jaxpr) -> Jaxpr:
    env: dict[Var, Var] = {}

    def atom(a: Any) -> Any:
        if type(a) is Literal:
            if not is_key(a.aval.dtype):
                return a
            return Literal(np.asarray(a.val).view(_word_dtype(a.aval.dtype))[()], _aval(a.aval))
        if not is_key(a.aval.dtype):
            return a
        if a not in env:
            env[a] = type(a)(_aval(a.aval))
        return env[a]

    return Jaxpr(
        list(map(atom, jaxpr.constvars)),
        list(map(atom, jaxpr.invars)),
        list(map(atom, jaxpr.outvars)),
        [_equation(e, atom) for e in jaxpr.eqns],
        jaxpr.debug_info,
    )


def _equation(eqn: JaxprEqn, atom: Any) -> JaxprEqn:
    primitive, params = eqn.primitive, eqn.params
    wide = next(
        (
            v.aval.dtype
            for v in (*eqn.invars, *eqn.outvars)
            if is_key(v.aval.dtype) and v.aval.dtype is not KEY
        ),
        None,
    )
    if wide is not None and primitive in ON_WIDE_WORDS:
        primitive, params = ON_WIDE_WORDS[primitive](params, wide)
    elif primitive in ON_WORDS:
        primitive, params = ON_WORDS[primitive](params)
    elif any(map(_inner_keys, subjaxprs(params))):
        params = {name: _program(value) for name, value in params.items()}
    elif is_expandable(eqn) and any(is_key(v.aval.dtype) for v in (*eqn.invars, *eqn.outvars)):
        # What the operation stands for is written on keys, too.
        params = {"jaxpr": keys_as_words(expanded(eqn)), "name": primitive.name}
        primitive = jit_p
    return eqn.replace(
        primitive=primitive,
        params=params,
        invars=list(map(atom, eqn.invars)),
        outvars=list(map(atom, eqn.outvars)),
    )


def _program(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return keys_as_words(value)
    if isinstance(value, Jaxpr):
        return _rewritten(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_program, value)) if not hasattr(value, "_fields") else value
    return value
