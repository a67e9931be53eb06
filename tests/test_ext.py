"""The C++ extension by itself: arrays, operators, dispatch, host calls, threads, memory, tracebacks.

Native programs are ctypes callbacks here, so that the tests need neither the compiler nor a C toolchain.
"""

import copy
import ctypes
import gc
import inspect
import operator
import os
import pickle
import subprocess
import sys
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest

from jitney import _ext
from jitney._ext import ArrayImpl, Boundary, Executable, JitFunction, wrap

F8 = np.dtype(np.float64)
NATIVE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def pointer(array, index):
    return ctypes.cast(array, ctypes.POINTER(ctypes.c_void_p))[index]


def as_numpy(address, dtype, shape):
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=int))
    buffer = (ctypes.c_char * (size * dtype.itemsize)).from_address(address)
    return np.frombuffer(buffer, dtype, size).reshape(shape)


def program(body, ins, outs, consts=(), weak=None, **kwargs):
    """An Executable with native code ``body(*inputs, *outputs)`` on ndarrays; ins, outs: (dtype, shape)."""
    forward = kwargs.get("out_forward") or [-1] * len(outs)

    def native(args, out_ptrs, ctx):
        arrays = [as_numpy(pointer(args, i), *spec) for i, spec in enumerate(ins)]
        arrays += [as_numpy(pointer(args, len(ins) + i), c.dtype, np.shape(c)) for i, c in enumerate(consts)]
        arrays += [as_numpy(pointer(out_ptrs, i), *spec) for i, spec in enumerate(outs) if forward[i] < 0]
        result = body(*arrays)
        return 0 if result is None else result

    callback = NATIVE(native)
    return Executable(
        ctypes.cast(callback, ctypes.c_void_p).value,
        [dtype for dtype, _ in outs],
        [shape for _, shape in outs],
        weak or [False] * len(outs),
        list(consts),
        [dtype for dtype, _ in ins],
        keepalive=callback,
        **kwargs,
    )


def jitted(on_miss, on_trace=None, **kwargs):
    return JitFunction(lambda *a, **k: None, on_miss, on_trace or (lambda a, k: ("traced", a, k)), **kwargs)


@pytest.fixture
def operators():
    """Registers implementations for one test."""
    previous = []

    def register(name, fn):
        previous.append((name, _ext.register_operator(name, fn)))

    yield register
    for name, fn in reversed(previous):
        _ext.register_operator(name, fn)


@pytest.fixture
def prefix():
    """Makes code compiled under /package/ ours for one test."""
    from jitney._base import sources

    _ext.set_internal_prefix("/package/", True)
    yield "/package/inside.py"
    _ext.set_internal_prefix(sources.PACKAGE_DIR, os.environ.get("JITNEY_TRACEBACK", "") != "full")


# ---- arrays ---------------------------------------------------------------------------------------

DTYPES = [
    np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64,
    np.float16, np.float32, np.float64, np.complex64, np.complex128, ml_dtypes.bfloat16,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 2, 1, 2, 1, 2)])
