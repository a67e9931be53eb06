"""The Dirichlet distribution of concentrations ``alpha`` on the simplex."""

from __future__ import annotations

import math
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy import ufuncs as uf
from jitney.numpy.operands import array_operand
from jitney.numpy.reductions import all as every
from jitney.numpy.reductions import sum as total
from jitney.scipy.operands import where
from jitney.scipy.special import gammaln, xlogy


def logpdf(x: Any, alpha: Any) -> Any:
    """Logarithm of the density.

    Args:
        x: points, of shape ``[k, ...]`` or (without the last component, which follows) ``[k - 1, ...]``.
        alpha: positive concentrations, of shape ``[k]``.

    Returns:
        of shape ``[...]``; ``-inf`` off the simplex.

    Raises:
        ValueError: if ``alpha`` is not a vector or the sizes do not fit.
    """
    x, alpha = array_operand("dirichlet.logpdf", x), array_operand("dirichlet.logpdf", alpha, 1)
    shape, sizes = get_aval(x).shape, get_aval(alpha).shape
    if len(sizes) != 1 or not shape or shape[0] not in (sizes[0], sizes[0] - 1):
        raise ValueError(f"dirichlet: x of shape {shape} does not fit alpha of shape {sizes}.")
    if shape[0] < sizes[0]:
        x = raw.concatenate([x, raw.expand_dims(1.0 - total(x, axis=0), (0,))], 0)
    inside = every(x >= 0, axis=0) & (uf.abs(total(x, axis=0) - 1.0) < 1e-4)
    powers = xlogy(raw.reshape(alpha, (*sizes, *[1] * (len(shape) - 1))) - 1.0, x)
    normalizer = total(gammaln(alpha)) - gammaln(total(alpha))
    return where(inside, total(powers, axis=0) - normalizer, -math.inf)


def pdf(x: Any, alpha: Any) -> Any:
    """Density."""
    return uf.exp(logpdf(x, alpha))


_expose(globals(), own=True)
