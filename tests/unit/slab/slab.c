/*
 * Purpose: tests of slab/slab.c: every class against a model of its blocks, double frees, and what a slab gives back.
 */
#include "pages/counters.h"
#include "slab_blocks.h"

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

/* Puts one block back; false when the slab finds it bad. */
static bool put(struct slab *slab, unsigned index) {
    void *block = block_at(slab, index);
    void *bad = NULL;
    unsigned bad_count = 0;
    assert_int_equal(slab_put(slab, &block, 1, &bad, &bad_count), 1);
    assert_ptr_equal(bad, bad_count ? block : NULL);
    return bad_count == 0;
}

/* By what tells the slab; the bit of a block of a marked class is not the slab's. */
static bool is_out(const struct slab *slab, unsigned index) {
    uintptr_t block = (uintptr_t)block_at(slab, index);
    bool bit = region_is_out(page_map_region(block), block);
    if (size_class_is_marked(slab_class(slab))) {
        assert_false(bit);
        return !(slab->few_free >> index & 1);
    }
    return bit;
}

/* In the order in which a magazine hands out. */
static unsigned claim(struct slab *slab, void **out, unsigned want) {
    void *magazine[4096];
    unsigned got = slab_claim(slab, &magazine[COUNT(magazine)], want);
    for (unsigned i = 0; i < got; i++) {
        out[i] = magazine[COUNT(magazine) - 1 - i];
    }
    return got;
}

/* Which block comes so many after the first of a class: from there on upwards, then those below. */
static unsigned nth_of(unsigned class_index, unsigned n) {
    unsigned blocks = size_classes[class_index].blocks;
    return (class_places[class_index].first + n) % blocks;
}

static void every_block_once_from_below(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, c % 3);
        assert_non_null(slab);
        assert_int_equal(slab->free, size_classes[c].blocks);
        assert_int_equal(slab_shard(slab), c % 3);
        assert_ptr_equal(slab_of((uintptr_t)slab_base(slab) + UNIT_SIZE - 1), slab);
        assert_int_equal(page_map_class((uintptr_t)slab_base(slab)), c);
        unsigned next = 0;
        void *out[100];
        unsigned got;
        while ((got = claim(slab, out, 1 + next % 100)) != 0) {
            for (unsigned i = 0; i < got; i++) {
                unsigned index = nth_of(c, next);
                assert_int_equal(index_in(slab, out[i]), index);
                assert_true(is_out(slab, index));
                next++;
            }
        }
        assert_int_equal(next, size_classes[c].blocks);
        assert_int_equal(slab->free, 0);
        for (unsigned i = 0; i < next; i++) {
            assert_true(put(slab, i));
        }
        slab_destroy(slab);
    }
    assert_int_equal(counter(&page_counters.used_bytes), 0);
}

/* Puts back blocks that lie one after the other, upwards or downwards, whichever of them are free already. Returns how many were not. */
static unsigned put_in_a_row(struct slab *slab, bool *is_free, unsigned from, unsigned count, bool up) {
    void *blocks[200];
    unsigned out = 0;
    for (unsigned i = 0; i < count; i++) {
        blocks[up ? i : count - 1 - i] = block_at(slab, from + i);
        out += !is_free[from + i];
    }
    unsigned bad_count = 0;
    assert_int_equal(slab_put(slab, blocks, count, blocks, &bad_count), count);
    assert_int_equal(bad_count, count - out);
    for (unsigned i = 0; i < bad_count; i++) {
        unsigned index = index_in(slab, blocks[i]);
        assert_true(index >= from && index < from + count && is_free[index]);
        is_free[index] = false; /* until all are: each is named once */
    }
    for (unsigned i = 0; i < bad_count; i++) {
        is_free[index_in(slab, blocks[i])] = true;
    }
    for (unsigned i = from; i < from + count; i++) {
        is_free[i] = true;
    }
    return out;
}

