"""Runs the wrong programs of ``tests/error_programs`` and renders what a user reads: their lines, carets, the message.

A program begins with a line ``# what is wrong``.  One that sets ``args`` is the function ``f`` of them: it runs eagerly and
inside of transformations, and texts that differ from the eager one are shown as well.
"""

from __future__ import annotations

import functools
import importlib
import linecache
import pathlib
import re
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import jitney

PROGRAMS = pathlib.Path(__file__).parent / "error_programs"
GOLDEN = pathlib.Path(__file__).parent / "goldens" / "errors.txt"
GROUPS = {
    "shapes": "Shapes",
    "indexing": "Indices and updates",
    "dtypes": "Types",
    "calling": "Transformations and their arguments",
    "control": "Loops, branches, Python's control flow, leaks",
    "plain": "Python's control flow where it is not converted",
    "random": "Random numbers",
    "linalg": "Linear algebra, transforms, statistics, networks",
    "trees": "Trees",
    "running": "While compiled code runs",
    "checks": "While compiled code runs under checks",
    "lengths": "Lengths that depend on data, assignments",
    "foreign": "Foreign code",
    "modules": "Fits and samplers",
}
_CALLS = {
    "eager": "f(*args)",
    "jit": "jit(f)(*args)",
    "vmap": "vmap(f)(*examples)",
    "vjp": "jax.vjp(f, *args)",
    "scan in jit": "jit(lambda: lax.scan(lambda c, _: (c, f(*args)), 0.0, None, length=2))()",
}
_DRIVER = "<call>"
WORKS = "(works)"
_WIDTH = 118


def programs(group: str) -> dict[str, str]:
    """Title -> text of the programs of a group."""
    parts = re.split(r"^# (.*)\n", (PROGRAMS / f"{group}.txt").read_text(), flags=re.M)
    return {title: text.strip() + "\n" for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def render_group(group: str, library: Any = jitney) -> str:
    """One section of the gallery."""
    title = GROUPS[group]
    shown = [
        render(f"{group} {n}", name, text, library) for n, (name, text) in enumerate(programs(group).items())
    ]
    return f"{'=' * _WIDTH}\n{title}\n{'=' * _WIDTH}\n\n" + "\n\n".join(shown) + "\n"


def render(key: str, title: str, text: str, library: Any = jitney) -> str:
    """A program and what comes of it."""
    source = "\n".join(f"    {line}" for line in text.splitlines())
    results = outcomes(key, text, library)
    eager = results.pop("eager")
    groups: dict[str, list[str]] = {eager: []}
    for mode, result in results.items():
        groups.setdefault(result, []).append(mode)
    alike = groups.pop(eager)
    parts = [f"-- {title}\n{source}\n\n{eager}"]
    if alike:
        parts.append(f"(the same under {', '.join(alike)})")
    parts += [f"under {', '.join(modes)}:\n{result}" for result, modes in groups.items()]
    return "\n".join(parts)


def outcomes(key: str, text: str, library: Any = jitney) -> dict[str, str]:
    """What a user reads, by the transformation that the program ran in."""
    file = f"<{key}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = _names(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {"eager": _outcome(lambda: exec(compile(text, file, "exec"), names), file)}
        if "args" in names:
            found = {mode: _outcome(lambda run=run: run(), file) for mode, run in _modes(names, library)}
    return found


def _names(library: Any) -> dict[str, Any]:
    module: Any = types.ModuleType("program")
    sys.modules["program"] = module
    vars(module).update(
        {name: getattr(library, name) for name in ("lax", "random", "jit", "grad", "vmap")},
        jax=library,
        checkify=importlib.import_module(f"{library.__name__}.experimental.checkify"),
        odeint=importlib.import_module(f"{library.__name__}.experimental.ode").odeint,
        jnp=library.numpy,
        np=np,
        partial=functools.partial,
    )
    return vars(module)


def _modes(names: dict[str, Any], library: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The calls of ``f`` that are tried; their own line is shown where no line of the program is."""
    jnp, arrays = library.numpy, names["args"]
    names["examples"] = [jnp.stack([jnp.asarray(x)] * 2) for x in arrays]
    linecache.cache[_DRIVER] = (0, None, ["f(...)\n"], _DRIVER)
    for mode, call in _CALLS.items():
        yield mode, functools.partial(eval, compile(call, _DRIVER, "eval"), names)


def _outcome(run: Callable[[], Any], file: str) -> str:
    try:
        with np.errstate(all="ignore"):
            run()
    except BaseException as error:
        return rendered_error(error, file)
    return WORKS


def rendered_error(error: BaseException, file: str) -> str:
    """The traceback as Python prints it, from the program's first line on; its file has no name."""
    report = traceback.TracebackException.from_exception(error, compact=True)
    part: Any = report
    while part is not None:
        kept = [frame for frame in part.stack if frame.filename not in (__file__, _DRIVER)]
        part.stack = traceback.StackSummary.from_list(kept)
        part = part.__cause__ or part.__context__
    text = "".join(report.format()).rstrip()
    text = text.replace("Traceback (most recent call last):\n", "").replace(f'File "{file}", ', "")
    text = re.sub(r'File ".*?/site-packages/(.*?)", line \d+', r'File "\1"', text)
    text = re.sub(r'File ".*?/src/jitney/(.*?)", line \d+', r'File "jitney/\1"', text)
    text = re.sub(r" at 0x[0-9a-f]+", " at 0x...", text).replace(f"{file}:", "line ")
    text = re.sub(
        r"repeated \d+ more times", "repeated ... more times", text
    )  # less where the stack was deeper
    text = text.replace(", for each of 2 examples of a vmap", "")  # which the heading says
    return "\n".join(line.rstrip() for line in text.splitlines())


def section_of(group: str) -> str:
    """The section of the golden file; empty if there is none."""
    text = GOLDEN.read_text() if GOLDEN.exists() else ""
    line = "=" * _WIDTH
    found = re.search(
        rf"^{line}\n{re.escape(GROUPS[group])}\n{line}\n.*?(?=^{line}$|\Z)", text, flags=re.M | re.S
    )
    return found[0] if found else ""
