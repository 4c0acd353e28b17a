/*
 * Purpose: tests of heap/large.c: which sizes become spans and which mappings, resizing within and across, options, page sizes.
 */
#include "heap/large.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "pages/sparse.h"
#include "unit.h"

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

/* Takes a block and fills it. */
static uintptr_t take(size_t size, size_t align) {
    bool zeroed = true;
    store_relaxed(&limit_ceiling, SIZE_MAX); /* tests/unit/front looks at limits */
    char *block = large_take(size, align, &zeroed);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % align, 0);
    assert_true(!zeroed || unit_all(block, size, 0));
    memset(block, 0x5a, size);
    return (uintptr_t)block;
}

static bool is_direct(uintptr_t block) {
    size_t before = counter(&page_counters.direct_count);
    size_t large = counter(&page_counters.large_count);
    size_t size = large_size(block);
    assert_true(large_give(block));
    bool direct = counter(&page_counters.direct_count) + 1 == before;
    assert_int_equal(counter(&page_counters.large_count) + (direct ? 0 : 1), large);
    assert_true(size > 0);
    return direct;
}

static void spans_up_to_the_limit_mappings_above(void **state) {
    (void)state;
    assert_false(is_direct(take(SMALL_MAX + 1, 16)));
    assert_false(is_direct(take(LARGE_MAX, 16)));
    assert_false(is_direct(take(LARGE_MAX, LARGE_ALIGN_MAX)));
    assert_true(is_direct(take(LARGE_MAX + 1, 16)));
    assert_true(is_direct(take(100, 2 * LARGE_ALIGN_MAX)));
    assert_true(option_set(OPTION_large_max, 100000));
    assert_false(is_direct(take(100000, 16)));
    assert_true(is_direct(take(100001, 16)));
}

static void sizes_are_whole_pages(void **state) {
    (void)state;
    uintptr_t a = take(SMALL_MAX + 1, 16);
    assert_int_equal(large_size(a), SMALL_MAX + 4096);
    assert_int_equal(large_size(a + 1), 0);
    assert_int_equal(large_size(a + 4096), 0);
    uintptr_t b = take(LARGE_MAX + 1, 16);
    assert_int_equal(large_size(b), LARGE_MAX + 4096);
    assert_int_equal(large_size(b + 4096), 0);
    assert_int_equal(large_size(0), 0);
    assert_int_equal(large_size(UINTPTR_MAX), 0);
    assert_false(large_give(b + 4096));
    assert_false(large_give(a + 4096));
    assert_false(large_give(a + 16));
    assert_true(large_give(a));
    assert_false(large_give(a));
    assert_true(large_give(b));
    assert_false(large_give(b));
}

static void sizes_are_whole_pages_of_64_kib(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    uintptr_t a = take(SMALL_MAX + 1, 16);
    uintptr_t b = take(65537, 16);
    uintptr_t c = take(LARGE_MAX + 1, 16);
    assert_int_equal(a % 65536 | b % 65536 | c % 65536, 0);
    assert_int_equal(large_size(a), 65536);
    assert_int_equal(large_size(b), 131072);
    assert_int_equal(large_size(c), LARGE_MAX + 65536);
    assert_true(large_give(a) && large_give(b) && large_give(c));
    assert_true(purge_down_to(0));
    assert_int_equal(page_dirty_bytes(), 0);
}

static void a_span_grows_and_shrinks_in_place(void **state) {
    (void)state;
    uintptr_t a = take(40000, 16);
    assert_int_equal((uintptr_t)large_resize(a, 400000), a);
    assert_int_equal(large_size(a), 401408);
    assert_true(unit_all((void *)a, 40000, 0x5a));
    memset((void *)a, 0x11, 400000);
    assert_int_equal((uintptr_t)large_resize(a, 50000), a);
    assert_int_equal(large_size(a), 53248);
    assert_true(unit_all((void *)a, 50000, 0x11));
    uintptr_t wall = take(40000, 16);
    assert_int_equal(wall, a + 53248);
    assert_null(large_resize(a, 60000)); /* the neighbour is taken */
    assert_int_equal(large_size(a), 53248);
    assert_null(large_resize(a, SMALL_MAX)); /* belongs into a slab */
    assert_null(large_resize(a, LARGE_MAX + 1));
    assert_true(large_give(a));
    assert_true(large_give(wall));
}

