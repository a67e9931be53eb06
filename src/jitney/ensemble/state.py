"""The state of an ensemble: where its walkers are."""

from __future__ import annotations

import copy as copying
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["State"]


class State:
    """Where the walkers of an ensemble are; unpacks to ``coords, log_prob, random_state`` and, where there are any, ``blobs``.

    Args:
        coords: of shape ``[nwalkers, ndim]``, or another state.
        log_prob: of shape ``[nwalkers]``; None if it is not known yet.
        blobs: what else the probability function returned, the first axis being the walkers'.
        random_state: of ``EnsembleSampler.random_state``: a chain that starts from it is the same chain.
        copy: whether to copy the arrays.

    >>> from jitney.ensemble import State
    >>> State([[1.0, 2.0], [3.0, 4.0]]).coords.shape
    (2, 2)
    """

    __slots__ = ("blobs", "coords", "log_prob", "random_state")

    def __init__(
        self,
        coords: Any,
        log_prob: Any = None,
        blobs: Any = None,
        random_state: Any = None,
        copy: bool = False,
    ) -> None:
        if all(hasattr(coords, name) for name in self.__slots__):  # a state, ours or emcee's
            log_prob, blobs = coords.log_prob, coords.blobs
            random_state, coords = coords.random_state, coords.coords
        take = copying.deepcopy if copy else lambda x: x
        self.coords = np.atleast_2d(np.asarray(take(coords)))
        self.log_prob = None if log_prob is None else np.asarray(take(log_prob))
        self.blobs = take(blobs)
        self.random_state = take(random_state)

    def _parts(self) -> tuple[Any, ...]:
        parts = (self.coords, self.log_prob, self.random_state)
        return parts if self.blobs is None else (*parts, self.blobs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts())

    def __len__(self) -> int:
        return len(self._parts())

    def __getitem__(self, index: int) -> Any:
        return self._parts()[index]

    def __repr__(self) -> str:
        return f"State({self.coords}, log_prob={self.log_prob}, blobs={self.blobs}, random_state={self.random_state})"
