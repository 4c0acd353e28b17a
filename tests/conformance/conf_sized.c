/*
 * Purpose: free_sized and free_aligned_sized (C23), and malloc_usable_size, whose every byte belongs to the caller.
 */
#include "conformance.h"

static void free_sized_takes_what_was_asked(void **state) {
    (void)state;
    if (!free_sized || !free_aligned_sized)
        skip();
    free_sized(NULL, 0);
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 64, 128);
    for (size_t i = 0; i < boundary_count(); i++) {
        size_t size = opaque(boundary(i));
        errno = 4711;
        free_sized(malloc(size), size);
        free_sized(calloc(1, size), size);
        free_sized(realloc(malloc(1), size ? size : 1), size ? size : 1);
        assert_int_equal(errno, 4711);
    }
}

static void free_aligned_sized_takes_what_was_asked(void **state) {
    (void)state;
    if (!free_aligned_sized)
        skip();
    for (size_t alignment = 1; alignment <= 1u << 24; alignment *= 2)
        for (size_t i = 0; i < boundary_count(); i++) {
            size_t size = opaque(boundary(i));
            void *block = aligned_alloc(alignment, size);
            assert_non_null(block);
            errno = 4711;
            free_aligned_sized(block, alignment, size);
            assert_int_equal(errno, 4711);
        }
}

static void free_sized_of_every_small_size(void **state) {
    (void)state;
    if (!free_sized)
        skip();
    for (size_t size = 0; size <= 40000; size++) {
        void *block = malloc(opaque(size));
        assert_non_null(block);
        free_sized(block, size);
    }
}

static void usable_size_covers_what_was_asked(void **state) {
    (void)state;
    assert_int_equal(malloc_usable_size(opaque_pointer(NULL)), 0);
    for (size_t size = 0; size <= 70000; size += size < 2048 ? 1 : 37) {
        void *block = malloc(opaque(size));
        assert_non_null(block);
        size_t usable = malloc_usable_size(block);
        assert_true(usable >= size);
        assert_true(usable <= size + size / 4 + 64 || size > 16384);
        assert_int_equal(usable, malloc_usable_size(block));
        free(block);
    }
}

static void usable_bytes_are_all_ours(void **state) {
    (void)state;
    enum { EACH = 6 };
    for (size_t i = 0; i < boundary_count(); i++) {
        unsigned char *block[EACH];
        size_t usable[EACH], where;
        for (size_t n = 0; n < EACH; n++) {
            block[n] = n % 2 ? memalign((size_t)32 << n, opaque(boundary(i))) : malloc(opaque(boundary(i)));
            assert_non_null(block[n]);
            usable[n] = malloc_usable_size(block[n]);
            assert_true(usable[n] >= boundary(i));
            pattern_fill_range(block[n], 0, usable[n], i * EACH + n);
        }
        for (size_t n = 0; n < EACH; n++) {
            where = pattern_check_range(block[n], 0, usable[n], i * EACH + n);
            if (where != usable[n])
                fail_msg("block of %zu bytes, usable %zu: byte %zu changed", boundary(i), usable[n], where);
            free(block[n]);
        }
    }
}

static void growing_to_the_usable_size_stays_in_place(void **state) {
    (void)state;
    if (!on_collam())
        skip();
    for (size_t i = 0; i < boundary_count(); i++) {
        void *block = malloc(opaque(boundary(i)));
        assert_non_null(block);
        uintptr_t address = (uintptr_t)block;
        void *same = realloc(block, malloc_usable_size(block));
        assert_int_equal((uintptr_t)same, address);
        free(same);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_sized_takes_what_was_asked), cmocka_unit_test(free_aligned_sized_takes_what_was_asked),
        cmocka_unit_test(free_sized_of_every_small_size),  cmocka_unit_test(usable_size_covers_what_was_asked),
        cmocka_unit_test(usable_bytes_are_all_ours),       cmocka_unit_test(growing_to_the_usable_size_stays_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
