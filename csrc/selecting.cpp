// The elements at given places of the sorted order, without sorting: one count of the upper bits finds the few
// elements among which each of them is (Blum, Floyd, Pratt, Rivest, Tarjan, "Time bounds for selection", 1973,
// is the classical alternative; std::nth_element does the rest).
#include <algorithm>

#include "keys.h"

namespace jt {
namespace {

constexpr int kBits = 16;                     // that are counted
constexpr int64_t kBuckets = 1 << kBits;
constexpr int64_t kShort = 1 << 15;           // rows below are searched as they are
constexpr int64_t kParts = 4;                 // of a long row, counted side by side
constexpr int64_t kGrain = 1 << 14;           // elements that are worth a thread

// Values at ascending `ranks` of words, which are put into another order.
template <class W, class Put>
void pick(W* words, int64_t n, const int64_t* ranks, int64_t count, int64_t offset, const Put& put) {
    W* from = words;
    for (int64_t r = 0; r < count; ++r) {
        W* at = words + (ranks[r] - offset);
        if (at >= from) {
            std::nth_element(from, at, words + n);
            from = at + 1;
        }
        put(r, *at);
    }
}

template <class U, Kind K>
struct Selection {
    const U* x;
    U *out, *words;
    uint32_t* tables;  // counts of each part, then where the elements of a bucket are kept
    int64_t n, count;
    const int64_t* ranks;

    void short_row(int64_t row) const {
        U* w = words + row * n;
        for (int64_t i = 0; i < n; ++i) w[i] = image<U, K>(x[row * n + i]);
        pick(w, n, ranks, count, 0, [&](int64_t r, U v) { out[row * count + r] = number<U, K>(v); });
    }

    void long_row(int64_t row) const {
        const U* keys = x + row * n;
        U* result = out + row * count;
        U all[kParts], any[kParts];
        each_part([&](int64_t p, int64_t begin, int64_t end) {
            U u = U(~U(0)), v = 0;
            for (int64_t i = begin; i < end; ++i) {
                const U w = image<U, K>(keys[i]);
                u &= w;
                v |= w;
            }
            all[p] = u;
            any[p] = v;
        });
        for (int64_t p = 1; p < kParts; ++p) {
            all[0] &= all[p];
            any[0] |= any[p];
        }
        const uint64_t differing = uint64_t(U(all[0] ^ any[0]));
        if (!differing) {
            std::fill(result, result + count, number<U, K>(all[0]));
            return;
        }
        const int shift = std::max(0, top_bit(differing) - kBits);
        const auto bucket = [shift](U w) { return size_t(uint64_t(w) >> shift) & size_t(kBuckets - 1); };
        each_part([&](int64_t p, int64_t begin, int64_t end) {
            uint32_t* counts = tables + p * kBuckets;
            std::fill(counts, counts + kBuckets, 0u);
            for (int64_t i = begin; i < end; ++i) ++counts[bucket(image<U, K>(keys[i]))];
        });
        choose(keys, result, bucket, words + row * n);
    }

  private:
    template <class F>
    void each_part(const F& fn) const {
        parallel(kParts, 1, [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) fn(p, n * p / kParts, n * (p + 1) / kParts);
        });
    }

    // Keeps the elements of the buckets that hold a rank, those of each bucket together, and picks from them.
    template <class Bucket>
    void choose(const U* keys, U* result, const Bucket& bucket, U* kept) const {
        uint32_t* places = tables + kParts * kBuckets;
        std::fill(places, places + kBuckets, ~0u);
        int64_t before = 0, held = 0, r = 0;
        for (int64_t k = 0; k < kBuckets && r < count; ++k) {
            int64_t inside = 0;
            for (int64_t p = 0; p < kParts; ++p) inside += tables[p * kBuckets + k];
            if (ranks[r] < before + inside) {
                places[k] = uint32_t(held);
                tables[k] = uint32_t(inside);  // is needed no more
                held += inside;
                while (r < count && ranks[r] < before + inside) ++r;
            } else {
                tables[k] = uint32_t(inside);
            }
            before += inside;
        }
        for (int64_t i = 0; i < n; ++i) {
            const U w = image<U, K>(keys[i]);
            uint32_t& place = places[bucket(w)];
            if (JT_UNLIKELY(place != ~0u)) kept[place++] = w;
        }
        before = r = 0;
        for (int64_t k = 0; k < kBuckets && r < count; ++k) {
            const int64_t inside = tables[k];
            int64_t first = r;
            while (r < count && ranks[r] < before + inside) ++r;
            if (r > first)
                pick(kept + (places[k] - inside), inside, ranks + first, r - first, before,
                     [&](int64_t j, U v) { result[first + j] = number<U, K>(v); });
            before += inside;
        }
    }
};

}  // namespace
}  // namespace jt

// args: rows, n, count, bytes and kind, then the ranks in ascending order. ins: [rows, n]. outs: [rows, count]; working
// memory of the operand's size (rounded up to 64 bytes) and, for long rows, of 5 tables of 2^16 words of 32 bits.
void jt_select(void** ins, void** outs, const int64_t* args) {
    using namespace jt;
    const int64_t rows = args[0], n = args[1], count = args[2];
    by_kind(args[3], args[4], [&](auto u, auto kind) {
        using U = decltype(u);
        const int64_t bytes = (rows * n * int64_t(sizeof(U)) + 63) / 64 * 64;
        char* memory = static_cast<char*>(outs[1]);
        Selection<U, decltype(kind)::value> s{static_cast<const U*>(ins[0]), static_cast<U*>(outs[0]),
                                              reinterpret_cast<U*>(memory), reinterpret_cast<uint32_t*>(memory + bytes),
                                              n, count, args + 5};
        if (n < kShort)
            parallel(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
                for (int64_t r = begin; r < end; ++r) s.short_row(r);
            });
        else
            for (int64_t r = 0; r < rows; ++r) s.long_row(r);
    });
}
