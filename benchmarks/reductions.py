"""Reductions: sums, extremes and variances over all, first, last and middle axes; softmax; differences of a cube."""

from __future__ import annotations

from typing import Any

from programs import Engine, normal, program

MATRIX, CUBE = (1000, 1000), (100, 100, 100)
PLACES = {"all of 1M": (MATRIX, None), "axis 0": (MATRIX, 0), "axis 1": (MATRIX, 1), "middle axis": (CUBE, 1)}


def _register(name: str, place: str) -> None:
    shape, axis = PLACES[place]

    @program(f"{name}, {place}", "reductions")
    def _(m: Engine) -> Any:
        return lambda x: getattr(m.np, name)(x, axis=axis), (normal(*shape),)


for _name in ("sum", "max", "var"):
    for _place in PLACES:
        _register(_name, _place)
for _place in ("all of 1M", "axis 1"):
    _register("argmax", _place)


@program("sum, all of 1M f32", "reductions")
def _(m: Engine) -> Any:
    return lambda x: m.np.sum(x), (normal(*MATRIX, dtype="float32"),)


@program("softmax 1000x1000", "reductions", memory=True)
def _(m: Engine) -> Any:
    n = m.np

    def softmax(x: Any) -> Any:
        e = n.exp(x - n.max(x, axis=1, keepdims=True))
        return e / n.sum(e, axis=1, keepdims=True)

    return softmax, (normal(*MATRIX),)


@program("logsumexp of rows, 1000x1000", "reductions")
def _(m: Engine) -> Any:
    return lambda x: m.special.logsumexp(x, axis=1), (normal(*MATRIX),)


@program("standardise rows, 1000x1000", "reductions")
def _(m: Engine) -> Any:
    return lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True), (normal(*MATRIX),)


@program("sum of squared differences, 3 axes of 128^3", "reductions", gradient=3.0, memory=True)
def _(m: Engine) -> Any:
    def roughness(x: Any) -> Any:
        return sum(m.np.sum(m.np.diff(x, axis=axis) ** 2) for axis in range(3))

    return roughness, (normal(128, 128, 128),)
