"""The kinds of native lowering a primitive may state in its ``lower`` slot.

A rule says *what one element is*, never how to loop: the compiler decides about loops, SIMD width,
threads and memory.  Begin with :class:`Map`; the builder ``b`` that rules receive is specified in
``_kernel/builder.py``.

==========  ==============================================================================
rule        meaning
==========  ==============================================================================
``Map``     elementwise: ``out[i] = scalar(b, x[i], y[i], ..., **params)`` (size-1 axes and
            rank-0 operands broadcast)
``Pull``    any output element from operand elements: ``element(b, idx, *operands, **params)``
            where ``operand.read(idx)`` gives a value; covers views (transpose, slice, pad,
            broadcast, concatenate, iota) and gathers
``Reduce``  fold of one or several operands over ``params['axes']`` with an associative ``combine``
``Loops``   explicit loops that write whole outputs (scatter, cumulative sums, small contractions)
``Routine`` a function of the extension that is called with whole arrays (sorting, factorisations, FFT)
==========  ==============================================================================

A primitive whose slot is empty calls its NumPy meaning from compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Map(NamedTuple):
    """Elementwise rule ``scalar(b, *values, **params) -> value``."""

    scalar: Callable[..., Any]


class Pull(NamedTuple):
    """Index rule ``element(b, idx, *operands, **params) -> value`` with ``operand.read(idx)``.

    ``operand.aval`` is the operand's shape and dtype. ``cheap`` says that the rule only moves
    indices (a view), so that inlining it never repeats arithmetic. ``elementwise`` is the same meaning where
    operand and result have one shape and each element is read at its own index.
    """

    element: Callable[..., Any]
    cheap: bool = True
    elementwise: Map | None = None


class Reduce(NamedTuple):
    """Fold over ``params['axes']``.

    ``init(dtype)`` is the neutral element as a Python/NumPy scalar, ``combine(b, x, y)`` folds two values.
    A fold of several values at once (argmax: value and place) says with ``lift(b, value, idx, axes)`` what they
    are for one element; ``init`` then gives ``[(dtype, neutral), ...]``, ``combine`` takes and gives lists, and
    ``finish(b, values, **params)`` is the result. ``step`` may say the same as ``combine`` for one element that comes
    after all that were folded before.
    """

    init: Callable[..., Any]
    combine: Callable[..., Any]
    lift: Callable[..., Any] | None = None
    finish: Callable[..., Any] | None = None
    step: Callable[..., Any] | None = None


class Loops(NamedTuple):
    """Explicit rule ``build(b, outs, ins, **params)`` over buffers: ``b.loop``, ``b.load``, ``b.store``.

    ``supports(in_avals, **params) -> bool`` may decline a case (it is then left to ``otherwise``, if that is
    given and takes it, and else to the NumPy meaning).
    ``in_place``: the rule begins by copying ``ins[0]`` to ``outs[0]`` element by element, and may be given one
    buffer for both (the copy is then left out) where that operand is not needed afterwards.
    ``pull``: the same meaning as an index rule, used where there is no memory to update in place.
    ``streams``: operands whose elements are read about once each: what is cheap is computed where it is read.
    """

    build: Callable[..., Any]
    supports: Callable[..., bool] = lambda in_avals, **params: True
    in_place: bool = False
    pull: Pull | None = None
    otherwise: Routine | None = None
    streams: tuple[int, ...] = ()


class RoutineCall(NamedTuple):
    """How a routine is called: ``void symbol(void** ins, void** outs, const int64_t* args)``, without the GIL.

    ``ins`` are the operands (those numbered in ``operands``, if given), each contiguous; ``outs`` the results and then,
    if ``scratch`` is not 0, as many bytes of working memory (aligned as vectors like it). The routine must not fail:
    what could go wrong is to be checked by ``abstract``, ahead. ``nanoseconds`` is a rough estimate of its time;
    ``offsets`` are elements of the operands' memory to begin behind. ``foreign`` is a ``CFunction`` with a signature of its
    own; ``args`` then say what it gets, see ``ir.Call``.
    """

    symbol: str
    args: tuple[Any, ...]
    scratch: int = 0
    operands: tuple[int, ...] | None = None
    nanoseconds: float = 0.0
    offsets: tuple[int, ...] = ()
    foreign: Any = None


class Routine(NamedTuple):
    """A function of the extension on whole arrays: ``plan(in_avals, **params) -> RoutineCall``, None to decline.

    Its symbol is one of ``_ext.symbols()``, or of ``_ext.library_symbols()`` if it calls BLAS or LAPACK. ``of_complex``:
    it takes complex arrays as well, which lie in memory as pairs.
    """

    plan: Callable[..., RoutineCall | None]
    of_complex: bool = False
