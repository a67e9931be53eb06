"""Programs for the compiler's tests: how to stage, compile and compare them."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import jitney
from jitney._compiler.inline_calls import inline_calls
from jitney._compiler.machine import Target
from jitney._compiler.options import options
from jitney._compiler.pipeline import compile_program, lower, simplify
from jitney._core.jaxpr import ClosedJaxpr, Literal
from jitney._kernel.evaluator import run_loops
from jitney._kernel.printer import print_loops


@contextlib.contextmanager
def checking() -> Iterator[None]:
    """Run the IR checkers after every pass."""
    before, options.check = options.check, True
    try:
        yield
    finally:
        options.check = before


def staged(fun: Callable[..., Any], *args: Any) -> ClosedJaxpr:
    """The program of ``fun`` for these arguments."""
    return jitney.make_jaxpr(fun)(*args)


def compiled(closed: ClosedJaxpr, *args: Any) -> list[np.ndarray]:
    """The program's outputs through the compiler."""
    return [np.asarray(x) for x in compile_program(closed).execute(list(map(np.asarray, args)))]


def evaluated(closed: ClosedJaxpr, *args: Any) -> list[np.ndarray]:
    """The program's outputs through the NumPy meaning of each equation."""
    flat = inline_calls(closed)
    jaxpr = flat.jaxpr
    env: dict[Any, Any] = dict(zip(jaxpr.invars, map(np.asarray, args), strict=True))
    env.update(zip(jaxpr.constvars, map(np.asarray, flat.consts), strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if type(atom) is Literal else env[atom]

    with np.errstate(all="ignore"):
        for eqn in jaxpr.eqns:
            out = eqn.primitive.numpy(*map(read, eqn.invars), **eqn.params)
            outs = out if eqn.primitive.multiple_results else [out]
            env.update(zip(eqn.outvars, map(np.asarray, outs), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def slowly(closed: ClosedJaxpr, *args: Any) -> list[np.ndarray]:
    """The program's outputs through the slow evaluator of the loop program."""
    simple = simplify(closed)
    graph, program = lower(simple)
    outs = [np.zeros(a.aval.shape, a.aval.dtype) for a in simple.jaxpr.outvars]
    inputs = [np.array(a, order="C") for a in (*args, *simple.consts)]
    run_loops(program, [x.reshape(-1) for x in inputs], [x.reshape(-1) for x in outs])
    return [inputs[f] if f >= 0 else x for x, f in zip(outs, graph.forward, strict=True)]


GOLDENS = pathlib.Path(__file__).parent / "goldens"
TARGET = Target("x86-64-v3", "+avx2,+fma", 32)  # wherever the test runs


def assert_golden(name: str, closed: ClosedJaxpr, target: Target = TARGET) -> None:
    """What the passes make of the program is the text in ``tests/goldens``."""
    simple = simplify(closed)
    _, program = lower(simple, target)
    text = f"{closed}\n\n-- simplified\n{simple}\n\n-- loops\n{print_loops(program)}\n"
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("JITNEY_UPDATE_GOLDENS"):
        path.write_text(text)
    assert path.exists(), f"no golden for {name}: run with JITNEY_UPDATE_GOLDENS=1"
    assert text == path.read_text()


def close(got: Any, want: Any, tolerance: float | None = None) -> None:
    """Equal shapes and dtypes; equal integers; floats to a few ulp of the largest element."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape and got.dtype == want.dtype, (got.shape, got.dtype, want.shape, want.dtype)
    if got.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want)
        return
    eps = np.finfo(got.dtype).eps
    rtol = 64 * eps if tolerance is None else tolerance
    finite = want[np.isfinite(want)]
    scale = np.abs(finite).max() if finite.size else 0.0
    # A given tolerance is for programs whose sums may cancel.
    np.testing.assert_allclose(
        got, want, rtol=rtol, atol=rtol * (scale if tolerance is None else max(scale, 1.0))
    )


def agrees(fun: Callable[..., Any], *args: Any, tolerance: float | None = None) -> None:
    """Compiled equals evaluated, with the checkers on."""
    closed = staged(fun, *args)
    with checking():
        got = compiled(closed, *args)
    for g, w in zip(got, evaluated(closed, *args), strict=True):
        close(g, w, tolerance)
