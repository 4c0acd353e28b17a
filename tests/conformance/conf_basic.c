/*
 * Purpose: malloc, calloc, realloc, reallocarray and free as C17, POSIX and glibc define them: sizes of zero, sizes that
 * cannot be, errno, contents, and the alignment every block has.
 */
#include "conformance.h"

static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX / 2 + 2, SIZE_MAX - 8192, SIZE_MAX - 4096, SIZE_MAX - 64,
                                    SIZE_MAX - 16,           SIZE_MAX - 15,    SIZE_MAX - 8,    SIZE_MAX - 1,    SIZE_MAX};

static void blocks_are_aligned_and_apart(void **state) {
    (void)state;
    enum { EACH = 8 };
    for (size_t i = 0; i < boundary_count(); i++) {
        unsigned char *block[EACH];
        for (size_t n = 0; n < EACH; n++) {
            block[n] = malloc(opaque(boundary(i)));
            assert_non_null(block[n]);
            assert_int_equal((uintptr_t)block[n] % 16, 0);
            pattern_fill(block[n], boundary(i), i * EACH + n);
        }
        for (size_t n = 0; n < EACH; n++) {
            size_t where;
            assert_true(pattern_holds(block[n], boundary(i), boundary(i), i * EACH + n, &where));
            free(block[n]);
        }
    }
}

static void zero_bytes_give_distinct_blocks(void **state) {
    (void)state;
    void *block[64];
    for (size_t i = 0; i < 64; i++) {
        block[i] = i % 4 == 0   ? malloc(opaque(0))
                   : i % 4 == 1 ? calloc(opaque(0), opaque(7))
                   : i % 4 == 2 ? calloc(opaque(7), opaque(0))
                                : realloc(opaque_pointer(NULL), opaque(0));
        assert_non_null(block[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(block[i], block[j]);
    }
    for (size_t i = 0; i < 64; i++)
        free(block[i]);
}

static void impossible_sizes_fail_with_enomem(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        size_t size = opaque(impossible[i]);
        assert_fails(malloc(size), ENOMEM);
        assert_fails(calloc(1, size), ENOMEM);
        assert_fails(calloc(size, 1), ENOMEM);
        assert_fails(calloc(size, 16), ENOMEM);
        assert_fails(realloc(opaque_pointer(NULL), size), ENOMEM);
        assert_fails(reallocarray(NULL, size, 1), ENOMEM);
    }
    /* the largest lawful request is refused by the kernel, in the same words */
    assert_fails(malloc(opaque(PTRDIFF_MAX)), ENOMEM);
    assert_fails(calloc(1, opaque(PTRDIFF_MAX)), ENOMEM);
    assert_fails(malloc(opaque(PTRDIFF_MAX - 4096)), ENOMEM);
    assert_fails(malloc(opaque((size_t)1 << 52)), ENOMEM);
}

static void products_that_overflow_fail(void **state) {
    (void)state;
    static const size_t pairs[][2] = {{(size_t)1 << 32, (size_t)1 << 32},
                                      {((size_t)1 << 32) + 1, (size_t)1 << 32},
                                      {SIZE_MAX, 2},
                                      {2, SIZE_MAX},
                                      {SIZE_MAX / 2 + 1, 2},
                                      {SIZE_MAX / 16 + 1, 16},
                                      {SIZE_MAX, SIZE_MAX},
                                      {((size_t)1 << 63), 3},
                                      {((size_t)1 << 33) - 1, (size_t)1 << 31},
                                      {(size_t)3 << 62, 4}};
    unsigned char *kept = malloc(100);
    assert_non_null(kept);
    pattern_fill(kept, 100, 5);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t count = opaque(pairs[i][0]), size = opaque(pairs[i][1]), where;
        assert_fails(calloc(count, size), ENOMEM);
        assert_fails(reallocarray(NULL, count, size), ENOMEM);
        assert_fails(reallocarray(opaque_pointer(kept), count, size), ENOMEM);
        assert_true(pattern_holds(kept, 100, 100, 5, &where));
    }
    free(kept);
}

static void free_keeps_errno(void **state) {
    (void)state;
    free(NULL);
    for (size_t i = 0; i < boundary_count(); i++) {
        void *plain = malloc(opaque(boundary(i)));
        void *aligned = memalign(4096, opaque(boundary(i)));
        assert_non_null(plain);
        assert_non_null(aligned);
        errno = 4711;
        free(plain);
        free(aligned);
        free(opaque_pointer(NULL));
        assert_int_equal(errno, 4711);
    }
}

static void success_leaves_errno_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < boundary_count(); i++) {
        errno = 4711;
        void *block = malloc(opaque(boundary(i)));
        block = realloc(block, opaque(boundary(i) + 1));
        assert_non_null(block);
        assert_int_equal(errno, 4711);
        void *zeroed = calloc(1, opaque(boundary(i)));
        assert_non_null(zeroed);
        assert_int_equal(errno, 4711);
        free(block);
        free(zeroed);
    }
}

