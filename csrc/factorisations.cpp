// Factorisations and triangular systems by LAPACK, many matrices at once. Begin with cholesky.
//
// Matrices lie row by row, LAPACK's column by column: it is given the transposes, for which another variant of the same
// computation exists (the other triangle, LQ for QR, left for right). What LAPACK gives up on becomes NaN.
#include "factorisations.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "library.h"

namespace jt {
namespace {

template <class T>
void fill_nan(T* x, int64_t n) {
    std::fill_n(x, n, T(std::numeric_limits<Real<T>>::quiet_NaN()));
}

template <class T>
bool all_finite(const T* x, int64_t n) {
    // 0 x is NaN where x is not finite, and sums of NaN are NaN.
    const Real<T>* r = reinterpret_cast<const Real<T>*>(x);
    Real<T> sum = 0;
    for (int64_t i = 0; i < n * (is_complex<T> ? 2 : 1); ++i) sum += r[i] * 0;
    return sum == 0;
}

// A multiplication and an addition takes about this long; what is done to a complex number counts four times.
template <class T>
constexpr double kMacNs = (is_complex<T> ? 4 : 1) * (sizeof(Real<T>) == 8 ? 0.12 : 0.08);

inline double cubed(int64_t n) { return double(n) * double(n) * double(n); }

// ---- one large matrix, shared among threads in blocks -----------------------------------------

constexpr double kSharedMacs = 4e5;     // from which right-hand sides are shared
constexpr int64_t kBlock = 96;          // columns that are factored at once
constexpr int64_t kSharedRows = 256;  // of a matrix that several threads factor

inline bool is_shared(int64_t batch, int64_t rows) {
    return batch < get_num_threads() && rows >= kSharedRows && get_num_threads() > 1;
}

// The lower triangle of A, row by row, in place; false if it is not positive definite.
template <class T>
bool cholesky_blocks(int64_t n, T* a) {
    const T one(1), minus(-1);
    const int ld = int(n);
    for (int64_t j0 = 0; j0 < n; j0 += kBlock) {
        const int64_t j1 = std::min(n, j0 + kBlock), parts = (n - j1 + kBlock - 1) / kBlock;
        const int width = int(j1 - j0);
        T* corner = a + j0 * n + j0;
        int info = 0;
        library<T>.potrf("U", &width, corner, &ld, &info);
        if (info != 0) return false;
        auto rows_of = [&](int64_t part) { return int(std::min(kBlock, n - j1 - part * kBlock)); };
        const double cube = kMacNs<T> * cubed(kBlock);
        for_parts(parts, cube / 2, [&](int64_t part) {  // A21 L11^-H, column by column U11^-H A12
            const int rows = rows_of(part);
            library<T>.trsm("L", "U", is_complex<T> ? "C" : "T", "N", &width, &rows, &one, corner, &ld,
                            a + (j1 + part * kBlock) * n + j0, &ld);
        });
        for_parts(parts * (parts + 1) / 2, cube, [&](int64_t tile) {  // A22 - A21 A21^H
            int64_t p = parts - 1;
            for (; tile > p; --p) tile -= p + 1;
            const int rows = rows_of(p), columns = rows_of(tile);
            const T *left = a + (j1 + p * kBlock) * n + j0, *right = a + (j1 + tile * kBlock) * n + j0;
            library<T>.gemm(is_complex<T> ? "C" : "T", "N", &columns, &rows, &width, &minus, right, &ld, left, &ld, &one,
                            a + (j1 + p * kBlock) * n + j1 + tile * kBlock, &ld);
        });
    }
    return true;
}

// PA = LU in place, column by column; swaps[i] is the row (from 0) that i changed places with.
template <class T>
void lu_blocks(int64_t m, int64_t n, T* a, int* swaps) {
    const T one(1), minus(-1);
    const int64_t least = std::min(m, n);
    const int ld = int(m);
    for (int64_t j0 = 0; j0 < least; j0 += kBlock) {
        const int64_t j1 = std::min(least, j0 + kBlock);
        const int height = int(m - j0), width = int(j1 - j0);
        T* corner = a + j0 * m + j0;
        int info = 0;
        library<T>.getrf(&height, &width, corner, &ld, swaps + j0, &info);
        for (int64_t i = j0; i < j1; ++i) swaps[i] += int(j0) - 1;
        auto swap_rows = [&](int64_t begin, int64_t end) {
            for (int64_t j = begin; j < end; ++j)
                for (int64_t i = j0; i < j1; ++i) std::swap(a[j * m + i], a[j * m + swaps[i]]);
        };
        const int64_t each = std::max<int64_t>(32, (n - j1) / (4 * get_num_threads())), parts = (n - j1 + each - 1) / each;
        const double ns = kMacNs<T> * double(width) * double(each) * double(height);
        for_parts(parts + (j0 > 0), ns, [&](int64_t part) {
            if (part == parts) return swap_rows(0, j0);
            const int64_t begin = j1 + part * each, end = std::min(n, begin + each);
            swap_rows(begin, end);
            const int columns = int(end - begin), below = int(m - j1);
            T* top = a + begin * m + j0;
            library<T>.trsm("L", "L", "N", "U", &width, &columns, &one, corner, &ld, top, &ld);
            if (below)
                library<T>.gemm("N", "N", &below, &columns, &width, &minus, corner + width, &ld, top, &ld, &one,
                                top + width, &ld);
        });
    }
}

// A[n, n] -> L; args: batch, n. The lower triangle row by row is the upper one column by column.
template <class T>
void cholesky(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const int n = int(n64);
    const T* a = static_cast<const T*>(ins[0]);
    T* out = static_cast<T*>(outs[0]);
    OneThread guard;
    auto one = [&](int64_t k, bool shared) {
        const T* x = a + k * size;
        T* l = out + k * size;
        if (l != x)
            for (int64_t i = 0; i < n64; ++i)
                memcpy(static_cast<void*>(l + i * n64), x + i * n64, size_t(i + 1) * sizeof(T));
        int info = 0;
        if (shared)
            info = cholesky_blocks(n64, l) ? 0 : 1;
        else
            library<T>.potrf("U", &n, l, &n, &info);
        if (info != 0) fill_nan(l, size);
        for (int64_t i = 0; i < n64; ++i)
            memset(static_cast<void*>(l + i * n64 + i + 1), 0, size_t(n64 - i - 1) * sizeof(T));
    };
    if (is_shared(batch, n64)) {
        for (int64_t k = 0; k < batch; ++k) one(k, true);
        return;
    }
    for_batch(batch, kMacNs<T> * cubed(n) / 6 + 200, 0, nullptr, [&](int64_t k, char*) { one(k, false); });
}

// ---- the derivative of Cholesky factors, backwards ---------------------------------------------
// I. Murray, "Differentiation of the Cholesky decomposition" (2016): the factorisation's blocks in reverse order.

// C += factor op(A) op(B) of matrices that lie row by row, shared by rows of C.
template <class T>
void add_product(char op_a, char op_b, int64_t m, int64_t n, int64_t k, T factor, const T* a, int64_t lda, const T* b,
                 int64_t ldb, T* c, int64_t ldc) {
    if (m == 0 || n == 0 || k == 0) return;
    const double macs = double(m) * double(n) * double(k);
    const int64_t parts = macs < kSharedMacs ? 1 : std::min<int64_t>((m + 7) / 8, 2 * get_num_threads());
    const int64_t each = (m + parts - 1) / parts;
    const T one(1);
    const int columns = int(n), depth = int(k), la = int(lda), lb = int(ldb), lc = int(ldc);
    for_parts((m + each - 1) / each, kMacNs<T> * macs / double(parts), [&](int64_t part) {
        const int64_t begin = part * each;
        const int rows = int(std::min(each, m - begin));
        library<T>.gemm(&op_b, &op_a, &columns, &rows, &depth, &factor, b, &lb, a + begin * (op_a == 'N' ? lda : 1), &la,
                        &one, c + begin * ldc, &lc);
    });
}

// One block on the diagonal, a row at a time: cotangents of L, in the lower triangle of g, to those of A.
template <class T>
void cholesky_back_rows(int64_t n, const T* l, T* g, int64_t ld) {
    for (int64_t k = n - 1; k >= 0; --k) {
        const T* row = l + k * ld;
        T *g_row = g + k * ld, &diagonal = g_row[k];
        for (int64_t i = k + 1; i < n; ++i) {
            diagonal -= l[i * ld + k] * g[i * ld + k] / row[k];
            g[i * ld + k] /= row[k];
        }
        diagonal /= row[k];
        for (int64_t j = 0; j < k; ++j) g_row[j] -= diagonal * row[j];
        for (int64_t i = k + 1; i < n; ++i) {
            const T c = g[i * ld + k];
            for (int64_t j = 0; j < k; ++j) {
                g_row[j] -= c * l[i * ld + j];
                g[i * ld + j] -= c * row[j];
            }
        }
        diagonal /= 2;
    }
}

// L, its cotangents (the lower triangle) -> symmetric cotangents of A; args: batch, n.
template <class T>
void cholesky_back(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n = args[1], size = n * n, step = n < 256 ? 32 : 64;
    const T *factors = static_cast<const T*>(ins[0]), *given = static_cast<const T*>(ins[1]);
    T *out = static_cast<T*>(outs[0]), *scratch = static_cast<T*>(outs[1]);
    const T one(1), minus(-1);
    const int ld = int(n);
    OneThread guard;
    auto one_matrix = [&](int64_t which, T* both) {
        const T* l = factors + which * size;
        T* g = out + which * size;
        for (int64_t i = 0; i < n; ++i)
            memcpy(static_cast<void*>(g + i * n), given + which * size + i * n, size_t(i + 1) * sizeof(T));
        for (int64_t end = n; end > 0;) {
            const int64_t begin = std::max<int64_t>(0, end - step), width = end - begin, below = n - end;
            const T *r = l + begin * n, *d = r + begin, *b = l + end * n, *c = b + begin;
            T *g_r = g + begin * n, *g_d = g_r + begin, *g_b = g + end * n, *g_c = g_b + begin;
            if (below) {
                const int w = int(width), rows = int(below);
                library<T>.trsm("L", "U", "N", "N", &w, &rows, &one, d, &ld, g_c, &ld);
                add_product<T>('N', 'N', below, begin, width, minus, g_c, n, r, n, g_b, n);
                add_product<T>('T', 'N', width, width, below, minus, g_c, n, c, n, g_d, n);
            }
            cholesky_back_rows(width, d, g_d, n);
            if (begin) {
                for (int64_t i = 0; i < width; ++i)
                    for (int64_t j = 0; j <= i; ++j)
                        both[i * width + j] = both[j * width + i] = i == j ? 2 * g_d[i * n + i] : g_d[i * n + j];
                add_product<T>('T', 'N', width, begin, below, minus, g_c, n, b, n, g_r, n);
                add_product<T>('N', 'N', width, begin, width, minus, both, width, r, n, g_r, n);
            }
            end = begin;
        }
        constexpr int64_t kTile = 32;
        for (int64_t i0 = 0; i0 < n; i0 += kTile)
            for (int64_t j0 = 0; j0 <= i0; j0 += kTile)
                for (int64_t i = i0; i < std::min(n, i0 + kTile); ++i)
                    for (int64_t j = j0; j < std::min(i, j0 + kTile); ++j)
                        g[j * n + i] = g[i * n + j] = g[i * n + j] / 2;
    };
    for_batch(batch, kMacNs<T> * cubed(n) / 2 + 500, step * step * int64_t(sizeof(T)),
              reinterpret_cast<char*>(scratch), [&](int64_t k, char* work) { one_matrix(k, reinterpret_cast<T*>(work)); });
}

// A[m, n] -> LU, pivots, permutation of rows; args: batch, m, n. Scratch: m n elements and min(m, n) ints.
template <class T>
void lu(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], rows = args[1], cols = args[2], least = std::min(rows, cols);
    const int m = int(rows), n = int(cols);
    const T* a = static_cast<const T*>(ins[0]);
    T* out = static_cast<T*>(outs[0]);
    int32_t *pivots = static_cast<int32_t*>(outs[1]), *permutation = static_cast<int32_t*>(outs[2]);
    const double macs = double(rows) * double(cols) * double(least) / 3 + 4 * double(rows) * double(cols);
    const int64_t bytes = rows * cols * int64_t(sizeof(T)) + least * 4;
    OneThread guard;
    auto one = [&](int64_t k, char* work, bool shared) {
        T* columns = reinterpret_cast<T*>(work);
        int* swaps = reinterpret_cast<int*>(columns + rows * cols);
        transpose(a + k * rows * cols, rows, cols, columns);
        if (shared) {
            lu_blocks(rows, cols, columns, swaps);
        } else {
            int info = 0;
            library<T>.getrf(&m, &n, columns, &m, swaps, &info);
            for (int64_t i = 0; i < least; ++i) --swaps[i];
        }
        transpose(columns, cols, rows, out + k * rows * cols);
        int32_t *p = pivots + k * least, *order = permutation + k * rows;
        for (int64_t i = 0; i < rows; ++i) order[i] = int32_t(i);
        for (int64_t i = 0; i < least; ++i) {
            p[i] = swaps[i];
            std::swap(order[i], order[p[i]]);
        }
    };
    if (is_shared(batch, least)) {
        for (int64_t k = 0; k < batch; ++k) one(k, static_cast<char*>(outs[3]), true);
        return;
    }
    for_batch(batch, kMacNs<T> * macs + 300, bytes, static_cast<char*>(outs[3]),
              [&](int64_t k, char* work) { one(k, work, false); });
}

// x[n] in place: op(M) x = x for the column by column triangle M; trsm gives what trsv cannot.
template <class T>
void solve_vector(char uplo, char op, char diag, int n, const T* m, T* x) {
    const int one = 1;
    library<T>.trsv(&uplo, &op, &diag, &n, m, &n, x, &one);
}

// Many right-hand sides, the rows (side R) or columns of x, are shared among threads if `shared`.
template <class T>
void solve_matrix(char side, char uplo, char op, char diag, int rows, int cols, const T* m, int n, T* x, bool shared) {
    const T one(1);
    const bool by_rows = side == 'R';
    const int64_t length = by_rows ? rows : cols;
    const double macs = double(n) * double(n) * double(length) / 2;
    const int64_t threads = shared && macs > kSharedMacs ? get_num_threads() : 1;
    const int64_t part = threads == 1 ? length : std::max<int64_t>(16, (length / (2 * threads) + 7) / 8 * 8);
    for_parts((length + part - 1) / part, kMacNs<T> * macs * double(part) / double(length), [&](int64_t i) {
        const int64_t begin = i * part;
        const int size = int(std::min(part, length - begin));
        library<T>.trsm(&side, &uplo, &op, &diag, by_rows ? &size : &rows, by_rows ? &cols : &size, &one, m, &n,
                        x + begin * (by_rows ? 1 : rows), &rows);
    });
}

inline char transposed(char op) { return op == 'N' ? 'T' : 'N'; }

// op(A)^-1 B (left) or B op(A)^-1; args: batch, n, other axis of B, left, lower, trans (0, 1: T, 2: H), unit, conjugate.
// A row by row is A^T column by column: from the left it becomes X^T op(A)^T = B^T, from the right op(A)^T X^T = B^T.
template <class T>
void triangular_solve(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], other64 = args[2];
    const bool left = args[3], lower = args[4], conjugated = args[7];
    const int n = int(n64), other = int(other64);
    const char op = args[5] == 0 ? 'N' : args[5] == 1 ? 'T' : 'C', uplo = lower ? 'U' : 'L', diag = args[6] ? 'U' : 'N';
    const T *a = static_cast<const T*>(ins[0]), *b = static_cast<const T*>(ins[1]);
    T* out = static_cast<T*>(outs[0]);
    const int64_t count = n64 * other64;
    const double ns = kMacNs<T> * double(n) * double(n) * double(other) / 2 + 200;
    OneThread guard;
    for_batch(batch, ns, 0, nullptr, [&](int64_t k, char*) {
        const T* m = a + k * n64 * n64;
        T* x = out + k * count;
        if (x != b + k * count) memcpy(static_cast<void*>(x), b + k * count, size_t(count) * sizeof(T));
        if (conjugated)  // conj(A)^-1 b = conj(A^-1 conj(b))
            std::transform(x, x + count, x, conjugate<T>);
        if (other == 1 && !(left && op == 'C'))
            solve_vector(uplo, left ? transposed(op) : op, diag, n, m, x);
        else
            solve_matrix(left ? 'R' : 'L', uplo, op, diag, left ? other : n, left ? n : other, m, n, x, batch == 1);
        if (conjugated) std::transform(x, x + count, x, conjugate<T>);
    });
}

