"""Integrals, hypergeometric, Bessel, gamma and Legendre functions in native code: against mpmath over their domains.

Begin at `CASES`. Errors count in units of the last place, over 1 + the condition number where the function has zeros or
grows steeply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.special
from mpmath import mp, mpc, mpf

import jitney
from jitney.scipy import special
from test_vmath import DTYPES, compiled, native_width

INF, NAN = np.inf, np.nan


def between(low: float, high: float, n: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, n)


def scales(low: float, high: float, n: int = 40, seed: int = 1) -> np.ndarray:
    """Of all orders of magnitude."""
    return np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), n))


def join(*xs: np.ndarray) -> np.ndarray:
    return np.concatenate(xs)


def integers(low: int, high: int, n: int = 40) -> np.ndarray:
    return np.random.default_rng(3).integers(low, high, n).astype(float)


def erfcx(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x) if x < 1000 else mp.re(faddeeva(mpc(0, x)))


def dawsn(x: Any) -> Any:
    if abs(x) > 1e8:
        return 1 / (2 * x)
    terms = (1, 0.5, 0.75, 1.875, 6.5625, 29.53125)
    if abs(x) > 300:
        return sum(mpf(c) / x ** (2 * k) for k, c in enumerate(terms)) / (2 * x)
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def owens_t(h: Any, a: Any) -> Any:
    end = min(a, 14 / h)
    places = mp.linspace(0, end, int(min(20, max(1, end * h))) + 1)
    return (
        mp.exp(-h * h / 2) * mp.quad(lambda t: mp.exp(-h * h * t * t / 2) / (1 + t * t), places) / (2 * mp.pi)
    )


def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    return mp.hyp1f1(a, b, x, maxprec=20000, maxterms=10**6)


def hyp2f1(a: Any, b: Any, c: Any, x: Any) -> Any:
    return mp.re(mp.hyp2f1(a, b, c, x, maxprec=20000, maxterms=10**6))


def legendre(n: Any, m: Any, theta: Any) -> Any:
    value, before, cosine = mp.sqrt(1 / (4 * mp.pi)), mpf(0), mp.cos(theta)
    n, m = int(n), int(m)
    for k in range(1, m + 1):
        value *= -mp.sin(theta) * mp.sqrt(mpf(2 * k + 1) / (2 * k))
    for k in range(m + 1, n + 1):
        a = mp.sqrt(mpf(4 * k * k - 1) / (k * k - m * m))
        b = mp.sqrt(mpf((k - 1) ** 2 - m * m) / (4 * (k - 1) ** 2 - 1))
        value, before = a * (cosine * value - b * before), value
    return value


@dataclass
class Case:
    """A native function: its exact values, arguments, allowed units, and the last argument's condition if it counts."""

    name: str
    exact: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]
    allowed: float
    slope: Callable[..., Any] | None = None
    label: str = ""


