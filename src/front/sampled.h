/*
 * Purpose: which allocations are guarded: about one in guard_rate, counted by each thread for itself.
 * Layer: front. The rate is set at start, before the program runs.
 *
 * Fast paths count nothing. While a heap is watched every call comes by and the count is exact. Otherwise a call that finds its magazine
 * empty counts for all the blocks that the refill brought: blocks that a thread frees and takes again from its magazine are not counted,
 * so a program that only recycles is guarded less often than the rate says.
 */
#ifndef COLLAM_FRONT_SAMPLED_H
#define COLLAM_FRONT_SAMPLED_H

#include "base/atomic.h"
#include "base/compiler.h"

/* Below this rate every call takes the slow path, so that the count is exact. */
enum { SAMPLED_EXACT_BELOW = 256 };

/* 0: none is guarded. Relaxed: set once at start. */
extern _Atomic(uint32_t) sampled_rate;
ALWAYS_INLINE uint32_t sampled_rate_now(void) {
    return load_relaxed(&sampled_rate);
}

void sampled_start(size_t rate);

/* Counts one allocation. A guarded block if its turn has come and it can be guarded, else NULL. */
COLD void *sampled_take(size_t size, size_t align);
/* Counts allocations that the fast path is about to serve. */
COLD void sampled_skip(size_t count);

#endif
