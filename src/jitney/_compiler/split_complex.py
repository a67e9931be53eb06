"""split_complex: computes with complex arrays as pairs of real ones, in the programs of loops and branches as well.

c:c128[3] = mul a b     ->     re = ar*br - ai*bi ; im = ar*bi + ai*br

Complex inputs and outputs of the whole program keep their memory: they are seen as real arrays with one more axis
of length 2. Loops carry real and imaginary parts apart, which suits SIMD. Operations that have no rule here run
on complex arrays as before. Formulas: Kahan, "Branch cuts for complex elementary functions", 1987; Smith,
"Algorithm 116: complex division", CACM 1962.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._compiler.complex_functions import FUNCTIONS, choose, fit, negative
from jitney._compiler.inline_calls import inline_calls
from jitney._compiler.library import plan_routine
from jitney._compiler.nested import is_control, programs
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.trace import get_aval, to_numpy
from jitney._kernel.rules import Routine
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.fft import FftType, fft_along_p, fft_of_pairs_p

# A complex array as real numbers along a new last axis, and back: the same memory.
as_pairs_p = Primitive("as_pairs")
as_pairs_p.numpy = lambda x: np.ascontiguousarray(x).reshape(*x.shape, 1).view(x.real.dtype)
as_pairs_p.abstract = lambda x: _interleaved(x)
as_complex_p = Primitive("as_complex")
as_complex_p.numpy = lambda x: np.ascontiguousarray(x).view(_complex_of(x.dtype))[..., 0]
as_complex_p.abstract = lambda x: shaped_array(x.shape[:-1], _complex_of(x.dtype))


# An equation whose routine takes complex arrays, on the same memory seen as real numbers.
on_pairs_p = Primitive("on_pairs", multiple_results=True)
on_pairs_p.abstract = lambda *args, eqn: [_interleaved(v.aval) for v in eqn.outvars]


def _on_pairs(*args: Any, eqn: JaxprEqn) -> list[Any]:
    given = [
        np.ascontiguousarray(x).view(a.aval.dtype)[..., 0] if _is_complex(a.aval) else x
        for x, a in zip(args, eqn.invars, strict=True)
    ]
    found = eqn.primitive.numpy(*given, **eqn.params)
    outs = found if eqn.primitive.multiple_results else [found]
    return [as_pairs_p.numpy(np.asarray(y)) if y.dtype.kind == "c" else y for y in outs]


on_pairs_p.numpy = _on_pairs
on_pairs_p.lower = Routine(lambda in_avals, eqn: plan_routine(eqn, eqn.primitive.lower))


def _complex_of(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.complex128 if dtype.itemsize == 8 else np.complex64)


def _real_of(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float64 if dtype.itemsize == 16 else np.float32)


def _is_complex(aval: ShapedArray) -> bool:
    return aval.dtype.kind == "c"


def _interleaved(aval: ShapedArray) -> ShapedArray:
    return shaped_array((*aval.shape, 2), _real_of(aval.dtype)) if _is_complex(aval) else aval


def split_complex(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program on real numbers; the same object if that would not bring anything."""
    flat = inline_calls(closed)
    if not _worth_splitting(flat):
        return closed

    def fun(*args: Any) -> list[Any]:
        inputs = [
            _Pair.of_interleaved(x) if _is_complex(a) else x for x, a in zip(args, flat.in_avals, strict=True)
        ]
        return [y.interleaved() if isinstance(y, _Pair) else y for y in _run(flat, inputs)]

    return stage(fun, [_interleaved(a) for a in flat.in_avals], flat.jaxpr.debug_info)


def _worth_splitting(closed: ClosedJaxpr) -> bool:
    """Whether some operation with a rule computes with complex numbers."""
    for eqn in closed.jaxpr.eqns:
        if is_control(eqn):
            if any(_worth_splitting(inline_calls(p)) for p in programs(eqn)):
                return True
        elif eqn.primitive.name in _RULES and any(_is_complex(a.aval) for a in (*eqn.invars, *eqn.outvars)):
            return True
    return False


