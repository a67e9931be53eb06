// Sorting by the bits of keys: radix sorts of words, merged where several threads worked. Begin with jt_sort.
//
// A key's image is an unsigned integer of its size that orders as the key does: -0.0 equals 0.0, all NaNs are equal and
// last. Words hold images, or (to sort places) the upper bits of an image above the place, so that all words differ and
// any order of work is stable. Only bits that differ between keys are looked at, the uppermost first: digits of 8 bits
// from the least to the most significant (Knuth, The Art of Computer Programming, vol. 3, 5.2.5) until
// neighbours most likely differ, then the few runs of equal upper bits by themselves.
// Merges are split among threads where their paths cross a diagonal (Odeh, Green, Mwassi, Shmueli, Birk, "Merge path", 2012).
#include <algorithm>

#include "keys.h"

namespace jt {
namespace {

constexpr int64_t kShort = 192;           // below this comparisons are faster than counting digits
constexpr int64_t kParallel = 1 << 16;    // rows of this length are shared among threads
constexpr int64_t kGrain = 1 << 14;       // elements that are worth a thread
constexpr int kSpareBits = 12;            // how many more bits than a number of places are looked at first
constexpr double kEqualPairs = 0.25;      // equal neighbours per key that comparisons are left to sort
constexpr int64_t kMostParts = 64;        // threads that one row is shared among

// ---- a radix sort of words --------------------------------------------------------------------

struct Digits {
    int shift, count;  // of 8 bits each, from bit `shift` on
};

// Digits that tell `n` keys apart if their bits are spread, of those that differ between keys.
inline Digits choose_digits(uint64_t differing, int64_t n, bool all) {
    int top = top_bit(differing), low = low_bit(differing);
    int wanted = all ? 64 : top_bit(uint64_t(n)) + kSpareBits;
    int count = (std::min(top - low, wanted) + 7) / 8;
    return {std::max(low, top - 8 * count), count};
}

// Two tables, for two elements at a time: neighbours often have the same digit, and the same counter is not at hand again
// for some cycles.
struct Counts {
    uint32_t of[8][2][256];
};

template <int number, class Load>
void count_digits(const Load& load, int64_t n, int shift, Counts* counts) {
    memset(counts, 0, sizeof(counts->of[0]) * number);
    const int64_t half = n / 2;
    for (int64_t i = 0; i < half; ++i) {
        uint64_t u = uint64_t(load(i)) >> shift, v = uint64_t(load(n - 1 - i)) >> shift;
        for (int d = 0; d < number; ++d) {
            ++counts->of[d][0][(u >> (8 * d)) & 255];
            ++counts->of[d][1][(v >> (8 * d)) & 255];
        }
    }
    if (n % 2) {
        uint64_t u = uint64_t(load(half)) >> shift;
        for (int d = 0; d < number; ++d) ++counts->of[d][0][(u >> (8 * d)) & 255];
    }
}

// One stable pass.
template <class W, class Load>
void distribute(const Load& load, W* to, int64_t n, int shift, uint32_t (*counts)[256]) {
    uint32_t *place = counts[0], sum = 0;
    for (int k = 0; k < 256; ++k) {
        uint32_t all = place[k] + counts[1][k];
        place[k] = sum;
        sum += all;
    }
    for (int64_t i = 0; i < n; ++i) {
        W w = load(i);
        to[place[(w >> shift) & 255]++] = w;
    }
}

// How many of the upper digits tell nearly all keys apart: the chance that two are equal in a digit follows from its
// counts; digits are taken to be independent (what is left equal is sorted by comparisons).
inline int digits_that_tell(const Counts& counts, int number, int64_t n) {
    double pairs = double(n);
    for (int d = number - 1; d > 0; --d) {
        double equal = 0;
        for (int k = 0; k < 256; ++k) {
            const double c = double(counts.of[d][0][k]) + double(counts.of[d][1][k]);
            equal += c * c;
        }
        pairs *= equal / (double(n) * double(n));
        if (pairs < kEqualPairs) return number - d;
    }
    return number;
}

// Sorts words, load(i) for i < n, by some digits; they end up in `a`, `b` is used besides. `inside`: load reads a.
// Returns the bit from which they are sorted: not all digits are looked at where the upper ones will do.
template <class W, class Load>
int radix(const Load& load, W* a, W* b, int64_t n, Digits digits, bool inside = false) {
    Counts counts;
    switch (digits.count) {
        case 1: count_digits<1>(load, n, digits.shift, &counts); break;
        case 2: count_digits<2>(load, n, digits.shift, &counts); break;
        case 3: count_digits<3>(load, n, digits.shift, &counts); break;
        case 4: count_digits<4>(load, n, digits.shift, &counts); break;
        case 5: count_digits<5>(load, n, digits.shift, &counts); break;
        default: count_digits<8>(load, n, digits.shift, &counts);
    }
    int used[8], passes = 0;
    const int lowest = digits.count - digits_that_tell(counts, digits.count, n);
    const uint64_t first = uint64_t(load(0)) >> digits.shift;
    for (int d = lowest; d < digits.count; ++d) {
        const int k = int((first >> (8 * d)) & 255);
        if (counts.of[d][0][k] + counts.of[d][1][k] != uint32_t(n)) used[passes++] = d;
    }
    if (passes == 0) {
        if (!inside)
            for (int64_t i = 0; i < n; ++i) a[i] = load(i);
        return digits.shift + 8 * lowest;
    }
    W *to = passes % 2 && !inside ? a : b, *from = to == a ? b : a;
    for (int p = 0; p < passes; ++p, std::swap(from, to)) {
        const int shift = digits.shift + 8 * used[p];
        if (p == 0)
            distribute(load, to, n, shift, counts.of[used[p]]);
        else
            distribute([from](int64_t i) { return from[i]; }, to, n, shift, counts.of[used[p]]);
    }
    if (from == b) memcpy(a, b, size_t(n) * sizeof(W));
    return digits.shift + 8 * lowest;
}

// Calls run(begin, end) for the runs of two or more words with equal bits from `shift` on.
template <class W, class Run>
void each_run(const W* a, int64_t begin, int64_t end, int shift, const Run& run) {
    for (int64_t i = begin; i < end;) {
        int64_t j = i + 1;
        const W upper = W(a[i] >> shift);
        while (j < end && W(a[j] >> shift) == upper) ++j;
        if (j > i + 1) run(i, j);
        i = j;
    }
}

template <class W>
uint64_t differing_bits(const W* a, int64_t n) {
    W all = W(~W(0)), any = 0;
    for (int64_t i = 0; i < n; ++i) {
        all &= a[i];
        any |= a[i];
    }
    return uint64_t(W(all ^ any));
}

template <class W>
void insertion(W* a, int64_t n) {
    for (int64_t i = 1; i < n; ++i) {
        W w = a[i];
        int64_t j = i;
        for (; j > 0 && w < a[j - 1]; --j) a[j] = a[j - 1];
        a[j] = w;
    }
}

// Sorts words wholly.
template <class W>
void sort_words(W* a, W* tmp, int64_t n) {
    if (n == 2) {
        const W u = a[0], v = a[1];
        a[0] = std::min(u, v);
        a[1] = std::max(u, v);
        return;
    }
    if (n <= 24) return insertion(a, n);
    if (n < kShort) return std::sort(a, a + n);
    uint64_t differing = differing_bits(a, n);
    if (!differing) return;
    Digits digits = choose_digits(differing, n, false);
    const int shift = radix<W>([a](int64_t i) { return a[i]; }, a, tmp, n, digits, true);
    if (shift > low_bit(differing))
        each_run(a, 0, n, shift, [&](int64_t i, int64_t j) { sort_words(a + i, tmp + i, j - i); });
}

// ---- merges -----------------------------------------------------------------------------------

// How many of the first `k` merged words come from `x`; of equal words those of `x` come first.
template <class W>
int64_t split(const W* x, int64_t nx, const W* y, int64_t ny, int64_t k) {
    int64_t low = std::max<int64_t>(0, k - ny), high = std::min(k, nx);
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (y[k - mid - 1] < x[mid])
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

template <class W>
void merge(const W* x, const W* x_end, const W* y, const W* y_end, W* out) {
    while (x < x_end && y < y_end) {
        W u = *x, v = *y;
        bool second = v < u;
        *out++ = second ? v : u;
        y += second;
        x += !second;
    }
    out = std::copy(x, x_end, out);
    std::copy(y, y_end, out);
}

// Parts [bounds[p], bounds[p + 1]) of `from` are sorted; merges neighbours until one is left, in turns between two arrays.
template <class W>
void merge_parts(W* from, W* to, int64_t n, int64_t parts) {
    auto bound = [n](int64_t p, int64_t count) { return n * p / count; };
    for (int64_t left = parts; left > 1; left /= 2, std::swap(from, to)) {
        // all threads work on every round: each writes one part of the result
        parallel(parts, 1, [=](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
                int64_t share = parts / (left / 2), pair = p / share;
                int64_t lo = bound(2 * pair, left), mid = bound(2 * pair + 1, left), hi = bound(2 * pair + 2, left);
                const W *x = from + lo, *y = from + mid;
                int64_t nx = mid - lo, ny = hi - mid;
                int64_t k0 = (nx + ny) * (p % share) / share, k1 = (nx + ny) * (p % share + 1) / share;
                int64_t i0 = split(x, nx, y, ny, k0), i1 = split(x, nx, y, ny, k1);
                merge(x + i0, x + i1, y + (k0 - i0), y + (k1 - i1), to + lo + k0);
            }
        });
    }
}

// The number of parts that a row of `n` is shared among: a power of two.
int64_t parts_of(int64_t n, bool alone) {
    if (!alone || n < kParallel) return 1;
    int64_t parts = 1;
    while (parts * 2 <= get_num_threads() && parts * 2 <= kMostParts && n / (parts * 2) >= kGrain) parts *= 2;
    return parts;
}

int rounds_of(int64_t parts) { return top_bit(uint64_t(parts)) - 1; }

// ---- keys alone -------------------------------------------------------------------------------

struct Facts {
    uint64_t all = ~uint64_t(0), any = 0;
    int64_t negative_zeros = 0, nans = 0;
};

template <class U, Kind K, class At>
Facts survey(const At& at, int64_t begin, int64_t end) {
    using L = Limits<U>;
    U all = U(~U(0)), any = 0;
    uint32_t zeros = 0, nans = 0;
    for (int64_t i = begin; i < end; ++i) {
        U x = at(i), w = image<U, K>(x);
        all &= w;
        any |= w;
        if (K == kFloat) {
            zeros += x == L::sign;
            nans += U(x << 1) > U(L::infinity << 1);
        }
    }
    Facts f;
    f.all = all;
    f.any = any;
    f.negative_zeros = zeros;
    f.nans = nans;
    return f;
}

// Equal keys with different bits keep their order: writes NaNs and (if asked for) zeros as they come.
template <class U, class At, class Put>
void restore_order(const At& at, const Put& put, int64_t n, bool zeros, int64_t first_zero, int64_t first_nan) {
    using L = Limits<U>;
    for (int64_t i = 0; i < n; ++i) {
        U x = at(i);
        if (zeros && U(x << 1) == 0)
            put(first_zero++, x);
        else if (U(x << 1) > U(L::infinity << 1))
            put(first_nan++, x);
    }
}

// One row: `at(i)` are the bits of a key, `put(i, bits)` writes a result; two arrays of n words.
template <class U, Kind K, class At, class Put>
void sort_row(const At& at, const Put& put, int64_t n, U* a, U* b, bool alone) {
    auto load = [&at](int64_t i) { return image<U, K>(at(i)); };
    Facts facts;
    if (n < kShort) {
        for (int64_t i = 0; i < n; ++i) a[i] = load(i);
        facts = survey<U, K>(at, 0, n);
        sort_words(a, b, n);
    } else {
        const int64_t parts = parts_of(n, alone);
        Facts found[kMostParts];
        parallel(parts, 1, [&, parts](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) found[p] = survey<U, K>(at, n * p / parts, n * (p + 1) / parts);
        });
        for (int64_t p = 0; p < parts; ++p) {
            facts.all &= found[p].all;
            facts.any |= found[p].any;
            facts.negative_zeros += found[p].negative_zeros;
            facts.nans += found[p].nans;
        }
        const uint64_t differing = facts.all ^ facts.any;
        if (!differing) {
            for (int64_t i = 0; i < n; ++i) put(i, at(i));
            return;
        }
        U *start = rounds_of(parts) % 2 ? b : a, *other = start == a ? b : a;
        parallel(parts, 1, [&, parts](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
                int64_t lo = n * p / parts, m = n * (p + 1) / parts - lo;
                Digits digits = choose_digits(differing, m, false);
                U *x = start + lo, *y = other + lo;
                const int shift = radix<U>([&, lo](int64_t i) { return load(lo + i); }, x, y, m, digits);
                if (shift > low_bit(differing))
                    each_run(x, 0, m, shift, [=](int64_t i, int64_t j) { sort_words(x + i, y + i, j - i); });
            }
        });
        merge_parts(start, other, n, parts);
    }
    const int64_t zero = facts.negative_zeros ? std::lower_bound(a, a + n, Limits<U>::sign) - a : 0;
    parallel(n, alone ? kParallel : n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) put(i, number<U, K>(a[i]));
    });
    if (facts.negative_zeros || facts.nans)
        restore_order<U>(at, put, n, facts.negative_zeros > 0, zero, n - facts.nans);
}

