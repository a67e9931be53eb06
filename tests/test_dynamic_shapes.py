"""One program for all lengths of an axis: values against programs of each length, whatever stands behind the end."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._base.config import config
from jitney._core import plugs, tree
from jitney._core.jaxpr import evaluate
from jitney._lengths.fitting import Fit, Refusal
from jitney._lengths.outlines import observe
from jitney._lengths.rewriting import generalise, outline_at

_random = np.random.default_rng(5)


def _vectors(*lengths: int) -> list[tuple]:
    return [(jnp.asarray(_random.normal(size=n)),) for n in lengths]


X = _vectors(10, 16, 22)
ROWS = [(jnp.asarray(_random.normal(size=(n, 3))),) for n in (10, 17, 13)]
PAIRS = [(*_vectors(n)[0], *_vectors(n)[0]) for n in (10, 16, 22)]
APART = [(*_vectors(n)[0], *_vectors(m)[0]) for n, m in ((10, 5), (13, 9), (22, 6))]
FIT = [(jnp.asarray([0.1, 0.2]), *pair) for pair in PAIRS]


def chi2(p: Any, x: Any, y: Any) -> Any:
    return jnp.sum(((y - p[0] - p[1] * jnp.sin(x)) / 0.3) ** 2)


def _updated(x: Any) -> Any:
    return x.at[-1].set(3.0), x.at[0].add(1), x.at[:-1].set(x[1:]), x.at[-3:].add(1.0), x.at[1:].multiply(2.0)


def _with_nan(x: Any) -> Any:
    y = jnp.where(x > 0.5, jnp.nan, x)
    return jnp.sort(y), jnp.argsort(y), jnp.argmax(y), jnp.nanmean(y), jnp.nanmedian(y), jnp.max(y)


PROGRAMS: dict[str, tuple[Callable[..., Any], list[tuple]]] = {
    "mean and std": (lambda x: (jnp.mean(x), jnp.std(x, ddof=1)), X),
    "normalised": (lambda x: (x - x.mean()) / x.std(), X),
    "gradient of chi2": (jitney.value_and_grad(chi2), FIT),
    "hessian": (jitney.hessian(chi2), FIT),
    "normal equations": (lambda a: jnp.linalg.solve(a.T @ a, a.T @ a[:, 0]), ROWS),
    "cumulative": (lambda x: (jnp.cumsum(x), lax.cumsum(x, reverse=True), lax.cummax(x, reverse=True)), X),
    "sorted": (lambda x: (jnp.sort(x), jnp.argsort(x), jnp.sort(x)[::-1]), X),
    "sorted by columns": (lambda x: jnp.lexsort((x[:, 0], jnp.round(x[:, 1]))), ROWS),
    "median": (lambda x: (jnp.median(x), jnp.quantile(x, jnp.asarray([0.1, 0.5]))), X),
    "gradient of median": (jitney.grad(jnp.median), X),
    "NaN": (_with_nan, X),
    "interp": (lambda x, y: jnp.interp(jnp.linspace(-1, 1, 7), jnp.sort(x), y), PAIRS),
    "interp of others": (lambda x, y: jnp.interp(y, jnp.sort(x), x), APART),
    "scan": (lambda x: lax.scan(lambda c, v: (jnp.sin(c) + v, c), 0.0, x), X),
    "scan backwards": (lambda x: lax.scan(lambda c, v: (c * 0.9 + v, c), 0.0, x, reverse=True), X),
    "gradient of scan": (jitney.grad(lambda x: lax.scan(lambda c, v: (jnp.sin(c) + v, c), 0.0, x)[0]), X),
    "map": (lambda x: lax.map(lambda v: v.sum(), x), ROWS),
    "fori_loop": (lambda x: lax.fori_loop(0, x.shape[0], lambda i, s: s + x[i] * i, 0.0), X),
    "while": (lambda x: lax.while_loop(lambda s: s.sum() < 100, lambda s: s + jnp.abs(x), x), X),
    "batched while": (jitney.vmap(lambda v: lax.while_loop(lambda s: s < 5, lambda s: s + v**2 + 0.1, v)), X),
    "cond": (lambda x: lax.cond(x.sum() > 0, lambda v: v.sum(), lambda v: v.mean(), x), X),
    "histogram": (lambda x: (jnp.histogram(x, bins=5), jnp.bincount(jnp.abs(x * 3).astype(int), length=9)), X),
    "segments": (lambda x: jitney.ops.segment_sum(x, jnp.abs(x * 2).astype(int), 4), X),
    "distances": (lambda x: jnp.sum(jnp.sqrt((x[:, None] - x[None]) ** 2 + 1)), X),
    "triangle": (lambda x: jnp.tril(jnp.outer(x, x), -1), X),
    "vmap": (jitney.vmap(lambda v: jnp.sum(v**2) / v[0]), ROWS),
    "gram": (lambda x: jitney.vmap(lambda a: jitney.vmap(lambda b: jnp.dot(a, b))(x))(x), ROWS),
    "cov": (lambda x: jnp.cov(x, rowvar=False), ROWS),
    "where": (lambda x: jnp.where(x > 0, x, 0).sum() / jnp.sum(x > 0), X),
    "extremes": (lambda x: (jnp.argmax(x), jnp.argmin(x), x.max(), jnp.prod(x), jnp.any(x > 1), jnp.ptp(x)), X),
    "concatenate": (lambda x, y: (jnp.concatenate([x, y]), jnp.concatenate([y, jnp.ones(3), x])), APART),
    "roll and diff": (lambda x: (jnp.roll(x, 1) + jnp.roll(x, -2), jnp.diff(x)), X),
    "gradient of diff": (jitney.grad(lambda x: jnp.sum(jnp.diff(x) ** 2) + x[-5:].sum()), X),
    "slices": (lambda x: (x[::2], x[1::2], x[::-3], x[x.shape[0] // 2 :], x[-2], x[3]), X),
    "places": (lambda x: (x[jnp.abs(x * 3).astype(int)], jnp.take(x, 99), lax.dynamic_slice(x, (12,), (4,))), X),
    "updates": (_updated, X),
    "updates by slices": (lambda x: lax.dynamic_update_slice(x, x[2:], (jnp.argmax(x),)), X),
    "pad": (lambda x: (jnp.pad(x, 2), jnp.pad(x, (3, 0), mode="edge"), jnp.pad(x, 2, mode="reflect")), X),
    "shapes": (lambda x: (x.T.ravel(), x.reshape(-1)), ROWS),
    "halves": (lambda x: (x.reshape(-1, 2).sum(1), x.reshape(2, -1).sum(1), jnp.split(x, 2)), X),
    "outer": (lambda x, y: jnp.outer(x, y).ravel(), APART),
    "repeated": (lambda x: (jnp.tile(x, 3), jnp.repeat(x, 2)), X),
    "softmax": (lambda x: (jitney.nn.softmax(x), jitney.scipy.special.logsumexp(x)), X),
    "constants": (lambda x: (np.hanning(len(x)) * x, jnp.linspace(0, 1, x.shape[0]) * x), X),
    "random": (lambda x: x + jitney.random.normal(jitney.random.key(0), x.shape), X),
    "small matrices": (lambda x: jnp.linalg.cholesky(jnp.eye(3) + x[:, :, None] * x[:, None, :]), ROWS),
    "top_k": (lambda x: lax.top_k(x, 3), X),
}  # fmt: skip


def _fit(function: Callable[..., Any], calls: list[tuple]) -> tuple[Any, list[Any], Any]:
    programs = [jitney.make_jaxpr(function)(*args) for args in calls]
    samples = [observe(p) for p in programs]
    return Fit(samples), samples, programs[-1]


def _padded(x: Any, dims: tuple, garbage: float) -> np.ndarray:
    x = np.asarray(x)
    fill = garbage if x.dtype.kind == "f" else 7
    out = np.full(tuple(map(int, dims)), fill, x.dtype)
    out[tuple(slice(0, n) for n in x.shape)] = x
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_do_not_depend_on_what_is_behind(name: str) -> None:
    function, calls = PROGRAMS[name]
    fit, samples, closed = _fit(function, calls)
    general = generalise(fit, outline_at(closed, fit, [64 for _ in fit.inputs]))
    program = general.closed
    run = jitney.jit(lambda *xs: evaluate(program.jaxpr, program.consts, *xs), dynamic_shapes=False)
    for args, sample in zip(calls, samples, strict=True):
        wanted = [np.asarray(y) for y in tree.leaves(function(*args))]
        scalars = fit.scalars(sample)
        assert scalars is not None
        first = None
        for garbage in (0.0, np.nan, np.inf, -1e300):
            moving = [c for c, moves in zip(sample.consts, fit.consts, strict=True) if moves]
            consts = [_padded(c, d, garbage) for c, d in zip(moving, general.const_dims, strict=True)]
            leaves = [_padded(x, d, garbage) for x, d in zip(tree.leaves(args), general.in_dims, strict=True)]
            rest = general.closed.in_avals[len(consts) + len(leaves) :]
            values = [np.asarray(v, a.dtype) for v, a in zip(scalars, rest, strict=True)]
            outs = run(*consts, *leaves, *values)
            got = [
                np.asarray(y)[tuple(slice(0, n) for n in w.shape)] for y, w in zip(outs, wanted, strict=True)
            ]
            for y, w in zip(got, wanted, strict=True):
                np.testing.assert_allclose(y, w, rtol=1e-9, atol=1e-11)
            first = first or got
            for y, z in zip(got, first, strict=True):
                np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: jnp.convolve(x, jnp.ones(3)), "conv_general_dilated"),
        (lambda x: jnp.fft.fft(x).real, "fft"),
        (lambda x: jnp.linalg.inv(jnp.outer(x, x) + jnp.eye(len(x))), "lu"),
    ],
)
def test_operations_that_need_the_length(function: Callable[..., Any], operation: str) -> None:
    fit, _, closed = _fit(function, X)
    with pytest.raises(Refusal) as caught:
        generalise(fit, outline_at(closed, fit, [64]))
    assert caught.value.eqn.primitive.name == operation


# -- jit ------------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The programs that are compiled."""
    found: list[Any] = []
    real = plugs.compile_jaxpr

    def compile_jaxpr(closed: Any) -> Any:
        found.append(closed)
        return real(closed)

    jitney.clear_caches()
    monkeypatch.setattr(plugs, "compile_jaxpr", compile_jaxpr)
    return found


