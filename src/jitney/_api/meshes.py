"""Meshes of devices, as JAX has them: named axes of an array of devices. There is one device, so real axes have size 1."""

from __future__ import annotations

import collections
import contextlib
import enum
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitney._api.devices import devices as _devices


class AxisType(enum.Enum):
    """Who decides how arrays lie along an axis of a mesh: the compiler, the types, or the program itself."""

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AbstractDevice:
    """What is known of the devices of an ``AbstractMesh``."""

    device_kind: str
    num_cores: int | None
    platform: str


@dataclass(frozen=True)
class ManualAxisType:
    """Along which axes of a mesh a value varies, or is a summand of a sum that is not taken yet."""

    varying: frozenset = frozenset()
    unreduced: frozenset = frozenset()
    reduced: frozenset = frozenset()

    def __init__(
        self, *, varying: Any = frozenset(), unreduced: Any = frozenset(), reduced: Any = frozenset()
    ):
        for name, value in (("varying", varying), ("unreduced", unreduced), ("reduced", reduced)):
            object.__setattr__(self, name, frozenset(value))

    @property
    def empty(self) -> bool:
        return not (self.varying or self.unreduced or self.reduced)

    @property
    def vur(self) -> frozenset:
        return self.varying | self.unreduced | self.reduced

    def invarying(self, mesh: Any) -> frozenset:
        """The axes of ``mesh`` along which the value is the same."""
        return frozenset(mesh.axis_names) - self.varying

    def to_ct_mat(self) -> ManualAxisType:
        """The type of cotangents: sums to be taken and sums taken change places."""
        return ManualAxisType(varying=self.varying, unreduced=self.reduced, reduced=self.unreduced)

    def update(self, **kwargs: Any) -> ManualAxisType:
        """A copy with some fields replaced."""
        return ManualAxisType(
            **{n: kwargs.get(n, getattr(self, n)) for n in ("varying", "unreduced", "reduced")}
        )


def _axis_types(axis_types: Any, count: int) -> tuple[AxisType, ...]:
    types = (axis_types or AxisType.Auto,) * count if not isinstance(axis_types, tuple) else axis_types
    if len(types) != count or not all(isinstance(t, AxisType) for t in types):
        raise ValueError(
            f"axis_types must be {count} members of AxisType, one for each axis, got {axis_types!r}."
        )
    return types


class BaseMesh:
    """What meshes of devices and abstract ones share."""

    axis_names: tuple[Any, ...]
    axis_types: tuple[AxisType, ...]

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def shape(self) -> Mapping[Any, int]:
        """The size of each axis, by name."""
        return collections.OrderedDict(self.shape_tuple)

    @property
    def shape_tuple(self) -> tuple[tuple[Any, int], ...]:
        return tuple(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def size(self) -> int:
        """The number of devices."""
        return math.prod(self.axis_sizes) if self.axis_names else 0

    @property
    def empty(self) -> bool:
        return self.size == 0

    def _described(self) -> str:
        axes = ", ".join(f"{name!r}: {size}" for name, size in self.shape_tuple)
        return f"{axes}, axis_types={self.axis_types!r}" if axes else f"(), axis_types={self.axis_types!r}"


class AbstractMesh(BaseMesh):
    """Names and sizes of axes without devices; sizes may be larger than 1, as nothing runs on it.

    Example:
        >>> import jitney
        >>> jitney.sharding.AbstractMesh((2, 3), ("x", "y")).shape["y"]
        3
    """

    def __init__(
        self,
        axis_sizes: tuple[int, ...],
        axis_names: tuple[str, ...],
        axis_types: AxisType | tuple[AxisType, ...] | None = None,
        *,
        abstract_device: AbstractDevice | None = None,
    ) -> None:
        if len(axis_sizes) != len(axis_names):
            raise ValueError(
                f"AbstractMesh needs as many sizes as names, got axis_sizes={axis_sizes} and axis_names={axis_names}."
            )
        self._sizes = tuple(axis_sizes)
        self.axis_names = tuple(axis_names)
        self.axis_types = _axis_types(axis_types, len(self.axis_names))
        self.abstract_device = abstract_device

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def abstract_mesh(self) -> AbstractMesh:
        return self

    def _no_devices(self) -> Any:
        raise ValueError("AbstractMesh has no devices: make a Mesh, by jitney.make_mesh(sizes, names).")

    devices = device_ids = local_devices = local_mesh = is_multi_process = property(_no_devices)

    def update(
        self, axis_sizes: Any = None, axis_names: Any = None, axis_types: Any = None, **kwargs: Any
    ) -> AbstractMesh:
        """A copy with some properties replaced."""
        return AbstractMesh(
            self.axis_sizes if axis_sizes is None else axis_sizes,
            self.axis_names if axis_names is None else axis_names,
            self.axis_types if axis_types is None else axis_types,
            abstract_device=kwargs.get("abstract_device", self.abstract_device),
        )

    def update_axis_types(self, name_to_type: Mapping[Any, AxisType]) -> AbstractMesh:
        """A copy with other types of the named axes."""
        types = [name_to_type.get(n, t) for n, t in zip(self.axis_names, self.axis_types, strict=True)]
        return self.update(axis_types=tuple(types))

    def _key(self) -> tuple:
        return self._sizes, self.axis_names, self.axis_types, self.abstract_device

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractMesh) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        kind = self.abstract_device
        more = (
            f", device_kind={kind.device_kind}, num_cores={kind.num_cores}, platform={kind.platform}"
            if kind
            else ""
        )
        return f"AbstractMesh({self._described()}{more})"


