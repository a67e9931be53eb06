"""A primitive: one operation as one object with a named slot for each of its rules.

====================  ==========================================================================
slot                  signature
====================  ==========================================================================
``numpy``             ``(*ndarrays, **params) -> ndarray`` (list if ``multiple_results``): the meaning
``abstract``          ``(*avals, **params) -> aval`` (list if ``multiple_results``); raises on misuse
``jvp``               ``(primals, tangents, **params) -> (out, tangent)``; tangents may be ``Zero``
``transpose``         ``(ct, *args, **params) -> [ct or None]``; linear args are ``Undefined(aval)``
``batch``             ``(size, args, dims, **params) -> (out, dim)``; a dim is an int or ``None``
``lower``             a rule of ``_kernel/rules.py``, or None: compiled code calls ``numpy``
``expand``            ``(*args, **params) -> out`` in terms of other primitives: the meaning of what has no
                      ``numpy`` and no ``lower``; compiled code inlines it
``partial_eval``      higher-order only: ``(trace, args, params) -> [out]`` with some unknown inputs
``stage``             ``(trace, args, params)``: how a StagingTrace records it; None: as it is
``dce``               ``(eqn, used_outs) -> eqn or None``: the equation with fewer results and inputs
``effects``           ``(params) -> frozenset``: what it does besides computing; None: nothing of its own
``print_params``      ``(eqn) -> dict``: the parameters as printed; None: all
``impl``              eager evaluation; None: the shared evaluator runs ``numpy``
====================  ==========================================================================

Families (``_ops/families.py``) fill most slots from one row.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jitney._core import trace as _trace
from jitney._core.avals import ShapedArray

registry: dict[str, Primitive] = {}
# Operations whose rules are jitney's own, by names that are the same in every process: their programs can be kept.
natives: dict[str, Primitive] = {}


def _native_name(module: str, name: str) -> str | None:
    """A name that no other operation has; None for a primitive of another library."""
    if not module.startswith("jitney."):
        return None
    own = f"{module}:{name}"
    while own in natives:
        own += "'"
    return own


class Primitive:
    """An operation of the language; ``bind`` applies it under the current trace."""

    __slots__ = (
        "__dict__",
        "abstract",
        "batch",
        "dce",
        "effects",
        "expand",
        "higher_order",
        "impl",
        "jvp",
        "lower",
        "may_warn",
        "multiple_results",
        "name",
        "native",
        "numpy",
        "partial_eval",
        "print_params",
        "stage",
        "transpose",
    )

    SLOTS = ("numpy", "abstract", "jvp", "transpose", "batch", "lower")

    # What programs that walk over equations ask of a primitive.
    call_primitive = False
    map_primitive = False
    ref_primitive = False
    skip_canonicalization = False
    # Whether ``transpose`` takes cotangents that are still to be chosen (``_transforms/cotangents.py``).
    takes_chosen = False
    # ``(*avals, **params) -> (aval, effects)`` of a primitive whose effects depend on its operands.
    effectful_abstract: Callable[..., Any] | None = None
    # Why there is no ``jvp``, of a primitive that has none on purpose: ends the error's sentence.
    no_derivative = "it has neither a jvp rule nor a body of other primitives"

    def __init__(self, name: str, *, multiple_results: bool = False, higher_order: bool = False) -> None:
        self.name = name
        self.multiple_results = multiple_results
        self.higher_order = higher_order
        self.native = _native_name(sys._getframe(1).f_globals.get("__name__", ""), name)
        if self.native is not None:
            natives[self.native] = self
        self.may_warn = (
            multiple_results  # whether ``numpy`` can meet a floating-point error, which stays silent
        )
        self.numpy: Callable[..., Any] | None = None
        self.abstract: Callable[..., Any] | None = None
        self.jvp: Callable[..., Any] | None = None
        self.transpose: Callable[..., Any] | None = None
        self.batch: Callable[..., Any] | None = None
        self.lower: Any = None
        self.expand: Callable[..., Any] | None = None
        self.partial_eval: Callable[..., Any] | None = None
        self.stage: Callable[..., Any] | None = None
        self.dce: Callable[..., Any] | None = None
        self.effects: Callable[[dict[str, Any]], frozenset] | None = None
        self.print_params: Callable[..., dict[str, Any]] | None = None
        self.impl: Callable[..., Any] | None = None
        if self.native is not None:  # what others define never takes the place of ours, loaded or not
            registry.setdefault(name, self)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply to ``args`` under the current trace; without one, evaluate at once."""
        current = _trace.current_trace()
        if current is None:
            return _trace.evaluate_eagerly(self, args, params)
        return current.process(self, args, params)

    def bind_with_trace(self, trace: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Apply to ``args`` under ``trace``."""
        with _trace.under(trace):
            return self.bind(*args, **params)

    def get_bind_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of ``bind`` for an equation's ``params``."""
        return dict(params)

    def undifferentiable(self) -> NotImplementedError:
        """The error of whoever differentiates a primitive without a derivative."""
        return NotImplementedError(
            f"Differentiation rule for {self.name!r} not implemented: {self.no_derivative}"
        )

    def def_impl(self, impl: Callable[..., Any]) -> Callable[..., Any]:
        """Define the value: ``impl(*args, **params)``, in NumPy or in jitney. Also a decorator."""
        self.impl = impl
        self.native = None
        return impl

    def def_abstract_eval(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Define the type of the result: ``rule(*avals, **params)``, one aval or a list. Also a decorator."""
        self.native = None
        self.abstract = lambda *avals, **params: self._checked(rule(*avals, **params))
        self.effectful_abstract = None
        return rule

    def def_effectful_abstract_eval(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Like ``def_abstract_eval`` for a ``rule`` that returns the types and the set of effects."""
        self.native = None
        self.effectful_abstract = rule
        self.abstract = lambda *avals, **params: self._checked(rule(*avals, **params)[0])
        return rule

    def _checked(self, out: Any) -> Any:
        """The result of a library's abstract evaluation; ``TypeError`` if it is not of avals."""
        items = out if self.multiple_results and isinstance(out, (list, tuple)) else [out]
        if self.multiple_results != isinstance(out, (list, tuple)) or not all(
            isinstance(x, ShapedArray) for x in items
        ):
            wanted = "a list of types" if self.multiple_results else "one type"
            raise TypeError(
                f"the abstract evaluation of {self.name!r} must return {wanted} (core.ShapedArray), got {out!r}"
            )
        return out

    def abstract_eval(self, *avals: Any, **params: Any) -> tuple[Any, frozenset]:
        """The type of the result and the effects."""
        if self.effectful_abstract is not None:
            out, effects = self.effectful_abstract(*avals, **params)
            return out, frozenset(effects)
        if self.abstract is None:
            raise NotImplementedError(f"Abstract evaluation for {self.name!r} not implemented")
        own = self.effects(params) if self.effects is not None else frozenset()
        return self.abstract(*avals, **params), own

    def __copy__(self) -> Primitive:
        same = object.__new__(type(self))
        for name in Primitive.__slots__[1:]:
            setattr(same, name, getattr(self, name))
        vars(same).update(vars(self))
        return same

    def __deepcopy__(self, _memo: Any) -> Primitive:
        return self

    def __reduce__(self) -> tuple:
        if self.native is None:
            raise pickle.PicklingError(
                f"Can't pickle the operation {self.name!r}: programs with operations of other libraries stay in their process."
            )
        return _native, (self.native,)

    def __repr__(self) -> str:
        return self.name


def _native(name: str) -> Primitive:
    """The operation of that name, for programs of other processes."""
    if name not in natives:
        importlib.import_module(name.partition(":")[0])
    return natives[name]
