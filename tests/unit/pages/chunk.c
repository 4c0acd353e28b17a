/*
 * Purpose: tests of pages/chunk.c: random allocation, freeing, resizing and purging against a model of every slice, accounting included.
 */
#include "pages/chunk.h"
#include "config/options.h"
#include "pages/counters.h"
#include "pages/page_map.h"
#include "unit.h"

static size_t counter(const _Atomic(size_t) *word) {
    return load_relaxed((_Atomic(size_t) *)(uintptr_t)word);
}

#define SLICES_TO_BYTES(n) ((size_t)(n) << SLICE_SHIFT)

/* Sums over all chunks by looking at every slice, to hold against the counters. */
struct sums {
    size_t chunks;
    size_t free;
    size_t dirty;
    size_t largest;
};

static void add_chunk(struct chunk *chunk, void *context) {
    struct sums *sums = context;
    chunk_check(chunk);
    unsigned free = 0;
    unsigned dirty = 0;
    for (unsigned i = 0; i < CHUNK_SLICES; i++) {
        bool is_free = chunk->free.words[i / 64] >> (i % 64) & 1;
        bool is_dirty = chunk->dirty.words[i / 64] >> (i % 64) & 1;
        free += is_free;
        dirty += is_free && is_dirty;
        sums->largest += chunk->span[i];
    }
    assert_int_equal(chunk->free_slices, free);
    assert_int_equal(chunk->dirty_free, dirty);
    assert_ptr_equal(page_map_chunk((uintptr_t)chunk->base), chunk);
    sums->chunks++;
    sums->free += free;
    sums->dirty += dirty;
}

static struct sums sum_up(void) {
    struct sums sums = {0};
    chunk_each(add_chunk, &sums);
    assert_int_equal(counter(&page_counters.chunk_bytes), sums.chunks * CHUNK_SIZE);
    assert_int_equal(counter(&page_counters.used_bytes), sums.chunks * CHUNK_SIZE - SLICES_TO_BYTES(sums.free));
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(sums.dirty));
    assert_int_equal(counter(&page_counters.large_bytes), SLICES_TO_BYTES(sums.largest));
    return sums;
}

struct run {
    char *address;
    unsigned slices;
    unsigned char mark;
};

/* All that the program would see: the first and last byte of each slice. */
static void write_marks(const struct run *run) {
    for (unsigned i = 0; i < run->slices; i++) {
        run->address[SLICES_TO_BYTES(i)] = (char)run->mark;
        run->address[SLICES_TO_BYTES(i + 1) - 1] = (char)run->mark;
    }
}

static void expect_marks(const struct run *run, unsigned slices) {
    for (unsigned i = 0; i < slices; i++) {
        assert_int_equal((unsigned char)run->address[SLICES_TO_BYTES(i)], run->mark);
        assert_int_equal((unsigned char)run->address[SLICES_TO_BYTES(i + 1) - 1], run->mark);
    }
}

static void take_run(struct run *run, uint64_t *seed) {
    unsigned align = 1u << unit_random(seed) % 5;
    bool zeroed = false;
    run->slices = 1 + (unsigned)(unit_random(seed) % (unit_random(seed) % 8 ? 20 : 256));
    run->address = chunk_take_run(run->slices, align, &zeroed);
    assert_non_null(run->address);
    assert_int_equal((uintptr_t)run->address % SLICES_TO_BYTES(align), 0);
    if (zeroed) {
        assert_true(unit_all(run->address, SLICES_TO_BYTES(run->slices), 0));
    }
    run->mark = (unsigned char)(1 + unit_random(seed) % 255);
    write_marks(run);
}

static void resize_run(struct run *run, uint64_t *seed) {
    struct chunk *chunk = page_map_chunk((uintptr_t)run->address);
    unsigned slices = 1 + (unsigned)(unit_random(seed) % 40);
    bool zeroed = false;
    if (chunk_resize_run(chunk, (uintptr_t)run->address, slices, &zeroed)) {
        expect_marks(run, slices < run->slices ? slices : run->slices);
        if (slices > run->slices && zeroed) {
            assert_true(unit_all(run->address + SLICES_TO_BYTES(run->slices), SLICES_TO_BYTES(slices - run->slices), 0));
        }
        run->slices = slices;
        write_marks(run);
    } else {
        assert_true(slices > run->slices);
    }
    assert_int_equal(chunk_run_length(chunk, (uintptr_t)run->address), run->slices);
}

