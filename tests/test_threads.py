"""How many threads compiled programs and BLAS use: the environment, ``config.num_threads``, ``jitney.threads``, threadpoolctl."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import _ext

_PROGRAM = """
import os, sys, time
import numpy as np
import jitney, jitney.numpy as jnp

def tasks():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0

x, a = np.linspace(0, 1, 300_000), np.ones((400, 400))
elementwise, product = jitney.jit(lambda x: jnp.sin(x) * jnp.exp(x)), jitney.jit(lambda a: a @ a)
before = tasks()
with jitney.threads(1):
    elementwise(x)
assert tasks() == before, "a thread was started for nothing"

def check(f, *args):
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < 0.05:
        f(*args)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert cpu <= 1.2 * wall, (cpu, wall)

def check_all():
    elementwise(x), product(a)
    time.sleep(0.15)  # threads of BLAS stay awake for a while
    check(elementwise, x)
    check(product, a)

if sys.argv[1:] == ["1"]:  # by the environment
    assert jitney.config.num_threads == 1
    check_all()
else:
    jitney.config.num_threads = 4
    elementwise(x), product(a)
    with jitney.threads(1):
        check_all()
    jitney.threads(1)(check_all)()
    try:
        import threadpoolctl
    except ImportError:
        pass
    else:
        with threadpoolctl.threadpool_limits(1):
            check_all()
    assert jitney.config.num_threads == 4
    jitney.config.update("num_threads", 1)
    check_all()
print("done")
"""


@pytest.mark.parametrize("number", ["1", ""])
def test_time_on_processors_is_that_of_one_thread(number: str) -> None:
    environment = {**os.environ, "JITNEY_NUM_THREADS": number}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *filter(None, [number])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "done"


def test_blocks_nest_and_hold_for_their_thread() -> None:
    outside = jitney.config.num_threads
    seen = []
    with jitney.threads(3):
        assert jitney.config.num_threads == 3
        with pytest.raises(KeyError), jitney.threads(5):
            assert jitney.config.num_threads == 5
            raise KeyError
        other = threading.Thread(target=lambda: seen.append(jitney.config.num_threads))
        other.start()
        other.join()
        assert jitney.config.num_threads == 3
    assert jitney.config.num_threads == outside
    assert seen == [outside]


def test_decorated_functions_may_call_themselves() -> None:
    outside = jitney.config.num_threads

    @jitney.threads(7)
    def f(depth: int) -> list[int]:
        """Its own text."""
        return [jitney.config.num_threads, *(f(depth - 1) if depth else [])]

    assert f(2) == [7, 7, 7]
    assert f.__doc__ == "Its own text."
    assert jitney.config.num_threads == outside


def test_config_is_written_both_ways() -> None:
    outside = jitney.config.num_threads
    jitney.config.num_threads = 3
    assert _ext.get_num_threads() == 3
    jitney.config.update("num_threads", 2)
    assert jitney.config.num_threads == 2
    with jitney.config.temporarily("num_threads", 1):
        assert jitney.config.num_threads == 1
    assert jitney.config.num_threads == 2
    jitney.config.num_threads = None
    assert jitney.config.num_threads == outside


@pytest.mark.parametrize(
    ("bad", "error"), [(0, ValueError), (-2, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_misuse(bad: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="number of threads must be"):
        jitney.threads(bad)
    with pytest.raises(error, match=r"config\.num_threads: the number of threads must be"):
        jitney.config.num_threads = bad


def test_threadpoolctl_knows_the_pool_and_blas_follows() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.0")

    def numbers(api: str) -> set[int]:
        return {d["num_threads"] for d in threadpoolctl.threadpool_info() if d["user_api"] == api}

    outside, blas = jitney.config.num_threads, numbers("blas")
    assert numbers("jitney") == {outside}
    with threadpoolctl.threadpool_limits(1):
        assert jitney.config.num_threads == 1
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert jitney.config.num_threads == outside
    with jitney.threads(1), jitney.threads(4):
        assert numbers("jitney") == {outside}  # the process's number
        assert numbers("blas") <= {1}
    assert numbers("blas") == blas


@pytest.mark.parametrize("size", [5_000, 50_000, 400_000])
def test_results_do_not_depend_on_the_number_of_threads(size: int) -> None:
    f = jitney.jit(lambda x: (jnp.sum(jnp.exp(-x * x)), jnp.cos(x) * 2, jnp.sum(x.reshape(-1, 100), 0)))
    x = np.linspace(-1, 2, size)
    results = []
    for n in (1, 2, 3, 16):
        with jitney.threads(n):
            results += [f(x) for _ in range(6)]  # asleep, then awake
    for other in results[1:]:
        for got, want in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, want)