static void follows_a_model(unsigned class_index) {
    static bool is_free[4096];
    unsigned blocks = size_classes[class_index].blocks;
    uint64_t seed = class_index;
    unsigned free = blocks;
    struct slab *slab = slab_create(class_index, 0);
    memset(is_free, true, sizeof is_free);
    for (int step = 0; step < 3000; step++) {
        if (unit_random(&seed) % 2) {
            void *out[64];
            unsigned want = 1 + (unsigned)(unit_random(&seed) % 64);
            unsigned got = claim(slab, out, want);
            assert_int_equal(got, want < free ? want : free);
            unsigned n = 0;
            for (unsigned i = 0; i < got; i++) {
                while (!is_free[nth_of(class_index, n)]) {
                    n++;
                }
                assert_int_equal(index_in(slab, out[i]), nth_of(class_index, n));
                is_free[nth_of(class_index, n)] = false;
            }
            free -= got;
        } else if (unit_random(&seed) % 2) {
            unsigned from = (unsigned)(unit_random(&seed) % blocks);
            unsigned count = 1 + (unsigned)(unit_random(&seed) % 200);
            free += put_in_a_row(slab, is_free, from, count < blocks - from ? count : blocks - from, unit_random(&seed) % 2);
        } else {
            for (int n = 0; n < 40; n++) {
                unsigned index = (unsigned)(unit_random(&seed) % blocks);
                assert_int_equal(put(slab, index), !is_free[index]);
                free += !is_free[index];
                is_free[index] = true;
            }
        }
        assert_int_equal(slab->free, free);
        slab_check(slab);
        unsigned probe = (unsigned)(unit_random(&seed) % blocks);
        assert_int_equal(is_out(slab, probe), !is_free[probe]);
    }
    for (unsigned i = 0; i < blocks; i++) {
        (void)put(slab, i);
    }
    slab_destroy(slab);
}

static void follow_models(void **state) {
    (void)state;
    static const unsigned classes[] = {1, 2, 3, 5, 8, 16, 17, 24, 32, 33, 34, 41, 49, 50, 51, 55, 59, 60, 63};
    for (size_t i = 0; i < COUNT(classes); i++) {
        follows_a_model(classes[i]);
    }
}

/* A slab is made and destroyed without metadata of its own, and leaves no bit behind. */
static void leaves_nothing_behind(void **state) {
    (void)state;
    struct slab *first = slab_create(1, 0);
    bitmap_word *out = first->out;
    slab_destroy(first);
    size_t metadata = counter(&page_counters.meta_bytes);
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, 0);
        void *block;
        assert_ptr_equal(slab->out, out);
        assert_int_equal(claim(slab, &block, 1), 1);
        assert_true(put(slab, index_in(slab, block)));
        slab_destroy(slab);
        for (unsigned w = 0; w < UNIT_WORDS; w++) {
            assert_int_equal(load_relaxed(&out[w]), 0);
        }
    }
    assert_int_equal(counter(&page_counters.meta_bytes), metadata);
}

/* Gives back a slab of which the first `used` blocks had been handed out: as dirty as that. */
static void dirty_after(unsigned class_index, unsigned used, size_t dirty) {
    size_t before = counter(&page_counters.dirty_bytes);
    struct slab *slab = slab_create(class_index, 0);
    unsigned blocks = size_classes[class_index].blocks;
    void *out[4096];
    assert_int_equal(claim(slab, out, used), used < blocks ? used : blocks);
    for (unsigned i = 0; i < used; i++) {
        assert_true(put(slab, index_in(slab, out[i])));
    }
    unsigned unit = unit_of_unit_info(slab);
    struct chunk *chunk = chunk_of_unit_info(slab);
    slab_destroy(slab);
    assert_int_equal(counter(&page_counters.dirty_bytes) - before, dirty);
    /* For the next case: clean again. */
    assert_int_equal(page_map_class((uintptr_t)chunk_unit_base(chunk, unit)), 0);
    struct chunk *found;
    unsigned start;
    unsigned count;
    bool whole;
    while (chunk_take_dirty(&found, &start, &count, &whole)) {
        assert_true(platform_purge(found->base + ((size_t)start << SLICE_SHIFT), (size_t)count << SLICE_SHIFT));
        chunk_return_slices(found, start, count, true);
    }
}

