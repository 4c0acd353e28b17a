/*
 * Purpose: tests of pages/span.c: random taking, giving, resizing and purging against a model of every block, with every invariant
 * evaluated; what is preferred to what; refusals of the system.
 */
#include "pages/span.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/filled.h"
#include "span_blocks.h"

struct block {
    char *address;
    size_t size;
    unsigned char mark;
};

/* The first and last byte of each page. */
static void write_marks(const struct block *block) {
    for (size_t i = 0; i < block->size; i += PAGE) {
        block->address[i] = (char)block->mark;
        block->address[i + PAGE - 1] = (char)block->mark;
    }
}

static void expect_marks(const struct block *block, size_t size) {
    for (size_t i = 0; i < size; i += PAGE) {
        assert_int_equal((unsigned char)block->address[i], block->mark);
        assert_int_equal((unsigned char)block->address[i + PAGE - 1], block->mark);
    }
}

static size_t some_size(uint64_t *seed, size_t page) {
    static const size_t most[] = {4, 20, 100, 700};
    size_t pages = 1 + unit_random(seed) % most[unit_random(seed) % COUNT(most)];
    return page * (page == PAGE ? pages : 1 + pages / 8);
}

static void take_one(struct block *block, uint64_t *seed, size_t page) {
    size_t align = PAGE << unit_random(seed) % 5;
    bool wanted = unit_random(seed) % 2;
    bool zeroed = wanted;
    size_t asked = some_size(seed, page);
    block->address = span_take(asked, align, &zeroed);
    assert_non_null(block->address);
    block->size = span_size((uintptr_t)block->address);
    assert_in_range(block->size, asked, asked + asked / 8);
    assert_int_equal(block->size % page, 0);
    assert_int_equal((uintptr_t)block->address % align, 0);
    assert_int_equal((uintptr_t)block->address % page, 0);
    size_t from;
    size_t to;
    assert_true(span_soiled((uintptr_t)block->address, &from, &to));
    assert_true(from <= to && to <= block->size);
    assert_int_equal(zeroed, from == to);
    assert_true(unit_all(block->address, from, 0));
    assert_true(unit_all(block->address + to, block->size - to, 0));
    assert_false(span_soiled((uintptr_t)block->address + 16, &from, &to));
    block->mark = (unsigned char)(1 + unit_random(seed) % 255);
    write_marks(block);
}

static void resize_one(struct block *block, uint64_t *seed, size_t page) {
    size_t size = some_size(seed, page);
    if (span_resize((uintptr_t)block->address, size)) {
        expect_marks(block, size < block->size ? size : block->size);
        block->size = size;
        write_marks(block);
    } else {
        assert_true(size > block->size);
    }
    assert_int_equal(span_size((uintptr_t)block->address), block->size);
}

static void give_back(uint64_t *seed) {
    unsigned how = (unsigned)(unit_random(seed) % 16);
    if (how == 0) {
        fake_fail_nth(FAKE_PURGE, 1);
    } else if (how == 1) {
        fake_fail_nth(FAKE_UNMAP, 1);
    }
    if (unit_random(seed) % 4 == 0) {
        assert_true(span_unmap(false) != SPAN_REFUSED || how == 1);
    } else {
        assert_true(span_purge(unit_random(seed) % MIB, (unsigned)(unit_random(seed) % 3)) != SPAN_REFUSED || how == 0);
    }
    fake_fail_never();
}

static void follow_a_model(size_t page, int steps) {
    enum { BLOCKS = 100 };
    static struct block blocks[BLOCKS];
    uint64_t seed = 17;
    size_t live = 0;
    size_t count = 0;
    fake_settings.page_size = page;
    for (int step = 0; step < steps; step++) {
        struct block *block = &blocks[unit_random(&seed) % BLOCKS];
        unsigned action = (unsigned)(unit_random(&seed) % 8);
        if (action == 0) {
            give_back(&seed);
        } else if (block->address == NULL) {
            take_one(block, &seed, page);
            live += block->size;
            count++;
        } else if (action < 3) {
            live -= block->size;
            resize_one(block, &seed, page);
            live += block->size;
        } else {
            expect_marks(block, block->size);
            give(block->address);
            assert_int_equal(span_size((uintptr_t)block->address), 0);
            live -= block->size;
            count--;
            block->address = NULL;
        }
        if (step % 16 == 0) {
            span_check();
            assert_int_equal(counter(&page_counters.large_bytes), live);
            assert_int_equal(counter(&page_counters.large_count), count);
        }
    }
}

