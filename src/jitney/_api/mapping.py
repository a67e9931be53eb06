"""Functions mapped over devices: ``shard_map``, ``smap``, ``pmap``. There is one device, so every named axis has size 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jitney._api.calls import boundary, check_callable
from jitney._api.jit import jit
from jitney._api.meshes import AbstractMesh, Mesh, mesh_in_context
from jitney._api.pickling import remade
from jitney._api.shardings import NamedSharding, PartitionSpec
from jitney._api.vmap import vmap
from jitney._core import tree
from jitney._core.paths import prefix_errors
from jitney._core.trace import get_aval


class _Infer:
    """Stands for: as the arguments lie."""

    def __repr__(self) -> str:
        return "Infer"


Infer = _Infer()


@remade
def shard_map(
    f: Callable[..., Any] | None = None,
    /,
    *,
    out_specs: Any,
    in_specs: Any = Infer,
    mesh: Mesh | AbstractMesh | None = None,
    axis_names: Any = frozenset(),
    check_vma: bool = True,
) -> Any:
    """``f`` applied to the parts of its arguments on each device of ``mesh``; collectives know the names of its axes.

    As there is one device, ``f`` is called once, with whole arguments.

    Args:
        f: the function; without it, a decorator is returned.
        out_specs, in_specs: for each result and argument how it is divided, trees of ``PartitionSpec``; checked.
        mesh: the mesh, by default the one that ``set_mesh`` made current.
        axis_names: the axes of the mesh that collectives may name; by default all.
        check_vma: accepted.

    Raises:
        ValueError: there is no mesh, it has an axis larger than 1, or specifications do not fit.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> P, mesh = jitney.P, jitney.make_mesh((1,), ("x",))
        >>> normalise = lambda x: x / jitney.lax.psum(jnp.sum(x), "x")
        >>> jitney.shard_map(normalise, mesh=mesh, in_specs=P("x"), out_specs=P("x"))(jnp.array([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float64)
    """
    if f is None:
        return lambda g: shard_map(
            g, out_specs=out_specs, in_specs=in_specs, mesh=mesh, axis_names=axis_names, check_vma=check_vma
        )
    check_callable(f, "shard_map")

    def mapped(*args: Any) -> Any:
        used = _mesh(mesh)
        names = _names(used, axis_names)
        if in_specs is not Infer and in_specs is not None:
            _check_specs(in_specs, args, used, "in_specs")
        out = _under_names(f, names)(*args)
        _check_specs(out_specs, out, used, "out_specs")
        return out

    return boundary(mapped, f)


def _mesh(mesh: Mesh | AbstractMesh | None) -> Mesh | AbstractMesh:
    used = mesh_in_context() if mesh is None else mesh
    if used.empty:
        raise ValueError(
            "The context mesh cannot be empty. Use `jitney.set_mesh(mesh)` to enter into a mesh context"
        )
    for name, size in used.shape_tuple:
        if size != 1:
            raise ValueError(
                f"shard_map: axis {name!r} of the mesh has size {size}, but jitney has one device. "
                "Use vmap(f, axis_name=...) for a named axis of another size."
            )
    return used


def _names(mesh: Mesh | AbstractMesh, wanted: Any) -> tuple[Any, ...]:
    unknown = set(wanted) - set(mesh.axis_names)
    if unknown:
        raise ValueError(f"shard_map: axis_names has {sorted(unknown)}, the mesh has {mesh.axis_names}.")
    return tuple(n for n in mesh.axis_names if not wanted or n in wanted)


def _under_names(f: Callable[..., Any], names: Iterable[Any]) -> Callable[..., Any]:
    """``f`` with ``names`` bound to axes of size 1."""

    def bound(f: Callable[..., Any], name: Any) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            out = vmap(lambda: f(*args), in_axes=(), axis_name=name, axis_size=1)()
            return tree.map(lambda y: y[0], out)

        return call

    for name in names:
        f = bound(f, name)
    return f


def _check_specs(specs: Any, values: Any, mesh: Mesh | AbstractMesh, what: str) -> None:
    """Raise ValueError unless ``specs`` is a prefix of ``values`` and each fits its array and the mesh."""
    is_spec = lambda s: s is None or isinstance(s, (PartitionSpec, NamedSharding))  # noqa: E731
    if is_spec(specs):
        each = [specs] * len(tree.leaves(values))
    else:
        try:
            each = tree.leaves(tree.broadcast(specs, values, is_leaf=is_spec), is_leaf=is_spec)
        except ValueError:
            errors = prefix_errors(specs, values, is_leaf=is_spec)
            raise (
                errors[0](f"shard_map {what}") if errors else ValueError(f"shard_map: {what} does not fit")
            ) from None
    for spec, leaf in zip(each, tree.leaves(values), strict=True):
        spec = spec.spec if isinstance(spec, NamedSharding) else spec
        if spec is None:
            continue
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"shard_map {what} must be PartitionSpecs, got {spec!r} of type {type(spec)}.")
        for name in spec.names():
            if name not in mesh.axis_names:
                raise ValueError(
                    f"shard_map {what} argument must refer to an axis of the mesh {mesh.axis_names}, but refers to {name!r}."
                )
        aval = get_aval(leaf)
        if len(spec) > aval.ndim:
            raise ValueError(
                f"shard_map: {what} entry {spec} has length {len(spec)}, too long for a value of shape {aval.shape}."
            )


@remade
def smap(
    f: Callable[..., Any] | None = None, /, *, in_axes: Any = Infer, out_axes: Any, axis_name: Any
) -> Any:
    """``shard_map`` over one axis of the current mesh, with axes in ``vmap``'s manner; ``f`` sees whole arguments.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> with jitney.set_mesh(jitney.make_mesh((1,), ("x",))):
        ...     jitney.smap(lambda a: a + jitney.lax.axis_size("x"), in_axes=0, out_axes=0, axis_name="x")(jnp.zeros(2))
        Array([1., 1.], dtype=float64)
    """
    if f is None:
        return lambda g: smap(g, in_axes=in_axes, out_axes=out_axes, axis_name=axis_name)
    check_callable(f, "smap")

    def mapped(*args: Any) -> Any:
        return _under_names(f, _names(_mesh(None), {axis_name}))(*args)

    return boundary(mapped, f)


@remade
def pmap(
    fun: Callable[..., Any],
    axis_name: Any = None,
    *,
    in_axes: Any = 0,
    out_axes: Any = 0,
    static_broadcasted_argnums: int | Iterable[int] = (),
    devices: Sequence[Any] | None = None,
    backend: str | None = None,
    axis_size: int | None = None,
    donate_argnums: int | Iterable[int] = (),
) -> Callable[..., Any]:
    """``fun`` compiled and mapped over an axis whose examples run on one device each: of size 1, there is one device.

    Args:
        axis_name, in_axes, out_axes: as for ``vmap``.
        static_broadcasted_argnums: positional arguments that are constants of the program, not mapped.
        devices, backend, axis_size, donate_argnums: accepted.

    Raises:
        ValueError: the mapped axis is larger than 1 (``vmap`` maps over any), or no argument is mapped.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.pmap(lambda x: x / jitney.lax.psum(x, "i"), axis_name="i")(jnp.ones((1, 2)))
        Array([[1., 1.]], dtype=float64)
    """
    check_callable(fun, "pmap")
    static = (
        (static_broadcasted_argnums,)
        if isinstance(static_broadcasted_argnums, int)
        else static_broadcasted_argnums
    )
    static = tuple(static)

    def whole(*args: Any, **kwargs: Any) -> Any:
        fixed = {n % len(args): args[n] for n in static if -len(args) <= n < len(args)}

        def rest(*mapped: Any, **kwargs: Any) -> Any:
            given = iter(mapped)
            return fun(*(fixed[n] if n in fixed else next(given) for n in range(len(args))), **kwargs)

        moving = tuple(x for n, x in enumerate(args) if n not in fixed)
        axes = in_axes
        if isinstance(in_axes, (tuple, list)) and len(in_axes) == len(args):
            axes = tuple(a for n, a in enumerate(in_axes) if n not in fixed)
        _check_size(axes, moving, axis_size)
        return vmap(rest, axes, out_axes, axis_name, 1)(*moving, **kwargs)

    return boundary(jit(whole, static_argnums=static or None), fun)


def _check_size(axes: Any, args: tuple, axis_size: int | None) -> None:
    dims = tree.broadcast_prefix(axes if not isinstance(axes, list) else tuple(axes), args)
    avals = [(get_aval(x), d) for x, d in zip(tree.leaves(args), dims, strict=True) if d is not None]
    sizes = {aval.shape[d] for aval, d in avals if d < aval.ndim}  # vmap refuses the others
    if not avals:
        raise ValueError("pmap requires at least one argument with a mapped axis.")
    if sizes | {axis_size or 1} != {1}:
        raise ValueError(
            f"pmap got a mapped axis of size {max(sizes | {axis_size or 1})}, but there is 1 device: use vmap, whose program "
            "runs on all processor cores."
        )
