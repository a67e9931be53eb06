"""Transformations (grad, jvp, vjp, linearize, Jacobians, vmap) and their compositions, against JAX."""

from __future__ import annotations

import itertools
from collections import namedtuple
from importlib import import_module
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_close, assert_raises_alike, assert_same, parity
from jitney import lax

X = np.array([0.3, -1.2, 2.0])
M = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
Point = namedtuple("Point", "x y")


# -- grad and value_and_grad ------------------------------------------------------------------------


@parity
def test_grad_of_a_scalar(j: Any) -> Any:
    return j.grad(lambda x: x**3 * j.numpy.sin(x))(2.0)


@parity
def test_grad_keeps_dtype(j: Any) -> Any:
    f = lambda x: j.numpy.sum(x**2)
    return [j.grad(f)(j.numpy.asarray(X, dtype)) for dtype in ("float64", "float32", "float16")]


@parity
def test_grad_argnums(j: Any) -> Any:
    f = lambda x, y, z: x * y**2 * z**3
    return [j.grad(f, argnums=n)(1.5, 2.0, 3.0) for n in (0, 1, 2, -1, (0,), (0, 2), [2, 1], (0, 1, 2))]


@parity
def test_grad_of_trees(j: Any) -> Any:
    def f(p: Any, q: Any) -> Any:
        return p["a"] * q.x + j.numpy.sum(p["b"][0]) * q.y + p["b"][1]

    p = {"b": [X, 2.0, None], "a": 3.0}
    return j.value_and_grad(f, argnums=(0, 1))(p, Point(1.5, 2.5))


@parity
def test_has_aux(j: Any) -> Any:
    f = lambda x: (j.numpy.sum(x**2), {"twice": 2 * x, "n": 3})
    g = lambda x: j.numpy.sum(j.grad(f, has_aux=True)(x)[1]["twice"] * j.grad(f, has_aux=True)(x)[0])
    twice = lambda x: (g(x), j.jacfwd(f, has_aux=True)(x)[1])
    return (
        j.grad(f, has_aux=True)(X),
        j.value_and_grad(f, has_aux=True)(X),
        j.grad(g)(X),
        j.grad(twice, has_aux=True)(X),
    )


@parity
def test_keyword_arguments_pass_through(j: Any) -> Any:
    f = lambda x, *, scale, shift=0.0: scale * x**2 + shift
    return j.grad(f)(3.0, scale=2.0), j.value_and_grad(f)(3.0, scale=2.0, shift=1.0)


@parity
def test_unused_and_constant(j: Any) -> Any:
    return (
        j.grad(lambda x, y: x * 2.0, argnums=1)(1.0, 2.0),
        j.grad(lambda x: 3.0)(1.0),
        j.grad(lambda x: x)(1.0),
    )


@parity
def test_holomorphic(j: Any) -> Any:
    f = lambda z: j.numpy.sin(z) * z**2
    return j.grad(f, holomorphic=True)(1.0 + 2.0j)


@parity(weak=False)
def test_real_function_of_complex(j: Any) -> Any:
    f = lambda z: j.numpy.sum(j.numpy.abs(z * z) + j.numpy.real(z) * j.numpy.imag(z))
    return j.grad(f)(1.0 + 2.0j), j.grad(f)(np.array([1j, 2.0 - 1j])), j.jacrev(f)(1.0 + 2.0j)


@parity(weak=False)
def test_real_function_of_complex_parts(j: Any) -> Any:
    def f(x: Any) -> Any:
        z = j.lax.complex(x, 2 * x)
        return j.numpy.abs(z * z)

    return j.grad(f)(1.5)


@parity
def test_grad_through_branches(j: Any) -> Any:
    def f(x: Any) -> Any:
        if x > 3:
            return 3 * x**2
        total = 0.0
        while total < 2:
            total = total + x**2
        return total

    return [j.grad(f)(x) for x in (4.0, 2.0, 0.5)]


@parity
def test_grad_through_loops_and_conversions(j: Any) -> Any:
    def f(x: Any) -> Any:
        total = x
        for i in range(int(x)):
            total = total * x + i
        return total

    return j.grad(f)(3.7)


