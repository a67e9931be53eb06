"""The ensemble sampler: emcee's interface around a compiled loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney import random
from jitney._api.calls import expose_methods
from jitney._api.jit import jit
from jitney._api.reuse import Operands, Programs, reads
from jitney._base.errors import JitneyTypeError
from jitney._core.trace import get_aval
from jitney.ensemble import _steps
from jitney.ensemble._blobs import packed
from jitney.ensemble._progress import progress_bar
from jitney.ensemble._steps import Steps, Walkers
from jitney.ensemble.backends import Backend, save_steps
from jitney.ensemble.moves import moves_of
from jitney.ensemble.state import State

__all__ = ["EnsembleSampler", "walkers_independent"]

_SECONDS = 0.1  # of a call, after which Python looks for Ctrl-C and the progress bar moves
_MARK = "jitney"  # begins random states of ours
_PROGRAMS = Programs()
_TROUBLE = {
    _steps.NAN_PROBABILITY: "Probability function returned NaN",
    _steps.NAN_PLACE: "At least one parameter value was NaN",
    _steps.INFINITE_PLACE: "At least one parameter value was infinite",
}


@expose_methods
class EnsembleSampler:
    """An affine-invariant ensemble sampler, compiled as a whole.

    The interface is that of ``emcee.EnsembleSampler``; the probability function is traced as by ``jit``, all walkers of a half
    are computed at once, and no step goes through Python.

    Args:
        nwalkers: how many walkers there are, at least ``2 * ndim``.
        ndim: the number of parameters.
        log_prob_fn: ``log_prob_fn(params, *args, **kwargs)`` gives the log of the probability density at ``params``, of shape
            ``[ndim]``, up to a constant; -inf where it vanishes. After it, in a tuple, it may return numbers and arrays to be
            kept (blobs).
        pool: accepted for programs that give one, and not used: all walkers are computed at once.
        moves: a move of ``jitney.ensemble.moves``, a list of them, or of pairs ``(move, weight)``; one is drawn for
            each step. ``StretchMove(a=2)`` by default.
        args, kwargs: further arguments of ``log_prob_fn``.
        backend: where chains are kept, see ``jitney.ensemble.backends``; in memory by default. One that holds a chain goes on.
        vectorize: whether ``log_prob_fn`` takes many parameter vectors at once, ``[n, ndim]``, and returns ``[n]``.
        blobs_dtype: the dtype of blobs, or names, types (and shapes) of each.
        parameter_names: where given, ``log_prob_fn`` takes a dict: names in order, or a dict from names to places.
        a: the parameter of the stretch move, if ``moves`` is not given.
        seed: a number that the random numbers follow from; by default from the operating system.

    Raises:
        ValueError: arguments that do not fit together; while sampling, NaN as a probability (the message says where) or a
            parameter that is not finite.
        RuntimeError: fewer than ``2 * ndim`` walkers.

    Goodman, Weare, Comm. App. Math. and Comp. Sci. 5, 65 (2010); Foreman-Mackey et al., PASP 125, 306 (2013).

    >>> import numpy as np
    >>> import jitney.numpy as jnp
    >>> from jitney.ensemble import EnsembleSampler
    >>> sampler = EnsembleSampler(20, 2, lambda x: -jnp.sum(x**2) / 2, seed=1)
    >>> state = sampler.run_mcmc(np.random.default_rng(0).normal(size=(20, 2)), 3000)
    >>> sampler.get_chain(discard=100, flat=True).std(axis=0).round(1)
    array([1., 1.])
    """

    def __init__(
        self,
        nwalkers: int,
        ndim: int,
        log_prob_fn: Callable[..., Any],
        pool: Any = None,
        moves: Any = None,
        args: Any = None,
        kwargs: Mapping[str, Any] | None = None,
        backend: Any = None,
        vectorize: bool = False,
        blobs_dtype: Any = None,
        parameter_names: Any = None,
        a: float | None = None,
        live_dangerously: bool = False,
        seed: int | None = None,
    ) -> None:
        if not callable(log_prob_fn):
            raise TypeError(f"log_prob_fn must be a function of a parameter vector, got {log_prob_fn!r}.")
        if a is not None:
            if moves is not None:
                raise ValueError("Give either a, of the stretch move, or moves; not both.")
            from jitney.ensemble.moves import StretchMove

            moves = StretchMove(a)
        self.nwalkers, self.ndim, self.log_prob_fn, self.pool = int(nwalkers), int(ndim), log_prob_fn, pool
        self.args = () if args is None else tuple(args)
        self.kwargs = {} if kwargs is None else dict(kwargs)
        self.vectorize, self.blobs_dtype, self.live_dangerously = vectorize, blobs_dtype, live_dangerously
        self._moves, self._weights = moves_of(moves)
        self._names = _checked_names(parameter_names, self.ndim)
        self._words = np.asarray(random.key_data(random.key(_fresh() if seed is None else seed)))
        self._number = 0  # of the next step
        self._previous_state: State | None = None
        self._now: tuple[State, Walkers] | None = None  # blobs of a state as they are computed with
        self.backend = Backend() if backend is None else backend
        if not self.backend.initialized:
            self.reset()
        elif self.backend.shape != (self.nwalkers, self.ndim):
            raise ValueError(
                f"the shape of the backend {self.backend.shape} is incompatible with the shape of the sampler "
                f"{(self.nwalkers, self.ndim)}"
            )
        elif self.iteration > 0:
            self._previous_state = self.get_last_sample()
            self.random_state = self._previous_state.random_state

    # -- state

    @property
    def random_state(self) -> tuple[Any, ...]:
        """What the random numbers of the next step follow from; may be assigned, also with a state of ``np.random``'s."""
        return _MARK, self._words.copy(), self._number

    @random_state.setter
    def random_state(self, state: Any) -> None:
        if state is None:
            return
        parts = list(state)
        words = np.asarray(parts[1]).astype(np.uint32)
        if parts[0] == _MARK:
            self._words, self._number = words, int(parts[2])
        else:  # of NumPy's generators: another sequence, but one that follows from it
            position = int(parts[2]) if len(parts) > 2 else 0
            seeds = np.random.SeedSequence([*words.tolist(), position])
            self._words, self._number = seeds.generate_state(2, np.uint32), 0

    @property
    def iteration(self) -> int:
        """How many steps are stored."""
        return int(self.backend.iteration)

    def reset(self) -> None:
        """Forget the chain; ``run_mcmc(None, n)`` still goes on from where it ended."""
        self.backend.reset(self.nwalkers, self.ndim)

    # -- sampling

    def run_mcmc(self, initial_state: Any, nsteps: int, **options: Any) -> State | None:
        """Store ``nsteps`` steps from ``initial_state`` on (None: from where the last run ended); returns the last one.

        Options are those of :meth:`sample`. An interrupt (Ctrl-C) leaves the steps so far in the backend.
        """
        if initial_state is None:
            if self._previous_state is None:
                raise ValueError("Cannot have `initial_state=None` if run_mcmc has never been called.")
            initial_state = self._previous_state
            options.setdefault("skip_initial_state_check", True)  # a state that the sampler made
        for _ in self._blocks(initial_state, iterations=nsteps, whole=True, **options):
            pass
        return self._previous_state

    def sample(
        self,
        initial_state: Any,
        log_prob0: Any = None,
        rstate0: Any = None,
        blobs0: Any = None,
        iterations: int | None = 1,
        tune: bool = False,
        skip_initial_state_check: bool = False,
        thin_by: int = 1,
        thin: int | None = None,
        store: bool = True,
        progress: bool | str = False,
        progress_kwargs: dict[str, Any] | None = None,
    ) -> Iterator[State]:
        """An iterator over states, one each stored step.

        Args:
            initial_state: positions of the walkers, ``[nwalkers, ndim]``, or a :class:`State`.
            log_prob0, rstate0, blobs0: log probabilities, random state and blobs there, if they are known.
            iterations: how many states; None for no end.
            tune: accepted; no move here tunes itself.
            skip_initial_state_check: whether walkers that depend on each other linearly are accepted.
            thin_by: of how many steps one is stored; ``iterations * thin_by`` steps are made.
            thin: thins what is stored of ``iterations`` steps, an older form of ``thin_by``.
            store: whether states enter the backend.
            progress: whether to show a bar (of tqdm, if it is installed), or the kind of bar: ``"notebook"``.
            progress_kwargs: options of the bar.
        """
        state = State(initial_state)
        log_prob0 = state.log_prob if log_prob0 is None else log_prob0
        rstate0 = state.random_state if rstate0 is None else rstate0
        start = State(state.coords, log_prob0, state.blobs if blobs0 is None else blobs0, rstate0)
        if thin is not None:
            thin_by, iterations = thin, None if iterations is None else iterations // thin
        return self._blocks(
            start,
            iterations,
            False,
            tune,
            skip_initial_state_check,
            thin_by,
            store,
            progress,
            progress_kwargs,
        )

    def _blocks(
        self,
        initial_state: Any,
        iterations: int | None,
        whole: bool,
        tune: bool = False,
        skip_initial_state_check: bool = False,
        thin_by: int = 1,
        store: bool = True,
        progress: bool | str = False,
        progress_kwargs: dict[str, Any] | None = None,
    ) -> Iterator[State]:
        """Runs and stores block after block; yields each step, or with ``whole`` the last one of each block."""
        if thin_by < 1:
            raise ValueError("Invalid thinning argument")
        state = self._checked(State(initial_state, copy=True), skip_initial_state_check)
        self.random_state = state.random_state
        operands = Operands((self.args, self.kwargs))
        walkers = self._walkers(state, operands)
        advance, room = self._advance(walkers, operands)
        left = np.inf if iterations is None else int(iterations)
        if store and iterations is not None:
            self.backend.grow(int(iterations), packed(walkers.blobs, 1, self.blobs_dtype))
        bar = progress_bar(
            progress, None if iterations is None else int(iterations) * thin_by, progress_kwargs
        )
        count = 1
        try:
            while left > 0:
                asked = int(min(count, left, room))
                started = time.perf_counter()
                steps = advance(walkers, self._words, self._number, asked, thin_by, operands.leaves)
                taken = time.perf_counter() - started
                walkers, done = steps.walkers, int(steps.count)
                if store and iterations is None:
                    self.backend.grow(done, packed(walkers.blobs, 1, self.blobs_dtype))
                yield from self._keep(steps, done, thin_by, whole, store, bar)
                if steps.trouble.kind:
                    self._raise(steps.trouble)
                left -= done
                count = int(np.clip(count * min(4, _SECONDS / max(taken, 1e-9)), 1, room))
        finally:
            bar.close()

    def _keep(
        self, steps: Steps, done: int, thin_by: int, whole: bool, store: bool, bar: Any
    ) -> Iterator[State]:
        """Stores the first ``done`` steps of a block, and yields them."""
        kept = State.__new__(State)
        kept.coords, kept.log_prob = (np.asarray(x)[:done] for x in steps.stored[:2])
        kept.blobs = packed([np.asarray(b)[:done] for b in steps.stored.blobs], 2, self.blobs_dtype)
        moved, last = np.asarray(steps.accepted)[:done], self._number
        for n in range(max(done - 1, 0) if whole else 0, done):
            self._number = last + (n + 1) * thin_by
            state = State(
                kept.coords[n],
                kept.log_prob[n],
                None if kept.blobs is None else kept.blobs[n],
                self.random_state,
                copy=True,
            )
            if store and not whole:
                self.backend.save_step(state, moved[n])
            elif store:
                kept.random_state = state.random_state
                save_steps(self.backend, kept, moved, state.random_state)
            bar.update(done * thin_by if whole else thin_by)
            self._previous_state = state
            self._now = (state, steps.walkers) if n == done - 1 and not steps.trouble.kind else None
            yield state

    def _raise(self, trouble: Any) -> None:
        place = np.asarray(trouble.place)
        text = _TROUBLE[int(trouble.kind)]
        raise ValueError(
            f"{text}: for walker {int(trouble.walker)}, after {self._number} steps, at the proposed parameters "
            f"{place.tolist()}. Where a model makes no sense, log_prob_fn must return -inf."
        )

    def _checked(self, state: State, skip: bool) -> State:
        if state.coords.shape != (self.nwalkers, self.ndim):
            raise ValueError(
                f"incompatible input dimensions {state.coords.shape}: the initial state must have one row for each of {self.nwalkers} "
                f"walkers, and one column for each of {self.ndim} parameters."
            )
        if state.coords.dtype.kind not in "fiub":
            raise TypeError(f"The initial state must hold real numbers, got dtype {state.coords.dtype}.")
        if np.any(np.isnan(state.coords)):
            raise ValueError("At least one parameter value was NaN: in the initial state.")
        if np.any(np.isinf(state.coords)):
            raise ValueError("At least one parameter value was infinite: in the initial state.")
        if not skip and not walkers_independent(state.coords):
            raise ValueError(
                "Initial state has a large condition number. Make sure that your walkers are linearly independent for the "
                "best performance"
            )
        if self.nwalkers < 2 * self.ndim and not self.live_dangerously:
            raise RuntimeError(
                f"It is unadvisable to use fewer walkers ({self.nwalkers}) than twice the number of dimensions ({self.ndim})."
            )
        return state

    # -- programs

    def _key(self, operands: Operands) -> tuple[Any, ...]:
        options = (self.vectorize, self._moves, self._weights, self._names)
        return reads(self.log_prob_fn), operands.key, reads(options)

    def _evaluate(self, operands: Operands) -> Callable[[Any, Any], tuple[Any, tuple[Any, ...]]]:
        evaluate = _steps.evaluator(self.log_prob_fn, self.vectorize, self._names)
        values = operands.values
        return lambda places, leaves: evaluate(places, values(leaves))

    def _advance(self, walkers: Walkers, operands: Operands) -> tuple[Callable[..., Steps], int]:
        """The compiled loop, and how many steps it returns at most."""
        kept = [get_aval(x) for x in (walkers.coords, walkers.log_prob, *walkers.blobs)]
        room = _steps.steps_at_once(kept)

        def make() -> Any:
            return jit(_steps.make_advance(self._evaluate(operands), self._moves, self._weights, room))

        return _PROGRAMS.get([*self._key(operands), ("advance", room)], make), room

    def _walkers(self, state: State, operands: Operands) -> Walkers:
        """The state as the loop carries it; what is not known of it is computed."""
        if self._now is not None and self._now[0] is self._previous_state and _equal(self._now[0], state):
            return self._now[1]
        computed = self._probabilities(state.coords, operands)
        if state.log_prob is not None and state.log_prob.shape != (self.nwalkers,):
            raise ValueError(f"incompatible input dimensions {state.log_prob.shape}: of log_prob.")
        log_prob = np.asarray(computed.log_prob) if state.log_prob is None else state.log_prob
        if np.any(np.isnan(log_prob)):
            bad = int(np.argmax(np.isnan(log_prob)))
            raise ValueError(
                f"Probability function returned NaN: for walker {bad} of the initial state, at the parameters "
                f"{state.coords[bad].tolist()}."
            )
        return Walkers(computed.coords, jnp.asarray(log_prob, computed.coords.dtype), computed.blobs)

    def _probabilities(self, coords: Any, operands: Operands) -> Walkers:
        evaluate = self._evaluate(operands)
        run = _PROGRAMS.get([*self._key(operands), "evaluate"], lambda: jit(evaluate))
        places = jnp.asarray(coords, float)
        try:
            log_prob, blobs = run(places, operands.leaves)
        except JitneyTypeError as error:
            error.add_note(
                "jitney.ensemble compiles log_prob_fn, which must be made of functions of jitney or NumPy. emcee.EnsembleSampler, which "
                "has the same interface, takes any Python function."
            )
            raise
        return Walkers(places, log_prob, blobs)

    def compute_log_prob(self, coords: Any) -> tuple[Any, Any]:
        """Log probabilities (and blobs, or None) at ``coords``, of shape ``[n, ndim]``; ValueError where one is NaN."""
        places = np.atleast_2d(np.asarray(coords))
        found = self._probabilities(places, Operands((self.args, self.kwargs)))
        log_prob = np.asarray(found.log_prob)
        if np.any(np.isnan(log_prob)):
            bad = int(np.argmax(np.isnan(log_prob)))
            raise ValueError(f"Probability function returned NaN: at the parameters {places[bad].tolist()}.")
        return log_prob, packed(found.blobs, 1, self.blobs_dtype)

    # -- results

    def get_chain(self, **options: Any) -> Any:
        """The chain, a NumPy array of shape ``[nsteps, nwalkers, ndim]``.

        Options: ``flat`` joins steps and walkers to one axis, ``thin`` takes one step of so many, ``discard`` leaves out the
        first steps.
        """
        return self.backend.get_chain(**options)

    def get_log_prob(self, **options: Any) -> Any:
        """Log probabilities, ``[nsteps, nwalkers]``; options are those of :meth:`get_chain`."""
        return self.backend.get_log_prob(**options)

    def get_blobs(self, **options: Any) -> Any:
        """Blobs, ``[nsteps, nwalkers, ...]``, or None; options are those of :meth:`get_chain`."""
        return self.backend.get_blobs(**options)

    def get_value(self, name: str, **options: Any) -> Any:
        """``chain``, ``log_prob`` or ``blobs`` by name."""
        return self.backend.get_value(name, **options)

    def get_last_sample(self) -> State:
        """The last stored step."""
        return State(self.backend.get_last_sample())

    def get_autocorr_time(self, **options: Any) -> Any:
        """The integrated autocorrelation time of each parameter, in stored steps.

        Options are ``discard`` and ``thin`` of :meth:`get_chain`, and those of ``jitney.ensemble.autocorr.integrated_time``.
        """
        from jitney.ensemble.autocorr import integrated_time

        discard, thin = options.pop("discard", 0), options.pop("thin", 1)
        return thin * integrated_time(self.get_chain(discard=discard, thin=thin), **options)

    @property
    def acceptance_fraction(self) -> Any:
        """The fraction of the stored steps in which each walker moved, ``[nwalkers]``."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.backend.accepted) / np.float64(self.iteration)

    @property
    def chain(self) -> Any:
        """The chain with the walkers ahead: ``[nwalkers, nsteps, ndim]``."""
        return np.swapaxes(self.get_chain(), 0, 1)

    @property
    def flatchain(self) -> Any:
        """The chain with walkers and steps as one axis."""
        return self.get_chain(flat=True)

    @property
    def lnprobability(self) -> Any:
        """Log probabilities with the walkers ahead."""
        return np.swapaxes(self.get_log_prob(), 0, 1)

    @property
    def flatlnprobability(self) -> Any:
        """Log probabilities, walkers and steps as one axis."""
        return self.get_log_prob(flat=True)

    @property
    def blobs(self) -> Any:
        """Blobs, or None."""
        return self.get_blobs()

    @property
    def flatblobs(self) -> Any:
        """Blobs, walkers and steps as one axis."""
        return self.get_blobs(flat=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_now": None, "pool": None}


def walkers_independent(coords: Any) -> bool:
    """Whether walkers at ``coords``, ``[nwalkers, ndim]``, reach all of space: the condition number is at most 1e8.

    >>> from jitney.ensemble import walkers_independent
    >>> walkers_independent([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    False
    """
    coords = np.asarray(coords, float)
    if not np.all(np.isfinite(coords)):
        return False
    away = coords - coords.mean(axis=0)
    largest = np.max(np.abs(away), axis=0)
    if np.any(largest == 0):
        return False
    away = away / largest
    return bool(np.linalg.cond(away / np.linalg.norm(away, axis=0)) <= 1e8)


def _equal(one: State, two: State) -> bool:
    return np.array_equal(one.coords, two.coords) and (
        two.log_prob is not None and np.array_equal(one.log_prob, two.log_prob)
    )


def _fresh() -> int:
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)


def _checked_names(names: Any, ndim: int) -> Any:
    if names is None:
        return None
    if not isinstance(names, dict):
        names = list(names)
        if len(set(names)) < len(names) or len(names) != ndim:
            raise ValueError(f"parameter_names must be {ndim} different names, got {names}.")
    return names
