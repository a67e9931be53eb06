"""Fits the coefficients of jitney's math functions and writes src/jitney/_compiler/vmath/coefficients.py.

    python tools/fit_math.py            # all (minutes)
    python tools/fit_math.py exp log    # only these; the others stay as they are

Begin at `FITS`, the list of what is approximated where. The method is Remez' exchange on a dense grid, in
mpmath at 50 digits, after which the leading coefficients are rounded one by one and the others refitted.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 50
OUT = Path(__file__).parent.parent / "src" / "jitney" / "_compiler" / "vmath" / "coefficients.py"


def to_float(x, kind):
    """x rounded to f64 or f32."""
    if kind == "f64":
        return float(x)
    # Rounding via f64 errs only on ties, which do not occur.
    return struct.unpack("<f", struct.pack("<f", float(x)))[0]


def solve(rows, rhs):
    """Linear system by elimination with pivoting."""
    n = len(rhs)
    a = [[*r, b] for r, b in zip(rows, rhs, strict=True)]
    for i in range(n):
        p = max(range(i, n), key=lambda j: abs(a[j][i]))
        a[i], a[p] = a[p], a[i]
        for j in range(i + 1, n):
            t = a[j][i] / a[i][i]
            if t:
                a[j] = [u - t * v for u, v in zip(a[j], a[i], strict=True)]
    x = [mpf(0)] * n
    for i in reversed(range(n)):
        x[i] = (a[i][n] - sum(a[i][j] * x[j] for j in range(i + 1, n))) / a[i][i]
    return x


def horner(x, c):
    acc = mpf(0)
    for k in reversed(c):
        acc = acc * x + k
    return acc


class Grid:
    """The function and its weight on a dense grid: what is made small is max |weight * (f - polynomial)|."""

    def __init__(self, f, a, b, weight, degree):
        a, b = mpf(a), mpf(b)
        n = 24 * (degree + 2)
        self.x = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
        self.y = [f(x) for x in self.x]
        self.w = [weight(x) for x in self.x]


def remez(grid, y, first, count):
    """(coefficients of x^first ..., largest error) of the best fit to y."""
    xs, ws = grid.x, grid.w
    n = len(xs)
    pick = [(n - 1) * i // count for i in range(count + 1)]  # the grid is dense at its ends already
    for _ in range(30):
        rows = [
            [xs[i] ** (first + j) for j in range(count)] + [(-1) ** s / ws[i]] for s, i in enumerate(pick)
        ]
        c = solve(rows, [y[i] for i in pick])
        level, c = abs(c[-1]), c[:-1]
        err = [w * (v - x**first * horner(x, c)) for x, v, w in zip(xs, y, ws, strict=True)]
        worst = max(abs(e) for e in err)
        if worst <= level * mpf("1.001"):
            break
        pick = exchange(err, count + 1)
    return c, worst


def exchange(err, count):
    """Positions of `count` alternating extrema, the largest kept."""
    peaks = []
    for i, e in enumerate(err):
        if peaks and (e > 0) == (err[peaks[-1]] > 0):
            if abs(e) > abs(err[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:
        if len(peaks) == count + 1:
            del peaks[0 if abs(err[peaks[0]]) < abs(err[peaks[-1]]) else -1]
            break
        at = min(range(len(peaks) - 1), key=lambda i: abs(err[peaks[i]]) + abs(err[peaks[i + 1]]))
        del peaks[at : at + 2]
    if len(peaks) < count:
        raise ValueError("the error has too few extrema: the degree is too high for this function")
    return peaks


def least_squares(grid, y, first, count):
    """(coefficients of x^first ..., largest error) of the best weighted fit in the mean."""
    rows = [[w * x ** (first + j) for j in range(count)] for x, w in zip(grid.x, grid.w, strict=True)]
    rhs = [w * v for v, w in zip(y, grid.w, strict=True)]
    normal = [[sum(r[i] * r[j] for r in rows) for j in range(count)] for i in range(count)]
    c = solve(normal, [sum(r[i] * v for r, v in zip(rows, rhs, strict=True)) for i in range(count)])
    return c, max(
        abs(v - sum(k * u for k, u in zip(c, r, strict=True))) for r, v in zip(rows, rhs, strict=True)
    )


def fit(f, a, b, degree, kind, weight=lambda x: mpf(1), exact=3):
    """Coefficients, rounded to `kind`; the first `exact` of them are rounded before the others are fitted.

    Those others are fitted in the mean where 0 lies inside the interval: there x, x^2, ... do not alternate.
    """
    grid = Grid(f, a, b, weight, degree)
    y, done = list(grid.y), []
    c, error = remez(grid, y, 0, degree + 1)
    while len(done) < exact:
        done.append(to_float(c[0], kind))
        first = len(done)
        y = [v - x ** (first - 1) * mpf(done[-1]) for x, v in zip(grid.x, y, strict=True)]
        refit = least_squares if a < 0 < b else remez
        c, _ = refit(grid, y, first, degree + 1 - first)
    done += [to_float(k, kind) for k in c]
    values = [horner(x, [mpf(k) for k in done]) for x in grid.x]
    rounded = max(w * abs(v - p) for v, p, w in zip(grid.y, values, grid.w, strict=True))
    print(
        f"  {kind} degree {degree}: error 2^{float(mp.log(error, 2)):.1f}, "
        f"rounded 2^{float(mp.log(rounded, 2)):.1f}",
        flush=True,
    )
    return tuple(done)


def split(x, kind, parts):
    """x as a sum of `parts` floats, each the nearest to what is left."""
    out = []
    for _ in range(parts):
        out.append(to_float(x, kind))
        x -= mpf(out[-1])
    return tuple(out)


# ---- what is fitted -----------------------------------------------------------------------------

LN2 = mp.log(2)
FITS = {}


def entry(make):
    FITS[make.__name__] = make
    return make


def by_kind(kind, f64, f32):
    return f64 if kind == "f64" else f32


def down(x, kind):
    """The float next below (or equal to) x > 0."""
    v = to_float(x, kind)
    if mpf(v) <= x:
        return v
    code, up = ("<d", "<q") if kind == "f64" else ("<f", "<i")
    return struct.unpack(code, struct.pack(up, struct.unpack(up, struct.pack(code, v))[0] - 1))[0]


@entry
def ln2(kind):
    """1/ln 2, and ln 2 as hi + lo with lo > 0."""
    hi = down(LN2, kind)
    return (to_float(1 / LN2, kind), hi, to_float(LN2 - mpf(hi), kind))


@entry
def exp(kind):
    """(e^r - 1 - r) / r^2"""
    half = LN2 / 2 * mpf("1.0001")
    return fit(lambda r: (mp.expm1(r) - r) / r**2, -half, half, by_kind(kind, 9, 4), kind, lambda r: r**2)


@entry
def log(kind):
    """(2 atanh(s) - 2 s) / s^3 in z = s^2"""

    def f(z):
        s = mp.sqrt(z)
        return 2 * (mp.atanh(s) - s) / (s * z)

    return fit(f, mpf("1e-12"), mpf("0.0401"), by_kind(kind, 6, 2), kind, lambda z: z / 2, exact=1)


@entry
def half_pi(kind):
    """2/pi, and pi/2 in three parts."""
    return (to_float(2 / mp.pi, kind), *split(mp.pi / 2, kind, 3))


QUARTER2 = (mp.pi / 4 * mpf("1.01")) ** 2


@entry
def sin(kind):
    """(sin r - r) / r^3 in z = r^2"""

    def f(z):
        r = mp.sqrt(z)
        return (mp.sin(r) - r) / (r * z)

    return fit(f, mpf("1e-12"), QUARTER2, by_kind(kind, 5, 2), kind, lambda z: z, exact=1)


@entry
def cos(kind):
    """(cos r - 1 + r^2/2) / r^4 in z = r^2"""
    return fit(
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        mpf("1e-12"),
        QUARTER2,
        by_kind(kind, 5, 2),
        kind,
        lambda z: z**2,
        exact=1,
    )


HALF_LN2_2 = (LN2 / 2 * mpf("1.0001")) ** 2


@entry
def sinh(kind):
    """(sinh r - r) / r^3 in z = r^2"""

    def f(z):
        r = mp.sqrt(z)
        return (mp.sinh(r) - r) / (r * z)

    return fit(f, mpf("1e-12"), HALF_LN2_2, by_kind(kind, 4, 1), kind, lambda z: z, exact=1)


@entry
def cosh(kind):
    """(cosh r - 1) / r^2 in z = r^2"""
    return fit(
        lambda z: (mp.cosh(mp.sqrt(z)) - 1) / z,
        mpf("1e-12"),
        HALF_LN2_2,
        by_kind(kind, 5, 2),
        kind,
        lambda z: z,
        exact=1,
    )


@entry
def log2_e(kind):
    return split(1 / LN2, kind, 2)


@entry
def log10_e(kind):
    return split(1 / mp.log(10), kind, 2)


@entry
def log10_2(kind):
    """log10(2) as hi + lo with lo > 0."""
    hi = down(LN2 / mp.log(10), kind)
    return hi, to_float(LN2 / mp.log(10) - mpf(hi), kind)


@entry
def log_pair(kind):
    """2/3 as hi + lo, then (2 atanh(s) / s - 2 - 2/3 z) / z^2 in z = s^2"""

    def f(z):
        s = mp.sqrt(z)
        return (2 * mp.atanh(s) / s - 2 - 2 * z / 3) / z**2

    tail = fit(f, mpf("1e-12"), mpf("0.0401"), by_kind(kind, 7, 2), kind, lambda z: z**2 / 2, exact=1)
    return split(mpf(2) / 3, kind, 2) + tail


@entry
def cbrt(kind):
    """m^(-1/3)"""
    return fit(lambda x: 1 / mp.cbrt(x), mpf("0.75"), mpf("1.5"), by_kind(kind, 7, 3), kind, mp.cbrt)


@entry
def pi_quarters_hi(kind):
    """pi/4, pi/2, 3 pi/4, pi"""
    return tuple(split(mp.pi * i / 4, kind, 1)[0] for i in range(1, 5))


@entry
def pi_quarters_lo(kind):
    """What is missing in `pi_quarters_hi`."""
    return tuple(split(mp.pi * i / 4, kind, 2)[1] for i in range(1, 5))


@entry
def atan(kind):
    """(atan t - t) / t^3 in z = t^2, t < tan(pi/8)"""

    def f(z):
        t = mp.sqrt(z)
        return (mp.atan(t) - t) / (t * z)

    return fit(f, mpf("1e-12"), mpf("0.1718"), by_kind(kind, 10, 4), kind, lambda z: z, exact=1)


@entry
def asin(kind):
    """(asin t - t) / t^3 in z = t^2, t < 1/2"""

    def f(z):
        t = mp.sqrt(z)
        return (mp.asin(t) - t) / (t * z)

    return fit(f, mpf("1e-12"), mpf("0.2501"), by_kind(kind, 11, 4), kind, lambda z: z, exact=1)


def centred(f, a, b, middle, weight):
    """f and its weight in u = x - middle, on an interval of x."""
    middle = mpf(middle)
    return (lambda u: f(u + middle)), mpf(a) - middle, mpf(b) - middle, (lambda u: weight(u + middle))


def fit_centred(f, a, b, middle, degree, kind, weight):
    g, low, high, w = centred(f, a, b, middle, weight)
    return fit(g, low, high, degree, kind, w)


@entry
def erf(kind):
    """erf(x)/x - 1 in z = x^2, x < 1"""
    return fit(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, mpf("1e-8"), mpf(1), by_kind(kind, 11, 6), kind)


@entry
def erfc_log(kind):
    """-log erfc(x) in x - 1, for x from 1 to where erf is 1"""
    return fit(
        lambda u: -mp.log(mp.erfc(u + 1)),
        0,
        by_kind(kind, 5, 3),
        by_kind(kind, 16, 6),
        kind,
        lambda u: mp.erfc(u + 1),
        exact=1,
    )


def mp_erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


ERFC_CENTRE = {"f64": mpf("3.75"), "f32": mpf(3)}


@entry
def erfc_map(kind):
    """K of t = (x - K)/(x + K), and about how log((x + K) erfcx(x)) changes with t: its slope is a + b t."""
    return float(ERFC_CENTRE[kind]), -0.88, 0.55


@entry
def erfc(kind):
    """(x + K) e^(x^2) erfc(x) in t = (x - K)/(x + K), from x = 0.5 to where erfc is 0"""
    k = ERFC_CENTRE[kind]
    first, last = mpf("0.499"), by_kind(kind, mpf("27.3"), mpf("10.1"))

    def f(t):
        x = k * (1 + t) / (1 - t)
        return (x + k) * mp_erfcx(x)

    return fit(
        f, (first - k) / (first + k), (last - k) / (last + k), by_kind(kind, 22, 9), kind, lambda t: 1 / f(t)
    )


def erf_inv_over_x(w):
    """erf_inv(x)/x where w = -log(1 - x^2), by Halley's iteration from a rough start."""
    x = mp.sqrt(-mp.expm1(-w))
    rest = mp.exp(-w) / (1 + x)
    y = mp.sqrt(w) * mpf("0.88") if w < 3 else mp.sqrt(w - mp.log(mp.sqrt(mp.pi * w)))
    for _ in range(12):
        step = (mp.erfc(y) - rest if w > 0.5 else x - mp.erf(y)) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step / (1 - y * step)
        if abs(step) < mpf(10) ** -20 * y:
            break
    return y / x


