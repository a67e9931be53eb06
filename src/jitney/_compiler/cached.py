"""cached: compilation with a memory, of this process and on disk.  Begin at :func:`compile_cached`.

The key is the program as it was traced (``fingerprint``) with what else decides its code (``environment``); a hit runs
no pass.  Programs of equal keys that live in this process share their code; what was compiled is written to the
store of the user, where later processes find it.  A program that has no faithful encoding is compiled anew.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from jitney._base.config import config
from jitney._compiler import recipe as recipes
from jitney._compiler.environment import environment
from jitney._compiler.executable import Parts, make_executable
from jitney._compiler.fingerprint import NoEncoding, array_bytes, digest, encode
from jitney._compiler.loading import Code, address_of, load, symbol_addresses
from jitney._compiler.options import options
from jitney._compiler.recipe import Recipe
from jitney._compiler.store import Store
from jitney._core.jaxpr import ClosedJaxpr

if TYPE_CHECKING:
    from jitney._compiler.pipeline import Built

_OFF = os.environ.get("JITNEY_CACHE", "").strip().lower() in ("0", "off", "false", "no")
_BY_VALUES = b"values"  # the payload of a program whose constants count with their values


@dataclass
class Statistics:
    """What this process took from the cache, and what it compiled."""

    hits: int = 0
    shared: int = 0  # of the hits, those whose code was in this process already
    misses: int = 0
    uncacheable: int = 0
    seconds_saved: float = 0.0


statistics = Statistics()


class Loaded:
    """Code in memory and the recipe of executables around it."""

    __slots__ = ("__weakref__", "code", "recipe")

    def __init__(self, code: Code, recipe: Recipe) -> None:
        self.code, self.recipe = code, recipe

    @property
    def address(self) -> int:
        return self.code.address

    def executable(self, closed: ClosedJaxpr, consts: Sequence[Any]) -> Any:
        """An executable for ``closed``, whose array constants are ``consts``."""
        r = self.recipe
        arrays = recipes.restore_consts(r.consts, consts)
        calls = list(map(recipes.restore_call, r.calls))
        return make_executable(
            closed, Parts(arrays, r.scratch_bytes, calls, r.release_gil, list(r.forward)), self
        )


_live: weakref.WeakValueDictionary[bytes, Loaded] = weakref.WeakValueDictionary()
_by_values: set[bytes] = set()
_unwritable: set[str] = set()


def compile_cached(closed: ClosedJaxpr, *, donated: Sequence[int] = ()) -> Any:
    """An ``_ext.Executable``, of code that was compiled before where there is some."""
    if not is_on() or options.check or options.debug or options.disabled:
        return _compile(closed, donated)
    around = environment()
    if around is None:
        return _compile(closed, donated)
    started = perf_counter()
    try:
        encoding, consts = encode(closed)
    except NoEncoding:
        statistics.uncacheable += 1
        return _compile(closed, donated)
    key = digest(around + repr(tuple(donated)).encode() + encoding)
    store = open_store()
    found = _find(key, closed, consts, store)
    if found is not None:
        statistics.hits += 1
        statistics.seconds_saved += max(0.0, found[1] - (perf_counter() - started))
        return found[0]
    statistics.misses += 1
    return _compile_and_keep(key, closed, consts, donated, store)


def is_on() -> bool:
    """Whether compiled programs are remembered."""
    return not _OFF and config.jax_enable_compilation_cache and config.jax_compilation_cache_max_size != 0


def open_store() -> Store | None:
    """The user's store; None if it is turned off or has no place."""
    directory = location()
    if directory is None or not is_on():
        return None
    limit = config.jax_compilation_cache_max_size
    return Store(directory, None if limit < 0 else limit)


def location() -> str | None:
    """The directory of the store, by configuration, environment and the custom of the platform."""
    asked = config.jax_compilation_cache_dir or os.environ.get("JITNEY_CACHE_DIR")
    if asked:
        return os.path.abspath(os.path.expanduser(asked))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
        return os.path.join(base, "jitney", "cache") if os.path.isabs(base) else None
    own = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the standard says to ignore others
        base = os.path.expanduser(own)
    return os.path.join(base, "jitney") if os.path.isabs(base) else None


