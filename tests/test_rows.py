"""Short rows in vector loops: gathers and scatters that become whole vectors and shuffles."""

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

_DTYPES = ("float64", "float32", "int64", "int8", "bool")


def _array(shape, dtype):
    numbers = np.arange(np.prod(shape)) * 7919 % 251
    return (numbers % 2 == 0).reshape(shape) if dtype == "bool" else numbers.astype(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("width", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("n", [16, 37, 1000])
def test_columns_are_read_and_written(n, width, dtype):
    x = _array((n, width), dtype)

    def f(x):
        columns = [x[:, k] for k in range(width)]
        last = columns[-1]
        return (
            jnp.stack([c ^ last if dtype == "bool" else c + last for c in columns], axis=1),
            x[:, 1],
            x[::-1, 0],
        )

    got = jitney.jit(f)(x)
    last = x[:, -1:]
    np.testing.assert_array_equal(got[0], x ^ last if dtype == "bool" else x + last)
    np.testing.assert_array_equal(got[1], x[:, 1])
    np.testing.assert_array_equal(got[2], x[::-1, 0])


@pytest.mark.parametrize("step", [2, 3, 5, 9, -2, -3])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_steps(step, dtype):
    x = _array((1003,), dtype)
    np.testing.assert_array_equal(
        jitney.jit(lambda x: x[::step] + x[1::step][: x[::step].size - 1].sum())(x)[:5],
        (x[::step] + x[1::step][: x[::step].size - 1].sum())[:5],
    )
    np.testing.assert_array_equal(jitney.jit(lambda x: x[::step] * 2)(x), x[::step] * 2)


def test_a_part_of_a_row_is_written_alone():
    x, y = _array((500, 4), "float64"), _array((500, 2), "float64")
    got = jitney.jit(lambda x, y: x.at[:, 1:3].set(y * 2))(x, y)
    want = x.copy()
    want[:, 1:3] = y * 2
    np.testing.assert_array_equal(got, want)


def test_rows_inside_of_loops_and_branches():
    x = np.linspace(-1, 1, 900).reshape(300, 3)

    def f(x):
        def step(i, x):
            turned = jnp.stack([x[:, 1], x[:, 2], -x[:, 0]], axis=1)
            return jnp.where(turned > 0, turned * 1.5, turned - 0.25)

        return jitney.lax.fori_loop(0, 7, step, x)

    want = x
    for _ in range(7):
        turned = np.stack([want[:, 1], want[:, 2], -want[:, 0]], axis=1)
        want = np.where(turned > 0, turned * 1.5, turned - 0.25)
    np.testing.assert_allclose(jitney.jit(f)(x), want, rtol=1e-14)
