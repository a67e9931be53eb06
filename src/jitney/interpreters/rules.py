"""Tables of rules: mappings from primitives to the rules that lie in their slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from jitney._core.primitive import Primitive, registry


def _same(rule: Any) -> Any:
    return rule


class RuleTable(MutableMapping):
    """Reads and writes one slot of primitives; rules of another signature are wrapped on both ways.

    Reading gives back the object that was written.
    """

    def __init__(
        self, slot: str, wrap: Callable[[Any], Any] = _same, unwrap: Callable[[Any], Any] = _same
    ) -> None:
        self.slot = slot
        self.wrap = wrap
        self.unwrap = unwrap

    def __getitem__(self, primitive: Primitive) -> Any:
        rule = getattr(primitive, self.slot, None)
        if rule is None:
            raise KeyError(primitive)
        return getattr(rule, "written", {}).get(id(self)) or self.unwrap(rule)

    def __setitem__(self, primitive: Primitive, rule: Any) -> None:
        wrapped = self.wrap(rule)
        if wrapped is not rule:
            wrapped.written = {id(self): rule}
        setattr(primitive, self.slot, wrapped)
        primitive.native = None

    def __delitem__(self, primitive: Primitive) -> None:
        self[primitive]
        setattr(primitive, self.slot, None)

    def __iter__(self) -> Iterator[Primitive]:
        return (p for p in registry.values() if getattr(p, self.slot) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, primitive: object) -> bool:
        return getattr(primitive, self.slot, None) is not None

    def __repr__(self) -> str:
        return f"RuleTable({self.slot!r}, {len(self)} primitives)"
