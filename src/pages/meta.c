/*
 * Purpose: see meta.h.
 * Layer: pages. Owner: the lock below protects everything in this file.
 *
 * One cursor: what is handed out is never given back, so structures that come and go are kept for reuse by whoever asked for them.
 */
#include "pages/meta.h"
#include "base/bits.h"
#include "config/geometry.h"
#include "pages/counters.h"
#include "pages/fence.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum { META_STEP = 1 << 20, FIRST_BYTES = 96 << 10 };

struct cursor {
    char *next;
    char *end;
};

/* Enough for the first thread heap and chunk descriptor, so that starting needs no mapping for metadata. Cost: only what is touched. */
static SPARSE ALIGNED(SLICE_SIZE)
char first_pages[FIRST_BYTES];

static struct lock meta_lock;
static struct cursor rest = {first_pages, first_pages + FIRST_BYTES};

static void *cut(struct cursor *cursor, size_t size, size_t align) {
    char *start = (char *)align_up((size_t)cursor->next, align);
    if (start > cursor->end || (size_t)(cursor->end - start) < size) {
        return NULL;
    }
    cursor->next = start + size;
    return start;
}

static size_t left_in(const struct cursor *cursor) {
    return (size_t)(cursor->end - cursor->next);
}

static void *cut_rest(size_t size, size_t align) {
    void *result = cut(&rest, size, align);
    if (result == NULL) {
        size_t step = META_STEP;
        char *start = size > META_STEP / 2 ? NULL : fenced_map(step, platform_page_size());
        if (start == NULL) {
            step = align_up(size, platform_page_size());
            start = fenced_map(step, platform_page_size());
        }
        if (start == NULL) {
            return NULL; /* what is left may still serve a smaller request */
        }
        platform_huge_pages(start, step, false);
        struct cursor fresh = {start, start + step};
        result = cut(&fresh, size, align);
        if (left_in(&fresh) > left_in(&rest)) {
            rest = fresh;
        }
    }
    fetch_add_relaxed(&page_counters.meta_bytes, size);
    return result;
}

void *meta_alloc(size_t size, size_t align) {
    lock_take(&meta_lock, LOCK_META);
    void *result = cut_rest(size, align);
    lock_give(&meta_lock, LOCK_META);
    return result;
}

void meta_donate(void *address, size_t size) {
    lock_take(&meta_lock, LOCK_META);
    if (size > left_in(&rest)) {
        rest.next = address;
        rest.end = rest.next + size;
    }
    lock_give(&meta_lock, LOCK_META);
}

void meta_fork_take(void) {
    lock_fork_take(&meta_lock);
}
void meta_fork_give(void) {
    lock_fork_give(&meta_lock);
}
