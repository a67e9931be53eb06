"""Names and signatures of JAX's public modules never get lost: what ``make parity`` finds, held."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

import jitney
from jitney._api import unsupported


def _parity() -> Any:
    path = Path(__file__).parents[1] / "tools" / "parity.py"
    spec = importlib.util.spec_from_file_location("parity", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


PARITY = _parity()
# Modules that are not complete yet; a name goes from here when its module has all of JAX's names and signatures.
UNFINISHED: list[str] = []
# Modules whose functions all have a row in the op table; more are to follow.
WITH_ROWS = ["numpy", "numpy.fft", "numpy.linalg", "lax", "lax.linalg", "scipy.linalg", "nn", "ops"]
WITH_ROWS += """scipy.special scipy.stats scipy.signal scipy.fft scipy.ndimage scipy.integrate scipy.cluster.vq image""".split()

same_version = pytest.mark.skipif(
    not jax.__version__.startswith("0.10."), reason="other versions of JAX have other names"
)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return {f.name: f for f in PARITY.findings()}


@same_version
@pytest.mark.parametrize("module", [m for m in PARITY.MODULES if m not in UNFINISHED])
def test_names_and_signatures(found: dict[str, Any], module: str) -> None:
    assert found[module].missing == []
    assert found[module].differing == []


@same_version
@pytest.mark.parametrize("module", WITH_ROWS)
def test_rows(found: dict[str, Any], module: str) -> None:
    assert found[module].without_row == []


@pytest.mark.parametrize("module", sorted(unsupported.REASONS))
def test_unsupported_names_say_why(module: str) -> None:
    place = importlib.import_module(f"jitney.{module}" if module else "jitney")
    for name, reason in unsupported.REASONS[module].items():
        value = getattr(place, name)
        assert unsupported.is_unsupported(value), f"{module}.{name} is there, and listed as unsupported"
        with pytest.raises(NotImplementedError, match="is not supported: ") as error:
            value()
        assert reason in str(error.value)


def test_unsupported_classes_have_no_instances() -> None:
    assert not isinstance(1, jitney.export.Exported)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(jitney.export, "nothing")  # noqa: B009
    with pytest.raises(AttributeError, match="module 'jitney' has no attribute 'nothing'"):
        getattr(jitney, "nothing")  # noqa: B009
    with pytest.raises(NotImplementedError, match="makes no MLIR"):
        getattr(jitney.interpreters.mlir.ir, "RankedTensorType")  # noqa: B009
