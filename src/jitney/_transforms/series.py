"""Arithmetic of power series, and what primitives make of them.

A series is the list of coefficients of ``x(t) = x0 + x1 t + x2 t**2 + ...`` up to some order; None stands for a
coefficient that is zero, except the first.  What is linear applies to each coefficient and products convolve.  An
elementary function solves a differential equation ``v' = d u'`` whose slope ``d`` is known as far as ``v`` is, so

    k v_k = sum over j = 1 ... k of  j u_j d_(k-j)

gives one coefficient after the other (Griewank and Walther, *Evaluating Derivatives*, chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from jitney._base import dtypes
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import (
    assembling,
    barriers,
    contraction,
    dynamic_slices,
    indexing,
    matrices,
    ordering,
    raw,
    reductions,
    shapes,
    splitting,
    windows,
)
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney._ops.families import literal
from jitney._ops.strong_products import strong_div_p, strong_mul_p

Series = list[Any]
# ``(*series, **params)`` to a series, or to a list of them for a primitive of several results.
Rule = Callable[..., Any]
Slope = Callable[[Series, int], Any]


# -- coefficients ---------------------------------------------------------------------------------------


def scale(x: Any, factor: float) -> Any:
    """A coefficient times a number."""
    return x if x is None or factor == 1 else ew.mul(x, literal(x, factor))


def is_constant(u: Series) -> bool:
    return all(c is None for c in u[1:])


def _sum(terms: Sequence[Any]) -> Any:
    total = None
    for term in terms:
        total = term if total is None else total if term is None else ew.add(total, term)
    return total


def minus(x: Any, y: Any) -> Any:
    return x if y is None else ew.neg(y) if x is None else ew.sub(x, y)


def _times(x: Any, y: Any) -> Any:
    return None if x is None or y is None else ew.mul(x, y)


def _over(x: Any, y: Any) -> Any:
    return None if x is None else ew.div(x, y)


def _convolved(
    u: Series, v: Series, k: int, start: int = 0, times: Callable[[Any, Any], Any] = _times
) -> Any:
    """The sum of ``u_j v_(k-j)`` for j from ``start`` to ``k - start``."""
    return _sum([times(u[j], v[k - j]) for j in range(start, k - start + 1)])


def _squared(u: Series, k: int, start: int = 0) -> Any:
    """``_convolved(u, u, k, start)`` by half of the products."""
    twice = scale(_sum([_times(u[j], u[k - j]) for j in range(start, (k + 1) // 2)]), 2.0)
    middle = k // 2
    own = k % 2 == 0 and middle >= start and u[middle] is not None
    return _sum([twice, ew.square(u[middle]) if own else None])


def _product(u: Series, v: Series) -> Series:
    return [_convolved(u, v, k) for k in range(len(u))]


def _square(u: Series) -> Series:
    return [_squared(u, k) for k in range(len(u))]


def _quotient(u: Series, w: Series) -> Series:
    """``v w = u`` solved for the highest coefficient of ``v``."""
    v: Series = []
    for k in range(len(u)):
        known = _sum([_times(w[j], v[k - j]) for j in range(1, k + 1)])
        v.append(_over(minus(u[k], known), w[0]))
    return v


def _derivative(u: Series) -> Series:
    """``k u_k``, at place k: the coefficients of ``t u'``."""
    return [None] + [scale(u[k], k) for k in range(1, len(u))]


def _step(slopes: Series, du: Series, k: int) -> Any:
    """``v_k``, where ``v' = d u'``, ``slopes`` are the coefficients of ``d`` and ``du`` those of ``t u'``."""
    return scale(_sum([_times(du[j], slopes[k - j]) for j in range(1, k + 1)]), 1 / k)


def _solution(u: Series, start: Any, slope: Slope) -> Series:
    """``v`` with ``v' = d u'``; ``slope(v, k)`` is ``d_k``, from the coefficients of ``v`` up to k."""
    v, slopes, du = [start], [], _derivative(u)
    for k in range(1, len(u)):
        slopes.append(slope(v, k - 1))
        v.append(_step(slopes, du, k))
    return v


# -- elementary functions -------------------------------------------------------------------------------


def _of_itself(primitive: Primitive, slope: Slope) -> Rule:
    """The rule of a function whose slope is a function of its value."""
    return lambda u, **params: _solution(u, primitive.bind(u[0], **params), slope)


def _shifted(x: Any, value: float, k: int) -> Any:
    """Coefficient k of ``value + x``."""
    if k:
        return x
    return ew.add(x, literal(x, value))