class _Pair:
    """A complex value as its parts, and as one complex array or one of pairs where it came as that."""

    __slots__ = ("aval", "im", "packed", "pairs", "re", "turned")

    def __init__(self, re: Any, im: Any) -> None:
        self.re, self.im, self.packed, self.pairs = re, im, None, None
        self.turned: tuple[_Pair, tuple[int, ...]] | None = None  # the value of which this is a transpose

    @staticmethod
    def of_interleaved(x: Any) -> _Pair:
        shape = get_aval(x).shape[:-1]
        start, last = (0,) * len(shape), len(shape)
        parts = [raw.slice_(x, (*start, k), (*shape, k + 1)) for k in (0, 1)]
        pair = _Pair(*[raw.squeeze(p, (last,)) for p in parts])
        pair.pairs = x
        return pair

    @staticmethod
    def of_complex(x: Any) -> _Pair:
        """The parts of a complex array."""
        pair = _Pair.of_interleaved(as_pairs_p.bind(x))
        pair.packed = x
        return pair

    @staticmethod
    def of_constant(x: Any) -> _Pair:
        value = to_numpy(x)
        return _Pair(np.ascontiguousarray(value.real), np.ascontiguousarray(value.imag))

    def interleaved(self) -> Any:
        if self.pairs is None:
            shape = get_aval(self.re).shape
            parts = [raw.expand_dims(raw.instantiate(p), (len(shape),)) for p in (self.re, self.im)]
            self.pairs = raw.concatenate(parts, len(shape))
        return self.pairs

    def whole(self) -> Any:
        """As one complex array, for operations without a rule."""
        if self.packed is None:
            self.packed = as_complex_p.bind(self.interleaved())
        return self.packed


def _run(closed: ClosedJaxpr, inputs: Sequence[Any]) -> list[Any]:
    """Evaluate a flat program; complex values are pairs."""
    env: dict[Any, Any] = dict(zip(closed.jaxpr.invars, inputs, strict=True))
    for var, value in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        env[var] = _Pair.of_constant(value) if _is_complex(var.aval) else value

    def read(atom: Any) -> Any:
        if type(atom) is not Literal:
            return env[atom]
        if not _is_complex(atom.aval):
            return atom.val
        dtype = _real_of(atom.aval.dtype).type
        return _Pair(dtype(np.real(atom.val)), dtype(np.imag(atom.val)))

    for eqn in closed.jaxpr.eqns:
        args = [read(a) for a in eqn.invars]
        env.update(zip(eqn.outvars, _equation(eqn, args), strict=True))
    return [read(a) for a in closed.jaxpr.outvars]


def _equation(eqn: JaxprEqn, args: list[Any]) -> list[Any]:
    prim = eqn.primitive
    touched = any(_is_complex(a.aval) for a in (*eqn.invars, *eqn.outvars))
    if is_control(eqn) and (touched or any(map(_has_complex, programs(eqn)))):
        return _control(eqn, args)
    rule = _RULES.get(prim.name) if touched else None
    if rule is not None:
        out = rule(eqn, *args)
        outs = out if prim.multiple_results else [out]
        return [_fitted(y, v.aval.shape) for y, v in zip(outs, eqn.outvars, strict=True)]
    if touched and plan_routine(eqn, prim.lower) is not None:
        outs = on_pairs_p.bind(*[x.interleaved() if isinstance(x, _Pair) else x for x in args], eqn=eqn)
        return [
            _Pair.of_interleaved(y) if _is_complex(v.aval) else y
            for y, v in zip(outs, eqn.outvars, strict=True)
        ]
    given = [x.whole() if isinstance(x, _Pair) else x for x in args]
    out = prim.bind(*given, **eqn.params)
    outs = out if prim.multiple_results else [out]
    return [_Pair.of_complex(y) if _is_complex(v.aval) else y for y, v in zip(outs, eqn.outvars, strict=True)]


def _fitted(y: Any, shape: tuple[int, ...]) -> Any:
    """A result whose parts have its shape (operands of rank 0 may have been left as they are)."""
    return _Pair(fit(y.re, shape), fit(y.im, shape)) if isinstance(y, _Pair) else y


# -- loops and branches


def _has_complex(program: ClosedJaxpr) -> bool:
    jaxpr = program.jaxpr
    return any(_is_complex(v.aval) for v in (*jaxpr.invars, *jaxpr.constvars)) or any(
        any(_is_complex(v.aval) for v in e.outvars)
        or any(_has_complex(inline_calls(p)) for p in (programs(e) if is_control(e) else ()))
        for e in inline_calls(program).jaxpr.eqns
    )


