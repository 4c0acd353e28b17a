/*
 * Purpose: how much memory is where, in bytes; what the dirty budget is computed from and what statistics report.
 * Layer: pages. Each counter is a single word added to relaxed under the lock named beside it, and read relaxed anywhere: a reader
 * may see counters of slightly different moments, never a torn or drifting one.
 */
#ifndef COLLAM_PAGES_COUNTERS_H
#define COLLAM_PAGES_COUNTERS_H

#include "base/atomic.h"
#include "base/compiler.h"

struct page_counters {
    _Atomic(size_t) chunk_bytes;       /* mapped for chunks (chunk lock) */
    _Atomic(size_t) used_bytes;        /* of those, in slabs (chunk lock) */
    _Atomic(size_t) dirty_bytes;       /* free but still backed by memory: in chunks (chunk lock) and kept mappings (direct lock) */
    _Atomic(size_t) slab_clean_bytes;  /* of used_bytes, in free pages of slabs that were given back (bin's lock) */
    _Atomic(size_t) span_bytes;        /* mapped for spans (span lock) */
    _Atomic(size_t) large_bytes;       /* of those, in blocks (span lock) */
    _Atomic(size_t) large_count;       /* such blocks (span lock) */
    _Atomic(size_t) large_dirty_bytes; /* in free spans that may still be backed (span lock) */
    _Atomic(size_t) large_peak_bytes;  /* the most that was in such blocks lately (span lock; purging lowers it: a hint) */
    _Atomic(size_t) direct_bytes;      /* mapped for direct blocks (direct lock) */
    _Atomic(size_t) direct_count;      /* direct blocks (direct lock) */
    _Atomic(size_t) meta_bytes;        /* handed out for metadata (meta lock) */
    _Atomic(size_t) purged_bytes;      /* given back so far (any) */
    _Atomic(size_t) clean_taken_bytes; /* handed out so far that were not backed (chunk, span, direct, bin's lock) */
    _Atomic(size_t) purge_calls;       /* how often (any) */
};

extern struct page_counters page_counters HIDDEN;

/* In slabs, large and direct blocks. */
ALWAYS_INLINE size_t page_live_bytes(void) {
    return load_relaxed(&page_counters.used_bytes) + load_relaxed(&page_counters.large_bytes) + load_relaxed(&page_counters.direct_bytes);
}

/* Free but still backed, anywhere. */
ALWAYS_INLINE size_t page_dirty_bytes(void) {
    return load_relaxed(&page_counters.dirty_bytes) + load_relaxed(&page_counters.large_dirty_bytes);
}

#endif
