/*
 * Purpose: tests of pages/direct.c: the table under random use against a model, its growth and removals, kept mappings, refusals.
 */
#include "pages/direct.h"
#include "pages/counters.h"
#include "unit.h"

enum { PAGE = 4096 };

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

static uintptr_t take(size_t size, size_t align) {
    bool zeroed = false;
    char *block = direct_take(size, align, &zeroed);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % align, 0);
    if (zeroed) {
        assert_int_equal(block[0] | block[size - 1], 0);
    }
    block[0] = 1;
    block[size - 1] = 1;
    return (uintptr_t)block;
}

struct entry {
    uintptr_t address;
    size_t size;
};

/* Enough to grow the table several times; its entries are removed in random order, which moves others. */
static void follows_a_model(void **state) {
    (void)state;
    enum { ENTRIES = 1500 };
    static struct entry entries[ENTRIES];
    uint64_t seed = 12;
    size_t bytes = 0;
    size_t count = 0;
    for (int step = 0; step < 30000; step++) {
        struct entry *e = &entries[unit_random(&seed) % ENTRIES];
        if (e->address == 0) {
            e->size = (1 + unit_random(&seed) % 4) * PAGE;
            e->address = take(e->size - unit_random(&seed) % PAGE, PAGE);
            e->size = direct_size(e->address);
            bytes += e->size;
            count++;
        } else if (unit_random(&seed) % 4 == 0) {
            size_t size = (1 + unit_random(&seed) % 6) * PAGE;
            uintptr_t moved = (uintptr_t)direct_resize(e->address, size);
            assert_true(moved != 0);
            bytes += size - e->size;
            *e = (struct entry){moved, size};
        } else {
            assert_true(direct_give(e->address, 0));
            bytes -= e->size;
            count--;
            assert_int_equal(direct_size(e->address), 0);
            assert_false(direct_give(e->address, 0));
            e->address = 0;
        }
        struct entry *other = &entries[unit_random(&seed) % ENTRIES];
        if (other->address) {
            assert_int_equal(direct_size(other->address), other->size);
            assert_true(fake_is_mapped((void *)other->address, other->size));
        }
        assert_int_equal(counter(&page_counters.direct_bytes), bytes);
        assert_int_equal(counter(&page_counters.direct_count), count);
    }
    for (int i = 0; i < ENTRIES; i++) {
        assert_int_equal(entries[i].address != 0 && direct_size(entries[i].address) != entries[i].size, 0);
        if (entries[i].address) {
            assert_true(direct_give(entries[i].address, 0));
        }
    }
    assert_int_equal(counter(&page_counters.direct_count), 0);
    assert_int_equal(fake_mapping_count(), 1); /* the table itself */
}

static void sizes_and_alignments(void **state) {
    (void)state;
    for (size_t align = PAGE; align <= (size_t)1 << 32; align *= 16) {
        uintptr_t address = take(5 * PAGE + 1, align);
        assert_int_equal(direct_size(address), 6 * PAGE);
        assert_true(direct_give(address, 0));
    }
    bool zeroed = false;
    assert_null(direct_take(SIZE_MAX, PAGE, &zeroed));
    assert_null(direct_take((size_t)PTRDIFF_MAX, PAGE, &zeroed));
    assert_null(direct_take(PAGE, (size_t)1 << 63, &zeroed));
    assert_null(direct_take((size_t)1 << 46, PAGE, &zeroed));
    assert_int_equal(fake_mapped_bytes(), 0);
    uintptr_t small_align = take(100, 16); /* alignments below a page are the page's */
    assert_int_equal(small_align % PAGE, 0);
}