// op(A)^-1 B with LU and the permutation of A; args: batch, n, columns of B, trans. Scratch: n columns elements.
template <class T>
void lu_solve(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], cols64 = args[2], count = n64 * cols64;
    const int n = int(n64), cols = int(cols64);
    const char op = args[3] == 0 ? 'N' : args[3] == 1 ? 'T' : 'C';
    const T *factors = static_cast<const T*>(ins[0]), *b = static_cast<const T*>(ins[2]);
    const int32_t* orders = static_cast<const int32_t*>(ins[1]);
    T* out = static_cast<T*>(outs[0]);
    const size_t row = size_t(cols64) * sizeof(T);
    const bool vector = cols == 1 && op != 'C';
    // M, the factors column by column, holds U^T below and L^T above.
    auto upper = [&](const T* m, T* x) {
        if (vector) return solve_vector('L', transposed(op), 'N', n, m, x);
        solve_matrix('R', 'L', op, 'N', cols, n, m, n, x, batch == 1);
    };
    auto lower = [&](const T* m, T* x) {
        if (vector) return solve_vector('U', transposed(op), 'U', n, m, x);
        solve_matrix('R', 'U', op, 'U', cols, n, m, n, x, batch == 1);
    };
    const double ns = kMacNs<T> * double(n) * double(n) * double(cols) + 300;
    const int64_t bytes = count * int64_t(sizeof(T));
    OneThread guard;
    for_batch(batch, ns, bytes, static_cast<char*>(outs[1]), [&](int64_t k, char* work) {
        const T *m = factors + k * n64 * n64, *given = b + k * count;
        const int32_t* order = orders + k * n64;
        T* x = out + k * count;
        if (op == 'N') {
            for (int64_t i = 0; i < n64; ++i)
                memcpy(static_cast<void*>(x + i * cols64), given + order[i] * cols64, row);
            lower(m, x);
            upper(m, x);
            return;
        }
        T* y = reinterpret_cast<T*>(work);
        memcpy(static_cast<void*>(y), given, size_t(bytes));
        upper(m, y);
        lower(m, y);
        for (int64_t i = 0; i < n64; ++i)
            memcpy(static_cast<void*>(x + order[i] * cols64), y + i * cols64, row);
    });
}

