// large: blocks of 32 KiB to 4 MiB mixed. zeroed: calloc, touched and untouched. aligned: aligned_alloc.
// In real life: images, file buffers, matrices (large); hash tables, sparse arrays (zeroed); SIMD data, direct I/O, device
// buffers (aligned). Mapping, faulting and clearing pages costs more here than any list.
#include "../driver/bench.h"

#include <math.h>

// log-uniform: as many blocks between 32 and 64 KiB as between 2 and 4 MiB
static size_t size_of(struct rng *r, double low, double high) {
    double share = (double)(rng_next(r) >> 11) * 0x1p-53;
    return (size_t)(low * pow(high / low, share));
}

void workload_large(void) {
    uint32_t live = (uint32_t)arg_u64("live", 64);
    uint64_t ops = arg_u64("ops", 5000);
    double low = (double)arg_u64("low", 32 << 10), high = (double)arg_u64("high", 4 << 20);
    bool touch = arg_u64("touch", 1) != 0;
    void **slots = bench_map(live * sizeof *slots);
    struct rng r = rng_make(5);
    bench_begin();
    for (uint64_t i = 0; i < ops; i++) {
        uint32_t slot = rng_below(&r, live);
        size_t size = size_of(&r, low, high);
        free(slots[slot]);
        slots[slot] = must_malloc(size);
        if (touch)
            touch_pages(slots[slot], size);
        else
            touch_head(slots[slot]);
    }
    bench_end(ops);
}

void workload_zeroed(void) {
    uint32_t live = (uint32_t)arg_u64("live", 64);
    uint64_t ops = arg_u64("ops", 20000);
    double low = (double)arg_u64("low", 64), high = (double)arg_u64("high", 1 << 20);
    bool touch = arg_u64("touch", 1) != 0;
    char **slots = bench_map(live * sizeof *slots);
    struct rng r = rng_make(6);
    bench_begin();
    for (uint64_t i = 0; i < ops; i++) {
        uint32_t slot = rng_below(&r, live);
        size_t size = size_of(&r, low, high);
        free(slots[slot]);
        slots[slot] = bench_check(calloc(1, size));
        bench_sink = slots[slot];
        if (slots[slot][size - 1] != 0 || slots[slot][size / 2] != 0)
            bench_fail("calloc gave memory that is not zero");
        if (touch) {
            // dirty it, so that a block reused without clearing would be caught
            touch_pages(slots[slot], size);
            slots[slot][size / 2] = 1;
        }
    }
    bench_end(ops);
}

void workload_aligned(void) {
    uint32_t live = (uint32_t)arg_u64("live", 5000);
    uint64_t ops = arg_u64("ops", 1 << 20);
    uint32_t most = (uint32_t)arg_u64("most", 4096);
    void **slots = bench_map(live * sizeof *slots);
    uint32_t steps = 0;
    while ((32u << steps) < most)
        steps++;
    struct rng r = rng_make(8);
    bench_begin();
    for (uint64_t i = 0; i < ops; i++) {
        uint32_t slot = rng_below(&r, live);
        size_t alignment = 32u << rng_below(&r, steps + 1), size = rng_between(&r, 16, 1024);
        free(slots[slot]);
        slots[slot] = bench_check(aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1)));
        bench_sink = slots[slot];
        if (((uintptr_t)slots[slot] & (alignment - 1)) != 0)
            bench_fail("aligned_alloc gave a misaligned block");
        touch_head(slots[slot]);
    }
    bench_end(ops);
}