@entry
def erf_inv(kind):
    return fit(erf_inv_over_x, mpf("1e-9"), 5, by_kind(kind, 21, 9), kind, exact=2)


@entry
def erf_inv_2(kind):
    last, degree = by_kind(kind, ("3.7", 19), ("4.1", 10))
    return fit_centred(lambda s: erf_inv_over_x(s * s), "2.236", last, "3", degree, kind, lambda s: 1 / s)


@entry
def erf_inv_3(kind):
    if kind == "f64":
        return fit_centred(lambda s: erf_inv_over_x(s * s), "3.7", "6.01", "5", 19, kind, lambda s: 1 / s)
    return None


@entry
def lgamma(kind):
    """lgamma(2 + d) / (d (1 + d)) in d + 1/4, -1 <= d <= 1/2"""
    if kind == "f64":
        return fit(lambda u: over_roots(u - mpf("0.25")), mpf("-0.75"), mpf("0.75"), 24, kind)
    return None


def over_roots(d):
    return mp.loggamma(2 + d) / (d * (1 + d))


FIRST_BIG = mpf("6.5")


@entry
def stirling(kind):
    """x (lgamma(x) - (x - 1/2) log x + x - log(2 pi)/2) in 1/x^2"""

    def f(z):
        x = 1 / mp.sqrt(z)
        return x * (mp.loggamma(x) - (x - mpf("0.5")) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)

    if kind == "f64":
        return fit(f, mpf("1e-4"), 1 / FIRST_BIG**2, 6, kind, lambda z: mp.sqrt(z) / 5, exact=1)
    return None


