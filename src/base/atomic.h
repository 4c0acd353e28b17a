/*
 * Purpose: atomic operations whose memory order stands in the name, so that every use says what it relies on.
 * Layer: base. Each use states why that order suffices and which operation it pairs with; docs/CONCURRENCY.md has the list.
 */
#ifndef COLLAM_BASE_ATOMIC_H
#define COLLAM_BASE_ATOMIC_H

#include <stdatomic.h>

#define load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define fetch_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define exchange_relaxed(p, v) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define exchange_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define cas_acquire(p, expected, v)                                                                                                        \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_relaxed)
#define cas_relaxed(p, expected, v)                                                                                                        \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed, memory_order_relaxed)

/* The compiler keeps what stands before it before what stands after it, for a signal handler of the same thread. No instruction. */
#define fence_against_signals() atomic_signal_fence(memory_order_seq_cst)

#endif
