"""Compiled functions in many threads, and in processes forked after compiled functions have run."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

THREADS = 8


def _in_threads(work: Any) -> list[Any]:
    """``work(number)`` in all threads at once."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        gate.wait(30)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return [f.result(120) for f in [pool.submit(run, n) for n in range(THREADS)]]


@pytest.mark.parametrize("size", [3, 100_000])
def test_one_function_with_different_inputs(size: int) -> None:
    f = jitney.jit(lambda x, n: {"sum": jnp.sum(jnp.sin(x) * n), "x": x * n})
    f(np.ones(size), 1.0)

    def work(number: int) -> None:
        x = np.linspace(0, number, size)
        for turn in range(30):
            out = f(x, float(turn))
            np.testing.assert_allclose(out["sum"], np.sum(np.sin(x)) * turn, rtol=1e-10, atol=1e-9)
            np.testing.assert_array_equal(out["x"], x * turn)

    _in_threads(work)


def test_first_call_in_all_threads() -> None:
    f = jitney.jit(lambda x: jnp.exp(-(x**2)).sum())
    got = _in_threads(lambda number: [float(f(np.full(n + 2, 0.5))) for n in range(6)])
    for values in got:
        np.testing.assert_allclose(values, [(n + 2) * np.exp(-0.25) for n in range(6)], rtol=1e-12)


def test_transformations_in_all_threads() -> None:
    def work(number: int) -> Any:
        f = lambda x: jnp.sum(jnp.sin(x) * number)
        x = np.arange(4.0)
        return jitney.grad(f)(x), jitney.vmap(jitney.grad(f))(x[None]), jitney.jit(jitney.grad(f))(x)

    for number, (a, b, c) in enumerate(_in_threads(work)):
        want = number * np.cos(np.arange(4.0))
        for got in (a, np.asarray(b)[0], c):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)


def test_compiling_and_clearing_meet() -> None:
    f = jitney.jit(lambda x: x * 2 + 1)

    def work(number: int) -> None:
        for turn in range(20):
            np.testing.assert_array_equal(f(np.full(number + 1, turn)), 2 * turn + 1)
            if number == 0 and turn % 5 == 0:
                f.clear_cache()

    _in_threads(work)


def test_errors_in_threads_stay_there() -> None:
    f = jitney.jit(lambda x: x + 1 if x > 0 else x)

    def work(number: int) -> str:
        try:
            f(float(number))
        except Exception as error:
            return type(error).__name__
        return "none"

    with jitney.config.temporarily("jitney_python_control_flow", False):
        assert set(_in_threads(work)) == {"TracerBoolConversionError"}
    assert set(_in_threads(work)) == {"none"}  # the function is converted once, for all of them


# -- fork -----------------------------------------------------------------------------------------------


_PROGRAM = """
import multiprocessing, sys
import numpy as np
import jitney, jitney.numpy as jnp

total = jitney.jit(lambda x, n: jnp.sum(jnp.sin(x) ** 2 * n))
BIG = np.linspace(0, 1, 300_000)

def work(n):
    fresh = jitney.jit(lambda x: jnp.cos(x) * n)(np.ones(4))  # compile in the child, too
    return float(total(BIG, float(n))), float(fresh[0])

if __name__ == "__main__":
    before = float(total(BIG, 1.0))  # the thread pool of the parent has run
    with multiprocessing.get_context("fork").Pool(4) as pool:
        got = pool.map(work, range(16))
    np.testing.assert_allclose([g[0] for g in got], before * np.arange(16), rtol=1e-9)
    np.testing.assert_allclose([g[1] for g in got], np.cos(1.0) * np.arange(16), rtol=1e-12)
    assert abs(float(total(BIG, 2.0)) - 2 * before) < 1e-6 * before  # the parent still works
    print("done")
"""

_EMCEE = """
import multiprocessing
import emcee
import numpy as np
import jitney, jitney.numpy as jnp

data = np.random.default_rng(0).normal(1.0, 2.0, 500)

@jitney.jit
def log_posterior(theta):
    mean, log_sigma = theta
    return -0.5 * jnp.sum(((data - mean) / jnp.exp(log_sigma)) ** 2) - data.size * log_sigma

def run(pool):
    start = np.random.default_rng(1).normal(0, 0.1, (16, 2))
    np.random.seed(3)
    sampler = emcee.EnsembleSampler(16, 2, log_posterior, pool=pool)
    sampler.run_mcmc(start, 20)
    return sampler.get_chain()

if __name__ == "__main__":
    float(log_posterior(np.zeros(2)))
    float(jitney.jit(lambda x: jnp.sum(x))(np.ones(500_000)))
    alone = run(None)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        np.testing.assert_allclose(run(pool), alone)
    print("done")
"""


def _run(program: str, seconds: int = 120) -> None:
    """Run in a process of its own; a deadlock ends as a failure."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0 and "done" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_fork_after_threads_have_run() -> None:
    _run(_PROGRAM)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_emcee_with_a_pool() -> None:
    pytest.importorskip("emcee")
    _run(_EMCEE)


def test_spawned_processes_take_pickled_arrays() -> None:
    _run(
        """
import multiprocessing
import numpy as np
import jitney, jitney.numpy as jnp

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        out = pool.apply(np.sum, (jnp.arange(5.0),))
    assert float(out) == 10.0
    print("done")
"""
    )