ROOT = mp.findroot(mp.digamma, mpf("1.4616"))


@entry
def digamma_root(kind):
    return split(ROOT, kind, 2)


@entry
def digamma(kind):
    """digamma(y) / (y - root), 1 <= y <= 3"""
    if kind == "f64":
        return fit_centred(lambda y: mp.digamma(y) / (y - ROOT), 1, 3, 2, 28, kind, lambda y: mpf(1))
    return None


@entry
def digamma_series(kind):
    """(log x - 1/(2x) - digamma(x)) x^2 in 1/x^2"""

    def f(z):
        x = 1 / mp.sqrt(z)
        return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / z

    if kind == "f64":
        return fit(f, mpf("1e-4"), 1 / FIRST_BIG**2, 7, kind, lambda z: z, exact=1)
    return None


def bessel_near(order, kind):
    """I_order(x) / x^order in x^2, x <= 8"""

    def f(z):
        x = mp.sqrt(z)
        return mp.besseli(order, x) / x**order

    return fit(f, mpf("1e-12"), mpf(64), by_kind(kind, 15, 10), kind, lambda z: 1 / f(z))


def bessel_far(order, kind):
    """sqrt(x) e^-x I_order(x) in 16/x - 1, x >= 8"""

    def f(v):
        x = 16 / (v + 1)
        return mp.sqrt(x) * mp.exp(-x) * mp.besseli(order, x)

    return fit(f, mpf("-0.9999"), mpf(1), by_kind(kind, 22, 8), kind, lambda v: 1 / f(v))


