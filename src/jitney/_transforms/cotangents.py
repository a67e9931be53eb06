"""Cotangents behind a choice: the choice moves behind the products with slopes.

    where(x > 0, f(x), 0)      instead of  f'(x) * where(x > 0, ct, 0)      where(x > 0, f'(x) * ct, 0)

The cotangent of a branch that was not taken is zero. Chosen last, it stays zero whatever slopes are on its way, such as
those of missing data; and that costs nothing, because there are as many choices and products as before. What
sums or is no elementwise operation gets the cotangent itself (``plain``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import JaxprEqn
from jitney._core.primitive import registry
from jitney._core.tangents import Undefined, Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._ops.families import unbroadcast
from jitney._ops.strong_products import active

_BOOL = np.dtype(bool)


class Chosen:
    """The cotangent ``where(keep, value, 0)``."""

    __slots__ = ("aval", "keep", "value")

    def __init__(self, value: Any, keep: Any) -> None:
        self.value = value
        self.keep = keep
        self.aval = get_aval(value)


def plain(ct: Any) -> Any:
    """The cotangent as an array (a symbolic zero or None stays what it is)."""
    if type(ct) is not Chosen:
        return ct
    return raw.select(ct.keep, ct.value, raw.zeros(ct.aval))


def total(x: Any, y: Any) -> Any:
    """Sum of two cotangents of one value."""
    if type(x) is Zero or type(y) is Zero:
        return y if type(x) is Zero else x
    if type(x) is not Chosen or type(y) is not Chosen:
        return raw.add_tangents(plain(x), plain(y))
    if x.keep is y.keep:
        return Chosen(raw.add_tangents(x.value, y.value), x.keep)
    return Chosen(raw.add_tangents(plain(x), plain(y)), registry["or"].bind(x.keep, y.keep))


def parts(cts: Sequence[Any]) -> list[Any]:
    """Cotangents as arrays: a chosen one is its value and its choice."""
    return [x for ct in cts for x in ((ct.value, ct.keep) if type(ct) is Chosen else (ct,))]


def parts_of_avals(avals: Sequence[ShapedArray], chosen: Sequence[bool]) -> list[ShapedArray]:
    """The types of ``parts``."""
    return [x for a, c in zip(avals, chosen, strict=True) for x in ((a, _choice_of(a)) if c else (a,))]


def joined(arrays: Sequence[Any], chosen: Sequence[bool]) -> list[Any]:
    """The cotangents of whom ``arrays`` are the ``parts``."""
    rest = iter(arrays)
    return [Chosen(next(rest), next(rest)) if c else next(rest) for c in chosen]


def _choice_of(aval: ShapedArray) -> ShapedArray:
    return aval.update(dtype=_BOOL, weak_type=False)


Rule = Callable[..., Any]


def transpose_chosen(eqn: JaxprEqn, out_cts: list[Any], args: list[Any], ordinary: Rule) -> list[Any]:
    """Cotangents of the operands ``args`` (``Undefined`` where linear); ``ordinary`` is the primitive's own rule."""
    if eqn.primitive.takes_chosen:
        return ordinary(out_cts)
    rule = _RULES.get(eqn.primitive.name)
    if rule is not None and active():
        found = rule(eqn, out_cts[0], args, ordinary)
        if found is not None:
            return found
    return ordinary([plain(ct) for ct in out_cts])


def _moved(eqn: JaxprEqn, ct: Any, args: list[Any], ordinary: Rule) -> Any:
    """Operations that only move elements move the choice alike."""
    if type(ct) is not Chosen:
        return None
    choices = [Undefined(_choice_of(a.aval)) if is_undefined(a) else a for a in args]
    keep = eqn.primitive.transpose(ct.keep, *choices, **eqn.params)
    return _pairs(ordinary([ct.value]), keep)


def _pairs(values: list[Any], keeps: list[Any]) -> list[Any]:
    return [None if v is None else Chosen(v, k) for v, k in zip(values, keeps, strict=True)]


def _elementwise(eqn: JaxprEqn, ct: Any, args: list[Any], ordinary: Rule) -> Any:
    """Operations that are linear in operands of the result's shape."""
    if type(ct) is not Chosen or any(is_undefined(a) and a.aval.shape != ct.aval.shape for a in args):
        return None
    found = ordinary([ct.value])
    return _pairs(found, [ct.keep] * len(found))


def _sum(eqn: JaxprEqn, ct: Any, args: list[Any], ordinary: Rule) -> Any:
    """Sums and differences: an operand that was spread gets a sum, the other one a choice."""
    if type(ct) is not Chosen:
        return None
    signs = (False, eqn.primitive.name == "sub")
    found: list[Any] = []
    for operand, minus in zip(args, signs, strict=True):
        if not is_undefined(operand):
            found.append(None)
            continue
        value = registry["neg"].bind(ct.value) if minus else ct.value
        chosen = Chosen(value, ct.keep)
        same = operand.aval.shape == ct.aval.shape
        found.append(chosen if same else unbroadcast(plain(chosen), operand.aval))
    return found


def _product(eqn: JaxprEqn, ct: Any, args: list[Any], ordinary: Rule) -> Any:
    """Products of one linear operand; if that was spread over others, the choice comes before the sum."""
    if type(ct) is not Chosen or all(map(is_undefined, args)):
        return None
    place = 0 if is_undefined(args[0]) else 1
    aval = args[place].aval
    if aval.shape == ct.aval.shape:
        return _elementwise(eqn, ct, args, ordinary)
    wide = list(args)
    wide[place] = Undefined(aval.update(shape=ct.aval.shape))
    product = eqn.primitive.transpose(ct.value, *wide, **eqn.params)[place]
    found: list[Any] = [None, None]
    found[place] = unbroadcast(plain(Chosen(product, ct.keep)), aval)
    return found


def _choice(eqn: JaxprEqn, ct: Any, args: list[Any], ordinary: Rule) -> Any:
    """``select_n`` of two cases, where choices begin."""
    which, *cases = args
    aval = get_aval(which)
    if len(cases) != 2 or aval.dtype != _BOOL or aval.shape != eqn.outvars[0].aval.shape:
        return None
    value, outer = (ct.value, ct.keep) if type(ct) is Chosen else (ct, None)
    found: list[Any] = [None]
    for case, on in zip(cases, (False, True), strict=True):
        if not is_undefined(case):
            found.append(None)
            continue
        keep = which if on else registry["not"].bind(which)
        found.append(Chosen(value, keep if outer is None else registry["and"].bind(outer, keep)))
    return found


_RULES: dict[str, Rule] = {
    "select_n": _choice,
    **dict.fromkeys(("reduce_sum", "reshape", "squeeze", "transpose", "copy"), _moved),
    **dict.fromkeys(("neg", "convert_element_type"), _elementwise),
    **dict.fromkeys(("add", "add_any", "sub"), _sum),
    **dict.fromkeys(("mul", "div", "strong_mul", "strong_div"), _product),
}

__all__ = ["Chosen", "plain", "total", "transpose_chosen"]
