/*
 * Purpose: see sampled.h.
 * Layer: front. State: each thread's countdown; the pace of them all.
 */
#include "front/sampled.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "platform/platform.h"

enum { QUIET = 100 * SAMPLED_PAUSE };

_Atomic(uint32_t) sampled_rate;

/* All relaxed and each alone: of two threads whose turns come at once both may be guarded, or counted as one. */
static _Atomic(uint64_t) guarded_last; /* when; 0: never */
static _Atomic(uint32_t) turns;        /* that were not taken since then */
static _Atomic(uint32_t) skipped;      /* so many of those after the pause are not taken either */

static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));
__thread int64_t sampled_left __attribute__((tls_model("initial-exec")));

void sampled_start(size_t rate) {
    store_relaxed(&sampled_rate, (uint32_t)rate);
}

static uint64_t next_random(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

/* Even over 0 .. 2 (rate - 1), so that one in the rate is guarded and no rhythm of the program's can hide from it. */
static int64_t draw(void) {
    uint64_t rate = load_relaxed(&sampled_rate);
    return (int64_t)(next_random() % (2 * rate - 1));
}

/* With a rate for daily use. Of the turns that come after the pause not always the first is taken, or in programs that work in bursts with
 * a longer pause between them nothing but the beginning of each would ever be looked at: at most as many pass as passed the last time. */
static void *take_in_time(size_t size, size_t align) {
    uint64_t now = platform_clock();
    uint64_t last = load_relaxed(&guarded_last);
    uint32_t skip = load_relaxed(&skipped);
    bool too_soon = last && now - last < SAMPLED_PAUSE; /* a clock that was set back does not stop it */
    if (too_soon || skip) {
        bool quiet = now - last > QUIET; /* what passed when more was going on is no measure */
        store_relaxed(&turns, load_relaxed(&turns) + 1);
        store_relaxed(&skipped, too_soon ? skip : quiet ? skip / 2 : skip - 1);
        return NULL;
    }
    void *block = guarded_take(size, align);
    if (block) {
        store_relaxed(&guarded_last, now);
        store_relaxed(&skipped, (uint32_t)(next_random() % ((uint64_t)load_relaxed(&turns) + 1)));
        store_relaxed(&turns, 0);
    }
    return block;
}

void *sampled_take(size_t size, size_t align) {
    if (UNLIKELY(random_state == 0)) {
        heap_count_calls();      /* this heap may be older than the rate */
        fence_against_signals(); /* a handler that allocates must not draw before that */
        /* Where the thread's data lies differs between runs and threads. */
        random_state = ((uint64_t)(uintptr_t)&random_state >> 3 ^ (uint64_t)platform_thread_id() << 40) | 1;
        sampled_left = draw();
    }
    if (sampled_passes()) {
        sampled_count();
        return NULL;
    }
    sampled_left = draw();
    return load_relaxed(&sampled_rate) < SAMPLED_PACED ? guarded_take(size, align) : take_in_time(size, align);
}
