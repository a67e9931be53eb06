"""Aligned tables, and numbers with units, for people who look at measurements."""

from __future__ import annotations

from collections.abc import Sequence


def seconds(x: float | None) -> str:
    """A time with three figures: ``1.24 ms``."""
    if x is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if x >= size * 0.9995:
            return f"{_three(x / size)} {unit}"
    return f"{x * 1e9:.0f} ns"


def nbytes(n: float) -> str:
    """An amount of memory: ``800 KB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if n >= size * 0.9995:
            return f"{_three(n / size)} {unit}"
    return f"{n:.0f} B"


def per_second(count: float, time: float | None) -> str:
    """Billions a second, ``-`` where there is nothing to divide."""
    return "-" if not time or not count else _three(count / time * 1e-9)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def bar(share: float, width: int = 8) -> str:
    """A share as a bar of eighths of characters."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    return ("█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")).ljust(width)


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Text in columns; ``align`` has ``<`` or ``>`` for each."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(f"{x:{a}{w}}" for x, a, w in zip(row, align, widths, strict=True)).rstrip()

    return "\n".join([line(head), "-" * min(110, sum(widths) + 2 * len(widths) - 2), *map(line, rows)])


def _three(x: float) -> str:
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:.0f}"
