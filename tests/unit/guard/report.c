/*
 * Purpose: tests of guard/report.c: the exact line of each kind of misuse, and what follows it.
 */
#include "guard/report.h"
#include "config/options.h"
#include "unit.h"

static void report(void *context) {
    report_misuse(context);
}

static void line_and_end(void *context) {
    report_line_and_end(context, strlen(context));
}

/* The line in both modes. */
static void expect(struct misuse misuse, const char *line) {
    char expected[400];
    assert_true(option_set(OPTION_misuse, MISUSE_ABORT));
    const char *text = unit_death(report, &misuse);
    assert_non_null(text);
    strcpy(expected, line);
    assert_string_equal(text, strcat(expected, "\n"));
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    assert_null(unit_death(report, &misuse));
    strcpy(expected, line);
    assert_string_equal(fake_output(), strcat(expected, "; ignored\n"));
}

static void every_kind(void **state) {
    (void)state;
    struct misuse misuse = {.kind = MISUSE_DOUBLE_FREE, .call = "free", .address = 0x7f0123456780, .block_size = 64};
    expect(misuse, "collam: free(0x7f0123456780): double free of a 64-byte block");
    misuse.block_size = 0;
    expect(misuse, "collam: free(0x7f0123456780): double free of a large block");
    misuse = (struct misuse){.kind = MISUSE_INTERIOR, .call = "realloc", .address = 0x1010, .block = 0x1000, .block_size = 48};
    expect(misuse, "collam: realloc(0x1010): pointer into the middle of a 48-byte block at 0x1000");
    misuse.has_given_size = true;
    expect(misuse, "collam: realloc(0x1010, 0): pointer into the middle of a 48-byte block at 0x1000");
    misuse = (struct misuse){.kind = MISUSE_FOREIGN, .call = "operator delete[]", .address = 1};
    expect(misuse, "collam: operator delete[](0x1): not a block of collam (stack, static, foreign or already unmapped memory)");
    misuse = (struct misuse){
        .kind = MISUSE_WRONG_SIZE, .call = "free_sized", .address = 0x20, .block_size = 64, .given_size = 100, .has_given_size = true};
    expect(misuse, "collam: free_sized(0x20, 100): size does not match the block (64 bytes)");
    misuse.kind = MISUSE_WRONG_ALIGN;
    expect(misuse, "collam: free_sized(0x20, 100): alignment does not match the block (64 bytes)");
    misuse = (struct misuse){.kind = MISUSE_WRONG_TAG, .call = "free", .address = (uintptr_t)7 << 56 | 0x1000, .block_size = 48};
    expect(misuse,
           "collam: free(0x700000000001000): the memory tag is not that of a 48-byte block there: freed and handed out again since, or the "
           "tag was lost");
}

static void extreme_numbers_fit(void **state) {
    (void)state;
    struct misuse misuse = {.kind = MISUSE_INTERIOR,
                            .call = "collam_free_aligned_sized",
                            .address = UINTPTR_MAX,
                            .block = UINTPTR_MAX,
                            .block_size = SIZE_MAX,
                            .given_size = SIZE_MAX,
                            .has_given_size = true};
    expect(misuse, "collam: collam_free_aligned_sized(0xffffffffffffffff, 18446744073709551615): pointer into the middle of a "
                   "18446744073709551615-byte block at 0xffffffffffffffff");
}

static void one_write_a_report(void **state) {
    (void)state;
    struct misuse misuse = {.kind = MISUSE_FOREIGN, .call = "free", .address = 1};
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    report_misuse(&misuse);
    assert_int_equal(fake_calls(FAKE_WRITE), 1);
}

static void quiet_silences_information_only(void **state) {
    (void)state;
    report_line("information\n", 12);
    assert_string_equal(fake_output(), "information\n");
    fake_output_clear();
    assert_true(option_set(OPTION_quiet, 1));
    report_line("information\n", 12);
    assert_string_equal(fake_output(), "");
    static char line[] = "death\n";
    assert_string_equal(unit_death(line_and_end, line), "death\n");
    struct misuse misuse = {.kind = MISUSE_FOREIGN, .call = "free", .address = 1};
    const char *text = unit_death(report, &misuse);
    assert_non_null(text);
    assert_non_null(strstr(text, "collam: free(0x1)"));
    fake_output_clear();
    assert_true(option_set(OPTION_misuse, MISUSE_WARN)); /* who asks to be warned is */
    report_misuse(&misuse);
    assert_non_null(strstr(fake_output(), "; ignored\n"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_kind),
    cmocka_unit_test(extreme_numbers_fit),
    cmocka_unit_test(one_write_a_report),
    cmocka_unit_test(quiet_silences_information_only),
};
UNIT_MAIN(tests)
