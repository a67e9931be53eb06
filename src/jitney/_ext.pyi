"""The C++ extension: arrays, jit dispatch, threads, memory, tracebacks.

``csrc/module.cpp`` lists what is here; ``ArrayImpl``, ``JitFunction``, ``Executable`` and ``Boundary`` are
plain CPython types, so that no argument conversion stands in the way of a call.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType
from typing import Any, TypeVar

import numpy as np

_E = TypeVar("_E", bound=BaseException)
_Leaf = Any  # ArrayImpl, ndarray, NumPy scalar, bool, int, float, complex

class ArrayImpl:
    """The concrete, immutable array: C-contiguous, aligned, native byte order.

    Small eager arithmetic runs in the extension; everything else calls what ``register_operator`` was given.
    The type is open: Python adds methods and properties with ``setattr(ArrayImpl, name, value)``.
    """

    @property
    def _np(self) -> np.ndarray:
        """The contents as a read-only ndarray, made once."""
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def weak_type(self) -> bool: ...
    @property
    def aval(self) -> Any:
        """What the "aval" hook returned for (shape, dtype, weak_type); asked once."""
    def unsafe_buffer_pointer(self) -> int: ...
    def is_deleted(self) -> bool: ...
    def item(self, *index: int) -> Any: ...
    def tolist(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray: ...
    def __dlpack__(self, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    def __index__(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[ArrayImpl]: ...
    def __getitem__(self, key: Any) -> Any: ...
    def __add__(self, other: Any) -> Any: ...
    def __radd__(self, other: Any) -> Any: ...
    def __sub__(self, other: Any) -> Any: ...
    def __rsub__(self, other: Any) -> Any: ...
    def __mul__(self, other: Any) -> Any: ...
    def __rmul__(self, other: Any) -> Any: ...
    def __truediv__(self, other: Any) -> Any: ...
    def __rtruediv__(self, other: Any) -> Any: ...
    def __floordiv__(self, other: Any) -> Any: ...
    def __rfloordiv__(self, other: Any) -> Any: ...
    def __mod__(self, other: Any) -> Any: ...
    def __rmod__(self, other: Any) -> Any: ...
    def __divmod__(self, other: Any) -> Any: ...
    def __rdivmod__(self, other: Any) -> Any: ...
    def __pow__(self, other: Any) -> Any: ...
    def __rpow__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __rmatmul__(self, other: Any) -> Any: ...
    def __and__(self, other: Any) -> Any: ...
    def __rand__(self, other: Any) -> Any: ...
    def __or__(self, other: Any) -> Any: ...
    def __ror__(self, other: Any) -> Any: ...
    def __xor__(self, other: Any) -> Any: ...
    def __rxor__(self, other: Any) -> Any: ...
    def __lshift__(self, other: Any) -> Any: ...
    def __rlshift__(self, other: Any) -> Any: ...
    def __rshift__(self, other: Any) -> Any: ...
    def __rrshift__(self, other: Any) -> Any: ...
    def __neg__(self) -> Any: ...
    def __pos__(self) -> Any: ...
    def __abs__(self) -> Any: ...
    def __invert__(self) -> Any: ...
    def __eq__(self, other: Any) -> Any: ...
    def __ne__(self, other: Any) -> Any: ...
    def __lt__(self, other: Any) -> Any: ...
    def __le__(self, other: Any) -> Any: ...
    def __gt__(self, other: Any) -> Any: ...
    def __ge__(self, other: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...  # methods that jitney.numpy installs

class Executable:
    """A compiled program.

    ``fn_addr`` is the address of ``int32_t fn(void** args, void** outs, Ctx* ctx)`` with
    ``struct Ctx { char* scratch; PyObject** callables; int64_t status; }``. ``args`` holds the dynamic
    inputs, then the consts; ``outs`` has one pointer per output, null for a forwarded one. Outputs are
    64-byte aligned, 0-d outputs 16-byte aligned; inputs have the alignment of their elements; scratch is
    64-byte aligned.

    A nonzero return raises: the exception of the failed host call, one already set, or RuntimeError.

    Args:
        fn_addr: address of the native function; 0 is allowed when every output is forwarded.
        out_dtypes, out_shapes, out_weak: what each output is.
        consts: arrays passed after the dynamic inputs.
        in_dtypes: the dtype that each dynamic input is converted to where it differs.
        scratch_bytes: temporary memory, fresh for each call.
        callables: host functions, as ``(fn, n_in, n_out)``, or as ``fn`` when native code ends its pointer
            arrays with a null pointer. They are called as ``fn(in_addresses, out_addresses)``.
        release_gil: whether other Python threads run meanwhile. Must be true when worker threads make
            host calls.
        keepalive: any object to hold on to, such as the owner of the machine code.
        out_forward: per output -1, or the index of the input (args, then consts) that it is.
    """

    def __init__(
        self,
        fn_addr: int,
        out_dtypes: Sequence[Any],
        out_shapes: Sequence[Sequence[int]],
        out_weak: Sequence[bool],
        consts: Sequence[Any],
        in_dtypes: Sequence[Any],
        scratch_bytes: int = 0,
        callables: Sequence[Any] = (),
        release_gil: bool = True,
        keepalive: object = None,
        out_forward: Sequence[int] | None = None,
    ) -> None: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    def execute(self, inputs: Sequence[_Leaf], /) -> list[ArrayImpl]:
        """Runs the program on concrete values."""

class JitFunction:
    """A function that runs as compiled programs, one for each kind of arguments.

    Where no trace is current and all leaves are concrete, the arguments are flattened (positional, then
    keywords by name; dict keys sorted), and the program is looked up by structure, dtypes, weak types,
    shapes, static values and ``config_key``. On a miss ``on_miss(args, kwargs)`` returns ``(Executable,
    template)``, or NotImplemented to have ``on_trace`` called. The template is None (the only output),
    nested tuples, lists, dicts and None with output numbers as leaves, or a callable that is given the list
    of outputs. Everything else goes to ``on_trace(args, kwargs)``.

    Pickles by qualified name like a plain function, or as its attribute ``_reduce()`` says.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        on_miss: Callable[[tuple[Any, ...], dict[str, Any]], Any],
        on_trace: Callable[[tuple[Any, ...], dict[str, Any]], Any],
        static_argnums: tuple[int, ...] = (),
        static_argnames: tuple[str, ...] = (),
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, obj: Any, type: Any = None) -> Any: ...
    def _cache_size(self) -> int: ...
    def clear_cache(self) -> None: ...
    def __getattr__(self, name: str) -> Any: ...

