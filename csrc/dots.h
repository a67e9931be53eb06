// Sums of products of long rows at shifted places: the innermost loop of convolutions with few results and long windows.
#pragma once

#include "vectors.h"

namespace jt {

// sums[o * columns + c] += sum of w[o * pitch + t] * x[offsets[c] + t] for t < length, which is a multiple of kDotsStep.
constexpr int64_t kDotsStep = 16;

template <class T>
using Dots = void (*)(const T* w, int64_t pitch, int64_t outputs, const T* x, const int64_t* offsets, int64_t columns,
                      int64_t length, T* sums);

template <class T>
Dots<T> dots_plain();
template <class T>
Dots<T> dots_avx2();
template <class T>
Dots<T> dots_avx512();

}  // namespace jt
