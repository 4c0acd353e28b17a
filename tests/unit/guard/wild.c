/*
 * Purpose: tests of guard/wild.c and guard/trace.c: the line of each kind of access, the stacks below it, and what follows.
 */
#include "guard/wild.h"
#include "config/options.h"
#include "guard/report.h"
#include "guard/trace.h"
#include "heap/misuse.h"
#include "platform/fault.h"
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void warn_and_watch(void) {
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    wild_watch();
}

static void expect(const char *first_line, const char *const *more, size_t count) {
    size_t length = strlen(first_line);
    if (strncmp(fake_output(), first_line, length) != 0 || fake_output()[length] != '\n') {
        fail_msg("expected '%s', got '%s'", first_line, fake_output());
    }
    const char *at = fake_output();
    for (size_t i = 0; i < count; i++) {
        at = strstr(at, more[i]);
        if (at == NULL) {
            fail_msg("no '%s' in '%s'", more[i], fake_output());
        }
    }
    fake_output_clear();
}

#if defined(__x86_64__)
#define READ "read"
#define WRITE "write"
#else
#define READ "access"
#define WRITE "access"
#endif

static void every_kind_of_access(void **state) {
    (void)state;
    static const char *const live[] = {"  accessed by thread 1, called perhaps from\n", "unit_guard_wild+0x",
                                       "  allocated by thread 1, called perhaps from\n", "unit_guard_wild+0x"};
    static const char *const freed[] = {"  accessed by thread 1", "  allocated by thread 1", "  freed by thread 1", "unit_guard_wild+0x"};
    char line[300];
    uintptr_t where;
    warn_and_watch();
    volatile char *right = guarded_take(64, 16);
    volatile char *left = guarded_take(64, 16);
    right[64] = 1;
    snprintf(line, sizeof line, "collam: " WRITE "(%p): overflow, 0 bytes behind a 64-byte block at %p; ignored",
             (void *)(uintptr_t)(right + 64), (void *)(uintptr_t)right);
    expect(line, live, COUNT(live));
    (void)left[-8];
    snprintf(line, sizeof line, "collam: " READ "(%p): underflow, 8 bytes before a 64-byte block at %p; ignored",
             (void *)(uintptr_t)(left - 8), (void *)(uintptr_t)left);
    expect(line, live, COUNT(live));
    assert_int_equal(guarded_give((uintptr_t)left, &where), GUARDED_RIGHT);
    (void)left[9];
    snprintf(line, sizeof line, "collam: " READ "(%p): use after free, byte 9 of a freed 64-byte block at %p; ignored",
             (void *)(uintptr_t)(left + 9), (void *)(uintptr_t)left);
    expect(line, freed, COUNT(freed));
    left[5000] = 1;
    snprintf(line, sizeof line, "collam: " WRITE "(%p): use after free, 4936 bytes behind a freed 64-byte block at %p; ignored",
             (void *)(uintptr_t)(left + 5000), (void *)(uintptr_t)left);
    expect(line, freed, COUNT(freed));
    left[5000] = 2; /* open by now */
    assert_string_equal(fake_output(), "");
}

static sigjmp_buf back;
static volatile uintptr_t nowhere = 16;

static void own(int number) {
    (void)number;
    siglongjmp(back, 1);
}

static void the_programs_handler_follows_the_report(void **state) {
    (void)state;
    signal(SIGSEGV, own);
    wild_watch();
    for (int i = 0; i < 2; i++) {
        volatile char *block = guarded_take(64, 16);
        if (sigsetjmp(back, 1) == 0) {
            block[i ? -1 : 64] = 1;
            assert_true(false);
        }
        assert_non_null(strstr(fake_output(), i ? "underflow, 1 bytes before" : "overflow, 0 bytes behind"));
        assert_null(strstr(fake_output(), "ignored"));
        fake_output_clear();
    }
    if (sigsetjmp(back, 1) == 0) { /* not ours: no word about it */
        *(volatile char *)nowhere = 1;
        assert_true(false);
    }
    assert_string_equal(fake_output(), "");
}

