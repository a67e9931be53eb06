"""The Python array API standard: names, parameters, values and dtypes of ``array_api_strict``, which allows nothing more."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

strict = pytest.importorskip("array_api_strict")

OWN = {"ArrayAPIStrictFlags", "Device", "ModuleType"}  # of the package, not of the standard
FLOATS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
SIGNED = ("int8", "int16", "int32", "int64")
INTS = (*SIGNED, "uint8", "uint16", "uint32", "uint64")
NUMBERS = (*INTS, *FLOATS, *COMPLEX)
REALS = (*INTS, *FLOATS)


def standard() -> list[str]:
    return [n for n in dir(strict) if not n.startswith("_") and n not in OWN and "strict_flags" not in n]


@pytest.mark.parametrize("extension", ["", "linalg", "fft"])
def test_names_and_parameters(extension: str) -> None:
    theirs = getattr(strict, extension) if extension else strict
    ours = getattr(jnp, extension) if extension else jnp
    names = standard() if not extension else list(theirs.__all__)
    for name in names:
        assert hasattr(ours, name), name
        f, g = getattr(theirs, name), getattr(ours, name)
        if callable(f) and not isinstance(f, type) and name not in OWN:
            wanted, given = inspect.signature(f).parameters, inspect.signature(g).parameters
            named = {k for k, p in wanted.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
            assert named <= set(given), name


def test_attributes_of_arrays() -> None:
    x = strict.asarray([[1.0]])
    missing = [n for n in dir(type(x)) if not n.startswith("_") or n.startswith("__array_")]
    assert [n for n in missing if not hasattr(jnp.ones((1, 1)), n)] == []
    assert jnp.ones(1).__array_namespace__().__name__ == jnp.__name__


INDICES = ("searchsorted",)  # of JAX's type, which the standard leaves open


def sample(dtype: str, shape: tuple[int, ...] = (3, 4), low: float = -2.0, high: float = 3.0) -> Any:
    random = np.random.default_rng(sum(map(ord, dtype)))
    x = random.uniform(low, high, shape) + (1j * random.uniform(low, high, shape) if dtype in COMPLEX else 0)
    x = np.maximum(x, 0) if dtype.startswith("u") else x
    return (x > 0) if dtype == "bool" else x.astype(dtype)


def alike(name: str, *xs: Any, **kwargs: Any) -> None:
    """The same values and dtypes from both namespaces."""
    outs = []
    for space in (strict, jnp):
        function = space
        for part in name.split("."):
            function = getattr(function, part)
        args = [_to(space, x) for x in xs]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = function(*args, **{k: _to(space, v) for k, v in kwargs.items()})
        outs.append(out if isinstance(out, (tuple, list)) else (out,))
    assert len(outs[0]) == len(outs[1])
    for want, got in zip(*outs, strict=True):
        if not hasattr(want, "dtype"):
            assert str(got) == str(want).removeprefix("array_api_strict.")
            continue
        want, got = np.asarray(want), np.asarray(got)
        want = want.astype(got.dtype) if name in INDICES and got.dtype.kind == "i" else want
        assert got.dtype == want.dtype and got.shape == want.shape, (name, got.dtype, want.dtype)
        exact = got.dtype.kind in "biu"
        rtol = 0 if exact else 100 * np.finfo(got.dtype).eps
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)


def _to(space: Any, x: Any) -> Any:
    if isinstance(x, str) and x in (*NUMBERS, "bool"):
        return getattr(space, x)
    if isinstance(x, list):
        return [_to(space, item) for item in x]
    return space.asarray(x) if isinstance(x, np.ndarray) else x


UNARY = {
    **dict.fromkeys("abs sign positive square".split(), NUMBERS),
    "negative": (*SIGNED, *FLOATS, *COMPLEX),
    **dict.fromkeys("ceil floor trunc isfinite isinf isnan round".split(), REALS),
    **dict.fromkeys(
        "cos cosh exp expm1 sin sinh tan tanh sqrt log1p log asinh atan".split(), (*FLOATS, *COMPLEX)
    ),
    **dict.fromkeys("log2 log10 signbit reciprocal".split(), FLOATS),
    **dict.fromkeys("real imag conj".split(), COMPLEX),
    "bitwise_invert": (*INTS, "bool"),
    "logical_not": ("bool",),
}
BINARY = {
    **dict.fromkeys("add multiply subtract equal not_equal".split(), NUMBERS),
    **dict.fromkeys("less less_equal greater greater_equal maximum minimum".split(), REALS),
    **dict.fromkeys("atan2 hypot copysign divide logaddexp nextafter".split(), FLOATS),
    **dict.fromkeys("floor_divide remainder".split(), FLOATS),
    **dict.fromkeys("bitwise_and bitwise_or bitwise_xor".split(), (*INTS, "bool")),
    **dict.fromkeys("logical_and logical_or logical_xor".split(), ("bool",)),
}


@pytest.mark.parametrize("name", UNARY)
def test_elementwise_of_one(name: str) -> None:
    for dtype in UNARY[name]:
        low = 0.1 if name in ("log", "log2", "log10", "log1p", "sqrt") else -2.0
        alike(name, sample(dtype, low=low))


@pytest.mark.parametrize("name", BINARY)
def test_elementwise_of_two(name: str) -> None:
    for dtype in BINARY[name]:
        x, y = sample(dtype), sample(dtype, (4,), low=0.5)
        alike(name, x, y)
    if "float32" in BINARY[name] and "int8" in BINARY[name] and name not in ("equal", "not_equal"):
        alike(name, sample("int8"), sample("int16"))
        alike(name, sample("uint8"), sample("int8"))
        alike(name, sample("float32"), 2.0)


REDUCTIONS = {
    **dict.fromkeys("sum prod".split(), NUMBERS),
    **dict.fromkeys("max min".split(), REALS),
    **dict.fromkeys("mean".split(), (*FLOATS, *COMPLEX)),
    **dict.fromkeys("std var".split(), FLOATS),
    **dict.fromkeys("all any".split(), (*NUMBERS, "bool")),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    for dtype in REDUCTIONS[name]:
        x = sample(dtype)
        alike(name, x)
        alike(name, x, axis=1, keepdims=True)
        alike(name, x, axis=(0, 1))
    if name in ("std", "var"):
        alike(name, sample("float64"), correction=1)


@pytest.mark.parametrize("dtype", REALS)
def test_sorting_searching_and_sets(dtype: str) -> None:
    x, v = sample(dtype), np.sort(sample(dtype, (5,)))
    for name in ("sort", "argsort"):
        alike(name, x, axis=0)
        alike(name, x, descending=True, stable=True)
    for name in ("argmax", "argmin"):
        alike(name, x)
        alike(name, x, axis=1, keepdims=True)
    alike("searchsorted", v, x, side="right")
    alike("count_nonzero", x, axis=0)
    alike("nonzero", x)
    alike("where", x > 0, x, x[0])
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
        alike(name, x)
    alike("cumulative_sum", x, axis=1, include_initial=True)
    alike("cumulative_prod", x, axis=0, dtype=dtype)  # without it the type is JAX's, that of x
    alike("diff", x)
    alike("clip", x, 0, 1)
    alike("take", x, np.array([2, 0]), axis=1)
    alike("take_along_axis", x, np.array([[1, 0], [2, 2], [0, 3]]), axis=1)
    alike("repeat", x, 2, axis=0)
    if dtype in INTS:
        alike("isin", x, v)


def test_shapes_and_creation() -> None:
    x = sample("int32", (2, 3, 1))
    for name, args in {
        "broadcast_to": ((2, 3, 4),), "expand_dims": (), "flip": (), "moveaxis": (0, 2), "permute_dims": ((2, 0, 1),),
        "reshape": ((3, 2),), "roll": (1,), "squeeze": (2,), "tile": ((2, 1),), "unstack": (), "matrix_transpose": (),
    }.items():  # fmt: skip
        alike(name, x, *args, **({"axis": 1} if name == "expand_dims" else {}))
    alike("concat", [x, x], axis=1)
    alike("stack", [x, x])
    alike("broadcast_arrays", x, x[0])
    alike("meshgrid", x[0, :, 0], x[1, :, 0], indexing="ij")
    alike("tril", x[..., 0], k=-1)
    alike("triu", x[..., 0])
    alike("arange", 1, 8, 2)
    alike("linspace", 0.0, 1.0, 5, endpoint=False)
    alike("eye", 3, 4, k=1)
    alike("full", (2,), 3.5)
    for name in ("zeros", "ones"):
        alike(name, (2, 3))
        alike(name, (2,), dtype="int16")
        alike(f"{name}_like", x)
    alike("full_like", x, 7)
    alike("astype", x, "float32")
    alike("result_type", "int8", "uint8")
    alike("can_cast", "int8", "int16")


@pytest.mark.parametrize("dtype", (*FLOATS, *COMPLEX))
def test_linear_algebra_and_transforms(dtype: str) -> None:
    a = sample(dtype, (2, 3, 3)) + 3 * np.eye(3, dtype=dtype)
    v = sample(dtype, (2, 3))
    for name in (
        "linalg.det",
        "linalg.inv",
        "linalg.pinv",
        "linalg.slogdet",
        "linalg.svdvals",
        "linalg.trace",
    ):
        alike(name, a)
    alike("linalg.cholesky", a @ np.conj(np.swapaxes(a, -1, -2)))
    alike("linalg.eigvalsh", a + np.conj(np.swapaxes(a, -1, -2)))
    alike("linalg.solve", a, a[..., :2])
    alike("linalg.matrix_power", a, 3)
    alike("linalg.matrix_rank", a)
    for order in (None, 1, np.inf) if dtype in FLOATS else (None,):
        alike("linalg.vector_norm", v, **({} if order is None else {"ord": order}))
    alike("linalg.matrix_norm", a, ord="nuc", keepdims=True)
    alike("linalg.cross", v, v[::-1])
    alike("linalg.outer", v[0], v[1])
    alike("linalg.diagonal", a, offset=1)
    alike("matmul", a, a)
    alike("tensordot", a, a, axes=((1,), (2,)))
    alike("vecdot", v, v[::-1])
    for name in ("fft", "ifft"):
        if dtype in COMPLEX:
            alike(f"fft.{name}", v, n=4, norm="ortho")
            alike(f"fft.{name}n", a)
    if dtype in FLOATS:
        alike("fft.rfft", v)
        alike("fft.rfftn", a)
        alike("fft.fftfreq", 5, d=0.5)
    alike("fft.fftshift", v)


def test_what_the_namespace_says_of_itself() -> None:
    ours, theirs = jnp.__array_namespace_info__(), strict.__array_namespace_info__()
    assert jnp.__array_api_version__ in ("2023.12", "2024.12", "2025.12")
    assert {n for n in dir(theirs) if not n.startswith("_")} <= set(dir(ours))
    assert set(ours.capabilities()) == set(theirs.capabilities())
    for kind in (
        None,
        "bool",
        "integral",
        "signed integer",
        "real floating",
        "numeric",
        ("bool", "complex floating"),
    ):
        assert set(ours.dtypes(kind=kind)) == set(theirs.dtypes(kind=kind))
    for kind, dtype in ours.default_dtypes(device=ours.default_device()).items():
        assert str(theirs.default_dtypes()[kind]).endswith(dtype.name)
    for device in ours.devices():
        assert jnp.zeros(2, device=device).shape == (2,)
    with pytest.raises(ValueError, match="unknown kind 'text'"):
        ours.dtypes(kind="text")
    with pytest.raises(ValueError, match="none of the devices"):
        ours.dtypes(device="moon")
    with jitney.enable_x64(False):
        assert "float64" not in ours.dtypes() and ours.default_dtypes()["integral"] == np.int32
