"""What a ``for`` statement goes through where the item of a step can be told by its number: ranges, arrays, and
``reversed``, ``enumerate`` and ``zip`` of them. Such a loop can be one of the program."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._base.config import config
from jitney._base.errors import TracerIntegerConversionError
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._flow.assigning import element


class TracedRange:
    """``range`` of bounds that are traced."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step

    def __len__(self) -> int:
        raise TypeError("the length of a traced range is not known")

    def __iter__(self) -> Any:
        raise TypeError("a traced range can be looped over by a `for` statement only")

    def count(self) -> Any:
        """Its length, traced."""
        return jnp.maximum(-((self.start - self.stop) // self.step), 0)

    def item(self, number: Any) -> Any:
        return self.start + number * self.step

    def reversed(self) -> TracedRange:
        return TracedRange(self.item(self.count() - 1), self.start - self.step, -self.step)


class Numbered:
    """Items by their numbers; ``plain`` gives them to Python, None where their count is traced."""

    def __init__(self, count: Any, item: Callable[[Any], Any], plain: Any) -> None:
        self.count, self.item, self.plain = count, item, plain

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return iter(self.plain)


# What loops of the program go through; others of known items are written out.
COUNTED = (range, Tracer, Numbered)


def numbered(items: Any) -> Numbered | None:
    """The items by their numbers, if they can be told so."""
    if isinstance(items, Numbered):
        return items
    if isinstance(items, TracedRange):
        return Numbered(items.count(), items.item, None)
    if isinstance(items, range):
        return Numbered(len(items), lambda number: items.start + number * items.step, items)
    if isinstance(items, (Tracer, ArrayImpl, np.ndarray)) and get_aval(items).ndim:
        return Numbered(get_aval(items).shape[0], lambda number: element(items, number), items)
    return None


def rest(items: Any, number: int) -> tuple[TracedRange, Callable[[Any], Any]]:
    """The steps from ``number`` on as a traced range, and the item of a step."""
    if isinstance(items, range):
        return TracedRange(items[number], items.stop, items.step), lambda i: i
    found = numbered(items)
    return TracedRange(number, found.count, 1), found.item  # type: ignore[union-attr]


# -- Python's functions, in the head of a loop ------------------------------------------------------------


def range_(kind: Any, *args: Any) -> Any:
    try:
        return kind(*args)
    except TracerIntegerConversionError:
        if not config.jitney_python_control_flow or kind is not range:
            raise
    start, stop, step = {1: (0, *args, 1), 2: (*args, 1), 3: args}[len(args)]
    return TracedRange(start, stop, step)


def reversed_(kind: Any, *args: Any) -> Any:
    if kind is builtins.reversed and len(args) == 1:
        if isinstance(args[0], TracedRange):
            return args[0].reversed()
        if isinstance(args[0], (range, Tracer)):
            return args[0][::-1]  # type: ignore[index]
    return kind(*args)


def enumerate_(kind: Any, *args: Any, **options: Any) -> Any:
    found = numbered(args[0]) if kind is builtins.enumerate and args else None
    if found is None:
        return kind(*args, **options)
    start = args[1] if len(args) > 1 else options.get("start", 0)
    plain = None if found.plain is None else enumerate(found.plain, start)
    return Numbered(found.count, lambda number: (number + start, found.item(number)), plain)


def zip_(kind: Any, *args: Any, **options: Any) -> Any:
    columns: list[Any] = [numbered(x) for x in args]
    if kind is not builtins.zip or None in columns or not columns or options.keys() - {"strict"}:
        return kind(*args, **options)
    known = all(column.plain is not None for column in columns)
    if options.get("strict") and not (known and len({column.count for column in columns}) == 1):
        return kind(*args, **options)
    count: Any = columns[0].count
    for column in columns[1:]:
        count = min(count, column.count) if known else jnp.minimum(count, column.count)
    plain = zip(*[column.plain for column in columns], strict=False) if known else None
    return Numbered(count, lambda number: tuple([column.item(number) for column in columns]), plain)
