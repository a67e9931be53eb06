"""The surface of jitney.numpy: names, signatures, docstrings, and errors for wrong arguments."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import jax.numpy
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

# Objects whose signature is not that of a plain function in one library or the other.
_NOT_FUNCTIONS = {
    "finfo",
    "iinfo",
    "dtype",
    "get_printoptions",
    "set_printoptions",
    "printoptions",
    "vectorize",
}
# Defaults that name an object of the library itself.
_OTHER_DEFAULTS = {"einsum", "nonzero"}


def _functions() -> list[str]:
    names = []
    for name in dir(jnp):
        theirs = getattr(jax.numpy, name, None)
        if (
            name.startswith("_")
            or name in _NOT_FUNCTIONS
            or theirs is None
            or isinstance(getattr(jnp, name), type)
        ):
            continue
        if callable(getattr(jnp, name)) and not isinstance(theirs, jax.numpy.ufunc):
            names.append(name)
    return names


def _parameters(function: Callable[..., Any]) -> list[tuple]:
    """Name, kind and default of each parameter; positional-only names are nobody's business."""
    out = []
    for p in inspect.signature(function).parameters.values():
        named = p.kind is not inspect.Parameter.POSITIONAL_ONLY
        default = (
            p.default if isinstance(p.default, (int, float, str, bool, tuple, type(None), type)) else "..."
        )
        out.append((p.name if named else "", p.kind, default))
    return out


@pytest.mark.parametrize("name", _functions())
def test_signature(name: str) -> None:
    mine, theirs = _parameters(getattr(jnp, name)), _parameters(getattr(jax.numpy, name))
    if name in _OTHER_DEFAULTS:
        mine, theirs = ([(n, k) for n, k, _ in ps] for ps in (mine, theirs))
    if name == "array":
        theirs = [p for p in theirs if p[0] != "args"]
        mine, theirs = ([(n, d) for n, _, d in ps] for ps in (mine, theirs))
    assert mine == theirs


def test_every_function_is_documented() -> None:
    for name in dir(jnp):
        value = getattr(jnp, name)
        if not name.startswith("_") and callable(value) and not isinstance(value, type(np)):
            assert value.__doc__, name


def test_functions_pickle_by_name() -> None:
    for function in (jnp.sin, jnp.sum, jnp.where, jnp.linspace, jnp.absolute, jnp.conjugate):
        assert pickle.loads(pickle.dumps(function)) is function


def test_no_name_of_other_modules_is_public() -> None:
    ours = {n for n in dir(jnp) if not n.startswith("_")}
    rooms = {n for n in ours if inspect.ismodule(getattr(jnp, n))}
    assert not (ours - rooms) - set(dir(jax.numpy))


def x3() -> Any:
    return jnp.arange(3.0)


