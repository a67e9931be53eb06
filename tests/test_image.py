"""Images in other sizes against JAX: a grid of sizes and methods, dtypes, derivatives, misuse."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jitney
from jitney import image
from jitney import numpy as jnp

RNG = np.random.default_rng(0)
METHODS = ("nearest", "linear", "cubic", "lanczos3", "lanczos5", "cubic-pytorch", "area")
# Up, down, by whole factors and others, from one; the last one is a product with a matrix.
SIZES = [((8, 1, 5), (3, 4, 9)), ((2, 90), (2, 4))]


@pytest.mark.parametrize(
    "method, antialias", [*((m, True) for m in METHODS), ("lanczos3", False), ("cubic-pytorch", False)]
)
def test_like_jax(method: str, antialias: bool) -> None:
    for before, after in SIZES:
        x = RNG.normal(size=before)
        got, want = (m.image.resize(x, after, method, antialias) for m in (jitney, jax))
        np.testing.assert_allclose(got, want, atol=1e-13, err_msg=f"{before} {after}")


def test_names_of_methods() -> None:
    names = "nearest linear bilinear trilinear triangle cubic bicubic tricubic lanczos3 lanczos5 area".split()
    names += ["cubic-pytorch", "bicubic-pytorch"]
    for name in names:
        found = image.ResizeMethod.from_string(name)
        assert (found.name, found.value) == (
            jax.image.ResizeMethod.from_string(name).name,
            jax.image.ResizeMethod.from_string(name).value,
        )
    assert list(map(str, image.ResizeMethod)) == list(map(str, jax.image.ResizeMethod))
    x = RNG.normal(size=5)
    np.testing.assert_array_equal(
        image.resize(x, (3,), image.ResizeMethod.CUBIC), image.resize(x, (3,), "bicubic")
    )


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "?", "bfloat16"])
def test_dtypes(dtype: str) -> None:
    x = RNG.integers(0, 2 if dtype == "?" else 9, (4, 6))
    for method in ("nearest", "linear"):
        mine = image.resize(jnp.asarray(x, dtype), (6, 3), method)
        theirs = jax.image.resize(jax.numpy.asarray(x, dtype), (6, 3), method)
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(
            np.asarray(mine, float), np.asarray(theirs, float), rtol=1e-2 if dtype == "bfloat16" else 1e-6
        )


def test_derivatives_of_both_forms() -> None:
    """Sums of shifted images, and products with a matrix: the transpose belongs to the map."""
    for before, after, method in (
        ((9, 3), (14, 3), "lanczos3"),
        ((90, 2), (4, 2), "cubic"),
        ((4,), (130,), "linear"),
    ):
        x, ct = RNG.normal(size=before), RNG.normal(size=after)
        f = lambda x: image.resize(x, after, method)  # noqa: E731
        y, pull = jitney.vjp(f, x)
        (back,) = pull(ct)
        np.testing.assert_allclose(np.vdot(back, x), np.vdot(ct, y), rtol=1e-12)
        want = jax.vjp(lambda x: jax.image.resize(x, after, method), x)[1](ct)[0]
        np.testing.assert_allclose(back, want, atol=1e-13)


def test_batches() -> None:
    xs = RNG.normal(size=(3, 5, 4))
    f = lambda x: image.resize(x, (7, 3), "cubic")  # noqa: E731
    np.testing.assert_allclose(
        jitney.jit(jitney.vmap(f))(xs), image.resize(xs, (3, 7, 3), "cubic"), rtol=1e-12, atol=1e-14
    )


def test_scales_that_are_traced() -> None:
    x, translation = RNG.normal(size=(4, 6)), np.array([0.3, -1.2])

    def total(m, n):  # type: ignore[no-untyped-def]
        def of(scale, translation):  # type: ignore[no-untyped-def]
            y = m.image.scale_and_translate(x, (5, 5), (0, 1), scale, translation, "cubic")
            return n.sum(n.sin(y))

        return m.jit(m.vmap(m.value_and_grad(of, (0, 1)), (0, None)))

    scales = np.array([[1.3, 0.7], [0.9, 1.1]])
    got, want = (f(scales, translation) for f in (total(jitney, jnp), total(jax, jax.numpy)))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_what_lies_outside_is_zero() -> None:
    y = image.scale_and_translate(np.ones(4), (12,), (0,), np.array([1.0]), np.array([3.0]), "lanczos3")
    np.testing.assert_allclose(y, [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0], atol=1e-15)


def test_misuse() -> None:
    x = np.ones((3, 4))
    with pytest.raises(ValueError, match="unknown resize method 'bad'"):
        image.resize(x, (3, 3), "bad")
    with pytest.raises(ValueError, match="number of dimensions"):
        image.resize(x, (3,), "linear")
    with pytest.raises(ValueError, match="empty axes"):
        image.resize(np.ones(0), (3,), "linear")
    with pytest.raises(ValueError, match="name an axis twice"):
        image.scale_and_translate(x, (3, 4), (0, -2), np.ones(2), np.ones(2), "linear")
    with pytest.raises(ValueError, match="one scale for each"):
        image.scale_and_translate(x, (3, 4), (0,), np.ones(2), np.ones(1), "linear")
