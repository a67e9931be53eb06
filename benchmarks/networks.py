"""Neural networks: values and gradients of a perceptron, a transformer block and a convolutional net; Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
from programs import Engine, normal, program

GROUP = "networks"


def _layers(sizes: tuple[int, ...], dtype: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        ((normal(a, b, seed=i) / np.sqrt(a)).astype(dtype), np.zeros(b, dtype))
        for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]


def _perceptron_loss(m: Engine, dtype: Any) -> tuple[Any, tuple]:
    n = m.np

    def loss(params: Any, x: Any, y: Any) -> Any:
        *hidden, (w, b) = params
        for a, c in hidden:
            x = n.tanh(x @ a + c)
        return n.mean(((x @ w + b)[:, 0] - y) ** 2)

    data = normal(256, 32, dtype=dtype), normal(256, seed=1, dtype=dtype)
    return loss, (_layers((32, 128, 128, 1), dtype), *data)


def _register_perceptron(dtype: Any, suffix: str) -> None:
    @program(f"perceptron 32-128-128-1, batch 256{suffix}", GROUP, gradient=3.0)
    def _(m: Engine) -> Any:
        return _perceptron_loss(m, dtype)

    @program(f"perceptron: value and gradient{suffix}", GROUP, numpy=False, memory=not suffix)
    def _(m: Engine) -> Any:
        loss, args = _perceptron_loss(m, dtype)
        return m.value_and_grad(loss), args

    @program(f"perceptron: 10 steps of Adam{suffix}", GROUP, numpy=False)
    def _(m: Engine) -> Any:
        loss, (params, x, y) = _perceptron_loss(m, dtype)
        zeros = [(np.zeros_like(a), np.zeros_like(b)) for a, b in params]
        gradient = m.grad(loss)
        each = m.tree_util.tree_map

        def step(i: Any, state: Any) -> Any:
            p, mean, square = state
            g = gradient(p, x, y)
            mean = each(lambda a, b: 0.9 * a + 0.1 * b, mean, g)
            square = each(lambda a, b: 0.999 * a + 0.001 * b * b, square, g)
            t = (i + 1).astype(dtype)
            rate = 1e-3 * m.np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            p = each(lambda a, u, v: a - rate * u / (m.np.sqrt(v) + 1e-8), p, mean, square)
            return p, mean, square

        return lambda p, u, v, x, y: m.lax.fori_loop(0, 10, step, (p, u, v))[0], (params, zeros, zeros, x, y)


_register_perceptron(np.float64, "")
_register_perceptron(np.float32, " f32")

WIDTH, HEADS, LENGTH, BATCH = 64, 4, 64, 8


def _block_loss(m: Engine) -> tuple[Any, tuple]:
    n = m.np

    def standardise(x: Any, scale: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred / n.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale

    def attention(x: Any, weights: Any, out: Any) -> Any:
        split = (x @ weights).reshape(BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
        q, k, v = (split[:, :, i].swapaxes(1, 2) for i in range(3))
        scores = q @ k.swapaxes(2, 3) / np.float32(np.sqrt(WIDTH // HEADS))
        scores = n.where(n.tril(n.ones((LENGTH, LENGTH), bool)), scores, np.float32(-1e9))
        e = n.exp(scores - scores.max(-1, keepdims=True))
        mixed = (e / e.sum(-1, keepdims=True)) @ v
        return mixed.swapaxes(1, 2).reshape(BATCH, LENGTH, WIDTH) @ out

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + n.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + 0.044715 * x * x * x)))

    def loss(p: Any, x: Any, y: Any) -> Any:
        x = x + attention(standardise(x, p["scale1"]), p["qkv"], p["out"])
        x = x + gelu(standardise(x, p["scale2"]) @ p["up"]) @ p["down"]
        return n.mean((x - y) ** 2)

    def weights(a: int, b: int, seed: int) -> np.ndarray:
        return (normal(a, b, seed=seed) / np.sqrt(a)).astype(np.float32)

    params = {
        "scale1": np.ones(WIDTH, np.float32),
        "scale2": np.ones(WIDTH, np.float32),
        "qkv": weights(WIDTH, 3 * WIDTH, 0),
        "out": weights(WIDTH, WIDTH, 1),
        "up": weights(WIDTH, 4 * WIDTH, 2),
        "down": weights(4 * WIDTH, WIDTH, 3),
    }
    data = (normal(BATCH, LENGTH, WIDTH, seed=s, dtype=np.float32) for s in (4, 5))
    return loss, (params, *data)


@program("transformer block, 8x64x64 f32", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    return _block_loss(m)


@program("transformer block: value and gradient", GROUP, numpy=False, memory=True)
def _(m: Engine) -> Any:
    loss, args = _block_loss(m)
    return m.value_and_grad(loss), args


def _images_loss(m: Engine) -> tuple[Any, tuple]:
    """Two convolutions with pooling and a dense layer, cross entropy over ten classes."""
    n = m.np

    def convolve(x: Any, k: Any) -> Any:
        return m.lax.conv_general_dilated(x, k, (1, 1), "SAME")

    def pool(x: Any) -> Any:
        b, c, h, w = x.shape
        return x.reshape(b, c, h // 2, 2, w // 2, 2).mean((3, 5))

    def loss(p: Any, x: Any, classes: Any) -> Any:
        x = pool(n.maximum(convolve(x, p["k1"]), 0))
        x = pool(n.maximum(convolve(x, p["k2"]), 0))
        scores = x.reshape(x.shape[0], -1) @ p["dense"]
        scores = scores - m.special.logsumexp(scores, axis=1, keepdims=True)
        return -n.mean(scores[n.arange(scores.shape[0]), classes])

    params = {
        "k1": 0.2 * normal(8, 1, 3, 3, dtype=np.float32),
        "k2": 0.1 * normal(16, 8, 3, 3, seed=1, dtype=np.float32),
        "dense": 0.05 * normal(16 * 7 * 7, 10, seed=2, dtype=np.float32),
    }
    rng = np.random.default_rng(0)
    return loss, (params, normal(32, 1, 28, 28, seed=3, dtype=np.float32), rng.integers(0, 10, 32))


@program("convolutional net, batch 32 of 28x28 f32", GROUP, numpy=False, gradient=3.0)
def _(m: Engine) -> Any:
    return _images_loss(m)


@program("convolutional net: value and gradient", GROUP, numpy=False)
def _(m: Engine) -> Any:
    loss, args = _images_loss(m)
    return m.value_and_grad(loss), args
