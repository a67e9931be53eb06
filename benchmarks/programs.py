"""Programs written once for every engine. Begin with :func:`program`, then :class:`Engine`.

A program is a function of an engine (jitney, JAX, or NumPy with SciPy) that returns ``(function, arguments)``. From it
come the cases of its name: the compiled run, the first call of a new function, if asked for its gradient, and its
peak memory.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from harness import Late, Thunk, case, leaves

Program = Callable[["Engine"], tuple[Callable[..., Any], tuple]]

DEFAULT_TARGETS = {"run": 1.05, "first": 1.05, "memory": 1.0, "numpy": 1.0, "numba": 1.05}


class Engine:
    """The names of one package: ``np``, ``scipy.special`` as ``special``, ``lax``, ``random``, ``jit``, ``grad`` ..."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.package = importlib.import_module(name)
        self.np = importlib.import_module(f"{name}.numpy")

    def __getattr__(self, name: str) -> Any:
        places = {
            "lax": "lax",
            "random": "random",
            "nn": "nn",
            "special": "scipy.special",
            "stats": "scipy.stats",
            "linalg": "scipy.linalg",
            "signal": "scipy.signal",
            "ndimage": "scipy.ndimage",
            "image": "image",
            "ode": "experimental.ode",
        }
        if name in places:
            return importlib.import_module(f"{self.package.__name__}.{places[name]}")
        return getattr(self.package, name)

    def array(self, x: Any) -> Any:
        return self.np.asarray(x)

    def compile(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        """``fun`` compiled, as a function that nobody has compiled before."""
        return self.package.jit(lambda *args: fun(*args))


class NumPyEngine(Engine):
    """NumPy and SciPy, with loops in Python; nothing is compiled or differentiated."""

    def __init__(self) -> None:
        self.name = "numpy"
        self.package = importlib.import_module("scipy")
        self.np = np
        self.lax = PythonLoops

    def __getattr__(self, name: str) -> Any:
        if name in ("special", "stats", "linalg", "signal", "ndimage"):
            return importlib.import_module(f"scipy.{name}")
        raise AttributeError(f"NumPy has no {name}")

    def compile(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        return fun


class PythonLoops:
    """The loops of ``lax`` as plain Python."""

    @staticmethod
    def fori_loop(start: int, stop: int, body: Callable, x: Any) -> Any:
        for i in range(start, stop):
            x = body(i, x)
        return x

    @staticmethod
    def scan(body: Callable, carry: Any, xs: Any, length: int | None = None) -> tuple:
        out = []
        for i in range(len(xs) if length is None else length):
            carry, y = body(carry, None if xs is None else xs[i])
            out.append(y)
        return carry, None if out[0] is None else np.stack(out)


@cache
def engine(name: str) -> Engine:
    return NumPyEngine() if name == "numpy" else Engine(name)


def convert(m: Engine, x: Any) -> Any:
    """Arguments as the engine's own arrays."""
    if isinstance(x, dict):
        return {key: convert(m, value) for key, value in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(convert(m, part) for part in x)
    return m.array(x) if isinstance(x, (np.ndarray, np.generic)) else x


def ready(x: Any) -> Any:
    """``x``, when all of its arrays have been computed."""
    for leaf in leaves(x):
        if hasattr(leaf, "block_until_ready"):
            leaf.block_until_ready()
    return x


def thunk(m: Engine, program: Program, gradient: bool = False) -> Thunk:
    """A call of the compiled program."""
    fun, args = program(m)
    args = convert(m, args)
    f = m.compile(m.grad(fun) if gradient else fun)
    return lambda: ready(f(*args))


def whole(answer: Any) -> Any:
    return answer


def program(
    name: str,
    group: str,
    *,
    target: float | None = DEFAULT_TARGETS["run"],
    first: float | None = DEFAULT_TARGETS["first"],
    numpy: bool | Callable[[], Thunk] = True,
    numba: Callable[[], Thunk] | None = None,
    also: dict[str, float] | None = None,
    first_within: float | None = None,
    gradient: float | None = None,
    gradient_target: float | None = DEFAULT_TARGETS["run"],
    gradient_within: float | None = None,
    memory: bool = False,
    check: Callable[[Any], Any] | None = whole,
    repeats: int = 7,
) -> Callable[[Program], Program]:
    """Register the cases of a program.

    ``numpy`` is whether NumPy runs the same text, or what makes NumPy's own; ``numba`` makes a call compiled by numba.
    ``gradient`` is how many times the gradient of the first argument may cost the function (``gradient_target``
    and ``gradient_within`` are its targets against JAX and the clock).
    """

    def register(build: Program) -> Program:
        common = {"repeats": repeats, "check": check}
        opponents = {"numpy": numpy, "numba": numba}
        goals = {who: DEFAULT_TARGETS[who] for who, there in opponents.items() if there} | (also or {})

        @case(name, group, target, also=goals, **common)
        def _() -> dict[str, Any]:
            out: dict[str, Any] = _compiled_by_engines(build)
            if numpy:
                own = numpy if callable(numpy) else partial(thunk, engine("numpy"), build)
                out["numpy"] = Late(own)
            if numba is not None:
                out["numba"] = Late(numba)
            return out

        if first is not None:
            _register_first(name, group, build, first, first_within)
        if gradient is not None:
            label = f"{name}: gradient"

            @case(label, group, gradient_target, also={"forward": gradient}, repeats=repeats)
            def _() -> dict[str, Any]:
                forward = Late(partial(thunk, engine("jitney"), build))
                return _compiled_by_engines(build, True) | {"forward": forward}

            _register_first(label, group, build, first, gradient_within, True)
        if memory:

            @case(name, group, DEFAULT_TARGETS["memory"], kind="memory")
            def _() -> dict[str, Any]:
                return {"jitney": "jitney", "jax": "jax"}

            PROGRAMS[name] = build
        return build

    return register


PROGRAMS: dict[str, Program] = {}  # those whose memory is measured, by name


def _compiled_by_engines(build: Program, gradient: bool = False) -> dict[str, Any]:
    return {name: Late(partial(thunk, engine(name), build, gradient)) for name in ("jitney", "jax")}


def _register_first(
    name: str, group: str, build: Program, target: float | None, within: float | None, gradient: bool = False
) -> None:
    @case(name, group, target, kind="first", repeats=5, within=within)
    def _() -> dict[str, Any]:
        return {who: partial(thunk, engine(who), build, gradient) for who in ("jitney", "jax")}


# -- data ---------------------------------------------------------------------------------------------


@cache
def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Standard normal numbers, the same at each call."""
    return _constant(np.random.default_rng(seed).normal(size=shape).astype(dtype))


@cache
def uniform(low: float, high: float, *shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Numbers between ``low`` and ``high``, the same at each call."""
    return _constant(np.random.default_rng(seed).uniform(low, high, size=shape).astype(dtype))


@cache
def integers(low: int, high: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Whole numbers from ``low``, below ``high``, the same at each call."""
    return _constant(np.random.default_rng(seed).integers(low, high, size=shape))


def _constant(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x