@entry
def i0(kind):
    return bessel_near(0, kind)


@entry
def i0_far(kind):
    return bessel_far(0, kind)


@entry
def i1(kind):
    return bessel_near(1, kind)


@entry
def i1_far(kind):
    return bessel_far(1, kind)


def scaled_gamma(z):
    """(z + 5)^(z + 1/2) e^-(z + 5) / gamma(z + 1)"""
    s = z + 5
    return mp.exp((z + mpf("0.5")) * mp.log(s) - s - mp.loggamma(z + 1))


@entry
def gamma_scaled(kind):
    """The same in v = z/(z + 5) for all z >= 0: it has no poles, and a limit."""

    def f(v):
        return scaled_gamma(5 * v / (1 - v))

    return fit(f, mpf(0), 1 - mpf("1e-9"), 12, kind, lambda v: 1 / f(v)) if kind == "f64" else None


def reverted(count):
    """Coefficients of x/a - 1 as a series in eta, where eta^2/2 = x/a - 1 - log(x/a)."""
    # With v = x/a - 1: eta d eta = v/(1 + v) dv, so eta (1 + v) = v v'; a_n follows from the terms before.
    a = [mpf(0), mpf(1)]
    for n in range(2, count):
        known = sum(a[i] * a[n + 1 - i] * (n + 1 - i) for i in range(2, n))
        a.append((a[n - 1] - known) / (n + 1))
    return a