static void purge_one(bool clean) {
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    if (chunk_take_dirty(&chunk, &start, &count, &whole)) {
        if (whole && clean) {
            assert_null(page_map_chunk((uintptr_t)chunk->base));
            assert_true(platform_unmap(chunk->base, CHUNK_SIZE));
            chunk_forget(chunk);
            return;
        }
        if (clean) {
            assert_true(platform_purge(chunk->base + SLICES_TO_BYTES(start), SLICES_TO_BYTES(count)));
        }
        chunk_return_slices(chunk, start, count, clean);
    }
}

static void follows_a_model(void **state) {
    (void)state;
    enum { RUNS = 120 };
    static struct run runs[RUNS];
    uint64_t seed = 13;
    size_t live = 0;
    size_t count = 0;
    for (int step = 0; step < 30000; step++) {
        struct run *run = &runs[unit_random(&seed) % RUNS];
        unsigned action = (unsigned)(unit_random(&seed) % 8);
        if (action == 0) {
            purge_one(unit_random(&seed) % 8 != 0);
        } else if (run->address == NULL) {
            take_run(run, &seed);
            live += run->slices;
            count++;
        } else if (action < 3) {
            live -= run->slices;
            resize_run(run, &seed);
            live += run->slices;
        } else {
            expect_marks(run, run->slices);
            struct chunk *chunk = page_map_chunk((uintptr_t)run->address);
            assert_true(chunk_give_run(chunk, (uintptr_t)run->address));
            assert_int_equal(chunk_run_length(chunk, (uintptr_t)run->address), 0);
            live -= run->slices;
            count--;
            run->address = NULL;
        }
        if (step % 50 == 0) {
            struct sums sums = sum_up();
            assert_int_equal(sums.largest, live);
            assert_int_equal(counter(&page_counters.large_count), count);
        }
    }
}

static void purged_memory_reads_as_zeros(void **state) {
    (void)state;
    bool zeroed = false;
    char *wall = chunk_take_run(1, 1, &zeroed);
    char *block = chunk_take_run(32, 1, &zeroed);
    assert_true(zeroed);
    memset(block, 9, SLICES_TO_BYTES(32));
    struct chunk *chunk = page_map_chunk((uintptr_t)block);
    assert_true(chunk_give_run(chunk, (uintptr_t)block));
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(32));
    assert_ptr_equal(chunk_take_run(32, 1, &zeroed), block);
    assert_false(zeroed);
    assert_true(chunk_give_run(chunk, (uintptr_t)block));
    purge_one(true);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_ptr_equal(chunk_take_run(32, 1, &zeroed), block);
    assert_true(zeroed);
    assert_true(unit_all(block, SLICES_TO_BYTES(32), 0));
    assert_true(chunk_give_run(chunk, (uintptr_t)wall));
}

static void not_a_run(void **state) {
    (void)state;
    bool zeroed = false;
    char *block = chunk_take_run(4, 1, &zeroed);
    struct chunk *chunk = page_map_chunk((uintptr_t)block);
    assert_false(chunk_give_run(chunk, (uintptr_t)block + 1));
    assert_false(chunk_give_run(chunk, (uintptr_t)block + SLICE_SIZE));
    assert_int_equal(chunk_run_length(chunk, (uintptr_t)block + 16), 0);
    assert_int_equal(chunk_run_length(chunk, (uintptr_t)block + SLICE_SIZE), 0);
    assert_int_equal(chunk_run_length(chunk, (uintptr_t)block), 4);
    assert_true(chunk_give_run(chunk, (uintptr_t)block));
    assert_false(chunk_give_run(chunk, (uintptr_t)block));
    (void)sum_up();
}

static void units_fill_a_chunk_from_below(void **state) {
    (void)state;
    void *info[CHUNK_UNITS + 1];
    for (unsigned unit = 0; unit < CHUNK_UNITS; unit++) {
        info[unit] = chunk_take_unit(unit + 1);
        assert_non_null(info[unit]);
        assert_int_equal(unit_of_unit_info(info[unit]), unit);
        struct chunk *chunk = chunk_of_unit_info(info[unit]);
        assert_ptr_equal(chunk, chunk_of_unit_info(info[0]));
        assert_int_equal((uintptr_t)chunk_unit_base(chunk, unit) % UNIT_SIZE, 0);
        assert_int_equal(page_map_class((uintptr_t)chunk_unit_base(chunk, unit)), unit + 1);
        assert_true(unit_all(info[unit], UNIT_INFO_BYTES, 0));
    }
    assert_int_equal(sum_up().free, 0);
    info[CHUNK_UNITS] = chunk_take_unit(1);
    assert_ptr_not_equal(chunk_of_unit_info(info[CHUNK_UNITS]), chunk_of_unit_info(info[0]));
    assert_int_equal(sum_up().chunks, 2);
    /* Only what was touched is dirty. */
    chunk_give_unit(info[7], 3);
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(3));
    assert_int_equal(page_map_class((uintptr_t)chunk_unit_base(chunk_of_unit_info(info[7]), 7)), 0);
    /* The fullest chunk with a free unit comes first. */
    assert_ptr_equal(chunk_take_unit(5), info[7]);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0);
    assert_int_equal(sum_up().dirty, 0);
}

