"""``jitney.foreign``: functions of C, SciPy, Numba and NumPy with derivatives, in compiled and transformed programs."""

from __future__ import annotations

import ctypes
import gc
import pickle
import shutil
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import scipy.linalg.blas
import scipy.special
from scipy import LowLevelCallable

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._foreign.signatures import parse

_SOURCE = r"""
#include <stdint.h>
#include <stdbool.h>
#include <math.h>
#include <complex.h>
#include <unistd.h>
double gauss(double x, double s) { return exp(-x * x / (2 * s * s)); }
double cubic(double x) { return x * x * x; }
float add_small(float x, int8_t n) { return x + n; }
bool above(double x, int k) { return x > k; }
int64_t modulo(int64_t a, uint8_t b) { return a % b; }
int16_t minus(int16_t a) { return -a; }
double scaled(double x, void* data) { return x * ((double*)data)[0]; }
double constant(void) { return 42; }
volatile int flag = 0;
double wait_for_flag(double x) {
    for (int i = 0; i < 5000 && !flag; i++) usleep(1000);
    return flag ? x : -1;
}
void running(const double* x, int64_t n, double* out) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) out[i] = s += x[i];
}
void squares(const double* x, int64_t n, double* out) { for (int64_t i = 0; i < n; i++) out[i] = x[i] * x[i]; }
void matvec(int m, int n, const double* a, const double* x, double* y) {
    for (int i = 0; i < m; i++) { y[i] = 0; for (int j = 0; j < n; j++) y[i] += a[i * n + j] * x[j]; }
}
int powers(const double* x, double e, int64_t n, double* p, double* q) {
    for (int64_t i = 0; i < n; i++) { p[i] = pow(x[i], e); q[i] = pow(x[i], -e); }
    return 7;
}
void conjugate(const double complex* z, int64_t n, double complex* out) {
    for (int64_t i = 0; i < n; i++) out[i] = conj(z[i]);
}
void scale_(const int* n, const double* a, const double* x, double* y) { for (int i = 0; i < *n; i++) y[i] = *a * x[i]; }
double quad(int n, double* x) { double s = 0; for (int i = 0; i < n; i++) s += x[i] * x[i]; return s; }
"""

X = np.linspace(-1, 2, 7)


@pytest.fixture(scope="module")
def c(tmp_path_factory: Any) -> Any:
    """A library of C functions."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    place = tmp_path_factory.mktemp("foreign")
    (place / "functions.c").write_text(_SOURCE)
    library = place / "functions.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", library, place / "functions.c", "-lm"], check=True
    )
    return ctypes.CDLL(str(library))


def libm(name: str, count: int = 1) -> Any:
    """A function of the C library's, typed for ctypes."""
    found = getattr(ctypes.CDLL(None if sys.platform == "darwin" else "libm.so.6"), name)
    found.restype, found.argtypes = ctypes.c_double, [ctypes.c_double] * count
    return found


def special(name: str) -> Any:
    """A function of ``scipy.special`` by its pointer."""
    import scipy.special.cython_special as functions

    return LowLevelCallable.from_cython(functions, name)


