"""Functions and programs that travel to other processes, processes of pools that share a machine, forks, threads."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import _ext
from jitney._api import pickling
from jitney._control import jit as jit_module

METHODS = multiprocessing.get_all_start_methods()


# -- what is found by name -------------------------------------------------------------------------------


def plain(x: Any, scale: float = 2.0) -> Any:
    return jnp.sum(jnp.sin(x) * scale)


@jitney.jit
def decorated(x: Any) -> Any:
    return x * 3


@jitney.grad
def slope(x: Any) -> Any:
    return x**2


@jitney.custom_jvp
def ruled(x: Any) -> Any:
    return x * 2


ruled.defjvp(lambda primals, tangents: (ruled(*primals), tangents[0] * 100))

named_otherwise = jitney.jit(lambda x: x + 10)
X = np.linspace(0.0, 1.0, 4)


def again(thing: Any, pickler: Any = pickle) -> Any:
    return pickler.loads(pickler.dumps(thing))


@pytest.mark.parametrize("function", [decorated, slope, ruled, named_otherwise, jnp.sin, jnp.add])
def test_functions_of_modules_are_themselves(function: Any) -> None:
    assert again(function) is function
    assert copy.deepcopy(function) is function


MADE: dict[str, Callable[..., Any]] = {
    "jit": jitney.jit(plain),
    "jit with options": jitney.jit(plain, static_argnames="scale"),
    "grad": jitney.grad(plain),
    "value_and_grad": jitney.value_and_grad(plain),
    "jacrev": jitney.jacrev(plain),
    "jacfwd": jitney.jacfwd(plain),
    "hessian": jitney.hessian(plain),
    "vmap": jitney.vmap(plain, in_axes=(0,)),
    "checkpoint": jitney.checkpoint(plain),
    "vectorize": jnp.vectorize(plain),
    "nested": jitney.jit(jitney.vmap(jitney.grad(plain))),
    "partial": jitney.tree_util.Partial(jitney.jit(plain), scale=5.0),
}


@pytest.mark.parametrize("name", MADE)
def test_functions_of_transformations_are_made_again(name: str) -> None:
    function = MADE[name]
    other = again([function])[0]
    assert type(other) is type(function)
    for got, want in zip(jitney.tree.leaves(other(X)), jitney.tree.leaves(function(X)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_compiled_function_that_comes_again_keeps_its_programs() -> None:
    data = pickle.dumps(jitney.jit(plain))
    first = pickle.loads(data)
    first(np.ones(7))
    known = first._cache_size()
    second = pickle.loads(data)
    second(np.ones(7))
    assert second is first and first._cache_size() == known
    assert pickle.loads(pickle.dumps(jitney.jit(plain, static_argnames="scale"))) is not first


def test_lambdas_need_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickling, "_cloudpickle", lambda: None)
    with pytest.raises(pickle.PicklingError, match=r"top of a module, or install cloudpickle"):
        pickle.dumps(jitney.jit(lambda x: x + 1))


def test_lambdas_and_closures_by_cloudpickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    data = np.arange(4.0)
    inner = jitney.jit(lambda x: jnp.sum(x * data))
    for pickler in (pickle, cloudpickle):
        for function in (
            inner,
            jitney.grad(inner),
            jitney.jit(jitney.value_and_grad(lambda x: inner(x) ** 2)),
        ):
            got, want = again(function, pickler)(X), function(X)
            for a, b in zip(jitney.tree.leaves(got), jitney.tree.leaves(want), strict=True):
                np.testing.assert_array_equal(a, b)


def test_functions_that_refer_to_themselves() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")

    @jitney.jit
    def countdown(x: Any, depth: Any = None) -> Any:
        return x if depth is not None else countdown(x * 2, 0)

    other = again(countdown, cloudpickle)
    assert other is not countdown
    assert float(other(3.0)) == 6.0
    assert float(again(countdown)(4.0)) == 8.0


# -- programs -----------------------------------------------------------------------------------------


def test_programs_and_stages() -> None:
    def f(x: Any) -> Any:
        return jitney.lax.fori_loop(0, 3, lambda i, y: jnp.where(y > 0, y * 2, jnp.cos(y)), x)

    closed = jitney.make_jaxpr(f)(1.5)
    other = again(closed)
    assert str(other) == str(closed)
    assert float(jitney.core.eval_jaxpr(other.jaxpr, other.consts, 1.5)[0]) == float(f(1.5))
    assert again(closed.eqns[0].primitive) is closed.eqns[0].primitive
    assert other.eqns[-1].source_info.file == __file__
    stage = jitney.jit(f).lower(1.5)
    assert again(stage).as_text() == stage.as_text()
    compiled = stage.compile()
    assert float(again(compiled)(1.5)) == float(compiled(1.5))
    with pytest.raises(TypeError, match="Argument 'x' compiled with"):
        again(compiled)(np.ones(3))
    ruled_program = again(jitney.make_jaxpr(lambda x: jitney.nn.softplus(jnp.sinc(x)))(0.3))
    run = lambda x: jitney.core.eval_jaxpr(ruled_program.jaxpr, ruled_program.consts, x)[0]  # noqa: E731
    np.testing.assert_allclose(run(0.3), jitney.nn.softplus(jnp.sinc(0.3)))
    with pytest.raises(NotImplementedError, match="stayed in the process that made this program"):
        jitney.grad(run)(0.3)
    pull = jitney.vjp(f, 1.5)[1]
    assert float(again(pull)(1.0)[0]) == float(pull(1.0)[0])


def test_arrays_keys_and_trees() -> None:
    tree = jitney.tree.structure({"a": 1, "b": (2, None)})
    assert again(tree) == tree
    key = jitney.random.split(jitney.random.key(3))
    np.testing.assert_array_equal(jitney.random.key_data(again(key)), jitney.random.key_data(key))
    weak = again(jnp.asarray(1.0))
    assert weak.weak_type and float(weak) == 1.0
    half = again(jnp.ones(3, jnp.bfloat16))
    assert half.dtype == jnp.bfloat16


def test_operations_of_other_libraries_stay() -> None:
    mine = jitney.extend.core.Primitive("mine")
    mine.def_abstract_eval(lambda x: x)
    closed = jitney.make_jaxpr(lambda x: mine.bind(x))(1.0)
    with pytest.raises(pickle.PicklingError, match="the operation 'mine'"):
        pickle.dumps(closed)
    assert copy.copy(mine) is not mine and copy.copy(mine).name == "mine"


# -- processes --------------------------------------------------------------------------------------------

_POOL = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import jitney, jitney.numpy as jnp

BIG = np.linspace(0, 1, 300_000)

@jitney.jit
def log_posterior(theta):
    return -0.5 * jnp.sum((BIG - theta[0]) ** 2 / jnp.exp(theta[1])) + jnp.log(theta[1] + 9.0)

gradient = jitney.jit(jitney.grad(log_posterior))

def state(theta):
    values = float(log_posterior(theta)), np.asarray(gradient(theta)).tolist()
    time.sleep(0.1)
    info = jitney.cache.info()
    return values, info.misses, jitney.config.num_threads, os.getpid()

if __name__ == "__main__":
    points = np.random.default_rng(0).normal(0, 0.1, (6, 2))
    want = [(float(log_posterior(p)), np.asarray(gradient(p)).tolist()) for p in points]
    method, cores = sys.argv[1], jitney.config.num_threads
    try:
        import emcee
    except ImportError:
        emcee = None

    def run(pool):
        start = np.random.default_rng(1).normal(0, 0.1, (8, 2))
        np.random.seed(3)
        sampler = emcee.EnsembleSampler(8, 2, log_posterior, pool=pool)
        sampler.run_mcmc(start, 5)
        return sampler.get_chain()

    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(state, points, 1)
        plain = pool.map(log_posterior, points, 1)
        slopes = pool.map(gradient, points, 1)
        if emcee is not None:
            np.testing.assert_array_equal(run(pool), run(None))
    assert [f[0] for f in found] == want, (found, want)
    assert [float(p) for p in plain] == [w[0] for w in want]
    assert [np.asarray(s).tolist() for s in slopes] == [w[1] for w in want]
    if method != "fork":
        assert all(f[1] == 0 for f in found), "compiled in the worker"
    workers = len({f[3] for f in found})
    assert workers == 2 and all(f[2] == max(1, cores // 2) for f in found), found
    if method == "fork":
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            assert [float(v) for v in pool.map(log_posterior, points)] == [w[0] for w in want]
    print("done")
"""