// ---- places -----------------------------------------------------------------------------------

// A word of 64 bits: up to 32 bits of an image above the place of its key.
inline uint64_t packed(uint64_t upper, uint64_t place) { return upper << 32 | place; }
inline uint32_t place_of(uint64_t word) { return uint32_t(word); }

// The places of a short row in the order of image(place).
template <class Image>
void order_short_row(const Image& image_at, int64_t n, uint64_t* words) {
    struct Pair {
        uint64_t image, place;
        bool operator<(const Pair& o) const { return image != o.image ? image < o.image : place < o.place; }
    } pairs[kShort];
    for (int64_t i = 0; i < n; ++i) pairs[i] = {image_at(i), uint64_t(i)};
    if (n <= 24)
        insertion(pairs, n);
    else
        std::sort(pairs, pairs + n);
    for (int64_t i = 0; i < n; ++i) words[i] = pairs[i].place;
}

// Words whose upper halves are equal: puts the other bits of the images there, and sorts by them. Images lie at
// random places: those of many short runs are asked for before the first run is sorted.
template <class Image>
void order_ties(const Image& image_at, uint64_t mask, int64_t begin, int64_t end, uint64_t* a, uint64_t* b) {
    constexpr int most = 64;
    int64_t starts[most], ends[most];
    int held = 0;
    auto fill = [&](int64_t i, int64_t j) {
        for (; i < j; ++i) a[i] = packed(image_at(place_of(a[i])) & mask, place_of(a[i]));
    };
    auto flush = [&] {
        for (int t = 0; t < held; ++t) fill(starts[t], ends[t]);
        for (int t = 0; t < held; ++t) sort_words(a + starts[t], b + starts[t], ends[t] - starts[t]);
        held = 0;
    };
    each_run(a, begin, end, 32, [&](int64_t i, int64_t j) {
        starts[held] = i;
        ends[held++] = j;
        if (held == most) flush();
    });
    flush();
}

