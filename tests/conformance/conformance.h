/*
 * Purpose: what the conformance programs share: cmocka with its prerequisites, the list of sizes where an allocator changes
 * its ways, and an assertion for "returns NULL and sets errno".
 */
#ifndef COLLAM_TESTS_CONFORMANCE_H
#define COLLAM_TESTS_CONFORMANCE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the five above to be there first */
#include <cmocka.h>

#include "../support/entry_points.h"
#include "../support/pattern.h"
#include "../support/process_memory.h"

#define assert_fails(call, expected_errno)                                                                                                 \
    do {                                                                                                                                   \
        errno = 0;                                                                                                                         \
        assert_null(call);                                                                                                                 \
        assert_int_equal(errno, expected_errno);                                                                                           \
    } while (0)

/* Each value, the one before and the one after it: the ends of small classes, slabs, page runs, chunks and mappings. */
static const size_t boundary_middle[] = {1,     16,    64,     128,    256,    512,      1024,     4096,     8192,    16384,
                                         32768, 65536, 131072, 262144, 524288, 1u << 20, 2u << 20, 3u << 20, 4u << 20};

static inline size_t boundary_count(void) {
    return 3 * sizeof boundary_middle / sizeof *boundary_middle;
}

static inline size_t boundary(size_t i) {
    return boundary_middle[i / 3] + i % 3 - 1;
}

#endif
