"""simplify_algebra: exact rewrites of single equations, and arithmetic on literals.

    mul x 1.0                      ->  x
    add 2.0 3.0                    ->  5.0
    transpose (transpose x)        ->  x            (permutations that cancel)
    convert_element_type x         ->  x            (same dtype)
    mul (broadcast_in_dim 2.0) x   ->  mul 2.0 x
    div x 4.0                      ->  mul x 0.25   (powers of two: exact)
    neg (neg x)                    ->  x
    mul (neg x) y, add (neg x) y   ->  neg (mul x y), sub y x         (signs move out, and meet)
    mul (mul x 0.3) 2.0            ->  mul x 0.6    (one factor is a power of two: exact but where 0.3 x over- or underflows)
    add_any x (scatter-add 0 i u)  ->  scatter-add x i u      (a derivative is accumulated where it belongs)
    scatter x [1 2] u              ->  dynamic_update_slice x u 1 2

``x * 0`` stays (nan, infinities, signed zeros), as does ``x + 0.0`` (it turns -0.0 into 0.0); ``x - 0.0`` and
``x + -0.0`` go.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney._core.avals import shaped_array
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, Var
from jitney._core.primitive import registry


def simplify_algebra(closed: ClosedJaxpr) -> ClosedJaxpr:
    """One walk; every equation sees its operands already simplified."""
    jaxpr = closed.jaxpr
    env: dict[Var, Any] = {}
    made: dict[Var, JaxprEqn] = {}
    eqns: list[JaxprEqn] = []
    for eqn in jaxpr.eqns:
        if env:
            args = [a if type(a) is Literal else env.get(a, a) for a in eqn.invars]
            eqn = JaxprEqn(eqn.primitive, args, eqn.outvars, eqn.params, eqn.source)
        if len(eqn.outvars) == 1:
            eqn = _with_scalars(eqn, made)
            result = _simpler(eqn, made)
            if isinstance(result, (Var, Literal)):
                if result.aval.shape == eqn.outvars[0].aval.shape:
                    env[eqn.outvars[0]] = result
                    continue
                result = None  # the operand is broadcast
            *before, eqn = result if isinstance(result, list) else [result or eqn]
            eqns += before
            made[eqn.outvars[0]] = eqn
        eqns.append(eqn)
    outs = [a if type(a) is Literal else env.get(a, a) for a in jaxpr.outvars]
    outs = [_same_dtype(new, old) for new, old in zip(outs, jaxpr.outvars, strict=True)]
    return ClosedJaxpr(jaxpr.replace(eqns=eqns, outvars=outs), closed.consts)


def _same_dtype(new: Any, old: Any) -> Any:
    assert new.aval.dtype == old.aval.dtype, (new, old)
    return new


_SPREADING = frozenset(
    "add sub mul div strong_mul strong_div max min add_any eq ne lt le gt ge pow atan2".split()
)


def _with_scalars(eqn: JaxprEqn, made: dict[Var, JaxprEqn]) -> JaxprEqn:
    """``mul (broadcast_in_dim 2.0) x -> mul 2.0 x``: these spread a scalar operand themselves."""
    if eqn.primitive.name not in _SPREADING:
        return eqn
    args = [_scalar_of(a, made) for a in eqn.invars]
    if all(a is b for a, b in zip(args, eqn.invars, strict=True)):
        return eqn
    if not any(a.aval.shape == eqn.outvars[0].aval.shape for a in args):
        return eqn  # the array of one number gives the result its shape
    return eqn.replace(invars=args)


def _scalar_of(atom: Any, made: dict[Var, JaxprEqn]) -> Any:
    source = made.get(atom) if type(atom) is not Literal and atom.aval.ndim else None
    if source is None or source.primitive.name != "broadcast_in_dim" or source.invars[0].aval.ndim:
        return atom
    return source.invars[0] if len(source.invars) == 1 else atom


def _simpler(eqn: JaxprEqn, made: dict[Var, JaxprEqn]) -> Any:
    folded = _fold(eqn)
    if folded is not None:
        return folded
    rule = _RULES.get(eqn.primitive.name)
    return None if rule is None else rule(eqn, made)


_FOLDED = frozenset(
    (
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "max",
        "min",
        "convert_element_type",
        "integer_pow",
        "sign",
        "abs",
        "sqrt",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and",
        "or",
        "not",
        "square",
    )
)


def _fold(eqn: JaxprEqn) -> Literal | None:
    """The literal that a scalar operation on literals gives."""
    if eqn.primitive.name not in _FOLDED or not all(type(a) is Literal for a in eqn.invars):
        return None
    aval = eqn.outvars[0].aval
    if aval.shape or aval.dtype.kind not in "fiub" or eqn.primitive.numpy is None:
        return None
    args = [np.asarray(a.val, a.aval.dtype) for a in eqn.invars]
    if eqn.primitive.name == "div" and aval.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(eqn.primitive.numpy(*args, **eqn.params))
    if value.shape or value.dtype != aval.dtype:
        return None
    return Literal(value[()], aval)


def _number(atom: Any) -> Any:
    """The value of a scalar literal, else None."""
    return atom.val if type(atom) is Literal and np.ndim(atom.val) == 0 else None


def _is_positive_zero(v: Any) -> bool:
    return v == 0 and (not isinstance(v, (float, np.floating)) or math.copysign(1.0, v) > 0)


def _is_negative_zero(v: Any) -> bool:
    return v == 0 and isinstance(v, (float, np.floating)) and math.copysign(1.0, v) < 0


def _add(eqn: JaxprEqn, made: dict) -> Any:
    for x, y in (eqn.invars, eqn.invars[::-1]):
        v = _number(y)
        if v is not None and (_is_negative_zero(v) or (v == 0 and y.aval.dtype.kind in "iu")):
            return x
    for x, y in (eqn.invars, eqn.invars[::-1]):
        minus = _negated(y, made)
        if minus is not None:
            return JaxprEqn(registry["sub"], [x, minus], eqn.outvars, {}, eqn.source)
    return None


def _negated(atom: Any, made: dict) -> Any:
    """What a real ``atom`` is the negative of, if it is an equation's."""
    source = made.get(atom) if type(atom) is not Literal else None
    return source.invars[0] if source is not None and source.primitive is registry["neg"] else None


