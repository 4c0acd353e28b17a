/*
 * Purpose: see large.h.
 * Layer: heap.
 */
#include "heap/large.h"
#include "base/bits.h"
#include "config/options.h"
#include "pages/chunk.h"
#include "pages/direct.h"
#include "pages/limit.h"
#include "pages/page_map.h"
#include "pages/purge.h"
#include "platform/platform.h"

static unsigned slices_for(size_t size) {
    return (unsigned)(align_up(size, platform_page_size()) >> SLICE_SHIFT);
}

void *large_take(size_t size, size_t align, bool *zeroed) {
    void *block;
    if (UNLIKELY(!limit_admits(size))) {
        return NULL;
    }
    if (size <= option_get(OPTION_large_max) && align <= LARGE_ALIGN_MAX) {
        size_t page = platform_page_size();
        block = chunk_take_run(slices_for(size), (unsigned)((align > page ? align : page) >> SLICE_SHIFT), zeroed);
    } else {
        block = direct_take(size, align, zeroed);
    }
    return block;
}

size_t large_size(uintptr_t address) {
    struct chunk *chunk = page_map_chunk(address);
    if (chunk) {
        return (size_t)chunk_run_length(chunk, address) << SLICE_SHIFT;
    }
    return direct_size(address);
}

bool large_give(uintptr_t address) {
    struct chunk *chunk = page_map_chunk(address);
    bool given = chunk ? chunk_give_run(chunk, address) : direct_give(address, purge_budget());
    if (given) {
        purge_if_over_budget();
    }
    return given;
}

/* False when a limit forbids what is added to the block. */
static COLD bool may_grow(uintptr_t address, size_t size) {
    size_t old_size = large_size(address);
    return size <= old_size || limit_allows(size - old_size);
}

void *large_resize(uintptr_t address, size_t size) {
    struct chunk *chunk = page_map_chunk(address);
    if (UNLIKELY(!limit_admits(size)) && !may_grow(address, size)) {
        return NULL;
    }
    if (chunk == NULL) {
        if (size <= SMALL_MAX) {
            return NULL;
        }
        void *resized = direct_resize(address, size);
        return resized || !purge_down_to(0) ? resized : direct_resize(address, size);
    }
    if (size <= SMALL_MAX || size > option_get(OPTION_large_max)) {
        return NULL;
    }
    bool zeroed;
    if (!chunk_resize_run(chunk, address, slices_for(size), &zeroed)) {
        return NULL;
    }
    purge_if_over_budget();
    return (void *)address;
}
