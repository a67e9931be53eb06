"""``jitney.ensemble.moves``: how walkers of one half of an ensemble propose new places from those of the other half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney import random
from jitney._core.trace import get_aval

__all__ = ["DEMove", "DESnookerMove", "Move", "StretchMove"]


class Move:
    """A move that walkers make; derive from it for a move of your own.

    ``propose`` is traced: it is made of functions of jitney, and becomes part of the compiled loop.

    >>> import jitney.random, jitney.numpy as jnp
    >>> from jitney.ensemble.moves import Move
    >>> class Jump(Move):
    ...     '''A step in a random direction, of the size of the other walkers' spread.'''
    ...     def propose(self, key, walkers, others):
    ...         steps = jitney.random.normal(key, walkers.shape)
    ...         return walkers + 0.5 * jnp.std(others, axis=0) * steps, jnp.zeros(len(walkers))
    """

    def propose(self, key: Any, walkers: Any, others: Any) -> tuple[Any, Any]:
        """Proposed places, and what the move adds to the log of the probability to accept.

        Args:
            key: a random key, of this step and half alone.
            walkers: the half that moves, of shape ``[n, ndim]``.
            others: the half that does not, of shape ``[m, ndim]``.

        Returns:
            Arrays of shapes ``[n, ndim]`` and ``[n]``; the second one is the log of the ratio of the densities to propose the
            way back and the way there.
        """
        raise NotImplementedError(f"{type(self).__name__} is a Move without a propose method.")


@dataclass(frozen=True)
class StretchMove(Move):
    """Along the line to a walker of the other half, the distance scaled by between ``1/a`` and ``a``.

    Goodman, Weare, "Ensemble samplers with affine invariance", Comm. App. Math. and Comp. Sci. 5, 65 (2010).

    >>> from jitney.ensemble.moves import StretchMove
    >>> StretchMove(a=1.5)
    StretchMove(a=1.5)
    """

    a: float = 2.0

    def __post_init__(self) -> None:
        if not self.a > 1:
            raise ValueError(f"StretchMove: a must be greater than 1, got {self.a!r}.")

    def propose(self, key: Any, walkers: Any, others: Any) -> tuple[Any, Any]:
        n, ndim = get_aval(walkers).shape
        lengths, choice = random.split(key)
        z = jnp.square((self.a - 1) * random.uniform(lengths, (n,), walkers.dtype) + 1) / self.a
        other = take(others, random.randint(choice, (n,), 0, len(others)))
        return other - (other - walkers) * z[:, None], (ndim - 1) * jnp.log(z)


@dataclass(frozen=True)
class DEMove(Move):
    """Along the difference of two walkers of the other half.

    ``gamma0`` is the length of the step in units of the difference, 2.38 / sqrt(2 ndim) by default, and ``sigma`` the relative
    spread of that length. Nelson, Ford, Payne, ApJS 210, 11 (2014), after ter Braak, Stat. Comput. 16, 239 (2006).

    >>> from jitney.ensemble.moves import DEMove
    >>> DEMove()
    DEMove(sigma=1e-05, gamma0=None)
    """

    sigma: float = 1e-5
    gamma0: float | None = None

    def propose(self, key: Any, walkers: Any, others: Any) -> tuple[Any, Any]:
        n, ndim = get_aval(walkers).shape
        choice, lengths = random.split(key)
        one, two = _distinct(choice, n, len(others), 2)
        gamma = 2.38 / np.sqrt(2 * ndim) if self.gamma0 is None else self.gamma0
        steps = gamma * (1 + self.sigma * random.normal(lengths, (n, 1), walkers.dtype))
        return walkers + steps * (take(others, one) - take(others, two)), jnp.zeros(n, walkers.dtype)


@dataclass(frozen=True)
class DESnookerMove(Move):
    """Along the line to a walker of the other half, by the difference of two others projected on that line.

    ter Braak, Vrugt, "Differential Evolution Markov Chain with snooker updater and fewer chains", Stat. Comput. 18, 435 (2008).

    >>> from jitney.ensemble.moves import DESnookerMove
    >>> DESnookerMove()
    DESnookerMove(gammas=1.7)
    """

    gammas: float = 1.7

    def propose(self, key: Any, walkers: Any, others: Any) -> tuple[Any, Any]:
        n, ndim = get_aval(walkers).shape
        far, one, two = (take(others, i) for i in _distinct(key, n, len(others), 3))
        line = walkers - far
        length = jnp.linalg.norm(line, axis=1)
        unit = line / length[:, None]
        along = jnp.sum(unit * (one - two), axis=1)
        places = walkers + unit * (self.gammas * along)[:, None]
        new = jnp.linalg.norm(places - far, axis=1)
        return places, (ndim - 1) * (jnp.log(new) - jnp.log(length))


def take(x: Any, places: Any) -> Any:
    """Rows of ``x``, whose numbers are known to be right."""
    return x.at[places].get(mode="promise_in_bounds")


def _distinct(key: Any, n: int, size: int, count: int) -> list[Any]:
    """``count`` arrays of ``n`` numbers below ``size``, which differ from each other place by place."""
    if size < count:
        raise ValueError(f"The move needs {count} walkers in each half, but there are {size}.")
    found: list[Any] = []
    for number, own in enumerate(random.split(key, count)):
        draw = random.randint(own, (n,), 0, size - number)
        # The draw counts those that are still free: walk past the taken ones, from the lowest.
        taken = jnp.sort(jnp.stack(found), axis=0) if found else []
        for place in range(len(found)):
            draw = draw + (draw >= taken[place])
        found.append(draw)
    return found


def moves_of(moves: Any) -> tuple[tuple[Move, ...], tuple[float, ...]]:
    """What ``EnsembleSampler(moves=...)`` was given: moves and their weights, which sum to 1."""
    if moves is None:
        return (StretchMove(),), (1.0,)
    if isinstance(moves, Sequence):
        pairs = [m if isinstance(m, (tuple, list)) else (m, 1.0) for m in moves]
    else:
        pairs = [(moves, 1.0)]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"moves must be a move, a list of moves, or a list of pairs (move, weight); got {moves!r}."
        )
    weights = np.array([float(w) for _, w in pairs])
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0) and weights.sum() > 0):
        raise ValueError(f"Weights of moves must be numbers >= 0, not all 0; got {weights.tolist()}.")
    return tuple([_own(m) for m, _ in pairs]), tuple((weights / weights.sum()).tolist())


_OPTIONS = {StretchMove: ("a",), DEMove: ("sigma", "gamma0"), DESnookerMove: ("gammas",)}


def _own(move: Any) -> Move:
    """A move of ours; those of emcee's that have the same name are translated."""
    if isinstance(move, Move):
        return move
    if type(move).__module__.partition(".")[0] == "emcee":
        for kind, options in _OPTIONS.items():
            if kind.__name__ == type(move).__name__:
                return kind(**{name: getattr(move, name) for name in options})
        raise ValueError(
            f"emcee's {type(move).__name__} has no compiled form here: use {', '.join(k.__name__ for k in _OPTIONS)}, write a "
            "jitney.ensemble.moves.Move, or sample with emcee itself."
        )
    raise TypeError(f"A move must be a jitney.ensemble.moves.Move, got {move!r}.")
