"""``x = x.at[i].set(v)`` writes in place where nobody else sees ``x``: eager by its references, compiled by the program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

SIZE = 4000


def address(x: Any) -> int:
    """Where the elements are; by a view that is gone again."""
    return int(np.asarray(x).__array_interface__["data"][0])


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="references are counted by CPython")
def test_the_only_reference_is_written_to() -> None:
    x = jnp.arange(float(SIZE))
    before = address(x)
    x = x.at[3].set(10.0)
    x = x.at[3].add(2.0)
    x = x.at[5:8].multiply(0.0)
    x = x.at[jnp.array([0, -1])].max(7.0)
    assert address(x) == before
    wanted = np.arange(float(SIZE))
    wanted[3], wanted[5:8], wanted[0] = 12.0, 0.0, 7.0
    np.testing.assert_array_equal(x, wanted)


def another_name(x: Any) -> Iterator[Any]:
    y = x
    x = x.at[0].set(9.0)
    yield y


def view_of_numpy(x: Any) -> Iterator[Any]:
    x = x + 0.0
    seen = np.asarray(x)
    x = x.at[0].set(9.0)
    yield seen


def part(x: Any) -> Iterator[Any]:
    x = x + 0.0
    seen = x[:5]
    x = x.at[0].set(9.0)
    yield seen


def other_shape(x: Any) -> Iterator[Any]:
    x = x + 0.0
    seen = x.reshape(2, -1)
    x = x.at[0].set(9.0)
    yield seen


def container(x: Any) -> Iterator[Any]:
    x = x + 0.0
    seen = [x]
    x = x.at[0].set(9.0)
    yield seen[0]


def closure(x: Any) -> Iterator[Any]:
    x = x + 0.0
    y = (lambda v: lambda: v)(x)
    x = x.at[0].set(9.0)
    yield y()


def other_variable(x: Any) -> Iterator[Any]:
    y = x.at[0].set(9.0)
    yield x
    del y


def generator(x: Any) -> Iterator[Any]:
    def growing() -> Iterator[Any]:
        z = jnp.zeros(SIZE)
        for i in range(3):
            yield z
            z = z.at[0].set(9.0 + i)

    yield next(iter(list(growing())))


def itself(x: Any) -> Iterator[Any]:
    x = x + 0.0
    x = x.at[1:].set(x[:-1])
    yield jnp.array([x[2] - 1.0])


@pytest.mark.parametrize(
    "program",
    [another_name, view_of_numpy, part, other_shape, container, closure, other_variable, generator, itself],
    ids=lambda f: f.__name__,
)
def test_what_others_see_stays(program: Callable[[Any], Iterator[Any]]) -> None:
    assert float(np.ravel(next(program(jnp.arange(float(SIZE)))))[0]) == 0.0


def test_arguments_of_the_caller_stay() -> None:
    def changed(x: Any) -> Any:
        x = x.at[0].set(9.0)
        return x

    given = jnp.zeros(SIZE)
    assert float(changed(given)[0]) == 9.0 and float(given[0]) == 0.0
    source = np.zeros(SIZE)
    x = jnp.asarray(source)
    x = x.at[0].set(9.0)
    assert source[0] == 0.0


def test_constants_of_programs_stay() -> None:
    c = jnp.zeros(SIZE)
    f = jitney.jit(lambda y: y + c)
    f(1.0)
    c = c.at[0].set(9.0)
    assert float(f(1.0)[0]) == 1.0


def test_errors_change_nothing() -> None:
    x = jnp.zeros(SIZE)
    with pytest.raises(ValueError, match="shape"):
        x = x.at[:3].set(np.ones(4))
    assert float(x.sum()) == 0.0
