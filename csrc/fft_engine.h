// The arithmetic of fast Fourier transforms on vectors. Included by one file for each kind of machine, which sets
// JT_VECTOR_BYTES (of a vector) and JT_VECTOR_KIND (the last part of the names that it defines).
//
// Every lane of a vector belongs to another transform, so that one code serves all lengths. A pass is Stockham's
// (self-sorting; Cochran et al., "What is the fast Fourier transform?", 1967), small transforms are written out
// with the symmetries of the roots. Inverse transforms exchange real and imaginary parts on the way in and out.
#include <type_traits>
#include <utility>

#include "fft.h"
#include "vectors.h"

namespace jt {
namespace fft {
namespace {

template <class T>
struct Kit {
    static constexpr int W = int(JT_VECTOR_BYTES / sizeof(T));
    typedef T V __attribute__((vector_size(JT_VECTOR_BYTES)));
    typedef T Loose __attribute__((vector_size(JT_VECTOR_BYTES), aligned(sizeof(T)), may_alias));

    static V load(const T* p) { return *reinterpret_cast<const Loose*>(p); }
    static void store(T* p, V v) { *reinterpret_cast<Loose*>(p) = v; }
    static V splat(T x) { return V{} + x; }

    // ---- moving lanes

    template <class I, class F, size_t... k>
    static V pick(V a, V b, const F& f, std::index_sequence<k...>) {
        (void)f;
#if defined(__clang__)
        return __builtin_shufflevector(a, b, F::at(int(k))...);
#else
        typedef I M __attribute__((vector_size(JT_VECTOR_BYTES)));
        return __builtin_shuffle(a, b, M{I(F::at(int(k)))...});
#endif
    }
    template <class F>
    static V shuffle(V a, V b, F f) {
        using I = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
        return pick<I>(a, b, f, std::make_index_sequence<size_t(W)>());
    }

    struct Even { static constexpr int at(int k) { return 2 * k; } };
    struct Odd { static constexpr int at(int k) { return 2 * k + 1; } };
    struct Lower { static constexpr int at(int k) { return k / 2 + (k % 2) * W; } };
    struct Upper { static constexpr int at(int k) { return W / 2 + k / 2 + (k % 2) * W; } };
    struct Back { static constexpr int at(int k) { return W - 1 - k; } };
    template <int h>
    struct First { static constexpr int at(int k) { return k & h ? (k ^ h) + W : k; } };
    template <int h>
    struct Second { static constexpr int at(int k) { return k & h ? k + W : k ^ h; } };

    static void apart(V a, V b, V& re, V& im) {
        re = shuffle(a, b, Even{});
        im = shuffle(a, b, Odd{});
    }
    static void together(V re, V im, V& a, V& b) {
        a = shuffle(re, im, Lower{});
        b = shuffle(re, im, Upper{});
    }
    static V reversed(V a) { return shuffle(a, a, Back{}); }

    template <int h>
    static void exchange(V* x) {
        if constexpr (h < W) {
            for (int i = 0; i < W; ++i)
                if (!(i & h)) {
                    V a = x[i], b = x[i | h];
                    x[i] = shuffle(a, b, First<h>{});
                    x[i | h] = shuffle(a, b, Second<h>{});
                }
            exchange<2 * h>(x);
        }
    }
    // Rows and columns of W vectors change places.
    static void turn(V* x) { exchange<1>(x); }

    // ---- complex numbers in memory; `count` of W are there

    static void load_pairs(const T* p, int count, V& re, V& im) {
        if (count >= W) {
            apart(load(p), load(p + W), re, im);
            return;
        }
        alignas(64) T some[2 * W] = {};
        for (int k = 0; k < 2 * count; ++k) some[k] = p[k];
        apart(load(some), load(some + W), re, im);
    }
    static void store_pairs(T* p, int count, V re, V im) {
        V a, b;
        together(re, im, a, b);
        if (count >= W) {
            store(p, a);
            store(p + W, b);
            return;
        }
        alignas(64) T some[2 * W];
        store(some, a);
        store(some + W, b);
        for (int k = 0; k < 2 * count; ++k) p[k] = some[k];
    }
};

template <class T>
struct Algorithm : Kit<T> {
    using K = Kit<T>;
    using V = typename K::V;
    static constexpr int W = K::W;

    struct C {
        V re, im;
        C operator+(C o) const { return {re + o.re, im + o.im}; }
        C operator-(C o) const { return {re - o.re, im - o.im}; }
        C turned() const { return {im, -re}; }  // times -i
        C by(T c, T s) const { return {re * c - im * s, re * s + im * c}; }
        C by(V c, V s) const { return {re * c - im * s, re * s + im * c}; }
        C scaled(T c) const { return {re * c, im * c}; }
    };

