"""Looking at programs: stages of compilation, types, costs, options of ``jit`` that show in the jaxpr."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax


@pytest.fixture(scope="module")
def theirs() -> Any:
    import jax

    return jax


def f(x: Any, y: Any = 2.0) -> Any:
    return {"a": x * y}


@pytest.mark.filterwarnings("ignore:Some donated buffers")
def test_stages_describe_themselves_as_jax(theirs: Any) -> None:
    found = []
    for lib in (jitney, theirs):
        traced = lib.jit(f, donate_argnums=0).trace(1.0, y=np.ones(3))
        lowered = traced.lower()
        compiled = lowered.compile()
        texts = [str(traced.jaxpr), traced.fun_name, str(traced.out_info)]
        for stage in (traced, lowered, compiled):
            texts += [str(stage.in_avals), str(stage.args_info), str(stage.in_tree), str(stage.out_tree)]
            texts.append(str(stage.donate_argnums))
        found.append(texts)
    assert found[0] == found[1]


def test_lowering_takes_descriptions() -> None:
    x = jitney.ShapeDtypeStruct((2, 3), np.float32)
    compiled = jitney.jit(f).lower(x).compile()
    assert compiled(np.ones((2, 3), np.float32))["a"].dtype == np.float32
    assert jitney.make_jaxpr(f)(x, 3.0).out_avals[0].shape == (2, 3)
    assert jitney.jit(f).eval_shape(x)["a"] == x
    assert jitney.eval_shape(f, x, y=x)["a"] == x
    with pytest.raises(TypeError, match="argument x"):
        jitney.jit(f)(x)


def test_texts() -> None:
    lowered = jitney.jit(f).lower(jnp.ones(1000))
    assert lowered.as_text() == str(jitney.make_jaxpr(f)(jnp.ones(1000)))
    assert lowered.as_text("jaxpr") == lowered.as_text()
    for dialect in ("loops", "stablehlo", "hlo"):
        assert "for " in lowered.as_text(dialect=dialect)
    assert lowered.compiler_ir("loops").body and lowered.compiler_ir().eqns
    with pytest.raises(ValueError, match="unknown dialect: other"):
        lowered.as_text("other")
    assert "define" in lowered.compile().as_text()


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (lambda x: jnp.sin(x) * 2 + 1, {"flops": 2000, "transcendentals": 1000, "bytes accessed": 16000}),
        (lambda x: x[:30] @ x[30:60], {"flops": 60}),
        (lambda x: x[:900].reshape(30, 30) @ x[:900].reshape(30, 30), {"flops": 54000}),
        (
            lambda x: lax.fori_loop(0, 10, lambda i, c: jnp.exp(c) * 0.5, x),
            {"flops": 10**4, "transcendentals": 10**4},
        ),
        (lambda x: lax.cond(x[0] > 0, lambda x: x, jnp.exp, x), {"transcendentals": 1000}),
        (lambda x: x, {"flops": 0, "transcendentals": 0, "bytes accessed": 0}),
    ],
)
def test_costs(program: Any, wanted: dict[str, float]) -> None:
    lowered = jitney.jit(program).lower(jnp.ones(1000))
    found = lowered.cost_analysis()
    assert found == lowered.compile().cost_analysis()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=0.1, abs=3), name


def test_memory() -> None:
    compiled = jitney.jit(lambda x: jnp.sum(x @ x)).lower(np.ones((100, 100))).compile()
    found = compiled.memory_analysis()
    assert (found.argument_size_in_bytes, found.output_size_in_bytes) == (80_000, 8)
    assert found.temp_size_in_bytes >= 80_000
    assert found.generated_code_size_in_bytes > 100


def test_compiled_checks_its_arguments(theirs: Any) -> None:
    for lib in (theirs, jitney):
        compiled = lib.jit(f).lower(1.0, y=3.0).compile()
        assert float(compiled(2.0, y=3.0)["a"]) == 6.0
        for wrong in (
            lambda c=compiled: c(1.0),
            lambda c=compiled: c(1.0, y=np.ones(2)),
            lambda c=compiled: c(1.0, y=1),
            lambda c=compiled, lib=lib: lib.grad(lambda x: c(x, y=3.0)["a"])(1.0),
            lambda c=compiled, lib=lib: lib.jit(lambda x: c(x, y=3.0))(1.0),
        ):
            with pytest.raises(TypeError) as caught:
                wrong()
    assert "Tracer" in str(caught.value)
    assert float(jitney.jit(f).lower(1.0).compile().call(2.0)["a"]) == 4.0
    with pytest.raises(TypeError, match=r"'y'.*f64\[\].*f64\[2\]"):
        jitney.jit(f).lower(1.0, y=3.0).compile()(1.0, y=np.ones(2))


def test_descriptions_of_arrays(theirs: Any) -> None:
    for change in ({}, {"shape": (4,)}, {"dtype": np.int8}, {"weak_type": True}):
        ours, wanted = (lib.ShapeDtypeStruct((2, 3), np.float32).update(**change) for lib in (jitney, theirs))
        assert repr(ours) == repr(wanted)
        assert (ours.size, ours.ndim, len(ours), ours.sharding) == (
            wanted.size,
            wanted.ndim,
            len(wanted),
            None,
        )
    x = jitney.ShapeDtypeStruct((2,), np.float32, sharding="cpu")
    assert x.update(shape=(3,)).sharding == "cpu" and x != x.update(sharding=None)
    assert hash(x) == hash(x.update())
    with pytest.raises(ValueError, match="dtype must be specified"):
        jitney.ShapeDtypeStruct((2,), None)
    with pytest.raises(TypeError, match="update got"):
        x.update(size=3)


def test_typeof() -> None:
    assert repr(jitney.typeof(1.0)) == "ShapedArray(float64[], weak_type=True)"
    assert repr(jitney.typeof(jnp.ones((2, 3)))) == "ShapedArray(float64[2,3])"
    seen = []
    jitney.jit(lambda x: seen.append(jitney.typeof(x)))(np.float32(1))
    assert repr(seen[0]) == "ShapedArray(float32[])"
    with pytest.raises(TypeError, match="'a' of type <class 'str'>"):
        jitney.typeof("a")


def nested(lib: Any) -> list[str]:
    """Jaxprs of calls of jitted functions with options."""
    add = lambda x, y=0.0: x + 1  # noqa: E731
    programs = [
        lambda x: lib.jit(add, inline=True)(x),
        lambda x: lib.jit(lib.jit(add, inline=True))(x),
        lambda x: lib.jit(add, keep_unused=True)(x, x),
        lambda x: lib.jit(add, donate_argnums=0)(x),
        lambda x: lib.jit(add, donate_argnames="x")(x=x),
        lambda x: lib.jit(add, donate_argnums=(0, 1))(x, {"a": x}["a"]),
        lambda x: lib.named_call(add, name="other")(x),
        lambda x: lib.named_scope("name")(add)(x),
    ]
    return [str(lib.make_jaxpr(p)(1.0)) for p in programs]


def test_options_of_jit_in_jaxprs(theirs: Any) -> None:
    assert nested(jitney) == nested(theirs)


def test_options_under_transformations() -> None:
    for options in ({"inline": True}, {"keep_unused": True}, {"donate_argnums": 0}):
        g = jitney.jit(lambda x, y: jnp.sin(x) * y, **options)
        assert float(jitney.grad(g)(0.0, 2.0)) == 2.0
        assert float(jitney.jit(jitney.grad(g))(0.0, 2.0)) == 2.0
        assert jitney.vmap(g)(jnp.zeros(2), jnp.ones(2)).tolist() == [0.0, 0.0]
        assert float(g(0.0, 2.0)) == 0.0
    x = jnp.ones(3)
    jitney.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert (x + 1).tolist() == [2.0] * 3
    with pytest.raises(ValueError, match="static_argnums and in donate_argnums"):
        jitney.jit(f, static_argnums=0, donate_argnums=0)
    with pytest.raises(ValueError, match="donate_argnames"):
        jitney.jit(f, donate_argnames="z")


def test_decorator_with_options() -> None:
    @jitney.jit(static_argnums=1)
    def power(x: Any, n: int) -> Any:
        return x**n

    assert float(power(3.0, 2)) == 9.0
    assert power._cache_size() == 1
    power.clear_cache()
    assert power._cache_size() == 0
    for call in (power, power.lower):
        with pytest.raises(ValueError, match="1.*list"):
            call(3.0, [2])


def test_make_jaxpr_options(theirs: Any) -> None:
    found = []
    for lib in (jitney, theirs):
        closed, shapes = lib.make_jaxpr(lambda x, n: {"y": x * n}, static_argnums=1, return_shape=True)(
            1.0, 3
        )
        named = lib.make_jaxpr(lambda x: lib.lax.psum(x, "i"), axis_env=[("i", 4)])(1.0)
        found.append([str(closed), str(shapes), str(named)])
    assert found[0] == found[1]


def test_misuse(theirs: Any) -> None:
    for lib in (theirs, jitney):
        with pytest.raises(TypeError, match="string"):
            lib.named_scope(3)
        with pytest.raises(TypeError):
            lib.eval_shape(lambda x: x, "a")
    with pytest.raises(TypeError, match="callable"):
        jitney.named_call(3)


def test_types_may_stand_for_outputs_where_nothing_runs(theirs: Any) -> None:
    found = []
    for lib in (jitney, theirs):
        kind = lib.ShapeDtypeStruct((2,), "float32")
        found.append(
            [str(lib.eval_shape(lambda x, k=kind: (x, k), 1.0)), str(lib.make_jaxpr(lambda k=kind: k)())]
        )
    assert found[0] == found[1]
    with pytest.raises(TypeError, match="returned a ShapeDtypeStruct"):
        jitney.jit(lambda: jitney.ShapeDtypeStruct((), "float32"))()


def test_make_jaxpr_closes_over_values_that_are_being_traced(theirs: Any) -> None:
    """They are constants of the program, not further inputs."""
    for lib in (jitney, theirs):

        def outer(x: Any, lib: Any = lib) -> Any:
            closed = lib.make_jaxpr(lambda y: x * y + 1.0)(2.0)
            assert len(closed.jaxpr.invars) == 1 and len(closed.consts) == 1
            return lib.core.eval_jaxpr(closed.jaxpr, closed.consts, 5.0)[0]

        assert float(lib.jit(outer)(3.0)) == 16.0
        assert float(lib.grad(outer)(3.0)) == 5.0
