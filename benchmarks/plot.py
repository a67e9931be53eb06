"""Two figures of the ratios: one dot a case by groups, and one line a case. Begin with :func:`plot`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from harness import Result
from report import by_program, geometric_mean

INK, GRID, GOOD, BAD, SECOND = "#24292f", "#e6e8eb", "#1f5f8b", "#b0413e", "#c99a2e"
STYLE = {"font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 12}
PANELS = (
    # kind, against, limit, title
    ("run", "jax", 1.05, "run, jitney / JAX"),
    ("first", "jax", 1.05, "first call, jitney / JAX"),
    ("run", "numpy", 1.0, "run, jitney / NumPy"),
)
ROWS_PER_COLUMN = 66


def plot(results: list[Result], path: Path) -> list[Path]:
    """Write ``path`` (groups) and its neighbour ``..._cases`` (each case); returns what was written."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    written = []
    detail = path.with_name(f"{path.stem}_cases{path.suffix}")
    with plt.rc_context(STYLE):
        for draw, place in ((_groups, path), (_cases, detail)):
            figure = draw(plt, results)
            if figure is not None:
                figure.savefig(place, dpi=130)
                plt.close(figure)
                written.append(place)
    return written


def _tidy(axes: Any) -> None:
    axes.set_xscale("log")
    axes.axvline(1, color=INK, lw=0.8)
    axes.grid(axis="x", color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")


# -- groups ---------------------------------------------------------------------------------------------


def _groups(plt: Any, results: list[Result]) -> Any:
    """A panel for each question: dots are cases, red above the limit (the worst with its name); bars are means."""
    groups = list(dict.fromkeys(r.case.group for r in results))[::-1]
    panels = [p for p in PANELS if any(_ratio(r, p[0], p[1]) for r in results)]
    if not panels:
        return None
    size = (2.2 + 4.8 * len(panels), 0.62 * len(groups) + 1.2)
    figure, all_axes = plt.subplots(
        1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (kind, against, limit, title) in zip(all_axes[0], panels, strict=True):
        for y, group in enumerate(groups):
            found = [(x, r) for r in results if r.case.group == group and (x := _ratio(r, kind, against))]
            _strip(axes, y, sorted(found, key=lambda pair: pair[0]), limit)
        _tidy(axes)
        axes.set_xlim(right=max(axes.get_xlim()[1], 1.0) * 12)  # room for names
        axes.set_title(title, fontsize=13, pad=10)
    all_axes[0][0].set_yticks(range(len(groups)), groups)
    all_axes[0][0].set_ylim(-0.6, len(groups) - 0.4)
    return figure


def _strip(axes: Any, y: int, found: list[tuple[float, Result]], limit: float) -> None:
    if not found:
        return
    xs = [x for x, _ in found]
    ys = [y + 0.3 * math.sin(2.4 * i) for i in range(len(xs))]  # spread, so that equal ones can be told apart
    colours = [BAD if x > limit else GOOD for x in xs]
    axes.scatter(xs, ys, s=22, c=colours, alpha=0.8, linewidths=0)
    if xs[-1] > limit:
        place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 9, "color": BAD}
        axes.annotate(found[-1][1].case.name, (xs[-1], ys[-1]), annotation_clip=False, **place)
    axes.plot([geometric_mean(xs)] * 2, [y - 0.38, y + 0.38], color=INK, lw=2.2)


def _ratio(r: Result, kind: str, against: str) -> float | None:
    return r.ratio(against) if r.case.kind == kind else None


# -- cases ----------------------------------------------------------------------------------------------


def _cases(plt: Any, results: list[Result]) -> Any:
    """A line for each program: filled dots are runs against JAX, rings first calls, crosses runs against NumPy."""
    programs = [
        (name, kinds) for (_, name), kinds in by_program(results).items() if {"run", "first"} & kinds.keys()
    ]
    if not programs:
        return None
    columns = [programs[i : i + ROWS_PER_COLUMN] for i in range(0, len(programs), ROWS_PER_COLUMN)]
    size = (7.6 * len(columns), 0.215 * len(columns[0]) + 1.3)
    figure, all_axes = plt.subplots(
        1, len(columns), figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    for axes, column in zip(all_axes[0], columns, strict=True):
        for i, (_, kinds) in enumerate(column):
            _line(axes, len(columns[0]) - 1 - i, kinds)
        names = [name for name, _ in column]
        axes.set_yticks([len(columns[0]) - 1 - i for i in range(len(names))], names, fontsize=10)
        axes.set_ylim(-0.7, len(columns[0]) - 0.3)
        _tidy(axes)
    figure.legend(handles=_legend(plt), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _line(axes: Any, y: int, kinds: dict[str, Result]) -> None:
    run, first = kinds.get("run"), kinds.get("first")
    ratio = run.ratio("jax") if run else None
    if ratio is not None:
        colour = GOOD if ratio <= 1.05 else BAD
        axes.plot([1, ratio], [y, y], color=colour, lw=1.6, alpha=0.6)
        axes.scatter([ratio], [y], s=26, color=colour, zorder=3)
    if first is not None and first.ratio("jax") is not None:
        axes.scatter([first.ratio("jax")], [y], s=26, facecolors="white", edgecolors=INK, lw=0.9, zorder=2)
    if run is not None and run.ratio("numpy") is not None:
        axes.scatter([run.ratio("numpy")], [y], s=24, marker="x", color=SECOND, lw=1.2, zorder=2)


def _legend(plt: Any) -> list[Any]:
    def mark(label: str, **style: Any) -> Any:
        return plt.Line2D([], [], ls="", label=label, **style)

    return [
        mark("run, jitney / JAX", marker="o", color=GOOD),
        mark("... above 1.05", marker="o", color=BAD),
        mark("first call, jitney / JAX", marker="o", mfc="white", mec=INK),
        mark("run, jitney / NumPy and SciPy", marker="x", color=SECOND),
    ]
