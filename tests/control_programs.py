"""Random programs with control flow, as the text of a Python function ``f(n, lax, s, t, v, w, a, k, q, b, p)``.

``n`` and ``lax`` are the modules of one library.  A program works on a few variables of fixed types (``TYPES``) and
returns all of them.  Every expression maps values of size 1 to values of size 1 and shrinks differences, so that
long loops neither overflow nor amplify rounding errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

SIZES = (1, 3, 16, 17, 40)  # around the compiler's limits: registers, one vector and a tail
ROWS = (1, 3, 5)
TYPES = {"s": "F", "t": "F", "v": "V", "w": "V", "a": "A", "k": "I", "q": "Q", "b": "B", "p": "P"}
FLOATS = ("s", "t", "v", "w", "a")
LONGEST = 8  # steps of a loop whose length is not that of an axis

# How to make an expression of a type of others: {F} is an expression of type F, {n} the length of vectors, {r} the
# number of rows, {c} a constant.
FORMS: dict[str, tuple[str, ...]] = {
    "F": (
        "n.sin(0.5 * {F} + 0.4 * {F})",
        "(0.5 * {F} * {F})",
        "n.where({B}, {F}, {F})",
        "{V}[{column}]",
        "lax.dynamic_index_in_dim({v}, {I}, 0, False)",
        "{V}.mean()",
        "(n.dot({V}, {V}) / {n})",
        "{a}[{row}, {column}]",
        "(0.1 * ({I} % 7))",
        "{c}",
    ),
    "V": (
        "n.sin(0.5 * {V} + 0.4 * {V})",
        "(0.5 * {V} * {F})",
        "n.where({P}, {V}, {V})",
        "n.where({B}, {V}, {V})",
        "{v}.at[{column}].set({F})",
        "{v}.at[{column}].set(0.5 * {v}[{column}] + 0.5 * {F})",
        "(0.5 * {v}).at[{column}].add(0.5 * {F})",
        "{v}.at[n.stack([{I}])].set({F})",
        "(0.3 * {v}).at[n.stack([{I}, {I}])].add(0.3 * {F})",
        "lax.dynamic_update_index_in_dim({v}, {F}, {I}, 0)",
        "n.concatenate([{V}[:1], {V}[:-1]])",
        "n.concatenate([{V}[1:], {V}[:1]])",
        "{a}[{row}]",
        "{a}.mean(0)",
        "({a}.T @ ({a} @ {V}) / ({n} * {r}))",
        "{V}[::-1]",
        "(0.1 * {Q})",
        "(n.cumsum({V}) / {n})",
    ),
    "A": (
        "n.sin(0.5 * {A} + 0.4 * {V})",
        "(0.5 * {A} * {F})",
        "n.where({B}, {A}, {A})",
        "{a}.at[{row}].set({V})",
        "{a}.at[{row}].add(-0.5 * {a}[{row}])",
        "{a}.at[{row}, {column}].set({F})",
        "{a}.at[:, {column}].set({F})",
        "lax.dynamic_update_index_in_dim({a}, {V}, {I}, 0)",
        "n.outer({A}[:, 0], {V})",
        "{A}[::-1]",
        "n.tanh({a} @ n.outer({v}, {v}) / {n})",
    ),
    "I": (
        "(({I} * 3 + {I}) % 7)",
        "n.where({B}, {I}, {I})",
        "{q}[{column}]",
        "({Q}.sum() % 5)",
        "{P}.sum()",
        "({I} - 2)",
        "{d}",
    ),
    "Q": (
        "(({Q} * 3 + {I}) % 7)",
        "n.where({P}, {Q}, {Q})",
        "{q}.at[{column}].set({I} % 7)",
        "({q}.at[{column}].add(1) % 7)",
        "(n.arange({n}) % 7)",
        "{Q}[::-1]",
    ),
    "B": ("({F} > {c})", "({I} > {d})", "{P}.any()", "{P}.all()", "({B} & {B})", "~{B}", "{p}[{column}]"),
    "P": (
        "({V} > {c})",
        "({Q} > {d})",
        "~{P}",
        "({P} ^ {P})",
        "{p}.at[{column}].set({B})",
        "n.where({B}, {P}, {P})",
    ),
}


class Writer:
    """Writes one program from the numbers that ``draw(limit)`` gives (below ``limit``; small ones are simple)."""

    def __init__(self, draw: Callable[[int], int], columns: int, rows: int) -> None:
        self.draw, self.columns, self.rows = draw, columns, rows
        self.lines: list[str] = []
        self.made = 0
        self.kinds: set[str] = set()

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.draw(len(options))]

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def name(self, stem: str) -> str:
        self.made += 1
        return f"{stem}{self.made}"

    # -- expressions --

    def expression(self, kind: str, scope: dict[str, list[str]], size: int = 2) -> str:
        """An expression; ``scope`` holds the variables of each type."""
        if size == 0 or self.draw(4) == 0:
            return self.pick(scope[kind])
        text, out = self.pick(FORMS[kind]), ""
        while "{" in text:
            before, _, text = text.partition("{")
            what, _, text = text.partition("}")
            out += before + self.part(what, scope, size - 1)
        return out + text

    def part(self, what: str, scope: dict[str, list[str]], size: int) -> str:
        if what in ("n", "r"):
            return str(self.columns if what == "n" else self.rows)
        if what == "c":
            return repr(round(0.0137 + 0.1 * self.draw(6), 4))
        if what in ("row", "column"):
            return f"({self.expression('I', scope, size)} % {self.rows if what == 'row' else self.columns})"
        if what == "d":
            return str(self.draw(5) - 1)
        return self.expression(what, scope, size) if what.isupper() else self.pick(scope[what.upper()])

    # -- statements --

    def block(
        self, depth: int, scope: dict[str, list[str]], may: Sequence[str], level: int, steps: int
    ) -> None:
        """Some statements that assign to variables of ``may``; ``level`` is how deep control flow may nest."""
        for _ in range(1 + self.draw(3)):
            forms = [self.assign] + [self.scan, self.loop, self.branch, self.scan, self.loop, self.mapped] * (
                level > 0
            )
            self.pick(forms)(depth, scope, may, level, steps)

    def assign(self, depth: int, scope: Any, may: Sequence[str], level: int, steps: int) -> None:
        name = self.pick(may)
        self.line(depth, f"{name} = {self.expression(TYPES[name], scope)}")

    def some(self, may: Sequence[str]) -> list[str]:
        """A part of ``may``, not empty."""
        found = [name for name in may if self.draw(2)]
        return found or [self.pick(may)]

    def packed(self, names: Sequence[str]) -> tuple[str, Callable[[str], str]]:
        """Variables as one tree, and how to take them out of a variable again."""
        if self.draw(2):
            made = "{" + ", ".join(f"{x!r}: {x}" for x in names) + "}"
            return made, lambda tree: ", ".join(f"{tree}[{x!r}]" for x in names)
        made = "(" + ", ".join(names) + ",)"
        return made, lambda tree: ", ".join(f"{tree}[{i}]" for i in range(len(names)))

    def length(self, steps: int) -> int:
        return min(self.pick((3, 1, 2, 5, 0)), max(steps, 1))

    def scan(self, depth: int, scope: Any, may: Sequence[str], level: int, steps: int) -> None:
        names = self.some(may)
        tree, out = self.packed(names)
        body, carry, x = self.name("body"), self.name("c"), self.name("x")
        rows = {"F": "V", "V": "A", "I": "Q", "B": "P"}
        over = [(kind, self.expression(stack, scope, 1)) for kind, stack in rows.items() if self.draw(3) == 0]
        size = {"V": self.rows}.get(over[0][0] if over else "", self.columns)
        over = [o for o in over if (o[0] == "V") == (size == self.rows and over[0][0] == "V")]
        if over and size > steps:
            over = []
        length = size if over else self.length(steps)
        inner = {kind: list(found) for kind, found in scope.items()}
        self.line(depth, f"def {body}({carry}, {x}):")
        self.line(depth + 1, f"{', '.join(names)} = {out(carry)}")
        for place, (kind, _) in enumerate(over):
            inner[kind].append(f"{x}[{place}]")
        self.block(depth + 1, inner, names, level - 1, steps // max(length, 1))
        stacked = [self.pick("FVIB") for _ in range(self.draw(3))]
        ys = "".join(self.expression(kind, inner, 1) + ", " for kind in stacked)
        self.line(depth + 1, f"return {tree}, ({ys})")
        xs = "(" + "".join(column + ", " for _, column in over) + ")" if over else "None"
        found, ys = self.name("c"), self.name("y")
        extra = ", reverse=True" * self.draw(2) + (", unroll=2" if self.draw(6) == 5 else "")
        self.line(depth, f"{found}, {ys} = lax.scan({body}, {tree}, {xs}, {length}{extra})")
        self.line(depth, f"{', '.join(names)} = {out(found)}")
        self.kinds.add(f"scan {length}")
        for place, kind in enumerate(stacked):
            self.use_stack(depth, f"{ys}[{place}]", kind, length, may)

    def use_stack(self, depth: int, ys: str, kind: str, length: int, may: Sequence[str]) -> None:
        """Assign stacked results to a variable of the same type, or fold them into one."""
        stack = {"F": "V", "V": "A", "I": "Q", "B": "P"}[kind]
        fits = length == (self.rows if kind == "V" else self.columns)
        names = [x for x in may if TYPES[x] == stack]
        if fits and names:
            self.line(depth, f"{self.pick(names)} = {ys}")
        elif length and kind in "FV" and (names := [x for x in may if TYPES[x] == "F"]):
            name = self.pick(names)
            self.line(depth, f"{name} = 0.5 * {name} + 0.5 * {ys}.mean()")
        elif kind in "IB" and (names := [x for x in may if TYPES[x] == "I"]):
            self.line(depth, f"{self.pick(names)} = {ys}.sum() % 7")

    def loop(self, depth: int, scope: Any, may: Sequence[str], level: int, steps: int) -> None:
        """A ``fori_loop`` with fixed or traced bounds, or a ``while_loop``."""
        names = self.some(may)
        tree, out = self.packed(names)
        body, carry, i, found = self.name("body"), self.name("c"), self.name("i"), self.name("c")
        inner = scope | {"I": [*scope["I"], i]}
        length = self.length(steps)
        limit = str(length) if self.draw(2) else f"({self.expression('I', scope, 1)} % {length + 1})"
        form = self.draw(2)
        start = self.pick(("0", "1", "-1"))
        if form == 0:
            self.line(depth, f"def {body}({i}, {carry}):")
            self.line(depth + 1, f"{', '.join(names)} = {out(carry)}")
        else:
            self.line(depth, f"def {body}({carry}):")
            self.line(depth + 1, f"{i}, {carry} = {carry}")
            self.line(depth + 1, f"{', '.join(names)} = {out(carry)}")
        self.block(depth + 1, inner, names, level - 1, steps // max(length + 1, 1))
        self.line(depth + 1, f"return {tree}" if form == 0 else f"return {i} + 1, {tree}")
        if form == 0:
            self.line(depth, f"{found} = lax.fori_loop({start}, {limit}, {body}, {tree})")
        else:
            test = self.name("test")
            self.line(depth, f"def {test}({carry}):")
            self.line(depth + 1, f"{i}, {carry} = {carry}")
            self.line(depth + 1, f"{', '.join(names)} = {out(carry)}")
            also = f" & {self.expression('B', inner)}" if self.draw(2) else ""
            self.line(depth + 1, f"return ({i} < {limit}){also}")
            self.line(depth, f"_, {found} = lax.while_loop({test}, {body}, ({start}, {tree}))")
        self.line(depth, f"{', '.join(names)} = {out(found)}")
        self.kinds.add("while" if form else "fori")

    def branch(self, depth: int, scope: Any, may: Sequence[str], level: int, steps: int) -> None:
        names = self.some(may)
        tree, out = self.packed(names)
        count = self.pick((2, 2, 3, 1))
        made = [self.name("branch") for _ in range(count)]
        given = self.some(names)  # the others are closed over
        hidden = [x for x in names if x not in given]
        for number in made:
            defaults = "".join(f", {x}={x}" for x in hidden)
            self.line(depth, f"def {number}({', '.join(given)}{defaults}):")
            if self.draw(4):
                self.block(depth + 1, scope, names, level - 1, steps)
            self.line(depth + 1, f"return {tree}")
        found = self.name("c")
        if count == 2 and self.draw(2) == 0:
            call = f"lax.cond({self.expression('B', scope)}, {made[0]}, {made[1]}, {', '.join(given)})"
        else:
            call = f"lax.switch({self.expression('I', scope)}, [{', '.join(made)}], {', '.join(given)})"
        self.line(depth, f"{found} = {call}")
        self.line(depth, f"{', '.join(names)} = {out(found)}")
        self.kinds.add("branch")

    def mapped(self, depth: int, scope: Any, may: Sequence[str], level: int, steps: int) -> None:
        over, kind, into = self.pick((("A", "V", "A"), ("V", "F", "V"), ("Q", "I", "Q"), ("A", "V", "A")))
        names = [x for x in may if TYPES[x] == into]
        if not names or (self.columns if over != "A" else self.rows) > steps:
            return self.assign(depth, scope, may, level, steps)
        name, given = self.pick(names), self.expression(over, scope, 1)
        body, x = self.name("body"), self.name("x")
        self.line(depth, f"def {body}({x}):")
        inner = scope | {kind: [*scope[kind], x]}
        self.line(depth + 1, f"return {self.expression(kind, inner)}")
        batch = ", batch_size=2" if self.draw(3) == 2 else ""
        self.line(depth, f"{name} = lax.map({body}, {given}{batch})")
        return None


class Program:
    """A program's text, its arguments, and the function for a library."""

    def __init__(self, writer: Writer, arguments: list[Any]) -> None:
        self.text = "\n".join(writer.lines)
        self.arguments, self.kinds = arguments, writer.kinds
        namespace: dict[str, Any] = {}
        exec(compile(self.text, "<program>", "exec"), namespace)  # noqa: S102
        self.function = namespace["f"]

    def __repr__(self) -> str:
        return f"\n{self.text}\nsizes: {[np.shape(x) for x in self.arguments]}"

    def of(self, library: Any, lax: Any = None) -> Callable[..., Any]:
        """The function; its arguments may be NumPy arrays."""
        arrays = library.numpy.asarray
        return lambda *xs: self.function(library.numpy, lax or library.lax, *map(arrays, xs))


