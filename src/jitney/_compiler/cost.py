"""What a loop program costs: counts of operations and bytes, as ``Compiled.cost_analysis()`` reports them.

A loop counts with its number of iterations, a ``while`` (which nobody can know) as one, a branch as its dearest region.
Where the number of iterations depends on the loops around, as in a last chunk that is shorter, its mean counts.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from jitney._kernel.index import Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, Call, For, LoopProgram, Store, Value, While

_Around = tuple[tuple[LoopVar, int], ...]  # the loops around a statement, and how often each runs

_ENUMERATED = 1 << 20  # iterations of the loops around that are looked at one by one

_NO_OPERATION = frozenset(
    ("const", "index", "load", "phi", "param", "get", "cast", "bitcast", "select", "test")
)


def cost(program: LoopProgram) -> dict[str, float]:
    """``flops``, ``transcendentals`` (calls of math functions) and ``bytes accessed`` of one run."""
    total = _block(program.body, ())
    return {name: float(round(total[name])) for name in ("flops", "transcendentals", "bytes accessed")}


def statement_cost(s: Any) -> Counter[str]:
    """The same counts for one statement."""
    return Counter({name: round(n) for name, n in _statement(s, ()).items()})


def _block(body: list, around: _Around) -> Counter[str]:
    total: Counter[str] = Counter()
    for s in body:
        total.update(_statement(s, around))
    return total


def _statement(s: Any, around: _Around) -> Counter[str]:
    kind = type(s)
    if kind is Value:
        return _value(s)
    if kind is Store:
        return Counter({"bytes accessed": s.buffer.dtype.itemsize})
    if kind is Call:
        return _call(s)
    if kind is For:
        times = s.extent if isinstance(s.extent, int) else _mean_extent(s, around)
        inside = _block(s.body, (*around, (s.var, math.ceil(times))))
        return Counter({name: n * times for name, n in inside.items()})  # type: ignore[misc]
    if kind is While:
        return _block(s.head, around) + _block(s.body, around)
    assert kind is Branch
    regions = (_block(region, around) for region in s.regions)
    return max(regions, key=lambda c: sum(c.values()), default=Counter())


def _mean_extent(s: For, around: _Around) -> float:
    """Mean number of iterations of a loop whose end is computed; the most that it can be, where it is not known."""
    most = float(s.var.hi + 1)
    sizes = [times for _, times in around]
    if not sizes or math.prod(sizes) > _ENUMERATED:
        return most
    grid = np.meshgrid(*[np.arange(n) for n in sizes], indexing="ij", sparse=True)
    found = _evaluate(s.extent, {var: axis for (var, _), axis in zip(around, grid, strict=True)})
    return most if found is None else float(np.mean(np.clip(found, 0, most)))


def _evaluate(v: Any, env: dict[Any, Any]) -> Any:
    """An integer value for all iterations of the loops in ``env``; None where it depends on more than them."""
    if v.op == "const":
        return v.attr.value
    if v.op == "index":
        return _position(v.attr, env)
    rule = _EVALUATED.get(v.op)
    args = [_evaluate(a, env) for a in v.args] if rule is not None else [None]
    return None if rule is None or any(a is None for a in args) else rule(*args)


def _position(index: Index, env: dict[Any, Any]) -> Any:
    """An index for all iterations at once."""
    total: Any = index.const
    for atom, factor in index.terms:
        number = _position(atom.of, env) if type(atom) is Quotient else env.get(atom)
        if number is None:
            return None
        if type(atom) is Quotient:
            number = number % atom.by if atom.rest else number // atom.by
        total = total + factor * number
    return total


_EVALUATED = {"min": np.minimum, "max": np.maximum, "add": np.add, "sub": np.subtract, "mul": np.multiply}


def _value(s: Value) -> Counter[str]:
    if s.op == "load":
        return Counter({"bytes accessed": s.attr[0].dtype.itemsize})
    if s.op in ("math", "foreign"):
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
