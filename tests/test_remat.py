"""checkpoint: values computed again in the backward pass, policies, what is kept; optimization_barrier; beside JAX."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

import jax
import jax.ad_checkpoint
import numpy as np
import pytest

import jitney
from comparing import assert_raises_alike, assert_same
from jitney import ad_checkpoint
from jitney._compiler.pipeline import simplify

POLICIES = {
    "none": lambda p: None,
    "everything": lambda p: p.everything_saveable,
    "nothing": lambda p: p.nothing_saveable,
    "dots": lambda p: p.dots_saveable,
    "unbatched dots": lambda p: p.checkpoint_dots_with_no_batch_dims,
    "names": lambda p: p.save_only_these_names("y"),
    "other names": lambda p: p.save_any_names_but_these("z"),
    "not names": lambda p: p.save_anything_except_these_names("y"),
    "both": lambda p: p.save_from_both_policies(p.save_only_these_names("z"), p.dots_saveable),
}


def name(lib: Any, x: Any, text: str) -> Any:
    return importlib.import_module(f"{lib.__name__}.ad_checkpoint").checkpoint_name(x, text)


def body(lib: Any) -> Any:
    jnp = lib.numpy

    def f(x: Any, d: Any) -> Any:
        y = name(lib, jnp.sin(x) @ x, "y")
        z = name(lib, lib.jit(jnp.exp)(y * 0.1) * d["a"], "z")
        return jnp.sum(jnp.sin(z) * 2.0)

    return f


def arguments(lib: Any) -> Any:
    return lib.numpy.linspace(0.0, 1.0, 4).reshape(2, 2), {"a": 2.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_derivatives(policy: str) -> None:
    def run(lib: Any) -> Any:
        x, d = arguments(lib)
        f = lib.checkpoint(body(lib), policy=POLICIES[policy](lib.checkpoint_policies))
        grad = lib.grad(f, (0, 1))
        few = {"value": f(x, d), "grad": grad(x, d), "jit": lib.jit(grad)(x, d)}
        if policy not in ("none", "names"):
            return few
        return few | {
            "second": lib.grad(lambda x: lib.numpy.sum(grad(x, d)[0] ** 2))(x),
            "vmap": lib.vmap(grad, (0, None))(lib.numpy.stack([x, 2 * x]), d),
            "jvp": lib.jvp(lambda x: f(x, d), (x,), (x,)),
            "nested": lib.jit(lib.grad(lambda x: lib.checkpoint(lambda x: f(x, d) * 2)(x * x)))(x),
        }

    got, want = run(jitney), run(jax)
    for key in want:
        assert_same(got[key], want[key], 1e-11, what=key)


def lines(module: Any, f: Any, *args: Any) -> list[str]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        module.print_saved_residuals(f, *args)
    return sorted(line.split(" from /")[0] for line in text.getvalue().splitlines() if "literal" not in line)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_kept(policy: str) -> None:
    def kept(lib: Any, module: Any) -> list[str]:
        def f(x: Any, a: Any) -> Any:
            y = name(lib, lib.numpy.sin(x) @ x, "y")
            return lib.numpy.sin(name(lib, lib.numpy.exp(y) * a, "z"))

        chosen = lib.checkpoint(f, policy=POLICIES[policy](lib.checkpoint_policies))
        return lines(module, chosen, lib.numpy.arange(3.0), lib.numpy.float64(2.0))

    assert kept(jitney, ad_checkpoint) == kept(jax, jax.ad_checkpoint)


def test_what_is_kept_names_arguments_and_lines() -> None:
    def f(x: Any) -> Any:
        return jitney.numpy.sin(ad_checkpoint.checkpoint_name(jitney.numpy.sin(x["k"]), "s"))

    whole = ad_checkpoint.saved_residuals(f, {"k": 1.0})
    assert all("test_remat.py" in where for _, where in whole)
    [(aval, where)] = ad_checkpoint.saved_residuals(jitney.checkpoint(f), {"k": 1.0})
    assert aval.shape == () and where == "from the argument x['k']"


def equations(f: Any, *args: Any) -> list[str]:
    return [e.primitive.name for e in simplify(jitney.make_jaxpr(f)(*args)).eqns]


def test_compiled_code_computes_again() -> None:
    """The forward values are not found again by the compiler's sharing of equal equations."""
    jnp = jitney.numpy
    f = lambda x: jnp.sum(jnp.sin(jnp.exp(jnp.sin(x))))  # noqa: E731
    x = jnp.arange(3.0)
    count = lambda g: equations(jitney.value_and_grad(g), x).count("exp")  # noqa: E731
    assert count(f) == 1
    assert count(jitney.checkpoint(f)) == 2
    assert count(jitney.checkpoint(f, prevent_cse=False)) == 1
    assert count(jitney.checkpoint(f, policy=jitney.checkpoint_policies.everything_saveable)) == 1


