/*
 * Purpose: what returning a magazine of blocks to slab bitmaps costs, per block, with one atomic addition per word and slab count
 * (no lock), and with one lock for the whole magazine and plain words under it. Decision 0002 quotes it.
 *
 * Build and run: cc -O2 -pthread publish.c -o publish && ./publish [THREADS]
 *
 * Every thread returns magazines of 16 blocks, in random order over 4096 bitmaps of 1024 bits, and takes them out again (one exchange
 * per word, or plain under the lock), so that bits stay clear on average. Bitmaps are shared by all threads.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLABS = 4096, WORDS = 16, MAGAZINE = 16, ROUNDS = 300000, SHARDS = 2 };

static _Atomic(uint64_t) words[SLABS][WORDS];
static _Atomic(uint32_t) counts[SLABS][16]; /* a cache line each */
static struct {
    _Atomic(uint32_t) word;
    char line[60];
} locks[SHARDS];
static int locked;

static uint64_t next(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void put_atomically(const uint32_t *slab, const uint32_t *bit) {
    for (int i = 0; i < MAGAZINE; i++) {
        atomic_fetch_add_explicit(&words[slab[i]][bit[i] / 64], (uint64_t)1 << (bit[i] % 64), memory_order_release);
        atomic_fetch_add_explicit(&counts[slab[i]][0], 1, memory_order_relaxed);
    }
    for (int i = 0; i < MAGAZINE; i++) {
        atomic_exchange_explicit(&words[slab[i]][bit[i] / 64], 0, memory_order_acquire);
    }
}

static void put_locked(const uint32_t *slab, const uint32_t *bit, unsigned shard) {
    uint32_t free = 0;
    while (!atomic_compare_exchange_weak_explicit(&locks[shard].word, &free, 1, memory_order_acquire, memory_order_relaxed)) {
        free = 0;
    }
    for (int i = 0; i < MAGAZINE; i++) {
        _Atomic(uint64_t) *word = &words[slab[i]][bit[i] / 64];
        uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
        atomic_store_explicit(word, old | (uint64_t)1 << (bit[i] % 64), memory_order_relaxed);
        uint32_t count = atomic_load_explicit(&counts[slab[i]][0], memory_order_relaxed);
        atomic_store_explicit(&counts[slab[i]][0], count + 1, memory_order_relaxed);
    }
    for (int i = 0; i < MAGAZINE; i++) {
        atomic_store_explicit(&words[slab[i]][bit[i] / 64], 0, memory_order_relaxed);
    }
    atomic_exchange_explicit(&locks[shard].word, 0, memory_order_release);
}

static void *run(void *argument) {
    uint64_t seed = 88172645463325252u + (uintptr_t)argument * 7919;
    unsigned shard = (unsigned)(uintptr_t)argument % SHARDS;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t slab[MAGAZINE];
        uint32_t bit[MAGAZINE];
        for (int i = 0; i < MAGAZINE; i++) {
            uint64_t r = next(&seed);
            /* With the lock a slab belongs to one shard; a tenth of the blocks come from the other thread's. */
            slab[i] = (uint32_t)(r % SLABS / SHARDS * SHARDS + shard);
            bit[i] = (uint32_t)(r >> 40) % (WORDS * 64);
        }
        unsigned other = round % 10 == 0 ? (shard + 1) % SHARDS : shard;
        locked ? put_locked(slab, bit, other) : put_atomically(slab, bit);
    }
    return NULL;
}

int main(int argc, char **argv) {
    long threads = argc > 1 ? atol(argv[1]) : 1;
    for (int pair = 0; pair < 5; pair++) {
        for (locked = 0; locked < 2; locked++) {
            pthread_t thread[64];
            struct timespec begin;
            struct timespec end;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
            for (long t = 0; t < threads && t < 64; t++) {
                pthread_create(&thread[t], NULL, run, (void *)(uintptr_t)t);
            }
            for (long t = 0; t < threads && t < 64; t++) {
                pthread_join(thread[t], NULL);
            }
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
            double ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
            printf("%s: %.1f ns of CPU time per block put and taken, %ld threads\n", locked ? "locked" : "atomic",
                   ns / (double)threads / ROUNDS / MAGAZINE, threads);
        }
    }
    return 0;
}