LENGTHS = _random.permutation(np.arange(3, 503)).tolist()


def test_500_lengths_are_three_compilations(compiled: list[Any]) -> None:
    f = jitney.jit(lambda x: (jnp.mean(x), x / jnp.std(x)))
    for n in LENGTHS:
        x = _random.normal(size=n)
        mean, scaled = f(x)
        assert scaled.shape == (n,)
        np.testing.assert_allclose(mean, x.mean(), atol=1e-14)
        np.testing.assert_allclose(scaled, x / x.std(), rtol=1e-12)
    assert len(compiled) == 3


@pytest.mark.parametrize("asked", [True, {"x": 0, "y": 0}, {1: 0, 2: (-1,)}])
def test_asked_for_it_is_one(compiled: list[Any], asked: Any) -> None:
    f = jitney.jit(jitney.grad(chi2), dynamic_shapes=asked)
    for n in LENGTHS[:20]:
        x, y = _random.normal(size=(2, n))
        np.testing.assert_allclose(f(jnp.ones(2), x, y), jitney.grad(chi2)(jnp.ones(2), x, y), rtol=1e-9)
    assert len(compiled) == 1


def test_outside_transformations(compiled: list[Any]) -> None:
    inner = jitney.jit(chi2)
    for n in LENGTHS[:8]:
        x, y = _random.normal(size=(2, n))
        np.testing.assert_allclose(
            jitney.grad(inner)(jnp.ones(2), x, y), jitney.grad(chi2)(jnp.ones(2), x, y), rtol=1e-9
        )
    assert len(compiled) == 6  # three of each part, the known and the linear


