"""Math functions against mpmath: errors in ulp over random and special arguments, scalar and SIMD.

Begin at `CASES`, a row per function: its reference, the arguments tried, and the bound on its error.
`python tests/test_vmath.py` prints the measured errors and the time per element instead.
"""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass
from functools import lru_cache

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from jitney._compiler import vmath
from jitney._compiler.ir import writer as ir

INF, NAN = float("inf"), float("nan")
DTYPES = {"f64": np.float64, "f32": np.float32}
ELEMENTS = {"f64": "double", "f32": "float"}

# ---- running a function over arrays -----------------------------------------------------------


@lru_cache(None)
def machine():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    return target, features


def native_width(kind: str) -> int:
    features = machine()[1]
    bits = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
    return bits // (64 if kind == "f64" else 32)


def loop_text(name: str, kind: str, width: int, features) -> str:
    """A module with loop(out, n, in...) which applies the function to whole vectors."""
    element = ELEMENTS[kind]
    t = ir.vec(element, width)
    d = vmath.definition(name, t, features)
    f = ir.FunctionWriter("loop", "void", ["ptr", "i64"] + ["ptr"] * d.n_args)
    out, n, *ins = f.args
    head, end = f.block("loop"), f.block("end")
    f.br(head)
    f.position(head)
    i = f.phi("i64")
    align = 8 if kind == "f64" else 4
    xs = [f.load(t, f.gep(element, p, i), align) for p in ins]
    f.store(d.call(f, xs), f.gep(element, out, i), align)
    after = f.add(i, ir.const("i64", width))
    i.add(ir.const("i64", 0), f.entry)
    i.add(after, f.current)
    f.cbr(f.icmp("slt", after, n), head, end)
    f.position(end)
    f.ret()
    module = ir.ModuleWriter("test")
    module.add(f)
    module.add_math(d)
    return module.text()


_alive = []


