"""``make bench``: jitney against JAX, NumPy and numba, interleaved in one run.

    python benchmarks/run.py [NAME ...] [--quick] [--json PATH] [--readme]

NAME selects cases whose name or group contains it. ``--readme`` rewrites the table in README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "True")

import harness  # noqa: E402
import loops  # noqa: E402, F401
import tour_calls  # noqa: E402, F401
import tour_fits  # noqa: E402, F401
import tour_programs  # noqa: E402, F401

START, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--readme", action="store_true", help="rewrite the table in README.md")
    options = parser.parse_args()
    chosen = [
        c
        for c in harness.CASES
        if not options.names or any(n.lower() in f"{c.group} {c.name}".lower() for n in options.names)
    ]
    if not chosen:
        print(f"no case matches {options.names}; there are: {', '.join(c.name for c in harness.CASES)}")
        return 2
    results = []
    for item in chosen:
        print(f"measuring {item.name} ...", flush=True)
        results.append(harness.measure(item, options.quick))
    print("\n" + harness.table(results) + "\n")
    for group, mean in harness.geometric_means(results).items():
        print(f"geometric mean of jitney / jax, {group}: {mean:.3f}")
    harness.save(results, options.json)
    harness.plot(results, options.json.with_suffix(".png"))
    print(f"saved {options.json} and {options.json.with_suffix('.png')}")
    if options.readme:
        rewrite_readme(results)
    return 0


def rewrite_readme(results: list[harness.Result]) -> None:
    path = HERE.parent / "README.md"
    text = path.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"README.md has no section between {START} and {END}")
    about = harness.machine()
    where = f"{about.pop('processor')}, {about.pop('cores')} cores; " + ", ".join(
        f"{k} {v}" for k, v in about.items()
    )
    means = harness.geometric_means(results)
    summary = "; ".join(f"{group} {mean:.2f}" for group, mean in means.items())
    text = f"{harness.table(results, markdown=True)}\n\nGeometric mean of the ratios: {summary}.\n\nMeasured on {where}."
    path.write_text(f"{before}{START}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
