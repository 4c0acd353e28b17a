/*
 * Purpose: tests of heap/magazine.c: magazines that change their size keep their blocks, their ends and the memo, and never leave the
 * arena.
 */
#include "heap/magazine.h"
#include "base/bits.h"
#include "base/check.h"
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

/* Its blocks and the sentinel, in the next power of two, eight at least. */
static void a_magazine_takes_no_more_slots_than_it_needs(void **state) {
    (void)state;
    unsigned capacity = 1;
    for (unsigned slots = 8; slots <= MAGAZINE_BLOCKS_MAX + 2; slots *= 2) {
        for (; capacity < slots && capacity <= MAGAZINE_BLOCKS_MAX; capacity++) {
            const char *before = heap()->arena_next;
            assert_true(magazine_set_capacity(heap(), 1, capacity));
            const char *after = heap()->arena_next;
            assert_int_equal(after - before, slots * sizeof(void *));
            assert_true(magazine_set_capacity(heap(), 1, 0));
            heap()->unused[highest_bit(slots)] = NULL; /* so that the next one is cut, too */
            if (heap()->arena_end - after < (ptrdiff_t)sizeof(void *[256])) {
                heap()->arena_next = (char *)heap() + align_up(sizeof(struct heap), 64);
            }
        }
    }
}

/* They would keep blocks reachable that are lost. */
static void nothing_remains_of_the_magazine_before(void **state) {
    (void)state;
    enum { CAPACITY = 14, LATER = 13 };
    assert_true(magazine_set_capacity(heap(), 7, CAPACITY));
    void **slots = first_of(heap(), 7);
    fill(7, CAPACITY);
    empty(7);
    assert_true(magazine_set_capacity(heap(), 7, 0));
    assert_true(magazine_set_capacity(heap(), 9, LATER));
    assert_ptr_equal(first_of(heap(), 9), slots);
    for (unsigned i = 0; i < LATER; i++) {
        assert_null(slots[i]);
    }
}

static void which_classes_have_a_magazine_is_known(void **state) {
    (void)state;
    static const unsigned classes[] = {1, 31, 32, CLASS_COUNT - 1};
    uint64_t known = 0;
    for (size_t i = 0; i < COUNT(classes); i++) {
        assert_true(magazine_set_capacity(heap(), classes[i], 2));
        known |= (uint64_t)1 << classes[i];
        assert_int_equal(heap()->with_magazine, known);
    }
    for (size_t i = 0; i < COUNT(classes); i++) {
        assert_true(magazine_set_capacity(heap(), classes[i], 0));
        known &= ~((uint64_t)1 << classes[i]);
        assert_int_equal(heap()->with_magazine, known);
    }
}

static void a_watched_heap_can_give_a_magazine_up(void **state) {
    (void)state;
    (void)heap();
    heap_watch();
    assert_true(magazine_set_capacity(heap(), 7, 2));
    assert_int_not_equal(load_relaxed(&heap()->spare[7]), TOP_OF_NOTHING);
    assert_true(magazine_set_capacity(heap(), 7, 0));
    assert_int_equal(load_relaxed(&heap()->spare[7]), TOP_OF_NOTHING);
    assert_int_equal(load_relaxed(&heap()->top[7]), TOP_OF_NOTHING);
}

static void check_with_a_wrong_sum(void *unused) {
    (void)unused;
    heap()->capacity_bytes++;
    magazines_check(heap());
}

static void debug_builds_check_the_sum(void **state) {
    (void)state;
    assert_true(magazine_set_capacity(heap(), 7, 2));
    assert_int_equal(unit_death(check_with_a_wrong_sum, NULL) != NULL, debug_checks);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_class_without_a_magazine_is_empty_and_full), cmocka_unit_test(every_capacity_keeps_blocks_ends_and_memo),
    cmocka_unit_test(the_arena_is_bounded_and_used_again),          cmocka_unit_test(a_magazine_takes_no_more_slots_than_it_needs),
    cmocka_unit_test(nothing_remains_of_the_magazine_before),       cmocka_unit_test(which_classes_have_a_magazine_is_known),
    cmocka_unit_test(a_watched_heap_can_give_a_magazine_up),        cmocka_unit_test(debug_builds_check_the_sum),
};
UNIT_MAIN(tests)
