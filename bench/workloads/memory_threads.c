// pool_idle: a pool of threads that each had a peak, freed nearly all of it, and sleep; then malloc_trim(0) is called. In real
// life: a server at night. The figures are what it holds beyond what is live.
//
// pools: pools of threads come, replace a part of a table that all share, with some memory of their own, and end. In real life:
// a server that starts workers when there is much to do, or one for each request. What they made is freed by threads that were
// not there when it was made.
//
// chain: blocks go through a long chain of threads, each of which keeps a window of them and replaces one in four. In real
// life: stages of a pipeline. No thread frees only what it made, none allocates all that it frees.
#include "../driver/bench.h"
#include "queue.h"

#include <malloc.h>

// ---- pool_idle ----

enum { MOST_THREADS = 256 };

struct idle_pool {
    uint32_t blocks, keep;
    pthread_barrier_t full, asleep, leave;
    _Atomic uint64_t live;
};

struct idler {
    struct idle_pool *pool;
    void **block;
    unsigned index;
};

static void *idler_main(void *arg) {
    struct idler *self = arg;
    struct idle_pool *pool = self->pool;
    struct rng r = rng_make(self->index);
    uint64_t live = 0;
    for (uint32_t i = 0; i < pool->blocks; i++) {
        size_t size = rng_below(&r, 100) < 98 ? rng_between(&r, 16, 1024) : rng_between(&r, 1024, 65536);
        self->block[i] = must_malloc(size);
        touch_pages(self->block[i], size);
        live += i % pool->keep == 0 ? size : 0;
    }
    pool->live += live;
    pthread_barrier_wait(&pool->full);
    pthread_barrier_wait(&pool->full); // the peak is being read
    for (uint32_t i = 0; i < pool->blocks; i++)
        if (i % pool->keep != 0)
            free(self->block[i]);
    pthread_barrier_wait(&pool->asleep);
    pthread_barrier_wait(&pool->leave);
    for (uint32_t i = 0; i < pool->blocks; i += pool->keep)
        free(self->block[i]);
    return NULL;
}

