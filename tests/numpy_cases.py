"""Expressions of ``jnp`` evaluated with JAX and with jitney: the table behind the tests of jitney.numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

INPUTS: dict[str, Any] = {
    "x": np.array([0.5, -1.25, 2.0]),
    "y": np.array([2.0, 0.75, -3.0]),
    "p": np.array([0.25, 0.5, 0.75]),
    "v": np.array([1.0, -2.0, 0.5, 4.0]),
    "X": np.arange(12.0).reshape(3, 4) - 5.5,
    "Y": np.cos(np.arange(12.0)).reshape(3, 4),
    "S": np.arange(9.0).reshape(3, 3) + np.eye(3),
    "T": np.sin(np.arange(24.0)).reshape(2, 3, 4),
    "i": np.array([1, -2, 3]),
    "j": np.array([2, 1, 3]),
    "I": np.arange(6).reshape(2, 3),
    "u": np.array([1, 200, 7], np.uint8),
    "k": np.array([3, -7, 100], np.int32),
    "b": np.array([True, False, True]),
    "B": np.array([[True, False, True, True], [False] * 4, [True] * 4]),
    "f": np.array([0.5, -1.25, 2.0], np.float32),
    "h": np.array([0.5, -1.25, 2.0], np.float16),
    "c": np.array([1 + 2j, -0.5j, 3.0]),
    "n": np.array([1.0, np.nan, -np.inf, np.inf, -0.0, 2.5]),
    "N": np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [-1.0, 5.0, 0.0]]),
    "e": np.zeros((0,)),
    "E": np.zeros((3, 0)),
    "s": np.array(1.5),
    "z": np.array(2),
}

UNARY_INEXACT = (
    "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log1p log2 log10 "
    "sqrt cbrt deg2rad rad2deg radians degrees reciprocal sinc i0 fabs asin acos atan asinh acosh atanh"
).split()
UNARY_NUMERIC = (
    "negative positive sign square abs absolute floor ceil trunc rint round conj conjugate real imag".split()
)
UNARY_TESTS = "isnan isinf isfinite isposinf isneginf isreal iscomplex signbit logical_not".split()
BINARY = (
    "add subtract multiply divide true_divide maximum minimum fmax fmin fmod floor_divide remainder mod power pow "
    "float_power arctan2 atan2 hypot logaddexp logaddexp2 copysign heaviside nextafter equal not_equal less less_equal "
    "greater greater_equal logical_and logical_or logical_xor isclose"
).split()
BITWISE = "bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm".split()
REDUCTIONS = "sum prod max min any all mean var std ptp median nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian".split()

_OPERATORS = "+ - * / // % ** == != < <= > >=".split()
_PAIRS = [
    "x, y",
    "x, 2",
    "x, 2.5",
    "3, x",
    "x, i",
    "i, j",
    "i, 2",
    "j, 1.5",
    "f, x",
    "f, 2.0",
    "f, i",
    "k, i",
    "u, 3",
    "u, u",
    "X, v",
    "s, x",
]


def _table() -> list[str]:
    cases = []
    for name in UNARY_INEXACT:
        cases += [f"jnp.{name}({a})" for a in ("p", "f", "n", "1")]
        if name not in ("cbrt", "i0", "deg2rad", "rad2deg", "radians", "degrees", "fabs"):
            cases.append(f"jnp.{name}(c)")
    cases += [
        f"jnp.{name}({a})"
        for name in ("sin", "sqrt", "log2", "reciprocal")
        for a in ("j", "h", "s", "e", "b", "u", "k", "0.5")
    ]
    for name in UNARY_NUMERIC:
        cases += [f"jnp.{name}({a})" for a in ("x", "i", "f", "u", "n", "2.5", "3")]
    cases += [
        f"jnp.{name}({a})"
        for name in ("negative", "sign", "square", "abs", "conj", "real", "imag", "rint", "round")
        for a in ("c",)
    ]
    cases += [f"jnp.{name}({a})" for name in UNARY_TESTS for a in ("x", "i", "f", "n", "b", "u")]
    for name in BINARY:
        pairs = ["x, y", "f, 2.0", "i, j", "X, v", "n, 1.5"]
        cases += [f"jnp.{name}({pair})" for pair in pairs]
    cases += [f"jnp.{name}({pair})" for name in BITWISE for pair in ("j, j", "j, 2", "u, u", "k, k")]
    for op in _OPERATORS:
        for pair in _PAIRS:
            a, b = pair.split(", ")
            cases.append(f"{a} {op} {b}")
    cases += [f"{a} {op} {a}" for op in "& | ^".split() for a in ("i", "b", "u")]
    cases += [
        "i << 1",
        "k >> 1",
        "u >> 2",
        "~i",
        "~b",
        "-x",
        "+x",
        "abs(c)",
        "divmod(x, y)",
        "divmod(i, 2)",
        "b + b",
        "b * b",
        "b / b",
    ]
    cases += [
        "b // b",
        "b % b",
        "b ** b",
        "c + x",
        "c * 2",
        "c / c",
        "c ** 2",
        "2 ** i",
        "2.0 ** x",
        "i ** 2",
        "i ** 2.0",
        "x ** -1",
    ]
    cases += [
        "round(x, 1)",
        "1 - b",
        "b == True",
        "x == None",
        "c == c",
        "1j * x",
        "k + 2147483648" if False else "k + 1",
    ]
    for name in REDUCTIONS:
        cases += [
            f"jnp.{name}({a})" for a in ("X", "i", "f", "b", "k", "2.0") if not (name == "ptp" and a == "b")
        ]
        cases += [
            f"jnp.{name}(X, axis=0)",
            f"jnp.{name}(X, axis=-1, keepdims=True)",
            f"jnp.{name}(T, (0, 2))",
            f"jnp.{name}(N, 1)",
        ]
    return cases + _LISTED


_LISTED = """
jnp.sum(h)
jnp.sum(u)
jnp.sum(c)
jnp.sum(e)
jnp.sum(X, axis=1, dtype=jnp.float32)
jnp.sum(X, where=B)
jnp.sum(X, initial=3.0)
jnp.sum(k, promote_integers=False)
jnp.prod(X, axis=0, where=B)
jnp.max(X, initial=0.0, where=B)
jnp.min(X, axis=0, initial=0.0, where=B)
jnp.max(c)
jnp.mean(X, where=B)
jnp.mean(h)
jnp.mean(X, axis=(0, 1), keepdims=True)
jnp.mean(c)
jnp.var(X, ddof=1)
jnp.var(X, axis=0, ddof=1, keepdims=True)
jnp.var(c)
jnp.var(X, where=B, axis=0)
jnp.var(X, correction=1)
jnp.std(h)
jnp.var(X, mean=jnp.mean(X, 0, keepdims=True), axis=0)
jnp.any(X > 0, axis=0)
jnp.all(X, where=B)
jnp.any(e)
jnp.all(e)
jnp.count_nonzero(X > 0)
jnp.count_nonzero(i, keepdims=True)
jnp.argmax(X)
jnp.argmin(X, axis=1)
jnp.argmax(n)
jnp.argmax(X, axis=0, keepdims=True)
jnp.argmax(b)
jnp.nanargmax(N, 0)
jnp.nanargmin(N, 1)
jnp.average(x, weights=y)
jnp.average(X, axis=1, weights=v)
jnp.average(X, returned=True)
jnp.average(X, axis=0, weights=p, returned=True)
jnp.allclose(x, x)
jnp.allclose(x, y)
jnp.isclose(n, n, equal_nan=True)
jnp.array_equal(x, x)
jnp.array_equal(x, v)
jnp.array_equiv(x, X.T[0])
jnp.quantile(v, 0.3)
jnp.quantile(X, p, axis=1)
jnp.quantile(X, 0.4, axis=(0, 1), keepdims=True)
jnp.quantile(v, 0.3, method="lower")
jnp.quantile(v, 0.3, method="higher")
jnp.quantile(v, 0.3, method="nearest")
jnp.quantile(v, 0.3, method="midpoint")
jnp.percentile(v, 30)
jnp.percentile(X, jnp.array([10.0, 90.0]), axis=0)
jnp.nanquantile(N, 0.5, axis=0)
jnp.nanpercentile(N, 20.0)
jnp.median(n)
jnp.median(X, axis=(0, 1), keepdims=True)
jnp.where(b, x, y)
jnp.where(b, x, 0)
jnp.where(X > 0, X, v)
jnp.where(True, i, 1.5)
jnp.where(x, 1, 2)
jnp.where(b, f, x)
jnp.where(b, 1, 2.0)
jnp.clip(x, 0, 1)
jnp.clip(i, 0.5, 1)
jnp.clip(x, min=y)
jnp.clip(x, max=0.0)
x.clip(-1, 1)
jnp.select([x > 1, x > 0], [x, y], 7.0)
jnp.select([b, b], [i, 2 * i])
jnp.nan_to_num(n)
jnp.nan_to_num(n, nan=1.0, posinf=2.0, neginf=3.0)
jnp.nan_to_num(i)
jnp.round(x, 1)
jnp.round(1234.5678 * x, -2)
jnp.round(i)
jnp.around(f, 2)
jnp.frexp(n)
jnp.frexp(x)
jnp.frexp(f)
jnp.ldexp(x, i)
jnp.modf(x)
jnp.spacing(x)
jnp.angle(c)
jnp.logaddexp(c, 2 * c)
jnp.angle(c, deg=True)
jnp.bitwise_count(i)
jnp.bitwise_not(i)
jnp.invert(b)
jnp.power(i, 3)
jnp.power(x, i)
jnp.power(0.0 * x, 0)
jnp.array([1, 2, 3])
jnp.array([1, 2.5])
jnp.array([[1, 2], [3, 4]], dtype=jnp.float32)
jnp.array(3.0)
jnp.array(3)
jnp.array(True)
jnp.array([True, 2])
jnp.array(2j)
jnp.array([])
jnp.array([[], []])
jnp.array(x)
jnp.array([x, y])
jnp.array([x[0], 1, 2.5])
jnp.array(((1, 2), (3, 4)))
jnp.array(range(4))
jnp.array(np.float32(2.5))
jnp.array([np.float32(2.5), 1])
jnp.array(x, ndmin=3)
jnp.array(5, dtype=int)
jnp.array([1.7, -1.7], dtype=int)
jnp.asarray(2.5)
jnp.asarray([1, 2], dtype=float)
jnp.asarray(np.arange(3, dtype=np.int8))
jnp.astype(x, jnp.int32)
x.astype(jnp.float32)
i.astype(float)
x.astype(bool)
x.astype("complex128")
jnp.float32(2)
jnp.int64(3)
jnp.float64([1, 2])
jnp.bool_(1)
jnp.bfloat16(1.5)
jnp.uint8(7)
jnp.zeros(3)
jnp.zeros((2, 3), int)
jnp.ones(2, jnp.float32)
jnp.empty((2,))
jnp.full(3, 2)
jnp.full((2, 2), 1.5, jnp.float32)
jnp.full((2, 3), x)
jnp.full(3, True)
jnp.zeros_like(x)
jnp.zeros_like(3.0)
jnp.zeros_like(i, float)
jnp.ones_like(f)
jnp.ones_like(X, shape=(2,))
jnp.full_like(x, 3)
jnp.full_like(i, 2.7)
jnp.full_like(x, i)
jnp.empty_like(X)
jnp.arange(5)
jnp.arange(5.0)
jnp.arange(1, 5)
jnp.arange(1, 6, 2)
jnp.arange(5, 0, -1)
jnp.arange(0.0, 1.0, 0.25)
jnp.arange(0, 3, dtype=jnp.float32)
jnp.arange(4, dtype=jnp.int8)
jnp.arange(0)
jnp.arange(-3)
jnp.linspace(0, 1, 5)
jnp.linspace(0.0, 2.0, 4, endpoint=False)
jnp.linspace(x, y, 3)
jnp.linspace(x, 1.0, 3, axis=1)
jnp.linspace(0, 10, 5, dtype=int)
jnp.linspace(0, 1, 3, retstep=True)
jnp.linspace(0, 1, 1)
jnp.linspace(0, 1, 0)
jnp.linspace(f, 1, 3)
jnp.logspace(0, 2, 4)
jnp.geomspace(1, 100, 5)
jnp.eye(3)
jnp.eye(2, 4, k=1)
jnp.eye(3, k=-1, dtype=int)
jnp.identity(2)
jnp.tri(3)
jnp.tri(2, 4, k=1, dtype=int)
jnp.indices((2, 3))
jnp.indices((2, 3), sparse=True)
jnp.fromfunction(lambda a, b: a + b, (2, 3))
jnp.shape(X)
jnp.ndim(X)
jnp.size(X, 1)
jnp.reshape(X, (4, 3))
jnp.reshape(X, -1)
jnp.reshape(X, (2, -1), order="F")
X.reshape(2, 6)
X.reshape((6, 2))
jnp.ravel(X)
jnp.ravel(X, order="F")
X.flatten()
jnp.transpose(T)
jnp.transpose(T, (1, 0, 2))
T.transpose(2, 0, 1)
X.T
T.mT
jnp.matrix_transpose(T)
jnp.permute_dims(T, (2, 1, 0))
jnp.swapaxes(T, 0, -1)
jnp.moveaxis(T, 0, -1)
jnp.moveaxis(T, (0, 1), (-1, -2))
jnp.rollaxis(T, 2)
jnp.squeeze(X[None, :, None])
jnp.squeeze(X[None], 0)
jnp.expand_dims(x, 0)
jnp.expand_dims(x, (0, 2))
jnp.atleast_1d(s)
jnp.atleast_2d(x, s)
jnp.atleast_3d(X)
jnp.broadcast_to(x, (2, 3))
jnp.broadcast_to(s, (2,))
jnp.broadcast_arrays(x, X.T, s)
jnp.broadcast_shapes((2, 1), (3,))
jnp.meshgrid(x, v)
jnp.meshgrid(x, v, indexing="ij")
jnp.meshgrid(x, v, sparse=True)
jnp.concatenate([x, v])
jnp.concatenate([x, i])
jnp.concatenate([X, Y], axis=1)
jnp.concatenate([X, Y], axis=None)
jnp.concatenate([x, f], dtype=jnp.float32)
jnp.concat([x, y])
jnp.stack([x, y])
jnp.stack([x, i], axis=1)
jnp.stack([1.0, 2.0])
jnp.unstack(X, axis=1)
jnp.hstack([x, v])
jnp.hstack([X, Y])
jnp.vstack([x, y])
jnp.dstack([x, y])
jnp.column_stack([x, y])
jnp.block([[X, Y], [Y, X]])
jnp.block([x, v])
jnp.append(x, 3.0)
jnp.append(X, Y, axis=0)
jnp.split(v, 2)
jnp.split(X, [1, 2])
jnp.split(X, 2, axis=1)
jnp.array_split(v, 3)
jnp.hsplit(X, 2)
jnp.vsplit(X, 3)
jnp.dsplit(T, 2)
jnp.tile(x, 2)
jnp.tile(X, (2, 1, 2))
jnp.tile(x, (2, 2))
jnp.repeat(x, 2)
jnp.repeat(X, 2, axis=1)
jnp.repeat(x, jnp.array([1, 0, 2]))
jnp.repeat(x, jnp.array([1, 0, 2]), total_repeat_length=5)
jnp.flip(X)
jnp.flip(X, 0)
jnp.fliplr(X)
jnp.flipud(X)
jnp.rot90(X)
jnp.rot90(X, 2)
jnp.rot90(X, k=3)
jnp.roll(x, 1)
jnp.roll(X, 2)
jnp.roll(X, (1, -1), (0, 1))
jnp.roll(X, -1, axis=1)
jnp.pad(x, 2)
jnp.pad(X, ((1, 0), (0, 2)))
jnp.pad(X, 1, constant_values=7)
jnp.pad(X, 1, constant_values=((1, 2), (3, 4)))
jnp.pad(x, 2, mode="edge")
jnp.pad(x, 4, mode="reflect")
jnp.pad(x, (1, 2), mode="symmetric")
jnp.pad(X, ((1, 2), (0, 5)), mode="wrap")
jnp.pad(x, 2, mode="linear_ramp", end_values=5.0)
jnp.pad(x, 2, mode="mean")
jnp.pad(X, 1, mode="maximum")
jnp.pad(X, 1, mode="minimum", stat_length=2)
jnp.pad(x, 2, mode="reflect", reflect_type="odd")
jnp.take(x, i - 1, mode="clip")
jnp.take(X, jnp.array([0, 2]), axis=1)
jnp.take(x, jnp.array([5, -1]))
jnp.take(x, jnp.array([4, -5]), mode="wrap")
jnp.take(x, 7, fill_value=3.5)
jnp.take(X, jnp.array([[0, 1], [2, 0]]), axis=0)
jnp.take_along_axis(X, jnp.array([[0], [3], [1]]), 1)
jnp.take_along_axis(X, jnp.array([[0, 1, 2, 2]]), 0)
jnp.take_along_axis(X, jnp.array([3, 7]), None)
jnp.put_along_axis(X, jnp.array([[0], [3], [1]]), 9.0, 1, inplace=False)
jnp.put(x, jnp.array([0, 2]), 5.0, inplace=False)
jnp.place(X, B, x, inplace=False)
jnp.choose(jnp.array([0, 1, 0]), [x, y])
jnp.choose(jnp.array([0, 5, 2]), [x, y, p], mode="clip")
jnp.diag(x)
jnp.diag(x, 1)
jnp.diag(X)
jnp.diag(X, -1)
jnp.diagflat(X[:2, :2])
jnp.diagonal(T)
jnp.diagonal(T, 1, 1, 2)
jnp.trace(X)
jnp.trace(T, 1)
jnp.trace(k[None])
jnp.tril(X)
jnp.triu(X, 1)
jnp.tril(T, -1)
jnp.tril_indices(3)
jnp.triu_indices(3, 1)
jnp.tril_indices_from(S)
jnp.diag_indices(3)
jnp.diag_indices_from(S)
jnp.fill_diagonal(S, 7.0, inplace=False)
jnp.vander(x)
jnp.vander(x, 2, increasing=True)
jnp.delete(v, 1)
jnp.delete(X, jnp.array([0, 2]), axis=1)
jnp.delete(v, slice(1, 3))
jnp.insert(v, 1, 9.0)
jnp.insert(X, 1, v, axis=0)
jnp.insert(v, jnp.array([0, 2]), jnp.array([7.0, 8.0]))
jnp.resize(x, (2, 4))
jnp.arange(10, step=3)
jnp.arange(10, step=-1)
jnp.arange(7.0, step=2)
jnp.arange(step=3, start=1, stop=9)
jnp.trim_zeros(jnp.array([0, 1, 2, 0]))
jnp.trim_zeros(jnp.array([[0, 1, 0], [0, 0, 0]]))
jnp.trim_zeros(jnp.array([[0, 1, 0], [0, 0, 0]]), axis=1)
jnp.trim_zeros(jnp.array([[0, 1, 0], [0, 2, 0]]), "FB", axis=(-1,))
jnp.trim_zeros(jnp.zeros((2, 3)), "fb", axis=0)
jnp.take_along_axis(v, i, 0, wrap_negative_indices=False)
jnp.take_along_axis(v, i, 0, "clip", wrap_negative_indices=False)
jnp.take_along_axis(v, i, 0, "promise_in_bounds")
jnp.take_along_axis(v, i, None, wrap_negative_indices=True)
jnp.ix_(jnp.array([0, 2]), jnp.array([1, 3]))
jnp.unravel_index(jnp.array([5, 7]), (3, 4))
jnp.ravel_multi_index((jnp.array([1, 2]), jnp.array([0, 3])), (3, 4))
jnp.apply_along_axis(lambda a: a.sum(), 1, X)
jnp.apply_over_axes(jnp.sum, T, [0, 2])
jnp.piecewise(x, [x < 0, x > 1], [lambda a: -a, 2.0, 7.0])
jnp.extract(b, x)
jnp.compress(b, X, axis=0)
jnp.compress(b, X, axis=0, size=3, fill_value=-1)
jnp.cov(X)
jnp.cov(X, rowvar=False, bias=True)
jnp.cov(x, y)
jnp.cov(X, aweights=jnp.arange(4.0) + 1)
jnp.cov(X, fweights=jnp.arange(4) + 1)
jnp.corrcoef(X)
jnp.polyval(x, y)
jnp.polyval(x, X)
jnp.polyadd(x, v)
jnp.polysub(x, v)
jnp.polymul(x, v)
jnp.polyder(v)
jnp.polyder(v, 2)
jnp.polyint(v)
jnp.polyint(v, 2, k=jnp.array([1.0, 2.0]))
jnp.polydiv(v, jnp.array([1.0, 2.0]))
jnp.poly(x)
jnp.bartlett(5)
jnp.blackman(5)
jnp.hamming(5)
jnp.hanning(5)
jnp.kaiser(5, 3.0)
jnp.mgrid[0:2, 0:3]
jnp.ogrid[0:2, 0:3]
jnp.mgrid[0:1:3j]
jnp.r_[1:4, 0, 4]
jnp.r_[x, 1.0, y]
jnp.c_[x, y]
jnp.vectorize(lambda a, b: a * b)(X, v)
jnp.vectorize(jnp.sum, signature="(n)->()")(X)
jnp.vectorize(lambda a, b: a + b.sum(), signature="(n),(m)->(n)")(X, v)
jnp.iscomplexobj(c)
jnp.isrealobj(x)
jnp.isscalar(2.5)
jnp.result_type(x, f)
jnp.result_type(f, 1.0)
jnp.result_type(i, 1.0)
jnp.result_type(jnp.int8, jnp.uint8)
jnp.promote_types(jnp.int32, jnp.float16)
jnp.promote_types("int64", "uint64")
jnp.issubdtype(x.dtype, jnp.floating)
jnp.issubdtype(jnp.bfloat16, jnp.floating)
jnp.issubdtype(i.dtype, jnp.inexact)
jnp.isdtype(x.dtype, "real floating")
jnp.can_cast(jnp.int32, jnp.int64)
float(jnp.finfo(jnp.float32).eps)
float(jnp.finfo(x.dtype).max)
jnp.iinfo(jnp.int8).max
x.sum()
X.mean(axis=0)
X.std(0, ddof=1)
X.max(1)
X.argmax()
x.round(1)
X.ravel()
x.conj()
c.real
c.imag
X.swapaxes(0, 1)
x.repeat(2)
x.take(jnp.array([0, 1]))
S.trace()
S.diagonal()
X.prod(0)
X.ptp()
X.any()
x.view(jnp.int64)
f.view(jnp.int32)
x.view(jnp.int32)
x.nbytes
x.itemsize
X.shape
len(X)
[float(a) for a in x]
x[1]
X[1:, ::-1]
X[..., None].shape
x.item(1)
x.tolist()
jnp.add.reduce(X)
jnp.add.outer(x, v)
jnp.multiply.reduce(x)
jnp.maximum.outer(x, y)
""".strip().splitlines()

CASES = list(dict.fromkeys(_table()))
