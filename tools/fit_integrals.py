"""Fits the coefficients of exponential, trigonometric, Fresnel and Dawson's integrals and writes
src/jitney/_compiler/vmath/coefficients_integrals.py.

    python tools/fit_integrals.py

Begin at `FITS`. Each is an interpolant at Chebyshev's points, of the lowest degree whose last terms do not matter,
in t from -1 to 1: within a factor of two of the best. Its powers of t come lowest first.
"""

from __future__ import annotations

from pathlib import Path

from mpmath import mp, mpf

mp.dps = 60
OUT = Path(__file__).parent.parent / "src" / "jitney" / "_compiler" / "vmath" / "coefficients_integrals.py"
EPS = mpf(2) ** -59


def chebyshev(f, count):
    """Coefficients of the interpolant at `count` points."""
    nodes = [mp.cos(mp.pi * (k + mpf("0.5")) / count) for k in range(count)]
    values = [f(t) for t in nodes]
    out = []
    for j in range(count):
        cosines = [mp.cos(mp.pi * j * (k + mpf("0.5")) / count) for k in range(count)]
        out.append(2 * mp.fdot(values, cosines) / count)
    out[0] /= 2
    return out, min(abs(v) for v in values)


def powers(c):
    """A sum of Chebyshev polynomials as one of powers."""
    before, here = [mpf(1)], [mpf(0), mpf(1)]
    total = [mpf(0)] * len(c)
    total[0] += c[0]
    for j in range(1, len(c)):
        for i, v in enumerate(here):
            total[i] += c[j] * v
        following = [mpf(0), *[2 * v for v in here]]
        for i, v in enumerate(before):
            following[i] -= v
        before, here = here, following
    return total


def fit(f, low, high):
    """Powers of t = (2u - low - high)/(high - low) for f(u)."""
    low, high = mpf(low), mpf(high)
    c, least = chebyshev(lambda t: f((high - low) / 2 * t + (high + low) / 2), 44)
    while len(c) > 1 and abs(c[-1]) < EPS * least:
        c.pop()
    assert len(c) < 40, "divide the range"
    return tuple(float(v) for v in powers(c))


def dawson(x):
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def dawson_far(u):
    x = 1 / mp.sqrt(u)
    return 2 * x * dawson(x)


def exp1_far(u):
    return mp.exp(1 / u) * mp.e1(1 / u) / u


def expi_far(u):
    return mp.exp(-1 / u) * mp.ei(1 / u) / u


def root(f, near):
    """A zero as two floats."""
    x = mp.findroot(f, near)
    hi = float(x)
    return (hi, float(x - hi))


def over_root(f, near):
    """(f(x) - log(x/x0)) / (x - x0)"""
    x0 = mp.findroot(f, near)
    return lambda x: (f(x) - mp.log(x / x0)) / (x - x0)


def halves(u):
    x = 1 / mp.sqrt(u)
    return x, mp.ci(x), mp.pi / 2 - mp.si(x)


def sici_f(u):
    x, c, s = halves(u)
    return x * (c * mp.sin(x) + s * mp.cos(x))


def sici_g(u):
    x, c, s = halves(u)
    return x * x * (s * mp.sin(x) - c * mp.cos(x))


def quarters(u):
    x = u ** mpf("-0.25")
    a = mp.pi * x * x / 2
    return x, mpf("0.5") - mp.fresnels(x), mpf("0.5") - mp.fresnelc(x), mp.sin(a), mp.cos(a)


def fresnel_f(u):
    x, s, c, sine, cosine = quarters(u)
    return mp.pi * x * (s * cosine - c * sine)


def fresnel_g(u):
    x, s, c, sine, cosine = quarters(u)
    return mp.pi**2 * x**3 * (c * cosine + s * sine)


def over(f, power, every):
    """f(x)/x^power as a function of u = x^every."""
    return lambda u: f(u ** (mpf(1) / every)) / u ** (mpf(power) / every)


def reciprocal(f, near, far, power):
    """On [near, far] in u = x^-power."""
    low = mpf(0) if far == mp.inf else mpf(far) ** -power
    return fit(f, low, mpf(near) ** -power)


