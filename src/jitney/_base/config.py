"""Configuration: a few named switches with JAX's names, updatable at any time."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

from jitney import _ext

_DEFAULTS: dict[str, Any] = {
    "jax_enable_x64": True,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_disable_jit": False,
    "jax_check_tracer_leaks": False,
    "jax_log_compiles": False,
    "jax_explain_cache_misses": False,
    "jax_no_tracing": False,
    "jax_numpy_rank_promotion": "allow",
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_matmul_precision": None,
    "jax_enable_checks": False,  # run the IR checkers between compiler passes
    "jax_platforms": None,
    "jax_platform_name": "",
    "jax_traceback_filtering": "auto",
    # Compiled programs on disk (``jitney.cache``).
    "jax_enable_compilation_cache": True,
    "jax_compilation_cache_dir": None,
    "jax_compilation_cache_max_size": 1 << 30,  # bytes; -1: no limit, 0: no cache
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
    "jax_raise_persistent_cache_errors": False,
    "jax_default_prng_impl": "threefry2x32",
    # Accepted; they concern what this engine does not have, or does always.
    "jax_default_device": None,
    "jax_threefry_partitionable": True,
    "jax_enable_custom_prng": False,
    "jax_legacy_prng_key": "allow",
    "jax_debug_key_reuse": False,
    "jax_softmax_custom_jvp": True,
    "jax_transfer_guard": "allow",
    "jax_transfer_guard_host_to_device": None,
    "jax_transfer_guard_device_to_device": None,
    "jax_transfer_guard_device_to_host": None,
    "jax_array_garbage_collection_guard": None,
    "jax_thread_guard": False,
    "jax_auto_pcast": True,
    "jax_allow_f16_reductions": False,
    "jax_remove_size_one_mesh_axis_from_type": False,
    "jax2tf_associative_scan_reductions": False,
    "jax_use_direct_linearize": True,
    "jax_explicit_x64_dtypes": "warn",  # when a 64-bit dtype is named while jax_enable_x64 is off
    "jitney_dynamic_shapes": "auto",  # "auto": from the third length of an axis on, one program for all; or "off"
    "jitney_python_control_flow": True,  # `if`, `while` and `for` of Python on traced values
    "safe_grad": True,  # 0 * inf is 0 in derivatives (`_ops/strong_products.py`)
    "check_bounds": False,  # IndexError where an index is out of bounds
    "check_overflow": False,  # OverflowError where the result of integers does not fit
    "profiling": False,  # on in blocks of ``jitney.profile``
    "num_threads": None,  # of compiled programs and BLAS; None: what the machine and the environment give
}

# Values of switches that have a few only.
_CHOICES: dict[str, tuple[Any, ...]] = {
    "jax_numpy_rank_promotion": ("allow", "warn", "raise"),
    "jax_numpy_dtype_promotion": ("standard", "strict"),
    "jax_explicit_x64_dtypes": ("warn", "error"),
    "jax_legacy_prng_key": ("allow", "warn", "error"),
    "jitney_dynamic_shapes": ("auto", "off"),
    "jax_default_prng_impl": ("threefry2x32", "rbg", "unsafe_rbg"),
}

# What programs are traced under, and what else makes the dispatcher ask Python.
_TRACED_UNDER = (
    "jax_enable_x64",
    "jax_numpy_rank_promotion",
    "jax_numpy_dtype_promotion",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "safe_grad",
    "check_bounds",
    "check_overflow",
)
DISPATCHED_UNDER = (
    *_TRACED_UNDER,
    "jax_disable_jit",
    "jitney_dynamic_shapes",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_check_tracer_leaks",
    "profiling",
)


class Config:
    """Switches of the engine: ``config.update("jax_enable_x64", False)``, ``config.jax_enable_x64``."""

    def __init__(self) -> None:
        self._values = dict(_DEFAULTS)
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        for name, value in self._values.items():
            self._values[name] = _from_environment(name, value)
        self._numbers: dict[tuple, int] = {}
        self._traced_under = _TRACED_UNDER
        self._derive()

    def _derive(self) -> None:
        """What follows from the values and is asked for often."""
        values = self._values
        self.trace_key = tuple([values[name] for name in self._traced_under])
        self.checks_results = bool(values["jax_debug_nans"] or values["jax_debug_infs"])
        self.observes = self.checks_results or values["profiling"]  # somebody looks at each call
        self.guards = bool(values["check_bounds"] or values["check_overflow"])
        self.shortcuts = not (self.observes or self.guards)  # past eager evaluation
        key = (self.trace_key, *[values[name] for name in DISPATCHED_UNDER])
        self.dispatch_key = self._numbers.setdefault(
            key, len(self._numbers)
        )  # a small number for each combination

    def update(self, name: str, value: Any) -> None:
        """Set switch ``name``; unknown names raise ``AttributeError``."""
        if name not in self._values:
            self._find(name)
        if name in _CHOICES and value not in _CHOICES[name]:
            choices = ", ".join(map(repr, _CHOICES[name]))
            raise ValueError(f"config option {name}: the value must be one of {choices}, got {value!r}")
        if name == "num_threads" and value is not None:
            value = number_of_threads("config.num_threads", value)
        self._values[name] = value
        self._derive()
        for listener in self._listeners.get(name, ()):
            listener(value)

    def _find(self, name: str) -> None:
        """Take up the switch ``name`` that has no effect here; ``AttributeError`` if there is none."""
        from jitney._base.xla_switches import WITHOUT_EFFECT

        if name not in WITHOUT_EFFECT:
            import difflib

            near = difflib.get_close_matches(name, [*self._values, *WITHOUT_EFFECT], 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise AttributeError(f"Unrecognized config option: {name}{hint}")
        self._values[name] = _from_environment(name, WITHOUT_EFFECT[name])

    def on_change(self, name: str, listener: Callable[[Any], None]) -> None:
        """Call ``listener(value)`` now and at every update of ``name``."""
        self._listeners.setdefault(name, []).append(listener)
        listener(self._values[name])

    def add(self, name: str, value: Any) -> None:
        """A further switch, which programs are traced under."""
        self._values[name] = value
        self._traced_under = (*self._traced_under, name)
        self._derive()

    def add_absl_flags(self) -> None:
        """Let absl's command line set the switches; the values count from ``absl.app.run`` on."""
        from jitney._base import absl_flags

        absl_flags.add(self)

    config_with_absl = use_absl = add_absl_flags

    def parse_flags_with_absl(self) -> None:
        """Set the switches that are flags of this process's command line (``--jax_debug_nans``)."""
        from jitney._base import absl_flags

        absl_flags.parse(self)

    def complete_absl_config(self, absl_flags: Any) -> None:
        """Take over the switches that absl's command line set."""
        from jitney._base import absl_flags as ours

        ours.complete(self, absl_flags)

    @property
    def values(self) -> dict[str, Any]:
        """All switches and their values, those without effect included."""
        from jitney._base.xla_switches import WITHOUT_EFFECT

        return {**WITHOUT_EFFECT, **self._values}

    def read(self, name: str) -> Any:
        """The value of switch ``name``."""
        return getattr(self, name)

    @contextlib.contextmanager
    def temporarily(self, name: str, value: Any) -> Iterator[None]:
        """Hold switch ``name`` at ``value`` inside a ``with`` block."""
        before = self._values[name]
        self.update(name, value)
        try:
            yield
        finally:
            self.update(name, before)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__["_values"]
        if name not in values:
            if not name.startswith(("jax", "check_", "eager_", "mock_")):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self._find(name)
        return values[name]

    @property
    def x64_enabled(self) -> bool:
        return self._values["jax_enable_x64"]

    @property
    def safe_grad(self) -> bool:
        """Whether derivatives take 0 * inf and 0 * nan as 0 (a branch that was not taken adds nothing); writable."""
        return self._values["safe_grad"]

    @safe_grad.setter
    def safe_grad(self, value: bool) -> None:
        self.update("safe_grad", bool(value))

    @property
    def check_bounds(self) -> bool:
        """Whether indices out of bounds raise ``IndexError``, in eager and in compiled code; writable."""
        return self._values["check_bounds"]

    @check_bounds.setter
    def check_bounds(self, on: bool) -> None:
        self.update("check_bounds", bool(on))

    @property
    def check_overflow(self) -> bool:
        """Whether integers that do not fit their type raise ``OverflowError``, in eager and in compiled code; writable."""
        return self._values["check_overflow"]

    @check_overflow.setter
    def check_overflow(self, on: bool) -> None:
        self.update("check_overflow", bool(on))

    @property
    def num_threads(self) -> int:
        """CPU threads that compiled programs use; writable, None gives back the number at the start."""
        return _ext.get_num_threads()

    @num_threads.setter
    def num_threads(self, n: int | None) -> None:
        self.update("num_threads", n)


def number_of_threads(name: str, n: Any) -> int:
    """``n`` as a number of threads."""
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"{name}: the number of threads must be an integer, got {n!r}.") from None
    if n < 1:
        raise ValueError(f"{name}: the number of threads must be at least 1, got {n}.")
    return n


def _from_environment(name: str, value: Any) -> Any:
    """What the environment says of switch ``name``, or ``value``."""
    text = os.environ.get(environment_name(name)) if name.startswith(_IN_ENVIRONMENT) else None
    return value if text is None else _parse(text, value)


_IN_ENVIRONMENT = ("jax_", "jitney_", "safe_grad", "check_bounds", "check_overflow")


def environment_name(name: str) -> str:
    """The variable of the environment that sets switch ``name``: ``JAX_DEBUG_NANS``, ``JITNEY_SAFE_GRAD``."""
    return name.upper() if name.startswith(("jax_", "jitney_")) else f"JITNEY_{name.upper()}"


def _parse(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    if isinstance(default, (int, float)):
        return type(default)(text)
    return text


config = Config()
