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
    _Atomic(size_t) used_bytes;        /* of those, in slabs and large blocks (chunk lock) */
    _Atomic(size_t) dirty_bytes;       /* free but still backed by memory: in chunks (chunk lock) and kept mappings (direct lock) */
    _Atomic(size_t) direct_bytes;      /* mapped for direct blocks (direct lock) */
    _Atomic(size_t) direct_count;      /* direct blocks (direct lock) */
    _Atomic(size_t) large_bytes;       /* in large blocks (chunk lock) */
    _Atomic(size_t) large_count;       /* large blocks (chunk lock) */
    _Atomic(size_t) meta_bytes;        /* handed out for metadata (meta lock) */
    _Atomic(size_t) purged_bytes;      /* given back so far (any) */
    _Atomic(size_t) clean_taken_bytes; /* handed out so far that were not backed (chunk lock; direct lock) */
    _Atomic(size_t) purge_calls;       /* how often (any) */
};

extern struct page_counters page_counters HIDDEN;

#endif
