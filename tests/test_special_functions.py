"""Incomplete gamma and beta functions, zeta, polygamma in native code: against mpmath, at the edges, derivatives."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special
from mpmath import mp, mpf

import jitney
from jitney import lax
from jitney.scipy import special
from test_vmath import DTYPES, compiled, native_width

INF, NAN = np.inf, np.nan


def pairs(n=20):
    """(a, x): tiny and large ones, equal sizes, about the mean, in the tails."""
    rng = np.random.default_rng(5)
    a = [np.exp(rng.uniform(-18, 3, n)), rng.uniform(0.1, 10, n), np.exp(rng.uniform(3, 14, n))]
    x = [np.exp(rng.uniform(-18, 3, n)), rng.uniform(0.1, 10, n), a[2] + np.sqrt(a[2]) * rng.normal(0, 3, n)]
    a.append(np.exp(rng.uniform(2, 7, n)))
    x.append(a[3] * rng.uniform(0.4, 2, n))
    return np.concatenate(a), np.abs(np.concatenate(x))


def triples(n=20):
    rng = np.random.default_rng(6)
    a, b = (
        np.concatenate([np.exp(rng.uniform(lo, hi, n)) for lo, hi in ((-18, 2), (-2, 3), (-3, 6))])
        for _ in "ab"
    )
    x = rng.uniform(0, 1, 3 * n)
    mean, spread = a / (a + b), np.sqrt(a * b / (a + b + 1)) / (a + b)
    x[2 * n :] = np.clip(mean + spread * rng.normal(0, 2, 3 * n), 1e-9, 1 - 1e-9)[2 * n :]
    x[:10] = np.exp(rng.uniform(-30, 0, 10))
    return a, b, x


def orders_and_places(n=25):
    rng = np.random.default_rng(7)
    s = np.concatenate([rng.uniform(1.1, 10, n), 1 + np.exp(rng.uniform(-10, 5, n)), rng.integers(2, 7, 20)])
    q = np.concatenate([rng.uniform(0.1, 10, n), np.exp(rng.uniform(-1, 8, n)), rng.uniform(-6, 0, 20)])
    return s, q


def places(n=40):
    rng = np.random.default_rng(8)
    return (
        np.concatenate([rng.uniform(0.1, 12, n), np.exp(rng.uniform(-30, 30, n)), rng.uniform(-8, 0, n)]),
    )


def degrees(n=30):
    rng = np.random.default_rng(9)
    return rng.integers(0, 30, n).astype(float), rng.uniform(0.2, 20, n)


def zeta(s, q):
    """mpmath's error is relative to 1, whatever the size of the sum."""
    with mp.workdps(mp.dps + int(abs(s * mp.log10(abs(q))))):
        return mp.re(mp.zeta(s if q > 0 else int(s), q))


# native name, arguments, exact values, largest relative error
ACCURACY = [
    ("igamma", pairs, lambda a, x: mp.gammainc(a, 0, x, regularized=True), 4e-15),
    ("igammac", pairs, lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), 4e-15),
    ("betainc", triples, lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), 8e-15),
    ("zeta", orders_and_places, zeta, 2e-15),
    ("trigamma", places, lambda x: mp.psi(1, x), 1e-15),
    ("polygamma", degrees, lambda n, x: mp.psi(int(n), x), 2e-15),
]


@pytest.mark.parametrize("name, make, exact, tolerance", ACCURACY, ids=[a[0] for a in ACCURACY])
def test_relative_error(name, make, exact, tolerance):
    for kind in ("f64", "f32"):
        dtype = DTYPES[kind]
        xs = [x.astype(dtype) for x in make()]
        got = compiled(name, kind, native_width(kind))(*xs)
        allowed = tolerance if kind == "f64" else 1.2e-7
        least = mpf(float(np.finfo(dtype).tiny))
        with mp.workdps(40):
            for row in zip(got, *xs, strict=True):
                value, *args = (mpf(float(v)) for v in row)
                want = exact(*args)
                if abs(want) > mpf(float(np.finfo(dtype).max)):
                    assert abs(value) == mp.inf
                    continue
                assert abs(value - want) <= allowed * abs(want) + least, (row, mpmath.nstr(want, 20))


@pytest.mark.parametrize("name, make", [a[:2] for a in ACCURACY], ids=[a[0] for a in ACCURACY])
def test_lanes_do_not_depend_on_each_other(name, make):
    xs = [x[:40] for x in make()]
    want = compiled(name, "f64", native_width("f64"))(*xs)
    np.testing.assert_array_equal(compiled(name, "f64", 1)(*xs), want)


