"""``profile``: where the time of a block goes, by lines of the user's code.  Begin at :class:`profile`.

While a profile is taken, ``config.profiling`` sends calls of compiled functions from the dispatcher to Python, where they
run programs with a clock after each kernel (``_compiler/looking.py``), and a layer around eager evaluation takes the time
of each operation.  Whatever takes time is an *event*; what it spends in events inside of it is not its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from jitney._api import tables
from jitney._base import forks, sources
from jitney._base.config import config
from jitney._base.sources import Location
from jitney._control import evaluation
from jitney._control import jit as _jit
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.trace import current_trace

if TYPE_CHECKING:
    from jitney._compiler.looking import Timed


class LineTime(NamedTuple):
    """Seconds that a line of the user's code took: in compiled functions, and as eager operations (``count`` of them)."""

    location: Location
    seconds: float
    compiled: float
    eager: float
    count: int


class FunctionTime(NamedTuple):
    """Seconds that a compiled function took: ``run`` in ``calls``; and its tracing, the compiler's passes, and LLVM.

    Where a program is compiled without a clock, as for ``lower(...).compile()`` and eager operations on large arrays,
    passes count with LLVM.
    """

    name: str
    location: str
    calls: int
    run: float
    tracing: float
    passes: float
    llvm: float

    @property
    def seconds(self) -> float:
        return self.run + self.tracing + self.passes + self.llvm


class _Thread(threading.local):
    """Where a thread is: seconds spent in the events inside of each open one; what it runs."""

    def __init__(self) -> None:
        self.inside: list[float] = []
        self.name = ""
        self.plain = False  # in an eager operation that is timed as a whole


_thread = _Thread()
_lock = forks.renew(threading.RLock())
_active: tuple[profile, ...] = ()
_PLACE = 1  # of the layer around eager evaluation: outside of what checks results


@contextlib.contextmanager
def _event(record: Callable[[profile, float, float], None]) -> Iterator[None]:
    """``record(profile, seconds, of them in events inside)`` when the block is left."""
    inside = _thread.inside
    inside.append(0.0)
    started = perf_counter()
    try:
        yield
    finally:
        whole = perf_counter() - started
        within = inside.pop()
        if inside:
            inside[-1] += whole
        with _lock:
            for p in _active:
                p._own(whole - within)
                record(p, whole, within)


# -- what is observed


def tracing(fun: Any) -> contextlib.AbstractContextManager[None]:
    """Time in the block is tracing of ``fun``."""
    key = getattr(fun, "__name__", type(fun).__name__), _place(fun)
    return _event(lambda p, whole, within: p._function(key).add("tracing", whole - within))


def calling() -> contextlib.AbstractContextManager[Any]:
    """Time in the block that is not in another event is that of measuring: without a profile, C++ does it in no time."""
    return contextlib.nullcontext() if current_trace() is not None else _event(_measuring)


def _measuring(p: profile, whole: float, within: float) -> None:
    p.measuring += whole - within