def divided(a, b):
    """The quotient of two power series."""
    out = []
    for n in range(len(a)):
        out.append((a[n] - sum(out[i] * b[n - i] for i in range(n))) / b[0])
    return out


def stirling_numbers(count):
    """Coefficients of 1/a^k in the asymptotic series of the scaled gamma function."""
    a = [mpf(1)] + [mpf(0)] * (2 * count)
    b = reverted(2 * count + 2)
    # gamma(a + 1/2)-moments of dv/d eta: its even coefficients times 1 * 3 * 5 * ...
    for k in range(1, count):
        a[k] = (2 * k + 1) * b[2 * k + 1] * mp.fac2(2 * k - 1)
    return a[:count]


@entry
def temme(kind):
    """C_k(eta) / a^k of the uniform expansion (Temme 1979; DLMF 8.12), lengths first, then series in eta."""
    if kind != "f64":
        return None
    count, terms, reach, least = 12, 64, mpf("0.37"), mpf(20)
    v = reverted(terms + 2)
    inverse = divided([mpf(1)] + [mpf(0)] * terms, v[1:])  # eta / v
    g = stirling_numbers(count)
    rows = []
    c = inverse[1:]  # 1/v - 1/eta
    for k in range(count):
        n = max(i for i in range(len(c)) if abs(c[i]) * reach**i / least**k > mpf("1e-18")) + 1
        rows.append([float(x) for x in c[:n]])
        # The next: (c' + (-1)^(k+1) g_{k+1} eta/v) / eta, whose pole cancels.
        if k + 1 < count:
            slope = [(i + 1) * c[i + 1] for i in range(len(c) - 1)]
            pole = [(-1) ** (k + 1) * g[k + 1] * inverse[i] for i in range(len(slope))]
            total = [s + p for s, p in zip(slope, pole, strict=True)]
            assert abs(total[0]) < mpf(10) ** -40
            c = total[1:]
    return (*[float(len(r)) for r in rows], *[x for r in rows for x in r])


# ---- output -------------------------------------------------------------------------------------


def load_old():
    if not OUT.exists():
        return {}
    spec = importlib.util.spec_from_file_location("coefficients", OUT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TABLE


def write(table):
    lines = [
        '"""Coefficients of the math functions, lowest power first: made by tools/fit_math.py."""',
        "",
        "TABLE = {",
    ]
    for name in sorted(table):
        lines.append(f'    "{name}": (')
        lines += [f"        {c!r}," for c in table[name]]
        lines.append("    ),")
    OUT.write_text("\n".join([*lines, "}"]) + "\n")


def main():
    table = {k: v for k, v in load_old().items() if k.split(".")[0] in FITS}
    for name in sys.argv[1:] or list(FITS):
        for kind in ("f64", "f32"):
            print(name)
            value = FITS[name](kind)
            if value is not None:
                table[f"{name}.{kind}"] = value
    write(table)


if __name__ == "__main__":
    main()
