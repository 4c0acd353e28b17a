/*
 * Purpose: tests of pages/fence.c and its users in a core that is compiled as the hardened library is: where fences stand, that they move
 * with their blocks, that they are bounded, and what happens when the system refuses.
 */
#include "base/bits.h"
#include "collam/collam.h"
#include "config/geometry.h"
#include "config/options.h"
#include "heap/large.h"
#include "pages/counters.h"
#include "pages/fence.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "pages/sparse.h"
#include "unit.h"

enum { PAGE = 4096 };

static void assert_fenced(const void *start, size_t size) {
    uintptr_t address = (uintptr_t)start;
    assert_true(unit_accessible(address) && unit_accessible(address + size - 1));
    assert_false(unit_accessible(address - 1));
    assert_false(unit_accessible(address + size));
}

static void chunks_and_metadata_stand_between_fences(void **state) {
    (void)state;
    char *block = collam_malloc(100);
    assert_fenced((void *)align_down((uintptr_t)block, CHUNK_SIZE), CHUNK_SIZE);
    assert_fenced(region_head(page_map_region((uintptr_t)block)), REGION_BYTES);
    assert_fenced(meta_alloc(CHUNK_SIZE, PAGE), CHUNK_SIZE);
    collam_free(block);
}

static const size_t large[] = {FENCED_MIN - PAGE + 1, FENCED_MIN, FENCED_MIN + 1, 100000, (2 << 20) + 1, LARGE_MAX, LARGE_MAX + 1};

static void assert_ends_at_a_fence(char *block, size_t asked) {
    size_t usable = collam_usable_size(block);
    assert_true(usable >= asked && usable < asked + PAGE);
    block[usable - 1] = 1;
    assert_false(unit_accessible((uintptr_t)block + usable));
}

static void a_large_block_ends_at_a_fence(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(large); i++) {
            char *block = collam_malloc(large[i]);
            assert_ends_at_a_fence(block, large[i]);
            char *aligned = collam_aligned_alloc(round ? 2 << 20 : 65536, large[i]);
            assert_ends_at_a_fence(aligned, large[i]);
            collam_free(aligned);
            collam_free_sized(block, large[i]);
        }
        collam_trim(0);
    }
    assert_string_equal(fake_output(), "");
}

/* No page of a larger block that was freed there stays between them. */
static void a_fence_is_close_also_where_a_larger_block_was(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, (size_t)1 << 30));
    for (size_t size = 40 * PAGE; size < 60 * PAGE; size += PAGE) {
        char *wide = collam_malloc(size + 4 * PAGE);
        char *wall = collam_malloc(40 * PAGE);
        collam_free(wide);
        (void)large_end_quarantine();
        char *block = collam_malloc(size);
        assert_ptr_equal(block, wide);
        assert_ends_at_a_fence(block, size);
        collam_free(block);
        collam_free(wall);
        (void)large_end_quarantine();
    }
    assert_string_equal(fake_output(), "");
}

static void a_fence_moves_with_the_end_of_its_block(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(large); i++) {
        char *block = collam_malloc(large[i]);
        for (size_t factor = 5; factor > 0; factor--) {
            block = collam_realloc(block, large[i] * factor);
            assert_ends_at_a_fence(block, large[i] * factor);
        }
        for (size_t factor = 2; factor < 9; factor++) {
            block = collam_realloc(block, large[i] * factor);
            assert_ends_at_a_fence(block, large[i] * factor);
        }
        collam_free(block);
    }
    assert_string_equal(fake_output(), "");
}

/* It is opened for the attempt. */
static void a_block_that_cannot_grow_keeps_its_fence(void **state) {
    (void)state;
    char *block = collam_malloc(100000);
    char *wall = collam_malloc(100000);
    assert_ptr_equal(wall, block + collam_usable_size(block) + PAGE);
    assert_null(large_resize((uintptr_t)block, 300000));
    assert_ends_at_a_fence(block, 100000);
    collam_free(block);
    collam_free(wall);
}

static void smaller_blocks_have_none(void **state) {
    (void)state;
    if (FENCED_MIN - PAGE <= SMALL_MAX) {
        return; /* set at build time: no large block is smaller */
    }
    char *block = collam_malloc(FENCED_MIN - PAGE);
    assert_int_equal(collam_usable_size(block), FENCED_MIN - PAGE);
    char *grown = collam_realloc(block, FENCED_MIN - PAGE + 1);
    assert_ends_at_a_fence(grown, FENCED_MIN - PAGE + 1);
    char *again = collam_realloc(grown, FENCED_MIN - PAGE);
    assert_int_equal(collam_usable_size(again), FENCED_MIN - PAGE);
    collam_free(again);
    assert_string_equal(fake_output(), "");
}

