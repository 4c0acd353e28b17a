/*
 * Purpose: a small lock that sleeps when it must, knows its rank and survives fork.
 * Layer: platform. 4 bytes; all zeros is a free lock.
 *
 * States of word: 0 free, 1 held, 2 held and perhaps waited for. Taken with acquire, given with release: whatever was written under
 * the lock is seen by the next holder. While the process has one thread the same words are written without atomic instructions.
 *
 * Ranks: a thread takes locks in rising order only; debug builds check it (see enum lock_rank). Locks of one rank are taken together
 * only by fork, in address order. Every build checks it before it waits, so that a signal handler that allocates while it interrupts the
 * allocator ends the process instead of waiting for its own thread.
 *
 * Fork: the thread that forks takes every lock (lock_fork_begin .. lock_fork_end). Until it lets go, lock and unlock by that same
 * thread are no-ops, so that other fork handlers may still allocate.
 */
#ifndef COLLAM_PLATFORM_LOCK_H
#define COLLAM_PLATFORM_LOCK_H

#include "base/atomic.h"
#include "base/check.h"
#include "base/compiler.h"
#include "platform/platform.h"

enum lock_rank { LOCK_HEAPS = 1, LOCK_BIN, LOCK_CHUNKS, LOCK_SPANS, LOCK_DIRECT, LOCK_META, LOCK_GUARDED, LOCK_QUARANTINE };

struct lock {
    _Atomic(uint32_t) word;
};

enum lock_state { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_WAITED = 2 };

enum { LOCK_RANK_BITS = 8 };
_Static_assert(LOCK_QUARANTINE <= 64 / LOCK_RANK_BITS, "a byte for each rank");

/* True in the one thread that holds every lock around a fork. Thread-local, so the child's only thread inherits it. */
extern __thread bool lock_holds_all HIDDEN __attribute__((tls_model("initial-exec")));

/* Locks of each rank that this thread holds, is about to take or has just given, a byte each. Written before a lock is taken and after it
 * is given, so that a signal handler never finds less than is held. */
extern __thread uint64_t lock_ranks_held HIDDEN __attribute__((tls_model("initial-exec")));

ALWAYS_INLINE unsigned lock_byte_of(enum lock_rank rank) {
    return (rank - 1u) * LOCK_RANK_BITS;
}

/* True when a thread that asks for this rank may wait: it holds no such lock and none of a higher rank. */
ALWAYS_INLINE bool lock_may_wait(uint64_t held, enum lock_rank rank) {
    return held >> lock_byte_of(rank) == 0;
}

ALWAYS_INLINE void lock_note_taken(enum lock_rank rank) {
    lock_ranks_held += (uint64_t)1 << lock_byte_of(rank);
    fence_against_signals();
}

ALWAYS_INLINE void lock_note_given(enum lock_rank rank) {
    fence_against_signals();
    lock_ranks_held -= (uint64_t)1 << lock_byte_of(rank);
}

ALWAYS_INLINE bool lock_grab(struct lock *lock) {
    if (platform_single_threaded()) {
        /* No other thread: relaxed is enough, and a later first thread is created after this, which orders it. */
        if (LIKELY(load_relaxed(&lock->word) == LOCK_FREE)) {
            store_relaxed(&lock->word, LOCK_HELD);
            fence_against_signals(); /* what is done under the lock stays there, or a handler would find it half done and the lock free */
            return true;
        }
        return false;
    }
    uint32_t expected = LOCK_FREE;
    return cas_acquire(&lock->word, &expected, LOCK_HELD); /* pairs with the release in lock_give */
}

/* What remains of lock_take when somebody holds the lock, and of lock_give when somebody may be waiting for it. */
COLD void lock_take_held(struct lock *lock, enum lock_rank rank);
COLD void lock_wake(struct lock *lock);

ALWAYS_INLINE void lock_take(struct lock *lock, enum lock_rank rank) {
    ASSERT(lock_may_wait(lock_ranks_held, rank));
    lock_note_taken(rank);
    if (UNLIKELY(!lock_grab(lock))) {
        lock_take_held(lock, rank);
    }
}

/* Takes the lock if that needs no waiting. In any order: who does not wait cannot wait for ever. The handler of faults looks at guarded
 * blocks whatever its thread was doing. */
ALWAYS_INLINE bool lock_try(struct lock *lock, enum lock_rank rank) {
    lock_note_taken(rank);
    if (UNLIKELY(!lock_grab(lock))) {
        lock_note_given(rank);
        return lock_holds_all;
    }
    return true;
}

ALWAYS_INLINE void lock_give(struct lock *lock, enum lock_rank rank) {
    if (UNLIKELY(lock_holds_all)) {
        return;
    }
    ASSERT((lock_ranks_held >> lock_byte_of(rank)) & ((1u << LOCK_RANK_BITS) - 1));
    if (platform_single_threaded()) {
        fence_against_signals();
        store_relaxed(&lock->word, LOCK_FREE);
    } else if (UNLIKELY(exchange_release(&lock->word, LOCK_FREE) == LOCK_WAITED)) { /* pairs with the acquires above */
        lock_wake(lock);
    }
    lock_note_given(rank);
}

/* True when this is a signal handler that interrupted the calling thread while it held a lock (or was about to, or just had), or all of
 * them around a fork. */
bool lock_caller_holds_any(void);

/* Called with every lock held, by the thread that is about to fork; and again in parent and child. */
void lock_fork_begin(void);
void lock_fork_end(void);
/* Makes the lock free whatever it was: only for the child, or for the parent's forking thread giving all locks back. */
void lock_fork_take(struct lock *lock);
void lock_fork_give(struct lock *lock);

#endif
