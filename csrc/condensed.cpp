// Condensed forms by LAPACK, many matrices at once: Hessenberg, tridiagonal and Schur form, reflectors of QR; and
// what is computed with them: Sylvester's equation, functions of triangular matrices, tridiagonal systems.
//
// Matrices lie row by row and are transposed for LAPACK. What it gives up on becomes NaN.
#include <algorithm>
#include <cmath>
#include <limits>

#include "factorisations.h"
#include "library.h"

namespace jt {
namespace {

template <class T>
void fill_nan(T* x, int64_t n) {
    std::fill_n(x, n, T(std::numeric_limits<Real<T>>::quiet_NaN()));
}

template <class T>
bool all_finite(const T* x, int64_t n) {
    const Real<T>* r = reinterpret_cast<const Real<T>*>(x);
    for (int64_t i = 0; i < n * (is_complex<T> ? 2 : 1); ++i)
        if (!std::isfinite(r[i])) return false;
    return true;
}

template <class T>
constexpr double kMacNs = (is_complex<T> ? 4 : 1) * (sizeof(Real<T>) == 8 ? 0.2 : 0.12);

inline double cubed(int64_t n) { return double(n) * double(n) * double(n); }

// A[n, n] -> H and the vectors of its reflectors, their factors [n - 1]; args: batch, n, elements of Work.
template <class T>
void hessenberg(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const int n = int(n64), lwork = int(args[2]), first = 1;
    const T* a = static_cast<const T*>(ins[0]);
    T *out = static_cast<T*>(outs[0]), *taus = static_cast<T*>(outs[1]);
    const double ns = kMacNs<T> * 5 * cubed(n) / 3 + 1000;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, (size + lwork) * int64_t(sizeof(T)), static_cast<char*>(outs[2]), [&](int64_t k, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *tau = taus + k * (n64 - 1);
        transpose(a + k * size, n64, n64, x);
        int info = 0;
        if (!all_finite(x, size)) {
            fill_nan(tau, n64 - 1);
            return fill_nan(out + k * size, size);
        }
        library<T>.gehrd(&n, &first, &n, x, &n, tau, x + size, &lwork, &info);
        transpose(x, n64, n64, out + k * size);
    });
}

// Hermitian A[n, n] -> reflectors, diagonal, the one beside it, factors [n - 1]; args: batch, n, lower, elements of Work.
template <class T>
void tridiagonal(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const int n = int(n64), lwork = int(args[3]);
    const char uplo = args[2] ? 'L' : 'U';
    const T* a = static_cast<const T*>(ins[0]);
    T *out = static_cast<T*>(outs[0]), *taus = static_cast<T*>(outs[3]);
    Real<T> *diagonal = static_cast<Real<T>*>(outs[1]), *beside = static_cast<Real<T>*>(outs[2]);
    const double ns = kMacNs<T> * 2 * cubed(n) / 3 + 1000;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, (size + lwork) * int64_t(sizeof(T)), static_cast<char*>(outs[4]), [&](int64_t k, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *tau = taus + k * (n64 - 1);
        Real<T> *d = diagonal + k * n64, *e = beside + k * (n64 - 1);
        transpose(a + k * size, n64, n64, x);
        int info = 0;
        if (!all_finite(x, size)) {
            fill_nan(d, n64);
            fill_nan(e, n64 - 1);
            fill_nan(tau, n64 - 1);
            return fill_nan(out + k * size, size);
        }
        library<T>.sytrd(&uplo, &n, x, &n, d, e, tau, x + size, &lwork, &info);
        transpose(x, n64, n64, out + k * size);
    });
}

template <class T>
int gees(bool vectors, int n, T* a, T* z, T* memory, int lwork) {
    const char job = vectors ? 'V' : 'N', sort = 'N';
    int info = 0, sdim = 0;
    T* work = memory + 2 * int64_t(n);
    if constexpr (is_complex<T>) {
        using F = void (*)(const char*, const char*, void*, const int*, T*, const int*, int*, T*, T*, const int*, T*,
                           const int*, Real<T>*, int*, int*);
        reinterpret_cast<F>(library<T>.gees)(&job, &sort, nullptr, &n, a, &n, &sdim, memory, z, &n, work, &lwork,
                                             reinterpret_cast<Real<T>*>(memory + n), nullptr, &info);
    } else {
        using F = void (*)(const char*, const char*, void*, const int*, T*, const int*, int*, T*, T*, T*, const int*, T*,
                           const int*, int*, int*);
        reinterpret_cast<F>(library<T>.gees)(&job, &sort, nullptr, &n, a, &n, &sdim, memory, memory + n, z, &n, work,
                                             &lwork, nullptr, &info);
    }
    return info;
}

