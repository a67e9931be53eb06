// The thread pool behind jt_parallel_for: lazy, persistent, restarted in forked children; how many threads it has.
// Begin with jt_parallel; Workers holds the hand-over protocol, siblings() what processes of one pool have each.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "jitney.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <dirent.h>
#include <pthread.h>
#include <unistd.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace jt {
namespace {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// ---- how many threads -------------------------------------------------------------------------

int env_int(const char* name) {
    const char* s = std::getenv(name);
    if (!s || !*s) return 0;
    int v = std::atoi(s);  // OMP_NUM_THREADS may be a list "4,2": the first entry counts
    return v > 0 ? v : 0;
}

#if defined(__linux__)
int quota_threads(double quota, double period) {
    return quota > 0 && period > 0 ? std::max(1, int(std::ceil(quota / period))) : 0;
}

// Containers and batch systems limit processors by a time quota which the affinity mask does not show.
int cgroup_limit() {
    int best = 0;
    auto take = [&](int n) {
        if (n > 0 && (best == 0 || n < best)) best = n;
    };
    auto read_v2 = [&](const std::string& dir) {
        std::ifstream f(dir + "/cpu.max");
        std::string quota;
        double period = 0;
        if (f >> quota >> period && quota != "max") take(quota_threads(std::atof(quota.c_str()), period));
    };
    auto read_v1 = [&](const std::string& dir) {
        std::ifstream fq(dir + "/cpu.cfs_quota_us"), fp(dir + "/cpu.cfs_period_us");
        double quota = 0, period = 0;
        if (fq >> quota && fp >> period) take(quota_threads(quota, period));
    };
    const std::string root = "/sys/fs/cgroup";
    std::ifstream self("/proc/self/cgroup");
    std::string line;
    while (std::getline(self, line)) {
        auto c1 = line.find(':'), c2 = line.find(':', c1 + 1);
        if (c1 == std::string::npos || c2 == std::string::npos) continue;
        std::string controllers = line.substr(c1 + 1, c2 - c1 - 1), path = line.substr(c2 + 1);
        if (controllers.empty()) {
            // a quota on any ancestor binds as well
            for (std::string p = path; p.size() > 1; p = p.substr(0, p.rfind('/'))) read_v2(root + p);
        } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
            read_v1(root + "/cpu" + path);
            read_v1(root + "/cpu,cpuacct" + path);
        }
    }
    read_v2(root);
    read_v1(root + "/cpu");
    return best;
}
#endif

// A number for each process, which holds also where several share the machine.
int asked_by_environment() {
    const int asked = env_int("JITNEY_NUM_THREADS");
    return asked ? asked : env_int("OMP_NUM_THREADS");
}

int default_threads() {
    int n = int(std::thread::hardware_concurrency());
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    if (int q = cgroup_limit()) n = std::min(n, q);
#endif
    n = std::max(n, 1);
    if (int task = env_int("SLURM_CPUS_PER_TASK")) n = std::min(n, task);
    const int asked = asked_by_environment();
    return asked ? std::min(n, asked) : n;
}

std::atomic<int> g_threads{0};       // 0: not decided yet
std::atomic<bool> g_asked{false};    // by set_num_threads
JT_TLS int t_limit = 0;         // of this thread alone; 0: none

// ---- processes that share the machine ---------------------------------------------------------------

using Clock = std::chrono::steady_clock;

std::atomic<int> g_parent{0};           // of a worker process: who started it and its siblings; 0: this is no worker
std::atomic<int> g_siblings{0};         // counted last, this process included; 0: never
std::atomic<Clock::rep> g_counted{0};   // when
constexpr std::chrono::milliseconds kCountAgain(200);

#if defined(__linux__)
// The arguments of a process without their digits: those that spawn passes differ in numbers only.
std::string command_of(const std::string& pid) {
    std::ifstream f("/proc/" + pid + "/cmdline", std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(f)), std::istreambuf_iterator<char>());
    text.erase(std::remove_if(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }), text.end());
    return text;
}

