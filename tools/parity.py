"""How much of JAX's public API is here: names, signatures, and rows of the op table. ``make parity``.

For each public module of the installed JAX: names that are present, that are refused with a reason
(``jitney/_api/unsupported.py``), that are missing; parameters of functions, classes and methods that differ; functions
that no row of ``tests/opdb`` compares with JAX.

    python tools/parity.py [--quiet] [--strict] [modules ...]
"""

from __future__ import annotations

import argparse
import enum
import importlib
import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODULES = """
    . numpy numpy.linalg numpy.fft lax lax.linalg random nn nn.initializers tree tree_util dtypes errors flatten_util
    image ops custom_batching custom_derivatives debug api_util core stages typing sharding profiler monitoring dlpack
    ad_checkpoint ref distributed export ffi version
    extend extend.core extend.core.primitives extend.linear_util extend.backend extend.random extend.source_info_util
    interpreters interpreters.ad interpreters.batching interpreters.mlir interpreters.partial_eval interpreters.xla
    interpreters.pxla
    scipy scipy.special scipy.linalg scipy.signal scipy.ndimage scipy.integrate scipy.interpolate scipy.optimize
    scipy.cluster scipy.cluster.vq scipy.spatial.transform scipy.sparse.linalg scipy.fft scipy.stats
    experimental experimental.ode experimental.jet experimental.checkify experimental.sparse
    experimental.sparse.linalg experimental.compute_on experimental.layout experimental.mesh_utils
    experimental.multihost_utils experimental.pjit experimental.shard_map
    experimental.compilation_cache.compilation_cache
    example_libraries.optimizers example_libraries.stax
""".split()

# Modules that import their own needs under public names: what they are for, as JAX documents it.
LISTED = {
    "experimental.ode": "odeint",
    "experimental.jet": "jet",
    "experimental.pjit": "",
    "experimental.shard_map": "",
    "experimental.multihost_utils": """assert_equal broadcast_one_to_all global_array_to_host_local_array
        host_local_array_to_global_array live_devices process_allgather reached_preemption_sync_point
        sync_global_devices""",
    "experimental.mesh_utils": "create_device_mesh create_hybrid_device_mesh",
    "example_libraries.optimizers": """JoinPoint Optimizer OptimizerState adagrad adam adamax clip_grads constant
        exponential_decay inverse_time_decay l2_norm make_schedule momentum nesterov optimizer pack_optimizer_state
        piecewise_constant polynomial_decay rmsprop rmsprop_momentum sgd sm3 unpack_optimizer_state""",
    "example_libraries.stax": """AvgPool BatchNorm Conv Conv1DTranspose ConvTranspose Dense Dropout Elu Exp
        FanInConcat FanInSum FanOut Flatten Gelu GeneralConv GeneralConvTranspose Identity LeakyRelu LogSoftmax MaxPool
        Relu Selu Sigmoid Softmax Softplus SumPool Tanh elementwise parallel serial shape_dependent""",
    "extend.source_info_util": """SourceInfo current current_name_stack extend_name_stack new_name_stack
        register_exclusion summarize transform_name_stack user_context""",
}

# Modules whose functions of arrays are compared by rows of the op table.
IN_TABLE = """
    numpy numpy.linalg numpy.fft lax lax.linalg nn image ops scipy.special scipy.linalg scipy.signal scipy.ndimage
    scipy.integrate scipy.fft scipy.stats scipy.cluster.vq
""".split()

# Functions that are no operations on arrays, or that take functions: tests of their own compare them.
NOT_IN_TABLE = {
    "numpy": """apply_along_axis apply_over_axes array_repr broadcast_shapes einsum_path mask_indices array_str can_cast dtype finfo from_dlpack frombuffer
        fromfile fromfunction fromiter frompyfunc fromstring get_printoptions iinfo index_exp iscomplexobj isdtype
        isrealobj isscalar issubdtype iterable load ndim piecewise printoptions promote_types result_type s_ save savez
        set_printoptions shape size ufunc vectorize array2string""",
    "lax": """associative_scan broadcast_shapes composite cond custom_linear_solve custom_root dce_sink dtype fori_loop map
        platform_dependent reduce reduce_window scan shape_as_value stop_gradient switch while_loop axis_index axis_size
        all_gather all_to_all pbroadcast pcast pmax pmean pmin ppermute precv psend pshuffle psum psum_scatter
        pswapaxes ragged_all_to_all conv_dimension_numbers conv_general_permutations conv_general_shape_tuple
        conv_shape_tuple conv_transpose_shape_tuple padtype_to_pads reduce_window_shape_tuple optimization_barrier
        with_sharding_constraint create_token after_all empty rng_uniform rng_bit_generator""",
    "nn": "get_scaled_dot_general_config",
    "scipy.linalg": "funm",
}


