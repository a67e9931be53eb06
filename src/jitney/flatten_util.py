"""``jitney.flatten_util``: a tree of arrays as one vector, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._api.calls import expose_methods
from jitney._core import tree as _tree
from jitney._core.trace import get_aval as _get_aval


def ravel_pytree(pytree: Any) -> tuple[Any, Any]:
    """All leaves of ``pytree`` as one vector, in their common dtype, and the function that undoes it.

    The function takes a vector of that length and gives a tree with the leaves' shapes and dtypes; where the
    dtypes differed it wants the common dtype. It is hashable and compares by value, so that it can be a static
    argument. ``TypeError`` if a leaf is no array.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.flatten_util import ravel_pytree
        >>> flat, unravel = ravel_pytree({"a": jnp.ones((2, 2)), "b": 3.0})
        >>> flat
        Array([1., 1., 1., 1., 3.], dtype=float64)
        >>> unravel(2 * flat)["b"]
        Array(6., dtype=float64)
    """
    leaves, treedef = _tree.flatten(pytree)
    if not leaves:
        return jnp.zeros(0, np.float32), _Unravel(treedef, (), (), None)
    avals = [_get_aval(x) for x in leaves]
    kinds = [a.dtype for a in avals]
    same = all(d == kinds[0] for d in kinds)
    common = None if same else jnp.result_type(*kinds)
    parts = [jnp.ravel(x if same else lax.convert_element_type(x, common)) for x in leaves]
    flat = lax.concatenate(parts, 0)
    return flat, _Unravel(treedef, tuple(a.shape for a in avals), tuple(kinds), common)


@expose_methods
class _Unravel:
    """The inverse of one ``ravel_pytree``."""

    def __init__(
        self,
        treedef: Any,
        shapes: Sequence[tuple[int, ...]],
        kinds: Sequence[np.dtype],
        common: np.dtype | None,
    ) -> None:
        self.key = treedef, shapes, kinds, common

    def __call__(self, flat: Any) -> Any:
        treedef, shapes, kinds, common = self.key
        if not shapes:
            return treedef.unflatten(())
        if common is not None:
            got = _get_aval(flat).dtype
            if got != common:
                raise TypeError(
                    f"unravel was given an array of dtype {got}, but the raveled vector has {common}"
                )
        sizes = [int(np.prod(s)) for s in shapes]
        parts = lax.split(flat, sizes)
        leaves = []
        for part, shape, kind in zip(parts, shapes, kinds, strict=True):
            leaf = jnp.reshape(part, shape)
            leaves.append(leaf if common is None else _cast(leaf, kind))
        return treedef.unflatten(leaves)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return type(other) is _Unravel and self.key == other.key


def _cast(x: Any, kind: np.dtype) -> Any:
    if kind.kind != "c" and _get_aval(x).dtype.kind == "c":
        x = lax.real(x)
    return lax.convert_element_type(x, kind)


__all__ = ["ravel_pytree"]

_expose(globals())
