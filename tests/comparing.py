"""Comparing results: trees of arrays, their dtypes and weak types; derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

import jitney
from jitney import tree

EPSILON = {
    "float64": 1e-12,
    "complex128": 1e-12,
    "float32": 3e-6,
    "complex64": 3e-6,
    "float16": 2e-3,
    "bfloat16": 2e-2,
}


def wide(x: Any) -> np.ndarray:
    """``x`` as a NumPy array that NumPy can compute with."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype == ml_dtypes.bfloat16 else x


def assert_close(got: Any, want: Any, tolerance: float = 1e-12, what: str = "") -> None:
    """Same shape and dtype; integers equal; floats within ``tolerance`` (of their dtype) of the largest element."""
    name = np.asarray(want).dtype.name
    assert np.asarray(got).dtype.name == name, f"{what} dtype {np.asarray(got).dtype}, expected {name}"
    assert np.shape(got) == np.shape(want), f"{what} shape {np.shape(got)}, expected {np.shape(want)}"
    if np.asarray(want).dtype.names:  # float0
        return
    got, want = wide(got), wide(want)
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    allowed = max(tolerance, EPSILON[name])
    finite = np.abs(want[np.isfinite(want)])
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(got, want, rtol=allowed, atol=allowed * min(scale, 1.0), err_msg=what)


def assert_same(got: Any, want: Any, tolerance: float = 1e-12, weak: bool = True, what: str = "") -> None:
    """Trees of arrays of equal structure, values, dtypes and (unless ``weak`` is false) weak types."""
    import jax

    ours, theirs = tree.leaves(got), jax.tree.leaves(want)
    assert len(ours) == len(theirs), f"{what} {len(ours)} leaves, expected {len(theirs)}"
    for g, w in zip(ours, theirs, strict=True):
        assert_close(g, w, tolerance, what)
        if weak and hasattr(g, "weak_type") and hasattr(w, "weak_type") and g.dtype != bool:
            assert g.weak_type == w.weak_type, f"{what} weak_type {g.weak_type}, expected {w.weak_type}"


def direction(like: Any, seed: int = 0) -> Any:
    """A random array of the shape and dtype of ``like``."""
    like = np.asarray(like)
    rng = np.random.default_rng(seed + like.size)
    x = rng.uniform(-1, 1, like.shape)
    if like.dtype.kind == "c":
        x = x + 1j * rng.uniform(-1, 1, like.shape)
    return np.asarray(x, like.dtype)


def pair(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """The real pairing of tangents with cotangents (bilinear: no conjugate)."""
    return float(sum(np.real(np.sum(np.asarray(x) * np.asarray(y))) for x, y in zip(xs, ys, strict=True)))


def differences(
    fun: Callable[..., Sequence[Any]], xs: Sequence[Any], ts: Sequence[Any], step: float = 1e-5
) -> list[Any]:
    """The derivative of ``fun`` at ``xs`` along ``ts`` by differences of fourth order."""
    at = lambda h: [np.asarray(y) for y in fun(*[np.asarray(x + h * t) for x, t in zip(xs, ts, strict=True)])]
    near, far = (at(step), at(-step)), (at(2 * step), at(-2 * step))
    return [(8 * (n1 - n0) - (f1 - f0)) / (12 * step) for n1, n0, f1, f0 in zip(*near, *far, strict=True)]


def check_first(fun: Callable[..., Sequence[Any]], xs: Sequence[Any], tolerance: float = 2e-7) -> None:
    """jvp of ``fun`` (arrays to a list of arrays) against finite differences, and vjp against jvp."""
    ts = [direction(x, 1) for x in xs]
    ys, tangents = jitney.jvp(fun, tuple(xs), tuple(ts))
    wanted = differences(fun, xs, ts, 1e-3)
    for got, want in zip(tangents, wanted, strict=True):
        scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
        np.testing.assert_allclose(wide(got), want, rtol=tolerance, atol=tolerance * scale, err_msg="jvp")
    check_transpose(fun, xs, ts, ys, tangents)


def check_transpose(fun: Any, xs: Any, ts: Any, ys: Any, tangents: Any, tolerance: float = 1e-10) -> None:
    """<ct, J t> = <J^T ct, t>."""
    values, pullback = jitney.vjp(fun, *xs)
    for got, want in zip(values, ys, strict=True):
        assert_close(got, want, what="value of vjp")
    cts = [direction(y, 2) for y in ys]
    pulled = pullback(cts)
    for ct, x in zip(pulled, xs, strict=True):
        assert np.asarray(ct).dtype == np.asarray(x).dtype and np.shape(ct) == np.shape(x), (
            "type of a cotangent"
        )
    np.testing.assert_allclose(
        pair(pulled, ts), pair(cts, tangents), rtol=tolerance, atol=tolerance, err_msg="vjp"
    )


def check_second(fun: Callable[..., Sequence[Any]], xs: Sequence[Any], tolerance: float = 2e-7) -> None:
    """Derivatives of the jvp and of the vjp of ``fun``, in both modes."""
    ts = [direction(x, 3) for x in xs]
    check_first(lambda *xs: jitney.jvp(fun, xs, tuple(ts))[1], xs, tolerance)
    cts = [direction(y, 4) for y in fun(*xs)]
    check_first(lambda *xs: list(jitney.vjp(fun, *xs)[1](cts)), xs, tolerance)


def parity(fun: Callable[[Any], Any] | None = None, *, tolerance: float = 1e-12, weak: bool = True) -> Any:
    """``fun(library)`` as a test: the trees that it returns are alike for jitney and for jax."""
    if fun is None:
        return lambda f: parity(f, tolerance=tolerance, weak=weak)

    def test() -> None:
        import jax

        got, want = fun(jitney), fun(jax)
        assert_same(got, want, tolerance, weak, fun.__name__)

    test.__doc__ = fun.__doc__
    test.__name__ = fun.__name__
    return test


def raised(fun: Callable[[Any], Any], library: Any) -> BaseException | None:
    try:
        fun(library)
    except Exception as error:
        return error
    return None


def assert_raises_alike(fun: Callable[[Any], Any], *words: str) -> None:
    """``fun(library)`` raises the same builtin class (or class of the same name) in both; ours says ``words``.

    Python's ways are off, under which more is accepted, such as lists.
    """
    import jax

    with jitney.config.temporarily("jitney_python_control_flow", False):
        got, want = raised(fun, jitney), raised(fun, jax)
    assert want is not None, "jax does not raise"
    assert got is not None, f"jitney does not raise; jax: {type(want).__name__}: {want}"
    builtin = next(c for c in type(want).__mro__ if c.__module__ == "builtins")
    same_name = any(c.__name__ == type(want).__name__ for c in type(got).__mro__)
    assert same_name or isinstance(got, builtin), (
        f"{type(got).__name__}: {got}\njax: {type(want).__name__}: {want}"
    )
    for word in words:
        assert word in str(got), f"{word!r} is not in: {got}"
