// jt_convolve: convolutions of any number of spatial axes, in any layout, with strides, padding, dilation and groups.
//
// With several output channels: blocks of the matrix of windows ("im2col") are packed where they stay in the cache, and
// multiplied by the matrix of weights by BLAS; windows of one element are not packed where they lie as BLAS reads.
// With few: a padded copy of the image, in which every window is complete, and sums of its shifted rows.
// With several short rows and few channels: the same sums, for all rows of the padded copy as if they were one.
// With windows much larger than the result (derivatives by weights): padded copies of images and weights of one shape, so that
// every window of an image is one run of memory, from a place of its own on.
#include <algorithm>
#include <atomic>
#include <limits>

#include "dots.h"
#include "factorisations.h"
#include "library.h"
#include "taps.h"

namespace jt {
namespace {

struct Axis {
    int64_t in, window, out, stride, low, spread, gap;  // spread, gap: dilation of the image, of the window
    int64_t x, w, y;                                    // distances in memory
};

struct Plan {
    int64_t bytes, rank, feature_groups, batch_groups, images, channels, outputs;
    int64_t x_image, x_channel, w_output, w_channel, y_image, y_output;
    const Axis* axis() const { return reinterpret_cast<const Axis*>(this + 1); }
    const Axis& last() const { return axis()[rank - 1]; }

