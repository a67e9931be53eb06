"""``jitney.interpreters.xla``: one primitive as a compiled call."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import stand_in as _stand_in
from jitney._control.jit import executable as _executable
from jitney._core.primitive import Primitive
from jitney._core.staging import stage as _stage
from jitney._core.trace import get_aval


def apply_primitive(prim: Primitive, *args: Any, **params: Any) -> Any:
    """The value of a primitive by its compiled form; for ``p.def_impl(partial(apply_primitive, p))``.

    ``NotImplementedError`` if the primitive has no compiled form.
    """
    if prim.lower is None and prim.numpy is None and prim.expand is None:
        raise NotImplementedError(
            f"MLIR translation rule for primitive {prim.name!r} not found: give it a body by "
            "mlir.register_lowering(p, mlir.lower_fun(fun))"
        )

    def run(*xs: Any) -> list[Any]:
        out = prim.bind(*xs, **params)
        return list(out) if prim.multiple_results else [out]

    outs = _executable(_stage(run, [get_aval(x) for x in args])).execute(list(args))
    return outs if prim.multiple_results else outs[0]


def __getattr__(name: str) -> Any:
    return _stand_in("interpreters.xla", name)


__all__ = ["apply_primitive"]

_expose(globals())
