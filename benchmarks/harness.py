"""The benchmark harness: cases with contenders, measured interleaved. Begin with :func:`case`, then :func:`measure`.

Every repeat runs all contenders of a case one after the other, so that a machine that slows down slows all of
them. What is reported are the best of the repeats and the ratios of these: other work on the machine only ever adds
time. Samples are short and many, for some of them to run undisturbed. A contender that raises is reported as missing, with its error; one that
answers something else than jitney is reported as differing.
"""

from __future__ import annotations

import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Thunk = Callable[[], Any]
KINDS = ("run", "first", "process", "memory")


@dataclass
class Case:
    """One question: how long does each contender take, or how much memory?

    ``kind``: ``run`` (thunks, called many times), ``first`` (factories: each call makes a new function, whose
    first call is timed), ``process`` (statements, each timed in a new interpreter that has started) or ``memory``
    (names of engines, each runs the case once in a new process, whose growth is measured). The cases of one name are
    the kinds of one program.

    ``target`` is what jitney / JAX should reach, ``also`` what jitney / another contender should reach, ``above`` how
    many seconds jitney may take more than another, and ``within`` how many seconds it may take. ``check`` is what of
    an answer must agree between contenders, ``None`` if nothing has to.
    """

    name: str
    group: str
    build: Callable[[], dict[str, Any]]
    target: float | None = None
    also: dict[str, float] = field(default_factory=dict)
    above: dict[str, float] = field(default_factory=dict)
    within: float | None = None
    kind: str = "run"
    repeats: int = 7  # at the least
    least_seconds: float = 0.001  # length of one timed batch of calls
    check: Callable[[Any], Any] | None = None
    file: str = ""


@dataclass
class Goal:
    """A target: against whom, the value reached, the value wanted (ratios, or texts of seconds)."""

    against: str
    reached: str
    wanted: str
    met: bool


@dataclass
class Result:
    """Seconds per call (or bytes) of each contender, one for each repeat; who is missing, and who differs."""

    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)

    def ratio(self, other: str) -> float | None:
        """Best time of jitney / best time of ``other``; None if one of them is missing."""
        own, theirs = self.best("jitney"), self.best(other)
        return None if own is None or theirs is None else own / theirs

    def best(self, contender: str) -> float | None:
        return min(self.seconds[contender]) if contender in self.seconds else None

    def goals(self) -> list[Goal]:
        """What was to be reached, and what was."""
        out = []
        for other, want in ({"jax": self.case.target} | self.case.also).items():
            ratio = self.ratio(other)
            if want is not None and ratio is not None:
                out.append(Goal(other, f"{ratio:.3f}", f"{want:.2f}", ratio <= want))
        for other, want in self.case.above.items():
            excess = min(self.seconds["jitney"]) - min(self.seconds[other])
            out.append(Goal(other, seconds_text(excess, "+"), seconds_text(want, "+"), excess <= want))
        best = self.best("jitney")
        if self.case.within is not None and best is not None:
            wanted = seconds_text(self.case.within)
            out.append(Goal("the clock", seconds_text(best), wanted, best <= self.case.within))
        return out

    def as_dict(self) -> dict[str, Any]:
        ratios = {name: self.ratio(name) for name in self.seconds if name != "jitney"}
        return {
            "name": self.case.name,
            "group": self.case.group,
            "kind": self.case.kind,
            "minimum": {name: min(s) for name, s in self.seconds.items()},
            "median": {name: statistics.median(s) for name, s in self.seconds.items()},
            "ratio": {name: ratio for name, ratio in ratios.items() if ratio is not None},
            "goals": [vars(goal) for goal in self.goals()],
            "missing": self.missing,
            "differs": self.differs,
            "samples": {name: [float(f"{x:.4g}") for x in s] for name, s in self.seconds.items()},
        }


CASES: list[Case] = []
SHARE = {True: 0.3, False: 1.5}  # seconds of repeats of a case, in quick mode and otherwise
MOST_REPEATS = 100
PAUSE = 0.001  # seconds for which threads of the contender before may still look out for work


@dataclass
class Late:
    """A thunk that is made when it is measured: one that cannot be made is missing, and no more than that."""

    make: Callable[[], Thunk]


def case(
    name: str, group: str, target: float | None = None, **options: Any
) -> Callable[[Callable], Callable]:
    """Register a function that builds a case: it returns ``{contender: thunk}``."""

    def register(build: Callable[[], dict[str, Any]]) -> Callable:
        CASES.append(Case(name, group, build, target, **options))
        return build

    return register


# -- measuring ----------------------------------------------------------------------------------------


