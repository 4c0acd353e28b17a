/*
 * Purpose: tests of front/slow.c: allocation when memory is short, calloc, usable sizes, threads without a heap, counting, perturbing.
 */
#include "front/slow.h"
#include "config/options.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "front/resize.h"
#include "heap/bin.h"
#include "pages/counters.h"
#include "pages/span.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* The start of the library has installed the reports; here they return. */
static void warn_only(void) {
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    fake_output_clear();
}

static void expect_report(const char *call, const void *address, const char *what) {
    char start[200];
    snprintf(start, sizeof start, "collam: %s(%p): %s", call, address, what);
    if (strncmp(fake_output(), start, strlen(start)) != 0) {
        fail_msg("expected '%s', got '%s'", start, fake_output());
    }
    fake_output_clear();
}

static void every_size_has_its_usable_bytes(void **state) {
    (void)state;
    for (size_t size = 0; size <= 2 * LARGE_MAX; size += size < 5000 ? 1 : size < 1 << 20 ? 4093 : 4000037) {
        errno = 0;
        char *block = slow_malloc(size);
        assert_non_null(block);
        assert_int_equal(errno, 0);
        size_t usable = front_usable_size(block, "test");
        assert_int_equal(usable, size <= SMALL_MAX ? size_classes[size_class_of(size)].size : align_up(size, 4096));
        assert_int_equal(front_usable_size_or_0(block), usable);
        memset(block, 1, usable);
        errno = 55;
        slow_free(block, "test");
        assert_int_equal(errno, 55);
    }
    assert_int_equal(front_usable_size(NULL, "test"), 0);
    assert_string_equal(fake_output(), "");
    slow_free(NULL, "test");
}

static void impossible_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX, (size_t)1 << 50};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        errno = 0;
        assert_null(slow_malloc(sizes[i]));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(front_calloc(1, sizes[i]));
        assert_int_equal(errno, ENOMEM);
    }
    errno = 0;
    assert_null(front_calloc(SIZE_MAX / 2, 3));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(fake_mapped_bytes() / CHUNK_SIZE < 10, 1);
}

/* What is cached could not help. */
static void for_impossible_sizes_nothing_is_given_back(void **state) {
    (void)state;
    slow_free(slow_malloc(100), "test");
    size_t cached = heap_blocks_cached(size_class_of(100));
    assert_true(cached > 0);
    assert_null(slow_malloc((size_t)PTRDIFF_MAX + 1));
    assert_null(front_calloc(1, SIZE_MAX));
    assert_int_equal(heap_blocks_cached(size_class_of(100)), cached);
}

static void calloc_clears_what_was_used(void **state) {
    (void)state;
    for (size_t size = 1; size < 3 * LARGE_MAX; size = size * 3 + 5) {
        for (int round = 0; round < 4; round++) {
            unsigned char *block = round % 2 ? front_calloc(size, 1) : fast_calloc(1, size);
            assert_true(unit_all(block, size, 0));
            memset(block, 0xcc, front_usable_size(block, "test"));
            slow_free(block, "test");
        }
    }
}

/* Taken and freed in random order, wholly or partly written to, now and then purged: what calloc gives is zero. */
static void calloc_clears_every_mix_of_used_and_unused(void **state) {
    (void)state;
    enum { BLOCKS = 20 };
    char *blocks[BLOCKS] = {NULL};
    uint64_t seed = 23;
    for (int step = 0; step < 2000; step++) {
        char **block = &blocks[unit_random(&seed) % BLOCKS];
        size_t size = SMALL_MAX + 1 + unit_random(&seed) % ((size_t)1 << (15 + unit_random(&seed) % 6));
        if (*block) {
            slow_free(*block, "test");
            *block = NULL;
        } else {
            *block = unit_random(&seed) % 4 ? front_calloc(1, size) : slow_malloc(size);
            assert_non_null(*block);
            size_t written = unit_random(&seed) % (size + 1);
            memset(*block + size - written, 0xee, written);
            slow_free(*block, "test");
            *block = front_calloc(1, size);
            assert_true(unit_all(*block, size, 0));
            (*block)[unit_random(&seed) % size] = 1;
        }
        if (step % 50 == 0) {
            (void)span_purge((size_t)1 << 18, 0);
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (blocks[i]) {
            slow_free(blocks[i], "test");
        }
    }
}

static void calloc_does_not_touch_fresh_pages(void **state) {
    (void)state;
    slow_free(slow_malloc(1), "test");
    size_t before = fake_resident_bytes();
    char *large = front_calloc(1, LARGE_MAX);
    char *direct = front_calloc(256, LARGE_MAX);
    assert_true(fake_resident_bytes() - before < 64 << 10);
    assert_int_equal(large[LARGE_MAX - 1] | direct[255 * (size_t)LARGE_MAX], 0);
}

/* Takes blocks of one size until there is no memory; returns them linked through their first word. */
static void *take_all(size_t size) {
    void *chain = NULL;
    void *block;
    while ((block = slow_malloc(size)) != NULL) {
        *(void **)block = chain;
        chain = block;
    }
    assert_int_equal(errno, ENOMEM);
    return chain;
}

/* The same, with what is mapped already. */
static void *exhaust(size_t size) {
    fake_fail_from(FAKE_MAP, 1);
    return take_all(size);
}

static void free_chain(void *chain) {
    while (chain) {
        void *next = *(void **)chain;
        slow_free(chain, "test");
        chain = next;
    }
}

/* What is free anywhere must serve other sizes when nothing else is left: magazines, empty slabs, dirty pages, kept mappings, chunks and
 * spans that no longer hold a block. */
static void memory_of_one_size_serves_another_when_there_is_no_more(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 500, 4096, 32768, 40000, 1000000};
    slow_free(slow_malloc(1), "test");
    fake_settings.mapped_max = fake_mapped_bytes() + 4 * (size_t)CHUNK_SIZE;
    for (size_t from = 0; from < COUNT(sizes); from++) {
        for (size_t to = 0; to < COUNT(sizes); to++) {
            void *chain = take_all(sizes[from]);
            assert_non_null(chain);
            free_chain(chain);
            void *block = slow_malloc(sizes[to]);
            if (block == NULL) {
                fail_msg("no memory for %zu after all of %zu was freed", sizes[to], sizes[from]);
            }
            slow_free(block, "test");
        }
    }
}