/* The page cannot be opened: the program does not go on, and is not ended without a word. */
static void an_access_that_cannot_be_ignored_is_told_even_if_quiet(void **state) {
    (void)state;
    signal(SIGSEGV, own);
    assert_true(option_set(OPTION_quiet, 1));
    warn_and_watch();
    volatile char *block = guarded_take(64, 16);
    block[64] = 1;
    assert_string_equal(fake_output(), "");
    (void)guarded_take(64, 16); /* every other one ends where its page does */
    block = guarded_take(64, 16);
    fake_fail_from(FAKE_PROTECT, 1);
    if (sigsetjmp(back, 1) == 0) {
        block[64] = 1;
        assert_true(false);
    }
    assert_non_null(strstr(fake_output(), "overflow, 0 bytes behind a 64-byte block"));
    assert_null(strstr(fake_output(), "; ignored"));
    fake_fail_never();
}

static void what_no_block_is_near_is_not_reported(void **state) {
    (void)state;
    signal(SIGSEGV, own);
    warn_and_watch();
    volatile char *block = guarded_take(64, 16);
    if (sigsetjmp(back, 1) == 0) {
        block[5 * GUARDED_PITCH] = 1;
        assert_true(false);
    }
    assert_string_equal(fake_output(), "");
}

static void reports_of_frees_tell_the_history(void **state) {
    (void)state;
    uintptr_t where;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    uintptr_t block = (uintptr_t)guarded_take(64, 16);
    assert_int_equal(guarded_give(block, &where), GUARDED_RIGHT);
    struct misuse misuse = {.kind = MISUSE_DOUBLE_FREE, .call = "free", .address = block, .block = block, .block_size = 64};
    report_misuse(&misuse);
    static const char *const history[] = {"  allocated by thread 1", "unit_guard_wild+0x", "  freed by thread 1", "unit_guard_wild+0x"};
    char line[200];
    snprintf(line, sizeof line, "collam: free(%p): double free of a 64-byte block; ignored", (void *)block);
    expect(line, history, COUNT(history));
    misuse.address = 0x1000;
    report_misuse(&misuse);
    assert_null(strstr(fake_output(), "allocated by"));
}

/* With a stack that may grow without limit the system places libraries before the program, and the list begins with one of them. */
static void libraries_may_be_mapped_before_the_program(void **state) {
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_STACK, &limit) != 0) {
        skip(); /* nobody here may have such a stack */
    }
    char text[4096];
    int status = unit_run_self("reports_of_frees_tell_the_history", environ, text, sizeof text);
    if (status != 0) {
        fail_msg("status %d, %s", status, text);
    }
}

static void frames_are_return_addresses_only(void **state) {
    (void)state;
    struct trace trace = {.thread = 5, .count = 4};
    trace.words[0] = (uintptr_t)frames_are_return_addresses_only + 1; /* code, but no place to return to */
    trace.words[1] = (uintptr_t)&trace;
    trace.words[2] = 0x1234;
    trace.words[3] = UINTPTR_MAX;
    trace_read_modules();
    trace_print("something done", &trace, 0);
    assert_string_equal(fake_output(), "  something done by thread 5, called perhaps from\n");
    fake_output_clear();
    trace.words[1] = (uintptr_t)__builtin_return_address(0);
    trace_print("something done", &trace, 0x10);
    char expected[100];
    snprintf(expected, sizeof expected, "    %p ", __builtin_return_address(0));
    assert_non_null(strstr(fake_output(), expected));
    assert_non_null(strstr(fake_output(), "from\n    0x10\n"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_kind_of_access),
    cmocka_unit_test(the_programs_handler_follows_the_report),
    cmocka_unit_test(an_access_that_cannot_be_ignored_is_told_even_if_quiet),
    cmocka_unit_test(what_no_block_is_near_is_not_reported),
    cmocka_unit_test(reports_of_frees_tell_the_history),
    cmocka_unit_test(libraries_may_be_mapped_before_the_program),
    cmocka_unit_test(frames_are_return_addresses_only),
};
UNIT_MAIN(tests)
