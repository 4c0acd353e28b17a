/*
 * Purpose: tests of pages/sparse.c, and of what spans and purging make of it: belief comes from samples that were hardly backed, ends with
 * the first that was; then blocks have few sizes, more of what is free may stay, and calloc gives back what it would have to look at.
 */
#include "pages/sparse.h"
#include "config/geometry.h"
#include "config/options.h"
#include "front/slow.h"
#include "heap/large.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "unit.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Takes a mapping, touches one page in so many (0: none), and tells of it as often as is needed for a sample. */
static void use(size_t every, bool clean, size_t until_sample) {
    size_t size = MIB;
    char *block = platform_map(size, 4096);
    assert_non_null(block);
    for (size_t page = 0; every && page < size / 4096; page += every) {
        block[page * 4096] = 1;
    }
    for (size_t told = 0; told < until_sample; told += size) {
        sparse_note_given((uintptr_t)block, size, clean ? SPARSE_CLEAN : SPARSE_ANY);
    }
    assert_true(platform_unmap(block, size));
}

static void believe(void) {
    for (unsigned i = 0; i < 4; i++) {
        assert_false(sparse_usually());
        use(8, true, 4 * MIB);
    }
    assert_true(sparse_usually());
}

static void four_samples_of_fresh_memory_are_enough(void **state) {
    (void)state;
    believe();
}

static void untouched_ones_are_sparse_too(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        use(0, true, 4 * MIB);
    }
    assert_true(sparse_usually());
}

static void a_system_that_does_not_tell_is_no_evidence(void **state) {
    (void)state;
    fake_fail_from(FAKE_RESIDENT, 1);
    for (unsigned i = 0; i < 100; i++) {
        use(8, true, 4 * MIB);
    }
    assert_false(sparse_usually());
}

static void fresh_memory_that_was_filled_begins_anew(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        use(i % 4 == 3 ? 1 : 8, true, 4 * MIB);
        assert_false(sparse_usually());
    }
}

static void memory_that_was_used_before_tells_little(void **state) {
    (void)state;
    use(8, true, 4 * MIB);
    use(8, true, 4 * MIB);
    use(8, true, 4 * MIB);
    use(1, false, 64 * MIB); /* others may have filled it */
    assert_false(sparse_usually());
    use(8, false, 60 * MIB); /* not looked at so soon */
    assert_false(sparse_usually());
    use(8, false, 4 * MIB);
    assert_true(sparse_usually());
}

static void one_that_was_filled_ends_it(void **state) {
    (void)state;
    believe();
    use(3, false, 16 * MIB); /* a third is not much */
    assert_true(sparse_usually());
    use(1, false, 15 * MIB);
    assert_true(sparse_usually());
    use(1, false, MIB);
    assert_false(sparse_usually());
    believe(); /* all four again */
}

/* A block of which so many of every eight pages are backed, as a sample. */
static void look_at_eighths(unsigned eighths, enum sparse_sample sample) {
    char *block = platform_map(MIB, 4096);
    assert_non_null(block);
    for (size_t page = 0; page < MIB / 4096; page++) {
        if (page % 8 < eighths) {
            block[page * 4096] = 1;
        }
    }
    sparse_look((uintptr_t)block, MIB, sample);
    assert_true(platform_unmap(block, MIB));
}

static void a_quarter_is_little(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        look_at_eighths(3, SPARSE_CLEAN);
        assert_false(sparse_usually());
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_false(sparse_usually());
        look_at_eighths(2, SPARSE_CLEAN);
    }
    assert_true(sparse_usually());
}

static void a_half_is_not_yet_much(void **state) {
    (void)state;
    believe();
    for (unsigned i = 0; i < 10; i++) {
        look_at_eighths(4, SPARSE_ANY);
        assert_true(sparse_usually());
    }
    look_at_eighths(5, SPARSE_ANY);
    assert_false(sparse_usually());
}