def _control(eqn: JaxprEqn, args: list[Any]) -> list[Any]:
    """The equation with programs on pairs."""
    name, params, invars = eqn.primitive.name, dict(eqn.params), eqn.invars
    count = lambda atoms: sum(1 + _is_complex(a.aval) for a in atoms)  # noqa: E731
    if name == "scan":
        nconsts, ncarry = params["num_consts"], params["num_carry"]
        params["num_consts"] = count(invars[:nconsts])
        params["num_carry"] = count(invars[nconsts : nconsts + ncarry])
        params["jaxpr"] = _split_program(params["jaxpr"])
    elif name == "while":
        first, second = params["cond_nconsts"], params["body_nconsts"]
        params["cond_nconsts"] = count(invars[:first])
        params["body_nconsts"] = count(invars[first : first + second])
        params["cond_jaxpr"] = _split_program(params["cond_jaxpr"])
        params["body_jaxpr"] = _split_program(params["body_jaxpr"])
        if params.get("lanes") is not None:
            params["lanes"] = _split_lanes(params["lanes"], invars, first, second)
    else:
        params["branches"] = tuple(map(_split_program, params["branches"]))
    return _joined(eqn.primitive.bind(*_flat(args), **params), [v.aval for v in eqn.outvars])


def _split_lanes(lanes: Any, invars: Sequence[Any], first: int, second: int) -> Any:
    def twice(dims: Sequence[Any], atoms: Sequence[Any]) -> tuple:
        return tuple(d for d, a in zip(dims, atoms, strict=True) for _ in range(1 + _is_complex(a.aval)))

    return lanes._replace(
        cond_jaxpr=_split_program(lanes.cond_jaxpr),
        body_jaxpr=_split_program(lanes.body_jaxpr),
        cond_dims=twice(lanes.cond_dims, invars[:first]),
        body_dims=twice(lanes.body_dims, invars[first : first + second]),
        init_dims=twice(lanes.init_dims, invars[first + second :]),
    )


def _split_program(program: ClosedJaxpr) -> ClosedJaxpr:
    """A program inside, whose complex inputs and outputs are two each."""
    if "split complex" not in program.cache:
        flat = inline_calls(program)
        avals = [
            shaped_array(a.shape, _real_of(a.dtype)) if _is_complex(a) else a
            for a in flat.in_avals
            for _ in range(1 + _is_complex(a))
        ]
        fun = lambda *xs: _flat(_run(flat, _joined(xs, flat.in_avals)))  # noqa: E731
        program.cache["split complex"] = stage(fun, avals, flat.jaxpr.debug_info)
    return program.cache["split complex"]


def _flat(values: Sequence[Any]) -> list[Any]:
    return [part for x in values for part in ((x.re, x.im) if isinstance(x, _Pair) else (x,))]