static void only_whole_units_serve_slabs(void **state) {
    (void)state;
    bool zeroed = false;
    char *block = chunk_take_run(1, 1, &zeroed);
    void *info = chunk_take_unit(1);
    assert_int_equal(unit_of_unit_info(info), 1);
    struct chunk *chunk = page_map_chunk((uintptr_t)block);
    assert_true(chunk_give_run(chunk, (uintptr_t)block));
    assert_int_equal(unit_of_unit_info(chunk_take_unit(1)), 0);
}

static void a_refused_purge_keeps_it_dirty(void **state) {
    (void)state;
    bool zeroed = false;
    char *wall = chunk_take_run(1, 1, &zeroed);
    char *block = chunk_take_run(8, 1, &zeroed);
    assert_true(chunk_give_run(page_map_chunk((uintptr_t)block), (uintptr_t)block));
    struct chunk *chunk;
    unsigned start;
    unsigned count;
    bool whole;
    assert_true(chunk_take_dirty(&chunk, &start, &count, &whole));
    assert_int_equal(start * SLICE_SIZE, block - chunk->base);
    assert_int_equal(count, 8);
    assert_false(whole);
    assert_int_equal(counter(&page_counters.dirty_bytes), 0); /* out of use meanwhile */
    struct chunk *other;
    assert_false(chunk_take_dirty(&other, &start, &count, &whole));
    chunk_return_slices(chunk, 1, 8, false);
    assert_int_equal(counter(&page_counters.dirty_bytes), SLICES_TO_BYTES(8));
    assert_int_equal(counter(&page_counters.purged_bytes), 0);
    assert_true(chunk_give_run(chunk, (uintptr_t)wall));
    (void)sum_up();
}

/* The first chunk is part of a larger mapping and stays; others go whole, and their descriptors serve again. */
static void empty_chunks_go_and_come_back(void **state) {
    (void)state;
    bool zeroed = false;
    char *pinned = chunk_take_run(256, 1, &zeroed);
    char *pinned_too = chunk_take_run(256, 1, &zeroed);
    size_t mapped = fake_mapped_bytes();
    char *block = chunk_take_run(256, 1, &zeroed);
    struct chunk *chunk = page_map_chunk((uintptr_t)block);
    assert_ptr_not_equal(chunk, page_map_chunk((uintptr_t)pinned));
    size_t metadata = counter(&page_counters.meta_bytes);
    for (int round = 0; round < 3; round++) {
        assert_true(chunk_give_run(chunk, (uintptr_t)block));
        purge_one(true);
        assert_int_equal(sum_up().chunks, 1);
        assert_int_equal(fake_mapped_bytes(), mapped);
        block = chunk_take_run(256, 1, &zeroed);
        assert_true(zeroed);
        assert_ptr_equal(page_map_chunk((uintptr_t)block), chunk);
        assert_int_equal(sum_up().chunks, 2);
    }
    assert_int_equal(counter(&page_counters.meta_bytes), metadata);
    assert_true(chunk_give_run(page_map_chunk((uintptr_t)pinned), (uintptr_t)pinned));
    assert_true(chunk_give_run(page_map_chunk((uintptr_t)pinned), (uintptr_t)pinned_too));
    assert_null(chunk_take_empty());
    purge_one(true);
    assert_int_equal(sum_up().chunks, 2);
    assert_non_null(page_map_chunk((uintptr_t)pinned));
}

