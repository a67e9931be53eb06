"""README's examples run as printed, and do what their comments say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np

import jitney

README = Path(__file__).resolve().parent.parent / "README.md"
FIT, FLOW, LOOP, THREADS = re.findall(
    r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.M | re.S
)


def _run(example: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    return names


def test_fit() -> None:
    assert len(FIT.strip().splitlines()) <= 16
    names = _run(FIT)
    values, times, flux = (np.asarray(names[name]) for name in ("best", "t", "flux"))
    model = values[0] * np.exp(-times / values[1])
    left = np.array([np.sum((flux - model) * d) for d in (model, model * times)])
    assert np.all(np.abs(left) < 1e-3 * np.abs([np.sum(flux * model), np.sum(flux * model * times)]))
    assert np.asarray(names["errors"]).shape == (2,)


def test_control_flow(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("import jitney\n\n" + FLOW)
    names = runpy.run_path(str(tmp_path / "flow.py"))
    assert [int(names["collatz"](n)) for n in (1, 6, 27)] == [0, 8, 111]


def test_loop() -> None:
    names = _run(LOOP)
    e, x = np.asarray(names["eccentricities"]), np.asarray(names["anomalies"])
    np.testing.assert_allclose(x - e * np.sin(x), 1.0, rtol=1e-14)
    np.testing.assert_allclose(names["slopes"], np.sin(x) / (1 - e * np.cos(x)), rtol=1e-12)


def test_threads() -> None:
    outside = jitney.config.num_threads
    exec(compile(THREADS, "README.md", "exec"), {"jitney": jitney})
    assert jitney.config.num_threads == 2
    jitney.config.num_threads = None
    assert jitney.config.num_threads == outside
