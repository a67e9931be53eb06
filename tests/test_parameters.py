"""Parameters that the other tables leave at their defaults mean what they mean in JAX."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_same
from parameter_cases import CASES, INPUTS

_MODULES = "integrate linalg signal sparse.linalg special stats ndimage interpolate".split()


def evaluate(case: str, library: Any) -> Any:
    for name in ("scipy", *[f"scipy.{m}" for m in _MODULES], "image", "nn.initializers"):
        importlib.import_module(f"{library.__name__}.{name}")
    arrays = {name: library.numpy.asarray(x) for name, x in INPUTS.items()}
    names = {"jax": library, "jnp": library.numpy, "lax": library.lax, "jsp": library.scipy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(case, names | arrays)


@pytest.mark.parametrize("case", CASES)
def test_parameter(case: str) -> None:
    got, wanted = evaluate(case, jitney), evaluate(case, jax)
    if isinstance(wanted, (str, bool)):
        assert got == wanted
        return
    single = any(np.asarray(x).dtype == np.float32 for x in jax.tree.leaves(wanted))
    assert_same(got, wanted, 2e-5 if single else 1e-10, False, case)
