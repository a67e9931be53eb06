"""``jitney.scipy.cluster.vq``: the nearest vectors of a code book."""

from __future__ import annotations

from typing import Any

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact

__all__ = ["vq"]


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Which vector of a code book is nearest to each observation, and how far it is.

    Args:
        obs: observations, of shape ``[n, d]``, or ``[n]`` for numbers.
        code_book: vectors of shape ``[k, d]``, or ``[k]``.
        check_finite: accepted; values are not looked at.

    Returns:
        Numbers of vectors (the first of the nearest ones) and Euclidean distances, both of shape ``[n]``.

    Raises:
        ValueError: ranks or lengths of vectors that differ, or ranks other than 1 and 2.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.cluster.vq import vq
    >>> vq(jnp.array([[1.0, 1.0], [5.0, 4.0]]), jnp.array([[1.0, 0.0], [5.0, 5.0]]))
    (Array([0, 1], dtype=int64), Array([1., 1.], dtype=float64))
    """
    x, codes = promote_inexact(array_operand("vq", obs), array_operand("vq", code_book, 1))
    rank = get_aval(x).ndim
    if rank != get_aval(codes).ndim:
        raise ValueError("Observation and code_book should have the same rank")
    if rank not in (1, 2):
        raise ValueError("ndim different than 1 or 2 are not supported")
    if rank == 1:
        x, codes = x[:, None], codes[:, None]
    if get_aval(x).shape[1] != get_aval(codes).shape[1]:
        raise ValueError(
            f"vq: observations of {get_aval(x).shape[1]} components and codes of {get_aval(codes).shape[1]} do not fit."
        )
    distances = jnp.linalg.norm(x[:, None] - codes[None], axis=-1)
    return jnp.argmin(distances, axis=1), jnp.min(distances, axis=1)


_expose(globals())
