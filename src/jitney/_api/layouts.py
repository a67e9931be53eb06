"""Descriptions of memory layouts: rows lie one after the other, whatever is asked for."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import as_array
from jitney._core import tree
from jitney._core.trace import get_aval


class _Auto:
    """Stands for: as the compiler likes."""

    def __repr__(self) -> str:
        return "AutoLayout"


class Layout:
    """The order of an array's axes in memory, the slowest first.

    Example:
        >>> from jitney.experimental.layout import Layout
        >>> Layout((0, 1)).major_to_minor
        (0, 1)
    """

    __slots__ = ("major_to_minor", "sub_byte_element_size_in_bits", "tiling")
    AUTO = _Auto()

    def __init__(
        self,
        major_to_minor: tuple[int, ...],
        tiling: tuple[tuple[int, ...], ...] | None = None,
        sub_byte_element_size_in_bits: int = 0,
    ) -> None:
        self.major_to_minor = tuple(major_to_minor)
        self.tiling = tiling
        self.sub_byte_element_size_in_bits = sub_byte_element_size_in_bits

    def update(self, **kwargs: Any) -> Layout:
        """A copy with some properties replaced."""
        return Layout(**{name: kwargs.get(name, getattr(self, name)) for name in self.__slots__})

    def check_compatible_aval(self, aval_shape: tuple[int, ...]) -> None:
        """Raise ValueError if an array of shape ``aval_shape`` has another number of axes."""
        if len(self.major_to_minor) != len(aval_shape):
            raise ValueError(
                f"Length of major_to_minor and the rank of the value should match. Got major_to_minor="
                f"{self.major_to_minor} and shape={tuple(aval_shape)}"
            )

    def _key(self) -> tuple:
        return self.major_to_minor, self.tiling, self.sub_byte_element_size_in_bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"Layout(major_to_minor={self.major_to_minor}, tiling={self.tiling}, "
            f"sub_byte_element_size_in_bits={self.sub_byte_element_size_in_bits})"
        )


class Format:
    """How an array lies in memory (a ``Layout``) and on devices (a sharding)."""

    __slots__ = ("layout", "sharding")

    def __init__(self, layout: Any = None, sharding: Any = None) -> None:
        self.layout = layout
        self.sharding = sharding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and (self.layout, self.sharding) == (other.layout, other.sharding)

    def __hash__(self) -> int:
        return hash((self.layout, self.sharding))

    def __repr__(self) -> str:
        return f"Format(layout={self.layout}, sharding={self.sharding})"


def rows(ndim: int, sharding: Any) -> Format:
    """The format that every array of ``ndim`` axes has."""
    return Format(Layout(tuple(range(ndim)), ()), sharding)


def with_layout_constraint(x: Any, layouts: Any) -> Any:
    """``x``, asked to lie in memory as ``layouts`` says: ``x`` itself, rows lie one after the other.

    Raises:
        ValueError: a layout has another number of axes than its array.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney.experimental.layout import Layout, with_layout_constraint
        >>> with_layout_constraint(jnp.ones(2), Layout((0,)))
        Array([1., 1.], dtype=float64)
    """
    leaves, treedef = tree.flatten(x)
    each = [layouts] * len(leaves) if isinstance(layouts, Layout) else treedef.flatten_up_to(layouts)
    for leaf, layout in zip(leaves, each, strict=True):
        if not isinstance(layout, Layout):
            raise ValueError(f"with_layout_constraint needs a Layout for each leaf, got {layout!r}.")
        layout.check_compatible_aval(get_aval(leaf).shape)
    return tree.map(as_array, x)
