"""Rows of ``lax``: products contracted over axes."""

from __future__ import annotations

from .table import Op, bad, op, sample

_MATRIX = (((1,), (0,)), ((), ()))


def dims(text: str, numbers: tuple, **params: object) -> object:
    return sample(text, dimension_numbers=numbers, **params)


# fmt: off
ROWS: list[Op] = [
    op("lax.dot_general", dims("f8[2,3] f8[3,4]", _MATRIX), dims("f8[3] f8[3]", (((0,), (0,)), ((), ()))),
       dims("f8[5,2,3] f8[5,3,4]", (((2,), (1,)), ((0,), (0,)))), dims("f8[3,2,4] f8[4,3,5]", (((0, 2), (1, 0)), ((), ()))),
       dims("f8[2,3,4,2] f8[4,2,2,5]", (((2,), (0,)), ((0, 3), (2, 1)))), dims("f8[2] f8[3]", (((), ()), ((), ()))),
       dims("f8[2,0] f8[0,3]", _MATRIX), dims("f8[0,2] f8[2,3]", _MATRIX), dims("f4[2,3] f4[3,4]", _MATRIX),
       dims("i8[2,3] i8[3,4]", _MATRIX), dims("b[2,3] b[3,4]", _MATRIX), dims("c16[2,3] c16[3,4]", _MATRIX),
       dims("f4[2,3] f4[3,4]", _MATRIX, preferred_element_type="float64"), dims("i1[2,3] i1[3,4]", _MATRIX, preferred_element_type="int32"),
       order=2,
       bad=[bad("f8[2,3] f8[4,5]", TypeError, dimension_numbers=_MATRIX),
            bad("f8[2,3] f8[3,5]", TypeError, dimension_numbers=(((1,), ()), ((), ()))),
            bad("f8[2,3,4] f8[5,4,2]", TypeError, dimension_numbers=(((2,), (1,)), ((0,), (0,)))),
            bad("f8[2,3] f8[3,5]", TypeError, dimension_numbers=(((2,), (0,)), ((), ())), jax=Exception)]),
    op("lax.dot", "f8[3] f8[3]", "f8[2,3] f8[3]", "f8[3] f8[3,2]", "f8[2,3] f8[3,4]", "i4[2,3] i4[3,4]", "c16[2,3] c16[3]",
       order=2, bad=[bad("f8[2,3] f8[2,3]", ValueError), bad("f8[3] f8[4]", ValueError), bad("f8 f8[4]", ValueError)]),
    op("lax.batch_matmul", "f8[2,2,3] f8[2,3,4]", "f8[2,3] f8[3,4]", "f4[2,2,3] f4[2,3,1]", order=2,
       bad=[bad("f8[3] f8[3]", ValueError, jax=Exception), bad("f8[2,3] f8[3]", ValueError, jax=Exception)]),
]
