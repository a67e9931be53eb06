"""drop_dead: removes equations whose results nobody reads.

a = exp x ; b = sin x ; in (b)     ->     b = sin x ; in (b)
"""

from __future__ import annotations

from jitney._core.dce import live_eqns
from jitney._core.jaxpr import ClosedJaxpr


def drop_dead(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Keep what the outputs need, and equations with effects."""
    eqns, _ = live_eqns(closed.jaxpr)
    return ClosedJaxpr(closed.jaxpr.replace(eqns=eqns), closed.consts)