def test_wrap_keeps_contents(dtype, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    a = wrap(x)
    assert isinstance(a, ArrayImpl)
    assert a.dtype == x.dtype and a.shape == shape and a.ndim == len(shape)
    assert a.size == x.size and a.nbytes == x.nbytes and a.itemsize == x.itemsize
    assert a.weak_type is False
    np.testing.assert_array_equal(a._np, x)
    np.testing.assert_array_equal(np.asarray(a), x)
    assert not a._np.flags.writeable and a._np is a._np
    assert a.tolist() == x.tolist()


def test_wrap_adopts_without_copy_and_copies_what_it_must():
    x = np.arange(100.0)
    a = wrap(x)
    assert a.unsafe_buffer_pointer() == x.ctypes.data
    assert x.flags.writeable
    for odd in (x[::2], x.astype(">f8"), np.asfortranarray(np.ones((9, 9)) * np.arange(9))):
        b = wrap(odd)
        np.testing.assert_array_equal(b._np, odd)
        assert b._np.flags.c_contiguous and b._np.dtype.isnative
        assert not np.shares_memory(b._np, odd)


def test_wrap_keeps_memory_alive():
    a = wrap(np.full(1000, 7.0))
    view = a._np
    row = wrap(np.full((10, 1000), 3.0))[4]
    del a
    gc.collect()
    assert (view == 7).all() and (row._np == 3).all()


@pytest.mark.parametrize(
    "value, dtype",
    [
        (True, "bool"), (3, "int64"), (3.5, "float64"), (1 + 2j, "complex128"), (np.float32(2), "float32"),
        (np.int8(-3), "int8"), (np.bool_(False), "bool"), (np.complex64(1j), "complex64"),
        (np.longlong(5), "int64"), (np.float64(0.1), "float64"), (np.float16(0.5), "float16"),
    ],
)  # fmt: skip
def test_wrap_scalars(value, dtype):
    a = wrap(value)
    assert a.dtype == dtype and a.shape == () and a._np == value
    assert wrap(value, True).weak_type and wrap(value, weak_type=True).weak_type


def test_wrap_ml_dtypes_scalars():
    a = wrap(ml_dtypes.bfloat16(1.5))
    assert a.dtype == ml_dtypes.bfloat16 and float(a) == 1.5
    assert repr(wrap(np.zeros(3, ml_dtypes.bfloat16))) == "Array([0, 0, 0], dtype=bfloat16)"
    assert operator.index(wrap(ml_dtypes.int4(3))) == 3


@pytest.mark.parametrize(
    "bad",
    [
        np.array(["a"]), np.array([object()]), np.array([1], "M8[s]"), np.zeros(2, "i4,f8"), np.str_("a"),
        np.longdouble(1), "text", None, [1, 2],
    ],
)  # fmt: skip
def test_wrap_refuses(bad):
    with pytest.raises(TypeError):
        wrap(bad)
    with pytest.raises(TypeError):
        wrap()


def test_wrap_of_an_array_changes_the_weak_type_only():
    for x in (np.arange(3.0), np.arange(100.0)):
        a = wrap(x)
        assert wrap(a) is a
        b = wrap(a, True)
        assert b.weak_type and not a.weak_type
        np.testing.assert_array_equal(b._np, x)


def test_wrap_huge_int():
    with pytest.raises(OverflowError):
        wrap(2**70)


def test_cannot_instantiate_or_assign():
    with pytest.raises(TypeError):
        ArrayImpl()
    a = wrap(np.arange(3))
    with pytest.raises(TypeError, match=r"immutable .*x = x\.at\[idx\]\.set\(y\)"):
        a[0] = 1
    with pytest.raises(TypeError, match="deletion"):
        del a[0]
    with pytest.raises(TypeError, match="unhashable type"):
        hash(a)
    assert ArrayImpl.__module__ == "jitney" and ArrayImpl.__name__ == "ArrayImpl"


def test_the_type_is_open():
    ArrayImpl._for_this_test = lambda self: self.size
    try:
        assert wrap(np.ones((2, 3)))._for_this_test() == 6
    finally:
        del ArrayImpl._for_this_test


def test_aval_hook_is_asked_once():
    calls = []
    previous = _ext.register_hook("aval", lambda *a: calls.append(a) or a)
    try:
        a = wrap(np.ones((2, 3), np.float32), True)
        assert a.aval is a.aval
        assert calls == [((2, 3), np.dtype("float32"), True)]
    finally:
        _ext.register_hook("aval", previous)
    with pytest.raises(ValueError):
        _ext.register_hook("nonsense", None)


def test_weak_references_and_lifetime():
    a = wrap(np.arange(50.0))
    assert a._np.shape == a.shape and a.aval is a.aval
    r = weakref.ref(a)
    del a
    assert r() is None


def test_numpy_protocol():
    x = np.arange(6.0).reshape(2, 3)
    a = wrap(x)
    assert np.shares_memory(np.asarray(a), x)
    assert a.__array__() is a._np
    assert a.__array__(np.float64) is a._np
    assert a.__array__(np.float32).dtype == np.float32
    fresh = a.__array__(copy=True)
    assert fresh.flags.writeable and not np.shares_memory(fresh, x)
    with pytest.raises(ValueError):
        a.__array__(np.float32, copy=False)
    with pytest.raises(TypeError):
        a.__array__(None, None, None)
    with pytest.raises(TypeError):
        a.__array__(nonsense=1)
    np.testing.assert_array_equal(np.sin(a), np.sin(x))


@pytest.mark.parametrize("dtype", DTYPES[:-1])
def test_buffer_protocol(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    m = memoryview(wrap(x))
    assert m.readonly and m.shape == (2, 3, 4) and m.c_contiguous
    np.testing.assert_array_equal(np.asarray(m), x)
    assert bytes(wrap(x)) == x.tobytes()


def test_buffer_protocol_without_a_format():
    with pytest.raises(BufferError):
        memoryview(wrap(np.ones(3, ml_dtypes.bfloat16)))
    assert np.asarray(wrap(np.ones(3, ml_dtypes.bfloat16))).dtype == ml_dtypes.bfloat16


def test_dlpack():
    a = wrap(np.arange(100.0))
    x = np.from_dlpack(a)
    assert x.ctypes.data == a.unsafe_buffer_pointer() and not x.flags.writeable
    assert a.__dlpack_device__() == (1, 0)
    a.__dlpack__()  # the old protocol, too
    del a
    assert (x == np.arange(100.0)).all()


@pytest.mark.parametrize("value", [np.arange(3), np.ones((40, 40), np.float32), np.float64(2)])
@pytest.mark.parametrize("weak", [False, True])
def test_pickle_and_copy(value, weak):
    a = wrap(value, weak)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        b = pickle.loads(pickle.dumps(a, protocol))
        assert b.dtype == a.dtype and b.weak_type == weak
        np.testing.assert_array_equal(b._np, a._np)
    assert copy.copy(a) is a and copy.deepcopy([a])[0] is a


REPRS = [
    np.arange(3), np.arange(6.0).reshape(2, 3), np.float64(3.0), np.zeros((0,)), np.zeros((0, 3)),
    np.zeros((3, 0)), np.arange(5000), np.arange(1000), np.ones((30, 40)), np.zeros(3, bool), np.array(True),
    np.zeros(2, complex), np.arange(24) + 100, np.arange(5) / 7, np.arange(6) / 7, np.array([1e300, 1e-300]),
    np.array([np.nan, np.inf, -np.inf]), np.array(-0.0), np.arange(8, dtype=np.int8), np.ones((2, 2, 2)),
    np.arange(18), np.arange(17), np.zeros((7, 9), np.complex64),
]  # fmt: skip


def test_repr_and_str_are_those_of_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        values = REPRS + [np.arange(n) * 10**k for n in range(4, 24) for k in (0, 3, 6)]
        values += [np.arange(n) / 7 for n in range(1, 12)] + [np.zeros(n, np.uint8) for n in range(14, 30)]
        for x in values:
            assert repr(wrap(x)) == repr(jnp.asarray(x))
            assert str(wrap(x)) == str(jnp.asarray(x))
        for value in (3, 3.0, 1j, True):
            y = jnp.asarray(value)
            assert repr(wrap(value, bool(y.weak_type))) == repr(y)
        weak = jax.lax.broadcast(2.0, (5,))
        assert repr(wrap(np.full(5, 2.0), True)) == repr(weak)
    with np.printoptions(precision=3, linewidth=40):
        assert repr(wrap(np.arange(9) / 7)).startswith("Array([0.   , 0.143")


def test_python_scalars():
    a, v, empty = wrap(2.75), wrap(np.arange(3)), wrap(np.zeros(0))
    assert (int(a), float(a), complex(a), bool(a)) == (2, 2.75, 2.75 + 0j, True)
    assert not wrap(0) and not wrap(False) and wrap(np.array([[1]])) and not wrap(np.float16(0))
    with pytest.raises(ValueError, match="more than one element is ambiguous"):
        bool(v)
    with pytest.raises(ValueError, match="empty array is ambiguous"):
        bool(empty)
    for convert in (int, float, complex):
        with pytest.raises(TypeError, match="Only scalar arrays can be converted to Python scalars"):
            convert(v)
    with pytest.raises(TypeError, match="not a complex array"):
        float(wrap(1j))
    assert [10, 20, 30][wrap(1)] == 20 and operator.index(wrap(np.uint8(7))) == 7
    for bad in (a, v, wrap(True), wrap(np.array([1]))):
        with pytest.raises(TypeError, match="scalar index"):
            operator.index(bad)
    assert v.item(1) == 1 and wrap(np.array([[5]])).item() == 5
    with pytest.raises(ValueError):
        v.item()
    assert f"{a:.1f}" == "2.8" and f"{v}" == "[0 1 2]" and f"{wrap(7):03d}" == "007"
    with pytest.raises(TypeError):
        f"{v:.2f}"


def test_len_and_iteration():
    v = wrap(np.arange(12.0).reshape(3, 4))
    assert len(v) == 3 and [r.tolist() for r in v] == v.tolist()
    assert all(isinstance(r, ArrayImpl) for r in v)
    a, b, c = v
    assert operator.length_hint(iter(v)) == 3
    with pytest.raises(TypeError, match="len\\(\\) of unsized object"):
        len(wrap(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        iter(wrap(1.0))
    assert 3.0 in wrap(np.arange(5.0)) and 7.0 not in wrap(np.arange(5.0))


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (4, 0), (2, 1, 3, 2, 2)])
def test_getitem_fast_path(shape, operators):
    def unexpected(x, key):
        raise AssertionError(f"not on the fast path: {key}")

    operators("getitem", unexpected)
    x = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    a = wrap(x, True)
    keys = [0, -1, shape[0] - 1, (0,), (-1,)]
    if shape[1:] and shape[1]:
        keys += [(1, 0), (-1, -1)]
    if len(shape) <= 4:
        keys += [slice(None), slice(1, None), slice(-2, None), slice(0, 100), slice(3, 1), slice(1, 2, 1)]
    for key in keys:
        got = a[key]
        assert got.weak_type and got.shape == x[key].shape
        np.testing.assert_array_equal(got._np, x[key])


def test_getitem_otherwise_asks_python(operators):
    operators("getitem", lambda x, key: ("python", key))
    a = wrap(np.arange(6.0).reshape(2, 3))
    keys = [2, -3, (0, 5), (0, 0, 0), True, None, ..., (0, slice(None)), slice(None, None, 2), [0], 2**80]
    keys += [slice(wrap(0), None), (), slice(None, None, 0)]
    for key in keys:
        assert a[key][0] == "python"
    assert wrap(1.0)[()] == ("python", ())
    operators("getitem", None)
    with pytest.raises(TypeError, match="cannot be indexed"):
        a["x"]


def test_fast_path_only_without_a_trace(operators):
    a = wrap(np.arange(3.0))
    for name in ("add", "neg", "lt", "getitem", "pow"):
        operators(name, lambda *args: "python")
    previous = _ext.set_trace("a trace")
    try:
        assert _ext.current_trace() == "a trace"
        assert [a + a, -a, a < a, a[0], a**2] == ["python"] * 5
    finally:
        assert _ext.set_trace(previous) == "a trace"
    assert (a + a).tolist() == [0, 2, 4]


def test_trace_is_per_thread():
    seen = []
    previous = _ext.set_trace("main")
    try:
        t = threading.Thread(target=lambda: seen.append(_ext.current_trace()))
        t.start()
        t.join()
    finally:
        _ext.set_trace(previous)
    assert seen == [None]


# ---- operators ------------------------------------------------------------------------------------

BINARY = ["add", "sub", "mul", "truediv", "lt", "le", "eq", "ne", "gt", "ge", "and_", "or_", "xor"]
VALUES = {
    np.float64: [0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e308, 5e-324],
    np.float32: [0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e38, 1e-45],
    np.int64: [0, 1, -1, 7, 2**62, -(2**63), 2**63 - 1],
    np.int32: [0, 1, -1, 7, 2**30, -(2**31), 2**31 - 1],
    np.bool_: [False, True],
}


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_operators_are_those_of_numpy(name, dtype, operators):
    operators(name.rstrip("_"), lambda x, y: NotImplemented)
    f = getattr(operator, name)
    v = np.array(VALUES[dtype], dtype)
    x, y = (np.ascontiguousarray(g) for g in np.meshgrid(v, v))
    pairs = [(x, y), (x, y.ravel()[3]), (x.ravel()[1], y), (x.ravel()[1], y.ravel()[2])]
    for p, q in pairs:
        p, q = np.asarray(p), np.asarray(q)
        try:
            got = f(wrap(p), wrap(q))
        except TypeError:  # left to Python
            assert (dtype is np.bool_ and name not in ("and_", "or_", "xor", "eq", "ne")) or (
                (np.dtype(dtype).kind in "f") == (name in ("and_", "or_", "xor")) or name == "truediv"
            )
            return
        if got is True or got is False:  # == and != fall back to identity
            assert name in ("eq", "ne")
            return
        with np.errstate(all="ignore"):
            want = np.asarray(f(p, q))
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got._np, want)
        if want.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(got._np), np.signbit(want))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32])
