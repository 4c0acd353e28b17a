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
#include "base/compiler.h"

enum lock_rank { LOCK_HEAPS = 1, LOCK_BIN, LOCK_CHUNKS, LOCK_SPANS, LOCK_DIRECT, LOCK_META, LOCK_GUARDED, LOCK_QUARANTINE };

struct lock {
    _Atomic(uint32_t) word;
};

void lock_take(struct lock *lock, enum lock_rank rank);
/* Takes the lock if that needs no waiting. */
bool lock_try(struct lock *lock, enum lock_rank rank);
void lock_give(struct lock *lock, enum lock_rank rank);

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
