"""``jit``: compile a function into one native program per input signature."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from jitney import _ext
from jitney._api import dynamic_shapes as lengths
from jitney._api import misses
from jitney._api.calls import (
    as_indices,
    boundary,
    check_callable,
    check_leaf,
    check_outputs,
    debug_info,
    leaf_names,
)
from jitney._api.pickling import remade
from jitney._api.stages import Lowered, ShapeDtypeStruct, Traced
from jitney._base import logs, sources
from jitney._base.config import config
from jitney._base.once import once
from jitney._control.bodies import forget_programs
from jitney._control.jit import guarded, jit_p, native, quickest
from jitney._core import axes, plugs, refs, tree
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.refs import AbstractRef, Held, Ref
from jitney._core.staging import hoist_tracers, stage
from jitney._core.trace import current_trace


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
    """A traced call: its jaxpr, the tracers that it closes over, and the tree of its result.

    Inputs are the tracers, the leaves, and the values of ``held``, the references that the function closes over; after
    the results come the values of the references (among the leaves, then ``held``) that were ``written``.
    """

    __slots__ = ("closed", "held", "hoisted", "out_tree", "written")

    def __init__(
        self, closed: ClosedJaxpr, hoisted: list[Any], out_tree: Any, held: Held, written: tuple[bool, ...]
    ) -> None:
        self.closed = closed
        self.hoisted = hoisted
        self.out_tree = out_tree
        self.held = held
        self.written = written


class Options:
    """The options of ``jit`` that change what is recorded, not what is computed."""

    __slots__ = ("donate_names", "donate_nums", "dynamic_shapes", "inline", "keep_unused")

    def __init__(
        self,
        donate_nums: tuple[int, ...] = (),
        donate_names: tuple[str, ...] = (),
        keep_unused: bool = False,
        inline: bool = False,
        dynamic_shapes: Any = None,
    ) -> None:
        self.dynamic_shapes = dynamic_shapes
        self.donate_nums = donate_nums
        self.donate_names = donate_names
        self.keep_unused = keep_unused
        self.inline = inline

    def shown(self, donated: tuple[bool, ...], hoisted: int, held: int) -> dict[str, Any]:
        """The parameters of a ``jit`` equation that are not at their defaults."""
        found: dict[str, Any] = {}
        if any(donated):
            found["donated_invars"] = (False,) * hoisted + donated + (False,) * held
        if self.keep_unused:
            found["keep_unused"] = True
        return found


class Jitted:
    """What a jitted function knows beside the C++ dispatcher: how to trace itself, and its programs."""

    def __init__(
        self,
        fun: Callable[..., Any],
        static_nums: frozenset[int],
        static_names: frozenset[str],
        options: Options | None = None,
        described: bool = False,
    ) -> None:
        self.fun = fun
        self.described = described  # whether nothing runs, so that types may stand for outputs
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.static_nums = static_nums
        self.static_names = static_names
        self.options = options or Options()
        self.programs: dict[Any, Program] = {}
        self.asked: Any = None  # programs of all lengths, where ``dynamic_shapes`` asks for them

    def signature(self, args: tuple, kwargs: dict[str, Any]) -> Signature:
        nums = frozenset(n % len(args) if n < 0 and args else n for n in self.static_nums)
        return Signature(args, kwargs, nums, self.static_names)

    def program(self, call: Signature) -> Program:
        """The program for this signature, traced at its first use."""
        return self.program_of(call, self.avals(call))

    def program_of(self, call: Signature, avals: list[Any]) -> Program:
        key = (call.in_tree, tuple(avals), call.static_key(), axes.bound(), config.trace_key)
        if config.jax_check_tracer_leaks:
            return self.traced_program(key, call, avals)
        program = self.programs.get(key)
        if program is None:
            known = lambda: self.programs.get(key)  # noqa: E731
            program = once((self, key), known, lambda: self.traced_program(key, call, avals))
        return program

    def traced_program(self, key: Any, call: Signature, avals: list[Any]) -> Program:
        if config.jax_explain_cache_misses:
            misses.explain(self.fun, key, list(self.programs), call.names(self.fun))
        program = self.timed_trace(call, avals)
        if not program.hoisted:  # a program that closes over a tracer serves this one call only
            self.programs[key] = program
        return program

    def avals(self, call: Signature) -> list[Any]:
        with contextlib.suppress(TypeError):
            return [check_leaf(leaf, "", "") for leaf in call.leaves]
        names = call.names(self.fun)  # one of them is no array: check again, with names for the message
        return [
            leaf.aval if isinstance(leaf, Ref) else check_leaf(leaf, name, self.name)
            for leaf, name in zip(call.leaves, names, strict=False)
        ]

    def described_avals(self, call: Signature) -> list[Any]:
        """The same where arguments may also be ``ShapeDtypeStruct``."""
        if not any(isinstance(leaf, ShapeDtypeStruct) for leaf in call.leaves):
            return self.avals(call)
        return [
            leaf.aval if isinstance(leaf, ShapeDtypeStruct) else check_leaf(leaf, name, self.name)
            for leaf, name in zip(call.leaves, call.names(self.fun), strict=False)
        ]

    def timed_trace(self, call: Signature, avals: list[Any]) -> Program:
        if config.jax_no_tracing:
            raise RuntimeError(
                f"re-tracing function {sources.function_location(self.fun)} for `jit`, but 'no_tracing' is set"
            )
        if config.profiling:
            from jitney._api.profiling import tracing

            with tracing(self.fun):
                return self.trace(call, avals)
        if not config.jax_log_compiles:
            return self.trace(call, avals)
        started = perf_counter()
        program = self.trace(call, avals)
        logs.warn(f"Finished tracing {self.name} for jit in {perf_counter() - started:.6f} sec")
        return program

    def trace(self, call: Signature, avals: list[Any]) -> Program:
        """The program; traced again where the function turns out to use references from outside."""
        if not refs.in_use():
            return self.trace_holding(call, avals, Held([]))
        held = Held([])
        while True:
            with refs.search() as found:
                program = self.trace_holding(call, avals, held)
            if not found:
                return program
            held = Held([*held.refs, *(ref for ref, _ in found.values())])

    def trace_holding(self, call: Signature, avals: list[Any], held: Held) -> Program:
        """The program of a function that uses the references ``held``."""
        out_tree: Any = None
        written: tuple[bool, ...] = ()
        self.check_distinct(call, held)

        def flat(*leaves: Any) -> list[Any]:
            nonlocal out_tree, written
            own, values = list(leaves[: len(avals)]), leaves[len(avals) :]
            given = []
            for number, leaf in enumerate(call.leaves):
                if isinstance(leaf, Ref):
                    own[number] = Ref(leaves[number])
                    given.append(own[number])
            before = [ref.read() for ref in given] + list(values)
            with held.bound(values):
                args, kwargs = call.rebuild(own)
                outs, out_tree = tree.flatten(self.fun(*args, **kwargs))
                after = [ref.read() for ref in given] + held.values()
            check_outputs(outs, self.fun, "jit", out_tree, self.described)
            written = tuple([new is not old for new, old in zip(after, before, strict=True)])
            return outs + [value for value, is_new in zip(after, written, strict=True) if is_new]

        info = debug_info("jit", self.fun, (), {})
        info.arg_names = call.names(self.fun)
        inner = [a.inner_aval if isinstance(a, AbstractRef) else a for a in avals]
        inner += [ref.aval.inner_aval for ref in held.refs]
        closed, hoisted = hoist_tracers(stage(flat, inner, info))
        return Program(closed, hoisted, out_tree, held, written)

    def check_distinct(self, call: Signature, held: Held) -> None:
        given = [leaf for leaf in call.leaves if isinstance(leaf, Ref)] + held.refs
        if len({id(ref) for ref in given}) < len(given):
            raise ValueError(
                "only one reference to a mutable array may be passed as an argument to a function, but "
                f"{sources.function_location(self.fun)} gets the same reference twice (as arguments, or by its closure)."
            )

    def on_miss(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A new signature of concrete arguments: trace and compile it for the dispatcher."""
        if config.jax_disable_jit:
            return NotImplemented
        if config.observes:
            return NotImplemented  # each call goes through on_trace, which ends in a checked or timed program
        call = self.signature(args, kwargs)
        program = self.program(call)
        if program.hoisted or program.held or self.options.inline:
            return NotImplemented
        if guard_effect in program.closed.effects:
            return guarded(program.closed).compiled(program.out_tree)
        dynamic = self.options.dynamic_shapes
        if dynamic:
            found = lengths.runner(self, call, program)
        else:
            found = native(program.closed) if dynamic is False else quickest(program.closed)
        return found, tree.template(program.out_tree)

    def on_trace(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call under a transformation: one ``jit`` equation."""
        if config.jax_disable_jit:
            return self.fun(*args, **kwargs)
        if config.profiling:
            from jitney._api.profiling import calling

            with calling():
                return self.record(args, kwargs)
        return self.record(args, kwargs)

    def record(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Bind a ``jit`` equation, and give references their new values."""
        call = self.signature(args, kwargs)
        program = self.program(call)
        leaves, given = call.leaves, []
        if refs.in_use():
            given = [leaf for leaf in leaves if isinstance(leaf, Ref)]
            leaves = [leaf.read() if isinstance(leaf, Ref) else leaf for leaf in leaves]
        operands = [*program.hoisted, *leaves, *program.held.values()]
        if self.options.inline and current_trace() is not None:
            outs = evaluate(program.closed.jaxpr, program.closed.consts, *operands)
        else:
            shown = self.options.shown(self.donated(call), len(program.hoisted), len(program.held.refs))
            outs = jit_p.bind(*operands, jaxpr=program.closed, name=self.name, **shown)
        if any(program.written):
            changed = [
                ref for ref, new in zip([*given, *program.held.refs], program.written, strict=True) if new
            ]
            Held(changed).assign(outs[-len(changed) :])
            outs = outs[: -len(changed)]
        return tree.unflatten(program.out_tree, outs)

    def donated(self, call: Signature) -> tuple[bool, ...]:
        """Which dynamic leaves are donated."""
        nums, names = self.options.donate_nums, self.options.donate_names
        if not nums and not names:
            return (False,) * len(call.leaves)
        count = len(call.args)
        places = {n % count if -count <= n < 0 else n for n in nums}
        args = tuple(
            [
                tree.map(lambda _, i=i: i in places, a)
                for i, a in enumerate(call.args)
                if i not in call.static_args
            ]
        )
        kwargs = {
            k: tree.map(lambda _, k=k: k in names, call.kwargs[k])
            for k in sorted(call.kwargs)
            if k not in call.static_kwargs
        }
        return tuple(tree.leaves((args, kwargs)))

    def traced(self, *args: Any, **kwargs: Any) -> Traced:
        call = self.signature(args, kwargs)
        program = self.program_of(call, self.described_avals(call))
        if program.held or program.written:
            raise NotImplementedError(
                f"Stages of compilation of {self.name}, which uses mutable references, are not available. jitney.make_jaxpr "
                "shows its program."
            )
        return Traced(program.closed, call.in_tree, program.out_tree, self.name, self.donated(call))

    def clear(self) -> None:
        self.programs.clear()
        self.asked = None


_all: Any = None


def _registry() -> Any:
    """Weak references to every jitted function, for ``clear_caches``."""
    global _all
    if _all is None:
        import weakref

        _all = weakref.WeakSet()
    return _all


def clear_caches() -> None:
    """Forget every compiled and traced program, of jitted functions and of loops, and return their memory."""
    for function in list(_registry()):
        function.clear_cache()
    forget_programs()
    plugs.forget_lengths()
    plugs.clear_eager_kernels()
    plugs.release_memory()


def _static_arguments(
    fun: Any, argnums: Any, argnames: Any, what: str = "static"
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the static (or donated) arguments, each inferred from the other where it was not given."""
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
                f"jitted function has {what}_argnums={nums} but only accepts {len(positional)} positional arguments."
            )
    known = {p.name for p in parameters}
    for name in names:
        if name not in known and not has_varkw:
            raise ValueError(
                f"jitted function has invalid argname {{{name!r}}} in {what}_argnames. Function does not take these args."
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


@remade
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
    max_size: int | None = None,
    dynamic_shapes: bool | dict[int | str, int | Sequence[int]] | None = None,
) -> Any:
    """Compile ``fun`` into one native function for each signature it is called with.

    A signature is the tree structure of the arguments, each leaf's shape, dtype and weak type, and the
    values of static arguments.  ``fun`` is traced once per signature: Python side effects happen then only.

    Args:
        fun: a function of arrays, scalars and pytrees of them that returns the same.
        static_argnums: positions of arguments that are Python values fixed at compile time (hashable).
        static_argnames: the same by name.  Each of the two is inferred from the other if not given.
        donate_argnums, donate_argnames: accepted and recorded; inputs are never overwritten, and stay usable.
        inline: when called while another function is traced, leave its equations there instead of one ``jit`` equation.
        keep_unused: accepted and recorded; arguments that nothing reads cost nothing.
        max_size: how many elements results of unknown length (``x[mask]``, ``jnp.nonzero(x)``) have at most. They are
            returned with that length, zeros behind the last; without it as arrays of the length that they turn out to have,
            which transformations of the jitted function cannot have. More elements are a ``ValueError``.
        dynamic_shapes: True compiles one program for all lengths of the leading axes that are longest (and of axes whose length
            changes later), a dict such as ``{"x": 0, "y": (0, 1)}`` names arguments and axes, and a function that does not allow it is
            an error. False compiles each length by itself. None leaves it to the switch ``jitney_dynamic_shapes``:
            from the third length on there is one program for all where that is possible.
        device, backend, abstracted_axes, compiler_options, in_shardings, out_shardings: accepted for
            compatibility; one CPU device is all there is.

    Returns:
        A callable with the same signature, and ``.lower(...)``, ``.trace(...)``, ``.eval_shape(...)``,
        ``.clear_cache()``.

    Raises:
        TracerBoolConversionError: Python control flow asks for the truth of a traced value.
        TypeError: an argument or result is not an array, scalar or pytree of them.
        ValueError: a static argument is not hashable, or ``dynamic_shapes`` asks for what is not possible.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.jit
        ... def norm(x):
        ...     return jnp.sqrt(jnp.sum(x**2))
        >>> float(norm(jnp.array([3.0, 4.0])))
        5.0
    """
    if fun is None:
        given = {k: v for k, v in locals().items() if k != "fun"}
        return functools.partial(jit, **given)
    check_callable(fun, "jit")
    nums, names = _static_arguments(fun, static_argnums, static_argnames)
    donate_nums, donate_names = _static_arguments(fun, donate_argnums, donate_argnames, "donate")
    both = sorted({*nums} & {*donate_nums})
    if both:
        raise ValueError(
            f"jit got argument {both[0]} both in static_argnums and in donate_argnums: a static argument is no array that "
            "could be donated."
        )
    options = Options(donate_nums, donate_names, keep_unused, inline, lengths.check(dynamic_shapes, fun))
    if max_size is not None:
        fun = _of_bounded_length(fun, max_size)
    jitted = Jitted(fun, frozenset(nums), frozenset(names), options)
    public = _ext.JitFunction(fun, jitted.on_miss, jitted.on_trace, nums, names)
    functools.update_wrapper(public, fun)
    _attach(public, jitted)
    _registry().add(public)
    return public


def _of_bounded_length(fun: Callable[..., Any], size: int) -> Callable[..., Any]:
    if not hasattr(size, "__index__"):
        raise TypeError(f"jit: max_size must be an integer, got {size!r}.")
    if size < 0:
        raise ValueError(f"jit: max_size must not be negative, got {size}.")

    @functools.wraps(fun)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        return plugs.bound_lengths(fun(*args, **kwargs), size)

    return bounded


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

    public._jitted = jitted
    public.trace = boundary(jitted.traced)
    public.lower = boundary(lower)
    public.eval_shape = boundary(eval_shape)
    public.clear_cache = clear_cache
