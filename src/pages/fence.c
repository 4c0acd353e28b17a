/*
 * Purpose: see fence.h.
 * Layer: pages.
 */
#include "pages/fence.h"
#include "base/bits.h"
#include "config/geometry.h"
#include "pages/counters.h"

/* Counted by what may have one, so that whoever takes one down need not know whether it was there. */
static bool affordable(void) {
    size_t fenced = load_relaxed(&page_counters.chunk_bytes) / CHUNK_SIZE + load_relaxed(&page_counters.large_count) +
                    load_relaxed(&page_counters.direct_count);
    return fenced < FENCED_MAX;
}

void fence_shut(uintptr_t address) {
    if (affordable()) {
        (void)platform_protect((void *)address, platform_page_size(), false);
    }
}

bool fence_open(uintptr_t address) {
    return platform_protect((void *)address, platform_page_size(), true);
}

/* A part that cannot go costs addresses only. */
static void trim(char *start, const char *end) {
    if (start != end) {
        (void)platform_unmap(start, (size_t)(end - start));
    }
}

void *fence_map_between(size_t size, size_t align) {
    size_t page = platform_page_size();
    size_t padded;
    if (__builtin_add_overflow(size, align + page, &padded)) {
        return NULL;
    }
    char *start = platform_map(padded, page);
    if (start == NULL) {
        return NULL;
    }
    char *inside = (char *)align_up((size_t)(start + page), align);
    trim(start, inside - page);
    trim(inside + size + page, start + padded);
    fence_shut((uintptr_t)(inside - page));
    fence_shut((uintptr_t)(inside + size));
    return inside;
}

bool fence_unmap_between(void *address, size_t size) {
    size_t page = platform_page_size();
    return platform_unmap((char *)address - page, size + 2 * page);
}