@st.composite
def control_programs(draw: Any, level: int = 3, steps: int = 120) -> Program:
    """Programs whose loops nest up to ``level`` deep and take up to about ``steps`` steps in all."""
    return made_program(lambda limit: draw(st.integers(0, limit - 1)), level, steps)


def made_program(number: Callable[[int], int], level: int = 3, steps: int = 120) -> Program:
    """The program that ``number(limit)`` chooses."""
    columns, rows = SIZES[number(len(SIZES))], ROWS[number(len(ROWS))]
    writer = Writer(number, columns, rows)
    names = list(TYPES)
    writer.line(0, f"def f(n, lax, {', '.join(names)}):")
    scope: dict[str, list[str]] = {}
    for name, kind in TYPES.items():
        scope.setdefault(kind, []).append(name)
    for _ in range(1 + number(2)):
        writer.pick([writer.scan, writer.loop, writer.branch, writer.mapped])(
            1, scope, names, level - 1, steps
        )
        writer.assign(1, scope, names, 0, 0)
    writer.line(1, f"return {', '.join(names)}")
    return Program(writer, arguments(columns, rows, number(3)))


def arguments(columns: int, rows: int, seed: int) -> list[Any]:
    """Values for the variables."""
    rng = np.random.default_rng(seed)
    shapes = {
        "F": (),
        "V": (columns,),
        "A": (rows, columns),
        "I": (),
        "Q": (columns,),
        "B": (),
        "P": (columns,),
    }
    made = []
    for kind in TYPES.values():
        shape = shapes[kind]
        if kind in "FVA":
            made.append(np.asarray(rng.uniform(-1, 1, shape)))
        elif kind in "IQ":
            made.append(np.asarray(rng.integers(0, 7, shape)))
        else:
            made.append(np.asarray(rng.integers(0, 2, shape) == 1))
    return made
