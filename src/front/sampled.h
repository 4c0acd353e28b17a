/*
 * Purpose: which allocations are guarded: about one in guard_rate, counted by each thread for itself, and with a rate for daily use
 * (SAMPLED_PACED and more) no two within SAMPLED_PAUSE in the whole process.
 * Layer: front. The rate is set at start, before the program runs.
 *
 * Fast paths count nothing. With a rate, heaps are made such that malloc's fast path finds every magazine empty (heap_count_calls); where
 * it would leave for the slow path it then first looks whether the countdown runs, and if so counts and takes a block after all
 * (take_counted in front/fast.h). So each allocation is counted once, blocks that a thread frees and takes again too, and each has the same
 * chance that its turn comes, one in the rate, whatever its size and wherever it comes from; below SAMPLED_PACED each turn is taken. Frees
 * stay on their fast path.
 *
 * Invariant: the countdown is above 0 only in a thread whose heap, if it has one, counts.
 */
#ifndef COLLAM_FRONT_SAMPLED_H
#define COLLAM_FRONT_SAMPLED_H

#include "base/atomic.h"
#include "base/compiler.h"

/* 0: none is guarded. Relaxed: set once at start. */
extern _Atomic(uint32_t) sampled_rate;
ALWAYS_INLINE uint32_t sampled_rate_now(void) {
    return load_relaxed(&sampled_rate);
}

enum {
    SAMPLED_PACED = 1000,
    SAMPLED_PAUSE = 10000000, /* nanoseconds: a thousand times what a guarded block costs a program, its caches and all */
};

void sampled_start(size_t rate);

/* Ordinary allocations of this thread before the next guarded one; 0 too until it is first drawn. */
extern __thread int64_t sampled_left HIDDEN __attribute__((tls_model("initial-exec")));
/* The next allocation is an ordinary one. */
ALWAYS_INLINE bool sampled_passes(void) {
    return sampled_left > 0;
}
/* It has been made. */
ALWAYS_INLINE void sampled_count(void) {
    sampled_left--;
}

/* Counts one allocation. A guarded block if its turn has come and it can be guarded, else NULL. */
COLD void *sampled_take(size_t size, size_t align);

#endif