class Mesh(BaseMesh, contextlib.ContextDecorator):
    """An array of devices whose axes have names. As a context manager it is the mesh that ``PartitionSpec`` refers to.

    Raises:
        ValueError: the number of names is not the number of axes, or a name occurs twice.

    Example:
        >>> import jitney, numpy as np
        >>> mesh = jitney.sharding.Mesh(np.array(jitney.devices()), ("x",))
        >>> mesh.shape["x"]
        1
    """

    def __init__(
        self,
        devices: Any,
        axis_names: str | Sequence[Any],
        axis_types: tuple[AxisType, ...] | None = None,
    ) -> None:
        self.devices = np.array(devices, dtype=object)
        self.axis_names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        if self.devices.ndim != len(self.axis_names):
            raise ValueError(
                "Mesh requires the ndim of its first argument (`devices`) to equal the length of its second argument "
                f"(`axis_names`), but got devices.ndim == {self.devices.ndim} and len(axis_names) == "
                f"{len(self.axis_names)}."
            )
        if len(set(self.axis_names)) < len(self.axis_names):
            raise ValueError(f"Mesh got axis_names={self.axis_names}, which has a name twice.")
        self.axis_types = _axis_types(axis_types, len(self.axis_names))

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        return self.devices.shape

    @property
    def is_scalar(self) -> bool:
        return self.devices.ndim == 0

    @property
    def empty(self) -> bool:
        return self.devices.size == 0 or self.devices.ndim == 0

    @property
    def size(self) -> int:
        return self.devices.size if self.axis_names else 0

    @property
    def device_ids(self) -> np.ndarray:
        """The numbers of the devices, an array like ``devices``."""
        return np.array([d.id for d in self.devices.flat], dtype=int).reshape(self.devices.shape)

    @property
    def local_devices(self) -> list[Any]:
        return list(self.devices.flat)

    @property
    def local_mesh(self) -> Mesh:
        return self

    @property
    def is_multi_process(self) -> bool:
        return False

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """The mesh without its devices."""
        kind = None if self.empty else AbstractDevice(self.devices.flat[0].device_kind, None, "cpu")
        return AbstractMesh(self.axis_sizes, self.axis_names, self.axis_types, abstract_device=kind)

    def update(self, devices: Any = None, axis_names: Any = None, axis_types: Any = None) -> Mesh:
        """A copy with some properties replaced."""
        return Mesh(
            self.devices if devices is None else devices,
            self.axis_names if axis_names is None else axis_names,
            self.axis_types if axis_types is None else axis_types,
        )

    def _key(self) -> tuple:
        return tuple(self.devices.flat), self.devices.shape, self.axis_names, self.axis_types

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"Mesh({self._described()})" if self.axis_names else "Mesh()"

    def __repr__(self) -> str:
        types = f", axis_types={self.axis_types!r}" if self.axis_names else ""
        return f"Mesh(axis_sizes={self.axis_sizes}, axis_names={self.axis_names!r}{types})"

    def __enter__(self) -> Mesh:
        _STATE.physical.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _STATE.physical.pop()


