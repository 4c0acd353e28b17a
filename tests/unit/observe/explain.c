/*
 * Purpose: tests of observe/explain.c and of the two functions of the public header that give its text away.
 */
#include "observe/explain.h"
#include "collam/collam.h"
#include "config/options.h"
#include "pages/limit.h"
#include "unit.h"

static char text[16384];

static const char *explained(void) {
    size_t length = collam_explain(text, sizeof text);
    assert_true(length > 1000 && length < sizeof text);
    assert_int_equal(strlen(text), length);
    assert_int_equal(text[length - 1], '\n');
    return text;
}

#define ASSERT_SAYS(words)                                                                                                                 \
    do {                                                                                                                                   \
        if (strstr(explained(), (words)) == NULL) {                                                                                        \
            fail_msg("'%s' is not in:\n%s", (words), text);                                                                                \
        }                                                                                                                                  \
    } while (0)

static void every_option_is_there_with_its_sentence(void **state) {
    (void)state;
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        ASSERT_SAYS(option_name((enum option_id)id));
        ASSERT_SAYS(option_sentence((enum option_id)id));
    }
    ASSERT_SAYS("collam 0.1.0, preset balanced: gives memory back soon");
    ASSERT_SAYS("\n  dirty_min = 4m (not set; default 4m; bytes (k, m, g allowed) from 0 to 9223372036854775807): ");
    ASSERT_SAYS("\n  shards = 0 (not set; default 0; a number from 0 to 64): ");
    ASSERT_SAYS("\n  misuse = abort (not set; default abort; one of abort|warn): ");
    ASSERT_SAYS("\n  stats = none (not set; default none; a path shorter than 512 characters): ");
}

static void drop(const char *line, size_t length) {
    (void)line;
    (void)length;
    fail();
}

static void settings_show(void **state) {
    (void)state;
    assert_true(options_parse("preset=small,dirty_min=100,misuse=warn,stats=/a/b", drop));
    ASSERT_SAYS(", preset small: keeps almost nothing ready");
    ASSERT_SAYS("\n  dirty_min = 100 (set; default 4m; ");
    ASSERT_SAYS("\n  dirty_shift = 63 (not set; default 4; ");
    ASSERT_SAYS("\n  magazine_bytes = 64k (not set; default 1m; ");
    ASSERT_SAYS("\n  misuse = warn (set; ");
    ASSERT_SAYS("\n  stats = /a/b (set; ");
    ASSERT_SAYS("\n  preset = small (set; default balanced; one of balanced|latency|small): ");
    ASSERT_SAYS("\nA thread that rests keeps up to 64 KiB of free blocks");
    ASSERT_SAYS("\nPartly used slabs are in 1 set: ");
    ASSERT_SAYS("\nA pointer that is no block is reported and left alone.\n");
    ASSERT_SAYS("\nHuge pages are never asked for");
    assert_true(option_set(OPTION_huge_start, 0));
    ASSERT_SAYS("\nHuge pages are asked for ");
}

static void limits_show(void **state) {
    (void)state;
    ASSERT_SAYS("\nNo limit is known, or the heap is too small");
    assert_true(collam_set_soft_limit((size_t)32 << 20));
    ASSERT_SAYS("\nThe nearest limit is the soft limit of 32 MiB (option soft_limit): 0 KiB of it are in use.\n");
    ASSERT_SAYS("\nBeyond it requests get NULL with ENOMEM.\n");
    assert_non_null(collam_malloc((size_t)31 << 20));
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    ASSERT_SAYS("of it are in use, so all free memory goes back at once.\nBeyond it the program ends with a message.\n");
    assert_true(collam_set_soft_limit(0));
    fake_set_file("/proc/self/cgroup", "0::/\n");
    fake_set_file("/sys/fs/cgroup/memory.max", "1073741824\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "104857600\n");
    ASSERT_SAYS(
        "\nThe nearest limit is the container limit of 1024 MiB (/sys/fs/cgroup): 108 MiB of it are in use.\n"); /* margin included */
    assert_true(option_set(OPTION_system_limits, 0));
    ASSERT_SAYS("\nNo limit is set, and those of the system are not heeded.\n");
}

static void any_buffer_will_do(void **state) {
    (void)state;
    size_t whole = strlen(explained());
    assert_int_equal(collam_explain(NULL, 0), whole);
    char cut[300];
    for (size_t size = 1; size < 300; size += 7) {
        memset(cut, 0xee, sizeof cut);
        assert_int_equal(collam_explain(cut, size), whole);
        assert_int_equal(strlen(cut), size - 1);
        assert_memory_equal(cut, text, size - 1);
        assert_true(unit_all(cut + size, sizeof cut - size, 0xee));
    }
}

static void to_a_descriptor(void **state) {
    (void)state;
    (void)explained();
    collam_explain_to(2);
    size_t length = strlen(fake_output()); /* the fake keeps the first 8 KiB */
    assert_true(length > 1000);
    assert_memory_equal(fake_output(), text, length);
    fake_fail_from(FAKE_WRITE, 1);
    collam_explain_to(1);
}

static void it_allocates_nothing(void **state) {
    (void)state;
    collam_free(collam_malloc(100));
    unsigned long maps = fake_calls(FAKE_MAP);
    size_t footprint = limit_footprint();
    (void)explained();
    assert_int_equal(fake_calls(FAKE_MAP), maps);
    assert_int_equal(limit_footprint(), footprint);
}

/* A path of any length fits in no more than its line. */
static void a_long_path_is_cut(void **state) {
    (void)state;
    static char option[OPTION_PATH_MAX + 10] = "stats=/";
    memset(option + 7, 'p', OPTION_PATH_MAX - 2);
    assert_true(options_parse(option, drop));
    ASSERT_SAYS("ppppp (set; default none; a path shorter than 512 characters): file written");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_option_is_there_with_its_sentence),
    cmocka_unit_test(settings_show),
    cmocka_unit_test(limits_show),
    cmocka_unit_test(any_buffer_will_do),
    cmocka_unit_test(to_a_descriptor),
    cmocka_unit_test(it_allocates_nothing),
    cmocka_unit_test(a_long_path_is_cut),
};
UNIT_MAIN(tests)
