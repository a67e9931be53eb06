"""Compiled programs equal the NumPy meaning of their equations: dtypes, sizes, views, folds, products."""

from __future__ import annotations

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from compiler_cases import agrees, compiled, staged
from jitney import lax
from jitney._compiler.options import without
from jitney._compiler.pipeline import lower, simplify
from jitney._kernel.printer import print_loops

SIZES = (0, 1, 2, 3, 7, 8, 9, 16, 17, 63, 64, 65, 100, 1000, 1001, 5000, 100003)
DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


def cut(x, start, limit, strides=None):
    return lax.slice_p.bind(x, start_indices=start, limit_indices=limit, strides=strides)


def array(shape, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(max(info.min, -50), min(info.max, 50), shape).astype(dtype)
    return (rng.random(shape) * 4 - 2).astype(dtype)


@pytest.mark.parametrize("n", SIZES)
def test_map_and_sums_of_every_size(n):
    def fun(x, y):
        z = lax.add(lax.mul(x, x), y)
        return z, lax.reduce_sum(z, (0,)), lax.reduce_max(lax.sub(x, y), (0,)) if n else z

    agrees(fun, array(n), array(n, seed=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (1, 3, 9, 100, 5000))
def test_dtypes(dtype, n):
    x, y = array(n, dtype), array(n, dtype, 1)
    number = np.dtype(dtype).kind in "iuf"

    def fun(x, y):
        outs = [
            lax.max(x, y),
            lax.min(x, y),
            lax.eq(x, y),
            lax.lt(x, y),
            lax.reduce_max(x, (0,)),
            lax.add(x, y),
        ]
        if number:
            outs += [lax.sub(x, y), lax.mul(x, y), lax.div(x, y), lax.rem(x, y), lax.sign(x), lax.neg(x)]
            outs += [lax.reduce_sum(x, (0,)), lax.reduce_prod(lax.rev(x, (0,)), (0,)), lax.abs(x)]
        return outs

    agrees(fun, x, y, tolerance=1e-5 if dtype == "f4" else None)


@pytest.mark.parametrize("source", DTYPES)
def test_conversions(source):
    x = array(37, source)
    agrees(
        lambda x: [lax.convert_element_type(x, t) for t in DTYPES if not (source[0] == "f" and t[0] == "u")],
        x,
    )


@pytest.mark.parametrize("dtype", ("i1", "i4", "i8", "u1", "u8"))
def test_bits(dtype):
    x, y = (
        np.abs(array(41, dtype)),
        np.abs(array(41, dtype, 1)) % np.dtype(dtype).type(np.dtype(dtype).itemsize * 8),
    )

    def fun(x, y):
        return [
            lax.bitwise_and(x, y),
            lax.bitwise_or(x, y),
            lax.bitwise_xor(x, y),
            lax.bitwise_not(x),
            lax.shift_left(x, y),
            lax.shift_right_logical(x, y),
            lax.shift_right_arithmetic(x, y),
            lax.population_count(x),
            lax.clz(x),
        ]

    agrees(fun, x, y)


@pytest.mark.parametrize("dtype", ("i1", "i2", "i4", "i8"))
def test_bits_of_negative_numbers(dtype):
    """Bits of two's complement are counted, where NumPy's own ``bitwise_count`` takes ``abs(x)`` first."""
    x = np.array([-1, -2, -128, 0, 1, 127], dtype)
    width = x.dtype.itemsize * 8
    agrees(lambda x: [lax.population_count(x), lax.clz(x)], x)
    counts = [bin(int(k) % 2**width).count("1") for k in x]
    np.testing.assert_array_equal(compiled(staged(lambda x: [lax.population_count(x)], x), x)[0], counts)


@pytest.mark.parametrize("n", (1, 5, 8, 100, 4097))
def test_math(n):
    x = np.abs(array(n)) + 0.25

    def fun(x):
        y = lax.mul(x, np.float64(0.3))
        return [
            lax.exp(x),
            lax.log(x),
            lax.sqrt(x),
            lax.rsqrt(x),
            lax.floor(x),
            lax.ceil(x),
            lax.tanh(x),
            lax.pow(x, y),
            lax.logistic(x),
            lax.square(x),
            lax.integer_pow_p.bind(x, y=3),
            lax.integer_pow_p.bind(x, y=-2),
        ]

    agrees(fun, x, tolerance=1e-14)


SHAPES = (
    (5,),
    (1, 4),
    (3, 1),
    (4, 5),
    (3, 40),
    (40, 3),
    (2, 3, 4),
    (17, 33),
    (5, 1, 70),
    (64, 100),
    (3, 7, 5, 2),
)


@pytest.mark.parametrize("shape", SHAPES)
def test_folds_over_every_axis(shape):
    x = array(shape)
    rank = len(shape)
    every = [(d,) for d in range(rank)] + [tuple(range(rank))] + [(0, rank - 1)] * (rank > 1)

    def fun(x):
        return [f(lax.mul(x, x), axes) for axes in every for f in (lax.reduce_sum, lax.reduce_max)]

    agrees(fun, x)


@pytest.mark.parametrize(
    "shape", ((4000, 3), (3, 4000), (5000, 7), (200, 300), (10000, 1), (2, 9001), (3000, 2, 2))
)
def test_long_folds(shape):
    x = array(shape)
    agrees(
        lambda x: [
            lax.reduce_sum(x, (0,)),
            lax.reduce_sum(x, (1,)),
            lax.reduce_sum(x, tuple(range(len(shape)))),
            lax.reduce_min(x, (0,)),
        ],
        x,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_views(shape):
    x = array(shape)
    rank = len(shape)

    def fun(x):
        t = lax.transpose(x, tuple(range(rank))[::-1])
        flat = lax.reshape(x, (x.size,))
        return [
            t,
            lax.add(lax.reshape(t, shape), x),
            lax.rev(x, (0,)),
            lax.rev(x, (rank - 1,)),
            flat,
            lax.reshape(
                lax.transpose(lax.reshape(lax.exp(flat), shape), tuple(range(rank))[::-1]), (x.size,)
            ),
            lax.broadcast_in_dim(x, (*shape, 2), tuple(range(rank))),
            lax.broadcast_in_dim(lax.sqrt(lax.abs(x)), (3, *shape), tuple(range(1, rank + 1))),
        ]

    agrees(fun, x)


@pytest.mark.parametrize("n", (1, 2, 5, 9, 33, 1000, 10001))
def test_slices_pads_concatenates(n):
    x = array(n)

    def fun(x):
        head = lax.pad(x, np.float64(7), [(2, 0, 0)])
        both = lax.pad(lax.exp(x), np.float64(0), [(1, 3, 0)])
        spread = lax.pad(x, np.float64(0), [(1, 2, 2)])
        cropped = lax.pad(x, np.float64(0), [(-1, 2, 0)])
        joined = lax.concatenate([x, lax.mul(x, x), x], 0)
        outs = [head, both, spread, cropped, joined, lax.reduce_sum(joined, (0,)), lax.rev(joined, (0,))]
        if n > 2:
            a, b = cut(x, (1,), (n,)), cut(x, (0,), (n - 1,))
            outs += [lax.sub(a, b), cut(x, (0,), (n,), (2,)), lax.sub(lax.exp(a), lax.exp(b))]
        return outs

    agrees(fun, x)


def test_iota_and_choice():
    def fun(x):
        i = lax.iota(np.int64, 50)
        grid = lax.broadcasted_iota(np.float32, (4, 9), 1)
        odd = lax.eq(lax.rem(i, np.int64(2)), np.int64(1))
        return i, grid, lax.select(odd, x, lax.neg(x)), lax.clamp(np.float64(-0.5), x, np.float64(0.5))

    agrees(fun, array(50))


@pytest.mark.parametrize(
    "m,k,n", ((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 5, 6), (10, 10, 10), (33, 17, 9), (50, 60, 70))
)
@pytest.mark.parametrize("dtype", ("f4", "f8", "i8"))
def test_matrix_products(m, k, n, dtype):
    a, b, v = array((m, k), dtype), array((k, n), dtype, 1), array(k, dtype, 2)

    def fun(a, b, v):
        at, bt = lax.transpose(a, (1, 0)), lax.transpose(b, (1, 0))
        numbers = [(((1,), (0,)), a, b), (((0,), (0,)), at, b), (((1,), (1,)), a, bt), (((0,), (1,)), at, bt)]
        outs = [lax.dot_general(x, y, (dims, ((), ()))) for dims, x, y in numbers]
        return [*outs, lax.dot(a, v), lax.dot(v, b), lax.dot(v, v), lax.add(lax.dot(a, b), lax.dot(a, b))]

    agrees(fun, a, b, v, tolerance=1e-5 if dtype == "f4" else 1e-13)


def test_products_of_parameters():
    """Operands that are inputs in their stored and transposed layouts, through BLAS."""
    a, b = array((60, 50)), array((50, 40), seed=1)
    bt, at = np.ascontiguousarray(b.T), np.ascontiguousarray(a.T)

    def fun(a, b, at, bt):
        numbers = [(((1,), (0,)), a, b), (((0,), (0,)), at, b), (((1,), (1,)), a, bt), (((0,), (1,)), at, bt)]
        return [lax.dot_general(x, y, (dims, ((), ()))) for dims, x, y in numbers]

    agrees(fun, a, b, at, bt, tolerance=1e-13)


@pytest.mark.parametrize("shape", ((7, 3, 3, 3), (5, 8, 8, 8), (3, 30, 40, 50)))
def test_batched_products(shape):
    batch, m, k, n = shape
    agrees(
        lambda a, b: lax.batch_matmul(a, b),
        array((batch, m, k)),
        array((batch, k, n), seed=1),
        tolerance=1e-13,
    )


def test_outputs_that_are_inputs_or_literals():
    x = array(10)
    agrees(lambda x: (x, x, lax.add(x, np.float64(1)), np.float64(3.0), lax.full((4,), 2.5)), x)


def test_no_native_form_calls_numpy():
    """Complex numbers and half precision have no native form yet."""
    z = array(12) + 1j * array(12, seed=1)
    agrees(lambda z: (lax.mul(z, z), lax.exp(lax.real(z))), z)
    h = array(12, "f2")
    agrees(lambda h: lax.add(h, h), h)


def test_softmax_and_statistics():
    x = array((50, 100))

    def fun(x):
        top = lax.broadcast_in_dim(lax.reduce_max(x, (1,)), x.shape, (0,))
        e = lax.exp(lax.sub(x, top))
        s = lax.broadcast_in_dim(lax.reduce_sum(e, (1,)), x.shape, (0,))
        mean = lax.div(lax.reduce_sum(x, (1,)), np.float64(100))
        d = lax.sub(x, lax.broadcast_in_dim(mean, x.shape, (0,)))
        return lax.div(e, s), mean, lax.sqrt(lax.div(lax.reduce_sum(lax.mul(d, d), (1,)), np.float64(100)))

    agrees(fun, x)


def test_signed_zeros_and_nan():
    x = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 5e-324, -5e-324] * 3)
    y = np.roll(x, 4)
    agrees(
        lambda x, y: [
            lax.max(x, y),
            lax.min(x, y),
            lax.sign(x),
            lax.add(x, np.float64(0.0)),
            lax.mul(x, np.float64(0)),
            lax.is_finite(x),
            lax.eq(x, y),
            lax.ne(x, y),
            lax.lt(x, y),
            lax.ge(x, y),
            lax.neg(x),
        ],
        x,
        y,
    )
    got = compiled(
        staged(lambda x: (lax.neg(x), lax.sub(x, np.float64(0.0)), lax.add(x, np.float64(0.0))), x), x
    )
    for g, w in zip(got, (-x, x - 0.0, x + 0.0), strict=True):
        np.testing.assert_array_equal(np.signbit(g), np.signbit(w))


def test_long_chains():
    def scalars(x):
        for k in range(3000):
            x = lax.add(lax.mul(x, np.float64(0.999)), np.float64(0.001 * k))
        return x

    agrees(scalars, np.float64(0.3), tolerance=1e-12)
    agrees(scalars, array(100), tolerance=1e-12)

    def slices(x):
        for _ in range(300):
            x = lax.concatenate([cut(x, (1,), (40,)), cut(x, (0,), (1,))], 0)
        return x

    agrees(slices, array(40))


@pytest.mark.parametrize("shape", ((1,), (7,), (100,), (5000,), (20, 30), (30, 4000), (4, 3, 50)))
@pytest.mark.parametrize("dtype", ("f8", "f4", "i4", "u1", "?"))
def test_places_of_extrema(shape, dtype):
    x = array(shape, dtype)
    if dtype[0] == "f" and x.size > 50:
        x.reshape(-1)[40] = np.nan
        x.reshape(-1)[45] = np.nan
    axes = range(len(shape))
    agrees(lambda x: [f(x, d, np.int32) for d in axes for f in (lax.argmax, lax.argmin)], x)


def test_joins_of_many_parts():
    x, m = array(200), array((6, 5))

    def fun(x, m):
        scalars = [lax.reshape(cut(lax.sin(x), (k,), (k + 1,)), (1,)) for k in range(200)]
        wide = lax.concatenate([lax.exp(m), m, lax.neg(m)], 1)
        tall = lax.concatenate([lax.mul(m, m), lax.full((3, 5), 2.0), m], 0)
        return (
            lax.concatenate(scalars, 0),
            wide,
            tall,
            lax.reduce_sum(wide, (0,)),
            lax.exp(tall),
            lax.reduce_sum(tall, (1,)),
        )

    agrees(fun, x, m)


def test_updates_in_place():
    """A chain of scatters works in one buffer; operands that are read again are kept."""
    x, i = array(300), np.arange(0, 300, 7)[:, None]
    from jitney._ops import gather_layouts, indexing

    numbers = gather_layouts.ScatterDimensionNumbers((), (0,), (0,))
    params = indexing.scatter_params(numbers, gather_layouts.CLIP)

    def fun(x, i, u):
        y = lax.exp(x)
        a = indexing.scatter_add_p.bind(y, i, u, **params)
        b = indexing.scatter_p.bind(a, i, lax.neg(u), **params)
        z = lax.tanh(x)
        c = indexing.scatter_add_p.bind(z, i, u, **params)
        return b, lax.add(z, c), indexing.scatter_p.bind(x, i, u, **params)

    u = array(len(i), seed=3)
    agrees(fun, x, i, u)
    _, program = lower(simplify(staged(fun, x, i, u)))
    copies = [s for s in program.body if type(s).__name__ == "For" and s.kind == "vector"]
    assert len(copies) == 4  # exp and tanh, z kept beside c, the input, z + c


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, i, u: x.at[i].add(2 * u),
        lambda x, i, u: x.at[i - 600].add(u[::-1]),  # places are made good where they are read
        lambda x, i, u: x.at[jnp.sort(i)[::-1]].set(u + 1),
        lambda x, i, u: (x.at[i].add(2 * x[i]), x),
        lambda x, i, u: jnp.exp(x).at[i].add(jnp.exp(x)[i[::-1]]),
        lambda x, i, u: lax.fori_loop(0, 3, lambda k, x: x.at[i].add(0.5 * x[i[::-1]]), x),
        lambda x, i, u: lax.fori_loop(0, 3, lambda k, x: x.at[i].add(u).at[i[:50]].add(-x[5:55]), x),
        lambda x, i, u: lax.scan(lambda x, j: (x.at[i + j].multiply(u + j), x[0]), x, jnp.arange(3)),
    ],
)
def test_operands_that_are_computed_where_a_step_reads_them(fun):
    r = np.random.default_rng(0)
    x, i, u = r.normal(size=1200), r.integers(0, 1190, 300), r.normal(size=300)
    got, want = jitney.jit(fun)(x, i, u), fun(jnp.array(x), jnp.array(i), jnp.array(u))
    for g, w in zip(jitney.tree.leaves(got), jitney.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12)
    with without("stream"):
        again = jitney.jit(lambda *args: fun(*args))(x, i, u)
    for g, w in zip(jitney.tree.leaves(again), jitney.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12)


