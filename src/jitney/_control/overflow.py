"""Guards of integers: ``config.check_overflow``.

A result that does not fit its type is an error where arithmetic is signed; unsigned integers wrap by definition, as in C and
NumPy. Casts to any integer type must keep the value. Sums and products of many numbers are compared with the same in
floating point: they differ by rounding, or by at least the whole range of the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base.errors import IntegerDivisionError
from jitney._control.guards import Rule, require
from jitney._core.trace import get_aval
from jitney._ops import contraction, indexing, ordering, reductions
from jitney._ops import elementwise as ew

_F64 = np.dtype(np.float64)


def _signed(out: Any) -> bool:
    return get_aval(out).dtype.kind == "i"


def _fits_not(fails: Any, what: str, args: Sequence[Any], out: Any) -> None:
    """The error of a result that does not fit; scalars are shown."""
    dtype, shape = get_aval(out).dtype, get_aval(out).shape
    if shape or any(get_aval(x).shape for x in args):
        text = what.format(*["x", "y"][: len(args)])
        require(
            fails,
            OverflowError,
            f"integer overflow: {text} does not fit {dtype.name}, in an array of shape {shape}",
        )
    else:
        text = what.format(*["{}"] * len(args))
        require(fails, OverflowError, f"integer overflow: {text} does not fit {dtype.name}", list(args))


def _negative(x: Any) -> Any:
    return ew.lt_p.bind(x, get_aval(x).dtype.type(0))


def _add(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        x, y = args
        _fits_not(
            _negative(ew.and_p.bind(ew.xor_p.bind(x, out), ew.xor_p.bind(y, out))), "{} + {}", args, out
        )


def _sub(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        x, y = args
        _fits_not(_negative(ew.and_p.bind(ew.xor_p.bind(x, y), ew.xor_p.bind(x, out))), "{} - {}", args, out)


def _mul(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        _fits_not(_product_differs(args[0], args[1], out), "{} * {}", args, out)


def _product_differs(x: Any, y: Any, out: Any) -> Any:
    if get_aval(out).dtype.itemsize < 8:
        wide = np.dtype(np.int64)
        product = ew.mul_p.bind(_as(x, wide), _as(y, wide))
        return ew.ne_p.bind(product, _as(out, wide))
    return _far(ew.mul_p.bind(_as(x, _F64), _as(y, _F64)), out)


def _square(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        _fits_not(_product_differs(args[0], args[0], out), "{} ** 2", args, out)


def _neg(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        _fits_not(_is_least(args[0]), "-({})", args, out)


def _abs(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        _fits_not(_is_least(args[0]), "abs({})", args, out)


def _is_least(x: Any) -> Any:
    dtype = get_aval(x).dtype
    return ew.eq_p.bind(x, dtype.type(np.iinfo(dtype).min))


def _division(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    dtype = get_aval(out).dtype
    if dtype.kind not in "iu":
        return
    x, y = [_as(v, dtype) for v in args]
    require(
        ew.eq_p.bind(y, dtype.type(0)), IntegerDivisionError, f"integer division by zero, of {dtype.name}"
    )
    if dtype.kind == "i":
        _fits_not(ew.and_p.bind(_is_least(x), ew.eq_p.bind(y, dtype.type(-1))), "{} / {}", (x, y), out)


def _remainder(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    dtype = get_aval(out).dtype
    if dtype.kind in "iu":
        fails = ew.eq_p.bind(_as(args[1], dtype), dtype.type(0))
        require(fails, IntegerDivisionError, f"remainder of an integer division by zero, of {dtype.name}")


def _power(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    if _signed(out):
        x, y = args
        _fits_not(_far(ew.pow_p.bind(_as(x, _F64), _as(y, _F64)), out), "{} ** {}", args, out)


def _integer_pow(args: Sequence[Any], out: Any, params: dict[str, Any]) -> None:
    if _signed(out):
        exact = ew.integer_pow_p.bind(_as(args[0], _F64), y=params["y"])
        _fits_not(_far(exact, out), f"{{}} ** {params['y']}", args, out)


def _shift(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    dtype = get_aval(out).dtype
    count, bits = args[1], dtype.itemsize * 8
    fails = ew.ge_p.bind(count, get_aval(count).dtype.type(bits))
    if get_aval(count).dtype.kind == "i":
        fails = ew.or_p.bind(fails, _negative(count))
    shown = [] if get_aval(count).shape else [count]
    text = f"{{}} bits of {dtype.name}" if shown else f"{bits} or more bits (or fewer than 0) of {dtype.name}"
    require(fails, OverflowError, f"a shift by {text}", shown)


def _cast(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    source, target = get_aval(args[0]).dtype, get_aval(out).dtype
    if target.kind not in "iu" or source.kind not in "iuf" or target.itemsize == 0:
        return
    if source.kind == "f":
        fails = _outside(args[0], target)
    elif _holds(source, target):
        return
    else:
        fails = ew.ne_p.bind(_as(out, source), args[0])
        if source.kind != target.kind:
            fails = ew.or_p.bind(fails, _negative(args[0] if source.kind == "i" else out))
    what = f"{{}} as {target.name}"
    if get_aval(out).shape:
        what = f"a number of {source.name} as {target.name}"
        require(
            fails,
            OverflowError,
            f"integer overflow: {what} does not fit, in an array of shape {get_aval(out).shape}",
        )
    else:
        require(fails, OverflowError, f"integer overflow: {what} does not fit", [args[0]])


def _holds(source: np.dtype, target: np.dtype) -> bool:
    a, b = np.iinfo(source), np.iinfo(target)
    return bool(b.min <= a.min and a.max <= b.max)


def _outside(x: Any, target: np.dtype) -> Any:
    """Whether a float, its fraction cut off, is no number of the type; NaN is none."""
    x, info = _as(x, _F64), np.iinfo(target)
    above = ew.lt_p.bind(x, float(info.max + 1))
    least = ew.ge_p.bind(x, float(info.min)) if info.bits == 64 else ew.gt_p.bind(x, float(info.min - 1))
    if info.min == 0:
        least = ew.gt_p.bind(x, -1.0)
    return ew.not_p.bind(ew.and_p.bind(above, least))


def _cumsum(args: Sequence[Any], out: Any, _: dict[str, Any]) -> None:
    """Each element is the sum of another one and of the operand's."""
    if _signed(out) and get_aval(out).size:
        x = args[0]
        before = ew.sub_p.bind(out, x)
        fails = _negative(ew.and_p.bind(ew.xor_p.bind(x, out), ew.xor_p.bind(before, out)))
        require(fails, OverflowError, _of_many("a running sum", out))


