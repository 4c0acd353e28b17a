/*
 * Purpose: tests of front/sampled.c, and of the front with guarded blocks: how many are taken, and every entry point on them.
 */
#include "front/sampled.h"
#include "collam/collam.h"
#include "config/options.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <errno.h>

static bool is_guarded(const void *block) {
    return guarded_holds((uintptr_t)block);
}

static void without_a_rate_nothing_is_guarded(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_false(is_guarded(collam_malloc(100)));
    }
    assert_false(is_guarded(collam_calloc(1, 100)));
    assert_false(is_guarded(collam_aligned_alloc(64, 100)));
}

/* As start does it. */
static void guard_at(size_t rate) {
    sampled_start(rate);
    heap_count_calls();
    store_relaxed(&front_special, true);
}

/* Blocks that are freed at once and taken again from the magazine, of all kinds; a heap that is there before the rate is set. */
static void recycled_blocks_are_guarded_at_the_rate(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 100, 1024, 1025, 4000, 32768 - 64};
    (void)heap_of_thread();
    guard_at(50);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        unsigned guarded = 0;
        for (int i = 0; i < 50000; i++) {
            void *block = i % 4 == 0   ? collam_calloc(1, sizes[s])
                          : i % 4 == 1 ? collam_aligned_alloc(64, align_up(sizes[s], 64))
                                       : collam_malloc(sizes[s]);
            guarded += is_guarded(block);
            collam_free(block);
        }
        assert_in_range(guarded, 900, 1100);
    }
}

/* One call in so many, with a rate for which a thread that recycles hardly ever takes the slow path by itself. */
static void a_high_rate_guards_recycled_blocks_too(void **state) {
    (void)state;
    guard_at(5000);
    unsigned guarded = 0;
    for (int i = 0; i < 2000000; i++) {
        void *block = collam_malloc(48);
        guarded += is_guarded(block);
        collam_free(block);
    }
    assert_in_range(guarded, 320, 480);
}

/* No block of them is used again. */
static void fresh_blocks_are_guarded_at_the_rate(void **state) {
    (void)state;
    guard_at(1000);
    unsigned guarded = 0;
    for (int i = 0; i < 400000; i++) {
        void *block = collam_malloc(48);
        if (is_guarded(block)) {
            guarded++;
            collam_free(block); /* its slot is wanted again */
        }
    }
    assert_in_range(guarded, 320, 480);
}

/* While calls are counted for statistics too. */
static void the_mean_is_the_rate_while_watched(void **state) {
    (void)state;
    (void)heap_of_thread();
    heap_watch();
    guard_at(50);
    unsigned guarded = 0;
    for (int i = 0; i < 50000; i++) {
        void *block = collam_malloc(100);
        guarded += is_guarded(block);
        collam_free(block);
    }
    assert_in_range(guarded, 900, 1100);
}

/* Every allocation of this thread, while slots last; statistics count. */
static void guard_all(void) {
    (void)heap_of_thread();
    heap_watch();
    sampled_start(1);
    store_relaxed(&front_special, true);
}

static void every_entry_point_takes_guarded_blocks(void **state) {
    (void)state;
    guard_all();
    char *block = collam_malloc(100);
    assert_true(is_guarded(block));
    assert_int_equal(collam_usable_size(block), 100);
    char *zeroed = collam_calloc(10, 30);
    assert_true(is_guarded(zeroed) && unit_all(zeroed, 300, 0));
    char *aligned = collam_aligned_alloc(4096, 100);
    assert_true(is_guarded(aligned) && (uintptr_t)aligned % 4096 == 0);
    collam_free_sized(block, 100);
    collam_free(zeroed);
    collam_free_aligned_sized(aligned, 4096, 100);
    assert_int_equal(collam_usable_size(collam_malloc(0)), 1);
    assert_false(is_guarded(collam_malloc(32769)));
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), 1);
    assert_string_equal(fake_output(), "");
}