def test_copies_that_threads_share():
    x = np.random.default_rng(0).normal(size=400_000)
    f = jitney.jit(lambda x: (x.at[5:9].set(0.0), x.at[np.array([3, 399_999])].add(1.0)))
    a, b = f(x)
    x[3] += 1
    x[-1] += 1
    np.testing.assert_array_equal(b, x)
    x[5:9], x[3], x[-1] = 0, x[3] - 1, x[-1] - 1
    np.testing.assert_allclose(a, x, rtol=1e-15)


def test_signs_and_powers_of_two_meet():
    def f(x, y):
        a = 2.0 * (-0.5 * (x * 2.0)) / y  # -(2 x) / y
        b = -(-x / y) + -(x * -y)  # x / y + x y
        return a, b, (x * 0.1) * 0.7 - -y, -1.0 * x

    x = np.array([1.5, -0.0, 0.0, np.inf, 1e-310, 3e307])
    y = np.array([2.0, 3.0, -1.0, 1.0, 0.5, 0.25])
    names = [e.primitive.name for e in simplify(staged(f, x, y)).jaxpr.eqns]
    assert names.count("mul") == 4 and names.count("neg") <= 2 and names.count("sub") == 0
    with np.errstate(all="ignore"):
        wanted = f(x, y)
    for got, want in zip(jitney.jit(f)(x, y), wanted, strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
        finite = np.abs(want) < 1e300
        np.testing.assert_array_equal(np.asarray(got)[finite], want[finite])


def _pairs(x, y):
    return jnp.exp(-((x[:, None] - y[None, :]) ** 2))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, y: (_pairs(x, y).sum(0), _pairs(x, y).max(1)),
        lambda x, y: (_pairs(x, y).sum(1), _pairs(x, y).sum(0), _pairs(x, y).min(0), _pairs(x, y).prod(1)),
        jitney.grad(
            lambda x, y: jnp.log(_pairs(x, y).sum(1)).sum() + (_pairs(y, x) ** 2).sum(), argnums=(0, 1)
        ),
        jitney.grad(
            lambda x, y: (jnp.sin(x[:, None, None] * y[None, :, None] * jnp.arange(1.0, 4)) ** 3).sum()
        ),
        lambda x, y: lax.fori_loop(
            0, 3, lambda i, x: x + 0.1 * _pairs(x, y).sum(1) + _pairs(x, y).sum(0).sum(), x
        ),
        lambda x, y: jitney.vmap(lambda s: (_pairs(s * x, y).sum(1), _pairs(s * x, y).sum(0)))(
            jnp.arange(3.0)
        ),
    ],
)
@pytest.mark.parametrize(("n", "m"), [(70, 64), (500, 333), (64, 4000)])
def test_folds_along_rows_and_columns(fun, n, m):
    r = np.random.default_rng(0)
    x, y = r.normal(size=n), r.normal(size=m)
    got = jitney.jit(fun)(x, y)
    want = fun(jnp.array(x), jnp.array(y))
    for g, w in zip(jitney.tree.leaves(got), jitney.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12)


def test_folds_along_rows_and_columns_share_a_nest():
    x = np.random.default_rng(0).normal(size=300)
    fun = jitney.grad(lambda x: _pairs(x, x).sum())
    both = lower(simplify(staged(fun, x)))[1]
    with without("cross_folds"):
        apart = lower(simplify(staged(fun, x)))[1]
    assert print_loops(both).count("math exp") == 1
    assert print_loops(apart).count("math exp") == 2
