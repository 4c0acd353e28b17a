/*
 * Purpose: tests of api/sized.c: which sizes and alignments a caller may claim for a block, and what is said of others.
 */
#include "api/sized.h"
#include "config/options.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "front/resize.h"
#include "pages/sparse.h"
#include "unit.h"

#include <stdio.h>

static bool matches(const void *block, size_t align, size_t size) {
    fake_output_clear();
    bool result = sized_matches(block, align, size, "call");
    assert_int_equal(fake_output()[0] == '\0', result);
    return result;
}

/* What was asked for always matches, also after realloc. */
static void the_truth_always_matches(size_t page_size) {
    fake_settings.page_size = page_size;
    assert_true(matches(NULL, 16, 100));
    for (size_t align = 16; align <= (size_t)1 << 21; align *= 2) {
        for (size_t size = 0; size < (size_t)3 << 20; size = size * 5 / 4 + 7) {
            void *block = front_aligned(align, size);
            assert_true(matches(block, align, size));
            fast_free(block, "test");
        }
    }
    for (size_t from = 1; from < (size_t)3 << 20; from = from * 3 / 2 + 1) {
        for (size_t to = 1; to < (size_t)3 << 20; to = to * 3 / 2 + 1) {
            void *block = front_resize(fast_malloc(from), to, "test");
            assert_true(matches(block, 16, to));
            fast_free(block, "test");
        }
    }
}

static void with_pages_of_4_kib(void **state) {
    (void)state;
    the_truth_always_matches(4096);
}

static void with_pages_of_16_kib(void **state) {
    (void)state;
    the_truth_always_matches(16384);
}

static void with_pages_of_64_kib(void **state) {
    (void)state;
    the_truth_always_matches(65536);
}

static void wrong_sizes(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    for (size_t size = 100; size < (size_t)3 << 20; size = size * 3 / 2 + 1) {
        void *block = fast_malloc(size);
        size_t usable = front_usable_size_or_0(block);
        assert_true(matches(block, 16, usable));
        assert_true(matches(block, 16, usable / 2));
        assert_false(matches(block, 16, usable + 1));
        assert_false(matches(block, 16, usable / 2 - 1));
        assert_false(matches(block, 16, 0));
        assert_false(matches(block, 16, SIZE_MAX));
        char line[200];
        snprintf(line, sizeof line, "collam: call(%p, 18446744073709551615): size does not match the block (%zu bytes); ignored\n", block,
                 usable);
        assert_string_equal(fake_output(), line);
    }
}

static void wrong_alignments(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    void *block = fast_malloc(48);
    while (((uintptr_t)block & 63) == 0) {
        block = fast_malloc(48);
    }
    assert_false(matches(block, 64, 48));
    assert_non_null(strstr(fake_output(), ", 64): alignment does not match the block (48 bytes); ignored\n"));
    assert_false(matches(block, 0, 48));
    assert_false(matches(block, 24, 48));
    assert_true(matches(block, 1, 48));
    assert_true(matches(block, 8, 48));
}

static void not_a_block(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    char *block = fast_malloc(100);
    assert_false(matches(block + 16, 16, 100));
    assert_non_null(strstr(fake_output(), ", 100): pointer into the middle of a 112-byte block at "));
    fast_free(block, "test");
    assert_false(matches(block, 16, 100));
    assert_non_null(strstr(fake_output(), ", 100): double free of a 112-byte block; ignored\n"));
    assert_false(matches(&block, 16, 100));
    assert_non_null(strstr(fake_output(), ", 100): not a block of collam"));
}

/* A kept mapping that cannot be cut does not serve whoever asks for less than half of it, though it be half in whole pages. */
static void a_kept_mapping_is_not_too_large(void **state) {
    (void)state;
    fake_settings.page_size = 16384;
    size_t align = (size_t)1 << 17;
    fast_free(front_aligned(align, 2 * 16384), "test");
    fake_fail_from(FAKE_UNMAP, 1);
    char *block = front_aligned(align, 365);
    assert_int_equal(front_usable_size_or_0(block), 16384);
    assert_true(matches(block, align, 365));
    assert_true(sized_matches_new(block, align, 365, "call"));
}

static void blocks_that_could_not_move_match_any_smaller_size(void **state) {
    (void)state;
    char *block = fast_malloc(30000);
    fake_fail_from(FAKE_MAP, 1);
    while (fast_malloc(16000)) {
    }
    while (fast_malloc(100)) {
    }
    assert_ptr_equal(front_resize(block, 100, "test"), block);
    assert_true(matches(block, 16, 100));
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    assert_false(matches(block, 16, 40000));
}

/* Few sizes (sparse.h), and beside that what little the place had more. */
static void blocks_that_are_hardly_touched_may_be_more_than_twice_as_long(void **state) {
    (void)state;
    fast_free(fast_malloc(72 << 10), "test");
    store_relaxed(&sparse.ever, true);
    store_relaxed(&sparse.usually, true);
    void *block = fast_malloc(SMALL_MAX + 1);
    assert_int_equal(front_usable_size_or_0(block), 72 << 10);
    assert_true(matches(block, 16, SMALL_MAX + 1));
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    assert_false(matches(block, 16, SMALL_MAX));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(blocks_that_are_hardly_touched_may_be_more_than_twice_as_long),
    cmocka_unit_test(with_pages_of_4_kib),
    cmocka_unit_test(with_pages_of_16_kib),
    cmocka_unit_test(with_pages_of_64_kib),
    cmocka_unit_test(wrong_sizes),
    cmocka_unit_test(wrong_alignments),
    cmocka_unit_test(not_a_block),
    cmocka_unit_test(a_kept_mapping_is_not_too_large),
    cmocka_unit_test(blocks_that_could_not_move_match_any_smaller_size),
};
UNIT_MAIN(tests)
