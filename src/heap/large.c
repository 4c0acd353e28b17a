/*
 * Purpose: see large.h.
 * Layer: heap.
 */
#include "heap/large.h"
#include "base/bits.h"
#include "config/options.h"
#include "heap/quarantine.h"
#include "pages/direct.h"
#include "pages/fence.h"
#include "pages/limit.h"
#include "pages/page_map.h"
#include "pages/purge.h"
#include "pages/span.h"
#include "pages/sparse.h"
#include "platform/platform.h"

#define FORGET_MIN ((size_t)32 << 10) /* less is looked at in the time of a system call */

static size_t in_pages(size_t size) {
    return align_up(size, platform_page_size());
}

/* Of the block and its fence, 0 when none starts there. */
static size_t whole_size(uintptr_t address) {
    size_t size = span_size(address);
    return size ? size : direct_size(address);
}

/* The block ends where its fence begins. */
static void *with_fence(void *block) {
    size_t whole = HARDENED_BY(HARDENED_FENCES) && block ? whole_size((uintptr_t)block) : 0;
    if (fence_within(whole)) {
        fence_shut((uintptr_t)block + whole - fence_within(whole));
    }
    return block;
}

/* The size with its fence. */
static size_t with_room_for_fence(size_t size) {
    return size + fence_behind(in_pages(size));
}

static void *take_direct(size_t size, size_t align, bool *zeroed) {
    return with_fence(direct_take(with_room_for_fence(size), align, zeroed));
}

/* The limit is asked for the very size that its caller looks at it for, or they might never agree. */
static void *take_span(size_t size, size_t whole_pages, size_t align, bool *zeroed) {
    return LIKELY(limit_lets_grow(size)) ? with_fence(span_take(whole_pages + fence_behind(whole_pages), align, zeroed)) : NULL;
}

/* `better` is longer than the size in pages. */
static NOINLINE void *take_better_span(size_t size, size_t better, bool *zeroed) {
    void *block = limit_is_far() && limit_admits(better) ? span_take(better, BLOCK_ALIGN, zeroed) : NULL;
    return LIKELY(block != NULL) ? block : take_span(size, in_pages(size), BLOCK_ALIGN, zeroed);
}

void *large_take(size_t size, size_t align, bool *zeroed) {
    if (UNLIKELY(size > option_get(OPTION_large_max)) || UNLIKELY(align > LARGE_ALIGN_MAX)) {
        return LIKELY(limit_lets_grow(size)) ? take_direct(size, align, zeroed) : NULL;
    }
    size_t page = platform_page_size();
    size_t least = align_up(size, page);
    size_t better = HARDENED_BY(HARDENED_FENCES) || align > page ? least : sparse_size(least);
    return LIKELY(better == least) ? take_span(size, least, align, zeroed) : take_better_span(size, better, zeroed);
}

void *large_take_growing(size_t size, size_t copied, bool *zeroed) {
    if (size > GROWN_MAX && LIKELY(limit_lets_grow(size))) {
        return with_fence(direct_take_growing(with_room_for_fence(size), copied, zeroed));
    }
    return large_take(size, BLOCK_ALIGN, zeroed);
}

void large_soiled(uintptr_t address, size_t *from, size_t *to) {
    if (!span_soiled(address, from, to)) {
        *from = 0;
        *to = SIZE_MAX; /* a mapping of its own, or a block inside of another: not known */
    }
}

bool large_forget(void *start, size_t size) {
    return sparse_usually() && size >= FORGET_MIN && (uintptr_t)start % platform_page_size() == 0 && span_forget(start, in_pages(size));
}

size_t large_size(uintptr_t address) {
    if (page_map_chunk(address)) {
        return 0; /* chunks hold slabs only */
    }
    size_t whole = whole_size(address);
    return whole - fence_within(whole);
}

bool large_give(uintptr_t address) {
    if (UNLIKELY(!span_give(address)) && !direct_give(address, purge_budget())) {
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
        count = quarantine_put(address, size + fence_behind(size), direct, leaving);
        if (count == QUARANTINE_HAS_IT) {
            return false;
        }
    } else if (fence_behind(size) && !fence_open(address + size)) {
        return true; /* nobody may use it any more, not even who is given it next */
    }
    if (HARDENED_BY(HARDENED_CLEAR) && count && leaving[0] == address) {
        forget(address, size);
    }
    give_all(leaving, count);
    return true;
}

bool large_end_quarantine(void) {
    if (!HARDENED_BY(HARDENED_QUARANTINE)) {
        return false;
    }
    uintptr_t leaving[QUARANTINE_SLOTS];
    unsigned count = quarantine_empty(leaving);
    give_all(leaving, count);
    return count > 0;
}

/* False when a limit forbids what is added to the block. */
static COLD bool may_grow(uintptr_t address, size_t size) {
    size_t old_size = large_size(address);
    return size <= old_size || limit_allows(size - old_size);
}

static void *resize_direct(uintptr_t address, size_t size) {
    void *resized = direct_resize(address, size);
    return resized || !purge_down_to(0) ? resized : direct_resize(address, size);
}

static void *resize_span(uintptr_t address, size_t size) {
    return span_resize(address, size) ? (void *)address : NULL;
}

void *large_resize(uintptr_t address, size_t size) {
    if (size <= SMALL_MAX || (UNLIKELY(!limit_admits(size)) && !may_grow(address, size))) {
        return NULL;
    }
    size_t old = span_size(address);
    bool direct = old == 0;
    old = direct ? direct_size(address) : old;
    bool stays_span = !direct && size <= option_get(OPTION_large_max);
    size = in_pages(size);
    size += fence_behind(size);
    if (size == old) {
        return (void *)address;
    }
    if ((!direct && !stays_span) || old == 0 || (fence_within(old) && !fence_open(address + old - fence_within(old)))) {
        return NULL;
    }
    void *resized = direct ? resize_direct(address, size) : resize_span(address, size);
    (void)with_fence(resized ? resized : (void *)address);
    if (resized && size < old) {
        purge_if_over_budget();
    }
    return resized;
}
