/*
 * Purpose: tests of pages/direct_huge.c, and of what pages/direct.c makes of it: which blocks ask for huge pages, when they stop, where
 * they lie, how long they become, and what happens when the system refuses.
 */
#include "pages/direct_huge.h"
#include "base/bits.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/direct.h"
#include "pages/limit.h"
#include "platform/lock.h"
#include "unit.h"

enum { PAGE = 4096 };
#define MIB ((size_t)1 << 20)
#define WINDOW (2 * MIB)

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

/* A fork must not come in between: see platform_resident. */
static void is_looked_at(void) {
    assert_true(lock_caller_holds_any());
}

static void begin(void) {
    fake_settings.huge_offered = true;
    fake_on_call(FAKE_RESIDENT, is_looked_at);
    assert_true(option_set(OPTION_huge_start, 0));
    store_relaxed(&limit_ceiling, SIZE_MAX);
}

static char *take(size_t size, bool zeros) {
    bool zeroed = zeros;
    char *block = direct_take(size, PAGE, &zeroed);
    assert_non_null(block);
    return block;
}

static char *take_filled(size_t size) {
    return memset(take(size, false), 5, size);
}

static void give(void *block) {
    assert_true(direct_give((uintptr_t)block, 0));
}

static int advice(const char *block) {
    int first = fake_huge_pages_at(block);
    assert_int_equal(fake_huge_pages_at(block + direct_size((uintptr_t)block) - PAGE), first); /* of one kind */
    return first;
}

/* Grows it beyond what is mapped behind it, so that it moves. */
static char *grow_with_wall(char *block, size_t size) {
    char *wall = platform_map(PAGE, PAGE);
    char *grown = direct_resize((uintptr_t)block, size);
    assert_true(platform_unmap(wall, PAGE));
    return grown;
}

static void a_huge_page_is_what_one_table_maps(void **state) {
    (void)state;
    assert_int_equal(huge_page_size(), WINDOW);
    fake_settings.page_size = 65536;
    assert_int_equal(huge_page_size(), 512 * MIB);
}

static void blocks_of_which_nothing_is_known_ask_for_none(void **state) {
    (void)state;
    begin();
    assert_int_equal(advice(take(40 * MIB, false)), -1);
    assert_int_equal(advice(take(40 * MIB, true)), -1);
    assert_int_equal(advice(take(WINDOW, true)), -1);
    unsigned long calls = fake_calls(FAKE_HUGE_PAGES);
    assert_int_equal(advice(take(WINDOW - PAGE, true)), 0); /* no huge page fits into it */
    assert_int_equal(fake_calls(FAKE_HUGE_PAGES), calls);
}

static void nothing_is_looked_at_where_none_are_wanted(void **state) {
    (void)state;
    begin();
    for (int why = 0; why < 3; why++) {
        assert_true(option_set(OPTION_huge_start, why == 0 ? SIZE_MAX / 2 : why == 1 ? (size_t)1 << 40 : 0));
        fake_settings.huge_offered = why < 2;
        char *block = take_filled(8 * MIB);
        block = direct_resize((uintptr_t)block, 12 * MIB);
        assert_int_equal(advice(block), -1);
        give(block);
        give(take_filled(8 * MIB));
        block = take(4 * MIB, false);
        assert_int_equal(advice(block), -1);
        assert_int_equal(fake_calls(FAKE_RESIDENT), 0);
        give(block);
    }
}

static void a_filled_block_that_grows_asks(void **state) {
    (void)state;
    begin();
    char *block = take_filled(4 * MIB);
    assert_int_equal(advice(block), -1);
    block = grow_with_wall(block, 8 * MIB);
    assert_int_equal(advice(block), 1);
    assert_int_equal((uintptr_t)block % WINDOW, 0); /* its huge pages begin where it does */
    assert_int_equal(direct_size((uintptr_t)block), 8 * MIB);
    assert_true(unit_all(block, 4 * MIB, 5));
    assert_true(unit_all(block + 4 * MIB, 4 * MIB, 0));
    assert_int_equal(fake_mapped_bytes(), 8 * MIB);
    assert_int_equal(fake_mapping_count(), 1);
}

