"""The configuration: switches without effect, absl's command line, 64-bit dtypes that are named while they are off."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jitney
import jitney.numpy as jtnp


def test_every_switch_of_jax_is_accepted() -> None:
    missing = [name for name in jax.config.values if name not in jitney.config.values]
    assert missing == []
    before = jitney.config.jax_cpu_collectives_implementation
    with jitney.config.temporarily("jax_cpu_collectives_implementation", "mpi"):
        assert jitney.config.read("jax_cpu_collectives_implementation") == "mpi"
    assert jitney.config.jax_cpu_collectives_implementation == before == "gloo"


def test_misuse() -> None:
    with pytest.raises(AttributeError, match="did you mean jax_debug_nans"):
        jitney.config.update("jax_debug_nan", True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = jitney.config.nothing
    with pytest.raises(ValueError, match="one of 'allow', 'warn', 'raise', got 'no'"):
        jitney.config.update("jax_numpy_rank_promotion", "no")
    assert jitney.config.jax_numpy_rank_promotion == "allow"


def test_switches_on_absl_s_command_line() -> None:
    pytest.importorskip("absl")
    code = """
from absl import app
import jitney
jitney.config.config_with_absl()
def main(arguments):
    c = jitney.config
    print(arguments[1:], c.jax_debug_nans, c.jax_enable_x64, c.jax_num_cpu_devices)
app.run(main)
"""
    flags = ["--jax_debug_nans", "--jax_enable_x64=false", "--jax_num_cpu_devices=3", "a"]
    run = lambda code: subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True)  # noqa: E731
    assert run(code).stdout.strip() == "['a'] True False 3"
    code = "import jitney; jitney.config.parse_flags_with_absl(); print(jitney.config.jax_debug_nans)"
    assert run(code).stdout.strip() == "True"


X = np.ones(3, np.float32)
REQUESTS: dict[str, Callable[[Any, Any], Any]] = {
    "zeros": lambda m, np_: np_.zeros(2, "float64"),
    "zeros of a Python type": lambda m, np_: np_.zeros(2, float),
    "ones of a scalar type": lambda m, np_: np_.ones(2, np_.uint64),
    "full": lambda m, np_: np_.full((2,), 1, "complex128"),
    "zeros_like": lambda m, np_: np_.zeros_like(X, dtype="float64"),
    "array": lambda m, np_: np_.array([1.0], dtype="float64"),
    "array of NumPy's": lambda m, np_: np_.array(np.ones(3)),
    "asarray": lambda m, np_: np_.asarray(np.ones(3), dtype=np.float64),
    "astype": lambda m, np_: np_.asarray(X).astype("int64"),
    "astype of a Python type": lambda m, np_: np_.asarray(X).astype(float),
    "scalar": lambda m, np_: np_.float64(3),
    "view": lambda m, np_: np_.asarray(X).view("int64"),
    "arange": lambda m, np_: np_.arange(3, dtype="int64"),
    "linspace": lambda m, np_: np_.linspace(0, 1, 3, dtype="float64"),
    "eye": lambda m, np_: np_.eye(2, dtype="float64"),
    "mean": lambda m, np_: np_.mean(X, dtype="float64"),
    "cumsum": lambda m, np_: np_.cumsum(X, dtype="float64"),
    "matmul": lambda m, np_: np_.matmul(X, X, preferred_element_type="float64"),
    "convert_element_type": lambda m, np_: m.lax.convert_element_type(X, "float64"),
    "lax.full": lambda m, np_: m.lax.full((2,), 1, np.float64),
    "lax.iota": lambda m, np_: m.lax.iota("int64", 3),
    "lax.argmax": lambda m, np_: m.lax.argmax(X, 0, "int64"),
    "random.normal": lambda m, np_: m.random.normal(m.random.PRNGKey(0), (2,), dtype="float64"),
    "random.randint": lambda m, np_: m.random.randint(m.random.PRNGKey(0), (2,), 0, 5, dtype="int64"),
    "random.bits": lambda m, np_: m.random.bits(m.random.key(0), (2,), "uint64"),
    "one_hot": lambda m, np_: m.nn.one_hot(np_.array([1]), 2, dtype="float64"),
    "device_put": lambda m, np_: m.device_put(np.ones(3)),
}


def _narrowed(library: Any, numpy_: Any, name: str) -> tuple[Any, bool]:
    with library.enable_x64(False), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = REQUESTS[name](library, numpy_)
    texts = [w for w in caught if "Explicitly requested dtype" in str(w.message)]
    if library is jitney and texts:
        assert texts[0].filename == __file__
    return out.dtype, bool(texts)


@pytest.mark.parametrize("name", REQUESTS)
def test_named_64_bit_dtypes_while_they_are_off(name: str) -> None:
    assert _narrowed(jitney, jtnp, name) == _narrowed(jax, jnp, name)


def test_named_64_bit_dtypes_as_errors() -> None:
    with jitney.enable_x64(False), jitney.config.temporarily("jax_explicit_x64_dtypes", "error"):
        assert jtnp.zeros(2, float).dtype == "float32"
        with pytest.raises(ValueError, match="dtype float64 is not available while jax_enable_x64 is off"):
            jtnp.zeros(2, "float64")
