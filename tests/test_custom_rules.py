"""Derivatives by rules of the user's: custom_jvp, custom_vjp, custom_gradient, closure_convert, beside JAX."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_raises_alike, assert_same


def forward(lib: Any) -> Any:
    """A function whose forward rule is not its derivative, so that it shows which one was used."""

    @lib.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return lib.numpy.sin(x) * y

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        x, y = primals
        return f(x, y), tangents[0] * 3 * x**2 + tangents[1] * y * x

    return f


def backward(lib: Any) -> Any:
    @lib.custom_vjp
    def g(x: Any, y: Any) -> Any:
        return lib.numpy.sin(x) * y

    g.defvjp(lambda x, y: (g(x, y), (x, y)), lambda r, ct: (ct * r[0] * r[1], ct * r[1] ** 2))
    return g


def operands(lib: Any) -> tuple[Any, Any]:
    return lib.numpy.linspace(0.1, 0.9, 4), lib.numpy.linspace(1.0, 2.0, 4)


def reverse_cases(lib: Any, h: Any) -> dict[str, Any]:
    jnp, grad, jit, vmap = lib.numpy, lib.grad, lib.jit, lib.vmap
    x, y = operands(lib)
    s = lambda x, y: jnp.sum(h(x, y) ** 2)
    rows = lambda x, y: jnp.sum(vmap(h, (0, None))(x, y[1]) ** 2)
    table = lambda x, y: jnp.sum(vmap(vmap(h, (0, None)), (None, 0))(x, y) ** 2)
    return {
        "value": h(x, y),
        "grad": grad(s, (0, 1))(x, y),
        "jit of grad": jit(grad(s, (0, 1)))(x, y),
        "grad of vmap": grad(rows, (0, 1))(x, y),
        "grad of vmap of vmap": grad(table, (0, 1))(x, y),
        "grad of jit of vmap": grad(jit(rows), (0, 1))(x, y),
        "vmap of grad": vmap(grad(h, (0, 1)))(x, y),
        "vmap of vmap of grad": vmap(vmap(grad(h, (0, 1)), (0, None)), (None, 0))(x, y),
        "second": grad(lambda x, y: jnp.sum(grad(s)(x, y) * y), (0, 1))(x, y),
        "second, jit": jit(grad(lambda x, y: jnp.sum(jit(grad(s))(x, y) * y), (0, 1)))(x, y),
        "third": vmap(grad(grad(grad(h))))(x, y),
        "jacrev": lib.jacrev(h, (0, 1))(x, y),
        "vmap of jacrev": vmap(lib.jacrev(h, (0, 1)))(x[:, None], y[:, None]),
        "jacrev of jacrev": lib.jacrev(lib.jacrev(s))(x, y),
        "closure": vmap(lambda a: grad(lambda x: jnp.sum(vmap(h, (0, None))(x, a)))(x))(y),
    }


def forward_cases(lib: Any, h: Any) -> dict[str, Any]:
    x, y = operands(lib)
    s = lambda x, y: lib.numpy.sum(h(x, y) ** 2)
    return {
        "jacfwd": lib.jacfwd(h, (0, 1))(x, y),
        "jit of jacfwd": lib.jit(lib.jacfwd(h, (0, 1)))(x, y),
        "jacfwd of jacfwd": lib.jacfwd(lib.jacfwd(s))(x, y),
        "hessian": lib.hessian(s)(x, y),
        "linearize": lib.linearize(h, x, y)[1](y, x),
    }


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("make", [forward, backward])
def test_rules_under_transformations(make: Any, compiled: bool) -> None:
    def run(lib: Any) -> dict[str, Any]:
        h = lib.jit(make(lib)) if compiled else make(lib)
        return {**reverse_cases(lib, h), **(forward_cases(lib, h) if make is forward else {})}

    got, want = run(jitney), run(jax)
    for name in want:
        assert_same(got[name], want[name], what=name)


def both(fun: Any) -> Any:
    """``fun(lib)`` gives equal trees."""

    def test() -> None:
        assert_same(fun(jitney), fun(jax))

    test.__name__ = fun.__name__
    return test


def closing_jvp(lib: Any, a: Any) -> Any:
    k = lib.custom_jvp(lambda x: x * a)
    k.defjvp(lambda p, t: (k(*p), t[0] * a**2))
    return k


def closing_vjp(lib: Any, a: Any) -> Any:
    k = lib.custom_vjp(lambda x: x * a)
    k.defvjp(lambda x: (x * a, None), lambda _, ct: (ct * a**2,))
    return k


@both
def test_rules_that_close_over_traced_values(lib: Any) -> Any:
    _, y = operands(lib)
    jnp, grad, vmap = lib.numpy, lib.grad, lib.vmap
    over = lambda x: jnp.sum(vmap(lambda a: closing_jvp(lib, a)(x))(y))
    return [
        vmap(lambda a: grad(closing_jvp(lib, a))(2.0))(y),
        vmap(lambda a: grad(closing_vjp(lib, a))(2.0))(y),
        vmap(lambda a: closing_jvp(lib, a)(a))(y),
        grad(over)(2.0),
        lib.jit(grad(over))(2.0),
        vmap(grad(over))(y),
        lib.jit(lambda a: grad(closing_jvp(lib, a))(2.0))(3.0),
        lib.jit(lambda a: grad(closing_vjp(lib, a))(2.0))(3.0),
    ]


def test_backward_rule_that_closes_over_a_batched_value() -> None:
    y = jitney.numpy.linspace(1.0, 2.0, 4)
    over = lambda x: jitney.numpy.sum(jitney.vmap(lambda a: closing_vjp(jitney, a)(x))(y))
    assert_close(jitney.grad(over)(2.0), np.sum(np.asarray(y) ** 2))


@both
def test_trees_integers_and_none(lib: Any) -> Any:
    @lib.custom_vjp
    def f(d: Any, n: Any) -> Any:
        return {"a": d["x"] * n, "b": (d["y"] ** n, n)}

    f.defvjp(lambda d, n: (f(d, n), (d, n)), lambda r, ct: ({"x": ct["a"] * r[1], "y": None}, None))

    @lib.custom_jvp
    def u(x: Any, n: Any) -> Any:
        return x * n, n

    u.defjvp(lambda p, t: (u(*p), (t[0] * 7, t[1])))
    tree = {"x": 1.0, "y": 2.0}
    loss = lambda d, n=2: f(d, n)["a"] + f(d, 3)["b"][0]
    ints = lib.numpy.arange(3)
    return [
        lib.grad(loss)(tree),
        lib.jit(lib.grad(loss))(tree),
        lib.vmap(lib.grad(loss), (None, 0))(tree, ints),
        lib.grad(lambda x: u(x, 2)[0])(1.0),
        lib.jit(lib.grad(lambda x: u(x, 2)[0]))(1.0),
        lib.vmap(lib.grad(lambda x, n: u(x, n)[0]), (None, 0))(1.0, ints),
    ]


@both
def test_custom_gradient(lib: Any) -> Any:
    f = lib.custom_gradient(lambda x, y: (x * y, lambda ct: (ct * y * 5 * x * x, ct * x * x)))
    single = lib.custom_gradient(lambda x: (x**2, lambda ct: 3 * ct * x))
    x, y = operands(lib)
    both_args = lib.grad(f, (0, 1))
    return [
        f(2.0, 3.0),
        both_args(2.0, 3.0),
        lib.jit(both_args)(2.0, 3.0),
        lib.vmap(both_args)(x, y),
        lib.grad(lib.grad(f))(2.0, 3.0),
        lib.grad(single)(2.0),
        lib.grad(lib.jit(single))(2.0),
    ]


def is_zero(t: Any) -> bool:
    return type(t).__name__ == "SymbolicZero"


@both
def test_symbolic_zeros(lib: Any) -> Any:
    @lib.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return x + y

    def rule(primals: Any, tangents: Any) -> Any:
        assert all(is_zero(t) or t is not None for t in tangents)
        a, b = [0.0 if is_zero(t) else t for t in tangents]
        return f(*primals), 2 * a + (5.0 if is_zero(tangents[1]) else 3.0) * b

    f.defjvp(rule, symbolic_zeros=True)
    seen = []

    def fwd(x: Any, y: Any) -> Any:
        seen.append((x.perturbed, y.perturbed))
        return (x.value, y.value), (x.value, y.value)

    def bwd(residuals: Any, cts: Any) -> Any:
        seen.append(tuple(is_zero(ct) for ct in cts))
        return cts[0] * 4, None

    g = lib.custom_vjp(lambda x, y: (x, y))
    g.defvjp(fwd, bwd, symbolic_zeros=True)
    x, y = operands(lib)
    results = [
        lib.grad(f)(1.0, 2.0),
        lib.grad(f, (0, 1))(1.0, 2.0),
        lib.jit(lib.grad(f))(1.0, 2.0),
        lib.vmap(lib.grad(f))(x, y),
        lib.grad(lambda x: g(x, 2.0)[0])(1.0),
    ]
    assert seen == [(True, False), (False, True)]
    return results


@both
def test_arguments_by_name_defaults_and_nondiff(lib: Any) -> Any:
    def base(x: Any, n: Any = 3, scale: Any = 2.0) -> Any:
        return x * n * scale

    f = lib.custom_jvp(base, nondiff_argnums=(1,))
    f.defjvp(lambda n, p, t: (base(p[0], n, p[1]), 10 * n * t[0] + t[1]))
    g = lib.custom_jvp(base, nondiff_argnames=("n", "scale"))
    g.defjvp(lambda n, scale, p, t: (base(*p, n, scale), n * t[0]))
    h = lib.custom_vjp(lambda k, x: k(x), nondiff_argnums=(0,))
    h.defvjp(lambda k, x: (k(x), x), lambda k, x, ct: (ct * k(x),))
    return [
        f(1.0),
        f(scale=1.0, x=2.0),
        lib.grad(f)(2.0),
        lib.grad(f)(2.0, n=5),
        lib.grad(f, 1)(2.0, 5.0),
        lib.jit(lib.grad(f, (0, 2)))(2.0, 5.0, 1.0),
        lib.grad(g)(2.0),
        lib.grad(lib.jit(lambda x: h(lib.numpy.sin, x)))(2.0),
        lib.grad(h, 1)(lib.numpy.sin, 2.0),
    ]


def test_traced_nondiff_argument_inside_of_jit() -> None:
    f = jitney.custom_jvp(lambda x, n: x * n, nondiff_argnums=(1,))
    f.defjvp(lambda n, p, t: (p[0] * n, t[0] * n * 7))
    assert float(jitney.grad(jitney.jit(f))(2.0, 3.0)) == 21.0


@both
def test_defjvps(lib: Any) -> Any:
    f = lib.custom_jvp(lambda x, y: x * y)
    f.defjvps(lambda t, out, x, y: t * y + out, None)
    return [lib.grad(f, (0, 1))(2.0, 3.0), lib.jit(lib.grad(f, (0, 1)))(2.0, 3.0)]


@both
def test_python_control_flow_on_values(lib: Any) -> Any:
    f = lib.custom_jvp(lambda x: x if x > 0 else -x)
    f.defjvp(lambda p, t: (f(*p), t[0] if p[0] > 0 else -3 * t[0]))
    g = lib.custom_vjp(lambda x: x if x > 0 else -x)
    g.defvjp(lambda x: (g(x), x), lambda x, ct: (ct if x > 0 else -3 * ct,))
    return [lib.grad(f)(2.0), lib.grad(f)(-2.0), lib.grad(g)(2.0), lib.grad(g)(-2.0)]


@both
def test_closure_convert(lib: Any) -> Any:
    def loss(z: Any, k: Any) -> Any:
        converted, values = lib.closure_convert(lambda x: {"y": x["x"] * z + k}, {"x": 1.0})
        assert len(values) == 1
        return converted({"x": 3.0}, *values)["y"]

    return [lib.grad(loss)(2.0, 5), lib.jit(lib.grad(loss))(2.0, 5)]


def test_jaxprs() -> None:
    def texts(lib: Any) -> list[str]:
        f, g = forward(lib), backward(lib)
        c = lib.numpy.arange(3.0)
        nondiff = lib.custom_jvp(lambda x, n: x * n, nondiff_argnums=(1,))
        nondiff.defjvp(lambda n, p, t: (p[0], t[0]))
        show = lambda fun, *args: str(lib.make_jaxpr(fun)(*args))
        return [
            show(f, 1.0, 2.0),
            show(lib.grad(f), 1.0, 2.0),
            show(lib.vmap(f), c, c),
            show(lambda x, t: lib.jvp(f, (x, x), (t, t)), 1.0, 2.0),
            show(lambda x: f(x, c), 1.0),
            show(lambda z: closing_jvp(lib, z)(1.0), 2.0),
            show(nondiff, 2.0, 3.0),
            show(g, 1.0, 2.0),
            show(lib.grad(g), 1.0, 2.0),
            show(lib.vmap(g), c, c),
        ]

    for got, want in zip(texts(jitney), texts(jax), strict=True):
        assert got == want


def with_jvp(rule: Any) -> Any:
    def run(lib: Any) -> Any:
        f = lib.custom_jvp(lambda x, y: x * y)
        f.defjvp(lambda p, t: rule(lib, p, t))
        return lib.jvp(f, (1.0, 2.0), (1.0, 1.0))

    return run


@pytest.mark.parametrize(
    "rule",
    [
        lambda lib, p, t: p[0],
        lambda lib, p, t: (p[0],),
        lambda lib, p, t: (p[0], (t[0], t[1])),
        lambda lib, p, t: (p[0], None),
        lambda lib, p, t: (p[0], lib.numpy.ones(3)),
        lambda lib, p, t: (p[0], lib.numpy.float32(3)),
        lambda lib, p, t: (lib.numpy.int32(2), lib.numpy.int32(3)),
        lambda lib, p, t: (p[0], "a"),
    ],
)
def test_wrong_forward_rules(rule: Any) -> None:
    assert_raises_alike(with_jvp(rule), "Custom JVP rule", "function <lambda>")


def with_vjp(fwd: Any, bwd: Any, fun: Any = lambda x, y: x * y, call: Any = None) -> Any:
    def run(lib: Any) -> Any:
        f = lib.custom_vjp(fun)
        f.defvjp(fwd, lambda r, ct: bwd(lib, ct))
        return (call or lib.grad(f, (0, 1)))(1.0, 2.0)

    return run


@pytest.mark.parametrize(
    "fwd, bwd",
    [
        (lambda x, y: x * y, lambda lib, ct: (ct, ct)),
        (lambda x, y: (x * y, x, y), lambda lib, ct: (ct, ct)),
        (lambda x, y: (x * y, "a"), lambda lib, ct: (ct, ct)),
        (lambda x, y: (x * y, x), lambda lib, ct: ct),
        (lambda x, y: (x * y, x), lambda lib, ct: (ct,)),
        (lambda x, y: (x * y, x), lambda lib, ct: (ct, ct, ct)),
        (lambda x, y: (x * y, x), lambda lib, ct: (ct, (ct, ct))),
        (lambda x, y: (x * y, x), lambda lib, ct: (ct, lib.numpy.ones(3))),
        (lambda x, y: (x * y, x), lambda lib, ct: (ct, "a")),
    ],
)
def test_wrong_backward_rules(fwd: Any, bwd: Any) -> None:
    assert_raises_alike(with_vjp(fwd, bwd), "Custom VJP")


@pytest.mark.parametrize(
    "run",
    [
        lambda lib: lib.custom_jvp(lambda x: x)(1.0),
        lambda lib: lib.custom_vjp(lambda x: x)(1.0),
        lambda lib: forward(lib)(1.0, 2.0, 3.0),
        lambda lib: forward(lib)("a", 2.0),
        lambda lib: backward(lib)(x=1.0),
        lambda lib: lib.jvp(backward(lib), (1.0, 2.0), (1.0, 1.0)),
        lambda lib: lib.jit(lambda x: lib.jvp(backward(lib), (x, 2.0), (1.0, 1.0)))(1.0),
        lambda lib: lib.grad(lambda a: closing_jvp(lib, a)(1.0))(3.0),
        lambda lib: lib.grad(lambda a: closing_vjp(lib, a)(a))(3.0),
        lambda lib: lib.grad(lib.jit(lambda a: closing_vjp(lib, a)(a)))(3.0),
    ],
)
def test_misuse(run: Any) -> None:
    assert_raises_alike(run)


@both
def test_collectives_in_rules(lib: Any) -> Any:
    x = lib.numpy.arange(1.0, 4.0)
    psum = lambda x: lib.lax.psum(x, "i")
    f = lib.custom_vjp(lambda x: x * psum(x))
    f.defvjp(lambda x: (f(x), x), lambda r, ct: (psum(ct * r),))
    g = lib.custom_jvp(lambda x: x * psum(x))
    g.defjvp(lambda p, t: (g(*p), psum(p[0] * t[0])))
    mapped = lambda h: lambda x: lib.numpy.sum(lib.vmap(h, axis_name="i")(x))
    return [[lib.grad(mapped(h))(x), lib.jit(lib.grad(mapped(h)))(x)] for h in (f, g, lib.checkpoint(g))]


# -- batching rules -----------------------------------------------------------------------------------


def batching(lib: Any, rule: Any, fun: Any = lambda x, y: x * y) -> Any:
    importlib.import_module(f"{lib.__name__}.custom_batching")
    f = lib.custom_batching.custom_vmap(fun)
    f.def_vmap(rule)
    return f


@both
def test_custom_vmap(lib: Any) -> Any:
    jnp, vmap = lib.numpy, lib.vmap
    ones, twos = jnp.ones(3), jnp.full((3,), 2.0)
    seen = []

    def rule(size: int, batched: Any, x: Any, y: Any) -> Any:
        seen.append((size, batched))
        return x * y * 5, True

    f = batching(lib, rule)
    nested = batching(lib, lambda n, b, x, y: (jnp.sum(x) * y * 5, True))
    tree = batching(
        lib,
        lambda n, b, d: ({"z": d["x"][0] * 7}, {"z": b[0]["x"][0]}),
        lambda d: {"z": d["x"][0]},
    )
    again = batching(lib, lambda n, b, x, y: (again(x, y) + 1, True))
    results = [
        f(1.0, 2.0),
        vmap(f, (0, None))(ones, 2.0),
        vmap(lambda x: f(x, y=x))(ones),
        vmap(nested)(ones, twos),
        vmap(vmap(nested))(jnp.ones((2, 3)), jnp.ones((2, 3))),
        vmap(tree)({"x": (ones, ones), "y": twos}),
        vmap(again)(ones, twos),
        lib.jit(vmap(lib.jit(f)))(ones, twos),
        lib.jvp(f, (1.0, 2.0), (1.0, 1.0)),
        vmap(lambda x: lib.jvp(f, (x, 2.0), (1.0, 1.0)))(ones),
        lib.jvp(lambda x: vmap(f)(x, twos), (ones,), (ones,)),
        lib.grad(lambda x: jnp.sum(vmap(f)(x, twos)))(ones),
        lib.jit(lib.grad(lambda x: jnp.sum(vmap(f)(x, twos))))(ones),
    ]
    assert seen[0] == (3, [True, False])
    return results


@both
def test_sequential_vmap(lib: Any) -> Any:
    importlib.import_module(f"{lib.__name__}.custom_batching")
    f = lib.custom_batching.sequential_vmap(lambda x, y: x * y + 1)
    xs = lib.numpy.arange(3.0)
    return [lib.vmap(f, (0, None))(xs, 2.0), lib.jit(lib.vmap(f))(xs, xs), f(1.0, 2.0)]


def test_reverse_mode_of_custom_vmap() -> None:
    f = batching(jitney, lambda n, b, x, y: (x * y, True))
    assert float(jitney.grad(f)(2.0, 3.0)) == 3.0
    assert float(jitney.jit(jitney.grad(f))(2.0, 3.0)) == 3.0


@pytest.mark.parametrize(
    "rule",
    [
        lambda n, b, x, y: x,
        lambda n, b, x, y: (x, x, x),
        lambda n, b, x, y: ((x, x), (True, True)),
        lambda n, b, x, y: ((x, x), True),
        lambda n, b, x, y: (x, (True, True)),
        lambda n, b, x, y: ("a", True),
    ],
)
def test_wrong_batching_rules(rule: Any) -> None:
    assert_raises_alike(
        lambda lib: lib.vmap(batching(lib, rule))(lib.numpy.ones(3), lib.numpy.ones(3)), "rule"
    )


def test_missing_batching_rule() -> None:
    def run(lib: Any) -> Any:
        importlib.import_module(f"{lib.__name__}.custom_batching")
        return lib.custom_batching.custom_vmap(lambda x: x)(1.0)

    assert_raises_alike(run, "def_vmap")


def test_rules_get_arrays_and_booleans() -> None:
    """Numbers have a shape and a dtype in rules, whatever was passed; booleans stay Python's."""
    seen: dict[str, list[Any]] = {}

    def build(lib: Any) -> Any:
        here = seen.setdefault(lib.__name__, [])
        note = lambda *xs: here.append([x if type(x) is bool else (np.shape(x), str(x.dtype)) for x in xs])  # noqa: E731

        @lib.custom_vjp
        def f(x: Any, n: Any, flag: Any) -> Any:
            note(x, n, flag)
            return x * n

        def fwd(x: Any, n: Any, flag: Any) -> Any:
            note(x, n, flag)
            return x * n, (n, flag, np.ones(2), 3)

        def bwd(residuals: Any, g: Any) -> Any:
            note(*residuals, g)
            return g, None, None

        f.defvjp(fwd, bwd)

        @lib.custom_jvp
        def h(x: Any, n: Any) -> Any:
            note(x, n)
            return x * n

        @h.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            note(*primals, tangents[0])
            return h(*primals), tangents[0]

        f(1.0, 2, True)
        lib.grad(lambda x: f(x, 2, True))(1.0)
        lib.jit(lib.grad(lambda x: f(x, 2, True)))(1.0)
        lib.grad(lambda x: h(x, 2))(1.0)

    for lib in (jitney, jax):
        build(lib)
    assert seen["jitney"] == seen["jax"]
