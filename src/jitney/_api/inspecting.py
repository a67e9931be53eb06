"""``inspect``: what a function was compiled to, and where its time goes.  Begin at :func:`inspect`."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import getsource
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from jitney import _ext
from jitney._api import tables
from jitney._api.calls import boundary, check_callable
from jitney._api.jit import Jitted, jit
from jitney._api.pickling import remade
from jitney._api.stages import ShapeDtypeStruct
from jitney._base.sources import Location
from jitney._core import plugs, tree
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.refs import Ref
from jitney._core.trace import Tracer

if TYPE_CHECKING:
    from jitney._compiler.looking import Kernel, Look, Pass

_RUNS = 30  # at most
_ROWS = 50  # of a table, the dearest kernels
_SECONDS = 0.3  # that measuring may take, unless a single run takes longer


class Memory(NamedTuple):
    """Bytes of the arguments, results, constants and temporary arrays of a compiled function."""

    arguments: int
    outputs: int
    constants: int
    scratch: int

    def __str__(self) -> str:
        texts = [f"{tables.nbytes(n)} {name}" for name, n in zip(self._fields, self, strict=True)]
        return ", ".join(texts)


class LineCost(NamedTuple):
    """What one line of the user's code costs: seconds a run, its share, and its part of the counts of operations and bytes."""

    seconds: float
    share: float
    flops: float
    bytes: float


class Cost(Mapping[str, float]):
    """Counts and times of one run: totals by name (``cost["flops"]``), each of ``kernels``, and each of ``lines``.

    The names are those of ``Compiled.cost_analysis``, with ``predicted`` and ``measured`` seconds.
    """

    def __init__(self, kernels: list[Kernel]) -> None:
        self.kernels = kernels
        self._totals = {
            "flops": sum(k.flops for k in kernels),
            "transcendentals": sum(k.transcendentals for k in kernels),
            "bytes accessed": sum(k.bytes for k in kernels),
            "predicted": sum(k.predicted for k in kernels),
            "measured": sum(k.measured or 0.0 for k in kernels),
        }

    def __getitem__(self, name: str) -> float:
        return self._totals[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)

    def time(self, kernel: Kernel) -> float:
        """Measured seconds of a kernel, predicted ones where nothing was run."""
        return kernel.predicted if kernel.measured is None else kernel.measured

    @cached_property
    def seconds(self) -> float:
        """Of all kernels."""
        return sum(map(self.time, self.kernels))

    def share(self, kernel: Kernel) -> float:
        """Part of the time that a kernel takes."""
        return self.time(kernel) / self.seconds if self.seconds else 0.0

    @cached_property
    def lines(self) -> dict[Location, LineCost]:
        """The user's lines, the dearest first; their shares sum to 1."""
        sums: dict[Location, list[float]] = {}
        for k in self.kernels:
            for line, part in k.lines.items():
                total = sums.setdefault(line, [0.0, 0.0, 0.0])
                for n, x in enumerate((self.time(k), k.flops + k.transcendentals, k.bytes)):
                    total[n] += part * x
        whole = sum(t for t, _, _ in sums.values())
        ordered = sorted(sums.items(), key=lambda item: -item[1][0])
        return {line: LineCost(t, t / whole if whole else 1 / len(sums), f, b) for line, (t, f, b) in ordered}

    def dearest(self, most: int) -> list[Kernel]:
        """The kernels that take the most time, in the order in which they run."""
        found = [k for k in self.kernels if k.kind != "registers" or k.operations or self.share(k) > 0.005]
        return sorted(sorted(found, key=self.time, reverse=True)[:most], key=lambda k: k.number)

    def __str__(self) -> str:
        shown = self.dearest(_ROWS)
        rows = [
            [
                str(k.number),
                k.kind + (" ∥" if k.parallel else ""),
                tables.shortened(", ".join(k.operations) or "-", 34),
                "x".join(map(str, k.shape)) or "-",
                tables.per_second(k.flops + k.transcendentals, self.time(k)),
                tables.per_second(k.bytes, self.time(k)),
                tables.seconds(k.predicted),
                tables.seconds(k.measured),
                tables.percent(self.share(k)),
            ]
            for k in shown
        ]
        head = "# kernel computes over GFLOP/s GB/s predicted measured share".split()
        text = tables.table(head, rows, "><<<>>>>>")
        if len(self.kernels) <= _ROWS + 1:
            return text
        return f"{text}\nThese are the {len(shown)} dearest of {len(self.kernels)} kernels."

    __repr__ = __str__

    def lines_text(self) -> str:
        """The table of lines."""
        rows = [
            [
                tables.percent(cost.share),
                tables.bar(cost.share),
                tables.seconds(cost.seconds),
                f"{os.path.basename(line.file)}:{line.line}: {tables.shortened(line.text.strip(), 80)}",
            ]
            for line, cost in self.lines.items()
        ]
        return tables.table(["share", "", "time", "line"], rows, "><><") if rows else ""


