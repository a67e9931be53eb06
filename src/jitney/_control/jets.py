"""Taylor mode of higher-order primitives: the bodies work on values and coefficients.

A property of the carry of a loop, to have coefficients, spreads from step to step until it is that of a fixed point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._control import scan
from jitney._control.bodies import close_over_all, rearranged
from jitney._control.cond import Branches, cond_p
from jitney._control.counted_while import bind_counted, counted_while_p
from jitney._control.custom_jvp import custom_jvp_call_p
from jitney._control.custom_linear_solve import linear_solve_p, split_operands
from jitney._control.custom_vjp import custom_vjp_call_p
from jitney._control.custom_vmap import custom_vmap_call_p
from jitney._control.jit import jit_p
from jitney._control.remat import remat_p
from jitney._control.while_loop import bind_while, masked_while_p, while_p, with_carries
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._transforms.jet import INLINED, flattened, jet_flat, jet_program, joined
from jitney._transforms.series import RULES, Rule, Series, coefficient, is_constant, minus

Flags = tuple[bool, ...]


def _active(series: Sequence[Series]) -> Flags:
    return tuple(not is_constant(u) for u in series)


def _values(series: Sequence[Series]) -> list[Any]:
    return [u[0] for u in series]


def _order(series: Sequence[Series]) -> int:
    return len(series[0]) - 1


def _call(primitive: Primitive) -> Rule:
    """A call of the program of series, by the same primitive."""

    def rule(*series: Series, jaxpr: ClosedJaxpr, **params: Any) -> list[Series]:
        active, order = _active(series), _order(series)
        program, active_out = jet_program(jaxpr, order, active)
        outs = primitive.bind(*_values(series), *flattened(series, active), jaxpr=program, **params)
        return joined(outs[: len(active_out)], outs[len(active_out) :], active_out, order)

    return rule


def _cond(index: Series, *series: Series, branches: Branches) -> list[Series]:
    active, order = _active(series), _order([index])
    active_out: Flags = (False,) * len(branches[0].out_avals)
    while True:
        derived = [jet_program(b, order, active, active_out) for b in branches]
        found = tuple(any(column) for column in zip(*(flags for _, flags in derived), strict=True))
        if found == active_out:
            break
        active_out = found
    programs, consts = close_over_all([program for program, _ in derived])
    operands = [*consts, *_values(series), *flattened(series, active)]
    outs = cond_p.bind(index[0], *operands, branches=tuple(programs))
    return joined(outs[: len(active_out)], outs[len(active_out) :], active_out, order)


# -- loops ----------------------------------------------------------------------------------------------


def _grouped(active: Flags, sizes: Sequence[int], order: int) -> list[int]:
    """Places of values and of the coefficients after them, grouped by parts of ``sizes`` and the rest."""
    places, end = [], len(active)
    for own in active:
        places.append(range(end, end + order * own))
        end += order * own
    found: list[int] = []
    start = 0
    for size in (*sizes, len(active) - sum(sizes)):
        found += range(start, start + size)
        found += [n for numbers in places[start : start + size] for n in numbers]
        start += size
    return found


def _body(
    jaxpr: ClosedJaxpr, order: int, active: Flags, num_consts: int, num_carry: int
) -> tuple[ClosedJaxpr, Flags, Flags]:
    """A body of ``(consts, carry, xs)`` to ``(carry, ys)`` with series, part by part; who has coefficients."""
    key = ("jet_body", order, active, num_consts, num_carry)
    if key not in jaxpr.cache:
        end = num_consts + num_carry
        wanted = active
        while True:
            carry = wanted[num_consts:end]
            force = carry + (False,) * (len(jaxpr.out_avals) - num_carry)
            program, out = jet_program(jaxpr, order, wanted, force)
            if out[:num_carry] == carry:
                break
            wanted = wanted[:num_consts] + out[:num_carry] + wanted[end:]
        ins, outs = _grouped(wanted, (num_consts, num_carry), order), _grouped(out, (num_carry,), order)
        jaxpr.cache[key] = rearranged(program, ins, outs), wanted, out
    return jaxpr.cache[key]


def _with_terms(series: Sequence[Series], active: Sequence[bool]) -> list[Any]:
    return _values(series) + flattened(series, active)


def _scan(
    *series: Series, jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, **params: Any
) -> list[Series]:
    order, end = _order(series), num_consts + num_carry
    program, active, out = _body(jaxpr, order, _active(series), num_consts, num_carry)
    consts, carry, xs = (
        _with_terms(series[part], active[part])
        for part in (slice(0, num_consts), slice(num_consts, end), slice(end, None))
    )
    outs = scan.bind(consts, carry, xs, program, params)
    values: list[Any] = [None] * len(outs)
    for place, y in zip(_grouped(out, (num_carry,), order), outs, strict=True):
        values[place] = y
    return joined(values[: len(out)], values[len(out) :], out, order)


def _while(*series: Series, **params: Any) -> list[Series]:
    order, first = _order(series), params["cond_nconsts"]
    nconsts = params["body_nconsts"]
    cond_consts, rest = series[:first], series[first:]
    carry = rest[nconsts:]
    body, active, _ = _body(params["body_jaxpr"], order, _active(rest), nconsts, len(carry))
    moving = active[nconsts:]
    cond = with_carries(params["cond_jaxpr"], body.out_avals[len(carry) :])
    consts = _with_terms(rest[:nconsts], active[:nconsts])
    outs = bind_while(cond, body, _values(cond_consts), consts, _with_terms(carry, moving))
    return joined(outs[: len(carry)], outs[len(carry) :], moving, order)


def _counted_while(
    count: Series, *series: Series, body_jaxpr: ClosedJaxpr, body_nconsts: int
) -> list[Series]:
    order, carry = _order([count]), series[body_nconsts:]
    body, active, _ = _body(body_jaxpr, order, _active(series), body_nconsts, len(carry))
    moving = active[body_nconsts:]
    consts = _with_terms(series[:body_nconsts], active[:body_nconsts])
    outs = bind_counted(count[0], body, consts, _with_terms(carry, moving))
    return joined(outs[: len(carry)], outs[len(carry) :], moving, order)


def _linear_solve(*series: Series, const_lengths: Any, jaxprs: Any) -> list[Series]:
    """``A0 x_k = b_k`` less coefficient k of ``A x`` for the coefficients of x below k."""
    order = _order(series)
    consts, b = split_operands(series, const_lengths)
    operator = jaxprs.matvec
    outs = linear_solve_p.bind(*_values(series), const_lengths=const_lengths, jaxprs=jaxprs)
    x: list[Series] = [[y] for y in outs[: len(b)]]
    for k in range(1, order + 1):
        rest = [u[k] for u in b]
        if not all(map(is_constant, consts.matvec)):
            given = [*[u[: k + 1] for u in consts.matvec], *[[*v, None] for v in x]]
            _, moved = jet_flat(lambda *xs: evaluate(operator.jaxpr, operator.consts, *xs), given, k)
            rest = [minus(c, m[-1]) for c, m in zip(rest, moved, strict=True)]
        found: list[Any] = [None] * len(x)
        if any(c is not None for c in rest):
            given = [coefficient([v[0], c], 1) for v, c in zip(x, rest, strict=True)]
            operands = _values(series[: len(series) - len(b)])
            found = linear_solve_p.bind(*operands, *given, const_lengths=const_lengths, jaxprs=jaxprs)
        for v, c in zip(x, found, strict=False):
            v.append(c)
    return x + [[y] + [None] * order for y in outs[len(b) :]]


RULES.update({p: _call(p) for p in (jit_p, remat_p)})
RULES.update(
    {linear_solve_p: _linear_solve, cond_p: _cond, scan.scan_p: _scan, counted_while_p: _counted_while}
)
RULES.update({p: _while for p in (while_p, masked_while_p)})
# A rule of the user's says how to differentiate once; the function itself can be differentiated as often as needed.
INLINED.update({custom_jvp_call_p, custom_vjp_call_p, custom_vmap_call_p})
