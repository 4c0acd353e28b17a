/*
 * Purpose: tests of heap/bin.c: when free pages of slabs are looked for, in how many slabs, and when it is enough.
 */
#include "bin_blocks.h"
#include "config/options.h"
#include "pages/limit.h"
#include "slab_blocks.h"

#include <pthread.h>

#define MIB ((size_t)1 << 20)
enum { HALF = UNIT_SIZE / 2 };
enum { SMALL = 10, MIDDLE = 24, LARGE = 49, LARGEST = 63 }; /* classes: of 512 bytes, of 4096, of 32768 */

static void budget(size_t bytes) {
    assert_true(option_set(OPTION_dirty_min, bytes) && option_set(OPTION_dirty_shift, 63) && option_set(OPTION_swing_max, 0));
    store_relaxed(&limit_ceiling, SIZE_MAX);
}

/* New slabs, all of whose blocks are out. */
static void make_in(unsigned shard, struct slab **slabs, unsigned count, unsigned class_index) {
    static void *block[UNIT_SIZE / BLOCK_ALIGN];
    unsigned blocks = size_classes[class_index].blocks;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(claim(&shard, class_index, block, blocks), blocks);
        slabs[i] = slab_of((uintptr_t)block[0]);
    }
}

static void make(struct slab **slabs, unsigned count, unsigned class_index) {
    make_in(0, slabs, count, class_index);
}

/* So many sixteenths of each, in whole pages from its start. */
static void free_part(struct slab **slabs, unsigned count, unsigned sixteenths) {
    for (unsigned i = 0; i < count; i++) {
        unsigned class_index = slab_class(slabs[i]);
        for (unsigned n = 0; n < size_classes[class_index].blocks * sixteenths / 16; n++) {
            put(class_index, block_at(slabs[i], n));
        }
    }
}

/* All slabs are looked at, if there is reason to. */
static void exchange_much(void) {
    bin_after_exchange(64 * MIB);
}

static size_t clean_bytes(void) {
    return load_relaxed(&page_counters.slab_clean_bytes);
}

/* How many of them were looked at since the last call. */
static unsigned looked_at(struct slab **slabs, unsigned count) {
    unsigned looks = 0;
    for (unsigned i = 0; i < count; i++) {
        looks += slabs[i]->seen != 0;
        slabs[i]->seen = 0;
    }
    return looks;
}

/* Those in front of their lists, and all of them when an eighth of the heap has changed. Only slabs that are half free. */
static void new_slabs_are_an_occasion_to_look(void **state) {
    (void)state;
    enum { SLABS = 300, OTHERS = 10, EVENTS = 32, SOME = 128 };
    struct slab *slabs[SLABS];
    struct slab *others[OTHERS];
    budget(0);
    make(slabs, SLABS, LARGE);
    make(others, OTHERS, LARGE);
    free_part(slabs, SLABS, 8);
    free_part(others, OTHERS, 7);
    struct slab *new_one;
    for (unsigned i = 0; looked_at(slabs, SLABS) == 0; i++) {
        assert_true(i < EVENTS);
        make(&new_one, 1, LARGEST);
    }
    unsigned looks[4];
    for (unsigned round = 0; round < COUNT(looks); round++) {
        for (unsigned i = 1; i < EVENTS; i++) {
            make(&new_one, 1, LARGEST);
            assert_int_equal(looked_at(slabs, SLABS), 0);
        }
        make(&new_one, 1, LARGEST);
        looks[round] = looked_at(slabs, SLABS);
        assert_int_equal(looks[round], round && looks[round - 1] == SOME ? SLABS : SOME);
    }
    assert_int_equal(looked_at(others, OTHERS), 0);
}

/* Who wants the bin's lock does not wait for more. */
static void two_mib_of_a_bin_go_at_once(void **state) {
    (void)state;
    enum { SLABS = 100 };
    struct slab *slabs[SLABS];
    budget(0);
    make(slabs, SLABS, LARGE);
    free_part(slabs, SLABS, 8);
    exchange_much(); /* learns how many blocks are out */
    assert_int_equal(clean_bytes(), 0);
    exchange_much();
    assert_int_equal(clean_bytes(), 2 * MIB);
    exchange_much();
    assert_int_equal(clean_bytes(), SLABS * HALF);
}

static void what_the_budget_allows_stays(void **state) {
    (void)state;
    enum { SLABS = 90 };
    struct slab *slabs[SLABS];
    budget(MIB);
    make(slabs, SLABS, LARGE);
    free_part(slabs, SLABS, 8);
    for (unsigned i = 0; i < 10; i++) {
        exchange_much();
    }
    assert_true(SLABS * HALF - 2 * MIB < MIB);
    assert_int_equal(clean_bytes(), 2 * MIB);
}

/* Nor is a bin looked at in which less than a slab is free. */
static void other_bins_are_left_alone_when_it_is_enough(void **state) {
    (void)state;
    enum { SLABS = 90, OTHERS = 30 };
    struct slab *slabs[SLABS];
    struct slab *others[OTHERS];
    budget(2 * MIB);
    struct slab *small;
    make(&small, 1, SMALL);
    make(slabs, SLABS, MIDDLE);
    make(others, OTHERS, LARGE);
    free_part(&small, 1, 12);
    free_part(slabs, SLABS, 8);
    free_part(others, OTHERS, 8);
    exchange_much();
    exchange_much();
    assert_int_equal(clean_bytes(), 2 * MIB);
    for (unsigned i = 0; i < OTHERS; i++) {
        assert_int_equal(others[i]->clean, 0);
    }
    assert_int_equal(looked_at(slabs, SLABS), SLABS);
    assert_int_equal(looked_at(&small, 1), 0);
}

/* Though all that is free may be there. */
static void the_last_class_of_the_last_shard_is_looked_at(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 3));
    struct slab *slabs[3];
    budget(0);
    make_in(2, slabs, 3, LARGEST);
    free_part(slabs, 3, 8);
    (void)looked_at(slabs, 3);
    exchange_much();
    assert_int_equal(looked_at(slabs, 3), 3);
}

static void *exchanges(void *unused) {
    exchange_much();
    return unused;
}

/* No bin is open to other threads while one forks. */
static void a_fork_takes_every_bin(void **state) {
    (void)state;
    struct slab *slabs[3 * CLASS_COUNT];
    unsigned count = 0;
    budget(0);
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        make(slabs + count, 3, c);
        free_part(slabs + count, 3, 15);
        count += 3;
    }
    (void)looked_at(slabs, count);
    bin_fork_take();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, exchanges, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bin_fork_give();
    assert_int_equal(looked_at(slabs, count), 0);
    exchange_much();
    assert_int_equal(looked_at(slabs, count), count);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(new_slabs_are_an_occasion_to_look),
    cmocka_unit_test(two_mib_of_a_bin_go_at_once),
    cmocka_unit_test(what_the_budget_allows_stays),
    cmocka_unit_test(other_bins_are_left_alone_when_it_is_enough),
    cmocka_unit_test(the_last_class_of_the_last_shard_is_looked_at),
    cmocka_unit_test(a_fork_takes_every_bin),
};
UNIT_MAIN(tests)