_NO_MESH = Mesh(np.empty((), dtype=object), ())
_NO_ABSTRACT_MESH = AbstractMesh((), ())


class _State(threading.local):
    """The meshes of the ``with`` blocks around; the last one holds."""

    def __init__(self) -> None:
        self.physical: list[Mesh] = []  # of ``with mesh``
        self.concrete: list[Mesh] = []  # of ``set_mesh``
        self.abstract: list[AbstractMesh] = []


_STATE = _State()


def get_mesh() -> Mesh:
    """The mesh that ``set_mesh`` made current, or an empty one."""
    return _STATE.concrete[-1] if _STATE.concrete else _NO_MESH


def get_abstract_mesh() -> AbstractMesh:
    """The current mesh without its devices, or an empty one."""
    return _STATE.abstract[-1] if _STATE.abstract else _NO_ABSTRACT_MESH


def mesh_in_context() -> Mesh:
    """The mesh of the innermost ``with`` block or of ``set_mesh``, or an empty one."""
    return _STATE.physical[-1] if _STATE.physical else get_mesh()


class set_mesh:
    """Make ``mesh`` the current one: at once, and until the end of the block when used as a context manager.

    Example:
        >>> import jitney
        >>> with jitney.set_mesh(jitney.make_mesh((1,), ("x",))):
        ...     jitney.sharding.get_mesh().axis_names
        ('x',)
    """

    def __init__(self, mesh: Mesh | None) -> None:
        if mesh is not None and not isinstance(mesh, Mesh):
            raise ValueError(f"Expected mesh of type jitney.sharding.Mesh, got {type(mesh)}.")
        self.prev_mesh, self.prev_abstract_mesh = list(_STATE.concrete), list(_STATE.abstract)
        _STATE.concrete.append(_NO_MESH if mesh is None else mesh)
        _STATE.abstract.append(_NO_ABSTRACT_MESH if mesh is None else mesh.abstract_mesh)

    def __enter__(self) -> Mesh:
        return get_mesh()

    def __exit__(self, *_: Any) -> None:
        _STATE.concrete, _STATE.abstract = self.prev_mesh, self.prev_abstract_mesh


class use_abstract_mesh:
    """Inside a ``with`` block, ``get_abstract_mesh()`` is ``mesh``."""

    def __init__(self, mesh: AbstractMesh) -> None:
        self.mesh = mesh
        self.prev: Any = None

    def __enter__(self) -> AbstractMesh:
        self.prev = get_abstract_mesh()
        _STATE.abstract.append(self.mesh)
        return self.mesh

    def __exit__(self, *_: Any) -> None:
        _STATE.abstract.pop()


def make_mesh(
    axis_shapes: Sequence[int],
    axis_names: Sequence[str],
    axis_types: tuple[AxisType, ...] | None = None,
    *,
    devices: Sequence[Any] | None = None,
) -> Mesh:
    """A mesh with axes of the given sizes and names. There is one device, so all sizes must be 1.

    Raises:
        ValueError: the sizes ask for more devices than there are.

    Example:
        >>> import jitney
        >>> jitney.make_mesh((1, 1), ("x", "y"))
        Mesh(axis_sizes=(1, 1), axis_names=('x', 'y'), axis_types=(Explicit, Explicit))
    """
    found = list(_devices() if devices is None else devices)
    count = math.prod(axis_shapes)
    if count > len(found):
        raise ValueError(
            f"Number of devices {len(found)} must be >= the product of mesh_shape {tuple(axis_shapes)}. "
            "jitney has one device, whose threads share the work; use a mesh of size 1."
        )
    types = (AxisType.Explicit,) * len(axis_shapes) if axis_types is None else axis_types
    return Mesh(np.array(found[:count], dtype=object).reshape(tuple(axis_shapes)), axis_names, types)