// A[n, n] -> T and, with vectors, Z with A = Z T Z^H; args: batch, n, vectors, elements of Work.
template <class T>
void schur(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n64 = args[1], size = n64 * n64;
    const bool vectors = args[2];
    const int n = int(n64), lwork = int(args[3]);
    const T* a = static_cast<const T*>(ins[0]);
    T *t_out = static_cast<T*>(outs[0]), *z_out = vectors ? static_cast<T*>(outs[1]) : nullptr;
    const double ns = kMacNs<T> * 25 * cubed(n) + 3000;
    const int64_t bytes = (2 * size + 2 * n64 + lwork) * int64_t(sizeof(T));
    OneThread guard(batch > 1 || ns < kGeneralNs);
    for_batch(batch, ns, bytes, static_cast<char*>(outs[vectors ? 2 : 1]), [&](int64_t k, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *z = x + size, *t = t_out + k * size;
        transpose(a + k * size, n64, n64, x);
        if (!all_finite(x, size) || gees(vectors, n, x, z, z + size, lwork) != 0) {
            for (int64_t i = 0; i < n64; ++i) {
                std::fill_n(t + i * n64, i, T(0));
                fill_nan(t + i * n64 + i, n64 - i);
            }
            if (vectors) fill_nan(z_out + k * size, size);
            return;
        }
        transpose(x, n64, n64, t);
        if (vectors) transpose(z, n64, n64, z_out + k * size);
    });
}

// A[m, n] -> R and the vectors of the reflectors, their factors [min(m, n)]; args: batch, m, n, elements of Work.
template <class T>
void geqrf(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], m64 = args[1], n64 = args[2], size = m64 * n64, least = std::min(m64, n64);
    const int m = int(m64), n = int(n64), lwork = int(args[3]);
    const T* a = static_cast<const T*>(ins[0]);
    T *out = static_cast<T*>(outs[0]), *taus = static_cast<T*>(outs[1]);
    const double ns = kMacNs<T> * double(m) * double(n) * double(least) + 1000;
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, (size + lwork) * int64_t(sizeof(T)), static_cast<char*>(outs[2]), [&](int64_t k, char* memory) {
        T* x = reinterpret_cast<T*>(memory);
        transpose(a + k * size, m64, n64, x);
        int info = 0;
        library<T>.geqrf(&m, &n, x, &m, taus + k * least, x + size, &lwork, &info);
        transpose(x, n64, m64, out + k * size);
    });
}

// The same with columns in the order (from 0) of falling norms of what is left of them, the second result.
template <class T>
void geqp3(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], m64 = args[1], n64 = args[2], size = m64 * n64, least = std::min(m64, n64);
    const int m = int(m64), n = int(n64), lwork = int(args[3]);
    const T* a = static_cast<const T*>(ins[0]);
    T *out = static_cast<T*>(outs[0]), *taus = static_cast<T*>(outs[2]);
    int32_t* orders = static_cast<int32_t*>(outs[1]);
    const double ns = kMacNs<T> * 2 * double(m) * double(n) * double(least) + 1000;
    const int64_t bytes = (size + lwork + 2 * n64) * int64_t(sizeof(T));
    OneThread guard(batch > 1 || ns < kThreadedNs);
    for_batch(batch, ns, bytes, static_cast<char*>(outs[3]), [&](int64_t k, char* memory) {
        T *x = reinterpret_cast<T*>(memory), *work = x + size, *tau = taus + k * least;
        int32_t* order = orders + k * n64;
        transpose(a + k * size, m64, n64, x);
        std::fill_n(order, n64, 0);
        int info = 0;
        if (!all_finite(x, size)) {  // norms that are no numbers give LAPACK no order
            for (int64_t j = 0; j < n64; ++j) order[j] = int32_t(j);
            fill_nan(tau, least);
            return fill_nan(out + k * size, size);
        }
        if constexpr (is_complex<T>) {
            using F = void (*)(const int*, const int*, T*, const int*, int*, T*, T*, const int*, Real<T>*, int*);
            reinterpret_cast<F>(library<T>.geqp3)(&m, &n, x, &m, order, tau, work, &lwork,
                                                  reinterpret_cast<Real<T>*>(work + lwork), &info);
        } else {
            using F = void (*)(const int*, const int*, T*, const int*, int*, T*, T*, const int*, int*);
            reinterpret_cast<F>(library<T>.geqp3)(&m, &n, x, &m, order, tau, work, &lwork, &info);
        }
        for (int64_t j = 0; j < n64; ++j) --order[j];
        transpose(x, n64, m64, out + k * size);
    });
}