static void calloc_is_zero_after_dirtying(void **state) {
    (void)state;
    enum { EACH = 40 };
    for (size_t i = 0; i < boundary_count(); i++) {
        size_t size = boundary(i);
        size_t each = size > 256 * 1024 ? 3 : EACH;
        unsigned char *block[EACH];
        for (int round = 0; round < 3; round++) {
            for (size_t n = 0; n < each; n++) {
                block[n] = round == 0 ? malloc(opaque(size)) : calloc(n % 2 ? 1 : opaque(size), n % 2 ? opaque(size) : 1);
                assert_non_null(block[n]);
                for (size_t at = 0; round > 0 && at < size; at++)
                    if (block[n][at] != 0)
                        fail_msg("calloc(%zu): byte %zu is %d", size, at, block[n][at]);
                memset(block[n], 0xa5, malloc_usable_size(block[n]));
            }
            for (size_t n = 0; n < each; n++)
                free(block[n]);
        }
    }
}

static void calloc_is_zero_after_other_sizes(void **state) {
    /* the same pages come back as blocks of another kind: what is known of their contents must not outlive their use */
    (void)state;
    for (size_t i = 0; i + 1 < boundary_count(); i++) {
        size_t total = boundary(i + 1) * 8 + 4096;
        unsigned char *dirty = malloc(opaque(total));
        assert_non_null(dirty);
        memset(dirty, 0x5a, total);
        free(dirty);
        unsigned char *zeroed = calloc(1, opaque(boundary(i)));
        assert_non_null(zeroed);
        for (size_t at = 0; at < boundary(i); at++)
            assert_int_equal(zeroed[at], 0);
        free(zeroed);
    }
}

static void realloc_of_null_allocates(void **state) {
    (void)state;
    for (size_t i = 0; i < boundary_count(); i++) {
        void *block = realloc(opaque_pointer(NULL), opaque(boundary(i)));
        assert_non_null(block);
        memset(block, 1, boundary(i));
        free(block);
    }
}

static void realloc_to_zero_frees(void **state) {
    (void)state;
    for (size_t i = 0; i < boundary_count(); i++) {
        void *block = malloc(opaque(boundary(i)));
        assert_non_null(block);
        errno = 4711;
        assert_null(realloc(block, opaque(0)));
        assert_int_equal(errno, 4711);
        block = malloc(opaque(boundary(i)));
        assert_null(reallocarray(block, opaque(0), 8));
    }
    /* it frees: 4 GiB go through a process that may not grow */
    long before = mapped_kib();
    for (int i = 0; i < 4096; i++)
        assert_null(realloc(malloc(opaque(1 << 20)), opaque(0)));
    assert_true(mapped_kib() - before < 64 * 1024);
}

static void realloc_keeps_contents_between_all_sizes(void **state) {
    (void)state;
    for (size_t from = 0; from < boundary_count(); from++)
        for (size_t to = 0; to < boundary_count(); to++) {
            size_t old_size = boundary(from), new_size = boundary(to), where;
            if (old_size == 0 || new_size == 0)
                continue;
            unsigned char *block = malloc(opaque(old_size));
            assert_non_null(block);
            pattern_fill(block, old_size, from * 1000 + to);
            block = realloc(block, opaque(new_size));
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 16, 0);
            assert_true(malloc_usable_size(block) >= new_size);
            size_t common = old_size < new_size ? old_size : new_size;
            if (!pattern_holds(block, common, old_size, from * 1000 + to, &where))
                fail_msg("realloc(%zu -> %zu): byte %zu was not kept", old_size, new_size, where);
            memset(block, 0xee, new_size);
            free(block);
        }
}

static void realloc_walks_up_and_down(void **state) {
    /* neighbours live on both sides, so growing in place meets them */
    (void)state;
    size_t size = 1, where;
    unsigned char *block = malloc(opaque(size));
    void *neighbour[2048];
    size_t neighbours = 0;
    pattern_fill(block, size, size);
    for (int direction = 1; direction >= 0; direction--)
        while (direction ? size < 24u << 20 : size > 1) {
            size_t next = direction ? size + size / 8 + 1 : size - size / 7 - (size < 7);
            block = realloc(block, opaque(next));
            assert_non_null(block);
            if (!pattern_holds(block, next < size ? next : size, size, size, &where))
                fail_msg("realloc(%zu -> %zu): byte %zu was not kept", size, next, where);
            pattern_fill(block, next, next);
            if (size < 4u << 20 && neighbours < 2048)
                assert_non_null(neighbour[neighbours++] = malloc(opaque(next)));
            size = next;
        }
    free(block);
    while (neighbours)
        free(neighbour[--neighbours]);
}

