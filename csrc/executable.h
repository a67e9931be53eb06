// A compiled program as the dispatcher sees it, and the calling convention of native code.
#pragma once

#include <vector>

#include "jitney.h"

namespace jt {

struct Program;

// The third argument of native code. Compiled programs know the first three fields only.
struct Ctx {
    char* scratch;
    PyObject** callables;
    int64_t status;
    Program* program;
    PyObject *exc_type, *exc_value, *exc_tb;  // the first exception of a host call
};
static_assert(offsetof(Ctx, scratch) == 0 && offsetof(Ctx, callables) == 8 && offsetof(Ctx, status) == 16,
              "compiled programs address these fields by offset");

using NativeFn = int32_t (*)(void** args, void** outs, Ctx* ctx);

struct OutSpec {
    PyArray_Descr* descr;
    std::vector<npy_intp> shape;
    PyObject* shape_tuple;
    PyObject* aval;  // shared by all results; null until the hook has been called
    bool weak;
    int forward;  // index of the input that is this output, or -1
};

struct Program {
    NativeFn fn = nullptr;
    std::vector<OutSpec> outs;
    std::vector<int> in_types;
    std::vector<PyObject*> consts;  // Array
    std::vector<void*> const_data;
    std::vector<PyObject*> callables;
    std::vector<int> host_in, host_out;  // pointer counts per callable; -1: null-terminated
    int64_t scratch_bytes = 0;
    bool release_gil = true;
    PyObject* keepalive = nullptr;
};

struct Executable {
    PyObject_HEAD
    Program* program;
    PyObject* weakrefs;
};

extern PyTypeObject* ExecutableType;

// Runs the program on `n` leaves and stores new references in `results` (one per output). 0 or -1 with an error.
// The caller keeps the Executable and the leaves' objects alive.
int run_program(Program* program, Leaf* leaves, size_t n, PyObject** results);

// A buffer on the stack that moves to the heap when it must.
template <class T, size_t N>
class Small {
    T local_[N];
    T* data_ = local_;
    size_t size_ = 0, capacity_ = N;

  public:
    Small() = default;
    Small(const Small&) = delete;
    Small& operator=(const Small&) = delete;
    ~Small() {
        if (data_ != local_) PyMem_RawFree(data_);
    }
    T* data() { return data_; }
    size_t size() const { return size_; }
    T& operator[](size_t i) { return data_[i]; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    bool reserve(size_t n) {
        if (JT_LIKELY(n <= capacity_)) return true;
        size_t capacity = n > 2 * capacity_ ? n : 2 * capacity_;
        T* grown = static_cast<T*>(PyMem_RawMalloc(capacity * sizeof(T)));
        if (!grown) {
            PyErr_NoMemory();
            return false;
        }
        memcpy(static_cast<void*>(grown), data_, size_ * sizeof(T));
        if (data_ != local_) PyMem_RawFree(data_);
        data_ = grown;
        capacity_ = capacity;
        return true;
    }
    bool push(const T& v) {
        if (JT_UNLIKELY(!reserve(size_ + 1))) return false;
        data_[size_++] = v;
        return true;
    }
    bool resize(size_t n) {
        if (!reserve(n)) return false;
        size_ = n;
        return true;
    }
};

}  // namespace jt