// The stable order of a row: places in the lower halves of a[0..n).
template <class Image>
void order_row(const Image& image_at, int64_t n, uint64_t* a, uint64_t* b, bool alone) {
    if (n < kShort) return order_short_row(image_at, n, a);
    const int64_t parts = parts_of(n, alone);
    uint64_t all[kMostParts], any[kMostParts];
    parallel(parts, 1, [&, parts](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
            uint64_t u = ~uint64_t(0), v = 0;
            for (int64_t i = n * p / parts; i < n * (p + 1) / parts; ++i) {
                uint64_t w = image_at(i);
                u &= w;
                v |= w;
            }
            all[p] = u;
            any[p] = v;
        }
    });
    for (int64_t p = 1; p < parts; ++p) {
        all[0] &= all[p];
        any[0] |= any[p];
    }
    const uint64_t differing = all[0] ^ any[0];
    if (!differing) {
        for (int64_t i = 0; i < n; ++i) a[i] = uint64_t(i);
        return;
    }
    // Words hold the upper 32 of the bits that differ; those above are equal in all keys.
    const int top = top_bit(differing), shift = std::max(low_bit(differing), top - 32), width = top - shift;
    const uint64_t kept = (uint64_t(1) << width) - 1;
    const bool complete = shift == low_bit(differing);
    const int count = complete ? (width + 7) / 8 : choose_digits(differing, n, false).count;
    const Digits digits{32 + std::max(0, width - 8 * std::min(count, 4)), std::min(count, 4)};
    uint64_t *start = rounds_of(parts) % 2 ? b : a, *other = start == a ? b : a;
    parallel(parts, 1, [&, parts](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
            int64_t lo = n * p / parts, m = n * (p + 1) / parts - lo;
            uint64_t *x = start + lo, *y = other + lo;
            const int sorted = radix<uint64_t>(
                [&, lo](int64_t i) { return packed((image_at(lo + i) >> shift) & kept, uint64_t(lo + i)); }, x, y, m,
                digits);
            if (sorted > 32)
                each_run(x, 0, m, sorted, [=](int64_t i, int64_t j) { sort_words(x + i, y + i, j - i); });
        }
    });
    merge_parts(start, other, n, parts);
    if (complete) return;
    // Runs change as they are sorted: where they begin is looked up ahead.
    const int64_t shares = alone ? std::max<int64_t>(1, std::min(kMostParts, n / kGrain)) : 1;
    int64_t bounds[kMostParts + 1] = {0};
    for (int64_t p = 1; p < shares; ++p) {
        const uint64_t upper = a[n * p / shares] >> 32;
        bounds[p] = std::partition_point(a, a + n, [upper](uint64_t w) { return w >> 32 < upper; }) - a;
    }
    bounds[shares] = n;
    const uint64_t rest = (uint64_t(1) << shift) - 1;
    parallel(shares, 1, [&](int64_t begin, int64_t end) {
        order_ties(image_at, rest, bounds[begin], bounds[end], a, b);
    });
}