@parity
def test_repeated_grad(j: Any) -> Any:
    f, out = lambda x: j.numpy.exp(j.numpy.sin(x)) / x, []
    for _ in range(4):
        f = j.grad(f)
        out.append(f(0.7))
    return out


@parity
def test_perturbation_confusion(j: Any) -> Any:
    inner = lambda x: j.grad(lambda y: x + y)(1.0)
    product = lambda x: x * j.grad(lambda y: x * y)(2.0)
    forward = lambda x: x * j.jvp(lambda y: x + y, (1.0,), (1.0,))[1]
    return j.grad(lambda x: x * inner(x))(1.0), j.grad(product)(3.0), j.grad(forward)(1.0)


@parity
def test_closures_over_tracers(j: Any) -> Any:
    def f(x: Any) -> Any:
        scale = j.numpy.sin(x)
        return j.numpy.sum(j.vmap(lambda y: y * scale)(j.numpy.asarray(X)) ** 2) + j.jit(lambda y: y * scale)(
            2.0
        )

    return j.grad(f)(0.4), j.jit(j.grad(f))(0.4), j.grad(j.grad(f))(0.4)


@parity
def test_allow_int_gives_float0(j: Any) -> Any:
    f = lambda n, x: x**2 * n
    gn, gx = j.grad(f, argnums=(0, 1), allow_int=True)(np.array([1, 2])[0], 3.0)
    return [np.asarray(gn).dtype.names is not None, gx]


@parity
def test_integer_inside(j: Any) -> Any:
    f = lambda x: x * j.numpy.floor(x).astype(int).astype(float) + j.numpy.sum(j.numpy.arange(3) * x)
    return j.grad(f)(2.5)


@parity
def test_stop_gradient(j: Any) -> Any:
    return j.grad(lambda x: x * j.lax.stop_gradient(x**2))(3.0), j.jacfwd(
        lambda x: j.lax.stop_gradient(x) * x
    )(2.0)


@parity
def test_second_derivatives_stop_too(j: Any) -> Any:
    f = lambda x: j.lax.stop_gradient(x) * x * x
    return j.grad(j.grad(f))(3.0), j.hessian(f)(3.0), j.jit(j.jacfwd(j.jacfwd(f)))(3.0)


@parity
def test_grad_of_numpy_scalars_and_arrays(j: Any) -> Any:
    f = lambda x: (x * x).sum()
    return j.grad(f)(np.float64(2.0)), j.grad(f)(np.float32(2.0)), j.grad(f)(np.array(2.0)), j.grad(f)(X)


# -- jvp, vjp, linearize ------------------------------------------------------------------------------


@parity
def test_jvp(j: Any) -> Any:
    f = lambda x, y: {"p": x * y, "q": (j.numpy.sin(x), 3.0)}
    return j.jvp(f, (2.0, 3.0), (1.0, 0.5)), j.jvp(f, [X, X], [X, 2 * X])


@parity
def test_jvp_has_aux(j: Any) -> Any:
    return j.jvp(lambda x: (x**2, x + 1), (3.0,), (1.0,), has_aux=True)


@parity
def test_jvp_of_integers(j: Any) -> Any:
    zero = np.zeros((), jax.dtypes.float0)
    y, t = j.jvp(lambda n, x: n * x, (np.array(3), 2.0), (zero, 1.0))
    n, tn = j.jvp(lambda x: j.numpy.floor(x).astype(int), (2.5,), (1.0,))
    return y, t, n, tn.dtype.names is not None


@parity
def test_vjp(j: Any) -> Any:
    y, pull = j.vjp(lambda p: [p["a"] * p["b"], p["a"]], {"a": X, "b": 2.0})
    return y, pull([X, 2 * X]), pull([0 * X, X])


@parity
def test_vjp_has_aux(j: Any) -> Any:
    y, pull, aux = j.vjp(lambda x: (x**2, {"x": x}), 3.0, has_aux=True)
    return y, pull(1.0), aux


