"""``python -m jitney.as_jax script.py arguments``: run a program in which ``import jax`` gives jitney."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from jitney.as_jax import install

USAGE = """usage: python -m jitney.as_jax script.py [arguments]
       python -m jitney.as_jax -m module [arguments]
       python -m jitney.as_jax -c code [arguments]

Runs a program that is written for JAX; `import jax` gives jitney in it."""


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    kind = arguments[0] if arguments[0] in ("-m", "-c") else ""
    rest = list(arguments[1:] if kind else arguments)
    if not rest:
        print(f"python -m jitney.as_jax: {kind} requires an argument\n\n{USAGE}", file=sys.stderr)
        return 2
    install()
    target = rest[0]
    sys.argv = ["-c", *rest[1:]] if kind == "-c" else rest
    if kind == "-m":
        runpy.run_module(target, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(compile(target, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        _run_script(target)
    return 0


def _run_script(path: str) -> None:
    if not os.path.exists(path):
        raise SystemExit(f"python -m jitney.as_jax: no such file: {path}")
    sys.path[0] = os.path.dirname(os.path.abspath(path))  # where Python itself would look for its modules
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