@dataclass
class Findings:
    """What the comparison of one module found."""

    name: str
    present: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.present) + len(self.refused) + len(self.missing)


def public_names(module: Any, short: str) -> list[str]:
    """The names that ``module`` has for its users: no modules of others, no imports for its own needs."""
    if short in LISTED:
        return LISTED[short].split()
    return sorted(n for n in dir(module) if not n.startswith("_") and _for_users(module, n))


_TOOLS_OF_PYTHON = {"typing", "functools", "contextlib", "__future__", "collections.abc", "collections"}
_ALIASES = {
    "PrecisionLike",
    "ConvGeneralDilatedDimensionNumbers",
    "DotDimensionNumbers",
    "CompilerOptions",
    "ArrayLike",
    "DTypeLike",
}


def _for_users(module: Any, name: str) -> bool:
    value = getattr(module, name)
    if inspect.ismodule(value):
        return value.__name__ == f"{module.__name__}.{name}"
    if name in _ALIASES or callable(value) and not isinstance(value, type):
        return name not in ("Any", "Callable", "partial", "annotations")
    return getattr(value, "__module__", None) not in _TOOLS_OF_PYTHON


def compare(short: str, rows: set[str], unsupported: Any) -> Findings:
    """What ``jax.<short>`` has and ``jitney.<short>`` lacks."""
    found = Findings(short)
    theirs_module = _module("jax", short)
    try:
        ours_module = _module("jitney", short)
    except ModuleNotFoundError:
        ours_module = None
    for name in public_names(theirs_module, short):
        ours = getattr(ours_module, name, _ABSENT)
        if ours is _ABSENT:
            found.missing.append(name)
            continue
        if unsupported.is_unsupported(ours):
            found.refused.append(name)
            continue
        found.present.append(name)
        theirs = getattr(theirs_module, name)
        found.differing += differences(name, theirs, ours, short in CLASSES and name not in _OF_ARRAYS)
        if short in IN_TABLE and _needs_row(short, name, theirs) and f"{short}.{name}" not in rows:
            found.without_row.append(name)
        if short == "." and name == "Array":
            found.differing += _methods_of_arrays(theirs_module, ours_module)
        if inspect.ismodule(theirs) and short == "scipy.stats":
            _distribution(found, name, theirs, ours, rows)
    return found


def _methods_of_arrays(jax: Any, jitney: Any) -> list[str]:
    """Names and parameters of the methods of arrays."""
    theirs, ours, lines = jax.numpy.zeros((1, 1)), jitney.numpy.zeros((1, 1)), []
    for name in dir(jax.Array):
        value = None if name.startswith("_") else _of_array(theirs, name)
        if value is not None and not hasattr(ours, name):
            lines.append(f"Array.{name}: missing")
        elif inspect.ismethod(value):
            lines += differences(f"Array.{name}", value, getattr(ours, name))
    return lines


def _of_array(array: Any, name: str) -> Any:
    """An attribute of an array; None where JAX lists it and has none."""
    try:
        return getattr(array, name, None)
    except NotImplementedError:
        return None


def _distribution(found: Findings, name: str, theirs: Any, ours: Any, rows: set[str]) -> None:
    """The functions of ``scipy.stats.norm`` and the like."""
    for method in public_names(theirs, ""):
        if not getattr(getattr(theirs, method), "__module__", "").startswith("jax"):
            continue
        full = f"{name}.{method}"
        mine = getattr(ours, method, _ABSENT)
        (found.missing if mine is _ABSENT else found.present).append(full)
        if mine is not _ABSENT:
            found.differing += differences(full, getattr(theirs, method), mine)
            if f"scipy.stats.{full}" not in rows:
                found.without_row.append(full)


