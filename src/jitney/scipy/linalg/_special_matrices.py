"""Matrices of known structure: hilbert, pascal, hadamard, dft, helmert; circulant, companion, hankel, leslie and others.

Leading axes of the vectors that make a matrix count matrices.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._base import dtypes
from jitney.numpy.operands import array_operand


def _vectors(name: str, x: Any, place: int = 0) -> Any:
    return jnp.atleast_1d(array_operand(name, x, place))


def _inexact(x: Any) -> Any:
    return x.astype(dtypes.to_inexact(x.dtype))


def _with_entries(shape: tuple[int, ...], dtype: Any, *entries: tuple[Any, Any, Any]) -> Any:
    """Zeros but for ``(rows, columns, values)``."""
    out = jnp.zeros(shape, dtype)
    for rows, columns, values in entries:
        out = out.at[..., rows, columns].set(values)
    return out


def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrices with first columns ``c`` and first rows ``r`` (``conj(c)`` by default) and constant diagonals.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.linalg import toeplitz
    >>> toeplitz(jnp.array([1, 2, 3]))
    Array([[1, 2, 3],
           [2, 1, 2],
           [3, 2, 1]], dtype=int64)
    """
    c = _vectors("toeplitz", c)
    r = jnp.conj(c) if r is None else _vectors("toeplitz", r, 1)
    batch = jnp.broadcast_shapes(c.shape[:-1], r.shape[:-1])
    c, r = (jnp.broadcast_to(x, (*batch, x.shape[-1])) for x in (c, r))
    values = jnp.concatenate([jnp.flip(c, -1), r[..., 1:]], -1)
    return values[..., (c.shape[-1] - 1) - np.arange(c.shape[-1])[:, np.newaxis] + np.arange(r.shape[-1])]


def hankel(c: Any, r: Any = None) -> Any:
    """The matrices with first columns ``c``, last rows ``r`` (0 by default; ``r[0]`` is not used) and constant anti-diagonals."""
    c = _vectors("hankel", c)
    r = jnp.zeros_like(c) if r is None else _vectors("hankel", r, 1)
    batch = jnp.broadcast_shapes(c.shape[:-1], r.shape[:-1])
    c, r = (jnp.broadcast_to(x, (*batch, x.shape[-1])) for x in (c, r))
    values = jnp.concatenate([c, r[..., 1:]], -1)
    return values[..., np.arange(c.shape[-1])[:, np.newaxis] + np.arange(r.shape[-1])]


def circulant(c: Any) -> Any:
    """The matrices whose columns are ``c``, each moved on by one from the column before."""
    c = _vectors("circulant", c)
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, np.newaxis] - np.arange(n)) % max(n, 1)]


def companion(a: Any) -> Any:
    """The companion matrices of polynomials with coefficients ``a``, the highest power first.

    Raises:
        ValueError: for fewer than two coefficients.
    """
    a = _inexact(_vectors("companion", a))
    n = a.shape[-1]
    if n < 2:
        raise ValueError(f"companion requires two coefficients or more, got shape {a.shape}.")
    below = np.arange(n - 2)
    first = -a[..., 1:] / a[..., :1]
    return _with_entries(
        (*a.shape[:-1], n - 1, n - 1), first.dtype, (0, np.arange(n - 1), first), (below + 1, below, 1)
    )


def fiedler(a: Any) -> Any:
    """The matrices of the distances ``|a_i - a_j|``."""
    a = _vectors("fiedler", a)
    return jnp.abs(a[..., :, np.newaxis] - a[..., np.newaxis, :])