def m34() -> Any:
    return jnp.ones((3, 4))


ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    (
        "list",
        lambda: jnp.sin([1, 2]),
        TypeError,
        "sin requires ndarray or scalar arguments, got <class 'list'>",
    ),
    ("list 2", lambda: jnp.add(x3(), [1, 2, 3]), TypeError, "add requires .* at position 1"),
    ("operator list", lambda: x3() + [1, 2, 3], TypeError, "unsupported operand"),
    ("operator none", lambda: x3() * None, TypeError, "unsupported operand"),
    ("string", lambda: jnp.mean("a"), TypeError, "mean requires ndarray or scalar arguments"),
    ("array string", lambda: jnp.array("a"), TypeError, "not a valid array"),
    ("array strings", lambda: jnp.array(["a", "b"]), TypeError, "not a valid array"),
    ("array mixed", lambda: jnp.array([1, "b"]), TypeError, "not a valid array"),
    ("array object", lambda: jnp.array([object()]), TypeError, "not a valid array"),
    ("array dict", lambda: jnp.array({1: 2}), TypeError, "not a valid array"),
    ("array none", lambda: jnp.array(None), ValueError, "None is not a valid value"),
    ("array nones", lambda: jnp.array([1, None]), TypeError, "None"),
    ("array date", lambda: jnp.array(np.datetime64("2020")), TypeError, "datetime64"),
    ("numpy object", lambda: jnp.sin(np.array([object()])), TypeError, "object"),
    ("ragged", lambda: jnp.array([[1, 2], [3]]), ValueError, "ragged"),
    ("ragged arrays", lambda: jnp.array([x3(), jnp.ones(2)]), ValueError, "ragged"),
    ("huge int", lambda: jnp.array([2**80]), OverflowError, "does not fit"),
    ("shapes", lambda: jnp.ones(3) + jnp.ones(4), TypeError, "incompatible shapes for broadcasting"),
    ("reshape", lambda: jnp.reshape(x3(), (2, 2)), TypeError, "cannot reshape array of shape"),
    ("reshape two", lambda: jnp.reshape(x3(), (-1, -1)), ValueError, "only specify one unknown"),
    ("index", lambda: x3()[10], IndexError, "index 10 is out of bounds for axis 0 with size 3"),
    ("index too many", lambda: x3()[0, 0], IndexError, "Too many indices"),
    ("index float", lambda: x3()[1.5], TypeError, "integer or boolean"),
    ("index string", lambda: x3()["a"], TypeError, "string"),
    ("index list", lambda: x3()[[0, 1]], TypeError, "non-tuple sequence"),
    ("setitem", lambda: x3().__setitem__(0, 1), TypeError, r"immutable.*\.at"),
    (
        "concatenate ranks",
        lambda: jnp.concatenate([x3(), m34()]),
        TypeError,
        "different numbers of dimensions",
    ),
    ("concatenate none", lambda: jnp.concatenate([]), ValueError, "at least one array"),
    ("concatenate 0d", lambda: jnp.concatenate([1.0, 2.0]), ValueError, "Zero-dimensional"),
    ("stack", lambda: jnp.stack([x3(), jnp.ones(4)]), ValueError, "same shape"),
    ("empty max", lambda: jnp.max(jnp.zeros(0)), ValueError, "zero-size array to reduction"),
    ("empty argmax", lambda: jnp.argmax(jnp.zeros(0)), ValueError, "empty sequence"),
    ("axis", lambda: jnp.sum(x3(), axis=2), ValueError, "axis 2 is out of bounds for array of dimension 1"),
    ("axis twice", lambda: jnp.sum(m34(), axis=(0, 0)), ValueError, "duplicate"),
    ("axis float", lambda: jnp.sum(m34(), axis=0.5), TypeError, "integer"),
    ("max where", lambda: jnp.max(x3(), where=x3() > 0), ValueError, "identity"),
    ("out", lambda: jnp.sum(x3(), out=x3()), NotImplementedError, "out"),
    ("negative size", lambda: jnp.zeros(-1), TypeError, "non-negative"),
    ("float size", lambda: jnp.zeros(1.5), TypeError, "integers"),
    ("broadcast", lambda: jnp.broadcast_to(x3(), (2,)), ValueError, "Incompatible shapes"),
    ("transpose", lambda: jnp.transpose(m34(), (0, 0)), TypeError, "not a permutation"),
    ("squeeze", lambda: jnp.squeeze(m34(), 0), ValueError, "not equal to one"),
    ("split", lambda: jnp.split(x3(), 2), ValueError, "equal division"),
    ("where one", lambda: jnp.where(x3() > 0, x3()), ValueError, "Either both or neither"),
    ("bits of floats", lambda: x3() & x3(), TypeError, "and does not accept dtype float64"),
    ("invert float", lambda: ~x3(), TypeError, "invert does not accept dtype float64"),
    ("bool minus", lambda: jnp.subtract(True, True), TypeError, "subtract does not accept dtype bool"),
    ("bool neg", lambda: -jnp.array(True), TypeError, "negative does not accept dtype bool"),
    ("negative power", lambda: jnp.arange(3) ** -1, TypeError, "negative powers"),
    ("overflow", lambda: jnp.ones(2, jnp.int8) + 300, OverflowError, "300"),
    ("clip complex", lambda: jnp.clip(1j, 0, 1), ValueError, "complex"),
    ("clip none", lambda: jnp.clip(), ValueError, "array"),
    ("arange string", lambda: jnp.arange("a"), TypeError, "numbers"),
    ("linspace", lambda: jnp.linspace(0, 1, -1), ValueError, "non-negative"),
    ("pad", lambda: jnp.pad(x3(), -1), ValueError, "negative"),
    ("pad mode", lambda: jnp.pad(x3(), 1, mode="x"), NotImplementedError, "mode"),
    ("pad keyword", lambda: jnp.pad(x3(), 1, mode="edge", end_values=1), ValueError, "keyword"),
    ("quantile method", lambda: jnp.quantile(x3(), 0.5, method="x"), ValueError, "linear"),
    ("in place", lambda: jnp.put(x3(), 0, 1.0), ValueError, "inplace=False"),
    ("vectorize", lambda: jnp.vectorize(jnp.sum, signature="(n)->(")(x3()), ValueError, "signature"),
    (
        "vectorize core",
        lambda: jnp.vectorize(jnp.dot, signature="(n),(n)->()")(x3(), m34()),
        ValueError,
        "core dimension",
    ),
    ("hash", lambda: hash(x3()), TypeError, "unhashable"),
    ("truth", lambda: bool(x3()), ValueError, "ambiguous"),
    ("astype", lambda: x3().astype("U3"), TypeError, "not a valid array type"),
    ("array constructor", lambda: jitney.Array(), TypeError, "jitney.numpy.array"),
]


