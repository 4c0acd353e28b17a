/*
 * Purpose: the functions of include/collam/collam.h.
 * Layer: api. No state.
 */
#include "api/sized.h"
#include "base/fmt.h"
#include "collam/collam.h"
#include "config/options.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "front/relief.h"
#include "front/resize.h"
#include "heap/bin.h"
#include "heap/large.h"
#include "observe/explain.h"
#include "observe/stats.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "platform/platform.h"

#include <string.h>

_Static_assert((int)COLLAM_PRESET_BALANCED == (int)PRESET_balanced && (int)COLLAM_PRESET_LATENCY == (int)PRESET_latency &&
                   (int)COLLAM_PRESET_SMALL == (int)PRESET_small && PRESET_COUNT == 3,
               "the public names are the rows of presets.def");

/* Text that is cut to the caller's buffer, and its length uncut. */
struct whole_text {
    struct fmt out;
    size_t length;
};

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

EXPORT const char *collam_version(void) {
    return TEXT(COLLAM_VERSION_MAJOR) "." TEXT(COLLAM_VERSION_MINOR) "." TEXT(COLLAM_VERSION_PATCH);
}

EXPORT void *collam_malloc(size_t size) {
    return fast_malloc(size);
}

EXPORT void *collam_calloc(size_t count, size_t size) {
    return fast_calloc(count, size);
}

EXPORT void *collam_realloc(void *block, size_t size) {
    return front_resize(block, size, "collam_realloc");
}

EXPORT void collam_free(void *block) {
    fast_free(block, "collam_free");
}

EXPORT void *collam_aligned_alloc(size_t align, size_t size) {
    return fast_aligned_or(align, size, front_aligned_or_invalid);
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
    (void)large_end_quarantine();
    heap_request_flush();
    (void)purge_budget_now(); /* what was taken before was not regretted because of what goes now */
    bin_trim();
    bool purged = bin_purge();
    purged |= heap_purge_idle();
    return purge_down_to(keep) || purged;
}

EXPORT bool collam_set_preset(enum collam_preset preset) {
    return option_set(OPTION_preset, (size_t)preset);
}

EXPORT bool collam_set_soft_limit(size_t bytes) {
    bool set = option_set(OPTION_soft_limit, bytes);
    limit_options_changed();
    return set;
}

EXPORT bool collam_set_limit_callback(collam_limit_callback callback, void *context) {
    return relief_set_callback(callback, context);
}

static void write_to_buffer(const char *text, size_t length, void *context) {
    struct whole_text *whole = context;
    whole->length += length;
    if (whole->out.capacity) {
        for (size_t i = 0; i < length; i++) {
            fmt_char(&whole->out, text[i]);
        }
    }
}

EXPORT size_t collam_explain(char *buffer, size_t size) {
    struct whole_text whole = {{buffer, size, 0}, 0};
    if (size) {
        fmt_start(&whole.out, buffer, size);
    }
    explain(write_to_buffer, &whole);
    return whole.length;
}

static void write_to_descriptor(const char *text, size_t length, void *context) {
    platform_write(*(int *)context, text, length);
}

EXPORT void collam_explain_to(int descriptor) {
    explain(write_to_descriptor, &descriptor);
}

EXPORT void collam_get_stats(struct collam_stats *stats, size_t size) {
    struct collam_stats all;
    stats_collect(&all);
    memset(stats, 0, size);
    memcpy(stats, &all, size < sizeof all ? size : sizeof all);
}