/* A program that keeps asking after memory ran out, and frees a little in between, gets what it freed. */
static void what_is_freed_after_memory_ran_out_is_found(void **state) {
    (void)state;
    slow_free(slow_malloc(1), "test");
    void *chain = exhaust(64);
    assert_null(slow_malloc(3000));
    assert_null(slow_malloc(3000));
    /* A few units' worth, so that at least one unit is free again, though perhaps kept ready or in magazines. */
    for (int i = 0; i < 3 * UNIT_SIZE / 64; i++) {
        void *next = *(void **)chain;
        slow_free(chain, "test");
        chain = next;
    }
    assert_non_null(slow_malloc(3000));
}

/* The two blocks of a slab are free, but one of them stands in a magazine: flushing it frees the unit. */
static void what_is_in_the_magazine_may_be_all_that_is_missing(void **state) {
    (void)state;
    slow_free(slow_malloc(1), "test");
    char *newest = exhaust(SMALL_MAX);
    char *other = *(void **)newest;
    assert_int_equal((uintptr_t)newest / UNIT_SIZE, (uintptr_t)other / UNIT_SIZE);
    slow_free(newest, "test");
    slow_free(other, "test");
    assert_int_equal(heap_blocks_cached(CLASS_COUNT - 1), 1);
    assert_non_null(slow_malloc(3000));
}

static void direct_blocks_too_are_found_after_memory_ran_out(void **state) {
    (void)state;
    void *direct = slow_malloc(2 * LARGE_MAX);
    void *chain = exhaust(40000);
    fake_fail_never();
    slow_free(direct, "test"); /* kept, or gone */
    fake_fail_nth(FAKE_MAP, 1);
    assert_non_null(slow_malloc(40000));
    free_chain(chain);
}

static void wrong_addresses_are_reported_under_the_name_of_the_call(void **state) {
    (void)state;
    warn_only();
    char *block = slow_malloc(100);
    char *large = slow_malloc(100000);
    char *direct = slow_malloc(2 * LARGE_MAX);
    slow_free(block + 8, "name");
    expect_report("name", block + 8, "pointer into the middle of a 112-byte block");
    slow_free(large + 4096, "name");
    expect_report("name", large + 4096, "pointer into the middle of a 102400-byte block");
    slow_free(direct + 16, "name");
    expect_report("name", direct + 16, "pointer into the middle of a 67108864-byte block");
    slow_free(&block, "name");
    expect_report("name", &block, "not a block of collam");
    slow_free(block, "name");
    slow_free(block, "name");
    expect_report("name", block, "double free of a 112-byte block");
    slow_free(large, "name");
    slow_free(large, "name");
    expect_report("name", large, "double free of a large block");
    assert_int_equal(front_usable_size(block, "size"), 0);
    expect_report("size", block, "double free of a 112-byte block");
    assert_int_equal(front_usable_size(&block, "size"), 0);
    expect_report("size", &block, "not a block of collam");
    assert_int_equal(front_usable_size_or_0(block), 0);
    assert_int_equal(front_usable_size_or_0((void *)UINTPTR_MAX), 0);
    assert_string_equal(fake_output(), "");
}