    // ---- small transforms

    static void dft2(C* x) {
        C a = x[0], b = x[1];
        x[0] = a + b;
        x[1] = a - b;
    }
    static void dft4(C& x0, C& x1, C& x2, C& x3) {
        C a = x0 + x2, b = x0 - x2, c = x1 + x3, d = (x1 - x3).turned();
        x0 = a + c;
        x1 = b + d;
        x2 = a - c;
        x3 = b - d;
    }
    static void dft8(C* x) {
        dft4(x[0], x[2], x[4], x[6]);
        dft4(x[1], x[3], x[5], x[7]);
        const T h = T(0.70710678118654752440);
        C a = x[3], b = x[5], c = x[7];
        C w1{(a.re + a.im) * h, (a.im - a.re) * h};
        C w2 = b.turned();
        C w3{(c.im - c.re) * h, (c.re + c.im) * -h};
        C e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6], o0 = x[1];
        x[0] = e0 + o0;
        x[4] = e0 - o0;
        x[1] = e1 + w1;
        x[5] = e1 - w1;
        x[2] = e2 + w2;
        x[6] = e2 - w2;
        x[3] = e3 + w3;
        x[7] = e3 - w3;
    }
    static void dft3(C* x) {
        const T s = T(0.86602540378443864676);
        C sum = x[1] + x[2], d = (x[1] - x[2]).turned().scaled(s);
        C mid = x[0] - sum.scaled(T(0.5));
        x[0] = x[0] + sum;
        x[1] = mid + d;
        x[2] = mid - d;
    }
    static void dft5(C* x) {
        const T c1 = T(0.30901699437494742410), c2 = T(-0.80901699437494742410);
        const T s1 = T(0.95105651629515357212), s2 = T(0.58778525229247312917);
        C a = x[1] + x[4], b = x[2] + x[3], d = (x[1] - x[4]).turned(), e = (x[2] - x[3]).turned();
        C p = x[0] + a.scaled(c1) + b.scaled(c2), q = x[0] + a.scaled(c2) + b.scaled(c1);
        C u = d.scaled(s1) + e.scaled(s2), v = d.scaled(s2) - e.scaled(s1);
        x[0] = x[0] + a + b;
        x[1] = p + u;
        x[4] = p - u;
        x[2] = q + v;
        x[3] = q - v;
    }
    // Any odd length; roots[(j * k) % r] = cos, sin.
    static void dft_odd(C* x, int r, const T* roots) {
        const int h = (r - 1) / 2;
        C sums[kLargestRadix / 2], gaps[kLargestRadix / 2];
        C total = x[0];
        for (int j = 1; j <= h; ++j) {
            sums[j - 1] = x[j] + x[r - j];
            gaps[j - 1] = x[j] - x[r - j];
            total = total + sums[j - 1];
        }
        const C first = x[0];
        x[0] = total;
        for (int k = 1; k <= h; ++k) {
            C even = first, odd{V{}, V{}};
            for (int j = 1, at = k; j <= h; ++j, at = at + k >= r ? at + k - r : at + k) {
                even = even + sums[j - 1].scaled(roots[2 * at]);
                odd = odd + gaps[j - 1].scaled(roots[2 * at + 1]);
            }
            odd = odd.turned();
            x[k] = even + odd;
            x[r - k] = even - odd;
        }
    }

    // ---- passes

    template <int R>
    static inline __attribute__((always_inline)) void small(C* x) {
        if constexpr (R == 2) dft2(x);
        if constexpr (R == 3) dft3(x);
        if constexpr (R == 4) dft4(x[0], x[1], x[2], x[3]);
        if constexpr (R == 5) dft5(x);
        if constexpr (R == 8) dft8(x);
    }

