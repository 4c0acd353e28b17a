/*
 * Purpose: see sparse.h.
 * Layer: pages. Owner: the span lock protects all state.
 */
#include "pages/sparse.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "config/geometry.h"
#include "platform/platform.h"

enum {
    PIECE_PAGES = 32, /* of a sample that are looked at */
    SURE = 4,         /* samples that were hardly backed, with none of fresh memory between that was not: then the program is believed */
    DOUBT = 2,        /* so many of these a sample takes off that `calloc` had better not have given back */
    SIZES_SHIFT = 2,  /* four sizes to a doubling */
};

/* Bytes given back from one sample to the next: while the program is believed; else, of fresh memory; of any. */
#define AFTER_BELIEVED ((size_t)16 << 20)
#define AFTER_CLEAN ((size_t)4 << 20)
#define AFTER_ANY ((size_t)64 << 20)
#define SIZE_STEP ((size_t)64 << 10) /* between two sizes, at least */

enum part { LITTLE, SOME, MORE, MUCH };

struct sparse sparse = {.least = AFTER_CLEAN};
static uint32_t place; /* of the next piece, by chance */

static enum part backed_part(uintptr_t start, size_t size) {
    size_t page = platform_page_size();
    size_t pages = size / page;
    size_t most_pages = PLATFORM_RESIDENT_MAX / page < PIECE_PAGES ? PLATFORM_RESIDENT_MAX / page : PIECE_PAGES;
    size_t piece = pages < most_pages ? pages : most_pages;
    place = place * 1664525 + 1013904223;
    size_t first = (size_t)((uint64_t)place * (pages - piece + 1) >> 32);
    size_t found = platform_resident((const void *)(start + first * page), piece * page);
    if (found == 0) { /* does the system tell at all? This was written to: */
        return platform_resident((const void *)align_down((uintptr_t)&place, page), page) ? LITTLE : SOME;
    }
    size_t eighth = piece * page / 8;
    return found <= 2 * eighth ? LITTLE : found <= 3 * eighth ? SOME : found <= 4 * eighth ? MORE : MUCH;
}

/*
 * Memory that was used before shows what others left there, and `calloc` looked at. So it tells only for the program, not against
 * it, until the program is believed; then its blocks have the sizes, and are cleared in the way, that leave little there, and one sample
 * that is backed for the most part ends the belief. What `calloc` gives back is faulted in again, so there three eighths are enough,
 * twice.
 */
void sparse_look(uintptr_t start, size_t size, enum sparse_sample sample) {
    bool was_clean = sample == SPARSE_CLEAN;
    bool believed = sparse_usually();
    if (!believed && !was_clean && sparse.given < AFTER_ANY) {
        return;
    }
    sparse.given = 0;
    enum part part = backed_part(start, size);
    if (part == LITTLE) {
        sparse.sure += sparse.sure < SURE;
    } else if (believed && sample == SPARSE_FORGOTTEN) {
        unsigned doubt = part >= MORE ? DOUBT : 0;
        sparse.sure = sparse.sure > doubt ? sparse.sure - doubt : 0;
    } else if (believed ? part == MUCH : was_clean) {
        sparse.sure = 0;
    }
    believed = believed ? sparse.sure != 0 : sparse.sure == SURE;
    sparse.least = believed ? AFTER_BELIEVED : AFTER_CLEAN;
    if (believed) {
        store_relaxed(&sparse.ever, true);
    }
    store_relaxed(&sparse.usually, believed);
}

size_t sparse_better_size(size_t size) {
    if (size <= SMALL_MAX) {
        return size;
    }
    size_t step = ((size_t)1 << highest_bit(size)) >> SIZES_SHIFT;
    return align_up(size, step > SIZE_STEP ? step : SIZE_STEP);
}