def both(f: Any, *args: Any) -> Any:
    """The result of ``f``, which is the same compiled."""
    eager, compiled = f(*args), jitney.jit(f)(*args)
    for a, b in zip(jitney.tree.leaves(eager), jitney.tree.leaves(compiled), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    return eager


# -- C functions of numbers


def test_numbers_of_all_types(c: Any) -> None:
    gauss = jitney.foreign(c.gauss, signature="double gauss(double x, double s)")
    np.testing.assert_allclose(both(gauss, X, 0.5), np.exp(-2 * X**2), rtol=1e-15)
    np.testing.assert_allclose(
        both(gauss, X[:, None], np.ones(3)), np.exp(-(X**2) / 2)[:, None] + np.zeros(3)
    )
    assert both(gauss, 1, 2).dtype == np.float64  # integers are widened
    add = jitney.foreign(c.add_small, signature="float add_small(float, int8_t)")
    np.testing.assert_array_equal(
        both(add, X.astype("f4"), np.arange(7, dtype="i1") - 3), X.astype("f4") + np.arange(7) - 3
    )
    above = jitney.foreign(c.above, signature="_Bool above(double, int)")
    np.testing.assert_array_equal(both(above, X, 0), X > 0)
    modulo = jitney.foreign(c.modulo, signature="int64_t modulo(int64_t a, uint8_t b)")
    np.testing.assert_array_equal(both(modulo, np.array([-5, 40, 1 << 40]), 7), np.fmod([-5, 40, 1 << 40], 7))
    minus = jitney.foreign(c.minus, signature="int16 (int16)")
    np.testing.assert_array_equal(both(minus, np.array([3, -300], "i2")), [-3, 300])
    assert both(jitney.foreign(c.constant, signature="double constant(void)")) == 42


def test_numbers_in_fused_loops() -> None:
    cosine = jitney.foreign(libm("cos"))
    x = np.linspace(0, 50, 100_000)
    np.testing.assert_allclose(jitney.jit(lambda x: jnp.sum(2 * cosine(x) + 1))(x), np.sum(2 * np.cos(x) + 1))
    np.testing.assert_allclose(cosine(x), np.cos(x), rtol=1e-15, atol=1e-15)  # a compiled kernel of its own
    text = str(jitney.make_jaxpr(cosine)(1.0))
    assert "foreign_map" in text and "cos" in text
    chosen = jitney.jit(lambda x: jnp.where(x > 1, cosine(x), lax.cond(x[0] > 0, cosine, jnp.sin, x)))
    np.testing.assert_allclose(chosen(x), np.where(x > 1, np.cos(x), np.sin(x)), rtol=1e-14, atol=1e-15)


def test_uncompiled_code(c: Any) -> None:
    hypot = jitney.foreign(libm("hypot", 2))
    for size in (255, 256, 257, 3000):
        x = np.linspace(-1, 1, size)
        np.testing.assert_array_equal(hypot(x, 2.0), np.hypot(x, 2.0))
    grid = np.linspace(-1, 1, 40)
    np.testing.assert_array_equal(hypot(grid[:, None], grid), np.hypot(grid[:, None], grid))
    above = jitney.foreign(c.above, signature="_Bool above(double, int)")
    np.testing.assert_array_equal(above(np.arange(2000.0), 7), np.arange(2000) > 7)


def test_pointers_of_other_libraries(c: Any) -> None:
    j0 = jitney.foreign(special("j0"), derivative=[lambda x: -jitney.foreign(special("j1"))(x)])
    np.testing.assert_allclose(both(j0, X), scipy.special.j0(X))
    np.testing.assert_allclose(jitney.vmap(jitney.grad(j0))(X), -scipy.special.j1(X))
    jv = jitney.foreign(special("__pyx_fuse_1jv"))
    np.testing.assert_allclose(both(jv, 2, X), scipy.special.jv(2, X))
    c.quad.argtypes, c.quad.restype = [ctypes.c_int, ctypes.POINTER(ctypes.c_double)], ctypes.c_double
    quad = jitney.foreign(LowLevelCallable(c.quad), derivative="finite", name="quad")
    assert both(quad, X) == np.sum(X * X) and "quad: C" in repr(quad)
    np.testing.assert_allclose(jitney.grad(quad)(X), 2 * X, atol=1e-12)
    address = ctypes.cast(c.cubic, ctypes.c_void_p).value
    np.testing.assert_allclose(both(jitney.foreign(address, signature="double f(double)"), X), X**3)


def test_user_data_is_kept_alive(c: Any) -> None:
    c.scaled.argtypes, c.scaled.restype = [ctypes.c_double, ctypes.c_void_p], ctypes.c_double

    def made() -> Any:
        data = (ctypes.c_double * 1)(3.0)
        return jitney.foreign(LowLevelCallable(c.scaled, ctypes.cast(data, ctypes.c_void_p)))

    scaled = made()
    gc.collect()
    np.testing.assert_array_equal(both(scaled, X), 3 * X)


def test_numba_and_cffi(c: Any) -> None:
    numba = pytest.importorskip("numba")
    power = jitney.foreign(numba.cfunc("float64(float64, int32)")(lambda x, n: x**n))
    compiled = jitney.jit(power)
    np.testing.assert_allclose(compiled(X, 3), X**3, atol=1e-15)
    del power
    gc.collect()  # the program keeps the code
    np.testing.assert_allclose(compiled(X, 3), X**3, atol=1e-15)
    cffi = pytest.importorskip("cffi")
    interface = cffi.FFI()
    interface.cdef(
        "double gauss(double, double); double quad(int n, double* x); int printf(const char*, ...);"
    )
    library = interface.dlopen(c._name)
    np.testing.assert_allclose(both(jitney.foreign(library.gauss), X, 1.0), np.exp(-(X**2) / 2))
    assert both(jitney.foreign(library.quad), X) == np.sum(X * X)
    with pytest.raises(TypeError, match="any number of arguments"):
        jitney.foreign(interface.dlopen(None).printf)


def test_code_that_needs_the_lock(c: Any) -> None:
    calls = []
    python = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: calls.append(x) or x + 1)
    np.testing.assert_array_equal(both(jitney.foreign(python), X), X + 1)
    assert len(calls) == 14
    locked = jitney.foreign(c.cubic, signature="double (double)", gil=True)
    np.testing.assert_allclose(both(lambda x: locked(x) * 2, X), 2 * X**3)