// A[m, n] -> Q[m, k], R[k, n]; args: batch, m, n, k (min(m, n) or m), elements of LAPACK's workspace.
// A^T = R^T Q^T: an LQ factorisation column by column.
template <class T>
void qr(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], m64 = args[1], n64 = args[2], k64 = args[3], least = std::min(m64, n64);
    const int m = int(m64), n = int(n64), kq = int(k64), reflectors = int(least), lwork = int(args[4]);
    const T* a = static_cast<const T*>(ins[0]);
    T *q_out = static_cast<T*>(outs[0]), *r_out = static_cast<T*>(outs[1]);
    const int64_t bytes = (m64 * n64 + least + lwork) * int64_t(sizeof(T));
    const double ns = kMacNs<T> * 2 * double(m) * double(kq) * double(reflectors) + 1000;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, bytes, static_cast<char*>(outs[2]), [&](int64_t which, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *tau = x + m64 * n64, *work = tau + least;
        T *q = q_out + which * m64 * k64, *r = r_out + which * k64 * n64;
        memcpy(static_cast<void*>(x), a + which * m64 * n64, size_t(m64 * n64) * sizeof(T));
        int info = 0;
        library<T>.gelqf(&n, &m, x, &n, tau, work, &lwork, &info);
        for (int64_t i = 0; i < k64; ++i) {
            const int64_t first = std::min(i, n64);
            std::fill_n(r + i * n64, first, T(0));
            if (first < n64) memcpy(static_cast<void*>(r + i * n64 + first), x + i * n64 + first, size_t(n64 - first) * sizeof(T));
        }
        for (int64_t j = 0; j < m64; ++j) memcpy(static_cast<void*>(q + j * k64), x + j * n64, size_t(std::min(least, j)) * sizeof(T));
        library<T>.orglq(&kq, &m, &reflectors, q, &kq, tau, work, &lwork, &info);
    });
}

