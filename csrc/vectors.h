// What the files for one width of vectors share; see vectors_plain.cpp, vectors_avx2.cpp, vectors_avx512.cpp.
#pragma once

#include <cstdint>

#define JT_VECTOR_JOIN2(name, kind) name##_##kind
#define JT_VECTOR_JOIN(name, kind) JT_VECTOR_JOIN2(name, kind)
#define JT_VECTOR_NAME(name) JT_VECTOR_JOIN(name, JT_VECTOR_KIND)

namespace jt {

enum class Vectors { plain, avx2, avx512 };

// What this processor has.
inline Vectors vectors() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return Vectors::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Vectors::avx2;
#endif
    return Vectors::plain;
}

}  // namespace jt