def test_other_threads_run_meanwhile(c: Any) -> None:
    wait = jitney.jit(jitney.foreign(c.wait_for_flag, signature="double wait_for_flag(double)"))
    flag = ctypes.c_int.in_dll(c, "flag")
    wait.lower(1.0).compile()
    thread = threading.Timer(0.05, lambda: setattr(flag, "value", 1))
    thread.start()
    assert wait(1.0) == 1  # -1 if nobody could raise the flag
    thread.join()


# -- C functions of arrays


def test_arrays(c: Any) -> None:
    running = jitney.foreign(c.running, signature="(const double* x, int64 n, double* out)")
    np.testing.assert_array_equal(both(running, X), np.cumsum(X))
    np.testing.assert_array_equal(both(lambda x: 2 * running(x[::-1] + 1), X), 2 * np.cumsum(X[::-1] + 1))
    np.testing.assert_array_equal(both(jitney.vmap(running), np.ones((2, 3))), [[1, 2, 3]] * 2)
    across = jitney.vmap(running, in_axes=1, out_axes=1)
    np.testing.assert_array_equal(both(across, np.ones((3, 2))), np.cumsum(np.ones((3, 2)), 0))
    assert "host" not in str(jitney.jit(jitney.vmap(running)).lower(np.ones((2, 3))).as_text())
    squares = jitney.foreign(c.squares, signature="(const double* x, int64 n, double* out)", vectorized=True)
    np.testing.assert_array_equal(both(jitney.vmap(squares), np.ones((2, 3)) * 3), np.full((2, 3), 9))
    scanned = lambda x: lax.scan(lambda s, x: (s + running(x)[-1], s), 0.0, x)  # noqa: E731
    np.testing.assert_array_equal(both(scanned, np.ones((4, 3)))[1], [0, 3, 6, 9])


def test_arrays_measured_in_brackets(c: Any) -> None:
    text = "void matvec(int m, int n, const double a[m][n], const double x[n], double y[m])"
    matvec = jitney.foreign(c.matvec, signature=text, derivative="finite")
    a, x = np.arange(6.0).reshape(2, 3), np.array([1.0, -1, 2])
    np.testing.assert_array_equal(both(matvec, a, x), a @ x)
    np.testing.assert_array_equal(both(lambda a, x: matvec(a.T, x), a.T.copy(), x), a @ x)
    by_a, by_x = jitney.jit(jitney.jacobian(matvec, (0, 1)))(a, x)
    np.testing.assert_allclose(by_x, a, atol=1e-11)
    np.testing.assert_allclose(by_a, np.einsum("ij,k->ijk", np.eye(2), x), atol=1e-11)
    loss = lambda a, x: jnp.sum(matvec(a, x) ** 2)  # noqa: E731
    np.testing.assert_allclose(jitney.jit(jitney.grad(loss, 1))(a, x), 2 * a.T @ a @ x, rtol=1e-10)
    batched = jitney.vmap(jitney.grad(loss, 1), (None, 0))(a, np.stack([x, 2 * x]))
    np.testing.assert_allclose(batched, [2 * a.T @ a @ x, 4 * a.T @ a @ x], rtol=1e-10)
    errors = matvec.derivative_error(a, x)
    assert [e.shape for e in errors] == [(2, 2, 3), (2, 3)] and max(map(np.max, errors)) < 1e-11
    with pytest.raises(
        TypeError, match=r"argument 1 of .* has shape \(2,\).* wants x\[n\] where m = 2, n = 3"
    ):
        matvec(a, x[:2])
    with pytest.raises(TypeError, match="takes 2 arguments, got 1"):
        matvec(a)


