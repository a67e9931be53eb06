"""Random programs of Python's control flow, as text: conditions that are traced, known or both, loops, jumps of all kinds.

Begin at :func:`program`. All values are integers, so that results can be compared exactly. ``a`` is an array, ``x`` and ``n``
are numbers that are to be traced, ``flag`` and ``k`` known ones.
"""

from __future__ import annotations

import random

NAMES = ("p", "q", "r")


class _Writer:
    def __init__(self, seed: int, smooth: bool) -> None:
        self.smooth = smooth
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.counters = 0
        self.readable: list[str] = [*NAMES, "x", "n", "k"]

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    # -- expressions

    def number(self) -> str:
        kind = self.random.randrange(16)
        if kind < 10:
            return self.pick(*self.readable)
        if kind < 12:
            return str(self.random.randrange(-3, 8))
        if kind < 14:
            return f"a[{self.pick(*self.readable)} % 5]"
        if kind < 15:
            return f"b[{self.pick(*self.readable)} % 5]"
        return f"({self.number()} if {self.condition(1)} else {self.number()})"

    def value(self) -> str:
        kind = self.random.randrange(10)
        if kind == 0:
            return f"helper({self.number()}, {self.number()})"
        if kind == 1:
            return self.pick(
                f"max({self.number()}, {self.number()})",
                f"abs({self.number()})",
                f"sum([v % 3 if v > {self.number()} else 1 for v in a])",
                f"min([{self.number()} % 7 for _ in range(k)])",
                f"int({self.number()} > {self.number()})",
                f"inner({self.number()})",
            )
        if kind == 2:
            return f"(3 * {self.number()} - {self.number()}) % 17"
        return f"({self.number()} + {self.number()}) % 23"

    def condition(self, depth: int = 0) -> str:
        kind = self.random.randrange(9 if depth < 2 else 5)
        if kind < 3:
            return f"{self.number()} {self.pick('<', '<=', '==', '!=', '>')} {self.number()}"
        if kind == 3:
            return self.pick("flag", "not flag", "k > 2", "k == 1")
        if kind == 4:
            return f"{self.number()} % 2"
        if kind == 5:
            return f"not ({self.condition(depth + 1)})"
        if kind == 6:
            return f"0 < {self.number()} <= {self.number()} + 3"
        return f"({self.condition(depth + 1)} {self.pick('and', 'or')} {self.condition(depth + 1)})"

    def last(self) -> str:
        return "s" if self.smooth else "b.sum()"

    # -- statements

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, depth: int, size: int, loops: int) -> None:
        known = list(self.readable)
        for _ in range(size):
            if self.statement(depth, loops):
                break
        self.readable = known  # what a block sets may have no value behind it

    def statement(self, depth: int, loops: int) -> bool:
        """One statement; whether it leaves the block."""
        kind = self.random.random()
        if depth > 3 or kind < 0.35:
            self.simple(depth)
        elif kind < 0.62:
            self.choice(depth, loops)
        elif kind < 0.75:
            self.loop(depth, loops)
        elif kind < 0.79:
            self.line(depth, "with nullcontext():")
            self.block(depth + 1, self.random.randint(1, 2), loops)
        elif kind < 0.83:
            self.match(depth, loops)
        elif depth > 1 and kind < 0.9:
            leave = ["return"] if self.random.random() < 0.5 or not loops else ["break", "continue"]
            chosen = self.pick(*leave, *(["raise"] if self.random.random() < 0.3 else []))
            if chosen == "return":
                self.line(depth, f"return {self.number()}, {self.number()}, {self.last()}")
            elif chosen == "raise":
                self.line(depth, 'raise ValueError(f"not {p}")')
            else:
                self.line(depth, chosen)
            return True
        else:
            self.simple(depth)
        return False

    def simple(self, depth: int) -> None:
        kind = self.random.randrange(6)
        name = self.pick(*NAMES)
        if kind == 0:
            self.line(depth, f"{name} += {self.value()}")
        elif kind == 1:
            self.line(depth, f"b[{self.number()} % 5] {self.pick('=', '+=', '-=')} {self.value()}")
        elif kind == 2:
            one, two = self.random.sample(NAMES, 2)
            self.line(depth, f"{one}, {two} = {two}, {self.value()}")
        else:
            self.line(depth, f"{name} = {self.value()}")
        if self.smooth:
            self.line(
                depth,
                self.pick(
                    f"s = s * t * 0.5 + 0.1 * {name}",
                    f"s = t * jnp.sin(s) + {name} * 0.1 * t",
                    f"s = s + t * {name} * 0.01",
                ),
            )

    def choice(self, depth: int, loops: int) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, self.random.randint(1, 2), loops)
        if self.random.random() < 0.3:
            self.line(depth, f"elif {self.condition()}:")
            self.block(depth + 1, self.random.randint(1, 2), loops)
        if self.random.random() < 0.5:
            self.line(depth, "else:")
            self.block(depth + 1, self.random.randint(1, 2), loops)

    def match(self, depth: int, loops: int) -> None:
        self.line(depth, f"match {self.number()}, {self.number()} % 3:")
        for pattern in self.random.sample(("(0, 1)", "(1 | 2, _)", "(_, 2)", "(p, 0)", "(3, q) if q > r"), 2):
            self.line(depth + 1, f"case {pattern}:")
            self.block(depth + 2, 1, loops)
        if self.random.random() < 0.5:
            self.line(depth + 1, "case _:")
            self.block(depth + 2, 1, loops)

    def loop(self, depth: int, loops: int) -> None:
        self.counters += 1
        item = f"i{self.counters}"
        kind = self.random.randrange(8)
        if kind == 0:
            self.line(depth, f"{item} = 0")
            self.line(depth, f"while {item} < 4 and {self.condition()}:")
            self.line(depth + 1, f"{item} += 1")
        elif kind == 1:
            self.line(depth, f"{item} = -1")
            self.line(depth, f"for {item} in range(n % 4):")
        elif kind == 2:
            self.line(depth, f"{item} = -1")
            self.line(depth, f"for {item} in range({self.pick('k', '3', '2, k', '4, 0, -1')}):")
        elif kind == 3:
            self.line(depth, f"{item} = 0")
            self.line(depth, f"for {item} in a:")
        elif kind == 4:
            self.line(depth, f"{item} = -1")
            self.line(depth, f"for {item} in range(x % 3, 5, 2):")
        elif kind == 5:
            self.line(depth, f"{item} = 0")
            self.line(depth, "while True:")
            self.line(depth + 1, f"{item} += 1")
            self.line(depth + 1, f"if {item} > {self.pick('3', 'x % 4', 'k')} or {self.condition(1)}:")
            self.line(depth + 2, self.pick("break", f"return p, {item}, {self.last()}"))
        elif kind == 6:
            self.line(depth, f"{item} = -1")
            self.line(
                depth, f"for {item}, {self.pick(*NAMES)} in enumerate({self.pick('a', 'b * 2', '[x, k]')}):"
            )
        else:
            self.line(depth, f"{item} = -1")
            self.line(depth, f"for {item}, {self.pick(*NAMES)} in zip(range({self.pick('3', 'k')}), a):")
        self.readable.append(item)
        self.block(depth + 1, self.random.randint(1, 3), loops + 1)
        if kind == 0 and self.lines[-1].strip().startswith(f"while {item}"):
            self.line(depth + 1, "pass")
        if self.random.random() < 0.2:
            self.line(depth, "else:")
            self.block(depth + 1, 1, loops)


