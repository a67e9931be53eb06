"""The stages of compilation as objects: ``jit(f).trace(x).lower().compile()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitney._api.calls import expose_methods
from jitney._base.config import config
from jitney._base.dtypes import as_dtype
from jitney._control.jit import guarded, jit_p, native
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.trace import Tracer, get_aval, is_array_like

if TYPE_CHECKING:
    from jitney._compiler.listing import Listing


class ShapeDtypeStruct:
    """Shape and dtype of an array without its values.

    Args:
        shape: a sequence of ints.
        dtype: any dtype; it must be given.
        sharding: accepted and kept; there is one device.
        weak_type: whether the dtype gives way to others, as that of a Python scalar.

    Raises:
        ValueError: ``dtype`` is None.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.eval_shape(jnp.sum, jitney.ShapeDtypeStruct((3, 2), "float32"))
        ShapeDtypeStruct(shape=(), dtype=float32)
    """

    __slots__ = ("dtype", "is_ref", "manual_axis_type", "shape", "sharding", "weak_type")

    def __init__(
        self,
        shape: Any,
        dtype: Any,
        *,
        sharding: Any = None,
        weak_type: bool = False,
        manual_axis_type: Any = None,
        is_ref: bool = False,
    ) -> None:
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype: np.dtype = as_dtype(dtype)
        self.sharding = sharding
        self.weak_type = weak_type
        self.manual_axis_type = manual_axis_type
        self.is_ref = is_ref

    @classmethod
    def like(cls, x: Any) -> ShapeDtypeStruct:
        """Shape, dtype and weak type of an array."""
        aval = get_aval(x)
        return cls(aval.shape, aval.dtype, weak_type=aval.weak_type)

    @property
    def format(self) -> Any:
        """Memory layout (not known) and sharding."""
        from jitney._api.layouts import Format

        return Format(None, self.sharding)

    @property
    def aval(self) -> ShapedArray:
        return ShapedArray(self.shape, self.dtype, self.weak_type)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    def update(self, **changes: Any) -> ShapeDtypeStruct:
        """A copy with some of ``shape``, ``dtype``, ``sharding``, ``weak_type`` replaced."""
        unknown = set(changes) - set(self.__slots__)
        if unknown:
            raise TypeError(
                f"ShapeDtypeStruct.update got {sorted(unknown)}, but it can change {sorted(self.__slots__)} only."
            )
        return ShapeDtypeStruct(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def __len__(self) -> int:
        return len(self.aval)

    def __repr__(self) -> str:
        extra = f", sharding={self.sharding}" if self.sharding is not None else ""
        extra += ", weak_type=True" if self.weak_type else ""
        extra += ", is_ref=True" if self.is_ref else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{extra})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and (self.aval, self.sharding, self.is_ref) == (
            other.aval,
            other.sharding,
            other.is_ref,
        )

    def __hash__(self) -> int:
        return hash((self.aval, self.is_ref))


def out_info(closed: ClosedJaxpr, out_tree: Any) -> Any:
    return tree.unflatten(
        out_tree,
        # after the results, a program may return values of references
        [
            ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type)
            for a in closed.out_avals[: out_tree.num_leaves]
        ],
    )


class ArgInfo:
    """What a stage knows of one argument."""

    __slots__ = ("_aval", "donated")

    def __init__(self, aval: ShapedArray, donated: bool) -> None:
        self._aval, self.donated = aval, donated

    def __repr__(self) -> str:
        return f"ArgInfo(_aval={self._aval!r}, donated={self.donated})"

    def __eq__(self, other: object) -> bool:
        return type(other) is ArgInfo and (self._aval, self.donated) == (other._aval, other.donated)

    def __hash__(self) -> int:
        return hash((self._aval, self.donated))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self._aval.dtype


class CompiledMemoryStats(NamedTuple):
    """Bytes that a compiled program and one run of it take."""

    generated_code_size_in_bytes: int
    argument_size_in_bytes: int
    output_size_in_bytes: int
    alias_size_in_bytes: int
    temp_size_in_bytes: int
    host_generated_code_size_in_bytes: int = 0
    host_argument_size_in_bytes: int = 0
    host_output_size_in_bytes: int = 0
    host_alias_size_in_bytes: int = 0
    host_temp_size_in_bytes: int = 0


class Stage:
    """What every stage tells of the function's arguments and results."""

    def __init__(
        self, closed: ClosedJaxpr, in_tree: Any, out_tree: Any, name: str, donated: tuple[bool, ...]
    ) -> None:
        self._closed = closed
        self.in_tree = in_tree
        self.out_tree = out_tree
        self._name = name
        self._donated = donated

    def _following(self, kind: Any) -> Any:
        return kind(self._closed, self.in_tree, self.out_tree, self._name, self._donated)

    @property
    def in_avals(self) -> Any:
        """The types of the dynamic arguments: a pair of positional and keyword arguments."""
        return tree.unflatten(self.in_tree, self._closed.in_avals)

    @property
    def args_info(self) -> Any:
        """What is known of each dynamic argument, as a tree like ``in_avals``."""
        infos = [ArgInfo(a, d) for a, d in zip(self._closed.in_avals, self._donated, strict=True)]
        return tree.unflatten(self.in_tree, infos)

    @property
    def donate_argnums(self) -> tuple[int, ...]:
        """Numbers of the leaves that are donated."""
        return tuple([n for n, donated in enumerate(self._donated) if donated])

    @property
    def out_info(self) -> Any:
        """Shape and dtype of each result."""
        return out_info(self._closed, self.out_tree)

    def _listing(self) -> Listing:
        from jitney._compiler.listing import listing

        return listing(self._closed)


