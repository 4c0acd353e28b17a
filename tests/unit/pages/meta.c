/*
 * Purpose: tests of pages/meta.c: alignment, zeroing, use of donated memory, and what happens when there is none.
 */
#include "pages/meta.h"
#include "pages/counters.h"
#include "unit.h"

enum { STEP = 1 << 20 };

/* Uses up what the library has without asking the system; how many bytes that was. */
static size_t use_first_pages(void) {
    size_t bytes = 0;
    fake_fail_from(FAKE_MAP, 1);
    while (meta_alloc(4096, 4096)) {
        bytes += 4096;
    }
    fake_fail_never();
    assert_in_range(bytes, 16 << 10, 256 << 10);
    return bytes;
}

static void starting_needs_no_mapping(void **state) {
    (void)state;
    char *first = meta_alloc(4096, 4096);
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % 4096, 0);
    assert_true(unit_all(first, 4096, 0));
    assert_int_equal(fake_calls(FAKE_MAP), 0);
    size_t bytes = 4096 + use_first_pages();
    assert_int_equal(load_relaxed(&page_counters.meta_bytes), bytes);
    assert_int_equal(fake_mapped_bytes(), 0);
    unsigned long calls = fake_calls(FAKE_MAP);
    char *mapped = meta_alloc(4096, 4096);
    assert_true(fake_is_mapped(mapped, 4096));
    assert_int_equal(fake_mapped_bytes(), STEP);
    assert_int_equal(fake_huge_pages_at(mapped), -1);
    for (int i = 1; i < STEP / 4096; i++) {
        assert_ptr_equal(meta_alloc(4096, 4096), mapped + i * 4096);
    }
    assert_int_equal(fake_calls(FAKE_MAP), calls + 1);
}

static void alignment_up_to_a_page(void **state) {
    (void)state;
    for (size_t align = 8; align <= 4096; align *= 2) {
        void *piece = meta_alloc(24, align);
        assert_int_equal((uintptr_t)piece % align, 0);
        assert_true(unit_all(piece, 24, 0));
    }
}

static void large_requests_get_their_own_mapping(void **state) {
    (void)state;
    char *big = meta_alloc((size_t)3 << 20, 4096);
    assert_true(fake_is_mapped(big, (size_t)3 << 20));
    assert_int_equal(fake_mapped_bytes(), (size_t)3 << 20);
}

static void donated_memory_is_used_first(void **state) {
    (void)state;
    size_t more_than_is_left = (size_t)1 << 20;
    char *gift = platform_map(more_than_is_left, 4096);
    meta_donate(gift, more_than_is_left);
    assert_ptr_equal(meta_alloc(4096, 4096), gift);
    assert_ptr_equal(meta_alloc(100, 8), gift + 4096);
    char *smaller = platform_map((size_t)16 << 10, 4096);
    meta_donate(smaller, (size_t)16 << 10); /* less than is there: not wanted */
    assert_ptr_equal(meta_alloc(4096, 4096), gift + 8192);
}

static void a_refused_step_falls_back_to_what_is_needed(void **state) {
    (void)state;
    (void)use_first_pages();
    fake_fail_nth(FAKE_MAP, 1);
    assert_non_null(meta_alloc(4096, 4096));
    assert_int_equal(fake_mapped_bytes(), 4096);
}

static void without_memory_it_says_so_and_recovers(void **state) {
    (void)state;
    (void)use_first_pages();
    fake_fail_from(FAKE_MAP, 1);
    assert_null(meta_alloc(8, 8));
    fake_fail_never();
    assert_non_null(meta_alloc(8, 8));
    assert_non_null(meta_alloc(4096, 4096));
}

/* A request too large for what is left must not cost the next, smaller one what was left. */
static void a_refused_request_leaves_the_rest_in_place(void **state) {
    (void)state;
    (void)use_first_pages();
    char *gift = platform_map(8192, 4096);
    meta_donate(gift, 8192);
    fake_fail_from(FAKE_MAP, 1);
    assert_null(meta_alloc(16384, 4096));
    assert_ptr_equal(meta_alloc(4096, 4096), gift);
    assert_ptr_equal(meta_alloc(64, 64), gift + 4096);
    assert_null(meta_alloc(4096, 4096));
    assert_ptr_equal(meta_alloc(64, 64), gift + 4096 + 64);
}

static void works_with_pages_of_64_kib(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    for (int i = 0; i < 600; i++) {
        assert_non_null(meta_alloc(4096, 4096));
    }
    fake_fail_from(FAKE_MAP, 1);
    while (meta_alloc(4096, 4096)) {
    }
    fake_fail_nth(FAKE_MAP, 1); /* the whole step is refused, one page is not */
    assert_non_null(meta_alloc(4096, 4096));
    assert_int_equal(fake_mapped_bytes() % 65536, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(starting_needs_no_mapping),
    cmocka_unit_test(alignment_up_to_a_page),
    cmocka_unit_test(large_requests_get_their_own_mapping),
    cmocka_unit_test(donated_memory_is_used_first),
    cmocka_unit_test(a_refused_step_falls_back_to_what_is_needed),
    cmocka_unit_test(without_memory_it_says_so_and_recovers),
    cmocka_unit_test(a_refused_request_leaves_the_rest_in_place),
    cmocka_unit_test(works_with_pages_of_64_kib),
};
UNIT_MAIN(tests)
