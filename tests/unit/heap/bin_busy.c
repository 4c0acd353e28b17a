/*
 * Purpose: tests of heap/bin.c: what a thread does that finds a bin's lock taken, and what may have changed when it has it.
 */
#include "bin_blocks.h"
#include "config/options.h"

#include <pthread.h>
#include <semaphore.h>

enum { CLASS = 49, OTHER_CLASS = 51 /* its first block begins where one of the former does */, BLOCKS = 16, SIZE = 4096 };

static void *other;
static unsigned other_shard;

static void *claims_too(void *unused) {
    (void)claim(&other_shard, CLASS, &other, 1);
    return unused;
}

/* While a chunk is mapped, under the lock of the bin that asked for it. */
static void another_thread_claims(void) {
    pthread_t thread;
    fake_on_call(FAKE_WAIT, abort); /* it would wait for ever */
    assert_int_equal(pthread_create(&thread, NULL, claims_too, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fake_on_call(FAKE_WAIT, NULL);
    fake_on_call(FAKE_MAP, NULL);
}

static void who_finds_a_bin_busy_goes_to_the_next_shard(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 2));
    unsigned first = 0;
    unsigned second = 1;
    void *block[BLOCKS];
    assert_int_equal(claim(&second, CLASS, block, BLOCKS - 2), BLOCKS - 2); /* the first does not ask for what is left */
    for (unsigned units = 1; units < CHUNK_UNITS; units++) {
        assert_int_equal(claim(&first, 63, block, 2), 2);
    }
    fake_on_call(FAKE_MAP, another_thread_claims);
    assert_int_equal(claim(&first, CLASS, block, 1), 1);
    assert_int_equal(slab_shard(slab_of((uintptr_t)block[0])), 0);
    assert_non_null(other);
    assert_int_equal(slab_shard(slab_of((uintptr_t)other)), 1);
    assert_int_equal(first, 0);
    assert_int_equal(other_shard, 1);
}

static sem_t waits;
static sem_t may_go_on;
static void *freed_twice;
static unsigned bad;

static void waits_for_the_lock(void) {
    sem_post(&waits);
    sem_wait(&may_go_on);
}

static void *puts_back(void *unused) {
    bad = bin_put(CLASS, &freed_twice, 1);
    return unused;
}

static pthread_t putting;

/* While pages of the slab go back, under the lock of its bin. */
static void another_thread_puts(void) {
    fake_on_call(FAKE_WAIT, waits_for_the_lock);
    assert_int_equal(pthread_create(&putting, NULL, puts_back, NULL), 0);
    sem_wait(&waits);
}

/* The block's slab has gone to another class when the thread that waited has the lock: its block is another's by now. */
static void who_waited_for_a_bin_looks_again_whose_slab_it_is(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block[BLOCKS];
    assert_int_equal(claim(&shard, CLASS, block, BLOCKS), BLOCKS);
    memset(block[1], 1, SIZE);
    assert_int_equal(bin_put(CLASS, block + 1, BLOCKS - 1), 0);
    freed_twice = block[0];
    assert_int_equal(sem_init(&waits, 0, 0), 0);
    assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
    fake_on_call(FAKE_PURGE, another_thread_puts);
    assert_true(bin_purge());
    fake_on_call(FAKE_PURGE, NULL);
    put(CLASS, block[0]);
    bin_trim();
    assert_int_equal(bin_blocks_held(CLASS), 0);
    void *others;
    assert_int_equal(claim(&shard, OTHER_CLASS, &others, 1), 1);
    assert_ptr_equal(others, freed_twice);
    sem_post(&may_go_on);
    assert_int_equal(pthread_join(putting, NULL), 0);
    assert_int_equal(bad, 1);
    assert_int_equal(slab_of((uintptr_t)others)->free, size_classes[OTHER_CLASS].blocks - 1);
    assert_int_equal(bin_blocks_out(OTHER_CLASS), 1);
    assert_int_equal(bin_blocks_out(CLASS), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_finds_a_bin_busy_goes_to_the_next_shard),
    cmocka_unit_test(who_waited_for_a_bin_looks_again_whose_slab_it_is),
};
UNIT_MAIN(tests)
