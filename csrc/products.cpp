// Products of matrices by BLAS: strided operands, any number of loops around, symmetric products, matrix times vector.
// Begin with product.
#include <algorithm>

#include "factorisations.h"
#include "library.h"

namespace jt {
namespace {

// What `args` say: C[m, n] (rows ldc apart) = A[m, k] B[k, n], with the elements of row i of A `lda` apart from those of
// row i + 1 (transposed: of column); then for each loop around the size and the steps of A, B and C.
struct Plan {
    int64_t m, n, k, a_transposed, lda, b_transposed, ldb, ldc, gram, loops;
    struct Loop {
        int64_t size, a, b, c;
    };
    const Loop* loop() const { return reinterpret_cast<const Loop*>(this + 1); }
};

constexpr double kThreadedMacs = 1e6;     // from which the threads of BLAS pay
constexpr int64_t kSharedBytes = 1 << 19;  // of a matrix that several threads read, each its part

template <class T>
constexpr double kNs = 0.05 * sizeof(T) / 8;  // of a multiplication and an addition

// y = A x with A row by row (`by_rows`: y[i] is a product of row i and x), or x A.
template <class T>
void vector_product(const T* a, int64_t rows, int64_t cols, int64_t ld, bool by_rows, const T* x, int64_t step_x, T* y,
                    int64_t step_y) {
    const T one(1), zero(0);
    const int inc_x = int(step_x), inc_y = int(step_y), lda = int(ld);
    auto part = [&](int64_t begin, int64_t end) {
        const int m = int(by_rows ? cols : end - begin), n = int(by_rows ? end - begin : rows);
        const T* start = a + begin * (by_rows ? ld : 1);
        library<T>.gemv(by_rows ? "T" : "N", &m, &n, &one, start, &lda, x, &inc_x, &zero, y + begin * step_y, &inc_y);
    };
    const int64_t length = by_rows ? rows : cols, bytes = rows * cols * int64_t(sizeof(T));
    if (bytes < kSharedBytes) return part(0, length);
    const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(get_num_threads(), length / 64));
    const int64_t grain = ((length + parts - 1) / parts + 15) / 16 * 16;
    for_parts((length + grain - 1) / grain,
              [&](int64_t p) { part(p * grain, std::min(length, (p + 1) * grain)); });
}

// C' = B' A' column by column is C = A B row by row.
template <class T>
void one_product(const Plan& p, const T* a, const T* b, T* c) {
    if (p.n == 1)  // the steps of a vector are the leading dimension of what is a column of it
        return vector_product(a, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k, p.lda, !p.a_transposed, b,
                              p.b_transposed ? int64_t(1) : p.ldb, c, p.ldc);
    if (p.m == 1)
        return vector_product(b, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n, p.ldb, p.b_transposed, a,
                              p.a_transposed ? p.lda : int64_t(1), c, int64_t(1));
    const int m = int(p.m), n = int(p.n), k = int(p.k), lda = int(p.lda), ldb = int(p.ldb), ldc = int(p.ldc);
    const T one(1), zero(0);
    if (!p.gram) {
        library<T>.gemm(p.b_transposed ? "T" : "N", p.a_transposed ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda,
                        &zero, c, &ldc);
        return;
    }
    library<T>.syrk("L", p.a_transposed ? "N" : "T", &m, &k, &one, a, &lda, &zero, c, &ldc);
    constexpr int64_t kTile = 32;  // the other triangle
    for (int64_t i0 = 0; i0 < p.m; i0 += kTile)
        for (int64_t j0 = 0; j0 <= i0; j0 += kTile)
            for (int64_t i = i0; i < std::min(p.m, i0 + kTile); ++i)
                for (int64_t j = j0; j < std::min(i, j0 + kTile); ++j) c[i * p.ldc + j] = c[j * p.ldc + i];
}

template <class T>
void product(void** ins, void** outs, const int64_t* args) {
    const Plan& p = *reinterpret_cast<const Plan*>(args);
    const T *a = static_cast<const T*>(ins[0]), *b = static_cast<const T*>(ins[1]);
    T* c = static_cast<T*>(outs[0]);
    const double macs = double(p.m) * double(p.n) * double(p.k);
    if (p.loops == 0) {
        OneThread guard(macs < kThreadedMacs || p.m == 1 || p.n == 1);
        return one_product(p, a, b, c);
    }
    int64_t batch = 1;
    for (int64_t d = 0; d < p.loops; ++d) batch *= p.loop()[d].size;
    for_batch(batch, macs * kNs<T> + 100, 0, nullptr, macs * kNs<T> >= kThreadedNs, [&](int64_t i, char*) {
        const T *x = a, *y = b;
        T* z = c;
        for (int64_t d = p.loops - 1; d >= 0; --d) {
            const Plan::Loop& loop = p.loop()[d];
            const int64_t at = i % loop.size;
            i /= loop.size;
            x += at * loop.a;
            y += at * loop.b;
            z += at * loop.c;
        }
        one_product(p, x, y, z);
    });
}

const RoutineEntry kTable[] = {
    {"jt_product_float32", &product<float>}, {"jt_product_float64", &product<double>}, {nullptr, nullptr}};

}  // namespace

const RoutineEntry* products() { return kTable; }

}  // namespace jt
