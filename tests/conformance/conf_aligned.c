/*
 * Purpose: aligned_alloc, posix_memalign, memalign, valloc, pvalloc: which alignments are taken, what is refused and how,
 * for every power of two up to 1 GiB.
 */
#include "conformance.h"
#include <unistd.h>

enum { LARGEST_SHIFT = 30 };

static void check_block(unsigned char *block, size_t alignment, size_t size) {
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % alignment, 0);
    assert_int_equal((uintptr_t)block % 16, 0);
    assert_true(malloc_usable_size(block) >= size);
    if (size) {
        block[0] = 1;
        block[size - 1] = 2;
    }
    free(block);
}

static void every_power_of_two_up_to_a_gibibyte(void **state) {
    (void)state;
    for (int shift = 0; shift <= LARGEST_SHIFT; shift++) {
        size_t alignment = (size_t)1 << shift;
        const size_t sizes[] = {0, 1, alignment / 2, alignment - 1, alignment, alignment + 1, 2 * alignment, 3000, 40000, 600000, 1500000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            errno = 4711;
            check_block(aligned_alloc(alignment, opaque(sizes[i])), alignment, sizes[i]);
            check_block(memalign(alignment, opaque(sizes[i])), alignment, sizes[i]);
            if (alignment >= sizeof(void *)) {
                void *block = NULL;
                assert_int_equal(posix_memalign(&block, alignment, opaque(sizes[i])), 0);
                check_block(block, alignment, sizes[i]);
            }
            assert_int_equal(errno, 4711);
        }
    }
}

static void many_of_one_alignment_are_apart(void **state) {
    (void)state;
    enum { EACH = 50 };
    for (size_t alignment = 16; alignment <= 1u << 20; alignment *= 4)
        for (size_t size = 24; size <= 100000; size = size * 5 / 2) {
            unsigned char *block[EACH];
            size_t where;
            for (size_t i = 0; i < EACH; i++) {
                block[i] = aligned_alloc(alignment, opaque(size));
                assert_non_null(block[i]);
                assert_int_equal((uintptr_t)block[i] % alignment, 0);
                pattern_fill(block[i], size, i * alignment + size);
            }
            for (size_t i = 0; i < EACH; i++) {
                assert_true(pattern_holds(block[i], size, size, i * alignment + size, &where));
                free(block[i]);
            }
        }
}

static void posix_memalign_refuses_by_its_result(void **state) {
    (void)state;
    static const size_t refused[] = {0, 1, 2, 3, 4, 5, 7, 12, 17, 24, 48, 100, 4095, 4097, (size_t)PTRDIFF_MAX, SIZE_MAX, SIZE_MAX - 7};
    void *kept = &kept;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        errno = 4711;
        assert_int_equal(posix_memalign(&kept, opaque(refused[i]), 100), EINVAL);
        assert_ptr_equal(kept, &kept);
        assert_int_equal(errno, 4711);
    }
    for (size_t alignment = 8; alignment <= 1u << 30; alignment *= 2) {
        errno = 4711;
        assert_int_equal(posix_memalign(&kept, alignment, opaque((size_t)PTRDIFF_MAX + 1)), ENOMEM);
        assert_int_equal(posix_memalign(&kept, alignment, opaque(SIZE_MAX)), ENOMEM);
        assert_int_equal(posix_memalign(&kept, alignment, opaque(PTRDIFF_MAX)), ENOMEM);
        assert_ptr_equal(kept, &kept);
        if (on_collam()) /* POSIX leaves errno open here; glibc sets it */
            assert_int_equal(errno, 4711);
    }
}

static void aligned_alloc_refuses_what_is_no_power_of_two(void **state) {
    (void)state;
    if (!on_collam()) /* glibc before 2.38 rounds up, as memalign does */
        skip();
    static const size_t refused[] = {0, 3, 5, 6, 7, 12, 17, 24, 48, 100, 4095, 4097, SIZE_MAX, SIZE_MAX - 4095};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_fails(aligned_alloc(opaque(refused[i]), 100), EINVAL);
}