static void an_empty_clean_chunk_can_be_taken(void **state) {
    (void)state;
    (void)chunk_take_unit(1);
    bool zeroed = false;
    while (counter(&page_counters.chunk_bytes) < 2 * (size_t)CHUNK_SIZE) {
        (void)chunk_take_unit(1);
    }
    struct chunk *second = NULL;
    char *block = chunk_take_run(16, 1, &zeroed);
    second = page_map_chunk((uintptr_t)block);
    assert_null(chunk_take_empty());
    assert_true(chunk_give_run(second, (uintptr_t)block));
    assert_null(chunk_take_empty()); /* a unit of it is in use */
    chunk_give_unit(second->unit_info[0], 0);
    assert_ptr_equal(chunk_take_empty(), second);
    assert_null(page_map_chunk((uintptr_t)block));
    assert_null(chunk_take_empty());
    chunk_return_slices(second, 0, CHUNK_SLICES, true); /* the system refused */
    assert_ptr_equal(page_map_chunk((uintptr_t)block), second);
    (void)sum_up();
}

static void refusals(void **state) {
    (void)state;
    bool zeroed = false;
    fake_fail_from(FAKE_MAP, 1);
    assert_null(chunk_take_run(1, 1, &zeroed));
    assert_null(chunk_take_unit(1));
    assert_int_equal(fake_mapped_bytes(), 0);
    fake_fail_never();
    /* The chunk is mapped, the region of the page map is not: the chunk goes back. */
    fake_fail_nth(FAKE_MAP, 2);
    assert_null(chunk_take_unit(1));
    assert_int_equal(fake_mapped_bytes(), 0);
    assert_int_equal(sum_up().chunks, 0);
    void *info = chunk_take_unit(1);
    assert_non_null(info);
    assert_int_equal(sum_up().chunks, 1);
}

static void starting_costs_one_mapping(void **state) {
    (void)state;
    assert_non_null(chunk_take_unit(1));
    assert_int_equal(fake_calls(FAKE_MAP), 1);
    assert_int_equal(fake_mapping_count(), 1);
    assert_int_equal(fake_mapped_bytes(), 2 * (size_t)CHUNK_SIZE + REGION_BYTES);
    assert_int_equal(counter(&page_counters.chunk_bytes), CHUNK_SIZE);
}

static void huge_pages_as_the_option_says(void **state) {
    (void)state;
    assert_true(option_set(OPTION_huge_start, 3 * (size_t)CHUNK_SIZE));
    void *info[4 * CHUNK_UNITS];
    for (unsigned i = 0; i < COUNT(info); i++) {
        info[i] = chunk_take_unit(1);
    }
    for (unsigned i = 0; i < COUNT(info); i += CHUNK_UNITS) {
        struct chunk *chunk = chunk_of_unit_info(info[i]);
        assert_int_equal(fake_huge_pages_at(chunk->base), i == 3 * CHUNK_UNITS ? 1 : -1);
        assert_int_equal(chunk_stop_huge(chunk), i == 3 * CHUNK_UNITS);
        assert_false(chunk_stop_huge(chunk));
    }
}

static void crosses_into_other_regions(void **state) {
    (void)state;
    bool seen[2] = {false, false};
    uintptr_t first = 0;
    for (int i = 0; i < 20 * CHUNK_UNITS; i++) {
        void *info = chunk_take_unit(1 + (unsigned)i % 60);
        assert_non_null(info);
        uintptr_t unit = (uintptr_t)chunk_unit_base(chunk_of_unit_info(info), unit_of_unit_info(info));
        first = first ? first : unit;
        seen[unit >> REGION_SHIFT != first >> REGION_SHIFT] = true;
        assert_int_equal(page_map_class(unit), 1 + (unsigned)i % 60);
    }
    assert_true(seen[0]);
    /* The fake starts just below the end of a region wherever the system lets it. */
    bool near_the_end = (first >> CHUNK_SHIFT) % REGION_CHUNKS + 16 >= REGION_CHUNKS;
    assert_int_equal(seen[1], near_the_end);
    (void)sum_up();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(purged_memory_reads_as_zeros),
    cmocka_unit_test(not_a_run),
    cmocka_unit_test(units_fill_a_chunk_from_below),
    cmocka_unit_test(only_whole_units_serve_slabs),
    cmocka_unit_test(a_refused_purge_keeps_it_dirty),
    cmocka_unit_test(empty_chunks_go_and_come_back),
    cmocka_unit_test(an_empty_clean_chunk_can_be_taken),
    cmocka_unit_test(refusals),
    cmocka_unit_test(starting_costs_one_mapping),
    cmocka_unit_test(huge_pages_as_the_option_says),
    cmocka_unit_test(crosses_into_other_regions),
};
UNIT_MAIN(tests)
