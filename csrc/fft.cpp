// jt_fft: fast Fourier transforms of whole arrays. Plans are made at the first use of a length and kept.
//
// Rows that a vector has lanes for are transformed together; longer ones one by one in two halves (columns, then rows
// of a matrix of n1 * n2 = n elements); lengths with large prime factors by a convolution. Other axes than the last
// are columns of matrices.
#include "fft.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <unordered_map>

#include "routines.h"
#include "vectors.h"

namespace jt {
namespace fft {
namespace {

// ---- roots of unity

// cos and sin of 2 pi k / n, to half an ulp: by symmetry angles of an eighth of the circle only.
struct Point {
    double c, s;
};
Point root(int64_t k, int64_t n) {
    k %= n;
    if (k < 0) k += n;
    const double pi = 3.14159265358979323846;
    const int64_t eighth = 8 * k;
    if (eighth <= n) return {std::cos(2 * pi * double(k) / double(n)), std::sin(2 * pi * double(k) / double(n))};
    if (eighth <= 2 * n) {
        double a = 2 * pi * double(n - 4 * k) / double(4 * n);
        return {std::sin(a), std::cos(a)};
    }
    if (eighth <= 4 * n) {
        if (eighth <= 3 * n) {
            double a = 2 * pi * double(4 * k - n) / double(4 * n);
            return {-std::sin(a), std::cos(a)};
        }
        double a = 2 * pi * double(n - 2 * k) / double(2 * n);
        return {-std::cos(a), std::sin(a)};
    }
    Point p = root(n - k, n);
    return {p.c, -p.s};
}

template <class T>
void append(std::vector<T>& to, Point p) {
    to.push_back(T(p.c));
    to.push_back(T(-p.s));
}

// exp(-i pi k / n) for k <= n / 2; of many, products of two roots.
template <class T>
std::vector<T> half_roots(int64_t n) {
    const int64_t most = n / 2 + 1, block = most > 4096 ? 1024 : most;
    std::vector<Point> fine, coarse;
    for (int64_t k = 0; k < block; ++k) fine.push_back(root(k, 2 * n));
    for (int64_t k = 0; k < most; k += block) coarse.push_back(root(k, 2 * n));
    std::vector<T> w;
    w.reserve(size_t(2 * most));
    for (int64_t k = 0; k < most; ++k) {
        const Point f = fine[size_t(k % block)], c = coarse[size_t(k / block)];
        append(w, k < block ? f : Point{f.c * c.c - f.s * c.s, f.c * c.s + f.s * c.c});
    }
    return w;
}

// ---- plans

std::vector<int> prime_factors(int64_t n) {
    std::vector<int> found;
    for (int p = 2; int64_t(p) * p <= n; p += 1 + (p > 2))
        for (; n % p == 0; n /= p) found.push_back(p);
    if (n > 1) found.push_back(int(std::min<int64_t>(n, std::numeric_limits<int>::max())));
    return found;
}

bool direct(int64_t n) {
    std::vector<int> f = prime_factors(n);
    return f.empty() || f.back() <= kLargestRadix;
}

// Passes that work on several points at once save memory traffic: fours and eights for twos.
std::vector<int> radices(int64_t n, bool eights) {
    std::vector<int> found;
    int twos = 0;
    for (; n % 2 == 0; n /= 2) ++twos;
    if (eights) {
        for (; twos >= 3 && twos != 4; twos -= 3) found.push_back(8);
    }
    for (; twos >= 2; twos -= 2) found.push_back(4);
    if (twos) found.push_back(2);
    for (int p : prime_factors(n)) found.push_back(p);
    return found;
}

template <class T>
Lanes<T> make_lanes(int64_t n, bool halves, bool eights) {
    Lanes<T> plan;
    plan.n = n;
    int64_t rest = n, s = 1;
    for (int r : radices(n, eights)) {
        const int64_t m = rest / r;
        plan.passes.push_back({r, m, s, int64_t(plan.twiddles.size()), int64_t(plan.roots.size())});
        for (int64_t i = 0; i < m; ++i)
            for (int k = 1; k < r; ++k) append(plan.twiddles, root(i * k, rest));
        if (r > 5 && r != 8)
            for (int k = 0; k < r; ++k) {
                Point p = root(k, r);
                plan.roots.push_back(T(p.c));
                plan.roots.push_back(T(p.s));
            }
        rest = m;
        s *= r;
    }
    if (halves) plan.halves = half_roots<T>(n);
    return plan;
}

int64_t up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// The divisor of n for which columns and rows together leave few lanes empty and are of similar length.
int64_t split_length(int64_t n, int lanes) {
    int64_t best = 1;
    double least = std::numeric_limits<double>::infinity();
    auto cost = [&](int64_t a, int64_t b) {
        return double(up(b, lanes)) * double(a) * (std::log2(double(a)) + 4) +
               double(up(a, lanes)) * double(b) * (std::log2(double(b)) + 4);
    };
    for (int64_t a = 1; a * a <= n; ++a) {
        if (n % a) continue;
        for (int64_t d : {a, n / a}) {
            double c = cost(d, n / d);
            if (c < least * 0.999) least = c, best = d;
        }
    }
    return best;
}

template <class T>
std::shared_ptr<const Row<T>> row_plan(int64_t n);

template <class T>
const Engine<T>& engine();

// Factors w^(k1 j2) as products of fine and coarse ones.
template <class T>
void make_factors(Row<T>& plan) {
    const int64_t wide = plan.padded();
    plan.low = std::max<int64_t>(1, int64_t(std::sqrt(double(plan.n1))));
    auto fill = [&](std::vector<T>& to, int64_t count, int64_t step) {
        to.assign(size_t(2 * wide * count), T(0));
        for (int64_t a = 0; a < count; ++a)
            for (int64_t j = 0; j < plan.n2; ++j) {
                Point p = root(a * step % plan.n * j, plan.n);
                to[size_t(2 * wide * a + j)] = T(p.c);
                to[size_t(2 * wide * a + wide + j)] = T(-p.s);
            }
    };
    fill(plan.fine, plan.low, 1);
    fill(plan.coarse, (plan.n1 + plan.low - 1) / plan.low, plan.low);
}

template <class T>
void transform_row(const Row<T>& plan, const T* in, T* out, bool inverse, T scale);

int64_t good_length(int64_t least) {
    int64_t best = std::numeric_limits<int64_t>::max();
    for (int64_t five = 1; five < 2 * least; five *= 5)
        for (int64_t three = five; three < 2 * least; three *= 3) {
            int64_t n = three;
            while (n < least) n *= 2;
            if (n % 16 == 0) best = std::min(best, n);
        }
    return best;
}

// exp(-i pi k^2 / n), and the transform of its conjugate, which is symmetric.
template <class T>
void make_convolution(Row<T>& plan) {
    const int64_t n = plan.n, m = good_length(2 * n - 1);
    plan.inner = row_plan<T>(m);
    plan.chirp.reserve(size_t(2 * n));
    int64_t square = 0;  // k^2 mod 2n
    for (int64_t k = 0; k < n; ++k) {
        append(plan.chirp, root(square, 2 * n));
        square = (square + 2 * k + 1) % (2 * n);
    }
    std::vector<T> points(size_t(2 * m), T(0));
    for (int64_t k = 0; k < n; ++k)
        for (int64_t at : {k, (m - k) % m}) {
            points[size_t(2 * at)] = plan.chirp[size_t(2 * k)];
            points[size_t(2 * at + 1)] = -plan.chirp[size_t(2 * k + 1)];
        }
    plan.kernel.resize(size_t(2 * m));
    transform_row(*plan.inner, points.data(), plan.kernel.data(), false, T(1) / T(m));
}

template <class T>
std::shared_ptr<Row<T>> make_row(int64_t n) {
    auto plan = std::make_shared<Row<T>>();
    plan->n = n;
    if (direct(n)) {
        const int lanes = engine<T>().lanes;
        plan->n1 = split_length(n, lanes);
        plan->n2 = n / plan->n1;
        const bool eights = lanes * sizeof(T) == 64;
        plan->columns = make_lanes<T>(plan->n1, false, eights);
        plan->rows = make_lanes<T>(plan->n2, false, eights);
        make_factors(*plan);
    } else {
        make_convolution(*plan);
    }
    return plan;
}

// Plans by length, for the life of the process.
template <class P>
class Plans {
    std::mutex lock_;
    std::unordered_map<int64_t, std::shared_ptr<const P>> known_;

