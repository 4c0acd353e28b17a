// pairs: malloc and free of one size, again and again.
// In real life: a parser's token, an iterator, a message buffer of a request; the best case of every allocator, and the
// one most programs spend most of their calls in.
#include "../driver/bench.h"

struct pairs {
    size_t size;
    uint64_t ops;
};

static void pairs_body(unsigned index, void *arg) {
    const struct pairs *p = arg;
    (void)index;
    for (uint64_t i = 0; i < p->ops; i++) {
        void *block = must_malloc(p->size);
        touch_head(block);
        free(block);
    }
}

void workload_pairs(void) {
    struct pairs p = {arg_u64("size", 64), arg_u64("ops", 10 << 20)};
    unsigned threads = (unsigned)arg_u64("threads", 1);
    bench_run_threads(threads, pairs_body, &p, p.ops * threads);
}