    int64_t groups() const { return feature_groups * batch_groups; }
    int64_t group_images() const { return images / batch_groups; }
    int64_t group_channels() const { return channels / feature_groups; }
    int64_t group_outputs() const { return outputs / groups(); }
    int64_t places() const {
        int64_t p = 1;
        for (int64_t d = 0; d < rank; ++d) p *= axis()[d].out;
        return p;
    }
    int64_t window() const {
        int64_t p = 1;
        for (int64_t d = 0; d < rank; ++d) p *= axis()[d].window;
        return p;
    }
    // Where a group begins.
    template <class T>
    const T* image(const T* x, int64_t group) const {
        return x + (feature_groups > 1 ? group * group_channels() * x_channel : group * group_images() * x_image);
    }
    template <class T>
    const T* weights(const T* w, int64_t group) const {
        return w + group * group_outputs() * w_output;
    }
    template <class T>
    T* result(T* y, int64_t group) const {
        return y + group * group_outputs() * y_output;
    }
};

// f(begin, end) for parts of [0, n), on several threads where that pays.
template <class F>
void share(int64_t n, double ns_each, const F& f) {
    jt_parallel([](void* f, int64_t begin, int64_t end) { (*static_cast<const F*>(f))(begin, end); },
                const_cast<void*>(static_cast<const void*>(&f)), n, 1, ns_each);
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

// ---- runs of an image along one axis

// Elements at places base + j * step, j < length, of an axis whose elements are `spread` apart; 0 between and outside.
struct Run {
    int64_t begin = 0, end = 0, every = 1;  // the j that meet elements
    int64_t first = 0, move = 0;            // the first element met, and how far the next one is
};

Run make_run(const Axis& a, int64_t base, int64_t step, int64_t length) {
    Run r;
    const int64_t reach = (a.in - 1) * a.spread;
    r.begin = std::max<int64_t>(0, ceil_div(-base, step));
    r.end = std::min(length, floor_div(reach - base, step) + 1);
    if (a.in == 0 || r.begin >= r.end) {
        r.begin = r.end = 0;
        return r;
    }
    if (a.spread > 1) {
        int64_t tried = 0;
        while (tried < a.spread && r.begin < r.end && (base + r.begin * step) % a.spread) ++r.begin, ++tried;
        if (tried == a.spread || r.begin >= r.end) {
            r.begin = r.end = 0;
            return r;
        }
        for (r.every = 1; (r.every * step) % a.spread; ++r.every) {}
    }
    r.first = (base + r.begin * step) / a.spread;
    r.move = r.every * step / a.spread;
    return r;
}

template <class T>
void copy_run(const Run& r, const T* from, int64_t distance, T* to, int64_t length) {
    if (r.begin > 0) std::fill(to, to + r.begin, T(0));
    const T* p = from + r.first * distance;
    const int64_t step = r.move * distance;
    if (r.every == 1 && step == 1) {
        memcpy(to + r.begin, p, size_t(r.end - r.begin) * sizeof(T));
    } else if (r.every == 1) {
        for (int64_t j = r.begin; j < r.end; ++j, p += step) to[j] = *p;
    } else {
        std::fill(to + r.begin, to + r.end, T(0));
        for (int64_t j = r.begin; j < r.end; j += r.every, p += step) to[j] = *p;
    }
    if (r.end < length) std::fill(to + r.end, to + length, T(0));
}

// The element of an axis at a place of the padded image; -1 if there is none.
int64_t element(const Axis& a, int64_t place) {
    if (a.spread > 1) {
        if (place < 0 || place % a.spread) return -1;
        place /= a.spread;
    }
    return place >= 0 && place < a.in ? place : -1;
}

// ---- by products of matrices

// How the packed windows lie: [window][place], or [place][window] with the window's channels or last axis in runs.
enum class Order { places, window, channels, as_is_rows, as_is_columns };

struct Shape {
    int64_t terms, places, outputs;       // of a group: terms of each sum, places of one image
    int64_t block, parts, part;           // places of a block; parts of the sums, and the terms of each
    bool spans_images;
    Order order;
};

constexpr int64_t kDeep = 1024;  // terms that are packed at once

// Whether the windows of one element are a matrix as they lie.
bool plain_windows(const Plan& p) {
    int64_t expected = -1;
    for (int64_t d = p.rank - 1; d >= 0; --d) {
        const Axis& a = p.axis()[d];
        if (a.window != 1 || a.stride != 1 || a.low != 0 || a.spread != 1 || a.in != a.out) return false;
        if (expected >= 0 && a.x != expected && a.in > 1) return false;
        expected = (expected < 0 ? a.x : expected) * a.in;
    }
    return true;
}

template <class T>
Shape make_shape(const Plan& p) {
    Shape s;
    s.terms = p.group_channels() * p.window();
    s.places = p.places();
    s.outputs = p.group_outputs();
    const Axis& last = p.last();
    int64_t best = -1;
    auto offer = [&](Order order, int64_t length, int64_t step) {
        int64_t worth = (step == 1 ? 2 : 1) * std::min<int64_t>(length, 64);
        if (worth > best) best = worth, s.order = order;
    };
    offer(Order::places, last.out, last.x * last.stride);
    offer(Order::channels, p.group_channels(), p.x_channel);
    offer(Order::window, last.window, last.x * last.gap);
    s.spans_images = s.places < 64;
    if (!s.spans_images && plain_windows(p)) {
        if (last.x == 1) s.order = Order::as_is_rows;
        if (p.x_channel == 1) s.order = Order::as_is_columns;
    }
    const int64_t cached = (512 << 10) / int64_t(sizeof(T));
    const int64_t deep = std::min<int64_t>(s.terms, kDeep);
    s.block = std::max<int64_t>(16, std::min<int64_t>(cached / std::max<int64_t>(deep, 1), 4096));
    const int64_t all = s.spans_images ? s.places * p.group_images() : s.places;
    s.block = std::min(s.block, all);
    const int64_t blocks = p.groups() * ((all + s.block - 1) / s.block) * (s.spans_images ? 1 : p.group_images());
    // sums of very many terms are split, so that there is something to share
    s.parts = blocks >= 8 ? 1 : std::max<int64_t>(1, std::min<int64_t>(8, s.terms / 4096));
    s.part = (s.terms + s.parts - 1) / s.parts;
    return s;
}

// Term number -> channel and place in the window, in the order of the packed windows.
struct Term {
    int64_t channel, place;
};
Term term(const Plan& p, Order order, int64_t k) {
    if (order == Order::channels || order == Order::as_is_columns)
        return {k % p.group_channels(), k / p.group_channels()};
    return {k / p.window(), k % p.window()};
}

// Splits a number into indices of all axes.
template <class F>
void indices(const Plan& p, int64_t number, int64_t* out, const F& size) {
    for (int64_t d = p.rank - 1; d >= 0; --d) {
        out[d] = number % size(p.axis()[d]);
        number /= size(p.axis()[d]);
    }
}

constexpr int64_t kMostAxes = 16;

// The next index of the axes before `end`; true when all have been.
template <class F>
bool advance(const Plan& p, int64_t end, int64_t* at, const F& size) {
    for (int64_t d = end - 1; d >= 0; --d) {
        if (++at[d] < size(p.axis()[d])) return false;
        at[d] = 0;
    }
    return true;
}
constexpr auto of_window = [](const Axis& a) { return a.window; };
constexpr auto of_places = [](const Axis& a) { return a.out; };

// Whether the weights of a channel lie in the order of the terms.
bool window_contiguous(const Plan& p) {
    int64_t expected = 1;
    for (int64_t d = p.rank - 1; d >= 0; --d) {
        const Axis& a = p.axis()[d];
        if (a.window > 1 && a.w != expected) return false;
        expected *= a.window;
    }
    return true;
}

// The weights of a group as [outputs][terms].
template <class T>
void pack_weights(const Plan& p, const Shape& s, const T* w, T* to) {
    const int64_t window = p.window(), channels = p.group_channels();
    if (s.order != Order::channels && s.order != Order::as_is_columns && window_contiguous(p)) {
        for (int64_t o = 0; o < s.outputs; ++o)
            for (int64_t c = 0; c < channels; ++c, to += window)
                memcpy(to, w + o * p.w_output + c * p.w_channel, size_t(window) * sizeof(T));
        return;
    }
    for (int64_t k = 0; k < s.terms; ++k, ++to) {
        const Term t = term(p, s.order, k);
        int64_t at[kMostAxes];
        indices(p, t.place, at, of_window);
        const T* from = w + t.channel * p.w_channel;
        for (int64_t d = 0; d < p.rank; ++d) from += at[d] * p.axis()[d].w;
        for (int64_t o = 0; o < s.outputs; ++o) to[o * s.terms] = from[o * p.w_output];
    }
}

// Where the window of a place begins; of all axes but the last the offset in memory is known for a place of the window.
template <class T>
struct Packer {
    const Plan& p;
    const Shape& s;
    const T* x;  // of the group

    // The offset of a window element along the axes before the last; false where it lies outside.
    bool outer(const int64_t* place, const int64_t* inside, int64_t& offset) const {
        for (int64_t d = 0; d + 1 < p.rank; ++d) {
            const Axis& a = p.axis()[d];
            int64_t e = element(a, place[d] * a.stride + inside[d] * a.gap - a.low);
            if (e < 0) return false;
            offset += e * a.x;
        }
        return true;
    }

    // Places [begin, end), counted over all images of the group; terms [first, last).
    void pack(int64_t begin, int64_t end, int64_t first, int64_t last, T* to) const {
        if (s.order == Order::places)
            by_places(begin, end, first, last, to);
        else
            by_terms(begin, end, first, last, to);
    }

    void by_places(int64_t begin, int64_t end, int64_t first, int64_t last, T* to) const {
        const Axis& a = p.last();
        const int64_t rank = p.rank, window = p.window();
        int64_t start[kMostAxes], inside[kMostAxes];
        indices(p, begin % s.places, start, of_places);
        indices(p, first % window, inside, of_window);
        int64_t channel = first / window;
        for (int64_t k = first; k < last; ++k) {
            int64_t place[kMostAxes], image = begin / s.places, x0 = start[rank - 1];
            std::copy(start, start + rank, place);
            const int64_t base = inside[rank - 1] * a.gap - a.low;
            const Run full = make_run(a, base, a.stride, a.out);
            for (int64_t q = begin; q < end; x0 = 0) {
                const int64_t length = std::min(a.out - x0, end - q);
                int64_t offset = image * p.x_image + channel * p.x_channel;
                if (!outer(place, inside, offset))
                    std::fill(to, to + length, T(0));
                else if (length == a.out)
                    copy_run(full, x + offset, a.x, to, length);
                else
                    copy_run(make_run(a, x0 * a.stride + base, a.stride, length), x + offset, a.x, to, length);
                to += length;
                q += length;
                if (advance(p, rank - 1, place, of_places)) ++image;
            }
            if (advance(p, rank, inside, of_window)) ++channel;
        }
    }

    void by_terms(int64_t begin, int64_t end, int64_t first, int64_t last, T* to) const {
        int64_t place[kMostAxes], image = begin / s.places;
        indices(p, begin % s.places, place, of_places);
        for (int64_t q = begin; q < end; ++q, to += last - first) {
            if (s.order == Order::channels)
                one_by_channels(place, image, first, last, to);
            else
                one_by_windows(place, image, first, last, to);
            if (advance(p, p.rank, place, of_places)) ++image;
        }
    }

    // The window of one place: all channels of an element together.
    void one_by_channels(const int64_t* place, int64_t image, int64_t first, int64_t last, T* to) const {
        const Axis& a = p.last();
        const int64_t channels = p.group_channels();
        int64_t inside[kMostAxes], channel = first % channels;
        indices(p, first / channels, inside, of_window);
        for (int64_t k = first; k < last; channel = 0) {
            const int64_t length = std::min(channels - channel, last - k);
            int64_t offset = image * p.x_image + channel * p.x_channel;
            int64_t e = element(a, place[p.rank - 1] * a.stride + inside[p.rank - 1] * a.gap - a.low);
            if (e >= 0 && !outer(place, inside, offset)) e = -1;
            const T* from = x + offset + e * a.x;
            if (e < 0)
                std::fill(to, to + length, T(0));
            else if (p.x_channel == 1)
                memcpy(to, from, size_t(length) * sizeof(T));
            else
                for (int64_t j = 0; j < length; ++j) to[j] = from[j * p.x_channel];
            to += length;
            k += length;
            advance(p, p.rank, inside, of_window);
        }
    }

    // The window of one place: its last axis in runs.
    void one_by_windows(const int64_t* place, int64_t image, int64_t first, int64_t last, T* to) const {
        const Axis& a = p.last();
        const int64_t rank = p.rank, window = p.window();
        int64_t inside[kMostAxes], channel = first / window;
        indices(p, first % window, inside, of_window);
        const int64_t base = place[rank - 1] * a.stride - a.low;
        const Run full = make_run(a, base, a.gap, a.window);
        int64_t skipped = inside[rank - 1];
        for (int64_t k = first; k < last; skipped = 0) {
            const int64_t length = std::min(a.window - skipped, last - k);
            int64_t offset = image * p.x_image + channel * p.x_channel;
            if (!outer(place, inside, offset))
                std::fill(to, to + length, T(0));
            else if (length == a.window)
                copy_run(full, x + offset, a.x, to, length);
            else
                copy_run(make_run(a, base + skipped * a.gap, a.gap, length), x + offset, a.x, to, length);
            to += length;
            k += length;
            if (advance(p, rank - 1, inside, of_window)) ++channel;
        }
    }
};

// The distance of neighbouring places in the result if it is one number, else 0.
int64_t result_step(const Plan& p) {
    int64_t step = 0, expected = 0;
    for (int64_t d = p.rank - 1; d >= 0; --d) {
        const Axis& a = p.axis()[d];
        if (a.out == 1) continue;
        if (!step)
            step = a.y;
        else if (a.y != expected)
            return 0;
        expected = a.y * a.out;
    }
    return step ? step : 1;
}

template <class T>
void gemm(bool columns_first, int64_t outputs, int64_t places, int64_t terms, const T* w, int64_t ldw, const T* b,
          int64_t ldb, bool b_by_places, T* c, int64_t ldc, bool add) {
    const T one(1), beta(add ? 1 : 0);
    const int o = int(outputs), n = int(places), k = int(terms), lw = int(ldw), lb = int(ldb), lc = int(ldc);
    if (columns_first)  // c[place][output]
        library<T>.gemm("T", b_by_places ? "N" : "T", &o, &n, &k, &one, w, &lw, b, &lb, &beta, c, &lc);
    else  // c[output][place]
        library<T>.gemm(b_by_places ? "T" : "N", "N", &n, &o, &k, &one, b, &lb, w, &lw, &beta, c, &lc);
}

// Like by_rows and convolve it gives false where there was no memory to work in.
template <class T>
bool by_products(const Plan& p, const T* x, const T* w, T* y) {
    const Shape s = make_shape<T>(p);
    const int64_t images = p.group_images(), all = s.places * images;
    const int64_t per_image = s.spans_images ? 0 : (s.places + s.block - 1) / s.block;
    const int64_t blocks = s.spans_images ? (all + s.block - 1) / s.block : per_image * images;
    const int64_t step = result_step(p), tasks = p.groups() * blocks * s.parts;
    const bool as_is = s.order == Order::as_is_rows || s.order == Order::as_is_columns;
    const bool by_places = s.order != Order::places && s.order != Order::as_is_rows;  // packed windows in rows
    const int64_t deep = std::min<int64_t>(s.part, kDeep);
    const int64_t weights = s.outputs * s.terms, packed = as_is ? 0 : s.block * deep, result = s.outputs * s.block;
    Workspace all_weights(p.groups() * weights * int64_t(sizeof(T)));
    Workspace sums(s.parts > 1 ? s.parts * p.outputs * all * int64_t(sizeof(T)) : 0);
    T* wp = reinterpret_cast<T*>(all_weights.get());
    T* partial = reinterpret_cast<T*>(sums.get());
    if (!wp || !partial) return false;
    std::atomic<bool> done{true};
    share(p.groups(), double(weights), [&](int64_t begin, int64_t end) {
        for (int64_t g = begin; g < end; ++g) pack_weights(p, s, p.weights(w, g), wp + g * weights);
    });

    auto scatter = [&](const T* from, int64_t ld, int64_t g, int64_t begin, int64_t end) {
        const Axis& a = p.last();
        int64_t place[kMostAxes], image = begin / s.places;
        indices(p, begin % s.places, place, of_places);
        int64_t x0 = place[p.rank - 1];
        for (int64_t q = begin; q < end; x0 = 0) {
            const int64_t length = std::min(a.out - x0, end - q);
            T* to = p.result(y, g) + image * p.y_image + x0 * a.y;
            for (int64_t d = 0; d + 1 < p.rank; ++d) to += place[d] * p.axis()[d].y;
            for (int64_t o = 0; o < s.outputs; ++o) {
                const T* row = from + o * ld + q - begin;
                T* target = to + o * p.y_output;
                for (int64_t j = 0; j < length; ++j) target[j * a.y] = row[j];
            }
            q += length;
            if (advance(p, p.rank - 1, place, of_places)) ++image;
        }
    };
    auto task = [&](int64_t number, T* window, T* block) {
        const int64_t part = number % s.parts, g = number / s.parts / blocks, b = number / s.parts % blocks;
        int64_t begin, end;
        if (s.spans_images) {
            begin = b * s.block;
            end = std::min(all, begin + s.block);
        } else {
            const int64_t start = b / per_image * s.places;
            begin = start + b % per_image * s.block;
            end = std::min(start + s.places, begin + s.block);
        }
        const int64_t n = end - begin, image = begin / s.places;
        const T* xs = p.image(x, g);
        T* out = block;
        int64_t ld = n;
        bool columns_first = false, direct = false;
        if (s.parts > 1) {
            out = partial + (part * p.groups() + g) * s.outputs * all + begin;
            ld = all;
            direct = true;
        } else if (!s.spans_images && step == 1) {
            out = p.result(y, g) + image * p.y_image + begin % s.places;
            ld = p.y_output;
            direct = true;
        } else if (!s.spans_images && step && p.y_output == 1) {
            out = p.result(y, g) + image * p.y_image + begin % s.places * step;
            ld = step;
            direct = columns_first = true;
        }
        if (!columns_first) ld = std::max(ld, n);  // of one row BLAS takes no distance less than its length
        const int64_t stop = std::min(s.terms, (part + 1) * s.part);
        bool add = false;
        for (int64_t k = part * s.part; k < stop; k += deep) {
            const int64_t some = std::min(deep, stop - k);
            const T* windows = window;
            int64_t ldb = by_places ? some : n;
            if (as_is) {
                const int64_t at = p.last().x * (begin % s.places);
                windows = xs + image * p.x_image + at + k * p.x_channel;
                ldb = s.order == Order::as_is_rows ? p.x_channel : p.last().x;
                ldb = std::max(ldb, by_places ? some : n);
            } else {
                Packer<T>{p, s, xs}.pack(begin, end, k, k + some, window);
            }
            gemm(columns_first, s.outputs, n, some, wp + g * weights + k, s.terms, windows, ldb, by_places, out, ld, add);
            add = true;
        }
        if (!direct) scatter(block, ld, g, begin, end);
    };

    const double ns = double(s.outputs) * double(s.block) * double(s.part) * 0.02 * sizeof(T) / 4;
    OneThread guard(true);
    auto range = [&](int64_t begin, int64_t end) {
        Workspace own((packed + result + 32) * int64_t(sizeof(T)));
        T* window = reinterpret_cast<T*>(own.get());
        if (!window) done = false;
        for (int64_t k = begin; window && k < end; ++k) task(k, window, window + (packed + 15) / 16 * 16);
    };
    share(tasks, ns, range);
    if (s.parts == 1 || !done) return done;
    for (int64_t g = 0; g < p.groups(); ++g) {
        T* first = partial + g * s.outputs * all;
        for (int64_t part = 1; part < s.parts; ++part) {
            const T* more = partial + (part * p.groups() + g) * s.outputs * all;
            for (int64_t i = 0; i < s.outputs * all; ++i) first[i] += more[i];
        }
        scatter(first, all, g, 0, all);
    }
    return true;
}

// ---- by sums of shifted rows

template <class T>
Taps<T> choose_taps() {
#if defined(__x86_64__)
    if (vectors() == Vectors::avx512) return taps_avx512<T>();
    if (vectors() == Vectors::avx2) return taps_avx2<T>();
#endif
    return taps_plain<T>();
}

// A copy of one image of a group (of results [begin, end) along the first axis) in which all windows are complete. Along the
// last axis, elements that belong to the same place of neighbouring windows are neighbours: [stride][length].
template <class T>
struct Padded {
    const Plan& p;
    int64_t begin, end;
    int64_t size[kMostAxes], pitch[kMostAxes];
    int64_t phase = 0;  // distance of elements that are neighbours in the image, along the last axis
    int64_t total = 1;  // of one channel

    Padded(const Plan& p, int64_t begin, int64_t end) : p(p), begin(begin), end(end) {
        for (int64_t d = p.rank - 1; d >= 0; --d) {
            const Axis& a = p.axis()[d];
            const int64_t outs = d == 0 ? end - begin : a.out;
            int64_t n = (outs - 1) * a.stride + (a.window - 1) * a.gap + 1;
            if (d == p.rank - 1) {
                phase = ceil_div(n, a.stride);
                n = phase * a.stride;
            }
            size[d] = n;
            pitch[d] = total;
            total *= n;
        }
    }
    // Of a place of the padded image; along the last axis of a place in windows.
    int64_t last_offset(int64_t place) const {
        const int64_t s = p.last().stride;
        if (s == 1) return place;
        return place % s * phase + place / s;
    }

    void fill(const T* x, T* to) const { fill(x, 0, p.group_channels(), to); }

    // Channels [first, last).
    void fill(const T* x, int64_t first, int64_t last, T* to) const {
        const Axis& a = p.last();
        const int64_t rows = total / size[p.rank - 1];
        for (int64_t c = first; c < last; ++c)
            for (int64_t r = 0; r < rows; ++r, to += size[p.rank - 1]) {
                int64_t rest = r, offset = c * p.x_channel;
                bool there = true;
                for (int64_t d = p.rank - 2; d >= 0; --d) {
                    const int64_t place = rest % size[d] + (d == 0 ? begin * p.axis()[0].stride : 0) - p.axis()[d].low;
                    rest /= size[d];
                    const int64_t e = element(p.axis()[d], place);
                    there = there && e >= 0;
                    offset += e * p.axis()[d].x;
                }
                if (!there) {
                    std::fill(to, to + size[p.rank - 1], T(0));
                    continue;
                }
                const int64_t start = (p.rank == 1 ? begin * a.stride : 0) - a.low;
                for (int64_t f = 0; f < a.stride; ++f)
                    copy_run(make_run(a, start + f, a.stride, phase), x + offset, a.x, to + f * phase, phase);
            }
    }
};

template <class T>
bool by_rows(const Plan& p, const T* x, const T* w, T* y) {
    const Taps<T> taps = choose_taps<T>();
    const int64_t terms = p.group_channels() * p.window(), outputs = p.group_outputs(), rank = p.rank;
    const Axis& a = p.last();
    // slices along the first axis, so that there is something to share
    const int64_t each = std::max<int64_t>(1, rank == 1 ? (terms > 512 ? 1024 : 8192) : ceil_div(32768, std::max<int64_t>(1, p.places() / p.axis()[0].out)));
    const int64_t slices = ceil_div(p.axis()[0].out, each), tasks = p.groups() * p.group_images() * slices;
    std::atomic<bool> done{true};
    auto task = [&](int64_t number) {
        const int64_t slice = number % slices, image = number / slices % p.group_images(), g = number / slices / p.group_images();
        const int64_t begin = slice * each, end = std::min(p.axis()[0].out, begin + each);
        const Padded<T> padded(p, begin, end);
        const int64_t rows = rank == 1 ? 1 : (end - begin) * (p.places() / (p.axis()[0].out * a.out));
        const int64_t length = rank == 1 ? end - begin : a.out;
        Workspace own((padded.total * p.group_channels() + terms + length + 64) * int64_t(sizeof(T)) + terms * 8);
        int64_t* offsets = reinterpret_cast<int64_t*>(own.get());
        if (!offsets) {
            done = false;
            return;
        }
        T* copy = reinterpret_cast<T*>(offsets + terms);
        T* weights = copy + padded.total * p.group_channels();
        T* row = weights + terms;
        // along one axis, of one channel: terms that meet the image somewhere
        int64_t low = 0, high = terms;
        if (rank == 1 && p.group_channels() == 1) {
            low = std::max<int64_t>(0, ceil_div(a.low - (end - 1) * a.stride, a.gap));
            high = std::min(terms, floor_div((a.in - 1) * a.spread + a.low - begin * a.stride, a.gap) + 1);
            high = std::max(low, high);
        }
        padded.fill(p.image(x, g) + image * p.x_image, copy);
        int64_t inside[kMostAxes] = {}, channel = 0;
        for (int64_t k = 0; k < terms; ++k) {
            offsets[k] = channel * padded.total + padded.last_offset(inside[rank - 1] * a.gap);
            for (int64_t d = 0; d + 1 < rank; ++d) offsets[k] += inside[d] * p.axis()[d].gap * padded.pitch[d];
            if (advance(p, rank, inside, of_window)) ++channel;
        }
        for (int64_t o = 0; o < outputs; ++o) {
            for (int64_t k = channel = 0; k < terms; ++k) {
                int64_t at = channel * p.w_channel + o * p.w_output;
                for (int64_t d = 0; d < rank; ++d) at += inside[d] * p.axis()[d].w;
                weights[k] = p.weights(w, g)[at];
                if (advance(p, rank, inside, of_window)) ++channel;
            }
            for (int64_t r = 0; r < rows; ++r) {
                int64_t rest = r, from = 0, to = image * p.y_image + o * p.y_output;
                for (int64_t d = rank - 2; d >= 0; --d) {
                    const Axis& outer = p.axis()[d];
                    const int64_t count = d == 0 ? end - begin : outer.out, at = rest % count;
                    rest /= count;
                    from += at * outer.stride * padded.pitch[d];
                    to += (at + (d == 0 ? begin : 0)) * outer.y;
                }
                if (rank == 1) to += begin * a.y;
                T* target = p.result(y, g) + to;
                taps(copy + from, offsets + low, weights + low, high - low, a.y == 1 ? target : row, length);
                if (a.y != 1)
                    for (int64_t j = 0; j < length; ++j) target[j * a.y] = row[j];
            }
        }
    };
    const double ns = double(terms) * double(outputs) * double(p.places()) * double(p.group_images() * p.groups()) /
                      double(tasks) * 0.05 * sizeof(T) / 4;
    auto range = [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) task(k);
    };
    share(tasks, ns, range);
    return done;
}

// ---- by sums of whole shifted images

constexpr int64_t kFlatBlock = 128;         // places that are computed together
constexpr int64_t kFlatSlice = 4096;        // places of a slice that is one task
constexpr int64_t kFlatBytes = 256 << 10;   // of the part of the image that a block reads

// Whether the padded image can be run through as one row, so that vectors do not end where rows do; what is computed
// between rows, where windows go round a corner, is thrown away.
template <class T>
bool is_flat(const Plan& p) {
    if (p.rank < 2 || p.window() == 1) return false;
    int64_t pitch = 1, reach = 0, span = 1;
    for (int64_t d = p.rank - 1; d >= 0; --d) {
        const Axis& a = p.axis()[d];
        if (a.stride != 1) return false;
        reach += (a.window - 1) * a.gap * pitch;
        span += (a.out - 1) * pitch;
        pitch *= a.out + (a.window - 1) * a.gap;
    }
    return span >= 32 && 5 * span <= 7 * p.places() &&
           p.group_channels() * (kFlatBlock + reach) * int64_t(sizeof(T)) <= kFlatBytes;
}

// Elements [low, high) of a row of several outputs.
template <class T>
void write_rows(const T* from, T* to, int64_t low, int64_t high, int64_t outputs, int64_t step, int64_t step_output) {
    if (step_output == 1 && step != 1) {  // outputs are neighbours
        for (int64_t j = low; j < high; ++j)
            for (int64_t o = 0; o < outputs; ++o) to[j * step + o] = from[o * kFlatBlock + j];
        return;
    }
    for (int64_t o = 0; o < outputs; ++o, from += kFlatBlock, to += step_output)
        if (step == 1)
            for (int64_t j = low; j < high; ++j) to[j] = from[j];
        else
            for (int64_t j = low; j < high; ++j) to[j * step] = from[j];
}

template <class T>
TapsOfMany<T> choose_taps_of_many() {
#if defined(__x86_64__)
    if (vectors() == Vectors::avx512) return taps_of_many_avx512<T>();
    if (vectors() == Vectors::avx2) return taps_of_many_avx2<T>();
#endif
    return taps_of_many_plain<T>();
}

constexpr int64_t kFlatOutputs = 8;  // that are computed together

template <class T>
bool by_flat_rows(const Plan& p, const T* x, const T* w, T* y) {
    const TapsOfMany<T> taps = choose_taps_of_many<T>();
    const int64_t terms = p.group_channels() * p.window(), outputs = p.group_outputs(), rank = p.rank;
    const Axis& a = p.last();
    const int64_t outer = p.axis()[0].out, each = std::max<int64_t>(1, ceil_div(kFlatSlice * outer, p.places()));
    const int64_t slices = ceil_div(outer, each), tasks = p.groups() * p.group_images() * slices;
    Workspace all_weights(p.groups() * outputs * terms * int64_t(sizeof(T)));
    T* weights = reinterpret_cast<T*>(all_weights.get());
    if (!weights) return false;
    Shape s;
    s.terms = terms, s.outputs = outputs, s.order = Order::places;
    for (int64_t g = 0; g < p.groups(); ++g) pack_weights(p, s, p.weights(w, g), weights + g * outputs * terms);
    std::atomic<bool> done{true};
    auto task = [&](int64_t number) {
        const int64_t slice = number % slices, image = number / slices % p.group_images(), g = number / slices / p.group_images();
        const int64_t begin = slice * each, end = std::min(outer, begin + each);
        const Padded<T> padded(p, begin, end);
        const int64_t rows = (end - begin) * (p.places() / (outer * a.out));
        int64_t span = a.out + (end - begin - 1) * padded.pitch[0];
        for (int64_t d = 1; d + 1 < rank; ++d) span += (p.axis()[d].out - 1) * padded.pitch[d];
        const int64_t copied = padded.total * p.group_channels();
        Workspace own((terms + 2 * rows) * 8 + (copied + (1 + kFlatOutputs) * kFlatBlock) * int64_t(sizeof(T)));
        int64_t* offsets = reinterpret_cast<int64_t*>(own.get());
        if (!offsets) {
            done = false;
            return;
        }
        int64_t *starts = offsets + terms, *targets = starts + rows;  // of rows, in the padded image and in the result
        T *copy = reinterpret_cast<T*>(targets + rows), *block = copy + copied + kFlatBlock;
        padded.fill(p.image(x, g) + image * p.x_image, copy);
        std::fill(copy + copied, block, T(0));
        int64_t at[kMostAxes] = {}, channel = 0;
        for (int64_t k = 0; k < terms; ++k) {
            offsets[k] = channel * padded.total;
            for (int64_t d = 0; d < rank; ++d) offsets[k] += at[d] * p.axis()[d].gap * padded.pitch[d];
            if (advance(p, rank, at, of_window)) ++channel;
        }
        std::fill(at, at + rank, 0);
        for (int64_t r = 0; r < rows; ++r) {
            starts[r] = 0;
            targets[r] = image * p.y_image + begin * p.axis()[0].y;
            for (int64_t d = 0; d + 1 < rank; ++d) {
                starts[r] += at[d] * padded.pitch[d];
                targets[r] += at[d] * p.axis()[d].y;
            }
            advance(p, rank - 1, at, of_places);
        }
        const T* own_weights = weights + g * outputs * terms;
        T* result = p.result(y, g);
        int64_t first = 0;  // row that a block meets
        for (int64_t q = 0; q < span; q += kFlatBlock) {
            const int64_t length = std::min(kFlatBlock, ceil_div(span - q, 32) * 32);
            while (first + 1 < rows && starts[first] + a.out <= q) ++first;
            for (int64_t o = 0; o < outputs; o += kFlatOutputs) {
                const int64_t some = std::min(kFlatOutputs, outputs - o);
                taps(copy + q, offsets, own_weights + o * terms, terms, some, terms, block, kFlatBlock, length);
                for (int64_t r = first; r < rows && starts[r] < q + length; ++r) {
                    const int64_t low = std::max<int64_t>(0, q - starts[r]), high = std::min(a.out, q + length - starts[r]);
                    const T* from = block + starts[r] - q;
                    T* to = result + o * p.y_output + targets[r];
                    write_rows(from, to, low, high, some, a.y, p.y_output);
                }
            }
        }
    };
    const double ns = double(terms) * double(outputs) * double(p.places()) * double(p.group_images() * p.groups()) /
                      double(tasks) * 0.02 * sizeof(T) / 4;
    share(tasks, ns, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) task(k);
    });
    return done;
}

