/*
 * Purpose: tests of slab/slab.c as the hardened library has it: what is handed out for the first time is backed already.
 */
#include "platform/platform.h"
#include "slab/slab.h"
#include "unit.h"

/* Each page once, as the first block that needs it is claimed. */
static void pages_are_touched_before_they_are_read(void **state) {
    (void)state;
    enum { CLASS = 49, SIZE = 4096 };
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(size_classes[CLASS].size, SIZE);
    for (unsigned i = 1; i <= slab->blocks; i++) {
        void *block;
        assert_int_equal(slab_claim(slab, &block + 1, 1), 1);
        assert_int_equal(platform_resident(slab_base(slab), UNIT_SIZE), i * SIZE);
    }
}

/* A block that shares its first page with others needs the rest of its pages only. */
static void pages_that_are_shared_are_touched_once(void **state) {
    (void)state;
    enum { CLASS = 51, SIZE = 5120 };
    struct slab *slab = slab_create(CLASS, 0);
    assert_int_equal(size_classes[CLASS].size, SIZE);
    for (unsigned i = 1; i <= slab->blocks; i++) {
        void *block;
        assert_int_equal(slab_claim(slab, &block + 1, 1), 1);
        assert_int_equal(platform_resident(slab_base(slab), UNIT_SIZE), (i * SIZE + 4095) / 4096 * 4096);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pages_are_touched_before_they_are_read),
    cmocka_unit_test(pages_that_are_shared_are_touched_once),
};
UNIT_MAIN(tests)