def test_python_scalars_are_weak(dtype):
    x = np.arange(4, dtype=dtype)
    a, w = wrap(x), wrap(x, True)
    scalars = [3, -1] + ([2.5] if np.dtype(dtype).kind == "f" else [])
    for s in scalars:
        for f in (operator.add, operator.sub, operator.mul):
            for got, want in ((f(a, s), f(x, s)), (f(s, a), f(s, x)), (f(w, s), f(x, s))):
                assert got.dtype == x.dtype
                np.testing.assert_array_equal(got._np, want)
        assert not (a + s).weak_type and (w + s).weak_type and not (w + a).weak_type and (w + w).weak_type
        assert (w < s).dtype == bool and not (w < s).weak_type
    if dtype is np.float64:
        assert not (w + np.float64(1)).weak_type


def test_unary_operators_are_those_of_numpy(operators):
    for name in ("negative", "absolute", "invert", "positive"):
        operators(name, None)
    for dtype, values in VALUES.items():
        x = np.array(values, dtype)
        for f in (operator.neg, abs, operator.invert):
            try:
                got = f(wrap(x, True))
            except TypeError:
                continue
            with np.errstate(all="ignore"):
                want = f(x)
            assert got.weak_type and got.dtype == want.dtype
            np.testing.assert_array_equal(got._np, want)
            if x.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(got._np), np.signbit(want))
    with pytest.raises(TypeError, match="unary"):
        +wrap(1.0)