// ---- eigenvalues and singular values ----------------------------------------------------------

// The workspaces that LAPACK documents as enough: elements of the type, real numbers, ints.
struct Work {
    int64_t own, real, ints;
    template <class T>
    int64_t bytes() const {
        return own * int64_t(sizeof(T)) + real * int64_t(sizeof(Real<T>)) + ints * 4;
    }
};

template <class T>
int syevd(char uplo, bool vectors, int n, T* a, Real<T>* w, const Work& size, char* memory) {
    T* work = reinterpret_cast<T*>(memory);
    Real<T>* rwork = reinterpret_cast<Real<T>*>(work + size.own);
    int* iwork = reinterpret_cast<int*>(rwork + size.real);
    const int lwork = int(size.own), lrwork = int(size.real), liwork = int(size.ints);
    const char job = vectors ? 'V' : 'N';
    int info = 0;
    if constexpr (is_complex<T>) {
        using F = void (*)(const char*, const char*, const int*, T*, const int*, Real<T>*, T*, const int*, Real<T>*,
                           const int*, int*, const int*, int*);
        reinterpret_cast<F>(library<T>.syevd)(&job, &uplo, &n, a, &n, w, work, &lwork, rwork, &lrwork, iwork, &liwork,
                                              &info);
    } else {
        using F = void (*)(const char*, const char*, const int*, T*, const int*, T*, T*, const int*, int*, const int*,
                           int*);
        reinterpret_cast<F>(library<T>.syevd)(&job, &uplo, &n, a, &n, w, work, &lwork, iwork, &liwork, &info);
    }
    return info;
}