static void a_block_that_grows_unfilled_stops_asking(void **state) {
    (void)state;
    begin();
    char *block = take_filled(4 * MIB);
    block = direct_resize((uintptr_t)block, 8 * MIB);
    assert_int_equal(advice(block), 1);
    block[6 * MIB] = 1;
    block = direct_resize((uintptr_t)block, 16 * MIB);
    assert_int_equal(advice(block), -1);
    memset(block + 15 * MIB, 1, MIB - 3 * PAGE); /* nearly is not enough there: 13 of 16 pages */
    block = direct_resize((uintptr_t)block, 17 * MIB);
    assert_int_equal(advice(block), -1);
    memset(block + 16 * MIB, 1, MIB - 2 * PAGE);
    block = direct_resize((uintptr_t)block, 18 * MIB);
    assert_int_equal(advice(block), 1);
}

static void a_block_keeps_its_place_within_a_huge_page(void **state) {
    (void)state;
    begin();
    char *below = take(PAGE, true);
    char *block = take_filled(4 * MIB);
    assert_int_not_equal((uintptr_t)block % WINDOW, 0);
    block = direct_resize((uintptr_t)block, 6 * MIB); /* where it is */
    size_t offset = (uintptr_t)block % WINDOW;
    assert_int_equal(advice(block), 1);
    assert_int_not_equal(offset, 0);
    memset(block, 6, 6 * MIB);
    block = grow_with_wall(block, 12 * MIB);
    assert_int_equal((uintptr_t)block % WINDOW, offset);
    assert_true(unit_all(block, 6 * MIB, 6));
    assert_int_equal(fake_mapped_bytes(), 12 * MIB + PAGE);
    give(below);
}

static void a_long_block_ends_with_a_huge_page(void **state) {
    (void)state;
    begin();
    size_t bytes = counter(&page_counters.direct_bytes);
    char *block = take_filled(31 * MIB);
    block = grow_with_wall(block, 33 * MIB);
    assert_int_equal(direct_size((uintptr_t)block), 34 * MIB);
    assert_int_equal(counter(&page_counters.direct_bytes), bytes + 34 * MIB);
    unsigned long calls = fake_calls(FAKE_REMAP);
    assert_ptr_equal(direct_resize((uintptr_t)block, 34 * MIB), block); /* it has that */
    assert_ptr_equal(direct_resize((uintptr_t)block, 33 * MIB), block); /* little less */
    assert_int_equal(fake_calls(FAKE_REMAP), calls);
    assert_int_equal(direct_size((uintptr_t)block), 34 * MIB);
    assert_ptr_equal(direct_resize((uintptr_t)block, 32 * MIB), block); /* a whole one less */
    assert_int_equal(direct_size((uintptr_t)block), 32 * MIB);
    memset(block, 7, 32 * MIB);
    store_relaxed(&limit_ceiling, limit_footprint() + WINDOW); /* a limit is near: not a byte more than asked for */
    block = direct_resize((uintptr_t)block, 33 * MIB);
    assert_int_equal(direct_size((uintptr_t)block), 33 * MIB);
    assert_int_equal(advice(block), 1);
    assert_true(unit_all(block, 32 * MIB, 7));
}

/* What is about to be copied fills whole huge pages. Of what follows nothing is known. */
static void what_will_be_copied_is_backed(void **state) {
    (void)state;
    begin();
    take(PAGE, true);
    for (int refused = 0; refused < 2; refused++) {
        bool zeroed = false;
        size_t resident = fake_resident_bytes();
        if (refused) {
            fake_fail_nth(FAKE_MAP, 1); /* no place with that alignment */
        }
        char *block = direct_take_growing(9 * MIB, 5 * MIB, &zeroed);
        assert_true(zeroed);
        assert_int_equal(advice(block), -1);
        assert_true(refused || (uintptr_t)block % WINDOW == 0);
        assert_in_range(fake_resident_bytes() - resident, PAGE, 2 * PAGE); /* of each huge page the fake backs what is touched */
        fake_on_call(FAKE_RESIDENT, NULL);
        assert_int_equal(platform_resident(block + align_up(5 * MIB, WINDOW), MIB), 0);
        fake_on_call(FAKE_RESIDENT, is_looked_at);
        assert_true(unit_all(block, 9 * MIB, 0));
        unsigned long looks = fake_calls(FAKE_RESIDENT);
        give(block);
        assert_int_equal(fake_calls(FAKE_RESIDENT), looks); /* no sample */
    }
    bool zeroed = false;
    unsigned long calls = fake_calls(FAKE_HUGE_PAGES);
    (void)direct_take_growing(3 * MIB, WINDOW - PAGE, &zeroed); /* less than a huge page */
    assert_int_equal(fake_calls(FAKE_HUGE_PAGES), calls + 1);
}

