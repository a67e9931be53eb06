"""Taylor mode: every value travels with the coefficients of its power series along a curve.

A series is ``x(t) = x0 + x1 t + x2 t**2 + ...``; None stands for a zero coefficient.  What is linear applies to each
coefficient, products convolve, elementary functions follow recurrences from their differential equations, and any
other primitive is differentiated repeatedly by its jvp rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from jitney._base import dtypes
from jitney._core.jaxpr import evaluate
from jitney._core.primitive import Primitive, registry
from jitney._core.tangents import Zero
from jitney._core.trace import Trace, Tracer, current_trace, get_aval, swap_trace
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import literal
from jitney._transforms.jvp import jvp_flat

Series = list[Any]  # of coefficients x0, x1, ..., which may be None
Rule = Callable[..., Series]


class JetTracer(Tracer):
    """A value with its higher coefficients."""

    __slots__ = ("primal", "terms")

    def __init__(self, trace: JetTrace, primal: Any, terms: Series) -> None:
        self._trace = trace
        self.primal = primal
        self.terms = terms
        self.aval = get_aval(primal)

    def concrete(self) -> Any | None:
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def origin(self) -> str:
        return self.primal.origin() if isinstance(self.primal, Tracer) else ""

    def arguments(self) -> list[str]:
        return self.primal.arguments() if isinstance(self.primal, Tracer) else []


class JetTrace(Trace):
    """Propagates series up to ``order``; ``parent`` interprets what the rules compute."""

    __slots__ = ("order", "parent")

    def __init__(self, parent: Trace | None, order: int) -> None:
        self.parent = parent
        self.order = order

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        body = _body(primitive, params)
        if body is not None:
            return body(*args)
        series = [self.series(x) for x in args]
        before = swap_trace(self.parent)
        try:
            if not any(c is not None for s in series for c in s[1:]):
                return primitive.bind(*[s[0] for s in series], **params)
            rule = RULES.get(primitive.name)
            found = None if rule is None else rule(*series, **params)
            if found is None:
                outs = _by_jvp(primitive, series, params)
            else:
                outs = [found]
        finally:
            swap_trace(before)
        pairs = [self.pair(s[0], s[1:]) for s in outs]
        return pairs if primitive.multiple_results else pairs[0]

    def series(self, x: Any) -> Series:
        if type(x) is JetTracer and x._trace is self:
            return [x.primal, *x.terms]
        return [x] + [None] * self.order

    def pair(self, primal: Any, terms: Series) -> Any:
        return primal if all(c is None for c in terms) else JetTracer(self, primal, terms)


def _body(primitive: Primitive, params: dict[str, Any]) -> Callable[..., list[Any]] | None:
    """The program of a call, which is run under the trace itself."""
    if primitive.name == "jit" or primitive.name == "remat2":
        program = params["jaxpr"]
        return lambda *xs: evaluate(program.jaxpr, program.consts, *xs)
    if primitive.name in ("custom_jvp_call", "custom_vjp_call", "custom_vmap_call"):
        return lambda *xs: primitive.impl(*xs, **params)
    return None


def jet_flat(
    fun: Callable[..., Sequence[Any]], series: Sequence[Series], order: int
) -> tuple[list[Any], list[Series]]:
    """Outputs of flat ``fun`` and their higher coefficients (None where zero)."""
    caller = current_trace()
    trace = JetTrace(caller, order)
    swap_trace(trace)
    try:
        outs = fun(*[trace.pair(s[0], s[1:]) for s in series])
    finally:
        swap_trace(caller)
    found = [trace.series(y) for y in outs]
    return [s[0] for s in found], [s[1:] for s in found]


# -- arithmetic of coefficients -------------------------------------------------------------------------


def _plus(x: Any, y: Any) -> Any:
    return y if x is None else x if y is None else ew.add(x, y)


def _minus(x: Any, y: Any) -> Any:
    return x if y is None else ew.neg(y) if x is None else ew.sub(x, y)


def _times(x: Any, y: Any) -> Any:
    return None if x is None or y is None else ew.mul(x, y)


def _scale(x: Any, factor: float) -> Any:
    return None if x is None else ew.mul(x, literal(x, factor))


def _over(x: Any, y: Any) -> Any:
    return None if x is None else ew.div(x, y)


def _sum(terms: Sequence[Any]) -> Any:
    total = None
    for term in terms:
        total = _plus(total, term)
    return total


def _product(u: Series, v: Series, times: Callable[[Any, Any], Any] = _times) -> Series:
    return [_sum([times(u[j], v[k - j]) for j in range(k + 1)]) for k in range(len(u))]


def _quotient(u: Series, w: Series) -> Series:
    v: Series = []
    for k in range(len(u)):
        known = _sum([_times(w[j], v[k - j]) for j in range(1, k + 1)])
        v.append(_over(_minus(u[k], known), w[0]))
    return v


def _chain(u: Series, d: Series, k: int) -> Any:
    """Coefficient k of v where v' = d u'."""
    return _scale(_sum([_scale(_times(u[j], d[k - j]), j) for j in range(1, k + 1)]), 1 / k)


def _integral(u: Series, d: Series, v0: Any) -> Series:
    return [v0, *[_chain(u, d, k) for k in range(1, len(u))]]


def _shift(u: Series, value: float) -> Series:
    return [ew.add(u[0], literal(u[0], value)), *u[1:]]


def _each(u: Series, factor: float) -> Series:
    return [_scale(c, factor) for c in u]


def _square(u: Series) -> Series:
    return _product(u, u)


def _one(u: Series) -> Series:
    return [literal(u[0], 1.0)] + [None] * (len(u) - 1)


# -- elementary functions -------------------------------------------------------------------------------


def _exp(u: Series) -> Series:
    v: Series = [registry["exp"].bind(u[0])]
    for k in range(1, len(u)):
        v.append(_chain(u, v, k))
    return v


def _sqrt(u: Series) -> Series:
    v: Series = [registry["sqrt"].bind(u[0])]
    twice = _scale(v[0], 2.0)
    for k in range(1, len(u)):
        known = _sum([_times(v[j], v[k - j]) for j in range(1, k)])
        v.append(_over(_minus(u[k], known), twice))
    return v


def _pair(sine: str, cosine: str, sign: float) -> Callable[[Series], tuple[Series, Series]]:
    """sin and cos, or sinh and cosh: s' = c u', c' = sign s u'."""

    def both(u: Series) -> tuple[Series, Series]:
        s: Series = [registry[sine].bind(u[0])]
        c: Series = [registry[cosine].bind(u[0])]
        for k in range(1, len(u)):
            s.append(_chain(u, c, k))
            c.append(_scale(_chain(u, s, k), sign))
        return s, c

    return both


_trigonometric, _hyperbolic = _pair("sin", "cos", -1.0), _pair("sinh", "cosh", 1.0)


def _riccati(name: str, slope: Callable[[Series], Series]) -> Rule:
    """v' = slope(v) u', where coefficient k of the slope needs those of v up to k."""

    def rule(u: Series, **_: Any) -> Series:
        v: Series = [registry[name].bind(u[0])]
        for k in range(1, len(u)):
            v.append(_chain(u, slope(v), k))
        return v

    return rule


def _by_slope(name: str, slope: Callable[[Series], Series]) -> Rule:
    """v' = slope(u) u' for an explicit slope."""
    return lambda u, **_: _integral(u, slope(u), registry[name].bind(u[0]))


def _integer_power(u: Series, *, y: int) -> Series:
    result, square, n = _one(u), u, abs(y)
    while n:
        if n & 1:
            result = _product(result, square)
        n >>= 1
        if n:
            square = _square(square)
    return result if y >= 0 else _quotient(_one(u), result)


def _one_minus(u: Series) -> Series:
    return _shift(_each(u, -1.0), 1.0)


ELEMENTARY: dict[str, Rule] = {
    "exp": lambda u, **_: _exp(u),
    "exp2": lambda u, **_: _exp(_each(u, math.log(2.0))),
    "expm1": lambda u, **_: [registry["expm1"].bind(u[0]), *_exp(u)[1:]],
    "log": _by_slope("log", lambda u: _quotient(_one(u), u)),
    "log1p": _by_slope("log1p", lambda u: _quotient(_one(u), _shift(u, 1.0))),
    "sqrt": lambda u, **_: _sqrt(u),
    "rsqrt": lambda u, **_: _quotient(_one(u), _sqrt(u)),
    "sin": lambda u, **_: _trigonometric(u)[0],
    "cos": lambda u, **_: _trigonometric(u)[1],
    "tan": _riccati("tan", lambda v: _shift(_square(v), 1.0)),
    "sinh": lambda u, **_: _hyperbolic(u)[0],
    "cosh": lambda u, **_: _hyperbolic(u)[1],
    "tanh": _riccati("tanh", lambda v: _one_minus(_square(v))),
    "logistic": _riccati("logistic", lambda v: _product(v, _one_minus(v))),
    "asin": _by_slope("asin", lambda u: _quotient(_one(u), _sqrt(_one_minus(_square(u))))),
    "acos": _by_slope("acos", lambda u: _each(_quotient(_one(u), _sqrt(_one_minus(_square(u)))), -1.0)),
    "atan": _by_slope("atan", lambda u: _quotient(_one(u), _shift(_square(u), 1.0))),
    "asinh": _by_slope("asinh", lambda u: _quotient(_one(u), _sqrt(_shift(_square(u), 1.0)))),
    "acosh": _by_slope("acosh", lambda u: _quotient(_one(u), _sqrt(_shift(_square(u), -1.0)))),
    "atanh": _by_slope("atanh", lambda u: _quotient(_one(u), _one_minus(_square(u)))),
    "erf": _by_slope("erf", lambda u: _each(_exp(_each(_square(u), -1.0)), 2 / math.sqrt(math.pi))),
    "erfc": _by_slope("erfc", lambda u: _each(_exp(_each(_square(u), -1.0)), -2 / math.sqrt(math.pi))),
    "integer_pow": _integer_power,
    "square": lambda u, **_: _square(u),
    "mul": lambda u, v, **_: _product(u, v),
    "div": lambda u, v, **_: _quotient(u, v),
}


def _checked(name: str, rule: Rule) -> Rule:
    """The rule for floating-point operands; integers have no series of their own."""

    def run(*series: Series, **params: Any) -> Series:
        value = registry[name].bind(*[s[0] for s in series], **params)
        shape = get_aval(value).shape
        found = rule(*series, **params)
        terms = [
            c if c is None or get_aval(c).shape == shape else raw.broadcast_to_same_rank(c, shape)
            for c in found[1:]
        ]
        return [value, *terms]

    return run


# -- linear and bilinear primitives ---------------------------------------------------------------------


def _linear(name: str) -> Rule:
    """Linear in all floating-point operands: the primitive itself applies to each coefficient."""

    def rule(*series: Series, **params: Any) -> Series | None:
        primitive = registry[name]
        value = primitive.bind(*[s[0] for s in series], **params)
        if not dtypes.is_inexact(get_aval(value).dtype):
            return [value] + [None] * (len(series[0]) - 1)
        out = [value]
        for k in range(1, len(series[0])):
            if all(s[k] is None for s in series):
                out.append(None)
                continue
            out.append(primitive.bind(*[_coefficient(s, k) for s in series], **params))
        return out

    return rule


def _coefficient(s: Series, k: int) -> Any:
    aval = get_aval(s[0])
    if s[k] is not None or not dtypes.is_inexact(aval.dtype):
        return s[0] if s[k] is None else s[k]
    return raw.zeros(aval)


def _dot_general(u: Series, v: Series, **params: Any) -> Series:
    dot = lambda x, y: None if x is None or y is None else registry["dot_general"].bind(x, y, **params)
    return _product(u, v, dot)


LINEAR = (
    "neg real imag complex copy reshape broadcast_in_dim transpose squeeze expand_dims slice rev split reduce_sum "
    "cumsum convert_element_type add sub add_any concatenate pad select_n gather dynamic_slice dynamic_update_slice "
    "tie_in name keep_apart reduce_window_sum"
).split()

RULES: dict[str, Rule] = {
    **{name: _checked(name, rule) for name, rule in ELEMENTARY.items()},
    **{name: _linear(name) for name in LINEAR if name != "split"},
    "dot_general": _dot_general,
}


# -- everything else ------------------------------------------------------------------------------------


def _by_jvp(primitive: Primitive, series: Sequence[Series], params: dict[str, Any]) -> list[Series]:
    """Coefficients by repeated forward differentiation along the curve."""
    order = len(series[0]) - 1

    def at(t: Any) -> list[Any]:
        out = primitive.bind(*[_polynomial(s, t) for s in series], **params)
        return list(out) if primitive.multiple_results else [out]

    def derivatives(k: int) -> Callable[[Any], list[Any]]:
        """t -> values, first, ..., k-th derivatives, one list after the other."""
        if k == 0:
            return at
        below = derivatives(k - 1)

        def fun(t: Any) -> list[Any]:
            outs, tangents = jvp_flat(lambda t: below(t), [t], [1.0])
            count = len(outs) // k
            newest = zip(tangents[-count:], outs[-count:], strict=True)
            return [*outs, *[_as_array(t, y) for t, y in newest]]

        return fun

    found = derivatives(order)(0.0)
    count = len(found) // (order + 1)
    out = []
    for n in range(count):
        value = found[n]
        if not dtypes.is_inexact(get_aval(value).dtype):
            out.append([value] + [None] * order)
            continue
        out.append(
            [value, *[_scale(found[n + k * count], 1 / math.factorial(k)) for k in range(1, order + 1)]]
        )
    return out


def _as_array(tangent: Any, value: Any) -> Any:
    return raw.zeros(get_aval(value)) if type(tangent) is Zero else tangent


def _polynomial(s: Series, t: Any) -> Any:
    """The value of a series at ``t``, by Horner's scheme."""
    if all(c is None for c in s[1:]):
        return s[0]
    aval = get_aval(s[0])
    step = ew.convert(t, aval.dtype)
    total = None
    for c in reversed(s[1:]):
        total = _times(_plus(total, c), step) if total is not None or c is not None else None
    return _plus(s[0], total)
