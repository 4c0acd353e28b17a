/*
 * Purpose: see filled.h.
 * Layer: pages. Owner: the span lock protects all state.
 */
#include "pages/filled.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "pages/counters.h"
#include "platform/platform.h"

enum {
    WATCHED = 8,      /* samples at a time */
    PIECE_PAGES = 64, /* of a sample that are looked at */
    PATIENCE = 16,    /* chances that are let pass after a sample that was not filled */
    TRUST_FACTOR = 8, /* bytes that are trusted for one that was found filled */
};

#define SAMPLE_MIN ((size_t)64 << 10)
#define ENOUGH ((size_t)1 << 20)     /* bytes that must have been looked at */
#define MEMORY ((size_t)8 << 20)     /* bytes after which what was seen counts half */
#define TRUST_MIN ((size_t)16 << 20) /* trust never goes beyond this, or an eighth of what is live */

struct sample {
    uintptr_t start;
    size_t size;
};

static struct sample watched[WATCHED]; /* oldest first */
static unsigned watched_count;
static size_t seen; /* bytes that were looked at, fading, and those of them that were backed */
static size_t backed;
static _Atomic(bool) usually; /* what follows from these two; relaxed: who reads it without the lock may be late */
static size_t trust;
static unsigned patience;
static uint32_t place; /* of the next piece, by chance */

static bool mostly(size_t part, size_t whole) {
    return part >= whole - whole / 8;
}

bool filled_usually(void) {
    return load_relaxed(&usually);
}

/* Looks at a piece of the sample. True when the sample has served: it was found filled, or this was its last chance. */
static bool look(const struct sample *sample, bool last) {
    size_t page = platform_page_size();
    size_t pages = sample->size / page;
    size_t most_pages = PLATFORM_RESIDENT_MAX / page < PIECE_PAGES ? PLATFORM_RESIDENT_MAX / page : PIECE_PAGES;
    size_t piece = pages < most_pages ? pages : most_pages;
    place = place * 1664525 + 1013904223;
    size_t first = (size_t)((uint64_t)place * (pages - piece + 1) >> 32);
    size_t found = platform_resident((const void *)(sample->start + first * page), piece * page);
    bool full = mostly(found, piece * page);
    patience = full ? 0 : PATIENCE;
    if (!full && !last) {
        return false; /* it may be filled later */
    }
    seen += piece * page;
    backed += found;
    if (seen > MEMORY) {
        seen /= 2;
        backed /= 2;
    }
    store_relaxed(&usually, seen >= ENOUGH && mostly(backed, seen));
    size_t most = page_live_bytes() / 8;
    most = most > TRUST_MIN ? most : TRUST_MIN;
    trust += full ? TRUST_FACTOR * sample->size : 0;
    trust = !filled_usually() ? 0 : trust < most ? trust : most;
    return true;
}

static void forget(unsigned index) {
    watched_count--;
    for (unsigned i = index; i < watched_count; i++) {
        watched[i] = watched[i + 1];
    }
}

void filled_watch(uintptr_t start, size_t size) {
    if (size < SAMPLE_MIN) {
        return;
    }
    if (patience && --patience) { /* the last chance is taken before the samples are looked at again */
        return;
    }
    if (watched_count == WATCHED) {
        (void)look(&watched[0], true);
        forget(0);
    }
    watched[watched_count++] = (struct sample){start, size};
}

void filled_leaves(uintptr_t start) {
    for (unsigned i = 0; i < watched_count; i++) {
        if (watched[i].start == start) {
            (void)look(&watched[i], true);
            forget(i);
            return;
        }
    }
}

bool filled_trusts(size_t bytes) {
    for (unsigned i = 0; trust < bytes && i < watched_count && patience == 0;) {
        if (look(&watched[i], false)) {
            forget(i);
        } else { /* next time another is looked at first */
            struct sample first = watched[i];
            forget(i);
            watched[watched_count++] = first;
        }
    }
    if (trust < bytes) {
        return false;
    }
    trust -= bytes;
    return true;
}
