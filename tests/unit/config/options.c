/*
 * Purpose: tests of config/options.c: every well-formed value is obeyed, every malformed one gives one line and changes nothing.
 */
#include "config/options.h"
#include "base/fmt.h"
#include "unit.h"

#include <stdio.h>

static char said[2048];
static unsigned lines;

static void keep(const char *line, size_t length) {
    assert_int_equal(line[length - 1], '\n');
    assert_null(memchr(line, '\n', length - 1));
    assert_true(strlen(said) + length < sizeof said);
    strncat(said, line, length);
    lines++;
}

/* Parses text, which must be obeyed wholly. */
static void obeyed(const char *text) {
    said[0] = '\0';
    lines = 0;
    assert_true(options_parse(text, keep));
    assert_string_equal(said, "");
}

/* Parses text, which must give exactly this one line and leave every option as it was. */
static void refused(const char *text, const char *line) {
    size_t before[OPTION_COUNT];
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        before[i] = option_get((enum option_id)i);
    }
    said[0] = '\0';
    lines = 0;
    assert_false(options_parse(text, keep));
    assert_int_equal(lines, 1);
    assert_string_equal(said, line);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        assert_int_equal(option_get((enum option_id)i), before[i]);
    }
}

static void defaults(void **state) {
    (void)state;
    assert_int_equal(option_get(OPTION_misuse), MISUSE_ABORT);
    assert_int_equal(option_get(OPTION_stats), 0);
    assert_string_equal(option_path(OPTION_stats), "");
    assert_int_equal(option_get(OPTION_quiet), 0);
    assert_int_equal(option_get(OPTION_dirty_min), DIRTY_MIN);
    assert_int_equal(option_get(OPTION_dirty_shift), DIRTY_SHIFT);
    assert_int_equal(option_get(OPTION_large_max), LARGE_MAX);
    assert_int_equal(option_get(OPTION_shards), 0);
    assert_int_equal(option_get(OPTION_perturb), 0);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        assert_true(strlen(option_name((enum option_id)i)) > 2);
        assert_true(strlen(option_sentence((enum option_id)i)) > 20);
    }
}

static void numbers_and_sizes(void **state) {
    (void)state;
    obeyed("dirty_shift=63");
    assert_int_equal(option_get(OPTION_dirty_shift), 63);
    obeyed("dirty_shift=0007");
    assert_int_equal(option_get(OPTION_dirty_shift), 7);
    obeyed("dirty_min=0");
    assert_int_equal(option_get(OPTION_dirty_min), 0);
    obeyed("dirty_min=3k");
    assert_int_equal(option_get(OPTION_dirty_min), 3 << 10);
    obeyed("dirty_min=5M");
    assert_int_equal(option_get(OPTION_dirty_min), 5 << 20);
    obeyed("dirty_min=7g");
    assert_int_equal(option_get(OPTION_dirty_min), (size_t)7 << 30);
    obeyed("large_max=32768");
    assert_int_equal(option_get(OPTION_large_max), 32768);
    obeyed("large_max=32768K");
    assert_int_equal(option_get(OPTION_large_max), LARGE_MAX);
    obeyed("shards=64,quiet=1,perturb=255");
    assert_int_equal(option_get(OPTION_shards), 64);
    assert_int_equal(option_get(OPTION_quiet), 1);
    assert_int_equal(option_get(OPTION_perturb), 255);
}

static void words_and_paths(void **state) {
    (void)state;
    obeyed("misuse=warn");
    assert_int_equal(option_get(OPTION_misuse), MISUSE_WARN);
    obeyed("misuse=abort");
    assert_int_equal(option_get(OPTION_misuse), MISUSE_ABORT);
    obeyed("stats=/tmp/a=b.%p");
    assert_int_equal(option_get(OPTION_stats), 1);
    assert_string_equal(option_path(OPTION_stats), "/tmp/a=b.%p");
}