@pytest.mark.parametrize(("call", "error", "text"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_error(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with jitney.config.temporarily("jitney_python_control_flow", False), pytest.raises(error, match=text):
        call()


TRACED_ERRORS: list[tuple[str, Callable[[Any], Any], type[Exception], str]] = [
    ("index", lambda x: x[10], IndexError, "index 10 is out of bounds for axis 0 with size 3"),
    ("slice bound", lambda x: x[: x[0].astype(int)], IndexError, "static"),
    ("mask", lambda x: x[x > 0], jitney.errors.NonConcreteBooleanIndexError, "where"),
    ("arange", lambda x: jnp.arange(x[0]), jitney.errors.ConcretizationTypeError, "concrete"),
    ("shape", lambda x: jnp.zeros(x[0].astype(int)), TypeError, "concrete"),
    ("setitem", lambda x: x.__setitem__(0, 1.0), TypeError, r"\.at"),
    ("numpy", lambda x: np.sin(x), jitney.errors.TracerArrayConversionError, "NumPy"),
    ("float", lambda x: float(x[0]), jitney.errors.ConcretizationTypeError, "float"),
    ("if", lambda x: 1 if x[0] > 0 else 2, jitney.errors.TracerBoolConversionError, "where"),
    ("range", lambda x: range(x[0].astype(int)), jitney.errors.TracerIntegerConversionError, "integer"),
    (
        "repeat",
        lambda x: jnp.repeat(x, x.astype(int)),
        jitney.errors.ConcretizationTypeError,
        "total_repeat_length",
    ),
    ("shapes", lambda x: x + jnp.ones(4), TypeError, "incompatible shapes"),
]


@pytest.mark.parametrize(
    ("function", "error", "text"), [e[1:] for e in TRACED_ERRORS], ids=[e[0] for e in TRACED_ERRORS]
)
def test_error_in_program(function: Callable[..., Any], error: type[Exception], text: str) -> None:
    with jitney.config.temporarily("jitney_python_control_flow", False), pytest.raises(error, match=text):
        jitney.jit(function)(x3())


def test_no_floating_point_warnings() -> None:
    x = jnp.array([0.0, -1.0, jnp.inf])
    for function in (
        jnp.log,
        jnp.sqrt,
        jnp.reciprocal,
        jnp.arcsin,
        lambda v: v / 0.0,
        lambda v: v // 0.0,
        lambda v: v % 0.0,
    ):
        function(x)
    jnp.mean(jnp.zeros(0))
    jnp.var(jnp.ones(1), ddof=1)


def test_rank_promotion_can_be_refused() -> None:
    with jitney.config.temporarily("jax_numpy_rank_promotion", "raise"):
        with pytest.raises(ValueError, match="rank_promotion"):
            x3() + jnp.ones((2, 3))
        x3() + 1.0


def test_strict_dtype_promotion() -> None:
    with jitney.config.temporarily("jax_numpy_dtype_promotion", "strict"):
        with pytest.raises(Exception, match="strict"):
            jnp.add(x3(), jnp.ones(3, jnp.float32))
        jnp.add(x3(), 1)


NUMBERS = [
    300,
    -1,
    2.7,
    1 + 2j,
    True,
    float("nan"),
    2**63,
    2**70,
    [300],
    [1, 2.5],
    [1 + 2j],
    [2**63],
    [float("inf")],
]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize(
    "dtype", [None, "uint8", "int32", "float32", "bool", "complex64", "uint64", int, float]
)
def test_python_numbers_fit_or_raise(dtype: Any, wide: bool) -> None:
    """As NumPy reads them: an integer that does not fit its type is an error, never another number."""
    if dtype == "uint64" and not wide:
        return
    for number in [*NUMBERS, 2439491574, [range(3)]]:
        outs = []
        for lib, np_ in ((jax, jax.numpy), (jitney, jnp)):
            with lib.enable_x64(wide):
                try:
                    out = np_.array(number, dtype)
                    outs.append((str(out.dtype), out.weak_type, np.asarray(out).tolist()))
                except (OverflowError, TypeError, ValueError) as error:
                    outs.append(type(error).__name__)
        assert str(outs[0]) == str(outs[1]), number


@pytest.mark.parametrize(
    "use",
    [
        lambda np_, lax, n: np_.where(np_.array([True]), n, 0),
        lambda np_, lax, n: np_.full((2,), n),
        lambda np_, lax, n: lax.cond(True, lambda x: x, lambda x: x, n),
        lambda np_, lax, n: lax.fori_loop(0, 2, lambda i, c: c, n),
        lambda np_, lax, n: np_.ones(2, np_.int32) + n,
        lambda np_, lax, n: np_.arange(n, n + 2),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_python_integers_never_wrap(use: Any, compiled: bool) -> None:
    with jitney.enable_x64(False):
        run = (lambda f: jitney.jit(f)()) if compiled else (lambda f: f())
        with pytest.raises(OverflowError, match="Python integer 2439491574 .*does not fit|out of bounds"):
            run(lambda: use(jnp, jitney.lax, 2439491574))


_MASKS: list[Any] = [
    True,
    False,
    np.array(True),
    np.array(False),
    (True, 0),
    (0, False),
    (True, np.array([0, 1, 1])),
    (None, True),
    (None, False),
    (slice(None), True),
    (..., True),
    (True, True),
    (True, False),
    (slice(None), True, 0),
    (slice(None), np.array([0, 1]), True),
]


@pytest.mark.parametrize("index", _MASKS, ids=repr)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)], ids=repr)
def test_scalar_masks_as_numpy(shape: tuple[int, ...], index: Any) -> None:
    """An axis of size 1 or 0, where an index array would stand. JAX puts it elsewhere, or asserts."""
    x = np.arange(float(np.prod(shape))).reshape(shape)
    try:
        wanted = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            jnp.asarray(x)[index]
        return
    assert_same_array(jnp.asarray(x)[index], wanted)
    assert_same_array(jitney.jit(lambda x: x[index])(x), wanted)
    updated = x.copy()
    updated[index] += 7.0
    if not (isinstance(index, tuple) and any(np.ndim(i) for i in index if isinstance(i, np.ndarray))):
        assert_same_array(jnp.asarray(x).at[index].add(7.0), updated)
        assert_same_array(jitney.jit(lambda x: x.at[index].add(7.0))(x), updated)


@pytest.mark.parametrize(
    ("shape", "mask"),
    [((0, 1), (0, 0)), ((2, 3), (0, 0)), ((2, 3), (2, 0)), ((2, 3), (0, 3)), ((2, 3), (0,))],
)
def test_masks_of_no_elements_as_numpy(shape: tuple[int, ...], mask: tuple[int, ...]) -> None:
    x, nothing = np.ones(shape), np.zeros(mask, bool)
    assert_same_array(jnp.asarray(x)[nothing], x[nothing])
    assert_same_array(jitney.jit(lambda x: x[nothing])(x), x[nothing])
    assert_same_array(jnp.asarray(x).at[nothing].set(5.0), x)


def assert_same_array(got: Any, wanted: Any) -> None:
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


def test_axes_out_of_bounds_are_numpys_error() -> None:
    for call in (
        lambda: jnp.sum(jnp.ones(3), 2),
        lambda: jnp.flip(jnp.ones(3), 4),
        lambda: jnp.expand_dims(1.0, 3),
    ):
        with pytest.raises(np.exceptions.AxisError, match="is out of bounds for array of dimension"):
            call()
