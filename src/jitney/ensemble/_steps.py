"""The compiled part of a sampler: many steps of all walkers in one call.

A step splits the ensemble at random into two halves; each proposes new places from the other, all log probabilities of a half
are computed at once, and proposals are accepted one by one (Goodman, Weare 2010; in parallel form Foreman-Mackey et al., PASP
125, 306, 2013). The random numbers of a step follow from the key and the number of the step alone, so that a chain does
not depend on how it was cut into calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney import lax, random
from jitney import numpy as jnp
from jitney._api.vmap import vmap
from jitney._core.trace import get_aval
from jitney.ensemble.moves import Move, take

FINE, NAN_PROBABILITY, NAN_PLACE, INFINITE_PLACE = range(4)
_BYTES = 1 << 20  # of steps that one call returns
_MOST_STEPS = 1024


class Walkers(NamedTuple):
    """Where all walkers are; ``blobs`` is a tuple of arrays, the first axis of each the walkers'."""

    coords: Any
    log_prob: Any
    blobs: tuple[Any, ...]


class Trouble(NamedTuple):
    """What was first found to be wrong (``FINE``: nothing): which walker, where."""

    kind: Any
    walker: Any
    place: Any


class Steps(NamedTuple):
    """Results of a call: where the walkers are now, the stored steps, who moved in them, how many there are."""

    walkers: Walkers
    stored: Walkers
    accepted: Any
    count: Any
    trouble: Trouble


def evaluator(
    log_prob_fn: Callable[..., Any], vectorize: bool, names: Any
) -> Callable[[Any, Any], tuple[Any, tuple[Any, ...]]]:
    """``log_prob_fn`` as a function of places ``[n, ndim]`` and of ``(args, kwargs)``; gives ``[n]`` and blobs."""

    def one(place: Any, given: Any) -> tuple[Any, tuple[Any, ...]]:
        args, kwargs = given
        out = log_prob_fn(place if names is None else _named(place, names), *args, **kwargs)
        first, blobs = (out[0], tuple(out[1:])) if isinstance(out, (tuple, list)) and out else (out, ())
        return _checked(first, get_aval(place)), blobs

    def several(places: Any, given: Any) -> tuple[Any, tuple[Any, ...]]:
        args, kwargs = given
        out = log_prob_fn(places if names is None else _named(places.T, names), *args, **kwargs)
        first, blobs = (out[0], tuple(out[1:])) if isinstance(out, tuple) and out else (out, ())
        log_prob = _checked(first, get_aval(places))
        for blob in blobs:
            if get_aval(blob).shape[:1] != log_prob.shape:
                raise ValueError(
                    "With vectorize=True, the first axis of what log_prob_fn returns besides the log probabilities must be the "
                    f"walkers' ({log_prob.shape[0]}), but there is an array of shape {get_aval(blob).shape}."
                )
        return log_prob, tuple([jnp.asarray(b) for b in blobs])

    return several if vectorize else vmap(one, (0, None))


def _named(place: Any, names: Any) -> dict[str, Any]:
    numbers = names.items() if isinstance(names, dict) else zip(names, range(len(names)), strict=True)
    return {name: place[jnp.asarray(n) if isinstance(n, list) else n] for name, n in numbers}


def _checked(value: Any, place: Any) -> Any:
    """The log probability, of the floating dtype of the places and with one element a place."""
    aval = get_aval(value)
    want = place.shape[:-1]
    if aval.shape not in (want, (*want, 1)):
        many = want != ()
        raise ValueError(
            f"log_prob_fn must return {'an array of shape ' + str(want) if many else 'a number'} (and after it, in a tuple, "
            f"whatever is to be kept as blobs), but it returned an array of shape {aval.shape}."
            + ("" if many else " Is a sum missing?")
        )
    if aval.dtype.kind == "c":
        raise TypeError("log_prob_fn must return a real number, but it returned a complex one.")
    return jnp.reshape(value, want).astype(place.dtype)