/* Twice is enough, however long the program was believed. */
static void but_too_much_for_calloc_to_have_given_back(void **state) {
    (void)state;
    believe();
    for (unsigned i = 0; i < 10; i++) {
        look_at_eighths(2, SPARSE_FORGOTTEN);
        look_at_eighths(3, SPARSE_FORGOTTEN);
    }
    look_at_eighths(4, SPARSE_FORGOTTEN);
    assert_true(sparse_usually());
    look_at_eighths(4, SPARSE_FORGOTTEN);
    assert_false(sparse_usually());
}

/* What calloc finds says nothing against a program that is not believed yet. */
static void what_calloc_would_have_to_look_at_is_no_fresh_memory(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        look_at_eighths(0, SPARSE_CLEAN);
    }
    sparse.given = 64 * MIB;
    look_at_eighths(8, SPARSE_FORGOTTEN);
    assert_false(sparse_usually());
    look_at_eighths(0, SPARSE_CLEAN);
    assert_true(sparse_usually());
}

/* Or a program that uses the head of each block would never be believed. */
static void chance_chooses_what_is_looked_at(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100 && !sparse_usually(); i++) {
        char *block = platform_map(MIB, 4096);
        assert_non_null(block);
        memset(block, 1, MIB / 8);
        sparse_look((uintptr_t)block, MIB, SPARSE_CLEAN);
        assert_true(platform_unmap(block, MIB));
    }
    assert_true(sparse_usually());
}

static void nothing_beyond_the_block_is_looked_at(void **state) {
    (void)state;
    char *block = platform_map(128 * KIB, 4096);
    assert_non_null(block);
    memset(block + 64 * KIB, 1, 64 * KIB);
    for (unsigned i = 1; i <= 100; i++) {
        sparse_look((uintptr_t)block, 64 * KIB, SPARSE_CLEAN);
        assert_int_equal(sparse_usually(), i >= 4);
    }
}

/* Of large pages less than 32 are as much as the system is asked for at once. */
static void pages_may_be_large(void **state) {
    (void)state;
    fake_settings.page_size = 64 * KIB;
    char *block = platform_map(4 * MIB, 64 * KIB);
    assert_non_null(block);
    for (unsigned i = 0; i < 4; i++) {
        assert_false(sparse_usually());
        sparse_look((uintptr_t)block, 4 * MIB, SPARSE_CLEAN);
    }
    assert_true(sparse_usually());
}

/* There may be blocks of better sizes from then on. */
static void that_it_was_so_once_is_remembered(void **state) {
    (void)state;
    assert_false(sparse_ever());
    believe();
    assert_true(sparse_ever());
    look_at_eighths(8, SPARSE_ANY);
    assert_false(sparse_usually());
    assert_true(sparse_ever());
}

static void sizes_are_few(void **state) {
    (void)state;
    assert_int_equal(sparse_size(36 * KIB), 36 * KIB);
    believe();
    assert_int_equal(sparse_size(36 * KIB), 64 * KIB);
    assert_int_equal(sparse_size(64 * KIB), 64 * KIB);
    assert_int_equal(sparse_size(SMALL_MAX), SMALL_MAX);
    assert_int_equal(sparse_size(68 * KIB), 128 * KIB);
    assert_int_equal(sparse_size(260 * KIB), 320 * KIB);
    assert_int_equal(sparse_size(MIB + 4 * KIB), MIB + 256 * KIB);
    assert_int_equal(sparse_size(2 * MIB), 2 * MIB);
    assert_int_equal(sparse_size(16 * KIB), 16 * KIB); /* aligned ones, where pages are larger: twice the size at most */
}

static void *take(size_t size) {
    bool zeroed = false;
    void *block = large_take(size, BLOCK_ALIGN, &zeroed);
    assert_non_null(block);
    return block;
}