// ---- one operand, and several that move together ----------------------------------------------

struct Rows {
    int64_t outer, n, inner;
    int64_t count() const { return outer * inner; }
    int64_t first(int64_t r) const { return r / inner * n * inner + r % inner; }
};

// fn(row, alone): rows side by side where there are enough of them, else one after the other with all threads.
template <class F>
void for_rows(const Rows& rows, const F& fn) {
    if (rows.n >= kParallel && rows.count() < 2 * int64_t(get_num_threads())) {
        for (int64_t r = 0; r < rows.count(); ++r) fn(r, true);
        return;
    }
    parallel(rows.count(), std::max<int64_t>(1, kGrain / std::max<int64_t>(rows.n, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) fn(r, false);
    });
}

template <class U, Kind K>
void sort_alone(const void* in, void* out, void* scratch, const Rows& rows) {
    const U* x = static_cast<const U*>(in);
    U* y = static_cast<U*>(out);
    U* tmp = static_cast<U*>(scratch);
    const int64_t total = rows.count() * rows.n;
    if (rows.inner == 1) {  // images are sorted where the result is wanted
        for_rows(rows, [=](int64_t r, bool alone) {
            const int64_t at = r * rows.n;
            U* a = y + at;
            sort_row<U, K>([x, at](int64_t i) { return x[at + i]; }, [a](int64_t i, U bits) { a[i] = bits; }, rows.n, a,
                           tmp + at, alone);
        });
        return;
    }
    for_rows(rows, [=](int64_t r, bool alone) {
        const int64_t at = rows.first(r), step = rows.inner;
        U* a = tmp + r * rows.n;
        sort_row<U, K>([=](int64_t i) { return x[at + i * step]; }, [=](int64_t i, U bits) { y[at + i * step] = bits; },
                       rows.n, a, a + total, alone);
    });
}

