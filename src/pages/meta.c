/*
 * Purpose: see meta.h.
 * Layer: pages. Owner: the lock below protects everything in this file.
 *
 * Two cursors: `wide` hands out whole pages and page-aligned structures; `narrow` cuts one 4 KiB page after another into bitmaps, so
 * that small metadata of unrelated owners shares pages and a chunk descriptor never straddles two.
 */
#include "pages/meta.h"
#include "base/bits.h"
#include "base/check.h"
#include "config/geometry.h"
#include "pages/counters.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum { META_STEP = 1 << 20, FIRST_BYTES = 96 << 10, SMALL_SHIFT_MIN = 3, SMALL_KINDS = 7 };

struct free_small {
    struct free_small *next;
};

struct cursor {
    char *next;
    char *end;
};

/* Enough for the first thread heap and chunk descriptor, so that starting needs no mapping for metadata. Cost: only what is touched. */
static ALIGNED(SLICE_SIZE) char first_pages[FIRST_BYTES];

static struct lock meta_lock;
static struct cursor wide = {first_pages, first_pages + FIRST_BYTES};
static struct cursor narrow;
static struct free_small *free_small[SMALL_KINDS];

static void *cut(struct cursor *cursor, size_t size, size_t align) {
    char *start = (char *)align_up((size_t)cursor->next, align);
    if (cursor->next == NULL || start > cursor->end || (size_t)(cursor->end - start) < size) {
        return NULL;
    }
    cursor->next = start + size;
    return start;
}

static size_t left_in(const struct cursor *cursor) {
    return (size_t)(cursor->end - cursor->next);
}

static void *cut_wide(size_t size, size_t align) {
    void *result = cut(&wide, size, align);
    if (result == NULL) {
        size_t step = META_STEP;
        char *start = size > META_STEP / 2 ? NULL : platform_map(step, platform_page_size());
        if (start == NULL) {
            step = align_up(size, platform_page_size());
            start = platform_map(step, platform_page_size());
        }
        if (start == NULL) {
            return NULL; /* what is left may still serve a smaller request */
        }
        platform_huge_pages(start, step, false);
        struct cursor fresh = {start, start + step};
        result = cut(&fresh, size, align);
        if (left_in(&fresh) > left_in(&wide)) {
            wide = fresh;
        }
    }
    fetch_add_relaxed(&page_counters.meta_bytes, size);
    return result;
}

void *meta_alloc(size_t size, size_t align) {
    lock_take(&meta_lock, LOCK_META);
    void *result = cut_wide(size, align);
    lock_give(&meta_lock, LOCK_META);
    return result;
}

static unsigned small_kind(size_t size) {
    return size <= (1u << SMALL_SHIFT_MIN) ? 0 : highest_bit(size - 1) + 1 - SMALL_SHIFT_MIN;
}

void *meta_small(size_t size) {
    ASSERT(size <= META_SMALL_MAX);
    unsigned kind = small_kind(size);
    size_t rounded = (size_t)1 << (kind + SMALL_SHIFT_MIN);
    lock_take(&meta_lock, LOCK_META);
    struct free_small *result = free_small[kind];
    if (result) {
        free_small[kind] = result->next;
        result->next = NULL;
    } else {
        result = cut(&narrow, rounded, rounded < 64 ? rounded : 64);
        char *page = result ? NULL : cut_wide(SLICE_SIZE, SLICE_SIZE);
        if (page) {
            narrow = (struct cursor){page, page + SLICE_SIZE};
            result = cut(&narrow, rounded, rounded < 64 ? rounded : 64);
        }
    }
    lock_give(&meta_lock, LOCK_META);
    return result;
}

void meta_small_free(void *address, size_t size) {
    unsigned kind = small_kind(size);
    uint64_t *words = address;
    for (size_t i = 0; i < ((size_t)1 << (kind + SMALL_SHIFT_MIN)) / sizeof *words; i++) {
        words[i] = 0;
    }
    struct free_small *node = address;
    lock_take(&meta_lock, LOCK_META);
    node->next = free_small[kind];
    free_small[kind] = node;
    lock_give(&meta_lock, LOCK_META);
}

void meta_donate(void *address, size_t size) {
    lock_take(&meta_lock, LOCK_META);
    if (size > left_in(&wide)) {
        wide.next = address;
        wide.end = wide.next + size;
    }
    lock_give(&meta_lock, LOCK_META);
}

void meta_fork_take(void) {
    lock_fork_take(&meta_lock);
}
void meta_fork_give(void) {
    lock_fork_give(&meta_lock);
}
