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

constexpr double kSharedMacs = 4e5;         // from which a product is shared among threads
constexpr int64_t kSharedBytes = 1 << 18;  // ... and a product of a matrix and a vector, which reads memory

constexpr double kByteNs = 0.06;           // of reading a byte of memory
template <class T>
constexpr double kNs = 0.05 * sizeof(T) / 8;  // of a multiplication and an addition

// y = A x with A row by row (`by_rows`: y[i] is a product of row i and x), or x A.
template <class T>
void vector_product(const T* a, int64_t rows, int64_t cols, int64_t ld, bool by_rows, const T* x, int64_t step_x, T* y,
                    int64_t step_y, bool shared) {
    const T one(1), zero(0);
    const int inc_x = int(step_x), inc_y = int(step_y), lda = int(ld);
    auto part = [&](int64_t begin, int64_t end) {
        const int m = int(by_rows ? cols : end - begin), n = int(by_rows ? end - begin : rows);
        const T* start = a + begin * (by_rows ? ld : 1);
        library<T>.gemv(by_rows ? "T" : "N", &m, &n, &one, start, &lda, x, &inc_x, &zero, y + begin * step_y, &inc_y);
    };
    const int64_t length = by_rows ? rows : cols, bytes = rows * cols * int64_t(sizeof(T));
    if (!shared || bytes < kSharedBytes) return part(0, length);
    const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(2 * get_num_threads(), length / (by_rows ? 4 : 32)));
    const int64_t even = by_rows ? 4 : 16, grain = ((length + parts - 1) / parts + even - 1) / even * even;
    for_parts((length + grain - 1) / grain, kByteNs * double(bytes) * double(grain) / double(length),
              [&](int64_t p) { part(p * grain, std::min(length, (p + 1) * grain)); });
}

// C' = B' A' column by column is C = A B row by row; here of rows [row, row + m) and columns [column, column + n).
template <class T>
void block(const Plan& p, int64_t row, int64_t rows, int64_t column, int64_t columns, const T* a, const T* b, T* c) {
    const int m = int(rows), n = int(columns), k = int(p.k), lda = int(p.lda), ldb = int(p.ldb), ldc = int(p.ldc);
    const T one(1), zero(0);
    library<T>.gemm(p.b_transposed ? "T" : "N", p.a_transposed ? "T" : "N", &n, &m, &k, &one,
                    b + column * (p.b_transposed ? p.ldb : 1), &ldb, a + row * (p.a_transposed ? 1 : p.lda), &lda, &zero,
                    c + row * p.ldc + column, &ldc);
}

// Rows [row, row + rows) of the symmetric A A^T up to the diagonal, and what they mirror above it.
template <class T>
void gram_rows(const Plan& p, int64_t row, int64_t rows, const T* a, T* c) {
    const int n = int(rows), k = int(p.k), lda = int(p.lda), ldc = int(p.ldc);
    const T one(1), zero(0);
    T* diagonal = c + row * p.ldc + row;
    library<T>.syrk("U", p.a_transposed ? "N" : "T", &n, &k, &one, a + row * (p.a_transposed ? 1 : p.lda), &lda, &zero,
                    diagonal, &ldc);
    if (row) block(p, row, rows, 0, row, a, a, c);
    constexpr int64_t kTile = 32;
    for (int64_t i0 = row; i0 < row + rows; i0 += kTile)
        for (int64_t j0 = 0; j0 < row + rows; j0 += kTile)
            for (int64_t i = i0; i < std::min(row + rows, i0 + kTile); ++i)
                for (int64_t j = j0; j < std::min(i, j0 + kTile); ++j) c[j * p.ldc + i] = c[i * p.ldc + j];
}

// `shared`: by several threads, in blocks of rows or columns.
template <class T>
void one_product(const Plan& p, const T* a, const T* b, T* c, bool shared) {
    if (p.n == 1)  // the steps of a vector are the leading dimension of what is a column of it
        return vector_product(a, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k, p.lda, !p.a_transposed, b,
                              p.b_transposed ? int64_t(1) : p.ldb, c, p.ldc, shared);
    if (p.m == 1)
        return vector_product(b, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n, p.ldb, p.b_transposed, a,
                              p.a_transposed ? p.lda : int64_t(1), c, int64_t(1), shared);
    const double macs = double(p.m) * double(p.n) * double(p.k);
    const int64_t threads = shared && macs >= kSharedMacs ? get_num_threads() : 1;
    if (p.gram) {
        const int64_t most = threads == 1 ? p.m : std::max<int64_t>(64, p.m / (4 * threads));
        const int64_t parts = (p.m + most - 1) / most;  // the longest rows first
        return for_parts(parts, kNs<T> * macs / double(parts), [&](int64_t i) {
            const int64_t row = (parts - 1 - i) * most;
            gram_rows(p, row, std::min(most, p.m - row), a, c);
        });
    }
    if (threads == 1) return block(p, 0, p.m, 0, p.n, a, b, c);
    const bool by_rows = p.m >= p.n;
    const int64_t length = by_rows ? p.m : p.n;
    // One part each: every part packs the whole of the other operand.
    const int64_t wanted = (length + threads - 1) / threads, part = std::max<int64_t>(24, (wanted + 7) / 8 * 8);
    for_parts((length + part - 1) / part, kNs<T> * macs * double(part) / double(length), [&](int64_t i) {
        const int64_t begin = i * part, size = std::min(part, length - begin);
        if (by_rows)
            block(p, begin, size, 0, p.n, a, b, c);
        else
            block(p, 0, p.m, begin, size, a, b, c);
    });
}

template <class T>
void product(void** ins, void** outs, const int64_t* args) {
    const Plan& p = *reinterpret_cast<const Plan*>(args);
    const T *a = static_cast<const T*>(ins[0]), *b = static_cast<const T*>(ins[1]);
    T* c = static_cast<T*>(outs[0]);
    OneThread guard;
    if (p.loops == 0) return one_product(p, a, b, c, true);
    int64_t batch = 1;
    for (int64_t d = 0; d < p.loops; ++d) batch *= p.loop()[d].size;
    const double ns = double(p.m) * double(p.n) * double(p.k) * kNs<T> + 100;
    auto one = [&](int64_t i, bool shared) {
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
        one_product(p, x, y, z, shared);
    };
    if (batch < 2 * get_num_threads()) {  // too few to be shared evenly
        for (int64_t i = 0; i < batch; ++i) one(i, true);
        return;
    }
    for_batch(batch, ns, 0, nullptr, [&](int64_t i, char*) { one(i, false); });
}

const RoutineEntry kTable[] = {
    {"jt_product_float32", &product<float>}, {"jt_product_float64", &product<double>}, {nullptr, nullptr}};

}  // namespace

const RoutineEntry* products() { return kTable; }

}  // namespace jt