def _compile(closed: ClosedJaxpr, donated: Sequence[int]) -> Any:
    from jitney._compiler.pipeline import compile_program

    return compile_program(closed, donated=donated)


# -- hits


def _find(
    key: bytes, closed: ClosedJaxpr, consts: Sequence[Any], store: Store | None
) -> tuple[Any, float] | None:
    """The executable from this process's memory or the store, and the seconds that its compilation took."""
    if key in _by_values:
        key = _key_of_values(key, consts)
    loaded = _live.get(key)
    if loaded is not None:
        statistics.shared += 1
        return loaded.executable(closed, consts), loaded.recipe.seconds
    if store is None:
        return None
    payload = store.read(key)
    if payload == _BY_VALUES:
        _by_values.add(key)
        return _find(key, closed, consts, store)
    if payload is None:
        return None
    try:
        loaded = _loaded(payload)
        made = _restored(loaded, closed, consts)
    except Exception:  # whatever is wrong with it: it is made anew
        store.remove(key)
        return None
    _live[key] = loaded
    return made, loaded.recipe.seconds


def _loaded(payload: bytes) -> Loaded:
    recipe, image = recipes.restore(payload)
    return Loaded(load(image, recipe.entry, symbol_addresses(recipe.symbols, {})), recipe)


def _restored(loaded: Loaded, closed: ClosedJaxpr, consts: Sequence[Any]) -> Any:
    try:
        return loaded.executable(closed, consts)
    except LookupError:
        import jitney._compiler.pipeline  # noqa: F401  (passes bring operations of their own)

        return loaded.executable(closed, consts)


def _key_of_values(key: bytes, consts: Sequence[Any]) -> bytes:
    """The key of a program whose constants count with their values."""
    return digest(b"".join([key, *(digest(array_bytes(c)) for c in consts)]))


# -- misses


def _compile_and_keep(
    key: bytes, closed: ClosedJaxpr, consts: Sequence[Any], donated: Sequence[int], store: Store | None
) -> Any:
    from jitney._compiler.pipeline import ENTRY, build

    started = perf_counter()
    built = build(closed)
    code = load(built.image, ENTRY, built.symbols)
    try:
        recipe, by_values = _recipe(built, ENTRY, consts, perf_counter() - started)
        if by_values and consts:
            _by_values.add(key)
            _write(store, key, _BY_VALUES)
            key = _key_of_values(key, consts)
    except NoEncoding:
        statistics.uncacheable += 1
        return make_executable(closed, built.parts, code)
    loaded = Loaded(code, recipe)
    _live[key] = loaded
    if _pays(recipe, built.image):
        _write(store, key, recipes.dump(recipe, built.image))
    return make_executable(closed, built.parts, loaded)


def _recipe(built: Built, entry: str, known: Sequence[Any], seconds: float) -> tuple[Recipe, bool]:
    """The recipe of what was built, and whether it holds values of constants."""
    for name, address in built.symbols.items():
        if address_of(name) != address:
            raise NoEncoding(f"the function {name}, which its name does not find")
    parts, simple = built.parts, built.simple
    consts, by_values = recipes.describe_consts(
        simple.consts, [v.aval for v in simple.jaxpr.constvars], known
    )
    calls = tuple(recipes.describe_call(*c) for c in parts.callables)
    return Recipe(
        entry,
        tuple(built.symbols),
        consts,
        parts.scratch_bytes,
        parts.release_gil,
        tuple(parts.forward),
        calls,
        seconds,
    ), by_values


def _pays(recipe: Recipe, image: bytes) -> bool:
    """Whether a program is worth a file, by the limits that the user has set."""
    return (
        recipe.seconds >= config.jax_persistent_cache_min_compile_time_secs
        and len(image) >= config.jax_persistent_cache_min_entry_size_bytes
    )


def _write(store: Store | None, key: bytes, payload: bytes) -> None:
    if store is None or store.directory in _unwritable:
        return
    try:
        store.write(key, payload)
    except OSError:
        if config.jax_raise_persistent_cache_errors:
            raise
        _unwritable.add(store.directory)


def forget() -> None:
    """Forget what this process knows of the store: after a change of its directory from outside."""
    _live.clear()
    _by_values.clear()
    _unwritable.clear()
