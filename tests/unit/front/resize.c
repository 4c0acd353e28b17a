/*
 * Purpose: tests of front/resize.c: contents over every step between sizes, when a block stays, failures.
 */
#include "front/resize.h"
#include "config/options.h"
#include "front/fast.h"
#include "pages/counters.h"
#include "unit.h"

#include <errno.h>

static const size_t sizes[] = {1,     16,    17,    100,   250,   1024,   1025,   2000,    4096,    6000,    16000,
                               32768, 32769, 40000, 65536, 65537, 300000, 700000, 1048576, 1048577, 2097152, 5000000};

static void contents_survive_every_step(void **state) {
    (void)state;
    for (int moves = 0; moves < 2; moves++) {
        fake_settings.remap_moves = moves;
        for (size_t from = 0; from < COUNT(sizes); from++) {
            for (size_t to = 0; to < COUNT(sizes); to++) {
                unsigned char *block = fast_malloc(sizes[from]);
                memset(block, 0x77, sizes[from]);
                errno = 0;
                unsigned char *resized = front_resize(block, sizes[to], "test");
                assert_non_null(resized);
                assert_int_equal(errno, 0);
                assert_int_equal((uintptr_t)resized % BLOCK_ALIGN, 0);
                size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
                assert_true(unit_all(resized, kept, 0x77));
                size_t usable = front_usable_size_or_0(resized);
                assert_true(usable >= sizes[to]);
                assert_true(sizes[to] < 4096 ? usable < 4096 + 2 * sizes[to] : usable <= 2 * sizes[to]); /* the tail went back */
                memset(resized, 0x78, sizes[to]);
                fast_free(resized, "test");
            }
        }
    }
    assert_string_equal(fake_output(), "");
}

/* Not what no longer fits, which would be the next block's. */
static void a_smaller_block_gets_what_it_holds(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t size = size_classes[c].size;
        unsigned char *around[3];
        for (unsigned i = 0; i < COUNT(around); i++) {
            around[i] = memset(fast_malloc(size), 0x11, size);
        }
        fast_free(around[1], "test"); /* the next of its class */
        unsigned char *block = memset(fast_malloc(SMALL_MAX), 0x77, SMALL_MAX);
        unsigned char *smaller = front_resize(block, size, "test");
        if (smaller != block) {
            assert_ptr_equal(smaller, around[1]);
        }
        assert_true(unit_all(smaller, size, 0x77));
        assert_true(unit_all(around[0], size, 0x11) && unit_all(around[2], size, 0x11));
        fast_free(smaller, "test");
        fast_free(around[0], "test");
        fast_free(around[2], "test");
    }
}

static void a_block_stays_while_half_of_it_is_used(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t size = size_classes[c].size;
        char *block = fast_malloc(size);
        assert_ptr_equal(front_resize(block, size, "test"), block);
        assert_ptr_equal(front_resize(block, size / 2, "test"), block);
        assert_ptr_equal(front_resize(block, size - 1, "test"), block);
        char *moved = front_resize(block, size + 1, "test");
        assert_ptr_not_equal(moved, block);
        fast_free(moved, "test");
        if (size >= 64) {
            block = fast_malloc(size);
            assert_ptr_not_equal(moved = front_resize(block, size / 2 - 1, "test"), block);
            fast_free(moved, "test");
        }
    }
}

static void the_smallest_block_stays_for_every_size_it_fits(void **state) {
    (void)state;
    char *block = fast_malloc(1);
    for (size_t size = 1; size <= BLOCK_ALIGN; size++) {
        assert_ptr_equal(front_resize(block, size, "test"), block);
    }
    fast_free(block, "test");
}

static void null_and_zero(void **state) {
    (void)state;
    char *block = front_resize(NULL, 100, "test");
    assert_non_null(block);
    assert_null(front_resize(block, 0, "test"));
    assert_ptr_equal(fast_malloc(100), block); /* it was freed */
    assert_non_null(front_resize(NULL, 0, "test"));
}

static void growing_step_by_step_moves_no_contents_of_mappings(void **state) {
    (void)state;
    size_t size = LARGE_MAX + 1;
    char *block = fast_malloc(size);
    block[LARGE_MAX] = 9;
    for (int i = 0; i < 100; i++) {
        size_t bigger = size + ((size_t)1 << 20);
        block = front_resize(block, bigger, "test");
        assert_non_null(block);
        assert_int_equal(block[LARGE_MAX], 9);
        size = bigger;
    }
    assert_true(fake_resident_bytes() < (size_t)1 << 20);
    assert_int_equal(load_relaxed(&page_counters.direct_count), 1);
}

/* A block that outgrew its place several times is copied no more once it is a mapping of its own. */
static void growing_step_by_step_from_little_is_copied_for_a_while_only(void **state) {
    (void)state;
    size_t size = (size_t)64 << 10;
    char *block = fast_malloc(size);
    char *wall = NULL;
    while (size < (size_t)16 << 20) {
        wall = fast_malloc(40000); /* somebody else allocates meanwhile */
        size += (size_t)64 << 10;
        block = front_resize(block, size, "test");
        assert_non_null(block);
        block[size - 1] = 1;
    }
    assert_int_equal(load_relaxed(&page_counters.direct_count), 1);
    for (size_t at = ((size_t)128 << 10) - 1; at < size; at += (size_t)64 << 10) {
        assert_int_equal(block[at], 1);
    }
    assert_non_null(wall);
}

