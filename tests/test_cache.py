"""The cache of compiled programs: keys, hits, damage, many processes at once, limits, configuration."""

from __future__ import annotations

import os
import pathlib
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import jitney
from compiler_cases import staged
from control_programs import Program, control_programs
from jitney import _ext, lax
from jitney import numpy as jnp
from jitney._compiler import cached, environment, fingerprint, loading
from jitney._compiler.options import options, without
from jitney._compiler.pipeline import ENTRY, build
from jitney._compiler.store import SUFFIX, Store
from jitney._core.jaxpr import Literal
from jitney._ops.keys import FRY
from jitney.extend.core import Primitive
from jitney.interpreters import ad, mlir


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """An empty cache; checks of the compiler, which go past it, are off."""
    monkeypatch.setattr(environment, "_fixed", lambda: b"this jitney")
    monkeypatch.setattr(cached, "statistics", cached.Statistics())
    monkeypatch.setattr(options, "check", False)
    monkeypatch.setattr(cached, "_OFF", False)
    cached.forget()
    with jitney.config.temporarily("jax_compilation_cache_dir", str(tmp_path / "cache")):
        yield tmp_path / "cache"
    cached.forget()


def counts() -> tuple[int, int, int, int]:
    """Hits, those in this process, misses, programs that cannot be kept."""
    s = cached.statistics
    return s.hits, s.shared, s.misses, s.uncacheable


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*")) if folder.exists() else []


def key(fun: Callable[..., Any], *args: Any) -> bytes:
    return fingerprint.digest(fingerprint.encode(staged(fun, *args))[0])


def run(fun: Callable[..., Any], *args: Any) -> list[np.ndarray]:
    """The results of a fresh function that is equal to ``fun``, from the disk if it is there."""
    cached.forget()
    executable = cached.compile_cached(staged(lambda *xs: fun(*xs), *args))
    return [np.asarray(x) for x in executable.execute(list(map(np.asarray, args)))]


# -- hits ----------------------------------------------------------------------------------------------


def test_equal_programs_are_compiled_once(folder: pathlib.Path) -> None:
    x = np.linspace(0, 1, 50)
    want = np.exp(x) * 2.5
    make = lambda: jitney.jit(lambda x: jnp.exp(x) * 2.5)
    first, second = make(), make()
    np.testing.assert_allclose(first(x), want, rtol=1e-14)
    np.testing.assert_array_equal(second(x), first(x))
    assert counts() == (1, 1, 1, 0)
    assert len(files(folder)) == 1
    assert os.name == "nt" or folder.stat().st_mode & 0o077 == 0
    cached.forget()
    np.testing.assert_array_equal(make()(x), first(x))
    assert counts() == (2, 1, 1, 0)


def test_derivatives_and_batches_hit(folder: pathlib.Path) -> None:
    x = np.linspace(0.1, 1, 7)
    fun = jitney.vmap(jitney.grad(lambda x: jnp.sin(x) ** 3 / x))
    first = run(fun, x)
    np.testing.assert_array_equal(run(fun, x), first)
    assert counts() == (1, 0, 1, 0)


def test_forwarded_and_constant_results(folder: pathlib.Path) -> None:
    x, table = np.arange(6.0), np.arange(3)
    fun = lambda x: (x, jnp.asarray(table), x[::-1], 3)
    for first, again in zip(run(fun, x), run(fun, x), strict=True):
        np.testing.assert_array_equal(again, first)
        assert again.dtype == first.dtype
    assert counts() == (1, 0, 1, 0)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(program=control_programs(level=2))
def test_random_programs_from_disk(folder: pathlib.Path, program: Program) -> None:
    first, again = (run(program.of(jitney), *program.arguments) for _ in range(2))
    for x, y in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, y)
    assert counts()[0] >= counts()[2] > 0


