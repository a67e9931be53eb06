"""Sparse arrays in coordinate format, against dense ones and against JAX's."""

from __future__ import annotations

from typing import Any

import jax
import jax.experimental.sparse as theirs
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_close
from jitney.experimental import sparse
from jitney.experimental.sparse import BCOO

RNG = np.random.default_rng(3)


def dense(*shape: int, density: float = 0.4) -> np.ndarray:
    return np.where(RNG.random(shape) < density, RNG.normal(size=shape), 0.0)


A, B = dense(4, 5), dense(5, 3)
C = dense(2, 4, 3)
LAYOUTS = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)]


def close(got: Any, want: Any) -> None:
    assert_close(np.asarray(sparse.todense(got)), np.asarray(want), 1e-12, "")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_from_dense_and_back(layout: tuple[int, int]) -> None:
    n_batch, n_dense = layout
    ours = BCOO.fromdense(C, n_batch=n_batch, n_dense=n_dense)
    other = theirs.BCOO.fromdense(jax.numpy.asarray(C), n_batch=n_batch, n_dense=n_dense)
    close(ours, C)
    assert (ours.nse, ours.n_batch, ours.n_sparse, ours.n_dense) == (
        other.nse,
        n_batch,
        other.n_sparse,
        n_dense,
    )
    assert ours.shape == other.shape and ours.size == C.size and ours.ndim == 3 and ours.dtype == C.dtype
    close(ours.data, other.data)
    assert np.array_equal(ours.indices, other.indices) and repr(ours) == repr(other).replace(
        "float64", "float64"
    )
    traced = jitney.jit(lambda x: sparse.bcoo_fromdense(x, nse=20, n_batch=n_batch, n_dense=n_dense))(C)
    assert traced.nse == 20
    close(traced, C)
    close(jitney.jit(lambda m: m.todense() * 2)(ours), 2 * C)


