// The promises about memory that need threads: what idle threads hold, whether others can use it, and one-way traffic.
#include "../driver/bench.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

// ---- 200 idle threads ----

enum { IDLE_THREADS = 200, IDLE_BLOCKS = 24, STACK = 64 << 10 };

static pthread_barrier_t idle_ready, idle_leave;

static void *idle_main(void *arg) {
    void *blocks[IDLE_BLOCKS];
    (void)arg;
    for (unsigned i = 0; i < IDLE_BLOCKS; i++) {
        blocks[i] = must_malloc(16 * (i + 1));
        touch_head(blocks[i]);
    }
    pthread_barrier_wait(&idle_ready);
    pthread_barrier_wait(&idle_leave);
    for (unsigned i = 0; i < IDLE_BLOCKS; i++)
        free(blocks[i]);
    return NULL;
}

static uint64_t resident_in(char *area, size_t bytes) {
    size_t pages = bytes / 4096, resident = 0;
    unsigned char *map = bench_map(pages);
    if (mincore(area, bytes, map) != 0)
        bench_fail("mincore failed");
    for (size_t i = 0; i < pages; i++)
        resident += map[i] & 1;
    bench_unmap(map, pages);
    return resident * 4;
}

// Connections that wait: each thread made two dozen blocks of as many sizes and sleeps. The figure is what a thread costs
// beyond its stack, which lies in memory of ours so that it can be told apart.
void workload_promise_threads(void) {
    static pthread_t threads[IDLE_THREADS];
    char *stacks = mmap(NULL, (size_t)IDLE_THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        bench_fail("mmap failed");
    pthread_barrier_init(&idle_ready, NULL, IDLE_THREADS + 1);
    pthread_barrier_init(&idle_leave, NULL, IDLE_THREADS + 1);
    uint64_t before = bench_anonymous_kib();
    bench_begin();
    for (unsigned i = 0; i < IDLE_THREADS; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        if (pthread_attr_setstack(&attributes, stacks + (size_t)i * STACK, STACK) != 0 ||
            pthread_create(&threads[i], &attributes, idle_main, NULL) != 0)
            bench_fail("a thread cannot be created");
        pthread_attr_destroy(&attributes);
    }
    pthread_barrier_wait(&idle_ready);
    bench_end(IDLE_THREADS);
    bench_sleep_ms(100);
    uint64_t grown = bench_anonymous_kib() - before, in_stacks = resident_in(stacks, (size_t)IDLE_THREADS * STACK);
    bench_figure("thread_with_stack_kib", (double)grown / IDLE_THREADS);
    bench_figure("thread_kib", (double)(grown - in_stacks) / IDLE_THREADS);
    pthread_barrier_wait(&idle_leave);
    for (unsigned i = 0; i < IDLE_THREADS; i++)
        pthread_join(threads[i], NULL);
}

// ---- memory freed by sleeping threads ----

enum { SLEEPERS = 32, BLOCK = 64, PER_SLEEPER = 4 * MIB / BLOCK };

static pthread_barrier_t sleepers_full, sleepers_free, sleepers_leave;

static void *sleeper_main(void *arg) {
    void **blocks = arg;
    for (unsigned i = 0; i < PER_SLEEPER; i++) {
        blocks[i] = must_malloc(BLOCK);
        memset(blocks[i], 1, BLOCK);
    }
    pthread_barrier_wait(&sleepers_full);
    for (unsigned i = 0; i < PER_SLEEPER; i++) {
        if (i % 64 != 0)
            free(blocks[i]);
    }
    pthread_barrier_wait(&sleepers_free);
    pthread_barrier_wait(&sleepers_leave);
    return NULL;
}

static void *needy_main(void *arg) {
    unsigned count = *(const unsigned *)arg;
    for (unsigned i = 0; i < count; i++)
        memset(must_malloc(BLOCK), 1, BLOCK);
    return NULL;
}

// 32 workers each free 63 of 64 blocks and go to sleep; then another thread needs as much as they freed. The figure is how
// far the process grows beyond what it had while everything was live.
void workload_promise_reuse(void) {
    pthread_t threads[SLEEPERS];
    size_t bytes = (size_t)SLEEPERS * PER_SLEEPER * sizeof(void *);
    void **blocks = bench_map(bytes);
    pthread_barrier_init(&sleepers_full, NULL, SLEEPERS + 1);
    pthread_barrier_init(&sleepers_free, NULL, SLEEPERS + 1);
    pthread_barrier_init(&sleepers_leave, NULL, SLEEPERS + 1);
    bench_begin();
    for (unsigned i = 0; i < SLEEPERS; i++)
        threads[i] = bench_thread(sleeper_main, blocks + (size_t)i * PER_SLEEPER, 256);
    pthread_barrier_wait(&sleepers_full);
    uint64_t full = bench_anonymous_kib();
    pthread_barrier_wait(&sleepers_free);
    bench_sleep_ms(100);
    unsigned needed = SLEEPERS * PER_SLEEPER / 64 * 63;
    pthread_join(bench_thread(needy_main, &needed, 256), NULL);
    bench_end((uint64_t)SLEEPERS * PER_SLEEPER);
    bench_figure("reuse_grown_mib", ((double)bench_anonymous_kib() - (double)full) / 1024);
    pthread_barrier_wait(&sleepers_leave);
    for (unsigned i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
}

// ---- one thread only allocates, others only free ----

enum { LIVE_MIB = 370, SIZE_LOW = 16, SIZE_HIGH = 1024, MAX_FREERS = 16, LEAD = 4096 };

struct belt {
    void **slots;
    uint32_t *sizes;
    uint32_t window;   // blocks that stay live
    uint32_t capacity; // and LEAD that the maker may be ahead, or all would move in lockstep
    uint32_t freers;
    uint64_t total; // blocks that pass
    _Alignas(128) _Atomic uint64_t made;
    struct freer {
        _Alignas(128) _Atomic uint64_t freed;
        _Atomic uint64_t freed_bytes;
        struct belt *belt;
        uint32_t index;
    } freer[MAX_FREERS];
};

// The i-th block is freed by freer i % freers.
static void *belt_free(void *arg) {
    struct freer *self = arg;
    struct belt *b = self->belt;
    uint64_t done = 0, bytes = 0;
    for (uint64_t i = self->index; i < b->total; i += b->freers) {
        // follows at a distance of the whole window, so that the window stays live
        while (atomic_load_explicit(&b->made, memory_order_acquire) < i + b->window)
            sched_yield();
        free(b->slots[i % b->capacity]);
        bytes += b->sizes[i % b->capacity];
        atomic_store_explicit(&self->freed_bytes, bytes, memory_order_relaxed);
        atomic_store_explicit(&self->freed, ++done, memory_order_release);
    }
    return NULL;
}

// An input thread reads records, output threads drop them: a window (of 370 MiB) is live all the time, everything is
// freed by threads that never allocate. The figure is peak RSS over live memory; promise_handover.
void workload_promise_handover(void) {
    static struct belt b;
    pthread_t freers[MAX_FREERS];
    struct rng r = rng_make(13);
    uint64_t live_mib = arg_u64("mib", LIVE_MIB), made = 0;
    b.freers = (uint32_t)arg_u64("freers", 1);
    if (b.freers == 0 || b.freers > MAX_FREERS)
        bench_fail("freers= is out of range");
    b.window = (uint32_t)(live_mib * MIB / ((SIZE_LOW + SIZE_HIGH) / 2));
    b.capacity = (b.window + LEAD) / b.freers * b.freers;
    b.total = b.window * arg_u64("percent", 400) / 100; // how often the window is renewed
    b.slots = bench_map(b.capacity * sizeof *b.slots);
    b.sizes = bench_map(b.capacity * sizeof *b.sizes);
    uint64_t own_kib = b.capacity * (sizeof *b.slots + sizeof *b.sizes) / 1024;
    bench_begin();
    for (uint32_t k = 0; k < b.freers; k++) {
        b.freer[k].belt = &b;
        b.freer[k].index = k;
        freers[k] = bench_thread(belt_free, &b.freer[k], 256);
    }
    for (uint64_t i = 0; i < b.total + b.window; i++) {
        if (i >= b.capacity) { // a slot is ours again when its former block has been freed
            uint64_t former = i - b.capacity;
            struct freer *f = &b.freer[former % b.freers];
            while (atomic_load_explicit(&f->freed, memory_order_acquire) <= former / b.freers)
                sched_yield();
        }
        size_t size = rng_between(&r, SIZE_LOW, SIZE_HIGH);
        void *block = must_malloc(size);
        memset(block, 1, size);
        made += size;
        b.sizes[i % b.capacity] = (uint32_t)size;
        b.slots[i % b.capacity] = block;
        atomic_store_explicit(&b.made, i + 1, memory_order_release);
        if (i >= b.window && i % (b.window / 4) == 0) {
            uint64_t live = made;
            for (uint32_t k = 0; k < b.freers; k++)
                live -= atomic_load_explicit(&b.freer[k].freed_bytes, memory_order_relaxed);
            series_add(own_kib, live);
        }
    }
    for (uint32_t k = 0; k < b.freers; k++)
        pthread_join(freers[k], NULL);
    bench_end(b.total + b.window);
    bench_figure("handover_ratio", (double)(bench_status_kib("VmHWM:") - own_kib) / ((double)live_mib * 1024));
    series_print();
}
