"""``vectorize``: a function of small arrays applied over all leading axes, by ``vmap``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jitney._api.calls import boundary
from jitney._api.pickling import remade
from jitney._api.vmap import vmap
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy.creation import asarray
from jitney.numpy.operands import broadcast_shapes

__all__ = [
    "vectorize",
]


_ARGUMENT = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*)?\)"
_SIGNATURE = re.compile(rf"^\s*{_ARGUMENT}(\s*,\s*{_ARGUMENT})*\s*->\s*{_ARGUMENT}(\s*,\s*{_ARGUMENT})*\s*$")


def _parse(signature: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """``"(n,m),(m)->(n)"`` as the names of core axes of inputs and outputs."""
    if not _SIGNATURE.match(signature):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    names = lambda side: [tuple(re.findall(r"\w+", part)) for part in re.findall(r"\(([^)]*)\)", side)]  # noqa: E731
    left, right = signature.split("->")
    return names(left), names(right)


@remade
def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Any = frozenset(), signature: str | None = None
) -> Callable[..., Any]:
    """``pyfunc`` applied over the leading axes of its arguments, which broadcast.

    Args:
        pyfunc: a function of arrays (or scalars).
        excluded: positions and names of arguments that are passed as they are.
        signature: the core axes of each argument and result, such as ``"(n),(n)->()"``; scalars by default.

    Raises:
        ValueError: for arguments that lack core axes, or whose core or leading axes do not agree.

    >>> import jitney.numpy as jnp
    >>> jnp.vectorize(jnp.dot, signature="(n),(n)->()")(jnp.ones((2, 3)), jnp.ones(3))
    Array([3., 3.], dtype=float64)
    """
    if any(not isinstance(x, (str, int)) for x in excluded):
        raise TypeError(
            f"jax.numpy.vectorize can only exclude integer or string arguments, but excluded={excluded!r}"
        )
    if any(isinstance(x, int) and x < 0 for x in excluded):
        raise ValueError(f"excluded={excluded!r} contains negative numbers")

    def vectorized(*args: Any, **kwargs: Any) -> Any:
        fixed = {i: a for i, a in enumerate(args) if i in excluded or a is None}
        mapped = [asarray(a) for i, a in enumerate(args) if i not in fixed]
        traced = {k: asarray(v) for k, v in kwargs.items() if k not in excluded and signature is None}
        constant = {k: v for k, v in kwargs.items() if k not in traced}
        keys = list(traced)

        def function(*xs: Any) -> Any:
            rest = iter(xs[: len(mapped)])
            full = [fixed[i] if i in fixed else next(rest) for i in range(len(args))]
            return pyfunc(*full, **dict(zip(keys, xs[len(mapped) :], strict=True)), **constant)

        return _apply(function, [*mapped, *traced.values()], signature)

    return boundary(vectorized, pyfunc)


def _apply(function: Callable[..., Any], xs: list[Any], signature: str | None) -> Any:
    cores, outputs = ([()] * len(xs), None) if signature is None else _parse(signature)
    if len(cores) != len(xs):
        raise ValueError(f"wrong number of positional arguments: expected {len(cores)}, got {len(xs)}")
    leading, sizes = _leading(xs, cores)
    if outputs is not None:
        function = _checked(function, outputs, sizes)
    total = broadcast_shapes(*leading)
    rank = len(total)
    # Axes of size 1 are dropped, not mapped: vmap then broadcasts them for free.
    squeezed: list[Any] = []
    maps: list[list[int | None]] = [[] for _ in range(rank)]
    for x, lead in zip(xs, leading, strict=True):
        dropped = [d for d, n in enumerate(lead) if n == 1]
        squeezed.append(raw.squeeze(x, dropped))
        for d in range(rank):
            own = d - (rank - len(lead))
            maps[d].append(0 if own >= 0 and lead[own] != 1 else None)
    for d in reversed(range(rank)):
        if any(m is not None for m in maps[d]):
            function = vmap(function, in_axes=tuple(maps[d]))
        else:
            function = _expanding(function)
    return function(*squeezed)


def _expanding(function: Callable[..., Any]) -> Callable[..., Any]:
    """A leading axis of size 1 in every result."""

    def expanded(*xs: Any) -> Any:
        out = function(*xs)
        grow = lambda y: raw.expand_dims(asarray(y), (0,))  # noqa: E731
        return tuple(map(grow, out)) if isinstance(out, tuple) else grow(out)

    return expanded


def _leading(xs: list[Any], cores: list[tuple[str, ...]]) -> tuple[list[tuple[int, ...]], dict[str, int]]:
    """The leading shape of each argument, and the size of each core axis."""
    leading: list[tuple[int, ...]] = []
    sizes: dict[str, int] = {}
    for x, core in zip(xs, cores, strict=True):
        shape = get_aval(x).shape
        if len(shape) < len(core):
            raise ValueError(
                f"input with shape {shape} does not have enough dimensions for all core dimensions {core}"
            )
        split = len(shape) - len(core)
        leading.append(shape[:split])
        for name, n in zip(core, shape[split:], strict=True):
            _match(sizes, name, n)
    return leading, sizes


def _match(sizes: dict[str, int], name: str, n: int) -> None:
    expected = int(name) if name.isdigit() else sizes.setdefault(name, n)
    if expected != n:
        raise ValueError(f"inconsistent size for core dimension {name!r}: {n} vs {expected}")


def _checked(
    function: Callable[..., Any], outputs: list[tuple[str, ...]], sizes: dict[str, int]
) -> Callable[..., Any]:
    """Raise if the results do not have the core axes that the signature promises."""

    def call(*xs: Any) -> Any:
        out = function(*xs)
        results = out if isinstance(out, tuple) else (out,)
        if len(results) != len(outputs):
            raise ValueError(f"wrong number of outputs: expected {len(outputs)}, got {len(results)}")
        known = dict(sizes)
        for y, core in zip(results, outputs, strict=True):
            shape = get_aval(asarray(y)).shape
            if len(shape) != len(core):
                raise ValueError(f"output shape {shape} does not match core dimensions {core}")
            for name, n in zip(core, shape, strict=True):
                _match(known, name, n)
        return out

    return call
