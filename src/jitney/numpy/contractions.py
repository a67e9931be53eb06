"""Contractions of labelled arrays: einsum, planned once for each form and shapes, and the pair step of matmul.

Begin with :func:`einsum`, then :func:`contract_pair`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import contraction, raw, reductions
from jitney._ops import elementwise as ew
from jitney.numpy.operands import BOOL, array_operand, promote_dtypes, refuse_out

__all__ = ["einsum", "einsum_path"]

Labels = str


# -- one pair -----------------------------------------------------------------------------------------


def contract_pair(
    x: Any, lx: Labels, y: Any, ly: Labels, keep: str, precision: Any = None, result_type: Any = None
) -> tuple[Any, Labels]:
    """Multiply ``x`` and ``y`` and sum over the labels that are not in ``keep``; no label repeats in one operand.

    Common labels that are kept become batch axes, which come first in the result; the free axes of ``x`` and of
    ``y`` follow.
    """
    x, lx = _sum_out(x, lx, "".join(c for c in lx if c not in keep and c not in ly))
    y, ly = _sum_out(y, ly, "".join(c for c in ly if c not in keep and c not in lx))
    batch = [c for c in lx if c in ly and c in keep]
    summed = [c for c in lx if c in ly and c not in keep]
    labels = [*batch, *(c for c in lx if c not in ly), *(c for c in ly if c not in lx)]
    numbers = (
        [[t.index(c) for c in summed] for t in (lx, ly)],
        [[t.index(c) for c in batch] for t in (lx, ly)],
    )
    if not lx or not ly:  # a scalar factor
        return _as_type(ew.mul(x, y), result_type), "".join(labels)
    wanted = get_aval(x).dtype if result_type is None else result_type
    return contraction.dot_general(x, y, numbers, precision, wanted), "".join(labels)


def _as_type(x: Any, dtype: Any) -> Any:
    return x if dtype is None else ew.convert(x, np.dtype(dtype))


def _sum_out(x: Any, labels: Labels, gone: str) -> tuple[Any, Labels]:
    """Sum over the axes of the labels ``gone``."""
    if not gone:
        return x, labels
    axes = tuple(labels.index(c) for c in gone)
    if get_aval(x).dtype == BOOL:
        x = reductions.reduce_or_p.bind(x, axes=axes, out_sharding=None)
    else:
        x = raw.reduce_sum(x, axes)
    return x, "".join(c for c in labels if c not in gone)


def arrange(x: Any, labels: Labels, wanted: Labels) -> Any:
    """Axes in the order of ``wanted``."""
    return raw.transpose(x, [labels.index(c) for c in wanted])


def _diagonal(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """Replace repeated labels by one: the diagonal of those axes."""
    for c in labels:
        while labels.count(c) > 1:
            first = labels.index(c)
            second = labels.index(c, first + 1)
            rest = [d for d in range(len(labels)) if d not in (first, second)]
            x = last_diagonal(raw.transpose(x, [*rest, first, second]))
            labels = "".join(labels[d] for d in rest) + c
    return x, labels


def last_diagonal(x: Any) -> Any:
    """The diagonal of the last two axes, both of size n: every (n+1)-th of their n*n elements."""
    *outer, n, _ = get_aval(x).shape
    flat = raw.reshape(x, (*outer, n * n))
    rank = len(outer)
    padded = raw.pad(flat, get_aval(x).dtype.type(0), [(0, 0, 0)] * rank + [(0, n, 0)])
    rows = raw.reshape(padded, (*outer, n, n + 1))
    column = raw.slice_(rows, [0] * (rank + 2), (*outer, n, 1))
    return raw.reshape(column, (*outer, n))


# -- einsum -------------------------------------------------------------------------------------------


def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: None = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
    _dot_general: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sums of products by Einstein's convention.

    Args:
        subscripts: ``"ij,jk->ik"``; ``...`` stands for any further axes, which broadcast; without ``->`` the result
            has the labels that occur once, in alphabetical order. Or an operand: ``einsum(a, [0, 1], b, [1, 2])``.
        operands: arrays or scalars; dtypes are promoted.
        optimize: the order of contraction: "auto", "greedy", "optimal", a path of pairs, or False (left to right).
        precision: accepted; products have the precision of their dtype.
        preferred_element_type: dtype of the result.

    Raises:
        ValueError: for subscripts that fit neither each other nor the operands' shapes.
        TypeError: for lists and other sequences.

    >>> import jitney.numpy as jnp
    >>> a = jnp.arange(6.0).reshape(2, 3)
    >>> jnp.einsum("ij,kj->ik", a, a)
    Array([[ 5., 14.],
           [14., 50.]], dtype=float64)
    """
    refuse_out("einsum", out)
    form, operands = _normal_form(subscripts, operands)
    xs = [array_operand("einsum", x, i) for i, x in enumerate(operands)]
    inputs, output, path = _plan(form, tuple(get_aval(x).shape for x in xs), _hashable(optimize))
    if preferred_element_type is not None:
        preferred_element_type = dtypes.requested(preferred_element_type)
    xs = promote_dtypes(*xs)
    terms = [_unary(x, labels) for x, labels in zip(xs, _drop_broadcast(xs, inputs), strict=True)]
    for group in path:
        chosen = [terms[i] for i in group]
        terms = [t for i, t in enumerate(terms) if i not in group]
        x, lx = chosen[0]
        for y, ly in chosen[1:]:
            later = output + "".join(t[1] for t in terms) + "".join(t[1] for t in chosen[2:])
            x, lx = contract_pair(x, lx, y, ly, later, precision, preferred_element_type)
        terms.append((x, lx))
    ((x, labels),) = terms
    x, labels = _sum_out(x, labels, "".join(c for c in labels if c not in output))
    return _as_type(arrange(x, labels, output), preferred_element_type)


