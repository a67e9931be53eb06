// The buffer pool: 64-byte aligned memory that is kept and reused, because fresh pages cost more than arithmetic.
// Begin with jt_alloc and jt_free.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "jitney.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace jt {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHugePage = size_t(2) << 20;
constexpr int kClasses = 4 * 48;

// Sits in the 64 bytes in front of every buffer.
struct alignas(kAlign) Header {
    Header* next;
    size_t bytes;  // whole block, header included
    int cls;
};
static_assert(sizeof(Header) == kAlign, "the header must keep buffers aligned");

// Held for a few instructions only, so spinning beats a mutex; yields in case the holder was descheduled.
class SpinLock {
    std::atomic<bool> held{false};

  public:
    void lock() {
        for (int i = 0; held.exchange(true, std::memory_order_acquire); ++i)
            if (i > 32) std::this_thread::yield();
    }
    void unlock() { held.store(false, std::memory_order_release); }
};

struct Pool {
    SpinLock lock;
    Header* free_list[kClasses] = {};
    int64_t cached = 0, live = 0, hits = 0, misses = 0;
    int64_t limit = -1;
};

// Never destroyed: buffers are still freed while the process shuts down.
Pool& pool() {
    static Pool* p = new Pool();
    return *p;
}

int64_t default_limit() {
    int64_t cap = int64_t(2) << 30;
#if !defined(_WIN32)
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0 && pages / 8 * page < cap) cap = pages / 8 * page;
#endif
    return cap;
}

int log2_floor(size_t x) {
#if defined(__GNUC__)
    return 63 - __builtin_clzll(x);
#else
    int r = 0;
    while (x >>= 1) ++r;
    return r;
#endif
}

// Four steps per power of two: at most a quarter of a block is slack.
int size_class(size_t bytes, size_t* rounded) {
    if (bytes <= 256) {
        size_t k = (bytes + 63) / 64;
        *rounded = k * 64;
        return int(k - 1);
    }
    int e = log2_floor(bytes - 1);  // 2^e < = bytes - 1
    size_t step = size_t(1) << (e - 2);
    size_t k = (bytes + step - 1) / step;  // 5..8
    *rounded = k * step;
    return 4 * (e - 7) + int(k - 5);
}

#if defined(__linux__)
// Large blocks are mappings of their own: memory that malloc gives again may have been touched in small pages, and keeps them.
size_t mapped_bytes(size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

void* map_large(size_t bytes) {
    const size_t whole = mapped_bytes(bytes);
    char* p = static_cast<char*>(
        mmap(nullptr, whole + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (p == MAP_FAILED) return nullptr;
    const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(p) % kHugePage) % kHugePage;
    if (before) munmap(p, before);
    if (before < kHugePage) munmap(p + before + whole, kHugePage - before);
    madvise(p + before, whole, MADV_HUGEPAGE);
    return p + before;
}
#endif

bool is_large(size_t bytes) { return bytes >= 2 * kHugePage; }

void* system_alloc(size_t bytes) {
#if defined(_WIN32)
    return _aligned_malloc(bytes, kAlign);
#else
#if defined(__linux__)
    if (is_large(bytes)) return map_large(bytes);
#endif
    void* p = nullptr;
    return posix_memalign(&p, kAlign, bytes) == 0 ? p : nullptr;
#endif
}

void system_free(Header* h) {
#if defined(_WIN32)
    _aligned_free(h);
#else
#if defined(__linux__)
    if (is_large(h->bytes)) {
        munmap(h, mapped_bytes(h->bytes));
        return;
    }
#endif
    std::free(h);
#endif
}

}  // namespace

PoolStats pool_stats() {
    Pool& p = pool();
    p.lock.lock();
    PoolStats s{p.live, p.cached, p.limit < 0 ? default_limit() : p.limit, p.hits, p.misses};
    p.lock.unlock();
    return s;
}

int64_t pool_trim() {
    Pool& p = pool();
    Header* doomed = nullptr;
    p.lock.lock();
    int64_t freed = p.cached;
    for (Header*& head : p.free_list)
        while (head) {
            Header* h = head;
            head = h->next;
            h->next = doomed;
            doomed = h;
        }
    p.cached = 0;
    p.lock.unlock();
    while (doomed) {
        Header* h = doomed;
        doomed = h->next;
        system_free(h);
    }
    return freed;
}

void pool_set_limit(int64_t bytes) {
    Pool& p = pool();
    p.lock.lock();
    p.limit = bytes;
    p.lock.unlock();
}

void pool_before_fork() { pool().lock.lock(); }
void pool_after_fork() { pool().lock.unlock(); }

}  // namespace jt

void* jt_alloc(int64_t size) {
    using namespace jt;
    if (size < 0 || size > (int64_t(1) << 46)) return nullptr;
    size_t bytes;
    int cls = size_class(size_t(size) + sizeof(Header), &bytes);
    Pool& p = pool();
    p.lock.lock();
    p.live += int64_t(bytes);
    Header* h = p.free_list[cls];
    if (JT_LIKELY(h != nullptr)) {
        p.free_list[cls] = h->next;
        p.cached -= int64_t(bytes);
        p.hits++;
        p.lock.unlock();
        return h + 1;
    }
    p.misses++;
    p.lock.unlock();
    h = static_cast<Header*>(system_alloc(bytes));
    if (!h) {  // give the cache back before giving up
        pool_trim();
        h = static_cast<Header*>(system_alloc(bytes));
    }
    if (!h) {
        p.lock.lock();
        p.live -= int64_t(bytes);
        p.lock.unlock();
        return nullptr;
    }
    h->bytes = bytes;
    h->cls = cls;
    return h + 1;
}

void jt_free(void* ptr) {
    using namespace jt;
    if (!ptr) return;
    Header* h = static_cast<Header*>(ptr) - 1;
    Pool& p = pool();
    p.lock.lock();
    if (JT_UNLIKELY(p.limit < 0)) p.limit = default_limit();
    p.live -= int64_t(h->bytes);
    bool keep = p.cached + int64_t(h->bytes) <= p.limit;
    if (keep) {
        h->next = p.free_list[h->cls];
        p.free_list[h->cls] = h;
        p.cached += int64_t(h->bytes);
    }
    p.lock.unlock();
    if (!keep) system_free(h);
}
