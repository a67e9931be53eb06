// The places of true elements.
#include <algorithm>

#include "routines.h"

namespace jt {
namespace {

constexpr int64_t kMostParts = 64;
constexpr int64_t kPart = 1 << 16;  // elements that are worth a thread

int64_t count_true(const uint8_t* mask, int64_t begin, int64_t end) {
    int64_t total = 0;
    while (begin < end) {
        const int64_t stop = std::min(end, begin + (1 << 20));
        uint32_t some = 0;
        for (; begin < stop; ++begin) some += mask[begin];
        total += some;
    }
    return total;
}

// Writes the places of true elements of [begin, end) from out[held] on, at most up to out[size].
void write_places(const uint8_t* mask, int64_t begin, int64_t end, int64_t* out, int64_t held, int64_t size) {
    constexpr int64_t block = 64;
    int64_t i = begin;
    for (; i + block <= end && held + block <= size; i += block)
        for (int64_t j = i; j < i + block; ++j) {  // what is not true is written over by the next one
            out[held] = j;
            held += mask[j];
        }
    for (; i < end && held < size; ++i)
        if (mask[i]) out[held++] = i;
}

}  // namespace
}  // namespace jt

// args: rows, n, size. ins: booleans [rows, n]. outs: places [rows, size], numbers of true elements [rows], all int64.
// Where there are fewer than `size`, the place n - 1 stands.
void jt_true_places(void** ins, void** outs, const int64_t* args) {
    using namespace jt;
    const int64_t rows = args[0], n = args[1], size = args[2];
    const int64_t parts = std::max<int64_t>(1, std::min(kMostParts, n / kPart));
    for (int64_t r = 0; r < rows; ++r) {
        const uint8_t* mask = static_cast<const uint8_t*>(ins[0]) + r * n;
        int64_t* out = static_cast<int64_t*>(outs[0]) + r * size;
        int64_t starts[kMostParts + 1] = {0};
        parallel(parts, 1, [=, &starts](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p)
                starts[p + 1] = count_true(mask, n * p / parts, n * (p + 1) / parts);
        });
        for (int64_t p = 0; p < parts; ++p) starts[p + 1] += starts[p];
        parallel(parts, 1, [=, &starts](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p)
                write_places(mask, n * p / parts, n * (p + 1) / parts, out, std::min(starts[p], size),
                             std::min(starts[p + 1], size));
        });
        const int64_t count = starts[parts];
        if (count < size) std::fill(out + count, out + size, n - 1);
        static_cast<int64_t*>(outs[1])[r] = count;
    }
}
