// days: sizes shift from phase to phase, blocks live for a moment, for a while, or through several phases, and every second
// phase is a quiet night. In real life: a service with requests, sessions and caches that runs for days; what lives long pins
// slabs and pages made for sizes that are no longer asked for. Half a million allocations stand for a day.
//
// huge: a dense heap that is read at random, then an eighth of it, then nothing, then large blocks of which only the head
// is used. In real life: an in-memory index and its buffers. Huge pages make the first quicker and can make the others
// resident in full; the row runs under each setting of the system.
#include "../driver/bench.h"

// ---- days ----

struct node {
    void *block;
    uint32_t size, next;
};

struct days {
    struct node *nodes;
    uint32_t *wheel; // first node that ends at that step, modulo the wheel's size; 0 is none
    uint32_t wheel_size, free_node;
    uint64_t live;
};

static void end_at(struct days *d, uint64_t step) {
    uint32_t *first = &d->wheel[step % d->wheel_size];
    while (*first != 0) {
        uint32_t index = *first;
        struct node *n = &d->nodes[index];
        *first = n->next;
        free(n->block);
        d->live -= n->size;
        n->next = d->free_node;
        d->free_node = index;
    }
}

static void begin_one(struct days *d, uint64_t step, size_t size, uint64_t lifetime) {
    uint32_t index = d->free_node, *first = &d->wheel[(step + lifetime) % d->wheel_size];
    if (index == 0)
        bench_fail("more blocks live than expected");
    struct node *n = &d->nodes[index];
    d->free_node = n->next;
    *n = (struct node){must_malloc(size), (uint32_t)size, *first};
    *first = index;
    memset(n->block, 1, size);
    d->live += size;
}

void workload_days(void) {
    uint32_t phases = (uint32_t)arg_u64("phases", 8), phase_steps = (uint32_t)arg_u64("steps", 250000);
    // the longest lifetime is four phases; a node for each block that can be live
    struct days d = {.wheel_size = 4 * phase_steps + 1};
    uint32_t most = phase_steps / 4;
    d.wheel = bench_map(d.wheel_size * sizeof *d.wheel);
    d.nodes = bench_map(most * sizeof *d.nodes);
    for (uint32_t i = 1; i + 1 < most; i++)
        d.nodes[i].next = i + 1;
    d.free_node = 1;
    uint64_t own_kib = (d.wheel_size * sizeof *d.wheel + most * sizeof *d.nodes) / 1024, step = 0, ops = 0;
    struct rng r = rng_make(21);
    bench_begin();
    for (uint32_t phase = 0; phase < phases; phase++) {
        uint32_t base = 16u << ((phase * 3) % 7); // 16 B .. 2 KiB, in an order that is not sorted
        for (uint32_t i = 0; i < phase_steps; i++, step++) {
            end_at(&d, step);
            if (i % (phase_steps / 8) == phase_steps / 8 - 1)
                series_add(own_kib, d.live);
            if (phase % 2 == 1 && rng_below(&r, 4) != 0) // night
                continue;
            uint32_t kind = rng_below(&r, 100);
            size_t size = kind < 50 ? rng_between(&r, base, 2 * base) : rng_between(&r, 16, 1024);
            uint64_t lifetime = 1 + (kind % 50 < 40   ? rng_below(&r, phase_steps / 500)
                                     : kind % 50 < 48 ? rng_below(&r, phase_steps / 3)
                                                      : rng_below(&r, 4 * phase_steps));
            begin_one(&d, step, size, lifetime);
            ops++;
        }
    }
    bench_end(ops);
    series_print();
}

// ---- huge ----

// 2.5 MiB of every 20: whole slabs become free between those that stay
static bool stays(uint32_t index) {
    return index / 16384 % 8 == 0;
}

void workload_huge(void) {
    uint32_t mib = (uint32_t)arg_u64("mib", 48), size_low = 64, size_high = 256, heads = 256;
    uint32_t count = mib * 1024 * 1024 / ((size_low + size_high) / 2);
    uint64_t reads = arg_u64("reads", 500000), dense = 0, sum = 0;
    void **block = bench_map(count * sizeof *block);
    struct rng r = rng_make(22);
    uint64_t own_kib = bench_anonymous_kib();
    bench_begin();
    for (uint32_t i = 0; i < count; i++) {
        size_t size = rng_between(&r, size_low, size_high);
        block[i] = must_malloc(size);
        memset(block[i], 1, size);
        dense += size;
    }
    bench_figure("dense_ratio", (double)(bench_anonymous_kib() - own_kib) * 1024 / (double)dense);
    uint64_t started = bench_now_ns();
    for (uint64_t i = 0; i < reads; i++) // the next place depends on what was read: no two misses at once
        sum += *(volatile unsigned char *)block[(rng_next(&r) + sum) % count];
    bench_figure("read_ns", (double)(bench_now_ns() - started) / (double)reads);
    for (uint32_t i = 0; i < count; i++)
        if (!stays(i))
            free(block[i]);
    bench_end(count);
    bench_sleep_ms(20);
    bench_figure("sparse_mib", (double)(bench_anonymous_kib() - own_kib) / 1024);
    for (uint32_t i = 0; i < count; i++)
        if (stays(i))
            free(block[i]);
    bench_sleep_ms(20);
    bench_figure("idle_mib", (double)(bench_anonymous_kib() - own_kib) / 1024);
    uint64_t before = bench_anonymous_kib();
    for (uint32_t i = 0; i < heads; i++) {
        block[i] = must_malloc(256 << 10);
        touch_head(block[i]);
    }
    bench_sleep_ms(20);
    uint64_t after = bench_anonymous_kib();
    bench_figure("heads_mib", after > before ? (double)(after - before) / 1024 : 0);
    for (uint32_t i = 0; i < heads; i++)
        free(block[i]);
}