def fiedler_companion(a: Any) -> Any:
    """Companion matrices of polynomials with five diagonals: M. Fiedler, "A note on companion matrices" (2003).

    Args:
        a: ``[..., n]``: coefficients, the highest power first.
    """
    a = _inexact(_vectors("fiedler_companion", a))
    n = a.shape[-1] - 1
    if n < 1:
        return jnp.zeros((*a.shape[:-1], 0, 0), a.dtype)
    c = -a / a[..., :1]
    odd, even = np.arange(1, n, 2), np.arange(2, n, 2)
    out: list[tuple[Any, Any, Any]] = [(0, 0, c[..., 1])]
    if odd.size:  # -a_2, -a_4, ... beside the diagonal, with ones below them
        out += [(odd - 1, odd, c[..., odd + 1]), (odd[odd < 2], 0, 1)]
    if even.size:
        out += [(even, even - 1, c[..., even + 1]), (even - 2, even, 1)]
    later = odd[odd > 1]
    if later.size:
        out.append((later, later - 2, 1))
    return _with_entries((*a.shape[:-1], n, n), a.dtype, *out)


def leslie(f: Any, s: Any) -> Any:
    """The matrices with first rows ``f`` and ``s`` below the diagonal: births and survivals of age groups.

    Raises:
        ValueError: unless ``f`` has two elements or more and ``s`` one less.
    """
    f, s = _vectors("leslie", f), _vectors("leslie", s, 1)
    n = f.shape[-1]
    if n < 2:
        raise ValueError(f"leslie requires two age groups or more, got f of shape {f.shape}.")
    if s.shape[-1] != n - 1:
        raise ValueError(f"leslie: s must have one element less than f, got shapes {f.shape} and {s.shape}.")
    batch = jnp.broadcast_shapes(f.shape[:-1], s.shape[:-1])
    below = np.arange(n - 1)
    return _with_entries((*batch, n, n), jnp.result_type(f, s), (0, np.arange(n), f), (below + 1, below, s))


