/*
 * Purpose: see fork.h.
 * Layer: api. Owner: the thread that forks holds every lock from before_fork to after_fork. State: a flag and a count.
 *
 * Who calls fork_watch first:
 *   first.c       an executable linked with the archive, before the constructors of all libraries
 *   start.c       the shared library, which the loader initialises before all others (-z initfirst)
 *   first_heap    a library of that kind beside ours was initialised first, or the archive lies in a shared library
 */
#include "api/fork.h"
#include "front/hardened.h"
#include "heap/bin.h"
#include "heap/guarded.h"
#include "heap/quarantine.h"
#include "heap/thread_heap.h"
#include "pages/chunk.h"
#include "pages/direct.h"
#include "pages/meta.h"
#include "pages/span.h"
#include "platform/fault.h"
#include "platform/lock.h"
#include "platform/platform.h"

#include <pthread.h>

/* Relaxed: only says who registers; a library's constructor may have started threads. */
static _Atomic(bool) watched;

/* A signal handler forks, and interrupted the allocator, or this thread's fork. To take the locks would be to wait for its own thread.
 * Without them the child is still an exact copy of that thread, which finishes in both what it had begun; of other threads the child may
 * only do what POSIX calls async-signal-safe, which does not allocate. So many such forks this thread is in. */
static __thread unsigned forks_within __attribute__((tls_model("initial-exec")));

static void take_all(void) {
    heap_fork_take();
    bin_fork_take();
    chunk_fork_take();
    span_fork_take();
    direct_fork_take();
    meta_fork_take();
    guarded_fork_take();
    quarantine_fork_take();
    lock_fork_begin();
}

static void give_all(void) {
    lock_fork_end();
    quarantine_fork_give();
    guarded_fork_give();
    meta_fork_give();
    direct_fork_give();
    span_fork_give();
    chunk_fork_give();
    bin_fork_give();
    heap_fork_give();
}

/* No signal comes while only some locks are held: a handler may allocate, since fork is no function that it may not interrupt, and would
 * wait for its own thread. */
static void without_signals(void (*work)(void)) {
    uint64_t before;
    bool held = fault_hold_signals(&before);
    work();
    if (held) {
        fault_let_signals(before);
    }
}

/* Every lock, in rank order, so that the child finds all data whole. */
static void before_fork(void) {
    if (lock_caller_holds_any()) {
        forks_within++;
        return;
    }
    without_signals(take_all);
}

/* In parent and child alike: the thread that forked holds every lock and gives it back. */
static void after_fork(void) {
    if (forks_within) {
        forks_within--;
        return;
    }
    without_signals(give_all);
}

static void after_fork_in_child(void) {
    if (!forks_within) {
        heap_fork_child();
    }
    if (HARDENED_BY(HARDENED_RANDOM)) {
        hardened_fork_child();
    }
    after_fork();
}

void fork_watch(void) {
    if (!exchange_relaxed(&watched, true)) {
        (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
    }
}

/* The first block of the process is asked for before start ran. Only once libc has set the flag of a process with one thread is it past
 * relocation, and may be called. */
static void first_heap(void) {
    if (platform_single_threaded()) {
        fork_watch();
    }
}

void (*heap_arrival_hook)(void) = first_heap;