static void blocks_after_filled_ones_are_trusted(void **state) {
    (void)state;
    begin();
    give(take_filled(8 * MIB));
    char *zeros = take(8 * MIB, true);
    assert_int_equal(advice(zeros), -1); /* who asks for zeros is another matter */
    char *longer = take(9 * MIB, false);
    assert_int_equal(advice(longer), -1); /* more than was seen */
    char *block = take(8 * MIB, false);
    assert_int_equal(advice(block), 1);
    assert_int_equal((uintptr_t)block % WINDOW, 0);
    assert_int_equal(advice(take(8 * MIB, false)), 1);
    assert_int_equal(advice(take(4 * MIB, false)), -1); /* the trust is spent */
    give(memset(block, 1, 8 * MIB));
    assert_int_equal(advice(take(7 * MIB, false)), 1);
    memset(zeros, 1, 8 * MIB);
    give(zeros);
    assert_int_equal(advice(take(8 * MIB, true)), 1);
    longer[0] = 1;
    give(longer);
    assert_int_equal(advice(take(WINDOW, false)), -1); /* one was not filled: no trust at all */
}

static void the_block_itself_counts_as_part_of_the_heap(void **state) {
    (void)state;
    begin();
    assert_true(option_set(OPTION_huge_start, 8 * MIB));
    give(take_filled(8 * MIB));
    char *block = take(8 * MIB, false);
    assert_int_equal(advice(block), 1);
    give(memset(block, 1, 8 * MIB));
    give(take_filled(8 * MIB));
    assert_int_equal(advice(take(4 * MIB, false)), -1); /* a smaller heap */
    assert_int_equal(advice(take(8 * MIB, false)), 1);
}

static void trust_must_be_earned_again_now_and_then(void **state) {
    (void)state;
    begin();
    unsigned huge = 0;
    for (int i = 0; i < 170; i++) {
        char *block = take_filled(4 * MIB);
        huge += advice(block) > 0;
        give(block);
    }
    assert_in_range(huge, 150, 162); /* about one in seventeen shows what it is used for */
}

static void a_block_may_be_seen_filled_in_use(void **state) {
    (void)state;
    begin();
    char *first = take(8 * MIB, false);
    char *second = take(8 * MIB, false);
    assert_int_equal(advice(second), -1);
    memset(first, 1, 8 * MIB); /* too late: only the newest is looked at */
    memset(second, 1, 8 * MIB);
    char *third = take(8 * MIB, false);
    assert_int_equal(advice(third), 1);
    give(second); /* it has counted already */
    assert_int_equal(advice(take(8 * MIB, false)), 1);
    assert_int_equal(advice(take(8 * MIB, false)), -1);
    give(first);
    assert_int_equal(advice(take(8 * MIB, false)), 1);
}

static void a_block_of_another_size_tells_nothing(void **state) {
    (void)state;
    begin();
    char *block = take_filled(8 * MIB);
    block = direct_resize((uintptr_t)block, 6 * MIB);
    unsigned long looks = fake_calls(FAKE_RESIDENT);
    give(block);
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks);
    assert_int_equal(advice(take(WINDOW, false)), -1);
}

static void a_kept_mapping_must_not_inflate(void **state) {
    (void)state;
    begin();
    char *block = take_filled(4 * MIB);
    block = direct_resize((uintptr_t)block, 12 * MIB);
    assert_int_equal(advice(block), 1);
    assert_true(direct_give((uintptr_t)block, SIZE_MAX));
    bool zeroed = false;
    assert_ptr_equal(direct_take(5 * MIB, PAGE, &zeroed), block);
    assert_false(zeroed);
    assert_int_equal(advice(block), -1);
    assert_int_equal(direct_size((uintptr_t)block), 5 * MIB);
    assert_true(direct_give((uintptr_t)block, SIZE_MAX));
    char *longer = take(9 * MIB, false);
    assert_int_equal(advice(longer), -1);
    unsigned long looks = fake_calls(FAKE_RESIDENT);
    assert_true(direct_give((uintptr_t)longer, SIZE_MAX)); /* what it was before fills it: no sample */
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks);
}

