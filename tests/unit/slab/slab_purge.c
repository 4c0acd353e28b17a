/*
 * Purpose: tests of slab_purge_at_rest in slab/slab.c: only pages without a block that is out go back, when it pays, and are known to be
 * gone.
 */
#include "config/options.h"
#include "pages/counters.h"
#include "pages/purge.h"
#include "slab_blocks.h"

enum { CLASS = 4, SIZE = 64, IN_PAGE = 4096 / SIZE, BLOCKS = UNIT_SIZE / SIZE };

static size_t clean_bytes(void) {
    return load_relaxed(&page_counters.slab_clean_bytes);
}

static size_t claim(struct slab *slab, void **out, unsigned want) {
    static void *magazine[4096];
    unsigned got = slab_claim(slab, &magazine[COUNT(magazine)], want);
    for (unsigned i = 0; i < got; i++) {
        out[i] = magazine[COUNT(magazine) - 1 - i];
    }
    return got;
}

static void put(struct slab *slab, void *block) {
    assert_true(slab_put_one(slab, (uintptr_t)block));
}

/* All blocks were written to; of those in a page, only the first of every fourth page is out. */
static struct slab *sparse_slab(void **block) {
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(claim(slab, block, BLOCKS), BLOCKS);
    memset(slab_base(slab), 7, UNIT_SIZE);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i % (4 * IN_PAGE)) {
            put(slab, block[i]);
        }
    }
    return slab;
}

static void free_pages_go_when_the_slab_has_come_to_rest(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    assert_int_equal(slab_purge_at_rest(slab), 0); /* it may be draining */
    assert_int_equal(slab_purge_at_rest(slab), 12 * 4096);
    assert_int_equal(clean_bytes(), 12 * 4096);
    assert_int_equal(fake_calls(FAKE_PURGE), 4);
    assert_int_equal(load_relaxed(&page_counters.purge_calls), 4);
    assert_int_equal(slab_purge_at_rest(slab), 0);
    for (unsigned i = 0; i < BLOCKS; i += 4 * IN_PAGE) {
        assert_true(unit_all(block[i], SIZE, 7));
        assert_true(unit_all((char *)block[i] + 4096, 3 * 4096, 0));
    }
    for (unsigned i = 0; i < BLOCKS; i += 4 * IN_PAGE) {
        put(slab, block[i]);
    }
    size_t dirty = load_relaxed(&page_counters.dirty_bytes);
    slab_destroy(slab);
    assert_int_equal(clean_bytes(), 0);
    assert_int_equal(load_relaxed(&page_counters.dirty_bytes) - dirty, 4 * 4096);
}