def test_fortran_takes_addresses(c: Any) -> None:
    text = "void scale_(const int* n, const double* a, const double x[n], double y[n])"
    scale = jitney.foreign(c.scale_, signature=text, derivative="finite")
    np.testing.assert_array_equal(both(scale, 2.0, X), 2 * X)
    by_a, by_x = jitney.jit(jitney.grad(lambda a, x: jnp.sum(scale(a, x)), (0, 1)))(2.0, X)
    np.testing.assert_allclose(by_a, np.sum(X), atol=1e-12)
    np.testing.assert_allclose(by_x, np.full(7, 2.0))
    dot = jitney.foreign(scipy.linalg.blas.ddot, derivative="finite")  # f2py: called as a Python function
    np.testing.assert_allclose(both(dot, X, X), X @ X)
    np.testing.assert_allclose(jitney.grad(dot)(X, X), X, atol=1e-12)
    text = "void dcopy_(const int* n, const double x[n], const int* incx, double y[n], const int* incy)"
    copy = jitney.foreign(scipy.linalg.blas.dcopy, signature=text)  # the routine behind it, natively
    np.testing.assert_array_equal(both(copy, X, 1, 1), X)


def test_arrays_with_several_results(c: Any) -> None:
    text = "int powers(const double* x, double e, int64_t n, double* p, double* q)"
    status, p, q = both(jitney.foreign(c.powers, signature=text), np.arange(1.0, 4), 2.0)
    assert status.dtype == np.int32 and status == 7 and p.tolist() == [1, 4, 9]
    np.testing.assert_allclose(q, np.arange(1.0, 4) ** -2)
    shape = jitney.ShapeDtypeStruct((3,), float)
    named = jitney.foreign(
        c.powers, signature=text, out={"a": jitney.ShapeDtypeStruct((), "i4"), "p": shape, "q": shape}
    )
    assert both(named, np.arange(1.0, 4), 1.0)["p"].tolist() == [1, 2, 3]
    conjugate = jitney.foreign(
        c.conjugate, signature="(const double complex* z, int64 n, double complex* out)"
    )
    z = np.arange(3) * (1 + 2j)
    np.testing.assert_array_equal(both(lambda z: conjugate(z * 1j), z), np.conj(z * 1j))


def test_meaning_of_loop_programs(c: Any) -> None:
    from compiler_cases import checking, compiled, evaluated, slowly, staged

    gauss = jitney.foreign(c.gauss, signature="double (double, double)")
    powers = jitney.foreign(
        c.powers, signature="int (const double* x, double e, int64_t n, double* p, double* q)"
    )
    scale = jitney.foreign(
        c.scale_, signature="void (const int* n, const double* a, const double x[n], double y[n])"
    )
    f = lambda x: (powers(gauss(x, 1.5) + 1, x[0]), scale(x[1], x), jnp.sum(gauss(x, x + 3)))  # noqa: E731
    with checking():
        closed = staged(f, X)
        for a, b, d in zip(slowly(closed, X), compiled(closed, X), evaluated(closed, X), strict=True):
            np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-15)
            np.testing.assert_allclose(d, b, rtol=1e-15)


# -- Python functions


def test_python_functions() -> None:
    f = jitney.foreign(lambda x: np.sum(np.sin(x) * x), derivative="finite", name="f")
    want = np.cos(X) * X + np.sin(X)
    np.testing.assert_allclose(both(f, X), np.sum(np.sin(X) * X))
    np.testing.assert_allclose(jitney.jit(jitney.grad(f))(X), want, atol=1e-11)
    np.testing.assert_allclose(jitney.jvp(f, (X,), (X,))[1], want @ X, atol=1e-11)
    np.testing.assert_allclose(jitney.vmap(f)(np.stack([X, 2 * X]))[0], np.sum(np.sin(X) * X))
    seen = []

    @jitney.foreign(out=lambda p: {"sum": jitney.ShapeDtypeStruct((), float), "n": p["x"]})
    def tree(p: Any) -> Any:
        seen.append(p["x"])
        p["x"][0] = 9  # its own memory
        return {"sum": np.sum(p["y"]), "n": p["x"]}

    given = {"x": X, "y": np.ones(2)}
    assert both(tree, given)["sum"] == 2 and X[0] == -1
    jitney.jit(tree)(given)
    gc.collect()
    assert seen[0].tolist() == [9, *X[1:]] and type(seen[0]) is np.ndarray
    calls = []
    batch = jitney.foreign(lambda x: calls.append(x.shape) or np.sum(x, -1), vectorized=True)
    np.testing.assert_array_equal(
        jitney.jit(jitney.vmap(jitney.vmap(batch)))(np.ones((2, 3, 4))), np.full((2, 3), 4)
    )
    assert calls[-1] == (2, 3, 4)
    scanned = lambda x: lax.scan(lambda s, x: (s + f(x), s), 0.0, x)[0]  # noqa: E731
    x = np.ones((2, 2))
    np.testing.assert_allclose(jitney.jit(jitney.grad(scanned))(x), np.sin(x) + np.cos(x), atol=1e-11)