def test_effect_on_scan() -> None:
    def run(lib: Any) -> Any:
        step = lib.checkpoint(lambda c, x: (lib.numpy.sin(c) * x, c), prevent_cse=False)
        loss = lambda c, xs: lib.numpy.sum(lib.lax.scan(step, c, xs)[1])
        xs = lib.numpy.linspace(0.5, 1.0, 5)
        return lib.grad(loss, (0, 1))(0.3, xs), lib.jit(lib.grad(loss, (0, 1)))(0.3, xs)

    assert_same(run(jitney), run(jax))


@pytest.mark.usefixtures("jax_derivatives")
def test_jaxprs() -> None:
    def texts(lib: Any) -> list[str]:
        jnp = lib.numpy
        f = lambda x: jnp.sin(jnp.sin(x))
        show = lambda fun, *args: str(lib.make_jaxpr(fun)(*args))
        barrier = lib.lax.optimization_barrier
        return [
            show(lib.checkpoint(f), 1.0),
            show(lib.vmap(lib.checkpoint(f, prevent_cse=False)), jnp.ones(3)),
            show(lib.grad(lib.checkpoint(f)), 1.0),
            show(lib.grad(lambda x, c: lib.checkpoint(lambda x: jnp.sin(x * c))(x), (0, 1)), 1.0, 2.0),
            show(lambda x: lib.checkpoint(lambda y: y * x)(2.0), 1.0),
            show(lambda x: name(lib, x, "foo"), 1.0),
            show(lambda x: barrier((x, x)), 1.0),
            show(lambda x, t: lib.jvp(lambda x: barrier((x, 3.0)), (x,), (t,)), 1.0, 2.0),
            show(lib.grad(lambda x: barrier((x, 3.0))[0]), 1.0),
        ]

    for got, want in zip(texts(jitney), texts(jax), strict=True):
        assert got == want


def test_barrier() -> None:
    def run(lib: Any) -> Any:
        f = lambda x, n: lib.lax.optimization_barrier({"a": x * 2, "n": n})["a"] ** 2
        x = lib.numpy.arange(3.0)
        return [
            f(x, 3),
            lib.jit(f)(x, 3),
            lib.vmap(f)(x, lib.numpy.arange(3)),
            lib.jvp(lambda x: f(x, 3), (x,), (x,)),
            lib.grad(lambda x: lib.numpy.sum(f(x, 3)))(x),
            lib.jit(lib.grad(lambda x: lib.numpy.sum(f(x, 3))))(x),
        ]

    assert_same(run(jitney), run(jax))


def test_static_arguments_and_keywords() -> None:
    def run(lib: Any) -> Any:
        f = lib.checkpoint(lambda x, n, *, k: x**2 * k if n > 0 else x, static_argnums=(1,))
        return [
            lib.grad(f)(2.0, 1, k=3.0),
            lib.grad(f)(2.0, -1, k=3.0),
            lib.jit(lib.grad(f), static_argnums=1)(2.0, 1, k=1.0),
        ]

    assert_same(run(jitney), run(jax))


@pytest.mark.parametrize(
    "run",
    [
        lambda lib: lib.checkpoint(lambda x: x if x > 0 else -x)(1.0),
        lambda lib: lib.checkpoint(lambda x: "a")(1.0),
        lambda lib: lib.checkpoint(lambda x: x)("a"),
        lambda lib: lib.checkpoint(lambda x: x, static_argnums=3)(1.0),
    ],
)
def test_misuse(run: Any) -> None:
    assert_raises_alike(run)


def test_names_in_two_lists() -> None:
    policies = jitney.checkpoint_policies
    assert (
        policies.offload_dot_with_no_batch_dims("device", "pinned_host")
        == policies.checkpoint_dots_with_no_batch_dims
    )
    with pytest.raises(ValueError, match="intersect"):
        policies.save_and_offload_only_these_names(
            names_which_can_be_saved=["a"],
            names_which_can_be_offloaded=["a"],
            offload_src="device",
            offload_dst="pinned_host",
        )
    np.testing.assert_equal(policies.nothing_saveable(), False)
