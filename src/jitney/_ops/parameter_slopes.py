"""How incomplete gamma and beta functions and Hurwitz' zeta function change with their parameters, by differences."""

from __future__ import annotations

from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import gamma_functions
from jitney._ops.differences import of_power, slope
from jitney._ops.families import literal
from jitney._ops.strong_products import chain


def _width(a: Any, log: Any) -> Any:
    """The radius in a parameter ``a`` > 0 of e^(a log) times what changes over a distance sqrt(a)."""
    wide = ew.mul(of_power(log), ew.sqrt(ew.add(literal(a, 1.0), a)))
    return ew.minimum(ew.abs(a), wide)


def _gamma_radius(a: Any, x: Any) -> Any:
    return _width(a, ew.log(ew.div(x, a)))


def igamma_grad_a(g: Any, y: Any, a: Any, x: Any) -> Any:
    """By ``a``."""
    return slope(gamma_functions.igamma_grad_a_p.bind, 0, _gamma_radius, g, y, (a, x))


def igamma_grad_x(g: Any, y: Any, a: Any, x: Any) -> Any:
    """By ``x``: the derivative of the density by ``a``."""
    one = literal(x, 1.0)
    density = ew.exp(ew.sub(ew.sub(ew.mul(ew.sub(a, one), ew.log(x)), x), gamma_functions.lgamma(a)))
    return chain(g, ew.mul(density, ew.sub(ew.log(x), gamma_functions.digamma(a))))


def random_gamma_grad_a(g: Any, y: Any, a: Any, x: Any) -> Any:
    return slope(gamma_functions.random_gamma_grad_p.bind, 0, _gamma_radius, g, y, (a, x))


def random_gamma_grad_x(g: Any, y: Any, a: Any, x: Any) -> Any:
    return slope(
        gamma_functions.random_gamma_grad_p.bind,
        1,
        lambda a, x: ew.minimum(x, _gamma_radius(a, x)),
        g,
        y,
        (a, x),
    )


def betainc(place: int, g: Any, y: Any, a: Any, b: Any, x: Any) -> Any:
    """By parameter ``place``; where the function is near 1, of what is left to 1."""
    near_1 = ew.and_(ew.gt(y, literal(y, 0.5)), ew.gt(x, literal(x, 0.25)))

    def function(a: Any, b: Any, x: Any) -> Any:
        flip = ew.broadcast_like(near_1, get_aval(a).update(dtype=get_aval(near_1).dtype))
        rest = ew.sub(literal(x, 1.0), x)
        first, second, place = (ew.select(flip, p, q, get_aval(a)) for p, q in ((b, a), (a, b), (rest, x)))
        value = gamma_functions.regularized_incomplete_beta_p.bind(first, second, place)
        return ew.select(flip, ew.neg(value), value, get_aval(a))

    def radius(a: Any, b: Any, x: Any) -> Any:
        part, side = (a, x) if place == 0 else (b, ew.sub(literal(x, 1.0), x))
        return _width(part, ew.log(ew.div(ew.mul(side, ew.add(a, b)), part)))

    return slope(function, place, radius, g, y, (a, b, x))


def zeta(g: Any, y: Any, s: Any, q: Any) -> Any:
    """By ``s``: of the sum without its first term, and of that."""
    one = literal(q, 1.0)

    def radius(s: Any, q: Any) -> Any:
        return ew.minimum(ew.sub(s, literal(s, 1.0)), of_power(ew.log(ew.abs(q))))

    rest = slope(gamma_functions.zeta_p.bind, 0, radius, g, y, (s, ew.add(q, one)))
    return ew.sub(rest, chain(g, ew.mul(ew.log(q), ew.pow(q, ew.neg(s)))))
