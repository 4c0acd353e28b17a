/*
 * Purpose: tests of platform/fake/fake.c: that the fake keeps the contract of platform.h, and notices who does not.
 */
#include "unit.h"

enum { PAGE = 4096 };

static void maps_zeroed_aligned_memory(void **state) {
    (void)state;
    char *before = NULL;
    for (size_t align = PAGE; align <= (size_t)1 << 30; align *= 4) {
        char *block = platform_map(3 * PAGE, align);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % align, 0);
        assert_true(unit_all(block, 3 * PAGE, 0));
        assert_ptr_not_equal(block, before);
        memset(block, 1, 3 * PAGE);
        before = block;
    }
}

static void accounts_for_every_byte(void **state) {
    (void)state;
    char *a = platform_map(8 * PAGE, PAGE);
    char *b = platform_map(4 * PAGE, PAGE);
    assert_int_equal(fake_mapped_bytes(), 12 * PAGE);
    assert_int_equal(fake_mapping_count(), 2);
    assert_true(platform_unmap(a + 2 * PAGE, 3 * PAGE));
    assert_int_equal(fake_mapped_bytes(), 9 * PAGE);
    assert_int_equal(fake_mapping_count(), 3);
    assert_true(fake_is_mapped(a, 2 * PAGE));
    assert_false(fake_is_mapped(a, 3 * PAGE));
    assert_true(fake_is_mapped(a + 5 * PAGE, 3 * PAGE));
    assert_ptr_equal(platform_map(3 * PAGE, PAGE), a + 2 * PAGE); /* lowest first */
    assert_int_equal(fake_resident_bytes(), 0);
    b[0] = 1;
    b[3 * PAGE] = 1;
    assert_int_equal(fake_resident_bytes(), 2 * PAGE);
    assert_true(platform_purge(b, 4 * PAGE));
    assert_int_equal(fake_resident_bytes(), 0);
    assert_int_equal(fake_purged_bytes(), 4 * PAGE);
    assert_int_equal(b[0], 0);
}

static void what_was_unmapped_comes_back_as_zeros(void **state) {
    (void)state;
    char *a = platform_map(4 * PAGE, PAGE);
    memset(a, 7, 4 * PAGE);
    assert_true(platform_unmap(a, 4 * PAGE));
    assert_ptr_equal(platform_map(4 * PAGE, PAGE), a);
    assert_true(unit_all(a, 4 * PAGE, 0));
}

static void resizes(void **state) {
    (void)state;
    char *a = platform_map(2 * PAGE, PAGE);
    memset(a, 3, 2 * PAGE);
    assert_ptr_equal(platform_remap(a, 2 * PAGE, 6 * PAGE, false), a);
    assert_true(unit_all(a, 2 * PAGE, 3));
    assert_true(unit_all(a + 2 * PAGE, 4 * PAGE, 0));
    char *wall = platform_map(PAGE, PAGE);
    assert_null(platform_remap(a, 6 * PAGE, 7 * PAGE, false));
    char *moved = platform_remap(a, 6 * PAGE, 9 * PAGE, true);
    assert_true(moved != NULL && moved != a && moved != wall);
    assert_true(unit_all(moved, 2 * PAGE, 3));
    assert_true(unit_all(moved + 2 * PAGE, 7 * PAGE, 0));
    assert_false(fake_is_mapped(a, PAGE));
    assert_ptr_equal(platform_remap(moved, 9 * PAGE, PAGE, true), moved);
    assert_int_equal(fake_mapped_bytes(), 2 * PAGE);
    fake_settings.remap_moves = true;
    assert_ptr_not_equal(platform_remap(moved, PAGE, 2 * PAGE, true), moved);
}

static void moves_to_a_target(void **state) {
    (void)state;
    char *a = platform_map(2 * PAGE, PAGE);
    memset(a, 3, 2 * PAGE);
    platform_huge_pages(a, 2 * PAGE, true);
    char *target = platform_map(5 * PAGE, PAGE);
    assert_true(platform_remap_onto(a, 2 * PAGE, target, 5 * PAGE));
    assert_false(fake_is_mapped(a, PAGE));
    assert_true(unit_all(target, 2 * PAGE, 3));
    assert_true(unit_all(target + 2 * PAGE, 3 * PAGE, 0));
    assert_int_equal(fake_huge_pages_at(target + 4 * PAGE), 1);
    fake_fail_nth(FAKE_REMAP, 1);
    char *other = platform_map(6 * PAGE, PAGE);
    assert_false(platform_remap_onto(target, 5 * PAGE, other, 6 * PAGE));
    assert_false(fake_is_mapped(other, PAGE));
    assert_true(unit_all(target, 2 * PAGE, 3));
    assert_int_equal(fake_mapped_bytes(), 5 * PAGE);
}