def run_program(program: str, tmp_path: pathlib.Path, *arguments: str, **environment: str) -> str:
    """Run in a process of its own; a deadlock ends as a failure."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    around = {k: v for k, v in os.environ.items() if not k.startswith(("JITNEY", "OMP_", "SLURM_"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(file), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**around, "JITNEY_CACHE_DIR": str(tmp_path / "cache"), **environment},
    )
    assert done.returncode == 0 and "done" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_pools(method: str, tmp_path: pathlib.Path) -> None:
    run_program(_POOL, tmp_path, method)


_ASKED = """
import multiprocessing, time
import jitney

def number(_):
    time.sleep(0.05)
    return jitney.config.num_threads

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(number, range(6), 1), "done")
"""


@pytest.mark.skipif("fork" not in METHODS, reason="no fork here")
def test_a_number_that_was_asked_for_holds(tmp_path: pathlib.Path) -> None:
    cores = len(os.sched_getaffinity(0))
    asked = min(2, cores)
    assert str([asked] * 6) in run_program(_ASKED, tmp_path, JITNEY_NUM_THREADS=str(asked))


_LIBRARIES = """
import sys
import numpy as np
import jitney, jitney.numpy as jnp

data = jnp.arange(5.0)
square = jitney.jit(lambda x: jnp.sum((x - data) ** 2))

