/*
 * Purpose: tests of front/aligned.c: every alignment with sizes around every border, with each page size.
 */
#include "front/aligned.h"
#include "config/options.h"
#include "front/fast.h"
#include "heap/large.h"
#include "pages/counters.h"
#include "unit.h"

#include <errno.h>

static void all_alignments_and_sizes(size_t page_size) {
    static const size_t sizes[] = {0,    1,     15,    16,    17,    100,   1024,  1025,    4095,    4096,    4097,
                                   8192, 16384, 30000, 32767, 32768, 32769, 65536, 1000000, 1048576, 1048577, 3000000};
    fake_settings.page_size = page_size;
    for (size_t align = 1; align <= (size_t)1 << 30; align *= 2) {
        unsigned char *block[COUNT(sizes)];
        for (size_t i = 0; i < COUNT(sizes); i++) {
            errno = 0;
            block[i] = front_aligned(align, sizes[i]);
            assert_non_null(block[i]);
            assert_int_equal(errno, 0);
            assert_int_equal((uintptr_t)block[i] % align, 0);
            assert_int_equal((uintptr_t)block[i] % BLOCK_ALIGN, 0);
            assert_true(front_usable_size_or_0(block[i]) >= sizes[i]);
            memset(block[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < COUNT(sizes); i++) {
            assert_true(unit_all(block[i], sizes[i], (int)i));
            fast_free(block[i], "test");
            assert_string_equal(fake_output(), "");
        }
    }
}

static void with_pages_of_4_kib(void **state) {
    (void)state;
    all_alignments_and_sizes(4096);
}

static void with_pages_of_16_kib(void **state) {
    (void)state;
    all_alignments_and_sizes(16384);
}

static void with_pages_of_64_kib(void **state) {
    (void)state;
    all_alignments_and_sizes(65536);
}

/* The fast path computes the class in one go; size_class_aligned rounds the size first. */
static void small_ones_come_from_magazines(void **state) {
    (void)state;
    for (size_t align = 1; align <= SMALL_TABLE_MAX; align *= 2) {
        for (size_t size = 0; size <= SMALL_TABLE_MAX; size++) {
            if (size_rounded(size, align < BLOCK_ALIGN ? BLOCK_ALIGN : align) > SMALL_TABLE_MAX) {
                assert_null(fast_aligned(align, size, 1));
                continue;
            }
            unsigned class_index = size_class_aligned(size, align < BLOCK_ALIGN ? BLOCK_ALIGN : align);
            void *before = front_aligned(align, size);
            assert_int_equal(page_map_class((uintptr_t)before), class_index);
            fast_free(before, "test");
            void *block = fast_aligned(align, size, 1);
            assert_ptr_equal(block, before); /* by the fast path: it was freed last */
            fast_free(block, "test");
            if (align < sizeof(void *)) {
                assert_null(fast_aligned(align, size, sizeof(void *)));
            }
            assert_null(fast_aligned(align * 2 + 1, size, 1));
            assert_null(fast_aligned(0, size, 1));
        }
        assert_null(fast_aligned(align, SMALL_TABLE_MAX + 1, 1));
        assert_null(fast_aligned(align, SIZE_MAX, 1));
    }
    for (size_t align = 1024; align <= SLICE_SIZE; align *= 2) {
        void *before = front_aligned(align, 2000);
        fast_free(before, "test");
        assert_ptr_equal(fast_aligned_or(align, 2000, front_aligned_or_invalid), before);
        fast_free(before, "test");
        errno = 0;
        assert_null(fast_aligned_or(align + 16, 2000, front_aligned_or_invalid));
        assert_int_equal(errno, EINVAL);
    }
    errno = 0;
    assert_null(fast_aligned_or(0, 2000, front_aligned_or_invalid));
    assert_int_equal(errno, EINVAL);
}

static void small_ones_live_in_slabs(void **state) {
    (void)state;
    for (size_t align = 1; align <= SLICE_SIZE; align *= 2) {
        void *block = front_aligned(align, 100);
        unsigned class_index = page_map_class((uintptr_t)block);
        assert_int_equal(class_index, size_class_aligned(100, align < BLOCK_ALIGN ? BLOCK_ALIGN : align));
    }
    assert_int_equal(load_relaxed(&page_counters.large_count), 0);
    (void)front_aligned(2 * SLICE_SIZE, 100);
    assert_int_equal(load_relaxed(&page_counters.large_count), 1);
    (void)front_aligned(2 * LARGE_ALIGN_MAX, 100);
    assert_int_equal(load_relaxed(&page_counters.direct_count), 1);
}

/* Large alignments cost no memory for the gaps. */
static void gaps_are_not_paid_for(void **state) {
    (void)state;
    fast_free(fast_malloc(1), "test");
    size_t before = fake_mapped_bytes();
    for (int i = 0; i < 20; i++) {
        char *block = front_aligned((size_t)2 << 20, 4096);
        block[0] = 1;
    }
    assert_int_equal(fake_mapped_bytes() - before, 20 * 4096);
}

static void impossible_requests(void **state) {
    (void)state;
    static const size_t aligns[] = {1, 16, 4096, 65536, (size_t)1 << 21, (size_t)1 << 40};
    for (size_t i = 0; i < COUNT(aligns); i++) {
        errno = 0;
        assert_null(front_aligned(aligns[i], SIZE_MAX));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(front_aligned(aligns[i], (size_t)PTRDIFF_MAX + 1));
        assert_int_equal(errno, ENOMEM);
    }
    errno = 0;
    assert_null(front_aligned((size_t)1 << 63, 1));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(front_aligned((size_t)1 << 62, 1));
    assert_int_equal(errno, ENOMEM);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(with_pages_of_4_kib),      cmocka_unit_test(with_pages_of_16_kib),
    cmocka_unit_test(with_pages_of_64_kib),     cmocka_unit_test(small_ones_come_from_magazines),
    cmocka_unit_test(small_ones_live_in_slabs), cmocka_unit_test(gaps_are_not_paid_for),
    cmocka_unit_test(impossible_requests),
};
UNIT_MAIN(tests)