static void parts(void **state) {
    (void)state;
    obeyed("");
    obeyed(",,,");
    obeyed(",shards=3,,perturb=4,");
    assert_int_equal(option_get(OPTION_shards), 3);
    assert_int_equal(option_get(OPTION_perturb), 4);
    obeyed("shards=5,shards=6");
    assert_int_equal(option_get(OPTION_shards), 6);
    said[0] = '\0';
    assert_false(options_parse("bad=1,shards=7,quiet=9", keep)); /* the good part is obeyed all the same */
    assert_int_equal(option_get(OPTION_shards), 7);
    assert_int_equal(lines, 2);
}

#define NOT_KNOWN "is not known and is ignored\n"
#define BYTES(low, high) "needs bytes (k, m, g allowed) from " low " to " high "; its default is kept\n"
#define NUMBERS(low, high) "needs a number from " low " to " high "; its default is kept\n"
#define LARGE_BYTES BYTES("32768", "33554432")
#define DIRTY_BYTES BYTES("0", "9223372036854775807")

static void unknown_names(void **state) {
    (void)state;
    refused("nonsense", "collam: option 'nonsense' " NOT_KNOWN);
    refused("nonsense=1", "collam: option 'nonsense=1' " NOT_KNOWN);
    refused("=", "collam: option '=' " NOT_KNOWN);
    refused("=1", "collam: option '=1' " NOT_KNOWN);
    refused("shard=1", "collam: option 'shard=1' " NOT_KNOWN);
    refused("shardss=1", "collam: option 'shardss=1' " NOT_KNOWN);
    refused("Shards=1", "collam: option 'Shards=1' " NOT_KNOWN);
    refused(" shards=1", "collam: option ' shards=1' " NOT_KNOWN);
    refused("a\nb\033c", "collam: option 'a?b?c' " NOT_KNOWN);
}

static void malformed_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"shards",
                                      "shards=",
                                      "shards=a",
                                      "shards=1a",
                                      "shards= 1",
                                      "shards=1 ",
                                      "shards=-1",
                                      "shards=+1",
                                      "shards=0x10",
                                      "shards=1k",
                                      "shards=65",
                                      "shards=1.5",
                                      "shards==1",
                                      "shards=18446744073709551617",
                                      "shards=99999999999999999999999999"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char line[256];
        snprintf(line, sizeof line, "collam: option '%s' " NUMBERS("0", "64"), bad[i]);
        refused(bad[i], line);
    }
    refused("quiet=2", "collam: option 'quiet=2' " NUMBERS("0", "1"));
    refused("quiet", "collam: option 'quiet' " NUMBERS("0", "1"));
    refused("quiet=yes", "collam: option 'quiet=yes' " NUMBERS("0", "1"));
    refused("dirty_shift=64", "collam: option 'dirty_shift=64' " NUMBERS("0", "63"));
    refused("perturb=256", "collam: option 'perturb=256' " NUMBERS("0", "255"));
}

static void malformed_sizes(void **state) {
    (void)state;
    refused("large_max=32767", "collam: option 'large_max=32767' " LARGE_BYTES);
    refused("large_max=32769k", "collam: option 'large_max=32769k' " LARGE_BYTES);
    static const char *const bad[] = {"dirty_min=k",
                                      "dirty_min=1kk",
                                      "dirty_min=1t",
                                      "dirty_min=1k1",
                                      "dirty_min=1 k",
                                      "dirty_min=",
                                      "dirty_min",
                                      "dirty_min=k1",
                                      "dirty_min=1kb",
                                      "dirty_min=9223372036854775808",
                                      "dirty_min=17179869184g"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char line[256];
        snprintf(line, sizeof line, "collam: option '%s' " DIRTY_BYTES, bad[i]);
        refused(bad[i], line);
    }
}

static void malformed_words(void **state) {
    (void)state;
    static const char *const bad[] = {"misuse",   "misuse=",      "misuse=war",        "misuse=warns", "misuse=abort|warn",
                                      "misuse=0", "misuse=Abort", "misuse=warn=abort", "misuse=|"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char line[256];
        snprintf(line, sizeof line, "collam: option '%s' needs one of abort|warn; its default is kept\n", bad[i]);
        refused(bad[i], line);
    }
}