def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """The matrices that convolve vectors of ``n`` elements with ``a``: ``convolution_matrix(a, n) @ v``.

    Args:
        a: ``[..., m]``.
        n: columns.
        mode: ``"full"``, ``"same"`` or ``"valid"``, as of ``numpy.convolve``.

    Raises:
        ValueError: for ``n < 1``, empty ``a`` and other modes.
    """
    if n <= 0:
        raise ValueError(f"n must be a positive integer; got {n}.")
    a = _vectors("convolution_matrix", a)
    m = a.shape[-1]
    if m < 1:
        raise ValueError(f"convolution_matrix requires one element or more, got shape {a.shape}.")
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"mode must be one of 'full', 'valid', 'same'; got {mode!r}.")
    rows = {"full": m + n - 1, "same": max(m, n), "valid": abs(m - n) + 1}[mode]
    first = {"full": 0, "same": (min(m, n) - 1) // 2, "valid": min(m, n) - 1}[mode]
    places = first + np.arange(rows)[:, np.newaxis] - np.arange(n)
    inside = (places >= 0) & (places < m)
    return jnp.where(inside, a[..., np.clip(places, 0, m - 1)], jnp.zeros((), a.dtype))


def _size(n: Any, least: int = 0) -> int:
    n = int(n)
    if n < least:
        raise ValueError(f"n must be a positive integer; got {n}.")
    return max(n, 0)


def _constant(x: Any, dtype: Any = None) -> Any:
    return jnp.asarray(np.asarray(x), dtype or dtypes.default_dtype("f"))


def dft(n: int, scale: str | None = None, *, dtype: Any = None) -> Any:
    """The matrix of the discrete Fourier transform, ``exp(-2 pi i j k / n)``.

    Args:
        n: rows.
        scale: None, ``"sqrtn"`` or ``"n"``: what it is divided by.
        dtype: complex128 by default.

    Raises:
        ValueError: for other scales.
    """
    if scale not in (None, "sqrtn", "n"):
        raise ValueError(f"scale must be None, 'sqrtn', or 'n'; got {scale!r}.")
    n = _size(n)
    turns = np.outer(np.arange(n), np.arange(n)) % max(n, 1)
    angle = turns * (2 * np.pi / max(n, 1))
    out = np.cos(angle) - 1j * np.sin(angle)
    # Quarters of a turn are exact.
    quarter = (4 * turns) % max(n, 1) == 0
    out = np.where(quarter, np.round(out.real) + 1j * np.round(out.imag), out)
    out = out / (1 if scale is None else math.sqrt(n) if scale == "sqrtn" else n) if n else out
    return _constant(out, dtype or dtypes.complex_dtype(dtypes.default_dtype("f")))


def hadamard(n: int, dtype: Any = int) -> Any:
    """The Hadamard matrix of a power of 2, by J. Sylvester's construction: the sign is the parity of the bits of ``i & j``.

    Raises:
        ValueError: if ``n`` is no power of 2.
    """
    n = int(n)
    if n < 1 or n & (n - 1):
        raise ValueError(f"n must be a positive power of 2; got {n}.")
    out = np.ones((1, 1))
    while len(out) < n:
        out = np.block([[out, out], [out, -out]])
    return jnp.asarray(out).astype(dtype)


def helmert(n: int, full: bool = False) -> Any:
    """Helmert's orthogonal matrix: rows that compare a value with the mean of those before.

    Args:
        n: columns.
        full: with the constant first row.
    """
    n = _size(n, 1)
    k = np.arange(1, n)[:, np.newaxis]
    places = np.arange(n)
    out = np.where(places < k, 1.0, np.where(places == k, -1.0 * k, 0.0)) / np.sqrt(1.0 * k * (k + 1))
    return _constant(np.concatenate([np.full((1, n), 1 / math.sqrt(n)), out]) if full else out)


def _size_of_integers(n: int) -> int:
    """A size of a matrix whose elements are exact integers of Python's, before they become numbers with an end."""
    n = _size(n)
    if n > 1030:  # the elements of the smallest ones are beyond 2^1024 from there on
        raise ValueError(f"A matrix of {n} rows has elements far beyond the largest float.")
    return n


def hilbert(n: int) -> Any:
    """``1 / (i + j + 1)``."""
    places = np.arange(_size(n))
    return _constant(1.0 / (places[:, np.newaxis] + places + 1.0))


def invhilbert(n: int) -> Any:
    """The inverse of the Hilbert matrix: integers, rounded once to floats."""
    n = _size_of_integers(n)

    def entry(i: int, j: int) -> int:
        size = math.comb(n + i, n - j - 1) * math.comb(n + j, n - i - 1) * math.comb(i + j, i) ** 2
        return (-1) ** (i + j) * (i + j + 1) * size

    rows = [[entry(i, j) for j in range(n)] for i in range(n)]
    return _constant(np.array(rows, float).reshape(n, n))


def _pascal(n: int, kind: str | None) -> list[list[int]]:
    if kind not in (None, "symmetric", "lower", "upper"):
        raise ValueError(f"Expected kind to be one of: ['symmetric', 'lower', 'upper']; got {kind}")
    if kind in (None, "symmetric"):
        return [[math.comb(i + j, i) for j in range(n)] for i in range(n)]
    lower = [[math.comb(i, j) for j in range(n)] for i in range(n)]
    return lower if kind == "lower" else [list(row) for row in zip(*lower, strict=True)]


def pascal(n: int, kind: str | None = None) -> Any:
    """Pascal's triangle as a float32 matrix: ``"symmetric"`` (by default), ``"lower"`` or ``"upper"``."""
    n = _size_of_integers(n)
    return _constant(np.array(_pascal(n, kind), float).reshape(n, n), np.dtype(np.float32))


def invpascal(n: int, kind: str | None = None) -> Any:
    """The inverse of Pascal's matrix: integers, rounded once to floats."""
    n = _size_of_integers(n)
    rows = _pascal(n, kind)
    if kind in (None, "symmetric"):
        rows = [
            [sum(math.comb(k, i) * math.comb(k, j) for k in range(max(i, j), n)) for j in range(n)]
            for i in range(n)
        ]
    signed = [[(-1) ** (i + j) * x for j, x in enumerate(row)] for i, row in enumerate(rows)]
    return _constant(np.array(signed, float).reshape(n, n))