static void there_are_not_too_many(void **state) {
    (void)state;
    enum { MORE = 20 };
    static char *blocks[FENCED_MAX + MORE];
    size_t fenced = 0;
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = collam_malloc(FENCED_MIN);
        assert_non_null(blocks[i]);
        fenced += !unit_accessible((uintptr_t)blocks[i] + collam_usable_size(blocks[i]));
    }
    assert_in_range(fenced, FENCED_MAX - MORE, FENCED_MAX);
    char *table = fenced_map(PAGE, PAGE);
    assert_true(unit_accessible((uintptr_t)table - 1) && unit_accessible((uintptr_t)table + PAGE));
    for (size_t i = 0; i < COUNT(blocks); i++) {
        collam_free(blocks[i]);
    }
    char *block = collam_malloc(FENCED_MIN);
    assert_ends_at_a_fence(block, FENCED_MIN);
    assert_string_equal(fake_output(), "");
}

static void what_is_unmapped_takes_its_fences_along(void **state) {
    (void)state;
    size_t before = fake_mapped_bytes();
    void *small = fenced_map(PAGE, PAGE);
    void *aligned = fenced_map(CHUNK_SIZE, CHUNK_SIZE);
    assert_true((uintptr_t)aligned % CHUNK_SIZE == 0);
    assert_fenced(small, PAGE);
    assert_fenced(aligned, CHUNK_SIZE);
    assert_int_equal(fake_mapped_bytes(), before + CHUNK_SIZE + 5 * PAGE);
    assert_true(fenced_unmap(small, PAGE) && fenced_unmap(aligned, CHUNK_SIZE));
    assert_int_equal(fake_mapped_bytes(), before);
    assert_null(fenced_map(SIZE_MAX - PAGE + 1, PAGE));
}

static void without_fences_when_the_system_refuses_them(void **state) {
    (void)state;
    fake_fail_from(FAKE_PROTECT, 1);
    char *block = collam_malloc(80000);
    char *small = collam_malloc(100);
    assert_true(block != NULL && small != NULL);
    assert_true(unit_accessible((uintptr_t)block + collam_usable_size(block)));
    collam_free(block); /* its fence cannot be taken away, as far as anybody knows: it is lost */
    char *other = collam_malloc(80000);
    assert_true(other != NULL && other != block);
    assert_ptr_equal(collam_realloc(other, 79000), other);
    fake_fail_never();
    other = collam_realloc(other, 200000);
    assert_ends_at_a_fence(other, 200000);
    collam_free(other);
    collam_free(small);
    assert_string_equal(fake_output(), "");
}

static void what_cannot_be_trimmed_stays(void **state) {
    (void)state;
    fake_fail_nth(FAKE_UNMAP, 1);
    void *aligned = fenced_map(CHUNK_SIZE, CHUNK_SIZE);
    assert_fenced(aligned, CHUNK_SIZE);
    assert_true(fenced_unmap(aligned, CHUNK_SIZE));
    fake_fail_nth(FAKE_MAP, 1);
    assert_null(fenced_map(PAGE, PAGE));
}

/* As pages/sparse.c makes them elsewhere. */
static void blocks_that_are_hardly_touched_get_no_longer(void **state) {
    (void)state;
    for (int round = 0; round < 100; round++) {
        char *block[100]; /* more than the quarantine and the newest, or none would tell of itself */
        for (size_t i = 0; i < COUNT(block); i++) {
            block[i] = collam_malloc(FENCED_MIN + 1);
            assert_ends_at_a_fence(block[i], FENCED_MIN + 1);
        }
        for (size_t i = 0; i < COUNT(block); i++) {
            collam_free(block[i]);
        }
    }
    assert_false(sparse_usually());
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(chunks_and_metadata_stand_between_fences),
    cmocka_unit_test(a_large_block_ends_at_a_fence),
    cmocka_unit_test(a_fence_is_close_also_where_a_larger_block_was),
    cmocka_unit_test(a_fence_moves_with_the_end_of_its_block),
    cmocka_unit_test(a_block_that_cannot_grow_keeps_its_fence),
    cmocka_unit_test(smaller_blocks_have_none),
    cmocka_unit_test(there_are_not_too_many),
    cmocka_unit_test(what_is_unmapped_takes_its_fences_along),
    cmocka_unit_test(without_fences_when_the_system_refuses_them),
    cmocka_unit_test(what_cannot_be_trimmed_stays),
    cmocka_unit_test(blocks_that_are_hardly_touched_get_no_longer),
};
UNIT_MAIN(tests)