static void refuses_the_calls_it_was_told_to(void **state) {
    (void)state;
    fake_fail_nth(FAKE_MAP, 2);
    char *a = platform_map(PAGE, PAGE);
    assert_non_null(a);
    assert_null(platform_map(PAGE, PAGE));
    assert_non_null(platform_map(PAGE, PAGE));
    assert_int_equal(fake_calls(FAKE_MAP), 3);
    fake_fail_from(FAKE_UNMAP, 1);
    assert_false(platform_unmap(a, PAGE));
    assert_false(platform_unmap(a, PAGE));
    assert_true(fake_is_mapped(a, PAGE));
    assert_int_equal(fake_refused_bytes(), PAGE);
    fake_fail_never();
    assert_true(platform_unmap(a, PAGE));
    assert_int_equal(fake_refused_bytes(), 0);
    unsigned refused = 0;
    fake_fail_randomly(FAKE_MAP, 4, 1);
    for (int i = 0; i < 400; i++) {
        refused += platform_map(PAGE, PAGE) == NULL;
    }
    assert_in_range(refused, 50, 150);
}

static void a_refused_purge_leaves_some_contents(void **state) {
    (void)state;
    char *a = platform_map(4 * PAGE, PAGE);
    memset(a, 5, 4 * PAGE);
    fake_fail_nth(FAKE_PURGE, 1);
    assert_false(platform_purge(a, 4 * PAGE));
    assert_true(unit_all(a, 2 * PAGE, 0));
    assert_true(unit_all(a + 2 * PAGE, 2 * PAGE, 5));
    assert_int_equal(fake_purged_bytes(), 0);
}

static void *the_page;

static void unmap_twice(void *context) {
    (void)context;
    platform_unmap(the_page, PAGE);
    platform_unmap(the_page, PAGE);
}

static void purge_half_a_page(void *context) {
    (void)context;
    platform_purge(the_page, PAGE / 2);
}

static void purge_beyond(void *context) {
    (void)context;
    platform_purge(the_page, 2 * PAGE);
}

static void remap_a_part(void *context) {
    (void)context;
    platform_remap(the_page, 2 * PAGE, 4 * PAGE, true);
}

static void map_a_small_alignment(void *context) {
    (void)context;
    (void)platform_map(PAGE, 16);
}

static void notices_broken_contracts(void **state) {
    (void)state;
    the_page = platform_map(PAGE, PAGE);
    assert_non_null(unit_death(purge_half_a_page, NULL));
    assert_non_null(unit_death(purge_beyond, NULL));
    assert_non_null(unit_death(remap_a_part, NULL));
    assert_non_null(unit_death(map_a_small_alignment, NULL));
    assert_non_null(unit_death(unmap_twice, NULL));
}

static void respects_the_page_size(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    assert_int_equal(platform_page_size(), 65536);
    the_page = platform_map(65536, 65536);
    assert_int_equal((uintptr_t)the_page % 65536, 0);
    assert_non_null(unit_death(unmap_twice, NULL)); /* 4 KiB are no page now */
}

static void keeps_what_was_written(void **state) {
    (void)state;
    platform_write(2, "one ", 4);
    platform_write(1, "two", 3);
    assert_string_equal(fake_output(), "one two");
    fake_output_clear();
    assert_string_equal(fake_output(), "");
    int descriptor = platform_create_file("/some/where");
    assert_true(descriptor >= 0);
    platform_write(descriptor, "text", 4);
    assert_int_equal(fake_open_files(), 1);
    platform_close(descriptor);
    assert_int_equal(fake_open_files(), 0);
    assert_string_equal(fake_file_path(), "/some/where");
    assert_string_equal(fake_file_text(), "text");
    assert_string_equal(fake_output(), "");
    fake_fail_nth(FAKE_CREATE_FILE, 1);
    assert_int_equal(platform_create_file("/no"), -1);
}