/* Several at once: those of this unit up to the first of another, the bad ones moved to the front. */
static void puts_back_what_lies_in_its_unit(void **state) {
    (void)state;
    struct slab *slab = slab_create(5, 0);
    struct slab *other = slab_create(5, 0);
    void *mine[8];
    void *theirs[1];
    assert_int_equal(claim(slab, mine, 8), 8);
    assert_int_equal(claim(other, theirs, 1), 1);
    char *inside = (char *)mine[3] + 16;
    char *never = block_at(slab, 10);
    char *tail = block_at(slab, size_classes[5].blocks);
    void *blocks[] = {mine[2], inside, mine[0], mine[2], never, tail, mine[7], theirs[0], mine[1]};
    unsigned bad_count = 0;
    assert_int_equal(slab_put(slab, blocks, COUNT(blocks), blocks, &bad_count), 7);
    assert_int_equal(bad_count, 4);
    assert_ptr_equal(blocks[0], inside);
    assert_ptr_equal(blocks[1], mine[2]);
    assert_ptr_equal(blocks[2], never);
    assert_ptr_equal(blocks[3], tail);
    assert_ptr_equal(blocks[7], theirs[0]);
    assert_ptr_equal(blocks[8], mine[1]);
    assert_int_equal(slab->free, size_classes[5].blocks - 5);
    slab_check(slab);
    void *again[3];
    assert_int_equal(claim(slab, again, 3), 3);
    assert_ptr_equal(again[0], mine[0]);
    assert_ptr_equal(again[1], mine[2]);
    assert_ptr_equal(again[2], mine[7]);
}

/* A row of blocks ends with its slab, though the blocks of the next one may go on where it ends. */
static void rows_end_with_their_slab(void **state) {
    (void)state;
    enum { CLASS = 4, SIZE = 64, EACH = 5 };
    struct slab *slabs[2] = {slab_create(CLASS, 0), slab_create(CLASS, 0)};
    unsigned low = slab_base(slabs[0]) > slab_base(slabs[1]);
    void *all[2][UNIT_SIZE / SIZE];
    for (unsigned s = 0; s < 2; s++) {
        assert_int_equal(claim(slabs[s], all[s], UNIT_SIZE / SIZE), UNIT_SIZE / SIZE);
    }
    char *border = slab_base(slabs[!low]);
    assert_ptr_equal(slab_base(slabs[low]) + UNIT_SIZE, border);
    for (int up = 0; up < 2; up++) {
        void *blocks[2 * EACH];
        for (int i = 0; i < 2 * EACH; i++) {
            blocks[up ? i : 2 * EACH - 1 - i] = border + (i - EACH) * SIZE;
        }
        unsigned bad_count = 0;
        unsigned first = up ? low : !low;
        assert_int_equal(slab_put(slabs[first], blocks, COUNT(blocks), blocks, &bad_count), EACH);
        assert_int_equal(slab_put(slabs[!first], blocks + EACH, EACH, blocks, &bad_count), EACH);
        assert_int_equal(bad_count, 0);
        for (unsigned s = 0; s < 2; s++) {
            assert_int_equal(slabs[s]->free, EACH);
            slab_check(slabs[s]);
            assert_int_equal(claim(slabs[s], all[s], EACH + 1), EACH);
        }
    }
}

