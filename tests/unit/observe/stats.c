/*
 * Purpose: tests of observe/stats.c: every figure against what was done, the file, and refusals.
 */
#include "observe/stats.h"
#include "front/fast.h"
#include "pages/counters.h"
#include "unit.h"

#include <stdio.h>

static struct collam_stats now(void) {
    struct collam_stats stats;
    memset(&stats, 0xff, sizeof stats);
    stats_collect(&stats);
    assert_int_equal(stats.live_bytes, stats.small_bytes + stats.large_bytes + stats.direct_bytes);
    return stats;
}

static void at_first_all_is_zero(void **state) {
    (void)state;
    struct collam_stats stats = now();
    assert_true(unit_all(&stats, sizeof stats, 0));
}

static void follows_what_is_done(void **state) {
    (void)state;
    enum { BLOCKS = 500 };
    static void *block[BLOCKS];
    size_t small = 0;
    size_t large = 0;
    size_t direct = 0;
    uint64_t seed = 30;
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = unit_random(&seed) % 3 ? unit_random(&seed) % 3000 : unit_random(&seed) % (2 * LARGE_MAX);
        block[i] = fast_malloc(size);
        size_t usable = front_usable_size_or_0(block[i]);
        *(size <= SMALL_MAX ? &small : size <= LARGE_MAX ? &large : &direct) += usable;
        struct collam_stats stats = now();
        assert_int_equal(stats.live_blocks, i + 1);
        assert_int_equal(stats.small_bytes, small);
        assert_int_equal(stats.large_bytes, large);
        assert_int_equal(stats.direct_bytes, direct);
        assert_true(stats.mapped_bytes >= stats.live_bytes);
        assert_true(stats.mapped_bytes + stats.metadata_bytes <= fake_mapped_bytes() + (1 << 20));
        assert_int_equal(stats.allocations, 0); /* not counted */
    }
    struct collam_stats before = now();
    for (int i = 0; i < BLOCKS; i++) {
        fast_free(block[i], "test");
    }
    struct collam_stats after = now();
    assert_int_equal(after.live_blocks, 0);
    assert_int_equal(after.live_bytes, 0);
    assert_true(after.cached_bytes > 0);
    assert_true(after.slab_free_bytes + after.cached_bytes + after.purged_bytes + after.dirty_bytes >= before.small_bytes / 2);
    assert_int_equal(after.dirty_bytes, page_dirty_bytes());
}

static void per_class(void **state) {
    (void)state;
    size_t live;
    size_t free;
    void *a = fast_malloc(100);
    void *b = fast_malloc(100);
    unsigned c = size_class_of(100);
    stats_of_class(c, &live, &free);
    assert_int_equal(live, 2);
    assert_int_equal(free, size_classes[c].blocks - 2u);
    fast_free(a, "test");
    stats_of_class(c, &live, &free);
    assert_int_equal(live, 1);
    assert_int_equal(free, size_classes[c].blocks - 1u);
    stats_of_class(c + 1, &live, &free);
    assert_int_equal(live + free, 0);
    fast_free(b, "test");
}

static void counted_calls(void **state) {
    (void)state;
    void *early = fast_malloc(10); /* before counting began */
    heap_watch();
    void *late = fast_malloc(20);
    struct collam_stats stats = now();
    assert_int_equal(stats.allocations - stats.frees, 2);
    fast_free(early, "test");
    fast_free(late, "test");
    stats = now();
    assert_int_equal(stats.frees, 2);
    assert_int_equal(stats.allocations, 2);
    assert_int_equal(stats.live_blocks, 0);
}

struct row {
    const char *name;
    size_t value;
};

static struct row rows[64];
static unsigned row_count;

static void add_row(const char *name, size_t value, void *context) {
    assert_ptr_equal(context, rows);
    rows[row_count++] = (struct row){name, value};
}

static void each_row_once(void **state) {
    (void)state;
    struct collam_stats stats;
    size_t *field = (size_t *)&stats;
    for (size_t i = 0; i < sizeof stats / sizeof *field; i++) {
        field[i] = 1000 + i;
    }
    stats_each(&stats, add_row, rows);
    assert_int_equal(row_count, sizeof stats / sizeof *field);
    assert_string_equal(rows[0].name, "allocations");
    assert_int_equal(rows[0].value, stats.allocations);
    for (unsigned i = 0; i < row_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].name, rows[j].name);
            assert_int_not_equal(rows[i].value, rows[j].value);
        }
    }
}

static void writes_a_file(void **state) {
    (void)state;
    (void)fast_malloc(100);
    fake_settings.process_id = 77;
    assert_true(stats_write_file("/tmp/%p/stats.%p%%x%"));
    assert_string_equal(fake_file_path(), "/tmp/77/stats.77%%x%");
    assert_int_equal(fake_open_files(), 0);
    const char *text = fake_file_text();
    assert_memory_equal(text, "allocations 0\nfrees 0\nlive_blocks 1\nlive_bytes 112\n", 51);
    unsigned lines = 0;
    for (const char *p = text; *p; p++) {
        lines += *p == '\n';
    }
    assert_int_equal(lines, sizeof(struct collam_stats) / sizeof(size_t));
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_string_equal(fake_output(), "");
}

static void a_file_that_cannot_be_made(void **state) {
    (void)state;
    fake_fail_nth(FAKE_CREATE_FILE, 1);
    assert_false(stats_write_file("/no/where"));
    assert_int_equal(fake_open_files(), 0);
}

/* A name that grows too long is refused, not cut: the file of that name would be somebody else's. */
static void a_name_that_grows_too_long_is_not_cut(void **state) {
    (void)state;
    char path[512];
    fake_settings.process_id = 4000000000u;
    for (size_t i = 0; i < sizeof path - 1; i++) {
        path[i] = i % 2 ? 'p' : '%';
    }
    path[sizeof path - 1] = '\0';
    assert_false(stats_write_file(path));
    assert_string_equal(fake_file_path(), "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(at_first_all_is_zero),
    cmocka_unit_test(follows_what_is_done),
    cmocka_unit_test(per_class),
    cmocka_unit_test(counted_calls),
    cmocka_unit_test(each_row_once),
    cmocka_unit_test(writes_a_file),
    cmocka_unit_test(a_file_that_cannot_be_made),
    cmocka_unit_test(a_name_that_grows_too_long_is_not_cut),
};
UNIT_MAIN(tests)
