"""Primitives, rules, interpreters and traces as libraries write them, the same code for jitney and for JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitney
from comparing import assert_same


def parts(name: str) -> Any:
    """The modules that a library imports, of jitney or of JAX."""
    at = lambda path: importlib.import_module(f"{name}.{path}" if path else name)
    return SimpleNamespace(
        root=at(""),
        jnp=at("numpy"),
        lax=at("lax"),
        core=at("core"),
        ext=at("extend.core"),
        lu=at("extend.linear_util"),
        ad=at("interpreters.ad"),
        batching=at("interpreters.batching"),
        mlir=at("interpreters.mlir"),
        pe=at("interpreters.partial_eval"),
        xla=at("interpreters.xla"),
        flatten_util=at("flatten_util"),
        api_util=at("api_util"),
    )


OURS, THEIRS = parts("jitney"), parts("jax")
X = np.array([0.3, 1.2, -0.7])


def define(
    j: Any,
    name: str,
    body: Callable[..., Any],
    abstract: Callable[..., Any] | None = None,
    multiple_results: bool = False,
) -> Any:
    """A primitive with a body; in JAX also with an evaluation rule, which it needs."""
    p = j.ext.Primitive(name)
    p.multiple_results = multiple_results
    if abstract is not None:
        p.def_abstract_eval(abstract)
    p.def_impl(partial(j.xla.apply_primitive, p))
    j.mlir.register_lowering(p, j.mlir.lower_fun(body, multiple_results=multiple_results))
    return p


def same_type(x: Any, *_: Any, **__: Any) -> Any:
    return x


# -- a primitive defined by a body alone ---------------------------------------------------------------


def body_only() -> tuple[Any, Callable[..., Any]]:
    """``x * sin(y) * k + x`` as a primitive without any rule, and as a plain function."""
    p = OURS.ext.Primitive("body_only")
    plain = lambda x, y, *, k: x * OURS.jnp.sin(y) * k + x
    OURS.mlir.register_lowering(p, OURS.mlir.lower_fun(plain, multiple_results=False))
    return partial(p.bind, k=2.5), partial(plain, k=2.5)


_BODY_ONLY: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "eager": lambda f: f,
    "jit": lambda f: jitney.jit(f),
    "jvp": lambda f: lambda x, y: jitney.jvp(f, (x, y), (y, x)),
    "grad": lambda f: jitney.grad(lambda x, y: f(x, y).sum(), (0, 1)),
    "jit of grad": lambda f: jitney.jit(jitney.grad(lambda x, y: f(x, y).sum(), (0, 1))),
    "grad of jit": lambda f: jitney.grad(lambda x, y: jitney.jit(f)(x, y).sum(), 1),
    "vmap": lambda f: jitney.vmap(f),
    "vmap of one": lambda f: lambda x, y: jitney.vmap(f, (0, None))(x, y[0]),
    "jit of vmap of grad": lambda f: jitney.jit(jitney.vmap(jitney.grad(f, 1))),
    "hessian": lambda f: jitney.hessian(lambda x, y: f(x, y).sum(), (0, 1)),
    "linearize": lambda f: lambda x, y: jitney.linearize(f, x, y)[1](y, x),
    "jacobian": lambda f: jitney.jacrev(f, 1),
    "large": lambda f: lambda x, y: f(jitney.numpy.tile(x, 20000), jitney.numpy.tile(y, 20000)),
}


@pytest.mark.parametrize("name", _BODY_ONLY)
def test_body_alone(name: str) -> None:
    bound, plain = body_only()
    transform = _BODY_ONLY[name]
    assert_same(transform(bound)(X, X + 1), transform(plain)(X, X + 1))


def test_body_alone_is_one_equation_and_inlined() -> None:
    bound, _ = body_only()
    closed = jitney.make_jaxpr(bound)(1.0, 2.0)
    assert str(closed) == "{ lambda ; a:f64[] b:f64[]. let c:f64[] = body_only[k=2.5] a b in (c,) }"
    jitney.extend.core.check_jaxpr(closed.jaxpr)
    assert "host" not in jitney.jit(bound).lower(1.0, 2.0).compile().as_text()


def test_linear_body_is_transposed() -> None:
    """The primitive stands in the linear program itself: its body runs backwards."""
    for count in (1, 2):
        p = OURS.ext.Primitive("linear")
        p.multiple_results = count > 1
        body = lambda a, t: [a * t, t.sum() * a][:count] if count > 1 else a * t
        OURS.mlir.register_lowering(p, OURS.mlir.lower_fun(body, multiple_results=count > 1))

        def jvp(primals: Any, tangents: Any, p: Any = p) -> Any:
            return p.bind(*primals), p.bind(primals[0], tangents[1])

        OURS.ad.primitive_jvps[p] = jvp
        out = lambda f, x: sum(jitney.tree.leaves(f(X, x)), 0.0).sum()
        assert_same(jitney.grad(partial(out, p.bind))(X + 2), jitney.grad(partial(out, body))(X + 2))
        assert_same(
            jitney.jit(jitney.grad(partial(out, p.bind)))(X + 2), jitney.grad(partial(out, body))(X + 2)
        )


def test_body_of_several_results_and_a_call_inside() -> None:
    p = OURS.ext.Primitive("sin_cos")
    p.multiple_results = True
    inner = jitney.jit(lambda x: (jitney.numpy.sin(x), jitney.numpy.cos(x)))
    OURS.mlir.register_lowering(p, OURS.mlir.lower_fun(inner))
    f = lambda x: p.bind(x)[0] * p.bind(x)[1]
    g = lambda x: jitney.numpy.sin(x) * jitney.numpy.cos(x)
    for transform in (
        lambda f: f,
        jitney.jit,
        jitney.vmap,
        lambda f: jitney.vmap(jitney.grad(f)),
        lambda f: jitney.jit(jitney.vmap(jitney.grad(f))),
    ):
        assert_same(transform(f)(X), transform(g)(X))


def test_body_of_another_type_than_stated() -> None:
    p = define(OURS, "wrong", lambda x: x.astype("float32"), same_type)
    for call in (jitney.jit(p.bind), p.bind):
        with pytest.raises(TypeError, match=r"wrong.*f32\[3\].*f64\[3\]"):
            call(X)
    p = define(OURS, "wrong_shape", lambda x: x[:2], same_type)
    with pytest.raises(TypeError, match=r"f64\[2\].*f64\[3\]"):
        jitney.jit(p.bind)(X)


# -- rules in JAX's signatures --------------------------------------------------------------------------


def multiply_add(j: Any) -> Any:
    """The primitive ``x * y + z`` with every rule, as in a tutorial."""
    p = define(j, "multiply_add", lambda x, y, z: x * y + z, same_type)

    def jvp(primals: Any, tangents: Any) -> Any:
        x, y, z = primals
        tx, ty, tz = map(j.ad.instantiate_zeros, tangents)
        zero = j.ad.zeros_like_aval(j.core.ShapedArray(np.shape(x), np.float64))
        return p.bind(x, y, z), p.bind(tx, y, p.bind(x, ty, p.bind(zero, zero, tz)))

    def transpose(ct: Any, x: Any, y: Any, z: Any) -> Any:
        undefined = j.ad.is_undefined_primal
        if not undefined(x):
            return None, p.bind(ct, x, j.jnp.zeros_like(ct)), ct if undefined(z) else None
        return p.bind(ct, y, j.jnp.zeros_like(ct)), None, ct if undefined(z) else None

    def batch(args: Any, dims: Any) -> Any:
        size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
        return p.bind(*[j.batching.bdim_at_front(a, d, size) for a, d in zip(args, dims, strict=True)]), 0

    j.ad.primitive_jvps[p] = jvp
    j.ad.primitive_transposes[p] = transpose
    j.batching.primitive_batchers[p] = batch
    return p


_TRANSFORMS: dict[str, Callable[[Any, Any], Callable[..., Any]]] = {
    "eager": lambda j, f: f,
    "jit": lambda j, f: j.root.jit(f),
    "jvp": lambda j, f: lambda *xs: j.root.jvp(f, xs, xs),
    "grad": lambda j, f: j.root.grad(lambda *xs: f(*xs).sum(), (0, 1)),
    "jit of grad": lambda j, f: j.root.jit(j.root.grad(lambda *xs: f(*xs).sum(), (0, 1))),
    "vmap": lambda j, f: j.root.vmap(f),
    "vmap of grad": lambda j, f: j.root.vmap(j.root.grad(f), (0, None, 0)),
    "grad of vmap": lambda j, f: j.root.grad(lambda *xs: j.root.vmap(f)(*xs).sum(), 1),
}


@pytest.mark.parametrize("name", _TRANSFORMS)
def test_rules(name: str) -> None:
    xs = X, X + 1.0, X * 2.0
    if name == "vmap of grad":
        xs = X, 2.0, X * 2.0
    got, want = (_TRANSFORMS[name](j, multiply_add(j).bind)(*xs) for j in (OURS, THEIRS))
    assert_same(got, want)


def test_rules_are_read_back() -> None:
    p = multiply_add(OURS)
    rule = lambda args, dims: (args[0], dims[0])
    OURS.batching.primitive_batchers[p] = rule
    assert OURS.batching.primitive_batchers[p] is rule and p in OURS.ad.primitive_jvps
    assert OURS.ad.get_primitive_transpose(p) is OURS.ad.primitive_transposes[p]
    del OURS.ad.primitive_jvps[p]
    assert p not in OURS.ad.primitive_jvps and OURS.ad.primitive_jvps.get(p) is None
    with pytest.raises(KeyError):
        OURS.ad.primitive_jvps[p]
    with pytest.raises(NotImplementedError, match="fresh"):
        OURS.ad.get_primitive_transpose(OURS.ext.Primitive("fresh"))


def test_rules_of_our_primitives_in_jax_signatures() -> None:
    lax = OURS.lax
    assert_same(OURS.ad.primitive_jvps[lax.sin_p]((X,), (X,)), (np.sin(X), X * np.cos(X)))
    out, dim = OURS.batching.primitive_batchers[lax.sin_p]((np.ones((2, 3)),), (1,))
    assert out.shape == (2, 3) and dim == 1
    axis = OURS.batching.AxisData("i", 3)
    assert OURS.batching.fancy_primitive_batchers[lax.sin_p](axis, (np.ones((2, 3)),), (1,))[1] == 1
    undefined = OURS.ad.UndefinedPrimal(OURS.core.ShapedArray((3,), np.float64))
    assert_same(OURS.ad.primitive_transposes[lax.neg_p](X, undefined), [-X])
    assert lax.sin_p in OURS.ad.primitive_jvps and len(OURS.ad.primitive_jvps) > 100
    assert OURS.ext.primitives.add_p is lax.add_p and OURS.ext.primitives.scatter_add_p.name == "scatter-add"
    assert isinstance(lax.sin_p, OURS.ext.Primitive)


def test_helpers_that_define_rules() -> None:
    for transform in ("jvp", "grad", "jit of grad", "vmap"):
        results = []
        for j in (OURS, THEIRS):
            product = define(j, "product", lambda x, y: x * y, same_type)
            j.ad.defbilinear(product, lambda ct, x, y: ct * y, lambda ct, x, y: ct * x)
            j.batching.defbroadcasting(product)
            triple = define(j, "triple", lambda x, *, k: x * k, same_type)
            j.ad.deflinear2(triple, lambda ct, x, *, k: [ct * k])
            j.batching.defvectorized(triple)
            root = define(j, "root", lambda x: x**0.5, same_type)
            j.ad.defjvp2(root, lambda g, ans, x: 0.5 * g / ans)
            j.batching.defvectorized(root)
            power = define(j, "power", lambda x, y: x * x + y, same_type)
            j.ad.defjvp(power, lambda g, x, y: 2 * x * g, None)
            j.batching.defbroadcasting(power)

            def f(x: Any, y: Any, product=product, triple=triple, root=root, power=power) -> Any:
                return power.bind(product.bind(triple.bind(x, k=3.0), y), root.bind(y))

            results.append(_TRANSFORMS[transform](j, f)(X, abs(X)))
        assert_same(*results)


def test_deflinear_and_add() -> None:
    for j in (OURS, THEIRS):
        p = define(j, "twice", lambda x: 2 * x, same_type)
        j.ad.deflinear(p, lambda ct: [2 * ct])
        assert float(j.root.grad(p.bind)(3.0)) == 2.0
        zero = j.ad.Zero(j.core.ShapedArray((), np.float64))
        assert j.ad.add_tangents(zero, 3.0) == 3.0 and type(j.ad.add_tangents(zero, zero)) is j.ad.Zero
        assert float(j.ad.add_jaxvals(1.0, 2.0)) == 3.0 and float(j.ad.instantiate_zeros(zero)) == 0.0
        assert repr(zero) == "Zero(float64[])"


def test_reducer() -> None:
    for j in (OURS, THEIRS):
        p = define(
            j,
            "total",
            lambda x, *, axes: x.sum(axes),
            lambda x, *, axes: j.core.ShapedArray(
                tuple(n for i, n in enumerate(x.shape) if i not in axes), x.dtype
            ),
        )
        j.batching.defreducer(p)
        x = np.arange(24.0).reshape(2, 3, 4)
        np.testing.assert_array_equal(j.root.vmap(lambda y: p.bind(y, axes=(0,)), 1)(x), x.sum(0))


def test_tangents_that_are_zero_come_as_Zero() -> None:
    seen: list[Any] = []
    for j in (OURS, THEIRS):
        p = define(j, "watch", lambda x, y: x + y, same_type)

        def jvp(primals: Any, tangents: Any, j: Any = j, p: Any = p) -> Any:
            seen.append([type(t) is j.ad.Zero for t in tangents])
            return p.bind(*primals), tangents[0]

        j.ad.primitive_jvps[p] = jvp
        j.root.jvp(lambda x: p.bind(x, 2.0), (1.0,), (1.0,))
    assert seen == [[False, True]] * 2


# -- a primitive with an evaluation rule alone -------------------------------------------------------------


def numpy_only(name: str = "numpy_only") -> Any:
    p = OURS.ext.Primitive(name)

    @p.def_impl
    def impl(x: Any, *, k: int) -> Any:
        return np.cumsum(np.asarray(x)) * k

    p.def_abstract_eval(same_type)
    return p


def test_numpy_primitive_runs_eagerly_and_on_the_host() -> None:
    p = numpy_only()
    np.testing.assert_array_equal(p.bind(X, k=2), np.cumsum(X) * 2)
    assert_same(jitney.jit(lambda x: p.bind(x * 3, k=2) + 1)(X), np.cumsum(X * 3) * 2 + 1)


def test_numpy_primitive_lacks_rules() -> None:
    p = numpy_only()
    with pytest.raises(NotImplementedError, match="Differentiation rule for 'numpy_only'"):
        jitney.grad(lambda x: p.bind(x, k=2).sum())(X)
    with pytest.raises(NotImplementedError, match="Batching rule for 'numpy_only'"):
        jitney.vmap(lambda x: p.bind(x, k=2))(np.ones((2, 3)))
    with pytest.raises(NotImplementedError, match="Batching rule for 'numpy_only'"):
        jitney.jit(jitney.vmap(lambda x: p.bind(x, k=2)))(np.ones((2, 3)))
    OURS.ad.primitive_jvps[p] = lambda xs, ts, k: (p.bind(*xs, k=k), p.bind(*ts, k=k))
    with pytest.raises(NotImplementedError, match="Transpose rule .* for 'numpy_only'"):
        jitney.grad(lambda x: p.bind(x, k=2).sum())(X)
    assert_same(jitney.jvp(lambda x: p.bind(x, k=1), (X,), (X,))[1], np.cumsum(X))


def test_missing_definitions_are_named() -> None:
    for j in (OURS, THEIRS):
        p = j.ext.Primitive("nothing")
        with pytest.raises(NotImplementedError, match="Evaluation rule for 'nothing'"):
            p.bind(1.0)
        with pytest.raises(NotImplementedError, match="Abstract evaluation for 'nothing'"):
            j.root.jit(p.bind)(1.0)
        p.def_abstract_eval(same_type)
        with pytest.raises(NotImplementedError, match="'nothing'|nothing has neither"):
            j.xla.apply_primitive(p, 1.0)
        with pytest.raises(NotImplementedError, match="nothing"):
            j.root.jit(p.bind)(1.0)


def test_wrong_abstract_evaluation() -> None:
    p = numpy_only("wrong_types")
    p.multiple_results = True
    with pytest.raises(TypeError, match="'wrong_types' must return a list of types"):
        jitney.jit(partial(p.bind, k=1))(X)
    p.multiple_results = False
    p.def_abstract_eval(lambda x, k: x.shape)
    with pytest.raises(TypeError, match="'wrong_types' must return one type"):
        jitney.jit(partial(p.bind, k=1))(X)


def test_wrong_results_on_the_host_are_errors() -> None:
    p = OURS.ext.Primitive("bad_host")
    p.def_impl(lambda x: np.ones(7))
    p.def_abstract_eval(same_type)
    with pytest.raises((TypeError, ValueError)):
        jitney.jit(p.bind)(X)
    p.def_impl(lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        jitney.jit(p.bind)(X)


def test_our_names_and_native_forms_are_kept() -> None:
    for name in ("mul", "jit", "scan"):  # names that the compiler knows
        mine = OURS.ext.Primitive(name)
        mine.def_impl(lambda x, y: np.asarray(x) * y * 100)
        mine.def_abstract_eval(same_type)
        assert float(jitney.jit(lambda x, p=mine: p.bind(x, 1.0) + x * 1.0)(2.0)) == 202.0
    assert OURS.ext.primitives.mul_p is OURS.lax.mul_p and mine is not OURS.lax.mul_p
    twins = [define(OURS, "twin", body, same_type) for body in (lambda x: x + 1, lambda x: x + 2)]
    assert float(jitney.jit(lambda x: twins[0].bind(x) * twins[1].bind(x))(1.0)) == 6.0
    with pytest.raises(ValueError, match="sin has a native form"):
        OURS.mlir.register_lowering(OURS.lax.sin_p, OURS.mlir.lower_fun(lambda x: x))


def test_effects_of_a_primitive() -> None:
    class Noise(OURS.ext.Effect):
        pass

    ran = []
    p = OURS.ext.Primitive("noisy")
    p.def_effectful_abstract_eval(lambda x: (x, {Noise()}))
    p.def_impl(lambda x: (ran.append(1), np.asarray(x))[1])
    OURS.mlir.lowerable_effects.add_type(Noise)
    closed = jitney.make_jaxpr(lambda x: (p.bind(x), x + 1)[1])(1.0)
    (effect,) = closed.effects
    assert isinstance(effect, Noise) and OURS.mlir.lowerable_effects.contains(effect)
    assert p.abstract_eval(closed.in_avals[0])[1] and not OURS.lax.sin_p.abstract_eval(closed.in_avals[0])[1]
    assert float(jitney.jit(lambda x: (p.bind(x), x + 1)[1])(1.0)) == 2.0
    assert ran == [1]


# -- programs as data --------------------------------------------------------------------------------------


def program(j: Any) -> Any:
    return j.root.make_jaxpr(lambda x, y: j.jnp.sin(x) * y + 2.0)(1.0, 2.0)


def test_equations_have_fields() -> None:
    for j in (OURS, THEIRS):
        closed = program(j)
        assert type(closed) is j.ext.ClosedJaxpr and type(closed.jaxpr) is j.ext.Jaxpr
        first, *_, last = closed.eqns
        assert type(first) is j.ext.JaxprEqn and first.primitive is j.lax.sin_p
        assert first.invars == [closed.jaxpr.invars[0]] and type(first.outvars[0]) is j.ext.Var
        assert type(last.invars[1]) is j.ext.Literal and last.invars[1].val == 2.0
        assert not first.effects and not closed.effects and closed.consts == closed.literals == []
        assert [a.str_short() for a in closed.in_avals] == ["float64[]" if j is THEIRS else "f64[]"] * 2
        assert first.primitive.get_bind_params(first.params) == first.params
        assert closed.map_jaxpr(lambda jaxpr: jaxpr).jaxpr is closed.jaxpr
        first.source_info, first.ctx, closed.jaxpr.debug_info  # noqa: B018


def test_programs_by_hand() -> None:
    texts = []
    for j in (OURS, THEIRS):
        aval = j.core.ShapedArray((3,), np.float64)
        a, b = j.ext.Var(aval), j.ext.Var(aval)
        c, d = map(j.ext.gensym(), (aval, aval))
        two = j.ext.Literal(2.0, j.core.ShapedArray((), np.float64))
        params = {eqn.primitive: eqn.params for eqn in program(j).eqns}
        eqns = [
            j.ext.new_jaxpr_eqn([a, b], [c], j.lax.add_p, params[j.lax.add_p], j.ext.no_effects),
            j.ext.new_jaxpr_eqn([c, two], [d], j.lax.mul_p, params[j.lax.mul_p], j.ext.no_effects),
        ]
        jaxpr = j.ext.Jaxpr([b], [a], [d], eqns, j.ext.no_effects, program(j).jaxpr.debug_info)
        j.ext.check_jaxpr(jaxpr)
        texts.append(str(jaxpr))
        closed = j.ext.ClosedJaxpr(jaxpr, [X])
        assert_same(j.ext.jaxpr_as_fun(closed)(X + 1), [(2 * X + 1) * 2], weak=False)
        assert_same(j.root.jit(j.ext.jaxpr_as_fun(closed))(X + 1), [(2 * X + 1) * 2], weak=False)
        other = jaxpr.replace(eqns=[eqns[0].replace(primitive=j.lax.sub_p), eqns[1]])
        assert_same(j.core.eval_jaxpr(other, [X], X + 1), [np.full(3, 2.0)], weak=False)
        assert_same(
            j.root.grad(lambda x: j.core.eval_jaxpr(other, [X], x)[0].sum())(X), np.full(3, 2.0), weak=False
        )
        with pytest.raises(j.ext.JaxprTypeError):
            j.ext.check_jaxpr(jaxpr.replace(eqns=eqns[1:]))
        with pytest.raises(ValueError):
            j.core.eval_jaxpr(jaxpr, [X])
    assert texts[0] == texts[1]


def test_programs_inside() -> None:
    for j in (OURS, THEIRS):
        closed = j.root.make_jaxpr(lambda x: j.root.jit(j.jnp.sin)(x) + 1)(1.0)
        (inner,) = j.ext.subjaxprs(closed.jaxpr)
        assert type(inner) is j.ext.Jaxpr and inner.eqns[0].primitive is j.lax.sin_p
        assert [x is inner for x in j.ext.jaxprs_in_params(closed.eqns[0].params)] == [True]


def invert(j: Any, fun: Callable[..., Any]) -> Callable[..., Any]:
    """The inverse of a function by an interpreter that runs its program backwards."""
    inverses = {j.lax.exp_p: j.jnp.log, j.lax.tanh_p: j.jnp.arctanh, j.lax.neg_p: lambda x: -x}

    def run(jaxpr: Any, consts: Any, *values: Any) -> list[Any]:
        env = dict(zip(jaxpr.outvars, values, strict=True))
        env.update(zip(jaxpr.constvars, consts, strict=True))
        for eqn in reversed(jaxpr.eqns):
            outs = [env[v] for v in eqn.outvars]
            if eqn.primitive.name in ("jit", "pjit"):
                inner = eqn.params["jaxpr"]
                found = run(inner.jaxpr, inner.consts, *outs)
            elif eqn.primitive.name == "custom_jvp_call":
                inner = eqn.params["call_jaxpr"]
                found = run(inner.jaxpr, inner.consts, *outs)
            else:
                found = [inverses[eqn.primitive](*outs)]
            env.update(zip(eqn.invars, found, strict=True))
        return [env[v] for v in jaxpr.invars]

    def inverse(y: Any) -> Any:
        closed = j.root.make_jaxpr(fun)(y)
        return run(closed.jaxpr, closed.consts, y)[0]

    return inverse


def test_interpreter_inverse() -> None:
    for j in (OURS, THEIRS):
        fun = lambda x: j.root.jit(lambda x: j.jnp.exp(-x))(j.jnp.tanh(x))
        back = invert(j, fun)
        y = np.array([0.6, 1.0, 1.7])
        np.testing.assert_allclose(fun(back(y)), y, rtol=1e-14)
        np.testing.assert_allclose(j.root.jit(j.root.vmap(back))(y), back(y), rtol=1e-14)
        np.testing.assert_allclose(j.root.grad(back)(0.7), 1 / j.root.grad(fun)(float(back(0.7))), rtol=1e-12)


def rebind(j: Any, jaxpr: Any, consts: Any, *args: Any) -> list[Any]:
    """The evaluator of the tutorials: each equation is bound again."""
    env: dict[Any, Any] = {}
    read = lambda atom: atom.val if type(atom) is j.ext.Literal else env[atom]
    env.update(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        params = eqn.primitive.get_bind_params(eqn.params)
        out = eqn.primitive.bind(*map(read, eqn.invars), **params)
        env.update(zip(eqn.outvars, out if eqn.primitive.multiple_results else [out], strict=True))
    return [read(v) for v in jaxpr.outvars]


def controlled(j: Any, x: Any) -> Any:
    """Loops, branches, custom derivatives and calls."""

    @j.root.custom_jvp
    def cube(x: Any) -> Any:
        return x**3

    cube.defjvps(lambda g, ans, x: 3.0 * x**2 * g)

    @j.root.custom_vjp
    def scaled(x: Any) -> Any:
        return 2.0 * x

    scaled.defvjp(lambda x: (2.0 * x, None), lambda _, ct: (2.0 * ct,))
    y, ys = j.lax.scan(lambda c, t: (j.root.jit(cube)(c) * 0.5 + t, c), x, j.jnp.arange(3.0))
    z = j.lax.cond(y.sum() > 0, lambda v: j.jnp.sin(v), lambda v: v, y)
    w = j.lax.while_loop(lambda c: c.max() < 10, lambda c: c + 3, j.lax.stop_gradient(z))
    return scaled(z) + ys.sum(0) + w


@pytest.mark.parametrize("transform", ["eager", "jit", "vmap", "grad", "jit of grad"])
def test_interpreter_of_control_flow(transform: str) -> None:
    def interpreted(j: Any) -> Callable[..., Any]:
        def run(x: Any) -> Any:
            closed = j.root.make_jaxpr(partial(controlled, j))(x)
            return rebind(j, closed.jaxpr, closed.consts, x)[0]

        return run

    xs = np.stack([X, X + 1])
    if "grad" in transform:
        take = lambda j, f: lambda x: j.root.grad(lambda x: f(x).sum())(x)
    else:
        take = lambda j, f: f
    wrap = {"vmap": lambda j, f: j.root.vmap(f)}.get(transform, take)
    got, want = (
        (j.root.jit if "jit" in transform else lambda f: f)(wrap(j, interpreted(j)))(
            xs if transform == "vmap" else X
        )
        for j in (OURS, THEIRS)
    )
    assert_same(got, want)


# -- traces of libraries -----------------------------------------------------------------------------------


def counting(j: Any) -> Any:
    """A transformation that counts operations, by name, of what depends on its arguments."""

    class CountTracer(j.core.Tracer):
        def __init__(self, trace: Any, value: Any) -> None:
            super().__init__(
                trace, j.root.typeof(value) if hasattr(j.root, "typeof") else j.core.get_aval(value)
            )
            self.value = value

    class CountTrace(j.core.Trace):
        def __init__(self, parent: Any) -> None:
            super().__init__()
            self.parent_trace = parent
            self.counts: dict[str, int] = {}

        def process_primitive(self, primitive: Any, args: Any, params: Any) -> Any:
            values = [x.value if isinstance(x, CountTracer) and x._trace is self else x for x in args]
            if primitive.name in ("jit", "pjit"):
                with j.ext.set_current_trace(self):
                    return j.core.eval_jaxpr(params["jaxpr"].jaxpr, params["jaxpr"].consts, *args)
            self.counts[primitive.name] = self.counts.get(primitive.name, 0) + 1
            with j.ext.set_current_trace(self.parent_trace):
                out = primitive.bind(*values, **params)
            if primitive.multiple_results:
                return [CountTracer(self, y) for y in out]
            return CountTracer(self, out)

    def count(fun: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            with j.ext.take_current_trace() as parent:
                trace = CountTrace(parent)
                with j.ext.set_current_trace(trace):
                    out = fun(*[CountTracer(trace, x) for x in args])
                lower = lambda y: y.value if isinstance(y, CountTracer) else y
                return j.root.tree.map(lower, out), trace.counts

        return counted

    return count


def model(j: Any) -> Callable[..., Any]:
    return lambda x, y: (j.jnp.sin(x) * y + j.root.jit(lambda z: z * y)(x)).sum()


_COUNTED: dict[str, Callable[[Any, Any], Callable[..., Any]]] = {
    "alone": lambda j, count: count(model(j)),
    "of grad": lambda j, count: count(j.root.grad(model(j))),
    "of vmap": lambda j, count: count(j.root.vmap(model(j))),
    "of jvp": lambda j, count: count(lambda x, y: j.root.jvp(model(j), (x, y), (y, x))),
}


@pytest.mark.parametrize("name", _COUNTED)
@pytest.mark.usefixtures("jax_derivatives")
def test_counting_trace(name: str) -> None:
    (got, counts), (want, their_counts) = (_COUNTED[name](j, counting(j))(X, X + 1) for j in (OURS, THEIRS))
    assert_same(got, want)
    if name != "of grad":  # which holds operations on residuals in another order and number
        for operation in ("sin", "mul", "cos"):
            assert counts.get(operation) == their_counts.get(operation)
    assert counts["sin"] == 1


_AROUND: dict[str, Callable[[Any, Any], Callable[..., Any]]] = {
    "jit": lambda j, f: j.root.jit(f),
    "grad": lambda j, f: j.root.grad(f, (0, 1)),
    "vmap": lambda j, f: j.root.vmap(f),
    "jit of vmap of grad": lambda j, f: j.root.jit(j.root.vmap(j.root.grad(f))),
}


@pytest.mark.parametrize("name", _AROUND)
def test_counting_trace_inside(name: str) -> None:
    results = []
    for j in (OURS, THEIRS):
        counts: dict[str, int] = {}

        def fun(x: Any, y: Any, j: Any = j, counts: dict = counts) -> Any:
            out, found = counting(j)(model(j))(x, y)
            counts.update(found)
            return out

        results.append(_AROUND[name](j, fun)(X, X + 1))
        assert counts["sin"] == 1 and counts["mul"] == 2
    assert_same(*results)


def test_units_trace() -> None:
    """Values with units: a tracer that carries more than a value, nested in itself and in jit."""

    class UnitTracer(OURS.core.Tracer):
        __slots__ = ("unit", "value")

        def __init__(self, trace: Any, value: Any, unit: int) -> None:
            super().__init__(trace)
            self.value, self.unit = value, unit

        @property
        def aval(self) -> Any:
            return OURS.core.get_aval(self.value)

    class UnitTrace(OURS.core.Trace):
        def __init__(self, parent: Any) -> None:
            self.parent_trace = parent

        def process_primitive(self, primitive: Any, args: Any, params: Any) -> Any:
            mine = [isinstance(x, UnitTracer) and x._trace is self for x in args]
            values = [x.value if own else x for x, own in zip(args, mine, strict=True)]
            units = [x.unit if own else 0 for x, own in zip(args, mine, strict=True)]
            if primitive is OURS.lax.mul_p:
                unit = sum(units)
            elif primitive is OURS.lax.add_p and units[0] != units[1]:
                raise TypeError(f"cannot add values of units m^{units[0]} and m^{units[1]}")
            else:
                unit = units[0]
            return UnitTracer(self, primitive.bind(*values, **params), unit)

    def with_units(fun: Callable[..., Any], *units: int) -> Callable[..., Any]:
        def call(*xs: Any) -> Any:
            with OURS.ext.take_current_trace() as parent:
                trace = UnitTrace(parent)
                with OURS.ext.set_current_trace(trace):
                    out = fun(*[UnitTracer(trace, x, u) for x, u in zip(xs, units, strict=True)])
                units_out.append(out.unit)
                return out.value

        return call

    units_out: list[int] = []
    area = with_units(lambda x, y: x * y + x * x, 1, 1)
    assert_same(jitney.jit(area)(X, X), 2 * X * X)
    assert_same(jitney.grad(lambda x: area(x, x).sum())(X), 4 * X)
    assert_same(jitney.vmap(area, (0, None))(X, 2.0), 2 * X + X * X)
    inner = with_units(lambda x: x * area(x, x), 1)
    assert_same(inner(X), 2 * X**3)
    assert set(units_out[:3]) == {2}
    with pytest.raises(TypeError, match="m\\^1 and m\\^2"):
        with_units(lambda x, y: x + x * y, 1, 1)(1.0, 2.0)


def test_trace_without_rules() -> None:
    class Bare(OURS.core.Trace):
        pass

    with OURS.ext.set_current_trace(Bare()), pytest.raises(NotImplementedError, match="Bare"):
        jitney.lax.sin(1.0)
    assert float(jitney.lax.sin(0.0)) == 0.0


def test_current_trace() -> None:
    ext = OURS.ext
    state = ext.get_opaque_trace_state()
    seen = []

    def inside(x: Any) -> Any:
        seen.append(
            (
                ext.get_opaque_trace_state() == state,
                ext.unsafe_am_i_under_a_jit_DO_NOT_USE(),
                ext.unsafe_am_i_under_a_vmap_DO_NOT_USE(),
                OURS.core.is_concrete(x),
            )
        )
        with OURS.core.ensure_compile_time_eval():
            assert float(jitney.numpy.sin(0.0)) == 0.0
        return x

    inside(1.0)
    jitney.jit(inside)(1.0)
    jitney.vmap(inside)(X)
    jitney.jit(jitney.vmap(inside))(X)
    jitney.grad(inside)(1.0)
    assert seen == [
        (True, False, False, True),
        (False, True, False, False),
        (False, False, True, False),
        (False, True, True, False),
        (False, False, False, True),
    ]
    assert ext.get_opaque_trace_state() == state and repr(ext.find_top_trace([])) == "EvalTrace"
    with ext.take_current_trace() as trace:
        assert trace.process_primitive(jitney.lax.sin_p, (0.0,), {}) == 0.0
    assert float(jitney.lax.sin_p.bind_with_trace(trace, (0.0,), {})) == 0.0


def test_concrete_or_error() -> None:
    for j in (OURS, THEIRS):
        assert j.ext.concrete_or_error(int, 3.0) == 3
        assert j.root.grad(lambda x: x * j.ext.concrete_or_error(float, x))(2.0) == 2.0
        with pytest.raises(j.root.errors.ConcretizationTypeError, match="sizes must be known"):
            j.root.jit(lambda n: j.ext.concrete_or_error(int, n, "sizes must be known"))(3)


def test_types() -> None:
    for j in (OURS, THEIRS):
        aval = j.core.ShapedArray((3, 2), np.float32, weak_type=True)
        assert isinstance(aval, j.core.AbstractValue) and aval.update(shape=(2,)).shape == (2,)
        assert j.ext.mapped_aval(3, 0, aval).shape == (2,) and j.ext.unmapped_aval(4, 1, aval).shape == (
            3,
            4,
            2,
        )
        assert j.ext.unmapped_aval(4, None, aval) == aval
        assert [j.ext.valid_jaxtype(x) for x in (1.0, X, "s", None)] == [True, True, False, False]
        assert j.ext.primal_dtype_to_tangent_dtype(np.dtype(int)) == j.root.dtypes.float0
        assert (j.core.max_dim(2, 3), j.core.min_dim(2, 3)) == (3, 2)


def test_partial_evaluation() -> None:
    for j in (OURS, THEIRS):
        closed = j.root.make_jaxpr(lambda x, y: (j.jnp.sin(x), x * y, y + 1))(1.0, 2.0)
        small, used = j.pe.dce_jaxpr(closed.jaxpr, [True, False, False])
        assert used == [True, False] and len(small.eqns) == 1 and len(small.invars) == 1
        _, used = j.pe.dce_jaxpr(closed.jaxpr, [True, False, False], instantiate=True)
        assert used == [True, True]
        aval = j.core.ShapedArray((), np.float64)
        info = closed.jaxpr.debug_info
        fun = j.lu.wrap_init(lambda x, y: [x * 2, x * 3 * y], debug_info=info)
        jaxpr, out_avals, consts = j.pe.trace_to_jaxpr_dynamic(fun, [aval, aval])
        assert_same(j.core.eval_jaxpr(jaxpr, consts, 2.0, 3.0), [4.0, 18.0], weak=False)
        assert len(out_avals) == 2
        pvals = [j.pe.PartialVal.known(2.0), j.pe.PartialVal.unknown(aval)]
        fun = j.lu.wrap_init(lambda x, y: [x * 2, x * 3 * y], debug_info=info)
        jaxpr, out_pvals, consts = j.pe.trace_to_jaxpr_nounits(fun, pvals)
        assert [p.is_known() for p in out_pvals] == [True, False]
        assert out_pvals[0].get_known() == 4.0 and out_pvals[1].get_aval().shape == ()
        assert float(j.core.eval_jaxpr(jaxpr, consts, 5.0)[0]) == 30.0


def test_dce_rules() -> None:
    p = define(OURS, "pair", lambda x, y: [x * 2, y * 3], lambda x, y: [x, y], multiple_results=True)
    calls = []

    def rule(used: Any, eqn: Any) -> Any:
        calls.append(used)
        index = used.index(True)
        new = OURS.ext.new_jaxpr_eqn(
            [eqn.invars[index]], [eqn.outvars[index]], OURS.lax.neg_p, {}, OURS.ext.no_effects
        )
        return used, new

    OURS.pe.dce_rules[p] = rule
    closed = jitney.make_jaxpr(lambda x, y: p.bind(x, y))(1.0, 2.0)
    small, used = OURS.pe.dce_jaxpr(closed.jaxpr, [False, True])
    assert calls == [[False, True]] and used == [False, True] and small.eqns[0].primitive is OURS.lax.neg_p
    assert OURS.pe.dce_rules[p] is rule


# -- wrapped functions, flattening, vectors --------------------------------------------------------------------


def test_wrapped_functions() -> None:
    for j in (OURS, THEIRS):
        info = j.api_util.debug_info("test", lambda x, d: 0, (1, {"y": 2}), {})
        assert (info.traced_for, info.arg_names) == ("test", ("x", "d['y']"))
        wrapped = j.lu.wrap_init(lambda x, d: {"r": x + d["y"]}, debug_info=info)
        flat, tree = j.root.tree.flatten((1, {"y": 2}))
        fun, out_tree = j.api_util.flatten_fun_nokwargs(wrapped, tree)
        with pytest.raises(j.lu.StoreException):
            out_tree()
        assert fun.call_wrapped(*flat) == [3] and str(out_tree()) == "PyTreeDef({'r': *})"
        flat, tree = j.root.tree.flatten(((1,), {"d": {"y": 2}}))
        fun, out_tree = j.api_util.flatten_fun(wrapped, tree)
        assert fun.call_wrapped(*flat) == [3]
        part, given = j.api_util.argnums_partial(wrapped, 1, (10, {"y": 3}))
        assert part.call_wrapped(*given) == {"r": 13} and given == ({"y": 3},)
        with pytest.raises(ValueError):
            j.api_util.argnums_partial(wrapped, 5, (10, {"y": 3}))

        @j.lu.transformation2
        def plus(f: Any, c: Any, *args: Any) -> Any:
            return f(*args) + c

        @j.lu.transformation_with_aux2
        def noted(f: Any, store: Any, *args: Any) -> Any:
            store.store(len(args))
            return f(*args)

        plain = j.lu.wrap_init(lambda x: 2 * x, debug_info=info)
        fun, count = noted(plus(plain, 5))
        assert fun.call_wrapped(3) == 11 and count() == 1
        assert plus(plain, 5) == plus(plain, 5) != plus(plain, 6)
        calls = []

        @j.lu.cache
        def remembered(fun: Any, x: Any, calls: list = calls) -> Any:
            calls.append(x)
            return fun.call_wrapped(x)

        assert [remembered(plain, x) for x in (1, 1, 2)] == [2, 2, 4] and calls == [1, 2]


def test_generator_transformations() -> None:
    util = OURS.lu

    @util.transformation
    def doubled(*args: Any) -> Any:
        out = yield [2 * a for a in args], {}
        yield out + 1

    @util.transformation_with_aux
    def with_sum(c: Any, *args: Any) -> Any:
        out = yield [c * a for a in args], {}
        yield out, sum(args)

    fun = util.wrap_init(lambda x, y: x + y)
    assert doubled(fun).call_wrapped(1, 2) == 7
    inner, total = with_sum(fun, 10)
    assert inner.call_wrapped(1, 2) == 30 and total() == 3
    with pytest.raises(util.StoreException):
        inner.call_wrapped(1, 2)
    assert util.merge_linear_aux(total, lambda: util.Store().val) == (True, 3)
    failing = doubled(util.wrap_init(lambda *_: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        failing.call_wrapped(1)


def test_axes_and_donation() -> None:
    for j in (OURS, THEIRS):
        tree = j.root.tree.structure({"a": 1, "b": (1, 2)})
        assert j.api_util.flatten_axes("in_axes", tree, 0) == [0, 0, 0]
        assert j.api_util.flatten_axes("in_axes", tree, {"a": None, "b": 1}) == [None, 1, 1]
        with pytest.raises(ValueError, match="in_axes"):
            j.api_util.flatten_axes("in_axes", tree, {"a": 0, "c": 1})
        calls = j.root.tree.structure(((1, (2, 3)), {"k": 1, "l": 2}))
        assert j.api_util.donation_vector((0,), ("k",), calls) == (True, False, False, True, False)
        assert j.api_util.rebase_donate_argnums((2, 3), (0,)) == (1, 2)
        assert j.api_util.shaped_abstractify(np.ones(3, np.float32)).shape == (3,)
        assert j.api_util.safe_map(lambda x, y: x + y, [1, 2], [3, 4]) == [4, 6]


_TREES: dict[str, Any] = {
    "floats": {"a": np.ones((2, 2)), "b": (3.0,)},
    "mixed": [np.arange(2), 1.5, np.float32(2)],
    "integers": [1, np.arange(3)],
    "complex": [1j, True, np.ones(2)],
    "empty": {},
    "one": np.arange(6.0).reshape(2, 3),
    "no elements": [np.ones((0, 2)), np.ones(2)],
}


@pytest.mark.parametrize("name", _TREES)
def test_ravel(name: str) -> None:
    results = []
    for j in (OURS, THEIRS):
        flat, unravel = j.flatten_util.ravel_pytree(_TREES[name])
        results.append((flat, unravel(flat), unravel(flat * 2)))
    again = OURS.flatten_util.ravel_pytree(_TREES[name])[1]
    unravel = OURS.flatten_util.ravel_pytree(_TREES[name])[1]
    assert unravel == again and hash(unravel) == hash(again)
    assert_same(*results)


def test_ravel_in_transformations() -> None:
    def f(j: Any, tree: Any) -> Any:
        flat, unravel = j.flatten_util.ravel_pytree(tree)
        return (flat**2).sum() + unravel(flat * 3)["b"][0]

    for transform in (lambda j, f: f, lambda j, f: j.root.jit(f), lambda j, f: j.root.jit(j.root.grad(f))):
        assert_same(*[transform(j, partial(f, j))(_TREES["floats"]) for j in (OURS, THEIRS)])
    texts = []
    for j in (OURS, THEIRS):
        _, unravel = j.flatten_util.ravel_pytree((np.float32(1), np.ones((2, 2))))
        texts.append(str(j.root.make_jaxpr(unravel)(np.ones(5))))
        assert_same(j.root.vmap(unravel)(np.ones((3, 5)))[1], np.ones((3, 2, 2)))
    assert texts[0] == texts[1]


def test_ravel_misuse() -> None:
    for j in (OURS, THEIRS):
        flat, unravel = j.flatten_util.ravel_pytree([1, 2.0])
        with pytest.raises(TypeError):
            unravel(flat.astype(np.float32))
        with pytest.raises(ValueError):
            unravel(np.ones(3))
        with pytest.raises(TypeError):
            j.flatten_util.ravel_pytree(["text"])


@pytest.mark.parametrize("transform", ["eager", "jit", "vmap", "grad"])
def test_split(transform: str) -> None:
    def f(j: Any, x: Any) -> Any:
        a, b, c = j.lax.split(x, (1, 0, 2), axis=-1)
        return (a * c).sum() + b.sum()

    x = np.arange(6.0).reshape(2, 3)
    wrap = {
        "eager": lambda j, f: f,
        "jit": lambda j, f: j.root.jit(f),
        "vmap": lambda j, f: j.root.vmap(f),
        "grad": lambda j, f: j.root.jit(j.root.grad(f)),
    }[transform]
    assert_same(*[wrap(j, partial(f, j))(x) for j in (OURS, THEIRS)])


@pytest.mark.usefixtures("jax_derivatives")
def test_split_as_program_and_misuse() -> None:
    x = np.ones((4, 2))
    join = lambda j: lambda x, y: (j.jnp.concatenate([x, y, x], 1) ** 2).sum()
    programs: list[Callable[[Any], Any]] = [
        lambda j: j.root.make_jaxpr(lambda x: j.lax.split(x, [1, 3]))(x),
        lambda j: j.root.make_jaxpr(j.root.grad(join(j), (0, 1)))(x, x),
        lambda j: j.root.make_jaxpr(j.root.grad(join(j)))(x, x),
        lambda j: j.root.make_jaxpr(lambda *xs: j.flatten_util.ravel_pytree(xs)[0])(x, 3.0),
    ]
    for make in programs:
        assert str(make(OURS)) == str(make(THEIRS))
    for sizes, axis in (((1, 2), 0), ((2, 2), 2), ((5, -1), 0)):
        for j in (OURS, THEIRS):
            with pytest.raises(ValueError):
                j.lax.split(x, sizes, axis=axis)


def test_source_of_an_equation() -> None:
    from jitney.extend import source_info_util

    text = source_info_util.summarize(program(OURS).eqns[0].source_info)
    assert "test_extend.py" in text and source_info_util.summarize(None) == "unknown"
    assert "test_extend.py" in source_info_util.summarize(source_info_util.current())
