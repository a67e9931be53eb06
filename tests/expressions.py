"""Checking an expression of ``jnp`` against JAX: value, dtype and weak type, or class of the error; also compiled."""

from __future__ import annotations

import re
import warnings
from typing import Any

import jax
import jax.numpy
import numpy as np

import jitney
import jitney.numpy
from comparing import assert_same
from jitney import tree

_NAMES = re.compile(r"(?<![\w.])[A-Za-z]\w*(?![\w(=])")


def used(case: str, inputs: dict[str, Any]) -> list[str]:
    """The names of inputs that occur in an expression."""
    return sorted({n for n in _NAMES.findall(case) if n in inputs})


def evaluate(case: str, numpy: Any, values: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(case, {"jnp": numpy, "np": np, **values})  # noqa: S307


def _result_or_error(case: str, numpy: Any, values: dict[str, Any]) -> Any:
    try:
        return evaluate(case, numpy, values)
    except Exception as error:
        return error


def check(case: str, inputs: dict[str, Any], compiled: bool = True, tolerance: float = 1e-11) -> None:
    """The expression in both libraries, and compiled by ours as a function of its inputs."""
    names = used(case, inputs)
    mine = {n: jitney.numpy.asarray(inputs[n]) for n in names}
    want = _result_or_error(case, jax.numpy, {n: jax.numpy.asarray(inputs[n]) for n in names})
    if isinstance(want, Exception):
        with jitney.config.temporarily("jitney_python_control_flow", False):  # which accepts more
            got = _result_or_error(case, jitney.numpy, mine)
        assert isinstance(got, type(want)), f"{case}: expected {want!r}, got {got!r}"
        return
    got = evaluate(case, jitney.numpy, mine)
    assert isinstance(got, (list, tuple)) == isinstance(want, (list, tuple))
    assert_same(got, want, tolerance, what=case)
    if compiled and names:
        function = jitney.jit(lambda *xs: evaluate(case, jitney.numpy, dict(zip(names, xs, strict=True))))
        assert_same(function(*[mine[n] for n in names]), want, tolerance, weak=False, what=f"jit: {case}")


def batched(case: str, inputs: dict[str, Any]) -> None:
    """vmap over a new first axis of every input equals one call for each element."""
    names = used(case, inputs)
    stacks = [np.stack([np.asarray(inputs[n]), np.asarray(inputs[n])[..., ::-1]]) for n in names]
    function = lambda *xs: evaluate(case, jitney.numpy, dict(zip(names, xs, strict=True)))  # noqa: E731
    got = tree.leaves(jitney.vmap(function)(*stacks))
    single = [tree.leaves(function(*[jitney.numpy.asarray(s[k]) for s in stacks])) for k in range(2)]
    for g, a, b in zip(got, *single, strict=True):
        assert_same(g, jax.numpy.stack([np.asarray(a), np.asarray(b)]), weak=False, what=f"vmap: {case}")


def derivatives(case: str, inputs: dict[str, Any], tolerance: float = 2e-7) -> None:
    """jvp and vjp by the float inputs against finite differences."""
    from comparing import check_first

    names = [n for n in used(case, inputs) if np.asarray(inputs[n]).dtype == np.float64]
    fixed = {n: jitney.numpy.asarray(inputs[n]) for n in used(case, inputs) if n not in names}

    def function(*xs: Any) -> list[Any]:
        out = evaluate(case, jitney.numpy, {**fixed, **dict(zip(names, xs, strict=True))})
        return [y for y in tree.leaves(out) if y.dtype == np.float64]

    check_first(function, [np.asarray(inputs[n]) for n in names], tolerance)