def _negative_of(eqn: JaxprEqn, args: list[Any]) -> list[JaxprEqn]:
    """``- eqn(args)``"""
    inner = Var(eqn.outvars[0].aval)
    return [
        eqn.replace(invars=args, outvars=[inner]),
        JaxprEqn(registry["neg"], [inner], eqn.outvars, {}, eqn.source),
    ]


def _accumulate(eqn: JaxprEqn, made: dict) -> Any:
    """The sum of two derivatives, one of which is an array of zeros but for a few places."""
    simple = _add(eqn, made)
    if simple is not None:
        return simple
    for x, y in (eqn.invars, eqn.invars[::-1]):
        update = None if type(y) is Literal else made.get(y)
        if update is None or not _is_zeros(update.invars[0], made) or x.aval.shape != y.aval.shape:
            continue
        if update.primitive.name == "scatter-add":
            return update.replace(invars=[x, *update.invars[1:]], outvars=eqn.outvars)
        if update.primitive.name == "dynamic_update_slice":
            return _add_to_window(eqn, x, update)
    return None


def _is_zeros(atom: Any, made: dict) -> bool:
    if type(atom) is Literal:
        return _is_positive_zero(atom.val)
    source = made.get(atom)
    return (
        source is not None
        and source.primitive.name == "broadcast_in_dim"
        and _is_zeros(source.invars[0], made)
    )


def _add_to_window(eqn: JaxprEqn, x: Any, update: JaxprEqn) -> list[JaxprEqn]:
    """``x + dynamic_update_slice(0, u, i)``: only the window changes."""
    _, u, *starts = update.invars
    window, total = Var(u.aval), Var(u.aval)
    sizes = {"slice_sizes": u.aval.shape}
    return [
        JaxprEqn(registry["dynamic_slice"], [x, *starts], [window], sizes, eqn.source),
        JaxprEqn(eqn.primitive, [window, u], [total], {}, eqn.source),
        update.replace(invars=[x, total, *starts], outvars=eqn.outvars),
    ]


