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
    first call is timed) or ``process`` (commands). ``target`` is what jitney / ``against`` should reach.
    """

    name: str
    group: str
    build: Callable[[], dict[str, Any]]
    target: float | None = None
    against: str = "jax"
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

    @property
    def verdict(self) -> str:
        if self.case.target is None or self.case.against not in self.seconds:
            return ""
        return "met" if self.ratio(self.case.against) <= self.case.target else "missed"

    def as_dict(self) -> dict[str, Any]:
        others = [name for name in self.seconds if name != "jitney"]
        return {
            "name": self.case.name,
            "group": self.case.group,
            "target": self.case.target,
            "against": self.case.against,
            "minimum_seconds": {name: min(s) for name, s in self.seconds.items()},
            "median_seconds": {name: statistics.median(s) for name, s in self.seconds.items()},
            "ratio": {name: self.ratio(name) for name in others if "jitney" in self.seconds},
            "verdict": self.verdict,
        }


CASES: list[Case] = []


def case(name: str, group: str, target: float | None = None, **options: Any) -> Callable[[Callable], Callable]:
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
    gc.collect()
    for _ in range(3 if quick else item.repeats):
        for name, timer in timers.items():
            result.seconds[name].append(timer())
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


def _time_process(command: list[str]) -> float:
    # As installed packages run: with their byte code cached.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


# -- reports ------------------------------------------------------------------------------------------


def seconds_text(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


COLUMNS = ("jitney", "jax", "numpy", "numba")


def table(results: list[Result], markdown: bool = False) -> str:
    """One row for each case: minima, ratio to the opponent, target."""
    head = ["case", *COLUMNS, "ratio", "target", ""]
    rows = []
    for r in results:
        against = r.case.against
        has = "jitney" in r.seconds and against in r.seconds
        ratio = f"{r.ratio(against):.3f}" + ("" if against == "jax" else f" of {against}") if has else ""
        times = [seconds_text(min(r.seconds[c])) if c in r.seconds else "" for c in COLUMNS]
        target = "" if r.case.target is None else f"{r.case.target:.2f}"
        rows.append([r.case.name, *times, ratio, target, r.verdict])
    if markdown:
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "--:|" * 6 + "---|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows])


def geometric_means(results: list[Result]) -> dict[str, float]:
    """Geometric mean of jitney / jax for each group."""
    groups: dict[str, list[float]] = {}
    for r in results:
        if "jax" in r.seconds and "jitney" in r.seconds:
            groups.setdefault(r.case.group, []).append(r.ratio("jax"))
    return {g: math.exp(statistics.fmean(map(math.log, ratios))) for g, ratios in groups.items()}


def machine() -> dict[str, Any]:
    import numpy

    return {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "numpy": numpy.__version__,
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
    """Ratios jitney / jax as bars on a logarithmic axis, targets as ticks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [r for r in results if "jax" in r.seconds and "jitney" in r.seconds][::-1]
    if not shown:
        return
    figure, axes = plt.subplots(figsize=(9, 0.33 * len(shown) + 1.4), layout="constrained")
    ratios = [r.ratio("jax") for r in shown]
    axes.barh(range(len(shown)), [1 / v for v in ratios], color="#2b6cb0", height=0.62)
    for y, (r, v) in enumerate(zip(shown, ratios, strict=True)):
        axes.text(1 / v * 1.08, y, f"{1 / v:.3g}x", va="center", fontsize=8)
        if r.case.target and r.case.against == "jax":
            axes.plot([1 / r.case.target] * 2, [y - 0.4, y + 0.4], color="#c05621", lw=2)
    axes.set_yticks(range(len(shown)), [r.case.name for r in shown], fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="0.3", lw=1)
    axes.set_xlim(left=min(0.5, min(1 / v for v in ratios) * 0.8), right=max(1 / v for v in ratios) * 2.5)
    axes.set_xlabel("times faster than JAX (orange: target)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def python(*code: str) -> list[str]:
    """A command that runs ``code`` in a new interpreter."""
    return [sys.executable, "-c", "; ".join(code)]