static void finds_who_contains(void **state) {
    (void)state;
    uintptr_t a = take(3 * PAGE, PAGE);
    uintptr_t b = take(2 * PAGE, PAGE);
    assert_int_equal(direct_containing(a), a);
    assert_int_equal(direct_containing(a + 3 * PAGE - 1), a);
    assert_int_equal(direct_containing(b + 2 * PAGE - 1), b);
    assert_int_equal(direct_containing(b + 2 * PAGE), 0);
    assert_int_equal(direct_containing(a - 1), 0);
    assert_int_equal(direct_containing(0), 0);
    assert_int_equal(direct_size(a + PAGE), 0);
    assert_int_equal(direct_size(0), 0);
    assert_false(direct_give(0, 0));
    assert_false(direct_give(a + PAGE, 0));
    assert_null(direct_resize(a + PAGE, 8 * PAGE));
    assert_int_equal(direct_size(a), 3 * PAGE);
}

static void resizing_keeps_contents(void **state) {
    (void)state;
    char *block = (char *)take(4 * PAGE, PAGE);
    memset(block, 6, 4 * PAGE);
    for (int moves = 0; moves < 2; moves++) {
        fake_settings.remap_moves = moves;
        char *bigger = direct_resize((uintptr_t)block, 9 * PAGE + 1);
        assert_non_null(bigger);
        assert_int_equal(direct_size((uintptr_t)bigger), 10 * PAGE);
        assert_true(unit_all(bigger, 4 * PAGE, 6));
        assert_true(unit_all(bigger + 4 * PAGE, 6 * PAGE, 0));
        block = direct_resize((uintptr_t)bigger, 4 * PAGE);
        assert_ptr_equal(block, bigger);
        assert_true(unit_all(block, 4 * PAGE, 6));
        assert_ptr_equal(direct_resize((uintptr_t)block, 4 * PAGE - 1), block);
    }
    assert_int_equal(fake_mapped_bytes(), 4 * PAGE);
    assert_null(direct_resize((uintptr_t)block, SIZE_MAX));
    assert_null(direct_resize((uintptr_t)block, (size_t)PTRDIFF_MAX));
    fake_fail_nth(FAKE_REMAP, 1);
    assert_null(direct_resize((uintptr_t)block, 5 * PAGE));
    assert_int_equal(direct_size((uintptr_t)block), 4 * PAGE);
    assert_true(unit_all(block, 4 * PAGE, 6));
}

/* --- kept mappings --------------------------------------------------------------------------------------------------- */

#define MIB ((size_t)1 << 20)

static void keeps_mappings_within_the_budget(void **state) {
    (void)state;
    uintptr_t a = take(2 * MIB, PAGE);
    uintptr_t b = take(3 * MIB, PAGE);
    assert_true(direct_give(a, 2 * MIB));
    assert_int_equal(counter(&page_counters.dirty_bytes), 2 * MIB);
    assert_true(direct_give(b, 5 * MIB - 1)); /* one byte too many */
    assert_int_equal(counter(&page_counters.dirty_bytes), 2 * MIB);
    assert_int_equal(fake_mapped_bytes(), 2 * MIB);
    assert_int_equal(direct_size(a), 0);
    assert_int_equal(direct_containing(a), 0);
    assert_false(direct_give(a, 2 * MIB));
    bool zeroed = true; /* who wants zeros gets fresh memory */
    assert_int_not_equal((uintptr_t)direct_take(2 * MIB, PAGE, &zeroed), a);
    assert_true(zeroed);
    zeroed = false;
    assert_int_equal((uintptr_t)direct_take(2 * MIB, PAGE, &zeroed), a);
    assert_false(zeroed);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_int_equal(direct_size(a), 2 * MIB);
}

static void cuts_or_grows_the_nearest_kept_mapping(void **state) {
    (void)state;
    uintptr_t a = take(2 * MIB, PAGE);
    uintptr_t b = take(6 * MIB, PAGE);
    uintptr_t c = take(9 * MIB, PAGE);
    assert_true(direct_give(a, SIZE_MAX) && direct_give(b, SIZE_MAX) && direct_give(c, SIZE_MAX));
    bool zeroed = false;
    assert_int_equal((uintptr_t)direct_take(5 * MIB, PAGE, &zeroed), b); /* the smallest that is large enough */
    assert_int_equal(direct_size(b), 5 * MIB);
    assert_int_equal(fake_mapped_bytes(), 16 * MIB);
    assert_int_equal(counter(&page_counters.dirty_bytes), 11 * MIB);
    uintptr_t other = take(MIB, (size_t)1 << 32); /* none is aligned like that */
    assert_int_not_equal(other, a);
    uintptr_t all = take(20 * MIB, PAGE); /* the largest grows */
    assert_int_equal(direct_size(all), 20 * MIB);
    assert_int_equal(counter(&page_counters.dirty_bytes), 2 * MIB);
    assert_int_equal(fake_mapped_bytes(), (2 + 5 + 1 + 20) * MIB);
}