static void follows_a_model(void **state) {
    (void)state;
    follow_a_model(PAGE, 6000);
}

static void follows_a_model_with_pages_of_64_kib(void **state) {
    (void)state;
    follow_a_model(65536, 2000);
}

static void follows_a_model_with_huge_pages(void **state) {
    (void)state;
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    follow_a_model(PAGE, 6000);
    assert_true(filled_usually());
}

static void not_a_span(void **state) {
    (void)state;
    char *block = take(8 * PAGE);
    assert_false(span_give((uintptr_t)block + 16));
    assert_false(span_give((uintptr_t)block + PAGE));
    assert_false(span_give(0));
    assert_false(span_give(UINTPTR_MAX));
    assert_int_equal(span_size((uintptr_t)block + PAGE), 0);
    assert_false(span_resize((uintptr_t)block + PAGE, PAGE));
    assert_int_equal(span_size((uintptr_t)block), 8 * PAGE);
    give(block);
    assert_false(span_give((uintptr_t)block));
    assert_false(span_resize((uintptr_t)block, PAGE));
    purge_all();
    assert_false(span_give((uintptr_t)block));
    span_check();
}

static void says_what_contains_an_address(void **state) {
    (void)state;
    char *block = take(8 * PAGE);
    uintptr_t start;
    size_t size;
    assert_int_equal(span_containing((uintptr_t)block + 3 * PAGE + 7, &start, &size), SPAN_IN_USE);
    assert_int_equal(start, (uintptr_t)block);
    assert_int_equal(size, 8 * PAGE);
    assert_int_equal(span_containing((uintptr_t)block + 8 * PAGE, &start, &size), SPAN_FREE);
    give(block);
    assert_int_equal(span_containing((uintptr_t)block, &start, &size), SPAN_FREE);
    assert_int_equal(span_containing((uintptr_t)&state, &start, &size), SPAN_NONE);
    assert_int_equal(span_containing(0, &start, &size), SPAN_NONE);
}

static void the_newest_of_the_same_size_comes_first(void **state) {
    (void)state;
    char *a = take(8 * PAGE);
    char *b = take(8 * PAGE);
    char *c = take(9 * PAGE);
    give(a);
    give(b);
    give(c);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 25 * PAGE);
    assert_ptr_equal(take(8 * PAGE), b);
    assert_ptr_equal(take(8 * PAGE), a);
    assert_ptr_equal(take(9 * PAGE), c);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
}

/* Or who takes and gives one size, again and again, would not get the block back that was longer from the first. */
static void the_newest_comes_next_if_it_is_little_longer(void **state) {
    (void)state;
    char *a = take(19 * PAGE);
    char *b = take(18 * PAGE);
    char *wall = take(PAGE);
    give(a);
    give(b);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(take(16 * PAGE), b);
        assert_int_equal(span_size((uintptr_t)b), 18 * PAGE);
        assert_int_equal(counter(&page_counters.large_dirty_bytes), 19 * PAGE);
        assert_int_equal(counter(&page_counters.large_bytes), 19 * PAGE);
        span_check();
        give(b);
    }
    bool zeroed = false;
    char *other = span_take(17 * PAGE, 64 * PAGE, &zeroed); /* at such an address the newest is not */
    assert_int_equal((uintptr_t)other % (64 * PAGE), 0);
    give(wall);
    span_check();
}

/* Who is taken from among the cached leaves the others in the order in which they came. */
static void the_others_keep_their_order(void **state) {
    (void)state;
    char *block[4];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take((10 + 10 * i) * PAGE);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        give(block[i]);
    }
    assert_ptr_equal(take(10 * PAGE), block[0]);
    assert_ptr_equal(take(39 * PAGE), block[3]); /* the newest, little longer */
    assert_ptr_equal(take(29 * PAGE), block[2]);
    assert_ptr_equal(take(19 * PAGE), block[1]);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    assert_int_equal(counter(&page_counters.large_bytes), 100 * PAGE);
}

static void the_newest_does_not_come_if_it_is_much_longer(void **state) {
    (void)state;
    char *block = take(19 * PAGE);
    char *wall = take(PAGE);
    give(block);
    assert_ptr_equal(take(16 * PAGE), block); /* from the dirty ones, cut */
    assert_int_equal(span_size((uintptr_t)block), 16 * PAGE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 3 * PAGE);
    give(wall);
}

