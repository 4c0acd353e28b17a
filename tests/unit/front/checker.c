/*
 * Purpose: tests of front/checker.c, and of the front while a checker is present: what AddressSanitizer is told. Its run-time library is
 * played by the functions below; tests/checkers has the real one, and valgrind. Where the test itself is built with it, only the first
 * test remains.
 */
#include "front/checker.h"
#include "collam/collam.h"
#include "front/slow.h"
#include "heap/thread_heap.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__)
#define REAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REAL_ASAN 1
#endif
#endif

static void nothing_is_told_unless_wanted(void **state) {
    (void)state;
    assert_false(checker_start(false));
    assert_false(checker_present());
    assert_int_equal(collam_usable_size(collam_malloc(100)), 112);
}

#ifndef REAL_ASAN
enum { SHADOW_BYTES = 32 << 20 };
static unsigned char shadow[SHADOW_BYTES / 8];
static uintptr_t shadow_start;

static void mark(const volatile void *address, size_t size, bool poisoned) {
    for (uintptr_t at = (uintptr_t)address - shadow_start; size--; at++) {
        if (at < SHADOW_BYTES) {
            shadow[at / 8] = (unsigned char)((shadow[at / 8] & ~(1u << at % 8)) | (unsigned)poisoned << at % 8);
        }
    }
}

void __asan_poison_memory_region(void const volatile *address, size_t size);
void __asan_poison_memory_region(void const volatile *address, size_t size) {
    mark(address, size, true);
}

void __asan_unpoison_memory_region(void const volatile *address, size_t size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size) {
    mark(address, size, false);
}

void *__asan_region_is_poisoned(void *address, size_t size);
void *__asan_region_is_poisoned(void *address, size_t size) {
    for (uintptr_t at = (uintptr_t)address; at < (uintptr_t)address + size; at++) {
        uintptr_t i = at - shadow_start;
        if (i < SHADOW_BYTES && (shadow[i / 8] >> i % 8 & 1)) {
            return (void *)at;
        }
    }
    return NULL;
}

static bool usable(const char *address, size_t size) {
    return __asan_region_is_poisoned((void *)(uintptr_t)address, size) == NULL;
}

static void check_all(void) {
    shadow_start = (uintptr_t)collam_malloc(1) & ~(uintptr_t)(SHADOW_BYTES / 2 - 1);
    assert_true(checker_start(true) && checker_present());
    store_relaxed(&front_special, true);
    heap_watch();
}

static void a_block_may_be_used_and_what_follows_may_not(void **state) {
    (void)state;
    check_all();
    static const size_t sizes[] = {1, 16, 100, 1000, 30000, 32768, 100000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t size = sizes[i];
        char *blocks[] = {collam_malloc(size), collam_calloc(1, size), collam_aligned_alloc(256, size)};
        for (size_t k = 0; k < COUNT(blocks); k++) {
            assert_true(usable(blocks[k], size));
            assert_false(usable(blocks[k] + size, 1));
            assert_false(usable(blocks[k] + size + CHECKER_ZONE - 1, 1));
            assert_int_equal(collam_usable_size(blocks[k]), size);
        }
        assert_true(unit_all(blocks[1], size, 0));
        for (size_t k = 0; k < COUNT(blocks); k++) {
            collam_free(blocks[k]);
            if (size + CHECKER_ZONE <= SMALL_MAX) {
                assert_false(usable(blocks[k], 1));
            }
        }
    }
    assert_int_equal(collam_usable_size(collam_malloc(0)), 1);
    assert_null(collam_malloc((size_t)PTRDIFF_MAX - 3));
    assert_null(collam_aligned_alloc(64, SIZE_MAX - 3));
}

static void realloc_keeps_to_the_size_asked_for(void **state) {
    (void)state;
    check_all();
    char *block = collam_malloc(100);
    memset(block, 7, 100);
    char *same = collam_realloc(block, 60);
    assert_ptr_equal(same, block);
    assert_true(usable(block, 60) && !usable(block + 60, 1));
    char *grown = collam_realloc(block, 61);
    assert_true(grown != block && usable(grown, 61) && !usable(grown + 61, 1) && unit_all(grown, 60, 7));
    assert_false(usable(block, 1));
    char *large = collam_realloc(grown, 2 << 20);
    assert_true(unit_all(large, 60, 7));
    char *larger = collam_realloc(large, 3 << 20);
    assert_true(unit_all(larger, 60, 7));
    assert_int_equal(collam_usable_size(larger), 3 << 20);
    collam_free_sized(larger, 3 << 20);
    assert_string_equal(fake_output(), "");
}

/* Where the front might otherwise let a block grow in place, or as a mapping of its own. */
static void large_blocks_that_grow_keep_their_zone(void **state) {
    (void)state;
    check_all();
    char *block = collam_malloc(100000);
    memset(block, 7, 100000);
    static const size_t sizes[] = {300000, 3 << 20, 4 << 20, 200000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        block = collam_realloc(block, sizes[i]);
        assert_true(unit_all(block, 100000, 7));
        assert_true(usable(block, sizes[i]));
        assert_false(usable(block + sizes[i], 1));
        assert_int_equal(collam_usable_size(block), sizes[i]);
    }
    collam_free(block);
    assert_string_equal(fake_output(), "");
}

/* Or a search for leaked blocks would find all of them in the magazines that they came from. */
static void magazines_forget_what_was_taken(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        collam_free(collam_malloc(100));
    }
    check_all();
    char *blocks[20];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = collam_malloc(100);
        unsigned class_index = page_map_class((uintptr_t)blocks[i]);
        void **first = load_relaxed(&thread_heap->first[class_index]);
        for (unsigned n = 0; n < load_relaxed(&thread_heap->capacity[class_index]); n++) {
            assert_ptr_not_equal(first[n], blocks[i]);
        }
    }
}

static void what_is_given_back_is_the_checkers_no_longer(void **state) {
    (void)state;
    check_all();
    char *large = collam_malloc(200000);
    collam_free(large);
    assert_true(usable(large, 200000 + CHECKER_ZONE));
}
#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_is_told_unless_wanted),
#ifndef REAL_ASAN
    cmocka_unit_test(a_block_may_be_used_and_what_follows_may_not),
    cmocka_unit_test(realloc_keeps_to_the_size_asked_for),
    cmocka_unit_test(large_blocks_that_grow_keep_their_zone),
    cmocka_unit_test(magazines_forget_what_was_taken),
    cmocka_unit_test(what_is_given_back_is_the_checkers_no_longer),
#endif
};
UNIT_MAIN(tests)
