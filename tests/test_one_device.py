"""Meshes, shardings, mapped functions and their kin, which mean what they can with one device."""

from __future__ import annotations

import doctest
import importlib
import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney.sharding import (
    AbstractMesh,
    AxisType,
    Mesh,
    NamedSharding,
    PartitionSpec,
    SingleDeviceSharding,
    get_abstract_mesh,
    get_mesh,
)

P = PartitionSpec
MESH = jitney.make_mesh((1, 1), ("x", "y"))


def _both(make: Any) -> tuple[str, str]:
    return repr(make(jitney)), repr(make(jax))


@pytest.mark.parametrize(
    "make",
    [
        lambda j: j.P("x", None, ("a", "b")),
        lambda j: j.P("x") + j.P("y"),
        lambda j: j.P(unreduced={"x"}),
        lambda j: j.sharding.AbstractMesh((2, 3), ("x", "y")),
        lambda j: j.make_mesh((1,), ("x",)),
        lambda j: j.sharding.Mesh(np.array(j.devices()), ("x",)),
        lambda j: j.NamedSharding(j.make_mesh((1,), ("x",)), j.P("x")),
        lambda j: j.sharding.SingleDeviceSharding(j.devices()[0]),
        lambda j: j.NamedSharding(j.make_mesh((1,), ("x",)), j.P("x")).devices_indices_map((2, 3)),
        lambda j: j.numpy.ones(3).sharding,
        lambda j: j.sharding.get_mesh(),
        lambda j: j.sharding.get_abstract_mesh(),
        lambda j: list(j.sharding.AxisType),
        lambda j: (
            j.process_index(),
            j.process_count(),
            j.process_indices(),
        ),
        lambda j: j.sharding.ManualAxisType(varying={"x"}).to_ct_mat().varying,
    ],
)
def test_descriptions_look_like_those_of_jax(make: Any) -> None:
    ours, theirs = _both(make)
    assert ours == theirs


def test_partition_specs() -> None:
    spec = P("x", None, ("a", "b"))
    assert spec == P("x", None, ["a", "b"]) and hash(spec) == hash(P("x", None, ("a", "b")))
    assert spec != ("x", None, ("a", "b")) and len(spec) == 3 and list(spec)[1] is None
    assert spec.index(None) == 1 and spec.count("x") == 1 and P(("x",)) == P("x")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert P("x", unreduced={"y"}).to_ct_spec() == P("x", reduced={"y"})
    with pytest.raises(AttributeError):
        spec.partitions = ()  # type: ignore[misc]


def test_shardings_are_checked() -> None:
    sharding = NamedSharding(MESH, P("x"))
    assert pickle.loads(pickle.dumps(sharding)) == sharding and sharding.shard_shape((4, 2)) == (4, 2)
    assert sharding.is_equivalent_to(SingleDeviceSharding(jitney.devices()[0]), 1)
    for bad, message in ((P("z"), "not found in mesh"), (P("x", "x"), "duplicate entries")):
        with pytest.raises(ValueError, match=message):
            NamedSharding(MESH, bad)
    x = jnp.ones(3)
    assert jitney.device_put(x, sharding).tolist() == jitney.reshard(x, sharding).tolist() == [1, 1, 1]
    for call in (jitney.device_put, jitney.reshard, jitney.lax.with_sharding_constraint):
        with pytest.raises(ValueError, match="rank at least 2"):
            call(x, NamedSharding(MESH, P("x", "y")))
    with pytest.raises(ValueError, match="device or a sharding"):
        jitney.device_put(x, "cpu")
    with pytest.raises(RuntimeError, match="non-empty mesh"):
        jitney.lax.with_sharding_constraint(x, P("x"))
    with MESH:
        assert jitney.jit(lambda x: jitney.lax.with_sharding_constraint(x, P("x")) * 2)(x).tolist() == [
            2,
            2,
            2,
        ]
    with pytest.raises(ValueError, match="has one device"):
        jitney.make_mesh((2,), ("x",))
    with pytest.raises(ValueError, match="requires the ndim"):
        Mesh(np.array(jitney.devices()), ("x", "y"))
    with pytest.raises(ValueError, match="no devices"):
        _ = AbstractMesh((2,), ("x",)).devices


def test_meshes_in_context() -> None:
    before = get_mesh()
    with jitney.set_mesh(MESH) as mesh:
        assert get_mesh() == mesh == MESH and get_abstract_mesh() == MESH.abstract_mesh
        with jitney.sharding.use_abstract_mesh(AbstractMesh((2,), ("z",))):
            assert get_abstract_mesh().shape == {"z": 2}
    assert get_mesh() == before and before.empty
    assert MESH.update(axis_types=(AxisType.Auto,) * 2).axis_types == (AxisType.Auto,) * 2
    assert MESH.device_ids.tolist() == [[0]] and MESH.size == 1 and not MESH.empty