@parity
def test_vjp_of_no_dependence(j: Any) -> Any:
    y, pull = j.vjp(lambda x, y: (x, 2.0), 3.0, X)
    return y, pull((1.0, 1.0))


@parity
def test_linearize(j: Any) -> Any:
    y, push = j.linearize(lambda x, z: j.numpy.sin(x) * z, X, 2.0)
    return y, push(X, 1.0), push(2 * X, 0.0)


@parity
def test_complex_vjp(j: Any) -> Any:
    z = np.array([1 + 2j, -0.5 + 1j])
    y, pull = j.vjp(lambda z: z * j.numpy.conj(z) + j.numpy.exp(z), z)
    return y, pull(np.array([1j, 2 - 1j])), j.jvp(lambda z: j.numpy.abs(z), (z,), (1j * z,))


# -- Jacobians and Hessians ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jacfwd", "jacrev", "jacobian", "hessian"])
def test_jacobians_of_trees(name: str) -> None:
    def run(j: Any) -> Any:
        def f(p: Any, s: Any) -> Any:
            return {"u": j.numpy.sin(p["x"]) * s, "v": (j.numpy.sum(p["x"] * p["m"]), p["m"] ** 2)}

        derive = getattr(j, name)
        return (
            j.jit(derive(f, argnums=(0, 1)))({"x": X, "m": M}, 2.0),
            j.jit(derive(f, 1))({"x": X, "m": M}, 2.0),
        )

    assert_same(run(jitney), run(jax), weak=False)


@parity
def test_jacobian_of_scalars(j: Any) -> Any:
    return [derive(lambda x: x**2)(3.0) for derive in (j.jacfwd, j.jacrev, j.hessian)]


@parity
def test_jacobian_has_aux(j: Any) -> Any:
    f = lambda x: (x**2, {"sum": j.numpy.sum(x)})
    return [derive(f, has_aux=True)(X) for derive in (j.jacfwd, j.jacrev)]


@parity
def test_jacobian_holomorphic(j: Any) -> Any:
    z = np.array([1 + 2j, -0.5 + 1j])
    return [derive(lambda z: z**2, holomorphic=True)(z) for derive in (j.jacfwd, j.jacrev)]


@parity
def test_hessian_of_rosenbrock(j: Any) -> Any:
    f = lambda x: j.numpy.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return j.hessian(f)(X), j.jit(j.hessian(f))(X), j.jacrev(j.jacrev(f))(X), j.jacfwd(j.jacfwd(f))(X)


@parity
def test_jacobian_of_empty(j: Any) -> Any:
    return j.jacfwd(lambda x: x * 2)(np.zeros(0)), j.jacrev(lambda x: x * 2)(np.zeros((2, 0)))


# -- vmap ------------------------------------------------------------------------------------------------

TALL = np.arange(12.0).reshape(4, 3)


@parity
def test_vmap_axes(j: Any) -> Any:
    dot = lambda x, y: j.numpy.dot(x, y)
    return (
        j.vmap(dot)(TALL, 2 * TALL),
        j.vmap(dot, in_axes=(0, None))(TALL, X),
        j.vmap(dot, in_axes=(None, -1))(X, TALL.T),
        j.vmap(dot, (0, 1))(TALL, TALL.T),
        j.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(TALL),
        j.vmap(lambda x: (x, x[0], 1.0), out_axes=(1, 0, None))(TALL),
        j.vmap(lambda x: x, out_axes=-1)(TALL),
    )


@parity
def test_vmap_axes_trees(j: Any) -> Any:
    f = lambda p, y: {"s": j.numpy.sum(p["a"]) + p["b"], "y": y}
    p = {"a": TALL, "b": np.arange(4.0)}
    return (
        j.vmap(f, in_axes=({"a": 0, "b": None}, None))(p | {"b": 2.0}, X),
        j.vmap(f, in_axes=({"a": 0, "b": 0}, 0), out_axes={"s": 0, "y": 1})(p, TALL),
        j.vmap(f, in_axes=(0, None), out_axes={"s": 0, "y": None})(p, X),
        j.vmap(lambda xs: xs[0] * xs[1], in_axes=([0, None],))([TALL, X]),
    )


