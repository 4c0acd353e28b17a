/*
 * Purpose: see direct_huge.h.
 * Layer: pages. No state.
 */
#include "pages/direct_huge.h"
#include "base/bits.h"
#include "config/geometry.h"
#include "pages/counters.h"
#include "pages/huge.h"

enum {
    END_PAGES = 16,    /* looked at before the end of a block that grows */
    LOOKS = 4,         /* places looked at in a block, */
    LOOK_PAGES = 16,   /* pages each */
    TRUSTED_TIMES = 2, /* so many blocks are trusted for one that was seen filled in ordinary pages */
    TRUST_LOSS_SHIFT =
        4 /* a trusted block proves little, since one touched page makes a huge one resident: now and then one must do without */
};

_Static_assert((END_PAGES << 16) <= PLATFORM_RESIDENT_MAX && (LOOK_PAGES << 16) <= PLATFORM_RESIDENT_MAX,
               "one question each, whatever the page");

bool huge_allowed(size_t besides) {
    /* A mapping is backed window by window while it is filled: of no more than the next one it must be sure. */
    return !HARDENED_BY(HARDENED_FENCES) && huge_wanted(page_live_bytes() + besides, besides + huge_page_size());
}

/* Seven in eight: a buffer grows when what comes next does not fit, so it is seldom quite full. */
static size_t may_lack(size_t of) {
    return of / 8;
}
static bool nearly(size_t resident, size_t of) {
    return resident >= of - may_lack(of);
}

bool huge_filled_up_to(uintptr_t end, size_t size) {
    size_t looked_at = END_PAGES * platform_page_size();
    end = align_down(end, platform_page_size());
    return size > looked_at && nearly(platform_resident((const void *)(end - looked_at), looked_at), looked_at);
}

enum huge_finding huge_look(uintptr_t address, size_t size) {
    size_t part = LOOK_PAGES * platform_page_size();
    size_t lacking = 0;
    for (size_t i = 0; i < LOOKS && lacking <= may_lack(LOOKS * part); i++) { /* of a block that nobody touched one place tells all */
        uintptr_t middle = address + align_down(size / (size_t)(2 * LOOKS) * (2 * i + 1), platform_page_size());
        lacking += part - platform_resident((const void *)middle, part);
    }
    return lacking <= may_lack(LOOKS * part) ? HUGE_FOUND_FILLED : HUGE_FOUND_SPARSE;
}

bool huge_back(uintptr_t from, uintptr_t to) {
    size_t huge = huge_page_size();
    bool quick = true;
    for (uintptr_t at = align_up(from, huge); quick && at < to && to - at >= huge; at += huge) {
        quick = huge_touch((char *)at, HUGE_WINDOW); /* one at a time: it may not make two kinds of the mapping */
    }
    return quick;
}

void *huge_move(uintptr_t address, size_t old_size, size_t new_size, enum huge_advice advice) {
    size_t huge = huge_page_size();
    /* What has huge pages keeps its place within one, or the system would have to split them. */
    size_t offset = advice == HUGE_FOR ? address & (huge - 1) : 0;
    char *target = platform_map(new_size + offset, huge);
    if (target == NULL) {
        return NULL;
    }
    if (offset && !platform_unmap(target, offset)) {
        (void)platform_unmap(target, new_size + offset);
        return NULL;
    }
    target += offset;
    return platform_remap_onto((void *)address, old_size, target, new_size) ? target : NULL;
}

bool huge_trust_spend(struct huge_trust *trust, size_t size) {
    if (size > trust->bytes || size > trust->largest) {
        return false;
    }
    trust->bytes -= size;
    return true;
}

void huge_trust_learn(struct huge_trust *trust, size_t size, bool trusted, enum huge_finding finding) {
    if (finding == HUGE_FOUND_SPARSE) {
        *trust = (struct huge_trust){0, 0};
        return;
    }
    trust->largest = size > trust->largest ? size : trust->largest;
    size_t bytes = trust->bytes + (trusted ? size - (size >> TRUST_LOSS_SHIFT) : size * TRUSTED_TIMES); /* sizes are below PTRDIFF_MAX */
    size_t most = trust->largest * TRUSTED_TIMES;
    trust->bytes = bytes < most ? bytes : most;
}