def test_shard_map() -> None:
    def f(x: Any, y: Any) -> Any:
        total = jitney.lax.psum(x, ("x", "y")) * jitney.lax.axis_size("x")
        return total + jitney.lax.axis_index("y"), {"y": y}

    mapped = jitney.shard_map(f, mesh=MESH, in_specs=(P("x"), None), out_specs=(P("x"), P()))
    x = jnp.arange(3.0)
    for call in (mapped, jitney.jit(mapped)):
        out, rest = call(x, 2.0)
        assert out.tolist() == [0, 1, 2] and float(rest["y"]) == 2
    assert jitney.grad(lambda x: mapped(x, 1.0)[0].sum())(x).tolist() == [1, 1, 1]
    assert jitney.vmap(mapped, in_axes=(0, None))(jnp.ones((2, 3)), 1.0)[0].shape == (2, 3)
    with jitney.set_mesh(MESH):
        assert jitney.shard_map(out_specs=P("x"))(lambda x: x + jitney.lax.axis_size("x"))(x).tolist() == [
            1,
            2,
            3,
        ]
        assert jitney.smap(lambda x: x + 1, in_axes=0, out_axes=0, axis_name="x")(x).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "args", "message"),
    [
        ({"in_specs": P("x"), "out_specs": P("z")}, (np.ones(2),), "axis of the mesh"),
        ({"in_specs": P("x", "y"), "out_specs": P()}, (np.ones(2),), "too long"),
        ({"in_specs": (P(), P()), "out_specs": P()}, (np.ones(2),), "in_specs"),
        ({"in_specs": P(), "out_specs": P(), "mesh": None}, (np.ones(2),), "mesh cannot be empty"),
        (
            {"in_specs": P(), "out_specs": P(), "mesh": AbstractMesh((2,), ("x",))},
            (np.ones(2),),
            "one device",
        ),
        ({"in_specs": P(), "out_specs": P(), "axis_names": {"z"}}, (np.ones(2),), "axis_names"),
    ],
)
def test_shard_map_says_what_does_not_fit(options: dict[str, Any], args: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jitney.shard_map(lambda x: x, **{"mesh": MESH, **options})(*args)


def test_pmap() -> None:
    for library, x in ((jitney, np.ones((1, 3))), (jax, np.ones((1, 3)))):
        f = library.pmap(lambda x: x * 2 + library.lax.psum(x, "i"), axis_name="i")
        assert f(x).tolist() == [[3, 3, 3]]
        scaled = library.pmap(lambda x, n: x * n, static_broadcasted_argnums=1)
        assert scaled(x, 3).tolist() == [[3, 3, 3]]
        mixed = library.pmap(lambda x, d: x * d["a"], in_axes=(None, 0))
        assert mixed(np.ones(3), {"a": np.ones(1)}).tolist() == [[1, 1, 1]]
    with pytest.raises(ValueError, match="mapped axis of size 2"):
        jitney.pmap(lambda x: x)(np.ones((2, 3)))
    with pytest.raises(ValueError):
        jitney.pmap(lambda x: x)(2.0)


def test_parts_of_arrays() -> None:
    x = jnp.arange(4.0)
    (shard,) = x.addressable_shards
    assert shard.data is x and shard.index == (slice(None),) and shard.replica_id == 0
    one = SingleDeviceSharding(jitney.devices()[0])
    assert jitney.make_array_from_callback((4,), one, lambda i: np.arange(4.0)[i]).tolist() == x.tolist()
    assert jitney.make_array_from_single_device_arrays((4,), one, [x]) is x
    assert jitney.make_array_from_process_local_data(one, np.ones(2)).tolist() == [1, 1]
    with pytest.raises(ValueError, match="one array"):
        jitney.make_array_from_single_device_arrays((4,), one, [x, x])
    assert repr(x.format) == repr(jax.numpy.arange(4.0).format)
    assert x.byteswap().byteswap().tolist() == x.tolist()


def test_devices() -> None:
    with pytest.raises(RuntimeError, match="gpu"):
        jitney.devices("gpu")
    with pytest.raises(ValueError, match="process_index 3"):
        jitney.local_devices(3)
    device = jitney.devices()[0]
    assert pickle.loads(pickle.dumps(device)) is device and str(device) == str(jax.devices("cpu")[0])
    assert isinstance(device, jitney.Device)


def test_dlpack_and_events(tmp_path: Path) -> None:
    assert jitney.dlpack.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="copy=False"):
        jitney.dlpack.from_dlpack(np.arange(3), copy=False)
    with pytest.raises(TypeError, match="__dlpack__"):
        jitney.dlpack.from_dlpack([1, 2])
    heard: list[Any] = []
    jitney.monitoring.register_event_duration_secs_listener(
        lambda *args, **kwargs: heard.append((args, kwargs))
    )
    jitney.monitoring.record_event_duration_secs("step", 2.0, kind="fast")
    assert heard == [(("step", 2.0), {"kind": "fast"})]
    jitney.monitoring.clear_event_listeners()
    with pytest.raises(ValueError, match="not registered"):
        jitney.monitoring.unregister_event_listener(print)
    with pytest.raises(RuntimeError, match="No profile"):
        jitney.profiler.stop_trace()
    with jitney.profiler.trace(tmp_path), jitney.profiler.TraceAnnotation("part"):
        jnp.ones(3) + 1
    assert (tmp_path / "profile.html").stat().st_size > 100