_COMBINED = {
    "scatter": None,
    "scatter-add": "add",
    "scatter-mul": "mul",
    "scatter-min": "min",
    "scatter-max": "max",
}


def _scatter(eqn: JaxprEqn, made: dict) -> list[JaxprEqn] | None:
    """``scatter-add x [1 2] u``, one window at a known place: the window is read, added to and written."""
    x, places, u = eqn.invars
    dims = eqn.params["dimension_numbers"]
    whole = tuple(dims.update_window_dims) == tuple(range(u.aval.ndim))
    if type(places) is not Literal or places.aval.ndim != 1 or not whole or dims.operand_batching_dims:
        return None
    starts = [0] * x.aval.ndim
    for d, place in zip(dims.scatter_dims_to_operand_dims, places.val, strict=True):
        starts[d] = int(place)
    rest = iter(u.aval.shape)
    sizes = tuple(1 if d in dims.inserted_window_dims else next(rest) for d in range(x.aval.ndim))
    ends = tuple(s + n for s, n in zip(starts, sizes, strict=True))
    if min(starts, default=0) < 0 or any(e > n for e, n in zip(ends, x.aval.shape, strict=True)):
        return None
    out: list[JaxprEqn] = []

    def add(name: str, operands: list[Any], **params: Any) -> Var:
        result = Var(shaped_array(sizes, x.aval.dtype, False))
        out.append(JaxprEqn(registry[name], operands, [result], params, eqn.source))
        return result

    if sizes != u.aval.shape:
        u = add("reshape", [u], new_sizes=sizes, dimensions=None, sharding=None)
    combine = _COMBINED[eqn.primitive.name]
    if combine is not None:
        window = add("slice", [x], start_indices=tuple(starts), limit_indices=ends, strides=None)
        u = add(combine, [window, u])
    literals = [Literal(s, shaped_array((), np.dtype(np.int64), False)) for s in starts]
    return [*out, JaxprEqn(registry["dynamic_update_slice"], [x, u, *literals], eqn.outvars, {}, eqn.source)]


def _sub(eqn: JaxprEqn, made: dict) -> Any:
    x, y = eqn.invars
    v, minus = _number(y), _negated(y, made)
    if minus is not None:
        return JaxprEqn(registry["add"], [x, minus], eqn.outvars, {}, eqn.source)
    return x if v is not None and _is_positive_zero(v) else None


def _mul(eqn: JaxprEqn, made: dict) -> Any:
    for x, y in (eqn.invars, eqn.invars[::-1]):
        v = _number(y)
        if v is not None and v == 1 and y.aval.dtype.kind in "fiu":
            return x
        if v is not None and y.aval.dtype.kind == "f":
            found = _scaled(eqn, x, y, made)
            if found is not None:
                return found
    for x, y in (eqn.invars, eqn.invars[::-1]):
        minus = _negated(x, made)
        if minus is not None:
            return _negative_of(eqn, [minus, y])
    return None


def _strong_mul(eqn: JaxprEqn, made: dict) -> Any:
    """A product with a number of the program, which is neither 0 nor infinite, is an ordinary one."""
    if any(v is not None and v != 0 and np.isfinite(v) for v in map(_number, eqn.invars)):
        product = eqn.replace(primitive=registry["mul"], params={})
        return _mul(product, made) or product
    for x, y, first in ((*eqn.invars, True), (*eqn.invars[::-1], False)):
        minus = _negated(x, made)
        if minus is not None:
            return _negative_of(eqn, [minus, y] if first else [y, minus])
    return None


def _strong_div(eqn: JaxprEqn, made: dict) -> Any:
    """As for products."""
    if any(v is not None and v != 0 and np.isfinite(v) for v in map(_number, eqn.invars)):
        quotient = eqn.replace(primitive=registry["div"])
        return _div(quotient, made) or quotient
    minus = _negated(eqn.invars[0], made)
    return None if minus is None else _negative_of(eqn, [minus, eqn.invars[1]])