template <class U>
void move(const void* in, void* out, const uint64_t* order, int64_t at, int64_t step, int64_t n, bool alone) {
    const U* x = static_cast<const U*>(in) + at;
    U* y = static_cast<U*>(out) + at;
    // What counts up (the places, of an argsort) needs no reads.
    bool counts = sizeof(U) >= 4;
    for (int64_t i = 1; counts && i < n; ++i) counts = U(x[i * step] - x[0]) == U(i);
    parallel(n, alone ? kGrain : n, [=](int64_t begin, int64_t end) {
        if (counts)
            for (int64_t i = begin; i < end; ++i) y[i * step] = U(x[0] + place_of(order[i]));
        else
            for (int64_t i = begin; i < end; ++i) y[i * step] = x[place_of(order[i]) * step];
    });
}

}  // namespace
}  // namespace jt

// args: outer, n, inner (the rows), bytes and kind of the key. outs: the result; working memory of the operand's size,
// of twice that if inner > 1.
void jt_sort(void** ins, void** outs, const int64_t* args) {
    using namespace jt;
    Rows rows{args[0], args[1], args[2]};
    if (rows.n == 1) {
        memcpy(outs[0], ins[0], size_t(rows.count() * args[3]));
        return;
    }
    by_kind(args[3], args[4], [&](auto u, auto kind) {
        sort_alone<decltype(u), decltype(kind)::value>(ins[0], outs[0], outs[1], rows);
    });
}