// ---- by long sums at shifted places

template <class T>
Dots<T> choose_dots() {
#if defined(__x86_64__)
    if (vectors() == Vectors::avx512) return dots_avx512<T>();
    if (vectors() == Vectors::avx2) return dots_avx2<T>();
#endif
    return dots_plain<T>();
}

constexpr int64_t kLeastRun = 256;         // elements of a window, from which runs are long
constexpr int64_t kCopyBytes = 384 << 10;  // of the padded channels that are worked on together
constexpr int64_t kRunPiece = 1024;        // elements of a run that stay in the nearest cache
constexpr int64_t kMostRunParts = 8;

// Whether windows are so much larger than the result that padding them costs little.
bool has_long_runs(const Plan& p) {
    int64_t padded = 1;
    for (int64_t d = 0; d < p.rank; ++d) {
        const Axis& a = p.axis()[d];
        if (a.stride != 1 || a.spread != 1 || a.gap != 1) return false;
        padded *= a.out + a.window - 1;
    }
    return p.group_channels() * p.window() >= kLeastRun && 2 * p.window() >= padded && p.window() > 1;
}

template <class T>
class LongRuns {
    const Plan& p;
    Padded<T> padded;
    int64_t images, channels, outputs, places, columns;
    int64_t parts, each, together, pitch, image_pitch;  // channels of a part, and of them those worked on together