/* In whatever order they came. */
static void the_nearest_is_the_smallest_that_holds_it_or_else_the_largest(void **state) {
    (void)state;
    static const struct {
        size_t kept[3];
        size_t wanted;
        size_t taken;
    } cases[] = {
        {{2, 3, 9}, 2, 2}, {{3, 9, 2}, 2, 2},  {{9, 3, 2}, 2, 2},  {{9, 6, 2}, 5, 6},  {{2, 6, 9}, 5, 6},
        {{6, 9, 2}, 5, 6}, {{2, 3, 9}, 20, 9}, {{9, 3, 2}, 20, 9}, {{3, 9, 2}, 20, 9}, {{2, 9, 3}, 5, 9},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uintptr_t blocks[3];
        for (size_t n = 0; n < 3; n++) {
            blocks[n] = take(cases[i].kept[n] * MIB, PAGE);
        }
        for (size_t n = 0; n < 3; n++) {
            assert_true(direct_give(blocks[n], SIZE_MAX));
        }
        uintptr_t block = take(cases[i].wanted * MIB, PAGE);
        assert_int_equal(counter(&page_counters.dirty_bytes),
                         (cases[i].kept[0] + cases[i].kept[1] + cases[i].kept[2] - cases[i].taken) * MIB);
        assert_true(direct_give(block, 0));
        while (direct_evict()) {
        }
    }
}

/* Grown in place, or not at all: elsewhere it would lie as the system likes. */
static void a_kept_mapping_that_grows_keeps_its_alignment(void **state) {
    (void)state;
    uintptr_t a = take(2 * MIB, 2 * MIB);
    assert_true(direct_give(a, SIZE_MAX));
    fake_settings.remap_moves = true;
    assert_int_equal(take(4 * MIB, 2 * MIB), a);
    assert_int_equal(direct_size(a), 4 * MIB);
    assert_int_equal(fake_mapped_bytes(), 4 * MIB);
}

/* More than twice what was asked for, which may have been a byte of the last page, is too much. */
static void what_cannot_be_cut_serves_up_to_half_its_size(void **state) {
    (void)state;
    bool zeroed = false;
    uintptr_t a = take(8 * MIB, PAGE);
    assert_true(direct_give(a, SIZE_MAX));
    fake_fail_nth(FAKE_UNMAP, 1);
    assert_int_not_equal((uintptr_t)direct_take(4 * MIB, PAGE, &zeroed), a);
    assert_int_equal(counter(&page_counters.dirty_bytes), 8 * MIB);
    fake_fail_nth(FAKE_UNMAP, 1);
    zeroed = false;
    assert_int_equal((uintptr_t)direct_take(4 * MIB + PAGE, PAGE, &zeroed), a);
    assert_int_equal(direct_size(a), 8 * MIB);
}

static void a_kept_mapping_that_cannot_be_cut_or_grown(void **state) {
    (void)state;
    uintptr_t a = take(8 * MIB, PAGE);
    assert_true(direct_give(a, SIZE_MAX));
    bool zeroed = false;
    fake_fail_nth(FAKE_UNMAP, 1);
    uintptr_t b = (uintptr_t)direct_take(2 * MIB, PAGE, &zeroed); /* far too large for this */
    assert_int_not_equal(b, a);
    assert_int_equal(direct_size(b), 2 * MIB);
    assert_int_equal(counter(&page_counters.dirty_bytes), 8 * MIB);
    fake_fail_nth(FAKE_UNMAP, 1);
    assert_int_equal(take(5 * MIB, PAGE), a); /* a little too large */
    assert_int_equal(direct_size(a), 8 * MIB);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_true(direct_give(b, SIZE_MAX));
    fake_fail_nth(FAKE_REMAP, 1);
    uintptr_t c = take(3 * MIB, PAGE);
    assert_int_equal(direct_size(c), 3 * MIB);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_int_equal(fake_mapped_bytes(), 11 * MIB);
}