_WIDE = join(scales(1e-300, 1e6), between(0, 30))
_TURNS = join(scales(1e-100, 1e3, 20), between(0, 12), -between(0, 5, 10))
_MIXED = join(between(0, 1), -scales(1e-3, 1e5, 20), between(-2, 1, 20))
CASES = [
    Case("erfcx", erfcx, (join(between(-26.7, 28), scales(1e-20, 1e200), -scales(1e-10, 26)),), 4),
    Case("dawsn", dawsn, (join(between(-10, 10, 80), scales(1e-300, 1), scales(1, 1e300)),), 4),
    Case("exp1", mp.e1, (join(scales(1e-300, 700), between(0, 12), between(700, 740, 10)),), 4),
    Case("expi", mp.ei, (join(scales(1e-300, 700), between(0, 60), between(0.3, 0.45), -between(0, 30)),), 4),
    Case("expn", mp.expint, (integers(0, 60, 80), join(scales(1e-5, 50), between(0, 5))), 5),
    Case("expn", mp.expint, (integers(-20, 3), scales(1e-3, 100)), 25, label="expn, orders below 0"),
    Case("sine_integral", mp.si, (join(_WIDE, -between(0, 30)),), 4),
    Case("cosine_integral", mp.ci, (_WIDE,), 6, mp.cos),
    Case("fresnel_sine", mp.fresnels, (_TURNS,), 6),
    Case("fresnel_cosine", mp.fresnelc, (_TURNS,), 6),
    Case("sin_quarter", lambda x: mp.sinpi(x * x / 2), (join(scales(1e-10, 1e14), between(0, 100)),), 2),
    Case("cos_quarter", lambda x: mp.cospi(x * x / 2), (join(scales(1e-10, 1e14), between(0, 100)),), 2),
    Case(
        "spence", lambda x: mp.re(mp.polylog(2, 1 - x)), (join(between(0, 3), 1 + scales(1e-14, 0.1, 20)),), 4
    ),
    Case("owens_t", owens_t, (join(scales(1e-3, 30, 20), between(0, 5, 20)), scales(1e-3, 30)), 5),
    Case("tgamma", mp.gamma, (join(between(-20, 171), scales(1e-300, 1), between(-185, -100)),), 8),
    Case("rgamma", mp.rgamma, (join(between(-20, 170), scales(1e-300, 1), between(-160, -100)),), 8),
    Case(
        "bessel_jn",
        lambda n, x: mp.besselj(int(n), x),
        (integers(0, 60, 120), join(scales(1e-3, 1e4), between(0, 60), between(20, 30))),
        5,
        lambda n, x: x * mp.besselj(int(n), x, 1),
    ),
    Case(
        "spherical_legendre",
        legendre,
        (integers(30, 60), integers(0, 30), between(0.1, 3)),
        60,
        lambda n, m, t: (legendre(n, m, t * (1 + mpf(10) ** -20)) - legendre(n, m, t)) * mpf(10) ** 20,
    ),
    *(
        Case(
            "hyp1f1",
            hyp1f1,
            (a, b, x),
            60,
            lambda a, b, x: x * a / b * hyp1f1(a + 1, b + 1, x),
            f"hyp1f1, {label}",
        )
        for label, a, b, x in (
            ("positive", between(0, 20), between(0.1, 20), scales(1e-3, 600)),
            ("negative x", between(0, 20), between(0.1, 20), -scales(1e-3, 1e5)),
            ("negative a", between(-20, 0), between(0.1, 20), scales(1e-3, 600)),
            ("polynomials", -integers(0, 60), between(0.1, 20), scales(1e-3, 600)),
            ("negative b", between(-20, 20), between(-20, 0, seed=5), scales(1e-3, 100)),
            ("large", between(-200, 200), between(0.1, 200, seed=5), scales(0.1, 1000)),
        )
    ),
    *(
        Case(
            "hyp2f1",
            hyp2f1,
            (a, b, c, x),
            120,
            lambda a, b, c, x: x * a * b / c * hyp2f1(a + 1, b + 1, c + 1, x),
            f"hyp2f1, {label}",
        )
        for label, a, b, c, x in (
            (
                "positive",
                between(0, 10),
                between(0.1, 10, seed=5),
                between(0.1, 20, seed=6),
                between(0, 1, seed=7),
            ),
            (
                "near 1",
                between(0, 5),
                between(0.1, 5, seed=5),
                between(0.1, 10, seed=6),
                1 - scales(1e-14, 0.1),
            ),
            (
                "negative x",
                between(0, 10),
                between(0.1, 10, seed=5),
                between(0.1, 20, seed=6),
                -scales(1e-3, 1e9),
            ),
            ("mixed", between(-10, 10, 80), between(-10, 10, 80, 5), between(0.1, 10, 80, 6), _MIXED),
            ("negative c", between(-9, 9, 80), between(-9, 9, 80, 5), between(-9, 0, 80, 6), _MIXED),
            ("integers", integers(-8, 9, 80), np.roll(integers(1, 9, 80), 7), integers(1, 9, 80), _MIXED),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[c.label or c.name for c in CASES])
def test_accuracy(case):
    got = compiled(case.name, "f64", native_width("f64"))(*case.arguments)
    usual = np.logical_and.reduce([(np.abs(x) > 1e-30) & (np.abs(x) < 1e30) for x in case.arguments])
    narrow = [x[usual][::4].astype(np.float32) for x in case.arguments]
    got_f32 = compiled(case.name, "f32", native_width("f32"))(*narrow)
    with mp.workdps(45):
        for kind, values, arguments in (("f64", got, case.arguments), ("f32", got_f32, narrow)):
            info = np.finfo(DTYPES[kind])
            for value, *row in zip(values, *arguments, strict=True):
                args = [mpf(float(v)) for v in row]
                want = mp.re(case.exact(*args))
                if abs(want) > mpf(float(info.max)):
                    assert abs(value) == INF, row
                    continue
                condition = abs(case.slope(*args) / want) if case.slope is not None and want else 0
                unit = abs(want) * mpf(float(info.eps)) / 2
                allowed = case.allowed if kind == "f64" else 2
                assert abs(mpf(float(value)) - want) <= allowed * unit * (1 + condition) + mpf(
                    float(info.smallest_subnormal)
                ), (kind, row, value, float(want))


_EDGES = np.array([0.0, -0.0, INF, -INF, NAN, -1.0])


@pytest.mark.parametrize("name", ["erfcx", "exp1", "expi", "dawsn", "spence", "sici", "fresnel"])
def test_edges_as_scipy(name):
    want = np.asarray(getattr(scipy.special, name)(_EDGES))
    got = np.asarray(jitney.jit(getattr(special, name))(_EDGES))
    if name == "sici":
        want[1][np.isneginf(_EDGES)] = NAN  # the real function ends at 0
        want[1][_EDGES == -1] = NAN
    if name == "exp1":
        want[_EDGES < 0] = NAN
    if name == "spence":
        want[np.isposinf(_EDGES)] = -INF
    np.testing.assert_allclose(got, want, rtol=4e-15)


@pytest.mark.parametrize(
    "name, operands, want",
    [
        ("hyp1f1", (1.0, -2.0, 0.5), NAN),
        ("hyp1f1", (-1.0, -2.0, 0.5), 1.25),
        ("hyp1f1", (0.0, 2.0, 5.0), 1.0),
        ("hyp1f1", (1.0, 2.0, NAN), NAN),
        ("hyp2f1", (1.0, 2.0, 3.0, 1.0), INF),
        ("hyp2f1", (1.0, 2.0, 3.0, 1.5), NAN),
        ("hyp2f1", (-1.0, 2.0, 4.0, 3.0), -0.5),
        ("hyp2f1", (1.0, 1.0, 3.0, 1.0), 2.0),
        ("hyp2f1", (1.0, 1.0, -3.0, 0.5), NAN),
        ("hyp2f1", (0.0, 1.0, 3.0, 0.5), 1.0),
        ("owens_t", (1.0, INF), 0.07932762696572854),
        ("owens_t", (0.0, INF), 0.25),
        ("owens_t", (INF, 1.0), 0.0),
        ("expn", (2, 0.0), 1.0),
        ("expn", (-1, 1.0), NAN),
        ("expn", (2.5, 1.0), NAN),
        ("expn", (3, INF), 0.0),
        ("expn", (1, -0.5), NAN),
        ("i0", (INF,), INF),
        ("i1", (-INF,), -INF),
        ("boxcox", (0.0, -1.0), -INF),
        ("boxcox1p", (-1.0, 0.0), -INF),
    ],
)
def test_special_values(name, operands, want):
    np.testing.assert_allclose(jitney.jit(getattr(special, name))(*operands), want, rtol=1e-15)


def test_bernoulli_is_exact():
    got = np.asarray(special.bernoulli(262))
    want = np.array([float(mp.bernoulli(k)) for k in range(259)])
    np.testing.assert_array_equal(got[:259], want)
    assert got[260] == -INF and got[262] == INF


def faddeeva(z: Any) -> Any:
    if abs(z) < 100:
        return mp.exp(-z * z) * mp.erfc(-1j * z)
    terms = (1, 0.5, 0.75, 1.875, 6.5625, 29.53125, 162.421875)
    return 1j / mp.sqrt(mp.pi) * sum(mpf(c) / z ** (2 * k + 1) for k, c in enumerate(terms))


@pytest.mark.parametrize(
    "name, exact, make",
    [
        ("wofz", lambda z: mp.exp(-z * z) * mp.erfc(-1j * z), lambda r: 10 * (r[0] + 1j * r[1])),
        (
            "wofz",
            lambda z: mp.exp(-z * z) * mp.erfc(-1j * z),
            lambda r: np.exp(30 * r[0]) + 1j * np.exp(20 * r[1]),
        ),
        ("erfcx", lambda z: mp.exp(z * z) * mp.erfc(z), lambda r: 5 * (r[0] + 1j * r[1])),
        ("loggamma", mp.loggamma, lambda r: 10 * (r[0] + 1j * r[1])),
        ("loggamma", mp.loggamma, lambda r: 1.5 + r[0] + 1j * r[1]),
    ],
)
def test_complex(name, exact, make):
    """Errors relative to the absolute value."""
    z = make(np.random.default_rng(4).uniform(-1, 1, (2, 100)))
    got = np.asarray(jitney.jit(getattr(special, name))(z))
    with mp.workdps(60):
        for value, place in zip(got, z, strict=True):
            want = exact(mpc(place))
            condition = 1 + (2 * abs(place) ** 2 if place.imag < 0 or name == "erfcx" else 0)
            assert abs(mpc(complex(value)) - want) <= 1e-14 * condition * abs(want), place


def at(f, operands, place):
    return lambda t: f(*(t if i == place else mpf(v) for i, v in enumerate(operands)))


@pytest.mark.parametrize(
    "name, exact, operands",
    [
        ("erfcx", erfcx, (1.5,)),
        ("erfcx", erfcx, (20.0,)),
        ("dawsn", dawsn, (1.5,)),
        ("dawsn", dawsn, (20.0,)),
        ("expn", lambda n, x: mp.expint(2, x), (2.0, 1.5)),
        ("spence", lambda x: mp.polylog(2, 1 - x), (1.0 + 2.0**-20,)),
        (
            "owens_t",
            lambda h, a: (
                mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / mp.pi / 2
            ),
            (1.0, 0.5),
        ),
        ("boxcox", lambda x, k: (x**k - 1) / k if k else mp.log(x), (2.0, 0.5)),
        ("hyp1f1", hyp1f1, (1.5, 2.5, -3.0)),
        ("hyp2f1", hyp2f1, (1.5, 0.2, 3.0, -0.8)),
    ],
)
def test_first_and_second_derivatives(name, exact, operands):
    f = getattr(special, name)
    for place in range(name == "expn", len(operands)):
        slope = jitney.grad(f, place)
        with mp.workdps(40):
            along = at(exact, operands, place)
            first, second = (float(mp.diff(along, mpf(operands[place]), k)) for k in (1, 2))
        np.testing.assert_allclose(jitney.jit(slope)(*operands), first, rtol=1e-12)
        np.testing.assert_allclose(jitney.jit(jitney.grad(slope, place))(*operands), second, rtol=1e-9)


@pytest.mark.parametrize(
    "name, exact, operands",
    [
        ("betainc", lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), (20.0, 30.0, 0.7)),
        ("zeta", mp.zeta, (2.5, 1.0)),
        ("gammainc", lambda a, x: mp.gammainc(a, 0, x, regularized=True), (2.5, 3.0)),
    ],
)
def test_derivatives_by_parameters(name, exact, operands):
    """Those that are differences of order 16."""
    for place in range(len(operands) - (name == "betainc")):
        slope = jitney.grad(getattr(special, name), place)
        with mp.workdps(40):
            along = at(exact, operands, place)
            first, second = (float(mp.diff(along, mpf(operands[place]), k)) for k in (1, 2))
        np.testing.assert_allclose(slope(*operands), first, rtol=1e-12)
        np.testing.assert_allclose(jitney.grad(slope, place)(*operands), second, rtol=1e-9)


@pytest.mark.parametrize(
    "name, exact, operands",
    [
        ("poch", mp.rf, [(-2.0, 1.0), (-3.0, 5.0), (281.8288558857449, 0.11292205339423544), (-7.5, 3.0)]),
        ("comb", mp.binomial, [(53.0, 1.0), (100.0, 50.0), (5.5, 2.25)]),
        ("beta", mp.beta, [(71.1618178509875, 0.008071215479438117), (1e4, 0.5), (-2.5, 1.25)]),
        ("gamma", mp.gamma, [(150.5,), (-20.25,), (1e-300,)]),
        ("logit", lambda x: mp.log(x / (1 - x)), [(0.5 - 1e-8,), (0.3,), (1e-200,)]),
        ("rel_entr", lambda p, q: p * mp.log(p / q), [(0.7, 0.7 + 1e-9), (1e-254, 1e224)]),
        (
            "kl_div",
            lambda p, q: p * mp.log(p / q) - p + q,
            [(0.7, 0.7 + 1e-9), (0.7, 0.75), (0.7, 0.9), (0.7, 3.0)],
        ),
    ],
)
def test_where_formulas_would_cancel(name, exact, operands):
    for row in operands:
        with mp.workdps(40):
            want = float(exact(*map(mpf, row)))
        np.testing.assert_allclose(getattr(special, name)(*row), want, rtol=1e-13)


@pytest.mark.parametrize("name, first, second", [("i0", 0.0, 0.5), ("i1", 0.5, 0.0)])
def test_modified_bessel_functions_are_smooth_at_zero(name, first, second):
    slope = jitney.grad(getattr(special, name))
    assert (slope(0.0), jitney.grad(slope)(0.0)) == (first, second)


def test_boxcox_at_zero():
    """(x^k - 1)/k and its derivatives by k, where k = 0."""
    slope = jitney.grad(special.boxcox, 1)
    log = np.log(2.0)
    np.testing.assert_allclose(slope(2.0, 0.0), log**2 / 2, rtol=1e-15)
    np.testing.assert_allclose(jitney.grad(slope, 1)(2.0, 0.0), log**3 / 3, rtol=1e-15)


def test_nothing_calls_python():
    x = np.linspace(0.1, 0.9, 9)
    for name, count in (
        ("hyp2f1", 4),
        ("hyp1f1", 3),
        ("owens_t", 2),
        ("sici", 1),
        ("wofz", 1),
        ("loggamma", 1),
    ):
        program = jitney.jit(getattr(special, name)).lower(*[x] * count).compile()
        assert "host" not in program.as_text()
