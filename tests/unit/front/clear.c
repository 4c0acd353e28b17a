/*
 * Purpose: tests of front/clear.c: everything becomes zero and nothing beside it, whatever was there; what is zero already is not written
 * to.
 */
#include "front/clear.h"
#include "config/geometry.h"
#include "unit.h"

#include <sys/mman.h>

#define PAGE ((size_t)SLICE_SIZE)

enum { PAGES = 8, OTHER = 0x5a };

/* Pages of the fake's between two that it clears as well, so that a step beyond either end is seen. */
static char *pages(void) {
    char *start = platform_map((PAGES + 2) * PAGE, PAGE);
    assert_non_null(start);
    memset(start, OTHER, PAGE);
    memset(start + (PAGES + 1) * PAGE, OTHER, PAGE);
    return start + PAGE;
}

static void expect_clear(char *block, size_t size) {
    front_clear(block, size);
    assert_true(unit_all(block, size, 0));
    assert_true(unit_all(block - PAGE, PAGE, OTHER));
    assert_true(unit_all(block + PAGES * PAGE, PAGE, OTHER));
}

static void every_pattern_of_pages_becomes_zero(void **state) {
    (void)state;
    char *block = pages();
    for (unsigned soiled = 0; soiled < 1u << PAGES; soiled++) {
        for (unsigned page = 0; page < PAGES; page++) {
            if (soiled >> page & 1) {
                memset(block + page * PAGE, 1, PAGE);
            }
        }
        expect_clear(block, PAGES * PAGE);
    }
}

static void one_bit_anywhere_is_found(void **state) {
    (void)state;
    char *block = pages();
    for (size_t bit = 0; bit < 2 * PAGE * 8; bit++) {
        block[bit / 8] = (char)(1u << bit % 8);
        front_clear(block, 2 * PAGE);
        assert_int_equal(block[bit / 8], 0);
    }
    expect_clear(block, PAGES * PAGE);
}

static void what_is_no_whole_step_is_cleared_to_its_end(void **state) {
    (void)state;
    char *block = pages();
    for (size_t size = 0; size <= 3 * PAGE; size += size % PAGE < 20 || size % PAGE > PAGE - 20 ? 1 : 97) {
        memset(block, 1, 3 * PAGE);
        memset(block + PAGE, 0, PAGE); /* one step that is not written to */
        memset(block + 3 * PAGE, OTHER, PAGE);
        front_clear(block, size);
        assert_true(unit_all(block, size, 0));
        size_t untouched = size < PAGE ? PAGE - size : 0;
        assert_true(unit_all(block + size, untouched, 1));
        size_t from = size > 2 * PAGE ? size : 2 * PAGE;
        assert_true(unit_all(block + from, 3 * PAGE - from, 1));
        assert_true(unit_all(block + 3 * PAGE, PAGE, OTHER));
    }
}

/* A write to the pages that are zero would end the test: they may only be read. */
static void zeros_are_not_written_to(void **state) {
    (void)state;
    char *block = pages();
    block[3 * PAGE + 5] = 1;
    assert_int_equal(mprotect(block, 3 * PAGE, PROT_READ), 0);
    assert_int_equal(mprotect(block + 4 * PAGE, (PAGES - 4) * PAGE, PROT_READ), 0);
    expect_clear(block, PAGES * PAGE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_pattern_of_pages_becomes_zero),
    cmocka_unit_test(one_bit_anywhere_is_found),
    cmocka_unit_test(what_is_no_whole_step_is_cleared_to_its_end),
    cmocka_unit_test(zeros_are_not_written_to),
};
UNIT_MAIN(tests)
