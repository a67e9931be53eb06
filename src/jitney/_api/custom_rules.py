"""What ``custom_jvp`` and ``custom_vjp`` share: calls resolved to positional arguments, leaves, checks of rules."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import as_array, boundary, check_leaf, check_outputs, leaf_names
from jitney._api.failed_calls import shown
from jitney._core import tree
from jitney._core.avals import ShapedArray, float0, tangent_aval
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops.raw import instantiate


class SymbolicZero:
    """A tangent or cotangent that is known to be zero, as rules with ``symbolic_zeros=True`` meet it.

    It has the ``shape``, ``dtype`` and ``aval`` of the array of zeros that it stands for.
    """

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type

    def __eq__(self, other: object) -> bool:
        return type(other) is SymbolicZero and self.aval == other.aval

    def __hash__(self) -> int:
        return hash((SymbolicZero, self.aval))

    def __repr__(self) -> str:
        return "SymbolicZero"


SymbolicZero.__module__ = "jitney.custom_derivatives"


def name_of(fun: Any) -> str:
    return getattr(fun, "__name__", type(fun).__name__)


class Declaration:
    """The function of a custom rule, and which of its arguments are not to be differentiated."""

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: Any, nondiff_argnames: Any, what: str
    ) -> None:
        if not callable(fun):
            raise TypeError(f"{what} needs a function, got {fun!r} of type {type(fun).__name__}.")
        self.fun = fun
        self.what = what
        self.name = name_of(fun)
        self.signature: inspect.Signature | None
        try:
            self.signature = inspect.signature(fun)
        except (TypeError, ValueError):
            self.signature = None
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        self.nondiff = {operator.index(n) for n in numbers} | {self._position(name) for name in names}

    def _position(self, name: str) -> int:
        known = list(self.signature.parameters) if self.signature is not None else []
        if name not in known:
            raise ValueError(
                f"{self.what} got nondiff_argnames with {name!r}, but {self.name} has no argument of that name: "
                f"it takes {', '.join(known)}."
            )
        return known.index(name)

    def resolve(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        """All arguments in their positions, defaults included."""
        if self.signature is None:
            if kwargs:
                raise TypeError(f"{self.name} has no signature to find the places of {sorted(kwargs)} by.")
            return args
        trouble = (
            f"The input arguments to the {self.what}-decorated function {self.name} could not be resolved to "
            "positional-only arguments."
        )
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{trouble} Binding failed with the error:\n{error}") from None
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(
                f"{trouble} These arguments are keyword-only: {', '.join(bound.kwargs)}; rules take positional ones."
            )
        return bound.args

    def split(self, args: tuple) -> tuple[dict[int, Any], tuple]:
        """The arguments that are not differentiated, by position, and the others."""
        for n in self.nondiff:
            if not -len(args) <= n < len(args):
                raise ValueError(
                    f"{self.what} of {self.name} has nondiff_argnums={tuple(sorted(self.nondiff))}, but the call has only "
                    f"{len(args)} positional arguments."
                )
        fixed = {n % len(args): args[n] for n in self.nondiff}
        return dict(sorted(fixed.items())), tuple(a for n, a in enumerate(args) if n not in fixed)

    def leaves(self, args: tuple, dynamic: tuple) -> tuple[list[Any], Any]:
        """The leaves of the differentiated arguments, all of them arrays or numbers."""
        flat, in_tree = tree.flatten(dynamic)
        for number, leaf in enumerate(flat):
            try:
                check_leaf(leaf, "", self.name)
            except TypeError:
                names = leaf_names(self.fun, args, {})
                name = next(
                    (n for n, x in zip(names, tree.leaves((args, {})), strict=False) if x is leaf),
                    f"number {number}",
                )
                check_leaf(leaf, name, self.name)
        return flat, in_tree

    def call(self, fixed: dict[int, Any], in_tree: Any, leaves: Sequence[Any]) -> tuple[list[Any], Any]:
        """Leaves and tree of what the function returns."""
        out = self.fun(*merge(fixed, tree.unflatten(in_tree, rule_values(leaves))))
        flat, out_tree = tree.flatten(out)
        check_outputs(flat, self.fun, self.what, out_tree)
        return flat, out_tree


def rule_values(xs: Sequence[Any]) -> list[Any]:
    """What functions with rules, and the rules, are called with: arrays, which can be asked for shape and dtype.

    Booleans stay Python's: they steer rules, as often as not.
    """
    return [x if type(x) is bool else as_array(x) for x in xs]


def merge(fixed: dict[int, Any], dynamic: Sequence[Any]) -> list[Any]:
    """All arguments in their positions."""
    rest = iter(dynamic)
    return [fixed[n] if n in fixed else next(rest) for n in range(len(fixed) + len(dynamic))]


def check_pair(out: Any, described: str, wanted: str) -> tuple[Any, Any]:
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(
            f"{described} must produce a pair (list or tuple of length two) of {wanted}, but got {shown(out)}."
        )
    return out[0], out[1]


def check_rule_outputs(leaves: Sequence[Any], described: str) -> None:
    for leaf in leaves:
        try:
            get_aval(leaf)
        except TypeError:
            raise TypeError(
                f"{described} must produce arrays or numbers, but got {leaf!r} of type {type(leaf).__name__}."
            ) from None


def suffix(out_tree: Any, leaves: Sequence[Any], number: int) -> str:
    """`` at output['a']`` for the leaf, nothing if it is the whole result."""
    path = tree.leaf_suffixes(tree.unflatten(out_tree, leaves))[number]
    return f" at output{path}" if path else ""


def match_tangent(t: Any, primal: Any, described: str, place: str) -> Any:
    """A rule's tangent, checked against the primal output that it belongs to; ``Zero`` if it is one."""
    want, have = tangent_aval(get_aval(primal)), get_aval(t)
    if have.shape != want.shape or have.dtype != want.dtype:
        raise TypeError(
            f"{described} must produce primal and tangent outputs with corresponding shapes and dtypes. Expected "
            f"{show(want)} (tangent type of {show(get_aval(primal))}) but got {show(have)}{place}."
        )
    return Zero(want) if type(t) is SymbolicZero or want.dtype == float0 else t


def show(aval: ShapedArray) -> str:
    return f"{'float0' if aval.dtype == float0 else aval.dtype.name}[{','.join(map(str, aval.shape))}]"


def zero_from_primal(val: Any, symbolic_zeros: bool = False) -> Any:
    """The zero tangent of an array: zeros, or a ``SymbolicZero`` with ``symbolic_zeros``."""
    zero = Zero.of(val)
    return SymbolicZero(zero.aval) if symbolic_zeros else instantiate(zero)


zero_from_primal = boundary(zero_from_primal)
