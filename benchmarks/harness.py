"""The benchmark harness: cases with contenders, measured interleaved, reported as medians of ratios.

Begin with :func:`case`. Every repeat runs all contenders of a case one after the other, so that a machine
that slows down slows all of them; a ratio is taken within a repeat, and the median over repeats is reported.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Thunk = Callable[[], Any]


@dataclass
class Case:
    """One question: how long does each contender take?

    ``kind``: ``run`` (thunks, called many times), ``first`` (factories: each call makes a new function, whose
    first call is timed) or ``process`` (statements, each timed in a new interpreter that has started). ``target`` is what jitney / JAX should reach, ``also`` what
    jitney / another contender should reach, and ``above`` how many seconds jitney may take more than another.
    """

    name: str
    group: str
    build: Callable[[], dict[str, Any]]
    target: float | None = None
    also: dict[str, float] = field(default_factory=dict)
    above: dict[str, float] = field(default_factory=dict)
    kind: str = "run"
    repeats: int = 7
    least_seconds: float = 0.02  # length of one timed batch of calls


@dataclass
class Result:
    """Seconds per call of each contender, one for each repeat."""

    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, other: str) -> float:
        """Median over repeats of the time of jitney / time of ``other``."""
        pairs = zip(self.seconds["jitney"], self.seconds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)

    def excess(self, other: str) -> float:
        """Median over repeats of the time of jitney less that of ``other``, in seconds."""
        pairs = zip(self.seconds["jitney"], self.seconds[other], strict=True)
        return statistics.median(a - b for a, b in pairs)

    def goals(self) -> list[Goal]:
        """What was to be reached, and what was."""
        wanted = {"jax": self.case.target} | self.case.also
        out = [
            Goal(other, f"{self.ratio(other):.3f}", f"{want:.2f}", self.ratio(other) <= want)
            for other, want in wanted.items()
            if want is not None and {"jitney", other} <= self.seconds.keys()
        ]
        for other, want in self.case.above.items():
            excess = self.excess(other)
            out.append(Goal(other, seconds_text(excess, "+"), seconds_text(want, "+"), excess <= want))
        return out

    def as_dict(self) -> dict[str, Any]:
        others = [name for name in self.seconds if name != "jitney"]
        return {
            "name": self.case.name,
            "group": self.case.group,
            "minimum_seconds": {name: min(s) for name, s in self.seconds.items()},
            "median_seconds": {name: statistics.median(s) for name, s in self.seconds.items()},
            "ratio": {name: self.ratio(name) for name in others if "jitney" in self.seconds},
            "goals": [vars(goal) for goal in self.goals()],
            "samples": self.seconds,
        }


@dataclass
class Goal:
    """A target: against whom, the value reached, the value wanted (ratios, or seconds with a plus sign)."""

    against: str
    reached: str
    wanted: str
    met: bool


CASES: list[Case] = []


def case(
    name: str, group: str, target: float | None = None, **options: Any
) -> Callable[[Callable], Callable]:
    """Register a function that builds a case: it returns ``{contender: thunk}``."""

    def register(build: Callable[[], dict[str, Any]]) -> Callable:
        CASES.append(Case(name, group, build, target, **options))
        return build

    return register


def measure(item: Case, quick: bool = False) -> Result:
    """All contenders of a case, interleaved."""
    contenders = item.build()
    result = Result(item, {name: [] for name in contenders})
    timers = {name: _timer(item, thunk, quick) for name, thunk in contenders.items()}
    if item.kind == "process":
        for timer in timers.values():
            timer()  # fills file and byte code caches
    order = list(timers)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3 if quick else item.repeats):
            for name in order:
                result.seconds[name].append(timers[name]())
            order = order[1:] + order[:1]  # nobody always follows the same neighbour
            gc.collect()
    finally:
        gc.enable()
    return result


def _timer(item: Case, thunk: Any, quick: bool) -> Callable[[], float]:
    if item.kind == "process":
        return lambda: _time_process(thunk)
    if item.kind == "first":
        _time_once(thunk())  # warm up what is shared by all functions (imports, the compiler itself)
        return lambda: _time_once(thunk())
    count = _calls_per_batch(thunk, item.least_seconds / (4 if quick else 1))
    return lambda: _time_batch(thunk, count)


def _time_once(thunk: Thunk) -> float:
    start = time.perf_counter()
    thunk()
    return time.perf_counter() - start


def _time_batch(thunk: Thunk, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        thunk()
    return (time.perf_counter() - start) / count


def _calls_per_batch(thunk: Thunk, seconds: float) -> int:
    thunk()
    once = max(_time_once(thunk), 1e-8)
    if once < seconds / 10:
        once = max(_time_batch(thunk, 10), 1e-8)
    return max(1, math.ceil(seconds / once))


def _time_process(statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    # As installed packages run: with their byte code cached.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


# -- reports ------------------------------------------------------------------------------------------


def seconds_text(value: float, sign: str = "") -> str:
    """``1.23 ms``; ``sign="+"`` writes the sign of a difference."""
    units = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    unit = next((name for name, scale in units.items() if abs(value) >= scale), "ns")
    amount = value / units[unit]
    return f"{amount:{sign}.0f} {unit}" if abs(amount) >= 99.5 else f"{amount:{sign}.3g} {unit}"


COLUMNS = ("jitney", "jax", "numpy", "numba")
TITLES = {"jitney": "jitney", "jax": "JAX", "numpy": "NumPy", "numba": "numba"}
OTHERS = {"forward": "its own forward run"}


def rows(result: Result) -> list[list[str]]:
    """The case with its first goal, then one row for each further goal."""
    times = [seconds_text(min(result.seconds[c])) if c in result.seconds else "" for c in COLUMNS]
    goals = result.goals()
    if not goals or goals[0].against != "jax":
        ratio = f"{result.ratio('jax'):.3f}" if {"jitney", "jax"} <= result.seconds.keys() else ""
        goals.insert(0, Goal("jax", ratio, "", True))
    first, *further = goals
    mark = {True: "met", False: "missed"}
    out = [[result.case.name, *times, first.reached, first.wanted, mark[first.met] if first.wanted else ""]]
    for goal in further:
        name = f"... against {TITLES.get(goal.against) or OTHERS[goal.against]}"
        out.append([name, *[""] * len(COLUMNS), goal.reached, goal.wanted, mark[goal.met]])
    return out


def table(results: list[Result], markdown: bool = False) -> str:
    """One row for each goal of each case: minima, median ratio to the opponent, target."""
    head = ["case", *TITLES.values(), "ratio", "target", ""]
    body = [row for result in results for row in rows(result)]
    if markdown:
        lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * 6 + "---|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = [
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
        for row in [head, *body]
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def geometric_means(results: list[Result]) -> dict[str, float]:
    """Geometric mean of jitney / jax for each group."""
    groups: dict[str, list[float]] = {}
    for r in results:
        if "jax" in r.seconds and "jitney" in r.seconds:
            groups.setdefault(r.case.group, []).append(r.ratio("jax"))
    return {g: math.exp(statistics.fmean(map(math.log, ratios))) for g, ratios in groups.items()}


def machine() -> dict[str, Any]:
    """Processor, cores and versions, without which a timing says little."""
    import jax
    import numba
    import numpy
    import scipy

    cpus = Path("/proc/cpuinfo")
    models = [x for x in cpus.read_text().splitlines() if x.startswith("model name")] if cpus.exists() else []
    return {
        "processor": models[0].partition(":")[2].strip()
        if models
        else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "Python": platform.python_version(),
        **{module.__name__: module.__version__ for module in (numpy, scipy, jax, numba)},
    }


def save(results: list[Result], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine(),
        "geometric_mean_of_ratio_to_jax": geometric_means(results),
        "cases": [r.as_dict() for r in results],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def plot(results: list[Result], path: Path) -> None:
    """Ratios jitney / JAX as bars from one, on a logarithmic axis, with a tick where each target lies."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [r for r in results if {"jitney", "jax"} <= r.seconds.keys()][::-1]
    if not shown:
        return
    style = {"font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 12}
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(9, 0.34 * len(shown) + 1.3), layout="constrained")
        for y, r in enumerate(shown):
            ratio, target = r.ratio("jax"), r.case.target
            colour = "#8a8578" if target is None else "#1f5f8b" if ratio <= target else "#b0413e"
            axes.plot([1, ratio], [y, y], color=colour, lw=8, solid_capstyle="butt")
            if target:
                axes.plot([target] * 2, [y - 0.42, y + 0.42], color="#24292f", lw=1.4)
            plate = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            place = {"xytext": (-5, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
            axes.annotate(f"{ratio:.2g}", (min(ratio, 1), y), bbox=plate, **place)
        least = min(min(r.ratio("jax"), r.case.target or 1) for r in shown)
        most = max(r.ratio("jax") for r in shown)
        axes.set(xscale="log", xlim=(least / 2.5, max(1.0, most) * 1.25), ylim=(-0.7, len(shown) - 0.3))
        axes.set_yticks(range(len(shown)), [r.case.name for r in shown])
        axes.axvline(1, color="#24292f", lw=0.8)
        axes.grid(axis="x", color="#e6e8eb", lw=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_xlabel("time of jitney / time of JAX; the black tick is the target, red has not reached it")
        figure.savefig(path, dpi=160)
        plt.close(figure)
