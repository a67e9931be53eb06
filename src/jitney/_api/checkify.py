"""``checkify``: runtime checks in compiled programs, as values that are looked at afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import _ext
from jitney._api.calls import boundary, check_callable, check_leaf, check_outputs, debug_info, leaf_names
from jitney._api.formats import FormatCheck
from jitney._api.pickling import remade
from jitney._base import sources
from jitney._control import checks
from jitney._control.checks import CODE, Failure, Site, check_p
from jitney._control.checks import CheckError as JaxRuntimeError
from jitney._core import tree
from jitney._core.jaxpr import JaxprEqn
from jitney._core.refs import as_array_value as as_strong
from jitney._core.staging import stage
from jitney._core.trace import ArrayImpl, Tracer, get_aval, to_numpy
from jitney._ops import elementwise as ew


class ErrorCategory(type):
    """The kind of a check; ``errors`` of ``checkify`` is a set of these."""


class JaxException(Exception, metaclass=ErrorCategory):
    """What ``Error.get_exception`` returns."""


class FailedCheckError(JaxException):
    """A ``check`` of the user's."""


class NaNError(JaxException):
    """An operation gave a NaN."""


class DivisionByZeroError(JaxException):
    """A division by zero."""


class OOBError(JaxException):
    """An index out of bounds."""


user_checks = frozenset({FailedCheckError})
nan_checks = frozenset({NaNError})
div_checks = frozenset({DivisionByZeroError})
index_checks = frozenset({OOBError})
float_checks = nan_checks | div_checks
automatic_checks = float_checks | index_checks
all_checks = automatic_checks | user_checks


class Error:
    """What failed first, if anything: a tree of arrays, so that it comes out of ``jit`` and ``vmap``.

    ``get()`` is the message or None; ``throw()`` raises it.
    """

    __slots__ = ("_failure",)

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def get(self) -> str | None:
        """The message of the check that failed, None if none did; of a batch, one line for each example that failed."""
        return "\n".join(self._message(*failed) for failed in self._failed()) or None

    def get_exception(self) -> JaxException | None:
        """What failed as an exception whose class is the kind of the check, with the user's line as a note."""
        failed = self._failed()
        if not failed:
            return None
        site = self._failure.sites[failed[0][0]]
        exception = site.kind(self.get())
        where = sources.excerpt(site.source)
        if where:
            exception.add_note(f"checked at {where}")
        return exception

    def throw(self) -> None:
        """Raise what failed; under transformations, leave that to the ``checkify`` around."""
        check_error(self)

    def _failed(self) -> list[tuple[int, tuple[int, ...]]]:
        """The codes that name a failure, each with its place in the batch."""
        if self._failure.code is None:
            return []
        codes = np.asarray(to_numpy(self._failure.code))
        return [(int(codes[tuple(place)]), tuple(map(int, place))) for place in np.argwhere(codes)]

    def _message(self, code: int, place: tuple[int, ...]) -> str:
        site = self._failure.sites[code]
        values = []
        for slot in site.slots:
            value = np.asarray(to_numpy(self._failure.payload[slot]))
            # in a batch, payloads have the axes of the code first
            values.append(value[place] if value.ndim > len(slot[0].shape) else value)
        text = site.text([_ext.wrap(np.asarray(v), False) for v in values])
        return f"at mapped index {', '.join(map(str, place))}: {text}" if place else text

    def __repr__(self) -> str:
        code = self._failure.code
        return f"Error({'traced' if isinstance(code, Tracer) else self.get()!r})"


class _Aux:
    """The slots and sites of an error: the static part of the tree."""

    __slots__ = ("sites", "slots")

    def __init__(self, slots: tuple, sites: dict[int, Site]) -> None:
        self.slots, self.sites = slots, sites

    def __eq__(self, other: object) -> bool:
        return type(other) is _Aux and self.slots == other.slots and self.sites == other.sites

    def __hash__(self) -> int:
        return hash((self.slots, tuple(self.sites)))


def _flatten(error: Error) -> tuple[tuple, _Aux]:
    code, payload, sites = error._failure
    code = _ext.wrap(np.zeros((), CODE), False) if code is None else code
    return (code, *payload.values()), _Aux(tuple(payload), sites)


def _unflatten(aux: _Aux, children: Sequence[Any]) -> Error:
    code, *payload = children
    return Error(Failure(code, dict(zip(aux.slots, payload, strict=True)), aux.sites))


Error.throw = boundary(Error.throw)  # type: ignore[method-assign]
tree.register_node(Error, _flatten, _unflatten)

init_error = Error(checks.NONE)