// Living processes of the same parent and the same command, this one included; 0: the system does not tell.
int count_siblings(int parent) {
    if (getppid() != parent) return 1;
    const std::string tasks = "/proc/" + std::to_string(parent) + "/task/";
    const std::string own = command_of("self");
    DIR* dir = opendir(tasks.c_str());
    if (!dir) return 0;
    int count = 0;
    while (dirent* entry = readdir(dir)) {
        if (entry->d_name[0] == '.') continue;
        std::ifstream children(tasks + entry->d_name + "/children");
        std::string pid;
        while (children >> pid) count += command_of(pid) == own;
    }
    closedir(dir);
    return count;
}
#else
int count_siblings(int) { return 0; }
#endif

// What a worker process may use of the `threads` of the machine.
int share_of(int threads) {
    const int parent = g_parent.load(std::memory_order_relaxed);
    if (!parent || threads == 1) return threads;
    const Clock::time_point last{Clock::duration(g_counted.load(std::memory_order_relaxed))}, now = Clock::now();
    int siblings = g_siblings.load(std::memory_order_relaxed);
    if (!siblings || now - last > kCountAgain) {
        siblings = count_siblings(parent);
        if (!siblings) siblings = threads;
        g_siblings.store(siblings, std::memory_order_relaxed);
        g_counted.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
    return std::max(1, threads / siblings);
}

// ---- where threads run --------------------------------------------------------------------------

#if defined(__linux__)
int this_cpu() { return sched_getcpu(); }

// Of a worker: the processors that it may use but for the one of its caller. A busy machine wakes threads on the
// processor of the one that wakes them, where they would take turns with it while others are free or yield.
class Elsewhere {
    cpu_set_t allowed_;
    bool known_;

  public:
    Elsewhere() : known_(sched_getaffinity(0, sizeof allowed_, &allowed_) == 0 && CPU_COUNT(&allowed_) > 1) {}

    void than(int cpu) {
        if (!known_ || cpu < 0 || cpu >= CPU_SETSIZE || sched_getcpu() != cpu) return;
        cpu_set_t rest = allowed_;
        CPU_CLR(cpu, &rest);
        sched_setaffinity(0, sizeof rest, &rest);
    }
};
#else
int this_cpu() { return -1; }

class Elsewhere {
  public:
    void than(int) {}
};
#endif

// ---- the pool ---------------------------------------------------------------------------------

JT_TLS bool t_inside = false;  // this thread is already working on a parallel region

// Estimated serial times, in nanoseconds. Handing work to threads that are awake costs a fraction of a microsecond;
// waking them costs the caller some ten microseconds, and they come twenty later.
constexpr double kAwake = 6e3, kAsleep = 40e3, kLong = 3e5;
constexpr std::chrono::microseconds kSpin(30);  // how long an idle thread stays awake
constexpr int kStreak = 3;                      // as many regions in close succession are worth waking threads for

struct Job {
    void (*fn)(void*, int64_t, int64_t);
    void* ctx;
    int64_t n, chunk;
};

class Workers {
    static constexpr uint32_t kClosed = 1u << 31;

    std::mutex run_lock_;  // one parallel region at a time
    Job job_{};
    std::atomic<int64_t> next_{0};
    std::atomic<uint32_t> inside_{kClosed};  // workers in the region, and whether it still lets any in
    std::atomic<uint32_t> helpers_{0};       // how many it wants
    std::atomic<uint64_t> round_{0};
    std::atomic<int> sleeping_{0};
    std::atomic<int> to_wake_{0};  // sleepers that those who are awake should still wake
    std::atomic<int> helped_{0};   // workers that came in time
    std::atomic<int> cpu_{-1};     // where the caller runs
    std::mutex sleep_lock_;
    std::condition_variable wake_;
    int started_ = 0;
    std::atomic<Clock::rep> last_{0};  // when the last region ended
    // Under run_lock_.
    int streak_ = 0;              // regions in close succession
    int in_vain_ = 0, skip_ = 0;  // wakings in succession that brought nobody in time, regions to go without

    void work() {
        const Job job = job_;
        for (;;) {
            int64_t begin = next_.fetch_add(job.chunk, std::memory_order_relaxed);
            if (begin >= job.n) return;
            job.fn(job.ctx, begin, std::min(job.n, begin + job.chunk));
        }
    }

    void worker_main() {
        t_inside = true;
        uint64_t seen = 0;
        auto until = Clock::now() + kSpin;
        Elsewhere elsewhere;
        for (;;) {
            wait_for_round(seen, until);
            seen = round_.load(std::memory_order_acquire);
            wake_some();
            elsewhere.than(cpu_.load(std::memory_order_relaxed));
            uint32_t before = inside_.fetch_add(1, std::memory_order_acq_rel);
            const bool in_time = !(before & kClosed) && before < helpers_.load(std::memory_order_acquire);
            if (in_time) {
                helped_.fetch_add(1, std::memory_order_relaxed);
                work();
            }
            inside_.fetch_sub(1, std::memory_order_acq_rel);
            if (in_time) until = Clock::now() + kSpin;
        }
    }

    // Loops of short calls are common: a thread that came in time stays awake for a while. One that was woken too
    // late sleeps on at once, as it may be taking the caller's own processor.
    void wait_for_round(uint64_t seen, Clock::time_point until) {
        while (Clock::now() < until) {
            for (int i = 0; i < 64; ++i) {
                if (round_.load(std::memory_order_acquire) != seen) return;
                cpu_relax();
            }
            std::this_thread::yield();  // the caller may be waiting for this processor
        }
        std::unique_lock<std::mutex> lock(sleep_lock_);
        sleeping_.fetch_add(1);
        wake_.wait(lock, [&] { return round_.load() != seen; });
        sleeping_.fetch_sub(1);
    }

    // Each of the woken wakes two more, so that the caller pays for one.
    void wake_some() {
        for (int i = 0; i < 2; ++i) {
            if (to_wake_.load(std::memory_order_relaxed) <= 0) return;
            if (to_wake_.fetch_sub(1, std::memory_order_relaxed) > 0) wake_.notify_one();
        }
    }

    void start(int workers) {
        for (; started_ < workers; ++started_) {
            try {
                std::thread([this] { worker_main(); }).detach();
            } catch (...) {
                return;  // no more threads to be had: the caller does the rest
            }
        }
    }

    // Whether to hand out a region of `ns` nanoseconds of work.
    bool pays(double ns, int helpers) {
        const Clock::time_point last{Clock::duration(last_.load(std::memory_order_relaxed))};
        streak_ = Clock::now() - last < kSpin ? streak_ + 1 : 0;
        if (started_ >= helpers && started_ - sleeping_.load() >= helpers) return true;
        if (ns < kAsleep && streak_ < kStreak) return false;
        if (skip_ > 0 && ns < kLong) return --skip_, false;
        return true;
    }

    // Where all processors are busy, those woken come too late, and cost the caller more than they bring.
    void learn(bool woke) {
        if (helped_.load(std::memory_order_relaxed) > 0) {
            in_vain_ = 0;
        } else if (woke && ++in_vain_ > 1) {
            skip_ = 1 << std::min(in_vain_, 5);
        }
    }

    bool hand_out(const Job& job, int helpers) {
        start(helpers);
        job_ = job;
        helped_.store(0, std::memory_order_relaxed);
        cpu_.store(this_cpu(), std::memory_order_relaxed);
        next_.store(0, std::memory_order_relaxed);
        helpers_.store(uint32_t(helpers), std::memory_order_relaxed);
        inside_.fetch_and(~kClosed, std::memory_order_acq_rel);
        round_.fetch_add(1);
        int asleep = std::min(sleeping_.load(), helpers);
        if (asleep > 0) {
            { std::lock_guard<std::mutex> lock(sleep_lock_); }  // a worker about to sleep sees the round first
            to_wake_.store(asleep - 1, std::memory_order_relaxed);
            wake_.notify_one();
        }
        t_inside = true;
        work();
        t_inside = false;
        // Workers that did not come in time are not waited for.
        inside_.fetch_or(kClosed, std::memory_order_acq_rel);
        to_wake_.store(0, std::memory_order_relaxed);
        for (int i = 0; inside_.load(std::memory_order_acquire) != kClosed; ++i) {
            if (i < 4096)
                cpu_relax();
            else
                std::this_thread::yield();
        }
        return asleep > 0;
    }

    bool try_run(const Job& job, int threads, double ns) {
        std::unique_lock<std::mutex> running(run_lock_, std::try_to_lock);
        if (!running.owns_lock()) return false;
        int64_t chunks = (job.n + job.chunk - 1) / job.chunk;
        int helpers = int(std::min<int64_t>(threads - 1, chunks - 1));
        if (!pays(ns, helpers)) return false;
        learn(hand_out(job, helpers));
        return true;
    }

  public:
    // By the caller alone when another caller is using the pool, or where threads would not pay.
    void run(const Job& job, int threads, double ns) {
        if (!try_run(job, threads, ns)) job.fn(job.ctx, 0, job.n);
        last_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    }
};

// Leaked on purpose: detached workers may still be asleep in it when the process ends, and a forked child,
// which has none of the parent's threads, simply takes a new one.
std::atomic<Workers*> g_workers{nullptr};
std::mutex* g_make_lock = new std::mutex;

Workers* workers() {
    Workers* w = g_workers.load(std::memory_order_acquire);
    if (w) return w;
    std::lock_guard<std::mutex> lock(*g_make_lock);
    w = g_workers.load();
    if (!w) g_workers.store(w = new Workers);
    return w;
}

std::atomic<int> g_callers{0};  // threads of the user's in parallel regions

struct Caller {
    const int others = g_callers.fetch_add(1, std::memory_order_relaxed);
    ~Caller() { g_callers.fetch_sub(1, std::memory_order_relaxed); }
};

// ---- fork -------------------------------------------------------------------------------------------

struct Held {
    std::mutex lock;
    std::vector<std::mutex*> locks;
};

// First asked while the extension is loaded, by what other files register then.
Held& held() {
    static Held* h = new Held;
    return *h;
}

std::atomic<int> g_forking{0};  // the process that forks

void before_fork() {
    held().lock.lock();
    for (std::mutex* m : held().locks) m->lock();
    pool_before_fork();
#if !defined(_WIN32)
    g_forking.store(int(getpid()));
#endif
}

void after_fork() {
    pool_after_fork();
    for (std::mutex* m : held().locks) m->unlock();
    held().lock.unlock();
}

void after_fork_in_child() {
    after_fork();
    g_make_lock = new std::mutex;
    g_workers.store(nullptr);
    t_inside = false;
    g_callers.store(0);
    // Where the parent is a worker itself, its children share what is its own.
    if (g_parent.load() && g_siblings.load()) g_threads.store(std::max(1, g_threads.load() / g_siblings.load()));
    join_siblings(g_forking.load());
}

}  // namespace

