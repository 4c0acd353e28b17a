/*
 * Purpose: tests of heap/misuse.c: what is said about each kind of wrong address.
 */
#include "heap/misuse.h"
#include "base/check.h"
#include "pages/direct.h"
#include "pages/page_map.h"
#include "pages/span.h"
#include "slab/slab.h"
#include "unit.h"

static struct misuse told;
static int times;

static void keep(const struct misuse *misuse) {
    told = *misuse;
    times++;
}

static void end(const char *line, size_t length) {
    platform_write(2, line, length);
    platform_abort();
}

static struct misuse examine(uintptr_t address) {
    int before = times;
    misuse_set_handler(keep);
    misuse_examine("call", address);
    assert_int_equal(times, before + 1);
    assert_string_equal(told.call, "call");
    assert_int_equal(told.address, address);
    assert_false(told.has_given_size);
    return told;
}

static void foreign(uintptr_t address) {
    struct misuse misuse = examine(address);
    assert_int_equal(misuse.kind, MISUSE_FOREIGN);
}

static void interior(uintptr_t address, uintptr_t block, size_t size) {
    struct misuse misuse = examine(address);
    assert_int_equal(misuse.kind, MISUSE_INTERIOR);
    assert_int_equal(misuse.block, block);
    assert_int_equal(misuse.block_size, size);
}

static void double_free(uintptr_t address, size_t size) {
    struct misuse misuse = examine(address);
    assert_int_equal(misuse.kind, MISUSE_DOUBLE_FREE);
    assert_int_equal(misuse.block_size, size);
}

static void addresses_that_were_never_ours(void **state) {
    (void)state;
    static char variable;
    foreign(0);
    foreign(1);
    foreign((uintptr_t)&variable);
    foreign((uintptr_t)&state);
    foreign(UINTPTR_MAX);
    foreign((uintptr_t)1 << 47);
    foreign((uintptr_t)PAGE_MAP_ROOTS << REGION_SHIFT);
}

static void in_a_slab(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct slab *slab = slab_create(c, 0);
        size_t size = size_classes[c].size;
        uintptr_t unit = (uintptr_t)slab_base(slab);
        uintptr_t base = unit + class_places[c].start;
        uintptr_t last = base + (size_classes[c].blocks - 1u) * size;
        double_free(base, size);
        double_free(last, size);
        interior(base + 1, base, size);
        interior(last + size - 1, last, size);
        if (last + size < unit + UNIT_SIZE) { /* the rest behind the last block belongs to nobody, */
            foreign(last + size);
            foreign(unit + UNIT_SIZE - 1);
        }
        if (base != unit) { /* nor does what lies before the first */
            foreign(unit);
            foreign(base - 1);
        }
    }
}

static void in_a_span(void **state) {
    (void)state;
    bool zeroed = false;
    uintptr_t first = (uintptr_t)span_take(3 * SLICE_SIZE, 1, &zeroed);
    uintptr_t second = (uintptr_t)span_take(20 * SLICE_SIZE, 1, &zeroed);
    interior(first + 1, first, 3 * SLICE_SIZE);
    interior(first + 3 * SLICE_SIZE - 1, first, 3 * SLICE_SIZE);
    interior(second + SLICE_SIZE, second, 20 * SLICE_SIZE);
    double_free(second + 20 * SLICE_SIZE, 0);
    double_free(second + 20 * SLICE_SIZE + 5, 0);
    assert_true(span_give(first));
    double_free(first, 0);
    double_free(first + SLICE_SIZE, 0);
    interior(second + 1, second, 20 * SLICE_SIZE);
    foreign(second - 4 * SLICE_SIZE); /* below all that is mapped */
}

static void in_a_unit_without_slab(void **state) {
    (void)state;
    struct slab *slab = slab_create(1, 0);
    uintptr_t base = (uintptr_t)slab_base(slab);
    slab_destroy(slab);
    double_free(base, 0);
    double_free(base + UNIT_SIZE - 1, 0);
}

static void in_a_mapping(void **state) {
    (void)state;
    bool zeroed = false;
    uintptr_t block = (uintptr_t)direct_take((size_t)2 << 20, 4096, &zeroed);
    interior(block + 1, block, (size_t)2 << 20);
    interior(block + ((size_t)2 << 20) - 1, block, (size_t)2 << 20);
    foreign(block + ((size_t)2 << 20));
    assert_true(direct_give(block, 0));
    foreign(block);
}

static void the_size_that_was_given(void **state) {
    (void)state;
    misuse_set_handler(keep);
    misuse_examine_sized("sized", 16, 123);
    assert_int_equal(told.kind, MISUSE_FOREIGN);
    assert_true(told.has_given_size);
    assert_int_equal(told.given_size, 123);
}

static void before_start(void *context) {
    (void)context;
    misuse_set_handler(NULL);
    misuse_examine("call", 16);
}

static void without_a_handler_it_ends(void **state) {
    (void)state;
    check_set_handler(end);
    const char *text = unit_death(before_start, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "misuse of the heap before start"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_that_were_never_ours), cmocka_unit_test(in_a_slab),    cmocka_unit_test(in_a_span),
    cmocka_unit_test(in_a_unit_without_slab),         cmocka_unit_test(in_a_mapping), cmocka_unit_test(the_size_that_was_given),
    cmocka_unit_test(without_a_handler_it_ends),
};
UNIT_MAIN(tests)
