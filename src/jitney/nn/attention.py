"""Scaled dot-product attention of several heads."""

from __future__ import annotations

import math
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney.nn.normalisations import softmax
from jitney.numpy.dtype_functions import finfo
from jitney.scipy.special import logsumexp

__all__ = ["dot_product_attention"]

_LOW = -0.7  # of the largest number: scores of what is masked, whose sums stay finite


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
    return_residual: bool = False,
) -> Any:
    """``softmax(query key^T * scale + bias) value`` for each head.

    Args:
        query: shape ``(batch, targets, heads, size)``; without the first axis, there is no batch.
        key: shape ``(batch, sources, groups, size)``, where ``heads`` is a multiple of ``groups``: neighbouring heads
            share a key and a value.
        value: as ``key``.
        bias: is added to the scores; broadcasts to ``(batch, heads, targets, sources)``.
        mask: booleans of such a shape; sources where it is False are left out.
        scale: of the scores; ``1 / sqrt(size)`` if None.
        is_causal: leave out the sources behind each target.
        query_seq_lengths: integers ``(batch,)``; results of targets from there on are 0.
        key_value_seq_lengths: integers ``(batch,)``; sources from there on are left out.
        local_window_size: how many sources before and behind its own place a target sees.
        implementation: None or ``"xla"``, which mean the same here.
        return_residual: give the logarithms of the sums of exponentials too, shape ``(batch, targets, heads)``.

    Raises:
        ValueError: shapes that do not fit, or another implementation.

    Source: Vaswani et al. (2017); groups: Ainslie et al. (2023).

    >>> import jitney
    >>> x = jitney.numpy.ones((3, 2, 4))
    >>> jitney.nn.dot_product_attention(x, x, x).shape
    (3, 2, 4)
    """
    if implementation not in (None, "xla"):
        raise ValueError(
            f"implementation {implementation!r} of dot_product_attention is for GPUs; here it is None or 'xla'"
        )
    query, key, value = (jnp.asarray(x) for x in (query, key, value))
    single = query.ndim == 3
    query, key, value = (x[None] if x.ndim == 3 else x for x in (query, key, value))
    _check(query, key, value)
    bias, mask = (x if x is None else _of_four_axes(name, x) for name, x in (("bias", bias), ("mask", mask)))
    _, targets, _, size = query.shape
    sources = key.shape[1]
    seen = _seen(
        targets, sources, mask, is_causal, query_seq_lengths, key_value_seq_lengths, local_window_size
    )
    wide = jnp.promote_types(query.dtype, "float32")  # sums of 16-bit numbers
    scores = _scores(query.astype(wide), key.astype(wide)) * jnp.asarray(
        1 / math.sqrt(size) if scale is None else scale, wide
    )
    if bias is not None:
        scores = scores + bias.astype(scores.dtype)
    if seen is not None:
        scores = jnp.where(seen, scores, _LOW * finfo(scores.dtype).max)
    result = _weighted(softmax(scores).astype(query.dtype), value)
    if query_seq_lengths is not None:
        inside = jnp.arange(targets)[None, :] < jnp.asarray(query_seq_lengths)[:, None]
        result = jnp.where(inside[:, :, None, None], result, 0)
    result = result[0] if single else result
    if not return_residual:
        return result
    residual = logsumexp(scores, axis=-1).transpose(0, 2, 1).astype(query.dtype)
    return result, residual[0] if single else residual


def _check(query: Any, key: Any, value: Any) -> None:
    fits = all(x.ndim == 4 for x in (query, key, value)) and key.shape == value.shape
    fits = fits and query.shape[0] == key.shape[0] and query.shape[3] == key.shape[3]
    if not fits or query.shape[2] % max(key.shape[2], 1):
        raise ValueError(
            "dot_product_attention needs query (batch, targets, heads, size) and key, value (batch, sources, groups, size) "
            f"with heads a multiple of groups; got {query.shape}, {key.shape}, {value.shape}"
        )


def _of_four_axes(name: str, x: Any) -> Any:
    x = jnp.asarray(x)
    if x.ndim == 3:
        return x[None]
    if x.ndim != 4:
        raise ValueError(f"{name} must broadcast to (batch, heads, targets, sources); got shape {x.shape}")
    return x


def _scores(query: Any, key: Any) -> Any:
    """Products of every target with every source, shape (batch, heads, targets, sources)."""
    batch, targets, heads, size = query.shape
    grouped = query.reshape(batch, targets, key.shape[2], heads // key.shape[2], size)
    return jnp.einsum("btkgh,bskh->bkgts", grouped, key).reshape(batch, heads, targets, key.shape[1])


def _weighted(weights: Any, value: Any) -> Any:
    """Sums of values, shape (batch, targets, heads, size)."""
    batch, heads, targets, sources = weights.shape
    grouped = weights.reshape(batch, value.shape[2], heads // value.shape[2], targets, sources)
    return jnp.einsum("bkgts,bskh->btkgh", grouped, value).reshape(batch, targets, heads, value.shape[3])


def _seen(
    targets: int,
    sources: int,
    mask: Any,
    is_causal: bool,
    query_lengths: Any,
    source_lengths: Any,
    window: int | tuple[int, int] | None,
) -> Any:
    """Which sources each target sees, of a shape that broadcasts to that of the scores; None: all."""
    t, s = lax.iota(int, targets)[:, None], lax.iota(int, sources)[None, :]
    parts = [] if mask is None else [mask.astype(bool)]
    if is_causal:
        parts.append((s <= t)[None, None])
    if window is not None:
        before, behind = (window, window) if isinstance(window, int) else window
        parts.append(((s >= t - before) & (s <= t + behind))[None, None])
    for lengths, place in ((query_lengths, t), (source_lengths, s)):
        if lengths is not None:
            parts.append(place < jnp.asarray(lengths)[:, None, None, None])
    seen = None
    for part in parts:
        seen = part if seen is None else seen & part
    return seen