static void blocks_get_these_sizes_unless_a_limit_is_near(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    believe();
    void *a = take(260 * KIB);
    assert_int_equal(large_size((uintptr_t)a), 320 * KIB);
    store_relaxed(&limit_ceiling, limit_footprint() + 300 * KIB);
    void *b = take(260 * KIB);
    assert_int_equal(large_size((uintptr_t)b), 260 * KIB);
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(large_give((uintptr_t)b));
    store_relaxed(&limit_full_at, 4 * limit_footprint() - 1); /* a limit that is a quarter reached */
    b = take(260 * KIB);
    assert_int_equal(large_size((uintptr_t)b), 260 * KIB);
    store_relaxed(&limit_full_at, SIZE_MAX);
    bool zeroed = false;
    void *c = large_take(260 * KIB, 2 * BLOCK_ALIGN, &zeroed);
    assert_int_equal(large_size((uintptr_t)c), 320 * KIB);
    void *d = large_take(260 * KIB, LARGE_ALIGN_MAX, &zeroed);
    assert_int_equal(large_size((uintptr_t)d), 260 * KIB);
    assert_true(large_give((uintptr_t)a) && large_give((uintptr_t)b) && large_give((uintptr_t)c) && large_give((uintptr_t)d));
}

static void where_the_better_size_is_refused_the_one_asked_for_serves(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    believe();
    void *all = take(2 * MIB); /* all of the first mapping */
    fake_settings.mapped_max = fake_mapped_bytes() + 3 * MIB - 64 * KIB;
    void *block = take(2 * MIB + 300 * KIB); /* 2.5 MiB are mapped alone, and metadata beside them */
    assert_true(large_size((uintptr_t)block) >= 2 * MIB + 300 * KIB);
    assert_true(large_give((uintptr_t)block) && large_give((uintptr_t)all));
}

/* Eight blocks of which only the head is used, freed: all may stay where the program is believed. */
static size_t dirty_after_eight_of(size_t size) {
    void *blocks[8];
    for (unsigned i = 0; i < 8; i++) {
        blocks[i] = take(size);
        memset(blocks[i], 1, 4096);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_true(large_give((uintptr_t)blocks[i]));
    }
    return page_dirty_bytes();
}

static void four_times_the_budget_may_be_dirty(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_swing_max, 0));
    assert_true(dirty_after_eight_of(MIB) <= DIRTY_MIN);
    assert_true(purge_down_to(0));
    while (!sparse_usually()) {
        use(8, true, 4 * MIB);
    }
    assert_int_equal(dirty_after_eight_of(MIB), 8 * MIB);
    assert_int_equal(dirty_after_eight_of(2 * MIB), 16 * MIB);
    assert_true(purge_down_to(0));
    assert_int_equal(dirty_after_eight_of(4 * MIB), 8 * MIB); /* half of it, since the last one was too much */
    assert_true(purge_down_to(0));                            /* on demand all goes */
    assert_int_equal(page_dirty_bytes(), 0);
}

static void not_when_a_limit_is_nearer(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_swing_max, 0));
    believe();
    assert_int_equal(dirty_after_eight_of(MIB), 8 * MIB);
    store_relaxed(&limit_full_at, limit_footprint() - 8 * MIB + 6 * MIB);
    purge_if_over_budget();
    assert_int_equal(page_dirty_bytes(), 6 * MIB);
}

static void what_chunks_have_counts_in_full(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_swing_max, 0));
    believe();
    (void)dirty_after_eight_of(MIB);
    store_relaxed(&page_counters.dirty_bytes, 3 * MIB);
    purge_if_over_budget();
    assert_true(load_relaxed(&page_counters.large_dirty_bytes) <= 4 * MIB);
    store_relaxed(&page_counters.dirty_bytes, 0);
}

static void calloc_gives_back_what_it_would_have_to_look_at(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (unsigned round = 0; round < 2; round++) {
        char *block = take(512 * KIB);
        memset(block, 0x5a, 512 * KIB);
        assert_true(large_give((uintptr_t)block));
        size_t before = fake_purged_bytes();
        char *zeros = front_calloc(1, 512 * KIB - 100);
        assert_ptr_equal(zeros, block);
        assert_true(unit_all(zeros, 512 * KIB - 100, 0));
        assert_int_equal(fake_purged_bytes() - before, round ? 512 * KIB : 0);
        assert_true(large_give((uintptr_t)zeros));
        if (round == 0) {
            believe();
        }
    }
}

