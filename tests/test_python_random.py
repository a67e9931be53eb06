"""Random programs of Python's control flow: compiled, batched and run as they are, they give what Python gave before."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from random_flow import program

ARRAY = np.array([3, -1, 4, 1, 5])
NUMBERS = ((2, 3), (-1, 7), (8, 2), (11, 6))
KNOWN = ((True, 1), (False, 3))


def loaded(seed: int, folder: Path, smooth: bool = False) -> Any:
    path = folder / f"random_flow_{seed}.py"
    path.write_text(program(seed, smooth))
    spec: Any = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.program


def outcome(function: Any, *args: Any) -> Any:
    """The numbers that it gives, None where it raises what programs raise."""
    try:
        return tuple(int(value) for value in function(*args))
    except ValueError as error:
        if not str(error).startswith("not "):
            raise
        return None


@pytest.mark.parametrize("seed", range(32))
def test_programs_give_what_python_gives(seed: int, tmp_path: Path) -> None:
    function = loaded(seed, tmp_path)
    calls = [(x, n, flag, k) for flag, k in KNOWN for x, n in NUMBERS]
    wanted = [outcome(function, x, n, ARRAY.copy(), flag, k) for x, n, flag, k in calls]
    compiled = jitney.jit(function, static_argnums=(3, 4))
    for (x, n, flag, k), want in zip(calls, wanted, strict=True):
        assert outcome(compiled, x, n, jnp.asarray(ARRAY), flag, k) == want
    assert [outcome(function, x, n, ARRAY.copy(), flag, k) for x, n, flag, k in calls] == wanted
    flag, k = KNOWN[seed % 2]
    here = {
        call[:2]: want for call, want in zip(calls, wanted, strict=True) if call[2:] == (flag, k) and want
    }
    if here:
        many = jitney.jit(jitney.vmap(lambda x, n: function(x, n, jnp.asarray(ARRAY), flag, k)))
        got = many(*map(jnp.array, zip(*here, strict=True)))
        rows = np.stack([np.broadcast_to(column, len(here)) for column in got], 1)
        np.testing.assert_array_equal(rows, list(here.values()))


@pytest.mark.parametrize("seed", range(100, 112))
def test_derivatives_are_those_of_differences(seed: int, tmp_path: Path) -> None:
    function = loaded(seed, tmp_path, smooth=True)
    flag, k = KNOWN[seed % 2]
    at, step = 0.7, 1e-5
    slopes = {}
    for x, n in NUMBERS:
        plain = lambda t, x=x, n=n: float(function(t, x, n, ARRAY.copy(), flag, k)[2])
        try:
            slopes[x, n] = (plain(at + step) - plain(at - step)) / (2 * step)
        except ValueError:
            continue
    traced = lambda t, x, n: function(t, x, n, jnp.asarray(ARRAY), flag, k)[2] * 1.0
    for (x, n), slope in slopes.items():
        assert float(jitney.jit(jitney.grad(traced))(at, x, n)) == pytest.approx(slope, rel=1e-4, abs=1e-5)
        forward = jitney.jit(lambda t, x, n: jitney.jvp(lambda t: traced(t, x, n), (t,), (1.0,))[1])
        assert float(forward(at, x, n)) == pytest.approx(slope, rel=1e-4, abs=1e-5)
    if slopes:
        many = jitney.jit(jitney.vmap(jitney.grad(traced), (None, 0, 0)))
        got = many(at, *map(jnp.array, zip(*slopes, strict=True)))
        np.testing.assert_allclose(got, list(slopes.values()), rtol=1e-4, atol=1e-5)
