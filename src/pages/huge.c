/*
 * Purpose: see huge.h.
 * Layer: pages.
 */
#include "pages/huge.h"
#include "base/atomic.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/limit.h"
#include "platform/platform.h"

enum offer { NOT_ASKED, NONE, OFFERED };

static _Atomic(uint8_t) offer; /* relaxed: whoever asks finds out the same */

static COLD uint8_t ask(void) {
    uint8_t found = platform_huge_offered(HUGE_WINDOW) ? OFFERED : NONE;
    store_relaxed(&offer, found);
    return found;
}

/* Ordinary pages for a window take a tenth to two thirds of a millisecond. */
#define SLOW ((uint64_t)500000)
enum { SLOW_SHARE = 50 }; /* of the time that passes may be lost by trying */

static _Atomic(uint64_t) try_again_at; /* 0: now. Relaxed: a thread that sees it late tries once more, or once less */

static bool slow_lately(void) {
    uint64_t at = load_relaxed(&try_again_at);
    if (LIKELY(at == 0)) {
        return false;
    }
    if (platform_clock() < at) {
        return true;
    }
    store_relaxed(&try_again_at, 0);
    return false;
}

/* Where the memory has to be searched for, or the host of a virtual machine has to find it first, a huge page takes milliseconds. */
static bool is_slow(char *at) {
    /* The thread's own time: another that ran meanwhile would look like a slow page. */
    uint64_t before = platform_thread_time();
    *(volatile char *)at = 0;
    uint64_t taken = platform_thread_time() - before;
    if (taken < SLOW) {
        return false;
    }
    store_relaxed(&try_again_at, platform_clock() + SLOW_SHARE * taken);
    return true;
}

bool huge_touch(char *start, size_t size) {
    for (size_t done = 0; done < size; done += HUGE_WINDOW) {
        if (is_slow(start + done)) {
            done += HUGE_WINDOW;
            if (done < size) {
                platform_huge_pages(start + done, size - done, false);
            }
            return false;
        }
    }
    return true;
}

bool huge_wanted(size_t heap, size_t bytes) {
    if (heap < option_get(OPTION_huge_start)) {
        return false;
    }
    uint8_t known = load_relaxed(&offer);
    known = LIKELY(known != NOT_ASKED) ? known : ask();
    return known == OFFERED && !slow_lately() && limit_budget(bytes) >= bytes;
}

bool huge_possible(void) {
    return !HUGE_IS_NEVER(option_get(OPTION_huge_start)) && load_relaxed(&offer) != NONE;
}