/* Whatever room is behind it. */
static void a_span_grows_no_larger_than_spans_may_be(void **state) {
    (void)state;
    assert_true(option_set(OPTION_large_max, 100000));
    uintptr_t a = take(50000, 16);
    assert_int_equal((uintptr_t)large_resize(a, 100000), a);
    assert_int_equal(large_size(a), 102400);
    assert_null(large_resize(a, 102401));
    assert_int_equal(large_size(a), 102400);
    assert_true(large_give(a));
}

/* A limit that is reached is about growth. */
static void a_block_shrinks_while_a_limit_is_reached(void **state) {
    (void)state;
    uintptr_t a = take((size_t)1 << 20, 16);
    assert_true(option_set(OPTION_soft_limit, (size_t)1 << 20));
    limit_options_changed();
    assert_false(limit_allows(1));
    assert_int_equal((uintptr_t)large_resize(a, (size_t)1 << 19), a);
    assert_int_equal(large_size(a), (size_t)1 << 19);
}

static void what_is_no_block_is_not_resized(void **state) {
    (void)state;
    uintptr_t dirty = take(400000, 16);
    assert_true(large_give(dirty));
    size_t before = page_dirty_bytes();
    assert_true(before > 0);
    assert_null(large_resize(dirty, 50000));
    assert_null(large_resize(dirty + 4096, 50000));
    assert_int_equal(page_dirty_bytes(), before); /* nothing went back for it */
}

/* Of a program that hardly touches its blocks they get few sizes (pages/sparse.h), if they may begin on any page. */
static void few_sizes_are_for_blocks_that_begin_on_any_page(void **state) {
    (void)state;
    store_relaxed(&sparse.ever, true);
    store_relaxed(&sparse.usually, true);
    assert_int_equal(large_size(take(SMALL_MAX + 1, 16)), (size_t)64 << 10);
    assert_int_equal(large_size(take(SMALL_MAX + 1, 4096)), (size_t)64 << 10);
    assert_int_equal(large_size(take(SMALL_MAX + 1, 8192)), SMALL_MAX + 4096);
}

/* And what calloc gives them goes back instead of being cleared, from whole pages and if it is worth a system call. */
static void what_is_hardly_touched_goes_back_instead_of_being_cleared(void **state) {
    (void)state;
    char *block = (char *)take(400000, 16);
    size_t calls = fake_calls(FAKE_PURGE);
    size_t given = sparse.given;
    assert_false(large_forget(block, 200000));
    assert_int_equal(sparse.given, given); /* what was cleared tells nothing */
    store_relaxed(&sparse.ever, true);
    store_relaxed(&sparse.usually, true);
    assert_false(large_forget(block, 16 << 10));
    assert_false(large_forget(block + 16, 200000));
    assert_int_equal(fake_calls(FAKE_PURGE), calls);
    assert_true(unit_all(block, 400000, 0x5a));
    assert_true(large_forget(block + 4096, (48 << 10) - 1));
    assert_true(unit_all(block, 4096, 0x5a));
    assert_true(unit_all(block + 4096, 48 << 10, 0));
    assert_true(unit_all(block + 4096 + (48 << 10), 300000, 0x5a));
}

static void a_mapping_that_was_given_is_taken_again(void **state) {
    (void)state;
    assert_true(option_set(OPTION_large_max, 100000));
    uintptr_t block = take(200000, 16);
    assert_true(large_give(block));
    size_t calls = fake_calls(FAKE_MAP);
    bool zeroed = false; /* who wants zeros gets fresh memory */
    assert_int_equal((uintptr_t)large_take(200000, 16, &zeroed), block);
    assert_int_equal(fake_calls(FAKE_MAP), calls);
}

static void what_grew_large_is_a_mapping(void **state) {
    (void)state;
    bool zeroed = false;
    assert_false(is_direct((uintptr_t)large_take_growing(GROWN_MAX, 1, &zeroed)));
    assert_true(is_direct((uintptr_t)large_take_growing(GROWN_MAX + 1, 1, &zeroed)));
}