/* The block never leaves the cache: that its pages are given back for nothing shows only then. */
static void calloc_of_one_block_that_is_filled_ends_it(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    believe();
    for (unsigned i = 0; i < 72; i++) { /* 36 MiB are two samples */
        char *zeros = front_calloc(1, 512 * KIB);
        assert_true(unit_all(zeros, 512 * KIB, 0));
        assert_int_equal(sparse_usually(), i < 64);
        for (size_t page = 0; page < 512 * KIB; page += 8 * KIB) { /* a half is too much here */
            zeros[page] = 0x5a;
        }
        assert_true(large_give((uintptr_t)zeros));
    }
    assert_false(sparse_usually());
}

static void where_that_is_refused_it_clears(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    believe();
    char *block = take(512 * KIB);
    memset(block, 0x5a, 512 * KIB);
    assert_true(large_give((uintptr_t)block));
    fake_fail_from(FAKE_PURGE, 1);
    char *zeros = front_calloc(1, 512 * KIB);
    assert_ptr_equal(zeros, block);
    assert_true(unit_all(zeros, 512 * KIB, 0));
    assert_true(large_give((uintptr_t)zeros));
}

/* Fresh, untouched, given back: they tell when they leave the cache. */
static void blocks_of_a_program_are_samples(void **state) {
    (void)state;
    for (unsigned round = 0; round < 4 && !sparse_usually(); round++) {
        char *block[12];
        for (unsigned i = 0; i < COUNT(block); i++) {
            bool zeroed = false;
            block[i] = large_take(MIB, 16, &zeroed);
            assert_non_null(block[i]);
        }
        for (unsigned i = 0; i < COUNT(block); i++) {
            assert_true(large_give((uintptr_t)block[i]));
        }
        (void)purge_down_to(0);
    }
    assert_true(sparse_usually());
}

static void a_block_that_comes_again_and_again_is_none(void **state) {
    (void)state;
    unsigned long looks = 0;
    for (unsigned i = 0; i < 1000; i++) {
        bool zeroed = false;
        char *block = large_take(MIB, 16, &zeroed);
        assert_non_null(block);
        assert_true(large_give((uintptr_t)block));
        looks = i == 0 ? fake_calls(FAKE_RESIDENT) : looks;
    }
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(four_samples_of_fresh_memory_are_enough),
    cmocka_unit_test(untouched_ones_are_sparse_too),
    cmocka_unit_test(a_system_that_does_not_tell_is_no_evidence),
    cmocka_unit_test(fresh_memory_that_was_filled_begins_anew),
    cmocka_unit_test(memory_that_was_used_before_tells_little),
    cmocka_unit_test(one_that_was_filled_ends_it),
    cmocka_unit_test(a_quarter_is_little),
    cmocka_unit_test(a_half_is_not_yet_much),
    cmocka_unit_test(but_too_much_for_calloc_to_have_given_back),
    cmocka_unit_test(what_calloc_would_have_to_look_at_is_no_fresh_memory),
    cmocka_unit_test(chance_chooses_what_is_looked_at),
    cmocka_unit_test(nothing_beyond_the_block_is_looked_at),
    cmocka_unit_test(pages_may_be_large),
    cmocka_unit_test(that_it_was_so_once_is_remembered),
    cmocka_unit_test(sizes_are_few),
    cmocka_unit_test(blocks_get_these_sizes_unless_a_limit_is_near),
    cmocka_unit_test(where_the_better_size_is_refused_the_one_asked_for_serves),
    cmocka_unit_test(four_times_the_budget_may_be_dirty),
    cmocka_unit_test(not_when_a_limit_is_nearer),
    cmocka_unit_test(what_chunks_have_counts_in_full),
    cmocka_unit_test(calloc_gives_back_what_it_would_have_to_look_at),
    cmocka_unit_test(calloc_of_one_block_that_is_filled_ends_it),
    cmocka_unit_test(where_that_is_refused_it_clears),
    cmocka_unit_test(blocks_of_a_program_are_samples),
    cmocka_unit_test(a_block_that_comes_again_and_again_is_none),
};
UNIT_MAIN(tests)
