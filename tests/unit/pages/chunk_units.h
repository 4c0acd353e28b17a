/*
 * Purpose: units for the tests of what chunks hold and give back.
 */
#ifndef COLLAM_TESTS_CHUNK_UNITS_H
#define COLLAM_TESTS_CHUNK_UNITS_H

#include "unit.h"

#include "pages/chunk.h"

static inline char *address_of(void *info) {
    return chunk_unit_base(chunk_of_unit_info(info), unit_of_unit_info(info));
}

static inline void *take_unit(void) {
    void *info = chunk_take_unit(1);
    assert_non_null(info);
    memset(address_of(info), 1, UNIT_SIZE);
    return info;
}

#endif
