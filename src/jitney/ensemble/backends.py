"""``jitney.ensemble.backends``: where chains are kept, in memory or (emcee's) in HDF5 files."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney.ensemble.autocorr import integrated_time
from jitney.ensemble.state import State

__all__ = ["Backend", "HDFBackend", "save_steps"]

_NOTHING_YET = "you must run the sampler with 'store == True' before accessing the results"


class Backend:
    """Chains in memory; any object with these methods will do in its place.

    >>> from jitney.ensemble.backends import Backend
    >>> Backend().initialized
    False
    """

    def __init__(self, dtype: Any = None) -> None:
        self.initialized = False
        self.dtype = np.float64 if dtype is None else dtype

    def reset(self, nwalkers: int, ndim: int) -> None:
        """Forget everything; walkers are ``nwalkers`` points of ``ndim`` numbers from now on."""
        self.nwalkers, self.ndim = int(nwalkers), int(ndim)
        self.iteration = 0
        self.accepted = np.zeros(self.nwalkers, self.dtype)
        self.chain = np.empty((0, self.nwalkers, self.ndim), self.dtype)
        self.log_prob = np.empty((0, self.nwalkers), self.dtype)
        self.blobs: Any = None
        self.random_state: Any = None
        self.initialized = True

    def has_blobs(self) -> bool:
        """Whether blobs are kept."""
        return self.blobs is not None

    @property
    def shape(self) -> tuple[int, int]:
        """``(nwalkers, ndim)``."""
        return self.nwalkers, self.ndim

    def get_value(self, name: str, flat: bool = False, thin: int = 1, discard: int = 0) -> Any:
        """What is kept under ``name``: ``chain``, ``log_prob`` or ``blobs``."""
        if getattr(self, "iteration", 0) <= 0:
            raise AttributeError(_NOTHING_YET)
        if name == "blobs" and not self.has_blobs():
            return None
        kept = getattr(self, name)[discard + thin - 1 : self.iteration : thin]
        return kept.reshape(-1, *kept.shape[2:]) if flat else kept

    def get_chain(self, **options: Any) -> Any:
        """The chain, ``[nsteps, nwalkers, ndim]``; for the options see ``EnsembleSampler.get_chain``."""
        return self.get_value("chain", **options)

    def get_log_prob(self, **options: Any) -> Any:
        """Log probabilities, ``[nsteps, nwalkers]``."""
        return self.get_value("log_prob", **options)

    def get_blobs(self, **options: Any) -> Any:
        """Blobs, ``[nsteps, nwalkers, ...]``; None if there are none."""
        return self.get_value("blobs", **options)

    def get_last_sample(self) -> State:
        """The last stored step."""
        if getattr(self, "iteration", 0) <= 0:
            raise AttributeError(_NOTHING_YET)
        last = self.iteration - 1
        blobs = self.blobs[last] if self.has_blobs() else None
        return State(self.chain[last], self.log_prob[last], blobs, self.random_state)

    def get_autocorr_time(self, discard: int = 0, thin: int = 1, **options: Any) -> Any:
        """The integrated autocorrelation time of each parameter; see ``autocorr.integrated_time``."""
        return thin * integrated_time(self.get_chain(discard=discard, thin=thin), **options)

    def grow(self, ngrow: int, blobs: Any) -> None:
        """Make room for ``ngrow`` steps more, with blobs like these (of one step)."""
        room = self.iteration + ngrow
        if self.blobs is None and blobs is not None:
            self.blobs = np.empty((len(self.chain), *blobs.shape), blobs.dtype)
        if room > len(self.chain):
            for name in ("chain", "log_prob", "blobs"):
                old = getattr(self, name)
                if old is not None:
                    new = np.empty((room, *old.shape[1:]), old.dtype)  # memory that nobody has touched yet
                    new[: self.iteration] = old[: self.iteration]
                    setattr(self, name, new)

    def save_step(self, state: Any, accepted: Any) -> None:
        """Keep a step; ``accepted`` says which walkers moved in it."""
        save_steps(self, _one(state), np.asarray(accepted)[None], state.random_state)

    def _save(self, steps: State, accepted: Any, random_state: Any) -> None:
        here = slice(self.iteration, self.iteration + len(steps.coords))
        self.chain[here] = steps.coords
        self.log_prob[here] = steps.log_prob
        if steps.blobs is not None:
            self.blobs[here] = steps.blobs
        self.accepted += np.sum(accepted, axis=0)
        self.random_state = random_state
        self.iteration = here.stop


def _one(state: Any) -> State:
    steps = State.__new__(State)
    steps.coords, steps.log_prob = state.coords[None], state.log_prob[None]
    steps.blobs = None if state.blobs is None else np.asarray(state.blobs)[None]
    steps.random_state = state.random_state
    return steps


def save_steps(backend: Any, steps: Any, accepted: Any, random_state: Any) -> None:
    """Keep many steps at once: ``steps`` is a state whose arrays have one more axis, ahead of the walkers'."""
    if isinstance(backend, Backend):
        backend._save(steps, accepted, random_state)
    elif hasattr(backend, "open") and type(backend).__module__.partition(".")[0] == "emcee":
        _save_in_file(backend, steps, accepted, random_state)
    else:
        for n in range(len(steps.coords)):
            blobs = None if steps.blobs is None else steps.blobs[n]
            backend.save_step(State(steps.coords[n], steps.log_prob[n], blobs, random_state), accepted[n])


def _save_in_file(backend: Any, steps: Any, accepted: Any, random_state: Any) -> None:
    """The same in a file of emcee's: it opens the file for every step, which costs a millisecond."""
    if backend.read_only:
        raise RuntimeError(
            "The backend has been loaded in read-only mode. Set `read_only = False` to make changes."
        )
    with backend.open("a") as file:
        group = file[backend.name]
        first = group.attrs["iteration"]
        here = slice(first, first + len(steps.coords))
        group["chain"][here] = steps.coords
        group["log_prob"][here] = steps.log_prob
        if steps.blobs is not None:
            group["blobs"][here] = steps.blobs
        group["accepted"][:] += np.sum(accepted, axis=0)
        for number, part in enumerate(random_state):
            group.attrs[f"random_state_{number}"] = part
        group.attrs["iteration"] = here.stop


def HDFBackend(
    filename: str,
    name: str = "mcmc",
    read_only: bool = False,
    dtype: Any = None,
    compression: Any = None,
    compression_opts: Any = None,
) -> Any:
    """emcee's backend that keeps chains in an HDF5 file, which emcee and others read.

    Args:
        filename: of the file.
        name: of the group in it.
        read_only: whether an existing chain is only looked at.
        dtype: of the numbers kept, float64 by default.
        compression, compression_opts: of h5py's datasets.

    Raises:
        ImportError: emcee or h5py is not installed.

    >>> from jitney.ensemble.backends import HDFBackend
    >>> backend = HDFBackend("chain.h5")  # doctest: +SKIP
    """
    try:
        import h5py  # noqa: F401  # emcee's own error comes later and says less
        from emcee.backends import HDFBackend as Kept
    except ImportError as error:
        raise ImportError(
            f"HDFBackend keeps chains through emcee and h5py, but {error.name} is not installed (pip install emcee h5py). "
            "jitney.ensemble.backends.Backend keeps them in memory."
        ) from None
    return Kept(
        filename,
        name=name,
        read_only=read_only,
        dtype=dtype,
        compression=compression,
        compression_opts=compression_opts,
    )
