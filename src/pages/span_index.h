/*
 * Purpose: the descriptors of spans and where they are found: in address order, in a table by address, in bins by size.
 * Layer: pages. Inside of span.c: every function is called with the span lock held.
 */
#ifndef COLLAM_PAGES_SPAN_INDEX_H
#define COLLAM_PAGES_SPAN_INDEX_H

#include "base/compiler.h"
#include "base/list.h"
#include "config/geometry.h"
#include "pages/counters.h"

/* See span.h. */
enum span_state { CLEAN, DIRTY, HUGE, USED, CACHED, BUSY };

struct span {
    uintptr_t start;
    size_t size;
    struct span *below; /* in address order; they touch iff the addresses say so */
    struct span *above;
    struct list_node in_bin;
    struct span *next; /* in its bucket of the table; among the unused descriptors */
    enum span_state state;
    uint16_t soiled_from; /* slices from the start: when it was taken, only what lies between had been used before */
    uint16_t soiled_to;
};

_Static_assert(sizeof(struct span) == 64, "one cache line");
_Static_assert(LARGE_MAX >> SLICE_SHIFT <= UINT16_MAX, "soiled_to");

ALWAYS_INLINE bool span_is_free(const struct span *span) {
    return span->state == CLEAN || span->state == DIRTY;
}

ALWAYS_INLINE bool span_touches(const struct span *below, const struct span *above) {
    return below && above && below->start + below->size == above->start;
}

ALWAYS_INLINE bool span_is_in_bin(const struct span *span) {
    return span_is_free(span) || span->state == HUGE;
}

/* The counters of spans are written under their lock alone, so that they need no atomic addition. */
ALWAYS_INLINE void span_count(_Atomic(size_t) *counter, size_t n) {
    store_relaxed(counter, load_relaxed(counter) + n);
}

/* The span of the lowest address; NULL while there is none. */
struct span *span_lowest(void);

/* True when there are as many unused descriptors as mapping and cutting a span takes. */
bool span_have_descriptors(void);
/* A descriptor for the range just above `below` in the order (NULL: below all). There is one: see span_have_descriptors. */
struct span *span_insert_above(struct span *below, uintptr_t start, size_t size, enum span_state state);
/* Out of the order; the descriptor is unused from then on. */
void span_remove_from_order(struct span *span);

void span_enter_in_table(struct span *span);
void span_remove_from_table(struct span *span);
/* The used span that starts at the address; NULL when none does. */
struct span *span_find_used(uintptr_t address);
/* Doubles the table when it is full. */
void span_widen_table(void);

/* A clean, dirty or huge span, by its size. Dirty ones are counted. */
void span_enter_in_bin(struct span *span);
void span_remove_from_bin(struct span *span);
/* A span that became free joins the neighbours of its state and enters its bin. */
void span_enter_free(struct span *span);
/* The smallest span of the state that has the size, or nearly so; NULL when there is none. */
struct span *span_fit(enum span_state state, size_t size);
/* From the largest downwards, by bins: the first for NULL, the next after `span`; NULL after the last. */
struct span *span_next_smaller(enum span_state state, const struct span *span);

void span_check_index(void);

#endif
