// What every room of the extension shares: the array object, the runtime entry points, small helpers.
// Begin reading in module.cpp, which lists what Python sees; array.cpp and dispatch.cpp are the hot files.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL jitney_numpy_api
#ifndef JT_IMPORT_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>

#if defined(__GNUC__)
#define JT_LIKELY(x) __builtin_expect(!!(x), 1)
#define JT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define JT_NOINLINE __attribute__((noinline))
#define JT_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define JT_LIKELY(x) (x)
#define JT_UNLIKELY(x) (x)
#define JT_NOINLINE
#define JT_EXPORT extern "C"
#endif

// initial-exec TLS is one mov; the default model for shared objects is a function call.
#if defined(__linux__) && defined(__GNUC__)
#define JT_TLS thread_local __attribute__((tls_model("initial-exec")))
#else
#define JT_TLS thread_local
#endif

// ---------------------------------------------------------------------------------------------
// pool.cpp, threads.cpp: the native runtime, also called by compiled programs

JT_EXPORT void* jt_alloc(int64_t size);
JT_EXPORT void jt_free(void* ptr);
JT_EXPORT void jt_parallel_for(void (*fn)(void* ctx, int64_t begin, int64_t end), void* ctx, int64_t n,
                               int64_t grain);
// The same for n iterations of about `ns_each` nanoseconds each (0: unknown), which decide whether threads pay.
JT_EXPORT void jt_parallel(void (*fn)(void* ctx, int64_t begin, int64_t end), void* ctx, int64_t n, int64_t grain,
                           double ns_each);
// As threadpoolctl finds them.
JT_EXPORT int jitney_get_num_threads();
JT_EXPORT void jitney_set_num_threads(int n);