static void reads_files_that_were_set(void **state) {
    (void)state;
    char buffer[16];
    assert_int_equal(platform_open_file("/a"), -1);
    fake_set_file("/a", "some text");
    fake_set_file("/b", "other");
    int a = platform_open_file("/a");
    int b = platform_open_file("/b");
    assert_true(a >= 0 && b >= 0 && a != b);
    assert_int_equal(fake_open_files(), 2);
    assert_int_equal(platform_read(a, buffer, 5), 5);
    assert_memory_equal(buffer, "some ", 5);
    fake_settings.read_size = 2;
    assert_int_equal(platform_read(b, buffer, sizeof buffer), 2);
    fake_settings.read_size = 0;
    assert_int_equal(platform_read(b, buffer, sizeof buffer), 3);
    assert_int_equal(platform_read(b, buffer, sizeof buffer), 0);
    fake_fail_nth(FAKE_READ, 1);
    assert_int_equal(platform_read(a, buffer, sizeof buffer), 0);
    platform_close(a);
    platform_close(b);
    assert_int_equal(fake_open_files(), 0);
    fake_set_file("/a", "new");
    a = platform_open_file("/a");
    assert_int_equal(platform_read(a, buffer, sizeof buffer), 3);
    platform_close(a);
    fake_set_file("/a", NULL);
    assert_int_equal(platform_open_file("/a"), -1);
    fake_fail_nth(FAKE_OPEN_FILE, 1);
    assert_int_equal(platform_open_file("/b"), -1);
}

static void answers_as_set(void **state) {
    (void)state;
    fake_settings.cpu_count = 17;
    fake_settings.cpu = 5;
    fake_threads(FAKE_THREADS_MANY);
    assert_int_equal(platform_cpu_count(), 17);
    unsigned cpu;
    unsigned node;
    fake_settings.node = 3;
    platform_where(&cpu, &node);
    assert_int_equal(cpu, 5);
    assert_int_equal(node, 3);
    assert_false(platform_single_threaded());
    fake_threads(FAKE_THREADS_ONE);
    assert_true(platform_single_threaded());
    assert_int_equal(platform_thread_id(), 1);
    fake_set_thread_id(99);
    assert_int_equal(platform_thread_id(), 99);
    assert_int_equal(platform_process_id(), 4711);
    assert_false(platform_secure_start());
    char path[8];
    assert_false(platform_program_path(path, sizeof path));
    fake_settings.program_path = "/a/path";
    assert_true(platform_program_path(path, sizeof path));
    assert_string_equal(path, "/a/path");
    assert_false(platform_program_path(path, sizeof path - 1));
    char *a = platform_map(PAGE, PAGE);
    assert_int_equal(fake_huge_pages_at(a), 0);
    platform_huge_pages(a, PAGE, false);
    assert_int_equal(fake_huge_pages_at(a), -1);
    platform_huge_pages(a, PAGE, true);
    assert_int_equal(fake_huge_pages_at(a), 1);
}

static void a_part_may_be_advised_otherwise(void **state) {
    (void)state;
    char *a = platform_map(4 * PAGE, PAGE);
    size_t mapped = fake_mapped_bytes();
    platform_huge_pages(a, 4 * PAGE, false);
    platform_huge_pages(a + PAGE, 2 * PAGE, true);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fake_huge_pages_at(a + i * PAGE), i == 0 || i == 3 ? -1 : 1);
    }
    platform_huge_pages(a, 4 * PAGE, true);
    assert_int_equal(fake_huge_pages_at(a + 3 * PAGE), 1);
    assert_int_equal(fake_mapped_bytes(), mapped);
    assert_true(platform_unmap(a, 4 * PAGE));
    assert_int_equal(fake_mapped_bytes(), mapped - 4 * PAGE);
}

static void tells_what_is_backed(void **state) {
    (void)state;
    char *a = platform_map(4 * PAGE, PAGE);
    assert_int_equal(platform_resident(a, 4 * PAGE), 0);
    a[PAGE] = 1;
    assert_int_equal(platform_resident(a, 4 * PAGE), PAGE);
    fake_fail_nth(FAKE_RESIDENT, 1);
    assert_int_equal(platform_resident(a, 4 * PAGE), 0);
    assert_int_equal(platform_resident(a + PAGE, PAGE), PAGE);
    assert_true(platform_unmap(a, 4 * PAGE));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(maps_zeroed_aligned_memory),
    cmocka_unit_test(accounts_for_every_byte),
    cmocka_unit_test(what_was_unmapped_comes_back_as_zeros),
    cmocka_unit_test(resizes),
    cmocka_unit_test(moves_to_a_target),
    cmocka_unit_test(refuses_the_calls_it_was_told_to),
    cmocka_unit_test(a_refused_purge_leaves_some_contents),
    cmocka_unit_test(notices_broken_contracts),
    cmocka_unit_test(respects_the_page_size),
    cmocka_unit_test(keeps_what_was_written),
    cmocka_unit_test(reads_files_that_were_set),
    cmocka_unit_test(answers_as_set),
    cmocka_unit_test(a_part_may_be_advised_otherwise),
    cmocka_unit_test(tells_what_is_backed),
};
UNIT_MAIN(tests)
