"""``jitney.test_util``: derivatives checked against numerical differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._api.autodiff import jvp, vjp
from jitney._api.calls import as_array
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.avals import float0
from jitney._core.trace import get_aval, to_numpy

_EPSILON = 1e-4

# By the type of the numbers: the least useful step (that of the cube root of the rounding error, but float64 has room
# for any), and the error of central differences with it.
_LEAST_STEP = {"float64": 0.0, "float32": 5e-3, "float16": 1e-1, "bfloat16": 2e-1}
_TOLERANCE = {"float64": 1e-5, "float32": 2e-3, "float16": 5e-2, "bfloat16": 2e-1}


def _array(x: Any) -> np.ndarray:
    """``x`` as an array of double precision; what has no derivative as it is."""
    aval = get_aval(x)
    if not dtypes.is_inexact(aval.dtype):
        return np.asarray(x if aval.dtype == float0 else to_numpy(x))
    return np.asarray(to_numpy(x)).astype(np.complex128 if aval.dtype.kind == "c" else np.float64)


class _Accuracy(NamedTuple):
    """The step of the differences, and what they may be off by."""

    eps: float
    atol: float
    rtol: float

    @staticmethod
    def of(f: Callable[..., Any], args: tuple, atol: Any, rtol: Any, eps: float) -> _Accuracy:
        """What is given, and for the rest what suits the coarsest of the numbers that go in and come out."""
        found = [get_aval(x).dtype for x in tree.leaves((args, f(*args)))]
        names = {dtypes.real_dtype(d).name for d in found if dtypes.is_inexact(d)}
        kind = max(names & _TOLERANCE.keys(), key=lambda name: _TOLERANCE[name], default="float64")
        tolerance = _TOLERANCE[kind]
        return _Accuracy(
            max(eps, _LEAST_STEP[kind]),
            tolerance if atol is None else atol,
            tolerance if rtol is None else rtol,
        )

    def check(self, got: Any, want: Any, message: str) -> None:
        np.testing.assert_allclose(got, want, rtol=self.rtol, atol=self.atol, err_msg=message)


def _check_like(got: Any, want: Any, message: str) -> None:
    """The same tree of arrays of the same shapes."""
    ours, wanted = tree.structure(got), tree.structure(want)
    assert ours == wanted, f"{message}: structure {ours}, expected {wanted}"
    for suffix, g, w in zip(tree.leaf_suffixes(want), tree.leaves(got), tree.leaves(want), strict=True):
        shapes = np.shape(g), np.shape(w)
        assert shapes[0] == shapes[1], f"{message}{suffix}: shape {shapes[0]}, expected {shapes[1]}"


def _check_close(got: Any, want: Any, accuracy: _Accuracy, message: str) -> None:
    _check_like(got, want, message)
    for suffix, g, w in zip(tree.leaf_suffixes(want), tree.leaves(got), tree.leaves(want), strict=True):
        if float0 not in (get_aval(g).dtype, get_aval(w).dtype):
            where = f"{message} of output{suffix}" if suffix else message
            accuracy.check(_array(g), _array(w), where)


def _direction(rng: np.random.Generator, x: Any) -> Any:
    """A random tangent of ``x``: a normal array, a float0 array for integers."""
    aval = get_aval(x)
    if not dtypes.is_inexact(aval.dtype):
        return np.zeros(aval.shape, float0)
    value = np.asarray(rng.standard_normal(aval.shape))
    if aval.dtype.kind == "c":
        value = value + 1j * rng.standard_normal(aval.shape)
    return value.astype(aval.dtype)


def _like(rng: np.random.Generator, xs: Any) -> Any:
    return tree.map(lambda x: _direction(rng, x), xs)


def _as_arguments(args: Sequence[Any]) -> tuple:
    """The arguments, with arrays in place of floating-point numbers of Python and NumPy."""
    return tuple(tree.map(lambda x: as_array(x) if dtypes.is_inexact(get_aval(x).dtype) else x, list(args)))


def _moved(args: Any, tangents: Any, step: float) -> Any:
    def move(x: Any, t: Any) -> Any:
        if t.dtype == float0:
            return x
        return as_array(np.asarray(_array(x) + step * _array(t)).astype(get_aval(x).dtype))

    return tree.map(move, args, tangents)


def _differences(f: Callable[..., Any], args: Any, tangents: Any, eps: float) -> Any:
    """The derivative of ``f`` along ``tangents`` by central differences."""
    plus, minus = f(*_moved(args, tangents, eps)), f(*_moved(args, tangents, -eps))

    def slope(p: Any, m: Any) -> Any:
        dtype = get_aval(p).dtype
        if not dtypes.is_inexact(dtype):
            return np.zeros(np.shape(p), float0)
        return ((_array(p) - _array(m)) / (2 * eps)).astype(dtype)

    return tree.map(slope, plus, minus)


def _pairing(xs: Any, ys: Any) -> float:
    """The sum of all products, without conjugation; what has no derivative counts nothing."""
    total = 0.0
    for x, y in zip(map(_array, tree.leaves(xs)), map(_array, tree.leaves(ys)), strict=True):
        if x.dtype != float0 and y.dtype != float0:
            total += float(np.real(np.sum(x * y)))
    return total


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float = _EPSILON,
    err_msg: str = "",
) -> None:
    """Check ``f_jvp(args, tangents) -> (value, tangent)`` against differences of ``f`` along a random direction.

    Args:
        args: the arguments of ``f``, trees of arrays.
        atol, rtol: tolerances; by default they suit the precision of the numbers.
        eps: the step of the differences; numbers of less than 64 bits take a longer one where they need it.
        err_msg: put before the message of an error.

    Raises ``AssertionError`` where they differ.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.test_util import check_jvp
        >>> check_jvp(jnp.sin, lambda p, t: jitney.jvp(jnp.sin, p, t), (1.0,))
    """
    args = _as_arguments(args)
    _check_jvp(f, f_jvp, args, _Accuracy.of(f, args, atol, rtol, eps), err_msg or "JVP")


def _check_jvp(f: Any, f_jvp: Any, args: tuple, accuracy: _Accuracy, what: str) -> None:
    tangents = _like(np.random.default_rng(0), args)
    value, tangent = f_jvp(args, tangents)
    _check_close(value, f(*args), accuracy, f"{what} primal")
    _check_close(tangent, _differences(f, args, tangents, accuracy.eps), accuracy, f"{what} tangent")


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float = _EPSILON,
    err_msg: str = "",
) -> None:
    """Check ``f_vjp(*args) -> (value, pullback)`` against differences of ``f``; arguments as for ``check_jvp``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.test_util import check_vjp
        >>> check_vjp(jnp.sin, lambda *args: jitney.vjp(jnp.sin, *args), (1.0,))
    """
    args = _as_arguments(args)
    _check_vjp(f, f_vjp, args, _Accuracy.of(f, args, atol, rtol, eps), err_msg or "VJP")


def _check_vjp(f: Any, f_vjp: Any, args: tuple, accuracy: _Accuracy, what: str) -> None:
    rng = np.random.default_rng(0)
    value, pullback = f_vjp(*args)
    _check_close(value, f(*args), accuracy, f"{what} primal")
    tangents, ct = _like(rng, args), _like(rng, value)
    pulled = pullback(ct)
    _check_like(tuple(pulled), args, f"{what} cotangent")
    message = f"{what} cotangent projection"

    def check(direction: Any, where: str) -> None:
        wanted = _pairing(ct, _differences(f, args, direction, accuracy.eps))
        accuracy.check(_pairing(pulled, direction), wanted, where)

    try:
        check(tangents, message)
    except AssertionError:
        for number, suffix in enumerate(tree.leaf_suffixes(args)):  # which leaf is it?
            check(_only(tangents, number), f"{message} on argument{suffix}")
        raise


def _only(tangents: Any, number: int) -> Any:
    """The tangents without those of all leaves but one."""
    leaves, structure = tree.flatten(tangents)
    return tree.unflatten(structure, [t if n == number else np.zeros_like(t) for n, t in enumerate(leaves)])


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: str | Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of ``f`` up to ``order`` against numerical differences, in all sequences of modes.

    Args:
        f: a function of trees of arrays, differentiable at ``args``.
        args: its arguments, a tuple or list.
        order: the highest order checked; the second is the derivative of a derivative, and so on.
        modes: ``"fwd"``, ``"rev"``, or both.
        atol, rtol: tolerances; by default they suit the precision of the numbers.
        eps: the step of the differences, 1e-4 by default; numbers of less than 64 bits take a longer one where
            they need it.

    Raises ``AssertionError`` where derivative and differences do not agree.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.test_util import check_grads
        >>> check_grads(jnp.sin, (1.0,), order=2)
    """
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    unknown = [m for m in chosen if m not in ("fwd", "rev")]
    if unknown:
        raise ValueError(f'modes of check_grads must be "fwd" or "rev", got {unknown[0]!r}.')
    arguments = _as_arguments(args)
    accuracy = _Accuracy.of(f, arguments, atol, rtol, _EPSILON if eps is None else eps)
    _check_grads(f, arguments, order, chosen, accuracy, "")


def _check_grads(
    f: Callable[..., Any], args: tuple, order: int, modes: tuple[str, ...], accuracy: _Accuracy, path: str
) -> None:
    if order < 1:
        return
    rng = np.random.default_rng(1)
    if "fwd" in modes:
        where = f"{path}JVP"
        _check_jvp(f, lambda xs, ts: jvp(f, xs, ts), args, accuracy, where)
        if order > 1:
            tangents = _like(rng, args)
            slope = lambda *xs: jvp(f, xs, tangents)[1]  # noqa: E731
            _check_grads(slope, args, order - 1, modes, accuracy, f"{where} of ")
    if "rev" in modes:
        where = f"{path}VJP"
        _check_vjp(f, lambda *xs: vjp(f, *xs), args, accuracy, where)
        if order > 1:
            ct = _like(rng, f(*args))
            gradient = lambda *xs: vjp(f, *xs)[1](ct)  # noqa: E731
            _check_grads(gradient, args, order - 1, modes, accuracy, f"{where} of ")


_expose(globals())

__all__ = ["check_grads", "check_jvp", "check_vjp"]
