"""What was measured, as tables, JSON, a plot and the section of README.md. Begin with :func:`table`."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import Result, bytes_text, seconds_text

COLUMNS = {"jitney": "jitney", "jax": "JAX", "numpy": "NumPy", "numba": "numba"}
TITLES = COLUMNS | {"forward": "its own function"}
KINDS = {"run": "run", "first": "first call", "process": "new process", "memory": "peak memory"}
DISPATCH = ("calls", "eager")  # groups in which next to nothing is computed

HEAD = ["case", *COLUMNS.values(), *(f"/{title}" for title in list(COLUMNS.values())[1:]), ""]

Programs = dict[tuple[str, str], dict[str, Result]]


def by_program(results: Iterable[Result]) -> Programs:
    """Results of one name together, in order: ``{(group, name): {kind: result}}``."""
    out: Programs = {}
    for r in results:
        out.setdefault((r.case.group, r.case.name), {})[r.case.kind] = r
    return out


# -- the full table -------------------------------------------------------------------------------------


def rows(result: Result) -> list[list[str]]:
    """The case with its first goal, then one row for each goal that was missed besides, and each oddity."""
    r = result
    text = bytes_text if r.case.kind == "memory" else seconds_text
    times = ["missing" if c in r.missing else text(r.best(c)) if r.best(c) else "" for c in COLUMNS]
    ratios = ["" if r.ratio(c) is None else f"{r.ratio(c):.3f}" for c in list(COLUMNS)[1:]]
    goals = r.goals()
    verdict = "" if not goals else "met" if all(g.met for g in goals) else "missed"
    name = r.case.name if r.case.kind == "run" else f"{r.case.name}, {KINDS[r.case.kind]}"
    out = [[name, *times, *ratios, verdict]]
    blank = [""] * (len(COLUMNS) - 1)
    for g in goals:
        if not g.met or g.against not in COLUMNS:
            what = f"... against {TITLES[g.against] if g.against in TITLES else g.against}: {g.reached}, wanted {g.wanted}"
            out.append([what, *[""] * len(COLUMNS), *blank, "met" if g.met else "missed"])
    oddities = {f"missing {who}": why for who, why in r.missing.items()}
    oddities |= {f"differs from {TITLES[who]}": why for who, why in r.differs.items()}
    out += [[f"... {what}: {why}", *[""] * len(COLUMNS), *blank, ""] for what, why in oddities.items()]
    return out


def line(result: Result) -> str:
    """The case in one line, without its goals."""
    name, *cells = rows(result)[0]
    return f"{name}: " + ", ".join(f"{t} {c}" for t, c in zip(HEAD[1:], cells, strict=True) if c)


def table(results: list[Result]) -> str:
    """Best times, and ratios jitney / other."""
    body = [row for r in results for row in rows(r)]
    # Remarks may run on to the right of their column.
    width = max(len(row[0]) for row in [HEAD, *body] if not row[0].startswith("..."))
    widths = [max(len(row[i]) for row in [HEAD, *body]) for i in range(len(HEAD))]
    lines = [
        row[0].ljust(width)
        + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
        for row in [HEAD, *body]
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])


def worst_first(results: list[Result]) -> list[Result]:
    """Those with jitney missing, then those whose worst ratio over its goal is largest."""

    def badness(r: Result) -> float:
        if "jitney" in r.missing:
            return math.inf
        goals = {"jax": r.case.target} | r.case.also
        ratios = [ratio / (want or 1.0) for who, want in goals.items() if (ratio := r.ratio(who)) is not None]
        return max(ratios, default=0.0)

    return sorted(results, key=badness, reverse=True)


# -- means ----------------------------------------------------------------------------------------------


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def geometric_means(results: list[Result]) -> dict[str, dict[str, float]]:
    """``{kind: {group: mean of jitney / jax}}``, with ``all`` and ``all that compute`` for each kind."""
    found: dict[str, dict[str, list[float]]] = {}
    for r in results:
        ratio = r.ratio("jax")
        if ratio is not None:
            groups = ["all", r.case.group]
            groups += [] if r.case.group in DISPATCH else ["all that compute"]
            for group in groups:
                found.setdefault(r.case.kind, {}).setdefault(group, []).append(ratio)
    return {kind: {g: geometric_mean(x) for g, x in groups.items()} for kind, groups in found.items()}


def summary(results: list[Result]) -> str:
    """The means, how many cases miss a goal, and how many jitney cannot run."""
    lines = []
    for kind, groups in geometric_means(results).items():
        lines.append(f"geometric mean of jitney / JAX, {KINDS[kind]}:")
        lines += [f"    {group}: {mean:.3f}" for group, mean in groups.items()]
    missed = sum(not all(g.met for g in r.goals()) for r in results)
    absent = sum("jitney" in r.missing for r in results)
    slower = sum((r.ratio("numpy") or 0) > 1 for r in results if r.case.kind == "run")
    behind = sum((r.ratio("jax") or 0) > 1.05 for r in results if r.case.kind != "memory")
    lines.append(
        f"{len(results)} measurements: {missed} miss a goal, {absent} missing in jitney; "
        f"{behind} above 1.05 of JAX, {slower} slower than NumPy"
    )
    return "\n".join(lines)


# -- files ----------------------------------------------------------------------------------------------


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """How many others wanted a core in the last minute, where the system says so."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def machine() -> dict[str, Any]:
    """Processor, cores and versions, without which a timing says little."""
    cpus = Path("/proc/cpuinfo")
    models = [x for x in cpus.read_text().splitlines() if x.startswith("model name")] if cpus.exists() else []
    return {
        "processor": models[0].partition(":")[2].strip()
        if models
        else platform.processor() or platform.machine(),
        "cores": cores(),
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "scipy", "jax", "numba")},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def save(results: list[Result], path: Path, busy: float | None = None) -> None:
    """All of it as JSON; ``busy`` is the load of the machine before the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine() | {"load_before": busy},
        "geometric_mean_of_ratio_to_jax": geometric_means(results),
        "cases": [r.as_dict() for r in results],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
