"""``jitney.example_libraries.stax``: layers of neural networks as pairs of functions.

A layer is ``(init_fun, apply_fun)``: ``init_fun(rng, input_shape)`` gives the shape of the output and the parameters,
``apply_fun(params, inputs, **kwargs)`` the output. A batch axis has size -1 in shapes, or any other.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import lax, nn, random
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney.nn.initializers import glorot_normal, normal, ones, zeros

Layer = tuple[Callable[..., Any], Callable[..., Any]]


# -- weights --------------------------------------------------------------------------------------------------


def Dense(out_dim: int, W_init: Any = glorot_normal(), b_init: Any = normal()) -> Layer:
    """A product with a matrix of weights, plus a bias."""

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        of_weights, of_bias = random.split(rng)
        weights = W_init(of_weights, (input_shape[-1], out_dim))
        return (*input_shape[:-1], out_dim), (weights, b_init(of_bias, (out_dim,)))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        weights, bias = params
        return jnp.dot(inputs, weights) + bias

    return init_fun, apply_fun


def _convolution(
    convolve: Callable[..., Any],
    shape_of_result: Callable[..., Any],
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None,
    padding: Any,
    W_init: Any,
    b_init: Any,
) -> Layer:
    lhs, rhs, out = dimension_numbers
    steps = strides or (1,) * len(filter_shape)
    draw = W_init or glorot_normal(rhs.index("I"), rhs.index("O"))

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        sizes = iter(filter_shape)
        known = {"O": out_chan, "I": input_shape[lhs.index("C")]}
        kernel_shape = tuple(known[c] if c in known else next(sizes) for c in rhs)
        shape = shape_of_result(input_shape, kernel_shape, steps, padding, dimension_numbers)
        of_weights, of_bias = random.split(rng)
        bias_shape = tuple(out_chan if c == "C" else 1 for c in out)
        return shape, (draw(of_weights, kernel_shape), b_init(of_bias, bias_shape))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        weights, bias = params
        return convolve(inputs, weights, steps, padding, dimension_numbers=dimension_numbers) + bias

    return init_fun, apply_fun


def GeneralConv(
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
    W_init: Any = None,
    b_init: Any = normal(1e-6),
) -> Layer:
    """A convolution, plus a bias; ``dimension_numbers`` are three texts such as ``("NHWC", "HWIO", "NHWC")``."""
    return _convolution(
        lambda x, w, steps, padding, dimension_numbers: lax.conv_general_dilated(
            x, w, steps, padding, (1,) * len(steps), (1,) * len(steps), dimension_numbers
        ),
        lax.conv_general_shape_tuple,
        dimension_numbers,
        out_chan,
        filter_shape,
        strides,
        padding,
        W_init,
        b_init,
    )


def GeneralConvTranspose(
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
    W_init: Any = None,
    b_init: Any = normal(1e-6),
) -> Layer:
    """A transposed convolution, plus a bias."""
    return _convolution(
        lax.conv_transpose,
        lax.conv_transpose_shape_tuple,
        dimension_numbers,
        out_chan,
        filter_shape,
        strides,
        padding,
        W_init,
        b_init,
    )


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(
    axis: Any = (0, 1, 2),
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    beta_init: Any = zeros,
    gamma_init: Any = ones,
) -> Layer:
    """Mean 0 and variance 1 along ``axis``, then a factor (``scale``) and an offset (``center``) to be learned."""
    axes = (axis,) if np.isscalar(axis) else tuple(axis)

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        shape = tuple(n for d, n in enumerate(input_shape) if d not in axes)
        of_beta, of_gamma = random.split(rng)
        beta = beta_init(of_beta, shape) if center else ()
        return input_shape, (beta, gamma_init(of_gamma, shape) if scale else ())

    def apply_fun(params: Any, x: Any, **kwargs: Any) -> Any:
        beta, gamma = params
        gone = [d for d in range(jnp.ndim(x)) if d in axes]
        z = nn.standardize(x, axes, epsilon=epsilon)
        if scale:
            z = z * jnp.expand_dims(gamma, gone)
        return z + jnp.expand_dims(beta, gone) if center else z

    return init_fun, apply_fun


# -- functions ------------------------------------------------------------------------------------------------


def elementwise(fun: Callable[..., Any], **fun_kwargs: Any) -> Layer:
    """A layer without parameters that applies ``fun``."""

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        return input_shape, ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return fun(inputs, **fun_kwargs)

    return init_fun, apply_fun


Tanh = elementwise(jnp.tanh)
Relu = elementwise(nn.relu)
Exp = elementwise(jnp.exp)
LogSoftmax = elementwise(nn.log_softmax, axis=-1)
Softmax = elementwise(nn.softmax, axis=-1)
Softplus = elementwise(nn.softplus)
Sigmoid = elementwise(nn.sigmoid)
Elu = elementwise(nn.elu)
LeakyRelu = elementwise(nn.leaky_relu)
Selu = elementwise(nn.selu)
Gelu = elementwise(nn.gelu)
Identity = elementwise(lambda x: x)


# -- windows --------------------------------------------------------------------------------------------------

_Fold = Callable[[Any, tuple, tuple, Any], Any]


def _pooling(name: str, doc: str, fold: _Fold) -> Callable[..., Layer]:
    def layer(
        window_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        padding: Any = "VALID",
        spec: str | None = None,
    ) -> Layer:
        steps = tuple(strides or (1,) * len(window_shape))
        # A spec such as "NHWC" says which axes are the batch and the channels.
        kept = (0, len(window_shape) + 1) if spec is None else (spec.index("N"), spec.index("C"))

        def whole(sizes: Sequence[int]) -> tuple[int, ...]:
            rest = iter(sizes)
            return tuple(1 if d in kept else next(rest) for d in range(len(sizes) + 2))

        window, moves = whole(window_shape), whole(steps)

        def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
            pads = lax.padtype_to_pads(input_shape, window, moves, padding)
            return lax.reduce_window_shape_tuple(input_shape, window, moves, pads), ()

        def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
            return fold(inputs, window, moves, padding)

        return init_fun, apply_fun

    layer.__name__ = layer.__qualname__ = name
    layer.__doc__ = doc
    return layer


def _sums(x: Any, window: tuple, moves: tuple, padding: Any) -> Any:
    return lax.reduce_window(x, 0.0, lax.add, window, moves, padding)


def _means(x: Any, window: tuple, moves: tuple, padding: Any) -> Any:
    x = jnp.asarray(x)
    # Counts are the same along axes that no window moves over.
    alone = [w == 1 and isinstance(padding, str) for w in window]
    ones = jnp.ones([1 if a else n for n, a in zip(x.shape, alone, strict=True)], x.dtype)
    return _sums(x, window, moves, padding) / _sums(ones, window, moves, padding)


MaxPool = _pooling(
    "MaxPool",
    "The largest element of every window; ``spec`` such as ``NHWC`` tells the axes of the batch and the channels.",
    lambda x, window, moves, padding: lax.reduce_window(x, -jnp.inf, lax.max, window, moves, padding),
)
SumPool = _pooling("SumPool", "The sum of every window.", _sums)
AvgPool = _pooling("AvgPool", "The mean of every window, of what lies in the array.", _means)


def _flatten() -> Layer:
    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        return (input_shape[0], functools.reduce(operator.mul, input_shape[1:], 1)), ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return jnp.reshape(inputs, (jnp.shape(inputs)[0], -1))

    return init_fun, apply_fun


Flatten = _flatten()


def Dropout(rate: float, mode: str = "train") -> Layer:
    """Elements divided by ``rate`` where a random number is below it, else 0; nothing happens in another ``mode``.

    ``rate`` is the share of elements that is kept. ``apply_fun`` needs a key, ``rng=key``: else ``ValueError``.
    """

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        return input_shape, ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError(
                "Dropout layer requires apply_fun to be called with a key: apply_fun(params, inputs, rng=key)"
            )
        if mode != "train":
            return inputs
        return jnp.where(random.bernoulli(rng, rate, jnp.shape(inputs)), inputs / rate, 0)

    return init_fun, apply_fun


# -- several layers -------------------------------------------------------------------------------------------


def FanOut(num: int) -> Layer:
    """A list of ``num`` times the input."""

    def init_fun(rng: Any, input_shape: Sequence[int]) -> tuple:
        return [input_shape] * num, ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return [inputs] * num

    return init_fun, apply_fun


def _fan_in_sum() -> Layer:
    def init_fun(rng: Any, input_shape: Sequence[Any]) -> tuple:
        return input_shape[0], ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return functools.reduce(operator.add, inputs)

    return init_fun, apply_fun


FanInSum = _fan_in_sum()


def FanInConcat(axis: int = -1) -> Layer:
    """All inputs joined along ``axis``."""

    def init_fun(rng: Any, input_shape: Sequence[Any]) -> tuple:
        first = list(input_shape[0])
        first[axis] = sum(shape[axis] for shape in input_shape)
        return tuple(first), ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return jnp.concatenate(inputs, axis)

    return init_fun, apply_fun


def _keys(rng: Any, count: int) -> Any:
    return [None] * count if rng is None else random.split(rng, count)


def serial(*layers: Layer) -> Layer:
    """Layers one after the other; parameters are a list."""

    def init_fun(rng: Any, input_shape: Any) -> tuple:
        params = []
        for init, _ in layers:
            rng, own = random.split(rng)
            input_shape, found = init(own, input_shape)
            params.append(found)
        return input_shape, params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        keys = _keys(kwargs.pop("rng", None), len(layers))
        for (_, apply), own, key in zip(layers, params, keys, strict=True):
            inputs = apply(own, inputs, rng=key, **kwargs)
        return inputs

    return init_fun, apply_fun


def parallel(*layers: Layer) -> Layer:
    """Layers side by side, each with its own input of a list; so are parameters and outputs."""

    def init_fun(rng: Any, input_shape: Any) -> tuple:
        keys = random.split(rng, len(layers))
        found = [init(key, shape) for (init, _), key, shape in zip(layers, keys, input_shape, strict=True)]
        return [shape for shape, _ in found], [params for _, params in found]

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        keys = _keys(kwargs.pop("rng", None), len(layers))
        each = zip(layers, params, inputs, keys, strict=True)
        return [apply(own, x, rng=key, **kwargs) for (_, apply), own, x, key in each]

    return init_fun, apply_fun


def shape_dependent(make_layer: Callable[[Any], Layer]) -> Layer:
    """The layer ``make_layer(input_shape)``."""

    def init_fun(rng: Any, input_shape: Any) -> tuple:
        return make_layer(input_shape)[0](rng, input_shape)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return make_layer(jnp.shape(inputs))[1](params, inputs, **kwargs)

    return init_fun, apply_fun


_expose(globals(), own=True)