def _of_many(what: str, out: Any) -> str:
    aval = get_aval(out)
    return f"integer overflow: {what} does not fit {aval.dtype.name}, for a result of shape {aval.shape}"


def _same_in_floats(primitive: Any, what: str, operands: Sequence[int] = (0,)) -> Rule:
    """The rule of a sum or product: the same of floats."""

    def rule(args: Sequence[Any], out: Any, params: dict[str, Any]) -> None:
        if not _signed(out) or not get_aval(out).size:
            return
        given = [_as(x, _F64) if n in operands else x for n, x in enumerate(args)]
        if "preferred_element_type" in params:
            params = {**params, "preferred_element_type": None}
        require(_far(primitive.bind(*given, **params), out), OverflowError, _of_many(what, out))

    return rule


def _far(exact: Any, out: Any) -> Any:
    """Whether ``out`` is not the integer that was computed in floating point."""
    limit = 2.0 ** (8 * get_aval(out).dtype.itemsize - 1)
    return ew.gt_p.bind(ew.abs_p.bind(ew.sub_p.bind(exact, _as(out, _F64))), limit)


def _as(x: Any, dtype: np.dtype) -> Any:
    return ew.convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False)


RULES: dict[Any, Rule] = {
    ew.add_p: _add,
    ew.sub_p: _sub,
    ew.mul_p: _mul,
    ew.square_p: _square,
    ew.neg_p: _neg,
    ew.abs_p: _abs,
    ew.div_p: _division,
    ew.rem_p: _remainder,
    ew.pow_p: _power,
    ew.integer_pow_p: _integer_pow,
    ew.shift_left_p: _shift,
    ew.shift_right_logical_p: _shift,
    ew.shift_right_arithmetic_p: _shift,
    ew.convert_element_type_p: _cast,
    reductions.reduce_sum_p: _same_in_floats(reductions.reduce_sum_p, "a sum"),
    reductions.reduce_prod_p: _same_in_floats(reductions.reduce_prod_p, "a product"),
    ordering.cumsum_p: _cumsum,
    ordering.cumprod_p: _same_in_floats(ordering.cumprod_p, "a running product"),
    contraction.dot_general_p: _same_in_floats(contraction.dot_general_p, "a product of matrices", (0, 1)),
    indexing.scatter_add_p: _same_in_floats(indexing.scatter_add_p, "x.at[].add", (0, 2)),
    indexing.scatter_sub_p: _same_in_floats(indexing.scatter_sub_p, "x.at[].subtract", (0, 2)),
    indexing.scatter_mul_p: _same_in_floats(indexing.scatter_mul_p, "x.at[].multiply", (0, 2)),
}
_WHOLE: dict[str, Rule] = {"division": _division, "remainder": _remainder, "power": _power}


def check_whole(name: str, args: Sequence[Any], out: Any) -> None:
    """Guard the result of a function that is looked at as one operation."""
    _WHOLE[name](args, out, {})
