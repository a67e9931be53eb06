"""erf, erfc, erf_inv."""

from __future__ import annotations

from .exponential import expm1_near_zero, reduce_ln2
from .lang import E, Math
from .logarithm import log_of_parts
from .registry import define

INF, NAN = float("inf"), float("nan")


@define("erf", libm="erf")
def erf(m: Math, x: E) -> E:
    """An odd polynomial below 1; beyond, 1 - e^(-q) with q = -log erfc, which is smooth: the errors of q
    reach the result only through the small e^(-q)."""
    a = m.abs(x)
    z = a * a
    near = m.fma(a, m.poly(z, m.table("erf")), a)
    q = m.poly(m.at_most(a, m.pick(6.0, 4.0)) - 1.0, m.table("erfc_log"))
    _, k_bits, r = reduce_ln2(m, -q)
    power = m.pow2(k_bits)
    far = 1.0 - m.fma(power, expm1_near_zero(m, r), power)
    return m.copysign(m.select(a < 1.0, near, far), x)


@define("erfc", inline=False, libm="erfc")
def erfc(m: Math, x: E) -> E:
    """e^(-x^2) g(|x|) with the square as a pair; 2 less that for negative x; 1 - erf(x) for small |x|."""
    a = m.at_most(m.abs(x), m.pick(28.0, 11.0))
    z, z_lo = m.two_prod(a, a)
    k, k_bits, r = reduce_ln2(m, -z)
    g, g_lo, excess = erfcx_parts(m, a)
    p = expm1_near_zero(m, r - z_lo) + excess
    tail = m.scale(g + m.fma(g, p, g_lo), k, k_bits)
    near = 1.0 - m.fma(x, m.poly(z, m.table("erf")), x)
    return m.select(m.abs(x) < 0.5, near, m.select(x < 0.0, 2.0 - tail, tail))


def erfcx_parts(m: Math, a: E):
    """(g, g_lo, e): e^(a^2) erfc(a) = g (1 + e) + g_lo: a polynomial in t = (a - K)/(a + K), a map of Shepherd and
    Laframboise (1981), over a + K; e makes good the rounding of t and of 1/(a + K)."""
    centre, slope, bend = m.table("erfc_map")
    d, d_lo = m.two_sum(a, centre)
    n, n_lo = m.two_sum(a, -centre)
    inverse = 1.0 / d
    t = n * inverse
    e = m.fnma(inverse, d_lo, m.fnma(inverse, d, 1.0))
    t_lo = m.fma(t, e, m.fma(n_lo, inverse, m.fms(n, inverse, t)))
    g, g_lo = m.two_prod(m.horner(t, m.table("erfc")), inverse)
    return g, g_lo, m.fma(t_lo, m.fma(t, bend, slope), e)


@define("erf_inv", inline=False)
def erf_inv(m: Math, x: E) -> E:
    """x times a polynomial in w = -log(1 - x^2); further out (w > 5) in sqrt w, as Giles (2010) proposes."""
    square = m.fnma(x, x, 1.0)
    k, mant = m.split(square)
    w = 0.0 - log_of_parts(m, k, mant - 1.0)
    if not m.split_is_total:
        w = m.select(square > 0.0, w, INF)
    first, *rest = m.table("erf_inv")
    ratio, ratio_lo = m.fast_two_sum(m.c(first), w * m.horner(w, rest))
    centre = m.fma(x, ratio, x * ratio_lo)
    return m.rarely(~(w <= 5.0), centre, lambda: erf_inv_tail(m, x, w, centre))


def erf_inv_tail(m: Math, x: E, w: E, centre: E) -> E:
    s = m.sqrt(w)
    value = m.careful_poly(s - 3.0, m.table("erf_inv_2"))
    if m.is_double:
        value = m.select(s < 3.7, value, m.poly(s - 5.0, m.table("erf_inv_3")))
    value = m.select(w <= 5.0, centre, value * x)
    a = m.abs(x)
    return m.select(a < 1.0, value, m.select(a == 1.0, m.copysign(m.c(INF), x), NAN))
