/*
 * Purpose: tests of front/fast.h: that the fast paths agree with the slow ones on every size, and what free always notices.
 */
#include "front/fast.h"
#include "config/options.h"
#include "unit.h"

#include <pthread.h>

static unsigned long reports(void) {
    unsigned long count = 0;
    for (const char *line = fake_output(); (line = strchr(line, '\n')) != NULL; line++) {
        count++;
    }
    return count;
}

static void every_small_size_comes_from_its_class(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) { /* first from the slow path, then from a magazine */
        for (size_t size = 0; size <= SMALL_MAX; size++) {
            void *block = fast_malloc(size);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % BLOCK_ALIGN, 0);
            assert_int_equal(page_map_class((uintptr_t)block), size_class_of(size));
            fast_free(block, "test");
        }
    }
}

static void what_was_freed_last_comes_first(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        void *block = fast_malloc(size_classes[c].size);
        fast_free(block, "test");
        assert_ptr_equal(fast_malloc(size_classes[c].size), block);
    }
}

static void larger_sizes_take_the_slow_path(void **state) {
    (void)state;
    for (size_t size = SMALL_MAX + 1; size < (size_t)8 << 20; size = size * 5 / 4) {
        unsigned char *block = fast_malloc(size);
        assert_non_null(block);
        assert_int_equal(page_map_class((uintptr_t)block), 0);
        block[0] = 1;
        block[size - 1] = 1;
        fast_free(block, "test");
    }
    assert_null(fast_malloc(SIZE_MAX));
}

static void freeing_null_or_first_of_all(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    fast_free(NULL, "test"); /* before anything else */
    assert_int_equal(reports(), 0);
    int variable;
    fast_free(&variable, "test");
    fast_free((void *)UINTPTR_MAX, "test");
    fast_free((void *)((uintptr_t)PAGE_MAP_ROOTS << REGION_SHIFT), "test");
    fast_free((void *)16, "test");
    assert_int_equal(reports(), 4);
}

/* The block is freed, `others` more blocks of the class are freed after it, and then it is freed again. */
static bool noticed(unsigned class_index, int others) {
    void *block[64];
    unsigned long before = reports();
    for (int i = 0; i <= others; i++) {
        block[i] = fast_malloc(size_classes[class_index].size);
    }
    for (int i = 0; i <= others; i++) {
        fast_free(block[i], "test");
    }
    fast_free(block[0], "test");
    bool found = reports() > before;
    fake_output_clear();
    return found;
}

static void double_frees_are_noticed_in_every_class(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (int others = 0; others <= 1; others++) {
            assert_true(noticed(c, others));
        }
    }
}

static void every_address_that_begins_no_block_is_noticed(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    for (unsigned c = 1; c < CLASS_COUNT; c += 3) {
        size_t size = size_classes[c].size;
        char *block = fast_malloc(size);
        for (size_t offset = 1; offset < size; offset += offset < 100 ? 1 : 97) {
            fake_output_clear();
            fast_free(block + offset, "test");
            assert_int_equal(reports(), 1);
            assert_non_null(strstr(fake_output(), "pointer into the middle of a "));
        }
        fast_free(block, "test");
        assert_ptr_equal(fast_malloc(size), block); /* unharmed */
    }
}

static void blocks_of_different_classes_do_not_mix(void **state) {
    (void)state;
    void *block[CLASS_COUNT];
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        block[c] = fast_malloc(size_classes[c].size);
        memset(block[c], (int)c, size_classes[c].size);
    }
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_true(unit_all(block[c], size_classes[c].size, (int)c));
        fast_free(block[c], "test");
    }
    for (unsigned c = CLASS_COUNT - 1; c >= 1; c--) {
        assert_ptr_equal(fast_malloc(size_classes[c].size), block[c]);
    }
}

static void *free_here(void *block) {
    (void)fast_malloc(2000); /* a heap of its own */
    fast_free(block, "first");
    return NULL;
}

static void a_block_deep_in_its_magazine_is_free(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_MARKED; c++) {
        void *block[5];
        for (size_t i = 0; i < COUNT(block); i++) {
            block[i] = fast_malloc(size_classes[c].size);
            assert_int_equal(fast_class(block[i]), c);
        }
        for (size_t i = 0; i < COUNT(block); i++) {
            fast_free(block[i], "test");
        }
        for (size_t i = 0; i < COUNT(block); i++) {
            assert_int_equal(fast_class(block[i]), 0);
        }
    }
}

/* The memo has forgotten it, or another thread has freed it. */
static void a_marked_block_is_known_to_be_free_wherever_it_waits(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    unsigned long found = 0;
    for (unsigned c = CLASS_MARKED; c < CLASS_COUNT; c++) {
        void *stays = fast_malloc(size_classes[c].size);
        void *block = fast_malloc(size_classes[c].size);
        void *theirs = fast_malloc(size_classes[c].size);
        assert_int_equal(fast_class(block), c);
        fast_free(block, "test");
        memset(thread_heap->memo, 0, sizeof thread_heap->memo);
        fast_free(block, "test");
        assert_int_equal(reports(), ++found);
        assert_int_equal(fast_class(block), 0);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, free_here, theirs), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        fast_free(theirs, "test");
        assert_int_equal(reports(), ++found);
        assert_int_equal(front_usable_size(theirs, "test"), 0);
        assert_int_equal(reports(), ++found);
        assert_ptr_equal(fast_malloc(size_classes[c].size), block);
        assert_int_equal(fast_class(block), c);
        fast_free(stays, "test");
        fake_output_clear();
        found = 0;
    }
}

/* The heap's blocks may come from another region by now than the one a block lies in. */
static void blocks_far_from_home_are_as_good(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        void *first = fast_malloc(size_classes[c].size);
        void *second = fast_malloc(size_classes[c].size);
        fast_free(second, "test");
        for (uintptr_t root = NO_ROOT - 1; root != 1; root = root == NO_ROOT ? 1 : root + 1) {
            thread_heap->home_root = root;
            thread_heap->home = NULL;
            assert_int_equal(fast_class(first), c);
            fast_free(first, "test");
            fast_free(first, "test");
            assert_int_equal(reports(), 1);
            fake_output_clear();
            assert_ptr_equal(fast_malloc(size_classes[c].size), first);
        }
        fast_free((char *)first + 1, "test");
        fast_free((void *)((uintptr_t)PAGE_MAP_ROOTS << REGION_SHIFT), "test");
        assert_int_equal(reports(), 2);
        fake_output_clear();
        assert_int_equal(fast_class((char *)first + 1), 0);
        thread_heap->home_root = NO_ROOT;
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_block_deep_in_its_magazine_is_free),
    cmocka_unit_test(every_small_size_comes_from_its_class),
    cmocka_unit_test(what_was_freed_last_comes_first),
    cmocka_unit_test(larger_sizes_take_the_slow_path),
    cmocka_unit_test(freeing_null_or_first_of_all),
    cmocka_unit_test(double_frees_are_noticed_in_every_class),
    cmocka_unit_test(every_address_that_begins_no_block_is_noticed),
    cmocka_unit_test(blocks_far_from_home_are_as_good),
    cmocka_unit_test(blocks_of_different_classes_do_not_mix),
    cmocka_unit_test(a_marked_block_is_known_to_be_free_wherever_it_waits),
};
UNIT_MAIN(tests)
