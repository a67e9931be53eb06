"""Whole NumPy programs compile as they stand, give NumPy's results, batch and differentiate."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

import jitney
import python_programs
from comparing import check_first

RNG = np.random.default_rng(0)
A = RNG.normal(size=(5, 5)) + 5 * np.eye(5)
CHAIN = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]])
LINKS = RNG.random((4, 4))
TEXT = np.frombuffer(b"hello big  world x", dtype=np.uint8).astype(int)

ARGUMENTS: dict[str, tuple] = {
    "gauss": (RNG.normal(size=(5, 5)), RNG.normal(size=5)),
    "cholesky": (A @ A.T,),
    "life": ((RNG.random((8, 8)) > 0.6).astype(int), 4),
    "mandelbrot": (-0.2 + 0.7j, 50),
    "heat": (RNG.random(20), 30),
    "metropolis": (0.3, RNG.normal(size=40), RNG.random(40)),
    "knapsack": (RNG.random(6), RNG.integers(1, 6, 6), 12),
    "edit_distance": (RNG.integers(0, 3, 7), RNG.integers(0, 3, 6)),
    "floyd": (RNG.random((5, 5)) * 10,),
    "insertion_sort": (RNG.random(9),),
    "quick_select": (RNG.random(11), 4),
    "bisect": (1.0, 2.0),
    "newton": (1.5,),
    "golden": (0.0, 3.0),
    "adaptive": (1.0, 2.0),
    "kmeans": (RNG.random((20, 2)), RNG.random((3, 2)), 5),
    "nbody": (RNG.random((4, 3)), RNG.random((4, 3)), 3, 0.01),
    "moving_average": (RNG.random(15), 4),
    "histogram": (RNG.random(30), 0.1, 0.9, 5),
    "viterbi": (np.array([0.6, 0.4]), *CHAIN, RNG.integers(0, 3, 8)),
    "dtw": (
        np.array([0.1, 0.9, 0.4, 0.7, 0.2, 0.5]),
        np.array([0.33, 0.81, 0.05, 0.62, 0.97]),
    ),  # no kinks nearby
    "spline": (np.arange(6.0), RNG.random(6), RNG.random(4) * 5),
    "matpow": (A / 5, 7),
    "gcd": (1071, 462),
    "is_prime": (97,),
    "binary_search": (np.sort(RNG.random(20)), 0.4),
    "legendre": (5, 0.3),
    "jacobi": (A, RNG.normal(size=5), 1e-10),
    "running_median": (RNG.random(12), 3),
    "clip_sigma": (RNG.normal(size=50), 3),
    "simpson": (0.7, 0.0, 1.0, 10),
    "bilinear": (RNG.random((4, 4)), 1.3, 2.2),
    "pagerank": (LINKS / LINKS.sum(0), 0.85, 1e-8),
    "random_walk_2d": (RNG.integers(0, 4, 12),),
    "flood": ((RNG.random((6, 6)) > 0.4).astype(int), 2, 3),
    "kalman": (RNG.random(10), 0.1, 0.5),
    "fib": (30,),
    "count_words": (TEXT,),
}
# Arguments that are the size of something.
STATIC = {"knapsack": 2, "moving_average": 1, "histogram": 3, "running_median": 1}


def numpys(name: str) -> Any:
    """The same program with NumPy's arrays, on copies of its arguments."""
    fun = getattr(python_programs, name)
    twin = types.FunctionType(fun.__code__, vars(python_programs) | {"np": np}, name, fun.__defaults__)
    return lambda *args: twin(*[x.copy() if isinstance(x, np.ndarray) else x for x in args])


REFERENCES = {name: numpys(name) for name in ARGUMENTS}  # before anything is converted


def same(got: Any, wanted: Any) -> None:
    ours, theirs = jitney.tree.leaves(got), jitney.tree.leaves(wanted)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_compiled_as_it_stands(name: str) -> None:
    fun = jitney.jit(getattr(python_programs, name), static_argnums=STATIC.get(name, ()))
    same(fun(*ARGUMENTS[name]), REFERENCES[name](*ARGUMENTS[name]))


# Arguments of a second example, which takes other branches and other numbers of steps.
OTHER: dict[str, Any] = {
    "life": lambda board, _: (1 - board, 3),
    "heat": lambda u, _: (u, 7),
    "kmeans": lambda points, centres, _: (points[::-1], centres[::-1], 2),
    "nbody": lambda pos, vel, *_: (vel, pos, 2, 0.02),
    "matpow": lambda a, _: (a, 4),
    "simpson": lambda *_: (0.2, 0.5, 1.5, 6),
    "fib": lambda _: (12,),
    "gcd": lambda *_: (17, 5),
    "is_prime": lambda _: (91,),
    "legendre": lambda *_: (2, -0.4),
    "quick_select": lambda x, _: (x, 7),
    "adaptive": lambda *_: (0.5, 1.0),
    "mandelbrot": lambda *_: (0.5 + 0.5j, 20),
    "binary_search": lambda x, _: (x[::-1], 0.9),
}
BATCHED = [n for n in ARGUMENTS if n not in STATIC]


@pytest.mark.parametrize("name", BATCHED)
def test_batched(name: str) -> None:
    first = ARGUMENTS[name]
    turned = [np.flip(x) if np.ndim(x) == 1 else x for x in first]
    other = OTHER[name](*turned) if name in OTHER else turned
    examples = [np.stack([np.asarray(a), np.asarray(b)]) for a, b in zip(first, other, strict=True)]
    got = jitney.jit(jitney.vmap(getattr(python_programs, name)))(*examples)
    for k, arguments in enumerate((first, other)):
        same(jitney.tree.map(lambda x, k=k: x[k], got), REFERENCES[name](*arguments))


@pytest.mark.parametrize(
    "name",
    ["gauss", "cholesky", "dtw", "spline", "kalman", "simpson", "bilinear", "jacobi", "newton", "adaptive"],
)
def test_derivatives(name: str) -> None:
    arguments = ARGUMENTS[name]
    places = [i for i, x in enumerate(arguments) if np.asarray(x).dtype.kind == "f"][:2]
    if name == "jacobi":
        places = [1]

    def fun(*xs: Any) -> list[Any]:
        given = list(arguments)
        for place, x in zip(places, xs, strict=True):
            given[place] = x
        return [y for y in jitney.tree.leaves(jitted(*given)) if y.dtype.kind == "f"]

    jitted = jitney.jit(getattr(python_programs, name), static_argnums=3 if name == "simpson" else ())
    check_first(fun, [np.asarray(arguments[i], float) for i in places])
