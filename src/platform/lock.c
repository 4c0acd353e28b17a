/*
 * Purpose: see lock.h.
 * Layer: platform. State: two thread-local words.
 */
#include "platform/lock.h"
#include "base/check.h"
#include "platform/platform.h"

enum { FREE = 0, HELD = 1, WAITED = 2, SPINS = 64 };

/* True in the one thread that holds every lock around a fork. Thread-local, so the child's only thread inherits it. */
static __thread bool holds_all __attribute__((tls_model("initial-exec")));

/* Locks of each rank that this thread holds, is about to take or has just given, a byte each. Written before a lock is taken and after it
 * is given, so that a signal handler never finds less than is held. */
static __thread uint64_t ranks_held __attribute__((tls_model("initial-exec")));

enum { RANK_BITS = 8 };
_Static_assert(LOCK_QUARANTINE <= 64 / RANK_BITS, "a byte for each rank");

static unsigned byte_of(enum lock_rank rank) {
    return (rank - 1u) * RANK_BITS;
}

/* True when a thread that asks for this rank may wait: it holds no such lock and none of a higher rank. */
static bool may_wait(uint64_t held, enum lock_rank rank) {
    return held >> byte_of(rank) == 0;
}

static void note_taken(enum lock_rank rank) {
    ranks_held += (uint64_t)1 << byte_of(rank);
    fence_against_signals();
}

static void note_given(enum lock_rank rank) {
    fence_against_signals();
    ranks_held -= (uint64_t)1 << byte_of(rank);
}

static bool grab(struct lock *lock) {
    if (platform_single_threaded()) {
        /* No other thread: relaxed is enough, and a later first thread is created after this, which orders it. */
        if (load_relaxed(&lock->word) == FREE) {
            store_relaxed(&lock->word, HELD);
            return true;
        }
        return false;
    }
    uint32_t expected = FREE;
    return cas_acquire(&lock->word, &expected, HELD); /* pairs with the release in lock_give */
}

static NOINLINE void wait_for(struct lock *lock) {
    for (int i = 0; i < SPINS; i++) {
        if (load_relaxed(&lock->word) == FREE && grab(lock)) {
            return;
        }
        platform_pause();
    }
    while (exchange_acquire(&lock->word, WAITED) != FREE) { /* pairs with the release in lock_give */
        platform_wait(&lock->word, WAITED);
    }
}

void lock_take(struct lock *lock, enum lock_rank rank) {
    uint64_t held = ranks_held;
    ASSERT(may_wait(held, rank));
    note_taken(rank);
    if (UNLIKELY(!grab(lock))) {
        if (holds_all) {
            note_given(rank);
            return;
        }
        /* Who holds this lock may be this thread, or wait for one that this thread holds. The code above never asks for a lock in that
         * order: a signal handler allocates, and interrupted the allocator. */
        CHECK(may_wait(held, rank) && "a signal handler may not allocate while it interrupts the allocator");
        wait_for(lock);
    }
}

/* In any order: who does not wait cannot wait for ever. The handler of faults looks at guarded blocks whatever its thread was doing. */
bool lock_try(struct lock *lock, enum lock_rank rank) {
    note_taken(rank);
    if (UNLIKELY(!grab(lock))) {
        note_given(rank);
        return holds_all;
    }
    return true;
}

void lock_give(struct lock *lock, enum lock_rank rank) {
    if (UNLIKELY(holds_all)) {
        return;
    }
    ASSERT((ranks_held >> byte_of(rank)) & ((1u << RANK_BITS) - 1));
    if (platform_single_threaded()) {
        store_relaxed(&lock->word, FREE);
    } else if (UNLIKELY(exchange_release(&lock->word, FREE) == WAITED)) { /* pairs with the acquires above */
        platform_wake_one(&lock->word);
    }
    note_given(rank);
}

bool lock_caller_holds_any(void) {
    return ranks_held != 0 || holds_all;
}

void lock_fork_begin(void) {
    holds_all = true;
}

void lock_fork_end(void) {
    holds_all = false;
}

void lock_fork_take(struct lock *lock) {
    if (!grab(lock)) {
        wait_for(lock);
    }
}

void lock_fork_give(struct lock *lock) {
    if (exchange_release(&lock->word, FREE) == WAITED) {
        platform_wake_one(&lock->word);
    }
}
