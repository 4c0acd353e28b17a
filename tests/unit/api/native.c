/*
 * Purpose: tests of api/native.c: every function of collam.h.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "left_heap.h"
#include "pages/counters.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

static void version(void **state) {
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", COLLAM_VERSION_MAJOR, COLLAM_VERSION_MINOR, COLLAM_VERSION_PATCH);
    assert_string_equal(collam_version(), text);
}

static void allocating(void **state) {
    (void)state;
    assert_true(collam_malloc(0) != NULL);
    char *a = collam_malloc(100);
    assert_int_equal(collam_usable_size(a), 112);
    assert_int_equal(collam_usable_size(NULL), 0);
    memset(a, 1, 100);
    a = collam_realloc(a, 1000);
    assert_true(unit_all(a, 100, 1));
    collam_free(a);
    collam_free(NULL);
    char *cleared = collam_calloc(10, 100);
    assert_true(unit_all(cleared, 1000, 0));
    errno = 0;
    assert_null(collam_calloc(SIZE_MAX, 2));
    assert_int_equal(errno, ENOMEM);
    assert_null(collam_realloc(cleared, 0));
    assert_string_equal(fake_output(), "");
}

static void aligned(void **state) {
    (void)state;
    errno = 0;
    assert_null(collam_aligned_alloc(0, 1));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(collam_aligned_alloc(48, 1));
    assert_int_equal(errno, EINVAL);
    char *block = collam_aligned_alloc(1 << 20, 10);
    assert_int_equal((uintptr_t)block % (1 << 20), 0);
    collam_free_aligned_sized(block, 1 << 20, 10);
    errno = 0;
    assert_null(collam_aligned_alloc(16, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    assert_string_equal(fake_output(), "");
}

static void sized_frees(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    char *block = collam_malloc(100);
    collam_free_sized(block, 1);
    assert_non_null(strstr(fake_output(), "collam: collam_free_sized(0x"));
    fake_output_clear();
    collam_free_aligned_sized(block, 24, 100);
    assert_non_null(strstr(fake_output(), "collam: collam_free_aligned_sized(0x"));
    fake_output_clear();
    collam_free_sized(block, 100); /* it was left alone */
    assert_string_equal(fake_output(), "");
    collam_free_sized(NULL, 5);
    collam_free_aligned_sized(NULL, 3, 5);
    assert_string_equal(fake_output(), "");
    collam_free(block);
    assert_non_null(strstr(fake_output(), "collam: collam_free(0x"));
    fake_output_clear();
    (void)collam_realloc(block, 10);
    assert_non_null(strstr(fake_output(), "collam: collam_realloc(0x"));
    fake_output_clear();
    (void)collam_usable_size(block);
    assert_non_null(strstr(fake_output(), "collam: collam_usable_size(0x"));
}

/* What was taken before a trim is not needed again because of it: nothing more than the least budget stays when more is freed. */
static void a_trim_after_growth_regrets_nothing(void **state) {
    (void)state;
    enum { BLOCKS = 80, BYTES = 200000 };
    assert_true(option_set(OPTION_huge_start, HUGE_NEVER));
    void *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = collam_malloc(BYTES);
        memset(block[i], 1, BYTES);
    }
    for (size_t i = 0; i < 19; i++) {
        collam_free(block[i * 4]);
    }
    assert_true(collam_trim(0));
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % 4 || i >= 76) {
            collam_free(block[i]);
            assert_true(page_dirty_bytes() <= DIRTY_MIN);
        }
    }
}

static void a_trim_reaches_heaps_without_a_thread(void **state) {
    (void)state;
    const struct heap *heap = heap_left_by_a_thread();
    assert_true(collam_trim(0));
    assert_false(keeps_pages(heap));
    assert_false(collam_trim(0));
}

