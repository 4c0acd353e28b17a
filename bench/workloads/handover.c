// handover: some threads only allocate, others only free; blocks travel through bounded queues.
// In real life: a pipeline, a network thread that parses and a worker that consumes, a logger. Allocators with a heap per
// thread must bring each block home, or let it drift.
#include "../driver/bench.h"
#include "queue.h"

enum { MAX_SIDE = 32 };

struct handover {
    struct queue *queues; // pairs * pairs
    unsigned pairs;       // producers, and as many consumers
    uint64_t ops;         // blocks each producer sends
    uint32_t low, high;
};

static void produce(unsigned producer, const struct handover *w) {
    struct rng r = rng_make(producer);
    for (uint64_t i = 0; i < w->ops; i++) {
        void *block = must_malloc(rng_between(&r, w->low, w->high));
        touch_head(block);
        queue_push(&w->queues[producer * w->pairs + (unsigned)(i % w->pairs)], block);
    }
}

static void consume(unsigned consumer, const struct handover *w) {
    // producer p sends its i-th block to consumer i % pairs, so each queue carries this many
    uint64_t expected = w->pairs * (w->ops / w->pairs + (consumer < w->ops % w->pairs));
    while (expected > 0) {
        bool progress = false;
        for (unsigned producer = 0; producer < w->pairs; producer++) {
            struct queue *q = &w->queues[producer * w->pairs + consumer];
            uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
            uint64_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
            for (; head != tail; head++, expected--) {
                void *block = q->slots[head % QUEUE_SLOTS];
                touch_head(block);
                free(block);
                progress = true;
            }
            atomic_store_explicit(&q->head, head, memory_order_release);
        }
        if (!progress)
            sched_yield();
    }
}

static void handover_body(unsigned index, void *arg) {
    const struct handover *w = arg;
    if (index < w->pairs)
        produce(index, w);
    else
        consume(index - w->pairs, w);
}

void workload_handover(void) {
    struct handover w = {.pairs = (unsigned)arg_u64("pairs", 1),
                         .ops = arg_u64("ops", 2 << 20),
                         .low = (uint32_t)arg_u64("low", 16),
                         .high = (uint32_t)arg_u64("high", 256)};
    if (w.pairs == 0 || w.pairs > MAX_SIDE)
        bench_fail("pairs= is out of range");
    w.queues = bench_map(w.pairs * w.pairs * sizeof *w.queues);
    bench_run_threads(2 * w.pairs, handover_body, &w, w.ops * w.pairs);
}