static void a_mapping_moves_its_pages(void **state) {
    (void)state;
    fake_settings.remap_moves = true;
    uintptr_t a = take(2 * LARGE_MAX, 16);
    uintptr_t b = (uintptr_t)large_resize(a, 5 * LARGE_MAX);
    assert_true(b != 0 && b != a);
    assert_true(unit_all((void *)b, 2 * LARGE_MAX, 0x5a));
    assert_int_equal((uintptr_t)large_resize(b, LARGE_MAX + 1), b);
    assert_int_equal(large_size(b), LARGE_MAX + 4096);
    assert_null(large_resize(b, SMALL_MAX));
    assert_true(large_give(b));
}

static void a_refused_resize_purges_and_tries_again(void **state) {
    (void)state;
    uintptr_t a = take(2 * LARGE_MAX, 16);
    uintptr_t wall = take(40000, 16);
    uintptr_t dirty = take(400000, 16);
    assert_true(large_give(dirty));
    assert_true(page_dirty_bytes() > 0);
    fake_fail_nth(FAKE_REMAP, 1);
    a = (uintptr_t)large_resize(a, 3 * LARGE_MAX);
    assert_true(a != 0);
    assert_int_equal(page_dirty_bytes(), 0);
    fake_fail_from(FAKE_REMAP, 1);
    assert_null(large_resize(a, 4 * LARGE_MAX));
    assert_int_equal(large_size(a), 3 * LARGE_MAX);
    assert_true(unit_all((void *)a, 2 * LARGE_MAX, 0x5a));
    assert_true(large_give(wall));
}

static void impossible_requests(void **state) {
    (void)state;
    bool zeroed = false;
    assert_null(large_take(SIZE_MAX, 16, &zeroed));
    assert_null(large_take((size_t)PTRDIFF_MAX, 16, &zeroed));
    assert_null(large_take(1, (size_t)1 << 63, &zeroed));
    fake_fail_from(FAKE_MAP, 1);
    assert_null(large_take(40000, 16, &zeroed));
    assert_null(large_take(2 * LARGE_MAX, 16, &zeroed));
    assert_int_equal(fake_mapped_bytes(), 0);
}

static void what_was_used_before_is_known_of_spans_only(void **state) {
    (void)state;
    size_t from = 1;
    size_t to = 1;
    uintptr_t span = take(100000, 16);
    large_soiled(span, &from, &to);
    assert_int_equal(from, to); /* fresh */
    assert_true(large_give(span));
    assert_int_equal(take(100000, 16), span);
    large_soiled(span, &from, &to);
    assert_int_equal(from, 0);
    assert_int_equal(to, large_size(span));
    large_soiled(take(LARGE_MAX + 1, 16), &from, &to);
    assert_int_equal(from, 0);
    assert_true(to > LARGE_MAX);
}

/* As after free: the budget is looked at. */
static void what_shrinking_leaves_goes_back(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, 0) && option_set(OPTION_dirty_shift, 63) && option_set(OPTION_swing_max, 0));
    uintptr_t block = take((size_t)1 << 20, 16);
    assert_ptr_equal(large_resize(block, 64 << 10), (void *)block);
    assert_int_equal(page_dirty_bytes(), 0);
    assert_int_equal(large_size(block), 64 << 10);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(spans_up_to_the_limit_mappings_above),
    cmocka_unit_test(sizes_are_whole_pages),
    cmocka_unit_test(what_shrinking_leaves_goes_back),
    cmocka_unit_test(sizes_are_whole_pages_of_64_kib),
    cmocka_unit_test(a_span_grows_and_shrinks_in_place),
    cmocka_unit_test(a_span_grows_no_larger_than_spans_may_be),
    cmocka_unit_test(a_block_shrinks_while_a_limit_is_reached),
    cmocka_unit_test(what_is_no_block_is_not_resized),
    cmocka_unit_test(few_sizes_are_for_blocks_that_begin_on_any_page),
    cmocka_unit_test(what_is_hardly_touched_goes_back_instead_of_being_cleared),
    cmocka_unit_test(a_mapping_that_was_given_is_taken_again),
    cmocka_unit_test(what_grew_large_is_a_mapping),
    cmocka_unit_test(a_mapping_moves_its_pages),
    cmocka_unit_test(a_refused_resize_purges_and_tries_again),
    cmocka_unit_test(impossible_requests),
    cmocka_unit_test(what_was_used_before_is_known_of_spans_only),
};
UNIT_MAIN(tests)
