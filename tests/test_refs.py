"""Mutable references: reading, writing, staged functions that use them, transformations, errors."""

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


def libraries(theirs: Any) -> list[tuple[Any, Any]]:
    import jax.numpy
    import jax.ref

    return [(jitney, jnp), (theirs, jax.numpy)]


def test_reading_and_writing(theirs: Any) -> None:
    found = []
    for lib, np_ in libraries(theirs):
        r = lib.new_ref(np_.arange(4.0))
        texts = [
            repr(r),
            str(r[...]),
            str(r[0]),
            str(r[1:]),
            str(r[-1]),
            str(r[::2]),
            str(r[np_.array([2, 0])]),
        ]
        r[0] = 5.0
        r[1:] += 1.0
        r[2:4] = np_.ones(2)
        r[np_.array([1, 3])] = np_.array([7.0, 8.0])
        texts.append(str(r[...]))
        texts.append(str(lib.ref.swap(r, 0, 9.0)))
        lib.ref.addupdate(r, 1, 2.0)
        lib.ref.set(r, -1, 0.0)
        texts += [str(lib.ref.get(r)), str(lib.ref.get(r, ...)), str(lib.freeze(r))]
        texts += [str((r.shape, r.dtype, r.ndim, r.size, len(r))), str(lib.typeof(r))]
        r[...] = np_.zeros(4)
        texts.append(str(r[...]))
        found.append(texts)
    ours, wanted = found
    assert ours[:-3] == wanted[:-3] and ours[-1] == wanted[-1]
    assert isinstance(jitney.new_ref(1), jitney.Ref) and jitney.new_ref(1)[...].weak_type is False


def test_parts() -> None:
    r = jitney.new_ref(jnp.arange(12.0).reshape(3, 4))
    part = r.at[1:].at[0]
    assert part.shape == (4,) and part[1] == 5.0
    part[1:3] = jnp.zeros(2)
    jitney.ref.addupdate(part, 0, 1.0)
    jitney.ref.addupdate(r.at[0], ..., jnp.ones(4))
    part[...] = part[...] * 2
    np.testing.assert_array_equal(r[...], [[1, 2, 3, 4], [10, 0, 0, 14], [8, 9, 10, 11]])
    assert jitney.empty_ref(jitney.ShapeDtypeStruct((2,), np.int8)).dtype == np.int8


