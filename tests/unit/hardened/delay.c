/*
 * Purpose: tests of heap/delay.c: how long a freed block waits, and that nothing that waits is lost.
 */
#include "heap/delay.h"
#include "collam/collam.h"
#include "heap/misuse.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <pthread.h>

static const size_t sizes[] = {1, 40, 500, 600, 2000, 5000, 20000, 32000};

static void a_block_comes_back_after_others_of_its_class(void **state) {
    (void)state;
    enum { OTHERS = 3 * DELAY_SLOTS };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *others[OTHERS];
        for (size_t n = 0; n < OTHERS; n++) {
            others[n] = collam_malloc(sizes[i]);
        }
        unsigned depth = delay_depth(size_class_for(sizes[i], 16));
        assert_in_range(depth, 1, DELAY_SLOTS);
        for (size_t round = 0; round < 200; round++) {
            char *block = others[0];
            collam_free(block);
            for (size_t n = 0; n < depth; n++) {
                char *next = collam_malloc(sizes[i]);
                assert_ptr_not_equal(next, block);
                collam_free(others[n + 1]);
                others[n + 1] = next;
            }
            others[0] = collam_malloc(sizes[i]);
        }
        for (size_t n = 0; n < OTHERS; n++) {
            collam_free(others[n]);
        }
    }
    assert_string_equal(fake_output(), "");
}

static size_t live_blocks(void) {
    struct collam_stats stats;
    collam_get_stats(&stats, sizeof stats);
    return stats.live_blocks;
}

static void what_waits_counts_as_free(void **state) {
    (void)state;
    char *block[5];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = collam_malloc(100);
    }
    assert_int_equal(live_blocks(), COUNT(block));
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
    assert_int_equal(live_blocks(), 0);
    assert_true(heap_flush_all());
    assert_int_equal(live_blocks(), 0);
    assert_int_equal(heap_blocks_cached(size_class_for(100, 16)), 0);
    assert_string_equal(fake_output(), "");
}

/* Nothing else does. */
static void what_waits_is_told_when_it_is_put_back(void **state) {
    (void)state;
    char *block = collam_malloc(100);
    (void)heap_flush_all();
    assert_false(heap_flush_all());
    collam_free(block);
    assert_int_equal(heap_blocks_cached(size_class_for(100, 16)), 1);
    assert_true(heap_flush_all());
    assert_false(heap_flush_all());
}

static uintptr_t told[2];
static unsigned told_count;

static void keep(const struct misuse *misuse) {
    assert_true(told_count < COUNT(told));
    told[told_count++] = misuse->address;
}

/* Blocks that two threads freed at once, say: nobody saw it before. Each is told of. */
static void bad_blocks_that_wait_are_found_when_they_are_put_back(void **state) {
    (void)state;
    unsigned class_index = size_class_for(100, 16);
    void *block[2] = {collam_malloc(100), collam_malloc(100)};
    misuse_set_handler(keep);
    for (unsigned i = 0; i < 4; i++) {
        assert_null(delay_exchange(thread_heap, class_index, block[i / 2]));
    }
    assert_true(heap_flush_all());
    assert_int_equal(told_count, 2);
    assert_true(told[0] != told[1]);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(told[i] == (uintptr_t)block[0] || told[i] == (uintptr_t)block[1]);
    }
}

static void *come_and_go(void *unused) {
    (void)unused;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        collam_free(collam_malloc(sizes[i]));
    }
    return NULL;
}

static void a_thread_that_ends_leaves_nothing_waiting(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
        pthread_join(thread, NULL);
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            assert_int_equal(heap_blocks_cached(c), 0);
        }
    }
}

static void without_memory_for_a_ring_blocks_do_not_wait(void **state) {
    (void)state;
    char *block = collam_malloc(100);
    char *large[400]; /* until metadata needs a mapping */
    size_t count = 0;
    fake_fail_from(FAKE_MAP, 1);
    while (count < COUNT(large) && (large[count] = collam_malloc(16)) != NULL) {
        count++;
    }
    collam_free(block);
    while (count > 0) {
        collam_free(large[--count]);
    }
    fake_fail_never();
    assert_string_equal(fake_output(), "");
    assert_int_equal(live_blocks(), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_block_comes_back_after_others_of_its_class), cmocka_unit_test(what_waits_counts_as_free),
    cmocka_unit_test(what_waits_is_told_when_it_is_put_back),       cmocka_unit_test(bad_blocks_that_wait_are_found_when_they_are_put_back),
    cmocka_unit_test(a_thread_that_ends_leaves_nothing_waiting),    cmocka_unit_test(without_memory_for_a_ring_blocks_do_not_wait),
};
UNIT_MAIN(tests)
