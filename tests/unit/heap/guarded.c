/*
 * Purpose: tests of heap/guarded.c: where blocks stand, what is accessible, the order of reuse, what a free finds, refusals.
 */
#include "heap/guarded.h"
#include "unit.h"

#include <pthread.h>

static uintptr_t take(size_t size, size_t align) {
    uintptr_t block = (uintptr_t)guarded_take(size, align);
    assert_true(block != 0 && block % align == 0 && guarded_holds(block));
    assert_true(unit_all((void *)block, size, 0));
    assert_int_equal(guarded_size(block), size ? size : 1);
    return block;
}

static void give(uintptr_t block) {
    uintptr_t where;
    assert_int_equal(guarded_give(block, &where), GUARDED_RIGHT);
}

static void a_block_stands_at_an_end_of_its_space(void **state) {
    (void)state;
    uintptr_t right = take(4096 + 64, 16);
    assert_int_equal((right + 4096 + 64) % 4096, 0);
    assert_false(unit_accessible(right + 4096 + 64));
    assert_true(unit_accessible(right + 4096 + 63));
    uintptr_t left = take(4096 + 64, 16);
    assert_int_equal(left % 4096, 0);
    assert_false(unit_accessible(left - 1));
    assert_true(unit_accessible(left));
    assert_false(unit_accessible(left + 8192));
    give(left);
    give(right);
    assert_false(unit_accessible(left));
    assert_false(unit_accessible(right));
}

static void sizes_and_alignments(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 32767, 32768};
    for (size_t align = 16; align <= 65536; align *= 2) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            uintptr_t block[2] = {take(sizes[i], align), take(sizes[i], align)};
            memset((void *)block[0], 1, sizes[i]);
            memset((void *)block[1], 2, sizes[i]);
            assert_true(unit_all((void *)block[0], sizes[i], 1));
            give(block[0]);
            give(block[1]);
        }
    }
    assert_null(guarded_take(32769, 16));
    assert_null(guarded_take(1, 131072));
    assert_null(guarded_take(SIZE_MAX, 16));
}

static void what_is_never_guarded_is_not_held(void **state) {
    (void)state;
    int local;
    const uintptr_t others[] = {0, 8, 4096, (uintptr_t)&local, UINTPTR_MAX, 0x4141414141414140, 0xffff800000001000};
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_false(guarded_holds(others[i]));
    }
    assert_int_equal(fake_calls(FAKE_MAP), 0);
    (void)take(1, 16);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_false(guarded_holds(others[i]));
    }
}

static void the_slot_freed_longest_ago_is_next(void **state) {
    (void)state;
    uintptr_t block[GUARDED_SLOTS];
    for (size_t i = 0; i < GUARDED_SLOTS; i++) {
        block[i] = take(64, 16);
    }
    assert_null(guarded_take(64, 16));
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), GUARDED_SLOTS);
    assert_int_equal(bytes, GUARDED_SLOTS * 64);
    give(block[7]);
    give(block[3]);
    give(block[20]);
    assert_int_equal(take(64, 16) / GUARDED_SPACE, block[7] / GUARDED_SPACE);
    assert_int_equal(take(64, 16) / GUARDED_SPACE, block[3] / GUARDED_SPACE);
    assert_int_equal(take(64, 16) / GUARDED_SPACE, block[20] / GUARDED_SPACE);
}

#ifndef COLLAM_TESTS_EMULATED /* where the system does not tell what is resident */
static void memory_goes_back_at_once(void **state) {
    (void)state;
    give(take(100, 16));
    size_t before = fake_resident_bytes();
    uintptr_t block = take(32768, 16);
    memset((void *)block, 1, 32768);
    give(block);
    assert_true(fake_resident_bytes() <= before + 4096); /* the record */
    for (int i = 0; i < 1000; i++) {
        give(take((size_t)i * 37 % 32768, 16));
    }
    assert_true(fake_resident_bytes() <= GUARDED_SLOTS * 2 * 4096); /* a page and a record each */
}
#endif

static void a_free_finds_what_was_written_around_the_block(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        uintptr_t where = 0;
        uintptr_t block = take(50, 16);
        ((char *)block)[50] = 0;
        assert_int_equal(guarded_give(block, &where), GUARDED_OVERRUN);
        assert_int_equal(where, block + 50);
        assert_int_equal(guarded_give(block, &where), GUARDED_NOT_LIVE); /* given all the same */
    }
    uintptr_t where = 0;
    uintptr_t right = take(64, 16);
    ((char *)right)[-8] = 0;
    assert_int_equal(guarded_give(right, &where), GUARDED_UNDERRUN);
    assert_int_equal(where, right - 8);
}

