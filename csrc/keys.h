// Keys as unsigned integers that order alike: what sorting and selecting share.
#pragma once

#include <type_traits>

#include "routines.h"

namespace jt {

enum Kind : int64_t { kUnsigned = 0, kSigned = 1, kFloat = 2 };

template <class U>
struct Limits {
    static constexpr int bits = int(8 * sizeof(U));
    static constexpr U sign = U(U(1) << (bits - 1));
    // the bits of infinity
    static constexpr U infinity = bits == 64 ? U(0x7FF0000000000000ull) : bits == 32 ? U(0x7F800000u) : U(0x7C00u);
};

// The bits of a number -> its image; `total` keeps -0.0 below 0.0 and orders NaNs by sign and payload.
template <class U, Kind K, bool total = false>
inline U image(U x) {
    using L = Limits<U>;
    if (K == kUnsigned) return x;
    if (K == kSigned) return U(x ^ L::sign);
    // without branches: signs are as good as random
    U flipped = U(x ^ (U(U(0) - U(x >> (L::bits - 1))) | L::sign));
    if (total) return flipped;
    U nan = U(U(0) - U(U(x << 1) > U(L::infinity << 1)));
    return U((flipped + U(x == L::sign)) | nan);
}

template <class U, Kind K>
inline U number(U w) {
    using L = Limits<U>;
    if (K == kUnsigned) return w;
    if (K == kSigned) return U(w ^ L::sign);
    return U(w ^ (U(U(w >> (L::bits - 1)) - U(1)) | L::sign));
}

inline int top_bit(uint64_t v) { return 64 - __builtin_clzll(v); }
inline int low_bit(uint64_t v) { return __builtin_ctzll(v); }

// Calls fn<U, K>() for keys of `size` bytes and a kind.
template <class F>
void by_kind(int64_t size, int64_t kind, const F& fn) {
    auto sized = [&](auto u) {
        using U = decltype(u);
        if (kind == kSigned)
            fn(u, std::integral_constant<Kind, kSigned>());
        else if (kind == kFloat && sizeof(U) > 1)
            fn(u, std::integral_constant<Kind, kFloat>());
        else
            fn(u, std::integral_constant<Kind, kUnsigned>());
    };
    if (size == 1) sized(uint8_t());
    if (size == 2) sized(uint16_t());
    if (size == 4) sized(uint32_t());
    if (size == 8) sized(uint64_t());
}

}  // namespace jt
