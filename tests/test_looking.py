"""inspect and profile: what is told of compiled functions, whose lines it names, and that nothing changes by looking."""

from __future__ import annotations

import re
import sys
import threading
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax, random
from jitney._compiler import looking
from jitney._compiler.looking import look
from jitney._core import trace


def texts(locations):
    return [line.text.strip() for line in locations]


def shared(x):
    return jnp.exp(-x) + x


def model(x, a):
    y = jnp.sin(x) * a
    z = shared(y) + shared(2 * y)
    total = jnp.sum(z * z)

    def body(carry, v):
        carry = carry * 0.5 + v
        out = jnp.tanh(carry)
        return carry, out

    _, outs = lax.scan(body, total, x)
    return {"total": total, "outs": outs}


X = np.linspace(0.0, 1.0, 3000)


@pytest.fixture(scope="module")
def seen():
    return jitney.inspect(model)(X, 2.0)


def test_the_program_is_told_in_every_form(seen):
    assert "scan" in str(seen.jaxpr) and "for " in seen.loops and "define" in seen.llvm and "ret" in seen.asm
    names = [p.name for p in seen.passes]
    assert "inline_calls" in names and "choose_widths" in names
    assert any(p.changed for p in seen.passes)
    assert all(p.changed == (p.before != p.after) for p in seen.passes)
    assert [k.number for k in seen.kernels] == list(range(len(seen.kernels)))
    assert all(k.measured is not None and k.measured >= 0 and k.predicted >= 0 for k in seen.kernels)
    assert seen.runs >= 1
    assert seen.memory.arguments == X.nbytes + 8 and seen.memory.outputs == X.nbytes + 8
    assert [k.kind for k in seen.kernels if k.kind in ("scan", "registers")] == ["scan", "registers"]


def test_the_result_is_that_of_the_function(seen):
    want = jitney.jit(model)(X, 2.0)
    np.testing.assert_array_equal(seen.result["outs"], want["outs"])
    assert float(seen.result["total"]) == float(want["total"])


def test_lines_are_the_users_in_bodies_and_shared_functions(seen):
    found = texts(seen.cost.lines)
    for wanted in (
        "y = jnp.sin(x) * a",
        "return jnp.exp(-x) + x",
        "total = jnp.sum(z * z)",
        "out = jnp.tanh(carry)",
        "carry = carry * 0.5 + v",
    ):
        assert wanted in found
    assert {line.file for line in seen.cost.lines} == {__file__}
    scan = next(k for k in seen.kernels if k.kind == "scan")
    assert set(texts(scan.lines)) == {"carry = carry * 0.5 + v", "out = jnp.tanh(carry)"}


def test_shares_sum_to_one(seen):
    for k in seen.kernels:
        if k.lines:
            assert sum(k.lines.values()) == pytest.approx(1.0)
    assert sum(c.share for c in seen.cost.lines.values()) == pytest.approx(1.0)
    assert sum(map(seen.cost.share, seen.kernels)) == pytest.approx(1.0)
    times = [c.seconds for c in seen.cost.lines.values()]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "fun, size, flops, transcendentals, moved",
    [
        (lambda x: x * 3.0, 10, 10, 0, 160),
        (lambda x: x * x + 1.0, 1_000_003, None, 0, 16_000_048),  # the last chunk is shorter
        (jnp.sin, 70_001, 0, 70_001, 16 * 70_001),
    ],
)
def test_counts_are_exact(fun, size, flops, transcendentals, moved):
    cost = jitney.inspect(fun)(jitney.ShapeDtypeStruct((size,), "float64")).cost
    if flops is not None:
        assert cost["flops"] == flops
    else:
        assert cost["flops"] in (size, 2 * size)  # with or without a fused multiply-add
    assert cost["transcendentals"] == transcendentals
    assert cost["bytes accessed"] == moved
    assert set(cost) == {"flops", "transcendentals", "bytes accessed", "predicted", "measured"}


def test_products_count_their_multiplications():
    x = jnp.ones((100, 120))
    assert jitney.inspect(lambda x: x @ x.T)(x).cost["flops"] == 2 * 100 * 100 * 120


def test_without_values_nothing_is_run():
    ran = []

    def f(x):
        jitney.debug.callback(lambda v: ran.append(float(v)), x[0])
        return x * 2

    seen = jitney.inspect(f)(jitney.ShapeDtypeStruct((5,), "float64"))
    assert not ran and seen.runs == 0 and seen.result is None
    assert all(k.measured is None for k in seen.kernels) and "predicted" in str(seen)
    jitney.inspect(f)(jnp.ones(5))
    jitney.effects_barrier()
    assert ran == [1.0]  # effects happen once


