"""Every sampler beside JAX for the same key: values to a few ulp, integers exactly, dtypes, shapes, parameters at the edge."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.random

inf, nan = np.inf, np.nan


def array(*x: float) -> np.ndarray:
    return np.array(x)


ROWS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
LOGITS = np.array([[0.1, 0.5, -inf], [1, 2, 3.0]])
COVARIANCE = np.array([[2.0, 0.5], [0.5, 1.0]])
KEYS = "PRNGKey key split fold_in clone key_data key_impl wrap_key_data random_gamma_p key_dtype".split()

CASES: dict[str, list[tuple]] = {
    "ball": [(3, {"p": 1})],
    "bernoulli": [(array(0, 0.3, 1, nan),), (), (0.3, {"mode": "high"})],
    "beta": [(array(0.5, 2, 1e-3, 100, nan, 0, inf), array(2, 0.1, 1e-3, 50, 1, 1, 1))],
    "binomial": [(array(10, 1000, 0, 5, -1, inf, nan, 50), array(0.3, 0.5, 0.2, 1, 0.5, 0.5, 0.5, 0.9))],
    "bits": [(), ({"dtype": "uint8", "shape": (5,)}), ({"dtype": "uint16", "shape": (3, 3)})],
    "categorical": [
        (LOGITS,),
        (LOGITS, {"axis": 0}),
        (array(0.1, 0.2, 0.3), {"mode": "low"}),
        (array(0.1, 0.2, 0.3), {"mode": "high"}),
        (array(0.1, 0.2, 0.3, 0.5), {"shape": (3,), "replace": False}),
    ],
    "cauchy": [()],
    "chisquare": [(array(0.5, 1, 10, 100, 0, nan),)],
    "choice": [
        (7, {"shape": (3,)}),
        (ROWS, {"shape": (2,), "axis": 1}),
        (7, {"shape": (5,), "replace": False}),
        (3, {"shape": (4,), "p": array(0.2, 0.3, 0.5)}),
        (4, {"shape": (3,), "p": array(0.2, 0.3, 0.4, 0.1), "replace": False}),
        (5, {"shape": (0,)}),
        (5, {"shape": (2,), "mode": "high"}),
    ],
    "dirichlet": [(np.array([[1e-3, 1e-3], [100, 1], [0.5, 2]]),)],
    "double_sided_maxwell": [(0.0, 1.0)],
    "exponential": [()],
    "f": [(array(1, 5, 0.5), array(2, 10, 0.5))],
    "gamma": [(array(0.01, 0.5, 1, 2, 100, 1e-8, 0, inf, nan, -1),)],
    "generalized_normal": [(2.5,)],
    "geometric": [(array(0.01, 0.5, 1, 0.99),)],
    "gumbel": [(), ({"mode": "high"}), ({"mode": "low"})],
    "laplace": [()],
    "loggamma": [(array(1e-5, 0.5, 1, 2, 100),)],
    "logistic": [()],
    "lognormal": [(), (array(0.5, 2),)],
    "maxwell": [()],
    "multinomial": [(array(5, 9), np.array([[0.2, 0.8], [0, 1]]), {"shape": (3, 2, 2)})],
    "multivariate_normal": [(array(0, 1), COVARIANCE, {"method": m}) for m in ("cholesky", "svd", "eigh")],
    "normal": [(), ({"dtype": "complex64", "shape": (3,)})],
    "orthogonal": [(3,), (1,), (2, {"m": 3}), (2, {"shape": (2,)})],
    "pareto": [(array(0.5, 2, 10),)],
    "permutation": [(7,), (ROWS,), (ROWS, {"axis": 1}), (ROWS, {"axis": 1, "independent": True}), (0,)],
    "poisson": [(array(0, 0.5, 5, 9.9, 10, 100, 1e6, nan),)],
    "rademacher": [()],
    "randint": [
        ({"minval": 0, "maxval": 10}),
        ({"minval": np.array([-5, 0]), "maxval": np.array([5, 300]), "shape": (2,)}),
        ({"minval": 7, "maxval": 3}),
        ({"minval": 0, "maxval": 255, "dtype": "uint8", "shape": (9,)}),
    ],
    "rayleigh": [(array(0.5, 2),)],
    "t": [(array(0.5, 1, 3, 100),)],
    "triangular": [(0.0, 0.3, 1.0), (array(0, 1), array(0.5, 2), array(1, 2))],
    "truncated_normal": [(-1.0, 1.0), (array(-inf, 2, 8, -30), array(1, inf, 9, -20))],
    "uniform": [(), ({"minval": -3.0, "maxval": 2.0, "shape": (3,)})],
    "wald": [(array(0.5, 1, 10),)],
    "weibull_min": [(array(1, 2), array(0.5, 2))],
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def quick_oracle() -> Iterator[None]:
    """JAX compiles for most of the time here; with fewer optimizations its numbers are the same."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def test_no_sampler_is_forgotten() -> None:
    names = [n for n in dir(jax.random) if n[0] != "_" and callable(getattr(jax.random, n))]
    assert sorted(set(names) - set(KEYS)) == sorted(CASES)


def _draw(library: Any, name: str, case: Any, single: bool) -> Any:
    case = case if isinstance(case, tuple) else (case,)
    args, kwargs = (case[:-1], case[-1]) if case and isinstance(case[-1], dict) else (case, {})
    sampler = getattr(library.random, name)
    floats = any(isinstance(x, np.ndarray) and x.dtype == float for x in args)
    narrow = lambda x: np.float32(x) if single and isinstance(x, np.ndarray) and x.dtype == float else x  # noqa: E731
    if single and "dtype" in inspect.signature(sampler).parameters and "dtype" not in kwargs:
        kwargs = {**kwargs, "dtype": "int32" if name in INTEGERS else "float32"}
    if not floats and "shape" not in kwargs and name in PLAIN:
        kwargs = {**kwargs, "shape": (2, 3)}
    given = [library.numpy.asarray(narrow(x)) if isinstance(x, np.ndarray) else x for x in args]
    named = {
        k: library.numpy.asarray(narrow(v)) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()
    }
    return sampler(library.random.key(3), *given, **named)


INTEGERS = ("geometric", "poisson", "rademacher", "randint", "bits")
SINGLE = "truncated_normal poisson geometric binomial exponential".split()
PLAIN = "randint cauchy exponential gumbel laplace logistic maxwell normal uniform bernoulli".split()


@pytest.mark.parametrize("name", CASES)
def test_as_jax(name: str) -> None:
    for single in (False, True) if name in SINGLE else (False,):
        for case in CASES[name]:
            want, got = (_draw(library, name, case, single) for library in (jax, jitney))
            assert (got.dtype, got.shape, got.weak_type) == (want.dtype, want.shape, want.weak_type), case
            got, want = np.asarray(got), np.asarray(want)
            if want.dtype.kind in "biu":
                np.testing.assert_array_equal(got, want, err_msg=str(case))
            else:
                eps = np.finfo(want.dtype).eps
                scale = min(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
                np.testing.assert_allclose(got, want, rtol=64 * eps, atol=16 * eps * scale, err_msg=str(case))
