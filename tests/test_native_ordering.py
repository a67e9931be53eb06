"""Sorting, selecting, searching, scattering and accumulating in compiled programs, beside NumPy: hard data, long rows."""

from __future__ import annotations

import numpy as np
import pytest

import jitney
from jitney import lax
from jitney import numpy as jnp

RNG = np.random.default_rng(0)


def keys(dtype: str, n: int, kind: str) -> np.ndarray:
    """Keys that are hard for a sort by bits."""
    if np.dtype(dtype).kind == "f":
        x = RNG.standard_normal(n)
        if kind == "special":
            x = np.where(RNG.random(n) < 0.4, RNG.choice([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0], n), x)
        elif kind == "outlier":  # all but one agree in their upper bits
            x = 1 + RNG.integers(0, 50, n) * 2.0**-20
            x[0] = -6e4
        elif kind == "equal":
            x = np.full(n, 2.5)
        return x.astype(dtype)
    info = np.iinfo(dtype)
    x = RNG.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    if kind == "special":
        return (x % 5).astype(dtype)
    if kind == "outlier":
        x = (x % 100).astype(dtype)
        x[-1] = info.min
    return np.full(n, 7, dtype) if kind == "equal" else x


def assert_same_bits(got: object, want: np.ndarray) -> None:
    got = np.asarray(got)
    assert got.dtype == want.dtype
    assert got.tobytes() == want.tobytes()


KINDS = ("random", "special", "outlier", "equal")
SIZES = (1, 2, 24, 25, 191, 192, 3000, 70_001)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u4", "i1"])
def test_sorts_are_stable_sorts(dtype: str) -> None:
    sort, order = jitney.jit(jnp.sort), jitney.jit(lambda x, y: lax.sort((x, y)))
    for n in SIZES:
        payload = RNG.integers(0, 1000, n)
        for kind in KINDS:
            x = keys(dtype, n, kind)
            places = np.argsort(x, kind="stable")
            assert_same_bits(sort(x), x[places])
            moved, along = order(x, payload)
            assert_same_bits(moved, x[places])
            assert_same_bits(along, payload[places])


@pytest.mark.parametrize("shape, axis", [((70_000, 3), 0), ((2, 70_000), 1), ((30, 40, 5), 1)])
def test_several_keys_along_any_axis(shape: tuple[int, ...], axis: int) -> None:
    first, second = RNG.integers(0, 4, shape), RNG.standard_normal(shape).round(1)
    payload = np.arange(first.size, dtype=np.int32).reshape(shape)
    got = jitney.jit(lambda *xs: lax.sort(xs, dimension=axis, num_keys=2))(first, second, payload)
    moved = [np.moveaxis(x, axis, -1) for x in (second, first)]
    places = np.moveaxis(np.lexsort(moved, axis=-1), -1, axis)
    for g, x in zip(got, (first, second, payload), strict=True):
        np.testing.assert_array_equal(g, np.take_along_axis(x, places, axis))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_number_of_threads_does_not_show(threads: int) -> None:
    x = keys("f8", 300_001, "special")
    places = RNG.integers(0, 90, x.size)
    before = jitney._ext.get_num_threads()
    jitney._ext.set_num_threads(threads)
    try:
        assert_same_bits(jnp.argsort(x), np.argsort(x, kind="stable"))
        assert_same_bits(jnp.sort(x), x[np.argsort(x, kind="stable")])
        sums = np.asarray(
            jitney.jit(lambda i, x: jnp.zeros(90).at[i].add(x))(places, np.nan_to_num(x, posinf=1, neginf=2))
        )
    finally:
        jitney._ext.set_num_threads(before)
    again = jitney.jit(lambda i, x: jnp.zeros(90).at[i].add(x))(places, np.nan_to_num(x, posinf=1, neginf=2))
    assert_same_bits(again, sums)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1"])
def test_top_k(dtype: str) -> None:
    for n, k in ((1, 1), (10, 10), (500, 3), (5000, 700)):
        for x in (keys(dtype, n, "special"), np.arange(n).astype(dtype)):
            values, places = jitney.jit(lambda x, k=k: lax.top_k(x, k))(x)
            bits = x.view(f"i{x.dtype.itemsize}") if dtype[0] == "f" else x.astype(np.int64)
            total = np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits) if dtype[0] == "f" else bits
            want = np.argsort(-total.astype(object), kind="stable")[:k]
            np.testing.assert_array_equal(places, want)
            assert_same_bits(values, x[want])