static void malformed_paths(void **state) {
    (void)state;
    char text[OPTION_PATH_MAX + 64];
    char line[256];
    refused("stats=", "collam: option 'stats=' needs a path shorter than 512 characters; its default is kept\n");
    refused("stats", "collam: option 'stats' needs a path shorter than 512 characters; its default is kept\n");
    memset(text, 'x', sizeof text);
    memcpy(text, "stats=", 6);
    text[6 + OPTION_PATH_MAX] = '\0';
    snprintf(line, sizeof line, "collam: option '%.64s...' needs a path shorter than 512 characters; its default is kept\n", text);
    refused(text, line);
    assert_string_equal(option_path(OPTION_stats), "");
    text[6 + OPTION_PATH_MAX - 1] = '\0';
    obeyed(text);
    assert_string_equal(option_path(OPTION_stats), text + 6);
    refused("stats=", "collam: option 'stats=' needs a path shorter than 512 characters; its default is kept\n");
    assert_string_equal(option_path(OPTION_stats), text + 6);
}

static void setting_by_number(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, SHARDS_MAX));
    assert_false(option_set(OPTION_shards, SHARDS_MAX + 1));
    assert_int_equal(option_get(OPTION_shards), SHARDS_MAX);
    assert_false(option_set(OPTION_large_max, SMALL_MAX - 1));
    assert_int_equal(option_get(OPTION_large_max), LARGE_MAX);
    assert_true(option_set(OPTION_large_max, SMALL_MAX));
}

#define PRESET_IS(min, shift, swing, huge, magazines, sets)                                                                                \
    do {                                                                                                                                   \
        assert_int_equal(option_get(OPTION_dirty_min), (min));                                                                             \
        assert_int_equal(option_get(OPTION_dirty_shift), (shift));                                                                         \
        assert_int_equal(option_get(OPTION_swing_max), (swing));                                                                           \
        assert_int_equal(option_get(OPTION_huge_start), (huge));                                                                           \
        assert_int_equal(option_get(OPTION_magazine_bytes), (magazines));                                                                  \
        assert_int_equal(option_get(OPTION_shards), (sets));                                                                               \
    } while (0)

static void presets(void **state) {
    (void)state;
    obeyed("preset=latency");
    PRESET_IS((size_t)64 << 20, 2, (size_t)256 << 20, HUGE_START, 4 << 20, 0);
    obeyed("preset=small");
    PRESET_IS(256 << 10, 63, 0, HUGE_NEVER, 64 << 10, 1);
    assert_int_equal(option_get(OPTION_preset), PRESET_small);
    obeyed("preset=balanced"); /* the defaults */
    PRESET_IS(DIRTY_MIN, DIRTY_SHIFT, SWING_MAX, HUGE_START, HEAP_CACHE_BYTES, 0);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        assert_int_equal(option_was_set((enum option_id)i), i == OPTION_preset);
    }
    for (unsigned i = 0; i < PRESET_COUNT; i++) {
        assert_true(strlen(preset_sentence((enum preset)i)) > 20);
    }
    refused("preset=large", "collam: option 'preset=large' needs one of balanced|latency|small; its default is kept\n");
    refused("preset=", "collam: option 'preset=' needs one of balanced|latency|small; its default is kept\n");
    assert_false(option_set(OPTION_preset, PRESET_COUNT));
}

static void an_explicit_option_beats_the_preset_in_any_order(void **state) {
    (void)state;
    obeyed("dirty_min=7,preset=small,shards=9");
    PRESET_IS(7, 63, 0, HUGE_NEVER, 64 << 10, 9);
    obeyed("preset=latency");
    PRESET_IS(7, 2, (size_t)256 << 20, HUGE_START, 4 << 20, 9);
    assert_true(option_set(OPTION_dirty_shift, DIRTY_SHIFT)); /* its default, but chosen */
    obeyed("preset=small");
    PRESET_IS(7, DIRTY_SHIFT, 0, HUGE_NEVER, 64 << 10, 9);
    said[0] = '\0';
    assert_false(options_parse("magazine_bytes=5m", keep)); /* refused, so not chosen */
    obeyed("preset=latency");
    assert_int_equal(option_get(OPTION_magazine_bytes), 4 << 20);
}

