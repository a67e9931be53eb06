"""Convolutions in every layout and geometry against JAX: values, derivatives, batches, programs, misuse."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_raises_alike, assert_same, check_first

RNG = np.random.default_rng(0)


def _case(x: tuple, w: tuple, strides: tuple, padding: Any, dtype: str = "f8", **params: Any) -> Any:
    draw = lambda shape: np.asarray(RNG.normal(size=shape) * 4).astype(dtype)  # noqa: E731
    if dtype[0] == "c":
        draw = lambda shape: (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)  # noqa: E731
    return draw(x), draw(w), (strides, padding), params


NHWC = ("NHWC", "HWIO", "NHWC")
CASES = {
    "plain": _case((2, 3, 7, 6), (4, 3, 3, 2), (1, 1), "SAME"),
    "one output": _case((2, 3, 7, 20), (1, 3, 3, 4), (2, 1), "VALID"),
    "strided rows": _case((1, 2, 9, 40), (2, 2, 3, 3), (1, 2), "SAME"),
    "channels last": _case((2, 7, 6, 3), (3, 2, 3, 5), (1, 2), "SAME_LOWER", dimension_numbers=NHWC),
    "mixed layout": _case(
        (3, 7, 2, 6), (2, 4, 3, 3), (1, 1), "SAME", dimension_numbers=("CHNW", "WOIH", "HNWC")
    ),
    "dilated": _case(
        (2, 3, 5, 6), (4, 3, 3, 2), (2, 3), ((2, 1), (-1, 4)), lhs_dilation=(3, 2), rhs_dilation=(2, 3)
    ),
    "dilated rows": _case((1, 1, 30), (2, 1, 4), (3,), ((5, 2),), lhs_dilation=(2,), rhs_dilation=(5,)),
    "features in groups": _case((2, 6, 5, 5), (8, 3, 2, 2), (1, 1), "SAME", feature_group_count=2),
    "depthwise": _case((2, 4, 6, 20), (8, 1, 3, 3), (1, 1), "SAME", feature_group_count=4),
    "images in groups": _case((4, 3, 5, 5), (6, 3, 2, 2), (2, 1), "SAME", batch_group_count=2),
    "one by one": _case((2, 9, 8, 10), (5, 9, 1, 1), (1, 1), "VALID"),
    "one by one, last": _case((2, 8, 10, 9), (1, 1, 9, 5), (1, 1), "VALID", dimension_numbers=NHWC),
    "long sums": _case((3, 8, 40, 40), (5, 8, 38, 38), (1, 1), "VALID"),
    "one axis": _case((2, 3, 100), (4, 3, 5), (1,), "SAME"),
    "three axes": _case((2, 2, 4, 5, 6), (4, 2, 2, 3, 2), (1, 2, 1), "SAME"),
    "no axes": _case((3, 4), (5, 4), (), "VALID"),
    "nothing left": _case((2, 3, 2, 2), (4, 3, 3, 3), (1, 1), "VALID"),
    "no features": _case((2, 0, 4, 4), (4, 0, 3, 3), (1, 1), "SAME"),
    "integers": _case((2, 3, 5, 5), (4, 3, 2, 2), (1, 1), "SAME", "i4"),
    "wider": _case((2, 3, 5, 5), (4, 3, 2, 2), (1, 1), "SAME", "f4", preferred_element_type=np.float64),
    "complex": _case((2, 3, 5, 5), (4, 3, 2, 2), (1, 2), "SAME", "c16"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_like_jax(case: Any) -> None:
    x, w, args, params = case
    mine, theirs = (
        (lambda x, w, L=L: L.lax.conv_general_dilated(x, w, *args, **params)) for L in (jitney, jax)
    )
    want = theirs(x, w)
    tolerance = 1e-11 if x.dtype.itemsize == 8 else 1e-5
    assert_same(jitney.jit(mine)(x, w), want, tolerance, weak=False)
    assert_same(jitney.vmap(mine)(x[None], w[None])[0], want, tolerance, weak=False)
    if x.dtype.kind == "i":
        return
    ct = np.asarray(RNG.normal(size=want.shape)).astype(want.dtype)
    pull = jitney.jit(lambda x, w, ct: jitney.vjp(mine, x, w)[1](ct))
    if params.get("preferred_element_type") is None:
        assert_same(pull(x, w, ct), jax.vjp(theirs, x, w)[1](ct), tolerance * 10, weak=False)


@pytest.mark.parametrize("name", ["plain", "features in groups", "images in groups", "mixed layout"])
def test_batches(name: str) -> None:
    x, w, args, params = CASES[name]
    fun = lambda x, w: jitney.lax.conv_general_dilated(x, w, *args, **params)  # noqa: E731
    xs, ws = np.stack([x, 2 * x, x[::-1]], 1), np.stack([w, w[::-1], 3 * w], -1)
    for axes in ((1, None), (None, -1), (1, -1)):
        got = jitney.vmap(fun, in_axes=axes)(xs if axes[0] else x, ws if axes[1] else w)
        for k in range(3):
            want = fun(xs[:, k] if axes[0] else x, ws[..., k] if axes[1] else w)
            assert_same(got[k], want, 1e-11)


def test_numpy_meaning() -> None:
    prim = jitney.lax.conv_general_dilated_p
    for name, (x, w, args, params) in CASES.items():
        fun = lambda x, w, a=args, p=params: jitney.lax.conv_general_dilated(x, w, *a, **p)  # noqa: E731
        (eqn,) = [e for e in jitney.make_jaxpr(fun)(x, w).jaxpr.eqns if e.primitive is prim]
        assert_same(
            prim.numpy(x, w, **eqn.params),
            fun(x, w),
            1e-5 if x.dtype.itemsize < 8 else 1e-11,
            weak=False,
            what=name,
        )


def test_programs() -> None:
    x, w, args, params = CASES["features in groups"]
    texts = []
    for L in (jitney, jax):
        fun = lambda x, w, L=L: L.lax.conv_general_dilated(x, w, *args, **params)  # noqa: E731
        texts.append(str(L.make_jaxpr(fun)(x, w)))
    assert texts[0] == texts[1]


def test_second_derivatives() -> None:
    x, w, args, params = CASES["dilated"]
    fun = lambda x, w: [jitney.lax.conv_general_dilated(x, w, *args, **params) ** 2]  # noqa: E731
    slope = lambda x, w: list(jitney.grad(lambda x, w: jitney.numpy.sum(fun(x, w)[0]), (0, 1))(x, w))  # noqa: E731
    check_first(slope, (x, w), 1e-6)


RELATIVES = {
    "conv": lambda L, x, w: L.lax.conv(x, w, (1, 2), "SAME"),
    "general padding": lambda L, x, w: L.lax.conv_with_general_padding(
        x, w, (1, 1), [(1, 2), (0, 1)], (2, 1), (1, 2)
    ),
    "transpose": lambda L, x, w: L.lax.conv_transpose(x, w, (2, 3), "SAME"),
    "transpose valid": lambda L, x, w: L.lax.conv_transpose(x, w, (3, 1), "VALID", rhs_dilation=(1, 2)),
    "transposed kernel": lambda L, x, w: L.lax.conv_transpose(x, w, (2, 2), "VALID", transpose_kernel=True),
    "consistent": lambda L, x, w: L.lax.conv_transpose(
        x, w, (2, 2), [(0, 1), (1, 1)], use_consistent_padding=True
    ),
    "patches": lambda L, x, w: L.lax.conv_general_dilated_patches(x, (2, 3), (1, 2), "SAME"),
    "patches, last": lambda L, x, w: L.lax.conv_general_dilated_patches(
        x, (2, 3), (1, 2), "SAME", dimension_numbers=NHWC
    ),
    "local": lambda L, x, w: L.lax.conv_general_dilated_local(
        x, L.numpy.resize(w, (2, 16, 3, 3)), (1, 1), "VALID", (2, 2)
    ),
}


@pytest.mark.parametrize("case", RELATIVES.values(), ids=RELATIVES)
def test_relatives(case: Any) -> None:
    x, w = RNG.normal(size=(2, 4, 4, 4)), RNG.normal(size=(4, 4, 4, 4))
    assert_same(jitney.jit(lambda x, w: case(jitney, x, w))(x, w), case(jax, x, w), 1e-11)


def _conv(shape: tuple, kernel: tuple, *args: Any, **params: Any) -> Any:
    return lambda L: L.lax.conv_general_dilated(np.ones(shape), np.ones(kernel), *args, **params)


X, W = (2, 3, 8, 8), (4, 3, 3, 3)
WRONG = {
    "features": _conv(X, (4, 2, 3, 3), (1, 1), "SAME"),
    "strides": _conv(X, W, (1,), "SAME"),
    "rank": _conv(X, (4, 3, 3), (1, 1), "SAME"),
    "padding": _conv(X, W, (1, 1), "OTHER"),
    "pads": _conv(X, W, (1, 1), [(0, 0)]),
    "letters": _conv(X, W, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHX")),
    "repeated letters": _conv(X, W, (1, 1), "SAME", dimension_numbers=("NCHH", "OIHH", "NCHH")),
    "no features named": _conv(X, W, (1, 1), "SAME", dimension_numbers=("NXHW", "OIHW", "NCHW")),
    "two strings": _conv(X, W, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW")),
    "one string": _conv(X, W, (1, 1), "SAME", dimension_numbers="NCHW"),
    "feature groups": _conv(X, W, (1, 1), "SAME", feature_group_count=2),
    "batch groups": _conv(X, W, (1, 1), "SAME", batch_group_count=3),
    "no groups": _conv(X, W, (1, 1), "SAME", feature_group_count=0),
    "spread": _conv(X, W, (1, 1), "SAME", lhs_dilation=(2, 2)),
    "dtypes": lambda L: L.lax.conv(np.ones(X), np.ones(W, "f4"), (1, 1), "SAME"),
    "transpose": lambda L: L.lax.conv_transpose(np.ones(X), np.ones(W), (1, 1), "OTHER"),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_misuse(call: Any) -> None:
    assert_raises_alike(call)


def test_shapes_and_axes() -> None:
    for L in (jitney, jax):
        shape = L.lax.conv_general_shape_tuple(X, W, (1, 2), "SAME", ("NCHW", "OIHW", "NHWC"))
        assert tuple(map(int, shape)) == (2, 8, 4, 4)
        assert tuple(map(int, L.lax.conv_shape_tuple(X, W, (1, 1), ((0, 0), (1, 1))))) == (2, 4, 6, 8)
        shape = L.lax.conv_transpose_shape_tuple(X, W, (2, 2), "SAME", ("NCHW", "OIHW", "NCHW"))
        assert tuple(map(int, shape)) == (2, 4, 16, 16)
        dims = L.lax.conv_dimension_numbers(X, W, ("NWHC", "HWIO", "CHWN"))
        assert tuple(dims) == ((0, 3, 2, 1), (3, 2, 0, 1), (3, 0, 1, 2))


# -- by any engine: the formula itself


def _by_definition(x: Any, w: Any, pads: Any, gap: Any) -> np.ndarray:
    """Sums over the window, place by place, in double precision."""
    x, w = x.astype(float), w.astype(float)
    x = np.pad(x, [(0, 0), (0, 0), *[(max(lo, 0), max(hi, 0)) for lo, hi in pads]])
    for d, (lo, hi) in enumerate(pads, 2):
        x = np.take(x, range(max(-lo, 0), x.shape[d] - max(-hi, 0)), axis=d)
    out = [n - (k - 1) * g for n, k, g in zip(x.shape[2:], w.shape[2:], gap, strict=True)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for t in np.ndindex(*w.shape[2:]):
        part = x[(..., *[slice(k * g, k * g + n) for k, g, n in zip(t, gap, out, strict=True)])]
        y += np.einsum("nc...,oc->no...", part, w[(..., *t)])
    return y


@pytest.mark.parametrize("seed", range(16))
def test_engines_and_threads(seed: int) -> None:
    """Few places and long windows, dilated or not; short rows; both types: to the last bit the same on any threads."""
    r = np.random.default_rng(seed)
    rank, dtype = int(r.integers(1, 4)), r.choice([np.float32, np.float64])
    few = bool(seed % 2)
    places = [int(r.integers(1, 5) if few else r.integers(6, 20)) for _ in range(rank)]
    window = [
        int(r.integers(2, {1: 300, 2: 24, 3: 9}[rank]) if few else r.integers(1, 4)) for _ in range(rank)
    ]
    gap = [int(r.integers(1, 4)) for _ in range(rank)]
    pads = [(int(r.integers(-1, 3)), int(r.integers(-1, 3))) for _ in range(rank)]
    size = [
        max(1, n + (k - 1) * g - lo - hi) for n, k, g, (lo, hi) in zip(places, window, gap, pads, strict=True)
    ]
    pads = [
        (lo, n + (k - 1) * g - lo - s)
        for n, k, g, (lo, _), s in zip(places, window, gap, pads, size, strict=True)
    ]
    x = r.normal(size=(int(r.integers(1, 6)), int(r.integers(1, 9)), *size)).astype(dtype)
    w = r.normal(size=(int(r.integers(1, 10)), x.shape[1], *window)).astype(dtype)
    conv = jitney.jit(lambda x, w: jitney.lax.conv_general_dilated(x, w, (1,) * rank, pads, rhs_dilation=gap))
    got = np.asarray(conv(x, w))
    scale = np.sqrt(w[0].size) * np.finfo(dtype).eps
    np.testing.assert_allclose(got, _by_definition(x, w, pads, gap), rtol=0, atol=30 * scale)
    with jitney.threads(1):
        np.testing.assert_array_equal(conv(x, w), got)


def test_long_windows_of_what_is_not_finite() -> None:
    """What is not finite spoils the results whose windows meet it, and no others."""
    x, w = RNG.normal(size=(3, 4, 20, 20)), RNG.normal(size=(5, 4, 18, 18))
    x[1, 2, 0, 0], x[2, 0, 19, 19] = np.inf, np.nan
    got = np.asarray(jitney.jit(lambda x, w: jitney.lax.conv(x, w, (1, 1), "VALID"))(x, w))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(got, _by_definition(x, w, [(0, 0)] * 2, (1, 1)), rtol=1e-9, atol=1e-9)
    assert np.isfinite(got).sum() == got.size - 2 * 5
