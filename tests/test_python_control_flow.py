"""``if``, ``while``, ``for`` and the rest of Python on traced values: compiled, batched, differentiated; errors that say why."""

from __future__ import annotations

import re
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from flow_programs import CASES, DIFFERENTIABLE, checked
from jitney import lax
from jitney._core.staging import StagingTrace


@pytest.mark.parametrize("name", CASES)
def test_compiled_is_what_python_does(name: str) -> None:
    function, calls = CASES[name]
    compiled = jitney.jit(lambda *args: function(*args))
    for args in calls:
        np.testing.assert_allclose(compiled(*args), function(*args), rtol=1e-14)


@pytest.mark.parametrize("name", [n for n, (_, calls) in CASES.items() if len(calls) > 1])
def test_batched(name: str) -> None:
    function, calls = CASES[name]
    columns = [jnp.stack([jnp.asarray(x) for x in column]) for column in zip(*calls, strict=True)]
    want = [np.asarray(function(*args)) for args in calls]
    np.testing.assert_allclose(jitney.jit(jitney.vmap(lambda *xs: function(*xs)))(*columns), want, rtol=1e-14)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_differentiated(name: str) -> None:
    function, calls = CASES[name]
    for args in calls:
        want = jitney.grad(function)(*args)  # the values are known: Python's own control flow
        for mode in (jitney.grad, jitney.jacfwd):
            np.testing.assert_allclose(jitney.jit(mode(lambda *xs: function(*xs)))(*args), want, rtol=1e-12)


def test_reverse_mode_through_loops_of_any_length() -> None:
    def run(x: Any, n: Any) -> Any:
        for _ in range(n):
            x = jnp.sin(x) * 2
        while x > 0.1:
            x = x * 0.7
        return x

    want = jitney.grad(lambda x: run(x, 5))(1.0)
    np.testing.assert_allclose(jitney.jit(jitney.grad(run))(1.0, 5), want, rtol=1e-12)


def test_in_bodies_of_loops_and_in_each_other() -> None:
    def body(carry: Any, x: Any) -> Any:
        if x > 1:
            carry = carry + x
        return carry, carry

    last, steps = lax.scan(body, 0.0, jnp.arange(4.0))
    np.testing.assert_array_equal(steps, [0, 0, 2, 5])

    @jitney.jit
    def outer(n: Any) -> Any:
        total = 0.0
        for _ in range(n):
            total += lax.scan(body, 0.0, jnp.arange(4.0))[0]
        return total

    assert float(outer(3)) == 15.0