void hold_at_fork(std::mutex* m) {
    std::lock_guard<std::mutex> lock(held().lock);
    held().locks.push_back(m);
}

void join_siblings(int parent) {
    g_parent.store(parent);
    g_siblings.store(0);
}

void set_num_threads(int n) {
    g_asked.store(n > 0 || asked_by_environment() > 0);
    g_threads.store(n > 0 ? n : default_threads());
}

int process_threads() {
    int n = g_threads.load(std::memory_order_relaxed);
    if (n == 0) {
        set_num_threads(0);
        n = g_threads.load(std::memory_order_relaxed);
    }
    return g_asked.load(std::memory_order_relaxed) ? n : share_of(n);
}

int get_num_threads() { return t_limit > 0 ? t_limit : process_threads(); }

int limit_threads(int n) {
    int before = t_limit;
    t_limit = std::max(n, 0);
    return before;
}

void install_fork_handlers() {
#if !defined(_WIN32)
    static bool done = false;
    if (!done) pthread_atfork(before_fork, after_fork, after_fork_in_child);
    done = true;
#endif
}

}  // namespace jt

void jt_parallel(void (*fn)(void*, int64_t, int64_t), void* ctx, int64_t n, int64_t grain, double ns_each) {
    using namespace jt;
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    const double ns = ns_each > 0 ? ns_each * double(n) : HUGE_VAL;
    if (n > grain && ns > kAwake && !t_inside) {
        Caller caller;
        const int threads = get_num_threads() - caller.others;  // which are at work already
        if (threads > 1) {
            // About eight chunks a thread even out uneven work; a chunk is never below the grain.
            int64_t chunk = std::max(grain, (n + 8 * threads - 1) / (8 * threads));
            chunk = (chunk + grain - 1) / grain * grain;
            if (chunk < n) return workers()->run(Job{fn, ctx, n, chunk}, threads, ns);
        }
    }
    fn(ctx, 0, n);
}

void jt_parallel_for(void (*fn)(void*, int64_t, int64_t), void* ctx, int64_t n, int64_t grain) {
    jt_parallel(fn, ctx, n, grain, 0);
}

int jitney_get_num_threads() { return jt::process_threads(); }

void jitney_set_num_threads(int n) { jt::set_num_threads(n); }
