// exchange: threads replace random blocks of a table, then die and hand the table on to a new thread.
// In real life: a server that keeps sessions while its worker threads come and go, so that most blocks are freed by a
// thread that did not allocate them and whose maker no longer exists (the idea is that of Larson and Krishnan, 1998).
#include "../driver/bench.h"

struct exchange {
    uint64_t ops; // per thread life
    uint32_t live, lives, low, high;
};

struct lane {
    const struct exchange *w;
    void **slots;
    struct rng random;
};

static void *life(void *arg) {
    struct lane *lane = arg;
    const struct exchange *w = lane->w;
    for (uint64_t i = 0; i < w->ops; i++) {
        uint32_t slot = rng_below(&lane->random, w->live);
        free(lane->slots[slot]);
        lane->slots[slot] = must_malloc(rng_between(&lane->random, w->low, w->high));
        touch_head(lane->slots[slot]);
    }
    return NULL;
}

static void lane_body(unsigned index, void *arg) {
    struct lane *lane = (struct lane *)arg + index;
    for (uint32_t i = 0; i < lane->w->lives; i++)
        pthread_join(bench_thread(life, lane, 256), NULL);
}

void workload_exchange(void) {
    struct exchange w = {.ops = arg_u64("ops", 20000),
                         .live = (uint32_t)arg_u64("live", 5000),
                         .lives = (uint32_t)arg_u64("lives", 50),
                         .low = (uint32_t)arg_u64("low", 16),
                         .high = (uint32_t)arg_u64("high", 512)};
    unsigned threads = (unsigned)arg_u64("threads", 2);
    struct lane *lanes = bench_map(threads * sizeof *lanes);
    for (unsigned i = 0; i < threads; i++)
        lanes[i] = (struct lane){&w, bench_map(w.live * sizeof(void *)), rng_make(i)};
    // the first owner of every table is this thread
    for (unsigned i = 0; i < threads; i++)
        for (uint32_t k = 0; k < w.live; k++)
            lanes[i].slots[k] = must_malloc(rng_between(&lanes[i].random, w.low, w.high));
    bench_run_threads(threads, lane_body, lanes, w.ops * w.lives * threads);
}