@parity
def test_vmap_keywords_and_size(j: Any) -> Any:
    f = lambda x, *, y: x + y
    return (
        j.vmap(f)(np.arange(4.0), y=np.arange(4.0)),
        j.vmap(lambda: 1.0, axis_size=3)(),
        j.vmap(lambda x: x, None, axis_size=2)(X),
    )


@parity
def test_vmap_unbatched_outputs(j: Any) -> Any:
    return j.vmap(lambda x: (3.0, X, x))(TALL), j.vmap(lambda x: None)(TALL)


@parity
def test_nested_vmap(j: Any) -> Any:
    outer = lambda f: j.vmap(j.vmap(f, (None, 0)), (0, None))
    cube = np.arange(24.0).reshape(2, 3, 4)
    return (
        outer(lambda x, y: x * y + 1)(X, np.arange(4.0)),
        j.vmap(j.vmap(j.vmap(lambda x: x**2)))(cube),
        j.vmap(j.vmap(j.numpy.sum, in_axes=1), in_axes=2)(cube),
        j.vmap(j.vmap(lambda x, y: j.numpy.dot(x, y), (1, None), 0), (2, 0), 1)(
            cube.transpose(0, 1, 2), np.ones((4, 2))
        ),
    )


@parity
def test_vmap_of_size_one_and_zero(j: Any) -> Any:
    return j.vmap(lambda x: x.sum())(np.ones((1, 3))), j.vmap(lambda x: x * 2)(np.ones((0, 3)))


@parity
def test_vmap_of_statistics(j: Any) -> Any:
    f = lambda x: {
        "mean": j.numpy.mean(x),
        "std": j.numpy.std(x),
        "max": x.max(),
        "norm": (x - x.mean()) / x.std(),
    }
    return j.vmap(f)(TALL), j.jit(j.vmap(f))(TALL)


# -- compositions ---------------------------------------------------------------------------------------


def _energy(j: Any) -> Any:
    def energy(x: Any, w: Any) -> Any:
        return j.numpy.sum(j.numpy.tanh(w * x) ** 2) + j.numpy.log(1 + x[0] ** 2) * j.numpy.max(x)

    return energy


def _compose(j: Any, names: tuple[str, ...]) -> Any:
    """The transformations applied from the inside out; vmap maps one more leading axis of x."""
    f = _energy(j)
    for name in names:
        if name == "vmap":
            f = j.vmap(f, in_axes=(0, None))
        elif name == "grad":
            inner = f
            f = j.grad(lambda x, w, inner=inner: j.numpy.sum(inner(x, w) * 1.0))
        else:
            f = j.jit(f)
    return f


@pytest.mark.parametrize(
    "names",
    list(itertools.permutations(("grad", "vmap", "jit")))
    + [
        ("grad", "grad"),
        ("vmap", "vmap"),
        ("grad", "jit", "grad"),
        ("jit", "grad", "jit", "vmap", "jit"),
        ("vmap", "grad", "grad"),
        ("jit", "vmap", "grad", "vmap"),
        ("grad", "vmap", "grad", "jit"),
        ("vmap", "jit", "vmap"),
    ],
    ids="-".join,
)
def test_orders(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3)[-1 - names.count("vmap") :])
    assert_same(_compose(jitney, names)(x, X), _compose(jax, names)(x, X), 1e-11)


@parity
def test_jvp_of_vjp_of_vmap_of_jit(j: Any) -> Any:
    inner = j.vmap(j.jit(lambda x: j.numpy.sin(x) * x), in_axes=1)
    pulled = lambda x: j.vjp(inner, x)[1](j.numpy.ones((3, 4)))[0]
    return j.jvp(pulled, (TALL / 5,), (TALL,)), j.jit(lambda x: j.jvp(pulled, (x,), (x,)))(TALL / 5)


