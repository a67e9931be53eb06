"""The tables of README.md, from results. Begin with :func:`rewrite`."""

from __future__ import annotations

from pathlib import Path

import report
from harness import Result, seconds_text
from report import by_program, geometric_mean

START, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
Kinds = dict[str, Result]


def rewrite(results: list[Result], path: Path, busy: float | None = None) -> None:
    """Replace the part of the file between the two marks."""
    text = path.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"{path} has no section between {START} and {END}")
    path.write_text(f"{before}{START}\n{section(results, busy)}\n{END}{after}")


def section(results: list[Result], busy: float | None = None) -> str:
    """The means by groups, where they were measured, and a table for each group to unfold."""
    about = report.machine()
    where = f"{about.pop('processor')}, {about.pop('cores')} cores; " + ", ".join(
        f"{k} {v}" for k, v in about.items()
    )
    if busy is not None and busy > 0.5:
        where += f"; the machine was busy with other work (load {busy:.1f})"
    groups: dict[str, dict[str, Kinds]] = {}
    for (group, name), kinds in by_program(results).items():
        groups.setdefault(group, {})[name] = kinds
    parts = [_means(results, list(groups)), f"Measured on {where}."]
    parts += [_details(group, programs) for group, programs in groups.items()]
    return "\n\n".join(parts)


# -- the table of groups --------------------------------------------------------------------------------

QUESTIONS = (
    # title, kind, against
    ("run / JAX", "run", "jax"),
    ("first call / JAX", "first", "jax"),
    ("peak memory / JAX", "memory", "jax"),
    ("run / NumPy, SciPy", "run", "numpy"),
)


def _means(results: list[Result], groups: list[str]) -> str:
    lines = _head(["geometric mean", *(title for title, _, _ in QUESTIONS)])
    for group in [*groups, ""]:
        cells = [_mean(results, group, kind, against) for _, kind, against in QUESTIONS]
        name = group or "**all**"
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _mean(results: list[Result], group: str, kind: str, against: str) -> str:
    """``0.25 (12)``: the mean, and of how many cases."""
    chosen = [r for r in results if r.case.kind == kind and group in ("", r.case.group)]
    ratios = [x for r in chosen if (x := r.ratio(against)) is not None]
    return f"{geometric_mean(ratios):.2f} ({len(ratios)})" if ratios else ""


# -- one table for each group ---------------------------------------------------------------------------


def _details(group: str, programs: dict[str, Kinds]) -> str:
    columns = _columns(programs)
    lines = _head([group, *columns])
    for name, kinds in programs.items():
        lines.append("| " + " | ".join([name, *(_cell(kinds, column) for column in columns)]) + " |")
    table = "\n".join(lines)
    return f"<details><summary>{group}: {len(programs)} cases</summary>\n\n{table}\n\n</details>"


CELLS = {
    # title: (kind, contender whose time is shown, contender against whom jitney's ratio is shown)
    "jitney": ("run", "jitney", None),
    "JAX": ("run", "jax", None),
    "NumPy": ("run", "numpy", None),
    "numba": ("run", "numba", None),
    "/ JAX": ("run", None, "jax"),
    "/ NumPy": ("run", None, "numpy"),
    "first call": ("first", "jitney", None),
    "first / JAX": ("first", None, "jax"),
    "memory / JAX": ("memory", None, "jax"),
    "/ own function": ("run", None, "forward"),
}


def _columns(programs: dict[str, Kinds]) -> list[str]:
    return [title for title in CELLS if any(_cell(kinds, title) for kinds in programs.values())]


def _cell(kinds: Kinds, title: str) -> str:
    kind, shown, against = CELLS[title]
    result = kinds.get(kind) or (kinds.get("process") if kind == "run" else None)
    if result is None:
        return ""
    if against is not None:
        ratio = result.ratio(against)
        if ratio is None:
            return ""
        limit = {"jax": result.case.target} | result.case.also
        text = f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.3f}"
        return f"**{text}**" if ratio > (limit.get(against) or 1.05) else text
    if shown in result.missing:
        return "missing" if shown == "jitney" else ""
    best = result.best(shown or "jitney")
    return "" if best is None else seconds_text(best)


def _head(titles: list[str]) -> list[str]:
    return ["| " + " | ".join(titles) + " |", "|---|" + "--:|" * (len(titles) - 1)]
