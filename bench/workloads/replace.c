// replace: a heap of `live` blocks in which a random one is freed and replaced, again and again.
// In real life: an object cache, an in-memory database, the heap of any long-running server. With a million blocks and
// more nothing fits the processor's caches, so what counts is how many cache lines and pages an operation touches.
#include "../driver/bench.h"

struct replace {
    uint64_t ops;
    uint32_t live, low, high;
    void **slots; // threads * live
};

static void replace_body(unsigned index, void *arg) {
    const struct replace *w = arg;
    void **slots = w->slots + (size_t)index * w->live;
    struct rng r = rng_make(index + 100);
    for (uint64_t i = 0; i < w->ops; i++) {
        uint32_t slot = rng_below(&r, w->live);
        free(slots[slot]);
        slots[slot] = must_malloc(rng_between(&r, w->low, w->high));
        touch_head(slots[slot]);
    }
}

void workload_replace(void) {
    struct replace w = {.ops = arg_u64("ops", 2 << 20),
                        .live = (uint32_t)arg_u64("live", 10000),
                        .low = (uint32_t)arg_u64("low", 16),
                        .high = (uint32_t)arg_u64("high", 128)};
    unsigned threads = (unsigned)arg_u64("threads", 1);
    size_t slots = (size_t)threads * w.live;
    w.slots = bench_map(slots * sizeof *w.slots);
    struct rng r = rng_make(7);
    for (size_t i = 0; i < slots; i++) {
        w.slots[i] = must_malloc(rng_between(&r, w.low, w.high));
        touch_head(w.slots[i]);
    }
    bench_run_threads(threads, replace_body, &w, w.ops * threads);
}
