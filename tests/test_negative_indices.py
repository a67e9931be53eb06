"""``wrap_negative_indices=False``: negative indices are out of bounds, and follow the mode, as in JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitney

jax = pytest.importorskip("jax")

X = np.arange(5.0)
MATRIX = np.arange(6.0).reshape(2, 3)
INDICES: dict[str, Any] = {
    "an integer": -1,
    "one far below": -9,
    "an array": np.array([-1, 2, 0]),
    "small integers": np.array([-1, -2, 3], np.int8),
    "unsigned": np.array([1, 7], np.uint8),
    "out of both bounds": np.array([-9, 7]),
    "a slice": slice(-3, None),
    "a mask": np.array([True, False, True, True, False]),
}
MODES = (None, "fill", "clip", "drop", "promise_in_bounds")
METHODS = {
    "get": lambda at, **options: at.get(**options),
    "set": lambda at, **options: at.set(9.0, **options),
    "add": lambda at, **options: at.add(9.0, **options),
    "max": lambda at, **options: at.max(2.5, **options),
    "divide": lambda at, **options: at.divide(2.0, **options),
    "apply": lambda at, **options: at.apply(lambda v: -v, **options),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("index", INDICES)
def test_as_jax(index: str, method: str, mode: Any) -> None:
    i = INDICES[index]

    def fun(library: Any) -> Any:
        return METHODS[method](library.numpy.asarray(X).at[i], mode=mode, wrap_negative_indices=False)

    with jax.enable_x64(True):
        wanted = np.asarray(fun(jax))
    np.testing.assert_array_equal(fun(jitney), wanted)
    np.testing.assert_array_equal(jitney.jit(lambda: fun(jitney))(), wanted)
    if isinstance(i, (int, np.ndarray)) and np.asarray(i).dtype != bool:
        read = lambda i: METHODS[method](  # noqa: E731
            jitney.numpy.asarray(X).at[i], mode=mode, wrap_negative_indices=False
        )
        np.testing.assert_array_equal(jitney.jit(read)(i), wanted)


def test_of_several_axes() -> None:
    def fun(library: Any) -> Any:
        at = library.numpy.asarray(MATRIX).at
        rows = library.numpy.array([0, 1, -1])
        options = {"mode": "fill", "fill_value": -7.0, "wrap_negative_indices": False}
        return at[rows, 1].get(**options), at[..., -1].get(**options), at[rows, None, rows].get(**options)

    for got, wanted in zip(fun(jitney), fun(jax), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_small_integers_count_from_the_end_of_long_arrays() -> None:
    long = jitney.numpy.arange(1000)
    i = np.array([-1, -128], np.int8)
    assert long[i].tolist() == jitney.jit(lambda i: long[i])(i).tolist() == [999, 872]