// The transpose of a square matrix in place.
template <class T>
void transpose_square(T* x, int64_t n) {
    constexpr int64_t kTile = 16;
    for (int64_t i0 = 0; i0 < n; i0 += kTile)
        for (int64_t j0 = 0; j0 <= i0; j0 += kTile)
            for (int64_t i = i0; i < std::min(n, i0 + kTile); ++i)
                for (int64_t j = j0; j < std::min(i, j0 + kTile); ++j) std::swap(x[j * n + i], x[i * n + j]);
}

// A[n, n] -> vectors (unless args[3] is 0), values; args: batch, n, lower, vectors, sizes of Work.
template <class T>
void eigh(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const int n = int(n64);
    const bool vectors = args[3];
    const char uplo = args[2] ? 'L' : 'U';
    const Work work{args[4], args[5], args[6]};
    const T* a = static_cast<const T*>(ins[0]);
    T* v_out = vectors ? static_cast<T*>(outs[0]) : nullptr;
    Real<T>* w_out = static_cast<Real<T>*>(outs[vectors ? 1 : 0]);
    char* scratch = static_cast<char*>(outs[vectors ? 2 : 1]);
    const double ns = kMacNs<T> * (vectors ? 5 : 1) * cubed(n) + 1000;
    const int64_t copy = vectors ? 0 : (size * int64_t(sizeof(T)) + 63) / 64 * 64;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, work.bytes<T>() + copy, scratch, [&](int64_t k, char* memory) {
        T* v = vectors ? v_out + k * size : reinterpret_cast<T*>(memory);
        Real<T>* w = w_out + k * n64;
        transpose(a + k * size, n64, n64, v);
        if (!all_finite(v, size) || syevd(uplo, vectors, n, v, w, work, memory + copy) != 0) {
            if (vectors) fill_nan(v, size);
            return fill_nan(w, n64);
        }
        if (vectors) transpose_square(v, n64);
    });
}

