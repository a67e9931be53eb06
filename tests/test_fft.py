"""Fourier transforms: values against SciPy, every rule against JAX, derivatives against differences."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import jax
import numpy as np
import pytest
import scipy.fft

import jitney
import jitney.numpy as jnp
from comparing import assert_raises_alike, assert_same, check_first, check_second
from jitney import _ext

RNG = np.random.default_rng(0)


def _complex(*shape: int, dtype: Any = np.complex128) -> np.ndarray:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


# Lengths: small codes, products of passes, one or two halves, odd and even, prime with a convolution.
LENGTHS = (
    1,
    2,
    3,
    5,
    7,
    8,
    11,
    12,
    16,
    17,
    31,
    60,
    61,
    64,
    67,
    100,
    128,
    134,
    210,
    256,
    509,
    1000,
    1024,
    3072,
    4099,
)


def _routine(x: np.ndarray, kind: int, lengths: tuple[int, ...]) -> np.ndarray:
    """The routine itself, along the last axes, without a program around it."""
    real = x.real.dtype
    lead = x.shape[: x.ndim - len(lengths)]
    half = (*lengths[:-1], lengths[-1] // 2 + 1)
    shape = lead + (half if kind == 2 else lengths)
    out = np.empty(shape, real if kind == 3 else np.result_type(real, np.complex64))
    args = (kind, real.itemsize, math.prod(lead), len(lengths), *lengths)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(_ext.symbols()["jt_fft"])
    x = np.ascontiguousarray(x)
    call(
        (ctypes.c_void_p * 1)(x.ctypes.data),
        (ctypes.c_void_p * 1)(out.ctypes.data),
        (ctypes.c_int64 * len(args))(*args),
    )
    return out


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("lead", [(1,), (2,), (21,)])
def test_values_of_all_lengths(lead: tuple[int, ...], dtype: Any) -> None:
    limit = 30 * np.finfo(dtype).eps
    shapes = [(n,) for n in LENGTHS] + [(3, 4), (16, 16), (67, 10), (2, 2, 35), (5, 128), (64, 2)]
    for lengths in shapes:
        axes = tuple(range(1, 1 + len(lengths)))
        x = _complex(*lead, *lengths, dtype=dtype)
        half = np.ascontiguousarray(x[..., : lengths[-1] // 2 + 1])
        wide, wide_half = x.astype(np.complex128), half.astype(np.complex128)
        for kind, given, want in (
            (0, x, scipy.fft.fftn(wide, axes=axes)),
            (1, x, scipy.fft.ifftn(wide, axes=axes)),
            (2, x.real, scipy.fft.rfftn(wide.real, axes=axes)),
            (3, half, scipy.fft.irfftn(wide_half, lengths, axes=axes)),
        ):
            got = _routine(given, kind, lengths)
            assert np.abs(got - want).max() <= limit * np.abs(want).max(), (kind, lengths)


CASES = {
    "fft": lambda L: L.numpy.fft.fft,
    "fft of reals": lambda L: lambda x: L.numpy.fft.fft(x.real),
    "ortho": lambda L: lambda x: L.numpy.fft.ifft(x, norm="ortho"),
    "forward": lambda L: lambda x: L.numpy.fft.fft(x, norm="forward", axis=0),
    "padded": lambda L: lambda x: L.numpy.fft.fft(x, 11, axis=0),
    "cut": lambda L: lambda x: L.numpy.fft.ifft(x, 3),
    "rfft": lambda L: lambda x: L.numpy.fft.rfft(x.real, 7, norm="ortho"),
    "irfft odd": lambda L: lambda x: L.numpy.fft.irfft(x, 9),
    "irfft": lambda L: lambda x: L.numpy.fft.irfft(x, norm="forward"),
    "hfft": lambda L: L.numpy.fft.hfft,
    "hfft ortho": lambda L: lambda x: L.numpy.fft.hfft(x, norm="ortho"),
    "ihfft": lambda L: lambda x: L.numpy.fft.ihfft(x.real, norm="forward"),
    "fftn": lambda L: lambda x: L.numpy.fft.fftn(x, s=(3, 8)),
    "fft2 swapped": lambda L: lambda x: L.numpy.fft.fft2(x, axes=(1, 0)),
    "rfftn": lambda L: lambda x: L.numpy.fft.rfftn(x.real, axes=(1, 0)),
    "irfftn": lambda L: lambda x: L.numpy.fft.irfftn(x, s=(4, 7)),
    "four axes": lambda L: lambda x: L.numpy.fft.rfftn(x.real.reshape(2, 2, 3, 2)),
    "back from four": lambda L: lambda x: L.numpy.fft.irfftn(x.reshape(2, 2, 2, 3)),
    "middle axis": lambda L: lambda x: L.numpy.fft.ifft(x.reshape(2, 2, 6), axis=1)[:, ::-1].T,
    "first axes": lambda L: lambda x: L.numpy.fft.fftn(x.reshape(2, 2, 6), axes=(0, 1)) * 2.0,
    "shifted": lambda L: lambda x: L.numpy.fft.fftshift(L.numpy.fft.ifftshift(x, 0)),
    "product": lambda L: lambda x: L.numpy.fft.irfft2(L.numpy.fft.rfft2(x.real) * L.numpy.fft.rfft2(x.imag)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_like_jax(case: Any) -> None:
    x = _complex(4, 6)
    mine, theirs = case(jitney), case(jax)
    want = theirs(x)
    assert_same(jitney.jit(mine)(x), want, 1e-11)
    many = _complex(4, 2, 6)
    got = jitney.vmap(mine, in_axes=1)(many)
    for k in range(2):
        assert_same(got[k], mine(many[:, k]), 1e-11)
    if case is not CASES["product"]:
        assert_same(jitney.jvp(mine, (x,), (many[:, 1],))[1], got[1], 1e-11)
    ct = _complex(*want.shape) if np.iscomplexobj(want) else RNG.normal(size=want.shape)
    pull = jitney.jit(lambda x, ct: jitney.vjp(mine, x)[1](ct)[0])
    assert_same(pull(x, ct), jax.vjp(theirs, x)[1](ct)[0], 1e-11)


def test_programs() -> None:
    x = np.ones((4, 6))
    for L in (jitney, jax):
        text = str(L.make_jaxpr(lambda x, L=L: L.lax.fft(x, L.lax.FftType.RFFT, (4, 6)))(x))
        assert "c128[4,4] = fft[fft_lengths=(4, 6) fft_type=2] a" in text


def test_derivatives() -> None:
    x = RNG.normal(size=(3, 6))
    energy = lambda x: [jnp.sum(jnp.abs(jnp.fft.rfft2(x)) ** 4)]  # noqa: E731
    check_first(energy, (x,))
    check_second(energy, (x,))
    smooth = lambda x: [jnp.fft.irfft(jnp.fft.rfft(x) * jnp.exp(-jnp.arange(4.0)))]  # noqa: E731
    check_first(smooth, (x,))


def test_in_loops_and_on_parts() -> None:
    x = _complex(8)

    def run(L: Any) -> Any:
        def body(state: Any, k: Any) -> Any:
            state = L.numpy.fft.ifft(L.numpy.fft.fft(state) * L.numpy.exp(1j * k))
            return state, L.numpy.fft.rfft(state.real)

        return L.jit(lambda x: L.lax.scan(body, x, L.numpy.arange(3.0)))(x)

    assert_same(run(jitney), run(jax), 1e-12)


def test_frequencies() -> None:
    for n in (1, 4, 5):
        for d in (1.0, 0.25):
            assert_same(jnp.fft.fftfreq(n, d), jax.numpy.fft.fftfreq(n, d))
            assert_same(jnp.fft.rfftfreq(n, d), jax.numpy.fft.rfftfreq(n, d))
    assert jnp.fft.fftfreq(4, dtype=np.float32).dtype == np.float32


def test_dtypes() -> None:
    for dtype in (bool, np.int8, np.int64, np.float16, np.float32, np.complex64):
        x = np.ones(4, dtype)
        assert_same(jnp.fft.fft(x), jax.numpy.fft.fft(x), 1e-6)
        if dtype not in (np.float16, np.complex64):
            assert_same(jnp.fft.rfft(x), jax.numpy.fft.rfft(x), 1e-6)


WRONG = {
    "length": lambda L: L.numpy.fft.fft(np.ones(4), n=0),
    "axis": lambda L: L.numpy.fft.fft(np.ones(4), axis=1),
    "scalar": lambda L: L.numpy.fft.fft(1.0),
    "list": lambda L: L.numpy.fft.fft([1.0, 2.0]),
    "half precision": lambda L: L.numpy.fft.rfft(np.ones(4, np.float16)),
    "complex": lambda L: L.numpy.fft.rfft(np.ones(4) + 0j),
    "norm": lambda L: L.numpy.fft.fft(np.ones(4), norm="other"),
    "lengths": lambda L: L.numpy.fft.fftn(np.ones((4, 4)), s=(2,), axes=(0, 1)),
    "repeated": lambda L: L.numpy.fft.fftn(np.ones((4, 4)), axes=(0, 0)),
    "one axis": lambda L: L.numpy.fft.fft2(np.ones((4, 4)), axes=(0,)),
    "rank": lambda L: L.numpy.fft.fft2(np.ones(4)),
    "several": lambda L: L.numpy.fft.fft(np.ones((4, 4)), axis=(0, 1)),
    "lax length": lambda L: L.lax.fft(np.ones(4) + 0j, "FFT", (5,)),
    "lax rank": lambda L: L.lax.fft(np.ones(4) + 0j, "FFT", (4, 4)),
    "lax kind": lambda L: L.lax.fft(np.ones(4), "DFT", (4,)),
    "lax number": lambda L: L.lax.fft(np.ones(4), 0, (4,)),
    "lax complex": lambda L: L.lax.fft(np.ones(4) + 0j, "RFFT", (4,)),
    "frequencies": lambda L: L.numpy.fft.fftfreq([4]),
    "spacing": lambda L: L.numpy.fft.rfftfreq(4, [1.0, 2.0]),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_misuse(call: Any) -> None:
    with jitney.config.temporarily("jitney_python_control_flow", False):  # lists are refused, as by JAX
        assert_raises_alike(call)


COSINES = {
    "dct": lambda f, x: f.dct(x),
    "odd": lambda f, x: f.dct(x[:, :5], norm="ortho"),
    "cut": lambda f, x: f.dct(x, n=4, axis=0),
    "idct": lambda f, x: f.idct(x, norm="ortho"),
    "idct padded": lambda f, x: f.idct(x, n=9),
    "dctn": lambda f, x: f.dctn(x, norm="ortho"),
    "idctn": lambda f, x: f.idctn(x, axes=(1, 0), s=(7, 4)),
}


@pytest.mark.parametrize("case", COSINES.values(), ids=COSINES)
def test_cosine_transforms(case: Any) -> None:
    from jitney.scipy import fft

    x = RNG.normal(size=(5, 6))
    mine = jitney.jit(lambda x: case(fft, x))
    np.testing.assert_allclose(mine(x), case(scipy.fft, x), atol=1e-13)
    np.testing.assert_allclose(mine(x), case(jax.scipy.fft, x), atol=1e-13)
    check_first(lambda x: [mine(x)], (x,))


def test_misuse_of_cosine_transforms() -> None:
    assert_raises_alike(lambda L: L.scipy.fft.dct(np.ones(4), type=1))
    assert_raises_alike(lambda L: L.scipy.fft.idctn(np.ones(4), norm="forward"))
    assert_raises_alike(lambda L: L.scipy.fft.dct(np.ones(4), axis=2))