namespace jt {

struct PoolStats {
    int64_t live_bytes, cached_bytes, cached_limit, hits, misses;
};
PoolStats pool_stats();
int64_t pool_trim();
void pool_set_limit(int64_t bytes);
void pool_before_fork();
void pool_after_fork();

int get_num_threads();        // for calls from this thread
int process_threads();        // for those from threads without a limit of their own
void set_num_threads(int n);  // for all; 0: what the machine and the environment give
int limit_threads(int n);     // for this thread alone, 0: no limit; gives the limit before
void join_siblings(int parent);  // this process is one of several that `parent` started; 0: it is not
void hold_at_fork(std::mutex* m);  // which is held for a moment at a time: forked children find it free, its data whole
void install_fork_handlers();

// ---------------------------------------------------------------------------------------------
// array.cpp

constexpr int kInlineDims = 4;
constexpr int kInlineBytes = 32;

// The concrete array. Bytes live in exactly one of: `inline_data`, `raw` (a pool buffer that only this
// object knows), or memory kept alive by `owner`. A raw buffer moves into a shared Storage object the
// first time somebody else (a NumPy view, a slice) needs to keep it alive. The object holds no
// reference that could lead back to it, hence takes no part in garbage collection.
struct Array {
    PyObject_HEAD
    char* data;
    PyArray_Descr* descr;
    npy_intp size;
    npy_intp* shape;  // inline_shape, or malloc'ed beyond kInlineDims
    npy_intp nbytes;
    int32_t type_num;
    int16_t ndim;
    uint8_t weak;
    void* raw;
    PyObject* owner;
    PyObject* view;         // cached read-only ndarray
    PyObject* aval;         // cached result of the "aval" hook
    PyObject* shape_tuple;  // cached
    PyObject* weakrefs;
    npy_intp inline_shape[kInlineDims];
    alignas(16) char inline_data[kInlineBytes];
};

extern PyTypeObject* ArrayType;

inline bool is_array(PyObject* o) { return Py_TYPE(o) == ArrayType; }
inline Array* as_array(PyObject* o) { return reinterpret_cast<Array*>(o); }

// A fresh array with uninitialised contents; steals nothing. `pooled` forces a 64-byte aligned buffer.
Array* array_new(PyArray_Descr* descr, int ndim, const npy_intp* shape, bool weak, bool pooled);
// An array whose buffer the caller provides later (data, raw or owner still unset).
Array* array_new_header(PyArray_Descr* descr, int ndim, const npy_intp* shape, bool weak);
// ndarray, NumPy scalar or Python scalar -> Array (adopts where it can). nullptr with an error set.
PyObject* array_wrap(PyObject* obj, bool weak);
// Borrowed reference to the cached read-only ndarray.
PyObject* array_view(Array* a);
// The memory as a writeable ndarray, if nothing shares it; else nullptr, without an error.
PyObject* array_own_memory(Array* a);
// Borrowed reference to the cached shape tuple.
PyObject* array_shape(Array* a);

// Borrowed descriptor of a NumPy type number that we support, in native byte order, or nullptr.
PyArray_Descr* descr_of(int type_num);
// NumPy's several numbers for one type (long, long long) -> the one we use; -1 when unsupported.
int canonical_type_num(const PyArray_Descr* descr);

// A concrete value as the dispatcher and the operators see it: pointer, type, shape.
struct Leaf {
    PyObject* obj;   // owned
    PyObject* temp;  // owned contiguous copy, or null
    const char* data;
    const npy_intp* shape;
    int32_t type_num;
    int16_t ndim;
    uint8_t weak;
    uint8_t ready;  // data is contiguous, aligned and native
    alignas(16) char scalar[16];
};
enum class Read { ok, unsupported, error };
// Fills everything but obj/temp. Python ints beyond the index type are `error` with OverflowError set.
Read read_leaf(PyObject* obj, Leaf* leaf);

int init_array(PyObject* module);
extern PyMethodDef array_functions[];

// operators.cpp
enum Op : int {
    op_add, op_subtract, op_multiply, op_true_divide, op_floor_divide, op_remainder, op_power, op_matmul,
    op_and, op_or, op_xor, op_left_shift, op_right_shift, op_divmod,
    op_negative, op_positive, op_absolute, op_invert,
    op_lt, op_le, op_eq, op_ne, op_gt, op_ge,  // the order of Py_LT .. Py_GE
    op_getitem, op_count
};
PyObject* call_operator(Op op, PyObject* a, PyObject* b);
extern PyType_Slot operator_slots[];
extern PyMethodDef operator_functions[];

// ---------------------------------------------------------------------------------------------
// boundary.cpp: current trace, tracebacks, user frames

extern JT_TLS PyObject* current_trace;  // owned; null means eager
void filter_current_error();            // drops our own frames from the raised exception
// Lets hook "failed" say which call the raised exception comes from, if user code made it and ours raised.
void describe_current_error(PyObject* callee, PyObject* const* args, Py_ssize_t n, PyObject* kwnames);
int init_boundary(PyObject* module);
extern PyMethodDef boundary_functions[];

// dispatch.cpp
extern int64_t config_key;
extern bool x64;
int init_executable(PyObject* module);
extern PyMethodDef executable_functions[];
int init_dispatch(PyObject* module);
extern PyMethodDef dispatch_functions[];

// random.cpp

bool is_key_type(int type_num);
PyObject* key_array_repr(Array* a);
int init_random(PyObject* module);
extern PyMethodDef random_functions[];

// library.cpp
extern PyMethodDef library_functions[];

// module.cpp: hooks registered by Python
extern PyObject* hook_aval;
extern PyObject* hook_flatten;
extern PyObject* hook_reduce;
extern PyObject* hook_refused;
extern PyObject* hook_failed;
extern PyObject* hook_same;

// ---------------------------------------------------------------------------------------------
// Small owning reference, for the cold paths.
struct Ref {
    PyObject* p = nullptr;
    Ref() = default;
    explicit Ref(PyObject* stolen) : p(stolen) {}
    Ref(const Ref&) = delete;
    Ref& operator=(const Ref&) = delete;
    Ref(Ref&& o) noexcept : p(o.p) { o.p = nullptr; }
    ~Ref() { Py_XDECREF(p); }
    PyObject* release() {
        PyObject* r = p;
        p = nullptr;
        return r;
    }
    explicit operator bool() const { return p != nullptr; }
};

template <class F>
PyCFunction cfunction(F* f) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

}  // namespace jt
