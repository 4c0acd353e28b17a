/*
 * Purpose: see clear.h.
 * Layer: front.
 */
#include "front/clear.h"
#include "base/bits.h"
#include "config/geometry.h"

#include <string.h>

/* Sixteen processor registers at a time, whatever the bytes were used as. */
typedef uint64_t pair __attribute__((vector_size(BLOCK_ALIGN), may_alias));
enum { PAIRS = 16 };

_Static_assert(SLICE_SIZE % (PAIRS * sizeof(pair)) == 0, "a step is whole groups");

static inline pair any_of_four(const pair *next) {
    return (next[0] | next[1]) | (next[2] | next[3]);
}

static bool step_is_zero(const char *step) {
    const pair *next = (const pair *)(uintptr_t)step;
    const pair *end = (const pair *)(uintptr_t)(step + SLICE_SIZE);
    for (; next != end; next += PAIRS) {
        pair any = (any_of_four(next) | any_of_four(next + 4)) | (any_of_four(next + 8) | any_of_four(next + 12));
        if ((any[0] | any[1]) != 0) {
            return false;
        }
    }
    return true;
}

void front_clear(void *block, size_t size) {
    char *next = block;
    char *last = next + align_down(size, SLICE_SIZE);
    char *stain = next; /* from here up to the next step all must be written to */
    for (; next != last; next += SLICE_SIZE) {
        if (step_is_zero(next)) {
            if (stain != next) {
                memset(stain, 0, (size_t)(next - stain));
            }
            stain = next + SLICE_SIZE;
        }
    }
    memset(stain, 0, (size_t)((char *)block + size - stain));
}
