"""What the compiler makes of small programs, as text: a lost optimisation shows as a diff.

``JITNEY_UPDATE_GOLDENS=1 pytest tests/test_compiler_goldens.py`` rewrites ``tests/goldens/*.txt``.
"""

from __future__ import annotations

import numpy as np
import pytest

from compiler_cases import TARGET, assert_golden, staged
from jitney import lax
from jitney import numpy as jnp
from jitney._compiler.machine import Target

TARGETS = {"roots": Target("x86-64-v4", "+avx512f,+avx512vl,+avx2,+fma", 64)}


def vector(n):
    return np.zeros(n)


def scalar(x, number):
    return lax.reshape(
        lax.slice_p.bind(x, start_indices=(number,), limit_indices=(number + 1,), strides=None), ()
    )


def algebra(x):
    y = lax.mul(x, np.float64(1.0))
    z = lax.div(lax.sub(y, np.float64(0.0)), np.float64(4.0))
    return lax.add(lax.mul(z, np.float64(0.0)), lax.neg(lax.neg(z)))


def siblings(x):
    return lax.exp(x), lax.reduce_sum(x, (0,)), lax.reduce_sum(lax.mul(x, x), (0,)), lax.reduce_max(x, (0,))


def log_posterior(theta, v, e):
    mean, sigma = scalar(theta, 0), scalar(theta, 1)
    variance = lax.add(lax.mul(sigma, sigma), lax.mul(e, e))
    d = lax.sub(v, mean)
    terms = lax.add(lax.div(lax.mul(d, d), variance), lax.log(variance))
    return lax.mul(np.float64(-0.5), lax.reduce_sum(terms, (0,)))


def softmax(x):
    top = lax.broadcast_in_dim(lax.reduce_max(x, (1,)), x.shape, (0,))
    e = lax.exp(lax.sub(x, top))
    return lax.div(e, lax.broadcast_in_dim(lax.reduce_sum(e, (1,)), x.shape, (0,)))


def outer(x, y):
    """exp(x) is computed once a row, exp(y) once in all."""
    shape = (x.shape[0], y.shape[0])
    return lax.mul(
        lax.broadcast_in_dim(lax.exp(x), shape, (0,)), lax.broadcast_in_dim(lax.exp(y), shape, (1,))
    )


def differences(x):
    n = x.shape[0]
    ends = [lax.slice_p.bind(x, start_indices=(k,), limit_indices=(n - 1 + k,), strides=None) for k in (1, 0)]
    d = lax.sub(*ends)
    return lax.reduce_sum(lax.mul(d, d), (0,))


def roots(x, c, d):
    """Two quotients and two square roots share the divider; an invariant quotient and a root leave it."""
    y = lax.sqrt(lax.add(np.float64(1), lax.div(lax.mul(x, x), c)))
    return lax.sqrt(lax.div(d, y))


PROGRAMS = {
    "algebra": (algebra, vector(100)),
    "siblings": (siblings, vector(1000)),
    "log_posterior": (log_posterior, vector(2), vector(1000), vector(1000)),
    "softmax": (softmax, vector((50, 100))),
    "outer": (outer, vector(30), vector(40)),
    "differences": (differences, vector(1001)),
    "columns": (lambda x: lax.reduce_sum(x, (0,)), vector((100, 64))),
    "rows": (lambda x: lax.reduce_sum(x, (1,)), vector((100, 64))),
    "columns_of_three": (lambda x: lax.reduce_sum(lax.exp(x), (1,)), vector((50, 40, 3))),
    "rows_of_three": (lambda x: lax.reduce_sum(lax.mul(x, x), (0,)), vector((50, 40, 3))),
    "long_rows": (lambda x: lax.reduce_sum(x, (1,)), vector((20, 5000))),
    "long_sum": (lambda x: lax.reduce_sum(x, (0,)), vector(10_000)),
    "parallel_map": (lambda x: lax.sqrt(lax.add(lax.exp(x), np.float64(1))), vector(1_000_000)),
    "views": (lambda x: lax.reshape(lax.transpose(lax.reshape(x, (6, 4)), (1, 0)), (24,)), vector(24)),
    "reshape_through": (lambda x: lax.reshape(lax.exp(lax.reshape(x, (40, 50))), (2000,)), vector(2000)),
    "small_product": (lambda a, v: lax.dot(a, v), vector((2, 2)), vector(2)),
    "matrix_product": (lambda a, b: lax.dot(a, b), vector((10, 12)), vector((12, 16))),
    "blas": (lambda a, b: lax.dot(a, b), vector((60, 60)), vector((60, 60))),
    "pad": (lambda x: lax.pad(x, np.float64(0), [(1, 2, 0)]), vector(100)),
    "argmax": (lambda x: lax.argmax(x, 0, np.int64), vector(100)),
    "roots": (roots, vector(1000), vector(()), vector(())),
    "complex": (lambda x, y: x * y, np.zeros(100, complex), np.zeros(100, complex)),
    "transposed_fold": (lambda x: lax.reduce_sum(lax.exp(lax.transpose(x, (1, 0))), (1,)), vector((100, 64))),
    "routine_of_a_view": (lambda x: lax.reshape(lax.sort(lax.reshape(x, (4, 50))), (10, 20)), vector(200)),
    "host": (lambda x: lax.sort(x), np.zeros(4, jnp.bfloat16)),
    "routine": (lambda x: lax.sort(x), np.zeros(4)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name):
    fun, *args = PROGRAMS[name]
    assert_golden(name, staged(fun, *args), TARGETS.get(name, TARGET))
