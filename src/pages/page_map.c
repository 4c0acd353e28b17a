/*
 * Purpose: see page_map.h.
 * Layer: pages. Written under the chunk lock.
 */
#include "pages/page_map.h"
#include "platform/platform.h"

/* Never written: reading it maps the kernel's shared zero page only. */
static struct region zero_region;

#define BIASED(region, index) ((uintptr_t)(region) - ((uintptr_t)(index) << REGION_UNIT_SHIFT))
#define E1(i) (uintptr_t) & zero_region - ((uintptr_t)(i) << REGION_UNIT_SHIFT)
#define E4(i) E1(i), E1((i) + 1), E1((i) + 2), E1((i) + 3)
#define E16(i) E4(i), E4((i) + 4), E4((i) + 8), E4((i) + 12)
#define E64(i) E16(i), E16((i) + 16), E16((i) + 32), E16((i) + 48)
#define E256(i) E64(i), E64((i) + 64), E64((i) + 128), E64((i) + 192)

_Atomic(uintptr_t) page_map_root[PAGE_MAP_ROOTS] = {E256(0), E256(256), E256(512), E256(768)};

static struct region *region_of(uintptr_t address) {
    uintptr_t index = address >> REGION_SHIFT;
    /* Acquire pairs with the release in page_map_prepare: whoever sees the region sees it zeroed. */
    return (struct region *)(load_acquire(&page_map_root[index]) + (index << REGION_UNIT_SHIFT));
}

struct chunk *page_map_chunk(uintptr_t address) {
    if (!page_map_covers(address)) {
        return NULL;
    }
    size_t index = (address >> CHUNK_SHIFT) & (((size_t)1 << REGION_CHUNK_SHIFT) - 1);
    return load_acquire(&region_of(address)->chunks[index]); /* pairs with the release in page_map_set_chunk */
}

bool page_map_prepare(uintptr_t address, void *memory, bool *used) {
    *used = false;
    if (!page_map_covers(address)) {
        return false;
    }
    if (region_of(address) != &zero_region) {
        return true;
    }
    struct region *region = memory;
    if (region == NULL) {
        region = platform_map(sizeof *region, platform_page_size());
        if (region == NULL) {
            return false;
        }
        platform_huge_pages(region, sizeof *region, false);
    }
    *used = region == memory;
    uintptr_t index = address >> REGION_SHIFT;
    store_release(&page_map_root[index], BIASED(region, index));
    return true;
}

void page_map_set_chunk(uintptr_t address, struct chunk *chunk) {
    size_t index = (address >> CHUNK_SHIFT) & (((size_t)1 << REGION_CHUNK_SHIFT) - 1);
    store_release(&region_of(address)->chunks[index], chunk);
}

void page_map_set_class(uintptr_t address, unsigned class_index) {
    size_t unit = (address >> UNIT_SHIFT) & (((size_t)1 << REGION_UNIT_SHIFT) - 1);
    store_relaxed(&region_of(address)->class_of_unit[unit], (unsigned char)class_index);
}
