"""``jitney.interpreters.ad``: rules of derivatives.

``primitive_jvps[p] = rule(primals, tangents, **params) -> (out, tangent)`` (lists for ``multiple_results``), where a
tangent may be ``Zero``; ``primitive_transposes[p] = rule(ct, *args, **params) -> [cotangent or None]``, where a
linear operand is an ``UndefinedPrimal``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import stand_in as _stand_in
from jitney._core.avals import ShapedArray
from jitney._core.primitive import Primitive, registry
from jitney._core.tangents import Undefined as UndefinedPrimal
from jitney._core.tangents import Zero
from jitney._core.tangents import is_undefined as is_undefined_primal
from jitney._ops import raw as _raw
from jitney._ops.families import standard_jvp as _standard_jvp
from jitney._transforms.jvp import JVPTrace, JVPTracer
from jitney.interpreters.rules import RuleTable

primitive_jvps = RuleTable("jvp")
primitive_transposes = RuleTable("transpose")
add_jaxvals_p = registry["add_any"]


def deflinear(primitive: Primitive, transpose_rule: Callable[..., Any]) -> None:
    """Declare ``primitive`` linear in all its operands; ``transpose_rule(ct, **params)`` gives their cotangents."""
    deflinear2(primitive, lambda ct, *_, **params: transpose_rule(ct, **params))


def deflinear2(primitive: Primitive, transpose_rule: Callable[..., Any]) -> None:
    """Like ``deflinear`` with ``transpose_rule(ct, *args, **params)``; the linear operands are ``UndefinedPrimal``."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        given = [instantiate_zeros(t) for t in tangents]
        return primitive.bind(*primals, **params), primitive.bind(*given, **params)

    primitive.jvp = jvp
    primitive.transpose = transpose_rule


def defjvp(primitive: Primitive, *jvprules: Callable[..., Any] | None) -> None:
    """Give one rule for each operand: ``rule(tangent, *primals, **params)``, None where the derivative is zero.

    Example:
        >>> import jitney
        >>> from jitney import lax
        >>> from jitney.extend.core import Primitive
        >>> from jitney.interpreters import ad, mlir
        >>> cube_p = Primitive("cube")
        >>> mlir.register_lowering(cube_p, mlir.lower_fun(lambda x: x * x * x, multiple_results=False))
        >>> ad.defjvp(cube_p, lambda t, x: 3 * x * x * t)
        >>> jitney.grad(cube_p.bind)(2.0)
        Array(12., dtype=float64, weak_type=True)
    """
    _check_single(primitive, "defjvp")
    rules = [rule and _without_answer(rule) for rule in jvprules]
    primitive.jvp = _standard_jvp(primitive, rules)


def _without_answer(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, ans, *primals, **params: rule(g, *primals, **params)


def defjvp2(primitive: Primitive, *jvprules: Callable[..., Any] | None) -> None:
    """Like ``defjvp`` with the primitive's value for the rules: ``rule(tangent, value, *primals, **params)``."""
    _check_single(primitive, "defjvp2")
    primitive.jvp = _standard_jvp(primitive, jvprules)


def _check_single(primitive: Primitive, name: str) -> None:
    if primitive.multiple_results:
        raise ValueError(
            f"{name} is for primitives with one result, but {primitive} has several: use primitive_jvps"
        )


def defbilinear(prim: Primitive, lhs_rule: Callable[..., Any], rhs_rule: Callable[..., Any]) -> None:
    """Declare ``prim`` linear in each of its two operands.

    ``lhs_rule(ct, x, y, **params)`` gives the cotangent of the first operand (``x`` is undefined), ``rhs_rule`` that
    of the second (``y`` is undefined).
    """

    def transpose(ct: Any, x: Any, y: Any, **params: Any) -> list[Any]:
        if is_undefined_primal(x):
            return [lhs_rule(ct, x, y, **params), None]
        return [None, rhs_rule(ct, x, y, **params)]

    defjvp(
        prim,
        lambda g, x, y, **params: prim.bind(g, y, **params),
        lambda g, x, y, **params: prim.bind(x, g, **params),
    )
    prim.transpose = transpose


def get_primitive_transpose(p: Primitive) -> Callable[..., Any]:
    """The transpose rule; ``NotImplementedError`` without one."""
    if p.transpose is None:
        raise NotImplementedError(
            f"Transpose rule (for reverse-mode differentiation) for {p.name!r} not implemented"
        )
    return p.transpose


def instantiate_zeros(tangent: Any) -> Any:
    """An array of zeros for a ``Zero``; other tangents as they are."""
    return _raw.instantiate(tangent)


def zeros_like_aval(aval: ShapedArray) -> Any:
    """An array of zeros of a type."""
    return _raw.zeros(aval)


def add_tangents(x: Any, y: Any) -> Any:
    """The sum of two tangents, either of which may be ``Zero``."""
    if type(x) is Zero:
        return y
    return x if type(y) is Zero else _raw.add_tangents(x, y)


def add_jaxvals(x: Any, y: Any) -> Any:
    """The sum of two values of one type."""
    return add_jaxvals_p.bind(x, y)


def __getattr__(name: str) -> Any:
    return _stand_in("interpreters.ad", name)


__all__ = [
    "JVPTrace",
    "JVPTracer",
    "UndefinedPrimal",
    "Zero",
    "add_jaxvals",
    "add_jaxvals_p",
    "add_tangents",
    "defbilinear",
    "defjvp",
    "defjvp2",
    "deflinear",
    "deflinear2",
    "get_primitive_transpose",
    "instantiate_zeros",
    "is_undefined_primal",
    "primitive_jvps",
    "primitive_transposes",
    "zeros_like_aval",
]

_expose(globals())
