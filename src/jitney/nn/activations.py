"""Activation functions: rectifiers, sigmoids and their relatives, elementwise."""

from __future__ import annotations

import math
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._api.custom_jvp import custom_jvp
from jitney.numpy.operands import array_operand, to_axis
from jitney.scipy.operands import promoted, strong

_SQRT_HALF, _GELU = math.sqrt(0.5), math.sqrt(2 / math.pi)
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def identity(x: Any) -> Any:
    """``x`` itself, as an array."""
    return jnp.asarray(x)


def _relu(x: Any) -> Any:
    return jnp.maximum(x, 0)


_relu_at = custom_jvp(_relu)
_relu_at.defjvps(lambda g, ans, x: jnp.where(x > 0, g, jnp.zeros_like(g)))


def relu(x: Any) -> Any:
    """Rectified linear unit ``max(x, 0)``; its derivative at 0 is 0.

    >>> from jitney import nn
    >>> nn.relu(-1.5)
    Array(0., dtype=float64, weak_type=True)
    """
    return _relu_at(jnp.asarray(x))


def _relu6(x: Any) -> Any:
    return jnp.minimum(jnp.maximum(x, 0), 6.0)


_relu6_at = custom_jvp(_relu6)
_relu6_at.defjvps(lambda g, ans, x: jnp.where((x > 0) & (x < 6), g, jnp.zeros_like(g)))


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``; its derivative is 0 at both corners."""
    return _relu6_at(jnp.asarray(x))


def sigmoid(x: Any) -> Any:
    """Logistic function ``1 / (1 + exp(-x))``."""
    return lax.logistic(x)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``, a smooth rectifier."""
    return jnp.logaddexp(x, 0)


def sparse_plus(x: Any) -> Any:
    """0 up to -1, ``x`` from 1 on, ``(x + 1)^2 / 4`` between (Martins and Astudillo, 2016)."""
    x = jnp.asarray(x)
    return jnp.where(x <= -1.0, 0.0, jnp.where(x >= 1.0, x, (x + 1.0) ** 2 / 4))


def sparse_sigmoid(x: Any) -> Any:
    """Derivative of :func:`sparse_plus`: 0 up to -1, 1 from 1 on, a straight line between."""
    return 0.5 * jnp.clip(jnp.asarray(x) + 1.0, 0.0, 2.0)


def soft_sign(x: Any) -> Any:
    """``x / (|x| + 1)``"""
    (x,) = promoted("soft_sign", x)
    return x / (jnp.abs(x) + 1)


def silu(x: Any) -> Any:
    """``x`` times its logistic function (also called swish)."""
    x = array_operand("silu", x, 0)
    return x * lax.logistic(x)


swish = silu


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra, 2019)."""
    (x,) = promoted("mish", x)
    return x * jnp.tanh(softplus(x))


def log_sigmoid(x: Any) -> Any:
    """Logarithm of the logistic function, accurate in both tails."""
    (x,) = promoted("log_sigmoid", x)
    return -softplus(-x)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """``x`` where positive, else ``alpha (exp(x) - 1)``."""
    x = jnp.asarray(x)
    positive = x > 0
    return jnp.where(positive, x, alpha * jnp.expm1(jnp.where(positive, 0.0, x)))


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """``x`` where positive, else ``alpha (exp(x / alpha) - 1)`` (Barron, 2017)."""
    x = jnp.asarray(x)
    positive = x > 0
    return jnp.where(positive, x, alpha * jnp.expm1(jnp.where(positive, 0.0, x) / alpha))


def selu(x: Any) -> Any:
    """Scaled :func:`elu` that keeps mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """``x`` where it is not negative, else ``negative_slope * x``."""
    x = jnp.asarray(x)
    return jnp.where(x >= 0, x, negative_slope * x)


def hard_tanh(x: Any) -> Any:
    """``x`` held between -1 and 1."""
    x = jnp.asarray(x)
    return jnp.where(x > 1, 1, jnp.where(x < -1, -1, x))


def hard_sigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``"""
    return relu6(jnp.asarray(x) + 3.0) / 6.0


def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``"""
    x = jnp.asarray(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def gelu(x: Any, approximate: bool = True) -> Any:
    """``x`` times the normal distribution function at ``x`` (Hendrycks and Gimpel, 2016).

    Args:
        x: numbers.
        approximate: use the authors' formula with ``tanh``, which is within 0.001 of the exact one.
    """
    (x,) = map(strong, promoted("gelu", x))
    if approximate:
        return x * (0.5 * (1.0 + jnp.tanh(_GELU * (x + 0.044715 * x**3))))
    return 0.5 * x * lax.erfc(-x * _SQRT_HALF)


def glu(x: Any, axis: int = -1) -> Any:
    """Gated linear unit: the first half along ``axis`` times the logistic function of the second half.

    Raises:
        AssertionError: the axis has an odd number of elements.
    """
    x = array_operand("glu", x, 0)
    axis = to_axis(axis, x.ndim)
    assert x.shape[axis] % 2 == 0, f"glu needs an even number of elements along axis {axis}, got {x.shape}"
    first, second = jnp.split(x, 2, axis)
    return first * sigmoid(second)


def squareplus(x: Any, b: Any = 4) -> Any:
    """``(x + sqrt(x^2 + b)) / 2``, a smooth rectifier without exponentials."""
    x, b = promoted("squareplus", x, b)
    return jnp.divide(x + jnp.sqrt(jnp.square(x) + b), 2)


def log1mexp(x: Any) -> Any:
    """``log(1 - exp(-x))`` for positive ``x``, by ``expm1`` below ``log 2`` and ``log1p`` above (Maechler, 2012)."""
    (x,) = promoted("log1mexp", x)
    small = x < math.log(2.0)
    low, high = jnp.where(small, x, 1.0), jnp.where(small, 1.0, x)
    return jnp.where(small, jnp.log(-jnp.expm1(-low)), jnp.log1p(-jnp.exp(-high)))
