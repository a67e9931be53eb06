"""How arrays lie on devices, as JAX describes it. There is one device: all of an array lies on it, whatever the description."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import as_array
from jitney._api.devices import Device
from jitney._api.devices import devices as _devices
from jitney._api.meshes import AbstractMesh, AxisType, Mesh, mesh_in_context
from jitney._core import tree
from jitney._core.trace import get_aval

Index = tuple[slice, ...]


class MemorySpace(enum.Enum):
    """Kinds of memory; here they are one."""

    Device = enum.auto()
    Host = enum.auto()
    Any = enum.auto()

    def __repr__(self) -> str:
        return f"MemorySpace.{self.name}"


memory = types.SimpleNamespace(Space=MemorySpace)


class _Unconstrained:
    """The entry of a ``PartitionSpec`` that leaves an axis to the compiler."""

    def __repr__(self) -> str:
        return "UNCONSTRAINED"


class PartitionSpec:
    """For each axis of an array the axes of a mesh that it is divided along: a name, a tuple of names, or None.

    Example:
        >>> import jitney
        >>> jitney.P("x", None, ("a", "b"))
        P('x', None, ('a', 'b'))
    """

    __slots__ = ("partitions", "reduced", "unreduced")
    UNCONSTRAINED = _Unconstrained()

    partitions: tuple[Any, ...]

    def __init__(self, *partitions: Any, unreduced: Any = frozenset(), reduced: Any = frozenset()) -> None:
        made = (tuple(p) if isinstance(p, (tuple, list)) else p for p in partitions)
        object.__setattr__(
            self, "partitions", tuple(p[0] if isinstance(p, tuple) and len(p) == 1 else p for p in made)
        )
        object.__setattr__(self, "unreduced", frozenset(unreduced))
        object.__setattr__(self, "reduced", frozenset(reduced))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("PartitionSpec cannot be changed: use update().")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.partitions)

    def __len__(self) -> int:
        return len(self.partitions)

    def __getitem__(self, i: Any) -> Any:
        return self.partitions[i]

    def __add__(self, other: Any) -> PartitionSpec:
        if not isinstance(other, (PartitionSpec, tuple)):
            return NotImplemented
        return self.update(partitions=(*self, *other))

    def __radd__(self, other: Any) -> PartitionSpec:
        if not isinstance(other, tuple):
            return NotImplemented
        return self.update(partitions=(*other, *self))

    def _key(self) -> tuple:
        return self.partitions, self.unreduced, self.reduced

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return _partition_spec, self._key()

    def __repr__(self) -> str:
        parts = [repr(p) for p in self.partitions]
        parts += [f"{n}={set(getattr(self, n))!r}" for n in ("unreduced", "reduced") if getattr(self, n)]
        comma = "," if len(self.partitions) == len(parts) == 1 else ""
        return f"P({', '.join(parts)}{comma})"

    def count(self, value: Any) -> int:
        """How often ``value`` occurs."""
        return self.partitions.count(value)

    def index(self, value: Any) -> int:
        """The first axis with ``value``."""
        return self.partitions.index(value)

    def update(self, partitions: Any = None, unreduced: Any = None, reduced: Any = None) -> PartitionSpec:
        """A copy with some properties replaced."""
        return PartitionSpec(
            *(self.partitions if partitions is None else partitions),
            unreduced=self.unreduced if unreduced is None else unreduced,
            reduced=self.reduced if reduced is None else reduced,
        )

    def to_ct_spec(self) -> PartitionSpec:
        """The description of cotangents: sums to be taken and sums taken change places."""
        return self.update(unreduced=self.reduced, reduced=self.unreduced)

    def to_tangent_spec(self) -> PartitionSpec:
        """The description of tangents."""
        return self

    def to_lo(self) -> PartitionSpec:
        """The description itself."""
        return self

    def names(self) -> list[Any]:
        """The axes of the mesh that it names, in order."""
        found: list[Any] = []
        for part in self.partitions:
            if part is not None and part is not PartitionSpec.UNCONSTRAINED:
                found += part if isinstance(part, tuple) else [part]
        return found


P = PartitionSpec


def _partition_spec(partitions: tuple, unreduced: frozenset, reduced: frozenset) -> PartitionSpec:
    return PartitionSpec(*partitions, unreduced=unreduced, reduced=reduced)


class Sharding:
    """How an array lies on devices; base class."""

    @property
    def device_set(self) -> set[Device]:
        """The devices."""
        return set(_devices())

    @property
    def addressable_devices(self) -> set[Device]:
        return self.device_set

    @property
    def has_addressable_devices(self) -> bool:
        return True

    @property
    def num_devices(self) -> int:
        return len(self.device_set)

    @property
    def is_fully_addressable(self) -> bool:
        return True

    @property
    def is_fully_replicated(self) -> bool:
        return self.num_devices == 1

    @property
    def memory_kind(self) -> str:
        return "device"

    def with_memory_kind(self, kind: str) -> Any:
        """The same: there is one memory."""
        if kind not in ("device", "unpinned_host", "pinned_host"):
            raise ValueError(f"Could not find memory addressable by device cpu: {kind!r}. There is 'device'.")
        return self

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the part on one device: the whole one."""
        return tuple(global_shape)

    def devices_indices_map(self, global_shape: Sequence[int]) -> Mapping[Device, Index]:
        """For each device the part of an array of ``global_shape`` that lies on it."""
        return {d: (slice(None),) * len(global_shape) for d in self.device_set}

    def addressable_devices_indices_map(self, global_shape: Sequence[int]) -> Mapping[Device, Index]:
        """For each device of this process the part that lies on it."""
        return self.devices_indices_map(global_shape)

    def is_equivalent_to(self, other: Sharding, ndim: int) -> bool:
        """True if arrays with ``ndim`` axes lie alike: they do, there is one device."""
        return isinstance(other, Sharding) and self.device_set == other.device_set

    def check_compatible_aval(self, aval_shape: Sequence[int]) -> None:
        """Raise ValueError if an array of shape ``aval_shape`` cannot lie so."""