static void trimming(void **state) {
    (void)state;
    static void *block[2000];
    assert_false(collam_trim(0));
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = collam_malloc(1 + i * 37 % 40000);
        memset(block[i], 1, 1 + i * 37 % 40000);
    }
    size_t full = fake_resident_bytes();
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
    assert_true(collam_trim(1 << 20));
    assert_true(page_dirty_bytes() <= 1 << 20);
    (void)collam_trim(0);
    assert_int_equal(page_dirty_bytes(), 0);
    assert_int_equal(load_relaxed(&page_counters.used_bytes), 0);
    assert_true(fake_resident_bytes() < full / 20);
    assert_false(collam_trim(0));
}

static void statistics_of_any_size(void **state) {
    (void)state;
    (void)collam_malloc(1000);
    struct collam_stats all;
    collam_get_stats(&all, sizeof all);
    assert_int_equal(all.live_blocks, 1);
    unsigned char bytes[2 * sizeof all];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        memset(bytes, 0xee, sizeof bytes);
        collam_get_stats((struct collam_stats *)(void *)bytes, size);
        size_t known = size < sizeof all ? size : sizeof all;
        assert_memory_equal(bytes, &all, known);
        assert_true(unit_all(bytes + known, size - known, 0)); /* what a newer program knows and this library does not */
        assert_true(unit_all(bytes + size, sizeof bytes - size, 0xee));
    }
}

static void presets_by_name(void **state) {
    (void)state;
    errno = 4711;
    assert_true(collam_set_preset(COLLAM_PRESET_SMALL));
    assert_int_equal(option_get(OPTION_preset), PRESET_small);
    assert_int_equal(option_get(OPTION_dirty_min), 256 << 10);
    assert_true(collam_set_preset(COLLAM_PRESET_LATENCY));
    assert_int_equal(option_get(OPTION_dirty_shift), 2);
    assert_true(collam_set_preset(COLLAM_PRESET_BALANCED));
    assert_int_equal(option_get(OPTION_dirty_min), DIRTY_MIN);
    assert_false(collam_set_preset((enum collam_preset)3));
    assert_int_equal(option_get(OPTION_preset), PRESET_balanced);
    assert_int_equal(errno, 4711);
}

/* What a process keeps after 32 MiB were freed, as each preset says. */
static void presets_are_obeyed(void **state) {
    (void)state;
    static const size_t at_most[] = {4 << 20, 64 << 20, 256 << 10};
    static void *block[320];
    for (int preset = COLLAM_PRESET_BALANCED; preset <= COLLAM_PRESET_SMALL; preset++) {
        assert_true(collam_set_preset((enum collam_preset)preset));
        (void)collam_trim(0);
        for (size_t i = 0; i < COUNT(block); i++) {
            block[i] = collam_malloc(100000);
            memset(block[i], 1, 100000); /* or it would be believed that little of what is kept is backed */
        }
        for (size_t i = 0; i < COUNT(block); i++) {
            collam_free(block[i]);
        }
        size_t dirty = page_dirty_bytes();
        assert_true(dirty <= at_most[preset]);
        assert_int_equal(dirty > 16 << 20, preset == COLLAM_PRESET_LATENCY);
    }
}

static void soft_limit_and_its_bounds(void **state) {
    (void)state;
    errno = 0;
    assert_true(collam_set_soft_limit(8 << 20));
    assert_false(collam_set_soft_limit(SIZE_MAX / 2 + 1));
    assert_int_equal(option_get(OPTION_soft_limit), 8 << 20);
    assert_int_equal(errno, 0);
    assert_null(collam_malloc(9 << 20));
    assert_int_equal(errno, ENOMEM);
    assert_true(collam_set_soft_limit(0));
    assert_non_null(collam_malloc(9 << 20));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(version),
    cmocka_unit_test(allocating),
    cmocka_unit_test(aligned),
    cmocka_unit_test(sized_frees),
    cmocka_unit_test(a_trim_after_growth_regrets_nothing),
    cmocka_unit_test(a_trim_reaches_heaps_without_a_thread),
    cmocka_unit_test(trimming),
    cmocka_unit_test(statistics_of_any_size),
    cmocka_unit_test(presets_by_name),
    cmocka_unit_test(presets_are_obeyed),
    cmocka_unit_test(soft_limit_and_its_bounds),
};
UNIT_MAIN(tests)