_ABSENT = object()
_OF_ARRAYS = ("Array", "ndarray")  # abstract classes; the methods of real arrays are compared instead


def _module(library: str, short: str) -> Any:
    return importlib.import_module(library if short == "." else f"{library}.{short}")


def _needs_row(short: str, name: str, value: Any) -> bool:
    if inspect.ismodule(value) or isinstance(value, type) or not callable(value):
        return False
    if name.endswith("_p") or name in _ALIASES or type(value).__name__ in ("_ScalarMeta", "NumpyScalar"):
        return False
    return name not in NOT_IN_TABLE.get(short, "").split()


# Classes whose objects users get and ask; those of the machinery below are made and read in other ways.
CLASSES = (
    ". numpy stages tree_util sharding scipy.spatial.transform scipy.interpolate custom_batching".split()
)


def differences(name: str, theirs: Any, ours: Any, members: bool = False) -> list[str]:
    """Lines that say how the parameters of ``ours``, or of its methods, differ from those of ``theirs``."""
    if inspect.ismodule(theirs) or isinstance(theirs, type) and not members or name in _DECORATED:
        return []
    lines = []
    wanted, got = parameters(theirs), parameters(ours)
    if wanted is not None and not _made_by_us(name, theirs) and not _agree(wanted, got):
        lines.append(f"{name}: {_text(got)} instead of {_text(wanted)}")
    if isinstance(theirs, type) and isinstance(ours, type) and ours.__module__.startswith("jitney"):
        lines += _members(name, theirs, ours)
    return lines


def _members(name: str, theirs: type, ours: type) -> list[str]:
    lines = []
    for member in sorted(vars(theirs)):
        if member.startswith("_") or member in _OF_XLA:
            continue
        mine = getattr(ours, member, _ABSENT)
        if mine is _ABSENT and not _set_in_instances(ours, member):
            lines.append(f"{name}.{member}: missing")
        elif inspect.isfunction(getattr(theirs, member)) and mine is not _ABSENT:
            lines += differences(f"{name}.{member}", getattr(theirs, member), mine)
    return lines


# Classes that the library makes, and users only ask.
_MADE = "ArgInfo Compiled Lowered Traced Wrapped Ref".split()
# Functions that a decorator made, whose signature speaks of the decorator.
_DECORATED = "flatten_fun flatten_fun_nokwargs transformation_with_aux2".split()
# Methods of XLA's own objects, and of JAX's types of higher level.
_OF_XLA = """
    addressable_memories client default_memory memory get_stream_for_external_ready_events live_buffers poison_execution
    unsafe_buffer_pointer serialize_using_proto deserialize_using_proto lojax
""".split()


def _made_by_us(name: str, value: Any) -> bool:
    """True for classes that are not called by users, or whose constructor is inherited from Python."""
    if not isinstance(value, type):
        return False
    return name in _MADE or issubclass(value, BaseException) or "__init__" not in vars(value)


def _set_in_instances(kind: type, member: str) -> bool:
    if member in getattr(kind, "__dataclass_fields__", ()):
        return True
    makers = [getattr(k.__init__, "__code__", None) for k in kind.__mro__ if "__init__" in vars(k)]
    return any(code is not None and member in code.co_names for code in makers)


Parameter = tuple[str, str, str]


def parameters(value: Any) -> list[Parameter] | None:
    """Name, kind and default of each parameter; None where Python cannot tell."""
    if not callable(value):
        return None
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(p.name, p.kind.name, _default(p.default)) for p in found]