@parity
def test_jit_with_unknown_and_known_outputs(j: Any) -> Any:
    """Partial evaluation of a jit: one output depends on the tangent, one does not."""
    inner = j.jit(lambda x, y: (x * 2, y * 3, x * y, 5.0))
    f = lambda x, y: sum(inner(x, y)) * inner(y, x)[2]
    return (
        j.grad(f)(2.0, 3.0),
        j.grad(f, (0, 1))(2.0, 3.0),
        j.grad(j.grad(f), 1)(2.0, 3.0),
        j.linearize(f, 2.0, 3.0)[1](1.0, 1.0),
    )


@parity
def test_jit_of_grad_of_nested_jits(j: Any) -> Any:
    a = j.jit(lambda x: x**2)
    b = j.jit(lambda x: j.numpy.sum(a(x) + a(2 * x)))
    return j.jit(j.grad(lambda x: b(a(x))))(X), j.hessian(b)(X), j.vmap(j.grad(b))(TALL)


@parity
def test_vmap_of_jit_closing_over_a_batched_value(j: Any) -> Any:
    def f(x: Any) -> Any:
        return j.jit(lambda y: x * y + j.numpy.sum(x))(2.0)

    return j.vmap(f)(TALL), j.jit(j.vmap(f))(TALL), j.vmap(j.grad(lambda x: f(x).sum()))(TALL)


@parity
def test_linear_functions_called_many_times(j: Any) -> Any:
    _, push = j.linearize(lambda x: j.numpy.cumsum(x**2), X)
    return j.vmap(push)(np.eye(3)), j.jit(push)(X), j.vmap(j.vjp(lambda x: x * x[0], X)[1])(np.eye(3))


def test_value_and_grad_evaluates_once() -> None:
    calls = []
    jitney.value_and_grad(lambda x: (calls.append(1), x**2)[1])(2.0)
    assert len(calls) == 1


def test_gradients_are_arrays() -> None:
    for g in (
        jitney.grad(lambda x: x**2)(2.0),
        jitney.grad(lambda x: 3.0)(2.0),
        jitney.jvp(jnp.sin, (1.0,), (1.0,))[1],
    ):
        assert type(g) is type(jnp.ones(1))
    assert jitney.vmap(lambda x: 1.0)(X).shape == (3,)


def test_deep_chain_does_not_recurse() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = lax.mul(x, 1.0001)
        return x

    assert_close(jitney.grad(f)(1.0), 1.0001**3000, 1e-10)


def test_second_call_of_a_pullback() -> None:
    _, pull = jitney.vjp(lambda x: jnp.sum(x**2), X)
    assert_close(pull(1.0)[0], 2 * X)
    assert_close(pull(2.0)[0], 4 * X)


# -- corners: where rules of derivatives, types and batching are easily wrong -----------------------------

GRID = np.linspace(-1, 2, 6).reshape(2, 3)

