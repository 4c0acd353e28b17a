/*
 * Purpose: the libc functions that tune the allocator and tell about it: mallopt, malloc_trim, mallinfo, malloc_info, malloc_stats.
 * Layer: api. No state.
 */
#include "base/fmt.h"
#include "collam/collam.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/thread_heap.h"
#include "observe/stats.h"
#include "pages/counters.h"
#include "platform/platform.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>

/* 1: obeyed. 0: the parameter has no meaning here, or the value is outside what collam can do. */
EXPORT int mallopt(int parameter, int value) {
    switch (parameter) {
    case M_TRIM_THRESHOLD: /* -1 means never, as in glibc */
        return option_set(OPTION_dirty_min, value < 0 ? SIZE_MAX / 2 : (size_t)value);
    case M_MMAP_THRESHOLD:
        return value >= 0 && option_set(OPTION_large_max, (size_t)value);
    case M_ARENA_MAX:
        if (value < 1) {
            return 0;
        }
        shard_limit((unsigned)value);
        return 1;
    case M_PERTURB: /* for this thread and those that allocate for the first time from now on */
        store_relaxed(&option_values[OPTION_perturb], (size_t)(value & 0xff));
        if (value & 0xff) {
            (void)heap_of_thread();
            heap_watch();
        }
        return 1;
    default:
        return 0;
    }
}

EXPORT int malloc_trim(size_t pad) {
    return collam_trim(pad);
}

EXPORT struct mallinfo2 mallinfo2(void) {
    struct collam_stats stats;
    stats_collect(&stats);
    size_t in_chunks = stats.small_bytes + stats.large_bytes + stats.guarded_bytes;
    struct mallinfo2 info = {0};
    info.arena = stats.mapped_bytes - stats.direct_bytes;
    info.hblkhd = stats.direct_bytes;
    info.fsmblks = stats.cached_bytes;
    info.uordblks = in_chunks;
    info.fordblks = info.arena > in_chunks ? info.arena - in_chunks : 0;
    info.keepcost = stats.dirty_bytes;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t live;
        size_t free;
        stats_of_class(c, &live, &free);
        info.ordblks += free;
        info.smblks += heap_blocks_cached(c);
    }
    info.hblks = load_relaxed(&page_counters.direct_count);
    return info;
}

static int clamp(size_t n) {
    return n > INT_MAX ? INT_MAX : (int)n;
}

/* The old form: figures above INT_MAX are shown as INT_MAX instead of wrapping. */
EXPORT struct mallinfo mallinfo(void) {
    struct mallinfo2 info = mallinfo2();
    return (struct mallinfo){
        .arena = clamp(info.arena),
        .ordblks = clamp(info.ordblks),
        .smblks = clamp(info.smblks),
        .hblks = clamp(info.hblks),
        .hblkhd = clamp(info.hblkhd),
        .usmblks = clamp(info.usmblks),
        .fsmblks = clamp(info.fsmblks),
        .uordblks = clamp(info.uordblks),
        .fordblks = clamp(info.fordblks),
        .keepcost = clamp(info.keepcost),
    };
}

static void attribute(struct fmt *out, const char *name, size_t value) {
    fmt_char(out, ' ');
    fmt_text(out, name);
    fmt_text(out, "=\"");
    fmt_number(out, value);
    fmt_char(out, '"');
}

static void element(struct fmt *out, const char *tag, const char *type, size_t count, size_t size) {
    fmt_char(out, '<');
    fmt_text(out, tag);
    fmt_text(out, " type=\"");
    fmt_text(out, type);
    fmt_char(out, '"');
    if (count != SIZE_MAX) {
        attribute(out, "count", count);
    }
    attribute(out, "size", size);
    fmt_text(out, "/>\n");
}

/* Free blocks by size class; their number and bytes are added up. */
static void free_sizes(struct fmt *out, size_t *count, size_t *bytes) {
    fmt_text(out, "<sizes>\n");
    size_t below = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t live;
        size_t free;
        stats_of_class(c, &live, &free);
        size_t size = size_classes[c].size;
        if (free) {
            fmt_text(out, "  <size");
            attribute(out, "from", below + 1);
            attribute(out, "to", size);
            attribute(out, "total", free * size);
            attribute(out, "count", free);
            fmt_text(out, "/>\n");
        }
        *count += free;
        *bytes += free * size;
        below = size;
    }
    fmt_text(out, "</sizes>\n");
}

static void system_lines(struct fmt *out, size_t chunks) {
    element(out, "system", "current", SIZE_MAX, chunks);
    element(out, "system", "max", SIZE_MAX, chunks);
    element(out, "aspace", "total", SIZE_MAX, chunks);
    element(out, "aspace", "mprotect", SIZE_MAX, chunks);
}

/* The shape of glibc's malloc_info, with all of collam as one heap; cached blocks count as "fast". */
EXPORT int malloc_info(int options, FILE *stream) {
    if (options != 0) {
        return EINVAL;
    }
    struct collam_stats stats;
    stats_collect(&stats);
    size_t chunks = stats.mapped_bytes - stats.direct_bytes;
    size_t count = 0;
    size_t bytes = 0;
    char text[8192];
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    fmt_text(&out, "<malloc version=\"1\">\n<heap nr=\"0\">\n");
    free_sizes(&out, &count, &bytes);
    for (int twice = 0; twice < 2; twice++) {
        element(&out, "total", "fast", 0, 0);
        element(&out, "total", "rest", count, bytes + stats.dirty_bytes);
        if (twice) {
            element(&out, "total", "mmap", load_relaxed(&page_counters.direct_count), stats.direct_bytes);
        }
        system_lines(&out, chunks);
        fmt_text(&out, twice ? "</malloc>\n" : "</heap>\n");
    }
    return fputs(text, stream) == EOF ? -1 : 0;
}

static void print_to_standard_error(const char *name, size_t value, void *context) {
    char line[128];
    struct fmt out;
    (void)context;
    fmt_start(&out, line, sizeof line);
    fmt_text(&out, name);
    while (fmt_length(&out) < 20) {
        fmt_char(&out, ' ');
    }
    fmt_text(&out, "= ");
    fmt_number(&out, value);
    fmt_char(&out, '\n');
    platform_write(2, line, fmt_length(&out));
}

EXPORT void malloc_stats(void) {
    struct collam_stats stats;
    stats_collect(&stats);
    static const char title[] = "collam statistics (bytes)\n";
    platform_write(2, title, sizeof title - 1);
    stats_each(&stats, print_to_standard_error, NULL);
    /* The two lines that glibc's readers look for. */
    print_to_standard_error("system bytes", stats.mapped_bytes, NULL);
    print_to_standard_error("in use bytes", stats.live_bytes, NULL);
}
