"""Bookkeeping for the tour: races, checks, caught errors, figures, and the closing report.

Begin reading at `Tour`. The script `tour.py` holds the science; everything here only watches it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

IN_NOTEBOOK = "ipykernel" in sys.modules
if not IN_NOTEBOOK:
    matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from page import COLUMNS, write_page

HERE = Path(__file__).resolve().parent
OUT = Path(os.environ.get("JITNEY_TOUR_OUT", HERE / "out"))

# One colour per way of running, the same in every figure and on the page.
COLOURS = {"numpy": "#8a8578", "eager": "#c9792b", "compiled": "#1f5f8b"}
LABELS = {"numpy": "NumPy", "eager": "jitney, eager", "compiled": "jitney, compiled"}
INK = "#24292f"

STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 170,
    "savefig.facecolor": "white",
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 12.5,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "legend.frameon": False,
    "legend.fontsize": 11.5,
    "lines.linewidth": 1.6,
    "axes.prop_cycle": matplotlib.cycler(
        color=["#1f5f8b", "#c9792b", "#4a7c59", "#9a3b4f", "#6b5b95", "#8a8578"]
    ),
}


def seconds(t: float | None) -> str:
    """A time with three digits and the unit that suits it: 0.00123 -> '1.23 ms'."""
    if t is None:
        return ""
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    unit = next((name for name, scale in units.items() if t >= scale), "ns")
    x = t / units[unit]
    return f"{x:.0f} {unit}" if x >= 99.5 else f"{x:.3g} {unit}"


def times(ratio: float | None) -> str:
    """A speed-up as a reader would say it: 12.34 -> '12×', 1.234 -> '1.2×'."""
    if ratio is None:
        return ""
    return f"{ratio:.0f}×" if ratio >= 9.95 else f"{ratio:.1f}×"


def finish_computing(value: Any) -> Any:
    """Wait for `value` if it is still being computed; a tuple or list is waited for leaf by leaf."""
    if isinstance(value, (tuple, list)):
        for leaf in value:
            finish_computing(leaf)
    elif hasattr(value, "block_until_ready"):
        value.block_until_ready()
    return value


@dataclass
class Race:
    """The seconds that one case takes each way; None where a way was not run."""

    case: str
    numpy: float | None = None
    eager: float | None = None
    compiled: float | None = None
    first: float | None = None

    @property
    def over_numpy(self) -> float | None:
        return self.numpy / self.compiled if self.numpy and self.compiled else None

    @property
    def over_eager(self) -> float | None:
        return self.eager / self.compiled if self.eager and self.compiled else None

    def cells(self) -> list[str]:
        return [
            seconds(self.numpy),
            seconds(self.eager),
            seconds(self.first),
            seconds(self.compiled),
            times(self.over_numpy),
            times(self.over_eager),
        ]


@dataclass
class Check:
    """One claim of the tour, whether it held, and the number that decided."""

    claim: str
    held: bool
    detail: str


@dataclass
class Event:
    """Something the page shows under the cell that caused it: kind, payload, line in the script."""

    kind: str
    payload: Any
    line: int


@dataclass
class Tour:
    """Runs beside the script, remembers what it did, and ends it with a report.

    `source` is the script's path (None in a notebook, where no page is written cell by cell), and
    `effort` the seconds that a race may spend on each way of running.
    """

    title: str
    source: str | None = None
    effort: float = 0.4
    races: list[Race] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self._headings = list(headings(self.source)) if self.source else []
        plt.rcParams.update(STYLE)
        OUT.mkdir(parents=True, exist_ok=True)

    # -- what the script calls ------------------------------------------------------------------

    def race(self, case: str, **ways: Callable[[], Any]) -> Race:
        """Time `numpy`, `eager` and `compiled` (whichever are given) turn by turn; keep the best.

        A compiled function that has not run yet also yields its first call: trace, compile, run.
        """
        first = None
        if "compiled" in ways:
            start = time.perf_counter()
            finish_computing(ways["compiled"]())
            first = time.perf_counter() - start
        loops = {way: self._loops(run) for way, run in ways.items()}
        best = dict.fromkeys(ways, float("inf"))
        start, turns = time.perf_counter(), 0
        while turns < 3 or (turns < 40 and time.perf_counter() - start < self.effort * len(ways)):
            for way, run in ways.items():
                best[way] = min(best[way], self._sample(run, loops[way]))
            turns += 1
        return self.record(Race(case, **best, first=first))

    def record(self, race: Race) -> Race:
        """Take a race that the script timed by itself into the table."""
        parts = [
            f"{name} {t}"
            for name, t in (
                ("NumPy", seconds(race.numpy)),
                ("eager", seconds(race.eager)),
                ("first call", seconds(race.first)),
                ("compiled", seconds(race.compiled)),
            )
            if t
        ]
        self.races.append(race)
        self._log("race", race, f"   {race.case}: {', '.join(parts)}")
        return race

    def check(self, claim: str, held: object, detail: str = "") -> None:
        """Write down whether a claim held. The tour goes on either way, and fails at its end."""
        check = Check(claim, bool(held), detail)
        self.checks.append(check)
        mark = "ok  " if check.held else "FAIL"
        self._log("check", check, f"   {mark} {claim}" + (f"  [{detail}]" if detail else ""))

    def same(self, claim: str, got: Any, want: Any, within: float = 1e-12) -> None:
        """Check that two sets of numbers agree to `within`, relative where they exceed one."""
        got, want = np.asarray(got, float), np.asarray(want, float)
        worst = float(np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want))))
        self.check(claim, worst <= within, f"largest difference {worst:.1e}, allowed {within:.0e}")

    def expect(self, error: type[BaseException], showing: str) -> Expected:
        """The block must raise `error`, in few lines, none of them ours, one of them `showing`."""
        return Expected(self, error, showing)

    def judge(self, caught: BaseException, showing: str) -> None:
        """Keep an expected error as it would look on the screen, and check how readable it is."""
        text = on_screen(caught, self.source)
        lines = text.rstrip().splitlines()
        ours = [line for line in lines if f'"{package_folder()}' in line]
        self._log("error", text, "\n" + "\n".join("   | " + line for line in lines) + "\n")
        self.check(
            f"{type(caught).__name__} within 12 lines, showing your line and none of ours",
            len(lines) <= 12 and showing in text and not ours,
            f"{len(lines)} lines, {len(ours)} of them inside jitney",
        )

    def say(self, text: object) -> None:
        """Print a result and keep it for the page."""
        shown = str(text)
        self._log("text", shown, "\n".join("   " + line for line in shown.splitlines()))

    def figure(self, fig: Any, name: str, caption: str) -> None:
        """Save a figure as PNG and keep it, with its caption, for the page."""
        path = OUT / f"{name}.png"
        fig.savefig(path, bbox_inches="tight", pad_inches=0.08)
        if not IN_NOTEBOOK:
            plt.close(fig)
        self._log("figure", (path, caption), f"   figure {path.name}")

    def bar(self, label: str) -> dict[str, Any]:
        """The emcee arguments for a progress bar that suits a terminal or a log file."""
        live = IN_NOTEBOOK or sys.stderr.isatty()
        return {
            "progress": True,
            "progress_kwargs": {
                "desc": f"   {label}",
                "ncols": 90,
                "mininterval": 0.2 if live else 10.0,
                "disable": False,
            },
        }

    def finish(self) -> None:
        """Print the one table, write the page, and end the script: 0 if every check held, else 1."""
        self.figure(speed_figure(self.races), "timings", SPEED_CAPTION)
        took = time.perf_counter() - self.started
        failed = [check for check in self.checks if not check.held]
        print("\n" + table(self.races))
        print(f"\n{len(self.checks) - len(failed)} of {len(self.checks)} checks held, {took:.0f} s.")
        for check in failed:
            print(f"FAILED: {check.claim}  [{check.detail}]")
        page = write_page(self, OUT / "report.html", took, machine())
        print(f"Report: {os.path.relpath(page)}")
        if self.source:
            raise SystemExit(1 if failed else 0)

    # -- helpers --------------------------------------------------------------------------------

    def _log(self, kind: str, payload: Any, shown: str) -> None:
        line = self._line()
        while self._headings and self._headings[0][0] <= line:
            print(f"\n{self._headings.pop(0)[1]}", flush=True)
        self.events.append(Event(kind, payload, line))
        print(shown, flush=True)

    def _line(self) -> int:
        """The line of the script that is running now (0 in a notebook)."""
        frame = sys._getframe()
        while frame and self.source and frame.f_code.co_filename != self.source:
            frame = frame.f_back
        return frame.f_lineno if frame and self.source else 0

    @staticmethod
    def _sample(run: Callable[[], Any], loops: int) -> float:
        start = time.perf_counter()
        for _ in range(loops):
            finish_computing(run())
        return (time.perf_counter() - start) / loops

    def _loops(self, run: Callable[[], Any]) -> int:
        """How many calls make a sample of about a millisecond."""
        once = min(self._sample(run, 1) for _ in range(2))
        return max(1, min(1000, int(1e-3 / max(once, 1e-7))))


@dataclass
class Expected:
    """The `with` block of `Tour.expect`."""

    tour: Tour
    error: type[BaseException]
    showing: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, caught: BaseException | None, trace: object) -> bool:
        if isinstance(caught, self.error):
            self.tour.judge(caught, self.showing)
        elif caught is None or isinstance(caught, Exception):
            came = f"raised {type(caught).__name__}: {caught}" if caught else "nothing was raised"
            self.tour.check(f"raises {self.error.__name__}", False, came)
        return caught is None or isinstance(caught, Exception)


def package_folder() -> str:
    """Where jitney itself lies: a frame from there has no place in a message to its user."""
    import jitney

    return str(Path(jitney.__file__).parent) + os.sep


def headings(source: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each second-level heading in the script's markdown cells."""
    for number, line in enumerate(Path(source).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("# ## "):
            yield number, line.removeprefix("# ## ")


def on_screen(error: BaseException, source: str | None) -> str:
    """What Python prints for an uncaught error, with the script's path cut to its name."""
    text = "".join(traceback.format_exception(error))
    return text.replace(str(source), Path(source).name) if source else text


def machine() -> str:
    """Versions and cores, for the foot of the page."""
    import jitney

    version = getattr(jitney, "__version__", "")
    return (
        f"jitney {version}, NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()} with {os.cpu_count()} cores"
    )


def table(races: list[Race]) -> str:
    """The table of timings as text."""
    rows = [["", *COLUMNS]] + [[race.case, *race.cells()] for race in races]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(cell.rjust(width + 3) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


SPEED_CAPTION = (
    "Every case of the tour on one scale. A line joins the ways of running one case; the number "
    "at its right is how many times faster compiled code is than NumPy."
)


def speed_figure(races: list[Race]) -> Any:
    """Seconds per case and way on a logarithmic axis, the slowest case on top."""
    fig, ax = plt.subplots(figsize=(8.4, 0.9 + 0.42 * len(races)))
    for y, race in enumerate(reversed(races)):
        given = {way: t for way in COLOURS if (t := getattr(race, way))}
        ax.plot([min(given.values()), max(given.values())], [y, y], color="#d0d4d9", lw=2, zorder=1)
        for way, t in given.items():
            ax.scatter(t, y, s=62, color=COLOURS[way], zorder=3, edgecolor="white", linewidth=0.8)
        ax.annotate(
            times(race.over_numpy),
            (1.015, y),
            xycoords=("axes fraction", "data"),
            va="center",
            color=COLOURS["compiled"],
            fontweight="bold",
        )
    ax.annotate("over NumPy", (1.0, 1.01), xycoords="axes fraction", color=COLOURS["compiled"], fontsize=11)
    for way, colour in COLOURS.items():
        ax.scatter([], [], s=62, color=colour, label=LABELS[way])
    ax.set_xscale("log")
    ax.set_yticks(range(len(races)), [race.case for race in reversed(races)])
    ax.set_ylim(-0.6, len(races) - 0.4)
    ax.tick_params(axis="y", which="both", length=0)
    ax.grid(axis="x", color="#e6e8eb", lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel("time (s)")
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(top=False, right=False, which="both")
    fig.legend(loc="outside upper center", ncols=3, handletextpad=0.2)
    return fig