template <class T>
int gesdd(char job, int m, int n, T* a, Real<T>* s, T* u, int ldu, T* vt, int ldvt, const Work& size, char* memory) {
    T* work = reinterpret_cast<T*>(memory);
    Real<T>* rwork = reinterpret_cast<Real<T>*>(work + size.own);
    int* iwork = reinterpret_cast<int*>(rwork + size.real);
    const int lwork = int(size.own);
    int info = 0;
    if constexpr (is_complex<T>) {
        using F = void (*)(const char*, const int*, const int*, T*, const int*, Real<T>*, T*, const int*, T*, const int*,
                           T*, const int*, Real<T>*, int*, int*);
        reinterpret_cast<F>(library<T>.gesdd)(&job, &m, &n, a, &m, s, u, &ldu, vt, &ldvt, work, &lwork, rwork, iwork,
                                              &info);
    } else {
        using F = void (*)(const char*, const int*, const int*, T*, const int*, T*, T*, const int*, T*, const int*, T*,
                           const int*, int*, int*);
        reinterpret_cast<F>(library<T>.gesdd)(&job, &m, &n, a, &m, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info);
    }
    return info;
}

// A[m, n] -> s, and U, V^H unless job is 0 (1: reduced, 2: full); args: batch, m, n, job, sizes of Work.
// Scratch: A and, with vectors, U and V^H column by column, then LAPACK's.
template <class T>
void svd(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], m64 = args[1], n64 = args[2], size = m64 * n64, least = std::min(m64, n64);
    const int m = int(m64), n = int(n64);
    const int64_t job = args[3];
    const int64_t left = job == 0 ? 0 : job == 1 ? least : m64, right = job == 0 ? 0 : job == 1 ? least : n64;
    const Work work{args[4], args[5], args[6]};
    const T* a = static_cast<const T*>(ins[0]);
    Real<T>* s_out = static_cast<Real<T>*>(outs[0]);
    T *u_out = job ? static_cast<T*>(outs[1]) : nullptr, *vh_out = job ? static_cast<T*>(outs[2]) : nullptr;
    char* scratch = static_cast<char*>(outs[job ? 3 : 1]);
    const double ns = kMacNs<T> * 8 * double(m) * double(n) * double(least) + 2000;
    const int64_t copies = ((size + m64 * left + right * n64) * int64_t(sizeof(T)) + 63) / 64 * 64;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, work.bytes<T>() + copies, scratch, [&](int64_t k, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *u = x + size, *vh = u + m64 * left;
        Real<T>* s = s_out + k * least;
        T *u_rows = u_out + k * m64 * left, *vh_rows = vh_out + k * right * n64;
        transpose(a + k * size, m64, n64, x);
        const char code = job == 0 ? 'N' : job == 1 ? 'S' : 'A';
        if (!all_finite(x, size) || gesdd(code, m, n, x, s, u, m, vh, std::max(1, int(right)), work, memory + copies) != 0) {
            fill_nan(s, least);
            fill_nan(u_rows, m64 * left);
            return fill_nan(vh_rows, right * n64);
        }
        transpose(u, left, m64, u_rows);
        transpose(vh, n64, right, vh_rows);
    });
}