  public:
    explicit LongRuns(const Plan& p) : p(p), padded(p, 0, p.axis()[0].out) {
        images = p.group_images(), channels = p.group_channels(), outputs = p.group_outputs(), places = p.places();
        columns = images * places;
        // what is shared among threads follows from the shapes alone
        const double macs = double(outputs) * double(columns) * double(channels) * double(padded.total);
        const int64_t wanted = std::max<int64_t>(1, int64_t(macs / 1e6));
        parts = std::min({kMostRunParts, channels, wanted});
        each = ceil_div(channels, parts);
        parts = ceil_div(channels, each);
        const int64_t bytes = (images + outputs) * padded.total * int64_t(sizeof(T));
        together = std::max<int64_t>(1, std::min(each, kCopyBytes / bytes));
        pitch = ceil_div(together * padded.total, kDotsStep) * kDotsStep;
        image_pitch = together * padded.total;
    }

    // False where there is no memory to work in, or where zeros times what is not finite would spoil sums.
    bool run(const T* x, const T* w, T* y) const {
        Workspace sums(p.groups() * parts * outputs * columns * int64_t(sizeof(T)));
        T* all = reinterpret_cast<T*>(sums.get());
        if (!all) return false;
        std::fill(all, all + p.groups() * parts * outputs * columns, T(0));
        std::atomic<bool> good{true};
        const double macs = double(outputs) * double(columns) * double(each) * double(padded.total);
        share(p.groups() * parts, macs * 0.01 * sizeof(T), [&](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end && good; ++k) {
                const int64_t g = k / parts, first = k % parts * each;
                if (!part(p.image(x, g), p.weights(w, g), first, std::min(channels, first + each),
                          all + k * outputs * columns))
                    good = false;
            }
        });
        if (!good) return false;
        for (int64_t g = 0; g < p.groups(); ++g) {
            T* first = all + g * parts * outputs * columns;
            for (int64_t k = 1; k < parts; ++k)
                for (int64_t i = 0; i < outputs * columns; ++i) first[i] += first[k * outputs * columns + i];
            scatter(first, p.result(y, g));
        }
        return true;
    }

  private:
    // The sums over channels [first, last).
    bool part(const T* x, const T* w, int64_t first, int64_t last, T* sums) const {
        const Dots<T> dots = choose_dots<T>();
        const int64_t copies = images * image_pitch, beyond = padded.total + kDotsStep;
        Workspace own((copies + beyond + outputs * pitch) * int64_t(sizeof(T)) + columns * 8);
        int64_t* offsets = reinterpret_cast<int64_t*>(own.get());
        if (!offsets) return false;
        T* image = reinterpret_cast<T*>(offsets + columns);
        T* weights = image + copies + beyond;
        places_of_columns(offsets);
        for (int64_t c = first; c < last; c += together) {
            const int64_t count = std::min(together, last - c), used = count * padded.total;
            T rest = 0;
            for (int64_t n = 0; n < images; ++n) {
                T* to = image + n * image_pitch;
                padded.fill(x + n * p.x_image, c, c + count, to);
                std::fill(to + used, to + image_pitch, T(0));
            }
            std::fill(image + copies, image + copies + beyond, T(0));
            for (int64_t i = 0; i < copies; ++i) rest += image[i] * T(0);
            if (rest != T(0)) return false;
            pack(w, c, count, weights);
            const int64_t length = ceil_div(used, kDotsStep) * kDotsStep;
            for (int64_t t = 0; t < length; t += kRunPiece)
                dots(weights + t, pitch, outputs, image + t, offsets, columns, std::min(kRunPiece, length - t), sums);
        }
        return true;
    }

    // Where the window of each result begins in the padded images.
    void places_of_columns(int64_t* offsets) const {
        int64_t at[kMostAxes] = {};
        for (int64_t c = 0; c < places; ++c) {
            int64_t offset = 0;
            for (int64_t d = 0; d < p.rank; ++d) offset += at[d] * padded.pitch[d];
            for (int64_t n = 0; n < images; ++n) offsets[n * places + c] = n * image_pitch + offset;
            advance(p, p.rank, at, of_places);
        }
    }

    // The weights of some channels in the shape of the padded images, zeros behind the window.
    void pack(const T* w, int64_t first, int64_t count, T* to) const {
        const Axis& a = p.last();
        std::fill(to, to + outputs * pitch, T(0));
        for (int64_t o = 0; o < outputs; ++o)
            for (int64_t c = 0; c < count; ++c) {
                int64_t at[kMostAxes] = {};
                do {
                    const T* from = w + o * p.w_output + (first + c) * p.w_channel;
                    T* row = to + o * pitch + c * padded.total;
                    for (int64_t d = 0; d + 1 < p.rank; ++d) {
                        from += at[d] * p.axis()[d].w;
                        row += at[d] * padded.pitch[d];
                    }
                    for (int64_t j = 0; j < a.window; ++j) row[j] = from[j * a.w];
                } while (!advance(p, p.rank - 1, at, of_window));
            }
    }

    void scatter(const T* sums, T* y) const {
        for (int64_t o = 0; o < outputs; ++o)
            for (int64_t n = 0; n < images; ++n) {
                int64_t at[kMostAxes] = {};
                for (int64_t c = 0; c < places; ++c) {
                    T* to = y + n * p.y_image + o * p.y_output;
                    for (int64_t d = 0; d < p.rank; ++d) to += at[d] * p.axis()[d].y;
                    *to = sums[o * columns + n * places + c];
                    advance(p, p.rank, at, of_places);
                }
            }
    }
};