class Boundary:
    """Calls ``fn``; exceptions that leave it carry no frames of the package (see ``set_internal_prefix``)."""

    def __init__(self, fn: Callable[..., Any]) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, obj: Any, type: Any = None) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...

def wrap(value: Any, /, weak_type: bool = False) -> ArrayImpl:
    """An ndarray, NumPy scalar or Python scalar as an array.

    A contiguous, aligned, native ndarray is adopted without a copy: nobody may write to it any more.
    An ArrayImpl is returned as it is, or sharing its memory when the weak type differs.
    Raises TypeError for dtypes that are not bool, integer, floating or complex.
    """

def unpickle_array(value: np.ndarray, weak_type: bool, /) -> ArrayImpl: ...
def current_trace() -> Any:
    """The trace of this thread; None means eager."""

def set_trace(trace: Any, /) -> Any:
    """Sets the trace of this thread and returns the previous one."""

def config_key(key: int, /) -> int:
    """Sets a number that is part of every dispatch key; returns the previous one."""

def set_x64(enabled: bool, /) -> bool:
    """Switches 64-bit mode; returns the previous mode."""

def register_operator(name: str, python_impl: Callable[..., Any] | None, ufunc: Any = None) -> Any:
    """Sets what an operator calls when the fast path does not apply; returns the previous implementation.

    Names: those of the NumPy ufuncs, or of the dunder methods without underscores ("add", "truediv", "eq",
    ...), "divmod", and "getitem". ``ufunc`` is accepted and not used.
    """

