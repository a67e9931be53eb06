// Sums of shifted rows: the innermost loop of convolutions with few channels.
#pragma once

#include "vectors.h"

namespace jt {

// out[x] = sum of weights[t] * in[offsets[t] + x] for x < length.
template <class T>
using Taps = void (*)(const T* in, const int64_t* offsets, const T* weights, int64_t count, T* out, int64_t length);

template <class T>
Taps<T> taps_plain();
template <class T>
Taps<T> taps_avx2();
template <class T>
Taps<T> taps_avx512();

}  // namespace jt