def legendre(count):
    """Nodes on [0, 1] and weights of Gauss' rule."""
    nodes, weights = [], []
    for k in range(count):
        side = min(k, count - 1 - k)
        x = mp.cos(mp.pi * (side + mpf("0.75")) / (count + mpf("0.5")))
        for _ in range(8):
            slope = count * (mp.legendre(count - 1, x) - x * mp.legendre(count, x)) / (1 - x * x)
            x -= mp.legendre(count, x) / slope
        x = x if side == k else -x
        slope = count * (mp.legendre(count - 1, x) - x * mp.legendre(count, x)) / (1 - x * x)
        nodes.append(float((1 + x) / 2))
        weights.append(float(1 / ((1 - x * x) * slope**2)))
    return (*nodes, *weights)


FITS = {
    "legendre": lambda: legendre(30),
    "dawson_0": lambda: fit(over(dawson, 1, 2), 0, 1),
    "dawson_1": lambda: fit(dawson, 1, 2.5),
    "dawson_2": lambda: fit(dawson, 2.5, 4.5),
    "dawson_3": lambda: fit(dawson, 4.5, 8),
    "dawson_4": lambda: reciprocal(dawson_far, 8, mp.inf, 2),
    "exp1_0": lambda: fit(lambda x: (mp.e1(x) + mp.euler + mp.log(x)) / x, 0, 1),
    "exp1_1": lambda: reciprocal(exp1_far, 1, 3, 1),
    "exp1_2": lambda: reciprocal(exp1_far, 3, 10, 1),
    "exp1_3": lambda: reciprocal(exp1_far, 10, mp.inf, 1),
    "expi_root": lambda: root(mp.ei, mpf("0.37")),
    "expi_0": lambda: fit(over_root(mp.ei, mpf("0.37")), 0, 6),
    "expi_1": lambda: reciprocal(expi_far, 6, 12, 1),
    "expi_2": lambda: reciprocal(expi_far, 12, 24, 1),
    "expi_3": lambda: reciprocal(expi_far, 24, 50, 1),
    "expi_4": lambda: reciprocal(expi_far, 50, mp.inf, 1),
    "si_0": lambda: fit(over(mp.si, 1, 2), 0, 16),
    "ci_root": lambda: root(mp.ci, mpf("0.616")),
    "ci_0": lambda: fit(over_root(mp.ci, mpf("0.616")), 0, 4),
    "sici_f_1": lambda: reciprocal(sici_f, 4, 8, 2),
    "sici_f_2": lambda: reciprocal(sici_f, 8, 20, 2),
    "sici_f_3": lambda: reciprocal(sici_f, 20, mp.inf, 2),
    "sici_g_1": lambda: reciprocal(sici_g, 4, 8, 2),
    "sici_g_2": lambda: reciprocal(sici_g, 8, 20, 2),
    "sici_g_3": lambda: reciprocal(sici_g, 20, mp.inf, 2),
    "fresnel_s_0": lambda: fit(over(mp.fresnels, 3, 4), 0, mpf("1.6") ** 4),
    "fresnel_c_0": lambda: fit(over(mp.fresnelc, 1, 4), 0, mpf("1.6") ** 4),
    "fresnel_f_1": lambda: reciprocal(fresnel_f, 1.6, 2.25, 4),
    "fresnel_f_2": lambda: reciprocal(fresnel_f, 2.25, 4, 4),
    "fresnel_f_3": lambda: reciprocal(fresnel_f, 4, mp.inf, 4),
    "fresnel_g_1": lambda: reciprocal(fresnel_g, 1.6, 2.25, 4),
    "fresnel_g_2": lambda: reciprocal(fresnel_g, 2.25, 4, 4),
    "fresnel_g_3": lambda: reciprocal(fresnel_g, 4, mp.inf, 4),
}


def main():
    lines = [
        '"""Coefficients of integrals, lowest power first: made by tools/fit_integrals.py."""',
        "",
        "TABLE = {",
    ]
    for name in sorted(FITS):
        values = FITS[name]()
        print(name, len(values))
        lines.append(f'    "{name}.f64": (')
        lines += [f"        {c!r}," for c in values]
        lines.append("    ),")
    OUT.write_text("\n".join([*lines, "}"]) + "\n")


if __name__ == "__main__":
    main()
