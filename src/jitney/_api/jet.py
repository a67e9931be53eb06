"""``jet``: derivatives of high order along a curve, by Taylor series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_array, as_arrays, boundary, check_callable, check_outputs
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.avals import float0
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
            number for all.
        factorial_scaled: terms are derivatives; if False they are Taylor coefficients (derivative / k!).

    Returns:
        ``(value, terms)``: ``terms`` has the structure of the value with a list of the first, second, ...
        derivatives by ``t`` at each leaf.

    Raises:
        ValueError: series of different lengths, or an argument that is not an array.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental.jet import jet
        >>> value, (first, second) = jet(jnp.exp, (0.0,), ([1.0, 0.0],))
        >>> float(value), float(first), float(second)
        (1.0, 1.0, 1.0)
    """
    check_callable(fun, "jet")
    primals, series = tuple(primals), tuple(series)
    if len(primals) != len(series):
        raise ValueError(f"jet got {len(primals)} primals but {len(series)} series: it needs one for each.")
    for number, x in enumerate(primals):
        if not is_array_like(x):
            raise ValueError(f"primal value at position {number} is not an array: {type(x).__name__}.")
    for number, terms in enumerate(series):
        for term in tree.leaves(list(terms)):
            if not is_array_like(term):
                raise ValueError(
                    f"term of the series at position {number} is not an array: {type(term).__name__}."
                )
    lengths = {len(terms) for terms in series}
    if len(lengths) > 1:
        raise ValueError(f"jet terms have inconsistent lengths for different arguments: {sorted(lengths)}.")
    order = lengths.pop() if lengths else 0
    scale = [math.factorial(k) if factorial_scaled else 1 for k in range(order + 1)]
    given = [
        [x, *[_coefficient(c, x, scale[k + 1]) for k, c in enumerate(terms)]]
        for x, terms in zip(primals, series, strict=True)
    ]
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


def _coefficient(term: Any, x: Any, factorial: int) -> Any:
    """A term as a Taylor coefficient of the type of the argument."""
    aval = get_aval(x)
    if not dtypes.is_inexact(aval.dtype) or get_aval(term).dtype == float0:
        return None
    if get_aval(term).shape != aval.shape:
        raise ValueError(
            f"a term of shape {get_aval(term).shape} does not fit the argument of shape {aval.shape} of jet."
        )
    if get_aval(term).dtype != aval.dtype:
        term = convert(term, aval.dtype)
    return term if factorial == 1 else mul(term, literal(term, 1 / factorial))


def _term(coefficient: Any, y: Any, factorial: int) -> Any:
    if coefficient is None:
        return as_array(raw.zeros(get_aval(y)))
    return as_array(
        coefficient if factorial == 1 else mul(coefficient, literal(coefficient, float(factorial)))
    )


jet = boundary(jet)
