/*
 * Purpose: tests of heap/bin.c: which slabs a bin keeps and takes from, what it leaves to others, and what goes back of it.
 */
#include "bin_blocks.h"
#include "config/options.h"
#include "pages/limit.h"
#include "pages/purge.h"

#include <limits.h>

enum { CLASS = 49, BLOCKS = 16, SIZE = 4096 };

/* A new slab, all of whose blocks are out and were written to. */
static void full_slab(void **block) {
    unsigned shard = 0;
    assert_int_equal(claim(&shard, CLASS, block, BLOCKS), BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        memset(block[i], 1, SIZE);
    }
}

static void put_from(void **block, unsigned from, unsigned to) {
    assert_int_equal(bin_put(CLASS, block + from, to - from), 0);
}

/* A slab belongs among the emptier ones as soon as the next quarter of it is free, and not before. */
static void each_quarter_makes_a_difference(void **state) {
    (void)state;
    assert_int_equal(size_classes[CLASS].blocks, BLOCKS);
    for (unsigned quarter = 1; quarter < 4; quarter++) {
        void *fuller[BLOCKS];
        void *emptier[BLOCKS];
        full_slab(fuller);
        full_slab(emptier);
        put_from(fuller, 0, quarter * BLOCKS / 4 - 1);
        put_from(emptier, 0, quarter * BLOCKS / 4); /* would be the first, if both stood in one list */
        unsigned shard = 0;
        void *taken;
        assert_int_equal(claim(&shard, CLASS, &taken, 1), 1);
        assert_int_equal(unit_of(taken), unit_of(fuller[0]));
        put(CLASS, taken);
        put_from(fuller, quarter * BLOCKS / 4 - 1, BLOCKS);
        put_from(emptier, quarter * BLOCKS / 4, BLOCKS);
        bin_trim();
        assert_int_equal(used_units(), 0);
    }
}

/* However often: those that were kept and taken from again do not count for ever. */
static void a_slab_is_kept_each_time_that_it_becomes_free(void **state) {
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        unsigned shard = 0;
        void *block;
        assert_int_equal(claim(&shard, CLASS, &block, 1), 1);
        assert_false(bin_keeps_slabs());
        put(CLASS, block);
        assert_int_equal(used_units(), 1);
        assert_true(bin_keeps_slabs());
    }
    bin_trim();
    assert_false(bin_keeps_slabs());
}

enum { KEPT_BYTES = 768 << 10, FIRST_OF_MANY = 40, MANY = 20 };

/* Of each of these classes: takes as many blocks as a slab has, or fewer, and puts them back once all are taken. */
static void use_slabs(unsigned first_class, unsigned classes, unsigned most_blocks) {
    static void *block[CLASS_COUNT][4096];
    unsigned taken[CLASS_COUNT] = {0};
    for (unsigned c = first_class; c < first_class + classes; c++) {
        unsigned want = size_classes[c].blocks < most_blocks ? size_classes[c].blocks : most_blocks;
        unsigned shard = 0;
        taken[c] = claim(&shard, c, block[c], want);
        assert_int_equal(taken[c], want);
    }
    for (unsigned c = first_class; c < first_class + classes; c++) {
        assert_int_equal(bin_put(c, block[c], taken[c]), 0);
        assert_int_equal(bin_blocks_out(c), 0);
    }
}

/* A thread that lives for a few blocks of many sizes leaves them to the next one as they are. */
static void slabs_of_many_classes_are_kept_while_little_of_them_was_touched(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        use_slabs(1, CLASS_COUNT - 1, 1);
        assert_int_equal(used_units(), CLASS_COUNT - 1);
    }
    bin_trim();
    assert_int_equal(used_units(), 0);
}

/* Those that were not kept count no longer, nor do those that were. */
static void what_was_touched_of_kept_slabs_is_bounded(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        use_slabs(FIRST_OF_MANY, MANY, UINT_MAX);
        assert_int_equal(used_units(), KEPT_BYTES / UNIT_SIZE);
    }
    bin_trim();
    assert_false(bin_keeps_slabs());
}