def steps_at_once(avals: Sequence[Any]) -> int:
    """How many steps one call may return, for arrays of these types that are stored of each."""
    return int(np.clip(_BYTES // max(sum(a.nbytes for a in avals), 1), 1, _MOST_STEPS))


def make_advance(
    evaluate: Callable[[Any, Any], tuple[Any, tuple[Any, ...]]],
    moves: tuple[Move, ...],
    weights: tuple[float, ...],
    room: int,
) -> Callable[..., Steps]:
    """The function that is compiled: up to ``room`` stored steps, each the last of ``thin`` steps."""

    def advance(walkers: Walkers, words: Any, first: Any, count: Any, thin: Any, given: Any) -> Steps:
        key = random.wrap_key_data(words)
        total = get_aval(walkers.log_prob).shape[0]

        def step(number: Any, carry: tuple[Walkers, Any, Trouble]) -> tuple[Walkers, Any, Trouble]:
            walkers, _, trouble = carry
            own = random.fold_in(key, number)
            order = random.permutation(random.fold_in(own, 0), total)
            return _step(evaluate, moves, weights, own, order, walkers, trouble, given)

        def stored(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            i, walkers, accepted, trouble, kept, moved = carry
            begin = first + i * thin
            walkers, accepted, trouble = lax.fori_loop(
                begin, begin + thin, step, (walkers, accepted, trouble)
            )
            kept = Walkers(
                put(kept.coords, i, walkers.coords),
                put(kept.log_prob, i, walkers.log_prob),
                tuple([put(all_, i, b) for all_, b in zip(kept.blobs, walkers.blobs, strict=True)]),
            )
            return i + (trouble.kind == FINE), walkers, accepted, trouble, kept, put(moved, i, accepted)

        def go_on(carry: tuple[Any, ...]) -> Any:
            return (carry[0] < count) & (carry[3].kind == FINE)

        empty = lambda x: jnp.zeros((room, *get_aval(x).shape), x.dtype)  # noqa: E731
        kept = Walkers(
            empty(walkers.coords), empty(walkers.log_prob), tuple([empty(b) for b in walkers.blobs])
        )
        nobody = jnp.zeros(total, bool)
        none = Trouble(jnp.asarray(FINE), jnp.asarray(0), jnp.zeros_like(walkers.coords[0]))
        start = (jnp.asarray(0), walkers, nobody, none, kept, empty(nobody))
        done, walkers, _, trouble, kept, moved = lax.while_loop(go_on, stored, start)
        return Steps(walkers, kept, moved, done, trouble)

    return advance


def _step(
    evaluate: Callable[[Any, Any], tuple[Any, tuple[Any, ...]]],
    moves: tuple[Move, ...],
    weights: tuple[float, ...],
    key: Any,
    order: Any,
    walkers: Walkers,
    trouble: Trouble,
    given: Any,
) -> tuple[Walkers, Any, Trouble]:
    """Both halves of one step; ``order`` is the walkers' numbers, one half after the other."""
    total = get_aval(order).shape[0]
    size = (total + 1) // 2
    which = _draw(random.fold_in(key, 1), weights)

    def half(number: Any, mine: Any, others: Any, carry: tuple[Walkers, Any, Trouble]) -> Any:
        walkers, accepted, trouble = carry
        propose, accept = random.split(random.fold_in(key, 2 + number))
        here = Walkers(
            take(walkers.coords, mine),
            take(walkers.log_prob, mine),
            tuple([take(b, mine) for b in walkers.blobs]),
        )
        there, log_factors = _propose(moves, which, propose, here.coords, take(walkers.coords, others))
        log_prob, blobs = evaluate(there, given)
        trouble = _first_trouble(trouble, there, log_prob, mine)
        # Where both are -inf the difference is NaN, which is never accepted.
        gain = log_factors + log_prob - here.log_prob
        moved = gain > jnp.log(random.uniform(accept, (get_aval(mine).size,), here.log_prob.dtype))
        moved = moved & (trouble.kind == FINE)

        def chosen(all_: Any, new: Any, old: Any) -> Any:
            value = jnp.where(moved.reshape(-1, *[1] * (get_aval(old).ndim - 1)), new, old)
            return put(all_, mine, value.astype(all_.dtype))

        walkers = Walkers(
            chosen(walkers.coords, there, here.coords),
            chosen(walkers.log_prob, log_prob, here.log_prob),
            tuple([chosen(*b) for b in zip(walkers.blobs, blobs, here.blobs, strict=True)]),
        )
        return walkers, put(accepted, mine, moved), trouble

    carry = (walkers, jnp.zeros(total, bool), trouble)
    if total % 2:
        first, second = order[:size], order[size:]
        return half(1, second, first, half(0, first, second, carry))
    rows = order.reshape(2, size)
    return lax.fori_loop(0, 2, lambda n, carry: half(n, rows[n], rows[1 - n], carry), carry)


def _draw(key: Any, weights: tuple[float, ...]) -> Any:
    """Which of the moves is made."""
    if len(weights) == 1:
        return 0
    return jnp.sum(random.uniform(key) > jnp.cumsum(jnp.asarray(weights))[:-1])


def _propose(moves: tuple[Move, ...], which: Any, key: Any, walkers: Any, others: Any) -> tuple[Any, Any]:
    def checked(move: Move) -> Callable[[], tuple[Any, Any]]:
        def run() -> tuple[Any, Any]:
            places, log_factors = move.propose(key, walkers, others)
            n, ndim = get_aval(walkers).shape
            shapes = get_aval(places).shape, get_aval(log_factors).shape
            if shapes != ((n, ndim), (n,)):
                raise ValueError(
                    f"{type(move).__name__}.propose must return arrays of shapes {(n, ndim)} and {(n,)}, but they have shapes "
                    f"{shapes[0]} and {shapes[1]}."
                )
            return places.astype(walkers.dtype), log_factors.astype(walkers.dtype)

        return run

    if len(moves) == 1:
        return checked(moves[0])()
    return lax.switch(which, [checked(m) for m in moves])


def _first_trouble(trouble: Trouble, places: Any, log_prob: Any, mine: Any) -> Trouble:
    kinds = (
        (NAN_PROBABILITY, jnp.isnan(log_prob)),
        (INFINITE_PLACE, jnp.any(jnp.isinf(places), axis=1)),
        (NAN_PLACE, jnp.any(jnp.isnan(places), axis=1)),
    )
    kind, bad = jnp.asarray(FINE), jnp.zeros(get_aval(log_prob).shape, bool)
    for number, found in kinds:
        worse = jnp.any(found)
        kind, bad = jnp.where(worse, number, kind), jnp.where(worse, found, bad)
    place = jnp.argmax(bad)
    new = Trouble(kind, mine[place], places[place])
    known = trouble.kind != FINE
    return Trouble(*[jnp.where(known, old, now) for old, now in zip(trouble, new, strict=True)])


def put(x: Any, places: Any, values: Any) -> Any:
    """``x`` with rows exchanged, whose numbers are known to be right and different."""
    return x.at[places].set(values, mode="promise_in_bounds", unique_indices=True)