class Traced(Stage):
    """A function traced for one signature."""

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program."""
        return self._closed

    @property
    def fun_name(self) -> str:
        return self._name

    @property
    def out_avals(self) -> Any:
        """The types of the results, as a tree."""
        return tree.unflatten(self.out_tree, self._closed.out_avals)

    def lower(self, *, lowering_platforms: Any = None, _private_parameters: Any = None) -> Lowered:
        """The next stage; platforms are accepted, there is one."""
        return self._following(Lowered)


_LOOPS = ("loops", "stablehlo", "hlo")


@expose_methods
class Lowered(Stage):
    """A traced function before machine code."""

    def as_text(self, dialect: str | None = None, *, debug_info: bool = False) -> str:
        """The program as text: its jaxpr, or with ``dialect="loops"`` the loops that it becomes.

        Other libraries' names of lower forms (``"stablehlo"``, ``"hlo"``) give the loops too.

        Raises:
            ValueError: an unknown dialect.

        Example:
            >>> import jitney
            >>> jitney.jit(lambda x: x + 1).lower(2.0).as_text()
            '{ lambda ; a:f64[]. let b:f64[] = add a 1.0:f64[] in (b,) }'
        """
        return str(self._closed) if dialect in (None, "jaxpr") else self._loops(dialect).loops

    def compiler_ir(self, dialect: str | None = None) -> Any:
        """The same as objects: the ``ClosedJaxpr``, or the loop program."""
        return self._closed if dialect in (None, "jaxpr") else self._loops(dialect).program

    def _loops(self, dialect: Any) -> Listing:
        if dialect not in _LOOPS:
            raise ValueError(
                f"unknown dialect: {dialect}. Known are 'jaxpr' and {', '.join(map(repr, _LOOPS))}."
            )
        return self._listing()

    def cost_analysis(self) -> dict[str, float]:
        """Counts of one run: ``flops``, ``transcendentals`` and ``bytes accessed``. See ``Compiled.cost_analysis``."""
        return self._listing().cost()

    def compile(self, compiler_options: Any = None, *, device_assignment: Any = None) -> Compiled:
        """The native program."""
        return self._following(Compiled)


@expose_methods
class Compiled(Stage):
    """A native program for one signature; call it with the dynamic arguments.

    Raises:
        TypeError: arguments of another structure, shape or dtype, or traced ones.

    Example:
        >>> import jitney
        >>> f = jitney.jit(lambda x, n: x * n, static_argnums=1).lower(2.0, 3).compile()
        >>> float(f(5.0))
        15.0
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        has_guards = guard_effect in self._closed.effects
        self._executable = guarded(self._closed) if has_guards else native(self._closed)

    def __reduce__(self) -> tuple:
        return Compiled, (self._closed, self.in_tree, self.out_tree, self._name, self._donated)

    def as_text(self) -> str:
        """The LLVM module."""
        return self._listing().llvm

    def cost_analysis(self) -> dict[str, float]:
        """Counts of one run, taken from the program's loops.

        ``flops``: floating-point operations; ``transcendentals``: calls of functions such as ``exp``; ``bytes accessed``: bytes
        loaded and stored. A ``while`` counts as one iteration, a branch as its dearest case, calls of Python not at all.

        Example:
            >>> import jitney, jitney.numpy as jnp
            >>> jitney.jit(lambda x: jnp.sin(x) * 2).lower(jnp.ones(100)).compile().cost_analysis()
            {'flops': 100.0, 'transcendentals': 100.0, 'bytes accessed': 1600.0}
        """
        return self._listing().cost()

    def memory_analysis(self) -> CompiledMemoryStats:
        """Bytes of arguments, results, temporary memory and machine code."""
        listing, jaxpr = self._listing(), self._closed.jaxpr
        return CompiledMemoryStats(
            generated_code_size_in_bytes=listing.code_size(),
            argument_size_in_bytes=sum(a.nbytes for a in jaxpr.in_avals),
            output_size_in_bytes=sum(a.nbytes for a in jaxpr.out_avals),
            alias_size_in_bytes=0,
            temp_size_in_bytes=listing.scratch_size(),
        )

    def _everywhere(self, structure: Any, formats: bool) -> Any:
        """The sharding (or the format) of each leaf: all lie on the one device."""
        from jitney._api.layouts import rows
        from jitney._api.shardings import sharding_of

        one = sharding_of(None)
        avals = self._closed.in_avals if structure is self.in_tree else self._closed.out_avals
        each = [rows(a.ndim, one) if formats else one for a in avals[: structure.num_leaves]]
        return tree.unflatten(structure, each)

    @property
    def input_shardings(self) -> Any:
        """Where each argument lies: a pair for positional and keyword arguments."""
        return self._everywhere(self.in_tree, False)

    @property
    def output_shardings(self) -> Any:
        """Where each result lies."""
        return self._everywhere(self.out_tree, False)

    @property
    def input_formats(self) -> Any:
        """How each argument lies in memory: a pair for positional and keyword arguments."""
        return self._everywhere(self.in_tree, True)

    @property
    def output_formats(self) -> Any:
        """How each result lies in memory."""
        return self._everywhere(self.out_tree, True)

    def runtime_executable(self) -> Any:
        """The loaded program."""
        return self._executable

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; the same as calling the object."""
        return self(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, {k: kwargs[k] for k in sorted(kwargs)}))
        if in_tree != self.in_tree:
            raise TypeError(
                f"Compiled {self._name} was lowered for arguments {self.in_tree}, but was called with {in_tree}."
            )
        self._check_types(leaves)
        if config.observes:
            outs = jit_p.bind(*leaves, jaxpr=self._closed, name=self._name)
        else:
            outs = self._executable.execute(leaves)
        return tree.unflatten(self.out_tree, outs)

    def _check_types(self, leaves: list[Any]) -> None:
        mismatches = []
        for number, (x, aval) in enumerate(zip(leaves, self._closed.in_avals, strict=True)):
            if isinstance(x, Tracer):
                raise TypeError(
                    "Cannot apply transformations to a function lowered and compiled for a particular signature. "
                    f"Detected argument of Tracer type {type(x)}. Call the jitted function itself."
                )
            want = aval.strip_weak_type()
            have = get_aval(x).strip_weak_type() if is_array_like(x) else None
            if have != want:
                shown = have.str_short() if have is not None else f"a {type(x).__name__}"
                name = self._leaf_name(number)
                mismatches.append(
                    f"Argument {name!r} compiled with {want.str_short()} and called with {shown}"
                )
        if mismatches:
            raise TypeError(
                f"Argument types differ from the types for which {self._name} was compiled. The mismatches are:\n"
                + "\n".join(mismatches)
            )

    def _leaf_name(self, number: int) -> str:
        info = self._closed.jaxpr.debug_info
        names = (info.arg_names if info is not None else None) or []
        return names[number] if number < len(names) else f"number {number}"
