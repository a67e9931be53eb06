"""``jitney.extend.linear_util``: functions wrapped in layers of transformations, each with a place for extra results."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

_EMPTY = object()


class StoreException(Exception):
    """A store is read before it is filled, or filled twice."""


class Store:
    """A place for one value, filled once."""

    def __init__(self) -> None:
        self._value: Any = _EMPTY

    def store(self, value: Any) -> None:
        """Fill the place; ``StoreException`` if it is full."""
        if self._value is not _EMPTY:
            raise StoreException("Store occupied: the transformed function was called twice")
        self._value = value

    def reset(self) -> None:
        """Empty the place."""
        self._value = _EMPTY

    @property
    def val(self) -> Any:
        """The value; ``StoreException`` if there is none."""
        if self._value is _EMPTY:
            raise StoreException("Store empty: the transformed function was not called yet")
        return self._value

    def __bool__(self) -> bool:
        return self._value is not _EMPTY


class WrappedFun:
    """A function ``f`` under layers of transformations; ``call_wrapped`` runs them all.

    Equal if the functions and the layers (with their static arguments) are equal.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        f_transformed: Callable[..., Any],
        transforms: tuple,
        stores: tuple[Store | None, ...],
        params: tuple,
        in_type: Any = None,
        debug_info: Any = None,
    ) -> None:
        self.f = f
        self.f_transformed = f_transformed
        self.transforms = transforms
        self.stores = stores
        self.params = params
        self.in_type = in_type
        self.debug_info = debug_info

    @property
    def __name__(self) -> str:
        return getattr(self.f, "__name__", "<unnamed wrapped function>")

    def call_wrapped(self, *args: Any, **kwargs: Any) -> Any:
        """The value of the function under its layers."""
        return self.f_transformed(*args, **dict(self.params), **kwargs)

    def wrap(self, gen: Callable[..., Any], static: tuple, store: Store | None) -> WrappedFun:
        """One more layer: ``gen(f, [store,] *static, *args)``."""
        first = (self.f_transformed,) if store is None else (self.f_transformed, store)
        return WrappedFun(
            self.f,
            functools.partial(gen, *first, *static),
            ((gen, static), *self.transforms),
            (store, *self.stores),
            self.params,
            None,
            self.debug_info,
        )

    def populate_stores(self, stores: Sequence[Store | None]) -> None:
        """Fill the stores from those of an equal function that was called."""
        for mine, other in zip(self.stores, stores, strict=True):
            if mine is not None and other is not None:
                mine.store(other.val)

    def replace_debug_info(self, debug_info: Any) -> WrappedFun:
        """The same with other information for error messages."""
        parts = (self.f, self.f_transformed, self.transforms, self.stores, self.params, self.in_type)
        return WrappedFun(*parts, debug_info)

    def _key(self) -> tuple:
        return self.transforms, self.params, self.in_type

    def __hash__(self) -> int:
        return hash((self.f, self._key()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrappedFun) and self.f == other.f and self._key() == other._key()

    def __repr__(self) -> str:
        layers = "".join(f"{getattr(gen, '__name__', gen)} {static}\n" for gen, static in self.transforms)
        return f"Wrapped function:\n{layers}Core: {self.__name__}\n"


def wrap_init(
    f: Callable[..., Any], params: dict[str, Any] | None = None, *, debug_info: Any = None
) -> WrappedFun:
    """``f`` without layers; ``params`` are keyword arguments of every call."""
    return WrappedFun(f, f, (), (), tuple(sorted((params or {}).items())), None, debug_info)


def transformation2(gen: Callable[..., Any]) -> Callable[..., WrappedFun]:
    """Make ``gen(f, *static, *args, **kwargs)``, which calls ``f``, a layer: ``layer(wrapped, *static)``.

    Example:
        >>> from jitney.extend import linear_util as lu
        >>> @lu.transformation2
        ... def plus(f, c, x):
        ...     return f(x) + c
        >>> plus(lu.wrap_init(lambda x: 2 * x), 1).call_wrapped(10)
        21
    """

    @functools.wraps(gen)
    def layer(fun: WrappedFun, *static: Any) -> WrappedFun:
        return fun.wrap(gen, static, None)

    return layer


def transformation_with_aux2(gen: Callable[..., Any]) -> Callable[..., tuple[WrappedFun, Callable[[], Any]]]:
    """Like ``transformation2`` for ``gen(f, store, *static, *args)``; also returns a function to read the store."""

    @functools.wraps(gen)
    def layer(fun: WrappedFun, *static: Any, **_: Any) -> tuple[WrappedFun, Callable[[], Any]]:
        store = Store()
        return fun.wrap(gen, static, store), lambda: store.val

    return layer


def transformation(gen: Callable[..., Any]) -> Callable[..., WrappedFun]:
    """Make a generator a layer: it yields ``(args, kwargs)`` for the inner function, gets its result, yields its own."""

    @functools.wraps(gen)
    def run(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return _run_generator(gen, f, args, kwargs)

    return transformation2(run)


def transformation_with_aux(gen: Callable[..., Any]) -> Callable[..., Any]:
    """Like ``transformation`` for a generator that at last yields ``(result, extra)``."""

    @functools.wraps(gen)
    def run(f: Callable[..., Any], store: Store, *args: Any, **kwargs: Any) -> Any:
        out, extra = _run_generator(gen, f, args, kwargs)
        store.store(extra)
        return out

    return transformation_with_aux2(run)


def _run_generator(gen: Callable[..., Any], f: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
    steps = gen(*args, **kwargs)
    inner_args, inner_kwargs = next(steps)
    try:
        out = f(*inner_args, **inner_kwargs)
    except BaseException as error:
        steps.throw(error)
        raise
    out = steps.send(out)
    steps.close()
    return out


def merge_linear_aux(aux1: Callable[[], Any], aux2: Callable[[], Any]) -> tuple[bool, Any]:
    """Which of two stores is filled (True: the first), and its value; ``StoreException`` if not exactly one is."""
    found = []
    for number, aux in enumerate((aux1, aux2)):
        try:
            found.append((number == 0, aux()))
        except StoreException:
            continue
    if len(found) != 1:
        raise StoreException("both stores occupied" if found else "neither store occupied")
    return found[0]


def cache(call: Callable[..., Any], *, explain: Any = None) -> Callable[..., Any]:
    """Remember ``call(fun, *args)`` for equal ``fun`` (a ``WrappedFun``) and ``args`` as long as the function lives."""
    memory: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()

    @functools.wraps(call)
    def cached(fun: WrappedFun, *args: Any) -> Any:
        known = memory.setdefault(fun.f, {})
        key = (fun.transforms, fun.params, fun.in_type, args)
        if key in known:
            out, stores = known[key]
            fun.populate_stores(stores)
        else:
            out = call(fun, *args)
            known[key] = out, fun.stores
        return out

    cached.cache_clear = memory.clear  # type: ignore[attr-defined]
    return cached


__all__ = [
    "Store",
    "StoreException",
    "WrappedFun",
    "cache",
    "merge_linear_aux",
    "transformation",
    "transformation2",
    "transformation_with_aux",
    "transformation_with_aux2",
    "wrap_init",
]
