"""``jitney.as_jax``: programs written for JAX run unmodified; the hook itself. Each case is a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

PROGRAMS = pathlib.Path(__file__).parent / "jax_programs"


def run(*arguments: str, wide: bool = False, fails: bool = False, cwd: Any = None) -> str:
    """The output of Python with ``arguments``; of a process that must fail, its errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_PLATFORMS": "cpu", **({"JAX_ENABLE_X64": "1"} if wide else {})}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=cwd, timeout=300
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def as_jax(code: str, **options: Any) -> str:
    return run("-W", "error", "-m", "jitney.as_jax", "-c", code, **options)


def program(name: str, hook: bool = True, **options: Any) -> Any:
    return json.loads(run(*(["-m", "jitney.as_jax"] if hook else []), str(PROGRAMS / name), **options))


def test_optax_trains_a_perceptron_as_with_jax() -> None:
    pytest.importorskip("optax")
    want, got = (program("optax_mlp.py", hook, wide=True) for hook in (False, True))
    np.testing.assert_allclose(got.pop("losses"), want.pop("losses"), rtol=1e-9)
    assert got == want


def test_optax_in_single_precision_which_is_the_default() -> None:
    pytest.importorskip("optax")
    got = program("optax_mlp.py")
    assert got["dtype"] == "float32" and got["count"] == 200
    assert got["losses"][0] > 0.3 > 0.005 > got["losses"][-1]


def test_blackjax_samples_a_posterior() -> None:
    """Against moments of 200,000 draws under JAX, within six of their standard errors for 300 independent draws."""
    pytest.importorskip("blackjax")
    got = program("blackjax_nuts.py")
    want = {"intercept": (0.9047, 0.1411), "slope": (2.2433, 0.2416), "log_scale": (-1.1388, 0.1715)}
    assert list(got["moments"]) == sorted(want)  # as JAX rebuilds dicts
    for name, (mean, deviation) in want.items():
        error = deviation / np.sqrt(300)
        assert abs(got["moments"][name][0] - mean) < 6 * error
        assert abs(got["moments"][name][1] - deviation) < 6 * error
    assert 0.6 < got["acceptance"] < 1 and got["divergent"] < 10


def test_jaxtyping_checks_annotations() -> None:
    pytest.importorskip("jaxtyping")
    pytest.importorskip("beartype")
    accepted = {"eager", "jit", "grad", "vmap", "index", "key", "raw key"}
    got = program("jaxtyping_checked.py")
    assert {name for name, yes in got.items() if yes} == accepted and len(got) == 14


def test_every_public_module_has_jax_s_name_and_jitney_s_contents() -> None:
    from jitney.as_jax import VERSION

    code = """
import importlib, importlib.metadata, sys
import jax, jax.numpy as jnp, jaxlib, jitney
from jax import grad, lax
from jax.scipy.stats import norm
names = '''numpy numpy.linalg numpy.fft lax lax.linalg random nn nn.initializers scipy.special scipy.linalg tree
tree_util dtypes errors flatten_util core debug stages typing sharding experimental.checkify experimental.jet
experimental.sparse extend.core extend.core.primitives extend.linear_util interpreters.ad interpreters.batching
interpreters.mlir interpreters.partial_eval custom_batching api_util ad_checkpoint'''.split()
for name in names:
    theirs = importlib.import_module('jax.' + name)
    ours = importlib.import_module('jitney.' + name)
    assert theirs is ours is sys.modules['jax.' + name], name
assert jnp is jax.numpy and grad is jitney.grad and jax.Array is jitney.Array
assert jnp.__spec__.name == 'jitney.numpy'
versions = [jax.__version__, jax.version.__version__, jaxlib.__version__, jax.lib.__version__]
versions += [importlib.metadata.version(name) for name in ('jax', 'jaxlib')]
assert importlib.metadata.version('numpy') == importlib.import_module('numpy').__version__
assert 'numpy' in dir(jax) and 'grad' in dir(jax)
print(jnp.zeros(1).dtype, jax.config.jax_enable_x64, *versions)
"""
    assert as_jax(code).split() == ["float32", "False", *[VERSION] * 6]


def test_the_environment_chooses_64_bits() -> None:
    assert as_jax("import jax.numpy as jnp; print(jnp.zeros(1).dtype)", wide=True).strip() == "float64"