static void backed_pages_come_before_others(void **state) {
    (void)state;
    char *wall[4];
    char *block[3];
    static const size_t sizes[3] = {40 * PAGE, 20 * PAGE, 30 * PAGE};
    for (unsigned i = 0; i < 3; i++) {
        block[i] = take_touched(sizes[i]);
        wall[i] = take_touched(PAGE);
    }
    for (unsigned i = 0; i < 3; i++) {
        give(block[i]);
    }
    size_t resident = fake_resident_bytes();
    size_t clean = counter(&page_counters.clean_taken_bytes);
    assert_ptr_equal(take_touched(25 * PAGE), block[2]); /* the smallest that is large enough */
    assert_ptr_equal(take_touched(35 * PAGE), block[0]);
    assert_ptr_equal(take_touched(20 * PAGE), block[1]);
    assert_ptr_equal(take_touched(5 * PAGE), block[0] + 35 * PAGE); /* what was left, the newest first */
    assert_ptr_equal(take_touched(5 * PAGE), block[2] + 25 * PAGE);
    assert_int_equal(fake_resident_bytes(), resident);
    assert_int_equal(counter(&page_counters.clean_taken_bytes), clean);
    give(wall[0]);
    span_check();
}

/* So that the next block of about the size begins on the same page. */
static void little_of_what_is_dirty_stays_with_the_block(void **state) {
    (void)state;
    char *block = take_touched(36 * PAGE);
    char *wall = take_touched(PAGE);
    give(block);
    assert_ptr_equal(take(32 * PAGE), block);
    assert_int_equal(span_size((uintptr_t)block), 36 * PAGE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    assert_int_equal(counter(&page_counters.large_bytes), 37 * PAGE);
    span_check();
    give(block);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 36 * PAGE);
    assert_ptr_equal(take(31 * PAGE), block);
    assert_int_equal(span_size((uintptr_t)block), 31 * PAGE); /* five of 36 are not little */
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 5 * PAGE);
    give(block);
    purge_all();
    assert_ptr_equal(take(32 * PAGE), block);
    assert_int_equal(span_size((uintptr_t)block), 32 * PAGE); /* what is clean never does */
    span_check();
    give(wall);
}

/* To be aligned it may have to be stretched by clean pages, which are cut off. */
static void what_is_aligned_keeps_nothing(void **state) {
    (void)state;
    enum { ALIGN = 16, SIZE = 64 };
    for (unsigned shift = 0; shift < ALIGN; shift++) {
        char *filler = take_touched((shift + 1) * PAGE);
        char *low = take_touched((SIZE - 4) * PAGE);
        char *high = take_touched(SIZE * PAGE);
        char *wall = take_touched(PAGE);
        give(high);
        purge_all();
        give(low);
        bool zeroed = false;
        char *block = span_take(SIZE * PAGE, ALIGN * PAGE, &zeroed);
        assert_int_equal(span_size((uintptr_t)block), SIZE * PAGE);
        span_check();
        give(block);
        give(filler);
        give(wall);
        purge_all();
    }
}

static void what_stays_with_a_block_can_be_cut_off_and_grown_into(void **state) {
    (void)state;
    char *block = take_touched(36 * PAGE);
    char *wall = take_touched(PAGE);
    give(block);
    assert_ptr_equal(take(33 * PAGE), block);
    assert_true(span_resize((uintptr_t)block, 35 * PAGE));
    assert_int_equal(span_size((uintptr_t)block), 35 * PAGE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), PAGE);
    assert_true(span_resize((uintptr_t)block, 36 * PAGE));
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    span_check();
    give(wall);
}

static void backed_pages_are_used_with_those_beside_them(void **state) {
    (void)state;
    char *below = take_touched(10 * PAGE);
    char *middle = take_touched(20 * PAGE);
    char *above = take_touched(10 * PAGE);
    char *wall = take_touched(10 * PAGE);
    give(below);
    purge_all();
    give(above);
    purge_all();
    give(middle); /* clean, dirty, clean */
    size_t resident = fake_resident_bytes();
    char *block = take_touched(35 * PAGE);
    assert_true(block <= middle && block + 35 * PAGE >= middle + 20 * PAGE);
    assert_int_equal(fake_resident_bytes() - resident, 15 * PAGE);
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    span_check();
    give(wall);
}

static void who_wants_many_zeros_gets_clean_pages(void **state) {
    (void)state;
    char *block = take_touched(4 * MIB);
    char *wall = take_touched(PAGE);
    give(block);
    bool zeroed = true;
    char *zeros = span_take(4 * MIB, PAGE, &zeroed);
    assert_true(zeroed);
    assert_ptr_not_equal(zeros, block);
    zeroed = true;
    assert_ptr_equal(span_take(MIB, PAGE, &zeroed), block); /* for few, clearing is cheaper than a fault for each page */
    assert_false(zeroed);
    give(wall);
}

