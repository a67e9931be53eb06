"""Functions that are polynomials by pieces, each in t from -1 to 1 (coefficients of `tools/fit_integrals.py`)."""

from __future__ import annotations

from .lang import E, Math


def piece(m: Math, u: E, name: str, low: float, high: float) -> E:
    """The polynomial `name` at u in [low, high]."""
    t = m.fma(u, 2.0 / (high - low), -(low + high) / (high - low))
    return m.careful_poly(t, m.table(name))


def falling(m: Math, x: E, name: str, ends: tuple[float, ...], power: int, first: int = 1) -> E:
    """The pieces `name_k` between `ends` (and to infinity) in u = x^-power, for x >= ends[0]."""
    u = 1.0 / x
    for _ in range(power.bit_length() - 1):
        u = u * u
    limits = [*(e**-power for e in ends), 0.0]
    value = piece(m, u, f"{name}_{first}", limits[1], limits[0])
    for k in range(1, len(ends)):
        value = m.select(x > ends[k], piece(m, u, f"{name}_{first + k}", limits[k + 1], limits[k]), value)
    return value