def set_eager_limit(n: int, /) -> int:
    """Elements up to which operators run in the extension; returns the previous limit (default 16384)."""

def register_hook(name: str, fn: Callable[..., Any] | None) -> Any:
    """Sets "aval": (shape, dtype, weak_type) -> aval, or "flatten": object -> (leaves, hashable treedef).

    Returns the previous hook.
    """

def set_internal_prefix(path: str, enabled: bool = True, /) -> None:
    """Code whose filename starts with ``path`` is ours; ``enabled`` removes its frames from tracebacks."""

def set_helper_prefixes(paths: Iterable[str], /) -> None:
    """Frames of files below these paths are hidden where our code called them."""

def filter_traceback(exc: _E, /) -> _E:
    """Removes our frames from the traceback of ``exc``, its causes and contexts, in place."""

def replaced(
    x: ArrayImpl, references: int, store_fast: int, store_name: int, extended: int, /
) -> np.ndarray[Any, Any] | None:
    """The memory of ``x``, writeable, if user code is about to replace its only reference; else None."""

def references(x: Any, /) -> int:
    """The number of references to ``x``."""

def user_frame() -> tuple[CodeType, int] | None:
    """Code object and instruction offset of the nearest frame that is not ours."""

def symbols() -> dict[str, int]:
    """Addresses of what compiled programs may call: the runtime (jt_*), mem* and libm."""

def library_symbols() -> dict[str, int]:
    """Addresses of the routines that call BLAS or LAPACK; ``set_library`` comes first."""

def set_library(addresses: dict[str, int], /) -> None:
    """Gives the addresses of BLAS and LAPACK routines by name, as ``dpotrf``, to the routines that call them."""

def limit_library(n: int, /) -> None:
    """The most threads that the BLAS of ``set_library`` may use; 0: as many as it has."""

def pool_stats() -> dict[str, int]:
    """live_bytes, cached_bytes, cached_limit, hits and misses of the buffer pool."""

def pool_trim() -> int:
    """Returns cached buffers to the system; the number of bytes."""

def pool_set_limit(bytes: int) -> None: ...
def get_num_threads() -> int:
    """Threads that compiled programs use when this thread calls them."""

def set_num_threads(n: int) -> None:
    """Sets the threads of compiled programs; 0: as many as the machine and the environment give."""

def limit_threads(n: int) -> int:
    """Sets the threads that programs use when this thread calls them, 0: no limit; gives the limit before."""

key_dtype: np.dtype[Any]
rbg_key_dtype: np.dtype[Any]
urbg_key_dtype: np.dtype[Any]

def threefry_bits(keys: np.ndarray[Any, Any], each: int, width: int, /) -> np.ndarray[Any, Any]:
    """Unsigned integers of ``width`` bits, ``each`` for each key, flat."""

def threefry_uniform(
    keys: np.ndarray[Any, Any], each: int, width: int, lo: float, span: float, /
) -> np.ndarray[Any, Any]:
    """Floats of ``width`` bits in ``[lo, lo + span)``, ``each`` for each key, flat."""

def threefry_split(keys: np.ndarray[Any, Any], each: int, /) -> np.ndarray[Any, Any]:
    """The words of ``each`` new keys for each key, flat."""

def describe_key_dtypes(type: type, /) -> None:
    """Let the dtype of keys have ``kind`` as its ``type``, and print as key<fry>."""

def threefry_fold(keys: np.ndarray[Any, Any], counters: np.ndarray[Any, Any], /) -> np.ndarray[Any, Any]:
    """The words of the keys that the counters are encrypted to, flat."""

class LoadedCode:
    """Machine code in memory, given back when this object dies."""

    @property
    def address(self) -> int: ...

def load_object(image: bytes, entry: str, resolve: Callable[[str], int]) -> LoadedCode | None:
    """Links an object file (ELF, x86-64); None for kinds of objects that it does not know."""

def cpu_identity() -> bytes:
    """Bytes that differ between CPUs that want different code; empty if unknown."""
