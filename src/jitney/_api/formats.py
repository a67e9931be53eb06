"""Checks of format strings, ahead of the run that fills them in."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any


class FormatCheck(string.Formatter):
    """Checks that fields and arguments of a format belong together, without formatting any."""

    def __init__(self, what: str = "debug.print") -> None:
        self.what = what

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Any) -> tuple[None, Any]:
        first = re.split(r"[.\[]", field_name, maxsplit=1)[0]
        key: Any = int(first) if first.isdecimal() else first
        if isinstance(key, int) and key >= len(args):
            raise IndexError(
                f"jitney.{self.what}: the format asks for positional argument {key}, but {len(args)} are given."
            )
        if isinstance(key, str) and key not in kwargs:
            raise KeyError(f"jitney.{self.what}: the format asks for {key!r}, which is no keyword argument.")
        return None, key

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def format_field(self, value: Any, format_spec: str) -> str:
        return ""

    def check_unused_args(self, used_args: Any, args: Sequence[Any], kwargs: Any) -> None:
        unused = [name for name in kwargs if name not in used_args]
        if unused:
            raise ValueError(
                f"Unused keyword arguments to `jitney.{self.what}`: {unused}. You may be passing an f-string "
                f'(i.e, `f"{{x}}"`) into `jitney.{self.what}` and instead should pass in a regular string.'
            )
