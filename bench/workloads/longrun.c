// phases: the sizes a program uses shift, and a few blocks of each phase stay. peak_idle: a peak, then idleness.
// In real life: a service whose traffic changes over the day (phases: what stays pins pages that the next sizes cannot use,
// which is fragmentation); a build server or an editor that did one heavy thing and then waits (peak_idle).
#include "../driver/bench.h"

struct phase_heap {
    void **block;
    uint32_t *size;
    uint32_t slots;
    uint64_t live; // bytes
};

static void put(struct phase_heap *h, uint32_t slot, size_t size) {
    free(h->block[slot]);
    h->live -= h->size[slot];
    h->block[slot] = size != 0 ? must_malloc(size) : NULL;
    h->size[slot] = (uint32_t)size;
    h->live += size;
    if (size != 0)
        touch_pages(h->block[slot], size);
}

void workload_phases(void) {
    uint64_t budget = arg_u64("live", 32 << 20), churn = arg_u64("churn", 3);
    uint32_t phases = (uint32_t)arg_u64("phases", 12);
    struct phase_heap h = {.slots = (uint32_t)(budget / 32)};
    h.block = bench_map(h.slots * sizeof *h.block);
    h.size = bench_map(h.slots * sizeof *h.size);
    struct rng r = rng_make(9);
    uint64_t ops = 0, live_sum = 0, rss_sum = 0;
    bench_begin();
    for (uint32_t phase = 0; phase < phases; phase++) {
        // each phase has its own band of sizes, the bands move through 16 B .. 8 KiB in an order that is not sorted
        uint32_t base = 16u << ((phase * 5) % 9);
        uint64_t phase_ops = churn * budget / (base + base / 2);
        for (uint64_t i = 0; i < phase_ops; i++, ops++) {
            uint32_t slot = rng_below(&r, h.slots);
            put(&h, slot, rng_between(&r, base, 2 * base));
            while (h.live > budget) { // random eviction keeps a few survivors of every phase
                put(&h, rng_below(&r, h.slots), 0);
                ops++;
            }
        }
        live_sum += h.live;
        rss_sum += bench_rss_kib();
    }
    bench_end(ops);
    uint64_t own = ((uint64_t)h.slots * (sizeof *h.block + sizeof *h.size) >> 10) * phases;
    bench_figure("overhead_percent", 100.0 * ((double)(rss_sum - own) * 1024 / (double)live_sum - 1));
}

void workload_peak_idle(void) {
    uint32_t count = (uint32_t)arg_u64("count", 400000), keep = (uint32_t)arg_u64("keep", 100);
    uint64_t idle_ms = arg_u64("idle_ms", 1000);
    void **block = bench_map(count * sizeof *block);
    struct rng r = rng_make(10);
    bench_begin();
    for (uint32_t i = 0; i < count; i++) {
        // mostly small, some of several KiB, a few of 64 KiB and more: about 1 KiB on average
        uint32_t kind = rng_below(&r, 1000);
        size_t size = kind < 900 ? rng_between(&r, 16, 512) : kind < 998 ? rng_between(&r, 512, 12288) : rng_between(&r, 65536, 131072);
        block[i] = must_malloc(size);
        touch_pages(block[i], size);
    }
    bench_figure("rss_at_peak_kib", (double)bench_rss_kib());
    for (uint32_t i = 0; i < count; i++) {
        if (i % keep != 0) // the survivors are spread evenly over the heap
            free(block[i]);
    }
    bench_end(count);
    bench_sleep_ms(idle_ms);
    bench_figure("rss_after_idle_kib", (double)bench_rss_kib());
}