/* The slab's base is as far from its first block in some classes as blocks are from each other. */
static void no_row_begins_before_the_first_block(void **state) {
    (void)state;
    for (unsigned c = 1; size_classes[c].size < FEW_BLOCKS_SIZE; c++) {
        for (int up = 0; class_places[c].start && up < 2; up++) {
            struct slab *slab = slab_create(c, 0);
            void *out[8];
            assert_int_equal(claim(slab, out, COUNT(out)), COUNT(out));
            void *blocks[4];
            for (unsigned i = 0; i < 4; i++) {
                blocks[up ? i : 3 - i] = slab_base(slab) + i * size_classes[c].size;
            }
            unsigned bad_count = 0;
            assert_int_equal(slab_put(slab, blocks, 4, blocks, &bad_count), 4);
            assert_int_equal(bad_count, 4);
            assert_int_equal(slab->free, slab->blocks - 8);
            for (unsigned i = 0; i < 8; i++) {
                assert_true(is_out(slab, i) && put(slab, i));
            }
            slab_destroy(slab);
        }
    }
}

/* Addresses that lie as far from each other as blocks do, but at which none begins, or none any more. */
static void rows_of_what_is_no_block_are_bad(void **state) {
    (void)state;
    struct slab *slab = slab_create(5, 0);
    unsigned count = size_classes[5].blocks;
    void *out[4096];
    assert_int_equal(claim(slab, out, count), count);
    for (int up = 0; up < 2; up++) {
        void *blocks[8];
        for (int i = 0; i < 8; i++) {
            blocks[up ? i : 7 - i] = (char *)out[20 + i] + BLOCK_ALIGN;
        }
        unsigned bad_count = 0;
        assert_int_equal(slab_put(slab, blocks, 8, blocks, &bad_count), 8);
        assert_int_equal(bad_count, 8);
        for (int i = 0; i < 8; i++) { /* the last is the tail's */
            blocks[up ? i : 7 - i] = block_at(slab, count - 7 + (unsigned)i);
        }
        bad_count = 0;
        assert_int_equal(slab_put(slab, blocks, 8, blocks, &bad_count), 8);
        assert_int_equal(bad_count, 1);
        assert_ptr_equal(blocks[0], block_at(slab, count));
        assert_int_equal(slab->free, 7);
        slab_check(slab);
        assert_int_equal(claim(slab, out, 8), 7);
        assert_int_equal(claim(slab, out, 1), 0);
    }
}

/* The front marks a block that a program has. */
static void a_marked_block_that_is_in_use_is_not_taken_back(void **state) {
    (void)state;
    for (unsigned c = CLASS_MARKED; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, 0);
        void *out[2];
        assert_int_equal(claim(slab, out, 2), 2);
        bitmap_word *region = page_map_region((uintptr_t)out[1]);
        assert_false(region_unmark(region, (uintptr_t)out[1]));
        region_mark(region, (uintptr_t)out[1]);
        assert_true(region_is_out(region, (uintptr_t)out[1]));
        assert_false(region_is_out(region, (uintptr_t)out[0]));
        slab_check(slab);
        unsigned second = index_in(slab, out[1]);
        assert_false(put(slab, second));
        assert_false(region_unmark(region, (uintptr_t)out[1] + BLOCK_ALIGN));
        assert_true(region_unmark(region, (uintptr_t)out[1]));
        assert_false(region_unmark(region, (uintptr_t)out[1]));
        assert_true(put(slab, second) && put(slab, index_in(slab, out[0])) && !put(slab, second));
        char *inside = block_at(slab, 0) + BLOCK_ALIGN;
        assert_false(slab_put_few(slab, (uintptr_t)inside));
        char *beyond = slab_base(slab) + (size_t)slab->blocks * size_classes[c].size; /* in the unit's tail, if it has one */
        assert_true(beyond == slab_base(slab) + UNIT_SIZE || !slab_put_few(slab, (uintptr_t)beyond));
        assert_int_equal(slab->free, slab->blocks);
        slab_destroy(slab);
    }
}

/* A block of a marked class stands alone in its word, and the classes below have no room for that. */
static void marked_classes_have_a_word_for_each_block(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(size_class_is_marked(c), size_classes[c].size > SMALL_TABLE_MAX);
    }
    assert_true(SMALL_TABLE_MAX >= 64 * BLOCK_ALIGN);
}