def test_few_lengths_are_compiled_by_themselves(compiled: list[Any]) -> None:
    f = jitney.jit(lambda x: jnp.cumsum(x) * 2)
    for n in (5, 9, 5, 9, 5):
        np.testing.assert_array_equal(f(np.arange(n)), np.cumsum(np.arange(n)) * 2)
    assert len(compiled) == 2
    assert f._cache_size() == 2


def test_off(compiled: list[Any]) -> None:
    f = jitney.jit(lambda x: x * 3, dynamic_shapes=False)
    g = jitney.jit(lambda x: x * 4)
    with config.temporarily("jitney_dynamic_shapes", "off"):
        for n in range(3, 8):
            f(np.ones(n)), g(np.ones(n))
    assert len(compiled) == 10
    with pytest.raises(ValueError, match="must be one of 'auto', 'off'"):
        config.update("jitney_dynamic_shapes", True)


def test_python_that_looks_at_the_length(compiled: list[Any]) -> None:
    """A branch on the length that three lengths do not show: every length is traced, so its own program counts."""

    def f(x: Any) -> Any:
        return x.sum() if x.shape[0] != 8 else x.sum() * 0.0 - 5.0

    g = jitney.jit(f)
    for n in (3, 4, 5, 6, 7, 8, 9, 300, 2000):
        assert g(np.ones(n)) == (-5.0 if n == 8 else n)


