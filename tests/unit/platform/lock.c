/*
 * Purpose: tests of platform/lock.c: states of the word with one thread and with many, waiting, ranks, fork.
 */
#include "platform/lock.h"
#include "unit.h"

#include <pthread.h>
#include <unistd.h>

enum { FREE = 0, HELD = 1, WAITED = 2 };

static struct lock lock;
static int let_go_after;

static uint32_t word(void) {
    return load_relaxed(&lock.word);
}

static void taking_and_giving(enum fake_threads threads) {
    fake_threads(threads);
    lock_take(&lock, LOCK_BIN);
    assert_int_equal(word(), HELD);
    lock_give(&lock, LOCK_BIN);
    assert_int_equal(word(), FREE);
    assert_true(lock_try(&lock, LOCK_BIN));
    assert_int_equal(word(), HELD);
    lock_give(&lock, LOCK_BIN);
    store_relaxed(&lock.word, HELD); /* somebody else */
    assert_false(lock_try(&lock, LOCK_BIN));
    assert_int_equal(word(), HELD);
    store_relaxed(&lock.word, FREE);
    assert_int_equal(fake_calls(FAKE_WAIT) + fake_calls(FAKE_WAKE) + fake_calls(FAKE_PAUSE), 0);
}

static void with_one_thread(void **state) {
    (void)state;
    taking_and_giving(FAKE_THREADS_ONE);
}

static void with_many_threads(void **state) {
    (void)state;
    taking_and_giving(FAKE_THREADS_MANY);
}

static void holder_lets_go(void) {
    if (--let_go_after == 0) {
        store_release(&lock.word, FREE);
    }
}

static void spins_before_it_sleeps(void **state) {
    (void)state;
    fake_threads(FAKE_THREADS_MANY);
    store_relaxed(&lock.word, HELD);
    let_go_after = 5;
    fake_on_call(FAKE_PAUSE, holder_lets_go);
    lock_take(&lock, LOCK_BIN);
    assert_int_equal(fake_calls(FAKE_PAUSE), 5);
    assert_int_equal(fake_calls(FAKE_WAIT), 0);
    assert_int_equal(word(), HELD);
    lock_give(&lock, LOCK_BIN);
    assert_int_equal(fake_calls(FAKE_WAKE), 0);
}

static void sleeps_and_wakes_the_next(void **state) {
    (void)state;
    fake_threads(FAKE_THREADS_MANY);
    store_relaxed(&lock.word, HELD);
    let_go_after = 3; /* the first two sleeps end early, as futexes may */
    fake_fail_from(FAKE_WAIT, 1);
    fake_on_call(FAKE_WAIT, holder_lets_go);
    lock_take(&lock, LOCK_BIN);
    assert_int_equal(fake_calls(FAKE_WAIT), 3);
    assert_int_equal(word(), WAITED); /* others may still sleep */
    lock_give(&lock, LOCK_BIN);
    assert_int_equal(word(), FREE);
    assert_int_equal(fake_calls(FAKE_WAKE), 1);
    lock_take(&lock, LOCK_BIN);
    lock_give(&lock, LOCK_BIN);
    assert_int_equal(fake_calls(FAKE_WAKE), 1);
}

static size_t shared;

static void *add(void *context) {
    (void)context;
    for (int i = 0; i < 20000; i++) {
        lock_take(&lock, LOCK_BIN);
        size_t n = shared;
        shared = n + 1;
        lock_give(&lock, LOCK_BIN);
    }
    return NULL;
}

static void excludes_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(shared, 20000 * COUNT(threads));
    assert_int_equal(word(), FREE);
}

static void take_in_falling_order(void *context) {
    struct lock inner = {FREE};
    (void)context;
    lock_take(&inner, LOCK_META);
    lock_take(&lock, LOCK_BIN);
}

static void take_two_of_one_rank(void *context) {
    struct lock other = {FREE};
    (void)context;
    lock_take(&other, LOCK_BIN);
    lock_take(&lock, LOCK_BIN);
}

static void give_what_is_not_held(void *context) {
    (void)context;
    lock_give(&lock, LOCK_DIRECT);
}

static void rising(void *context) {
    static struct lock locks[LOCK_QUARANTINE + 1];
    (void)context;
    for (unsigned rank = LOCK_HEAPS; rank <= LOCK_QUARANTINE; rank++) {
        lock_take(&locks[rank], (enum lock_rank)rank);
    }
    /* Given in any order. */
    for (unsigned rank = LOCK_HEAPS; rank <= LOCK_QUARANTINE; rank++) {
        lock_give(&locks[rank], (enum lock_rank)rank);
    }
}

