"""scipy.spatial.transform, scipy.interpolate, scipy.ndimage, scipy.cluster: against JAX and SciPy."""

from __future__ import annotations

import doctest
import importlib
import itertools
from typing import Any

import jax
import jax.scipy.cluster.vq
import jax.scipy.interpolate
import jax.scipy.ndimage
import jax.scipy.spatial.transform
import numpy as np
import pytest
import scipy.interpolate
import scipy.spatial.transform

import jitney
from comparing import assert_same, check_first
from jitney.scipy import cluster, interpolate, ndimage
from jitney.scipy.spatial.transform import Rotation, Slerp

JaxRotation, JaxSlerp = jax.scipy.spatial.transform.Rotation, jax.scipy.spatial.transform.Slerp
KnownRotation = scipy.spatial.transform.Rotation
RNG = np.random.default_rng(8)
QUATERNIONS = RNG.normal(size=(6, 4))
VECTORS = RNG.normal(size=(6, 3))
FORMS = [
    lambda r: r.as_matrix(),
    lambda r: r.as_rotvec(),
    lambda r: r.as_rotvec(degrees=True),
    lambda r: r.as_mrp(),
    lambda r: r.as_quat(),
    lambda r: r.as_quat(canonical=True),
    lambda r: r.magnitude(),
    lambda r: r.inv().as_matrix(),
    lambda r: (r * r).as_matrix(),
    lambda r: r.apply(VECTORS[0]),
    lambda r: r.apply(VECTORS[0], inverse=True),
    lambda r: r.as_euler("xyz"),
    lambda r: r.as_euler("ZXZ", degrees=True),
]


def test_forms() -> None:
    for quat in (QUATERNIONS, QUATERNIONS[0], -QUATERNIONS[1]):
        ours, theirs, known = (k.from_quat(quat) for k in (Rotation, JaxRotation, KnownRotation))
        for number, form in enumerate(FORMS):
            np.testing.assert_allclose(form(ours), form(known), atol=1e-12, err_msg=f"form {number}")
            if ours.single and number < 4:  # the others are JAX's names of the same
                np.testing.assert_allclose(
                    form(ours), form(theirs), atol=1e-12, err_msg=f"form {number} of JAX's"
                )
            assert_same(form(ours), jitney.jit(form)(ours), 1e-13)
        assert ours.single == theirs.single
    quats = Rotation.from_quat(QUATERNIONS)
    np.testing.assert_allclose(quats.apply(VECTORS), KnownRotation.from_quat(QUATERNIONS).apply(VECTORS))
    weights = np.arange(1.0, 7)
    for w in (None, weights):
        mean, known = quats.mean(w), KnownRotation.from_quat(QUATERNIONS).mean(w)
        np.testing.assert_allclose(mean.as_matrix(), known.as_matrix(), atol=1e-12)
    assert len(quats) == 6
    np.testing.assert_array_equal(quats[1:3].quat, quats.quat[1:3])
    np.testing.assert_array_equal(Rotation.concatenate([quats, quats[:2]]).quat[6:], quats.quat[:2])
    assert_same(Rotation.identity().quat, JaxRotation.identity().quat)
    for num in (None, 3):  # JAX has none yet
        drawn = Rotation.random(jitney.random.key(1), num).quat
        np.testing.assert_allclose(
            np.linalg.norm(drawn, axis=-1), np.ones(() if num is None else num), rtol=1e-14
        )


def test_ways_in() -> None:
    known = KnownRotation.from_quat(QUATERNIONS)
    for name in ("matrix", "rotvec", "mrp"):
        for given in (getattr(known, f"as_{name}")(), getattr(known[0], f"as_{name}")()):
            got = getattr(Rotation, f"from_{name}")(given)
            want = getattr(KnownRotation, f"from_{name}")(given)
            np.testing.assert_allclose(got.as_matrix(), want.as_matrix(), atol=1e-12, err_msg=name)
            theirs = getattr(JaxRotation, f"from_{name}")(given)
            np.testing.assert_allclose(got.as_matrix(), theirs.as_matrix(), atol=1e-12, err_msg=name)
    degrees = Rotation.from_rotvec(VECTORS * 50, degrees=True)
    want = KnownRotation.from_rotvec(VECTORS * 50, degrees=True)
    np.testing.assert_allclose(degrees.as_matrix(), want.as_matrix(), atol=1e-12)
    assert Rotation.from_rotvec(np.array([0, 0, 1], np.float32)).quat.dtype == np.float32


