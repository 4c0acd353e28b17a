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
    uint8_t found = platform_huge_offered() ? OFFERED : NONE;
    store_relaxed(&offer, found);
    return found;
}

bool huge_wanted(size_t heap, size_t bytes) {
    if (heap < option_get(OPTION_huge_start) || limit_budget(bytes) < bytes) {
        return false;
    }
    uint8_t known = load_relaxed(&offer);
    return (LIKELY(known != NOT_ASKED) ? known : ask()) == OFFERED;
}

bool huge_possible(void) {
    return option_get(OPTION_huge_start) < HUGE_NEVER && load_relaxed(&offer) != NONE;
}