@remade
def checkify(
    f: Callable[..., Any], errors: frozenset[ErrorCategory] = user_checks
) -> Callable[..., tuple[Error, Any]]:
    """``f`` as a function that returns an ``Error`` beside its result, for checks of the kinds ``errors``.

    The function returned can be transformed like any other; ``Error`` is a tree of arrays. Loops and branches are
    looked into; only the first failure is kept, and results are those of ``f`` without checks.

    Args:
        f: a function of arrays.
        errors: ``user_checks`` (calls of ``check``), ``nan_checks``, ``div_checks``, ``float_checks`` (both), ``index_checks``,
            ``automatic_checks`` (all of these but the user's), ``all_checks``, or a union of some.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.experimental import checkify
        >>> def f(x):
        ...     checkify.check(jnp.sum(x) > 0, "the sum is {s}", s=jnp.sum(x))
        ...     return jnp.log(x)
        >>> error, y = jitney.jit(checkify.checkify(f))(jnp.asarray([-1.0, 0.5]))
        >>> error.get()
        'the sum is -0.5 (`check` failed)'
    """
    check_callable(f, "checkify")
    kinds = frozenset(errors)
    unknown = [k for k in kinds if not isinstance(k, ErrorCategory)]
    if unknown:
        raise TypeError(
            f"checkify: errors must be a set such as checkify.user_checks, got {unknown[0]!r} in it."
        )

    def with_error(*args: Any, **kwargs: Any) -> tuple[Error, Any]:
        leaves, in_tree = tree.flatten((args, kwargs))
        names = leaf_names(f, args, kwargs)
        avals = [check_leaf(x, name, "checkify") for x, name in zip(leaves, names, strict=False)]
        out_tree: Any = None

        def flat(*xs: Any) -> list[Any]:
            nonlocal out_tree
            inner_args, inner_kwargs = tree.unflatten(in_tree, xs)
            outs, out_tree = tree.flatten(f(*inner_args, **inner_kwargs))
            check_outputs(outs, f, "checkify", out_tree)
            return outs

        closed = stage(flat, avals, debug_info("checkify", f, args, kwargs))
        outs, failure = checks.run(closed, leaves, _rules(kinds), kinds)
        return Error(failure), tree.unflatten(out_tree, outs)

    return boundary(with_error, f)


def _rules(kinds: frozenset) -> checks.Rules:
    def rules(eqn: JaxprEqn, args: Sequence[Any], outs: Sequence[Any]) -> Failure | None:
        if eqn.primitive is check_p and eqn.params["layout"].layout.is_guard:
            return None
        if eqn.primitive is check_p:
            return eqn.params["layout"].layout.failure(args) if FailedCheckError in kinds else checks.NONE
        failure = checks.NONE
        if DivisionByZeroError in kinds:
            failure = checks.division_failure(DivisionByZeroError, eqn, args)
        if NaNError in kinds:
            failure = checks.first_of(failure, checks.nan_failure(NaNError, eqn, outs))
        if OOBError in kinds:
            failure = checks.first_of(failure, checks.index_failure(OOBError, eqn, args))
        return failure

    return rules


def check(pred: Any, msg: str, *fmt_args: Any, debug: bool = False, **fmt_kwargs: Any) -> None:
    """Check that ``pred`` holds; ``msg`` says what is wrong if not.

    Under ``checkify`` the failure becomes part of its ``Error``. In eager code it is raised at once; compiled code without
    ``checkify`` cannot raise and is an error.

    Args:
        pred: a boolean scalar.
        msg: a format string.
        fmt_args, fmt_kwargs: trees of arrays that its fields show.
        debug: do nothing without ``checkify``.

    Raises:
        JaxRuntimeError: eager code, and ``pred`` is false. A ``ValueError``.
        TypeError: ``pred`` is no boolean scalar, or the arguments to format are no arrays.

    Example:
        >>> from jitney.experimental import checkify
        >>> checkify.check(True, "never said")
    """
    if not isinstance(pred, (bool, np.bool_, np.ndarray, ArrayImpl, Tracer)) or get_aval(pred).shape:
        raise TypeError(f"check takes a scalar pred as argument, got {pred}")
    if get_aval(pred).dtype != bool:
        raise TypeError(
            f"check takes a boolean pred, got dtype {get_aval(pred).dtype}: compare it first (x != 0)."
        )
    leaves, in_tree = tree.flatten((fmt_args, fmt_kwargs))
    for leaf in leaves:
        if not isinstance(leaf, (np.ndarray, np.generic, ArrayImpl, Tracer)):
            raise TypeError(
                f"Formatting arguments to checkify.check need to be PyTrees of arrays, but got {leaf!r} of type {type(leaf)}."
            )
    FormatCheck("checkify.check").vformat(msg, fmt_args, fmt_kwargs)
    payload = [as_strong(x, "check") for x in leaves]

    def text(values: Sequence[Any]) -> str:
        args, kwargs = tree.unflatten(in_tree, values)
        return msg.format(*args, **kwargs) + " (`check` failed)"

    site = Site(FailedCheckError, text, [get_aval(x) for x in payload])
    checks.bind_check(checks.at_site(ew.not_p.bind(pred), site, payload), debug)


def debug_check(pred: Any, msg: str, *fmt_args: Any, **fmt_kwargs: Any) -> None:
    """A ``check`` that does nothing without ``checkify``.

    Example:
        >>> from jitney.experimental import checkify
        >>> checkify.debug_check(False, "said under checkify only")
    """
    check(pred, msg, *fmt_args, debug=True, **fmt_kwargs)


def check_error(error: Error) -> None:
    """Raise what ``error`` holds, or hand it to the ``checkify`` around.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental import checkify
        >>> error, y = checkify.checkify(jnp.log, errors=checkify.nan_checks)(1.0)
        >>> checkify.check_error(error)
    """
    if not isinstance(error, Error):
        raise TypeError(f"check_error takes an Error as argument, got type {type(error)} instead.")
    failure = error._failure
    if failure.code is None:
        return
    if isinstance(failure.code, Tracer):
        checks.bind_check(failure)
        return
    exception = error.get_exception()
    if exception is None:
        return
    raised = JaxRuntimeError(str(exception))
    for note in getattr(exception, "__notes__", ()):
        raised.add_note(note)
    raise raised
