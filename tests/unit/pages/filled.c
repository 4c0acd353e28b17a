/*
 * Purpose: tests of pages/filled.c: trust comes from samples that were filled, is used up, and ends when they are not.
 */
#include "pages/filled.h"
#include "pages/counters.h"
#include "unit.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static char *fresh(size_t size) {
    char *block = platform_map(size, 4096);
    assert_non_null(block);
    return block;
}

/* Takes, fills a share of in eighths, and gives a sample. */
static void use(size_t size, unsigned eighths) {
    char *block = fresh(size);
    filled_watch((uintptr_t)block, size);
    memset(block, 1, size / 8 * eighths);
    filled_leaves((uintptr_t)block);
    assert_true(platform_unmap(block, size));
}

static void nothing_is_trusted_at_first(void **state) {
    (void)state;
    assert_false(filled_usually());
    assert_false(filled_trusts(4096));
    use(256 * KIB, 8);
    use(256 * KIB, 8);
    use(256 * KIB, 8);
    assert_false(filled_usually()); /* three are not enough */
    use(256 * KIB, 8);
    assert_true(filled_usually());
    assert_true(filled_trusts(4096));
}

static void trust_is_used_up_and_comes_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        use(256 * KIB, 8);
    }
    assert_true(filled_trusts(2 * MIB)); /* eight times the last */
    assert_false(filled_trusts(4096));
    use(256 * KIB, 8);
    assert_true(filled_trusts(MIB));
    assert_true(filled_trusts(MIB));
    assert_false(filled_trusts(4096));
}

static void trust_has_bounds(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        use(MIB, 8);
    }
    assert_false(filled_trusts(16 * MIB + 1));
    assert_true(filled_trusts(16 * MIB));
    store_relaxed(&page_counters.used_bytes, 800 * MIB);
    for (unsigned i = 0; i < 100; i++) {
        use(MIB, 8);
    }
    assert_false(filled_trusts(100 * MIB + 1));
    assert_true(filled_trusts(100 * MIB));
}

static void blocks_that_are_not_filled_end_it(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        use(MIB, 8);
    }
    assert_true(filled_trusts(MIB));
    use(MIB, 0);
    assert_false(filled_usually());
    assert_false(filled_trusts(4096));
    for (unsigned i = 0; i < 16; i++) { /* these are let pass */
        assert_false(filled_trusts(4096));
        use(MIB, 8);
    }
    assert_false(filled_usually());
    for (unsigned i = 0; i < 40; i++) {
        use(MIB, 8);
    }
    assert_true(filled_usually());
    assert_true(filled_trusts(4096));
}

/* Who was seen filling for long and stops: no sample that was not filled is good for more trust. */
static void unfilled_samples_give_no_trust(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        use(MIB, 8);
    }
    assert_true(filled_trusts(16 * MIB));
    size_t handed_out = 0;
    for (unsigned i = 0; i < 400; i++) { /* untouched blocks from now on */
        use(16 * MIB, 0);
        while (filled_trusts(2 * MIB)) {
            handed_out += 2 * MIB;
        }
    }
    assert_int_equal(handed_out, 0);
}

static void halves_are_not_enough(void **state) {
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        use(MIB, 4 + i % 2);
        assert_false(filled_usually());
    }
}

/* Who asks for trust looks at those that live, and does not hold it against them that they are not filled yet. */
static void samples_that_live_are_looked_at(void **state) {
    (void)state;
    char *block[8];
    for (unsigned i = 0; i < COUNT(block); i++) {
        block[i] = fresh(256 * KIB);
        filled_watch((uintptr_t)block[i], 256 * KIB);
    }
    assert_false(filled_trusts(4096));
    unsigned long looks = fake_calls(FAKE_RESIDENT);
    assert_int_equal(looks, 1); /* one look a call, if what it sees is not filled */
    assert_false(filled_trusts(4096));
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks);
    for (unsigned i = 0; i < COUNT(block); i++) {
        memset(block[i], 1, 256 * KIB);
    }
    for (unsigned i = 0; i < 16; i++) { /* patience: chances to watch are let pass */
        filled_watch((uintptr_t)block[0], 256 * KIB);
    }
    assert_true(filled_trusts(4096));
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks + 4);
    assert_true(filled_trusts(2 * MIB - 4096));
    assert_true(filled_trusts(4096)); /* the fifth */
    assert_int_equal(fake_calls(FAKE_RESIDENT), looks + 5);
}

/* The oldest makes room, and what it is then counts. */
static void not_many_are_watched(void **state) {
    (void)state;
    char *block[9];
    for (unsigned i = 0; i < COUNT(block); i++) {
        block[i] = fresh(MIB);
        memset(block[i], 1, i == 0 ? 0 : MIB);
        filled_watch((uintptr_t)block[i], MIB);
    }
    assert_int_equal(fake_calls(FAKE_RESIDENT), 1);
    filled_leaves((uintptr_t)block[0]); /* watched no more */
    assert_int_equal(fake_calls(FAKE_RESIDENT), 1);
    filled_leaves((uintptr_t)block[8]);
    assert_int_equal(fake_calls(FAKE_RESIDENT), 2);
}

static void small_ones_are_not_watched(void **state) {
    (void)state;
    char *block = fresh(60 * KIB);
    filled_watch((uintptr_t)block, 60 * KIB);
    filled_leaves((uintptr_t)block);
    assert_int_equal(fake_calls(FAKE_RESIDENT), 0);
}

/* A system that does not tell: never. */
static void what_is_not_told_is_not_filled(void **state) {
    (void)state;
    fake_fail_from(FAKE_RESIDENT, 1);
    for (unsigned i = 0; i < 1000; i++) {
        use(128 * KIB, 8);
    }
    assert_false(filled_usually());
    assert_false(filled_trusts(1));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_is_trusted_at_first),
    cmocka_unit_test(trust_is_used_up_and_comes_again),
    cmocka_unit_test(trust_has_bounds),
    cmocka_unit_test(blocks_that_are_not_filled_end_it),
    cmocka_unit_test(unfilled_samples_give_no_trust),
    cmocka_unit_test(halves_are_not_enough),
    cmocka_unit_test(samples_that_live_are_looked_at),
    cmocka_unit_test(not_many_are_watched),
    cmocka_unit_test(small_ones_are_not_watched),
    cmocka_unit_test(what_is_not_told_is_not_filled),
};
UNIT_MAIN(tests)