def _joined(parts: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    rest = iter(parts)
    return [_Pair(next(rest), next(rest)) if _is_complex(a) else next(rest) for a in avals]


# -- rules: (equation, *operands) -> result


def _by_parts(eqn: JaxprEqn, *args: Any) -> Any:
    """Operations that do to a complex number what they do to its parts."""
    re, im = (
        eqn.primitive.bind(*[getattr(x, part) if isinstance(x, _Pair) else x for x in args], **eqn.params)
        for part in ("re", "im")
    )
    return list(map(_Pair, re, im)) if eqn.primitive.multiple_results else _Pair(re, im)


def _like(value: float, x: Any) -> Any:
    return get_aval(x).dtype.type(value)


def _times(x: _Pair, y: _Pair) -> _Pair:
    return _Pair(
        ew.sub(ew.mul(x.re, y.re), ew.mul(x.im, y.im)), ew.add(ew.mul(x.re, y.im), ew.mul(x.im, y.re))
    )


def _over(x: _Pair, y: _Pair) -> _Pair:
    """Smith's quotient: by the larger part of the divisor first."""
    wide = ew.ge(ew.abs(y.re), ew.abs(y.im))
    large, small = choose(wide, y.re, y.im), choose(wide, y.im, y.re)
    nothing = ew.eq(large, _like(0, large))
    ratio = choose(nothing, large, ew.div(small, large))  # x / 0 is infinite, part by part
    divisor = ew.add(large, ew.mul(small, ratio))
    a, b = choose(wide, x.re, x.im), choose(wide, x.im, x.re)
    re = ew.div(ew.add(a, ew.mul(b, ratio)), divisor)
    im = ew.div(ew.sub(b, ew.mul(a, ratio)), divisor)
    return _Pair(re, choose(wide, im, ew.neg(im)))


def _strong_times(eqn: JaxprEqn, x: _Pair, y: _Pair) -> _Pair:
    """The product, 0 where ``x`` is, or where either is."""
    product, there = _times(x, y), _is_nonzero(x)
    if eqn.params["both"]:
        there = ew.and_(there, _is_nonzero(y))
    return _Pair(*(choose(there, part, _like(0, part)) for part in (product.re, product.im)))


def _strong_over(x: _Pair, y: _Pair) -> _Pair:
    """The quotient, 0 where ``x`` is."""
    there = _is_nonzero(x)
    return _over(x, _Pair(choose(there, y.re, _like(1, y.re)), choose(there, y.im, _like(0, y.im))))


def _is_nonzero(z: _Pair) -> Any:
    return ew.or_(ew.ne(z.re, _like(0, z.re)), ew.ne(z.im, _like(0, z.im)))


def _modulus(z: _Pair) -> Any:
    """The length of (re, im), without overflow."""
    a, b = ew.abs(z.re), ew.abs(z.im)
    large, small = ew.maximum(a, b), ew.minimum(a, b)
    ratio = ew.div(small, large)
    length = ew.mul(large, ew.sqrt(ew.add(_like(1, ratio), ew.mul(ratio, ratio))))
    inf, zero = _like(np.inf, a), _like(0, a)
    endless = ew.or_(ew.eq(a, inf), ew.eq(b, inf))
    return choose(endless, inf, choose(ew.eq(large, zero), large, length))


def _root(z: _Pair) -> _Pair:
    """With the cut along the negative reals: sqrt((|z| + |re|)/2) is one part up to sign."""
    half, zero = _like(0.5, z.re), _like(0, z.re)
    t = ew.sqrt(ew.add(ew.mul(half, ew.abs(z.re)), ew.mul(half, _modulus(z))))
    other = ew.mul(half, ew.div(z.im, t))
    right = ew.ge(z.re, zero)
    re = choose(right, t, ew.abs(other))
    im = choose(right, other, choose(negative(z.im), ew.neg(t), t))
    origin = ew.eq(t, zero)
    endless = ew.eq(ew.abs(z.im), _like(np.inf, zero))
    re = choose(origin, zero, choose(endless, ew.abs(z.im), re))
    return _Pair(re, choose(ew.or_(origin, endless), z.im, im))


def _exponential(z: _Pair) -> _Pair:
    e, zero = ew.exp(z.re), _like(0, z.im)
    return _Pair(ew.mul(e, ew.cos(z.im)), choose(ew.eq(z.im, zero), z.im, ew.mul(e, ew.sin(z.im))))


def _logarithm(z: _Pair) -> _Pair:
    """Near the unit circle log|z| is log1p((|z| - 1)(|z| + 1)) / 2, in which nothing cancels."""
    a, b = ew.abs(z.re), ew.abs(z.im)
    large, small = ew.maximum(a, b), ew.minimum(a, b)
    one, length = _like(1, a), _modulus(z)
    excess = ew.add(ew.mul(ew.sub(large, one), ew.add(large, one)), ew.mul(small, small))
    near = ew.and_(ew.gt(length, _like(0.5, a)), ew.lt(length, _like(3, a)))
    close = ew.mul(_like(0.5, a), ew.log1p(excess))
    return _Pair(choose(near, close, ew.log(length)), ew.atan2_p.bind(z.im, z.re))


def _power(x: _Pair, n: int) -> _Pair:
    if n < 0:
        one = _Pair(_like(1, x.re), _like(0, x.re))
        return _over(one, _power(x, -n))
    result, square = None, x
    while n:
        if n & 1:
            result = square if result is None else _times(result, square)
        n >>= 1
        square = _times(square, square) if n else square
    if result is not None:
        return result
    aval = get_aval(x.re)
    return _Pair(raw.full(aval.shape, 1, aval.dtype), raw.full(aval.shape, 0, aval.dtype))


def _raised(eqn: JaxprEqn, x: Any, y: Any) -> _Pair:
    """e^(y log x); of base 0: 1, 0 or no number."""
    x, y = (_complex(v, eqn.outvars[0].aval.dtype) for v in (x, y))
    value = _exponential(_times(y, _logarithm(x)))
    zero, one, nan = (_like(c, x.re) for c in (0, 1, np.nan))
    nothing = ew.and_(ew.eq(x.re, zero), ew.eq(x.im, zero))
    vanishes = ew.gt(y.re, zero)
    to_nothing = ew.and_(ew.eq(y.re, zero), ew.eq(y.im, zero))
    at_zero = choose(vanishes, zero, choose(to_nothing, one, nan))
    imaginary = choose(ew.or_(vanishes, to_nothing), zero, nan)
    return _Pair(choose(nothing, at_zero, value.re), choose(nothing, imaginary, value.im))


def _complex(x: Any, dtype: np.dtype) -> _Pair:
    """A real operand beside a complex one as a pair."""
    if isinstance(x, _Pair):
        return x
    re = ew.convert(x, _real_of(dtype))
    return _Pair(re, ew.mul(re, _like(0, re)))


def _direction(_: JaxprEqn, z: _Pair) -> _Pair:
    """z / |z|, 0 at 0."""
    length = _modulus(z)
    zero = _like(0, length)
    safe = choose(ew.eq(length, zero), _like(1, length), length)
    return _Pair(ew.div(z.re, safe), ew.div(z.im, safe))


def _inverse(z: _Pair) -> _Pair:
    return _over(_Pair(_like(1, z.re), _like(0, z.re)), z)


def _sigmoid(_: JaxprEqn, z: _Pair) -> _Pair:
    e = _exponential(_Pair(ew.neg(z.re), ew.neg(z.im)))
    return _inverse(_Pair(ew.add(_like(1, e.re), e.re), e.im))


def _power_of_two(_: JaxprEqn, z: _Pair) -> _Pair:
    log2 = _like(np.log(2), z.re)
    return _exponential(_Pair(ew.mul(z.re, log2), ew.mul(z.im, log2)))


def _by_formula(name: str) -> Callable[..., _Pair]:
    return lambda _, z: _Pair(*FUNCTIONS[name](z.re, z.im))


def _product(eqn: JaxprEqn, x: Any, y: Any) -> _Pair:
    """A contraction or convolution: four real ones, of which two are enough where one operand is real."""
    params = dict(eqn.params)
    if params.get("preferred_element_type") is not None:
        params["preferred_element_type"] = _real_of(np.dtype(params["preferred_element_type"]))
    dot = lambda a, b: eqn.primitive.bind(a, b, **params)  # noqa: E731
    if not isinstance(y, _Pair):
        return _Pair(dot(x.re, y), dot(x.im, y))
    if not isinstance(x, _Pair):
        return _Pair(dot(x, y.re), dot(x, y.im))
    return _Pair(ew.sub(dot(x.re, y.re), dot(x.im, y.im)), ew.add(dot(x.re, y.im), dot(x.im, y.re)))


def _converted(eqn: JaxprEqn, x: Any) -> Any:
    dtype = np.dtype(eqn.params["new_dtype"])
    if dtype.kind != "c":
        return ew.convert(x.re, dtype)
    real = _real_of(dtype)
    if isinstance(x, _Pair):
        return _Pair(ew.convert(x.re, real), ew.convert(x.im, real))
    aval = get_aval(x)
    return _Pair(ew.convert(x, real), raw.full(aval.shape, 0, real))


def _transposed(eqn: JaxprEqn, x: Any) -> _Pair:
    """A transpose, which remembers of what; back again it is that."""
    permutation = tuple(eqn.params["permutation"])
    if x.turned is not None:
        whole, before = x.turned
        if tuple(before[p] for p in permutation) == tuple(range(len(before))):
            return whole
    out = _by_parts(eqn, x)
    out.turned = (x, permutation)
    return out


def _fourier(eqn: JaxprEqn, x: Any) -> Any:
    """The transform reads and writes pairs; of a transpose it is the transpose of a transform along other axes."""
    kind, lengths = eqn.params["fft_type"], eqn.params["fft_lengths"]
    if isinstance(x, _Pair) and x.turned is not None and kind <= FftType.IFFT and lengths:
        whole, permutation = x.turned
        axes = tuple(sorted(permutation[-len(lengths) :], reverse=True))
        done = fft_along_p.bind(whole.interleaved(), inverse=kind == FftType.IFFT, axes=axes)
        result = _Pair.of_interleaved(done)
        out = _Pair(*(raw.transpose(part, permutation) for part in (result.re, result.im)))
        out.turned = (result, permutation)
        return out
    out = fft_of_pairs_p.bind(x.interleaved() if isinstance(x, _Pair) else x, **eqn.params)
    return _Pair.of_interleaved(out) if _is_complex(eqn.outvars[0].aval) else out


def _hyperbolic(odd: bool) -> Callable[..., _Pair]:
    """sinh and cosh of a sum."""

    def rule(_: JaxprEqn, z: _Pair) -> _Pair:
        first, second = (ew.sinh, ew.cosh) if odd else (ew.cosh, ew.sinh)
        return _Pair(ew.mul(first(z.re), ew.cos(z.im)), ew.mul(second(z.re), ew.sin(z.im)))

    return rule


def _sine(_: JaxprEqn, z: _Pair) -> _Pair:
    return _Pair(ew.mul(ew.sin(z.re), ew.cosh(z.im)), ew.mul(ew.cos(z.re), ew.sinh(z.im)))


def _cosine(_: JaxprEqn, z: _Pair) -> _Pair:
    return _Pair(ew.mul(ew.cos(z.re), ew.cosh(z.im)), ew.neg(ew.mul(ew.sin(z.re), ew.sinh(z.im))))


def _conjugate(_: JaxprEqn, z: Any) -> _Pair:
    if isinstance(z, _Pair):
        return _Pair(z.re, ew.neg(z.im))
    aval = get_aval(z)
    return _Pair(z, ew.neg(raw.full(aval.shape, 0, aval.dtype)))


_BY_PARTS = """
    add sub neg add_any copy broadcast_in_dim reshape squeeze expand_dims slice dynamic_slice rev
    concatenate pad reduce_sum cumsum dynamic_update_slice scatter scatter-add scatter-sub select_n split
    stop_gradient optimization_barrier
""".split()

_RULES: dict[str, Callable[..., Any]] = dict.fromkeys(_BY_PARTS, _by_parts) | {
    "mul": lambda _, x, y: _times(x, y),
    "square": lambda _, x: _times(x, x),
    "div": lambda _, x, y: _over(x, y),
    "strong_mul": _strong_times,
    "strong_div": lambda _, x, y: _strong_over(x, y),
    "integer_pow": lambda eqn, x: _power(x, eqn.params["y"]),
    "real": lambda _, x: x.re,
    "imag": lambda _, x: x.im,
    "conj": _conjugate,
    "complex": lambda _, re, im: _Pair(re, im),
    "abs": lambda _, x: _modulus(x),
    "sqrt": lambda _, x: _root(x),
    "exp": lambda _, x: _exponential(x),
    "log": lambda _, x: _logarithm(x),
    "sin": _sine,
    "cos": _cosine,
    "sinh": _hyperbolic(True),
    "cosh": _hyperbolic(False),
    **{name: _by_formula(name) for name in FUNCTIONS},
    "pow": _raised,
    "sign": _direction,
    "rsqrt": lambda _, z: _inverse(_root(z)),
    "logistic": _sigmoid,
    "exp2": _power_of_two,
    "eq": lambda _, x, y: ew.and_(ew.eq(x.re, y.re), ew.eq(x.im, y.im)),
    "ne": lambda _, x, y: ew.or_(ew.ne(x.re, y.re), ew.ne(x.im, y.im)),
    "dot_general": _product,
    "conv_general_dilated": _product,
    "fft": _fourier,
    "transpose": _transposed,
    "convert_element_type": _converted,
}