template <class T>
bool convolve_dense(const Plan& p, const T* x, const T* w, T* y) {
    if (has_long_runs(p) && LongRuns<T>(p).run(x, w, y)) return true;
    if (is_flat<T>(p)) return by_flat_rows(p, x, w, y);
    const bool few = p.group_outputs() < 4 && (p.last().out >= 16 || p.group_channels() * p.window() < 256);
    return few ? by_rows(p, x, w, y) : by_products(p, x, w, y);
}

template <class T>
void fill_zeros(const Plan& p, T* y) {
    int64_t at[kMostAxes] = {};
    do {
        T* to = y;
        for (int64_t d = 0; d < p.rank; ++d) to += at[d] * p.axis()[d].y;
        for (int64_t n = 0; n < p.group_images(); ++n)
            for (int64_t o = 0; o < p.outputs; ++o) to[n * p.y_image + o * p.y_output] = T(0);
    } while (!advance(p, p.rank, at, of_places));
}

struct OwnPlan {
    Plan plan;
    Axis axes[kMostAxes];
};
static_assert(sizeof(OwnPlan) == sizeof(Plan) + kMostAxes * sizeof(Axis), "axes follow the plan");

// Where elements of the image are `spread` apart and windows are not, every spread-th place of the result meets the same part of
// the window: as many convolutions, without zeros between elements.
template <class T>
bool convolve(const Plan& p, const T* x, const T* w, T* y);

