/*
 * Purpose: see page_map.h.
 * Layer: pages. Written under the chunk lock.
 */
#include "pages/page_map.h"
#include "pages/fence.h"
#include "platform/platform.h"

SPARSE struct page_map page_map;

bool page_map_prepare(uintptr_t address, void *memory, bool *used) {
    *used = false;
    uintptr_t index = address >> REGION_SHIFT;
    if (!page_map_covers(address)) {
        return false;
    }
    if (load_relaxed(&page_map.root[index])) { /* written under the lock the caller holds */
        return true;
    }
    struct region *region = memory;
    if (region == NULL) {
        region = fenced_map(REGION_BYTES, platform_page_size());
        if (region == NULL) {
            return false;
        }
        platform_huge_pages(region, REGION_BYTES, false);
    }
    *used = region == memory;
    store_release(&page_map.root[index], (uintptr_t)region->out - (uintptr_t)page_map.root);
    return true;
}

void page_map_clean(uintptr_t chunk_base) {
    enum { BYTES = CHUNK_SIZE >> WORD_SHIFT << 3 };
    if (BYTES % platform_page_size() == 0) {
        /* The bits are all zero, so it does not matter whether the system does it. */
        (void)platform_purge(page_map_region(chunk_base) + region_index(chunk_base, WORD_SHIFT), BYTES);
    }
}

void page_map_set_chunk(uintptr_t address, struct chunk *chunk) {
    store_release(&region_head(page_map_region(address))->chunks[region_index(address, CHUNK_SHIFT)], chunk);
}

void page_map_set_class(uintptr_t address, unsigned class_index) {
    store_relaxed(&region_head(page_map_region(address))->class_of_unit[region_index(address, UNIT_SHIFT)], (unsigned char)class_index);
}
