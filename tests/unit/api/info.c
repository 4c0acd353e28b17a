/*
 * Purpose: tests of api/info.c: mallopt, mallinfo, malloc_info and malloc_stats, which here stand in for those of the C library while
 * malloc stays its own.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo is old, and still called by programs */

static void mallopt_obeys_what_has_a_meaning(void **state) {
    (void)state;
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 12345), 1);
    assert_int_equal(option_get(OPTION_dirty_min), 12345);
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, -1), 1);
    assert_int_equal(option_get(OPTION_dirty_min), SIZE_MAX / 2);
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, 65536), 1);
    assert_int_equal(option_get(OPTION_large_max), 65536);
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, 100), 0);
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, -1), 0);
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, INT_MAX), 0);
    assert_int_equal(option_get(OPTION_large_max), 65536);
    assert_int_equal(mallopt(M_ARENA_MAX, 0), 0);
    assert_int_equal(mallopt(M_ARENA_MAX, -3), 0);
    assert_int_equal(mallopt(M_ARENA_MAX, 1), 1);
    assert_int_equal(shard_after(0), 0);
    assert_int_equal(mallopt(M_MXFAST, 64), 0);
    assert_int_equal(mallopt(-999, 1), 0);
}

static void mallopt_perturbs(void **state) {
    (void)state;
    assert_int_equal(mallopt(M_PERTURB, 0x1234), 1);
    assert_int_equal(option_get(OPTION_perturb), 0x34);
    assert_true(thread_heap->watched);
    unsigned char *block = collam_malloc(200);
    assert_true(unit_all(block, 200, 0x34 ^ 0xff));
}

static void mallinfo_tells_where_memory_is(void **state) {
    (void)state;
    (void)collam_malloc(100);
    (void)collam_malloc(50000);
    (void)collam_malloc((size_t)40 << 20);
    struct mallinfo2 info = mallinfo2();
    struct collam_stats stats;
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(info.hblks, 1);
    assert_int_equal(info.hblkhd, (size_t)40 << 20);
    assert_int_equal(info.uordblks, 112 + 53248);
    assert_int_equal(info.arena, stats.mapped_bytes - stats.direct_bytes);
    assert_int_equal(info.fordblks, info.arena - info.uordblks);
    struct mallinfo old = mallinfo();
    assert_int_equal(old.uordblks, info.uordblks);
    assert_int_equal(old.hblkhd, info.hblkhd);
    assert_int_equal(old.arena, info.arena);
}

static void mallinfo_does_not_wrap(void **state) {
    (void)state;
    (void)collam_malloc((size_t)5 << 30);
    assert_int_equal(mallinfo2().hblkhd, (size_t)5 << 30);
    assert_int_equal(mallinfo().hblkhd, INT_MAX);
}

static void malloc_info_writes_well_formed_xml(void **state) {
    (void)state;
    /* One block out of each class and one free, so that every line is there. */
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        void *block = collam_malloc(size_classes[c].size);
        (void)collam_malloc(size_classes[c].size);
        collam_free(block);
    }
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_int_equal(malloc_info(0, stream), 0);
    fclose(stream);
    static const char start[] = "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n";
    assert_memory_equal(text, start, sizeof start - 1);
    assert_string_equal(text + length - 10, "</malloc>\n");
    unsigned open = 0;
    unsigned close = 0;
    unsigned self_closed = 0;
    unsigned sizes = 0;
    for (char *p = text; *p; p++) {
        open += p[0] == '<' && p[1] != '/';
        close += p[0] == '<' && p[1] == '/';
        self_closed += p[0] == '/' && p[1] == '>';
        sizes += strncmp(p, "<size from=", 11) == 0;
    }
    assert_int_equal(open, close + self_closed);
    assert_true(sizes >= CLASS_COUNT - 3); /* the largest classes may have nothing free */
    free(text);
    assert_int_equal(malloc_info(1, stderr), EINVAL);
}

static void malloc_info_reports_a_stream_that_fails(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(malloc_info(0, full), -1);
    fclose(full);
}

static void malloc_stats_prints_every_figure(void **state) {
    (void)state;
    (void)collam_malloc(100);
    malloc_stats();
    const char *text = fake_output();
    assert_memory_equal(text, "collam statistics (bytes)\n", 26);
    assert_non_null(strstr(text, "\nlive_blocks         = 1\n"));
    assert_non_null(strstr(text, "\nin use bytes        = 112\n"));
    assert_non_null(strstr(text, "\nsystem bytes        = 2097152\n"));
}

static void malloc_trim_gives_memory_back(void **state) {
    (void)state;
    assert_int_equal(malloc_trim(0), 0);
    void *block = collam_malloc(500000);
    memset(block, 1, 500000);
    collam_free(block);
    assert_int_equal(malloc_trim(0), 1);
    assert_int_equal(malloc_trim(0), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(mallopt_obeys_what_has_a_meaning),   cmocka_unit_test(mallopt_perturbs),
    cmocka_unit_test(mallinfo_tells_where_memory_is),     cmocka_unit_test(mallinfo_does_not_wrap),
    cmocka_unit_test(malloc_info_writes_well_formed_xml), cmocka_unit_test(malloc_info_reports_a_stream_that_fails),
    cmocka_unit_test(malloc_stats_prints_every_figure),   cmocka_unit_test(malloc_trim_gives_memory_back),
};
UNIT_MAIN(tests)