@pytest.mark.parametrize("n", [1, 300, 32_768, 100_001])
def test_quantiles_select(n: int) -> None:
    q = [0.0, 12.5, 50.0, 99.0, 100.0]
    for kind in ("random", "outlier", "equal"):
        x = keys("f8", n, kind)
        np.testing.assert_allclose(
            jitney.jit(lambda x: jnp.percentile(x, np.array(q)))(x), np.percentile(x, q), rtol=1e-12
        )
    x = np.stack([x, x[::-1]])
    np.testing.assert_array_equal(jitney.jit(lambda x: jnp.median(x, axis=1))(x), np.median(x, axis=1))
    x[0, n // 2] = np.nan
    assert np.isnan(jnp.median(x, axis=1)).tolist() == [True, False]


def test_the_tangent_of_a_median_is_that_of_its_elements() -> None:
    x = RNG.standard_normal((3, 6))
    gradient = jitney.jit(jitney.grad(lambda x: jnp.median(x, axis=1).sum()))(x)
    middle = np.argsort(x, axis=1)[:, 2:4]
    want = np.zeros_like(x)
    np.put_along_axis(want, middle, 0.5, 1)
    np.testing.assert_array_equal(gradient, want)


@pytest.mark.parametrize("side", ["left", "right"])
def test_binary_search(side: str) -> None:
    search = jitney.jit(lambda a, v: jnp.searchsorted(a, v, side=side))
    for n in (0, 1, 2, 7, 1000):
        a = np.sort(keys("f8", n, "special"))
        v = np.concatenate([keys("f8", 300, "special"), a])
        np.testing.assert_array_equal(search(a, v), np.searchsorted(a, v, side))
    rows, values = np.sort(RNG.integers(0, 9, (3, 20)), axis=1), RNG.integers(-1, 10, (3, 4, 5))
    got = jitney.jit(jitney.vmap(lambda a, v: jnp.searchsorted(a, v, side=side)))(rows, values)
    for g, a, v in zip(got, rows, values, strict=True):
        np.testing.assert_array_equal(g, np.searchsorted(a, v, side))


@pytest.mark.parametrize("n", [1, 63, 64, 200_000])
def test_places_of_true_elements(n: int) -> None:
    for share in (0.0, 0.03, 1.0):
        mask = RNG.random(n) < share
        for size in {1, n // 2 + 1, n + 3}:
            (got,) = jitney.jit(lambda m, size=size: jnp.nonzero(m, size=size, fill_value=-1))(mask)
            want = np.full(size, -1)
            found = np.flatnonzero(mask)[:size]
            want[: len(found)] = found
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["f8", "i4", "u1"])
@pytest.mark.parametrize(
    "operation, ufunc",
    [
        ("add", np.add),
        ("subtract", np.subtract),
        ("multiply", np.multiply),
        ("min", np.minimum),
        ("max", np.maximum),
    ],
)
def test_many_updates_of_few_places(dtype: str, operation: str, ufunc: np.ufunc) -> None:
    n, size = 20_011, 37
    places = RNG.integers(-size - 2, size + 2, n)
    x = RNG.integers(0, 50, size).astype(dtype)
    updates = RNG.integers(0, 3, n).astype(dtype) if operation != "multiply" else np.ones(n, dtype)
    want = x.copy()
    inside = (places >= -size) & (places < size)
    ufunc.at(want, places[inside], updates[inside])
    got = jitney.jit(lambda x, i, u: getattr(x.at[i], operation)(u))(x, places, updates)
    np.testing.assert_array_equal(got, want)


def test_places_without_updates_keep_their_sign() -> None:
    out = jitney.jit(lambda x, i: x.at[i].add(0.0))(np.array([-0.0, -0.0]), np.ones(20_000, int))
    assert np.signbit(out).tolist() == [True, False]


@pytest.mark.parametrize(
    "special", [[np.inf, np.inf, 1.0], [-np.inf, -np.inf, -800.0, 3.0], [1e300, -1e300, np.nan, 0.0]]
)
def test_running_logsumexp_of_infinities(special: list[float]) -> None:
    x = np.array(special)
    with np.errstate(invalid="ignore"):
        want = np.logaddexp.accumulate(x)
    np.testing.assert_allclose(jitney.jit(lax.cumlogsumexp)(x), want, rtol=1e-15)


def test_running_logsumexp_over_blocks() -> None:
    x = RNG.standard_normal((2, 1000)) * 200
    got = jitney.jit(lambda x: lax.cumlogsumexp(x, 1, reverse=True))(x)
    np.testing.assert_allclose(got, np.logaddexp.accumulate(x[:, ::-1], axis=1)[:, ::-1], rtol=1e-13)


@pytest.mark.parametrize("shape", [(4, 300), (7, 300), (1, 5), (9, 1)])
def test_running_sums_of_rows_side_by_side(shape: tuple[int, int]) -> None:
    x = RNG.standard_normal(shape)
    np.testing.assert_array_equal(jitney.jit(lambda x: jnp.cumsum(x, axis=1))(x), np.cumsum(x, axis=1))