class SingleDeviceSharding(Sharding):
    """All of an array lies on ``device``.

    Example:
        >>> import jitney
        >>> jitney.sharding.SingleDeviceSharding(jitney.devices()[0])
        SingleDeviceSharding(device=CpuDevice(id=0), memory_kind=device)
    """

    def __init__(self, device: Device, *, memory_kind: str | None = None) -> None:
        self._device = device

    @property
    def device_set(self) -> set[Device]:
        return {self._device}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SingleDeviceSharding) and self._device == other._device

    def __hash__(self) -> int:
        return hash(self._device)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self._device!r}, memory_kind={self.memory_kind})"


class NamedSharding(Sharding):
    """An array divided along the named axes of ``mesh`` as ``spec`` says.

    Raises:
        ValueError: ``spec`` names an axis that the mesh has not, or one twice.

    Example:
        >>> import jitney
        >>> mesh = jitney.make_mesh((1,), ("x",))
        >>> jitney.NamedSharding(mesh, jitney.P("x")).shard_shape((4, 3))
        (4, 3)
    """

    def __init__(
        self, mesh: Mesh | AbstractMesh, spec: PartitionSpec, *, memory_kind: str | None = None
    ) -> None:
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"NamedSharding needs a PartitionSpec, got {spec!r} of type {type(spec)}.")
        seen: set[Any] = set()
        for name in spec.names():
            if name not in mesh.axis_names:
                raise ValueError(f"Resource axis: {name} of {spec} is not found in mesh: {mesh.axis_names}.")
            if name in seen:
                raise ValueError(
                    "A single NamedSharding spec specification can map every mesh axis to at most one positional "
                    f"dimension, but {spec} has duplicate entries for `{name}`"
                )
            seen.add(name)
        self.mesh = mesh
        self.spec = spec
        if memory_kind is not None:
            self.with_memory_kind(memory_kind)

    @property
    def device_set(self) -> set[Device]:
        return set(self.mesh.devices.flat)

    @property
    def num_devices(self) -> int:
        return self.mesh.size

    @property
    def replicated_axes(self) -> frozenset:
        """The axes of the mesh along which all parts are the same."""
        sizes = dict(self.mesh.shape_tuple)
        return frozenset(n for n in self.mesh.axis_names if n not in self.spec.names() and sizes[n] > 1)

    def update(self, **kwargs: Any) -> NamedSharding:
        """A copy with another ``mesh``, ``spec`` or ``memory_kind``."""
        return NamedSharding(kwargs.get("mesh", self.mesh), kwargs.get("spec", self.spec))

    def check_compatible_aval(self, aval_shape: Sequence[int]) -> None:
        """Raise ValueError if ``spec`` has more axes than an array of shape ``aval_shape``."""
        if len(aval_shape) < len(self.spec):
            raise ValueError(
                f"Sharding {self} is only valid for values of rank at least {len(self.spec)}, but was applied to a value "
                f"of rank {len(aval_shape)}."
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedSharding) and (self.mesh, self.spec) == (other.mesh, other.spec)

    def __hash__(self) -> int:
        return hash((self.mesh, self.spec))

    def __repr__(self) -> str:
        return f"NamedSharding(mesh={self.mesh}, spec={self.spec!r}, memory_kind={self.memory_kind})"


