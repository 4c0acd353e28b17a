/*
 * Purpose: tests of base/bits.h against definitions by counting.
 */
#include "base/bits.h"
#include "unit.h"

static void powers_of_two(void **state) {
    (void)state;
    assert_false(is_power_of_two(0));
    assert_false(is_power_of_two(SIZE_MAX));
    for (unsigned i = 0; i < 64; i++) {
        size_t power = (size_t)1 << i;
        assert_true(is_power_of_two(power));
        assert_int_equal(is_power_of_two(power + 1), i == 0);
        assert_int_equal(is_power_of_two(power - 1), i == 1);
    }
}

static void rounding(void **state) {
    (void)state;
    for (size_t align = 1; align <= 64; align *= 2) {
        for (size_t n = 0; n < 300; n++) {
            size_t up = align_up(n, align);
            size_t down = align_down(n, align);
            assert_true(up >= n && up - n < align && up % align == 0);
            assert_true(down <= n && n - down < align && down % align == 0);
        }
    }
    assert_int_equal(align_up(SIZE_MAX - 15, 16), SIZE_MAX - 15);
    assert_int_equal(align_down(SIZE_MAX, (size_t)1 << 63), (size_t)1 << 63);
}

static void single_bits(void **state) {
    (void)state;
    for (unsigned low = 0; low < 64; low++) {
        for (unsigned high = low; high < 64; high++) {
            uint64_t n = (uint64_t)1 << low | (uint64_t)1 << high;
            assert_int_equal(lowest_bit(n), low);
            assert_int_equal(highest_bit(n), high);
        }
    }
    assert_int_equal(lowest_bit(UINT64_MAX), 0);
    assert_int_equal(highest_bit(UINT64_MAX), 63);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(powers_of_two),
    cmocka_unit_test(rounding),
    cmocka_unit_test(single_bits),
};
UNIT_MAIN(tests)
