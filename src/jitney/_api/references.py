"""Mutable references to arrays: ``new_ref`` and what is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._api.calls import boundary
from jitney._core import refs
from jitney._core.refs import AbstractRef as AbstractRef
from jitney._core.refs import Ref as Ref
from jitney._ops import raw


def new_ref(init_val: Any, *, memory_space: Any = None, kind: str | None = None) -> Ref:
    """A mutable reference to an array, first with the value ``init_val``.

    ``ref[index]`` reads (``ref[...]`` all of it) and ``ref[index] = value`` writes; indices are those of arrays. In functions
    that are compiled, and in bodies of ``scan``, ``while_loop`` and ``cond``, a reference may be an argument or come from
    outside; compiled loops update it in place. Derivatives and ``vmap`` go through references that are made inside of the
    function; what is written to one from outside must not depend on the transformation.

    Args:
        init_val: an array or a scalar.
        memory_space, kind: accepted for compatibility.

    Raises:
        TypeError: ``init_val`` is no array.
        ValueError: on writing, if the value's shape or dtype is not exactly that of the part.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.jit
        ... def squares(n):
        ...     table = jitney.new_ref(jnp.zeros(4))
        ...     def step(i, _):
        ...         table[i] = n * i**2
        ...     jitney.lax.fori_loop(0, 4, step, None)
        ...     return table[...]
        >>> squares(2.0)
        Array([ 0.,  2.,  8., 18.], dtype=float64)
    """
    return refs.new_ref(init_val)


def empty_ref(ty: Any, memory_space: Any = None) -> Ref:
    """A reference to an array of the shape and dtype of ``ty``, filled with zeros.

    Example:
        >>> import jitney
        >>> jitney.empty_ref(jitney.ShapeDtypeStruct((2,), float))
        Ref([0., 0.], dtype=float64)
    """
    return refs.new_ref(raw.full(tuple(ty.shape), 0, np.dtype(ty.dtype)))


def freeze(ref: Ref) -> Any:
    """The value of a reference at the end of its use.

    Example:
        >>> import jitney
        >>> float(jitney.freeze(jitney.new_ref(1.0)))
        1.0
    """
    return refs.get(ref)


def free_ref(ref: Ref) -> None:
    """Say that a reference is used no more; nothing happens.

    Example:
        >>> import jitney
        >>> jitney.free_ref(jitney.new_ref(1.0))
    """


def get(ref: Any, idx: Any = None) -> Any:
    """``ref[idx]``; all of it without ``idx``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> float(jitney.ref.get(jitney.new_ref(jnp.arange(3.0)), 1))
        1.0
    """
    return refs.get(ref, idx)


def set(ref: Any, idx: Any, value: Any) -> None:  # noqa: A001
    """``ref[idx] = value``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> r = jitney.new_ref(jnp.zeros(2))
        >>> jitney.ref.set(r, 0, 1.0)
        >>> r
        Ref([1., 0.], dtype=float64)
    """
    refs.put(ref, idx, value)


def swap(ref: Any, idx: Any, value: Any, _function_name: str = "ref_swap") -> Any:
    """``ref[idx] = value``; returns the part's value before.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> float(jitney.ref.swap(jitney.new_ref(jnp.arange(3.0)), 2, 5.0))
        2.0
    """
    return refs.swap(ref, idx, value)


def addupdate(ref: Any, idx: Any, x: Any) -> None:
    """``ref[idx] += x``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> r = jitney.new_ref(jnp.ones(2))
        >>> jitney.ref.addupdate(r, 0, 1.0)
        >>> r
        Ref([2., 1.], dtype=float64)
    """
    refs.addupdate(ref, idx, x)


new_ref = boundary(new_ref)
empty_ref = boundary(empty_ref)
freeze = boundary(freeze)
free_ref = boundary(free_ref)
