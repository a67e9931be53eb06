// Clock readings between the parts of a compiled program, for profiles: jt_tick(args: address of a table, part).
#include <chrono>

#include "routines.h"

namespace {

thread_local int64_t last_reading = 0;

int64_t now() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

void add(int64_t* where, int64_t amount) { __atomic_fetch_add(where, amount, __ATOMIC_RELAXED); }

}  // namespace

// The table holds (nanoseconds, count) of each part; part -1 begins a run. Several threads may add to one table.
JT_EXPORT void jt_tick(void**, void**, const int64_t* args) {
    auto* table = reinterpret_cast<int64_t*>(args[0]);
    int64_t part = args[1], time = now();
    if (part >= 0) {
        add(table + 2 * part, time - last_reading);
        add(table + 2 * part + 1, 1);
    }
    last_reading = now();
}