static uintptr_t many[40];

static void fill_the_kept(void) {
    fake_on_call(FAKE_UNMAP, NULL);
    for (size_t i = 0; i < COUNT(many); i++) {
        assert_true(direct_give(many[i], SIZE_MAX));
    }
    fake_fail_nth(FAKE_UNMAP, 1);
}

/* While one thread tries in vain to cut a kept mapping, others may have filled its place: then it goes back after all. */
static void a_kept_mapping_that_cannot_be_cut_nor_kept_again(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = take(MIB, PAGE);
    }
    uintptr_t a = take(8 * MIB, PAGE);
    memset((void *)a, 1, 8 * MIB);
    assert_true(direct_give(a, SIZE_MAX));
    fake_on_call(FAKE_UNMAP, fill_the_kept);
    uintptr_t b = take(2 * MIB, PAGE);
    assert_int_not_equal(b, a);
    assert_int_equal(direct_size(b), 2 * MIB);
    assert_false(fake_is_mapped((void *)a, PAGE));
    while (direct_evict()) {
    }
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_int_equal(fake_mapped_bytes(), 2 * MIB);
}

static void keeps_a_few_and_gives_the_oldest_back_first(void **state) {
    (void)state;
    uintptr_t block[40];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(2 * MIB, PAGE);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        assert_true(direct_give(block[i], SIZE_MAX));
    }
    size_t kept = fake_mapped_bytes() / (2 * MIB);
    assert_in_range(kept, 2, COUNT(block) - 1);
    assert_int_equal(counter(&page_counters.dirty_bytes), kept * 2 * MIB);
    for (size_t i = 0; i < kept; i++) {
        assert_true(fake_is_mapped((void *)block[i], 2 * MIB));
        assert_true(direct_evict());
        assert_false(fake_is_mapped((void *)block[i], PAGE));
        assert_int_equal(counter(&page_counters.dirty_bytes), (kept - i - 1) * 2 * MIB);
    }
    assert_false(direct_evict());
    assert_int_equal(counter(&page_counters.purged_bytes), kept * 2 * MIB);
    assert_int_equal(counter(&page_counters.purge_calls), kept);
    assert_int_equal(fake_mapped_bytes(), 0);
}

/* --- refusals ------------------------------------------------------------------------------------------------------------ */

static void a_refused_unmap_still_frees_the_memory(void **state) {
    (void)state;
    uintptr_t a = take(2 * MIB, PAGE);
    memset((void *)a, 1, 2 * MIB);
    fake_fail_nth(FAKE_UNMAP, 1);
    assert_true(direct_give(a, 0));
    assert_int_equal(direct_size(a), 0);
    assert_int_equal(fake_resident_bytes(), 0);
    assert_int_equal(counter(&page_counters.direct_bytes), 0);
}

/* Fills the table while it cannot grow: one slot must stay free, or look-ups would never end. */
static void a_table_that_cannot_grow_fills_up_and_says_so(void **state) {
    (void)state;
    static uintptr_t block[4096];
    size_t count = 0;
    size_t mapped_before = 0;
    for (;;) {
        mapped_before = fake_mapped_bytes();
        bool zeroed = false;
        /* The mapping succeeds; the next one, which is the table's, does not. */
        fake_fail_nth(FAKE_MAP, 2);
        block[count] = (uintptr_t)direct_take(PAGE, PAGE, &zeroed);
        if (block[count] == 0) {
            break;
        }
        count++;
        assert_true(count < COUNT(block));
    }
    assert_int_equal(count, 127); /* of 128 */
    assert_int_equal(fake_mapped_bytes(), mapped_before);
    assert_int_equal(direct_size(block[0] + 123 * PAGE + 1), 0); /* ends */
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(direct_size(block[i]), PAGE);
    }
    fake_fail_from(FAKE_MAP, 1);
    assert_ptr_equal(direct_resize(block[5], 2 * PAGE) ? block : NULL, block);
    fake_fail_never();
    uintptr_t more = take(PAGE, PAGE); /* now the table grows */
    assert_int_equal(direct_size(more), PAGE);
    assert_int_equal(direct_size(block[7]), PAGE);
}