if __name__ == "__main__":
    want = [float(square(float(n))) for n in range(4)]
    if sys.argv[1] == "joblib":
        import joblib
        for backend in ("loky", "threading", "multiprocessing"):
            got = joblib.Parallel(2, backend=backend)(joblib.delayed(square)(float(n)) for n in range(4))
            assert list(map(float, got)) == want
    else:
        import dask
        for scheduler in ("threads", "processes", "synchronous"):
            got = dask.compute(*[dask.delayed(square)(float(n)) for n in range(4)], scheduler=scheduler, num_workers=2)
            assert list(map(float, got)) == want
    print("done")
"""


@pytest.mark.parametrize("library", ["joblib", "dask"])
def test_libraries(library: str, tmp_path: pathlib.Path) -> None:
    pytest.importorskip(library)
    run_program(_LIBRARIES, tmp_path, library)


# -- fork --------------------------------------------------------------------------------------------------

_BUSY = """
import os, threading
import numpy as np
import jitney, jitney.numpy as jnp

x, rows = np.linspace(0, 1, 300_000), np.ones((64, 300))
total = jitney.jit(lambda x: jnp.sum(jnp.sin(x)))
stop = threading.Event()

def compiling():
    n = 1
    while not stop.is_set():
        n += 1
        jitney.jit(lambda x: jnp.cumsum(jnp.exp(x * n)))(np.ones(n))

def running():
    n = 0
    while not stop.is_set():
        n += 1
        total(x)
        jnp.fft.fft(np.ones((64, 30 + n)))

want = float(total(x))
# Python's own locks of modules that another thread is importing are not free in a child.
jnp.fft.fft(rows), jitney.jit(lambda x: jnp.cumsum(jnp.exp(x)))(x), jitney.jit(jnp.fft.fft)(rows)
threads = [threading.Thread(target=f, daemon=True) for f in (compiling, running)]
for t in threads:
    t.start()
for turn in range(8):
    child = os.fork()
    if child == 0:
        ok = float(total(x)) == want
        ok &= float(jitney.jit(lambda x: jnp.sum(x * turn))(np.ones(7 + turn))) == turn * (7 + turn)
        ok &= bool(np.isfinite(jitney.jit(jnp.fft.fft)(rows)).all())
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
for t in threads:
    t.join()
print("done")
"""


@pytest.mark.skipif("fork" not in METHODS, reason="no fork here")
def test_forks_while_threads_compile_and_run(tmp_path: pathlib.Path) -> None:
    run_program(_BUSY, tmp_path, JITNEY_CACHE="0")


# -- threads --------------------------------------------------------------------------------------------------


def test_threads_that_call_at_once_compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[int] = []
    compiled: list[int] = []
    real = jit_module.plugs.compile_jaxpr
    monkeypatch.setattr(jit_module.plugs, "compile_jaxpr", lambda c: (compiled.append(1), real(c))[1])

    @jitney.jit
    def f(x: Any) -> Any:
        traced.append(1)
        gate_inside.wait(0.05)
        return jnp.cos(x) * 2

    gate, gate_inside = threading.Barrier(6), threading.Event()

    def work(_: int) -> float:
        gate.wait(30)
        return float(f(0.5))

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(work, range(6)))) == 1
    assert (len(traced), len(compiled)) == (1, 1)


def test_errors_of_the_thread_that_traces_are_met_by_each() -> None:
    @jitney.jit
    def f(x: Any) -> Any:
        raise KeyError("mine")

    gate = threading.Barrier(3)

    def work(_: int) -> str:
        gate.wait(30)
        with pytest.raises(KeyError, match="mine"):
            f(1.0)
        return "met"

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == ["met"] * 3


def test_no_siblings_no_share() -> None:
    before = jitney.config.num_threads
    _ext.join_siblings(1 if os.getppid() != 1 else 2)  # a parent that is gone
    try:
        assert jitney.config.num_threads == before
    finally:
        _ext.join_siblings(0)