/* What the last owner left in a kept mapping does not tell that this one fills it. */
static void a_kept_mapping_tells_only_by_what_it_has_grown(void **state) {
    (void)state;
    begin();
    assert_true(direct_give((uintptr_t)take_filled(8 * MIB), SIZE_MAX));
    char *block = take(4 * MIB, false);
    block = direct_resize((uintptr_t)block, 6 * MIB);
    assert_int_equal(advice(block), -1);
    block = direct_resize((uintptr_t)block, 9 * MIB);
    assert_int_equal(advice(block), -1);
    memset(block + 6 * MIB, 1, 3 * MIB); /* what was new */
    block = direct_resize((uintptr_t)block, 12 * MIB);
    assert_int_equal(advice(block), 1);
}

/* Whatever is refused on the way, the block is as it was or has grown, and nothing is left behind. */
static void refusals_while_growing(void **state) {
    (void)state;
    begin();
    static const enum fake_call calls[] = {FAKE_REMAP, FAKE_MAP, FAKE_UNMAP, FAKE_RESIDENT, FAKE_HUGE_PAGES};
    for (size_t c = 0; c < COUNT(calls); c++) {
        for (unsigned long nth = 1; nth <= 3; nth++) {
            for (int all = 0; all < 2; all++) {
                char *below = take(PAGE, true);
                char *block = take_filled(30 * MIB);
                block = direct_resize((uintptr_t)block, 31 * MIB); /* asks, not aligned */
                memset(block, 5, 31 * MIB);
                (all ? fake_fail_from : fake_fail_nth)(calls[c], nth);
                char *wall = (char *)platform_map(PAGE, PAGE);
                char *grown = direct_resize((uintptr_t)block, 33 * MIB);
                fake_fail_never();
                block = grown ? grown : block;
                size_t size = direct_size((uintptr_t)block);
                assert_true(grown ? size >= 33 * MIB && size < 35 * MIB : size == 31 * MIB);
                assert_true(grown || calls[c] == FAKE_REMAP || calls[c] == FAKE_MAP);
                assert_true(unit_all(block, 31 * MIB, 5));
                (void)advice(block);
                give(block);
                give(below);
                if (wall) {
                    assert_true(platform_unmap(wall, PAGE));
                }
                assert_int_equal(fake_mapped_bytes() - fake_refused_bytes(), 0);
                assert_int_equal(counter(&page_counters.direct_bytes), 0);
            }
        }
    }
}

/* Where a huge page took long to get, the block has no more of them, and neither have those that follow for a while. */
static void slow_huge_pages_are_given_up(void **state) {
    (void)state;
    begin();
    enum { MILLISECOND = 1000000 };
    char *block = take_filled(4 * MIB);
    give(take_filled(8 * MIB));
    fake_settings.clock = MILLISECOND;
    fake_settings.clock_step = 2 * MILLISECOND;
    block = grow_with_wall(block, 8 * MIB);
    assert_int_equal(advice(block), -1);
    assert_int_equal(direct_size((uintptr_t)block), 8 * MIB);
    assert_true(unit_all(block, 4 * MIB, 5));
    fake_settings.clock_step = 0;
    memset(block, 5, 8 * MIB);
    block = direct_resize((uintptr_t)block, 12 * MIB);
    assert_int_equal(advice(block), -1); /* not yet again */
    fake_settings.clock += 1000 * MILLISECOND;
    memset(block, 5, 12 * MIB);
    block = direct_resize((uintptr_t)block, 16 * MIB);
    assert_int_equal(advice(block), 1);
    char *trusted = take(8 * MIB, false);
    assert_int_equal(advice(trusted), 1);
    fake_settings.clock_step = 2 * MILLISECOND;
    assert_int_equal(advice(take(8 * MIB, false)), -1);
    fake_settings.clock += 1000 * MILLISECOND;
    size_t resident = fake_resident_bytes();
    bool zeroed = false;
    assert_int_equal(advice(direct_take_growing(9 * MIB, 8 * MIB, &zeroed)), -1);
    assert_int_equal(fake_resident_bytes() - resident, PAGE); /* the first was one too many */
}

