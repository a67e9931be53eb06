// Sums of shifted rows on vectors. Included by one file for each kind of machine; see vectors.h.
#include "taps.h"

namespace jt {
namespace {

template <class T>
struct Shifted {
    static constexpr int W = int(JT_VECTOR_BYTES / sizeof(T));
    typedef T V __attribute__((vector_size(JT_VECTOR_BYTES)));
    typedef T Loose __attribute__((vector_size(JT_VECTOR_BYTES), aligned(sizeof(T)), may_alias));

    // `several` vectors of the result stay in registers.
    template <int several>
    static void block(const T* in, const int64_t* offsets, const T* weights, int64_t count, T* out) {
        V sum[several] = {};
        for (int64_t t = 0; t < count; ++t) {
            const T* p = in + offsets[t];
            const V w = V{} + weights[t];
            for (int v = 0; v < several; ++v) sum[v] += w * *reinterpret_cast<const Loose*>(p + v * W);
        }
        for (int v = 0; v < several; ++v) *reinterpret_cast<Loose*>(out + v * W) = sum[v];
    }

    static void run(const T* in, const int64_t* offsets, const T* weights, int64_t count, T* out, int64_t length) {
        int64_t x = 0;
        for (; x + 8 * W <= length; x += 8 * W) block<8>(in + x, offsets, weights, count, out + x);
        for (; x + 2 * W <= length; x += 2 * W) block<2>(in + x, offsets, weights, count, out + x);
        if (x < length && length >= W) {  // reach back over finished elements
            for (; x < length; x += W) {
                if (x + W > length) x = length - W;
                block<1>(in + x, offsets, weights, count, out + x);
            }
            return;
        }
        for (; x < length; ++x) {
            T sum = 0;
            for (int64_t t = 0; t < count; ++t) sum += weights[t] * in[offsets[t] + x];
            out[x] = sum;
        }
    }

    // Vectors of a row are rarely aligned, and so slow to load that each should serve several outputs.
    template <int outputs, int several>
    static void block_of_many(const T* in, const int64_t* offsets, const T* weights, int64_t pitch, int64_t count, T* out,
                              int64_t out_pitch) {
        V sum[outputs][several] = {};
        for (int64_t t = 0; t < count; ++t) {
            const T* p = in + offsets[t];
            V x[several];
            for (int v = 0; v < several; ++v) x[v] = *reinterpret_cast<const Loose*>(p + v * W);
            for (int o = 0; o < outputs; ++o) {
                const V w = V{} + weights[o * pitch + t];
                for (int v = 0; v < several; ++v) sum[o][v] += w * x[v];
            }
        }
        for (int o = 0; o < outputs; ++o)
            for (int v = 0; v < several; ++v) *reinterpret_cast<Loose*>(out + o * out_pitch + v * W) = sum[o][v];
    }

    template <int outputs>
    static void rows_of_many(const T* in, const int64_t* offsets, const T* weights, int64_t pitch, int64_t count, T* out,
                             int64_t out_pitch, int64_t length) {
        constexpr int several = JT_VECTOR_BYTES == 64 ? 4 : 2;
        int64_t x = 0;
        for (; x + several * W <= length; x += several * W)
            block_of_many<outputs, several>(in + x, offsets, weights, pitch, count, out + x, out_pitch);
        for (; x < length; x += W)
            block_of_many<outputs, 1>(in + x, offsets, weights, pitch, count, out + x, out_pitch);
    }

    static void run_many(const T* in, const int64_t* offsets, const T* weights, int64_t pitch, int64_t outputs,
                         int64_t count, T* out, int64_t out_pitch, int64_t length) {
        int64_t o = 0;
        for (; o + 4 <= outputs; o += 4)
            rows_of_many<4>(in, offsets, weights + o * pitch, pitch, count, out + o * out_pitch, out_pitch, length);
        for (; o + 2 <= outputs; o += 2)
            rows_of_many<2>(in, offsets, weights + o * pitch, pitch, count, out + o * out_pitch, out_pitch, length);
        for (; o < outputs; ++o)
            rows_of_many<1>(in, offsets, weights + o * pitch, pitch, count, out + o * out_pitch, out_pitch, length);
    }
};

}  // namespace

template <>
Taps<float> JT_VECTOR_NAME(taps)<float>() { return &Shifted<float>::run; }
template <>
Taps<double> JT_VECTOR_NAME(taps)<double>() { return &Shifted<double>::run; }
template <>
TapsOfMany<float> JT_VECTOR_NAME(taps_of_many)<float>() { return &Shifted<float>::run_many; }
template <>
TapsOfMany<double> JT_VECTOR_NAME(taps_of_many)<double>() { return &Shifted<double>::run_many; }

}  // namespace jt
