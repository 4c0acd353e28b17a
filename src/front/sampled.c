/*
 * Purpose: see sampled.h.
 * Layer: front. State: each thread's countdown.
 */
#include "front/sampled.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "platform/platform.h"

_Atomic(uint32_t) sampled_rate;

static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));
__thread int64_t sampled_left __attribute__((tls_model("initial-exec")));

void sampled_start(size_t rate) {
    store_relaxed(&sampled_rate, (uint32_t)rate);
}

/* Even over 0 .. 2 (rate - 1), so that one in the rate is guarded and no rhythm of the program's can hide from it. */
static int64_t draw(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t rate = load_relaxed(&sampled_rate);
    return (int64_t)((random_state >> 33) % (2 * rate - 1));
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
    return guarded_take(size, align);
}
