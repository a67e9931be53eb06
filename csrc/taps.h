// Sums of shifted rows: the innermost loop of convolutions with few channels.
#pragma once

#include "vectors.h"

namespace jt {

// out[x] = sum of weights[t] * in[offsets[t] + x] for x < length.
template <class T>
using Taps = void (*)(const T* in, const int64_t* offsets, const T* weights, int64_t count, T* out, int64_t length);

// The same for several outputs: out[o * out_pitch + x] with weights[o * pitch + t], o < outputs; length is a multiple of 16.
template <class T>
using TapsOfMany = void (*)(const T* in, const int64_t* offsets, const T* weights, int64_t pitch, int64_t outputs,
                            int64_t count, T* out, int64_t out_pitch, int64_t length);

template <class T>
Taps<T> taps_plain();
template <class T>
Taps<T> taps_avx2();
template <class T>
Taps<T> taps_avx512();
template <class T>
TapsOfMany<T> taps_of_many_plain();
template <class T>
TapsOfMany<T> taps_of_many_avx2();
template <class T>
TapsOfMany<T> taps_of_many_avx512();

}  // namespace jt
