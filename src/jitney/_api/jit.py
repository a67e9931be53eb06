"""``jit``: compile a function into one native program per input signature."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from jitney import _ext
from jitney._api.calls import (
    as_indices,
    boundary,
    check_callable,
    check_leaf,
    check_outputs,
    debug_info,
    leaf_names,
)
from jitney._api.stages import Lowered, Traced
from jitney._base.config import config
from jitney._control.jit import executable, jit_p
from jitney._core import axes, plugs, tree
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.staging import hoist_tracers, stage


class Signature:
    """One call split into static values and dynamic leaves."""

    __slots__ = ("args", "in_tree", "kwargs", "leaves", "static_args", "static_kwargs")

    def __init__(
        self, args: tuple, kwargs: dict[str, Any], static_nums: frozenset[int], static_names: frozenset[str]
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.static_args = {i: args[i] for i in static_nums if i < len(args)}
        self.static_kwargs = {k: kwargs[k] for k in static_names if k in kwargs}
        dynamic = tuple(a for i, a in enumerate(args) if i not in self.static_args)
        named = {k: kwargs[k] for k in sorted(kwargs) if k not in self.static_kwargs}
        self.leaves, self.in_tree = tree.flatten((dynamic, named))

    def static_key(self) -> tuple:
        items = [*sorted(self.static_args.items()), *sorted(self.static_kwargs.items())]
        for name, value in items:
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"Non-hashable static arguments are used in a jit function: argument {name!r} is static, but its value "
                    f"of type {type(value).__name__} cannot be hashed. Pass a hashable value (a tuple instead of a list)."
                ) from None
        return tuple((name, type(value), value) for name, value in items)

    def rebuild(self, leaves: Sequence[Any]) -> tuple[tuple, dict[str, Any]]:
        dynamic, named = tree.unflatten(self.in_tree, leaves)
        rest = iter(dynamic)
        args = tuple(
            self.static_args[i] if i in self.static_args else next(rest) for i in range(len(self.args))
        )
        return args, {**named, **self.static_kwargs}

    def names(self, fun: Any) -> list[str]:
        """A readable name for each dynamic leaf."""
        marker = object()
        args = tuple(marker if i in self.static_args else a for i, a in enumerate(self.args))
        kwargs = {k: v for k, v in self.kwargs.items() if k not in self.static_kwargs}
        leaves = tree.leaves((args, {k: kwargs[k] for k in sorted(kwargs)}))
        return [
            n for n, leaf in zip(leaf_names(fun, args, kwargs), leaves, strict=False) if leaf is not marker
        ]


class Program:
    """A traced call: its jaxpr, the tracers that it closes over, and the tree of its result."""

    __slots__ = ("closed", "hoisted", "out_tree")

    def __init__(self, closed: ClosedJaxpr, hoisted: list[Any], out_tree: Any) -> None:
        self.closed = closed
        self.hoisted = hoisted
        self.out_tree = out_tree


class Jitted:
    """What a jitted function knows beside the C++ dispatcher: how to trace itself, and its programs."""

    def __init__(
        self, fun: Callable[..., Any], static_nums: frozenset[int], static_names: frozenset[str]
    ) -> None:
        self.fun = fun
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.static_nums = static_nums
        self.static_names = static_names
        self.programs: dict[Any, Program] = {}

    def signature(self, args: tuple, kwargs: dict[str, Any]) -> Signature:
        nums = frozenset(n % len(args) if n < 0 and args else n for n in self.static_nums)
        return Signature(args, kwargs, nums, self.static_names)

    def program(self, call: Signature) -> Program:
        """The program for this signature, traced at its first use."""
        avals = self.avals(call)
        key = (call.in_tree, tuple(avals), call.static_key(), axes.bound(), config.x64_enabled)
        program = self.programs.get(key)
        if program is None:
            program = self.trace(call, avals)
            if not program.hoisted:  # a program that closes over a tracer serves this one call only
                self.programs[key] = program
        return program

    def avals(self, call: Signature) -> list[Any]:
        with contextlib.suppress(TypeError):
            return [check_leaf(leaf, "", "") for leaf in call.leaves]
        names = call.names(self.fun)  # one of them is no array: check again, with names for the message
        return [check_leaf(leaf, name, self.name) for leaf, name in zip(call.leaves, names, strict=False)]

    def trace(self, call: Signature, avals: list[Any]) -> Program:
        out_tree: Any = None

        def flat(*leaves: Any) -> list[Any]:
            nonlocal out_tree
            args, kwargs = call.rebuild(leaves)
            outs, out_tree = tree.flatten(self.fun(*args, **kwargs))
            check_outputs(outs, self.fun, "jit", out_tree)
            return outs

        info = debug_info("jit", self.fun, (), {})
        info.arg_names = call.names(self.fun)
        closed, hoisted = hoist_tracers(stage(flat, avals, info))
        return Program(closed, hoisted, out_tree)

    def on_miss(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A new signature of concrete arguments: trace and compile it for the dispatcher."""
        if config.jax_disable_jit:
            return NotImplemented
        program = self.program(self.signature(args, kwargs))
        if program.hoisted:
            return NotImplemented
        return executable(program.closed), tree.template(program.out_tree)

    def on_trace(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call under a transformation: one ``jit`` equation."""
        if config.jax_disable_jit:
            return self.fun(*args, **kwargs)
        call = self.signature(args, kwargs)
        program = self.program(call)
        outs = jit_p.bind(*program.hoisted, *call.leaves, jaxpr=program.closed, name=self.name)
        return tree.unflatten(program.out_tree, outs)

    def traced(self, *args: Any, **kwargs: Any) -> Traced:
        call = self.signature(args, kwargs)
        program = self.program(call)
        return Traced(
            program.closed, program.out_tree, call.in_tree, self.name, self.static_nums, self.static_names
        )

    def clear(self) -> None:
        self.programs.clear()


_all: Any = None


def _registry() -> Any:
    """Weak references to every jitted function, for ``clear_caches``."""
    global _all
    if _all is None:
        import weakref

        _all = weakref.WeakSet()
    return _all


def clear_caches() -> None:
    """Forget every compiled and traced program of every jitted function, and return their memory."""
    for function in list(_registry()):
        function.clear_cache()
    plugs.clear_eager_kernels()
    plugs.release_memory()


def _static_arguments(fun: Any, argnums: Any, argnames: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the static arguments, each inferred from the other where it was not given."""
    nums = as_indices(argnums) if argnums is not None else ()
    names = () if argnames is None else (argnames,) if isinstance(argnames, str) else tuple(argnames)
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return nums, names
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    has_varargs = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    has_varkw = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for n in nums:
        if not has_varargs and not -len(positional) <= n < len(positional):
            raise ValueError(
                f"jitted function has static_argnums={nums} but only accepts {len(positional)} positional arguments."
            )
    known = {p.name for p in parameters}
    for name in names:
        if name not in known and not has_varkw:
            raise ValueError(
                f"jitted function has invalid argname {{{name!r}}} in static_argnames. Function does not take these args."
            )
    if argnums is None:
        nums = tuple(i for i, p in enumerate(positional) if p.name in names)
    elif argnames is None:
        names = tuple(
            positional[n].name
            for n in nums
            if -len(positional) <= n < len(positional)
            and positional[n].kind is not inspect.Parameter.POSITIONAL_ONLY
        )
    return nums, names


def jit(
    fun: Callable[..., Any] | None = None,
    /,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    keep_unused: bool = False,
    device: Any = None,
    backend: Any = None,
    inline: bool = False,
    abstracted_axes: Any = None,
    compiler_options: dict[str, Any] | None = None,
    in_shardings: Any = None,
    out_shardings: Any = None,
) -> Any:
    """Compile ``fun`` into one native function for each signature it is called with.

    A signature is the tree structure of the arguments, each leaf's shape, dtype and weak type, and the
    values of static arguments.  ``fun`` is traced once per signature: Python side effects happen then only.

    Args:
        fun: a function of arrays, scalars and pytrees of them that returns the same.
        static_argnums: positions of arguments that are Python values fixed at compile time (hashable).
        static_argnames: the same by name.  Each of the two is inferred from the other if not given.
        donate_argnums, donate_argnames: accepted; inputs are never overwritten.
        keep_unused, device, backend, inline, abstracted_axes, compiler_options, in_shardings,
            out_shardings: accepted for compatibility; one CPU device is all there is.

    Returns:
        A callable with the same signature, and ``.lower(...)``, ``.trace(...)``, ``.eval_shape(...)``,
        ``.clear_cache()``.

    Raises:
        TracerBoolConversionError: Python control flow asks for the truth of a traced value.
        TypeError: an argument or result is not an array, scalar or pytree of them.
        ValueError: a static argument is not hashable.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.jit
        ... def norm(x):
        ...     return jnp.sqrt(jnp.sum(x**2))
        >>> float(norm(jnp.array([3.0, 4.0])))
        5.0
    """
    if fun is None:
        options = {k: v for k, v in locals().items() if k != "fun"}
        return functools.partial(jit, **options)
    check_callable(fun, "jit")
    nums, names = _static_arguments(fun, static_argnums, static_argnames)
    jitted = Jitted(fun, frozenset(nums), frozenset(names))
    public = _ext.JitFunction(fun, jitted.on_miss, jitted.on_trace, nums, names)
    functools.update_wrapper(public, fun)
    _attach(public, jitted)
    _registry().add(public)
    return public


def _attach(public: Any, jitted: Jitted) -> None:
    """Give the dispatcher its methods for inspection."""
    dispatcher_clear = public.clear_cache

    def clear_cache() -> None:
        jitted.clear()
        dispatcher_clear()

    def lower(*args: Any, **kwargs: Any) -> Lowered:
        return jitted.traced(*args, **kwargs).lower()

    def eval_shape(*args: Any, **kwargs: Any) -> Any:
        return jitted.traced(*args, **kwargs).out_info

    public.trace = boundary(jitted.traced)
    public.lower = boundary(lower)
    public.eval_shape = boundary(eval_shape)
    public.clear_cache = clear_cache
