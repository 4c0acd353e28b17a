/*
 * Purpose: see lock.h: waiting, and locks around a fork.
 * Layer: platform. State: two thread-local words.
 */
#include "platform/lock.h"
#include "base/check.h"
#include "platform/platform.h"

enum { SPINS = 64 };

__thread bool lock_holds_all __attribute__((tls_model("initial-exec")));
__thread uint64_t lock_ranks_held __attribute__((tls_model("initial-exec")));

static NOINLINE void wait_for(struct lock *lock) {
    for (int i = 0; i < SPINS; i++) {
        if (load_relaxed(&lock->word) == LOCK_FREE && lock_grab(lock)) {
            return;
        }
        platform_pause();
    }
    while (exchange_acquire(&lock->word, LOCK_WAITED) != LOCK_FREE) { /* pairs with the release in lock_give */
        platform_wait(&lock->word, LOCK_WAITED);
    }
}

void lock_take_held(struct lock *lock, enum lock_rank rank) {
    if (lock_holds_all) {
        lock_note_given(rank);
        return;
    }
    /* Who holds this lock may be this thread, or wait for one that this thread holds. The code above never asks for a lock in that
     * order: a signal handler allocates, and interrupted the allocator. */
    CHECK(lock_may_wait(lock_ranks_held - ((uint64_t)1 << lock_byte_of(rank)), rank) &&
          "a signal handler may not allocate while it interrupts the allocator");
    wait_for(lock);
}

void lock_wake(struct lock *lock) {
    platform_wake_one(&lock->word);
}

bool lock_caller_holds_any(void) {
    return lock_ranks_held != 0 || lock_holds_all;
}

void lock_fork_begin(void) {
    lock_holds_all = true;
}

void lock_fork_end(void) {
    lock_holds_all = false;
}

void lock_fork_take(struct lock *lock) {
    if (!lock_grab(lock)) {
        wait_for(lock);
    }
}

void lock_fork_give(struct lock *lock) {
    if (exchange_release(&lock->word, LOCK_FREE) == LOCK_WAITED) {
        platform_wake_one(&lock->word);
    }
}