static void limits(void **state) {
    (void)state;
    assert_int_equal(option_get(OPTION_soft_limit), 0);
    assert_int_equal(option_get(OPTION_system_limits), 1);
    assert_int_equal(option_get(OPTION_limit_policy), LIMIT_NULL);
    obeyed("soft_limit=512m,limit_policy=abort,system_limits=0");
    assert_int_equal(option_get(OPTION_soft_limit), 512 << 20);
    assert_int_equal(option_get(OPTION_limit_policy), LIMIT_ABORT);
    assert_int_equal(option_get(OPTION_system_limits), 0);
    obeyed("limit_policy=null");
    assert_int_equal(option_get(OPTION_limit_policy), LIMIT_NULL);
    refused("limit_policy=kill", "collam: option 'limit_policy=kill' needs one of null|abort; its default is kept\n");
    refused("soft_limit=12x", "collam: option 'soft_limit=12x' " DIRTY_BYTES);
    refused("soft_limit=-1", "collam: option 'soft_limit=-1' " DIRTY_BYTES);
    refused("system_limits=2", "collam: option 'system_limits=2' " NUMBERS("0", "1"));
    refused("magazine_bytes=4194305", "collam: option 'magazine_bytes=4194305' " BYTES("0", "4194304"));
}

/* What is written for a value is what the parser would take. */
static void values_are_written_as_they_are_read(void **state) {
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 2000; i++) {
        enum option_id id = (enum option_id)(unit_random(&seed) % OPTION_COUNT);
        size_t value = unit_random(&seed) >> (unit_random(&seed) % 64);
        value = unit_random(&seed) % 2 ? value & ~(size_t)0xfffff : value;
        if (id == OPTION_stats || !option_set(id, value)) {
            continue;
        }
        char text[256];
        struct fmt out;
        fmt_start(&out, text, sizeof text);
        fmt_text(&out, option_name(id));
        fmt_char(&out, '=');
        option_write_value(&out, id);
        store_relaxed(&option_values[id], 0);
        obeyed(text);
        assert_int_equal(option_get(id), value);
    }
}

/* Any text whatever: parsing ends, says only finished lines, and keeps every option within its bounds. */
static void keep_any(const char *line, size_t length) {
    assert_true(length > 20 && length < 400);
    assert_memory_equal(line, "collam: option '", 16);
    assert_int_equal(line[length - 1], '\n');
    for (size_t i = 0; i + 1 < length; i++) {
        assert_in_range((unsigned char)line[i], ' ', '~');
    }
}

static void random_text(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "shards", "stats", "misuse", "dirty_min", "quiet",    "=", "=", ",", "abort", "warn", "|", "k", "1", "99", "18446744073709551615",
        "-",      " ",     "\xff",   "perturb",   "large_max"};
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        char text[512] = "";
        for (uint64_t n = unit_random(&seed) % 12; n > 0; n--) {
            strcat(text, pieces[unit_random(&seed) % COUNT(pieces)]);
        }
        (void)options_parse(text, keep_any);
        assert_true(option_get(OPTION_shards) <= SHARDS_MAX);
        assert_true(option_get(OPTION_misuse) <= 1 && option_get(OPTION_quiet) <= 1 && option_get(OPTION_perturb) <= 255);
        assert_in_range(option_get(OPTION_large_max), SMALL_MAX, LARGE_MAX);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(defaults),
    cmocka_unit_test(numbers_and_sizes),
    cmocka_unit_test(words_and_paths),
    cmocka_unit_test(parts),
    cmocka_unit_test(unknown_names),
    cmocka_unit_test(malformed_numbers),
    cmocka_unit_test(malformed_sizes),
    cmocka_unit_test(malformed_words),
    cmocka_unit_test(malformed_paths),
    cmocka_unit_test(setting_by_number),
    cmocka_unit_test(random_text),
    cmocka_unit_test(presets),
    cmocka_unit_test(an_explicit_option_beats_the_preset_in_any_order),
    cmocka_unit_test(limits),
    cmocka_unit_test(values_are_written_as_they_are_read),
};
UNIT_MAIN(tests)
