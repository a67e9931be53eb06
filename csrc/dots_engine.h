// Sums of products of long rows on vectors. Included by one file for each kind of machine; see vectors.h.
#include "dots.h"

namespace jt {
namespace {

template <class T>
struct LongDots {
    static constexpr int W = int(JT_VECTOR_BYTES / sizeof(T));
    typedef T V __attribute__((vector_size(JT_VECTOR_BYTES)));
    typedef T Loose __attribute__((vector_size(JT_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
    static_assert(kDotsStep % W == 0, "rows end with whole vectors");

    // As many sums as registers hold: O outputs of C columns.
    static constexpr int kOutputs = JT_VECTOR_BYTES == 64 ? 4 : 3, kColumns = JT_VECTOR_BYTES == 64 ? 6 : 4;

    template <int O, int C>
    static void block(const T* w, int64_t pitch, const T* x, const int64_t* offsets, int64_t columns, int64_t length,
                      T* sums) {
        V acc[O][C] = {};
        const T* at[C];
        for (int c = 0; c < C; ++c) at[c] = x + offsets[c];
        for (int64_t t = 0; t < length; t += W) {
            V row[O];
            for (int o = 0; o < O; ++o) row[o] = *reinterpret_cast<const Loose*>(w + o * pitch + t);
            for (int c = 0; c < C; ++c) {
                const V v = *reinterpret_cast<const Loose*>(at[c] + t);
                for (int o = 0; o < O; ++o) acc[o][c] += row[o] * v;
            }
        }
        for (int o = 0; o < O; ++o)
            for (int c = 0; c < C; ++c) {
                T sum = 0;
                for (int i = 0; i < W; ++i) sum += acc[o][c][i];
                sums[o * columns + c] += sum;
            }
    }

    template <int O>
    static void outputs_of(const T* w, int64_t pitch, const T* x, const int64_t* offsets, int64_t columns, int64_t length,
                           T* sums) {
        int64_t c = 0;
        for (; c + kColumns <= columns; c += kColumns)
            block<O, kColumns>(w, pitch, x, offsets + c, columns, length, sums + c);
        for (; c + 2 <= columns; c += 2) block<O, 2>(w, pitch, x, offsets + c, columns, length, sums + c);
        for (; c < columns; ++c) block<O, 1>(w, pitch, x, offsets + c, columns, length, sums + c);
    }

    static void run(const T* w, int64_t pitch, int64_t outputs, const T* x, const int64_t* offsets, int64_t columns,
                    int64_t length, T* sums) {
        int64_t o = 0;
        for (; o + kOutputs <= outputs; o += kOutputs)
            outputs_of<kOutputs>(w + o * pitch, pitch, x, offsets, columns, length, sums + o * columns);
        for (; o + 2 <= outputs; o += 2)
            outputs_of<2>(w + o * pitch, pitch, x, offsets, columns, length, sums + o * columns);
        for (; o < outputs; ++o)
            outputs_of<1>(w + o * pitch, pitch, x, offsets, columns, length, sums + o * columns);
    }
};

}  // namespace

template <>
Dots<float> JT_VECTOR_NAME(dots)<float>() { return &LongDots<float>::run; }
template <>
Dots<double> JT_VECTOR_NAME(dots)<double>() { return &LongDots<double>::run; }

}  // namespace jt