def _layer(beneath: evaluation.Evaluator) -> evaluation.Evaluator:
    def evaluate(primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        if _thread.plain:
            return beneath(primitive, args, params)
        source = sources.here()
        if primitive.higher_order or primitive.expand is not None:
            name_before, _thread.name = _thread.name, str(params.get("name", "")) or primitive.name
            record = _measuring if primitive is _jit.jit_p else _eager(source, 0)
            try:
                with _event(record):
                    return beneath(primitive, args, params)
            finally:
                _thread.name = name_before
        _thread.plain, _thread.name = True, primitive.name
        try:
            with _event(_eager(source, 1)):
                return beneath(primitive, args, params)
        finally:
            _thread.plain = False

    return evaluate


def _eager(source: Any, count: int) -> Callable[[profile, float, float], None]:
    return lambda p, whole, within: p._eager(source, whole - within, count)


class _Observed:
    """A program that runs with a clock, in the place of its executable."""

    __slots__ = ("closed",)

    def __init__(self, closed: ClosedJaxpr) -> None:
        self.closed = closed

    @staticmethod
    def compiling(closed: ClosedJaxpr) -> contextlib.AbstractContextManager[None]:
        """Time in the block is that of compiling a program without a clock."""
        key = _key(closed)
        return _event(lambda p, whole, within: p._function(key).add("llvm", whole - within))

    def execute(self, args: list[Any]) -> Any:
        closed = self.closed
        if _thread.plain:
            return _jit.native(closed).execute(args)
        key = _key(closed)
        timed, source = _timed(closed, key), sources.here()
        with _lock:
            for p in _active:
                p._run(timed)  # which reads its clock
        with _event(lambda p, whole, within: p._ran(timed, key, source, whole, within)):
            return timed.execute(args)


def _timed(closed: ClosedJaxpr, key: tuple[str, str]) -> Timed:
    """The program with a clock, made once; a cost of measuring where the program itself was compiled before."""
    timed = closed.cache.get("timed")
    if timed is not None:
        return timed
    from jitney._compiler.looking import Timed

    def record(p: profile, whole: float, within: float) -> None:
        if again:
            return _measuring(p, whole, within)
        llvm = min(timed.llvm_seconds, whole - within)
        p._function(key).add("llvm", llvm)
        p._function(key).add("passes", whole - within - llvm)
        return None

    again = "executable" in closed.cache
    with _event(record):
        timed = closed.cache["timed"] = Timed(closed)
    return timed


def _key(closed: ClosedJaxpr) -> tuple[str, str]:
    """Name and place of the function that a program comes from."""
    info = closed.jaxpr.debug_info
    if info is None or info.kind != "jit":
        return _thread.name or "a program", ""
    return info.func_name, _place(info.fun)


def _place(fun: Any) -> str:
    code = getattr(getattr(fun, "__wrapped__", fun), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


# -- what is kept


class _Function:
    """Sums for one function."""

    def __init__(self) -> None:
        self.calls = 0
        self.times = {"run": 0.0, "tracing": 0.0, "passes": 0.0, "llvm": 0.0}

    def add(self, what: str, seconds: float) -> None:
        self.times[what] += seconds


class _Program:
    """Runs of one program: its clock's table at the start, who called it, its time, and the time of events inside."""

    def __init__(self, timed: Timed) -> None:
        self.timed, self.start = timed, timed.table.copy()
        self.callers: dict[Any, int] = {}
        self.seconds = self.inside = 0.0

    def shares(self) -> Iterator[tuple[Location | None, float]]:
        """Seconds of each line, and of what belongs to none (None)."""
        times = (self.timed.table - self.start)[:, 0] * 1e-9
        kernels = self.timed.kernels
        hosts = sum(t for t, k in zip(times, kernels, strict=True) if k.kind == "host call")
        left = self.seconds
        for t, k in zip(times, kernels, strict=True):
            if k.kind == "host call" and hosts:  # what Python did there counts for itself
                t *= max(0.0, 1 - self.inside / hosts)
            t = min(float(t), left)
            left -= t
            for line, share in k.lines.items():
                yield line, t * share
            if not k.lines:
                yield None, t
        yield None, left


class profile:  # noqa: N801  (used like a function)
    """Measure a ``with`` block: where its time goes, by lines of your code and by compiled functions.

    ``print`` the object after the block, or ``save`` it as a page. Compiled functions that are called in the block run
    with a clock after each of their kernels, whose time is shared out to the lines that they compute. All threads
    are measured. Values are the same as without a profile; calls cost some fifty microseconds more, and what is known to be
    spent on measuring is left out. Afterwards everything is as fast as before. Blocks nest.

    Attributes, after the block:
        wall: seconds of the block, without those spent on measuring (``measuring``).
        outside: the part of them outside of compiled functions, eager operations, tracing and compiling.
        lines: a ``LineTime`` for each line, the dearest first.
        functions: a ``FunctionTime`` for each compiled function, the dearest first.

    Raises:
        RuntimeError: a result is asked for before the block has ended, or the object is entered a second time.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.jit
        ... def f(x):
        ...     return jnp.sum(jnp.sin(x))
        >>> with jitney.profile() as p:
        ...     y = f(jnp.ones(1000))
        >>> [function.name for function in p.functions]
        ['f']
    """

    def __init__(self) -> None:
        self.measuring = 0.0
        self._state = "new"
        self._functions: dict[tuple[str, str], _Function] = {}
        self._programs: dict[int, _Program] = {}
        self._eager_times: dict[Any, list[Any]] = {}
        self._inside = 0.0

    def __enter__(self) -> profile:
        global _active
        if self._state != "new":
            raise RuntimeError("a profile measures one block: make another one with jitney.profile()")
        with _lock:
            self._state, self._thread = "running", threading.get_ident()
            if not _active:
                _jit.observer = _Observed
                evaluation.put(_PLACE, _layer)
                config.update("profiling", True)
            _active = (*_active, self)
        self._started = perf_counter()
        return self

    def __exit__(self, *_: Any) -> None:
        global _active
        elapsed = perf_counter() - self._started
        with _lock:
            _active = tuple([p for p in _active if p is not self])
            if not _active:
                config.update("profiling", False)
                evaluation.take(_PLACE)
                _jit.observer = None
            self._state = "done"
            self._finish(elapsed)

    # what events call, with the lock held

    def _own(self, seconds: float) -> None:
        if threading.get_ident() == self._thread:
            self._inside += seconds

    def _function(self, key: tuple[str, str]) -> _Function:
        return self._functions.setdefault(key, _Function())

    def _eager(self, source: Any, seconds: float, count: int) -> None:
        sums = self._eager_times.setdefault(source, [0.0, 0])
        sums[0] += seconds
        sums[1] += count

    def _run(self, timed: Timed) -> _Program:
        found = self._programs.get(id(timed))
        if found is None:
            found = self._programs[id(timed)] = _Program(timed)
        return found

    def _ran(self, timed: Timed, key: tuple[str, str], source: Any, whole: float, within: float) -> None:
        program = self._run(timed)
        program.callers[source] = program.callers.get(source, 0) + 1
        program.seconds += whole - within
        program.inside += within
        function = self._function(key)
        function.calls += 1
        function.add("run", whole - within)

    # what is asked for afterwards

    def _finish(self, elapsed: float) -> None:
        """Put the sums in order."""
        lines: dict[tuple[str, int], list[Any]] = {}
        names: dict[tuple[str, int], Location] = {}

        def add(location: Location | None, place: int, amount: Any) -> None:
            if location is not None:
                line = location.file, location.line
                names.setdefault(line, location._replace(column=-1, end_column=-1))
                lines.setdefault(line, [0.0, 0.0, 0])[place] += amount

        for program in self._programs.values():
            calls = sum(program.callers.values()) or 1
            callers = [(sources.resolve(s), n / calls) for s, n in program.callers.items()]
            for line, seconds in program.shares():
                for where, part in [(line, 1.0)] if line is not None else callers:
                    add(where, 0, seconds * part)
        for source, (seconds, count) in self._eager_times.items():
            where = sources.resolve(source)
            add(where, 1, seconds)
            add(where, 2, count)
        found = [LineTime(names[line], c + e, c, e, n) for line, (c, e, n) in lines.items()]
        self._lines = sorted(found, key=lambda t: -t.seconds)
        self._function_times = sorted(
            [FunctionTime(*key, f.calls, **f.times) for key, f in self._functions.items()],
            key=lambda f: -f.seconds,
        )
        self._wall = max(0.0, elapsed - self.measuring)
        self._outside = max(0.0, elapsed - self._inside)

    def _done(self) -> None:
        if self._state != "done":
            raise RuntimeError("a profile can be read after its block has ended")

    @property
    def lines(self) -> list[LineTime]:
        self._done()
        return self._lines

    @property
    def functions(self) -> list[FunctionTime]:
        self._done()
        return self._function_times

    @property
    def wall(self) -> float:
        self._done()
        return self._wall

    @property
    def outside(self) -> float:
        self._done()
        return self._outside

    def totals(self) -> list[tuple[str, float]]:
        """Seconds by what they were spent on."""
        functions = self.functions
        return [
            ("compiled functions", sum(f.run for f in functions)),
            ("eager operations", sum(t.eager for t in self.lines)),
            ("tracing", sum(f.tracing for f in functions)),
            ("compiling", sum(f.passes + f.llvm for f in functions)),
            ("outside of jitney", self.outside),
        ]

    def __str__(self) -> str:
        if self._state != "done":
            return f"<profile: {self._state}>"
        parts = ", ".join(f"{tables.seconds(t)} {what}" for what, t in self.totals() if t)
        texts = [f"{tables.seconds(self.wall)}: {parts}"]
        if self.lines:
            texts.append(tables.table(_LINE_HEAD, [self._line_row(t) for t in self.lines], "><>>>><"))
        if self.functions:
            head = [h.strip("[]") for h in FUNCTION_HEAD]
            texts.append(tables.table(head, [function_row(f) for f in self.functions], ">>>>><"))
        return "\n\n".join(texts)

    __repr__ = __str__

    def share(self, seconds: float) -> float:
        """Part of the block's time."""
        return seconds / self.wall if self.wall else 0.0

    def _line_row(self, t: LineTime) -> list[str]:
        return [
            tables.percent(self.share(t.seconds)),
            tables.bar(self.share(t.seconds)),
            tables.seconds(t.seconds),
            tables.seconds(t.compiled) if t.compiled else "-",
            tables.seconds(t.eager) if t.eager else "-",
            str(t.count or "-"),
            f"{os.path.basename(t.location.file)}:{t.location.line}: {tables.shortened(t.location.text.strip(), 60)}",
        ]

    def html(self) -> str:
        """A page for a browser, which needs nothing from the network."""
        from jitney._api.pages import profile_page

        return profile_page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``html()`` to a file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.html())

    def _repr_html_(self) -> str:
        from jitney._api.pages import framed

        return framed(self.html())


_LINE_HEAD = ["share", "", "time", "compiled", "eager", "count", "line"]
FUNCTION_HEAD = ["calls", "run", "tracing", "passes", "llvm", "[function]"]


def function_row(f: FunctionTime) -> list[str]:
    """A row of the table of functions."""
    times = [tables.seconds(t) if t else "-" for t in (f.run, f.tracing, f.passes, f.llvm)]
    place = f" ({os.path.basename(f.location)})" if f.location else ""
    return [str(f.calls or "-"), *times, f.name + place]
