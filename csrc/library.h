// BLAS and LAPACK by the pointers that SciPy exports (Fortran calling convention), and what the routines that call
// them share: how many threads work, transposes, working memory. library.cpp fills the tables.
#pragma once

#include <algorithm>
#include <complex>
#include <cstdint>
#include <cstring>

#include "jitney.h"

namespace jt {

using c64 = std::complex<float>;
using c128 = std::complex<double>;

template <class T>
struct RealOf {
    using type = T;
    static constexpr bool is_complex = false;
};
template <class R>
struct RealOf<std::complex<R>> {
    using type = R;
    static constexpr bool is_complex = true;
};
template <class T>
using Real = typename RealOf<T>::type;
template <class T>
constexpr bool is_complex = RealOf<T>::is_complex;

template <class T>
T conjugate(T x) {
    if constexpr (is_complex<T>)
        return std::conj(x);
    else
        return x;
}

// The pointers of one type; those whose arguments differ between real and complex types are cast where they are called.
template <class T>
struct Library {
    using I = const int*;
    using C = const char*;
    using In = const T*;
    void (*gemm)(C, C, I, I, I, In, In, I, In, I, In, T*, I);
    void (*gemv)(C, I, I, In, In, I, In, I, In, T*, I);
    void (*syrk)(C, C, I, I, In, In, I, In, T*, I);
    void (*trsm)(C, C, C, C, I, I, In, In, I, T*, I);
    void (*trsv)(C, C, C, I, In, I, T*, I);
    void (*potrf)(C, I, T*, I, int*);
    void (*getrf)(I, I, T*, I, int*, int*);
    void (*geqrf)(I, I, T*, I, T*, T*, I, int*);
    void (*gelqf)(I, I, T*, I, T*, T*, I, int*);
    void (*orgqr)(I, I, I, T*, I, In, T*, I, int*);  // ungqr of complex types
    void (*orglq)(I, I, I, T*, I, In, T*, I, int*);  // unglq
    void (*gehrd)(I, I, I, T*, I, T*, T*, I, int*);
    void (*sytrd)(C, I, T*, I, Real<T>*, Real<T>*, T*, T*, I, int*);  // hetrd of complex types
    void (*trsyl)(C, C, I, I, I, In, I, In, I, T*, I, Real<T>*, int*);
    void *syevd, *gesdd, *geev, *gees, *geqp3;  // heevd
};
template <class T>
inline Library<T> library{};

// While it lives, BLAS works with the calling thread alone (if `on`). Our threads share the work instead: those of
// OpenBLAS wait for each other at barriers, which costs dearly where other work uses the processors, or where several
// threads call it. Without a function for that in the library, it does nothing.
class OneThread {
    bool on_;

  public:
    explicit OneThread(bool on = true);
    ~OneThread();
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;
};

constexpr double kThreadedNs = 3e6;  // serial time from which the threads of BLAS pay in what we do not share ourselves
constexpr double kGeneralNs = 1e8;   // ... for eigenvalues of general matrices, which hardly use them
constexpr double kSharedNs = 60e3;   // ... and from which threads of ours pay for a batch

// Bytes of the pool that live as long as this.
class Workspace {
    char* data_;

  public:
    explicit Workspace(int64_t bytes) : data_(static_cast<char*>(jt_alloc(bytes > 64 ? bytes : 64))) {}
    ~Workspace() {
        if (data_) jt_free(data_);
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    char* get() const { return data_; }
};

// f(part) for each of a few parts that take about `ns_each`, on several threads if that pays.
template <class F>
void for_parts(int64_t parts, double ns_each, const F& f) {
    jt_parallel(
        [](void* f, int64_t begin, int64_t end) {
            for (; begin < end; ++begin) (*static_cast<const F*>(f))(begin);
        },
        const_cast<void*>(static_cast<const void*>(&f)), parts, 1, ns_each);
}

// f(i, work) for each i < batch; `work` are `bytes` of memory of the thread's own: `scratch`, where one thread works.
template <class F>
void for_batch(int64_t batch, double ns_each, int64_t bytes, char* scratch, const F& f) {
    const int threads = get_num_threads();
    const bool shared = threads > 1 && batch > 1 && double(batch) * ns_each > kSharedNs;
    const int64_t parts = shared ? std::min<int64_t>(batch, 4 * threads) : 1;
    bytes = (bytes + 63) / 64 * 64;
    if (parts > 1) {
        Workspace all(parts * bytes);
        if (all.get()) {
            for_parts(parts, double(batch) * ns_each / double(parts), [&](int64_t part) {
                for (int64_t i = batch * part / parts; i < batch * (part + 1) / parts; ++i)
                    f(i, all.get() + part * bytes);
            });
            return;
        }
    }
    for (int64_t i = 0; i < batch; ++i) f(i, scratch);
}

// out[j, i] = in[i, j], in tiles that stay in the cache.
template <class T, class F>
void transpose(const T* in, int64_t rows, int64_t cols, int64_t ld_in, T* out, int64_t ld_out, const F& of) {
    constexpr int64_t kTile = 16;
    for (int64_t i0 = 0; i0 < rows; i0 += kTile)
        for (int64_t j0 = 0; j0 < cols; j0 += kTile) {
            int64_t i1 = std::min(rows, i0 + kTile), j1 = std::min(cols, j0 + kTile);
            for (int64_t j = j0; j < j1; ++j)
                for (int64_t i = i0; i < i1; ++i) out[j * ld_out + i] = of(in[i * ld_in + j]);
        }
}
template <class T>
void transpose(const T* in, int64_t rows, int64_t cols, T* out) {
    transpose(in, rows, cols, cols, out, rows, [](T x) { return x; });
}

}  // namespace jt