def test_ufuncs() -> None:
    f = jitney.foreign(np.arctan2, derivative="finite")
    np.testing.assert_array_equal(both(f, X[:, None], X[:3]), np.arctan2(X[:, None], X[:3]))
    assert both(f, np.float32(1), np.float32(2)).dtype == np.float32
    pairs = jitney.vmap(jitney.grad(f, (0, 1)), (0, None))(X, 2.0)
    np.testing.assert_allclose(pairs[0], 2 / (X**2 + 4), atol=1e-12)
    np.testing.assert_allclose(pairs[1], -X / (X**2 + 4), atol=1e-12)
    np.testing.assert_array_equal(jitney.vmap(f)(X, np.ones((7, 2))), np.arctan2(X[:, None], np.ones((7, 2))))


# -- derivatives


def test_user_derivatives() -> None:
    calls = []

    def jvp(primals: Any, tangents: Any) -> Any:
        calls.append("jvp")
        return (
            jnp.sum(jnp.cos(primals[0]) * tangents[0]) * primals[1]
            + jnp.sum(jnp.sin(primals[0])) * tangents[1]
        )

    def vjp(primals: Any, ct: Any) -> Any:
        calls.append("vjp")
        return ct * jnp.cos(primals[0]) * primals[1], ct * jnp.sum(jnp.sin(primals[0]))

    plain = lambda x, a: np.sum(np.sin(x)) * a  # noqa: E731
    for rules in ({"jvp": jvp}, {"vjp": vjp}, {"jvp": jvp, "vjp": vjp}):
        f = jitney.foreign(plain, **rules)
        by_x, by_a = jitney.jit(jitney.grad(f, (0, 1)))(X, 2.0)
        np.testing.assert_allclose(by_x, 2 * np.cos(X), rtol=1e-14)
        np.testing.assert_allclose(by_a, np.sum(np.sin(X)))
        forward = jitney.jit(lambda x, t, f=f: jitney.jvp(f, (x, 2.0), (t, 1.0))[1])(X, X)
        np.testing.assert_allclose(forward, 2 * np.cos(X) @ X + np.sum(np.sin(X)))
        np.testing.assert_allclose(jitney.hessian(f)(X, 2.0), np.diag(-2 * np.sin(X)), atol=1e-14)
        np.testing.assert_allclose(jitney.grad(jitney.grad(f, 1))(X, 2.0), np.cos(X))
        np.testing.assert_allclose(
            jitney.vmap(jitney.grad(f), (0, None))(np.stack([X, X]), 2.0)[1], 2 * np.cos(X)
        )
        np.testing.assert_allclose(
            jitney.grad(lambda x, f=f: jitney.vmap(f)(x, x[:, 0]).sum())(np.eye(2))[1],
            [0, 1 * np.cos(0)],
            atol=2,
        )
    both_given = jitney.foreign(plain, jvp=jvp, vjp=vjp)
    calls.clear()
    both_given(X, 1.0)
    assert not calls


def test_rules_of_elementwise_functions_see_one_shape() -> None:
    hypot = libm("hypot", 2)
    want = X / np.hypot(X, 2.0), 2 / np.hypot(X, 2.0)
    rules: list[dict[str, Any]] = [
        {"vjp": lambda p, ct: (ct * p[0] / jnp.hypot(*p), ct * p[1] / jnp.hypot(*p))},
        {"jvp": lambda p, t: (t[0] * p[0] + t[1] * p[1]) / jnp.hypot(*p)},
        {"jvp": jitney.foreign(lambda x, y, s, t: (s * x + t * y) / np.hypot(x, y), vectorized=True)},
    ]
    rules.append(rules[0] | rules[1])
    for rule in rules:
        f = jitney.foreign(hypot, **rule)
        by_x, by_y = jitney.jit(jitney.grad(lambda x, y, f=f: jnp.sum(f(x, y)), (0, 1)))(X, 2.0)
        np.testing.assert_allclose(by_x, want[0], atol=1e-15)
        np.testing.assert_allclose(by_y, np.sum(want[1]))
        forward = jitney.jvp(f, (X, 2.0), (X, 1.0))[1]
        np.testing.assert_allclose(forward, X * want[0] + want[1], atol=1e-15)
        np.testing.assert_allclose(jitney.vmap(jitney.grad(f, 1), (0, None))(X, 2.0), want[1])