    template <int R>
    static void pass(const Pass& p, const T* twiddles, const V* x, V* y) {
        const int64_t m = p.m, s = p.s;
        const T* w = twiddles + p.twiddles;
        for (int64_t i = 0; i < m; ++i, w += 2 * (R - 1)) {
            for (int64_t q = 0; q < s; ++q) {
                C z[R];
                for (int k = 0; k < R; ++k) {
                    const V* at = x + 2 * (q + s * (i + m * k));
                    z[k] = {at[0], at[1]};
                }
                small<R>(z);
                V* to = y + 2 * (q + s * R * i);
                to[0] = z[0].re;
                to[1] = z[0].im;
                for (int k = 1; k < R; ++k) {
                    C v = m == 1 ? z[k] : z[k].by(w[2 * k - 2], w[2 * k - 1]);
                    to[2 * s * k] = v.re;
                    to[2 * s * k + 1] = v.im;
                }
            }
        }
    }
    static void pass_odd(const Pass& p, const T* twiddles, const T* roots, const V* x, V* y) {
        const int64_t m = p.m, s = p.s;
        const int r = p.radix;
        const T* w = twiddles + p.twiddles;
        for (int64_t i = 0; i < m; ++i, w += 2 * (r - 1)) {
            for (int64_t q = 0; q < s; ++q) {
                C z[kLargestRadix];
                for (int k = 0; k < r; ++k) {
                    const V* at = x + 2 * (q + s * (i + m * k));
                    z[k] = {at[0], at[1]};
                }
                dft_odd(z, r, roots + p.roots);
                V* to = y + 2 * (q + s * r * i);
                to[0] = z[0].re;
                to[1] = z[0].im;
                for (int k = 1; k < r; ++k) {
                    C v = z[k].by(w[2 * k - 2], w[2 * k - 1]);
                    to[2 * s * k] = v.re;
                    to[2 * s * k + 1] = v.im;
                }
            }
        }
    }

    // Transforms the lanes of x; the result is in the array that is returned, x or y.
    static V* lanes(const Lanes<T>& plan, V* x, V* y) {
        for (const Pass& p : plan.passes) {
            const T* w = plan.twiddles.data();
            switch (p.radix) {
                case 2: pass<2>(p, w, x, y); break;
                case 3: pass<3>(p, w, x, y); break;
                case 4: pass<4>(p, w, x, y); break;
                case 5: pass<5>(p, w, x, y); break;
                case 8: pass<8>(p, w, x, y); break;
                default: pass_odd(p, w, plan.roots.data(), x, y);
            }
            V* other = x;
            x = y;
            y = other;
        }
        return x;
    }

    // ---- whole transforms

    static void columns(const Lanes<T>& plan, const T* in, T* out, int64_t columns, int64_t begin, int64_t end,
                        bool inverse, T scale, T* work) {
        const int64_t n = plan.n;
        V *x = reinterpret_cast<V*>(work), *y = x + 2 * (n + kMaxLanes);
        const int flip = inverse;
        for (int64_t c = begin; c < end; c += W) {
            const int count = int(end - c < W ? end - c : W);
            for (int64_t j = 0; j < n; ++j)
                K::load_pairs(in + 2 * (j * columns + c), count, x[2 * j + flip], x[2 * j + 1 - flip]);
            const V* z = lanes(plan, x, y);
            for (int64_t j = 0; j < n; ++j)
                K::store_pairs(out + 2 * (j * columns + c), count, z[2 * j + flip] * scale, z[2 * j + 1 - flip] * scale);
        }
    }

    // W points of each of W rows -> W points of all lanes.
    static void load_rows(const T* const* row, int64_t n, int flip, V* x) {
        int64_t j = 0;
        for (; j + W <= n; j += W) {
            V re[W], im[W];
            for (int l = 0; l < W; ++l) K::apart(K::load(row[l] + 2 * j), K::load(row[l] + 2 * j + W), re[l], im[l]);
            K::turn(re);
            K::turn(im);
            for (int k = 0; k < W; ++k) {
                x[2 * (j + k) + flip] = re[k];
                x[2 * (j + k) + 1 - flip] = im[k];
            }
        }
        for (; j < n; ++j)
            for (int l = 0; l < W; ++l) {
                x[2 * j + flip][l] = row[l][2 * j];
                x[2 * j + 1 - flip][l] = row[l][2 * j + 1];
            }
    }
    static void store_rows(const V* x, int64_t n, int flip, T scale, T* const* row) {
        int64_t j = 0;
        for (; j + W <= n; j += W) {
            V re[W], im[W];
            for (int k = 0; k < W; ++k) {
                re[k] = x[2 * (j + k) + flip] * scale;
                im[k] = x[2 * (j + k) + 1 - flip] * scale;
            }
            K::turn(re);
            K::turn(im);
            for (int l = 0; l < W; ++l) {
                V a, b;
                K::together(re[l], im[l], a, b);
                K::store(row[l] + 2 * j, a);
                K::store(row[l] + 2 * j + W, b);
            }
        }
        for (; j < n; ++j)
            for (int l = 0; l < W; ++l) {
                row[l][2 * j] = x[2 * j + flip][l] * scale;
                row[l][2 * j + 1] = x[2 * j + 1 - flip][l] * scale;
            }
    }