static void grows_into_what_is_free_above(void **state) {
    (void)state;
    char *block = take_touched(10 * PAGE);
    char *next = take_touched(10 * PAGE);
    char *after = take_touched(10 * PAGE);
    char *wall = take_touched(PAGE);
    assert_false(span_resize((uintptr_t)block, 11 * PAGE));
    give(after);
    purge_all();
    give(next); /* in the cache, before a clean one */
    assert_false(span_resize((uintptr_t)block, 31 * PAGE));
    assert_true(span_resize((uintptr_t)block, 25 * PAGE));
    assert_int_equal(span_size((uintptr_t)block), 25 * PAGE);
    assert_true(unit_all(block, 10 * PAGE, 1));
    assert_true(span_resize((uintptr_t)block, 30 * PAGE));
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 0);
    assert_true(span_resize((uintptr_t)block, 3 * PAGE));
    assert_int_equal(counter(&page_counters.large_dirty_bytes), 27 * PAGE);
    span_check();
    give(wall);
}

static void many_spans(void **state) {
    (void)state;
    enum { MANY = 3000 }; /* the table doubles several times */
    static char *block[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        if (i == 1000) {
            fake_fail_nth(FAKE_MAP, 1); /* the table, or address space */
        }
        block[i] = take(PAGE * (1 + i % 3));
    }
    span_check();
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(span_size((uintptr_t)block[i]), PAGE * (1 + i % 3));
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        give(block[i]);
    }
    span_check();
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(span_size((uintptr_t)block[i]), i % 2 ? PAGE * (1 + i % 3) : 0);
    }
    for (unsigned i = 1; i < MANY; i += 2) {
        give(block[i]);
    }
    span_check();
    assert_int_equal(counter(&page_counters.large_count), 0);
}

static void mappings_are_few_and_shrink_to_what_is_needed(void **state) {
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)take(20 * PAGE);
    }
    assert_true(fake_calls(FAKE_MAP) < 50);
    bool zeroed = false;
    fake_fail_from(FAKE_MAP, 1);
    while (span_take(20 * PAGE, PAGE, &zeroed)) {
    }
    fake_fail_nth(FAKE_MAP, 1); /* no room for a large step */
    size_t mapped = counter(&page_counters.span_bytes);
    assert_non_null(span_take(20 * PAGE, PAGE, &zeroed));
    assert_int_equal(counter(&page_counters.span_bytes) - mapped, 20 * PAGE);
    span_check();
}

/* The budget of dirty pages counts on it. */
static void the_peak_is_the_most_there_was(void **state) {
    (void)state;
    char *block = take(20 * PAGE);
    assert_int_equal(load_relaxed(&page_counters.large_peak_bytes), 20 * PAGE);
    char *other = take(30 * PAGE);
    give(block);
    give(other);
    (void)take(40 * PAGE);
    assert_int_equal(load_relaxed(&page_counters.large_peak_bytes), 50 * PAGE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(follows_a_model_with_pages_of_64_kib),
    cmocka_unit_test(not_a_span),
    cmocka_unit_test(the_peak_is_the_most_there_was),
    cmocka_unit_test(says_what_contains_an_address),
    cmocka_unit_test(the_newest_of_the_same_size_comes_first),
    cmocka_unit_test(the_newest_comes_next_if_it_is_little_longer),
    cmocka_unit_test(the_others_keep_their_order),
    cmocka_unit_test(the_newest_does_not_come_if_it_is_much_longer),
    cmocka_unit_test(backed_pages_come_before_others),
    cmocka_unit_test(little_of_what_is_dirty_stays_with_the_block),
    cmocka_unit_test(what_is_aligned_keeps_nothing),
    cmocka_unit_test(what_stays_with_a_block_can_be_cut_off_and_grown_into),
    cmocka_unit_test(backed_pages_are_used_with_those_beside_them),
    cmocka_unit_test(who_wants_many_zeros_gets_clean_pages),
    cmocka_unit_test(grows_into_what_is_free_above),
    cmocka_unit_test(many_spans),
    cmocka_unit_test(mappings_are_few_and_shrink_to_what_is_needed),
    cmocka_unit_test(follows_a_model_with_huge_pages),
};
UNIT_MAIN(tests)
