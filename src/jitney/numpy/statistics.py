"""Covariance and correlation."""

from __future__ import annotations

from typing import Any

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import contraction, raw
from jitney._ops import elementwise as ew
from jitney.numpy import creation, reductions
from jitney.numpy import elementwise as el
from jitney.numpy import ufuncs as uf
from jitney.numpy.diagonals import diagonal
from jitney.numpy.operands import array_operand, promote_inexact

__all__ = [
    "corrcoef",
    "cov",
]


def _rows(x: Any, rowvar: bool) -> Any:
    """Variables as the rows of a matrix."""
    if get_aval(x).ndim > 2:
        raise ValueError(f"cov() needs at most two dimensions, got {get_aval(x).ndim}.")
    if get_aval(x).ndim < 2:
        return raw.reshape(x, (1, get_aval(x).size))
    return x if rowvar or get_aval(x).shape[0] == 1 else raw.transpose(x, (1, 0))


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    dtype: Any = None,
) -> Any:
    """Covariance matrix of variables, one in each row (column if not ``rowvar``).

    Args:
        m: vector or matrix of observations.
        y: more variables.
        rowvar: variables are rows.
        bias: normalise by ``n``, not ``n - 1``.
        ddof: normalise by ``n - ddof``.
        fweights: how often each observation was made (integers).
        aweights: relative weight of each observation.
        dtype: of the result.
    """
    given = [creation.asarray(m)] + ([] if y is None else [creation.asarray(y)])
    parts = [_rows(x, rowvar) for x in promote_inexact(*given)]
    x = raw.concatenate(parts, 0)
    if dtype is not None:
        x = ew.convert(x, dtypes.requested(dtype))
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = _weights(fweights, aweights, get_aval(x).shape[1])
    if weights is None:
        number: Any = get_aval(x).shape[1]
        centre = reductions.mean(x, 1)
        freedom: Any = number - ddof
    else:
        centre, total = reductions.average(x, 1, weights, returned=True)
        total = total[0]
        spread = total if aweights is None else reductions.sum(weights * creation.asarray(aweights)) / total
        freedom = total - ddof * (spread if aweights is not None else 1)
    x = x - raw.expand_dims(centre, (1,))
    other = x if weights is None else x * weights
    other = raw.transpose(other, (1, 0))
    other = ew.conj(other) if get_aval(other).dtype.kind == "c" else other
    dtype_out = get_aval(x).dtype
    product = contraction.dot_general(
        x, ew.convert(other, dtype_out), (((1,), (0,)), ((), ())), None, dtype_out
    )
    result = product / freedom
    return raw.squeeze(result, tuple(d for d, n in enumerate(get_aval(result).shape) if n == 1))


def _weights(fweights: Any, aweights: Any, n: int) -> Any:
    out = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        w = array_operand("cov", creation.asarray(given))
        if get_aval(w).ndim != 1:
            raise RuntimeError(f"cannot handle multidimensional {name}")
        if get_aval(w).shape[0] != n:
            raise RuntimeError(f"incompatible numbers of samples and {name}")
        if name == "fweights" and get_aval(w).dtype.kind not in "iu":
            raise TypeError("fweights must be integer.")
        out = w if out is None else out * w
    return out


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Any:
    """Correlation coefficients of variables, one in each row (column if not ``rowvar``)."""
    c = cov(x, y, rowvar, dtype=dtype)
    if get_aval(c).ndim == 0:
        return uf.divide(c, c)
    scale = uf.sqrt(el.real(diagonal(c)))
    c = c / raw.expand_dims(scale, (1,)) / raw.expand_dims(scale, (0,))
    if get_aval(c).dtype.kind == "c":
        return ew.complex(el.clip(el.real(c), -1, 1), el.clip(el.imag(c), -1, 1))
    return el.clip(c, -1, 1)