static void only_live_blocks_can_be_given(void **state) {
    (void)state;
    uintptr_t where;
    uintptr_t block = take(64, 16);
    const uintptr_t wrong[] = {block + 16,
                               block - 64,
                               block + 64,
                               block + GUARDED_PITCH,
                               load_relaxed(&guarded_base),
                               load_relaxed(&guarded_base) + GUARDED_POOL - 1};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_true(guarded_holds(wrong[i]));
        assert_int_equal(guarded_give(wrong[i], &where), GUARDED_NOT_LIVE);
        assert_int_equal(guarded_size(wrong[i]), 0);
    }
    give(block);
    assert_int_equal(guarded_give(block, &where), GUARDED_NOT_LIVE);
    assert_int_equal(guarded_size(block), 0);
}

static void a_look_finds_the_nearest_slot(void **state) {
    (void)state;
    bool locked;
    uintptr_t right = take(64, 16);
    uintptr_t left = take(64, 16);
    static const intptr_t distances[] = {-30000, -1, 0, 63, 64, 30000};
    for (size_t i = 0; i < COUNT(distances); i++) {
        const struct guarded_slot *slot = guarded_look(right + (uintptr_t)distances[i], &locked);
        assert_true(locked && slot != NULL && slot->block == right && slot->state == GUARDED_LIVE);
        guarded_end_look(locked);
        slot = guarded_look(left + (uintptr_t)distances[i], &locked);
        assert_true(locked && slot != NULL && slot->block == left);
        guarded_end_look(locked);
    }
    assert_null(guarded_look(left + GUARDED_PITCH, &locked)); /* not used yet */
    guarded_end_look(locked);
    assert_null(guarded_look(load_relaxed(&guarded_base), &locked));
    guarded_end_look(locked);
    give(left);
    const struct guarded_slot *slot = guarded_look(left, &locked);
    assert_true(slot != NULL && slot->state == GUARDED_FREED && slot->freed.count > 0 && slot->allocated.count > 0);
    /* Somebody who never goes on holds the lock: the look goes on without it. */
    bool again;
    assert_non_null(guarded_look(left, &again));
    assert_false(again);
    guarded_end_look(again);
    guarded_end_look(locked);
}

static void an_opened_page_can_be_used(void **state) {
    (void)state;
    uintptr_t block = take(64, 16);
    assert_false(unit_accessible(block + 64));
    assert_true(guarded_open(block + 64));
    assert_true(unit_accessible(block + 64 + 4095));
}

static void a_refused_pool_is_not_asked_for_again(void **state) {
    (void)state;
    fake_fail_nth(FAKE_PROTECT, 1);
    assert_null(guarded_take(64, 16));
    assert_int_equal(fake_mapped_bytes(), 0);
    assert_null(guarded_take(64, 16));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
}

static void refusals_lose_nothing(void **state) {
    (void)state;
    uintptr_t first = take(64, 16);
    fake_fail_nth(FAKE_PROTECT, 1);
    assert_null(guarded_take(64, 16));
    fake_fail_never();
    uintptr_t second = take(64, 16);
    memset((void *)second, 9, 64);
    fake_fail_from(FAKE_PURGE, 1);
    fake_fail_from(FAKE_PROTECT, 1);
    give(second);
    assert_int_equal(guarded_size(second), 0);
    fake_fail_never();
    for (int i = 0; i < 2 * GUARDED_SLOTS; i++) { /* every slot again, the one that stayed open included: zeros */
        give(take(64, 16));
    }
    give(first);
}

static void larger_pages(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    uintptr_t right = take(100, 16);
    assert_int_equal(right % 65536, 65536 - 112);
    uintptr_t left = take(100, 16);
    assert_int_equal(left % 65536, 0);
    give(right);
    give(left);
}

static void *churn(void *context) {
    uint64_t seed = (uintptr_t)context;
    for (int i = 0; i < 3000; i++) {
        size_t size = unit_random(&seed) % 9000;
        unsigned char *block = guarded_take(size, 16);
        if (block) {
            assert_true(unit_all(block, size, 0));
            memset(block, (int)(uintptr_t)context, size);
            give((uintptr_t)block);
        }
    }
    return NULL;
}

static void threads_share_the_pool(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), 0);
    assert_int_equal(bytes, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_block_stands_at_an_end_of_its_space),
    cmocka_unit_test(sizes_and_alignments),
    cmocka_unit_test(what_is_never_guarded_is_not_held),
    cmocka_unit_test(the_slot_freed_longest_ago_is_next),
#ifndef COLLAM_TESTS_EMULATED
    cmocka_unit_test(memory_goes_back_at_once),
#endif
    cmocka_unit_test(a_free_finds_what_was_written_around_the_block),
    cmocka_unit_test(only_live_blocks_can_be_given),
    cmocka_unit_test(a_look_finds_the_nearest_slot),
    cmocka_unit_test(an_opened_page_can_be_used),
    cmocka_unit_test(a_refused_pool_is_not_asked_for_again),
    cmocka_unit_test(refusals_lose_nothing),
    cmocka_unit_test(larger_pages),
    cmocka_unit_test(threads_share_the_pool),
};
UNIT_MAIN(tests)