def _pair(u: Series, sine: Primitive, cosine: Primitive, sign: int) -> tuple[Series, Series]:
    """Sine and cosine, trigonometric or hyperbolic: ``s' = c u'`` and ``c' = sign s u'``."""
    s, c, du = [sine.bind(u[0])], [cosine.bind(u[0])], _derivative(u)
    for k in range(1, len(u)):
        next_s, next_c = _step(c, du, k), _step(s, du, k)
        s.append(next_s)
        c.append(next_c if sign > 0 or next_c is None else ew.neg(next_c))
    return s, c


def _log(u: Series, start: Any) -> Series:
    """``v' u = u'``."""
    v: Series = [start]
    weighted: Series = [None]  # k v_k
    for k in range(1, len(u)):
        known = _sum([_times(weighted[j], u[k - j]) for j in range(1, k)])
        v.append(_over(minus(u[k], scale(known, 1 / k)), u[0]))
        weighted.append(scale(v[k], k))
    return v


def _sqrt(u: Series, **params: Any) -> Series:
    """``v v = u``."""
    v: Series = [ew.sqrt_p.bind(u[0], **params)]
    twice = scale(v[0], 2.0)
    for k in range(1, len(u)):
        v.append(_over(minus(u[k], _squared(v, k, 1)), twice))
    return v


def _power(u: Series, start: Any, exponent: float) -> Series:
    """``v = u**exponent`` where ``u0`` is not zero: ``v' u = exponent v u'``."""
    v: Series = [start]
    for k in range(1, len(u)):
        terms = [scale(_times(u[j], v[k - j]), exponent * j - (k - j)) for j in range(1, k + 1)]
        v.append(_over(scale(_sum(terms), 1 / k), u[0]))
    return v


def _integer_pow(u: Series, *, y: int) -> Series:
    """Products for a positive exponent, which may meet zeros."""
    start = ew.integer_pow(u[0], y)
    if y < 0:
        return _power(u, start, y)
    result: Series | None = None
    square, n = u, y
    while n:
        if n & 1:
            result = square if result is None else _product(result, square)
        n >>= 1
        if n:
            square = _square(square)
    return [start, *(result[1:] if result is not None else [None] * (len(u) - 1))]


# -- linear and bilinear primitives ---------------------------------------------------------------------


def coefficient(u: Series, k: int) -> Any:
    """Coefficient k as a value; integers, which have none, stand for themselves."""
    if u[k] is not None:
        return u[k]
    aval = get_aval(u[0])
    return raw.zeros(aval) if dtypes.is_inexact(aval.dtype) else u[0]


def _linear(primitive: Primitive) -> Rule:
    """Linear in its floating-point operands together: the primitive itself applies to each coefficient."""

    def rule(*series: Series, **params: Any) -> Any:
        first = primitive.bind(*[u[0] for u in series], **params)
        firsts = first if primitive.multiple_results else [first]
        found = [[y] for y in firsts]
        for k in range(1, len(series[0])):
            if all(u[k] is None for u in series):
                outs = [None] * len(found)
            else:
                out = primitive.bind(*[coefficient(u, k) for u in series], **params)
                outs = out if primitive.multiple_results else [out]
            for v, c in zip(found, outs, strict=True):
                v.append(c)
        return found if primitive.multiple_results else found[0]

    return rule


def _sum_rule(u: Series, v: Series) -> Series:
    return [ew.add(u[0], v[0]), *[_sum([x, y]) for x, y in zip(u[1:], v[1:], strict=True)]]


def _difference_rule(u: Series, v: Series) -> Series:
    return [ew.sub(u[0], v[0]), *[minus(x, y) for x, y in zip(u[1:], v[1:], strict=True)]]


def _dot_general(u: Series, v: Series, **params: Any) -> Series:
    def dot(x: Any, y: Any) -> Any:
        return None if x is None or y is None else contraction.dot_general_p.bind(x, y, **params)

    return [_convolved(u, v, k, times=dot) for k in range(len(u))]


# -- solutions of linear equations ----------------------------------------------------------------------


def solution_of_equation(
    start: Any, right: Series, moved: Callable[[Series, int], Any], solve: Callable[[Any], Any]
) -> Series:
    """``x`` of ``A(t) x(t) = right(t)``: ``A0 x_k`` is ``right_k`` less ``moved(x, k)``.

    ``moved`` is coefficient k of ``A x`` for the coefficients of x below k; ``solve`` applies the inverse of ``A0``.
    """
    x: Series = [start]
    for k in range(1, len(right)):
        rest = minus(right[k], moved(x, k))
        x.append(None if rest is None else solve(rest))
    return x


def _moved(a: Series, change: Callable[[Any], Any], left: bool = True) -> Callable[[Series, int], Any]:
    """For ``solution_of_equation``: products with the matrices ``change(a_j)``, from the left or from the right."""
    changes = [None if c is None else change(c) for c in [None, *a[1:]]]

    def product(d: Any, y: Any) -> Any:
        return None if d is None or y is None else matrices.matmul(d, y) if left else matrices.matmul(y, d)

    return lambda x, k: _sum([product(changes[j], x[k - j]) for j in range(1, k + 1)])


