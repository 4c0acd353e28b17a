/*
 * Purpose: tests of sized_matches_new in api/sized.c, which C++'s delete asks in the hardened build.
 */
#include "api/sized.h"
#include "collam/collam.h"
#include "config/options.h"
#include "front/sampled.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "slab/size_class.h"
#include "unit.h"

#include <stdio.h>

static const size_t sizes[] = {0, 1, 8, 9, 40, 100, 1000, 1016, 1017, 5000, 32760, 32761, 70000, 3000000, 40000000};
static const size_t aligns[] = {1, 16, 32, 256, 4096, 65536, 1 << 21};

static void the_size_that_was_asked_for_is_right(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            for (size_t a = 0; a < COUNT(aligns); a++) {
                char *block = a ? collam_aligned_alloc(aligns[a], sizes[i]) : collam_malloc(sizes[i]);
                assert_non_null(block);
                assert_true(sized_matches_new(block, aligns[a], sizes[i], "operator delete"));
                collam_free(block);
            }
        }
    }
    assert_true(sized_matches_new(NULL, 1, 5, "operator delete"));
    assert_string_equal(fake_output(), "");
}

static void another_class_is_wrong(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    static const struct {
        size_t asked, given;
    } rows[] = {{40, 41}, {40, 24}, {40, 400}, {1000, 30}, {30000, 20000}, {100, 40000}, {40000, 100}, {70000, 30000}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *block = collam_malloc(rows[i].asked);
        char line[200];
        snprintf(line, sizeof line, "collam: operator delete(%p, %zu): size does not match the block (%zu bytes); ignored\n", (void *)block,
                 rows[i].given, collam_usable_size(block));
        assert_false(sized_matches_new(block, 1, rows[i].given, "operator delete"));
        assert_string_equal(fake_output(), line);
        fake_output_clear();
        collam_free(block);
        assert_false(sized_matches_new(block, 1, rows[i].asked, "operator delete"));
        assert_non_null(strstr(fake_output(), "double free"));
        fake_output_clear();
    }
    char *block = collam_malloc(48);
    assert_false(sized_matches_new(block + 16, 1, 48, "operator delete"));
    assert_false(sized_matches_new(block, (uintptr_t)block & -(uintptr_t)block ? 1 << 21 : 0, 48, "operator delete"));
    assert_non_null(strstr(fake_output(), "alignment does not match"));
}

static void of_a_guarded_block_the_size_is_known(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    sampled_start(1);
    store_relaxed(&front_special, true);
    char *block = collam_malloc(41);
    assert_true(sized_matches_new(block, 1, 41, "operator delete"));
    assert_false(sized_matches_new(block, 1, 20, "operator delete"));
}

/* pvalloc asks for whole pages, whoever frees says what the program asked for. */
static void of_a_guarded_block_of_pvalloc_the_size_asked_for_is_right(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    sampled_start(1);
    store_relaxed(&front_special, true);
    for (size_t size = 0; size <= 3 * SLICE_SIZE; size += 3) {
        char *block = collam_aligned_alloc(SLICE_SIZE, size_rounded(size, SLICE_SIZE));
        assert_true(guarded_holds((uintptr_t)block));
        assert_true(sized_matches(block, SLICE_SIZE, size, "free_aligned_sized"));
        collam_free(block);
    }
    char *block = collam_aligned_alloc(SLICE_SIZE, 2 * SLICE_SIZE);
    assert_false(sized_matches(block, SLICE_SIZE, 3, "free_aligned_sized"));
    assert_false(sized_matches(block, 64, 3, "free_aligned_sized"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_size_that_was_asked_for_is_right),
    cmocka_unit_test(another_class_is_wrong),
    cmocka_unit_test(of_a_guarded_block_the_size_is_known),
    cmocka_unit_test(of_a_guarded_block_of_pvalloc_the_size_asked_for_is_right),
};
UNIT_MAIN(tests)
