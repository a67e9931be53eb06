"""Reverse mode of loops: the transposition of ``counted_while``.

The loop computes, for k = 0 .. n-1, values x and linear quantities t (tangents) with linear consts a::

    x[k+1] = f(x[k])                     t[k+1] = A(x[k]) t[k] + B(x[k]) a

Its transpose takes the cotangent ct of t[n] backwards, for k = n-1 .. 0, and gathers that of a::

    ct <- A(x[k])^T ct                   ct_a <- ct_a + B(x[k])^T ct

which needs the x[k], or rather what A and B read of them (the *record* of step k), in reverse order.  They are
not kept by the forward pass, since n is not known when memory must be: the backward pass runs f again and writes
records to a buffer of fixed length.  If n is larger than the buffer, f first runs once through and takes snapshots
of x at a stride; then, from the last segment to the first, the records of one segment are made from
its snapshot and used up.  With R records and S snapshots one pass of f more suffices up to n = R S steps, and with
another level of snapshots two up to R S S; beyond that, or where a segment is still longer than R, it is recorded
piece by piece, each reached from the last snapshot.  So the result is exact for every n in bounded memory, and
the time stays within a small factor of the loop's for all but astronomical n.  (The schedule that needs the fewest
snapshots is binomial: Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26, 2000; memory for some
hundred records makes this simpler one as fast.)  Where n is known when the buffers are made, in eager code, they hold
all n steps (rounded up to a power of two, so that few programs are compiled) as long as memory allows.

If examples have counts of their own (``vmap``), they step together; an example takes part in its first n steps, and
beyond them its cotangents rest.  All this is an ordinary program of loops, which can be differentiated,
batched and compiled like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._base.config import config
from jitney._control.jit import jit_p
from jitney._control.loop_bodies import Flags, batch_body, chosen, scattered, unknown_carries
from jitney._control.while_loop import bind_while, mask_where
from jitney._core.avals import ShapedArray, float0, tangent_aval
from jitney._core.dce import dce_jaxpr
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Undefined, is_undefined
from jitney._core.trace import Tracer, get_aval, to_numpy
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.dynamic_slices import dynamic_slice, dynamic_update_slice
from jitney._ops.reductions import reduce_max
from jitney._transforms.batching import place_axis
from jitney._transforms.linearize import PartialTrace, split_jaxpr
from jitney._transforms.transpose import transpose_jaxpr

_MOST_RECORDS = 4096  # in a buffer whose size cannot follow the number of steps
_LEAST = 16
_BUFFER_BYTES = 1 << 16  # stays in the cache, and is cleared in no time
_LEVELS = 3
_KNOWN_BUFFER_BYTES = 1 << 28  # where the number of steps is known
_MANY_STEPS = 1 << 24  # up to which no segment is to be longer than its buffer
_int = np.int64


class Plan(NamedTuple):
    """Sizes of the buffers: ``records`` steps, and ``snapshots`` on each of ``levels``."""

    records: int
    snapshots: int
    levels: int
    whole: bool  # the records hold all steps


reverse_while_p = Primitive("reverse_while", multiple_results=True, higher_order=True)


def transpose_counted(
    cts: Sequence[Any], count: Any, *args: Any, body_jaxpr: ClosedJaxpr, body_nconsts: int
) -> list[Any]:
    """The transpose rule of ``counted_while``."""
    linear_consts = tuple(map(is_undefined, args[:body_nconsts]))
    linear_init = unknown_carries(body_jaxpr, linear_consts, tuple(map(is_undefined, args[body_nconsts:])))
    params = {"body_jaxpr": body_jaxpr, "linear_consts": linear_consts, "linear_init": linear_init}
    parts = _reversal(**params)
    given = [raw.instantiate(ct) for ct in chosen(cts, parts.active)]
    known = [x for x, linear in zip(args, parts.linear, strict=True) if not linear]
    outs = reverse_while_p.bind(count, *known, *given, **params)
    found = scattered((*parts.active_consts, *parts.active), outs, [None] * len(args))
    return [None, *(ct if is_undefined(x) else None for ct, x in zip(found, args, strict=True))]


# -- the primitive ------------------------------------------------------------------------------------
#
# (count, known consts, first known carries, cotangents of the linear carries) to the cotangents of the linear
# consts and of the first linear carries.  It is a call of the program below; but the sizes of its buffers are chosen
# late, when it is known how many examples it is for and, in eager code, how many steps.


def _abstract(*avals: Any, **params: Any) -> list[Any]:
    parts = _reversal(**params)
    return parts.ct_const_avals + parts.ct_avals


def _call(args: Sequence[Any], params: dict[str, Any]) -> dict[str, Any]:
    """The params of the equivalent call of a program."""
    parts = _reversal(**params)
    return {"jaxpr": parts.program(get_aval(args[0]), parts.plan(args[0])), "name": "reverse_while"}


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return jit_p.partial_eval(trace, args, _call(args, params))


def _batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    body_jaxpr: ClosedJaxpr,
    linear_consts: Flags,
    linear_init: Flags,
) -> tuple[list[Any], list[int | None]]:
    """The reversal of the batched loop, in which whatever is linear has the batch axis."""
    nconsts, nvalues = linear_consts.count(False), linear_init.count(False)
    count, consts, values = args[0], list(args[1 : 1 + nconsts]), list(args[1 + nconsts :])
    const_dims, value_dims = dims[1 : 1 + nconsts], dims[1 + nconsts :]
    own = dims[0] is not None
    place = 0 if own else get_aval(count).ndim
    all_dims = scattered([not linear for linear in linear_consts], const_dims, [0] * len(linear_consts))
    batched = scattered(
        [not linear for linear in linear_init],
        [own or d is not None for d in value_dims[:nvalues]],
        [True] * len(linear_init),
    )
    body, carry = batch_body(body_jaxpr, size, tuple(all_dims), tuple(batched), place)
    with_axis = [b for b, linear in zip(carry, linear_init, strict=True) if not linear]
    with_axis += [True] * (len(values) - nvalues)
    values = [
        place_axis(x, d, size, place) if b else x
        for x, d, b in zip(values, value_dims, with_axis, strict=True)
    ]
    if own:
        count = raw.move_axis(count, dims[0], 0)
    params = {"body_jaxpr": body, "linear_consts": linear_consts, "linear_init": linear_init}
    outs = reverse_while_p.bind(count, *consts, *values, **params)
    const_count = len(_reversal(**params).ct_const_avals)
    return outs, [0 if k < const_count else place for k in range(len(outs))]


reverse_while_p.abstract = _abstract
reverse_while_p.expand = lambda *args, **params: jit_p.bind(*args, **_call(args, params))
reverse_while_p.jvp = lambda primals, tangents, **params: jit_p.jvp(
    primals, tangents, **_call(primals, params)
)
reverse_while_p.transpose = lambda cts, *args, **params: jit_p.transpose(cts, *args, **_call(args, params))
reverse_while_p.partial_eval = _partial_eval
reverse_while_p.batch = _batch


# -- the program --------------------------------------------------------------------------------------


def _reversal(body_jaxpr: ClosedJaxpr, linear_consts: Flags, linear_init: Flags) -> Reversal:
    key = ("reversal", linear_consts, linear_init, config.safe_grad)
    if key not in body_jaxpr.cache:
        body_jaxpr.cache[key] = Reversal(body_jaxpr, linear_consts, linear_init)
    return body_jaxpr.cache[key]


class Reversal:
    """The parts of a body (see above), and the programs that are made of them."""

    def __init__(self, body: ClosedJaxpr, consts: Flags, carry: Flags) -> None:
        self.consts, self.carry, self.linear = consts, carry, (*consts, *carry)
        split = split_jaxpr(body, self.linear)
        in_avals, nconsts = body.in_avals, len(consts)
        self.const_avals = [a for a, lin in zip(in_avals[:nconsts], consts, strict=True) if not lin]
        self.value_avals = [a for a, lin in zip(in_avals[nconsts:], carry, strict=True) if not lin]
        self.active_consts = tuple(
            lin and tangent_aval(a).dtype != float0 for lin, a in zip(consts, in_avals[:nconsts], strict=True)
        )
        self.active = tuple(
            lin and tangent_aval(a).dtype != float0 for lin, a in zip(carry, in_avals[nconsts:], strict=True)
        )
        self.ct_const_avals = [tangent_aval(a) for a in chosen(in_avals[:nconsts], self.active_consts)]
        self.ct_avals = [tangent_aval(a) for a in chosen(in_avals[nconsts:], self.active)]
        self._split_known(split, carry)
        self._transpose_linear(split, carry)
        self.programs: dict[Any, ClosedJaxpr] = {}

    def _split_known(self, split: Any, carry: Flags) -> None:
        """``f`` and the records; what is the same in all steps is computed ahead of them."""
        known_outs = [lin for lin, unknown in zip(carry, split.unknown_out, strict=True) if not unknown]
        wanted = [not lin for lin in known_outs] + [True] * split.residual_count
        step, _ = dce_jaxpr(split.known, wanted, keep_inputs=True)
        varying = (*[False] * len(self.const_avals), *[True] * len(self.value_avals))
        self.ahead = split_jaxpr(step, varying)
        is_record = [False] * len(self.value_avals) + [True] * split.residual_count
        self.varying = self.ahead.unknown_out
        self.record_varies = chosen(self.varying, is_record)
        outs = self.ahead.unknown.out_avals
        self.record_avals = [
            a for a, record in zip(outs, chosen(is_record, self.varying), strict=True) if record
        ]

    def _transpose_linear(self, split: Any, carry: Flags) -> None:
        """``ct -> A^T ct, B^T ct`` from the records, in the order of the linear consts and carries."""
        flags = (*[False] * split.residual_count, *[True] * (sum(self.consts) + sum(carry)))
        unknown_outs = [
            active for active, unknown in zip(self.active, split.unknown_out, strict=True) if unknown
        ]
        self.backward, self.backward_nonzero = transpose_jaxpr(split.unknown, flags, tuple(unknown_outs))
        self.moves = [u for u, active in zip(split.unknown_out, self.active, strict=True) if active]

    # -- what a plan is made for

    def plan(self, count: Any) -> Plan:
        """The sizes for a count that is known, or for any."""
        value = None if isinstance(count, (Tracer, Undefined)) else count
        record = sum(a.nbytes for a in self.record_avals)
        if value is not None:
            steps = int(np.max(to_numpy(value), initial=0))
            if steps * record <= _KNOWN_BUFFER_BYTES:
                return Plan(1 << max(steps - 1, 0).bit_length(), 0, 0, True)
        records, snapshots = _fitting(record), _fitting(sum(a.nbytes for a in self.value_avals))
        levels = 1
        while records * snapshots**levels < _MANY_STEPS and levels < _LEVELS:
            levels += 1
        return Plan(records, snapshots, levels, False)

    def program(self, count: ShapedArray, plan: Plan) -> ClosedJaxpr:
        """``(count, consts, first values, cotangents) -> (cotangents of the linear consts, of the first carry)``."""
        key = (count.shape, count.dtype, plan)
        if key not in self.programs:
            avals = [count.strip_weak_type(), *self.const_avals, *self.value_avals, *self.ct_avals]
            self.programs[key] = stage(lambda *xs: _Pass(self, plan, *xs).run(), avals)
        return self.programs[key]


def _fitting(nbytes: int) -> int:
    """How many items fit into a buffer: a power of two, within limits."""
    room = max(_BUFFER_BYTES // max(nbytes, 1), 1)
    return min(max(1 << room.bit_length() - 1, _LEAST), _MOST_RECORDS)


class _Pass:
    """The backward pass, while it is traced: begin at ``run``."""

    def __init__(self, parts: Reversal, plan: Plan, count: Any, *args: Any) -> None:
        self.parts, self.plan, self.counts = parts, plan, count
        consts, rest = args[: len(parts.const_avals)], args[len(parts.const_avals) :]
        self.first, self.cts = list(rest[: len(parts.value_avals)]), list(rest[len(parts.value_avals) :])
        ahead = parts.ahead
        outs = evaluate(ahead.known.jaxpr, ahead.known.consts, *consts)
        split = len(outs) - ahead.residual_count
        self.constant, self.computed = outs[:split], outs[split:]
        values = len(parts.value_avals)
        steady = scattered([not v for v in parts.varying], self.constant, [None] * len(parts.varying))
        self.steady_records = chosen(steady[values:], [not v for v in parts.record_varies])
        self.masked = bool(get_aval(count).shape)
        self.steps = reduce_max(count, range(get_aval(count).ndim)) if self.masked else count
        self.sums = [raw.zeros(a) for a in parts.ct_const_avals]

    def run(self) -> list[Any]:
        state = [*self.cts, *self.sums]
        state = self.reverse(self.plan.levels, _int(0), self.steps, self.first, state)
        count = len(self.cts)
        return state[count:] + state[:count]

    # -- forward

    def active(self, k: Any) -> Any:
        return ew.lt(raw.broadcast_in_dim(k, get_aval(self.counts).shape, ()), self.counts)

    def step(self, k: Any, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The values after step ``k``, and its record; examples that have finished repeat their first step."""
        ahead, number = self.parts.ahead, len(self.parts.value_avals)
        if self.masked:
            active = self.active(k)
            values = [mask_where(active, x, y) for x, y in zip(values, self.first, strict=True)]
        outs = evaluate(ahead.unknown.jaxpr, ahead.unknown.consts, *self.computed, *values)
        outs = scattered(
            self.parts.varying,
            outs,
            scattered([not v for v in self.parts.varying], self.constant, [None] * len(self.parts.varying)),
        )
        return outs[:number], chosen(outs[number:], self.parts.record_varies)

    def advance(self, start: Any, steps: Any, values: Sequence[Any]) -> list[Any]:
        return repeat(steps, lambda i, xs: self.step(ew.add(start, i), xs)[0], values)

    # -- backward

    def reverse(self, level: int, start: Any, steps: Any, values: list[Any], state: list[Any]) -> list[Any]:
        """Take ``state`` (cotangents, sums) back over ``steps`` that begin at step ``start`` with ``values``."""
        if level == 0:
            return self.reverse_pieces(start, steps, values, state)
        below = _int(min(self.plan.records * self.plan.snapshots ** (level - 1), 1 << 30))
        stride = ew.maximum(ceil_div(steps, _int(self.plan.snapshots)), below)
        segments = ceil_div(steps, stride)

        def snap(j: Any, carry: list[Any]) -> list[Any]:
            current, kept = carry[: len(values)], carry[len(values) :]
            kept = [put(buffer, x, j) for buffer, x in zip(kept, current, strict=True)]
            more = ew.lt(ew.add(j, _int(1)), segments)
            length = raw.select(more, stride, _int(0))
            return self.advance(ew.add(start, ew.mul(j, stride)), length, current) + kept

        kept = repeat(segments, snap, [*values, *self.buffers(self.parts.value_avals, self.plan.snapshots)])
        kept = kept[len(values) :]

        def back(i: Any, state: list[Any]) -> list[Any]:
            j = ew.sub(ew.sub(segments, _int(1)), i)
            offset = ew.mul(j, stride)
            length = ew.minimum(stride, ew.sub(steps, offset))
            return self.reverse(level - 1, ew.add(start, offset), length, [get(x, j) for x in kept], state)

        return repeat(segments, back, state)

    def reverse_pieces(self, start: Any, steps: Any, values: list[Any], state: list[Any]) -> list[Any]:
        """Without snapshots: each piece that fits the records is reached from the beginning."""
        if self.plan.whole:
            return self.reverse_recorded(start, steps, values, state)
        size = _int(self.plan.records)
        pieces = ceil_div(steps, size)

        def back(i: Any, state: list[Any]) -> list[Any]:
            offset = ew.mul(ew.sub(ew.sub(pieces, _int(1)), i), size)
            reached = self.advance(start, offset, values)
            length = ew.minimum(size, ew.sub(steps, offset))
            return self.reverse_recorded(ew.add(start, offset), length, reached, state)

        return repeat(pieces, back, state)

    def reverse_recorded(self, start: Any, steps: Any, values: list[Any], state: list[Any]) -> list[Any]:
        """Record all steps, then go back through the records."""

        def record(i: Any, carry: list[Any]) -> list[Any]:
            new, found = self.step(ew.add(start, i), carry[: len(values)])
            return new + [put(buffer, x, i) for buffer, x in zip(carry[len(values) :], found, strict=True)]

        buffers = self.buffers(self.parts.record_avals, self.plan.records)
        records = repeat(steps, record, [*values, *buffers])[len(values) :]

        def back(i: Any, state: list[Any]) -> list[Any]:
            k = ew.sub(ew.sub(steps, _int(1)), i)
            return self.step_back(ew.add(start, k), [get(x, k) for x in records], state)

        return repeat(steps, back, state)

    def step_back(self, k: Any, record: list[Any], state: list[Any]) -> list[Any]:
        """Cotangents before step ``k`` from those after it."""
        parts = self.parts
        cts, sums = state[: len(self.cts)], state[len(self.cts) :]
        after = cts
        if self.masked:  # finished examples give nothing to the sums, and keep what they have
            active = self.active(k)
            after = [mask_where(active, ct, raw.zeros(get_aval(ct))) for ct in cts]
        residuals = scattered(
            parts.record_varies,
            record,
            scattered(
                [not v for v in parts.record_varies], self.steady_records, [None] * len(parts.record_varies)
            ),
        )
        found = evaluate(parts.backward.jaxpr, parts.backward.consts, *residuals, *chosen(after, parts.moves))
        found = scattered(parts.backward_nonzero, found, [None] * len(parts.backward_nonzero))
        ct_consts = chosen(found[: sum(parts.consts)], chosen(parts.active_consts, parts.consts))
        before = chosen(found[sum(parts.consts) :], chosen(parts.active, parts.carry))
        before = [raw.zeros(a) if ct is None else ct for ct, a in zip(before, parts.ct_avals, strict=True)]
        if self.masked:
            before = [mask_where(active, new, old) for new, old in zip(before, cts, strict=True)]
        return before + [
            x if ct is None else raw.add_tangents(x, ct) for x, ct in zip(sums, ct_consts, strict=True)
        ]

    def buffers(self, avals: Sequence[ShapedArray], length: int) -> list[Any]:
        return [raw.full((length, *a.shape), 0, a.dtype) for a in avals]


