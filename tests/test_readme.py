"""README's example runs as printed, and does what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

README = Path(__file__).resolve().parent.parent / "README.md"


def test_example_of_the_readme() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert len(example.strip().splitlines()) <= 16
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)

    values, times, flux = (np.asarray(names[name]) for name in ("best", "t", "flux"))
    model = values[0] * np.exp(-times / values[1])
    left = np.array([np.sum((flux - model) * d) for d in (model, model * times)])
    assert np.all(np.abs(left) < 1e-3 * np.abs([np.sum(flux * model), np.sum(flux * model * times)]))
    assert np.asarray(names["errors"]).shape == (2,)