static void *after_the_end(void *context) {
    (void)context;
    void *before = slow_malloc(200);
    heap_end_of_thread();
    for (size_t size = 1; size < 2 * LARGE_MAX; size *= 3) {
        unsigned char *block = slow_malloc(size);
        assert_non_null(block);
        memset(block, 1, size);
        unsigned char *cleared = front_calloc(1, size);
        assert_true(unit_all(cleared, size, 0));
        slow_free(block, "test");
        slow_free(cleared, "test");
    }
    slow_free(before, "test");
    assert_ptr_equal(thread_heap, &no_heap);
    warn_only();
    void *block = slow_malloc(64);
    slow_free(block, "late");
    slow_free(block, "late");
    expect_report("late", block, "double free of a 64-byte block");
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(bin_blocks_out(c), 0);
    }
    return NULL;
}

static void threads_without_a_heap_work_on(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, after_the_end, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void watched_calls_are_counted(void **state) {
    (void)state;
    (void)heap_of_thread();
    heap_watch();
    void *block[10];
    static const size_t sizes[10] = {0, 1, 16, 1000, 5000, 32768, 32769, 100000, LARGE_MAX, LARGE_MAX + 1};
    for (int i = 0; i < 10; i++) {
        block[i] = i % 2 ? fast_malloc(sizes[i]) : front_calloc(1, sizes[i]);
    }
    size_t allocations;
    size_t frees;
    heap_calls_counted(&allocations, &frees);
    assert_int_equal(allocations, 10);
    assert_int_equal(frees, 0);
    for (int i = 0; i < 10; i++) {
        fast_free(block[i], "test");
    }
    fast_free(NULL, "test");
    heap_calls_counted(&allocations, &frees);
    assert_int_equal(allocations, 10);
    assert_int_equal(frees, 10);
}

static void *first_large_while_watched(void *unused) {
    slow_free(slow_malloc(100000), "test");
    heap_end_of_thread();
    return unused;
}

/* Be it the first call of its thread, which has no heap until then. */
static void a_large_first_block_is_counted(void **state) {
    (void)state;
    heap_watch(); /* by a thread that has none itself */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, first_large_while_watched, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    size_t allocations;
    size_t frees;
    heap_calls_counted(&allocations, &frees);
    assert_int_equal(allocations, 1);
    assert_int_equal(frees, 1);
}

static void perturbing_fills_what_a_large_block_grew_by(void **state) {
    (void)state;
    assert_true(option_set(OPTION_perturb, 0xa5));
    (void)heap_of_thread();
    heap_watch();
    unsigned char *block = fast_malloc(40000);
    memset(block, 1, 40000);
    void *wall = fast_malloc(40000);
    size_t usable = front_usable_size(block, "test");
    unsigned char *grown = front_resize(block, 300000, "test");
    assert_ptr_not_equal(grown, block);
    assert_true(unit_all(grown, 40000, 1));
    assert_true(unit_all(grown + usable, 300000 - usable, 0x5a));
    fast_free(grown, "test");
    fast_free(wall, "test");
}

static void perturbing_fills_new_and_freed_blocks(void **state) {
    (void)state;
    assert_true(option_set(OPTION_perturb, 0xa5));
    (void)heap_of_thread();
    heap_watch();
    for (size_t size = 1; size < 100000; size *= 7) {
        unsigned char *block = fast_malloc(size);
        assert_true(unit_all(block, size, 0x5a));
        size_t usable = front_usable_size(block, "test");
        memset(block, 1, usable);
        fast_free(block, "test");
        if (size <= SMALL_MAX) {
            assert_true(unit_all(block, usable, 0xa5));
        }
        unsigned char *cleared = front_calloc(1, size);
        assert_true(unit_all(cleared, size, 0));
        fast_free(cleared, "test");
        for (size_t align = 32; align <= 65536; align *= 8) {
            unsigned char *aligned = front_aligned(align, size);
            assert_true(unit_all(aligned, size, 0x5a));
            fast_free(aligned, "test");
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_size_has_its_usable_bytes),
    cmocka_unit_test(impossible_sizes),
    cmocka_unit_test(for_impossible_sizes_nothing_is_given_back),
    cmocka_unit_test(calloc_clears_what_was_used),
    cmocka_unit_test(calloc_clears_every_mix_of_used_and_unused),
    cmocka_unit_test(calloc_does_not_touch_fresh_pages),
    cmocka_unit_test(memory_of_one_size_serves_another_when_there_is_no_more),
    cmocka_unit_test(what_is_freed_after_memory_ran_out_is_found),
    cmocka_unit_test(what_is_in_the_magazine_may_be_all_that_is_missing),
    cmocka_unit_test(direct_blocks_too_are_found_after_memory_ran_out),
    cmocka_unit_test(wrong_addresses_are_reported_under_the_name_of_the_call),
    cmocka_unit_test(threads_without_a_heap_work_on),
    cmocka_unit_test(watched_calls_are_counted),
    cmocka_unit_test(a_large_first_block_is_counted),
    cmocka_unit_test(perturbing_fills_what_a_large_block_grew_by),
    cmocka_unit_test(perturbing_fills_new_and_freed_blocks),
};
UNIT_MAIN(tests)
