/*
 * Purpose: tests of slab/size_class.c: every size against the table, every offset of every class against true division.
 */
#include "slab/size_class.h"
#include "unit.h"

static void the_table_is_in_order(void **state) {
    (void)state;
    assert_int_equal(size_classes[1].size, 16);
    assert_int_equal(size_classes[CLASS_COUNT - 1].size, SMALL_MAX);
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        const struct size_class *class = &size_classes[c];
        assert_true(c == 1 || class->size > size_classes[c - 1].size);
        assert_int_equal(class->size % BLOCK_ALIGN, 0);
        assert_int_equal(class->blocks, UNIT_SIZE / class->size);
        unsigned granules = class->size / BLOCK_ALIGN;
        assert_int_equal(class->step, 64 % granules);
        for (unsigned bit = 0; bit < 64; bit++) {
            assert_int_equal(class_pattern[c] >> bit & 1, bit % granules == 0);
        }
        assert_in_range(class->cache, 1, MAGAZINE_BLOCKS_MAX);
        assert_true(class->cache == 1 || class->cache * class->size <= MAGAZINE_BYTES);
    }
}

/* Classes begin at many places of a page, and no slab takes a page more or holds a block less for it. */
static void first_blocks_are_spread(void **state) {
    (void)state;
    unsigned at_line[SLICE_SIZE / 64] = {0};
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t size = size_classes[c].size;
        size_t start = class_places[c].start;
        size_t all = size_classes[c].blocks * size;
        assert_true(start < size && start % 64 == 0);
        assert_int_equal(start % (size & -size), 0);
        assert_int_equal(align_up(start + all, SLICE_SIZE), align_up(all, SLICE_SIZE));
        size_t first = start + class_places[c].first * size;
        assert_true(size >= FEW_BLOCKS_SIZE || first == start);
        assert_true(first < SLICE_SIZE);
        at_line[first / 64]++;
    }
    unsigned lines = 0;
    for (unsigned line = 0; line < COUNT(at_line); line++) {
        assert_true(line == 0 || at_line[line] <= 8);
        lines += at_line[line] != 0;
    }
    assert_true(lines >= 10);
}

static void every_size_finds_the_smallest_class_that_holds_it(void **state) {
    (void)state;
    unsigned class_index = 1;
    for (size_t size = 0; size <= SMALL_MAX; size++) {
        if (size > size_classes[class_index].size) {
            class_index++;
        }
        assert_int_equal(size_class_of(size), class_index);
        if (size > SMALL_TABLE_MAX) {
            assert_int_equal(size_class_medium(size), class_index);
        }
    }
    assert_int_equal(class_index, CLASS_COUNT - 1);
}

static void waste_stays_within_the_design(void **state) {
    (void)state;
    for (size_t size = 129; size <= SMALL_MAX; size++) {
        size_t waste = size_classes[size_class_of(size)].size - size;
        assert_true(waste * (size <= 4096 ? 8 : 4) <= size);
    }
}

static void every_offset_divides_exactly(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        unsigned size = size_classes[c].size;
        for (uintptr_t offset = 0; offset < UNIT_SIZE; offset++) {
            uint64_t scaled = block_scaled(0x7f0000000000u + (offset + class_places[c].start) % UNIT_SIZE, c);
            if (block_index(scaled) != offset / size || block_begins(scaled, c) != (offset % size == 0)) {
                fail_msg("class %u, offset %lu", c, (unsigned long)offset);
            }
        }
    }
}

static void aligned_classes(void **state) {
    (void)state;
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t size = 0; size <= SMALL_MAX; size++) {
            unsigned expected = 1;
            while (size_classes[expected].size < size || size_classes[expected].size % align != 0) {
                expected++;
            }
            assert_int_equal(size_class_aligned(size, align), expected);
        }
        assert_int_equal(size_class_aligned(SMALL_MAX, align), CLASS_COUNT - 1);
        assert_int_equal(size_class_aligned(SMALL_MAX + 1, align), 0);
        assert_int_equal(size_class_aligned(SIZE_MAX, align), 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_table_is_in_order),
    cmocka_unit_test(first_blocks_are_spread),
    cmocka_unit_test(every_size_finds_the_smallest_class_that_holds_it),
    cmocka_unit_test(waste_stays_within_the_design),
    cmocka_unit_test(every_offset_divides_exactly),
    cmocka_unit_test(aligned_classes),
};
UNIT_MAIN(tests)
