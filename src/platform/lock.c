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

static __thread uint32_t ranks_held __attribute__((tls_model("initial-exec")));

static void note_taken(enum lock_rank rank) {
    if (debug_checks) {
        CHECK((ranks_held >> rank) == 0);
        ranks_held |= 1u << rank;
    }
}

static void note_given(enum lock_rank rank) {
    if (debug_checks) {
        CHECK(ranks_held & (1u << rank));
        ranks_held &= ~(1u << rank);
    }
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
    if (UNLIKELY(!grab(lock))) {
        if (holds_all) {
            return;
        }
        wait_for(lock);
    }
    note_taken(rank);
}

bool lock_try(struct lock *lock, enum lock_rank rank) {
    if (UNLIKELY(!grab(lock))) {
        return holds_all;
    }
    note_taken(rank);
    return true;
}

void lock_give(struct lock *lock, enum lock_rank rank) {
    if (UNLIKELY(holds_all)) {
        return;
    }
    note_given(rank);
    if (platform_single_threaded()) {
        store_relaxed(&lock->word, FREE);
        return;
    }
    if (UNLIKELY(exchange_release(&lock->word, FREE) == WAITED)) { /* pairs with the acquires above */
        platform_wake_one(&lock->word);
    }
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