// Where windows are dilated and larger than the result: every gap-th place meets the same elements of the image.
template <class T>
bool convolve_dilated(const Plan& p, int64_t d, const T* x, const T* w, T* y) {
    const Axis a = p.axis()[d];
    OwnPlan own;
    own.plan = p;
    std::copy(p.axis(), p.axis() + p.rank, own.axes);
    for (int64_t r = 0; r < std::min(a.gap, a.out); ++r) {
        const int64_t first = ((r - a.low) % a.gap + a.gap) % a.gap;  // of the image
        Axis& part = own.axes[d];
        part = a;
        part.gap = 1;
        part.out = ceil_div(a.out - r, a.gap);
        part.y = a.y * a.gap;
        part.in = first < a.in ? ceil_div(a.in - first, a.gap) : 0;
        part.x = a.x * a.gap;
        part.low = (first - r + a.low) / a.gap;
        if (!convolve(own.plan, part.in ? x + first * a.x : x, w, y + r * a.y)) return false;
    }
    return true;
}

template <class T>
bool convolve(const Plan& p, const T* x, const T* w, T* y) {
    for (int64_t d = 0; d < p.rank; ++d) {
        const Axis& a = p.axis()[d];
        if (a.gap > 1 && a.stride == 1 && a.spread == 1 && a.window >= 2 * a.out)
            return convolve_dilated(p, d, x, w, y);
    }
    int64_t d = 0;
    while (d < p.rank && !(p.axis()[d].spread > 1 && p.axis()[d].stride == 1 && p.axis()[d].gap == 1)) ++d;
    if (d == p.rank) return convolve_dense(p, x, w, y);
    const Axis a = p.axis()[d];
    OwnPlan own;
    own.plan = p;
    std::copy(p.axis(), p.axis() + p.rank, own.axes);
    for (int64_t r = 0; r < std::min(a.spread, a.out); ++r) {
        const int64_t first = ((a.low - r) % a.spread + a.spread) % a.spread;  // of the window
        Axis& part = own.axes[d];
        part = a;
        part.out = ceil_div(a.out - r, a.spread);
        part.y = a.y * a.spread;
        if (first >= a.window) {
            fill_zeros(own.plan, y + r * a.y);
            continue;
        }
        part.window = ceil_div(a.window - first, a.spread);
        part.low = (a.low - r - first) / a.spread;
        part.spread = 1;
        part.w = a.w * a.spread;
        if (!convolve(own.plan, x, w + first * a.w, y + r * a.y)) return false;
    }
    return true;
}

// A routine cannot fail: without memory to work in the result is nan.
template <class T>
void run(const Plan& p, void** ins, void** outs) {
    T* y = static_cast<T*>(outs[0]);
    if (!convolve(p, static_cast<const T*>(ins[0]), static_cast<const T*>(ins[1]), y))
        std::fill(y, y + p.group_images() * p.outputs * p.places(), std::numeric_limits<T>::quiet_NaN());
}

void jt_convolve(void** ins, void** outs, const int64_t* args) {
    const Plan& p = *reinterpret_cast<const Plan*>(args);
    p.bytes == 8 ? run<double>(p, ins, outs) : run<float>(p, ins, outs);
}

}  // namespace

// args: those of Plan, then of an Axis for each spatial axis; no array is empty.
const RoutineEntry* convolutions() {
    static const RoutineEntry table[] = {{"jt_convolve", &jt_convolve}, {nullptr, nullptr}};
    return table;
}

}  // namespace jt