static void only_blocks_handed_out_count_as_dirty(void **state) {
    (void)state;
    dirty_after(1, 0, 0);
    dirty_after(1, 1, 4096);
    dirty_after(1, 256, 4096);
    dirty_after(1, 257, 8192);
    dirty_after(1, 4096, 65536);
    dirty_after(63, 1, 32768);
    dirty_after(63, 2, 65536);
    dirty_after(56, 6, 61440);
}

/* Pages are purged whole: what is dirty must be counted in pages, or the rest of a page would count as clean and be purged with it. */
static void dirty_in_whole_pages(void **state) {
    (void)state;
    fake_settings.page_size = 16384;
    dirty_after(1, 1, 16384);
    dirty_after(1, 1025, 32768);
    dirty_after(56, 6, 65536);
}

static void dirty_in_pages_of_64_kib(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    dirty_after(1, 0, 0);
    dirty_after(1, 1, 65536);
    dirty_after(63, 2, 65536);
}

static void refusals(void **state) {
    (void)state;
    fake_fail_from(FAKE_MAP, 1);
    assert_null(slab_create(63, 0));
    assert_null(slab_create(1, 0));
    assert_int_equal(fake_mapped_bytes(), 0);
    fake_fail_never();
    struct slab *slab = slab_create(1, 0);
    assert_non_null(slab);
    slab_destroy(slab);
    size_t metadata = counter(&page_counters.meta_bytes);
    struct slab *units[CHUNK_UNITS];
    for (unsigned i = 0; i < CHUNK_UNITS; i++) {
        units[i] = slab_create(63, 0);
        assert_non_null(units[i]);
    }
    fake_fail_from(FAKE_MAP, 1);
    assert_null(slab_create(1, 0));
    fake_fail_never();
    slab_destroy(units[0]);
    assert_non_null(slab_create(1, 0));
    assert_int_equal(counter(&page_counters.meta_bytes), metadata);
}

/* Blocks are put back at random; then every page on which none is out reads as zeros, and what is out has kept its contents. */
static void purges_pages_without_blocks(size_t page_size) {
    uint64_t seed = 5;
    fake_settings.page_size = page_size;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, 0);
        assert_non_null(slab);
        static void *block[4096];
        unsigned blocks = 0;
        while (blocks < slab->blocks) {
            blocks += claim(slab, block + blocks, slab->blocks - blocks);
        }
        size_t size = size_classes[c].size;
        size_t start = class_places[c].start;
        unsigned char *base = (unsigned char *)slab_base(slab);
        memset(base, 0xaa, start + blocks * size);
        assert_int_equal(slab_purge(slab), 0);
        bool used[UNIT_SIZE / 4096] = {false};
        for (unsigned i = 0, run = 0; i < blocks; i++, run--) {
            bool stays = i && run > blocks / 6;
            run = run ? run : 1 + (unsigned)(unit_random(&seed) % (blocks / 3 + 1));
            if (!stays) {
                assert_true(put(slab, i));
                continue;
            }
            for (size_t page = (start + i * size) / page_size; page <= (start + (i + 1) * size - 1) / page_size; page++) {
                used[page] = true;
            }
        }
        size_t expected = 0;
        for (size_t page = 0; page * page_size < start + blocks * size; page++) {
            expected += used[page] ? 0 : page_size;
        }
        size_t before = load_relaxed(&page_counters.purged_bytes);
        assert_int_equal(slab_purge(slab), expected);
        assert_int_equal(load_relaxed(&page_counters.purged_bytes) - before, expected);
        for (size_t i = 0; i < start + blocks * size; i++) {
            assert_int_equal(base[i], used[i / page_size] ? 0xaa : 0);
        }
        slab_check(slab);
        assert_int_equal(slab_purge(slab), 0); /* nothing has changed */
        if (slab->free) {
            void *one;
            assert_int_equal(claim(slab, &one, 1), 1);
            unsigned i = index_in(slab, one);
            assert_true(put(slab, i));
            expected = 0; /* the block may have been written to */
            for (size_t page = (start + i * size) / page_size; page <= (start + (i + 1) * size - 1) / page_size; page++) {
                expected += used[page] ? 0 : page_size;
            }
            assert_int_equal(slab_purge(slab), expected);
        }
    }
}