  public:
    Plans() { hold_at_fork(&lock_); }

    template <class F>
    std::shared_ptr<const P> get(int64_t n, const F& make) {
        {
            std::lock_guard<std::mutex> guard(lock_);
            auto found = known_.find(n);
            if (found != known_.end()) return found->second;
        }
        std::shared_ptr<const P> made = make(n);
        std::lock_guard<std::mutex> guard(lock_);
        return known_.emplace(n, made).first->second;
    }
};

// Made when the extension is loaded: a fork must not find a thread at making them.
template <class P>
Plans<P>* const plans_of = new Plans<P>;

template <class T>
std::shared_ptr<const Row<T>> row_plan(int64_t n) {
    return plans_of<Row<T>>->get(n, [](int64_t n) { return make_row<T>(n); });
}

template <class T>
std::shared_ptr<const Lanes<T>> lanes_plan(int64_t n) {
    return plans_of<Lanes<T>>->get(n, [](int64_t n) {
        return std::make_shared<const Lanes<T>>(make_lanes<T>(n, true, engine<T>().lanes * sizeof(T) == 64));
    });
}

// Roots that join the halves of real transforms of length 2n.
template <class T>
std::shared_ptr<const std::vector<T>> half_plan(int64_t n) {
    return plans_of<std::vector<T>>->get(n, [](int64_t n) { return std::make_shared<const std::vector<T>>(half_roots<T>(n)); });
}

template <class T>
Engine<T> choose_engine() {
#if defined(__x86_64__)
    if (vectors() == Vectors::avx512) return engine_avx512<T>();
    if (vectors() == Vectors::avx2) return engine_avx2<T>();
#endif
    return engine_plain<T>();
}

template <class T>
const Engine<T> chosen_engine = choose_engine<T>();

template <class T>
const Engine<T>& engine() {
    return chosen_engine<T>;
}

// Working memory; without any the routine cannot give a result, and says so with nan.
template <class T>
class Memory {
    T* data_;

