/*
 * Purpose: see large.h.
 * Layer: heap.
 */
#include "heap/large.h"
#include "base/bits.h"
#include "config/options.h"
#include "heap/quarantine.h"
#include "pages/direct.h"
#include "pages/limit.h"
#include "pages/page_map.h"
#include "pages/purge.h"
#include "pages/span.h"
#include "platform/platform.h"

static size_t in_pages(size_t size) {
    return align_up(size, platform_page_size());
}

void *large_take(size_t size, size_t align, bool *zeroed) {
    if (UNLIKELY(!limit_lets_grow(size))) {
        return NULL;
    }
    if (size <= option_get(OPTION_large_max) && align <= LARGE_ALIGN_MAX) {
        return span_take(in_pages(size), align, zeroed);
    }
    return direct_take(size, align, zeroed);
}

void *large_take_growing(size_t size, bool *zeroed) {
    if (size > GROWN_MAX && LIKELY(limit_lets_grow(size))) {
        return direct_take(size, platform_page_size(), zeroed);
    }
    return large_take(size, BLOCK_ALIGN, zeroed);
}

size_t large_size(uintptr_t address) {
    if (page_map_chunk(address)) {
        return 0; /* chunks hold slabs only */
    }
    size_t size = span_size(address);
    return size ? size : direct_size(address);
}

bool large_give(uintptr_t address) {
    if (page_map_chunk(address) || (!span_give(address) && !direct_give(address, purge_budget()))) {
        return false;
    }
    purge_if_over_budget();
    return true;
}

static void give_all(const uintptr_t *blocks, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        (void)large_give(blocks[i]);
    }
}

/* Writing a few pages is cheaper than giving them back and getting them again. */
static void forget(uintptr_t address, size_t size) {
    if (size < QUARANTINE_MIN || !platform_purge((void *)address, size)) {
        __builtin_memset((void *)address, 0, size);
    }
}

bool large_give_later(uintptr_t address) {
    bool direct = span_size(address) == 0;
    size_t size = in_pages(large_size(address));
    if (size == 0) {
        return false;
    }
    uintptr_t leaving[QUARANTINE_SLOTS] = {address};
    unsigned count = 1;
    if (HARDENED_BY(HARDENED_QUARANTINE) && size >= QUARANTINE_MIN) {
        count = quarantine_put(address, size, direct, leaving);
        if (count == QUARANTINE_HAS_IT) {
            return false;
        }
    }
    if (HARDENED_BY(HARDENED_CLEAR) && count && leaving[0] == address) {
        forget(address, size);
    }
    give_all(leaving, count);
    return true;
}

bool large_end_quarantine(void) {
    uintptr_t leaving[QUARANTINE_SLOTS];
    unsigned count = HARDENED_BY(HARDENED_QUARANTINE) ? quarantine_empty(leaving) : 0;
    give_all(leaving, count);
    return count > 0;
}

/* False when a limit forbids what is added to the block. */
static COLD bool may_grow(uintptr_t address, size_t size) {
    size_t old_size = large_size(address);
    return size <= old_size || limit_allows(size - old_size);
}

void *large_resize(uintptr_t address, size_t size) {
    if (size <= SMALL_MAX || (UNLIKELY(!limit_admits(size)) && !may_grow(address, size))) {
        return NULL;
    }
    size_t old = span_size(address);
    if (old == 0) {
        void *resized = direct_resize(address, size);
        return resized || !purge_down_to(0) ? resized : direct_resize(address, size);
    }
    size = in_pages(size);
    if (size == old) {
        return (void *)address;
    }
    if (size > option_get(OPTION_large_max) || !span_resize(address, size)) {
        return NULL;
    }
    if (size < old) {
        purge_if_over_budget();
    }
    return (void *)address;
}
