"""What a loop program costs: counts of operations and bytes, as ``Compiled.cost_analysis()`` reports them.

A loop counts with its number of iterations, a ``while`` (which nobody can know) as one, a branch as its dearest region.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from jitney._kernel.ir import Branch, Call, For, LoopProgram, Store, Value, While

_NO_OPERATION = frozenset(
    ("const", "index", "load", "phi", "param", "get", "cast", "bitcast", "select", "test")
)


def cost(program: LoopProgram) -> dict[str, float]:
    """``flops``, ``transcendentals`` (calls of math functions) and ``bytes accessed`` of one run."""
    total = _block(program.body)
    return {name: float(total[name]) for name in ("flops", "transcendentals", "bytes accessed")}


def statement_cost(s: Any) -> Counter[str]:
    """The same counts for one statement."""
    return _statement(s)


def _block(body: list) -> Counter[str]:
    total: Counter[str] = Counter()
    for s in body:
        total.update(_statement(s))
    return total


def _statement(s: Any) -> Counter[str]:
    kind = type(s)
    if kind is Value:
        return _value(s)
    if kind is Store:
        return Counter({"bytes accessed": s.buffer.dtype.itemsize})
    if kind is Call:
        return _call(s)
    if kind is For:
        times = s.extent if isinstance(s.extent, int) else s.var.hi + 1
        return Counter({name: n * times for name, n in _block(s.body).items()})
    if kind is While:
        return _block(s.head) + _block(s.body)
    assert kind is Branch
    return max((_block(region) for region in s.regions), key=lambda c: sum(c.values()), default=Counter())


def _value(s: Value) -> Counter[str]:
    if s.op == "load":
        return Counter({"bytes accessed": s.attr[0].dtype.itemsize})
    if s.op == "math":
        return Counter({"transcendentals": 1})
    arithmetic = s.op not in _NO_OPERATION and any(a.dtype.kind in "fc" for a in (*s.args, s))
    return Counter({"flops": 2 if s.op == "fma" else 1} if arithmetic else {})


def _call(s: Call) -> Counter[str]:
    moved = sum(b.size * b.dtype.itemsize for b in (getattr(x, "buffer", x) for x in (*s.inputs, *s.outputs)))
    found: Counter[str] = Counter({"bytes accessed": moved})
    if s.symbol.startswith("jt_product_"):  # m, n, k, and 4 numbers for each loop around, its length first
        m, n, k, *rest = s.arguments
        found["flops"] = 2 * m * n * k * math.prod(rest[7::4])
    return found