def test_unrolled_loops_stay_as_they_are(compiled: list[Any]) -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for k in range(len(x)):
            total = total + x[k] * k
        return total

    g = jitney.jit(f)
    for n in range(3, 8):
        assert g(np.ones(n)) == sum(range(n))
    assert len(compiled) == 5


def test_numbers_that_follow_no_rule(compiled: list[Any]) -> None:
    """Scalar constants may depend on the length in any way; sizes as far as a formula is found."""
    f = jitney.jit(lambda x: x.sum() * np.sqrt(x.shape[0]) + len(str(x.shape[0])))
    for n in (8, 9, 20, 30, 101, 1000):
        np.testing.assert_allclose(f(np.ones(n)), n * np.sqrt(n) + len(str(n)), rtol=1e-14)
    assert len(compiled) == 3


def test_lengths_that_part(compiled: list[Any]) -> None:
    """Two axes that were equal in the first calls may differ later."""
    f = jitney.jit(lambda x, y: x.sum() * jnp.mean(y))
    for n, m in ((3, 3), (4, 4), (5, 5), (6, 9), (7, 2), (8, 30)):
        np.testing.assert_allclose(f(np.ones(n), np.arange(m)), n * (m - 1) / 2)


def test_lengths_below_two_and_beyond_capacity(compiled: list[Any]) -> None:
    f = jitney.jit(lambda x: (x.sum(), x * 2))
    for n in (3, 4, 5, 1, 0, 1023, 1024, 1025, 5000, 70000):
        total, twice = f(np.ones(n))
        assert total == n
        np.testing.assert_array_equal(twice, np.full(n, 2.0))
    assert len(compiled) == 8  # 3, 4, up to 1024, 1, 0, up to 4096, 8192, 81920


def test_constants_in_programs_of_one_element(compiled: list[Any]) -> None:
    """The function that a scatter applies has constants, too."""

    def make(k: float) -> Any:
        return jitney.jit(lambda x: x.at[1:].apply(lambda v: v * k))

    for n, k in ((3, 2.0), (4, 2.0), (5, 2.0), (6, 2.0 + 1e-15), (7, 3.0)):
        np.testing.assert_array_equal(make(k)(jnp.ones(n)), np.r_[1.0, np.full(n - 1, k)])


def test_threads(compiled: list[Any]) -> None:
    f = jitney.jit(lambda x: (jnp.sum(x), jnp.cumsum(x)[::-1]))

    def work(first: int) -> bool:
        outs = [(n, f(np.ones(n))) for n in range(first, first + 40)]
        return all(total == n and np.array_equal(sums, np.arange(n, 0, -1)) for n, (total, sums) in outs)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, (3, 20, 30, 50)))