def einsum_path(
    subscripts: Any, /, *operands: Any, optimize: Any = "auto"
) -> tuple[list[tuple[int, ...]], Any]:
    """The order in which :func:`einsum` contracts, and a printable report."""
    import opt_einsum

    form, operands = _normal_form(subscripts, operands)
    shapes = [get_aval(array_operand("einsum_path", x, i)).shape for i, x in enumerate(operands)]
    return opt_einsum.contract_path(form, *shapes, shapes=True, optimize=_strategy(optimize))


def _normal_form(subscripts: Any, operands: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Subscripts as a string; the interleaved form ``a, [0, 1], b, [1, 2], [0, 2]`` is spelt out."""
    if isinstance(subscripts, str):
        return subscripts.replace(" ", ""), operands
    everything = [subscripts, *operands]
    arrays, lists = everything[0:-1:2], everything[1::2]
    form = ",".join(map(_spell, lists))
    if len(everything) % 2:
        form += "->" + _spell(everything[-1])
    return form, arrays


def _spell(labels: Any) -> str:
    import opt_einsum

    try:
        return "".join("..." if c is Ellipsis else opt_einsum.get_symbol(operator.index(c)) for c in labels)
    except TypeError:
        raise TypeError(
            f"einsum sublists must be sequences of integers (or Ellipsis), got {labels!r}."
        ) from None


def _hashable(optimize: Any) -> Any:
    return tuple(map(tuple, optimize)) if isinstance(optimize, (list, tuple)) else optimize


def _strategy(optimize: Any) -> Any:
    if isinstance(optimize, tuple):
        return [tuple(p) for p in optimize if not isinstance(p, str)]
    return "auto" if optimize is True else optimize


class _Shape:
    """What the parser of opt_einsum wants to know of an operand."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


@lru_cache(maxsize=2048)
def _plan(
    form: str, shapes: tuple, optimize: Any
) -> tuple[tuple[Labels, ...], Labels, tuple[tuple[int, ...], ...]]:
    """Labels of the operands (ellipses spelt out) and of the result, and the groups of operands to contract."""
    import opt_einsum
    from opt_einsum import parser

    if form.split("->")[0].count(",") + 1 != len(shapes):
        raise ValueError(
            f"Number of einsum subscripts, {form.split('->')[0].count(',') + 1}, must be equal to the number of "
            f"operands, {len(shapes)}."
        )
    joined, output, _ = parser.parse_einsum_input([form, *map(_Shape, shapes)])
    inputs = tuple(joined.split(","))
    _check_sizes(inputs, shapes)
    if len(shapes) < 3 or optimize is False:
        left_to_right = tuple((0, len(shapes) - k - 1) if k else (0, 1) for k in range(len(shapes) - 1))
        return inputs, output, left_to_right
    path, _ = opt_einsum.contract_path(
        f"{joined}->{output}", *shapes, shapes=True, optimize=_strategy(optimize)
    )
    return inputs, output, tuple(tuple(sorted(group)) for group in path)


def _check_sizes(inputs: Sequence[Labels], shapes: Sequence[tuple[int, ...]]) -> None:
    sizes: dict[str, int] = {}
    for number, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        if len(labels) != len(shape):
            raise ValueError(
                f"Einstein sum subscript '{labels}' does not contain the correct number of indices for operand {number}."
            )
        for c, n in zip(labels, shape, strict=True):
            if sizes.get(c, 1) != 1 and n not in (1, sizes[c]):
                raise ValueError(
                    f"Size of label '{c}' for operand {number} ({sizes[c]}) does not match previous terms ({n})."
                )
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]


def _drop_broadcast(xs: list[Any], inputs: Sequence[Labels]) -> list[Labels]:
    """Squeeze axes of size 1 whose label is longer elsewhere (in place); the labels that remain."""
    longest: dict[str, int] = {}
    for x, labels in zip(xs, inputs, strict=True):
        for c, n in zip(labels, get_aval(x).shape, strict=True):
            longest[c] = n if longest.get(c, 1) == 1 else longest[c]
    out = []
    for i, labels in enumerate(inputs):
        shape = get_aval(xs[i]).shape
        short = [d for d, c in enumerate(labels) if shape[d] == 1 and longest[c] != 1]
        xs[i] = raw.squeeze(xs[i], short)
        out.append("".join(c for d, c in enumerate(labels) if d not in short))
    return out


def _unary(x: Any, labels: Labels) -> tuple[Any, Labels]:
    return _diagonal(x, labels) if len(set(labels)) < len(labels) else (x, labels)