PROGRAMS = {
    "jitted": (jitney.jit(lambda x, n: {"y": x * n}, static_argnums=1), (jnp.ones(9), 3)),
    "donated": (jitney.jit(lambda x: x + 1, donate_argnums=0), (jnp.ones(9),)),
    "grad": (jitney.grad(lambda x: jnp.sum(jnp.sin(x) ** 2)), (X,)),
    "vmap": (jitney.vmap(lambda x: jnp.cumsum(x)), (jnp.ones((4, 5)),)),
    "tree": (lambda p: [p["a"] + 1, (p["b"],)], ({"a": 1.0, "b": jnp.arange(3)},)),
    "empty": (lambda: None, ()),
    "constant": (lambda: (3.0, jnp.arange(4.0)), ()),
    "nothing": (lambda x: x * 2, (jnp.ones((0, 3)),)),
    "scalar": (lambda x: jnp.sin(x) + 1, (2.0,)),
    "complex": (lambda x: jnp.abs(x * 1j + x) ** 2, (jnp.ones(5) + 1j,)),
    "keys": (lambda k: random.normal(random.split(k)[0], (7,)), (random.key(0),)),
    "while": (lambda x: lax.while_loop(lambda v: v < 100.0, lambda v: v * 1.5, x), (1.0,)),
    "cond": (lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), (jnp.ones(100),)),
    "solve": (lambda a, b: jnp.linalg.solve(a, b), (jnp.eye(12) * 2, jnp.ones(12))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_kind_of_program(name):
    fun, args = PROGRAMS[name]
    seen = jitney.inspect(fun)(*args)
    want, got = jitney.tree.leaves(fun(*args)), jitney.tree.leaves(seen.result)
    for x, y in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12)
    assert seen.name in str(seen)
    well_formed(seen.html())


def test_long_programs_get_all_their_memory(monkeypatch):
    """Blocks of hundreds of operations are cut, and values pass through a frame that is planned while code is written."""
    programs, parts = [], []
    emit, make = looking.emit, looking.make_executable
    monkeypatch.setattr(looking, "emit", lambda program, *a: (programs.append(program), emit(program, *a))[1])
    monkeypatch.setattr(looking, "make_executable", lambda c, p, *a: (parts.append(p), make(c, p, *a))[1])

    def step(i, carry):
        key, x = carry
        for _ in range(4):
            key, own = random.split(key)
            x = x + random.uniform(own, x.shape) * random.uniform(key)
        return key, x

    def draws(key, x):
        return lax.fori_loop(0, 3, step, (key, x))[1]

    looking.Timed(jitney.make_jaxpr(draws)(random.key(0), np.zeros(50)))
    (program,), (part,) = programs, parts
    assert program.cuts
    assert part.scratch_bytes == program.scratch_bytes


def test_static_arguments_and_errors():
    seen = jitney.inspect(lambda x, n: x**n, static_argnums=1)(jnp.ones(3), 2)
    assert len(seen.jaxpr.in_avals) == 1
    with pytest.raises(TypeError, match="callable"):
        jitney.inspect(3)
    with pytest.raises(TypeError, match="as an array"):
        jitney.inspect(lambda x: x)("text")
    with pytest.raises(TypeError, match="traced value"):
        jitney.jit(lambda x: jitney.inspect(jnp.sin)(x).result)(1.0)


# -- pages


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.found += [names[n] for n in ("src", "href") if n in names]
        assert tag not in ("link", "img", "object")


def well_formed(page):
    """The page is read as XML, names each element once, and reaches for nothing outside."""
    assert page.startswith("<!DOCTYPE html>\n")
    root = ET.fromstring(page.split("\n", 1)[1])
    assert root.tag == "html"
    links = _Links()
    links.feed(page)
    assert not links.found
    assert not re.search(r"url\((?!#)|@import|fetch\(", page)
    return root


def test_the_page(seen, tmp_path):
    root = well_formed(seen.html())
    text = "".join(root.itertext())
    assert "out = jnp.tanh(carry)" in text and "prefers-color-scheme:dark" in text
    boxes = [e for e in root.iter("{http://www.w3.org/2000/svg}g") if e.get("class") == "kernel"]
    assert len(boxes) >= sum(k.kind != "registers" for k in seen.kernels)
    seen.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == seen.html()
    assert seen._repr_html_().startswith("<iframe")


def test_the_text(seen):
    text = str(seen)
    assert "GFLOP/s" in text and "out = jnp.tanh(carry)" in text and "test_looking.py:" in text
    assert repr(seen) == text
    assert max(map(len, text.splitlines())) < 150


def test_what_kernels_take_from_each_other():
    def f(x):
        total = jnp.sum(x)
        return x / total

    kernels = look(jitney.make_jaxpr(f)(jnp.ones(50_000))).kernels
    divided = next(k for k in kernels if "div" in k.operations)
    summed = next(k for k in kernels if "reduce_sum" in k.operations)
    assert summed.number < divided.number
    assert divided.needs or {b.name for b in divided.reads} & {b.name for k in kernels for b in k.writes}
    assert any(b.kind == "in" for b in divided.reads) and any(b.kind == "out" for b in divided.writes)


