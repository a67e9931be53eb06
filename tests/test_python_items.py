"""Item assignment, prints, `match`, `with` and Python's own functions on traced values under jit."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp


def same(fun: Callable[..., Any], *args: Any) -> None:
    """Compiled, ``fun`` does with jitney's arrays what it does with NumPy's."""
    wanted, got = fun(np, *args), jitney.jit(lambda *xs: fun(jnp, *xs))(*args)
    for a, b in zip(jitney.tree.leaves(got), jitney.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def columns(xp: Any, x: Any) -> Any:
    a = xp.zeros((3, 4))
    for i in range(3):
        a[i, 1:] = x[i]
        a[:, 0] += 1.0
    a[::2] *= -1.0
    a[..., -1] -= a[..., 1]
    return a


def prefix(xp: Any, x: Any) -> Any:
    total = xp.zeros(len(x) + 1)
    for i in range(len(x)):
        total[i + 1] = total[i] + x[i]
    return total


def sieve(xp: Any, x: Any) -> Any:
    a = xp.zeros(8)
    i = 0
    while i < 8:
        if x[i] > 0:
            a[i] = x[i] * 2
        elif i % 2 == 0:
            a[i] = -1
        i += 1
    return a, i


def rows_of_views(xp: Any, x: Any) -> Any:
    a = xp.ones((4, 2))
    for i in range(1, 4):
        before = a[i - 1]
        a[i] = before + x[i]
    return a


def swapped(xp: Any, x: Any) -> Any:
    a = x.copy()
    a[0], a[1], rest = a[1], a[0], a[2]
    return a, rest


def fancy(xp: Any, x: Any) -> Any:
    a = xp.zeros(5)
    a[xp.array([0, 0, 3])] += 1.0
    a[x[:5] > 2] = 7.0
    return a


def in_containers(xp: Any, x: Any) -> Any:
    state = {"a": xp.zeros(3), "b": [xp.ones(2), 5.0]}
    state["a"][1] = x[0]
    state["b"][0][1] += x[1]
    state["b"][1] = 6.0
    return state["a"], state["b"]


def truncated(xp: Any, x: Any) -> Any:
    a = xp.zeros(3, int)
    a[0] = x[0] * 3
    return a


X = np.array([1.25, -2.0, 3.5, 0.5, -1.0, 2.0, -3.0, 4.0])


@pytest.mark.parametrize(
    "program",
    [columns, prefix, sieve, rows_of_views, swapped, fancy, in_containers, truncated],
    ids=lambda f: f.__name__,
)
def test_items_are_assigned_as_in_numpy(program: Callable[..., Any]) -> None:
    same(program, X)


def test_loops_of_a_traced_length_and_derivatives() -> None:
    def powers(x: Any, n: Any) -> Any:
        a = jnp.ones(6)
        for i in range(1, n):
            a[i] = a[i - 1] * x
        return a.sum()

    assert float(jitney.jit(powers)(2.0, 4)) == 1 + 2 + 4 + 8 + 2
    assert float(jitney.grad(jitney.jit(powers))(2.0, 4)) == 1 + 4 + 12
    assert float(jitney.jit(jitney.grad(powers))(2.0, 6)) == 1 + 4 + 12 + 32 + 80
    batch = jitney.vmap(jitney.jit(powers), (0, None))(np.array([1.0, 2.0]), 3)
    np.testing.assert_allclose(batch, [6.0, 10.0])


def test_arrays_of_numpy_that_hold_traced_values() -> None:
    @jitney.jit
    def squares(x: Any) -> Any:
        out = np.zeros(4)
        for i in range(4):
            out[i] = x[i] ** 2
        return out

    np.testing.assert_allclose(squares(X[:4]), X[:4] ** 2)


def alias(x: Any) -> Any:
    a = jnp.zeros(3)
    b = a
    a[0] = x
    return b


def view(x: Any) -> Any:
    a = jnp.zeros((2, 3))
    row = a[0]
    a[0, 0] = x
    return row.sum()


def base_of_a_view(x: Any) -> Any:
    a = jnp.zeros((2, 3))
    row = a.T[1]
    row[0] = x
    return a


def alias_in_a_branch(x: Any) -> Any:
    a = jnp.zeros(3)
    b = a
    if x > 0:
        a[0] = x
    return b


def alias_in_a_loop(x: Any) -> Any:
    a = jnp.zeros(3)
    b = a
    i = 0
    while i < x:
        a[i] = x
        i += 1
    return a + b


@pytest.mark.parametrize(
    "program", [alias, view, base_of_a_view, alias_in_a_branch, alias_in_a_loop], ids=lambda f: f.__name__
)
def test_other_names_of_a_changed_array_are_refused(program: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"was changed at .*test_python_items.py:\d+, under another name"):
        jitney.jit(program)(2.0)


def test_arguments_belong_to_the_caller() -> None:
    def changed(x: Any) -> Any:
        x[0] = 1.0
        return x

    def part(x: Any) -> Any:
        x[1:][0] = 1.0
        return x

    with pytest.raises(TypeError, match="An item of an argument is assigned.*x = x.copy()"):
        jitney.jit(changed)(X)
    with pytest.raises(TypeError):
        jitney.jit(part)(X)

    def scaled(x: Any) -> Any:  # what a function of the user's own does to its argument
        x[0] = -1.0
        return x

    np.testing.assert_array_equal(jitney.jit(lambda x: scaled(x * 2))(X)[:2], [-1.0, -4.0])


def test_items_at_places_that_items_tell() -> None:
    def run(x: Any, p: Any) -> Any:
        b = np.array([2, 0, 1, 4, 3])
        order = np.array([1, 0, 2, 4, 3])
        if x > 0:
            b[b[order[p % 5]] % 5] -= b[x % 5]
            b[(p if 0 < p <= b[p % 5] + 3 else 3) % 5] += 7
        return b

    for x, p in ((1, 2), (3, 4), (-1, 2)):
        np.testing.assert_array_equal(jitney.jit(run)(x, p), run(x, p))


def test_errors_name_what_cannot_be() -> None:
    outer = jnp.zeros(3)

    def closure(x: Any) -> Any:
        def inner() -> None:
            total[0] = x

        total = jnp.zeros(2)
        inner()
        return total

    with pytest.raises(TypeError) as caught:
        jitney.jit(closure)(1.0)
    assert "total is no variable of the function" in str(caught.value)
    with pytest.raises(TypeError, match="immutable"):
        outer[0] = 1.0
    with jitney.config.temporarily("jitney_python_control_flow", False):
        with pytest.raises(TypeError, match=r"use x = x.at\[idx\].set"):
            jitney.jit(lambda x: alias(x))(1.0)
    complex_into_real = lambda x: truncated(jnp, x * 1j)
    with pytest.raises(TypeError, match="complex numbers cannot be assigned"):
        jitney.jit(complex_into_real)(X)


def test_lists_with_traced_places() -> None:
    @jitney.jit
    def looked_up(i: Any, x: Any) -> Any:
        table = [
            {"a": 1.0, "b": jnp.arange(2)},
            {"a": 2.0, "b": jnp.arange(2) + 5},
            {"a": 5.0, "b": jnp.ones(2, int)},
        ]
        numbers = [1.0, 2.0, 3.0]
        numbers[i] += x
        found = table[i]
        return found["a"], found["b"], numbers, (10, 20, 30)[i], np.array([7.0, 8.0, 9.0])[i]

    a, b, numbers, c, d = looked_up(1, 10.0)
    assert (float(a), float(c), float(d)) == (2.0, 20.0, 8.0)
    np.testing.assert_array_equal(b, [5, 6])
    np.testing.assert_array_equal(numbers, [1.0, 12.0, 3.0])
    np.testing.assert_array_equal(looked_up(-1, 1.0)[2], [1.0, 2.0, 4.0])
    with pytest.raises(TypeError, match="lax.switch"):
        jitney.jit(lambda i, x: [jnp.sin, jnp.cos][i](x))(0, 1.0)
    with pytest.raises(TypeError, match="different shapes"):
        jitney.jit(lambda i: [jnp.ones(2), jnp.ones(3)][i])(0)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "max": lambda x, y: max(x, y, 0.5),
    "min of a list": lambda x, y: min([x, y, 9.0]),
    "max by key": lambda x, y: max(x, y, key=lambda v: -v),
    "any": lambda x, y: any(v > 3 for v in (x, y)),
    "all": lambda x, y: all([x > 0, y > 0]),
    "sorted": lambda x, y: sorted([x, y, 1.0], reverse=True),
    "int": lambda x, y: int(-x) + int(y),
    "float": lambda x, y: float(x) + float(3),
    "bool": lambda x, y: bool(x) + 0.0,
    "round": lambda x, y: (round(x), round(y, 1)),
    "math": lambda x, y: math.sin(x) + math.atan2(y, x) + math.log(y, 2) + math.floor(x) + math.hypot(x, y),
    "range of an int": lambda x, y: sum_up(int(y)),
}


def sum_up(n: Any) -> Any:
    total = 0
    for i in range(int(n)):
        total += i
    return total


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_python(name: str) -> None:
    fun = FUNCTIONS[name]
    for x, y in ((1.26, 4.5), (2.5, 0.75), (0.3, 3.0)):
        got, wanted = jitney.jit(fun)(x, y), fun(x, y)
        for a, b in zip(jitney.tree.leaves(got), jitney.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


def test_their_derivatives() -> None:
    assert float(jitney.grad(jitney.jit(lambda x: max(x, 2.0) * math.exp(x)))(3.0)) == pytest.approx(
        4 * math.exp(3)
    )
    assert float(jitney.grad(jitney.jit(lambda x: max(x, 2.0)))(1.0)) == 0.0


def shown(fun: Callable[..., Any], *args: Any) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        jitney.tree.map(np.asarray, fun(*args))
    return text.getvalue()


def test_prints_show_the_values_of_each_run() -> None:
    @jitney.jit
    def talks(x: Any, n: Any) -> Any:
        y = x * 2
        print("start")
        print(f"y = {y:.2f}", "all:", [x, y], sep=" | ", end=";\n")
        if x > 1:
            print("large", x)
        for i in range(n):
            print(i, end=" ")
        return y

    assert (
        shown(talks, 1.5, 2)
        == "start\ny = 3.00 | all: | [Array(1.5, dtype=float64), Array(3., dtype=float64)];\nlarge 1.5\n0 1 "
    )
    assert shown(talks, 0.5, 0).startswith("start\ny = 1.00")
    assert "large" not in shown(talks, 0.5, 0)


def test_prints_of_functions_that_are_called() -> None:
    def helper(x: Any) -> Any:
        print("helper", x)
        return x + 1

    f = jitney.jit(lambda x: helper(x) * 2)
    assert shown(f, 1.0).endswith("helper 1.0\n")  # Python has written a line by the time that it is noticed
    assert shown(f, 2.0) == "helper 2.0\n"


def test_prints_and_asserts_under_a_condition_are_kept() -> None:
    @jitney.jit
    def checked(x: Any) -> Any:
        if x > 0:
            assert x < 5, "too large"
        return x

    assert float(checked(-9.0)) == -9.0
    with pytest.raises(AssertionError, match="too large"):
        checked(9.0)


@jitney.jit
def matched(x: Any, y: Any) -> Any:
    match x:
        case 0:
            out = 10.0
        case 1 | 2:
            return 20.0 + y
        case n if n > 5:
            out = n * 1.0
        case _:
            out = -1.0
    match (x, y):
        case (3, b):
            out = out + b
        case _:
            pass
    return out


def test_match() -> None:
    assert [float(matched(x, 0.5)) for x in (0, 1, 2, 3, 7)] == [10.0, 20.5, 20.5, -0.5, 7.0]

    def of_classes(x: Any) -> Any:
        match x:
            case 0:
                return 1.0
            case complex():
                return 2.0
        return 3.0

    with pytest.raises(TypeError) as caught:
        jitney.jit(of_classes)(1)
    assert "class pattern" in str(caught.value)


def test_jumps_out_of_with() -> None:
    @jitney.jit
    def returns(x: Any) -> Any:
        with contextlib.nullcontext():
            if x > 0:
                return x
            y = -x
        return y + 100

    @jitney.jit
    def always(x: Any) -> Any:
        with contextlib.nullcontext():
            if x > 0:
                return x
            return 2 * x

    @jitney.jit
    def loops(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            with jitney.named_scope("step"):
                if x[i] < 0:
                    break
                if x[i] > 100:
                    continue
                total += x[i]
        return total

    assert [float(returns(v)) for v in (1.0, -1.0)] == [1.0, 101.0]
    assert [float(always(v)) for v in (1.0, -1.0)] == [1.0, -2.0]
    assert float(loops(np.array([1.0, 200.0, 3.0, -1.0, 5.0]))) == 4.0


# -- long loops ------------------------------------------------------------------------------------------


def equations(fun: Callable[..., Any], *args: Any) -> int:
    jitney.jit(fun)(*args)
    return len(jitney.make_jaxpr(fun)(*args).eqns)


def test_long_loops_over_known_ranges_are_loops_of_the_program() -> None:
    def recurrence(steps: Any) -> Any:
        path = np.zeros(len(steps) + 1)
        last = 0.0
        for i in range(len(steps)):
            path[i + 1] = 0.9 * path[i] + steps[i]
            if i % 2 == 0:
                last = path[i + 1] * 2
        return path, last, i

    steps = np.sin(np.arange(3000.0))
    path, last, i = jitney.jit(recurrence)(steps)
    wanted = recurrence(steps)
    np.testing.assert_allclose(path, wanted[0], rtol=1e-12)
    assert float(last) == pytest.approx(wanted[1]) and int(i) == 2999
    assert equations(recurrence, steps) < 40


def test_long_loops_over_numbered_items_are_loops_of_the_program() -> None:
    def filtered(x: Any, weights: Any) -> Any:
        out = np.zeros(len(x))
        for i, (v, w) in enumerate(zip(x, weights, strict=False)):
            out[i] = v * w if i < 1 else 0.5 * out[i - 1] + v * w
        for i in reversed(range(len(x) - 1)):
            out[i] += 0.5 * out[i + 1]
        for v in enumerate(weights[:3]):
            out[v[0]] += v[1]
        return out

    x, weights = np.sin(np.arange(900.0)), np.cos(np.arange(800.0))
    np.testing.assert_allclose(jitney.jit(filtered)(x, weights), filtered(x, weights), rtol=1e-10, atol=1e-12)
    assert equations(filtered, x, weights) < 60
    np.testing.assert_allclose(
        jitney.jit(lambda x: filtered(x, weights))(x), filtered(x, weights), rtol=1e-10, atol=1e-12
    )


def test_arrays_of_numpy_are_changed_where_the_condition_holds() -> None:
    """Also where neither the place nor the value is traced."""

    def branches(x: Any) -> Any:
        a, b, table = np.zeros(3), np.zeros(3), np.zeros((2, 2))
        if x > 1:
            a[0] = 1
            b += 2
            table[0][1] = 5
        if x > 5:
            a[1] = 1
        else:
            for k in range(1, 3):
                a[k] += k
        return a, b, table

    def counted(x: Any) -> Any:
        counts = np.zeros(len(x), dtype=int)
        for i in range(len(x)):
            v = x[i]
            while v > 1:
                v = v / 2
                counts[i] += 1
        return counts

    def inside(x: Any) -> Any:
        total = x
        if x > 1:
            own = np.ones(2)
            own[0] = 5
            own *= 2
            total = total + own.sum()
        return total

    for x in (0.0, 2.0, 7.0):
        for got, wanted in zip(jitney.jit(branches)(x), branches(x), strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert float(jitney.jit(inside)(x)) == inside(x)
    lengths = np.array([0.5, 3.0, 20.0])
    np.testing.assert_array_equal(jitney.jit(counted)(lengths), counted(lengths))
    np.testing.assert_array_equal(
        jitney.vmap(jitney.jit(counted))(np.stack([lengths, 9 * lengths]))[1], counted(9 * lengths)
    )


class Keeper:
    def __init__(self) -> None:
        self.seen: list[int] = []
        self.array = np.zeros(2)

    def listed(self, x: Any) -> Any:
        if x > 1:
            self.seen.append(1)
        return x * len(self.seen)

    def assigned(self, x: Any) -> Any:
        if x > 1:
            self.array[0] = 1
        return x * self.array


def test_what_objects_hold_is_not_changed_in_every_case() -> None:
    def filled(x: Any) -> Any:
        a = np.zeros(3)
        if x > 1:
            a.fill(3)
        else:
            a[0] = 1
        return a

    outer = np.zeros(2)

    def outside(x: Any) -> Any:
        if x > 1:
            outer[0] = 1
        return outer + x

    for program in (Keeper().listed, Keeper().assigned, filled, outside):
        with pytest.raises(TypeError, match="is changed .*under a condition .*in every case"):
            jitney.jit(program)(0.0)


def test_loops_around_loops_of_the_program_are_some_too() -> None:
    def halvings(x: Any) -> Any:
        counts = np.zeros(x.shape, dtype=int)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                v = x[i, j]
                while v > 1:
                    v = v / 2
                    counts[i, j] += 1
        return counts

    x = np.arange(63.0).reshape(7, 9) ** 3
    np.testing.assert_array_equal(jitney.jit(halvings)(x), halvings(x))
    assert equations(halvings, x) < 120
    np.testing.assert_array_equal(jitney.jit(jitney.vmap(halvings))(np.stack([x, x + 9]))[1], halvings(x + 9))


def test_rows_and_columns() -> None:
    def products(x: Any) -> Any:
        table = jnp.zeros((40, 50))
        for i in range(40):
            for j in range(50):
                k = (i + j) % 50
                table[i, k] = x[i] * x[j]
        return table

    x = np.arange(50.0)
    wanted = np.zeros((40, 50))
    for i in range(40):
        for j in range(50):
            wanted[i, (i + j) % 50] = x[i] * x[j]
    np.testing.assert_array_equal(jitney.jit(products)(x), wanted)


def test_steps_that_python_must_know_are_written_out() -> None:
    def prefixes(x: Any) -> Any:
        out, seen = jnp.zeros(40), 0
        for i in range(40):
            out[i] = x[: i + 1].sum()
            seen += 1
        return out, jnp.zeros(seen)

    x = np.arange(40.0)
    sums, zeros = jitney.jit(prefixes)(x)
    np.testing.assert_allclose(sums, np.cumsum(x))
    assert zeros.shape == (40,)


def test_a_break_leaves_a_known_range() -> None:
    def root(a: Any) -> Any:
        x = a
        for _ in range(60):
            step = (x * x - a) / (2 * x)
            x = x - step
            if abs(step) < 1e-13:
                break
        return x

    assert equations(root, 2.0) < 20
    assert float(jitney.jit(root)(2.0)) == pytest.approx(math.sqrt(2.0), rel=1e-15)
    assert float(jitney.grad(jitney.jit(root))(2.0)) == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-12)


def test_steps_behind_a_break_that_python_must_know() -> None:
    def correlated(x: Any) -> Any:
        total = 1.0
        for lag in range(1, 6):
            share = (x[:-lag] @ x[lag:]) / (x @ x)
            if share < 0.2:
                break
            total += 2 * share
        return total, lag

    for x in (np.ones(12), np.cos(np.arange(12.0)), np.cos(np.arange(12.0) / 3)):
        np.testing.assert_allclose(jitney.jit(correlated)(x), correlated(x), rtol=1e-12)


def test_an_error_elsewhere_writes_no_loop_out_for_good() -> None:
    def filled(x: Any, other: Any) -> Any:
        a = jnp.zeros(10)
        for i in range(500):
            a[i % 10] += x
        return a + other

    with pytest.raises(TypeError, match="broadcast"):
        jitney.jit(filled)(1.0, np.zeros(3))
    assert equations(filled, 1.0, np.zeros(10)) < 20

    def many(x: Any) -> Any:
        a = jnp.zeros(10)
        for i in range(10**9):
            a[i % 10] += x
        return a + np.zeros(3)

    with pytest.raises(TypeError, match="broadcast"):  # soon
        jitney.jit(many)(1.0)


def test_conditions_inside_of_comprehensions_and_assignments_in_conditions() -> None:
    def folded(x: Any) -> Any:
        return sum([a if a > 0 else -a for a in x])

    def counted(x: Any) -> Any:
        i = 0
        while (rest := x - i) > 0.5:
            i += 1
        return rest, i

    assert float(jitney.jit(folded)(np.array([1.0, -2.0]))) == 3.0
    for x in (3.2, 0.1):
        np.testing.assert_allclose(jitney.jit(counted)(x), counted(x))


# -- programs as people write them ------------------------------------------------------------------------


def life(grid: Any, generations: Any) -> Any:
    """Conway's game on the inside of a grid."""
    old = np.array(grid)
    for _ in range(generations):
        new = np.zeros_like(old)
        for i in range(1, 5):
            for j in range(1, 5):
                around = old[i - 1 : i + 2, j - 1 : j + 2].sum() - old[i, j]
                if old[i, j] == 1 and (around == 2 or around == 3):
                    new[i, j] = 1
                elif old[i, j] == 0 and around == 3:
                    new[i, j] = 1
        old = new
    return old


