// latency: every single malloc and free is timed while threads replace blocks of mixed sizes in a large table.
// In real life: the worst request of ten thousand, an audio callback, a trading engine: an average hides the call that
// purged, took a lock, or mapped memory.
#include "../driver/bench.h"

struct latency {
    uint64_t ops;
    uint32_t live;
    void **slots;
    struct histogram *malloc_times, *free_times; // one per thread
};

static size_t mixed_size(struct rng *r) {
    uint32_t kind = rng_below(r, 1000);
    if (kind < 950)
        return rng_between(r, 16, 512);
    return kind < 999 ? rng_between(r, 512, 16384) : rng_between(r, 16384, 262144);
}

static void latency_body(unsigned index, void *arg) {
    const struct latency *w = arg;
    void **slots = w->slots + (size_t)index * w->live;
    struct histogram *malloc_times = &w->malloc_times[index], *free_times = &w->free_times[index];
    struct rng r = rng_make(index + 50);
    for (uint64_t i = 0; i < w->ops; i++) {
        uint32_t slot = rng_below(&r, w->live);
        size_t size = mixed_size(&r);
        uint64_t t0 = bench_ticks();
        free(slots[slot]);
        uint64_t t1 = bench_ticks();
        slots[slot] = must_malloc(size);
        uint64_t t2 = bench_ticks();
        hist_add(free_times, t1 - t0);
        hist_add(malloc_times, t2 - t1);
        touch_pages(slots[slot], size);
    }
}

void workload_latency(void) {
    struct latency w = {.ops = arg_u64("ops", 1 << 20), .live = (uint32_t)arg_u64("live", 20000)};
    unsigned threads = (unsigned)arg_u64("threads", 2);
    size_t slots = (size_t)threads * w.live;
    w.slots = bench_map(slots * sizeof *w.slots);
    w.malloc_times = bench_map(threads * sizeof *w.malloc_times);
    w.free_times = bench_map(threads * sizeof *w.free_times);
    struct rng r = rng_make(12);
    for (size_t i = 0; i < slots; i++)
        w.slots[i] = must_malloc(mixed_size(&r));
    bench_run_threads(threads, latency_body, &w, w.ops * threads);
    for (unsigned i = 1; i < threads; i++) {
        hist_merge(&w.malloc_times[0], &w.malloc_times[i]);
        hist_merge(&w.free_times[0], &w.free_times[i]);
    }
    struct histogram *clock = bench_map(sizeof *clock); // what the clock itself costs, and so adds to every figure
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t t0 = bench_ticks(), t1 = bench_ticks();
        hist_add(clock, t1 - t0);
    }
    hist_print("clock", clock);
    hist_print("malloc", &w.malloc_times[0]);
    hist_print("free", &w.free_times[0]);
}