@lru_cache(None)
def compiled(name: str, kind: str, width: int, features: str | None = None):
    """f(*arrays) -> array through native code; `features` overrides the CPU's own."""
    target, own = machine()
    module = llvm.parse_assembly(loop_text(name, kind, width, own if features is None else features))
    module.verify()
    module.triple = target.triple
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    jit = llvm.create_lljit_compiler(target, use_jit_link=False, suppress_errors=False)
    name = f"lib{len(_alive)}"
    library = (
        llvm.JITLibraryBuilder().add_ir(module).add_current_process().export_symbol("loop").link(jit, name)
    )
    _alive.append((jit, library))
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 8)(library["loop"])

    def run(*arrays):
        dtype = DTYPES[kind]
        arrays = [np.ascontiguousarray(a, dtype) for a in np.broadcast_arrays(*arrays)]
        n = arrays[0].size
        padded = -(-n // width) * width
        ins = [np.concatenate([a.ravel(), np.ones(padded - n, dtype)]) for a in arrays]
        out = np.empty(padded, dtype)
        native(out.ctypes.data, padded, *[a.ctypes.data for a in ins], *[None] * (6 - len(ins)))
        return out[:n]

    run.native = native
    return run


# ---- references and errors --------------------------------------------------------------------


def spacing(value: mpf, kind: str) -> mpf:
    """Distance of neighbouring floats around `value`."""
    digits, lowest = (53, -1074) if kind == "f64" else (24, -149)
    if value == 0:
        return mpf(2) ** lowest
    exponent = mp.frexp(abs(value))[1]
    return mpf(2) ** max(exponent - digits, lowest)


def ulps(got: float, want, kind: str) -> float:
    """How far off, in units of the last place; inf where the kind of number is wrong."""
    if mp.isnan(want):
        return 0.0 if got != got else INF
    largest = mpf(2) ** (1024 if kind == "f64" else 128)
    if got != got:
        return INF
    if mp.isinf(want):
        return 0.0 if got == want else INF
    if abs(got) == INF:
        got = largest if got > 0 else -largest
    if abs(want) > largest:
        want = largest if want > 0 else -largest
    return float(abs(mpf(got) - want) / spacing(want, kind))


def safe(ref):
    """The reference, with its refusals as nan; None where it does not say (zeros and their signs)."""

    def call(*xs):
        try:
            y = ref(*xs)
        except (ValueError, ZeroDivisionError):
            return mp.nan
        if y is None:
            return None
        return mp.nan if isinstance(y, mpmath.mpc) and y.imag != 0 else mp.re(y)

    return call


# ---- arguments --------------------------------------------------------------------------------


def logs(low, high, n=500, signs=(1, -1)):
    """Log-uniform magnitudes between powers of two 2^low and 2^high."""

    def make(rng, kind):
        lo, hi = low, high
        if kind == "f32":
            lo, hi = min(max(low, -149), 120), max(min(high, 127.99), -130)
        return np.exp2(rng.uniform(lo, hi, n)) * rng.choice(signs, n)

    return make


def uniform(low, high, n=500):
    return lambda rng, kind: rng.uniform(low, high, n)


def near(*points, n=20, width=100):
    """Floats within some ulp of each point."""

    def make(rng, kind):
        p = np.repeat(np.array(points, DTYPES[kind]), n)
        return p + rng.integers(-width, width + 1, p.size) * np.spacing(p)

    return make


def half_pi_multiples(rng, kind):
    """Where the reduction cancels most."""
    k = np.concatenate([np.arange(1, 200), rng.integers(200, 600_000_000, 300)])
    return (k * (np.pi / 2))[: None if kind == "f64" else 400]


def one_minus_tiny(rng, kind):
    return (1 - np.exp2(rng.uniform(-53 if kind == "f64" else -24, 0, 600))) * rng.choice((-1, 1), 600)


EVERYWHERE = logs(-1074, 1023.99)
SPECIAL = [
    0.0,
    -0.0,
    INF,
    -INF,
    NAN,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    1e-310,
    2.0,
    0.5,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    1.4e-45,
    1e-40,
    3.4028234663852886e38,
    -3.4028234663852886e38,
]


def whole(make):
    """The same, rounded to integers."""
    return lambda rng, kind: np.rint(make(rng, kind))


def mp_pow(x, y):
    if x == 0 or (x < 0 and y != int(y)):
        return None if x == 0 else mp.nan
    return mp.exp(y * mp.log(abs(x))) * (-1 if x < 0 and int(y) % 2 else 1)


def mp_fmod(x, y):
    """Exactly, in integers."""
    if y == 0:
        return mp.nan
    unit = mpf(2) ** -1074
    return int(abs(x) / unit) % int(abs(y) / unit) * unit * mp.sign(x)


@dataclass(frozen=True)
class Case:
    """One function: mpmath reference, makers of arguments (a tuple of makers for two), bounds in ulp.

    `values` are exact results to be met, signs of zero included: (arguments..., result).
    Without a reference NumPy's function of the same name is the reference.
    `floor64`, `floor32` bound the absolute error that is allowed anyway below 0, for functions with many roots there.
    """

    name: str
    ref: object
    points: tuple
    f64: float
    f32: float
    values: tuple = ()
    floor64: float = 0.0
    floor32: float = 0.0


# What odd functions must keep.
ODD = ((0.0, 0.0), (-0.0, -0.0))
# What every logarithm must give.
LOG = ((1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN))
ABOVE_0 = (1,)
PI = np.pi

# fmt: off
CASES = [
    Case("exp", mp.exp,
         (logs(-60, 9.5, 1500), EVERYWHERE, uniform(-746, 710), uniform(-104, 89),
          near(709.782712893384, -708.4, -745.13, 88.72, -103.9, 0.34657359, 0.69314718)),
         1.0, 1.0, ((0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0))),
    Case("exp2", lambda x: mpf(2) ** x,
         (logs(-60, 10, 1000), EVERYWHERE, uniform(-1080, 1030), uniform(-152, 130),
          near(0.5, 1.5, -1022.5, 1024.0, -1074.5, 128.0, -149.5)),
         1.0, 1.0, ((0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (3.0, 8.0), (-140.0, 2.0**-140))),
    Case("expm1", mp.expm1,
         (logs(-1074, 9.5, 1500), uniform(-2, 2), uniform(-50, 710),
          near(709.782712893384, -37.43, 88.72, 0.34657359, -0.34657359, 1.0397)),
         1.5, 1.6, (*ODD, (INF, INF), (-INF, -1.0), (1e3, INF))),
    Case("logistic", lambda x: 1 / (1 + mp.exp(-x)),
         (logs(-60, 9.6, 1500), uniform(-750, 40), uniform(-5, 5)),
         2.0, 2.0, ((0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0))),
    Case("tanh", mp.tanh,
         (logs(-1074, 5, 1000), uniform(-2, 2, 1500), uniform(-22, 22), EVERYWHERE, near(0.1733, 8.49)),
         1.5, 1.5, (*ODD, (INF, 1.0), (-INF, -1.0))),
    Case("sinh", mp.sinh,
         (logs(-1074, 9.5, 1000), uniform(-2, 2), uniform(-711, 711), EVERYWHERE,
          near(710.4758600739439, 89.415985, 0.3465736)),
         1.6, 1.6, (*ODD, (INF, INF), (-INF, -INF))),
    Case("cosh", mp.cosh,
         (logs(-1074, 9.5, 1000), uniform(-2, 2), uniform(-711, 711), EVERYWHERE,
          near(710.4758600739439, 89.415985, 0.3465736)),
         1.5, 1.5, ((0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF))),

    Case("log", mp.log,
         (logs(-1074, 1023.99, 1000, ABOVE_0), uniform(0.5, 2, 1000), near(1.0, 0.75, 1.5, 2.0),
          uniform(0.99, 1.01)), 1.0, 1.0, LOG),
    Case("log2", lambda x: mp.log(x, 2),
         (logs(-1074, 1023.99, 1000, ABOVE_0), uniform(0.5, 2, 1000), near(1.0, 0.75, 1.5, 2.0)),
         1.25, 1.25, (*LOG, (8.0, 3.0), (2.0**-140, -140.0))),
    Case("log10", mp.log10,
         (logs(-1074, 1023.99, 1000, ABOVE_0), uniform(0.5, 2, 1000), near(1.0, 0.75, 1.5, 2.0)),
         1.25, 1.25, (*LOG, *((10.0**i, float(i)) for i in range(11)))),
    Case("log1p", mp.log1p,
         (logs(-1074, 1023.99, 1000), uniform(-1, 2, 1000), near(-0.25, 0.5, -1.0, 1.0)),
         1.25, 1.25, (*ODD, (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN))),
    Case("asinh", mp.asinh, (logs(-1074, 1023.99, 1000), logs(-10, 5, 1000)),
         1.75, 1.75, (*ODD, (INF, INF), (-INF, -INF))),
    Case("acosh", mp.acosh, (logs(0, 1023.99, 1000, ABOVE_0), uniform(1, 2), near(1.0)),
         1.75, 1.75, ((1.0, 0.0), (0.5, NAN), (-3.0, NAN), (INF, INF), (-INF, NAN))),
    Case("atanh", mp.atanh, (logs(-1074, 0, 1000), uniform(-1, 1, 1000), near(1.0, -1.0, 0.5, -0.5)),
         1.75, 1.75, (*ODD, (1.0, INF), (-1.0, -INF), (2.0, NAN), (INF, NAN))),

    *[Case(name, ref,
           (logs(-40, 30, 1000), logs(-1074, -40, 100), logs(30, 1023, 60), uniform(-10, 10, 1000),
            half_pi_multiples, near(2.0**30, 1e5, 0.785398, 2.3561945)),
           bound, bound, (*values, (INF, NAN), (-INF, NAN)))
      for name, ref, bound, values in [("sin", mp.sin, 1.0, ODD), ("tan", mp.tan, 2.0, ODD),
                                       ("cos", mp.cos, 1.0, ((0.0, 1.0), (-0.0, 1.0)))]],
    Case("atan", mp.atan, (EVERYWHERE, logs(-4, 4, 1500), near(0.41421356, 2.41421356, 1.0)),
         1.75, 1.75, (*ODD, (INF, PI / 2), (-INF, -PI / 2))),
    Case("atan2", lambda y, x: mp.atan2(y, x) if x * y else None,
         ((EVERYWHERE, EVERYWHERE), (logs(-3, 3, 1500), logs(-3, 3, 1500)),
          (logs(-1074, -1050), logs(-1074, -1050)), (logs(1020, 1023.99), logs(1020, 1023.99))),
         1.5, 1.5,
         ((0.0, 1.0, 0.0), (-0.0, 1.0, -0.0), (0.0, -1.0, PI), (-0.0, -1.0, -PI), (0.0, 0.0, 0.0),
          (-0.0, 0.0, -0.0), (0.0, -0.0, PI), (-0.0, -0.0, -PI), (1.0, 0.0, PI / 2), (-1.0, -0.0, -PI / 2),
          (INF, INF, PI / 4), (INF, -INF, 3 * PI / 4), (-INF, 1.0, -PI / 2), (1.0, INF, 0.0),
          (-1.0, INF, -0.0), (1.0, -INF, PI), (NAN, 1.0, NAN), (1.0, NAN, NAN))),
    Case("asin", mp.asin, (logs(-1074, 0, 1000), uniform(-1, 1, 1500), near(0.5, 1.0, -1.0)),
         1.8, 1.8, (*ODD, (1.0, PI / 2), (-1.0, -PI / 2), (1.5, NAN), (INF, NAN))),
    Case("acos", mp.acos, (logs(-1074, 0, 1000), uniform(-1, 1, 1500), near(0.5, -0.5, 1.0, -1.0)),
         1.5, 1.5, ((1.0, 0.0), (-1.0, PI), (0.0, PI / 2), (1.5, NAN), (-INF, NAN))),

    Case("pow", mp_pow,
         ((logs(-1074, 1023.99, 600, ABOVE_0), uniform(-5, 5, 600)),
          (uniform(0.5, 2, 600), uniform(-1000, 1000, 600)),
          (uniform(0, 50, 600), uniform(-80, 80, 600)),
          (logs(-1, 1, 300, ABOVE_0), logs(-1074, 1023, 300)),
          (uniform(1.4, 1.5), uniform(1700, 1900)),
          (whole(uniform(-30, -1, 200)), whole(uniform(-30, 30, 200))),
          (logs(-5, 5, 200), whole(uniform(-9, 9, 200)))),
         1.4, 1.0,
         ((0.0, 0.0, 1.0), (NAN, 0.0, 1.0), (1.0, NAN, 1.0), (1.0, INF, 1.0), (-1.0, INF, 1.0),
          (-1.0, -INF, 1.0), (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, -3.0, -INF),
          (0.0, -3.0, INF), (0.0, 0.5, 0.0), (-0.0, 0.5, 0.0), (0.0, INF, 0.0), (0.0, -INF, INF),
          (2.0, INF, INF), (2.0, -INF, 0.0), (0.5, INF, 0.0), (0.5, -INF, INF), (-0.5, INF, 0.0),
          (INF, 2.0, INF), (INF, -2.0, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0),
          (-INF, 0.5, INF), (-2.0, 0.5, NAN), (-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (2.0, NAN, NAN),
          (NAN, 2.0, NAN), (3.0, 2.0, 9.0), (10.0, 5.0, 1e5), (4.0, 0.5, 2.0))),
    Case("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)),
         (EVERYWHERE, logs(-3, 3, 1500), near(1.0, 0.75, 1.5, 3.0)),
         1.0, 1.0, (*ODD, (INF, INF), (-INF, -INF), (27.0, 3.0), (-8.0, -2.0), (1.0, 1.0))),
    Case("hypot", lambda x, y: mp.sqrt(x * x + y * y),
         ((EVERYWHERE, EVERYWHERE), (logs(-4, 4, 1500), logs(-4, 4, 1500)),
          (logs(-1074, -1000), logs(-1074, -1000))),
         1.0, 1.0, ((3.0, 4.0, 5.0), (0.0, -0.0, 0.0), (INF, NAN, INF), (NAN, -INF, INF), (NAN, 1.0, NAN),
                    (-0.0, -2.0, 2.0))),
    Case("fmod", mp_fmod,
         ((EVERYWHERE, EVERYWHERE), (logs(-4, 40, 1000), logs(-4, 4, 1000)),
          (whole(uniform(-100, 100)), whole(uniform(-9, 9)))),
         0.0, 0.0,
         ((5.0, 3.0, 2.0), (-5.0, 3.0, -2.0), (-6.0, 3.0, -0.0), (6.0, -3.0, 0.0), (1.0, 0.0, NAN),
          (INF, 2.0, NAN), (2.0, INF, 2.0), (-2.0, -INF, -2.0), (-0.0, 1.0, -0.0), (NAN, 1.0, NAN),
          (1.0, NAN, NAN), (INF, INF, NAN))),
    Case("nextafter", None, ((EVERYWHERE, EVERYWHERE),), 0.0, 0.0,
         ((0.0, 0.0, 0.0), (0.0, -0.0, -0.0), (1.0, 1.0, 1.0), (NAN, 1.0, NAN), (1.0, NAN, NAN))),

    Case("erf", mp.erf, (logs(-1074, 3, 1000), uniform(-6, 6, 1500), near(1.0, 5.9, 3.9)),
         1.5, 1.5, (*ODD, (INF, 1.0), (-INF, -1.0))),
    Case("erfc", lambda x: mp.erfc(max(min(x, mpf(1000)), mpf(-1000))),
         (logs(-60, 3, 600), uniform(-6, 27.3, 1500), uniform(0, 3), near(0.5, 26.54, 10.05)),
         2.0, 2.0, ((0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (40.0, 0.0))),
    Case("erf_inv", mp.erfinv, (logs(-60, 0, 500), uniform(-1, 1, 1000), one_minus_tiny),
         2.0, 2.0, (*ODD, (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN))),
    Case("lgamma", lambda x: mp.re(mp.loggamma(x)) if x > 0 or x != mp.floor(x) else mp.inf,
         (logs(-1074, 1020, 500, ABOVE_0), uniform(0, 10, 1500), near(1.0, 2.0, 0.5, 1.5, 6.5),
          uniform(-10, 0), logs(-60, 20, 300, (-1,))),
         2.0, 1.0, ((1.0, 0.0), (2.0, 0.0), (0.0, INF), (-0.0, INF), (-3.0, INF), (INF, INF), (-INF, INF)),
         floor64=4e-15),
    Case("digamma", lambda x: mp.digamma(x) if x else None,
         (logs(-1000, 1020, 500, ABOVE_0), uniform(0, 10, 1500), near(1.4616321449683623, 1.0, 2.0),
          uniform(-10, 0), logs(-60, 10, 300, (-1,))),
         2.0, 1.0, ((0.0, -INF), (-0.0, INF), (-3.0, NAN), (INF, INF), (-INF, NAN)), floor64=1e-14),
    *[Case(f"bessel_i{n}e", lambda x, n=n: mp.exp(-abs(x)) * mp.besseli(n, x),
           (logs(-60, 10, 300), uniform(-20, 20, 400), logs(-1074, 1023, 50), near(8.0, -8.0)),
           2.0, 2.0, values)
      for n, values in [(0, ((0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 0.0))),
                        (1, (*ODD, (INF, 0.0), (-INF, -0.0)))]],
]
# fmt: on
BY_NAME = {c.name: c for c in CASES}


def arguments(case: Case, kind: str):
    """The columns of arguments to try."""
    rng = np.random.default_rng(7)
    dtype = DTYPES[kind]
    columns = []
    with np.errstate(all="ignore"):
        for make in case.points:
            makers = make if isinstance(make, tuple) else (make,)
            columns.append([m(rng, kind).astype(dtype) for m in makers])
        n_args = len(columns[0])
        special = np.array(SPECIAL).astype(dtype)
        columns.append([a.ravel() for a in np.meshgrid(*[special] * n_args)])
    return [np.concatenate([c[i] for c in columns]) for i in range(n_args)]


@lru_cache(None)
def reference(name: str, kind: str):
    """(arguments, exact values)."""
    case = BY_NAME[name]
    xs = arguments(case, kind)
    ref = safe(case.ref)
    if case.ref is None:
        with np.errstate(all="ignore"):
            return xs, [mpf(float(v)) for v in getattr(np, name)(*xs)]
    with mp.workdps(40):
        want = [
            mp.nan if any(v != v or abs(v) == INF for v in row) else ref(*[mpf(float(v)) for v in row])
            for row in zip(*xs, strict=True)
        ]
    return xs, want


def measure(name: str, kind: str, width: int, features: str | None = None):
    """(largest error in ulp, where); infinities are left to the exact values."""
    case = BY_NAME[name]
    xs, want = reference(name, kind)
    got = compiled(name, kind, width, features)(*xs)
    slack = case.floor64 if kind == "f64" else case.floor32
    worst, where = 0.0, None
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        row = [float(x[i]) for x in xs]
        if w is None or case.ref and any(abs(v) == INF or v != v for v in row) or (mp.isnan(w) and g != g):
            continue
        e = ulps(float(g), w, kind)
        if e > worst and not (e < INF and row[0] < 0 and abs(mpf(float(g)) - w) <= slack):
            worst, where = e, (*row, float(g), mp.nstr(w, 20))
    return worst, where


WIDTHS = [1, "native"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["f64", "f32"])
@pytest.mark.parametrize("name", [c.name for c in CASES])
def test_error_within_bound(name, kind, width):
    case = BY_NAME[name]
    worst, where = measure(name, kind, native_width(kind) if width == "native" else width)
    assert worst <= getattr(case, kind), (
        f"{name} {kind}: {worst:.3f} ulp at (arguments..., got, exact) {where}"
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["f64", "f32"])
@pytest.mark.parametrize("name", [c.name for c in CASES])
def test_exact_values(name, kind, width):
    case = BY_NAME[name]
    check_values(case, kind, native_width(kind) if width == "native" else width)


def check_values(case, kind, width):
    dtype = DTYPES[kind]
    n_args = vmath.definition(case.name, "double").n_args
    rows = [*case.values, *([(NAN, NAN)] if n_args == 1 else [])]
    xs = [np.array([r[i] for r in rows], dtype) for i in range(n_args)]
    got = compiled(case.name, kind, width)(*xs)
    for row, g in zip(rows, got, strict=True):
        want = dtype(row[-1])
        assert g == want or (g != g and want != want), f"{case.name}{row[:-1]} = {g}, should be {want}"
        assert want != want or np.signbit(g) == np.signbit(want), f"{case.name}{row[:-1]} = {g}: sign"


@pytest.mark.parametrize("name", [c.name for c in CASES])
def test_same_bits_at_every_width_and_feature(name):
    """A loop may finish with narrower vectors, and a program move to another CPU."""
    if "fma" not in vmath.registry.relevant(machine()[1]):
        pytest.skip("without fused multiply-add the C library is called")
    for kind, widths in (("f64", (1, 2, 4, 8)), ("f32", (1, 16))):
        xs = arguments(BY_NAME[name], kind)
        want = compiled(name, kind, native_width(kind))(*xs)
        for width in widths:
            for features in (None, "+fma") if width > 1 else (None,):
                np.testing.assert_array_equal(compiled(name, kind, width, features)(*xs), want)


@pytest.mark.parametrize(
    "name", ["exp", "pow", "lgamma", "fmod", "digamma", "logistic", "hypot", "bessel_i0e"]
)
def test_without_fma(name):
    case = BY_NAME[name]
    for kind in ("f64", "f32"):
        # Every product is rounded by itself then.
        assert measure(name, kind, 2, "")[0] <= getattr(case, kind) + 1.0


@pytest.mark.parametrize("element", ["half", "bfloat"])
def test_narrow_formats_go_through_f32(element):
    text = vmath.definition("exp", f"<8 x {element}>", "+fma").text
    assert "fpext" in text and "jt.exp.v8f32" in text


def test_every_function_has_a_case():
    # Others stand in test_special_functions.py and test_special_accuracy.py.
    elsewhere = {
        *"erfcx dawsn exp1 expi expn sine_integral cosine_integral fresnel_sine fresnel_cosine".split(),
        *"sin_quarter cos_quarter spence owens_t tgamma rgamma bessel_jn spherical_legendre hyp1f1 hyp2f1".split(),
        "igamma",
        "igammac",
        "igamma_grad_a",
        "random_gamma_grad",
        "betainc",
        "zeta",
        "trigamma",
        "float_of_half",
        "half_of_float",
        "polygamma",
    }
    assert set(vmath.names()) == set(BY_NAME) | elsewhere


def test_unknown_name():
    with pytest.raises(KeyError, match="no math function 'expo'; there are: acos"):
        vmath.definition("expo", "double")


def test_features_in_every_spelling():
    want = frozenset(["fma", "avx512f"])
    for features in (
        "+sse2,+fma,-avx512vl,+avx512f",
        ["fma", "avx512f", "sse2"],
        {"fma": True, "avx512f": True},
    ):
        assert vmath.registry.relevant(features) == want
    assert vmath.definition("exp", "double", "+fma") is vmath.definition("exp", "double", ["fma"])


def test_long_functions_can_be_shared():
    module = ir.ModuleWriter(share_math=True)
    d = vmath.definition("lgamma", "<4 x double>", "+fma")
    module.add_math(d)
    module.add_math(vmath.definition("exp", "<4 x double>", "+fma"))
    assert list(module.shared) == [d.symbol] and "define internal <4 x double> @jt.exp" in module.text()
    assert "declare fastcc <4 x double> @jt.lgamma.v4f64(<4 x double>)" in module.text()
    llvm.parse_assembly(module.text()).verify()
    llvm.parse_assembly(d.shared_text).verify()


@pytest.mark.parametrize(
    "type, value, text",
    [
        ("double", 0.1, "0x3FB999999999999A"),
        ("double", -0.0, "0x8000000000000000"),
        ("double", 0, "0x" + 16 * "0"),
        ("float", 0.1, "0x3FB99999A0000000"),
        ("float", 1e300, "0x7FF0000000000000"),
        ("half", 1.0, "0xH3C00"),
        ("bfloat", 1.0, "0xR3F80"),
        ("i1", 2, "true"),
        ("i64", 2**64 - 1, "-1"),
        ("i8", 200, "-56"),
        ("i32", -7, "-7"),
        ("ptr", 0, "null"),
        ("<4 x i32>", 3, "splat (i32 3)"),
        ("<2 x double>", 1.0, "splat (double 0x3FF0000000000000)"),
    ],
)
def test_constants_are_exact(type, value, text):
    assert ir.const(type, value).name == text


# ---- quotients and roots by products: the divider's bits --------------------------------------


def same_bits(got, want):
    n = np.uint64 if got.dtype == np.float64 else np.uint32
    return np.all((got.view(n) == want.view(n)) | (np.isnan(got) & np.isnan(want)))


def patterns(rng, kind, n):
    """Numbers of any exponent, numbers around 1, and special ones."""
    dtype = DTYPES[kind]
    size = np.dtype(dtype).itemsize
    special = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, np.finfo(dtype).tiny, np.finfo(dtype).max]
    special += [np.finfo(dtype).smallest_subnormal, -np.finfo(dtype).tiny]
    anything = np.frombuffer(rng.bytes(n * size), dtype)
    usual = (1 + rng.random(n)) * 2.0 ** rng.integers(-20, 20, n) * rng.choice([-1, 1], n)
    return np.concatenate([np.array(special, dtype), anything, usual.astype(dtype)])


def hard_roots(digits=53):
    """Floats whose roots lie as near as can be to the middle between two floats.

    With m that middle as an odd integer: m^2 + d = x 2^k for a small d, which is solved modulo 2^k bit by bit.
    """
    found = []
    for k in (digits + 1, digits + 2):
        for d in [*range(7, 2000, 8), *range(-1, -2000, -8)]:
            roots = [r for r in (1, 3, 5, 7) if (r * r + d) % 8 == 0]
            for bit in range(3, k):
                lifted = {r + e for r in roots for e in (0, 1 << (bit - 1), 1 << bit)}
                roots = sorted({r % 2 ** (bit + 1) for r in lifted if (r * r + d) % 2 ** (bit + 1) == 0})
            for m in roots:
                for whole in range(m, 2 ** (digits + 1), 2**k):
                    x = (whole * whole + d) >> k
                    if whole >> digits and x.bit_length() <= digits:
                        found.append(np.ldexp(float(x), k % 2))
    return np.array(found)


def hard_quotients(rng, digits=53):
    """(x, c) with x / c as near as can be to the middle m between two floats: m c + d = x 2^k."""
    xs, cs = [], []
    extremes = [2**digits - 1 - 2 * i for i in range(20)] + [2 ** (digits - 1) + 1 + 2 * i for i in range(20)]
    for c in extremes + [int(c) | 1 for c in rng.integers(2 ** (digits - 1), 2**digits, 500)]:
        for k in (digits, digits + 1):
            for d in (1, -1, 3, -3, 5, -5, 7, -7):
                m = -d * pow(c, -1, 2**k) % 2**k
                x = (m * c + d) >> k
                if m >> digits and x.bit_length() == digits:
                    xs.append(float(x))
                    cs.append(float(c))
    return np.array(xs), np.array(cs)


def quotient(kind, x, c):
    """By products, as the emitter calls it."""
    dtype = DTYPES[kind]
    reach = 2.0**500 if kind == "f64" else 2.0**60
    with np.errstate(all="ignore"):
        least = np.where((np.abs(c) >= 1 / reach) & (np.abs(c) <= reach), 1 / reach, -1 / reach)
        return compiled("quotient_by_reciprocal", kind, native_width(kind))(x, c, dtype(1) / c, least)


def has_estimate():
    return bool(machine()[1].get("avx512f"))


@pytest.mark.skipif(not machine()[1].get("fma"), reason="needs fused multiply-add")
@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_quotients_by_products(kind):
    rng = np.random.default_rng(3)
    n = 200_000
    with np.errstate(all="ignore"):
        x, c = patterns(rng, kind, n), rng.permutation(patterns(rng, kind, n))
        assert same_bits(quotient(kind, x, c), x / c)
        special = c[np.abs(np.log2(np.abs(c))) > 60][:40]
        for one in [*patterns(rng, kind, 20), *special]:
            ones = np.full(x[:5000].shape, one)
            assert same_bits(quotient(kind, x[:5000], ones), x[:5000] / ones), one
    if kind == "f64":
        x, c = hard_quotients(rng)
        assert len(x) > 1000
        assert same_bits(quotient(kind, x, c), x / c)


@pytest.mark.skipif(not has_estimate(), reason="needs AVX-512")
@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_roots_by_products(kind):
    rng = np.random.default_rng(4)
    root = compiled("root_by_products", kind, native_width(kind))
    x = patterns(rng, kind, 500_000)
    if kind == "f64":
        hard = hard_roots()
        assert len(hard) > 500
        x = np.concatenate([x, hard, hard * 2.0**-600, hard * 2.0**400])
    else:
        x = np.concatenate([x, np.arange(0x3F800000, 0x40800000, 3, dtype=np.uint32).view(np.float32)])
    with np.errstate(all="ignore"):
        assert same_bits(root(x), np.sqrt(x))


@pytest.mark.skipif(not has_estimate(), reason="needs AVX-512")
def test_roots_by_products_at_narrow_widths():
    x = patterns(np.random.default_rng(5), "f64", 5000)
    with np.errstate(all="ignore"):
        for width in (2, 4, 16):
            assert same_bits(compiled("root_by_products", "f64", width)(x), np.sqrt(x)), width


# ---- by hand: errors and speed ----------------------------------------------------------------

SPEED_RANGE = {
    "log": (0.1, 100.0),
    "log1p": (-0.9, 10.0),
    "log2": (0.1, 100.0),
    "log10": (0.1, 100.0),
    "acosh": (1.0, 10.0),
    "atanh": (-1.0, 1.0),
    "pow": (0.1, 5.0),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "erf_inv": (-1.0, 1.0),
    "lgamma": (0.1, 20.0),
    "digamma": (0.1, 20.0),
}


def nanoseconds(name: str, kind: str, width: int) -> float:
    """Time per element over a block that stays in the cache."""
    run = compiled(name, kind, width)
    n = 4096
    rng = np.random.default_rng(1)
    ins = [
        rng.uniform(*SPEED_RANGE.get(name, (-3.0, 3.0)), n).astype(DTYPES[kind])
        for _ in range(vmath.definition(name, "double").n_args)
    ]
    out = np.empty(n, DTYPES[kind])
    pointers = [a.ctypes.data for a in ins] + [None] * (6 - len(ins))
    best = INF
    for _ in range(60):
        t = time.perf_counter()
        for _ in range(10):
            run.native(out.ctypes.data, n, *pointers)
        best = min(best, time.perf_counter() - t)
    return best / 10 / n * 1e9


def main():
    for name in sys.argv[1:] or [c.name for c in CASES]:
        row = [f"{name:10s}"]
        for kind in ("f64", "f32"):
            w = native_width(kind)
            scalar, at1 = measure(name, kind, 1)
            vector, at = measure(name, kind, w)
            row.append(f"{kind} {scalar:.3f} {vector:.3f} ulp {nanoseconds(name, kind, w):.2f} ns")
            for width in (1, w):
                try:
                    check_values(BY_NAME[name], kind, width)
                except AssertionError as e:
                    row.append(f"\n  WRONG {kind} {width}: {e}")
            case = BY_NAME[name]
            if max(scalar, vector) > getattr(case, kind):
                row.append(f"\n  ABOVE BOUND at {at1} {at}\n")
        print("  ".join(row), flush=True)


if __name__ == "__main__":
    main()
