"""Functions whose derivatives, of all orders, are differences; linear maps from their columns.

Begin at :func:`slope_along` and :func:`elementwise_slope`: derivatives as functions of the arguments, which are
``custom_jvp`` functions again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jitney.numpy as jnp
from jitney import lax
from jitney._api.custom_jvp import custom_jvp
from jitney._api.custom_rules import SymbolicZero
from jitney._api.linear_call import linear_call
from jitney._core.avals import ShapedArray
from jitney._core.trace import get_aval
from jitney._foreign import differences
from jitney._ops.strong_products import chain

Flat = Callable[..., list[Any]]

_NOISIER = 1e3  # a derivative by differences than the function, in relative rounding errors


def slope_along(
    run: Flat, places: Sequence[int], step: float | None, noise: float
) -> Callable[[list, list], list]:
    """``(xs, ts)`` to the derivatives of ``run(*xs)`` in the direction ``ts`` of the arguments at ``places``."""

    def forward(xs: Sequence[Any], ts: Sequence[Any]) -> list[Any]:
        count = len(xs)

        def slopes(*both: Any) -> list[Any]:
            xs, ts = both[:count], both[count:]
            moving = lambda *moved: run(*_replaced(xs, places, moved))  # noqa: E731
            return differences.along(moving, [xs[p] for p in places], ts, step, noise)[0]

        return by_differences(slopes, step, noise * _NOISIER)(*xs, *ts)

    return forward


def by_differences(run: Flat, step: float | None, noise: float) -> Flat:
    """``run``, a function of flat lists, with derivatives of all orders by differences."""
    function = custom_jvp(lambda *xs: run(*xs))

    def jvp(primals: tuple, tangents: tuple) -> tuple[list, list]:
        places = [n for n, t in enumerate(tangents) if _moves(t)]
        outs = function(*primals)
        forward = slope_along(run, places, step, noise)
        backward = lambda xs, cts: by_columns(places, forward, xs, cts)  # noqa: E731
        return outs, linear_call(forward, backward, list(primals), [tangents[p] for p in places])

    function.defjvp(jvp, symbolic_zeros=True)
    return function


def elementwise_slope(run: Flat, place: int, step: float | None, noise: float) -> Callable[..., Any]:
    """The derivative of elementwise ``run`` by one argument, as a function of all."""
    slope = lambda *xs: differences.partial(run, xs, place, step, noise)[0]  # noqa: E731
    return elementwise_by_differences(slope, step, noise * _NOISIER)


def elementwise_by_differences(
    run: Callable[..., Any], step: float | None, noise: float
) -> Callable[..., Any]:
    """An elementwise function with derivatives of all orders by differences."""
    function = custom_jvp(lambda *xs: run(*xs))

    def jvp(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
        out = function(*primals)
        total = jnp.zeros_like(out)
        for place, t in enumerate(tangents):
            if _moves(t):
                full = _replaced(primals, [place], [jnp.broadcast_to(primals[place], out.shape)])
                slope = elementwise_slope(flat_elementwise(run), place, step, noise)(*full)
                term = chain(jnp.broadcast_to(t.astype(out.dtype), out.shape), slope.astype(out.dtype))
                total = total + term
        return out, total

    function.defjvp(jvp, symbolic_zeros=True)
    return function


def _moves(tangent: Any) -> bool:
    return type(tangent) is not SymbolicZero and get_aval(tangent).dtype.kind in "fc"


def _replaced(xs: Sequence[Any], places: Sequence[int], by: Sequence[Any]) -> list[Any]:
    found = list(xs)
    for p, x in zip(places, by, strict=True):
        found[p] = x
    return found


def flat_elementwise(function: Any) -> Flat:
    """A function of a list with one result."""
    return lambda *xs: [function(*xs)]


# -- linear maps, a component at a time

_AT_ONCE = 1 << 18  # numbers in the unit vectors that are taken together; differences hold 16 times as many


def over_basis(f: Callable[[Any], Any], aval: ShapedArray) -> Any:
    """The results of ``f`` for all unit vectors of a type, along a leading axis; all at once if they are few."""
    size = aval.size

    def at(number: Any) -> Any:
        unit = (jnp.arange(size) == number).astype(aval.dtype)
        return f(jnp.reshape(unit, aval.shape))

    return lax.map(at, jnp.arange(size), batch_size=max(1, min(size, _AT_ONCE // max(size, 1))))


def by_columns(places: Sequence[int], forward: Any, xs: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
    """Cotangents from a map of tangents: a call for each component of the arguments."""
    found = []
    for k, p in enumerate(places):
        aval = get_aval(xs[p])

        def column(e: Any, k: int = k) -> Any:
            ts = [e if j == k else jnp.zeros_like(xs[q]) for j, q in enumerate(places)]
            outs = forward(xs, ts)
            return sum(jnp.sum(y * ct) for y, ct in zip(outs, cts, strict=True))

        found.append(jnp.reshape(over_basis(column, aval), aval.shape).astype(aval.dtype))
    return found


__all__ = [
    "by_columns",
    "by_differences",
    "elementwise_by_differences",
    "elementwise_slope",
    "flat_elementwise",
    "over_basis",
    "slope_along",
]