def test_types_and_containers(compiled: list[Any]) -> None:
    f = jitney.jit(lambda d, k: {"y": d["x"].astype(jnp.float32) * k, "n": (d["x"] > 1).sum(), "s": None})
    for n in range(3, 9):
        out = f({"x": np.arange(n)}, 2.0)
        assert out["y"].dtype == np.float32 and out["y"].shape == (n,) and out["s"] is None
        np.testing.assert_array_equal(out["y"], np.arange(n) * 2)
        assert out["n"] == n - 2
        assert isinstance(out["y"] + 1, jitney.Array)


def test_work_at_capacity_ends(compiled: list[Any]) -> None:
    """A length that is called long enough gets a program of its own."""
    f = jitney.jit(lambda x: jnp.sin(x).sum())
    for n in (300, 400, 500):
        f(np.ones(n))
    assert len(compiled) == 3
    runner = [
        p.closed.cache["general"] for p in f._jitted.programs.values() if p.closed.cache.get("general")
    ][0]
    assert runner.own is None
    runner.budget = 0.0
    before = f(np.ones(500))
    assert len(compiled) == 4 and runner.own is not None
    np.testing.assert_allclose(f(np.ones(500)), before, rtol=1e-14)


def test_nothing_is_kept() -> None:
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)

    def make(held: Any) -> Any:
        return jitney.jit(lambda x: x * 2 if held else x)

    f = make(held)
    for n in (3, 4, 5, 6):
        f(np.ones(n))
    del f, held
    gc.collect()
    assert gone() is None


# -- errors ---------------------------------------------------------------------------------------------


def test_errors_name_the_operation_and_the_line() -> None:
    f = jitney.jit(lambda x: jnp.fft.fft(x).real, dynamic_shapes=True)
    with pytest.raises(
        ValueError, match=r"no program for all lengths, because of the operation 'fft'(?s:.*)jnp\.fft\.fft"
    ):
        f(np.ones(8))

    def unrolled(x: Any) -> Any:
        return sum(x[k] * 2 for k in range(len(x)))

    with pytest.raises(ValueError, match="a loop or a branch of Python on the length"):
        jitney.jit(unrolled, dynamic_shapes=True)(np.ones(8))

    def printing(x: Any) -> Any:
        jitney.debug.print("{}", x)
        return x

    with pytest.raises(ValueError, match="it has effects"):
        jitney.jit(printing, dynamic_shapes=True)(np.ones(8))
    with pytest.raises(ValueError, match="at another length it raises"):
        jitney.jit(lambda x: x + np.ones(8), dynamic_shapes=True)(np.ones(8))


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (3, TypeError, "dynamic_shapes is True, False, None, or a dict"),
        ({"z": 0}, ValueError, "names the argument 'z'; the function has x"),
    ],
)
def test_bad_options(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        jitney.jit(lambda x: x, dynamic_shapes=given)


def test_bad_axes() -> None:
    f = jitney.jit(lambda x: x * 2, dynamic_shapes={"x": 1})
    with pytest.raises(ValueError, match=re.escape("names axis 1 of an argument of shape (3,)")):
        f(np.ones(3))


def test_32_bits(compiled: list[Any]) -> None:
    with config.temporarily("jax_enable_x64", False):
        f = jitney.jit(lambda x: (x.mean(), x[::-1], x.at[1:].add(x[-1]), lax.cumsum(x, reverse=True)))
        for n in (5, 6, 7, 30, 100):
            x = _random.normal(size=n).astype(np.float32)
            mean, reverse, updated, sums = f(x)
            np.testing.assert_allclose(mean, x.mean(), atol=1e-6)
            np.testing.assert_array_equal(reverse, x[::-1])
            np.testing.assert_allclose(updated[1:], x[1:] + x[-1], atol=1e-6)
            np.testing.assert_allclose(sums, np.cumsum(x[::-1])[::-1], atol=1e-5)
    assert len(compiled) == 3