    static void rows(const Lanes<T>& plan, const T* in, int64_t in_step, T* out, int64_t out_step, int64_t count,
                     bool inverse, Real real, T scale, T* work) {
        const int64_t n = plan.n;
        V *x = reinterpret_cast<V*>(work), *y = x + 2 * (n + kMaxLanes);
        const T* from[W];
        T* to[W];
        for (int l = 0; l < W; ++l) {
            int64_t k = l < count ? l : count - 1;  // lanes without a row repeat the last one
            from[l] = in + k * in_step;
            to[l] = out + k * out_step;
        }
        const int flip = inverse;
        if (real == kFromComplex) {
            load_rows(from, n + 1, 0, x);
            join_lanes(plan, x);
            store_rows(lanes(plan, x, y), n, 1, scale, to);
            return;
        }
        load_rows(from, n, flip, x);
        V* z = lanes(plan, x, y);
        if (real == kToComplex) split_lanes(plan, z);
        store_rows(z, real == kToComplex ? n + 1 : n, flip, scale, to);
    }

    // Z of the complex sequence x[2j] + i x[2j+1] -> the transform of x (Brigham, "The fast Fourier transform", 1974).
    static void split_lanes(const Lanes<T>& plan, V* z) {
        const int64_t n = plan.n;
        const T* w = plan.halves.data();
        V re = z[0], im = z[1];
        z[0] = re + im;
        z[1] = V{};
        z[2 * n] = re - im;
        z[2 * n + 1] = V{};
        for (int64_t k = 1; 2 * k <= n; ++k) {
            C a{z[2 * k], z[2 * k + 1]}, b{z[2 * (n - k)], z[2 * (n - k) + 1]};
            split_pair(a, b, K::splat(w[2 * k]), K::splat(w[2 * k + 1]));
            z[2 * (n - k)] = b.re;
            z[2 * (n - k) + 1] = b.im;
            z[2 * k] = a.re;
            z[2 * k + 1] = a.im;
        }
    }
    // Points k and n - k; w = exp(-i pi k / n).
    static void split_pair(C& a, C& b, V c, V s) {
        const T half = T(0.5);
        C sum{(a.re + b.re) * half, (a.im - b.im) * half}, gap{(a.re - b.re) * half, (a.im + b.im) * half};
        C turned = gap.turned().by(c, s);
        a = sum + turned;
        b = {sum.re - turned.re, turned.im - sum.im};
    }
    // The opposite, without the factor 1/2; real and imaginary parts exchanged for the inverse transform.
    static void join_lanes(const Lanes<T>& plan, V* z) {
        const int64_t n = plan.n;
        const T* w = plan.halves.data();
        V first = z[0], last = z[2 * n];
        z[1] = first + last;
        z[0] = first - last;
        for (int64_t k = 1; 2 * k <= n; ++k) {
            C a{z[2 * k], z[2 * k + 1]}, b{z[2 * (n - k)], z[2 * (n - k) + 1]};
            join_pair(a, b, K::splat(w[2 * k]), K::splat(w[2 * k + 1]));
            z[2 * (n - k) + 1] = b.re;
            z[2 * (n - k)] = b.im;
            z[2 * k + 1] = a.re;
            z[2 * k] = a.im;
        }
    }
    static void join_pair(C& a, C& b, V c, V s) {
        C sum{a.re + b.re, a.im - b.im}, gap{a.re - b.re, a.im + b.im};
        C t = gap.by(c, -s);
        C turned{-t.im, t.re};
        a = sum + turned;
        b = {sum.re - turned.re, turned.im - sum.im};
    }

