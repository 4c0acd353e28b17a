/*
 * Purpose: tests of heap/thread_heap.c: what heaps without a thread keep.
 */
#include "base/bits.h"
#include "heap/magazine.h"
#include "heap_calls.h"
#include "left_heap.h"
#include "unit.h"

enum { MANY_THREADS = 40, KEPT_IDLE = 16 };
static pthread_barrier_t all_live;

/* Magazines of several pages. */
static void use_much(void) {
    for (unsigned c = 1; c <= 6; c++) {
        void *block[200];
        for (unsigned i = 0; i < COUNT(block); i++) {
            block[i] = take(c);
        }
        for (unsigned i = 0; i < COUNT(block); i++) {
            put(c, block[i]);
        }
    }
}

static void *end_and_tell_heap(void) {
    struct heap *heap = thread_heap;
    heap_end_of_thread();
    return heap;
}

static void *live_alone_and_end(void *context) {
    (void)context;
    use_much();
    return end_and_tell_heap();
}

static void *live_with_others_and_end(void *context) {
    (void)context;
    use_much();
    pthread_barrier_wait(&all_live);
    return end_and_tell_heap();
}

/* Tells their heaps. */
static void many_threads_live_at_once_and_end(void *heaps[MANY_THREADS]) {
    pthread_t thread[MANY_THREADS];
    pthread_barrier_init(&all_live, NULL, MANY_THREADS);
    for (unsigned i = 0; i < MANY_THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, live_with_others_and_end, NULL), 0);
    }
    for (unsigned i = 0; i < MANY_THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], &heaps[i]), 0);
    }
    pthread_barrier_destroy(&all_live);
}

static bool is_among(const void *heap, void *const heaps[MANY_THREADS]) {
    bool found = false;
    for (unsigned i = 0; i < MANY_THREADS; i++) {
        found |= heaps[i] == heap;
    }
    return found;
}

/* After a pool has ended there would be up to 60 KiB of each of its threads; the next pool finds those heaps as if new. */
static void heaps_without_a_thread_keep_their_pages_only_if_they_are_few(void **state) {
    (void)state;
    void *first[MANY_THREADS];
    void *next[MANY_THREADS];
    many_threads_live_at_once_and_end(first);
    size_t purged = fake_purged_bytes();
    assert_true(purged >= (size_t)(MANY_THREADS - KEPT_IDLE) * 4096);
    many_threads_live_at_once_and_end(next);
    for (unsigned i = 0; i < MANY_THREADS; i++) {
        assert_true(is_among(next[i], first));
    }
    assert_true(fake_purged_bytes() >= 2 * purged - purged / 8);
    assert_int_equal(load_relaxed(&magazines_bytes), 0); /* each began without a magazine */
    purged = fake_purged_bytes();
    assert_true(heap_purge_idle());
    assert_true(fake_purged_bytes() - purged >= (size_t)(KEPT_IDLE - 1) * 4096);
    assert_false(heap_purge_idle());
}

static pthread_barrier_t others_ended;

static void *outlive_others(void *unused) {
    (void)heap_of_thread();
    pthread_barrier_wait(&all_live);
    pthread_barrier_wait(&others_ended);
    heap_end_of_thread();
    return unused;
}

/* As many as there are threads keep their pages, if those are more than sixteen. */
static void as_many_heaps_keep_their_pages_as_have_a_thread(void **state) {
    (void)state;
    enum { LIVE_ON = KEPT_IDLE + 5, END = MANY_THREADS };
    static pthread_t thread[LIVE_ON + END];
    void *heap[LIVE_ON + END];
    (void)heap_of_thread(); /* the first, which is an exception */
    pthread_barrier_init(&all_live, NULL, LIVE_ON + END);
    pthread_barrier_init(&others_ended, NULL, LIVE_ON + 1);
    for (unsigned i = 0; i < LIVE_ON + END; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, i < LIVE_ON ? outlive_others : live_with_others_and_end, NULL), 0);
    }
    unsigned kept = 0;
    for (unsigned i = LIVE_ON; i < LIVE_ON + END; i++) {
        assert_int_equal(pthread_join(thread[i], &heap[i]), 0);
    }
    for (unsigned i = LIVE_ON; i < LIVE_ON + END; i++) {
        kept += keeps_pages(heap[i]);
    }
    assert_int_equal(kept, LIVE_ON + 1);
    pthread_barrier_wait(&others_ended);
    for (unsigned i = 0; i < LIVE_ON; i++) {
        assert_int_equal(pthread_join(thread[i], &heap[i]), 0);
    }
}

