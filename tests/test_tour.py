"""The tour, run as a reader would run it, with a shorter Markov chain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOUR = Path(__file__).resolve().parent.parent / "examples" / "tour" / "tour.py"
FIGURES = "plummer gradient branches lorentzian decay velocities corner chains timings".split()


def test_tour_holds_its_checks_and_writes_its_report(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "JITNEY_TOUR_STEPS": "300",
        "JITNEY_TOUR_OUT": str(tmp_path),
        "MPLBACKEND": "Agg",
        "PYTHONUTF8": "1",
    }
    environment.pop("JITNEY_TRACEBACK", None)
    command = [sys.executable, "-W", "error::UserWarning", str(TOUR)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Warning" not in said, said
    assert "FAIL" not in said

    for name in FIGURES:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == len(FIGURES)
    assert "http://" not in page and "<script" not in page and "<link" not in page  # self-contained
    assert "checks held" in page and str(TOUR.parent) not in page