def test_many_components() -> None:
    f = jitney.foreign(lambda x: np.sum(x**2, -1), derivative="finite", vectorized=True)
    x = np.linspace(0, 1, 600)  # more unit vectors than are taken at once
    np.testing.assert_allclose(jitney.jit(jitney.grad(f))(x), 2 * x, atol=1e-9)


def test_foreign_derivatives() -> None:
    forward = jitney.foreign(lambda x, t: np.sum(3 * x**2 * t))
    f = jitney.foreign(lambda x: np.sum(x**3), jvp=forward)
    np.testing.assert_allclose(jitney.jit(jitney.grad(f))(X), 3 * X**2)
    np.testing.assert_allclose(jitney.jvp(f, (X,), (X,))[1], np.sum(3 * X**3))
    backward = jitney.foreign(lambda x, ct: 3 * x**2 * ct, derivative="finite")
    g = jitney.foreign(lambda x: np.sum(x**3), vjp=backward)
    np.testing.assert_allclose(jitney.grad(g)(X), 3 * X**2)
    np.testing.assert_allclose(jitney.jit(jitney.hessian(g))(X), np.diag(6 * X), atol=1e-9)
    sine = jitney.foreign(np.sin, jvp=jitney.foreign(lambda x, t: np.cos(x) * t, vectorized=True))
    np.testing.assert_allclose(jitney.vmap(jitney.grad(sine))(X), np.cos(X))
    hidden = jitney.foreign(lambda x: np.sum(x**3), jvp=lambda p, t: forward(p[0], t[0]))
    with pytest.raises(NotImplementedError, match="called with tangents.*pass vjp=..."):
        jitney.grad(hidden)(X)


def test_what_is_not_taken_adds_nothing() -> None:
    log = jitney.foreign(libm("log"), derivative=[lambda x: 1 / x])
    slope = jitney.jit(jitney.grad(lambda x: jnp.sum(jnp.where(x > 0, log(x), 0.0))))
    np.testing.assert_array_equal(slope(np.array([0.0, 2.0])), [0, 0.5])


def test_finite_differences() -> None:
    hypot = jitney.foreign(libm("hypot", 2), derivative="finite")
    x, y = np.array([3.0, 1e-3, 1e6]), np.array([4.0, 1.0, 2.0])
    slopes = jitney.jit(jitney.vmap(jitney.grad(hypot, (0, 1))))(x, y)
    errors = hypot.derivative_error(x, y)
    for slope, want, error in zip(slopes, (x, y), errors, strict=True):
        assert np.all(np.abs(slope - want / np.hypot(x, y)) <= error) and np.all(error < 1e-8)
    np.testing.assert_allclose(jitney.hessian(hypot)(3.0, 4.0), 16 / 125, rtol=1e-9)
    log = jitney.foreign(libm("log"), derivative="finite")  # at most steps of its own size: not finite beyond
    for at in (0.05, 1e-3):
        assert abs(jitney.grad(log)(at) * at - 1) < 1e-4 and abs(
            jitney.grad(log)(at) - 1 / at
        ) <= log.derivative_error(at)
    near = jitney.foreign(libm("log"), derivative="finite", step=1e-6)
    assert abs(jitney.grad(near)(1e-5) - 1e5) <= near.derivative_error(1e-5) < 1e-2
    wave = jitney.foreign(lambda x: np.sin(300 * x), derivative="finite", vectorized=True)
    assert abs(jitney.grad(wave)(1.0) - 300 * np.cos(300)) <= wave.derivative_error(1.0) < 1e-6
    step = jitney.foreign(lambda x: np.float64(x > 1), derivative="finite")
    assert step.derivative_error(1.0) > 1  # there is none
    single = jitney.foreign(np.tanh, derivative="finite")
    assert abs(jitney.grad(single)(jnp.float32(0.5)) - 0.7864477) < 1e-4
    still = jitney.jvp(jitney.foreign(lambda x: np.sum(x**2), derivative="finite"), (X,), (np.zeros(7),))
    assert still[1] == 0