static void realloc_moves_and_stays(void **state) {
    (void)state;
    guard_all();
    char *block = collam_malloc(100);
    memset(block, 7, 100);
    assert_ptr_equal(collam_realloc(block, 60), block); /* fits and uses half of it */
    char *moved = collam_realloc(block, 5000);
    assert_true(moved != block && unit_all(moved, 60, 7));
    char *large = collam_realloc(moved, 3 << 20);
    assert_true(!is_guarded(large) && unit_all(large, 60, 7));
    char *small = collam_realloc(large, 10);
    assert_true(is_guarded(small) && unit_all(small, 10, 7));
    assert_null(collam_realloc(small, SIZE_MAX));
    assert_true(unit_all(small, 10, 7));
    collam_free(small);
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), 0);
    assert_string_equal(fake_output(), "");
}

static void statistics_know_them(void **state) {
    (void)state;
    guard_all();
    struct collam_stats stats;
    void *block = collam_malloc(100);
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(stats.guarded_bytes, 100);
    assert_int_equal(stats.live_bytes, 100);
    assert_int_equal(stats.live_blocks, 1);
    assert_int_equal(stats.allocations, 1);
    collam_free(block);
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(stats.guarded_bytes, 0);
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.frees, 1);
}

static void when_all_slots_are_taken_the_rest_is_ordinary(void **state) {
    (void)state;
    guard_all();
    void *block[100];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = collam_malloc(100);
        assert_int_equal(is_guarded(block[i]), i < GUARDED_SLOTS);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
}

static void expect_line(const char *end) {
    char *newline = strchr(fake_output(), '\n');
    assert_non_null(newline);
    *newline = '\0';
    if (strstr(fake_output(), end) == NULL) {
        fail_msg("no '%s' in '%s'", end, fake_output());
    }
    fake_output_clear();
}

static void misuse_is_told_as_of_any_block(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    guard_all();
    char *block = collam_malloc(64);
    collam_free(block);
    collam_free(block);
    expect_line("double free of a 64-byte block; ignored");
    assert_null(collam_realloc(block, 10));
    expect_line("double free of a 64-byte block; ignored");
    assert_int_equal(collam_usable_size(block), 0);
    expect_line("double free of a 64-byte block; ignored");
    collam_free_sized(block, 64);
    expect_line("double free of a 64-byte block; ignored");
    char *other = collam_malloc(64);
    collam_free(other + 16);
    expect_line("pointer into the middle of a 64-byte block at 0x");
    collam_free(other - 4096);
    expect_line("not a block of collam");
    collam_free(other + GUARDED_PITCH * 3);
    expect_line("not a block of collam");
    collam_free_sized(other, 100);
    expect_line("size does not match the block (64 bytes); ignored");
    assert_int_equal(collam_usable_size(other), 64);
    int before = errno = 77;
    other[64] = 1; /* the second block stands to the left of its space */
    collam_free(other);
    assert_int_equal(errno, before);
    expect_line("overflow, written at 0x");
    char *third = collam_malloc(64);
    third[-1] = 1;
    collam_free(third);
    expect_line("underflow, written at 0x");
}

static void without_memory_for_the_pool_all_is_ordinary(void **state) {
    (void)state;
    guard_all();
    fake_fail_nth(FAKE_PROTECT, 1);
    assert_false(is_guarded(collam_malloc(10)));
    assert_false(is_guarded(collam_malloc(10)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_a_rate_nothing_is_guarded),
    cmocka_unit_test(the_mean_is_the_rate_while_watched),
    cmocka_unit_test(recycled_blocks_are_guarded_at_the_rate),
    cmocka_unit_test(a_high_rate_guards_recycled_blocks_too),
    cmocka_unit_test(fresh_blocks_are_guarded_at_the_rate),
    cmocka_unit_test(every_entry_point_takes_guarded_blocks),
    cmocka_unit_test(realloc_moves_and_stays),
    cmocka_unit_test(statistics_know_them),
    cmocka_unit_test(when_all_slots_are_taken_the_rest_is_ordinary),
    cmocka_unit_test(misuse_is_told_as_of_any_block),
    cmocka_unit_test(without_memory_for_the_pool_all_is_ordinary),
};
UNIT_MAIN(tests)
