/*
 * Purpose: the functions of include/collam/collam.h.
 * Layer: api. No state.
 */
#include "api/sized.h"
#include "collam/collam.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "front/resize.h"
#include "heap/bin.h"
#include "observe/stats.h"
#include "pages/purge.h"

#include <errno.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

EXPORT const char *collam_version(void) {
    return TEXT(COLLAM_VERSION_MAJOR) "." TEXT(COLLAM_VERSION_MINOR) "." TEXT(COLLAM_VERSION_PATCH);
}

EXPORT void *collam_malloc(size_t size) {
    return fast_malloc(size);
}

EXPORT void *collam_calloc(size_t count, size_t size) {
    return front_calloc(count, size);
}

EXPORT void *collam_realloc(void *block, size_t size) {
    return front_resize(block, size, "collam_realloc");
}

EXPORT void collam_free(void *block) {
    fast_free(block, "collam_free");
}

EXPORT void *collam_aligned_alloc(size_t align, size_t size) {
    if (!is_power_of_two(align)) {
        errno = EINVAL;
        return NULL;
    }
    return front_aligned(align, size);
}

EXPORT void collam_free_sized(void *block, size_t size) {
    if (sized_matches(block, BLOCK_ALIGN, size, "collam_free_sized")) {
        fast_free(block, "collam_free_sized");
    }
}

EXPORT void collam_free_aligned_sized(void *block, size_t align, size_t size) {
    if (sized_matches(block, align, size, "collam_free_aligned_sized")) {
        fast_free(block, "collam_free_aligned_sized");
    }
}

EXPORT size_t collam_usable_size(const void *block) {
    return front_usable_size(block, "collam_usable_size");
}

EXPORT bool collam_trim(size_t keep) {
    (void)heap_flush_all();
    (void)front_end_quarantine();
    bin_trim();
    return purge_down_to(keep);
}

EXPORT void collam_get_stats(struct collam_stats *stats, size_t size) {
    struct collam_stats all;
    stats_collect(&all);
    memset(stats, 0, size);
    memcpy(stats, &all, size < sizeof all ? size : sizeof all);
}