static void what_was_backed_before_a_slab_had_it_counts(void **state) {
    (void)state;
    enum { MANY_SMALL = 10 };
    static void *block[MANY][BLOCKS];
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (unsigned i = 0; i < MANY; i++) {
        full_slab(block[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        put_from(block[i], 0, BLOCKS);
    }
    assert_int_equal(used_units(), 1); /* one of a class, also if the next came free at once */
    bin_trim();
    assert_int_equal(page_dirty_bytes(), MANY * UNIT_SIZE);
    use_slabs(FIRST_OF_MANY - MANY_SMALL, MANY, 1);
    assert_int_equal(used_units(), KEPT_BYTES / UNIT_SIZE);
}

/* What went back while it was kept or before is backed no more, until it is touched. */
static void what_went_back_does_not_count(void **state) {
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        use_slabs(FIRST_OF_MANY, KEPT_BYTES / UNIT_SIZE, UINT_MAX);
        assert_true(bin_purge());
        use_slabs(FIRST_OF_MANY, KEPT_BYTES / UNIT_SIZE, 1);
        use_slabs(FIRST_OF_MANY - MANY, MANY, 1);
        assert_int_equal(used_units(), KEPT_BYTES / UNIT_SIZE + MANY);
        bin_trim();
    }
}

static void the_number_of_kept_slabs_is_bounded(void **state) {
    (void)state;
    enum { SMALL_CLASSES = 15, SHARDS = 10, MOST = KEPT_BYTES / SLICE_SIZE / 2 };
    _Static_assert(SMALL_CLASSES * SHARDS > MOST, "more than may be kept");
    assert_true(option_set(OPTION_shards, SHARDS_MAX));
    void *block[SHARDS][SMALL_CLASSES];
    for (unsigned s = 0; s < SHARDS; s++) {
        for (unsigned c = 0; c < SMALL_CLASSES; c++) {
            unsigned shard = s;
            assert_int_equal(claim(&shard, c + 1, &block[s][c], 1), 1);
        }
    }
    for (unsigned s = 0; s < SHARDS; s++) {
        for (unsigned c = 0; c < SMALL_CLASSES; c++) {
            put(c + 1, block[s][c]);
        }
    }
    assert_int_equal(used_units(), MOST);
}

/* As much as a slab has and not more is left to a shard whose blocks share cache lines. */
static void a_kept_slab_of_small_blocks_is_left_to_its_shard(void **state) {
    (void)state;
    enum { SMALL = 4 };
    assert_true(option_set(OPTION_shards, 2));
    assert_int_equal(size_classes[SMALL].size * size_classes[SMALL].blocks, UNIT_SIZE);
    unsigned first = 0;
    unsigned second = 1;
    void *block;
    void *another;
    assert_int_equal(claim(&first, SMALL, &block, 1), 1);
    put(SMALL, block);
    assert_int_equal(claim(&second, SMALL, &another, 1), 1);
    assert_int_not_equal(unit_of(another), unit_of(block));
}

static void the_last_shard_counts(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, SHARDS_MAX));
    unsigned shard = SHARDS_MAX - 1;
    void *block[3];
    assert_int_equal(claim(&shard, CLASS, block, 3), 3);
    assert_int_equal(bin_blocks_out(CLASS), 3);
    assert_int_equal(bin_blocks_held(CLASS), BLOCKS);
}

/* Whatever else was put back by the same call. */
static void units_that_went_back_are_purged_over_the_budget(void **state) {
    (void)state;
    enum { SLABS = 2 * DIRTY_MIN / UNIT_SIZE };
    static void *block[SLABS][BLOCKS];
    static void *others[SLABS][BLOCKS];
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (unsigned s = 0; s < SLABS; s++) {
        full_slab(block[s]);
        full_slab(others[s]);
    }
    for (unsigned s = 0; s < SLABS; s++) {
        void *last = block[s][BLOCKS - 1];
        put_from(others[s], 0, 1);
        put_from(block[s], 0, BLOCKS - 1);
        void *both[] = {last, others[s][1], others[s][2], others[s][3]}; /* then it has a quarter free */
        assert_int_equal(bin_put(CLASS, both, COUNT(both)), 0);
        assert_true(page_dirty_bytes() <= DIRTY_MIN);
    }
    assert_int_equal(used_units(), SLABS);
    assert_true(fake_purged_bytes() > 0);
}

/* It is free as a whole, and so are its pages. */
static void a_kept_slab_gives_its_pages_back_when_asked(void **state) {
    (void)state;
    void *block[BLOCKS];
    full_slab(block);
    put_from(block, 0, BLOCKS);
    assert_int_equal(used_units(), 1);
    assert_true(bin_purge());
    assert_int_equal(fake_purged_bytes(), UNIT_SIZE);
    assert_int_equal(used_units(), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_quarter_makes_a_difference),
    cmocka_unit_test(a_slab_is_kept_each_time_that_it_becomes_free),
    cmocka_unit_test(slabs_of_many_classes_are_kept_while_little_of_them_was_touched),
    cmocka_unit_test(what_was_touched_of_kept_slabs_is_bounded),
    cmocka_unit_test(what_was_backed_before_a_slab_had_it_counts),
    cmocka_unit_test(what_went_back_does_not_count),
    cmocka_unit_test(the_number_of_kept_slabs_is_bounded),
    cmocka_unit_test(a_kept_slab_of_small_blocks_is_left_to_its_shard),
    cmocka_unit_test(the_last_shard_counts),
    cmocka_unit_test(units_that_went_back_are_purged_over_the_budget),
    cmocka_unit_test(a_kept_slab_gives_its_pages_back_when_asked),
};
UNIT_MAIN(tests)
