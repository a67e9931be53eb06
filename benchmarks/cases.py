"""All cases: each file registers its own when it is imported."""

from __future__ import annotations

import importlib

from harness import CASES

FILES = (
    "elementwise",
    "reductions",
    "movement",
    "ordering",
    "matrices",
    "transforms",
    "random_numbers",
    "inference",
    "simulation",
    "networks",
    "loops",
    "long_programs",
    "tour_programs",
    "tour_fits",
    "tour_calls",
)

for _file in FILES:
    _known = len(CASES)
    importlib.import_module(_file)
    for _case in CASES[_known:]:
        _case.file = _file