def test_square(operators):
    operators("power", lambda x, y: "python")
    x = np.array([-3.0, 0.5])
    np.testing.assert_array_equal((wrap(x) ** 2)._np, x**2)
    assert wrap(x) ** 3 == "python" and 2 ** wrap(x) == "python" and wrap(x) ** 2.0 == "python"
    assert wrap(np.array([True])) ** 2 == "python"


def test_everything_else_goes_to_python(operators):
    for name in BINARY:
        operators(name.rstrip("_"), lambda x, y: ("python", type(x), type(y)))
    a = wrap(np.arange(3.0))
    others = [wrap(np.arange(3)), wrap(np.ones((2, 3))), True, 2**70, 1j, "text", [1, 2, 3], None]
    others += [np.arange(3), np.float32(1), 2**60, wrap(np.ones(3, np.float16))]
    for other in others:
        assert (a + other)[0] == "python", other
    i = wrap(np.arange(3, dtype=np.int32))
    for other in (1.5, 2**40, True):
        assert (i * other)[0] == "python", other
    assert (i / 2)[0] == "python"
    # NumPy on the left steps aside
    assert (np.arange(3) + a)[0] == "python"
    assert (np.float64(2) * wrap(np.arange(3)))[0] == "python"
    limit = _ext.set_eager_limit(2)
    try:
        assert (a + a)[0] == "python"
    finally:
        _ext.set_eager_limit(limit)
    x = a
    x += 1.0
    assert x is not a and a.tolist() == [0, 1, 2]


def test_results_share_the_aval_of_their_operand():
    previous = _ext.register_hook("aval", lambda shape, dtype, weak: (shape, dtype, weak))
    try:
        a, w = wrap(np.arange(3.0)), wrap(2.0, True)
        for x, y in ((a, a), (a, w), (w, a), (w, w), (a, 2), (2, w)):
            for z in (x * y, x < y):
                assert z.aval == (z.shape, z.dtype, z.weak_type)
            assert a.aval and w.aval and (x * y).aval == (z.shape, F8, (x * y).weak_type)
    finally:
        _ext.register_hook("aval", previous)


def test_operators_without_an_implementation(operators):
    for name in ("matmul", "lshift", "divmod", "equal"):
        operators(name, None)
    a = wrap(np.arange(3.0))
    for f in (operator.matmul, operator.lshift, divmod):
        with pytest.raises(TypeError):
            f(a, "x")
    assert (a == "x") is False
    with pytest.raises(ValueError, match="nonsense"):
        _ext.register_operator("nonsense", None)


# ---- executables ----------------------------------------------------------------------------------


def test_execute():
    def body(x, y, c, total, scaled):
        total[...] = x.sum() + y
        scaled[...] = x * c

    exe = program(
        body,
        [(F8, (3,)), (F8, ())],
        [(F8, ()), (F8, (3,))],
        consts=[wrap(np.float64(10))],
        weak=[True, False],
    )
    assert (exe.n_inputs, exe.n_outputs) == (2, 2)
    for x in (
        wrap(np.arange(3.0)),
        np.arange(3.0),
        np.arange(3),
        np.arange(6.0)[::2] / 2,
        np.arange(3).astype(">f4"),
    ):
        for y in (5, 5.0, np.float32(5), wrap(5), np.int8(5), np.array(5)):
            total, scaled = exe.execute([x, y])
            assert float(total) == 8 and total.weak_type and total.shape == ()
            assert scaled.tolist() == [0, 10, 20] and not scaled.weak_type
            assert scaled.unsafe_buffer_pointer() % 64 == 0
    assert scaled.aval == wrap(np.zeros(3)).aval
    for bad in (["x", 1.0], [None, 1.0], [np.array(["a"]), 1.0]):
        with pytest.raises(TypeError):
            exe.execute(bad)
    with pytest.raises(RuntimeError, match="takes 2 inputs, 1"):
        exe.execute([1.0])


def test_executable_checks_its_arguments():
    with pytest.raises(TypeError):
        Executable()
    with pytest.raises(TypeError):
        Executable(0, [F8], [], [False], [], [])
    with pytest.raises(TypeError):
        Executable(0, ["O"], [()], [False], [], [])
    with pytest.raises(TypeError):
        Executable(0, [F8], [(-1,)], [False], [], [F8], out_forward=[0])
    with pytest.raises(TypeError):
        Executable(0, [F8], [()], [False], [], [F8], out_forward=[1])
    with pytest.raises(ValueError):
        Executable(0, [F8], [()], [False], [], [F8])
    with pytest.raises(TypeError):
        Executable(0, [F8], [()], [False], [], [F8], callables=[3], out_forward=[0])


def test_forwarded_outputs():
    const = wrap(np.arange(9.0))
    exe = Executable(0, [F8, F8], [(3,), (9,)], [False, False], [const], [F8], out_forward=[0, 1])
    a = wrap(np.arange(3.0))
    out = exe.execute([a])
    assert out[0] is a and out[1] is const
    x = np.arange(3.0)  # may still be written to
    out = exe.execute([x])[0]
    x[:] = 9
    assert out.tolist() == [0, 1, 2]
    assert exe.execute([wrap(np.arange(3))])[0].dtype == F8
    weak = exe.execute([wrap(np.arange(3.0), True)])[0]
    assert not weak.weak_type and weak.tolist() == [0, 1, 2]


