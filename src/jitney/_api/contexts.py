"""Context managers that hold a switch of the configuration, and ``ensure_compile_time_eval``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from jitney import _ext
from jitney._base.config import config
from jitney._core.trace import Trace, Tracer, current_trace, swap_trace, under


def _switch(option: str, summary: str, example: str, default: Any = True) -> Callable[..., Any]:
    """A function whose result holds ``option`` at a value inside a ``with`` block (it is a decorator as well)."""
    name = option.removeprefix("jax_")

    def hold(new_val: Any = default) -> contextlib.AbstractContextManager[None]:
        return config.temporarily(option, new_val)

    hold.__name__ = hold.__qualname__ = name
    hold.__doc__ = f"{summary}\n\n    Holds ``config.{option}`` inside a ``with`` block, for all threads.\n\n    Example:\n{example}    "
    return hold


def _example(*lines: str) -> str:
    return "".join(f"        {line}\n" for line in (">>> import jitney, jitney.numpy as jnp", *lines))


debug_nans = _switch(
    "jax_debug_nans",
    "Raise FloatingPointError where an operation or a compiled program makes a NaN; the error names the line.",
    _example(
        ">>> with jitney.debug_nans(True):",
        "...     try:",
        "...         y = jitney.jit(jnp.log)(-1.0)",
        "...     except FloatingPointError as error:",
        "...         print(str(error).splitlines()[0])",
        "invalid value (nan) encountered in log",
    ),
)
debug_infs = _switch(
    "jax_debug_infs",
    "Raise FloatingPointError where an operation or a compiled program makes an infinity; the error names the line.",
    _example(
        ">>> with jitney.debug_infs(True):",
        "...     try:",
        "...         y = 1 / jnp.zeros(2)",
        "...     except FloatingPointError as error:",
        "...         print(str(error).splitlines()[0])",
        "invalid value (inf) encountered in div",
    ),
)
check_bounds = _switch(
    "check_bounds",
    "Raise IndexError where an index is out of bounds, in eager and in compiled code; the error names the line.",
    _example(
        ">>> with jitney.check_bounds(True):",
        "...     try:",
        "...         y = jitney.jit(lambda x, i: x[i])(jnp.arange(3), 5)",
        "...     except IndexError as error:",
        "...         print(str(error).splitlines()[0])",
        "index 5 is out of bounds for axis 0 with size 3 of an array of shape (3,)",
    ),
)
check_overflow = _switch(
    "check_overflow",
    "Raise OverflowError where the result of signed integers, or a cast, does not fit; the error names the line.",
    _example(
        ">>> with jitney.check_overflow(True):",
        "...     try:",
        "...         y = jitney.jit(lambda n: n * n)(jnp.int32(100_000))",
        "...     except OverflowError as error:",
        "...         print(str(error).splitlines()[0])",
        "integer overflow: 100000 * 100000 does not fit int32",
    ),
)
check_tracer_leaks = _switch(
    "jax_check_tracer_leaks",
    "Raise where a traced value outlives the function that made it, and say what holds it. Functions are traced anew.",
    _example(">>> with jitney.check_tracer_leaks(True):", "...     y = jitney.jit(jnp.sin)(1.0)"),
)
log_compiles = _switch(
    "jax_log_compiles",
    "Log what is traced and compiled, and how long it takes (logger ``jitney``, level WARNING).",
    _example(">>> with jitney.log_compiles(False):", "...     y = jitney.jit(jnp.sin)(1.0)"),
)
explain_cache_misses = _switch(
    "jax_explain_cache_misses",
    "Log why a jitted function is traced again: which argument changed, from what to what (logger ``jitney``).",
    _example(">>> with jitney.explain_cache_misses(False):", "...     y = jitney.jit(jnp.sin)(1.0)"),
)
no_tracing = _switch(
    "jax_no_tracing",
    "Raise RuntimeError where a jitted function would have to be traced.",
    _example(
        ">>> f = jitney.jit(jnp.sin)",
        ">>> y = f(1.0)",
        ">>> with jitney.no_tracing(True):",
        "...     y = f(2.0)",
    ),
)
enable_x64 = _switch(
    "jax_enable_x64",
    "64-bit types (the default here) or 32-bit ones.",
    _example(">>> with jitney.enable_x64(False):", "...     print(jnp.ones(2).dtype)", "float32"),
)
enable_checks = _switch(
    "jax_enable_checks",
    "Let the compiler check its own intermediate forms after each pass.",
    _example(">>> with jitney.enable_checks(True):", "...     y = jitney.jit(jnp.sin)(1.0)"),
)
numpy_rank_promotion = _switch(
    "jax_numpy_rank_promotion",
    'What operands of different rank do: ``"allow"``, ``"warn"`` or ``"raise"``.',
    _example('>>> with jitney.numpy_rank_promotion("allow"):', "...     y = jnp.ones(3) + 1"),
    None,
)
numpy_dtype_promotion = _switch(
    "jax_numpy_dtype_promotion",
    'What operands of different dtypes do: ``"standard"`` promotion, or ``"strict"``: an error.',
    _example('>>> with jitney.numpy_dtype_promotion("standard"):', "...     y = jnp.ones(3) + jnp.arange(3)"),
    None,
)
default_matmul_precision = _switch(
    "jax_default_matmul_precision",
    "Accepted: products are always computed in the precision of their dtype.",
    _example('>>> with jitney.default_matmul_precision("float32"):', "...     y = jnp.ones(3) @ jnp.ones(3)"),
    None,
)
default_device = _switch(
    "jax_default_device",
    "Accepted: there is one device.",
    _example(">>> with jitney.default_device(jitney.devices()[0]):", "...     y = jnp.ones(3)"),
    None,
)
default_prng_impl = _switch(
    "jax_default_prng_impl",
    "Accepted: Threefry is the only generator.",
    _example('>>> with jitney.default_prng_impl("threefry2x32"):', "...     y = jnp.ones(3)"),
    "threefry2x32",
)
threefry_partitionable = _switch(
    "jax_threefry_partitionable",
    "Accepted: numbers do not depend on how work is divided.",
    _example(">>> with jitney.threefry_partitionable(True):", "...     y = jnp.ones(3)"),
)
enable_custom_prng = _switch(
    "jax_enable_custom_prng",
    "Accepted.",
    _example(">>> with jitney.enable_custom_prng(True):", "...     y = jnp.ones(3)"),
)
legacy_prng_key = _switch(
    "jax_legacy_prng_key",
    "Accepted.",
    _example('>>> with jitney.legacy_prng_key("allow"):', "...     y = jnp.ones(3)"),
    "allow",
)
debug_key_reuse = _switch(
    "jax_debug_key_reuse",
    "Accepted.",
    _example(">>> with jitney.debug_key_reuse(False):", "...     y = jnp.ones(3)"),
)
softmax_custom_jvp = _switch(
    "jax_softmax_custom_jvp",
    "Accepted: the derivative of softmax is always the accurate one.",
    _example(">>> with jitney.softmax_custom_jvp(True):", "...     y = jnp.ones(3)"),
)
array_garbage_collection_guard = _switch(
    "jax_array_garbage_collection_guard",
    "Accepted: arrays are freed with their last reference.",
    _example('>>> with jitney.array_garbage_collection_guard("allow"):', "...     y = jnp.ones(3)"),
    None,
)
thread_guard = _switch(
    "jax_thread_guard",
    "Accepted: threads do not disturb each other.",
    _example(">>> with jitney.thread_guard(False):", "...     y = jnp.ones(3)"),
)
auto_pcast = _switch(
    "jax_auto_pcast",
    "Accepted: it concerns several devices.",
    _example(">>> with jitney.auto_pcast(True):", "...     y = jnp.ones(3)"),
)
allow_f16_reductions = _switch(
    "jax_allow_f16_reductions",
    "Accepted: sums of 16-bit numbers are taken in single precision.",
    _example(">>> with jitney.allow_f16_reductions(False):", "...     y = jnp.ones(3)"),
)
remove_size_one_mesh_axis_from_type = _switch(
    "jax_remove_size_one_mesh_axis_from_type",
    "Accepted: it concerns several devices.",
    _example(">>> with jitney.remove_size_one_mesh_axis_from_type(False):", "...     y = jnp.ones(3)"),
)
jax2tf_associative_scan_reductions = _switch(
    "jax2tf_associative_scan_reductions",
    "Accepted: it concerns programs for TensorFlow.",
    _example(">>> with jitney.jax2tf_associative_scan_reductions(False):", "...     y = jnp.ones(3)"),
)
transfer_guard_host_to_device, transfer_guard_device_to_device, transfer_guard_device_to_host = (
    _switch(
        f"jax_transfer_guard_{direction}",
        "Accepted: there are no transfers.",
        _example(f'>>> with jitney.transfer_guard_{direction}("allow"):', "...     y = jnp.ones(3)"),
        None,
    )
    for direction in ("host_to_device", "device_to_device", "device_to_host")
)


def transfer_guard(new_val: str) -> contextlib.AbstractContextManager[None]:
    """Accepted: there are no transfers.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> with jitney.transfer_guard("disallow"):
        ...     y = jnp.ones(3)
    """
    return config.temporarily("jax_transfer_guard", new_val)


class UserContext:
    """A value that functions read while they are traced; another value traces them anew. See ``make_user_context``."""

    def __init__(self, default_value: Any) -> None:
        self._name = f"user context {id(self)}"
        config.add(self._name, default_value)
        config.on_change(self._name, lambda _: _ext.config_key(config.dispatch_key))

    @property
    def value(self) -> Any:
        """The value that holds here."""
        return config.read(self._name)

    def get_global(self) -> Any:
        """The same as ``value``."""
        return self.value

    def set_global(self, value: Any) -> None:
        """Set the value for all that follows."""
        config.update(self._name, value)

    def __call__(self, new_val: Any) -> contextlib.AbstractContextManager[None]:
        """Hold the value inside a ``with`` block."""
        return config.temporarily(self._name, new_val)


def make_user_context(default_value: Any = None) -> UserContext:
    """A switch of the user's own: a hashable value that traced functions may read.

    Example:
        >>> import jitney
        >>> scale = jitney.make_user_context(1.0)
        >>> f = jitney.jit(lambda x: x * scale.value)
        >>> with scale(3.0):
        ...     float(f(2.0))
        6.0
        >>> float(f(2.0))
        2.0
    """
    return UserContext(default_value)


def checking_leaks() -> contextlib.AbstractContextManager[None]:
    """``check_tracer_leaks(True)``.

    Raises:
        Exception: on leaving a traced function whose values live on; it says who holds them.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> kept = []
        >>> with jitney.checking_leaks():
        ...     try:
        ...         y = jitney.jit(lambda x: kept.append(x) or x)(1.0)
        ...     except Exception as error:
        ...         print("Leaked" in str(error))
        True
    """
    return config.temporarily("jax_check_tracer_leaks", True)


def disable_jit(disable: bool = True) -> contextlib.AbstractContextManager[None]:
    """Run jitted functions as plain Python, and control flow as Python's, inside a ``with`` block: for debuggers.

    Example:
        >>> import jitney
        >>> f = jitney.jit(lambda x: x if x > 0 else -x)  # an error when compiled
        >>> with jitney.disable_jit():
        ...     float(f(-2.0))
        2.0
    """
    return config.temporarily("jax_disable_jit", bool(disable))


class _CompileTimeTrace(Trace):
    """Evaluates what has concrete operands at once; the rest goes to the trace around."""

    __slots__ = ("parent",)

    def __init__(self, parent: Trace | None) -> None:
        self.parent = parent

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        with under(self.parent if any(isinstance(x, Tracer) for x in args) else None):
            return primitive.bind(*args, **params)


@contextlib.contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """Evaluate operations on concrete values at once, while a function around is being traced.

    Operations on traced values are recorded as ever.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.jit
        ... def f(x):
        ...     with jitney.ensure_compile_time_eval():
        ...         n = int(jnp.sum(jnp.ones(3)))  # a number, not a tracer
        ...     return x * n
        >>> float(f(2.0))
        6.0
    """
    before = swap_trace(_CompileTimeTrace(current_trace()))
    try:
        yield
    finally:
        swap_trace(before)