def updates(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r = lib.new_ref(x)
        r[0] = 2.0
        r[1:] += x[1:]
        lib.ref.addupdate(r, 0, 3.0)
        i = np_.argmax(x)
        r[i] = r[i] * 2
        return r[...]

    return f


def scanned(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r = lib.new_ref(np_.zeros(3))

        def body(c: Any, i: Any) -> Any:
            r[i] += c * x[i]
            return c + 1, r[0]

        out = lib.lax.scan(body, 1.0, np_.arange(3))
        return r[...], out

    return f


def counted(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r, total = lib.new_ref(x), lib.new_ref(np_.zeros(()))

        def body(i: Any, _: Any) -> None:
            r[i] = r[i] * 2

            def inner(j: Any, _: Any) -> None:
                total[...] += r[j]

            lib.lax.fori_loop(0, 2, inner, None)

        lib.lax.fori_loop(0, 3, body, None)
        return r[...], total[...]

    return f


def repeated(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r = lib.new_ref(x)

        def body(i: Any) -> Any:
            r[i] = r[i] * 2
            return i + 1

        last = lib.lax.while_loop(lambda i: r[i] < 2, body, 0)
        return r[...], last

    return f


def chosen(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r = lib.new_ref(x)
        lib.lax.cond(x[1] > 0, lambda: r.__setitem__(0, 9.0), lambda: None)
        y = lib.lax.switch(1, [lambda v: v, lambda v: (r.__setitem__(1, v), r[0])[1]], x[2])
        return r[...], y

    return f


def called(lib: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        r = lib.new_ref(x)

        @lib.jit
        def inner(r: Any, y: Any) -> Any:
            r[0] = y
            return r[1] * 2

        @lib.jit
        def closed() -> None:
            r[2] = r[0] + 1

        z = inner(r, x[1])
        closed()
        return z, r[...]

    return f


PROGRAMS = [updates, scanned, counted, repeated, chosen, called]


@pytest.mark.parametrize("make", PROGRAMS)
def test_programs(theirs: Any, make: Any) -> None:
    x = jnp.array([0.5, 1.0, 2.5])
    wanted = theirs.jit(make(*libraries(theirs)[1]))(np.asarray(x))
    f = make(jitney, jnp)
    for run in (f, jitney.jit(f), jitney.jit(jitney.jit(f))):
        for got, want in zip(jitney.tree.leaves(run(x)), theirs.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(got, want)
            assert got.dtype == want.dtype


@pytest.mark.parametrize("make", PROGRAMS)
def test_transformations(make: Any) -> None:
    """Derivatives and batches agree with differences and with one example after the other."""
    x = jnp.array([0.5, 1.0, 2.5])
    f = make(jitney, jnp)
    total = lambda x: sum(jnp.sum(y * 1.0) for y in jitney.tree.leaves(f(x)))
    step = 1e-6
    wanted = [(total(x + step * e) - total(x - step * e)) / (2 * step) for e in np.eye(3)]
    for transform in (
        jitney.grad,
        lambda f: jitney.jit(jitney.grad(f)),
        jitney.jacfwd,
        lambda f: jitney.grad(jitney.jit(f)),
    ):
        np.testing.assert_allclose(transform(total)(x), wanted, atol=1e-5)
    xs = jnp.stack([x, x + 0.25, x - 0.5])
    for run in (jitney.vmap(f), jitney.jit(jitney.vmap(f)), jitney.vmap(jitney.jit(f))):
        for got, want in zip(
            jitney.tree.leaves(run(xs)),
            zip(*[jitney.tree.leaves(f(x)) for x in xs], strict=True),
            strict=True,
        ):
            np.testing.assert_array_equal(got, np.stack(want))


def test_batches_of_references(theirs: Any) -> None:
    found = []
    for lib, np_ in libraries(theirs):
        r = lib.new_ref(np_.arange(6.0).reshape(2, 3))

        def f(r: Any, x: Any) -> Any:
            r[0] = x * r[1]
            return r[2] + x

        out = lib.vmap(f)(r, np_.array([2.0, 3.0]))
        found.append([out.tolist(), r[...].tolist()])
    assert found[0] == found[1]
    r = jitney.new_ref(jnp.zeros((3, 2)))
    jitney.jit(
        lambda r: jitney.vmap(lambda r, x: r.__setitem__(..., x), in_axes=(1, 0))(
            r, jnp.arange(6.0).reshape(2, 3)
        )
    )(r)
    assert r[...].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    shared = jitney.new_ref(jnp.ones(()))
    assert jitney.vmap(lambda r, x: r[...] + x, in_axes=(None, 0))(shared, jnp.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="None"):
        jitney.vmap(lambda r, x: r.__setitem__(..., x), in_axes=(None, 0))(shared, jnp.ones(2))


def test_references_of_jitted_functions() -> None:
    r = jitney.new_ref(jnp.arange(3.0))

    @jitney.jit
    def read() -> Any:
        return r[...] + 1

    @jitney.jit
    def write(ref: Any, value: Any) -> Any:
        ref[0] = value
        return ref[1]

    assert read().tolist() == [1.0, 2.0, 3.0]
    assert float(write(r, 7.0)) == 1.0
    assert read().tolist() == [8.0, 2.0, 3.0]
    other = jitney.new_ref(jnp.zeros(3))
    assert float(write(other, 2.0)) == 0.0
    assert other[0] == 2.0 and r[0] == 7.0
    with jitney.disable_jit():
        write(other, 3.0)
    assert other[0] == 3.0
    assert jitney.eval_shape(write, r, 1.0).shape == ()


def test_eager_loops_write_as_compiled_ones() -> None:
    r = jitney.new_ref(jnp.zeros(4))

    def body(i: Any, _: Any) -> None:
        r[i] = i * 1.0

    lax.fori_loop(0, 4, body, None)
    assert r[...].tolist() == [0.0, 1.0, 2.0, 3.0]
    with jitney.disable_jit():
        lax.fori_loop(0, 2, lambda i, _: r.__setitem__(i, 9.0), None)
    assert r[...].tolist() == [9.0, 9.0, 2.0, 3.0]


def test_programs_are_pure() -> None:
    closed = jitney.make_jaxpr(updates(jitney, jnp))(jnp.arange(3.0))
    assert not closed.effects and "Ref" not in str(closed)
    with_ref = jitney.make_jaxpr(lambda r: r.__setitem__(0, r[1]))(jitney.new_ref(jnp.arange(3.0)))
    assert [a.shape for a in with_ref.out_avals] == [(3,)]  # the value after the call


def test_values_from_outside_of_transformations() -> None:
    r = jitney.new_ref(jnp.zeros(()))

    def f(x: Any) -> Any:
        r[...] = lax.stop_gradient(x * 2)
        return x * r[...]

    assert float(jitney.grad(f)(3.0)) == 6.0
    assert float(r[...]) == 6.0
    for call in (
        lambda: jitney.grad(lambda x: (r.__setitem__(..., x), x)[1])(1.0),
        lambda: jitney.vmap(lambda x: (r.__setitem__(..., x), x)[1])(jnp.ones(2)),
        lambda: jitney.jit(jitney.vmap(lambda x: (r.__setitem__(..., x), x)[1]))(jnp.ones(2)),
    ):
        with pytest.raises(ValueError, match=r"Ref\{f64\[\]\}.*inside"):
            call()
    assert float(r[...]) == 6.0
    assert jitney.vmap(lambda x: x + r[...])(jnp.ones(2)).tolist() == [7.0, 7.0]


def test_failed_traces_leave_values_alone() -> None:
    r = jitney.new_ref(jnp.zeros(2))

    def body(c: Any, x: Any) -> Any:
        r[0] = x
        raise RuntimeError("stop")

    for call in (lambda: lax.scan(body, 0.0, jnp.ones(2)), lambda: jitney.jit(lambda: body(0.0, 1.0))()):
        with pytest.raises(RuntimeError, match="stop"):
            call()
    assert r[...].tolist() == [0.0, 0.0]


def test_misuse(theirs: Any) -> None:
    def cases(lib: Any, np_: Any) -> list[Any]:
        r = lib.new_ref(np_.arange(3.0))
        return [
            lambda: r[5],
            lambda: r[r[...] > 0].shape and lib.jit(lambda m: r[m])(r[...] > 0),
            lambda: r.__setitem__(0, np_.ones(2)),
            lambda: r.__setitem__(0, 1),
            lambda: r.__setitem__(0, 1j),
            lambda: r.__setitem__(0, "a"),
            lambda: r.__setitem__(slice(None), 1.0),
            lambda: r + 1,
            lambda: np_.sin(r),
            lambda: lib.new_ref("a"),
            lambda: lib.jit(lambda x: lib.new_ref(x))(1.0),
            lambda: lib.jit(lambda r: r)(r),
            lambda: lib.jit(lambda: r)(),
            lambda: lib.jit(lambda a, b: None)(r, r),
            lambda: lib.lax.cond(True, lambda: r, lambda: r),
            lambda: lib.lax.scan(lambda c, x: (c, r), 0.0, None, length=2),
        ]

    (lib, np_), (their_lib, their_np) = libraries(theirs)
    for number, (ours, wanted) in enumerate(zip(cases(lib, np_), cases(their_lib, their_np), strict=True)):
        with pytest.raises(Exception) as expected:  # noqa: PT011
            wanted()
        kind = expected.type if expected.type.__module__ == "builtins" else Exception
        with jitney.config.temporarily("jitney_python_control_flow", False), pytest.raises(kind) as caught:
            ours()
        assert str(caught.value), number
    with pytest.raises(ValueError, match="cond_fun writes"):
        r = jitney.new_ref(jnp.zeros(2))
        lax.while_loop(lambda i: (r.__setitem__(0, 1.0), i < 2)[1], lambda i: i + 1, 0)
    with pytest.raises(TypeError, match="Ref"):
        jitney.ref.get(jnp.ones(2))
