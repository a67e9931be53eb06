"""foreign_calls: calls of C functions of the user's in LLVM text.  Begin at :func:`call`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._compiler.emit_ops import llvm_type
from jitney._compiler.ir import const, elem, lanes, poison, vec
from jitney._kernel.foreign import CFunction


def by_lane(e: Any, function: CFunction, xs: Sequence[Any]) -> Any:
    """The function of scalars, or of each lane of vectors."""
    wide = max((lanes(x.type) for x in xs), default=1)
    if wide == 1:
        return call(e, function, xs)
    f = e.f
    result = poison(vec(llvm_type(function.result), wide))
    for lane in range(wide):
        result = f.insert(result, call(e, function, [f.extract(x, lane) for x in xs]), lane)
    return result


def call(e: Any, function: CFunction, xs: Sequence[Any]) -> Any:
    """One call with the arguments ``xs`` that are not fixed; None where the function returns nothing."""
    _hold(e.program, function)
    e.symbols.add(function.symbol)
    fixed, given = dict(function.fixed), iter(xs)
    args = []
    for n, dtype in enumerate(function.params):
        if n in fixed:
            args.append(const("i64" if dtype is None else _passed(dtype), fixed[n]))
        else:
            args.append(_widened(e.f, next(given), dtype))
    if function.result is None:
        e.f.call(function.symbol, "void", args)
        return None
    result = e.f.call(function.symbol, _passed(function.result), args)
    return _narrowed(e.f, result, function.result)


def _hold(program: Any, function: CFunction) -> None:
    """Tell the program where the function is; its executable keeps it alive, and is not written to disk."""
    if function.symbol not in program.symbols:
        program.symbols[function.symbol] = function.address
        program.callables.append((function, 0, 0))


def _passed(dtype: np.dtype) -> str:
    """The type in which a number is passed: callers widen what is smaller than an int, as C's conventions expect."""
    return "i32" if dtype.kind in "biu" and dtype.itemsize < 4 else llvm_type(dtype)


def _widened(f: Any, x: Any, dtype: np.dtype | None) -> Any:
    if dtype is None or elem(x.type) == _passed(dtype):
        return x
    return (f.sext if dtype.kind == "i" else f.zext)(x, "i32")


def _narrowed(f: Any, x: Any, dtype: np.dtype) -> Any:
    if x.type == llvm_type(dtype):
        return x
    return f.trunc_to(x, llvm_type(dtype))


__all__ = ["by_lane", "call"]