def bubble_sort(x: Any) -> Any:
    x = x.copy()
    for i in range(len(x)):
        for j in range(len(x) - 1 - i):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
    return x


def runge_kutta(start: Any, h: Any) -> Any:
    y = np.zeros((101, 2))
    y[0] = start
    slope = lambda y: np.array([y[1], -y[0]])
    for i in range(100):
        k1 = slope(y[i])
        k2 = slope(y[i] + h / 2 * k1)
        k3 = slope(y[i] + h / 2 * k2)
        k4 = slope(y[i] + h * k3)
        y[i + 1] = y[i] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def tridiagonal(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Thomas's algorithm."""
    n = len(d)
    upper, right, x = np.zeros(n), np.zeros(n), np.zeros(n)
    upper[0], right[0] = c[0] / b[0], d[0] / b[0]
    for i in range(1, n):
        pivot = b[i] - a[i] * upper[i - 1]
        upper[i] = c[i] / pivot
        right[i] = (d[i] - a[i] * right[i - 1]) / pivot
    x[-1] = right[-1]
    for i in range(n - 2, -1, -1):
        x[i] = right[i] - upper[i] * x[i + 1]
    return x


def knapsack(weights: Any, values: Any, room: Any) -> Any:
    best = np.zeros(51)
    for i in range(len(weights)):
        for c in range(50, -1, -1):
            if c >= weights[i]:
                best[c] = max(best[c], best[c - weights[i]] + values[i])
    return best[room]


BLINKER = np.zeros((6, 6))
BLINKER[2, 1:4] = 1
BAND = np.random.default_rng(0).normal(size=(4, 60)) * 0.1 + np.array([0, 2, 0, 0])[:, None]
ALGORITHMS: dict[str, tuple[Callable[..., Any], tuple]] = {
    "life": (life, (BLINKER, 3)),
    "bubble sort": (bubble_sort, (np.array([3.0, 1, 2, 5, 4, 0]),)),
    "Runge-Kutta": (runge_kutta, (np.array([1.0, 0.0]), 0.05)),
    "tridiagonal": (tridiagonal, tuple(BAND)),
    "knapsack": (knapsack, (np.array([10, 20, 30]), np.array([60.0, 100, 120]), 50)),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms(name: str) -> None:
    fun, args = ALGORITHMS[name]
    wanted = fun(*args)
    np.testing.assert_allclose(jitney.jit(fun)(*args), wanted, rtol=1e-12, atol=1e-14)


def test_derivative_of_an_algorithm() -> None:
    end = jitney.grad(lambda h: jitney.jit(runge_kutta)(np.array([1.0, 0.0]), h)[-1, 0])
    assert float(end(0.05)) == pytest.approx(-100 * np.sin(5.0), rel=1e-5)


# -- arrays of NumPy's ------------------------------------------------------------------------------------


def _fill(y: Any, x: Any) -> Any:
    y[0] = x
    return y


def _rows(y: Any, x: Any) -> None:
    for row in y:
        row[0] = x


def _kept(x: Any) -> Any:
    y = np.zeros(3)
    for i in range(3):
        y[i] = x * i
    return y


def _reassigned(x: Any) -> Any:
    y = np.zeros(3)
    y = _fill(y, x)
    return y * 2


def _without_a_name(x: Any) -> Any:
    return _fill(np.zeros(3), x) + 1


def _no_more_read(x: Any) -> Any:
    y = np.zeros(6).reshape(2, 3)
    z = y
    y[0, 0] = x
    z = y.sum()
    return y, z


def _elsewhere(x: Any) -> Any:
    y = np.zeros(4)
    head, tail = y[:2], y[2:]
    head[0] = x
    return head, tail


def _of_a_list(x: Any) -> Any:
    ys = [np.zeros(2), np.ones(2)]
    for i in range(2):
        ys[i][0] += x
    return ys


def _in_a_branch(x: Any) -> Any:
    y = np.zeros(2)
    if x > 1:
        y[0] = x
    else:
        y[1] = x
    return y


@pytest.mark.parametrize(
    "fun", [_kept, _reassigned, _without_a_name, _no_more_read, _elsewhere, _of_a_list, _in_a_branch]
)
def test_an_array_of_numpys_that_nobody_else_shows(fun: Callable[..., Any]) -> None:
    for a, b in zip(jitney.tree.leaves(jitney.jit(fun)(1.5)), jitney.tree.leaves(fun(1.5)), strict=True):
        np.testing.assert_array_equal(a, b)


_MODULE = np.zeros(3)


def _read_later(x: Any) -> Any:
    y = np.zeros(3)
    _fill(y, x)
    return jnp.sum(y)


def _read_in_the_next_round(x: Any) -> Any:
    y, total = np.zeros(3), 0.0
    for _ in range(2):
        total += y[0]
        _fill(y, x)
    return total


def _under_another_name(x: Any) -> Any:
    y = np.zeros(3)
    z = y
    y[0] = x
    return y, z


def _in_a_view(x: Any) -> Any:
    y = np.zeros((2, 3))
    _rows(y, x)
    return y


def _of_a_view(x: Any) -> Any:
    y = np.zeros(4)
    head = y[:2]
    y += x
    return y, head


def _in_a_list(x: Any) -> Any:
    ys = [np.zeros(3)]
    _fill(ys[0], x)
    return ys


def _of_the_module(x: Any) -> Any:
    return _fill(_MODULE, x)


@pytest.mark.parametrize(
    ("fun", "name"),
    [
        (_read_later, "y"),
        (_read_in_the_next_round, "y"),
        (_under_another_name, "z"),
        (_in_a_view, "y"),
        (_of_a_view, "head"),
        (_in_a_list, "ys"),
        (_of_the_module, "_MODULE"),
    ],
)
def test_an_array_of_numpys_that_another_name_shows(fun: Callable[..., Any], name: str) -> None:
    with pytest.raises(TypeError, match=f"and {name} is .or has. the same memory"):
        jitney.jit(fun)(1.5)


# -- what is a view in NumPy, and what is a copy ----------------------------------------------------------

VIEWS = """a[0]; a[:, 1:]; a[..., None]; a.T; a.reshape(6); a.ravel(); a.transpose(1, 0); a.swapaxes(0, 1); a.squeeze(); a.diagonal()
a.view(jnp.int64); jnp.ravel(a); jnp.reshape(a, (3, 2)); jnp.reshape(a=a, shape=(2, 3)); jnp.transpose(a); jnp.swapaxes(a, 0, 1)
jnp.moveaxis(a, 0, 1); jnp.squeeze(a); jnp.expand_dims(a, 0); jnp.broadcast_to(a, (4, 2, 3)); jnp.atleast_1d(a); jnp.atleast_3d(a)
jnp.flip(a); jnp.fliplr(a); jnp.rot90(a); jnp.diagonal(a); jnp.split(a, 2)[0]; jnp.hsplit(a, 3)[0]; jnp.unstack(a)[0]
jnp.broadcast_arrays(a, a)[0]; jnp.asarray(a); jnp.real(a); a.conj(); np.ravel(a); np.swapaxes(a, 0, 1)"""
COPIES = """+a; a.copy(); a.astype(float); a.flatten(); a * 1; a**1; a - 0; a / 1; a.round(); jnp.array(a); jnp.copy(a); jnp.positive(a)
jnp.tile(a, 2); jnp.repeat(a, 1); jnp.roll(a, 0); jnp.conj(a); jnp.abs(a); jnp.clip(a, -9, 9); jnp.where(True, a, 0.0); jnp.pad(a, 0)
jnp.stack([a]); jnp.take(a, 0, axis=0); jnp.sort(a); jnp.triu(a); jnp.sum(a, ()); jnp.floor(a); a[[0, 1]]; a[jnp.array([0])]
jnp.fft.fftshift(a); jnp.vstack([a, a]); jnp.minimum(a, a); jnp.nan_to_num(a); jnp.maximum(a, -jnp.inf)"""


def _listed(expressions: str) -> list[str]:
    return [part.strip() for line in expressions.splitlines() for part in line.split(";")]


def _made(tmp_path: Any, expression: str) -> Any:
    """The function, read from a file, as its source must be found."""
    path = tmp_path / "program.py"
    path.write_text(
        "import numpy as np\nimport jitney.numpy as jnp\n"
        f"def outer(x):\n    a = jnp.zeros((2, 3))\n    b = {expression}\n    a[0, 0] = x\n    return a, b\n"
        f"def inner(x):\n    a = jnp.zeros((2, 3))\n    b = {expression}\n    b[:] = x\n    return a\n"
    )
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names


@pytest.mark.parametrize("expression", _listed(VIEWS))
def test_views_become_stale(tmp_path: Any, expression: str) -> None:
    made = _made(tmp_path, expression)
    for fun in (made["outer"], made["inner"]):
        with pytest.raises(TypeError, match="was changed at"):
            jitney.jit(fun)(2.0)


@pytest.mark.parametrize("expression", _listed(COPIES))
def test_copies_stay(tmp_path: Any, expression: str) -> None:
    made = _made(tmp_path, expression)
    got = jitney.jit(made["outer"])(2.0)
    wanted = made["outer"]
    wanted = type(wanted)(wanted.__code__, {"jnp": np, "np": np})(2.0)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_concrete_arrays_that_another_name_shows() -> None:
    kept = jnp.zeros(3)

    def of_closure(x: Any) -> Any:
        a = kept
        a[0] = x
        return a + kept

    def of_two_names(x: Any) -> Any:
        a = jnp.asarray(np.zeros(3))
        b = a
        a[0] = x
        return a + b

    def copied(x: Any) -> Any:
        a = kept.copy()
        a[0] = x
        return a + kept

    for fun, name in ((of_closure, "kept"), (of_two_names, "b")):
        with pytest.raises(TypeError, match=f"and {name} is .or has. the same memory"):
            jitney.jit(fun)(2.0)
    assert jitney.jit(copied)(2.0).tolist() == [2.0, 0.0, 0.0]