_GAMMA_EDGES = [
    v.ravel() for v in np.meshgrid([0.0, 1.0, 30.0, 1e300, INF, -1.0, NAN], [0.0, 2.0, 1e300, INF, -1.0, NAN])
]
_BETA_EDGES = [
    v.ravel()
    for v in np.meshgrid([0.0, 1.0, 2.0, INF, -1.0, NAN], [0.0, 1.0, 3.0, INF], [0, 0.5, 1, -0.1, 1.1, NAN])
]
_ZETA_EDGES = [
    v.ravel()
    for v in np.meshgrid([1.0, 0.5, 2.0, 2.5, 3.0, 900.0], [0.0, 1.0, 0.5, 2.0, -1.0, -1.5, INF, NAN])
]


@pytest.mark.parametrize(
    "name, operands",
    [
        ("gammainc", _GAMMA_EDGES),
        ("gammaincc", _GAMMA_EDGES),
        ("betainc", _BETA_EDGES),
        ("zeta", _ZETA_EDGES),
    ],
)
def test_edges_as_scipy(name, operands):
    with np.errstate(all="ignore"):
        want = getattr(scipy.special, name)(*operands)
        got = np.asarray(jitney.jit(getattr(special, name))(*operands))
        np.testing.assert_allclose(got, want, rtol=2e-14)
        given = [np.float32(np.where(np.abs(x) < 1e30, x, 3.0)) for x in operands]
        want = getattr(scipy.special, name)(*given)
        got = np.asarray(jitney.jit(getattr(special, name))(*given))
    np.testing.assert_allclose(got, want, rtol=3e-7)


def test_slopes_of_incomplete_gamma():
    """In their parameter: by a difference in mpmath, of 60 digits."""
    a, x = (v[::4] for v in pairs())

    def exact(a, x):
        h = a * mpf(10) ** -12
        if x < a:
            f = lambda t: mp.gammainc(t, 0, x, regularized=True)  # noqa: E731
        else:
            f = lambda t: -mp.gammainc(t, x, mp.inf, regularized=True)  # noqa: E731
        return (f(a - 2 * h) - 8 * f(a - h) + 8 * f(a + h) - f(a + 2 * h)) / (12 * h)

    slope, path = (np.asarray(jitney.jit(f)(a, x)) for f in (lax.igamma_grad_a, lax.random_gamma_grad))
    with mp.workdps(60):
        for row in zip(a, x, slope, path, strict=True):
            one, two, value, moved = (mpf(float(v)) for v in row)
            want = exact(one, two)
            density = mp.exp((one - 1) * mp.log(two) - two - mp.loggamma(one))
            assert abs(value - want) <= 2e-14 * abs(want) + mpf(10) ** -300, row
            if density > mpf(10) ** -300:
                assert abs(moved + want / density) <= 2e-14 * abs(want / density), row


def regularized(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


@pytest.mark.parametrize(
    "name, operands, argnum, exact",
    [
        ("igamma", (2.5, 3.0), 0, lambda a, x: mp.gammainc(a, 0, x, regularized=True)),
        ("igamma", (2.5, 3.0), 1, lambda a, x: mp.gammainc(a, 0, x, regularized=True)),
        ("igammac", (25.0, 27.0), 0, lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True)),
        ("igammac", (25.0, 27.0), 1, lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True)),
        ("betainc", (2.0, 3.5, 0.4), 2, regularized),
        ("zeta", (3.0, 1.5), 1, mp.zeta),
        ("polygamma", (1.0, 2.5), 1, lambda n, x: mp.psi(int(n), x)),
        ("polygamma", (2.0, 2.5), 1, lambda n, x: mp.psi(int(n), x)),
        ("digamma", (2.5,), 0, mp.digamma),
    ],
)
def test_derivatives(name, operands, argnum, exact):
    def along(t):
        return exact(*(t if i == argnum else mpf(v) for i, v in enumerate(operands)))

    with mp.workdps(40):
        want = float(mp.diff(along, mpf(operands[argnum])))
    got = jitney.jit(jitney.grad(getattr(lax, name), argnum))(*operands)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_nothing_calls_python():
    """The whole program is one native function: the steps of its listing are loops."""
    many = [np.linspace(0.1, 0.9, 9)] * 3
    for name in ("gammainc", "gammaincc", "zeta", "betainc"):
        count = 3 if name == "betainc" else 2
        compiled_program = jitney.jit(getattr(special, name)).lower(*many[:count]).compile()
        assert "host" not in compiled_program.as_text()
