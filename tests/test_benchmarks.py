"""The benchmark harness: contenders that fail or differ are reported, ratios and goals are right, reports are whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The modules of the harness, which are scripts beside each other."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import cases
        import harness
        import programs
        import readme
        import report

        yield SimpleNamespace(cases=cases, harness=harness, programs=programs, readme=readme, report=report)
    finally:
        sys.path.remove(str(BENCHMARKS))


def result(bench: Any, name: str = "a case", kind: str = "run", **seconds: list[float]) -> Any:
    item = bench.harness.Case(name, "a group", dict, 1.05, also={"numpy": 1.0}, kind=kind)
    return bench.harness.Result(item, seconds)


def test_cases_are_distinct_and_every_file_has_some(bench: Any) -> None:
    keys = [(c.name, c.kind) for c in bench.harness.CASES]
    assert len(set(keys)) == len(keys) > 400
    assert all(c.kind in bench.harness.KINDS for c in bench.harness.CASES)
    assert {c.name for c in bench.harness.CASES if c.kind == "memory"} == set(bench.programs.PROGRAMS)


def test_contenders_that_raise_are_missing_and_differing_ones_are_named(bench: Any) -> None:
    def broken() -> Any:
        raise NotImplementedError("no such function\nand more")

    contenders = {
        "jitney": lambda: np.ones(3),
        "jax": broken,
        "numpy": lambda: np.array([1.0, 1.0, 1.1]),
        "numba": bench.harness.Late(lambda: lambda: (np.ones(3), np.ones(3))),
    }
    item = bench.harness.Case("x", "g", lambda: contenders, 1.0, check=lambda x: x, least_seconds=1e-6)
    found = bench.harness.measure(item, quick=True)
    assert found.missing == {"jax": "NotImplementedError: no such function"}
    assert found.differs == {"numpy": "relative error 9.1e-02", "numba": "2 arrays rather than 1"}
    assert found.ratio("jax") is None and found.goals() == []
    text = bench.report.table([found])
    assert "missing jax: NotImplementedError" in text and "differs from NumPy: relative" in text


def test_first_calls_are_of_new_functions(bench: Any) -> None:
    made: list[int] = []

    def fresh() -> Any:
        made.append(0)
        calls: list[int] = []
        return lambda: calls.append(0) or [][len(calls) - 1 :]

    item = bench.harness.Case("x", "g", lambda: {"jitney": fresh}, kind="first", repeats=2)
    found = bench.harness.measure(item, quick=True)
    assert len(made) == 1 + len(found.seconds["jitney"])


@pytest.mark.parametrize(
    ("a", "b", "wrong"),
    [
        (np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, np.inf]), False),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-9]), False),
        (np.array([1.0, 2.0]), np.array([1.0, 2.001]), True),
        (np.array([1.0, 2.0], np.float32), np.array([1.0, 2.00001], np.float32), False),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), True),
        (np.array([1, 2]), np.array([1, 3]), True),
        (np.array([True]), np.array([True]), False),
        (np.zeros((2, 3)), np.zeros((3, 2)), True),
    ],
)
def test_answers_agree_up_to_rounding(bench: Any, a: np.ndarray, b: np.ndarray, wrong: bool) -> None:
    assert bool(bench.harness.difference(a, b)) == wrong


def test_ratios_goals_and_means(bench: Any) -> None:
    slow = result(bench, "slow", jitney=[3.0, 2.0], jax=[9.0, 1.0], numpy=[4.0, 5.0])
    fast = result(bench, "fast", jitney=[1.0], jax=[8.0])
    absent = result(bench, "absent", jax=[1.0])
    absent.missing["jitney"] = "ImportError: no"
    assert slow.ratio("jax") == 2.0 and slow.ratio("numpy") == 0.5 and slow.ratio("numba") is None
    assert [(g.against, g.met) for g in slow.goals()] == [("jax", False), ("numpy", True)]
    means = bench.report.geometric_means([slow, fast, absent])
    assert means["run"]["all"] == pytest.approx(0.5) and means["run"]["a group"] == pytest.approx(0.5)
    worst = bench.report.worst_first([fast, slow, absent])
    assert [r.case.name for r in worst] == ["absent", "slow", "fast"]
    assert "1 missing in jitney" in bench.report.summary([slow, fast, absent])


def test_tables_of_the_readme(bench: Any, tmp_path: Path) -> None:
    results = [
        result(bench, jitney=[2e-3], jax=[1e-3], numpy=[4e-3]),
        result(bench, kind="first", jitney=[1e-2], jax=[1e-1]),
        result(bench, kind="memory", jitney=[1e6], jax=[4e6]),
    ]
    path = tmp_path / "README.md"
    path.write_text(f"before\n{bench.readme.START}\nold\n{bench.readme.END}\nafter\n")
    bench.readme.rewrite(results, path)
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| a group | 2.00 (1) | 0.10 (1) | 0.25 (1) | 0.50 (1) |" in text
    assert "| a case | 2 ms | 1 ms | 4 ms | **2.00** | 0.50 | 10 ms | 0.10 | 0.25 |" in text


@pytest.mark.parametrize("who", ["jitney", "jax", "numpy"])
def test_one_program_runs_on_every_engine(bench: Any, who: str) -> None:
    data = bench.programs.normal(4)

    def build(m: Any) -> Any:
        return lambda x, d: m.lax.fori_loop(0, 3, lambda i, y: y * m.np.cos(d["a"]), x), (data, {"a": data})

    call = bench.programs.thunk(bench.programs.engine(who), build)
    np.testing.assert_allclose(call(), data * np.cos(data) ** 3, rtol=1e-14)
