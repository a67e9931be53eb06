"""sink_transposes: moves transpositions of large arrays behind the arithmetic on them.

    b = transpose a ; c = reduce_sum[axes=1] b      ->   c = reduce_sum[axes=0] a
    d = sub b m:[n, 1] ; e = mul d d                ->   d' = sub a m':[1, n] ; e' = mul d' d' ; e = transpose e'

What is left at the end is folded into a product or a copy, or cancels with another transposition; what stands ahead of it
runs through memory as it lies. Nothing moves where operands disagree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jitney._core.avals import shaped_array
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal, Var
from jitney._core.primitive import registry
from jitney._kernel.rules import Map, Reduce

_LARGE = 1024  # elements from which the order in memory matters


class _View(NamedTuple):
    """A value that is ``source`` with its axes permuted."""

    source: Var
    permutation: tuple[int, ...]


def sink_transposes(closed: ClosedJaxpr) -> ClosedJaxpr:
    """One walk; equations that nobody reads any more are left to ``drop_dead``."""
    if not any(_is_large_transpose(eqn) for eqn in closed.jaxpr.eqns):
        return closed
    walk = _Walk()
    for eqn in closed.jaxpr.eqns:
        walk.visit(eqn)
    outs = [walk.read(a) for a in closed.jaxpr.outvars]
    return ClosedJaxpr(closed.jaxpr.replace(eqns=walk.eqns, outvars=outs), closed.consts)


def _is_large_transpose(eqn: JaxprEqn) -> bool:
    return eqn.primitive is registry["transpose"] and eqn.outvars[0].aval.size >= _LARGE


class _Walk:
    """The equations so far, which of their results are permuted, and what became of others."""

    def __init__(self) -> None:
        self.eqns: list[JaxprEqn] = []
        self.views: dict[Var, _View] = {}
        self.spread: dict[Var, JaxprEqn] = {}  # broadcasts
        self.names: dict[Var, Any] = {}

    def read(self, atom: Any) -> Any:
        return atom if type(atom) is Literal else self.names.get(atom, atom)

    def visit(self, eqn: JaxprEqn) -> None:
        args = [self.read(a) for a in eqn.invars]
        if any(a is not b for a, b in zip(args, eqn.invars, strict=True)):
            eqn = eqn.replace(invars=args)
        rule = eqn.primitive.lower
        if _is_large_transpose(eqn) and type(args[0]) is not Literal:
            self._transpose(eqn)
        elif len(eqn.outvars) != 1 or eqn.effects:
            self.eqns.append(eqn)
        elif isinstance(rule, Map) and (found := self._permutation(eqn)):
            self._elementwise(eqn, found)
        elif isinstance(rule, Reduce) and eqn.invars[0] in self.views:
            self._reduce(eqn, self.views[eqn.invars[0]])
        else:
            if eqn.primitive is registry["broadcast_in_dim"] and len(eqn.invars) == 1:
                self.spread[eqn.outvars[0]] = eqn
            self.eqns.append(eqn)

    # -- rewrites

    def _transpose(self, eqn: JaxprEqn) -> None:
        """A transposition; of a transposition, it is one of the source, or the source."""
        (x,), (out,), permutation = eqn.invars, eqn.outvars, tuple(eqn.params["permutation"])
        view = self.views.get(x)
        if view is not None:
            x, permutation = view.source, tuple([view.permutation[p] for p in permutation])
        if permutation == tuple(range(len(permutation))):
            self.names[out] = x
        else:
            self._permuted(x, permutation, out, eqn)

    def _permuted(self, source: Var, permutation: tuple[int, ...], out: Var, eqn: JaxprEqn) -> None:
        """``out`` is ``source`` with other axes."""
        params = {"permutation": permutation}
        self.eqns.append(JaxprEqn(registry["transpose"], [source], [out], params, eqn.source))
        if out.aval.size >= _LARGE:
            self.views[out] = _View(source, permutation)

    def _permutation(self, eqn: JaxprEqn) -> tuple[int, ...] | None:
        """The permutation of all large operands, if they agree and everything else follows at no cost."""
        shape = eqn.outvars[0].aval.shape
        found: set[tuple[int, ...]] = set()
        for a in eqn.invars:
            if a.aval.ndim == 0:
                continue
            if a.aval.ndim != len(shape) or type(a) is Literal:
                return None
            if a in self.views:
                found.add(self.views[a].permutation)
            elif a.aval.shape == shape and a not in self.spread:
                return None
        return found.pop() if len(found) == 1 else None

    def _elementwise(self, eqn: JaxprEqn, permutation: tuple[int, ...]) -> None:
        args = [self._back(a, permutation, eqn) for a in eqn.invars]
        (out,) = eqn.outvars
        inner = _like(out, [out.aval.shape[k] for k in _inverse(permutation)])
        self.eqns.append(eqn.replace(invars=args, outvars=[inner]))
        self._permuted(inner, permutation, out, eqn)

    def _back(self, atom: Any, permutation: tuple[int, ...], eqn: JaxprEqn) -> Any:
        """An operand with its axes in the order that they have ahead of the transposition."""
        if atom.aval.ndim == 0:
            return atom
        if atom in self.views:
            return self.views[atom].source
        order = _inverse(permutation)
        new = _like(atom, [atom.aval.shape[k] for k in order])
        spread = self.spread.get(atom)
        params: dict[str, Any] = {"permutation": order}
        if spread is not None:
            dims = tuple([permutation[d] for d in spread.params["broadcast_dimensions"]])
            if dims == tuple(sorted(dims)):
                params = {**spread.params, "shape": new.aval.shape, "broadcast_dimensions": dims}
                self.eqns.append(spread.replace(outvars=[new], params=params))
                return new
        self.eqns.append(JaxprEqn(registry["transpose"], [atom], [new], params, eqn.source))
        return new

    def _reduce(self, eqn: JaxprEqn, view: _View) -> None:
        """A fold over axes is one over the same axes of the source, whose results come in another order."""
        (out,), axes = eqn.outvars, set(eqn.params["axes"])
        if len(axes) > 1 and "index_dtype" in eqn.params:
            self.eqns.append(eqn)  # of equal elements, the first one counts
            return
        kept = [p for d, p in enumerate(view.permutation) if d not in axes]
        params = {**eqn.params, "axes": tuple(sorted(view.permutation[d] for d in axes))}
        order = tuple([sorted(kept).index(p) for p in kept])
        if order == tuple(range(len(order))):
            self.eqns.append(eqn.replace(invars=[view.source], params=params))
            return
        inner = _like(out, [view.source.aval.shape[p] for p in sorted(kept)])
        self.eqns.append(eqn.replace(invars=[view.source], outvars=[inner], params=params))
        self._permuted(inner, order, out, eqn)


def _inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


def _like(var: Var, shape: list[int]) -> Var:
    return Var(shaped_array(tuple(shape), var.aval.dtype, var.aval.weak_type))


__all__ = ["sink_transposes"]