// Real matrices: LAPACK gives the parts of w apart, and of conjugate pairs of vectors real and imaginary part as columns.
template <class R>
int geev(int n, R* a, std::complex<R>* w, std::complex<R>* v, const Work& size, char* memory) {
    using F = void (*)(const char*, const char*, const int*, R*, const int*, R*, R*, R*, const int*, R*, const int*, R*,
                       const int*, int*);
    R *vr = reinterpret_cast<R*>(memory), *re = vr + int64_t(n) * n, *im = re + n, *work = im + n;
    const int lwork = int(size.own), one = 1;
    int info = 0;
    reinterpret_cast<F>(library<R>.geev)("N", "V", &n, a, &n, re, im, nullptr, &one, vr, &n, work, &lwork, &info);
    for (int64_t j = 0; j < n; ++j) {
        w[j] = {re[j], im[j]};
        const bool first = im[j] > 0, second = im[j] < 0;
        const R *real = vr + (second ? j - 1 : j) * n, *imaginary = first ? vr + (j + 1) * n : vr + j * n;
        const R sign = first ? R(1) : second ? R(-1) : R(0);
        for (int64_t i = 0; i < n; ++i) v[i * n + j] = {real[i], sign == 0 ? R(0) : sign * imaginary[i]};
    }
    return info;
}