def test_complex_steps() -> None:
    f = jitney.foreign(
        lambda x: np.sum(np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)), derivative="complex"
    )
    x = np.array([0.5, 1.0])
    s, k = np.sin(x), np.cos(x)
    want = np.exp(x) * (1 / np.sqrt(s**3 + k**3) - 1.5 * s * k * (s - k) / (s**3 + k**3) ** 1.5)
    np.testing.assert_allclose(jitney.jit(jitney.grad(f))(x), want, rtol=4e-16 * 4)
    assert np.all(f.derivative_error(x) < 1e-14)
    np.testing.assert_allclose(np.diag(jitney.hessian(f)(x)), np.diag(jitney.jacobian(jitney.grad(f))(x)))
    numeric = (jitney.grad(f)(x + 1e-5) - jitney.grad(f)(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(np.diag(jitney.hessian(f)(x)), numeric, rtol=1e-7)
    exp = jitney.foreign(np.exp, derivative="complex")
    np.testing.assert_array_equal(jitney.vmap(jitney.grad(exp))(X), np.exp(X))
    wrong = jitney.foreign(lambda x: np.abs(x) * x, derivative="complex", out=lambda x: x)
    assert wrong.derivative_error(1.0) > 0.5  # not analytic, and the estimate says so
    real = jitney.foreign(lambda x: np.real(x) * 2, derivative="complex")
    with pytest.raises(RuntimeError, match="of complex numbers.*is float64"):
        jitney.grad(real)(1.0)
    with pytest.raises(TypeError, match="use derivative='finite'"):
        jitney.foreign(libm("cos"), derivative="complex")


# -- errors


def test_no_derivative() -> None:
    f = jitney.foreign(lambda x: x * 2.0, name="f")
    text = "foreign function 'f' has no derivative: pass jvp=..., vjp=... or derivative='finite'"
    for transformed in (jitney.grad(f), jitney.jit(jitney.grad(f)), lambda x: jitney.jvp(f, (x,), (x,))):
        with pytest.raises(ValueError, match=text):
            transformed(1.0)
    assert jitney.grad(lambda x: x * f(lax.stop_gradient(x)))(3.0) == 6
    from jitney.experimental.jet import jet

    with pytest.raises(NotImplementedError, match="nest jitney.jvp"):
        jet(jitney.foreign(libm("cos"), derivative="finite"), (0.5,), ((1.0, 0.0),))
    with pytest.raises(ValueError, match="whose error could be estimated"):
        f.derivative_error(1.0)


def test_wrong_results_and_exceptions() -> None:
    shape = jitney.ShapeDtypeStruct((3,), "f4")
    f = jitney.foreign(lambda x: x * 2, out=shape, name="f")
    for g in (f, jitney.jit(f)):
        with pytest.raises(
            RuntimeError, match=r"the result of the foreign function 'f' is float64\[2\], where float32\[3\]"
        ):
            g(np.ones(2))
    with pytest.raises(RuntimeError, match="returned a tree"):
        jitney.foreign(lambda x: (x, x), out=lambda x: x)(1.0)

    def fails(x: Any) -> Any:
        raise KeyError("mine")

    for g in (jitney.foreign(fails), jitney.jit(jitney.foreign(fails, out=lambda x: x))):
        with pytest.raises(KeyError, match="mine"):
            g(1.0)
    with pytest.raises(RuntimeError, match="called with arrays of ones.*KeyError.*out="):
        jitney.jit(jitney.foreign(fails))(1.0)
    with pytest.raises(TypeError, match="is no array that jitney has"):
        jitney.foreign(lambda x: "text")(1.0)
    bad = jitney.foreign(np.sum, vjp=lambda p, ct: (ct, ct))
    with pytest.raises(TypeError, match="a cotangent for each of 1 arguments, got 2 entries"):
        jitney.grad(bad)(X)
    bad = jitney.foreign(np.sum, vjp=lambda p, ct: ct)
    with pytest.raises(TypeError, match=r"returned a cotangent f64\[\] for f64\[7\]"):
        jitney.grad(bad)(X)


def test_errors_of_pointers(c: Any) -> None:
    untyped = ctypes.CDLL(c._name).gauss
    with pytest.raises(TypeError, match="nothing is known of the parameters of gauss.*signature="):
        jitney.foreign(untyped)
    with pytest.raises(TypeError, match="does not fit cos, which says of itself that it is 'float64"):
        jitney.foreign(libm("cos"), signature="float cosf(float)")
    with pytest.raises(TypeError, match="describes a pointer to a C function, but"):
        jitney.foreign(np.sin, signature="double (double)")
    with pytest.raises(TypeError, match="needs a pointer to a C function or a callable"):
        jitney.foreign("sin")
    with pytest.raises(ValueError, match="null pointer"):
        jitney.foreign(0, signature="double (double)")
    with pytest.raises(TypeError, match="takes a void"):
        jitney.foreign(1, signature="double (double, void*)")
    with pytest.raises(TypeError, match="leave out= away"):
        jitney.foreign(libm("cos"), out=1.0)
    cosine = jitney.foreign(libm("cos"), name="cosine")
    with pytest.raises(TypeError, match=r"argument 0 of cosine is c128\[\], where C takes float64"):
        cosine(1j)
    with pytest.raises(TypeError, match="cosine .* takes 1 arguments, got 2"):
        cosine(1.0, 2.0)
    narrow = jitney.foreign(c.add_small, signature="float (float, int8_t)")
    with pytest.raises(
        TypeError, match=r"is f64\[7\], where C takes float32. Convert it: x.astype\('float32'\)"
    ):
        narrow(X, 1)
    with pytest.raises(TypeError, match="argument 1 of add_small"):
        narrow(np.float32(1), 300)
    with pytest.raises(TypeError, match="shapes"):
        jitney.foreign(c.gauss, signature="double (double, double)")(np.ones(2), np.ones(3))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("double", "no list of parameters"),
        ("double f(foo x)", "'foo x' is no type"),
        ("double* f(int n)", "returns an address"),
        ("double f(double** x)", "address of addresses"),
        ("double f(double complex z)", "passed by address only"),
        ("void f(const double x[n**2])", "no integer expression"),
        ("string f(int)", "no type of a result"),
    ],
)
def test_errors_of_signatures(text: str, why: str) -> None:
    import re

    with pytest.raises(ValueError, match=re.escape(why)):
        parse(text, "f")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("void f(const double* x, int n, int m, double* y)", "which is the length of what"),
        ("void f(const double x[n], double y[n])", "the size n is no parameter"),
        ("void f(int n, int m, const double x[n], double y[m])", "no argument has m as a length"),
        ("void f(const double* x, int n)", "nothing is returned"),
        ("void f(const double* x, double* y)", "shapes of what .* returns are not known"),
    ],
)
def test_errors_of_array_signatures(c: Any, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        jitney.foreign(c.running, signature=text)(X)


def test_signatures() -> None:
    found = parse(
        "void f(unsigned int k, const npy_intp n, double *restrict out, unsigned char b[n + 1][2])", "f"
    )
    assert [p.dtype.name for p in found.params] == ["uint32", "int64", "float64", "uint8"]  # type: ignore[union-attr]
    assert found.params[3].dims == ("n + 1", "2") and found.result is None
    assert parse("float64 (float64*, int64)", "f").params[0].pointer
    assert [p.dtype.name for p in parse("long long f(unsigned, long long, _Bool)", "f").params] == [
        "uint32",
        "int64",
        "bool",
    ]  # type: ignore[union-attr]


def test_options_that_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="give one of them"):
        jitney.foreign(np.sin, jvp=lambda p, t: t, derivative="finite")
    with pytest.raises(ValueError, match="derivative='exact' of sin is unknown"):
        jitney.foreign(np.sin, derivative="exact")
    with pytest.raises(TypeError, match="is for elementwise functions"):
        jitney.foreign(lambda x: x, derivative=[lambda x: x])
    with pytest.raises(ValueError, match="a positive number"):
        jitney.foreign(np.sin, derivative="finite", step=-1.0)
    with pytest.raises(ValueError, match="vectorized=True needs"):
        jitney.foreign(1, signature="void f(int n, const double x[n], double y[n])", vectorized=True)
    with pytest.raises(ValueError, match="vectorized=True needs"):
        jitney.foreign(1, signature="int f(const double* x, int n, double* y)", vectorized=True)
    with pytest.raises(
        TypeError, match=r"partial derivative 0 of sin is f64\[2\], but the result has shape \(\)"
    ):
        jitney.grad(jitney.foreign(np.sin, derivative=[lambda x: jnp.ones(2)]))(1.0)


def test_programs_with_addresses_stay_in_memory(tmp_path: Any) -> None:
    from jitney._compiler.fingerprint import NoEncoding, encode

    cosine = jitney.foreign(libm("cos"))
    closed = jitney.make_jaxpr(cosine)(1.0)
    with pytest.raises(NoEncoding):
        encode(closed)
    with pytest.raises(pickle.PicklingError, match="the foreign function 'cos': its address means nothing"):
        pickle.dumps(jitney.jit(cosine).trace(1.0).jaxpr)


def test_64_bit_types_off(c: Any) -> None:
    with jitney.enable_x64(False):
        cosine = jitney.foreign(libm("cos"))
        assert jitney.jit(cosine)(jnp.ones(3)).dtype == np.float32
        many = cosine(jnp.ones(1000))
        assert many.dtype == np.float32 and np.all(many == np.float32(np.cos(1.0)))
        running = jitney.foreign(c.running, signature="(const double* x, int64 n, double* out)")
        assert jitney.jit(running)(jnp.ones(3)).tolist() == [1, 2, 3]