static void memalign_rounds_an_odd_alignment_up(void **state) {
    (void)state;
    static const size_t odd[] = {0, 1, 3, 5, 17, 24, 48, 100, 4095, 4097, 70000};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        size_t power = 1;
        while (power < odd[i])
            power *= 2;
        check_block(memalign(opaque(odd[i]), 300), power, 300);
    }
    errno = 0;
    assert_null(memalign(opaque(SIZE_MAX), 100));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(memalign(opaque(((size_t)1 << 63) + 1), 100));
    assert_int_equal(errno, EINVAL);
}

static void impossible_sizes_fail_at_every_alignment(void **state) {
    (void)state;
    for (int shift = 0; shift < 63; shift++) {
        size_t alignment = opaque((size_t)1 << shift);
        assert_fails(aligned_alloc(alignment, opaque(SIZE_MAX)), ENOMEM);
        assert_fails(aligned_alloc(alignment, opaque(SIZE_MAX - alignment + 1)), ENOMEM);
        assert_fails(aligned_alloc(alignment, opaque((size_t)PTRDIFF_MAX + 1)), ENOMEM);
        assert_fails(aligned_alloc(alignment, opaque((size_t)PTRDIFF_MAX)), ENOMEM);
        assert_fails(memalign(alignment, opaque(SIZE_MAX - 64)), ENOMEM);
    }
    /* alignments that no address can have */
    for (int shift = 52; shift < 63; shift++)
        assert_fails(aligned_alloc(opaque((size_t)1 << shift), 100), ENOMEM);
    assert_fails(valloc(opaque(SIZE_MAX)), ENOMEM);
    assert_fails(valloc(opaque((size_t)PTRDIFF_MAX + 1)), ENOMEM);
    assert_fails(pvalloc(opaque(SIZE_MAX)), ENOMEM);
    assert_fails(pvalloc(opaque(SIZE_MAX - 4095)), ENOMEM);
    assert_fails(pvalloc(opaque((size_t)PTRDIFF_MAX)), ENOMEM);
}

static void valloc_and_pvalloc_give_whole_pages(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t sizes[] = {0, 1, page - 1, page, page + 1, 10 * page, 300 * page};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_block(valloc(opaque(sizes[i])), page, sizes[i]);
        size_t rounded = (sizes[i] + page - 1) / page * page;
        check_block(pvalloc(opaque(sizes[i])), page, rounded);
    }
}

static void aligned_blocks_do_not_reserve_for_ever(void **state) {
    (void)state;
    long mapped = mapped_kib();
    for (int i = 0; i < 200; i++) {
        void *block = aligned_alloc((size_t)1 << 28, 4096);
        assert_non_null(block);
        free(block);
    }
    /* 200 alignments of 256 MiB each: what was reserved for them is not kept */
    if (mapped_kib() - mapped > 1024 * 1024)
        fail_msg("mapped grew by %ld KiB", mapped_kib() - mapped);
}

static void libc_names_reach_the_same_allocator(void **state) {
    (void)state;
    if (!on_collam())
        skip();
    assert_true(__libc_memalign && __libc_valloc && __libc_pvalloc && __libc_malloc && __libc_calloc && __libc_realloc && __libc_free);
    free(__libc_malloc(100));
    free(__libc_calloc(10, 10));
    free(__libc_realloc(NULL, 100));
    free(__libc_realloc(malloc(50), 1000));
    check_block(__libc_memalign(256, 100), 256, 100);
    check_block(__libc_valloc(100), 4096, 100);
    check_block(__libc_pvalloc(100), 4096, 4096);
    __libc_free(malloc(100));
    if (cfree)
        cfree(malloc(100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_power_of_two_up_to_a_gibibyte),  cmocka_unit_test(many_of_one_alignment_are_apart),
        cmocka_unit_test(posix_memalign_refuses_by_its_result), cmocka_unit_test(aligned_alloc_refuses_what_is_no_power_of_two),
        cmocka_unit_test(memalign_rounds_an_odd_alignment_up),  cmocka_unit_test(impossible_sizes_fail_at_every_alignment),
        cmocka_unit_test(valloc_and_pvalloc_give_whole_pages),  cmocka_unit_test(aligned_blocks_do_not_reserve_for_ever),
        cmocka_unit_test(libc_names_reach_the_same_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