@pytest.mark.parametrize("moving", [False, True], ids=["fixed", "moving"])
def test_euler_angles(moving: bool) -> None:
    sequences = [s for s in map("".join, itertools.product("xyz", repeat=3)) if s[0] != s[1] != s[2]]
    angles = RNG.uniform(-3, 3, (5, 3))
    halves = np.array([[0.3, 0.0, 0.4], [0.3, np.pi / 2, 0.4], [1.0, -np.pi / 2, 2.0], [0.2, np.pi, 0.1]])
    for seq in sequences:
        seq = seq.upper() if moving else seq
        got, want = Rotation.from_euler(seq, angles), KnownRotation.from_euler(seq, angles)
        np.testing.assert_allclose(got.as_matrix(), want.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(got.as_euler(seq), want.as_euler(seq), atol=1e-10, err_msg=seq)
        locked = Rotation.from_euler(seq, halves)
        again = Rotation.from_euler(seq, locked.as_euler(seq))
        np.testing.assert_allclose(again.as_matrix(), locked.as_matrix(), atol=1e-7, err_msg=f"{seq} locked")
    for seq, given in [
        ("z", 0.3),
        ("x", np.array([[0.3], [0.4]])),
        ("yz", np.array([0.3, 0.4])),
        ("xy", angles[:, :2]),
    ]:
        want = KnownRotation.from_euler(seq, given)
        theirs = JaxRotation.from_euler(seq, given)
        got = Rotation.from_euler(seq, given)
        np.testing.assert_allclose(got.as_matrix(), want.as_matrix(), atol=1e-12)
        assert got.quat.shape == theirs.quat.shape


def test_derivatives_at_the_identity() -> None:
    check_first(lambda v: [Rotation.from_rotvec(v).quat], [VECTORS[0]])
    check_first(
        lambda v: [Rotation.from_rotvec(v).quat, Rotation.from_rotvec(v).as_matrix()], [np.zeros(3)], 1e-6
    )
    check_first(lambda v: [Rotation.from_rotvec(v).as_rotvec()], [np.full(3, 1e-9)], 1e-6)
    turned = lambda v: Rotation.from_rotvec(v).as_rotvec()  # noqa: E731
    np.testing.assert_allclose(jitney.jacrev(turned)(np.zeros(3)), np.eye(3), atol=1e-14)
    for size in (1e-12, 1e-5, 1e-3, 0.06, 0.064, 1.0, 3.0):
        v = np.array([0.6, 0.0, 0.8]) * size
        np.testing.assert_allclose(turned(v), v, rtol=1e-14)


def test_interpolation_of_rotations() -> None:
    times = np.array([0.0, 1.0, 1.5, 4.0])
    slerp = Slerp.init(times, Rotation.from_quat(QUATERNIONS[:4]))
    theirs = JaxSlerp.init(times, JaxRotation.from_quat(QUATERNIONS[:4]))
    known = scipy.spatial.transform.Slerp(times, KnownRotation.from_quat(QUATERNIONS[:4]))
    for t in (np.array([0.0, 0.3, 1.0, 1.2, 3.9, 4.0]), 0.7):
        np.testing.assert_allclose(slerp(t).as_matrix(), known(t).as_matrix(), atol=1e-12)
        np.testing.assert_allclose(
            jitney.jit(lambda s, t: s(t).quat)(slerp, t), theirs(t).as_quat(), atol=1e-12
        )
    assert slerp._fields == theirs._fields
    assert jitney.tree.structure(slerp).num_leaves == len(jax.tree.leaves(theirs))


def test_misuse_of_rotations() -> None:
    one, two = Rotation.identity(), Rotation.identity(2)
    for wrong, error in [
        (lambda: Rotation.from_euler("xq", np.zeros(2)), ValueError),
        (lambda: Rotation.from_euler("xx", np.zeros(2)), ValueError),
        (lambda: Rotation.from_euler("xY", np.zeros(2)), ValueError),
        (lambda: Rotation.from_euler("xyzx", np.zeros(4)), ValueError),
        (lambda: Rotation.from_euler("xyz", np.zeros(2)), ValueError),
        (lambda: Rotation.from_quat(np.zeros(3)), ValueError),
        (lambda: Rotation.from_matrix(np.zeros((2, 3))), ValueError),
        (lambda: one.as_euler("xy"), ValueError),
        (lambda: len(one), TypeError),
        (lambda: one[0], TypeError),
        (lambda: Slerp.init(np.zeros(2), 3.0), TypeError),
        (lambda: Slerp.init(np.zeros(1), one), ValueError),
        (lambda: Slerp.init(np.zeros(3), two), ValueError),
        (lambda: Slerp.init(np.array([0.0, 1.0]), two)(np.zeros((1, 1))), ValueError),
    ]:
        with pytest.raises(error):
            wrong()


# -- values between points ----------------------------------------------------------------------------

GRID = (np.array([0.0, 1.0, 2.5, 3.0]), np.array([-1.0, 0.0, 2.0]))
VALUES = RNG.normal(size=(4, 3, 2))
PLACES = np.stack([RNG.uniform(-0.5, 3.5, 12), RNG.uniform(-1.5, 2.5, 12)], -1)


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("fill", [np.nan, 7.0, None], ids=str)
def test_grids(method: str, fill: Any) -> None:
    options = dict(method=method, bounds_error=False, fill_value=fill)
    for values in (VALUES[..., 0], VALUES):
        ours, theirs, known = (
            m.RegularGridInterpolator(GRID, values, **options)
            for m in (interpolate, jax.scipy.interpolate, scipy.interpolate)
        )
        for xi in (PLACES, PLACES.reshape(3, 4, 2), (PLACES[:4, None, 0], PLACES[:5, 1]), PLACES[0]):
            np.testing.assert_allclose(jitney.jit(ours)(xi), known(xi), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ours(PLACES), theirs(PLACES), rtol=1e-12, atol=1e-14)
    line = interpolate.RegularGridInterpolator((GRID[0],), VALUES[:, 0, 0])
    np.testing.assert_allclose(line(np.array([0.5, 2.0])), np.interp([0.5, 2.0], GRID[0], VALUES[:, 0, 0]))


def test_derivatives_of_grids() -> None:
    inside = np.array([[0.3, 0.4], [2.7, -0.7]])
    fun = lambda x, v: [interpolate.RegularGridInterpolator(GRID, v)(x)]  # noqa: E731
    check_first(fun, [inside, VALUES])


def test_misuse_of_grids() -> None:
    for wrong, error in [
        (lambda m: m.RegularGridInterpolator(GRID, VALUES, method="cubic"), ValueError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES, bounds_error=True), NotImplementedError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES[0, 0]), ValueError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES[:3]), ValueError),
        (lambda m: m.RegularGridInterpolator((GRID[0][::-1],), VALUES), ValueError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES)(np.zeros((2, 3))), ValueError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES)(PLACES, method="cubic"), ValueError),
        (lambda m: m.RegularGridInterpolator(GRID, VALUES, fill_value=1j), ValueError),
    ]:
        with pytest.raises(error):
            wrong(interpolate)


def test_halves() -> None:
    """Order 0 between two elements, and integers between two numbers."""
    x, i = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1, 2, 4, 9])
    places = [np.array([0.5, 1.5, 2.5, -0.5, 3.5])]
    for mode in ("nearest", "wrap", "reflect", "mirror", "constant"):
        for order, values in itertools.product((0, 1), (x, i)):
            got, want = (m.map_coordinates(values, places, order, mode) for m in (ndimage, jax.scipy.ndimage))
            assert_same(got, want, what=f"{mode} {order} {values.dtype}")


def test_codes() -> None:
    x, codes = RNG.normal(size=(7, 3)), RNG.normal(size=(4, 3))
    assert_same(jitney.jit(cluster.vq.vq)(x, codes), jax.scipy.cluster.vq.vq(x, codes))
    ties = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert_same(cluster.vq.vq(np.zeros((1, 2)), ties), jax.scipy.cluster.vq.vq(np.zeros((1, 2)), ties))


@pytest.mark.parametrize("name", ["spatial.transform", "interpolate", "ndimage", "cluster.vq"])
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"jitney.scipy.{name}"))
    assert found.attempted and not found.failed
