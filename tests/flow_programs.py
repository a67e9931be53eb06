"""Functions with Python's control flow, as users write them: each is run as it is, and compiled, on the same arguments."""

from __future__ import annotations

from typing import Any

import jitney.numpy as jnp


def branches(x: Any) -> Any:
    if x > 0:
        y = 2 * x
    else:
        y = 0.0
    return y


def guards(x: Any) -> Any:
    if x > 3:
        return x
    elif x > 1:
        return -x
    return 0.0


def partial_guard(x: Any, y: Any) -> Any:
    if x > 0:
        if y > 0:
            return x + y
        x = x * 10
    z = x + 1
    return z * y


def add_loop(a: Any, b: Any) -> Any:
    for i in range(b):
        a = a + i
    return a


def steps(n: Any) -> Any:
    total = 0
    for i in range(n, 0, -2):
        total = total + i
    for j in range(2, n):
        total += j * j
    return total


def halvings(x: Any) -> Any:
    n = 0
    while x > 1:
        x = x / 2
        n += 1
    return n


def chained(x: Any) -> Any:
    return 1.0 if 0 < x < 5 else 2.0


def words(x: Any, y: Any) -> Any:
    if x > 0 and not y > 3 or x < -5:
        return 1.0
    return 0.0


def loop_with_else(n: Any) -> Any:
    s = 0
    for i in range(n):
        if i % 2 == 0:
            continue
        if i > 7:
            break
        s += i
    else:
        s = s + 1000
    return s


def while_with_else(n: Any) -> Any:
    k = 2
    while k < n:
        if n % k == 0:
            break
        k += 1
    else:
        return 1
    return 0


def first_large(x: Any) -> Any:
    for i in range(5):
        if x[i] > 2:
            return i
    return -1


def first_large_of_array(x: Any) -> Any:
    found = 0.0
    for value in x:
        if value > 2:
            found = value
            break
    return found


def endless(n: Any) -> Any:
    i = 0
    while True:
        i += 1
        if i * i > n:
            return i


def nested(n: Any) -> Any:
    t = 0
    for i in range(n):
        for j in range(i):
            if (i + j) % 3 == 0:
                t += j
            if j > 4:
                break
    return t


def nested_return(n: Any) -> Any:
    for i in range(1, n):
        for j in range(1, i):
            if i * i + j * j == 25:
                return i * 10 + j
    return -1


def helper(x: Any) -> Any:
    if x > 0:
        return jnp.sqrt(x)
    return 0.0


def calls(x: Any) -> Any:
    return helper(x) + helper(-x)


absolute = lambda x: x if x > 0 else -x  # noqa: E731


class Model:
    threshold = 3.0

    def method(self, x: Any) -> Any:
        if x > self.threshold:
            return x * self.threshold
        return x


class Child(Model):
    def method(self, x: Any) -> Any:
        base = super().method(x)
        if base > 10:
            base = base - 10
        return base


def closure(k: float) -> Any:
    def inner(x: Any) -> Any:
        if x > k:
            x = x - k
        return x * k

    return inner


def inner_function(x: Any) -> Any:
    def clip(v: Any) -> Any:
        if v > 1:
            return 1.0
        return v

    y = clip(x) + clip(x / 2)
    if y > 1.2:
        scale = lambda v: v * 2  # noqa: E731
        y = scale(y)
    return y


def collatz(n: Any) -> Any:
    count = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        count += 1
    return count


def newton(a: Any) -> Any:
    x = a
    for _ in range(50):
        step = (x * x - a) / (2 * x)
        x = x - step
        if abs(step) < 1e-12:
            break
    return x


def structures(x: Any) -> Any:
    state = {"a": x, "b": (x, 1.0)}
    if x > 2:
        state = {"a": x + 1, "b": (state["b"][0] * 2, 3.0)}
    mode = "fast"
    for i in range(3):
        if x > i:
            mode = "fast"
            state["a"] if False else None
    return state["a"] + state["b"][0] + state["b"][1] + len(mode)


def static_parts(x: Any, flag: bool = True) -> Any:
    out = []
    for k in range(3):
        if flag and k != 1:
            out.append(x * k)
    if x > 0:
        total = sum(out)
    else:
        total = -sum(out)
    return total


def backwards(n: Any, x: Any) -> Any:
    s = 0.0
    for i in reversed(range(n)):
        s = s * 2 + i
    for i in reversed(range(7, n, -3)):
        s = s * 3 - i
    for k, (i, v) in enumerate(zip(range(1, n, 2), x), start=2):
        s += k * i * v
    for v in reversed(x):
        if v > s:
            break
        s += v
    return s


def members(x: Any, codes: Any) -> Any:
    n = 0 if x in codes else 1
    for c in codes:
        if c not in [40, 41] and c > 5:
            n += 10
        elif c in (1, 2) or c in range(1, 30, 7):
            n += 100
    while x not in {0, 1, 4}:
        x, n = x // 2, n + 1000
    return n + (x in [x, 7])


def checked(x: Any) -> Any:
    assert x > 0, "x must be positive"
    return jnp.sqrt(x)


CASES: dict[str, tuple[Any, list[tuple]]] = {
    "branches": (branches, [(2.0,), (-1.0,)]),
    "guards": (guards, [(5.0,), (2.0,), (0.0,)]),
    "partial guard": (partial_guard, [(1.0, 1.0), (1.0, -1.0), (-1.0, 2.0)]),
    "add loop": (add_loop, [(5, 10), (5, 0)]),
    "steps": (steps, [(9,), (0,)]),
    "halvings": (halvings, [(100.0,), (0.5,)]),
    "chained": (chained, [(3.0,), (7.0,), (-1.0,)]),
    "words": (words, [(1.0, 2.0), (1.0, 5.0), (-6.0, 9.0)]),
    "loop with else": (loop_with_else, [(4,), (20,)]),
    "while with else": (while_with_else, [(13,), (15,)]),
    "first large": (first_large, [(jnp.arange(5.0),), (jnp.zeros(5),)]),
    "first large of array": (first_large_of_array, [(jnp.arange(5.0),), (jnp.zeros(5),)]),
    "endless": (endless, [(50,)]),
    "nested": (nested, [(7,), (9,)]),
    "nested return": (nested_return, [(9,), (3,)]),
    "calls": (calls, [(4.0,), (-9.0,)]),
    "lambda": (absolute, [(-4.0,), (4.0,)]),
    "method": (Model().method, [(4.0,), (2.0,)]),
    "super": (Child().method, [(4.0,), (2.0,)]),
    "closure": (closure(2.0), [(5.0,), (1.0,)]),
    "inner function": (inner_function, [(3.0,), (0.3,)]),
    "collatz": (collatz, [(27,), (1,)]),
    "newton": (newton, [(2.0,), (9.0,)]),
    "structures": (structures, [(3.0,), (1.0,)]),
    "static parts": (static_parts, [(3.0,), (-1.0,)]),
    "backwards": (backwards, [(6, jnp.arange(4.0)), (0, jnp.arange(4.0) - 2), (12, jnp.ones(4))]),
    "members": (members, [(37, jnp.array([41, 7, 1, 2, 15])), (2, jnp.array([40, 2, 22, 23, 8]))]),
}
DIFFERENTIABLE = [
    "branches",
    "guards",
    "partial guard",
    "calls",
    "lambda",
    "method",
    "super",
    "closure",
    "newton",
    "inner function",
]