def measure(item: Case, quick: bool = False) -> Result:
    """All contenders of a case, interleaved; those that raise are left out."""
    contenders = item.build()
    result = Result(item)
    timers = _prepare(item, contenders, result)
    if item.kind == "run" and item.check is not None:
        _compare_answers(item.check, {name: contenders[name] for name in timers}, result)
    result.seconds = {name: [] for name in timers}
    order = list(timers)
    gc.collect()
    gc.disable()
    try:
        for _ in _repeats(item, quick):
            for name in order:
                time.sleep(PAUSE)
                result.seconds[name].append(timers[name]())
            order = order[1:] + order[:1]  # nobody always follows the same neighbour
    finally:
        gc.enable()
    return result


def _repeats(item: Case, quick: bool) -> Iterator[int]:
    """So many as the case asks for, and more as long as its share of time lasts."""
    if item.kind == "memory":
        yield from range(1 if quick else 3)
        return
    least = (2 if item.kind == "first" else 3) if quick else item.repeats
    start, share = time.perf_counter(), SHARE[quick]
    for i in range(MOST_REPEATS):
        spent = time.perf_counter() - start
        if i >= least and spent > share:
            return
        if spent > 1.0:  # a quick collection would disturb short samples
            gc.collect()
        yield i


def _prepare(item: Case, contenders: dict[str, Any], result: Result) -> dict[str, Callable[[], float]]:
    """What takes one sample of each contender, warmed up."""
    timers = {}
    for name, thunk in list(contenders.items()):
        try:
            if isinstance(thunk, Late):
                thunk = contenders[name] = thunk.make()
            timers[name] = _timer(item, thunk)
        except Exception as error:  # not implemented there, or a bug: said in the report
            lines = str(error).strip().splitlines() or [""]
            result.missing[name] = f"{type(error).__name__}: {lines[-1 if item.kind == 'memory' else 0]}"[
                :200
            ]
    return timers


def _timer(item: Case, thunk: Any) -> Callable[[], float]:
    if item.kind == "process":
        _time_process(thunk)  # fills file and byte code caches
        return lambda: _time_process(thunk)
    if item.kind == "memory":
        return lambda: _growth(item.name, thunk)
    if item.kind == "first":
        _time_once(thunk())  # warm up what is shared by all functions (imports, the compiler itself)
        return lambda: _time_once(thunk())
    count = _calls_per_batch(thunk, item.least_seconds)
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


def _python(code: str, **variables: str) -> str:
    """The last word that a new interpreter prints."""
    # As installed packages run: with their byte code cached.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"the process ended with {done.returncode}")
    return done.stdout.split()[-1]


def _time_process(statement: str) -> float:
    code = f"import time; start = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    return float(_python(code))


def _growth(name: str, contender: str) -> float:
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import memory; print(memory.growth({name!r}, {contender!r}))"
    return float(_python(code))


# -- answers ------------------------------------------------------------------------------------------


def leaves(x: Any) -> list[Any]:
    """The arrays of nested tuples, lists and dicts."""
    if isinstance(x, dict):
        return [leaf for key in sorted(x) for leaf in leaves(x[key])]
    if isinstance(x, (tuple, list)):
        return [leaf for part in x for leaf in leaves(part)]
    return [] if x is None else [x]


def _compare_answers(check: Callable[[Any], Any], contenders: dict[str, Thunk], result: Result) -> None:
    """Whether the others agree with jitney (with a tolerance for sums in another order)."""
    if "jitney" not in contenders:
        return
    own = [np.asarray(leaf) for leaf in leaves(check(contenders["jitney"]()))]
    for name, thunk in contenders.items():
        theirs = [np.asarray(leaf) for leaf in leaves(check(thunk()))]
        if len(theirs) != len(own):
            result.differs[name] = f"{len(theirs)} arrays rather than {len(own)}"
            continue
        wrong = [text for a, b in zip(own, theirs, strict=True) if (text := difference(a, b))]
        if wrong:
            result.differs[name] = wrong[0]


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """What is wrong with ``a`` where ``b`` is expected; empty if nothing: errors are relative to the largest value."""
    if a.shape != b.shape:
        return f"shape {a.shape} rather than {b.shape}"
    if a.size == 0 or np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"):
        return ""
    single = any(x.dtype in (np.float32, np.complex64) for x in (a, b))
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
    with np.errstate(invalid="ignore"):
        distance = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    error = np.max(distance) / (scale or 1.0)
    return "" if error <= (2e-4 if single else 1e-8) else f"relative error {error:.1e}"


def seconds_text(value: float, sign: str = "") -> str:
    """``1.23 ms``; ``sign="+"`` writes the sign of a difference."""
    units = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    unit = next((name for name, scale in units.items() if abs(value) >= scale), "ns")
    amount = value / units[unit]
    return f"{amount:{sign}.0f} {unit}" if abs(amount) >= 99.5 else f"{amount:{sign}.3g} {unit}"


def bytes_text(value: float) -> str:
    """``12.3 MB``."""
    return f"{value / 1e6:.3g} MB"