static uintptr_t meanwhile;

static void another_thread_takes(void) {
    bool zeroed = false;
    fake_fail_from(FAKE_MAP, 2);
    meanwhile = (uintptr_t)direct_take(PAGE, PAGE, &zeroed);
}

/* While a block is being moved its slot must stay its own: another thread may fill the table meanwhile. */
static void a_block_in_motion_keeps_its_slot(void **state) {
    (void)state;
    static uintptr_t block[4096];
    size_t count = 0;
    bool zeroed = false;
    do {
        fake_fail_nth(FAKE_MAP, 2);
        block[count] = (uintptr_t)direct_take(PAGE, PAGE, &zeroed);
    } while (block[count++]);
    count--;
    fake_on_call(FAKE_REMAP, another_thread_takes);
    fake_fail_never();
    uintptr_t moved = (uintptr_t)direct_resize(block[3], 3 * PAGE);
    assert_true(moved != 0);
    assert_int_equal(direct_size(moved), 3 * PAGE);
    assert_int_equal(meanwhile, 0);
    assert_int_equal(direct_size(1), 0); /* ends */
}

static void resizing_fills_no_table(void **state) {
    (void)state;
    uintptr_t block = take(PAGE, PAGE);
    for (unsigned i = 0; i < 1000; i++) {
        block = (uintptr_t)direct_resize(block, (1 + i % 2) * PAGE);
    }
    (void)take(PAGE, PAGE);
    assert_int_equal(fake_mapping_count(), 2); /* the blocks; the first table is no mapping */
}

static void works_with_pages_of_64_kib(void **state) {
    (void)state;
    fake_settings.page_size = 65536;
    static uintptr_t block[1000];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(65536 * 17 + 1, 65536);
        assert_int_equal(direct_size(block[i]), 65536 * 18);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        assert_true(direct_give(block[i], 0));
    }
    assert_true(fake_mapping_count() <= 1);
}

static void what_is_refused_is_not_handed_out(void **state) {
    (void)state;
    size_t clean = counter(&page_counters.clean_taken_bytes);
    bool zeroed = false;
    fake_fail_from(FAKE_MAP, 1);
    assert_null(direct_take((size_t)1 << 40, PAGE, &zeroed));
    assert_false(zeroed); /* whoever tries again asks for the same */
    fake_fail_never();
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_is_refused_is_not_handed_out),
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(sizes_and_alignments),
    cmocka_unit_test(finds_who_contains),
    cmocka_unit_test(resizing_keeps_contents),
    cmocka_unit_test(keeps_mappings_within_the_budget),
    cmocka_unit_test(cuts_or_grows_the_nearest_kept_mapping),
    cmocka_unit_test(the_nearest_is_the_smallest_that_holds_it_or_else_the_largest),
    cmocka_unit_test(a_kept_mapping_that_grows_keeps_its_alignment),
    cmocka_unit_test(what_cannot_be_cut_serves_up_to_half_its_size),
    cmocka_unit_test(resizing_fills_no_table),
    cmocka_unit_test(a_kept_mapping_that_cannot_be_cut_or_grown),
    cmocka_unit_test(a_kept_mapping_that_cannot_be_cut_nor_kept_again),
    cmocka_unit_test(keeps_a_few_and_gives_the_oldest_back_first),
    cmocka_unit_test(a_refused_unmap_still_frees_the_memory),
    cmocka_unit_test(a_table_that_cannot_grow_fills_up_and_says_so),
    cmocka_unit_test(a_block_in_motion_keeps_its_slot),
    cmocka_unit_test(works_with_pages_of_64_kib),
};
UNIT_MAIN(tests)