# -- profiles


@jitney.jit
def uneven(x):
    small = x[:3] + 1.0

    def body(carry, _):
        carry = jnp.sin(carry) * 1.01
        return carry, None

    far, _ = lax.scan(body, x, None, length=300)
    return small, far


def test_a_profile_names_the_dearest_line_and_changes_no_value():
    x = jnp.linspace(0.0, 1.0, 2000)
    want = uneven(x)
    before = trace.evaluate_eagerly
    with jitney.profile() as p:
        got = [uneven(x) for _ in range(3)]
        jnp.ones(3) + 1
    for small, far in got:
        np.testing.assert_array_equal(small, want[0])
        np.testing.assert_array_equal(far, want[1])
    assert p.lines[0].location.text.strip() == "carry = jnp.sin(carry) * 1.01"
    assert "jnp.ones(3) + 1" in [t.location.text.strip() for t in p.lines if t.eager]
    called = {f.name: f for f in p.functions}
    assert called["uneven"].calls == 3 and called["uneven"].tracing == 0
    assert called["uneven"].passes == called["uneven"].llvm == 0  # compiled before the block
    assert 0 < sum(t.seconds for t in p.lines) <= p.wall * 1.01
    assert trace.evaluate_eagerly is before
    assert not jitney.config.profiling


def test_afterwards_calls_are_dispatched_by_the_extension_again():
    f = jitney.jit(lambda x: x * 2)
    f(1.0)
    with jitney.profile():
        f(1.0)

    def frames():
        seen = []
        sys.setprofile(lambda frame, event, _: seen.append(event) if event == "call" else None)
        try:
            f(1.0)
            jnp_sum = one + one
        finally:
            sys.setprofile(None)
        return seen, jnp_sum

    one = jnp.ones(3)
    assert frames()[0] == []  # no Python function ran


def test_compiling_and_tracing_count_for_their_function():
    def fresh(x):
        return jnp.cos(x) * 3

    with jitney.profile() as p:
        jitney.jit(fresh)(jnp.ones(7))
        jitney.jit(jitney.grad(lambda x: fresh(x) ** 2))(2.0)
    f = next(f for f in p.functions if f.name == "fresh")
    assert f.tracing > 0 and f.passes > 0 and f.llvm > 0 and f.calls == 1
    assert "compiling" in str(p) and "fresh" in str(p)
    well_formed(p.html())


def test_profiles_nest_and_see_threads():
    f = jitney.jit(lambda x: jnp.exp(x))
    with jitney.profile() as outer:
        f(1.0)
        with jitney.profile() as inner:
            workers = [threading.Thread(target=f, args=(1.0,)) for _ in range(3)]
            for w in workers:
                w.start()
            for w in workers:
                w.join()
        f(1.0)
    assert inner.functions[0].calls == 3
    assert outer.functions[0].calls == 5
    assert outer.wall >= inner.wall * 0.5 and outer.outside <= outer.wall * 1.01


def test_a_profile_inside_of_checks_and_with_callbacks():
    f = jitney.jit(
        lambda x: jitney.pure_callback(
            lambda v: np.asarray(jnp.sin(v)), jitney.ShapeDtypeStruct((3,), float), x
        )
    )
    with jitney.debug_nans(True), jitney.profile() as p:
        got = f(jnp.ones(3))
        with pytest.raises(FloatingPointError):
            jnp.log(jnp.ones(2) - 2)
    np.testing.assert_allclose(got, np.sin(np.ones(3)))
    assert p.functions and not jitney.config.profiling
    with pytest.raises(FloatingPointError), jitney.debug_nans(True):
        jnp.log(jnp.ones(2) - 2)
    assert np.isnan(jnp.log(jnp.ones(2) - 2)).all()


def test_a_profile_is_left_in_order_after_an_error():
    with pytest.raises(ZeroDivisionError), jitney.profile() as p:
        jitney.jit(lambda x: 1 // 0)(1.0)
    assert not jitney.config.profiling and p.wall > 0
    with pytest.raises(RuntimeError, match="one block"), p:
        pass
    with pytest.raises(RuntimeError, match="after its block"):
        _ = jitney.profile().lines


def test_of_very_many_kernels_the_dearest_are_shown():
    def f(x):
        for n in range(80):
            x = jnp.cumsum(x[::-1]) * n
        return x

    seen = jitney.inspect(f)(jitney.ShapeDtypeStruct((50,), "float64"))
    count = len(seen.kernels)
    assert count > 70 and f"50 dearest of {count} kernels" in str(seen)
    assert "60 dearest of" in "".join(well_formed(seen.html()).itertext())