static void debug_builds_check_ranks(void **state) {
    (void)state;
    assert_null(unit_death(rising, NULL));
    if (!debug_checks) {
        assert_null(unit_death(take_in_falling_order, NULL));
        return;
    }
    const char *text = unit_death(take_in_falling_order, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "internal check failed: lock_may_wait("));
}

static void debug_builds_check_equal_ranks(void **state) {
    (void)state;
    assert_int_equal(unit_death(take_two_of_one_rank, NULL) != NULL, debug_checks);
}

static void debug_builds_check_who_gives(void **state) {
    (void)state;
    assert_int_equal(unit_death(give_what_is_not_held, NULL) != NULL, debug_checks);
}

static void take_twice(void *context) {
    (void)context;
    lock_take(&lock, LOCK_BIN);
    alarm(10);
    lock_take(&lock, LOCK_BIN);
}

static void wait_below_what_is_held(void *context) {
    static struct lock inner;
    (void)context;
    lock_take(&inner, LOCK_META);
    store_relaxed(&lock.word, HELD); /* by a thread that may wait for the other one */
    alarm(10);
    lock_take(&lock, LOCK_BIN);
}

static void wait_below_the_highest(void *context) {
    static struct lock inner;
    (void)context;
    lock_take(&inner, LOCK_QUARANTINE);
    store_relaxed(&lock.word, HELD); /* by a thread that may wait for the other one */
    alarm(10);
    lock_take(&lock, LOCK_GUARDED);
}

/* What a signal handler that allocates would do: in every build it ends with a line, and does not wait. */
static void nobody_waits_for_himself(void **state) {
    (void)state;
    fake_threads(FAKE_THREADS_MANY);
    const char *text = unit_death(take_twice, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "internal check failed: lock_may_wait("));
    assert_int_equal(fake_calls(FAKE_WAIT), 0);
}

static void nobody_waits_in_falling_order(void **state) {
    (void)state;
    fake_threads(FAKE_THREADS_MANY);
    assert_non_null(unit_death(wait_below_what_is_held, NULL));
    assert_non_null(unit_death(wait_below_the_highest, NULL));
    assert_int_equal(fake_calls(FAKE_WAIT), 0);
}

static void the_thread_that_forks_passes_its_own_locks(void **state) {
    (void)state;
    for (enum fake_threads threads = FAKE_THREADS_ONE; threads <= FAKE_THREADS_MANY; threads++) {
        fake_threads(threads);
        lock_fork_take(&lock);
        assert_int_equal(word(), HELD);
        lock_fork_begin();
        lock_take(&lock, LOCK_BIN); /* would wait for ever */
        lock_give(&lock, LOCK_BIN);
        assert_int_equal(word(), HELD);
        assert_true(lock_try(&lock, LOCK_BIN));
        lock_give(&lock, LOCK_BIN);
        assert_int_equal(word(), HELD);
        lock_fork_end();
        lock_fork_give(&lock);
        assert_int_equal(word(), FREE);
        lock_take(&lock, LOCK_BIN);
        lock_give(&lock, LOCK_BIN);
    }
}

static void fork_waits_and_wakes(void **state) {
    (void)state;
    fake_threads(FAKE_THREADS_MANY);
    store_relaxed(&lock.word, HELD);
    let_go_after = 1;
    fake_fail_from(FAKE_WAIT, 1);
    fake_on_call(FAKE_WAIT, holder_lets_go);
    lock_fork_take(&lock);
    assert_int_equal(word(), WAITED);
    lock_fork_give(&lock);
    assert_int_equal(word(), FREE);
    assert_int_equal(fake_calls(FAKE_WAKE), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(with_one_thread),
    cmocka_unit_test(with_many_threads),
    cmocka_unit_test(spins_before_it_sleeps),
    cmocka_unit_test(sleeps_and_wakes_the_next),
    cmocka_unit_test(excludes_threads),
    cmocka_unit_test(debug_builds_check_ranks),
    cmocka_unit_test(debug_builds_check_equal_ranks),
    cmocka_unit_test(debug_builds_check_who_gives),
    cmocka_unit_test(nobody_waits_for_himself),
    cmocka_unit_test(nobody_waits_in_falling_order),
    cmocka_unit_test(the_thread_that_forks_passes_its_own_locks),
    cmocka_unit_test(fork_waits_and_wakes),
};
UNIT_MAIN(tests)
