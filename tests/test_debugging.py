"""Debugging aids: NaN checks that name the line, leaks, disable_jit, logs, contexts of the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._api import contexts


def logarithm(x: Any) -> Any:
    y = x * 2
    return jnp.log(y) + 1  # the line


def stepped(x: Any) -> Any:
    def body(c: Any, a: Any) -> Any:
        return jnp.sqrt(c - a), c  # the line

    return lax.scan(body, x, jnp.arange(5.0))[0]


def searched(x: Any) -> Any:
    return lax.while_loop(
        lambda x: x < 4,
        lambda x: jnp.log(x),  # the line
        x,
    )


def rooted(x: Any) -> Any:
    return jnp.sqrt(x) * 0  # the line


@jitney.custom_jvp
def custom(x: Any) -> Any:
    return jnp.log(x)  # the line


custom.defjvp(lambda primals, tangents: (custom(*primals), tangents[0] / primals[0]))


def divided(x: Any) -> Any:
    return x / x  # the line


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "eager": (lambda: logarithm(-1.0), "log"),
    "operator": (lambda: divided(jnp.zeros(2)), "div"),
    "large": (lambda: divided(jnp.zeros(100_000)), "div"),
    "jit": (lambda: jitney.jit(logarithm)(-1.0), "log"),
    "jit in jit": (lambda: jitney.jit(lambda x: jitney.jit(logarithm)(x) * 2)(-1.0), "log"),
    "scan": (lambda: stepped(3.0), "sqrt"),
    "jit of scan": (lambda: jitney.jit(stepped)(3.0), "sqrt"),
    "vmap of scan": (lambda: jitney.vmap(stepped)(jnp.arange(3.0)), "sqrt"),
    "while": (lambda: searched(0.5), "log"),
    "jit of while": (lambda: jitney.jit(searched)(0.5), "log"),
    "vmap of while": (lambda: jitney.jit(jitney.vmap(searched))(jnp.asarray([5.0, 0.5])), "log"),
    "cond": (lambda: jitney.jit(lambda x: lax.cond(x < 0, logarithm, lambda x: x, x))(-1.0), "log"),
    "grad": (lambda: jitney.grad(rooted)(0.0), "mul"),
    "jit of grad": (lambda: jitney.jit(jitney.grad(rooted))(0.0), "mul"),
    "grad of jit": (lambda: jitney.grad(jitney.jit(rooted))(0.0), "mul"),
    "hessian": (lambda: jitney.hessian(rooted)(0.0), "mul"),
    "jacfwd": (lambda: jitney.jit(jitney.jacfwd(rooted))(0.0), "mul"),
    "grad of scan": (lambda: jitney.jit(jitney.grad(lambda x: stepped(x)))(3.0), "sqrt"),
    "custom rule": (lambda: custom(-1.0), "log"),
    "jit of a custom rule": (lambda: jitney.jit(custom)(-1.0), "log"),
    "compiled": (lambda: jitney.jit(logarithm).lower(1.0).compile()(-1.0), "log"),
    "checkpoint": (lambda: jitney.jit(jitney.checkpoint(logarithm))(-1.0), "log"),
    "float32": (lambda: jitney.jit(logarithm)(np.float32(-1)), "log"),
    "bfloat16": (lambda: logarithm(jnp.asarray(-1, "bfloat16")), "log"),
    "complex": (lambda: divided(jnp.zeros(2, complex)), "div"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("jax_derivatives")
def test_nans_name_the_line(name: str) -> None:
    call, primitive = CASES[name]
    call()
    with jitney.debug_nans(True):
        with pytest.raises(FloatingPointError) as caught:
            call()
        assert f"invalid value (nan) encountered in {primitive}" in str(caught.value)
        assert "# the line" in str(caught.value)
        assert "test_debugging.py:" in str(caught.value)
    call()


def test_infinities() -> None:
    f = jitney.jit(lambda x: 1 / x + 1)
    with jitney.debug_nans(True):
        assert np.isinf(f(0.0))
    with jitney.debug_infs(True):
        with pytest.raises(FloatingPointError, match=r"invalid value \(inf\) encountered in div"):
            f(0.0)
        assert float(f(1.0)) == 2.0
        with pytest.raises(FloatingPointError, match=r"already"):
            jnp.exp(jnp.asarray(np.inf))
    assert np.isinf(f(0.0))


@pytest.mark.usefixtures("jax_derivatives")
def test_checks_agree_with_jax() -> None:
    import jax

    def programs(lib: Any) -> list[Any]:
        np_ = lib.numpy
        return [
            lambda: np_.log(-1.0),
            lambda: lib.jit(lambda x: np_.log(x) + 1)(-1.0),
            lambda: lib.grad(lambda x: np_.sqrt(x) * 0)(0.0),
            lambda: np_.where(True, 1.0, np_.sqrt(1.0)),
            lambda: lib.jit(lambda x: np_.where(x > 0, np_.log(x), 0.0))(-1.0),
        ]

    found = []
    for lib in (jitney, jax):
        with lib.debug_nans(True):
            results = []
            for program in programs(lib):
                try:
                    results.append(float(program()))
                except FloatingPointError as error:
                    results.append(str(error).splitlines()[0])
            found.append(results)
    assert found[0] == found[1]


def test_effects_and_nans() -> None:
    seen: list[float] = []

    @jitney.jit
    def f(x: Any) -> Any:
        jitney.debug.callback(lambda v: seen.append(float(v)), x)
        return jnp.log(x)

    with jitney.debug_nans(True):
        assert float(f(1.0)) == 0.0
        assert seen == [1.0]
        with pytest.raises(FloatingPointError):
            f(-1.0)
    assert set(seen) == {1.0, -1.0}


# -- leaks --------------------------------------------------------------------------------------------


kept: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    kept.clear()


def test_leaks_are_found() -> None:
    def leaky(x: Any) -> Any:
        y = x * 2
        kept.append(y)
        return y

    with jitney.checking_leaks():
        for call in (
            jitney.jit(leaky),
            lambda x: lax.scan(lambda c, _: (leaky(c), None), x, None, length=2)[0],
        ):
            with pytest.raises(Exception, match="Leaked trace") as caught:
                call(1.0)
            assert "referred to by a list" in str(caught.value)
            assert "test_debugging.kept" in str(caught.value)
            assert "leaky" in str(caught.value) or "lambda" in str(caught.value)
            kept.clear()
        sound = jitney.jit(
            jitney.grad(lambda x: lax.scan(lambda c, _: (jnp.sin(c), None), x, None, length=3)[0])
        )
        sound(1.0)
        jitney.vmap(jitney.jit(lambda x: x * 2))(jnp.ones(2))
    for call in (
        lambda: jitney.jit(leaky)(1.0),
        lambda: jitney.jit(jitney.grad(leaky))(1.0),
        lambda: jitney.jit(jitney.vmap(leaky))(jnp.ones(2)),
    ):
        call()
        with pytest.raises(jitney.errors.UnexpectedTracerError, match=r"y = x \* 2"):
            jnp.sin(kept.pop())


# -- running without compilation ----------------------------------------------------------------------


@pytest.fixture
def no_control_flow() -> Iterator[None]:
    with jitney.config.temporarily("jitney_python_control_flow", False):
        yield


@pytest.mark.usefixtures("no_control_flow")
def test_disable_jit() -> None:
    f = jitney.jit(lambda x: x if x > 0 else -x)
    with pytest.raises(jitney.errors.TracerBoolConversionError):
        f(-2.0)
    seen: list[Any] = []
    with jitney.disable_jit():
        assert float(f(-2.0)) == 2.0
        assert [e.primitive.name for e in jitney.make_jaxpr(jitney.jit(lambda x: x + 1))(1.0).eqns] == ["add"]
        lax.scan(lambda c, x: (seen.append(float(c)) or c + x, None), 0.0, jnp.arange(3.0))
        lax.fori_loop(0, 2, lambda i, c: seen.append(int(i)) or c, 0.0)
        lax.while_loop(lambda c: c < 2, lambda c: seen.append(float(c)) or c + 1, 0.0)
        lax.cond(True, lambda x: seen.append(float(x)) or x, lambda x: x, 7.0)
        with jitney.disable_jit(False), pytest.raises(jitney.errors.TracerBoolConversionError):
            f(-2.0)
    assert seen == [0.0, 0.0, 1.0, 0, 1, 0.0, 1.0, 7.0]
    with pytest.raises(jitney.errors.TracerBoolConversionError):
        f(-2.0)


def test_ensure_compile_time_eval() -> None:
    @jitney.jit
    def f(x: Any) -> Any:
        with jitney.ensure_compile_time_eval():
            n = int(jnp.sum(jnp.ones(3)))
            assert float(jitney.jit(jnp.sin)(0.0)) == 0.0
            assert float(jitney.grad(jnp.sin)(0.0)) == 1.0
            later = x + 1
        return later * n

    assert float(f(2.0)) == 9.0
    assert float(jitney.grad(f)(2.0)) == 3.0
    with jitney.ensure_compile_time_eval():
        assert float(jnp.ones(()) + 1) == 2.0


# -- logs ---------------------------------------------------------------------------------------------


def test_log_compiles(caplog: Any) -> None:
    f = jitney.jit(lambda x: x * 2)
    with jitney.log_compiles(True):
        f(jnp.ones(3))
        f(jnp.ones(3))
    texts = [text.split(" in ")[0] for text in caplog.messages]
    assert texts == [
        "Finished tracing <lambda> for jit",
        "Compiling jit(<lambda>) with types (f64[3])",
        "Finished compilation of jit(<lambda>)",
    ]
    f(jnp.ones(4))
    assert len(caplog.messages) == 3


def test_explain_cache_misses(caplog: Any) -> None:
    f = jitney.jit(lambda x, n=1: x, static_argnames="n")

    def said(*args: Any, **kwargs: Any) -> str:
        caplog.clear()
        with jitney.explain_cache_misses(True):
            f(*args, **kwargs)
        return "\n".join(caplog.messages)

    assert "never seen function" in said(jnp.ones(3)) and "test_debugging.py" in caplog.text
    assert said(jnp.ones(3)) == ""
    assert "at x, now f64[4] and before f64[3]" in said(jnp.ones(4))
    assert "at x, now f32[4] and before f64[4]" in said(jnp.ones(4, "float32"))
    assert "at x, now f64[] (weak)" in said(1.0)
    assert "static argument 'n', now 2 and before not given" in said(jnp.ones(3), n=2)
    assert "static argument 'n', now 3 and before 2" in said(jnp.ones(3), n=3)
    assert "structure of the arguments" in said({"a": 1.0})


def test_no_tracing() -> None:
    f = jitney.jit(lambda x: x)
    f(1.0)
    with jitney.no_tracing(True):
        f(2.0)
        with pytest.raises(RuntimeError, match="no_tracing"):
            f(1)


# -- contexts -----------------------------------------------------------------------------------------


def test_contexts_restore(monkeypatch: Any) -> None:
    before = dict(jitney.config._values)
    for name, hold in inspect.getmembers(contexts, inspect.isfunction):
        if f"jax_{name}" not in before:
            continue
        old = before[f"jax_{name}"]
        new = "other" if name == "default_device" else old
        with hold(new):
            assert jitney.config.read(f"jax_{name}") == new
        assert getattr(jitney, name) is not None
    assert jitney.config._values == before
    with pytest.raises(RuntimeError, match="stop"), jitney.debug_nans(True):
        raise RuntimeError("stop")
    assert jitney.config._values == before


def test_contexts_are_obeyed() -> None:
    f = jitney.jit(lambda x: x + np.ones((2, 2)))
    with jitney.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion"):
        f(jnp.ones(2))
    assert f(jnp.ones(2)).shape == (2, 2)
    with jitney.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion"):
        f(jnp.ones(2))
    g = jitney.jit(lambda x: x + jnp.ones(2, "int32"))
    assert g(jnp.ones(2)).dtype == np.float64
    with jitney.numpy_dtype_promotion("strict"), pytest.raises(ValueError, match="promotion"):
        g(jnp.ones(2))
    with jitney.enable_x64(False):
        assert jnp.ones(2).dtype == np.float32
        assert jitney.jit(lambda: jnp.ones(2))().dtype == np.float32
    with jitney.enable_checks(True):
        assert float(jitney.jit(lambda x: jnp.sin(x) + 1)(0.0)) == 1.0
    with jitney.default_matmul_precision("float32"):
        assert jnp.ones(2) @ jnp.ones(2) == 2