# -- small programs -----------------------------------------------------------------------------------


def repeat(steps: Any, fun: Callable[[Any, list[Any]], list[Any]], init: Sequence[Any]) -> list[Any]:
    """``for i in range(steps): init = fun(i, init)`` as a loop of the program that is being traced."""
    count = get_aval(_int(0))
    avals = [count, *(get_aval(x).strip_weak_type() for x in init)]
    init = [ew.convert(x, get_aval(x).dtype) for x in init]

    def body(i: Any, *xs: Any) -> list[Any]:
        outs = fun(i, list(xs))
        return [ew.add(i, _int(1)), *(ew.convert(y, get_aval(y).dtype) for y in outs)]

    closed = stage(body, avals)
    closed, used = dce_jaxpr(closed, (True,) * len(avals), keep_inputs=True)
    jaxpr = closed.jaxpr.replace(constvars=[], invars=[*closed.jaxpr.constvars, *closed.jaxpr.invars])
    cond = stage(lambda n, i, *xs: [ew.lt(i, n)], [count, *avals])
    return bind_while(cond, ClosedJaxpr(jaxpr), [steps], closed.consts, [_int(0), *init])[1:]


def ceil_div(x: Any, y: Any) -> Any:
    """The least integer not below ``x / y``, of integers that are not negative."""
    return ew.div(ew.add(x, ew.sub(y, _int(1))), y)


def put(buffer: Any, x: Any, i: Any) -> Any:
    """``buffer`` with ``x`` at place ``i``."""
    shape = get_aval(x).shape
    row = raw.reshape(x, (1, *shape))
    return dynamic_update_slice(buffer, row, [i, *[_int(0)] * len(shape)])


def get(buffer: Any, i: Any) -> Any:
    """The item at place ``i``."""
    shape = get_aval(buffer).shape
    row = dynamic_slice(buffer, [i, *[_int(0)] * (len(shape) - 1)], (1, *shape[1:]))
    return raw.reshape(row, shape[1:])
