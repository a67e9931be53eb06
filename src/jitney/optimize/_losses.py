"""Losses of least squares that outliers do not dominate, by SciPy's names: ``rho(z)`` of ``z``, the square of a scaled residual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._core.trace import get_aval


def _soft_l1(z: Any) -> tuple[Any, Any, Any]:
    root = jnp.sqrt(1 + z)
    return 2 * z / (root + 1), 1 / root, -0.5 / root**3


def _huber(z: Any) -> tuple[Any, Any, Any]:
    inside, large = z <= 1, jnp.maximum(z, 1)
    root = jnp.sqrt(large)
    return (
        jnp.where(inside, z, 2 * root - 1),
        jnp.where(inside, 1, 1 / root),
        jnp.where(inside, 0, -0.5 / (large * root)),
    )


def _cauchy(z: Any) -> tuple[Any, Any, Any]:
    return jnp.log1p(z), 1 / (1 + z), -1 / jnp.square(1 + z)


def _arctan(z: Any) -> tuple[Any, Any, Any]:
    bottom = 1 + z * z
    return jnp.arctan(z), 1 / bottom, -2 * z / jnp.square(bottom)


LOSSES: dict[str, Callable[[Any], tuple[Any, Any, Any]] | None] = {
    "linear": None,
    "soft_l1": _soft_l1,
    "huber": _huber,
    "cauchy": _cauchy,
    "arctan": _arctan,
}


def weighted(
    residuals: Any, jacobian: Any, loss: str, scale: Any, floor: float = 0.0
) -> tuple[Any, Any, Any]:
    """Twice the cost, and residuals and Jacobian whose normal equations are those of the cost.

    Curvatures count at least ``floor`` times the weights of residuals: then outliers keep holding parameters that nothing else
    holds far from the minimum. The gradient is that of the cost, whatever the curvatures.

    Triggs, McLauchlan, Hartley, Fitzgibbon, "Bundle adjustment: a modern synthesis", Lecture Notes in Computer Science 1883 (2000),
    section 4.3: second derivatives of the residuals are left out, those of the loss are not.
    """
    rho = LOSSES[loss]
    if rho is None:
        return jnp.vdot(residuals, residuals), residuals, jacobian
    z = jnp.square(residuals / scale)
    value, first, second = rho(z)
    least = jnp.maximum(floor * first, np.finfo(get_aval(z).dtype).eps)
    curvature = jnp.maximum(first + 2 * z * second, least)
    root = jnp.sqrt(curvature)
    return scale**2 * jnp.sum(value), residuals * first / root, jacobian * root[:, None]
