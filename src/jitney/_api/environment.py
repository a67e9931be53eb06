"""``print_environment_info``: what a report of a bug should name."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

from jitney import _ext


def print_environment_info(return_string: bool = False) -> str | None:
    """Print versions, Python, the machine and its threads; or return them as text.

    Example:
        >>> import jitney
        >>> jitney.print_environment_info(return_string=True).splitlines()[0].split(":")[0]
        'jitney'
    """
    lines = [
        f"{name}: {importlib.metadata.version(name)}" for name in ("jitney", "numpy", "scipy", "llvmlite")
    ]
    lines.append(f"python: {sys.version}")
    lines.append(f"device info: cpu-1, 1 local device, {_ext.get_num_threads()} threads")
    lines.append(f"platform: {platform.uname()}")
    text = "\n".join(lines)
    if return_string:
        return text
    print(text)
    return None