def make_single_device_sharding(device: Device, *, memory_kind: str | None = None) -> SingleDeviceSharding:
    """The sharding of arrays that lie on ``device``."""
    return SingleDeviceSharding(device, memory_kind=memory_kind)


def as_sharding(wanted: Any, what: str) -> Sharding | None:
    """``wanted`` (a device, a sharding, a ``PartitionSpec`` for the current mesh, a layout, None) as a sharding."""
    if isinstance(wanted, PartitionSpec):
        mesh = mesh_in_context()
        if mesh.empty:
            raise ValueError(
                f"Please set a mesh via `jitney.set_mesh` if a PartitionSpec is passed to {what}, or pass "
                "NamedSharding(mesh, spec)."
            )
        return NamedSharding(mesh, wanted)
    if isinstance(wanted, MemorySpace):
        return None
    if isinstance(wanted, Device):
        return SingleDeviceSharding(wanted)
    return getattr(wanted, "sharding", wanted)  # of a layout


def check_shardings(x: Any, wanted: Any, what: str) -> None:
    """Raise ValueError if a leaf of ``x`` cannot lie as ``wanted`` (a sharding, or a tree of them) says."""
    leaves, treedef = tree.flatten(x)
    is_one = (
        wanted is None
        or isinstance(wanted, (Sharding, PartitionSpec, Device, MemorySpace))
        or hasattr(wanted, "layout")
    )
    each = [wanted] * len(leaves) if is_one else treedef.flatten_up_to(wanted)
    for leaf, one in zip(leaves, each, strict=True):
        sharding = as_sharding(one, what)
        if not isinstance(sharding, (Sharding, type(None))):
            raise ValueError(
                f"{what} needs a device or a sharding for each leaf, got {one!r} of type {type(one)}."
            )
        if sharding is not None:
            try:
                sharding.check_compatible_aval(get_aval(leaf).shape)
            except ValueError as error:
                raise ValueError(
                    f"One of {what} args is incompatible with its sharding annotation: {error}"
                ) from None


def reshard(xs: Any, out_shardings: Any) -> Any:
    """``xs`` laid out as ``out_shardings`` says: ``xs`` itself, there is one device.

    Raises:
        ValueError: a sharding does not fit its array.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> mesh = jitney.make_mesh((1,), ("x",))
        >>> jitney.reshard(jnp.ones(2), jitney.NamedSharding(mesh, jitney.P("x")))
        Array([1., 1.], dtype=float64)
    """
    check_shardings(xs, out_shardings, "reshard")
    return tree.map(as_array, xs)