/* Threads that did not come along need no heap any more. */
static void heaps_of_threads_lost_in_a_fork_do_not_count(void **state) {
    (void)state;
    enum { LOST = KEPT_IDLE + 5, ENDED = KEPT_IDLE + 3 };
    static pthread_t thread[LOST + ENDED];
    void *heap[LOST + ENDED];
    (void)heap_of_thread();
    pthread_barrier_init(&all_live, NULL, LOST + ENDED);
    pthread_barrier_init(&others_ended, NULL, LOST + 1);
    for (unsigned i = 0; i < LOST + ENDED; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, i < LOST ? outlive_others : live_with_others_and_end, NULL), 0);
    }
    for (unsigned i = LOST; i < LOST + ENDED; i++) {
        assert_int_equal(pthread_join(thread[i], &heap[i]), 0);
        assert_true(keeps_pages(heap[i]));
    }
    heap_fork_child(); /* the test ends with these threads still waiting */
    (void)in_thread(live_alone_and_end, NULL);
    unsigned kept = 0;
    for (unsigned i = LOST; i < LOST + ENDED; i++) {
        kept += keeps_pages(heap[i]);
    }
    assert_int_equal(kept, KEPT_IDLE);
}

/* Of such pages each is two heaps'. */
static void pages_of_64_kib_stay(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    void *heaps[MANY_THREADS];
    many_threads_live_at_once_and_end(heaps);
    assert_false(heap_purge_idle());
    assert_int_equal(fake_purged_bytes(), 0);
}

/* It may lie among static data. */
static void the_first_heap_keeps_its_pages(void **state) {
    (void)state;
    pthread_barrier_init(&all_live, NULL, 1);
    void *first = in_thread(live_with_others_and_end, NULL);
    assert_false(heap_purge_idle());
    assert_int_equal(fake_calls(FAKE_PURGE), 0);
    assert_ptr_equal(in_thread(live_with_others_and_end, NULL), first);
}

static pthread_barrier_t in_turn;

static void *fill_the_arena_and_end(void *unused) {
    struct heap *heap = heap_of_thread();
    unsigned c = 1;
    while (c < CLASS_COUNT && magazine_set_capacity(heap, c, MAGAZINE_BLOCKS_MAX)) {
        c++;
    }
    assert_ptr_equal(heap->arena_next, heap->arena_end);
    pthread_barrier_wait(&in_turn); /* the next heap is made */
    pthread_barrier_wait(&in_turn);
    (void)unused;
    return end_and_tell_heap();
}

/* Its last page is not its own alone. */
static void a_full_heap_leaves_the_next_its_pages(void **state) {
    (void)state;
    pthread_t ends;
    pthread_t lives_on;
    void *result;
    (void)heap_of_thread(); /* the first heap, which keeps its pages whatever happens */
    pthread_barrier_init(&in_turn, NULL, 2);
    pthread_barrier_init(&all_live, NULL, 2);
    pthread_barrier_init(&others_ended, NULL, 2);
    assert_int_equal(pthread_create(&ends, NULL, fill_the_arena_and_end, NULL), 0);
    pthread_barrier_wait(&in_turn);
    assert_int_equal(pthread_create(&lives_on, NULL, outlive_others, NULL), 0);
    pthread_barrier_wait(&all_live);
    pthread_barrier_wait(&in_turn);
    assert_int_equal(pthread_join(ends, &result), 0);
    const struct heap *full = result;
    struct heap *next = (struct heap *)(void *)align_up((uintptr_t)full->arena_end, 64);
    assert_int_not_equal((uintptr_t)next % 4096, 0);
    assert_int_equal(load_relaxed(&next->top[0]), TOP_OF_NOTHING);
    assert_true(heap_purge_idle());
    assert_int_equal(load_relaxed(&next->top[0]), TOP_OF_NOTHING);
    pthread_barrier_wait(&others_ended);
    assert_int_equal(pthread_join(lives_on, &result), 0);
}

static void *use_much_and_outlive_others(void *unused) {
    use_much();
    return outlive_others(unused);
}

/* The one that went last had nothing to give. */
static void whether_any_page_went_is_told(void **state) {
    (void)state;
    pthread_t first;
    pthread_t second;
    void *result;
    pthread_barrier_init(&in_turn, NULL, 2);
    pthread_barrier_init(&all_live, NULL, 2);
    pthread_barrier_init(&others_ended, NULL, 2);
    assert_int_equal(pthread_create(&first, NULL, fill_the_arena_and_end, NULL), 0); /* its heap is the first, which keeps its pages */
    pthread_barrier_wait(&in_turn);
    assert_int_equal(pthread_create(&second, NULL, use_much_and_outlive_others, NULL), 0);
    pthread_barrier_wait(&all_live);
    pthread_barrier_wait(&in_turn);
    assert_int_equal(pthread_join(first, &result), 0);
    pthread_barrier_wait(&others_ended);
    assert_int_equal(pthread_join(second, &result), 0);
    assert_true(heap_purge_idle());
    assert_false(heap_purge_idle());
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(heaps_without_a_thread_keep_their_pages_only_if_they_are_few),
    cmocka_unit_test(as_many_heaps_keep_their_pages_as_have_a_thread),
    cmocka_unit_test(heaps_of_threads_lost_in_a_fork_do_not_count),
    cmocka_unit_test(pages_of_64_kib_stay),
    cmocka_unit_test(the_first_heap_keeps_its_pages),
    cmocka_unit_test(a_full_heap_leaves_the_next_its_pages),
    cmocka_unit_test(whether_any_page_went_is_told),
};
UNIT_MAIN(tests)