def test_user_contexts_are_part_of_what_programs_are_traced_under() -> None:
    scale = jitney.make_user_context(1.0)
    f = jitney.jit(lambda x: x * scale.value)
    assert float(f(2.0)) == 2
    with scale(3.0):
        assert float(f(2.0)) == 6
    assert float(f(2.0)) == 2 and scale.get_global() == 1.0


def test_slices_by_size() -> None:
    x = np.arange(10)
    for j in (jitney, jax):
        a = j.numpy.array(x)
        assert a[j.ds(2, 3)].tolist() == [2, 3, 4]
        assert j.jit(lambda a, i, j=j: a[j.ds(i, 3)])(a, 4).tolist() == [4, 5, 6]


def test_linear_functions_pass_through_jit() -> None:
    y, pull = jitney.jit(lambda x: jitney.vjp(jnp.sin, x))(2.0)
    assert np.isclose(float(pull(1.0)[0]), np.cos(2.0)) and np.isclose(float(y), np.sin(2.0))
    assert np.isclose(float(jitney.jit(lambda f, ct: f(ct))(pull, 2.0)[0]), 2 * np.cos(2.0))
    _, push = jitney.jit(lambda x: jitney.linearize(jnp.sin, x))(2.0)
    assert np.isclose(float(push(1.0)), np.cos(2.0))
    for j in (jitney, jax):
        forward, backward = j.fwd_and_bwd(lambda x, y: (x * y, 3), argnums=(0, 1), has_aux=True)
        out, residuals, aux = forward(2.0, 5.0)
        assert (float(out), int(aux)) == (10, 3) and [float(ct) for ct in backward(residuals, 1.0)] == [5, 2]


def test_linear_call() -> None:
    from jitney.custom_derivatives import linear_call

    def f(r: Any, x: Any) -> Any:
        return linear_call(lambda r, x: x / r, lambda r, ct: ct / r, r, x)

    assert float(f(2.0, 3.0)) == 1.5 and float(jitney.grad(f, 1)(2.0, 3.0)) == 0.5
    assert jitney.vmap(jitney.grad(f, 1))(jnp.array([1.0, 2.0]), jnp.ones(2)).tolist() == [1, 0.5]
    backwards = lambda x: linear_call(lambda r, x: 2 * x, lambda r, ct: 7 * ct, (), x)
    assert float(jitney.jit(jitney.grad(backwards))(1.0)) == 7
    assert float(jitney.grad(f)(2.0, 3.0)) == -0.75  # by the residuals: of the program itself
    assert float(jitney.jit(jitney.grad(jitney.grad(f, 1)))(2.0, 3.0)) == -0.25
    with pytest.raises(TypeError, match="must match those of linear inputs"):
        linear_call(lambda r, x: x, lambda r, ct: (ct, ct), (), 1.0)


DOCUMENTED = """
    _api.meshes _api.shardings _api.mapping _api.slices _api.layouts _api.linear_call _api.array_pictures _api.contexts
    _api.environment _api.linear_functions _api.autodiff monitoring profiler dlpack dtypes experimental.compute_on
    experimental.mesh_utils experimental.multihost_utils experimental.sparse._bcoo experimental.sparse._products
    experimental.sparse._transforms extend.backend numpy.bits numpy.fitting numpy.ufunc_methods lax.ragged lax.marks
"""


@pytest.mark.parametrize("name", DOCUMENTED.split())
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"jitney.{name}")
    runner, parser = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), doctest.DocTestParser()
    for label, value in vars(module).items():
        members = {label: value} | ({} if not isinstance(value, type) else vars(value))
        for member, one in members.items():
            text = getattr(one, "__doc__", None)
            own = (getattr(one, "__module__", None) or "").startswith("jitney")
            if own and isinstance(text, str) and ">>>" in text:
                runner.run(parser.get_doctest(text, {}, member, None, 0))
    assert runner.summarize(verbose=False).failed == 0
