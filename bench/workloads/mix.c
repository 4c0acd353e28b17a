// mix: the sizes and lifetimes of real programs' blocks, as recorded by driver/record.c, replayed at full speed.
// In real life: the heap of a compiler, an interpreter, a database; no single-size loop shows how several dozen classes,
// most of them rarely used, share the caches.
//
// A schedule is drawn from the tables before the measured section, so that replaying costs one sequential read per call.
#include "../driver/bench.h"

#include <stdio.h>

enum { LIVES = 6 };

struct mix_row {
    uint32_t size, weight;
    uint32_t life[LIVES]; // weights of lifetimes up to 4, 32, 256, 2048, 16384 allocations, and longer
};

#include "mix_tables.h"

struct event {
    uint32_t slot, size; // size 0: free
};

struct schedule {
    struct event *events;
    uint32_t count, slots;
};

static uint32_t pick(struct rng *r, const uint32_t *weights, size_t stride, uint32_t count) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i * stride];
    uint64_t at = rng_next(r) % sum;
    for (uint32_t i = 0;; i++) {
        if (at < weights[i * stride])
            return i;
        at -= weights[i * stride];
    }
}

// deaths are kept in one list per moment of the schedule: head[t] and next[slot]
static struct schedule draw(const struct mix_row *rows, uint32_t row_count, uint32_t allocations) {
    struct schedule s = {.events = bench_map(2 * (size_t)allocations * sizeof(struct event))};
    uint32_t *head = bench_map((allocations + 1) * sizeof *head), *next = bench_map(allocations * sizeof *next);
    uint32_t *unused = bench_map(allocations * sizeof *unused), unused_count = 0;
    struct rng r = rng_make(14);
    for (uint32_t t = 0; t <= allocations; t++) {
        while (head[t] != 0) {
            uint32_t slot = head[t] - 1;
            head[t] = next[slot];
            unused[unused_count++] = slot;
            s.events[s.count++] = (struct event){slot, 0};
        }
        if (t == allocations)
            break;
        const struct mix_row *row = &rows[pick(&r, &rows[0].weight, sizeof *rows / sizeof(uint32_t), row_count)];
        uint32_t bucket = pick(&r, row->life, 1, LIVES);
        uint32_t longest = 4u << (3 * bucket), life = bucket == LIVES - 1 ? allocations : 1 + rng_below(&r, longest);
        uint32_t death = life < allocations - t ? t + life : allocations;
        uint32_t slot = unused_count > 0 ? unused[--unused_count] : s.slots++;
        s.events[s.count++] = (struct event){slot, row->size};
        next[slot] = head[death];
        head[death] = slot + 1;
    }
    return s;
}

static void replay(const struct schedule *s, void **blocks) {
    for (uint32_t i = 0; i < s->count; i++) {
        struct event e = s->events[i];
        if (e.size == 0) {
            free(blocks[e.slot]);
        } else {
            blocks[e.slot] = must_malloc(e.size);
            touch_head(blocks[e.slot]);
        }
    }
}

struct mix {
    struct schedule schedule;
    void **blocks;
    uint64_t rounds;
};

static void mix_body(unsigned index, void *arg) {
    const struct mix *w = arg;
    for (uint64_t i = 0; i < w->rounds; i++)
        replay(&w->schedule, w->blocks + (size_t)index * w->schedule.slots);
}

void workload_mix(void) {
    const char *program = arg_text("of", "python");
    uint32_t allocations = (uint32_t)arg_u64("allocations", 200000);
    unsigned threads = (unsigned)arg_u64("threads", 1);
    struct mix w = {.rounds = arg_u64("rounds", 10)};
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        if (strcmp(mixes[i].name, program) == 0)
            w.schedule = draw(mixes[i].rows, mixes[i].count, allocations);
    }
    if (w.schedule.count == 0)
        bench_fail("of= names no recorded program");
    w.blocks = bench_map((size_t)threads * w.schedule.slots * sizeof *w.blocks);
    bench_run_threads(threads, mix_body, &w, w.rounds * allocations * threads);
}