@pytest.mark.parametrize("layout", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_operations_of_every_layout(layout: tuple[int, int]) -> None:
    m = BCOO.fromdense(C, n_batch=layout[0], n_dense=layout[1])
    close(m + m, 2 * C)
    close(m - 3 * m, -2 * C)
    close(-m / 2, -C / 2)
    close(m * np.arange(3.0), C * np.arange(3.0))
    close(m * m, C * C)
    close(m.sum(), C.sum())
    close(m.sum(1), C.sum(1))
    close(m.sum((0, 2)), C.sum((0, 2)))
    close(m @ np.ones(3), C @ np.ones(3))
    close(m.reshape(4, 6), C.reshape(4, 6))
    close(m[:, 1:3, ::2], C[:, 1:3, ::2])
    close(m[1], C[1])
    close(m[..., -1], C[..., -1])
    close(m[0, ::-1], C[0, ::-1])
    close(m[:, None, 2], C[:, None, 2])
    close(m.astype(np.float32), C.astype(np.float32))
    close(m.update_layout(n_batch=0, n_dense=0), C)
    close(m.sum_duplicates(), C)
    close(m.sort_indices(), C)
    close(sparse.bcoo_concatenate([m, m], dimension=1), np.concatenate([C, C], 1))
    close(sparse.bcoo_rev(m, (1, 2)), C[:, ::-1, ::-1])
    close(sparse.bcoo_dynamic_slice(m, (0, jnp.asarray(9), 1), (1, 2, 2)), C[:1, 2:, 1:])
    wide = sparse.bcoo_broadcast_in_dim(m, shape=(2, 5, 4, 3), broadcast_dimensions=(0, 2, 3))
    close(wide, np.broadcast_to(C[:, None], (2, 5, 4, 3)))
    close(sparse.bcoo_extract(m, 2 * C), 2 * C)
    assert [row.shape for row in m] == [(4, 3)] * 2


def test_transposition_keeps_kinds_of_axes() -> None:
    close(BCOO.fromdense(A).T, A.T)
    close(BCOO.fromdense(C).transpose((2, 0, 1)), C.transpose(2, 0, 1))
    close(BCOO.fromdense(C, n_batch=1).transpose((0, 2, 1)), C.transpose(0, 2, 1))
    with pytest.raises(NotImplementedError, match="use update_layout"):
        BCOO.fromdense(C, n_batch=1).transpose((1, 0, 2))


def test_products() -> None:
    a, b = BCOO.fromdense(A), BCOO.fromdense(B)
    close(a @ B, A @ B)
    close(A @ b, A @ B)
    close(a @ b, A @ B)
    close(jitney.jit(lambda a, b: (a @ b).todense())(a, b), A @ B)
    close(a @ B[:, 0], A @ B[:, 0])
    close(A[0] @ b, A[0] @ B)
    c = BCOO.fromdense(C, n_batch=1)
    close(c @ np.ones((2, 3, 2)), C @ np.ones((2, 3, 2)))
    numbers = (((2,), (1,)), ((0,), (0,)))
    x = RNG.normal(size=(2, 3, 5))
    close(sparse.bcoo_dot_general(c, x, dimension_numbers=numbers), C @ x)
    close(
        sparse.bcoo_dot_general(x, c, dimension_numbers=(((1,), (2,)), ((0,), (0,)))),
        np.einsum("bkn,bmk->bnm", x, C),
    )
    close(
        sparse.bcoo_dot_general(c, c, dimension_numbers=(((1, 2), (1, 2)), ((0,), (0,)))), (C * C).sum((1, 2))
    )
    with pytest.raises(TypeError, match="do not fit"):
        sparse.bcoo_dot_general(a, A, dimension_numbers=(((1,), (0,)), ((), ())))


def test_elements_outside_and_twice() -> None:
    m = BCOO((np.array([1.0, 2.0, 4.0, 8.0]), np.array([[0, 1], [0, 1], [2, 2], [1, 5]])), shape=(2, 3))
    want = np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    close(m, want)
    close(m @ np.ones(3), want.sum(1))
    close(np.ones(2) @ m, want.sum(0))
    close(m.sum(1), want.sum(1))
    close(m[:, :2], want[:, :2])
    tidy = m.sum_duplicates()
    assert tidy.nse == 1 and tidy.unique_indices and tidy.indices.tolist() == [[0, 1]]
    close(jitney.jit(lambda m: m.sum_duplicates(nse=3))(m), want)
    close(m * m, want * want)


def test_derivatives() -> None:
    m, x = BCOO.fromdense(A), RNG.normal(size=5)
    other = theirs.BCOO.fromdense(jax.numpy.asarray(A))
    got = jitney.jit(sparse.grad(lambda m, x: jnp.sum(jnp.sin(m @ x))))(m, x)
    want = theirs.grad(lambda m, x: jax.numpy.sum(jax.numpy.sin(m @ x)))(other, x)
    close(got, want.todense())
    assert isinstance(got, BCOO) and got.nse == m.nse
    value, (by_m, by_x) = sparse.value_and_grad(lambda m, x: jnp.sum((m @ x) ** 2), (0, 1))(m, x)
    close(by_x, 2 * A.T @ (A @ x))
    close(by_m.data, np.asarray(2 * np.outer(A @ x, x))[A != 0])
    assert np.isclose(float(value), ((A @ x) ** 2).sum())
    close(jitney.grad(lambda v: jnp.sum((m * v).todense() ** 2))(np.ones(5)), 2 * (A**2).sum(0))
    slope, aux = sparse.grad(lambda m: (jnp.sum(m.todense()), 7), has_aux=True)(m)
    assert int(aux) == 7 and slope.data.tolist() == [1.0] * m.nse


def test_vmap_over_the_batch() -> None:
    m, x = BCOO.fromdense(C, n_batch=1), RNG.normal(size=(2, 3))
    close(jitney.vmap(lambda m, x: m @ x)(m, x), np.einsum("bij,bj->bi", C, x))
    close(jitney.vmap(lambda m: m @ x[0])(m), C @ x[0])
    close(
        jitney.vmap(lambda x: BCOO.fromdense(A) @ x, 1, 1)(RNG.normal(size=(5, 2)) * 0 + 1),
        A @ np.ones((5, 2)),
    )
    doubled = jitney.vmap(lambda m: 2 * m)(m)
    assert isinstance(doubled, BCOO) and doubled.n_batch == 1 and doubled.shape == C.shape
    close(doubled, 2 * C)


def test_made_by_rule() -> None:
    close(sparse.eye(4, 3, -1), np.eye(4, 3, -1))
    close(sparse.empty((2, 3)), np.zeros((2, 3)))
    random = sparse.random_bcoo(jitney.random.key(1), (2, 4, 5), nse=0.3, n_batch=1)
    assert random.nse == 6 and random.shape == (2, 4, 5)
    assert (np.asarray(random.todense()) != 0).sum() == 12
    import scipy.sparse

    close(BCOO.from_scipy_sparse(scipy.sparse.csr_matrix(A)), A)
    m = BCOO.fromdense(A)
    assert jitney.tree.leaves(m)[0] is m.data and jitney.tree.map(lambda x: x, m).shape == m.shape


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BCOO((np.ones(2), np.zeros((3, 2), int)), shape=(2, 2)), ValueError, "do not make an array"),
        (lambda: BCOO((np.ones(2), np.zeros((2, 2))), shape=(2, 2)), ValueError, "must be integers"),
        (lambda: BCOO.fromdense(A).update_layout(n_batch=1), sparse.SparseEfficiencyError, "looks at all"),
        (lambda: BCOO.fromdense(A) + A, NotImplementedError, "todense"),
        (lambda: BCOO.fromdense(A) + BCOO.fromdense(B), ValueError, "different shapes"),
        (lambda: BCOO.fromdense(A)[np.array([0])], NotImplementedError, "integers and slices"),
        (lambda: BCOO.fromdense(A)[9], IndexError, "out of bounds"),
        (lambda: BCOO.fromdense(A).reshape(3, 3), ValueError, "cannot reshape"),
        (lambda: jitney.jit(BCOO.fromdense)(A), jitney.errors.ConcretizationTypeError, "traced"),
        (lambda: sparse.CSR((1, 2, 3), shape=(2, 2)), NotImplementedError, "use BCOO"),
    ],
)
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