// A X + X B = C of A[m, m] and B[n, n] in Schur form; args: batch, m, n.
template <class T>
void sylvester(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], m64 = args[1], n64 = args[2], size = m64 * n64;
    const int m = int(m64), n = int(n64), sign = 1;
    const T *a = static_cast<const T*>(ins[0]), *b = static_cast<const T*>(ins[1]), *c = static_cast<const T*>(ins[2]);
    T* out = static_cast<T*>(outs[0]);
    const double ns = kMacNs<T> * double(size) * double(m + n) + 1000;
    const int64_t bytes = (m64 * m64 + n64 * n64 + size) * int64_t(sizeof(T));
    OneThread guard;
    for_batch(batch, ns, bytes, static_cast<char*>(outs[1]), [&](int64_t k, char* memory) {
        T *left = reinterpret_cast<T*>(memory), *right = left + m64 * m64, *x = right + n64 * n64;
        transpose(a + k * m64 * m64, m64, m64, left);
        transpose(b + k * n64 * n64, n64, n64, right);
        transpose(c + k * size, m64, n64, x);
        if (!all_finite(left, m64 * m64) || !all_finite(right, n64 * n64)) return fill_nan(out + k * size, size);
        Real<T> scale = 1;
        int info = 0;
        library<T>.trsyl("N", "N", &sign, &m, &n, left, &m, right, &n, x, &m, &scale, &info);
        if (scale != 1)
            for (int64_t i = 0; i < size; ++i) x[i] /= scale;
        transpose(x, n64, m64, out + k * size);
    });
}

// sum x[i] y[i step]
template <class T>
T dot(const T* x, const T* y, int64_t step, int64_t n) {
    T sum(0);
    for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i * step];
    return sum;
}

// The upper triangular root of an upper triangular matrix; args: batch, n.
// A. Bjorck and S. Hammarling, "A Schur method for the square root of a matrix" (1983).
template <class T>
void triangular_sqrt(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n = args[1], size = n * n;
    const T* a = static_cast<const T*>(ins[0]);
    T* out = static_cast<T*>(outs[0]);
    for_batch(batch, kMacNs<T> * cubed(n) / 3 + 100, 0, nullptr, [&](int64_t k, char*) {
        const T* t = a + k * size;
        T* r = out + k * size;
        std::fill_n(r, size, T(0));
        for (int64_t i = 0; i < n; ++i) r[i * n + i] = std::sqrt(t[i * n + i]);
        for (int64_t j = 1; j < n; ++j)
            for (int64_t i = j - 1; i >= 0; --i) {
                const T rest = t[i * n + j] - dot(r + i * n + i + 1, r + (i + 1) * n + j, n, j - i - 1);
                // A double eigenvalue 0: any number does if the rest is 0, none does otherwise.
                r[i * n + j] = rest == T(0) ? T(0) : rest / (r[i * n + i] + r[j * n + j]);
            }
    });
}

// A function of an upper triangular matrix from its values at the diagonal; args: batch, n.
// B. Parlett, "A recurrence among the elements of functions of triangular matrices" (1976). Between equal
// numbers of the diagonal nothing is divided, so that diagonal matrices are right.
template <class T>
void parlett(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n = args[1], size = n * n;
    const T *a = static_cast<const T*>(ins[0]), *values = static_cast<const T*>(ins[1]);
    T* out = static_cast<T*>(outs[0]);
    for_batch(batch, 2 * kMacNs<T> * cubed(n) / 3 + 100, 0, nullptr, [&](int64_t k, char*) {
        const T* t = a + k * size;
        T* f = out + k * size;
        std::fill_n(f, size, T(0));
        for (int64_t i = 0; i < n; ++i) f[i * n + i] = values[k * n + i];
        for (int64_t away = 1; away < n; ++away)
            for (int64_t i = 0; i + away < n; ++i) {
                const int64_t j = i + away, inner = away - 1;
                const T gap = t[j * n + j] - t[i * n + i];
                T sum = t[i * n + j] * (f[j * n + j] - f[i * n + i]);
                if (inner)
                    sum += dot(t + i * n + i + 1, f + (i + 1) * n + j, n, inner) -
                           dot(f + i * n + i + 1, t + (i + 1) * n + j, n, inner);
                f[i * n + j] = gap == T(0) ? sum : sum / gap;
            }
    });
}

