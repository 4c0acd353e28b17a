/*
 * Purpose: tests of slab/slab.c: what is no block is refused and not counted, whatever was refused before; how far a slab has come.
 */
#include "slab_blocks.h"

/* Of every class, alone and among others. */
static void addresses_inside_of_a_block_are_bad(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        unsigned size = size_classes[c].size;
        struct slab *slab = slab_create(c, 0);
        void *block;
        assert_int_equal(slab_claim(slab, &block + 1, 1), 1);
        for (unsigned offset = BLOCK_ALIGN; offset < size; offset += BLOCK_ALIGN) {
            void *inside = (char *)block + offset;
            void *bad = NULL;
            unsigned bad_count = 0;
            assert_false(slab_put_one(slab, (uintptr_t)inside));
            assert_int_equal(slab_put(slab, &inside, 1, &bad, &bad_count), 1);
            assert_int_equal(bad_count, 1);
            assert_ptr_equal(bad, inside);
        }
        assert_int_equal(slab->free, slab->blocks - 1);
        assert_true(slab_put_one(slab, (uintptr_t)block));
        slab_destroy(slab);
    }
}

/* Bad ones that were there already are not this slab's. */
static void what_was_bad_before_does_not_count(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, 0);
        void *two[2];
        assert_int_equal(slab_claim(slab, two + 2, 2), 2);
        void *blocks[] = {two[1], two[1], two[0]};
        void *bad[8] = {NULL};
        unsigned bad_count = 5;
        assert_int_equal(slab_put(slab, blocks, 3, bad, &bad_count), 3);
        assert_int_equal(bad_count, 6);
        assert_ptr_equal(bad[5], two[1]);
        assert_int_equal(slab->free, slab->blocks);
        slab_destroy(slab);
    }
}

/* Whether blocks are claimed in a row or one by one, up to the end of the last one. */
static void a_slab_has_come_as_far_as_its_last_block(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (unsigned at_once = 1; at_once <= 8; at_once += 7) {
            struct slab *slab = slab_create(c, 0);
            size_t size = size_classes[c].size;
            char *most = slab_base(slab);
            while (slab->free) {
                void *out[8];
                unsigned got = slab_claim(slab, out + COUNT(out), at_once);
                for (unsigned i = 1; i <= got; i++) {
                    char *end = (char *)out[COUNT(out) - i] + size;
                    most = end > most ? end : most;
                }
                assert_int_equal(slab->fresh << GRANULE_SHIFT, most - slab_base(slab));
            }
            for (unsigned i = 0; i < slab->blocks; i++) {
                assert_true(slab_put_one(slab, (uintptr_t)block_at(slab, i)));
            }
            slab_destroy(slab);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_inside_of_a_block_are_bad),
    cmocka_unit_test(what_was_bad_before_does_not_count),
    cmocka_unit_test(a_slab_has_come_as_far_as_its_last_block),
};
UNIT_MAIN(tests)
