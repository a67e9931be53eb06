"""Writes ``while`` and ``branch`` in LLVM IR: as they are, and under a mask where lanes of a vector loop part.

Begin at :meth:`ControlEmitter.while_loop`. While lanes take different ways, ``masks`` says (for each copy) which of
them take the present one: only these store, and load by computed indices; the others compute what nobody reads.
At least one lane is active in whatever is written under a mask, except in cases of a few pure operations.
"""

from __future__ import annotations

import functools
from typing import Any

from jitney._compiler.emit_loops import LoopEmitter
from jitney._compiler.ir import const, vec, zero
from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import Branch, Value, While

_FEW = 6  # operations of two cases that are not worth a jump
_LIGHT = 12  # operations of a case that are computed for all lanes, wanted or not


class ControlEmitter(LoopEmitter):
    """The part of the emitter that writes statements with a test of their own."""

    # -- while

    def while_loop(self, node: While) -> None:
        f, fn, level = self.f, self.fn, node.level
        apart = node.test in self.varying
        wide, moved = self.wide(node.carries), self.facts.moved(node)
        inits = self.flat([c.init for c in node.carries], wide) + [self.base(b) for b in moved]
        head = f.block("while")
        f.position(head)
        phis = [f.phi(x.type) for x in inits]
        fn.blocks[level], fn.caches[level] = head, {}
        self.bind([c.phi for c in node.carries], wide, phis)
        self.place(moved, phis[len(phis) - len(moved) :], level)
        self.statements(node.head, level)
        outside, active = self.masks, None
        if apart:
            active = self.masks = self.under(outside, [self.lanes(node.test, c) for c in range(self.copies)])
            again = self.some(active)
        else:
            again = self.scalar(node.test)
        places = [self.base(b) for b in moved]  # where they are if the loop ends here
        body, done = f.block("body"), f.block("done")
        f.cbr(again, body, done)
        f.position(body)
        fn.move(level, body)
        self.statements(node.body, level)
        nexts = self.flat([c.next for c in node.carries], wide)
        if active is not None:
            nexts = self.only(active, nexts, phis[: len(nexts)])
        nexts += self.swapped(node, moved)
        self.masks = outside
        tail = f.current
        f.br(head)
        before = fn.block(level - 1)
        f.position(before)
        f.br(head)
        for p, x, y in zip(phis, inits, nexts, strict=True):
            p.add(x, before)
            p.add(y, tail)
        del fn.blocks[level], fn.caches[level]
        f.position(done)
        fn.move(level - 1, done)
        self.bind([c.result for c in node.carries], wide, phis)
        self.place(moved, places, level - 1)

    # -- branch

    def branch(self, node: Branch) -> None:
        if node.selector in self.varying:
            self._branch_lanes(node)
        elif len(node.regions) == 1:
            self._only_case(node)
        elif _cheap(node):
            self._both_cases(node)
        else:
            self._branch(node)

    def _only_case(self, node: Branch) -> None:
        wide, moved = [r in self.varying for r in node.results], self.facts.moved(node)

        def body(_: Any, __: list) -> list:
            self.statements(node.regions[0], node.level + 1)
            return self.flat(node.values[0], wide)

        self.bind(node.results, wide, self.single(node.level + 1, None, [], body))
        self.place(moved, [self.base(b) for b in moved], node.level)

    def _both_cases(self, node: Branch) -> None:
        """Where the cases are as cheap as a jump: both, and a choice."""
        wide = [r in self.varying for r in node.results]
        outcomes = []
        for region, values in zip(node.regions, node.values, strict=True):

            def body(_: Any, __: list, region: Any = region, values: Any = values) -> list:
                self.statements(region, node.level + 1)
                return self.flat(values, wide)

            outcomes.append(self.single(node.level + 1, None, [], body))
        test = self.scalar(node.selector)
        test = test if test.type == "i1" else self.f.icmp("ne", test, const(test.type, 0))
        self.bind(node.results, wide, [self.f.select(test, y, x) for x, y in zip(*outcomes, strict=True)])

    def _branch(self, node: Branch) -> None:
        f, fn, level = self.f, self.fn, node.level
        wide, moved = [r in self.varying for r in node.results], self.facts.moved(node)
        places = [self.base(b) for b in moved]
        origin = [self.moved_at.get(b, 0) for b in moved]
        starts, ends, outcomes = [], [], []
        for region, values in zip(node.regions, node.values, strict=True):
            start = f.block("case")
            f.position(start)
            fn.blocks[level + 1], fn.caches[level + 1] = start, {}
            self.statements(region, level + 1)
            outcomes.append(self.flat(values, wide) + [self.base(b) for b in moved])
            for b, place, at in zip(moved, places, origin, strict=True):
                self.place([b], [place], at)
            starts.append(start)
            ends.append(f.current)
            del fn.blocks[level + 1], fn.caches[level + 1]
        done = f.block("done")
        for end in ends:
            f.position(end)
            f.br(done)
        f.position(fn.block(level))
        selector = self.scalar(node.selector)
        if selector.type == "i1":
            f.cbr(selector, starts[1], starts[0])
        else:
            f.switch(selector, starts[-1], list(enumerate(starts[:-1])))
        f.position(done)
        fn.move(level, done)
        results = [f.phi(x.type) for x in outcomes[0]]
        for end, outcome in zip(ends, outcomes, strict=True):
            for r, x in zip(results, outcome, strict=True):
                r.add(x, end)
        self.bind(node.results, wide, results)
        self.place(moved, results[len(results) - len(moved) :], level)

    def _branch_lanes(self, node: Branch) -> None:
        """Every case for the lanes that take it, where there are any; results are put together lane by lane."""
        wide = [True] * len(node.results)
        found: list | None = None
        outside = self.masks
        for region, values, takes in zip(node.regions, node.values, self._takers(node), strict=True):

            def body(
                _: Any, before: list, region: Any = region, values: Any = values, takes: Any = takes
            ) -> list:
                self.masks = self.under(outside, takes)
                self.statements(region, node.level + 1)
                self.masks = outside
                own = self.flat(values, wide)
                return self.only(takes, own, before) if before else own

            if _light(region):
                found = self.single(node.level + 1, None, found or [], body)
            else:
                active = self.under(outside, takes)
                found = self._skipping(node, active, found, body)
        self.bind(node.results, wide, found or [])

    def _takers(self, node: Branch) -> list[list]:
        """The lanes that take each case, of each copy."""
        f, last = self.f, len(node.regions) - 1
        lanes = [self.lanes(node.selector, c) for c in range(self.copies)]
        if last == 0:
            return [[const(vec("i1", self.width), True) for _ in lanes]]
        if lanes[0].type.endswith("i1>"):
            return [[f.not_(x) for x in lanes], lanes]
        signs = ["eq"] * last + ["sge"]
        return [[f.icmp(sign, x, const(x.type, k)) for x in lanes] for k, sign in enumerate(signs)]

    def _skipping(self, node: Branch, active: list, before: list | None, body: Any) -> list:
        """A case left out where no lane takes it."""
        f, fn, level = self.f, self.fn, node.level
        start = f.block("case")
        f.position(start)
        fn.blocks[level + 1], fn.caches[level + 1] = start, {}
        results = body(None, before or [])
        tail = f.current
        del fn.blocks[level + 1], fn.caches[level + 1]
        done = f.block("done")
        f.br(done)
        above = fn.block(level)
        f.position(above)
        f.cbr(self.some(active), start, done)
        f.position(done)
        fn.move(level, done)
        phis = [f.phi(x.type) for x in results]
        for p, x, y in zip(phis, results, before or [zero(x.type) for x in results], strict=True):
            p.add(x, tail)
            p.add(y, above)
        return phis

    # -- masks

    def under(self, outside: list | None, lanes: list) -> list:
        """The lanes that are active both outside and here."""
        if outside is None:
            return lanes
        return [self.f.and_(x, y) for x, y in zip(outside, lanes, strict=True)]

    def some(self, lanes: list) -> Any:
        """Whether any lane of any copy is active."""
        return self.f.any(functools.reduce(self.f.or_, lanes))

    def only(self, active: list, new: list, old: list) -> list:
        """What active lanes computed, and what the others had; all copies of one value stand together."""
        return [
            self.f.select(active[k % self.copies], x, y)
            for k, (x, y) in enumerate(zip(new, old, strict=True))
        ]

    def mask_of(self, predicate: Value | None, copy: int, index: Index | None) -> Any:
        """The lanes that may access memory at ``index`` (``None``: that write); None for all of them."""
        own = self.lanes(predicate, copy) if predicate is not None else None
        if self.masks is None or (index is not None and not self.clipped and not self._computed(index)):
            return own
        return self.masks[copy] if own is None else self.f.and_(self.masks[copy], own)

    def _computed(self, index: Index) -> bool:
        """Whether an index is only known to be inside of its buffer for the lanes that are active."""
        for atom, _ in index.terms:
            if type(atom) is Dynamic or atom in self.ragged:
                return True
            if type(atom) is Quotient and self._computed(atom.of):
                return True
        return False


def _light(region: list) -> bool:
    """Whether a case may run for no lane at all, and costs less than to ask."""
    return len(region) <= _LIGHT and all(
        type(s) is Value and s.op not in ("load", "math", "foreign", "rem") for s in region
    )


def _cheap(node: Branch) -> bool:
    """Whether both of two cases cost no more than a jump that is sometimes foretold wrongly."""
    if len(node.regions) != 2 or sum(map(len, node.regions)) > _FEW:
        return False
    return all(_light(region) and not any(_slow(v) for v in region) for region in node.regions)


def _slow(v: Value) -> bool:
    return v.op == "sqrt" or (v.op == "div" and v.args[1].op != "const")
