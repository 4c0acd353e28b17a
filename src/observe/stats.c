/*
 * Purpose: see stats.h.
 * Layer: observe.
 */
#include "observe/stats.h"
#include "base/fmt.h"
#include "heap/bin.h"
#include "heap/guarded.h"
#include "heap/quarantine.h"
#include "heap/thread_heap.h"
#include "pages/counters.h"
#include "platform/platform.h"

void stats_of_class(unsigned class_index, size_t *live, size_t *free) {
    size_t held = bin_blocks_held(class_index);
    size_t out = bin_blocks_out(class_index);
    size_t cached = heap_blocks_cached(class_index);
    *live = out > cached ? out - cached : 0;
    *free = held > *live ? held - *live : 0;
}

static size_t without(size_t all, size_t part) {
    return all > part ? all - part : 0;
}

/* Without what waits in quarantine, which the layers below take to be in use. */
static void count_large(struct collam_stats *stats) {
    size_t run_bytes = 0;
    size_t direct_bytes = 0;
    size_t waiting = HARDENED_BY(HARDENED_QUARANTINE) ? quarantine_waiting(&run_bytes, &direct_bytes) : 0;
    /* Some of it may have left since. */
    stats->live_blocks += without(load_relaxed(&page_counters.large_count) + load_relaxed(&page_counters.direct_count), waiting);
    stats->large_bytes = without(load_relaxed(&page_counters.large_bytes), run_bytes);
    stats->direct_bytes = without(load_relaxed(&page_counters.direct_bytes), direct_bytes);
}

void stats_collect(struct collam_stats *stats) {
    *stats = (struct collam_stats){0};
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t size = size_classes[c].size;
        size_t held = bin_blocks_held(c);
        size_t out = bin_blocks_out(c);
        size_t cached = heap_blocks_cached(c);
        size_t live = out > cached ? out - cached : 0;
        stats->live_blocks += live;
        stats->small_bytes += live * size;
        stats->cached_bytes += cached * size;
        stats->slab_free_bytes += (held > out ? held - out : 0) * size;
    }
    count_large(stats);
    stats->live_blocks += guarded_live(&stats->guarded_bytes);
    stats->live_bytes = stats->small_bytes + stats->large_bytes + stats->direct_bytes + stats->guarded_bytes;
    stats->dirty_bytes = page_dirty_bytes();
    stats->mapped_bytes = load_relaxed(&page_counters.chunk_bytes) + load_relaxed(&page_counters.span_bytes) +
                          load_relaxed(&page_counters.direct_bytes) + stats->guarded_bytes;
    stats->metadata_bytes = load_relaxed(&page_counters.meta_bytes);
    stats->purged_bytes = load_relaxed(&page_counters.purged_bytes);
    stats->purges = load_relaxed(&page_counters.purge_calls);
    size_t allocations;
    heap_calls_counted(&allocations, &stats->frees);
    /* What was handed out before counting began is counted here, so that allocations - frees are the live blocks. */
    stats->allocations = allocations ? stats->frees + stats->live_blocks : 0;
}

void stats_each(const struct collam_stats *stats, void (*print)(const char *name, size_t value, void *context), void *context) {
#define STAT(name, sentence) print(#name, stats->name, context);
#include "observe/stats.def"
#undef STAT
}

static void print_line(const char *name, size_t value, void *context) {
    struct fmt *out = context;
    fmt_text(out, name);
    fmt_char(out, ' ');
    fmt_number(out, value);
    fmt_char(out, '\n');
}

bool stats_write_file(const char *path) {
    char expanded[600];
    struct fmt name;
    fmt_start(&name, expanded, sizeof expanded);
    for (; *path; path++) {
        if (path[0] == '%' && path[1] == 'p') {
            fmt_number(&name, platform_process_id());
            path++;
        } else {
            fmt_char(&name, *path);
        }
    }
    if (fmt_length(&name) + 1 == sizeof expanded) {
        return false; /* cut, perhaps: that would be another file */
    }
    int descriptor = platform_create_file(expanded);
    if (descriptor < 0) {
        return false;
    }
    struct collam_stats stats;
    stats_collect(&stats);
    char text[1024];
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    stats_each(&stats, print_line, &out);
    platform_write(descriptor, text, fmt_length(&out));
    platform_close(descriptor);
    return true;
}
