/*
 * Purpose: see sampled.h.
 * Layer: front. State: each thread's countdown.
 */
#include "front/sampled.h"
#include "heap/guarded.h"
#include "platform/platform.h"

_Atomic(uint32_t) sampled_rate;

static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));
__thread uint64_t sampled_left __attribute__((tls_model("initial-exec")));

void sampled_start(size_t rate) {
    store_relaxed(&sampled_rate, (uint32_t)rate);
}

/* Even over 1 .. 2 rate - 1, so that the mean is the rate and no rhythm of the program's can hide from it. */
static uint64_t draw(void) {
    if (random_state == 0) { /* where the thread's data lies differs between runs and threads */
        random_state = ((uint64_t)(uintptr_t)&random_state >> 3 ^ (uint64_t)platform_thread_id() << 40) | 1;
    }
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t rate = load_relaxed(&sampled_rate);
    return 1 + (random_state >> 33) % (2 * rate - 1);
}

void *sampled_take(size_t size, size_t align) {
    if (sampled_left == 0) {
        sampled_left = draw();
    }
    if (--sampled_left > 0) {
        return NULL;
    }
    return guarded_take(size, align);
}