def _agree(wanted: list[Parameter], got: list[Parameter] | None) -> bool:
    """True if every call that fits ``wanted`` fits ``got`` alike.

    Keyword-only parameters have no order and positional-only ones no name; ``*args`` alone says nothing.
    """
    if {p[1] for p in wanted} <= {"VAR_POSITIONAL", "VAR_KEYWORD"}:
        return True
    if got is None:
        return False
    places = [p for p in wanted if p[1].startswith("POSITIONAL")]
    own_places = [p for p in got if p[1].startswith("POSITIONAL")]
    variable = [p[1] for p in wanted if p[1].startswith("VAR")]
    named = {p[0]: p for p in wanted if p[1] == "KEYWORD_ONLY"}
    own_named = {p[0]: p for p in got if p[1] == "KEYWORD_ONLY"}
    if "VAR_POSITIONAL" in variable:  # what else ours takes by place, theirs takes by *args or by name
        own_named |= {p[0]: p for p in own_places[len(places) :]}
        own_places = own_places[: len(places)]
    elif len(places) != len(own_places):
        return False
    more = [p for name, p in own_named.items() if name not in named and p[1] != "POSITIONAL_ONLY"]
    if named.keys() - own_named.keys() or any(not p[2] for p in more):
        return False  # one is missing, or one more must be given
    if variable.count("VAR_KEYWORD") and "VAR_KEYWORD" not in [p[1] for p in got]:
        return False
    return all(map(_same, places, own_places)) and all(_same(p, own_named[name]) for name, p in named.items())


def _same(wanted: Parameter, got: Parameter) -> bool:
    private = wanted[2].startswith("<") and bool(got[2])  # an object that stands for "not given"
    if wanted[2] != got[2] and not private:
        return False
    if wanted[1] == "POSITIONAL_ONLY" or wanted[0] in ("self", "cls"):
        return got[1].startswith("POSITIONAL")
    return wanted[0] == got[0] and (wanted[1] == got[1] or wanted[1] == "KEYWORD_ONLY")


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    if isinstance(value, type) or hasattr(value, "dtype") and callable(value):
        return getattr(value, "__name__", repr(value))
    if hasattr(value, "item"):
        return repr(value.item())
    sentinel = type(value).__module__.startswith(("jax.", "jax._src")) and not isinstance(value, enum.Enum)
    if callable(value) or sentinel or " at 0x" in repr(value) or repr(value).startswith("frozenset({<"):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    return repr(value)


def _text(found: list[tuple[str, str, str]] | None) -> str:
    if found is None:
        return "(?)"
    parts, last = [], ""
    for name, kind, default in found:
        if last == "POSITIONAL_ONLY" and kind != last:
            parts.append("/")
        if kind == "KEYWORD_ONLY" and last not in (kind, "VAR_POSITIONAL"):
            parts.append("*")
        mark = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(kind, "")
        parts.append(mark + name + (f"={default}" if default else ""))
        last = kind
    if last == "POSITIONAL_ONLY":
        parts.append("/")
    return f"({', '.join(parts)})"


def rows_of_table() -> set[str]:
    """The names that the op table has rows for."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from opdb import ROWS

    return {row.name for row in ROWS}


def findings(modules: list[str] | None = None) -> list[Findings]:
    """What the comparison finds, a record a module."""
    import jax
    import jax.scipy.stats

    from jitney._api import unsupported

    jax.config.update("jax_enable_x64", True)
    rows = rows_of_table()
    return [compare(short, rows, unsupported) for short in modules or MODULES]


def _report(all_findings: list[Findings], quiet: bool) -> None:
    print(f"{'module':50} present refused missing | signatures differ, no row")
    for f in all_findings:
        counts = f"{len(f.present):7} {len(f.refused):7} {len(f.missing):7}"
        print(
            f"{'jax' if f.name == '.' else 'jax.' + f.name:50} {counts} | {len(f.differing):4} {len(f.without_row):4}"
        )
        if quiet:
            continue
        for title, names in (("missing", f.missing), ("no row", f.without_row)):
            if names:
                print(f"    {title}: {' '.join(names)}")
        for line in f.differing:
            print(f"    differs: {line}")
    sums = [
        sum(len(getattr(f, k)) for f in all_findings)
        for k in ("present", "refused", "missing", "differing", "without_row")
    ]
    print(f"{'total':50} {sums[0]:7} {sums[1]:7} {sums[2]:7} | {sums[3]:4} {sums[4]:4}")
    print(f"{100 * sums[0] / sum(sums[:3]):.1f} % of {sum(sums[:3])} names are present")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="such as numpy.linalg; '.' is jax itself; default: all")
    parser.add_argument("--quiet", action="store_true", help="numbers only")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 if a name is missing or parameters differ"
    )
    options = parser.parse_args()
    found = findings(options.modules)
    _report(found, options.quiet)
    return int(options.strict and any(f.missing or f.differing for f in found))


if __name__ == "__main__":
    sys.exit(main())