// Several operands by the first `keys` of them. args: outer, n, inner, keys, operands, skipped (of the operands, which are
// no results), then bytes and kind of each. outs: the results; working memory of two 64-bit words for each place, of three for several keys.
void jt_sort_along(void** ins, void** outs, const int64_t* args) {
    using namespace jt;
    Rows rows{args[0], args[1], args[2]};
    const int64_t keys = args[3], operands = args[4], skipped = args[5], *types = args + 6;
    const int64_t n = rows.n, step = rows.inner, total = rows.count() * n;
    uint64_t* words = static_cast<uint64_t*>(outs[operands - skipped]);
    uint64_t *others = words + total, *before = keys > 1 ? others + total : nullptr;
    for_rows(rows, [&](int64_t r, bool alone) {
        const int64_t at = rows.first(r);
        uint64_t *a = words + r * n, *b = others + r * n, *prior = before ? before + r * n : nullptr;
        for (int64_t k = keys - 1; k >= 0; --k) {
            by_kind(types[2 * k], types[2 * k + 1], [&](auto u, auto kind) {
                using U = decltype(u);
                constexpr Kind K = decltype(kind)::value;
                const U* x = static_cast<const U*>(ins[k]) + at;
                if (k == keys - 1) {
                    order_row([=](int64_t i) { return uint64_t(image<U, K>(x[i * step])); }, n, a, b, alone);
                    return;
                }
                std::swap(a, prior);  // the order by the less significant keys
                order_row([=](int64_t i) { return uint64_t(image<U, K>(x[place_of(prior[i]) * step])); }, n, a, b, alone);
                for (int64_t i = 0; i < n; ++i) a[i] = place_of(prior[place_of(a[i])]);
            });
        }
        for (int64_t k = skipped; k < operands; ++k)
            by_kind(types[2 * k], 0,
                    [&](auto u, auto) { move<decltype(u)>(ins[k], outs[k - skipped], a, at, step, n, alone); });
    });
}

// ---- the greatest -----------------------------------------------------------------------------

namespace jt {
namespace {

struct Candidate {
    uint64_t image;
    uint32_t place;
    // Of equal keys the first comes first.
    bool operator<(const Candidate& o) const { return image != o.image ? image > o.image : place < o.place; }
};

// Keeps what may be among the k greatest, and throws the others away whenever the memory for `room` is full.
template <class U, Kind K>
void greatest(const U* x, int64_t n, int64_t step, int64_t k, int64_t room, Candidate* kept, U* values,
              int32_t* places) {
    int64_t held = 0;
    U least = 0;
    bool full = false;
    auto take = [&](U w, int64_t i) {
        kept[held++] = {w, uint32_t(i)};
        if (held == room) {
            std::nth_element(kept, kept + (k - 1), kept + held);
            held = k;
            least = U(kept[k - 1].image);
            full = true;
        }
    };
    int64_t i = 0;
    for (; i < n && !full; ++i) take(image<U, K, true>(x[i * step]), i);
    constexpr int64_t block = 16;
    for (; i + block <= n; i += block) {
        bool any = false;
        for (int64_t j = 0; j < block; ++j) any |= image<U, K, true>(x[(i + j) * step]) > least;
        if (JT_UNLIKELY(any))
            for (int64_t j = 0; j < block; ++j) {
                U w = image<U, K, true>(x[(i + j) * step]);
                if (w > least) take(w, i + j);
            }
    }
    for (; i < n; ++i) {
        U w = image<U, K, true>(x[i * step]);
        if (w > least) take(w, i);
    }
    std::partial_sort(kept, kept + k, kept + held);
    for (int64_t j = 0; j < k; ++j) {
        values[j * step] = x[int64_t(kept[j].place) * step];
        places[j * step] = int32_t(kept[j].place);
    }
}

}  // namespace
}  // namespace jt

// args: outer, n, inner, k, room (for candidates: k + 1 or more), bytes and kind. outs: values, places (int32); working
// memory of 16 * room bytes for each row.
void jt_top_k(void** ins, void** outs, const int64_t* args) {
    using namespace jt;
    Rows rows{args[0], args[1], args[2]};
    const int64_t k = args[3], room = args[4];
    by_kind(args[5], args[6], [&](auto u, auto kind) {
        using U = decltype(u);
        parallel(rows.count(), std::max<int64_t>(1, kGrain / rows.n), [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) {
                const int64_t to = r / rows.inner * k * rows.inner + r % rows.inner;
                greatest<U, decltype(kind)::value>(static_cast<const U*>(ins[0]) + rows.first(r), rows.n, rows.inner, k,
                                                   room, static_cast<Candidate*>(outs[2]) + r * room,
                                                   static_cast<U*>(outs[0]) + to, static_cast<int32_t*>(outs[1]) + to);
            }
        });
    });
}
