// Routines on whole arrays that compiled programs call: void name(void** ins, void** outs, const int64_t* args).
// The program's memory plan gives them all memory they need (the last entries of `outs`); they never fail.
#pragma once

#include "jitney.h"

JT_EXPORT void jt_sort(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_sort_along(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_top_k(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_select(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_true_places(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_tick(void** ins, void** outs, const int64_t* args);
JT_EXPORT void jt_fft(void** ins, void** outs, const int64_t* args);

namespace jt {

// fn(begin, end) for parts of [0, n), on several threads where a part has `grain` elements or more.
template <class F>
void parallel(int64_t n, int64_t grain, const F& fn) {
    jt_parallel_for([](void* f, int64_t begin, int64_t end) { (*static_cast<const F*>(f))(begin, end); },
                    const_cast<void*>(static_cast<const void*>(&fn)), n, grain);
}

}  // namespace jt