void workload_pool_idle(void) {
    unsigned threads = (unsigned)arg_u64("threads", 16);
    static struct idle_pool pool;
    static struct idler idlers[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    if (threads == 0 || threads > MOST_THREADS)
        bench_fail("threads= is out of range");
    pool.blocks = (uint32_t)arg_u64("blocks", 4000);
    pool.keep = (uint32_t)arg_u64("keep", 200);
    void **blocks = bench_map((size_t)threads * pool.blocks * sizeof *blocks);
    pthread_barrier_init(&pool.full, NULL, threads + 1);
    pthread_barrier_init(&pool.asleep, NULL, threads + 1);
    pthread_barrier_init(&pool.leave, NULL, threads + 1);
    uint64_t before = bench_anonymous_kib();
    bench_begin();
    for (unsigned i = 0; i < threads; i++) {
        idlers[i] = (struct idler){&pool, blocks + (size_t)i * pool.blocks, i};
        thread[i] = bench_thread(idler_main, &idlers[i], 64);
    }
    pthread_barrier_wait(&pool.full);
    bench_figure("peak_mib", (double)(bench_anonymous_kib() - before) / 1024);
    pthread_barrier_wait(&pool.full);
    pthread_barrier_wait(&pool.asleep);
    bench_end((uint64_t)threads * pool.blocks);
    bench_sleep_ms(arg_u64("idle_ms", 200));
    before += pool.live / 1024;
    bench_figure("asleep_mib", ((double)bench_anonymous_kib() - (double)before) / 1024);
    malloc_trim(0);
    bench_sleep_ms(50);
    bench_figure("trimmed_mib", ((double)bench_anonymous_kib() - (double)before) / 1024);
    pthread_barrier_wait(&pool.leave);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

// ---- pools ----

struct pools {
    void **slot;
    uint32_t *size;
    uint32_t slots, ops, own;
    unsigned threads; // of this wave
    _Atomic int64_t live;
};

struct worker {
    struct pools *pools;
    unsigned index;
    struct rng random;
};

static void *worker_main(void *arg) {
    struct worker *self = arg;
    struct pools *p = self->pools;
    struct rng *r = &self->random;
    void *own[64];
    int64_t live = 0;
    for (uint32_t i = 0; i < p->own; i++) {
        own[i] = must_malloc(rng_between(r, 16, 8192));
        touch_head(own[i]);
    }
    // each worker has its lane of the table, so that no lock is needed
    for (uint32_t i = 0; i < p->ops; i++) {
        uint32_t slot = rng_below(r, p->slots / p->threads) * p->threads + self->index, size = (uint32_t)rng_between(r, 16, 1024);
        free(p->slot[slot]);
        live += (int64_t)size - p->size[slot];
        p->slot[slot] = must_malloc(size);
        p->size[slot] = size;
        memset(p->slot[slot], 1, size);
    }
    p->live += live;
    for (uint32_t i = 0; i < p->own; i++)
        free(own[i]);
    return NULL;
}

void workload_pools(void) {
    static struct pools p;
    static struct worker workers[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    unsigned least = (unsigned)arg_u64("least", 2), most = (unsigned)arg_u64("most", 64);
    uint32_t waves = (uint32_t)arg_u64("waves", 9), total = (uint32_t)arg_u64("total", 100000);
    p.slots = (uint32_t)arg_u64("slots", 32768);
    p.own = (uint32_t)arg_u64("own", 32);
    if (least == 0 || most > MOST_THREADS || p.own > 64 || p.slots < most)
        bench_fail("an argument is out of range");
    p.slot = bench_map(p.slots * sizeof *p.slot);
    p.size = bench_map(p.slots * sizeof *p.size);
    uint64_t own_kib = bench_anonymous_kib();
    bench_begin();
    for (uint32_t wave = 0; wave < waves; wave++) {
        p.threads = wave % 2 == 0 ? least : most;
        p.ops = total / p.threads;
        for (unsigned i = 0; i < p.threads; i++) {
            workers[i] = (struct worker){&p, i, rng_make(wave * MOST_THREADS + i)};
            thread[i] = bench_thread(worker_main, &workers[i], 64);
        }
        for (unsigned i = 0; i < p.threads; i++)
            pthread_join(thread[i], NULL);
        if (wave > waves / 4) // by then the table is full
            series_add(own_kib, (uint64_t)p.live);
    }
    bench_end((uint64_t)waves * total);
    series_print();
}

// ---- chain ----

enum { MOST_STAGES = 64 };

struct chain {
    struct queue *queue; // queue[i] leads into stage i
    uint64_t total;
    uint32_t window;
};

struct stage {
    struct chain *chain;
    unsigned index, last;
    void **held;
    _Atomic uint64_t live; // made less freed, modulo 2^64: all stages' together is what is live, on its way included
    _Atomic bool made_all;
};

// a block says how large it is
static void *sized_block(struct rng *r, uint64_t *live) {
    size_t size = rng_between(r, 16, 1024);
    void *block = must_malloc(size);
    memset(block, 1, size);
    *(size_t *)block = size;
    *live += size;
    return block;
}

static void *stage_main(void *arg) {
    struct stage *self = arg;
    struct chain *c = self->chain;
    struct rng r = rng_make(self->index);
    uint64_t live = 0;
    for (uint64_t i = 0; i < c->total + c->window; i++) {
        void *block = NULL, **place = &self->held[i % c->window];
        if (i < c->total) {
            block = self->index == 0 ? sized_block(&r, &live) : queue_pop(&c->queue[self->index]);
        }
        if (block != NULL && rng_below(&r, 4) == 0) {
            live -= *(size_t *)block;
            free(block);
            block = sized_block(&r, &live);
        }
        if (*place != NULL && self->index == self->last) {
            live -= *(size_t *)*place;
            free(*place);
        } else if (*place != NULL) {
            queue_push(&c->queue[self->index + 1], *place);
        }
        *place = block;
        atomic_store_explicit(&self->live, live, memory_order_relaxed);
        if (i + 1 == c->total)
            self->made_all = true;
    }
    return NULL;
}

void workload_chain(void) {
    static struct stage stage[MOST_STAGES];
    static struct chain c;
    pthread_t thread[MOST_STAGES];
    unsigned stages = (unsigned)arg_u64("stages", 16);
    c.window = (uint32_t)arg_u64("window", 4000);
    c.total = arg_u64("blocks", 100000);
    if (stages < 2 || stages > MOST_STAGES || c.window == 0)
        bench_fail("an argument is out of range");
    c.queue = bench_map(stages * sizeof *c.queue);
    void **held = bench_map((size_t)stages * c.window * sizeof *held);
    uint64_t own_kib = bench_anonymous_kib();
    bench_begin();
    for (unsigned i = 0; i < stages; i++) {
        stage[i].chain = &c;
        stage[i].index = i;
        stage[i].last = stages - 1;
        stage[i].held = held + (size_t)i * c.window;
        thread[i] = bench_thread(stage_main, &stage[i], 64);
    }
    while (!stage[0].made_all) { // from then on it only runs empty
        bench_sleep_ms(10);
        uint64_t live = 0;
        for (unsigned i = 0; i < stages; i++)
            live += atomic_load_explicit(&stage[i].live, memory_order_relaxed);
        if (stage[stages - 1].live != 0) // the chain is filled up to its end
            series_add(own_kib, live);
    }
    for (unsigned i = 0; i < stages; i++)
        pthread_join(thread[i], NULL);
    bench_end(c.total * stages);
    series_print();
}