    // The same on points in memory, in vectors from both ends.
    static void split(int64_t n, const T* w, T* x) {
        T re = x[0], im = x[1];
        x[0] = re + im;
        x[1] = 0;
        x[2 * n] = re - im;
        x[2 * n + 1] = 0;
        both_ends(n, w, x, x, [](C& a, C& b, V c, V s) { split_pair(a, b, c, s); });
    }
    static void join(int64_t n, const T* w, const T* x, T* out) {
        T first = x[0], last = x[2 * n];
        both_ends(n, w, x, out, [](C& a, C& b, V c, V s) { join_pair(a, b, c, s); });
        out[0] = first + last;
        out[1] = first - last;
    }
    template <class F>
    static void both_ends(int64_t n, const T* w, const T* x, T* out, const F& f) {
        for (int64_t k = 1; 2 * k <= n;) {
            int64_t most = n / 2 - k + 1;  // points k .. n/2
            // all lanes lie below those of the other end, or are the middle one alone
            int count = int(most > W ? W : most);
            int64_t low = n - k - count + 1;
            C a, b;
            V c, s;
            K::load_pairs(x + 2 * k, count, a.re, a.im);
            K::load_pairs(w + 2 * k, count, c, s);
            load_back(x + 2 * low, count, b);
            f(a, b, c, s);
            store_back(out + 2 * low, count, b);
            K::store_pairs(out + 2 * k, count, a.re, a.im);
            k += count;
        }
    }
    static void load_back(const T* p, int count, C& b) {
        if (count == W) {
            K::load_pairs(p, W, b.re, b.im);
            b = {K::reversed(b.re), K::reversed(b.im)};
            return;
        }
        b = {V{}, V{}};
        for (int l = 0; l < count; ++l) {
            b.re[l] = p[2 * (count - 1 - l)];
            b.im[l] = p[2 * (count - 1 - l) + 1];
        }
    }
    static void store_back(T* p, int count, C b) {
        if (count == W) {
            K::store_pairs(p, W, K::reversed(b.re), K::reversed(b.im));
            return;
        }
        for (int l = 0; l < count; ++l) {
            p[2 * (count - 1 - l)] = b.re[l];
            p[2 * (count - 1 - l) + 1] = b.im[l];
        }
    }

    // ---- one transform: [n1, n2] columns, then rows

    static void first(const Row<T>& plan, const T* in, T* middle, int64_t begin, int64_t end, bool inverse, T* work) {
        const int64_t n1 = plan.n1, n2 = plan.n2, wide = plan.padded();
        V *x = reinterpret_cast<V*>(work), *y = x + 2 * (n1 + kMaxLanes);
        const int flip = inverse;
        for (int64_t block = begin; block < end; ++block) {
            const int64_t c = block * W;
            const int count = int(n2 - c < W ? n2 - c : W);
            for (int64_t j = 0; j < n1; ++j)
                K::load_pairs(in + 2 * (j * n2 + c), count, x[2 * j + flip], x[2 * j + 1 - flip]);
            const V* z = lanes(plan.columns, x, y);
            for (int64_t a = 0, k = 0; k < n1; ++a) {
                const T* coarse = plan.coarse.data() + 2 * wide * a + c;
                const V cr = K::load(coarse), ci = K::load(coarse + wide);
                for (int64_t b = 0; b < plan.low && k < n1; ++b, ++k) {
                    const T* fine = plan.fine.data() + 2 * wide * b + c;
                    C v{z[2 * k], z[2 * k + 1]};
                    if (b) v = v.by(K::load(fine), K::load(fine + wide));
                    if (a) v = v.by(cr, ci);
                    T* to = middle + 2 * (k * wide + c);
                    K::store(to, v.re);
                    K::store(to + W, v.im);
                }
            }
        }
    }
    static void second(const Row<T>& plan, const T* middle, T* out, int64_t begin, int64_t end, bool inverse, T scale,
                       T* work) {
        const int64_t n1 = plan.n1, n2 = plan.n2, wide = plan.padded();
        V *x = reinterpret_cast<V*>(work), *y = x + 2 * (n2 + kMaxLanes);
        const int flip = inverse;
        for (int64_t block = begin; block < end; ++block) {
            const int64_t r = block * W;
            const int count = int(n1 - r < W ? n1 - r : W);
            for (int64_t c = 0; c < n2; c += W) {
                V re[W], im[W];
                for (int l = 0; l < W; ++l) {
                    const T* from = middle + 2 * ((l < count ? r + l : r) * wide + c);
                    re[l] = K::load(from);
                    im[l] = K::load(from + W);
                }
                K::turn(re);
                K::turn(im);
                for (int k = 0; k < W; ++k) {
                    x[2 * (c + k)] = re[k];
                    x[2 * (c + k) + 1] = im[k];
                }
            }
            const V* z = lanes(plan.rows, x, y);
            for (int64_t k = 0; k < n2; ++k)
                K::store_pairs(out + 2 * (k * n1 + r), count, z[2 * k + flip] * scale, z[2 * k + 1 - flip] * scale);
        }
    }
};

template <class T>
Engine<T> make_engine() {
    using A = Algorithm<T>;
    return {A::W, &A::columns, &A::rows, &A::first, &A::second, &A::split, &A::join};
}

}  // namespace

template <>
Engine<float> JT_VECTOR_NAME(engine)<float>() { return make_engine<float>(); }
template <>
Engine<double> JT_VECTOR_NAME(engine)<double>() { return make_engine<double>(); }

}  // namespace fft
}  // namespace jt