def test_scratch():
    for size in (0, 100, 1 << 20):
        exe = None

        def native(args, outs, ctx, size=size):
            scratch = pointer(ctx, 0)
            assert scratch % 64 == 0
            ctypes.memset(scratch, 1, size)
            return 0

        callback = NATIVE(native)
        exe = Executable(ctypes.cast(callback, ctypes.c_void_p).value, [], [], [], [], [], scratch_bytes=size)
        assert exe.execute([]) == []


def host_program(*callables, counts=(1, 1), **kwargs):
    """A program that passes its inputs and outputs to host callable 0 and returns what that returned."""
    proto = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p
    )
    host_call = proto(_ext.symbols()["jt_host_call"])
    callback = NATIVE(lambda args, outs, ctx: host_call(ctx, 0, args, outs))
    return Executable(
        ctypes.cast(callback, ctypes.c_void_p).value,
        [F8], [(3,)], [False], [], [F8],
        callables=[(f, *counts) for f in callables],
        keepalive=(callback, host_call),
        **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("release_gil", [False, True])
def test_host_call(release_gil):
    def double(ins, outs):
        assert _ext.current_trace() is None
        (x,), (y,) = ins, outs
        as_numpy(y, F8, (3,))[...] = 2 * as_numpy(x, F8, (3,))

    exe = host_program(double, release_gil=release_gil)
    previous = _ext.set_trace("tracing")
    try:
        assert exe.execute([np.arange(3.0)])[0].tolist() == [0, 2, 4]
        assert _ext.current_trace() == "tracing"
    finally:
        _ext.set_trace(previous)

    def fail(ins, outs):
        raise KeyError("from the host")

    exe = host_program(fail, release_gil=release_gil)
    for _ in range(3):
        with pytest.raises(KeyError, match="from the host"):
            exe.execute([np.arange(3.0)])


def test_failure_without_an_exception():
    exe = program(lambda x, y: 7, [(F8, ())], [(F8, ())])
    with pytest.raises(RuntimeError, match="status 7"):
        exe.execute([1.0])


def test_executable_is_collected():
    class Owner:
        pass

    owner = Owner()
    exe = Executable(0, [F8], [()], [False], [], [F8], keepalive=owner, out_forward=[0])
    owner.cycle = exe
    ref = weakref.ref(owner)
    del owner, exe
    gc.collect()
    assert ref() is None


def test_symbols():
    symbols = _ext.symbols()
    unary = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    assert unary(symbols["exp"])(1.0) == pytest.approx(np.e)
    assert unary(symbols["erf"])(0.0) == 0.0
    for name in (
        "exp log sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp2 log2 log10 log1p expm1 "
        "cbrt erf erfc lgamma tgamma round rint atan2 pow fmod hypot remainder nextafter ldexp"
    ).split():
        assert symbols[name] and symbols[name + "f"]
    alloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(symbols["jt_alloc"])
    free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(symbols["jt_free"])
    before = _ext.pool_stats()["live_bytes"]
    blocks = [alloc(n) for n in (0, 1, 63, 64, 65, 1000, 4097, 3 << 20, 10 << 20)]
    assert all(b % 64 == 0 for b in blocks) and len(set(blocks)) == len(blocks)
    assert _ext.pool_stats()["live_bytes"] > before
    for b in blocks:
        free(b)
    free(None)
    assert _ext.pool_stats()["live_bytes"] == before
    assert _ext.pool_stats()["cached_bytes"] > 0
    again = alloc(1000)
    assert again in blocks  # from the cache
    free(again)
    _ext.pool_trim()
    assert _ext.pool_stats()["cached_bytes"] == 0


@pytest.mark.parametrize("size", [1, 64, 191, 192, 193, 1 << 14, (1 << 14) + 1, 12345678])
def test_pool_blocks_hold_what_was_asked_for(size):
    a = program(lambda y: y.fill(255), [], [(np.uint8, (size,))])
    (x,) = a.execute([])
    (y,) = a.execute([])
    assert x._np.nbytes == size and (x._np == 255).all()
    assert not np.shares_memory(x._np, y._np)


# ---- dispatch -------------------------------------------------------------------------------------


class Misses:
    """An on_miss that records its calls and returns the given executable."""

    def __init__(self, executable, template=None):
        self.calls, self.executable, self.template = [], executable, template

    def __call__(self, args, kwargs):
        assert type(args) is tuple and type(kwargs) is dict
        self.calls.append((args, kwargs))
        exe = self.executable
        return (exe(args, kwargs) if callable(exe) else exe), self.template

    def __len__(self):
        return len(self.calls)


def first_leaf(args, kwargs):
    """A program that returns its first leaf, whatever the others are."""
    leaves = []

    def walk(x):
        if isinstance(x, (tuple, list)):
            for item in x:
                walk(item)
        elif isinstance(x, dict):
            for key in sorted(x):
                walk(x[key])
        elif x is not None and not isinstance(x, str):
            leaves.append(wrap(x))

    walk(args)
    walk(kwargs)
    dtypes = [leaf.dtype for leaf in leaves]
    return Executable(0, dtypes[:1], [leaves[0].shape], [False], [], dtypes, out_forward=[0])


def test_jit_compiles_once_per_signature():
    misses = Misses(first_leaf)
    f = jitted(misses)
    x = wrap(np.arange(3.0))
    for _ in range(3):
        assert f(x).tolist() == [0, 1, 2]
    assert len(misses) == 1
    f(np.arange(3.0))  # the same type
    assert len(misses) == 1
    signatures = [wrap(np.arange(4.0)), wrap(np.arange(3)), wrap(np.arange(3.0), True), np.ones((3, 1)), 1.0]
    signatures += [1, True, 1j, np.float32(1), [x], (x,), {"a": x}, {"b": x}, (x, None), ((x,),)]
    for n, value in enumerate(signatures):
        f(value)
        f(value)
        assert len(misses) == n + 2, value
    assert f(np.float64(2)) is not None and len(misses) == n + 3
    assert f._cache_size() == n + 3
    f.clear_cache()
    assert f._cache_size() == 0
    f(x)
    assert len(misses) == n + 4


def test_jit_bool_is_not_weak_and_other_scalars_are():
    misses = Misses(first_leaf)
    f = jitted(misses)
    f(True), f(np.bool_(True)), f(wrap(True))
    assert len(misses) == 1
    f(1.0), f(wrap(1.0, True)), f(wrap(1.0)), f(np.float64(1))
    assert len(misses) == 3


def test_jit_numpy_layouts_share_a_program():
    misses = Misses(first_leaf)
    f = jitted(misses)
    x = np.arange(6.0).reshape(2, 3)
    for y in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f8")):
        assert f(y).tolist() == x.tolist()
    assert len(misses) == 1


def test_jit_structures_and_results():
    def body(*arrays):
        *ins, a, b, c = arrays
        a[...], b[...], c[...] = (sum(float(i) * 10**k for k, i in enumerate(ins)), 2.0, 3.0)

    exe = program(body, [(F8, ())] * 3, [(F8, ())] * 3)
    build = {"made": None}
    for template, want in [
        ((0, 1, 2), (321.0, 2.0, 3.0)),
        ([2, 0], [3.0, 321.0]),
        ({"x": 1, "y": (0, None, [2, 2])}, {"x": 2.0, "y": (321.0, None, [3.0, 3.0])}),
        (None, TypeError),
        ((3,), IndexError),
        ("text", TypeError),
        ((), ()),
        (lambda leaves: build.update(made=leaves) or "built", "built"),
    ]:
        f = jitted(Misses(exe, template))
        args = (1.0, [2.0, {}, None], {"k": (3.0,)})
        if isinstance(want, type):
            for _ in range(2):
                with pytest.raises(want):
                    f(*args)
            continue
        for _ in range(3):
            got = f(*args)
            assert repr(got) == repr(got) and type(got) is type(want) and got == want
    assert jitted(Misses(Executable(0, [], [], [], [], [F8])))(1.0) is None
    assert len(build["made"]) == 3 and all(isinstance(x, ArrayImpl) for x in build["made"])


def test_jit_dict_order_does_not_matter():
    misses = Misses(first_leaf)
    f = jitted(misses)
    for d in ({"b": 2.0, "a": 1.0}, {"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}):
        for _ in range(2):
            assert float(f(d, {3: 1.0, 1: 2.0})) == 1.0
    assert len(misses) == 1
    assert float(f({"b": 2.0, "c": 1.0}, {3: 1.0, 1: 2.0})) == 2.0
    assert len(misses) == 2


def test_jit_keywords():
    misses = Misses(first_leaf)
    f = jitted(misses)
    assert float(f(b=2.0, a=1.0)) == 1.0 and float(f(a=1.0, b=2.0)) == 1.0
    assert float(f(**{"b": 2.0, "a": 1.0})) == 1.0
    assert len(misses) == 1 and misses.calls[0] == ((), {"b": 2.0, "a": 1.0})
    f(1.0, b=2.0), f(1.0, c=2.0), f(1.0, 2.0)
    assert len(misses) == 4


def test_jit_static_arguments():
    misses = Misses(lambda a, k: Executable(0, [F8], [()], [False], [], [F8], out_forward=[0]))
    f = jitted(misses, static_argnums=(1, -1), static_argnames=("mode",))
    f(1.0, "a"), f(2.0, "a"), f(1.0, "b"), f(1.0, "a", mode=1), f(1.0, "a", mode=1.0), f(1.0, "a", mode=True)
    assert len(misses) == 5
    f(1.0, ("a", 1)), f(1.0, tuple(["a", 1]))
    assert len(misses) == 6
    with pytest.raises(
        ValueError, match="Non-hashable static arguments are used in a jit function: positional .*1"
    ):
        f(1.0, [1])
    with pytest.raises(ValueError, match="Non-hashable .*'mode'.*list"):
        f(1.0, "a", mode=[1])

    class Broken:
        def __init__(self, fail):
            self.fail = fail

        def __hash__(self):
            return 1

        def __eq__(self, other):
            if self.fail:
                raise ZeroDivisionError
            return False

    f(1.0, Broken(True))
    with pytest.raises(ZeroDivisionError):
        f(1.0, Broken(False))


def test_jit_clearing_from_inside_a_comparison():
    class Evil:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            f.clear_cache()
            return True

    misses = Misses(lambda a, k: Executable(0, [F8], [()], [False], [], [F8], out_forward=[0]))
    f = jitted(misses, static_argnums=(1,))
    for _ in range(5):
        assert float(f(3.0, Evil())) == 3.0


def test_jit_traces_what_it_does_not_know(monkeypatch):
    previous = _ext.register_hook("flatten", lambda x: ([x], "leaf"))
    try:
        f = jitted(Misses(first_leaf))
        for strange in ("text", object(), np.array(["a"]), np.array([None]), {1: 1.0, "a": 2.0}):
            assert f(strange, k=1)[0] == "traced"
            assert f(1.0, [strange])[0] == "traced"
        old = _ext.set_trace("trace")
        try:
            assert f(1.0, a=2) == ("traced", (1.0,), {"a": 2})
        finally:
            _ext.set_trace(old)
        g = jitted(lambda a, k: NotImplemented)
        assert g(1.0) == ("traced", (1.0,), {}) and g._cache_size() == 0
        with pytest.raises(TypeError, match="on_miss must return"):
            jitted(lambda a, k: 3)(1.0)
        with pytest.raises(TypeError, match="on_miss must return"):
            jitted(lambda a, k: (3, None))(1.0)
    finally:
        _ext.register_hook("flatten", previous)


def test_jit_flatten_hook():
    class Pair:
        def __init__(self, *values):
            self.values = values

    def flatten(x):
        if isinstance(x, Pair):
            return list(x.values), ("Pair", len(x.values))
        return [x], "leaf"

    previous = _ext.register_hook("flatten", flatten)
    try:
        misses = Misses(lambda a, k: Executable(0, [F8], [()], [False], [], [F8] * 2, out_forward=[0]))
        f = jitted(misses)
        assert float(f(Pair(1.0, 2.0))) == 1.0 and float(f(Pair(3.0, 2.0))) == 3.0
        assert len(misses) == 1
        assert f(Pair("a"))[0] == "traced"
        _ext.register_hook("flatten", lambda x: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            f(Pair(1.0))
    finally:
        _ext.register_hook("flatten", previous)


def test_jit_errors_pass_through():
    def on_miss(args, kwargs):
        raise KeyError("compiling")

    f = jitted(on_miss)
    for _ in range(2):
        with pytest.raises(KeyError, match="compiling"):
            f(1.0)
    with pytest.raises(OverflowError, match="argument 1 .*1180591620717411303424"):
        f(1, 2**70)
    endless = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        f(endless)
    with pytest.raises(TypeError):
        JitFunction(None, on_miss, on_miss)


def test_jit_32_bit_mode():
    misses = Misses(lambda a, k: Executable(0, ["f4"], [()], [False], [], ["f4"], out_forward=[0]))
    f = jitted(misses)
    previous = _ext.set_x64(False)
    try:
        assert f(1.5).dtype == np.float32
        assert float(f(np.float64(2.5))) == 2.5 and float(f(np.float32(2.5))) == 2.5
        assert len(misses) == 2  # weak and not
        with pytest.raises(OverflowError):
            f(2**40)
    finally:
        _ext.set_x64(previous)
    f(1.5)
    assert len(misses) == 3


def test_jit_config_key():
    misses = Misses(first_leaf)
    f = jitted(misses)
    f(1.0)
    previous = _ext.config_key(99)
    try:
        f(1.0)
        assert len(misses) == 2
    finally:
        assert _ext.config_key(previous) == 99
    f(1.0)
    assert len(misses) == 2


def test_jit_is_a_good_function():
    def fun(x, *, y=1):
        "Adds."

    f = JitFunction(fun, Misses(first_leaf), lambda a, k: None)
    assert f.__wrapped__ is fun and f.__name__ == "fun" and f.__doc__ == "Adds."
    assert f.__module__ == __name__ and f.__qualname__.endswith("<locals>.fun")
    assert str(inspect.signature(f)) == "(x, *, y=1)" and callable(f)
    assert repr(f).startswith("<JitFunction of <function test_jit_is_a_good_function.<locals>.fun at ")
    f.note = 3
    assert f.note == 3 and weakref.ref(f)() is f

    class C:
        method = JitFunction(
            lambda self, x: x,
            Misses(lambda a, k: Executable(0, [F8], [()], [False], [], [F8], out_forward=[0])),
            lambda a, k: (a, k),
            static_argnums=(0,),
        )

    c = C()
    assert c.method.__self__ is c
    assert float(c.method(2.0)) == float(C.method(c, 2.0)) == 2.0
    assert C.method._cache_size() == 1
    assert float(C().method(2.0)) == 2.0
    assert C.method._cache_size() == 2


def module_level(x):
    return x


module_level = JitFunction(module_level, lambda a, k: NotImplemented, lambda a, k: a[0])


def test_jit_pickles_by_name():
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    f = jitted(lambda a, k: NotImplemented)
    with pytest.raises(pickle.PicklingError, match="no module has it"):
        pickle.dumps(f)


def test_jit_is_collected():
    class Big:
        pass

    big = Big()
    misses = Misses(Executable(0, [F8], [()], [False], [], [F8], keepalive=big, out_forward=[0]))
    f = jitted(misses)
    f(1.0)
    big.back = f
    refs = weakref.ref(big), weakref.ref(f)
    del big, misses, f
    gc.collect()
    assert refs[0]() is None and refs[1]() is None


def test_jit_does_not_leak():
    exe = program(lambda x, y: y.__setitem__(..., x), [(F8, (3,))], [(F8, (3,))])
    key, x, name = "static", wrap(np.arange(3.0)), "a" * 5
    f = jitted(Misses(exe, (0, {"a": 0})), static_argnums=(1,))
    arg = {name: [x]}
    f(arg, key)
    watched = [x, key, name, exe, arg, exe.execute, F8, f]
    before = [sys.getrefcount(w) for w in watched]
    live = _ext.pool_stats()["live_bytes"]
    for _ in range(500):
        f(arg, key)
        f({name: [x]}, key)
        with pytest.raises(ValueError):
            f(arg, [])
    assert [sys.getrefcount(w) for w in watched] == before
    assert _ext.pool_stats()["live_bytes"] == live


def test_jit_from_many_threads():
    def body(x, y):
        y[...] = x * 2

    misses = Misses(lambda a, k: program(body, [(F8, a[0].shape)], [(F8, a[0].shape)]))
    f = jitted(misses)
    failures = []

    def work(seed):
        try:
            for i in range(200):
                x = np.full(1 + (seed + i) % 5, float(i))
                got = f(wrap(x))
                assert got.tolist() == (2 * x).tolist()
                if i % 50 == 49:
                    f.clear_cache()
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ---- threads --------------------------------------------------------------------------------------

CHUNK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def parallel_for():
    proto = ctypes.CFUNCTYPE(None, CHUNK, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return proto(_ext.symbols()["jt_parallel_for"])


@pytest.fixture
def threads():
    before = _ext.get_num_threads()
    yield _ext.set_num_threads
    _ext.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_parallel_for_covers_every_index_once(count, threads):
    threads(count)
    assert _ext.get_num_threads() == count
    run = parallel_for()
    for n, grain in [(0, 1), (1, 1), (7, 1), (100, 3), (1000, 7), (1000, 10**6), (64, 0)]:
        hits = np.zeros(n, int)

        def chunk(ctx, begin, end, hits=hits):
            assert 0 <= begin < end <= len(hits)
            hits[begin:end] += 1

        run(CHUNK(chunk), None, n, grain)
        assert (hits == 1).all()


def test_parallel_for_nested_and_concurrent(threads):
    threads(3)
    run = parallel_for()
    total = []

    def inner(ctx, begin, end):
        total.append(end - begin)

    inner = CHUNK(inner)
    outer = CHUNK(lambda ctx, begin, end: [run(inner, None, 10, 1) for _ in range(begin, end)] and None)
    callers = [threading.Thread(target=run, args=(outer, None, 12, 1)) for _ in range(4)]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    assert sum(total) == 4 * 12 * 10


FORK = """
import ctypes, os, sys
import numpy as np
from jitney import _ext

CHUNK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
proto = ctypes.CFUNCTYPE(None, CHUNK, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
run = proto(_ext.symbols()["jt_parallel_for"])
_ext.set_num_threads(3)

def check():
    hits = np.zeros(100, int)

    def chunk(ctx, begin, end):
        hits[begin:end] += 1

    run(CHUNK(chunk), None, 100, 1)
    x = _ext.wrap(np.ones((100, 100)))
    return bool((hits == 1).all()) and float((x + x)[0, 0]) == 2

assert check()
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if check() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert check()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_anew():
    # in a process of its own, as forking this one would be up to whatever other tests have loaded
    out = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr


@pytest.mark.parametrize("name", ["JITNEY_NUM_THREADS", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"])
def test_thread_count_from_the_environment(name):
    env = {k: v for k, v in os.environ.items() if not k.endswith(("_NUM_THREADS", "_CPUS_PER_TASK"))}
    code = "from jitney import _ext; print(_ext.get_num_threads())"
    out = subprocess.run([sys.executable, "-c", code], env=env | {name: "1"}, capture_output=True, text=True)
    assert out.stdout.strip() == "1", out.stderr


# ---- boundaries -----------------------------------------------------------------------------------


def inside(source, prefix, **names):
    """Compiles ``source`` as if it were part of the package; returns its function f."""
    exec(compile(source, prefix, "exec"), names)
    return names["f"]


def frames(exc):
    tb, names = exc.__traceback__, []
    while tb:
        names.append(tb.tb_frame.f_code.co_filename)
        tb = tb.tb_next
    return names


def test_boundary_hides_our_frames(prefix):
    def user():
        raise ValueError("user")

    deep = inside("def f(g):\n    def h():\n        return g()\n    return h()", prefix)
    bad = inside(
        "def f():\n    try:\n        1 / 0\n    except Exception as e:\n        raise KeyError(1) from e",
        prefix,
    )
    with pytest.raises(ValueError) as caught:
        deep(user)
    assert prefix in frames(caught.value)
    with pytest.raises(ValueError) as caught:
        Boundary(deep)(user)
    assert prefix not in frames(caught.value) and frames(caught.value).count(__file__) == 2
    with pytest.raises(KeyError) as caught:
        Boundary(bad)()
    assert frames(caught.value) == [__file__] and frames(caught.value.__cause__) == []
    # nested: only the user's own frames, in order
    with pytest.raises(ValueError) as caught:
        Boundary(deep)(lambda: Boundary(deep)(user))
    assert frames(caught.value) == [__file__] * 3
    # operators and jit are boundaries, too
    old = _ext.register_operator("matmul", lambda x, y: bad())
    try:
        with pytest.raises(KeyError) as caught:
            wrap(1.0) @ 2
        assert prefix not in frames(caught.value)
    finally:
        _ext.register_operator("matmul", old)
    with pytest.raises(KeyError) as caught:
        jitted(lambda a, k: bad())(1.0)
    assert prefix not in frames(caught.value)
    # filtering by hand
    try:
        deep(user)
    except ValueError as e:
        assert _ext.filter_traceback(e) is e and prefix not in frames(e)
    _ext.set_internal_prefix("/package/", False)
    with pytest.raises(ValueError) as caught:
        Boundary(deep)(user)
    assert prefix in frames(caught.value)


def test_boundary_is_a_good_function():
    def fun(x, y=2):
        "Says."
        return x, y

    b = Boundary(fun)
    assert b(1) == (1, 2) and b(1, y=3) == (1, 3)
    assert b.__wrapped__ is fun and b.__name__ == "fun" and b.__doc__ == "Says."
    assert str(inspect.signature(b)) == "(x, y=2)" and weakref.ref(b)() is b

    class C:
        method = Boundary(lambda self, x: (self, x))

    c = C()
    assert c.method(1) == (c, 1) and C.method(c, 2) == (c, 2)
    with pytest.raises(TypeError):
        Boundary(3)
    b.cycle = b
    ref = weakref.ref(b)
    del b
    gc.collect()
    assert ref() is None


def test_user_frame(prefix):
    def here():
        return _ext.user_frame()

    code, lasti = here()
    assert code is here.__code__ and 0 < lasti < len(code.co_code)
    f = inside("def f(user_frame):\n    def g():\n        return user_frame()\n    return g()", prefix)

    def caller():
        return f(_ext.user_frame)

    code, lasti = caller()
    assert code is caller.__code__
    lines = [line for start, end, line in code.co_lines() if start <= lasti < end]
    assert lines == [caller.__code__.co_firstlineno + 1]
    gen = (f(_ext.user_frame) for _ in range(1))
    assert next(gen)[0].co_name == "<genexpr>"


def test_an_exception_may_pass_several_boundaries_that_leave_no_frame() -> None:
    """Filtering twice what holds no traceback any more was once a crash."""
    import jitney
    import jitney.numpy as jnp

    def wrong() -> object:
        return jnp.sum(jnp.ones(3), axis=1.5)

    for _ in range(3):
        with pytest.raises(TypeError, match="1.5"):
            jitney.jit(jitney.vmap(lambda _x: wrong()))(jnp.ones(2))
        with pytest.raises(TypeError, match="1.5"):
            jitney.jit(wrong)()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "shapes",
    [((10, 10), (10, 10)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((1, 0), (0, 2)), ((0, 3), (3, 2))],
)
def test_small_products_are_those_of_numpy(dtype: type, shapes: tuple) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=s).astype(dtype) for s in shapes)
    out = wrap(x) @ wrap(y)
    assert out.dtype == dtype and out.shape == np.matmul(x, y).shape
    np.testing.assert_allclose(
        np.asarray(out),
        np.matmul(x, y),
        rtol=1e-5 if dtype is np.float32 else 1e-13,
        atol=1e-6 if dtype is np.float32 else 1e-14,
    )
