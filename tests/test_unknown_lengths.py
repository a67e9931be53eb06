"""What a traced mask selects: x[mask] read, reduced, assigned and returned under jit; NumPy's own functions on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

X = np.array([1.0, -2.0, 3.0, 0.0, 5.0, -1.0])
Y = np.arange(6.0)
M = np.arange(12.0).reshape(4, 3) - 5


def same(fun: Callable[..., Any], *args: Any) -> None:
    """Compiled, ``fun`` gives with jitney's functions what it gives with NumPy's."""
    got = jitney.tree.leaves(jitney.jit(lambda *xs: fun(jnp, *xs))(*args))
    wanted = jitney.tree.leaves(fun(np, *args))
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-13)


def assigned(xp: Any, x: Any) -> Any:
    a = xp.zeros(6)
    a[x > 0] = 7.0
    a[x < 0] += x[x < 0]
    m = x == 0
    a[m] = xp.exp(x[m]) * 2
    return a


PROGRAMS: dict[str, Callable[..., Any]] = {
    "sum": lambda xp, x: x[x > 0].sum(),
    "reductions": lambda xp, x: [
        x[x > 0].mean(), xp.std(x[x > 0], ddof=1), xp.var(x[x < 2]), xp.median(x[x > 0]), x[x > 0].max(), xp.min(x[x < 1]),
        xp.prod(x[x != 0]), xp.any(x[x > 0] > 4), xp.all(x[x > 0] > 4), xp.count_nonzero(x[x > -1.5]), xp.ptp(x[x > 0]),
    ],
    "quantiles": lambda xp, x: [xp.quantile(x[x > 0], 0.3), xp.percentile(x[x > 0], [10, 50, 90])],
    "elementwise": lambda xp, x: (xp.log(x[x > 0]) ** 2 / (1 - x[x > 0] / 10)).sum(),
    "one mask twice": lambda xp, x: (x[x > 0] * xp.arange(6.0)[x > 0]).sum(),
    "number": lambda xp, x: [x[x > 0].size, x[x > 0].shape[0], xp.size(x[x < 0])],
    "leaves": lambda xp, x: [x[x > 0], xp.sqrt(x[x > 0]) * 2 + 1, xp.cumsum(x[x > 0]), xp.sort(x[x > -1.5]), x[x > 9]],
    "places": lambda xp, x: [xp.nonzero(x), xp.where(x > 0)[0], xp.flatnonzero(x), xp.argwhere(x > 0)],
    "extract": lambda xp, x: [xp.extract(x > 0, x), xp.compress(x > 0, x)],
    "unique": lambda xp, x: xp.unique(xp.round(xp.abs(x) / 2), return_index=True, return_inverse=True, return_counts=True),
    "extremes": lambda xp, x: [xp.argmax(x[x < 4]), xp.argmin(x[x > 0])],
    "items": lambda xp, x: [x[x > 0][0], x[x > 0][-1], x[x > 0][x[x > 0] > 2].sum()],
    "products": lambda xp, x: [xp.dot(x[x > 0], x[x > 0]), xp.average(x[x > 0], weights=x[x > 0] ** 2)],
    "histogram": lambda xp, x: xp.histogram(x[x > 0], bins=3, range=(0, 6)),
    "indexed by places": lambda xp, x: xp.arange(6.0)[xp.nonzero(x > 0)[0]].sum(),
    "where inside": lambda xp, x: xp.where(x[x > 0] > 2, x[x > 0], 0.0).sum(),
    "assigned": assigned,
    "beside numbers": lambda xp, x: [
        np.maximum(x.mean(), x[x > 0]), np.hypot(x[0], x[x > 0]).sum(), np.isclose(x.max(), x[x > 0]), np.take(x, np.nonzero(x)[0]),
    ],
    "complex": lambda xp, x: [
        xp.vdot((x * 1j + 1)[x > 0], (x * 1j + 1)[x > 0]), (x * 1j)[x > 0].real.sum(), xp.angle((1j * x - 1)[x > 0]),
    ],
    "infinite": lambda xp, x: [
        xp.argmax(xp.where(x > 0, -xp.inf, x)[x > 0]), xp.argmin(xp.where(x > 0, xp.inf, x)[x > 0]),
        xp.average(xp.where(x == 3, xp.inf, x)[x > 1], weights=x[x > 1]),
    ],
    "large integers": lambda xp, x: xp.argmax((2**60 + x.astype(int) * (x > 0))[x < 4]),
    "skipping": lambda xp, x: [
        xp.nanmax(xp.where(x > 0, xp.nan, x)[x > 0]), xp.nanmin(xp.where(x > 0, xp.nan, x)[x < 4]),
        xp.nanmedian(xp.where(x < -1, xp.nan, x)[x < 4]), xp.nanpercentile(xp.where(x < -1, xp.nan, x)[x < 4], [20, 60]),
    ],
    "initial": lambda xp, x: [xp.max(x[x > 9], initial=0.5), xp.min(x[x > 0], initial=0.5)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("name", PROGRAMS)
def test_vectors(name: str) -> None:
    same(PROGRAMS[name], X)


def test_rows_and_planes() -> None:
    same(
        lambda xp, m: [
            m[m[:, 0] > -3].sum(axis=0), m[m[:, 0] > -3].mean(axis=1), m[m > 0].mean(), m[m[:, 0] > -3, 1].sum(),
            m[m[:, 0] > -3] @ xp.ones(3) if xp is np else (m[m[:, 0] > -3] * xp.ones(3)).sum(axis=1),
            xp.median(m[m > 0]), m[m[:, 0] > 0],
        ],
        M,
    )  # fmt: skip


def at_places(xp: Any, m: Any) -> list[Any]:
    rows, columns = xp.nonzero(m > 0)
    zeroed, doubled, column = m.copy(), m.copy(), m.copy()
    zeroed[rows, columns] = 0
    doubled[rows, columns] += m[rows, columns]
    column[rows, 0] = 7
    stack = xp.zeros((4, 3, 2))
    stack[rows, columns] = xp.array([1.0, 2.0])
    stack[rows, columns, 1] = m[rows, columns]
    return [
        m[rows, columns], m[rows].sum(), m.T[columns, rows], m[rows, 1:].sum(axis=0), m[0, columns], xp.take(m, rows), zeroed,
        doubled, column, stack, xp.take(m, rows, axis=0).sum(axis=0), m[m > 0] @ m[m > 0], m[m[:, 0] > -3] @ xp.ones(3),
    ]  # fmt: skip


def test_places_in_several_axes() -> None:
    for m in (M, -M, M - 99):
        same(at_places, m)


def test_indices_that_the_mask_drops_are_not_out_of_bounds() -> None:
    @jitney.jit
    def behind(x: Any) -> Any:
        (places,) = jnp.nonzero(x > 0)
        y = jnp.zeros(6)
        y[places + 1] = 9.0
        return x[places + 1], y

    with jitney.check_bounds(True):
        for one, many in zip(behind(X), ([-2.0, 0.0, -1.0], [0, 9, 0, 9, 0, 9]), strict=True):
            np.testing.assert_array_equal(one, many)
        with pytest.raises(IndexError, match="index 6 is out of bounds"):
            behind(-X)
        with pytest.raises(IndexError, match="index 6 is out of bounds"):
            jitney.jit(lambda x: jnp.zeros(6).at[jnp.nonzero(x < 0)[0] + 1].set(9.0))(X)


def test_integers_that_the_mask_drops_do_not_overflow() -> None:
    n = np.array([2**62, 5, 0, 7])
    program = lambda xp, n: [
        n[n < 9] + 1,
        (100 // n[n % 2 > 0]).sum(),
        n[n < 9].astype(float).astype(int) * 2,
    ]
    with jitney.check_overflow(True):
        same(program, n)
        with pytest.raises(OverflowError, match="does not fit int64"):
            jitney.jit(lambda n: (n[n > 0] * 2).sum())(n)
        with pytest.raises(ZeroDivisionError):
            jitney.jit(lambda n: (100 // n[n < 9]).sum())(n)
        assert float(jitney.jit(lambda n: (100 // n[n == 3]).sum())(n)) == 0.0


@pytest.mark.parametrize("kind", ["i4", "f4", "c16", "bool"])
def test_kinds(kind: str) -> None:
    x = (X > 0) if kind == "bool" else X.astype(kind)
    same(lambda xp, x: [x[X > 0].sum(), x[X > 0], x[X < 0].any()], x)


def test_what_is_dropped_does_no_harm() -> None:
    total = lambda x: (jnp.log(x[x > 0]) + jnp.sqrt(x[x > 0]) + 1 / x[x > 0]).sum()
    wanted = np.where(
        X > 0, 1 / np.where(X > 0, X, 1) + 0.5 / np.sqrt(np.abs(X) + (X == 0)) - 1 / (X**2 + (X == 0)), 0
    )
    with jitney.config.temporarily("jax_debug_nans", True):
        np.testing.assert_allclose(jitney.jit(jitney.grad(total))(X), wanted, rtol=1e-12)
    np.testing.assert_allclose(jitney.grad(jitney.jit(total))(X), wanted, rtol=1e-12)
    batch = np.stack([X, -X, X + 3])
    np.testing.assert_allclose(jitney.vmap(total)(batch), [float(total(row)) for row in batch], rtol=1e-13)


def test_none_selected() -> None:
    same(lambda xp, x: [x[x > 9].sum(), x[x > 9], x[x > 9].size], X)
    empty = jitney.jit(lambda x: (x[x > 9].max(), x[x > 9].mean(), x[x > 9].min()))(X)
    assert all(np.isnan(v) for v in empty)


def test_nan_counts() -> None:
    x = np.array([1.0, np.nan, 3.0, -1.0])
    for fun in (np.max, np.median, np.sum):
        same(lambda xp, x, n=fun.__name__: getattr(xp, n)(x[xp.isnan(x) | (x > 0)]), x)
    same(lambda xp, x: xp.nanmean(x[xp.isnan(x) | (x > 0)]), x)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "two masks": (lambda x, y: x[x > 0] * y[y > 0], "two different masks"),
    "an array": (lambda x, y: x[x > 0] + y, "not known to have as many elements"),
    "assigned an array": (lambda x, y: x.at[x > 0].set(y), "not known to have as many"),
    "assigned at places": (lambda x, y: x.at[jnp.nonzero(x)[0]].set(y), "not known to have as many"),
    "places behind": (lambda x, y: jnp.ones((2, 6))[:, jnp.nonzero(x)[0]], "come first in an index"),
    "places of two masks": (
        lambda x, y: jnp.ones((6, 6))[jnp.nonzero(x)[0], jnp.nonzero(y)[0]],
        "two different masks",
    ),
    "assigned another": (lambda x, y: x.at[x > 0].set(y[y > 1]), "two different|another"),
    "weights": (lambda x, y: jnp.histogram(x[x > 0], weights=y), "weights that the same mask selects"),
    "bincount": (lambda x, y: jnp.bincount(x.astype(int)), "Pass length="),
    "diff": (lambda x, y: jnp.diff(x[x > 0]), "diff of x.mask. needs the number"),
    "transform": (lambda x, y: jnp.fft.fft(x[x > 0]), "needs the number"),
    "loop": (lambda x, y: [v for v in x[x > 0]], "loop over"),
    "len": (lambda x, y: len(x[x > 0]), "size is the number"),
    "slice": (lambda x, y: x[x > 0][:2], "slice"),
    "concatenate": (lambda x, y: jnp.concatenate([x[x > 0], y]), "needs the number|not known"),
    "wrong mask": (lambda x, y: x[(y > 0)[:3]], "did not match"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_length_says_so(name: str) -> None:
    fun, text = REFUSED[name]
    with pytest.raises((TypeError, IndexError), match=text):
        jitney.jit(fun)(X, Y)


def test_rows_of_different_lengths_fit_no_array() -> None:
    with pytest.raises(TypeError, match="different lengths"):
        jitney.vmap(lambda x: x[x > 0])(np.stack([X, -X]))


def test_derivatives_of_results_of_unknown_length() -> None:
    def positive(x):
        return x[x > 0] ** 2

    x = X[:4]
    rows = np.diag(2 * x)[x > 0]
    for transform in (jitney.jacfwd, jitney.jacrev):
        np.testing.assert_allclose(transform(positive)(x), rows)  # the values are known: so is the length
        with pytest.raises(TypeError, match=r"x\[mask\].* under jac.* Return jnp.where"):
            jitney.jit(transform(positive))(x)
    for function in (lambda x: jitney.jvp(positive, (x,), (x,)), lambda x: jitney.vjp(positive, x)[0]):
        with pytest.raises(TypeError, match="whose length depends on values"):
            jitney.jit(function)(x)


def test_results_of_a_bounded_size() -> None:
    f = jitney.jit(lambda x: (x[x > 0] ** 2, jnp.nonzero(x < 0)[0], x.sum()), max_size=4)
    squares, places, total = f(X)
    np.testing.assert_array_equal(squares, [1.0, 9.0, 25.0, 0.0])
    np.testing.assert_array_equal(places, [1, 5, 0, 0])
    assert float(total) == X.sum()
    np.testing.assert_array_equal(jitney.vmap(f)(np.stack([X, -X]))[0], [[1, 9, 25, 0], [4, 1, 0, 0]])
    np.testing.assert_array_equal(jitney.grad(lambda x: f(x)[0].sum())(X), np.where(X > 0, 2 * X, 0))
    with pytest.raises(ValueError, match="6 elements are selected, more than jit.*max_size=4"):
        f(X + 10)


def test_selections_in_control_flow() -> None:
    @jitney.jit
    def clipped(x: Any, rounds: Any) -> Any:
        keep = jnp.ones(x.shape, bool)
        for _ in range(rounds):
            centre, width = x[keep].mean(), x[keep].std()
            keep = jnp.abs(x - centre) < 2 * width
        return x[keep].mean(), x[keep]

    x = np.concatenate([np.linspace(-1, 1, 50), [30.0, 90.0]])
    mean, kept = clipped(x, 5)
    assert abs(float(mean)) < 1e-12 and kept.shape == (50,)


def test_the_switch_gives_the_errors_of_jax() -> None:
    with jitney.config.temporarily("jitney_python_control_flow", False):
        for fun in (lambda x: x[x > 0].sum(), lambda x: x.at[x > 0].set(1.0)):
            with pytest.raises(jitney.errors.NonConcreteBooleanIndexError):
                jitney.jit(fun)(X)
        for fun in (jnp.nonzero, jnp.unique):
            with pytest.raises(jitney.errors.ConcretizationTypeError):
                jitney.jit(fun)(X)
        with pytest.raises(jitney.errors.TracerArrayConversionError):
            jitney.jit(lambda x: np.sin(x))(X)


# -- NumPy's functions ------------------------------------------------------------------------------------

OF_NUMPY: dict[str, Callable[..., Any]] = {
    "elementwise": lambda x: np.sin(x) + np.exp(-x) ** 2 + np.hypot(x, 1.0),
    "reductions": lambda x: (np.sum(x, axis=0), np.mean(x), np.std(x), np.max(x), np.add.reduce(x)),
    "modules": lambda x: (np.linalg.norm(x), np.fft.fft(x).real),
    "joined": lambda x: np.concatenate([x, np.ones(2)]) + np.stack([x, x]).sum(),
    "operators": lambda x: np.ones(6) * x + np.arange(6) @ x + (np.float64(3) - x) / np.full(6, 2.0),
    "where": lambda x: np.where(x > 0, x, 0.0),
    "array": lambda x: np.array([x[0], x[1], 1.0]) + np.asarray([x[2]]),
    "like": lambda x: np.zeros_like(x) + np.dot(x, x) + np.interp(0.5, np.arange(6.0), x),
    "masks": lambda x: np.log(x[x > 0]).sum() + np.median(x[x > 0]),
    "shape": lambda x: x * np.shape(x)[0] + np.ndim(x) + np.size(x),
    "others": lambda x: np.einsum("i,i->", x, x) + np.trapezoid(x, dx=0.5) + np.clip(x, 0, 1),
}


@pytest.mark.parametrize("name", OF_NUMPY)
def test_functions_of_numpy(name: str) -> None:
    fun = OF_NUMPY[name]
    got, wanted = jitney.tree.leaves(jitney.jit(fun)(X)), jitney.tree.leaves(fun(X))
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_derivatives_through_functions_of_numpy() -> None:
    slope = jitney.grad(jitney.jit(lambda x: np.sum(np.sin(x) ** 2)))
    np.testing.assert_allclose(slope(X), np.sin(2 * X), atol=1e-14)


def test_sums_in_place_and_lists() -> None:
    def accumulated(x: Any) -> Any:
        total = np.zeros(3)
        total += x
        total *= 2.0
        return total

    np.testing.assert_allclose(jitney.jit(accumulated)(X[:3]), 2 * X[:3])
    assert float(jnp.sum([1, 2, 3])) == 6 and jnp.maximum([1.0, 2.0], 1.5).shape == (2,)
    out = np.zeros(6)
    with pytest.raises(TypeError, match="into an array of NumPy's"):
        jitney.jit(lambda x: np.add(x, 1.0, out=out))(X)
