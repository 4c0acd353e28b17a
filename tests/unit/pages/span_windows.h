/*
 * Purpose: a program that is given windows, for the tests of spans in huge pages.
 */
#ifndef COLLAM_TESTS_SPAN_WINDOWS_H
#define COLLAM_TESTS_SPAN_WINDOWS_H

#include "span_blocks.h"

#include "config/geometry.h"
#include "config/options.h"
#include "pages/filled.h"

/* A program that has filled all blocks so far, and lives in ordinary pages. */
static inline void fill_some(void) {
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    for (unsigned i = 0; i < 4; i++) {
        char *block = take(MIB);
        assert_int_equal(fake_huge_pages_at(block), -1);
        memset(block, 1, MIB);
        give(block);
        purge_all();
    }
    assert_true(filled_usually());
    while (span_unmap(false) == SPAN_DONE) {
    }
    assert_int_equal(counter(&page_counters.span_bytes), 0);
    store_relaxed(&page_counters.large_peak_bytes, 32 * MIB); /* it has been large enough for windows to go back whole */
}

#endif
