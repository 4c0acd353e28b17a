/*
 * Purpose: tests of heap/magazine.c: magazines that change their size keep their blocks, their ends and the memo, and never leave the
 * arena.
 */
#include "heap/magazine.h"
#include "unit.h"

static struct heap *heap(void) {
    struct heap *own = heap_of_thread();
    assert_non_null(own);
    return own;
}

/* Stands for a block: magazines never look into one. */
static void *block(unsigned n) {
    return (void *)((uintptr_t)0x10000 + (size_t)n * 112);
}

static void fill(unsigned class_index, unsigned count) {
    void **first = first_of(heap(), class_index);
    for (unsigned i = 0; i < count; i++) {
        first[i] = block(i);
    }
    memorise(heap(), first, count);
    set_held(heap(), class_index, count);
}

static void empty(unsigned class_index) {
    set_held(heap(), class_index, 0);
}

static void a_class_without_a_magazine_is_empty_and_full(void **state) {
    (void)state;
    uint32_t top = load_relaxed(real_top(heap(), 9));
    assert_int_equal(top, TOP_OF_NOTHING);
    assert_null(top_slot(heap(), top)[0]);
    assert_null(top_slot(heap(), top)[-1]);
    assert_true(top_is_full(top));
    assert_true(top + TOP_STEP < top); /* as free sees it */
    assert_int_equal(held_in(heap(), 9), 0);
}

static void every_capacity_keeps_blocks_ends_and_memo(void **state) {
    (void)state;
    enum { CLASS = 7, HELD = 5 };
    assert_true(magazine_set_capacity(heap(), CLASS, HELD));
    fill(CLASS, HELD);
    for (unsigned capacity = HELD; capacity <= MAGAZINE_BLOCKS_MAX; capacity++) {
        assert_true(magazine_set_capacity(heap(), CLASS, capacity));
        void **first = first_of(heap(), CLASS);
        assert_null(first[-1]);
        assert_int_equal(held_in(heap(), CLASS), HELD);
        uint32_t top = load_relaxed(real_top(heap(), CLASS));
        for (unsigned held = HELD; held < capacity; held++) {
            assert_false(top_is_full(top));
            assert_ptr_equal(top_slot(heap(), top) + 1, first + held);
            top += TOP_STEP;
        }
        assert_true(top_is_full(top) && top + TOP_STEP < top);
        for (unsigned i = 0; i < capacity; i++) {
            assert_ptr_equal(first[i], i < HELD ? block(i) : NULL);
        }
        for (unsigned i = 0; i < HELD; i++) {
            assert_ptr_equal(heap_slot(heap(), heap()->memo[memo_index((uintptr_t)block(i) >> GRANULE_SHIFT)]), first + i);
        }
        assert_int_equal(heap()->capacity_bytes, capacity * size_classes[CLASS].size);
        magazines_check(heap());
    }
    empty(CLASS);
    assert_true(magazine_set_capacity(heap(), CLASS, 0));
    assert_int_equal(load_relaxed(real_top(heap(), CLASS)), TOP_OF_NOTHING);
    assert_int_equal(heap()->capacity_bytes, 0);
}

/* What one class gives up serves another; when the arena is used up, the old magazine stays as it was. */
static void the_arena_is_bounded_and_used_again(void **state) {
    (void)state;
    unsigned made = 0;
    for (unsigned c = 1; c < CLASS_COUNT && magazine_set_capacity(heap(), c, MAGAZINE_BLOCKS_MAX); c++) {
        made++;
        assert_true((char *)(first_of(heap(), c) + MAGAZINE_BLOCKS_MAX + 1) <= heap()->arena_end);
    }
    assert_int_equal(made, HEAP_ARENA_BYTES / (128 * sizeof(void *)));
    if (made < CLASS_COUNT - 1) {
        assert_false(magazine_set_capacity(heap(), made + 1, 6));
        assert_int_equal(capacity_of(heap(), made + 1), 0);
    }
    fill(3, 4);
    assert_false(magazine_set_capacity(heap(), 3, 62)); /* of another size, and there is no room for one */
    assert_int_equal(capacity_of(heap(), 3), MAGAZINE_BLOCKS_MAX);
    assert_int_equal(held_in(heap(), 3), 4);
    empty(3);
    void **slots = first_of(heap(), 5);
    assert_true(magazine_set_capacity(heap(), 5, 0));
    assert_true(magazine_set_capacity(heap(), 5, MAGAZINE_BLOCKS_MAX));
    assert_ptr_equal(first_of(heap(), 5), slots);
    for (unsigned c = 1; c <= made; c++) {
        assert_true(magazine_set_capacity(heap(), c, 0));
    }
    magazines_check(heap());
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_class_without_a_magazine_is_empty_and_full),
    cmocka_unit_test(every_capacity_keeps_blocks_ends_and_memo),
    cmocka_unit_test(the_arena_is_bounded_and_used_again),
};
UNIT_MAIN(tests)
