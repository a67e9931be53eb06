"""Products of the chain rule in which zero is strong: ``0 * inf`` and ``0 * nan`` are 0.

A tangent that is exactly zero says that nothing comes this way: the branch of a ``where`` was not taken, the column of the
Jacobian is another's. Functions whose slope is infinite or undefined somewhere multiply by ``chain`` and
``chain_over``: nothing arrives, whatever the slope. A slope that is exactly zero says that nothing goes on, and products
and powers multiply by ``stopped``: the derivative of ``sqrt(sum(x**2))`` at 0 is 0. Enzyme and ForwardDiff call it
a strong zero; measure theory has the same convention. ``config.safe_grad`` turns it off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base.config import config
from jitney._core.primitive import registry
from jitney._core.tangents import is_undefined
from jitney._ops.families import elementwise, unbroadcast

_INEXACT = "fc"
_active = True


def _listen(value: Any) -> None:
    global _active
    _active = bool(value)


config.on_change("safe_grad", _listen)


def active() -> bool:
    """Whether zero is strong in the derivatives that are taken now (``config.safe_grad``)."""
    return _active


def is_number(x: Any) -> bool:
    """Whether ``x`` is a number of the program, neither 0 nor infinite: a product by it needs no care."""
    return (type(x) in (float, int, complex) or isinstance(x, np.generic)) and x != 0 and bool(np.isfinite(x))


def chain(g: Any, slope: Any) -> Any:
    """``g * slope``, 0 where ``g`` is: the tangent of a function whose slope is infinite or undefined somewhere."""
    if not _active or is_number(slope):
        return registry["mul"].bind(g, slope)
    return strong_mul_p.bind(g, slope, both=False)


def chain_over(g: Any, divisor: Any) -> Any:
    """``g / divisor``, 0 where ``g`` is; the tangent of a function of the slope ``1 / divisor``."""
    if not _active or is_number(divisor):
        return registry["div"].bind(g, divisor)
    return strong_div_p.bind(g, divisor)


def stopped(g: Any, slope: Any, *, ahead: bool = False) -> Any:
    """``g * slope``, 0 where the slope is: the tangent of a function that may lead to a root, or follow one.

    ``ahead``: an ordinary product has the slope first.
    """
    if not _active or is_number(slope):
        return registry["mul"].bind(*((slope, g) if ahead else (g, slope)))
    return strong_mul_p.bind(slope, g, both=False)


def chain_stopped(g: Any, slope: Any) -> Any:
    """``g * slope``, 0 where either is."""
    if not _active or is_number(slope):
        return registry["mul"].bind(g, slope)
    return strong_mul_p.bind(g, slope, both=True)


def _strong(numpy: Any) -> Any:
    """The NumPy meaning of a product in which a zero of the first factor, or of ``both``, is strong."""

    def call(x: Any, y: Any, both: bool = False) -> Any:
        out = numpy(x, y)
        lost = out != out
        if not np.count_nonzero(lost):
            return out
        return np.where(lost & ((x == 0) | (y == 0) if both else x == 0), 0, out).astype(out.dtype)

    return call


# -- products ---------------------------------------------------------------------------------------


def _lower_mul(b: Any, x: Any, y: Any, *, both: bool) -> Any:
    product, zero = b.mul(x, y), b.const(0, x.dtype)
    there = b.ne(x, zero)
    return b.select(b.and_(there, b.ne(y, zero)) if both else there, product, zero)


def _transpose_mul(ct: Any, x: Any, y: Any, *, both: bool) -> list[Any]:
    """The factor that is known stays where it is, and with it which zero is strong."""
    if is_undefined(x) and is_undefined(y):
        raise NotImplementedError("a product of two linear values is not linear: it has no transpose")
    if is_undefined(x):
        return [unbroadcast(strong_mul_p.bind(ct, y, both=both), x.aval), None]
    return [None, unbroadcast(strong_mul_p.bind(x, ct, both=both), y.aval)]


strong_mul_p = elementwise(
    "strong_mul",
    _INEXACT,
    numpy=_strong(np.multiply),
    jvp=[
        lambda g, z, x, y, *, both: strong_mul_p.bind(g, y, both=both),
        lambda g, z, x, y, *, both: strong_mul_p.bind(x, g, both=both),
    ],
    transpose=_transpose_mul,
    lower=_lower_mul,
)
strong_mul_p.print_params = lambda eqn: {name: True for name, value in eqn.params.items() if value}

# -- quotients --------------------------------------------------------------------------------------


def _lower_div(b: Any, x: Any, y: Any) -> Any:
    """The divisor is what is chosen: a choice of the quotient would become a branch around a division."""
    if y.op == "const" and y.attr.value != 0:
        return b.div(x, y)
    return b.div(x, b.select(b.ne(x, b.const(0, x.dtype)), y, b.const(1, x.dtype)))


strong_div_p = elementwise(
    "strong_div",
    _INEXACT,
    numpy=_strong(np.true_divide),
    jvp=[
        lambda g, z, x, y: strong_div_p.bind(g, y),
        lambda g, z, x, y: registry["neg"].bind(strong_div_p.bind(chain_stopped(g, z), y)),
    ],
    transpose=lambda ct, x, y: [unbroadcast(strong_div_p.bind(ct, y), x.aval), None],
    lower=_lower_div,
)

__all__ = [
    "active",
    "chain",
    "chain_over",
    "chain_stopped",
    "is_number",
    "stopped",
    "strong_div_p",
    "strong_mul_p",
]