def test_private_names_that_packages_import() -> None:
    code = """
from jax._src.flatten_util import ravel_pytree
from jax._src.core import trace_state_clean
from jax._src.dtypes import TypePromotionError; TypePromotionError.mro()
from jax._src import core, traceback_util, checkify
from jax._src.util import safe_zip, safe_map, unzip2, split_list
import jax, jax._src.dispatch
assert jax._src.tree_util.tree_map is jax.tree_util.tree_map
assert ravel_pytree is jax.flatten_util.ravel_pytree and core.ShapedArray is jax.core.ShapedArray
assert trace_state_clean() and not jax.jit(lambda: [] if trace_state_clean() else 1.0)() == []
jax._src.dispatch.wait_for_tokens()
traceback_util.register_exclusion(__file__ if '__file__' in globals() else 'x')
assert traceback_util.api_boundary(len) is len
assert safe_map(max, [1, 5], [2, 3]) == [2, 5] and unzip2([(1, 2), (3, 4)]) == ((1, 3), (2, 4))
assert split_list([1, 2, 3], [1]) == [[1], [2, 3]]
for statement in ('import jax._src.no_such', 'from jax._src.core import no_such', 'import jax._api', 'import jax.no_such'):
    try:
        exec(statement)
    except ImportError as error:
        print(type(error).__name__, error)
"""
    lines = as_jax(code).splitlines()
    assert [line.split()[0] for line in lines] == [
        "ModuleNotFoundError",
        "ImportError",
        *["ModuleNotFoundError"] * 2,
    ]
    assert "private to JAX" in lines[0]


def test_it_refuses_when_jax_is_there_already() -> None:
    code = "import types, sys; sys.modules['jax'] = types.ModuleType('jax'); import jitney.as_jax; jitney.as_jax.install()"
    errors = run("-c", code, fails=True)
    assert "RuntimeError: jitney.as_jax.install() must come before the first import of jax" in errors
    assert "python -m jitney.as_jax" in errors


def test_installing_twice_is_harmless_and_importing_installs_nothing() -> None:
    code = """
import sys, jitney.as_jax, jitney.numpy as jnp
assert not jitney.as_jax.installed() and jnp.zeros(1).dtype == 'float64'
jitney.as_jax.install(); jitney.as_jax.install()
import jax
assert jitney.as_jax.installed() and len([f for f in sys.meta_path if 'as_jax' in type(f).__module__]) == 1
assert jax.grad is jitney.grad and jnp.zeros(1).dtype == 'float32'
"""
    run("-W", "error", "-c", code)


def test_programs_modules_and_arguments(tmp_path: Any) -> None:
    (tmp_path / "helper.py").write_text("import jax\nanswer = float(jax.numpy.sum(jax.numpy.arange(4)))\n")
    (tmp_path / "script.py").write_text(
        "import sys, helper\nprint(__name__, helper.answer, sys.argv[1:])\nsys.exit(len(sys.argv) - 1)\n"
    )
    script = str(tmp_path / "script.py")
    done = [
        subprocess.run(
            [sys.executable, "-m", "jitney.as_jax", *arguments], capture_output=True, text=True, cwd=tmp_path
        )
        for arguments in ([script, "--x", "1"], ["-m", "script", "a"], [], ["-c"], ["nowhere.py"], ["--help"])
    ]
    assert done[0].stdout.strip() == "__main__ 6.0 ['--x', '1']" and done[0].returncode == 2
    assert done[1].stdout.strip() == "__main__ 6.0 ['a']" and done[1].returncode == 1
    assert "usage: python -m jitney.as_jax" in done[2].stdout and done[2].returncode == 2
    assert "requires an argument" in done[3].stderr and done[3].returncode == 2
    assert "no such file: nowhere.py" in done[4].stderr and done[4].returncode == 1
    assert "usage" in done[5].stdout and done[5].returncode == 0


def test_as_a_plugin_of_pytest(tmp_path: Any) -> None:
    (tmp_path / "test_it.py").write_text(
        "import jax\n\ndef test_it():\n    import jitney\n    assert jax.grad is jitney.grad\n"
    )
    out = run(
        "-m", "pytest", "-q", "-p", "jitney.as_jax", "-p", "no:cacheprovider", str(tmp_path), cwd=tmp_path
    )
    assert "1 passed" in out


# Packages that are not installed for tests are compared where they are.
PACKAGES = {
    "diffrax": ("diffrax_gradient.py", 1e-3),
    "optimistix": ("optimistix_roots.py", 1e-5),
    "equinox": ("equinox_mlp.py", 1e-3),
    "flax": ("flax_linen.py", 1e-3),
    "tinygp": ("tinygp_likelihood.py", 1e-4),
    "numpyro": ("numpyro_nuts.py", 1e-6),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_other_packages_as_with_jax(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    name, tolerance = PACKAGES[package]
    want, got = (program(name, hook) for hook in (False, True))
    assert want.keys() == got.keys()
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=tolerance, atol=tolerance, err_msg=key)
