"""Derivatives of functions that are known by their values alone, with estimates of their errors.

Central differences at steps that shrink by a factor of 4 are extrapolated to step 0 (Richardson, 1911), and of all
entries of the tableau the one whose estimated error is least is taken, as in C. J. F. Ridders, "Accurate computation of
F'(x) and F'(x) F''(x)", Advances in Engineering Software 4 (1982) 75-76. What is added here: an entry counts with the rounding
errors of the differences that it is made of, and places where the function is not finite (outside of its domain) do
not count.

Derivatives by a complex step, Im f(x + ih) / h, have no difference and so no rounding error: W. Squire and G. Trapp, "Using
complex variables to estimate derivatives of real functions", SIAM Review 40 (1998) 110-112.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitney.numpy as jnp
from jitney import lax
from jitney._api.vmap import vmap
from jitney._core.trace import get_aval

Flat = Callable[..., list[Any]]

_FIRST = 0.125  # the largest step, for arguments of size up to 1
_RATIO = 4.0
_ORDERS = 4  # of extrapolation: errors of order 2, 4, 6, 8


def along(
    run: Flat, xs: Sequence[Any], ts: Sequence[Any], step: float | None, noise: float = 1.0
) -> tuple[list, list]:
    """The derivatives of the results of ``run(*xs)`` in the direction ``ts``, and their estimated errors.

    ``noise`` is the rounding error of the results in units of what numbers of their type can have.
    """
    first = _first_step(xs, ts, step)
    eps = noise * _epsilon([*xs, *ts])
    factors = _factors(eps)
    steps = first * jnp.asarray(factors, first.dtype)

    def shifted(h: Any) -> list[Any]:
        return run(*[x + (h * t).astype(x.dtype) for x, t in zip(xs, ts, strict=True)])

    values = vmap(shifted)(jnp.concatenate([steps, -steps]))
    count = len(factors)
    found = [
        _extrapolated(_rows(v, 0, count), _rows(v, count, count), _rows(2 * steps, 0, count), eps)
        for v in values
    ]
    return [d for d, _ in found], [e for _, e in found]


def partial(
    run: Flat, xs: Sequence[Any], number: int, step: float | None, noise: float = 1.0
) -> tuple[Any, Any]:
    """The derivative of an elementwise function by its argument ``number``, elementwise, and its estimated error."""
    x = xs[number]
    eps = noise * _epsilon(xs)
    size = jnp.abs(lax.stop_gradient(x))
    first = _power_of_two(_FIRST * jnp.maximum(size, 1) if step is None else jnp.full_like(size, step))
    highs = jnp.stack([x + (first * f).astype(x.dtype) for f in _factors(eps)])
    lows = jnp.stack([x - (first * f).astype(x.dtype) for f in _factors(eps)])
    widths = lax.stop_gradient(highs - lows)
    before, after = list(xs[:number]), list(xs[number + 1 :])
    above, below = [run(*before, places, *after)[0] for places in (highs, lows)]
    count = len(highs)
    return _extrapolated(*[_rows(v, 0, count) for v in (above, below, widths)], eps=eps)


def complex_along(run: Flat, xs: Sequence[Any], ts: Sequence[Any]) -> list[Any]:
    """The derivatives of the results of ``run(*xs)``, an analytic function, in the direction ``ts``."""
    h = _imaginary_step(xs)
    values = run(*[lax.complex(x, (h * t).astype(x.dtype)) for x, t in zip(xs, ts, strict=True)])
    return [jnp.imag(v) / h for v in values]


def complex_partial(run: Flat, xs: Sequence[Any], number: int) -> Any:
    """The derivative of an analytic elementwise function by its argument ``number``."""
    h = _imaginary_step([xs[number]])
    x = xs[number]
    shifted = [*xs[:number], lax.complex(x, jnp.full_like(x, h)), *xs[number + 1 :]]
    return jnp.imag(run(*shifted)[0]) / h


def epsilon_of(x: Any) -> float:
    """The spacing of numbers of ``x``'s type near 1."""
    return float(np.finfo(get_aval(x).dtype).eps)


def _imaginary_step(xs: Sequence[Any]) -> float:
    """A power of two whose square vanishes beside 1, and which is far from the least numbers."""
    return 2.0**-60 if _epsilon(xs) > 1e-10 else 2.0**-330


def _epsilon(xs: Sequence[Any]) -> float:
    return max(epsilon_of(x) for x in xs if get_aval(x).dtype.kind in "fc")


def _factors(eps: float) -> list[float]:
    """From 1 on until the step is about the cube root of the rounding error, best for one central difference."""
    found = [1.0]
    while found[-1] * _FIRST / _RATIO > 0.7 * eps ** (1 / 3):
        found.append(found[-1] / _RATIO)
    return found


def _first_step(xs: Sequence[Any], ts: Sequence[Any], step: float | None) -> Any:
    """A multiple of the direction such that no argument moves by more than its largest step."""
    ratios = [
        jnp.max(jnp.abs(t) / (_FIRST * jnp.maximum(jnp.abs(x), 1) if step is None else step), initial=0.0)
        for x, t in zip(map(lax.stop_gradient, xs), map(lax.stop_gradient, ts), strict=True)
    ]
    ratio = jnp.max(jnp.stack([r.astype(ratios[0].dtype) for r in ratios]))
    return _power_of_two(1 / jnp.where(ratio > 0, ratio, 1))


def _power_of_two(x: Any) -> Any:
    """The power of two at or below ``x``: steps that are exact leave the function's rounding errors alone."""
    return lax.stop_gradient(jnp.exp2(jnp.floor(jnp.log2(x))))


def _rows(x: Any, first: int, count: int) -> list[Any]:
    return [x[k] for k in range(first, first + count)]


def _extrapolated(above: list, below: list, widths: list, eps: float) -> tuple[Any, Any]:
    """The best entry of the tableau of extrapolated differences, and its error."""
    rows = [(a - b) / w for a, b, w in zip(above, below, widths, strict=True)]
    noise = [
        2 * eps * lax.stop_gradient(jnp.maximum(jnp.abs(a), jnp.abs(b)) / jnp.abs(w))
        for a, b, w in zip(above, below, widths, strict=True)
    ]
    best, error = rows[-1], jnp.full_like(noise[-1], np.inf)
    for order in range(1, min(_ORDERS, len(rows))):
        weight = 1 / (_RATIO ** (2 * order) - 1)
        finer = [b + (b - a) * weight for a, b in zip(rows, rows[1:], strict=False)]
        for k, entry in enumerate(finer):
            change = jnp.maximum(jnp.abs(entry - rows[k]), jnp.abs(entry - rows[k + 1]))
            found = lax.stop_gradient(change) + noise[k + order]
            better = found < error  # never of nan
            best, error = jnp.where(better, entry, best), jnp.where(better, found, error)
        rows = finer
    return best, error