  public:
    explicit Memory(int64_t count) : data_(static_cast<T*>(jt_alloc(std::max<int64_t>(count, 8) * int64_t(sizeof(T))))) {}
    ~Memory() {
        if (data_) jt_free(data_);
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    T* get() const { return data_; }
};

template <class T>
void fill_nan(T* out, int64_t count) {
    std::fill(out, out + count, std::numeric_limits<T>::quiet_NaN());
}

double nanoseconds(int64_t n, int lanes) { return double(n) * (4 + std::log2(double(n) + 1)) * 4.0 / lanes; }

template <class F>
void share(int64_t n, int64_t grain, double ns_each, const F& fn) {
    jt_parallel([](void* f, int64_t begin, int64_t end) { (*static_cast<const F*>(f))(begin, end); },
                const_cast<void*>(static_cast<const void*>(&fn)), n, grain, ns_each);
}

// ---- one row

template <class T>
void convolve_row(const Row<T>& plan, const T* in, T* out, bool inverse, T scale) {
    const int64_t n = plan.n, m = plan.inner->n;
    Memory<T> memory(2 * m);
    T* x = memory.get();
    if (!x) return fill_nan(out, 2 * n);
    const T* w = plan.chirp.data();
    const T sign = inverse ? T(-1) : T(1);  // an inverse transform is one of conjugates
    for (int64_t k = 0; k < n; ++k) {
        T re = in[2 * k], im = in[2 * k + 1] * sign;
        x[2 * k] = re * w[2 * k] - im * w[2 * k + 1];
        x[2 * k + 1] = re * w[2 * k + 1] + im * w[2 * k];
    }
    std::fill(x + 2 * n, x + 2 * m, T(0));
    transform_row(*plan.inner, x, x, false, T(1));
    const T* f = plan.kernel.data();
    for (int64_t k = 0; k < m; ++k) {
        T re = x[2 * k], im = x[2 * k + 1];
        x[2 * k] = re * f[2 * k] - im * f[2 * k + 1];
        x[2 * k + 1] = re * f[2 * k + 1] + im * f[2 * k];
    }
    transform_row(*plan.inner, x, x, true, T(1));
    for (int64_t k = 0; k < n; ++k) {
        T re = x[2 * k] * scale, im = x[2 * k + 1] * scale;
        out[2 * k] = re * w[2 * k] - im * w[2 * k + 1];
        out[2 * k + 1] = (re * w[2 * k + 1] + im * w[2 * k]) * sign;
    }
}

template <class T>
void transform_row(const Row<T>& plan, const T* in, T* out, bool inverse, T scale) {
    if (plan.inner) return convolve_row(plan, in, out, inverse, scale);
    const Engine<T>& e = engine<T>();
    Memory<T> middle(2 * plan.n1 * plan.padded());
    if (!middle.get()) return fill_nan(out, 2 * plan.n);
    std::mutex lock;
    bool failed = false;
    auto run = [&](int64_t blocks, int64_t length, double ns, const auto& half) {
        share(blocks, 1, ns, [&](int64_t begin, int64_t end) {
            Memory<T> work(work_size(length, e.lanes));
            if (work.get()) {
                half(begin, end, work.get());
            } else {
                std::lock_guard<std::mutex> guard(lock);
                failed = true;
            }
        });
    };
    run((plan.n2 + e.lanes - 1) / e.lanes, plan.n1, nanoseconds(plan.n1 * e.lanes, e.lanes),
        [&](int64_t begin, int64_t end, T* work) { e.first(plan, in, middle.get(), begin, end, inverse, work); });
    run((plan.n1 + e.lanes - 1) / e.lanes, plan.n2, nanoseconds(plan.n2 * e.lanes, e.lanes),
        [&](int64_t begin, int64_t end, T* work) { e.second(plan, middle.get(), out, begin, end, inverse, scale, work); });
    if (failed) fill_nan(out, 2 * plan.n);
}

// ---- many rows

// Rows of n complex numbers; with `real` of 2n real ones.
template <class T>
void transform_rows(int64_t n, int64_t count, const T* in, int64_t in_step, T* out, int64_t out_step, bool inverse,
                    Real real, T scale) {
    const Engine<T>& e = engine<T>();
    const int64_t most = (512 << 10) / (4 * int64_t(sizeof(T)) * e.lanes);
    if (count * 2 >= e.lanes && n <= most && direct(n)) {
        auto plan = lanes_plan<T>(n);
        const int64_t blocks = (count + e.lanes - 1) / e.lanes;
        share(blocks, 1, nanoseconds(n * e.lanes, e.lanes), [&](int64_t begin, int64_t end) {
            Memory<T> work(work_size(n, e.lanes));
            for (int64_t b = begin; b < end; ++b) {
                const int64_t k = b * e.lanes, some = std::min<int64_t>(e.lanes, count - k);
                if (work.get())
                    e.rows(*plan, in + k * in_step, in_step, out + k * out_step, out_step, some, inverse, real, scale,
                           work.get());
                else
                    for (int64_t r = k; r < k + some; ++r) fill_nan(out + r * out_step, out_step);
            }
        });
        return;
    }
    auto plan = row_plan<T>(n);
    const auto halves = real == kNone ? nullptr : half_plan<T>(n);
    auto one = [&](int64_t r) {
        const T* from = in + r * in_step;
        T* to = out + r * out_step;
        if (real == kFromComplex) {
            e.join(n, halves->data(), from, to);
            from = to;
        }
        transform_row(*plan, from, to, inverse, scale);
        if (real == kToComplex) e.split(n, halves->data(), to);
    };
    if (count == 1) return one(0);
    share(count, 1, nanoseconds(n, 2), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) one(r);
    });
}

// ---- columns

// In each of `batch` matrices [n, columns], in place or from one array to another.
template <class T>
void transform_columns(int64_t n, int64_t batch, int64_t columns, const T* in, T* out, bool inverse, T scale) {
    if (n == 1 && in == out && scale == T(1)) return;
    const Engine<T>& e = engine<T>();
    if (direct(n)) {
        auto plan = lanes_plan<T>(n);
        const int64_t blocks = (columns + e.lanes - 1) / e.lanes;
        share(batch * blocks, 1, nanoseconds(n * e.lanes, e.lanes), [&](int64_t begin, int64_t end) {
            Memory<T> work(work_size(n, e.lanes));
            for (int64_t k = begin; k < end; ++k) {
                const int64_t at = 2 * n * columns * (k / blocks), c = (k % blocks) * e.lanes;
                if (work.get())
                    e.columns(*plan, in + at, out + at, columns, c, std::min(columns, c + e.lanes), inverse, scale,
                              work.get());
                else
                    fill_nan(out + at, 2 * n * columns);
            }
        });
        return;
    }
    auto plan = row_plan<T>(n);
    share(batch * columns, 1, nanoseconds(8 * n, 1), [&](int64_t begin, int64_t end) {
        Memory<T> memory(2 * n);
        T* row = memory.get();
        for (int64_t k = begin; k < end; ++k) {
            const int64_t at = 2 * (n * columns * (k / columns) + k % columns);
            if (!row) {
                fill_nan(out + at, 2);
                continue;
            }
            for (int64_t j = 0; j < n; ++j) {
                row[2 * j] = in[at + 2 * j * columns];
                row[2 * j + 1] = in[at + 2 * j * columns + 1];
            }
            transform_row(*plan, row, row, inverse, scale);
            for (int64_t j = 0; j < n; ++j) {
                out[at + 2 * j * columns] = row[2 * j];
                out[at + 2 * j * columns + 1] = row[2 * j + 1];
            }
        }
    });
}

// ---- arrays

enum Kind { kForward = 0, kInverse = 1, kRealForward = 2, kRealInverse = 3, kForwardAxes = 4, kInverseAxes = 5 };

struct Job {
    int64_t kind, batch, rank;
    const int64_t* lengths;
    int64_t product(int64_t begin, int64_t end) const {
        int64_t p = 1;
        for (int64_t k = begin; k < end; ++k) p *= lengths[k];
        return p;
    }
};

// Transforms along the axes before the last, whose rows are of `width` numbers.
template <class T>
void other_axes(const Job& job, int64_t width, const T* in, T* out, bool inverse, T scale) {
    for (int64_t k = job.rank - 2; k >= 0; --k) {
        transform_columns(job.lengths[k], job.batch * job.product(0, k), job.product(k + 1, job.rank - 1) * width, in, out,
                          inverse, scale);
        in = out;
        scale = T(1);
    }
}

template <class T>
void complex_job(const Job& job, const T* in, T* out) {
    const bool inverse = job.kind == kInverse;
    const int64_t n = job.lengths[job.rank - 1], rows = job.batch * job.product(0, job.rank - 1);
    const T scale = inverse ? T(1.0 / double(job.product(0, job.rank))) : T(1);
    transform_rows(n, rows, in, 2 * n, out, 2 * n, inverse, kNone, scale);
    other_axes(job, n, out, out, inverse, T(1));
}

// Along any axes of an array: `batch` is their number, after the lengths of all axes come theirs.
template <class T>
void axes_job(const Job& job, const T* in, T* out) {
    const bool inverse = job.kind == kInverseAxes;
    const int64_t* axes = job.lengths + job.rank;
    double points = 1;
    for (int64_t k = 0; k < job.batch; ++k) points *= double(job.lengths[axes[k]]);
    T scale = inverse ? T(1 / points) : T(1);
    for (int64_t k = 0; k < job.batch; ++k, in = out, scale = T(1)) {
        const int64_t a = axes[k], n = job.lengths[a], before = job.product(0, a);
        if (a == job.rank - 1)
            transform_rows(n, before, in, 2 * n, out, 2 * n, inverse, kNone, scale);
        else
            transform_columns(n, before, job.product(a + 1, job.rank), in, out, inverse, scale);
    }
}

template <class T>
void to_complex_job(const Job& job, const T* in, T* out) {
    const int64_t n = job.lengths[job.rank - 1], rows = job.batch * job.product(0, job.rank - 1), width = n / 2 + 1;
    if (n % 2 == 0) {
        transform_rows(n / 2, rows, in, n, out, 2 * width, false, kToComplex, T(1));
    } else {
        Memory<T> memory(4 * n);
        T* row = memory.get();
        if (!row) return fill_nan(out, 2 * rows * width);
        // two real rows are one complex one: the even and the odd part of its transform
        for (int64_t r = 0; r < rows; r += 2) {
            const bool two = r + 1 < rows;
            for (int64_t j = 0; j < n; ++j) {
                row[2 * j] = in[r * n + j];
                row[2 * j + 1] = two ? in[(r + 1) * n + j] : T(0);
            }
            T* z = row + 2 * n;
            transform_rows(n, 1, row, 2 * n, z, 2 * n, false, kNone, T(0.5));
            for (int64_t k = 0; k < width; ++k) {
                const int64_t o = (n - k) % n;
                T ar = z[2 * k], ai = z[2 * k + 1], br = z[2 * o], bi = z[2 * o + 1];
                T* to = out + 2 * (r * width + k);
                to[0] = ar + br;
                to[1] = ai - bi;
                if (two) {
                    to[2 * width] = ai + bi;
                    to[2 * width + 1] = br - ar;
                }
            }
        }
    }
    other_axes(job, width, out, out, false, T(1));
}

template <class T>
void from_complex_job(const Job& job, const T* in, T* out) {
    const int64_t n = job.lengths[job.rank - 1], outer = job.product(0, job.rank - 1), rows = job.batch * outer;
    const int64_t width = n / 2 + 1;
    const T scale = T(1.0 / (double(n) * double(outer)));
    Memory<T> memory(job.rank > 1 ? 2 * rows * width : 0);
    if (job.rank > 1) {
        if (!memory.get()) return fill_nan(out, rows * n);
        other_axes(job, width, in, memory.get(), true, T(1));
        in = memory.get();
    }
    if (n % 2 == 0) {
        transform_rows(n / 2, rows, in, 2 * width, out, n, true, kFromComplex, scale);
        return;
    }
    Memory<T> row_memory(2 * n);
    T* z = row_memory.get();
    if (!z) return fill_nan(out, rows * n);
    for (int64_t r = 0; r < rows; r += 2) {  // the sum a + i b of two rows gives both
        const bool two = r + 1 < rows;
        const T *a = in + 2 * r * width, *b = a + 2 * width;
        for (int64_t k = 0; k < width; ++k) {
            T ar = a[2 * k], ai = k ? a[2 * k + 1] : T(0);
            T br = two ? b[2 * k] : T(0), bi = two && k ? b[2 * k + 1] : T(0);
            const int64_t o = (n - k) % n;
            z[2 * o] = ar + bi;
            z[2 * o + 1] = br - ai;
            z[2 * k] = ar - bi;
            z[2 * k + 1] = ai + br;
        }
        transform_rows(n, 1, z, 2 * n, z, 2 * n, true, kNone, scale);
        for (int64_t j = 0; j < n; ++j) {
            out[r * n + j] = z[2 * j];
            if (two) out[(r + 1) * n + j] = z[2 * j + 1];
        }
    }
}

template <class T>
void run(const Job& job, const void* in, void* out) {
    const T* from = static_cast<const T*>(in);
    T* to = static_cast<T*>(out);
    if (job.kind == kRealForward)
        to_complex_job(job, from, to);
    else if (job.kind == kRealInverse)
        from_complex_job(job, from, to);
    else if (job.kind == kForwardAxes || job.kind == kInverseAxes)
        axes_job(job, from, to);
    else
        complex_job(job, from, to);
}

}  // namespace
}  // namespace fft
}  // namespace jt

// args: kind, bytes of a real number, batch, rank, lengths of the transforms of real numbers; or, of kinds 4 and 5, how many axes
// are transformed, the rank of the array, its lengths, and the axes.
void jt_fft(void** ins, void** outs, const int64_t* args) {
    using namespace jt::fft;
    const Job job{args[0], args[2], args[3], args + 4};
    if (args[1] == 8)
        run<double>(job, ins[0], outs[0]);
    else
        run<float>(job, ins[0], outs[0]);
}