static void longer_pages_have_longer_huge_pages(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    begin();
    char *block = take_filled(8 * MIB);
    block = direct_resize((uintptr_t)block, 64 * MIB);
    assert_int_equal(advice(block), 0);
    block = direct_resize((uintptr_t)block, 512 * MIB);
    assert_int_equal(advice(block), -1);
}

/* Of a mapping that is unmapped the window that was touched is known to be a huge page: one like it may be had while others are slow. */
static void a_mapping_that_went_back_is_quick(void **state) {
    (void)state;
    begin();
    give(take_filled(4 * MIB));
    char *block = take_filled(4 * MIB);
    assert_int_equal(fake_huge_pages_at(block), 1);
    fake_settings.clock_step = 2000000;
    char *memory = platform_map(2 * MIB, WINDOW);
    assert_false(huge_back((uintptr_t)memory, (uintptr_t)memory + WINDOW));
    fake_settings.clock_step = 0;
    assert_false(huge_allowed(0));
    give(block);
    assert_true(huge_allowed(0));
    assert_false(huge_allowed(WINDOW));
}

/* Looks at four places of 16 pages, the last of which lacks so many: finds what is expected in so many looks. */
static void look_finds(char *block, size_t missing_in_last, enum huge_finding finding, unsigned long looks) {
    size_t last = 4 * MIB / 8 * 7;
    memset(block, 1, 4 * MIB);
    platform_purge(block + last, missing_in_last * PAGE);
    unsigned long before = fake_calls(FAKE_RESIDENT);
    assert_int_equal(huge_look((uintptr_t)block, 4 * MIB), finding);
    assert_int_equal(fake_calls(FAKE_RESIDENT) - before, looks);
}

/* 8 of 64 pages may lack. Once more do it is sparse, whatever the other places hold. */
static void a_block_is_looked_at_until_it_is_known_to_be_sparse(void **state) {
    (void)state;
    fake_on_call(FAKE_RESIDENT, NULL);
    char *block = platform_map(4 * MIB, PAGE);
    assert_int_equal(huge_look((uintptr_t)block, 4 * MIB), HUGE_FOUND_SPARSE);
    assert_int_equal(fake_calls(FAKE_RESIDENT), 1);
    look_finds(block, 8, HUGE_FOUND_FILLED, 4);
    look_finds(block, 9, HUGE_FOUND_SPARSE, 4);
    memset(block, 1, 4 * MIB);
    platform_purge(block + 4 * MIB / 8 * 3, 8 * PAGE); /* the second place lacks as much as all may, the third one page more */
    platform_purge(block + 4 * MIB / 8 * 5, PAGE);
    unsigned long before = fake_calls(FAKE_RESIDENT);
    assert_int_equal(huge_look((uintptr_t)block, 4 * MIB), HUGE_FOUND_SPARSE);
    assert_int_equal(fake_calls(FAKE_RESIDENT) - before, 3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_block_is_looked_at_until_it_is_known_to_be_sparse),
    cmocka_unit_test(a_mapping_that_went_back_is_quick),
    cmocka_unit_test(a_huge_page_is_what_one_table_maps),
    cmocka_unit_test(blocks_of_which_nothing_is_known_ask_for_none),
    cmocka_unit_test(nothing_is_looked_at_where_none_are_wanted),
    cmocka_unit_test(a_filled_block_that_grows_asks),
    cmocka_unit_test(a_block_that_grows_unfilled_stops_asking),
    cmocka_unit_test(a_block_keeps_its_place_within_a_huge_page),
    cmocka_unit_test(a_long_block_ends_with_a_huge_page),
    cmocka_unit_test(what_will_be_copied_is_backed),
    cmocka_unit_test(blocks_after_filled_ones_are_trusted),
    cmocka_unit_test(the_block_itself_counts_as_part_of_the_heap),
    cmocka_unit_test(trust_must_be_earned_again_now_and_then),
    cmocka_unit_test(a_block_may_be_seen_filled_in_use),
    cmocka_unit_test(a_block_of_another_size_tells_nothing),
    cmocka_unit_test(a_kept_mapping_must_not_inflate),
    cmocka_unit_test(a_kept_mapping_tells_only_by_what_it_has_grown),
    cmocka_unit_test(refusals_while_growing),
    cmocka_unit_test(slow_huge_pages_are_given_up),
    cmocka_unit_test(longer_pages_have_longer_huge_pages),
};
UNIT_MAIN(tests)
