// short_threads: threads that live for a hundred allocations. many_threads: hundreds of threads alive at once.
// In real life: a thread per request, std::async, a test runner (short); a Java-like server with a thread per connection
// on few processors (many). What a thread's first allocation, its exit, and its caches cost shows here.
#include "../driver/bench.h"

struct short_threads {
    uint32_t lives, blocks;
};

static void *short_life(void *arg) {
    const struct short_threads *w = arg;
    void *blocks[1024];
    for (uint32_t i = 0; i < w->blocks; i++) {
        blocks[i] = must_malloc(16 + 16 * (i % 32));
        touch_head(blocks[i]);
    }
    for (uint32_t i = 0; i < w->blocks; i++)
        free(blocks[i]);
    return NULL;
}

static void short_body(unsigned index, void *arg) {
    (void)index;
    for (uint32_t i = 0; i < ((const struct short_threads *)arg)->lives; i++)
        pthread_join(bench_thread(short_life, arg, 256), NULL);
}

void workload_short_threads(void) {
    struct short_threads w = {(uint32_t)arg_u64("lives", 2000), (uint32_t)arg_u64("blocks", 100)};
    unsigned threads = (unsigned)arg_u64("threads", 2);
    if (w.blocks > 1024)
        bench_fail("blocks= is out of range");
    bench_run_threads(threads, short_body, &w, (uint64_t)w.lives * threads);
}

struct many_threads {
    uint64_t ops; // per thread
    uint32_t live;
};

static void many_body(unsigned index, void *arg) {
    const struct many_threads *w = arg;
    struct rng r = rng_make(index);
    void *slots[1024] = {0};
    for (uint64_t i = 0; i < w->ops; i++) {
        uint32_t slot = rng_below(&r, w->live);
        free(slots[slot]);
        slots[slot] = must_malloc(rng_between(&r, 16, 1024));
        touch_head(slots[slot]);
    }
    for (uint32_t i = 0; i < w->live; i++)
        free(slots[i]);
}

void workload_many_threads(void) {
    struct many_threads w = {arg_u64("ops", 10000), (uint32_t)arg_u64("live", 100)};
    unsigned threads = (unsigned)arg_u64("threads", 200);
    if (w.live > 1024)
        bench_fail("live= is out of range");
    bench_run_threads(threads, many_body, &w, w.ops * threads);
}
