"""Says of an error which call of the user's it comes from: the public name, shapes and dtypes as they came.

The extension calls :func:`describe` (hook ``failed``) where an error that our code raised leaves the function that the user
called.  Messages are written deep below, where an operation has no other name than the primitive's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from jitney._base import dtypes, errors
from jitney._core import primitive
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._transforms.batching import BatchTracer

# How calls of what has no public name are written: methods as ".mean", operators as "{0} + {1}"; and their names, if they
# have one.
_forms: dict[Any, tuple[str, str]] = {}
_LONGEST = 110
_ITEMS = 4  # of a container
_SHORT_NAMES = {"jitney.numpy": "jnp", "jitney.lax": "lax"}


def written_as(function: Any, form: str, name: str) -> Any:
    """``function``, whose calls messages write as ``form``."""
    _forms[function] = (form, name)
    return function


def describe(callee: Any, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Name the operation in ``error`` as the user does, and add a note on the call if it says anything new."""
    found = _public(callee)
    if found is None or not isinstance(
        error, (TypeError, ValueError, IndexError, ArithmeticError, MemoryError)
    ):
        return
    form, name = found
    if isinstance(error, errors.JitneyTypeError):  # traced values where others are needed: the line says it
        return
    if (
        name and str(error).startswith(name) or getattr(error, "__notes__", None)
    ):  # written for this very function
        return
    if not any(isinstance(x, primitive.Primitive) for x in args):  # of which the message speaks
        _use_public_name(error, name)
    if _says_it_all(str(error), name, (*args, *kwargs.values())):
        return
    written = _written(form, args, kwargs)
    if written not in str(error):
        error.add_note(f"Called as {written}{_batches(args)}.")


def _public(callee: Any) -> tuple[str, str] | None:
    """Form and name of a function that users call; None for what transformations made of their functions."""
    if callee in _forms:
        return _forms[callee]
    module, name = getattr(callee, "__module__", None) or "", getattr(callee, "__name__", None) or ""
    if module.startswith("jitney._"):
        module = "jitney"
    if not module.startswith("jitney") or vars(sys.modules.get(module, sys)).get(name) is not callee:
        return None
    shown = f"{_SHORT_NAMES.get(module, _shortened(module))}.{name}"
    return shown, shown


def _shortened(module: str) -> str:
    return f"jnp.{module[13:]}" if module.startswith("jitney.numpy.") else module


# -- the operation's name ---------------------------------------------------------------------------------


def _use_public_name(error: Exception, name: str) -> None:
    """Replace the primitive's name at the beginning of a message, unless programs written for JAX may look for it."""
    if not name or len(error.args) != 1 or type(error.args[0]) is not str or _stands_for_jax():
        return
    word = re.match(r"\w+(?=[ :])", error.args[0])
    if word and word[0] in primitive.registry and word[0] != name.rpartition(".")[2]:
        error.args = (name + error.args[0][word.end() :],)


def _stands_for_jax() -> bool:
    as_jax = sys.modules.get("jitney.as_jax")
    return as_jax is not None and as_jax.installed()


# -- the call ---------------------------------------------------------------------------------------------


def _written(form: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [shown(x) for x in args]
    if "{0}" in form:
        return form.format(*given)
    named = [f"{key}={shown(x)}" for key, x in kwargs.items()]
    if form.startswith("."):
        form, given = given[0] + form, given[1:]
    return _cut(f"{form}({', '.join([*given, *named])}", _LONGEST) + ")"


def shown(x: Any, depth: int = 0) -> str:
    """A value as messages show it: arrays by dtype and shape, numbers and text as they are, functions by name."""
    if isinstance(x, Tracer) or type(x) is ArrayImpl:
        return x.aval.str_short()
    if isinstance(x, np.ndarray):
        return (
            get_aval(x).str_short() if dtypes.is_supported(x.dtype) else f"NumPy's {x.dtype}{list(x.shape)}"
        )
    if isinstance(x, (list, tuple, dict)) and type(x).__repr__ in (
        list.__repr__,
        tuple.__repr__,
        dict.__repr__,
    ):
        return _container(x, depth)
    if isinstance(x, slice):
        return ":".join("" if part is None else shown(part) for part in (x.start, x.stop, x.step))[:40] or ":"
    if x is Ellipsis:
        return "..."
    if isinstance(x, (bool, int, float, complex, str, bytes, np.generic, type(None))):
        return _cut(repr(x), 40)
    if isinstance(x, type) or callable(x):
        return getattr(x, "__name__", type(x).__name__)
    return f"<{type(x).__name__}>"


def described(x: Any) -> str:
    """A value of the wrong kind: what it is, and its type."""
    if isinstance(x, Tracer):
        return f"a traced value ({x.aval.str_short()}), where it must be known: a Python value, or a static argument"
    return f"{shown(x)} of type {type(x).__name__}"


def _container(x: Any, depth: int) -> str:
    if depth == 2:
        return "[...]" if isinstance(x, list) else "(...)" if isinstance(x, tuple) else "{...}"
    if isinstance(x, dict):
        items = [f"{key!r}: {shown(value, depth + 1)}" for key, value in list(x.items())[:_ITEMS]]
    else:
        items = [shown(value, depth + 1) for value in x[:_ITEMS]]
    inside = ", ".join(items) + (", ..." if len(x) > _ITEMS else "")
    if isinstance(x, dict):
        return f"{{{inside}}}"
    return f"[{inside}]" if isinstance(x, list) else f"({inside}{',' * (len(x) == 1)})"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _batches(args: tuple[Any, ...]) -> str:
    """Which batches the arguments are single examples of."""
    sizes: list[int] = []
    for x in args:
        found = []
        while isinstance(x, Tracer):
            if type(x) is BatchTracer:
                found.append(x._trace.size)
            x = getattr(x, "value", getattr(x, "primal", None))
        sizes = max(sizes, found, key=len)
    return f", for each of {' x '.join(map(str, reversed(sizes)))} examples of a vmap" if sizes else ""


def _says_it_all(text: str, name: str, values: tuple[Any, ...]) -> bool:
    """Whether a message names the operation and every array."""
    arrays = [get_aval(x) for x in values if isinstance(x, Tracer) or type(x) is ArrayImpl]
    named = name.rpartition(".")[2] in re.split(r"\W+", text)
    return (
        (named or not name)
        and bool(arrays)
        and all(a.str_short() in text or str(a.shape) in text for a in arrays)
    )
