"""balance_divider: gives some divisions and square roots to the multipliers, which stand idle meanwhile.

    for i < n vector 8 x 2 {              for i < n vector 8 x 2 {
      %1 = div x[i] c                       %1 = div fma x[i] c
      %2 = sqrt %1                 ->       %2 = sqrt fma %1
      %3 = div d %2                         %3 = div d %2
      %4 = sqrt %3                          %4 = sqrt %3

A CPU has one divider, which takes ten or more cycles a vector, and two units that multiply. ``fma`` marks what is
computed by products instead, to the same bits (``vmath/quotient.py``): quotients by what does not change in
the loop, and with AVX-512, which has an estimate to begin with, square roots.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.vmath.registry import relevant
from jitney._kernel.index import Dynamic
from jitney._kernel.ir import Branch, For, LoopProgram, Value, While, blocks

# Cycles for a 512-bit vector on the divider and on the multipliers, by item size; measured on Zen 4.
_DIVIDER = {("div", 8): 10, ("div", 4): 7, ("sqrt", 8): 17, ("sqrt", 4): 11}
_PRODUCTS = {("div", 8): 5, ("div", 4): 5, ("sqrt", 8): 14, ("sqrt", 4): 10}
_MATH = 20
_OTHER = 0.5  # what other units do beside
_GAIN = 1.3  # less than this is not worth more code
_FREE = frozenset(("const", "load", "index", "test"))
_SHORT = 512  # iterations of a loop whose time is not worth more code


def balance_divider(program: LoopProgram, features: Any) -> None:
    """Mark divisions and square roots of vector loops for a CPU with ``features``."""
    has = relevant(features)
    if "fma" in has:
        _visit(program.body, has)


def _visit(body: list, has: frozenset) -> None:
    for s in body:
        if type(s) is For and s.kind == "vector" and s.width > 1:
            _balance(s, has)
        elif type(s) in (For, While, Branch):
            for block in blocks(s):
                _visit(block, has)


def _balance(node: For, has: frozenset) -> None:
    """Move what moves best, for as long as the busier unit gets less to do, if that comes to much."""
    if isinstance(node.extent, int) and node.extent < _SHORT:
        return
    if any(type(s) in (For, While, Branch) or _gathers(s, node) for s in node.body):
        return
    divider, products, movable = 0.0, 0.0, []
    for v in node.body:
        if type(v) is not Value or v.op in _FREE:
            continue
        cost = _DIVIDER.get((v.op, v.dtype.itemsize)) if v.dtype.kind == "f" else None
        if cost is None:
            if v.op in ("math", "foreign"):
                products += _MATH
            else:
                products += 1 if v.dtype.kind == "f" and v.op != "neg" else _OTHER
        elif any(a.level == node.var.level and a.op != "const" for a in v.args):
            divider += cost
            if _can_move(v, node, has):
                movable.append(v)
    movable.sort(key=lambda v: _PRODUCTS[v.op, v.dtype.itemsize] / _DIVIDER[v.op, v.dtype.itemsize])
    before, moved = max(divider, products), []
    for v in movable:
        key = v.op, v.dtype.itemsize
        if max(divider - _DIVIDER[key], products + _PRODUCTS[key]) < max(divider, products):
            moved.append(v)
            divider, products = divider - _DIVIDER[key], products + _PRODUCTS[key]
    if before >= _GAIN * max(divider, products):
        for v in moved:
            v.attr = "fma"


def _gathers(s: Any, node: For) -> bool:
    """Whether lanes read from places of their own: that keeps a core so busy that products gain nothing (measured)."""
    if type(s) is not Value or s.op != "load":
        return False
    return any(type(atom) is Dynamic and atom.level == node.var.level for atom, _ in s.attr[1].terms)


def _can_move(v: Value, node: For, has: frozenset) -> bool:
    if v.op == "div":
        divisor = v.args[1]
        return divisor.op == "const" or divisor.level < node.var.level
    size = node.width * v.dtype.itemsize
    return "avx512f" in has and (size % 64 == 0 or ("avx512vl" in has and size in (16, 32)))
