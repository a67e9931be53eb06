"""The stages of compilation as objects: ``jit(f).trace(x).lower().compile()``."""

from __future__ import annotations

from typing import Any

from jitney._control.jit import executable
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr


class ShapeDtypeStruct:
    """Shape and dtype of an array without its values."""

    __slots__ = ("dtype", "shape", "sharding", "weak_type")

    def __init__(self, shape: Any, dtype: Any, *, sharding: Any = None, weak_type: bool = False) -> None:
        from jitney._base.dtypes import as_dtype

        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape = tuple(shape)
        self.dtype = as_dtype(dtype)
        self.sharding = sharding
        self.weak_type = weak_type

    @property
    def aval(self) -> ShapedArray:
        return ShapedArray(self.shape, self.dtype, self.weak_type)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    def __len__(self) -> int:
        return len(self.aval)

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self.aval == other.aval

    def __hash__(self) -> int:
        return hash(self.aval)


def out_info(closed: ClosedJaxpr, out_tree: Any) -> Any:
    return tree.unflatten(
        out_tree, [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in closed.out_avals]
    )


class Traced:
    """A function traced for one signature; ``jaxpr`` is its program."""

    def __init__(
        self,
        jaxpr: ClosedJaxpr,
        out_tree: Any,
        in_tree: Any,
        name: str,
        static_nums: frozenset,
        static_names: frozenset,
    ) -> None:
        self.jaxpr = jaxpr
        self.out_tree = out_tree
        self.in_tree = in_tree
        self.fun_name = name
        self.static_nums = static_nums
        self.static_names = static_names

    @property
    def out_info(self) -> Any:
        return out_info(self.jaxpr, self.out_tree)

    def lower(self, **_: Any) -> Lowered:
        return Lowered(self)


class Lowered:
    """A traced function before machine code; ``as_text()`` shows its jaxpr."""

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.out_tree = traced.out_tree
        self.in_tree = traced.in_tree
        self.out_info = traced.out_info

    def as_text(self, dialect: str | None = None, **_: Any) -> str:
        return str(self.traced.jaxpr)

    def compile(self, *_: Any, **__: Any) -> Compiled:
        return Compiled(self.traced)


class Compiled:
    """A native program for one signature; call it with the dynamic arguments."""

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.executable = executable(traced.jaxpr)
        self.out_tree = traced.out_tree
        self.in_tree = traced.in_tree
        self.out_info = traced.out_info

    def as_text(self) -> str:
        return str(self.traced.jaxpr)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from jitney._core.trace import get_aval

        leaves, in_tree = tree.flatten((args, {k: kwargs[k] for k in sorted(kwargs)}))
        if in_tree != self.in_tree:
            raise TypeError(
                f"Compiled {self.traced.fun_name} was lowered for arguments {self.in_tree}, but was called with {in_tree}."
            )
        want = [a.strip_weak_type() for a in self.traced.jaxpr.in_avals]
        have = [get_aval(x).strip_weak_type() for x in leaves]
        if have != want:
            shown = ", ".join(
                f"{h.str_short()} (wants {w.str_short()})" for h, w in zip(have, want, strict=True) if h != w
            )
            raise TypeError(
                f"Compiled {self.traced.fun_name} was called with arguments of another type: {shown}."
            )
        return tree.unflatten(self.out_tree, self.executable.execute(leaves))