def test_steps_of_numpy_meaning_and_libraries(folder: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    pivots, a, z = np.array([2, 2, 3, 3], np.int32), rng.normal(size=(200, 200)), rng.normal(size=9) + 1j
    cases: list[tuple[Callable[..., Any], Any]] = [
        (lambda p: lax.linalg.lu_pivots_to_permutation(p, 4), pivots),
        (lambda a: a @ a.T, a),
        (lambda a: jnp.linalg.solve(a, a[:, 0]), a[:40, :40]),
        (lambda z: jnp.real(z * z) + jnp.imag(jnp.exp(z)), z),
        (lambda a: jnp.sort(a, axis=-1), a),
        (lambda a: jnp.median(a), a),
    ]
    for fun, x in cases:
        for first, again in zip(run(fun, x), run(fun, x), strict=True):
            np.testing.assert_array_equal(again, first)
    assert counts() == (len(cases), 0, len(cases), 0)


def test_programs_with_random_keys_are_kept(folder: pathlib.Path) -> None:
    def draw(words: Any) -> Any:
        return jitney.random.uniform(jitney.random.fold_in(jitney.random.wrap_key_data(words), 3), (4,))

    words = np.array([0, 5], np.uint32)
    want = run(draw, words)
    assert counts() == (0, 0, 1, 0)
    np.testing.assert_array_equal(run(draw, words), want)
    assert counts() == (1, 0, 1, 0)
    assert pickle.loads(pickle.dumps(FRY)) is FRY


def test_custom_rules_do_not_matter(folder: pathlib.Path) -> None:
    @jitney.custom_jvp
    def f(x: Any) -> Any:
        return jnp.sin(x) * 2

    f.defjvp(lambda primals, tangents: (f(primals[0]), tangents[0] * 7))
    for _ in range(2):
        np.testing.assert_array_equal(run(f, 0.5), run(jitney.checkpoint(lambda x: f(x)), 0.5))
    assert counts()[3] == 0
    assert float(run(jitney.grad(f), 0.5)[0]) == float(run(jitney.grad(f), 0.5)[0]) == 7.0


# -- constants -----------------------------------------------------------------------------------------


def test_large_constants_are_not_part_of_the_code(folder: pathlib.Path) -> None:
    x = np.arange(1000.0)
    for k in range(3):
        table = np.full(1000, float(k))
        cached.forget()
        np.testing.assert_array_equal(jitney.jit(lambda x, table=table: x + table * 2)(x), x + 2 * k)
    assert counts() == (2, 0, 1, 0)


@pytest.mark.parametrize("count", [3, 1000])
def test_constants_that_passes_change(folder: pathlib.Path, count: int) -> None:
    for _ in range(2):
        for k in range(3):
            z = np.full(count, k + 1j)
            np.testing.assert_array_equal(run(lambda x, z=z: x * z, z)[0], z * z)
    assert counts()[::2] == (3, 3)


def test_constants_in_two_places(folder: pathlib.Path) -> None:
    """Which constants are one object is part of a program: the code reads as many arrays as there are."""
    a, b = np.arange(500.0), np.ones(500)
    fun = lambda p, q: lambda x: lax.fori_loop(0, 2, lambda i, c: c * q, x + p)
    x = np.full(500, 2.0)
    for p, q in ((a, a), (a, b), (b, a), (b, b)):
        for _ in range(2):
            np.testing.assert_array_equal(run(fun(p, q), x)[0], (x + p) * q * q)


def test_code_does_not_depend_on_the_values_of_large_constants() -> None:
    """What keys count on: passes look at no constant of more than ``VALUE_BYTES`` bytes."""
    n = fingerprint.VALUE_BYTES // 4 + 8
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    tables = [np.zeros(n, np.int32), np.ones(n, np.int32), np.arange(n, dtype=np.int32)[::-1].copy()]
    programs: list[Callable[[Any], Any]] = [
        lambda t: lambda x: x[t],
        lambda t: lambda x: x.sum() + jnp.asarray(x).at[t].add(1.0),
        lambda t: lambda x: jnp.where(t > 0, x, 1 / x),
        lambda t: lambda x: x * t.astype(float) + jnp.sum(jnp.asarray(t)),
        lambda t: lambda x: x.reshape(4, -1) @ t.reshape(-1, 4).astype(float),
        lambda t: lambda x: lax.fori_loop(0, 3, lambda i, c: c.at[t[i]].set(c[t[i + 1]] * t[i]), x),
        lambda t: lambda x: lax.scan(lambda c, k: (c + x[k], c * k), 0.0, t),
        lambda t: lambda x: jnp.sort(jnp.asarray(t)) + x,
        lambda t: lambda x: lax.dynamic_slice(x, (t[1],), (3,)),
    ]
    for make in programs:
        images = {build(staged(make(jnp.asarray(t)), jnp.asarray(x))).image for t in tables}
        assert len(images) == 1


# -- keys ----------------------------------------------------------------------------------------------


def test_keys_tell_programs_apart() -> None:
    x, n = np.arange(6.0), np.arange(6)
    scan = lambda length: lambda x: lax.scan(lambda c, _: (c * 2, c), x, None, length)
    cases: list[tuple[Callable[..., Any], Any]] = [
        *[(lambda x, c=c: x * c, x) for c in (2.0, 3.0, -0.0, 0.0, np.nan, -np.nan)],
        *[(lambda n, c=c: n + c, n) for c in (1, 2)],
        (lambda x: x * 2.0, x.astype(np.float32)),
        (lambda x: x * 2.0, x[:5]),
        (lambda x: x * 2.0, x.reshape(2, 3)),
        (lambda x: x * 2.0, x.reshape(6, 1)),
        (lambda x: x * 2.0, 2.0),
        (lambda x: x * 2.0, np.float64(2.0)),
        (lambda x: 2.0 * x, x),
        (lambda x: x + x, x),
        (lambda x: (x * 2.0, x), x),
        (lambda x: (x, x * 2.0), x),
        (lambda x: x.sum(), x),
        *[(lambda x, a=a: jnp.sum(x, a), x.reshape(2, 3)) for a in (0, 1, (0, 1))],
        *[(lambda x, a=a: jnp.cumsum(x, a), x.reshape(2, 3)) for a in (0, 1)],
        (lambda x: x**2, x),
        (lambda x: x**3, x),
        *[(lambda x, s=s: lax.slice(x, (s,), (s + 2,)), x) for s in (0, 1)],
        *[(scan(k), x) for k in (2, 3)],
        (lambda x: lax.scan(lambda c, _: (c * 3, c), x, None, 2), x),
        (lambda x: lax.scan(lambda c, _: (c * 2, c), x, None, 2, reverse=True), x),
        *[(lambda x, t=t: x + t, x) for t in (np.arange(6), np.arange(6)[::-1].copy(), np.arange(6.0))],
        *[(lambda x, d=d: x.astype(d), n) for d in (np.int32, np.float32, bool, np.uint8)],
        *[
            (lambda n, o=o: o(n, n), n)
            for o in (lax.add, lax.sub, lax.mul, lax.max, lax.min, lax.bitwise_and)
        ],
        (lambda x: lax.cond(x[0] > 1, lambda x: x, lambda x: x * 2, x), x),
        (lambda x: lax.cond(x[0] > 1, lambda x: x * 2, lambda x: x, x), x),
    ]
    keys: dict[bytes, int] = {}
    for number, (fun, arg) in enumerate(cases):
        own = key(fun, arg)
        assert own == key(lambda *xs, fun=fun: fun(*xs), arg), f"case {number} has two keys"
        assert own not in keys, f"cases {keys.get(own)} and {number} have one key"
        keys[own] = number


def test_keys_do_not_confuse_params_of_other_types() -> None:
    values = [
        *(
            1,
            1.0,
            True,
            "1",
            b"1",
            None,
            -1,
            (1,),
            [1],
            (1, 2),
            ((1,), 2),
            (1, (2,)),
            "(1,)",
            1j,
            ...,
            frozenset((1,)),
        ),
        *(
            np.int64(1),
            np.int32(1),
            np.float64(1.0),
            np.array(1),
            np.array([1]),
            np.array([1.0]),
            np.array([[1]]),
        ),
        *(
            np.dtype("i4"),
            np.dtype("i8"),
            int,
            float,
            slice(1),
            slice(1, 2),
            {"a": 1},
            {"a": 2},
            {"b": 1},
            (),
            [],
            {},
        ),
        *(0.0, -0.0, np.nan, np.inf, "a,b", ("a", "b"), ("a,b",), jitney.lax.GatherScatterMode.CLIP),
        jitney.lax.GatherScatterMode.FILL_OR_DROP,
    ]
    tables = fingerprint._Tables(fingerprint.Encoder())
    encoded = [tables.value(v) for v in values]
    assert len(set(encoded)) == len(values)
    assert encoded == [tables.value(v) for v in values]
    for bad in (lambda: 0, object(), np.array([object()]), np.dtype([("a", int)]), sys):
        with pytest.raises(fingerprint.NoEncoding):
            tables.value(bad)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(program=control_programs(level=2))
def test_keys_of_random_programs(program: Program) -> None:
    first, again = (staged(program.of(jitney), *program.arguments) for _ in range(2))
    own = fingerprint.encode(first)[0]
    assert own == fingerprint.encode(again)[0]
    known = _seen.setdefault(own, str(first))
    assert known == str(first), "two programs have one key"
    _change_something(again.jaxpr)
    assert own != fingerprint.encode(again)[0]


_seen: dict[bytes, str] = {}


def _change_something(jaxpr: Any) -> None:
    """Another literal, or one more result."""
    for eqn in reversed(jaxpr.eqns):
        for n, atom in enumerate(eqn.invars):
            if type(atom) is Literal and atom.aval.dtype.kind == "f":
                eqn.invars = [
                    *eqn.invars[:n],
                    Literal(float(atom.val) + 0.25, atom.aval),
                    *eqn.invars[n + 1 :],
                ]
                return
    jaxpr.outvars.append(jaxpr.invars[0])


def test_what_has_no_faithful_encoding_is_compiled_anew(folder: pathlib.Path) -> None:
    x = np.arange(4.0)

    def make(factor: float) -> Callable[..., Any]:
        shape = jitney.ShapeDtypeStruct((4,), np.float64)
        return lambda x: jitney.pure_callback(lambda x: np.asarray(x) * factor, shape, x)

    for factor in (2.0, 3.0):
        np.testing.assert_array_equal(run(make(factor), x)[0], x * factor)
    for factor in (2.0, 3.0):  # another library's operations
        mine = Primitive("cube")
        mlir.register_lowering(mine, mlir.lower_fun(lambda x, f=factor: x * f, multiple_results=False))
        np.testing.assert_array_equal(run(mine.bind, x)[0], x * factor)
        named = Primitive("mul")
        named.def_impl(lambda x, y, f=factor: np.asarray(x) * y + f)
        named.def_abstract_eval(lambda x, y: x)
        np.testing.assert_array_equal(run(lambda x, p=named: p.bind(x, x), x)[0], x * x + factor)
    assert counts() == (0, 0, 0, 6)
    assert files(folder) == []


def test_an_operation_whose_rules_were_replaced_is_not_native(folder: pathlib.Path) -> None:
    from jitney._core.primitive import registry

    sin = registry["sin"]
    assert fingerprint.is_native(sin)
    before, rule = sin.native, sin.jvp
    try:
        ad.primitive_jvps[sin] = rule
        run(jnp.sin, np.arange(3.0))
        assert counts() == (0, 0, 0, 1)
    finally:
        sin.native, sin.jvp = before, rule


def test_another_environment_is_another_key(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(3.0)
    run(jnp.sin, x)
    monkeypatch.setattr(environment, "_fixed", lambda: b"another jitney")
    run(jnp.sin, x)
    with jitney.config.temporarily("jax_numpy_rank_promotion", "raise"):
        run(jnp.sin, x)
    assert counts() == (0, 0, 3, 0)
    monkeypatch.setattr(environment, "_fixed", lambda: None)  # its source changed while it runs
    run(jnp.sin, x)
    assert counts() == (0, 0, 3, 0)


def test_the_environment_sees_changed_source(tmp_path: pathlib.Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "inner" / "b.py").write_text("y = 1")
    first = environment._sources(str(tmp_path))
    (tmp_path / "inner" / "b.py").write_text("y = 2, 3")
    assert [name for name, _, _ in first] == ["/a.py", "/inner/b.py"]
    assert environment._sources(str(tmp_path)) != first
    assert environment._library("scipy", "", "version.py") == environment._library("scipy", "", "version.py")
    assert len(environment._library("llvmlite", "binding", "libllvmlite")) == 2


# -- files ---------------------------------------------------------------------------------------------


def test_damaged_entries_are_replaced(folder: pathlib.Path) -> None:
    x = np.linspace(0, 1, 9)
    fun = lambda x: jnp.tanh(x) + 1
    want = run(fun, x)[0]
    (path,) = files(folder)
    good = path.read_bytes()
    head = 8 + 2 * fingerprint.DIGEST_BYTES
    flips = [0, 7, 8, 27, 28, head - 1, head, head + 8, head + 40, len(good) // 2, len(good) - 1]
    damaged = [good[:n] + bytes([good[n] ^ 1]) + good[n + 1 :] for n in flips]
    damaged += [good[:n] for n in (0, 1, 7, head, head + 3, len(good) - 1)] + [
        good + b"\0",
        b"\0" * len(good),
    ]
    for data in damaged:
        path.write_bytes(data)
        misses = cached.statistics.misses
        np.testing.assert_array_equal(run(fun, x)[0], want)
        assert cached.statistics.misses == misses + 1
        assert len(path.read_bytes()) == len(good)
        np.testing.assert_array_equal(run(fun, x)[0], want)
        assert cached.statistics.misses == misses + 1


def test_entries_that_cannot_be_used_are_replaced(folder: pathlib.Path) -> None:
    """Whole files with a right checksum, of another program or with parts that this process does not know."""
    x = np.linspace(0, 1, 9)
    fun = lambda x: jnp.tanh(x) + 1
    want = run(fun, x)[0]
    (path,) = files(folder)
    own = bytes.fromhex(path.stem)
    store = Store(str(folder))
    run(lambda x: x + 5, x)
    (other,) = [p for p in files(folder) if p != path]
    path.write_bytes(other.read_bytes())  # under a key that is not its own
    np.testing.assert_array_equal(run(fun, x)[0], want)
    for payload in (b"", b"\0" * 8, b"\xff" * 8, (5).to_bytes(8, "little") + b"abcde", b"values"):
        store.write(own, payload)
        np.testing.assert_array_equal(run(fun, x)[0], want)
        np.testing.assert_array_equal(run(fun, x)[0], want)


def test_what_others_can_write_is_not_read(folder: pathlib.Path) -> None:
    if os.name == "nt":
        pytest.skip("files have no such modes")
    run(jnp.sin, np.arange(3.0))
    (path,) = files(folder)
    path.chmod(0o666)
    run(jnp.sin, np.arange(3.0))
    assert counts() == (0, 0, 2, 0)
    path.unlink()
    os.mkfifo(path)  # reading one waits for a writer
    run(jnp.sin, np.arange(3.0))
    assert counts() == (0, 0, 3, 0)


def test_least_recently_used_entries_go(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path), 10_000)
    keys = [fingerprint.digest(bytes([n])) for n in range(14)]
    for n, k in enumerate(keys[:9]):
        store.write(k, bytes(1000))
        os.utime(store.path(k), (1000 + n, 1000 + n))
    (tmp_path / "mine.txt").write_text("no entry")
    (tmp_path / ".1-ab.tmp").write_text("never finished")
    os.utime(tmp_path / ".1-ab.tmp", (1000, 1000))
    assert store.read(keys[0]) == bytes(1000)  # which marks it as used
    for k in keys[9:12]:
        store.write(k, bytes(1000))
    left = [k for k in keys if store.read(k) is not None]
    assert sum(e.size for e in store.entries()) <= 10_000
    assert keys[0] in left
    assert keys[11] in left
    assert keys[1] not in left
    assert not (tmp_path / ".1-ab.tmp").exists()
    assert store.clear() == len(left)
    assert [p.name for p in files(tmp_path)] == ["mine.txt"]


def test_a_directory_that_cannot_be_written(folder: pathlib.Path) -> None:
    folder.write_text("a file in its place")
    for _ in range(2):
        np.testing.assert_array_equal(run(lambda x: x + 1, np.arange(3.0))[0], [1, 2, 3])
    assert counts() == (0, 0, 2, 0)
    assert jitney.cache.info().entries == 0
    with (
        jitney.config.temporarily("jax_raise_persistent_cache_errors", True),
        pytest.raises(OSError, match="cache"),
    ):
        run(lambda x: x + 1, np.arange(3.0))


# -- processes -----------------------------------------------------------------------------------------

_SCRIPT = """
import os, sys
import jitney, jitney.numpy as jnp
import numpy as np
funs = [jitney.jit(lambda x, k=k: jnp.sin(x * (1.0 + k)).sum() + jnp.linalg.norm(x)) for k in range(4)]
x = np.arange(100.0)
if sys.argv[1] == "fork":
    float(funs[0](x))
    child = os.fork()
    values = [float(f(x)) for f in funs]
    if child == 0:
        os._exit(0 if jitney.cache.info().misses + jitney.cache.info().hits == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
values = [float(f(x)) for f in funs]
info = jitney.cache.info()
print(values, info.hits + info.misses, info.misses, "llvmlite" in sys.modules)
"""


def test_many_processes_at_once(tmp_path: pathlib.Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JITNEY", "JAX"))}
    env["JITNEY_CACHE_DIR"] = str(tmp_path / "deep" / "cache")
    start = lambda kind: subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, kind],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    kinds = ["plain", "plain", "fork"] if hasattr(os, "fork") else ["plain"] * 3
    outs = [p.communicate(timeout=300) for p in map(start, kinds)]
    assert len({out.split("]")[0] for out, _ in outs}) == 1, outs
    info = [out.split("]")[1].split() for out, _ in outs]
    if any(misses == "0" and total == "0" for total, misses, _ in info):
        pytest.skip("the source changed while the test ran")
    out, errors = start("plain").communicate(timeout=300)
    assert out.split("]")[0] == outs[0][0].split("]")[0], errors
    assert out.split("]")[1].split()[:2] == ["4", "0"]
    assert loading._ext.load_object(b"", ENTRY, int) is None
    names = [p.name for p in files(tmp_path / "deep" / "cache")]
    assert len(names) == 4
    assert all(n.endswith(SUFFIX) for n in names)


# -- switches ------------------------------------------------------------------------------------------


def test_printing_checking_and_disabled_passes_go_past_the_cache(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.arange(3.0)
    run(jnp.cos, x)
    with without("fuse"):
        run(jnp.cos, x)
    with jitney.config.temporarily("jax_enable_checks", True):
        run(jnp.cos, x)
    options.check = False
    monkeypatch.setattr(options, "debug", frozenset(("llvm",)))
    run(jnp.cos, x)
    assert "jt_entry" in capsys.readouterr().err
    assert counts() == (0, 0, 1, 0)


def test_configuration(folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(3.0)
    for name, value in (("jax_enable_compilation_cache", False), ("jax_compilation_cache_max_size", 0)):
        with jitney.config.temporarily(name, value):
            run(jnp.cos, x)
            assert jitney.cache.path() is None
            assert "off" in str(jitney.cache.info())
            assert jitney.cache.clear() == 0
    for name, value in (
        ("jax_persistent_cache_min_compile_time_secs", 1e3),
        ("jax_persistent_cache_min_entry_size_bytes", 1 << 30),
    ):
        with jitney.config.temporarily(name, value):
            run(jnp.cos, x)
    assert files(folder) == []
    with jitney.config.temporarily("jax_compilation_cache_max_size", -1):
        assert jitney.cache.info().limit is None
    monkeypatch.setenv("JITNEY_CACHE_DIR", str(tmp_path / "asked"))
    assert jitney.cache.path() == str(folder)
    with jitney.config.temporarily("jax_compilation_cache_dir", None):
        assert jitney.cache.path() == str(tmp_path / "asked")
        monkeypatch.delenv("JITNEY_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        if sys.platform != "win32":
            assert jitney.cache.path() == str(tmp_path / "xdg" / "jitney")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert os.path.isabs(jitney.cache.path() or "")


def test_info_clear_and_command(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    from jitney.cache import _main

    run(jnp.cos, np.arange(3.0))
    info = jitney.cache.info()
    assert (info.entries, info.hits, info.misses) == (1, 0, 1)
    assert info.bytes == files(folder)[0].stat().st_size
    run(jnp.cos, np.arange(3.0))
    assert jitney.cache.info().seconds_saved > 0
    assert _main([]) == _main(["show"]) == _main(["path"]) == _main(["clear"]) == 0
    shown = capsys.readouterr().out
    assert str(folder) in shown
    assert "1 programs" in shown
    assert files(folder) == []
    assert _main(["delete"]) == 2


# -- objects -------------------------------------------------------------------------------------------


def test_damaged_objects_do_not_crash() -> None:
    """Any bytes are linked or refused; nothing is run."""
    image = build(staged(lambda x: jnp.sin(x).sum(), np.arange(100.0))).image
    resolve = lambda name: 1 << 40
    rng = np.random.default_rng(0)
    for _ in range(3000):
        data = bytearray(image[: rng.integers(0, len(image) + 1)] if rng.random() < 0.2 else image)
        for place in rng.integers(0, max(len(data), 1), rng.integers(1, 4)):
            if data:
                data[place] = rng.integers(0, 256)
        try:
            _ext.load_object(bytes(data), ENTRY, resolve)
        except UnicodeDecodeError:  # a name, which is passed to Python
            pass
    headers = struct.unpack_from("<Q", image, 40)[0]
    for place in range(headers, len(image)):
        data = bytearray(image)
        data[place] ^= 0xFF
        _ext.load_object(bytes(data), ENTRY, resolve)


def test_objects_of_other_kinds_are_linked_by_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        symbols = staticmethod(_ext.symbols)
        load_object = staticmethod(lambda *_: None)

    x = np.linspace(0, 9, 100)
    built = build(staged(lambda x: jnp.fmod(jnp.sin(x), 0.3) @ x, x))
    from jitney._compiler.executable import make_executable

    closed = staged(lambda x: jnp.fmod(jnp.sin(x), 0.3) @ x, x)
    want = make_executable(closed, built.parts, loading.load(built.image, ENTRY, built.symbols)).execute([x])
    monkeypatch.setattr(loading, "_ext", Other)
    code = loading.load(built.image, ENTRY, built.symbols)
    assert float(make_executable(closed, built.parts, code).execute([x])[0]) == float(want[0])
