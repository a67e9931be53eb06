"""``make bench``: jitney against JAX, NumPy with SciPy, and numba, interleaved in one run.

    python benchmarks/run.py [NAME ...] [--kind KIND] [--quick] [--worst] [--json PATH] [--readme]

NAME selects cases whose name, group or file contains it. ``--worst`` sorts the table by how far goals are missed;
``--readme`` rewrites the tables in README.md. Compiled code is never taken from a cache on disk.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "True")
os.environ["JITNEY_CACHE"] = "0"  # a first call compiles
# OpenBLAS's threads look out for work, busily, after NumPy's turn; for 2^20 cycles rather than 2^26.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")

import cases  # noqa: E402, F401
import harness  # noqa: E402
import plot  # noqa: E402
import readme  # noqa: E402
import report  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--kind", choices=harness.KINDS, action="append", help="only these kinds")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repeats")
    parser.add_argument("--worst", action="store_true", help="sort by how far goals are missed")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--readme", action="store_true", help="rewrite the tables in README.md")
    options = parser.parse_args()
    chosen = [c for c in harness.CASES if wanted(c, options)]
    if not chosen:
        groups = dict.fromkeys(c.group for c in harness.CASES)
        print(f"no case matches {options.names}; there are the groups {', '.join(groups)}")
        return 2
    busy = report.load()
    if busy is not None and busy > 0.5:
        print(
            f"the machine is at work on something else (load {busy:.1f}): this disturbs whoever uses threads"
        )
    results = measure_all(chosen, options.quick)
    report.save(results, options.json, busy)
    shown = report.worst_first(results) if options.worst else results
    print("\n" + report.table(shown) + "\n\n" + report.summary(results))
    written = plot.plot(results, options.json.with_suffix(".png"))
    print("saved " + ", ".join(map(str, [options.json, *written])))
    if options.readme:
        readme.rewrite(results, HERE.parent / "README.md", busy)
    return 0


def wanted(item: harness.Case, options: argparse.Namespace) -> bool:
    if options.kind and item.kind not in options.kind:
        return False
    text = f"{item.group}/{item.name}/{item.file}.py".lower()
    return not options.names or any(name.lower() in text for name in options.names)


def measure_all(chosen: list[harness.Case], quick: bool) -> list[harness.Result]:
    """The results, each printed when it is there; an interrupt ends the run with those there are."""
    start = time.perf_counter()
    results: list[harness.Result] = []
    with warnings.catch_warnings(), contextlib.suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")  # overflows of NumPy in the cases
        for i, item in enumerate(chosen):
            results.append(harness.measure(item, quick))
            elapsed = time.perf_counter() - start
            print(f"{elapsed:4.0f} s  {i + 1}/{len(chosen)}  {report.line(results[-1])}", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
