"""What a call costs: imports, dispatch of compiled functions, eager operations on tiny arrays."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from typing import Any

import numpy as np
from harness import case


@case("import the package", "calls", 0.25, above={"numpy": 0.15}, kind="process", repeats=11)
def _() -> dict[str, Any]:
    return {
        "jitney": "import jitney, jitney.numpy",
        "jax": "import jax, jax.numpy",
        "numpy": "import numpy",
    }


SCRIPT = """
import {name}, {name}.numpy as np
f = {name}.jit({name}.grad(lambda p, x: np.sum(np.log1p(np.exp(p[0] * x) + p[1] ** 2))))
f(np.ones(2), np.ones(1000)).block_until_ready()
"""


def _script(name: str, before: str) -> str:
    return f"import os; {before}\n" + SCRIPT.format(name=name)


@case("script: import, compile a gradient, call it", "calls", 0.25, kind="process", repeats=11)
def _() -> dict[str, Any]:
    return {name: _script(name, "") for name in ("jitney", "jax")}


@case("script: the same, compiled by an earlier process", "calls", 0.25, kind="process", repeats=11)
def _() -> dict[str, Any]:
    folder = tempfile.mkdtemp(prefix="benchmarks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    jax = {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    jitney = {"JITNEY_CACHE": "1", "JITNEY_CACHE_DIR": folder}
    return {
        "jitney": _script("jitney", f"os.environ.update({jitney})"),
        "jax": _script("jax", f"os.environ.update({jax})"),
    }


def _both(build: Any) -> dict[str, Any]:
    """``build(module, its numpy)`` for jitney and JAX."""
    import jax
    import jax.numpy

    import jitney
    import jitney.numpy

    return {"jitney": build(jitney, jitney.numpy), "jax": build(jax, jax.numpy)}


@case("compiled call, array of 3", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f, x = m.jit(lambda x: x * 2.0), n.ones(3)
        return lambda: f(x).block_until_ready()

    return _both(build)


@case("compiled call, NumPy array of 3", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f, x = m.jit(lambda x: x * 2.0), np.ones(3)
        return lambda: f(x).block_until_ready()

    return _both(build)


@case("compiled call, NumPy scalar", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f, x = m.jit(lambda x: x * 2.0), np.float64(3.0)
        return lambda: f(x).block_until_ready()

    return _both(build)


@case("compiled call, Python float", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f = m.jit(lambda x: x * 2.0)
        return lambda: f(3.0).block_until_ready()

    return _both(build)


@case("compiled call, 10 arguments", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f, xs = m.jit(lambda *xs: sum(xs)), [n.ones(3)] * 10
        return lambda: f(*xs).block_until_ready()

    return _both(build)


@case("compiled call, dict of 50", "calls", 0.20)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        f, d = m.jit(lambda d: d["p7"] * 2.0), {f"p{i}": n.ones(3) for i in range(50)}
        return lambda: f(d).block_until_ready()

    return _both(build)


def _eager(function: Any, *shapes: tuple[int, ...]) -> dict[str, Any]:
    """An eager operation of each library's arrays."""

    def build(make: Any) -> Any:
        arrays = [make(s) for s in shapes]
        return lambda: function(*arrays)

    out = _both(lambda m, n: build(n.ones))
    waited = {name: (lambda run: lambda: run().block_until_ready())(run) for name, run in out.items()}
    return waited | {"numpy": build(np.ones)}


@case("eager x + y, size 3", "eager", 0.10)
def _() -> dict[str, Any]:
    return _eager(lambda x, y: x + y, (3,), (3,))


@case("eager x[1], size 3", "eager", 0.10)
def _() -> dict[str, Any]:
    return _eager(lambda x: x[1], (3,))


@case("eager 10x10 matmul", "eager", 0.10)
def _() -> dict[str, Any]:
    return _eager(lambda x, y: x @ y, (10, 10), (10, 10))


@case("eager x.at[1].set(v), size 3", "eager", 0.10)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any) -> Any:
        x = n.ones(3)
        return lambda: x.at[1].set(2.0).block_until_ready()

    x = np.ones(3)

    def with_numpy() -> Any:
        y = x.copy()
        y[1] = 2.0
        return y

    return _both(build) | {"numpy": with_numpy}


@case("jnp.array(numpy array), size 3", "eager", 0.10)
def _() -> dict[str, Any]:
    x = np.ones(3)
    return _both(lambda m, n: lambda: n.array(x).block_until_ready()) | {"numpy": lambda: np.array(x)}