def program(seed: int, smooth: bool = False) -> str:
    """The text of a function ``program(x, n, a, flag, k)`` and of one that it calls; ``smooth``: of ``(t, x, n, a, flag, k)``,
    with a number ``s`` that depends on ``t`` smoothly as its last result."""
    w = _Writer(seed, smooth)
    w.readable = ["u", "v"]
    w.line(0, "from contextlib import nullcontext")
    w.line(0, "import jitney.numpy as jnp")
    w.line(0, "")
    w.line(0, "def helper(u, v):")
    w.line(1, f"if {w.pick('u < v', 'u % 3 == v % 3', 'u == 2', 'v > 3 or u > 4')}:")
    w.line(2, f"return {w.pick('u', 'v + 1', '(u + v) % 11', '7')}")
    w.line(1, f"return {w.pick('v', 'u - v', '(2 * u) % 13', '1')}")
    w.line(0, "")
    w.readable = [*NAMES, "x", "n", "k"]
    w.line(0, f"def program({'t, ' if smooth else ''}x, n, a, flag, k):")
    w.line(1, f"p, q, r{', s' if smooth else ''} = x, 1, n{', t' if smooth else ''}")
    w.line(1, "b = a * 1")
    w.line(1, "def inner(u):")
    w.line(2, f"if u > {w.number().replace('b[', 'a[')}:")
    w.line(3, f"return u - {w.pick('x', 'n', '2')}")
    w.line(2, f"return {w.pick('u', 'k', '3')}")
    w.block(1, w.random.randint(2, 4), 0)
    w.line(1, f"return p, q + r, {w.last()}")
    return "\n".join(w.lines) + "\n"