static void a_slab_that_drains_is_left_alone(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(claim(slab, block, BLOCKS), BLOCKS);
    for (unsigned out = BLOCKS; out > 8; out = out / 2 - 1) {
        for (unsigned i = out / 2 - 1; i < out; i++) {
            put(slab, block[i]);
        }
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    assert_int_not_equal(slab_purge_at_rest(slab), 0); /* it has come to rest */
}

/* The unit was used before, all of it: what the slab has not come to yet is backed all the same. */
static void what_was_backed_before_the_slab_goes_too(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(claim(slab, block, BLOCKS), BLOCKS);
    memset(slab_base(slab), 7, UNIT_SIZE);
    for (unsigned i = 0; i < BLOCKS; i++) {
        put(slab, block[i]);
    }
    slab_destroy(slab);
    assert_ptr_equal(slab_create(CLASS, 0), slab);
    assert_int_equal(claim(slab, block, 1), 1);
    assert_int_equal(slab_purge(slab), UNIT_SIZE - 4096);
    assert_true(unit_all(slab_base(slab) + 4096, UNIT_SIZE - 4096, 0));
    assert_int_equal(clean_bytes(), UNIT_SIZE - 4096);
    assert_int_equal(slab_purge(slab), 0);
    assert_int_equal(claim(slab, block + 1, IN_PAGE), IN_PAGE); /* a block of the second page */
    assert_int_equal(clean_bytes(), UNIT_SIZE - 2 * 4096);
    for (unsigned i = 0; i <= IN_PAGE; i++) {
        put(slab, block[i]);
    }
    slab_destroy(slab);
    assert_int_equal(clean_bytes(), 0);
    assert_int_equal(load_relaxed(&page_counters.dirty_bytes), 2 * 4096);
}

/* The same for what goes by itself: a slab that has touched a page and rests there would keep all that was left to it. */
static void what_was_backed_before_the_slab_goes_at_rest_too(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    for (unsigned i = 0; i < BLOCKS; i += 4 * IN_PAGE) {
        put(slab, block[i]);
    }
    slab_destroy(slab);
    assert_ptr_equal(slab_create(CLASS, 0), slab);
    assert_int_equal(claim(slab, block, 1), 1);
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(slab_purge_at_rest(slab), UNIT_SIZE - 4096);
    assert_int_equal(clean_bytes(), UNIT_SIZE - 4096);
}

static void what_is_claimed_again_is_no_longer_clean(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    (void)slab_purge_at_rest(slab);
    assert_int_equal(slab_purge_at_rest(slab), 12 * 4096);
    size_t taken = load_relaxed(&page_counters.clean_taken_bytes);
    enum { MORE = 2 * (IN_PAGE - 1) + 6 * IN_PAGE }; /* the rest of pages 0 and 4, which were not clean, and six more up to page 7 */
    assert_int_equal(claim(slab, block, MORE), MORE);
    assert_int_equal(load_relaxed(&page_counters.clean_taken_bytes) - taken, 6 * 4096);
    assert_int_equal(clean_bytes(), 6 * 4096);
    slab_check(slab);
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(slab_purge_at_rest(slab), 0); /* nothing is free that is not clean */
    for (unsigned i = 0; i < MORE - IN_PAGE; i++) {
        put(slab, block[i]);
    }
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(slab_purge_at_rest(slab), 0); /* five pages are not worth it */
    for (unsigned i = MORE - IN_PAGE; i < MORE; i++) {
        put(slab, block[i]);
    }
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(slab_purge_at_rest(slab), 6 * 4096);
}

/* All but the first `free` pages are full. */
static struct slab *slab_with_free_pages(void **block, unsigned free) {
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(claim(slab, block, BLOCKS), BLOCKS);
    memset(slab_base(slab), 7, UNIT_SIZE);
    for (unsigned i = 0; i < free * IN_PAGE; i++) {
        put(slab, block[i]);
    }
    return slab;
}

static void two_free_pages_go_only_from_a_slab_that_rests_for_long(void **state) {
    (void)state;
    enum { LOOKS = 4 };
    void *block[BLOCKS];
    struct slab *slab = slab_with_free_pages(block, 2);
    for (unsigned i = 0; i < LOOKS; i++) { /* the first look only learns how many are out */
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    assert_int_equal(claim(slab, block, 1), 1); /* which begins anew */
    put(slab, block[0]);
    for (unsigned i = 0; i < LOOKS; i++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    assert_int_equal(slab_purge_at_rest(slab), 2 * 4096);
    assert_int_equal(fake_calls(FAKE_PURGE), 1);
    assert_int_equal(slab_purge_at_rest(slab), 0);
}

static void one_free_page_never_goes(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = slab_with_free_pages(block, 1);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
}

static void a_slab_that_drains_begins_its_rest_anew(void **state) {
    (void)state;
    enum { LOOKS = 4 };
    void *block[BLOCKS];
    struct slab *slab = slab_with_free_pages(block, 2);
    for (unsigned i = 0; i < LOOKS; i++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    for (unsigned i = 2 * IN_PAGE; i < BLOCKS; i++) { /* more than half of them, and no page becomes free */
        if (i % IN_PAGE % 4) {
            put(slab, block[i]);
        }
    }
    for (unsigned i = 0; i < LOOKS; i++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    assert_int_equal(slab_purge_at_rest(slab), 2 * 4096);
}

static void refusals(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    (void)slab_purge_at_rest(slab);
    fake_fail_from(FAKE_PURGE, 1);
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(clean_bytes(), 0);
    assert_int_equal(slab->clean, 0);
    fake_fail_never();
    put(slab, block[0]);
    assert_int_equal(slab_purge_at_rest(slab), 13 * 4096);
}

/* One of four runs: only that one is not known to be gone. */
static void one_refusal_does_not_keep_the_others(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    fake_fail_nth(FAKE_PURGE, 2);
    assert_int_equal(slab_purge(slab), 9 * 4096);
    assert_int_equal(slab->clean, 0xee0e);
    assert_int_equal(load_relaxed(&page_counters.purge_calls), 3);
    assert_int_equal(slab_purge(slab), 3 * 4096);
    assert_int_equal(clean_bytes(), 12 * 4096);
}

static void what_went_back_is_told_to_those_who_keep_the_budget(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    purge_note_slab_took(UNIT_SIZE); /* counts twice */
    assert_int_equal(purge_budget_of_slabs(), purge_budget_now() + 2 * UNIT_SIZE);
    assert_int_equal(slab_purge(slab), 12 * 4096);
    assert_int_equal(purge_budget_of_slabs(), purge_budget_now() + 2 * UNIT_SIZE - 12 * 4096);
}

static void a_slab_that_was_claimed_from_goes_again_as_soon_as_it_rests(void **state) {
    (void)state;
    enum { MORE = 500 }; /* the rest of pages 0 and 4, and six pages that were clean */
    void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    (void)slab_purge_at_rest(slab);
    assert_int_equal(slab_purge_at_rest(slab), 12 * 4096);
    assert_int_equal(claim(slab, block, MORE), MORE);
    for (unsigned i = 1; i < MORE; i++) { /* one more is out than before */
        put(slab, block[i]);
    }
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(slab_purge_at_rest(slab), 6 * 4096);
}

static void what_has_rested_for_long_gives_two_pages_whenever_they_come_up(void **state) {
    (void)state;
    void *block[BLOCKS];
    struct slab *slab = slab_with_free_pages(block, 0);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
    }
    for (unsigned i = 0; i < 2 * IN_PAGE; i++) { /* an eighth */
        put(slab, block[i]);
    }
    assert_int_equal(slab_purge_at_rest(slab), 2 * 4096);
}

/* Though two more pages are free. */
static void not_again_before_an_eighth_has_come_back(void **state) {
    (void)state;
    enum { FREE = 8, LEFT = 20, LOOKS = 6 };
    void *block[BLOCKS];
    struct slab *slab = slab_with_free_pages(block, FREE);
    for (unsigned i = FREE * IN_PAGE; i < (FREE + 2) * IN_PAGE; i++) {
        if (i % IN_PAGE >= LEFT) {
            put(slab, block[i]);
        }
    }
    size_t purged = 0;
    for (unsigned i = 0; i < LOOKS; i++) {
        purged += slab_purge_at_rest(slab);
    }
    assert_int_equal(purged, FREE * 4096);
    unsigned out = (unsigned)BLOCKS - slab->free;
    for (unsigned i = 0; i < LEFT; i++) {
        put(slab, block[FREE * IN_PAGE + i]);
        put(slab, block[(FREE + 1) * IN_PAGE + i]);
    }
    unsigned last = (FREE + 2) * IN_PAGE;
    for (; (unsigned)BLOCKS - slab->free > out - out / 8; last++) {
        assert_int_equal(slab_purge_at_rest(slab), 0);
        put(slab, block[last]);
    }
    assert_int_equal(slab_purge_at_rest(slab), 2 * 4096);
}

/* However little of it: each block alone that begins in one page and ends in another. */
static void a_page_that_a_block_reaches_into_stays(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        void *block[UNIT_SIZE / BLOCK_ALIGN];
        struct slab *slab = slab_create(c, 0);
        unsigned size = size_classes[c].size;
        unsigned blocks = size_classes[c].blocks;
        size_t start = class_places[c].start;
        unsigned handed_out = (1u << (start + blocks * size + 4095) / 4096) - 1;
        for (unsigned index = 0; index < blocks; index++) {
            size_t first = (start + index * size) / 4096;
            size_t last = (start + index * size + size - 1) / 4096;
            if (first == last) {
                continue;
            }
            assert_int_equal(claim(slab, block, blocks), blocks);
            for (unsigned i = 0; i < blocks; i++) {
                if (block[i] != block_at(slab, index)) {
                    put(slab, block[i]);
                }
            }
            (void)slab_purge(slab);
            unsigned in_use = (2u << last) - (1u << first);
            assert_int_equal(slab->clean & handed_out, handed_out & ~in_use);
            put(slab, block_at(slab, index));
        }
        slab_destroy(slab);
        assert_int_equal(clean_bytes(), 0);
    }
}

static size_t follows_a_model(size_t page_size, unsigned class_index) {
    static unsigned char mark[4096]; /* 0: free */
    unsigned size = size_classes[class_index].size;
    unsigned blocks = size_classes[class_index].blocks;
    uint64_t seed = class_index + page_size;
    struct slab *slab = slab_create(class_index, 0);
    char *base = slab_base(slab) + class_places[class_index].start;
    size_t purged = 0;
    for (unsigned step = 0; step < 4000; step++) {
        if (step % 200 == 0) { /* the slab is nearly full now and then, and sparse most of the time */
            void *out[4096];
            size_t got = claim(slab, out, (unsigned)(unit_random(&seed) % (blocks + 1)));
            for (size_t i = 0; i < got; i++) {
                unsigned index = (unsigned)((size_t)((char *)out[i] - base) / size);
                mark[index] = (unsigned char)(1 + unit_random(&seed) % 255);
                memset(out[i], mark[index], size);
            }
        }
        for (unsigned n = 0; n < 1 + blocks / 100; n++) {
            unsigned index = (unsigned)(unit_random(&seed) % blocks);
            if (mark[index]) {
                assert_true(unit_all(base + (size_t)index * size, size, mark[index]));
                put(slab, base + (size_t)index * size);
                mark[index] = 0;
            }
        }
        size_t bytes = slab_purge_at_rest(slab);
        assert_int_equal(bytes % page_size, 0);
        purged += bytes;
        assert_int_equal(clean_bytes(), (size_t)__builtin_popcount(slab->clean) * 4096);
        slab_check(slab);
    }
    for (unsigned index = 0; index < blocks; index++) {
        if (mark[index]) {
            assert_true(unit_all(base + (size_t)index * size, size, mark[index]));
            put(slab, base + (size_t)index * size);
            mark[index] = 0;
        }
    }
    slab_destroy(slab);
    assert_int_equal(clean_bytes(), 0);
    return purged;
}

static void follow_models(size_t page_size) {
    static const unsigned classes[] = {1, 2, 3, 5, 16, 17, 24, 32, 33, 34, 41, 49, 50, 51, 55, 56, 63};
    fake_settings.page_size = page_size;
    size_t purged = 0;
    for (size_t i = 0; i < COUNT(classes); i++) {
        purged += follows_a_model(page_size, classes[i]);
    }
    assert_true(purged != 0 || page_size == UNIT_SIZE); /* a page as large as a slab is never free before the slab is */
}

static void follow_models_with_pages_of_4_kib(void **state) {
    (void)state;
    follow_models(4096);
}
static void follow_models_with_pages_of_16_kib(void **state) {
    (void)state;
    follow_models(16384);
}
static void follow_models_with_pages_of_64_kib(void **state) {
    (void)state;
    follow_models(65536);
}

/* Or the kernel would fill the holes again. */
static void its_chunk_asks_for_no_huge_page_any_more(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    static void *block[BLOCKS];
    struct slab *slab = sparse_slab(block);
    while (fake_huge_pages_at(slab_base(slab)) != 1) { /* the first chunk comes from a mapping that asks for none */
        slab = sparse_slab(block);
    }
    assert_int_equal(slab_purge_at_rest(slab), 0);
    assert_int_equal(fake_huge_pages_at(slab_base(slab)), 1);
    assert_true(slab_purge_at_rest(slab) != 0);
    assert_int_equal(fake_huge_pages_at(slab_base(slab)), -1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(free_pages_go_when_the_slab_has_come_to_rest),
    cmocka_unit_test(a_slab_that_drains_is_left_alone),
    cmocka_unit_test(what_was_backed_before_the_slab_goes_too),
    cmocka_unit_test(what_was_backed_before_the_slab_goes_at_rest_too),
    cmocka_unit_test(what_is_claimed_again_is_no_longer_clean),
    cmocka_unit_test(two_free_pages_go_only_from_a_slab_that_rests_for_long),
    cmocka_unit_test(one_free_page_never_goes),
    cmocka_unit_test(a_slab_that_drains_begins_its_rest_anew),
    cmocka_unit_test(refusals),
    cmocka_unit_test(one_refusal_does_not_keep_the_others),
    cmocka_unit_test(what_went_back_is_told_to_those_who_keep_the_budget),
    cmocka_unit_test(a_slab_that_was_claimed_from_goes_again_as_soon_as_it_rests),
    cmocka_unit_test(what_has_rested_for_long_gives_two_pages_whenever_they_come_up),
    cmocka_unit_test(not_again_before_an_eighth_has_come_back),
    cmocka_unit_test(a_page_that_a_block_reaches_into_stays),
    cmocka_unit_test(follow_models_with_pages_of_4_kib),
    cmocka_unit_test(follow_models_with_pages_of_16_kib),
    cmocka_unit_test(follow_models_with_pages_of_64_kib),
    cmocka_unit_test(its_chunk_asks_for_no_huge_page_any_more),
};
UNIT_MAIN(tests)
