// Fast Fourier transforms: what the plans (fft.cpp) and the engines (fft_engine.h, one for each width of vectors) share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace jt {
namespace fft {

constexpr int kMaxLanes = 16;      // of any engine
constexpr int kLargestRadix = 64;  // prime factors up to this are transformed directly

// One pass of Stockham's algorithm: n = radix * m points that are s apart.
struct Pass {
    int radix;
    int64_t m, s, twiddles, roots;  // where its factors begin
};

// Transforms of length n, as many at once as a vector has lanes.
template <class T>
struct Lanes {
    int64_t n = 1;
    std::vector<Pass> passes;
    std::vector<T> twiddles;  // cos, -sin
    std::vector<T> roots;     // cos, sin of 2 pi j k / radix, for radices without code of their own
    std::vector<T> halves;    // cos, -sin of pi k / n: joins the halves of real transforms of length 2n
};

// One transform of length n = n1 * n2: columns, factors, rows (Bailey, 1990); or by a convolution (Bluestein, 1970).
template <class T>
struct Row {
    int64_t n = 1, n1 = 1, n2 = 1;
    Lanes<T> columns, rows;
    int64_t low = 1;               // factors w^(k1 j2) are products: k1 = a * low + b
    std::vector<T> fine, coarse;   // [b][2][n2 padded], [a][2][n2 padded]
    std::shared_ptr<const Row> inner;
    std::vector<T> chirp, kernel;  // exp(-i pi k^2 / n), and the transform of its conjugate
    int64_t padded() const { return (n2 + kMaxLanes - 1) / kMaxLanes * kMaxLanes; }
};

enum Real { kNone = 0, kToComplex = 1, kFromComplex = 2 };

// Complex numbers lie as pairs; distances count numbers of type T.
template <class T>
struct Engine {
    int lanes;
    // Columns [begin, end) of a [n, columns] matrix, in place if in == out.
    void (*columns)(const Lanes<T>&, const T* in, T* out, int64_t columns, int64_t begin, int64_t end, bool inverse,
                    T scale, T* work);
    // Up to `lanes` rows; with `real` of 2n real numbers each, to or from n + 1 complex ones.
    void (*rows)(const Lanes<T>&, const T* in, int64_t in_step, T* out, int64_t out_step, int64_t count, bool inverse,
                 Real real, T scale, T* work);
    // The two halves of a single transform: blocks [begin, end) of lanes.
    void (*first)(const Row<T>&, const T* in, T* middle, int64_t begin, int64_t end, bool inverse, T* work);
    void (*second)(const Row<T>&, const T* middle, T* out, int64_t begin, int64_t end, bool inverse, T scale, T* work);
    // n points of a complex transform -> n + 1 of the real one of length 2n, in place; and back.
    void (*split)(int64_t n, const T* halves, T* x);
    void (*join)(int64_t n, const T* halves, const T* x, T* out);
};

// Numbers of working memory for transforms of length n in all lanes.
inline int64_t work_size(int64_t n, int lanes) { return 4 * (n + kMaxLanes) * lanes; }

template <class T>
Engine<T> engine_plain();
template <class T>
Engine<T> engine_avx2();
template <class T>
Engine<T> engine_avx512();

}  // namespace fft
}  // namespace jt
