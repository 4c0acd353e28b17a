/*
 * Purpose: tests of api/thread.c: a thread's heap is given back when the thread ends, whatever its other destructors still do.
 */
#include "api/thread.h"
#include "collam/collam.h"
#include "heap/bin.h"
#include "heap/thread_heap.h"
#include "pages/counters.h"
#include "unit.h"

#include <pthread.h>

static void run(void *(*body)(void *)) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void expect_nothing_out(void) {
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(heap_blocks_cached(c), 0);
        assert_int_equal(bin_blocks_out(c), 0);
    }
}

static void *use_memory(void *context) {
    void *block[200];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = collam_malloc(i * 100);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
    return context;
}

static void heaps_are_given_back_and_used_again(void **state) {
    (void)state;
    run(use_memory);
    expect_nothing_out();
    size_t metadata = load_relaxed(&page_counters.meta_bytes);
    for (int i = 0; i < 50; i++) {
        run(use_memory);
    }
    expect_nothing_out();
    assert_true(load_relaxed(&page_counters.meta_bytes) - metadata < 65536); /* one heap for all */
}

static pthread_key_t late_key;
static int rounds_left;

/* Runs again and again at the thread's end, and each time allocates and frees. */
static void late(void *value) {
    collam_free(value);
    if (--rounds_left > 0) {
        void *block = collam_malloc(100);
        (void)use_memory(NULL);
        assert_int_equal(pthread_setspecific(late_key, block), 0);
    }
}

static void *arm_late_destructor(void *context) {
    assert_int_equal(pthread_setspecific(late_key, collam_malloc(50)), 0);
    return use_memory(context);
}

static void destructors_may_allocate_after_the_heap_has_gone(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&late_key, late), 0);
    rounds_left = 3;
    run(arm_late_destructor);
    assert_int_equal(rounds_left, 0);
    expect_nothing_out();
}

static void *exhaust_and_use(void *context) {
    (void)context;
    fake_fail_from(FAKE_MAP, 1);
    while (collam_malloc(40000)) {
    }
    fake_fail_never();
    return NULL;
}

static void a_thread_that_ran_out_of_memory_ends_as_others_do(void **state) {
    (void)state;
    run(exhaust_and_use);
    run(use_memory);
    expect_nothing_out();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(heaps_are_given_back_and_used_again),
    cmocka_unit_test(destructors_may_allocate_after_the_heap_has_gone),
    cmocka_unit_test(a_thread_that_ran_out_of_memory_ends_as_others_do),
};
UNIT_MAIN(tests)
