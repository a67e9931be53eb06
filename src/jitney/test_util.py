"""``jitney.test_util``: derivatives checked against numerical differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import tree
from jitney._api.autodiff import jvp, vjp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core.avals import float0
from jitney._core.trace import get_aval, to_numpy

EPSILON = 1e-4

# Errors of central differences with the step above, by the precision of the numbers (bytes of the real part).
_TOLERANCE = {1: 1e-1, 2: 1e-2, 4: 2e-2, 8: 1e-5}


def _array(x: Any) -> np.ndarray:
    """``x`` as an array that NumPy can compute with."""
    if get_aval(x).dtype == float0:
        return np.asarray(x)
    value = np.asarray(to_numpy(x))
    return value.astype(np.float32) if value.dtype.kind == "V" else value


def _tolerance(arrays: Sequence[np.ndarray], given: float | None) -> float:
    if given is not None:
        return given
    sizes = [a.dtype.itemsize // (2 if a.dtype.kind == "c" else 1) for a in arrays if a.dtype.kind in "fc"]
    return _TOLERANCE[min(sizes, default=8)]


def _check_close(got: Any, want: Any, atol: float | None, rtol: float | None, message: str) -> None:
    ours, wanted = tree.leaves(got), tree.leaves(want)
    assert len(ours) == len(wanted), f"{message}: {len(ours)} leaves, expected {len(wanted)}"
    for g, w in zip(map(_array, ours), map(_array, wanted), strict=True):
        assert g.shape == w.shape, f"{message}: shape {g.shape}, expected {w.shape}"
        if g.dtype == float0 or w.dtype == float0:
            continue
        np.testing.assert_allclose(
            g, w, rtol=_tolerance([g, w], rtol), atol=_tolerance([g, w], atol), err_msg=message
        )


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


def _moved(args: Any, tangents: Any, step: float) -> Any:
    def move(x: Any, t: Any) -> Any:
        if t.dtype == float0:
            return x
        return (_array(x) + step * _array(t)).astype(get_aval(x).dtype)

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
    eps: float = EPSILON,
    err_msg: str = "",
) -> None:
    """Check ``f_jvp(args, tangents) -> (value, tangent)`` against differences of ``f`` along a random direction.

    Args:
        args: the arguments of ``f``, trees of arrays.
        atol, rtol: tolerances; by default they suit the precision of the numbers.
        eps: the step of the differences.
        err_msg: put before the message of an error.

    Raises ``AssertionError`` where they differ.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.test_util import check_jvp
        >>> check_jvp(jnp.sin, lambda p, t: jitney.jvp(jnp.sin, p, t), (1.0,))
    """
    args = tuple(args)
    tangents = _like(np.random.default_rng(0), args)
    value, tangent = f_jvp(args, tangents)
    _check_close(value, f(*args), atol, rtol, f"{err_msg} primal" if err_msg else "JVP primal")
    wanted = _differences(f, args, tangents, eps)
    _check_close(tangent, wanted, atol, rtol, f"{err_msg} tangent" if err_msg else "JVP tangent")


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float = EPSILON,
    err_msg: str = "",
) -> None:
    """Check ``f_vjp(*args) -> (value, pullback)`` against differences of ``f``; arguments as for ``check_jvp``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.test_util import check_vjp
        >>> check_vjp(jnp.sin, lambda *args: jitney.vjp(jnp.sin, *args), (1.0,))
    """
    args = tuple(args)
    rng = np.random.default_rng(0)
    value, pullback = f_vjp(*args)
    _check_close(value, f(*args), atol, rtol, f"{err_msg} primal" if err_msg else "VJP primal")
    tangents = _like(rng, args)
    slope = _differences(f, args, tangents, eps)
    ct = _like(rng, value)
    pulled = _pairing(pullback(ct), tangents)
    wanted = _pairing(ct, slope)
    arrays = [_array(x) for x in (*tree.leaves(args), *tree.leaves(value))]
    np.testing.assert_allclose(
        pulled,
        wanted,
        rtol=_tolerance(arrays, rtol),
        atol=_tolerance(arrays, atol),
        err_msg=f"{err_msg} cotangent projection" if err_msg else "VJP cotangent projection",
    )


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
        eps: the step of the differences.

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
    _check_grads(f, tuple(args), order, chosen, atol, rtol, EPSILON if eps is None else eps, "")


def _check_grads(
    f: Callable[..., Any],
    args: tuple,
    order: int,
    modes: tuple[str, ...],
    atol: float | None,
    rtol: float | None,
    eps: float,
    path: str,
) -> None:
    if order < 1:
        return
    rng = np.random.default_rng(1)
    if "fwd" in modes:
        forward = lambda primals, tangents: jvp(f, primals, tangents)  # noqa: E731
        where = f"{path}JVP"
        check_jvp(f, forward, args, atol, rtol, eps, where)
        if order > 1:
            tangents = _like(rng, args)
            slope = lambda *xs: jvp(f, xs, tangents)[1]  # noqa: E731
            _check_grads(slope, args, order - 1, modes, atol, rtol, eps, f"{where} of ")
    if "rev" in modes:
        where = f"{path}VJP"
        check_vjp(f, lambda *xs: vjp(f, *xs), args, atol, rtol, eps, where)
        if order > 1:
            ct = _like(rng, f(*args))
            gradient = lambda *xs: vjp(f, *xs)[1](ct)  # noqa: E731
            _check_grads(gradient, args, order - 1, modes, atol, rtol, eps, f"{where} of ")


_expose(globals())

__all__ = ["check_grads", "check_jvp", "check_vjp"]
