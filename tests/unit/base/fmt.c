/*
 * Purpose: tests of base/fmt.c against snprintf, and at the end of the buffer.
 */
#include "base/fmt.h"
#include "unit.h"

#include <stdio.h>

static void numbers_as_printf_writes_them(void **state) {
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 2000; i++) {
        uint64_t n = unit_random(&seed) >> (i % 64);
        char mine[64];
        char theirs[64];
        struct fmt out;
        fmt_start(&out, mine, sizeof mine);
        fmt_number(&out, n);
        fmt_char(&out, ' ');
        fmt_pointer(&out, n);
        int length = snprintf(theirs, sizeof theirs, "%llu 0x%llx", (unsigned long long)n, (unsigned long long)n);
        assert_string_equal(mine, theirs);
        assert_int_equal(fmt_length(&out), length);
    }
}

static void extreme_numbers(void **state) {
    (void)state;
    char text[64];
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    fmt_number(&out, 0);
    fmt_char(&out, ' ');
    fmt_number(&out, UINT64_MAX);
    fmt_char(&out, ' ');
    fmt_pointer(&out, 0);
    assert_string_equal(text, "0 18446744073709551615 0x0");
}

static void starts_empty_and_terminated(void **state) {
    (void)state;
    char text[4] = "xxx";
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(fmt_length(&out), 0);
    fmt_text(&out, "");
    assert_string_equal(text, "");
}

static void drops_what_does_not_fit(void **state) {
    (void)state;
    for (size_t capacity = 1; capacity < 12; capacity++) {
        char text[16];
        memset(text, '#', sizeof text);
        struct fmt out;
        fmt_start(&out, text, capacity);
        fmt_text(&out, "0123");
        fmt_number(&out, 4567);
        fmt_slice(&out, "89", 2);
        size_t length = capacity - 1 < 10 ? capacity - 1 : 10;
        assert_int_equal(fmt_length(&out), length);
        assert_memory_equal(text, "0123456789", length);
        assert_int_equal(text[length], '\0');
        assert_true(unit_all(text + capacity, sizeof text - capacity, '#'));
    }
}

static void slices_stop_and_hide_what_cannot_be_printed(void **state) {
    (void)state;
    char text[64];
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    fmt_slice(&out, "abcdef", 3);
    assert_string_equal(text, "abc");
    fmt_slice(&out, "gh", 10);
    assert_string_equal(text, "abcgh");
    fmt_slice(&out, "\n\033[1m\x7f\xc3~ ", 20);
    assert_string_equal(text, "abcgh??[1m??~ ");
    fmt_slice(&out, "ignored", 0);
    assert_string_equal(text, "abcgh??[1m??~ ");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(numbers_as_printf_writes_them),
    cmocka_unit_test(extreme_numbers),
    cmocka_unit_test(starts_empty_and_terminated),
    cmocka_unit_test(drops_what_does_not_fit),
    cmocka_unit_test(slices_stop_and_hide_what_cannot_be_printed),
};
UNIT_MAIN(tests)