// Three diagonals [n] and B[n, columns] -> X; args: batch, n, columns, perturb. Elimination with exchange of neighbours.
template <class T>
void tridiagonal_solve(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n = args[1], columns = args[2], size = n * columns;
    const T *lows = static_cast<const T*>(ins[0]), *mids = static_cast<const T*>(ins[1]);
    const T *highs = static_cast<const T*>(ins[2]), *given = static_cast<const T*>(ins[3]);
    T* out = static_cast<T*>(outs[0]);
    const T tiny(args[3] ? std::numeric_limits<Real<T>>::min() * 2 : 0);
    const double ns = kMacNs<T> * double(n) * (20 + 4 * double(columns)) + 50;
    for_batch(batch, ns, 3 * n * int64_t(sizeof(T)), static_cast<char*>(outs[1]), [&](int64_t k, char* memory) {
        T *d = reinterpret_cast<T*>(memory), *u = d + n, *v = u + n, *x = out + k * size;  // the factor's diagonals
        const T* low = lows + k * n;
        std::copy_n(mids + k * n, n, d);
        std::copy_n(highs + k * n, n, u);
        std::fill_n(v, n, T(0));
        if (x != given + k * size) std::copy_n(given + k * size, size, x);
        u[n - 1] = T(0);
        bool regular = true;
        auto check = [&](T& pivot) {
            if (pivot != T(0)) return;
            if (args[3])
                pivot = tiny;
            else
                regular = false;
        };
        for (int64_t i = 0; i + 1 < n; ++i) {
            T below = low[i + 1], *row = x + i * columns, *next = row + columns;
            if (std::abs(d[i]) < std::abs(below)) {
                std::swap(d[i], below);
                std::swap(u[i], d[i + 1]);
                if (i + 2 < n) std::swap(v[i], u[i + 1]);
                std::swap_ranges(row, next, next);
            }
            check(d[i]);
            const T factor = below / d[i];
            d[i + 1] -= factor * u[i];
            if (i + 2 < n) u[i + 1] -= factor * v[i];
            for (int64_t j = 0; j < columns; ++j) next[j] -= factor * row[j];
        }
        check(d[n - 1]);
        if (!regular) return fill_nan(x, size);
        for (int64_t i = n - 1; i >= 0; --i) {
            T* row = x + i * columns;
            const T *one = row + (i + 1 < n ? columns : 0), *two = row + (i + 2 < n ? 2 * columns : 0);
            const T f = i + 1 < n ? u[i] : T(0), g = i + 2 < n ? v[i] : T(0);
            for (int64_t j = 0; j < columns; ++j) row[j] = (row[j] - f * one[j] - g * two[j]) / d[i];
        }
    });
}

// Upper R[n, n], w[n] -> upper S with S^T S = R^T R + w w^T; args: batch, n. Scratch: n elements. By Givens's rotations.
template <class T>
void cholesky_update(void** ins, void** outs, const int64_t* args) {
    const int64_t batch = args[0], n = args[1], size = n * n;
    const T *factors = static_cast<const T*>(ins[0]), *vectors = static_cast<const T*>(ins[1]);
    T* out = static_cast<T*>(outs[0]);
    const double ns = kMacNs<T> * 2 * double(size) + 100;
    for_batch(batch, ns, n * int64_t(sizeof(T)), static_cast<char*>(outs[1]), [&](int64_t k, char* memory) {
        T *w = reinterpret_cast<T*>(memory), *r = out + k * size;
        std::copy_n(vectors + k * n, n, w);
        for (int64_t i = 0; i < n; ++i) {
            std::fill_n(r + i * n, i, T(0));
            std::copy_n(factors + k * size + i * n + i, n - i, r + i * n + i);
            T* row = r + i * n;
            const T length = std::hypot(row[i], w[i]);
            if (length == T(0)) continue;
            const T c = row[i] / length, s = w[i] / length;
            for (int64_t j = i; j < n; ++j) {
                const T above = row[j], below = w[j];
                row[j] = c * above + s * below;
                w[j] = c * below - s * above;
            }
        }
    });
}

#define JT_REAL(name) \
    {"jt_" #name "_float32", &name<float>}, { "jt_" #name "_float64", &name<double> }
#define JT_ALL(name) \
    JT_REAL(name), {"jt_" #name "_complex64", &name<c64>}, { "jt_" #name "_complex128", &name<c128> }

const RoutineEntry kTable[] = {JT_ALL(hessenberg), JT_ALL(tridiagonal),       JT_ALL(schur),
                               JT_ALL(geqrf),      JT_ALL(geqp3),             JT_ALL(sylvester),
                               JT_ALL(parlett),    JT_ALL(tridiagonal_solve), JT_REAL(cholesky_update),
                               {"jt_triangular_sqrt_complex64", &triangular_sqrt<c64>},
                               {"jt_triangular_sqrt_complex128", &triangular_sqrt<c128>},
                               {nullptr, nullptr}};
#undef JT_ALL
#undef JT_REAL

}  // namespace

const RoutineEntry* condensed_forms() { return kTable; }

}  // namespace jt
