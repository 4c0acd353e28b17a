/*
 * Purpose: see page_map.h.
 * Layer: pages. Written under the chunk lock.
 */
#include "pages/page_map.h"
#include "platform/platform.h"

/* Never written: reading it maps the kernel's shared zero page only. */
static struct region zero_region;

#define BIASED(start, index) ((uintptr_t)(start) - ((uintptr_t)(index) << REGION_UNIT_SHIFT))
#define BIASED_CHUNKS(start, index)                                                                                                        \
    ((uintptr_t)(start) + offsetof(struct region, chunks) - ((uintptr_t)(index) << REGION_CHUNK_SHIFT) * sizeof(void *))
#define E4(B, i) B(&zero_region, i), B(&zero_region, (i) + 1), B(&zero_region, (i) + 2), B(&zero_region, (i) + 3)
#define E16(B, i) E4(B, i), E4(B, (i) + 4), E4(B, (i) + 8), E4(B, (i) + 12)
#define E64(B, i) E16(B, i), E16(B, (i) + 16), E16(B, (i) + 32), E16(B, (i) + 48)
#define E256(B, i) E64(B, i), E64(B, (i) + 64), E64(B, (i) + 128), E64(B, (i) + 192)

#if defined(__x86_64__)
#define ALL(B) E256(B, 0), E256(B, 256)
#else
#define ALL(B) E256(B, 0), E256(B, 256), E256(B, 512), E256(B, 768)
#endif

_Atomic(uintptr_t) page_map_root[PAGE_MAP_ROOTS] = {ALL(BIASED)};
_Atomic(uintptr_t) page_map_chunk_root[PAGE_MAP_ROOTS] = {ALL(BIASED_CHUNKS)};

static struct region *region_of(uintptr_t address) {
    uintptr_t index = address >> REGION_SHIFT;
    /* Acquire pairs with the release in page_map_prepare: whoever sees the region sees it zeroed. */
    return (struct region *)(load_acquire(&page_map_root[index]) + (index << REGION_UNIT_SHIFT));
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
    store_release(&page_map_chunk_root[index], BIASED_CHUNKS(region, index));
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
