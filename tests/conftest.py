"""Settings for all tests: JAX, the oracle, on the CPU and in 64 bits; the compiler's checkers on; small helpers as fixtures."""

from __future__ import annotations

import atexit
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if importlib.metadata.version("jax").startswith(
    "0.10."
):  # the oracle compiles twice as fast; an unknown flag ends the process
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
    )
os.environ.setdefault(
    "JITNEY_CHECK", "1"
)  # every pass of the compiler is followed by a proof of what it made
# No test reads or writes the programs that this machine's user has compiled.
os.environ["JITNEY_CACHE_DIR"] = tempfile.mkdtemp(prefix="jitney-cache-")
atexit.register(shutil.rmtree, os.environ["JITNEY_CACHE_DIR"], ignore_errors=True)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # helpers beside the tests: opdb, comparing

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

import jitney  # noqa: E402

jax.config.update("jax_enable_x64", True)
settings.register_profile(
    "jitney", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("jitney")


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_programs() -> Iterator[None]:
    """After a file: thousands of compiled programs of both libraries would fill a small machine's memory."""
    yield
    jitney.clear_caches()
    jax.clear_caches()


@pytest.fixture
def no_x64() -> Iterator[None]:
    """Both libraries with 64-bit types disabled."""
    with jitney.config.temporarily("jax_enable_x64", False):
        jax.config.update("jax_enable_x64", False)
        try:
            yield
        finally:
            jax.config.update("jax_enable_x64", True)


@pytest.fixture
def jax_derivatives() -> Iterator[None]:
    """Derivatives equation by equation as JAX's, NaN where those are."""
    with jitney.config.temporarily("safe_grad", False):
        yield


@pytest.fixture
def no_jit() -> Iterator[None]:
    """Both libraries with ``jax_disable_jit``."""
    with jitney.config.temporarily("jax_disable_jit", True), jax.disable_jit():
        yield