# fmt: off
_CORNERS: dict[str, Any] = {
    'grad of norm at 0': lambda j: j.grad(lambda x: j.numpy.sqrt(j.numpy.sum(x**2)))(np.zeros(3)),
    'where trick': lambda j: j.grad(lambda x: j.numpy.where(x>0, j.numpy.log(x), 0.))(-1.0),
    'grad abs 0': lambda j: j.grad(j.numpy.abs)(0.0),
    'grad max tie': lambda j: j.grad(lambda x: j.numpy.max(x))(np.array([1.,1.,0.])),
    'grad relu 0': lambda j: j.grad(lambda x: j.numpy.maximum(x,0))(0.0),
    'grad pow 0': lambda j: [j.grad(lambda x: x**p)(0.0) for p in (0,1,2,3)],
    'grad pow float 0': lambda j: [j.grad(lambda x: x**p)(0.0) for p in (1.0,2.0,2.5)],
    'grad x**y both': lambda j: j.grad(lambda x,y: x**y,(0,1))(2.0,3.0),
    'grad x**y zero': lambda j: j.grad(lambda x,y: x**y,(0,1))(0.0,3.0),
    'grad prod zeros': lambda j: j.grad(lambda x: j.numpy.prod(x))(np.array([0.,2.,3.])),
    'grad std': lambda j: j.grad(lambda x: j.numpy.std(x))(GRID),
    'hess std': lambda j: j.hessian(lambda x: j.numpy.std(x))(GRID[0]),
    'grad sort': lambda j: j.grad(lambda x: j.numpy.sum(j.numpy.sort(x)*np.arange(3)))(GRID[0]),
    'grad cumsum': lambda j: j.grad(lambda x: j.numpy.sum(j.lax.cumsum(x)**2))(GRID[0]),
    'grad clip': lambda j: j.grad(lambda x: j.numpy.sum(j.numpy.clip(x,0.,1.)))(np.array([0.,.5,1.,2.])),
    'grad mod': lambda j: j.grad(lambda x: x % 3.0)(7.5),
    'grad round': lambda j: j.grad(lambda x: j.numpy.round(x)*x)(7.4),
    'grad int index': lambda j: j.grad(lambda x: x[1]*x[-1])(GRID[0]),
    'grad at': lambda j: j.grad(lambda x: (x.at[0].set(5.)*x).sum())(j.numpy.asarray(GRID[0])),
    'grad at mul': lambda j: j.grad(lambda x: (x.at[0].multiply(x[1])).sum())(j.numpy.asarray(GRID[0])),
    'grad linspace': lambda j: j.grad(lambda a: j.numpy.sum(j.numpy.linspace(0,a,5)**2))(2.0),
    'grad einsum': lambda j: j.grad(lambda x: j.numpy.einsum('ij,kj,ik->', x, x, x@x.T))(GRID),
    'grad of f32': lambda j: j.grad(lambda x: (x.astype('float64')**2).sum())(GRID.astype('f4')),
    'grad of bf16': lambda j: j.grad(lambda x: (x*x).sum())(j.numpy.asarray(GRID,'bfloat16')),
    'vmap at': lambda j: j.vmap(lambda x,i: x.at[i].add(1.))(j.numpy.asarray(GRID), np.array([0,2])),
    'vmap index': lambda j: j.vmap(lambda x,i: x[i])(j.numpy.asarray(GRID), np.array([0,2])),
    'vmap index none': lambda j: j.vmap(lambda x,i: x[i], (None,0))(j.numpy.asarray(GRID), np.array([0,1])),
    'vmap where': lambda j: j.vmap(lambda c,x: j.numpy.where(c,x,0.))(np.array([True,False]), GRID),
    'vmap dyn slice': lambda j: j.vmap(lambda x,i: j.lax.dynamic_slice(x,(i,),(2,)))(GRID, np.array([0,1])),
    'jit arg same twice': lambda j: (lambda a: j.jit(lambda x,y: x+y)(a,a))(GRID),
    'jit list out': lambda j: j.jit(lambda x: [x, [x]])(GRID),
    'jit bool': lambda j: j.jit(lambda x, f: j.numpy.where(f, x, -x))(GRID, True),
    'norm': lambda j: j.grad(lambda m, s: import_module(j.__name__ + '.scipy.stats').norm.logpdf(GRID, m, s).sum(), (0, 1))(0.5, 2.0),
    'complex grad': lambda j: j.grad(lambda x: j.numpy.abs(2 + j.numpy.exp(1j*x)).sum())(GRID),
    'complex jac': lambda j: j.jacfwd(lambda x: j.numpy.exp(1j*x), holomorphic=False)(GRID[0]) ,
    'vjp complex out': lambda j: j.vjp(lambda x: j.numpy.exp(1j*x), GRID[0])[1](np.ones(3)+0j),
    'jvp of jit static': lambda j: j.jvp(lambda x: j.jit(lambda x, n: x**n, static_argnums=1)(x, 3), (2.0,), (1.0,)),
    'vmap jit static': lambda j: j.vmap(lambda x: j.jit(lambda x, n: x**n, static_argnums=1)(x, 3))(GRID),
    'grad kwargs': lambda j: j.grad(lambda x, *a, **k: x*a[0]*k['z'])(2.0, 3.0, z=4.0),
    'empty grad tree': lambda j: j.grad(lambda p: 1.0)({}),
    'vmap out None tree': lambda j: j.vmap(lambda x: {'a': x, 'b': None})(GRID),
    'closure const out of vmap': lambda j: j.vmap(lambda x: j.numpy.ones(2))(GRID),
    'vmap random fn': lambda j: j.vmap(lambda x: (j.numpy.linspace(0,1,3)*x[:, None]).sum(0))(GRID),
    'second jit in grad w/ aux': lambda j: j.grad(lambda x: j.jit(lambda x: (x**2, {'a': x*3, 'n': 2}))(x), has_aux=True)(2.0),
    'int args': lambda j: j.jit(lambda n: (n//2, n%2, -n, n/2, n**2, n<<1, 7-n))(5),
    'uint': lambda j: j.jit(lambda n: (n-10, n//3, n*2, -n, n.astype(int)))(np.array([1,2,200],np.uint8)),
    'int8 overflow': lambda j: j.jit(lambda n: (n+100, n*n))(np.array([100,-100],np.int8)),
    'shape polymorph': lambda j: [j.jit(lambda x: x.reshape(x.shape[0],-1).sum(1))(np.ones(s)) for s in ((2,3),(4,2,3))],
    'hash key': lambda j: j.tree.map(lambda v: v+1, {'b': GRID, 'a': (1,2.)}),
    'f16': lambda j: j.jit(lambda x: j.numpy.exp(x).sum())(GRID.astype('f2')),
    'bf16': lambda j: j.jit(lambda x: (x*x+1, j.numpy.sin(x), x.sum()))(j.numpy.asarray(GRID,'bfloat16')),
    'c64': lambda j: j.jit(lambda x: (x*x+1, j.numpy.sin(x), x.sum(), abs(x), x.conj().real))(GRID.astype('c8')),
    'bool sum': lambda j: j.jit(lambda x: ((x>0).sum(), (x>0).mean(), (x>0).any(0), (x > 0).astype(float)))(GRID),
    'scalar bool ops': lambda j: j.jit(lambda a, b: (a & b, a | b, ~a, a ^ b, a + b, a * b))(True, False),
    'div by zero': lambda j: j.jit(lambda x: (x/0, 0/x*0, x//0, x%0))(GRID),
    'int div zero': lambda j: j.jit(lambda x: (x//0, x%0))(np.array([1,-1,0])),
    'nan cmp': lambda j: j.jit(lambda x: (x==x, x<1, j.numpy.maximum(x,0.), j.numpy.fmax(x,0.), j.numpy.sign(x), j.numpy.argmax(x)))(np.array([np.nan,1.,-1.])),
    'inf math': lambda j: j.jit(lambda x: (j.numpy.exp(x), j.numpy.log(x), j.numpy.sqrt(x), j.numpy.sin(x), j.numpy.tanh(x), j.numpy.log1p(x), x**2, x**-1, x**0.5))(np.array([np.inf,-np.inf,np.nan,0.,-0.])),
}
# fmt: on


@pytest.mark.parametrize("name", _CORNERS)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("jax_derivatives")
def test_corner(name: str) -> None:
    assert_same(_CORNERS[name](jitney), _CORNERS[name](jax), 1e-11, weak=False)


# -- misuse -------------------------------------------------------------------------------------------

_MISUSE = {
    "grad of integer": (lambda j: j.grad(lambda x: x**2)(3), "int64", "x"),
    "grad of bool": (lambda j: j.grad(lambda flag: 1.0 * flag)(True), "bool"),
    "jacfwd of complex": (lambda j: j.jacfwd(lambda z: j.numpy.abs(z))(1j), "complex", "holomorphic"),
    "jacrev to complex": (lambda j: j.jacrev(lambda z: z * 2)(1j), "complex"),
    "grad of vector": (lambda j: j.grad(lambda x: x)(X), "scalar-output", "(3,)"),
    "grad of tuple": (lambda j: j.grad(lambda x: (x, x))(1.0), "scalar-output"),
    "grad of None": (lambda j: j.grad(lambda x: None)(1.0),),
    "grad to complex": (lambda j: j.grad(lambda x: x * 1j)(1.0), "real-valued outputs"),
    "grad to int": (lambda j: j.grad(lambda x: 3)(1.0), "int64"),
    "grad of text": (lambda j: j.grad(lambda x: x)("a"), "str"),
    "grad argnums": (lambda j: j.grad(lambda x: x, argnums=2)(1.0), "argnums=2"),
    "grad has_aux": (lambda j: j.grad(lambda x: x, has_aux=True)(1.0), "pair"),
    "grad of no function": (lambda j: j.grad(3)(1.0), "3"),
    "grad without arguments": (lambda j: j.grad(lambda: 1.0)(),),
    "holomorphic real": (lambda j: j.grad(lambda x: x, holomorphic=True)(1.0), "complex"),
    "jvp structure": (lambda j: j.jvp(lambda x: x, (1.0,), (1.0, 2.0)), "structure"),
    "jvp shape": (lambda j: j.jvp(lambda x: x, (X,), (X[:2],)), "(3,)", "(2,)"),
    "jvp dtype": (lambda j: j.jvp(lambda x: x, (1.0,), (1,)), "float64", "int64"),
    "jvp not tuples": (lambda j: j.jvp(lambda x: x, 1.0, 1.0), "tuples"),
    "vjp structure": (lambda j: j.vjp(lambda x: (x, x), 1.0)[1](1.0), "structure"),
    "vjp shape": (lambda j: j.vjp(lambda x: x, X)[1](X[:2]), "f64[3]"),
    "vjp dtype": (lambda j: j.vjp(lambda x: x, X)[1](X.astype("f4")), "f32[3]"),
    "linearize structure": (lambda j: j.linearize(lambda x: x, 1.0)[1](1.0, 2.0),),
    "jacfwd of integer": (lambda j: j.jacfwd(lambda x: x * 2.0)(3), "int64"),
    "jacrev of integer": (lambda j: j.jacrev(lambda x: x * 2.0)(3), "int64"),
    "jacrev to int": (lambda j: j.jacrev(lambda x: 3)(1.0), "int64"),
    "vmap of scalar": (lambda j: j.vmap(lambda x: x)(1.0), "rank 0", "x"),
    "vmap sizes": (lambda j: j.vmap(lambda x, y: x)(TALL, X), "inconsistent", "4", "3"),
    "vmap axis": (lambda j: j.vmap(lambda x: x, in_axes=2)(TALL), "axis 2"),
    "vmap in_axes length": (lambda j: j.vmap(lambda x: x, in_axes=(0, 0))(TALL), "len(in_axes)=2"),
    "vmap in_axes type": (lambda j: j.vmap(lambda x: x, in_axes="0")(TALL), "in_axes"),
    "vmap in_axes tree": (lambda j: j.vmap(lambda x: x, in_axes=({"a": 0},))(TALL), "in_axes"),
    "vmap nothing": (lambda j: j.vmap(lambda x: x, in_axes=None)(TALL), "axis_size"),
    "vmap nothing given": (lambda j: j.vmap(lambda: 1.0)(),),
    "vmap out_axes": (lambda j: j.vmap(lambda x: x, out_axes=None)(TALL), "out_axes"),
    "vmap out_axes tree": (lambda j: j.vmap(lambda x: x, out_axes=(0, 0))(TALL), "out_axes"),
    "vmap out_axes rank": (lambda j: j.vmap(lambda x: x, out_axes=2)(TALL), "out_axes"),
    "vmap out_axes type": (lambda j: j.vmap(lambda x: x, out_axes=0.5)(TALL),),
    "vmap axis_size": (lambda j: j.vmap(lambda x: x, axis_size=3)(TALL), "axis_size"),
    "vmap of text": (lambda j: j.vmap(lambda x: x)("abc"), "str"),
    "vmap returns text": (lambda j: j.vmap(lambda x: "abc")(TALL), "str"),
}


@pytest.mark.parametrize("name", _MISUSE)
def test_misuse(name: str) -> None:
    fun, *words = _MISUSE[name]
    assert_raises_alike(fun, *words)
