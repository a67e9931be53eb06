"""Names and signatures of JAX's public modules never get lost: what ``make parity`` finds, held."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

import jitney
from jitney._api import unsupported


def _parity() -> Any:
    path = Path(__file__).parents[1] / "tools" / "parity.py"
    spec = importlib.util.spec_from_file_location("parity", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


PARITY = _parity()
# Modules that are not complete yet; a name goes from here when its module has all of JAX's names and signatures.
UNFINISHED: list[str] = []
# Modules whose functions all have a row in the op table; more are to follow.
WITH_ROWS = ["numpy", "numpy.fft", "numpy.linalg", "lax", "lax.linalg", "scipy.linalg", "nn", "ops"]
WITH_ROWS += """scipy.special scipy.stats scipy.signal scipy.fft scipy.ndimage scipy.integrate scipy.cluster.vq image""".split()

same_version = pytest.mark.skipif(
    not jax.__version__.startswith("0.10."), reason="other versions of JAX have other names"
)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return {f.name: f for f in PARITY.findings()}


@same_version
@pytest.mark.parametrize("module", [m for m in PARITY.MODULES if m not in UNFINISHED])
def test_names_and_signatures(found: dict[str, Any], module: str) -> None:
    assert found[module].missing == []
    assert found[module].differing == []


@same_version
@pytest.mark.parametrize("module", WITH_ROWS)
def test_rows(found: dict[str, Any], module: str) -> None:
    assert found[module].without_row == []


@pytest.mark.parametrize("module", sorted(unsupported.REASONS))
def test_unsupported_names_say_why(module: str) -> None:
    place = importlib.import_module(f"jitney.{module}" if module else "jitney")
    for name, reason in unsupported.REASONS[module].items():
        value = getattr(place, name)
        assert unsupported.is_unsupported(value), f"{module}.{name} is there, and listed as unsupported"
        with pytest.raises(NotImplementedError, match="is not supported: ") as error:
            value()
        assert reason in str(error.value)


def test_unsupported_classes_have_no_instances() -> None:
    assert not isinstance(1, jitney.export.Exported)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(jitney.export, "nothing")  # noqa: B009
    with pytest.raises(AttributeError, match="module 'jitney' has no attribute 'nothing'"):
        getattr(jitney, "nothing")  # noqa: B009
    with pytest.raises(NotImplementedError, match="makes no MLIR"):
        getattr(jitney.interpreters.mlir.ir, "RankedTensorType")  # noqa: B009


OBJECTS: dict[str, Any] = {
    "array": lambda m: m.numpy.ones(3),
    "x.at": lambda m: m.numpy.ones(3).at,
    "x.at[i]": lambda m: m.numpy.ones(3).at[0],
    "key": lambda m: m.random.key(0),
    "ufunc": lambda m: m.numpy.add,
    "ufunc of the user's": lambda m: m.numpy.frompyfunc(lambda x, y: x + y, 2, 1),
    "finfo": lambda m: m.numpy.finfo("float32"),
    "treedef": lambda m: m.tree.structure((1, 2)),
    "custom_jvp": lambda m: m.custom_jvp(lambda x: x),
    "custom_vjp": lambda m: m.custom_vjp(lambda x: x),
    "custom_vmap": lambda m: m.custom_batching.custom_vmap(lambda x: x),
    "jitted": lambda m: m.jit(lambda x: x),
    "traced": lambda m: m.jit(lambda x: x).trace(1.0),
    "lowered": lambda m: m.jit(lambda x: x).lower(1.0),
    "compiled": lambda m: m.jit(lambda x: x).lower(1.0).compile(),
    "ShapeDtypeStruct": lambda m: m.ShapeDtypeStruct((3,), "float32"),
    "Partial": lambda m: m.tree_util.Partial(lambda x: x),
    "ref": lambda m: m.new_ref(m.numpy.ones(3)),
    "Rotation": lambda m: _module(m, "scipy.spatial.transform").Rotation.from_euler("z", 0.5),
    "gaussian_kde": lambda m: _module(m, "scipy.stats").gaussian_kde(m.numpy.arange(5.0)),
    "BCOO": lambda m: _module(m, "experimental.sparse").BCOO.fromdense(m.numpy.eye(3)),
    "Error": lambda m: _module(m, "experimental.checkify").checkify(lambda x: x)(1.0)[0],
    "PartitionSpec": lambda m: m.sharding.PartitionSpec("x"),
}
# Of other backends, of JAX's own insides, and what it has on its way out.
NOT_OURS = set(
    """clone device_buffer device_buffers flat platform traceback pprint deserialize_using_proto serialize_using_proto lojax
    tree_flatten tree_unflatten unsafe_buffer_pointer is_deleted""".split()
)


def _module(library: Any, name: str) -> Any:
    return importlib.import_module(f"{library.__name__}.{name}")


@same_version
@pytest.mark.parametrize("name", OBJECTS)
def test_methods_and_their_parameters(name: str) -> None:
    theirs, ours = OBJECTS[name](jax), OBJECTS[name](jitney)
    for method in (n for n in dir(theirs) if not n.startswith("_") and n not in NOT_OURS):
        assert hasattr(type(ours), method) or hasattr(ours, method), method
        try:
            wanted = inspect.signature(getattr(theirs, method)).parameters
            given = inspect.signature(getattr(ours, method)).parameters.values()
        except (TypeError, ValueError, NotImplementedError):  # no function, or one of C's
            continue
        if not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in given):
            assert set(wanted) - {"self"} <= {p.name for p in given}, method
