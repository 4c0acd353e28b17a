// false_active, false_passive: threads write to small blocks that the allocator may have placed on one cache line.
// In real life: per-thread counters and small work items. Active: the allocator itself hands neighbouring blocks to
// different threads. Passive: one thread makes neighbouring blocks, passes them on, and the allocator lets each thread
// reuse the neighbour of another's (Berger and others, 2000, call these cache-thrash and cache-scratch).
#include "../driver/bench.h"

struct sharing {
    uint64_t rounds;
    uint32_t writes, size;
    void **first; // one block per thread, all made by the main thread; NULL when active
};

static void sharing_body(unsigned index, void *arg) {
    const struct sharing *w = arg;
    if (w->first != NULL)
        free(w->first[index]);
    for (uint64_t i = 0; i < w->rounds; i++) {
        volatile char *block = must_malloc(w->size);
        for (uint32_t k = 0; k < w->writes; k++)
            block[k % w->size]++;
        free((void *)block);
    }
}

static void sharing_run(bool passive) {
    struct sharing w = {
        .rounds = arg_u64("rounds", 20000), .writes = (uint32_t)arg_u64("writes", 500), .size = (uint32_t)arg_u64("size", 8)};
    unsigned threads = (unsigned)arg_u64("threads", 2);
    if (passive) {
        w.first = bench_map(threads * sizeof *w.first);
        for (unsigned i = 0; i < threads; i++)
            w.first[i] = must_malloc(w.size);
    }
    bench_run_threads(threads, sharing_body, &w, w.rounds * threads);
}

void workload_false_active(void) {
    sharing_run(false);
}

void workload_false_passive(void) {
    sharing_run(true);
}