def _scaled(eqn: JaxprEqn, x: Any, factor: Literal, made: dict) -> Any:
    """``mul x factor`` where ``x`` is a product by a number itself, or -1 times something."""
    v = float(factor.val)
    if v == -1.0:
        return JaxprEqn(registry["neg"], [x], eqn.outvars, {}, eqn.source)
    source = made.get(x) if type(x) is not Literal else None
    if source is None or source.primitive is not eqn.primitive:
        return None
    for inner, other in (source.invars, source.invars[::-1]):
        first = _number(other)
        if first is None or not (_is_power_of_two(first) or _is_power_of_two(v)):
            continue
        both = float(first) * v
        if not 1e-30 < abs(both) < 1e30:
            continue
        if both == 1.0:
            return inner
        if both == -1.0:
            return JaxprEqn(registry["neg"], [inner], eqn.outvars, {}, eqn.source)
        return eqn.replace(invars=[inner, Literal(factor.aval.dtype.type(both), factor.aval)])
    return None


def _is_power_of_two(v: Any) -> bool:
    return math.isfinite(v) and abs(math.frexp(float(v))[0]) == 0.5


def _div(eqn: JaxprEqn, made: dict) -> Any:
    x, y = eqn.invars
    v, minus = _number(y), _negated(x, made)
    if minus is not None and y.aval.dtype.kind == "f":
        return _negative_of(eqn, [minus, y])
    if v is None or y.aval.dtype.kind not in "fiu":
        return None
    if v == 1:
        return x
    if y.aval.dtype.kind == "f" and v != 0 and np.isfinite(v) and "mul" in registry:
        mantissa, exponent = math.frexp(abs(float(v)))
        if mantissa == 0.5 and abs(exponent) < 100:
            inverse = Literal(y.aval.dtype.type(1.0 / float(v)), y.aval)
            return JaxprEqn(registry["mul"], [x, inverse], eqn.outvars, {}, eqn.source)
    return None


def _neg(eqn: JaxprEqn, made: dict) -> Any:
    inner = made.get(eqn.invars[0]) if type(eqn.invars[0]) is not Literal else None
    return inner.invars[0] if inner is not None and inner.primitive.name == "neg" else None


def _transpose(eqn: JaxprEqn, made: dict) -> Any:
    permutation = tuple(eqn.params["permutation"])
    if permutation == tuple(range(len(permutation))):
        return eqn.invars[0]
    inner = made.get(eqn.invars[0]) if type(eqn.invars[0]) is not Literal else None
    if inner is not None and inner.primitive.name == "transpose":
        first = inner.params["permutation"]
        both = tuple(first[p] for p in permutation)
        if both == tuple(range(len(both))):
            return inner.invars[0]
        return JaxprEqn(eqn.primitive, inner.invars, eqn.outvars, {"permutation": both}, eqn.source)
    return None


def _convert(eqn: JaxprEqn, made: dict) -> Any:
    x = eqn.invars[0]
    return x if x.aval.dtype == eqn.outvars[0].aval.dtype else None


def _same_shape(eqn: JaxprEqn, made: dict) -> Any:
    x = eqn.invars[0]
    return x if x.aval.shape == eqn.outvars[0].aval.shape and len(eqn.invars) == 1 else None


def _integer_pow(eqn: JaxprEqn, made: dict) -> Any:
    return eqn.invars[0] if eqn.params.get("y") == 1 else None


def _copy(eqn: JaxprEqn, made: dict) -> Any:
    return eqn.invars[0]


_RULES = {
    "add": _add,
    "add_any": _accumulate,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "strong_mul": _strong_mul,
    "strong_div": _strong_div,
    "neg": _neg,
    "transpose": _transpose,
    "convert_element_type": _convert,
    "reshape": _same_shape,
    "broadcast_in_dim": _same_shape,
    "squeeze": _same_shape,
    "slice": _same_shape,
    "integer_pow": _integer_pow,
    **dict.fromkeys(_COMBINED, _scatter),
    "copy": _copy,
    "copy_p": _copy,
    "stop_gradient": _copy,
}
_RULES["slice"] = lambda eqn, made: None if eqn.params.get("strides") else _same_shape(eqn, made)