static void realloc_of_aligned_blocks_keeps_contents(void **state) {
    (void)state;
    for (size_t alignment = 32; alignment <= 1u << 22; alignment *= 2)
        for (size_t i = 1; i < boundary_count(); i += 3) {
            size_t size = boundary(i), grown = size * 3 + 1, where;
            unsigned char *block = memalign(alignment, opaque(size));
            assert_non_null(block);
            pattern_fill(block, size, alignment + i);
            block = realloc(block, opaque(grown));
            assert_non_null(block);
            assert_true(pattern_holds(block, size, size, alignment + i, &where));
            pattern_fill(block, grown, i);
            block = realloc(block, opaque(size));
            assert_non_null(block);
            assert_true(pattern_holds(block, size, grown, i, &where));
            free(block);
        }
}

static void failed_realloc_keeps_the_block(void **state) {
    (void)state;
    for (size_t i = 1; i < boundary_count(); i++) {
        size_t size = boundary(i), where;
        unsigned char *block = malloc(opaque(size));
        assert_non_null(block);
        pattern_fill(block, size, i);
        assert_fails(realloc(block, opaque((size_t)PTRDIFF_MAX + 1)), ENOMEM);
        assert_fails(realloc(block, opaque(SIZE_MAX)), ENOMEM);
        assert_fails(realloc(block, opaque(SIZE_MAX - 15)), ENOMEM);
        assert_fails(realloc(block, opaque(PTRDIFF_MAX)), ENOMEM);
        assert_fails(realloc(block, opaque((size_t)1 << 52)), ENOMEM);
        assert_true(pattern_holds(block, size, size, i, &where));
        free(block);
    }
}

static void shrinking_gives_the_tail_back(void **state) {
    (void)state;
    if (!on_collam())
        skip();
    enum { BLOCKS = 24 };
    void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        assert_non_null(block[i] = malloc(opaque(8u << 20)));
        memset(block[i], 1, 8u << 20);
    }
    long full = resident_kib();
    for (int i = 0; i < BLOCKS; i++)
        assert_non_null(block[i] = realloc(block[i], opaque(100)));
    if (getenv("COLLAM_OPTIONS"))
        malloc_trim(0); /* somebody may have chosen that more stays */
    long shrunk = resident_kib();
    /* 192 MiB were held; a sixteenth of what is live, or 1 MiB, may stay dirty */
    if (full - shrunk < 180 * 1024)
        fail_msg("%ld KiB before, %ld KiB after", full, shrunk);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void reallocarray_is_realloc_of_the_product(void **state) {
    (void)state;
    size_t where;
    unsigned char *block = reallocarray(NULL, 100, 7);
    assert_non_null(block);
    pattern_fill(block, 700, 9);
    block = reallocarray(block, opaque(1000), opaque(70));
    assert_non_null(block);
    assert_true(malloc_usable_size(block) >= 70000);
    assert_true(pattern_holds(block, 700, 700, 9, &where));
    free(block);
}

/* Heaps beyond a gigabyte: blocks of one size whose addresses differ in more than their lower 30 bits, given back in another order. */
static void blocks_gigabytes_apart(void **state) {
    (void)state;
    enum { SIZE = 32 << 10, MOST = 100000, KINDS = 3 };
    static void *block[MOST];
    size_t count = 0;
    while (count < MOST && (count == 0 || (uintptr_t)block[count - 1] >> 30 == (uintptr_t)block[0] >> 30)) {
        block[count] = malloc(opaque(SIZE));
        assert_non_null(block[count]);
        count++;
    }
    assert_in_range(count, 2, MOST - 1);
    void *small[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        small[i] = calloc(1, opaque(50)); /* after blocks from far away have been in use */
    for (size_t step = 0; step < 7; step++)
        for (size_t i = step; i < count; i += 7) {
            assert_true(malloc_usable_size(block[count - 1 - i]) >= SIZE);
            free(block[count - 1 - i]);
        }
    for (size_t i = 0; i < KINDS; i++)
        free(small[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(zero_bytes_give_distinct_blocks),
        cmocka_unit_test(impossible_sizes_fail_with_enomem),
        cmocka_unit_test(products_that_overflow_fail),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(success_leaves_errno_alone),
        cmocka_unit_test(calloc_is_zero_after_dirtying),
        cmocka_unit_test(calloc_is_zero_after_other_sizes),
        cmocka_unit_test(realloc_of_null_allocates),
        cmocka_unit_test(realloc_to_zero_frees),
        cmocka_unit_test(realloc_keeps_contents_between_all_sizes),
        cmocka_unit_test(realloc_walks_up_and_down),
        cmocka_unit_test(realloc_of_aligned_blocks_keeps_contents),
        cmocka_unit_test(failed_realloc_keeps_the_block),
        cmocka_unit_test(shrinking_gives_the_tail_back),
        cmocka_unit_test(reallocarray_is_realloc_of_the_product),
        cmocka_unit_test(blocks_gigabytes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