@dataclass
class Inspection:
    """What :func:`inspect` found out. ``print`` it, or ``save`` it as a page."""

    name: str
    look: Look
    result: Any
    runs: int
    source: str | None = None
    """The function as it was written anew where its control flow depends on traced values; None if it was not."""

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program as it was traced."""
        return self.look.closed

    @property
    def passes(self) -> list[Pass]:
        """The passes of the compiler: name, the program ``before`` and ``after`` it as text, and whether it ``changed``."""
        return self.look.passes

    @property
    def kernels(self) -> list[Kernel]:
        """The parts of the compiled function in the order in which they run."""
        return self.look.kernels

    @property
    def loops(self) -> str:
        """The loop program."""
        return self.look.loops

    @property
    def llvm(self) -> str:
        """The module that LLVM gets."""
        return self.look.llvm

    @property
    def asm(self) -> str:
        """The machine code as assembly text."""
        return self.look.asm

    @cached_property
    def cost(self) -> Cost:
        """Counts and times: of the whole, of each kernel, of each line of the user's code."""
        return Cost(self.kernels)

    @property
    def memory(self) -> Memory:
        """Bytes that it needs."""
        jaxpr, program = self.jaxpr.jaxpr, self.look.program
        return Memory(
            sum(a.nbytes for a in jaxpr.in_avals),
            sum(a.nbytes for a in jaxpr.out_avals),
            self.look.const_bytes,
            int(program.scratch_bytes),
        )

    def headline(self) -> str:
        """One line about the whole."""
        count = sum(k.kind != "registers" for k in self.kernels)
        time = f"{tables.seconds(self.cost.seconds)} a run" + (
            f" (median of {self.runs})" if self.runs > 1 else " (predicted)" if not self.runs else ""
        )
        return f"{self.name}: {count} kernel{'s' * (count != 1)}, {time}"

    def __str__(self) -> str:
        parts = [f"{self.headline()}\nmemory: {self.memory}", str(self.cost), self.cost.lines_text()]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def html(self) -> str:
        """A page for a browser, which needs nothing from the network."""
        from jitney._api.pages import inspection_page

        return inspection_page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``html()`` to a file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.html())

    def _repr_html_(self) -> str:
        from jitney._api.pages import framed

        return framed(self.html())


@remade
def inspect(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
) -> Callable[..., Inspection]:
    """A function that compiles ``fun`` for its arguments, runs it with a clock, and returns an :class:`Inspection`.

    It tells which loops ``fun`` became and what is fused in them, how long each takes and how fast that is, and which
    lines of your code the time belongs to, inside of loop bodies too. Where several lines are fused into a kernel, its
    time is shared out by the rough cost of their operations.

    The program is run several times and the median is taken; one with side effects, such as a print, is run once.
    Arguments may be ``ShapeDtypeStruct``; then nothing is run, and times are predictions.

    Args:
        fun: a function as for ``jit``, or one that is jitted already (whose own options hold unless some are given).
        static_argnums, static_argnames, donate_argnums, donate_argnames: as for ``jit``.

    Raises:
        TypeError: ``fun`` is not callable, an argument is no array, or is traced: there is nothing to measure then.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> def norm(x):
        ...     return jnp.sqrt(jnp.sum(x**2))
        >>> seen = jitney.inspect(norm)(jnp.ones(1000))
        >>> seen.cost["flops"] >= 2000
        True
        >>> seen.save("norm.html")  # doctest: +SKIP
    """
    check_callable(fun, "inspect")
    options = {
        "static_argnums": static_argnums,
        "static_argnames": static_argnames,
        "donate_argnums": donate_argnums,
        "donate_argnames": donate_argnames,
    }
    plain = all(x is None for x in options.values())
    jitted: Jitted = (fun if plain and isinstance(fun, _ext.JitFunction) else jit(fun, **options))._jitted

    def inspector(*args: Any, **kwargs: Any) -> Inspection:
        return _inspect(jitted, args, kwargs)

    public = boundary(inspector, fun)
    public.source = _text_of(jitted.fun)
    return public


def _text_of(fun: Callable[..., Any]) -> str | None:
    """The function as it runs now: as it was written, or as its control flow was converted."""
    converted = plugs.converted_source(fun)
    if converted is None:
        with contextlib.suppress(OSError, TypeError):
            return textwrap.dedent(getsource(fun))
    return converted


def _inspect(jitted: Jitted, args: tuple, kwargs: dict[str, Any]) -> Inspection:
    from jitney._compiler.looking import look

    call = jitted.signature(args, kwargs)
    _check_concrete(jitted.name, call.leaves)
    program = jitted.program_of(call, jitted.described_avals(call))
    _check_concrete(jitted.name, program.hoisted)
    seen = look(program.closed)
    result, runs = None, 0
    if not any(isinstance(leaf, ShapeDtypeStruct) for leaf in call.leaves):
        leaves = [leaf.read() if isinstance(leaf, Ref) else leaf for leaf in call.leaves]
        outs, runs = _measure(seen, [*leaves, *program.held.values()])
        result = tree.unflatten(program.out_tree, outs[: program.out_tree.num_leaves])
    return Inspection(jitted.name, seen, result, runs, plugs.converted_source(jitted.fun))


def _check_concrete(name: str, values: Sequence[Any]) -> None:
    if any(isinstance(x, Tracer) for x in values):
        raise TypeError(
            f"inspect runs {name} to measure it, but it was given, or closes over, a traced value (of jit, grad, vmap, "
            "...). Call it outside of transformations: inspect(grad(f))(x) in place of grad(inspect(f))(x)."
        )


def _measure(seen: Look, values: list[Any]) -> tuple[list[Any], int]:
    """Run the program and put its times into the kernels: its results, and how often it ran."""
    from jitney._compiler.looking import Timed

    timed, readings = Timed(seen.closed), []
    once = bool(seen.closed.effects)
    started = perf_counter()
    while True:
        timed.reset()
        outs = timed.execute(list(values))
        readings.append(timed.seconds())
        if once or len(readings) >= _RUNS or perf_counter() - started > _SECONDS:
            break
    if len(readings) > 3:  # the first one touches memory for the first time
        del readings[0]
    for kernel, times in zip(seen.kernels, zip(*readings, strict=True), strict=True):
        kernel.measured = median(times)
    return outs, len(readings)