def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """``x``, required to lie as ``shardings`` says: ``x`` itself, there is one device.

    Raises:
        RuntimeError: a ``PartitionSpec`` without a mesh in context.
        ValueError: a sharding does not fit its array.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> mesh = jitney.make_mesh((1,), ("x",))
        >>> constrain = lambda x: jitney.lax.with_sharding_constraint(x, jitney.NamedSharding(mesh, jitney.P("x")))
        >>> jitney.jit(constrain)(jnp.ones(2))
        Array([1., 1.], dtype=float64)
    """
    if mesh_in_context().empty and any(isinstance(s, PartitionSpec) for s in tree.leaves(shardings)):
        raise RuntimeError(
            "with_sharding_constraint requires a non-empty mesh in context if you are passing `PartitionSpec`s to "
            "shardings. You can define a context mesh via `jitney.set_mesh(mesh)`. Alternatively, provide `Sharding`s."
        )
    check_shardings(x, shardings, "with_sharding_constraint")
    return tree.map(as_array, x)


class Shard:
    """The part of an array that lies on one device: all of it."""

    def __init__(
        self, device: Device, sharding: Sharding, global_shape: Sequence[int], data: Any = None
    ) -> None:
        self.device = device
        self.data = data
        self._sharding = sharding
        self._shape = tuple(global_shape)

    @property
    def index(self) -> Index:
        """Which part of the array it is."""
        return self._sharding.devices_indices_map(self._shape)[self.device]

    @property
    def replica_id(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Shard(device={self.device!r}, index={self.index}, replica_id=0, data={self.data})"


def sharding_of(x: Any) -> SingleDeviceSharding:
    """The sharding of a concrete array."""
    return SingleDeviceSharding(_devices()[0])


def shards_of(x: Any) -> list[Shard]:
    """The parts of a concrete array."""
    return [Shard(_devices()[0], sharding_of(x), x.shape, x)]


def make_array_from_callback(
    shape: Sequence[int],
    sharding: Any,
    data_callback: Callable[[Index | None], Any],
    dtype: Any = None,
) -> Any:
    """An array of ``shape`` whose elements ``data_callback(index)`` gives, for the part that lies on each device.

    Example:
        >>> import jitney, numpy as np
        >>> one = jitney.sharding.SingleDeviceSharding(jitney.devices()[0])
        >>> jitney.make_array_from_callback((3,), one, lambda index: np.arange(3.0)[index])
        Array([0., 1., 2.], dtype=float64)
    """
    found = np.asarray(data_callback((slice(None),) * len(shape)), dtype=dtype)
    if found.shape != tuple(shape):
        raise ValueError(
            f"make_array_from_callback: the callback gave shape {found.shape} instead of {tuple(shape)}."
        )
    return as_array(found)


def make_array_from_process_local_data(sharding: Any, local_data: Any, global_shape: Any = None) -> Any:
    """The array that the parts of all processes make: ``local_data``, there is one process."""
    x = as_array(np.asarray(local_data))
    if global_shape is not None and tuple(global_shape) != x.shape:
        raise ValueError(
            f"global_shape {tuple(global_shape)} is not the shape {x.shape} of the only process's data."
        )
    return x


def make_array_from_single_device_arrays(
    shape: Sequence[int], sharding: Any, arrays: Sequence[Any], *, dtype: Any = None
) -> Any:
    """The array whose parts on each device are ``arrays``: the only one of them."""
    if len(arrays) != 1 or arrays[0].shape != tuple(shape):
        raise ValueError(
            f"make_array_from_single_device_arrays needs one array of shape {tuple(shape)}, as there is one device; got "
            f"{[x.shape for x in arrays]}."
        )
    return arrays[0]


def auto_axes(f: Any = None, /, *, axes: Any = None, out_sharding: Any = None) -> Any:
    """``f`` itself: how arrays lie does not matter with one device."""
    return f if f is not None else lambda g: g


def explicit_axes(f: Any = None, /, *, axes: Any = None, in_sharding: Any = None) -> Any:
    """``f`` itself: how arrays lie does not matter with one device."""
    return f if f is not None else lambda g: g


__all__ = [
    "AxisType",
    "NamedSharding",
    "PartitionSpec",
    "Shard",
    "Sharding",
    "SingleDeviceSharding",
    "auto_axes",
    "explicit_axes",
    "make_array_from_callback",
    "make_array_from_process_local_data",
    "make_array_from_single_device_arrays",
    "make_single_device_sharding",
    "reshard",
    "with_sharding_constraint",
]