def _triangular_solve(a: Series, b: Series, **params: Any) -> Series:
    def change(d: Any) -> Any:
        inner = int(params["unit_diagonal"])
        d = matrices.tril(d, -inner) if params["lower"] else matrices.triu(d, inner)
        d = matrices.transposed(d) if params["transpose_a"] else d
        return ew.conj(d) if params["conjugate_a"] else d

    def solve(rest: Any) -> Any:
        return la.triangular_solve_p.bind(a[0], rest, **params)

    return solution_of_equation(solve(b[0]), b, _moved(a, change, params["left_side"]), solve)


def _lu_solve(a: Series, lu: Series, permutation: Series, b: Series, *, trans: int) -> Series:
    """The factorisation follows from the matrix: it has no part in the equation."""

    def solve(rest: Any) -> Any:
        return la.lu_solve_p.bind(a[0], lu[0], permutation[0], rest, trans=trans)

    change = (lambda d: d, matrices.transposed, matrices.adjoint)[trans]
    return solution_of_equation(solve(b[0]), b, _moved(a, change), solve)


_LINEAR = (
    ew.neg_p,
    ew.add_any_p,
    ew.real_p,
    ew.imag_p,
    ew.conj_p,
    ew.complex_p,
    ew.copy_p,
    ew.convert_element_type_p,
    ew.select_n_p,
    shapes.reshape_p,
    shapes.broadcast_in_dim_p,
    shapes.transpose_p,
    shapes.squeeze_p,
    shapes.slice_p,
    shapes.rev_p,
    shapes.pad_p,
    shapes.concatenate_p,
    assembling.stack_p,
    assembling.unstack_p,
    assembling.tile_p,
    splitting.split_p,
    dynamic_slices.dynamic_slice_p,
    dynamic_slices.dynamic_update_slice_p,
    indexing.scatter_add_p,
    reductions.reduce_sum_p,
    windows.reduce_window_sum_p,
    ordering.cumsum_p,
    barriers.name_p,
    barriers.optimization_barrier_p,
)

# Others are differentiated by their jvp rules (``jet.py``).
RULES: dict[Primitive, Rule] = {
    **{primitive: _linear(primitive) for primitive in _LINEAR},
    ew.add_p: _sum_rule,
    ew.sub_p: _difference_rule,
    ew.mul_p: _product,
    ew.div_p: _quotient,
    strong_mul_p: lambda u, v, *, both: _product(u, v),
    strong_div_p: _quotient,
    contraction.dot_general_p: _dot_general,
    la.triangular_solve_p: _triangular_solve,
    la.lu_solve_p: _lu_solve,
    ew.square_p: _square,
    ew.integer_pow_p: _integer_pow,
    ew.sqrt_p: _sqrt,
    ew.rsqrt_p: lambda u, **params: _power(u, ew.rsqrt_p.bind(u[0], **params), -0.5),
    ew.cbrt_p: lambda u, **params: _power(u, ew.cbrt_p.bind(u[0], **params), 1 / 3),
    ew.exp_p: _of_itself(ew.exp_p, lambda v, k: v[k]),
    ew.exp2_p: _of_itself(ew.exp2_p, lambda v, k: scale(v[k], math.log(2.0))),
    ew.expm1_p: _of_itself(ew.expm1_p, lambda v, k: _shifted(v[k], 1.0, k)),
    ew.log_p: lambda u, **params: _log(u, ew.log_p.bind(u[0], **params)),
    ew.log1p_p: lambda u, **params: _log([_shifted(u[0], 1.0, 0), *u[1:]], ew.log1p_p.bind(u[0], **params)),
    ew.sin_p: lambda u, **_: _pair(u, ew.sin_p, ew.cos_p, -1)[0],
    ew.cos_p: lambda u, **_: _pair(u, ew.sin_p, ew.cos_p, -1)[1],
    ew.sinh_p: lambda u, **_: _pair(u, ew.sinh_p, ew.cosh_p, 1)[0],
    ew.cosh_p: lambda u, **_: _pair(u, ew.sinh_p, ew.cosh_p, 1)[1],
    ew.tan_p: _of_itself(ew.tan_p, lambda v, k: _shifted(_squared(v, k), 1.0, k)),
    ew.tanh_p: _of_itself(ew.tanh_p, lambda v, k: _shifted(scale(_squared(v, k), -1.0), 1.0, k)),
    ew.logistic_p: _of_itself(ew.logistic_p, lambda v, k: minus(v[k], _squared(v, k))),
}
