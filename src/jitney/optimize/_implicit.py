"""Derivatives of a minimum by what it depends on: the gradient there stays 0 (the implicit function theorem)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._api.vmap import vmap
from jitney._core.trace import get_aval


def stationary(
    gradient: Callable[[Any], Any], x0: Any, solve: Callable[[Any], tuple[Any, Any]]
) -> tuple[Any, Any]:
    """``solve(x0)``, a point where ``gradient`` vanishes and anything else, with the derivatives of such a point."""

    def tangent_solve(linear: Callable[[Any], Any], right: Any) -> Any:
        n = get_aval(right).shape[0]
        matrix = vmap(linear, out_axes=1)(jnp.eye(n, dtype=right.dtype))
        return jnp.linalg.solve(matrix, right)

    return lax.custom_root(gradient, x0, lambda _, start: solve(start), tangent_solve, has_aux=True)
