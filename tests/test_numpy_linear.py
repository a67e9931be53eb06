"""Products of matrices and tensors against JAX; derivatives against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import jitney.numpy as jnp
from expressions import batched, check, derivatives

_rng = np.random.default_rng(0)
INPUTS = {
    "f": np.arange(3.0) + 1,
    "m": np.arange(9.0).reshape(3, 3) / 3,
    "c": np.arange(9.0).reshape(3, 3) + 1j,
    "b": np.array([True, False, True]),
    "k": np.arange(3, dtype=np.int32),
    "s": np.ones(3, np.float32),
    "w": _rng.normal(size=4),
    "u": _rng.normal(size=(3, 4)),
    "v": _rng.normal(size=(4, 2)),
    "p": _rng.normal(size=(2, 1, 3, 4)),
    "q": _rng.normal(size=(5, 4, 2)),
    "t": _rng.normal(size=(3, 2, 3)),
    "z": np.zeros((0, 3)),
    "o": _rng.normal(size=(3, 1)),
}

CASES = """
jnp.dot(1, 2)
jnp.dot(2.0, s)
jnp.dot(b, b)
jnp.dot(k, s)
jnp.dot(m, f)
jnp.dot([1.0], f)
jnp.dot(f, w)
jnp.dot(p, q)
jnp.dot(f, s, preferred_element_type=np.float32)
jnp.dot(k, k, preferred_element_type=np.float64)
jnp.matmul(1.0, f)
jnp.matmul(f, w)
jnp.matmul(b, b)
jnp.matmul(m, [1.0, 2, 3])
jnp.matmul(t, np.ones((4, 3, 3)))
jnp.matmul(p, q)
jnp.matmul(w, q)
jnp.matmul(p, w)
jnp.matmul(c, m)
jnp.matmul(z, m)
jnp.matmul(z.T, z)
jnp.matmul(k, m, precision="highest")
jnp.vdot(1j, f[:1])
jnp.vdot(c, m)
jnp.vdot(m, f)
jnp.inner(2.0, f)
jnp.inner(m, m)
jnp.inner(m, v)
jnp.outer([1.0], f)
jnp.outer(m, f)
jnp.outer(1, 2.0)
jnp.outer(f, f, m)
jnp.tensordot(m, m)
jnp.tensordot(m, m, 3)
jnp.tensordot(m, m, (0,))
jnp.tensordot(m, m, 0)
jnp.tensordot(m, m, ((0, 1), (1, 0)))
jnp.tensordot(m, m, ((0, 1), (0,)))
jnp.tensordot(m, m, (0, -1))
jnp.tensordot(m, m, 1.0)
jnp.tensordot(m, v, 1)
jnp.vecdot(m, f)
jnp.vecdot(c, c, axis=0)
jnp.matvec(m, f)
jnp.vecmat(f, c)
jnp.vecmat(c[0], c)
jnp.kron(f, m)
jnp.kron(2, f)
jnp.kron(u, t)
jnp.kron([1.0], f)
jnp.cross(f, m)
jnp.cross(f[:2], m)
jnp.cross(f[:2], f[1:])
jnp.cross(f, w)
jnp.cross([1.0, 2, 3], f)
jnp.cross(u, u[::-1], axis=0)
jnp.cross(u, v.T[:1, :3], axisa=0, axisc=0)
jnp.einsum("i,i", f, f)
jnp.einsum("i,i", [1.0, 2], f[:2])
jnp.einsum("ij->ji", m)
jnp.einsum(f, [0], f, [0])
jnp.einsum(m, [0, 1], m, [1, 2], [2, 0])
jnp.einsum(m, [..., 0], f, [0])
jnp.einsum("i,j", f, s, preferred_element_type=np.float32)
jnp.einsum("i,i", k, k)
jnp.einsum("ii", b[:, None] & b)
jnp.einsum("i,i", b, b)
jnp.einsum("i,i", f)
jnp.einsum("i,i", f, w)
jnp.einsum("i->j", f)
jnp.einsum(",", 2, 3.0)
jnp.einsum("i", 1.0)
jnp.einsum("->", 2)
jnp.einsum("ii->i", m)
jnp.einsum("ii", m)
jnp.einsum("iji->j", t)
jnp.einsum("...ij,...jk->...ik", p, q)
jnp.einsum("...i->...", m)
jnp.einsum("i...,i...", m, f)
jnp.einsum("ij,jk,kl", m, m, m)
jnp.einsum("ij,jk,kl->li", m, m, m, optimize=False)
jnp.einsum("ij,jk,kl->li", m, m, m, optimize=True)
jnp.einsum("ij,jk,kl->li", m, m, m, optimize=[(1, 2), (0, 1)])
jnp.einsum("ij,jk,kl->li", m, m, m, optimize="greedy")
jnp.einsum("ab,bc,ca", m, m, m)
jnp.einsum("ij,ij->ij", m, m)
jnp.einsum("i,ij,j", f, m, f)
jnp.einsum("ij,j", o, w)
jnp.einsum("ij,kl->", m, m)
jnp.einsum("ba", m)
jnp.einsum("i,i,i->i", f, f, f)
jnp.einsum("ij , jk -> ik", m, m)
jnp.einsum("ii,ij->j", m, m)
""".strip().splitlines()


@pytest.mark.parametrize("case", CASES)
def test_expression(case: str) -> None:
    check(case, INPUTS)


@pytest.mark.parametrize(
    "case",
    [
        "jnp.matmul(p, q)",
        "jnp.matmul(w, v)",
        "jnp.dot(p, q)",
        "jnp.kron(f, u)",
        "jnp.cross(f, m)",
        "jnp.vecdot(m, f)",
        "jnp.tensordot(t, u, ((0,), (0,)))",
        'jnp.einsum("ii,ij->j", m, m)',
        'jnp.einsum("iji->ij", t)',
        'jnp.einsum("i,ij,j", f, m, f)',
        'jnp.einsum("ij,j", o, w)',
        'jnp.einsum("...ij,...jk->...ik", p, q)',
    ],
)
def test_derivatives_and_batches(case: str) -> None:
    derivatives(case, INPUTS)
    batched(case, INPUTS)


def test_einsum_path() -> None:
    m = jnp.ones((3, 3))
    path, report = jnp.einsum_path("ij,jk,kl->il", m, m, m)
    assert len(path) == 2
    assert "Complete contraction" in str(report)