def test_decorated_functions() -> None:
    @jitney.jit
    def decorated(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    assert float(decorated(-3.0)) == 3.0 and float(decorated(2.0)) == 2.0


def test_assertions_at_run_time() -> None:
    run = jitney.jit(checked)
    assert float(run(4.0)) == 2.0
    with pytest.raises(Exception, match="x must be positive"):
        jitney.block_until_ready(run(-4.0))
        jitney.effects_barrier()


def test_a_variable_of_one_branch_says_where_it_is_missing() -> None:
    def run(x: Any) -> Any:
        if x > 0:
            y = x
        return y + 1

    with pytest.raises(UnboundLocalError, match="'y'.*one branch only of the `if` of line"):
        jitney.jit(run)(1.0)


def test_a_variable_of_a_loop_that_may_not_run() -> None:
    def run(n: Any) -> Any:
        for i in range(n):
            last = i * 2
        return last

    with pytest.raises(UnboundLocalError, match="'last'.*may make no step"):
        jitney.jit(run)(3)


def test_what_differs_between_branches() -> None:
    def shapes(x: Any) -> Any:
        y = jnp.zeros(3) if x > 0 else jnp.zeros(4)
        return y

    def texts(x: Any) -> Any:
        if x > 0:
            mode = "a"
        else:
            mode = "b"
        return x if mode == "a" else -x

    with pytest.raises(TypeError, match=r"another shape in each branch.*f64\[3\] and f64\[4\]"):
        jitney.jit(shapes)(1.0)
    with pytest.raises(TypeError, match="mode is 'a' in one branch and 'b' in the other"):
        jitney.jit(texts)(1.0)


def test_what_changes_in_a_loop() -> None:
    def grows(n: Any) -> Any:
        x = jnp.zeros(1)
        for _ in range(n):
            x = jnp.concatenate([x, x])
        return x

    with pytest.raises(TypeError, match="x changes its shape in a step"):
        jitney.jit(grows)(3)


def test_a_traced_truth_is_not_looked_into_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(x: Any) -> Any:
        top = 0.0
        for v in x:
            if v > top:
                top = v
        return top

    asked = 0
    behind = StagingTrace.arguments_behind

    def counted(
        self: StagingTrace, var: Any
    ) -> list[str]:  # goes through the program, for the text of an error
        nonlocal asked
        asked += 1
        return behind(self, var)

    monkeypatch.setattr(StagingTrace, "arguments_behind", counted)
    assert float(jitney.jit(peak)(np.sin(np.arange(30.0)))) == np.sin(np.arange(30.0)).max()
    assert asked < 5


class Holder:
    value = 0.0


def test_what_cannot_be_converted_says_why() -> None:
    def attribute(x: Any, holder: Any) -> Any:
        if x > 0:
            holder.value = x
        return x

    def comprehension(x: Any) -> Any:
        return [v for v in (1.0, 2.0) if x > v]

    def trying(x: Any) -> Any:
        try:
            if x > 0:
                return x
        finally:
            pass
        return -x

    def raising(x: Any) -> Any:
        if x < 0:
            raise
        return x

    def place(x: Any) -> Any:
        if [1.0, 2.0].index(x) > 0:
            return x
        return -x

    source = "def no_source(x):\n    if x > 0:\n        return x\n    return -x\n"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    for function, why in (
        (lambda x: attribute(x, Holder()), "the attribute value is assigned under a traced condition"),
        (comprehension, "a comprehension would have a length that is not known"),
        (trying, "`try` around traced control flow"),
        (raising, "`raise` without an exception under a traced condition .* Name the exception"),
        (place, "the value is used where Python needs it"),
        (namespace["no_source"], "the source of .* is not to be had"),
    ):
        with pytest.raises(jitney.errors.TracerBoolConversionError) as error:
            jitney.jit(function)(1.0)
        assert re.search(why, str(error.value)), str(error.value)


class Divergence(Exception):
    """An exception that is not made of one text."""

    def __init__(self, what: str, steps: int) -> None:
        super().__init__(what, steps)


def test_exceptions_are_raised_when_the_program_gets_there() -> None:
    def newton(x: Any, most: Any) -> Any:
        if x < 0:
            raise ValueError(f"no root of {x:.1f}")
        root, steps = x, 0
        while abs(root * root - x) > 1e-12:
            if steps >= most:
                raise Divergence("no convergence", 3)
            root = (root + x / root) / 2
            steps += 1
        return root

    compiled = jitney.jit(newton)
    assert float(compiled(9.0, 50)) == pytest.approx(3.0)
    assert float(jitney.grad(compiled)(9.0, 50)) == pytest.approx(1 / 6)
    line = newton.__code__.co_firstlineno + 2
    for function in (
        compiled,
        jitney.jit(jitney.grad(newton)),
        newton,
        lambda x, n: jitney.jit(newton)(x, n),
    ):
        with pytest.raises(ValueError, match="no root of -4.0") as caught:
            function(-4.0, 50)
        if function is not newton:
            assert f"test_python_control_flow.py:{line}" in str(caught.value)
        with pytest.raises(Divergence) as diverged:
            function(9.0, 2)
        assert diverged.value.args == ("no convergence", 3)
    many = jitney.jit(jitney.vmap(newton, (0, None)))
    np.testing.assert_allclose(many(jnp.array([1.0, 4.0, 0.25]), 50), [1.0, 2.0, 0.5])
    with pytest.raises(ValueError, match="no root of -4.0"):
        many(jnp.array([1.0, -4.0, 0.25]), 50)

    def find(a: Any, wanted: Any) -> Any:
        for i, x in enumerate(a):
            if x == wanted:
                return i
        raise KeyError("not there")

    assert int(jitney.jit(find)(jnp.arange(4), 2)) == 2
    with pytest.raises(KeyError, match="not there"):
        jitney.jit(find)(jnp.arange(4), 7)

    def never(x: Any) -> Any:
        if x > 0:
            raise OverflowError
        else:
            raise KeyError("below")

    for x, error in ((1.0, OverflowError), (-1.0, KeyError)):
        with pytest.raises(error):
            jitney.jit(never)(x)

    def known(x: Any, mode: str) -> Any:
        if x > 1:
            y = x
        else:
            if mode == "strict":
                raise ValueError(mode)
            y = -x
        return y

    strict = jitney.jit(known, static_argnames="mode")
    assert [float(strict(2.0, "strict")), float(strict(0.5, "lax"))] == [2.0, -0.5]
    with pytest.raises(ValueError, match="strict"):
        strict(0.5, "strict")


def test_jumps_under_known_conditions_in_traced_loops() -> None:
    def run(n: Any, skip: bool, leave: bool) -> Any:
        total = 0
        for i in range(n):
            if skip:
                if i % 2 == 0:
                    continue
            if leave:
                break
            total += i
        return total

    for skip in (False, True):
        for leave in (False, True):
            want = run(6, skip, leave)
            assert int(jitney.jit(run, static_argnums=(1, 2))(6, skip, leave)) == want
            assert run(6, skip, leave) == want

    def skipping(n: Any, skip: bool) -> Any:
        total = 0
        for i in range(n):
            if skip:
                continue
            total += i
        return total

    assert [int(jitney.jit(skipping, static_argnums=1)(5, skip)) for skip in (False, True)] == [10, 0]
    assert skipping(5, True) == 0


def test_variables_that_inner_functions_see_and_assign() -> None:
    def counting(x: Any, n: Any) -> Any:
        count = 0

        def bump(k: Any) -> Any:
            nonlocal count
            count += k
            return count

        total = x
        for _ in range(n):
            if total > 10:
                total = total - bump(2)
            else:
                total = total + bump(1)
        return total, count

    def hits(x: Any) -> Any:
        found = 0

        def step(y: Any) -> Any:
            nonlocal found
            if y > 2:
                found += 1
                return y - 2
            return y

        while x > 2:
            x = step(x)
        return x, found

    def components(edges: Any, n: Any) -> Any:
        parent = np.arange(6)

        def find(i: Any) -> Any:
            while parent[i] != i:
                i = parent[i]
            return i

        count = 6
        for k in range(n):
            a, b = find(edges[k, 0]), find(edges[k, 1])
            if a != b:
                parent[a] = b
                count -= 1
        return count

    def scale(x: Any) -> Any:
        factor = 1.0
        grow = lambda y: y * factor  # noqa: E731
        if x > 2:
            factor = 3.0
            x = grow(x)
        return grow(x) + factor

    edges = np.array([[0, 1], [2, 3], [1, 2], [0, 3], [4, 5]])
    for function, args in (
        (counting, (3, 9)),
        (counting, (20, 4)),
        (hits, (9,)),
        (hits, (1,)),
        (components, (edges, 4)),
        (components, (edges, 5)),
        (scale, (5.0,)),
        (scale, (1.0,)),
    ):
        want = function(*args)
        assert jitney.tree.map(float, jitney.jit(function)(*args)) == jitney.tree.map(float, want)
        assert function(*args) == want


def test_names_of_a_pattern_whose_guard_fails() -> None:
    def run(n: Any, q: Any) -> Any:
        match n, q % 3:
            case (3, q) if q > n:
                return 100
            case (_, 2):
                if n % 2:
                    q = 7
        return q

    for n, q in ((3, 7), (3, 8), (5, 2), (4, 2), (2, 9)):
        want = run(n, q)
        assert int(jitney.jit(run)(n, q)) == want
        assert run(n, q) == want


def _fill(c: Any) -> None:
    c[0] = 1


def test_called_functions_do_not_change_arrays_in_every_case() -> None:
    def run(x: Any) -> Any:
        c = np.zeros(3)
        if x > 1:
            _fill(c)
        return c + 0 * x

    with pytest.raises(TypeError, match="c, an array of NumPy's, was changed by a function"):
        jitney.jit(run)(0.0)


_generator = np.random.default_rng(3)


def test_random_numbers_of_python_s_are_drawn_at_each_step() -> None:
    def run(x: Any, n: int) -> Any:
        out = np.zeros(n)
        for i in range(n):
            out[i] = x + _generator.random()
        return out

    for n in (10, 40):
        assert len(np.unique(jitney.jit(run, static_argnums=1)(1.0, n))) == n


def test_objects_are_not_changed_in_a_known_branch_of_a_traced_one() -> None:
    def run(x: Any, keep: Any) -> Any:
        found: list[Any] = []
        if x > 0:
            if keep > 0:  # traced in the first call, known in the second
                y = 1.0
            else:
                y = 2.0
            if y is not None:
                found.append(y)
        return sum(found)

    with pytest.raises(TypeError, match="found, a list, is changed under a condition"):
        jitney.jit(run)(1.0, 1.0)
    with pytest.raises(TypeError, match="found, a list, is changed under a condition"):
        jitney.jit(lambda x: run(x, 1.0))(1.0)


def test_a_dict_has_no_traced_keys() -> None:
    with pytest.raises(TypeError, match="a dict is asked for a traced key .*list or an array"):
        jitney.jit(lambda k: {1: 2.0, 3: 4.0}[k])(3)


def test_jax_s_errors_stay_available() -> None:
    def run(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    with jitney.config.temporarily("jitney_python_control_flow", False):
        with pytest.raises(jitney.errors.TracerBoolConversionError):
            jitney.jit(run)(1.0)
    assert float(jitney.jit(run)(-1.0)) == 1.0
    with jitney.config.temporarily("jitney_python_control_flow", False):
        with pytest.raises(jitney.errors.TracerBoolConversionError):
            jitney.jit(lambda x: run(x))(1.0)  # also where the function was converted before
    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(run)(1.0)


def test_batched_without_compiling() -> None:
    def run(x: Any) -> Any:
        while x > 1:
            x = x / 2
        if x > 0.6:
            return x
        return -x

    want = [run(x) for x in (5.0, 2.0, 0.3)]
    np.testing.assert_allclose(jitney.vmap(run)(jnp.array([5.0, 2.0, 0.3])), want)


def test_the_conversion_can_be_read() -> None:
    def run(x: Any) -> Any:
        if x > 0:
            y = x
        else:
            y = -x
        return y

    assert jitney.inspect(jnp.sin)(1.0).source is None
    text = jitney.inspect(run)(1.0).source
    assert "def run(x: Any)" in text and "(y,) = if_(x > 0, _jt_then" in text
    compile(text, "text", "exec")


def test_objects_are_not_changed_in_every_case() -> None:
    def appends(x: Any) -> Any:
        out = []
        if x > 0:
            out.append(x)
        return sum(out)

    def items(x: Any) -> Any:
        found = {}
        for i in range(x):
            found[0] = i
        return found[0]

    def fine(x: Any) -> Any:
        out = []
        for k in range(3):
            out.append(k * x)
            if x > 100:
                break
        if x > 0:
            mine = []
            mine.append(x)
            x = sum(mine)
        return sum(out) + x

    with pytest.raises(TypeError, match="out, a list, is changed under a condition"):
        jitney.jit(appends)(1.0)
    with pytest.raises(TypeError, match="found, a dict, is changed"):
        jitney.jit(items)(3)
    assert appends(1.0) == 1.0  # where conditions are known Python does as it says
    with pytest.raises(TypeError, match="out, a list"):
        jitney.jit(fine)(2.0)  # after a break that is traced, steps are under a condition


def test_lambdas_in_one_line() -> None:
    values = np.arange(4.0)
    total = lambda v: jitney.lax.fori_loop(0, v.shape[0], lambda i, s: s + v[i] * i, 0.0)
    assert float(total(values)) == 14.0
    f, g = (lambda x: x if x > 0 else -x), (lambda x: 2 * x if x > 1 else x)
    assert (float(jitney.jit(f)(-2.0)), float(jitney.jit(g)(3.0)), float(jitney.jit(g)(0.5))) == (
        2.0,
        6.0,
        0.5,
    )
    assert float(jitney.jit(lambda v: (lambda w: w if w > 0 else 0.0)(v) + 1)(-1.0)) == 1.0