static void failures_leave_the_block_alone(void **state) {
    (void)state;
    static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX, (size_t)1 << 50};
    for (size_t from = 0; from < COUNT(sizes); from++) {
        unsigned char *block = fast_malloc(sizes[from]);
        memset(block, 0x33, sizes[from]);
        for (size_t i = 0; i < COUNT(impossible); i++) {
            errno = 0;
            assert_null(front_resize(block, impossible[i], "test"));
            assert_int_equal(errno, ENOMEM);
            assert_true(unit_all(block, sizes[from], 0x33));
        }
        fake_fail_from(FAKE_MAP, 1);
        fake_fail_from(FAKE_REMAP, 1);
        errno = 0;
        assert_null(front_resize(block, (size_t)64 << 20, "test"));
        assert_int_equal(errno, ENOMEM);
        assert_true(unit_all(block, sizes[from], 0x33));
        fake_fail_never();
        fast_free(block, "test");
    }
    assert_string_equal(fake_output(), "");
}

/* Growing in small steps moves a block a number of times that grows with the logarithm of its size; one step takes no more than it needs.
 */
static void growing_in_small_steps_copies_little(void **state) {
    (void)state;
    char *block = fast_malloc(64);
    unsigned moves = 0;
    for (size_t size = 65; size <= SMALL_MAX; size++) {
        char *grown = front_resize(block, size, "test");
        moves += grown != block;
        assert_true(front_usable_size_or_0(grown) <= (size < 256 ? size + 80 : size + size * 9 / 20));
        block = grown;
    }
    assert_in_range(moves, 20, 28); /* 2^9 in steps of at least a quarter; the classes alone would make it 57 */
    fast_free(block, "test");
}

/* With no memory for a quarter more, what malloc of the size would give is good enough. */
static void growing_by_little_needs_no_more_than_that(void **state) {
    (void)state;
    char *block = fast_malloc(100);
    memset(block, 4, 100);
    char *other = fast_malloc(120);
    fake_fail_from(FAKE_MAP, 1);
    while (fast_malloc(140)) {
    }
    while (fast_malloc(120)) {
    }
    fast_free(other, "test");
    errno = 5;
    char *grown = front_resize(block, 120, "test");
    assert_ptr_equal(grown, other);
    assert_int_equal(errno, 5);
    assert_true(unit_all(grown, 100, 4));
}

/* Without memory for a smaller block, the old one is kept: no error, errno included. */
static void shrinking_never_fails(void **state) {
    (void)state;
    assert_false(front_resize_kept_large());
    char *block = fast_malloc(30000);
    memset(block, 4, 30000);
    fake_fail_from(FAKE_MAP, 1);
    while (fast_malloc(16000)) {
    }
    while (fast_malloc(100)) {
    }
    errno = 5;
    char *same = front_resize(block, 100, "test");
    assert_ptr_equal(same, block);
    assert_int_equal(errno, 5);
    assert_true(unit_all(block, 100, 4));
    assert_true(front_resize_kept_large());
}

static void wrong_addresses(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    char *block = fast_malloc(100);
    errno = 0;
    assert_null(front_resize(block + 8, 200, "name"));
    assert_int_equal(errno, ENOMEM);
    assert_non_null(strstr(fake_output(), "collam: name(0x"));
    assert_non_null(strstr(fake_output(), ", 200): pointer into the middle of a 112-byte block at 0x"));
    fake_output_clear();
    fast_free(block, "test");
    assert_null(front_resize(block, 0, "name"));
    assert_non_null(strstr(fake_output(), "double free of a 112-byte block; ignored\n"));
    fake_output_clear();
    assert_null(front_resize(block, 50, "name"));
    assert_non_null(strstr(fake_output(), ", 50): double free of a 112-byte block; ignored\n"));
    fake_output_clear();
    assert_null(front_resize(&block, 50, "name"));
    assert_non_null(strstr(fake_output(), "not a block of collam"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(contents_survive_every_step),
    cmocka_unit_test(a_block_stays_while_half_of_it_is_used),
    cmocka_unit_test(the_smallest_block_stays_for_every_size_it_fits),
    cmocka_unit_test(null_and_zero),
    cmocka_unit_test(growing_step_by_step_moves_no_contents_of_mappings),
    cmocka_unit_test(growing_step_by_step_from_little_is_copied_for_a_while_only),
    cmocka_unit_test(failures_leave_the_block_alone),
    cmocka_unit_test(growing_in_small_steps_copies_little),
    cmocka_unit_test(growing_by_little_needs_no_more_than_that),
    cmocka_unit_test(a_smaller_block_gets_what_it_holds),
    cmocka_unit_test(shrinking_never_fails),
    cmocka_unit_test(wrong_addresses),
};
UNIT_MAIN(tests)