static void free_pages_go_back_and_the_slab_stays(void **state) {
    (void)state;
    purges_pages_without_blocks(4096);
}

static void free_pages_of_16_kib_too(void **state) {
    (void)state;
    purges_pages_without_blocks(16384);
}

static void a_page_that_may_not_go_does_not_count(void **state) {
    (void)state;
    struct slab *slab = slab_create(49, 0); /* blocks of a page each */
    void *block[2];
    assert_int_equal(claim(slab, block, 2), 2);
    assert_true(put(slab, 1));
    fake_fail_from(FAKE_PURGE, 1);
    assert_int_equal(slab_purge(slab), 0);
    fake_fail_never();
    assert_true(put(slab, 0));
    assert_int_equal(slab_purge(slab), 8192); /* never more than was handed out */
}

/* In a slab that is all out but for some blocks, only the words in which these begin are looked at. */
static void words_without_free_blocks_are_passed_over(void **state) {
    (void)state;
    for (unsigned c = 1; size_classes[c].size < FEW_BLOCKS_SIZE; c++) {
        static void *block[4096];
        struct slab *slab = slab_create(c, 0);
        unsigned blocks = size_classes[c].blocks;
        assert_int_equal(slab_claim(slab, block + blocks, blocks), blocks);
        uint64_t tail = (uint64_t)1 << (UNIT_WORDS - 1); /* where blocks would begin that end beyond the unit */
        assert_int_equal(slab->words_free & ~tail, 0);
        uint64_t words = 0;
        for (unsigned index = 3; index < blocks; index += blocks / 3) {
            assert_true(put(slab, index));
            words |= (uint64_t)1 << ((size_t)(block_at(slab, index) - slab_base(slab)) >> WORD_SHIFT);
            assert_int_equal(slab->words_free & ~tail, words & ~tail);
        }
        unsigned free = slab->free;
        assert_int_equal(slab_claim(slab, block + blocks, free), free);
        assert_int_equal(slab->words_free & ~tail, 0);
        slab_check(slab);
        assert_true(slab_put_one(slab, (uintptr_t)block_at(slab, blocks / 2)));
        assert_int_equal(slab->words_free & ~tail, (uint64_t)1 << ((size_t)(block_at(slab, blocks / 2) - slab_base(slab)) >> WORD_SHIFT));
        assert_int_equal(slab_claim(slab, block + blocks, 1), 1);
        for (unsigned index = 0; index < blocks; index++) {
            assert_true(put(slab, index));
        }
        slab_destroy(slab);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(words_without_free_blocks_are_passed_over),
    cmocka_unit_test(every_block_once_from_below),
    cmocka_unit_test(follow_models),
    cmocka_unit_test(leaves_nothing_behind),
    cmocka_unit_test(puts_back_what_lies_in_its_unit),
    cmocka_unit_test(rows_end_with_their_slab),
    cmocka_unit_test(rows_of_what_is_no_block_are_bad),
    cmocka_unit_test(no_row_begins_before_the_first_block),
    cmocka_unit_test(a_marked_block_that_is_in_use_is_not_taken_back),
    cmocka_unit_test(marked_classes_have_a_word_for_each_block),
    cmocka_unit_test(only_blocks_handed_out_count_as_dirty),
    cmocka_unit_test(dirty_in_whole_pages),
    cmocka_unit_test(dirty_in_pages_of_64_kib),
    cmocka_unit_test(refusals),
    cmocka_unit_test(free_pages_go_back_and_the_slab_stays),
    cmocka_unit_test(free_pages_of_16_kib_too),
    cmocka_unit_test(a_page_that_may_not_go_does_not_count),
};
UNIT_MAIN(tests)