template <class R>
int geev(int n, std::complex<R>* a, std::complex<R>* w, std::complex<R>* v, const Work& size, char* memory) {
    using T = std::complex<R>;
    using F = void (*)(const char*, const char*, const int*, T*, const int*, T*, T*, const int*, T*, const int*, T*,
                       const int*, R*, int*);
    T *vr = reinterpret_cast<T*>(memory), *work = vr + int64_t(n) * n + 2 * n;
    const int lwork = int(size.own), one = 1;
    int info = 0;
    reinterpret_cast<F>(library<T>.geev)("N", "V", &n, a, &n, w, nullptr, &one, vr, &n, work, &lwork,
                                         reinterpret_cast<R*>(work + lwork), &info);
    transpose(vr, n, n, v);
    return info;
}

// A[n, n] -> values, vectors, both complex; args: batch, n, sizes of Work.
template <class T>
void eig(void** ins, void** outs, const int64_t* args) {
    using Z = std::complex<Real<T>>;
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const int n = int(n64);
    const Work work{args[2], args[3], args[4]};
    const T* a = static_cast<const T*>(ins[0]);
    Z *w_out = static_cast<Z*>(outs[0]), *v_out = static_cast<Z*>(outs[1]);
    const int64_t own = (2 * size + 2 * n64) * int64_t(sizeof(T));
    const double ns = kMacNs<T> * 25 * cubed(n) + 3000;
    OneThread guard(batch > 1 || ns < kGeneralNs);
    for_batch(batch, ns, work.bytes<T>() + own, static_cast<char*>(outs[2]), [&](int64_t k, char* memory) {
        T* x = reinterpret_cast<T*>(memory);
        transpose(a + k * size, n64, n64, x);
        if (!all_finite(x, size) ||
            geev(n, x, w_out + k * n64, v_out + k * size, work, memory + size * int64_t(sizeof(T))) != 0) {
            fill_nan(w_out + k * n64, n64);
            fill_nan(v_out + k * size, size);
        }
    });
}

#define JT_ALL(name)                                                                                           \
    {"jt_" #name "_float32", &name<float>}, {"jt_" #name "_float64", &name<double>},                           \
        {"jt_" #name "_complex64", &name<c64>}, {"jt_" #name "_complex128", &name<c128>}

const RoutineEntry kTable[] = {JT_ALL(cholesky), JT_ALL(lu),   JT_ALL(triangular_solve), JT_ALL(lu_solve),
                               JT_ALL(qr),       JT_ALL(eigh), JT_ALL(svd),              JT_ALL(eig),
                               {"jt_cholesky_back_float32", &cholesky_back<float>},
                               {"jt_cholesky_back_float64", &cholesky_back<double>},
                               {nullptr, nullptr}};
#undef JT_ALL

}  // namespace

const RoutineEntry* factorisations() { return kTable; }

}  // namespace jt
