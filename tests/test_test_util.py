"""``check_grads`` and its kin: right derivatives pass, wrong ones are found, as in JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.test_util
import ml_dtypes
import numpy as np
import pytest

import jitney
from jitney import numpy as jnp
from jitney import test_util

BOTH = ((jitney, test_util), (jax, jax.test_util))


@pytest.mark.parametrize(
    "f, args",
    [
        (jnp.sin, (1.0,)),
        (jnp.sin, (np.float32(1.0),)),
        (jnp.tanh, (0.3 + 0.2j,)),
        (jnp.abs, (1.0 + 2.0j,)),
        (lambda d: d["a"] * d["b"][0] ** 2, ({"a": 1.0, "b": (np.ones(3),)},)),
        (lambda x, n: (x**n, n), (2.0, 3)),
        (jnp.exp, (np.float16(0.5),)),
        (jnp.sin, (ml_dtypes.bfloat16(0.5),)),
        (lambda z: (z.real * z.imag, jnp.conj(z)), (np.complex64(0.3 + 0.2j),)),
        (lambda x: jnp.sin(x.astype(jnp.float32)), (1.0,)),
        (lambda x: [], (1.0,)),
    ],
)
def test_right_derivatives_pass(f: Any, args: Any) -> None:
    test_util.check_grads(f, args, order=2)
    test_util.check_jvp(f, lambda p, t: jitney.jvp(f, p, t), args)
    test_util.check_vjp(f, lambda *xs: jitney.vjp(f, *xs), args)


def wrong(lib: Any) -> Any:
    f = lib.custom_jvp(lib.numpy.sin)
    f.defjvp(lambda p, t: (f(*p), t[0] * 2))
    return f


@pytest.mark.parametrize("modes", ["fwd", ["rev"], ("fwd", "rev")])
def test_wrong_derivatives_are_found(modes: Any) -> None:
    for lib, util in ((jitney, test_util), (jax, jax.test_util)):
        with pytest.raises(
            AssertionError, match="JVP tangent" if modes != ["rev"] else "VJP cotangent projection"
        ):
            util.check_grads(wrong(lib), (1.0,), 1, modes=modes)


def test_wrong_second_derivative_is_found() -> None:
    f = jitney.custom_jvp(jnp.sin)
    slope = jitney.custom_jvp(jnp.cos)
    f.defjvp(lambda p, t: (f(*p), t[0] * slope(*p)))
    slope.defjvp(lambda p, t: (slope(*p), t[0]))
    test_util.check_grads(f, (1.0,), 1)
    with pytest.raises(AssertionError, match="JVP of JVP|VJP of JVP|JVP"):
        test_util.check_grads(f, (1.0,), 2)


def test_wrong_values_and_modes() -> None:
    with pytest.raises(AssertionError, match="here primal"):
        test_util.check_jvp(jnp.sin, lambda p, t: (p[0], t[0]), (1.0,), err_msg="here")
    with pytest.raises(ValueError, match="modes"):
        test_util.check_grads(jnp.sin, (1.0,), 1, modes="forward")


def test_orders_and_step() -> None:
    test_util.check_grads(lambda x: x**4, (2.0,), order=3, modes=["fwd"])
    test_util.check_grads(lambda x: x**4, (2.0,), order=3, modes=["rev"], eps=1e-5, atol=1e-6, rtol=1e-6)
    for _, util in BOTH:
        with pytest.raises(AssertionError):
            util.check_grads(lambda x: x**4, (2.0,), order=1, eps=1.0)


@pytest.mark.parametrize("slope, passes", [(1 + 1e-7, True), (1 + 1e-3, False)])
def test_tolerance_of_float64(slope: float, passes: bool) -> None:
    for lib, util in BOTH:
        f = lib.custom_jvp(lib.numpy.exp)
        f.defjvp(lambda p, t, f=f: (f(*p), t[0] * f(*p) * slope))
        for mode in ("fwd", "rev"):
            if passes:
                util.check_grads(f, (jax.numpy.ones(()) if lib is jax else 1.0,), 1, modes=[mode])
                util.check_grads(f, (lib.numpy.ones(2),), 1, modes=[mode], atol=1e-4, rtol=1e-4)
            else:
                with pytest.raises(AssertionError):
                    util.check_grads(f, (lib.numpy.ones(2),), 1, modes=[mode])


def test_the_leaf_and_both_values_are_named() -> None:
    def f(d: Any) -> Any:
        return {"y": d["a"] * 2.0, "z": [jnp.sin(d["b"])]}

    def wrong_jvp(primals: Any, tangents: Any) -> Any:
        value, tangent = jitney.jvp(f, primals, tangents)
        return value, {**tangent, "z": [tangent["z"][0] + 1.0]}

    args = ({"a": 1.0, "b": 0.0},)
    with pytest.raises(AssertionError, match=r"JVP tangent of output\['z'\]\[0\]") as caught:
        test_util.check_jvp(f, wrong_jvp, args)
    assert "ACTUAL" in str(caught.value) and "DESIRED" in str(caught.value)

    def wrong_vjp(*primals: Any) -> Any:
        value, pullback = jitney.vjp(f, *primals)

        def pull(ct: Any) -> Any:
            (found,) = pullback(ct)
            return ({**found, "b": found["b"] * 2.0},)

        return value, pull

    with pytest.raises(AssertionError, match=r"cotangent projection on argument\[0\]\['b'\]"):
        test_util.check_vjp(f, wrong_vjp, args)


def test_wrong_structures_and_shapes() -> None:
    with pytest.raises(AssertionError, match="structure"):
        test_util.check_jvp(jnp.sin, lambda p, t: ((jnp.sin(p[0]),), t[0]), (1.0,))
    with pytest.raises(AssertionError, match="JVP tangent: shape"):
        test_util.check_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]), np.ones(3)), (1.0,))
    with pytest.raises(AssertionError, match=r"VJP cotangent\[0\]: shape"):
        test_util.check_vjp(jnp.sin, lambda x: (jnp.sin(x), lambda ct: (np.ones(3),)), (1.0,))


def test_nan_is_found() -> None:
    for lib, util in BOTH:
        f = lib.custom_jvp(lib.numpy.log)
        f.defjvp(lambda p, t, f=f: (f(*p), t[0] / p[0]))
        with pytest.raises(AssertionError, match="nan"):
            util.check_grads(f, (-1.0,), 1, modes=["fwd"])
