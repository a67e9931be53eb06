"""Rows of ``numpy``: products of vectors, matrices and tensors."""

from __future__ import annotations

from .table import Op, bad, given, op, sample

_PAIRS = ["f8[3] f8[3]", "f8[2,3] f8[3]", "f8[3] f8[3,2]", "f8[2,3] f8[3,4]"]
_MISMATCH = [bad("f8[2,3] f8[2,3]", TypeError), bad(given([1.0], [1.0]), TypeError)]


def einsum(subscripts: str, text: str, **params: object) -> object:
    tokens = sample(text)
    return given(subscripts, *tokens.operands, **params)


# fmt: off
ROWS: list[Op] = [
    op("numpy.dot", *_PAIRS, "f8 f8[3]", "f8[2,2,3] f8[4,3,2]", "i8[2,3] i4[3]", "f4[2,3] f8[3]", "c16[2,3] c16[3]", "f8[0] f8[0]", order=2, bad=_MISMATCH),
    op("numpy.matmul", *_PAIRS, "f8[5,2,3] f8[3,4]", "f8[2,3] f8[5,3,4]", "f8[2,1,2,3] f8[5,3,4]", "i4[2,3] i4[3,2]", "b[2,3] b[3,2]", "f4[2,3] i8[3,2]",
       "f8[2,0] f8[0,3]", "f8[5,2,3] f8[3]", "c16[2,3] f8[3]", order=2, bad=[*_MISMATCH, bad("f8 f8[3]", ValueError, jax=Exception)]),
    op("numpy.vdot", "f8[3] f8[3]", "f8[2,3] f8[2,3]", "c16[3] c16[3]", order=2),
    op("numpy.vecdot", "f8[3] f8[3]", "f8[2,3] f8[3]", "c16[3] c16[3]", order=1),
    op("numpy.inner", "f8[3] f8[3]", "f8[2,3] f8[4,3]", "f8 f8[2]", order=2),
    op("numpy.outer", "f8[3] f8[2]", "f8[2,2] f8[3]", "i8[2] f4[2]", order=2),
    op("numpy.kron", "f8[2,2] f8[2,3]", "f8[2] f8[3]", order=1),
    op("numpy.cross", "f8[3] f8[3]", "f8[2,3] f8[3]", "f8[2,2] f8[2]", order=1),
    op("numpy.tensordot", "f8[2,3,4] f8[3,4,5]", sample("f8[2,3] f8[3,4]", axes=1), sample("f8[2,3] f8[2,3]", axes=((0, 1), (0, 1))),
       sample("f8[2] f8[3]", axes=0), sample("f8[2,3,4] f8[4,3]", axes=([1, 2], [1, 0])), order=2,
       bad=[bad("f8[2,3] f8[2,3]", (TypeError, ValueError), axes=1), bad("f8[2] f8[2]", (TypeError, ValueError), axes=2)]),
    op("numpy.einsum", *(einsum(s, t) for s, t in (
        ("ij,jk->ik", "f8[2,3] f8[3,4]"), ("ij,jk", "f8[2,3] f8[3,4]"), ("ii", "f8[3,3]"), ("ii->i", "f8[3,3]"), ("ij->ji", "f8[2,3]"), ("ij->", "f8[2,3]"),
        ("i,j->ij", "f8[2] f8[3]"), ("bij,bjk->bik", "f8[2,2,3] f8[2,3,4]"), ("...ij,...jk->...ik", "f8[5,2,3] f8[5,3,2]"), ("ij,ij->i", "f8[2,3] f8[2,3]"),
        ("ij,jk,kl->il", "f8[2,3] f8[3,4] f8[4,2]"), ("i,i", "f8[3] f8[3]"), ("ij,j", "i8[2,3] f4[3]"), ("ijk->kj", "f8[2,3,4]"), ("i->", "f8[3]"),
        ("ij,ik->jk", "f8[3,2] f8[3,4]"), ("...->...", "f8[2,3]"), ("i...->...", "f8[2,3]"), ("iij->j", "f8[2,2,3]"))),
       bad=[bad(einsum("ij,jk->ik", "f8[2,3] f8[2,3]"), (TypeError, ValueError), jax=Exception), bad(einsum("ij->ijk", "f8[2,3]"), ValueError, jax=Exception)]),
    op("numpy.matvec", "f8[2,3] f8[3]", order=1),
    op("numpy.vecmat", "f8[2] f8[2,3]", order=1),
]
