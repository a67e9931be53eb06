"""``jet``: derivatives of high order along a curve, by Taylor series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jitney._control.jets  # noqa: F401  (rules)
from jitney._api.calls import as_array, as_arrays, boundary, check_callable, check_outputs
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.avals import float0, shaped_array
from jitney._core.trace import get_aval, is_array_like
from jitney._ops import raw
from jitney._ops.elementwise import convert, mul
from jitney._ops.families import literal
from jitney._transforms.jet import jet_flat


def jet(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    series: Sequence[Sequence[Any]],
    factorial_scaled: bool = True,
    **_: Any,
) -> tuple[Any, Any]:
    """Value and derivatives of ``fun`` along a curve through ``primals``, by Taylor mode.

    Args:
        fun: a function of arrays that returns an array or tree of them.
        primals: the arguments at ``t = 0``.
        series: for each argument the first, second, ... derivatives of the curve by ``t`` there; the same
            number for all. An integer argument that has terms counts as a floating-point number.
        factorial_scaled: terms are derivatives; if False they are Taylor coefficients (derivative / k!).

    Returns:
        ``(value, terms)``: ``terms`` has the structure of the value with a list of the first, second, ...
        derivatives by ``t`` at each leaf.

    Raises:
        ValueError: series of different lengths, or an argument that is not an array.
        TypeError: another number of series than of arguments, or terms whose type does not fit the argument.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental.jet import jet
        >>> value, (first, second) = jet(jnp.exp, (0.0,), ([1.0, 0.0],))
        >>> float(value), float(first), float(second)
        (1.0, 1.0, 1.0)
    """
    check_callable(fun, "jet")
    primals, series = tuple(primals), tuple(map(tuple, series))
    if len(primals) != len(series):
        raise TypeError(f"jet got {len(primals)} primals but {len(series)} series: it needs one for each.")
    lengths = sorted({len(terms) for terms in series})
    if len(lengths) > 1:
        raise ValueError(f"jet terms have inconsistent lengths for different arguments: {lengths}.")
    order = lengths[0] if lengths else 0
    scale = [math.factorial(k) if factorial_scaled else 1 for k in range(order + 1)]
    given = [_series(n, x, terms, scale) for n, (x, terms) in enumerate(zip(primals, series, strict=True))]
    out_tree: Any = None

    def flat(*xs: Any) -> list[Any]:
        nonlocal out_tree
        outs, out_tree = tree.flatten(fun(*xs))
        check_outputs(outs, fun, "jet", out_tree)
        return outs

    outs, found = jet_flat(flat, given, order)
    terms = [
        [_term(c, y, scale[k + 1]) for k, c in enumerate(coefficients)]
        for y, coefficients in zip(outs, found, strict=True)
    ]
    return tree.unflatten(out_tree, as_arrays(outs)), tree.unflatten(out_tree, terms)


def _series(number: int, x: Any, terms: Sequence[Any], scale: Sequence[int]) -> list[Any]:
    """The argument and the Taylor coefficients of its curve, all of one type."""
    if not is_array_like(x):
        raise ValueError(
            f"primal value at position {number} is not an array: {type(x).__name__}. jet takes arrays, not trees: make "
            "each leaf an argument of its own."
        )
    for place, term in enumerate(terms):
        if not is_array_like(term):
            raise ValueError(
                f"term {place} of the series at position {number} is not an array: {type(term).__name__}."
            )
    if not dtypes.is_inexact(get_aval(x).dtype):
        x = _as_float(number, x, terms)
    if not dtypes.is_inexact(get_aval(x).dtype):
        return [x] + [None] * len(terms)
    return [x, *[_coefficient(number, k, c, x, scale[k + 1]) for k, c in enumerate(terms)]]


def _as_float(number: int, x: Any, terms: Sequence[Any]) -> Any:
    """An integer that moves along a curve is a floating-point number; one with float0 terms stands still."""
    avals = [get_aval(c) for c in terms if get_aval(c).dtype != float0]
    if not avals:
        return x
    floats = [a for a in avals if dtypes.is_inexact(a.dtype)]
    if not floats:
        raise TypeError(
            f"the primal at position {number} of jet and its series are of dtype {get_aval(x).dtype.name}, which has no "
            "derivatives: pass floating-point numbers, or float0 terms for an argument that stays as it is."
        )
    return convert(x, floats[0].dtype, floats[0].weak_type)


def _coefficient(number: int, place: int, term: Any, x: Any, factorial: int) -> Any:
    """A term as a Taylor coefficient of the type of the argument."""
    have, want = get_aval(term), get_aval(x)
    kept = f"term {place} of the series at position {number} of jet is {have.str_short()}"
    if have.dtype != want.dtype:
        if dtypes.is_inexact(have.dtype) and not have.weak_type:
            raise TypeError(f"{kept}, but the argument is {want.str_short()}: their dtypes must be equal.")
        term = convert(term, want.dtype)
    if have.shape != want.shape:
        fits = len(have.shape) <= len(want.shape) and all(
            m in (1, n) for m, n in zip(reversed(have.shape), reversed(want.shape), strict=False)
        )
        if not fits:
            raise TypeError(f"{kept}, whose shape does not fit the argument, {want.str_short()}.")
        dims = range(len(want.shape) - len(have.shape), len(want.shape))
        term = raw.broadcast_in_dim(term, want.shape, dims)
    return term if factorial == 1 else mul(term, literal(term, 1 / factorial))


def _term(coefficient: Any, y: Any, factorial: int) -> Any:
    if coefficient is None:
        aval = get_aval(y)
        if not dtypes.is_inexact(aval.dtype):
            aval = shaped_array(aval.shape, dtypes.default_dtype("f"), True)
        return as_array(raw.zeros(aval))
    return as_array(
        coefficient if factorial == 1 else mul(coefficient, literal(coefficient, float(factorial)))
    )


jet = boundary(jet)
