"""``jitney.custom_batching``: batching rules for Python functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitney import lax, tree
from jitney._api.calls import expose as _expose
from jitney._api.custom_vmap import custom_vmap


def sequential_vmap(f: Callable[..., Any]) -> custom_vmap:
    """``f`` as a function that ``vmap`` runs on one example after the other (``lax.map``).

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> f = jitney.custom_batching.sequential_vmap(lambda x: x + 1)
        >>> jitney.vmap(f)(jnp.arange(3)).tolist()
        [1, 2, 3]
    """
    public = custom_vmap(f)

    @functools.wraps(f)
    def rule(axis_size: int, in_batched: list[Any], *args: Any) -> tuple[Any, Any]:
        leaves, treedef = tree.flatten(args)
        batched = tree.leaves(in_batched)

        def one(xs: list[Any]) -> Any:
            rest = iter(xs)
            return public(
                *treedef.unflatten([next(rest) if b else x for b, x in zip(batched, leaves, strict=True)])
            )

        outs = lax.map(one, [x for b, x in zip(batched, leaves, strict=True) if b])
        return outs, tree.map(lambda _: True, outs)

    public.def_vmap(rule)
    return public


_expose(globals())

__all__ = ["custom_vmap", "sequential_vmap"]
